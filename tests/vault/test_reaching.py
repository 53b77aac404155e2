"""Reaching: numbers by rule, on both databases; nothing of them outside what a reservation returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import FrozenClock, Made, borrowers, leaks, make_vault

from vault.access.tokens import Credential, Limits
from vault.auditing import Line, Question
from vault.config import Stores
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid, NotFound, VaultError
from vault.ledger.registry import Principal
from vault.model import View
from vault.reaching import Reaching, Reservation

ROWS = borrowers(2)
PHONE = ROWS[0]["手机"]


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A sandbox with two borrowers and their contact persons, on either engine."""
    stores = None
    if request.param == "postgresql":
        pg: Callable[[], str] = request.getfixturevalue("pg")
        stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    yield made
    made.vault.close()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Made]:
    """The same on SQLite alone, for what no engine decides."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


def setup(made: Made) -> tuple[Reaching, Credential, str]:
    """The room, a dialer's token that outlives a day's tests, and the first borrower."""
    token = made.token("dialer", limits=Limits(ttl_us=12 * 3_600_000_000))
    return made.vault.reaching(), token, made.ids(ROWS)[0]


def refused(work: Callable[[], Any]) -> str:
    """The code by which something is refused; "" if it isn't."""
    try:
        work()
    except VaultError as error:
        return error.code
    return ""


def lines(made: Made, **asked: Any) -> list[Line]:
    """Entries by an auditor's question."""
    return made.vault.auditing().ask(made.token("auditor"), Question(**asked))


def contact_of(made: Made, borrower: str) -> str:
    """The contact person of a borrower: the one whose cases are the borrower's."""
    t = made.vault.tenancy()
    rows, _ = t.stores.index.select(t.name, "contact_person", [], None, None, 10)
    held = t.keeping.fetch([record for record, _ in rows] + [borrower])
    cases = held[borrower].facts.cases
    (found,) = (record for record, h in held.items() if record != borrower and h.facts.cases == cases)
    return found


def note(made: Made, record: str, **anchors: str) -> None:
    """Set days on a record."""
    keeping = made.vault.tenancy().keeping
    held = keeping.fetch([record])[record]
    facts = msgspec.structs.replace(held.facts, anchors=held.facts.anchors | anchors)
    keeping.set_facts([(held, facts)])


# --- the way through ------------------------------------------------------------------------------------


def test_a_number_comes_with_its_entry(made: Made) -> None:
    """The number is in clear, for 30 minutes; its entry names field, channel and reservation."""
    room, token, ident = setup(made)
    found = room.reserve(token, ident)
    assert (found.number, found.field, found.channel, found.kind) == (PHONE, "phone", "voice", "borrower")
    assert found.until == made.clock.now + 30 * 60 * 1_000_000
    (line,) = lines(made, kind="reserve")
    assert (line.index, line.fields, line.outcome) == (found.receipt.index, {"phone": "CLEAR"}, "ok")
    assert (line.record, line.detail) == (ident, f"reach voice {found.id}")
    done = room.confirm(token, found.id, effective=True)
    (line,) = lines(made, kind="confirm")
    assert (line.index, line.record, line.reason) == (done.receipt.index, ident, "")
    assert not done.late
    assert room.reserve(token, ident, field="phone_alt").number == ROWS[0]["备用电话"]


def test_what_a_reader_is_not_shown_reaching_gives(lite: Made) -> None:
    """Out of the box a dialer reads no number and a collector a masked one: this is the only way to it."""
    room, token, ident = setup(lite)
    with pytest.raises(Denied):
        lite.vault.reading().read(token, [ident], fields=("phone",))
    assert room.reserve(token, ident).number == PHONE
    assert repr(room.reserve(token, ident)) == "<Reservation>"
    for role in ("collector", "agency_collector"):
        assert room.reserve(lite.token(role, "phone_collection"), ident, "sms").number == PHONE


@pytest.mark.parametrize("role", ["auditor", "dpo", "legal", "importer", "admin", "case_desk"])
def test_nobody_else_reaches(lite: Made, role: str) -> None:
    """Without the action there is neither a check nor a number, and the refusal is an entry."""
    room, _, ident = setup(lite)
    token = lite.token(role)
    before = lite.size()
    for work in (lambda: room.reserve(token, ident), lambda: room.check(token, ident),
                 lambda: room.confirm(token, "rv-1", effective=True)):  # fmt: skip
        assert refused(work) == "role_denied"
    assert lite.size() == before + 3


