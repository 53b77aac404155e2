"""Approving: whose yes counts, and for what (four eyes)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import Made, make_vault

from vault import approvals
from vault.enrolling import Enrolment
from vault.errors import Denied, Invalid
from vault.granting import Identity
from vault.ledger.registry import Approval, Principal, Registry, Request


@pytest.fixture
def plain(tmp_path: Path) -> Made:
    """A vault that is no sandbox."""
    return make_vault(tmp_path, sandbox=False)


def person(made: Made, name: str, *roles: str, **more: str) -> Identity:
    """One more principal."""
    return made.vault.granting().add_principal(
        made.identity, name=name, roles=roles, more=Enrolment(**more) if more else None
    )


def state(made: Made, request: str) -> str:
    """Where a request stands, as an admin sees it."""
    views = made.vault.granting().requests(made.identity)
    return next(view.state for view in views if view.request.id == request)


def test_whose_yes_does_not_count(plain: Made) -> None:
    """One's own, one's own under a second name, an agency's, a service's, and of one without the role."""
    granting = plain.vault.granting()
    asking = person(plain, "asks", "dpo", person="E 1")
    agency = person(plain, "agency", "agency_collector", sort="agency")
    others = [
        asking,
        person(plain, "second name", "approver", person="e1"),
        person(plain, "robot", "approver", sort="service"),
        person(plain, "member", "agency_collector", agency=agency.principal),
        person(plain, "collector", "collector"),
    ]
    request = granting.ask(asking, "hold_release", ("H-1", "r-1"), reason="the suit has ended")
    for other in others:
        with pytest.raises(Denied):
            granting.approve(other, request.id)
    assert state(plain, request.id) == "waiting"
    granting.approve(person(plain, "independent", "approver"), request.id)
    assert state(plain, request.id) == "approved"


def test_an_approver_disabled_since_does_not_count(plain: Made) -> None:
    """Approvals are counted when they are used, from who may give them then."""
    granting = plain.vault.granting()
    asking, approver = person(plain, "d", "dpo"), person(plain, "a", "approver")
    request = granting.ask(asking, "unseal", ("p-x",), reason="talked to them")
    granting.approve(approver, request.id)
    assert state(plain, request.id) == "approved"
    granting.disable(plain.identity, approver.principal)
    assert state(plain, request.id) == "waiting"
    second = person(plain, "b", "approver")
    granting.approve(second, request.id)
    assert state(plain, request.id) == "approved"
    granting.withdraw_role(plain.identity, second.principal, "approver")
    assert state(plain, request.id) == "waiting"


def test_a_request_ends(plain: Made) -> None:
    """Refused, expired or used, it can't be approved; whoever asked may withdraw it."""
    granting = plain.vault.granting()
    asking, approver = person(plain, "d", "dpo"), person(plain, "a", "approver")
    first = granting.ask(asking, "unseal", ("p-x",), reason="r")
    granting.refuse(approver, first.id, "not yet")
    second = granting.ask(asking, "unseal", ("p-x",), reason="r")
    granting.refuse(asking, second.id, "no longer needed")
    third = granting.ask(asking, "unseal", ("p-x",), reason="r")
    plain.clock.advance(hours=73)
    for ended in (first, second, third):
        with pytest.raises(Denied):
            granting.approve(approver, ended.id)
    assert [state(plain, r.id) for r in (first, second, third)] == ["refused", "refused", "expired"]
    for asked in (first, third):
        with pytest.raises(Denied):
            granting.refuse(asking, asked.id, "rewriting who said no")
    stranger = person(plain, "c", "collector")
    fourth = granting.ask(asking, "unseal", ("p-x",), reason="r")
    with pytest.raises(Denied):
        granting.refuse(stranger, fourth.id, "r")


def test_a_request_needs_a_reason_and_a_rule(plain: Made) -> None:
    """An empty reason, or something that the policy asks no approval for, is refused."""
    granting = plain.vault.granting()
    for what, reason in (("unseal", " "), ("unseal", "x" * 201), ("unseal", "a\nb"), ("power", "r")):
        with pytest.raises(Invalid):
            granting.ask(plain.identity, what, reason=reason)


def test_a_list_shows_ones_own(plain: Made) -> None:
    """Who may not approve sees their own requests alone."""
    granting = plain.vault.granting()
    mine, other = person(plain, "m", "collector"), person(plain, "o", "collector")
    request = granting.ask(mine, "bulk_read", reason="campaign", purpose="negotiation", rows=10)
    assert [view.request.id for view in granting.requests(mine)] == [request.id]
    assert granting.requests(other) == []


