"""`--csv`: what was released, as a CSV file that no spreadsheet can be made to run (docs/import.md).

A cell that a spreadsheet would compute, round or turn into a date gets an apostrophe before it, which our own
intake takes off again: an export read back gives the identical values. The other known ways were refused:
`="…"` is a formula itself, and a tab is one of the signs that start one (OWASP ASVS 5.0, 1.2.10; CWE-1236).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from cli.checking import demand_free
from cli.context import Call, write_secret
from cli.output import plain
from vault.errors import Invalid
from vault.model import ItemError, Shown

if TYPE_CHECKING:
    from vault.schema import Schema
    from vault.vault import Vault

STDOUT: Final = Path("-")
MARK: Final = "'"
FORMULA: Final = frozenset("=+-@\t\0\r\n＝＋－＠")
"""What starts a formula in one spreadsheet or another: OWASP ASVS 5.0, 1.2.10; from CR on out of caution."""
_COMPUTED: Final = frozenset({"date", "money", "integer"})
"""Types that a spreadsheet may take for what they are: amounts of at most 14 digits, days, counts."""
_NUMBER: Final = re.compile(r"[0-9][0-9 .,:/%()-]*(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SHORT: Final = re.compile(r"0|[1-9][0-9]{0,10}", re.ASCII)
"""Digits that a spreadsheet shows and keeps as they are: no zero before them, eleven at most."""
_BRACKETS: Final = dict.fromkeys(map(ord, "()[]（）【】"), " ")
_ABOUT: Final = ("record.id", "record.ref", "record.kind", "record.version", "record.state", "record.entry")
"""What is said of the record itself; no kind is called `record`, so no field can have such a title."""


def cell(text: str, kind: str = "ref") -> str:
    """A value as it may stand in a cell.

    Args:
        text: The value as it was released.
        kind: Its field's type.
    """
    first = next((char for char in text if not _unseen(char)), "")
    if first in FORMULA or text[:1] in FORMULA:
        return MARK + text
    risky = kind not in _COMPUTED and _NUMBER.fullmatch(text) and not _SHORT.fullmatch(text)
    return MARK + text if risky else text


def rows_of(schema: Schema, items: Sequence[Shown]) -> list[list[str]]:
    """Titles and one row for each record.

    Titles are `kind.field (中文)`, which intake understands whatever the layout; HIDDEN fields have no column
    where all are, else an empty cell.
    """
    columns = _columns(schema, items)
    titles = [
        *_ABOUT,
        *(f"{kind}.{name} ({zh.translate(_BRACKETS)})" for (kind, name), (_, zh) in columns.items()),
    ]
    table = [[cell(title) for title in titles]]
    for item in items:
        about = (item.record, item.ref, item.kind, item.version, item.state, item.receipt.index)
        row = [cell("" if part is None else str(part)) for part in about]
        row += [
            cell(_text(item, name), kind) if owner == item.kind else ""
            for (owner, name), (kind, _) in columns.items()
        ]
        table.append(row)
    return table


def encoded(table: Sequence[Sequence[str]]) -> bytes:
    """RFC 4180 in UTF-8, with the byte order mark by which spreadsheets tell it from the local encoding."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(table)
    return text.getvalue().encode("utf-8-sig")


def demand_place(call: Call, path: Path | None) -> None:
    """Demand that an export can go where it is wanted, before anything is read and logged.

    Raises:
        Invalid: A file is there already, its folder isn't, or stdout would get two documents.
    """
    if path is None:
        return
    if path != STDOUT:
        demand_free(path, "csv")
    elif call.out.json:
        raise Invalid(
            "--csv - and --json both want stdout", code="invalid_usage", field="csv", remedy="name a file"
        )


def export(
    call: Call,
    vault: Vault,
    path: Path,
    items: Sequence[Shown],
    errors: Sequence[ItemError],
    *,
    cursor: str | None = None,
) -> None:
    """Write released records as CSV (0600, whole or not at all), or print them; refusals go beside it.

    Args:
        call: The run.
        vault: Whose schema names the columns.
        path: The file, or `STDOUT`.
        items: What was released; its entries are durable already.
        errors: Which records were refused.
        cursor: Where a listing goes on.
    """
    data = encoded(rows_of(vault.tenancy(call.tenant).schema, items))
    if path == STDOUT:
        typer.echo(data, nl=False)
    else:
        write_secret(path.absolute(), data)
        call.out.note("export.done", records=len(items), file=path)
    if call.out.json:
        said = {"file": str(path.absolute()), "records": len(items), "errors": errors}
        call.out.document(said | ({} if cursor is None else {"cursor": cursor}))
    elif errors:
        for error in errors:
            call.out.note("export.refused", id=error.id, code=error.code)
        call.out.note("read.some", count=len(errors))


def _columns(schema: Schema, items: Sequence[Shown]) -> Mapping[tuple[str, str], tuple[str, str]]:
    """Type and Chinese title of every field that some record shows, kind by kind in the schema's order."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for kind in dict.fromkeys(item.kind for item in items):
        alike = [item for item in items if item.kind == kind]
        for name, spec in schema.kind(kind).fields.items():
            if any(_shown(item, name) for item in alike):
                found[kind, name] = spec.type, spec.zh
    return found


def _unseen(char: str) -> bool:
    """Whether a spreadsheet may pass over a character before it looks for a sign."""
    return char.isspace() or unicodedata.category(char) in {"Cc", "Cf"}


def _shown(item: Shown, name: str) -> bool:
    return name in item.fields and item.fields[name].view != "HIDDEN"


def _text(item: Shown, name: str) -> str:
    value = plain(item.fields[name].value) if _shown(item, name) else None
    return "" if value is None else str(value)