# --- hours ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "seconds", "code"),
    [(12, -1, ""), (12, 0, "quiet_hours"), (14, 0, "quiet_hours"), (22, -1, "quiet_hours"), (22, 0, "")],
)
@pytest.mark.parametrize("channel", ["voice", "sms", "visit"])
def test_the_hours_end_and_begin_to_the_second(
    lite: Made, channel: str, hours: int, seconds: int, code: str
) -> None:
    """21:59:59 is open, 22:00 and 07:59:59 are closed, 08:00 is open; the clock stands at 10:00."""
    room, _, ident = setup(lite)
    lite.clock.advance(hours=hours, seconds=seconds)
    token = lite.token("dialer")
    assert refused(lambda: room.reserve(token, ident, channel)) == code


def test_agreed_hours_lift_the_hours_and_nothing_else(lite: Made) -> None:
    """Who agreed to other hours is called at night, three times."""
    room, _, ident = setup(lite)
    note(lite, ident, hours_agreed_on="2026-03-01")
    lite.clock.advance(hours=13)
    token = lite.token("dialer")
    for _ in range(3):
        room.reserve(token, ident)
    assert refused(lambda: room.reserve(token, ident)) == "call_cap"


def test_a_reservation_ends_where_the_hours_do(lite: Made) -> None:
    """Reserved at 21:50, the number may be dialled up to 22:00."""
    room, _, ident = setup(lite)
    lite.clock.advance(hours=11, minutes=50)
    assert room.reserve(lite.token("dialer"), ident).until == lite.clock.now + 10 * 60 * 1_000_000


# --- caps -----------------------------------------------------------------------------------------------


def test_three_effective_calls_and_no_fourth(made: Made) -> None:
    """In flight or effective, three fill the day, over both numbers; what was not effective doesn't count."""
    room, token, ident = setup(made)
    first, second, third = (room.reserve(token, ident, field=f) for f in ("phone", "phone_alt", "phone"))
    assert refused(lambda: room.reserve(token, ident)) == "call_cap"
    room.void(token, third.id)
    room.confirm(token, second.id, effective=False)
    room.confirm(token, first.id, effective=True)
    answers = {a.channel: a for a in room.check(token, ident).answers}
    assert (answers["voice"].calls_left, answers["voice"].attempts_left) == (2, 4)
    for _ in range(2):
        room.confirm(token, room.reserve(token, ident).id, effective=True)
    assert refused(lambda: room.reserve(token, ident)) == "call_cap"
    assert refused(lambda: room.reserve(token, ident, "sms")) == ""
    assert room.reserve(token, made.ids(ROWS)[1]).number == ROWS[1]["手机"]
    (line, *_) = lines(made, kind="deny", newest_first=True)
    assert (line.reason, line.record) == ("call_cap", ident)


def test_six_attempts_at_a_number_whatever_became_of_them(made: Made) -> None:
    """Void or in vain, six are a number's day; the other number has its own, and so has tomorrow."""
    room, token, ident = setup(made)
    for n in range(6):
        found = room.reserve(token, ident)
        room.void(token, found.id) if n % 2 else room.confirm(token, found.id, effective=False)
    assert refused(lambda: room.reserve(token, ident)) == "attempt_cap"
    assert refused(lambda: room.reserve(token, ident, field="phone_alt")) == ""
    made.clock.advance(hours=22)
    assert refused(lambda: room.reserve(made.token("dialer"), ident)) == ""
    assert [line.reason for line in lines(made, kind="deny")] == ["attempt_cap"]


