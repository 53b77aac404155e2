"""The proof inside a report: a JSON document, and a signed note (docs/formats/access-report.md)."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from vault.crypto.sign import SigningKey
from vault.ledger import note, stub
from vault.ledger.note import to_base64
from vault.model import Quiet, Word

FORMAT: Final = "cvault/report/v1"
PROOF: Final = '<pre id="cvault-proof" hidden>'
SIGNATURE: Final = '<pre id="cvault-signature" hidden>'
LINE: Final = 76
"""Characters of base64 on a line, as in MIME (RFC 2045 6.8)."""


class Part(Quiet):
    """One side of an entry: text and salt where it is disclosed, the digest alone where it is withheld."""

    text: str | None = None
    salt: bytes | None = None
    digest: bytes | None = None


class Proven(Quiet):
    """One entry with what proves it.

    Attributes:
        index: Its place in the log.
        series: Which of the document's series it belongs to, from 0.
        number: Its number in that series, from 0.
        stub: Its exact bytes.
        path: Its inclusion path at the checkpoint's size, the leaf's sibling first (RFC 6962 2.1.1).
    """

    index: int
    series: int
    number: int
    stub: bytes
    path: tuple[bytes, ...]
    who: Part
    whom: Part


class _Series(Word, omit_defaults=True):
    key: str
    count: int
    first: int = 0


class _Entry(Word):
    index: int
    series: int
    number: int
    stub: str
    path: list[str]
    who: str | None
    who_salt: str | None
    who_digest: str | None
    whom: str | None
    whom_salt: str | None
    whom_digest: str | None


class _Document(Word):
    format: str
    origin: str
    checkpoint: str
    made: int
    series: list[_Series]
    entries: list[_Entry]


def document(
    *,
    origin: str,
    checkpoint: str,
    made: int,
    series: Sequence[tuple[bytes, int, int]],
    entries: Sequence[Proven],
) -> bytes:
    """The document's bytes.

    Args:
        origin: The log's name.
        checkpoint: The signed checkpoint, with whatever cosignatures it has.
        made: µs UTC.
        series: Of each generation handed over its tag key, its first number still in the log, and how many
            entries it had.
        entries: Every entry of every series.
    """
    return msgspec.json.encode(
        _Document(
            format=FORMAT,
            origin=origin,
            checkpoint=checkpoint,
            made=made,
            series=[_Series(key=stub.pack(key), count=count, first=first) for key, first, count in series],
            entries=[_entry(one) for one in entries],
        )
    )


def _entry(one: Proven) -> _Entry:
    return _Entry(
        index=one.index,
        series=one.series,
        number=one.number,
        stub=one.stub.decode("ascii"),
        path=[to_base64(item) for item in one.path],
        who=one.who.text,
        who_salt=_packed(one.who.salt),
        who_digest=_packed(one.who.digest),
        whom=one.whom.text,
        whom_salt=_packed(one.whom.salt),
        whom_digest=_packed(one.whom.digest),
    )


def _packed(data: bytes | None) -> str | None:
    return None if data is None else stub.pack(data)


def sealed(page: str, proof: bytes, origin: str, key: SigningKey) -> bytes:
    """The whole file: the page for people, the document, and the log key's signature over all before it.

    Args:
        page: HTML up to where the proof begins, its body still open; everything of people in it is escaped.
        proof: As `document` gave it.
        origin: The log's name, which is the key's.
        key: The log's key.
    """
    text = base64.b64encode(proof).decode("ascii")
    lines = "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))
    before = f"{page}{PROOF}{lines}</pre>\n"
    signed = note.sign(f"{FORMAT}\n{sha256(before.encode()).hexdigest()}\n", origin, key)
    return f"{before}{SIGNATURE}{html.escape(signed)}</pre></body></html>\n".encode()
