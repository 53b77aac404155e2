"""Auditors' questions on the ledger store, on either engine: right, and on an index."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.inquiring import answers
from vault.stores.asking import Asked, LogTable, Span, Witnessed, statement
from vault.stores.hot import Rows
from vault.stores.ledger import LedgerStore
from vault.stores.rows import EntryRow
from vault.stores.schema import cosignatures, lookups, marks
from vault.stores.tallies import HOUR

from .making import entry

SIZE = 900
ACTORS = ("p1", "p2", "p3")
KINDS = ("read", "read", "read", "search", "deny", "confirm", "alarm")


def _made(idx: int) -> EntryRow:
    chance = random.Random(idx)  # noqa: S311 - made-up entries
    kind = chance.choice(KINDS)
    reason = {"deny": chance.choice(("role_denied", "call_cap", "")), "alarm": "break_glass"}.get(kind, "")
    outcome = {"deny": "denied" if reason else "not_found"}.get(kind, "ok")
    if kind == "confirm":
        reason = chance.choice(("", "call_cap"))
    return entry(
        idx, t=idx * HOUR // 7, kind=kind, actor=chance.choice(ACTORS), reason=reason, outcome=outcome,
        role=chance.choice(("collector", "legal")), purpose=chance.choice(("dispute", "audit")),
        about=chance.choice(("borrower", "loan", "")), token=f"{chance.randrange(16):x}a",
        masked=chance.choice((0, 1, 3)), clear=chance.choice((0, 0, 0, 2, 4)),
    )  # fmt: skip


ROWS = [_made(idx) for idx in range(SIZE)]


def fill(ledger: LedgerStore, rows: Sequence[EntryRow] = ROWS, tenant: str = "main") -> None:
    """Put entries into a tenant's log."""
    with ledger.transaction(tenant) as tx:
        tx.append([msgspec.structs.replace(row, tenant=tenant) for row in rows], [], [])


def table(ledger: LedgerStore) -> LogTable:
    """The tenant's entries."""
    return LogTable(ledger.db.session(), "main")


@pytest.fixture
def filled(ledger: LedgerStore) -> Iterator[LedgerStore]:
    """A ledger whose entries are of all sorts, and another tenant's beside it."""
    fill(ledger)
    fill(ledger, [entry(idx, actor="p1", clear=2, outcome="denied") for idx in range(50)], "other")
    return ledger


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerStore]:
    """One on SQLite for all examples, which write nothing."""
    store = LedgerStore.open(f"sqlite:///{tmp_path_factory.mktemp('asking')}/ledger.db")
    store.create()
    fill(store)
    yield store
    store.close()


QUESTIONS = [
    Asked(),
    Asked(actor="p1"),
    Asked(role="legal"),
    Asked(purpose="audit"),
    Asked(kind="read"),
    Asked(kind="search", purpose="audit", role="legal", actor="p2"),
    Asked(about="borrower", bits=2),
    Asked(about="borrower", bits=2, view="clear"),
    Asked(about="borrower", bits=1, view="masked"),
    Asked(view="clear"),
    Asked(view="masked"),
    Asked(view="clear", actor="p3"),
    Asked(outcome="denied"),
    Asked(outcome="ok"),
    Asked(outcome="not_found", view="clear"),
    Asked(refused=True, role="collector"),
    Asked(reason="call_cap"),
    Asked(reason="call_cap", outcome="ok"),
    Asked(reason="break_glass", kind="alarm"),
    Asked(reason="role_denied", outcome="denied", view="clear"),
    Asked(token="3a"),
    Asked(token="3", kind="read"),
]


def _expected(asked: Asked, span: Span) -> list[int]:
    found = [
        row.idx
        for row in ROWS[span.start : span.stop]
        if answers(asked, row) and not (asked.refused and row.outcome == "ok")
    ]
    return found[::-1] if asked.newest_first else found


def test_every_question_gives_what_a_walk_over_all_entries_gives(filled: LedgerStore) -> None:
    """Page by page, in order, either way, of any range; other tenants' entries are never among them."""
    for asked in QUESTIONS:
        for newest in (False, True):
            for span in (Span(start=0, stop=SIZE), Span(start=100, stop=333), Span(start=5, stop=5)):
                question = msgspec.structs.replace(asked, newest_first=newest)
                found = [row.idx for row in table(filled).walk(question, span, page=40)]
                assert found == _expected(question, span), question


@given(
    st.builds(
        Asked,
        actor=st.sampled_from([None, "p1", "nobody"]),
        kind=st.sampled_from([None, "read", "deny", "confirm"]),
        outcome=st.sampled_from([None, "ok", "denied"]),
        reason=st.sampled_from([None, "call_cap", "role_denied"]),
        view=st.sampled_from([None, "clear", "masked"]),
        about=st.sampled_from([None, "borrower"]),
        bits=st.sampled_from([None, 1, 6]),
    )
)
def test_the_parts_of_a_question_are_conditions_joined(lite: LedgerStore, asked: Asked) -> None:
    """Whatever is asked together: the union of the parts walked is exactly the answer, without doubles."""
    span = Span(start=0, stop=SIZE)
    assert [row.idx for row in table(lite).walk(asked, span, page=97)] == _expected(asked, span)


