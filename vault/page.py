"""A page: one transaction of the ledger, in which what happened, what it changed and what it took is settled.

It locks the head first, so everything checked on it (token uses, revocations, disabled principals, caps,
tombstones, cases) is checked in the order in which entries arrive.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from vault.alerting import NO_CASE, Look, Watcher
from vault.crypto.bodies import BodySealer, body_context
from vault.crypto.keys import TenantKeys
from vault.crypto.sign import token_bytes
from vault.errors import Denied
from vault.ledger import stub
from vault.ledger.book import ID, Book, CaseRow, Remembered
from vault.ledger.registry import BookInForce, Registry, Revocation
from vault.ledger.tiles import closed_tiles
from vault.merkle import Frontier, leaf_hash
from vault.model import Grant, Happening, Receipt, Word
from vault.numbering import ended_handle, following, handle_of, span_of, tag_at
from vault.stores.ledger_tx import LedgerTx
from vault.stores.rows import BodyRow, EntryRow, LogHead, RegistryRow, StoredCaseRow, TileRow


class Log(Protocol):
    """What a page needs of the journal it is a page of.

    Attributes:
        remembered: Shards of the book of cases that this node has read and checked.
        watcher: What watches the entries; None while a tenant is begun.
    """

    keys: TenantKeys
    node: str
    remembered: Remembered
    watcher: Watcher | None

    def tile(self, level: int, index: int) -> bytes | None:
        """A complete tile as stored, or None."""
        ...

    def registry_of(self, tx: LedgerTx | None, head: LogHead) -> Registry:
        """The registry a head speaks of."""
        ...

    def sealed_registry(self, registry: Registry) -> bytes:
        """The registry's digest under the issuer's signature."""
        ...

    def sealed_head(self, frontier: Frontier, last_t: int, registry: bytes) -> LogHead:
        """A head under its MAC."""
        ...


class Page:
    """One ledger transaction: add happenings, change the registry, take what is counted."""

    def __init__(self, log: Log, tx: LedgerTx, head: LogHead, now: int) -> None:
        self.tx = tx
        self.now = max(now, head.last_t)
        self.registry = log.registry_of(tx, head)
        self._log = log
        self._head = head
        self._pending: list[Happening] = []
        self._ending: list[str] = []
        self._changed = False
        self._book: Book | None = None
        self.receipts: list[Receipt] = []
        self.look: Look | None = None
        """What the entries counted for, once the page is written."""

    @property
    def first_index(self) -> int:
        """The leaf index that the first happening of this page will get."""
        return self._head.size

    def add(self, happening: Happening) -> int:
        """Queue a happening; returns its slot, an index into `receipts` once the page is closed."""
        self._pending.append(happening)
        return len(self._pending) - 1

    def end_tags(self, subjects: Iterable[str]) -> None:
        """End the current generation of these subjects' tags, with the entries of this page as its last.

        Whoever is handed the keys of what was ended follows no entry of a later page. A generation without
        an entry is left as it is: nothing was handed over, and there is nothing to follow.
        """
        self._ending += subjects

    def admit(self, grant: Grant, *, spend: bool = True) -> None:
        """Check the token itself against the ledger, and take one use (DESIGN 6, step 6).

        Args:
            grant: Who wants to act.
            spend: False for the later pages of one request, which is one use however long it takes.

        Raises:
            Denied: The token is revoked or expired, or its uses are spent.
        """
        if self.now >= grant.expires:
            raise Denied("the token has expired", code="token_expired", remedy="issue a new token")
        for link in grant.links:
            if self.registry.find(Revocation, link.digest.hex()) is not None:
                raise Denied("the token was revoked", code="token_revoked", remedy="issue a new token")
        if spend:
            self._spend(grant)

    def _spend(self, grant: Grant) -> None:
        """Take a use of every link that counts them; of none if one has none left."""
        counted = [(link.digest, link.max_uses) for link in grant.links if link.max_uses is not None]
        if any(self.tx.used(digest) >= most for digest, most in counted):
            raise Denied("the token's uses are spent", code="uses_spent", remedy="issue a new token")
        for digest, most in counted:
            self.tx.spend(digest, most)

    def put(self, row: Word) -> None:
        """Add or replace a registry row."""
        self._own()
        kind, ident, body = self.registry.put(row)
        self.tx.put_registry(RegistryRow(tenant=self._head.tenant, kind=kind, id=ident, body=body))

    def drop(self, word: type[Word], ident: str) -> None:
        """Remove a registry row."""
        self._own()
        self.tx.drop_registry(*self.registry.drop(word, ident))

    def cases(self, handles: Iterable[bytes]) -> dict[bytes, CaseRow]:
        """The cases of these handles as they stand under the head's lock; unknown handles are left out.

        No query for no handles, none for shards that this node remembers, else one, and one more if the book
        was changed by another node.

        Raises:
            Tampered: What is stored is not what the registry vouches for.
        """
        return self._cases().find(handles)

    def put_cases(self, rows: Iterable[CaseRow]) -> None:
        """Open or change cases, written when the page closes; all of these rows, or none if one is refused.

        Raises:
            Unavailable: A row is not the next turn of its case (`conflict`): it was changed meanwhile.
            Tampered: As `cases`.
        """
        self._cases().put(rows)

    def _cases(self) -> Book:
        if self._book is None:
            row = self.registry.find(BookInForce, ID)
            self._book = Book(row, self.tx.cases, self._log.remembered)
        return self._book

    def _write_cases(self) -> None:
        """Store what was put, and have the registry vouch for it, which takes the issuer's key."""
        change = self._book.change() if self._book is not None else None
        if change is not None:
            self.put(change.book)
            rows = [StoredCaseRow(self._head.tenant, *line) for line in change.lines]
            self.tx.put_cases(rows, change.digests)

    def _own(self) -> None:
        if not self._changed:
            self.registry = self.registry.copy()
            self._changed = True

    def write(self) -> tuple[LogHead, Registry]:
        """Append everything queued and set the new head; the store commits afterwards."""
        handles = self._handles()
        self._watch(handles)
        self._write_cases()
        entries, bodies, frontier, leaves = self._entries(handles)
        self._end_generations()
        closed = self._closed_tiles(frontier.size, leaves)
        if entries:
            self.tx.append(entries, bodies, closed)
        seal = self._log.sealed_registry(self.registry) if self._changed else self._head.registry
        head = self._log.sealed_head(frontier, self.now, seal)
        self.tx.set_head(head)
        return head, self.registry

    def _watch(self, handles: list[bytes]) -> None:
        """Count what the happenings count for; append the alarms, and note what strikes about entries."""
        watcher = self._log.watcher
        if watcher is not None and self._pending:
            look = self.look = watcher.look(
                self.registry, self.tx.sightings, self.cases, self._pending, handles, self.now
            )
            if look.marked:
                self.tx.sightings.mark(NO_CASE, [self._head.size + slot for slot in look.marked])
            self._pending += look.alarms
            handles += [b""] * len(look.alarms)

    @property
    def alarmed(self) -> bool:
        """Whether there are alarms among the entries."""
        return any(happening.kind == "alarm" for happening in self._pending)

    def _handles(self) -> list[bytes]:
        """The keyed handle of each happening's subject, b"" where there is none."""
        keys = self._log.keys
        return [handle_of(keys, h.whom.subject) if h.secret else b"" for h in self._pending]

    def _entries(
        self, handles: Sequence[bytes]
    ) -> tuple[list[EntryRow], list[BodyRow], Frontier, list[bytes]]:
        log, keys, count = self._log, self._log.keys, len(self._pending)
        frontier = Frontier.from_bytes(self._head.size, self._head.edge)
        if not count:
            return [], [], frontier, []
        tags = self._tags(handles)
        node_counter = self.tx.node_counter(log.node, count)
        salts = token_bytes(48 * count)
        sealer = BodySealer(keys.audit_public, keys.tenant)
        entries, bodies, leaves = [], [], []
        whos: dict[int, bytes] = {}  # by identity: the entries of one grant and decision share their *who*
        for slot, (happening, tag) in enumerate(zip(self._pending, tags, strict=True)):
            at = 48 * slot
            who_salt, whom_salt = salts[at : at + 16], salts[at + 16 : at + 32]
            request = happening.request or salts[at + 32 : at + 48]
            who = whos.get(id(happening.who))
            if who is None:
                who = whos[id(happening.who)] = stub.who_bytes(happening.who)
            who_digest = stub.digest(who_salt, who)
            whom = stub.whom_bytes(happening.whom)
            whom_digest = stub.digest(whom_salt, whom)
            commitment = stub.commitment(who_digest, whom_digest)
            data = stub.encode(
                stub.Stub(
                    c=stub.pack(commitment),
                    g=stub.pack(tag),
                    i=node_counter + slot,
                    k=happening.kind,
                    n=log.node,
                    r=stub.pack(request),
                    t=self.now,
                    v=1,
                )
            )
            leaf = leaf_hash(data)
            leaves.append(leaf)
            idx = self._head.size + slot
            entries.append(
                _entry_row(keys.tenant, idx, data, tag, self.now, happening, who_salt, whom_digest, request)
            )
            sealed = sealer.seal(
                whom_salt + whom, happening.secret, happening.shelf, body_context(keys.tenant, commitment)
            )
            bodies.append(BodyRow(tenant=keys.tenant, idx=idx, sealed=sealed))
            self.receipts.append(
                Receipt(origin=keys.origin, index=idx, leaf=base64.b64encode(leaf).decode("ascii"))
            )
        frontier.append_many(leaves)
        return entries, bodies, frontier, leaves

    def _tags(self, handles: Sequence[bytes]) -> list[bytes]:
        """The next tag of each happening's subject; counters move in this same transaction."""
        counts = Counter(handle for handle in handles if handle)
        numbers = self.tx.bump(dict(counts)) if counts else {}
        tags = []
        for handle, happening in zip(handles, self._pending, strict=True):
            if not handle:
                tags.append(b"")
                continue
            tags.append(tag_at(happening.secret, numbers[handle]))
            numbers[handle] += 1
        return tags

    def _end_generations(self) -> None:
        """Move the counters of those whose tags end here on to the next generation."""
        keys = self._log.keys
        handles = {subject: handle_of(keys, subject) for subject in self._ending}
        numbers = self.tx.bump(dict.fromkeys(handles.values(), 0)) if handles else {}
        moves = {}
        for subject, handle in handles.items():
            span = span_of(numbers[handle])
            if span.count:
                moves[handle] = following(numbers[handle]) - numbers[handle]
                moves[ended_handle(keys, subject, span.generation)] = span.count
        if moves:
            self.tx.bump(moves)

    def _closed_tiles(self, new_size: int, leaves: list[bytes]) -> list[TileRow]:
        old, tenant = self._head.size, self._head.tenant

        def leaf_hashes(start: int, end: int) -> list[bytes]:
            stored = [leaf_hash(data) for data in self.tx.stubs(start, min(end, old))] if start < old else []
            return stored + leaves[max(start, old) - old : max(end, old) - old]

        return [
            TileRow(tenant=tenant, level=tile.level, tile=tile.index, hashes=tile.hashes)
            for tile in closed_tiles(old, new_size, leaf_hashes, self._log.tile)
        ]


def _entry_row(  # noqa: PLR0913, PLR0917 - a row's parts, each its own
    tenant: str,
    idx: int,
    data: bytes,
    tag: bytes,
    t: int,
    h: Happening,
    who_salt: bytes,
    whom: bytes,
    request: bytes,
) -> EntryRow:
    who = h.who
    return EntryRow(
        tenant=tenant, idx=idx, stub=data, tag=tag, t=t, kind=h.kind, actor=who.actor, role=who.role,
        purpose=who.purpose, about=who.about, masked=who.masked, clear=who.clear, outcome=who.outcome,
        reason=who.reason, policy=who.policy, token=who.token, who_salt=who_salt, whom_digest=whom,
        request=request,
    )  # fmt: skip
