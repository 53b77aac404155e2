"""A policy explained: every field has a row, and every row its grant or its condition."""

from __future__ import annotations

import pytest
from policykit import DEFAULT, SCHEMA, load, situation

from vault.access.policy_explain import SEALED_OFF, Asked, asked, explain
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
    assert not any(row.when or row.condition for row in rows)


def test_explain_refuses_what_does_not_go_together() -> None:
    """A role that doesn't act for the purpose has nothing to explain."""
    with pytest.raises(Denied):
        explain(load(), "collector", "legal_action")


def test_the_condition_that_decided_is_named() -> None:
    """At best a field names what it rests on; where that fails, the first that does, and its source."""
    policy = load(DEFAULT)
    at_best = {(r.kind, r.field): r for r in explain(policy, "collector", "repayment_reminder")}
    assert at_best["borrower", "phone"].when == ("alive", "case_open", "grown")
    assert at_best["borrower", "phone"].condition == ""
    so = situation(case="closed", anchors={"adult_on": "2030-01-01"})
    rows = {(r.kind, r.field): r for r in explain(policy, "collector", "repayment_reminder", so)}
    phone, card = rows["borrower", "phone"], rows["borrower", "bank_card"]
    assert (phone.view, phone.grant, phone.condition) == ("HIDDEN", "", "case_open")
    assert "[M]" in phone.condition_source
    assert (card.view, card.condition) == ("HIDDEN", "")


def test_a_record_sealed_off_is_explained() -> None:
    """What a purpose doesn't reach in that state says so; what it never shows doesn't."""
    policy = load(DEFAULT)
    off = situation(state="RESTRICTED")
    rows = {(r.kind, r.field): r for r in explain(policy, "collector", "repayment_reminder", off)}
    assert rows["borrower", "phone"].condition_source == SEALED_OFF
    assert rows["borrower", "bank_card"].condition_source == ""
    assert {row.view for row in rows.values()} == {"HIDDEN"}
    legal = {(r.kind, r.field): r.view for r in explain(policy, "legal", "legal_action", off)}
    assert legal["borrower", "phone"] == "CLEAR"


def test_conditions_say_what_they_ask_and_whether_it_holds() -> None:
    """Of a cell, in the order of the file; without a situation nothing is said to hold."""
    policy = load(DEFAULT)
    found = asked(policy, "legal", "legal_action", situation(anchors={"adult_on": "2030-01-01"}))
    assert [(c.name, c.terms, c.holds) for c in found] == [("grown", "not_minor", False)]
    assert [c.holds for c in asked(policy, "legal", "legal_action")] == [None]
    assert isinstance(found[0], Asked)
    assert asked(policy, "dpo", "subject_request") == []
