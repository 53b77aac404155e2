"""Amending: records put right, people merged and split (PIPL 8, 46).

Nothing is overwritten: every change makes a new version under a fresh secret, and what stood before stays,
sealed, until its rule ends it. The entry comes first, and names the person it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.correcting import Changes, Corrector
from vault.crypto.ids import new_id
from vault.errors import Denied, Invalid
from vault.journal import Page
from vault.keeping import Held
from vault.model import Grant, Happening, Whom, Word
from vault.preparing import ID_NUMBER
from vault.standing import demand_every_case
from vault.stocking import Stocker
from vault.suppressing import Suppressor
from vault.tenancy import Tenancy

NOTES: Final = {
    "deceased": "deceased_on",
    "consent_withdrawn": "consent_withdrawn_on",
    "incapacitated": "incapacitated_on",
    "unreachable": "unreachable_on",
    "reached": "reached_on",
    "hours_agreed": "hours_agreed_on",
}
"""What can be noted about a person, and the anchor it sets."""

GUARDS: Final = ("deceased_on", "consent_withdrawn_on", "contact_refused_on")
"""Days noted of a person that forbid something, so that they outlast a merge."""


class Corrected(Word):
    """A record put right: the version it has now, and the fields that changed."""

    record: str
    version: int
    fields: list[str]


class Moved(Word):
    """Records that belong to another person now; `subject` is "" where each went back to whom it was of."""

    subject: str
    records: list[str]


class Amending:
    """The room of those who answer for what is held being right."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._stocker = Stocker(tenancy)
        self._corrector = Corrector(tenancy, self._stocker)
        self._suppressor = Suppressor(tenancy, self._stocker)

    def correct(
        self,
        credential: Credential,
        ident: str,
        changes: Changes,
        *,
        reason: str,
        expect: int | None = None,
    ) -> Corrected:
        """Put a record right (PIPL 46): a new version under a fresh secret; the old one stays for disputes.

        Args:
            credential: Must allow `write`, for a purpose that reaches past versions.
            ident: A record id, or an external id as `KIND:EXTERNAL_ID`.
            changes: New text by field; None takes the value away.
            reason: Why; it goes into the entry's sealed body.
            expect: The version the caller believes to be the latest.

        Raises:
            Invalid: No reason, a wrong field or value, or another version stands.
            NotFound: No such record within reach.
            Denied: The token doesn't allow it, or the record is RESTRICTED.
        """
        self._demand_reason(reason)
        with self._t.stores.index.turn(self._t.name):
            with self._acting(credential) as (grant, page):
                self._t.demand_contract(page.registry)
                held = self._corrector.held(grant, page, [ident])[ident]
                ready, fields = self._corrector.corrected(held, changes, expect)
                version = ready.place.version if ready else held.row.version
                detail = f"correct {','.join(fields) or 'nothing'} version={version}"
                page.add(self._about(grant, held, detail, reason))
            if ready is not None:
                self._stocker.replace([(ready, held)])
        return Corrected(record=held.row.record, version=version, fields=fields)

    def merge(self, credential: Credential, into: str, other: str, *, reason: str) -> Moved:
        """Let all records of one borrower be of another: the same person was found twice.

        Nothing is joined into one record, so `split` undoes it. Each record gets a new version under the
        other person's id, and an entry; the access report of the one then covers both. What forbids to reach
        the one (`GUARDS`) holds for all of them from now on, also after a `split`.

        Raises:
            Invalid: No reason, one is no borrower, or the two are one person already.
            NotFound: One of them is not within reach.
        """
        self._demand_reason(reason)
        with self._t.stores.index.turn(self._t.name):
            with self._acting(credential) as (grant, page):
                self._t.demand_contract(page.registry)
                both = self._corrector.held(grant, page, [into, other])
                if {held.kind for held in both.values()} != {"borrower"}:
                    raise Invalid(
                        "only borrowers are merged", code="invalid_subject", field="record",
                        remedy="name the record of each borrower",
                    )  # fmt: skip
                subject, gone = both[into].row.subject, both[other].row.subject
                if subject == gone:
                    raise Invalid(
                        "they are one person already", code="invalid_subject", field="record",
                        remedy="name two borrowers",
                    )  # fmt: skip
                ids = self._t.stores.records.of_subject(self._t.name, gone)
                found = self._corrector.held(grant, page, ids).values()
                held = [h for h in found if h.row.subject == gone]
                stay = self._theirs(page, subject)
                guards = _guards([*stay, *held])
                moved = self._corrector.moved(held, subject, guards)
                for h in held:
                    page.add(self._about(grant, h, f"merge into {subject}", reason))
            self._stocker.replace(moved)
            self._set([h for h in stay if not guards.items() <= h.facts.anchors.items()], guards)
        return Moved(subject=subject, records=[h.row.record for h in held])

    def split(
        self, credential: Credential, idents: Sequence[str], *, reason: str, new: bool = False
    ) -> Moved:
        """Give records that were merged back to whom they were of; or, with `new`, to a person of their own.

        Raises:
            Invalid: No reason, or a record that was never moved.
            NotFound: One of them is not within reach.
        """
        self._demand_reason(reason)
        subject = new_id("s") if new else None
        with self._t.stores.index.turn(self._t.name):
            with self._acting(credential) as (grant, page):
                self._t.demand_contract(page.registry)
                held = list(self._corrector.held(grant, page, idents).values())
                moved = self._corrector.moved(held, subject)
                for ready, h in moved:
                    page.add(self._about(grant, h, f"split off to {ready.place.subject}", reason))
            self._stocker.replace(moved, [subject] if subject else [])
        return Moved(subject=subject or "", records=[h.row.record for h in held])

    def refuse(self, credential: Credential, ident: str, *, reason: str) -> int:
        """Note that a person wants no contact: retention counts from the day, and no old file revives them.

        Returns how many of their identifiers went on the suppression list.

        Raises:
            Invalid: No reason.
            NotFound: No such record within reach.
        """
        self._demand_reason(reason)
        with self._t.stores.index.turn(self._t.name):
            with self._acting(credential) as (grant, page):
                held = self._corrector.held(grant, page, [ident])[ident]
                theirs = self._theirs(page, held.row.subject)
                page.add(self._about(grant, held, "contact refused", reason))
            self._set(theirs, {"contact_refused_on": self._t.today().isoformat()})
            return self._suppressor.list_people([held.row.record], "refused", lambda _: None)

    def note(self, credential: Credential, ident: str, fact: str, on: date, *, reason: str) -> int:
        """Note for all that is held of a person, on a day, that they died, or another of `NOTES`.

        Conditions of the policy look at it from the next read on (PIPL 15, 49), and retention counts from it.

        Args:
            credential: Must allow `write`, for a purpose that reaches what stood before.
            ident: A record of theirs, by id or `KIND:EXTERNAL_ID`.
            fact: One of `NOTES`.
            on: The day.
            reason: On what it rests, such as a document's number.

        Returns:
            How many records it concerns.

        Raises:
            Invalid: No such fact, a day to come, or no reason.
            NotFound: No such record within reach.
        """
        self._demand_reason(reason)
        if fact not in NOTES or on > self._t.today():
            raise Invalid(
                "no such fact is noted, and no day to come",
                code="invalid_fact",
                field="on",
                remedy=f"one of {', '.join(NOTES)}, today at the latest",
            )
        t = self._t
        with t.stores.index.turn(t.name):
            with self._acting(credential) as (grant, page):
                one = self._corrector.held(grant, page, [ident])[ident]
                held = self._theirs(page, one.row.subject)
                page.add(self._about(grant, one, f"{fact} on {on}", reason))
            self._set(held, {NOTES[fact]: on.isoformat()})
        return len(held)

    def _theirs(self, page: Page, subject: str) -> list[Held]:
        """Every record of a person that isn't being erased."""
        theirs = self._t.keeping.fetch(self._t.stores.records.of_subject(self._t.name, subject))
        gone = page.tx.entombed(sorted(theirs))
        return [h for record, h in sorted(theirs.items()) if record not in gone]

    def _set(self, held: Sequence[Held], days: dict[str, str]) -> None:
        """Set days on records."""
        self._t.keeping.set_facts(
            (h, msgspec.structs.replace(h.facts, anchors=h.facts.anchors | days)) for h in held
        )

    def duplicates(self, credential: Credential) -> list[list[str]]:
        """Borrowers that share an ID number, as lists of record ids; the question is an entry."""
        t = self._t
        with self._acting(credential) as (grant, page):
            demand_every_case(grant)
            who = t.who(grant, about="borrower")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="borrowers with one ID number")))
        return t.stores.index.doubles(t.name, "borrower", ID_NUMBER)

    @contextmanager
    def _acting(self, credential: Credential) -> Iterator[tuple[Grant, Page]]:
        """A page for one who may write, and may see what stood before: an importer puts nothing right.

        Raises:
            Denied: Role, purpose or token rule it out.
        """
        with self._t.acting(credential, "write", within=True) as (grant, page):
            if not self._t.policy.past(grant.purpose):
                raise Denied("this purpose puts no record right", code="purpose_denied")
            yield grant, page

    @staticmethod
    def _demand_reason(reason: str) -> None:
        if not reason.strip():
            raise Invalid(
                "a reason is missing", code="invalid_reason", field="reason", remedy="say why, in a few words"
            )

    def _about(self, grant: Grant, held: Held, detail: str, reason: str) -> Happening:
        """An entry about one record that is written."""
        return Happening(
            kind="write",
            who=self._t.who(grant, about=held.kind),
            whom=Whom(subject=held.row.subject, record=held.row.record, ticket=reason, detail=detail),
            secret=self._t.keeping.log_secret(held.row),
            shelf=held.row.log_shelf,
        )


def _guards(held: Sequence[Held]) -> dict[str, str]:
    """The earliest day of each of the guards that any of these records has."""
    found = {name: [h.facts.anchors[name] for h in held if name in h.facts.anchors] for name in GUARDS}
    return {name: min(days) for name, days in found.items() if days}
