"""The journal: turns happenings into durable entries of the access log (DESIGN 6 step 6, DESIGN 7).

A `Page` (vault/page.py) is one ledger transaction under the head's lock.
When the `with` block ends the entries are durable, or an error was raised and nothing may be released.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from vault.alerting import Watcher
from vault.config import Clock
from vault.crypto import mac
from vault.crypto.encoding import encode
from vault.crypto.keys import TenantKeys
from vault.crypto.sign import verify
from vault.errors import ConfigError, Tampered, Unavailable
from vault.ledger import checkpoint
from vault.ledger.book import ID, Book, CaseRow, Remembered, shard_of, walk
from vault.ledger.note import VKey
from vault.ledger.registry import RECOVERED, BookInForce, LogFloor, Recovery, Registry
from vault.ledger.tiles import Hashes
from vault.merkle import Frontier
from vault.model import Happening, Receipt, Word
from vault.page import Page
from vault.pinning import REMEDY, Pins, Source, compare
from vault.stores.ledger import LedgerStore
from vault.stores.ledger_tx import LedgerTx
from vault.stores.rows import LogHead

__all__ = ["CLOCK_TOLERANCE", "DIGEST_SIZE", "Journal", "Page", "head_mac", "microseconds"]

DIGEST_SIZE: Final = 32
CLOCK_TOLERANCE: Final = 2_000_000
"""µs: a node further behind the last entry stops (DESIGN 6, "Clock")."""
MOST_PASSED: Final = 256
"""Own checkpoints that others wrote on from, before they are compared with the log: up to 30 ms."""
PIN_EVERY: Final = 60_000_000
"""µs between two pins while entries are written: what a crash can lose of the pin, never of the log."""


def head_mac(keys: TenantKeys, size: int, edge: bytes, last_t: int, registry: bytes) -> bytes:
    """The head's MAC: without the key nobody can end the log elsewhere or swap its registry."""
    data = encode("cvault/head/v1", keys.tenant, size, edge, last_t, registry)
    return mac.derive(keys.head_key, "head", data)


