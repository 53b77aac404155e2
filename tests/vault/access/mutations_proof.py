"""Mutations of request proofs and of the requests they come with."""

from __future__ import annotations

import random
from typing import Any

from mutations import doubled, drop, jti, odd, renamed, unknown
from mutations_form import (
    headed,
    hmac_with_public,
    other_signer,
    resigned,
    respelled,
    scribbled,
    twisted,
)
from tokencases import KEYS, ODD_TEXTS, SECOND, Case, Request, hash64, request

Random = random.Random
PORTS = (
    "",
    ":",
    ":80",
    ":443",
    ":0443",
    ":00443",
    ":000443",
    ":0",
    ":65535",
    ":65536",
    ":8443",
    ":08443",
    ":x",
    ":-1",
)
PATHS = (
    *(
        "/./",
        "/../",
        "/..",
        "/.",
        "/%2e%2E/",
        "/%2E",
        "/a/../",
        "//",
        "/%2f",
        "/%2F",
        "/%7e",
        "/~",
        "/%41",
        "/A",
    ),
    *(
        "/%2541",
        "/%25",
        "/%",
        "/%4",
        "/%zz",
        "/%c3%a9",
        "/é",
        "/[",
        "/a]",
        "/\\",
        "/^",
        "/|",
        "/`",
        '/"',
        "/<",
        "/{",
    ),
    *(
        "/ ",
        "/\t",
        "/a\n",
        "\n",
        "?",
        "?q",
        "#f",
        "/?",
        "/#?",
        "?#",
        "/...",
        "/.a",
        "/a.",
        "/;",
        "/:@",
        "/%00",
        "/%3F",
    ),
)


def moved(url: str, rng: Random) -> str:
    """Another URL, or another spelling of the same."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    way = rng.randrange(9)
    if way == 0:
        scheme = rng.choice((scheme.upper(), "http", "https", "Https", "ftp", "", "httpſ"))
    elif way == 1:
        host = rng.choice(
            (host.upper(), host + ".", "u@" + host, "[::1]", "[0:0::1]", "[]", "[1", "é", "", "h" * 254)
        )
    elif way == 2:
        host = host.partition(":")[0] + rng.choice(PORTS)
    elif way == 3:
        path = "a" * rng.choice((2047, 2048, 2049, 2000))
        path = path[: max(0, rng.choice((2048, 2049)) - len(f"{scheme}://{host}/"))]
    elif way == 4:
        path = "".join(f"%{ord(c):02x}" if c.isalnum() and rng.random() < 0.4 else c for c in path)
    elif way in {5, 6, 7}:
        at = rng.randint(0, len(path))
        path = path[:at] + rng.choice(PATHS) + rng.choice(("", "b", "/")) + path[at:]
    else:
        return rng.choice((url[:-1], url + "/", url + "?", " " + url, url.replace("/", "//"), ""))
    return f"{scheme}://{host}{slash}{path}"


def urls(case: Request, rng: Random) -> None:
    """Another URL in the request, in the proof, or the same change in both."""
    to = moved(case.url, rng)
    where = rng.randrange(3)
    if where != 0:
        case.url = to
    if where != 1:
        case.links[0].claims["htu"] = to.partition("?")[0] if rng.random() < 0.5 else to


def normal_url(case: Request, rng: Random) -> None:
    """Both sides changed in spelling only, over and over."""
    for _ in range(rng.randint(1, 4)):
        case.url = moved(case.url, rng) if rng.random() < 0.3 else case.url.replace("/v1/", "/%76%31/x/../")


def paths(case: Request, rng: Random) -> None:
    """Two short paths of few segments: they often are the same after all."""
    segments = (
        ".",
        "..",
        "",
        "a",
        "a",
        "%2e",
        "%2E%2e",
        "%7e",
        "~",
        "%2f",
        "%2F",
        "%61",
        "%C3",
        "%c3",
        "a%2Fa",
        "a/a",
    )
    path = "".join("/" + rng.choice(segments) for _ in range(rng.randint(0, 3)))
    other = path
    for _ in range(rng.randint(1, 3)):
        old, new = rng.choice(segments), rng.choice(segments)
        other = rng.choice(
            (other.replace(f"/{old}", f"/{new}", 1), f"{other}/{new}", other + f"/{new}/..", other[:-1])
        )
    case.url = "http://h" + rng.choice((path, path.swapcase())) + rng.choice(("", "", "?q#f", "#f?q"))
    case.links[0].claims["htu"] = "http://h" + other


def ports(case: Request, rng: Random) -> None:
    """Ports on both sides: none, the scheme's own, with zeros, out of range."""
    scheme, port = rng.choice(("http", "https")), rng.choice(PORTS)
    case.url = f"{scheme}://h{port}/"
    case.links[0].claims["htu"] = f"{scheme}://h{rng.choice((port, rng.choice(PORTS)))}/"


