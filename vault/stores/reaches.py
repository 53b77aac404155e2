"""Reservations as the ledger store keeps them: what a day's calls and attempts are counted from.

Handles and digests are the room's; a row holds neither a person's id nor a number. Counting and taking stand
in one transaction under the head's lock, so no two callers are given the same place.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BindParameter, and_, bindparam, delete, func, select, update

from vault.stores.engine import Session
from vault.stores.hot import Rows, Statement
from vault.stores.rows import ReachRow
from vault.stores.schema import reaches

_R = reaches.c
_TENANT: Final[BindParameter[str]] = bindparam("tenant")

_FIND: Final = Statement(select(reaches).where(_R.tenant == _TENANT, _R.reservation == bindparam("ident")))
_CALLS: Final = Statement(
    select(
        func.count().filter(and_(_R.state == "confirmed", _R.effective == 1)),
        func.count().filter(and_(_R.state == "reserved", _R.deadline > bindparam("now"))),
    ).where(
        _R.tenant == _TENANT,
        _R.day == bindparam("on"),
        _R.debtor == bindparam("whom"),
        _R.channel == bindparam("over"),
    )
)
_ATTEMPTS: Final = Statement(
    select(func.count())
    .select_from(reaches)
    .where(
        _R.tenant == _TENANT,
        _R.day == bindparam("on"),
        _R.number == bindparam("digest"),
        _R.channel == bindparam("over"),
    )
)
_PUT: Final = Rows(reaches)
_SETTLE: Final = Statement(
    update(reaches)
    .where(_R.tenant == _TENANT, _R.reservation == bindparam("ident"))
    .values(state=bindparam("to"), effective=bindparam("spoken"))
)
_FORGET: Final = Statement(delete(reaches).where(_R.tenant == _TENANT, _R.day < bindparam("before")))


class ReachTable:
    """One tenant's reservations, through one session that holds the head."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session = session
        self._tenant = tenant

    def find(self, reservation: str) -> ReachRow | None:
        """Fetch a reservation, or None."""
        rows = _FIND.rows(self._session, tenant=self._tenant, ident=reservation)
        return ReachRow(*rows[0]) if rows else None

    def calls(self, debtor: bytes, day: str, channel: str, now: int) -> tuple[int, int]:
        """Count the effective ones of somebody's day, and those in flight: reserved, and not timed out.

        Args:
            debtor: The handle of whom.
            day: ISO date.
            channel: Over which channel.
            now: µs UTC.
        """
        ((effective, flying),) = _CALLS.rows(
            self._session, tenant=self._tenant, on=day, whom=debtor, over=channel, now=now
        )
        return int(effective), int(flying)

    def attempts(self, number: bytes, day: str, channel: str) -> int:
        """Count the reservations of a number on a day over a channel, whatever became of them."""
        ((count,),) = _ATTEMPTS.rows(self._session, tenant=self._tenant, on=day, digest=number, over=channel)
        return int(count)

    def put(self, row: ReachRow) -> None:
        """Add a reservation."""
        _PUT.put_words(self._session, [row])

    def settle(self, reservation: str, state: str, effective: int) -> None:
        """Say what became of a reservation."""
        _SETTLE.change(self._session, tenant=self._tenant, ident=reservation, to=state, spoken=effective)

    def forget(self, before: str) -> int:
        """Delete the reservations of the days before an ISO date, which count for nothing; how many."""
        return _FORGET.change(self._session, tenant=self._tenant, before=before)
