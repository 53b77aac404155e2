"""Stocking: from drafts to stored records. The bench behind imports and writes.

A draft finds the record it belongs to by its external id, a borrower also by ID number. The same content
again changes nothing; other content makes a new version under a fresh secret (DESIGN 2, 5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from vault.admitting import (
    check_case,
    check_listed,
    check_once,
    check_owner,
    check_version,
    rejection,
)
from vault.completing import Completer, Covers
from vault.crypto.ids import neighbourhood, new_id
from vault.crypto.sign import token_bytes
from vault.errors import Invalid
from vault.intake.rows import Rejection
from vault.keeping import Held, NewSecret, NewSubject
from vault.matching import Incoming, Matcher, Matches, Rows
from vault.model import Draft, Facts, Past, Quiet, Word
from vault.preparing import Place, Ready, own_subject
from vault.remembering import Memory, Notes
from vault.tenancy import Tenancy

_TWICE: Final = Invalid(
    "two records of the request are the same", code="invalid_batch", remedy="send them one by one"
)


Log = Callable[[Sequence[Draft]], None]


class Outcome(Word):
    """What became of one draft: its record, the version it has now, and whether anything was written."""

    row: int
    record: str
    version: int
    stored: bool


class Stocked:
    """What came of a batch: an outcome for each draft that was taken, counts, and rows refused."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.stored: Counter[str] = Counter()
        self.rejections: list[Rejection] = []

    @property
    def unchanged(self) -> int:
        """How many drafts were what is stored already."""
        return sum(not outcome.stored for outcome in self.outcomes)

    def raise_first(self) -> None:
        """Raise the first refusal, for a caller whose request is all or nothing.

        Raises:
            Invalid, Denied: There is one.
        """
        for refused in self.rejections:
            refused.refuse()


class _Step(Quiet, gc=False):
    """A draft on its way: the record it found, and what is to be written unless nothing has changed.

    `joined` are the facts of an unchanged record that learns of another case or day.
    """

    draft: Draft
    old: Held | None
    ready: Ready | None
    joined: Facts | None = None


class _Group:
    """What a group of rows comes to, until it is written.

    Attributes:
        met: The stored records that its rows may be about.
        later: Rows that may be about one of those too, found by another of its keys; they come after.
    """

    def __init__(self, matches: Matches, near: str, now: int, ends: Mapping[str, str]) -> None:
        self.matches = matches
        self.near = near
        self.now = now
        self.ends = ends
        self.steps: list[_Step] = []
        self.subjects: list[str] = []
        self.left_out: list[Rejection] = []
        self.met: set[str] = set()
        self.later: list[Incoming] = []

    def postpones(self, row: Incoming) -> bool:
        """Whether a row must wait until those before it are stored; it is put behind them then."""
        found = self.matches.found(row)
        again = not self.met.isdisjoint(found)
        self.met |= found
        if again:
            self.later.append(row)
        return again

    @property
    def written(self) -> list[tuple[Ready, Held | None]]:
        """What is to be written, with what it replaces."""
        return [(step.ready, step.old) for step in self.steps if step.ready is not None]

    @property
    def joined(self) -> list[tuple[Held, Facts]]:
        """Facts to be changed of records that stay as they are."""
        return [(step.old, step.joined) for step in self.steps if step.old and step.joined]


