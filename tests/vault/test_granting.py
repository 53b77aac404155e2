"""The granting room."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.errors import Denied, Invalid, NotFound
from vault.granting import MAX_TTL, Candidate, Identity


@pytest.fixture
def plain(tmp_path: Path) -> Made:
    """A vault that is no sandbox: its first principal is an admin and nothing else."""
    return make_vault(tmp_path, sandbox=False)


def test_the_first_principal_is_admin_alone(plain: Made) -> None:
    """It can add others and act for itself as nothing else (INTERFACE)."""
    granting = plain.vault.granting()
    (first,) = granting.principals(plain.identity)
    assert first.roles == ("admin",)
    for role, purpose in (("collector", "repayment_reminder"), ("dpo", "administration")):
        with pytest.raises(Denied) as refusal:
            granting.issue(plain.identity, role=role, purpose=purpose)
        assert refusal.value.code == "role_denied"


def test_roles_are_granted_by_another(plain: Made) -> None:
    """An admin adds a collector, who gets tokens for that role and adds nobody."""
    granting = plain.vault.granting()
    collector = granting.add_principal(plain.identity, name="小李", roles=("collector",))
    assert granting.issue(collector, role="collector", purpose="repayment_reminder").token
    with pytest.raises(Denied):
        granting.add_principal(collector, name="x", roles=("legal",))
    with pytest.raises(Denied):
        granting.issue(collector, role="collector", purpose="legal_action")
    with pytest.raises(Invalid):
        granting.add_principal(plain.identity, name="x", roles=("emperor",))


def test_every_act_is_an_entry(plain: Made) -> None:
    """Adding, disabling, issuing and being refused each leave one entry."""
    granting = plain.vault.granting()
    granting.principals(plain.identity)  # the first act of a node enters its policy
    before = plain.size()
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    token = granting.issue(auditor, role="auditor", purpose="audit")
    with pytest.raises(Denied):
        granting.issue(auditor, role="legal", purpose="legal_action")
    granting.disable(
        plain.identity, granting.add_principal(plain.identity, name="b", roles=("legal",)).principal
    )
    lines = plain.vault.auditing().ask(token, Question(after=before - 1))
    assert [line.kind for line in lines][:5] == ["principal", "token", "deny", "principal", "principal"]


def test_disabled_at_once(plain: Made) -> None:
    """A disabled principal's living tokens are refused from the next entry on."""
    granting = plain.vault.granting()
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    token = granting.issue(auditor, role="auditor", purpose="audit")
    plain.vault.auditing().ask(token, Question())
    granting.disable(plain.identity, auditor.principal)
    with pytest.raises(Denied) as refusal:
        plain.vault.auditing().ask(token, Question())
    assert refusal.value.code == "token_revoked"
    with pytest.raises(Denied):
        granting.issue(auditor, role="auditor", purpose="audit")


def test_the_last_admin_stays(plain: Made) -> None:
    """A vault can't be left without an admin by mistake; an unknown principal is not found."""
    with pytest.raises(Invalid):
        plain.vault.granting().disable(plain.identity, plain.identity.principal)
    with pytest.raises(NotFound):
        plain.vault.granting().disable(plain.identity, "p-nobody")


def test_anothers_key_is_refused(plain: Made) -> None:
    """A principal's id with another key acts for nobody."""
    forged = msgspec.structs.replace(Identity.fresh(), principal=plain.identity.principal)
    with pytest.raises(Denied) as refusal:
        plain.vault.granting().add_principal(forged, name="x", roles=("legal",))
    assert refusal.value.code == "token_invalid"


def test_revoked(tmp_path: Path) -> None:
    """Revoking a token kills it and what was narrowed from it; a stranger can't revoke it."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    auditor = granting.add_principal(made.identity, name="a", roles=("auditor",))
    other = granting.add_principal(made.identity, name="b", roles=("legal",))
    token = granting.issue(auditor, role="auditor", purpose="audit")
    with pytest.raises(Denied):
        granting.revoke(other, token)
    granting.revoke(auditor, token)
    with pytest.raises(Denied) as refusal:
        made.vault.auditing().ask(token, Question())
    assert refusal.value.code == "token_revoked"


def test_tokens_live_a_shift_at_most(plain: Made) -> None:
    """A longer life is refused with its remedy, not cut in silence."""
    granting = plain.vault.granting()
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    with pytest.raises(Invalid):
        granting.issue(auditor, role="auditor", purpose="audit", limits=Limits(ttl_us=MAX_TTL + 1))


def test_four_eyes(plain: Made) -> None:
    """Nobody approves their own request; another approver's yes is recorded once."""
    granting = plain.vault.granting()
    dpo = granting.add_principal(plain.identity, name="d", roles=("dpo", "importer"))
    approver = granting.add_principal(plain.identity, name="e", roles=("approver",))
    stranger = granting.add_principal(plain.identity, name="f", roles=("collector",))
    plan = plain.vault.erasing().plan(granting.issue(dpo, role="dpo", purpose="administration"))
    for who in (dpo, stranger):
        with pytest.raises(Denied):
            granting.approve(who, plan.id)
    for _ in range(2):
        assert len(granting.approve(approver, plan.id).approvals) == 1
    with pytest.raises(NotFound):
        granting.approve(approver, "plan-x")


