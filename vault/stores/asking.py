"""Auditors' questions as the ledger store answers them: page by page, each on an index.

Instants become leaf indices first (`LogTable.span`): time never runs backwards in a log, so a range of time
is a range of indices, and every index but that of the tags ends in the leaf index. What is rare has an index
of its own that holds nothing else: `entries_clear`, `entries_refused`. Both engines take those only where
the statement says their condition in the same literal words.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import msgspec
from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select
from sqlalchemy import literal_column as literal

from vault.model import ENTRY_KINDS, Word
from vault.stores.engine import Session
from vault.stores.hot import Lookup, Statement, run
from vault.stores.rows import EntryRow
from vault.stores.schema import checkpoints, cosignatures, entries, lookups, marks

_E = entries.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_ENTRY: Final = [_E[name] for name in EntryRow.__struct_fields__]

PAGE: Final = 1000
"""Entries in one statement."""

REFUSED: Final = _E.outcome != literal("'ok'")
CLEAR: Final = _E.clear != literal("0")

_SINCE: Final = Statement(
    select(_E.idx)
    .where(_E.tenant == _TENANT, _E.t >= bindparam("since"))
    .order_by(_E.t, _E.idx)
    .limit(bindparam("one"))
)
_CLEAR_VIEWS: Final = Statement(
    select(_E.clear, func.count())
    .where(
        _E.tenant == _TENANT,
        CLEAR,
        _E.about == bindparam("kind"),
        _E.idx >= bindparam("start"),
        _E.idx < bindparam("stop"),
    )
    .group_by(_E.clear)
)
_LOOKED_UP: Final = Lookup(
    lambda keys: select(lookups.c.handle, lookups.c.day).where(
        lookups.c.tenant == _TENANT, lookups.c.field == bindparam("what"), lookups.c.digest.in_(keys)
    ),
    "tenant what",
)
_CHECKPOINT: Final = Statement(
    select(checkpoints.c.note)
    .where(checkpoints.c.tenant == _TENANT, checkpoints.c.size >= bindparam("least"))
    .order_by(checkpoints.c.size)
    .limit(bindparam("one"))
)
_COSIGNED: Final = Statement(
    select(cosignatures.c.witness, cosignatures.c.size, cosignatures.c.t)
    .where(cosignatures.c.tenant == _TENANT, cosignatures.c.size >= bindparam("least"))
    .order_by(cosignatures.c.size, cosignatures.c.witness)
)
_MARKED: Final = Statement(
    select(func.count())
    .select_from(marks)
    .where(
        marks.c.tenant == _TENANT,
        marks.c.mark == bindparam("word"),
        marks.c.idx >= bindparam("start"),
        marks.c.idx < bindparam("stop"),
    )
)


class Witnessed(Word):
    """The first checkpoint that covers so many entries and that a witness cosigned; `t` is µs UTC."""

    witness: str
    size: int
    t: int


class Span(Word):
    """Leaf indices from `start` on and before `stop`."""

    start: int
    stop: int


class Asked(Word):
    """What is asked of the entries of a span; None asks nothing. Conditions are joined by *and*.

    Attributes:
        actor, role, purpose, kind, about, outcome, reason: Equal to the open column.
        token: How the token's digest begins, in hex.
        view: `clear`: CLEAR was shown; `masked`: no more than MASKED was. With `bits`: of those fields.
        bits: A field bitmap: any of these fields was shown, at `view` if given.
        refused: Only what did not end well.
        mark: Entries that carry this mark.
        newest_first: Descending.
    """

    actor: str | None = None
    role: str | None = None
    purpose: str | None = None
    kind: str | None = None
    about: str | None = None
    outcome: str | None = None
    reason: str | None = None
    token: str | None = None
    view: str | None = None
    bits: int | None = None
    refused: bool = False
    mark: str | None = None
    newest_first: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether only refusals and failures can answer."""
        return self.refused or self.outcome not in {None, "ok"}


