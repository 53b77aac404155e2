"""Wrapping keys under keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vault.crypto.wrap import WrappingKey, log_secret_context, secret_context, shelf_context
from vault.errors import Tampered

KEY = WrappingKey(bytes(32))


def test_round_trip() -> None:
    """A secret unwraps under the key and context it was wrapped with; it is 61 bytes long."""
    wrapped = KEY.wrap(b"s" * 32, b"context")
    assert KEY.unwrap(wrapped, b"context") == b"s" * 32
    assert len(wrapped) == 61


def test_every_bit_and_the_context_count() -> None:
    """A flipped bit, another context, another key: each is reported."""
    wrapped = KEY.wrap(b"s" * 32, b"context")
    for bit in range(8 * len(wrapped)):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Tampered):
            KEY.unwrap(bytes(changed), b"context")
    with pytest.raises(Tampered):
        KEY.unwrap(wrapped, b"contexT")
    with pytest.raises(Tampered):
        WrappingKey(bytes([1]) * 32).unwrap(wrapped, b"context")


def test_contexts_differ() -> None:
    """No two uses, places or generations share a context."""
    contexts = [
        secret_context("t", "sh", 1, "r", 1),
        secret_context("t", "sh", 1, "r", 2),
        secret_context("t", "sh", 2, "r", 1),
        secret_context("u", "sh", 1, "r", 1),
        log_secret_context("t", "sh", 1, "r"),
        shelf_context("t", "sh", 1, 1),
        shelf_context("t", "sh", 1, 2),
    ]
    assert len(set(contexts)) == len(contexts)


def test_shows_nothing() -> None:
    """A wrapping key's repr holds no key."""
    assert repr(KEY) == "<WrappingKey>"


def test_every_part_of_a_context_counts() -> None:
    """Tenant, shelf, generation and what is wrapped: one part changed is another context."""
    cases: list[tuple[Callable[..., bytes], tuple[str | int, ...]]] = [
        (secret_context, ("main", "sh-1", 1, "r-1", 1)),
        (log_secret_context, ("main", "sh-1", 1, "s-1")),
        (shelf_context, ("main", "sh-1", 1, 1)),
    ]
    for context, parts in cases:
        made = {context(*parts)}
        for place, part in enumerate(parts):
            other = part + 1 if isinstance(part, int) else f"{part}x"
            made.add(context(*parts[:place], other, *parts[place + 1 :]))
        assert len(made) == len(parts) + 1


def test_every_wrapping_has_a_nonce_of_its_own() -> None:
    """Two secrets under one key and one nonce would give away their difference, and then the key of GHASH."""
    wrapped = [KEY.wrap(b"s" * 32, b"context") for _ in range(64)]
    assert len({one[1:13] for one in wrapped}) == len({one[13:45] for one in wrapped}) == 64
