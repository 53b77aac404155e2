"""Good purpose tokens and request proofs in pieces, for mutations.py to break.

A case is a chain of links before it is written: claims, how its JSON is spelled, who signs, and what becomes
of the signature. All of it is made with `cryptography` and the standard library, nothing with the vault.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

SECOND = 1_000_000
START = 1_790_000_000
ORIGIN, TENANT = "vault.example/main", "main"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ORDER_ED = 2**252 + 27742317777372353535851937790883648493
PRIME_ED = 2**255 - 19
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ROLES = ("collector", "agency_collector", "legal", "dpo")
PURPOSES = ("phone_collection", "legal_action", "administration")
ACTIONS = ("read", "find", "list", "write", "audit")
VIEWS = ("MASKED", "CLEAR")


def b64(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hash64(raw: bytes) -> str:
    """base64url SHA-256."""
    return b64(hashlib.sha256(raw).digest())


@dataclass(frozen=True)
class Key:
    """A key pair of either kind, by number: even ones are Ed25519, odd ones P-256."""

    number: int

    @functools.cached_property
    def private(self) -> Any:
        """The key as `cryptography` has it."""
        seed = hashlib.sha256(b"key %d" % self.number).digest()
        if self.number % 2 == 0:
            return ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        return ec.derive_private_key(int.from_bytes(seed, "big") % (ORDER - 1) + 1, ec.SECP256R1())

    @functools.cached_property
    def text(self) -> str:
        """The private key as a token file keeps it."""
        if self.number % 2 == 0:
            return b64(self.private.private_bytes_raw())
        return "P-256." + b64(self.private.private_numbers().private_value.to_bytes(32, "big"))

    @functools.cached_property
    def public(self) -> bytes:
        """The raw public key."""
        if self.number % 2 == 0:
            raw: bytes = self.private.public_key().public_bytes_raw()
            return raw
        at = self.private.public_key().public_numbers()
        return b"\x04" + bytes(at.x.to_bytes(32, "big")) + bytes(at.y.to_bytes(32, "big"))

    @property
    def alg(self) -> str:
        """Its JOSE algorithm."""
        return ("EdDSA", "ES256")[self.number % 2]

    @property
    def jwk(self) -> dict[str, Any]:
        """Its JWK."""
        if self.number % 2 == 0:
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(self.public)}
        return {"kty": "EC", "crv": "P-256", "x": b64(self.public[1:33]), "y": b64(self.public[33:])}


WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
KEYS = [Key(n) for n in range(12)]
ISSUERS = {hashlib.sha256(k.public).hexdigest()[:16]: k for k in (Key(100), Key(101))}
KIDS = sorted(ISSUERS)
EVERY_KEY = {k.number: k for k in (*KEYS, *ISSUERS.values())}


@functools.lru_cache(maxsize=1 << 14)
def sign(number: int, message: bytes) -> bytes:
    """64 bytes by the key of that number: deterministic, s in its low half."""
    private = EVERY_KEY[number].private
    if number % 2 == 0:
        return bytes(private.sign(message))
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")


@dataclass(frozen=True)
class Raw:
    """JSON that stands in a claim's place as it is."""

    text: str


ODD: list[Any] = [
    *(True, False, 0, 1, 8, 9, 2**31 - 1, 2**31, 2**40 - 1, 2**40, 2**53 + 1, 2**63, 2**64, 10**30),
    *(
        "",
        "x",
        "0",
        "read",
        "MASKED",
        [],
        ["x"],
        [1],
        [None],
        [["C1"]],
        {},
        {"a": 1},
        {"jwk": {}},
        ["C1", "C1"],
    ),
    *map(Raw, ("-0", "-1", "1.0", "1e3", "1E400", "01", "+1", "0x1", "NaN", "Infinity", ".5", "1.", "null")),
    *map(
        Raw, ('"\\ud800"', '"\\ude00\\ud83d"', '"a\tb"', '"\\x41"', "'x'", "1" * 25, "[1,]", "[" * 40, "tru")
    ),
    Raw("9" * 4400),
]
ODD_TEXTS = [
    *(
        "\x00",
        "\x1f",
        " ",
        "\x7f",
        "\x9f",
        "\xa0",
        "\u200a",
        "\u200b",
        "\u200f",
        "\u2010",
        "\u2027",
        "\u2028",
    ),
    *(
        "\u202e",
        "\u202f",
        "\u205f",
        "\u2060",
        "\u2069",
        "\u206a",
        "\ufeff",
        "\uffff",
        "\U0001f600",
        "x" * 255,
    ),
    *(
        "\U00010000" * 256,
        "x" * 256,
        "x" * 257,
        "a\nb",
        "é",
        "e\u0301",
        "\ud800",
        "\U000e0001",
        "\xad",
        "\u061c",
    ),
]


