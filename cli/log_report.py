"""Commands about the people in the access log: the report that a person is handed, and the log's balance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import messages, parsing
from cli.context import Call, command, write_secret
from vault.errors import Invalid

if TYPE_CHECKING:  # the rooms are imported by the commands that need them, so that --help stays fast
    from vault.auditing import Balance

LANGUAGES: Final = ("zh", "en")
_COUNTS: Final = (
    "entries", "pruned", "without_subject", "explained", "orphans_declared", "unexplained", "missing",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "report", chooses=True)(report)
    command(app, "balance", chooses=True)(balance)


def report(
    call: Call,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the page goes (0600).")],
    subject: Annotated[
        str | None, typer.Option("--subject", help="A subject's id, or one of their records'.")
    ] = None,
    ref: Annotated[
        str | None, typer.Option("--ref", help="The subject by KIND:EXTERNAL_ID of a record.")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", help="zh or en.")] = "zh",
    with_whom: Annotated[
        bool, typer.Option("--with-whom", help="Name cases and tickets too: for auditor or regulator alone.")
    ] = False,
    unweighed: Annotated[
        bool, typer.Option("--unweighed", help="Don't run the balance first: you have just now.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Hand a person the report of all accesses to their data, with the proof that none was left out."""
    if (subject is None) == (ref is None):
        raise Invalid(
            "name one person", code="invalid_usage", field="subject", remedy="give --subject or --ref"
        )
    if ref is not None:
        (subject,) = parsing.refs([ref])
    language = parsing.one_of(lang, LANGUAGES, "lang")
    path = call.claim(out, force=force)
    with call.open() as vault, call.out.progress("balance") as progress:
        credential = call.credential(vault, "auditor", "audit")
        made = vault.auditing(call.tenant).report(
            credential,
            subject or "",
            lang=language or "zh",
            with_whom=with_whom,
            weighed=not unweighed,
            progress=progress,
        )
    write_secret(path, made.file)
    if call.out.json:
        parts = ("entries", "series", "index", "size", "first", "last")
        call.out.document({"file": str(path), **{part: getattr(made, part) for part in parts}})
        return
    call.out.note("report.whom" if with_whom else "report.written", entries=made.entries, file=path)
    call.out.note("report.check")


def balance(
    call: Call,
    *,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Also open every entry that has no subject's tag. Slower.")
    ] = False,
) -> None:
    """Account for every entry: by a person who is here, or by an erasure that declared it."""

    def tell(found: Balance) -> None:
        if call.out.json:
            call.out.document(found)
        else:
            call.out.table(messages.titles(*_COUNTS), [tuple(getattr(found, name) for name in _COUNTS)])

    with call.open() as vault, call.out.progress("balance") as progress:
        credential = call.credential(vault, "auditor", "audit")
        vault.auditing(call.tenant).balance(credential, bodies=bodies, progress=progress, told=tell)
    call.out.note("balance.even")
