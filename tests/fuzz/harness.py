"""Runs one check under atheris until its share of CPU seconds is spent (`CVAULT_FUZZ_SECONDS`)."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
with atheris.instrument_imports(include=["vault"]):
    import checks


def main(name: str) -> None:
    """Fuzz the check called `name`; atheris ends the process at the first finding."""
    check = checks.CHECKS[name]
    end = time.process_time() + float(os.environ.get("CVAULT_FUZZ_SECONDS", "600"))
    count = 0

    def one_input(data: bytes) -> None:
        nonlocal count
        count += 1
        if time.process_time() > end:
            print(f"{name}: {count} inputs, nothing found", flush=True)  # noqa: T201  this is a command
            os._exit(0)
        check(data)

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
