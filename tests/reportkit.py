"""Levers for tests of reports: a vault in which one borrower was looked at, and a report's check."""

from __future__ import annotations

from typing import Any, Final

import pytest
from kit import Made, borrowers
from reportcheck import check

from vault.auditing import Auditing, Report
from vault.errors import Denied

ROWS: Final = borrowers(3)


def filled(made: Made) -> Made:
    """Load the borrowers and look at the first."""
    made.load(ROWS)
    room, ids = made.vault.reading(), made.ids(ROWS)
    room.read(made.token("collector"), ids)
    room.read(made.token("collector"), ids[:1])
    with pytest.raises(Denied):
        room.read(made.token("collector"), ids[:1], fields=("id_number",))
    room.read(made.token("legal"), ids[:1])
    return made


def room(made: Made) -> Auditing:
    """The auditing room."""
    return made.vault.auditing()


def log_of(made: Made) -> list[bytes]:
    """Every stub of the log."""
    return made.vault.stores.ledger.stubs("main", 0, 1 << 40)


def checked(made: Made, report: Report) -> dict[str, Any]:
    """A report's document, once it was checked against the whole log as it now stands."""
    found = check(report.file, room(made).vkey.text(), log_of(made))
    assert len(found["entries"]) == report.entries
    assert max(one["index"] for one in found["entries"]) == report.index
    return found
