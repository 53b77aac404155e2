"""The lint finds what a policy must not say, and is silent about the default."""

from __future__ import annotations

import pytest
from policykit import DEFAULT, SCHEMA, SMALL, load

from vault import schema
from vault.access.policy import sandbox_text
from vault.access.policy_lint import demand_sound, lint
from vault.errors import ConfigError

OFFICE = """
[roles.{role}]
zh = "某岗"
purposes = ["administration"]
[purposes.administration]
zh = "管理"
basis = 3
[[grants]]
id = "office"
roles = ["{role}"]
purposes = ["administration"]
actions = [{actions}]
source = "why"
"""
PHONE = '{ kind = "borrower", field = "phone", cap = 200 }'


@pytest.mark.parametrize("text", [DEFAULT, sandbox_text(DEFAULT), SMALL])
def test_sound_policies_pass(text: str) -> None:
    """The policies we ship have no errors, and leave power and assessments to who runs the vault."""
    found = lint(load(text), SCHEMA)
    assert {finding.level for finding in found} == {"warning"}
    left = ("names no assessment", "granting power takes one key")
    assert all(finding.message.endswith(left) for finding in found)
    assert len([finding for finding in found if finding.where == "approvals"]) == 1
    demand_sound(load(text), SCHEMA)


@pytest.mark.parametrize(
    ("swaps", "level", "says"),
    [
        ([(PHONE, '{ kind = "borrower", field = "phone" }')], "error", "without a cap"),
        ([("cap = 200", "cap = 99")], "warning", "cap under 100"),
        ([("cap = 200", "cap = 2000")], "warning", "to guess"),
        ([('actions = ["read", "find"]', 'actions = ["read"]')], "error", "without the action"),
        ([('zh = "还款提醒"\nbasis = 2', 'zh = "还款提醒"')], "error", "no lawful basis"),
        ([('zh = "协商"\nbasis = 2', 'zh = "协商"\nbasis = 1')], "warning", "another basis"),
        ([('purposes = ["repayment_reminder"]\nactions', 'purposes = ["legal_action"]\nactions')],
         "error", "none"),
        ([('purposes = ["legal_action"]\nactions', 'purposes = ["legal_action", "negotiation"]\nactions')],
         "warning", "nobody"),
        ([('source = "why"', 'source = ""')], "warning", "no source"),
        ([('masked = ["name", "phone"]', 'masked = ["name", "phone", "address"]')],
         "warning", "address masked"),
        ([('actions = ["read"]', "actions = []")], "warning", "may not read"),
        ([("[roles.collector]", "[roles.agency_collector]"),
          ('roles = ["collector"]', 'roles = ["agency_collector"]')],
         "warning", "bound to cases"),
    ],
)  # fmt: skip
def test_each_finding(swaps: list[tuple[str, str]], level: str, says: str) -> None:
    """One change to a sound policy gives the finding it deserves, with a remedy."""
    found = [finding for finding in lint(load(SMALL, *swaps), SCHEMA) if says in finding.message]
    assert found
    assert all(finding.level == level and finding.remedy for finding in found)


@pytest.mark.parametrize(
    ("role", "actions", "says"),
    [
        ("admin", '"read"', "administrator may read"),
        ("admin", '"audit"', "administrator may read"),
        ("auditor", '"write"', "auditor may change"),
        ("importer", '"find"', "importer may read"),
        ("admin", '"reach"', "admin may take numbers"),
        ("auditor", '"reach"', "auditor may take numbers"),
    ],
)
def test_duties_are_kept_apart(role: str, actions: str, says: str) -> None:
    """Admin, auditor and importer can't be given each other's work or a borrower's data."""
    text = SMALL + OFFICE.format(role=role, actions=actions)
    messages = [finding.message for finding in lint(load(text), SCHEMA) if finding.level == "error"]
    assert any(says in message for message in messages)
    seen = text + '[grants.kinds.borrower]\nmasked = ["name"]\n'
    messages = [finding.message for finding in lint(load(seen), SCHEMA) if finding.level == "error"]
    assert any("sees personal fields" in message for message in messages)


