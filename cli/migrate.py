"""Commands that move a live table in and prove that it arrived (docs/migrate.md)."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import parsing
from cli.context import Call, command
from vault.errors import Invalid, Partial

if TYPE_CHECKING:
    from vault.intake import Export
    from vault.intake.columns import EncryptedColumn
    from vault.intake.resume import ResumeFile
    from vault.schema import Schema
    from vault.stores.foreign import ForeignQuery
    from vault.taking import Imported
    from vault.vault import Vault

PASSWORD: Final = "CVAULT_SOURCE_PASSWORD"  # noqa: S105 - its name, not itself
"""The environment variable that holds the source's password. An argument would be seen by `ps`."""

_SELECT: Final = re.compile(r"\s*(select|with)\s", re.IGNORECASE)
WORTH: Final = 2000
"""Rows from which a process beside the import pays for its start."""

From = Annotated[str, typer.Option("--from-sql", metavar="URL", help="The source, without its password.")]
Query = Annotated[str, typer.Option("--query", help="One SELECT, or a file that holds it.")]
Key = Annotated[str, typer.Option("--key", help="A unique column to go along, best the primary key.")]
Kind = Annotated[str, typer.Option("--kind", help="The layout, as for import.")]
Map = Annotated[Path | None, typer.Option("--map", help="Columns that are not known by name.")]
Columns = Annotated[Path | None, typer.Option("--columns", help="Encrypted columns, and how to open them.")]
Secret = Annotated[Path | None, typer.Option("--source-password-file", help=f"Instead of {PASSWORD}.")]
Page = Annotated[int, typer.Option("--page", help="Rows a transaction in the source.")]
Pause = Annotated[float, typer.Option("--pause", help="Seconds between pages.")]
Rate = Annotated[float, typer.Option("--rate", help="Most rows a second; 0: no limit.")]
Timeout = Annotated[float, typer.Option("--statement-timeout", help="Seconds a statement may take there.")]
NoCount = Annotated[bool, typer.Option("--no-count", help="Don't count beforehand: no pass over the key.")]
ReportTo = Annotated[Path | None, typer.Option("--report", help="Where findings go [DIR/reports/…].")]
Resume = Annotated[
    Path | None, typer.Option("--resume", metavar="FILE", help="Kept current; go on from it if it is there.")
]
Dry = Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")]


class Asked:
    """What both commands are told of the source.

    Attributes:
        kind, mapping, columns, secret, dated, relationship: As given.
        pace: How gently it is read.
        encrypted: Its encrypted columns, once `read_columns` was called.
    """

    def __init__(
        self, *, kind: str, mapping: Path | None, columns: Path | None, secret: Path | None, page: int,
        pause: float, rate: float, timeout: float, no_count: bool, dated: str | None = None,
        relationship: str | None = None,
    ) -> None:  # fmt: skip
        from vault.stores.foreign import Pace

        self.kind = kind
        self.dated = dated
        self.relationship = relationship
        self.mapping = mapping
        self.columns = columns
        self.secret = secret
        self.pace = Pace(page=page, pause=pause, rate=rate, timeout=timeout, count=not no_count)
        self.encrypted: dict[str, EncryptedColumn] = {}

    def read_columns(self, schema: Schema) -> None:
        """Read the columns file, if there is one."""
        from vault.intake.columns import read_columns

        if self.columns is not None:
            self.encrypted = read_columns(self.columns, schema)

    def digest(self, source: str) -> str:
        """Digest of the source and of all that decides what its rows become."""
        files = [path.read_bytes() if path else b"" for path in (self.mapping, self.columns)]
        told = repr((self.kind, self.dated, self.relationship))
        parts = [source.encode(), told.encode(), *files]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    command(app, "verify")(verify)


def import_(
    call: Call, *, url: str, query: str, key: str, kind: str, mapping: Path | None, columns: Path | None,
    secret: Path | None, page: int, pause: float, rate: float, timeout: float, no_count: bool,
    report: Path | None, resume: Path | None, dry_run: bool, dated: str | None, relationship: str | None,
) -> int:  # fmt: skip
    """Import a live table, page by page along its key; nothing is changed there (`import --from-sql`)."""
    from vault.intake.resume import ResumeFile
    from vault.taking import ImportOptions

    asked = Asked(
        kind=kind, mapping=mapping, columns=columns, secret=secret, page=page, pause=pause, rate=rate,
        timeout=timeout, no_count=no_count, dated=dated, relationship=relationship,
    )  # fmt: skip
    with (
        call.open() as vault,
        _table(call, vault, url, query, key, asked) as table,
        call.out.progress("import") as progress,
    ):
        credential = call.credential(vault, "importer", "import")
        keys, state = vault.tenancy(call.tenant).keys, None
        if resume is not None:
            state = ResumeFile(resume, keys.cursors, asked.digest(table.fingerprint))
        export, dropped = _export(call, vault, table, asked, state)
        options = ImportOptions(dry_run=dry_run, relationship=relationship, processes=_processes(table))
        done = vault.writing(call.tenant).import_export(
            credential, export, report=report or report_path(call.folder, "import"), resume=state,
            options=options, progress=progress,
        )  # fmt: skip
    return told(call, done, dry_run=dry_run, dropped=dropped)


