"""Duties kept apart in approvals, break-glass and consent: the part of the lint that is about offices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.access.conditions import CONSENT_BASIS
from vault.access.policy import Policy
from vault.access.policy_file import ApprovalSpec, BreakGlassSpec, Finding

_OFFICES: Final = frozenset({"admin", "approver", "auditor", "dpo", "importer"})
"""Roles with an office of their own: an emergency is no reason to hold one for an hour."""
_LONGEST_MINUTES: Final = 12 * 60
"""As long as the longest token; past it, it is a grant and no emergency."""


def findings(policy: Policy) -> Iterator[Finding]:
    """What is wrong, or might better be changed, in approvals, break-glass and purposes of consent."""
    for what, spec in policy.file.approvals.items():
        yield from _approval(policy, what, spec)
    if "power" not in policy.file.approvals:
        remedy = "write [approvals.power] with quorum and by"
        yield _finding("warning", "approvals", "granting power takes one key", remedy)
    if policy.file.break_glass is not None:
        yield from _break_glass(policy.file.break_glass)
    yield from _consent(policy)


def _approval(policy: Policy, what: str, spec: ApprovalSpec) -> Iterator[Finding]:
    """Whoever is named must be able to approve."""
    able = [role for role in spec.by if _approves(policy, role)]
    where = f"approvals.{what}.by"
    if not able:
        yield _finding(
            "error", where, "none of these roles may approve", "name a role with the action `approve`"
        )
        return
    for role in spec.by:
        if role not in able:
            remedy = "grant it the action `approve`, or take it out"
            yield _finding("warning", where, f"{role} may not approve", remedy)


def _approves(policy: Policy, role: str) -> bool:
    spec = policy.file.roles.get(role)
    return spec is not None and any("approve" in policy.actions(role, purpose) for purpose in spec.purposes)


def _break_glass(spec: BreakGlassSpec) -> Iterator[Finding]:
    """Who looks at it afterwards isn't who did it, and an office isn't taken on in passing."""
    for role, taken in spec.roles.items():
        where = f"break_glass.roles.{role}"
        for office in sorted(_OFFICES.intersection(taken)):
            yield _finding(
                "error", where, f"takes on the office of {office}", "leave offices to who holds them"
            )
        if role in spec.review_by:
            message = "reviews what it may have done itself"
            yield _finding("warning", where, message, "name other roles in review_by")
    if spec.minutes > _LONGEST_MINUTES:
        yield _finding("warning", "break_glass.minutes", "longer than any token", "720 minutes at most")


def _consent(policy: Policy) -> Iterator[Finding]:
    """Consent can be withdrawn, and a withdrawal only stops what rests on consent alone (PIPL 15 [V])."""
    for purpose, spec in policy.file.purposes.items():
        held = any(purpose in role.purposes for role in policy.file.roles.values())
        if spec.basis == CONSENT_BASIS and spec.restricted and held:
            message = "rests on consent and reaches RESTRICTED records"
            yield _finding("warning", f"purposes.{purpose}", message, "drop `restricted` (PIPL 15, 47)")
        if spec.basis == CONSENT_BASIS and held:
            message = "rests on consent: its grants give nothing of a record once that is withdrawn"
            remedy = "see that withdrawals reach the records, or name another basis"
            yield _finding("warning", f"purposes.{purpose}", message, remedy)


def _finding(level: str, where: str, message: str, remedy: str) -> Finding:
    return Finding(level=level, where=where, message=message, remedy=remedy)