class Journal:
    """One tenant's access log, as one node writes it.

    Attributes:
        pins: Where its checkpoints are pinned outside the ledger; None where they aren't.
        cosigned: Gives checkpoints that witnesses have seen, by a registry; compared like the pin.
    """

    def __init__(
        self, store: LedgerStore, keys: TenantKeys, node: str, clock: Clock, pins: Pins | None = None
    ) -> None:
        self.store = store
        self.keys = keys
        self.node = node
        self.pins = pins
        self.cosigned: Callable[[Registry], Sequence[str]] = lambda _: ()
        self.remembered = Remembered()
        self.watcher: Watcher | None = None
        self.on_alarm: Callable[[], None] = _nobody
        """Called after a page with alarms is durable; must neither take long nor raise."""
        self._compared = pins is None
        self._pin_due = 0
        self._clock = clock
        self._known = (0, b"")
        self._held = self._wrote = (0, b"")
        """Size and edge that go on from what is pinned for certain; and those that this node wrote last."""
        self._passed: dict[int, bytes] = {}
        """What this node wrote last before others wrote on: not compared with the log since."""
        self._registry: tuple[bytes, Registry] = (b"", Registry())
        self._unsaved: tuple[int, str] | None = None
        self._turn = threading.RLock()

    def create(self, happening: Happening, *rows: Word) -> None:
        """Begin the log with its first entry and the first registry rows.

        Raises:
            Tampered: The log has begun already.
        """
        with self.store.transaction(self.keys.tenant) as tx:
            if tx.head() is not None:
                raise Tampered("this tenant's log has begun already")
            head = self.sealed_head(Frontier(), 0, self.sealed_registry(Registry()))
            tx.set_head(head)
            page = Page(self, tx, head, self._clock())
            for row in rows:
                page.put(row)
            page.add(happening)
            new_head, registry = page.write()
        self._remember(new_head, registry)

    @contextmanager
    def page(self) -> Iterator[Page]:
        """A ledger transaction; durable when the block has ended without an error.

        Raises:
            LogUnavailable: The log could not be made durable.
            Tampered: The head, or what it speaks of, is not what the vault wrote.
            Unavailable: This node's clock is behind the log.
        """
        with self._turn:
            with self.store.transaction(self.keys.tenant) as tx:
                head = self.checked(tx.head())
                alone = self._held == (head.size, head.edge)
                page = Page(self, tx, head, self._now(head))
                yield page
                new_head, registry = page.write()
                if self._unsaved is not None:
                    tx.checkpoint(*self._unsaved)
            self._wrote = new_head.size, new_head.edge
            if alone:
                self._held = self._wrote
            self._remember(new_head, registry)
            if self.watcher is not None and page.look is not None:
                self.watcher.settle(page.look)
        if page.alarmed:
            self.on_alarm()

    def _now(self, head: LogHead) -> int:
        now = self._clock()
        if now + CLOCK_TOLERANCE < head.last_t:
            raise Unavailable(
                "this node's clock is behind the log's last entry",
                code="clock_behind",
                remedy="set the clock",
            )
        return now

    def log(self, *happenings: Happening) -> list[Receipt]:
        """Make happenings durable, with nothing else to check."""
        with self.page() as page:
            for happening in happenings:
                page.add(happening)
        return page.receipts[: len(happenings)]

    def _remember(self, head: LogHead, registry: Registry) -> None:
        """After COMMIT alone: a signed checkpoint whose transaction rolled back would be a fork."""
        frontier = Frontier.from_bytes(head.size, head.edge)
        self._known = (head.size, frontier.root())
        self._registry = (head.registry, registry)
        self._unsaved = (head.size, self._sign(head.size, self._known[1]))
        if head.last_t >= self._pin_due:
            if self._pin_due:
                self.pin()
            self._pin_due = head.last_t + PIN_EVERY

    def pin(self) -> None:
        """Pin the newest checkpoint that this node knows to be durable, if it goes on from what is pinned.

        Other nodes write as well, and one of them may have been led to go on from an older copy of the log:
        by size alone its checkpoint would take the place of the very pin that tells.

        Raises:
            Tampered: The log doesn't; from now on nothing is read or written here either.
        """
        if self.pins is not None and self._known[0]:
            if self._held != self._wrote or not self._wrote[0]:
                self._compared = False
                self._compare()
            self.pins.keep(self._sign(*self._known))

    def _sign(self, size: int, root: bytes) -> str:
        point = checkpoint.Checkpoint(origin=self.keys.origin, size=size, root=root)
        return checkpoint.sign(point, self.keys.log)

    @property
    def known(self) -> tuple[int, bytes]:
        """The size and root this node has seen last; take it before a head is read outside a page."""
        return self._known

    def checked(self, head: LogHead | None, known: tuple[int, bytes] | None = None) -> LogHead:
        """Demand that a head is one the vault wrote, and not behind what this node knew before it was read.

        Raises:
            Tampered: It is not.
        """
        if head is None:
            raise Tampered("the access log has no head", remedy="put the newest ledger back")
        mac.check(
            head_mac(self.keys, head.size, head.edge, head.last_t, head.registry), head.mac, "the log's head"
        )
        size, root = known or self._known
        if head.size < size or (
            head.size == size and size and Frontier.from_bytes(head.size, head.edge).root() != root
        ):
            raise Tampered("the access log was shortened or rewritten while open", index=head.size)
        if self.pins is not None and 0 < size < head.size:
            self._passed[size] = root
        if not self._compared or len(self._passed) > MOST_PASSED:
            self._compare()
        return head

    def _compare(self) -> None:
        """Hold the log against what is kept outside, first of all and then before each pin.

        The head is read after the pin, which another node may have moved on meanwhile.

        Raises:
            Tampered: The log was shortened, restored from a backup or rewritten.
        """
        if self.pins is None:
            return
        self.pins.demand_finished()
        pinned = self.pins.read()
        with self.store.snapshot():
            head = self.store.head(self.keys.tenant)
            if head is None:
                raise Tampered("the access log has no head", remedy="put the newest ledger back")
            data = head_mac(self.keys, head.size, head.edge, head.last_t, head.registry)
            mac.check(data, head.mac, "the log's head")
            hashes = Hashes(Source(self.store, self.keys.tenant), head.size)
            whole = Frontier.from_bytes(head.size, head.edge).root()
            vkey = VKey(name=self.keys.origin, public=self.keys.log.public)
            registry = self.registry_of(None, head)
            self.demand_number(registry)
            notes = [*self.cosigned(registry), *([] if pinned is None else [pinned])]
            floor = registry.find(LogFloor, "log")

            def root_at(size: int) -> bytes:
                return whole if size == head.size else hashes.root_at(size)

            compare(notes, vkey, head.size, root_at, floor.entries if floor is not None else 0)
            passed = [pair for pair in self._passed.copy().items() if pair[0] <= head.size]
            for size, root in sorted(passed):
                if hashes.root_at(size) != root:
                    self.pins.keep(self._sign(size, root))  # so that it is known after a restart as well
                    raise Tampered("the access log was rewritten while open", index=size, remedy=REMEDY)
        for size, _ in passed:
            self._passed.pop(size, None)
        self._held = head.size, head.edge
        self._compared = True

    def demand_number(self, registry: Registry) -> None:
        """Demand that the log that the key file names is the one begun last.

        Raises:
            Tampered: The ledger is from before a recovery.
            ConfigError: The key file is.
        """
        row = registry.find(Recovery, RECOVERED)
        number = row.number if row else 1
        if self.keys.number < number:
            raise ConfigError(
                "this node's key file names the log from before its recovery",
                field="keys",
                remedy="on a whole node: cvault keys export, for a new key folder",
            )
        if self.keys.number > number:
            raise Tampered("the ledger is a copy from before the log was recovered", index=0, remedy=REMEDY)

    def sealed_head(self, frontier: Frontier, last_t: int, registry: bytes) -> LogHead:
        """A head under its MAC."""
        edge = frontier.to_bytes()
        return LogHead(
            tenant=self.keys.tenant,
            size=frontier.size,
            edge=edge,
            last_t=last_t,
            registry=registry,
            mac=head_mac(self.keys, frontier.size, edge, last_t, registry),
        )

    def registry_of(self, tx: LedgerTx | None, head: LogHead) -> Registry:
        """The registry the head speaks of: remembered while its digest stands, else read and checked."""
        seal, known = self._registry  # one read: threads share this pair
        if seal == head.registry:
            return known
        rows = tx.registry(None) if tx is not None else self.store.registry(self.keys.tenant, None)
        registry = Registry((row.kind, row.id, row.body) for row in rows)
        registry.check(head.registry[:DIGEST_SIZE])
        verify(self.keys.issuer_public, head.registry[DIGEST_SIZE:], self._registry_bytes(registry))
        self._registry = (head.registry, registry)
        return registry

    def sealed_registry(self, registry: Registry) -> bytes:
        """The registry's digest, signed by the issuer key: a node without it carries it on unchanged.

        Raises:
            Denied: This node holds no issuer key.
        """
        return registry.digest() + self.keys.issuer.sign(self._registry_bytes(registry))

    def _registry_bytes(self, registry: Registry) -> bytes:
        return encode("cvault/registry-seal/v1", self.keys.tenant, registry.digest())

    def registry(self) -> Registry:
        """The registry as it stands now; head and rows are two reads, so one may outrun the other.

        Raises:
            Tampered: The rows are not what the head speaks of, and the head stood still meanwhile.
        """
        while True:
            head = self._head()
            try:
                return self.registry_of(None, head)
            except Tampered:
                if self._head().registry == head.registry:
                    raise

    def case_rows(
        self, holder: str | None = None, state: str | None = None, after: bytes = b"", limit: int = 1000
    ) -> list[CaseRow]:
        """Cases by handle, of a holder and in a state; without the head's lock.

        Each is checked, and all as of one instant, which is over when they are returned: what is decided by
        them is decided on `Page.cases`. That none is left out, `check_cases` tells.

        Args:
            holder: A principal's id, "" for cases assigned to nobody, None for any.
            state: `open`, `closed`, or None for any.
            after: Begin behind this handle.
            limit: At most so many.

        Raises:
            Tampered: What is stored is not what the registry vouches for.
        """
        with self.store.snapshot():
            row = self.registry_of(None, self._head()).find(BookInForce, ID)
            table = self.store.cases(self.keys.tenant)
            handles = table.handles(holder, state, (shard_of(after), after), limit)
            return Book(row, table, self.remembered).listed(handles, holder, state)

    def cases(self, handles: Iterable[bytes]) -> dict[bytes, CaseRow]:
        """The cases of these handles, as of one instant and without the head's lock; see `case_rows`.

        Raises:
            Tampered: What is stored is not what the registry vouches for.
        """
        with self.store.snapshot():
            row = self.registry_of(None, self._head()).find(BookInForce, ID)
            return Book(row, self.store.cases(self.keys.tenant), self.remembered).find(handles)

    def case_counts(self) -> dict[tuple[str, str], int]:
        """How many cases there are by (holder, state), as the store says: not authenticated.

        Good for sharing out work evenly and for nothing that must be right.
        """
        return self.store.cases(self.keys.tenant).counts()

    def check_cases(self) -> int:
        """Read and check every case there is, remembered or not; how many there are.

        Raises:
            Tampered: One was changed, added, taken away or put back beside the vault.
        """
        with self.store.snapshot():
            row = self.registry_of(None, self._head()).find(BookInForce, ID)
            return walk(row, self.store.cases(self.keys.tenant))

    def recent(self) -> Registry:
        """The registry as this node saw it last, without asking the store again."""
        seal, known = self._registry
        return known if seal else self.registry()

    def _head(self) -> LogHead:
        known = self._known
        return self.checked(self.store.head(self.keys.tenant), known)

    def tile(self, level: int, index: int) -> bytes | None:
        """A complete tile as stored, or None."""
        return self.store.tile(self.keys.tenant, level, index)

    def checkpoint(self) -> str:
        """The newest checkpoint: the head's size and root, signed. Signing again gives the same bytes."""
        head = self._head()
        return self._sign(head.size, Frontier.from_bytes(head.size, head.edge).root())

    def flush(self) -> None:
        """Keep the newest checkpoint in the store and pin it; the former is done with every next page too."""
        if self._unsaved is not None:
            with self.store.transaction(self.keys.tenant) as tx:
                self.checked(tx.head())  # what stands there now may be another log
                tx.checkpoint(*self._unsaved)
            self.pin()
            self._unsaved = None


def _nobody() -> None:
    """Whom alarms go to until somebody asks for them."""


def microseconds() -> int:
    """The system's clock: µs UTC."""
    return time.time_ns() // 1000
