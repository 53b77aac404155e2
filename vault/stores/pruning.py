"""What the ledger lets go of by rule: bodies first, then entries with their tiles (docs/formats/tiles.md)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BindParameter, bindparam, delete, func, select

from vault.stores.engine import Session
from vault.stores.hot import Statement
from vault.stores.schema import bodies, entries, marks, tallies, tiles

_TENANT: Final[BindParameter[str]] = bindparam("tenant")
_BELOW: Final[BindParameter[int]] = bindparam("below")

_BODIES: Final = Statement(delete(bodies).where(bodies.c.tenant == _TENANT, bodies.c.idx < _BELOW))
_ENTRIES: Final = Statement(delete(entries).where(entries.c.tenant == _TENANT, entries.c.idx < _BELOW))
_MARKS: Final = Statement(delete(marks).where(marks.c.tenant == _TENANT, marks.c.idx < _BELOW))
_TILES: Final = Statement(
    delete(tiles).where(tiles.c.tenant == _TENANT, tiles.c.level == bindparam("level"), tiles.c.tile < _BELOW)
)
_TALLIES: Final = Statement(delete(tallies).where(tallies.c.tenant == _TENANT, tallies.c.hour < _BELOW))
_FIRST_BODY: Final = Statement(select(func.min(bodies.c.idx)).where(bodies.c.tenant == _TENANT))
_FIRST_ENTRY: Final = Statement(select(func.min(entries.c.idx)).where(entries.c.tenant == _TENANT))


class PruneTable:
    """One tenant's log, through one session that holds a write transaction."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def first_body(self) -> int | None:
        """The index of the first body there is."""
        ((found,),) = _FIRST_BODY.rows(self._session, tenant=self._tenant)
        return None if found is None else int(found)

    def first_entry(self) -> int | None:
        """The index of the first entry there is."""
        ((found,),) = _FIRST_ENTRY.rows(self._session, tenant=self._tenant)
        return None if found is None else int(found)

    def drop_bodies(self, below: int) -> int:
        """Delete the bodies before an index; how many."""
        return _BODIES.change(self._session, tenant=self._tenant, below=below)

    def drop_entries(self, below: int) -> int:
        """Delete the entries before an index, and what marks them; how many entries."""
        _MARKS.change(self._session, tenant=self._tenant, below=below)
        return _ENTRIES.change(self._session, tenant=self._tenant, below=below)

    def drop_tiles(self, below: int) -> int:
        """Delete the tiles of level 0 before a tile's index; how many."""
        return _TILES.change(self._session, tenant=self._tenant, level=0, below=below)

    def drop_tallies(self, before: int) -> int:
        """Delete the tallies of hours before an hour (since 1970, UTC); how many."""
        return _TALLIES.change(self._session, tenant=self._tenant, below=before)
