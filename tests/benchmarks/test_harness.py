"""The benchmarks' arithmetic; nothing here is timed."""

from __future__ import annotations

from functools import partial

import pytest

from benchmarks import harness
from benchmarks.harness import Contestant, Timing


def runs(*walls: float) -> list[Timing]:
    """Timings with these wall times."""
    return [Timing(wall=wall, cpu=wall / 2) for wall in walls]


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """Load that slows a whole round leaves the ratio alone; the ratio of medians would not."""
    timings = {"mine": runs(2.0, 30.0, 4.0), "plain": runs(1.0, 10.0, 4.0)}
    assert harness.ratio(timings, "mine", "plain") == pytest.approx(2.0)


def test_figures_name_median_span_and_both_ratios() -> None:
    """µs, operations per second, and throughput as the inverse of time."""
    timings = {"mine": runs(3e-6, 1e-6, 2e-6), "plain": runs(1.5e-6, 0.5e-6, 1e-6)}
    mine, plain = harness.figures(timings, ["plain"])
    assert (mine.wall_us, mine.low_us, mine.high_us) == pytest.approx((2.0, 1.0, 3.0))
    assert mine.cpu_us == pytest.approx(1.0)
    assert mine.per_second == pytest.approx(500_000)
    assert mine.time_ratio["plain"] == pytest.approx(2.0)
    assert mine.throughput_ratio["plain"] == pytest.approx(0.5)
    assert mine.cpu_ratio["plain"] == pytest.approx(2.0)
    assert plain.throughput_ratio["plain"] == pytest.approx(1.0)


def test_rounds_rotate_who_goes_first_and_warm_up_uncounted() -> None:
    """Every contestant runs once a round after one warm-up, and each goes first in turn."""
    seen: list[str] = []
    contestants = [Contestant(name, 1, partial(seen.append, name)) for name in "abc"]
    timings = harness.race(contestants, rounds=3)
    assert "".join(seen) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(found) for name, found in timings.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_timing_is_per_operation_and_leaves_preparing_out() -> None:
    """The same run counted as ten operations is a tenth as long each."""
    steps: list[str] = []
    contestant = Contestant("a", 10, lambda: steps.append("run"), lambda: steps.append("prepare"))
    timing = harness.timed(contestant)
    assert steps == ["prepare", "run"]
    assert 0 < timing.wall < 0.1


def test_the_text_shows_every_denominator_by_name() -> None:
    """No ratio is printed without what it is a ratio to."""
    timings = {"mine": runs(2e-6), "plain": runs(1e-6)}
    table = harness.Table(
        title="reads",
        unit="read",
        rounds=1,
        baselines=["plain"],
        figures=harness.figures(timings, ["plain"]),
        notes=["a note"],
    )
    lines = harness.text(table).splitlines()
    assert lines[0] == "reads (1 rounds)"
    assert lines[2].startswith("mine")
    assert lines[2].split()[-2:] == ["0.50", "2.00"]
    assert "  A = plain" in lines
    assert lines[-1] == "  a note"
