"""Entry bodies: written by every node, opened by the auditing room alone."""

from __future__ import annotations

import pytest

from vault.crypto.bodies import BodyOpener, BodySealer, audit_key_pair, body_context
from vault.errors import Tampered

PRIVATE, PUBLIC = audit_key_pair()
CONTEXT = body_context("main", b"c" * 32)
SECRET = b"u" * 32


@pytest.fixture(scope="module")
def blob() -> bytes:
    """One sealed body."""
    return BodySealer(PUBLIC, "main").seal(b"payload", SECRET, "sh-1", CONTEXT)


def test_opens_with_both_keys(blob: bytes) -> None:
    """The audit private key and the subject's log secret open it; the hint needs the first alone."""
    opener = BodyOpener(PRIVATE, "main")
    assert opener.open(blob, SECRET, CONTEXT) == b"payload"
    assert opener.shelf(blob, CONTEXT) == "sh-1"


def test_neither_key_alone(blob: bytes) -> None:
    """Another audit key, no log secret, another tenant or entry: nothing opens."""
    with pytest.raises(Tampered):
        BodyOpener(PRIVATE, "main").open(blob, b"", CONTEXT)
    with pytest.raises(Tampered):
        BodyOpener(PRIVATE, "main").open(blob, SECRET, body_context("main", b"d" * 32))
    for opener in (BodyOpener(audit_key_pair()[0], "main"), BodyOpener(PRIVATE, "other")):
        with pytest.raises(Tampered):
            opener.open(blob, SECRET, CONTEXT)
        with pytest.raises(Tampered):
            opener.shelf(blob, CONTEXT)


def test_the_secret_that_fits_is_found_among_others(blob: bytes) -> None:
    """By its place; none is no error, another version or envelope is."""
    opener = BodyOpener(PRIVATE, "main")
    assert opener.first(blob, [b"v" * 32, SECRET, b"w" * 32], CONTEXT) == (1, b"payload")
    assert opener.first(blob, [b"v" * 32], CONTEXT) is None
    assert opener.first(blob, [], CONTEXT) is None
    for changed in (b"\2" + blob[1:], blob[:1] + b"\0" * 80 + blob[81:]):
        with pytest.raises(Tampered):
            opener.first(changed, [SECRET], CONTEXT)


def test_every_byte_counts(blob: bytes) -> None:
    """A changed byte is reported by the hint or by the body."""
    opener = BodyOpener(PRIVATE, "main")
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1
        if place < 141:
            with pytest.raises(Tampered):
                opener.shelf(bytes(changed), CONTEXT)
        if not 93 <= place < 141:
            with pytest.raises(Tampered):
                opener.open(bytes(changed), SECRET, CONTEXT)


def test_batches_share_one_envelope() -> None:
    """Bodies of one batch carry the same 80-byte envelope, those of another batch another."""
    sealer = BodySealer(PUBLIC, "main")
    first, second = (sealer.seal(b"x", SECRET, "", CONTEXT) for _ in range(2))
    assert first[:81] == second[:81]
    assert first[81:] != second[81:]
    assert BodySealer(PUBLIC, "main").seal(b"x", SECRET, "", CONTEXT)[:81] != first[:81]


def test_a_bodys_context_names_tenant_and_entry() -> None:
    """Another tenant or another commitment is another context."""
    contexts = {body_context(t, c) for t in ("main", "other") for c in (b"c" * 32, b"d" * 32)}
    assert len(contexts) == 4
