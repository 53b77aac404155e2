"""Layouts: which records one row of a file holds, and which columns are used without being fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vault.schema import Schema

LAYOUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "borrower": (
        "borrower", "loan", "contact_person", "contact_person.2", "contact_person.3", "guarantor",
    ),
    "result": ("contact_attempt", "promise", "repayment", "visit"),
    **{
        kind: (kind,)
        for kind in (
            "guarantor", "contact_person", "loan", "case", "contract", "contact_attempt", "visit", "promise",
            "repayment", "agreement", "complaint", "evidence", "credit_report",
        )
    },
}  # fmt: skip
"""The parts of one row, by the layout that an import names: a kind, or a further record of one (`kind.2`).

`result` is what an agency sends back (回盘). The other layouts are named for the kind they lead with.
"""


def layouts(schema: Schema) -> Mapping[str, tuple[str, ...]]:
    """The layouts there are under a schema: the shipped ones, and one for each kind of a vault's own."""
    return {**LAYOUTS, **{name: (name,) for name, kind in schema.kinds.items() if kind.keep_like}}


def parts_of(layout: str) -> tuple[str, ...]:
    """The parts of a layout; a kind of a vault's own is the one part of its own."""
    return LAYOUTS.get(layout, (layout,))


MANDATORY: Final[Mapping[str, int]] = {"borrower": 2}
"""How many of a layout's parts every row must fill; 1 unless named here. The rest stand where filled."""
QUALIFIED: Final = frozenset(
    {
        ("borrower", "contact_person.2"), ("borrower", "contact_person.3"), ("borrower", "guarantor"),
        ("result", "promise"), ("result", "repayment"), ("result", "visit"),
    }
)  # fmt: skip
"""Parts whose headers must name them: beside others, a bare 备注 or 金额 is not theirs."""

OVERDUE_DAYS: Final = "loan.overdue_days"
"""A column that is used for computing `loan.overdue_since` and not stored."""
DATA_DATE: Final = "loan.data_date"
"""The day a file's figures are of: days overdue count back from it; not stored."""
COMPUTING: Final[Mapping[str, str]] = {
    OVERDUE_DAYS: "integer",
    DATA_DATE: "date",
    "contact_person.case_number": "ref",
    "contact_person.place": "count",
    "guarantor.case_number": "ref",
    "guarantor.place": "count",
    "contact_attempt.moment": "moment",
    "visit.moment": "moment",
    "evidence.moment": "moment",
}
"""Targets that are no fields, with their types: validated like all others, used and not stored.

`case_number` says which case a person belongs to, `place` which of its contacts they are, and a `moment`
gives a day, and a time where a cell has one.
"""
NEEDED: Final = frozenset({"contact_person.case_number", "guarantor.case_number"})
"""Those of them that a layout which leads with their kind can't do without."""
INSTEAD: Final[Mapping[str, tuple[str, ...]]] = {
    "contact_attempt.attempted_at": ("contact_attempt.moment", "contact_attempt.started_at"),
    "visit.visited_on": ("visit.moment", "visit.started_at"),
    "evidence.taken_on": ("evidence.moment", "evidence.taken_at"),
}
"""Columns that a required field can be had from."""

UNITS: Final[Mapping[str, Mapping[str, str]]] = {
    "term": {"年": "年", "月": "个月", "个月": "个月", "期": "期", "天": "天", "日": "天"},
    "duration": {"秒": "秒", "s": "秒", "分": "分", "分钟": "分", "min": "分", "小时": "小时", "h": "小时"},
    "rate": {"%": "%", "‰": "‰"},
}
"""What a unit in a header's brackets adds to bare digits below it, by type."""


def required(schema: Schema, part: str) -> list[str]:
    """The targets that a part of a row must give where it stands; those a layout leads with among them."""
    kind = kind_of(part)
    own = [f"{part}.{field.name}" for field in schema.kind(kind).fields.values() if field.required]
    return own + [target for target in COMPUTING if target in NEEDED and target.rpartition(".")[0] == part]


def type_of(schema: Schema, target: str) -> str:
    """The type of what a column with this target holds."""
    part, _, field = target.rpartition(".")
    return COMPUTING.get(target) or schema.kind(kind_of(part)).field(field).type


def kind_of(part: str) -> str:
    """The kind of record that a part of a row is: `contact_person` of `contact_person.2`."""
    return part.partition(".")[0]