def test_a_number_of_two_people_is_one_number(lite: Made) -> None:
    """Attempts are counted by the number, whoever answers it; calls by the person."""
    shared = borrowers(1, first=7)[0] | {"手机": PHONE}
    lite.load([shared])
    room, token, ident = setup(lite)
    other = lite.ids([shared])[0]
    for who in (ident, other) * 3:
        room.confirm(token, room.reserve(token, who).id, effective=True)
    assert refused(lambda: room.reserve(token, other, field="phone_alt")) == "call_cap"
    note(lite, other, reached_on="2026-03-16")
    lite.clock.advance(hours=22)
    token = lite.token("dialer")
    for who in (ident, other) * 3:
        room.void(token, room.reserve(token, who).id)
    assert refused(lambda: room.reserve(token, ident)) == "attempt_cap"


def test_after_half_an_hour_a_reservation_is_an_attempt_and_no_call(made: Made) -> None:
    """A dialer that crashed uses up no calls, to the second; told late, what was so counts and is marked."""
    room, token, ident = setup(made)
    old = [room.reserve(token, ident).id for _ in range(3)]
    made.clock.advance(minutes=29, seconds=59)
    assert refused(lambda: room.reserve(token, ident)) == "call_cap"
    made.clock.advance(seconds=1)
    fresh = [room.reserve(token, ident).id for _ in range(3)]
    for ident_ in fresh:
        room.confirm(token, ident_, effective=True)
    assert refused(lambda: room.reserve(token, ident)) == "call_cap"  # attempts: 6; calls come first
    late = room.confirm(token, old[0], effective=True)
    assert late.late
    assert room.confirm(token, old[1], effective=False).late
    assert [line.reason for line in lines(made, kind="confirm")] == ["", "", "", "call_cap", "late"]


def test_eight_threads_get_three_calls(made: Made) -> None:
    """Under eight threads of two agencies and the lender never more than three are given out."""
    room, _, ident = setup(made)
    roles = ("dialer", "collector", "agency_collector")
    tokens = [made.token(role, "phone_collection") for role in roles]

    def call(n: int) -> str:
        field = ("phone", "phone_alt")[n % 2]
        return refused(lambda: room.reserve(tokens[n % 3], ident, field=field))

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(call, range(24)))
    assert (codes.count(""), codes.count("call_cap")) == (3, 21)
    assert len(lines(made, kind="reserve")) == 3
    assert len(lines(made, kind="deny", reason="call_cap")) == 21


def agent(made: Made, name: str) -> Credential:
    """A token of one person of an agency of this name, which works under a contract in force."""
    room = made.vault.granting()
    agency = room.add_principal(
        made.identity, name=name, roles=("agency_collector",), more=Enrolment(sort="agency")
    )
    room.engage(
        made.identity, agency.principal, reference=f"C-{name}", starts="2026-01-01", ends="2026-12-31",
        purposes=("phone_collection",),
    )  # fmt: skip
    one = room.add_principal(
        made.identity,
        name=f"{name} agent",
        roles=("agency_collector",),
        more=Enrolment(agency=agency.principal),
    )
    return room.issue(one, role="agency_collector", purpose="phone_collection")


def test_two_agencies_and_the_lender_share_the_counters(made: Made) -> None:
    """One call of each fills the day for all three, and none settles another's."""
    room, token, ident = setup(made)
    callers = [token, agent(made, "north"), agent(made, "south")]
    found = [room.reserve(one, ident) for one in callers]
    assert [refused(partial(room.reserve, one, ident)) for one in callers] == ["call_cap"] * 3
    assert refused(partial(room.confirm, callers[1], found[2].id, effective=True)) == "not_found"
    room.void(callers[2], found[2].id)
    room.confirm(callers[1], found[1].id, effective=True)
    assert room.reserve(callers[1], ident).number == PHONE


def test_an_agencys_contract_bounds_what_it_reaches(lite: Made) -> None:
    """Within its contract's purposes and days; fields that its contract doesn't let out in clear stay in."""
    room, _, ident = setup(lite)
    token = agent(lite, "north")
    agency = next(p.agency for p in lite.vault.tenancy().journal.registry().all(Principal) if p.agency)
    engage = partial(
        lite.vault.granting().engage, lite.identity, agency, reference="C-2", starts="2026-01-01",
        ends="2026-12-31",
    )  # fmt: skip
    engage(purposes=("phone_collection",), fields={"phone": View.MASKED})
    assert refused(partial(room.reserve, token, ident)) == "field_denied"
    engage(purposes=("phone_collection",), fields={"phone": View.CLEAR})
    assert refused(partial(room.reserve, token, ident)) == ""
    engage(purposes=("repayment_reminder",))
    assert refused(partial(room.reserve, token, ident)) == "purpose_denied"


