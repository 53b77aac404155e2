"""Runs every harness in this folder, two at a time, and keeps corpora and findings in `.ci/fuzz`.

    CVAULT_FUZZ_SECONDS=60 python tests/fuzz/run.py [NAME…]

Exits 1 if anything was found; the inputs are in `.ci/fuzz/found`, and are checked first the next time.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
import checks  # noqa: E402  found by the line above

HERE = Path(__file__).parent
PLACE = HERE.parents[1] / ".ci" / "fuzz"


def run(name: str) -> int:
    """Fuzz one kind of input and return the harness's exit code."""
    corpus, found = PLACE / "corpus" / name, PLACE / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    for seed in [*checks.seeds(name), *(path.read_bytes() for path in found.glob(f"{name}-*"))]:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    # A harness counts CPU seconds; the limit in wall time is for one that hangs.
    wall = 4 * int(os.environ.get("CVAULT_FUZZ_SECONDS", "600"))
    done = subprocess.run(
        [
            sys.executable, str(HERE / f"fuzz_{name}.py"), str(corpus), f"-artifact_prefix={found}/{name}-",
            f"-max_total_time={wall}", "-timeout=30", "-rss_limit_mb=3000", "-max_len=65536", "-verbosity=0",
            "-print_final_stats=0",
        ],
        check=False,
    )  # fmt: skip
    return done.returncode


def main() -> int:
    """Run the harnesses named, or all."""
    names = sys.argv[1:] or list(checks.CHECKS)
    with ThreadPoolExecutor(2) as pool:
        codes = dict(zip(names, pool.map(run, names), strict=True))
    for name, code in codes.items():
        print(f"{name}: {'ok' if code == 0 else f'found something (exit {code})'}")  # noqa: T201  this is a command
    return int(any(codes.values()))


if __name__ == "__main__":
    sys.exit(main())
