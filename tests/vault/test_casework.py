"""The case desk's room: what each act changes, who may, what it leaves in the log, and a model of it all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from casekit import NUMBERS, A, B, C, D, Site, build, copied, outcome
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from kit import FrozenClock

from vault.casework import CHUNK, CaseView
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid, NotFound
from vault.issuing import MOST_CASES
from vault.sharing_out import ShareRule
from vault.vault import Vault

HOUR: Final = 3600 * 10**6


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A vault to be copied."""
    site = build(tmp_path_factory.mktemp("template"))
    site.vault.close()
    return site


@pytest.fixture
def site(template: Site, tmp_path: Path) -> Iterator[Site]:
    """A vault of one's own."""
    site = copied(template, tmp_path)
    yield site
    site.vault.close()


def book(site: Site, **asked: Any) -> dict[str, CaseView]:
    """The cases by number."""
    return {c.number: c for c in site.vault.casework().cases(site.token("desk"), **asked)}


# --- acts ---------------------------------------------------------------------------------------------


def test_each_act_changes_what_it_says_and_nothing_twice(site: Site) -> None:
    """Counts are of what changed; a priority stays unless another is given; by whom and why is kept."""
    room, desk, desk2 = site.vault.casework(), site.token("desk"), site.token("desk2")
    assert room.open_cases(desk, [A, B, f" {A} "], reason="placed", priority=2) == 2
    assert room.open_cases(desk2, [A, B, C], reason="again", priority=9) == 1
    assert room.assign(desk, [A], site.ident("wei"), reason="first") == 1
    assert room.assign(desk, [A], "wei", reason="the same") == 0
    assert room.assign(desk2, [A], "wei", reason="urgent", priority=7) == 1
    one, two = book(site)[A], book(site)[B]
    assert (one.holder, one.holder_name, one.agency) == (site.ident("wei"), "wei", site.ident("agency"))
    assert (one.priority, one.by, one.reason) == (7, site.ident("desk2"), "urgent")
    assert (two.priority, two.by, two.reason, two.holder) == (2, site.ident("desk"), "placed", "")
    assert [room.recall(desk, [A, B], reason="back") for _ in range(2)] == [1, 0]
    assert [room.close_cases(desk, [A, D], reason="paid") for _ in range(2)] == [2, 0]
    found = book(site)
    assert {number: found[number].state for number in NUMBERS} == {
        A: "closed",
        B: "open",
        C: "open",
        D: "closed",
    }
    site.made.clock.advance(minutes=1)
    assert room.open_cases(site.token("desk"), [A], reason="goes on") == 1
    again = book(site)[A]
    assert (again.state, again.holder, again.opened > one.opened) == ("open", "", True)


def test_every_act_is_an_entry_that_names_its_cases(site: Site) -> None:
    """Under the desk's own id, with the reason; an act that changes nothing leaves none."""
    room, desk = site.vault.casework(), site.token("desk")
    room.open_cases(desk, [B, A], reason="placed")
    room.open_cases(desk, [B, A], reason="placed")
    room.assign(desk, [A], "li", reason="first")
    room.recall(desk, [A], reason="back")
    room.close_cases(desk, [A], reason="paid")
    lines = [line for line in site.lines(kind="config") if line.actor == site.ident("desk")]
    assert [(line.case, line.detail) for line in lines] == [
        (f"{A},{B}", "case open: placed"), (A, f"case assign {site.ident('li')}: first"),
        (A, "case recall: back"), (A, "case close: paid"),
    ]  # fmt: skip
    assert {(line.role, line.purpose) for line in lines} == {("case_desk", "administration")}


