r"""Boxes: lines of a bodies file, sealed for one audit (docs/formats/audit-bodies.md).

    audit key = HKDF-SHA256(no salt, ikm = audit private key, info)
    info      = encode("cvault/audit-key/v1", tenant, audit)
    line key  = HMAC-SHA256(audit key, "cvault/bodies/v1" || 0x00 || index[8, big-endian])
    box       = nonce[12] | AES-256-GCM(line key, nonce, line, AAD = "origin\naudit\nindex")

A key of one audit opens that audit's lines and nothing else: no other audit's, and no body in the ledger.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.crypto.encoding import encode
from vault.crypto.sign import token_bytes

_LABEL: Final = b"cvault/bodies/v1\x00"
_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12


def audit_key(audit_private: bytes, tenant: str, audit: str) -> bytes:
    """The key of one audit, 32 bytes: derived whenever it is needed, never stored (RFC 5869)."""
    info = encode("cvault/audit-key/v1", tenant, audit)
    return HKDF(algorithm=SHA256(), length=_KEY_SIZE, salt=None, info=info).derive(audit_private)


class Boxes:
    """Seals the lines of one bodies file.

    Args:
        key: The audit's key, 32 bytes.
        origin: The log's name.
        audit: The audit's id.
    """

    __slots__ = ("_about", "_key")

    def __init__(self, key: bytes, origin: str, audit: str) -> None:
        self._key = key
        self._about = f"{origin}\n{audit}\n"

    def seal(self, index: int, line: bytes) -> bytes:
        """One line, bound to its log, audit and index; a fresh nonce each time."""
        nonce = token_bytes(_NONCE_SIZE)
        key = hmac.digest(self._key, _LABEL + index.to_bytes(8, "big"), "sha256")
        return nonce + AESGCM(key).encrypt(nonce, line, f"{self._about}{index}".encode())
