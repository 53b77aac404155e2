"""The full walk: every entry, from the first to the head, against every signed checkpoint.

A consistency proof never looks at an entry's text; only this does. The rules are numbered in
docs/formats/log-entry.md, section "What a verifier checks".
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from vault.errors import Invalid, Tampered
from vault.ledger import stub as stubs
from vault.ledger.checkpoint import open_checkpoint
from vault.ledger.note import VKey
from vault.ledger.stub import Stub
from vault.merkle import Frontier, leaf_hash
from vault.model import ENTRY_KINDS, Who, Word

_REMEDY: Final = (
    "keep the ledger as it is, as evidence, and compare it with its mirror and pinned checkpoints"
)
_STRIDE: Final = 4096
"""Entries between two reports of progress."""
_KINDS: Final = frozenset(ENTRY_KINDS)
_LIMIT: Final = 1 << 53
_WHOS: Final = 4096
"""Different *who* whose bytes are remembered."""


class Row(Word, gc=False):
    """One entry as a store delivers it.

    Attributes:
        idx: Its place in the log, from 0.
        stub: The bytes in the tree.
        who: The open columns.
        who_salt: The 16 bytes their digest is salted with.
        whom_digest: The 32-byte salted digest of the sealed body.
        t, kind, tag, request: The columns that repeat the stub's fields so that they can be queried; None
            where a source has no such column (an export). A store passes them, or they go unchecked.
    """

    idx: int
    stub: bytes
    who: Who
    who_salt: bytes
    whom_digest: bytes
    t: int | None = None
    kind: str | None = None
    tag: bytes | None = None
    request: bytes | None = None


class Verified(Word):
    """What a walk found, all of it consistent.

    Attributes:
        size: The number of entries.
        root: 32 bytes, the root over all of them.
        signed: The size of the last checkpoint that agreed; entries from there on rest on the head alone,
            which whoever can write the ledger can also forge.
        first_t, last_t: µs UTC of the first and last entry; None for an empty log.
        kinds: How many entries of each kind.
    """

    size: int
    root: bytes
    signed: int
    first_t: int | None
    last_t: int | None
    kinds: dict[str, int]


def verify(
    rows: Iterable[Row],
    *,
    head_size: int,
    head_root: bytes,
    checkpoints: Iterable[tuple[int, str]],
    vkey: VKey,
    older: Sequence[VKey] = (),
    start: Frontier | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Walk a whole log.

    Args:
        rows: Every entry, in order, from the start on.
        head_size: The number of entries the store says there are.
        head_root: The root the store says they have.
        checkpoints: Every stored `(size, signed note)`, by rising size.
        vkey: The log's key.
        older: The same log's keys from before rotations.
        start: The tree of the entries that the log's retention has let go, by the tiles above them; the
            head's root, and every checkpoint from there on, vouches for it. Earlier ones are checked for
            their signature alone.
        progress: Called now and then with the number of entries walked.

    Returns:
        What was found.

    Raises:
        Tampered: The first fault; `index` is the entry at fault, or, where only a root is wrong, the size of
            the last checkpoint that agreed: the altered entry is there or after it.
    """
    walk = _Walk(head_size, checkpoints, (vkey, *older), start or Frontier())
    for row in rows:
        walk.take(row)
        if progress and not walk.size % _STRIDE:
            progress(walk.size)
    if progress:
        progress(walk.size)
    return walk.finish(head_root)


