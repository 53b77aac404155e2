"""Write log-*.json: the access log's formats byte by byte, what must be accepted and what refused.

Run it as `python tests/vectors/generate_log.py`; a test compares its answer with the files. Keys and salts
are repeated or counted bytes, so every byte of the files can be made again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from vault import merkle
from vault.crypto.sign import SigningKey
from vault.ledger import checkpoint, note, proof, stub, tiles
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.export import export
from vault.ledger.note import VKey
from vault.model import Who, Whom

SEED = bytes(range(32))
ORIGIN = "vault.example/main"
T0 = 1_763_877_600_005_000
KEY = SigningKey.from_seed(SEED)
VKEY = VKey(name=ORIGIN, public=KEY.public)

HAPPENINGS = (
    ("config", Who(actor="p-1", role="admin", purpose="administration"), Whom(detail="vault made"), False),
    (
        "read",
        Who(
            actor="p-7", role="collector", purpose="repayment_reminder", about="borrower", masked=9,
            policy="91d5c0ffee00aa01", token="0f1e2d3c4b5a6978",
        ),
        Whom(subject="s-1", record="r-1", case="委案2026-17", ticket="T-7"),
        True,
    ),
    (
        "deny",
        Who(
            actor="p-7", role="collector", purpose="repayment_reminder", about="borrower", clear=8,
            outcome="denied", reason="field_denied", policy="91d5c0ffee00aa01", token="0f1e2d3c4b5a6978",
        ),
        Whom(subject="s-1", record="r-1"),
        True,
    ),
    ("erase_begin", Who(actor="p-2", role="dpo", purpose="administration"), Whom(subject="s-1"), True),
    ("erase_done", Who(actor="p-2", role="dpo", purpose="administration"), Whom(detail="1 erased"), False),
)  # fmt: skip


def filled(number: int, size: int = 16) -> bytes:
    """A salt, tag or id: one byte repeated."""
    return bytes([number]) * size


def entry(index: int) -> dict[str, Any]:
    """One entry with all that goes into it."""
    kind, who, whom, has_subject = HAPPENINGS[index]
    who_salt, whom_salt = filled(0x10 + index), filled(0x20 + index)
    digests = stub.digest(who_salt, stub.who_bytes(who)), stub.digest(whom_salt, stub.whom_bytes(whom))
    commitment = stub.commitment(*digests)
    one = stub.Stub(
        c=stub.pack(commitment),
        g=stub.pack(filled(0x30 + index)) if has_subject else "",
        i=index + 1,
        k=kind,
        n="n1",
        r=stub.pack(filled(0x40 + index)),
        t=T0 + index * 1_000_000,
    )
    data = stub.encode(one)
    return {
        "who": msgspec.to_builtins(who),
        "who_salt": who_salt.hex(),
        "who_bytes": stub.who_bytes(who).decode(),
        "who_digest": digests[0].hex(),
        "whom": msgspec.to_builtins(whom),
        "whom_salt": whom_salt.hex(),
        "whom_bytes": stub.whom_bytes(whom).decode(),
        "whom_digest": digests[1].hex(),
        "commitment": commitment.hex(),
        "tag": one.tag.hex(),
        "request": one.request.hex(),
        "stub": data.decode(),
        "leaf": merkle.leaf_hash(data).hex(),
    }


ENTRIES = [entry(index) for index in range(len(HAPPENINGS))]
STUBS = [one["stub"].encode() for one in ENTRIES]


class Log:
    """A log in memory: the `TileSource` of these vectors."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.stubs = entries
        made = tiles.closed_tiles(0, len(entries), self.leaves, lambda _level, _index: None)
        self.tiles = {(tile.level, tile.index): tile.hashes for tile in made}

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes."""
        return [merkle.leaf_hash(one) for one in self.stubs[start:end]]

    def full_tile(self, level: int, index: int) -> bytes | None:
        """A complete tile."""
        return self.tiles.get((level, index))

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Entries."""
        return self.stubs[start:end]


def signed(log: Log, size: int) -> str:
    """The signed checkpoint of a log's first entries."""
    root = tiles.Hashes(log, size).root_at(size)
    return checkpoint.sign(Checkpoint(origin=ORIGIN, size=size, root=root), KEY)


def refused(good: str, changes: dict[str, tuple[str, str]]) -> list[dict[str, str]]:
    """A good text, changed in one place each, and why it must be refused."""
    return [{"why": why, "text": good.replace(old, new, 1)} for why, (old, new) in changes.items()]


