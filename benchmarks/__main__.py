"""`python -m benchmarks`: the vault beside plain SQLAlchemy, as ratios in one run.

python -m benchmarks [--quick] [--json FILE] [--only reads,batch,imports,steps] [--rounds N] [--dir DIR]
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cryptography
import msgspec
import sqlalchemy

from benchmarks import batch, harness, imports, reads, steps
from benchmarks.harness import ROUNDS
from benchmarks.world import World
from vault.model import Word

PARTS: Final = ("reads", "batch", "imports", "steps")


class Scale(Word):
    """How much is run.

    Attributes:
        borrowers: Borrowers in the vault; beside each stand a loan and a contact person.
        reads, batches, rows, profiled: Operations a run.
    """

    borrowers: int
    reads: int
    batches: int
    rows: int
    profiled: int


FULL: Final = Scale(borrowers=20_000, reads=6_400, batches=60, rows=20_000, profiled=12_800)
QUICK: Final = Scale(borrowers=3_000, reads=1_280, batches=15, rows=400, profiled=3_200)


class Result(Word):
    """What a run found, and where."""

    at: str
    machine: dict[str, str]
    scale: Scale
    load: list[float]
    tables: list[harness.Table]
    profile: steps.Profile | None
    seconds: float


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "cpu": f"{os.cpu_count()} x {_cpu()}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sqlalchemy": sqlalchemy.__version__,
        "cryptography": cryptography.__version__,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def run(scale: Scale, parts: list[str], rounds: int, folder: Path) -> Result:
    """Run the parts asked for, printing each as it ends."""
    start = time.monotonic()
    tables, profile = [], None
    with World(folder, scale.borrowers) as world:
        print(f"made {scale.borrowers:,} borrowers in {time.monotonic() - start:.1f} s", file=sys.stderr)
        if "reads" in parts:
            tables.append(reads.measure(world, scale.reads, rounds))
            print(harness.text(tables[-1]), end="\n\n", flush=True)
        if "batch" in parts:
            tables.append(batch.measure(world, scale.batches, rounds))
            print(harness.text(tables[-1]), end="\n\n", flush=True)
        if "steps" in parts:
            profile = steps.measure(world, scale.profiled)
            print(steps.text(profile), end="\n\n", flush=True)
        if "imports" in parts:
            tables.append(imports.measure(world, scale.rows, rounds))
            print(harness.text(tables[-1]), end="\n\n", flush=True)
    return Result(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        scale=scale,
        load=list(os.getloadavg()),
        tables=tables,
        profile=profile,
        seconds=time.monotonic() - start,
    )


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small vault; ends within 45 s")
    parser.add_argument("--json", type=Path, help="also write the result here")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, of " + ",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dir", type=Path, help="where to make the stores: the disk decides a commit's time")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    if not set(parts) <= set(PARTS):
        parser.error("--only takes " + ",".join(PARTS))
    with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cvault-bench-") as folder:
        result = run(QUICK if arguments.quick else FULL, parts, arguments.rounds, Path(folder))
    print(
        " · ".join(result.machine.values()), f"load {result.load[0]:.1f}", f"{result.seconds:.0f} s", sep="\n"
    )
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


if __name__ == "__main__":
    main()
