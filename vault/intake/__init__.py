"""Exports from other systems into drafts: typed, normalised, whole rows only (docs/import.md).

`open_export` finds out how a file is written and which column is which; `Export.rows` streams its rows.
Nothing here stores anything, and no error or report holds a value of the file.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.errors import Invalid
from vault.intake.csvfile import inspect
from vault.intake.headers import Column, match, read_map
from vault.intake.report import Report
from vault.intake.rows import Builder, Rejection, Row, malformed
from vault.intake.source import Record, Source
from vault.intake.values import normalise
from vault.model import Draft, Word
from vault.schema import Schema

__all__ = ["PEEK", "Export", "Layout", "Rejection", "Report", "Row", "normalise", "open_export", "row_of"]

PEEK: Final = 500
"""Rows looked at beforehand for columns whose digits a spreadsheet destroyed."""


class Layout(Word):
    """How a file's records become rows: all that is known of it but its records.

    Attributes:
        kind: A key of `headers.LAYOUTS`.
        columns: What each column is.
        today: The day of the import, Asia/Shanghai.
        dated: The day the file's figures are of, where no column says so; None for `today`.
    """

    kind: str
    columns: list[Column]
    today: dt.date
    dated: dt.date | None = None

    def builder(self, schema: Schema) -> Builder:
        """What builds the rows, one after another."""
        return Builder(schema, self.kind, self.columns, self.today, self.dated)


class Export:
    """A file ready to be read row by row, as often as wanted.

    Attributes:
        encoding: What it is decoded with.
        layout: How its records become rows.
        columns: Each header with its target `kind.field`, None when the column is not stored.
        unknown: The headers that are not stored.
        total_bytes: The file's size.
    """

    def __init__(
        self,
        source: Source,
        columns: list[Column],
        schema: Schema,
        kind: str,
        today: dt.date,
        dated: dt.date | None = None,
    ) -> None:
        self._source = source
        self._schema = schema
        self.layout = Layout(kind=kind, columns=columns, today=today, dated=dated)
        self.encoding = source.encoding
        self.columns = [(column.title, column.target) for column in columns]
        self.unknown = [column.title for column in columns if column.target is None]
        self.total_bytes = source.size

    def records(self) -> Iterator[Record]:
        """Every record as it stands; empty ones are left out.

        Raises:
            Invalid: The file changed since it was opened.
        """
        return self._source.records()

    def rows(self) -> Iterator[Row]:
        """Every data row in order, in memory one at a time; empty rows are left out.

        Raises:
            Invalid: The file changed since it was opened.
        """
        builder = self.layout.builder(self._schema)
        for record in itertools.islice(self._source.records(), PEEK):
            row_of(builder, record)
        for record in self._source.records():
            yield row_of(builder, record)


def row_of(builder: Builder, record: Record) -> Row:
    """One record as a row: drafts, or rejections."""
    drafts: tuple[Draft, ...] = ()
    if record.problem:
        rejections: tuple[Rejection, ...] = (malformed(record.number, record.problem),)
    else:
        drafts, rejections = builder.build(record.number, record.cells)
    if record.faults and (unreadable := builder.unreadable(record.number, record.faults)):
        drafts, rejections = (), unreadable + rejections
    return Row(
        number=record.number,
        drafts=drafts,
        rejections=rejections,
        consumed_bytes=record.consumed,
        position=record.position,
    )


def open_export(
    path: Path | str | None,
    schema: Schema,
    *,
    kind: str,
    encoding: str | None = None,
    mapping: Path | None = None,
    today: dt.date,
    dated: dt.date | None = None,
    source: Source | None = None,
) -> Export:
    """Look at a file and match its columns, before any row is read.

    Args:
        path: A CSV or tab-separated file with a header row; None where `source` is given.
        schema: The fields there are.
        kind: The layout: `borrower` yields borrower, loan, contact persons and guarantor; `result` what an
            agency reports of its cases; the other kinds yield themselves.
        encoding: Its encoding, if detection should not decide.
        mapping: A map file over the built-in header table.
        today: The day of the import in Asia/Shanghai.
        dated: The day the file's figures are of, where no column says so: days overdue count back from it.
            Today unless given; the same file with the same day gives the same records on any day.
        source: An open source instead of a file.

    Raises:
        Invalid: The file, its header row, the map, the kind or the day cannot be used; the remedy says what
            to do.
    """
    if dated is not None and dated > today + dt.timedelta(days=1):
        raise Invalid(
            "the file is dated on a day to come",
            code="invalid_date",
            field="dated",
            remedy="give the day its figures are of",
        )
    if source is None:
        source = inspect(Path(path or ""), encoding)
    columns = match(source.header, schema, kind, read_map(mapping) if mapping else None)
    return Export(source, columns, schema, kind, today, dated)
