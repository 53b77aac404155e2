"""Commands about the access log: verify, checkpoint, vkey, export, receipt; others in their own modules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli import (
    log_list,
    log_prune,
    log_questions,
    log_report,
    log_summary,
    parsing,
    receipts,
    sample,
    witnesses,
)
from cli.context import Call, command
from cli.log_recover import recover
from cli.log_rows import Text
from cli.messages import text
from cli.output import Output
from vault.errors import Invalid


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    log_list.register(app)
    log_questions.register(app)
    log_summary.register(app)
    command(app, "verify", chooses=True)(verify)
    command(app, "checkpoint")(checkpoint)
    command(app, "vkey")(vkey)
    command(app, "export", chooses=True)(export)
    command(app, "receipt")(receipts.receipt)
    command(app, "sample", chooses=True)(sample.sample)
    log_prune.register(app)
    witnesses.register(app)
    log_report.register(app)
    command(app, "recover")(recover)


def verify(
    call: Call,
    retally: Annotated[
        bool, typer.Option("--retally", help="Count again what questions are answered from.")
    ] = False,
) -> None:
    """Check the whole log against its head and signed checkpoints; with a token, the check is then logged."""
    out: Output = call.out
    if retally and call.token is None and not call.sandbox:
        raise Invalid(
            "--retally takes a token", code="invalid_usage", field="token", remedy="give --token FILE"
        )
    with call.open() as vault, out.progress("verify") as progress:
        room = vault.auditing(call.tenant)
        size = vault.stores.ledger.head(call.tenant)
        total = size.size if size else 0
        tell = None if progress is None else lambda done: progress(done, total)
        if call.token is None and not call.sandbox:
            found = room.verify(None, tell)
        else:
            found = room.verify(lambda: call.credential(vault, "auditor", "audit"), tell)
        if retally:
            out.note("ask.retallied", entries=room.retally(call.credential(vault, "auditor", "audit")))
        tallied = room.check_tallies()
    if out.json:
        out.document(msgspec.structs.asdict(found) | {"tallied": tallied})
    else:
        shown = ("size", "root", "signed", "first", "last")
        out.table(("", ""), [(text(f"verify.{name}"), getattr(found, name)) for name in shown])
    out.note("log.verified", size=found.size, signed=found.signed)
    if tallied:
        out.note("ask.tallied", entries=tallied)


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


def _demand_export(call: Call, directory: Path) -> None:
    """Demand a folder that is new, empty or an export: elsewhere tiles would lie among other files.

    Raises:
        Invalid: It is none of these; the vault's own folder least of all, which then travels with its keys.
    """
    remedy = "name a folder: a new one, or an earlier export's"
    call.demand_folder(directory, "directory", remedy)
    there = {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    if "vault.toml" in there or (there and not there & {"checkpoint", "tile"}):
        message = f"{directory} holds something else than an export"
        raise Invalid(message, code="invalid_file", field="directory", remedy=remedy)


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

    _demand_export(call, directory)
    wanted = Wanted(
        audit=audit,
        disclose=parsing.one_of(disclose, DISCLOSURES, "disclose"),
        plain=plain,
        since=parsing.instant(since, "since"),
        until=parsing.instant(until, "until"),
    )
    if bodies is None and wanted != Wanted():
        message = "these options are about a bodies file"
        raise Invalid(message, code="invalid_usage", field="bodies", remedy="--bodies FILE")
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
