"""The registry and its digest."""

from __future__ import annotations

import pytest

from vault.errors import NotFound, Tampered
from vault.ledger.registry import Principal, Registry, Revocation


def principal(ident: str = "p-1", **more: object) -> Principal:
    """A principal for a test."""
    return Principal(id=ident, name="n", public=b"k", roles=("admin",), **more)  # type: ignore[arg-type]


def test_digest_covers_every_row() -> None:
    """Adding, dropping, editing or renaming a row changes the digest; order of arrival doesn't."""
    one, two = Registry(), Registry()
    one.put(principal("p-1"))
    one.put(principal("p-2"))
    two.put(principal("p-2"))
    two.put(principal("p-1"))
    assert one.digest() == two.digest()
    digests = {Registry().digest(), one.digest()}
    edited = one.copy()
    edited.put(principal("p-1", disabled=True))
    dropped = one.copy()
    dropped.drop(Principal, "p-1")
    renamed = dropped.copy()
    renamed.put(principal("p-3"))
    digests |= {edited.digest(), dropped.digest(), renamed.digest()}
    assert len(digests) == 5


def test_check_refuses_other_rows() -> None:
    """Rows that don't give the head's digest are reported."""
    registry = Registry()
    registry.put(principal())
    registry.check(registry.digest())
    with pytest.raises(Tampered, match="registry"):
        registry.check(Registry().digest())


def test_a_copy_is_apart() -> None:
    """Changing a copy leaves the one that was remembered as it is."""
    registry = Registry()
    registry.put(principal())
    registry.copy().drop(Principal, "p-1")
    assert registry.get(Principal, "p-1").name == "n"


def test_rows_read_back() -> None:
    """A row put is the row found, also through the store's bytes; kinds don't mix."""
    registry = Registry()
    row = registry.put(principal())
    again = Registry([row])
    assert again.all(Principal) == [principal()]
    assert again.find(Revocation, "p-1") is None
    with pytest.raises(NotFound) as missing:
        again.get(Principal, "p-9")
    assert "cvault principal list" in missing.value.remedy
