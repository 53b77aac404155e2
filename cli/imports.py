"""Commands that bring files in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cli.context import Call, command
from vault.errors import Partial


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    command(app, "import")(import_)


def import_(
    call: Call,
    file: Annotated[Path, typer.Argument(help="A CSV or tab-separated export.")],
    kind: Annotated[
        str, typer.Option("--kind", help="The layout: borrower, case, contact_attempt, promise.")
    ],
    mapping: Annotated[Path | None, typer.Option("--map", help="Headers that are not known by name.")] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Instead of detecting it.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where rejections go [DIR/reports/…].")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Explain columns and first rows; needs no token, stores nothing.")
    ] = False,
    write_map: Annotated[
        Path | None, typer.Option("--write-map", help="With --check: write a map file to mend.")
    ] = None,
) -> int:
    """Import an export: good rows are stored, bad ones named in a report without their values."""
    from vault.writing import ImportOptions

    out = call.out
    if check or write_map is not None:
        from cli import checking

        return checking.explain(
            call, file, kind=kind, mapping=mapping, encoding=encoding, write_map=write_map, alone=check
        )
    options = ImportOptions(encoding=encoding, mapping=mapping, dry_run=dry_run)
    with call.open() as vault, out.progress("import") as progress:
        credential = call.credential(vault, "importer", "import")
        done = vault.writing(call.tenant).import_file(
            credential, file, kind=kind, report=report or _report(call.folder), options=options,
            progress=progress, counted=None if progress is None else progress.count,
        )  # fmt: skip
    if out.json:
        out.document(done)
    else:
        stored = ", ".join(f"{kind} {count}" for kind, count in sorted(done.stored.items())) or "0"
        out.table(
            ("rows", "stored", "unchanged", "rejected"), [(done.rows, stored, done.unchanged, done.rejected)]
        )
    if dry_run:
        out.note("import.dry")
    if done.unknown:
        out.note("import.unknown", columns=", ".join(done.unknown))
    out.note("import.report", report=done.report)
    return Partial.exit_code if done.rejected else 0


def _report(folder: Path) -> Path:
    """A place of its own for each import's report, in the vault's folder."""
    reports = folder / "reports"
    reports.mkdir(mode=0o700, exist_ok=True)
    return (
        reports / f"import-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{time.time_ns() % 10**6:06d}.jsonl"
    )
