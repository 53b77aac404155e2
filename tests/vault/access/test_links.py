"""The profile of a link: one spelling, exact headers, closed claims."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tokenkit import FIELDS, ISSUER, accepted, checked, claims_of, forged, handed, key, made, pyjwt, refusal

from vault.access import links
from vault.access.tokens import Credential, Limits
from vault.crypto.sign import b64, unb64
from vault.errors import Denied, Invalid


def test_every_changed_character_is_refused() -> None:
    """Any one character changed, dropped or doubled, at any place of a two-link chain, breaks it."""
    text = handed(made(Limits(depth=1, cases=frozenset({"C1"})))).token
    for place, old in enumerate(text):
        for new in ("", old * 2, "A" if old != "A" else "B", "_" if old != "_" else "-"):
            assert refusal(text[:place] + new + text[place + 1 :]) == "token_invalid"


def test_one_spelling_only() -> None:
    """Base64url with spare bits, padding, foreign characters or white space is no second spelling."""
    text = made().token
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    taken = [c for c in alphabet if c != text[-1] and accepted(text[:-1] + c)]
    assert taken == []
    for spelling in (
        text + "=",
        text + "==",
        text + "\n",
        " " + text,
        text.replace(".", "=.", 1),
        text + "é",
    ):
        assert refusal(spelling) == "token_invalid"


def _bad_claims() -> list[bytes]:
    """Payloads that the issuer signed and the profile refuses all the same."""
    good = claims_of(made(Limits(fields=FIELDS, cases=frozenset({"C1"}))).token)

    def put(**changes: Any) -> bytes:
        return json.dumps({**good, **changes}).encode()

    text = json.dumps(good)
    missing = [json.dumps({k: v for k, v in good.items() if k != name}).encode() for name in good]
    optional = {"fields", "cases", "ticket"}
    return [
        *(raw for name, raw in zip(good, missing, strict=True) if name not in optional),
        text.replace('"sub"', '"sub": "p-2", "sub"').encode(),
        text.replace('"kty"', '"kty": "EC", "kty"').encode(),
        put(scope="all"), put(fields=None), put(ticket=None), put(sub=""), put(sub=7), put(role="root"),
        put(purpose="curiosity"), put(actions=["drop"]), put(actions=["read", "read"]), put(actions="read"),
        put(aud="masked"), put(aud=["everyone"]), put(fields={"name": "HIDDEN"}), put(fields={"N": "CLEAR"}),
        put(fields=["name"]), put(cases=["C1", "C1"]), put(cases=[1]), put(iat=float(good["iat"])),
        put(exp=str(good["exp"])), put(exp=good["nbf"]), put(exp=1 << 50), put(nbf=good["iat"] - 1),
        put(iat=True), put(jti=""), put(jti="A" * 21), put(jti="A" * 23), put(dlg=-1), put(dlg=9),
        put(max_uses=0), put(max_uses=1 << 31), put(cnf={}), put(cnf={"jwk": {}}), put(cnf={"jkt": "x"}),
        put(cnf={**good["cnf"], "kid": "x"}), put(cnf={"jwk": {**good["cnf"]["jwk"], "d": "x"}}),
        put(cnf={"jwk": {**good["cnf"]["jwk"], "x": "AAAA"}}),
        put(cnf={"jwk": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}}),
        put(cnf={"jwk": {"kty": "oct", "k": "AAAA"}}), put(iss="elsewhere"), put(tenant="other"),
        b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"\xef\xbb\xbf" + text.encode(), b"[" * 5000,
        b'{"iat": NaN}', text.encode() + b"x", text[:-1].encode() + b', "iat": ' + b"9" * 5000 + b"}",
    ]  # fmt: skip


@pytest.mark.parametrize("claims", _bad_claims())
def test_signed_nonsense_is_refused(claims: bytes) -> None:
    """A signature makes no claim well-formed: doubled, unknown, null or ill-typed, it is refused."""
    assert refusal(forged(claims)) == "token_invalid"


@pytest.mark.parametrize(
    "headers",
    [
        {"typ": "JWT"},
        {"typ": links.DELEGATION_TYPE},
        {"kid": "0" * 16},
        {"jwk": links.confirmation(key(9).public).jwk},
        {"x5c": ["AAAA"]},
        {"jku": "https://example.com/keys"},
        {"b64": True, "cty": "x"},
    ],
)
def test_headers_decide_nothing(headers: dict[str, Any]) -> None:
    """A header of another type or key, or any further header, is refused even when signed."""
    good = unb64(made().token.split(".")[1])
    assert refusal(forged(good, **headers)) == "token_invalid"
    assert accepted(forged(good))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_algorithm_is_the_keys(algorithm: str) -> None:
    """Neither no signature nor a MAC keyed with the public key passes."""
    good = unb64(made().token.split(".")[1])
    headers = {"typ": links.ACCESS_TYPE, "kid": links.key_id(ISSUER.public)}
    secret = ISSUER.public if algorithm == "HS256" else None
    text = jwt.PyJWS().encode(good, secret, algorithm=algorithm, headers=headers)  # type: ignore[arg-type]
    assert refusal(text) == "token_invalid"


def test_delegation_by_a_p256_holder() -> None:
    """A holder whose key is ECDSA P-256 can delegate; the high-s twin of the signature is refused."""
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    x, y = (b64(n.to_bytes(32)) for n in (numbers.x, numbers.y))
    claims = claims_of(made(Limits(depth=1)).token)
    claims["cnf"] = {"jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y}}
    parent = forged(json.dumps(claims).encode())
    assert checked(parent).holder == b"\x04" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
    link = links.Delegation(
        par=b64(hashlib.sha256(parent.encode()).digest()),
        iat=claims["iat"], nbf=claims["iat"], exp=claims["exp"], jti=b64(bytes(16)), dlg=0,
        cnf=links.confirmation(key(3).public),
    )  # fmt: skip
    text = jwt.PyJWS().encode(
        msgspec.json.encode(link), private, algorithm="ES256", headers={"typ": links.DELEGATION_TYPE}
    )
    head, _, signature = text.rpartition(".")
    raw = unb64(signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = int.from_bytes(raw[32:])
    low, high = (raw[:32] + n.to_bytes(32) for n in sorted((s, order - s)))
    assert checked(f"{parent}~{head}.{b64(low)}").holder == key(3).public
    assert refusal(f"{parent}~{head}.{b64(high)}") == "token_invalid"


SURROGATES = st.characters(categories=["Cs"])
BROKEN = st.tuples(st.text(max_size=3), SURROGATES, st.text(max_size=3)).map("".join)
"""Text with a lone surrogate: JSON can escape it, UTF-8 can't hold it."""
SPOILT: dict[str, Callable[[str], Any]] = {
    "iss": lambda text: text, "sub": lambda text: text, "tenant": lambda text: text,
    "ticket": lambda text: text, "pol": lambda text: text, "jti": lambda text: text,
    "role": lambda text: text, "cases": lambda text: ["C1", text], "actions": lambda text: ["read", text],
    "aud": lambda text: ["masked", text], "fields": lambda text: {text: "MASKED"},
    "cnf": lambda text: {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": text}}, "more": lambda text: text,
}  # fmt: skip
"""For each claim, how a text gets into it."""


@pytest.mark.parametrize("claim", SPOILT)
@given(text=BROKEN)
def test_text_that_utf8_cannot_hold_is_refused(claim: str, text: str) -> None:
    """A lone surrogate in any claim of a properly signed link, read or peeked at, is token_invalid."""
    parent = made(Limits(depth=1))
    access = {**claims_of(parent.token), claim: SPOILT[claim](text)}
    child = {**claims_of(handed(parent).token), claim: SPOILT[claim](text)}
    first = forged(json.dumps(access).encode())
    rest = pyjwt(json.dumps(child).encode(), key(2), {"typ": links.DELEGATION_TYPE})
    assert refusal(first) == "token_invalid"
    assert refusal(f"{parent.token}~{rest}") == "token_invalid"
    peeks: tuple[Callable[[], object], ...] = (
        lambda: links.peek(first, links.Access),
        lambda: links.peek(rest, links.Delegation),
    )
    for look in peeks:
        with pytest.raises(Denied) as caught:
            look()
        assert caught.value.code == "token_invalid"


@given(case=st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_proper_text_is_taken(case: str) -> None:
    """Any text that UTF-8 can hold, beyond the first plane too, comes out of a link as it went in."""
    assert checked(made(Limits(cases=frozenset({case}))).token).grant.cases == frozenset({case})


@given(text=BROKEN)
def test_such_text_is_never_signed(text: str) -> None:
    """Issuing or narrowing with it is refused as the caller's input, without a repetition of it."""
    parent = made(Limits(depth=1))
    attempts: list[Callable[[], Credential]] = [
        lambda: made(ticket=text),
        lambda: made(principal=text),
        lambda: made(Limits(cases=frozenset({text}))),
        lambda: handed(parent, Limits(cases=frozenset({text}))),
    ]
    for attempt in attempts:
        with pytest.raises(Invalid) as caught:
            attempt()
        assert caught.value.message.isascii()


def test_size_and_depth_are_bounded() -> None:
    """Overlong text is refused before it is parsed; so are more links than the format has."""
    text = made().token
    assert refusal(text + "A" * 8192) == "token_invalid"
    assert refusal("~".join([text] * 10)) == "token_invalid"


@given(text=st.text() | st.from_regex(r"\A[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,90}\Z"))
def test_garbage_is_refused(text: str) -> None:
    """Any text that isn't a token is refused as one, and nothing else is raised."""
    assert refusal(text) == "token_invalid"


def test_no_error_repeats_the_token() -> None:
    """No refusal carries a part of the token or its key."""
    credential = made()
    for text in (credential.token[:-2] + "AA", credential.token.replace(".", "!")):
        with pytest.raises(Denied) as caught:
            checked(text)
        said = repr(caught.value) + caught.value.remedy + str(caught.value.__cause__)
        assert credential.token[:20] not in said
