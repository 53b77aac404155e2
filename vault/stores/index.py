"""The index store: keyed digests and open attributes, all derived from records that still open (DESIGN 4).

Every indexed record has a marker, an attribute without name and value, so that a kind can be listed and
counted whatever attributes its records have.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import msgspec
from filelock import FileLock, Timeout
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.sql.expression import FromClause

from vault.errors import Invalid, Unavailable
from vault.stores.engine import Session
from vault.stores.hot import Lookup, Rows, Statement, run
from vault.stores.rows import AttributeRow, BlindRow
from vault.stores.schema import attributes, blind, turns
from vault.stores.store import Store

_B, _A = blind.c, attributes.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_MARKER: Final = ""
TURN_PATIENCE: Final = 15.0
"""Seconds a writer waits for its turn."""

OPERATORS: Final[dict[str, Callable[[ColumnElement[str], Any], ColumnElement[bool]]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "in": lambda column, value: column.in_(list(value)),
}
"""What `select` can ask of an attribute. Values compare as text: store numbers so that they sort as text."""

_PUT_BLIND: Final = Rows(blind)
_PUT_ATTRIBUTES: Final = Rows(attributes)
_DROP_BLIND: Final = Lookup(
    lambda keys: delete(blind).where(_B.tenant == _TENANT, _B.record.in_(keys)), "tenant"
)
_DROP_ATTRIBUTES: Final = Lookup(
    lambda keys: delete(attributes).where(_A.tenant == _TENANT, _A.record.in_(keys)), "tenant"
)
_FIND: Final = Lookup(
    lambda keys: select(_B.digest, _B.record).where(
        _B.tenant == _TENANT,
        _B.kind == bindparam("kind"),
        _B.field == bindparam("field"),
        _B.digest.in_(keys),
    ),
    "tenant kind field",
)
_ATTRIBUTES: Final = Lookup(
    lambda keys: select(_A.record, _A.name, _A.value).where(_A.tenant == _TENANT, _A.record.in_(keys)),
    "tenant",
)
_TWIN: Final = blind.alias("twin").c
_DOUBLES: Final = Statement(
    select(_B.digest, _B.record).where(
        _B.tenant == _TENANT, _B.kind == bindparam("kind"), _B.field == bindparam("field"),
        exists().where(
            _TWIN.tenant == _B.tenant, _TWIN.kind == _B.kind, _TWIN.field == _B.field,
            _TWIN.digest == _B.digest, _TWIN.record != _B.record,
        ),
    )
)  # fmt: skip
_COUNT: Final = Statement(
    select(func.count()).select_from(attributes).where(_A.tenant == _TENANT, _A.name == _MARKER)
)
_ANY: Final = Statement(
    select(_A.record).where(_A.tenant == _TENANT, _A.kind == bindparam("kind"), _A.name == _MARKER).limit(1)
)
_COUNT_KIND: Final = Statement(
    select(func.count())
    .select_from(attributes)
    .where(_A.tenant == _TENANT, _A.name == _MARKER, _A.kind == bindparam("kind"))
)
_CLEAR_BLIND: Final = Statement(delete(blind).where(_B.tenant == _TENANT))
_CLEAR_ATTRIBUTES: Final = Statement(delete(attributes).where(_A.tenant == _TENANT))

Where = tuple[str, str, Any]
Page = tuple[list[tuple[str, dict[str, str]]], str | None]


_TURN: Final = Rows(turns, lambda insert: insert.on_conflict_do_nothing())
_TAKE_TURN: Final = Statement(select(turns.c.tenant).where(turns.c.tenant == _TENANT).with_for_update())


class IndexStore(Store):
    """Blind-index rows and open attributes."""

    name: ClassVar[str] = "index"
    patience: float = TURN_PATIENCE

    @contextmanager
    def turn(self, tenant: str) -> Iterator[None]:
        """Let one writer at a time look for what is there and store what isn't, on every node.

        Two imports of one person that look at the same moment would both find nobody. The turn ends with
        its process: on SQLite it is a lock on a file beside the database, on PostgreSQL a locked row.

        Raises:
            Unavailable: Others kept the turn for longer than `patience` seconds (`busy`).
        """
        if self.db.file is None:
            with self._row_turn(tenant):
                yield
            return
        lock = FileLock(
            f"{self.db.file}.{tenant}.turn", timeout=self.patience, mode=0o600, poll_interval=0.01
        )
        try:
            lock.acquire()
        except Timeout:
            raise _busy() from None
        except (OSError, NotImplementedError) as error:
            what = f"the writers' lock cannot be had ({type(error).__name__})"
            raise Unavailable(what, remedy="the store's folder must be writable and able to lock") from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _row_turn(self, tenant: str) -> Iterator[None]:
        self.db.write(lambda session: _TURN.put(session, [(tenant,)]))
        held = self.db.connect()  # a session of its own: the writer's own statements go on beside it
        try:
            held.begin()
            held.change(f"SET LOCAL lock_timeout = {int(self.patience * 1000)}")
            try:
                _TAKE_TURN.rows(held, tenant=tenant)
            except Unavailable:
                raise _busy() from None
            yield
        finally:
            held.rollback()
            held.close()

    def put(
        self,
        tenant: str,
        replaced: Sequence[str],
        blind: Sequence[BlindRow],
        attributes: Sequence[AttributeRow],
    ) -> None:
        """Index records in one transaction: delete the rows of those replaced, then add the new rows.

        A record with no row at all can be made listable by an attribute of empty name and value.

        Raises:
            Conflict: A record not named in `replaced` is indexed already; nothing was changed.
        """
        values = [(r.tenant, r.kind, r.name, r.value, r.record) for r in attributes if r.name]
        marked = {(r.tenant, r.kind, _MARKER, "", r.record) for r in attributes}
        marked |= {(r.tenant, r.kind, _MARKER, "", r.record) for r in blind}

        ordered = sorted(blind, key=_key_order)

        def work(session: Session) -> None:
            _DROP_BLIND.change(session, (tenant,), replaced)
            _DROP_ATTRIBUTES.change(session, (tenant,), replaced)
            _PUT_BLIND.put_words(session, ordered)
            _PUT_ATTRIBUTES.put(session, [*sorted(marked), *values])

        self.db.write(work)

    def find(self, tenant: str, kind: str, field: str, digest: bytes) -> list[str]:
        """Name the records of a kind whose field has this keyed digest, in order."""
        rows = _FIND.rows(self.db.session(), (tenant, kind, field), (digest,))
        return sorted(record for _, record in rows)

    def find_many(
        self, tenant: str, kind: str, field: str, digests: Sequence[bytes]
    ) -> dict[bytes, list[str]]:
        """Name the records by digest; a digest that no record has is left out."""
        found: defaultdict[bytes, list[str]] = defaultdict(list)
        for digest, record in sorted(set(_FIND.rows(self.db.session(), (tenant, kind, field), digests))):
            found[digest].append(record)
        return dict(found)

    def doubles(self, tenant: str, kind: str, field: str) -> list[list[str]]:
        """Group the records of a kind that share a digest of a field, where more than one does; in order."""
        found: defaultdict[bytes, list[str]] = defaultdict(list)
        for digest, record in _DOUBLES.rows(self.db.session(), tenant=tenant, kind=kind, field=field):
            found[digest].append(record)
        return sorted(sorted(records) for records in found.values())

    def select(
        self,
        tenant: str,
        kind: str,
        where: Sequence[Where],
        sort: str | None,
        cursor: str | None,
        limit: int,
    ) -> Page:
        """List records of a kind with their open attributes, a page at a time.

        Args:
            tenant: The tenant.
            kind: The record kind.
            where: (attribute, operator, value), joined by *and*; `OPERATORS` names the operators. A record
                without the attribute doesn't match.
            sort: An attribute, `-` before it to descend; records without it come last. Ties and None: by id.
            cursor: What the page before returned, or None to begin.
            limit: At most so many records.

        Returns:
            The page, and the cursor of the next one or None. The cursor holds open attributes only.

        Raises:
            Invalid: An operator or the cursor is malformed.
        """
        session = self.db.session()
        phase, value, record = _opened(cursor)
        found: list[tuple[int, str, str]] = []
        if sort and phase == 0:
            query = _sorted(tenant, kind, sort, (value, record) if cursor else None)
            rows = run(session, _matching(query, tenant, where).limit(limit + 1))
            found += [(0, row[0], row[1]) for row in rows]
            value = record = ""
        if len(found) <= limit:
            query = _by_id(tenant, kind, (sort or "").lstrip("-"), record)
            rows = run(session, _matching(query, tenant, where).limit(limit + 1 - len(found)))
            found += [(1, row[0], row[1]) for row in rows]
        page = found[:limit]
        following = _sealed(page[-1]) if len(found) > limit and page else None
        return self._with_attributes(session, tenant, [name for _, _, name in page]), following

    def delete(self, tenant: str, records: Sequence[str]) -> None:
        """Delete all rows of the records in one transaction."""
        self.put(tenant, records, [], [])

    def count(self, tenant: str, kind: str | None = None) -> int:
        """Count the indexed records, or those of a kind."""
        session = self.db.session()
        if kind is None:
            return int(_COUNT.rows(session, tenant=tenant)[0][0])
        return int(_COUNT_KIND.rows(session, tenant=tenant, kind=kind)[0][0])

    def holds(self, tenant: str, kind: str) -> bool:
        """Whether any record of a kind is indexed."""
        return bool(_ANY.rows(self.db.session(), tenant=tenant, kind=kind))

    def clear(self, tenant: str) -> None:
        """Delete all rows of the tenant, to rebuild them from records that still open."""

        def work(session: Session) -> None:
            _CLEAR_BLIND.change(session, tenant=tenant)
            _CLEAR_ATTRIBUTES.change(session, tenant=tenant)

        self.db.write(work)

    @staticmethod
    def _with_attributes(
        session: Session, tenant: str, records: Sequence[str]
    ) -> list[tuple[str, dict[str, str]]]:
        found: dict[str, dict[str, str]] = {record: {} for record in records}
        for record, name, value in _ATTRIBUTES.rows(session, (tenant,), records):
            if name != _MARKER:
                found[record][name] = value
        return list(found.items())


def _key_order(row: BlindRow) -> tuple[str, str, bytes]:
    """Digests are random: put in the order of their index, two on one page are written at once."""
    return row.kind, row.field, row.digest


def _busy() -> Unavailable:
    return Unavailable("another writer is at work", code="busy", remedy="retry when it has ended")


def _sorted(tenant: str, kind: str, sort: str, after: tuple[str, str] | None) -> Select[Any]:
    """Make the query of records that have the sorting attribute, after (value, record), on its index."""
    a = attributes.alias("driving").c
    query = select(a.value, a.record).where(a.tenant == tenant, a.kind == kind, a.name == sort.lstrip("-"))
    falling = sort.startswith("-")
    if after is not None:
        value, record = after
        beyond = a.value < value if falling else a.value > value
        past = a.record < record if falling else a.record > record
        query = query.where(or_(beyond, and_(a.value == value, past)))
    return query.order_by(a.value.desc(), a.record.desc()) if falling else query.order_by(a.value, a.record)


def _by_id(tenant: str, kind: str, without: str, after: str) -> Select[Any]:
    """Make the query of records by id after `after`, of those that lack the attribute `without` if named."""
    driving = attributes.alias("driving")
    a = driving.c
    query = select(a.value, a.record).where(
        a.tenant == tenant, a.kind == kind, a.name == _MARKER, a.value == "", a.record > after
    )
    if without:
        query = query.where(~_has(driving, tenant, without))
    return query.order_by(a.record)


def _matching(query: Select[Any], tenant: str, where: Sequence[Where]) -> Select[Any]:
    (driving,) = query.get_final_froms()
    for name, operator, value in where:
        if operator not in OPERATORS:
            raise Invalid("unknown operator", field=name, remedy=f"use one of {' '.join(OPERATORS)}")
        query = query.where(_has(driving, tenant, name, operator, value))
    return query


def _has(
    driving: FromClause, tenant: str, name: str, operator: str | None = None, value: object = None
) -> ColumnElement[bool]:
    """Ask whether the driving row's record has the attribute, with a matching value if asked."""
    other = attributes.alias().c
    mine = [other.tenant == tenant, other.record == driving.c.record, other.name == name]
    if operator is not None:
        mine.append(OPERATORS[operator](other.value, value))
    return exists().where(*mine)


def _sealed(last: tuple[int, str, str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()


def _opened(cursor: str | None) -> tuple[int, str, str]:
    if cursor is None:
        return (0, "", "")
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[int, str, str])
    except ValueError:  # binascii.Error and msgspec.DecodeError are both
        raise Invalid("the cursor is malformed", field="cursor", remedy="begin without one") from None
