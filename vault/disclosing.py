"""Disclosing: the entries themselves, for an auditor who checks them against the tree (DESIGN 7).

An audit is one auditor's leave: from when to when, *who* or *whom* or both, until when. A file made for it
is sealed to its key, which that auditor alone is given, and only while the audit lasts. What was handed out
stays with whoever has it; the end stops what comes after. Every act here is an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.config import iso_day
from vault.crypto.boxes import Boxes, audit_key
from vault.crypto.ids import new_id
from vault.errors import Denied, Invalid, Tampered
from vault.identifying import Identifying, demand_reason
from vault.identity import Identity
from vault.inquiring import principal_of
from vault.journal import Page
from vault.ledger import opened, stub
from vault.ledger.powers import DISCLOSURES
from vault.ledger.registry import Audit, Principal
from vault.model import Happening, Whom, Word
from vault.proving import who_of
from vault.pruning import floor_of
from vault.standing import midnight
from vault.stores.rows import EntryRow
from vault.tenancy import Tenancy
from vault.unsealing import Place, Unsealer

PAGE: Final = 16_384
"""Entries read at a time: some 60 MB, however long the log is."""


class Scope(Word):
    """What an audit covers.

    Attributes:
        since, until: µs UTC; entries from `since` on and before `until`, None to the audit's end.
        disclose: One of `DISCLOSURES`.
        ends: The last day (ISO) on which anything of it is given out.
    """

    ends: str
    since: int = 0
    until: int | None = None
    disclose: str = "both"


class Wanted(Word):
    """What a bodies file is to hold.

    Attributes:
        audit: The audit it is sealed to; None for a file in clear, which `plain` must then ask for.
        disclose: One of `DISCLOSURES`; None for all that the audit may be given, or both.
        since, until: µs UTC, for a file without an audit; an audit has its own.
    """

    audit: str | None = None
    disclose: str | None = None
    plain: bool = False
    since: int | None = None
    until: int | None = None


class Audits(Identifying):
    """Opens and closes audits; those who do act by their own key."""

    def open(self, identity: Identity, principal: str, scope: Scope, reason: str) -> Audit:
        """Open an audit for somebody else.

        Args:
            identity: Who opens it: an admin or DPO, who hand out powers.
            principal: Whose audit it is, by id or by name.
            scope: What it covers.
            reason: Why, in a few words without personal data.

        Raises:
            Denied: For oneself, sandbox excepted.
            NotFound: No such principal.
            Invalid: The principal is disabled, several have the name, or scope or reason can't be taken.
        """
        why, ends = demand_reason(reason), iso_day(scope.ends, "ends")
        until = midnight(ends) if scope.until is None else scope.until
        _check_scope(scope, until)
        with self._page(identity, "admin", "dpo") as page:
            if ends < self._t.today():
                raise Invalid(
                    "the audit would have ended before it began",
                    code="invalid_date",
                    field="ends",
                    remedy="a day from today on",
                )
            principal = principal_of(principal, page.registry)
            self._demand_other(page, identity, principal)
            audit = Audit(
                id=new_id("au"),
                principal=principal,
                by=identity.principal,
                since=scope.since,
                until=until,
                disclose=scope.disclose,
                ends=ends.isoformat(),
                reason=why,
                opened=page.now,
            )
            page.put(audit)
            detail = f"audit open {audit.id} for {principal} {audit.disclose} until {audit.ends}"
            self._enter(page, identity, "config", "admin", detail)
        return audit

    def _demand_other(self, page: Page, identity: Identity, principal: str) -> None:
        found = page.registry.get(Principal, principal)
        if found.disabled:
            raise Invalid(
                "the principal is disabled", code="invalid_principal", field="for", remedy="name another"
            )
        if found.same_person(page.registry.get(Principal, identity.principal)) and not self._t.policy.sandbox:
            raise Denied(
                "nobody opens an audit for themselves", code="role_denied", remedy="ask another admin or DPO"
            )

    def all(self, identity: Identity) -> list[Audit]:
        """Every audit there was, for an admin, DPO, auditor or regulator; the question is an entry."""
        with self._page(identity, "admin", "dpo", "auditor", "regulator") as page:
            who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="audit list")))
            return page.registry.all(Audit)

    def close(self, identity: Identity, audit: str) -> Audit:
        """Close an audit before its end: from the next entry on nothing of it is given out.

        Raises:
            NotFound: No such audit.
        """
        with self._page(identity, "admin", "dpo") as page:
            found = page.registry.get(Audit, audit)
            closed = msgspec.structs.replace(found, closed=found.closed or page.now)
            page.put(closed)
            self._enter(page, identity, "config", "admin", f"audit close {audit}")
        return closed


class Disclosing:
    """Opens audits, and gives out what they are for."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._audits = Audits(tenancy)
        self._bodies = Unsealer(tenancy)

    # --- audits ---------------------------------------------------------------------------------------

    def open_audit(self, identity: Identity, principal: str, scope: Scope, reason: str) -> Audit:
        """Open an audit for somebody else: see `Audits.open`."""
        return self._audits.open(identity, principal, scope, reason)

    def audits(self, identity: Identity) -> list[Audit]:
        """Every audit there was: see `Audits.all`."""
        return self._audits.all(identity)

    def close_audit(self, identity: Identity, audit: str) -> Audit:
        """Close an audit before its end: see `Audits.close`."""
        return self._audits.close(identity, audit)

    def audit_key(self, credential: Credential, audit: str) -> opened.KeyFile:
        """The key of one audit, for its principal alone and while it lasts; each time is an entry.

        Raises:
            Denied: It is another's audit, or has ended, or the token doesn't allow to audit.
            NotFound: No such audit.
        """
        with self._t.acting(credential, "audit") as (grant, page):
            found = page.registry.get(Audit, audit)
            if found.principal != grant.principal:
                raise Denied(
                    "this is another principal's audit", code="role_denied", remedy="cvault audit list"
                )
            found.demand_running(self._t.today().isoformat())
            page.add(Happening(kind="key", who=self._t.who(grant), whom=Whom(detail=f"audit key {audit}")))
        keys = self._t.keys
        return opened.KeyFile(
            format=opened.KEY_FORMAT,
            origin=keys.origin,
            audit=audit,
            key=stub.pack(audit_key(keys.audit_private, keys.tenant, audit)),
            ends=found.ends,
        )

    # --- bodies ---------------------------------------------------------------------------------------

    def export_bodies(
        self,
        credential: Credential,
        path: Path,
        wanted: Wanted,
        progress: Callable[[int, int], None] | None = None,
    ) -> opened.Header:
        """Write a bodies file (0600), whole or not at all, after its entry is durable.

        Args:
            credential: Must allow to audit.
            path: The file; replaced if it is there.
            wanted: What it is to hold.
            progress: Told how many of how many entries are written.

        Returns:
            The file's header: what it holds.

        Raises:
            Denied: The audit has ended, or may not be given this.
            Invalid: Neither an audit nor `plain`, or a range beside an audit's own.
            Tampered: An entry is missing, or isn't the one its stub commits to.
            Unavailable: The file can't be written.
        """
        _check_wanted(wanted)
        with self._t.acting(credential, "audit") as (grant, page):
            header = self._header(page, wanted)
            detail = f"bodies {header.first}-{header.last} {header.disclose} {header.audit or 'plain'}"
            page.add(Happening(kind="export", who=self._t.who(grant), whom=Whom(detail=detail)))
        keys, boxes = self._t.keys, None
        if header.sealed:
            key = audit_key(keys.audit_private, keys.tenant, header.audit)
            boxes = Boxes(key, header.origin, header.audit)
        place = Place()
        with opened.bodies_file(path, header) as file:
            for rows in self._pages(header):
                file.writelines(self._lines_of(rows, header.disclose, boxes, place))
                if progress is not None:
                    progress(rows[-1].idx + 1 - header.first, header.last - header.first)
        return header

    def _header(self, page: Page, wanted: Wanted) -> opened.Header:
        """What a file holds, as the log and the audit stand under the lock."""
        since, until, disclose = wanted.since, wanted.until, wanted.disclose or "both"
        if wanted.audit is not None:
            audit = page.registry.get(Audit, wanted.audit)
            audit.demand_running(self._t.today().isoformat())
            disclose = wanted.disclose or audit.disclose
            audit.demand_covers(disclose)
            since, until = audit.since, audit.until
        size, floor = page.first_index, floor_of(page.registry).entries
        last = size if until is None else max(self._index_at(until, size), floor)
        return opened.Header(
            format=opened.FORMAT,
            origin=self._t.keys.origin,
            audit=wanted.audit or "",
            size=size,
            first=min(max(self._index_at(since or 0, size), floor), last),
            last=last,
            disclose=disclose,
            sealed=wanted.audit is not None,
        )

    def _index_at(self, instant: int, size: int) -> int:
        """The first entry at or after an instant; the log's size if there is none."""
        found = self._t.stores.ledger.index_at(self._t.name, instant)
        return size if found is None else min(found, size)

    def _pages(self, header: opened.Header) -> Iterator[Sequence[EntryRow]]:
        start = header.first
        while start < header.last:
            end = min(start + PAGE, header.last)
            rows = self._t.stores.ledger.entries(self._t.name, start, end - start)
            there = [row.idx for row in rows]
            if there != list(range(start, end)):
                missing = next(idx for idx in range(start, end) if idx not in set(there))
                raise Tampered("an entry is missing", index=missing, remedy="run `cvault log verify`")
            yield rows
            start = end

    def _lines_of(
        self, rows: Sequence[EntryRow], disclose: str, boxes: Boxes | None, place: Place
    ) -> Iterator[bytes]:
        whoms = self._bodies.payloads(rows, place) if disclose != "who" else {}
        for row in rows:
            who = _who_side(row)
            if disclose == "whom":
                who = opened.Side(digest=who.digest)
            whom = opened.Side(digest=row.whom_digest)
            if row.idx in whoms:
                salt, body = whoms[row.idx]
                whom = opened.Side(digest=row.whom_digest, text=body, salt=salt)
            yield opened.line(row.idx, row.stub, who, whom, boxes)


