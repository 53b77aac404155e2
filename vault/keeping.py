"""Keeping: the erasure axis. Secrets on shelves, shelves under epochs, and the facts of records.

A record's payload opens only with its own secret; secrets are wrapped under shelf keys, shelf keys under an
epoch that the provider can destroy (DESIGN 5). Facts are authenticated as one per record, at a counter that
`keys` knows (DESIGN 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from vault.config import Clock
from vault.crypto import mac
from vault.crypto.ids import new_id
from vault.crypto.keys import TenantKeys
from vault.crypto.provider import KeyProvider
from vault.crypto.sign import token_bytes
from vault.crypto.wrap import WrappingKey, log_secret_context, secret_context, shelf_context
from vault.errors import Tampered, Unavailable
from vault.model import Facts, Quiet, Word
from vault.stores.errors import ShelfMoved
from vault.stores.keys import KeyStore
from vault.stores.records import RecordStore
from vault.stores.rows import EpochRow, FactsRow, HeadKeyRow, SecretRow, ShelfRow, SubjectRow

SHELF_CAPACITY: Final = 256
CACHE_LIFE: Final = 600_000_000
"""µs a shelf key is remembered; far below the shortest epoch grace, so nodes drop an epoch before it dies."""
PENDING_LIFE: Final = 30_000_000
"""µs until a write that was not confirmed may be swept."""
RETRIES: Final = 20


_decode_facts: Final = msgspec.json.Decoder(Facts).decode


class NewSecret(Quiet):
    """A fresh secret for one record version, to be kept before its payload is written."""

    record: str
    version: int
    due: str
    secret: bytes


class NewSubject(Quiet):
    """A subject met for the first time, with its fresh log secret."""

    subject: str
    secret: bytes


class Held(Word):
    """A record's key row with its facts, checked: what a read starts from."""

    row: HeadKeyRow
    kind: str
    facts: Facts
    top: int

    @property
    def next_counter(self) -> int:
        """A facts counter beyond every one met, one that a crashed writer left behind included."""
        return self.top + 1


