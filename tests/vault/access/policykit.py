"""Policies and grants that tests are made of."""

from __future__ import annotations

from datetime import date
from typing import Any

from vault import schema
from vault.access.conditions import Situation, instant
from vault.access.policy import Policy, default_text
from vault.model import ACTIONS, Grant, PrincipalId, Tenant

SCHEMA = schema.builtin()
DEFAULT = default_text()

SMALL = """
version = 1
sandbox = false
[roles.collector]
zh = "催收员"
purposes = ["repayment_reminder", "negotiation"]
[roles.legal]
zh = "法务"
purposes = ["legal_action"]
[purposes.repayment_reminder]
zh = "还款提醒"
basis = 2
[purposes.negotiation]
zh = "协商"
basis = 2
parent = "repayment_reminder"
[purposes.legal_action]
zh = "诉讼"
basis = 2
restricted = true
[[grants]]
id = "one"
roles = ["collector"]
purposes = ["repayment_reminder"]
actions = ["read", "find"]
find = [{ kind = "borrower", field = "phone", cap = 200 }]
source = "why"
[grants.kinds.borrower]
masked = ["name", "phone"]
[grants.kinds.loan]
masked = ["product"]
[[grants]]
id = "two"
roles = ["legal"]
purposes = ["legal_action"]
actions = ["read"]
source = "why"
[grants.kinds.borrower]
clear = ["name", "phone", "bank_card"]
[grants.kinds.loan]
clear = ["product"]
"""


def load(text: str = SMALL, *swaps: tuple[str, str]) -> Policy:
    """The policy with some words swapped; each must be there to be swapped."""
    for old, new in swaps:
        assert old in text
        text = text.replace(old, new, 1)
    return Policy.load(text, SCHEMA)


def grant(role: str, purpose: str, **changes: Any) -> Grant:
    """A token's grant that narrows nothing but what is said."""
    values: dict[str, Any] = {
        "actions": frozenset(ACTIONS),
        "fields": None,
        "cases": None,
        "audience": frozenset({"masked", "clear"}),
        **changes,
    }
    return Grant(
        tenant=Tenant("main"), principal=PrincipalId("p-1"), role=role, purpose=purpose, not_before=0,
        expires=1, depth=0, policy="", links=(), **values,
    )  # fmt: skip


def situation(**changes: Any) -> Situation:
    """10:00 in Shanghai on 2026-03-16, about a grown person's active record of an open case."""
    values: dict[str, Any] = {
        "now": instant(date(2026, 3, 16), "10:00"),
        "state": "ACTIVE",
        "anchors": {},
        "case": "open",
        "region": "CN",
        "contract": True,
        **changes,
    }
    return Situation(**values)
