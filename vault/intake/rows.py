"""One row of a file to the records it holds, whole or not at all.

A row of the `borrower` layout yields a borrower, a loan and, where their columns are filled, up to three
contact persons and a guarantor; a row of `result` a contact attempt, promise, repayment and visit; rows of
other layouts one record. A row with any fault yields rejections alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn

from vault.errors import Denied, Invalid
from vault.intake import computing, numbers, values
from vault.intake.fold import fold_number
from vault.intake.headers import Column
from vault.intake.layouts import (
    COMPUTING,
    DATA_DATE,
    MANDATORY,
    OVERDUE_DAYS,
    UNITS,
    kind_of,
    parts_of,
    required,
    type_of,
)
from vault.model import REASONS, Draft, Word
from vault.schema import KindSpec, Schema

MAX_OVERDUE_DAYS: Final = 36500

_BARE: Final = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)

_Parts = dict[str, dict[str, str]]
"""Canonical text by part of the row and field."""
_Faults = dict[str, Invalid]
"""What is wrong, by target."""

_EMPTY: Final = Invalid("empty, and required", code="invalid_required", remedy="fill the cell")
_ROUNDED: Final = Invalid(
    "ends in zeros, in a column that has lost digits", code="invalid_digits", remedy=numbers.AS_TEXT
)
_FUTURE: Final = Invalid("a day to come", code="invalid_date", remedy="compare it with the source")
_OUT_OF_RANGE: Final = Invalid(
    f"not from 0 to {MAX_OVERDUE_DAYS}",
    code="invalid_integer",
    remedy="give the days overdue at the placement",
)


class Rejection(Word, frozen=True, kw_only=True):
    """Why a row was not taken. Holds no value of the row.

    Attributes:
        row: The data row, 1 for the first after the header.
        field: `kind.field`, or "row" when its form is at fault.
        code: `invalid_…`.
        message: What is wrong, beginning with the column's title.
        remedy: What to do about it.
    """

    row: int
    field: str
    code: str
    message: str
    remedy: str

    def refuse(self) -> NoReturn:
        """Raise it, for a caller whose request is all or nothing.

        Raises:
            Denied: The code is a reason to deny.
            Invalid: It is another.
        """
        kind = Denied if self.code in REASONS else Invalid
        raise kind(self.message, code=self.code, field=self.field, row=self.row or None, remedy=self.remedy)


class Row(Word, frozen=True, kw_only=True):
    """One data row: either drafts or rejections, never both, never neither.

    Attributes:
        number: 1 for the first after the header.
        drafts: The records it yields.
        rejections: Why it yields none.
        consumed_bytes: How far into the file it ends, for progress.
        position: Where to go on after it, for sources that say so; may be personal.
    """

    number: int
    drafts: tuple[Draft, ...]
    rejections: tuple[Rejection, ...]
    consumed_bytes: int
    position: str = ""

    def __repr__(self) -> str:
        """Name the row, never the values."""
        return f"<Row {self.number}: {len(self.drafts)} drafts, {len(self.rejections)} rejections>"

    __str__ = __repr__


class _Cell(Word, frozen=True, kw_only=True):
    """What to do with one column."""

    index: int
    part: str
    field: str
    function: Callable[[str], str]


class _Part(Word, frozen=True, kw_only=True):
    """One part of a layout: its kind, and the fields that a row which fills it must give."""

    name: str
    spec: KindSpec
    required: tuple[str, ...]


class Builder:
    """Builds the rows of one file.

    It remembers which columns have shown digits that a spreadsheet destroyed: there, a number whose last
    digits are all zero is refused too, even if its check digit happens to fit (one in eleven does). And it
    counts like records, so that each of them has a content of its own; it begins anew when the rows do, so
    that a file may be looked at beforehand.
    """

    def __init__(
        self,
        schema: Schema,
        kind: str,
        columns: Sequence[Column],
        today: dt.date,
        dated: dt.date | None = None,
    ) -> None:
        """Prepare for a layout.

        Args:
            schema: Types and required fields.
            kind: A layout.
            columns: As `headers.match` gives them.
            today: The day of the import, Asia/Shanghai.
            dated: The day the file's figures are of, where no column says so; today unless given.
        """
        self._width = len(columns)
        self._today = today
        self._tomorrow = (today + dt.timedelta(days=1)).isoformat()
        self._dated = dated or today
        self._titles = {column.target: column.title for column in columns if column.target}
        self._cells = [_cell(schema, column, column.target) for column in columns if column.target]
        self._parts = {name: _part(schema, name) for name in parts_of(kind)}
        self._always = parts_of(kind)[: MANDATORY.get(kind, 1)]
        self._giver = "loan" if kind == "borrower" else parts_of(kind)[0]
        self._spare = kind == "result"
        self._destroyed: set[int] = set()
        self._ordinals = computing.Ordinals()
        self._last = 0

    def build(
        self, number: int, cells: Sequence[str], unread: Mapping[int, Invalid] = MappingProxyType({})
    ) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
        """The drafts of a row, or why there are none.

        Args:
            number: The data row; one that is not past the last begins the file again.
            cells: Its cells as they stand; empty ones past the header's width don't count.
            unread: Why cells have no text, by index; only those of columns that are stored count.
        """
        if number <= self._last:
            self._ordinals = computing.Ordinals()
        self._last = number
        if len(cells) != self._width and (len(cells) < self._width or any(cells[self._width :])):
            return (), (malformed(number, f"the row has {len(cells)} cells, the header has {self._width}"),)
        found: _Parts = {part: {} for part in self._parts}
        faults = self._read(cells, found, unread)
        begun = {target.rpartition(".")[0] for target in faults}
        self._share_case(found, begun)
        self._derive(found, faults)
        if faults:
            return (), tuple(self._reject(number, target, error) for target, error in faults.items())
        return tuple(self._drafts(number, found)), ()

    def _read(self, cells: Sequence[str], found: _Parts, unread: Mapping[int, Invalid]) -> _Faults:
        """Put canonical text into `found`; return what has none."""
        faults: _Faults = {}
        blanks = values.BLANKS
        for cell in self._cells:
            error = unread.get(cell.index)
            if error is None:
                text = cells[cell.index]
                if text in blanks or text.strip() in blanks:
                    continue
                try:
                    canonical = cell.function(text)
                except Invalid as refused:
                    error = refused
            if error is not None:
                faults[f"{cell.part}.{cell.field}"] = error
                if error.remedy == numbers.AS_TEXT:
                    self._destroyed.add(cell.index)
                continue
            if cell.index in self._destroyed and numbers.rounded(canonical):
                faults[f"{cell.part}.{cell.field}"] = _ROUNDED
            found[cell.part][cell.field] = canonical
        return faults

    def _share_case(self, found: _Parts, begun: set[str]) -> None:
        """Drop the parts that the row doesn't fill, and give the others the row's case number.

        A row that fills a later part alone, as a payment without a call, need not fill the first.
        """
        case = found[self._giver].get("case_number")
        for name in [name for name in found if not found[name] and name not in (*self._always, *begun)]:
            del found[name]
        bare = found[self._giver].keys() == {"case_number"} and self._giver not in begun
        if bare and len(found) > 1 and self._spare:
            del found[self._giver]
        for name, part in found.items():
            if case and "case_number" in self._parts[name].required:
                part.setdefault("case_number", case)

    def _derive(self, found: _Parts, faults: _Faults) -> None:
        """Add what is computed, check what spans fields, and demand what is required."""
        if "loan" in found:
            self._overdue(found["loan"], faults)
        for name, part in found.items():
            mine = self._parts[name]
            for field, error in computing.derive(mine.spec, part, self._today):
                faults.setdefault(f"{name}.{field}", error)
            for field in mine.required:
                if field not in part and (field != "case_number" or name == self._giver):
                    faults.setdefault(f"{name}.{field}", _EMPTY)

    def _overdue(self, loan: dict[str, str], faults: _Faults) -> None:
        """Turn days overdue into the day they began; a column with that day goes before."""
        days, dated = loan.pop("overdue_days", None), loan.pop("data_date", None)
        if dated is not None and dated > self._tomorrow:
            faults[DATA_DATE] = _FUTURE
        if days is None:
            return
        if not 0 <= int(days) <= MAX_OVERDUE_DAYS:
            faults[OVERDUE_DAYS] = _OUT_OF_RANGE
            return
        counted = dt.date.fromisoformat(dated) if dated else self._dated
        loan.setdefault("overdue_since", (counted - dt.timedelta(days=int(days))).isoformat())

    def _drafts(self, number: int, found: _Parts) -> Iterator[Draft]:
        """One draft for each part that the row fills."""
        case = next(part["case_number"] for part in found.values() if "case_number" in part)
        shared = {"imported_on": self._today.isoformat()} | computing.row_anchors(found.get("loan", {}))
        minor = computing.minority(found.get("borrower", {}), self._today)
        for name, part in found.items():
            kind = self._parts[name].spec.name
            ref = self._ref(name, part, case)
            for field in ("case_number", "place"):
                if f"{kind}.{field}" in COMPUTING:
                    part.pop(field, None)
            anchors = shared | computing.own_anchors(kind, part, self._today)
            if minor and kind not in computing.PERSONS:
                anchors |= minor  # a minor's loan is a minor's data
            if kind == "borrower" and ref != case:
                # A customer can have other loans: one that is settled doesn't end the purpose.
                anchors.pop("settled_on", None)
            yield Draft(
                kind=kind,
                ref=ref,
                row=number,
                values=part,
                anchors=anchors,
                cases=(case,),
                content=b"" if ref else self._ordinals.content(kind, (case,), part),
            )

    def _ref(self, name: str, part: dict[str, str], case: str) -> str | None:
        """The external id: the record's own number, else what stands for it.

        A borrower goes by the case; a contact person by case and place, `AJ-1/2`; a guarantor by `AJ-1/G1`.
        """
        kind = self._parts[name].spec.name
        given = part.get(self._parts[name].spec.ref or "")
        if given is not None:
            return given
        if kind == "borrower":
            return case
        place = part.get("place") or (name.partition(".")[2] or "1" if "borrower" in self._parts else None)
        if place is None or kind not in {"contact_person", "guarantor"}:
            return None
        return f"{case}/G{place}" if kind == "guarantor" else f"{case}/{place}"

    def _reject(self, number: int, target: str, error: Invalid) -> Rejection:
        title = self._titles.get(target, target)
        return Rejection(
            row=number,
            field=target,
            code=error.code,
            message=f"{title}: {error.message}",
            remedy=error.remedy,
        )


def malformed(number: int, problem: str) -> Rejection:
    """The rejection of a row whose form is at fault: its quotation marks or its number of cells."""
    remedy = "mend the row in the source and export it again"
    return Rejection(row=number, field="row", code="invalid_row", message=problem, remedy=remedy)


def reader(schema: Schema, column: Column) -> Callable[[str], str]:
    """What a row's builder reads the filled cells of a column with; the column has a target."""
    return _cell(schema, column, column.target or "").function


def _cell(schema: Schema, column: Column, target: str) -> _Cell:
    part, _, field = target.rpartition(".")
    kind = type_of(schema, target)
    unit = UNITS.get(kind, {}).get(column.unit, "")
    read = values.READERS[kind]
    return _Cell(index=column.index, part=part, field=field, function=_in_unit(read, unit) if unit else read)


def _in_unit(read: Callable[[str], str], unit: str) -> Callable[[str], str]:
    """Read bare digits in the unit that the header names."""

    def reading(text: str) -> str:
        bare = _BARE.fullmatch(fold_number(text))
        return read(f"{bare[0]}{unit}" if bare else text)

    return reading


def _part(schema: Schema, name: str) -> _Part:
    fields = tuple(target.rpartition(".")[2] for target in required(schema, name))
    return _Part(name=name, spec=schema.kind(kind_of(name)), required=fields)
