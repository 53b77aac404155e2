"""Standing: what a caller stands on at this instant, beyond an authentic token.

A token says what was granted once. Whether it still holds hangs on the registry as it is now: that whoever
it passed through is enabled, trained and under contract, that the role hasn't ended, that the policy it rests
on hasn't been widened without a new consent. Asked again at every use, under the head's lock (DESIGN 6,
step 6), so a change takes effect on the very next entry, on every node. Pure: rows and times are passed in.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from vault.access.policy import Policy
from vault.config import SHANGHAI, today
from vault.errors import Denied
from vault.ledger.registry import (
    RECOVERED,
    Engagement,
    Glass,
    PolicyInForce,
    Principal,
    Recovery,
    Registry,
)
from vault.model import Grant, PrincipalId, View, Word

_MOST: Final = 4096
_SECOND: Final = 1_000_000
_ALWAYS: Final = 1 << 60
"""µs beyond the end of any glass: a role without an end."""


class Standing(Word):
    """A grant as it holds now.

    Attributes:
        grant: The token's grant, bounded by the agency's contract; `principal` is who acts with it now.
        until: µs UTC up to which nothing but a change of the registry can end it.
        holders: The principal ids whose cases count as the caller's own.
    """

    grant: Grant
    until: int
    holders: frozenset[str]


def stand(registry: Registry, policy: Policy, grant: Grant, now: int) -> Standing:
    """What a token's grant is worth now; remembered until the registry changes or time runs out.

    Args:
        registry: As it stands.
        policy: In force.
        grant: What the token says.
        now: µs UTC.

    Raises:
        Denied: `token_revoked`, `role_denied`, `attestation_expired`, `contract_ended`, `purpose_denied`,
            `delegation_denied`: whatever it rested on is gone.
    """
    known: dict[bytes, Standing] = registry.derived.setdefault(f"standing {policy.hash}", {})
    found = known.get(grant.links[-1].digest)
    if found is None or now >= found.until:
        found = _stand(registry, policy, grant, now)
        if len(known) >= _MOST:
            known.clear()
        known[grant.links[-1].digest] = found
    return found


def _stand(registry: Registry, policy: Policy, grant: Grant, now: int) -> Standing:
    holder = registry.find(Principal, grant.issued_to or grant.principal)
    if holder is None:
        raise _gone("this principal is disabled")
    parties = _parties(registry, holder, grant)
    actor, day = parties[-1], today(now)
    ends = [midnight(day), _role_end(registry, policy, holder, grant, now)]
    _demand_not_void(registry, grant)
    for party in (holder, actor):
        demand_attested(policy, party, grant.role, day)
    bounded, agency = grant, actor.agency or holder.agency
    for engaged in dict.fromkeys(p.agency for p in parties if p.agency):
        contract = demand_contract(registry, engaged, grant.purpose, day)
        bounded = _bounded(bounded, contract)
    return Standing(
        grant=msgspec.structs.replace(
            bounded,
            principal=PrincipalId(actor.id),
            issued_to=holder.id,
            agency=agency,
            evidence=_evidence(parties, grant),
        ),
        until=min(ends),
        holders=frozenset({actor.id, agency} - {""}),
    )


def midnight(day: date) -> int:
    """The instant (µs UTC) at which a day ends in Asia/Shanghai."""
    following = day + timedelta(days=1)
    start = datetime(following.year, following.month, following.day, tzinfo=SHANGHAI)
    return int(start.timestamp()) * _SECOND


def _parties(registry: Registry, holder: Principal, grant: Grant) -> list[Principal]:
    """Whom a chain passed through: the principal of each link, the one before where the key is nobody's.

    Raises:
        Denied: One is disabled, or an agency handed it on outside itself (PIPL 21 ¶3: 不得转委托).
    """
    by_key = registry.derived.get("keys")
    if by_key is None:  # a key that was replaced is still its owner's: what was handed to it ends with them
        keys = [(p, (*p.keys, sha256(p.public).hexdigest())) for p in registry.all(Principal)]
        by_key = registry.derived["keys"] = {digest: p for p, digests in keys for digest in digests}
    parties = [holder]
    for key in grant.holders[1:]:
        giver, taker = parties[-1], by_key.get(sha256(key).hexdigest())
        if giver.agency and (taker is None or taker.agency != giver.agency):
            raise Denied(
                "an agency may not hand a token on outside itself (PIPL 21)",
                code="delegation_denied",
                remedy="the tenant issues or narrows a token for whoever should have it",
            )
        parties.append(taker or giver)
    if any(party.disabled for party in parties):
        raise _gone("this principal is disabled")
    return parties


def _role_end(registry: Registry, policy: Policy, holder: Principal, grant: Grant, now: int) -> int:
    """Until when the role is held: granted, or taken by breaking the glass from one that still is.

    Raises:
        Denied: It isn't.
    """
    if holder.holds(grant.role, now):
        return holder.until.get(grant.role, grant.expires)
    glass = registry.find(Glass, grant.links[0].digest.hex())
    spec = policy.break_glass
    takers = [] if spec is None else [role for role, taken in spec.roles.items() if grant.role in taken]
    ends = [holder.until.get(role, now + _ALWAYS) for role in takers if holder.holds(role, now)]
    mine = glass is not None and (glass.principal, glass.role) == (holder.id, grant.role)
    if glass is None or not mine or now >= glass.until or glass.justified is False or not ends:
        raise Denied("the principal no longer holds this role", code="role_denied", remedy="ask an admin")
    return min(glass.until, max(ends))


def _demand_not_void(registry: Registry, grant: Grant) -> None:
    """A token for a purpose resting on consent dies when what the purpose shows is widened (PIPL 14 ¶2)."""
    row = registry.find(PolicyInForce, "policy")
    if row is not None and grant.issued < row.voided.get(grant.purpose, 0):
        raise _gone("what this purpose shows has been widened since the consent it rests on")
    recovered = registry.find(Recovery, RECOVERED)
    if recovered is not None and grant.issued < recovered.void:
        raise _gone("the access log was recovered since, and what was revoked may be forgotten")


def demand_attested(policy: Policy, principal: Principal, role: str, day: date) -> None:
    """Demand the attestations that a role needs, on a day (PIPL 51(4)).

    Raises:
        Denied: `attestation_expired`: one is missing or over.
    """
    if policy.sandbox:
        return
    for kind in policy.attestations(role):
        if principal.attested.get(kind, "") < day.isoformat():
            raise Denied(
                f"the attestation of {kind} is missing or has expired",
                code="attestation_expired",
                field=kind,
                remedy="renew it: cvault principal attest PRINCIPAL",
            )


def demand_contract(registry: Registry, agency: str, purpose: str, day: date) -> Engagement:
    """The contract of an agency, if it is in force on a day and covers a purpose (PIPL 21 ¶1, ¶2).

    Raises:
        Denied: `contract_ended` where there is none in force, `purpose_denied` where it is for others.
    """
    contract = registry.find(Engagement, agency)
    if contract is None:
        raise Denied(
            "the agency has no contract", code="contract_ended", remedy="cvault agency contract AGENCY"
        )
    contract.demand_in_force(day.isoformat())
    if purpose not in contract.purposes:
        raise Denied(
            "the agency's contract isn't for this purpose",
            code="purpose_denied",
            remedy="cvault agency list shows what it is for",
        )
    return contract


def demand_every_case(grant: Grant) -> None:
    """Demand a token that is bound to no cases, for what can't keep to some: a link only ever narrows.

    Raises:
        Denied: `purpose_denied`.
    """
    if grant.cases is not None:
        raise Denied(
            "this concerns more than the cases that the token names",
            code="purpose_denied",
            remedy="ask for a token without --cases",
        )


def _bounded(grant: Grant, contract: Engagement) -> Grant:
    """A grant within a contract's fields: both must show one, at the lower view."""
    if contract.fields is None:
        return grant
    most = {name: View[view] for name, view in contract.fields.items()}
    fields = grant.fields
    if fields is not None:
        most = {name: min(view, fields[name]) for name, view in most.items() if name in fields}
    return msgspec.structs.replace(grant, fields=most)


def _evidence(parties: list[Principal], grant: Grant) -> str:
    """Who handed the token to whom, link by link; "" for a token that was never handed on."""
    if len(parties) == 1:
        return ""
    steps = [
        " ".join(part for part in (party.id, link.digest.hex()[:16], link.ticket) if part)
        for party, link in zip(parties, grant.links, strict=True)
    ]
    return "handed " + " > ".join(steps)


def _gone(why: str) -> Denied:
    return Denied(why, code="token_revoked", remedy="ask an admin")
