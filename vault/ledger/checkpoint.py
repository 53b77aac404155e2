"""Checkpoints: a log's size and root, signed (c2sp.org/tlog-checkpoint; docs/formats/checkpoint.md)."""

from __future__ import annotations

import re
from typing import Final, Self

from vault.crypto.sign import SigningKey
from vault.errors import Invalid, Tampered
from vault.ledger import note as notes
from vault.ledger.note import VKey, from_base64, to_base64
from vault.merkle import EMPTY_ROOT, HASH_SIZE
from vault.model import Word

MAX_LOG_SIZE: Final = (1 << 63) - 1
"""The largest size that stores and C2SP tools hold as a signed 64-bit integer."""

_BODY_LINES: Final = 3
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}").fullmatch


def read_decimal(text: str) -> int:
    """A non-negative integer in ASCII digits without leading zeroes, below 2**63.

    Raises:
        Tampered: Any other spelling.
    """
    if not _DECIMAL(text) or int(text) > MAX_LOG_SIZE:
        raise Tampered("not a canonical decimal number")
    return int(text)


class Checkpoint(Word):
    """What a log says of itself at one size.

    Attributes:
        origin: The log's name, which is also its key's name.
        size: The number of entries.
        root: 32 bytes, the RFC 6962 root at that size.
        extensions: Further opaque lines; we write none (the specification advises against them).
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what the format can't carry."""
        lines = (self.origin, *self.extensions)
        if not all(lines) or any("\n" in line for line in lines):
            raise Invalid("a checkpoint's lines are not empty and hold no newline", field="origin")
        if not 0 <= self.size <= MAX_LOG_SIZE or len(self.root) != HASH_SIZE:
            raise Invalid("a checkpoint needs a size below 2**63 and a 32-byte root", field="size")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Invalid("the empty tree has one root only (RFC 6962 2.1)", field="root")

    def text(self) -> str:
        """The note text: origin, size, base64 of the root, extensions; each line ends in a newline."""
        return "\n".join((self.origin, str(self.size), to_base64(self.root), *self.extensions, ""))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note text; the only accepted spelling is the one `text` writes. Nothing is verified here.

        Raises:
            Tampered: It isn't a checkpoint.
        """
        lines = text.split("\n")
        if len(lines) <= _BODY_LINES or lines.pop():
            raise Tampered("the checkpoint is malformed", remedy="fetch it again from its source")
        origin, size, root, *extensions = lines
        try:
            return cls(
                origin=origin, size=read_decimal(size), root=from_base64(root), extensions=tuple(extensions)
            )
        except (Invalid, Tampered):
            raise Tampered("the checkpoint is malformed", remedy="fetch it again from its source") from None


def sign(cp: Checkpoint, key: SigningKey) -> str:
    """The checkpoint as a note signed under its origin's name.

    Raises:
        Invalid: The origin can't be a key name (a space or plus in it).
    """
    return notes.sign(cp.text(), cp.origin, key)


def open_checkpoint(note: str, vkey: VKey, *older: VKey) -> Checkpoint:
    """Read a signed checkpoint of the log that `vkey` names.

    Args:
        note: The whole signed note.
        vkey: The log's key.
        *older: The same log's keys from before rotations, trusted as well.

    Raises:
        Tampered: Malformed, signed by none of these keys, badly signed by one, or another log's.
    """
    cp = Checkpoint.parse(notes.open_note(note, (vkey, *older)))
    if cp.origin != vkey.name:
        raise Tampered("the checkpoint is another log's", remedy="check that the verifier key is this log's")
    return cp
