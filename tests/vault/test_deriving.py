"""Deriving: what a sweeper may take, and what it leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from kit import borrowers, make_vault, reopen, values

ROWS = borrowers(1)


@pytest.mark.parametrize("changed", [False, True])
def test_a_slow_writer_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, changed: bool
) -> None:
    """A write that is confirmed past its deadline, while a sweeper waits for its turn, loses no payload."""
    made = make_vault(tmp_path)
    row = ROWS[0]
    if changed:
        made.load([row])
        row = row | {"手机": "13911112222"}
    other = reopen(made)
    keys = made.vault.stores.keys
    confirm = keys.confirm
    sweeper = threading.Thread(target=other.vault.writing().sweep)

    def late(tenant: str, items: Sequence[tuple[str, int, str, int]]) -> None:
        made.clock.advance(minutes=2)
        sweeper.start()
        time.sleep(0.3)  # it has seen what is pending, and waits
        confirm(tenant, items)

    monkeypatch.setattr(keys, "confirm", late)
    assert made.load([row]).rejected == 0
    sweeper.join()
    monkeypatch.undo()
    found = made.vault.reading().read(made.token("legal"), made.ids([row]), fields=("phone",))
    assert [values(item) for item in found.items] == [{"phone": row["手机"]}]
