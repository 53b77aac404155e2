"""Import: rows a second, beside a plain Core insert of the same parsed rows.

A  parse with the same intake and insert into three plain tables, a commit per chunk of as many rows
B  the insert alone, of rows parsed before
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import harness
from benchmarks.harness import Contestant
from benchmarks.world import Plain, World, chunks, write_export

PARSED: Final = "plain: same parser, Core insert"
INSERT: Final = "plain: Core insert of parsed rows"
VAULT: Final = "vault: import"


class Exports:
    """A fresh export for every run, so that each one stores new borrowers."""

    def __init__(self, world: World, rows: int) -> None:
        self._folder, self._rows = world.folder, rows
        self._numbers = itertools.count(10 * len(world.ids), rows)
        self.path = Path()

    def fresh(self) -> None:
        """Write the next one."""
        start = next(self._numbers)
        self.path = write_export(self._folder / "more.csv", range(start, start + self._rows))


def measure(world: World, rows: int, rounds: int) -> harness.Table:
    """Race them over `rows` export rows a run, into stores that hold the world's borrowers already."""
    exports = Exports(world, rows)
    parsed: list[dict[str, list[dict[str, str | None]]]] = []
    plain = Plain(world.folder / "plain-import.db")
    numbers: Iterator[str] = map("y-{}".format, itertools.count())
    credential = world.credential("importer", "import")

    def parse() -> None:
        exports.fresh()
        parsed[:] = [plain.rows(drafts, numbers) for drafts in chunks(exports.path)]

    def insert() -> None:
        for part in parsed:
            with plain.engine.begin() as connection:
                plain.put(connection, part)

    def parse_and_insert() -> None:
        for drafts in chunks(exports.path):
            with plain.engine.begin() as connection:
                plain.put(connection, plain.rows(drafts, numbers))

    def vault() -> None:
        done = world.vault.writing().import_file(
            credential, exports.path, kind="borrower", report=world.folder / "report.jsonl"
        )
        if done.stored.get("borrower") != rows:
            raise RuntimeError("a benchmark import was refused")

    contestants = [
        Contestant(PARSED, rows, parse_and_insert, exports.fresh),
        Contestant(INSERT, rows, insert, parse),
        Contestant(VAULT, rows, vault, exports.fresh),
    ]
    timings = harness.race(contestants, rounds)
    plain.engine.dispose()
    return harness.Table(
        title="import of an export: a borrower, a loan and a contact person on each row",
        unit="row",
        rounds=rounds,
        baselines=[PARSED, INSERT],
        figures=harness.figures(timings, [PARSED, INSERT]),
        notes=[f"{rows} rows = {3 * rows} records a run"],
    )
