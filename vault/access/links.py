"""One link of a token: a JWS (RFC 7515, compact) of our own narrow profile, read strictly.

A link is refused unless there is one way only to write it: exact headers, no claim twice, none unknown,
canonical base64url (RFC 7515 2; RFC 4648 3.5), ECDSA in its low-s form. Counters and revocations go by a
link's digest, so a second spelling of the same link would be a second use. docs/formats/token.md is the
format; `vault.access.strict` reads what links and request proofs have in common.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from vault.access import strict
from vault.access.strict import refused
from vault.crypto.sign import Signer, b64
from vault.errors import Denied, Invalid
from vault.model import ACTIONS, PURPOSES, ROLES, Word

ACCESS_TYPE: Final = "pv-at+jwt"
DELEGATION_TYPE: Final = "pv-dl+jwt"
AUDIENCES: Final = frozenset({"masked", "clear"})
MAX_DEPTH: Final = 8
"""How many delegations a chain can hold."""
MAX_SIZE: Final = 8192
"""Bytes of a token's text: what common proxies still take as a header."""

_POLICY: Final = re.compile(r"[0-9a-f]{64}")
FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
TEXT_LIMIT: Final = 256
_HIDDEN: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]")
"""Controls, line ends, and what turns or hides text: a reason is read by people."""
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
    ticket: str | None = None


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
    ticket: str | None = None


_Claims = TypeVar("_Claims", Access, Delegation)


def key_id(public: bytes) -> str:
    """The `kid` of an issuer key: the first 16 hex digits of SHA-256 over the raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def split(text: str) -> list[str]:
    """The links' texts of a token's.

    Raises:
        Denied: It isn't ASCII, is overlong, or has more links than a chain can.
    """
    if not text.isascii() or len(text) > MAX_SIZE:
        raise refused(f"not ASCII, or over {MAX_SIZE} bytes")
    texts = text.split("~")
    if len(texts) > MAX_DEPTH + 1:
        raise refused("too many links")
    return texts


def parent(text: str) -> str:
    """The `par` of a link that is to stand behind this text."""
    return b64(hashlib.sha256(text.encode()).digest())


def expired() -> Denied:
    """The refusal of a token whose time is over."""
    return Denied("token: expired", code="token_expired", remedy="ask for a new token")


def confirmation(public: bytes) -> Confirmation:
    """The confirmation that names a raw public key of either kind."""
    return Confirmation(jwk=strict.jwk(public))


def confirmed(cnf: Confirmation) -> bytes:
    """The raw public key that a confirmation names: Ed25519 (32 bytes), or P-256 (65).

    Raises:
        Denied: Any other key, a further member, or a point that isn't on the curve.
    """
    return strict.jwk_key(cnf.jwk)


def sign(claims: Access | Delegation, key: Signer) -> str:
    """Write a link; the same claims and key give the same text, as signatures are deterministic.

    Raises:
        Invalid: A claim holds a lone surrogate; a link with it would be refused (RFC 7493 2.1).
    """
    if isinstance(claims, Access):
        header: dict[str, Any] = {"typ": ACCESS_TYPE, "kid": key_id(key.public)}
    else:
        header = {"typ": DELEGATION_TYPE}
    try:
        payload = msgspec.json.encode(claims)
    except UnicodeEncodeError:
        raise Invalid(
            "a claim is not text in UTF-8", code="invalid_limits", remedy="give every claim as proper text"
        ) from None
    return strict.signed(header, payload, key)


def issuer_id(text: str) -> str:
    """The `kid` that an access link claims: to look a key up by, and for nothing else."""
    kid = strict.json_object(strict.unb64(text.partition(".")[0])).get("kid")
    if not isinstance(kid, str):
        raise refused("no kid")
    return kid


def open_access(text: str, public: bytes) -> Access:
    """Link 0, if the raw key `public` signed it.

    Raises:
        Denied: `token_invalid`, whatever is wrong with it.
    """
    payload = strict.opened(text, {"typ": ACCESS_TYPE, "kid": key_id(public)}, public)
    return _claims(payload, Access)


def open_delegation(text: str, public: bytes) -> Delegation:
    """Link n, if the raw key `public` signed it; the caller compares `par`.

    Raises:
        Denied: `token_invalid`, whatever is wrong with it.
    """
    return _claims(strict.opened(text, {"typ": DELEGATION_TYPE}, public), Delegation)


def peek(text: str, claims: type[_Claims]) -> _Claims:
    """A link's claims without its signature: for a holder who narrows offline and can't be lied to by it."""
    return _claims(strict.json_object(strict.unb64(strict.parts(text)[1])), claims)


def is_reason(text: str) -> bool:
    """Whether a text can stand as a ticket: 1 to 256 characters, none that people can't see."""
    return 0 < len(text) <= TEXT_LIMIT and not _HIDDEN.search(text)


def _claims(payload: dict[str, Any], into: type[_Claims]) -> _Claims:
    claims = strict.converted(payload, into)
    if isinstance(claims, Access):
        _check_access(claims)
    _check_limits(claims)
    _check_times(claims)
    return claims


def _check_access(claims: Access) -> None:
    if claims.role not in ROLES or claims.purpose not in PURPOSES:
        raise refused("role or purpose outside the vocabulary")
    if not all(0 < len(s) <= TEXT_LIMIT for s in (claims.iss, claims.sub, claims.tenant)):
        raise refused("an empty or overlong claim")
    if not _POLICY.fullmatch(claims.pol):
        raise refused("pol is no hash")


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
    if claims.ticket is not None and not is_reason(claims.ticket):
        raise refused("ticket is not a short line of text")


def _check_times(claims: Access | Delegation) -> None:
    if not 0 <= claims.iat <= claims.nbf < claims.exp < _LATEST:
        raise refused("times out of order")
    strict.random_id(claims.jti)
