"""Superseded versions: counted from the day they were replaced, on the calendar."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import ConfigError
from vault.model import KINDS
from vault.retention.rules import RuleSet, builtin
from vault.retention.versions import superseded_due

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


@pytest.mark.parametrize(
    ("replaced", "due"),
    [
        (date(2026, 3, 16), date(2027, 3, 17)),
        (date(2024, 2, 29), date(2025, 3, 1)),
        (date(2026, 12, 31), date(2028, 1, 1)),
    ],
)
def test_a_year_from_the_replacement(replaced: date, due: date) -> None:
    """The last day is the corresponding one a year on (民法典 202); the version goes on the next."""
    assert superseded_due("borrower", replaced, builtin()) == due


@given(st.sampled_from(KINDS), DAYS, st.integers(0, 4000))
def test_later_replaced_is_never_due_earlier(kind: str, replaced: date, more: int) -> None:
    """For every kind it falls after the replacement, and moves on with it."""
    first = superseded_due(kind, replaced, builtin())
    assert replaced < first <= superseded_due(kind, replaced + timedelta(days=more), builtin())


def test_without_a_rule_there_is_no_day() -> None:
    """A rule set that says nothing of versions is refused, not read as for ever."""
    with pytest.raises(ConfigError):
        superseded_due("borrower", date(2026, 3, 16), RuleSet(rules=()))
