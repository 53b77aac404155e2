"""Policing: when a policy takes the place of the one in force, and what that ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, make_vault, reopen

from vault.access.policy import default_text
from vault.access.policy_file import policy_hash
from vault.auditing import Question
from vault.errors import Denied, Unavailable
from vault.granting import Identity
from vault.ledger.registry import PolicyInForce, Request

FINDING = 'actions = ["read", "find", "list"]'
WRITING = 'actions = ["read", "find", "list", "write"]'
WIDER = default_text().replace(FINDING, WRITING, 1)
NARROWER = default_text().replace("cap = 200", "cap = 150", 1)
CONSENTED = (
    default_text().replace('purposes = ["fraud_check"]', 'purposes = ["fraud_check", "modelling"]', 1)
    + """
[[grants]]
id = "models-age"
roles = ["fraud_desk"]
purposes = ["modelling"]
actions = ["read"]
source = "PIPL 13 (1): consent"
[grants.kinds.loan]
masked = ["product"]
"""
)
MORE = CONSENTED + 'clear = ["creditor"]\n'


class Scene:
    """A vault that is no sandbox, an approver and an auditor; its policy file can be exchanged."""

    def __init__(self, made: Made) -> None:
        self.made = made
        add = made.vault.granting().add_principal
        self.approver = add(made.identity, name="p", roles=("approver",))
        self.auditor = add(made.identity, name="a", roles=("auditor", "fraud_desk"))

    def under(self, text: str) -> Made:
        """The same vault, closed and opened again with this policy file."""
        self.made.vault.close()
        (self.made.folder / "policy.toml").write_text(text, encoding="utf-8")
        self.made = reopen(self.made)
        self.made.vault.tenancy().start()
        return self.made

    def in_force(self) -> str:
        """The hash of the policy that decides."""
        return self.made.vault.tenancy().policy.hash

    def approved(self, text: str, by: Identity | None = None) -> Request:
        """A request for this file, approved."""
        granting = self.made.vault.granting()
        request = granting.ask(by or self.made.identity, "policy", (policy_hash(text),), reason="new desk")
        return granting.approve(self.approver, request.id)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A vault whose default policy is in force."""
    return Scene(make_vault(tmp_path, sandbox=False))


def test_a_narrower_policy_holds_at_once(scene: Scene) -> None:
    """Taking away needs nobody's yes; the change is an entry, and the file's text is kept."""
    scene.under(NARROWER)
    assert scene.in_force() == policy_hash(NARROWER)
    row = scene.made.vault.tenancy().journal.registry().get(PolicyInForce, "policy")
    assert row.text == NARROWER
    token = scene.made.vault.granting().issue(scene.auditor, role="auditor", purpose="audit")
    lines = scene.made.vault.auditing().ask(token, Question(kind="policy"))
    assert [line.detail for line in lines][-1] == f"policy {policy_hash(NARROWER)}"


def test_a_wider_policy_waits_for_a_yes(scene: Scene) -> None:
    """Until somebody else approves exactly this file the one in force goes on; then it takes its place."""
    scene.under(WIDER)
    assert (scene.in_force(), scene.made.vault.tenancy().waiting) == (
        policy_hash(default_text()),
        policy_hash(WIDER),
    )
    scene.approved(MORE)  # another file
    scene.under(WIDER)
    assert scene.in_force() == policy_hash(default_text())
    request = scene.approved(WIDER)
    scene.under(WIDER)
    assert (scene.in_force(), scene.made.vault.tenancy().waiting) == (policy_hash(WIDER), "")
    assert scene.made.vault.granting().request(request.id).used
    scene.under(NARROWER)
    scene.under(WIDER)  # the yes served once
    assert scene.in_force() == policy_hash(NARROWER)


def test_an_approver_disabled_since_opens_nothing(scene: Scene) -> None:
    """The yes is counted when the file comes into force."""
    scene.approved(WIDER)
    scene.made.vault.granting().disable(scene.made.identity, scene.approver.principal)
    scene.under(WIDER)
    assert scene.in_force() == policy_hash(default_text())


def test_a_sandbox_takes_any_policy(tmp_path: Path) -> None:
    """A place to learn in asks nobody else."""
    made = make_vault(tmp_path)
    made.vault.tenancy().start()
    made.vault.close()
    text = (made.folder / "policy.toml").read_text("utf-8")
    wider = text.replace(FINDING, WRITING, 1)
    (made.folder / "policy.toml").write_text(wider, encoding="utf-8")
    again = reopen(made)
    again.vault.tenancy().start()
    assert again.vault.tenancy().policy.hash == policy_hash(wider)


def test_other_nodes_follow_with_their_next_entry(scene: Scene) -> None:
    """A node that decided by the old policy releases nothing under it, and decides by the new one after."""
    other = reopen(scene.made)
    token = other.vault.granting().issue(scene.auditor, role="auditor", purpose="audit")
    other.vault.auditing().ask(token, Question())
    scene.under(NARROWER)
    with pytest.raises(Unavailable) as refusal:
        other.vault.auditing().ask(token, Question())
    assert refusal.value.code == "conflict"
    assert other.vault.auditing().ask(token, Question())
    assert other.vault.tenancy().policy.hash == policy_hash(NARROWER)


def test_widening_voids_what_rests_on_consent(scene: Scene) -> None:
    """Tokens for a purpose resting on consent end when it shows more (PIPL 14); the others go on."""
    scene.approved(CONSENTED)
    scene.under(CONSENTED)
    granting = scene.made.vault.granting()
    modelling = granting.issue(scene.auditor, role="fraud_desk", purpose="modelling")
    checking = granting.issue(scene.auditor, role="fraud_desk", purpose="fraud_check")
    scene.made.clock.advance(seconds=2)
    scene.approved(MORE)
    scene.under(MORE)
    assert scene.in_force() == policy_hash(MORE)
    with pytest.raises(Denied) as refusal:
        scene.made.vault.reading().read(modelling, ["r-nothing"])
    assert refusal.value.code == "token_revoked"
    assert scene.made.vault.reading().read(checking, ["r-nothing"]).errors[0].code == "not_found"
    scene.made.clock.advance(seconds=2)
    again = scene.made.vault.granting().issue(scene.auditor, role="fraud_desk", purpose="modelling")
    assert scene.made.vault.reading().read(again, ["r-nothing"]).errors[0].code == "not_found"
