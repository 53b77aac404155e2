"""What a chain allows: each link within the one before, whoever wrote it, and however."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenkit import (
    EC_KEYS,
    FIELDS,
    LIMITS,
    MINUTE,
    NOW,
    checked,
    claims_of,
    handed,
    key,
    made,
    pyjwt,
    refusal,
    signed_link,
    within,
)

from vault.access import links
from vault.access.tokens import Limits, narrow
from vault.errors import Denied
from vault.model import View


def test_chain_is_the_intersection() -> None:
    """Each link narrows what the one before allowed."""
    parent = made(Limits(fields=FIELDS, cases=frozenset({"C1", "C2"}), depth=3))
    child = handed(
        parent,
        Limits(
            fields={"phone": View.MASKED},
            cases=frozenset({"C2"}),
            ttl_us=MINUTE,
            max_uses=1,
            depth=1,
            actions=frozenset({"read"}),
            audience=frozenset({"masked"}),
        ),
    )
    verified = checked(child.token)
    grant = verified.grant
    assert (grant.fields, grant.cases) == ({"phone": View.MASKED}, frozenset({"C2"}))
    assert (grant.actions, grant.audience, grant.depth) == (frozenset({"read"}), frozenset({"masked"}), 1)
    assert (grant.expires, len(grant.links), grant.links[1].max_uses) == (NOW + MINUTE, 2, 1)
    assert verified.holder == key(3).public


@settings(max_examples=60, deadline=None)
@given(first=LIMITS, rest=st.lists(LIMITS, min_size=1, max_size=4))
def test_rights_never_grow(first: Limits, rest: list[Limits]) -> None:
    """However dishonest the links, each effective grant lies within the one before, or is refused."""
    actions = frozenset({"read", "find", "list"})
    credential = made(first, actions=actions)
    grant = checked(credential.token).grant
    for number, limits in enumerate(rest, start=3):
        credential = signed_link(credential, limits, number)
        if grant.depth == 0:
            assert refusal(credential.token) == "token_invalid"
            return
        try:
            child = checked(credential.token).grant
        except Denied as error:
            assert error.code == "audience_denied"  # noqa: PT017 the only refusal left: no node in common
            return
        assert within(child, grant)
        grant = child


CLAIMS = [
    "par", "actions", "aud", "fields", "cases", "iat", "nbf", "exp", "max_uses", "dlg", "jti", "cnf",
    "ticket", "sub", "role", "purpose", "tenant", "iss", "pol",
]  # fmt: skip
WORDS = st.sampled_from(["read", "find", "import", "masked", "clear", "C1", "C9"])
NAMED = st.dictionaries(st.sampled_from(["name", "phone", "jwk"]), st.sampled_from(["MASKED", "CLEAR", "x"]))
VALUES = st.none() | st.booleans() | st.integers(-1, 2**41) | st.text(max_size=4) | NAMED
CHANGES = st.dictionaries(st.sampled_from(CLAIMS), VALUES | st.lists(WORDS, unique=True), max_size=3)


@settings(max_examples=150, deadline=None)
@given(first=LIMITS, limits=LIMITS, changes=CHANGES)
def test_any_signed_change_stays_within(first: Limits, limits: Limits, changes: dict[str, Any]) -> None:
    """Whatever a holder writes into a link and signs, it is refused or lies within what the holder had."""
    first = msgspec.structs.replace(first, depth=2, audience=None)
    parent = made(first, holder=2, actions=frozenset({"read", "find", "list"}))
    grant = checked(parent.token).grant
    honest = signed_link(parent, limits, 3).token
    claims = {**claims_of(honest.split("~")[1]), **changes}
    link = pyjwt(json.dumps(claims).encode(), key(2), {"typ": links.DELEGATION_TYPE})
    try:
        child = checked(f"{parent.token}~{link}").grant
    except Denied as error:
        assert error.code in {"token_invalid", "token_expired", "audience_denied"}  # noqa: PT017 nothing else
        return
    assert within(child, grant)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_cutting_and_pasting(data: st.DataObject) -> None:
    """Of all texts put together from the links of two chains, those alone verify that were written so."""
    chains = []
    for number in (2, 20):
        one = made(Limits(depth=3), holder=number)
        two = narrow(one, Limits(depth=2), now_us=NOW, holder=EC_KEYS[0], jti=bytes([number + 1]) * 16)
        three = narrow(two, Limits(depth=1), now_us=NOW, holder=EC_KEYS[1], jti=bytes([number + 2]) * 16)
        chains += [one.token, two.token, three.token]
    pieces = sorted({text for chain in chains for text in chain.split("~")})
    text = "~".join(data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=4)))
    if text in chains:
        assert checked(text).grant.depth == 3 - text.count("~")
    else:
        assert refusal(text) == "token_invalid"
