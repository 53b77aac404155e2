"""Sharing out by rule: what a file may say, and who gets which case."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.sharing_out import UNLIMITED, ShareRule, read_rules, shared_out

HOLDERS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)
LOADS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9))


def test_a_file_says_which_cases_whose_and_how_many() -> None:
    """Its rules come in its order; what is left out has its default."""
    text = """
    [[assign]]
    name = "early"
    where = "stage<=M2"
    to = ["小李", "p-1"]
    priority = 5
    most = 300
    sort = "overdue_since"
    [[assign]]
    name = "rest"
    where = ""
    to = ["p-2"]
    """
    full, bare = read_rules(text)
    assert full == ShareRule(
        name="early", where="stage<=M2", to=["小李", "p-1"], priority=5, most=300, sort="overdue_since"
    )
    assert bare == ShareRule(name="rest", where="", to=["p-2"], priority=0, most=UNLIMITED, sort="")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "rules"),
        ("[[assign", "rules"),
        ("[assign]\n", "rules"),
        ('[[assign]]\nname="a"\nwhere=""\nto="x"', "rules"),
        ('[[assign]]\nname="a"\nwhere=""', "rules"),
        ('[[assign]]\nname="a"\nwhere=""\nto=["x"]\nmax=1', "rules"),
        ('more=1\n[[assign]]\nname="a"\nwhere=""\nto=["x"]', "rules"),
        ('[[assign]]\nname="a"\nwhere=""\nto=[]', "assign[1]"),
        ('[[assign]]\nname="a"\nwhere=""\nto=["x"]\n' * 2 + "most=0", "assign[2]"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_meant_is_refused(text: str, field: str) -> None:
    """Not TOML, a key unknown or missing, a wrong type, nobody to assign to, room for none: it says which."""
    with pytest.raises(Invalid) as refusal:
        read_rules(text)
    assert (refusal.value.code, refusal.value.field) == ("invalid_rules", field)
    assert refusal.value.remedy


def test_whoever_holds_fewest_is_next() -> None:
    """The first named goes first where several hold as few."""
    placed = list(shared_out(list("123456"), ["a", "b", "c"], {"a": 2, "c": 1}, UNLIMITED))
    assert placed == [("1", "b"), ("2", "b"), ("3", "c"), ("4", "a"), ("5", "b"), ("6", "c")]


def test_nobody_gets_more_than_the_rule_says() -> None:
    """Cases beyond everybody's room find no place, the first come first."""
    assert list(shared_out(list("1234"), ["a", "b"], {"a": 1, "b": 5}, 3)) == [("1", "a"), ("2", "a")]


@given(st.integers(0, 40), HOLDERS, LOADS, st.integers(1, 12))
def test_sharing_is_even_complete_and_within_bounds(
    count: int, holders: list[str], loads: dict[str, int], most: int
) -> None:
    """Each case once, in order; nobody beyond `most`; no place is left while a case is; loads come closer."""
    cases = [str(n) for n in range(count)]
    placed = list(shared_out(cases, holders, loads, most))
    assert [case for case, _ in placed] == cases[: len(placed)]
    got = Counter(holder for _, holder in placed)
    room = sum(max(0, most - loads.get(holder, 0)) for holder in holders)
    assert len(placed) == min(count, room)
    after = {holder: loads.get(holder, 0) + got[holder] for holder in holders}
    assert all(after[holder] <= most for holder in got)
    if got:
        highest = max(after[holder] for holder in got)
        assert all(n >= highest - 1 or n == most for n in after.values())