def test_unsound_policy_is_refused() -> None:
    """A policy with an error isn't taken into use; the first error is named."""
    policy = load(SMALL, (PHONE, '{ kind = "borrower", field = "phone" }'))
    with pytest.raises(ConfigError) as caught:
        demand_sound(policy, SCHEMA)
    assert caught.value.field == "grants.one.find"


def test_names_are_judged_by_the_schema_given() -> None:
    """A policy loaded under one schema is told what another no longer has."""
    other = schema.Schema(kinds={"borrower": SCHEMA.kinds["borrower"]}, hash="")
    found = lint(load(), other)
    assert "'loan' is not known" in {finding.message for finding in found if finding.level == "error"}


CONDITIONS = """
[conditions.alive]
test = "not_deceased"
source = "PIPL 49 [V]"
[conditions.assessed]
test = "pipia"
source = "PIPL 55 [V]"
"""
APPROVAL = '\n[approvals.power]\nquorum = 1\nby = ["{by}"]\n'
GLASS = """
[break_glass]
roles = { collector = ["%s"] }
minutes = %d
review_by = ["%s"]
"""


@pytest.mark.parametrize(
    ("more", "swaps", "level", "says"),
    [
        (CONDITIONS, [], "warning", "no grant asks for it"),
        (CONDITIONS, [('id = "two"', 'id = "two"\nwhen = ["assessed"]')], "warning", "for want of pipia"),
        ("", [("restricted = true", "legal_basis_until = 2030-01-01")], "warning", "unseen"),
        ("", [("restricted = true", 'pipia = { id = "P-1", until = 2030-01-01 }')], "warning", "unseen"),
        ("", [('zh = "诉讼"\nbasis = 2', 'zh = "诉讼"\nbasis = 1')], "warning", "rests on consent:"),
        ("", [('zh = "诉讼"\nbasis = 2', 'zh = "诉讼"\nbasis = 1')], "warning", "reaches RESTRICTED"),
        ("", [], "warning", "shows sensitive fields of borrower CLEAR"),
        ("", [], "warning", "granting power takes one key"),
        (APPROVAL.format(by="legal"), [], "error", "none of these roles may approve"),
        (APPROVAL.format(by='legal", "collector'), [('actions = ["read"]', 'actions = ["read", "approve"]')],
         "warning", "collector may not approve"),
        (GLASS % ("legal", 721, "legal"), [], "warning", "longer than any token"),
        (GLASS % ("legal", 60, "collector"), [], "warning", "reviews what it may have done"),
    ],
)  # fmt: skip
def test_each_finding_about_conditions_and_duties(
    more: str, swaps: list[tuple[str, str]], level: str, says: str
) -> None:
    """Conditions nobody asks for, dates nobody looks at, approvals nobody gives: each is said."""
    found = [f for f in lint(load(SMALL + more, *swaps), SCHEMA) if says in f.message]
    assert found
    assert all(finding.level == level and finding.remedy for finding in found)


def test_broken_glass_opens_no_office() -> None:
    """Nobody takes on the auditor's, approver's or administrator's office in passing."""
    text = SMALL + OFFICE.format(role="admin", actions='"approve"') + GLASS % ("admin", 60, "legal")
    messages = [f.message for f in lint(load(text), SCHEMA) if f.level == "error"]
    assert messages == ["takes on the office of admin"]


def test_a_silent_policy_can_be_written() -> None:
    """With an assessment that is asked for, and a second key for power, nothing is left to say."""
    text = SMALL + OFFICE.format(role="admin", actions='"approve"') + CONDITIONS + APPROVAL.format(by="admin")
    said = load(
        text,
        ("restricted = true", 'restricted = true\npipia = { id = "P-1", until = 2030-01-01 }'),
        ('id = "one"', 'id = "one"\nwhen = ["alive"]'),
        ('id = "two"', 'id = "two"\nwhen = ["assessed"]'),
    )
    assert lint(said, SCHEMA) == []
