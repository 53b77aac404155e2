"""Reviewing: who holds which power, since when, by whom, when last used; and who may ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, make_vault

from vault.auditing import Question
from vault.config import iso
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid
from vault.findings import Held, Holder
from vault.granting import Identity
from vault.reviewing import AccessReview

DAY = 86_400_000_000


@pytest.fixture
def plain(tmp_path: Path) -> Made:
    """A vault that is no sandbox."""
    return make_vault(tmp_path, sandbox=False)


def add(made: Made, name: str, *roles: str, **more: object) -> Identity:
    """One more principal."""
    return made.vault.granting().add_principal(
        made.identity,
        name=name,
        roles=roles,
        more=Enrolment(**more),  # type: ignore[arg-type]
    )


def review(made: Made, identity: Identity | None = None, **terms: object) -> AccessReview:
    """A review, by the first principal unless said otherwise."""
    return made.vault.reviewing().review_access(identity or made.identity, **terms)  # type: ignore[arg-type]


def of(found: AccessReview, who: Identity) -> Holder:
    """One principal in a review."""
    return next(holder for holder in found.holders if holder.principal == who.principal)


def power(found: AccessReview, who: Identity, role: str) -> Held:
    """One power in a review."""
    (held,) = (held for held in of(found, who).powers if held.role == role)
    return held


def codes(found: AccessReview) -> set[str]:
    """What is to be mended."""
    return {finding.code for finding in found.findings}


def test_who_may_ask_and_that_it_is_an_entry(plain: Made) -> None:
    """Admin, data protection officer and auditor; each question and each refusal stands in the log."""
    dpo, auditor, collector = (add(plain, role, role) for role in ("dpo", "auditor", "collector"))
    before = plain.size()
    for who in (plain.identity, dpo, auditor):
        assert len(review(plain, who).holders) == 4
    assert plain.size() == before + 3
    with pytest.raises(Denied):
        review(plain, collector)
    token = plain.vault.granting().issue(auditor, role="auditor", purpose="audit")
    (asked,) = plain.vault.auditing().ask(
        token, Question(kind="search", actor=dpo.principal, newest_first=True)
    )
    assert (asked.detail, asked.outcome) == ("access review", "ok")
    (refused,) = plain.vault.auditing().ask(token, Question(kind="deny"))
    assert (refused.actor, refused.reason) == (collector.principal, "role_denied")


def test_since_when_and_by_whom_each_role_is_held(plain: Made) -> None:
    """Of each role its own grant, also where another admin granted a later one, and the newest if twice."""
    start = plain.clock.now
    second = add(plain, "second", "admin")
    who = add(plain, "w", "collector", until={"collector": "2026-12-31"})
    plain.clock.advance(days=5)
    plain.vault.granting().grant_role(second, who.principal, "legal", until="2026-06-30")
    found = review(plain)
    collector, legal = power(found, who, "collector"), power(found, who, "legal")
    assert (collector.since, collector.by_name) == (start, "first principal")
    assert (legal.since, legal.by_name) == (start + 5 * DAY, "second")
    assert (collector.last_day, legal.last_day) == ("2026-12-31", "2026-06-30")
    assert power(found, plain.identity, "admin").by == "init"
    plain.clock.advance(days=1)
    plain.vault.granting().withdraw_role(plain.identity, who.principal, "legal")
    plain.vault.granting().grant_role(plain.identity, who.principal, "legal")
    assert power(review(plain), who, "legal").since == start + 6 * DAY


def test_last_use_is_the_newest_entry_that_went_well(plain: Made) -> None:
    """By role; a refusal is no use, and a question that names no role is none of any."""
    who = add(plain, "w", "collector", "legal", "auditor")
    granting = plain.vault.granting()
    granting.issue(who, role="collector", purpose="negotiation")
    used = plain.clock.now
    plain.clock.advance(days=2)
    with pytest.raises(Denied):
        granting.issue(who, role="collector", purpose="legal_action")
    review(plain, who)
    found = review(plain)
    collector = power(found, who, "collector")
    assert (collector.used, collector.used_for) == (used, "negotiation")
    for role in ("legal", "auditor"):
        assert power(found, who, role).used is None
        assert power(found, who, role).unused_ever


def test_looking_back_no_further_than_asked(plain: Made) -> None:
    """What was used before that day isn't seen, and nothing is said to be never used because of it."""
    who = add(plain, "w", "collector")
    plain.vault.granting().issue(who, role="collector", purpose="negotiation")
    plain.clock.advance(days=200)
    assert power(review(plain), who, "collector").used is not None
    found = review(plain, since="2026-06-01")
    collector = power(found, who, "collector")
    assert (collector.used, collector.unused_ever) == (None, False)
    assert iso(collector.looked) == "2026-05-31T16:00:00Z"
    (said,) = (f for f in found.findings if f.about == who.principal and f.code == "unused")
    assert said.parts["day"] == "2026-06-01"