def log_entry() -> dict[str, Any]:
    """Five entries and stubs that are none."""
    bad = {
        "version 2": ('"v":1', '"v":2'),
        "a key twice": ('"v":1', '"v":1,"v":1'),
        "an unknown key": ('"v":1', '"v":1,"w":1'),
        "a space": (":", ": "),
        "a trailing newline": ('"v":1}', '"v":1}\n'),
        "keys out of order": ('"i":2,"k":"read"', '"k":"read","i":2'),
        "counter 0": ('"i":2', '"i":0'),
        "a leading zero": ('"i":2', '"i":02'),
        "an integer of 2**53": ('"i":2', '"i":9007199254740992'),
        "an unknown kind": ('"k":"read"', '"k":"stroll"'),
        "an escape": ('"k":"read"', '"k":"\\u0072ead"'),
        "spare bits set in the request id": ('QQ","t"', 'QR","t"'),
        "base64 padding": ('QQ","t"', 'QQ==","t"'),
        "an empty node": ('"n":"n1"', '"n":""'),
    }
    return {"entries": ENTRIES, "refused": refused(ENTRIES[1]["stub"], bad)}


def log_checkpoint() -> dict[str, Any]:
    """The checkpoints of the first 0 to 5 entries, and notes that are none."""
    log = Log(STUBS)
    notes = [signed(log, size) for size in range(len(STUBS) + 1)]
    other = VKey(name=ORIGIN, public=SigningKey.from_seed(filled(1, 32)).public)
    bad = {
        "another size": ("\n5\n", "\n4\n"),
        "a leading zero": ("\n5\n", "\n05\n"),
        "another origin": ("vault.example/main\n", "vault.example/other\n"),
        "an empty line in the text": ("\n5\n", "\n\n5\n"),
        "no blank line": ("\n\n", "\n"),
        "a hyphen for the dash": ("— ", "- "),
        "a carriage return": ("\n5\n", "\r\n5\n"),
        "another key's id": (note.to_base64(VKEY.key_id)[:5], note.to_base64(other.key_id)[:5]),
    }
    return {
        "seed": SEED.hex(),
        "vkey": VKEY.text(),
        "checkpoints": [
            {"size": size, "root": tiles.Hashes(log, size).root_at(size).hex(), "note": text}
            for size, text in enumerate(notes)
        ],
        "refused": refused(notes[-1], bad),
    }


def log_receipt() -> dict[str, Any]:
    """A receipt for each of five entries, and receipts that are none of entry 1's."""
    log = Log(STUBS)
    hashes = tiles.Hashes(log, len(STUBS))
    receipts = [
        proof.make(index, merkle.inclusion_path(index, len(STUBS), hashes.node), signed(log, len(STUBS)))
        for index in range(len(STUBS))
    ]
    bad = {
        "another index": ("index 1\n", "index 2\n"),
        "a leading zero": ("index 1\n", "index 01\n"),
        "empty extra data": ("index 1\n", "extra \nindex 1\n"),
        "another version": ("@v1", "@v2"),
        "no blank line": ("\n\n", "\n"),
        "a hash too many": ("\n\n", "\n" + note.to_base64(bytes(32)) + "\n\n"),
        "another size in the checkpoint": ("\n5\n", "\n6\n"),
    }
    return {
        "vkey": VKEY.text(),
        "receipts": [
            {"entry": data.decode(), "receipt": text} for data, text in zip(STUBS, receipts, strict=True)
        ],
        "refused": refused(receipts[1], bad),
    }


def exported(entries: Sequence[bytes]) -> dict[str, bytes]:
    """An export's files by path."""
    log = Log(entries)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        export(directory, log, len(entries), signed(log, len(entries)))
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def log_tiles() -> dict[str, Any]:
    """Paths; the export of the five entries in full; that of 600 plain ones by digest."""
    plain = [b"entry %d" % number for number in range(600)]
    digests = {path: sha256(data).hexdigest() for path, data in exported(plain).items()}
    return {
        "paths": {str(index): tiles.tile_path(0, index) for index in (0, 255, 999, 1000, 1234067)},
        "export": {path: data.hex() for path, data in exported(STUBS).items()},
        "plain_entries": "entry 0, entry 1, ... entry 599",
        "plain_export": digests,
    }


def build() -> dict[str, str]:
    """Every file's text by its name."""
    made = {
        "log-entry.json": log_entry(),
        "log-checkpoint.json": log_checkpoint(),
        "log-receipt.json": log_receipt(),
        "log-tiles.json": log_tiles(),
    }
    return {name: json.dumps(value, ensure_ascii=False, indent=1) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for file, text in build().items():
        (Path(__file__).parent / file).write_text(text, encoding="utf-8")