_RARE_FIRST: Final = ("actor", "kind", "purpose", "role")
"""The conditions that have an index, the one that leaves least first; reads are most of a log."""
_MAY_EXPLAIN: Final = tuple(kind for kind in ENTRY_KINDS if kind != "read")
"""Kinds whose entries may say a reason though all went well, such as a break-glass alarm's."""


class LogTable:
    """One tenant's entries, through one session, without the head's lock."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def index_at(self, t: int, size: int) -> int:
        """Give the index of the first entry at or after an instant (µs UTC), `size` if there is none."""
        rows = _SINCE.rows(self._session, tenant=self._tenant, since=t, one=1)
        return min(int(rows[0][0]), size) if rows else size

    def span(self, since: int | None, until: int | None, size: int) -> Span:
        """Turn instants (µs UTC; from `since` on, before `until`) into leaf indices of a log of this size."""
        start = 0 if since is None else self.index_at(since, size)
        return Span(start=start, stop=size if until is None else self.index_at(until, size))

    def walk(self, asked: Asked, span: Span, page: int = PAGE) -> Iterator[EntryRow]:
        """Give the entries that match, in order, a page of them in memory for each index that is walked."""
        streams = [self._stream(part, span, page) for part in self._parts(asked)]
        if len(streams) == 1:
            return streams[0]
        return heapq.merge(*streams, key=lambda row: row.idx, reverse=asked.newest_first)

    def clear_views(self, about: str, span: Span) -> dict[int, int]:
        """Count the entries that showed a kind in CLEAR, by the bitmap of the fields."""
        rows = _CLEAR_VIEWS.rows(
            self._session, tenant=self._tenant, kind=about, start=span.start, stop=span.stop
        )
        return {int(clear): int(count) for clear, count in rows}

    def shown_clear(self) -> list[str]:
        """Give the kinds of which something was ever shown in CLEAR."""
        return self._values(_E.about, CLEAR)

    def looked_up(self, field: str, digests: list[bytes]) -> set[tuple[bytes, str]]:
        """Find who looked a value up and on which day: principals' handles, and ISO dates.

        Args:
            field: As `kind.field`.
            digests: The value's digest for each day that is asked about.
        """
        return {
            (bytes(handle), day)
            for handle, day in _LOOKED_UP.rows(self._session, (self._tenant, field), digests)
        }

    def checkpoint_of(self, least: int) -> str | None:
        """Give the stored checkpoint that covers so many entries with the fewest more, or None."""
        rows = _CHECKPOINT.rows(self._session, tenant=self._tenant, least=least, one=1)
        return str(rows[0][0]) if rows else None

    def witnessed(self, least: int) -> list[Witnessed]:
        """Give each witness's first cosignature that covers so many entries."""
        found: dict[str, Witnessed] = {}
        for witness, size, t in _COSIGNED.rows(self._session, tenant=self._tenant, least=least):
            found.setdefault(witness, Witnessed(witness=witness, size=int(size), t=int(t)))
        return list(found.values())

    def marked(self, mark: str, span: Span) -> int:
        """Count the entries of a span that carry a mark."""
        ((count,),) = _MARKED.rows(
            self._session, tenant=self._tenant, word=mark, start=span.start, stop=span.stop
        )
        return int(count)

    def _parts(self, asked: Asked) -> list[Asked]:
        """Questions whose answers together are this one's, so that each has a fixed place in its index."""
        if asked.mark is not None:
            return [asked]
        if asked.is_refused and asked.reason is None:
            reasons = self._values(_E.reason, REFUSED)
            return [msgspec.structs.replace(asked, reason=reason) for reason in reasons]
        if asked.reason is not None and not asked.is_refused:
            refused = [] if asked.outcome else [msgspec.structs.replace(asked, refused=True)]
            kinds = [kind for kind in _MAY_EXPLAIN if asked.kind in {None, kind}]
            return refused + [msgspec.structs.replace(asked, outcome="ok", kind=kind) for kind in kinds]
        if asked.view == "clear" and asked.about is None:
            return [msgspec.structs.replace(asked, about=about) for about in self.shown_clear()]
        return [asked]

    def _values(self, column: ColumnElement[Any], rare: ColumnElement[bool]) -> list[str]:
        """Find the different values of the column behind the tenant in a partial index, a probe for each."""
        found: list[str] = []
        while True:
            beyond = column > found[-1] if found else column >= literal("''")
            query = select(column).where(_E.tenant == self._tenant, rare, beyond).order_by(column).limit(1)
            rows = run(self._session, query)
            if not rows:
                return found
            found.append(rows[0][0])

    def _stream(self, asked: Asked, span: Span, page: int) -> Iterator[EntryRow]:
        start, stop = span.start, span.stop
        while start < stop:
            rows = run(self._session, statement(self._tenant, asked, start, stop, page, self._session.lite))
            yield from (EntryRow(*row) for row in rows)
            if len(rows) < page:
                return
            last = int(rows[-1][1])
            start, stop = (start, last) if asked.newest_first else (last + 1, stop)


