"""Shelving: what a node remembers of shelf keys, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, reopen

from vault.errors import Tampered, Unavailable
from vault.shelving import CACHE_LIFE
from vault.stores.errors import ShelfMoved


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """One borrower."""
    made = make_vault(tmp_path)
    made.load(borrowers(1))
    return made


def test_a_shelf_key_is_forgotten_in_time(made: Made) -> None:
    """A node that remembers shelf keys drops them, so that it can't open what an epoch's death erased."""
    (ident,) = made.ids(borrowers(1))
    keeping = made.vault.tenancy().keeping
    row = keeping.fetch([ident])[ident].row
    assert keeping.record_secret(row)
    made.vault.provider.destroy_epoch("main", 1)
    made.clock.now += CACHE_LIFE + 1
    with pytest.raises(Unavailable) as gone:
        keeping.record_secret(row)
    assert gone.value.code == "epoch_destroyed"


def test_no_two_shelves_share_a_key(made: Made) -> None:
    """Every shelf, and every re-wrapping of one, has a key of its own: what one wraps no other unwraps."""
    keeping = made.vault.tenancy().keeping
    (_, one), (_, other) = (keeping.fresh_shelf("sh-1", "record", "2031-01", 1, 0) for _ in range(2))
    wrapped = one.wrap(b"s" * 32, b"context")
    assert one.unwrap(wrapped, b"context") == b"s" * 32
    with pytest.raises(Tampered):
        other.unwrap(wrapped, b"context")


def test_a_row_from_before_a_rewrap_is_no_tampering(made: Made) -> None:
    """A node that read its row before another re-wrapped the shelf is told to read again."""
    other, (ident,) = reopen(made), made.ids(borrowers(1))
    row = other.vault.tenancy().keeping.fetch([ident])[ident].row
    shelf = made.vault.stores.keys.shelf("main", row.shelf)
    assert shelf is not None
    made.vault.tenancy().keeping.rewrap(shelf, set())
    with pytest.raises(ShelfMoved):
        other.vault.tenancy().keeping.record_secret(row)
    other.vault.close()


def test_another_purge_postpones_no_epochs_end(made: Made) -> None:
    """An epoch once retired keeps its day, however many purges follow within its grace."""
    keeping, store = made.vault.tenancy().keeping, made.vault.stores.keys
    keeping.new_epoch()
    (first,) = keeping.retire_epochs(1_000_000)
    made.clock.now += 500_000
    keeping.new_epoch()
    assert [row.epoch for row in keeping.retire_epochs(1_000_000)] == [2]
    assert next(row for row in store.epochs("main") if row.epoch == 1) == first
    assert first.destroy_after == made.clock() + 500_000
