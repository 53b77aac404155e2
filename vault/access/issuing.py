"""Writing tokens: an issuer's first link, a holder's next one, and taking over what names one's own key.

What is refused here for the writer's sake, by the name of the claim, a verifier would refuse or take
no notice of (`vault.access.tokens`); docs/formats/token.md is the format.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from vault.access import links
from vault.access.credentials import Credential, Limits
from vault.access.effect import SECOND, granted, narrowed
from vault.access.links import AUDIENCES, MAX_DEPTH, Access, Delegation
from vault.access.strict import JTI_SIZE
from vault.crypto.sign import Signer, b64, check_public
from vault.errors import Invalid
from vault.model import ACTIONS, PURPOSES, ROLES, Grant, View

DEFAULT_TTL_US: Final = 15 * 60 * 1_000_000


def issue(  # noqa: PLR0913 one argument per claim: the order page of a token
    *,
    issuer: Signer,
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
    holder: Signer,
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
        policy_hash: The policy at issue: SHA-256, 64 hex digits.
        ticket: Why, a reference of at most 256 printable characters; "" if none.
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
    if not 0 <= (limits.depth or 0) <= MAX_DEPTH:
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
        **_common(
            limits, now_us, _expiry(limits, now_us, now_us + DEFAULT_TTL_US), holder.public, jti, ticket
        ),
    )
    return _credential(links.sign(claims, issuer), claims.exp, holder)


def narrow(
    credential: Credential,
    limits: Limits,
    *,
    now_us: int,
    jti: bytes,
    holder: Signer | None = None,
    to: bytes | None = None,
    ticket: str = "",
) -> Credential:
    """Hand on less: add a link, offline, with the holder's key alone.

    Args:
        credential: What the caller holds.
        limits: What the new link allows; every part at most what the chain so far allows.
        now_us: µs UTC.
        jti: 16 fresh random bytes.
        holder: A fresh key for whoever gets the result, which then holds it; or
        to: the raw public key of somebody who has its private half: the result holds no key (see `accept`).
        ticket: Why it is handed on, a reference of at most 256 printable characters; "" if none.

    Raises:
        Invalid: A limit is wider than the token; names the claim. Or key and token don't belong together, or
            not one of `holder` and `to` is given.
        Denied: The token is malformed, or expired (`token_expired`).
    """
    chain = _peeked(credential.token)
    signer = credential.key
    if signer is None or chain.holders[-1] != signer.public:
        raise _foreign_key("use the token file as it was written, or `token accept` it first")
    if now_us >= chain.expires:
        raise links.expired()
    expires = _expiry(limits, now_us, chain.expires)
    _refuse_wider(chain, limits, expires)
    claims = Delegation(
        par=links.parent(credential.token),
        actions=None if limits.actions is None else sorted(limits.actions),
        aud=None if limits.audience is None else sorted(limits.audience),
        **_common(limits, now_us, expires, _recipient(holder, to), jti, ticket),
    )
    return _credential(f"{credential.token}~{links.sign(claims, signer)}", claims.exp, holder)


def accept(credential: Credential, key: Signer) -> Credential:
    """Put one's own key beside a token that was narrowed for it; offline, nothing is signed.

    Raises:
        Invalid: The last link names another key, or the file has one already.
        Denied: The token is malformed.
    """
    if credential.key is not None or _peeked(credential.token).holders[-1] != key.public:
        raise _foreign_key("accept with the principal file whose public half it was narrowed for")
    return msgspec.structs.replace(credential, key=key)


def _peeked(text: str) -> Grant:
    """What the holder's own token allows; unverified, for a lie here only spoils the holder's new link."""
    first, *rest = links.split(text)
    grant = granted(links.peek(first, Access), first)
    for link in rest:
        grant = narrowed(grant, links.peek(link, Delegation), link)
    return grant


def _recipient(holder: Signer | None, to: bytes | None) -> bytes:
    """The raw public key that a new link names."""
    if (holder is None) == (to is None):
        raise Invalid(
            "a link names one key",
            code="invalid_usage",
            field="to",
            remedy="give either a fresh key or whose",
        )
    public = holder.public if holder is not None else to or b""
    check_public(public)
    return public


def _common(
    limits: Limits, now_us: int, expires: int, public: bytes, jti: bytes, ticket: str
) -> dict[str, Any]:
    """The claims that both kinds of link share."""
    now, exp = now_us // SECOND, expires // SECOND
    if exp <= now:
        raise _widened("exp", "a token must live for a second at least")
    if len(jti) != JTI_SIZE:
        raise _widened("jti", "16 random bytes make one")
    if limits.max_uses is not None and limits.max_uses < 1:
        raise _widened("max_uses", "one use is the least")
    if ticket and not links.is_reason(ticket):
        raise _widened("ticket", f"a reason is 1 to {links.TEXT_LIMIT} printable characters on one line")
    fields = limits.fields
    if fields is not None and not all(map(links.FIELD.fullmatch, fields)):
        raise _widened("fields", "no name of a field")
    return {
        "iat": now,
        "nbf": now,
        "exp": exp,
        "jti": b64(jti),
        "dlg": limits.depth or 0,
        "cnf": links.confirmation(public),
        "fields": None if fields is None else {n: View(v).name for n, v in sorted(fields.items()) if v},
        "cases": None if limits.cases is None else sorted(limits.cases),
        "max_uses": limits.max_uses,
        "ticket": ticket or None,
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
        raise Invalid(
            "the token may not be delegated that far",
            code="invalid_limits",
            field="dlg",
            remedy="have one issued that may be: cvault token issue --depth N; each narrowing takes one off",
        )
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


def _foreign_key(remedy: str) -> Invalid:
    return Invalid("the key is not the one that the token's last link names", field="key", remedy=remedy)


def _credential(text: str, exp: int, key: Signer | None) -> Credential:
    if len(text) > links.MAX_SIZE:
        raise _widened("cases", f"the token would be over {links.MAX_SIZE} bytes")
    return Credential(token=text, key=key, expires=exp * SECOND)
