"""Suppressing: who was erased or refused is not brought back by an old file (DESIGN 8).

What stays of them is a keyed digest of an identifier, in a record of kind `suppression` with a rule and a
ceiling of its own. Only somebody who holds the same number again can match it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from vault.errors import Tampered
from vault.model import Draft, Grant, Happening, Whom
from vault.opening import Opener
from vault.preparing import SUPPRESSION, identifiers
from vault.stocking import Log, Stocker
from vault.stores.errors import ShelfMoved
from vault.telemetry import logger
from vault.tenancy import Tenancy

Reason = Literal["erased", "refused"]


class Suppressor:
    """Keeps one tenant's list."""

    def __init__(self, tenancy: Tenancy, stocker: Stocker) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)
        self._stocker = stocker

    def list_people(self, records: Sequence[str], reason: Reason, log: Log) -> int:
        """Put the people of these live records on the list; whoever calls holds the writers' turn.

        Again for the same records it changes nothing. Returns how many identifiers were added.
        """
        wanted = dict.fromkeys(pair for draft in self._drafts(records) for pair in identifiers(draft))
        rows = [self._draft(identifier, value, reason) for identifier, value in wanted]
        return self._stocker.store_within(rows, log) if rows else 0

    def _drafts(self, records: Sequence[str]) -> list[Draft]:
        """What the records hold; one that doesn't open holds up no erasure, and lists nobody."""
        try:
            return [draft for draft, _ in self._opener.drafts(records).values()]
        except (Tampered, ShelfMoved):
            if len(records) > 1:
                return [draft for record in records for draft in self._drafts([record])]
            logger().warning("a record to be erased does not open", tenant=self._t.name)
            return []

    def erased(self, grant: Grant, gone: Sequence[str]) -> None:
        """List who is being erased.

        Not when the creditor's contract has ended: with it an agency keeps nothing, this list too, and takes
        in no file any more (PIPL 21 ¶2).
        """
        if not self._t.contract_over(self._t.journal.registry(), self._t.today()):
            self.list_people(gone, "erased", lambda drafts: self._log(grant, drafts))

    def _log(self, grant: Grant, drafts: Sequence[Draft]) -> None:
        if drafts:
            whom = Whom(detail=f"suppression={len(drafts)}", ticket=grant.ticket)
            who = self._t.who(grant, about=SUPPRESSION)
            self._t.journal.log(Happening(kind="write", who=who, whom=whom))

    def _draft(self, identifier: str, value: str, reason: Reason) -> Draft:
        digest, today = self._t.preparer.suppression(identifier, value), self._t.today().isoformat()
        return Draft(
            kind=SUPPRESSION,
            ref=None,
            row=0,
            values={
                "reason": reason, "identifier": identifier, "digest": digest.hex(), "listed_on": today,
            },
            anchors={"imported_on": today, "listed_on": today},
            cases=(),
            content=digest,
        )  # fmt: skip