def moment(case: Request, rng: Random) -> None:
    """Another clock, to the microsecond, and a narrower window."""
    iat = case.links[0].claims.get("iat")
    case.window = rng.choice((60, 60, 5, 0, 61, 600)) * SECOND
    if type(iat) is int:
        case.now = iat * SECOND + rng.choice((-1, 1)) * (case.window + rng.choice((-1, 0, 0, 1)))


def named(case: Request, rng: Random) -> None:
    """Another method, token, body or holder."""
    claims = case.links[0].claims
    way = rng.randrange(6)
    if way == 0:
        claims["htm"] = rng.choice(("POST", "post", "GET ", "A" * 33, "", "POST\n", "PÖST", *ODD_TEXTS[:4]))
        case.method = rng.choice((case.method, str(claims["htm"])))
    elif way == 1:
        case.method = rng.choice(("POST", "GET", "post", ""))
    elif way == 2:
        case.body = rng.choice((b"", b"x", case.body))
    elif way == 3:
        case.token_text = rng.choice(("", case.token_text, case.token_text + " "))
    elif way == 4:
        case.holder = rng.choice(KEYS).number
    else:
        claims[rng.choice(("ath", "bh"))] = rng.choice((hash64(b""), hash64(case.body), hash64(b"")[:-1], ""))


def keyed(case: Request, rng: Random) -> None:
    """Another `jwk`: another's, with a member more, spelled otherwise."""
    own, header = KEYS[case.holder], case.links[0].header
    changes: list[Any] = [
        rng.choice(KEYS).jwk,
        {**own.jwk, "d": "AA"},
        {**own.jwk, "kid": "x"},
        None,
        "x",
        {},
    ]
    changes += [{**own.jwk, "x": own.jwk["x"] + rng.choice(("=", "A", "\n"))}, {**own.jwk, "kty": "RSA"}]
    header["jwk"] = rng.choice(changes)


def long(case: Request, rng: Random) -> None:
    """As long as a proof may be, or a little longer, by white space."""
    room = (4096 - len(case.token())) * 3 // 4 + rng.choice((-2, -1, 0, 1, 2))
    case.links[0].twist = lambda raw: raw + b" " * room


def any_form(case: Request, rng: Random) -> None:
    """What can be done to a link can be done to a proof."""
    ways = (drop, odd, renamed, unknown, doubled, jti, twisted, headed, hmac_with_public, resigned)
    rng.choice((*ways, other_signer, scribbled))(case, rng)


def spelled(case: Case, rng: Random) -> None:
    """The same claims, written otherwise."""
    respelled(case, rng)


PROOF_WAYS = [
    urls,
    urls,
    paths,
    paths,
    paths,
    normal_url,
    ports,
    moment,
    moment,
    named,
    keyed,
    long,
    any_form,
    any_form,
    spelled,
]


def proof_case(seed: str, number: int) -> Request:
    """Proof `number` of a seed: a good one, and one to three changes."""
    rng = random.Random(f"{seed}/proof/{number}")  # noqa: S311  (no secret: a case must come again by its number)
    case = request(rng)
    for way in rng.choices(PROOF_WAYS, k=rng.choice((1, 1, 1, 2, 2, 3))):
        way(case, rng)
        case.told.append(way.__name__)
    return case