class _Walk:
    """A walk under way: the tree so far and what must come next."""

    def __init__(
        self,
        head_size: int,
        checkpoints: Iterable[tuple[int, str]],
        vkeys: Sequence[VKey],
        start: Frontier,
    ) -> None:
        self._head_size = head_size
        self._start = start.size
        self._checkpoints = iter(checkpoints)
        self._vkeys = vkeys
        self._frontier = start.copy()
        self._nodes: dict[str, int] = {}
        self._node = ""
        self._whos: dict[Who, bytes] = {}
        self._kinds: Counter[str] = Counter()
        self._first_t: int | None = None
        self._last_t = 0
        self._signed = 0
        self._due = next(self._checkpoints, None)
        self._compare()

    @property
    def size(self) -> int:
        """Entries walked."""
        return self._frontier.size

    def take(self, row: Row) -> None:
        """Check one entry and add it to the tree (rules 1 to 6)."""
        index = self._frontier.size
        if row.idx != index:
            at = min(row.idx, index)
            what = "is missing" if row.idx > index else "stands twice or out of order"
            raise Tampered(f"entry {at} {what} (rule 1)", index=at, remedy=_REMEDY)
        if index >= self._head_size:
            raise Tampered(f"entry {index} stands beyond the head (rule 7)", index=index, remedy=_REMEDY)
        try:
            if not self._is_plain(row):
                self._check(row)
        except Tampered as fault:
            raise Tampered(f"entry {index}: {fault.message}", index=index, remedy=_REMEDY) from None
        self._frontier.append(leaf_hash(row.stub))
        if self._due and self._due[0] <= index + 1:
            self._compare()

    def _is_plain(self, row: Row) -> bool:
        """Rules 2 to 5 at once for the usual entry, the next of the same node; others are looked at singly.

        Its stub is held against the one that its columns spell, which costs a quarter of reading it. The
        columns' types matter: SQLite keeps what it is given.
        """
        t, i = row.t, self._nodes.get(self._node, _LIMIT) + 1
        if (
            type(t) is not int or not self._last_t <= t < _LIMIT or i >= _LIMIT
            or row.kind is None or row.kind not in _KINDS
            or type(row.tag) is not bytes or len(row.tag) not in {0, stubs.TAG_SIZE}
            or type(row.request) is not bytes or len(row.request) != stubs.TAG_SIZE
        ):  # fmt: skip
            return False
        try:
            who = stubs.digest(row.who_salt, self._who_bytes(row.who))
            committed = stubs.commitment(who, row.whom_digest)
        except Invalid:
            return False
        if row.stub != _spelled(committed, row.request, row.tag, self._node, i, row.kind, t):
            return False
        self._take(self._node, i, row.kind, t)
        return True

    def _who_bytes(self, who: Who) -> bytes:
        """What is committed to; there are few different ones in a log."""
        found = self._whos.get(who)
        if found is None:
            if len(self._whos) >= _WHOS:
                self._whos.clear()
            found = self._whos[who] = stubs.who_bytes(who)
        return found

    def _take(self, node: str, i: int, kind: str, t: int) -> None:
        """Remember what the next entry must follow on."""
        self._nodes[node], self._node = i, node
        self._kinds[kind] += 1
        self._last_t = t
        if self._first_t is None:
            self._first_t = t

    def _check(self, row: Row) -> None:
        """Rules 2 to 5, in that order."""
        try:
            one = stubs.decode(row.stub)
        except Tampered as fault:
            raise Tampered(f"{fault.message} (rule 2)") from None
        try:
            stubs.check_who(one, row.who, row.who_salt, row.whom_digest)
        except Tampered as fault:
            raise Tampered(f"{fault.message} (rule 3)") from None
        _check_columns(row, one)
        if one.t < self._last_t:
            raise Tampered("its time is before that of the entry before it (rule 4)")
        if one.i != self._nodes.get(one.n, one.i - 1 if self._start else 0) + 1:
            raise Tampered("its node's counter does not follow on (rule 5)")
        self._take(one.n, one.i, one.k, one.t)

    def _compare(self) -> None:
        """Rule 6: the tree so far is what every checkpoint of this size says."""
        while self._due and self._due[0] <= self._frontier.size:
            size, note = self._due
            try:
                cp = open_checkpoint(note, *self._vkeys)
            except Tampered as fault:
                raise self._fault(
                    f"the checkpoint stored for size {size}: {fault.message} (rule 6)"
                ) from None
            if (size > self._start and size != self._frontier.size) or cp.size != size:
                raise self._fault(f"the checkpoint stored for size {size} is out of place (rule 6)")
            if size >= self._start and cp.root != self._frontier.root():
                raise self._fault(
                    f"an entry from {self._signed} to {size - 1} is not the one that was signed: "
                    f"the root at size {size} differs from its checkpoint (rule 6)"
                )
            self._signed = size
            self._due = next(self._checkpoints, None)

    def _fault(self, message: str) -> Tampered:
        """A fault that can't be told closer than: after the last checkpoint that agreed."""
        return Tampered(message, index=self._signed, remedy=_REMEDY)

    def finish(self, head_root: bytes) -> Verified:
        """Rule 7: the walk ends where the head says, and no checkpoint lies beyond."""
        size = self._frontier.size
        if size != self._head_size:
            raise Tampered(f"entry {size} is missing before the head (rule 7)", index=size, remedy=_REMEDY)
        if self._due:
            message = f"entries {size} to {self._due[0] - 1} were signed and are gone (rule 7)"
            raise Tampered(message, index=size, remedy=_REMEDY)
        root = self._frontier.root()
        if root != head_root:
            raise self._fault(
                f"an entry from {self._signed} on is not the one the head's root covers (rule 7)"
            )
        return Verified(
            size=size,
            root=root,
            signed=self._signed,
            first_t=self._first_t,
            last_t=None if self._first_t is None else self._last_t,
            kinds=dict(self._kinds),
        )


def _spelled(commitment: bytes, request: bytes, tag: bytes, node: str, i: int, kind: str, t: int) -> bytes:
    """The one spelling of a stub whose parts are as the format has them."""
    # With zeros up to a multiple of three bytes all go through base64 at once; their bits are zero anyway.
    text = urlsafe_b64encode(b"%b\0%b\0\0%b" % (commitment, request, tag))
    return b'{"c":"%b","g":"%b","i":%d,"k":"%b","n":"%b","r":"%b","t":%d,"v":1}' % (
        text[:43], text[68:90], i, kind.encode(), node.encode(), text[44:66], t,
    )  # fmt: skip


def _check_columns(row: Row, one: Stub) -> None:
    """The rest of rule 3: columns that repeat the stub say what it says."""
    if row.t is not None and row.t != one.t:
        raise _unlike("t")
    if row.kind is not None and row.kind != one.k:
        raise _unlike("kind")
    if row.tag is not None and (type(row.tag) is not bytes or stubs.pack(row.tag) != one.g):
        raise _unlike("tag")
    if row.request is not None and (type(row.request) is not bytes or stubs.pack(row.request) != one.r):
        raise _unlike("request")


def _unlike(column: str) -> Tampered:
    return Tampered(f"column {column} is not what the stub says (rule 3)", field=column)
