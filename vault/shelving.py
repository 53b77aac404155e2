"""Shelving: shelf keys under epochs. Some hundred secrets share a shelf key; an epoch wraps the shelf keys.

Deleting a secret erases it once its shelf is re-wrapped and the epoch that wrapped the old shelf key is
destroyed; until then an old copy of the key store still opens (DESIGN 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final, Literal

import msgspec

from vault.config import Clock
from vault.crypto.ids import new_id
from vault.crypto.keys import TenantKeys
from vault.crypto.provider import KeyProvider
from vault.crypto.sign import token_bytes
from vault.crypto.wrap import WrappingKey, log_secret_context, secret_context, shelf_context
from vault.errors import Tampered, Unavailable
from vault.stores.errors import ShelfMoved
from vault.stores.keys import KeyStore
from vault.stores.rows import EpochRow, SecretRow, ShelfRow, SubjectRow

SHELF_CAPACITY: Final = 256
CACHE_LIFE: Final = 600_000_000
"""µs a shelf key is remembered; far below the shortest epoch grace, so nodes drop an epoch before it dies."""

Purpose = Literal["record", "log"]


class Shelving:
    """The shelves of one tenant on this node: opened, filled, re-wrapped and moved from epoch to epoch."""

    def __init__(self, store: KeyStore, keys: TenantKeys, provider: KeyProvider, clock: Clock) -> None:
        self.store = store
        self._tenant = keys.tenant
        self.provider = provider
        self._clock = clock
        self._shelves: dict[tuple[str, int], WrappingKey] = {}
        self._since = 0

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
        return self.provider.unwrap(self._tenant, row.epoch, row.wrapped, context)

    def _places(
        self, purpose: str, due: str, count: int, fresh: list[ShelfRow]
    ) -> list[tuple[ShelfRow, WrappingKey]]:
        """A shelf with room for each of `count` secrets; fills a started shelf before it opens another.

        A shelf it opens is appended to `fresh`, to be stored with the secrets put on it.
        """
        places: list[tuple[ShelfRow, WrappingKey]] = []
        shelf = self.store.find_shelf(self._tenant, purpose, due, 1, SHELF_CAPACITY) if count else None
        if shelf is not None:
            room = min(SHELF_CAPACITY - shelf.count, count)
            places += [(shelf, self._shelf_key(shelf.shelf, shelf.generation))] * room
        while len(places) < count:
            row, key = self.fresh_shelf(new_id("sh"), purpose, due, 1, 0)
            fresh.append(row)
            places += [(row, key)] * min(SHELF_CAPACITY, count - len(places))
        return places

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
            wrapped=self.provider.wrap(self._tenant, epoch, key, context),
        )
        return row, WrappingKey(key)

    def current_epoch(self) -> int:
        """The epoch new shelf keys are wrapped under."""
        return max(row.epoch for row in self.store.epochs(self._tenant) if row.retired is None)

    def new_epoch(self) -> int:
        """Make the next epoch: the provider's key first, so that a crash between leaves nothing lost."""
        epoch = max((row.epoch for row in self.store.epochs(self._tenant)), default=0) + 1
        self.provider.create_epoch(self._tenant, epoch)
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

    def rewrap_versions(self, shelf: str, versions: Collection[tuple[str, int]]) -> None:
        """Delete the secrets of replaced versions from a shelf and wrap those beside them anew."""
        row = self.store.shelf(self._tenant, shelf)
        if row is None:
            raise Tampered("secrets stand on a shelf that is gone", remedy="compare with a replica")
        self.store.rewrap(self._tenant, shelf, row.generation, set(), self._rewrapped, versions=versions)

    def forget_subjects(self, gone: Sequence[SubjectRow]) -> None:
        """Delete log secrets and re-wrap those beside them: their entries' bodies never open again."""
        by_shelf: dict[str, set[str]] = defaultdict(set)
        for row in gone:
            by_shelf[row.shelf].add(row.subject)
        for shelf, subjects in by_shelf.items():
            on = self.store.shelf(self._tenant, shelf)
            if on is None:
                raise Tampered("log secrets stand on a shelf that is gone", remedy="compare with a replica")
            self.store.rewrap_subjects(self._tenant, shelf, on.generation, subjects, self._rewrapped_subjects)

    def _rewrapped_subjects(
        self, old: ShelfRow, survivors: list[SubjectRow]
    ) -> tuple[ShelfRow, list[SubjectRow]]:
        old_key = self._open_shelf(old)
        row, key = self.fresh_shelf(old.shelf, old.purpose, old.due, old.generation + 1, len(survivors))
        moved = []
        for s in survivors:
            context = log_secret_context(self._tenant, s.shelf, s.generation, s.subject)
            secret = old_key.unwrap(s.wrapped, context)
            context = log_secret_context(self._tenant, row.shelf, row.generation, s.subject)
            wrapped = key.wrap(secret, context)
            moved.append(msgspec.structs.replace(s, generation=row.generation, wrapped=wrapped))
        return row, moved

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

    def demand_open(self) -> None:
        """Demand that every shelf still opens.

        Raises:
            Unavailable: The epoch of one was destroyed: this key store is older than that.
        """
        for shelf in self.store.shelves(self._tenant):
            self._shelf_bytes(shelf)

    def move_to_current_epoch(self) -> int:
        """Wrap every shelf key of older epochs under the current one; returns how many moved."""
        epoch, moved = self.current_epoch(), 0
        for shelf in self.store.shelves(self._tenant, epoch):
            context = shelf_context(self._tenant, shelf.shelf, shelf.generation, epoch)
            wrapped = self.provider.wrap(self._tenant, epoch, self._shelf_bytes(shelf), context)
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
            self.provider.destroy_epoch(self._tenant, row.epoch)
            self.store.update_epoch(msgspec.structs.replace(row, destroyed=now))
            destroyed.append(row.epoch)
        return destroyed
