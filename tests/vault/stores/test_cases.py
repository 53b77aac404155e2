"""The tables of the book of cases, on either engine."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vault.stores import migrations
from vault.stores.ledger import LedgerStore
from vault.stores.rows import StoredCaseRow

from .making import head


def row(
    shard: int, handle: bytes, holder: str = "", state: str = "open", tenant: str = "main"
) -> StoredCaseRow:
    """A case whose body names its place."""
    return StoredCaseRow(tenant, shard, handle, holder, state, b"%d/" % shard + handle)


def test_lines_and_digests_are_put_and_replaced(ledger: LedgerStore) -> None:
    """What is put is read under the lock and beside it, by shard; putting again replaces it."""
    with ledger.transaction("main") as tx:
        tx.put_cases([row(1, b"a"), row(1, b"b"), row(2, b"c")], {1: b"one", 2: b"two"})
        tx.put_cases([row(1, b"b", "p-1", "closed")], {1: b"uno"})
        tx.put_cases([], {})
        assert sorted(tx.cases.digests()) == [(1, b"uno"), (2, b"two")]
        assert tx.cases.count() == 3
    table = ledger.cases("main")
    assert sorted(table.lines([1, 3])) == [(1, b"a", "", "open", b"1/a"), (1, b"b", "p-1", "closed", b"1/b")]
    assert table.lines([]) == []
    assert sorted(table.digests()) == [(1, b"uno"), (2, b"two")]
    assert len(table.lines(range(1024))) == table.count() == 3


def test_tenants_have_books_of_their_own(ledger: LedgerStore) -> None:
    """No reading of one tenant's book shows another's."""
    with ledger.transaction("main") as tx:
        tx.put_cases([row(1, b"a")], {1: b"one"})
    with ledger.transaction("b") as tx:
        tx.put_cases([row(1, b"a", "p-9", tenant="b"), row(1, b"z", tenant="b")], {1: b"other"})
    table = ledger.cases("main")
    assert table.digests() == [(1, b"one")]
    assert table.lines([1]) == [(1, b"a", "", "open", b"1/a")]
    assert (table.count(), table.counts()) == (1, {("", "open"): 1})
    assert table.handles(None, None, (0, b""), 9) == [b"a"]


def test_handles_are_listed_in_order(ledger: LedgerStore) -> None:
    """By shard and handle, behind a place, of a holder, in a state, so many."""
    rows = [row(2, b"\1"), row(2, b"\3", "p-1"), row(10, b"\2", "p-1", "closed"), row(10, b"\4", "p-1")]
    with ledger.transaction("main") as tx:
        tx.put_cases(rows[::-1], {})
    table = ledger.cases("main")
    assert table.handles(None, None, (0, b""), 9) == [b"\1", b"\3", b"\2", b"\4"]
    assert table.handles(None, None, (2, b"\1"), 2) == [b"\3", b"\2"]
    assert table.handles("p-1", None, (2, b"\3"), 9) == [b"\2", b"\4"]
    assert table.handles("p-1", "open", (0, b""), 9) == [b"\3", b"\4"]
    assert table.handles("", None, (0, b""), 9) == [b"\1"]
    assert table.handles(None, "closed", (0, b""), 9) == [b"\2"]
    assert table.handles("p-2", None, (0, b""), 9) == []
    assert table.counts() == {("", "open"): 1, ("p-1", "open"): 2, ("p-1", "closed"): 1}


def test_a_snapshot_stands_still(ledger: LedgerStore) -> None:
    """In its block one state is seen while another session commits; behind it the newest is."""
    other = LedgerStore(ledger.db)
    with ledger.transaction("main") as tx:
        tx.set_head(head(1))

    def commit(size: int) -> None:
        def work() -> None:
            with other.transaction("main") as tx:
                tx.set_head(head(size))
                tx.put_cases([row(1, b"%d" % size)], {})

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with ledger.snapshot():
        assert ledger.head("main") == head(1)
        commit(2)
        assert (ledger.head("main"), ledger.cases("main").count()) == (head(1), 0)
    assert (ledger.head("main"), ledger.cases("main").count()) == (head(2), 1)
    with ledger.transaction("main") as tx:
        with ledger.snapshot():
            assert ledger.head("main") == head(2)
        with ledger.snapshot(), ledger.snapshot():
            tx.set_head(head(3))
    assert ledger.head("main") == head(3)


def test_a_ledger_of_before_gets_its_book(store_url: Callable[[str], str]) -> None:
    """A ledger of version 0001 keeps what it has and takes cases once it is upgraded."""
    url = store_url("ledger")
    migrations.upgrade(url, "ledger", "0001")
    store = LedgerStore.open(url)
    with store.transaction("main") as tx:
        tx.set_head(head(4))
    migrations.upgrade(url, "ledger")
    store.check()
    assert store.head("main") == head(4)
    with store.transaction("main") as tx:
        assert tx.cases.digests() == []
        tx.put_cases([row(0, b"a")], {0: b"d"})
    assert store.cases("main").count() == 1
    store.close()
