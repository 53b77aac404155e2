"""Matching: which stored record a draft is about. The bench behind imports and writes.

A draft is about the record that holds its external id; a borrower also the one that holds its ID number.
The index says which record that is, and the record itself must agree: an index can be edited.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from vault.errors import Invalid, Tampered, Unavailable
from vault.keeping import Held
from vault.model import Draft, Quiet
from vault.opening import Opener
from vault.preparing import CONTENT, ID_NUMBER, REF, SUPPRESSION, Key, Ready, own_subject
from vault.remembering import Memory
from vault.tenancy import Tenancy

OF_A_PERSON: Final = frozenset(
    {
        "deceased_on", "consent_withdrawn_on", "incapacitated_on", "unreachable_on", "reached_on",
        "hours_agreed_on",
    }
)  # fmt: skip
"""Anchors that are noted of a person, and so of every record of theirs (`amending.NOTES`)."""
_PERSONS: Final = ("borrower", "loan")


class Incoming(Quiet, gc=False):
    """A row's drafts on their way in, stored whole or refused whole.

    Attributes:
        ready: The same drafts made ready as new records of new people, if that was done beforehand.
        relationship: The reference of a new relationship with people who were erased before, "" if none.
        covers: By kind, what the row's file has columns for; None where the drafts are whole records.
        keys: What each draft's record can be found by; filled in by `Matcher.groups`.
    """

    drafts: tuple[Draft, ...]
    ready: tuple[Ready, ...] = ()
    relationship: str = ""
    covers: Mapping[str, frozenset[str]] | None = None
    keys: tuple[list[Key], ...] = ()


Rows = Sequence[Incoming]


class Matcher:
    """Finds what is there already, for one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)
        self._memory = Memory(tenancy)

    def _keyed(self, row: Incoming) -> Incoming:
        """A row with its keys; those of a row made ready were made with it."""
        if row.ready:
            keys = tuple(_found_by(ready) for ready in row.ready)
        else:
            keys = tuple(self._t.preparer.keys(draft) for draft in row.drafts)
        return msgspec.structs.replace(row, keys=keys)

    def groups(self, rows: Rows) -> Iterator[list[Incoming]]:
        """Split so that no record is met twice in one group: a later row must see the earlier one stored."""
        group: list[Incoming] = []
        met: set[Key] = set()
        for row in map(self._keyed, rows):
            keys = {key for found in row.keys for key in found}
            if keys & met:
                yield group
                group, met = [], set()
            group.append(row)
            met |= keys
        if group:
            yield group

    def follows_case(self, draft: Draft) -> bool:
        """Whether a draft belongs to the borrower of its case."""
        return self._t.schema.kind(draft.kind).owner == "borrower" and draft.kind != "loan"

    def hangs_on_case(self, draft: Draft) -> bool:
        """Whether a draft has no place without a loan that is stored: it is about one or its people.

        The people of a loan's own row come with it.
        """
        beside = own_subject(self._t.schema.kind(draft.kind)) and bool(draft.cases)
        return beside or self.follows_case(draft)

    def suppressed_by(self, draft: Draft) -> list[Key]:
        """What the person of a draft would be on the suppression list by."""
        return self._t.preparer.suppressed_by(draft)

    def person_of(self, held: Held) -> list[Key]:
        """What the person of a stored record would be on the suppression list by."""
        return self.suppressed_by(self._opener.drafts([held.row.record])[held.row.record][0])

    def loan_key(self, draft: Draft) -> Key:
        """What the loan of a draft's case can be found by."""
        return "loan", REF, self._t.preparer.digest("loan", REF, draft.cases[0] if draft.cases else "")

    def has_id(self, held: Held) -> bool:
        """Whether a borrower has an ID number stored."""
        spec = self._t.schema.kind(held.kind).fields[ID_NUMBER]
        return bool(self._opener.values([held.row.record], spec))

    def corrected_away(self, held: Held, draft: Draft) -> bool:
        """Whether a draft brings the ID number that a correction took from a borrower."""
        return self._memory.knows(held, ID_NUMBER, draft.values[ID_NUMBER])

    def of(self, rows: Rows) -> Matches:
        """The live records that these rows are about; those being erased count for nothing.

        Raises:
            Tampered: The index leads to another record.
        """
        wanted: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        for row in rows:
            own = any(draft.kind == "loan" for draft in row.drafts)
            for draft, keys in zip(row.drafts, row.keys, strict=True):
                cases = [self.loan_key(draft)] if not own and self.hangs_on_case(draft) else []
                for kind, field, digest in keys + cases:
                    wanted[kind, field].append(digest)
        if self._t.stores.index.holds(self._t.name, SUPPRESSION):
            for draft in (draft for row in rows for draft in row.drafts):
                wanted[SUPPRESSION, CONTENT] += [key[2] for key in self._t.preparer.suppressed_by(draft)]
        known = {
            (kind, field, digest): records
            for (kind, field), digests in wanted.items()
            for digest, records in self._t.stores.index.find_many(self._t.name, kind, field, digests).items()
        }
        held = self._t.keeping.fetch(sorted({record for records in known.values() for record in records}))
        for gone in self._t.stores.ledger.entombed(self._t.name, list(held)):
            del held[gone]
        return Matches(self, known, held, self._confirmed(known, held))

    def _confirmed(self, known: dict[Key, list[str]], held: dict[str, Held]) -> dict[str, str | None]:
        """The records' external ids; each that a key found must hold what the key stands for."""
        refs = self._opener.refs(list(held.values()))
        spec = self._t.schema.kind("borrower").fields[ID_NUMBER]
        ids = self._opener.held_values({r: h for r, h in held.items() if h.kind == "borrower"}, spec)
        for (kind, field, digest), records in known.items():
            for record in records:
                if record not in held:
                    continue
                value = refs.get(record) if field == REF else json.loads(ids.get(record, b"null"))
                if field == CONTENT:
                    stands = held[record].facts.content
                else:
                    stands = b"" if value is None else self._t.preparer.digest(kind, field, value)
                if held[record].kind != kind or stands != digest:
                    self._refuse(record)
        return refs

    def _refuse(self, record: str) -> None:
        """The index is ahead of a record while its new version waits to be confirmed; else it was edited."""
        if any(row.record == record for row in self._t.stores.keys.pending(self._t.name)):
            raise Unavailable("a write to this record is unfinished", code="busy", remedy="retry in a minute")
        raise Tampered("the index leads to another record", remedy="rebuild the index from the records")