@dataclass
class Link:
    """A link, or a request proof, before it is written.

    Attributes:
        header: The header's members.
        claims: The payload's members; `par` of None is computed.
        key: The number of the key that signs.
        extra: Further members, as JSON text, at the end of the payload.
        spell: How the payload's JSON is written; `spell_head` the header's.
        twist: What becomes of the payload's bytes; `twist_head` of the header's.
        resign: What becomes of the signature.
    """

    header: dict[str, Any]
    claims: dict[str, Any]
    key: int
    extra: list[str] = field(default_factory=list)
    spell: random.Random | None = None
    spell_head: random.Random | None = None
    twist: Callable[[bytes], bytes] = bytes
    twist_head: Callable[[bytes], bytes] = bytes
    resign: Callable[[bytes, bytes], bytes] = lambda signature, _message: signature

    def text(self, before: str) -> str:
        """The compact JWS; `before` is the token's text up to here."""
        claims = {
            n: hash64(before.encode()) if n == "par" and v is None else v for n, v in self.claims.items()
        }
        body = written(claims, self.spell)
        body = body[:-1] + "".join(("," if claims else "") + more for more in self.extra) + "}"
        payload = self.twist(body.encode("utf-8", "surrogatepass"))
        head = self.twist_head(written(self.header, self.spell_head).encode("utf-8", "surrogatepass"))
        message = f"{b64(head)}.{b64(payload)}"
        return f"{message}.{b64(self.resign(sign(self.key, message.encode()), message.encode()))}"


