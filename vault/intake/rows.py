"""One row of a file to the records it holds, whole or not at all.

A row of the `borrower` layout yields a borrower, a loan and, when contact columns are filled, a contact
person; rows of other layouts yield one record. A row with any fault yields rejections alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from vault.errors import Invalid
from vault.intake import numbers, values
from vault.intake.headers import COMPUTING, LAYOUTS, OVERDUE_DAYS, Column
from vault.model import Draft, Word
from vault.schema import Schema, amount_band

MAX_OVERDUE_DAYS: Final = 36500
_DAYS_AHEAD: Final = {
    "borrower.birth_date": 0,
    "loan.overdue_since": 0,
    "loan.placed_on": 1,
    "contact_attempt.attempted_at": 1,
    "case.opened_on": 1,
}
"""How many days after today a day of the past may lie; one where the file may come from the next morning."""

_Parts = dict[str, dict[str, str]]
"""Canonical text by kind and field."""
_Faults = list[tuple[str, Invalid]]
"""What is wrong, by target."""

_EMPTY: Final = Invalid("empty, and required", code="invalid_required", remedy="fill the cell")
_ROUNDED: Final = Invalid(
    "ends in zeros, in a column that has lost digits", code="invalid_digits", remedy=numbers.AS_TEXT
)
_FUTURE: Final = Invalid("a day to come", code="invalid_date", remedy="compare it with the source")
_OTHER_BIRTH: Final = Invalid(
    "not the birth date in the ID number", code="invalid_date", remedy="compare both with the document"
)
_OUT_OF_RANGE: Final = Invalid(
    f"not from 0 to {MAX_OVERDUE_DAYS}",
    code="invalid_integer",
    remedy="give the days overdue at the placement",
)
_NOBODY: Final = Invalid(
    "a relation to nobody", code="invalid_required", remedy="give the contact person's name or telephone too"
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


class Row(Word, frozen=True, kw_only=True):
    """One data row: either drafts or rejections, never both, never neither.

    Attributes:
        number: 1 for the first after the header.
        drafts: The records it yields.
        rejections: Why it yields none.
        consumed_bytes: How far into the file it ends, for progress.
    """

    number: int
    drafts: tuple[Draft, ...]
    rejections: tuple[Rejection, ...]
    consumed_bytes: int

    def __repr__(self) -> str:
        """Name the row, never the values."""
        return f"<Row {self.number}: {len(self.drafts)} drafts, {len(self.rejections)} rejections>"

    __str__ = __repr__


class _Cell(Word, frozen=True, kw_only=True):
    """What to do with one column."""

    index: int
    kind: str
    field: str
    required: bool
    function: Callable[[str], str]


class Builder:
    """Builds the rows of one file.

    It remembers which columns have shown digits that a spreadsheet destroyed: there, a number whose last
    digits are all zero is refused too, even if its check digit happens to fit (one in eleven does).
    """

    def __init__(self, schema: Schema, kind: str, columns: Sequence[Column], today: dt.date) -> None:
        """Prepare for a layout.

        Args:
            schema: Types and required fields.
            kind: A key of `LAYOUTS`.
            columns: As `headers.match` gives them.
            today: The day of the import, Asia/Shanghai.
        """
        self._kind = kind
        self._width = len(columns)
        self._today = today
        self._titles = {column.target: column.title for column in columns if column.target}
        self._cells = [_cell(schema, column.index, column.target) for column in columns if column.target]
        self._refs = {name: schema.kind(name).ref for name in LAYOUTS[kind]}
        self._latest = [
            (*target.split("."), (today + dt.timedelta(days=ahead)).isoformat())
            for target, ahead in _DAYS_AHEAD.items()
            if target.split(".")[0] in LAYOUTS[kind]
        ]
        self._destroyed: set[int] = set()

    def build(self, number: int, cells: Sequence[str]) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
        """The drafts of a row, or why there are none.

        Args:
            number: The data row.
            cells: Its cells as they stand; empty ones past the header's width don't count.
        """
        if len(cells) != self._width and (len(cells) < self._width or any(cells[self._width :])):
            return (), (malformed(number, f"the row has {len(cells)} cells, the header has {self._width}"),)
        found: _Parts = {kind: {} for kind in self._refs}
        faults = self._read(cells, found)
        self._derive(found, faults)
        if faults:
            return (), tuple(self._reject(number, target, error) for target, error in faults)
        return tuple(self._drafts(number, found)), ()

    def _read(self, cells: Sequence[str], found: _Parts) -> _Faults:
        """Put canonical text into `found`; return what has none."""
        faults: _Faults = []
        blanks = values.BLANKS
        for cell in self._cells:
            text = cells[cell.index]
            if text in blanks or text.strip() in blanks:
                if cell.required:
                    faults.append((f"{cell.kind}.{cell.field}", _EMPTY))
                continue
            try:
                canonical = cell.function(text)
            except Invalid as error:
                faults.append((f"{cell.kind}.{cell.field}", error))
                if error.remedy == numbers.AS_TEXT:
                    self._destroyed.add(cell.index)
                continue
            if cell.index in self._destroyed and numbers.rounded(canonical):
                faults.append((f"{cell.kind}.{cell.field}", _ROUNDED))
            found[cell.kind][cell.field] = canonical
        return faults

    def _derive(self, found: _Parts, faults: _Faults) -> None:
        """Add what is computed and check what spans fields."""
        if self._kind == "borrower":
            _birth(found["borrower"], faults)
            self._overdue(found["loan"], faults)
            if "outstanding" in found["loan"]:
                found["loan"]["outstanding_band"] = amount_band(found["loan"]["outstanding"])
            if found["contact_person"].keys() == {"relation"}:
                faults.append(("contact_person.relation", _NOBODY))
        for kind, field, latest in self._latest:
            if found[kind].get(field, "") > latest:
                faults.append((f"{kind}.{field}", _FUTURE))

    def _overdue(self, loan: dict[str, str], faults: _Faults) -> None:
        """Turn days overdue into the day they began; a column with that day goes before."""
        days = loan.pop("overdue_days", None)
        if days is None:
            return
        if not 0 <= int(days) <= MAX_OVERDUE_DAYS:
            faults.append((OVERDUE_DAYS, _OUT_OF_RANGE))
            return
        loan.setdefault("overdue_since", (self._today - dt.timedelta(days=int(days))).isoformat())

    def _drafts(self, number: int, found: _Parts) -> Iterator[Draft]:
        """One draft for each kind of the layout that has values."""
        case = next(part["case_number"] for part in found.values() if "case_number" in part)
        anchors = {"imported_on": self._today.isoformat()}
        placed = found.get("loan", {}).get("placed_on")
        if placed:
            anchors["placed_on"] = placed
        for kind, part in found.items():
            if part:
                yield Draft(
                    kind=kind,
                    ref=self._ref(kind, part, case),
                    row=number,
                    values=part,
                    anchors=anchors,
                    cases=(case,),
                )

    def _ref(self, kind: str, part: dict[str, str], case: str) -> str | None:
        """The external id. A borrower without a customer number goes by the case, a contact by its place."""
        if kind == "contact_person":
            return f"{case}/1"
        given = part.get(self._refs[kind] or "")
        return case if given is None and kind == "borrower" else given

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
    return _cell(schema, column.index, column.target or "").function


def _cell(schema: Schema, index: int, target: str) -> _Cell:
    kind, _, field = target.partition(".")
    spec = None if target in COMPUTING else schema.kind(kind).field(field)
    return _Cell(
        index=index,
        kind=kind,
        field=field,
        required=spec is not None and spec.required,
        function=values.NORMALISERS[spec.type if spec else COMPUTING[target]],
    )


def _birth(borrower: dict[str, str], faults: _Faults) -> None:
    """Take the birth date from the ID number, and refuse one that says otherwise."""
    number = borrower.get("id_number")
    birth = numbers.id_birth(number) if number else None
    if birth and borrower.setdefault("birth_date", birth.isoformat()) != birth.isoformat():
        faults.append(("borrower.birth_date", _OTHER_BIRTH))
