"""The ledger store: the access log with its counters, and the registry its powers rest on (DESIGN 7).

Written only through `transaction`; anything that fails there, COMMIT too, is `LogUnavailable`, because no
data may be released without its entry (promise 2). Auditors' questions run on the open columns, without the
write lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, ClassVar, Final

import msgspec
from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select

from vault.errors import LogUnavailable, Unavailable
from vault.model import Word
from vault.stores.cases import CaseTable
from vault.stores.engine import Session
from vault.stores.hot import Lookup, Statement, run
from vault.stores.ledger_tx import ENTOMBED, HEAD, STUBS, LedgerTx, registry_rows
from vault.stores.rows import EntryFilter, EntryRow, LogHead, PlanItemRow, RegistryRow
from vault.stores.schema import BLOCK, bodies, checkpoints, counters, entries, plan_items, tiles
from vault.stores.sightings import SightingTable
from vault.stores.store import Store
from vault.stores.strata import StrataTable
from vault.stores.witnessing import WitnessTable

_E, _I, _C = entries.c, plan_items.c, checkpoints.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

_ENTRY: Final = [_E[name] for name in EntryRow.__struct_fields__]

_PAGE: Final = Statement(
    select(*_ENTRY)
    .where(_E.tenant == _TENANT, _E.idx >= bindparam("start"))
    .order_by(_E.idx)
    .limit(bindparam("limit"))
)
_BODIES: Final = Lookup(
    lambda keys: select(bodies.c.idx, bodies.c.sealed).where(
        bodies.c.tenant == _TENANT, bodies.c.idx.in_(keys)
    ),
    "tenant",
)
_COUNT_BODIES: Final = Statement(
    select(func.count())
    .select_from(bodies)
    .where(bodies.c.tenant == _TENANT, bodies.c.idx < bindparam("below"))
)
_TILE: Final = Statement(
    select(tiles.c.hashes).where(
        tiles.c.tenant == _TENANT, tiles.c.level == bindparam("level"), tiles.c.tile == bindparam("tile")
    )
)
_CHECKPOINTS: Final = Statement(
    select(_C.size, _C.note).where(_C.tenant == _TENANT, _C.size > bindparam("after")).order_by(_C.size)
)
_LATEST: Final = Statement(
    select(_C.size, _C.note).where(_C.tenant == _TENANT).order_by(_C.size.desc()).limit(bindparam("one"))
)
_COUNTER: Final = Statement(
    select(counters.c.n).where(counters.c.tenant == _TENANT, counters.c.handle == bindparam("handle"))
)

_COUNTERS: Final = Lookup(
    lambda keys: select(counters.c.handle, counters.c.n).where(
        counters.c.tenant == _TENANT, counters.c.handle.in_(keys)
    ),
    "tenant",
)
_LAST: Final = Statement(select(func.max(_E.idx)).where(_E.tenant == _TENANT))
_SINCE: Final = Statement(
    select(_E.idx)
    .where(_E.tenant == _TENANT, _E.t >= bindparam("since"))
    .order_by(_E.t, _E.idx)
    .limit(bindparam("one"))
)
_DEPTH: Final = Statement(
    select(_E.idx)
    .where(_E.tenant == _TENANT, _E.actor == bindparam("actor"))
    .order_by(_E.idx.desc())
    .limit(bindparam("one"))
    .offset(bindparam("most"))
)
_AT: Final = Statement(select(_E.t).where(_E.tenant == _TENANT, _E.idx == bindparam("idx")))
_USED: Final = Statement(
    select(_E.idx, _E.t, _E.purpose)
    .where(
        _E.tenant == _TENANT,
        _E.actor == bindparam("actor"),
        _E.idx >= bindparam("floor"),
        _E.role == bindparam("role"),
        _E.outcome == bindparam("outcome"),
    )
    .order_by(_E.idx.desc())
    .limit(bindparam("one"))
)
PART: Final = 4096
"""Most tags, and most blocks of the tag index, in one statement; a borrower's report may ask for more."""


class Use(Word):
    """The newest entry that went well of one actor in one role; `t` is µs UTC."""

    idx: int
    t: int
    purpose: str


class LastUses(Word):
    """When an actor last did something in each of its roles.

    Attributes:
        uses: By role; a role without an entry is left out.
        since: µs UTC from which entries were looked at.
    """

    uses: dict[str, Use]
    since: int


