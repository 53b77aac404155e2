"""Tokens that tests are made of: fixed keys, a fixed time, every claim at a default."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from vault.access import links
from vault.access.tokens import Credential, Limits, Verified, issue, narrow, verify
from vault.crypto.sign import P256Key, SigningKey, b64, unb64
from vault.errors import Denied
from vault.model import Grant, View

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


EC_KEYS = [P256Key.from_scalar(bytes([n]) * 32) for n in (5, 6)]
LIMITS = st.builds(
    Limits,
    fields=st.none() | st.dictionaries(st.sampled_from(["name", "phone", "email"]), st.sampled_from(View)),
    cases=st.none() | st.frozensets(st.sampled_from(["C1", "C2", "C3"])),
    ttl_us=st.none() | st.integers(SECOND, 20 * MINUTE),
    max_uses=st.none() | st.integers(1, 9),
    depth=st.none() | st.integers(0, 4),
    actions=st.none() | st.frozensets(st.sampled_from(["read", "find", "list"])),
    audience=st.none() | st.frozensets(st.sampled_from(["masked", "clear"]), min_size=1),
)


def signed_link(parent: Credential, limits: Limits, holder: int) -> Credential:
    """A link that ignores every rule of narrowing: what a dishonest holder could sign."""
    claims = links.Delegation(
        par=b64(hashlib.sha256(parent.token.encode()).digest()),
        iat=NOW // SECOND,
        nbf=NOW // SECOND,
        exp=(NOW + (limits.ttl_us or MINUTE)) // SECOND,
        jti=b64(bytes([holder]) * 16),
        dlg=limits.depth or 0,
        cnf=links.confirmation(key(holder).public),
        fields=None if limits.fields is None else {n: v.name for n, v in limits.fields.items() if v},  # type: ignore[misc]
        cases=None if limits.cases is None else sorted(limits.cases),
        actions=None if limits.actions is None else sorted(limits.actions),
        aud=None if limits.audience is None else sorted(limits.audience),
        max_uses=limits.max_uses,
    )
    assert parent.key is not None
    text = links.sign(claims, parent.key)
    return Credential(token=f"{parent.token}~{text}", key=key(holder), expires=claims.exp * SECOND)


def within(child: Grant, parent: Grant) -> bool:
    """Whether nothing in `child` goes beyond `parent`."""
    fields_ok = parent.fields is None or (
        child.fields is not None
        and all(view <= parent.fields.get(name, View.HIDDEN) for name, view in child.fields.items())
    )
    cases_ok = parent.cases is None or (child.cases is not None and child.cases <= parent.cases)
    return (
        fields_ok
        and cases_ok
        and child.actions <= parent.actions
        and child.audience <= parent.audience
        and child.expires <= parent.expires
        and child.not_before >= parent.not_before
        and child.depth < parent.depth
        and child.links[:-1] == parent.links
        and child.holders[:-1] == parent.holders
        and (child.tenant, child.principal, child.role, child.purpose)
        == (parent.tenant, parent.principal, parent.role, parent.purpose)
        and (child.policy, child.ticket, child.issued) == (parent.policy, parent.ticket, parent.issued)
    )
