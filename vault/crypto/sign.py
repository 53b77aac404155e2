"""Ed25519 signatures (RFC 8032): checkpoints, tokens, principals, certificates."""

from __future__ import annotations

import secrets
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vault.errors import Tampered

SEED_SIZE: Final = 32


def token_bytes(size: int) -> bytes:
    """Fresh random bytes from the operating system."""
    return secrets.token_bytes(size)


class SigningKey:
    """An Ed25519 private key. Its repr shows nothing of it; the seed must be asked for by name."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: bytes = private.public_key().public_bytes_raw()

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
    def jwt_key(self) -> Ed25519PrivateKey:
        """The key in the form that PyJWT takes."""
        return self._private

    def sign(self, data: bytes) -> bytes:
        """A 64-byte signature; deterministic, so signing again after a crash gives the same bytes."""
        return self._private.sign(data)

    def __repr__(self) -> str:
        """Name the type, show no key."""
        return "<SigningKey>"


def public_jwt_key(public: bytes) -> Ed25519PublicKey:
    """A raw 32-byte public key in the form that PyJWT takes.

    Raises:
        Tampered: The bytes are not an Ed25519 public key.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(public)
    except ValueError:
        raise Tampered("not an Ed25519 public key") from None


def verify(public: bytes, signature: bytes, data: bytes) -> None:
    """Check a signature (RFC 8032 5.1.7).

    Raises:
        Tampered: The signature is not this key's over these bytes.
    """
    try:
        public_jwt_key(public).verify(signature, data)
    except InvalidSignature:
        raise Tampered("signature does not verify") from None
