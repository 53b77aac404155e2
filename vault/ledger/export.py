"""Writes a log as a tree of files that any C2SP tool reads (c2sp.org/tlog-tiles; docs/formats/tiles.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vault.errors import Tampered, Unavailable
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.note import VKey, split
from vault.ledger.tiles import (
    HEIGHT,
    WIDTH,
    Hashes,
    TileSource,
    entries_path,
    pack_entries,
    read_entries,
    split_hashes,
    tile_path,
    tile_root,
)
from vault.merkle import leaf_hash


def export(
    directory: Path,
    source: TileSource,
    size: int,
    checkpoint_note: str,
    minimum: int = 0,
    vkey: VKey | None = None,
) -> int:
    """Write, or bring up to date, the files of a log; the checkpoint last.

    Each file appears whole or not at all. Complete tiles and bundles that an earlier export left are kept,
    provided that its checkpoint is a true earlier state of this log. Whatever is written was checked
    against the checkpoint's root, so a log whose tiles and entries disagree isn't exported.

    Args:
        directory: Where to write; made if need be.
        source: The log.
        size: The checkpoint's size.
        checkpoint_note: The signed checkpoint, verbatim.
        minimum: The entries before it were let go by rule; a multiple of 256. Their bundles are left out, and
            of level 0 the tiles under complete ones of level 1 (c2sp.org/tlog-tiles, "Pruning").
        vkey: The log's key, to lie beside the files as `log.vkey`, where there is none yet.

    Returns:
        The number of files written, the checkpoint among them.

    Raises:
        Tampered: The checkpoint isn't this log's at this size, entries, tiles and root disagree, or the
            directory holds another log or another history of this one.
        Unavailable: The directory can't be written.
    """
    cp = Checkpoint.parse(split(checkpoint_note)[0])
    hashes = Hashes(source, size)
    if cp.size != size or hashes.root_at(size) != cp.root:
        raise Tampered("the checkpoint does not match the log", remedy="run `cvault log verify`")
    try:
        kept = _kept(directory, cp, hashes)
        written = _write_key(directory / "log.vkey", vkey)
        for path, data in _files(directory, source, hashes, kept, minimum):
            _write(path, data)
            written += 1
        _write(directory / "checkpoint", checkpoint_note.encode())
    except OSError:
        raise Unavailable(
            "the export cannot be written", field="directory", remedy="check space and rights"
        ) from None
    return written + 1


def _kept(directory: Path, cp: Checkpoint, hashes: Hashes) -> int:
    """The size up to which the directory already holds this very log."""
    path = directory / "checkpoint"
    if not path.exists():
        return 0
    try:
        old = Checkpoint.parse(split(path.read_bytes().decode())[0])
    except UnicodeDecodeError:
        raise Tampered(
            "the directory's checkpoint is malformed", remedy="export to an empty directory"
        ) from None
    if old.origin != cp.origin or old.size > cp.size or hashes.root_at(old.size) != old.root:
        raise Tampered(
            "the directory holds another log, or a later or different state of this one",
            remedy="keep it as evidence and export to an empty directory",
        )
    return old.size


def _write_key(path: Path, vkey: VKey | None) -> int:
    """The key that goes with the files, which proves nothing by lying there; 1 if it was written.

    Raises:
        Tampered: Another key lies there; an auditor may have put it there, so it stays.
    """
    if vkey is None:
        return 0
    line = f"{vkey.text()}\n".encode()
    if not path.exists():
        _write(path, line)
        return 1
    if path.read_bytes().strip() != line.strip():
        raise Tampered(
            "the directory's log.vkey is another key than this log's",
            remedy="find out which of the two is false before anything else",
        )
    return 0


def _files(
    directory: Path, source: TileSource, hashes: Hashes, kept: int, minimum: int
) -> Iterator[tuple[Path, bytes]]:
    """Each file to write, made one at a time."""
    level, first = 0, minimum // (WIDTH * WIDTH) * WIDTH
    while count := hashes.size >> level * HEIGHT:
        done = kept >> (level + 1) * HEIGHT
        for index in range(0 if level else first, (count + WIDTH - 1) // WIDTH):
            width = min(WIDTH, count - index * WIDTH)
            path = directory / tile_path(level, index, width)
            if not (index < done and path.exists()):
                yield path, _checked_tile(hashes, level, index)
            path = directory / entries_path(index, width)
            if level == 0 and index >= minimum // WIDTH and not (index < done and path.exists()):
                yield path, _checked_bundle(source, hashes, index, width)
        level += 1


def _checked_tile(hashes: Hashes, level: int, index: int) -> bytes:
    """A tile's bytes; a complete one must hash to its place above (tools that skip this: CVE-2026-56865)."""
    data = hashes.tile(level, index)
    above = (level + 1) * HEIGHT
    if (index + 1) << above <= hashes.size and tile_root(data) != hashes.node(above, index):
        raise Tampered(f"stored tile {level}/{index} is not the tree's", index=index << above)
    return data


def _checked_bundle(source: TileSource, hashes: Hashes, index: int, width: int) -> bytes:
    """A bundle's bytes; each entry must hash to its place in the tile."""
    begin = index * WIDTH
    entries = read_entries(source, begin, begin + width)
    for at, (entry, known) in enumerate(zip(entries, split_hashes(hashes.tile(0, index)), strict=True)):
        if leaf_hash(entry) != known:
            raise Tampered("the entry is not the one in the tree", index=begin + at)
    return pack_entries(entries)


def _write(path: Path, data: bytes) -> None:
    """Put a file in place whole and durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)  # of a run that died; a link is never written through
    with draft.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
