"""How everything here is timed: in rounds, side by side, and reported as ratios.

Each round runs every contestant once, a few seconds apart at most, in an order that rotates; the collector of
cycles is off while a contestant runs. A ratio is the median of the rounds' own ratios, so that load which
comes and goes on the machine hits both sides of it. Absolute times are for orientation only.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, NamedTuple

from vault.model import Word

ROUNDS: Final = 7
"""Rounds at least: below that a median is an anecdote."""


class Contestant(NamedTuple):
    """One way of doing the work.

    Attributes:
        name: What the table calls it.
        operations: How many operations one `run` does; the unit of every figure.
        run: Does them.
        prepare: Done before each run and not timed.
    """

    name: str
    operations: int
    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None


class Timing(Word):
    """One run: seconds per operation on the wall and of this process's CPU (its kernel work included)."""

    wall: float
    cpu: float


class Figure(Word):
    """One contestant's result over all rounds.

    Attributes:
        wall_us, low_us, high_us: µs per operation: median, least, most.
        cpu_us: µs of CPU per operation, median.
        per_second: Operations per second at the median.
        time_ratio: Median of the rounds' ratios of time to each baseline's; above 1 is slower than it.
        throughput_ratio: The same of throughput; above 1 is faster than the baseline.
        cpu_ratio: The same of CPU time, which other load on the machine's disk and cores hardly moves.
    """

    name: str
    wall_us: float
    low_us: float
    high_us: float
    cpu_us: float
    per_second: float
    time_ratio: dict[str, float]
    throughput_ratio: dict[str, float]
    cpu_ratio: dict[str, float]


class Table(Word):
    """A race's figures, with what they are figures of."""

    title: str
    unit: str
    rounds: int
    baselines: list[str]
    figures: list[Figure]
    notes: list[str]


def timed(contestant: Contestant) -> Timing:
    """Run a contestant once, the collector of cycles off."""
    contestant.prepare()
    gc.collect()
    gc.disable()
    try:
        cpu, wall = time.process_time(), time.perf_counter()
        contestant.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    finally:
        gc.enable()
    return Timing(wall=wall / contestant.operations, cpu=cpu / contestant.operations)


def race(contestants: Sequence[Contestant], rounds: int = ROUNDS) -> dict[str, list[Timing]]:
    """Time every contestant in every round, in rotating order; a first, untimed round warms all up."""
    timings: dict[str, list[Timing]] = {contestant.name: [] for contestant in contestants}
    for contestant in contestants:
        timed(contestant)
    for number in range(rounds):
        for place in range(len(contestants)):
            contestant = contestants[(number + place) % len(contestants)]
            timings[contestant.name].append(timed(contestant))
    return timings


def ratio(timings: dict[str, list[Timing]], name: str, baseline: str) -> float:
    """How many times a baseline's time a contestant takes: the median of the rounds' own ratios."""
    pairs = zip(timings[name], timings[baseline], strict=True)
    return median(mine.wall / other.wall for mine, other in pairs)


def cpu_ratio(timings: dict[str, list[Timing]], name: str, baseline: str) -> float:
    """As `ratio`, of CPU time."""
    pairs = zip(timings[name], timings[baseline], strict=True)
    return median(mine.cpu / other.cpu for mine, other in pairs)


def figures(timings: dict[str, list[Timing]], baselines: Sequence[str]) -> list[Figure]:
    """Every contestant's figures, with its ratios to each baseline."""
    made = []
    for name, runs in timings.items():
        walls = [run.wall for run in runs]
        made.append(
            Figure(
                name=name,
                wall_us=median(walls) * 1e6,
                low_us=min(walls) * 1e6,
                high_us=max(walls) * 1e6,
                cpu_us=median(run.cpu for run in runs) * 1e6,
                per_second=1 / median(walls),
                time_ratio={base: ratio(timings, name, base) for base in baselines},
                throughput_ratio={base: 1 / ratio(timings, name, base) for base in baselines},
                cpu_ratio={base: cpu_ratio(timings, name, base) for base in baselines},
            )
        )
    return made


def text(table: Table) -> str:
    """A table as plain text; a column of throughput ratios for each baseline."""
    width = max(len(figure.name) for figure in table.figures)
    head = f"{'':{width}}  {'µs/' + table.unit:>14}  {'min..max':>17}  {'CPU µs':>8}  {table.unit + '/s':>11}"
    names = [chr(ord("A") + n) for n in range(len(table.baselines))]
    marks = [f"{'x ' + name:>6}" for name in names] + [f"{'CPU/' + name:>6}" for name in names]
    lines = [f"{table.title} ({table.rounds} rounds)", "  ".join([head, *marks])]
    for figure in table.figures:
        span = f"{figure.low_us:,.1f}..{figure.high_us:,.1f}"
        wall = f"{figure.name:{width}}  {figure.wall_us:>14,.1f}  {span:>17}"
        cells = [f"{wall}  {figure.cpu_us:>8,.1f}  {figure.per_second:>11,.0f}"]
        cells += [f"{figure.throughput_ratio[base]:>6.2f}" for base in table.baselines]
        cells += [f"{figure.cpu_ratio[base]:>6.2f}" for base in table.baselines]
        lines.append("  ".join(cells))
    lines += [f"  {chr(ord('A') + n)} = {base}" for n, base in enumerate(table.baselines)]
    lines.append(
        "  x = throughput beside that denominator, same run: above 1 is faster; CPU/ = CPU time beside it"
    )
    return "\n".join([*lines, *(f"  {note}" for note in table.notes)])
