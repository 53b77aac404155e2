"""Tiles: the specification's layout, and proofs out of stored tiles for every size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vault.ledger.logs import Log, root_of
from vault import merkle
from vault.errors import Invalid, Tampered
from vault.ledger import tiles

BIG = [b"%d" % number for number in range(70_000)]
LOG = Log(BIG)
TILE = bytes(8192)


@pytest.mark.parametrize(
    ("index", "number"),
    [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067"), (10**9, "x001/x000/x000/000")],
)
def test_paths(index: int, number: str) -> None:
    """Indices are written as c2sp.org/tlog-tiles has them; 1234067 is its own example."""
    assert tiles.tile_path(0, index) == f"tile/0/{number}"
    assert tiles.tile_path(2, index, 7) == f"tile/2/{number}.p/7"
    assert tiles.entries_path(index) == f"tile/entries/{number}"
    assert tiles.entries_path(index, 255) == f"tile/entries/{number}.p/255"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    """Entries come back from their bundle; a bundle cut anywhere inside an entry raises."""
    data = tiles.pack_entries(entries)
    assert tiles.unpack_entries(data) == entries
    if entries:
        with pytest.raises(Tampered):
            tiles.unpack_entries(data[:-1])


def test_bundle_bounds() -> None:
    """65,535 bytes fit and one more does not; a lone length byte is no entry."""
    assert tiles.unpack_entries(tiles.pack_entries([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(Invalid):
        tiles.pack_entries([bytes(65_536)])
    with pytest.raises(Tampered):
        tiles.unpack_entries(b"\x00\x00\x00")


def test_the_specification_s_example_of_70000() -> None:
    """273 full tiles and 112 hashes at level 0; one full and 17 at level 1; one hash at level 2."""
    hashes = tiles.Hashes(LOG, 70_000)
    assert len([key for key in LOG.tiles if key[0] == 0]) == 273
    assert [key for key in LOG.tiles if key[0]] == [(1, 0)]
    assert [len(hashes.tile(level, index)) // 32 for level, index in ((0, 273), (1, 0), (1, 1), (2, 0))] == [
        112, 256, 17, 1,
    ]  # fmt: skip
    assert hashes.root_at(70_000) == root_of(BIG)


@given(st.integers(1, 70_000), st.data())
def test_proofs_from_tiles(size: int, data: st.DataObject) -> None:
    """At any size any entry is proved, and any earlier size, while later entries stay out of sight."""
    hashes = tiles.Hashes(LOG, size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root = hashes.root_at(size)
    path = merkle.inclusion_path(index, size, hashes.node)
    merkle.check_inclusion(merkle.leaf_hash(BIG[index]), index, size, path, root)
    proof = merkle.consistency_path(old, size, hashes.node)
    merkle.check_consistency(old, size, proof, hashes.root_at(old), root)


def test_the_ragged_edge_is_read_once() -> None:
    """However many proofs an object makes, it reads the last, incomplete tile's entries once."""
    LOG.reads = 0
    hashes = tiles.Hashes(LOG, 70_000)
    for index in range(0, 70_000, 7_000):
        merkle.inclusion_path(index, 70_000, hashes.node)
    assert LOG.reads == 112


def test_a_walk_through_more_tiles_than_are_kept() -> None:
    """Proofs stay right when tiles seen earlier were let go and are asked for again."""
    hashes = tiles.Hashes(LOG, 70_000)
    root = hashes.root_at(70_000)
    for index in [*range(0, 70_000, 256), 0]:
        path = merkle.inclusion_path(index, 70_000, hashes.node)
        merkle.check_inclusion(merkle.leaf_hash(BIG[index]), index, 70_000, path, root)
    assert len(hashes._pyramids) == 128


@pytest.mark.parametrize(("level", "index"), [(0, 70_000), (0, -1), (17, 0), (4, 4_375)])
def test_no_node_beyond_the_size(level: int, index: int) -> None:
    """A subtree that isn't complete at this size can't be asked for."""
    with pytest.raises(Invalid):
        tiles.Hashes(LOG, 70_000).node(level, index)


@given(st.lists(st.integers(0, 700), max_size=8))
def test_tiles_close_whatever_the_batches(batches: list[int]) -> None:
    """The tiles stored are the same however the entries were batched."""
    log = Log()
    for count in batches:
        log.append(BIG[len(log.stubs) : len(log.stubs) + count])
    full = sum(batches) // 256
    assert log.tiles == {key: LOG.tiles[key] for key in ((0, index) for index in range(full))}


def test_a_level_closes_over_the_one_below() -> None:
    """The entry that fills 65,536 closes two tiles; each level-1 hash is a level-0 tile's root."""
    closed = tiles.closed_tiles(65_535, 65_536, LOG.leaves, LOG.full_tile)
    assert [(tile.level, tile.index) for tile in closed] == [(0, 255), (1, 0)]
    assert tiles.split_hashes(closed[1].hashes)[3] == root_of(BIG[768:1024])
    assert tiles.tile_root(closed[1].hashes) == root_of(BIG[:65_536])


def test_nothing_is_read_until_a_tile_closes() -> None:
    """An append that closes nothing asks for nothing."""

    def never(_first: int, _second: int) -> bytes:
        raise AssertionError

    assert tiles.closed_tiles(256, 511, lambda start, end: [never(start, end)], never) == []


def test_missing_tiles_and_entries_are_faults() -> None:
    """A stored tile that is gone or cut, or an entry that is gone, raises and never gives a hash."""
    for tile in (None, TILE[:-1]):
        log = Log(BIG[:600])
        if tile is None:
            del log.tiles[0, 0]
        else:
            log.tiles[0, 0] = tile
        with pytest.raises(Tampered, match="0/0"):
            tiles.Hashes(log, 600).root_at(600)
    log = Log(BIG[:600])
    log.stubs.pop()
    with pytest.raises(Tampered) as caught:
        tiles.Hashes(log, 600).root_at(600)
    assert caught.value.index == 512
    with pytest.raises(Tampered):
        tiles.closed_tiles(0, 256, lambda start, end: LOG.leaves(start, end - 1), LOG.full_tile)
    with pytest.raises(Tampered):
        tiles.closed_tiles(65_535, 65_536, LOG.leaves, lambda _level, _index: None)
