"""Cosignatures of witnesses: c2sp.org/tlog-cosignature, Ed25519 alone (type 0x04, `cosignature/v1`).

A witness states that at a given second the checkpoint was the largest consistent one it had seen of the log.
The statement is one more signature line of the checkpoint's note (docs/formats/cosignature.md).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from vault.crypto.sign import verify
from vault.errors import Invalid, Tampered
from vault.ledger.note import VKey, split
from vault.model import Word

HEADER: Final = "cosignature/v1"
LATEST: Final = (1 << 63) - 1
SANE: Final = 253_402_300_799
"""The last second of the year 9999 (RFC 3339): of a witness whose clock is beyond it nothing is kept."""
"""The last POSIX second that a cosignature may name."""

_TYPE: Final = b"\x04"
_TIME_SIZE: Final = 8
_SIZE: Final = _TIME_SIZE + 64
_REMEDY: Final = "give the witness's own verifier key: name+8 hex digits+base64, of type 0x04"


class WitnessKey(VKey):
    """A witness's verifier key: like a log's, of type 0x04, so that neither can stand for the other."""

    @property
    def key_id(self) -> bytes:
        """`SHA-256(name || 0x0A || 0x04 || public)[:4]`."""
        return sha256(self.name.encode() + b"\n" + _TYPE + self.public).digest()[:4]

    def text(self) -> str:
        """The key on one line: `name+hex(key id)+base64(0x04 || public)`."""
        return f"{self.ident}+{base64.b64encode(_TYPE + self.public).decode('ascii')}"

    @property
    def ident(self) -> str:
        """Name and key id, as a signature line names it and the store keeps it: `name+hex(key id)`."""
        return f"{self.name}+{self.key_id.hex()}"


class Cosignature(Word):
    """One valid cosignature.

    Attributes:
        witness: Whose: `WitnessKey.ident`.
        time: POSIX seconds, the witness's own word.
        line: The signature line without its newline, as it stands in the note.
    """

    witness: str
    time: int
    line: str


def read_key(text: str) -> WitnessKey:
    """A witness's key on one line, in its only spelling.

    Raises:
        Invalid: It isn't one.
    """
    try:
        return WitnessKey.parse(text)
    except Invalid:
        raise Invalid(
            "the witness's key is malformed or not of type 0x04", field="vkey", remedy=_REMEDY
        ) from None


def message(text: str, time: int) -> bytes:
    """What a witness signs: header, time line, the whole text of the checkpoint (tlog-cosignature)."""
    return f"{HEADER}\ntime {time}\n{text}".encode()


def check(key: WitnessKey, signature: bytes, text: str) -> int:
    """Check a `timestamped_signature` over a checkpoint's text; the POSIX second it names.

    A time of zero is refused: an answer to `add-checkpoint` may not leave it out (tlog-witness).

    Raises:
        Tampered: It isn't this witness's over this text, or has another layout.
    """
    time = int.from_bytes(signature[:_TIME_SIZE])
    if len(signature) != _SIZE or not 0 < time <= LATEST:
        raise Tampered("the cosignature is malformed", remedy="ask the witness again")
    verify(key.public, signature[_TIME_SIZE:], message(text, time))
    return time


def cosignatures(note: str, keys: Sequence[WitnessKey]) -> list[Cosignature]:
    """The cosignatures that a note bears of these witnesses, in the note's order, each witness once.

    Lines of unknown keys are ignored, also where only name or only id match (signed-note).

    Raises:
        Tampered: The note is malformed, or a line of a known witness doesn't verify.
    """
    known = {(key.name, key.key_id): key for key in keys}
    text, signatures = split(note)
    lines = note[len(text) + 1 : -1].split("\n")
    found: dict[str, Cosignature] = {}
    for (name, key_id, signature), line in zip(signatures, lines, strict=True):
        key = known.get((name, key_id))
        if key is not None and key.ident not in found:
            time = check(key, signature, text)
            found[key.ident] = Cosignature(witness=key.ident, time=time, line=line)
    return list(found.values())
