"""Writing tokens: what `issue`, `narrow` and `accept` refuse, and what they let through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from tokenkit import (
    BOTH,
    EC_KEYS,
    LIMITS,
    MINUTE,
    NOW,
    checked,
    handed,
    key,
    made,
    within,
)

from vault.access.tokens import Limits, accept, check_holder, narrow
from vault.errors import Denied, Invalid
from vault.model import View


@settings(max_examples=60, deadline=None)
@given(first=LIMITS, limits=LIMITS)
def test_narrow_says_what_verify_finds(first: Limits, limits: Limits) -> None:
    """`narrow` refuses a widening by the claim's name; what it lets through means what it says."""
    parent = made(first, actions=frozenset({"read", "find", "list"}))
    grant = checked(parent.token).grant
    try:
        child = handed(parent, limits)
    except Invalid as error:
        assert error.field in {"actions", "aud", "cases", "fields", "max_uses", "dlg", "exp"}  # noqa: PT017
        return
    found = checked(child.token).grant
    assert within(found, grant)
    if limits.fields is not None:
        assert found.fields == {name: view for name, view in limits.fields.items() if view}
    if limits.cases is not None:
        assert found.cases == limits.cases


@pytest.mark.parametrize(
    ("limits", "claim"),
    [
        (Limits(fields={"name": View.CLEAR}), "fields"),
        (Limits(fields={"email": View.MASKED}), "fields"),
        (Limits(cases=frozenset({"C9"})), "cases"),
        (Limits(actions=frozenset({"import"})), "actions"),
        (Limits(audience=BOTH), "aud"),
        (Limits(ttl_us=60 * MINUTE), "exp"),
        (Limits(expires=NOW + 60 * MINUTE), "exp"),
        (Limits(ttl_us=1), "exp"),
        (Limits(max_uses=6), "max_uses"),
        (Limits(max_uses=0), "max_uses"),
        (Limits(depth=2), "dlg"),
        (Limits(depth=-1), "dlg"),
    ],
)
def test_widening_names_the_claim(limits: Limits, claim: str) -> None:
    """A limit wider than the token is refused at once, by the name of its claim."""
    parent = made(
        Limits(
            fields={"name": View.MASKED},
            cases=frozenset({"C1"}),
            audience=frozenset({"masked"}),
            max_uses=5,
            depth=2,
        )
    )
    with pytest.raises(Invalid) as caught:
        handed(parent, limits)
    assert caught.value.field == claim


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"role": "root"}, "role"),
        ({"purpose": "curiosity"}, "purpose"),
        ({"actions": frozenset({"read", "drop"})}, "actions"),
        ({"principal": ""}, "sub"),
        ({"jti": b"short"}, "jti"),
        ({"limits": Limits(depth=9)}, "dlg"),
        ({"limits": Limits(actions=frozenset({"import"}))}, "actions"),
        ({"limits": Limits(audience=frozenset({"everyone"}))}, "aud"),
        ({"limits": Limits(fields={"Name": View.MASKED})}, "fields"),
        ({"limits": Limits(cases=frozenset(f"C{n:06}" for n in range(1000)))}, "cases"),
    ],
)
def test_issue_refuses_what_it_could_not_verify(changes: dict[str, Any], claim: str) -> None:
    """A word outside the closed lists never gets into a token."""
    with pytest.raises(Invalid) as caught:
        made(**changes)
    assert caught.value.field == claim


def test_handed_to_anothers_key() -> None:
    """A link for somebody's public key is of use to them alone, and says why it was made."""
    parent, theirs = made(Limits(depth=2)), EC_KEYS[0]
    sent = narrow(
        parent, Limits(depth=1), now_us=NOW, jti=bytes([3]) * 16, to=theirs.public, ticket="外访 2026-7"
    )
    verified = checked(sent.token)
    assert (sent.key, verified.holder) == (None, theirs.public)
    assert verified.grant.holders == (key(2).public, theirs.public)
    assert [link.ticket for link in verified.grant.links] == ["T-7", "外访 2026-7"]
    assert verified.grant.ticket == "T-7"
    for other in (None, parent.key, key(9)):
        with pytest.raises(Denied):
            check_holder(verified, other)
    with pytest.raises(Invalid):
        handed(sent)
    for stranger in (key(2), key(9), EC_KEYS[1]):
        with pytest.raises(Invalid):
            accept(sent, stranger)
    taken = accept(sent, theirs)
    check_holder(verified, taken.key)
    assert len(checked(handed(taken, holder=4).token).grant.links) == 3
    with pytest.raises(Invalid):
        accept(taken, theirs)


@pytest.mark.parametrize(
    "names",
    [{}, {"holder": EC_KEYS[0], "to": EC_KEYS[0].public}, {"to": b""}, {"to": bytes(32)}, {"to": b"\4" * 65}],
    ids=["none", "two", "no key", "small order", "off the curve"],
)
def test_a_link_names_one_key(names: dict[str, Any]) -> None:
    """Neither no key nor two, nor one that is none."""
    with pytest.raises(Invalid):
        narrow(made(Limits(depth=1)), Limits(), now_us=NOW, jti=bytes(16), **names)


def test_a_token_that_may_not_be_narrowed_says_how_one_is_had() -> None:
    """Without a depth nothing can be handed on; the remedy names the option that gives it one."""
    with pytest.raises(Invalid) as refused:
        narrow(made(Limits()), Limits(), now_us=NOW, jti=bytes(16), holder=key(3))
    assert (refused.value.field, "--depth" in str(refused.value.remedy)) == ("dlg", True)


@pytest.mark.parametrize("ticket", ["T" * 257, "a\nb", "\u202eT", "\x00", "\u200b"])
def test_tickets_are_read_by_people(ticket: str) -> None:
    """A reason that is overlong, or holds what a reader can't see, is refused at both doors."""
    parent = made(Limits(depth=1))
    for attempt in (
        lambda: made(ticket=ticket),
        lambda: narrow(parent, Limits(), now_us=NOW, jti=bytes(16), holder=key(3), ticket=ticket),
    ):
        with pytest.raises(Invalid) as caught:
            attempt()
        assert caught.value.field == "ticket"
