"""Selections: which records a list is about, said over open attributes alone.

    where  = clause *( ( "," / " and " ) clause )
    clause = attribute ( "=" / "!=" / "<" / "<=" / ">" / ">=" ) value
           / attribute " in " value *( "|" value )

What can be computed isn't stored (DESIGN 2): `stage=M3` and `overdue_days>=60` become ranges over
`overdue_since`. A closed field can't be selected by, for the answer's length alone would give it away.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

from vault.errors import Invalid
from vault.model import Word
from vault.schema import FieldSpec, KindSpec

OVERDUE_SINCE: Final = "overdue_since"
STAGES: Final = ("M0", "M1", "M2", "M3", "M4", "M5", "M6", "M6+")
"""M0 isn't overdue; M1 is 1 to 30 days, each next one 30 more; M6+ is beyond 180. Trade usage, not law."""

_DAYS_PER_STAGE: Final = 30
_LAST_DAY: Final = 180
_MOST_CLAUSES: Final = 16
_MOST_DAYS: Final = 36_500
_VALUE_LIMIT: Final = 64
_CLAUSE: Final = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(!=|<=|>=|=|<|>|(?<=\s)in(?=\s))\s*(\S.*?)\s*")
_AND: Final = re.compile(r",|\s+and\s+")
_ORDERED: Final = frozenset({"date", "integer"})
_FLIPPED: Final = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""More days overdue is an earlier day."""


class Condition(Word):
    """One comparison over a stored open attribute; a list of them must all hold.

    Attributes:
        attribute: The field's name.
        op: One of = != < <= > >= in.
        value: Normalised text, ISO for dates; several for `in`.
    """

    attribute: str
    op: str
    value: str | tuple[str, ...]


def parse_where(text: str, kind: KindSpec, today: date) -> list[Condition]:
    """Read a selection.

    Args:
        text: As on `cvault list --where`; blank selects everything.
        kind: The kind that is listed.
        today: The day that stages and days overdue count to, in Asia/Shanghai.

    Raises:
        Invalid: An attribute that isn't open, an operator that makes no sense for it, or a value that isn't
            of its type. Names the attribute and what is allowed; never the value.
    """
    if not text.strip():
        return []
    clauses = _AND.split(text)
    if len(clauses) > _MOST_CLAUSES:
        raise _bad("where", "too many clauses", f"use {_MOST_CLAUSES} at most")
    return [condition for clause in clauses for condition in _conditions(clause, kind, today)]


def stage_of(overdue_since: date | None, today: date) -> str:
    """The stage of a debt overdue since a day (the day before which nothing was overdue); None is M0."""
    days = 0 if overdue_since is None else (today - overdue_since).days
    if days <= 0:
        return STAGES[0]
    return STAGES[-1] if days > _LAST_DAY else f"M{(days + _DAYS_PER_STAGE - 1) // _DAYS_PER_STAGE}"


def selectable(kind: KindSpec) -> list[str]:
    """What a kind can be selected by: its open fields, and what is computed from them."""
    fields = [field.name for field in kind.fields.values() if field.open]
    return [*fields, "stage", "overdue_days"] if OVERDUE_SINCE in fields else fields


def _conditions(clause: str, kind: KindSpec, today: date) -> list[Condition]:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise _bad("where", "a clause is no comparison", "write attribute=value, joined by commas")
    attribute, op, value = found.groups()
    allowed = selectable(kind)
    if attribute not in allowed:
        remedy = "use one of: " + ", ".join(allowed) if allowed else "this kind has no open attribute"
        raise _bad(attribute, f"is no open attribute of {kind.name}", remedy)
    if attribute == "stage":
        return _stage(op, value, today)
    if attribute == "overdue_days":
        return [_days(op, value, today)]
    return [_plain(kind.fields[attribute], op, value)]


def _stage(op: str, value: str, today: date) -> list[Condition]:
    """A stage as a range of days: `stage>=M3` is everything from the 61st day on."""
    stage = value.strip("'\"").upper()
    if stage not in STAGES:
        raise _bad("stage", "no such stage", "use one of: " + ", ".join(STAGES))
    if op not in {"=", "<", "<=", ">", ">="}:
        raise _bad("stage", f"can't be compared by {op}", "use = < <= > or >=")
    place = STAGES.index(stage)
    first = (place - 1) * _DAYS_PER_STAGE + 1 if place else None
    last = place * _DAYS_PER_STAGE if place < len(STAGES) - 1 else None
    edges = {
        "=": [(">=", first), ("<=", last)],
        ">=": [(">=", first)],
        "<=": [("<=", last)],
        ">": [(">=", None if last is None else last + 1)],
        "<": [("<=", None if first is None else first - 1)],
    }[op]
    if (op, stage) in {(">", STAGES[-1]), ("<", STAGES[0])}:
        raise _bad("stage", "nothing lies beyond it", "use = or turn the comparison round")
    ranges = [(edge, days) for edge, days in edges if days is not None]
    return [_since(edge, days, today) for edge, days in ranges] or [_since(">=", -_MOST_DAYS, today)]


def _days(op: str, value: str, today: date) -> Condition:
    if op not in _FLIPPED:
        raise _bad("overdue_days", f"can't be compared by {op}", "use = != < <= > or >=")
    if not re.fullmatch(r"[0-9]{1,5}", value) or int(value) > _MOST_DAYS:
        raise _bad("overdue_days", "is no number of days", f"write a number from 0 to {_MOST_DAYS}")
    return _since(op, int(value), today)


def _since(op: str, days: int, today: date) -> Condition:
    """A comparison of days overdue, as one of the day it began."""
    day = today - timedelta(days=days)
    return Condition(attribute=OVERDUE_SINCE, op=_FLIPPED[op], value=day.isoformat())


def _plain(field: FieldSpec, op: str, value: str) -> Condition:
    if op in {"<", "<=", ">", ">="} and field.type not in _ORDERED:
        raise _bad(field.name, "has no order", "use = != or in")
    if op == "in":
        return Condition(
            attribute=field.name, op=op, value=tuple(_typed(field, part) for part in value.split("|"))
        )
    return Condition(attribute=field.name, op=op, value=_typed(field, value))


def _typed(field: FieldSpec, value: str) -> str:
    """The value as it is stored, if it is of the field's type."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if not 0 < len(text) <= _VALUE_LIMIT:
        raise _bad(field.name, "has no value, or one too long", f"write 1 to {_VALUE_LIMIT} characters")
    if field.type == "date":
        return _iso(field, text)
    if field.type == "integer" and not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise _bad(field.name, "is compared with no whole number", "write digits")
    return text


def _iso(field: FieldSpec, text: str) -> str:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise _bad(field.name, "is compared with no date", "write YYYY-MM-DD")


def _bad(attribute: str, problem: str, remedy: str) -> Invalid:
    return Invalid(f"selection: {attribute} {problem}", code="invalid_where", field=attribute, remedy=remedy)
