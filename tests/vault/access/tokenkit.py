"""Tokens that tests are made of: fixed keys, a fixed time, every claim at a default."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault.access import links
from vault.access.tokens import Credential, Limits, Verified, issue, narrow, verify
from vault.crypto.sign import SigningKey, unb64
from vault.errors import Denied
from vault.model import View

SECOND = 1_000_000
MINUTE = 60 * SECOND
NOW = 1_790_000_000 * SECOND
ORIGIN = "vault.example/main"
BOTH = frozenset({"masked", "clear"})
ISSUER = SigningKey.from_seed(bytes([1]) * 32)
ISSUERS = {links.key_id(ISSUER.public): ISSUER.public}
FIELDS = {"name": View.MASKED, "phone": View.CLEAR}


def key(number: int) -> SigningKey:
    """A holder's key, the same in every run."""
    return SigningKey.from_seed(bytes([number]) * 32)


def made(limits: Limits = Limits(), *, holder: int = 2, **changes: Any) -> Credential:  # noqa: B008 frozen
    """An access token with everything at its default but what is said."""
    values: dict[str, Any] = {
        "issuer": ISSUER,
        "origin": ORIGIN,
        "tenant": "main",
        "principal": "p-1",
        "role": "collector",
        "purpose": "repayment_reminder",
        "actions": frozenset({"read", "find"}),
        "policy_hash": "ab" * 32,
        "ticket": "T-7",
        "now_us": NOW,
        "jti": bytes([holder]) * 16,
    }
    return issue(limits=limits, holder=key(holder), **{**values, **changes})


def handed(credential: Credential, limits: Limits = Limits(), *, holder: int = 3) -> Credential:  # noqa: B008
    """The same, narrowed for another holder."""
    return narrow(credential, limits, now_us=NOW, holder=key(holder), jti=bytes([holder]) * 16)


def checked(text: str, **changes: Any) -> Verified:
    """The token as this vault's node, serving both audiences, sees it now."""
    values = {"issuers": ISSUERS, "origin": ORIGIN, "tenant": "main", "audience": BOTH, "now_us": NOW}
    return verify(text, **{**values, **changes})


def refusal(text: str, **changes: Any) -> str:
    """The reason that a token is refused for."""
    with pytest.raises(Denied) as caught:
        checked(text, **changes)
    return caught.value.code


def forged(claims: bytes, *, signer: SigningKey = ISSUER, **headers: Any) -> str:
    """A link that its signer really signed, whatever it says."""
    base = {"typ": links.ACCESS_TYPE, "kid": links.key_id(ISSUER.public)}
    return pyjwt(claims, signer, {**base, **headers})


def pyjwt(claims: bytes, signer: SigningKey, headers: dict[str, Any]) -> str:
    """A link as PyJWT writes it."""
    private = Ed25519PrivateKey.from_private_bytes(signer.seed)
    return jwt.PyJWS().encode(claims, private, algorithm="EdDSA", headers=headers)


def claims_of(text: str) -> dict[str, Any]:
    """The claims of one link."""
    found: dict[str, Any] = json.loads(unb64(text.split(".")[1]))
    return found


def accepted(text: str) -> bool:
    """Whether the vault takes it."""
    try:
        checked(text)
    except Denied:
        return False
    return True
