"""Purging: the steps of an execution, each of which can be run again (DESIGN 5, 8).

The bench behind the erasing room: close records in the ledger, delete their secrets and re-wrap the
survivors, take their index rows and payloads, and move everything left to a new epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import msgspec

from vault.crypto import mac
from vault.errors import Tampered
from vault.keeping import Held
from vault.ledger.registry import Plan
from vault.model import State
from vault.retention.planner import Verdict, decide
from vault.stores.errors import ShelfMoved
from vault.stores.rows import PlanItemRow
from vault.tenancy import Tenancy

PAGE: Final = 1000
"""Records decided, closed and erased at once: the head is never locked for long."""


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

    def erase(self, records: Sequence[str], plan: Plan) -> None:
        """Erase one page of records; the plan's own row counts them."""
        with self._t.stores.index.turn(self._t.name):  # no import stores a new version meanwhile
            self._erase(records, plan)

    def _erase(self, records: Sequence[str], plan: Plan) -> None:
        doomed, t = self._entomb(records, plan), self._t
        while shelves := t.stores.keys.shelves_of(t.name, sorted(doomed)):
            for shelf, on_it in sorted(shelves.items()):
                self._rewrap(shelf, on_it)
        t.stores.index.delete(t.name, sorted(doomed))
        t.stores.records.delete(t.name, sorted(doomed))
        with t.journal.page() as page:
            page.tx.mark_plan_items(plan.id, sorted(doomed), done=True)

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

    def _entomb(self, records: Sequence[str], plan: Plan) -> set[str]:
        """Close records in the ledger: from here on no read of them is released (DESIGN 6, step 6).

        Each is decided once more under the head's lock, so that a hold placed since the plan is honoured.
        """
        day, anchors = date.fromisoformat(plan.as_of), self._t.tenant_anchors()
        with self._t.journal.page() as page:
            doomed = page.tx.entombed(records)
            fresh = [
                held
                for held in self._t.keeping.fetch([r for r in records if r not in doomed]).values()
                if self.decide(held, anchors, day).action == "erase"
            ]
            page.tx.entomb(plan.id, [held.row.record for held in fresh], plan.erase_idx or 0)
            doomed |= {held.row.record for held in fresh}
            orphans = sum(self._count(held.row.subject) for held in self._closed(fresh, doomed))
            now = page.registry.get(Plan, plan.id)
            page.put(
                msgspec.structs.replace(now, erased=now.erased + len(fresh), orphans=now.orphans + orphans)
            )
        return doomed

    def _closed(self, fresh: Sequence[Held], doomed: set[str]) -> list[Held]:
        """One of the fresh for each subject of whom no record stays."""
        by_subject = {held.row.subject: held for held in fresh}
        of_subject = self._t.stores.records.of_subject
        return [h for subject, h in by_subject.items() if set(of_subject(self._t.name, subject)) <= doomed]

    def _count(self, subject: str) -> int:
        handle = mac.handle(self._t.keys.handle_key, "subject", subject)
        return self._t.stores.ledger.counter(self._t.name, handle)

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

    def renew_epoch(self) -> None:
        """Move every shelf key to the new epoch, retire the old ones, and empty the write-ahead logs."""
        t = self._t
        with t.stores.index.turn(t.name):  # no writer opens a shelf under an epoch that is being retired
            t.keeping.move_to_current_epoch()
            t.keeping.retire_epochs(t.config.settings.epoch_grace_hours * 3_600_000_000)
            t.keeping.destroy_due_epochs()
        t.stores.keys.bump_generation(t.name)
        for store in (t.stores.keys, t.stores.index, t.stores.records):
            store.truncate()
