"""Commands about the access log: list, verify, checkpoint, vkey, export; others have their own files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import log_prune, log_report, parsing, receipts, sample, witnesses
from cli.context import Call, command
from cli.options import LARGEST
from cli.output import Output
from vault.errors import Invalid
from vault.model import ENTRY_KINDS, PURPOSES, REASONS

if TYPE_CHECKING:  # the rooms are imported by the commands that need them, so that --help stays fast
    from vault.auditing import Line

Text = str | None
OUTCOMES: Final = ("ok", "denied", "not_found", "failed")


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "list")(list_)
    command(app, "verify", chooses=True)(verify)
    command(app, "checkpoint")(checkpoint)
    command(app, "vkey")(vkey)
    command(app, "export", chooses=True)(export)
    command(app, "receipt")(receipts.receipt)
    command(app, "sample", chooses=True)(sample.sample)
    log_prune.register(app)
    witnesses.register(app)
    log_report.register(app)


def list_(
    call: Call,
    *,
    subject: Annotated[
        Text, typer.Option("--subject", help="A subject's id, or one of their records'.")
    ] = None,
    ref: Annotated[Text, typer.Option("--ref", help="The subject by KIND:EXTERNAL_ID of a record.")] = None,
    actor: Annotated[Text, typer.Option("--actor", help="A principal, by id or name.")] = None,
    purpose: Annotated[Text, typer.Option("--purpose", help="Entries for this purpose.")] = None,
    kind: Annotated[Text, typer.Option("--kind", help="Entries of this kind: read, search, deny, …")] = None,
    field: Annotated[
        Text, typer.Option("--field", help="Entries that showed it: borrower.id_number.")
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="With --field: only those that showed it CLEAR.")
    ] = False,
    outcome: Annotated[Text, typer.Option("--outcome", help="ok, denied, not_found, failed.")] = None,
    reason: Annotated[Text, typer.Option("--reason", help="Why it was refused: role_denied, …")] = None,
    since: Annotated[Text, typer.Option("--since", help="ISO day or time, UTC; inclusive.")] = None,
    until: Annotated[Text, typer.Option("--until", help="ISO day or time, UTC.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Entries at most.")] = 100,
    after: Annotated[
        int | None, typer.Option("--after", min=0, max=LARGEST, help="Only behind this index.")
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
) -> None:
    """Ask the log who saw whose data, when and why. The question is an entry too."""
    from vault.auditing import Question

    if ref is not None:
        (subject,) = parsing.refs([ref])
    asked = {
        "purpose": parsing.one_of(purpose, PURPOSES, "purpose"),
        "kind": parsing.one_of(kind, ENTRY_KINDS, "kind"),
        "outcome": parsing.one_of(outcome, OUTCOMES, "outcome"),
        "reason": parsing.one_of(reason, REASONS, "reason"),
    }
    with call.open() as vault:
        credential = call.credential(vault, "auditor", "audit")
        lines = vault.auditing(call.tenant).ask(
            credential,
            Question(
                subject=subject, actor=actor, field=field, clear=clear,
                since=parsing.instant(since, "since"), until=parsing.instant(until, "until"), limit=limit,
                after=after, newest_first=newest, **asked,
            ),
        )  # fmt: skip
    if call.out.json:
        call.out.document({"items": lines, "after": lines[-1].index if len(lines) == limit else None})
        return
    if len(lines) == limit and not newest:
        call.out.note("log.more", after=lines[-1].index)
    table(call.out, lines)


def table(out: Output, lines: Sequence[Line]) -> None:
    """The lines as a person reads them; the JSON document has the rest."""
    names = (
        "index", "time", "kind", "actor_name", "role", "purpose", "about", "record", "fields", "outcome",
        "reason",
    )  # fmt: skip
    rows = [
        tuple(_fields(line.fields) if name == "fields" else getattr(line, name) for name in names)
        for line in lines
    ]
    out.table(tuple("actor" if name == "actor_name" else name for name in names), rows)


def _fields(shown: dict[str, str]) -> str:
    return ", ".join(f"{name}={view.lower()}" for name, view in shown.items())


def verify(call: Call) -> None:
    """Check the whole log against its head and signed checkpoints; with a token, the check is then logged."""
    out: Output = call.out
    with call.open() as vault, out.progress("verify") as progress:
        room = vault.auditing(call.tenant)
        size = vault.stores.ledger.head(call.tenant)
        total = size.size if size else 0
        tell = None if progress is None else lambda done: progress(done, total)
        if call.token is None and not call.sandbox:
            found = room.verify(None, tell)
        else:
            # The check comes first: a token issued by itself would be an entry before it.
            room.walk(tell)
            found = room.verify(call.credential(vault, "auditor", "audit"))
    if out.json:
        out.document(found)
    else:
        out.table(
            ("size", "root", "signed", "first", "last"),
            [(found.size, found.root, found.signed, found.first, found.last)],
        )
    out.note("log.verified", size=found.size, signed=found.signed)


def checkpoint(
    call: Call,
    *,
    cosigned: Annotated[
        bool, typer.Option("--cosigned", help="The newest that witnesses have cosigned, with their lines.")
    ] = False,
) -> None:
    """Print the newest signed checkpoint (C2SP tlog-checkpoint). It holds no personal data."""
    with call.open() as vault:
        room = vault.auditing(call.tenant)
        note = room.cosigned() if cosigned else room.checkpoint()
    if call.out.json:
        call.out.document({"checkpoint": note})
    else:
        typer.echo(note, nl=not note.endswith("\n"))


def vkey(call: Call) -> None:
    """Print the log's public key (C2SP signed-note verifier key), one line."""
    with call.open() as vault:
        key = vault.vkey(call.tenant).text()
    if call.out.json:
        call.out.document({"vkey": key})
    else:
        typer.echo(key)


