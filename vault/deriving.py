"""Deriving: the index store holds nothing of its own; its rows come from drafts, or from live records anew.

So it is never backed up for long, and after a purge or a crash it can be put right from what still opens
(DESIGN 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vault.crypto import mac
from vault.model import Draft
from vault.opening import Opener
from vault.stores.rows import AttributeRow, BlindRow, SecretRow
from vault.tenancy import REF, Tenancy


class Deriver:
    """Writes one tenant's index rows."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def index(self, drafts: Mapping[str, Draft], replaced: Sequence[str]) -> None:
        """Index records by what their drafts hold; `replaced` lose the rows they had."""
        blind = [row for record, draft in drafts.items() for row in self._blind(record, draft)]
        attributes = [row for record, draft in drafts.items() for row in self._attributes(record, draft)]
        self._t.stores.index.put(self._t.name, replaced, blind, attributes)

    def reindex(self, records: Sequence[str]) -> None:
        """Derive the rows of live records anew from what they hold."""
        drafts = self._opener.drafts(records)
        self.index(drafts, list(drafts))

    def _blind(self, record: str, draft: Draft) -> list[BlindRow]:
        keys, spec = self._t.keys, self._t.schema.kind(draft.kind)
        wanted = [
            (name, value, spec.fields[name].compartment)
            for name, value in draft.values.items()
            if spec.fields[name].indexed and name != spec.ref  # that one is found as the external id
        ]
        if draft.ref is not None:
            wanted.append((REF, draft.ref, "masked"))
        return [
            BlindRow(
                tenant=keys.tenant,
                kind=spec.name,
                field=name,
                digest=mac.index_digest(keys.index(compartment, spec.name, name), value),
                record=record,
            )
            for name, value, compartment in wanted
        ]

    def _attributes(self, record: str, draft: Draft) -> list[AttributeRow]:
        spec = self._t.schema.kind(draft.kind)
        return [
            AttributeRow(tenant=self._t.name, kind=spec.name, name=name, value=value, record=record)
            for name, value in draft.values.items()
            if spec.fields[name].open
        ]

    def sweep(self) -> int:
        """Take unconfirmed versions past their deadline out of every store; the live version stays.

        A record whose new version was never confirmed gets its index rows back from the live one. Returns
        how many versions went.
        """
        t, now = self._t, self._t.clock()
        stale = [row for row in t.stores.keys.pending(t.name) if row.deadline < now]
        if not stale:
            return 0
        with t.stores.index.turn(t.name):
            self._sweep(stale, now)
        return len(stale)

    def _sweep(self, stale: Sequence[SecretRow], now: int) -> None:
        t = self._t
        live = {row.record for row in t.stores.keys.fetch(t.name, [s.record for s in stale])}
        dead = [row.record for row in stale if row.record not in live]
        t.stores.index.delete(t.name, dead)
        t.stores.records.delete(t.name, dead)
        t.stores.records.delete_versions(t.name, [(s.record, s.version) for s in stale if s.record in live])
        self.reindex(sorted(live))
        t.stores.keys.sweep_pending(t.name, now)
