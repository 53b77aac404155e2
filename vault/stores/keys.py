"""The keys store: wrapped record secrets, the latest version of each record, log secrets.

Only wrapped keys are here: what unwraps them is a shelf key, itself wrapped by an epoch's provider key
(DESIGN 5). No backup of this store outlives its epoch. Shelves and epochs are in `vault.stores.shelves`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Final

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, delete, or_, select, update
from sqlalchemy import literal_column as literal

from vault.stores.engine import Session
from vault.stores.errors import Conflict, ShelfMoved
from vault.stores.hot import Lookup, Rows, Statement
from vault.stores.rows import HeadKeyRow, SecretRow, ShelfRow, SubjectRow
from vault.stores.schema import latest, secrets, shelves, subjects
from vault.stores.shelves import ADD_SHELVES, SUBJECTS_ON, Shelves

_S, _L, _U, _H = secrets.c, latest.c, subjects.c, shelves.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_LIVE: Final[ColumnElement[str]] = literal("'live'")
_PENDING: Final[ColumnElement[str]] = literal("'pending'")

_FETCH: Final = Lookup(
    lambda keys: select(
        _L.record, _L.version, _L.subject, _L.facts_counter, _L.facts_pending,
        _S.shelf, _S.generation, _S.wrapped, _U.shelf, _U.generation, _U.wrapped,
    )
    .join_from(
        latest, secrets,
        and_(_S.tenant == _L.tenant, _S.record == _L.record, _S.version == _L.version, _S.status == _LIVE),
    )
    .join(subjects, and_(_U.tenant == _L.tenant, _U.subject == _L.subject))
    .where(_L.tenant == _TENANT, _L.record.in_(keys)),
    "tenant",
)  # fmt: skip
_RECORDS: Final = Statement(
    select(_L.record)
    .where(_L.tenant == _TENANT, _L.record > bindparam("after"))
    .order_by(_L.record)
    .limit(bindparam("limit"))
)
_EVERYBODY: Final = Statement(
    select(subjects)
    .where(_U.tenant == _TENANT, _U.subject > bindparam("after"))
    .order_by(_U.subject)
    .limit(bindparam("limit"))
)
_SUBJECTS: Final = Lookup(
    lambda keys: select(subjects).where(_U.tenant == _TENANT, _U.subject.in_(keys)), "tenant"
)
_VERSIONS: Final = Lookup(
    lambda keys: select(secrets).where(_S.tenant == _TENANT, _S.record.in_(keys)), "tenant"
)
_LATEST: Final = Lookup(
    lambda keys: select(_L.record, _L.facts_counter).where(_L.tenant == _TENANT, _L.record.in_(keys)),
    "tenant",
)

_NEWEST: Final = Lookup(
    lambda keys: select(_L.record, _L.version).where(_L.tenant == _TENANT, _L.record.in_(keys)), "tenant"
)

_PUT_SECRETS: Final = Rows(secrets)
_PUT_SUBJECTS: Final = Rows(subjects)
_CLOSE: Final = Statement(
    update(subjects).where(_U.tenant == _TENANT, _U.subject == bindparam("of")).values(closed=bindparam("at"))
)
_CLOSED: Final = Statement(
    select(subjects).where(_U.tenant == _TENANT, _U.closed <= bindparam("by")).order_by(_U.subject)
)
_FILL_SHELF: Final = Statement(
    update(shelves)
    .where(_H.tenant == _TENANT, _H.shelf == bindparam("on"), _H.generation == bindparam("wrapped_at"))
    .values(count=_H["count"] + bindparam("added"))
)
_GO_LIVE: Final = Statement(
    update(secrets)
    .where(_S.tenant == _TENANT, _S.record == bindparam("of"), _S.version == bindparam("at"))
    .values(status=_LIVE)
)
_SET_LATEST: Final = Rows(
    latest,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "record"],
        set_={c: insert.excluded[c] for c in ("subject", "version", "facts_counter", "facts_pending")},
        where=or_(
            and_(insert.excluded.version > _L.version, insert.excluded.facts_counter > _L.facts_counter),
            and_(insert.excluded.version == _L.version, insert.excluded.facts_counter >= _L.facts_counter),
        ),
    ),
)
_PEND_FACTS: Final = Statement(
    update(latest)
    .where(
        _L.tenant == _TENANT,
        _L.record == bindparam("of"),
        _L.facts_counter == bindparam("expected"),
        or_(_L.facts_pending.is_(None), _L.facts_pending < bindparam("next")),
    )
    .values(facts_pending=bindparam("next"))
)
_CONFIRM_FACTS: Final = Statement(
    update(latest)
    .where(_L.tenant == _TENANT, _L.record == bindparam("of"), _L.facts_pending == bindparam("next"))
    .values(facts_counter=bindparam("next"), facts_pending=None)
)
_SWEEP: Final = Statement(
    delete(secrets)
    .where(_S.tenant == _TENANT, _S.status == _PENDING, _S.deadline < bindparam("now"))
    .returning(_S.record, _S.version)
)
_PENDING_ALL: Final = Statement(select(secrets).where(_S.tenant == _TENANT, _S.status == _PENDING))
"""Without an ORDER BY, for which SQLite would walk the whole primary key instead of the few pending rows."""


class KeyStore(Shelves):
    """Wrapped secrets. A write goes `put_pending` → payload durable in records → `confirm` (DESIGN 4)."""

    name: ClassVar[str] = "keys"

    def put_pending(
        self,
        tenant: str,
        secrets: Sequence[SecretRow],
        subjects: Sequence[SubjectRow],
        fresh: Sequence[ShelfRow] = (),
    ) -> None:
        """Add wrapped secrets and new subjects' log secrets in one transaction, filling their shelves.

        `fresh` are shelves to open for them. Each shelf touched is locked and its generation compared, in
        the order of shelf ids.

        Raises:
            ShelfMoved: A shelf is of another generation or gone; nothing was added. Wrap again and retry.
            Conflict: A record version or a subject is there already; nothing was added.
        """
        added = Counter((row.shelf, row.generation) for row in secrets)
        added.update((row.shelf, row.generation) for row in subjects)

        def work(session: Session) -> None:
            ADD_SHELVES.put_words(session, fresh)
            for (shelf, generation), count in sorted(added.items()):
                touched = _FILL_SHELF.change(
                    session, tenant=tenant, on=shelf, wrapped_at=generation, added=count
                )
                if not touched:
                    raise ShelfMoved("a shelf was wrapped anew meanwhile", remedy="wrap again and retry")
            _PUT_SECRETS.put_words(session, secrets)
            _PUT_SUBJECTS.put_words(session, subjects)

        self.db.write(work)

    def confirm(self, tenant: str, items: Sequence[tuple[str, int, str, int]]) -> None:
        """Let record versions live whose payloads are durable, and point `latest` at them.

        Args:
            tenant: The tenant.
            items: (record, version, subject, facts counter), each record once. An older version, or the
                same version with an older counter, never replaces a newer one, so a retry is harmless.

        Raises:
            Conflict: A pending secret is gone, swept after its deadline or erased, or a record's facts were
                changed since they were read for its new version: nothing was confirmed. Write it again.
        """
        live = [(tenant, record, version) for record, version, _, _ in items]
        rows = [
            (tenant, record, subject, version, counter, None) for record, version, subject, counter in items
        ]

        def work(session: Session) -> None:
            if _GO_LIVE.many(session, "tenant of at", live) != len(live):
                raise Conflict("a pending secret is gone", remedy="write the record again")
            _SET_LATEST.put(session, rows)
            newest: dict[str, int] = dict(_NEWEST.rows(session, (tenant,), [record for record, *_ in items]))
            if any(newest[record] < version for record, version, _, _ in items):
                raise Conflict("a record's facts changed meanwhile", remedy="write the record again")

        self.db.write(work)

    def fetch(self, tenant: str, records: Sequence[str]) -> list[HeadKeyRow]:
        """Fetch what opens the latest version of the records and logs their reading, in no order.

        A record that is unknown or erased, or whose subject's log secret is gone, is left out.
        """
        return [HeadKeyRow(*row) for row in _FETCH.rows(self.db.session(), (tenant,), records)]

    def records(self, tenant: str, after: str, limit: int) -> list[str]:
        """Name the next `limit` live records after the record id `after` ("" to begin), in order."""
        rows = _RECORDS.rows(self.db.session(), tenant=tenant, after=after, limit=limit)
        return [record for (record,) in rows]

    def subjects(self, tenant: str, subjects: Sequence[str]) -> list[SubjectRow]:
        """Fetch the subjects' wrapped log secrets, in no order."""
        return [SubjectRow(*row) for row in _SUBJECTS.rows(self.db.session(), (tenant,), subjects)]

    def everybody(self, tenant: str, after: str, limit: int) -> list[SubjectRow]:
        """Fetch the next `limit` subjects' log secrets after the subject `after` ("" to begin), in order."""
        rows = _EVERYBODY.rows(self.db.session(), tenant=tenant, after=after, limit=limit)
        return [SubjectRow(*row) for row in rows]

    def close_subjects(self, tenant: str, names: Sequence[str], at: int) -> None:
        """Note when the last record of these subjects was closed for erasure; a later note stands."""
        self._note_closed(tenant, names, at)

    def reopen_subjects(self, tenant: str, names: Sequence[str]) -> None:
        """Take that note away from subjects of whom a record is there after all."""
        self._note_closed(tenant, names, None)

    def _note_closed(self, tenant: str, names: Sequence[str], at: int | None) -> None:
        if names:
            rows = [(at, tenant, subject) for subject in names]
            self.db.write(lambda session: _CLOSE.many(session, "at tenant of", rows))

    def closed_subjects(self, tenant: str, by: int) -> list[SubjectRow]:
        """Fetch the subjects closed at or before an instant (µs UTC), in order."""
        rows = _CLOSED.rows(self.db.session(), tenant=tenant, by=by)
        return [SubjectRow(*row) for row in rows]

    def subjects_on(self, tenant: str, shelf: str) -> list[SubjectRow]:
        """Fetch the subjects whose log secret stands on a shelf, in no order."""
        return [SubjectRow(*row) for row in SUBJECTS_ON.rows(self.db.session(), tenant=tenant, on=shelf)]

    def versions(self, tenant: str, records: Sequence[str]) -> list[SecretRow]:
        """Fetch the secrets of all versions of the records, pending ones too, in no order."""
        return [SecretRow(*row) for row in _VERSIONS.rows(self.db.session(), (tenant,), records)]

    def pend_facts(self, tenant: str, items: Sequence[tuple[str, int, int]]) -> set[str]:
        """Announce the next facts counter of each record, if it still stands where the caller saw it.

        Args:
            tenant: The tenant.
            items: (record, counter seen, next counter). A next counter above one that is pending already
                supersedes it, so that a writer that died can be passed.

        Returns:
            The records that moved meanwhile (another counter, another writer's announcement, or gone):
            nothing was announced for these, and the caller reads them again. Empty when all went well.
        """

        def work(session: Session) -> set[str]:
            return {
                record
                for record, expected, following in items
                if not _PEND_FACTS.change(
                    session, tenant=tenant, of=record, expected=expected, next=following
                )
            }

        return self.db.write(work)

    def confirm_facts(self, tenant: str, items: Sequence[tuple[str, int]]) -> None:
        """Let announced facts hold, now that they are durable in the records store; a retry is harmless.

        Raises:
            Conflict: Another writer superseded an announcement; nothing was confirmed.
        """
        rows = [(tenant, record, following) for record, following in items]

        def work(session: Session) -> None:
            if _CONFIRM_FACTS.many(session, "tenant of next", rows) == len(rows):
                return
            found: dict[str, int] = dict(_LATEST.rows(session, (tenant,), [record for record, _ in items]))
            if any(found.get(record) != following for record, following in items):
                raise Conflict("facts were superseded by another writer", remedy="read again and retry")

        self.db.write(work)

    def sweep_pending(self, tenant: str, now: int) -> list[tuple[str, int]]:
        """Delete secrets still pending past their deadline; the (record, version) pairs that went.

        Args:
            tenant: The tenant.
            now: µs UTC.
        """
        rows = self.db.write(lambda session: _SWEEP.rows(session, tenant=tenant, now=now))
        return sorted((record, version) for record, version in rows)

    def pending(self, tenant: str) -> list[SecretRow]:
        """Fetch all pending secrets, in order."""
        rows = [SecretRow(*row) for row in _PENDING_ALL.rows(self.db.session(), tenant=tenant)]
        return sorted(rows, key=lambda row: (row.record, row.version))
