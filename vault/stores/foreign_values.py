"""Values of another database as exact text, and keys as positions to go on from.

Nothing is rounded and nothing is guessed: what has no exact text is a fault of its cell.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from vault.config import SHANGHAI
from vault.errors import Invalid

FLOAT_DIGITS: Final = 15
"""Decimal digits that every binary64 keeps (IEEE 754; C's DBL_DIG): a number of more was rounded before."""

_UNREADABLE: Final = "of a type that holds no single value; cast it to text in the query"


class Unreadable(Exception):
    """A value without exact text; its message says why, never what."""


def text_of(value: object) -> str:
    """A value as text.

    Text is as it stands; numbers are exact; days are ISO 8601; an instant with a time zone is written in
    Asia/Shanghai; NULL is "".

    Raises:
        Unreadable: Bytes, floating-point numbers of more than 15 digits, and what holds several values.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise Unreadable(_UNREADABLE)


def hex_of(value: object) -> str:
    """Bytes as hexadecimal text, anything else as `text_of` has it."""
    return bytes(value).hex() if isinstance(value, (bytes, bytearray, memoryview)) else text_of(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise Unreadable("no finite number")
    digits = f"{value:.{FLOAT_DIGITS}g}"
    if float(digits) != value or abs(value) >= 10**FLOAT_DIGITS:  # an 18-digit number ends in made-up zeros
        raise Unreadable(f"a floating-point number of more than {FLOAT_DIGITS} digits; use a decimal column")
    return _decimal(Decimal(digits))


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise Unreadable("no finite number")
    return f"{value:f}"


def _instant(value: dt.datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(SHANGHAI).replace(tzinfo=None)
    return value.isoformat(" ")


def _bytes(_: object) -> str:
    raise Unreadable("bytes, not text; cast it to text in the query")


_WRITERS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    (Decimal, _decimal),
    (dt.datetime, _instant),
    (dt.date, dt.date.isoformat),
    (float, _float),
    (uuid.UUID, str),
    (dt.time, dt.time.isoformat),
    ((bytes, bytearray, memoryview), _bytes),
)
"""The first that fits writes: a bool is an int, and a datetime a date."""

_KEYS: Final[dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]]] = {
    "int": (int, str, int),
    "text": (str, str, str),
    "decimal": (Decimal, str, Decimal),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "instant": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "day": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
}

ORDERED: Final = frozenset({int, Decimal, dt.datetime, dt.date, uuid.UUID})
"""Key types that Python orders as every database does; text is ordered by the database alone."""


def position_of(key: object) -> str:
    """A key as a position: its type and its text.

    Raises:
        Invalid: NULL, or of a type that isn't compared exactly: floating-point, boolean, bytes.
    """
    for name, (kind, write, _) in _KEYS.items():
        if type(key) is kind:
            return f"{name}:{write(key)}"
    raise Invalid(
        "the key column is empty in a row, or of a type that cannot be gone on from",
        code="invalid_key",
        field="key",
        remedy="choose a unique column of whole numbers, text, UUIDs or days",
    )


def key_of(position: str) -> Any:
    """The key that a position stands for.

    Raises:
        Invalid: It is no position.
    """
    name, _, text = position.partition(":")
    try:
        return _KEYS[name][2](text)
    except (KeyError, ValueError, ArithmeticError):
        raise Invalid("not a position of a table", code="invalid_position", field="resume") from None
