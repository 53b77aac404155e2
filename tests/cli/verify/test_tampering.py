"""`cvault-verify` on exports that were tampered with: each is refused, and its first entry named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from auditkit import (
    ENTRIES,
    NOTE,
    OTHER,
    SIZE,
    Auditor,
    exported,
    patch,
    pin,
    receipt,
    signed,
)
from logs import KEY, ORIGIN, Log, root_of, row

from vault.ledger import checkpoint
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.export import export
from vault.ledger.tiles import pack_entries
from vault.merkle import leaf_hash

Tamper = Callable[[Path], object]


def bundle(log: Path, entries: list[bytes], number: int = 0) -> None:
    """Put these entries into a bundle, whatever was there."""
    name = f"{number:03}" if number < 2 else f"{number:03}.p/{SIZE - 512}"
    (log / "tile/entries" / name).write_bytes(pack_entries(entries))


def forged(index: int, **changes: object) -> list[bytes]:
    """The first bundle with a stub that is canonical and another."""
    return [*ENTRIES[:index], row(index, **changes).stub, *ENTRIES[index + 1 : 256]]


def long_winded(log: Path) -> None:
    """A first entry whose length doesn't fit the two bytes before it."""
    entry = ENTRIES[0].replace(b'"k":"', b'"k":"' + b"a" * 65_536)
    (log / "tile/entries/000").write_bytes((len(entry) & 0xFFFF).to_bytes(2, "big") + entry)


def says(text: str) -> Tamper:
    """Put another checkpoint there."""
    return lambda log: (log / "checkpoint").write_text(text, "utf-8")


def with_tile(log: Path, entries: list[bytes]) -> None:
    """A bundle and the tile that fits it: CVE-2026-56865's forgery."""
    bundle(log, entries)
    (log / "tile/0/000").write_bytes(b"".join(map(leaf_hash, entries)))


def all_tiles(log: Path, entries: list[bytes]) -> None:
    """The whole tree recomputed over these entries, under the old checkpoint."""
    old, key = (log / "checkpoint").read_bytes(), (log / "log.vkey").read_bytes()
    shutil.rmtree(log)
    log.mkdir()
    export(log, Log(entries), len(entries), signed(entries))
    (log / "checkpoint").write_bytes(old)
    (log / "log.vkey").write_bytes(key)


def headless(log: Path) -> None:
    """The first entries gone as if pruned, with another history in their place."""
    (log / "tile/entries/000").unlink()
    patch(log / "tile/0/000", 5, b"?")


def swap(entries: list[bytes], one: int, other: int) -> list[bytes]:
    """Two entries in each other's place."""
    made = list(entries)
    made[one], made[other] = made[other], made[one]
    return made