# --- settling -------------------------------------------------------------------------------------------


def test_settling_is_the_callers_own_and_once(made: Made) -> None:
    """Twice the same is once; otherwise, somebody else's and none at all are refused, and entries."""
    room, token, ident = setup(made)
    found = room.reserve(token, ident)
    room.confirm(token, found.id, effective=True)
    room.confirm(token, found.id, effective=True)
    before = made.size()
    for work in (
        lambda: room.void(token, found.id),
        lambda: room.confirm(token, found.id, effective=False),
    ):
        with pytest.raises(Invalid) as caught:
            work()
        assert caught.value.code == "invalid_reservation"
    for name in ("rv-none", "rv-\x00"):
        with pytest.raises(NotFound):
            room.void(token, name)
    assert made.size() == before + 4
    assert {a.channel: a.calls_left for a in room.check(token, ident).answers}["voice"] == 2


def test_another_principals_reservation_is_not_found(lite: Made) -> None:
    """Only who reserved says what became of it."""
    room, token, ident = setup(lite)
    found = room.reserve(token, ident)
    lite.vault.tenancy().stores.ledger.db.write(
        lambda session: session.change("UPDATE reaches SET actor='p-other'")
    )
    with pytest.raises(NotFound):
        room.confirm(token, found.id, effective=True)


def test_settling_takes_no_second_use(lite: Made) -> None:
    """A token of one use reserves once and settles that."""
    room, _, ident = setup(lite)
    token = lite.token("dialer", limits=Limits(max_uses=1))
    found = room.reserve(token, ident)
    assert refused(lambda: room.reserve(token, ident)) == "uses_spent"
    assert room.confirm(token, found.id, effective=True).state == "confirmed"


# --- contact persons ------------------------------------------------------------------------------------


def test_contact_persons_only_while_the_debtor_is_out_of_reach(made: Made) -> None:
    """By the borrower of the same case alone; an effective call with the borrower ends it."""
    room, token, ident = setup(made)
    other = contact_of(made, ident)
    case = ROWS[0]["案件编号"]
    assert refused(lambda: room.reserve(token, other, case=case)) == "contact_state"
    note(made, made.ids(ROWS)[1], unreachable_on="2026-03-15")
    assert refused(lambda: room.reserve(token, other, case=ROWS[1]["案件编号"])) == "contact_state"
    note(made, ident, unreachable_on="2026-03-15")
    assert refused(lambda: room.reserve(token, other)) == "contact_state"  # nobody knows the case's number
    bound = made.token("dialer", limits=Limits(cases=frozenset({case})))
    found = room.reserve(bound, other)
    assert (found.number, found.kind) == (ROWS[0]["联系人电话"], "contact_person")
    room.confirm(token, room.reserve(token, ident).id, effective=True)
    assert refused(lambda: room.reserve(bound, other)) == "contact_state"
    assert lines(made, kind="deny", reason="contact_state", newest_first=True)[0].record == other


@pytest.mark.parametrize("anchor", ["deceased_on", "incapacitated_on"])
def test_contact_persons_where_the_debtor_died_or_lost_capacity(lite: Made, anchor: str) -> None:
    """Noted for the borrower by whoever answers for it; the book of cases tells the case's number."""
    room, token, ident = setup(lite)
    other = contact_of(lite, ident)
    lite.vault.casework().open_cases(
        lite.token("case_desk", "administration"), [ROWS[0]["案件编号"]], reason="x"
    )
    assert refused(lambda: room.reserve(token, other)) == "contact_state"
    lite.vault.amending().note(
        lite.token("dpo", "subject_request"), ident, anchor.removesuffix("_on"), date(2026, 3, 1), reason="x"
    )
    assert room.reserve(token, other).number == ROWS[0]["联系人电话"]


