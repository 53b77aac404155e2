"""Chains that a verifier must refuse: (what it breaks, token, reason, now in µs, the node's audience)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import jwt
from vectors.token_good import example, padded
from vectors.token_parts import (
    BOTH,
    EC_ISSUER,
    ED_ORDER,
    ISSUER,
    NOW,
    ORDER,
    SECOND,
    START,
    access,
    access_claims,
    access_header,
    b64,
    chain,
    changed,
    child,
    child_claims,
    digest,
    jwk,
    jws,
    key,
    kid,
    p256,
    resigned,
    signature,
    text_of,
    unb64,
)

Bad: TypeAlias = tuple[str, str, str, int, tuple[str, ...]]
Pair: TypeAlias = tuple[str, str]

_P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_ED_P = 2**255 - 19
_ED_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826


def bad() -> Iterator[Bad]:
    """All of them; each breaks one rule alone."""
    for name, text in (
        *_bytes(), *_json(), *_headers(), *_keys(), *_signatures(), *_chains(), *_claims(), *_child_claims(),
    ):  # fmt: skip
        yield name, text, "token_invalid", NOW, BOTH
    yield from _time_and_node()


def _bytes() -> Iterator[Pair]:
    first, second = example()
    text, two = first.token, second.token
    head, payload, signed = text.split(".")
    yield "padding", f"{text}=="
    yield "padding in the header", f"{head}=.{payload}.{signed}"
    yield "spare bits set in the signature", text[:-1] + chr(ord(text[-1]) + 1)
    yield "a new line at the end", f"{text}\n"
    yield "white space before", f" {text}"
    yield "standard alphabet", f"{head}.{payload}.+{signed[1:]}"
    yield "a length of 1 modulo 4", f"{head}.{payload}.{signed}AAA"
    yield "not ASCII", f"{text}é"
    yield "full-width digits", f"{head}.{payload}.\uff11{signed[1:]}"
    yield "nothing", ""
    yield "two parts", f"{head}.{payload}"
    yield "four parts", f"{text}."
    yield "empty payload", f"{head}..{signed}"
    yield "empty last link", f"{text}~"
    yield "empty link between", two.replace("~", "~~")
    yield "over 8192 bytes", padded(range(8193, 8196))
    yield "ten links", f"{chain([key(n) for n in range(2, 11)])}~{two.split('~')[1]}"
    for part, old in (("header", head), ("payload", payload)):
        # An object may end in a space, so that two spare bits are left to set.
        raw = unb64(old)
        raw += b" " * ((2 - len(raw)) % 3)
        loose = b64(raw)[:-1] + chr(ord(b64(raw)[-1]) + 1)
        parts = [loose, payload] if part == "header" else [head, loose]
        yield f"spare bits set in the {part}", _over(parts)


def _over(parts: list[str]) -> str:
    text = ".".join(parts)
    return f"{text}.{b64(ISSUER.sign(text.encode()))}"


def _json() -> Iterator[Pair]:
    good = text_of(access_claims(key(2), cases=["C1"]))
    for name, payload in {
        "a claim twice": good[:-1] + b',"sub":"p-2"}',
        "a claim twice, once escaped": good[:-1] + b',"\\u0073ub":"p-1"}',
        "a member of the key twice": good.replace(b'"kty"', b'"kty":"OKP","kty"'),
        "byte order mark": b"\xef\xbb\xbf" + good,
        "text behind the object": good + b"{}",
        "no object": b"[" + good + b"]",
        "null for an object": b"null",
        "cut short": good[:-1],
        "comma before the end": good[:-1] + b",}",
        "not UTF-8": good.replace(b'"C1"', b'"\xff"'),
        "surrogates in UTF-8": good.replace(b'"C1"', b'"\xed\xa0\x80"'),
        "escaped lone surrogate": good.replace(b'"C1"', b'"\\ud800"'),
        "raw control character in a text": good.replace(b'"C1"', b'"C\n1"'),
        "NaN": good.replace(b'"dlg":8', b'"dlg":NaN'),
        "a fraction of nothing": good.replace(b'"dlg":8', b'"dlg":8.0'),
        "an exponent": good.replace(b'"dlg":8', b'"dlg":8e0'),
        "minus zero": good.replace(b'"dlg":8', b'"dlg":-0'),
        "leading zero": good.replace(b'"dlg":8', b'"dlg":08'),
        "single quotes": good.replace(b'"C1"', b"'C1'"),
    }.items():
        yield name, jws(access_header(), payload, ISSUER)
    doubled = text_of(access_header())[:-1] + b',"typ":"pv-at+jwt"}'
    yield "a header member twice", jws(doubled, good, ISSUER)


def _headers() -> Iterator[Pair]:
    claims = access_claims(key(2))
    for name, changes in {
        "typ of another format": {"typ": "JWT"}, "typ in capitals": {"typ": "PV-AT+JWT"},
        "typ of a delegation on link 0": {"typ": "pv-dl+jwt"},
        "typ of a proof on link 0": {"typ": "dpop+jwt"},
        "no typ": {"typ": ...}, "no alg": {"alg": ...}, "no kid": {"kid": ...},
        "unknown kid": {"kid": "0" * 16}, "kid in capitals": {"kid": kid(ISSUER.public).upper()},
        "kid of another issuer": {"kid": kid(EC_ISSUER.public)}, "kid a number": {"kid": 1},
        "jwk in the header": {"jwk": jwk(ISSUER.public)}, "crit": {"crit": ["exp"]}, "b64": {"b64": True},
        "cty": {"cty": "JWT"}, "null in the header": {"x5c": None}, "alg of the other kind": {"alg": "ES256"},
        "alg in small letters": {"alg": "eddsa"}, "alg by the curve's name": {"alg": "Ed25519"},
    }.items():  # fmt: skip
        yield name, jws(access_header(**changes), claims, ISSUER)
    unsigned = jws(access_header(alg="none"), claims, ISSUER).rpartition(".")[0]
    yield "alg none, no signature", f"{unsigned}."
    mac = jwt.PyJWS().encode(
        text_of(claims), ISSUER.public, algorithm="HS256", headers=changed(access_header(), {"alg": ...})
    )
    yield "a MAC keyed with the public key", mac
    first = access()
    payload = child_claims(first, key(3))
    for name, header in {
        "kid on a delegation": {"alg": "EdDSA", "kid": kid(key(2).public), "typ": "pv-dl+jwt"},
        "typ of an access link on a delegation": {"alg": "EdDSA", "typ": "pv-at+jwt"},
        "jwk on a delegation": {"alg": "EdDSA", "jwk": jwk(key(2).public), "typ": "pv-dl+jwt"},
        "ES256 for an Ed25519 holder": {"alg": "ES256", "typ": "pv-dl+jwt"},
    }.items():
        yield name, f"{first}~{jws(header, payload, key(2))}"


def _keys() -> Iterator[Pair]:
    okp, ec = jwk(key(2).public), jwk(p256(2).public)
    _, x, y = (p256(2).public[at:to] for at, to in ((0, 1), (1, 33), (33, 65)))
    odd = bytes([y[0] ^ 1]) + y[1:]
    root5 = (5).to_bytes(32), _root(5).to_bytes(32), (5 + _P256_P).to_bytes(32)
    ys = {
        "y 0": 0, "y 1": 1, "y p-1": _ED_P - 1, "y of order 8": _ED_8,
        "the other y of order 8": _ED_P - _ED_8,
        "y p, which is 0": _ED_P, "y p+3, which is 3": _ED_P + 3,
        "y 1, the sign bit set": 1 + 2**255, "y of order 8, the sign bit set": _ED_8 + 2**255,
    }  # fmt: skip
    named: dict[str, dict[str, Any]] = {
        "no key": {}, "a key of bytes": {"kty": "oct", "k": "AAAA"}, "private part": {**okp, "d": okp["x"]},
        "a key's own alg": {**okp, "alg": "EdDSA"}, "y on an Ed25519 key": {**okp, "y": okp["x"]},
        "a kid in a P-256 key": {**ec, "kid": "x"},
        "a point cut a byte later": {**ec, "x": b64(x + y[:1]), "y": b64(y[1:])},
        "no y on a P-256 key": {"kty": "EC", "crv": "P-256", "x": ec["x"]}, "P-384": {**ec, "crv": "P-384"},
        "X25519": {**okp, "crv": "X25519"}, "Ed448": {**okp, "crv": "Ed448"},
        "kty and crv at odds": {**okp, "kty": "EC"},
        "an Ed25519 key of 31 bytes": {**okp, "x": b64(bytes(31))},
        "an x of 33 bytes": {**ec, "x": b64(b"\0" + x)}, "padding in x": {**okp, "x": okp["x"] + "="},
        "spare bits in x": {**okp, "x": okp["x"][:-1] + chr(ord(okp["x"][-1]) + 1)},
        "x a number": {**okp, "x": 7}, "x null": {**okp, "x": None},
        "a point off the curve": {**ec, "y": b64(odd)},
        "the point 0, 0": {**ec, "x": b64(bytes(32)), "y": b64(bytes(32))},
        "x not below p": {**ec, "x": b64(root5[2]), "y": b64(root5[1])},
    } | {name: {**okp, "x": b64(value.to_bytes(32, "little"))} for name, value in ys.items()}  # fmt: skip
    for name, found in named.items():
        yield f"cnf: {name}", access(cnf={"jwk": found})
    yield "cnf: a thumbprint", access(cnf={"jkt": digest(b"")})
    yield "cnf: a member beside the key", access(cnf={"jwk": okp, "kid": "x"})
    yield "cnf: the key itself", access(cnf=okp)
    yield (
        "cnf: small order in the last of two links",
        child(access(), key(2), cnf={"jwk": {**okp, "x": b64(bytes(32))}}),
    )


def _root(x: int) -> int:
    """Y of a point of P-256."""
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    y = pow(x**3 - 3 * x + b, (_P256_P + 1) // 4, _P256_P)
    assert y * y % _P256_P == (x**3 - 3 * x + b) % _P256_P
    return y


def _signatures() -> Iterator[Pair]:
    one, two = access(), chain([p256(2), key(3)])
    ed, ec = signature(one), signature(two)
    r, s = ec[:32], ec[32:]
    high = (ORDER - int.from_bytes(s)).to_bytes(32)
    yield "no signature", resigned(one, b"")
    yield "EdDSA: a bit flipped", resigned(one, bytes([ed[0] ^ 1]) + ed[1:])
    yield "EdDSA: a byte short", resigned(one, ed[:-1])
    yield "EdDSA: a byte more", resigned(one, ed + b"\0")
    larger = int.from_bytes(ed[32:], "little") + ED_ORDER
    yield "EdDSA: S not below L", resigned(one, ed[:32] + larger.to_bytes(32, "little"))
    yield "EdDSA: another issuer's", jws(access_header(), access_claims(key(2)), key(9))
    yield "ES256: high s", resigned(two, r + high)
    yield "ES256: a bit flipped", resigned(two, bytes([r[0] ^ 1]) + r[1:] + s)
    yield "ES256: r 0", resigned(two, bytes(32) + s)
    yield "ES256: s 0", resigned(two, r + bytes(32))
    yield "ES256: r and s 0", resigned(two, bytes(64))
    yield "ES256: a byte short", resigned(two, ec[:-1])
    yield "ES256: a byte more", resigned(two, ec + b"\0")
    yield "ES256: s without its leading zero", _short_s()
    yield "ES256: DER", resigned(two, _der(r) + _der(s))
    header = access_header(alg="ES256", kid=kid(EC_ISSUER.public))
    text = jws(header, access_claims(key(2)), EC_ISSUER)
    found = signature(text)
    twin = ORDER - int.from_bytes(found[32:])
    yield "ES256: high s of an issuer", resigned(text, found[:32] + twin.to_bytes(32))
    yield "parent's signature under the child", resigned(chain([key(2), key(3)]), ed)


def _short_s() -> str:
    """A chain whose last signature would be the same number with a byte less."""
    texts = (child(access(p256(2)), p256(2), ticket=f"T-{n}") for n in range(9999))
    found, text = next((s, text) for text in texts if (s := signature(text))[32] == 0)
    return resigned(text, found[:32] + found[33:])


def _der(number: bytes) -> bytes:
    return b"\x02\x20" + number


def _chains() -> Iterator[Pair]:
    first, second = (link.token for link in example())
    link = second.split("~")[1]
    other = access(jti=b64(bytes([7]) * 16))
    three = chain([key(2), key(3), key(4)])
    a, b, c = three.split("~")
    yield "links swapped", f"{link}~{first}"
    yield "a delegation alone", link
    yield "the last link twice", f"{second}~{link}"
    yield "two access links", f"{first}~{first}"
    yield "the link between cut out", f"{a}~{c}"
    yield "the two behind swapped", f"{a}~{c}~{b}"
    yield "moved behind another token of the same holder", f"{other}~{child(access(), key(2)).split('~')[1]}"
    yield "par of the link before alone", child(f"{a}~{b}", key(3), key(4), par=digest(b))
    yield "par with the ~", child(a, key(2), par=digest(a + "~"))
    yield "par of nothing", child(a, key(2), par=digest(""))
    yield "par in hex", child(a, key(2), par=unb64(digest(a)).hex())
    yield "par padded", child(a, key(2), par=digest(a) + "=")
    yield "signed by the issuer", child(a, ISSUER)
    yield "signed by the holder before last", child(f"{a}~{b}", key(2), key(4))
    yield "signed by the new holder", child(a, key(3))
    yield "a link after dlg 0", child(access(dlg=0), key(2))
    yield "a link after the child's dlg 0", child(child(a, key(2), dlg=0), key(3), key(4))
    yield (
        "a third link where the first allowed one",
        child(child(access(dlg=1), key(2), dlg=8), key(3), key(4), dlg=8),
    )
    yield "a jti twice", child(a, key(2), jti=b64(bytes([2]) * 16))
    yield "a jti twice, two links apart", child(f"{a}~{b}", key(3), key(4), jti=b64(bytes([2]) * 16))


_SHARED: dict[str, dict[str, Any]] = {
    "a list for text": {"jti": ["x"]}, "text for a list": {"actions": "read"},
    "unknown action": {"actions": ["drop"]}, "an action twice": {"actions": ["read", "read"]},
    "actions null": {"actions": None}, "unknown audience": {"aud": ["everyone"]},
    "aud as text": {"aud": "masked"},
    "an audience twice": {"aud": ["masked", "masked"]}, "HIDDEN said": {"fields": {"name": "HIDDEN"}},
    "a view in small letters": {"fields": {"name": "masked"}},
    "a field in capitals": {"fields": {"Name": "CLEAR"}},
    "a field of 33 characters": {"fields": {"a" * 33: "CLEAR"}},
    "a field without a name": {"fields": {"": "CLEAR"}},
    "a field with a new line": {"fields": {"name\n": "CLEAR"}},
    "a field of other digits": {"fields": {"a٣": "CLEAR"}},
    "fields a list": {"fields": ["name"]}, "fields null": {"fields": None},
    "a case twice": {"cases": ["C1", "C1"]},
    "a case a number": {"cases": [1]}, "a case null": {"cases": [None]}, "exp at nbf": {"exp": START},
    "nbf before iat": {"iat": START + 1}, "exp 2^40": {"exp": 2**40},
    "exp as text": {"exp": str(START + 900)},
    "iat true": {"iat": True}, "max_uses 0": {"max_uses": 0}, "max_uses 2^31": {"max_uses": 2**31},
    "max_uses null": {"max_uses": None}, "dlg 9": {"dlg": 9}, "dlg below 0": {"dlg": -1},
    "jti of 15 bytes": {"jti": b64(bytes(15))},
    "jti of 17 bytes": {"jti": b64(bytes(17))}, "jti with spare bits": {"jti": "A" * 21 + "B"},
    "empty ticket": {"ticket": ""},
    "ticket of 257 characters": {"ticket": "T" * 257}, "a new line in the ticket": {"ticket": "T\n7"},
    "text turned round in the ticket": {"ticket": "T\u202e7"},
    "a zero-width space in the ticket": {"ticket": "T\u200b7"},
    "ticket null": {"ticket": None}, "ticket a number": {"ticket": 7}, "unknown claim": {"scope": "all"},
    "cnf null": {"cnf": None},
}  # fmt: skip
"""Changes that spoil a link of either kind."""


def _claims() -> Iterator[Pair]:
    for name in access_claims(key(2)):
        yield f"no {name}", access(**{name: ...})
    for name, changes in _SHARED.items():
        yield name, access(**changes)
    own: dict[str, dict[str, Any]] = {
        "another origin": {"iss": "elsewhere/main"}, "empty iss": {"iss": ""},
        "another tenant": {"tenant": "other"},
        "tenant in capitals": {"tenant": "Main"}, "empty sub": {"sub": ""},
        "sub of 257 characters": {"sub": "p" * 257},
        "sub null": {"sub": None}, "unknown role": {"role": "root"},
        "unknown purpose": {"purpose": "curiosity"},
        "pol of 63 digits": {"pol": "0" * 63}, "pol in capitals": {"pol": "A" * 64},
        "pol with a new line": {"pol": "0" * 64 + "\n"},
        "par on link 0": {"par": digest("")},
    }  # fmt: skip
    for name, changes in own.items():
        yield name, access(**changes)


def _child_claims() -> Iterator[Pair]:
    first = access()
    for name in child_claims(first, key(3)):
        yield f"delegation: no {name}", child(first, key(2), **{name: ...})
    for name, changes in _SHARED.items():
        yield f"delegation: {name}", child(first, key(2), **changes)
    for name in ("sub", "role", "purpose", "tenant", "iss", "pol"):
        yield f"delegation: {name}", child(first, key(2), **{name: access_claims(key(2))[name]})


def _time_and_node() -> Iterator[Bad]:
    two = child(access(), key(2), nbf=START + 5, exp=START + 60)
    end = NOW + 900 * SECOND
    yield "at exp", access(), "token_expired", end, BOTH
    yield "a day later", access(), "token_expired", end + 86_400 * SECOND, BOTH
    yield "at the child's exp", two, "token_expired", NOW + 60 * SECOND, BOTH
    late = child(access(), key(2), exp=START + 9000)
    yield "at the parent's exp, the child's is later", late, "token_expired", end, BOTH
    yield "a µs before nbf", access(), "token_invalid", NOW - 1, BOTH
    yield "a µs before the child's nbf", two, "token_invalid", NOW + 5 * SECOND - 1, BOTH
    early = child(access(nbf=START + 9), key(2))
    yield "before the parent's nbf, the child's is earlier", early, "token_invalid", NOW + 5 * SECOND, BOTH
    yield "a masked token at a clear node", access(aud=["masked"]), "audience_denied", NOW, ("clear",)
    yield "for no node", access(aud=[]), "audience_denied", NOW, BOTH
    apart = child(access(aud=["masked"]), key(2), aud=["clear"])
    yield "parent and child for different nodes", apart, "audience_denied", NOW, BOTH
