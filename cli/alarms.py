"""Commands about alarms: list them, show the rules, deliver, test, and the records nobody should open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from cli import messages, parsing
from cli.context import Call, command
from cli.output import Alarm as Loud
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.alarm_rules import Rule
    from vault.auditing import Alarm

Words = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Record ids, or KIND:EXTERNAL_ID.")]
_PARTIAL: Final = 6


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "list", chooses=True)(list_)
    command(app, "rules")(rules)
    command(app, "deliver")(deliver)
    command(app, "test", chooses=True)(test)
    command(app, "honey", chooses=True)(honey)


def list_(
    call: Call,
    since: Annotated[str | None, typer.Option("--since", help="ISO day or time, UTC; inclusive.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Alarms at most.")] = 100,
) -> None:
    """List alarms, the newest first. The question is an entry."""
    when = parsing.instant(since, "since")
    with call.open() as vault:
        credential = call.credential(vault, "auditor", "audit")
        found = vault.auditing(call.tenant).alarms(credential, since=when, limit=limit)
        t = vault.tenancy(call.tenant)
        names = {one.actor: t.name_of(t.journal.recent(), one.actor) for one in found}
    if call.out.json:
        call.out.document({"items": found})
        return
    shown = ("index", "time", "rule", "severity", "who", "role", "count", "limit", "window")
    call.out.table(messages.titles(*shown), [_row(one, names[one.actor]) for one in found])
    if not found:
        call.out.note("ask.none")


def _row(one: Alarm, name: str) -> tuple[object, ...]:
    severity = messages.text(f"severity.{one.severity}")
    loud = Loud(severity) if one.severity == "high" else severity
    return (one.index, one.time, one.rule, loud, name, one.role, one.count, one.limit, _window(one.window))


def _window(name: str) -> str:
    return messages.text(f"alarm.window.{name}") if name else ""


def rules(call: Call) -> None:
    """Show the rules by which alarms are raised, with what each rests on. No token is needed."""
    with call.open() as vault:
        found = vault.auditing(call.tenant).alarm_rules()
    if call.out.json:
        call.out.document({"hash": found.hash, "items": [item(rule) for rule in found.rules]})
        return
    zh = messages.chinese()
    shown = ("rule", "says", "limit", "window", "severity", "mark", "rests_on")
    call.out.table(
        messages.titles(*shown),
        [
            (
                rule.id, rule.zh if zh else rule.en, rule.limit,
                messages.text("off") if rule.off else _window(rule.window),
                messages.text(f"severity.{rule.severity}"), rule.mark, rule.source,
            )
            for rule in found.rules
        ],
    )  # fmt: skip
    call.out.note("alarm.marks")


def item(rule: Rule) -> dict[str, Any]:
    """A rule as JSON has it."""
    import msgspec

    said: dict[str, Any] = msgspec.to_builtins(rule)
    return said | {"mark": rule.mark}


def deliver(call: Call) -> int:
    """Send what waits to the file and the web hook that vault.toml names; 6 if one took not all."""
    with call.open() as vault:
        done = vault.auditing(call.tenant).deliver_alarms()
    if call.out.json:
        call.out.document({"delivered": done})
    else:
        for target, count in done.items():
            call.out.note("alarm.failed" if count < 0 else "alarm.delivered", target=target, count=count)
        if not done:
            call.out.note("alarm.nowhere")
    return _PARTIAL if min(done.values(), default=0) < 0 else 0


def test(call: Call) -> int:
    """Raise an alarm that means nothing, and send it: it is an entry like any other."""
    with call.open() as vault:
        room = vault.auditing(call.tenant)
        index = room.test_alarm(call.credential(vault, "auditor", "audit"))
        done = room.deliver_alarms()
    if call.out.json:
        call.out.document({"index": index, "delivered": done})
    call.out.note("alarm.tested", index=index, targets=", ".join(done) or messages.text("alarm.nobody"))
    if not done:
        call.out.note("alarm.nowhere")
    return _PARTIAL if min(done.values(), default=0) < 0 else 0


def honey(
    call: Call,
    action: Annotated[
        Literal["add", "remove", "list"], typer.Argument(metavar="add|remove|list", help="What to do.")
    ],
    ids: Words = None,
) -> None:
    """Records whose every view raises an alarm: add, remove, list. The list doesn't tell whose they are."""
    if (action == "list") == bool(ids):
        raise Invalid(
            "add and remove name records, list names none", code="invalid_usage", field="ids",
            remedy="cvault alarm honey add RECORD",
        )  # fmt: skip
    with call.open() as vault:
        room = vault.auditing(call.tenant)
        if action == "list":
            rows = room.honey(call.credential(vault, "auditor", "audit"))
            t = vault.tenancy(call.tenant)
            _list_honey(call, rows, {row.by: t.name_of(t.journal.recent(), row.by) for row in rows})
            return
        credential = call.credential(vault, "dpo", "security")
        change = room.add_honey if action == "add" else room.remove_honey
        count = change(credential, ids or [])
    if call.out.json:
        call.out.document({"changed": count})
    call.out.note(f"honey.{action}", count=count)


def _list_honey(call: Call, rows: list[Any], names: dict[str, str]) -> None:
    from vault.config import iso

    items = [{"handle": row.id, "added": iso(row.added), "by": row.by} for row in rows]
    if call.out.json:
        call.out.document({"items": items})
    else:
        table = [(item["handle"], item["added"], names[item["by"]]) for item in items]
        call.out.table(messages.titles("handle", "added", "by"), table)
