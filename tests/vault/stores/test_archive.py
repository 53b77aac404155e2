"""The archive: a log put aside whole, and the other tenants' and tables' rows where they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from vault.errors import VaultError
from vault.stores.archive import archived
from vault.stores.ledger import LedgerStore
from vault.stores.rows import BodyRow, EntryRow, LogHead, TileRow

Url = Callable[[str], str]


@pytest.fixture
def store(store_url: Url) -> Iterator[LedgerStore]:
    """An empty ledger."""
    store = LedgerStore.open(store_url("ledger"))
    store.create()
    yield store
    store.close()


def entry(tenant: str, idx: int) -> EntryRow:
    """An entry like any other."""
    return EntryRow(
        tenant=tenant, idx=idx, stub=b"s%d" % idx, tag=b"", t=idx, kind="read", actor="p", role="legal",
        purpose="audit", about="", masked=0, clear=0, outcome="ok", reason="", policy="", token="",
        who_salt=b"", whom_digest=b"", request=b"",
    )  # fmt: skip


def fill(store: LedgerStore, tenant: str) -> None:
    """A log of three entries with all that hangs on it."""
    with store.transaction(tenant) as tx:
        tx.append(
            [entry(tenant, n) for n in range(3)],
            [BodyRow(tenant=tenant, idx=n, sealed=b"b") for n in range(3)],
            [TileRow(tenant=tenant, level=0, tile=0, hashes=b"h")],
        )
        tx.bump({b"one": 3, b"two": 7 << 32})
        tx.node_counter("n1", 3)
        tx.checkpoint(3, "note")
        tx.spend(b"link", 5)
        tx.entomb("plan", ["r-1", "r-2", "r-3"], 1)
        tx.set_head(LogHead(tenant=tenant, size=3, edge=b"e", last_t=2, registry=b"r", mac=b"m"))


def test_a_log_is_put_aside_whole(store: LedgerStore) -> None:
    """Its rows lie under the archive's name; counters of nodes and subjects begin again."""
    fill(store, "main")
    fill(store, "other")
    with store.transaction("main") as tx:
        assert tx.archive.move(1) == 7 << 32
        tx.archive.begin_counters([b"one"], 9 << 32)
        tx.set_head(LogHead(tenant="main", size=0, edge=b"", last_t=2, registry=b"r", mac=b"n"))
    kept = archived("main", 1)
    assert store.entries("main", 0, 9) == []
    assert [(row.tenant, row.idx, row.stub) for row in store.entries(kept, 0, 9)] == [
        (kept, n, b"s%d" % n) for n in range(3)
    ]
    assert (store.count_bodies("main", 9), store.count_bodies(kept, 9)) == (0, 3)
    assert (store.tile("main", 0, 0), store.tile(kept, 0, 0)) == (None, b"h")
    assert (store.latest_checkpoint("main"), store.latest_checkpoint(kept)) == (None, (3, "note"))
    assert (store.counter("main", b"one"), store.counter(kept, b"one")) == (9 << 32, 3)
    head = store.head(kept)
    assert head is not None
    assert (head.size, head.mac) == (3, b"m")
    assert len(store.entries("other", 0, 9)) == 3
    with store.transaction("main") as tx:
        assert tx.node_counter("n1", 1) == 1
        assert tx.used(b"link") == 1
        assert tx.archive.tombstones("", 2) == ["r-1", "r-2"]
        assert tx.archive.tombstones("r-2", 2) == ["r-3"]


def aside(store: LedgerStore) -> None:
    """Put the log aside under the number 1."""
    with store.transaction("main") as tx:
        tx.archive.move(1)


def test_what_lies_there_is_not_overwritten(store: LedgerStore) -> None:
    """A number that is taken undoes the whole transaction: both logs stay as they were."""
    fill(store, "main")
    aside(store)
    fill(store, "main")
    with pytest.raises(VaultError):
        aside(store)
    assert len(store.entries("main", 0, 9)) == 3
    assert len(store.entries(archived("main", 1), 0, 9)) == 3
    assert store.counter("main", b"one") == 3
