"""Purging: the steps of an execution, each of which can be run again (DESIGN 5, 8).

The bench behind the erasing room: close records in the ledger, delete their secrets and re-wrap the
survivors, take their index rows and payloads, and move everything left to a new epoch.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Final

import msgspec

from vault.config import today
from vault.errors import Tampered
from vault.keeping import Held
from vault.ledger.registry import Plan
from vault.model import Facts, Happening, Past, State, Who, Whom
from vault.numbering import spans, swept_handle, total
from vault.retention.planner import Verdict, decide
from vault.retention.versions import superseded_due
from vault.stores.errors import ShelfMoved
from vault.stores.rows import FactsRow, PlanItemRow, SubjectRow
from vault.tenancy import Tenancy

PAGE: Final = 1000
"""Records decided, closed and erased at once: the head is never locked for long."""

_decode_facts: Final = msgspec.json.Decoder(Facts).decode


def _without(held: Held, gone: Sequence[Past]) -> Facts:
    """Facts that no longer know of some versions."""
    return msgspec.structs.replace(
        held.facts, past=tuple(past for past in held.facts.past if past not in gone)
    )


def origin_of(row: FactsRow) -> str:
    """The subject that facts name as the first; unchecked, for notes that are looked at again before use."""
    return _decode_facts(row.body).origin


Before = Callable[[Sequence[str]], None]
Moved = Mapping[str, AbstractSet[str]]
"""Records by the subject they first belonged to, where that isn't the one they belong to now."""


