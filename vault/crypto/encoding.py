"""One injective encoding for everything that is authenticated but not stored: contexts, MACs, derivations.

Layout (docs/formats/sealed.md): each part is one type byte (`b` bytes, `s` UTF-8 text, `i` integer), a
4-byte big-endian length and the bytes; integers are 8 bytes big-endian. The first part is the label that
separates one use from every other. Two different part lists never give the same bytes.
"""

from __future__ import annotations

import struct
from typing import Final

_HEAD: Final = struct.Struct(">cI").pack
_INT: Final = struct.Struct(">cIQ").pack


def encode(label: str, *parts: str | bytes | int) -> bytes:
    """Encode a label and its parts; integers must lie in 0..2^64-1."""
    text = label.encode()
    out = [_HEAD(b"s", len(text)), text]
    for part in parts:
        if isinstance(part, int):
            out.append(_INT(b"i", 8, part))
        elif isinstance(part, str):
            text = part.encode()
            out += (_HEAD(b"s", len(text)), text)
        else:
            out += (_HEAD(b"b", len(part)), part)
    return b"".join(out)
