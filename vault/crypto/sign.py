"""Signatures: Ed25519 (RFC 8032) for what the vault signs; P-256 (FIPS 186-5) too for tokens' holders.

A public key travels as raw bytes, and their number tells its kind: 32 for Ed25519, 65 for an uncompressed
P-256 point (SEC 1, 2.3.3). A private key travels as text (docs/formats/token.md 7). Signatures of both kinds
are 64 bytes and deterministic, so signing again after a crash gives the same bytes; there is one spelling of
each, an ECDSA signature with s in its high half is refused.
"""

from __future__ import annotations

import base64
import secrets
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from vault.errors import Invalid, Tampered

SEED_SIZE: Final = 32
ED25519: Final = "Ed25519"
P256: Final = "P-256"
ALGORITHMS: Final = (ED25519, P256)

_POINT_SIZE: Final = 65
_UNCOMPRESSED: Final = 4
_PREFIX: Final = f"{P256}."
_CURVE: Final = ec.SECP256R1()
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order n of P-256 (SEC 2, 2.4.2)."""
_SIGNS: Final = ec.ECDSA(SHA256(), deterministic_signing=True)
_CHECKS: Final = ec.ECDSA(SHA256())
_PRIME: Final = 2**255 - 19
_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL: Final = frozenset({0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8})
"""y of the Ed25519 points whose order divides 8: anyone can sign for these."""


def token_bytes(size: int) -> bytes:
    """Fresh random bytes from the operating system."""
    return secrets.token_bytes(size)


def b64(data: bytes) -> str:
    """base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of canonical base64url (RFC 4648 3.5, 5).

    Raises:
        Invalid: Any other spelling: padding, foreign characters, spare bits set.
    """
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        raise Invalid("not base64url") from None
    if b64(data) != text:
        raise Invalid("base64url is not canonical")
    return data


class Signer(Protocol):
    """A private key of either kind. Prints as neither; two are equal if they sign for the same public key."""

    @property
    def algorithm(self) -> str:
        """One of `ALGORITHMS`."""

    @property
    def public(self) -> bytes:
        """The raw public key: 32 bytes (Ed25519) or 65 (P-256)."""

    @property
    def text(self) -> str:
        """The private key as files keep it; for key files alone."""

    def sign(self, data: bytes) -> bytes:
        """64 bytes, the same for the same data; checked by `verify`."""


class _Key:
    """What both kinds share: a public half, and no way to be shown."""

    __slots__ = ("_public",)
    algorithm: str

    def __init__(self, public: bytes) -> None:
        self._public = public

    @property
    def public(self) -> bytes:
        """The raw public key."""
        return self._public

    def __eq__(self, other: object) -> bool:
        """Whether both sign for the same public key."""
        return isinstance(other, _Key) and self._public == other._public

    def __hash__(self) -> int:
        """By the public key."""
        return hash(self._public)

    def __repr__(self) -> str:
        """Name the type, show no key."""
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        raise TypeError("private keys leave the process as `text` alone")


class SigningKey(_Key):
    """An Ed25519 private key: the vault's own kind, and a principal's unless it asks for another."""

    __slots__ = ("_private",)
    algorithm = ED25519

    def __init__(self, private: Ed25519PrivateKey) -> None:
        super().__init__(private.public_key().public_bytes_raw())
        self._private = private

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key of a 32-byte RFC 8032 seed."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        """The 32-byte seed; for key files alone."""
        return self._private.private_bytes_raw()

    @property
    def text(self) -> str:
        """base64url of the seed; for key files alone."""
        return b64(self.seed)

    def sign(self, data: bytes) -> bytes:
        """A 64-byte signature (RFC 8032 5.1.6)."""
        return self._private.sign(data)


class P256Key(_Key):
    """An ECDSA private key on P-256: what tokens of hardware and phones have (FIPS 186-5)."""

    __slots__ = ("_private",)
    algorithm = P256

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        super().__init__(_point(private.public_key()))
        self._private = private

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_scalar(cls, scalar: bytes) -> Self:
        """The key of a 32-byte big-endian scalar d, 0 < d < n.

        Raises:
            Invalid: It is out of range, or of another length.
        """
        number = int.from_bytes(scalar)
        if len(scalar) != SEED_SIZE or not 0 < number < _ORDER:
            raise _no_key()
        return cls(ec.derive_private_key(number, _CURVE))

    @property
    def text(self) -> str:
        """`P-256.` and base64url of the scalar; for key files alone."""
        return _PREFIX + b64(self._private.private_numbers().private_value.to_bytes(SEED_SIZE))

    def sign(self, data: bytes) -> bytes:
        """A 64-byte signature, r then s (RFC 7518 3.4): its nonce by RFC 6979, its s in the low half."""
        r, s = decode_dss_signature(self._private.sign(data, _SIGNS))
        return r.to_bytes(32) + min(s, _ORDER - s).to_bytes(32)


def fresh_key(algorithm: str = ED25519) -> Signer:
    """A fresh key of a kind.

    Raises:
        Invalid: None of `ALGORITHMS`.
    """
    if algorithm not in ALGORITHMS:
        raise Invalid(
            "no such algorithm", code="invalid_key", field="algorithm", remedy=" or ".join(ALGORITHMS)
        )
    return P256Key.generate() if algorithm == P256 else SigningKey.generate()


def private_key(text: str) -> Signer:
    """The key of its text (docs/formats/token.md 7).

    Raises:
        Invalid: It isn't one; nothing of it is repeated.
    """
    if text.startswith(_PREFIX):
        return P256Key.from_scalar(unb64(text.removeprefix(_PREFIX)))
    seed = unb64(text)
    if len(seed) != SEED_SIZE:
        raise _no_key()
    return SigningKey.from_seed(seed)


def public_text(public: bytes) -> str:
    """A public key as files keep it: base64url of the raw bytes, after `P-256.` for that kind."""
    return (_PREFIX if len(public) == _POINT_SIZE else "") + b64(public)


def public_key(text: str) -> bytes:
    """The raw public key of its text.

    Raises:
        Invalid: It isn't one, or the prefix belongs to the other kind.
    """
    raw = unb64(text.removeprefix(_PREFIX))
    if text.startswith(_PREFIX) != (len(raw) == _POINT_SIZE):
        raise _no_key()
    check_public(raw)
    return raw


def check_public(public: bytes) -> None:
    """Demand a key that can be told to be its owner's alone.

    Raises:
        Invalid: Neither 32 nor 65 bytes; a P-256 point that is off the curve, infinite, compressed or hybrid;
            an Ed25519 key that isn't reduced, or of small order (that it is a point shows when it verifies).
    """
    if len(public) == SEED_SIZE:
        y = int.from_bytes(public, "little") & (2**255 - 1)
        if y >= _PRIME or y in _SMALL:
            raise _no_key()
    else:
        _p256(public)


def verify(public: bytes, signature: bytes, data: bytes) -> None:
    """Check a signature by the kind of its key (RFC 8032 5.1.7; FIPS 186-5 6.4.2 with s in the low half).

    Raises:
        Tampered: The signature is not this key's over these bytes, or this is no key.
    """
    try:
        if len(public) == SEED_SIZE:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
        else:
            _p256(public).verify(_der(signature), data, _CHECKS)
    except (InvalidSignature, Invalid):
        raise Tampered("signature does not verify") from None


def _der(signature: bytes) -> bytes:
    """The signature as `cryptography` takes it; one that isn't 64 bytes or not in low-s form is refused."""
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if len(signature) != 2 * SEED_SIZE or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        raise InvalidSignature
    return encode_dss_signature(r, s)


def _p256(public: bytes) -> ec.EllipticCurvePublicKey:
    if len(public) != _POINT_SIZE or public[0] != _UNCOMPRESSED:
        raise _no_key()
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public)
    except ValueError:
        raise _no_key() from None


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    numbers = key.public_numbers()
    return bytes([_UNCOMPRESSED]) + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)


def _no_key() -> Invalid:
    return Invalid("not a key of Ed25519 or P-256", code="invalid_key", remedy="use it as it was written")
