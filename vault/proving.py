"""Proving: that nothing in the access log was changed or left out (DESIGN 7).

The full walk, checkpoints, inclusion proofs and the export that a stranger's tools check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from vault.access.tokens import Credential
from vault.config import iso
from vault.errors import NotFound, Tampered
from vault.ledger import checkpoint, proof
from vault.ledger import verify as walking
from vault.ledger.export import export
from vault.ledger.note import VKey
from vault.ledger.registry import LogFloor
from vault.ledger.tiles import Hashes
from vault.merkle import Frontier, inclusion_path
from vault.model import Happening, Who, Whom, Word
from vault.pinning import Source
from vault.pruning import demand_kept, floor_of
from vault.stores.rows import EntryRow, LogHead
from vault.tenancy import Tenancy

__all__ = ["PAGE", "Checked", "Proving", "Source"]

PAGE: Final = 2000


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
        self, credential: Credential | None = None, progress: Callable[[int], None] | None = None
    ) -> Checked:
        """Walk the whole log and compare it with its head and every signed checkpoint; then log that.

        The check comes first and needs no working log: a broken one is reported, not hidden behind it.

        Raises:
            Tampered: With the first bad index.
        """
        found = self.walk(progress)
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
        floor = floor_of(self._t.journal.registry())
        found = self.trace(head, checkpoints, self.vkey, floor, progress)
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
        while start < size and (
            rows := self._t.stores.ledger.entries(self._t.name, start, min(PAGE, size - start))
        ):
            for row in rows:
                yield walking.Row(
                    idx=row.idx,
                    stub=row.stub,
                    who=who_of(row),
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

    def receipt(self, index: int) -> str:
        """A C2SP `tlog-proof` that an entry stands in the log; checkable with the public key alone.

        Raises:
            NotFound: No entry has this index, or it went when its rule said so.
            Tampered: The stored tiles or the stub are not the log's, so that the proof would not hold.
        """
        note = self.checkpoint()
        size = checkpoint.open_checkpoint(note, self.vkey).size
        if not 0 <= index < size:
            raise NotFound
        demand_kept(self._t.journal.registry(), index)
        path = inclusion_path(index, size, Hashes(self._source, size).node)
        text = proof.make(index, path, note)
        proof.check(text, self.stub(index), self.vkey)
        return text

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
        """Write the log as C2SP tiles: stubs and hashes alone, no personal data; returns files written."""
        with self._t.acting(credential, "audit") as (grant, page):
            page.add(Happening(kind="export", who=self._t.who(grant), whom=Whom(detail="tiles")))
        note = self._t.journal.checkpoint()
        size = checkpoint.open_checkpoint(note, self.vkey).size
        floor = floor_of(self._t.journal.registry())
        return export(directory, self._source, size, note, floor.entries)


def who_of(row: EntryRow) -> Who:
    """The *who* of an entry, from its open columns."""
    return Who(
        actor=row.actor, role=row.role, purpose=row.purpose, about=row.about, masked=row.masked,
        clear=row.clear, outcome=row.outcome, reason=row.reason, policy=row.policy, token=row.token,
    )  # fmt: skip
