"""Enrolling: principals, their roles, keys and attestations, and how each ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, make_vault

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid, NotFound
from vault.granting import Granting, Identity
from vault.ledger.registry import Principal

HOUR = 3600 * 1_000_000


@pytest.fixture
def plain(tmp_path: Path) -> Made:
    """A vault that is no sandbox."""
    return make_vault(tmp_path, sandbox=False)


def row(made: Made, identity: Identity) -> Principal:
    """A principal as the registry has it."""
    return made.vault.tenancy().journal.registry().get(Principal, identity.principal)


def refused(granting: Granting, identity: Identity, role: str, purpose: str) -> str:
    """The reason for which no token is issued."""
    with pytest.raises(Denied) as refusal:
        granting.issue(identity, role=role, purpose=purpose)
    return refusal.value.code


def test_without_attestations_there_is_no_token(plain: Made) -> None:
    """One who has signed and learnt nothing yet gets no token; once attested, one; and none the day after."""
    granting = plain.vault.granting()
    legal = granting.add_principal(plain.identity, name="l", roles=("legal",), more=Enrolment(attested=""))
    assert refused(granting, legal, "legal", "legal_action") == "attestation_expired"
    granting.attest(plain.identity, legal.principal, ("training",), "2026-03-20")
    assert refused(granting, legal, "legal", "legal_action") == "attestation_expired"
    granting.attest(plain.identity, legal.principal, ("confidentiality",), "2026-03-17", "HR-2026-7")
    assert granting.issue(legal, role="legal", purpose="legal_action").token
    plain.clock.advance(days=2)
    assert refused(granting, legal, "legal", "legal_action") == "attestation_expired"


def test_an_attestation_that_ends_stops_a_living_token(plain: Made) -> None:
    """The next use after the day is over is refused, though the token has hours to live."""
    granting = plain.vault.granting()
    plain.clock.advance(hours=13)  # 23:00 in Shanghai
    auditor = granting.add_principal(
        plain.identity, name="a", roles=("auditor",), more=Enrolment(attested="2026-03-16")
    )
    token = granting.issue(auditor, role="auditor", purpose="audit")
    plain.vault.auditing().ask(token, Question())
    plain.clock.advance(minutes=10)
    plain.vault.auditing().ask(token, Question())
    plain.clock.advance(minutes=46)
    longer = granting.issue(auditor, role="auditor", purpose="audit", limits=Limits(ttl_us=HOUR))
    plain.clock.advance(minutes=5)
    with pytest.raises(Denied) as refusal:
        plain.vault.auditing().ask(longer, Question())
    assert refusal.value.code == "attestation_expired"


def test_adding_attests_for_a_year(plain: Made) -> None:
    """Who adds a principal vouches for both attestations, for a year at most, and the entry says so."""
    granting = plain.vault.granting()
    legal = granting.add_principal(plain.identity, name="l", roles=("legal",))
    assert row(plain, legal).attested == {"confidentiality": "2027-03-16", "training": "2027-03-16"}
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    lines = plain.vault.auditing().ask(
        granting.issue(auditor, role="auditor", purpose="audit"), Question(kind="principal")
    )
    assert lines[0].detail == f"add {legal.principal} person legal attested until 2027-03-16"


def test_nobody_attests_or_grants_for_themselves(plain: Made) -> None:
    """Neither under their own id nor under a second one of the same staff number."""
    granting = plain.vault.granting()
    admin = granting.add_principal(
        plain.identity, name="a", roles=("admin",), more=Enrolment(person="W 1024")
    )
    second = granting.add_principal(
        plain.identity, name="b", roles=("collector",), more=Enrolment(person="w1024")
    )
    for who in (admin, second):
        with pytest.raises(Denied) as refusal:
            granting.attest(admin, who.principal, ("training",), "2027-01-01")
        assert refusal.value.code == "role_denied"
        with pytest.raises(Denied) as refusal:
            granting.grant_role(admin, who.principal, "legal")
        assert refusal.value.code == "role_denied"
    granting.grant_role(plain.identity, second.principal, "legal")
    assert row(plain, second).roles == ("collector", "legal")


def test_a_staff_number_is_kept_as_a_handle_alone(plain: Made) -> None:
    """The ledger's file holds nothing of it."""
    granting = plain.vault.granting()
    granting.add_principal(
        plain.identity, name="a", roles=("legal",), more=Enrolment(person="STAFF-77120934")
    )
    plain.vault.close()
    for path in plain.folder.glob("*.db*"):
        assert b"77120934" not in path.read_bytes()


def test_a_staff_number_can_be_put_on_file_later(plain: Made) -> None:
    """By somebody else; from then on the two names are one person, who approves nothing of their own."""
    granting = plain.vault.granting()
    dpo = granting.add_principal(plain.identity, name="d", roles=("dpo",), more=Enrolment(person="7"))
    second = granting.add_principal(plain.identity, name="s", roles=("approver",))
    request = granting.ask(dpo, "unseal", ("p-x",), reason="r")
    granting.approve(second, request.id)
    granting.identify(plain.identity, second.principal, " 7 ")
    assert [view.state for view in granting.requests(dpo)] == ["waiting"]
    with pytest.raises(Denied):
        granting.identify(plain.identity, plain.identity.principal, "8")