@dataclass
class Case:
    """What both verifiers are asked."""

    links: list[Link]
    now: int = (START + 100) * SECOND
    audience: frozenset[str] = frozenset({"masked", "clear"})
    tenant: str = TENANT
    origin: str = ORIGIN
    after: list[Callable[[str], str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def token(self) -> str:
        """The token's text."""
        text = ""
        for link in self.links:
            text += ("~" if text else "") + link.text(text)
        for change in self.after:
            text = change(text)
        return text


def written(value: Any, rng: random.Random | None) -> str:
    """A value as JSON; with `rng`, in one of its other spellings: order, white space, escapes."""
    if isinstance(value, Raw):
        return value.text
    if rng is None:
        with contextlib.suppress(TypeError):  # json writes no Raw: then piece by piece
            return WRITER.encode(value)

    def gap() -> str:
        return rng.choice(("", "", " ", "\n\t", "\r ")) if rng else ""

    if isinstance(value, dict):
        pairs = list(value.items())
        if rng:
            rng.shuffle(pairs)
        inner = ",".join(f"{gap()}{written(n, rng)}{gap()}:{gap()}{written(v, rng)}{gap()}" for n, v in pairs)
        return "{" + (inner or gap()) + "}"
    if isinstance(value, list):
        return "[" + (",".join(f"{gap()}{written(v, rng)}{gap()}" for v in value) or gap()) + "]"
    if isinstance(value, str) and rng:
        return '"' + "".join(escaped(c, rng) for c in value) + '"'
    return json.dumps(value, ensure_ascii=False)


def escaped(character: str, rng: random.Random) -> str:
    """One character of a string, sometimes as an escape it doesn't need."""
    if rng.random() < 0.8:
        return WRITER.encode(character)[1:-1] if character < " " or character in '"\\' else character
    if character == "/":
        return "\\/"
    units = character.encode("utf-16-be", "surrogatepass").hex()
    units = units.upper() if rng.random() < 0.5 else units
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


# --- good ones -----------------------------------------------------------------------------------


def some(rng: random.Random, things: tuple[str, ...], least: int = 1) -> list[str]:
    """Some of them, in some order."""
    return rng.sample(things, rng.randint(least, len(things)))


def limits(rng: random.Random) -> dict[str, Any]:
    """The claims that any link may leave out."""
    fields = {n: rng.choice(VIEWS) for n in some(rng, ("name", "phone", "id_number", "city_2"))}
    all_of = {
        "fields": fields,
        "cases": some(rng, ("C1", "C2", "案件-3", "")),
        "max_uses": rng.choice((1, 5, 2**31 - 1)),
        "ticket": rng.choice(("T-7", "工单 12", "a/b \U0001f600")),
    }
    return {name: value for name, value in all_of.items() if rng.random() < 0.6}


def common(rng: random.Random, place: int, depth: int) -> dict[str, Any]:
    """The claims that every link must have."""
    jti = hashlib.sha256(b"%d %d" % (rng.getrandbits(64), place)).digest()[:16]
    iat = START - rng.randint(0, 50)
    times = {"iat": iat, "nbf": START - rng.choice((0, 0, 1)), "exp": START + rng.randint(200, 900)}
    times["iat"] = min(times["iat"], times["nbf"])
    return {**times, "jti": b64(jti), "dlg": rng.randint(depth, 8)}


def good(rng: random.Random, length: int) -> list[Link]:
    """A chain of that many links that a verifier takes."""
    kid = rng.choice(KIDS)
    issuer, holders = ISSUERS[kid], rng.sample(KEYS, length)
    access = {
        "iss": ORIGIN,
        "tenant": TENANT,
        "sub": rng.choice(("p-1", "员工-2")),
        "role": rng.choice(ROLES),
        "purpose": rng.choice(PURPOSES),
        "pol": rng.choice(("0", "ab")) * 64,
        "actions": some(rng, ACTIONS),
        "aud": some(rng, ("masked", "clear")),
    }
    access["pol"] = str(access["pol"])[:64]
    chain = []
    for place, holder in enumerate(holders):
        claims = {**common(rng, place, length - 1 - place), "cnf": {"jwk": holder.jwk}, **limits(rng)}
        if place == 0:
            head = {"alg": issuer.alg, "kid": kid, "typ": "pv-at+jwt"}
            chain.append(Link(head, {**access, **claims}, issuer.number))
            continue
        signer = holders[place - 1]
        may = {"actions": some(rng, ACTIONS, 0), "aud": ["masked", "clear"]}
        claims |= {name: value for name, value in may.items() if rng.random() < 0.5}
        chain.append(Link({"alg": signer.alg, "typ": "pv-dl+jwt"}, {"par": None, **claims}, signer.number))
    return chain


@functools.cache
def corpus() -> list[list[Link]]:
    """Ninety-six good chains of one to four links."""
    rng = random.Random("corpus")  # noqa: S311  (no secret: the same tokens in every run)
    return [good(rng, 1 + n % 4) for n in range(96)]


def fresh(rng: random.Random) -> Case:
    """A case of its own of the corpus; shorter chains come more often, they are quicker."""
    chains = corpus()
    chain = chains[rng.randrange(0, len(chains), 4) + min(rng.randrange(4), rng.randrange(4))]
    return Case([Link(dict(k.header), dict(k.claims), k.key) for k in chain])


def pick(case: Case, rng: random.Random) -> Link:
    """One of its links, the last as often as all others."""
    return case.links[-1] if rng.random() < 0.5 else rng.choice(case.links)


# --- request proofs ------------------------------------------------------------------------------


@dataclass
class Request(Case):
    """A request proof, as the one link, and the request it came with."""

    token_text: str = ""
    holder: int = 0
    method: str = "POST"
    url: str = ""
    body: bytes = b""
    window: int = 60 * SECOND


URLS = (
    *("https://vault.example/v1/read", "http://127.0.0.1:8443/v1/find", "https://[::1]:9/a/b/c", "http://h"),
    *("https://vault.example/v1/%E6%A1%88/x~y", "https://a.b-c_d/%2Fa/;p=1,2/@:!$&'()*+", "http://h/a//b/"),
)


def request(rng: random.Random) -> Request:
    """A request with a proof that a verifier takes."""
    own, token, body = rng.choice(KEYS), written(rng.choice(corpus())[0].claims, None), rng.randbytes(3)
    method, url, iat = rng.choice(("POST", "GET", "A" * 32)), rng.choice(URLS), START + rng.randint(-40, 40)
    claims = {"jti": b64(rng.randbytes(16)), "htm": method, "htu": url, "iat": iat}
    claims |= {"ath": hash64(token.encode()), "bh": hash64(body)}
    link = Link({"typ": "dpop+jwt", "alg": own.alg, "jwk": own.jwk}, claims, own.number)
    more: dict[str, Any] = {"token_text": token, "holder": own.number, "method": method}
    return Request([link], now=START * SECOND, url=url + rng.choice(("", "?q=1", "#f")), body=body, **more)
