"""Pages and the book of cases, on either engine: one change is seen everywhere, none by hand is believed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from kit import FrozenClock
from sqlalchemy import Connection, delete, insert, select, update

from vault.crypto.keys import TenantKeys
from vault.errors import Denied, Tampered, Unavailable
from vault.journal import Journal
from vault.ledger.book import CaseRow, shard_of
from vault.ledger.registry import BookInForce, Contract
from vault.model import Happening, Who, Whom
from vault.stores.ledger import LedgerStore
from vault.stores.schema import case_shards, cases

KEYS = TenantKeys.generate("main", "x.cvault/main")
OPENED = Happening(kind="config", who=Who(actor="p-1", role="admin", purpose="administration"), whom=Whom())


@dataclass
class Site:
    """A ledger that nodes are opened on."""

    url: str
    clock: FrozenClock = field(default_factory=FrozenClock)
    stores: list[LedgerStore] = field(default_factory=list)

    def node(self, keys: TenantKeys = KEYS) -> Journal:
        """A node with connections and a memory of its own."""
        self.stores.append(LedgerStore.open(self.url))
        return Journal(self.stores[-1], keys, f"n{len(self.stores)}", self.clock)

    def edit(self, work: Callable[[Connection], object]) -> None:
        """Change the tables beside the vault."""
        with self.stores[0].db.engine.begin() as connection:
            work(connection)

    def tables(self) -> tuple[list[Any], list[Any]]:
        """Both tables as they stand."""
        with self.stores[0].db.engine.connect() as connection:
            return tuple(
                [dict(r._mapping) for r in connection.execute(select(t))] for t in (cases, case_shards)
            )  # type: ignore[return-value]


@pytest.fixture
def site(store_url: Callable[[str], str]) -> Iterator[Site]:
    """A ledger whose log has begun."""
    made = Site(store_url("ledger"))
    first = made.node()
    first.store.create()
    first.create(OPENED)
    yield made
    for store in made.stores:
        store.close()


def handle(number: int) -> bytes:
    """Handles of even and odd numbers lie in two shards; uniform otherwise."""
    return bytes([number % 2, 0]) + sha256(b"%d" % number).digest()[:14]


def case(number: int, **more: Any) -> CaseRow:
    """A case as it is opened."""
    plain = {"handle": handle(number), "number": b"n", "state": "open", "opened": 1, "changed": 1}
    return CaseRow(**plain | {"by": "p-1", "reason": "placed"} | more)


def later(row: CaseRow, **more: Any) -> CaseRow:
    """The next turn of a case."""
    return msgspec.structs.replace(row, turn=row.turn + 1, **more)


def put(node: Journal, *rows: CaseRow) -> None:
    """One page that puts rows."""
    with node.page() as page:
        page.put_cases(rows)


def found(node: Journal, *numbers: int) -> dict[bytes, CaseRow]:
    """What one page finds."""
    with node.page() as page:
        return page.cases(map(handle, numbers))


def test_cases_are_put_and_found(site: Site) -> None:
    """What one page puts, it finds, and so does the next, on this node, another and a fresh one."""
    one, two = site.node(), site.node()
    assert found(two, 1) == {}
    with one.page() as page:
        page.put_cases([case(1), case(2, holder="p-2")])
        page.put_cases([later(case(1), holder="p-3")])
        now = page.cases([handle(1)])
        assert now[handle(1)].holder == "p-3"
    expected = {handle(1): later(case(1), holder="p-3"), handle(2): case(2, holder="p-2")}
    for node in (one, two, site.node()):
        assert found(node, 1, 2, 3) == expected
    put(two, later(case(2, holder="p-2"), state="closed"))
    assert found(one, 2)[handle(2)].state == "closed"
    book = one.registry().get(BookInForce, "cases")
    assert book.count == one.check_cases() == site.node().check_cases() == 2


def test_a_page_that_fails_puts_nothing(site: Site) -> None:
    """An error in the block undoes cases, digests and the registry's row, and is remembered by no node."""
    node = site.node()
    put(node, case(1))

    def failing() -> None:
        with node.page() as page:
            page.put_cases([later(case(1), holder="p-2"), case(3)])
            page.put(Contract(id="c", party="p", starts="2026-01-01"))
            page.cases([handle(3)])
            raise Denied("no")

    before = site.tables()
    with pytest.raises(Denied):
        failing()
    assert site.tables() == before
    assert found(node, 1, 3) == {handle(1): case(1)}
    put(node, later(case(1), holder="p-4"))
    assert found(site.node(), 1)[handle(1)].holder == "p-4"


