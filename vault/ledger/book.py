"""The book of cases: who a case is assigned to and whether it is open, hundreds of thousands of them.

The registry is digested whole at each change, which is right for hundreds of rows. The book lies in 1024
shards, by the first 10 bits of a case's handle. A shard's digest covers its cases, the root covers the
digests, and the root stands in the registry, which the log's head and the issuer's signature vouch for: who
edits the ledger's tables can neither change, add or hide a case nor bring back an older one
(docs/adr/0016; the bytes: docs/formats/stores.md).
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, Protocol

import msgspec

from vault.crypto.encoding import encode
from vault.errors import Tampered, Unavailable
from vault.ledger.registry import BookInForce
from vault.model import Word

ROOT_LABEL: Final = "cvault/book/v1"
SHARD_LABEL: Final = "cvault/book-shard/v1"
SHARDS: Final = 1024
DIGEST_SIZE: Final = 32
ABSENT: Final = bytes(DIGEST_SIZE)
"""Stands for the digest of a shard that no case lies in."""
ID: Final = "cases"
CACHED: Final = 400_000
"""Most cases remembered; about 600 bytes each."""
ROOTS: Final = 8
"""Most roots of which the shards' digests are remembered, 32 KiB each."""
WALKED: Final = 64
"""Shards read at a time when all are."""

Bodies = dict[bytes, bytes]
"""A shard: bodies by handle."""
Line = tuple[int, bytes, str, str, bytes]
"""A case as it is stored: shard, handle, holder, state, body."""
Read = tuple[int, Any, Any, Any, Any]
"""The same as it is read: SQLite keeps any type in any column."""


_NOTHING: Final[Bodies] = {}


class CaseRow(Word):
    """One case as it stands; assigning, closing and reopening each make the next turn of it.

    Attributes:
        handle: The keyed handle of the case number, 16 bytes; no number can be had from it.
        number: The case number, sealed; opaque here.
        holder, agency: Principal ids of whom it is assigned to and of the agency it is placed with, or "".
        priority: Higher goes first.
        opened, changed: µs UTC.
        by, reason: Who made this turn of it, and why.
        turn: 1 when it is opened, one more with each change.
    """

    handle: bytes
    number: bytes
    state: Literal["open", "closed"]
    opened: int
    changed: int
    by: str
    reason: str
    holder: str = ""
    agency: str = ""
    priority: int = 0
    turn: int = 1


class _Listed(Word):
    """The part of a body that the store repeats in columns which no digest covers."""

    holder: str
    state: str


_CASE: Final = msgspec.json.Decoder(CaseRow)
_LISTED: Final = msgspec.json.Decoder(_Listed)


class Source(Protocol):
    """Where the book's lines and digests are read; what comes out of it is believed only once checked."""

    def digests(self) -> Sequence[tuple[Any, Any]]:
        """Every (shard, digest)."""
        ...

    def lines(self, shards: Sequence[int]) -> Sequence[Read]:
        """Every case of these shards."""
        ...

    def count(self) -> int:
        """How many cases there are."""
        ...


class Change(Word):
    """What a page has changed in the book.

    Attributes:
        lines: What is to be stored.
        digests: The new digests of all shards changed.
        book: What the registry is to hold.
    """

    lines: list[Line]
    digests: dict[int, bytes]
    book: BookInForce


def shard_of(handle: bytes) -> int:
    """The shard a handle lies in: its first 10 bits. Handles are keyed MACs, so shards fill evenly."""
    return int.from_bytes(handle[:2], "big") >> 6


def shard_digest(shard: int, bodies: Bodies) -> bytes:
    """SHA-256 over a shard's cases by handle; `ABSENT` if there is none."""
    if not bodies:
        return ABSENT
    parts = [part for line in sorted(bodies.items()) for part in line]
    return sha256(encode(SHARD_LABEL, shard, *parts)).digest()


def root_of(digests: bytes) -> bytes:
    """SHA-256 over the digests of all 1024 shards, in order."""
    return sha256(encode(ROOT_LABEL, digests)).digest()


EMPTY: Final = BookInForce(id=ID, root=root_of(ABSENT * SHARDS), count=0)
"""A book without cases, which the registry need not name."""


