"""Commands that bring files in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import checking, migrate, parsing
from cli.context import Call, command
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.taking import ImportOptions

File = Annotated[
    Path | None, typer.Argument(help="CSV or other delimited text, .xlsx, JSON Lines or Parquet.")
]
Kind = Annotated[str, typer.Option("--kind", help="The layout: borrower, result, or another kind.")]
Map = Annotated[Path | None, typer.Option("--map", help="Headers that are not known by name.")]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Instead of detecting it.")]
Sheet = Annotated[str | None, typer.Option("--sheet", help="A workbook's sheet, of several.")]
Joins = Annotated[
    list[Path] | None,
    typer.Option("--join", metavar="FILE", help="Columns to put beside, FILE or FILE#SHEET; repeatable."),
]
On = Annotated[str | None, typer.Option("--on", help="With --join: the key's title or kind.field.")]
Dated = Annotated[str | None, typer.Option("--dated", help="The day its figures are of, YYYY-MM-DD [today].")]
Relationship = Annotated[
    str | None, typer.Option("--relationship", help="Reference under which erased people come back.")
]
ReportTo = Annotated[Path | None, typer.Option("--report", help="Where rejections go [DIR/reports/…].")]
Processes = Annotated[int, typer.Option("--processes", min=0, max=2, help="1 or 2; 0 decides by size.")]
Check = Annotated[
    bool, typer.Option("--check", help="Explain columns and first rows; needs no token, stores nothing.")
]
WriteMap = Annotated[Path | None, typer.Option("--write-map", help="With --check: write a map file to mend.")]
FromSql = Annotated[
    str | None, typer.Option("--from-sql", metavar="URL", help="A live table, without its password.")
]
Query = Annotated[
    str | None, typer.Option("--query", help="With --from-sql: one SELECT, or a file that holds it.")
]
Key = Annotated[str | None, typer.Option("--key", help="With --from-sql: a unique column to go along.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    command(app, "import")(import_)


def import_(
    call: Call, file: File = None, *, kind: Kind, mapping: Map = None, encoding: Encoding = None,
    sheet: Sheet = None, joins: Joins = None, on: On = None, dated: Dated = None,
    relationship: Relationship = None, report: ReportTo = None, resume: migrate.Resume = None,
    processes: Processes = 0, dry_run: migrate.Dry = False, check: Check = False,
    write_map: WriteMap = None, from_sql: FromSql = None, query: Query = None, key: Key = None,
    columns: migrate.Columns = None, secret: migrate.Secret = None, page: migrate.Page = 2000,
    pause: migrate.Pause = 0.0, rate: migrate.Rate = 0.0, timeout: migrate.Timeout = 60.0,
    no_count: migrate.NoCount = False,
) -> int:  # fmt: skip
    """Import an export or a live table: good rows are stored, bad ones named in a report, without values."""
    from vault.taking import ImportOptions

    if from_sql is not None:
        _demand(file is None and not check and query is not None and key is not None, "from-sql", _SQL)
        return migrate.import_(
            call, url=from_sql, query=query or "", key=key or "", kind=kind, mapping=mapping,
            columns=columns, secret=secret, page=page, pause=pause, rate=rate, timeout=timeout,
            no_count=no_count, report=report, resume=resume, dry_run=dry_run, dated=dated,
            relationship=relationship,
        )  # fmt: skip
    _demand(file is not None and query is None and key is None, "file", "name a file, or --from-sql URL")
    if file is None:
        return Invalid.exit_code
    if check or write_map is not None:
        return checking.explain(
            call, file, kind=kind, mapping=mapping, encoding=encoding, sheet=sheet, write_map=write_map,
            alone=check,
        )  # fmt: skip
    options = ImportOptions(
        encoding=encoding, mapping=mapping, sheet=sheet, joins=tuple(map(_join, joins or ())), on=on,
        dated=parsing.day(dated, "dated"), relationship=relationship, dry_run=dry_run,
        processes=processes,
    )  # fmt: skip
    return _import(call, file, kind, options, report, resume)


def _import(
    call: Call, file: Path, kind: str, options: ImportOptions, report: Path | None, resume: Path | None
) -> int:
    out = call.out
    with call.open() as vault, out.progress("import") as progress:
        credential = call.credential(vault, "importer", "import")
        done = vault.writing(call.tenant).import_file(
            credential, file, kind=kind, report=report or migrate.report_path(call.folder, "import"),
            options=options, resume=resume, progress=progress,
            counted=None if progress is None else progress.count,
        )  # fmt: skip
    return migrate.told(call, done, dry_run=options.dry_run)


def _join(named: Path) -> tuple[Path, str | None]:
    """A file, or a workbook and the title of its sheet behind a `#`."""
    if named.exists() or "#" not in named.name:
        return named, None
    name, _, sheet = named.name.rpartition("#")
    return named.with_name(name), sheet


_SQL: Final = "give --query and --key with --from-sql, and no file"


def _demand(held: bool, field: str, remedy: str) -> None:
    if not held:
        raise Invalid("these options don't go together", code="invalid_usage", field=field, remedy=remedy)
