"""Periods are counted on the calendar, as 民法典 201–202 count them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import ConfigError, Invalid
from vault.retention.period import Period, after, day, last_day, over_from, parse

COUNTED = [
    ("2024-02-29", "P1Y", "2025-02-28"),  # no corresponding day: the month's last
    ("2024-02-29", "P4Y", "2028-02-29"),
    ("2023-02-28", "P1Y", "2024-02-28"),  # the corresponding day, though the month has one more
    ("2026-01-31", "P1M", "2026-02-28"),
    ("2026-08-31", "P6M", "2027-02-28"),
    ("2026-12-31", "P6M", "2027-06-30"),
    ("2026-11-23", "P10Y", "2036-11-23"),
    ("2026-12-15", "P1M", "2027-01-15"),
    ("2026-11-23", "P30D", "2026-12-23"),
    ("2024-01-31", "P1M1D", "2024-03-01"),  # months first, then days
    ("2026-11-23", "P0D", "2026-11-23"),
    ("9999-12-31", "P1D", "9999-12-31"),  # the calendar ends here
    ("9990-01-01", "P20Y", "9999-12-31"),
]


@pytest.mark.parametrize(("start", "length", "end"), COUNTED)
def test_the_last_day_is_the_corresponding_day(start: str, length: str, end: str) -> None:
    """A period ends with the corresponding day, or the month's last where there is none."""
    assert last_day(day(start), parse(length)) == day(end)


@given(st.dates(max_value=date(9000, 1, 1)), st.integers(0, 40), st.integers(0, 30), st.integers(0, 90))
def test_a_period_is_over_the_day_after_its_last(start: date, years: int, months: int, days: int) -> None:
    """The first free day follows the last day, and no period is shorter than its anchor's own day."""
    length = Period(years=years, months=months, days=days or 1)
    assert over_from(start, length) == last_day(start, length) + timedelta(days=1)
    assert last_day(start, length) > start


@given(st.dates())
def test_no_period_is_over_at_once(start: date) -> None:
    """P0D has no days to wait for."""
    assert over_from(start, parse("P0D")) == start


@given(st.dates(), st.dates(), st.integers(0, 40), st.integers(0, 400))
def test_a_later_anchor_never_ends_earlier(one: date, two: date, years: int, days: int) -> None:
    """Counting keeps order, over month ends and leap days as well."""
    length = Period(years=years, days=days)
    first, second = sorted((one, two))
    assert last_day(first, length) <= last_day(second, length)


def test_after_the_calendars_last_day_there_is_no_other() -> None:
    """The day after the last one is the last one, not an overflow."""
    assert after(date.max) == date.max


@pytest.mark.parametrize(
    "text", ["", "P", "3Y", "P3", "PT3H", "P-1Y", "P1.5Y", "P3y", "P1D2Y", "P1W", "P3Y ", "P٣Y"]
)
def test_what_is_no_period_is_refused(text: str) -> None:
    """Anything but whole years, months and days in order is refused, and not quoted."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.field == "period"


@pytest.mark.parametrize(
    "text", ["", "20261123", "2026-W48-1", "2026-02-29", "2026-1-1", "2026-11-23T00:00:00", "secret"]
)
def test_what_is_no_day_is_refused_without_being_quoted(text: str) -> None:
    """Only YYYY-MM-DD is a day; the error names the anchor, not the value."""
    with pytest.raises(Invalid) as caught:
        day(text, "placed_on")
    assert caught.value.field == "placed_on"
    assert not text or text not in caught.value.message
