"""Issuing: log-in, tokens, and the glass that may be broken in need."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault

from vault.auditing import Question
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid
from vault.granting import Identity
from vault.ledger.registry import Glass

ROWS = borrowers(2)


@pytest.fixture
def plain(tmp_path: Path) -> Made:
    """A vault that is no sandbox, with two borrowers."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    importer = granting.add_principal(made.identity, name="i", roles=("importer",))
    made.vault.writing().import_file(
        granting.issue(importer, role="importer", purpose="import"),
        made.file(ROWS),
        kind="borrower",
        report=made.folder / "report.jsonl",
    )
    return made


def person(made: Made, name: str, *roles: str, staff: str = "") -> Identity:
    """One more principal."""
    return made.vault.granting().add_principal(
        made.identity, name=name, roles=roles, more=Enrolment(person=staff)
    )


def test_log_in_is_an_entry_and_says_what_one_is(plain: Made) -> None:
    """Roles, attestations and reviews owed; a stranger learns nothing and leaves nothing."""
    granting = plain.vault.granting()
    collector = person(plain, "c", "collector")
    before = plain.size()
    told = granting.login(collector)
    assert (told.principal, told.name, told.roles) == (collector.principal, "c", {"collector": None})
    assert set(told.attested) == {"confidentiality", "training"}
    assert plain.size() == before + 1
    with pytest.raises(Denied):
        granting.login(Identity.fresh())
    assert plain.size() == before + 1


def test_glass_breaks_at_once_and_loudly(plain: Made) -> None:
    """The role is there, an alarm is in the log, and the power is gone after its minutes."""
    granting = plain.vault.granting()
    collector, auditor = person(plain, "c", "collector"), person(plain, "a", "auditor")
    token, glass = granting.break_glass(
        collector, role="legal", purpose="legal_action", reason="court asks today", minutes=20
    )
    shown = plain.vault.reading().read(token, plain.ids(ROWS)[:1], fields=("phone",)).items[0]
    assert shown.fields["phone"].view == "CLEAR"
    lines = plain.vault.auditing().ask(
        granting.issue(auditor, role="auditor", purpose="audit"), Question(kind="alarm")
    )
    assert [(line.actor, line.role, line.reason, line.detail) for line in lines] == [
        (collector.principal, "legal", "break_glass", "break glass: court asks today")
    ]
    assert lines[0].token == glass.id[:16]
    plain.clock.advance(minutes=20)
    with pytest.raises(Denied) as refusal:
        plain.vault.reading().read(token, plain.ids(ROWS)[:1])
    assert refusal.value.code == "token_expired"


def test_who_may_break_what(plain: Made) -> None:
    """Only what the policy lets be taken, by an enabled and attested holder of a role it names."""
    granting = plain.vault.granting()
    for identity, role, purpose in (
        (person(plain, "c", "collector"), "dpo", "administration"),
        (person(plain, "q", "qa_reviewer"), "legal", "legal_action"),
        (plain.identity, "legal", "legal_action"),
    ):
        with pytest.raises(Denied) as refusal:
            granting.break_glass(identity, role=role, purpose=purpose, reason="r")
        assert refusal.value.code == "role_denied"
    untrained = granting.add_principal(
        plain.identity, name="u", roles=("collector",), more=Enrolment(attested="")
    )
    with pytest.raises(Denied) as refusal:
        granting.break_glass(untrained, role="legal", purpose="legal_action", reason="r")
    assert refusal.value.code == "attestation_expired"
    with pytest.raises(Denied) as refusal:
        granting.break_glass(person(plain, "d", "collector"), role="legal", purpose="fraud_check", reason="r")
    assert refusal.value.code == "purpose_denied"
    with pytest.raises(Invalid):
        granting.break_glass(
            person(plain, "e", "collector"), role="legal", purpose="legal_action", reason=" "
        )


def test_the_review_stays_open_until_done(plain: Made) -> None:
    """By somebody else whom the policy names; whoever owes an overdue one breaks no more."""
    granting = plain.vault.granting()
    collector = person(plain, "c", "collector", staff="E7")
    reviewer = person(plain, "d", "dpo")
    second = person(plain, "second name", "auditor", staff="e7")
    _, glass = granting.break_glass(collector, role="legal", purpose="legal_action", reason="r")
    assert granting.login(collector).open_reviews == [glass.id]
    plain.clock.advance(hours=73)
    with pytest.raises(Denied) as refusal:
        granting.break_glass(collector, role="legal", purpose="legal_action", reason="r")
    assert refusal.value.code == "approval_required"
    for who in (collector, second):
        with pytest.raises(Denied):
            granting.review_glass(who, glass.id, justified=True, finding="fine")
    done = granting.review_glass(reviewer, glass.id[:16], justified=False, finding="could have waited")
    assert (done.justified, done.finding) == (False, "could have waited")
    with pytest.raises(Invalid):
        granting.review_glass(reviewer, glass.id, justified=True, finding="again")
    assert granting.login(collector).open_reviews == []
    granting.break_glass(collector, role="legal", purpose="legal_action", reason="r")
    assert [g.reviewed is None for g in granting.glasses(collector)].count(True) == 1


def test_an_edited_glass_gives_nothing(plain: Made) -> None:
    """A glass stands for the one token issued with it: no other token of its holder gains by it."""
    granting = plain.vault.granting()
    collector = person(plain, "c", "collector")
    granting.break_glass(collector, role="legal", purpose="legal_action", reason="r")
    with pytest.raises(Denied) as refusal:
        granting.issue(collector, role="legal", purpose="legal_action")
    assert refusal.value.code == "role_denied"
    assert len(plain.vault.tenancy().journal.registry().all(Glass)) == 1


def test_disabling_ends_a_broken_glass(plain: Made) -> None:
    """Whatever was taken in need ends with whoever took it."""
    granting = plain.vault.granting()
    collector = person(plain, "c", "collector")
    token, _ = granting.break_glass(collector, role="legal", purpose="legal_action", reason="r")
    granting.disable(plain.identity, collector.principal)
    with pytest.raises(Denied) as refusal:
        plain.vault.reading().read(token, plain.ids(ROWS)[:1])
    assert refusal.value.code == "token_revoked"
