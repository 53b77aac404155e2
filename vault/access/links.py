"""One link of a token: a JWS (RFC 7515, compact) of our own narrow profile, read strictly.

A link is refused unless there is one way only to write it: exact headers, no claim twice, none unknown,
canonical base64url (RFC 7515 2; RFC 4648 3.5), ECDSA in its low-s form. Counters and revocations go by a
link's digest, so a second spelling of the same link would be a second use. docs/formats/token.md is the
format.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any, Final, Literal, TypeAlias, TypeVar

import jwt
import msgspec

from vault.crypto.sign import SigningKey, public_jwt_key
from vault.errors import Denied, Invalid, Tampered
from vault.model import ACTIONS, PURPOSES, ROLES, Word

ACCESS_TYPE: Final = "pv-at+jwt"
DELEGATION_TYPE: Final = "pv-dl+jwt"
AUDIENCES: Final = frozenset({"masked", "clear"})
MAX_DEPTH: Final = 8
"""How many delegations a chain can hold."""

_JWS: Final = jwt.PyJWS(algorithms=["EdDSA", "ES256"])
_P256_HALF_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2
"""Half the order of P-256 (SEC 2, 2.4.2)."""
_KEY_SIZE: Final = 32
_JTI: Final = re.compile(r"[A-Za-z0-9_-]{22}")
FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
TEXT_LIMIT: Final = 256
_LATEST: Final = 1 << 40
_USES_LIMIT: Final = 1 << 31

FieldView: TypeAlias = Literal["MASKED", "CLEAR"]


class Confirmation(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who must sign next: `cnf` (RFC 7800) with a JWK (RFC 7517; OKP by RFC 8037)."""

    jwk: dict[str, str]


