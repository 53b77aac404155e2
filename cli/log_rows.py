"""How answers of any length leave the command line: a page at a time, in one of four forms."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NamedTuple, TypeVar

import msgspec
import typer

from cli import messages, parsing
from cli.context import Call
from cli.exporting import STDOUT, cell, demand_place
from vault.errors import Invalid

T = TypeVar("T")
Cells = Callable[[T], Sequence[object]]

PAGE: Final = 1000
"""Rows that are in memory together, and rows of one table for people."""
_DATED: Final = frozenset({"time", "day", "first", "last"})

Text = str | None
Since = Annotated[Text, typer.Option("--since", help="ISO day or time, UTC; inclusive.")]
Until = Annotated[Text, typer.Option("--until", help="ISO day or time, UTC.")]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write it as CSV, safe in a spreadsheet (0600); - is stdout."),
]
Jsonl = Annotated[bool, typer.Option("--jsonl", help="One JSON object a line on stdout.")]
Bom = Annotated[
    bool, typer.Option("--bom", help="With --csv -: the mark that tells Excel it is UTF-8; a file has it.")
]


class Form(NamedTuple):
    """How an answer is written: `shape` is `json`, `jsonl`, `csv` or `table`; `csv` the file, or `STDOUT`."""

    shape: str
    csv: Path | None = None
    bom: bool = False


TABLE: Final = Form("table")


def form(call: Call, *, csv: Path | None, jsonl: bool = False, bom: bool = False) -> Form:
    """Which form was asked for; before anything is asked of the log.

    Raises:
        Invalid: Several were, or a byte order mark of what is no CSV, or the file can't be made.
    """
    both = jsonl and ("json" if call.out.json else "csv" if csv is not None else "")
    if both:
        message = f"--{both} and --jsonl exclude each other"
        raise Invalid(message, code="invalid_usage", field="jsonl", remedy="choose one")
    if bom and csv is None:
        raise Invalid("--bom belongs to --csv", code="invalid_usage", field="bom", remedy="add --csv -")
    demand_place(call, csv)
    if csv is not None:
        return Form("csv", csv, bom or csv != STDOUT)
    return Form("json" if call.out.json else "jsonl" if jsonl else "table")


def bounds(since: Text, until: Text) -> dict[str, int | None]:
    """The time asked about, µs UTC."""
    return {"since": parsing.instant(since, "since"), "until": parsing.instant(until, "until")}


def write(call: Call, form: Form, names: Sequence[str], rows: Iterable[T], cells: Cells[T]) -> int:
    """Write rows as they come, in any form but one JSON document for people to read whole; how many.

    With `json` that document is written piece by piece: `{"items":[…],"after":null}`.

    Args:
        call: The run.
        form: As `form` gave it.
        names: The columns' names; their titles are the catalogue's.
        rows: What msgspec encodes.
        cells: A row's cells, one for each column.
    """
    with ExitStack() as closing:
        put: Callable[[bytes], object] = _stdout
        if form.csv is not None and form.csv != STDOUT:
            put = closing.enter_context(private(form.csv)).write
        writers: dict[str, Callable[[Sequence[T], bool], object]] = {
            "json": _json,
            "jsonl": _jsonl,
            "csv": lambda page, first: put(_csv(page, names, cells, first=first, bom=form.bom)),
            "table": lambda page, _: call.out.table(messages.titles(*names), [cells(row) for row in page]),
        }
        count = _paged(rows, writers[form.shape], empty=form.shape != "jsonl")
    if form.shape == "json":
        typer.echo(b'],"after":null}')
    if form.csv is not None and call.out.json:
        call.out.document({"file": str(form.csv.absolute()), "rows": count})
    elif form.csv is not None and form.csv != STDOUT:
        call.out.note("ask.written", rows=count, file=form.csv)
    return count


def _paged(rows: Iterable[T], writer: Callable[[Sequence[T], bool], object], *, empty: bool) -> int:
    """Give the writer a page after another, one without rows if there are none and `empty`; how many rows."""
    count = 0
    for page in _pages(rows):
        writer(page, count == 0)
        count += len(page)
    if not count and empty:
        writer([], True)
    return count


def _stdout(data: bytes) -> None:
    typer.echo(data, nl=False)


@contextmanager
def private(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner may read (0600), written as it comes; what an error cut off stands."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file


def _pages(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while page := list(islice(left, PAGE)):
        yield page


def _json(page: Sequence[object], first: bool) -> None:
    lead = b'{"items":[' if first else b","
    typer.echo(lead + b",".join(map(msgspec.json.encode, page)), nl=False)


def _jsonl(page: Sequence[object], _: bool) -> None:
    typer.echo(b"".join(msgspec.json.encode(row) + b"\n" for row in page), nl=False)


def _csv(page: Sequence[T], names: Sequence[str], cells: Cells[T], *, first: bool, bom: bool) -> bytes:
    """RFC 4180 in UTF-8; titles first, in the language of the locale."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    if first:
        text.write("\ufeff" * bom)
        writer.writerow([cell(title) for title in messages.titles(*names)])
    for row in page:
        writer.writerow([cell(said(p), _kind(n, p)) for n, p in zip(names, cells(row), strict=True)])
    return text.getvalue().encode()


def _kind(name: str, part: object) -> str:
    """What a spreadsheet may take a cell for: digits of ids and digests must stay as they are."""
    if isinstance(part, int):
        return "integer"
    return "date" if name in _DATED else "ref"


def said(part: object) -> str:
    """A cell's text; what isn't known is empty."""
    return "" if part is None else str(part)