def test_many_cases_are_several_entries_and_progress_is_told(site: Site) -> None:
    """Five hundred to an entry; each tells how far it is."""
    told: list[tuple[int, int]] = []
    numbers = [f"N-{n}" for n in range(2 * CHUNK + 1)]
    opened = site.vault.casework().open_cases(
        site.token("desk"), numbers, reason="bulk", progress=lambda done, total: told.append((done, total))
    )
    assert opened == len(numbers)
    assert told == [(CHUNK, 1001), (2 * CHUNK, 1001), (1001, 1001)]
    named = [(line.case or "").split(",") for line in site.lines(kind="config") if line.case]
    assert sorted(number for part in named for number in part) == sorted(numbers)
    assert [len(part) for part in named] == [CHUNK, CHUNK, 1]
    assert site.vault.tenancy().journal.check_cases() == len(numbers)


def test_no_number_lies_open_in_a_store(site: Site) -> None:
    """Neither the book of cases nor its entries hold a case number in clear."""
    site.give("wei", A, B)
    site.close(B)
    site.vault.close()
    data = b"".join(path.read_bytes() for path in sorted(site.made.folder.glob("*.db*")))
    assert not any(number.encode() in data for number in NUMBERS)


@pytest.mark.parametrize("numbers", [[], ["AJ-1", ""], ["AJ-1", "x" * 65], ["AJ-1", "A,B"], ["AJ-1", "A\nB"]])
def test_what_is_no_case_number_is_refused_by_its_place(site: Site, numbers: list[str]) -> None:
    """All or none: the good one before it is not opened, and the message repeats neither."""
    before = site.made.size()
    with pytest.raises(Invalid) as refusal:
        site.vault.casework().open_cases(site.token("desk"), numbers, reason="x")
    assert (refusal.value.code, refusal.value.field) == ("invalid_case", "cases")
    assert "AJ-1" not in str(refusal.value)
    assert not numbers or "number 2" in str(refusal.value)
    assert site.made.size() == before + 1  # the token


