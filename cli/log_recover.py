"""The command that begins a new log where the old one can't go on: log recover (docs/recover.md)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli import messages
from cli.context import Call
from cli.output import Alarm, Output
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.examining import Found

_SECOND = 1_000_000


def recover(
    call: Call,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, it is only said what is found.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; it stands in the log, so no personal data.")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", metavar="DIR", help="Where the old log's remains go.")
    ] = None,
    second: Annotated[
        list[Path] | None,
        typer.Option("--second", metavar="FILE", help="Another person's principal file, who says yes."),
    ] = None,
) -> None:
    """Begin a new log in place of one that was shortened, put back or rewritten; a dry run without --yes."""
    from vault.identity import Identity

    with call.open() as vault:
        room = vault.auditing(call.tenant)
        if not yes:
            _say(call.out, room.examine())
            return
        if reason is None or evidence is None:
            field = "reason" if reason is None else "evidence"
            raise Invalid(
                f"this needs --{field}", code="invalid_usage", field=field, remedy="cvault log recover --help"
            )
        call.demand_folder(evidence, "evidence", "name a new folder")
        identity = call.identity(vault)
        seconds = [Identity.from_json(call.read(path, "second")) for path in second or []]
        done = room.recover(identity, reason=reason, evidence=evidence, seconds=seconds)
        # A token's instant of issue is in whole seconds: the next one must not look like one from before.
        time.sleep(min(1.0, max(0.0, (done.void - vault.clock()) / _SECOND)))
    if call.out.json:
        call.out.document(done)
    said: dict[str, Any] = msgspec.structs.asdict(done)
    for line in ("done", "key", "kept", "tokens"):
        call.out.note(f"recover.{line}", **said)


def _say(out: Output, found: Found) -> None:
    """What stands in the ledger, what should, and what is lost with it."""
    if out.json:
        out.document({**msgspec.structs.asdict(found), "whole": found.whole})
        return
    none = messages.text("recover.none")
    missing = none if found.missing is None else Alarm("{}–{}".format(*found.missing))
    rows: list[tuple[object, object]] = [
        (messages.text("recover.entries"), found.size),
        (messages.text("recover.last"), found.last or none),
        (messages.text("recover.pinned"), found.pinned_size or none),
        (messages.text("recover.missing"), missing),
        (messages.text("recover.good"), f"{found.good_size} {found.good_root}"),
    ]
    out.table(("", ""), rows, title=messages.text("recover.title", origin=found.origin))
    out.table(
        messages.titles("check", "holds", "fault", "why"),
        [
            (
                check.name,
                messages.text("yes") if check.ok else Alarm(messages.text("no")),
                check.index,
                check.message,
            )
            for check in found.checks
        ],
    )
    if found.whole and not found.begun:
        out.note("recover.whole")
        return
    if found.begun:
        out.note("recover.begun")
    out.note("recover.first")
    out.note("recover.lost", last=found.last or none)
    out.note("recover.again")
    out.note("recover.how")