def _who_side(row: EntryRow) -> opened.Side:
    try:
        text = stub.who_bytes(who_of(row))
        return opened.Side(digest=stub.digest(row.who_salt, text), text=text, salt=row.who_salt)
    except Invalid:  # no such columns were ever written
        raise Tampered("the open columns are not those the entry commits to", index=row.idx) from None


def _check_scope(scope: Scope, until: int) -> None:
    if scope.disclose not in DISCLOSURES:
        raise _unknown_side()
    if not 0 <= scope.since < until:
        raise Invalid(
            "the audit's range is empty", code="invalid_until", field="until", remedy="a time after --since"
        )


def _check_wanted(wanted: Wanted) -> None:
    if wanted.disclose is not None and wanted.disclose not in DISCLOSURES:
        raise _unknown_side()
    if (wanted.audit is None) != wanted.plain:
        raise Invalid(
            "a bodies file is either sealed to an audit or in clear",
            code="invalid_usage",
            field="audit",
            remedy="--audit ID, or --plain",
        )
    if wanted.audit is not None and (wanted.since, wanted.until) != (None, None):
        raise Invalid(
            "an audit has its own range", code="invalid_usage", field="since", remedy="leave the range out"
        )


def _unknown_side() -> Invalid:
    return Invalid(
        "no such part of an entry",
        code="invalid_disclose",
        field="disclose",
        remedy=f"one of {', '.join(DISCLOSURES)}",
    )
