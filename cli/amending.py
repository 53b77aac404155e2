"""Commands that put records right: correct; people merged, split, refusing, found twice, noted as dead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from cli import parsing
from cli.context import Call, command
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.access.tokens import Credential
    from vault.amending import Amending
    from vault.vault import Vault

_JSON: Final = 'send {"field": "text", "other": null} on stdin'

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log, sealed.")]
Record = Annotated[str, typer.Argument(help="A record id, or KIND:EXTERNAL_ID.")]


def register(app: typer.Typer) -> None:
    """Add the command that stands alone."""
    command(app, "correct", chooses=True)(correct)


def register_subjects(app: typer.Typer) -> None:
    """Add the commands about people."""
    command(app, "merge", chooses=True)(merge)
    command(app, "split", chooses=True)(split)
    command(app, "refuse", chooses=True)(refuse)
    command(app, "deceased", chooses=True)(deceased)
    command(app, "consent", chooses=True)(consent)
    command(app, "note", chooses=True)(note)
    command(app, "duplicates", chooses=True)(duplicates)


def correct(
    call: Call,
    record: Record,
    reason: Reason,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Only if this is still the latest.")
    ] = None,
) -> None:
    """Correct a record (PIPL 46): {"field": "new text"} on stdin, null takes a value away."""
    import msgspec

    try:
        changes = msgspec.json.decode(call.stdin(), type=dict[str, str | None])
    except msgspec.MsgspecError:
        raise Invalid(
            "not a JSON object of texts", code="invalid_json", field="stdin", remedy=_JSON
        ) from None
    with call.open() as vault:
        room, credential = _room(call, vault)
        done = room.correct(credential, record, changes, reason=reason, expect=version)
    if call.out.json:
        call.out.document(done)
    else:
        call.out.table(("record", "version", "fields"), [(done.record, done.version, ", ".join(done.fields))])


def merge(call: Call, into: Record, other: Record, reason: Reason) -> None:
    """Let all records of OTHER's person be INTO's: one person was found twice. `split` undoes it."""
    with call.open() as vault:
        room, credential = _room(call, vault)
        done = room.merge(credential, into, other, reason=reason)
    _moved(call, done.subject, done.records)


def split(
    call: Call,
    records: Annotated[list[str], typer.Argument(help="Record ids, or KIND:EXTERNAL_ID.")],
    reason: Reason,
    new: Annotated[bool, typer.Option("--new", help="Make them one new person's.")] = False,
) -> None:
    """Give merged records back to whom they were of; with --new, to a person of their own."""
    with call.open() as vault:
        room, credential = _room(call, vault)
        done = room.split(credential, records, reason=reason, new=new)
    _moved(call, done.subject, done.records)


def refuse(call: Call, record: Record, reason: Reason) -> None:
    """Note that a person wants no contact: once erased, no file brings them back."""
    with call.open() as vault:
        room, credential = _room(call, vault)
        count = room.refuse(credential, record, reason=reason)
    if call.out.json:
        call.out.document({"listed": count})
    call.out.note("subject.refused", count=count)


def deceased(
    call: Call,
    record: Record,
    on: Annotated[str, typer.Option("--on", help="The day, YYYY-MM-DD.")],
    reason: Reason,
) -> None:
    """Note that a person has died; the policy's conditions look at it from the next read on (PIPL 49)."""
    _note(call, record, "deceased", on, "on", reason)


def consent(
    call: Call,
    record: Record,
    withdrawn: Annotated[str, typer.Option("--withdrawn", help="The day, YYYY-MM-DD.")],
    reason: Reason,
) -> None:
    """Note that a person has withdrawn their consent; it counts from the next read on (PIPL 15)."""
    _note(call, record, "consent_withdrawn", withdrawn, "withdrawn", reason)


def note(
    call: Call,
    record: Record,
    fact: Annotated[
        Literal["unreachable", "reached", "incapacitated", "hours_agreed"],
        typer.Option("--fact", help="What is so of the debtor; `reach` looks at it."),
    ],
    on: Annotated[str, typer.Option("--on", help="The day, YYYY-MM-DD.")],
    reason: Reason,
) -> None:
    """Note that a debtor can't be reached, was reached again, lacks capacity, or agreed to other hours."""
    _note(call, record, fact, on, "on", reason)


def _note(call: Call, record: str, fact: str, on: str, option: str, reason: str) -> None:
    from datetime import date

    day = parsing.day(on, option) or date.max
    with call.open() as vault:
        room, credential = _room(call, vault)
        count = room.note(credential, record, fact, day, reason=reason)
    if call.out.json:
        call.out.document({"records": count})
    call.out.note("subject.noted", count=count)


def duplicates(call: Call) -> None:
    """List borrowers who share an ID number: one person, stored twice."""
    with call.open() as vault:
        room, credential = _room(call, vault)
        found = room.duplicates(credential)
    if call.out.json:
        call.out.document({"items": found})
    else:
        call.out.table(("records",), [(" ".join(group),) for group in found])


def _room(call: Call, vault: Vault) -> tuple[Amending, Credential]:
    return vault.amending(call.tenant), call.credential(vault, "dpo", "subject_request")


def _moved(call: Call, subject: str, records: list[str]) -> None:
    if call.out.json:
        call.out.document({"subject": subject, "records": records})
        return
    for record in records:
        call.out.line(record)
    call.out.note("subject.moved", count=len(records))
