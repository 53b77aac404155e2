"""`python -m benchmarks.questions`: every question of an auditor, on logs of up to five million entries.

python -m benchmarks.questions [--sizes 10000,1000000] [--rounds 5] [--postgres] [--dir DIR] [--json FILE]

The log is made up and put in plainly, many rows a statement: a year of entries by 200 actors, of whom a few
read most (Zipf), with roles, purposes, refusals, clear views and nights as a lender might have them. No stub
is a real one and no body opens, so these are the times of what the ledger store does for a question: ranges,
indexes, counts and rows fetched. What a line costs besides, opening its body, stands in docs/questions.md.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from benchmarks.__main__ import machine
from benchmarks.cases import ledger
from vault.model import Word
from vault.stores.asking import PAGE, Asked, LogTable
from vault.stores.hot import Rows
from vault.stores.ledger import LedgerStore
from vault.stores.rows import LogHead
from vault.stores.schema import BLOCK, entries, lookups, marks
from vault.stores.tallies import HOUR, Tallies, Which

TENANT: Final = "main"
DAYS: Final = 365
BEGAN: Final = 490_000
"""Hours since 1970 at which the log begins: midnight in Asia/Shanghai, of a day in November 2025."""
EARLY, LATE = 0.05, 0.95
"""Where in a day's entries the working day begins and ends."""
ACTORS: Final = [f"p-{n:03}" for n in range(200)]
WEIGHTS: Final = list(accumulate(1 / (n + 1) for n in range(len(ACTORS))))
REASONS: Final = ("field_denied", "call_cap", "role_denied")
PARTS: Final = 20_000
LOOKED: Final = 50_000


class Timed(Word):
    """One question on one log: ms, median and extremes, and how many rows or words it answered."""

    question: str
    size: int
    ms: float
    low: float
    high: float
    answers: int


class Result(Word):
    """What a run found, and where; seconds to make a log and to tally it, by size."""

    machine: dict[str, str]
    engine: str
    rounds: int
    made: dict[int, float]
    tallied: dict[int, float]
    checked: dict[int, float]
    tallies: dict[int, int]
    figures: list[Timed]


def rows(size: int) -> Iterator[tuple[Any, ...]]:
    """Entries in the order of the table's columns, by an hour's weight: busy days, quiet nights."""
    chance = random.Random(1)  # noqa: S311 - made-up entries
    for idx in range(size):
        t = _instant(idx / size)
        actor = chance.choices(ACTORS, cum_weights=WEIGHTS)[0]
        number = int(actor[2:])
        role = ("collector", "case_desk", "dialer", "legal")[number % 4] if number else "collector"
        purpose = {"legal": "legal_action", "dialer": "phone_collection"}.get(role, "repayment_reminder")
        luck = chance.random()
        kind, outcome, reason = "read", "ok", ""
        if luck < 0.03:
            kind, outcome, reason = (
                "deny",
                "denied",
                chance.choice(("field_denied", "call_cap", "role_denied")),
            )
        elif luck < 0.08:
            kind = "search"
        shown = kind == "read"
        clear = 12 if shown and role == "legal" and luck < 0.5 else 0
        yield (
            TENANT, idx, b"%0170d" % idx, chance.randbytes(16), t, kind, actor, role, purpose, "borrower",
            3 if shown else 0, clear, outcome, reason, "0123456789abcdef", f"{number:016x}", b"s" * 16,
            b"d" * 32, b"r" * 16, idx // BLOCK,
        )  # fmt: skip


def _instant(part: float) -> int:
    """The instant (µs UTC) of an entry this far into the year: nine in ten between 08:00 and 22:00."""
    day, at = divmod(part * DAYS, 1)
    if at < EARLY:
        hour = at / EARLY * 8
    elif at < LATE:
        hour = 8 + (at - EARLY) / (LATE - EARLY) * 14
    else:
        hour = 22 + (at - LATE) / (1 - LATE) * 2
    return int((BEGAN + day * 24 + hour) * HOUR)


def fill(store: LedgerStore, size: int) -> None:
    """Put the entries in, with the head, some marks and the values of a year's searches."""
    left, put = rows(size), Rows(entries)
    while part := list(islice(left, PARTS)):
        with store.transaction(TENANT) as tx:
            put.put(tx._session, part)  # noqa: SLF001 - the table as it is, beside what the vault would write
    chance = random.Random(2)  # noqa: S311 - made-up digests
    looked = [
        (TENANT, chance.randbytes(16), f"day {n % 365}", "borrower.phone", b"%032d" % n)
        for n in range(LOOKED)
    ]
    marked = [(TENANT, "no_case", idx) for idx in range(0, size, 997)]
    with store.transaction(TENANT) as tx:
        Rows(lookups).put(tx._session, looked)  # noqa: SLF001 - as above
        Rows(marks).put(tx._session, marked)  # noqa: SLF001 - as above
        tx.set_head(LogHead(tenant=TENANT, size=size, edge=b"", last_t=0, registry=b"", mac=b"m"))
    session = store.db.session()
    if not session.lite:
        session.change("ANALYZE")