class Keeping:
    """The key store with its provider, for one tenant on one node."""

    def __init__(
        self, store: KeyStore, records: RecordStore, keys: TenantKeys, provider: KeyProvider, clock: Clock
    ) -> None:
        self.store = store
        self._records = records
        self._keys = keys
        self._tenant = keys.tenant
        self._provider = provider
        self._clock = clock
        self._shelves: dict[tuple[str, int], WrappingKey] = {}
        self._since = 0

    # --- opening ------------------------------------------------------------------------------------

    def _shelf_key(self, shelf: str, generation: int) -> WrappingKey:
        now = self._clock()
        if now - self._since > CACHE_LIFE:
            self._shelves.clear()
            self._since = now
        known = self._shelves.get((shelf, generation))
        if known is None:
            row = self.store.shelf(self._tenant, shelf)
            if row is None or row.generation != generation:
                raise ShelfMoved("the shelf was re-wrapped meanwhile", remedy="retry")
            known = self._shelves[shelf, generation] = self._open_shelf(row)
        return known

    def _open_shelf(self, row: ShelfRow) -> WrappingKey:
        return WrappingKey(self._shelf_bytes(row))

    def _shelf_bytes(self, row: ShelfRow) -> bytes:
        context = shelf_context(self._tenant, row.shelf, row.generation, row.epoch)
        return self._provider.unwrap(self._tenant, row.epoch, row.wrapped, context)

    def record_secret(self, row: HeadKeyRow) -> bytes:
        """The secret of a record's latest version."""
        key = self._shelf_key(row.shelf, row.generation)
        context = secret_context(self._tenant, row.shelf, row.generation, row.record, row.version)
        return key.unwrap(row.wrapped, context)

    def log_secret(self, row: HeadKeyRow | SubjectRow) -> bytes:
        """The log secret `u` of a record's subject."""
        if isinstance(row, HeadKeyRow):
            shelf, generation, wrapped = row.log_shelf, row.log_generation, row.log_wrapped
        else:
            shelf, generation, wrapped = row.shelf, row.generation, row.wrapped
        context = log_secret_context(self._tenant, shelf, generation, row.subject)
        return self._shelf_key(shelf, generation).unwrap(wrapped, context)

    def log_secrets(self, subjects: Sequence[str]) -> dict[str, bytes]:
        """The log secrets of these subjects; those whose secret is gone are left out."""
        return {
            row.subject: self.log_secret(row) for row in self.store.subjects(self._tenant, list(subjects))
        }

    def log_shelf(self, shelf: str) -> list[tuple[str, bytes]]:
        """The subjects whose log secrets stand on one shelf, with the secrets; none if it is gone."""
        return [(row.subject, self.log_secret(row)) for row in self.store.subjects_on(self._tenant, shelf)]

    def fetch(self, records: Sequence[str]) -> dict[str, Held]:
        """Key rows and checked facts of the records that exist; one query to each store.

        Raises:
            Tampered: Facts were edited, dropped or rolled back.
        """
        rows = self._rows(records)
        while rows:
            try:
                return self._all_held(rows)
            except Tampered:
                again = self._rows(list(rows))
                if again == rows:
                    raise
                rows = again  # a purge or a writer came between the two queries
        return {}

    def _rows(self, records: Sequence[str]) -> dict[str, HeadKeyRow]:
        return {row.record: row for row in self.store.fetch(self._tenant, list(records))}

    def _all_held(self, rows: dict[str, HeadKeyRow]) -> dict[str, Held]:
        facts: dict[str, list[FactsRow]] = defaultdict(list)
        for fact in self._records.facts(self._tenant, list(rows)):
            facts[fact.record].append(fact)
        return {record: self._held(row, facts[record]) for record, row in rows.items()}

    def _held(self, row: HeadKeyRow, candidates: list[FactsRow]) -> Held:
        """Choose the facts that hold: the confirmed counter, or the pending one if that is all there is."""
        by_counter = {fact.counter: fact for fact in candidates}
        chosen = by_counter.get(row.facts_counter)
        if chosen is None and row.facts_pending is not None:
            chosen = by_counter.get(row.facts_pending)
        if chosen is None:
            raise Tampered(
                "a record's facts are missing or rolled back", remedy="stop; compare with a backup"
            )
        self._check(chosen, row.subject)
        facts = _decode_facts(chosen.body)
        if facts.version != row.version:
            raise Tampered(
                "an older version was put in a record's place", remedy="stop; compare with a mirror"
            )
        return Held(
            row=row,
            kind=chosen.kind,
            facts=facts,
            top=max(row.facts_pending or 0, *by_counter),
        )

    def _check(self, fact: FactsRow, subject: str) -> None:
        if fact.subject != subject:
            raise Tampered("a record's facts name another subject", remedy="stop; compare with a backup")
        expected = mac.facts_mac(
            self._keys.facts_key, self._tenant, subject, fact.record, fact.kind, fact.counter, fact.body
        )
        mac.check(expected, fact.mac, "a record's facts")

    # --- writing ------------------------------------------------------------------------------------

    def facts_row(self, record: str, subject: str, kind: str, counter: int, facts: Facts) -> FactsRow:
        """Facts as the store keeps them, under their MAC."""
        body = msgspec.json.encode(facts)
        seal = mac.facts_mac(self._keys.facts_key, self._tenant, subject, record, kind, counter, body)
        return FactsRow(
            tenant=self._tenant,
            record=record,
            counter=counter,
            subject=subject,
            kind=kind,
            body=body,
            mac=seal,
        )

    def set_facts(self, changes: Iterable[tuple[Held, Facts]]) -> None:
        """Change facts: announce the next counter, write them durably, then confirm (DESIGN 4).

        Raises:
            Unavailable: Somebody else changed one of them at the same time; retry.
        """
        steps = [(held, held.next_counter, facts) for held, facts in changes]
        if not steps:
            return
        moved = self.store.pend_facts(
            self._tenant, [(h.row.record, h.row.facts_counter, counter) for h, counter, _ in steps]
        )
        if moved:
            raise Unavailable("facts changed meanwhile", code="conflict", remedy="read again and retry")
        rows = [self.facts_row(h.row.record, h.row.subject, h.kind, c, facts) for h, c, facts in steps]
        self._records.put_facts(rows)
        self.store.confirm_facts(self._tenant, [(h.row.record, c) for h, c, _ in steps])
        stood = [(h.row.record, h.row.facts_counter) for h, _, _ in steps]
        self._records.drop_facts(self._tenant, stood)

    def keep(self, secrets: Sequence[NewSecret], subjects: Sequence[NewSubject]) -> None:
        """Put fresh secrets on shelves as pending, before their payloads are written (DESIGN 4)."""
        for _ in range(RETRIES):
            try:
                self.store.put_pending(self._tenant, self._wrap(secrets), self._wrap_subjects(subjects))
            except ShelfMoved:
                continue
            return
        raise Unavailable("shelves kept moving", remedy="retry when the purge has ended")

    def _wrap(self, secrets: Sequence[NewSecret]) -> list[SecretRow]:
        deadline = self._clock() + PENDING_LIFE
        by_due: dict[str, list[NewSecret]] = defaultdict(list)
        for new in secrets:
            by_due[new.due].append(new)
        rows = []
        for due, group in by_due.items():
            for new, (shelf, key) in zip(group, self._places("record", due, len(group)), strict=True):
                context = secret_context(self._tenant, shelf.shelf, shelf.generation, new.record, new.version)
                rows.append(
                    SecretRow(
                        tenant=self._tenant,
                        record=new.record,
                        version=new.version,
                        shelf=shelf.shelf,
                        generation=shelf.generation,
                        wrapped=key.wrap(new.secret, context),
                        status="pending",
                        deadline=deadline,
                    )
                )
        return rows

    def _wrap_subjects(self, subjects: Sequence[NewSubject]) -> list[SubjectRow]:
        rows = []
        for new, (shelf, key) in zip(subjects, self._places("log", "", len(subjects)), strict=True):
            context = log_secret_context(self._tenant, shelf.shelf, shelf.generation, new.subject)
            rows.append(
                SubjectRow(
                    tenant=self._tenant,
                    subject=new.subject,
                    shelf=shelf.shelf,
                    generation=shelf.generation,
                    wrapped=key.wrap(new.secret, context),
                )
            )
        return rows

    def _places(self, purpose: str, due: str, count: int) -> list[tuple[ShelfRow, WrappingKey]]:
        """A shelf with room for each of `count` secrets; fills a started shelf before it opens another."""
        places: list[tuple[ShelfRow, WrappingKey]] = []
        shelf = self.store.find_shelf(self._tenant, purpose, due, 1, SHELF_CAPACITY) if count else None
        while len(places) < count:
            shelf = shelf or self.add_shelf(purpose, due)
            room = min(SHELF_CAPACITY - shelf.count, count - len(places))
            places += [(shelf, self._shelf_key(shelf.shelf, shelf.generation))] * room
            shelf = None
        return places

    # --- shelves and epochs -------------------------------------------------------------------------

    def add_shelf(self, purpose: str, due: str) -> ShelfRow:
        """Open a new shelf under the current epoch."""
        row = self.fresh_shelf(new_id("sh"), purpose, due, 1, 0)[0]
        self.store.add_shelf(row)
        return row

    def fresh_shelf(
        self, shelf: str, purpose: str, due: str, generation: int, count: int
    ) -> tuple[ShelfRow, WrappingKey]:
        """A shelf row with a new key, wrapped under the current epoch."""
        epoch, key = self.current_epoch(), token_bytes(32)
        context = shelf_context(self._tenant, shelf, generation, epoch)
        row = ShelfRow(
            tenant=self._tenant,
            shelf=shelf,
            purpose=purpose,  # type: ignore[arg-type]
            due=due,
            generation=generation,
            epoch=epoch,
            count=count,
            wrapped=self._provider.wrap(self._tenant, epoch, key, context),
        )
        return row, WrappingKey(key)

    def current_epoch(self) -> int:
        """The epoch new shelf keys are wrapped under."""
        return max(row.epoch for row in self.store.epochs(self._tenant) if row.retired is None)

    def new_epoch(self) -> int:
        """Make the next epoch: the provider's key first, so that a crash between leaves nothing lost."""
        epoch = max((row.epoch for row in self.store.epochs(self._tenant)), default=0) + 1
        self._provider.create_epoch(self._tenant, epoch)
        self.store.add_epoch(
            EpochRow(
                tenant=self._tenant,
                epoch=epoch,
                created=self._clock(),
                retired=None,
                destroy_after=None,
                destroyed=None,
            )
        )
        return epoch

    def rewrap(self, shelf: ShelfRow, doomed: set[str]) -> None:
        """Delete the doomed records' secrets and re-wrap the survivors under a new shelf key (DESIGN 5)."""
        self.store.rewrap(self._tenant, shelf.shelf, shelf.generation, doomed, self._rewrapped)

    def _rewrapped(self, old: ShelfRow, survivors: list[SecretRow]) -> tuple[ShelfRow, list[SecretRow]]:
        old_key = self._open_shelf(old)
        row, key = self.fresh_shelf(old.shelf, old.purpose, old.due, old.generation + 1, len(survivors))
        moved = []
        for s in survivors:
            secret = old_key.unwrap(
                s.wrapped, secret_context(self._tenant, s.shelf, s.generation, s.record, s.version)
            )
            context = secret_context(self._tenant, row.shelf, row.generation, s.record, s.version)
            moved.append(
                msgspec.structs.replace(s, generation=row.generation, wrapped=key.wrap(secret, context))
            )
        return row, moved

    def move_to_current_epoch(self) -> int:
        """Wrap every shelf key of older epochs under the current one; returns how many moved."""
        epoch, moved = self.current_epoch(), 0
        for shelf in self.store.shelves(self._tenant, epoch):
            context = shelf_context(self._tenant, shelf.shelf, shelf.generation, epoch)
            wrapped = self._provider.wrap(self._tenant, epoch, self._shelf_bytes(shelf), context)
            try:
                self.store.move_shelf(self._tenant, shelf.shelf, shelf.generation, epoch, wrapped)
            except ShelfMoved:
                continue
            moved += 1
        return moved

    def retire_epochs(self, grace: int) -> list[EpochRow]:
        """Mark every epoch but the current one retired, to be destroyed after `grace` µs."""
        current, now = self.current_epoch(), self._clock()
        retired = []
        for row in self.store.epochs(self._tenant):
            if row.epoch != current and row.retired is None:
                gone = msgspec.structs.replace(row, retired=now, destroy_after=now + grace)
                self.store.update_epoch(gone)
                retired.append(gone)
        return retired

    def due_epochs(self) -> list[EpochRow]:
        """Retired epochs whose grace has passed."""
        now = self._clock()
        return [
            row
            for row in self.store.epochs(self._tenant)
            if row.destroyed is None and row.destroy_after is not None and row.destroy_after <= now
        ]

    def destroy_due_epochs(self) -> list[int]:
        """Destroy retired epochs whose grace has passed and that wrap no shelf any more.

        Raises:
            Unavailable: A shelf still hangs on an epoch that is due: it must be moved first.
        """
        now, destroyed = self._clock(), []
        for row in self.due_epochs():
            if any(
                shelf.epoch == row.epoch for shelf in self.store.shelves(self._tenant, self.current_epoch())
            ):
                raise Unavailable("a shelf still hangs on a retired epoch", remedy="run the purge again")
            self._provider.destroy_epoch(self._tenant, row.epoch)
            self.store.update_epoch(msgspec.structs.replace(row, destroyed=now))
            destroyed.append(row.epoch)
        return destroyed
