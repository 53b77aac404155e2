"""Ed25519 against RFC 8032 7.1, P-256 against RFC 6979 A.2.5, and what is no key."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.sign import (
    ALGORITHMS,
    P256Key,
    SigningKey,
    b64,
    check_public,
    fresh_key,
    private_key,
    public_key,
    public_text,
    unb64,
    verify,
)
from vault.errors import Invalid, Tampered

# RFC 8032 7.1, TEST 2.
SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
# RFC 6979 A.2.5, SHA-256, message "sample"; its s lies in the high half.
SCALAR = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
POINT = (
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
R = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
HIGH_S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_known_answer() -> None:
    """The RFC's second test: key, signature and verification."""
    key = SigningKey.from_seed(bytes.fromhex(SEED))
    assert key.public.hex() == PUBLIC
    assert key.sign(b"\x72").hex() == SIGNATURE
    verify(key.public, bytes.fromhex(SIGNATURE), b"\x72")


def test_known_answer_p256() -> None:
    """The RFC's nonce and point; s is brought into its low half, and the RFC's own high one is refused."""
    key = P256Key.from_scalar(bytes.fromhex(SCALAR))
    assert key.public.hex() == POINT
    low = bytes.fromhex(R) + (ORDER - HIGH_S).to_bytes(32)
    assert key.sign(b"sample") == low
    verify(key.public, low, b"sample")
    with pytest.raises(Tampered):
        verify(key.public, bytes.fromhex(R) + HIGH_S.to_bytes(32), b"sample")


def test_refusals() -> None:
    """Other data, another signature, another key, no key at all: each raises."""
    public, signature = bytes.fromhex(PUBLIC), bytes.fromhex(SIGNATURE)
    for args in (
        (public, signature, b"\x73"),
        (public, signature[:-1] + b"\x01", b"\x72"),
        (SigningKey.generate().public, signature, b"\x72"),
        (P256Key.generate().public, signature, b"\x72"),
        (b"short", signature, b"\x72"),
        (public, b"", b"\x72"),
    ):
        with pytest.raises(Tampered):
            verify(*args)


@given(data=st.binary(max_size=40), at=st.integers(0, 511))
def test_p256_signs_low_and_once(data: bytes, at: int) -> None:
    """A signature is the same again, has a low s, and no bit of it can be changed."""
    key = P256Key.from_scalar(bytes([7]) * 32)
    signature = key.sign(data)
    assert key.sign(data) == signature
    assert int.from_bytes(signature[32:]) <= ORDER // 2
    verify(key.public, signature, data)
    flipped = bytearray(signature)
    flipped[at // 8] ^= 1 << at % 8
    with pytest.raises(Tampered):
        verify(key.public, bytes(flipped), data)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_survive_their_text(algorithm: str) -> None:
    """Private and public text read back as the same key, and keys are equal by what they sign for."""
    key = fresh_key(algorithm)
    again = private_key(key.text)
    assert (again, again.algorithm, again.public) == (key, algorithm, key.public)
    assert len({key, again, fresh_key(algorithm)}) == 2
    assert public_key(public_text(key.public)) == key.public
    verify(key.public, again.sign(b"x"), b"x")


@pytest.mark.parametrize(
    "text",
    [
        "", "A", "A" * 42, "A" * 43 + "=", "A" * 42 + "B", "A" * 44, "P-256." + "A" * 43, "P-256.",
        "P-256." + b64(ORDER.to_bytes(32)), "P-256." + b64(bytes(31) + b"\1\0"), "p-256." + b64(b"\1" * 32),
        "P-384." + b64(b"\1" * 32), "!" * 43, "é" * 43, b64(b"\1" * 33),
    ],
)  # fmt: skip
def test_private_text_that_is_none(text: str) -> None:
    """Another length, another spelling, a scalar out of range or another curve is no key."""
    with pytest.raises(Invalid):
        private_key(text)


X, Y = POINT[2:66], POINT[66:]
SMALL_Y = "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826"


@pytest.mark.parametrize(
    "raw",
    [
        "", "00", "04", "02" + X, "03" + X, "06" + X + Y, "07" + X + Y, "00" + X + Y, "04" + X + X,
        "04" + "00" * 64,
        "04" + "ff" * 32 + Y, POINT + "00", "00" * 32, "01" + "00" * 31, "01" + "00" * 30 + "80",
        "ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "f0" + "ff" * 31,
        bytes.fromhex(SMALL_Y)[::-1].hex(),
        PUBLIC + "00", PUBLIC[2:],
    ],
)  # fmt: skip
def test_what_is_no_public_key(raw: str) -> None:
    """Compressed, hybrid, infinite, off the curve, unreduced or of small order: each is refused."""
    with pytest.raises(Invalid):
        check_public(bytes.fromhex(raw))
    for prefix in ("", "P-256."):
        with pytest.raises(Invalid):
            public_key(prefix + b64(bytes.fromhex(raw)))


def test_prefix_and_kind_agree() -> None:
    """A public key under the other kind's prefix is refused."""
    for text in (b64(bytes.fromhex(POINT)), "P-256." + b64(bytes.fromhex(PUBLIC))):
        with pytest.raises(Invalid):
            public_key(text)


def test_unknown_algorithm() -> None:
    """No key is made of a kind that isn't known, and the error says which are."""
    with pytest.raises(Invalid) as caught:
        fresh_key("RSA")
    assert (caught.value.field, caught.value.remedy) == ("algorithm", "Ed25519 or P-256")


@given(data=st.binary(max_size=12))
def test_one_spelling(data: bytes) -> None:
    """Of all texts a character away from a spelling, none is another spelling of the same bytes."""
    text = b64(data)
    assert unb64(text) == data
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n":
        for other in (text + last, text[:-1] + last):
            try:
                assert other == text or unb64(other) != data
            except Invalid:
                continue


def test_shows_nothing() -> None:
    """The private key is in no repr, and isn't pickled."""
    assert repr(SigningKey.from_seed(bytes.fromhex(SEED))) == "<SigningKey>"
    assert repr(P256Key.from_scalar(bytes.fromhex(SCALAR))) == "<P256Key>"
    with pytest.raises(TypeError):
        pickle.dumps(P256Key.generate())