def test_identity_files() -> None:
    """A principal file reads back; anything else is refused; nothing of the key is printed."""
    identity = Identity.fresh()
    assert Identity.from_json(identity.to_json()) == identity
    assert identity.key not in repr(identity) + str(identity)
    for data in (b"", b"{}", b'{"principal":"p","key":"short"}'):
        with pytest.raises(Invalid):
            Identity.from_json(data)


def test_a_case_bound_role_needs_cases(tmp_path: Path) -> None:
    """Out of the box an agency collector's token names cases, and they must be its own."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    importer = granting.add_principal(made.identity, name="i", roles=("importer",))
    agency = granting.add_principal(made.identity, name="g", roles=("agency_collector",))
    made.vault.writing().import_file(
        granting.issue(importer, role="importer", purpose="import"),
        made.file(borrowers(1)),
        kind="borrower",
        report=made.folder / "r.jsonl",
    )
    bare = granting.issue(agency, role="agency_collector", purpose="repayment_reminder")
    bound = granting.issue(
        agency,
        role="agency_collector",
        purpose="repayment_reminder",
        limits=Limits(cases=frozenset({borrowers(1)[0]["案件编号"]})),
    )
    ids = [f"borrower:{borrowers(1)[0]['客户编号']}"]
    assert made.vault.reading().read(bound, ids).errors[0].code == "case_closed"
    desk = granting.add_principal(made.identity, name="k", roles=("case_desk",))
    keeper = granting.issue(desk, role="case_desk", purpose="administration")
    case = [borrowers(1)[0]["案件编号"]]
    assert made.vault.casework().open_cases(keeper, case, reason="placed") == 1
    assert made.vault.casework().assign(keeper, case, agency.principal, reason="first") == 1
    assert made.vault.reading().read(bound, ids).items
    with pytest.raises(Denied):
        made.vault.reading().read(bare, ids)


def test_enrolment_keeps_the_key_with_its_owner(plain: Made) -> None:
    """A person makes their own key and hands over the public half; an id or key is taken once."""
    granting, mine = plain.vault.granting(), Identity.fresh()
    candidate = Candidate.from_json(msgspec.json.encode(mine.candidate))
    granting.enrol(plain.identity, name="小王", roles=("auditor",), candidate=candidate)
    assert granting.issue(mine, role="auditor", purpose="audit").token
    for taken in (candidate, msgspec.structs.replace(candidate, principal=Identity.fresh().principal)):
        with pytest.raises(Invalid):
            granting.enrol(plain.identity, name="x", roles=("legal",), candidate=taken)
    first = plain.identity.candidate
    with pytest.raises(Invalid):
        granting.enrol(plain.identity, name="me", roles=("dpo",), candidate=first)
    for data in (b"", b"{}", b'{"principal":"p","public":"AA"}'):
        with pytest.raises(Invalid):
            Candidate.from_json(data)


def test_refusals_are_entries_of_those_who_are_known(plain: Made) -> None:
    """A registered principal's refused act is in the log; a stranger, or a borrowed id, can't grow it."""
    granting = plain.vault.granting()
    collector = granting.add_principal(plain.identity, name="c", roles=("collector",))
    before = plain.size()
    for attempt in (
        lambda: granting.add_principal(collector, name="x", roles=("legal",)),
        lambda: granting.disable(collector, plain.identity.principal),
        lambda: granting.principals(collector),
        lambda: granting.approve(collector, "plan-x"),
        lambda: granting.set_contract(collector, party="p", starts="2026-01-01", ends=None),
    ):
        with pytest.raises(Denied):
            attempt()
    assert plain.size() == before + 5
    borrowed = msgspec.structs.replace(Identity.fresh(), principal=plain.identity.principal)
    for stranger in (Identity.fresh(), borrowed):
        with pytest.raises(Denied):
            granting.principals(stranger)
    assert plain.size() == before + 5


@pytest.mark.parametrize(
    "ident", ["", "p-", "local", "p-" + "x" * 27, "P-" + "a" * 26, "p-" + "a" * 25 + "\x1b"]
)
def test_an_id_is_no_free_text(plain: Made, ident: str) -> None:
    """A candidate's id has the form of an id, so that it can't pass for a name or a node."""
    forged = msgspec.structs.replace(Identity.fresh().candidate, principal=ident)
    with pytest.raises(Invalid):
        plain.vault.granting().enrol(plain.identity, name="x", roles=("legal",), candidate=forged)
    with pytest.raises(Invalid):
        Candidate.from_json(msgspec.json.encode(forged))


@pytest.mark.parametrize("name", ["", "x" * 101, "a\x1b[0m", "a\nb"])
def test_a_name_can_be_printed(plain: Made, name: str) -> None:
    """A principal's name is what tables show: printable, and not without end."""
    with pytest.raises(Invalid):
        plain.vault.granting().add_principal(plain.identity, name=name, roles=("legal",))


