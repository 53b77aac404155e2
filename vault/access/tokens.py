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

from vault.access import links
from vault.access.credentials import Credential, Limits
from vault.access.effect import granted, narrowed
from vault.access.issuing import accept, issue, narrow
from vault.access.strict import refused
from vault.crypto.sign import Signer
from vault.errors import Denied
from vault.model import Grant, Word

__all__ = [
    "Credential",
    "Limits",
    "TokenCache",
    "Verified",
    "accept",
    "check_holder",
    "check_in_force",
    "issue",
    "narrow",
    "verify",
]


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
        issuers: Issuer public keys (raw) by `kid`: the server's table, never the header's word.
        origin: This vault's log origin.
        tenant: Whose data is asked for.
        audience: What this node serves, out of "masked" and "clear".
        now_us: µs UTC.
        leeway_us: By how much clocks may differ.

    Raises:
        Denied: `token_invalid` (not authentic or malformed), `token_expired`, `audience_denied`.
    """
    texts = links.split(text)
    kid = links.issuer_id(texts[0])
    if kid not in issuers:
        raise refused("signed by no issuer key of this vault")
    access = links.open_access(texts[0], issuers[kid])
    if access.iss != origin or access.tenant != tenant:
        raise refused("made for another vault or tenant")
    grant, seen = granted(access, texts[0]), {access.jti}
    for place in range(1, len(texts)):
        link = links.open_delegation(texts[place], grant.holders[-1])
        if link.par != links.parent("~".join(texts[:place])):
            raise refused("a link stands where it was not written for")
        if link.jti in seen:
            raise refused("a jti comes twice")
        seen.add(link.jti)
        grant = narrowed(grant, link, texts[place])
    check_in_force(grant, audience, now_us, leeway_us)
    return Verified(grant=grant, holder=grant.holders[-1], issuer=kid, origin=origin)


def check_holder(verified: Verified, key: Signer | None) -> None:
    """Demand that the caller's key is the one that the last link names.

    Raises:
        Denied: `token_invalid`: the token was handed on or stolen without its key, or isn't accepted yet.
    """
    if key is None or key.public != verified.holder:
        raise Denied(
            "token: the key is not the token's",
            code="token_invalid",
            remedy="narrowed for you, it takes your own key: cvault token accept; else ask for a new token",
        )


class TokenCache:
    """Verified tokens, so that one in use is checked once; never a decision, nor anybody's right to use it.

    What can change without the token changing is checked again at every hit: time, audience, tenant, and
    whether the issuer key still counts. So is the holder's key, or on the wire the request's proof
    (`vault.access.proofs`).

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
        verified = self.authentic(
            credential.token,
            issuers=issuers,
            origin=origin,
            tenant=tenant,
            audience=audience,
            now_us=now_us,
            leeway_us=leeway_us,
        )
        check_holder(verified, credential.key)
        return verified

    def authentic(
        self,
        text: str,
        *,
        issuers: Mapping[str, bytes],
        origin: str,
        tenant: str,
        audience: frozenset[str],
        now_us: int,
        leeway_us: int = 0,
    ) -> Verified:
        """As `verify`, from memory where that is safe; that the caller is the holder is still to be shown.

        Raises:
            Denied: As `verify` does.
        """
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        kept = self._look_up(key)
        if kept is not None:
            verified, public = kept
            same = verified.origin == origin and verified.grant.tenant == tenant
            if same and issuers.get(verified.issuer) == public:
                check_in_force(verified.grant, audience, now_us, leeway_us)
                return verified
        verified = verify(
            text,
            issuers=issuers,
            origin=origin,
            tenant=tenant,
            audience=audience,
            now_us=now_us,
            leeway_us=leeway_us,
        )
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
        raise links.expired()
    if now_us + leeway_us < grant.not_before:
        raise refused("not valid yet")
    if not grant.audience & audience:
        raise Denied(
            "token: made for other nodes", code="audience_denied", remedy="send it to a node of its audience"
        )
