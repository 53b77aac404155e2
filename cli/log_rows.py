"""How answers of any length leave the command line: a page at a time, in one of four forms."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Final, TypeVar

import msgspec
import typer

from cli import messages, parsing
from cli.context import Call
from cli.exporting import cell
from vault.errors import Invalid

T = TypeVar("T")
Cells = Callable[[T], Sequence[object]]

PAGE: Final = 1000
"""Rows that are in memory together, and rows of one table for people."""
_DATED: Final = frozenset({"time", "day", "first", "last"})

Text = str | None
Since = Annotated[Text, typer.Option("--since", help="ISO day or time, UTC; inclusive.")]
Until = Annotated[Text, typer.Option("--until", help="ISO day or time, UTC.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV on stdout, safe to open in a spreadsheet.")]
Jsonl = Annotated[bool, typer.Option("--jsonl", help="One JSON object a line on stdout.")]
Bom = Annotated[bool, typer.Option("--bom", help="With --csv: the mark that tells Excel it is UTF-8.")]


def form(call: Call, *, csv: bool, jsonl: bool = False, bom: bool = False) -> str:
    """Which form was asked for: `json`, `jsonl`, `csv`, or `table`.

    Raises:
        Invalid: Several were, or a byte order mark of what is no CSV.
    """
    asked = [name for name, wanted in (("json", call.out.json), ("jsonl", jsonl), ("csv", csv)) if wanted]
    if len(asked) > 1:
        message = " and ".join(f"--{name}" for name in asked) + " both want stdout"
        raise Invalid(message, code="invalid_usage", field=asked[1], remedy="choose one")
    if bom and not csv:
        raise Invalid("--bom belongs to --csv", code="invalid_usage", field="bom", remedy="add --csv")
    return asked[0] if asked else "table"


def bounds(since: Text, until: Text) -> dict[str, int | None]:
    """The time asked about, µs UTC."""
    return {"since": parsing.instant(since, "since"), "until": parsing.instant(until, "until")}


def write(
    call: Call, shape: str, names: Sequence[str], rows: Iterable[T], cells: Cells[T], *, bom: bool = False
) -> int:
    """Write rows as they come, in any form but one JSON document for people to read whole; how many.

    With `json` that document is written piece by piece: `{"items":[…],"after":null}`.

    Args:
        call: The run.
        shape: As `form` gave it.
        names: The columns' names; their titles are the catalogue's.
        rows: What msgspec encodes.
        cells: A row's cells, one for each column.
        bom: Whether CSV begins with a byte order mark.
    """
    writer: Callable[[Sequence[T], bool], None] = {
        "json": _json,
        "jsonl": _jsonl,
        "csv": lambda page, first: _csv(page, names, cells, first=first, bom=bom),
        "table": lambda page, _: call.out.table(messages.titles(*names), [cells(row) for row in page]),
    }[shape]
    count = 0
    for page in _pages(rows):
        writer(page, count == 0)
        count += len(page)
    if not count and shape != "jsonl":
        writer([], True)
    if shape == "json":
        typer.echo(b'],"after":null}')
    return count


def _pages(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while page := list(islice(left, PAGE)):
        yield page


def _json(page: Sequence[object], first: bool) -> None:
    lead = b'{"items":[' if first else b","
    typer.echo(lead + b",".join(map(msgspec.json.encode, page)), nl=False)


def _jsonl(page: Sequence[object], _: bool) -> None:
    typer.echo(b"".join(msgspec.json.encode(row) + b"\n" for row in page), nl=False)


def _csv(page: Sequence[T], names: Sequence[str], cells: Cells[T], *, first: bool, bom: bool) -> None:
    """RFC 4180 in UTF-8; titles first, in the language of the locale."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    if first:
        text.write("\ufeff" * bom)
        writer.writerow([cell(title) for title in messages.titles(*names)])
    for row in page:
        writer.writerow([cell(said(p), _kind(n, p)) for n, p in zip(names, cells(row), strict=True)])
    typer.echo(text.getvalue().encode(), nl=False)


def _kind(name: str, part: object) -> str:
    """What a spreadsheet may take a cell for: digits of ids and digests must stay as they are."""
    if isinstance(part, int):
        return "integer"
    return "date" if name in _DATED else "ref"


def said(part: object) -> str:
    """A cell's text; what isn't known is empty."""
    return "" if part is None else str(part)
