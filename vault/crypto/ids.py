"""Random ids: of records, subjects, shelves, plans and principals. They say nothing of what they name.

    id = prefix - neighbourhood[8] rest[18]                         base32, 40 and 90 random bits

Ids made for one batch share a neighbourhood, itself random, so that an engine's B-trees take the batch's
rows on a few pages; ids alone tell no more than that two records came in together (docs/adr/0010).
"""

from __future__ import annotations

import base64
from typing import Final

from vault.crypto.sign import token_bytes

_DIGITS: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")
_NEAR: Final = 8
_ALL: Final = 26


def _base32(size: int) -> str:
    """Random base32 digits, 8 for every 5 bytes."""
    return base64.b32encode(token_bytes(size)).translate(_DIGITS).decode("ascii")


def neighbourhood() -> str:
    """Where the ids of one batch are to stand: 40 random bits."""
    return _base32(5)


def new_id(prefix: str, near: str = "") -> str:
    """A random id: the prefix, a dash and 26 base32 characters; `near` gives the first eight of them."""
    return f"{prefix}-{near or neighbourhood()}{_base32(15)[: _ALL - _NEAR]}"
