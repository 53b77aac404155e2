"""The ledger store: what is read without the write lock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.stores import ledger as module
from vault.stores.ledger import LedgerStore
from vault.stores.rows import BodyRow, EntryFilter, EntryRow, PlanItemRow, RegistryRow, TileRow

from .making import entry, head

ENTRIES = [
    entry(
        n,
        tag=b"tag%d" % (n % 5),
        actor=f"p{n % 3}",
        purpose=("audit", "legal_action")[n % 2],
        kind=("read", "search", "deny")[n % 3],
        about=("borrower", "loan")[n % 2],
        masked=1 << (n % 4),
        clear=(1 << 62) * (n % 2),
        outcome=("ok", "denied")[n % 2],
        reason=("", "call_cap")[n % 2],
    )
    for n in range(40)
]


def fill(ledger: LedgerStore) -> None:
    """Write the entries once."""
    if ledger.head("main") is None:
        with ledger.transaction("main") as tx:
            tx.append(ENTRIES, [BodyRow(tenant="main", idx=n, sealed=b"b%d" % n) for n in range(40)], [])
            tx.set_head(head(40))


def matches(row: EntryRow, asked: EntryFilter) -> bool:
    """Say the same as `query`, in Python."""
    equal = ("actor", "purpose", "kind", "about", "outcome", "reason")
    return all(
        (
            all(getattr(asked, n) is None or getattr(row, n) == getattr(asked, n) for n in equal),
            asked.tags is None or row.tag in asked.tags,
            asked.bits is None or (row.masked | row.clear) & asked.bits,
            asked.clear_bits is None or row.clear & asked.clear_bits,
            asked.since is None or row.t >= asked.since,
            asked.until is None or row.t < asked.until,
            asked.after_idx is None
            or (row.idx < asked.after_idx if asked.newest_first else row.idx > asked.after_idx),
        )
    )


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    """One of the values, or None most of the time."""
    return st.one_of(st.none(), st.none(), st.sampled_from(values))


FILTERS = st.builds(
    EntryFilter,
    tags=st.one_of(st.none(), st.lists(st.sampled_from([b"tag0", b"tag3", b"none"]), max_size=3)),
    actor=one_of("p0", "p2", "none"),
    purpose=one_of("audit", "legal_action"),
    kind=one_of("read", "deny"),
    about=one_of("loan"),
    bits=one_of(1, 6, 1 << 62),
    clear_bits=one_of(1, 1 << 62),
    outcome=one_of("ok"),
    reason=one_of("call_cap"),
    since=one_of(1000, 1010),
    until=one_of(1020, 1040),
    after_idx=one_of(0, 17),
    limit=st.integers(1, 50),
    newest_first=st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=FILTERS)
def test_query_gives_exactly_what_matches(ledger: LedgerStore, asked: EntryFilter) -> None:
    """Every filter gives the matching entries, in the order asked for, up to its limit."""
    fill(ledger)
    wanted = [row for row in ENTRIES if matches(row, asked)]
    wanted = (wanted[::-1] if asked.newest_first else wanted)[: asked.limit]
    assert ledger.query("main", asked) == wanted
    assert ledger.query("b", asked) == []


def test_query_by_tags_probes_every_block(ledger: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far apart a subject's entries are, and however many tags are asked, all are found in order."""
    spread = [0, 1, 2047, 2048, 9999, 10240, 4096 * 3]
    with ledger.transaction("main") as tx:
        tx.append([entry(n, tag=b"mine%d" % n) for n in spread], [], [])
        tx.append([entry(n, tag=b"other") for n in (3, 5000)], [], [])
    monkeypatch.setattr(module, "PART", 2)
    found = ledger.query("main", EntryFilter(tags=[b"mine%d" % n for n in spread] + [b"none"]))
    assert [row.idx for row in found] == spread
    newest = ledger.query(
        "main", EntryFilter(tags=[b"mine%d" % n for n in spread], newest_first=True, limit=2)
    )
    assert [row.idx for row in newest] == spread[:-3:-1]


