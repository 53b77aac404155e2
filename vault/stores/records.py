"""The records store: sealed payloads and authenticated facts; ciphertext that may be backed up anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from sqlalchemy import BindParameter, Column, ColumnElement, and_, bindparam, delete, func, select

from vault.stores.engine import Session
from vault.stores.hot import Lookup, Rows, Statement
from vault.stores.rows import FactsRow, PayloadRow
from vault.stores.schema import facts, payloads
from vault.stores.store import Store

_P, _F = payloads.c, facts.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

_PUT_PAYLOADS: Final = Rows(payloads)
_PUT_NEW_FACTS: Final = Rows(facts)
_PUT_FACTS: Final = Rows(
    facts,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "record", "counter"],
        set_={name: insert.excluded[name] for name in ("subject", "kind", "body", "mac")},
    ),
)
_FACTS: Final = Lookup(lambda keys: select(facts).where(_F.tenant == _TENANT, _F.record.in_(keys)), "tenant")
_DROP_FACTS: Final = Statement(
    delete(facts).where(
        _F.tenant == _TENANT, _F.record == bindparam("record"), _F.counter < bindparam("counter")
    )
)
_DELETE_FACTS: Final = Lookup(
    lambda keys: delete(facts).where(_F.tenant == _TENANT, _F.record.in_(keys)), "tenant"
)
_DELETE_PAYLOADS: Final = Lookup(
    lambda keys: delete(payloads).where(_P.tenant == _TENANT, _P.record.in_(keys)), "tenant"
)


def _fetch(width: int) -> Lookup:
    """Make the lookup of payloads for `width` compartments."""
    names = [f"compartment_{n}" for n in range(width)]
    wanted: list[BindParameter[str]] = [bindparam(name) for name in names]
    return Lookup(
        lambda keys: select(payloads).where(
            _P.tenant == _TENANT, _P.compartment.in_(wanted), _P.record.in_(keys)
        ),
        " ".join(("tenant", *names)),
    )


_FETCH: Final = {width: _fetch(width) for width in (1, 2, 4, 8)}


def _page(column: Column[str]) -> ColumnElement[bool]:
    """Choose the rows of the next `limit` records after `after`; a record's rows stay together."""
    table = column.table
    keys = (
        select(table.c.record)
        .where(table.c.tenant == _TENANT, table.c.record > bindparam("after"))
        .distinct()
        .order_by(table.c.record)
        .limit(bindparam("limit"))
    )
    return and_(table.c.tenant == _TENANT, column.in_(keys))


_SCAN_FACTS: Final = Statement(select(facts).where(_page(_F.record)).order_by(_F.record, _F.counter))
_SCAN_PAYLOADS: Final = Statement(
    select(payloads).where(_page(_P.record)).order_by(_P.record, _P.version, _P.compartment)
)
_DELETE_VERSIONS: Final = Statement(
    delete(payloads).where(_P.tenant == _TENANT, _P.record == bindparam("of"), _P.version == bindparam("at"))
)
_OF_SUBJECT: Final = Statement(
    select(_F.record)
    .where(_F.tenant == _TENANT, _F.subject == bindparam("subject"))
    .distinct()
    .order_by(_F.record)
)
_COUNT: Final = Statement(select(func.count(_F.record.distinct())).where(_F.tenant == _TENANT))
_COUNT_KIND: Final = Statement(
    select(func.count(_F.record.distinct())).where(_F.tenant == _TENANT, _F.kind == bindparam("kind"))
)


class RecordStore(Store):
    """Sealed payloads and facts. Every record has facts, from its first version until it is deleted."""

    name: ClassVar[str] = "records"

    def insert(self, payloads: Sequence[PayloadRow], facts: Sequence[FactsRow]) -> None:
        """Add payloads and facts in one transaction.

        Raises:
            Conflict: One of them is there already; nothing was added.
        """

        def work(session: Session) -> None:
            _PUT_PAYLOADS.put_words(session, payloads)
            _PUT_NEW_FACTS.put_words(session, facts)

        self.db.write(work)

    def fetch(self, tenant: str, records: Sequence[str], compartments: Sequence[str]) -> list[PayloadRow]:
        """Fetch the named compartments of all versions of the records, in no order."""
        if not compartments:
            return []
        width = 1 << (len(compartments) - 1).bit_length()
        head = (tenant, *compartments, *[compartments[-1]] * (width - len(compartments)))
        return [PayloadRow(*row) for row in _FETCH[width].rows(self.db.session(), head, records)]

    def put_facts(self, rows: Sequence[FactsRow]) -> None:
        """Add facts, or write the same counter's anew; they hold once `keys` names their counter."""
        values = [(r.tenant, r.record, r.counter, r.subject, r.kind, r.body, r.mac) for r in rows]
        self.db.write(lambda session: _PUT_FACTS.put(session, values))

    def facts(self, tenant: str, records: Sequence[str]) -> list[FactsRow]:
        """Fetch all facts of the records, every counter's, in no order."""
        return [FactsRow(*row) for row in _FACTS.rows(self.db.session(), (tenant,), records)]

    def drop_facts(self, tenant: str, below: Sequence[tuple[str, int]]) -> None:
        """Delete the facts of each record whose counter is below the one given."""
        rows = [(tenant, record, counter) for record, counter in below]
        self.db.write(lambda session: _DROP_FACTS.many(session, "tenant record counter", rows))

    def scan_facts(self, tenant: str, after: str, limit: int) -> list[FactsRow]:
        """Fetch the facts of the next `limit` records after the record id `after` ("" to begin), in order."""
        rows = _SCAN_FACTS.rows(self.db.session(), tenant=tenant, after=after, limit=limit)
        return [FactsRow(*row) for row in rows]

    def scan_payloads(self, tenant: str, after: str, limit: int) -> list[PayloadRow]:
        """Fetch all payloads of the next `limit` records after the record id `after`, in order."""
        rows = _SCAN_PAYLOADS.rows(self.db.session(), tenant=tenant, after=after, limit=limit)
        return [PayloadRow(*row) for row in rows]

    def of_subject(self, tenant: str, subject: str) -> list[str]:
        """Name the subject's records, in order."""
        rows = _OF_SUBJECT.rows(self.db.session(), tenant=tenant, subject=subject)
        return [record for (record,) in rows]

    def delete(self, tenant: str, records: Sequence[str]) -> int:
        """Delete payloads and facts of the records in one transaction; how many payload rows went."""

        def work(session: Session) -> int:
            _DELETE_FACTS.change(session, (tenant,), records)
            return _DELETE_PAYLOADS.change(session, (tenant,), records)

        return self.db.write(work)

    def delete_versions(self, tenant: str, versions: Sequence[tuple[str, int]]) -> None:
        """Delete the payloads of (record, version) pairs, in one transaction; the records' facts stay."""
        rows = [(tenant, record, version) for record, version in versions]
        self.db.write(lambda session: _DELETE_VERSIONS.many(session, "tenant of at", rows))

    def count(self, tenant: str, kind: str | None = None) -> int:
        """Count the records, or those of a kind."""
        session = self.db.session()
        if kind is None:
            return int(_COUNT.rows(session, tenant=tenant)[0][0])
        return int(_COUNT_KIND.rows(session, tenant=tenant, kind=kind)[0][0])
