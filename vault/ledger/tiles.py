"""Tiles: the tree's hashes and entries, 256 to a file (c2sp.org/tlog-tiles; docs/formats/tiles.md).

A tile at level L holds the roots of complete subtrees of 256**L leaves. The store keeps complete tiles
only; what is ragged is made from the last entries when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from vault.errors import Invalid, Tampered
from vault.merkle import HASH_SIZE, Frontier, leaf_hash, node_hash, subtree_root
from vault.model import Word

WIDTH: Final = 256
TILE_SIZE: Final = WIDTH * HASH_SIZE
MAX_ENTRY: Final = 65_535

HEIGHT: Final = 8
"""Tree levels to a tile: 2**8 is its width."""

_CACHED: Final = 128
"""Tiles whose inner nodes are kept at a time: about 5 MB."""


class Tile(Word):
    """A complete tile.

    Attributes:
        level: 0 for leaf hashes; 256 leaves under one hash of level 1, 65,536 of level 2.
        index: Its place within the level, from 0.
        hashes: 8,192 bytes: 256 hashes.
    """

    level: int
    index: int
    hashes: bytes


class TileSource(Protocol):
    """What a store offers of a log."""

    def full_tile(self, level: int, index: int) -> bytes | None:
        """The 8,192 bytes of a complete tile, or None if it isn't there."""

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """The entries (stubs) `start` to `end - 1`, in order."""


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Where a tile lies: `tile/<L>/<N>`, with `.p/<W>` when it holds fewer than 256 hashes."""
    return f"tile/{level}/{_number(index)}{_partial(width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """Where a bundle of entries lies: `tile/entries/<N>`, with `.p/<W>` when it holds fewer than 256."""
    return f"tile/entries/{_number(index)}{_partial(width)}"


def _number(index: int) -> str:
    """An index in groups of three digits, all but the last marked: 1234067 is `x001/x234/067`."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:  # noqa: PLR2004 - three digits to a group
        index //= 1000
        parts.append(f"x{index % 1000:03d}")
    return "/".join(reversed(parts))


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle: each entry behind its length as two big-endian bytes.

    Raises:
        Invalid: An entry is longer than 65,535 bytes.
    """
    if any(len(entry) > MAX_ENTRY for entry in entries):
        raise Invalid("an entry is too long for a bundle", field="entry", remedy="keep it within 65535 bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(data: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        Tampered: A length runs past the end.
    """
    entries = []
    at = 0
    while at < len(data):
        begin = at + 2
        at = begin + int.from_bytes(data[at:begin], "big")
        if begin > len(data) or at > len(data):
            raise Tampered("the bundle of entries is cut short", remedy="export the log again")
        entries.append(data[begin:at])
    return entries


def split_hashes(data: bytes) -> list[bytes]:
    """A tile's bytes as hashes of 32 bytes."""
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def _halve(hashes: Sequence[bytes]) -> list[bytes]:
    """The parents of complete pairs; an odd last hash has none yet."""
    return [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=False)]


def tile_root(data: bytes) -> bytes:
    """The root of a complete tile, which is one hash of the level above."""
    hashes = split_hashes(data)
    while len(hashes) > 1:
        hashes = _halve(hashes)
    return hashes[0]


def _complete(data: bytes | None, level: int, index: int) -> bytes:
    if data is None or len(data) != TILE_SIZE:
        raise Tampered(
            f"stored tile {level}/{index} is missing or cut", remedy="restore the ledger from its mirror"
        )
    return data


