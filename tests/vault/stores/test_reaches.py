"""The table of reservations, on either engine."""

from __future__ import annotations

import msgspec

from vault.stores.ledger import LedgerStore
from vault.stores.rows import ReachRow


def row(ident: str, **changes: object) -> ReachRow:
    """A reservation of a call, in flight up to 100."""
    made = ReachRow("main", ident, b"d", b"n", "2026-03-16", "voice", "p-1", "reserved", 0, 100, b"about")
    return msgspec.structs.replace(made, **changes)


def test_calls_are_those_in_flight_and_those_spoken(ledger: LedgerStore) -> None:
    """By person, day and channel; one is in flight before its deadline and while it isn't settled."""
    with ledger.transaction("main") as tx:
        table = tx.reaches
        for one in (
            row("a"), row("b", deadline=99), row("c", state="confirmed", effective=1),
            row("d", state="confirmed"), row("e", state="void"), row("f", channel="sms"),
            row("g", day="2026-03-15"), row("h", debtor=b"x"), row("i", number=b"m"),
        ):  # fmt: skip
            table.put(one)
        assert table.calls(b"d", "2026-03-16", "voice", 98) == (1, 3)
        assert table.calls(b"d", "2026-03-16", "voice", 99) == (1, 2)
        assert table.calls(b"d", "2026-03-16", "voice", 100) == (1, 0)
        assert table.calls(b"none", "2026-03-16", "voice", 0) == (0, 0)
        assert table.attempts(b"n", "2026-03-16", "voice") == 6
        assert table.attempts(b"m", "2026-03-16", "voice") == 1
        assert table.attempts(b"n", "2026-03-16", "sms") == 1


def test_settling_and_forgetting(ledger: LedgerStore) -> None:
    """One is settled and no other; days before the one named are deleted, of this tenant alone."""
    with ledger.transaction("b") as tx:
        tx.reaches.put(row("a", tenant="b", day="2026-03-01"))
    with ledger.transaction("main") as tx:
        tx.reaches.put(row("a"))
        tx.reaches.put(row("b", day="2026-03-15"))
        tx.reaches.settle("a", "confirmed", 1)
        assert tx.reaches.find("a") == row("a", state="confirmed", effective=1)
        assert tx.reaches.find("none") is None
        assert tx.reaches.forget("2026-03-16") == 1
        assert tx.reaches.find("b") is None
        assert tx.reaches.find("a") is not None
    with ledger.transaction("b") as tx:
        assert tx.reaches.find("a") == row("a", tenant="b", day="2026-03-01")


def test_what_is_undone_was_never_reserved(ledger: LedgerStore) -> None:
    """A transaction that fails takes its reservation with it."""
    try:
        with ledger.transaction("main") as tx:
            tx.reaches.put(row("a"))
            raise KeyError
    except KeyError:
        pass
    with ledger.transaction("main") as tx:
        assert tx.reaches.find("a") is None