# --- the pure rules -------------------------------------------------------------------------------------

ROLES = st.lists(st.sampled_from(["approver", "dpo", "admin", "collector"]), unique=True, max_size=3)
PEOPLE = st.lists(
    st.builds(
        Principal,
        id=st.integers(0, 5).map(lambda n: f"p-{n}"),
        name=st.just("n"),
        public=st.integers(0, 4).map(lambda n: bytes([n]) * 32),
        roles=ROLES.map(tuple),
        disabled=st.booleans(),
        sort=st.sampled_from(["person", "person", "service", "agency"]),
        person=st.sampled_from(["", "a", "b"]),
        agency=st.sampled_from(["", "", "p-0"]),
        until=st.dictionaries(st.sampled_from(["approver", "dpo"]), st.integers(0, 20), max_size=2),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda p: p.id,
)


@given(
    PEOPLE,
    st.lists(st.integers(0, 5), max_size=6),
    st.integers(-1, 4),
    st.integers(0, 15),
    st.sets(st.sampled_from(["approver", "dpo", "admin"])),
)
def test_only_enough_independent_persons_approve(
    people: list[Principal], said: list[int], quorum: int, now: int, roles: set[str]
) -> None:
    """Whenever a request passes, a quorum of one at least stands behind it, each of them able to say yes."""
    registry = Registry()
    for p in people:
        registry.put(p)
    request = Request(
        id="req", what="unseal", digest="d", by="p-0", created=0, expires=10, quorum=quorum,
        of=tuple(sorted(roles)), approvals=tuple(Approval(principal=f"p-{n}", at=1) for n in said),
    )  # fmt: skip
    try:
        approvals.demand_approved(registry, request, now)
    except Denied:
        return
    known = {p.id: p for p in people}
    asking = known.get("p-0")
    good = [
        known[f"p-{n}"]
        for n in set(said)
        if f"p-{n}" in known
        and not known[f"p-{n}"].disabled
        and known[f"p-{n}"].sort == "person"
        and not known[f"p-{n}"].agency
        and any(r in roles and now < known[f"p-{n}"].until.get(r, 99) for r in known[f"p-{n}"].roles)
        and (asking is None or not _same(known[f"p-{n}"], asking))
        and n != 0
    ]
    assert now < 10
    assert len(_distinct(good)) >= max(1, quorum)


def _same(a: Principal, b: Principal) -> bool:
    return a.id == b.id or a.public == b.public or bool(a.person and a.person == b.person)


def _distinct(people: list[Principal]) -> list[Principal]:
    """The largest set of persons that no pair of which is one: small enough to try them all."""
    best: list[Principal] = []
    for mask in range(1 << len(people)):
        chosen = [p for i, p in enumerate(people) if mask >> i & 1]
        apart = all(not _same(a, b) for i, a in enumerate(chosen) for b in chosen[i + 1 :])
        if apart and len(chosen) > len(best):
            best = chosen
    return best


def test_what_is_approved_is_exact(plain: Made) -> None:
    """A yes serves who asked, for what was asked, once, for the purpose and number named."""
    granting = plain.vault.granting()
    asking, approver = person(plain, "d", "dpo"), person(plain, "a", "approver")
    request = granting.ask(asking, "bulk_read", reason="r", purpose="subject_request", rows=10)
    granting.approve(approver, request.id)
    tenancy = plain.vault.tenancy()
    registry = tenancy.journal.registry()
    good = {"by": asking.principal, "now": plain.clock.now, "purpose": "subject_request", "rows": 10}
    assert approvals.demand_for(registry, tenancy.policy, request.id, "bulk_read", (), **good)
    for wrong in (
        {"by": approver.principal},
        {"purpose": "security"},
        {"rows": 11},
        {"now": plain.clock.now + 73 * approvals.HOUR},
    ):
        with pytest.raises(Denied):
            approvals.demand_for(registry, tenancy.policy, request.id, "bulk_read", (), **(good | wrong))
    for ident, what, about in (
        (request.id, "minors", ()),
        (request.id, "bulk_read", ("x",)),
        ("req-nothing", "bulk_read", ()),
        (None, "bulk_read", ()),
    ):
        with pytest.raises(Denied):
            approvals.demand_for(registry, tenancy.policy, ident, what, about, **good)
