"""Entry bodies: sealed so that every node writes and only the auditing room opens (DESIGN 7).

    batch:  e = 32 random bytes;  E = HPKE-Seal(audit public key, e)    RFC 9180, 80 bytes, one per batch
    hint:   AES-256-GCM(e, log shelf, AAD = context)                    48 bytes
    body:   version 01 | E[80] | nonce[12] | hint[48] | AES-256-GCM(HMAC(e, u), padded, AAD = context)

`u` is the subject's log secret, empty for entries without a subject: a body opens only with the audit
private key *and* the subject's log secret, and dies with either (docs/formats/log-entry.md). The hint names
the shelf on which `u` stands among up to 256 others, so that an auditor who asks about no one in particular
tries 256 secrets and not millions; it says no more than that once `u` is gone. One nonce serves two keys.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from vault.crypto.encoding import encode
from vault.crypto.sealing import pad, unpad
from vault.crypto.sign import token_bytes
from vault.errors import Tampered

_VERSION: Final = b"\x01"
_ENVELOPE: Final = slice(1, 81)
_NONCE: Final = slice(81, 93)
_HINT: Final = slice(93, 141)
_BODY: Final = slice(141, None)
_SHELF_SIZE: Final = 32
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def audit_key_pair() -> tuple[bytes, bytes]:
    """A fresh audit key pair: (private, public), 32 raw bytes each."""
    private = X25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def body_context(tenant: str, commitment: bytes) -> bytes:
    """What a body is bound to: the tenant and the commitment its stub carries."""
    return encode("cvault/body/v1", tenant, commitment)


class BodySealer:
    """Seals the bodies of one batch under one ephemeral HPKE envelope."""

    __slots__ = ("_envelope", "_hints", "_keyed")

    def __init__(self, audit_public: bytes, tenant: str) -> None:
        secret = token_bytes(32)
        self._hints = AESGCM(secret)
        self._keyed = hmac.new(secret, digestmod="sha256")
        public = X25519PublicKey.from_public_bytes(audit_public)
        self._envelope = _SUITE.encrypt(secret, public, encode("cvault/audit/v1", tenant))

    def seal(self, payload: bytes, log_secret: bytes, shelf: str, context: bytes) -> bytes:
        """One body; `log_secret` is b"" and `shelf` "" for an entry without a subject."""
        nonce = token_bytes(12)
        hint = self._hints.encrypt(nonce, shelf.encode("ascii").ljust(_SHELF_SIZE, b"\0"), context)
        keyed = self._keyed.copy()  # a body's key is HMAC(batch secret, log secret)
        keyed.update(log_secret)
        body = AESGCM(keyed.digest()).encrypt(nonce, pad(payload), context)
        return b"".join((_VERSION, self._envelope, nonce, hint, body))


class BodyOpener:
    """Opens bodies with the audit private key; one HPKE opening per batch is remembered."""

    __slots__ = ("_info", "_private", "_seen")

    def __init__(self, audit_private: bytes, tenant: str) -> None:
        self._private = X25519PrivateKey.from_private_bytes(audit_private)
        self._info = encode("cvault/audit/v1", tenant)
        self._seen: tuple[bytes, bytes] = (b"", b"")

    def _batch_secret(self, envelope: bytes) -> bytes:
        if self._seen[0] != envelope:
            self._seen = (envelope, _SUITE.decrypt(envelope, self._private, self._info))
        return self._seen[1]

    def shelf(self, blob: bytes, context: bytes) -> str:
        """The log shelf on which the body's log secret stands; "" for an entry without a subject.

        Raises:
            Tampered: Changed bytes, or another entry's body.
        """
        if blob[:1] != _VERSION:
            raise Tampered("entry body: unknown version")
        try:
            secret = self._batch_secret(blob[_ENVELOPE])
            return AESGCM(secret).decrypt(blob[_NONCE], blob[_HINT], context).rstrip(b"\0").decode("ascii")
        except (InvalidTag, ValueError):
            raise Tampered("entry body does not open where it stands") from None

    def first(self, blob: bytes, log_secrets: Iterable[bytes], context: bytes) -> tuple[int, bytes] | None:
        """The first of these secrets that opens a body, by its place, and the payload; None if none does.

        Raises:
            Tampered: Another version, or the batch's envelope was changed.
        """
        if blob[:1] != _VERSION:
            raise Tampered("entry body: unknown version")
        try:
            batch = self._batch_secret(blob[_ENVELOPE])
        except (InvalidTag, ValueError):
            raise Tampered("entry body does not open where it stands") from None
        nonce, body = blob[_NONCE], blob[_BODY]
        for at, secret in enumerate(log_secrets):
            try:
                padded = AESGCM(hmac.digest(batch, secret, "sha256")).decrypt(nonce, body, context)
            except (InvalidTag, ValueError):
                continue
            return at, unpad(padded)
        return None

    def open(self, blob: bytes, log_secret: bytes, context: bytes) -> bytes:
        """One body's payload.

        Raises:
            Tampered: Changed bytes, another entry's body, or the subject's log secret is not this one.
        """
        if blob[:1] != _VERSION:
            raise Tampered("entry body: unknown version")
        try:
            key = hmac.digest(self._batch_secret(blob[_ENVELOPE]), log_secret, "sha256")
            padded = AESGCM(key).decrypt(blob[_NONCE], blob[_BODY], context)
        except (InvalidTag, ValueError):
            raise Tampered("entry body does not open where it stands") from None
        return unpad(padded)
