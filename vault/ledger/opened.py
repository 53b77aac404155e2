"""Opened entries: the bodies file that an auditor checks against the tree (docs/formats/audit-bodies.md).

Text of a side is the exact bytes that its digest was made of, so a verifier hashes what it is given and
re-encodes nothing. What is withheld, or gone with its subject, stands as its digest alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from vault.crypto.boxes import Boxes
from vault.crypto.provider import sync_folder
from vault.crypto.sign import token_bytes
from vault.errors import Invalid, Tampered, Unavailable
from vault.ledger import stub
from vault.model import Word

FORMAT: Final = "cvault/bodies/v1"
KEY_FORMAT: Final = "cvault/audit-key/v1"
_JSON: Final = msgspec.json.Encoder()


class Header(Word):
    """The file's first line.

    Attributes:
        audit: The audit's id, "" without one.
        size: The log's size when the file was made.
        first, last: Entries `first` to `last - 1`: every one of them has a line, in order.
        disclose: `who`, `whom` or `both`.
        sealed: Whether each line is a box.
    """

    format: str
    origin: str
    audit: str
    size: int
    first: int
    last: int
    disclose: str
    sealed: bool


class Side(Word):
    """Who, or whom, of one entry: text and salt where it is shown, always its digest (32 bytes)."""

    digest: bytes
    text: bytes | None = None
    salt: bytes | None = None


class OpenLine(Word):
    """One entry's line: of each side text and salt, or the digest alone. Bytes are base64url, unpadded."""

    index: int
    who: str | None
    who_salt: str | None
    who_digest: str | None
    whom: str | None
    whom_salt: str | None
    whom_digest: str | None


class SealedLine(Word):
    """One entry's line in a sealed file."""

    index: int
    box: str


class KeyFile(Word):
    """An audit's key file; `ends` is the last day (ISO) on which it is given out again."""

    format: str
    origin: str
    audit: str
    key: str
    ends: str


def line(index: int, data: bytes, who: Side, whom: Side, boxes: Boxes | None = None) -> bytes:
    """One entry's line with its newline, sealed if there are boxes.

    Args:
        index: The entry's place in the log.
        data: Its stub.
        who: What is shown of who acted.
        whom: What is shown of on whom.
        boxes: Seals the line for an audit; None leaves it in clear.

    Raises:
        Tampered: The two sides aren't those that the stub commits to: such a line would prove nothing.
    """
    try:
        committed = stub.pack(stub.commitment(who.digest, whom.digest))
    except Invalid:  # a digest of another length
        committed = ""
    if committed != stub.decode(data).c:
        raise Tampered("the entry beside the tree is not the one committed to", index=index)
    made = _JSON.encode(
        OpenLine(
            index=index,
            who=_text(who),
            who_salt=_packed(who.salt),
            who_digest=_digest(who),
            whom=_text(whom),
            whom_salt=_packed(whom.salt),
            whom_digest=_digest(whom),
        )
    )
    if boxes is not None:
        made = _JSON.encode(SealedLine(index=index, box=stub.pack(boxes.seal(index, made))))
    return made + b"\n"


def _text(side: Side) -> str | None:
    return None if side.text is None else side.text.decode()


def _packed(data: bytes | None) -> str | None:
    return None if data is None else stub.pack(data)


def _digest(side: Side) -> str | None:
    return stub.pack(side.digest) if side.text is None else None


@contextmanager
def bodies_file(path: Path, header: Header) -> Iterator[IO[bytes]]:
    """A bodies file (0600) to write lines to; it appears whole when the block has ended, or not at all.

    Raises:
        Unavailable: It can't be written.
    """
    draft = path.with_name(f"{path.name}.{token_bytes(4).hex()}.part")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_JSON.encode(header) + b"\n")
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError:
        raise Unavailable(
            "the bodies file cannot be written", field="bodies", remedy="check space and rights"
        ) from None
