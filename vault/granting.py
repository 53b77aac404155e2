"""Granting: who may act. Principals, tokens, approvals, agencies and their ends (DESIGN 2, 6).

A purpose is granted here, in a signed token, and never claimed by a caller later. Whoever acts proves it
with the key of their principal file; the vault knows only public keys. What the room stands on: `enrolling`
(principals), `issuing` (tokens, break-glass), `approving` (four eyes), `engaging` (agencies).
"""

from __future__ import annotations

from vault.approving import Approving
from vault.config import iso_day
from vault.engaging import Engaging
from vault.enrolling import Enrolling, Enrolment
from vault.identity import Candidate, Identity
from vault.issuing import DEFAULT_TTL, MAX_TTL, Issuing
from vault.ledger.registry import Contract, Plan
from vault.model import Happening, Whom

__all__ = ["DEFAULT_TTL", "MAX_TTL", "Candidate", "Enrolment", "Granting", "Identity"]


class Granting(Enrolling, Issuing, Approving, Engaging):
    """The room of those who hand out power. Every act is an entry."""

    def set_contract(self, identity: Identity, *, party: str, starts: str, ends: str | None) -> None:
        """Record the contract under which a creditor placed its cases here, and its end (PIPL 21).

        Raises:
            Invalid: `starts` or `ends` is no ISO date.
        """
        iso_day(starts, "starts")
        if ends is not None:
            iso_day(ends, "ends")
        with self._page(identity, "admin", "dpo") as page:
            page.put(Contract(id="placement", party=party, starts=starts, ends=ends))
            detail = f"contract {starts}..{ends or ''}"
            page.add(Happening(kind="config", who=self._who(identity, "admin"), whom=Whom(detail=detail)))

    def note_tenant(self, identity: Identity, tenant: str) -> None:
        """Log that an admin adds a tenant beside this one."""
        with self._page(identity, "admin") as page:
            who = self._who(identity, "admin")
            page.add(Happening(kind="config", who=who, whom=Whom(detail=f"tenant {tenant}")))

    def note_keys(self, identity: Identity, detail: str, request: str | None = None) -> None:
        """Log that an admin takes keys out for another node; `detail` says which, without any key.

        Raises:
            Denied: Not an admin, or nobody else approved it (`approval_required`).
        """
        with self._page(identity, "admin") as page:
            self._t.use_approval(page, request, "keys", (detail,), by=identity.principal)
            page.add(Happening(kind="key", who=self._who(identity, "admin"), whom=Whom(detail=detail)))

    def plans(self) -> list[Plan]:
        """The retention plans made so far."""
        return self._t.journal.registry().all(Plan)
