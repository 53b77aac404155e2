"""Levers for tests of the auditor's tool: exported logs to tamper with, and what is handed out with them.

Disclosed bodies, a borrower's report and witnesses' cosignatures are written here from the pages in
docs/formats, apart from the code that writes them in the vault.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from logs import KEY, ORIGIN, SALT, VKEY, Log, root_of, row

from cli import verify
from vault.crypto.sign import SigningKey
from vault.ledger import checkpoint, note, stub
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.export import export
from vault.ledger.proof import make
from vault.merkle import leaf_hash
from vault.model import Who, Whom


@dataclass
class Told:
    """What `cvault-verify` said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document of a check that held."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def fault(self) -> tuple[int, int | None]:
        """Exit code and first bad index."""
        return self.code, json.loads(self.err)["error"]["index"]


@dataclass
class Auditor:
    """Runs the tool in this process."""

    capsysbinary: pytest.CaptureFixture[bytes]

    def __call__(self, *arguments: object) -> Told:
        """Run a command with `--json`."""
        return self.plain(*arguments, "--json")

    def plain(self, *arguments: object) -> Told:
        """Run a command for people."""
        self.capsysbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            verify.main([str(one) for one in arguments])
        out, err = self.capsysbinary.readouterr()
        assert isinstance(ended.value.code, int)
        return Told(ended.value.code, out.decode("utf-8"), err.decode("utf-8"))


