"""Alarm rules: windows, limits, which entries count, and a vault's own file."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import alarm_rules
from vault.alarm_rules import Form, Rule, merged, parse, weaker
from vault.config import SHANGHAI, today
from vault.errors import ConfigError
from vault.schema import builtin

FORM = Form(
    kind="read", sort="person", role="legal", purpose="legal_action", about="borrower", masked=0, clear=0,
    outcome="ok",
)  # fmt: skip
OWN = """format = 1
[[rule]]
id = "{}"
what = "{}"
limit = {}
window = "{}"
severity = "low"
zh = "某"
en = "some"
"""


def at(hour: int, minute: int = 0, day: int = 16) -> int:
    """An instant in Asia/Shanghai, µs UTC."""
    return int(datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI).timestamp()) * 1_000_000


def rule(ident: str) -> Rule:
    """A shipped rule."""
    found = merged().find(ident)
    assert found is not None
    return found


def bit(kind: str, field: str) -> int:
    """A field's bit."""
    return 1 << builtin().kind(kind).field(field).number


def counts(**changes: object) -> set[str]:
    """The ids of the shipped rules that entries of a form can count for."""
    form = msgspec.structs.replace(FORM, **changes)
    return {one.id for one in merged().profile(form, builtin()).all}


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)), st.sampled_from(("day", "night", "hour", "10m")))  # fmt: skip # noqa: DTZ001, E501 - the zone is put on below
def test_windows_tumble(moment: datetime, window: str) -> None:
    """Each instant is in one window; the next begins where it ends; days and nights turn in Shanghai."""
    now = int(moment.replace(tzinfo=SHANGHAI).timestamp()) * 1_000_000
    one = msgspec.structs.replace(rule("any_person"), window=window)
    start, end = one.begins(now), one.ends(now)
    assert start <= now < end
    assert one.ends(start) == end
    assert one.ends(end) == end + (end - start)
    if window == "day":
        assert today(end - 1) == today(now) == today(end) - timedelta(days=1)
    if window == "night":
        assert datetime.fromtimestamp(end / 1_000_000, SHANGHAI).hour == 12


@given(st.integers(0, 30), st.lists(st.integers(1, 40), max_size=30))
def test_an_alarm_comes_at_the_limit_and_ten_times_it(limit: int, steps: list[int]) -> None:
    """However a count grows, each threshold is crossed once, by the step that passes it."""
    one = msgspec.structs.replace(rule("any_person"), limit=limit)
    totals = [0]
    for step in steps:
        totals.append(totals[-1] + step)
    marks = {limit, max(limit, 1) * 10, max(limit, 1) * 100, max(limit, 1) * 1000}
    for before, after in pairwise(totals):
        assert one.crossed(before, after) == any(before <= mark < after for mark in marks)


def test_which_entries_count() -> None:
    """By view, compartment, kind, role, sort and outcome."""
    assert counts(masked=bit("borrower", "phone")) == {"any_person", "off_hours", "no_case", "honey"}
    seen = counts(clear=bit("borrower", "bank_card"))
    assert seen == {"clear_account", "any_person", "off_hours", "no_case", "honey"}
    assert "clear_identity" in counts(clear=bit("borrower", "phone"))
    assert "clear_identity" not in counts(clear=bit("borrower", "customer_no"))
    assert "off_hours" not in counts(clear=bit("borrower", "phone"), sort="service")
    assert "no_case" not in counts(clear=bit("borrower", "phone"), role="dpo")
    assert counts(kind="reserve", clear=bit("borrower", "phone")) == {"any_person"}
    assert counts(kind="deny", outcome="denied") == {"refusals"}
    assert counts(kind="deny", outcome="not_found") == set()
    assert counts() == counts(kind="write", masked=1) == counts(about="", clear=1) == set()


@pytest.mark.parametrize(("hour", "minute", "inside"), [
    (21, 59, False), (22, 0, True), (0, 0, True), (7, 59, True), (8, 0, False), (12, 0, False),
])  # fmt: skip
def test_the_night(hour: int, minute: int, *, inside: bool) -> None:
    """22:00 is in, 08:00 is out, and midnight doesn't part a night."""
    assert rule("off_hours").in_hours(at(hour, minute)) is inside
    assert rule("off_hours").ends(at(23)) == rule("off_hours").ends(at(7, day=17))


