"""A seeded engine that breaks tokens and request proofs at every level.

Most mutations come before the signing, by the right key: so what they break is the meaning and not just a
signature. Many break nothing (white space, order, wider claims): those must be accepted, by both verifiers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from mutations_form import (
    framed,
    headed,
    hmac_with_public,
    other_signer,
    resigned,
    respelled,
    scribbled,
    torn,
    twisted,
)
from tokencases import (
    ALPHABET,
    KEYS,
    ODD,
    ODD_TEXTS,
    PRIME_ED,
    SECOND,
    START,
    Case,
    Link,
    Raw,
    b64,
    corpus,
    fresh,
    hash64,
    pick,
    written,
)

Random = random.Random
SMALL = int("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
TICKS = (-2, -1, 0, 1, 2)


# --- claims, signed again by the right key -------------------------------------------------------


def drop(case: Case, rng: Random) -> None:
    """A claim left out."""
    claims = pick(case, rng).claims
    claims.pop(rng.choice(list(claims)), None)


def odd(case: Case, rng: Random) -> None:
    """A claim of a wrong type, or just another value."""
    claims = pick(case, rng).claims
    claims[rng.choice([*claims, "max_uses", "cases"])] = rng.choice(ODD)


def renamed(case: Case, rng: Random) -> None:
    """A claim under a name that is nearly its own."""
    claims = pick(case, rng).claims
    name = rng.choice(list(claims))
    claims[rng.choice((name.upper(), name + " ", name[:-1], name + "\0", "x", ""))] = claims.pop(name)


def unknown(case: Case, rng: Random) -> None:
    """A claim that the page doesn't know, or only for the other kind of link."""
    name = rng.choice(("act", "scope", "nonce", "par", "iss", "role", "pol", "sub", "tenant", "htm"))
    pick(case, rng).claims.setdefault(name, rng.choice(("x", None, hash64(b""), 1)))


def doubled(case: Case, rng: Random) -> None:
    """A member named twice, perhaps with the same value, perhaps with the name escaped, perhaps deeper."""
    link = pick(case, rng)
    name = rng.choice(list(link.claims))
    value = rng.choice((link.claims[name], 1, None, "x"))
    if rng.random() < 0.3:
        text = json.dumps(KEYS[link.key % len(KEYS)].jwk)[:-1] + ',"\\u006bty":"OKP"}'
        link.claims["cnf"] = Raw('{"jwk":' + text + "}")
        return
    spelled = rng.choice((name, f"\\u{ord(name[0]):04x}{name[1:]}")) if name else name
    link.extra.append(f'"{spelled}":{written(value, None)}')


def rights(case: Case, rng: Random) -> None:
    """Other actions, audience or cases: wider, repeated, empty, out of the list."""
    name = rng.choice(("actions", "aud", "cases"))
    known = {
        "actions": ["read", "find", "tenant", "hold"],
        "aud": ["masked", "clear"],
        "cases": ["C1", "C9", ""],
    }
    value: list[Any] = rng.sample(known[name], rng.randint(0, 2))
    tails: tuple[list[Any], ...] = ([], [], [], value[:1], ["READ"], ["clear "], [None], [1], ["x" * 300])
    value += rng.choice(tails)
    pick(case, rng).claims[name] = value


def fields(case: Case, rng: Random) -> None:
    """Other fields and views."""
    names = (
        "name",
        "phone",
        "a",
        "a" * 32,
        "a" * 33,
        "A",
        "1a",
        "",
        "a-b",
        "a\n",
        "é",
        "_a",
        "z_9",
        "id_number",
    )
    views = (
        "MASKED",
        "CLEAR",
        "MASKED",
        "CLEAR",
        "MASKED",
        "CLEAR",
        "HIDDEN",
        "masked",
        "",
        None,
        1,
        ["CLEAR"],
    )
    some = rng.sample(names[:4] if rng.random() < 0.6 else names, rng.randint(0, 3))
    pick(case, rng).claims["fields"] = {name: rng.choice(views) for name in some}


