"""Tallies: how many entries of each sort there are in each hour, derived from the log, checked by it.

They make questions about months quick. Counted on by chunks, each a short transaction of its own that takes
no lock on the head: no read waits for a count. Where a question's time begins or ends within an hour, that
hour's entries themselves are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Insert, bindparam, case, delete, func, select, update
from sqlalchemy import literal_column as literal
from sqlalchemy.dialects import postgresql, sqlite

from vault.model import Word
from vault.stores.asking import LogTable, Span
from vault.stores.engine import Session
from vault.stores.hot import Row, Rows, Statement, run
from vault.stores.ledger import LedgerStore
from vault.stores.schema import entries, tallied, tallies

_E, _T = entries.c, tallies.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

HOUR: Final = 3_600_000_000
"""µs."""
CHUNK: Final = 20_000
"""Most entries counted in one transaction."""
NONE, MASKED, CLEAR = 0, 1, 2
"""The views a tally tells apart: the highest that an entry shows."""
_EVER: Final = 1 << 40
"""Hours before and after every log."""

Progress = Callable[[int, int], None]

_VIEW: Final[ColumnElement[Any]] = case(
    (_E.clear != literal("0"), literal("2")), (_E.masked != literal("0"), literal("1")), else_=literal("0")
)
_HOUR: Final[ColumnElement[Any]] = _E.t.op("/")(literal(str(HOUR)))
_OF_ENTRIES: Final[dict[str, ColumnElement[Any]]] = {
    "hour": _HOUR, "actor": _E.actor, "role": _E.role, "purpose": _E.purpose, "kind": _E.kind,
    "about": _E.about, "outcome": _E.outcome, "reason": _E.reason, "view": _VIEW,
}  # fmt: skip
PARTS: Final = tuple(_OF_ENTRIES)
"""What entries are counted by."""

_COUNTED: Final = (
    select(_E.tenant, *(column.label(name) for name, column in _OF_ENTRIES.items()), func.count().label("n"))
    .where(_E.tenant == _TENANT, _E.idx >= bindparam("start"), _E.idx < bindparam("stop"))
    .group_by(_E.tenant, *_OF_ENTRIES.values())
)


def _add(insert: Any) -> Insert:
    made = insert(tallies).from_select([column.name for column in tallies.columns], _COUNTED)
    added: Insert = made.on_conflict_do_update(
        index_elements=["tenant", *PARTS], set_={"n": _T.n + made.excluded.n}
    )
    return added


_ADD: Final = {True: Statement(_add(sqlite.insert)), False: Statement(_add(postgresql.insert))}
_BEGIN: Final = Rows(tallied, lambda insert: insert.on_conflict_do_nothing())
_UPTO: Final = select(tallied.c.upto).where(tallied.c.tenant == _TENANT)
_READ: Final = Statement(_UPTO)
_LOCK: Final = {True: _READ, False: Statement(_UPTO.with_for_update())}
_MOVE: Final = Statement(update(tallied).where(tallied.c.tenant == _TENANT).values(upto=bindparam("to")))
_DROP: Final = Statement(
    delete(tallies).where(_T.tenant == _TENANT, _T.hour >= bindparam("first"), _T.hour < bindparam("beyond"))
)
_STORED: Final = Statement(
    select(*(_T[name] for name in PARTS), _T.n).where(
        _T.tenant == _TENANT, _T.hour >= bindparam("first"), _T.hour < bindparam("beyond")
    )
)
_FOUND: Final = Statement(_COUNTED)
_AT: Final = Statement(select(_E.t).where(_E.tenant == _TENANT, _E.idx == bindparam("idx")))
_FIRST: Final = Statement(select(func.min(_E.idx)).where(_E.tenant == _TENANT))


class Which(Word):
    """What is counted; None counts all. Conditions are joined by *and*.

    Attributes:
        kind, role: Equal to the open column.
        refused: Only what did not end well; False: only what did.
        view: The highest view shown, of `NONE`, `MASKED`, `CLEAR`.
    """

    kind: str | None = None
    role: str | None = None
    refused: bool | None = None
    view: int | None = None


class Tallies:
    """One tenant's tallies."""

    def __init__(self, store: LedgerStore, tenant: str) -> None:
        self._db = store.db
        self._tenant = tenant

    def upto(self) -> int:
        """Entries before this index are counted."""
        rows = _READ.rows(self._db.session(), tenant=self._tenant)
        return int(rows[0][0]) if rows else 0

    def catch_up(self, size: int, progress: Progress | None = None) -> int:
        """Count the entries on to the log's size, a chunk a transaction; how many there were to count.

        Whoever else counts at the same time takes turns with this at the `tallied` row: none counts twice.

        Args:
            size: The log's size, as of a head that was checked.
            progress: Told after each chunk how many of how many are counted.

        Raises:
            LogUnavailable: A chunk could not be made durable; those before it are.
        """
        before = at = self.upto()
        while at < size:
            at = self._db.write(lambda session: self._count_on(session, size))
            if progress is not None:
                progress(min(at, size) - before, size - before)
        return max(0, size - before)

    def _count_on(self, session: Session, size: int) -> int:
        rows = _LOCK[session.lite].rows(session, tenant=self._tenant)
        if not rows:
            _BEGIN.put(session, [(self._tenant, 0)])
            rows = _LOCK[session.lite].rows(session, tenant=self._tenant)
        start = int(rows[0][0])
        stop = min(start + CHUNK, size)
        if start >= stop:
            return start
        _ADD[session.lite].change(session, tenant=self._tenant, start=start, stop=stop)
        _MOVE.change(session, tenant=self._tenant, to=stop)
        return stop

    def sums(
        self, by: Sequence[str], which: Which, since: int | None, until: int | None
    ) -> Counter[tuple[Any, ...]]:
        """Count entries by some of `PARTS`, from `since` on and before `until` (µs UTC).

        Whole hours come from the tallies, which were caught up before; the rest of an hour from its entries.
        """
        size = self.upto()
        first = -_EVER if since is None else -(-since // HOUR)
        last = _EVER if until is None else until // HOUR
        found: Counter[tuple[Any, ...]] = Counter()
        if first >= last:
            self._add(found, self._of_entries(by, which, since, until, size))
            return found
        self._add(found, self._of_hours(by, which, first, last))
        if since is not None and since % HOUR:
            self._add(found, self._of_entries(by, which, since, first * HOUR, size))
        if until is not None and until % HOUR:
            self._add(found, self._of_entries(by, which, last * HOUR, until, size))
        return found

    @staticmethod
    def _add(found: Counter[tuple[Any, ...]], rows: list[Row]) -> None:
        for *key, count in rows:
            found[tuple(key)] += int(count)

    def _of_hours(self, by: Sequence[str], which: Which, first: int, last: int) -> list[Row]:
        columns = [_T[name] for name in by]
        query = (
            select(*columns, func.sum(_T.n))
            .where(_T.tenant == self._tenant, _T.hour >= first, _T.hour < last)
            .where(*_conditions(which, {name: _T[name] for name in PARTS}))
        )
        return run(self._db.session(), query.group_by(*columns))

    def _of_entries(
        self, by: Sequence[str], which: Which, since: int | None, until: int | None, size: int
    ) -> list[Row]:
        session = self._db.session()
        span = LogTable(session, self._tenant).span(since, until, size)
        if span.start >= span.stop:
            return []
        columns = [_OF_ENTRIES[name] for name in by]
        query = (
            select(*columns, func.count())
            .where(_E.tenant == self._tenant, _E.idx >= span.start, _E.idx < span.stop)
            .where(*_conditions(which, _OF_ENTRIES))
        )
        return run(session, query.group_by(*columns))

    def differing(self, progress: Progress | None = None) -> int:
        """Count the hours whose tallies aren't what their entries say; 0 if all agree."""
        wrong: set[int] = set()
        size = self.upto()
        for first, beyond, span in self._stretches(size):
            session = self._db.session()
            stored = _STORED.rows(session, tenant=self._tenant, first=first, beyond=beyond)
            found = _FOUND.rows(session, tenant=self._tenant, start=span.start, stop=span.stop)
            unlike = set(stored).symmetric_difference(row[1:] for row in found)
            wrong |= {int(row[0]) for row in unlike}
            if progress is not None:
                progress(span.stop, size)
        return len(wrong)

    def rebuild(self, progress: Progress | None = None) -> int:
        """Count again all that was counted, some hours a transaction; how many entries."""
        size = self.upto()
        for first, beyond, span in self._stretches(size):
            self._db.write(partial(self._recount, first, beyond, span))
            if progress is not None:
                progress(span.stop, size)
        return size

    def _recount(self, first: int, beyond: int, span: Span, session: Session) -> None:
        """Count some hours anew; the last hour up to where it was counted on meanwhile."""
        rows = _LOCK[session.lite].rows(session, tenant=self._tenant)
        stop = span.stop if beyond < _EVER or not rows else int(rows[0][0])
        _DROP.change(session, tenant=self._tenant, first=first, beyond=beyond)
        _ADD[session.lite].change(session, tenant=self._tenant, start=span.start, stop=stop)

    def _stretches(self, size: int) -> Iterator[tuple[int, int, Span]]:
        """Whole hours of about a chunk of entries, from before the first to after the last.

        Where the log was pruned, from the first hour of which every entry is there.
        """
        session = self._db.session()
        table, start, first = LogTable(session, self._tenant), 0, -_EVER
        ((there,),) = _FIRST.rows(session, tenant=self._tenant)
        if there:  # entries before it went by rule: the hour in which it stands can't be counted any more
            first = self._hour(session, int(there), size) + 1
            start = table.index_at(first * HOUR, size)
        while True:
            at = min(start + CHUNK, size)
            beyond = self._hour(session, at, size)
            if start < size and beyond <= self._hour(
                session, start, size
            ):  # one hour holds more than a chunk
                beyond += 1
            stop = size if beyond >= _EVER else table.index_at(beyond * HOUR, size)
            if stop >= size:
                yield first, _EVER, Span(start=start, stop=size)
                return
            yield first, beyond, Span(start=start, stop=stop)
            start, first = stop, beyond

    def _hour(self, session: Session, idx: int, size: int) -> int:
        rows = _AT.rows(session, tenant=self._tenant, idx=idx) if idx < size else []
        return int(rows[0][0]) // HOUR if rows else _EVER


def _conditions(which: Which, columns: dict[str, ColumnElement[Any]]) -> list[ColumnElement[bool]]:
    equal = {"kind": which.kind, "role": which.role, "view": which.view}
    found: list[ColumnElement[bool]] = [
        columns[n] == value for n, value in equal.items() if value is not None
    ]
    if which.refused is not None:
        good = columns["outcome"] == literal("'ok'")
        found.append(~good if which.refused else good)
    return found
