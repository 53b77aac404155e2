"""What is owed and by when: reviews, agencies' attestations, answers to requests, a policy that waits.

Read from the registry as it stands; nothing is decided here and nothing is changed.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from cli import glass, incidents
from vault.approvals import counted, demand_eligible
from vault.engaging import agency_view
from vault.errors import Denied
from vault.ledger.registry import Engagement, Glass, PolicyInForce, Principal, Request
from vault.policing import entered

if TYPE_CHECKING:
    from vault.ledger.registry import Registry
    from vault.tenancy import Tenancy

SOON: Final = timedelta(days=7)


def owed(t: Tenancy, registry: Registry) -> dict[str, Any]:
    """All that a tenant's people owe, as `status` has it."""
    now, day = t.clock(), t.today()
    return {
        "policy_waiting": policy_waiting(t, registry),
        "waiting": [r.id for r in waiting(registry, now, sandbox=t.policy.sandbox)],
        "reviews": _reviews(registry, now),
        "agencies": _agencies(registry, day),
        "attestations": _attestations(registry, day),
        "incidents": incidents.clocks(registry, now),
    }


def policy_waiting(t: Tenancy, registry: Registry) -> str:
    """The hash of the policy file where it can't come into force without an approval; "" where it can."""
    known = registry.find(PolicyInForce, "policy")
    if t.waiting or known is None or known.hash == t.policy.hash:
        return t.waiting
    found = entered(registry, known, t.policy, t.schema, t.clock())
    return t.policy.hash if found is None else ""


def waiting(registry: Registry, now: int, *, sandbox: bool = False) -> list[Request]:
    """The requests that still lack somebody's yes."""
    return [
        r
        for r in registry.all(Request)
        if now < r.expires
        and r.refused is None
        and not r.used
        and len(counted(registry, r, now, sandbox=sandbox)) < max(1, r.quorum)
    ]


def for_me(registry: Registry, principal: str, now: int, *, sandbox: bool = False) -> list[Request]:
    """The requests that wait for this principal's yes: it would count, and hasn't been given."""
    me = registry.get(Principal, principal)
    found = []
    for request in waiting(registry, now, sandbox=sandbox):
        if any(a.principal == principal for a in request.approvals):
            continue
        try:
            if not sandbox:
                demand_eligible(registry, request, me, now)
        except Denied:
            continue
        found.append(request)
    return found


def _reviews(registry: Registry, now: int) -> list[dict[str, Any]]:
    from vault.config import iso

    return [
        {"glass": g.id[: glass.SHORT], "by": g.principal, "due": iso(g.due), "overdue": now > g.due}
        for g in sorted(registry.all(Glass), key=lambda g: g.due)
        if g.reviewed is None
    ]


def _agencies(registry: Registry, day: date) -> list[dict[str, Any]]:
    """The agencies whose contract is over and whose attestation is demanded and isn't there."""
    people = registry.all(Principal)
    views = [
        agency_view(p, registry.find(Engagement, p.id), people, day) for p in people if p.sort == "agency"
    ]
    return [
        {"agency": v.agency, "name": v.name, "due": v.due, "overdue": v.overdue}
        for v in views
        if v.due and not v.returned
    ]


def _attestations(registry: Registry, day: date) -> list[dict[str, Any]]:
    """The attestations that run out within the week."""
    first, last = day.isoformat(), (day + SOON).isoformat()
    return [
        {"principal": p.id, "kind": kind, "until": until}
        for p in registry.all(Principal)
        for kind, until in sorted(p.attested.items())
        if not p.disabled and first <= until <= last
    ]
