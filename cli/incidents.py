"""Commands about incidents: open, report, close, list, and whom one touched (PIPL 57)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import exporting, messages, parsing
from cli.context import Call, command, write_secret
from cli.output import Alarm
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.auditing import Affected, Person
    from vault.incidents import Running
    from vault.ledger.registry import Incident, Registry

Text = str | None
Reason = Annotated[str, typer.Option("--reason", help="In a few words; no personal data.")]
Ident = Annotated[str, typer.Argument(help="Its id, as `incident list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "open", chooses=True)(open_)
    command(app, "list", chooses=True)(list_)
    command(app, "report", chooses=True)(report)
    command(app, "close", chooses=True)(close)
    command(app, "affected", chooses=True)(affected)


def _demand(text: Text, field: str) -> int:
    found = parsing.instant(text, field)
    if found is None:
        raise Invalid("a time is needed", code="invalid_usage", field=field, remedy=f"give --{field} TIME")
    return found


def open_(
    call: Call,
    *,
    noticed: Annotated[str, typer.Option("--noticed", help="When: ISO time, UTC unless it has an offset.")],
    reason: Reason,
) -> None:
    """Enter a leak, change or loss of personal data: the clocks run from when it was noticed."""
    when = _demand(noticed, "noticed")
    with call.open() as vault:
        credential = call.credential(vault, "dpo", "security")
        row = vault.auditing(call.tenant).open_incident(credential, noticed=when, reason=reason)
        said = item(row, vault.clock())
    _show(call, said)
    call.out.note("incident.opened", incident=row.id)


def list_(call: Call) -> None:
    """List incidents with their clocks. The question is an entry."""
    with call.open() as vault:
        credential = call.credential(vault, "auditor", "audit")
        found = vault.auditing(call.tenant).incidents(credential)
        said = [item(row, vault.clock()) for row in found]
    if call.out.json:
        call.out.document({"items": said})
        return
    for one in said:
        _show(call, one)
    if not said:
        call.out.note("incident.none")


def report(
    call: Call,
    incident: Ident,
    *,
    clock: Annotated[str, typer.Option("--clock", help="Its id, as `incident list` shows it.")],
    reference: Annotated[str, typer.Option("--reference", help="Where the report is filed.")],
    at: Annotated[Text, typer.Option("--at", help="When, if not now: ISO time, UTC.")] = None,
) -> None:
    """Note that whom a clock runs for was told."""
    when = parsing.instant(at, "at")
    with call.open() as vault:
        credential = call.credential(vault, "dpo", "security")
        room = vault.auditing(call.tenant)
        row = room.report_incident(credential, incident, clock, reference=reference, at=when)
        said = item(row, vault.clock())
    _show(call, said)
    call.out.note("incident.reported", incident=row.id, clock=clock)


def close(call: Call, incident: Ident, *, reason: Reason) -> None:
    """Close an incident, with what was found; some clocks run from then."""
    with call.open() as vault:
        credential = call.credential(vault, "dpo", "security")
        row = vault.auditing(call.tenant).close_incident(credential, incident, reason=reason)
        said = item(row, vault.clock())
    _show(call, said)
    call.out.note("incident.closed", incident=row.id)


def item(row: Incident, now: int) -> dict[str, Any]:
    """An incident with its clocks as JSON has it; `now` is µs UTC."""
    from vault.config import iso
    from vault.incidents import running

    return {
        "incident": row.id,
        "noticed": iso(row.noticed),
        "opened": iso(row.opened),
        "by": row.by,
        "reason": row.reason,
        "closed": iso(row.closed) if row.closed else None,
        "finding": row.finding,
        "clocks": [_clock(one) for one in running(row, now)],
    }


def _clock(one: Running) -> dict[str, Any]:
    from vault.config import iso

    c = one.clock
    return {
        "clock": c.id, "due": None if one.due is None else iso(one.due),
        "reported": None if one.reported is None else iso(one.reported), "reference": one.reference,
        "overdue": one.overdue, "at_once": c.at_once, "to_zh": c.to_zh, "to_en": c.to_en,
        "when": c.when, "when_zh": c.when_zh, "mark": c.mark, "name": c.name, "article": c.article,
        "source": c.source,
    }  # fmt: skip


def _show(call: Call, said: dict[str, Any]) -> None:
    if call.out.json:
        call.out.document(said)
        return
    zh = messages.chinese()
    state = messages.text("incident.state.closed" if said["closed"] else "incident.state.open")
    title = f"{said['incident']} {said['noticed']} {state}: {said['reason']}"
    rows = [
        (one["clock"], _state(one), one["to_zh"] if zh else one["to_en"], one["mark"],
         _basis(one), one["when_zh"] if zh else one["when"])
        for one in said["clocks"]
    ]  # fmt: skip
    call.out.table(messages.titles("clock", "due", "to", "mark", "rests_on", "binds"), rows, title=title)


def _basis(one: dict[str, Any]) -> str:
    """What a clock rests on; that its article isn't known is said in the reader's language."""
    article = one["article"] if one["article"][:1].isdigit() else messages.text("clock.article")
    return f"{one['name']} {article}"


def _state(one: dict[str, Any]) -> str:
    if one["reported"] is not None:
        done = messages.text("clock.done", at=one["reported"])
        return Alarm(f"{done} {messages.text('overdue')}") if one["overdue"] else done
    if one["due"] is None:
        return messages.text("clock.waits")
    due = messages.text("clock.at_once") if one["at_once"] else one["due"]
    return Alarm(f"{due} {messages.text('overdue')}") if one["overdue"] else due


def clocks(registry: Registry, now: int) -> list[dict[str, Any]]:
    """Every clock that runs, the one due first, as `status` has it."""
    from vault.config import iso
    from vault.incidents import running
    from vault.ledger.registry import Incident

    found = [one for row in registry.all(Incident) for one in running(row, now)]
    due = [(one.due, one) for one in found if one.due is not None and one.reported is None]
    return [
        {"incident": one.incident, "clock": one.clock.id, "mark": one.clock.mark, "due": iso(when),
         "overdue": one.overdue}
        for when, one in sorted(due, key=lambda pair: pair[0])
    ]  # fmt: skip


def affected(
    call: Call,
    *,
    prefix: Annotated[str, typer.Option("--token-prefix", help="By a token: 8 to 16 hex digits of it.")] = "",
    actor: Annotated[str, typer.Option("--actor", help="By a principal, by id or name.")] = "",
    node: Annotated[str, typer.Option("--node", help="By a node, by its name.")] = "",
    incident: Annotated[str, typer.Option("--incident", help="For which incident.")] = "",
    since: Annotated[Text, typer.Option("--since", help="ISO day or time, UTC; inclusive.")] = None,
    until: Annotated[Text, typer.Option("--until", help="ISO day or time, UTC.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the persons as CSV; - is stdout.")
    ] = None,
) -> None:
    """Name the persons and fields that a token, principal or node touched in a time. It is an entry."""
    from vault.auditing import Breach

    exporting.demand_place(call, csv)
    breach = Breach(
        since=_demand(since, "since"), until=_demand(until, "until"), token=prefix, actor=actor, node=node,
        incident=incident,
    )  # fmt: skip
    with call.open() as vault:
        credential = call.credential(vault, "auditor", "audit")
        summary, people = vault.auditing(call.tenant).affected(credential, breach)
        if csv is not None:
            _csv(call, csv, summary, people)
        elif call.out.json:
            _json(summary, people)
        else:
            _table(call, summary, people)


def _json(summary: Affected, people: Iterable[Person]) -> None:
    """One document, written as it comes: there may be a hundred thousand persons."""
    import msgspec

    out = sys.stdout
    out.write(f'{{"summary":{msgspec.json.encode(summary).decode()},"items":[')
    for place, one in enumerate(people):
        out.write(("," if place else "") + msgspec.json.encode(one).decode())
    out.write("]}\n")


def _table(call: Call, summary: Affected, people: Iterable[Person]) -> None:
    rows = [(p.subject, " ".join(p.records), _said(p.fields), p.first, p.last) for p in people]
    call.out.table(messages.titles("subject", "records", "fields", "first", "last"), rows)
    _summarise(call, summary)


def _summarise(call: Call, summary: Affected) -> None:
    """What PIPL 57's notice asks for: kinds, how many, since when."""
    call.out.note(
        "incident.affected", persons=summary.persons, first=summary.first or "–", last=summary.last or "–"
    )
    for name, count in summary.compartments.items():
        call.out.note("incident.kind", name=name, count=count)
    if summary.unidentifiable:
        call.out.note("incident.gone", count=summary.unidentifiable)


def _said(fields: dict[str, str]) -> str:
    return " ".join(f"{name}={view.lower()}" for name, view in fields.items())


def _csv(call: Call, path: Path, summary: Affected, people: Iterable[Person]) -> None:
    data = exporting.encoded(list(_lines(people)))
    if path == exporting.STDOUT:
        typer.echo(data, nl=False)
    else:
        write_secret(path.absolute(), data)
    if call.out.json:
        call.out.document({"file": str(path.absolute()), "summary": summary})
    else:
        _summarise(call, summary)


def _lines(people: Iterable[Person]) -> Iterator[Sequence[str]]:
    yield ("subject", "records", "fields", "entries", "first", "last")
    for p in people:
        entries = " ".join(f"{kind}={count}" for kind, count in p.entries.items())
        told = (p.subject, " ".join(p.records), _said(p.fields), entries, p.first, p.last)
        yield [exporting.cell(text) for text in told]
