"""`cvault log prune`: parts of the access log go when their rule says so, and never before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import messages, parsing
from cli.context import Call, command
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.pruning import Prunable


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    command(app, "prune")(prune)


def prune(
    call: Call,
    *,
    entries: Annotated[
        bool, typer.Option("--entries", help="Whole entries too, in bundles of 256; else bodies alone.")
    ] = False,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="The day to decide for [today].")
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask for the approval of exactly this; prints the request.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="With --ask: why; it is in the log, so no personal data.")
    ] = None,
    request: Annotated[str | None, typer.Option("--request", help="The approved request.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, it is only shown.")] = False,
) -> None:
    """Show what of the log is over its time by rule, or with --yes let it go: who saw *whom* first."""
    day = parsing.day(as_of, "as-of") if as_of else None
    if ask != (reason is not None) or (ask and yes):
        raise Invalid(
            "--ask takes --reason, and neither goes with --yes",
            code="invalid_usage",
            field="ask",
            remedy="first --ask --reason TEXT, then --yes --request REQUEST",
        )
    with call.open() as vault, call.out.progress("prune") as progress:
        room = vault.auditing(call.tenant)
        if yes:
            credential = call.credential(vault, "dpo", "administration")
            found = room.prune(credential, entries=entries, as_of=day, request=request, progress=progress)
        else:
            found = room.prunable(entries=entries, as_of=day)
        asked = ""
        if reason is not None and _anything(found):
            room_of_powers = vault.granting(call.tenant)
            asked = room_of_powers.ask(
                call.identity(vault), "retention", found.about, reason=reason, purpose="administration"
            ).id
    _show(call, found, asked, done=yes)


def _anything(found: Prunable) -> bool:
    return bool(found.count_bodies or found.count_entries)


def _show(call: Call, found: Prunable, asked: str, *, done: bool) -> None:
    if call.out.json:
        call.out.document({
            "as_of": found.as_of, "before": found.before or None, "bodies": found.bodies,
            "entries": found.entries, "count_bodies": found.count_bodies,
            "count_entries": found.count_entries, "rule": found.rule or None,
            "certainty": found.certainty or None, "source": found.source or None, "request": asked or None,
            "done": done,
        })  # fmt: skip
        return
    if not _anything(found):
        call.out.note("prune.nothing", as_of=found.as_of)
        return
    shown = ("before", "bodies_gone", "entries_gone", "rule", "certainty", "source")
    call.out.table(
        messages.titles(*shown),
        [(found.before, found.count_bodies, found.count_entries, found.rule, found.certainty, found.source)],
    )
    if asked:
        call.out.line(asked)
        call.out.note("prune.asked", request=asked)
    else:
        call.out.note("prune.done" if done else "prune.dry")
