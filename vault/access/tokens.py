"""Purpose tokens: a chain of links, each naming the key that must sign the next.

    token = access-JWS *( "~" delegation-JWS )

What a token allows is the intersection of its links (DESIGN 6), so whoever holds one can hand on less and
never more, offline. A thief of the text alone has nothing: the last link's key must be shown as well. The
format is docs/formats/token.md; vectors lie beside its tests.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from vault.access import links
from vault.access.credentials import SEED_SIZE, Credential, Limits
from vault.access.effect import SECOND, granted, narrowed
from vault.access.links import AUDIENCES, MAX_DEPTH, Access, Delegation, refused
from vault.crypto.sign import SigningKey
from vault.errors import Denied, Invalid
from vault.model import ACTIONS, PURPOSES, ROLES, Grant, View, Word

__all__ = [
    "Credential",
    "Limits",
    "TokenCache",
    "Verified",
    "check_holder",
    "check_in_force",
    "issue",
    "narrow",
    "verify",
]

MAX_SIZE: Final = 8192
"""Bytes of a token's text: what common proxies still take as a header."""
DEFAULT_TTL_US: Final = 15 * 60 * 1_000_000
_JTI_SIZE: Final = 16


class Verified(Word):
    """A token that is authentic, in time and meant for this node.

    Attributes:
        grant: The intersection of all links.
        holder: The key that must prove itself: raw Ed25519 (32 bytes) or an uncompressed P-256 point (65).
        issuer: The `kid` of the issuer key that signed link 0.
        origin: The log origin it was issued for.
    """

    grant: Grant
    holder: bytes
    issuer: str
    origin: str


def issue(  # noqa: PLR0913 one argument per claim: the order page of a token
    *,
    issuer: SigningKey,
    origin: str,
    tenant: str,
    principal: str,
    role: str,
    purpose: str,
    actions: frozenset[str],
    limits: Limits,
    policy_hash: str,
    ticket: str,
    now_us: int,
    holder: SigningKey,
    jti: bytes,
) -> Credential:
    """Write an access token.

    Args:
        issuer: The vault's issuer key.
        origin: The log's origin, as `iss`.
        tenant: Whose vault it opens.
        principal: Who it is for, as `sub`.
        role: One of `ROLES`; that the principal holds it is the caller's to check.
        purpose: One of `PURPOSES`.
        actions: What it allows before `limits`.
        limits: Narrows from the start; life is 15 minutes unless it says otherwise.
        policy_hash: The policy at issue (hex).
        ticket: Why, a reference; "" if none.
        now_us: µs UTC.
        holder: A fresh key for the holder.
        jti: 16 fresh random bytes.

    Raises:
        Invalid: A word outside its closed list, or limits that leave nothing; names the claim.
    """
    _known("role", {role}, frozenset(ROLES))
    _known("purpose", {purpose}, frozenset(PURPOSES))
    _known("actions", actions, frozenset(ACTIONS))
    for claim, text in (("iss", origin), ("sub", principal), ("tenant", tenant)):
        if not 0 < len(text) <= links.TEXT_LIMIT:
            raise _widened(claim, f"must hold 1 to {links.TEXT_LIMIT} characters")
    _no_more("actions", limits.actions, actions)
    _no_more("aud", limits.audience, AUDIENCES)
    depth = limits.depth or 0
    if not 0 <= depth <= MAX_DEPTH:
        raise _widened("dlg", f"at most {MAX_DEPTH} delegations can follow")
    claims = Access(
        iss=origin,
        sub=principal,
        tenant=tenant,
        role=role,
        purpose=purpose,
        actions=sorted(actions if limits.actions is None else limits.actions),
        aud=sorted(AUDIENCES if limits.audience is None else limits.audience),
        pol=policy_hash,
        ticket=ticket,
        **_common(limits, now_us, _expiry(limits, now_us, now_us + DEFAULT_TTL_US), holder, jti),
    )
    return _credential(links.sign(claims, issuer), claims.exp, holder)


