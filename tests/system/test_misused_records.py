"""What protects people and contracts, misused or gone round: each test is a way that must stay shut."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from casekit import ROWS, A, B, D, Site, build, copied, outcome
from kit import export

from vault.access import tokens
from vault.access.credentials import Limits
from vault.crypto.sign import token_bytes
from vault.enrolling import Enrolment
from vault.errors import Denied, VaultError
from vault.handing import Handing, handover_about
from vault.identity import Identity
from vault.intake import open_export
from vault.items import Item
from vault.model import Grant, View

HOUR = 3_600_000_000


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


def refused(work: Callable[[], Any]) -> str:
    """The code by which something is refused; "" if it isn't."""
    try:
        work()
    except VaultError as error:
        return error.code
    return ""


# --- hand-overs ---------------------------------------------------------------------------------------


def test_a_contract_narrowed_meanwhile_bounds_the_file(site: Site) -> None:
    """A contract that shows less by the time the file is made isn't exceeded by it."""
    agency, expires, purpose = site.ident("agency"), "2026-03-20", "repayment_reminder"
    site.give("agency", A)
    about = handover_about(agency, purpose, expires, [A])
    room = site.vault.granting()
    asked = room.ask(site.people["desk"], "handover", about, reason="r", purpose=purpose, rows=10)
    room.approve(site.people["approver"], asked.id)

    class Interrupted(Handing):
        def _items(self, shadow: Grant, cases: Any) -> list[Item]:
            found = super()._items(shadow, cases)
            room.engage(
                site.made.identity, agency, reference="W-2", starts="2026-01-01", ends="2026-12-31",
                purposes=(purpose,), fields={"product": View.MASKED},
            )  # fmt: skip
            return found

    hand = Interrupted(site.vault.tenancy()).hand_over
    code = refused(
        lambda: hand(site.token("desk"), agency, [A], purpose=purpose, expires=expires, request=asked.id)
    )
    assert code == "contract_ended"


# --- people -------------------------------------------------------------------------------------------


def test_taking_the_birth_date_away_makes_nobody_of_age(site: Site) -> None:
    """A minor whose birth date is no longer known stays one until the day that was known."""
    (child,) = site.ids(D)
    token = site.vault.granting().issue(site.people["dpo"], role="dpo", purpose="subject_request")
    reader = site.token("li")
    assert outcome(site.vault, reader, [child]) == "approval_required"
    site.vault.amending().correct(token, child, {"id_number": None}, reason="wrong number")
    assert outcome(site.vault, reader, [child]) == "approval_required"


def test_a_new_loan_of_the_dead_is_a_loan_of_the_dead(site: Site) -> None:
    """What is noted of a person holds for records of theirs that come later."""
    token = site.vault.granting().issue(site.people["dpo"], role="dpo", purpose="subject_request")
    site.vault.amending().note(token, site.ids(A)[0], "deceased", date(2026, 3, 10), reason="document 7")
    file = site.made.outside / "more.csv"
    file.write_text(export([ROWS[0] | {"案件编号": "AJ-799999"}]), "utf-8")
    site.vault.writing().import_file(
        site.token("importer"), file, kind="borrower", report=site.made.outside / "r.jsonl"
    )
    reader = site.token("li")
    assert outcome(site.vault, reader, ["loan:AJ-700000"]) == "contact_state"
    assert outcome(site.vault, reader, ["loan:AJ-799999"]) == "contact_state"


def test_a_case_is_closed_by_its_number_however_it_is_written(site: Site) -> None:
    """Full-width digits are the same number: a closing that closed another case would be none."""
    site.give("wei", A)
    token = site.bound("wei", A)
    assert outcome(site.vault, token, site.ids(A)) == "ok"
    wide = A.translate({ord(d): ord(d) + 0xFEE0 for d in "0123456789"})
    site.close(wide)
    assert outcome(site.vault, token, site.ids(A)) == "case_closed"


def test_an_agency_learns_nothing_of_others_cases_by_naming_them(site: Site) -> None:
    """A listing by a token that names another's case looks the same whether that case matches or not."""
    site.give("wei", A)
    site.give("other", B)
    reading, answers = site.vault.reading(), []
    only = site.bound("wei", B)
    for where in ("", "stage=M1", "stage=M2", "stage=M3"):
        found = reading.list_records(only, kind="loan", where=where, limit=1)
        answers.append((len(found.items), found.errors, found.cursor))
    assert answers == [(0, [], None)] * 4