class LedgerStore(Store):
    """The access log of every tenant."""

    name: ClassVar[str] = "ledger"
    failure: ClassVar[type[Unavailable]] = LogUnavailable

    @contextmanager
    def transaction(self, tenant: str) -> Iterator[LedgerTx]:
        """Hold the tenant's head; durable when the block has ended, undone if it raised.

        Raises:
            LogUnavailable: It could not be made durable; after an error in COMMIT it is unknown whether it
                was, and the caller looks for its request ids (DESIGN 6).
        """
        session = self.db.enter()
        try:
            yield LedgerTx(session, tenant)
        except BaseException:
            self.db.leave(session, keep=False)
            raise
        self.db.leave(session, keep=True)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads of this thread in the block see one state of the store; they keep no writer waiting.

        In a block of `transaction` of the same thread it adds nothing: the tenant's head is held there.
        """
        session = self.db.session()
        if _inside(session):
            yield
            return
        session.change("BEGIN" if session.lite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            session.rollback()

    def cases(self, tenant: str) -> CaseTable:
        """Give the book of cases as it stands committed, or in the thread's `snapshot`."""
        return CaseTable(self.db.session(), tenant)

    def witnessing(self, tenant: str) -> WitnessTable:
        """Give cosignatures and time stamps as they stand committed, or in the thread's transaction."""
        return WitnessTable(self.db.session(), tenant)

    def sightings(self, tenant: str) -> SightingTable:
        """Give what alarms count by, and the marks, as they stand committed."""
        return SightingTable(self.db.session(), tenant)

    def head(self, tenant: str) -> LogHead | None:
        """Fetch the tenant's head, or None before its log has begun."""
        rows = HEAD.rows(self.db.session(), tenant=tenant)
        return LogHead(*rows[0]) if rows else None

    def entries(self, tenant: str, start: int, limit: int) -> list[EntryRow]:
        """Fetch at most `limit` entries from index `start` on, in order."""
        rows = _PAGE.rows(self.db.session(), tenant=tenant, start=start, limit=limit)
        return [EntryRow(*row) for row in rows]

    def strata(self, tenant: str) -> StrataTable:
        """Give the entries to draw samples from, in the thread's `snapshot` if there is one."""
        return StrataTable(self.db.session(), tenant)

    def query(self, tenant: str, filter: EntryFilter) -> list[EntryRow]:  # noqa: A002 — what it is
        """Fetch the entries that match, by index, `filter.limit` at most."""
        session, tags = self.db.session(), filter.tags
        if tags is None:
            return [EntryRow(*row) for row in run(session, _asked(tenant, filter))]
        ((last,),) = _LAST.rows(session, tenant=tenant)
        blocks = range((last or 0) // BLOCK + 1)
        found: list[EntryRow] = []
        for at, block in product(range(0, len(tags), PART), range(0, len(blocks), PART)):
            part = msgspec.structs.replace(filter, tags=tags[at : at + PART])
            asked = _asked(tenant, part, blocks[block : block + PART])
            found += [EntryRow(*row) for row in run(session, asked)]
        found.sort(key=lambda row: row.idx, reverse=filter.newest_first)
        return found[: filter.limit]

    def index_at(self, tenant: str, since: int) -> int | None:
        """Give the index of the first entry at or after an instant (µs UTC), or None if there is none."""
        rows = _SINCE.rows(self.db.session(), tenant=tenant, since=since, one=1)
        return int(rows[0][0]) if rows else None

    def last_uses(
        self, tenant: str, actor: str, roles: Collection[str], since: tuple[int, int], most: int
    ) -> LastUses:
        """Find when an actor last did something that went well in each of these roles.

        A role in use is found at once, newest entry first. One that isn't costs a walk over the actor's own
        entries, so it ends at `since` or after about `most` of them, whichever is sooner.

        Args:
            tenant: Whose log.
            actor: A principal's id.
            roles: Looked for one by one.
            since: An instant (µs UTC) and the index of the first entry at or after it, as of `index_at`.
            most: How many of the actor's newest entries are looked at.
        """
        session, (instant, floor) = self.db.session(), since
        deep = _DEPTH.rows(session, tenant=tenant, actor=actor, one=1, most=most)
        if deep and deep[0][0] >= floor:
            floor = deep[0][0]
            ((instant,),) = _AT.rows(session, tenant=tenant, idx=floor)
        uses = {}
        for role in roles:
            rows = _USED.rows(
                session, tenant=tenant, actor=actor, role=role, outcome="ok", floor=floor, one=1
            )
            if rows:
                uses[role] = Use(idx=rows[0][0], t=rows[0][1], purpose=rows[0][2])
        return LastUses(uses=uses, since=instant)

    def stubs(self, tenant: str, start: int, end: int) -> list[bytes]:
        """Fetch the stubs from index `start` on and before `end`, in order."""
        rows = STUBS.rows(self.db.session(), tenant=tenant, start=start, end=end)
        return [stub for (stub,) in rows]

    def bodies(self, tenant: str, idxs: Sequence[int]) -> dict[int, bytes]:
        """Fetch sealed bodies by index; those that are gone are left out."""
        return dict(_BODIES.rows(self.db.session(), (tenant,), idxs))

    def count_bodies(self, tenant: str, below: int) -> int:
        """Count the bodies of entries before index `below`."""
        rows = _COUNT_BODIES.rows(self.db.session(), tenant=tenant, below=below)
        return int(rows[0][0])

    def tile(self, tenant: str, level: int, tile: int) -> bytes | None:
        """Fetch a complete tile's hashes, or None."""
        rows = _TILE.rows(self.db.session(), tenant=tenant, level=level, tile=tile)
        return rows[0][0] if rows else None

    def checkpoints(self, tenant: str, after: int = 0) -> list[tuple[int, str]]:
        """Fetch the signed checkpoints above a size, as (size, note), in order."""
        rows = _CHECKPOINTS.rows(self.db.session(), tenant=tenant, after=after)
        return [(size, note) for size, note in rows]

    def latest_checkpoint(self, tenant: str) -> tuple[int, str] | None:
        """Fetch the signed checkpoint of the largest size, or None."""
        rows = _LATEST.rows(self.db.session(), tenant=tenant, one=1)
        return (rows[0][0], rows[0][1]) if rows else None

    def registry(self, tenant: str, kinds: Collection[str] | None = None) -> list[RegistryRow]:
        """Fetch the registry's rows, of these kinds or all, by kind and id."""
        return registry_rows(self.db.session(), tenant, kinds)

    def plan_items(
        self, tenant: str, plan: str, state: str | None, after: str, limit: int
    ) -> list[PlanItemRow]:
        """Fetch a plan's next items after record `after` ("" to begin), of a state or all, in order."""
        query = select(plan_items).where(_I.tenant == tenant, _I.plan == plan, _I.record > after)
        if state is not None:
            query = query.where(_I.state == state)
        rows = run(self.db.session(), query.order_by(_I.record).limit(limit))
        return [PlanItemRow(*row) for row in rows]

    def counter(self, tenant: str, handle: bytes) -> int:
        """Give where a handle's counter stands: how many entries its subject has."""
        rows = _COUNTER.rows(self.db.session(), tenant=tenant, handle=handle)
        return int(rows[0][0]) if rows else 0

    def counters(self, tenant: str, handles: Sequence[bytes]) -> dict[bytes, int]:
        """Give where the counters of these handles stand; one that never counted is left out."""
        return dict(_COUNTERS.rows(self.db.session(), (tenant,), handles))

    def entombed(self, tenant: str, records: Sequence[str]) -> set[str]:
        """Find which of the records are erased or about to be."""
        return {record for (record,) in ENTOMBED.rows(self.db.session(), (tenant,), records)}


def _inside(session: Session) -> bool:
    """Whether a transaction is open on the session: 0 is libpq's PQTRANS_IDLE."""
    driver = session.driver
    return bool(driver.in_transaction if session.lite else driver.info.transaction_status)


def _asked(tenant: str, asked: EntryFilter, blocks: Sequence[int] = ()) -> Select[Any]:
    equal = {name: getattr(asked, name) for name in _EQUAL}
    wanted: list[ColumnElement[bool]] = [_E[name] == v for name, v in equal.items() if v is not None]
    if asked.tags is not None:
        wanted += [_E.block.in_(blocks), _E.tag.in_(asked.tags)]
    if asked.bits is not None:
        wanted.append(_E.masked.bitwise_or(_E.clear).bitwise_and(asked.bits) != 0)
    if asked.clear_bits is not None:
        wanted.append(_E.clear.bitwise_and(asked.clear_bits) != 0)
    if asked.since is not None:
        wanted.append(_E.t >= asked.since)
    if asked.until is not None:
        wanted.append(_E.t < asked.until)
    if asked.after_idx is not None:
        wanted.append(_E.idx < asked.after_idx if asked.newest_first else _E.idx > asked.after_idx)
    by = _E.idx if asked.tags is None else _E.idx + 0  # a sum has no index: keeps SQLite from walking the log
    order = by.desc() if asked.newest_first else by
    return select(*_ENTRY).where(_E.tenant == tenant, *wanted).order_by(order).limit(asked.limit)


_EQUAL: Final = ("actor", "purpose", "kind", "about", "outcome", "reason")
