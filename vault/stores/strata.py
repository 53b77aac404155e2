"""Strata of the access log: entries counted and walked by an open column, and picked by index.

For samples: how many entries each role or purpose has in a range, and which they are, in order. The columns
are the log's open ones, so nobody is named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from sqlalchemy import BindParameter, bindparam, func, select

from vault.stores.engine import Session
from vault.stores.hot import Lookup, Statement
from vault.stores.rows import EntryRow
from vault.stores.schema import entries

Column = Literal["role", "purpose"]

PAGE: Final = 20_000
"""Entries of one statement of a walk."""

_E = entries.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_COLUMNS: Final = {"role": _E.role, "purpose": _E.purpose}
_COUNTS: Final = {
    name: Statement(
        select(column, func.count())
        .where(_E.tenant == _TENANT, _E.idx >= bindparam("start"), _E.idx < bindparam("below"))
        .group_by(column)
        .order_by(column)
    )
    for name, column in _COLUMNS.items()
}
_WALK: Final = {
    name: Statement(
        select(_E.idx, column)
        .where(_E.tenant == _TENANT, _E.idx >= bindparam("start"), _E.idx < bindparam("below"))
        .order_by(_E.idx)
        .limit(bindparam("limit"))
    )
    for name, column in _COLUMNS.items()
}
_PICK: Final = Lookup(
    lambda keys: select(*(_E[name] for name in EntryRow.__struct_fields__)).where(
        _E.tenant == _TENANT, _E.idx.in_(keys)
    ),
    "tenant",
)


class StrataTable:
    """One tenant's entries, through one session."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def counts(self, column: Column, start: int, below: int) -> dict[str, int]:
        """Count the entries from index `start` on and before `below` by a column's value."""
        rows = _COUNTS[column].rows(self._session, tenant=self._tenant, start=start, below=below)
        return {value: int(count) for value, count in rows}

    def walk(self, column: Column, start: int, below: int) -> Iterator[tuple[int, str]]:
        """Walk the entries from index `start` on and before `below`: index and value, in order."""
        while rows := _WALK[column].rows(
            self._session, tenant=self._tenant, start=start, below=below, limit=PAGE
        ):
            yield from ((int(idx), value) for idx, value in rows)
            start = rows[-1][0] + 1

    def pick(self, idxs: Sequence[int]) -> list[EntryRow]:
        """Fetch entries by index, in the order asked for; those that aren't there are left out."""
        rows = _PICK.rows(self._session, (self._tenant,), idxs)
        found = {row.idx: row for row in (EntryRow(*row) for row in rows)}
        return [found[idx] for idx in idxs if idx in found]
