"""Shelves and epochs: the part of the keys store that erases (DESIGN 5).

A secret is erased by deleting its row and wrapping the shelf's survivors under a new shelf key, so that a
remnant of the old row cannot be unwrapped. Every change of a shelf locks its row and compares its
generation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeAlias

from sqlalchemy import BindParameter, bindparam, delete, select, update

from vault.errors import Invalid
from vault.stores.engine import Session
from vault.stores.errors import ShelfMoved
from vault.stores.hot import Lookup, Rows, Statement
from vault.stores.rows import EpochRow, SecretRow, ShelfRow, SubjectRow
from vault.stores.schema import epochs, generations, latest, secrets, shelves, subjects
from vault.stores.store import Store

SecretRewrapper: TypeAlias = Callable[[ShelfRow, list[SecretRow]], tuple[ShelfRow, list[SecretRow]]]
"""Given a shelf and its surviving secrets, gives the shelf under a new key and generation, and them on it."""

SubjectRewrapper: TypeAlias = Callable[[ShelfRow, list[SubjectRow]], tuple[ShelfRow, list[SubjectRow]]]
"""The same for the log secrets of a log shelf."""

_H, _S, _U, _L = shelves.c, secrets.c, subjects.c, latest.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_ON: Final[BindParameter[str]] = bindparam("on")

_FIND: Final = Statement(
    select(shelves)
    .where(
        _H.tenant == _TENANT,
        _H.purpose == bindparam("purpose"),
        _H.due == bindparam("due"),
        _H["count"] <= bindparam("most"),
    )
    .order_by(_H["count"].desc())
    .limit(bindparam("one"))
)
ADD_SHELVES: Final = Rows(shelves)
_SHELF: Final = Statement(select(shelves).where(_H.tenant == _TENANT, _H.shelf == _ON))
_LOCK: Final = Statement(select(shelves).where(_H.tenant == _TENANT, _H.shelf == _ON).with_for_update())
_ALL: Final = Statement(select(shelves).where(_H.tenant == _TENANT).order_by(_H.shelf))
_BEHIND: Final = Statement(
    select(shelves).where(_H.tenant == _TENANT, _H.epoch != bindparam("current")).order_by(_H.shelf)
)
_OF_RECORDS: Final = Lookup(
    lambda keys: select(_S.shelf, _S.record).where(_S.tenant == _TENANT, _S.record.in_(keys)), "tenant"
)
_MOVE: Final = Statement(
    update(shelves)
    .where(_H.tenant == _TENANT, _H.shelf == _ON, _H.generation == bindparam("wrapped_at"))
    .values(epoch=bindparam("to"), wrapped=bindparam("new"))
)
_RENEW: Final = Statement(
    update(shelves)
    .where(_H.tenant == _TENANT, _H.shelf == _ON)
    .values(
        generation=bindparam("new_generation"),
        epoch=bindparam("to"),
        count=bindparam("left"),
        wrapped=bindparam("new"),
    )
)
_DROP: Final = Statement(delete(shelves).where(_H.tenant == _TENANT, _H.shelf == _ON))

_SECRETS_ON: Final = Statement(
    select(secrets).where(_S.tenant == _TENANT, _S.shelf == _ON).order_by(_S.record, _S.version)
)
_DROP_SECRET: Final = Statement(
    delete(secrets).where(_S.tenant == _TENANT, _S.record == bindparam("of"), _S.version == bindparam("at"))
)
_WRAP_SECRET: Final = Statement(
    update(secrets)
    .where(_S.tenant == _TENANT, _S.record == bindparam("of"), _S.version == bindparam("at"))
    .values(generation=bindparam("new_generation"), wrapped=bindparam("new"))
)
_DROP_LATEST: Final = Lookup(
    lambda keys: delete(latest).where(_L.tenant == _TENANT, _L.record.in_(keys)), "tenant"
)
_LATEST: Final = Lookup(
    lambda keys: select(_L.record, _L.version).where(_L.tenant == _TENANT, _L.record.in_(keys)), "tenant"
)
SUBJECTS_ON: Final = Statement(
    select(subjects).where(_U.tenant == _TENANT, _U.shelf == _ON).order_by(_U.subject)
)
_DROP_SUBJECT: Final = Lookup(
    lambda keys: delete(subjects).where(_U.tenant == _TENANT, _U.subject.in_(keys)), "tenant"
)
_WRAP_SUBJECT: Final = Statement(
    update(subjects)
    .where(_U.tenant == _TENANT, _U.subject == bindparam("of"))
    .values(generation=bindparam("new_generation"), wrapped=bindparam("new"))
)

_EPOCHS: Final = Statement(select(epochs).where(epochs.c.tenant == _TENANT).order_by(epochs.c.epoch))
_ADD_EPOCH: Final = Rows(epochs)
_UPDATE_EPOCH: Final = Statement(
    update(epochs)
    .where(epochs.c.tenant == _TENANT, epochs.c.epoch == bindparam("number"))
    .values(
        retired=bindparam("new_retired"),
        destroy_after=bindparam("new_destroy_after"),
        destroyed=bindparam("new_destroyed"),
    )
)
_GENERATION: Final = Statement(select(generations.c.generation).where(generations.c.tenant == _TENANT))
_RAISE: Final = Rows(
    generations,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant"],
        set_={"generation": insert.excluded.generation},
        where=generations.c.generation < insert.excluded.generation,
    ),
)


class Shelves(Store):
    """Shelves, epochs and the store's generation number."""

    def find_shelf(
        self, tenant: str, purpose: str, due: str, room: int, capacity: int = 256
    ) -> ShelfRow | None:
        """Find the fullest shelf of the purpose and due month that takes `room` more secrets, or None."""
        rows = _FIND.rows(
            self.db.session(), tenant=tenant, purpose=purpose, due=due, most=capacity - room, one=1
        )
        return ShelfRow(*rows[0]) if rows else None

    def add_shelf(self, row: ShelfRow) -> None:
        """Add a shelf.

        Raises:
            Conflict: There is one of this id.
        """
        self.db.write(lambda session: ADD_SHELVES.put_words(session, [row]))

    def shelf(self, tenant: str, shelf: str) -> ShelfRow | None:
        """Fetch one shelf, or None."""
        rows = _SHELF.rows(self.db.session(), tenant=tenant, on=shelf)
        return ShelfRow(*rows[0]) if rows else None

    def shelves(self, tenant: str, not_epoch: int | None = None) -> list[ShelfRow]:
        """Fetch all shelves in order of their ids, or those whose key another epoch wraps."""
        session = self.db.session()
        if not_epoch is None:
            return [ShelfRow(*row) for row in _ALL.rows(session, tenant=tenant)]
        return [ShelfRow(*row) for row in _BEHIND.rows(session, tenant=tenant, current=not_epoch)]

    def shelves_of(self, tenant: str, records: Sequence[str]) -> dict[str, set[str]]:
        """Group the records by the shelves that hold secrets of theirs; one may stand on several."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for shelf, record in _OF_RECORDS.rows(self.db.session(), (tenant,), records):
            found[shelf].add(record)
        return dict(found)

    def move_shelf(self, tenant: str, shelf: str, generation: int, epoch: int, wrapped: bytes) -> None:
        """Put the same shelf key, wrapped by another epoch's key, in place of the old wrapping.

        Raises:
            ShelfMoved: The shelf is of another generation or gone; nothing was changed.
        """

        def work(session: Session) -> int:
            return _MOVE.change(
                session, tenant=tenant, on=shelf, wrapped_at=generation, to=epoch, new=wrapped
            )

        if not self.db.write(work):
            raise _moved()

    def rewrap(
        self,
        tenant: str,
        shelf: str,
        generation: int,
        doomed: Collection[str],
        rewrapper: SecretRewrapper,
        *,
        versions: Collection[tuple[str, int]] = (),
    ) -> None:
        """Erase secrets from a shelf and wrap the survivors anew, in one transaction; an empty shelf goes.

        Args:
            tenant: The tenant.
            shelf: The shelf.
            generation: The generation the caller saw.
            doomed: Records of which all versions on this shelf go, and their `latest` rows.
            rewrapper: Called with the locked shelf and the survivors, unless there are none. It may read
                this store, and must not write to it.
            versions: Superseded (record, version) pairs that go while their record lives.

        Raises:
            ShelfMoved: The shelf is of another generation or gone; nothing was changed.
            Invalid: `versions` names a latest version, or the rewrapper's rows are not the survivors'.
        """

        def work(session: Session) -> None:
            row = _lock(session, tenant, shelf, generation)
            rows = [SecretRow(*r) for r in _SECRETS_ON.rows(session, tenant=tenant, on=shelf)]
            _refuse_latest(session, tenant, versions)
            out = [r for r in rows if r.record in doomed or (r.record, r.version) in versions]
            kept = [r for r in rows if not (r.record in doomed or (r.record, r.version) in versions)]
            _DROP_SECRET.many(session, "tenant of at", [(tenant, r.record, r.version) for r in out])
            _DROP_LATEST.change(session, (tenant,), sorted({r.record for r in out if r.record in doomed}))
            if not kept:
                _DROP.change(session, tenant=tenant, on=shelf)
                return
            new, wrapped = rewrapper(row, kept)
            _renew(session, row, new, len(kept))
            if {(r.record, r.version) for r in wrapped} != {(r.record, r.version) for r in kept}:
                raise Invalid("a re-wrap must give every survivor once and no other")
            values = [(tenant, r.record, r.version, new.generation, r.wrapped) for r in wrapped]
            _WRAP_SECRET.many(session, "tenant of at new_generation new", values)

        self.db.write(work)

    def rewrap_subjects(
        self,
        tenant: str,
        shelf: str,
        generation: int,
        doomed: Collection[str],
        rewrapper: SubjectRewrapper,
    ) -> None:
        """Erase subjects' log secrets from a log shelf and wrap the survivors anew, like `rewrap`.

        Raises:
            ShelfMoved: The shelf is of another generation or gone; nothing was changed.
            Invalid: The rewrapper's rows are not the survivors'.
        """

        def work(session: Session) -> None:
            row = _lock(session, tenant, shelf, generation)
            rows = [SubjectRow(*r) for r in SUBJECTS_ON.rows(session, tenant=tenant, on=shelf)]
            kept = [r for r in rows if r.subject not in doomed]
            gone = [r.subject for r in rows if r.subject in doomed]
            _DROP_SUBJECT.change(session, (tenant,), gone)
            if not kept:
                _DROP.change(session, tenant=tenant, on=shelf)
                return
            new, wrapped = rewrapper(row, kept)
            _renew(session, row, new, len(kept))
            if {r.subject for r in wrapped} != {r.subject for r in kept}:
                raise Invalid("a re-wrap must give every survivor once and no other")
            values = [(tenant, r.subject, new.generation, r.wrapped) for r in wrapped]
            _WRAP_SUBJECT.many(session, "tenant of new_generation new", values)

        self.db.write(work)

    def epochs(self, tenant: str) -> list[EpochRow]:
        """Fetch all epochs in order."""
        return [EpochRow(*row) for row in _EPOCHS.rows(self.db.session(), tenant=tenant)]

    def add_epoch(self, row: EpochRow) -> None:
        """Add an epoch.

        Raises:
            Conflict: There is one of this number.
        """
        self.db.write(lambda session: _ADD_EPOCH.put_words(session, [row]))

    def update_epoch(self, row: EpochRow) -> None:
        """Write an epoch's instants.

        Raises:
            Invalid: There is no such epoch.
        """

        def work(session: Session) -> int:
            return _UPDATE_EPOCH.change(
                session,
                tenant=row.tenant,
                number=row.epoch,
                new_retired=row.retired,
                new_destroy_after=row.destroy_after,
                new_destroyed=row.destroyed,
            )

        if not self.db.write(work):
            raise Invalid("no such epoch", field="epoch")

    def generation(self, tenant: str) -> int:
        """Give the store's generation: how many erasures it has seen (DESIGN 5), 0 before the first."""
        rows = _GENERATION.rows(self.db.session(), tenant=tenant)
        return int(rows[0][0]) if rows else 0

    def raise_generation(self, tenant: str, to: int) -> None:
        """Raise the store's generation to `to`; it never falls, and doing it twice is no error."""
        self.db.write(lambda session: _RAISE.put(session, [(tenant, to)]))


def _lock(session: Session, tenant: str, shelf: str, generation: int) -> ShelfRow:
    rows = (_SHELF if session.lite else _LOCK).rows(session, tenant=tenant, on=shelf)
    if not rows or ShelfRow(*rows[0]).generation != generation:
        raise _moved()
    return ShelfRow(*rows[0])


def _renew(session: Session, old: ShelfRow, new: ShelfRow, left: int) -> None:
    """Write the shelf's new key; `count` begins anew with the survivors."""
    if new.shelf != old.shelf or new.generation <= old.generation:
        raise Invalid("a re-wrap must keep the shelf's id and raise its generation")
    _RENEW.change(
        session,
        tenant=old.tenant,
        on=old.shelf,
        new_generation=new.generation,
        to=new.epoch,
        left=left,
        new=new.wrapped,
    )


def _refuse_latest(session: Session, tenant: str, versions: Collection[tuple[str, int]]) -> None:
    held = _LATEST.rows(session, (tenant,), sorted({record for record, _ in versions}))
    if any((record, version) in versions for record, version in held):
        raise Invalid("the latest version of a record goes only with the record")


def _moved() -> ShelfMoved:
    return ShelfMoved("a shelf was wrapped anew meanwhile", remedy="fetch it again, wrap again and retry")
