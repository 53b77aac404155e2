"""Proving: that nothing in the access log was changed or left out (DESIGN 7).

The full walk, checkpoints, inclusion proofs and the export that a stranger's tools check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec.structs import astuple

from vault.access.tokens import Credential
from vault.config import iso
from vault.errors import NotFound, Tampered
from vault.journal import Journal
from vault.ledger import checkpoint, proof
from vault.ledger import verify as walking
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.export import export
from vault.ledger.note import VKey
from vault.ledger.registry import LogFloor, Registry
from vault.ledger.tiles import Hashes
from vault.merkle import Frontier, inclusion_path
from vault.model import Happening, Who, Whom, Word
from vault.pinning import Source
from vault.pruning import demand_kept, floor_of
from vault.stores.rows import EntryRow, LogHead, RegistryRow
from vault.tenancy import Tenancy

__all__ = ["PAGE", "Checked", "Proving", "Source"]

PAGE: Final = 2000
_WHO: Final = slice(6, 16)
"""The open columns of an `EntryRow`."""


class Checked(Word):
    """What a verification found: everything from the first entry to the head is what the vault wrote."""

    size: int
    root: str
    signed: int
    first: str | None
    last: str | None
    kinds: dict[str, int]


class Proving:
    """The proofs of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._source = Source(tenancy.stores.ledger, tenancy.name)

    @property
    def vkey(self) -> VKey:
        """The log's public key."""
        return VKey(name=self._t.keys.origin, public=self._t.keys.log.public)

    def verify(
        self,
        credential: Credential | Callable[[], Credential] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Checked:
        """Walk the whole log and compare it with its head and every signed checkpoint; then log that.

        The check comes first and needs no working log: a broken one is reported, not hidden behind it.

        Args:
            credential: Who checks; or what gives it once the check has held, for a token issued for it
                is an entry itself. Without one nothing is logged.
            progress: Called now and then with the number of entries walked.

        Raises:
            Tampered: With the first bad index.
        """
        found = self.walk(progress)
        if callable(credential):
            credential = credential()
        if credential is not None:
            with self._t.acting(credential, "audit") as (grant, page):
                who = self._t.who(grant)
                page.add(Happening(kind="verify", who=who, whom=Whom(detail=f"size {found.size}")))
        return found

    def walk(self, progress: Callable[[int], None] | None = None) -> Checked:
        """The check alone, without a token and without an entry."""
        known = self._t.journal.known
        checkpoints = self._t.stores.ledger.checkpoints(self._t.name)  # before the head: the log may grow
        head = self._t.stores.ledger.head(self._t.name)
        if head is None:
            raise Tampered("the access log has no head", index=0)
        found = self.trace(head, checkpoints, self.vkey, self._floor(head, checkpoints), progress)
        self._t.journal.checked(head, known)
        self._t.demand_history()
        self._t.journal.check_cases()
        return Checked(
            size=found.size,
            root=found.root.hex(),
            signed=found.signed,
            first=iso(found.first_t) if found.first_t is not None else None,
            last=iso(found.last_t) if found.last_t is not None else None,
            kinds=dict(found.kinds),
        )

    def _floor(self, head: LogHead, checkpoints: Sequence[tuple[int, str]]) -> LogFloor:
        """How far the log's retention has come, by a registry that nothing outside is compared with yet.

        The comparison knows no more than the size of a checkpoint: it comes after the walk, which names the
        entry. Where head or registry themselves don't hold, the walk is asked all the same.

        Raises:
            Tampered: They don't; with the first bad index where the entries tell one.
        """
        t = self._t
        try:
            return floor_of(Journal(t.stores.ledger, t.keys, t.config.settings.node, t.clock).registry())
        except Tampered:
            rows = t.stores.ledger.registry(t.name, ("floor",))
            self.trace(head, checkpoints, self.vkey, _said_floor(rows))
            raise

    def trace(
        self,
        head: LogHead,
        checkpoints: Iterable[tuple[int, str]],
        vkey: VKey,
        floor: LogFloor,
        progress: Callable[[int], None] | None = None,
    ) -> walking.Verified:
        """Walk the entries up to a head whose MAC is another's matter, against checkpoints under one key.

        Raises:
            Tampered: With the first bad index.
        """
        found = walking.verify(
            self._rows(floor.entries, head.size),
            head_size=head.size,
            head_root=Frontier.from_bytes(head.size, head.edge).root(),
            checkpoints=checkpoints,
            vkey=vkey,
            start=Hashes(self._source, head.size).frontier(floor.entries),
            progress=progress,
        )
        self._refuse_beyond(head.size)
        self._refuse_bodiless(floor.bodies, head.size)
        return found

    def _refuse_beyond(self, size: int) -> None:
        """Rows beyond the head are in no tree: put there beside the vault, unless the log grew meanwhile."""
        beyond = self._t.stores.ledger.entries(self._t.name, size, 1)
        head = self._t.stores.ledger.head(self._t.name)
        if beyond and (head is None or head.size <= size):
            raise Tampered("there are entries beyond the log's head", index=size)

    def _refuse_bodiless(self, first: int, size: int) -> None:
        """Every entry has its body but those before `first`, whose bodies a rule has let go."""
        store = self._t.stores.ledger
        if store.count_bodies(self._t.name, size) - store.count_bodies(self._t.name, first) == size - first:
            return
        for start in range(first, size, PAGE):
            wanted = range(start, min(start + PAGE, size))
            missing = sorted(set(wanted) - store.bodies(self._t.name, wanted).keys())
            if missing:
                raise Tampered("an entry's body is missing", index=missing[0])

    def _rows(self, start: int, size: int) -> Iterator[walking.Row]:
        whos: dict[tuple[object, ...], Who] = {}  # a page's entries have few different ones
        while start < size and (
            rows := self._t.stores.ledger.entries(self._t.name, start, min(PAGE, size - start))
        ):
            whos.clear()
            for row in rows:
                columns = astuple(row)[_WHO]
                who = whos.get(columns)
                if who is None:
                    who = whos[columns] = who_of(row)
                yield walking.Row(
                    idx=row.idx,
                    stub=row.stub,
                    who=who,
                    who_salt=row.who_salt,
                    whom_digest=row.whom_digest,
                    t=row.t,
                    kind=row.kind,
                    tag=row.tag,
                    request=row.request,
                )
            start = rows[-1].idx + 1

    def checkpoint(self) -> str:
        """The newest signed checkpoint (C2SP tlog-checkpoint); public.

        Raises:
            Tampered: The ledger or the key store is an old copy: to sign it would be a fork.
        """
        self._t.demand_history()
        return self._t.journal.checkpoint()

    def note(self, index: int) -> str:
        """The signed checkpoint under which an entry is proved.

        That is the newest which counts as witnessed, with its cosignatures, if the entry stands in it; else
        the newest, which the log alone has signed.
        """
        newest = self.checkpoint()
        cosigned = self._t.watch.newest(self._t.journal.registry())
        if cosigned is not None and cosigned.size > index:
            return cosigned.note
        return newest

    def receipt(self, index: int) -> str:
        """A C2SP `tlog-proof` that an entry stands in the log; checkable with the public key alone.

        Its `extra` line holds the entry's stub, so that the file proves itself (docs/formats/receipt.md).

        Raises:
            NotFound: No entry has this index, or it went when its rule said so.
            Tampered: The stored tiles or the stub are not the log's, so that the proof would not hold.
        """
        return self.receipts([index])[0]

    def receipts(self, indices: Sequence[int]) -> list[str]:
        """As `receipt`, for several entries at one checkpoint."""
        note, registry = self.note(max(indices, default=0)), self._t.journal.registry()
        for index in indices:
            demand_kept(registry, index)
        hashes = self._hashes(note)
        return [self._proved(index, note, hashes) for index in indices]

    def _hashes(self, note: str) -> Hashes:
        return Hashes(self._source, checkpoint.open_checkpoint(note, self.vkey).size)

    def _proved(self, index: int, note: str, hashes: Hashes) -> str:
        if not 0 <= index < hashes.size:
            raise NotFound
        entry = self.stub(index)
        text = proof.make(index, inclusion_path(index, hashes.size, hashes.node), note, entry)
        proof.check(text, entry, self.vkey)
        return text

    def has(self, point: Checkpoint) -> bool:
        """Whether a checkpoint is a state of this log: no longer than it, and its root that of this tree.

        Raises:
            NotFound: The log's retention has let go all of its entries, so that its root can't be made again.
        """
        if point.size:
            demand_kept(self._t.journal.registry(), point.size - 1)
        hashes = self._hashes(self._t.journal.checkpoint())
        return point.size <= hashes.size and hashes.root_at(point.size) == point.root

    def refresh(self, text: str) -> str:
        """A receipt made anew, under `note`, once the old one was found to hold.

        Raises:
            NotFound: The entry went when its rule said so; the old receipt still proves it.
            Tampered: The receipt doesn't verify; or the log is no longer the one it speaks of: shorter, with
                another entry at this index, or with another history. Keep such a receipt: it is evidence.
        """
        index, extra = (old := proof.Proof.parse(text)).index, old.extra
        if extra:
            then = proof.check(text, extra, self.vkey)
        demand_kept(self._t.journal.registry(), index)
        try:
            entry = self.stub(index)
        except NotFound:
            raise _rewritten("the log has no entry where the receipt proves one", index) from None
        if extra and entry != extra:
            raise _rewritten("the log has another entry than the receipt proves", index)
        if not extra:
            then = proof.check(text, entry, self.vkey)
        if not self.has(then):
            raise _rewritten("the log is shorter than the receipt's, or has another history", index)
        return self.receipt(index)

    def stub(self, index: int) -> bytes:
        """The exact bytes of one leaf.

        Raises:
            NotFound: No entry has this index.
        """
        found = self._t.stores.ledger.stubs(self._t.name, index, index + 1)
        if not found:
            raise NotFound
        return found[0]

    def export(self, credential: Credential, directory: Path) -> int:
        """Write the log as C2SP tiles, with its key: stubs and hashes alone; returns files written."""
        with self._t.acting(credential, "audit") as (grant, page):
            page.add(Happening(kind="export", who=self._t.who(grant), whom=Whom(detail="tiles")))
        note = self._t.journal.checkpoint()
        size = checkpoint.open_checkpoint(note, self.vkey).size
        floor = floor_of(self._t.journal.registry())
        return export(directory, self._source, size, note, floor.entries, self.vkey)


def _said_floor(rows: Sequence[RegistryRow]) -> LogFloor:
    """The floor as an unchecked registry says, to look for what else is wrong; 0 where it can't be read."""
    with suppress(TypeError, ValueError):
        return floor_of(Registry((row.kind, row.id, row.body) for row in rows))
    return LogFloor(id="log")


def _rewritten(what: str, index: int) -> Tampered:
    return Tampered(what, index=index, remedy="keep the receipt as evidence and run `cvault log verify`")


def who_of(row: EntryRow) -> Who:
    """The *who* of an entry, from its open columns."""
    return Who(
        actor=row.actor, role=row.role, purpose=row.purpose, about=row.about, masked=row.masked,
        clear=row.clear, outcome=row.outcome, reason=row.reason, policy=row.policy, token=row.token,
    )  # fmt: skip