def test_who_refused_is_never_reached(lite: Made) -> None:
    """A contact person over no channel; a debtor not by call or message, while a visit stays possible."""
    room, token, ident = setup(lite)
    other, case = contact_of(lite, ident), ROWS[0]["案件编号"]
    note(lite, ident, deceased_on="2026-03-01")
    note(lite, other, contact_refused_on="2026-03-02")
    for channel in ("voice", "sms", "visit"):
        assert refused(partial(room.reserve, token, other, channel, case=case)) == "contact_refused"
    debtor = lite.ids(ROWS)[1]
    note(lite, debtor, contact_refused_on="2026-03-02")
    codes = [refused(partial(room.reserve, token, debtor, c)) for c in ("voice", "sms", "visit")]
    assert codes == ["contact_refused", "contact_refused", ""]


def test_no_answer_holds_anything_of_the_debt(lite: Made) -> None:
    """What is returned of a contact person is who and how, and no amount, date or case."""
    room, token, ident = setup(lite)
    note(lite, ident, incapacitated_on="2026-03-01")
    found = room.reserve(token, contact_of(lite, ident), case=ROWS[0]["案件编号"])
    assert set(Reservation.__struct_fields__) == {
        "id", "record", "kind", "channel", "field", "number", "until", "receipt",
    }  # fmt: skip
    text = msgspec.json.encode(found).decode()
    assert not [v for k, v in ROWS[0].items() if k != "联系人电话" and len(v) > 3 and v in text]


# --- what a read is refused for, reaching is ------------------------------------------------------------


def test_policys_conditions_and_cases_hold(lite: Made) -> None:
    """The dead, minors, closed cases, sealed-off records, narrowed tokens and other cases are refused."""
    room, token, ident = setup(lite)
    second = lite.ids(ROWS)[1]
    note(lite, second, deceased_on="2026-03-01")
    assert refused(lambda: room.reserve(token, second)) == "contact_state"
    note(lite, second, adult_on="2030-01-01")
    desk = lite.token("case_desk", "administration")
    lite.vault.casework().close_cases(desk, [ROWS[0]["案件编号"]], reason="x")
    assert refused(lambda: room.reserve(token, ident)) == "case_closed"
    lite.vault.casework().open_cases(desk, [ROWS[0]["案件编号"]], reason="x")
    elsewhere = lite.token("dialer", limits=Limits(cases=frozenset({"AJ-0"})))
    assert refused(lambda: room.reserve(elsewhere, ident)) == "not_found"
    masked = lite.token("dialer", limits=Limits(fields={"name": View.MASKED, "phone": View.MASKED}))
    assert refused(lambda: room.reserve(masked, ident)) == "field_denied"
    assert refused(lambda: room.reserve(masked, ident, "visit")) == ""
    assert refused(lambda: room.reserve(token, "borrower:none")) == "not_found"
    assert refused(lambda: room.reserve(token, f"loan:{ROWS[0]['案件编号']}")) == "field_denied"
    assert refused(lambda: room.reserve(token, ident, "fax")) == "invalid_channel"
    assert refused(lambda: room.reserve(token, ident, field="id_number")) == "invalid_field"
    reasons = [line.reason for line in lines(lite, kind="deny")]
    assert reasons == ["contact_state", "case_closed", "", "field_denied", "", "field_denied"]


def test_the_creditors_contract_ends_reaching(lite: Made) -> None:
    """On the day after its last nobody is reached any more."""
    room, _, ident = setup(lite)
    lite.vault.granting().set_contract(lite.identity, party="bank", starts="2025-01-01", ends="2026-03-16")
    lite.clock.advance(hours=22)
    assert refused(lambda: room.reserve(lite.token("dialer"), ident)) == "contract_ended"


def test_a_visit_gets_no_number(lite: Made) -> None:
    """Hours and refusals bind it, no cap does, so it must not be a way to numbers."""
    room, token, ident = setup(lite)
    for _ in range(8):
        found = room.reserve(token, ident, "visit")
    assert (found.number, found.field) == ("", "")
    assert all(not line.fields for line in lines(lite, kind="reserve"))


