"""Examining: what still holds of a log that was shortened, put back from a backup or rewritten.

The bench behind a recovery (docs/recover.md): each check on its own, none hidden behind the first that fails;
up to where the log is still what was once signed; and what is left of it, as evidence.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from vault.config import iso
from vault.errors import Tampered, Unavailable, VaultError
from vault.journal import Journal
from vault.ledger.checkpoint import Checkpoint, open_checkpoint
from vault.ledger.export import export
from vault.ledger.note import VKey, split
from vault.ledger.registry import LogFloor
from vault.ledger.tiles import TILE_SIZE, WIDTH, Hashes, tile_root
from vault.merkle import Frontier, leaf_hash
from vault.model import Word
from vault.pinning import Pins, Source, compare
from vault.proving import Proving
from vault.pruning import floor_of
from vault.stores.ledger import LedgerStore
from vault.stores.rows import LogHead
from vault.tenancy import Tenancy

PAGE: Final = 2048
REMAINS: Final = "remains.jsonl"
_MISSHAPEN: Final = (TypeError, ValueError, AttributeError)
"""What a value of another type leads to: SQLite keeps any type in any column."""


class Check(Word):
    """One check of the old log: what it says, and the entry at which it fails, where it can tell."""

    name: str
    ok: bool
    message: str = ""
    index: int | None = None


class Found(Word):
    """What stands in the ledger, and what should.

    Attributes:
        origin: The log that this node's keys name.
        size: How many entries its head says it has, 0 without a head. last: When it was last written, ISO.
        pinned_size, pinned_root: The pin, 0 and "" where there is none that can be read. Root in hex.
        missing: The entries that were pinned and are gone: from the first up to the last; None if none is.
        good_size, good_root: Up to where it is what was once signed; 0 and "" where the pin contradicts it.
        checks: head, registry, entries, cases, pin, stores; the first two say whether anybody can act.
        begun: A recovery was begun and isn't finished.
    """

    origin: str
    size: int
    last: str | None
    pinned_size: int
    pinned_root: str
    missing: tuple[int, int] | None
    good_size: int
    good_root: str
    checks: list[Check]
    begun: bool

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it."""
        return all(check.ok for check in self.checks)


