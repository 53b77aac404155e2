"""Rows that do not fit into memory, put aside on disk so that nobody else can read them.

Each is sealed by AES-256-GCM (NIST SP 800-38D) under a key that is never anywhere but in this process's
memory, in a file that has no name: what is left of it after a crash opens for nobody.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import weakref
from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.errors import Tampered, Unavailable

_LENGTH: Final = struct.Struct(">I")
_TAG: Final = 16
_NONCE: Final = 12
_KEY_BITS: Final = 256


class Spill:
    """Byte strings put aside; each is had back by the offset that `append` gave.

    `close()` lets go of the file and of everything in it; so does losing the last reference.
    """

    def __init__(self) -> None:
        """Begin an empty one.

        Raises:
            Unavailable: There is no folder for temporary files.
        """
        self._key = AESGCM(AESGCM.generate_key(_KEY_BITS))
        with _translated():
            self._file = tempfile.TemporaryFile(prefix="cvault-")  # noqa: SIM115  lives as long as this object
        self.close = weakref.finalize(self, self._file.close)
        self._end = 0
        self._flushed = 0

    def append(self, data: bytes) -> int:
        """Put bytes aside and return where.

        Raises:
            Unavailable: The disk is full.
        """
        offset = self._end
        box = self._key.encrypt(_nonce(offset), data, None)
        with _translated():
            self._file.write(_LENGTH.pack(len(data)) + box)
        self._end += _LENGTH.size + len(box)
        return offset

    def read(self, offset: int) -> bytes:
        """What was put aside at an offset.

        Raises:
            Tampered: It is not what was put there.
            Unavailable: The disk failed.
        """
        with _translated():
            if offset >= self._flushed:
                self._file.flush()
                self._flushed = self._end
            head = os.pread(self._file.fileno(), _LENGTH.size, offset)
            size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
            box = os.pread(self._file.fileno(), size + _TAG, offset + _LENGTH.size)
        try:
            return self._key.decrypt(_nonce(offset), box, None)
        except InvalidTag:
            pass
        raise Tampered(
            "a temporary file was changed while it was in use",
            remedy="find out who writes to the folder for temporary files",
        )


def _nonce(offset: int) -> bytes:
    """No offset is used twice under one key, so no nonce is."""
    return offset.to_bytes(_NONCE, "big")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"rows cannot be put aside: {error.strerror or 'input or output failed'}",
            remedy="make room in the folder for temporary files, or name another in TMPDIR",
        ) from None
