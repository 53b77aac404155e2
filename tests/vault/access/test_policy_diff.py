"""A policy explained and compared: nothing shown goes unsaid."""

from __future__ import annotations

import pytest
from policykit import DEFAULT, SCHEMA, SMALL, load

from vault.access.policy import sandbox_text
from vault.access.policy_diff import diff
from vault.access.policy_explain import explain
from vault.errors import Denied


def test_explain_lists_every_field() -> None:
    """Each field has a row; a shown one names its grant and reason, a hidden one none."""
    rows = explain(load(), "collector", "repayment_reminder")
    assert len(rows) == sum(len(kind.fields) for kind in SCHEMA.kinds.values())
    shown = {(row.kind, row.field): (row.view, row.grant, row.source) for row in rows if row.grant}
    assert shown == {
        ("borrower", "name"): ("MASKED", "one", "why"),
        ("borrower", "phone"): ("MASKED", "one", "why"),
        ("loan", "product"): ("MASKED", "one", "why"),
    }
    assert {row.view for row in rows if not row.grant} == {"HIDDEN"}


def test_explain_refuses_what_does_not_go_together() -> None:
    """A role that doesn't act for the purpose has nothing to explain."""
    with pytest.raises(Denied):
        explain(load(), "collector", "legal_action")


def test_same_policy_has_no_difference() -> None:
    """A policy compared with itself says nothing."""
    assert diff(load(DEFAULT), load(DEFAULT)) == []


@pytest.mark.parametrize(
    ("swap", "sentence"),
    [
        (('masked = ["name", "phone"]', 'masked = ["name", "phone", "email"]'),
         "collector + repayment_reminder: borrower.email becomes MASKED (was HIDDEN)"),
        (('masked = ["name", "phone"]', 'masked = ["phone"]\nclear = ["name"]'),
         "collector + repayment_reminder: borrower.name becomes CLEAR (was MASKED)"),
        (("cap = 200", "cap = 300"),
         "collector + repayment_reminder: may search borrower.phone by 300 values a day (was 200)"),
        (('actions = ["read"]', 'actions = ["read", "list"]'), "legal + legal_action: may list"),
        (("sandbox = false", "sandbox = true"), "the vault becomes a sandbox: case binding and attestations are off"),
        (("parent =", "restricted = true\nparent ="), "negotiation reaches RESTRICTED records"),
        (('purposes = ["legal_action"]\n[purposes', 'purposes = ["legal_action", "negotiation"]\n[purposes'),
         "legal + negotiation: goes together now"),
    ],
)  # fmt: skip
def test_change_is_said_both_ways(swap: tuple[str, str], sentence: str) -> None:
    """A widening is said and flagged; taking it back is said and not flagged."""
    old, new = load(), load(SMALL, swap)
    changes = diff(old, new)
    assert [change.sentence for change in changes] == [sentence]
    assert changes[0].widening
    back = diff(new, old)
    assert len(back) == 1
    assert not back[0].widening


def test_lost_case_binding_is_a_widening() -> None:
    """Dropping the binding to cases is said as more than before."""
    bound = load(SMALL, ('id = "one"', 'id = "one"\ncase_bound = true'))
    assert [(c.sentence, c.widening) for c in diff(bound, load())] == [
        ("collector + repayment_reminder: no longer needs to name cases", True)
    ]
    assert [c.widening for c in diff(load(), bound)] == [False]


def test_widenings_come_first() -> None:
    """Whoever reads one screen of a long comparison reads the widenings."""
    changes = diff(load(sandbox_text(DEFAULT)), load(SMALL))
    flags = [change.widening for change in changes]
    assert flags == sorted(flags, reverse=True)
    assert False in flags