ROOT = Checkpoint(origin=ORIGIN, size=SIZE, root=bytes(32))
FOREIGN = Checkpoint(origin="other.example/log", size=SIZE, root=root_of(ENTRIES))
REWRITTEN = [*forged(7, g="A" * 22), *ENTRIES[256:]]
TAMPERINGS: dict[str, tuple[Tamper, int | None]] = {
    "an entry edited": (lambda log: bundle(log, forged(7, t=1_000_007, g="A" * 22)), 7),
    "an entry edited to an unknown kind": (lambda log: patch(log / "tile/entries/000", 79, b"reax"), 0),
    "a kind longer than an entry can be": (long_winded, 0),
    "a space": (lambda log: bundle(log, [*ENTRIES[:9], ENTRIES[9] + b" ", *ENTRIES[10:256]]), 9),
    "an entry with padding bits": (lambda log: patch(log / "tile/entries/000", 50, b"B"), 0),
    "an entry deleted": (lambda log: bundle(log, [*ENTRIES[:40], *ENTRIES[41:256]]), 40),
    "the last entry deleted": (lambda log: bundle(log, ENTRIES[512:599], 2), 599),
    "an entry too many": (lambda log: bundle(log, [*ENTRIES[512:], ENTRIES[599]], 2), 600),
    "entries reordered": (lambda log: bundle(log, swap(ENTRIES[:256], 100, 102)), 100),
    "time back": (lambda log: bundle(log, forged(33, t=5)), 33),
    "a counter skipped": (lambda log: bundle(log, forged(33, i=18)), 33),
    "an entry of another log's node": (lambda log: bundle(log, forged(33, n="n7")), 33),
    "a number of 2^53": (lambda log: bundle(log, forged(255, t=2**53 - 1)), 255),
    "an edit before a deletion": (lambda log: bundle(log, [*REWRITTEN[:40], *ENTRIES[41:256]]), 7),
    "a bundle truncated": (lambda log: os.truncate(log / "tile/entries/001", 2 + len(ENTRIES[256])), 257),
    "a bundle emptied": (lambda log: os.truncate(log / "tile/entries/001", 0), 256),
    "a bundle deleted": (lambda log: (log / "tile/entries/001").unlink(), 256),
    "the first bundle deleted, its tile edited": (headless, 0),
    "the last bundle deleted": (lambda log: (log / "tile/entries/002.p/88").unlink(), 512),
    "a tile edited": (lambda log: patch(log / "tile/0/001", 32 * 5, b"?"), 261),
    "a tile deleted": (lambda log: (log / "tile/0/001").unlink(), 256),
    "a tile too long": (lambda log: patch(log / "tile/0/000", 8191, b"12"), 256),
    "an upper tile edited": (lambda log: patch(log / "tile/1/000.p/2", 40, b"?"), 256),
    "an upper tile deleted": (lambda log: (log / "tile/1/000.p/2").unlink(), 0),
    "an entry and its tile forged": (lambda log: with_tile(log, forged(7, g="A" * 22)), 0),
    "an entry and every tile forged": (lambda log: all_tiles(log, REWRITTEN), 0),
    "another root": (says(checkpoint.sign(ROOT, KEY)), 0),
    "a foreign checkpoint": (says(checkpoint.sign(FOREIGN, KEY)), None),
    "a stranger's signature": (says(checkpoint.sign(ROOT, OTHER)), None),
    "a signature edited": (lambda log: patch(log / "checkpoint", len(NOTE.encode()) - 6, b"AA"), None),
    "a size edited": (says(NOTE.replace("\n600\n", "\n599\n")), None),
    "no signature": (says(NOTE.split("—")[0]), None),
    "a checkpoint of a shorter log": (says(signed(ENTRIES[:599])), 512),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_refused_and_its_first_entry_named(auditor: Auditor, copy: Path, name: str) -> None:
    """Exit 5, and the index of the first entry at fault; where a root alone tells, of the first it may be."""
    tamper, index = TAMPERINGS[name]
    tamper(copy)
    assert auditor("tree", copy).fault == (5, index)


def test_a_whole_tree_recomputed_with_the_logs_key_is_caught_by_a_pin(
    auditor: Auditor, tmp_path: Path
) -> None:
    """Who holds the key rewrites history so that `tree` passes; an earlier pin or checkpoint refuses."""
    copy = exported(tmp_path / "log", REWRITTEN)
    assert auditor("tree", copy).code == 0
    for size, text in ((8, pin(ENTRIES[:8])), (256, pin(ENTRIES[:256])), (600, signed(ENTRIES))):
        (tmp_path / "pin").write_text(text, "utf-8")
        assert auditor("extends", tmp_path / "pin", copy).fault == (5, 0), size
    (tmp_path / "pin").write_text(pin(ENTRIES[:7]), "utf-8")
    assert auditor("extends", tmp_path / "pin", copy).code == 0


def test_a_log_cut_short_and_signed_anew_is_caught_by_a_pin(auditor: Auditor, tmp_path: Path) -> None:
    """A restored backup, signed with the log's key, ends before what was pinned: at the size it has."""
    copy = exported(tmp_path / "log", ENTRIES[:300])
    (tmp_path / "pin").write_text(pin(ENTRIES), "utf-8")
    assert auditor("tree", copy).code == 0
    assert auditor("extends", tmp_path / "pin", copy).fault == (5, 300)


def test_after_a_pin_that_agreed_a_wrong_root_is_looked_for_behind_it(
    auditor: Auditor, copy: Path, tmp_path: Path
) -> None:
    """Where only the last root is wrong, what is at fault lies at or after the pin's size."""
    (copy / "checkpoint").write_text(checkpoint.sign(ROOT, KEY), "utf-8")
    (tmp_path / "pin").write_text(pin(ENTRIES[:300]), "utf-8")
    assert auditor("extends", tmp_path / "pin", copy).fault == (5, 300)


@pytest.mark.parametrize(
    "text",
    [pin(ENTRIES).replace(ORIGIN, "other.example/log"), pin(ENTRIES).replace("600", "0600"), "", "a\n1\nb\n",
     NOTE.replace("600", "599"), checkpoint.sign(FOREIGN, KEY), checkpoint.sign(ROOT, OTHER)],
)  # fmt: skip
def test_a_pin_that_is_none_of_this_logs_is_refused(
    auditor: Auditor, log: Path, tmp_path: Path, text: str
) -> None:
    """Another log's, another spelling, or a checkpoint that the log's key didn't sign."""
    (tmp_path / "pin").write_text(text, "utf-8")
    assert auditor("extends", tmp_path / "pin", log).code == 5


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"t":1000000', b'"t":9007199254740991', 0),
        (b'"t":1000000', b'"t":9007199254740992', 5),
        (b'"i":1', b'"i":9007199254740992', 5),
        (b'"k":"read"', b'"k":"glance"', 5),
    ],
)
def test_what_was_never_a_stub_is_refused_even_where_the_log_signed_it(
    auditor: Auditor, tmp_path: Path, old: bytes, new: bytes, code: int
) -> None:
    """Numbers are below 2^53 and kinds of the closed list, in an export and in a receipt."""
    entries = [ENTRIES[0].replace(old, new)]
    log = exported(tmp_path / "log", entries)
    (log / "r").write_text(receipt(entries, 0, entries[0]), "utf-8")
    for command in (("tree", log), ("proof", log / "r")):
        told = auditor(*command)
        assert told.code == 0 if code == 0 else told.fault == (5, 0)