class Remains:
    """The log as its stubs give it: stored tiles are not believed, for they may be another log's.

    Those over stubs that the log's retention has let go (below `floor`) are: nothing else is left of these.
    """

    def __init__(self, store: LedgerStore, tenant: str, floor: int) -> None:
        self._source = Source(store, tenant)
        self._floor = floor
        self._roots: dict[tuple[int, int], bytes] = {}

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Stubs from `start` to before `end`."""
        return self._source.entries(start, end)

    def full_tile(self, level: int, index: int) -> bytes | None:
        """A complete tile, made from the stubs where they are there."""
        begin = index * WIDTH
        if begin * WIDTH**level < self._floor:
            return self._source.full_tile(level, index)
        if level == 0:
            return b"".join(map(leaf_hash, self.entries(begin, begin + WIDTH)))
        return b"".join(self._root(level - 1, at) for at in range(begin, begin + WIDTH))

    def _root(self, level: int, index: int) -> bytes:
        if (level, index) not in self._roots:
            data = self.full_tile(level, index)
            if data is None or len(data) != TILE_SIZE:
                raise Tampered("entries are missing from the log", index=index * WIDTH ** (level + 1))
            self._roots[level, index] = tile_root(data)
        return self._roots[level, index]


class Examiner:
    """Looks at one tenant's log without demanding that it holds; writes nothing to any store."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        keys = tenancy.keys
        self.pins = Pins(tenancy.config.keys_folder, tenancy.name)
        self.journal = Journal(tenancy.stores.ledger, keys, tenancy.config.settings.node, tenancy.clock)
        """It compares nothing with the pin: that is a check like the others here."""
        self._vkeys = {
            origin: VKey(name=origin, public=keys.log.public)
            for origin in (keys.of_log(number).origin for number in range(1, keys.number + 1))
        }

    def found(self, progress: Callable[[int], None] | None = None) -> Found:
        """Every check, and what follows from them."""
        head, pinned = self._head(), self._pinned()
        good = self.good()
        checks = [
            _tried("head", self._check_head),
            _tried("registry", lambda: self.journal.registry().digest()),
            _tried("entries", lambda: self._check_entries(head, progress)),
            _tried("cases", self.journal.check_cases),
            _tried("pin", lambda: self._check_pin(head)),
            _tried("stores", self._check_stores),
        ]
        contradicted = good is None or not self._agrees(pinned, good[1])
        size = head.size if head else 0
        lost = (size, pinned.size - 1) if pinned is not None and pinned.size > size else None
        return Found(
            origin=self._t.keys.origin,
            size=size,
            last=iso(head.last_t) if head else None,
            pinned_size=pinned.size if pinned else 0,
            pinned_root=pinned.root.hex() if pinned else "",
            missing=lost,
            good_size=0 if contradicted or good is None else good[1].size,
            good_root="" if contradicted or good is None else good[1].root.hex(),
            checks=checks,
            begun=self.pins.begun.exists(),
        )

    def _head(self) -> LogHead | None:
        return self._t.stores.ledger.head(self._t.name)

    def _pinned(self) -> Checkpoint | None:
        with suppress(Tampered):
            note = self.pins.read()
            if note is not None:
                return self._opened(note)
        return None

    def _opened(self, note: str) -> Checkpoint | None:
        """A checkpoint that one of this tenant's logs signed, or None."""
        point = _parsed(note)
        vkey = self._vkeys.get(point.origin) if point else None
        with suppress(Tampered):
            return open_checkpoint(note, vkey) if vkey else None
        return None

    # --- the checks -----------------------------------------------------------------------------------

    def _check_head(self) -> None:
        self.journal.checked(self._head())

    def _check_entries(self, head: LogHead | None, progress: Callable[[int], None] | None) -> None:
        if head is None:
            raise Tampered("the access log has no head", index=0)
        stored = self._t.stores.ledger.checkpoints(self._t.name)
        newest = self._opened(stored[-1][1]) if stored else None
        vkey = self._vkeys[newest.origin if newest else self._t.keys.origin]
        Proving(self._t).trace(head, stored, vkey, self._floor(), progress)

    def _check_pin(self, head: LogHead | None) -> None:
        note, size = self.pins.read(), head.size if head else 0
        if note is not None:
            hashes = Hashes(self._remains(), size)
            compare([note], self._vkeys[self._t.keys.origin], size, hashes.root_at)

    def _floor(self) -> LogFloor:
        """Below where nothing is looked for, since a rule has let it go; 0 where the registry can't say."""
        with suppress(VaultError):
            return floor_of(self.journal.registry())
        return LogFloor(id="log")

    def _remains(self) -> Remains:
        return Remains(self._t.stores.ledger, self._t.name, self._floor().entries)

    def _check_stores(self) -> None:
        self._t.compare_stores(self.journal.registry(), self._t.stores.keys.generation(self._t.name))

    # --- what holds -----------------------------------------------------------------------------------

    def good(self) -> tuple[str, Checkpoint] | None:
        """The largest signed checkpoint whose root the stored stubs still give, with its note."""
        notes = [note for _, note in self._t.stores.ledger.checkpoints(self._t.name)]
        with suppress(Tampered):
            notes += filter(None, [self.pins.read()])
        parsed = [(note, point) for note in notes if (point := _parsed(note)) is not None]
        roots = self._roots({point.size for _, point in parsed})
        held = [(note, point) for note, point in parsed if roots.get(point.size) == point.root]
        for note, point in sorted(held, key=lambda one: one[1].size, reverse=True):
            if self._opened(note) is not None:  # a signature takes longer to check than a root to compare
                return note, point
        return None

    def _roots(self, sizes: set[int]) -> dict[int, bytes]:
        """The roots at these sizes, as far as stubs follow on each other; none below what a rule let go."""
        head, first, frontier, roots = self._head(), self._floor().entries, Frontier(), {}
        with suppress(VaultError):
            if first and head is not None:
                frontier = Hashes(Source(self._t.stores.ledger, self._t.name), head.size).frontier(first)
        if frontier.size != first:
            return {}
        for stub in self._stubs(first):
            frontier.append(leaf_hash(stub))
            if frontier.size in sizes:
                roots[frontier.size] = frontier.root()
                if len(roots) == len(sizes):
                    break
        return roots

    def _stubs(self, at: int) -> Iterator[bytes]:
        """Stubs from an index on, up to the first that is missing."""
        while rows := self._t.stores.ledger.entries(self._t.name, at, PAGE):
            for row in rows:
                if row.idx != at or not isinstance(row.stub, bytes):
                    return
                yield row.stub
                at += 1

    def _agrees(self, pinned: Checkpoint | None, good: Checkpoint) -> bool:
        """Whether the pin doesn't speak against what the stubs and a stored checkpoint give."""
        if pinned is None:
            return True
        if pinned.origin != good.origin:
            return False
        return pinned.size > good.size or self._roots({pinned.size}).get(pinned.size) == pinned.root

    # --- evidence -------------------------------------------------------------------------------------

    def write_evidence(self, folder: Path, found: Found) -> None:
        """What is left of the log, outside of it: stubs and hashes alone, no personal data.

        Tiles up to the largest checkpoint that the stubs still give (`checkpoint`, `tile/`), the stubs behind
        that as they are (`remains.jsonl`), the pin, the key that opens both, and what was found.

        Raises:
            Tampered: The folder holds another log's.
            Unavailable: It can't be written.
        """
        try:
            self._write_all(folder, found)
        except OSError:
            raise Unavailable(
                "the evidence cannot be written", field="evidence", remedy="check space and rights"
            ) from None

    def _write_all(self, folder: Path, found: Found) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        good = self.good()
        if good is not None:
            note, point = good
            export(folder, self._remains(), point.size, note, min(self._floor().entries, point.size))
        pin = self.pins.path
        if pin.exists():
            (folder / "pin").write_bytes(pin.read_bytes())
        origin = good[1].origin if good else self._t.keys.origin
        (folder / "log.vkey").write_text(self._vkeys[origin].text() + "\n", "utf-8")
        (folder / "found.json").write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        self._write_rest(folder / REMAINS, good[1].size if good else 0)

    def _write_rest(self, path: Path, start: int) -> None:
        with path.open("wb") as file:
            while rows := self._t.stores.ledger.entries(self._t.name, start, PAGE):
                for row in rows:
                    stub: object = row.stub
                    data = stub if isinstance(stub, bytes) else b""
                    line = {"index": row.idx, "stub": base64.b64encode(data).decode("ascii")}
                    file.write(msgspec.json.encode(line) + b"\n")
                start = rows[-1].idx + 1


def _parsed(note: str) -> Checkpoint | None:
    """A checkpoint as it reads, whoever signed it."""
    with suppress(Tampered, *_MISSHAPEN):
        return Checkpoint.parse(split(note)[0])
    return None


def _tried(name: str, work: Callable[[], object]) -> Check:
    try:
        work()
    except VaultError as fault:
        index = fault.index if isinstance(fault, Tampered) else None
        return Check(name=name, ok=False, message=fault.message, index=index)
    except _MISSHAPEN:
        return Check(name=name, ok=False, message="a row isn't of the form that the vault writes")
    return Check(name=name, ok=True)