def test_an_agencys_people_hold_what_its_contract_gives(plain: Made) -> None:
    """Purposes of the contract alone, and none where it isn't in force."""
    granting = plain.vault.granting()
    firm = add(plain, "firm", "agency_collector", sort="agency")
    worker = add(plain, "worker", "agency_collector", agency=firm.principal)
    assert power(review(plain), worker, "agency_collector").purposes == ()
    granting.engage(
        plain.identity, firm.principal, reference="HT-1", starts="2026-03-01", ends="2026-03-31",
        purposes=("repayment_reminder",),
    )  # fmt: skip
    found = review(plain)
    assert power(found, worker, "agency_collector").purposes == ("repayment_reminder",)
    assert [(view.agency, view.people) for view in found.agencies] == [(firm.principal, 1)]
    together = [holder.agency for holder in found.holders]
    assert together == ["", firm.principal, firm.principal]
    assert "contract_ends" not in codes(found)
    assert "contract_ends" in codes(review(plain, days=15))
    granting.seal(plain.identity, firm.principal, "found a breach")
    assert power(review(plain), worker, "agency_collector").purposes == ()


def test_broken_glass_is_a_power_while_it_stands(plain: Made) -> None:
    """With its purpose and its end; afterwards the review that is owed is a finding until it is done."""
    who, auditor = add(plain, "w", "collector"), add(plain, "a", "auditor")
    _, glass = plain.vault.granting().break_glass(
        who, role="legal", purpose="legal_action", reason="court asks today"
    )
    found = review(plain)
    legal = power(found, who, "legal")
    assert (legal.glass, legal.purposes, legal.until) == (glass.id, ("legal_action",), glass.until)
    assert legal.used == plain.clock.now
    assert "glass_open" in codes(found)
    plain.clock.advance(hours=73)
    later = review(plain)
    assert [held.role for held in of(later, who).powers] == ["collector"]
    assert later.findings[0].code == "glass_overdue"
    plain.vault.granting().review_glass(auditor, glass.id, justified=True, finding="it was so")
    assert not codes(review(plain)) & {"glass_open", "glass_overdue"}


def test_a_role_that_is_over_opens_nothing_to_mind(plain: Made) -> None:
    """It is shown as over, and its attestations aren't asked for any more."""
    who = add(plain, "w", "collector", until={"collector": "2026-03-17"}, attested="")
    assert of(review(plain), who).needs == ("confidentiality", "training")
    assert {"role_ends", "attestation_none"} <= codes(review(plain))
    plain.clock.advance(days=3)
    found = review(plain)
    assert power(found, who, "collector").over
    assert of(found, who).needs == ()
    assert {f.code for f in found.findings if f.about == who.principal} == {"role_over"}


def test_cases_of_somebody_disabled(plain: Made) -> None:
    """Open ones are counted and named; closed ones aren't."""
    who, desk = add(plain, "w", "collector"), add(plain, "k", "case_desk")
    token = plain.vault.granting().issue(desk, role="case_desk", purpose="administration")
    room = plain.vault.casework()
    room.open_cases(token, ["AJ-1", "AJ-2", "AJ-3"], reason="placed")
    room.assign(token, ["AJ-1", "AJ-2", "AJ-3"], who.principal, reason="first")
    room.close_cases(token, ["AJ-3"], reason="paid")
    assert "cases_stranded" not in codes(review(plain))
    plain.vault.granting().disable(plain.identity, who.principal)
    (said,) = (f for f in review(plain).findings if f.code == "cases_stranded")
    assert (said.about, said.parts["cases"]) == (who.principal, "2")


@pytest.mark.parametrize(
    "terms", [{"days": -1}, {"unused": 4000}, {"since": "yesterday"}, {"since": "2026-03-17"}]
)
def test_terms_that_cannot_be(plain: Made, terms: dict[str, object]) -> None:
    """Are refused by the name of the field, before anything is entered."""
    review(plain)
    before = plain.size()
    with pytest.raises(Invalid) as refused:
        review(plain, **terms)
    assert refused.value.field in terms
    assert plain.size() == before
