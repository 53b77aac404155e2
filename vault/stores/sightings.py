"""What alarms count by, and what struck the vault about entries, as the ledger store keeps them.

Handles are the caller's, and say nothing of anybody. All of it stands in the transaction of the entries it is
about, under the head's lock, so that counts are exact over all nodes and a page undone counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import BindParameter, bindparam, delete, select

from vault.stores.engine import Session
from vault.stores.hot import Lookup, Rows, Statement
from vault.stores.schema import marks, seen

_S, _M = seen.c, marks.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

_SIGHT: Final = Rows(seen, lambda insert: insert.on_conflict_do_nothing().returning(_S.handle))
_NOTE: Final = Rows(seen, lambda insert: insert.on_conflict_do_nothing())
_COUNT: Final = Rows(
    seen,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "span", "handle"], set_={"n": _S.n + insert.excluded.n}
    ).returning(_S.handle, _S.n),
)
_OVER: Final = Statement(
    select(_S.span, _S.handle)
    .where(_S.tenant == _TENANT, _S.span <= bindparam("now"))
    .order_by(_S.span, _S.handle)
    .limit(bindparam("most"))
)
_FORGET: Final = Lookup(
    lambda keys: delete(seen).where(_S.tenant == _TENANT, _S.span == bindparam("over"), _S.handle.in_(keys)),
    "tenant over",
)
_MARK: Final = Rows(marks, lambda insert: insert.on_conflict_do_nothing())
_MARKED: Final = Statement(
    select(_M.idx)
    .where(_M.tenant == _TENANT, _M.mark == bindparam("word"), _M.idx >= bindparam("start"))
    .order_by(_M.idx)
    .limit(bindparam("most"))
)


class SightingTable:
    """One tenant's sightings, counts and marks, through one session."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def sight(self, rows: Sequence[tuple[int, bytes]]) -> set[bytes]:
        """Note (span, handle), each handle once in the list; those handles that were not noted before."""
        put = [(self._tenant, span, handle, 1) for span, handle in rows]
        return {handle for (handle,) in _SIGHT.returning(self._session, put)}

    def note(self, span: int, handles: Iterable[bytes]) -> int:
        """Note handles of one span, each once; how many were not noted before. Cheaper than to say which."""
        return _NOTE.change(self._session, [(self._tenant, span, handle, 1) for handle in handles])

    def count(self, rows: Sequence[tuple[int, bytes, int]]) -> dict[bytes, int]:
        """Raise the counts of (span, handle) by a number, each handle once; what they are then."""
        put = [(self._tenant, span, handle, number) for span, handle, number in rows]
        return {handle: int(n) for handle, n in _COUNT.returning(self._session, put)}

    def sweep(self, now: int, most: int) -> int:
        """Delete some of what windows left that are over (µs UTC); how many rows, 0 when none is left."""
        rows = _OVER.rows(self._session, tenant=self._tenant, now=now, most=most)
        if not rows:
            return 0
        span = rows[0][0]
        handles = [handle for at, handle in rows if at == span]
        return _FORGET.change(self._session, (self._tenant, span), handles)

    def mark(self, word: str, idxs: Sequence[int]) -> None:
        """Put a mark on entries."""
        _MARK.put(self._session, [(self._tenant, word, idx) for idx in idxs])

    def marked(self, word: str, start: int, limit: int) -> list[int]:
        """The indexes of entries with a mark, from `start` on, in order."""
        rows = _MARKED.rows(self._session, tenant=self._tenant, word=word, start=start, most=limit)
        return [int(idx) for (idx,) in rows]
