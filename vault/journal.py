"""The journal: turns happenings into durable entries of the access log (DESIGN 6 step 6, DESIGN 7).

A `Page` is one ledger transaction. It locks the head first, so everything checked on it (token uses,
revocations, disabled principals, caps, tombstones) is checked in the order in which entries arrive.
When the `with` block ends the entries are durable, or an error was raised and nothing may be released.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from vault.config import Clock
from vault.crypto import mac
from vault.crypto.bodies import BodySealer, body_context
from vault.crypto.encoding import encode
from vault.crypto.keys import TenantKeys
from vault.crypto.sign import token_bytes, verify
from vault.errors import Denied, Tampered, Unavailable
from vault.ledger import checkpoint, stub
from vault.ledger.registry import Registry, Revocation
from vault.ledger.tiles import closed_tiles
from vault.merkle import Frontier, leaf_hash
from vault.model import Grant, Happening, Receipt, Word
from vault.stores.ledger import LedgerStore
from vault.stores.ledger_tx import LedgerTx
from vault.stores.rows import BodyRow, EntryRow, LogHead, RegistryRow, TileRow

DIGEST_SIZE: Final = 32
CLOCK_TOLERANCE: Final = 2_000_000
"""µs: a node further behind the last entry stops (DESIGN 6, "Clock")."""


def head_mac(keys: TenantKeys, size: int, edge: bytes, last_t: int, registry: bytes) -> bytes:
    """The head's MAC: without the key nobody can end the log elsewhere or swap its registry."""
    data = encode("cvault/head/v1", keys.tenant, size, edge, last_t, registry)
    return mac.derive(keys.head_key, "head", data)


class Page:
    """One ledger transaction: add happenings, change the registry, take what is counted."""

    def __init__(self, journal: Journal, tx: LedgerTx, head: LogHead, now: int) -> None:
        self.tx = tx
        self.now = max(now, head.last_t)
        self.registry = journal.registry_of(tx, head)
        self._journal = journal
        self._head = head
        self._pending: list[Happening] = []
        self._changed = False
        self.receipts: list[Receipt] = []

    @property
    def first_index(self) -> int:
        """The leaf index that the first happening of this page will get."""
        return self._head.size

    def add(self, happening: Happening) -> int:
        """Queue a happening; returns its slot, an index into `receipts` once the page is closed."""
        self._pending.append(happening)
        return len(self._pending) - 1

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

    def _own(self) -> None:
        if not self._changed:
            self.registry = self.registry.copy()
            self._changed = True

    def write(self) -> tuple[LogHead, Registry]:
        """Append everything queued and set the new head; the store commits afterwards."""
        entries, bodies, frontier, leaves = self._entries()
        closed = self._closed_tiles(frontier.size, leaves)
        if entries:
            self.tx.append(entries, bodies, closed)
        seal = self._journal.sealed_registry(self.registry) if self._changed else self._head.registry
        head = self._journal.sealed_head(frontier, self.now, seal)
        self.tx.set_head(head)
        return head, self.registry

    def _entries(self) -> tuple[list[EntryRow], list[BodyRow], Frontier, list[bytes]]:
        journal, keys, count = self._journal, self._journal.keys, len(self._pending)
        frontier = Frontier.from_bytes(self._head.size, self._head.edge)
        if not count:
            return [], [], frontier, []
        tags = self._tags()
        node_counter = self.tx.node_counter(journal.node, count)
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
                    n=journal.node,
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

    def _tags(self) -> list[bytes]:
        """The next tag of each happening's subject; counters move in this same transaction."""
        handles = [
            mac.handle(self._journal.keys.handle_key, "subject", h.whom.subject) if h.secret else b""
            for h in self._pending
        ]
        counts = Counter(handle for handle in handles if handle)
        following = self.tx.bump(dict(counts)) if counts else {}
        tags = []
        for handle, happening in zip(handles, self._pending, strict=True):
            if not handle:
                tags.append(b"")
                continue
            tags.append(mac.tag(mac.tag_key(happening.secret), following[handle]))
            following[handle] += 1
        return tags

    def _closed_tiles(self, new_size: int, leaves: list[bytes]) -> list[TileRow]:
        old, tenant = self._head.size, self._head.tenant

        def leaf_hashes(start: int, end: int) -> list[bytes]:
            stored = [leaf_hash(data) for data in self.tx.stubs(start, min(end, old))] if start < old else []
            return stored + leaves[max(start, old) - old : max(end, old) - old]

        return [
            TileRow(tenant=tenant, level=tile.level, tile=tile.index, hashes=tile.hashes)
            for tile in closed_tiles(old, new_size, leaf_hashes, self._journal.tile)
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


class Journal:
    """One tenant's access log, as one node writes it."""

    def __init__(self, store: LedgerStore, keys: TenantKeys, node: str, clock: Clock) -> None:
        self.store = store
        self.keys = keys
        self.node = node
        self._clock = clock
        self._known = (0, b"")
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
            page.write()

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
                page = Page(self, tx, head, self._now(head))
                yield page
                new_head, registry = page.write()
                if self._unsaved is not None:
                    tx.checkpoint(*self._unsaved)
            self._remember(new_head, registry)

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
        return page.receipts

    def _remember(self, head: LogHead, registry: Registry) -> None:
        """After COMMIT alone: a signed checkpoint whose transaction rolled back would be a fork."""
        frontier = Frontier.from_bytes(head.size, head.edge)
        self._known = (head.size, frontier.root())
        self._registry = (head.registry, registry)
        self._unsaved = (head.size, self._sign(head.size, self._known[1]))

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
            raise Tampered("the access log has no head", remedy="restore the ledger")
        mac.check(
            head_mac(self.keys, head.size, head.edge, head.last_t, head.registry), head.mac, "the log's head"
        )
        size, root = known or self._known
        if head.size < size or (
            head.size == size and size and Frontier.from_bytes(head.size, head.edge).root() != root
        ):
            raise Tampered("the access log was shortened or rewritten while open", index=head.size)
        return head

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
        """Keep the newest checkpoint in the store; done with every next page, and at close."""
        if self._unsaved is not None:
            with self.store.transaction(self.keys.tenant) as tx:
                tx.checkpoint(*self._unsaved)
            self._unsaved = None


def microseconds() -> int:
    """The system's clock: µs UTC."""
    return time.time_ns() // 1000
