"""Commands about break-glass: take a role in need, list what was taken, review it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli import messages
from cli.context import Call, command, write_secret
from cli.output import Alarm
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.ledger.registry import Glass
    from vault.tenancy import Tenancy

SHORT: Final = 16
"""Hex digits by which entries name a token, and these commands a glass."""


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "break")(break_)
    command(app, "list")(list_)
    command(app, "review")(review)


def break_(
    call: Call,
    *,
    role: Annotated[str, typer.Option("--role", help="The role needed, which you don't hold.")],
    purpose: Annotated[str, typer.Option("--purpose", help="One of its purposes.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it can't wait; no personal data.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the token file goes (0600).")],
    minutes: Annotated[
        int | None, typer.Option("--minutes", min=1, help="How long [what the policy allows].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Take a role you don't hold, now and shortly; an alarm is in the log, and a review is owed."""
    from vault.config import iso

    path = call.claim(out, force=force)
    with call.open() as vault:
        credential, glass = vault.granting(call.tenant).break_glass(
            call.identity(vault), role=role, purpose=purpose, reason=reason, minutes=minutes
        )
    write_secret(path, credential.to_json())
    if call.out.json:
        call.out.document(
            {
                "file": str(path),
                "glass": glass.id[:SHORT],
                "role": glass.role,
                "purpose": glass.purpose,
                "expires": iso(glass.until),
                "review_due": iso(glass.due),
            }
        )
    call.out.banner("glass.broken", role=role, purpose=purpose, until=iso(glass.until))
    call.out.banner("glass.alarm", due=iso(glass.due))
    call.out.note("glass.token", file=path, glass=glass.id[:SHORT])


def list_(call: Call) -> None:
    """List broken glasses: one's own; all of them for a DPO, auditor or admin."""
    with call.open() as vault:
        found = vault.granting(call.tenant).glasses(call.identity(vault))
        t = vault.tenancy(call.tenant)
        items = [_item(t, glass) for glass in sorted(found, key=lambda g: g.since)]
    if call.out.json:
        call.out.document({"items": items})
        return
    shown = ("glass", "who", "role", "purpose", "why", "since", "due", "state", "reviewer", "finding")
    call.out.table(
        [messages.text(f"column.{name}") for name in shown],
        [
            (i["glass"], i["by_name"], i["role"], i["purpose"], i["reason"], i["since"], i["due"],
             _state(i["state"]), i["reviewer_name"], i["finding"])
            for i in items
        ],
    )  # fmt: skip


def _item(t: Tenancy, glass: Glass) -> dict[str, Any]:
    from vault.config import iso

    registry, by = t.journal.recent(), glass.reviewed.principal if glass.reviewed else None
    return {
        "glass": glass.id[:SHORT],
        "by": glass.principal,
        "by_name": t.name_of(registry, glass.principal),
        "role": glass.role,
        "purpose": glass.purpose,
        "reason": glass.reason,
        "since": iso(glass.since),
        "until": iso(glass.until),
        "due": iso(glass.due),
        "state": state(glass, t.clock()),
        "reviewer": by,
        "reviewer_name": None if by is None else t.name_of(registry, by),
        "finding": glass.finding,
    }


def state(glass: Glass, now: int) -> str:
    """Where a review stands at an instant (µs UTC): `open`, `overdue`, `justified` or `unjustified`."""
    if glass.reviewed is not None:
        return "justified" if glass.justified else "unjustified"
    return "overdue" if now > glass.due else "open"


def _state(word: str) -> str:
    said = messages.text(f"glass.state.{word}")
    return Alarm(said) if word in {"overdue", "unjustified"} else said


def review(
    call: Call,
    glass: Annotated[str, typer.Argument(help="Its id, as `glass list` shows it.")],
    finding: Annotated[str, typer.Option("--finding", help="What the review found; no personal data.")],
    justified: Annotated[bool, typer.Option("--justified", help="It was.")] = False,
    unjustified: Annotated[bool, typer.Option("--unjustified", help="It wasn't.")] = False,
) -> None:
    """Close the review of a broken glass, never of one's own."""
    if justified == unjustified:
        raise Invalid(
            "a review finds one of two", code="invalid_usage", field="justified",
            remedy="give --justified or --unjustified",
        )  # fmt: skip
    with call.open() as vault:
        done = vault.granting(call.tenant).review_glass(
            call.identity(vault), glass, justified=justified, finding=finding
        )
        said = _item(vault.tenancy(call.tenant), done)
    if call.out.json:
        call.out.document(said)
    call.out.note("glass.reviewed", glass=said["glass"], state=messages.text(f"glass.state.{said['state']}"))
