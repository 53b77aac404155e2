"""Questions about the access log that one command each answers: docs/questions.md."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from cli import log_list, log_rows, messages, parsing
from cli.context import Call, command
from cli.log_rows import Bom, Csv, Jsonl, Since, Until
from cli.records import value_on_stdin

_BY: Final = ("actor", "role", "purpose")
_REFUSED_BY: Final = ("reason", "actor", "role")


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "looked-up")(looked_up)
    command(app, "refusals")(refusals)
    command(app, "top")(top)
    command(app, "off-hours")(off_hours)
    command(app, "no-case")(no_case)


def looked_up(
    call: Call,
    field: Annotated[str, typer.Option("--field", help="The field; the value comes on stdin.")],
    since: Since = None,
    until: Until = None,
    csv: Csv = None,
    bom: Bom = False,
) -> None:
    """Tell who looked a value up, on which days, how often, and whether anybody was found; an entry."""
    form = log_rows.form(call, csv=csv, bom=bom)
    value = value_on_stdin(call)
    with call.open() as vault:
        found = vault.auditing(call.tenant).looked_up(
            call.credential(vault, "auditor", "audit"), field, value, **log_rows.bounds(since, until)
        )
    names = ("name", "day", "times", "hit", "first", "last", "indices")
    log_rows.write(
        call, form, names, found,
        lambda line: (*(getattr(line, n) for n in names[:-1]), " ".join(map(str, line.entries))),
    )  # fmt: skip
    if found:
        call.out.note("ask.looked", days=len({o.day for o in found}), people=len({o.actor for o in found}))
    else:
        call.out.note("ask.not_looked")


def refusals(
    call: Call,
    by: Annotated[str, typer.Option("--by", help="reason, actor or role.")] = "reason",
    since: Since = None,
    until: Until = None,
    csv: Csv = None,
    bom: Bom = False,
) -> None:
    """Count what was refused or failed, by reason, actor or role; an entry."""
    form = log_rows.form(call, csv=csv, bom=bom)
    chosen: Any = parsing.one_of(by, _REFUSED_BY, "by")
    with call.open() as vault, call.out.progress(messages.text("ask.counting")) as bar:
        found = vault.auditing(call.tenant).refusals(
            call.credential(vault, "auditor", "audit"), by=chosen, progress=bar,
            **log_rows.bounds(since, until),
        )  # fmt: skip
    names = (by, "outcome", "count") if by != "actor" else ("actor_name", "actor", "outcome", "count")
    log_rows.write(call, form, names, found, lambda one: _counted(one, by, one.outcome, one.count))


def top(
    call: Call,
    by: Annotated[str, typer.Option("--by", help="actor, role or purpose.")] = "actor",
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Also count different people; opens every body in question.")
    ] = False,
    since: Since = None,
    until: Until = None,
    csv: Csv = None,
    bom: Bom = False,
) -> None:
    """Count reads, the most first, by actor, role or purpose; an entry."""
    form = log_rows.form(call, csv=csv, bom=bom)
    chosen: Any = parsing.one_of(by, _BY, "by")
    with call.open() as vault, call.out.progress(messages.text("ask.counting")) as bar:
        found = vault.auditing(call.tenant).top(
            call.credential(vault, "auditor", "audit"), by=chosen, distinct=distinct, progress=bar,
            **log_rows.bounds(since, until),
        )  # fmt: skip
    names = (*((by,) if by != "actor" else ("actor_name", "actor")), "reads")
    more = ("people", "unknown") if distinct else ()
    log_rows.write(
        call, form, (*names, *more), found,
        lambda one: _counted(one, by, one.count, *(getattr(one, name) for name in more)),
    )  # fmt: skip


def off_hours(
    call: Call, since: Since = None, until: Until = None, csv: Csv = None, bom: Bom = False
) -> None:
    """Count reads from 22:00 to 08:00 and on weekends (Asia/Shanghai), by actor and hour; an entry."""
    form = log_rows.form(call, csv=csv, bom=bom)
    with call.open() as vault, call.out.progress(messages.text("ask.counting")) as bar:
        found = vault.auditing(call.tenant).off_hours(
            call.credential(vault, "auditor", "audit"), progress=bar, **log_rows.bounds(since, until)
        )
    if form.shape == "json":
        call.out.document(found)
        return
    log_rows.write(
        call, form, ("actor_name", "actor", "sort", "hour", "weekend", "reads"), found.lines,
        lambda line: (
            line.name, line.actor, _sort(line.sort), f"{line.hour:02}:00",
            messages.text("yes") if line.weekend else "", line.count,
        ),
    )  # fmt: skip
    off = found.night + found.weekend
    share = f"{off / found.reads:.1%}" if found.reads else "0%"
    call.out.note(
        "ask.off", off=off, reads=found.reads, share=share, night=found.night, weekend=found.weekend
    )


def no_case(
    call: Call,
    since: Since = None,
    until: Until = None,
    csv: Csv = None,
    jsonl: Jsonl = False,
    bom: Bom = False,
) -> None:
    """List reads of people without an open case, as marked when they were written; an entry."""
    form = log_rows.form(call, csv=csv, jsonl=jsonl, bom=bom)
    with call.open() as vault:
        lines = vault.auditing(call.tenant).no_case(
            call.credential(vault, "auditor", "audit"), **log_rows.bounds(since, until)
        )
        if not log_list.show(call, form, lines):
            call.out.note("ask.unmarked")


def _counted(one: Any, by: str, *rest: object) -> tuple[object, ...]:
    """The cells of a count: a principal has a name beside its id."""
    return (one.name, one.word, *rest) if by == "actor" else (one.word, *rest)


def _sort(sort: str) -> str:
    return messages.text(f"sort.{sort}") if sort else ""
