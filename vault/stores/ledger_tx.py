"""A write transaction of the ledger: it holds the tenant's head from its first statement to its COMMIT.

All that must be exact under concurrency (tree, counters, token uses, lookup caps) rests on that lock: on
SQLite the file's write lock (BEGIN IMMEDIATE), on PostgreSQL the head's row (SELECT … FOR UPDATE).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BindParameter, bindparam, delete, func, select, update

from vault.stores.archive import Archive
from vault.stores.cases import PUT_CASES, PUT_SHARDS, CaseTable
from vault.stores.engine import Session
from vault.stores.hot import Lookup, Rows, Statement
from vault.stores.reaches import ReachTable
from vault.stores.rows import BodyRow, EntryRow, LogHead, RegistryRow, StoredCaseRow, TileRow
from vault.stores.schema import (
    BLOCK,
    bodies,
    checkpoints,
    counters,
    entries,
    head,
    lookups,
    nodes,
    plan_items,
    registry,
    tiles,
    tombstones,
    uses,
)
from vault.stores.sightings import SightingTable
from vault.stores.witnessing import WitnessTable

_E = entries.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

HEAD: Final = Statement(select(head).where(head.c.tenant == _TENANT))
_LOCK_HEAD: Final = Statement(select(head).where(head.c.tenant == _TENANT).with_for_update())
_BEGIN_HEAD: Final = Rows(head, lambda insert: insert.on_conflict_do_nothing())
_SET_HEAD: Final = Rows(
    head,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant"],
        set_={name: insert.excluded[name] for name in ("size", "edge", "last_t", "registry", "mac")},
    ),
)
_NODE: Final = Rows(
    nodes,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "node"], set_={"n": nodes.c.n + insert.excluded.n}
    ).returning(nodes.c.n),
)
_BUMP: Final = Rows(
    counters,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "handle"], set_={"n": counters.c.n + insert.excluded.n}
    ).returning(counters.c.handle, counters.c.n),
)
_SPEND: Final = Statement(
    update(uses)
    .where(uses.c.tenant == _TENANT, uses.c.link == bindparam("of"), uses.c.used < bindparam("most"))
    .values(used=uses.c.used + 1)
    .returning(uses.c.used)
)
_USED: Final = Statement(select(uses.c.used).where(uses.c.tenant == _TENANT, uses.c.link == bindparam("of")))
_FIRST_USE: Final = Rows(uses, lambda insert: insert.on_conflict_do_nothing().returning(uses.c.used))
_LOOKED_UP: Final = Statement(
    select(func.count(), func.count().filter(lookups.c.digest == bindparam("digest"))).where(
        lookups.c.tenant == _TENANT,
        lookups.c.handle == bindparam("handle"),
        lookups.c.day == bindparam("day"),
        lookups.c.field == bindparam("field"),
    )
)
_LOOK_UP: Final = Rows(lookups)
_PUT_ENTRIES: Final = Rows(entries)
_PUT_BODIES: Final = Rows(bodies)
_PUT_TILES: Final = Rows(tiles)
STUBS: Final = Statement(
    select(_E.stub)
    .where(_E.tenant == _TENANT, _E.idx >= bindparam("start"), _E.idx < bindparam("end"))
    .order_by(_E.idx)
)
_REQUESTS: Final = Lookup(
    lambda keys: select(_E.request, _E.idx).where(
        _E.tenant == _TENANT, _E.t >= bindparam("since"), _E.request.in_(keys)
    ),
    "tenant since",
)
ENTOMBED: Final = Lookup(
    lambda keys: select(tombstones.c.record).where(
        tombstones.c.tenant == _TENANT, tombstones.c.record.in_(keys)
    ),
    "tenant",
)
_ENTOMB: Final = Rows(tombstones, lambda insert: insert.on_conflict_do_nothing())
_CHECKPOINT: Final = Rows(checkpoints, lambda insert: insert.on_conflict_do_nothing())
REGISTRY: Final = Statement(
    select(registry).where(registry.c.tenant == _TENANT).order_by(registry.c.kind, registry.c.id)
)
_PUT_REGISTRY: Final = Rows(
    registry,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "kind", "id"], set_={"body": insert.excluded.body}
    ),
)
_DROP_REGISTRY: Final = Statement(
    delete(registry).where(
        registry.c.tenant == _TENANT, registry.c.kind == bindparam("of"), registry.c.id == bindparam("name")
    )
)
_PUT_PLAN: Final = Rows(plan_items)
_MARK_PLAN: Final = Lookup(
    lambda keys: (
        update(plan_items)
        .where(
            plan_items.c.tenant == _TENANT,
            plan_items.c.plan == bindparam("of"),
            plan_items.c.record.in_(keys),
        )
        .values(state=bindparam("to"))
    ),
    "to tenant of",
)


class LedgerTx:
    """What may be done while the head is held. Made by `LedgerStore.transaction`."""

    def __init__(self, session: Session, tenant: str) -> None:
        """Lock the tenant's head, making room for one if the log has not begun."""
        self._session = session
        self._tenant = tenant
        self._head = self._locked()

    @property
    def session(self) -> Session:
        """The session of this transaction, for the tables that have modules of their own."""
        return self._session

    def _locked(self) -> LogHead | None:
        if self._session.lite:
            rows = HEAD.rows(self._session, tenant=self._tenant)
        else:
            rows = _LOCK_HEAD.rows(self._session, tenant=self._tenant)
            if not rows:  # a row to lock, gone again if the transaction is undone; mac b"" says "no head yet"
                _BEGIN_HEAD.put(self._session, [(self._tenant, 0, b"", 0, b"", b"")])
                rows = _LOCK_HEAD.rows(self._session, tenant=self._tenant)
        row = LogHead(*rows[0]) if rows else None
        return row if row is not None and row.mac else None

    def head(self) -> LogHead | None:
        """Give the head as it was when the lock was had, or as set since; None before the log has begun."""
        return self._head

    def set_head(self, row: LogHead) -> None:
        """Write the head."""
        _SET_HEAD.put_words(self._session, [row])
        self._head = row

    def node_counter(self, node: str, add: int) -> int:
        """Take the next `add` numbers of a node's own counter; the first of them (it begins at 1)."""
        ((last,),) = _NODE.returning(self._session, [(self._tenant, node, add)])
        return int(last) - add + 1

    def bump(self, handles: Mapping[bytes, int]) -> dict[bytes, int]:
        """Raise each handle's counter by the count given; what each stood at before (0 at first)."""
        rows = [(self._tenant, handle, count) for handle, count in handles.items()]
        return {handle: n - handles[handle] for handle, n in _BUMP.returning(self._session, rows)}

    def append(
        self, entries: Sequence[EntryRow], bodies: Sequence[BodyRow], tiles: Sequence[TileRow]
    ) -> None:
        """Add entries, their bodies, and the tiles that they complete."""
        rows = [(*msgspec.structs.astuple(row), row.idx // BLOCK) for row in entries]
        _PUT_ENTRIES.put(self._session, rows)
        _PUT_BODIES.put_words(self._session, bodies)
        _PUT_TILES.put_words(self._session, tiles)

    def stubs(self, start: int, end: int) -> list[bytes]:
        """Fetch the stubs from index `start` on and before `end`, in order."""
        rows = STUBS.rows(self._session, tenant=self._tenant, start=start, end=end)
        return [stub for (stub,) in rows]

    def spend(self, link: bytes, maximum: int) -> int | None:
        """Take one use of a token link; how many are used now, or None when all were and none was taken."""
        if maximum < 1:
            return None
        rows = _SPEND.rows(self._session, tenant=self._tenant, of=link, most=maximum)
        if not rows:
            rows = _FIRST_USE.returning(self._session, [(self._tenant, link, 1)])
        return int(rows[0][0]) if rows else None

    def used(self, link: bytes) -> int:
        """Say how many uses of a token link are taken."""
        rows = _USED.rows(self._session, tenant=self._tenant, of=link)
        return int(rows[0][0]) if rows else 0

    def admit_lookup(self, handle: bytes, day: str, field: str, digest: bytes, cap: int) -> bool:
        """Count a distinct value that a principal looks up in a field on a day (DESIGN 5, caps).

        Returns:
            True if this value was looked up before that day, or is within the cap and now counted; False if
            the cap is reached: the caller must refuse.
        """
        ((count, before),) = _LOOKED_UP.rows(
            self._session, tenant=self._tenant, handle=handle, day=day, field=field, digest=digest
        )
        if before:
            return True
        if count >= cap:
            return False
        _LOOK_UP.put(self._session, [(self._tenant, handle, day, field, digest)])
        return True

    def requests(self, ids: Sequence[bytes], since: int = 0) -> dict[bytes, int]:
        """Find which request ids are logged already, each with the index of its first entry.

        For after a COMMIT whose outcome is unknown, so it has no index of its own, which every entry would
        pay for: it walks the entries from `since` on.

        Args:
            ids: Request ids.
            since: µs UTC of the first attempt, or 0 to walk the whole log.
        """
        found: dict[bytes, int] = {}
        for request, idx in _REQUESTS.rows(self._session, (self._tenant, since), ids):
            found[request] = min(idx, found.get(request, idx))
        return found

    def entombed(self, records: Sequence[str]) -> set[str]:
        """Find which of the records are erased or about to be."""
        return {record for (record,) in ENTOMBED.rows(self._session, (self._tenant,), records)}

    def entomb(self, plan: str, records: Sequence[str], idx: int) -> None:
        """Close records for good: no entry for a read of them is written after this (DESIGN 6).

        A record entombed before keeps its first tombstone.

        Args:
            plan: The plan that erases them.
            records: Random record ids.
            idx: The index of the `erase_begin` entry.
        """
        _ENTOMB.put(self._session, [(self._tenant, record, plan, idx) for record in records])

    def checkpoint(self, size: int, note: str) -> None:
        """Keep a signed checkpoint, unless there is one of this size."""
        _CHECKPOINT.put(self._session, [(self._tenant, size, note)])

    def registry(self, kinds: Collection[str] | None = None) -> list[RegistryRow]:
        """Fetch the registry's rows, of these kinds or all, by kind and id."""
        return registry_rows(self._session, self._tenant, kinds)

    def put_registry(self, row: RegistryRow) -> None:
        """Add or replace a row of the registry."""
        _PUT_REGISTRY.put_words(self._session, [row])

    def drop_registry(self, kind: str, id: str) -> None:  # noqa: A002 — the column's name
        """Remove a row of the registry, if there is one."""
        _DROP_REGISTRY.change(self._session, tenant=self._tenant, of=kind, name=id)

    @property
    def cases(self) -> CaseTable:
        """The book of cases as it stands under the lock."""
        return CaseTable(self._session, self._tenant)

    def put_cases(self, rows: Sequence[StoredCaseRow], digests: Mapping[int, bytes]) -> None:
        """Add or replace cases, with the digests of all shards that they lie in."""
        PUT_CASES.put_words(self._session, rows)
        PUT_SHARDS.put(self._session, [(self._tenant, shard, digest) for shard, digest in digests.items()])

    @property
    def reaches(self) -> ReachTable:
        """The reservations as they stand under the lock."""
        return ReachTable(self._session, self._tenant)

    @property
    def witnessing(self) -> WitnessTable:
        """Cosignatures and time stamps as they stand under the lock."""
        return WitnessTable(self._session, self._tenant)

    @property
    def sightings(self) -> SightingTable:
        """What alarms count by, as it stands under the lock."""
        return SightingTable(self._session, self._tenant)

    @property
    def archive(self) -> Archive:
        """Where a log is put that another one takes the place of."""
        return Archive(self._session, self._tenant)

    def put_plan_items(self, plan: str, items: Sequence[tuple[str, str, str]]) -> None:
        """Add a plan's items as open.

        Args:
            plan: The plan's id.
            items: (record, action, rule), each record once.
        """
        rows = [(self._tenant, plan, record, action, rule, "open") for record, action, rule in items]
        _PUT_PLAN.put(self._session, rows)

    def mark_plan_items(self, plan: str, records: Sequence[str], done: bool = True) -> None:  # noqa: FBT001, FBT002 — reads as a mark
        """Mark a plan's items as done, or as open again."""
        head: tuple[Any, ...] = ("done" if done else "open", self._tenant, plan)
        _MARK_PLAN.change(self._session, head, records)


def registry_rows(session: Session, tenant: str, kinds: Collection[str] | None) -> list[RegistryRow]:
    """Fetch the registry's rows, of these kinds or all, by kind and id (in byte order, on every engine)."""
    rows = [RegistryRow(*row) for row in REGISTRY.rows(session, tenant=tenant)]
    return sorted(
        (row for row in rows if kinds is None or row.kind in kinds), key=lambda row: (row.kind, row.id)
    )
