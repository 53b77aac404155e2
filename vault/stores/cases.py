"""The book of cases as the ledger store keeps it: lines in 1024 shards, and a digest of each shard.

What a line says is the ledger's business; nothing here is authentic until it was checked against the shard's
digest and that against the registry (docs/adr/0016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, func, select, tuple_

from vault.stores.engine import Session
from vault.stores.hot import Lookup, Rows, Statement, run
from vault.stores.schema import case_shards, cases

STATES: Final = ("open", "closed")

_C = cases.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

_SHARDS: Final = Statement(
    select(case_shards.c.shard, case_shards.c.digest).where(case_shards.c.tenant == _TENANT)
)
_LINES: Final = Lookup(
    lambda keys: select(_C.shard, _C.handle, _C.holder, _C.state, _C.body).where(
        _C.tenant == _TENANT, _C.shard.in_(keys)
    ),
    "tenant",
)
_COUNT: Final = Statement(select(func.count()).select_from(cases).where(_C.tenant == _TENANT))
_COUNTS: Final = Statement(
    select(_C.holder, _C.state, func.count()).where(_C.tenant == _TENANT).group_by(_C.holder, _C.state)
)
PUT_CASES: Final = Rows(
    cases,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "shard", "handle"],
        set_={name: insert.excluded[name] for name in ("holder", "state", "body")},
    ),
)
PUT_SHARDS: Final = Rows(
    case_shards,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "shard"], set_={"digest": insert.excluded.digest}
    ),
)


class CaseTable:
    """One tenant's book of cases, read through one session."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def digests(self) -> list[tuple[Any, Any]]:
        """Fetch the digest of every shard that has one, as (shard, digest)."""
        return [(shard, digest) for shard, digest in _SHARDS.rows(self._session, tenant=self._tenant)]

    def lines(self, shards: Sequence[int]) -> list[tuple[int, Any, Any, Any, Any]]:
        """Fetch every case of these shards, as (shard, handle, holder, state, body), in no order."""
        rows: list[Any] = _LINES.rows(self._session, (self._tenant,), shards)
        return rows

    def handles(
        self, holder: str | None, state: str | None, after: tuple[int, bytes], limit: int
    ) -> list[bytes]:
        """Fetch the next handles beyond (shard, handle), of a holder or all, in a state or any, in order."""
        states = STATES if holder is not None and state is None else (state,)  # so that the index orders them
        rows = [row for one in states for row in self._places(holder, one, after, limit)]
        return [handle for _, handle in sorted(rows)[:limit]]

    def _places(
        self, holder: str | None, state: str | None, after: tuple[int, bytes], limit: int
    ) -> list[tuple[int, bytes]]:
        place = tuple_(_C.shard, _C.handle)
        query = select(_C.shard, _C.handle).where(_C.tenant == self._tenant, place > after)
        if holder is not None:
            query = query.where(_C.holder == holder)
        if state is not None:
            query = query.where(_C.state == state)
        rows = run(self._session, query.order_by(_C.shard, _C.handle).limit(limit))
        return [(shard, handle) for shard, handle in rows]

    def count(self) -> int:
        """Count all cases."""
        ((count,),) = _COUNT.rows(self._session, tenant=self._tenant)
        return int(count)

    def counts(self) -> dict[tuple[str, str], int]:
        """Count the cases by (holder, state)."""
        rows = _COUNTS.rows(self._session, tenant=self._tenant)
        return {(holder, state): count for holder, state, count in rows}
