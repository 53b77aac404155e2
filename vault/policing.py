"""Policing: when a policy may take the place of the one in force. Pure.

A change that only takes away holds at once. One by which anybody sees or may do more takes another person's
yes to exactly that file, and ends the tokens issued for purposes that rest on consent (PIPL 14 ¶2).
"""

from __future__ import annotations

import msgspec

from vault.access.policy import Policy
from vault.access.policy_diff import diff, widened
from vault.approvals import demand_approved, digest_of, under
from vault.errors import ConfigError, Denied
from vault.ledger.registry import PolicyInForce, Principal, Registry, Request
from vault.schema import Schema

WHAT = "policy"
CONSENT = 1
"""The lawful basis that is a consent (PIPL 13 ¶1(1))."""


def entered(
    registry: Registry, known: PolicyInForce | None, new: Policy, schema: Schema, now: int
) -> tuple[PolicyInForce, Request | None] | None:
    """The policy as it comes into force, and the approval that it uses up; None if it has to wait for one.

    Args:
        registry: As it stands, with the requests.
        known: What is in force; None in a vault without any, without text in one from before texts were kept.
        new: The policy of the file.
        schema: What both are about.
        now: µs UTC.
    """
    fresh = PolicyInForce(id="policy", hash=new.hash, text=new.text, voided=known.voided if known else {})
    if known is None or not known.text:
        return fresh, None
    try:
        old = Policy.load(known.text, schema)
    except ConfigError:  # it names what the schema has no longer: that can't be compared, so it is approved
        old = None
    if old is not None and not any(change.widening for change in diff(old, new)):
        return fresh, None
    used = None
    if not new.sandbox and (old is None or old.approval(WHAT) is not None):
        used = _approved(registry, old, new.hash, now)
        if used is None:
            return None
    return msgspec.structs.replace(fresh, voided=fresh.voided | _voided(old, new, now)), used


def _approved(registry: Registry, old: Policy | None, hashed: str, now: int) -> Request | None:
    """An approved request for exactly this file, as used up by it."""
    for request in registry.all(Request):
        asked = registry.find(Principal, request.by)
        if asked is None or asked.disabled or asked.agency:
            continue  # nobody acts when a file is taken up, so whoever asked must still be able to
        if request.what == WHAT and request.digest == digest_of(WHAT, (hashed,)):
            try:
                demand_approved(registry, under(old, request) if old else request, now)
            except Denied:
                continue
            return msgspec.structs.replace(request, used=now)
    return None


def _voided(old: Policy | None, new: Policy, now: int) -> dict[str, int]:
    wider = widened(old, new) if old is not None else frozenset(new.file.purposes)
    specs = new.file.purposes
    return {name: now for name in wider if name in specs and specs[name].basis == CONSENT}