def export(
    call: Call,
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A folder: a new one, or an earlier export's, which is brought up to date."
        ),
    ],
    *,
    bodies: Annotated[
        Path | None, typer.Option("--bodies", metavar="FILE", help="Also the entries themselves (0600).")
    ] = None,
    audit: Annotated[
        Text,
        typer.Option("--audit", help="With --bodies: the audit whose range it is and whose key opens it."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="With --bodies: in clear, for whoever gets hold of the file.")
    ] = False,
    disclose: Annotated[
        Text,
        typer.Option("--disclose", help="With --bodies: who, whom or both [what the audit may be given]."),
    ] = None,
    since: Annotated[Text, typer.Option("--since", help="With --plain: ISO day or time, UTC.")] = None,
    until: Annotated[Text, typer.Option("--until", help="With --plain: ISO day or time, UTC.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bodies file that is there.")] = False,
) -> None:
    """Write the log as C2SP tiles, which stock tools can check; with --bodies, what the entries say too."""
    from vault.auditing import Wanted
    from vault.ledger.powers import DISCLOSURES

    call.demand_folder(directory, "directory", "name a folder: a new one, or an earlier export's")
    wanted = Wanted(
        audit=audit,
        disclose=parsing.one_of(disclose, DISCLOSURES, "disclose"),
        plain=plain,
        since=parsing.instant(since, "since"),
        until=parsing.instant(until, "until"),
    )
    if bodies is None and wanted != Wanted():
        raise Invalid(
            "these options are about a bodies file",
            code="invalid_usage",
            field="bodies",
            remedy="--bodies FILE",
        )
    path = None if bodies is None else call.claim(bodies, force=force)
    with call.open() as vault:
        room, credential = vault.auditing(call.tenant), call.credential(vault, "auditor", "audit")
        made = None
        if path is not None:
            with call.out.progress("bodies") as progress:
                made = room.export_bodies(credential, path, wanted, progress)
        files = room.export(credential, directory)  # after the bodies, whose entries it then holds
    if call.out.json:
        said = {"files": files, "directory": str(directory.absolute())}
        call.out.document(said | ({} if made is None else {"bodies": str(path), "header": made}))
    call.out.note("log.exported", files=files, directory=directory.absolute())
    if made is not None:
        tell = call.out.note if made.sealed else call.out.banner
        tell(
            "bodies.sealed" if made.sealed else "bodies.plain",
            file=path, count=made.last - made.first, disclose=made.disclose, audit=made.audit,
        )  # fmt: skip
