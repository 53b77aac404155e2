"""The archive: logs that another one has taken the place of (docs/recover.md).

Their rows stay in their tables, under a tenant that nobody can have: `main~1` is the first log of `main`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BindParameter, Table, Text, bindparam, delete, func, insert, select

from vault.stores.engine import Session
from vault.stores.hot import Rows, Statement
from vault.stores.schema import (
    bodies,
    checkpoints,
    cosignatures,
    counters,
    entries,
    head,
    marks,
    nodes,
    stamps,
    tallied,
    tallies,
    tiles,
    tombstones,
)

_MOVED: Final = (
    entries, bodies, tiles, checkpoints, cosignatures, stamps, counters, nodes, tallies, tallied, marks,
)  # fmt: skip
"""What hangs on places in the log; tokens' uses, registry, tombstones, cases and reservations don't."""
_TENANT: Final[BindParameter[str]] = bindparam("tenant")


def _copy(table: Table) -> Statement:
    """Rows of a table once more, under another tenant."""
    to: BindParameter[str] = bindparam("other", type_=Text())
    names = [column.name for column in table.columns]
    rows = select(to, *(table.c[name] for name in names[1:])).where(table.c.tenant == _TENANT)
    return Statement(insert(table).from_select(names, rows))


_COPIES: Final = [_copy(table) for table in (*_MOVED, head)]
_GONE: Final = [Statement(delete(table).where(table.c.tenant == _TENANT)) for table in _MOVED]
_TOP: Final = Statement(select(func.max(counters.c.n)).where(counters.c.tenant == _TENANT))
_COUNT: Final = Rows(counters)
_TOMBS: Final = Statement(
    select(tombstones.c.record)
    .where(tombstones.c.tenant == _TENANT, tombstones.c.record > bindparam("after"))
    .order_by(tombstones.c.record)
    .limit(bindparam("limit"))
)


def archived(tenant: str, number: int) -> str:
    """The name under which a tenant's log of a number is archived; no tenant can be called so."""
    return f"{tenant}~{number}"


class Archive:
    """One tenant's archive, through one session that holds the head."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def move(self, number: int) -> int:
        """Put the whole log aside under its number; the head stays too, for the next one to be put over it.

        Returns:
            The highest counter that any subject had.
        """
        ((top,),) = _TOP.rows(self._session, tenant=self._tenant)
        for copy in _COPIES:
            copy.change(self._session, tenant=self._tenant, other=archived(self._tenant, number))
        for gone in _GONE:
            gone.change(self._session, tenant=self._tenant)
        return int(top or 0)

    def begin_counters(self, handles: Sequence[bytes], n: int) -> None:
        """Let the counters of these handles begin at n."""
        _COUNT.put(self._session, [(self._tenant, handle, n) for handle in handles])

    def tombstones(self, after: str, limit: int) -> list[str]:
        """Fetch the next records after the record `after` ("" to begin) that were erased, in order."""
        rows = _TOMBS.rows(self._session, tenant=self._tenant, after=after, limit=limit)
        return [record for (record,) in rows]
