"""Deriving: the index store holds nothing of its own; its rows come from drafts, or from live records anew.

So it is never backed up for long, and after a purge or a crash it can be put right from what still opens
(DESIGN 4).
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.opening import Opener
from vault.stores.rows import AttributeRow, BlindRow, SecretRow
from vault.tenancy import Tenancy


class Deriver:
    """Writes one tenant's index rows."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def reindex(self, records: Sequence[str]) -> None:
        """Derive the rows of live records anew from what they hold."""
        t = self._t
        blind: list[BlindRow] = []
        attributes: list[AttributeRow] = []
        drafts = self._opener.drafts(records)
        for record, (draft, held) in drafts.items():
            blind += t.preparer.blind(record, draft, held.facts.content)
            attributes += t.preparer.attributes(record, draft)
        t.stores.index.put(t.name, list(drafts), blind, attributes)

    def sweep(self) -> int:
        """Take unconfirmed versions past their deadline out of every store; the live version stays.

        A record whose new version was never confirmed gets its index rows back from the live one. Returns
        how many versions went.
        """
        t, now = self._t, self._t.clock()
        if not self._stale(now):
            return 0
        with t.stores.index.turn(t.name):
            stale = self._stale(now)  # once more: a slow writer may have confirmed while this one waited
            self._sweep(stale, now)
        return len(stale)

    def _stale(self, now: int) -> list[SecretRow]:
        return [row for row in self._t.stores.keys.pending(self._t.name) if row.deadline < now]

    def _sweep(self, stale: Sequence[SecretRow], now: int) -> None:
        t = self._t
        live = {row.record for row in t.stores.keys.fetch(t.name, [s.record for s in stale])}
        dead = [row.record for row in stale if row.record not in live]
        t.stores.index.delete(t.name, dead)
        t.stores.records.delete(t.name, dead)
        t.stores.records.delete_versions(t.name, [(s.record, s.version) for s in stale if s.record in live])
        self.reindex(sorted(live))
        t.stores.keys.sweep_pending(t.name, now)
