"""Samples that nobody chose: indices that follow from a signed checkpoint (docs/formats/sample.md).

    draw k = first 64 bits, big-endian, of SHA-256("cvault/sample/v1" || 0x00 || seed || k[8, big-endian])

The seed is the checkpoint's whole signed note. A draw at or above the largest multiple of the size that 64
bits hold is passed over, so that every index is equally likely; so is an index drawn before. Whoever has the
note computes the same sample, and a longer sample begins with the shorter one.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import count, islice
from typing import Final

from vault.errors import Invalid

LABEL: Final = b"cvault/sample/v1\x00"
MOST: Final = 10_000
"""Entries in one sample, or in one stratum of it."""
_SPACE: Final = 1 << 64
_BYTES: Final = 8


def seed_of(note: str, column: str = "", value: str = "") -> bytes:
    """The seed of a sample: the note's bytes, and for a stratum its name behind them.

    A note ends in a signature line, which no stratum's name looks like: two strata never share a seed.
    """
    return (note + (f"{column}={value}\n" if column else "")).encode()


def _draws(seed: bytes, size: int) -> Iterator[int]:
    """Every number below a size once, in the seed's order."""
    start, limit = sha256(LABEL + seed), _SPACE - _SPACE % size
    drawn: set[int] = set()
    for counter in count():
        if len(drawn) == size:
            return
        state = start.copy()
        state.update(counter.to_bytes(8, "big"))
        number = int.from_bytes(state.digest()[:_BYTES], "big")
        if number < limit and (found := number % size) not in drawn:
            drawn.add(found)
            yield found


def draw(seed: bytes, size: int, wanted: int) -> list[int]:
    """The first indices that a seed draws below a size, in the order in which they are drawn.

    Args:
        seed: As `seed_of` gives it.
        size: How many there are to draw from.
        wanted: How many to draw; all of them where there are no more.

    Raises:
        Invalid: `wanted` isn't 1 to `MOST`.
    """
    if not 0 < wanted <= MOST:
        raise Invalid(
            f"a sample has 1 to {MOST} entries", code="invalid_sample", field="count", remedy="draw fewer"
        )
    return list(islice(_draws(seed, size), wanted)) if size > 0 else []
