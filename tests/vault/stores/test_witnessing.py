"""The tables of cosignatures and time stamps, on either engine."""

from __future__ import annotations

from vault.stores.ledger import LedgerStore
from vault.stores.witnessing import CosignatureRow, StampRow


def row(size: int, witness: str = "w+1", line: str = "l", tenant: str = "main") -> CosignatureRow:
    """A cosignature."""
    return CosignatureRow(tenant, size, witness, line, 7)


def test_cosignatures_come_newest_first(ledger: LedgerStore) -> None:
    """By size downwards, then by witness, below a size and at most so many; another tenant's are its own."""
    with ledger.transaction("other") as tx:
        tx.witnessing.put([row(9, tenant="other")])
    with ledger.transaction("main") as tx:
        tx.witnessing.put([row(3), row(5, "w+2"), row(5), row(4)])
        assert tx.witnessing.newest(100, 10) == [row(5), row(5, "w+2"), row(4), row(3)]
    table = ledger.witnessing("main")
    assert table.newest(5, 1) == [row(4)]
    assert table.newest(3, 10) == []
    assert table.of_size(5) == [row(5), row(5, "w+2")]
    assert ledger.witnessing("other").newest(100, 10) == [row(9, tenant="other")]


def test_a_cosignature_takes_anothers_place_by_size_and_witness(ledger: LedgerStore) -> None:
    """What is put again replaces what was there, and nothing else."""
    with ledger.transaction("main") as tx:
        tx.witnessing.put([row(3), row(3, "w+2")])
        tx.witnessing.put([row(3, line="m")])
    assert ledger.witnessing("main").of_size(3) == [row(3, line="m"), row(3, "w+2")]


def test_checkpoints_by_size_and_from_the_newest_on(ledger: LedgerStore) -> None:
    """One of a size, or those below a size."""
    with ledger.transaction("main") as tx:
        for size in (1, 4, 9):
            tx.checkpoint(size, f"note {size}")
    table = ledger.witnessing("main")
    assert (table.note(4), table.note(5)) == ("note 4", None)
    assert table.notes(9, 10) == [(4, "note 4"), (1, "note 1")]
    assert table.notes(10, 1) == [(9, "note 9")]


def test_the_first_stamp_of_an_authority_and_size_stays(ledger: LedgerStore) -> None:
    """A second one doesn't take its place; another authority's stands beside it."""
    with ledger.transaction("main") as tx:
        tx.witnessing.put_stamp(StampRow("main", 4, "a", b"1", 7))
        tx.witnessing.put_stamp(StampRow("main", 4, "a", b"2", 8))
        tx.witnessing.put_stamp(StampRow("main", 4, "b", b"3", 9))
        tx.witnessing.put_stamp(StampRow("main", 6, "a", b"4", 9))
    table = ledger.witnessing("main")
    assert [(s.size, s.authority, s.token) for s in table.stamps(100, 10)] == [
        (6, "a", b"4"),
        (4, "a", b"1"),
        (4, "b", b"3"),
    ]
    assert [s.token for s in table.stamps(6, 1)] == [b"1"]