def times(case: Case, rng: Random) -> None:
    """Another time: at an edge, out of order, of another size."""
    claims = pick(case, rng).claims
    name, at = rng.choice(("iat", "nbf", "exp")), case.now // SECOND + rng.choice(TICKS)
    edges = [claims.get(other, at) for other in ("iat", "nbf", "exp")]
    edge = rng.choice([e for e in edges if type(e) is int] or [at])
    claims[name] = rng.choice((at, at, edge + rng.choice(TICKS), 0, 2**40 - 1, 2**40, START * 1000, -1))


def depth(case: Case, rng: Random) -> None:
    """Another `dlg` or `max_uses`."""
    claims = pick(case, rng).claims
    claims["dlg"] = rng.choice((0, 0, 1, 2, 8, 9, -1))
    if rng.random() < 0.5:
        claims["max_uses"] = rng.choice((0, 1, 2, 2**31 - 1, 2**31, -1))


def words(case: Case, rng: Random) -> None:
    """Another text in a claim that holds one: too long, hidden, foreign."""
    claims = case.links[0].claims if rng.random() < 0.7 else pick(case, rng).claims
    name = rng.choice(("ticket", "ticket", "sub", "iss", "tenant", "role", "purpose", "pol", "par"))
    other = ("collector", "Main", "main", "vault.example/main", "A" * 64, "a" * 63, "a" * 64, "a" * 64 + "\n")
    claims[name] = rng.choice((*ODD_TEXTS, *other)) + rng.choice(("", "", "T"))


def listed(case: Case, rng: Random) -> None:
    """An odd text where any text will do, or nearly."""
    text = rng.choice(ODD_TEXTS)
    claims = pick(case, rng).claims
    if rng.random() < 0.5:
        claims["cases"] = ["C1", text]
    else:
        claims["ticket"] = "T" + text


def jti(case: Case, rng: Random) -> None:
    """Another `jti`: a neighbour's, of another length, spelled otherwise."""
    link = pick(case, rng)
    own = str(link.claims.get("jti") or "A")
    spare = own[:-1] + ALPHABET[(ALPHABET.find(own[-1]) + 1) % 64]
    sizes = [b64(rng.randbytes(n)) for n in (0, 15, 16, 16, 16, 17)]
    link.claims["jti"] = rng.choice(
        [rng.choice(case.links).claims.get("jti", ""), spare, own + "==", own + "\n", *sizes]
    )


def parent(case: Case, rng: Random) -> None:
    """A delegation bound to another text than what stands before it."""
    case.links[-1].claims["par"] = rng.choice(
        (hash64(b"x"), hash64(case.token().encode()), "", None, "A" * 43)
    )


def weak(case: Case, rng: Random) -> None:
    """A `cnf` that names an Ed25519 point of small order, one not reduced, or a neighbour of such."""
    y = rng.choice((0, 1, PRIME_ED - 1, PRIME_ED, 2**255 - 1, SMALL, PRIME_ED - SMALL)) + rng.choice(
        (0, 0, 0, -1, 1)
    )
    raw = (y % 2**255 | rng.choice((0, 1 << 255))).to_bytes(32, "little")
    case.links[-1].claims["cnf"] = {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}}


def confirmed(case: Case, rng: Random) -> None:
    """Another key in `cnf`: a fine one, a weak one, one spelled otherwise."""
    place = rng.randrange(len(case.links))
    own = KEYS[rng.randrange(len(KEYS))]
    x32 = b64(rng.choice((bytes(32), b"\xff" * 32, own.public[1:33].ljust(32, b"\1"))))
    changes: list[dict[str, Any]] = [
        {"kty": "EC", "crv": "P-256", "x": x32, "y": x32},
        {**own.jwk, "x": rng.choice((x32, own.jwk["x"] + "=", own.jwk["x"][:-1], "", None, 1))},
        {**own.jwk, rng.choice(("kid", "d", "alg", "use", "y")): "AA"},
        {
            **own.jwk,
            rng.choice(("kty", "crv")): rng.choice(("EC", "OKP", "ed25519", "P-384", "X25519", None)),
        },
        {name: value for name, value in own.jwk.items() if name != rng.choice(("kty", "crv", "x", "y"))},
    ]
    jwk = own.jwk if rng.random() < 0.3 else rng.choice(changes)
    case.links[place].claims["cnf"] = rng.choice(
        ({"jwk": jwk},) * 8 + ({"jwk": jwk, "kid": "x"}, {"jkt": "x"}, jwk)
    )
    if place + 1 < len(case.links) and rng.random() < 0.8:  # mostly who is named now signs what follows
        case.links[place + 1].key = own.number
        case.links[place + 1].header["alg"] = own.alg