@pytest.mark.parametrize("dead", [A, B])
def test_whoever_is_merged_with_the_dead_is_dead(site: Site, dead: str) -> None:
    """Two records of borrowers are one person, so what forbids to dun the one holds for the other."""
    (one,), (two,), (noted,) = site.ids(A), site.ids(B), site.ids(dead)
    token = site.vault.granting().issue(site.people["dpo"], role="dpo", purpose="subject_request")
    site.vault.amending().note(token, noted, "deceased", date(2026, 3, 10), reason="document 7")
    site.vault.amending().merge(token, one, two, reason="same person")
    assert [outcome(site.vault, site.token("li"), [record]) for record in (one, two)] == ["contact_state"] * 2


def test_a_refusal_is_the_persons_and_not_the_records(site: Site) -> None:
    """Every record of whoever refused to be contacted says so."""
    token = site.vault.granting().issue(site.people["dpo"], role="dpo", purpose="subject_request")
    site.vault.amending().refuse(token, site.ids(A)[0], reason="letter")
    t = site.vault.tenancy()
    (borrower,) = t.keeping.fetch(site.ids(A)).values()
    theirs = t.keeping.fetch(t.stores.records.of_subject("main", borrower.row.subject)).values()
    assert len(theirs) > 1
    assert all(held.facts.anchors.get("contact_refused_on") == "2026-03-16" for held in theirs)


def test_reservations_that_failed_are_not_counted_ahead(template: Site, tmp_path: Path) -> None:
    """A day's number bounds reservations too: what a page that was undone had taken is taken again."""
    site = copied(template, tmp_path, {"rows = 10000 ": "rows = 110 "})
    token = site.vault.granting().issue(
        site.people["li"], role="collector", purpose="phone_collection", limits=Limits(ttl_us=HOUR)
    )
    reach = lambda: site.vault.reaching().reserve(token, site.ids(A)[0], "visit")  # noqa: E731 - one act
    with closing(sqlite3.connect(site.made.folder / "ledger.db")) as beside:
        beside.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'full'); END")
    code = refused(reach)
    with closing(sqlite3.connect(site.made.folder / "ledger.db")) as beside:
        beside.execute("DROP TRIGGER full")
    assert code == "log_unavailable"
    assert [refused(reach) for _ in range(112)] == [""] * 110 + ["approval_required"] * 2
    site.vault.close()


def test_who_becomes_an_agencys_meanwhile_is_one(site: Site) -> None:
    """A key that is registered for an agency between asking and answering is the agency's."""
    fresh = Identity.fresh()
    t, now = site.vault.tenancy(), site.made.clock()
    token = site.token("li", depth=1)
    to = fresh.signing.public
    narrowed = tokens.narrow(token, Limits(), now_us=now, jti=token_bytes(16), to=to)
    grant = t.authenticate(tokens.accept(narrowed, fresh.signing))
    more = Enrolment(agency=site.ident("agency"))
    room, roles = site.vault.granting(), ("agency_collector",)
    room.enrol(site.made.identity, name="neu", roles=roles, candidate=fresh.candidate, more=more)
    with pytest.raises(Denied) as refusal, t.journal.page() as page:
        t.admit(page, grant)
    assert refusal.value.code in {"contract_ended", "purpose_denied"}


def test_nothing_is_compared_once_the_creditors_contract_has_ended(site: Site) -> None:
    """To ask whether values stand is to read them, and ends with the contract as reading does."""
    admin, t = site.made.identity, site.vault.tenancy()
    site.vault.granting().set_contract(admin, party="bank", starts="2025-01-01", ends="2026-03-15")
    file, report = site.made.file(ROWS), site.made.outside / "r.jsonl"
    source = open_export(file, t.schema, kind="borrower", today=t.today())
    code = refused(lambda: site.vault.writing().compare(site.token("importer"), source, report=report))
    assert code == "contract_ended"


@pytest.mark.parametrize("reason", ["call 13812345678", ROWS[0]["证件号"], "卡 " + ROWS[0]["银行卡号"]])
def test_no_persons_number_stands_in_a_reason(site: Site, reason: str) -> None:
    """Reasons stand in clear: one with an ID, mobile or card number is refused before it is written."""
    room, li = site.vault.granting(), site.people["li"]
    acts = (
        lambda: room.ask(li, "bulk_read", reason=reason, rows=5),
        lambda: room.break_glass(li, role="legal", purpose="legal_action", reason=reason),
        lambda: site.vault.casework().open_cases(site.token("desk"), [A], reason=reason),
    )
    assert [refused(act) for act in acts] == ["invalid_reason"] * 3