def test_instants_become_indices(filled: LedgerStore) -> None:
    """From the first entry at or after `since` on, before the first at or after `until`."""
    for since, until in ((None, None), (0, 5 * HOUR), (3 * HOUR, 9 * HOUR), (10**18, None), (None, 1)):
        span = table(filled).span(since, until, SIZE)
        asked = [row.idx for row in ROWS if (since or 0) <= row.t and (until is None or row.t < until)]
        assert list(range(span.start, span.stop)) == asked
    assert table(filled).span(None, None, 10).stop == 10


def test_clear_views_are_counted_by_bitmap(filled: LedgerStore) -> None:
    """Of one kind and span; the kinds are those of which something was shown in CLEAR."""
    span = Span(start=50, stop=700)
    found = table(filled).clear_views("loan", span)
    mine = [row.clear for row in ROWS[50:700] if row.about == "loan" and row.clear]
    assert found == {bits: mine.count(bits) for bits in set(mine)}
    assert table(filled).shown_clear() == ["", "borrower", "loan"]


def test_marked_entries(filled: LedgerStore) -> None:
    """A question about a mark gives the entries that carry it; counts keep to the span."""
    session = filled.db.session()
    filled.db.write(
        lambda tx: Rows(marks).put(tx, [("main", "no_case", n) for n in (3, 77, 500)] + [("main", "x", 4)])
    )
    whole = Span(start=0, stop=SIZE)
    found = LogTable(session, "main").walk(Asked(mark="no_case"), whole, page=2)
    assert [row.idx for row in found] == [3, 77, 500]
    assert table(filled).marked("no_case", Span(start=4, stop=500)) == 1
    named = Asked(mark="no_case", actor=ROWS[77].actor, newest_first=True)
    assert 77 in [row.idx for row in table(filled).walk(named, whole)]


def test_looked_up_values(ledger: LedgerStore) -> None:
    """Who and on which day, of the digests asked for and that field alone."""
    rows = [
        ("main", b"h1", "2026-03-01", "borrower.phone", b"d1"),
        ("main", b"h2", "2026-03-02", "borrower.phone", b"d2"),
        ("main", b"h2", "2026-03-02", "loan.no", b"d1"),
        ("other", b"h3", "2026-03-01", "borrower.phone", b"d1"),
    ]
    ledger.db.write(lambda tx: Rows(lookups).put(tx, rows))
    found = table(ledger).looked_up("borrower.phone", [b"d1", b"d2", b"d3"])
    assert found == {(b"h1", "2026-03-01"), (b"h2", "2026-03-02")}
    assert table(ledger).looked_up("borrower.phone", []) == set()


def test_what_covers_a_month(ledger: LedgerStore) -> None:
    """The smallest checkpoint at or above a size, and each witness's first cosignature there."""
    with ledger.transaction("main") as tx:
        for size in (5, 9, 20):
            tx.checkpoint(size, f"note {size}")
    cosigned = ((5, "w1"), (9, "w1"), (20, "w1"), (20, "w2"))
    rows = [("main", size, witness, "line", t) for t, (size, witness) in enumerate(cosigned, 1)]
    ledger.db.write(lambda tx: Rows(cosignatures).put(tx, rows))
    assert table(ledger).checkpoint_of(6) == "note 9"
    assert table(ledger).checkpoint_of(21) is None
    assert table(ledger).witnessed(6) == [
        Witnessed(witness="w1", size=9, t=2),
        Witnessed(witness="w2", size=20, t=4),
    ]


def _plan(store: LedgerStore, asked: Asked) -> str:
    """How the engine would go about a page of a question."""
    session = store.db.session()
    query: Any = statement("main", asked, 0, SIZE, 50, session.lite)
    compiled = query.compile(dialect=session.dialect, compile_kwargs={"render_postcompile": True})
    values = [compiled.params[name] for name in compiled.positiontup]
    if session.lite:
        return "\n".join(row[3] for row in session.rows(f"EXPLAIN QUERY PLAN {compiled}", values))
    return "\n".join(row[0] for row in session.rows(f"EXPLAIN {compiled}", values))


def test_no_question_walks_the_whole_table(filled: LedgerStore) -> None:
    """Each statement of each question is a search on an index that begins with the tenant, in order."""
    session = filled.db.session()
    fill(filled, [_made(SIZE + n) for n in range(4000)])
    if not session.lite:
        session.change("ANALYZE entries")
    for asked in [*QUESTIONS, Asked(mark="no_case")]:
        for part in table(filled)._parts(asked):
            plan = _plan(filled, part)
            assert "Index" in plan or "USING INDEX" in plan, (part, plan)
            for wrong in ("Seq Scan on entries", "SCAN entries", "TEMP B-TREE"):
                assert wrong not in plan, (part, plan)


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (Asked(actor="p1", purpose="audit", kind="read"), "entries_actor"),
        (Asked(purpose="audit", kind="read"), "entries_purpose"),
        (Asked(role="legal", kind="read"), "entries_role"),
        (Asked(kind="search", purpose="audit"), "entries_kind"),
        (Asked(view="clear", about="loan", bits=4, actor="p1"), "entries_clear"),
        (Asked(outcome="denied", reason="call_cap", actor="p1"), "entries_refused"),
    ],
)
def test_the_index_that_leaves_least_is_taken(lite: LedgerStore, asked: Asked, index: str) -> None:
    """SQLite, which keeps no statistics here, is left no other."""
    assert f"USING INDEX {index} " in _plan(lite, asked)
