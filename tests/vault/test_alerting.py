"""Alarms on append, on either engine: exact over nodes, and durable with what set them off or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import FrozenClock
from sqlalchemy import func, select

from vault import alerting
from vault.alarm_rules import merged
from vault.alerting import Watcher
from vault.crypto import mac
from vault.crypto.keys import TenantKeys
from vault.errors import Denied
from vault.journal import Journal
from vault.ledger.book import CaseRow
from vault.ledger.registry import AlarmsInForce, Honey, Principal
from vault.model import Happening, Who, Whom
from vault.schema import builtin
from vault.stores.ledger import LedgerStore
from vault.stores.rows import EntryFilter
from vault.stores.schema import seen

KEYS = TenantKeys.generate("main", "x.cvault/main")
OPENED = Happening(kind="config", who=Who(actor="p-1", role="admin", purpose="administration"), whom=Whom())
PEOPLE = [
    Principal(id=ident, name=ident, public=b"", roles=("legal",), sort=sort)
    for ident, sort in (("p-1", "person"), ("p-2", "person"), ("p-s", "service"))
]
CARD = 1 << builtin().kind("borrower").field("bank_card").number
PHONE = 1 << builtin().kind("borrower").field("phone").number
OWN = """format = 1
[[rule]]
id = "few"
what = "distinct_subjects"
limit = 3
window = "day"
view = "clear"
data = ["*.account"]
severity = "high"
zh = "某"
en = "some"
"""


@dataclass
class Site:
    """A ledger that nodes are opened on."""

    url: str
    clock: FrozenClock = field(default_factory=FrozenClock)
    nodes: list[Journal] = field(default_factory=list)

    def node(self) -> Journal:
        """A node with connections and a memory of its own."""
        made = Journal(LedgerStore.open(self.url), KEYS, f"n{len(self.nodes)}", self.clock)
        made.watcher = Watcher(builtin(), KEYS.handle_key)
        self.nodes.append(made)
        return made

    def alarms(self) -> list[tuple[str, str]]:
        """Rule and actor of every alarm, in order."""
        rows = self.nodes[0].store.query("main", EntryFilter(kind="alarm", limit=1000))
        return [(row.reason, row.actor) for row in rows]

    def rows(self) -> int:
        """How many sightings and counts are kept."""
        with self.nodes[0].store.db.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(seen)).scalar_one())


@pytest.fixture
def site(store_url: Callable[[str], str]) -> Iterator[Site]:
    """A ledger whose log has begun, with three principals and a rule of three persons."""
    made = Site(store_url("ledger"))
    first = made.node()
    first.store.create()
    own = AlarmsInForce(id="alarms", hash=merged(OWN).hash, text=OWN)
    first.watcher = None
    first.create(OPENED, own, *PEOPLE)
    first.watcher = Watcher(builtin(), KEYS.handle_key)
    yield made
    for node in made.nodes:
        node.store.close()


def saw(
    person: int, actor: str = "p-1", *, clear: int = CARD, cases: tuple[str, ...] | None = None,
    kind: str = "read", outcome: str = "ok",
) -> Happening:  # fmt: skip
    """An entry by which somebody saw a person's card."""
    who = Who(
        actor=actor, role="legal", purpose="legal_action", about="borrower", outcome=outcome,
        clear=clear if outcome == "ok" else 0,
    )  # fmt: skip
    whom = Whom(subject=f"s-{person}", record=f"r-{person}")
    return Happening(kind=kind, who=who, whom=whom, secret=bytes([person]) * 32, cases=cases)


