"""The command by which people ask who they are here: roles, attestations, what is open, what waits."""

from __future__ import annotations

from typing import Any

import typer

from cli import messages
from cli.context import Call, command
from cli.glass import SHORT
from cli.output import Alarm
from cli.principals import last_days


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "login")(login)


def login(call: Call) -> None:
    """Prove who you are and see what you may act as, what runs out, and what waits for your yes."""
    from cli import owed

    with call.open() as vault:
        known = vault.granting(call.tenant).login(call.identity(vault))
        t = vault.tenancy(call.tenant)
        registry, day = t.journal.recent(), t.today().isoformat()
        asked = owed.for_me(registry, known.principal, t.clock(), sandbox=t.policy.sandbox)
        agency = t.name_of(registry, known.agency) if known.agency else ""
    ends = last_days({role: end for role, end in known.roles.items() if end is not None})
    said: dict[str, Any] = {
        "principal": known.principal,
        "name": known.name,
        "sort": known.sort,
        "agency": known.agency,
        "roles": {role: ends.get(role) for role in known.roles},
        "attested": known.attested,
        "reviews": [glass[:SHORT] for glass in known.open_reviews],
        "waiting": [request.id for request in asked],
    }
    if call.out.json:
        call.out.document(said)
        return
    none = messages.text("none")
    rows: list[tuple[str, object]] = [
        ("principal", f"{known.name} {known.principal}"),
        ("sort", messages.text(f"sort.{known.sort}")),
        ("agency", agency or none),
    ]
    rows += [("role", f"{role} ≤ {ends[role]}" if role in ends else role) for role in known.roles]
    rows += [("attested", _attested(kind, last, day)) for kind, last in sorted(known.attested.items())]
    rows += [("review", Alarm(glass)) for glass in said["reviews"]]
    rows += [("waiting", f"{request.id} {request.what}: {request.reason}") for request in asked]
    call.out.table(("", ""), [(messages.text(f"column.{name}"), value) for name, value in rows])


def _attested(kind: str, last: str, day: str) -> str:
    said = f"{messages.text(f'attestation.{kind}')} ≤ {last}"
    return Alarm(f"{said} ({messages.text('attested.over')})") if last < day else said
