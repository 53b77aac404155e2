"""Commands about agencies and their contracts: list, contract, end, seal, unseal, returned."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import messages, parsing
from cli.context import Call, command
from cli.output import Alarm

if TYPE_CHECKING:
    from vault.engaging import AgencyView
    from vault.ledger.registry import Engagement

Agency = Annotated[str, typer.Argument(help="The agency's principal id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; no personal data.")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "list")(list_)
    command(app, "contract")(contract)
    command(app, "end")(end)
    command(app, "seal")(seal)
    command(app, "unseal")(unseal)
    command(app, "returned")(returned)


def list_(call: Call) -> None:
    """List the agencies: state, days left, people, and what each owes; for an admin, DPO or auditor."""
    with call.open() as vault:
        found = vault.granting(call.tenant).agencies(call.identity(vault))
        day = vault.tenancy(call.tenant).today()
    if call.out.json:
        call.out.document({"items": [_item(view, day) for view in found]})
        return
    shown = ("agency", "name", "state", "contract", "days_left", "people", "purposes", "owes")
    call.out.table(
        [messages.text(f"column.{name}") for name in shown],
        [
            (view.agency, view.name, _state(view), _term(view), _left(view, day), view.people,
             ", ".join(view.purposes), _owes(view))
            for view in found
        ],
    )  # fmt: skip


def _item(view: AgencyView, day: date) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(view) | {"days_left": _left(view, day)}


def _left(view: AgencyView, day: date) -> int | None:
    """Days on which the contract still runs, today among them; None where none is running."""
    if view.state not in {"in force", "ending"}:
        return None
    return (date.fromisoformat(view.ends) - day).days + 1


def _state(view: AgencyView) -> str:
    said = messages.text(f"agency.state.{view.state.replace(' ', '_')}")
    return Alarm(said) if view.state in {"sealed", "ended"} else said


def _term(view: AgencyView) -> str:
    return f"{view.reference} {view.starts} – {view.ends}" if view.ends else ""


def _owes(view: AgencyView) -> str:
    """The attestation that everything was returned or deleted: there, due, or overdue (PIPL 21 ¶2)."""
    if view.returned:
        return messages.text("agency.returned", day=view.returned)
    if view.due:
        key = "agency.overdue" if view.overdue else "agency.due"
        return Alarm(messages.text(key, day=view.due))
    return ""


def contract(
    call: Call,
    agency: Agency,
    reference: Annotated[str, typer.Option("--reference", help="The contract's number.")],
    starts: Annotated[str, typer.Option("--starts", help="First day, YYYY-MM-DD.")],
    ends: Annotated[str, typer.Option("--ends", help="Last day, YYYY-MM-DD.")],
    purposes: Annotated[str, typer.Option("--purposes", help="What its people may act for: a,b.")],
    fields: Annotated[
        str | None, typer.Option("--fields", help="The most they see: name=masked,phone=masked.")
    ] = None,
) -> None:
    """Record the contract an agency works under, in the place of the one before (PIPL 21)."""
    parsing.day(starts, "starts")
    parsing.day(ends, "ends")
    most = parsing.views(fields, call.folder)
    with call.open() as vault:
        row = vault.granting(call.tenant).engage(
            call.identity(vault), agency, reference=reference, starts=starts, ends=ends,
            purposes=parsing.names(purposes) or (), fields=most,
        )  # fmt: skip
    _done(call, row, "agency.contracted")


def end(
    call: Call,
    agency: Agency,
    on: Annotated[str, typer.Option("--on", help="Its last day now, YYYY-MM-DD.")],
    reason: Reason,
) -> None:
    """End a contract early; its tokens die with that day."""
    parsing.day(on, "on")
    with call.open() as vault:
        row = vault.granting(call.tenant).end(call.identity(vault), agency, on=on, reason=reason)
    _done(call, row, "agency.ends")


def seal(call: Call, agency: Agency, reason: Reason) -> None:
    """Seal an agency off: from the next entry on nobody of it gets anything, on any node."""
    with call.open() as vault:
        row = vault.granting(call.tenant).seal(call.identity(vault), agency, reason)
    _done(call, row, "agency.sealed")


def unseal(
    call: Call,
    agency: Agency,
    request: Annotated[
        str | None, typer.Option("--request", metavar="REQUEST", help="Another person's approval.")
    ] = None,
) -> None:
    """Let a sealed agency go on, with another person's approval."""
    with call.open() as vault:
        row = vault.granting(call.tenant).unseal(call.identity(vault), agency, request)
    _done(call, row, "agency.unsealed")


def returned(
    call: Call,
    agency: Agency,
    on: Annotated[str, typer.Option("--on", help="The attestation's day, YYYY-MM-DD.")],
    reference: Annotated[str, typer.Option("--reference", help="Where it is filed.")],
) -> None:
    """Record an agency's attestation that it returned or deleted everything (PIPL 21)."""
    parsing.day(on, "on")
    with call.open() as vault:
        room = vault.granting(call.tenant)
        row = room.attest_return(call.identity(vault), agency, on=on, reference=reference)
    _done(call, row, "agency.attested")


def _done(call: Call, row: Engagement, key: str) -> None:
    """Say how an agency's contract stands now."""
    from vault.config import iso

    if call.out.json:
        call.out.document(
            {
                "agency": row.id,
                "reference": row.reference,
                "starts": row.starts,
                "ends": row.ends,
                "purposes": row.purposes,
                "fields": row.fields,
                "sealed": iso(row.sealed) if row.sealed else None,
                "returned": row.returned,
                "returned_reference": row.returned_ref,
            }
        )
    call.out.note(key, agency=row.id, starts=row.starts, ends=row.ends)