def questions(store: LedgerStore, size: int) -> dict[str, Callable[[], int]]:
    """Each question with what it answers, counted."""
    counts = Tallies(store, TENANT)
    month = {"since": (BEGAN + 4000) * HOUR, "until": (BEGAN + 4720) * HOUR}

    def walk(asked: Asked, limit: int | None = 100, **bounds: int) -> int:
        table = LogTable(store.db.session(), TENANT)
        span = table.span(bounds.get("since"), bounds.get("until"), size)
        return sum(1 for _ in islice(table.walk(asked, span, min(limit or PAGE, PAGE)), limit))

    def sums(by: tuple[str, ...], which: Which, **bounds: int) -> int:
        return len(counts.sums(by, which, bounds.get("since"), bounds.get("until")))

    def clear_fields() -> int:
        table = LogTable(store.db.session(), TENANT)
        span = table.span(month["since"], month["until"], size)
        return sum(table.clear_views("borrower", span).values())

    def looked_up() -> int:
        return len(
            LogTable(store.db.session(), TENANT).looked_up(
                "borrower.phone", [b"%032d" % (n * 101) for n in range(365)]
            )
        )

    reads = Which(kind="read", refused=False)
    rare, newest = ACTORS[-1], {"newest_first": True}
    return {
        "list, newest 100": lambda: walk(Asked(**newest)),  # type: ignore[arg-type]
        "list --actor, one who reads most, 100": lambda: walk(Asked(actor=ACTORS[0])),
        "list --actor --all, one who reads little": lambda: walk(Asked(actor=rare), None),
        "list --purpose, 100 of a month": lambda: walk(Asked(purpose="legal_action"), **month),
        "list --role, newest 100": lambda: walk(Asked(role="legal", newest_first=True)),
        "list --kind search, 100 of a month": lambda: walk(Asked(kind="search"), **month),
        "list --reason call_cap, 100 of a month": lambda: walk(Asked(reason="call_cap"), **month),
        "list --outcome denied, newest 100": lambda: walk(Asked(outcome="denied", newest_first=True)),
        "list --field borrower.id_number --clear, 100 of a month": lambda: walk(
            Asked(about="borrower", bits=4, view="clear"), **month
        ),
        "list --view clear, newest 100": lambda: walk(Asked(view="clear", newest_first=True)),
        "list --token-prefix --actor, 100": lambda: walk(Asked(actor=rare, token=f"{199:016x}"[:8])),
        "no-case, a month, all": lambda: walk(Asked(mark="no_case"), None, **month),
        "looked-up, a year's days": looked_up,
        "refusals, a month": lambda: sums(("reason", "outcome"), Which(refused=True), **month),
        "refusals, all": lambda: sums(("reason", "outcome"), Which(refused=True)),
        "top, a month": lambda: sums(("actor",), reads, **month),
        "top, all": lambda: sums(("actor",), reads),
        "off-hours, a month": lambda: sums(("hour", "actor"), reads, **month),
        "summary: the month's reads": lambda: sums(("hour", "actor", "view"), reads, **month),
        "summary: fields in clear": clear_fields,
    }


def measure(store: LedgerStore, size: int, rounds: int, result: Result) -> None:
    """Make a log of this size, tally it, ask everything."""
    store.create()
    began = time.perf_counter()
    fill(store, size)
    result.made[size] = time.perf_counter() - began
    counts, began = Tallies(store, TENANT), time.perf_counter()
    counts.catch_up(size)
    result.tallied[size] = time.perf_counter() - began
    began = time.perf_counter()
    if counts.differing():
        raise RuntimeError("the tallies are not what the log says")
    result.checked[size] = time.perf_counter() - began
    result.tallies[size] = len(counts.sums(("hour", "actor", "kind", "reason", "view"), Which(), None, None))
    for name, ask in questions(store, size).items():
        found, times = ask(), []
        for _ in range(rounds):
            began = time.perf_counter()
            ask()
            times.append((time.perf_counter() - began) * 1000)
        figure = Timed(
            question=name, size=size, ms=median(times), low=min(times), high=max(times), answers=found
        )
        result.figures.append(figure)
        print(f"{size:>9,}  {figure.ms:>9,.2f} ms  {found:>7,}  {name}", flush=True)


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__)
    parser.add_argument("--sizes", default="10000,1000000,5000000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    parser.add_argument("--dir", type=Path, help="where to make the ledgers; 5,000,000 entries take 5 GB")
    parser.add_argument("--json", type=Path, help="also write the result here")
    arguments = parser.parse_args()
    engine = "postgresql" if arguments.postgres else "sqlite"
    result = Result(
        machine=machine(), engine=engine, rounds=arguments.rounds, made={}, tallied={}, checked={},
        tallies={}, figures=[],
    )  # fmt: skip
    for size in map(int, arguments.sizes.split(",")):
        with (
            tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cv-") as folder,
            ledger(Path(folder), postgres=arguments.postgres) as store,
        ):
            measure(store, size, arguments.rounds, result)
        made, tallied, checked = result.made[size], result.tallied[size], result.checked[size]
        print(f"{size:,} entries: made in {made:.1f} s, tallied in {tallied:.1f} s,", end=" ")
        print(f"{result.tallies[size]:,} counts, checked in {checked:.1f} s", flush=True)
    print(" · ".join(result.machine.values()), f"load {os.getloadavg()[0]:.1f}", sep="\n")
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


if __name__ == "__main__":
    main()