class Purger:
    """Carries out what a plan says, a page of records at a time."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def everything(self) -> Iterator[Held]:
        """Every live record with its checked facts, page by page.

        The key store says which there are: facts that were deleted keep no record out of a plan unseen.

        Raises:
            Tampered: A record's facts are missing or not what the vault wrote.
        """
        after = ""
        while ids := self._t.stores.keys.records(self._t.name, after, PAGE):
            held = self._t.keeping.fetch(ids)
            yield from (held[ident] for ident in ids if ident in held)
            after = ids[-1]

    def decide(self, held: Held, anchors: dict[str, str], day: date) -> Verdict:
        """What the rules say of one record as of a day."""
        return decide(
            kind=held.kind,
            facts=held.facts,
            tenant_anchors=anchors,
            profile=self._t.config.settings.applies_to,
            rules=self._t.rules,
            as_of=day,
        )

    def moved(self) -> Moved:
        """The live records that first belonged to somebody else, by that subject: those of merged people.

        Raises:
            Tampered: As `everything`.
        """
        found: defaultdict[str, set[str]] = defaultdict(set)
        for held in self.everything():
            if held.facts.origin:
                found[held.facts.origin].add(held.row.record)
        return found

    def erase(self, records: Sequence[str], plan: Plan, before: Before, moved: Moved) -> None:
        """Erase one page of records; the plan's own row counts them.

        `before` is called with the records that go while they still open, and again if a crash left them.
        `moved` is whom records of others first belonged to: nobody is closed of whom one stays.
        """
        with self._t.stores.index.turn(self._t.name):  # no import stores a new version meanwhile
            self._erase(records, plan, before, moved)

    def _erase(self, records: Sequence[str], plan: Plan, before: Before, moved: Moved) -> None:
        doomed, closed = self._entomb(records, plan, moved)
        before(sorted(doomed))
        t = self._t
        t.stores.keys.close_subjects(t.name, sorted(closed), t.clock())
        self._delete(sorted(doomed))
        with t.journal.page() as page:
            page.tx.mark_plan_items(plan.id, sorted(doomed), done=True)

    def _delete(self, doomed: Sequence[str]) -> None:
        """Secrets first, their shelves' survivors wrapped anew; then what the other stores hold of them."""
        stores, name = self._t.stores, self._t.name
        while shelves := stores.keys.shelves_of(name, doomed):
            for shelf, on_it in sorted(shelves.items()):
                self._rewrap(shelf, on_it)
        stores.index.delete(name, doomed)
        stores.records.delete(name, doomed)

    def repeat(self, records: Sequence[str]) -> None:
        """Erase once more what the ledger has closed already, where stores from before it were put back."""
        stores, name = self._t.stores, self._t.name
        with stores.index.turn(name):
            subjects = {row.subject for row in stores.keys.fetch(name, records)}
            subjects |= {origin_of(row) for row in stores.records.facts(name, records)} - {""}
            self._delete(records)
            closed = [subject for subject in sorted(subjects) if not stores.records.of_subject(name, subject)]
            stores.keys.close_subjects(name, closed, self._t.clock())

    def reopen(self) -> None:
        """After the last `repeat`: whoever first had a record that lives, under whomever, is not closed."""
        self._t.stores.keys.reopen_subjects(self._t.name, sorted(self.moved()))

    def _rewrap(self, shelf: str, doomed: set[str]) -> None:
        """One shelf; if it moved meanwhile the caller looks again."""
        row = self._t.stores.keys.shelf(self._t.name, shelf)
        if row is None:
            if shelf in self._t.stores.keys.shelves_of(self._t.name, sorted(doomed)):
                raise Tampered("secrets stand on a shelf that is gone", remedy="compare with a replica")
            return
        try:
            self._t.keeping.rewrap(row, doomed)
        except ShelfMoved:
            return

    def _entomb(self, records: Sequence[str], plan: Plan, moved: Moved) -> tuple[set[str], set[str]]:
        """Close records in the ledger: from here on no read of them is released (DESIGN 6, step 6).

        Each is decided once more under the head's lock, so that a hold placed since the plan is honoured.
        Returns the records to erase and the subjects of whom none stays.
        """
        day, anchors = date.fromisoformat(plan.as_of), self._t.tenant_anchors()
        with self._t.journal.page() as page:
            before = page.tx.entombed(records)
            held = self._t.keeping.fetch(records)
            fresh = [
                h
                for record, h in held.items()
                if record not in before and self.decide(h, anchors, day).action == "erase"
            ]
            page.tx.entomb(plan.id, [h.row.record for h in fresh], plan.erase_idx or 0)
            doomed = before | {h.row.record for h in fresh}
            going = [h for record, h in held.items() if record in doomed]
            closed = self._closed(going, doomed, moved)
            names = {name for h in fresh for name in (h.row.subject, h.facts.origin)}
            orphans = sum(self._counts(sorted(closed & names)).values())
            now = page.registry.get(Plan, plan.id)
            page.put(
                msgspec.structs.replace(now, erased=now.erased + len(fresh), orphans=now.orphans + orphans)
            )
        return doomed, closed

    def _closed(self, going: Sequence[Held], doomed: set[str], moved: Moved) -> set[str]:
        """The subjects of these records of whom no other record stays, under their own id or another's.

        A merged person's entries from before are their first subject's, and a split gives the records back:
        so that one lives on while any of what was theirs does.
        """
        subjects = {h.row.subject for h in going}
        subjects |= {h.facts.origin for h in going if h.facts.origin}
        gone = doomed.union(*(self._gone(moved.get(subject, ())) for subject in subjects))
        return {subject for subject in subjects if self._theirs(subject, moved) <= gone}

    def _theirs(self, subject: str, moved: Moved) -> set[str]:
        """What is or was a subject's."""
        return {*self._t.stores.records.of_subject(self._t.name, subject), *moved.get(subject, ())}

    def _gone(self, records: Iterable[str]) -> set[str]:
        """Those of these records that the key store has no longer."""
        wanted = sorted(records)
        return set(wanted) - {row.record for row in self._t.stores.keys.fetch(self._t.name, wanted)}

    def _counts(self, subjects: Sequence[str]) -> dict[str, int]:
        """How many entries the log has of each."""
        found = spans(self._t.stores.ledger, self._t.keys, subjects)
        return {subject: total(each) for subject, each in found.items()}

    def expire(self, day: date) -> int:
        """Erase the versions that by this day were replaced long enough ago; returns how many.

        Their secrets go and the shelves are wrapped anew; then their payloads, and the facts forget them.
        """
        gone = 0
        due = (h.row.record for h in self.everything() if self.expired(h, day))
        while page := list(itertools.islice(due, PAGE)):
            with self._t.stores.index.turn(self._t.name):
                gone += self._expire(page, day)
        return gone

    def _expire(self, page: Sequence[str], day: date) -> int:
        t = self._t
        held = t.keeping.fetch(page)  # once more, now that nobody else writes
        due = {record: self.expired(h, day) for record, h in held.items()}
        versions = {(record, past.version) for record, old in due.items() for past in old}
        by_shelf: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for row in t.stores.keys.versions(t.name, [record for record, old in due.items() if old]):
            if (row.record, row.version) in versions:
                by_shelf[row.shelf].add((row.record, row.version))
        for shelf, pairs in sorted(by_shelf.items()):
            t.keeping.rewrap_versions(shelf, pairs)
        t.stores.records.delete_versions(t.name, sorted(versions))
        t.keeping.set_facts(
            [(held[record], _without(held[record], old)) for record, old in due.items() if old]
        )
        return len(versions)

    def expired(self, held: Held, day: date) -> list[Past]:
        """The versions that by this day may no longer be kept; a legal hold keeps them all until released."""
        if held.facts.holds:
            return []
        rules = self._t.rules
        return [p for p in held.facts.past if superseded_due(held.kind, today(p.until), rules) <= day]

    def restrict(self, items: Sequence[PlanItemRow], plan: Plan) -> None:
        """Set records RESTRICTED: stored and protected, nothing else (PIPL 47 ¶2).

        Counted in the ledger first, then done: after a crash between the two it is done without being
        counted again.
        """
        day, anchors = date.fromisoformat(plan.as_of), self._t.tenant_anchors()
        with self._t.stores.index.turn(self._t.name):
            held = self._t.keeping.fetch([item.record for item in items])
            due = {
                record: h
                for record, h in held.items()
                if h.facts.state == State.ACTIVE and self.decide(h, anchors, day).action == "restrict"
            }
            fresh = [item.record for item in items if item.record in due and item.state == "open"]
            with self._t.journal.page() as page:
                page.tx.mark_plan_items(plan.id, fresh, done=True)
                now = page.registry.get(Plan, plan.id)
                page.put(msgspec.structs.replace(now, restricted=now.restricted + len(fresh)))
            self._t.keeping.set_facts(
                [(h, msgspec.structs.replace(h.facts, state=State.RESTRICTED.value)) for h in due.values()]
            )

    def remaining(self, items: Sequence[PlanItemRow]) -> int:
        """How many of a plan's records are still as they were, held back since it was made."""
        left = 0
        for start in range(0, len(items), PAGE):
            page = {item.record: item.action for item in items[start : start + PAGE]}
            held = self._t.keeping.fetch(sorted(page))
            left += sum(
                page[record] == "erase" or h.facts.state == State.ACTIVE for record, h in held.items()
            )
        return left

    def forget(self, who: Who, plan: str) -> int:
        """Delete the log secrets of subjects long gone: what the rules for log entries call for (DESIGN 7).

        A closed subject has no entry after its closing, so the rules count from that day. How many entries
        no living subject explains any more is entered first. Returns how many secrets went.
        """
        t, today_ = self._t, self._t.today()
        with t.stores.index.turn(t.name):
            gone = self._without_records(
                [row for row in t.stores.keys.closed_subjects(t.name, t.clock()) if self._over(row, today_)]
            )
            if gone:
                self._declare([row.subject for row in gone], who, plan)
            t.keeping.forget_subjects(gone)
        return len(gone)

    def _without_records(self, closed: Sequence[SubjectRow]) -> list[SubjectRow]:
        """The closed subjects of whom truly nothing stays; the others are opened again.

        The closing's note is authenticated by nothing, and a log secret that went doesn't come back.
        """
        if not closed:
            return []
        living = {name for held in self.everything() for name in (held.row.subject, held.facts.origin)}
        open_ = sorted(row.subject for row in closed if row.subject in living)
        self._t.stores.keys.reopen_subjects(self._t.name, open_)
        return [row for row in closed if row.subject not in living]

    def _declare(self, subjects: Sequence[str], who: Who, plan: str) -> None:
        """Enter how many entries are orphaned, each subject's once, whatever crash comes after it.

        The audit key alone opens the entry; the plan's row vouches for it. The balance rests on both.
        """
        handles = {subject: swept_handle(self._t.keys, subject) for subject in subjects}
        with self._t.journal.page() as page:
            before = self._t.stores.ledger.counters(self._t.name, list(handles.values()))
            fresh = [subject for subject, handle in handles.items() if handle not in before]
            counts = self._counts(fresh)
            if fresh:
                page.tx.bump({handles[subject]: count for subject, count in counts.items()})
                swept, now = sum(counts.values()), page.registry.get(Plan, plan)
                page.put(msgspec.structs.replace(now, swept=now.swept + swept))
                detail = f"plan {plan} log_secrets={len(fresh)} orphans={swept}"
                page.add(Happening(kind="erase_begin", who=who, whom=Whom(detail=detail)))

    def _over(self, row: SubjectRow, day: date) -> bool:
        closed = today(row.closed or 0).isoformat()
        verdict = decide(
            kind="access_entry",
            facts=Facts(anchors={"imported_on": closed}),
            tenant_anchors={},
            profile=self._t.config.settings.applies_to,
            rules=self._t.rules,
            as_of=day,
        )
        return verdict.action == "erase"

    def renew_epoch(self, generation: int) -> None:
        """Move every shelf key to the new epoch, retire the old ones, and empty the write-ahead logs."""
        t = self._t
        with t.stores.index.turn(t.name):  # no writer opens a shelf under an epoch that is being retired
            t.keeping.move_to_current_epoch()
            t.keeping.retire_epochs(t.config.settings.epoch_grace_hours * 3_600_000_000)
            t.keeping.destroy_due_epochs()
        t.stores.keys.raise_generation(t.name, generation)
        for store in (t.stores.keys, t.stores.index, t.stores.records):
            store.truncate()