class Remembered:
    """What was read and checked, kept by its digest: such a thing can't grow stale, whatever is rolled back.

    Safe to share between threads; nothing it gives out may be changed.
    """

    def __init__(self, most: int = CACHED) -> None:
        self._most = most
        self._count = 0
        self._shards: OrderedDict[bytes, Bodies] = OrderedDict()
        self._digests: OrderedDict[bytes, bytes] = OrderedDict({EMPTY.root: ABSENT * SHARDS})
        self._lock = threading.Lock()

    def digests(self, root: bytes) -> bytes | None:
        """The digests under a root, one behind the other, if they are remembered."""
        with self._lock:
            found = self._digests.get(root)
            if found is not None:
                self._digests.move_to_end(root)
            return found

    def keep_digests(self, root: bytes, digests: bytes) -> None:
        """Remember the digests under a root."""
        with self._lock:
            self._digests[root] = digests
            self._digests.move_to_end(root)
            if len(self._digests) > ROOTS:
                self._digests.popitem(last=False)

    def bodies(self, digests: Mapping[int, bytes]) -> dict[int, Bodies]:
        """The shards of these digests, by number; those that aren't remembered are left out."""
        found: dict[int, Bodies] = {}
        with self._lock:
            for shard, digest in digests.items():
                bodies = _NOTHING if digest == ABSENT else self._shards.get(digest)
                if bodies is None:
                    continue
                found[shard] = bodies
                if bodies:
                    self._shards.move_to_end(digest)
        return found

    def keep(self, digest: bytes, bodies: Bodies) -> None:
        """Remember a shard; those not asked for the longest are forgotten."""
        with self._lock:
            if digest not in self._shards:
                self._shards[digest] = bodies
                self._count += len(bodies)
            while self._count > self._most:
                _, old = self._shards.popitem(last=False)
                self._count -= len(old)


class Book:
    """The book of cases as one page sees it: reads the shards concerned, gathers what is changed."""

    def __init__(self, book: BookInForce | None, source: Source, known: Remembered) -> None:
        self._book = book or EMPTY
        self._source = source
        self._known = known
        self._open: dict[int, Bodies] = {}
        self._put: dict[bytes, CaseRow] = {}
        self._changed: set[int] = set()
        self._count = self._book.count

    def find(self, handles: Iterable[bytes]) -> dict[bytes, CaseRow]:
        """The cases of these handles, as put before or as they stand; those that there are not are left out.

        Asks the store nothing for shards that are remembered, and nothing at all for no handles.

        Raises:
            Tampered: A shard, or the digests of the shards, are not what the registry vouches for.
        """
        wanted = {handle: shard_of(handle) for handle in handles}
        self._load(set(wanted.values()))
        found = {}
        for handle, shard in wanted.items():
            body = self._open[shard].get(handle)
            if body is not None:
                found[handle] = _CASE.decode(body)
        return found

    def listed(self, handles: Sequence[bytes], holder: str | None, state: str | None) -> list[CaseRow]:
        """The cases that the store says are of a holder and in a state (None: any), in the same order.

        Raises:
            Tampered: One of them is not; or as `find`.
        """
        found = self.find(handles)
        for handle in handles:
            row = found.get(handle)
            if row is None or holder not in {None, row.holder} or state not in {None, row.state}:
                raise _tampered()
        return [found[handle] for handle in handles]

    def put(self, rows: Iterable[CaseRow]) -> None:
        """Add or replace cases; all of them, or none if one is refused.

        Raises:
            Unavailable: A row is not the next turn of its case (`conflict`): it was changed meanwhile.
            Tampered: As `find`.
        """
        rows = list(rows)
        before = self.find(row.handle for row in rows)
        staged: dict[bytes, CaseRow] = {}
        for row in rows:
            last = staged.get(row.handle) or before.get(row.handle)
            if row.turn != (last.turn + 1 if last else 1):
                raise Unavailable(
                    "a case was changed meanwhile", code="conflict", remedy="read it again and retry"
                )
            staged[row.handle] = row
        for handle, row in staged.items():
            self._own(shard_of(handle))[handle] = msgspec.json.encode(row, order="sorted")
        self._count += len(staged) - len(before)
        self._put |= staged

    def change(self) -> Change | None:
        """What was put, with new digests and root; None if nothing was. Each shard is digested once."""
        if not self._put:
            return None
        digests, changed = bytearray(self._digests()), {}
        for shard in sorted(self._changed):
            digest = changed[shard] = shard_digest(shard, self._open[shard])
            digests[shard * DIGEST_SIZE : (shard + 1) * DIGEST_SIZE] = digest
            self._known.keep(digest, self._open[shard].copy())
        root = root_of(bytes(digests))
        self._known.keep_digests(root, bytes(digests))
        book = BookInForce(id=ID, root=root, count=self._count)
        return Change(
            lines=[self._line(row) for _, row in sorted(self._put.items())], digests=changed, book=book
        )

    def _line(self, row: CaseRow) -> Line:
        shard = shard_of(row.handle)
        return shard, row.handle, row.holder, row.state, self._open[shard][row.handle]

    def _own(self, shard: int) -> Bodies:
        """A shard of this page's own: what is remembered is shared and stays as it is."""
        if shard not in self._changed:
            self._changed.add(shard)
            self._open[shard] = self._open[shard].copy()
        return self._open[shard]

    def _load(self, shards: set[int]) -> None:
        wanted = shards - self._open.keys()
        if not wanted:
            return
        digests = self._digests()
        missing = {shard: digests[shard * DIGEST_SIZE : (shard + 1) * DIGEST_SIZE] for shard in wanted}
        known = self._known.bodies(missing)
        self._open |= known
        for shard in known:
            del missing[shard]
        if missing:
            lines = _by_shard(self._source.lines(sorted(missing)))
            for shard, digest in missing.items():
                bodies = self._open[shard] = _checked(shard, lines[shard], digest)
                self._known.keep(digest, bodies)

    def _digests(self) -> bytes:
        """The digests of all shards, one behind the other."""
        known = self._known.digests(self._book.root)
        if known is None:
            known = _checked_digests(self._source.digests(), self._book.root)
            self._known.keep_digests(self._book.root, known)
        return known


