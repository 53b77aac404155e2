"""Typed cells of workbooks and tables into text, exactly or not at all.

A binary floating-point number keeps 15 decimal digits for certain (IEEE 754 binary64). One that needs more
has lost its last digits already, so it becomes a fault, never a text that looks right.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Final

from vault.config import SHANGHAI
from vault.intake.numbers import AS_TEXT
from vault.intake.source import Fault

YES: Final = "是"
NO: Final = "否"
DOUBLE_DIGITS: Final = 15
"""Decimal digits that a binary64 keeps for certain."""
SINGLE_DIGITS: Final = 6
"""Decimal digits that a binary32 keeps for certain."""

DIGITS: Final = Fault(
    message="a number of more digits than a number cell keeps", code="invalid_digits", remedy=AS_TEXT
)
NO_NUMBER: Final = Fault(
    message="not a finite number", remedy="fill the cell again from the source and save anew"
)
NO_DAY: Final = Fault(message="formatted as a date and no day", remedy="write it as text, as YYYY-MM-DD")
ERROR: Final = Fault(message="the spreadsheet shows an error here", remedy="mend the formula and save anew")
FORMULA: Final = Fault(
    message="a formula without its result",
    remedy="open the file in a spreadsheet, let it calculate and save anew",
)
UNKNOWN: Final = Fault(message="of a type that has no text", remedy="write it as text in the source")

Text = str | Fault
"""A cell's text, or why it has none."""


def truth(*, value: bool) -> str:
    """A truth value, as people write it in a sheet."""
    return YES if value else NO


def real(value: float, digits: int = DOUBLE_DIGITS, *, rounding: bool = False) -> Text:
    """A binary number as decimal text without exponent.

    Args:
        value: The number.
        digits: Significant digits its type keeps for certain.
        rounding: Whether a fraction is rounded to that many digits, as spreadsheets show it; otherwise one
            that needs more is a fault.
    """
    if not math.isfinite(value):
        return NO_NUMBER
    if abs(value) >= 10**digits:
        return DIGITS
    if value.is_integer():
        return str(int(value))
    text = f"{value:.{digits}g}"
    if not rounding and digits == DOUBLE_DIGITS and float(text) != value:
        return DIGITS
    return format(Decimal(text), "f")


def moment(value: dt.datetime) -> str:
    """A moment as ISO 8601: the day alone at midnight, else to the minute, or to the second if it has one."""
    local = value.astimezone(SHANGHAI) if value.tzinfo else value
    if not (local.hour or local.minute or local.second or local.microsecond):
        return local.date().isoformat()
    return local.replace(tzinfo=None).isoformat(timespec="seconds" if local.second else "minutes")
