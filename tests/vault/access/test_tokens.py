"""Tokens: only what the issuer and every holder agreed to, only for the last holder, only in time."""

from __future__ import annotations

from typing import Any

import pytest
from tokenkit import (
    BOTH,
    FIELDS,
    ISSUER,
    ISSUERS,
    MINUTE,
    NOW,
    ORIGIN,
    checked,
    handed,
    key,
    made,
    refusal,
    signed_link,
)

from vault.access import links
from vault.access.tokens import Credential, Limits, TokenCache, check_holder, narrow
from vault.crypto.sign import P256Key
from vault.errors import Denied, Invalid
from vault.model import Grant, View


def test_grant_carries_every_claim() -> None:
    """What was issued is what is granted."""
    limits = Limits(fields=FIELDS, cases=frozenset({"C1"}), max_uses=5, depth=2, ttl_us=MINUTE)
    verified = checked(made(limits).token)
    grant = verified.grant
    assert grant == Grant(
        tenant=grant.tenant,
        principal=grant.principal,
        role="collector",
        purpose="repayment_reminder",
        actions=frozenset({"read", "find"}),
        fields=FIELDS,
        cases=frozenset({"C1"}),
        audience=BOTH,
        not_before=NOW,
        expires=NOW + MINUTE,
        depth=2,
        policy="ab" * 32,
        links=grant.links,
        ticket="T-7",
        issued=NOW,
        holders=(key(2).public,),
    )
    assert (grant.tenant, grant.principal, grant.links[0].max_uses) == ("main", "p-1", 5)
    assert verified.holder == key(2).public


def test_hidden_field_is_not_listed() -> None:
    """A field limited to HIDDEN is the same as one left out."""
    grant = checked(made(Limits(fields={"name": View.MASKED, "phone": View.HIDDEN})).token).grant
    assert grant.fields == {"name": View.MASKED}


def test_thief_without_the_key() -> None:
    """The text alone proves nothing: another key is refused, and cannot hand it on."""
    stolen = made(Limits(depth=2))
    with pytest.raises(Denied) as caught:
        check_holder(checked(stolen.token), key(9))
    assert caught.value.code == "token_invalid"
    with pytest.raises(Invalid):
        handed(Credential(token=stolen.token, key=key(9), expires=stolen.expires))
    check_holder(checked(stolen.token), stolen.key)


def test_child_cannot_fall_back_to_the_parent() -> None:
    """Cutting the last link off leaves a token whose key the child never had."""
    child = handed(made(Limits(depth=2)))
    parent_text = child.token.rpartition("~")[0]
    with pytest.raises(Denied):
        check_holder(checked(parent_text), child.key)


def test_parent_key_does_not_serve_the_child() -> None:
    """Only the last link's key proves; the giver cannot act as the one given to."""
    parent = made(Limits(depth=2))
    with pytest.raises(Denied):
        check_holder(checked(handed(parent).token), parent.key)


def test_links_stay_where_they_were_written() -> None:
    """Swapped, doubled, moved, left out or put under another parent, a link is refused."""
    one = handed(made(Limits(depth=3)), Limits(depth=2))
    two = handed(one, holder=4)
    other = handed(made(Limits(depth=3), jti=bytes(16)), Limits(depth=2))
    a, b, c = two.token.split("~")
    other_first = other.token.split("~")[0]
    for text in (
        f"{a}~{c}", f"{a}~{c}~{b}", f"{b}~{c}", f"{a}~{b}~{b}", f"{a}~{b}~{c}~{c}", f"{other_first}~{b}",
        f"{a}~{a}", b, "~", f"{a}~", f"~{a}", f"{a}~~{b}", "", "..", a.replace(".", "~"),
    ):  # fmt: skip
        assert refusal(text) == "token_invalid"