def test_exactly_the_one_beyond_the_limit(site: Site) -> None:
    """The fourth person sets it off on whichever node, repeats count for nothing, and the next is at 31."""
    one, two = site.node(), site.node()
    for node, person in ((one, 1), (one, 1), (two, 1), (two, 2), (one, 2), (one, 3), (two, 3)):
        node.log(saw(person))
        assert site.alarms() == []
    receipts = two.log(saw(4))
    assert len(receipts) == 1
    assert site.alarms() == [("few", "p-1")]
    for person in range(5, 31):
        (one, two)[person % 2].log(saw(person), saw(1))
    assert site.alarms() == [("few", "p-1"), ("clear_account", "p-1")]
    one.log(saw(31))
    assert site.alarms()[2:] == [("few", "p-1")]
    (alarm,) = one.store.query("main", EntryFilter(kind="alarm", limit=1))
    assert (alarm.idx, alarm.clear, alarm.masked, alarm.tag) == (receipts[0].index + 1, 0, 0, b"")


def test_each_has_a_count_of_their_own_and_a_day_begins_anew(site: Site) -> None:
    """Principals don't add up; at midnight in Shanghai the count begins again, and what it left goes."""
    node = site.node()
    node.log(*[saw(n, actor) for n in (1, 2) for actor in ("p-1", "p-2", "p-s")], saw(3))
    assert site.alarms() == []
    before = site.rows()
    site.clock.advance(days=1)
    node.log(saw(1), saw(2), saw(3))
    node.log(saw(4))
    assert site.alarms() == [("few", "p-1")]
    site.clock.advance(days=1)
    node.log(saw(1))
    assert site.rows() < before


def test_a_page_that_fails_counts_nothing(site: Site) -> None:
    """Neither alarm nor count nor memory: the same persons set it off when they are durable."""
    node = site.node()
    node.log(saw(1), saw(2), saw(3))
    kept = site.rows()

    def failing() -> None:
        with node.page() as page:
            page.add(saw(4))
            page.write()
            raise Denied("no")

    with pytest.raises(Denied):
        failing()
    assert (site.alarms(), site.rows()) == ([], kept)
    node.log(saw(4))
    assert site.alarms() == [("few", "p-1")]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(("p-1", "p-2")), st.integers(1, 9)), min_size=1, max_size=6),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_any_interleaving(
    site: Site,
    pages: Sequence[Sequence[tuple[str, int]]],
    choose: "st.random.Random",  # type: ignore[name-defined] # noqa: UP037
) -> None:
    """Whatever pages on whatever nodes: an alarm stands behind the page that saw the fourth, and no other."""
    site.clock.advance(days=2)
    nodes = [site.node(), site.node()]
    met: dict[str, set[int]] = {"p-1": set(), "p-2": set()}
    try:
        for page in pages:
            before, had = {actor: len(people) for actor, people in met.items()}, len(site.alarms())
            choose.choice(nodes).log(*(saw(person, actor) for actor, person in page))
            for actor, person in page:
                met[actor].add(person)
            due = {actor for actor in met if before[actor] <= 3 < len(met[actor])}
            assert {actor for _, actor in site.alarms()[had:]} == due
            assert len(site.alarms()) == had + len(due)
    finally:
        for node in nodes:
            site.nodes.remove(node)
            node.store.close()


def test_at_night_once_and_services_not(site: Site) -> None:
    """The first view between 22:00 and 08:00 of each person, however many and on whichever node."""
    site.clock.advance(hours=11, minutes=59)  # 21:59
    one, two = site.node(), site.node()
    one.log(saw(1, clear=PHONE), saw(1, "p-2", clear=PHONE))
    assert site.alarms() == []
    site.clock.advance(minutes=1)
    one.log(saw(1, clear=PHONE), saw(2, "p-s", clear=PHONE))
    assert site.alarms() == [("off_hours", "p-1")]
    site.clock.advance(hours=3)
    two.log(saw(1, clear=PHONE), saw(3, clear=PHONE), saw(1, "p-2", clear=PHONE))
    assert site.alarms() == [("off_hours", "p-1"), ("off_hours", "p-2")]
    site.clock.advance(hours=21)
    two.log(saw(1, clear=PHONE))
    assert site.alarms()[2:] == [("off_hours", "p-1")]


