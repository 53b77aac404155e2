"""Chains that a verifier must take: (name, token, now in µs, the node's audience)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from vectors.token_parts import (
    BOTH,
    EC_ISSUER,
    ISSUER,
    NOW,
    SECOND,
    START,
    access,
    access_claims,
    access_header,
    alg,
    b64,
    chain,
    child,
    jws,
    key,
    kid,
    p256,
    text_of,
)

from vault.access.tokens import Credential, Limits, issue, narrow
from vault.model import View

Good: TypeAlias = tuple[str, str, int, tuple[str, ...]]


def example() -> tuple[Credential, Credential]:
    """The page's: a token for two cases, and what its holder handed to an agency for one of them."""
    first = issue(
        issuer=ISSUER, origin="vault.example/main", tenant="main", principal="p-1", role="collector",
        purpose="phone_collection", actions=frozenset({"read", "find"}),
        limits=Limits(
            fields={"name": View.MASKED, "phone": View.MASKED}, cases=frozenset({"C1", "C2"}), depth=2
        ),
        policy_hash="00" * 32, ticket="T-7", now_us=NOW, holder=key(2), jti=bytes([2]) * 16,
    )  # fmt: skip
    limits = Limits(
        fields={"phone": View.MASKED}, cases=frozenset({"C2"}), ttl_us=60 * SECOND, max_uses=1,
        actions=frozenset({"read"}), audience=frozenset({"masked"}),
    )  # fmt: skip
    return first, narrow(first, limits, now_us=NOW, holder=key(3), jti=bytes([3]) * 16)


def good() -> Iterator[Good]:
    """All of them; the second is the page's worked example."""
    first, second = example()
    yield "access link with limits", first.token, NOW, BOTH
    yield "worked example", second.token, NOW, BOTH
    for name, text in (*_keys(), *_limits(), *_text()):
        yield name, text, NOW, BOTH
    yield from _time_and_node()


def _keys() -> Iterator[tuple[str, str]]:
    given = narrow(
        Credential(token=access(key(2)), key=key(2), expires=0), Limits(ttl_us=60 * SECOND), now_us=NOW,
        jti=bytes([3]) * 16, to=p256(3).public, ticket="移交 T-9",
    )  # fmt: skip
    yield "nothing optional", access()
    yield "P-256 holder", access(p256(2))
    yield "P-256 holder hands on to Ed25519", chain([p256(2), key(3)])
    yield "P-256 holder hands on to P-256", chain([p256(2), p256(3)])
    yield "three delegations, keys of both kinds", chain([key(2), p256(3), key(4), p256(5)])
    yield "nine links", chain([key(n) for n in range(2, 11)])
    yield "handed to another's key, with a ticket", given.token
    yield "the same holder in two links", chain([key(2), key(2)])
    header = access_header(alg=alg(EC_ISSUER), kid=kid(EC_ISSUER.public))
    yield "P-256 issuer", jws(header, access_claims(key(2)), EC_ISSUER)
    off = {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64((2).to_bytes(32, "little"))}}
    yield "holder's y is on no point of Ed25519", access(cnf=off)


def _limits() -> Iterator[tuple[str, str]]:
    def two(first: dict[str, Any], second: dict[str, Any]) -> str:
        return child(access(**first), key(2), **second)

    yield "claims actions beyond the parent's", two({}, {"actions": ["read", "write"]})
    yield "no action in common", two({"actions": ["read"]}, {"actions": ["find"]})
    yield "no action at all", access(actions=[])
    yield (
        "claims a view beyond the parent's",
        two({"fields": {"name": "MASKED"}}, {"fields": {"name": "CLEAR", "phone": "CLEAR"}}),
    )
    yield "fields limited by the child alone", two({}, {"fields": {"name": "CLEAR"}})
    yield "fields limited by the parent alone", two({"fields": {"name": "CLEAR"}}, {})
    yield "no field in common", two({"fields": {"name": "CLEAR"}}, {"fields": {"phone": "MASKED"}})
    yield "empty fields hide everything", access(fields={})
    yield "field name of 32 characters", access(fields={"a_" + "9" * 30: "CLEAR"})
    yield "claims cases beyond the parent's", two({"cases": ["C1"]}, {"cases": ["C1", "C2"]})
    yield "cases limited by the child alone", two({}, {"cases": ["C1"]})
    yield "cases limited by the parent alone", two({"cases": ["C1"]}, {})
    yield "no case at all", access(cases=[])
    yield "claims a later end", two({}, {"exp": START + 9000})
    yield "claims more depth", two({"dlg": 2}, {"dlg": 8})
    yield "claims no depth", two({"dlg": 8}, {"dlg": 0})
    yield "claims more uses", two({"max_uses": 1}, {"max_uses": 2**31 - 1})
    yield "audience limited by the child", two({}, {"aud": ["masked"]})
    yield "the latest exp there is", access(exp=2**40 - 1)
    yield "tickets on every link", two({"ticket": "T-1"}, {"ticket": "T-2"})


def _text() -> Iterator[tuple[str, str]]:
    claims = access_claims(key(2))
    spaced = text_of(claims).replace(b'"sub":"p-1"', b'\n\t"\\u0073ub" : "p\\u002d1" ')
    yield "white space, escapes", jws(access_header(), spaced, ISSUER)
    yield (
        "members in another order",
        jws(dict(reversed(access_header().items())), dict(reversed(claims.items())), ISSUER),
    )
    pair = text_of({**claims, "cases": ["?"]}).replace(b'"?"', b'"\\ud83d\\ude00","","\xe6\xa1\x88"')
    yield "cases beyond the first plane, empty, Chinese", jws(access_header(), pair, ISSUER)
    yield "ticket of 256 characters", access(ticket="案" * 256)
    yield "sub of 256 characters", access(sub="p" * 256)
    yield "8192 bytes", padded(range(8192, 8193))


def padded(sizes: range) -> str:
    """A good link of one of these numbers of characters: not every number can be had in base64."""
    guess = (sizes.start - len(access(cases=[""]))) * 3 // 4
    texts = (access(cases=["9" * n]) for n in range(guess - 9, guess + 9))
    return next(text for text in texts if len(text) in sizes)


def _time_and_node() -> Iterator[Good]:
    two = child(access(), key(2), nbf=START + 5, exp=START + 60)
    yield "at nbf", access(), NOW, BOTH
    yield "a µs before exp", access(), NOW + 900 * SECOND - 1, BOTH
    yield "at the child's nbf", two, NOW + 5 * SECOND, BOTH
    yield "a µs before the child's exp", two, NOW + 60 * SECOND - 1, BOTH
    yield "issued earlier than it is valid", access(iat=START - 100), NOW, BOTH
    yield "a masked node", access(), NOW, ("masked",)
    yield "a clear token at a node of both", access(aud=["clear"]), NOW, BOTH
