"""A second verifier of purpose tokens, written from docs/formats/token.md alone.

Nothing of the vault is imported: the standard library and `cryptography` are all it needs. The section that
a rule comes from stands beside it in brackets. It is made to be read next to the page, rule after rule, and
compared with the vault's own verifier. Section 1's text, base64url and JSON are in second_reading.py.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from second_reading import INVALID, Refused, hash64, need, read_object, refuse, to_base64, unbase64

EXPIRED, AUDIENCE = "token_expired", "audience_denied"

TOKEN_BYTES, LINKS, PROOF_BYTES = 8192, 9, 4096  # (1), (6)
SECOND = 1_000_000  # µs (5)
WINDOW = 60 * SECOND  # (6)


HIDDEN_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


# --- 2. Keys and signatures ------------------------------------------------------------------------

P = 2**255 - 19
SMALL_ORDER = {0, 1, P - 1} | {
    int(y, 16)
    for y in (
        "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
        "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
    )
}
# NIST SP 800-186, 3.2.1.3: the field, the curve's b and the order of P-256.
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
B256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def key(raw: bytes) -> bytes:
    """A raw public key that may be named (2): its length tells its kind."""
    if len(raw) == 32:
        y = int.from_bytes(raw, "little") & (2**255 - 1)
        need(y < P and y not in SMALL_ORDER, "2: an Ed25519 key anyone could sign for")
        return raw
    need(len(raw) == 65 and raw[0] == 4, "2: neither kind of key")
    x, y = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    need(x < P256 and y < P256 and (y * y - (x * x * x - 3 * x + B256)) % P256 == 0, "2: not on P-256")
    return raw


def jwk(value: object) -> bytes:
    """A JWK with exactly the members of the table (2), as raw key."""
    if not isinstance(value, dict):
        refuse("2: no JWK")
    kind = value.get("kty"), value.get("crv")
    if kind == ("OKP", "Ed25519"):
        need(set(value) == {"kty", "crv", "x"}, "2: other members in the JWK")
        return key(unbase64(value["x"], 32))
    need(kind == ("EC", "P-256") and set(value) == {"kty", "crv", "x", "y"}, "2: neither kind of JWK")
    return key(b"\x04" + unbase64(value["x"], 32) + unbase64(value["y"], 32))


def alg(raw: bytes) -> str:
    """The kind fixes `alg` (2)."""
    return "EdDSA" if len(raw) == 32 else "ES256"


@functools.lru_cache(maxsize=4096)  # pure: the same three byte strings are always judged alike
def signed(raw: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key signed the message (2)."""
    if len(signature) != 64:
        return False
    try:
        if len(raw) == 32:
            ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
            return True
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not (0 < r < N256 and 0 < s <= (N256 - 1) // 2):
            return False
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


# --- 3. The chain ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """What a verifier has: its log's origin, tenant, issuer keys by kid, closed lists, audience (3, 5)."""

    origin: str
    tenant: str
    issuers: Mapping[str, bytes]
    roles: frozenset[str]
    purposes: frozenset[str]
    actions: frozenset[str]
    audience: frozenset[str]


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what is signed, and the signature of one compact JWS (1)."""
    need(text.count(".") == 2, "1: not three parts")
    header, claims, signature = map(unbase64, text.split("."))
    return read_object(header), read_object(claims), text.rpartition(".")[0].encode(), signature


EVERY = {"iat", "nbf", "exp", "dlg", "jti", "cnf"}
ACCESS = EVERY | {"iss", "tenant", "sub", "role", "purpose", "pol", "actions", "aud"}
FREE = {"fields", "cases", "max_uses", "ticket"}


def fits(name: str, value: Any, node: Node) -> bool:  # noqa: PLR0911  (one line for each line of the table)
    """Whether a claim has the type and range of the table (3)."""
    match name:
        case "cnf":
            return isinstance(value, dict) and value.keys() == {"jwk"} and bool(jwk(value["jwk"]))
        case "fields":
            return isinstance(value, dict) and all(
                re.fullmatch("[a-z][a-z0-9_]{0,31}", n) and v in ("MASKED", "CLEAR") for n, v in value.items()
            )
        case "actions" | "aud" | "cases":
            known = {"actions": node.actions, "aud": {"masked", "clear"}, "cases": None}[name]
            texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return texts and len(set(value)) == len(value) and (known is None or known.issuperset(value))
        case "iat" | "nbf" | "exp" | "dlg" | "max_uses":
            low, high = {"dlg": (0, 8), "max_uses": (1, 2**31 - 1)}.get(name, (0, 2**40 - 1))
            return type(value) is int and low <= value <= high
    text = isinstance(value, str) and 1 <= len(value) <= 256
    match name:
        case "role" | "purpose":
            return text and value in (node.roles if name == "role" else node.purposes)
        case "ticket":
            return text and not HIDDEN_CHARACTERS.search(value)
        case "pol":
            return text and bool(re.fullmatch("[0-9a-f]{64}", value))
        case "jti":
            return len(unbase64(value)) == 16
    return text  # iss, tenant, sub; par is compared


def check_claims(claims: Mapping[str, Any], node: Node, *, first: bool) -> None:
    """The table of claims (3), for link 0 or a delegation. A null has none of the types."""
    must = ACCESS if first else EVERY | {"par"}
    need(must <= claims.keys() <= must | FREE | ({"actions", "aud"}), "3: claims missing or unknown")
    for name, value in claims.items():
        need(fits(name, value, node), f"3: {name}")
    need(claims["iat"] <= claims["nbf"] < claims["exp"], "3: iat ≤ nbf < exp")
    if first:
        need(
            claims["iss"] == node.origin and claims["tenant"] == node.tenant, "5: another vault's or tenant's"
        )


def check_chain(token: str, node: Node) -> list[tuple[str, dict[str, Any]]]:
    """Each link's text and claims: well-formed, signed by whom the link before named, bound by `par` (3)."""
    need(token.isascii() and len(token) <= TOKEN_BYTES, "1: not ASCII, or too long")
    texts = token.split("~")
    need(len(texts) <= LINKS, "1: too many links")
    chain: list[tuple[str, dict[str, Any]]] = []
    signer = b""
    for n, text in enumerate(texts):
        header, claims, message, signature = parts(text)
        if n == 0:
            kid = header.get("kid")
            need(isinstance(kid, str) and kid in node.issuers, "3: no issuer key of that kid")
            signer = key(node.issuers[str(kid)])
            need(header == {"alg": alg(signer), "kid": kid, "typ": "pv-at+jwt"}, "3: the header of link 0")
        else:
            need(header == {"alg": alg(signer), "typ": "pv-dl+jwt"}, f"3: the header of link {n}")
        need(signed(signer, message, signature), f"2: the signature of link {n}")
        check_claims(claims, node, first=n == 0)
        need(
            n == 0 or claims["par"] == hash64("~".join(texts[:n]).encode()),
            f"3: link {n} isn't of this chain",
        )
        chain.append((text, claims))
        signer = jwk(claims["cnf"]["jwk"])
    need(len({claims["jti"] for _, claims in chain}) == len(chain), "3: a jti twice")
    return chain


# --- 4. What it allows -----------------------------------------------------------------------------


def both(have: set[str] | None, claim: Sequence[str] | None) -> set[str] | None:
    """The intersection, where what is absent narrows nothing (4)."""
    if claim is None:
        return have
    return set(claim) if have is None else have & set(claim)


def lower(have: dict[str, str] | None, claim: dict[str, str] | None) -> dict[str, str] | None:
    """Fields in both, each at the lower view (4)."""
    if claim is None or have is None:
        return claim if have is None else have
    return {name: max(have[name], claim[name]) for name in have.keys() & claim.keys()}  # "CLEAR" < "MASKED"


def effective(chain: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The grant, in the words of the vectors (4, 8); times in µs."""
    first = chain[0][1]
    actions, audience = both(None, first["actions"]), both(None, first["aud"])
    cases, fields, depth = both(None, first.get("cases")), lower(None, first.get("fields")), first["dlg"]
    for _, claims in chain[1:]:
        need(depth > 0, "4: handed on further than it may be")
        actions, audience = both(actions, claims.get("actions")), both(audience, claims.get("aud"))
        cases, fields = both(cases, claims.get("cases")), lower(fields, claims.get("fields"))
        depth = min(depth - 1, claims["dlg"])
    links = [
        {
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "max_uses": claims.get("max_uses"),
            "expires": claims["exp"] * SECOND,
            "ticket": claims.get("ticket", ""),
            "holder": to_base64(jwk(claims["cnf"]["jwk"])),
        }
        for text, claims in chain
    ]
    return {
        "tenant": first["tenant"],
        "principal": first["sub"],
        "role": first["role"],
        "purpose": first["purpose"],
        "policy": first["pol"],
        "issued": first["iat"] * SECOND,
        "ticket": first.get("ticket", ""),
        "actions": sorted(actions or ()),
        "audience": sorted(audience or ()),
        "fields": fields,
        "cases": None if cases is None else sorted(cases),
        "depth": depth,
        "not_before": max(claims["nbf"] for _, claims in chain) * SECOND,
        "expires": min(claims["exp"] for _, claims in chain) * SECOND,
        "holder": links[-1]["holder"],
        "links": links,
    }


# --- 5. Accept or refuse ---------------------------------------------------------------------------


def verify(token: str, node: Node, now: int) -> dict[str, Any]:
    """ACCEPT with the grant, or raise `Refused` (5). `now` is µs since 1970 UTC; there is no leeway."""
    grant = effective(check_chain(token, node))
    reasons = [INVALID] * (now < grant["not_before"]) + [EXPIRED] * (now >= grant["expires"])
    reasons += [AUDIENCE] * (not node.audience & set(grant["audience"]))
    if reasons:
        raise Refused("5: time or audience", *reasons)
    return grant


def public_of(private: str) -> bytes:
    """The raw public key of a private key's text (7)."""
    if not private.startswith("P-256."):
        seed = ed25519.Ed25519PrivateKey.from_private_bytes(unbase64(private, 32))
        return seed.public_key().public_bytes_raw()
    scalar = int.from_bytes(unbase64(private.removeprefix("P-256."), 32), "big")
    need(0 < scalar < N256, "7: no scalar of P-256")
    point = ec.derive_private_key(scalar, ec.SECP256R1()).public_key().public_numbers()
    return b"\x04" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")


def check_key(private: str, grant: Mapping[str, Any]) -> None:
    """Embedded use: the last holder's key lies beside the token (5, 7); who named another's key has none."""
    need(to_base64(public_of(private)) == grant["holder"], "5: not the last holder's key")


# --- 6. Request proof ------------------------------------------------------------------------------

URL = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/(?:%[0-9A-Fa-f]{2}|[!$&-;=@A-Z_a-z~])*)?)"
)
UNRESERVED = re.compile("[A-Za-z0-9._~-]")


