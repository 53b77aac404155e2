"""What a chain of links allows: each link meets the one before, and nothing ever grows (DESIGN 6)."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from vault.access.links import Access, Delegation, FieldView, confirmed
from vault.access.strict import refused
from vault.model import Grant, Link, PrincipalId, Tenant, View

SECOND: Final = 1_000_000
"""µs in one unit of NumericDate (RFC 7519 2)."""


def granted(claims: Access, text: str) -> Grant:
    """What link 0 alone allows."""
    return Grant(
        tenant=Tenant(claims.tenant),
        principal=PrincipalId(claims.sub),
        role=claims.role,
        purpose=claims.purpose,
        actions=frozenset(claims.actions),
        fields=_views(claims.fields),
        cases=None if claims.cases is None else frozenset(claims.cases),
        audience=frozenset(claims.aud),
        not_before=claims.nbf * SECOND,
        expires=claims.exp * SECOND,
        depth=claims.dlg,
        policy=claims.pol,
        links=(_link(claims, text),),
        ticket=claims.ticket or "",
        issued=claims.iat * SECOND,
        holders=(confirmed(claims.cnf),),
    )


def narrowed(grant: Grant, claims: Delegation, text: str) -> Grant:
    """The intersection of a grant with one more link."""
    if grant.depth == 0:
        raise refused("delegated further than allowed")
    return msgspec.structs.replace(
        grant,
        actions=_meet(grant.actions, claims.actions),
        fields=_meet_fields(grant.fields, _views(claims.fields)),
        cases=_meet_cases(grant.cases, claims.cases),
        audience=_meet(grant.audience, claims.aud),
        not_before=max(grant.not_before, claims.nbf * SECOND),
        expires=min(grant.expires, claims.exp * SECOND),
        depth=min(grant.depth - 1, claims.dlg),
        links=(*grant.links, _link(claims, text)),
        holders=(*grant.holders, confirmed(claims.cnf)),
    )


def _meet(have: frozenset[str], limit: list[str] | None) -> frozenset[str]:
    return have if limit is None else have & frozenset(limit)


def _meet_cases(have: frozenset[str] | None, limit: list[str] | None) -> frozenset[str] | None:
    if limit is None:
        return have
    return frozenset(limit) if have is None else have & frozenset(limit)


def _meet_fields(have: dict[str, View] | None, limit: dict[str, View] | None) -> dict[str, View] | None:
    """Fields that both list, each at the lower view."""
    if have is None or limit is None:
        return limit if have is None else have
    return {name: min(view, limit[name]) for name, view in have.items() if name in limit}


def _views(fields: dict[str, FieldView] | None) -> dict[str, View] | None:
    return None if fields is None else {name: View[view] for name, view in fields.items()}


def _link(claims: Access | Delegation, text: str) -> Link:
    digest = hashlib.sha256(text.encode()).digest()
    return Link(
        digest=digest, max_uses=claims.max_uses, expires=claims.exp * SECOND, ticket=claims.ticket or ""
    )
