"""Commands about cases: open, assign, recall, close, list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import exporting, messages, parsing
from cli.context import Call, command, write_secret
from cli.options import LARGEST
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.access.tokens import Credential
    from vault.casework import CaseView, Casework

MANY: Final = 1000
"""Cases beyond which a progress bar is shown."""
STATES: Final = ("open", "closed")
NOBODY: Final = "-"

Numbers = Annotated[list[str] | None, typer.Argument(metavar="NUMBER...", help="Case numbers.")]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="One case number a line; - is stdin.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the log; no personal data.")]
Priority = Annotated[
    int | None, typer.Option("--priority", min=0, max=LARGEST, help="Higher goes first [0].")
]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "open", chooses=True)(open_)
    command(app, "assign", chooses=True)(assign)
    command(app, "recall", chooses=True)(recall)
    command(app, "close", chooses=True)(close)
    command(app, "list", chooses=True)(list_)


def open_(
    call: Call,
    numbers: Numbers = None,
    file: File = None,
    *,
    imported: Annotated[
        bool, typer.Option("--imported", help="The cases of all loans here that have not been opened yet.")
    ] = False,
    where: Annotated[str, typer.Option("--where", help="With --imported: of these loans: 'stage>=M1'.")] = "",
    priority: Priority = None,
    reason: Reason = "opened",
) -> None:
    """Open cases, or open closed ones again; whoever works them is assigned next."""
    if not imported:
        if where:
            raise _usage("--where chooses among imported loans", "where", "add --imported")
        with _numbers(call, numbers, file) as (room, credential, wanted, bar):
            changed = room.open_cases(credential, wanted, reason=reason, priority=priority or 0, progress=bar)
        _changed(call, "case.opened", len(set(wanted)), changed)
        return
    if numbers or file is not None:
        raise _usage("--imported finds the numbers itself", "imported", "leave the numbers and --file out")
    with _desk(call) as (room, credential), call.out.progress("cases") as bar:
        changed = room.open_imported(
            credential, where=where, reason=reason, priority=priority or 0, progress=bar
        )
    _changed(call, "case.opened", changed, changed)


def assign(
    call: Call,
    numbers: Numbers = None,
    file: File = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PRINCIPAL", help="Whose they are from now on: an id or name."),
    ] = None,
    priority: Priority = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="Share out what is nobody's by these rules."),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --rules: say what it would do.")] = False,
    reason: Reason = "assigned",
) -> None:
    """Assign open cases, by hand or by rule; from the next read on they are that principal's alone."""
    if rules is not None:
        if numbers or file is not None or to is not None or priority is not None:
            raise _usage("--rules says which cases, whose and how urgent", "rules", "leave the others out")
        _share(call, rules, reason, dry_run=dry_run)
        return
    if to is None:
        raise _usage("nobody is named to assign to", "to", "give --to PRINCIPAL, or --rules FILE")
    if dry_run:
        raise _usage("--dry-run tries rules", "dry-run", "give --rules FILE")
    with _numbers(call, numbers, file) as (room, credential, wanted, bar):
        changed = room.assign(credential, wanted, to, reason=reason, priority=priority, progress=bar)
    _changed(call, "case.assigned", len(set(wanted)), changed)


def recall(
    call: Call,
    numbers: Numbers = None,
    file: File = None,
    *,
    holder: Annotated[
        str | None,
        typer.Option("--holder", metavar="PRINCIPAL", help="All open cases of this id or name, instead."),
    ] = None,
    reason: Reason = "recalled",
) -> None:
    """Take cases back: they stay open and are nobody's."""
    if holder is not None:
        if numbers or file is not None or holder in {"", NOBODY}:
            raise _usage("--holder names whose cases are taken back", "holder", "leave the numbers out")
        with _desk(call) as (room, credential), call.out.progress("cases") as bar:
            held = list(_held(room, credential, holder))
            changed = room.recall(credential, held, reason=reason, progress=bar) if held else 0
        _changed(call, "case.recalled", len(held), changed)
        return
    with _numbers(call, numbers, file) as (room, credential, wanted, bar):
        changed = room.recall(credential, wanted, reason=reason, progress=bar)
    _changed(call, "case.recalled", len(set(wanted)), changed)


def close(call: Call, numbers: Numbers = None, file: File = None, *, reason: Reason = "closed") -> None:
    """Close cases: whoever they were assigned to reads them no more."""
    with _numbers(call, numbers, file) as (room, credential, wanted, bar):
        changed = room.close_cases(credential, wanted, reason=reason, progress=bar)
    _changed(call, "case.closed", len(set(wanted)), changed)


