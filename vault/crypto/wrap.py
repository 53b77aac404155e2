"""Wrap keys under keys: record and log secrets under shelf keys, shelf keys under epochs (DESIGN 5).

wrapped = version 01 | nonce[12] | AES-256-GCM(key, secret, AAD = context)       docs/formats/keys.md
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.crypto.encoding import encode
from vault.crypto.sign import token_bytes
from vault.errors import Tampered

_VERSION: Final = b"\x01"


def secret_context(tenant: str, shelf: str, generation: int, record: str, version: int) -> bytes:
    """What a record version's wrapped secret is bound to."""
    return encode("cvault/secret/v1", tenant, shelf, generation, record, version)


def log_secret_context(tenant: str, shelf: str, generation: int, subject: str) -> bytes:
    """What a subject's wrapped log secret is bound to."""
    return encode("cvault/log-secret/v1", tenant, shelf, generation, subject)


def shelf_context(tenant: str, shelf: str, generation: int, epoch: int) -> bytes:
    """What a wrapped shelf key is bound to."""
    return encode("cvault/shelf/v1", tenant, shelf, generation, epoch)


class WrappingKey:
    """A 256-bit key that wraps other keys; shows nothing of itself."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Wrap under a fresh random nonce."""
        nonce = token_bytes(12)
        return _VERSION + nonce + self._aead.encrypt(nonce, secret, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap.

        Raises:
            Tampered: Changed bytes, another context or another key.
        """
        if wrapped[:1] != _VERSION:
            raise Tampered("wrapped key: unknown version")
        try:
            return self._aead.decrypt(wrapped[1:13], wrapped[13:], context)
        except (InvalidTag, ValueError):
            raise Tampered("wrapped key does not unwrap where it stands") from None

    def __repr__(self) -> str:
        """Name the type, show no key."""
        return "<WrappingKey>"
