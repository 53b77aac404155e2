"""Measures as people type them: times of day, durations, terms of loans, rates, counts, file digests.

Each function returns the canonical text or raises `Invalid` with code `invalid_<type>`, whose text never
holds the value. What could be read in two ways is refused.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from vault.errors import Invalid
from vault.intake.fold import bad, fold_number
from vault.intake.numbers import AS_TEXT, lost_digits

SHANGHAI: Final = dt.timezone(dt.timedelta(hours=8))
"""Asia/Shanghai as it has been since 1991; the text says the offset, so nobody has to know."""

_YEARS: Final = range(1900, 2200)
_DAY: Final = (
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日|([0-9]{2})([0-9]{2}))"
)
_CLOCK: Final = r"([0-9]{1,2})[:时点]([0-9]{1,2})(?:[:分]([0-9]{1,2})(?:\.[0-9]{1,9})?秒?|分)?"
_OFFSET: Final = r" ?(Z|[+-][0-9]{2}:?[0-9]{2})?"
_DATETIME: Final = re.compile(_DAY + r"(?:(?<=日)|[ T]{1,2})" + _CLOCK + _OFFSET, re.ASCII)
_CANONICAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}\+08:00", re.ASCII)

_SECONDS: Final = re.compile(r"([0-9]{1,6})(?:\.0+)?(?:秒|s)?", re.ASCII)
_COLONS: Final = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-9]{2})", re.ASCII)
_WORDS: Final = re.compile(
    r"(?:([0-9]{1,2})(?:小时|时|h))?(?:([0-9]{1,3})(?:分钟?|m))?(?:([0-9]{1,5})(?:秒钟?|s))?", re.ASCII
)
_MINUTE: Final = 60
_LONGEST_CALL: Final = 24 * 3600

_TERM: Final = re.compile(r"0*([0-9]{1,5})(?:\.0+)?(年|个?月|期|天|日)?", re.ASCII)
_TERM_CANONICAL: Final = re.compile(r"P[1-9][0-9]{0,4}[MD]", re.ASCII)
_MONTHS_OF_A_YEAR: Final = 12
_LONGEST_TERM: Final = {"M": 1200, "D": 36500}

_RATE: Final = re.compile(r"0*([0-9]{0,3})(?:\.([0-9]{0,8}))? ?(%|‰)?", re.ASCII)
_PER_MILLE_DIGITS: Final = 1
_COUNT: Final = re.compile(r"(?:第)?0*([0-9]{1,4})(?:\.0+)?(?:期|个月|月|次|笔)?", re.ASCII)
_DIGEST: Final = re.compile(r"(?:sha-?256[:=])?([0-9a-f]{64})", re.ASCII)


def datetime(text: str) -> str:
    """An instant to the minute in Asia/Shanghai: `2026-03-01T14:30+08:00`; seconds go.

    A time without an offset is Shanghai's; another offset is converted.
    """
    if _CANONICAL.fullmatch(text):
        return _checked(text)
    folded = fold_number(text)
    found = _DATETIME.fullmatch(folded)
    if found is None:
        remedy = AS_TEXT if lost_digits(folded) else "write day and time, year first, the hour from 0 to 23"
        raise bad("datetime", "not a day and a time", remedy)
    year, _, *rest = found.groups()
    month, day = (int(part) for part in rest[:6] if part is not None)
    hour, minute, second = (int(part or 0) for part in rest[6:9])
    return _instant((int(year), month, day, hour, minute, second), rest[9] or "")


def duration(text: str) -> str:
    """A length of time in whole seconds; `3:25` is minutes and seconds, `1:03:25` has hours before."""
    folded = fold_number(text).replace(" ", "").lower()
    plain = _SECONDS.fullmatch(folded)
    parted = _COLONS.fullmatch(folded) or (_WORDS.fullmatch(folded) if folded else None)
    if plain:
        seconds = int(plain[1])
    elif parted:
        hours, minutes, rest = (int(part or 0) for part in parted.groups())
        if ":" in folded and (rest >= _MINUTE or (parted[1] and minutes >= _MINUTE)):
            raise _no_duration()
        seconds = hours * 3600 + minutes * _MINUTE + rest
    else:
        raise _no_duration()
    if seconds > _LONGEST_CALL:
        raise bad("duration", "longer than a day", "write the length in seconds")
    return str(seconds)


def term(text: str) -> str:
    """The term of a loan, an ISO 8601 period of months or days: `P12M`, `P30D`; bare digits are months."""
    if _TERM_CANONICAL.fullmatch(text):
        number, unit = int(text[1:-1]), text[-1]
    else:
        found = _TERM.fullmatch(fold_number(text).replace(" ", ""))
        if found is None:
            raise bad("term", "not a number of years, months or days", "write the number and its unit")
        number = int(found[1]) * (_MONTHS_OF_A_YEAR if found[2] == "年" else 1)
        unit = "D" if found[2] in {"天", "日"} else "M"
    if not 0 < number <= _LONGEST_TERM[unit]:
        raise bad("term", "not from a day to a hundred years", "write the number and its unit")
    return f"P{number}{unit}"


def rate(text: str) -> str:
    """A rate in per cent, exact: `15.4%`. Under 1 it needs its sign: 0.154 may be meant either way."""
    folded = fold_number(text)
    found = _RATE.fullmatch(folded)
    if found is None or not any(map(str.isdigit, folded)):
        raise bad("rate", "not a percentage", AS_TEXT if lost_digits(folded) else "write it in per cent")
    whole, fraction, sign = found[1] or "0", found[2] or "", found[3]
    if sign is None and int(whole) == 0 and fraction.strip("0"):
        raise bad("rate", "may be a percentage or a fraction", "write it with its percent sign")
    if sign == "‰":
        whole, fraction = whole[:-_PER_MILLE_DIGITS] or "0", whole[-_PER_MILLE_DIGITS:] + fraction
    fraction = fraction.rstrip("0")
    return f"{int(whole)}.{fraction}%" if fraction else f"{int(whole)}%"


def count(text: str) -> str:
    """A number of things, 0 to 9999; a counting word (期, 个月) goes."""
    found = _COUNT.fullmatch(fold_number(text).replace(" ", ""))
    if found is None:
        raise bad("count", "not a whole number from 0 to four digits", "write digits alone")
    return str(int(found[1]))


def digest(text: str) -> str:
    """A SHA-256 digest (FIPS 180-4) as 64 hexadecimal digits in lower case."""
    found = _DIGEST.fullmatch(fold_number(text).replace(" ", "").lower())
    if found is None:
        raise bad("digest", "not a SHA-256 digest", "write its 64 hexadecimal digits")
    return found[1]


def _checked(text: str) -> str:
    return _instant(
        (int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16]), 0), ""
    )


def _instant(parts: tuple[int, int, int, int, int, int], offset: str) -> str:
    """To the minute in Shanghai; the lower error, whose text may hold the value, is not chained."""
    found = None
    try:
        written = dt.datetime(*parts, tzinfo=_zone(offset))
        found = written.astimezone(SHANGHAI)
    except (ValueError, OverflowError):
        found = None
    if found is None or found.year not in _YEARS:
        raise bad("datetime", "no such day or time", "compare it with the source")
    return found.strftime("%Y-%m-%dT%H:%M+08:00")


def _zone(offset: str) -> dt.timezone:
    """The zone of a written offset.

    Raises:
        ValueError: It is a day or more.
    """
    if offset in {"", "Z"}:
        return SHANGHAI if not offset else dt.UTC
    digits = offset[1:].replace(":", "")
    size = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-size if offset[0] == "-" else size)


def _no_duration() -> Invalid:
    return bad("duration", "not a length of time", "write the seconds, or minutes and seconds with a colon")
