"""One injective encoding for everything that is authenticated but not stored: contexts, MACs, derivations.

Layout (docs/formats/sealed.md): each part is one type byte (`b` bytes, `s` UTF-8 text, `i` integer), a
4-byte big-endian length and the bytes; integers are 8 bytes big-endian. The first part is the label that
separates one use from every other. Two different part lists never give the same bytes.
"""

from __future__ import annotations

import struct
from typing import Final

from vault.errors import Tampered

_HEAD: Final = struct.Struct(">cI").pack
_INT: Final = struct.Struct(">cIQ").pack
_REMEDY: Final = "stop; compare the store with a backup"
_SMALL: Final = 256
_TEXT: Final = tuple(_HEAD(b"s", size) for size in range(_SMALL))
_NUMBER: Final = tuple(_INT(b"i", 8, number) for number in range(_SMALL))
"""Nearly every part is a short text or a small number: their heads are made once."""


def encode(label: str, *parts: str | bytes | int) -> bytes:
    """Encode a label and its parts; integers must lie in 0..2^64-1.

    Raises:
        Tampered: An integer doesn't: the vault never stores such a number, so a store was edited.
    """
    text = label.encode()
    out = [_HEAD(b"s", len(text)), text]
    for part in parts:
        if isinstance(part, str):
            text = part.encode()
            size = len(text)
            out += (_TEXT[size] if size < _SMALL else _HEAD(b"s", size), text)
        elif isinstance(part, int):
            out.append(_NUMBER[part] if 0 <= part < _SMALL else _number(part))
        else:
            out += (_HEAD(b"b", len(part)), part)
    return b"".join(out)


def _number(part: int) -> bytes:
    try:
        return _INT(b"i", 8, part)
    except struct.error:
        raise Tampered("a stored number is out of its range", remedy=_REMEDY) from None