def test_roles_end(plain: Made) -> None:
    """A role given until a day is held on that day and not after; a token doesn't outlive it."""
    granting = plain.vault.granting()
    auditor = granting.add_principal(
        plain.identity, name="a", roles=("auditor", "legal"), more=Enrolment(until={"auditor": "2026-03-16"})
    )
    plain.clock.advance(hours=13, minutes=50)  # 23:50
    token = granting.issue(auditor, role="auditor", purpose="audit")
    assert token.expires - plain.clock.now <= 10 * 60 * 1_000_000
    plain.clock.advance(minutes=10)
    with pytest.raises(Denied):
        plain.vault.auditing().ask(token, Question())
    assert refused(granting, auditor, "auditor", "audit") == "role_denied"
    assert granting.issue(auditor, role="legal", purpose="legal_action").token


def test_a_withdrawn_role_ends_its_tokens(plain: Made) -> None:
    """At the next use; other roles go on. The last admin keeps theirs."""
    granting = plain.vault.granting()
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor", "legal"))
    token = granting.issue(auditor, role="auditor", purpose="audit")
    plain.vault.auditing().ask(token, Question())
    granting.withdraw_role(plain.identity, auditor.principal, "auditor")
    with pytest.raises(Denied) as refusal:
        plain.vault.auditing().ask(token, Question())
    assert refusal.value.code == "role_denied"
    assert granting.issue(auditor, role="legal", purpose="legal_action").token
    with pytest.raises(Invalid):
        granting.withdraw_role(plain.identity, auditor.principal, "auditor")
    with pytest.raises(Invalid):
        granting.withdraw_role(plain.identity, plain.identity.principal, "admin")


@pytest.mark.parametrize("algorithm", ["Ed25519", "P-256"])
def test_keys_rotate(plain: Made, algorithm: str) -> None:
    """The new key acts and the old one doesn't; a key that was somebody's can't come back."""
    granting = plain.vault.granting()
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    fresh = Identity.fresh(algorithm)
    granting.rotate(auditor, auditor.principal, fresh.candidate)
    renewed = Identity(principal=auditor.principal, key=fresh.key)
    assert granting.issue(renewed, role="auditor", purpose="audit").token
    assert refused(granting, auditor, "auditor", "audit") == "token_invalid"
    for taken in (auditor.candidate, fresh.candidate):
        with pytest.raises(Invalid):
            granting.rotate(renewed, auditor.principal, taken)
        with pytest.raises(Invalid):
            granting.enrol(plain.identity, name="x", roles=("legal",), candidate=taken)


def test_a_lost_key_is_replaced_by_an_admin(plain: Made) -> None:
    """Nobody else may; and the yes of one whose key an admin put there doesn't count for that admin."""
    granting = plain.vault.granting()
    approver = granting.add_principal(plain.identity, name="a", roles=("approver",))
    legal = granting.add_principal(plain.identity, name="l", roles=("legal",))
    fresh = Identity.fresh()
    with pytest.raises(Denied):
        granting.rotate(legal, approver.principal, fresh.candidate)
    granting.rotate(plain.identity, approver.principal, fresh.candidate)
    taken = Identity(principal=approver.principal, key=fresh.key)
    request = granting.ask(plain.identity, "policy", ("0" * 64,), reason="why not")
    with pytest.raises(Denied) as refusal:
        granting.approve(taken, request.id)
    assert refusal.value.code == "approval_required"


def test_agencies_and_their_people(plain: Made) -> None:
    """An agency's people hold agency roles alone, and are disabled with it."""
    granting = plain.vault.granting()
    agency = granting.add_principal(
        plain.identity, name="青松", roles=("agency_collector",), more=Enrolment(sort="agency")
    )
    hers = Enrolment(agency=agency.principal)
    worker = granting.add_principal(plain.identity, name="w", roles=("agency_collector",), more=hers)
    for roles in (("legal",), ("agency_collector", "approver")):
        with pytest.raises(Invalid):
            granting.add_principal(plain.identity, name="x", roles=roles, more=hers)
    with pytest.raises(Invalid):
        granting.grant_role(plain.identity, worker.principal, "approver")
    with pytest.raises(Invalid):
        granting.add_principal(
            plain.identity, name="x", roles=("agency_collector",), more=Enrolment(agency=worker.principal)
        )
    with pytest.raises(NotFound):
        granting.add_principal(
            plain.identity, name="x", roles=("agency_collector",), more=Enrolment(agency="p-nobody")
        )
    with pytest.raises(Invalid):
        granting.add_principal(plain.identity, name="x", roles=("legal",), more=Enrolment(sort="robot"))
    granting.disable(plain.identity, agency.principal)
    assert row(plain, agency).disabled
    assert row(plain, worker).disabled


def test_power_can_take_an_approval(tmp_path: Path) -> None:
    """Where the policy says so, nobody alone makes another who could approve for them."""
    made = make_vault(tmp_path, sandbox=False)
    approver = made.vault.granting().add_principal(made.identity, name="a", roles=("approver",))
    made.vault.close()
    policy = made.folder / "policy.toml"
    policy.write_text(policy.read_text("utf-8") + '\n[approvals.power]\nquorum = 1\nby = ["approver"]\n')
    made = made.reopened()
    granting = made.vault.granting()
    with pytest.raises(Denied) as refusal:
        granting.add_principal(made.identity, name="b", roles=("approver",))
    assert refusal.value.code == "approval_required"
    granting.add_principal(made.identity, name="c", roles=("collector",))
    request = granting.ask(made.identity, "power", ("b", "approver"), reason="holiday cover")
    granting.approve(approver, request.id)
    more = Enrolment(request=request.id)
    with pytest.raises(Denied):
        granting.add_principal(made.identity, name="b", roles=("dpo",), more=more)
    granting.add_principal(made.identity, name="b", roles=("approver",), more=more)
    with pytest.raises(Denied):
        granting.add_principal(made.identity, name="b", roles=("approver",), more=more)
