"""Identifying: acting by one's own key, as a principal, before there is any token.

The bench under everything that hands out, asks for or takes away power. A refusal of one who is known is an
entry; a stranger must not be able to grow the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from vault.errors import Denied, Invalid
from vault.identity import Identity
from vault.intake.numbers import is_personal
from vault.journal import Page
from vault.ledger.registry import Principal
from vault.model import Happening, Who, Whom
from vault.tenancy import Tenancy

MAX_REASON = 200


class Identifying:
    """What every room of those who act by their own key begins with."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def _acting(self, page: Page, identity: Identity, *roles: str) -> Principal:
        """The principal behind an identity, checked under the head's lock.

        Raises:
            Denied: Unknown or disabled, the key is another's, or none of the roles is held.
        """
        principal = page.registry.find(Principal, identity.principal)
        if principal is None or principal.disabled or principal.public != identity.signing.public:
            raise Denied("unknown or disabled principal", code="token_invalid", remedy="ask an admin")
        if roles and not any(principal.holds(role, page.now) for role in roles):
            raise Denied(
                f"needs the role {' or '.join(roles)}", code="role_denied", remedy="ask someone who holds it"
            )
        return principal

    @contextmanager
    def _page(self, identity: Identity, *roles: str) -> Iterator[Page]:
        """A page on which a principal acts; a refusal undoes it and, of one who is known, is an entry."""
        self._t.start()
        try:
            with self._t.journal.page() as page:
                self._acting(page, identity, *roles)
                yield page
        except Denied as refusal:
            self._log_denied(identity, refusal.code, roles[0] if roles else "")
            raise

    def _log_denied(self, identity: Identity, code: str, role: str) -> None:
        """A stranger must not be able to grow the log: only a registered principal's refusal is an entry."""
        known = self._t.journal.registry().find(Principal, identity.principal)
        if known is not None and known.public == identity.signing.public:
            who = msgspec.structs.replace(self._who(identity, role), outcome="denied", reason=code)
            self._t.journal.log(Happening(kind="deny", who=who, whom=Whom()))

    def _who(self, identity: Identity, role: str, token: str = "") -> Who:
        return Who(
            actor=identity.principal,
            role=role,
            purpose="administration",
            policy=self._t.policy.hash[:16],
            token=token,
        )

    def _enter(self, page: Page, identity: Identity, kind: str, role: str, detail: str) -> None:
        """Queue the entry of an act that concerns no subject."""
        page.add(Happening(kind=kind, who=self._who(identity, role), whom=Whom(detail=detail)))


def demand_reason(reason: str, field: str = "reason") -> str:
    """A reason as it may stand in the log: a few printable words.

    Raises:
        Invalid: There is none, it is too long, or it holds an ID, mobile or card number: reasons of requests,
            cases, contracts and glasses stand in clear beside the log.
    """
    text = reason.strip()
    if not 0 < len(text) <= MAX_REASON or not text.isprintable() or is_personal(text):
        raise Invalid(
            f"a reason of 1 to {MAX_REASON} printable characters is needed, without personal data",
            code="invalid_reason",
            field=field,
            remedy=f"give --{field}",
        )
    return text