def test_entries_stubs_bodies(ledger: LedgerStore) -> None:
    """Entries come by index, stubs by a half-open range, bodies by index."""
    fill(ledger)
    assert ledger.entries("main", 38, 10) == ENTRIES[38:]
    assert ledger.entries("main", 3, 2) == ENTRIES[3:5]
    assert ledger.stubs("main", 1, 3) == [b"stub 1", b"stub 2"]
    assert ledger.bodies("main", [2, 5, 99]) == {2: b"b2", 5: b"b5"}
    assert ledger.head("main") == head(40)
    assert ledger.head("b") is None


def test_tiles_checkpoints_counters(ledger: LedgerStore) -> None:
    """Complete tiles and signed checkpoints are kept as written; the first checkpoint of a size stays."""
    with ledger.transaction("main") as tx:
        tx.append([], [], [TileRow(tenant="main", level=0, tile=3, hashes=b"h")])
        for size, note in ((5, "five"), (9, "nine"), (5, "other")):
            tx.checkpoint(size, note)
        tx.bump({b"h": 4})
    assert (ledger.tile("main", 0, 3), ledger.tile("main", 1, 3)) == (b"h", None)
    assert ledger.checkpoints("main", 0) == [(5, "five"), (9, "nine")]
    assert ledger.checkpoints("main", 5) == [(9, "nine")]
    assert ledger.latest_checkpoint("main") == (9, "nine")
    assert ledger.latest_checkpoint("b") is None
    assert (ledger.counter("main", b"h"), ledger.counter("main", b"x")) == (4, 0)


def test_registry_is_ordered_and_replaced(ledger: LedgerStore) -> None:
    """Rows come by kind and id; putting replaces, dropping removes, tenants stay apart."""
    rows = [RegistryRow(tenant="main", kind=k, id=i, body=b"1") for k in ("plan", "Principal") for i in "b_a"]
    with ledger.transaction("main") as tx:
        for row in rows:
            tx.put_registry(row)
        tx.put_registry(RegistryRow(tenant="main", kind="plan", id="a", body=b"2"))
        tx.drop_registry("plan", "b")
        tx.drop_registry("plan", "none")
        inside = tx.registry(["plan"])
    found = ledger.registry("main")
    assert [(r.kind, r.id, r.body) for r in found] == [
        ("Principal", "_", b"1"), ("Principal", "a", b"1"), ("Principal", "b", b"1"),
        ("plan", "_", b"1"), ("plan", "a", b"2"),
    ]  # fmt: skip
    assert inside == found[3:] == ledger.registry("main", {"plan"})
    assert ledger.registry("b") == []


def test_plan_items_are_paged_and_marked(ledger: LedgerStore) -> None:
    """A plan's items are worked through by state, so that an unfinished run can be resumed."""
    items = [(f"r{n}", "erase", "rule") for n in range(5)]
    with ledger.transaction("main") as tx:
        tx.put_plan_items("p1", items)
        tx.put_plan_items("p2", [("r1", "restrict", "rule")])
        tx.mark_plan_items("p1", ["r0", "r3"], done=True)
    assert [r.record for r in ledger.plan_items("main", "p1", "open", "", 2)] == ["r1", "r2"]
    assert [r.record for r in ledger.plan_items("main", "p1", "open", "r2", 9)] == ["r4"]
    assert len(ledger.plan_items("main", "p1", None, "", 9)) == 5
    assert ledger.plan_items("main", "p2", None, "", 9) == [
        PlanItemRow(tenant="main", plan="p2", record="r1", action="restrict", rule="rule", state="open")
    ]


def test_counters_are_fetched_together(ledger: LedgerStore) -> None:
    """Where each stands; one that never counted is left out, and so is another tenant's."""
    with ledger.transaction("main") as tx:
        tx.bump({b"h": 4, b"g": 1 << 33})
    with ledger.transaction("other") as tx:
        tx.bump({b"x": 1})
    assert ledger.counters("main", [b"h", b"g", b"x", b"h"]) == {b"h": 4, b"g": 1 << 33}
    assert ledger.counters("main", []) == {}
