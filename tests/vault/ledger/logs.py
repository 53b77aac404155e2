"""Makes small true logs for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence

from vault.crypto.sign import SigningKey
from vault.ledger import checkpoint, stub
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.note import VKey
from vault.ledger.tiles import closed_tiles
from vault.ledger.verify import Row
from vault.merkle import Frontier, leaf_hash
from vault.model import Who

KEY = SigningKey.from_seed(bytes(32))
ORIGIN = "vault.example/log"
VKEY = VKey(name=ORIGIN, public=KEY.public)
SALT, WHOM = bytes(range(16)), bytes(range(32))


def row(index: int, *, who: Who | None = None, **changes: object) -> Row:
    """A true entry of two nodes that take turns; changed stub fields keep its commitment true."""
    who = who or Who(actor=f"p-{index}", role="collector", purpose="phone_collection", masked=3)
    digest = stub.digest(SALT, stub.who_bytes(who))
    fields = {
        "c": stub.pack(stub.commitment(digest, WHOM)), "g": "", "i": index // 2 + 1, "k": "read",
        "n": f"n{index % 2}", "r": stub.pack(SALT), "t": 1_000_000 + index, **changes,
    }  # fmt: skip
    data = stub.encode(stub.Stub(**fields))  # type: ignore[arg-type]
    return Row(idx=index, stub=data, who=who, who_salt=SALT, whom_digest=WHOM)


def root_of(entries: Sequence[bytes]) -> bytes:
    """The root over entries."""
    frontier = Frontier()
    frontier.append_many(map(leaf_hash, entries))
    return frontier.root()


def signed(entries: Sequence[bytes], size: int, *, origin: str = ORIGIN) -> str:
    """The signed checkpoint of the first entries."""
    return checkpoint.sign(Checkpoint(origin=origin, size=size, root=root_of(entries[:size])), KEY)


class Log:
    """A log in memory that stores complete tiles as a ledger does: a `TileSource`."""

    def __init__(self, entries: Sequence[bytes] = ()) -> None:
        self.stubs: list[bytes] = []
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.reads = 0
        self.append(entries)

    def append(self, entries: Sequence[bytes]) -> None:
        """Add entries and store the tiles that close."""
        old = len(self.stubs)
        self.stubs.extend(entries)
        for tile in closed_tiles(old, len(self.stubs), self.leaves, self.full_tile):
            self.tiles[tile.level, tile.index] = tile.hashes

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes."""
        return [leaf_hash(entry) for entry in self.stubs[start:end]]

    def full_tile(self, level: int, index: int) -> bytes | None:
        """A stored tile."""
        return self.tiles.get((level, index))

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Stored entries, counted as they are read."""
        self.reads += end - start
        return self.stubs[start:end]
