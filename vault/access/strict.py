"""What links and request proofs have in common: compact JWS (RFC 7515) that can be written in one way only.

docs/formats/token.md 1 and 2 are the rules. Whatever is wrong is refused as `token_invalid`, and nothing of
the text is repeated.
"""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

import msgspec

from vault.crypto import sign
from vault.crypto.sign import Signer, b64, check_public, verify
from vault.errors import Denied, Invalid, Tampered
from vault.model import Word

JTI_SIZE: Final = 16
_PARTS: Final = 3
_COORDINATE: Final = 32
_W = TypeVar("_W", bound=Word)


def refused(why: str) -> Denied:
    """The refusal of a token that isn't authentic or not well made; holds no part of it."""
    return Denied(f"token: {why}", code="token_invalid", remedy="ask for a new token")


def unb64(text: str) -> bytes:
    """The bytes of canonical base64url.

    Raises:
        Denied: Any other spelling: padding, foreign characters, spare bits set.
    """
    try:
        return sign.unb64(text)
    except Invalid:
        raise refused("not canonical base64url") from None


def random_id(text: str) -> bytes:
    """The 16 bytes of a `jti`.

    Raises:
        Denied: Not base64url of 16 bytes.
    """
    raw = unb64(text)
    if len(raw) != JTI_SIZE:
        raise refused("jti is not 16 bytes of base64url")
    return raw


def algorithm(public: bytes) -> str:
    """The one JOSE algorithm of a raw public key, by its kind (RFC 7518 3.4; RFC 8037 3.1)."""
    return "EdDSA" if len(public) == _COORDINATE else "ES256"


def jwk(public: bytes) -> dict[str, str]:
    """A raw public key as JWK (RFC 7517; RFC 7518 6.2.1; RFC 8037 2), its members in the thumbprint's set."""
    if len(public) == _COORDINATE:
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
    return {"kty": "EC", "crv": "P-256", "x": b64(public[1:33]), "y": b64(public[33:])}


def jwk_key(members: dict[str, Any]) -> bytes:
    """The raw public key of a JWK.

    Raises:
        Denied: Any other key, a member more or less, a value that is no key.
    """
    match members:
        case {"kty": "OKP", "crv": "Ed25519", "x": str(x)} if len(members) == 3:  # noqa: PLR2004 the three named
            raw = _coordinate(x)
        case {"kty": "EC", "crv": "P-256", "x": str(x), "y": str(y)} if len(members) == 4:  # noqa: PLR2004 likewise
            raw = b"\x04" + _coordinate(x) + _coordinate(y)
        case _:
            raise refused("a key is neither Ed25519 nor P-256")
    try:
        check_public(raw)
    except Invalid:
        raise refused("no usable key") from None
    return raw


def _coordinate(text: str) -> bytes:
    data = unb64(text)
    if len(data) != _COORDINATE:
        raise refused("key of a wrong size")
    return data


def signed(header: dict[str, Any], payload: bytes, key: Signer) -> str:
    """A compact JWS by `key`, whose algorithm joins the header."""
    head = msgspec.json.encode({"alg": algorithm(key.public), **header}, order="sorted")
    text = f"{b64(head)}.{b64(payload)}"
    return f"{text}.{b64(key.sign(text.encode()))}"


def parts(text: str) -> list[str]:
    """The three parts of a compact JWS (RFC 7515 7.1)."""
    found = text.split(".")
    if len(found) != _PARTS:
        raise refused("not a compact JWS")
    return found


def opened(text: str, header: dict[str, Any], public: bytes) -> dict[str, Any]:
    """The payload of a JWS with exactly this header and `alg`, signed by the raw key `public`.

    Raises:
        Denied: Anything else, `jwk`, `x5c` or `crit` in the header included.
    """
    head, payload, signature = parts(text)
    if json_object(unb64(head)) != {"alg": algorithm(public), **header}:
        raise refused("not of the profile's form")
    try:
        verify(public, unb64(signature), f"{head}.{payload}".encode())
    except Tampered:
        raise refused("signature does not verify") from None
    return json_object(unb64(payload))


def converted(payload: dict[str, Any], into: type[_W]) -> _W:
    """The claims as their type.

    Raises:
        Denied: One is unknown, missing, null or of another type.
    """
    if any(value is None for value in payload.values()):
        raise refused("a claim is null")
    try:
        return msgspec.convert(payload, into)
    except msgspec.ValidationError:
        raise refused("claims are not of the profile") from None


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object in which no name comes twice at any level (RFC 8259 4 leaves that open; we don't).

    Nor an escaped lone surrogate (RFC 7493 2.1): it has no UTF-8, so no store or log could take it. Numbers
    are whole and have no sign: what one reader takes for 1 another may not.

    Raises:
        Denied: Anything else.
    """
    try:
        found = json.loads(
            raw.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_no_number,
            parse_int=_whole,
        )
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


def _whole(digits: str) -> int:
    if digits.startswith("-"):
        raise ValueError
    return int(digits)


def _no_number(_name: str) -> Any:
    raise ValueError