def list_(
    call: Call,
    holder: Annotated[
        str | None, typer.Option("--holder", metavar="PRINCIPAL", help="An id or name; - for nobody's.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", help="open or closed.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Cases a page.")] = 100,
    after: Annotated[
        str, typer.Option("--after", metavar="HANDLE", help="Where the page before ended.")
    ] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the page as CSV; - is stdout.")
    ] = None,
) -> None:
    """List cases: whose they are, since when and why."""
    exporting.demand_place(call, csv)
    parsing.one_of(state, STATES, "state")
    whose = "" if holder == NOBODY else holder
    with _desk(call) as (room, credential):
        found = room.cases(credential, holder=whose, state=state, after=after, limit=limit)
    following = found[-1].handle if len(found) == limit else None
    if csv is not None:
        _export(call, csv, found, following)
    elif call.out.json:
        call.out.document({"items": [_said(case) for case in found], "after": following})
    else:
        call.out.table(
            messages.titles("number", "state", "holder", "priority", "opened", "changed", "reason"),
            [
                (
                    c.number,
                    messages.text(f"state.case.{c.state}"),
                    _who(c),
                    c.priority,
                    said["opened"],
                    said["changed"],
                    c.reason,
                )
                for c, said in ((case, _said(case)) for case in found)
            ],
        )
    if following is not None:
        call.out.note("case.more", after=following)


def _export(call: Call, path: Path, found: Sequence[CaseView], following: str | None) -> None:
    """Write a page of cases as CSV: every cell as text, and nothing that a spreadsheet would compute."""
    from vault.casework import CaseView

    titles = list(CaseView.__struct_fields__)
    rows = [[exporting.cell(str(said[name])) for name in titles] for said in map(_said, found)]
    data = exporting.encoded([titles, *rows])
    if path == exporting.STDOUT:
        typer.echo(data, nl=False)
        return
    write_secret(path.absolute(), data)
    if call.out.json:
        call.out.document({"file": str(path.absolute()), "cases": len(found), "after": following})
    call.out.note("case.exported", count=len(found), file=path)


def _share(call: Call, path: Path, reason: str, *, dry_run: bool) -> None:
    from vault.sharing_out import read_rules

    try:
        text = call.read(path, "rules").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(
            f"{path}: not UTF-8", code="invalid_file", field="rules", remedy="save it as UTF-8"
        ) from None
    rules = read_rules(text)
    with _desk(call) as (room, credential):
        done = room.share_out(credential, rules, reason=reason, dry_run=dry_run)
    if call.out.json:
        call.out.document(
            {"dry_run": dry_run, **{name: getattr(done, name) for name in done.__struct_fields__}}
        )
    else:
        call.out.table(messages.titles("rule", "cases"), list(done.rules.items()))
        loads = sorted(done.holders.items(), key=lambda load: (-load[1], load[0]))
        call.out.table(
            messages.titles("holder", "name", "open_cases"), [(h, done.names[h], n) for h, n in loads]
        )
    if dry_run:
        call.out.note("case.dry")
    call.out.note("case.shared", placed=sum(done.rules.values()), unplaced=done.unplaced)


@contextmanager
def _desk(call: Call) -> Iterator[tuple[Casework, Credential]]:
    """The case desk's room and the token to act in it with."""
    with call.open() as vault:
        credential = call.credential(vault, "case_desk", "administration")
        yield vault.casework(call.tenant), credential


@contextmanager
def _numbers(
    call: Call, numbers: list[str] | None, file: Path | None
) -> Iterator[tuple[Casework, Credential, list[str], Callable[[int, int], object] | None]]:
    """The room, its token, the numbers named, and a progress bar where they are many.

    Raises:
        Invalid: No number is named, or the file can't be read.
    """
    wanted = list(numbers or [])
    if file is not None:
        data = call.stdin() if file == exporting.STDOUT else call.read(file, "file")
        wanted += parsing.lines(file, data)
    if not wanted:
        raise _usage("no case is named", "cases", "give case numbers, or --file FILE")
    with _desk(call) as (room, credential):
        if len(wanted) <= MANY:
            yield room, credential, wanted, None
        else:
            with call.out.progress("cases") as bar:
                yield room, credential, wanted, bar


def _held(room: Casework, credential: Credential, holder: str) -> Iterator[str]:
    """The numbers of the open cases that somebody holds, asked for page by page."""
    after = ""
    while found := room.cases(credential, holder=holder, state="open", after=after, limit=MANY):
        yield from (case.number for case in found)
        if len(found) < MANY:
            return
        after = found[-1].handle


def _changed(call: Call, key: str, asked: int, changed: int) -> None:
    if call.out.json:
        call.out.document({"cases": asked, "changed": changed})
    call.out.note(key, changed=changed, unchanged=asked - changed)


def _said(case: CaseView) -> dict[str, object]:
    """A case as JSON has it: instants in ISO 8601, UTC."""
    from vault.config import iso

    said = {name: getattr(case, name) for name in case.__struct_fields__}
    return said | {"opened": iso(case.opened), "changed": iso(case.changed)}


def _who(case: CaseView) -> str:
    return case.holder_name or case.holder


def _usage(message: str, field: str, remedy: str) -> Invalid:
    return Invalid(message, code="invalid_usage", field=field, remedy=remedy)
