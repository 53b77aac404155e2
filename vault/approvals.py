"""Approvals: when another person's yes counts, and when it doesn't (four eyes).

What goes wrong with approvals elsewhere is refused here: none at all, one's own, one's own under another name
or key, that of somebody disabled since, that of a role held through a group, that of an agency's people on
the tenant's matters. Counted when the request is used, from the registry as it then is. Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from vault.access.policy import Policy
from vault.crypto.encoding import encode
from vault.errors import Denied, Invalid, NotFound
from vault.ledger.registry import Approval, Principal, Registry, Request

HOUR: int = 3600 * 1_000_000
_OF_RECORDS = "cvault request open {} --ids FILE --reason T"
_ASKED = {
    "handover": "cvault handover request",
    "unseal": "cvault request open unseal --agency AGENCY --reason T",
    "hold_release": _OF_RECORDS.format("hold_release --number N"),
    "unrestrict": _OF_RECORDS.format("unrestrict"),
    "minors": _OF_RECORDS.format("minors"),
    "power": "cvault request open power --name NAME --role ROLE --reason T",
    "keys": "cvault request open keys --detail T --reason T",
}
"""How each is asked for; a hint that leaves out what must be given only leads to the next error."""


def digest_of(what: str, about: Sequence[str]) -> str:
    """Exactly what is approved, as a digest: the action and, in order, everything it would touch."""
    return sha256(encode("cvault/request/v1", what, *about)).hexdigest()


def written(  # noqa: PLR0913 - a request's parts, each its own
    policy: Policy,
    what: str,
    about: Sequence[str],
    *,
    ident: str,
    by: str,
    now: int,
    reason: str,
    purpose: str = "",
    rows: int = 0,
    agency: str = "",
) -> Request:
    """A request as the policy has it for this action.

    Raises:
        Invalid: The policy asks no approval for it.
    """
    spec = policy.approval(what)
    if spec is None:
        raise Invalid(
            "nothing of this name needs an approval here",
            code="invalid_request",
            field="what",
            remedy="see [approvals] in the policy",
        )
    return Request(
        id=ident,
        what=what,
        digest=digest_of(what, about),
        by=by,
        created=now,
        expires=now + spec.hours * HOUR,
        reason=reason,
        quorum=spec.quorum,
        of=tuple(spec.by),
        purpose=purpose,
        rows=rows,
        agency=agency,
    )


def demand_eligible(registry: Registry, request: Request, approver: Principal, now: int) -> None:
    """Demand that a principal's yes would count for a request.

    Raises:
        Denied: `approval_required`, saying why it wouldn't.
    """
    asked = registry.find(Principal, request.by)
    if asked is not None and approver.same_person(asked):
        raise _refused("nobody approves their own request")
    if approver.key_by == request.by:
        raise _refused("whoever asks has put this approver's key there")
    if approver.disabled or approver.sort != "person":
        raise _refused("only a person who is not disabled approves")
    if approver.agency:
        raise _refused("an agency's people approve nothing of the tenant's")
    if not any(approver.holds(role, now) for role in request.of):
        raise _refused(f"this takes the role {' or '.join(request.of)}, held directly")


def counted(registry: Registry, request: Request, now: int, *, sandbox: bool = False) -> list[Approval]:
    """The approvals that count now: each of a person of their own who could still give it."""
    given: list[tuple[Approval, Principal]] = []
    for approval in request.approvals:
        approver = registry.find(Principal, approval.principal)
        if approver is None or any(approver.same_person(other) for _, other in given):
            continue
        if not sandbox:
            try:
                demand_eligible(registry, request, approver, now)
            except Denied:
                continue
        given.append((approval, approver))
    return [approval for approval, _ in given]


def demand_approved(registry: Registry, request: Request, now: int, *, sandbox: bool = False) -> None:
    """Demand that a request was approved by enough people, in time, and not spent.

    Raises:
        Denied: `approval_required`.
    """
    if request.refused is not None:
        raise _refused("the request was refused")
    if request.used:
        raise _refused("the request was used already: it serves once")
    if now >= request.expires:
        raise _refused("the request has expired")
    if len(counted(registry, request, now, sandbox=sandbox)) < max(1, request.quorum):
        raise Denied(
            "another person's approval is required",
            code="approval_required",
            remedy=f"cvault approve {request.id} --as ANOTHER_PRINCIPAL",
        )


def demand_for(  # noqa: PLR0913 - what is asked and all it is compared with
    registry: Registry,
    policy: Policy,
    ident: str | None,
    what: str,
    about: Sequence[str],
    *,
    by: str,
    now: int,
    purpose: str = "",
    rows: int = 0,
) -> Request | None:
    """The approved request for exactly this, or None where the policy asks for none (or this is a sandbox).

    Args:
        registry: As it stands.
        policy: In force.
        ident: The request's id, as the caller gave it.
        what: The action.
        about: What it touches, as in `digest_of`.
        by: Who acts: must be who asked.
        now: µs UTC.
        purpose: What the caller acts for.
        rows: How many records it would let out.

    Raises:
        Denied: `approval_required`: none, another's, for something else or less, or not approved.
    """
    if ident is None:
        if policy.approval(what) is None or policy.sandbox:
            return None
        ask = _ASKED.get(what, f"cvault request open {what} --reason T")
        if what == "keys" and len(about) == 1:  # the yes is for exactly these words: nobody should guess them
            ask = ask.replace("--detail T", f"--detail {shlex.quote(about[0])}")
        raise Denied(
            "another person's approval is required",
            code="approval_required",
            remedy=f"{ask}, then have it approved and give --request",
        )
    try:
        request = registry.get(Request, ident)
    except NotFound:
        raise _refused("there is no such request") from None
    if request.by != by or request.what != what or request.digest != digest_of(what, about):
        raise _refused("the request is another's or for something else")
    if request.purpose not in {"", purpose} or rows + request.spent > request.rows:
        raise _refused("the request is for another purpose or for fewer records")
    demand_approved(registry, under(policy, request), now, sandbox=policy.sandbox)
    return request


def under(policy: Policy, request: Request) -> Request:
    """A request as the policy in force judges it: at least by its quorum, at most by its approvers."""
    spec = policy.approval(request.what)
    if spec is None:
        return request
    of = tuple(role for role in request.of if role in spec.by)
    return msgspec.structs.replace(request, quorum=max(request.quorum, spec.quorum), of=of)


def spent(request: Request, now: int, rows: int = 0) -> Request:
    """A request once it was used: up at once, or, with rows left of those it allows, within the hour."""
    out = request.spent + rows
    if rows and out < request.rows:
        return msgspec.structs.replace(
            request, spent=out, expires=request.expires if request.spent else min(request.expires, now + HOUR)
        )
    return msgspec.structs.replace(request, spent=out, used=now)


def with_approval(request: Request, approval: Approval) -> Request:
    """A request with one more yes; a second one of the same principal takes the first's place."""
    given = [a for a in request.approvals if a.principal != approval.principal]
    return msgspec.structs.replace(request, approvals=(*given, approval))


def _refused(why: str) -> Denied:
    return Denied(why, code="approval_required", remedy="cvault request show REQUEST; ask a second person")
