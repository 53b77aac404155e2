"""Balancing: every entry about somebody is explained by a living subject or by a declared erasure (DESIGN 7).

The tags of all living subjects are computed anew and compared, as sets, with those in the log. What is left
over must be what sweeps of log secrets declared: an access under a wrong tag, one that was left out, and a
counter that was turned back all show (docs/access-report.md, "The balance").
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from vault.access.tokens import Credential
from vault.crypto import mac
from vault.errors import Tampered, Unavailable
from vault.ledger import stub
from vault.ledger.registry import Plan
from vault.ledger.tiles import Hashes
from vault.merkle import Frontier, leaf_hash
from vault.model import Happening, Whom, Word
from vault.numbering import spans, swept_handle
from vault.proving import Source, who_of
from vault.pruning import floor_of
from vault.stores.rows import EntryFilter, EntryRow, LogHead, SubjectRow
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

PAGE: Final = 4096
"""Entries, or subjects, read at a time."""
PARTS: Final = 256
"""Partitions by a tag's first byte: sets are made of one at a time, the rest are 16 or 24 bytes a tag."""
_TAG: Final = 16
_INDEX: Final = 8
_HEAD: Final = re.compile(rb'\{"c":"[A-Za-z0-9_-]{43}","g":"((?:[A-Za-z0-9_-]{22})?)","i":').match
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_DECLARED: Final = re.compile(r"plan (\S+) log_secrets=[0-9]+ orphans=([0-9]+)").fullmatch

Progress = Callable[[int, int], None]


class Balance(Word):
    """What a balance found; it is even where `unexplained` and `missing` are 0.

    Attributes:
        entries: How many the log had when it began.
        pruned: How many of them, the oldest, the log's retention has let go; counted in nothing below.
        without_subject: Those about nobody.
        explained: Those that a living subject's series explains.
        orphans_declared: Those whose subject's log secret was swept, as the sweeps declared.
        unexplained: Those that nothing explains, a tag that stands twice among them.
        missing: Numbers of living subjects, and declared orphans, that no entry has.
        first: The first index that is not explained; None if none is. Where the count alone tells that an
            orphan is one too many, no entry can be singled out, and the latest are named.
    """

    entries: int
    pruned: int
    without_subject: int
    explained: int
    orphans_declared: int
    unexplained: int
    missing: int
    first: int | None


class _Tags:
    """Tags by their first byte, in as many bytes as they have; some with the index of their entry."""

    def __init__(self) -> None:
        self.parts = [bytearray() for _ in range(PARTS)]

    def add(self, tag: bytes, index: bytes = b"") -> None:
        """Keep a tag."""
        self.parts[tag[0]] += tag + index


class _Walked(Word):
    """What a pass over the log found.

    Attributes:
        start: The first entry that the log still has.
        untagged: How many of those have no tag.
        loose: Entries of those that nothing explains, or that say whom they are about and have no tag.
    """

    start: int
    untagged: int
    explained: int
    missing: int
    loose: list[int]
    wrong: list[int]