def test_a_refused_row_spoils_its_call_alone(site: Site) -> None:
    """A row that is not its case's next turn is refused with those beside it; the page may go on."""
    node = site.node()
    put(node, case(1))
    with node.page() as page:
        with pytest.raises(Unavailable) as refused:
            page.put_cases([case(2), case(1)])
        page.put_cases([case(4)])
    assert refused.value.code == "conflict"
    assert found(node, 1, 2, 4).keys() == {handle(1), handle(4)}


def test_masked_nodes_read_and_do_not_change(site: Site) -> None:
    """A node without the issuer key finds and lists cases; what it puts is refused and leaves nothing."""
    put(site.node(), case(1))
    masked, before = site.node(KEYS.subset(frozenset({"masked"}))), site.tables()
    assert found(masked, 1) == {handle(1): case(1)}
    assert masked.case_rows() == [case(1)]
    with pytest.raises(Denied) as refused:
        put(masked, later(case(1), holder="p-9"))
    assert refused.value.code == "audience_denied"
    assert site.tables() == before
    masked.log(OPENED)
    assert found(site.node(), 1) == {handle(1): case(1)}


Tables = tuple[list[dict[str, Any]], list[dict[str, Any]]]
AT = cases.c.handle == handle(1)


def _restore(
    connection: Connection, table: Any, rows: Sequence[dict[str, Any]], shard: int | None = None
) -> None:
    """Put a table, or a shard of it, back to what it was."""
    connection.execute(delete(table) if shard is None else delete(table).where(table.c.shard == shard))
    connection.execute(insert(table), [row for row in rows if shard in {None, row["shard"]}])


def _edited(connection: Connection, _: Tables) -> None:
    body = connection.execute(select(cases.c.body).where(AT)).scalar_one()
    connection.execute(update(cases).where(AT).values(body=body.replace(b"p-2", b"p-9"), holder="p-9"))


def _column(connection: Connection, _: Tables) -> None:
    connection.execute(update(cases).where(AT).values(holder="p-9"))


def _deleted(connection: Connection, _: Tables) -> None:
    connection.execute(delete(cases).where(AT))


def _added(connection: Connection, _: Tables) -> None:
    row = case(5, holder="p-9")
    body = msgspec.json.encode(row, order="sorted")
    values = {
        "shard": shard_of(row.handle),
        "handle": row.handle,
        "holder": "p-9",
        "state": "open",
        "body": body,
    }
    connection.execute(insert(cases).values(tenant="main", **values))


def _row_back(connection: Connection, old: Tables) -> None:
    connection.execute(delete(cases).where(AT))
    connection.execute(insert(cases), [row for row in old[0] if row["handle"] == handle(1)])


def _shard_back(connection: Connection, old: Tables) -> None:
    for table, rows in zip((cases, case_shards), old, strict=True):
        _restore(connection, table, rows, shard_of(handle(1)))


def _digests_back(connection: Connection, old: Tables) -> None:
    _restore(connection, case_shards, old[1])


def _cases_back(connection: Connection, old: Tables) -> None:
    _restore(connection, cases, old[0])


def _all_back(connection: Connection, old: Tables) -> None:
    _restore(connection, cases, old[0])
    _restore(connection, case_shards, old[1])


def _swapped(connection: Connection, _: Tables) -> None:
    wanted = select(cases.c.handle, cases.c.body).where(cases.c.handle.in_([handle(1), handle(3)]))
    (one, first), (two, second) = connection.execute(wanted)
    connection.execute(update(cases).where(cases.c.handle == one).values(body=second))
    connection.execute(update(cases).where(cases.c.handle == two).values(body=first))


def _all_gone(connection: Connection) -> None:
    connection.execute(delete(cases))
    connection.execute(delete(case_shards))