def test_an_own_file_replaces_and_adds() -> None:
    """By id; what isn't named stays as shipped, and the hash tells the difference."""
    rules = merged(OWN.format("clear_account", "distinct_subjects", 5, "hour"))
    found = rules.find("clear_account")
    assert found is not None
    assert (found.limit, found.window, found.mark) == (5, "hour", "[own]")
    assert len(rules.rules) == len(merged().rules)
    more = merged(OWN.format("searches", "lookups", 100, "hour"))
    assert len(more.rules) == len(merged().rules) + 1
    assert len({rules.hash, more.hash, merged().hash}) == 3
    form = msgspec.structs.replace(FORM, kind="search")
    assert [one.id for one in more.profile(form, builtin()).each] == ["searches"]


@pytest.mark.parametrize("change", [
    ("limit = 25", "limit = -1"), ('"day"', '"week"'), ("limit = 25", "limit = 25\nlimits = 3"),
    ('"*.account"', '"*.accounts"'), ('id = "clear_account"', 'id = "Clear"'),
    ('id = "refusals"', 'id = "honey"'),
    ('from = "22:00"\n', ""), ('"22:00"', '"24:00"'), ('sorts = ["person"', 'sorts = ["robot"'),
    ('"dialer"', '"dailer"'), ("format = 1", "format = 2"), ("[[rule]]", "[[rules]]"), ("format", "= format"),
    ('en = "a honey record was seen"', 'en = ""'),
])  # fmt: skip
def test_a_file_that_is_wrong_is_refused(change: tuple[str, str]) -> None:
    """Strictly: unknown keys and words, doubles, and what doesn't belong together."""
    assert change[0] in alarm_rules.shipped()
    with pytest.raises(ConfigError) as refused:
        parse(alarm_rules.shipped().replace(*change))
    assert refused.value.code == "invalid_alarms"


def test_weaker_is_said() -> None:
    """A higher limit, a shorter window, fewer roles or data, or off; a stricter rule is not."""
    assert list(weaker(merged())) == []

    def why(text: str) -> list[str]:
        return [f"{ident}: {reason}" for ident, reason in weaker(merged(text))]

    loose = OWN.format("clear_account", "distinct_subjects", 26, "hour")
    assert why(loose) == ["clear_account: its limit is 26, not 25", "clear_account: its window is shorter"]
    assert why(OWN.format("any_person", "distinct_subjects", 9, "day") + "off = true\n") == [
        "any_person: it is off"
    ]
    few = why(OWN.format("any_person", "distinct_subjects", 9, "day") + 'roles = ["legal"]\nview = "clear"\n')
    assert few == [
        "any_person: masked views no longer count", "any_person: fewer roles count",
        "any_person: fewer kinds of entries count",
    ]  # fmt: skip
    data = why(
        OWN.format("clear_account", "distinct_subjects", 5, "day") + 'data = ["*.account"]\nview = "clear"\n'
    )
    assert data == ["clear_account: other data counts"]
    assert why(OWN.format("honey", "lookups", 0, "day")) == ["honey: it counts something else"]
    assert why(OWN.format("refusals", "refusals", 3, "10m")) == []


def test_weaker_than_before_is_said() -> None:
    """Held against another file: a rule of one's own that goes counts, one put back to shipped doesn't."""
    own = merged(OWN.format("mine", "refusals", 3, "10m"))
    assert list(weaker(merged(), own)) == [("mine", "it is gone")]
    assert list(weaker(own, merged())) == []
    strict = merged(OWN.format("refusals", "refusals", 3, "10m"))
    assert list(weaker(merged(), strict)) == [("refusals", "its limit is 20, not 3")]
    off = merged(OWN.format("refusals", "refusals", 20, "10m") + "off = true\n")
    assert list(weaker(merged(), off)) == []