def test_a_check_tells_what_is_allowed_and_how_sure_the_rules_are(made: Made) -> None:
    """By channel, with what is left, each rule with its mark; no number, and an entry that shows nothing."""
    room, token, ident = setup(made)
    found = room.check(token, ident)
    assert [(a.channel, a.allowed, a.calls_left, a.attempts_left) for a in found.answers] == [
        ("voice", True, 3, 6), ("sms", True, None, None), ("visit", True, None, None),
    ]  # fmt: skip
    assert {rule.mark for rule in found.rules} == {"[S]", "[product]"}
    assert PHONE not in msgspec.json.encode(found).decode()
    (line,) = (line for line in lines(made, kind="search") if line.detail == "reach check")
    assert (line.index, line.record, line.fields) == (found.receipt.index, ident, {})
    made.clock.advance(hours=13)
    answers = room.check(made.token("dialer"), ident).answers
    assert [(a.allowed, a.reason, a.rule) for a in answers] == [(False, "quiet_hours", "REACH-HOURS")] * 3


# --- what is left behind --------------------------------------------------------------------------------


def test_no_number_is_left_anywhere(lite: Made) -> None:
    """Reserved, refused and settled, no file of the vault holds a number, a subject or a record beside it."""
    room, token, ident = setup(lite)
    found = room.reserve(token, ident)
    for _ in range(3):
        refused(lambda: room.reserve(token, ident))
    room.confirm(token, found.id, effective=True)
    rows = lite.vault.tenancy().stores.ledger.db.session().rows("SELECT * FROM reaches")
    subject = lite.vault.tenancy().keeping.fetch([ident])[ident].row.subject
    assert len(rows) == 3
    flat = b"".join(v if isinstance(v, bytes) else str(v).encode() for row in rows for v in row)
    assert not [needle for needle in (PHONE, subject, ident) if needle.encode() in flat]
    for path in sorted(p for p in lite.folder.rglob("*") if p.is_file() and p.parent.name != "keys"):
        assert leaks(path.read_bytes(), {PHONE, ROWS[0]["备用电话"]}) == [], path.name


def test_old_reservations_are_let_go(made: Made) -> None:
    """A day after its own a reservation is still settled; after that it is gone, and counts for nothing."""
    room, token, ident = setup(made)
    first = room.reserve(token, ident)
    made.clock.advance(days=1)
    token = made.token("dialer")
    second = room.reserve(token, ident)
    assert room.confirm(token, first.id, effective=True).late
    made.clock.advance(days=1)
    token = made.token("dialer")
    room.reserve(token, ident)
    with pytest.raises(NotFound):
        room.void(token, first.id)
    assert room.void(token, second.id).late


# --- against a model ------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.sampled_from(["phone", "phone_alt"])),
        st.tuples(st.sampled_from(["effective", "in vain", "void"]), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([60, 1799, 1800, 7200])),
    ),
    max_size=24,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_every_history_counts_as_a_model_does(lite: Made, steps: list[tuple[str, Any]]) -> None:
    """Whatever is reserved, settled and waited for, the codes are those of a list kept by hand."""
    lite.clock.now = (
        max(lite.clock.now, FrozenClock().now) // 86_400_000_000 * 86_400_000_000 + 88_200_000_000
    )
    room, token, ident = setup(lite)  # 08:30 of the next day
    kept: list[dict[str, Any]] = []
    for step, what in steps:
        now = lite.clock.now
        if step == "wait":
            lite.clock.advance(seconds=what)
        elif step == "reserve":
            calls = sum(k["state"] == "effective" or (k["state"] == "" and now < k["end"]) for k in kept)
            hour = (now // 3_600_000_000 + 8) % 24
            code = "quiet_hours" if not 8 <= hour < 22 else "call_cap" if calls >= 3 else ""
            code = code or ("attempt_cap" if sum(k["field"] == what for k in kept) >= 6 else "")
            got: list[Reservation] = []
            work = partial(room.reserve, token, ident, field=what)
            assert refused(lambda w=work, g=got: g.append(w())) == code
            kept += [{"id": g.id, "field": what, "state": "", "end": now + 1_800_000_000} for g in got]
        elif what < len(kept):
            one = kept[what]
            code = "" if one["state"] in {"", step} else "invalid_reservation"
            confirm = partial(room.confirm, token, one["id"], effective=step == "effective")
            assert refused(partial(room.void, token, one["id"]) if step == "void" else confirm) == code
            one["state"] = one["state"] or step
