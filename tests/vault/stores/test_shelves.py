"""Shelves and epochs: erasing secrets and wrapping the survivors anew."""

from __future__ import annotations

import msgspec
import pytest

from vault.errors import Invalid
from vault.stores.errors import ShelfMoved
from vault.stores.keys import KeyStore
from vault.stores.rows import EpochRow, SecretRow, ShelfRow, SubjectRow

from .making import secret, shelf, subject


def anew(row: ShelfRow, kept: list[SecretRow]) -> tuple[ShelfRow, list[SecretRow]]:
    """Wrap secrets anew, visibly."""
    moved = msgspec.structs.replace(row, generation=row.generation + 1, epoch=2, wrapped=b"new key")
    return moved, [msgspec.structs.replace(r, wrapped=b"new " + r.wrapped) for r in kept]


def log_anew(row: ShelfRow, kept: list[SubjectRow]) -> tuple[ShelfRow, list[SubjectRow]]:
    """Wrap log secrets anew, visibly."""
    moved = msgspec.structs.replace(row, generation=row.generation + 1, wrapped=b"new key")
    return moved, [msgspec.structs.replace(r, wrapped=b"new " + r.wrapped) for r in kept]


@pytest.fixture
def filled(keys: KeyStore) -> KeyStore:
    """Three live records on shelf a, the last in two versions, and two subjects on a log shelf."""
    keys.add_shelf(shelf("a"))
    keys.add_shelf(shelf("log", "log"))
    rows = [secret("r1"), secret("r2"), secret("r3"), secret("r3", 2)]
    keys.put_pending("main", rows, [subject("s1"), subject("s2")])
    for row in rows:
        keys.confirm("main", [(row.record, row.version, "s1", row.version)])
    return keys


def test_erasing_wraps_the_survivors_anew(filled: KeyStore) -> None:
    """The doomed record's secret and latest row go; the others stand under the new shelf key."""
    filled.rewrap("main", "a", 1, {"r1", "elsewhere"}, anew)
    found = {row.record: row for row in filled.fetch("main", ["r1", "r2", "r3"])}
    assert {name: (row.wrapped, row.generation) for name, row in found.items()} == {
        "r2": (b"new r2/1", 2),
        "r3": (b"new r3/2", 2),
    }
    assert filled.versions("main", ["r1"]) == []
    row = filled.shelf("main", "a")
    assert row is not None
    assert (row.generation, row.epoch, row.count, row.wrapped) == (2, 2, 3, b"new key")


def test_an_old_generation_erases_nothing(filled: KeyStore) -> None:
    """Who saw the shelf before another's re-wrap must fetch it again."""
    filled.rewrap("main", "a", 1, {"r1"}, anew)
    for name, generation in (("a", 1), ("gone", 1)):
        with pytest.raises(ShelfMoved):
            filled.rewrap("main", name, generation, {"r2"}, anew)
    assert len(filled.fetch("main", ["r2", "r3"])) == 2


def test_an_empty_shelf_is_dropped_whole(filled: KeyStore) -> None:
    """A shelf without survivors goes with its key; nothing is wrapped."""
    filled.rewrap("main", "a", 1, {"r1", "r2", "r3"}, lambda _row, _kept: pytest.fail("no survivors"))
    assert filled.shelf("main", "a") is None
    assert filled.fetch("main", ["r1", "r2", "r3"]) == []


def test_a_superseded_version_goes_alone(filled: KeyStore) -> None:
    """An old version is erased while its record lives; the latest never goes that way."""
    filled.rewrap("main", "a", 1, (), anew, versions={("r3", 1)})
    assert [row.version for row in filled.versions("main", ["r3"])] == [2]
    assert [row.version for row in filled.fetch("main", ["r3"])] == [2]
    with pytest.raises(Invalid):
        filled.rewrap("main", "a", 2, (), anew, versions={("r3", 2)})


