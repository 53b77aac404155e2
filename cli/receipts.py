"""Receipts on the command line: one for an entry, one for each record disclosed, and made anew."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.context import Call, write_open, write_secret
from cli.options import LARGEST
from vault.errors import Invalid, Tampered

if TYPE_CHECKING:
    from vault.auditing import Auditing
    from vault.model import Shown
    from vault.vault import Vault

SUFFIX: Final = ".tlog-proof"
Receipts = Annotated[
    Path | None,
    typer.Option("--receipts", metavar="DIR", help="A folder for a receipt of each record disclosed."),
]


def receipt(
    call: Call,
    what: Annotated[
        list[str], typer.Argument(metavar="INDEX…|FILE…", help="Entries by index; with --refresh, receipts.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the proof of one entry goes [stdout].")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where the proofs go, a file for each entry.")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Make these receipts anew, in place, at the newest checkpoint.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Prove that entries stand in the log (C2SP tlog-proof); prints each entry's leaf."""
    if refresh:
        _refuse(
            out is not None or folder is not None, "--refresh writes in place", "leave --out and --dir out"
        )
        _refresh(call, [Path(name) for name in what])
        return
    indices = [_index(text) for text in what]
    _refuse(
        out is not None and (folder is not None or len(indices) > 1), "--out takes one entry", "--dir DIR"
    )
    if folder is not None:
        call.demand_folder(folder, "dir", "name a folder")
        paths = [(folder / f"{index}{SUFFIX}").absolute() for index in indices]
        for path in paths:
            _refuse(
                os.path.lexists(path) and not force, f"{path} is there already", "another --dir, or --force"
            )
    else:
        paths = [] if out is None else [call.claim(out, force=force)]
    with call.open() as vault:
        room = vault.auditing(call.tenant)
        proofs, entries = room.receipts(indices), [room.stub(index) for index in indices]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for path, proof in zip(paths, proofs, strict=False):
        write_open(path, proof.encode())
    _print(call, indices, entries, proofs, paths)


def _print(
    call: Call, indices: Sequence[int], entries: Sequence[bytes], proofs: Sequence[str], paths: Sequence[Path]
) -> None:
    from vault.merkle import leaf_hash

    items = []
    for place, (index, entry, proof) in enumerate(zip(indices, entries, proofs, strict=True)):
        leaf = base64.b64encode(leaf_hash(entry)).decode("ascii")
        where = {"file": str(paths[place])} if paths else {"proof": proof}
        items.append({"index": index, "leaf": leaf, "entry": entry.decode("ascii"), **where})
        if not call.out.json:
            call.out.line(leaf)
            if not paths:
                typer.echo(proof, nl=not proof.endswith("\n"))
            else:
                call.out.note("log.receipt", file=paths[place])
    if call.out.json:
        call.out.document(items[0] if len(items) == 1 else {"items": items})


def _refresh(call: Call, paths: Sequence[Path]) -> None:
    """Each file is replaced whole once its receipt was found to hold; the first that doesn't ends it."""
    sizes = []
    with call.open() as vault:
        room = vault.auditing(call.tenant)
        for path in paths:
            sizes.append(_refreshed(call, room, path))
            call.out.note("log.refreshed", file=path, size=sizes[-1])
    if call.out.json:
        items = [{"file": str(p.absolute()), "size": n} for p, n in zip(paths, sizes, strict=True)]
        call.out.document({"items": items})


def _refreshed(call: Call, room: Auditing, path: Path) -> int:
    """Make one receipt anew, in place; the size of the log under which it stands now."""
    from vault.ledger import checkpoint, proof

    try:
        text = call.read(path, "file").decode()
    except UnicodeDecodeError:
        raise Tampered(f"{path} is no receipt", remedy="keep it as evidence") from None
    made = room.refresh(text)
    mode = path.stat().st_mode
    write_secret(path.absolute(), made.encode())
    path.chmod(mode)  # a receipt is no secret: who could read the old one reads the new one
    return checkpoint.open_checkpoint(proof.Proof.parse(made).note, room.vkey).size


def keep(call: Call, vault: Vault, items: Sequence[Shown], folder: Path | None) -> None:
    """Write a receipt for each record disclosed, before it is shown; a file that is there stays."""
    if folder is None or not items:
        return
    indices = [item.receipt.index for item in items]
    folder.mkdir(parents=True, exist_ok=True)
    for index, proof in zip(indices, vault.auditing(call.tenant).receipts(indices), strict=True):
        write_secret(_free(folder, index), proof.encode())
    call.out.note("log.receipts", count=len(items), directory=folder)


def demand_place(call: Call, folder: Path | None) -> None:
    """Demand that receipts can go where they are wanted, before anything is read and logged.

    Raises:
        Invalid: A file stands in the way.
    """
    if folder is not None:
        call.demand_folder(folder, "receipts", "name a folder")


def _free(folder: Path, index: int) -> Path:
    """A name that is free: another log's receipt may have this index, and a kept receipt is evidence."""
    path, turn = folder / f"{index}{SUFFIX}", 2
    while os.path.lexists(path):
        path, turn = folder / f"{index}.{turn}{SUFFIX}", turn + 1
    return path


def _index(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > LARGEST:
        raise Invalid(
            "not an entry's index",
            code="invalid_usage",
            field="index",
            remedy="a number, as receipts have it",
        )
    return int(text)


def _refuse(wrong: bool, problem: str, remedy: str) -> None:
    if wrong:
        raise Invalid(problem, code="invalid_usage", field="out", remedy=remedy)
