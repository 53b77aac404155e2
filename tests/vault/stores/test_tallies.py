"""Tallies on either engine: what they say is what the entries say, however they were come by."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from vault.stores import tallies as module
from vault.stores.ledger import LedgerStore
from vault.stores.rows import EntryRow
from vault.stores.tallies import HOUR, PARTS, Tallies, Which

from .making import entry

SIZE = 700


def _made(idx: int) -> EntryRow:
    chance = random.Random(idx)  # noqa: S311 - made-up entries
    outcome = chance.choice(("ok", "ok", "denied"))
    return entry(
        idx, t=(idx // 3) * HOUR // 17 * 2, kind="read" if outcome == "ok" else "deny",
        actor=chance.choice(("p1", "p2")), role=chance.choice(("collector", "legal")), outcome=outcome,
        reason="" if outcome == "ok" else "call_cap", masked=chance.choice((0, 5)),
        clear=chance.choice((0, 0, 8)),
    )  # fmt: skip


ROWS = [_made(idx) for idx in range(SIZE)]


def _part(row: EntryRow, name: str) -> object:
    if name == "hour":
        return row.t // HOUR
    if name == "view":
        return 2 if row.clear else 1 if row.masked else 0
    return getattr(row, name)


def expected(by: Sequence[str], rows: Sequence[EntryRow]) -> Counter[tuple[Any, ...]]:
    """The same sums, from the entries themselves."""
    return Counter(tuple(_part(row, name) for name in by) for row in rows)


@pytest.fixture
def counts(ledger: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> Tallies:
    """Tallies of a filled log that are a hundred entries a transaction, and none counted yet."""
    monkeypatch.setattr(module, "CHUNK", 100)
    for tenant in ("main", "other"):
        with ledger.transaction(tenant) as tx:
            tx.append([entry(0, tenant=tenant)] if tenant == "other" else ROWS, [], [])
    return Tallies(ledger, "main")


def test_counted_on_by_chunks(counts: Tallies) -> None:
    """Every entry once, up to the size given; progress is told; there is nothing more to count then."""
    told: list[tuple[int, int]] = []
    assert counts.catch_up(250, lambda done, total: told.append((done, total))) == 250
    assert told == [(100, 250), (200, 250), (250, 250)]
    assert counts.sums(PARTS, Which(), None, None) == expected(PARTS, ROWS[:250])
    assert counts.catch_up(SIZE) == SIZE - 250
    assert counts.catch_up(SIZE) == counts.catch_up(5) == 0
    assert counts.upto() == SIZE
    assert counts.sums(PARTS, Which(), None, None) == expected(PARTS, ROWS)


def test_sums_of_any_time(counts: Tallies) -> None:
    """Hours from the tallies, the rest from the entries: the same as counting entries; conditions hold."""
    counts.catch_up(SIZE)
    last = ROWS[-1].t
    for since, until in (
        (None, None), (0, last), (HOUR, 3 * HOUR), (HOUR + 1, 3 * HOUR - 1), (HOUR // 3, HOUR // 2),
        (5 * HOUR + 7, None), (None, 2 * HOUR + 9), (3 * HOUR - 5, 3 * HOUR + 5), (last + HOUR, None),
    ):  # fmt: skip
        rows = [r for r in ROWS if (since or 0) <= r.t and (until is None or r.t < until)]
        for which, kept in (
            (Which(), rows),
            (Which(refused=True), [r for r in rows if r.outcome != "ok"]),
            (Which(refused=False, kind="read"), [r for r in rows if r.kind == "read"]),
            (Which(role="legal", view=2), [r for r in rows if r.role == "legal" and r.clear]),
        ):
            for by in (("actor",), ("hour", "view"), ("reason", "outcome")):
                assert counts.sums(by, which, since, until) == expected(by, kept)


def test_two_at_once_count_nothing_twice(counts: Tallies, ledger: LedgerStore) -> None:
    """They take turns at one row."""
    twins = [threading.Thread(target=Tallies(ledger, "main").catch_up, args=(SIZE,)) for _ in range(3)]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join()
    assert counts.sums(PARTS, Which(), None, None) == expected(PARTS, ROWS)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE tallies SET n = n + 1 WHERE hour = 3 AND actor = 'p1'",
        "DELETE FROM tallies WHERE hour = 2",
        "UPDATE tallies SET actor = 'p9' WHERE hour = 4 AND actor = 'p2'",
        "INSERT INTO tallies VALUES ('main', -5, 'p1', 'x', 'x', 'read', '', 'ok', '', 0, 7)",
        "INSERT INTO tallies VALUES ('main', 999999, 'p1', 'x', 'x', 'read', '', 'ok', '', 0, 7)",
    ],
)
def test_what_was_changed_is_found_and_counted_again(counts: Tallies, ledger: LedgerStore, harm: str) -> None:
    """A check counts the hours that are wrong; counting again mends them, and touches no other tenant."""
    counts.catch_up(SIZE)
    other = Tallies(ledger, "other")
    other.catch_up(1)
    assert counts.differing() == 0
    ledger.db.write(lambda session: session.change(harm))
    assert counts.differing() == 1
    assert counts.rebuild() == SIZE
    assert counts.differing() == other.differing() == 0
    assert counts.sums(PARTS, Which(), None, None) == expected(PARTS, ROWS)


def test_nothing_counted_is_nothing_wrong(counts: Tallies) -> None:
    """A log that nobody asked about has no tallies, and none are missed."""
    assert (counts.upto(), counts.differing(), counts.rebuild()) == (0, 0, 0)
    assert counts.sums(("actor",), Which(), None, None) == Counter()


def test_of_a_pruned_log_the_counts_of_whole_hours_are_checked(counts: Tallies, ledger: LedgerStore) -> None:
    """Entries that went by rule are missed in no count; a count changed behind them is still found."""
    counts.catch_up(SIZE)
    gone = ROWS[256].t // HOUR
    ledger.db.write(lambda tx: tx.change("DELETE FROM entries WHERE tenant = 'main' AND idx < 256"))
    ledger.db.write(lambda tx: tx.change(f"DELETE FROM tallies WHERE tenant = 'main' AND hour < {gone}"))
    assert counts.differing() == 0
    assert counts.rebuild() == SIZE
    kept = [row for row in ROWS if row.t // HOUR >= gone]
    assert counts.sums(("hour", "role"), Which(), None, None) == expected(("hour", "role"), kept)
    ledger.db.write(lambda session: session.change(f"UPDATE tallies SET n = 0 WHERE hour = {gone + 3}"))
    assert counts.differing() == 1


def test_one_hour_may_hold_more_than_a_chunk(ledger: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked and counted again whole."""
    monkeypatch.setattr(module, "CHUNK", 10)
    rows = [entry(idx, t=HOUR + idx if idx < 95 else 3 * HOUR) for idx in range(100)]
    with ledger.transaction("main") as tx:
        tx.append(rows, [], [])
    counts = Tallies(ledger, "main")
    counts.catch_up(100)
    assert counts.differing() == 0
    assert counts.rebuild() == 100
    assert counts.sums(("hour",), Which(), None, None) == Counter({(1,): 95, (3,): 5})