def b64u(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def signed(entries: Sequence[bytes], *, origin: str = ORIGIN) -> str:
    """The log's signed checkpoint over these entries."""
    return checkpoint.sign(Checkpoint(origin=origin, size=len(entries), root=root_of(entries)), KEY)


def exported(folder: Path, entries: Sequence[bytes]) -> Path:
    """A true export of these entries, with the key beside it."""
    folder.mkdir()
    export(folder, Log(entries), len(entries), signed(entries))
    (folder / "log.vkey").write_text(VKEY.text() + "\n", "ascii")
    return folder


def plain(count: int) -> list[bytes]:
    """Stubs of two nodes that take turns."""
    return [row(index).stub for index in range(count)]


def path_of(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """An inclusion path, as RFC 6962 2.1.1 defines it."""
    if len(leaves) < 2:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    mine, other = (leaves[:half], leaves[half:]) if index < half else (leaves[half:], leaves[:half])
    return [*path_of(index - (half if index >= half else 0), mine), verify.subtree(other)]


def receipt(entries: Sequence[bytes], index: int, extra: bytes = b"", signed_note: str = "") -> str:
    """A receipt of an entry."""
    path = path_of(index, [leaf_hash(one) for one in entries])
    return make(index, path, signed_note or signed(entries), extra)


def pin(entries: Sequence[bytes]) -> str:
    """The three lines that are pinned outside."""
    return "".join(f"{line}\n" for line in signed(entries).split("\n")[:3])


# --- bodies and tags: docs/formats/log-entry.md ----------------------------------------------------------


class Subject:
    """Somebody whom entries are about: the tags of one generation."""

    def __init__(self, seed: int) -> None:
        self.key = bytes([seed]) * 32

    def tag(self, number: int) -> bytes:
        """The tag of the n-th access."""
        return hmac.digest(self.key, number.to_bytes(8, "big"), "sha256")[:16]


@dataclass(frozen=True)
class Entry:
    """An entry with what it committed to."""

    stub: bytes
    who: bytes
    whom: bytes
    digests: tuple[bytes, bytes]

    def side(self, name: str, *, shown: bool) -> dict[str, str | None]:
        """The three fields of a side, disclosed or withheld."""
        text, digest = (self.who, self.digests[0]) if name == "who" else (self.whom, self.digests[1])
        if shown:
            return {name: text.decode(), f"{name}_salt": b64u(SALT), f"{name}_digest": None}
        return {name: None, f"{name}_salt": None, f"{name}_digest": b64u(digest)}


def entry(index: int, tag: bytes = b"", subject: str = "") -> Entry:
    """The entry at an index of a one-node log, tagged or not."""
    who = stub.who_bytes(Who(actor=f"p-{index}", role="collector", purpose="phone_collection", masked=3))
    whom = stub.whom_bytes(Whom(subject=subject, case="委案2026-17"))
    digests = stub.digest(SALT, who), stub.digest(SALT, whom)
    made = stub.Stub(
        c=stub.pack(stub.commitment(*digests)), g=stub.pack(tag) if tag else "", i=index + 1, k="read",
        n="n1", r=stub.pack(SALT), t=1_000_000 + index,
    )  # fmt: skip
    return Entry(stub=stub.encode(made), who=who, whom=whom, digests=digests)


def body_lines(entries: Sequence[Entry], first: int, last: int, shown: Sequence[str]) -> list[dict[str, Any]]:
    """The lines of a bodies file behind its header."""
    return [
        {
            "index": at,
            **{
                k: v
                for side in ("who", "whom")
                for k, v in entries[at].side(side, shown=side in shown).items()
            },
        }
        for at in range(first, last)
    ]


def head_of(size: int, first: int, last: int, **changes: object) -> dict[str, Any]:
    """A bodies file's header."""
    return {
        "format": "cvault/bodies/v1", "origin": ORIGIN, "audit": "", "size": size, "first": first,
        "last": last, "disclose": "both", "sealed": False, **changes,
    }  # fmt: skip


def sealed(line: dict[str, Any], key: bytes, audit: str, origin: str = ORIGIN) -> dict[str, Any]:
    """A line in its box."""
    index = line["index"]
    own = hmac.digest(key, b"cvault/bodies/v1\0" + index.to_bytes(8, "big"), "sha256")
    nonce = index.to_bytes(12, "big")
    box = nonce + AESGCM(own).encrypt(
        nonce, json.dumps(line).encode(), f"{origin}\n{audit}\n{index}".encode()
    )
    return {"index": index, "box": b64u(box)}


def json_lines(*documents: object) -> str:
    """JSON Lines."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in documents)


# --- witnesses: c2sp.org/tlog-cosignature ------------------------------------------------------------------


class Witness:
    """Somebody outside who cosigns checkpoints."""

    def __init__(self, number: int) -> None:
        self.name, self.key = (
            f"witness.example/w{number}",
            Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32),
        )
        raw = b"\x04" + self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        self.vkey = f"{self.name}+{self.id.hex()}+{base64.b64encode(raw).decode()}"

    def cosign(self, signed_note: str, time: int = 1_700_000_000) -> str:
        """The note with one more line."""
        text, _ = note.split(signed_note)
        signature = self.key.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        packed = base64.b64encode(self.id + time.to_bytes(8, "big") + signature).decode()
        return f"{signed_note}— {self.name} {packed}\n"


# --- a borrower's report: docs/formats/access-report.md ---------------------------------------------------


def report_document(entries: Sequence[Entry], subject: Subject, about: Sequence[int]) -> dict[str, Any]:
    """What a report of these entries proves."""
    stubs = [one.stub for one in entries]
    hashes = [leaf_hash(one) for one in stubs]
    lines = [
        {
            "index": at, "series": 0, "number": number, "stub": stubs[at].decode(),
            "path": [base64.b64encode(step).decode() for step in path_of(at, hashes)],
            **entries[at].side("who", shown=True), **entries[at].side("whom", shown=False),
        }
        for number, at in enumerate(about)
    ]  # fmt: skip
    return {
        "format": "cvault/report/v1", "origin": ORIGIN, "checkpoint": signed(stubs),
        "made": 1_763_877_600_000_000, "series": [{"key": b64u(subject.key), "count": len(about)}],
        "entries": lines,
    }  # fmt: skip


def page_of(document: dict[str, Any], human: str = "<p>访问报告</p>") -> str:
    """The page up to its signature."""
    packed = base64.b64encode(json.dumps(document).encode()).decode()
    lines = "\n".join(packed[at : at + 76] for at in range(0, len(packed), 76))
    return f'<!DOCTYPE html><html><body>{human}<pre id="cvault-proof" hidden>{lines}</pre>'


def report(document: dict[str, Any], *, name: str = ORIGIN, human: str = "<p>访问报告</p>") -> str:
    """The whole signed page."""
    page = page_of(document, human)
    text = f"cvault/report/v1\n{hashlib.sha256(page.encode()).hexdigest()}\n"
    seal = html.escape(note.sign(text, name, KEY))
    return f'{page}<pre id="cvault-signature" hidden>{seal}</pre></body></html>\n'


SIZE: Final = 600
ENTRIES: Final = plain(SIZE)
"""Two full bundles, an edge, and two levels of tiles."""

NOTE: Final = signed(ENTRIES)
OTHER: Final = SigningKey.from_seed(bytes([9]) * 32)
"""A key that isn't the log's."""

DAMAGED: Final = (
    b"",
    b"\0",
    b"\xff\xfe\xff",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 10_000,
    b"\n" * 5_000,
)
"""Bytes that any file might turn out to hold."""


def patch(path: Path, at: int, data: bytes) -> None:
    """Other bytes at a place of a file."""
    old = path.read_bytes()
    path.write_bytes(old[:at] + data + old[at + len(data) :])


# --- a log about somebody

TAGGED_SIZE: Final = 300
MINE, OTHERS = Subject(1), Subject(2)
ABOUT: Final = (3, 10, 11, 258, 299)
"""Entries about the borrower; every other third is about somebody else."""


def made(about: tuple[int, ...], size: int = TAGGED_SIZE) -> list[Entry]:
    """A log of entries about the borrower, somebody else and nobody."""
    tags = {index: MINE.tag(number) for number, index in enumerate(about)}
    return [entry(at, tags.get(at, OTHERS.tag(at) if at % 3 == 0 else b""), f"s-{at}") for at in range(size)]


TAGGED: Final = made(ABOUT)
