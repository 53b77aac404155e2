"""Commands about reaching people: check, reserve, confirm, void."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from cli import messages, parsing
from cli.context import Call, command
from vault.errors import Invalid

Ident = Annotated[str | None, typer.Argument(metavar="ID", help="A record id.")]
Ref = Annotated[str | None, typer.Option("--ref", help="KIND:EXTERNAL_ID instead of an id.")]
Field = Annotated[str, typer.Option("--field", help="Which number: phone or phone_alt.")]
Case = Annotated[
    str | None, typer.Option("--case", help="Of a contact person: the case whose debtor can't be reached.")
]
Held = Annotated[str, typer.Argument(metavar="RESERVATION", help="What reserve printed: rv-…")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    for name, function in (("check", check), ("reserve", reserve), ("confirm", confirm), ("void", void)):
        command(app, name, chooses=True)(function)


def check(
    call: Call, ident: Ident = None, ref: Ref = None, field: Field = "phone", case: Case = None
) -> None:
    """Say what would be allowed now, over which channel, and by which rules; no number."""
    wanted = _one(ident, ref)
    with call.open() as vault:
        credential = call.credential(vault, "dialer", "phone_collection")
        found = vault.reaching(call.tenant).check(credential, wanted, field=field, case=case)
    if call.out.json:
        rules = [
            {"id": r.id, "mark": r.mark, "status": r.status, "name": r.name, "article": r.article,
             "channels": r.channels, "gloss_en": r.gloss_en, "quote_zh": r.quote_zh, "source": r.source}
            for r in found.rules
        ]  # fmt: skip
        channels = {
            a.channel: {
                "allowed": a.allowed, "reason": a.reason, "rule": a.rule, "calls_left": a.calls_left,
                "attempts_left": a.attempts_left, "until": _iso(a.until),
            }
            for a in found.answers
        }  # fmt: skip
        call.out.document(
            {"record": found.record, "kind": found.kind, "channels": channels, "rules": rules,
             "receipt": found.receipt}
        )  # fmt: skip
        return
    call.out.table(
        messages.titles("channel", "allowed", "reason", "rule", "calls_left", "attempts_left", "until"),
        [
            (a.channel, messages.text("yes" if a.allowed else "no"), a.reason, a.rule, a.calls_left,
             a.attempts_left, _iso(a.until))
            for a in found.answers
        ],
    )  # fmt: skip
    call.out.table(
        messages.titles("rule", "mark", "channels", "rests_on", "says"),
        [
            (r.id, r.mark, " ".join(r.channels), f"{r.name} {r.article}",
             r.quote_zh if messages.chinese() and r.quote_zh else r.gloss_en)
            for r in found.rules
        ],
    )  # fmt: skip
    call.out.note("reach.marks")


def reserve(
    call: Call,
    ident: Ident = None,
    ref: Ref = None,
    channel: Annotated[str, typer.Option("--channel", help="voice, sms or visit.")] = "voice",
    field: Field = "phone",
    case: Case = None,
    request: Annotated[str | None, typer.Option("--request", help="An approval, for a minor.")] = None,
) -> None:
    """Take leave to reach somebody once: the number, once that is in the log, and until when."""
    wanted = _one(ident, ref)
    with call.open() as vault:
        credential = call.credential(vault, "dialer", "phone_collection")
        found = vault.reaching(call.tenant).reserve(
            credential, wanted, channel, field=field, case=case, request=request
        )
    if call.out.json:
        call.out.document(
            {"reservation": found.id, "record": found.record, "kind": found.kind, "channel": found.channel,
             "field": found.field or None, "number": found.number or None, "until": _iso(found.until),
             "receipt": found.receipt}
        )  # fmt: skip
        return
    call.out.table(
        messages.titles("reservation", "channel", "number", "until"),
        [(found.id, found.channel, found.number, _iso(found.until))],
    )
    call.out.note("reach.reserved")


def confirm(
    call: Call,
    reservation: Held,
    effective: Annotated[bool, typer.Option("--effective", help="The person was spoken to.")] = False,
    not_effective: Annotated[bool, typer.Option("--not-effective", help="They were not.")] = False,
) -> None:
    """Say that a reservation was used; a call that was effective counts against the day's."""
    if effective == not_effective:
        raise Invalid(
            "whether the call was effective is to be said",
            code="invalid_usage",
            field="effective",
            remedy="give --effective or --not-effective",
        )
    with call.open() as vault:
        credential = call.credential(vault, "dialer", "phone_collection")
        found = vault.reaching(call.tenant).confirm(credential, reservation, effective=effective)
    _settled(call, found)


def void(call: Call, reservation: Held) -> None:
    """Say that a reservation was not used: no call, though an attempt all the same."""
    with call.open() as vault:
        credential = call.credential(vault, "dialer", "phone_collection")
        found = vault.reaching(call.tenant).void(credential, reservation)
    _settled(call, found)


def _settled(call: Call, found: Any) -> None:
    if call.out.json:
        call.out.document(
            {"reservation": found.id, "state": found.state, "effective": found.effective, "late": found.late,
             "receipt": found.receipt}
        )  # fmt: skip
        return
    call.out.note("reach.late" if found.late else f"reach.{found.state}")


def _one(ident: str | None, ref: str | None) -> str:
    """The one record that is named.

    Raises:
        Invalid: None, or two.
    """
    named = [*([ident] if ident else []), *parsing.refs([ref] if ref else [])]
    if len(named) != 1:
        raise Invalid(
            "one record is to be named", code="invalid_usage", field="id", remedy="give an id or --ref"
        )
    return named[0]


def _iso(at: int | None) -> str | None:
    """An instant (µs UTC) in Asia/Shanghai, to the second: hours are counted there."""
    from vault.config import SHANGHAI

    return None if at is None else datetime.fromtimestamp(at // 1_000_000, SHANGHAI).isoformat()
