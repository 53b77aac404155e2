"""`python -m benchmarks.verify`: the auditor's check of an exported log beside bare hashing.

python -m benchmarks.verify [--entries 1000000] [--rounds 7] [--dir DIR]

*Hashes alone*: in memory, `sha256(0x00 || stub)` of every stub, then the tree above, in pairs; no files, no
checks. *cvault-verify tree*: reads every file, and checks every stub, time, counter, tile and the root. The
memory is that of a process of its own, at its highest.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from benchmarks import harness
from benchmarks.__main__ import machine
from benchmarks.harness import ROUNDS, Contestant
from cli import verify
from vault.crypto.sign import SigningKey
from vault.ledger import checkpoint, export, stub
from vault.ledger.checkpoint import Checkpoint
from vault.ledger.note import VKey
from vault.ledger.tiles import closed_tiles
from vault.merkle import Frontier, leaf_hash

ORIGIN: Final = "bench.example/log"
START: Final = 1_763_877_600_000_000
PEAK: Final = """
import atexit, re, sys
from cli import verify
from pathlib import Path
found = lambda: re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text("ascii"))
atexit.register(lambda: print(found()[1], file=sys.stderr))
verify.main(sys.argv[1:])
"""
"""A check that says its highest resident memory, KiB, as it ends."""


class Made:
    """A log in memory, as the exporter takes it."""

    def __init__(self, stubs: Sequence[bytes]) -> None:
        self.stubs = stubs
        self.hashes = [leaf_hash(one) for one in stubs]
        self.tiles: dict[tuple[int, int], bytes] = {}
        for tile in closed_tiles(0, len(stubs), lambda start, end: self.hashes[start:end], self.full_tile):
            self.tiles[tile.level, tile.index] = tile.hashes

    def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """Leaf hashes."""
        return self.hashes[start:end]

    def full_tile(self, level: int, index: int) -> bytes | None:
        """A complete tile."""
        return self.tiles.get((level, index))

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Stubs."""
        return self.stubs[start:end]


def make(folder: Path, count: int) -> list[bytes]:
    """Export a log of reads by one node; its stubs."""
    draw = random.Random(1)  # noqa: S311  any bytes do
    stubs = [
        stub.encode(
            stub.Stub(
                c=stub.pack(draw.randbytes(32)), g=stub.pack(draw.randbytes(16)), i=index + 1, k="read",
                n="n1", r=stub.pack(draw.randbytes(16)), t=START + 900 * index,
            )
        )
        for index in range(count)
    ]  # fmt: skip
    key, frontier = SigningKey.from_seed(bytes(32)), Frontier()
    frontier.append_many(map(leaf_hash, stubs))
    signed = checkpoint.sign(Checkpoint(origin=ORIGIN, size=count, root=frontier.root()), key)
    export.export(folder, Made(stubs), count, signed)
    (folder / "log.vkey").write_text(VKey(name=ORIGIN, public=key.public).text() + "\n", "ascii")
    return stubs


def bare(stubs: Sequence[bytes]) -> bytes:
    """The floor: every leaf, and every pair above, with nothing checked."""
    level = [sha256(b"\0" + one).digest() for one in stubs]
    while len(level) > 1:
        above = [sha256(b"\1" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        level = above + level[len(level) & ~1 :]
    return level[0]


def check(folder: Path) -> dict[str, object]:
    """The whole check, in this process."""
    trust = verify.Trust([verify.vkey((folder / "log.vkey").read_text("ascii").strip(), 1)], {}, [], [])
    return verify.Walk(str(folder), trust).run([])


def peak(folder: Path) -> float:
    """MiB that the check needs at most, in a process of its own (Linux)."""
    command = [sys.executable, "-c", PEAK, "tree", str(folder)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return int(done.stderr.split()[-1]) / 1024


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--dir", type=Path, help="where to export the log: the disk decides how fast files are read"
    )
    arguments = parser.parse_args()
    count: int = arguments.entries
    with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cv-") as folder:
        stubs = make(Path(folder), count)
        contestants = [
            Contestant("hashes alone", count, lambda: bare(stubs)),
            Contestant("cvault-verify tree", count, lambda: check(Path(folder))),
        ]
        timings = harness.race(contestants, arguments.rounds)
        highest = peak(Path(folder))
    table = harness.Table(
        title=f"A log of {count:,} entries, checked",
        unit="entry",
        rounds=arguments.rounds,
        baselines=["hashes alone"],
        figures=harness.figures(timings, ["hashes alone"]),
        notes=[f"{highest:.0f} MiB at most, in a process of its own"],
    )
    print(harness.text(table))
    print(" · ".join(machine().values()), f"load {os.getloadavg()[0]:.1f}", sep="\n")


if __name__ == "__main__":
    main()