def test_a_rewrap_that_loses_a_survivor_changes_nothing(filled: KeyStore) -> None:
    """If wrapping anew fails or forgets a secret, the whole transaction is undone."""
    with pytest.raises(Invalid):
        filled.rewrap("main", "a", 1, {"r1"}, lambda row, kept: (anew(row, kept)[0], kept[1:]))
    with pytest.raises(Invalid):
        filled.rewrap("main", "a", 1, {"r1"}, lambda row, kept: (row, kept))
    with pytest.raises(ZeroDivisionError):
        filled.rewrap("main", "a", 1, {"r1"}, lambda row, kept: (row, kept[: 1 // 0]))
    assert [row.wrapped for row in filled.fetch("main", ["r1"])] == [b"r1/1"]


def test_log_secrets_are_erased_alike(filled: KeyStore) -> None:
    """A log shelf loses the doomed subject's secret, wraps the other's anew, and goes when empty."""
    filled.rewrap_subjects("main", "log", 1, {"s1"}, log_anew)
    assert [(r.subject, r.wrapped, r.generation) for r in filled.subjects("main", ["s1", "s2"])] == [
        ("s2", b"new s2", 2)
    ]
    filled.rewrap_subjects("main", "log", 2, {"s2"}, log_anew)
    assert filled.shelf("main", "log") is None


def test_shelves_are_found_by_room(keys: KeyStore) -> None:
    """The fullest shelf of the purpose and month that still has room is found, or none."""
    for row in (shelf("a", count=250), shelf("b", count=10), shelf("log", "log")):
        keys.add_shelf(row)
    assert keys.find_shelf("main", "record", "2027-03", 6) == shelf("a", count=250)
    assert keys.find_shelf("main", "record", "2027-03", 7) == shelf("b", count=10)
    assert keys.find_shelf("main", "record", "2027-03", 247) is None
    assert keys.find_shelf("main", "record", "2027-04", 1) is None
    assert keys.find_shelf("main", "record", "2027-03", 11, 20) is None


def test_shelves_move_between_epochs(filled: KeyStore) -> None:
    """A shelf key wrapped by the next epoch's key replaces the old wrapping at the generation seen."""
    assert [row.shelf for row in filled.shelves("main", 2)] == ["a", "log"]
    filled.move_shelf("main", "a", 1, 2, b"under two")
    assert [row.shelf for row in filled.shelves("main", 2)] == ["log"]
    assert next(row.wrapped for row in filled.shelves("main")) == b"under two"
    with pytest.raises(ShelfMoved):
        filled.move_shelf("main", "a", 9, 3, b"")


def test_records_are_grouped_by_shelf(filled: KeyStore) -> None:
    """Every shelf that holds a version of a record is named."""
    filled.add_shelf(shelf("b"))
    filled.put_pending("main", [secret("r3", 3, on="b")], [])
    assert filled.shelves_of("main", ["r1", "r3", "none"]) == {"a": {"r1", "r3"}, "b": {"r3"}}


def test_epochs_and_generation(keys: KeyStore) -> None:
    """Epochs keep their instants, and the store's generation only rises."""
    one = EpochRow(tenant="main", epoch=1, created=5, retired=None, destroy_after=None, destroyed=None)
    keys.add_epoch(one)
    keys.add_epoch(msgspec.structs.replace(one, epoch=2))
    ended = msgspec.structs.replace(one, retired=6, destroy_after=7, destroyed=8)
    keys.update_epoch(ended)
    assert keys.epochs("main") == [ended, msgspec.structs.replace(one, epoch=2)]
    with pytest.raises(Invalid):
        keys.update_epoch(msgspec.structs.replace(one, epoch=3))
    assert keys.generation("main") == 0
    for to, stands in ((2, 2), (1, 2), (2, 2), (5, 5)):
        keys.raise_generation("main", to)
        assert keys.generation("main") == stands
    assert (keys.generation("main"), keys.generation("other")) == (5, 0)
