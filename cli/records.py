"""Commands about records: write, list, read, find."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import exporting, parsing, receipts, showing
from cli.context import Call, command
from vault.errors import Invalid, Partial
from vault.model import Disclosure, ItemError, Shown

if TYPE_CHECKING:
    from vault.access.tokens import Credential
    from vault.reading import Reading

Fields = Annotated[str | None, typer.Option("--fields", help="Only these: a,b.")]
Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write what is released as CSV; - is stdout.")
]
Kind = Annotated[str, typer.Option("--kind", help="The kind of record.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    command(app, "write")(write)
    command(app, "list", chooses=True)(list_)
    command(app, "read", chooses=True)(read)
    command(app, "find", chooses=True)(find)


def write(
    call: Call,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take what can be taken; the rest is named.")
    ] = False,
) -> int:
    """Write records given as JSON on stdin: {"kind","ref","values":{…},"cases":[…]}, or a list of such."""
    from vault.intake.records import drafts_of, drafts_or_faults

    data = call.stdin()
    with call.open() as vault:
        tenancy = vault.tenancy(call.tenant)
        read = drafts_or_faults if partial else drafts_of
        drafts = read(data, tenancy.schema, tenancy.today())
        credential = call.credential(vault, "importer", "import")
        done = vault.writing(call.tenant).write(credential, drafts, partial=partial)
    if call.out.json:
        call.out.document(done)
    else:
        for record in done.records:
            call.out.line(record)
    call.out.note("write.done", stored=sum(done.stored.values()), unchanged=done.unchanged)
    if done.errors:
        if not call.out.json:
            rows = [(e.row, e.field, e.code, e.message, e.remedy) for e in done.errors]
            call.out.table(("row", "field", "code", "message", "remedy"), rows)
        call.out.note("write.refused", count=len(done.errors))
    return Partial.exit_code if done.errors else 0


def list_(
    call: Call,
    kind: Kind = "loan",
    where: Annotated[str, typer.Option("--where", help="Over open attributes: 'stage=M3,product=…'.")] = "",
    sort: Annotated[str | None, typer.Option("--sort", help="An open attribute; -F for descending.")] = None,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the page before ended.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Records a page.")] = 50,
    fields: Fields = None,
    *,
    csv: Csv = None,
) -> int:
    """List records by their open attributes; every record shown has its entry in the log."""
    exporting.demand_place(call, csv)
    with call.open() as vault:
        credential = call.credential(vault, "collector", "repayment_reminder")
        page = vault.reading(call.tenant).list_records(
            credential, kind=kind, where=where, sort=sort, cursor=cursor, limit=limit,
            fields=parsing.names(fields),
        )  # fmt: skip
        if csv is not None:
            exporting.export(call, vault, csv, page.items, page.errors, cursor=page.cursor)
        elif call.out.json:
            call.out.document(page)
        else:
            showing.show(call, vault, page.items, page.errors)
    if page.cursor:
        call.out.note("list.more", cursor=page.cursor)
    return showing.outcome(page.items, page.errors)


def read(
    call: Call,
    ids: Annotated[list[str] | None, typer.Argument(help="Record ids.")] = None,
    ref: Annotated[list[str] | None, typer.Option("--ref", help="KIND:EXTERNAL_ID; repeatable.")] = None,
    ids_file: Annotated[Path | None, typer.Option("--ids", help="A file of one record id a line.")] = None,
    fields: Fields = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="As it stood then: a day, or an instant with offset.")
    ] = None,
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="REQUEST", help="An approval: for many records, or minors'."),
    ] = None,
    *,
    csv: Csv = None,
    receipts_dir: receipts.Receipts = None,
) -> int:
    """Read records, each field as role and purpose allow; every read is in the log before it is shown."""
    exporting.demand_place(call, csv)
    receipts.demand_place(call, receipts_dir)
    wanted = list(ids or [])
    if ids_file is not None:
        wanted += parsing.lines(ids_file, call.read(ids_file, "ids"))
    wanted += parsing.refs(ref or [])
    if not wanted:
        raise Invalid(
            "no record is named", code="invalid_usage", field="id", remedy="give ids, --ref or --ids"
        )
    at = parsing.moment(as_of, "as-of")
    with call.open() as vault:
        credential = call.credential(vault, "collector", "repayment_reminder")
        room = vault.reading(call.tenant)
        found = _in_batches(room, credential, wanted, parsing.names(fields), at, request)
        receipts.keep(call, vault, found.items, receipts_dir)
        showing.release(call, vault, found, csv)
    return showing.outcome(found.items, found.errors)


def _in_batches(
    room: Reading,
    credential: Credential,
    ids: Sequence[str],
    fields: tuple[str, ...] | None,
    as_of: int | None,
    request: str | None,
) -> Disclosure:
    """As many requests as the library's limit asks for; each is one use of the token."""
    from vault.reading import MAX_BATCH

    items: list[Shown] = []
    errors: list[ItemError] = []
    for start in range(0, len(ids), MAX_BATCH):
        found = room.read(
            credential, ids[start : start + MAX_BATCH], fields=fields, as_of=as_of, request=request
        )
        items, errors = items + found.items, errors + found.errors
    return Disclosure(items=items, errors=errors)


def find(
    call: Call,
    field: Annotated[str, typer.Option("--field", help="The field to look in; the value comes on stdin.")],
    kind: Kind = "borrower",
    fields: Fields = None,
    *,
    csv: Csv = None,
    receipts_dir: receipts.Receipts = None,
) -> int:
    """Find records by a field's exact value, which is read from stdin and never from the command line."""
    exporting.demand_place(call, csv)
    receipts.demand_place(call, receipts_dir)
    value = value_on_stdin(call)
    with call.open() as vault:
        credential = call.credential(vault, "collector", "repayment_reminder")
        found = vault.reading(call.tenant).find(
            credential, field=field, value=value, kind=kind, fields=parsing.names(fields)
        )
        receipts.keep(call, vault, found.items, receipts_dir)
        showing.release(call, vault, found, csv)
    return showing.outcome(found.items, found.errors)


def value_on_stdin(call: Call) -> str:
    """The value on stdin's first line; at a terminal it is asked for without echo."""
    if sys.stdin and sys.stdin.isatty():
        from cli import messages

        text: str = typer.prompt(messages.text("value.prompt"), hide_input=True, err=True)
    else:
        try:
            text = call.stdin().decode("utf-8-sig")  # whatever the locale says
        except UnicodeDecodeError:
            raise Invalid("stdin is not UTF-8", field="value", remedy="send the value as UTF-8") from None
    text = text.rstrip("\r\n")
    if not text.strip():
        raise Invalid("no value on stdin", code="invalid_value", field="value", remedy="send it on stdin")
    return text
