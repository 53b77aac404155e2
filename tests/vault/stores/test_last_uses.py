"""When an actor last did something in a role: the newest entry that went well, within what is looked at."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.stores.ledger import LedgerStore
from vault.stores.rows import BodyRow, EntryRow

from .making import entry, head

ROLES = ("collector", "legal", "admin")
ENTRIES = [
    entry(
        n,
        actor=f"p{n % 4}",
        role=ROLES[n * n % 7 % 3],
        t=1000 + n // 3,
        purpose=f"u{n % 5}",
        outcome="denied" if n % 6 == 1 else "ok",
    )
    for n in range(120)
]


@pytest.fixture
def filled(ledger: LedgerStore) -> LedgerStore:
    """A ledger with the entries, and another tenant's beside it."""
    with ledger.transaction("main") as tx:
        tx.append(ENTRIES, [BodyRow(tenant="main", idx=n, sealed=b"b") for n in range(120)], [])
        tx.set_head(head(120))
    with ledger.transaction("other") as tx:
        row = entry(0, "other", actor="p1", role="legal", t=9999)
        tx.append([row], [BodyRow(tenant="other", idx=0, sealed=b"b")], [])
        tx.set_head(head(1, "other"))
    return ledger


def newest(actor: str, role: str, floor: int, most: int) -> EntryRow | None:
    """The same in Python: `most` entries behind the newest one still count."""
    theirs = [row for row in ENTRIES if row.actor == actor and row.idx >= floor]
    theirs = theirs[-most - 1 :]
    return next((row for row in reversed(theirs) if row.role == role and row.outcome == "ok"), None)


def test_the_first_entry_at_or_after_an_instant(filled: LedgerStore) -> None:
    """Of several of one instant the first; None when there is none."""
    for since in (0, 1000, 1001, 1020, 1039):
        expected = next(row.idx for row in ENTRIES if row.t >= since)
        assert filled.index_at("main", since) == expected
    assert filled.index_at("main", 1040) is None
    assert filled.index_at("nobody", 0) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["p0", "p1", "p3", "none"]), st.integers(1000, 1039), st.integers(0, 40))
def test_last_uses_are_what_the_entries_say(filled: LedgerStore, actor: str, since: int, most: int) -> None:
    """By role, as the same question in Python; `since` says how far back was looked at."""
    floor = filled.index_at("main", since)
    assert floor is not None
    found = filled.last_uses("main", actor, ROLES, (since, floor), most)
    for role in ROLES:
        expected, use = newest(actor, role, floor, most), found.uses.get(role)
        assert (use and (use.idx, use.t, use.purpose)) == (
            expected and (expected.idx, expected.t, expected.purpose)
        )
    theirs = [row for row in ENTRIES if row.actor == actor and row.idx >= floor]
    assert found.since == (theirs[-most - 1].t if len(theirs) > most else since)
