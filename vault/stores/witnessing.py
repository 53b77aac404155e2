"""Cosignatures of witnesses and time stamps as the ledger store keeps them, and what they don't cover yet.

Nothing here is authentic by itself: a line is worth what its signature is worth, which the rooms check. Who
deletes lines only makes the log look less witnessed than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BindParameter, bindparam, func, select

from vault.model import Word
from vault.stores.engine import Session
from vault.stores.hot import Rows, Statement
from vault.stores.schema import checkpoints, cosignatures, entries, stamps

ANCHOR: Final = "anchor"
"""The kind of the log's own entries about witnesses and time stamps: they alone leave nothing unwitnessed."""

_C, _S, _P, _E = cosignatures.c, stamps.c, checkpoints.c, entries.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

_NEWEST: Final = Statement(
    select(cosignatures)
    .where(_C.tenant == _TENANT, _C.size < bindparam("below"))
    .order_by(_C.size.desc(), _C.witness)
    .limit(bindparam("most"))
)
_OF_SIZE: Final = Statement(
    select(cosignatures).where(_C.tenant == _TENANT, _C.size == bindparam("at")).order_by(_C.witness)
)
_NOTE: Final = Statement(select(_P.note).where(_P.tenant == _TENANT, _P.size == bindparam("at")))
_NOTES: Final = Statement(
    select(_P.size, _P.note)
    .where(_P.tenant == _TENANT, _P.size < bindparam("below"))
    .order_by(_P.size.desc())
    .limit(bindparam("most"))
)
_ANCHORS: Final = Statement(
    select(func.count())
    .select_from(entries)
    .where(
        _E.tenant == _TENANT,
        _E.kind == bindparam("of"),
        _E.idx >= bindparam("start"),
        _E.idx < bindparam("until"),
    )
)
_FIRST: Final = Statement(
    select(_E.t)
    .where(_E.tenant == _TENANT, _E.kind != bindparam("of"), _E.idx >= bindparam("start"))
    .order_by(_E.idx)
    .limit(bindparam("one"))
)
_PUT: Final = Rows(
    cosignatures,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["tenant", "size", "witness"],
        set_={name: insert.excluded[name] for name in ("line", "t")},
    ),
)
_PUT_STAMP: Final = Rows(stamps, lambda insert: insert.on_conflict_do_nothing())
_STAMPS: Final = Statement(
    select(stamps)
    .where(_S.tenant == _TENANT, _S.size < bindparam("below"))
    .order_by(_S.size.desc(), _S.authority)
    .limit(bindparam("most"))
)


class CosignatureRow(Word, kw_only=False, array_like=True):
    """A witness's cosignature on the checkpoint of a size.

    Attributes:
        witness: `WitnessKey.ident`.
        line: The signature line, without its newline.
        t: µs UTC at which it was had, by our clock; the witness's own word is in the line.
    """

    tenant: str
    size: int
    witness: str
    line: str
    t: int


class StampRow(Word, kw_only=False, array_like=True):
    """An RFC 3161 time stamp over the text of the checkpoint of a size.

    Attributes:
        authority: The name given to the authority.
        token: The DER of the authority's answer, a TimeStampResp.
        t: µs UTC at which it was had.
    """

    tenant: str
    size: int
    authority: str
    token: bytes
    t: int


class WitnessTable:
    """One tenant's cosignatures, time stamps and checkpoints, through one session."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def newest(self, below: int, most: int) -> list[CosignatureRow]:
        """Fetch cosignatures of sizes below one, the largest first, at most so many."""
        rows = _NEWEST.rows(self._session, tenant=self._tenant, below=below, most=most)
        return [CosignatureRow(*row) for row in rows]

    def of_size(self, size: int) -> list[CosignatureRow]:
        """Fetch all cosignatures of one size."""
        rows = _OF_SIZE.rows(self._session, tenant=self._tenant, at=size)
        return [CosignatureRow(*row) for row in rows]

    def put(self, rows: Sequence[CosignatureRow]) -> None:
        """Add or replace cosignatures."""
        _PUT.put_words(self._session, rows)

    def note(self, size: int) -> str | None:
        """Fetch the signed checkpoint kept of a size, or None."""
        rows = _NOTE.rows(self._session, tenant=self._tenant, at=size)
        return rows[0][0] if rows else None

    def notes(self, below: int, most: int) -> list[tuple[int, str]]:
        """Fetch signed checkpoints as (size, note), of sizes below one, the largest first."""
        rows = _NOTES.rows(self._session, tenant=self._tenant, below=below, most=most)
        return [(size, note) for size, note in rows]

    def anchors(self, start: int, until: int) -> int:
        """Count the anchor entries from an index on and before another."""
        rows = _ANCHORS.rows(self._session, tenant=self._tenant, of=ANCHOR, start=start, until=until)
        return int(rows[0][0])

    def first_at(self, start: int) -> int | None:
        """Give the time (µs UTC) of the first entry from an index on that is no anchor, or None."""
        rows = _FIRST.rows(self._session, tenant=self._tenant, of=ANCHOR, start=start, one=1)
        return int(rows[0][0]) if rows else None

    def stamps(self, below: int, most: int) -> list[StampRow]:
        """Fetch time stamps of sizes below one, the largest first, at most so many."""
        rows = _STAMPS.rows(self._session, tenant=self._tenant, below=below, most=most)
        return [StampRow(*row) for row in rows]

    def put_stamp(self, row: StampRow) -> None:
        """Add a time stamp; one that there is of the same size and authority stays."""
        _PUT_STAMP.put_words(self._session, [row])
