"""Samples: as the format page computes them, without repetition, and nobody's choice."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.ledger.sampling import draw, seed_of

VECTORS = Path(__file__).parents[2] / "vectors" / "sample.json"
seeds = st.binary(min_size=1, max_size=40)


def drawn(seed: bytes, size: int, wanted: int) -> list[int]:
    """The sample as docs/formats/sample.md says it, told slowly."""
    found: list[int] = []
    counter = 0
    while len(found) < min(wanted, size):
        hashed = sha256(b"cvault/sample/v1" + b"\0" + seed + counter.to_bytes(8, "big")).hexdigest()
        number = int(hashed[:16], 16)
        if number < 2**64 // size * size and number % size not in found:
            found.append(number % size)
        counter += 1
    return found


@given(seeds, st.integers(1, 500), st.integers(1, 60))
def test_a_sample_is_what_the_page_says(seed: bytes, size: int, wanted: int) -> None:
    """Each index is below the size and there once; a short log gives all it has."""
    found = draw(seed, size, wanted)
    assert found == drawn(seed, size, wanted)
    assert len(set(found)) == len(found) == min(size, wanted)


@given(seeds, st.integers(1, 2**63), st.integers(1, 50), st.integers(1, 50))
def test_a_longer_sample_begins_with_the_shorter(seed: bytes, size: int, less: int, more: int) -> None:
    """More entries are asked for later without throwing away what was reviewed."""
    less, more = sorted((less, more))
    assert draw(seed, size, more)[:less] == draw(seed, size, less)
    assert all(0 <= index < size for index in draw(seed, size, more))


def test_every_index_is_as_likely() -> None:
    """Over 2,000 seeds each of ten indices comes up first about 200 times (chi-squared, 9 degrees)."""
    first = Counter(draw(b"%d" % seed, 10, 1)[0] for seed in range(2000))
    assert sum((first[index] - 200) ** 2 / 200 for index in range(10)) < 27.9  # p = 0.001


def test_a_draw_beyond_the_last_multiple_is_passed_over() -> None:
    """Of a size just above 2**63, nearly half of all draws are refused; none is folded to a small index."""
    size = 2**63 + 1
    raw = [
        int.from_bytes(sha256(b"cvault/sample/v1\0s" + k.to_bytes(8, "big")).digest()[:8], "big")
        for k in range(40)
    ]
    kept = [number for number in raw if number < size]
    assert 5 < len(kept) < 35
    assert draw(b"s", size, len(kept)) == kept


@pytest.mark.parametrize("wanted", [0, -1, 10_001])
def test_a_sample_has_a_sensible_size(wanted: int) -> None:
    """None, and more than 10,000, are refused."""
    with pytest.raises(Invalid):
        draw(b"s", 5, wanted)


def test_an_empty_log_has_an_empty_sample() -> None:
    """Nothing to draw from."""
    assert draw(b"s", 0, 3) == []


@pytest.mark.parametrize("case", json.loads(VECTORS.read_bytes())["samples"])
def test_vectors(case: dict[str, Any]) -> None:
    """What anybody else computes from the same note."""
    seed = seed_of(case["note"], case["column"], case["value"])
    assert sha256(seed).hexdigest() == case["seed_sha256"]
    assert draw(seed, case["size"], case["count"]) == case["draws"]
