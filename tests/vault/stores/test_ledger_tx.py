"""Ledger transactions: the head, counters, token uses, caps and tombstones; exact under concurrency."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from vault.stores.ledger import LedgerStore

from .making import entry, head


def test_a_transaction_is_whole_or_nothing(ledger: LedgerStore) -> None:
    """An exception in the block undoes everything and is the caller's own."""

    def failing() -> None:
        with ledger.transaction("main") as tx:
            tx.append([entry(0)], [], [])
            tx.set_head(head(1))
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert ledger.head("main") is None
    assert ledger.entries("main", 0, 9) == []
    with ledger.transaction("main") as tx:
        assert tx.head() is None
        tx.set_head(head(0))
    with ledger.transaction("main") as tx:
        assert tx.head() == head(0)
        tx.append([entry(0)], [], [])
        assert tx.stubs(0, 5) == [b"stub 0"]
        tx.set_head(head(1))
        assert tx.head() == head(1)
    assert ledger.head("main") == head(1)


def test_counters_begin_and_go_on(ledger: LedgerStore) -> None:
    """Node counters begin at 1 and handles at 0; each gives the first of the numbers taken."""
    with ledger.transaction("main") as tx:
        assert (tx.node_counter("n1", 3), tx.node_counter("n1", 1), tx.node_counter("n2", 1)) == (1, 4, 1)
        assert tx.bump({b"a": 2, b"b": 1}) == {b"a": 0, b"b": 0}
        assert tx.bump({b"a": 1, b"c": 5}) == {b"a": 2, b"c": 0}
        assert tx.bump({}) == {}
        many = {b"%d" % n: n + 1 for n in range(300)}
        assert tx.bump(many) == dict.fromkeys(many, 0)
        assert tx.bump(many) == many
    with ledger.transaction("b") as tx:
        assert (tx.node_counter("n1", 1), tx.bump({b"a": 1})) == (1, {b"a": 0})


def test_a_link_is_spent_to_its_maximum(ledger: LedgerStore) -> None:
    """Uses are counted up to the maximum; what is spent stays spent, also for a maximum of nothing."""
    with ledger.transaction("main") as tx:
        assert [tx.spend(b"l", 3) for _ in range(5)] == [1, 2, 3, None, None]
        assert tx.spend(b"l", 4) == 4
        assert tx.spend(b"zero", 0) is None
        assert tx.spend(b"other", 1) == 1


def test_lookups_are_capped_by_distinct_values(ledger: LedgerStore) -> None:
    """A value looked up again is free; a new one counts; other days, fields and principals count apart."""
    with ledger.transaction("main") as tx:
        assert [tx.admit_lookup(b"p", "d1", "f", b"%d" % n, 2) for n in (1, 1, 2, 3, 2, 1)] == [
            True, True, True, False, True, True,
        ]  # fmt: skip
        assert tx.admit_lookup(b"p", "d2", "f", b"3", 2)
        assert tx.admit_lookup(b"p", "d1", "g", b"3", 2)
        assert tx.admit_lookup(b"q", "d1", "f", b"3", 2)
        assert not tx.admit_lookup(b"q", "d3", "f", b"3", 0)


def test_tombstones_and_requests(ledger: LedgerStore) -> None:
    """Entombed records stay so; a request id is found at its first entry, from an instant on."""
    with ledger.transaction("main") as tx:
        tx.entomb("p1", ["r1", "r2"], 4)
        tx.entomb("p2", ["r2", "r3"], 9)
        assert tx.entombed(["r1", "r3", "r4"]) == {"r1", "r3"}
        tx.append([entry(n, request=b"q%d" % (n // 2)) for n in range(6)], [], [])
        assert tx.requests([b"q0", b"q2", b"none"]) == {b"q0": 0, b"q2": 4}
        assert tx.requests([b"q0", b"q2"], since=1005) == {b"q2": 5}
    assert ledger.entombed("main", ["r2", "r4"]) == {"r2"}
    assert ledger.entombed("b", ["r2"]) == set()


def work(store: LedgerStore, rounds: int) -> list[tuple[int, int, int | None, bool]]:
    """Take numbers, counters, uses and lookups, and append an entry, once per round."""
    taken = []
    for _ in range(rounds):
        with store.transaction("main") as tx:
            found = tx.head()
            size = found.size if found else 0
            node = tx.node_counter("n", 2)
            handle = tx.bump({b"h": 1, b"g": 2})[b"h"]
            used = tx.spend(b"link", 10)
            admitted = tx.admit_lookup(b"p", "day", "f", b"%d" % size, 7)
            tx.append([entry(size)], [], [])
            tx.set_head(head(size + 1))
        taken.append((node, handle, used, admitted))
    return taken


def exact(store: LedgerStore, taken: Iterable[tuple[int, int, int | None, bool]], total: int) -> None:
    """Demand that nothing was taken twice, lost or exceeded."""
    nodes, handles, uses, admitted = zip(*taken, strict=True)
    assert sorted(nodes) == list(range(1, 2 * total, 2))
    assert sorted(handles) == list(range(total))
    assert sorted(n for n in uses if n is not None) == list(range(1, 11))
    assert sum(admitted) == 7
    assert [row.idx for row in store.entries("main", 0, total + 1)] == list(range(total))
    assert (store.counter("main", b"h"), store.counter("main", b"g")) == (total, 2 * total)


def test_eight_threads_take_exactly(ledger: LedgerStore) -> None:
    """Threads that begin an empty log together never share a number, an index or a last use."""
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda _: work(ledger, 5), range(8))
    exact(ledger, [row for part in parts for row in part], 40)


def elsewhere(url: str, rounds: int) -> list[tuple[int, int, int | None, bool]]:
    """Do the work in a process of its own."""
    store = LedgerStore.open(url)
    taken = work(store, rounds)
    store.close()
    return taken


def test_three_processes_take_exactly(tmp_path: Path) -> None:
    """Processes that share the SQLite file are as exact as threads."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    store = LedgerStore.open(url)
    store.create()
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        parts = pool.map(elsewhere, [url] * 3, [15] * 3)
    exact(store, [row for part in parts for row in part], 45)
    store.close()


def test_tenants_do_not_wait_for_each_others_head(pg: Callable[[], str]) -> None:
    """On PostgreSQL one tenant's held head leaves another tenant's free."""
    store = LedgerStore.open(pg())
    store.create()

    def other() -> None:
        with store.transaction("b") as tx:
            tx.set_head(head(1, "b"))

    with store.transaction("a") as tx, ThreadPoolExecutor(1) as pool:
        tx.set_head(head(1, "a"))
        pool.submit(other).result(timeout=20)
    assert (store.head("a"), store.head("b")) == (head(1, "a"), head(1, "b"))
    store.close()