@pytest.mark.parametrize(
    "tamper",
    [
        _edited, _column, _deleted, _added, _row_back, _shard_back, _digests_back, _cases_back, _all_back,
        _swapped,
    ],
)  # fmt: skip
def test_tampering_stops_the_next_page(site: Site, tamper: Callable[[Connection, Tables], None]) -> None:
    """Edited, added, deleted, swapped or put back as it once was: a reading of it is Tampered, and a walk."""
    node = site.node()
    put(node, case(1), case(2), case(3))
    old = site.tables()
    put(node, later(case(1), holder="p-2"), later(case(2), holder="p-2"))
    site.edit(lambda connection: tamper(connection, old))
    for reading in (
        lambda: found(site.node(), 3),
        lambda: site.node().case_rows(),
        lambda: put(site.node(), case(7)),
        lambda: site.node().check_cases(),
        node.check_cases,
    ):
        with pytest.raises(Tampered):
            reading()
    assert found(node, 1)[handle(1)].holder == "p-2"


def test_an_emptied_book_is_noticed(site: Site) -> None:
    """With every case deleted a list has nothing to check; whoever asks for one case, or walks, is told."""
    put(site.node(), case(1))
    site.edit(_all_gone)
    assert site.node().case_rows() == []
    for reading in (lambda: found(site.node(), 1), lambda: site.node().check_cases()):
        with pytest.raises(Tampered):
            reading()


def test_the_registry_can_not_be_put_back_with_the_book(site: Site) -> None:
    """With both tables the registry's row put back too, it is the head that speaks against it."""
    node = site.node()
    put(node, case(1))
    old, registry = site.tables(), node.store.registry("main", ["book"])
    put(node, later(case(1), holder="p-2"))
    site.edit(lambda connection: _all_back(connection, old))
    with node.store.transaction("main") as tx:
        tx.put_registry(registry[0])
    with pytest.raises(Tampered, match="registry"):
        found(site.node(), 1)
    with pytest.raises(Tampered):
        site.node().check_cases()


def test_turns_are_taken_one_after_the_other(site: Site) -> None:
    """Six threads on two nodes raise two cases over and over: every turn counts, none is lost."""
    nodes = [site.node(), site.node()]
    put(nodes[0], case(1), case(2))

    def work(number: int) -> None:
        for turn in range(5):
            with nodes[number % 2].page() as page:
                row = page.cases([handle(1 + turn % 2)])[handle(1 + turn % 2)]
                page.put_cases([later(row, holder=f"p-{number}")])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {h: row.turn for h, row in found(site.node(), 1, 2).items()} == {handle(1): 19, handle(2): 13}
    assert site.node().check_cases() == 2


def test_lists_are_checked_and_paged(site: Site) -> None:
    """By handle, of a holder and in a state, page by page; counts agree."""
    node = site.node()
    rows = [case(n, holder=("", "p-1")[n % 3 == 0], state=("open", "closed")[n % 4 == 0]) for n in range(30)]
    put(node, *rows)
    rows.sort(key=lambda row: row.handle)
    assert node.case_rows() == rows
    assert node.case_rows(holder="p-1") == [row for row in rows if row.holder == "p-1"]
    assert (
        node.case_rows(holder="", state="open", limit=3)
        == [row for row in rows if not row.holder and row.state == "open"][:3]
    )
    paged: list[CaseRow] = []
    while more := node.case_rows(after=paged[-1].handle if paged else b"", limit=7):
        paged += more
    assert paged == rows
    assert node.case_counts() == {
        ("", "open"): 15,
        ("", "closed"): 5,
        ("p-1", "open"): 7,
        ("p-1", "closed"): 3,
    }


def test_lists_are_of_one_instant(site: Site) -> None:
    """A list made while another node changes the book is what it was at one instant, never torn."""
    writer, reader, stop = site.node(), site.node(), threading.Event()
    put(writer, case(1), case(2))

    def work() -> None:
        while not stop.is_set():
            with writer.page() as page:
                now = page.cases([handle(1), handle(2)])
                page.put_cases(later(row, priority=row.priority + 1) for row in now.values())

    thread = threading.Thread(target=work)
    thread.start()
    seen = [[row.priority for row in reader.case_rows()] for _ in range(25)]
    walks = [reader.check_cases() for _ in range(5)]
    stop.set()
    thread.join()
    assert all(len(set(pair)) == 1 and len(pair) == 2 for pair in seen)
    assert walks == [2] * 5


def test_lists_may_be_made_inside_a_page(site: Site) -> None:
    """Under the head's lock the lists show what was committed before, and leave the page as it was."""
    node = site.node()
    put(node, case(1))
    with node.page() as page:
        page.put_cases([case(2)])
        assert node.case_rows() == [case(1)]
        assert node.check_cases() == 1
    assert found(node, 1, 2).keys() == {handle(1), handle(2)}