def told(call: Call, done: Imported, *, dry_run: bool, dropped: Sequence[str] = ()) -> int:
    """Say what an import did; the exit code."""
    if call.out.json:
        call.out.document(done)
    else:
        stored = ", ".join(f"{name} {count}" for name, count in sorted(done.stored.items())) or "0"
        titles = ("rows", "stored", "unchanged", "rejected")
        call.out.table(titles, [(done.rows, stored, done.unchanged, done.rejected)])
    if dry_run:
        call.out.note("import.dry")
    _notes(call, [*done.unknown, *dropped], done.report)
    return Partial.exit_code if done.rejected else 0


def verify(
    call: Call, *, url: From, query: Query, key: Key, kind: Kind, mapping: Map = None,
    columns: Columns = None, secret: Secret = None, page: Page = 2000, pause: Pause = 0.0, rate: Rate = 0.0,
    timeout: Timeout = 60.0, no_count: NoCount = False, report: ReportTo = None,
) -> int:  # fmt: skip
    """Compare a live table with the vault: which rows differ, in what fields; values stay inside."""
    out = call.out
    asked = Asked(
        kind=kind, mapping=mapping, columns=columns, secret=secret, page=page, pause=pause, rate=rate,
        timeout=timeout, no_count=no_count,
    )  # fmt: skip
    with (
        call.open() as vault,
        _table(call, vault, url, query, key, asked) as table,
        out.progress("verify") as progress,
    ):
        credential = call.credential(vault, "importer", "import")
        export, dropped = _export(call, vault, table, asked, None)
        done = vault.writing(call.tenant).compare(
            credential, export, report=report or report_path(call.folder, "compare"), progress=progress
        )
    if out.json:
        out.document(done)
    else:
        titles = ("rows", "equal", "differing", "missing", "restricted", "rejected")
        out.table(titles, [[getattr(done, title) for title in titles]])
    _notes(call, [*done.unknown, *dropped], done.report)
    return 0 if done.equal == done.rows else Partial.exit_code


def _notes(call: Call, unknown: list[str], report: str) -> None:
    if unknown:
        call.out.note("import.unknown", columns=", ".join(unknown))
    call.out.note("import.report", report=report)


@contextmanager
def _table(call: Call, vault: Vault, url: str, query: str, key: str, asked: Asked) -> Iterator[ForeignQuery]:
    """The source, closed again at the end."""
    from vault.stores.foreign import ForeignQuery

    sql = _sql(call, query)
    asked.read_columns(vault.tenancy(call.tenant).schema)
    table = ForeignQuery(
        url,
        sql,
        key,
        password=_password(call, asked.secret),
        pace=asked.pace,
        binary=frozenset(asked.encrypted),
    )
    try:
        yield table
    finally:
        table.close()


def _sql(call: Call, query: str) -> str:
    """The query itself, or what the file holds that it names.

    Raises:
        Invalid: The file is not there, or not UTF-8.
    """
    if _SELECT.match(query):
        return query
    try:
        return call.read(Path(query), "query").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("the query is not UTF-8", code="invalid_query", field="query") from None


def _processes(table: ForeignQuery) -> int:
    """Two where there are processors for them and rows enough, or nobody counted."""
    worth = table.size == 0 or table.size >= WORTH
    return 2 if worth and (os.cpu_count() or 1) > 1 else 1


def _password(call: Call, file: Path | None) -> str | None:
    """The source's password: the file's first line, else the environment's; None if there is neither.

    Raises:
        Invalid: The file is empty or cannot be read.
    """
    if file is None:
        return os.environ.get(PASSWORD) or None
    lines = call.read(file, "source-password-file").decode("utf-8", "replace").splitlines()
    if not lines or not lines[0]:
        raise Invalid(
            "the password file is empty", field="source-password-file", remedy="write it on one line"
        )
    return lines[0]


def _export(
    call: Call, vault: Vault, table: ForeignQuery, asked: Asked, state: ResumeFile | None
) -> tuple[Export, list[str]]:
    """The table as an export, from behind what is done; and the columns dropped as repeating others.

    Raises:
        Invalid: The columns file has a target that rows of this kind don't have.
    """
    from vault.intake import open_export
    from vault.intake.columns import Deciphered
    from vault.intake.source import Source
    from vault.intake.table import TableSource

    tenancy = vault.tenancy(call.tenant)
    done = state.progress if state else None
    source: Source = TableSource(table, after=done.position, number=done.rows) if done else TableSource(table)
    source = clear = Deciphered(source, asked.encrypted)
    export = open_export(
        None, tenancy.schema, kind=asked.kind, mapping=asked.mapping, today=tenancy.today(), source=source,
        dated=parsing.day(asked.dated, "dated"),
    )  # fmt: skip
    found = {target for _, target in export.columns}
    astray = sorted({column.target for column in asked.encrypted.values()} - found)
    if astray:
        raise Invalid(
            f"{asked.kind} rows hold no {astray[0]}",
            code="invalid_map",
            field="columns",
            remedy="choose a target of this --kind, as in docs/import.md",
        )
    return export, clear.dropped


def report_path(folder: Path, what: str) -> Path:
    """A place of its own for each run's report, in the vault's folder."""
    reports = folder / "reports"
    reports.mkdir(mode=0o700, exist_ok=True)
    now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return reports / f"{what}-{now}-{time.time_ns() % 10**6:06d}.jsonl"
