"""Alarming: one tenant's alarms, the records nobody has a reason to open, and a test (docs/alarms.md)."""

from __future__ import annotations

from collections.abc import Sequence

from vault.access.tokens import Credential
from vault.alarm_rules import Rules, in_force
from vault.crypto import mac
from vault.delivering import Alarm, Deliverer, alarm
from vault.errors import NotFound
from vault.ledger.registry import Honey
from vault.model import Happening, Whom
from vault.protecting import looking_on, protecting
from vault.stores.rows import EntryFilter
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

__all__ = ["Alarm", "Alarming"]

TEST = "test"


class Alarming:
    """The alarms of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._unsealing = Unsealer(tenancy)

    def alarm_rules(self) -> Rules:
        """The rules in force."""
        return in_force(self._t.journal.registry())

    def alarms(self, credential: Credential, *, since: int | None = None, limit: int = 100) -> list[Alarm]:
        """The newest alarms, newest first; that is an entry.

        Args:
            credential: Who asks.
            since: µs UTC.
            limit: At most so many.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        with self._t.acting(credential, "audit") as (grant, page):
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail="alarm list")))
            rules = in_force(page.registry)
        asked = EntryFilter(kind="alarm", since=since, limit=limit, newest_first=True)
        rows = self._t.stores.ledger.query(self._t.name, asked)
        bodies = self._unsealing.bodies(rows)
        return [alarm(row, bodies.get(row.idx), rules, self._t.keys.origin) for row in rows]

    def test_alarm(self, credential: Credential) -> int:
        """Raise an alarm that means nothing, to see that it arrives; its index.

        Raises:
            Denied: Neither auditing nor protecting is this token's.
        """
        with looking_on(self._t, credential) as (grant, page):
            who = self._t.who(grant, reason=TEST)
            slot = page.add(Happening(kind="alarm", who=who, whom=Whom(detail=TEST)))
        return page.receipts[slot].index

    def deliver_alarms(self) -> dict[str, int]:
        """Deliver what waits now; how many each target took, -1 where it took not all."""
        return Deliverer(self._t).run()

    # --- honey -----------------------------------------------------------------------------------------

    def add_honey(self, credential: Credential, ids: Sequence[str]) -> int:
        """Have every view of these records' subjects raise an alarm; how many are new.

        Raises:
            NotFound: One isn't here.
            Denied: The token doesn't allow to protect: whoever audits takes no trap away, and sets none.
        """
        return _change(self._t, credential, ids, "add")

    def remove_honey(self, credential: Credential, ids: Sequence[str]) -> int:
        """Take records off the list; how many stood on it.

        Raises:
            NotFound: One isn't here.
            Denied: As `add_honey`.
        """
        return _change(self._t, credential, ids, "remove")

    def honey(self, credential: Credential) -> list[Honey]:
        """The honey records, by keyed handle: the list doesn't tell whose they are. That is an entry.

        Raises:
            Denied: Neither auditing nor protecting is this token's.
        """
        with looking_on(self._t, credential) as (grant, page):
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail="honey list")))
            return page.registry.all(Honey)


def _change(tenancy: Tenancy, credential: Credential, ids: Sequence[str], what: str) -> int:
    """Put records on the list or take them off."""
    with protecting(tenancy, credential) as (grant, page):
        changed = 0
        for handle in _handles(tenancy, ids):
            if (page.registry.find(Honey, handle) is None) != (what == "add"):
                continue
            changed += 1
            if what == "add":
                page.put(Honey(id=handle, added=page.now, by=grant.principal))
            else:
                page.drop(Honey, handle)
        whom = Whom(detail=f"honey {what} {changed}")
        page.add(Happening(kind="config", who=tenancy.who(grant), whom=whom))
    return changed


def _handles(tenancy: Tenancy, ids: Sequence[str]) -> list[str]:
    """The keyed handles of these records' subjects, hex.

    Raises:
        NotFound: One isn't here.
    """
    records = [tenancy.record_of(ident) if ident.isprintable() else None for ident in ids]
    held = tenancy.keeping.fetch([record for record in records if record])
    if any(record is None or record not in held for record in records):
        raise NotFound
    key = tenancy.keys.handle_key
    return sorted({mac.handle(key, "subject", one.row.subject).hex() for one in held.values()})
