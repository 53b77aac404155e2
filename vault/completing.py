"""Completing: a file that has no column for a field says nothing of it, and must not take it away.

A creditor's monthly file often holds case numbers and balances alone. What a record holds beyond a file's
columns stays; an empty cell of a column that is there takes the value away. Direct writes send whole records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from vault.keeping import Held
from vault.model import Draft
from vault.opening import Opener
from vault.tenancy import Tenancy

Covers = Mapping[str, frozenset[str]]
"""By kind, the fields that a file has columns for, and the columns that others are computed from."""

_COMPUTED: Final[Mapping[str, frozenset[str]]] = {
    "overdue_since": frozenset({"overdue_days"}),
    "birth_date": frozenset({"id_number"}),
    "instalments_left": frozenset({"instalments", "instalments_paid"}),
    "outstanding_band": frozenset({"outstanding"}),
    "attempted_at": frozenset({"moment", "started_at"}),
    "visited_on": frozenset({"moment", "started_at"}),
    "started_at": frozenset({"moment", "attempted_at", "visited_on"}),
    "taken_on": frozenset({"moment", "taken_at"}),
    "taken_at": frozenset({"moment", "taken_on"}),
}
"""Fields that follow from columns which are not theirs."""


class Completer:
    """Adds to a draft what its file has no column for."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def completed(self, draft: Draft, old: Held, covers: Covers) -> Draft:
        """A draft with what its record holds beyond the file's columns."""
        stands = self._opener.drafts([old.row.record])[old.row.record][0].values
        kept = beyond(draft, stands, covers)
        return msgspec.structs.replace(draft, values=draft.values | kept) if kept else draft


def beyond(draft: Draft, stands: Mapping[str, str], covers: Covers) -> dict[str, str]:
    """What a record holds that a draft's file says nothing of.

    Args:
        draft: What the file says.
        stands: What the record holds.
        covers: What the file has columns for.
    """
    covered = covers.get(draft.kind, frozenset())
    return {
        name: text
        for name, text in stands.items()
        if name not in draft.values
        and name not in covered
        and covered.isdisjoint(_COMPUTED.get(name, frozenset()))
    }
