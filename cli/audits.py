"""Commands about audits: open, list, close, key; the pack has a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cli import audit_pack, messages, parsing
from cli.context import Call, command, write_secret

if TYPE_CHECKING:
    from vault.ledger.registry import Audit

Ident = Annotated[str, typer.Argument(metavar="AUDIT", help="The audit's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "open")(open_)
    command(app, "list")(list_)
    command(app, "close")(close)
    command(app, "key", chooses=True)(key)
    command(app, "pack", chooses=True)(audit_pack.pack)


def open_(
    call: Call,
    *,
    principal: Annotated[
        str, typer.Option("--for", metavar="PRINCIPAL", help="Whose audit it is: their id.")
    ],
    ends: Annotated[str, typer.Option("--ends", help="Its last day, YYYY-MM-DD.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; no personal data.")],
    since: Annotated[
        str | None, typer.Option("--since", help="ISO day or time, UTC; inclusive [the log's beginning].")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="ISO day or time, UTC [the audit's end].")
    ] = None,
    disclose: Annotated[str, typer.Option("--disclose", help="who, whom or both.")] = "both",
) -> None:
    """Open an audit: what part of the log one auditor may be given, and until when."""
    from vault.auditing import Scope
    from vault.ledger.powers import DISCLOSURES

    parsing.one_of(disclose, DISCLOSURES, "disclose")
    parsing.day(ends, "ends")
    scope = Scope(
        ends=ends,
        since=parsing.instant(since, "since") or 0,
        until=parsing.instant(until, "until"),
        disclose=disclose,
    )
    with call.open() as vault:
        made = vault.auditing(call.tenant).open_audit(call.identity(vault), principal, scope, reason)
    if call.out.json:
        call.out.document(_item(made))
    call.out.note("audit.opened", audit=made.id, ends=made.ends)


def list_(call: Call) -> None:
    """List every audit: whose, over what, until when."""
    with call.open() as vault:
        found = vault.auditing(call.tenant).audits(call.identity(vault))
        t = vault.tenancy(call.tenant)
        today, registry = t.today().isoformat(), t.journal.recent()
        names = {a.principal: t.name_of(registry, a.principal) for a in found}
    if call.out.json:
        call.out.document({"items": [_item(audit) for audit in found]})
        return
    call.out.table(
        messages.titles("audit", "who", "disclose", "since", "range_ends", "ends", "state", "why"),
        [
            (
                a.id, names[a.principal], a.disclose, _time(a.since), _time(a.until), a.ends,
                messages.text(f"audit.state.{_state(a, today)}"), a.reason,
            )
            for a in found
        ],
    )  # fmt: skip


def close(call: Call, audit: Ident) -> None:
    """Close an audit before its end: nothing more of it is given out. What was, stays with its holder."""
    with call.open() as vault:
        closed = vault.auditing(call.tenant).close_audit(call.identity(vault), audit)
    if call.out.json:
        call.out.document(_item(closed))
    call.out.note("audit.closed", audit=closed.id)


def key(
    call: Call,
    audit: Ident,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The key file (0600).")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the key of one's own audit, which opens the bodies files sealed to it and nothing else."""
    path = call.claim(out, force=force)
    with call.open() as vault:
        made = vault.auditing(call.tenant).audit_key(call.credential(vault, "auditor", "audit"), audit)
    write_secret(path, msgspec.json.encode(made) + b"\n")
    if call.out.json:
        call.out.document({"audit": made.audit, "file": str(path), "ends": made.ends})
    call.out.note("audit.key", audit=made.audit, file=path)


def _item(audit: Audit) -> dict[str, object]:
    return {
        "audit": audit.id,
        "principal": audit.principal,
        "by": audit.by,
        "since": _time(audit.since) or None,
        "until": _time(audit.until),
        "disclose": audit.disclose,
        "ends": audit.ends,
        "reason": audit.reason,
        "opened": _time(audit.opened),
        "closed": _time(audit.closed) or None,
    }


def _time(instant: int) -> str:
    from vault.config import iso

    return iso(instant) if instant else ""


def _state(audit: Audit, today: str) -> str:
    if audit.closed:
        return "closed"
    return "ended" if today > audit.ends else "running"