class Balancing:
    """The balance of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._scales = Scales(tenancy)

    def balance(
        self,
        credential: Credential,
        *,
        bodies: bool = False,
        progress: Progress | None = None,
        told: Callable[[Balance], None] | None = None,
    ) -> Balance:
        """Account for every entry of the log. The balance is an entry first.

        Args:
            credential: A token that allows `audit`.
            bodies: Also open the body of every entry without a tag, so that none about somebody goes
                untagged; takes some 0.1 ms for each page of the log that wrote one.
            progress: Called with entries done and total.
            told: Called with what was found before it is judged.

        Raises:
            Denied: The token doesn't allow it.
            Tampered: It isn't even; with the first index that nothing explains, where there is one.
            Unavailable: Log secrets were swept meanwhile; run it again.
        """
        self._scales.enter(credential)
        found = self._scales.weigh(progress or (lambda _done, _total: None), bodies=bodies)
        if told is not None:
            told(found)
        judge(found)
        return found


def judge(found: Balance) -> None:
    """Demand that a balance is even.

    Raises:
        Tampered: Entries are unexplained, or missing; with the first index that nothing explains.
    """
    if found.unexplained or found.missing:
        raise Tampered(
            f"the log isn't even: {found.unexplained} entries unexplained, {found.missing} missing",
            index=found.first,
            remedy="keep the vault as it is; run `cvault log verify`",
        )


class Scales:
    """Weighs one tenant's log."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._unsealer = Unsealer(tenancy)

    def enter(self, credential: Credential) -> None:
        """Enter that somebody who may weighs it."""
        with self._t.acting(credential, "audit") as (grant, page):
            page.add(Happening(kind="verify", who=self._t.who(grant), whom=Whom(detail="balance")))

    def weigh(self, progress: Progress, *, bodies: bool) -> Balance:
        """What a balance finds; see `Balancing.balance`."""
        size = self._head().size
        wanted, alive = self._wanted()
        walked = self._walked(size, wanted, progress, bodies=bodies)
        floor = floor_of(self._t.journal.registry())
        if floor.entries != walked.start:
            raise _meanwhile("the log was pruned meanwhile")
        declared = self._declared(size, floor.bodies, alive)
        left, short = _matched(sorted(walked.loose), declared)
        bad = sorted([*left, *walked.wrong])
        gone = (
            walked.missing + short - floor.tagged
        )  # what was let go by rule had tags of the one or the other
        return Balance(
            entries=size,
            pruned=walked.start,
            without_subject=walked.untagged,
            explained=walked.explained,
            orphans_declared=sum(count for _, count in declared),
            unexplained=len(bad) + max(0, -gone),
            missing=max(0, gone),
            first=bad[0] if bad else None,
        )

    def _head(self) -> LogHead:
        known = self._t.journal.known
        return self._t.journal.checked(self._t.stores.ledger.head(self._t.name), known)

    # --- who lives ------------------------------------------------------------------------------------

    def _wanted(self) -> tuple[_Tags, int]:
        """The tags of all who live; and how many of them were declared orphans by a sweep that died since."""
        t, tags, alive, after = self._t, _Tags(), 0, ""
        while rows := t.stores.keys.everybody(t.name, after, PAGE):
            self._add(rows, tags)
            handles = [swept_handle(t.keys, row.subject) for row in rows]
            alive += sum(t.stores.ledger.counters(t.name, handles).values())
            after = rows[-1].subject
        return tags, alive

    def _add(self, rows: Sequence[SubjectRow], tags: _Tags) -> None:
        found = spans(self._t.stores.ledger, self._t.keys, [row.subject for row in rows])
        for row in rows:
            each = [span for span in found[row.subject] if span.count]
            secret = self._t.keeping.log_secret(row) if each else b""
            for span in each:
                key = mac.tag_key(secret, span.generation)
                for number in range(span.count):
                    tags.add(mac.tag(key, number))

    # --- what the log has -----------------------------------------------------------------------------

    def _walked(self, size: int, wanted: _Tags, progress: Progress, *, bodies: bool) -> _Walked:
        """One pass over the log, as it now stands: what was written since belongs to those who live."""
        found, untagged, wrong = _Tags(), 0, []
        first = floor_of(self._t.journal.registry()).entries
        for start, tags in self._pages(first, progress):
            bare = [start + at for at, tag in enumerate(tags) if not tag]
            untagged += sum(index < size for index in bare)
            if bodies and bare:
                wrong += self._about_somebody(start, len(tags))
            for at, tag in enumerate(tags):
                if tag:
                    found.add(tag, (start + at).to_bytes(_INDEX, "big"))
        explained, missing, loose = 0, 0, []
        for want, have in zip(wanted.parts, found.parts, strict=True):
            left = {bytes(want[at : at + _TAG]) for at in range(0, len(want), _TAG)}
            every = frozenset(left)
            for tag, index in _pairs(have):
                if tag in left:
                    left.discard(tag)
                    explained += index < size
                elif tag in every:
                    wrong.append(index)
                elif index < size:
                    loose.append(index)
            missing += len(left)
        return _Walked(
            start=first, untagged=untagged, explained=explained, missing=missing, loose=loose, wrong=wrong
        )

    def _pages(self, first: int, progress: Progress) -> Iterator[tuple[int, list[bytes]]]:
        """The tags of all entries from the first on, from stubs that must be those of the head's tree.

        Raises:
            Tampered: They are not.
        """
        head = self._head()
        tree = Hashes(Source(self._t.stores.ledger, self._t.name), head.size).frontier(first)
        for start in range(first, head.size, PAGE):
            stubs = self._t.stores.ledger.stubs(self._t.name, start, min(start + PAGE, head.size))
            tree.append_many([leaf_hash(data) for data in stubs])
            yield start, [_tag_of(data, start + at) for at, data in enumerate(stubs)]
            progress(start + len(stubs), head.size)
        if (tree.size, tree.root()) != (head.size, Frontier.from_bytes(head.size, head.edge).root()):
            raise Tampered("the entries are not those of the log's head", remedy="cvault log verify")

    def _about_somebody(self, start: int, count: int) -> list[int]:
        """The entries without a tag, of a page, whose body says whom they are about."""
        rows = [row for row in self._t.stores.ledger.entries(self._t.name, start, count) if not row.tag]
        return [index for index, whom in self._unsealer.bodies(rows).items() if whom.subject]

    # --- who was swept --------------------------------------------------------------------------------

    def _declared(self, size: int, bodies: int, alive: int) -> list[tuple[int, int]]:
        """What sweeps declared, as (index of the entry, orphans); less what still lives, from the last on.

        Where the log's retention has let a declaration's body go, its plan's row alone speaks: somewhere
        before `bodies`.

        Raises:
            Tampered: An entry isn't what its stub commits to, or it and its plan don't say the same.
            Unavailable: One was entered since the living were asked.
        """
        plans = {plan.id: plan.swept for plan in self._t.journal.registry().all(Plan)}
        found = []
        for row in self._begun(bodies):
            hit = _DECLARED(self._detail(row))
            if hit is None:
                continue
            if row.idx >= size:
                raise _meanwhile("log secrets were swept meanwhile")
            plans[hit[1]] = plans.get(hit[1], 0) - int(hit[2])
            if plans[hit[1]] < 0:
                raise Tampered("an entry declares orphans that no plan vouches for", index=row.idx)
            found.append((row.idx, int(hit[2])))
        unsaid = sum(plans.values())
        if unsaid and not bodies:
            raise Tampered("a plan's declaration of orphans is not in the log", remedy="cvault log verify")
        found = [(bodies, unsaid), *found] if unsaid else found
        for at in range(len(found) - 1, -1, -1):
            index, count = found[at]
            found[at] = (index, count - min(count, alive))
            alive -= min(count, alive)
        return found

    def _begun(self, bodies: int) -> Iterator[EntryRow]:
        """The entries that begin an erasure, from the first on whose body is there."""
        after: int | None = bodies - 1
        while rows := self._t.stores.ledger.query(
            self._t.name, EntryFilter(kind="erase_begin", after_idx=after, limit=PAGE)
        ):
            yield from rows
            after = rows[-1].idx

    def _detail(self, row: EntryRow) -> str:
        entry = stub.decode(row.stub)
        stub.check_who(entry, who_of(row), row.who_salt, row.whom_digest)
        if entry.k != row.kind:
            raise Tampered("a column is not what the entry's stub says", index=row.idx)
        opened = self._unsealer.bodies([row])
        return opened[row.idx].detail if row.idx in opened else ""


def _meanwhile(what: str) -> Unavailable:
    return Unavailable(what, code="conflict", remedy="run it again")


def _tag_of(data: bytes, index: int) -> bytes:
    """A stub's tag, b"" for none."""
    hit = _HEAD(data)
    if hit is None:
        raise Tampered("the stub is not in its canonical form", index=index)
    return binascii.a2b_base64(hit[1].translate(_STANDARD) + b"==") if hit[1] else b""


def _pairs(have: bytearray) -> Iterator[tuple[bytes, int]]:
    """The tags of a partition with their entries' indices, in the order of the log."""
    for at in range(0, len(have), _TAG + _INDEX):
        yield bytes(have[at : at + _TAG]), int.from_bytes(have[at + _TAG : at + _TAG + _INDEX], "big")


def _matched(loose: Sequence[int], declared: Iterable[tuple[int, int]]) -> tuple[list[int], int]:
    """Take from the loose entries what was declared: a sweep orphans only entries before its own.

    Returns:
        The entries that nothing explains, and how many declared orphans no entry is left for.
    """
    left, short = list(loose), 0
    for index, count in declared:
        before = sum(one < index for one in left)
        taken = min(before, count)
        left, short = left[taken:], short + count - taken
    return left, short
