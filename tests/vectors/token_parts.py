"""What the token vectors are made of: keys of one repeated byte, and links written by hand, well or badly."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any, Final

from vault.crypto.sign import P256Key, Signer, SigningKey, b64, unb64

SECOND: Final = 1_000_000
START: Final = 1_790_000_000
"""Whole seconds at which everything is issued."""
NOW: Final = START * SECOND
ORIGIN: Final = "vault.example/main"
BOTH: Final = ("clear", "masked")
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n of P-256 (SEC 2, 2.4.2)."""
ED_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""L of Ed25519 (RFC 8032 5.1)."""
SEP: Final = (",", ":")


def key(number: int) -> SigningKey:
    """The Ed25519 key of a seed of one repeated byte."""
    return SigningKey.from_seed(bytes([number]) * 32)


def p256(number: int) -> P256Key:
    """The P-256 key of a scalar of one repeated byte."""
    return P256Key.from_scalar(bytes([number]) * 32)


ISSUER: Final = key(1)
EC_ISSUER: Final = p256(1)


def kid(public: bytes) -> str:
    """An issuer key's id."""
    return hashlib.sha256(public).hexdigest()[:16]


def digest(text: str | bytes) -> str:
    """base64url SHA-256."""
    return b64(hashlib.sha256(text.encode() if isinstance(text, str) else text).digest())


def jwk(public: bytes) -> dict[str, Any]:
    """A raw public key as JWK."""
    if len(public) == 32:
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
    return {"kty": "EC", "crv": "P-256", "x": b64(public[1:33]), "y": b64(public[33:])}


def alg(signer: Signer) -> str:
    """The algorithm of a key."""
    return "EdDSA" if len(signer.public) == 32 else "ES256"


def text_of(value: Any) -> bytes:
    """A value as compact JSON; bytes stay what they are."""
    return (
        value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, separators=SEP).encode()
    )


def jws(header: Any, payload: Any, signer: Signer) -> str:
    """A compact JWS that is really signed, whatever stands in it."""
    text = f"{b64(text_of(header))}.{b64(text_of(payload))}"
    return f"{text}.{b64(signer.sign(text.encode()))}"


def changed(claims: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Claims with changes; a change to `...` takes one out."""
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}


def access_claims(holder: Signer, **changes: Any) -> dict[str, Any]:
    """The claims of a good access link, changed."""
    claims = {
        "iss": ORIGIN, "sub": "p-1", "tenant": "main", "role": "collector", "purpose": "phone_collection",
        "actions": ["find", "read"], "aud": ["clear", "masked"], "iat": START, "nbf": START,
        "exp": START + 900, "jti": b64(bytes([2]) * 16), "dlg": 8, "cnf": {"jwk": jwk(holder.public)},
        "pol": "00" * 32,
    }  # fmt: skip
    return changed(claims, changes)


def access_header(**changes: Any) -> dict[str, Any]:
    """The header of a good access link, changed."""
    return changed({"alg": "EdDSA", "kid": kid(ISSUER.public), "typ": "pv-at+jwt"}, changes)


def access(holder: Signer | None = None, **changes: Any) -> str:
    """An access link by the issuer."""
    return jws(access_header(), access_claims(holder or key(2), **changes), ISSUER)


def child_claims(parent: str, holder: Signer, **changes: Any) -> dict[str, Any]:
    """The claims of a good delegation behind `parent`, changed; its jti tells its place."""
    place = parent.count("~") + 3
    claims = {
        "par": digest(parent), "iat": START, "nbf": START, "exp": START + 600,
        "jti": b64(bytes([place]) * 16),
        "dlg": max(0, 10 - place), "cnf": {"jwk": jwk(holder.public)},
    }  # fmt: skip
    return changed(claims, changes)


def child(parent: str, signer: Signer, holder: Signer | None = None, **changes: Any) -> str:
    """`parent` with one more link."""
    claims = child_claims(parent, holder or key(3), **changes)
    return f"{parent}~{jws({'alg': alg(signer), 'typ': 'pv-dl+jwt'}, claims, signer)}"


def resigned(text: str, signature: bytes) -> str:
    """The same text with another signature under its last link."""
    return f"{text.rpartition('.')[0]}.{b64(signature)}"


def signature(text: str) -> bytes:
    """The signature of the last link."""
    return unb64(text.rpartition(".")[2])


def chain(keys: list[Signer]) -> str:
    """An access link for the first key, handed on from each to the next."""
    text = access(keys[0])
    for signer, holder in itertools.pairwise(keys):
        text = child(text, signer, holder)
    return text
