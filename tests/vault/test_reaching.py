"""Reaching: numbers by rule, on both databases; nothing of them outside what a reservation returns."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from kit import Made, borrowers, leaks
from reachkit import PHONE, ROWS, agent, lines, note, on_either, on_sqlite, refused, setup

from vault.errors import Denied, NotFound
from vault.ledger.registry import Principal
from vault.model import View


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A vault on either engine."""
    yield from on_either(request, tmp_path)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Made]:
    """A vault on SQLite, for what no engine decides."""
    yield from on_sqlite(tmp_path)


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


def test_the_days_turn_begins_a_new_count(made: Made) -> None:
    """Three in flight before midnight are that day's; from 00:00:00 on there are three more."""
    room, _, ident = setup(made)
    note(made, ident, hours_agreed_on="2026-03-01")
    made.clock.advance(hours=13, minutes=50)
    token = made.token("dialer")
    before = [room.reserve(token, ident, field=field).id for field in ("phone", "phone_alt", "phone")]
    made.clock.advance(minutes=9, seconds=59)
    assert refused(partial(room.reserve, token, ident)) == "call_cap"
    made.clock.advance(seconds=1)
    room.confirm(token, before[0], effective=True)
    for _ in range(3):
        room.reserve(token, ident)
    assert refused(partial(room.reserve, token, ident)) == "call_cap"


def test_without_a_number_a_visit_is_left(lite: Made) -> None:
    """A record without such a number is neither called nor written to, and a check says so."""
    row = {name: text for name, text in borrowers(1, first=9)[0].items() if name != "备用电话"}
    lite.load([row])
    room, token, _ = setup(lite)
    (ident,) = lite.ids([row])
    answers = room.check(token, ident, field="phone_alt").answers
    assert [(a.allowed, a.reason) for a in answers] == [
        (False, "not_found"),
        (False, "not_found"),
        (True, ""),
    ]
    assert refused(partial(room.reserve, token, ident, field="phone_alt")) == "not_found"
    assert [line.outcome for line in lines(lite, kind="deny")] == ["not_found"]


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
    """Eight threads, two nodes, two agencies and the lender: never more than three are given out."""
    room, token, ident = setup(made)
    tokens = [token, agent(made, "north"), agent(made, "south")]
    other = made.vault.open(made.folder, clock=made.clock)
    rooms = [room, other.reaching()]

    def call(n: int) -> str:
        field = ("phone", "phone_alt")[n // 2 % 2]
        return refused(lambda: rooms[n % 2].reserve(tokens[n % 3], ident, field=field))

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(call, range(24)))
    other.close()
    assert (codes.count(""), codes.count("call_cap")) == (3, 21)
    assert len(lines(made, kind="reserve")) == 3
    assert len(lines(made, kind="deny", reason="call_cap")) == 21


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
