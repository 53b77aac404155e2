"""Outreach: contact persons only where they may be, and all that a read is refused for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import msgspec
import pytest
from kit import Made, make_vault
from reachkit import PHONE, ROWS, agent, contact_of, lines, note, on_either, on_sqlite, refused, setup

from vault.access.tokens import Limits
from vault.crypto.provider import LocalKeys
from vault.ledger.registry import Principal
from vault.model import View
from vault.reaching import Reservation
from vault.vault import Vault


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A vault on either engine."""
    yield from on_either(request, tmp_path)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Made]:
    """A vault on SQLite, for what no engine decides."""
    yield from on_sqlite(tmp_path)


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


def test_an_agency_reaches_the_cases_that_are_its_own(tmp_path: Path) -> None:
    """Outside a sandbox a case must be open and its own; another's, or a closed one, is refused."""
    made = make_vault(tmp_path, sandbox=False)
    granting, case = made.vault.granting(), ROWS[0]["案件编号"]
    ways = {"importer": "import", "case_desk": "administration"}
    people = {
        role: granting.add_principal(made.identity, name=role, roles=(role,)) for role in (*ways, "dialer")
    }
    tokens = {role: granting.issue(people[role], role=role, purpose=ways[role]) for role in ways}
    made.vault.writing().import_file(
        tokens["importer"], made.file(ROWS), kind="borrower", report=made.folder / "report.jsonl"
    )
    desk, room, ident = made.vault.casework(), made.vault.reaching(), f"borrower:{ROWS[0]['客户编号']}"
    desk.open_cases(tokens["case_desk"], [case], reason="placed")
    bound = Limits(cases=frozenset({case}))
    north, south = (agent(made, name, bound) for name in ("north", "south"))
    assert refused(partial(room.reserve, north, ident)) == "case_closed"
    registry = made.vault.tenancy().journal.registry()
    worker = next(p for p in registry.all(Principal) if p.name == "north agent")
    desk.assign(tokens["case_desk"], [case], worker.id, reason="first")
    assert room.reserve(north, ident).number == PHONE
    assert refused(partial(room.reserve, south, ident)) == "case_closed"
    desk.close_cases(tokens["case_desk"], [case], reason="paid")
    assert refused(partial(room.reserve, north, ident)) == "case_closed"
    dialer = granting.issue(people["dialer"], role="dialer", purpose="phone_collection")
    assert refused(partial(room.reserve, dialer, ident)) == "case_closed"
    made.vault.close()


def test_who_was_erased_is_not_found(lite: Made) -> None:
    """After a purge there is nobody to reach; a reservation made before is settled without naming anybody."""
    room, token, ident = setup(lite)
    found = room.reserve(token, ident)
    erase, dpo = lite.vault.erasing(), lite.token("dpo")
    erase.execute(dpo, erase.plan(dpo, as_of=date(2032, 1, 1)).id, yes=True)
    assert refused(partial(room.reserve, token, ident)) == "not_found"
    assert room.confirm(token, found.id, effective=True).effective
    (line,) = lines(lite, kind="confirm")
    assert (line.record, line.subject) == ("", "")


def test_a_masked_node_gives_no_number(lite: Made) -> None:
    """It has neither the keys of numbers nor the room."""
    keys = LocalKeys.create(lite.outside / "node")
    keys.add_tenant(lite.vault.provider.tenant("main").subset(frozenset({"masked"})))
    with Vault.open(lite.folder, keys=keys.folder, clock=lite.clock) as node:
        assert refused(node.reaching) == "audience_denied"


def test_an_erasure_that_began_closes_the_person(lite: Made) -> None:
    """From the tombstone on nobody is reached, though the record still opens; the refusal names nobody."""
    room, token, ident = setup(lite)
    with lite.vault.tenancy().journal.page() as page:
        page.tx.entomb("plan-1", [ident], page.first_index)
    assert refused(partial(room.reserve, token, ident)) == "not_found"
    (line,) = lines(lite, kind="deny")
    assert (line.outcome, line.record) == ("not_found", "")


def test_a_minor_is_reached_once_by_an_approval(tmp_path: Path) -> None:
    """Somebody else's yes to exactly this record serves one reservation."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    room, token, ident = setup(made)
    note(made, ident, adult_on="2030-01-01")
    granting = made.vault.granting()
    assert refused(partial(room.reserve, token, ident)) == "approval_required"
    request = granting.ask(made.identity, "minors", (ident,), purpose="phone_collection", reason="x").id
    assert refused(partial(room.reserve, token, ident, request=request)) == "approval_required"
    other = granting.add_principal(made.identity, name="other", roles=("approver",))
    granting.approve(other, request)
    assert room.reserve(token, ident, request=request).number == PHONE
    assert refused(partial(room.reserve, token, ident, request=request)) == "approval_required"
    made.vault.close()
