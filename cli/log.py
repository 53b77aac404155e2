"""Commands about the access log: verify, checkpoint, vkey, export, receipt; others in their own modules."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli import log_list, log_prune, log_questions, log_report, log_summary, witnesses
from cli.context import Call, command
from cli.log_recover import recover
from cli.options import LARGEST
from cli.output import Output


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    log_list.register(app)
    log_questions.register(app)
    log_summary.register(app)
    command(app, "verify", chooses=True)(verify)
    command(app, "checkpoint")(checkpoint)
    command(app, "vkey")(vkey)
    command(app, "export", chooses=True)(export)
    command(app, "receipt")(receipt)
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
        if retally:
            out.note("ask.retallied", entries=room.retally())
        tallied = room.check_tallies()
    if out.json:
        out.document(msgspec.structs.asdict(found) | {"tallied": tallied})
    else:
        out.table(
            ("size", "root", "signed", "first", "last"),
            [(found.size, found.root, found.signed, found.first, found.last)],
        )
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


def export(
    call: Call,
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A folder: a new one, or an earlier export's, which is brought up to date."
        ),
    ],
) -> None:
    """Write the log as C2SP tiles, which stock tools can check: no personal data."""
    call.demand_folder(directory, "directory", "name a folder: a new one, or an earlier export's")
    with call.open() as vault:
        files = vault.auditing(call.tenant).export(call.credential(vault, "auditor", "audit"), directory)
    if call.out.json:
        call.out.document({"files": files, "directory": str(directory.absolute())})
    call.out.note("log.exported", files=files, directory=directory.absolute())


def receipt(
    call: Call,
    index: Annotated[int, typer.Argument(min=0, max=LARGEST, help="The entry's index, as receipts name it.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the proof goes [stdout].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Prove that an entry stands in the log (C2SP tlog-proof); prints the entry's leaf."""
    from vault.merkle import leaf_hash

    path = None if out is None else call.claim(out, force=force)
    with call.open() as vault:
        room = vault.auditing(call.tenant)
        proof, entry = room.receipt(index), room.stub(index)
    if path is not None:
        path.write_text(proof, encoding="utf-8")
    leaf = base64.b64encode(leaf_hash(entry)).decode("ascii")
    if call.out.json:
        where = {"proof": proof} if path is None else {"file": str(path)}
        call.out.document({"index": index, "leaf": leaf, "entry": entry.decode("ascii"), **where})
        return
    call.out.line(leaf)
    if path is None:
        typer.echo(proof, nl=not proof.endswith("\n"))
    else:
        call.out.note("log.receipt", file=path)
