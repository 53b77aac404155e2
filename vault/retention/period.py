"""How long: ISO 8601 periods counted on calendar days as the Civil Code counts them.

民法典 201–202: the first day is not counted; a period of years or months ends with its last month's
corresponding day, and where that month has none, with the month's last day. So one year from 29 February
ends on 28 February. 民法典 203 (a last day that is a public holiday moves on) is *not* applied: no holiday
calendar is shipped.

Days are Asia/Shanghai dates; whoever calls turns instants into days.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from vault.errors import ConfigError, Invalid
from vault.model import Word

_PERIOD: Final = re.compile(r"P(?=\d)(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?", re.ASCII)


class Period(Word, kw_only=True):
    """A length of calendar time, counted in this order: years and months, then days."""

    years: int = 0
    months: int = 0
    days: int = 0


NONE: Final = Period()


@lru_cache(maxsize=256)
def parse(text: str) -> Period:
    """Read an ISO 8601 period of whole years, months and days, such as `P10Y`, `P6M` or `P0D`.

    Raises:
        ConfigError: The text is no such period.
    """
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise ConfigError(
            "a period is not an ISO 8601 period", field="period", remedy="Write it like P3Y, P6M or P0D."
        )
    years, months, days = (int(part or 0) for part in found.groups())
    return Period(years=years, months=months, days=days)


@lru_cache(maxsize=8192)
def day(text: str, name: str = "date") -> date:
    """Read a day written `YYYY-MM-DD`; `name` is what the error calls it.

    Raises:
        Invalid: The text is no such day.
    """
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise Invalid(f"{name} is not a day", field=name, remedy="Write it YYYY-MM-DD.")
    return found


def last_day(anchor: date, period: Period) -> date:
    """Return the last day of the period that starts on `anchor`, inclusive (民法典 201–202).

    Beyond the calendar's end the calendar's last day stands, so that a far floor is never cut short.
    """
    month = anchor.month - 1 + period.months
    year = anchor.year + period.years + month // 12
    if year > date.max.year:
        return date.max
    month = month % 12 + 1
    end = date(year, month, min(anchor.day, calendar.monthrange(year, month)[1]))
    return _later(end, period.days)


def over_from(anchor: date, period: Period) -> date:
    """Return the first day on which the period is over: the day after its last day.

    A period of nothing (`P0D`) has no days to wait for: it is over on the anchor's day itself.
    """
    return anchor if period == NONE else after(last_day(anchor, period))


def after(end: date) -> date:
    """Return the next day; after the calendar's last day there is none, so that day stands."""
    return _later(end, 1)


def _later(start: date, days: int) -> date:
    if days > (date.max - start).days:
        return date.max
    return start + timedelta(days=days)