def walk(book: BookInForce | None, source: Source) -> int:
    """Read the whole book, remembering and believing nothing, and count its cases.

    Raises:
        Tampered: A case or a digest was changed, added, taken away or put back beside the vault.
    """
    book, count = book or EMPTY, 0
    digests = _checked_digests(source.digests(), book.root)
    for start in range(0, SHARDS, WALKED):
        shards = range(start, start + WALKED)
        lines = _by_shard(source.lines(shards))
        for shard in shards:
            digest = digests[shard * DIGEST_SIZE : (shard + 1) * DIGEST_SIZE]
            count += len(_checked(shard, lines[shard], digest))
    if not count == book.count == source.count():  # there may be lines in shards that there are not
        raise _tampered()
    return count


def _by_shard(lines: Iterable[Read]) -> defaultdict[int, list[Read]]:
    found: defaultdict[int, list[Read]] = defaultdict(list)
    for line in lines:
        found[line[0]].append(line)
    return found


def _checked_digests(rows: Iterable[tuple[Any, Any]], root: bytes) -> bytes:
    digests = bytearray(ABSENT * SHARDS)
    for shard, digest in rows:
        if not (isinstance(shard, int) and 0 <= shard < SHARDS):
            raise _tampered()
        if not (isinstance(digest, bytes) and len(digest) == DIGEST_SIZE):
            raise _tampered()
        digests[shard * DIGEST_SIZE : (shard + 1) * DIGEST_SIZE] = digest
    if root_of(bytes(digests)) != root:
        raise _tampered()
    return bytes(digests)


def _checked(shard: int, lines: Sequence[Read], digest: bytes) -> Bodies:
    """A shard's bodies, once they give its digest and the columns beside them repeat what they say."""
    bodies = {
        handle: body
        for _, handle, _, _, body in lines
        if isinstance(handle, bytes) and isinstance(body, bytes)
    }
    if len(bodies) != len(lines) or shard_digest(shard, bodies) != digest:
        raise _tampered()
    for _, _, holder, state, body in lines:
        listed = _LISTED.decode(body)
        if (listed.holder, listed.state) != (holder, state):
            raise _tampered()
    return bodies


def _tampered() -> Tampered:
    return Tampered(
        "the book of cases is not what the registry speaks of",
        remedy="stop; compare the ledger with a mirror",
    )
