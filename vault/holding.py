"""Holding: legal holds on records, which no purge passes (DESIGN 8, step 2).

What the erasing room stands on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from vault.access.tokens import Credential
from vault.config import iso_day
from vault.errors import Denied, Invalid
from vault.identifying import demand_reason
from vault.journal import Page
from vault.keeping import Held
from vault.model import Facts, Grant, Happening, Hold, State, Whom, Word
from vault.opening import Opener
from vault.purging import Purger
from vault.tenancy import Tenancy


class HoldView(Word):
    """A legal hold on one record."""

    record: str
    kind: str
    number: str
    authority: str
    until: str


class Holding:
    """Places, releases and lists holds."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._purger = Purger(tenancy)
        self._opener = Opener(tenancy)

    def add_hold(self, credential: Credential, records: Sequence[str], hold: Hold) -> int:
        """Put a legal hold on records: with number, authority and end date, or not at all (DESIGN 8).

        A hold of the same number on the same record is replaced, if by a later end. Returns how many records
        it changed.

        Raises:
            Invalid: One of the three is missing, or the end date is past.
            Denied: The hold stands for longer already: to end it is to release it (`approval_required`).
        """
        if not (hold.number.strip() and hold.authority.strip()):
            raise Invalid("a hold needs number and authority", code="invalid_hold", remedy="give both")
        if iso_day(hold.until, "until") < self._t.today():
            raise Invalid(
                "the hold has ended already", code="invalid_hold", field="until", remedy="give a later day"
            )

        def placed(facts: Facts) -> tuple[Hold, ...]:
            if any(h.number == hold.number and h.until > hold.until for h in facts.holds):
                raise Denied(
                    "the hold stands for longer already",
                    code="approval_required",
                    remedy="cvault hold release, with another person's approval; then place it anew",
                )
            return (*(h for h in facts.holds if h.number != hold.number), hold)

        return self._change_holds(credential, records, hold.number, placed)

    def release_hold(
        self, credential: Credential, records: Sequence[str], number: str, *, request: str | None = None
    ) -> int:
        """Release a hold by its number, with another person's approval.

        Raises:
            Denied: Nobody else approved the release of this hold from these records (`approval_required`).
        """

        def approved(grant: Grant, page: Page) -> None:
            about = (number, *sorted(records))
            self._spend(grant, page, request, "hold_release", about)

        return self._change_holds(
            credential,
            records,
            number,
            lambda facts: tuple(h for h in facts.holds if h.number != number),
            approved,
        )

    def unrestrict(
        self, credential: Credential, records: Sequence[str], *, reason: str, request: str | None = None
    ) -> int:
        """Let restricted records be used again, with another person's approval; how many there were.

        The next plan restricts them again if what made it do so still holds.

        Raises:
            Denied: Nobody else approved it for exactly these records (`approval_required`).
        """
        words = demand_reason(reason)
        with self._t.stores.index.turn(self._t.name):
            with self._t.acting(credential, "restrict", within=True) as (grant, page):
                self._spend(grant, page, request, "unrestrict", sorted(records))
                held = self._named(grant, records)
                gone = page.tx.entombed(sorted(held))
                shut = [
                    h for r, h in sorted(held.items()) if r not in gone and h.facts.state == State.RESTRICTED
                ]
                for h in shut:
                    whom = Whom(subject=h.row.subject, record=h.row.record, ticket=words, detail="unrestrict")
                    secret, shelf = self._t.keeping.log_secret(h.row), h.row.log_shelf
                    who = self._t.who(grant, about=h.kind)
                    page.add(Happening(kind="restrict", who=who, whom=whom, secret=secret, shelf=shelf))
            self._t.keeping.set_facts(
                (h, msgspec.structs.replace(h.facts, state=str(State.ACTIVE))) for h in shut
            )
        return len(shut)

    def _named(self, grant: Grant, records: Sequence[str]) -> dict[str, Held]:
        """The records named, by id.

        Raises:
            NotFound: One is of a case that the token doesn't name.
        """
        found = {h.row.record: h for h in self._opener.named(records).values()}
        for held in found.values():
            self._opener.in_scope(grant, held)
        return found

    def _spend(self, grant: Grant, page: Page, request: str | None, what: str, about: Sequence[str]) -> None:
        """Use up the approval that an act takes; where policy asks for none, there is none to use."""
        self._t.use_approval(page, request, what, about, by=grant.principal, purpose=grant.purpose)

    def _change_holds(
        self,
        credential: Credential,
        records: Sequence[str],
        number: str,
        change: Callable[[Facts], tuple[Hold, ...]],
        approved: Callable[[Grant, Page], None] | None = None,
    ) -> int:
        with self._t.stores.index.turn(self._t.name):
            with self._t.acting(credential, "hold", within=True) as (grant, page):
                if approved is not None:
                    approved(grant, page)
                named = self._named(grant, records)
                gone = page.tx.entombed(sorted(named))
                held = {
                    record: h
                    for record, h in named.items()
                    if record not in gone and change(h.facts) != h.facts.holds
                }
                for h in held.values():
                    whom = Whom(subject=h.row.subject, record=h.row.record, detail=f"hold {number}")
                    secret = self._t.keeping.log_secret(h.row)
                    who = self._t.who(grant, about=h.kind)
                    page.add(Happening(kind="hold", who=who, whom=whom, secret=secret, shelf=h.row.log_shelf))
            changes = [(h, msgspec.structs.replace(h.facts, holds=change(h.facts))) for h in held.values()]
            self._t.keeping.set_facts(changes)  # after its entry: no hold is placed or released unlogged
        return len(held)

    def holds(self, credential: Credential) -> list[HoldView]:
        """Every hold there is; the question is an entry."""
        with self._t.acting(credential, "hold") as (grant, page):
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail="hold list")))
        return [
            HoldView(
                record=h.row.record,
                kind=h.kind,
                number=hold.number,
                authority=hold.authority,
                until=hold.until,
            )
            for h in self._purger.everything()
            for hold in h.facts.holds
        ]
