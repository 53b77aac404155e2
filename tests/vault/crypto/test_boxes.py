"""Boxes: a line opens with its own audit's key, where it stands, and nowhere else."""

from __future__ import annotations

import hmac

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.crypto.boxes import Boxes, audit_key
from vault.crypto.encoding import encode

PRIVATE = bytes(range(32))
KEY = audit_key(PRIVATE, "main", "au-1")


def opened(box: bytes, key: bytes, index: int, about: bytes) -> bytes:
    """A box opened as docs/formats/audit-bodies.md says, without the vault's code."""
    derived = hmac.digest(key, b"cvault/bodies/v1\0" + index.to_bytes(8, "big"), "sha256")
    return AESGCM(derived).decrypt(box[:12], box[12:], about)


def test_the_key_is_derived_as_the_format_says() -> None:
    """HKDF-SHA256 without salt, in two HMACs (RFC 5869 2.2, 2.3)."""
    extracted = hmac.digest(bytes(32), PRIVATE, "sha256")
    info = encode("cvault/audit-key/v1", "main", "au-1")
    assert hmac.digest(extracted, info + b"\x01", "sha256") == KEY


def test_every_audit_has_a_key_of_its_own() -> None:
    """Another audit, tenant or private key gives another key."""
    others = {
        audit_key(PRIVATE, "main", "au-2"),
        audit_key(PRIVATE, "other", "au-1"),
        audit_key(bytes(32), "main", "au-1"),
    }
    assert len(others - {KEY}) == 3


def test_a_box_opens_where_it_stands() -> None:
    """Log, audit and index are bound; two boxes of one line are different bytes."""
    boxes = Boxes(KEY, "o/main", "au-1")
    box = boxes.seal(7, b"line")
    assert opened(box, KEY, 7, b"o/main\nau-1\n7") == b"line"
    assert boxes.seal(7, b"line") != box
    for key, index, about in (
        (KEY, 8, b"o/main\nau-1\n8"),
        (KEY, 7, b"o/main\nau-2\n7"),
        (KEY, 7, b"p/main\nau-1\n7"),
        (audit_key(PRIVATE, "main", "au-2"), 7, b"o/main\nau-1\n7"),
    ):
        with pytest.raises(InvalidTag):
            opened(box, key, index, about)