def test_a_reason_is_asked_of_every_act(site: Site) -> None:
    """Without one nothing happens."""
    room, desk = site.vault.casework(), site.token("desk")
    site.open(A)
    share = [ShareRule(name="all", where="", to=["li"])]
    acts: list[Callable[[], object]] = [
        partial(room.open_cases, desk, [B], reason=" "), partial(room.assign, desk, [A], "li", reason=""),
        partial(room.recall, desk, [A], reason=""), partial(room.close_cases, desk, [A], reason=""),
        partial(room.open_imported, desk, reason=""), partial(room.share_out, desk, share, reason=""),
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(Invalid) as refusal:
            act()
        assert refusal.value.field == "reason"
    assert {number: case.holder for number, case in book(site).items()} == {A: ""}


@pytest.mark.parametrize("name", ["li", "lawyer", "dpo", "auditor", "wei", "importer"])
def test_nobody_else_keeps_cases(site: Site, name: str) -> None:
    """Refused and logged, whether it asks or acts."""
    site.open(A)
    room, token = site.vault.casework(), site.token(name)
    acts: list[Callable[[], object]] = [
        partial(room.cases, token), partial(room.close_cases, token, [A], reason="x"),
        partial(room.open_imported, token, reason="x"),
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(Denied) as refusal:
            act()
        assert refusal.value.code == "role_denied"
    denied = [line.reason for line in site.lines(kind="deny") if line.actor == site.ident(name)]
    assert denied == ["role_denied"] * 3
    assert book(site)[A].state == "open"


def test_a_masked_node_has_no_case_desk(site: Site) -> None:
    """It can't sign for a change of the book."""
    with site.masked() as masked, pytest.raises(Denied) as refusal:
        masked.casework()
    assert refusal.value.code == "audience_denied"


# --- to whom ------------------------------------------------------------------------------------------


def test_cases_go_to_those_who_can_work_them(site: Site) -> None:
    """Not to nobody, to one of two of a name, the disabled, or an agency whose contract isn't in force."""
    room, granting, admin = site.vault.casework(), site.vault.granting(), site.made.identity
    site.open(A)
    granting.add_principal(admin, name="zhao", roles=("collector",))
    granting.add_principal(admin, name="bare", roles=("agency_collector",), more=Enrolment(sort="agency"))
    granting.disable(admin, site.ident("li"))
    granting.end(admin, site.ident("other"), on="2026-03-15", reason="over")
    for to, error in (
        ("nobody", NotFound), ("li", NotFound), (site.ident("li"), Invalid), ("zhao", Invalid),
        ("bare", Invalid), ("other", Denied),
    ):  # fmt: skip
        with pytest.raises(error):
            room.assign(site.token("desk"), [A], to, reason="x")
    assert room.assign(site.token("desk"), [A], site.ident("zhao"), reason="x") == 1
    with pytest.raises(NotFound):
        room.cases(site.token("desk"), holder="nobody")


def test_cases_of_somebody_disabled_are_found_by_name(site: Site) -> None:
    """Whoever left may still hold cases, which are to be taken back: the list knows the name."""
    room, granting = site.vault.casework(), site.vault.granting()
    site.open(A)
    room.assign(site.token("desk"), [A], "li", reason="x")
    granting.disable(site.made.identity, site.ident("li"))
    assert [case.number for case in room.cases(site.token("desk"), holder="li")] == [A]


def test_only_open_cases_are_assigned_or_recalled_all_or_none(site: Site) -> None:
    """One closed or unknown case among them undoes the whole chunk."""
    room, desk = site.vault.casework(), site.token("desk")
    site.open(A, B)
    site.close(B)
    for other in (B, C):
        with pytest.raises(Invalid):
            room.assign(desk, [A, other], "li", reason="x")
        with pytest.raises(Invalid):
            room.recall(desk, [A, other], reason="x")
    assert {number: (case.state, case.holder) for number, case in book(site).items()} == {
        A: ("open", ""), B: ("closed", ""),
    }  # fmt: skip


def test_a_token_names_200_cases_at_most_by_itself(site: Site) -> None:
    """With more assigned, its holder says which; the remedy says how."""
    numbers = [f"N-{n}" for n in range(MOST_CASES)]
    site.give("wei", *numbers)
    assert site.token("wei").token
    site.give("wei", A)
    with pytest.raises(Invalid) as refusal:
        site.token("wei")
    assert (refusal.value.code, refusal.value.field) == ("invalid_limits", "cases")
    assert "--cases" in (refusal.value.remedy or "")
    assert outcome(site.vault, site.bound("wei", A), site.ids(A)) == "ok"


# --- questions ----------------------------------------------------------------------------------------


def test_a_question_is_an_entry_and_pages_hold_every_case_once(site: Site) -> None:
    """By holder, id or name, by nobody's and by state; a handle that is none is refused."""
    site.give("wei", A, B)
    site.open(C)
    site.close(D)
    room, desk = site.vault.casework(), site.token("desk")
    found = [
        {c.number for c in room.cases(desk, holder=holder, state=state)}
        for holder, state in (
            ("wei", None),
            (site.ident("wei"), "open"),
            ("", "open"),
            ("", "closed"),
            (None, None),
        )
    ]
    assert found == [{A, B}, {A, B}, {C}, {D}, {A, B, C, D}]
    seen: list[str] = []
    after = ""
    while page := room.cases(desk, after=after, limit=3):
        seen, after = seen + [c.number for c in page], page[-1].handle
    assert sorted(seen) == sorted(NUMBERS)
    asked = [line for line in site.lines(kind="search") if line.actor == site.ident("desk")]
    assert [line.detail for line in asked] == ["case list"] * 8
    with pytest.raises(Invalid):
        room.cases(desk, after="zz")


# --- imported loans, and rules ------------------------------------------------------------------------


def test_cases_of_imported_loans_are_opened_once(site: Site) -> None:
    """Those the book doesn't know, by a selection of their loans; a closed one stays closed."""
    room, desk = site.vault.casework(), site.token("desk")
    site.close(B)
    told: list[tuple[int, int]] = []
    late = "overdue_days>=31"
    assert room.open_imported(desk, where=late, reason="late", priority=3) == 2
    assert {n: c.priority for n, c in book(site, state="open").items()} == {C: 3, D: 3}
    progress = lambda done, total: told.append((done, total))  # noqa: E731 - a list of what was told
    assert room.open_imported(desk, reason="all", progress=progress) == 1
    assert told == [(4, 4)]
    assert room.open_imported(desk, reason="all") == 0
    assert {number: case.state for number, case in book(site).items()} == dict.fromkeys(NUMBERS, "open") | {
        B: "closed"
    }
    with pytest.raises(Invalid) as refusal:
        room.open_imported(desk, where="phone=13827400000", reason="x")
    assert "1382" not in str(refusal.value)
    asked = [line.detail for line in site.lines(kind="search") if (line.detail or "").startswith("case open")]
    assert asked == [f"case open imported where {late}"] + ["case open imported where "] * 2


def test_rules_share_out_what_is_nobodys(site: Site) -> None:
    """The first rule that a case matches decides; `most` counts what is held; the rest stays nobody's."""
    room, desk = site.vault.casework(), site.token("desk")
    site.open(*NUMBERS, "N-1")
    room.assign(desk, [A], "li", reason="by hand")
    rules = [
        ShareRule(name="latest", where="", to=["li"], most=2, priority=5, sort="overdue_since"),
        ShareRule(name="rest", where="overdue_days>=31", to=["wei", "zhao"]),
        ShareRule(name="none", where="stage>=M6", to=["li"]),
    ]
    dry = room.share_out(desk, rules, reason="monday", dry_run=True)
    assert {number for number, case in book(site).items() if case.holder} == {A}
    done = room.share_out(desk, rules, reason="monday")
    assert done == dry
    assert (done.rules, done.unplaced) == ({"latest": 1, "rest": 2, "none": 0}, 1)
    assert done.holders == {site.ident("li"): 2, site.ident("wei"): 1, site.ident("zhao"): 1}
    assert done.names == {site.ident(name): name for name in ("li", "wei", "zhao")}
    held = {number: (case.holder_name, case.priority, case.reason) for number, case in book(site).items()}
    assert held[D] == ("li", 5, "latest: monday")
    assert {held[B][0], held[C][0]} == {"wei", "zhao"}
    assert held["N-1"][0] == ""
    with pytest.raises(NotFound):
        room.share_out(desk, [ShareRule(name="x", where="", to=["nobody"])], reason="x")
    for bad in ({"where": "phone=1"}, {"sort": "outstanding"}, {"sort": "-nonsense"}):
        with pytest.raises(Invalid):
            room.share_out(desk, [ShareRule(**{"name": "x", "where": "", "to": ["li"]} | bad)], reason="x")


# --- several at once ----------------------------------------------------------------------------------


def test_two_desks_at_once_change_each_case_once(site: Site) -> None:
    """On two nodes, in threads: every case is opened by one of them, and the book stands as a whole."""
    numbers = [f"N-{n}" for n in range(40)]
    tokens = [site.token("desk"), site.token("desk2")]
    with Vault.open(site.made.folder, clock=site.made.clock) as second:
        rooms = [site.vault.casework(), second.casework()]

        def work(desk: int, number: str) -> int:
            return rooms[desk].open_cases(tokens[desk], [number, numbers[0]], reason="race")

        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(work, desk, number) for number in numbers for desk in (0, 1)]
            assert sum(job.result() for job in jobs) == len(numbers)
        assert second.tenancy().journal.check_cases() == len(numbers)
    assert set(book(site)) == set(numbers)


SITES: dict[str, Site] = {}
READERS: Final = ("wei", "zhao", "agency", "other", "li")
HOLDERS: Final = ("wei", "zhao", "agency", "other", "li")
GROUP: Final = {"wei": "agency", "zhao": "agency", "agency": "agency", "other": "other", "li": ""}
SOME: Final = st.lists(st.sampled_from((A, B, C)), min_size=1, max_size=3, unique=True)
NODE: Final = st.integers(0, 1)


class Desk(RuleBasedStateMachine):
    """Two desks on two nodes keep three cases; a dict says how each stands and who may read it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.site = copied(SITES["template"], Path(self.folder.name))
        self.nodes = [self.site.vault, Vault.open(self.site.made.folder, clock=FrozenClock())]
        self.desks = [self.site.token(name, ttl_us=HOUR) for name in ("desk", "desk2")]
        self.tokens = {
            name: self.site.token("li") if name == "li" else self.site.bound(name, A, B, C)
            for name in READERS
        }
        self.ids = {number: self.site.ids(number) for number in (A, B, C)}
        self.model: dict[str, tuple[str, str]] = {}

    def teardown(self) -> None:
        """The book, read as a whole, is the model."""
        room = self.nodes[1].casework()
        found = {c.number: (c.state, c.holder_name) for c in room.cases(self.desks[1])}
        assert found == self.model
        assert self.nodes[0].tenancy().journal.check_cases() == len(self.model)
        for node in self.nodes:
            node.close()
        self.folder.cleanup()

    def act(self, node: int, verb: str, numbers: list[str], to: str = "") -> int | None:
        """What an act changed; None where it was refused."""
        room, desk = self.nodes[node].casework(), self.desks[node]
        try:
            if verb == "assign":
                return room.assign(desk, numbers, to, reason="x")
            count: int = getattr(room, verb)(desk, numbers, reason="x")
        except Invalid:
            return None
        return count

    def becomes(self, numbers: list[str], **states: Any) -> int:
        """Change the model; how many cases of it changed."""
        before = {number: self.model.get(number) for number in numbers}
        for number in numbers:
            state, holder = self.model.get(number, ("", ""))
            self.model[number] = (states.get("state", state), states.get("holder", holder))
        return sum(before[number] != self.model[number] for number in numbers)

    def all_open(self, numbers: list[str]) -> bool:
        """Whether all of them are open in the model."""
        return all(self.model.get(number, ("", ""))[0] == "open" for number in numbers)

    @rule(node=NODE, numbers=SOME)
    def open_cases(self, node: int, numbers: list[str]) -> None:
        """Opening takes what isn't open, and opened again it is nobody's."""
        closed = [n for n in numbers if not self.all_open([n])]
        assert self.act(node, "open_cases", numbers) == self.becomes(closed, state="open", holder="")

    @rule(node=NODE, numbers=SOME, to=st.sampled_from(HOLDERS))
    def assign(self, node: int, numbers: list[str], to: str) -> None:
        """Assigning takes open cases alone, from whoever has them."""
        fits = self.all_open(numbers)
        assert self.act(node, "assign", numbers, to) == (self.becomes(numbers, holder=to) if fits else None)

    @rule(node=NODE, numbers=SOME)
    def recall(self, node: int, numbers: list[str]) -> None:
        """What is recalled is nobody's."""
        fits = self.all_open(numbers)
        assert self.act(node, "recall", numbers) == (self.becomes(numbers, holder="") if fits else None)

    @rule(node=NODE, numbers=SOME)
    def close_cases(self, node: int, numbers: list[str]) -> None:
        """What is closed is nobody's, known before or not."""
        assert self.act(node, "close_cases", numbers) == self.becomes(numbers, state="closed", holder="")

    @rule(node=NODE, number=st.sampled_from((A, B, C)), reader=st.sampled_from(READERS))
    def read(self, node: int, number: str, reader: str) -> None:
        """Its own, its agency's pool, as the agency its people's; a collector gets what isn't closed."""
        state, holder = self.model.get(number, ("none", ""))
        if reader == "li":
            allowed = state != "closed"
        else:
            mine = {reader, GROUP[reader]} | {name for name in GROUP if GROUP[name] == reader}
            allowed = state == "open" and holder in mine
        got = outcome(self.nodes[node], self.tokens[reader], self.ids[number])
        assert got == ("ok" if allowed else "case_closed")


def test_casework_is_its_model(template: Site) -> None:
    """Whatever two desks do, in any order: counts, refusals, the list and every read agree with a dict."""
    SITES["template"] = template
    try:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Desk, settings=settings(max_examples=10, stateful_step_count=25, deadline=None)
        )
    finally:
        SITES.clear()
