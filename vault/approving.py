"""Approving: what needs another person's yes is asked for, approved, refused and listed (four eyes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from vault.approvals import counted, demand_eligible, under, with_approval, written
from vault.crypto.ids import new_id
from vault.errors import Denied, Invalid, NotFound
from vault.identifying import Identifying, demand_reason
from vault.identity import Identity
from vault.journal import Page
from vault.ledger.registry import Approval, Principal, Request
from vault.model import Happening, Whom, Word

KEPT: Final = 90 * 86_400_000_000
"""µs for which a request is listed after its end; the log has it for as long as the log is kept."""
RETENTION: Final = "retention"


class RequestView(Word):
    """A request with where it stands: `waiting`, `approved`, `refused`, `expired` or `used`."""

    request: Request
    state: str
    counted: int


class Approving(Identifying):
    """Requests and the answers to them. Every act is an entry."""

    def ask(
        self,
        identity: Identity,
        what: str,
        about: Sequence[str] = (),
        *,
        reason: str,
        purpose: str = "",
        rows: int = 0,
        agency: str = "",
    ) -> Request:
        """Ask for something that needs another person's yes.

        Args:
            identity: Who asks, and will be the one who may use it.
            what: A table of the policy's `approvals`.
            about: Exactly what it touches, in the order that its use gives: ids sorted.
            reason: Why, without personal data.
            purpose: The purpose it will be used for.
            rows: How many records it lets out at most.
            agency: The agency it concerns.

        Raises:
            Invalid: No approval exists for this, or no reason is given.
        """
        words = demand_reason(reason)
        with self._page(identity) as page:
            self._prune_requests(page)
            request = written(
                self._t.policy,
                what,
                about,
                ident=new_id("req"),
                by=identity.principal,
                now=page.now,
                reason=words,
                purpose=purpose,
                rows=rows,
                agency=agency,
            )
            page.put(request)
            detail = f"{what} {request.id} {request.digest}: {words}"
            self._enter(page, identity, "request", "", detail)
        return request

    @staticmethod
    def _prune_requests(page: Page) -> None:
        for old in page.registry.all(Request):
            if old.what != RETENTION and old.expires + KEPT < page.now:
                page.drop(Request, old.id)

    def approve(self, identity: Identity, request: str) -> Request:
        """Add one's yes to a request (four eyes): never to one's own, the sandbox excepted.

        Raises:
            NotFound: No such request.
            Denied: It wouldn't count, or the request has ended (`approval_required`).
        """
        with self._page(identity, *self._approvers()) as page:
            found, approver = self._open(page, identity, request)
            changed = with_approval(found, Approval(principal=identity.principal, at=page.now))
            page.put(changed)
            role = next((r for r in found.of if r in approver.roles), "")
            self._enter(page, identity, "approve", role, f"{found.what} {request} {found.digest}")
        return changed

    def _approvers(self) -> list[str]:
        """The roles that approve anything at all."""
        specs = self._t.policy.file.approvals.values()
        return sorted({"approver", "dpo", "admin", *(role for spec in specs for role in spec.by)})

    def refuse(self, identity: Identity, request: str, reason: str) -> Request:
        """Say no to a request, which ends it; whoever asked may withdraw it the same way.

        Raises:
            NotFound: No such request.
            Denied: Neither who asked nor one who could have approved it, or it has ended.
        """
        words = demand_reason(reason)
        with self._page(identity) as page:
            found = page.registry.get(Request, request)
            if found.used:
                raise Invalid(
                    "the request was used already", code="invalid_request", remedy="cvault request list"
                )
            if found.by == identity.principal:
                _demand_running(found, page.now)
            else:
                self._open(page, identity, request)
            changed = msgspec.structs.replace(
                found, refused=Approval(principal=identity.principal, at=page.now)
            )
            page.put(changed)
            self._enter(page, identity, "approve", "", f"refuse {found.what} {request}: {words}")
        return changed

    def _open(self, page: Page, identity: Identity, request: str) -> tuple[Request, Principal]:
        approver = page.registry.get(Principal, identity.principal)
        found = page.registry.get(Request, request)
        if not self._t.policy.sandbox:
            demand_eligible(page.registry, under(self._t.policy, found), approver, page.now)
        _demand_running(found, page.now)
        return found, approver

    def requests(self, identity: Identity) -> list[RequestView]:
        """Every request that is kept; one's own, and all of them for those who may approve or audit."""
        with self._page(identity) as page:
            who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="request list")))
            asking = page.registry.get(Principal, identity.principal)
            wide = any(asking.holds(role, page.now) for role in ("approver", "dpo", "admin", "auditor"))
            return [
                self._seen(page, request)
                for request in page.registry.all(Request)
                if wide or request.by == identity.principal
            ]

    def _seen(self, page: Page, request: Request) -> RequestView:
        strict = under(self._t.policy, request)
        count = len(counted(page.registry, strict, page.now, sandbox=self._t.policy.sandbox))
        if request.refused is not None:
            state = "refused"
        elif request.used:
            state = "used"
        elif page.now >= request.expires:
            state = "expired"
        else:
            state = "approved" if count >= max(1, strict.quorum) else "waiting"
        return RequestView(request=request, state=state, counted=count)

    def request(self, request: str) -> Request:
        """One request.

        Raises:
            NotFound: There is none.
        """
        found = self._t.journal.registry().find(Request, request)
        if found is None:
            raise NotFound("no such request")
        return found


def _demand_running(request: Request, now: int) -> None:
    """Demand that a request hasn't ended: what was said of it stands as it was said."""
    if now >= request.expires or request.refused is not None or request.used:
        raise Denied(
            "the request has ended: expired, refused or used", code="approval_required", remedy="ask again"
        )
