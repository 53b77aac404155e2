"""The injective encoding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.encoding import encode

PARTS = st.lists(st.one_of(st.text(max_size=6), st.binary(max_size=6), st.integers(0, 2**64 - 1)), max_size=4)


def test_known_bytes() -> None:
    """The layout is the one docs/formats/sealed.md gives: type, length, bytes."""
    assert encode("ab", "c", b"\x00", 258).hex() == (
        "73000000026162" "730000000163" "620000000100" "69000000080000000000000102"
    )  # fmt: skip


@given(st.text(max_size=4), PARTS, st.text(max_size=4), PARTS)
def test_injective(
    label: str, parts: list[str | bytes | int], other: str, others: list[str | bytes | int]
) -> None:
    """Two lists give the same bytes only if they are the same list, types included."""
    same = (label, [(type(p), p) for p in parts]) == (other, [(type(p), p) for p in others])
    assert (encode(label, *parts) == encode(other, *others)) is same