def statement(
    tenant: str,
    asked: Asked,
    start: int,
    stop: int,
    limit: int,
    lite: bool,  # noqa: FBT001 - see above
) -> Select[Any]:
    """Make the statement for a page of a question.

    SQLite has no statistics here and takes any index that fits, so it is left no more than the best one; the
    conditions on the others are written as expressions. PostgreSQL knows better by itself.
    """
    where, hidden = _indexed(asked)
    if lite:
        where += [_E[name].concat("") == value for name, value in hidden]
    else:
        where += [_E[name] == value for name, value in hidden]
    where += _others(asked)
    source: Any = entries
    key: ColumnElement[int] = _E.idx
    if asked.mark is not None:
        source = marks.join(entries, (_E.tenant == marks.c.tenant) & (_E.idx == marks.c.idx))
        key = marks.c.idx
        where += [marks.c.tenant == tenant, marks.c.mark == asked.mark]
    else:
        where.append(_E.tenant == tenant)
    where += [key >= start, key < stop]
    order = key.desc() if asked.newest_first else key
    return select(*_ENTRY).select_from(source).where(*where).order_by(order).limit(limit)


def _indexed(asked: Asked) -> tuple[list[ColumnElement[bool]], list[tuple[str, str]]]:
    """The conditions on the best index, and those that have one which is not to be used."""
    given = [(name, getattr(asked, name)) for name in _RARE_FIRST if getattr(asked, name) is not None]
    if asked.mark is not None:
        return [], given
    if asked.is_refused:
        return [REFUSED, _E.reason == asked.reason], given
    if asked.view == "clear" and asked.about is not None:
        return [CLEAR, _E.about == asked.about], given
    best = [pair for pair in given if pair != ("kind", "read")][:1] or given[:1]
    return [_E[name] == value for name, value in best], [pair for pair in given if pair not in best]


def _others(asked: Asked) -> list[ColumnElement[bool]]:
    """The other conditions; one that `_indexed` gave already may come again, which changes nothing."""
    equal = ("outcome", "reason", "about")
    found = [_E[name] == value for name in equal if (value := getattr(asked, name)) is not None]
    if asked.token:
        found += [_E.token >= asked.token, _E.token < asked.token + "g"]
    if asked.refused:
        found.append(REFUSED)
    return found + _views(asked)


def _views(asked: Asked) -> list[ColumnElement[bool]]:
    bits = asked.bits
    if asked.view == "clear":
        return [CLEAR] if bits is None else [_E.clear.bitwise_and(bits) != literal("0")]
    if asked.view == "masked":
        shown = _E.masked if bits is None else _E.masked.bitwise_and(bits)
        return [shown != literal("0"), *([_E.clear == literal("0")] if bits is None else [])]
    return [] if bits is None else [_E.masked.bitwise_or(_E.clear).bitwise_and(bits) != literal("0")]


def first(rows: Iterator[EntryRow], limit: int | None) -> Iterator[EntryRow]:
    """The first so many rows, or all for None."""
    return rows if limit is None else islice(rows, limit)
