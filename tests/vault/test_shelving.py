"""Shelving: what a node remembers of shelf keys, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import borrowers, make_vault

from vault.errors import Unavailable
from vault.shelving import CACHE_LIFE


def test_a_shelf_key_is_forgotten_in_time(tmp_path: Path) -> None:
    """A node that remembers shelf keys drops them, so that it can't open what an epoch's death erased."""
    made = make_vault(tmp_path)
    made.load(borrowers(1))
    (ident,) = made.ids(borrowers(1))
    keeping = made.vault.tenancy().keeping
    row = keeping.fetch([ident])[ident].row
    assert keeping.record_secret(row)
    made.vault.provider.destroy_epoch("main", 1)
    made.clock.now += CACHE_LIFE + 1
    with pytest.raises(Unavailable) as gone:
        keeping.record_secret(row)
    assert gone.value.code == "epoch_destroyed"
