"""Random ids: of records, subjects, shelves, plans and principals. They say nothing of what they name."""

from __future__ import annotations

from vault.crypto.sign import token_bytes


def new_id(prefix: str) -> str:
    """A random id: the prefix, a dash and 26 base32 characters (130 bits)."""
    number = int.from_bytes(token_bytes(17), "big") >> 6
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append("0123456789abcdefghjkmnpqrstvwxyz"[digit])
    return f"{prefix}-{''.join(digits)}"
