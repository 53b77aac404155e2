"""Commands about legal holds: add, release, list; and what was restricted, let go."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import messages, parsing
from cli.context import Call, command
from vault.errors import NotFound, Partial

PARTIAL = Partial.exit_code
Records = Annotated[list[str], typer.Argument(help="Record ids.")]
Approved = Annotated[
    str | None, typer.Option("--request", metavar="REQUEST", help="Another person's approval.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "add", chooses=True)(add)
    command(app, "release", chooses=True)(release)
    command(app, "unrestrict", chooses=True)(unrestrict)
    command(app, "list", chooses=True)(list_)


def add(
    call: Call,
    records: Records,
    number: Annotated[str, typer.Option("--number", help="The order's number.")],
    authority: Annotated[str, typer.Option("--authority", help="Who ordered it.")],
    until: Annotated[str, typer.Option("--until", help="Its last day, YYYY-MM-DD.")],
) -> int:
    """Put a legal hold on records: with number, authority and end date, or not at all."""
    from vault.model import Hold

    parsing.day(until, "until")
    hold = Hold(number=number, authority=authority, until=until)
    with call.open() as vault:
        credential = call.credential(vault, "dpo", "administration")
        count = vault.erasing(call.tenant).add_hold(credential, records, hold)
    return _held(call, "hold.added", count, len(set(records)))


def release(
    call: Call,
    records: Records,
    number: Annotated[str, typer.Option("--number", help="The order's number.")],
    request: Approved = None,
) -> int:
    """Release a hold by its number, with another person's approval."""
    named = sorted(set(records))
    with call.open() as vault:
        credential = call.credential(vault, "dpo", "administration")
        count = vault.erasing(call.tenant).release_hold(credential, named, number, request=request)
    return _held(call, "hold.released", count, len(named))


def unrestrict(
    call: Call,
    records: Records,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the log, sealed.")],
    request: Approved = None,
) -> int:
    """Let restricted records be used again, with another person's approval."""
    named = sorted(set(records))
    with call.open() as vault:
        credential = call.credential(vault, "dpo", "administration")
        room = vault.erasing(call.tenant)
        count = room.unrestrict(credential, named, reason=reason, request=request)
    return _held(call, "hold.unrestricted", count, len(named))


def _held(call: Call, key: str, count: int, asked: int) -> int:
    """Say how many records it reached: none is an error, some are a partial success."""
    if not count:
        raise NotFound
    if call.out.json:
        call.out.document({"records": count, "asked": asked})
    call.out.note(key, count=count)
    return PARTIAL if count < asked else 0


def list_(call: Call) -> None:
    """List every hold there is."""
    with call.open() as vault:
        found = vault.erasing(call.tenant).holds(call.credential(vault, "dpo", "administration"))
    if call.out.json:
        call.out.document({"items": found})
        return
    call.out.table(
        messages.titles("record", "kind", "number", "authority", "until"),
        [(h.record, h.kind, h.number, h.authority, h.until) for h in found],
    )
