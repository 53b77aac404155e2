"""What is owed: reviews past their day, and requests that still lack a yes, at an instant."""

from __future__ import annotations

from cli import glass, owed
from vault.ledger.registry import Approval, Glass, Principal, Registry, Request

DUE = 1_000_000


def broken() -> Glass:
    """A broken glass whose review is open."""
    return Glass(
        id="ab" * 32,
        principal="p-1",
        role="legal",
        purpose="legal_action",
        reason="x",
        since=1,
        until=2,
        due=DUE,
    )


def principal(ident: str, *roles: str) -> Principal:
    """A person with a key of their own."""
    return Principal(id=ident, name=ident, public=ident.encode(), roles=roles)


def test_a_review_is_overdue_after_its_instant() -> None:
    """At the instant it is still open, after it overdue; once reviewed, what was found."""
    open_ = broken()
    assert [glass.state(open_, now) for now in (DUE, DUE + 1)] == ["open", "overdue"]
    closed = Glass(**{f: getattr(open_, f) for f in open_.__struct_fields__} | {
        "reviewed": Approval(principal="p-2", at=DUE), "justified": False,
    })  # fmt: skip
    assert glass.state(closed, DUE + 1) == "unjustified"


def test_only_requests_that_still_need_this_persons_yes_wait_for_them() -> None:
    """Not one's own, not one already answered by oneself, not an ended one, and not without the role."""
    registry = Registry()
    people = (principal("p-1", "dpo"), principal("p-2", "approver"), principal("p-3", "collector"))
    for row in people:
        registry.put(row)
    base = {
        "what": "unseal",
        "digest": "",
        "by": "p-1",
        "created": 0,
        "expires": 10,
        "of": ("approver", "dpo"),
    }
    yes = (Approval(principal="p-2", at=1),)
    for row in (
        Request(id="open", **base),
        Request(id="two", quorum=2, approvals=yes, **base),
        Request(id="done", approvals=yes, **base),
        Request(id="no", refused=Approval(principal="p-2", at=1), **base),
        Request(id="used", used=5, **base),
    ):
        registry.put(row)
    assert [r.id for r in owed.waiting(registry, 9)] == ["open", "two"]
    assert [[r.id for r in owed.for_me(registry, p.id, 9)] for p in people] == [[], ["open"], []]
    assert owed.waiting(registry, 10) == []
