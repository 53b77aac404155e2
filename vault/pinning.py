"""Pinning: the newest durable checkpoint, kept outside the ledger, and compared with it when a node starts.

A ledger that was put back from a backup, cut short or written anew is consistent in itself: only something
kept elsewhere can tell. Each node keeps the log's newest signed checkpoint beside its keys, in
`TENANT.checkpoint` (docs/formats/keys.md). It only ever lags behind; a log that ends before it, or that has
another root at its size, is refused before anything is read, written or signed (docs/recover.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from vault.crypto.keys import numbered
from vault.crypto.provider import write_private
from vault.errors import Tampered, Unavailable
from vault.ledger.checkpoint import Checkpoint, open_checkpoint
from vault.ledger.note import VKey, split
from vault.stores.ledger import LedgerStore
from vault.telemetry import logger

REMEDY: Final = "keep the ledger as it is; put the newest one back, or: cvault log recover"


class Source:
    """The ledger as the tile functions see it."""

    def __init__(self, store: LedgerStore, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    def full_tile(self, level: int, index: int) -> bytes | None:
        """A complete tile as stored."""
        return self._store.tile(self._tenant, level, index)

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Stubs from `start` to before `end`."""
        return self._store.stubs(self._tenant, start, end)


class Pins:
    """One tenant's pin in a node's key folder, and beside it the mark of a recovery that isn't finished.

    Args:
        folder: The key folder.
        tenant: Whose log.
    """

    def __init__(self, folder: Path, tenant: str) -> None:
        self.path = folder / f"{tenant}.checkpoint"
        self.begun = folder / f"{tenant}.recovery"
        self._warned = False

    def read(self) -> str | None:
        """The pinned note, or None where nothing was pinned yet.

        Raises:
            Tampered: The file is there and isn't text.
            Unavailable: It can't be read.
        """
        try:
            return self.path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise Tampered("the pinned checkpoint is damaged", remedy=REMEDY) from None
        except OSError:
            raise Unavailable(
                "the pinned checkpoint cannot be read", field="keys", remedy="look at the key folder's rights"
            ) from None

    def keep(self, note: str) -> None:
        """Pin a checkpoint whose transaction is durable; one that is pinned already never goes back.

        Nor does it give way to the log before a recovery. A folder that can't
        be written is said once in the operations log, and by `doctor`; the log goes on.
        """
        try:
            if self._follows(note):
                write_private(self.path, note.encode("utf-8"))
        except OSError as error:
            if not self._warned:
                logger().warning("checkpoint not pinned", error=type(error).__name__)
            self._warned = True

    def _follows(self, note: str) -> bool:
        """Whether a checkpoint is beyond the one pinned."""
        try:
            pinned = self.read()
            before = None if pinned is None else Checkpoint.parse(split(pinned)[0])
        except (Tampered, Unavailable):
            return False  # what is damaged is kept for whoever looks into it
        after = Checkpoint.parse(split(note)[0])
        return before is None or (*numbered(before.origin), before.size) < (
            *numbered(after.origin),
            after.size,
        )

    def replace(self, note: str) -> None:
        """Pin the first checkpoint of a log begun anew, whatever was pinned of the one before."""
        write_private(self.path, note.encode("utf-8"))

    @property
    def writable(self) -> bool:
        """Whether a pin can be put here at all."""
        return os.access(self.path.parent, os.W_OK)

    def demand_finished(self) -> None:
        """Demand that no recovery was begun and left half-way.

        Raises:
            Tampered: One was.
        """
        if self.begun.exists():
            raise Tampered(
                "a recovery of this log was begun and isn't finished",
                remedy="run it again: cvault log recover --yes",
            )


def compare(
    notes: Iterable[str], vkey: VKey, size: int, root_at: Callable[[int], bytes], least: int = 0
) -> None:
    """Demand that a log is what its checkpoints kept elsewhere say, or has grown from there.

    Args:
        notes: Signed checkpoints: the pin, and those that witnesses have seen. What is of a log that this one
            has taken the place of says nothing of it.
        vkey: The log's key.
        size: How many entries the log has now.
        least: What lies before it went by the log's retention: a smaller checkpoint tells nothing any more.
        root_at: The root over its first so many entries.

    Raises:
        Tampered: Shortened (`index` is the first missing entry) or rewritten (`index` is the size of the last
            checkpoint that agreed: the altered entry is there or after it).
    """
    agreed = 0
    try:
        mine = (note for note in notes if not _earlier(note, vkey.name))
        points = sorted((open_checkpoint(note, vkey) for note in mine), key=lambda point: point.size)
    except Tampered as fault:
        raise Tampered(f"the pinned checkpoint: {fault.message}", remedy=REMEDY) from None
    for point in points:
        if point.size < least:
            continue
        if point.size > size:
            raise Tampered(
                f"the log was shortened or restored from a backup: entries {size} to {points[-1].size - 1}"
                " are missing",
                index=size,
                remedy=REMEDY,
            )
        try:
            root = root_at(point.size)
        except Tampered as fault:
            index = agreed if fault.index is None else fault.index
            raise Tampered(fault.message, index=index, remedy=REMEDY) from None
        if root != point.root:
            raise Tampered(
                f"the log was rewritten: the root over its first {point.size} entries is not the one pinned",
                index=agreed,
                remedy=REMEDY,
            )
        agreed = point.size


def _earlier(note: str, origin: str) -> bool:
    """Whether a checkpoint is of a log that the one of this origin has taken the place of."""
    (home, number), (mine, now) = numbered(Checkpoint.parse(split(note)[0]).origin), numbered(origin)
    return home == mine and number < now