def test_refusals_count_each_time(site: Site) -> None:
    """Twenty in ten minutes are none, the next is one; the eleventh minute begins anew."""
    node = site.node()
    for _ in range(2):
        for _ in range(20):
            node.log(saw(1, kind="deny", outcome="denied"))
        assert site.alarms() == []
        site.clock.advance(minutes=10)
    node.log(*[saw(1, kind="deny", outcome="denied")] * 21)
    assert site.alarms() == [("refusals", "p-1")]


def test_honey_is_seen_at_once(site: Site) -> None:
    """The first view of a honey record, seen before it was honey or not; others aren't."""
    node = site.node()
    node.log(saw(1, clear=PHONE))
    with node.page() as page:
        handle = mac.handle(KEYS.handle_key, "subject", "s-1")
        page.put(Honey(id=handle.hex(), added=page.now, by="p-1"))
    node.log(saw(2, clear=PHONE))
    assert site.alarms() == []
    node.log(saw(1, "p-s", clear=PHONE))
    node.log(saw(1, clear=PHONE), saw(1, clear=PHONE))
    assert site.alarms() == [("honey", "p-s"), ("honey", "p-1")]


def test_views_without_an_open_case_are_marked(site: Site) -> None:
    """No case at all, or none of those known open: a mark on each entry; an unknown case tells nothing."""
    node = site.node()
    shut, live, unknown = bytes(16), bytes(15) + b"\1", bytes(15) + b"\2"

    def row(handle: bytes, state: str, turn: int = 1) -> CaseRow:
        plain = {"number": b"n", "opened": 1, "changed": 1, "by": "p-1", "reason": "r"}
        return CaseRow(handle=handle, state=state, turn=turn, **plain)  # type: ignore[arg-type]

    first = node.log(saw(1, clear=PHONE, cases=()), saw(2, clear=PHONE, cases=(unknown.hex(),)))[0].index
    with node.page() as page:
        page.put_cases([row(shut, "closed"), row(live, "open")])
    pages = [(shut,), (live,), (shut, live), (shut, unknown)]
    entries = [saw(n, clear=PHONE, cases=tuple(h.hex() for h in cases)) for n, cases in enumerate(pages, 3)]
    then = node.log(*entries, entries[0])[0].index
    with node.page() as page:
        page.put_cases([msgspec.structs.replace(row(live, "closed"), turn=2)])
    last = node.log(entries[1])[0].index
    marked = node.store.sightings("main").marked(alerting.NO_CASE, 0, 100)
    assert marked == [first, then, then + 4, last]
    assert site.alarms() == []
    node.log(*(saw(n, clear=PHONE, cases=()) for n in range(10, 13)))
    assert site.alarms() == [("no_case", "p-1")]


def test_memory_is_bounded_and_only_saves_work(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With next to none, counts come out the same; whom a node remembers, it doesn't ask about again."""
    monkeypatch.setattr(alerting, "MOST", 2)
    monkeypatch.setattr(alerting, "FORMS", 1)
    node = site.node()
    for person in (1, 2, 3, 1, 2, 3):
        node.log(saw(person), saw(person, "p-2"))
        assert node.watcher is not None
        assert node.watcher._held <= 2
    assert site.alarms() == []
    node.log(saw(4))
    assert site.alarms() == [("few", "p-1")]
    assert node.watcher is not None
    assert sum(len(group.seen) for group in node.watcher._groups.values()) == node.watcher._held


def test_other_rules_take_hold_at_once(site: Site) -> None:
    """On every node, with the next page: the registry carries them."""
    one, two = site.node(), site.node()
    one.log(saw(1), saw(2))
    two.log(saw(1))
    with one.page() as page:
        text = OWN.replace("limit = 3", "limit = 2")
        page.put(AlarmsInForce(id="alarms", hash=merged(text).hash, text=text))
    two.log(saw(3))
    assert site.alarms() == [("few", "p-1")]
