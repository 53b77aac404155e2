"""Strata: the entries of each role or purpose, counted and walked as of a size, on either engine."""

from __future__ import annotations

import pytest

from vault.stores import strata
from vault.stores.ledger import LedgerStore
from vault.stores.rows import BodyRow

from .making import entry, head

ROLES = ("collector", "legal", "", "审计")
ENTRIES = [entry(n, role=ROLES[n * n % 7 % 4], purpose=f"u{n % 3}") for n in range(50)]


@pytest.fixture
def filled(ledger: LedgerStore) -> LedgerStore:
    """A ledger with the entries, and another tenant's beside it."""
    for tenant, rows in (("main", ENTRIES), ("other", [entry(0, "other", role="legal")])):
        with ledger.transaction(tenant) as tx:
            tx.append(rows, [BodyRow(tenant=tenant, idx=row.idx, sealed=b"b") for row in rows], [])
            tx.set_head(head(len(rows), tenant))
    return ledger


@pytest.mark.parametrize(("start", "below"), [(0, 0), (0, 1), (0, 37), (20, 50), (9, 99)])
def test_counts_are_those_of_the_walk(
    filled: LedgerStore, start: int, below: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a range, whatever lies outside; page by page, in order."""
    monkeypatch.setattr(strata, "PAGE", 7)
    table = filled.strata("main")
    roles = [(row.idx, row.role) for row in ENTRIES[start:below]]
    assert list(table.walk("role", start, below)) == roles
    assert table.counts("role", start, below) == {r: [x for _, x in roles].count(r) for _, r in roles}
    assert sum(table.counts("purpose", start, below).values()) == min(below, 50) - start


def test_picked_in_the_order_asked_for(filled: LedgerStore) -> None:
    """Whole rows; what isn't there is left out, and nobody else's are found."""
    assert filled.strata("main").pick([9, 2, 70, 40]) == [ENTRIES[9], ENTRIES[2], ENTRIES[40]]
    assert [row.tenant for row in filled.strata("other").pick([0, 1])] == ["other"]
    assert filled.strata("main").pick([]) == []