class Hashes:
    """Looks up complete subtrees of a log at one size, for proofs: `merkle.inclusion_path(…, hashes.node)`.

    Complete tiles come from the store; at most 255 entries are hashed, and at most 255 tiles read for each
    ragged upper level. What was read is kept for the life of the object.

    Args:
        source: The log.
        size: The number of entries to see; what was appended later stays out of sight.
    """

    __slots__ = ("_pyramids", "_roots", "_source", "size")

    def __init__(self, source: TileSource, size: int) -> None:
        self._source = source
        self._pyramids: OrderedDict[tuple[int, int], list[list[bytes]]] = OrderedDict()
        self._roots: dict[tuple[int, int], bytes] = {}
        self.size = size

    def node(self, level: int, index: int) -> bytes:
        """The hash of the complete subtree over leaves `[index * 2**level, (index + 1) * 2**level)`.

        Raises:
            Invalid: It isn't complete at this size.
            Tampered: A stored tile or entry is missing.
        """
        if index < 0 or (index + 1) << level > self.size:
            raise Invalid("no such complete subtree at this size", field="index")
        tile_level, height = divmod(level, HEIGHT)
        tile = index << height >> HEIGHT
        return self._pyramid(tile_level, tile)[height][index - (tile << HEIGHT >> height)]

    def frontier(self, size: int) -> Frontier:
        """The tree's right edge at a smaller size."""
        edge, begin = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                edge.append(self.node(level, begin >> level))
                begin += 1 << level
        return Frontier(size, edge)

    def root_at(self, size: int) -> bytes:
        """The root of the first `size` entries."""
        return subtree_root(0, size, self.node)

    def tile(self, level: int, index: int) -> bytes:
        """A tile's bytes as of this size: 8,192, or fewer on the right edge.

        Raises:
            Tampered: A stored tile or entry is missing.
        """
        begin = index << HEIGHT
        width = min(WIDTH, (self.size >> level * HEIGHT) - begin)
        if width == WIDTH:
            return _complete(self._source.full_tile(level, index), level, index)
        if level:
            return b"".join(self._tile_root(level - 1, begin + at) for at in range(width))
        return b"".join(map(leaf_hash, read_entries(self._source, begin, begin + width)))

    def _tile_root(self, level: int, index: int) -> bytes:
        if (level, index) not in self._roots:
            self._roots[level, index] = tile_root(self.tile(level, index))
        return self._roots[level, index]

    def _pyramid(self, level: int, index: int) -> list[list[bytes]]:
        """A tile's hashes and the complete nodes above them, up to seven levels."""
        key = level, index
        if key in self._pyramids:
            self._pyramids.move_to_end(key)
            return self._pyramids[key]
        made = [split_hashes(self.tile(level, index))]
        while len(made) < HEIGHT:
            made.append(_halve(made[-1]))
        self._pyramids[key] = made
        if len(self._pyramids) > _CACHED:
            self._pyramids.popitem(last=False)
        return made


def read_entries(source: TileSource, start: int, end: int) -> Sequence[bytes]:
    """The entries asked for, all of them.

    Raises:
        Tampered: Some are missing.
    """
    entries = source.entries(start, end)
    if len(entries) != end - start:
        raise Tampered("entries are missing from the log", index=start, remedy="run `cvault log verify`")
    return entries


def closed_tiles(
    old: int,
    new: int,
    leaves: Callable[[int, int], Sequence[bytes]],
    full_tile: Callable[[int, int], bytes | None],
) -> list[Tile]:
    """The tiles that become complete when a log grows; store them in the transaction that appends.

    Nothing is read unless a tile closes: once in 256 entries up to 255 leaf hashes, once in 65,536 entries
    255 stored tiles (some 30 ms), once in 16.7 million twice as many.

    Args:
        old: The size before.
        new: The size after.
        leaves: Gives the leaf hashes `start` to `end - 1`, those now being appended included.
        full_tile: Gives a tile that was stored before.

    Raises:
        Tampered: A leaf hash or a stored tile is missing.
    """
    closed: dict[tuple[int, int], bytes] = {}

    def below(level: int, index: int) -> bytes:
        """The root of a complete tile, just closed or stored before."""
        data = closed.get((level, index)) or full_tile(level, index)
        return tile_root(_complete(data, level, index))

    level, shift = 0, HEIGHT
    while new >> shift > old >> shift:
        for index in range(old >> shift, new >> shift):
            begin, end = index << HEIGHT, (index + 1) << HEIGHT
            hashes = [below(level - 1, at) for at in range(begin, end)] if level else leaves(begin, end)
            closed[level, index] = _complete(b"".join(hashes), level, index)
        level, shift = level + 1, shift + HEIGHT
    return [Tile(level=at, index=index, hashes=data) for (at, index), data in closed.items()]
