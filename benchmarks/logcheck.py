"""`python -m benchmarks.logcheck`: `cvault log verify` and the opening of bodies, beside bare hashing.

python -m benchmarks.logcheck [--entries 100000] [--borrowers 5000] [--rounds 5] [--dir DIR]

The log is real: reads of borrowers drawn at random, 64 at a time, by the vault itself. *Hashes alone* is that
of benchmarks/verify.py over the same stubs. Bodies are opened in the log's order and with the
place kept, as `log export --bodies` does; at last the log secrets of a tenth of the people are taken away,
as erasures do, and all bodies opened once more.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import harness
from benchmarks.__main__ import machine
from benchmarks.harness import Contestant, Timing
from benchmarks.verify import bare
from benchmarks.world import World
from vault.disclosing import PAGE
from vault.stores.rows import EntryRow
from vault.stores.tallies import Tallies
from vault.unsealing import Place, Unsealer

READ: Final = 64


def fill(world: World, count: int) -> int:
    """Read until the log has this many entries; its size."""
    reading, credential = world.vault.reading(), world.credential()
    idents = world.sample(count)
    for at in range(0, count, READ):
        reading.read(credential, idents[at : at + READ])
    size = world.vault.auditing().walk().size
    Tallies(world.vault.stores.ledger, "main").catch_up(size)
    return size


class Bodies:
    """Opens the log's bodies, page by page."""

    def __init__(self, world: World, size: int) -> None:
        self._store = world.vault.stores.ledger
        self._unsealer = Unsealer(world.vault.tenancy())
        self._size = size
        self.opened = 0

    def _pages(self) -> Iterator[list[EntryRow]]:
        for start in range(0, self._size, PAGE):
            yield self._store.entries("main", start, PAGE)

    def rows(self) -> None:
        """Fetch the entries alone."""
        for _ in self._pages():
            pass

    def open(self) -> None:
        """Open all that opens."""
        place = Place()
        self.opened = sum(len(self._unsealer.payloads(page, place)) for page in self._pages())


def take_away(world: World, part: int) -> None:
    """Delete the log secret of one person in `part`."""
    base = sqlite3.connect(world.folder / "vault" / "keys.db")
    with base:
        base.execute(f"DELETE FROM subjects WHERE rowid / 2 % {part:d} = 0")
    base.close()


def measure(world: World, size: int, rounds: int) -> list[harness.Table]:
    """Race the checks, then the opening before and after people are gone."""
    room, bodies = world.vault.auditing(), Bodies(world, size)
    stubs = world.vault.stores.ledger.stubs("main", 0, size)
    contestants = [
        Contestant("hashes alone", size, lambda: bare(stubs)),
        Contestant("log verify: the walk", size, room.walk),
        Contestant("log verify: the counts", size, room.check_tallies),
        Contestant("fetch the entries alone", size, bodies.rows),
    ]
    timings = harness.race(contestants, rounds)
    opening: dict[str, list[Timing]] = {}
    opening["everybody is here"] = [harness.timed(Contestant("", size, bodies.open)) for _ in range(2)]
    before = bodies.opened
    take_away(world, 10)
    opening["a tenth is gone"] = [harness.timed(Contestant("", size, bodies.open)) for _ in range(2)]
    note = f"{before:,} bodies open, {bodies.opened:,} after a tenth of the people is gone"
    return [
        _table(f"A log of {size:,} entries, checked by its vault", rounds, timings, "hashes alone", []),
        _table("Every body of it, opened", 2, opening, "everybody is here", [note]),
    ]


def _table(
    title: str, rounds: int, timings: dict[str, list[Timing]], base: str, notes: list[str]
) -> harness.Table:
    return harness.Table(
        title=title, unit="entry", rounds=rounds, baselines=[base],
        figures=harness.figures(timings, [base]), notes=notes,
    )  # fmt: skip


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logcheck", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--borrowers", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="where to make the vault")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cv-") as folder,
        World(Path(folder), arguments.borrowers) as world,
    ):
        size = fill(world, arguments.entries)
        for table in measure(world, size, arguments.rounds):
            print(harness.text(table))
    print(" · ".join(machine().values()), f"load {os.getloadavg()[0]:.1f}", sep="\n")


if __name__ == "__main__":
    main()