def test_no_time_is_no_token(plain: Made) -> None:
    """A life of nothing is refused, not taken for the default."""
    granting = plain.vault.granting()
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    with pytest.raises(Invalid):
        granting.issue(auditor, role="auditor", purpose="audit", limits=Limits(ttl_us=0))


def test_revoking_one_token_revives_no_other(plain: Made) -> None:
    """A revocation stands until its link would have expired anyway, however many follow."""
    granting = plain.vault.granting()
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    tokens = [granting.issue(auditor, role="auditor", purpose="audit") for _ in range(2)]
    for token in tokens:
        granting.revoke(auditor, token)
    for token in tokens:
        with pytest.raises(Denied) as refusal:
            plain.vault.auditing().ask(token, Question())
        assert refusal.value.code == "token_revoked"


def test_a_disabled_admin_is_no_admin_left(plain: Made) -> None:
    """The last enabled admin stays, however many disabled ones there are."""
    granting = plain.vault.granting()
    second = granting.add_principal(plain.identity, name="b", roles=("admin",))
    granting.disable(plain.identity, second.principal)
    with pytest.raises(Invalid):
        granting.disable(plain.identity, plain.identity.principal)


def test_nobody_takes_anothers_id_or_comes_without_a_role(plain: Made) -> None:
    """A new key under an id that is there already is refused; so is a principal who may do nothing."""
    granting, fresh = plain.vault.granting(), Identity.fresh().candidate
    taken = msgspec.structs.replace(fresh, principal=plain.identity.principal)
    for roles, candidate in ((("legal",), taken), ((), fresh)):
        with pytest.raises(Invalid):
            granting.enrol(plain.identity, name="x", roles=roles, candidate=candidate)
    assert granting.principals(plain.identity)[0].public == plain.identity.signing.public


def test_no_token_for_more_than_policy_gives(plain: Made) -> None:
    """Limits can't name an action that policy doesn't give role and purpose."""
    auditor = plain.vault.granting().add_principal(plain.identity, name="a", roles=("auditor",))
    with pytest.raises(Invalid):
        plain.vault.granting().issue(
            auditor, role="auditor", purpose="audit", limits=Limits(actions=frozenset({"audit", "execute"}))
        )


def test_approvals_end_and_are_entries(plain: Made) -> None:
    """A yes is an entry that names what was approved; after the request's end none is taken."""
    granting = plain.vault.granting()
    dpo = granting.add_principal(plain.identity, name="d", roles=("dpo",))
    approver = granting.add_principal(plain.identity, name="e", roles=("approver",))
    auditor = granting.add_principal(plain.identity, name="a", roles=("auditor",))
    plan = plain.vault.erasing().plan(granting.issue(dpo, role="dpo", purpose="administration"))
    granting.approve(approver, plan.id)
    granting.set_contract(plain.identity, party="bank", starts="2026-01-01", ends="2027-01-01")
    token = granting.issue(auditor, role="auditor", purpose="audit")
    (yes,) = plain.vault.auditing().ask(token, Question(kind="approve"))
    assert (yes.actor, yes.detail) == (approver.principal, f"retention {plan.id} {plan.digest}")
    (term,) = plain.vault.auditing().ask(token, Question(kind="config"))
    assert term.detail == "contract 2026-01-01..2027-01-01"
    plain.clock.advance(days=30)
    with pytest.raises(Denied) as refusal:
        granting.approve(approver, plan.id)
    assert refusal.value.code == "approval_required"
