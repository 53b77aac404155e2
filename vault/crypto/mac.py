"""Keyed digests: facts, log heads, tags, handles, blind indexes. Each use has a label of its own.

HMAC-SHA256 (RFC 2104) over the injective encoding; subkeys are HMAC(key, label), as in HKDF-Expand with
one block (RFC 5869 2.3).
"""

from __future__ import annotations

import hmac
from typing import Final

from vault.crypto.encoding import encode
from vault.errors import Tampered

TAG_SIZE: Final = 16
HANDLE_SIZE: Final = 16
DIGEST_SIZE: Final = 16


def derive(key: bytes, label: str, *parts: str | bytes | int) -> bytes:
    """A 32-byte subkey of `key` for one use."""
    return hmac.digest(key, encode(label, *parts), "sha256")


def tag(tag_key: bytes, counter: int) -> bytes:
    """The subject tag of its `counter`-th access (DESIGN 7): unlinkable without the subject's tag key."""
    return hmac.digest(tag_key, counter.to_bytes(8, "big"), "sha256")[:TAG_SIZE]


def tag_key(log_secret: bytes, generation: int = 1) -> bytes:
    """The key of a subject's tags, from its log secret `u`; dies with it (DESIGN 7)."""
    return hmac.digest(log_secret, b"cvault/tag/v1" + generation.to_bytes(4, "big"), "sha256")


def handle(key: bytes, *parts: str) -> bytes:
    """A keyed handle: stands for a subject, case or value where the thing itself must not stand."""
    return hmac.digest(key, encode("cvault/handle/v1", *parts), "sha256")[:HANDLE_SIZE]


def sighting(key: bytes, what: bytes) -> bytes:
    """The handle under which something is counted once; `key` is one rule's, window's and principal's own."""
    return hmac.digest(key, what, "sha256")[:HANDLE_SIZE]


def index_key(compartment_key: bytes, tenant: str, kind: str, field: str) -> bytes:
    """The blind-index key of one field; held only with that field's compartment key (DESIGN 5)."""
    return derive(compartment_key, "cvault/index/v1", tenant, kind, field)


def index_digest(key: bytes, value: str) -> bytes:
    """The blind-index digest of a normalised value."""
    return hmac.digest(key, value.encode(), "sha256")[:DIGEST_SIZE]


def facts_mac(
    key: bytes, tenant: str, subject: str, record: str, kind: str, counter: int, body: bytes
) -> bytes:
    """Authenticate all facts of a record at one counter, so none can be dropped, edited or rolled back."""
    return hmac.digest(key, encode("cvault/facts/v1", tenant, subject, record, kind, counter, body), "sha256")


def check(expected: bytes, actual: bytes, what: str) -> None:
    """Compare two MACs in constant time.

    Raises:
        Tampered: They differ; `what` names the thing that was edited.
    """
    if not hmac.compare_digest(expected, actual):
        raise Tampered(f"{what} is not what the vault wrote", remedy="stop; compare the store with a backup")