class Access(Word, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The claims of link 0, signed by the vault's issuer key. Times are NumericDate in whole seconds."""

    iss: str
    sub: str
    tenant: str
    role: str
    purpose: str
    actions: list[str]
    aud: list[str]
    iat: int
    nbf: int
    exp: int
    jti: str
    dlg: int
    cnf: Confirmation
    pol: str
    fields: dict[str, FieldView] | None = None
    cases: list[str] | None = None
    max_uses: int | None = None
    ticket: str = ""


class Delegation(Word, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The claims of link n, signed by the holder named in link n-1; a claim left out narrows nothing."""

    par: str
    iat: int
    nbf: int
    exp: int
    jti: str
    dlg: int
    cnf: Confirmation
    actions: list[str] | None = None
    aud: list[str] | None = None
    fields: dict[str, FieldView] | None = None
    cases: list[str] | None = None
    max_uses: int | None = None


_Claims = TypeVar("_Claims", Access, Delegation)


class PublicKey:
    """A key that may sign a link, with the one algorithm it signs by: never the header's choice."""

    __slots__ = ("algorithm", "key", "raw")

    def __init__(self, algorithm: str, key: Any, raw: bytes) -> None:
        self.algorithm = algorithm
        self.key = key
        self.raw = raw


def refused(why: str) -> Denied:
    """The refusal of a token that isn't authentic or not well made; holds no part of it."""
    return Denied(f"token: {why}", code="token_invalid", remedy="ask for a new token")


def key_id(public: bytes) -> str:
    """The `kid` of an issuer key: the first 16 hex digits of SHA-256 over the raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def b64(data: bytes) -> str:
    """base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of canonical base64url.

    Raises:
        Denied: Any other spelling: padding, foreign characters, spare bits set.
    """
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raise refused("not base64url") from None
    if b64(data) != text:
        raise refused("base64url is not canonical")
    return data


def okp(public: bytes) -> Confirmation:
    """The confirmation that names an Ed25519 key (RFC 8037 2)."""
    return Confirmation(jwk={"kty": "OKP", "crv": "Ed25519", "x": b64(public)})


def ed25519(public: bytes) -> PublicKey:
    """An Ed25519 key, raw 32 bytes, as a link's verification key."""
    try:
        return PublicKey("EdDSA", public_jwt_key(public), public)
    except Tampered:
        raise refused("no usable key") from None


def confirmed(cnf: Confirmation) -> PublicKey:
    """The key that a confirmation names: Ed25519, or ECDSA on P-256.

    Raises:
        Denied: Any other key, a further member, or a point that isn't on the curve.
    """
    jwk = cnf.jwk
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519" if set(jwk) == {"kty", "crv", "x"}:
            return ed25519(_coordinate(jwk["x"]))
        case "EC", "P-256" if set(jwk) == {"kty", "crv", "x", "y"}:
            raw = b"\x04" + _coordinate(jwk["x"]) + _coordinate(jwk["y"])
            try:
                return PublicKey("ES256", jwt.PyJWK.from_dict(jwk, algorithm="ES256").key, raw)
            except (jwt.PyJWTError, ValueError):
                raise refused("no usable key") from None
    raise refused("cnf is neither Ed25519 nor P-256")


def _coordinate(text: str) -> bytes:
    data = unb64(text)
    if len(data) != _KEY_SIZE:
        raise refused("key of a wrong size")
    return data


def sign(claims: Access | Delegation, key: SigningKey) -> str:
    """Write a link; the same claims and key give the same text (Ed25519 is deterministic).

    Raises:
        Invalid: A claim holds a lone surrogate; a link with it would be refused (RFC 7493 2.1).
    """
    if isinstance(claims, Access):
        headers = {"typ": ACCESS_TYPE, "kid": key_id(key.public)}
    else:
        headers = {"typ": DELEGATION_TYPE}
    try:
        payload = msgspec.json.encode(claims)
    except UnicodeEncodeError:
        raise Invalid(
            "a claim is not text in UTF-8", code="invalid_limits", remedy="give every claim as proper text"
        ) from None
    return _JWS.encode(payload, key.jwt_key, algorithm="EdDSA", headers=headers)


def issuer_id(text: str) -> str:
    """The `kid` that an access link claims: to look a key up by, and for nothing else."""
    kid = _strict_json(unb64(text.partition(".")[0])).get("kid")
    if not isinstance(kid, str):
        raise refused("no kid")
    return kid


def open_access(text: str, key: PublicKey) -> Access:
    """Link 0, if `key` signed it.

    Raises:
        Denied: `token_invalid`, whatever is wrong with it.
    """
    claims = _opened(text, key, {"alg": key.algorithm, "typ": ACCESS_TYPE, "kid": key_id(key.raw)}, Access)
    if claims.role not in ROLES or claims.purpose not in PURPOSES:
        raise refused("role or purpose outside the vocabulary")
    if not all(0 < len(s) <= TEXT_LIMIT for s in (claims.iss, claims.sub, claims.tenant)):
        raise refused("an empty or overlong claim")
    return claims


def open_delegation(text: str, key: PublicKey) -> Delegation:
    """Link n, if `key` signed it; the caller compares `par`.

    Raises:
        Denied: `token_invalid`, whatever is wrong with it.
    """
    return _opened(text, key, {"alg": key.algorithm, "typ": DELEGATION_TYPE}, Delegation)


def peek(text: str, claims: type[_Claims]) -> _Claims:
    """A link's claims without its signature: for a holder who narrows offline and can't be lied to by it."""
    parts = text.split(".")
    if len(parts) != 3:  # noqa: PLR2004 a compact JWS has three parts (RFC 7515 7.1)
        raise refused("not a compact JWS")
    return _claims(_strict_json(unb64(parts[1])), claims)


def _opened(text: str, key: PublicKey, headers: dict[str, str], claims: type[_Claims]) -> _Claims:
    """A link's claims, after header, encoding and signature; `jwk`, `x5c`, `crit` are no headers of ours."""
    parts = text.split(".")
    if len(parts) != 3 or _strict_json(unb64(parts[0])) != headers:  # noqa: PLR2004 as in peek
        raise refused("not of the profile's form")
    payload, signature = unb64(parts[1]), unb64(parts[2])
    if key.algorithm == "ES256" and int.from_bytes(signature[_KEY_SIZE:]) > _P256_HALF_ORDER:
        raise refused("ECDSA signature is not in low-s form")
    try:
        _JWS.decode_complete(text, key.key, algorithms=[key.algorithm])
    except (jwt.PyJWTError, ValueError):
        raise refused("signature does not verify") from None
    return _claims(_strict_json(payload), claims)


def _strict_json(raw: bytes) -> dict[str, Any]:
    """A JSON object in which no name comes twice at any level (RFC 8259 4 leaves that open; we don't).

    Nor an escaped lone surrogate (RFC 7493 2.1): it has no UTF-8, so no store or log could take it.
    """
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise refused("not strict JSON") from None
    if not isinstance(found, dict):
        raise refused("not a JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(_name: str) -> Any:
    raise ValueError


def _claims(payload: dict[str, Any], into: type[_Claims]) -> _Claims:
    if any(value is None for value in payload.values()):
        raise refused("a claim is null")
    try:
        claims = msgspec.convert(payload, into)
    except msgspec.ValidationError:
        raise refused("claims are not of the profile") from None
    _check_limits(claims)
    _check_times(claims)
    return claims


def _check_limits(claims: Access | Delegation) -> None:
    """Closed vocabularies; no list names a thing twice."""
    for names, allowed in (
        (claims.actions, frozenset(ACTIONS)),
        (claims.aud, AUDIENCES),
        (claims.cases, None),
    ):
        if names is None:
            continue
        if len(set(names)) != len(names) or (allowed is not None and not allowed.issuperset(names)):
            raise refused("a list repeats itself or leaves its vocabulary")
    if claims.fields is not None and not all(map(FIELD.fullmatch, claims.fields)):
        raise refused("no field name")
    if claims.max_uses is not None and not 0 < claims.max_uses < _USES_LIMIT:
        raise refused("max_uses out of range")
    if not 0 <= claims.dlg <= MAX_DEPTH:
        raise refused("dlg out of range")


def _check_times(claims: Access | Delegation) -> None:
    if not 0 <= claims.iat <= claims.nbf < claims.exp < _LATEST:
        raise refused("times out of order")
    if not _JTI.fullmatch(claims.jti):
        raise refused("jti is not 16 bytes of base64url")
