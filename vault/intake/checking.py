"""Explaining an export before anything of it is stored: which column is which, how sure, and what is wrong.

What comes out may be shown and kept: titles in their safe form, counts, shapes, and samples behind the
field's own mask. A column that would not be stored shows no sample at all.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from vault.errors import Invalid
from vault.intake import Export, shapes
from vault.intake.explaining import (
    ColumnCheck,
    Explainer,
    Fault,
    Faults,
    Mask,
    error_of,
    filled,
    listed,
)
from vault.intake.headers import Column, match, missing_required, understand
from vault.intake.rows import reader
from vault.intake.source import Record, Source
from vault.model import Word
from vault.schema import Schema

LOOKED: Final = 1000
"""Rows looked at closely."""
_CHARACTERS: Final = 16 * 1024 * 1024
"""Characters of rows held at once, whatever the rows' number."""
_COUNTED: Final = 300_000
"""Rows counted after them; a longer file's total is left open."""


class Checked(Word, frozen=True, kw_only=True):
    """What is understood of a file, before anything is stored.

    Attributes:
        importable: `yes`, `partly` (some of the rows looked at would be refused) or `no`.
        kind: The layout.
        format, encoding, delimiter: How the file is written; `delimiter` is "" if it has none.
        header: Whether the first row holds titles.
        looked, refused: Rows looked at, and how many of them would be refused.
        rows: Rows in all; None if they are too many to count first.
        columns: In the file's order.
        missing: Required targets that no column gives.
        problems: What stops the import as a whole, besides `missing`.
        faults: Refused rows whose form is at fault, and what no single column is.
    """

    importable: str
    kind: str
    format: str
    encoding: str
    delimiter: str
    header: bool
    looked: int
    refused: int
    rows: int | None
    columns: list[ColumnCheck]
    missing: list[str]
    problems: list[Fault]
    faults: list[Fault]


_NO_HEADER: Final = Fault(
    code="invalid_header",
    message="the first row holds data, not titles",
    remedy="put a row of column titles above it",
    count=1,
)


def check(
    source: Source,
    schema: Schema,
    *,
    kind: str,
    mapping: Mapping[str, str] | None = None,
    today: dt.date,
    mask: Mask,
) -> Checked:
    """Look at a file's columns and first rows, and explain them.

    Args:
        source: The open file.
        schema: The fields there are.
        kind: The layout.
        mapping: Targets by header, over the alias table.
        today: The day in Asia/Shanghai.
        mask: What may be shown of a value.

    Raises:
        Invalid: The kind or the map cannot be used, or the file is broken further down; what else stops an
            import is told in `missing` and `problems`.
    """
    rest = source.records()
    records = list(_first(rest))
    header = _has_header(source.header, schema, kind)
    if header:
        columns = understand(source.header, schema, kind, mapping)
        missing = missing_required(columns, schema, kind)
        problems = _doubles(columns) or ([] if missing else _refusals(source.header, schema, kind, mapping))
    else:
        columns = [Column(index=i, title=f"column {i + 1}", target=None) for i in range(len(source.header))]
        records.insert(0, Record(number=0, cells=source.header, problem="", consumed=0))
        missing, problems = [], [_NO_HEADER]
    stopped = bool(missing or problems)
    looked = len(records)
    faults, refused = (
        _cells_at_fault(columns, records, schema) if stopped
        else _rows_at_fault(Export(source, columns, schema, kind, today), columns, looked)
    )  # fmt: skip
    more = sum(1 for _ in itertools.islice(rest, _COUNTED))
    explainer = Explainer(schema, kind, columns, records, faults, mask, source.header)
    return Checked(
        importable="no" if stopped else "partly" if refused else "yes",
        kind=kind,
        format=str(getattr(source, "format", "csv")),
        encoding=source.encoding,
        delimiter=str(getattr(source, "delimiter", "")),
        header=header,
        looked=looked,
        refused=refused,
        rows=looked + more if more < _COUNTED else None,
        columns=[explainer.column(column, missing) for column in columns],
        missing=missing,
        problems=problems,
        faults=listed(faults.get("row", Counter())) + explainer.elsewhere(),
    )


def _first(records: Iterator[Record]) -> Iterator[Record]:
    """The rows to look at, bounded in number and in memory."""
    held = 0
    for record in itertools.islice(records, LOOKED):
        yield record
        held += sum(map(len, record.cells))
        if held > _CHARACTERS:
            return


def _has_header(header: Sequence[str], schema: Schema, kind: str) -> bool:
    """Whether the first row holds titles.

    It does not where more of its cells are numbers of persons, days or amounts than are known titles.
    """
    known = sum(column.target is not None for column in understand(header, schema, kind))
    return sum(shapes.kind_of(cell) not in {"", "name"} for cell in header) <= known


def _doubles(columns: Sequence[Column]) -> list[Fault]:
    """Two columns for one field."""
    places: dict[str, list[str]] = {}
    for column in columns:
        if column.target:
            places.setdefault(column.target, []).append(column.title)
    return [
        Fault(
            code="invalid_header",
            message=f"{len(titles)} columns give {target}: {', '.join(titles)}",
            remedy='map all but one to "" in a map file',
            count=len(titles),
        )
        for target, titles in places.items()
        if len(titles) > 1
    ]


def _refusals(
    header: Sequence[str], schema: Schema, kind: str, mapping: Mapping[str, str] | None
) -> list[Fault]:
    """What else an import would refuse the header row for."""
    try:
        match(header, schema, kind, mapping)
    except Invalid as error:
        return [Fault(code=error.code, message=error.message, remedy=error.remedy, count=1)]
    return []


def _rows_at_fault(export: Export, columns: Sequence[Column], looked: int) -> tuple[Faults, int]:
    """What an import would refuse of the first rows, and how many of them."""
    titles = {column.target: column.title for column in columns}
    faults: Faults = {}
    refused = 0
    for row in itertools.islice(export.rows(), looked):
        refused += bool(row.rejections)
        for one in row.rejections:
            message = one.message.removeprefix(f"{titles.get(one.field, one.field)}: ")
            faults.setdefault(one.field, Counter())[one.code, message, one.remedy] += 1
    return faults, refused


def _cells_at_fault(
    columns: Sequence[Column], records: Sequence[Record], schema: Schema
) -> tuple[Faults, int]:
    """The same where no row could be taken: every cell for itself."""
    faults: Faults = {}
    for column in columns:
        if column.target:
            read = reader(schema, column)
            for text in filled(column.index, records):
                error = error_of(read, text)
                if error is not None:
                    counted = faults.setdefault(column.target, Counter())
                    counted[error.code, error.message, error.remedy] += 1
    return faults, 0
