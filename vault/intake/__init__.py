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

from vault.intake.csvfile import inspect
from vault.intake.headers import Column, match, read_map
from vault.intake.report import Report
from vault.intake.rows import Builder, Rejection, Row, malformed
from vault.intake.source import Record, Source
from vault.intake.values import normalise
from vault.model import Draft
from vault.schema import Schema

__all__ = ["Export", "Rejection", "Report", "Row", "normalise", "open_export"]

_PEEK: Final = 500
"""Rows looked at beforehand for columns whose digits a spreadsheet destroyed."""


class Export:
    """A file ready to be read row by row, as often as wanted.

    Attributes:
        encoding: What it is decoded with.
        columns: Each header with its target `kind.field`, None when the column is not stored.
        unknown: The headers that are not stored.
        total_bytes: The file's size.
    """

    def __init__(
        self, source: Source, columns: list[Column], schema: Schema, kind: str, today: dt.date
    ) -> None:
        self._source = source
        self._columns = columns
        self._schema = schema
        self._kind = kind
        self._today = today
        self.encoding = source.encoding
        self.columns = [(column.title, column.target) for column in columns]
        self.unknown = [column.title for column in columns if column.target is None]
        self.total_bytes = source.size

    def rows(self) -> Iterator[Row]:
        """Every data row in order, in memory one at a time; empty rows are left out.

        Raises:
            Invalid: The file changed since it was opened.
        """
        builder = Builder(self._schema, self._kind, self._columns, self._today)
        for record in itertools.islice(self._source.records(), _PEEK):
            _build(builder, record)
        for record in self._source.records():
            drafts, rejections = _build(builder, record)
            yield Row(
                number=record.number, drafts=drafts, rejections=rejections, consumed_bytes=record.consumed
            )


def _build(builder: Builder, record: Record) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
    if record.problem:
        return (), (malformed(record.number, record.problem),)
    return builder.build(record.number, record.cells)


def open_export(
    path: Path | str,
    schema: Schema,
    *,
    kind: str,
    encoding: str | None = None,
    mapping: Path | None = None,
    today: dt.date,
) -> Export:
    """Look at a file and match its columns, before any row is read.

    Args:
        path: A CSV or tab-separated file with a header row.
        schema: The fields there are.
        kind: The layout: `borrower` yields borrower, loan and contact person; `contact_attempt`, `promise`
            and `case` yield themselves.
        encoding: Its encoding, if detection should not decide.
        mapping: A map file over the built-in header table.
        today: The day of the import in Asia/Shanghai; days overdue count back from it.

    Raises:
        Invalid: The file, its header row, the map or the kind cannot be used; the remedy says what to do.
    """
    source = inspect(Path(path), encoding)
    columns = match(source.header, schema, kind, read_map(mapping) if mapping else None)
    return Export(source, columns, schema, kind, today)