# --- links ---------------------------------------------------------------------------------------


def relinked(case: Case, rng: Random) -> None:
    """Links left out, swapped, repeated, moved over from another chain; signatures made anew."""
    links, foreign = case.links, fresh(rng).links
    at, to = rng.randrange(len(links)), rng.randrange(len(links))
    way = rng.randrange(6)
    if way == 0 and len(links) > 1:
        del links[at]
    elif way == 1:
        links[at], links[to] = links[to], links[at]
    elif way == 2:
        links.insert(to, links[at])
    elif way == 3:
        links[at:] = foreign[at:] or foreign
    elif way == 4:
        links += foreign[1:]
    else:
        links += [Link(dict(links[-1].header), dict(links[-1].claims), links[-1].key)] * rng.choice((1, 8))


def longer(case: Case, rng: Random) -> None:
    """One link more, rightly signed by whoever the last one names; perhaps beyond the depth."""
    last = case.links[-1].claims.get("cnf")
    own = [k for k in KEYS if isinstance(last, dict) and last.get("jwk") == k.jwk]
    claims = {**rng.choice(corpus())[0].claims, "par": None}
    for name in (
        "iss",
        "tenant",
        "sub",
        "role",
        "purpose",
        "pol",
        *rng.sample(("actions", "aud"), rng.randint(0, 2)),
    ):
        del claims[name]
    claims["dlg"] = rng.randint(0, 8)
    case.links += [Link({"alg": k.alg, "typ": "pv-dl+jwt"}, claims, k.number) for k in own]


def sized(case: Case, rng: Random) -> None:
    """As long as a token may be, or a little longer: filled with cases."""
    claims = case.links[-1].claims
    claims.pop("cases", None)
    room = (8192 - len(case.token())) * 3 // 4 - 14
    length = max(room + rng.choice((-3, -2, -1, 0, 1, 2, 3, 4, 90)), 0)
    claims["cases"] = ["x" * length]


# --- what is asked -------------------------------------------------------------------------------


def asked(case: Case, rng: Random) -> None:
    """Another moment, to the microsecond; another node, tenant or origin."""
    edges = [link.claims.get(name) for link in case.links for name in ("nbf", "exp")]
    edge = rng.choice([e for e in edges if type(e) is int] or [START])
    case.now = rng.choice((case.now, edge * SECOND + rng.choice(TICKS), edge * SECOND + rng.choice((-1, 0))))
    case.audience = rng.choice((case.audience, frozenset({"masked"}), frozenset({"clear"}), frozenset()))
    if rng.random() < 0.1:
        case.tenant = rng.choice(("other", "Main", "", "main "))
    if rng.random() < 0.1:
        case.origin = rng.choice(("vault.example/other", ""))


def nothing(case: Case, rng: Random) -> None:
    """As it is."""


TOKEN_WAYS: list[Callable[[Case, Random], None]] = [
    *(drop, odd, odd, odd, renamed, unknown, doubled, rights, rights, fields, fields, times, times, depth),
    *(
        words,
        words,
        listed,
        listed,
        jti,
        parent,
        confirmed,
        weak,
        respelled,
        respelled,
        twisted,
        framed,
        headed,
    ),
    *(hmac_with_public, resigned, resigned, other_signer, relinked, longer, longer, sized, scribbled, torn),
    *(asked, asked, asked, nothing),
]


def token_case(seed: str, number: int) -> Case:
    """Case `number` of a seed: a good token, and one to three changes."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311  (no secret: a case must come again by its number)
    case = fresh(rng)
    for way in rng.choices(TOKEN_WAYS, k=rng.choice((1, 1, 1, 1, 2, 2, 3))):
        way(case, rng)
        case.told.append(way.__name__)
    return case
