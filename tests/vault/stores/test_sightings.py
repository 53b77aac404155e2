"""Sightings, counts and marks, on either engine."""

from __future__ import annotations

from vault.stores.ledger import LedgerStore


def test_each_is_seen_once_and_counted_each_time(ledger: LedgerStore) -> None:
    """A handle is new once in its span; counts add up, and tenants don't meet."""
    with ledger.transaction("main") as tx:
        table = tx.sightings
        assert table.sight([(10, b"a"), (10, b"b")]) == {b"a", b"b"}
        assert table.sight([(10, b"b"), (10, b"c"), (20, b"a")]) == {b"c", b"a"}
        assert table.count([(10, b"n", 2), (10, b"m", 1)]) == {b"n": 2, b"m": 1}
        assert table.count([(10, b"n", 3)]) == {b"n": 5}
    with ledger.transaction("other") as tx:
        assert tx.sightings.sight([(10, b"a")]) == {b"a"}
        assert tx.sightings.sight([]) == set()


def test_the_new_are_counted_as_they_are_named(ledger: LedgerStore) -> None:
    """`note` says how many of those `sight` would have named, and notes them just so."""
    with ledger.transaction("main") as tx:
        table = tx.sightings
        assert table.note(10, [b"a", b"b", b"c"]) == 3
        assert table.note(10, [b"b", b"d", b"c"]) == 1
        assert table.sight([(10, b"d"), (10, b"e")]) == {b"e"}
        assert table.note(20, [b"e"]) == 1
        assert table.note(20, []) == 0


def test_windows_that_are_over_go_in_parts(ledger: LedgerStore) -> None:
    """The oldest first, so many at most; those that still run stay."""
    with ledger.transaction("main") as tx:
        table = tx.sightings
        table.sight([(span, bytes([n])) for span in (10, 20, 30) for n in range(5)])
        assert [table.sweep(20, 3) for _ in range(5)] == [3, 2, 3, 2, 0]
        assert table.sight([(30, b"\0"), (20, b"\0")]) == {b"\0"}


def test_marks_are_kept_in_order(ledger: LedgerStore) -> None:
    """By word, each entry once, and what is undone leaves none."""
    with ledger.transaction("main") as tx:
        tx.sightings.mark("no_case", [7, 3])
        tx.sightings.mark("no_case", [3, 9])
        tx.sightings.mark("other", [4])
    assert ledger.sightings("main").marked("no_case", 0, 10) == [3, 7, 9]
    assert ledger.sightings("main").marked("no_case", 4, 1) == [7]
    assert ledger.sightings("else").marked("no_case", 0, 10) == []
