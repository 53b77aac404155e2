"""Receipts: an entry's inclusion proof, checked offline (c2sp.org/tlog-proof; docs/formats/receipt.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from vault.errors import Invalid, Tampered
from vault.ledger.checkpoint import Checkpoint, open_checkpoint, read_decimal
from vault.ledger.note import VKey, from_base64, split, to_base64
from vault.merkle import HASH_SIZE, check_inclusion, leaf_hash
from vault.model import Word

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_PATH: Final = 63
"""The longest path in a tree below 2**63 leaves."""

MAX_EXTRA: Final = 1 << 16
"""Bytes of extra data that are looked at."""


class Proof(Word):
    """A receipt's parts, as written; nothing in it is verified.

    Attributes:
        index: The entry's place in the log.
        path: The inclusion path, leaf's sibling first; 32 bytes each.
        note: The signed checkpoint, verbatim.
        extra: Opaque data that nothing authenticates.
    """

    index: int
    path: tuple[bytes, ...]
    note: str
    extra: bytes = b""

    def text(self) -> str:
        """The receipt: header, extra if any, index, path, blank line, checkpoint."""
        extra = [f"extra {to_base64(self.extra)}"] if self.extra else []
        lines = [HEADER, *extra, f"index {self.index}", *map(to_base64, self.path), "", self.note]
        return "\n".join(lines)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a receipt; the only accepted spelling is the one `text` writes.

        Raises:
            Tampered: It isn't a receipt.
        """
        head, _, note = text.partition("\n\n")
        header, *lines = head.split("\n", MAX_PATH + 4)
        extra = from_base64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else b""
        word, _, index = lines.pop(0).partition(" ") if lines else ("", "", "")
        if header != HEADER or word != "index" or len(lines) > MAX_PATH or len(extra) > MAX_EXTRA:
            raise Tampered("the receipt is malformed", remedy="ask for it again")
        made = cls(index=read_decimal(index), path=tuple(map(_read_hash, lines)), note=note, extra=extra)
        if made.text() != text:
            raise Tampered("the receipt is malformed", remedy="ask for it again")
        return made


def _read_hash(line: str) -> bytes:
    data = from_base64(line)
    if len(data) != HASH_SIZE:
        raise Tampered("a hash in the receipt is malformed", remedy="ask for it again")
    return data


def make(index: int, path: Sequence[bytes], checkpoint_note: str, extra: bytes = b"") -> str:
    """Write a receipt.

    Args:
        index: The entry's place in the log.
        path: `merkle.inclusion_path` of it at the checkpoint's size.
        checkpoint_note: The signed checkpoint, with whatever cosignatures it has.
        extra: Opaque data that nothing authenticates.

    Raises:
        Invalid: The index is outside the checkpoint's tree, or a part is beyond the limits.
        Tampered: The note isn't a checkpoint.
    """
    size = Checkpoint.parse(split(checkpoint_note)[0]).size
    if not 0 <= index < size or len(path) > MAX_PATH or any(len(item) != HASH_SIZE for item in path):
        raise Invalid(
            "the path or index does not fit the checkpoint", field="index", remedy="prove at its size"
        )
    if len(extra) > MAX_EXTRA:
        raise Invalid("the extra data is too long", field="extra", remedy=f"keep it within {MAX_EXTRA} bytes")
    return Proof(index=index, path=tuple(path), note=checkpoint_note, extra=extra).text()


def check(text: str, entry: bytes, vkey: VKey, *older: VKey) -> Checkpoint:
    """Check that a receipt proves this entry to be in the log that `vkey` names.

    Args:
        text: The receipt.
        entry: The entry's exact bytes: the stub.
        vkey: The log's key.
        *older: The same log's keys from before rotations.

    Returns:
        The checkpoint under which the entry stands.

    Raises:
        Tampered: The receipt is malformed, not signed by the log, or proves something else.
    """
    proof = Proof.parse(text)
    cp = open_checkpoint(proof.note, vkey, *older)
    check_inclusion(leaf_hash(entry), proof.index, cp.size, proof.path, cp.root)
    return cp
