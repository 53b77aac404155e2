"""Exports from other systems into drafts: typed, normalised, whole rows only (docs/import.md).

`open_export` finds out how a file is written and which column is which; `Export.rows` streams its rows.
Nothing here stores anything, and no error or report holds a value of the file.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from vault.errors import Invalid
from vault.intake.fold import fold_number
from vault.intake.headers import Column, match, read_map, title_key
from vault.intake.headers import _known as known_titles
from vault.intake.joining import join
from vault.intake.layouts import kind_of, type_of
from vault.intake.report import Report
from vault.intake.rows import Builder, Rejection, Row, malformed
from vault.intake.source import Fault, Record, Source
from vault.intake.sources import open_source
from vault.intake.values import NORMALISERS, normalise
from vault.model import Draft, Word
from vault.schema import Schema

__all__ = ["PEEK", "Export", "Layout", "Rejection", "Report", "Row", "normalise", "open_export", "row_of"]

PEEK: Final = 500
"""Rows looked at beforehand for columns whose digits a spreadsheet destroyed."""

Join = Path | str | tuple[Path | str, str | None]
"""A file to join, or a workbook and the title of its sheet."""


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

    def covers(self) -> dict[str, frozenset[str]]:
        """By kind, what the columns give: fields, and what others are computed from."""
        found: dict[str, set[str]] = {}
        for column in self.columns:
            if column.target is not None:
                part, _, name = column.target.rpartition(".")
                found.setdefault(kind_of(part), set()).add(name)
        return {kind: frozenset(names) for kind, names in found.items()}

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
        format: What kind of file it is: `csv`, `xlsx`, `jsonl`, `parquet`, or as its source says.
        notes: What of the files is not read, for people.
        total_bytes: The file's size.
        rereads: Whether it begins with its first record each time: a table that is gone on with doesn't.
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
        self.format: str = getattr(source, "format", source.encoding)
        self.notes: list[str] = list(getattr(source, "notes", ()))
        self.columns = [(column.title, column.target) for column in columns]
        self.unknown = [column.title for column in columns if column.target is None]
        self.total_bytes = source.size
        self.rereads: bool = getattr(source, "rereads", True)

    def records(self) -> Iterator[Record]:
        """Every record as it stands; empty ones are left out.

        Raises:
            Invalid: The file changed since it was opened.
        """
        return self._source.records()

    def rows(self, after: int = 0) -> Iterator[Row]:
        """Every data row in order, in memory one at a time; empty rows are left out.

        Args:
            after: Rows up to this number were taken before; they are passed over without being built.

        Raises:
            Invalid: The file changed since it was opened.
        """
        builder = self.layout.builder(self._schema)
        for record in itertools.islice(self._source.records(), PEEK):
            row_of(builder, record)
        for record in self._source.records():
            if record.number > after:
                yield row_of(builder, record)


def row_of(builder: Builder, record: Record) -> Row:
    """One record as a row: drafts, or rejections."""
    drafts: tuple[Draft, ...] = ()
    if record.problem:
        rejections: tuple[Rejection, ...] = (malformed(record.number, record.problem),)
    else:
        unread = {index: _error(fault) for index, fault in record.faults.items()}
        drafts, rejections = builder.build(record.number, record.cells, unread)
    return Row(
        number=record.number,
        drafts=drafts,
        rejections=rejections,
        consumed_bytes=record.consumed,
        position=record.position,
    )


def _error(fault: str | Fault) -> Invalid:
    told = Fault(message=fault) if isinstance(fault, str) else fault
    return Invalid(told.message, code=told.code, remedy=told.remedy)


def open_export(  # noqa: PLR0913  each is a choice of its own that a command offers
    path: Path | str | None,
    schema: Schema,
    *,
    kind: str,
    encoding: str | None = None,
    mapping: Path | None = None,
    today: dt.date,
    dated: dt.date | None = None,
    sheet: str | None = None,
    joins: Sequence[Join] = (),
    on: str | None = None,
    source: Source | None = None,
) -> Export:
    """Look at a file and match its columns, before any row is read.

    Args:
        path: A delimited text file, .xlsx workbook, JSON Lines or Parquet file; None with `source`.
        schema: The fields there are.
        kind: The layout: `borrower` yields borrower, loan, contact persons and guarantor; `result` what an
            agency reports of its cases; the other kinds yield themselves.
        encoding: A text file's encoding, if detection should not decide; files joined to it are detected.
        mapping: A map file over the built-in header table.
        today: The day of the import in Asia/Shanghai.
        dated: The day the file's figures are of, where no column says so: days overdue count back from it.
            Today unless given; the same file with the same day gives the same records on any day.
        sheet: A workbook's sheet, if it has several.
        joins: Further files, whose columns are put beside by the key `on`; they are read here.
        on: The key: a title, or `kind.field`.
        source: What to read instead of a file.

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
    chosen = read_map(mapping) if mapping else None
    if source is None:
        if path is None:
            raise Invalid("no file is named", code="invalid_file", field="file", remedy="name a file")
        source = open_source(Path(path), encoding=encoding, sheet=sheet)
    if joins or on:
        source = _join(source, joins, on, schema, kind, chosen or {})
    columns = match(source.header, schema, kind, chosen)
    _check_readable(source, columns)
    return Export(source, columns, schema, kind, today, dated)


def _join(
    main: Source,
    joins: Sequence[Join],
    on: str | None,
    schema: Schema,
    kind: str,
    mapping: Mapping[str, str],
) -> Source:
    if on is None or not joins:
        raise Invalid(
            "a join needs both files and a key",
            code="invalid_join",
            field="on",
            remedy="name each file by --join and the key's title by --on",
        )
    names = dict(known_titles(schema, kind))
    names |= {title_key(title): target for title, target in mapping.items()}
    target = names.get(title_key(on))
    sides = [_side(each) for each in joins]
    return join(main, sides, on, names=names, canonical=_canonical(schema, target) if target else fold_number)


def _side(each: Join) -> Source:
    path, sheet = each if isinstance(each, tuple) else (each, None)
    return open_source(Path(path), sheet=sheet)


def _canonical(schema: Schema, target: str) -> Callable[[str], str]:
    """What makes keys of a field comparable."""
    return NORMALISERS[type_of(schema, target)]


def _check_readable(source: Source, columns: Sequence[Column]) -> None:
    """Refuse a column that would be stored and whose type has no text.

    Raises:
        Invalid: Names the column.
    """
    for index, why in getattr(source, "unreadable", {}).items():
        if columns[index].target is not None:
            raise Invalid(
                f"the column {columns[index].title} cannot be read: {why}",
                code="invalid_header",
                field=columns[index].target,
                remedy='write it as text, or map it to "" in a map file',
            )