def test_time_bounds() -> None:
    """Expired at the very microsecond, invalid before its time; leeway moves both by itself."""
    text = made(Limits(ttl_us=MINUTE)).token
    end = NOW + MINUTE
    assert checked(text, now_us=end - 1).grant.expires == end
    assert refusal(text, now_us=end) == "token_expired"
    assert checked(text, now_us=end, leeway_us=1).grant.expires == end
    assert refusal(text, now_us=NOW - 1) == "token_invalid"
    assert checked(text, now_us=NOW - 1, leeway_us=1).grant.not_before == NOW


def test_expired_parent_ends_the_child() -> None:
    """A link cannot outlive the chain, and an expired token can't be handed on."""
    parent = made(Limits(ttl_us=MINUTE, depth=2))
    child = signed_link(parent, Limits(ttl_us=20 * MINUTE), 3)
    assert refusal(child.token, now_us=NOW + MINUTE) == "token_expired"
    with pytest.raises(Denied) as caught:
        narrow(parent, Limits(), now_us=NOW + MINUTE, holder=key(3), jti=bytes(16))
    assert caught.value.code == "token_expired"


def test_audience_is_the_nodes() -> None:
    """A token for clear nodes is refused by a masked one, and the other way round."""
    clear = made(Limits(audience=frozenset({"clear"}))).token
    assert refusal(clear, audience=frozenset({"masked"})) == "audience_denied"
    assert checked(clear, audience=frozenset({"clear"})).grant.audience == {"clear"}


def test_strangers_and_other_vaults() -> None:
    """An unknown issuer, another vault's origin or another tenant is refused."""
    text = made().token
    assert refusal(text, issuers={}) == "token_invalid"
    assert refusal(text, issuers={links.key_id(ISSUER.public): key(9).public}) == "token_invalid"
    assert refusal(text, origin="vault.example/other") == "token_invalid"
    assert refusal(text, tenant="other") == "token_invalid"
    assert refusal(made(issuer=key(9)).token) == "token_invalid"


def test_same_jti_twice_in_a_chain() -> None:
    """Two links cannot share an id."""
    parent = made(Limits(depth=2))
    assert refusal(handed(parent, holder=2).token) == "token_invalid"


CACHED: dict[str, Any] = {
    "issuers": ISSUERS, "origin": ORIGIN, "tenant": "main", "audience": BOTH, "now_us": NOW,
}  # fmt: skip


def test_cache_keeps_the_answer_and_checks_what_changes() -> None:
    """A hit gives the same grant; time, audience, tenant and issuer are looked at every time."""
    cache, credential = TokenCache(), made(Limits(ttl_us=MINUTE, audience=frozenset({"masked"})))
    first = cache.verify(credential, **CACHED)
    assert cache.verify(credential, **CACHED) is first
    for change, code in (
        ({"now_us": NOW + MINUTE}, "token_expired"),
        ({"now_us": NOW - 1}, "token_invalid"),
        ({"audience": frozenset({"clear"})}, "audience_denied"),
        ({"tenant": "other"}, "token_invalid"),
        ({"origin": "elsewhere"}, "token_invalid"),
        ({"issuers": {}}, "token_invalid"),
    ):
        with pytest.raises(Denied) as caught:
            cache.verify(credential, **{**CACHED, **change})
        assert caught.value.code == code


def test_cache_is_no_way_round_the_key() -> None:
    """A cached token with another key, or none yet, is refused however often it is shown."""
    cache, credential = TokenCache(), made()
    cache.verify(credential, **CACHED)
    for other in (key(9), P256Key.generate(), None):
        with pytest.raises(Denied):
            cache.verify(Credential(token=credential.token, key=other, expires=credential.expires), **CACHED)
    assert cache.verify(credential, **CACHED) is cache.authentic(credential.token, **CACHED)


def test_cache_is_bounded() -> None:
    """The token unused longest makes room."""
    cache = TokenCache(size=2)
    one, two, three = (made(holder=n) for n in (2, 3, 4))
    kept = cache.verify(one, **CACHED)
    dropped = cache.verify(two, **CACHED)
    assert cache.verify(one, **CACHED) is kept
    cache.verify(three, **CACHED)
    assert len(cache) == 2
    assert cache.verify(one, **CACHED) is kept
    assert cache.verify(two, **CACHED) is not dropped
