"""`cvault log summary`: a month of the access log on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import messages
from cli.context import Call, command, write_secret

if TYPE_CHECKING:
    from vault.summarising import Summary


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(app, "summary")(summary)


def summary(
    call: Call,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="Which month [the running one].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="A page to print and file (0600).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Sum up a month of the log: who read how much and why, refusals, erasures, who vouches; an entry."""
    path = None if out is None else call.claim(out, force=force)
    with call.open() as vault, call.out.progress(messages.text("ask.counting")) as bar:
        found = vault.auditing(call.tenant).summarise(
            call.credential(vault, "auditor", "audit"), month, progress=bar
        )
    if path is not None:
        from cli.summary_page import page

        write_secret(path, page(found))
        call.out.note("summary.written", month=found.month, file=path)
    if not found.complete:
        call.out.note("summary.running", month=found.month)
    if call.out.json:
        import msgspec

        where = {} if path is None else {"file": str(path)}
        call.out.document(msgspec.structs.asdict(found) | where)
    elif path is None:
        _tables(call, found)


def _tables(call: Call, found: Summary) -> None:
    """The page's figures as tables."""
    from cli.summary_page import about, figures, vouched
    from cli.summary_words import named, refusal, sort, word

    out, count = call.out, word("count")
    title = word("title", month=found.month)
    out.table(("", ""), [*about(found), *figures(found), *vouched(found)], title)
    for key, shares in (("purposes", found.purposes), ("roles", found.roles), ("fields", found.fields)):
        if shares:
            out.table((word(key), count), [(named(one.word, one.zh), one.count) for one in shares])
    if found.refusals:
        rows = [(refusal(one.reason, one.outcome), one.count) for one in found.refusals]
        out.table((word("refusals"), count), rows)
    if found.actors:
        readers = [(one.name, one.actor, sort(one.sort), one.reads, one.off_hours) for one in found.actors]
        heads = (word("actors"), "", word("sort"), word("reads"), word("off.column"))
        out.table(heads, readers)