def narrow(
    credential: Credential, limits: Limits, *, now_us: int, holder: SigningKey, jti: bytes
) -> Credential:
    """Hand on less: add a link, offline, with the holder's key alone.

    Args:
        credential: What the caller holds.
        limits: What the new link allows; every part at most what the chain so far allows.
        now_us: µs UTC.
        holder: A fresh key for whoever gets the result.
        jti: 16 fresh random bytes.

    Raises:
        Invalid: A limit is wider than the token; names the claim. Or key and token don't belong together.
        Denied: The token is malformed, or expired (`token_expired`).
    """
    chain, cnf = _peeked(credential.token)
    signer = SigningKey.from_seed(credential.seed)
    if links.confirmed(cnf).raw != signer.public:
        raise Invalid(
            "the key is not the token's", field="key", remedy="use the token file as it was written"
        )
    if now_us >= chain.expires:
        raise _expired()
    expires = _expiry(limits, now_us, chain.expires)
    _refuse_wider(chain, limits, expires)
    claims = Delegation(
        par=_parent(credential.token),
        actions=None if limits.actions is None else sorted(limits.actions),
        aud=None if limits.audience is None else sorted(limits.audience),
        **_common(limits, now_us, expires, holder, jti),
    )
    return _credential(f"{credential.token}~{links.sign(claims, signer)}", claims.exp, holder)


def verify(
    text: str,
    *,
    issuers: Mapping[str, bytes],
    origin: str,
    tenant: str,
    audience: frozenset[str],
    now_us: int,
    leeway_us: int = 0,
) -> Verified:
    """Check a chain link by link, and say what it allows.

    Args:
        text: The token.
        issuers: Issuer public keys (raw Ed25519) by `kid`: the server's table, never the header's word.
        origin: This vault's log origin.
        tenant: Whose data is asked for.
        audience: What this node serves, out of "masked" and "clear".
        now_us: µs UTC.
        leeway_us: By how much clocks may differ.

    Raises:
        Denied: `token_invalid` (not authentic or malformed), `token_expired`, `audience_denied`.
    """
    texts = _split(text)
    kid = links.issuer_id(texts[0])
    if kid not in issuers:
        raise refused("signed by no issuer key of this vault")
    access = links.open_access(texts[0], links.ed25519(issuers[kid]))
    if access.iss != origin or access.tenant != tenant:
        raise refused("made for another vault or tenant")
    grant, cnf, seen = granted(access, texts[0]), access.cnf, {access.jti}
    for place in range(1, len(texts)):
        link = links.open_delegation(texts[place], links.confirmed(cnf))
        if link.par != _parent("~".join(texts[:place])):
            raise refused("a link stands where it was not written for")
        if link.jti in seen:
            raise refused("a jti comes twice")
        seen.add(link.jti)
        grant, cnf = narrowed(grant, link, texts[place]), link.cnf
    holder = links.confirmed(cnf).raw
    check_in_force(grant, audience, now_us, leeway_us)
    return Verified(grant=grant, holder=holder, issuer=kid, origin=origin)


def check_holder(verified: Verified, seed: bytes) -> None:
    """Demand that the caller's key is the one that the last link names.

    Raises:
        Denied: `token_invalid`: the token was handed on or stolen without its key.
    """
    if len(seed) != SEED_SIZE or SigningKey.from_seed(seed).public != verified.holder:
        raise refused("the key is not the token's")


class TokenCache:
    """Verified credentials, so that a token in use is checked once; never a decision.

    What can change without the token changing is checked again at every hit: time, audience, tenant, and
    whether the issuer key still counts.

    Args:
        size: How many to keep; the one unused longest goes first.
    """

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[Verified, bytes]] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def verify(
        self,
        credential: Credential,
        *,
        issuers: Mapping[str, bytes],
        origin: str,
        tenant: str,
        audience: frozenset[str],
        now_us: int,
        leeway_us: int = 0,
    ) -> Verified:
        """As `verify` and `check_holder` together, from memory where that is safe.

        Raises:
            Denied: As they do.
        """
        key = hashlib.sha256(credential.seed + credential.token.encode("utf-8", "surrogatepass")).digest()
        kept = self._look_up(key)
        if kept is not None and len(credential.seed) == SEED_SIZE:
            verified, public = kept
            same = verified.origin == origin and verified.grant.tenant == tenant
            if same and issuers.get(verified.issuer) == public:
                check_in_force(verified.grant, audience, now_us, leeway_us)
                return verified
        verified = verify(
            credential.token,
            issuers=issuers,
            origin=origin,
            tenant=tenant,
            audience=audience,
            now_us=now_us,
            leeway_us=leeway_us,
        )
        check_holder(verified, credential.seed)
        self._keep(key, verified, issuers[verified.issuer])
        return verified

    def _look_up(self, key: bytes) -> tuple[Verified, bytes] | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def _keep(self, key: bytes, verified: Verified, public: bytes) -> None:
        with self._lock:
            self._kept[key] = (verified, public)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def check_in_force(grant: Grant, audience: frozenset[str], now_us: int, leeway_us: int = 0) -> None:
    """Refuse what time or node rule out (RFC 7519 4.1.3-4.1.5).

    Raises:
        Denied: `token_expired`, `token_invalid` (not valid yet), `audience_denied`.
    """
    if now_us - leeway_us >= grant.expires:
        raise _expired()
    if now_us + leeway_us < grant.not_before:
        raise refused("not valid yet")
    if not grant.audience & audience:
        raise Denied(
            "token: made for other nodes", code="audience_denied", remedy="send it to a node of its audience"
        )