class Stocker:
    """Stores drafts of one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._matcher = Matcher(tenancy)
        self._memory = Memory(tenancy)
        self._completer = Completer(tenancy)

    def store(self, rows: Rows, log: Log) -> Stocked:
        """Store rows, each whole or refused; `log` admits the writer and makes the entry durable first."""
        done = Stocked()
        for group in self._matcher.groups(rows):
            rest: Rows = group
            while rest:
                with self._t.stores.index.turn(self._t.name):
                    rest = self._store_group(rest, log, done)
        return done

    def store_all(self, rows: Rows, log: Log) -> Stocked:
        """Store every row or none.

        Raises:
            Invalid: A row is refused, or two rows are about the same record; nothing was stored.
        """
        done = Stocked()
        groups = list(self._matcher.groups(rows))
        if len(groups) > 1:
            raise _TWICE
        for group in groups:
            with self._t.stores.index.turn(self._t.name):
                self._store_group(group, log, done, whole=True)
        return done

    def store_within(self, drafts: Sequence[Draft], log: Log) -> int:
        """Store drafts for a caller who holds the writers' turn; returns how many were not there yet."""
        done = Stocked()
        for group in self._matcher.groups([Incoming(drafts=(draft,)) for draft in drafts]):
            rest: Rows = group
            while rest:
                rest = self._store_group(rest, log, done)
        done.raise_first()
        return sum(done.stored.values())

    # --- placing -------------------------------------------------------------------------------------

    def _store_group(self, rows: Rows, log: Log, done: Stocked, *, whole: bool = False) -> Rows:
        """Store rows but those about a record that another of them is about; returns these, in order."""
        self._t.demand_schema()
        ends = self._t.tenant_anchors()
        group = _Group(self._matcher.of(rows), neighbourhood(), self._t.clock(), ends)
        for row in rows:
            if group.postpones(row):
                continue
            try:
                self._place_row(row, group)
            except Invalid as error:
                done.rejections.append(rejection(row.drafts[0], error))
        done.rejections += group.left_out
        if whole:
            done.raise_first()
            if group.later:
                raise _TWICE
        written = group.written
        log([ready.draft for ready, _ in written])  # whoever may not write is refused here, before any change
        self._t.keeping.set_facts([(s.old, s.joined) for s in group.steps if s.old and s.joined])
        if written:
            self._write(written, group.subjects)
        done.stored.update(ready.draft.kind for ready, _ in written)
        done.outcomes += map(_outcome, group.steps)
        return group.later

    def _place_row(self, row: Incoming, group: _Group) -> None:
        """Place a row's drafts; raises before anything of the row was queued."""
        for draft in row.drafts:
            check_case(draft)
        olds = [group.matches.old(draft, keys) for draft, keys in zip(row.drafts, row.keys, strict=True)]
        for draft, old in zip(row.drafts, olds, strict=True):
            check_version(draft, old)
        row, olds, left_out = self._without_listed(row, olds, group)
        if row.ready and not any(olds):  # all new, as was guessed when they were made ready
            group.subjects += dict.fromkeys(ready.place.subject for ready in row.ready)
            group.steps += [_Step(draft=r.draft, old=None, ready=r) for r in row.ready]
            return
        owner, fresh = self._owner(row.drafts, olds, group)
        noted = group.matches.noted(row.drafts, olds)
        steps = []
        for draft, old in zip(row.drafts, olds, strict=True):
            subject = owner
            if own_subject(self._t.schema.kind(draft.kind)):
                subject = old.row.subject if old else new_id("s", group.near)
                fresh += [] if old else [subject]
            if old is None and subject == owner:
                draft = msgspec.structs.replace(draft, anchors=draft.anchors | noted)  # noqa: PLW2901 - the same
            check_owner(draft, old, subject, self._t.schema.kind(draft.kind).ref)
            steps.append(self._step(group.matches.named(draft, old), old, subject, group, row.covers))
        group.subjects += fresh
        group.steps += steps
        group.left_out += left_out

    def _without_listed(
        self, row: Incoming, olds: list[Held | None], group: _Group
    ) -> tuple[Incoming, list[Held | None], list[Rejection]]:
        """A row without the contact persons who may not come back, and why each was left out.

        They go when the borrower stays: a known borrower's news, as a debt paid, must not wait for them.

        Raises:
            Invalid: Somebody else of the row may not come back, or a contact person of a borrower not known.
        """
        known = any(old and draft.kind == "borrower" for draft, old in zip(row.drafts, olds, strict=True))
        kept, left_out = [], []
        for number, draft in enumerate(row.drafts):
            try:
                if not row.relationship:
                    check_listed(draft, olds[number], group.matches)
            except Invalid as error:
                if not known or draft.kind != "contact_person":
                    raise
                left_out.append(rejection(draft, error))
            else:
                kept.append(number)
        if left_out:
            drafts = tuple(row.drafts[n] for n in kept)
            row = msgspec.structs.replace(row, drafts=drafts, ready=(), keys=tuple(row.keys[n] for n in kept))
        return row, [olds[n] for n in kept], left_out

    def _step(
        self, draft: Draft, old: Held | None, subject: str, group: _Group, covers: Covers | None
    ) -> _Step:
        preparer = self._t.preparer
        if old is None:
            ready = preparer.fresh(draft, subject, group.near, group.now, group.ends)
            return _Step(draft=draft, old=None, ready=ready)
        draft, notes = self._memory.applied(draft, old)
        cases = tuple(sorted(preparer.handles(draft) | set(old.facts.cases)))
        kept = {"imported_on": old.facts.anchors["imported_on"]}
        anchors = old.facts.anchors | draft.anchors | kept
        if draft.kind == "borrower" and len(cases) > 1:
            anchors.pop("settled_on", None)  # the other loans go on: one that is settled ends no purpose
        facts = msgspec.structs.replace(old.facts, cases=cases, anchors=anchors)
        secret = self._t.keeping.record_secret(old.row)
        same = old.facts.fingerprint == preparer.fingerprint(draft, secret)
        if not same and covers is not None:
            draft = self._completer.completed(draft, old, covers)
            same = old.facts.fingerprint == preparer.fingerprint(draft, secret)
        if same:
            joined = facts if facts != old.facts else None
            return _Step(draft=draft, old=old, ready=None, joined=joined)
        check_once(draft)
        ready = self.succeed(draft, old, facts, group.now, group.ends, notes=notes)
        return _Step(draft=draft, old=old, ready=ready)

    def succeed(
        self,
        draft: Draft,
        old: Held,
        facts: Facts,
        now: int,
        ends: Mapping[str, str],
        *,
        subject: str = "",
        notes: Notes | None = None,
    ) -> Ready:
        """A draft as the next version of a record; the one it replaces stays, sealed, among its past.

        Args:
            draft: What the version holds.
            old: The record as it stands.
            facts: Its facts, but for what this adds: version, time, past, parts and fingerprint.
            now: µs UTC.
            ends: The tenant's own anchors.
            subject: Whom it belongs to from now on, if not the same as before.
            notes: What was corrected away (`vault.remembering`); None leaves that as it is.
        """
        secret, version = token_bytes(32), self._next_version(old)
        notes = self._memory.notes(old) if notes is None else notes
        before = Past(
            version=old.row.version, since=old.facts.since, until=now, parts=old.facts.parts,
            layout=old.facts.layout,
        )  # fmt: skip
        facts = msgspec.structs.replace(
            facts,
            version=version,
            since=now,
            past=(*old.facts.past, before),
            parts=self._t.preparer.parts(draft),
            fingerprint=self._t.preparer.fingerprint(draft, secret),
            corrected=self._memory.sealed(notes, old.row.record, version, secret),
            layout=self._t.preparer.layouts[draft.kind],
        )
        place = Place(
            record=old.row.record, subject=subject or old.row.subject, version=version,
            counter=old.next_counter,
        )  # fmt: skip
        return self._t.preparer.ready(draft, place, secret, facts, ends)

    def _owner(
        self, drafts: Sequence[Draft], olds: Sequence[Held | None], group: _Group
    ) -> tuple[str, list[str]]:
        """The borrower's subject for this row, and the list of fresh subjects."""
        for draft, old in zip(drafts, olds, strict=True):
            if draft.kind == "borrower":
                return (old.row.subject, []) if old else (fresh := new_id("s", group.near), [fresh])
            if self._matcher.hangs_on_case(draft):
                loan = group.matches.loan(draft)
                return (loan.row.subject, []) if self._matcher.follows_case(draft) else ("", [])
            if draft.kind == "loan":
                if old is None:
                    raise Invalid(
                        "a loan needs its borrower",
                        code="invalid_ref",
                        field="loan.case_number",
                        remedy="import it in the borrower layout",
                    )
                return old.row.subject, []
        return "", []

    def _next_version(self, held: Held) -> int:
        """A version beyond every one that has a secret, one that a crashed write left pending included."""
        return 1 + max(row.version for row in self._t.stores.keys.versions(self._t.name, [held.row.record]))

    # --- writing -------------------------------------------------------------------------------------

    def _write(self, written: Sequence[tuple[Ready, Held | None]], subjects: Sequence[str]) -> None:
        """The order of a write (module docstring of `vault.writing`)."""
        t = self._t
        everything = [ready for ready, _ in written]
        t.keeping.keep(
            [
                NewSecret(record=r.place.record, version=r.place.version, due=r.due, secret=r.secret)
                for r in everything
            ],
            [NewSubject(subject=subject, secret=token_bytes(32)) for subject in subjects],
        )
        t.stores.records.insert(
            [row for r in everything for row in r.payloads], [r.facts_row for r in everything]
        )
        t.stores.index.put(
            t.name,
            [ready.place.record for ready, old in written if old],
            [row for r in everything for row in r.blind],
            [row for r in everything for row in r.attributes],
        )
        t.stores.keys.confirm(
            t.name,
            [(r.place.record, r.place.version, r.place.subject, r.place.counter) for r in everything],
        )
        stood = [(ready.place.record, old.row.facts_counter) for ready, old in written if old]
        if stood:
            t.stores.records.drop_facts(t.name, stood)

    def replace(self, written: Sequence[tuple[Ready, Held | None]], subjects: Sequence[str] = ()) -> None:
        """Write versions that `succeed` made; whoever calls holds the writers' turn and has logged it."""
        self._t.demand_schema()
        self._write(written, subjects)


def _outcome(step: _Step) -> Outcome:
    if step.ready is not None:
        place = step.ready.place
        return Outcome(row=step.draft.row, record=place.record, version=place.version, stored=True)
    assert step.old is not None  # noqa: S101 - what is not written was found
    return Outcome(row=step.draft.row, record=step.old.row.record, version=step.old.row.version, stored=False)
