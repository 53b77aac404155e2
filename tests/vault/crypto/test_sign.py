"""Ed25519, against RFC 8032 7.1."""

from __future__ import annotations

import pytest

from vault.crypto.sign import SigningKey, verify
from vault.errors import Tampered

# RFC 8032 7.1, TEST 2.
SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_known_answer() -> None:
    """The RFC's second test: key, signature and verification."""
    key = SigningKey.from_seed(bytes.fromhex(SEED))
    assert key.public.hex() == PUBLIC
    assert key.sign(b"\x72").hex() == SIGNATURE
    verify(key.public, bytes.fromhex(SIGNATURE), b"\x72")


def test_refusals() -> None:
    """Other data, another signature, another key, no key at all: each raises."""
    public, signature = bytes.fromhex(PUBLIC), bytes.fromhex(SIGNATURE)
    for args in (
        (public, signature, b"\x73"),
        (public, signature[:-1] + b"\x01", b"\x72"),
        (SigningKey.generate().public, signature, b"\x72"),
        (b"short", signature, b"\x72"),
        (public, b"", b"\x72"),
    ):
        with pytest.raises(Tampered):
            verify(*args)


def test_shows_nothing() -> None:
    """The private key is in no repr."""
    assert repr(SigningKey.from_seed(bytes.fromhex(SEED))) == "<SigningKey>"