def _split(text: str) -> list[str]:
    if not text.isascii() or len(text) > MAX_SIZE:
        raise refused(f"not ASCII, or over {MAX_SIZE} bytes")
    texts = text.split("~")
    if len(texts) > MAX_DEPTH + 1:
        raise refused("too many links")
    return texts


def _parent(text: str) -> str:
    return links.b64(hashlib.sha256(text.encode()).digest())


def _peeked(text: str) -> tuple[Grant, links.Confirmation]:
    """What the holder's own token allows; unverified, for a lie here only spoils the holder's new link."""
    first, *rest = _split(text)
    access = links.peek(first, Access)
    grant, cnf = granted(access, first), access.cnf
    for link in rest:
        claims = links.peek(link, Delegation)
        grant, cnf = narrowed(grant, claims, link), claims.cnf
    return grant, cnf


def _common(limits: Limits, now_us: int, expires: int, holder: SigningKey, jti: bytes) -> dict[str, Any]:
    """The claims that both kinds of link share."""
    now, exp = now_us // SECOND, expires // SECOND
    if exp <= now:
        raise _widened("exp", "a token must live for a second at least")
    if len(jti) != _JTI_SIZE:
        raise _widened("jti", "16 random bytes make one")
    if limits.max_uses is not None and limits.max_uses < 1:
        raise _widened("max_uses", "one use is the least")
    fields = limits.fields
    if fields is not None and not all(map(links.FIELD.fullmatch, fields)):
        raise _widened("fields", "no name of a field")
    return {
        "iat": now,
        "nbf": now,
        "exp": exp,
        "jti": links.b64(jti),
        "dlg": limits.depth or 0,
        "cnf": links.okp(holder.public),
        "fields": None if fields is None else {n: View(v).name for n, v in sorted(fields.items()) if v},
        "cases": None if limits.cases is None else sorted(limits.cases),
        "max_uses": limits.max_uses,
    }


def _expiry(limits: Limits, now_us: int, otherwise: int) -> int:
    if limits.expires is not None:
        return limits.expires
    return otherwise if limits.ttl_us is None else now_us + limits.ttl_us


def _refuse_wider(chain: Grant, limits: Limits, expires: int) -> None:
    """Refuse a limit beyond the chain's, naming the claim: a link that promises more would only mislead."""
    _no_more("actions", limits.actions, chain.actions)
    _no_more("aud", limits.audience, chain.audience)
    if chain.cases is not None:
        _no_more("cases", limits.cases, chain.cases)
    if chain.fields is not None:
        for name, view in (limits.fields or {}).items():
            if view > chain.fields.get(name, View.HIDDEN):
                raise _widened("fields", "a field would be shown further than the token shows it")
    least = min((link.max_uses for link in chain.links if link.max_uses is not None), default=None)
    if least is not None and limits.max_uses is not None and limits.max_uses > least:
        raise _widened("max_uses", "more uses than the token has")
    if chain.depth == 0 or (limits.depth or 0) not in range(chain.depth):
        raise _widened("dlg", "the token may not be delegated that far")
    if expires > chain.expires:
        raise _widened("exp", "later than the token's own end")


def _no_more(claim: str, wanted: frozenset[str] | None, have: frozenset[str]) -> None:
    if wanted is not None and not wanted <= have:
        raise _widened(claim, "more than the token allows")


def _known(claim: str, words: set[str] | frozenset[str], allowed: frozenset[str]) -> None:
    if not words <= allowed:
        raise _widened(claim, "a word outside the closed list")


def _widened(claim: str, why: str) -> Invalid:
    return Invalid(f"{claim}: {why}", code="invalid_limits", field=claim, remedy=f"ask for less in {claim}")


def _expired() -> Denied:
    return Denied("token: expired", code="token_expired", remedy="ask for a new token")


def _credential(text: str, exp: int, holder: SigningKey) -> Credential:
    if len(text) > MAX_SIZE:
        raise _widened("cases", f"the token would be over {MAX_SIZE} bytes")
    return Credential(token=text, seed=holder.seed, expires=exp * SECOND)
