"""Signed notes with Ed25519 keys: c2sp.org/signed-note v1.0.0, type 0x01 alone.

A note is text, a blank line, and signature lines `— name base64(key id || signature)`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Self

from vault.crypto.sign import SigningKey, verify
from vault.errors import Invalid, Tampered
from vault.model import Word

MAX_SIZE: Final = 1 << 20
"""Bytes of a note that are looked at; sixteen post-quantum signatures of 5 kB fit many times."""

MAX_SIGNATURES: Final = 100
"""Signature lines that are looked at (the specification asks for at least 16)."""

_ED25519: Final = b"\x01"
_DASH: Final = "— "
_KEY_SIZE: Final = 32
_ID_SIZE: Final = 4
_REMEDY: Final = "give the one line that `cvault log vkey` prints: name+8 hex digits+base64"
_DIRTY: Final = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]").search
"""ASCII controls other than newline, and what UTF-8 can't hold."""


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 4), as every C2SP format uses."""
    return b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of a base64 text in its only canonical spelling.

    Raises:
        Tampered: Another alphabet, no padding, spaces, or spare bits that aren't zero.
    """
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Tampered("not canonical base64") from None
    if to_base64(data) != text:
        raise Tampered("not canonical base64")
    return data


def _is_name(name: str) -> bool:
    """Whether a key may be called so: not empty, no space, no plus, no control character, real Unicode."""
    return "+" not in name and name.split() == [name] and _is_clean(name)


def _is_clean(text: str) -> bool:
    """Whether a note may hold the text: valid UTF-8 without ASCII controls other than newline."""
    return _DIRTY(text) is None


class VKey(Word):
    """A verifier key: who signs, and the key to check it with.

    Attributes:
        name: The key's name; for a log, its origin.
        public: 32 bytes, RFC 8032.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Refuse a name or key that the format can't carry."""
        if not _is_name(self.name) or len(self.public) != _KEY_SIZE:
            raise Invalid("not a key name and a 32-byte Ed25519 key", field="vkey", remedy=_REMEDY)

    @property
    def key_id(self) -> bytes:
        """`SHA-256(name || 0x0A || 0x01 || public)[:4]`."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_SIZE]

    def text(self) -> str:
        """The key on one line: `name+hex(key id)+base64(0x01 || public)`."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one line, without its newline; the only accepted spelling is the one `text` writes.

        Raises:
            Invalid: It isn't an Ed25519 verifier key.
        """
        name, _, rest = text.partition("+")
        try:
            key = from_base64(rest.partition("+")[2])
        except Tampered:
            key = b""
        made = cls(name=name, public=key[1:])
        if made.text() != text:
            raise Invalid("the verifier key is malformed or not Ed25519", field="vkey", remedy=_REMEDY)
        return made


def sign(text: str, name: str, key: SigningKey) -> str:
    """Make a note of a text and one signature.

    Args:
        text: The body; ends in a newline.
        name: The signer's key name.
        key: The signer's key.

    Raises:
        Invalid: The text doesn't end in a newline or holds what a note may not.
    """
    if not text.endswith("\n") or not _is_clean(text):
        raise Invalid("a note's text ends in a newline and holds no control characters", field="text")
    return f"{text}\n{_signature_line(text, name, key)}"


def countersign(note: str, name: str, key: SigningKey) -> str:
    """Add a signature to a note, after those it has; at a key rotation both keys sign.

    Raises:
        Tampered: The note is malformed.
    """
    text, _ = split(note)
    return note + _signature_line(text, name, key)


def _signature_line(text: str, name: str, key: SigningKey) -> str:
    key_id = VKey(name=name, public=key.public).key_id
    return f"{_DASH}{name} {to_base64(key_id + key.sign(text.encode()))}\n"


def split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """A note's text and its signatures `(name, key id, signature)`, none of them verified.

    Raises:
        Tampered: The note is malformed or beyond the limits.
    """
    malformed = Tampered("the signed note is malformed", remedy="fetch it again from its source")
    at = note.rfind("\n\n")
    if at < 0 or not note.endswith("\n") or len(note) > MAX_SIZE or not _is_clean(note):
        raise malformed
    lines = note[at + 2 : -1].split("\n")
    if len(note.encode()) > MAX_SIZE or len(lines) > MAX_SIGNATURES:
        raise malformed
    return note[: at + 1], [_read_signature(line) for line in lines]


def _read_signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    signature = from_base64(encoded)
    if not line.startswith(_DASH) or not _is_name(name) or len(signature) <= _ID_SIZE:
        raise Tampered("a signature line is malformed", remedy="fetch the note again from its source")
    return name, signature[:_ID_SIZE], signature[_ID_SIZE:]


def open_note(text: str, vkeys: Sequence[VKey]) -> str:
    """A note's body, once a known key vouches for it. Signatures of unknown keys are ignored.

    Args:
        text: The whole note.
        vkeys: The keys that the caller trusts.

    Raises:
        Tampered: The note is malformed, no known key signed it, or a known key's signature is bad.
        Invalid: Two different trusted keys share name and id, so a signature couldn't be told apart.
    """
    known = {(vkey.name, vkey.key_id): vkey.public for vkey in vkeys}
    if any(known[vkey.name, vkey.key_id] != vkey.public for vkey in vkeys):
        raise Invalid("two verifier keys share a name and an id", field="vkey", remedy="rename one of them")
    body, signatures = split(text)
    vouched = False
    for name, key_id, signature in signatures:
        public = known.get((name, key_id))
        if public is not None:
            verify(public, signature, body.encode())
            vouched = True
    if not vouched:
        raise Tampered(
            "no trusted key has signed the note", remedy="check that the verifier key is this log's"
        )
    return body