def normal(url: object) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a URL in normal form (6)."""
    found = URL.fullmatch(url) if isinstance(url, str) and len(url) <= 2048 else None
    if not found:
        refuse("6: not a URL of this form")
    scheme, path = found["scheme"].lower(), found["path"]
    port = int(found["port"] or {"http": 80, "https": 443}[scheme])
    need(0 < port < 65536, "6: no such port")
    path = re.sub("%..", lambda escape: plain(escape[0]), path)
    return scheme, found["host"].lower(), port, without_dots(path) or "/"


def plain(escape: str) -> str:
    """The character itself where it is unreserved, the escape in upper case elsewhere (6)."""
    character = chr(int(escape[1:], 16))
    return character if UNRESERVED.fullmatch(character) else escape.upper()


def without_dots(path: str) -> str:
    """RFC 3986 5.2.4 for a path that is empty or begins with `/`: the steps A and D never arise."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for n, segment in enumerate(segments):
        if segment == "..":
            kept = kept[:-1]
        if segment not in (".", ".."):
            kept.append(segment)
        elif n == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def check_proof(
    proof: str,
    *,
    token: str,
    holder: bytes,
    method: str,
    url: str,
    body: bytes,
    now: int,
    window: int = WINDOW,
) -> str:
    """The proof's id in hex, or `Refused` (6). `holder` is the last link's raw key, times are µs."""
    need(proof.isascii() and len(proof) <= PROOF_BYTES, "6: not ASCII, or too long")
    header, claims, message, signature = parts(proof)
    need(set(header) == {"typ", "alg", "jwk"} and header["typ"] == "dpop+jwt", "6: the header")
    need(jwk(header["jwk"]) == key(holder) and header["alg"] == alg(holder), "6: another's key")
    need(signed(holder, message, signature), "6: the signature")
    need(claims.keys() == {"jti", "htm", "htu", "iat", "ath", "bh"}, "6: claims missing or unknown")
    need(type(claims["iat"]) is int and isinstance(claims["htm"], str), "6: iat or htm")
    need(re.fullmatch("[A-Z]{1,32}", claims["htm"]) and claims["htm"] == method, "6: another method")
    need(normal(claims["htu"]) == normal(url.partition("#")[0].partition("?")[0]), "6: another URL")
    need(abs(now - claims["iat"] * SECOND) <= min(window, WINDOW), "6: too old, or of the future")
    need(claims["ath"] == hash64(token.encode()) and claims["bh"] == hash64(body), "6: another token or body")
    return hashlib.sha256(holder + unbase64(claims["jti"], 16)).hexdigest()
