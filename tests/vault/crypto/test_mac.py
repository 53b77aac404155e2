"""Keyed digests."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from vault.crypto import mac
from vault.errors import Tampered


def test_tags_are_numbered_hmacs() -> None:
    """Tag n is the first half of HMAC-SHA256 over n, so that whoever holds the key can count them."""
    key = mac.tag_key(b"u" * 32)
    assert key == hmac.digest(b"u" * 32, b"cvault/tag/v1\x00\x00\x00\x01", hashlib.sha256)
    assert mac.tag(key, 7) == hmac.digest(key, (7).to_bytes(8, "big"), hashlib.sha256)[:16]
    assert len({mac.tag(key, n) for n in range(100)}) == 100


def test_index_keys_differ_by_field_and_tenant() -> None:
    """The same value has another digest in another field, kind or tenant."""
    keys = {
        mac.index_key(b"c" * 32, tenant, kind, field)
        for tenant in ("a", "b")
        for kind in ("borrower", "contact_person")
        for field in ("phone", "email")
    }
    assert len({mac.index_digest(key, "13800138000") for key in keys}) == 8


def test_facts_mac_covers_every_part() -> None:
    """Tenant, subject, record, kind, counter and body are each authenticated."""
    base = ("t", "s", "r", "loan", 1, b"{}")
    other = ("T", "S", "R", "case", 2, b"[]")
    macs = {mac.facts_mac(b"k" * 32, *base)}
    for place, value in enumerate(other):
        parts = [*base[:place], value, *base[place + 1 :]]
        macs.add(mac.facts_mac(b"k" * 32, *parts))  # type: ignore[arg-type]
    assert len(macs) == 7


def test_check_names_what_was_edited() -> None:
    """A mismatch raises and names the thing, not its content."""
    mac.check(b"a", b"a", "x")
    with pytest.raises(Tampered, match="the log's head"):
        mac.check(b"a", b"b", "the log's head")


def test_handles_separate_uses() -> None:
    """A subject's handle is no case's handle."""
    assert mac.handle(b"k" * 32, "subject", "x") != mac.handle(b"k" * 32, "lookups", "x")