class Matches:
    """What a group of rows found."""

    def __init__(
        self,
        matcher: Matcher,
        known: dict[Key, list[str]],
        held: dict[str, Held],
        refs: dict[str, str | None],
    ) -> None:
        self._matcher = matcher
        self._known = known
        self._held = held
        self._refs = refs

    def _live(self, key: Key) -> Held | None:
        return next((self._held[r] for r in self._known.get(key, ()) if r in self._held), None)

    def noted(self, drafts: Sequence[Draft], olds: Sequence[Held | None]) -> dict[str, str]:
        """What was noted of the borrower a row is about, which holds for new records of theirs too."""
        known = [old for draft, old in zip(drafts, olds, strict=True) if old and draft.kind in _PERSONS]
        if not any(draft.kind in _PERSONS for draft in drafts):
            known += [self.loan(draft) for draft in drafts if self._matcher.follows_case(draft)]
        return {n: day for held in known for n, day in held.facts.anchors.items() if n in OF_A_PERSON}

    def loan(self, draft: Draft) -> Held:
        """The loan of a draft's case.

        Raises:
            Invalid: There is none.
        """
        loan = self._live(self._matcher.loan_key(draft))
        if loan is None:
            raise Invalid(
                "no loan has this case number",
                code="invalid_ref",
                field=f"{draft.kind}.case_number",
                remedy="import the loan first",
            )
        return loan

    def suppressed(self, draft: Draft, old: Held | None) -> bool:
        """Whether a draft brings a person who is on the suppression list.

        A record may go on being about somebody on the list: they refused, or came back under a reference.
        """
        if not any(kind == SUPPRESSION for kind, _, _ in self._known):
            return False
        listed = {key for key in self._matcher.suppressed_by(draft) if self._live(key)}
        return bool(listed) and (old is None or listed.isdisjoint(self._matcher.person_of(old)))

    def found(self, row: Incoming) -> set[str]:
        """The live records that any key of a row leads to."""
        records = (record for keys in row.keys for key in keys for record in self._known.get(key, ()))
        return {record for record in records if record in self._held}

    def old(self, draft: Draft, keys: Sequence[Key]) -> Held | None:
        """The record a draft is about; by ID number before external id, if both lead to one person.

        Raises:
            Invalid: The external id belongs to a borrower with another ID number, or to another one than the
                ID number does; two records of one person, once merged, are told by the external id.
        """
        found = {field: self._live((kind, field, digest)) for kind, field, digest in keys}
        by_id, by_ref = found.get(ID_NUMBER), found.get(REF) or found.get(CONTENT)
        own = draft.kind == "borrower" and ID_NUMBER in draft.values
        if own and by_ref and by_id is not by_ref and self._matcher.corrected_away(by_ref, draft):
            return by_ref
        if own and by_id is None and by_ref is not None and self._matcher.has_id(by_ref):
            raise Invalid(
                "the number belongs to a borrower with another ID number",
                code="invalid_ref",
                field=f"{draft.kind}.{ID_NUMBER}",
                remedy="check both numbers; correct the stored record if that one is wrong",
            )
        if by_id and by_ref and by_id.row.record != by_ref.row.record:
            if by_id.row.subject == by_ref.row.subject:  # merged: each keeps its number
                return by_ref
            raise Invalid(
                "the number is one borrower's, the ID number another's",
                code="invalid_ref",
                field=f"{draft.kind}.{ID_NUMBER}",
                remedy="check both numbers; if the two are one person, merge them",
            )
        return by_id or by_ref

    def named(self, draft: Draft, old: Held | None) -> Draft:
        """A draft under the external id that its record has, if its own only stands in for one.

        A borrower without a customer number goes by a case; one with several would change names with each.
        """
        kept = self._refs.get(old.row.record) if old else None
        stands_in = draft.kind == "borrower" and draft.ref in draft.cases
        return msgspec.structs.replace(draft, ref=kept) if kept and stands_in else draft


def _found_by(ready: Ready) -> list[Key]:
    """The keys among a ready record's index rows."""
    wanted = {REF, CONTENT, ID_NUMBER} if ready.draft.kind == "borrower" else {REF, CONTENT}
    return [(row.kind, row.field, row.digest) for row in ready.blind if row.field in wanted]
