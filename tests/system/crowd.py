"""Many callers at once: threads from one starting line, and processes on the same vault."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
from kit import Made
from system.worker import Task

from vault.access.tokens import Credential
from vault.errors import VaultError

THREADS: Final = 32


PROCESSES: Final = 4


HERE: Final = Path(__file__).parent


def outcome(verb: Callable[[], object]) -> str:
    """`ok`, or the code of the refusal."""
    try:
        found = verb()
    except VaultError as error:
        return error.code
    if isinstance(found, BaseException):
        return type(found).__name__
    errors = getattr(found, "errors", ())
    return errors[0].code if errors else "ok"


def together(verbs: Sequence[Callable[[], object]]) -> Counter[str]:
    """Run all at once, each from the same starting line, in threads."""
    line = threading.Barrier(min(THREADS, len(verbs)))

    def run(mine: Sequence[Callable[[], object]]) -> list[str]:
        line.wait()
        return [outcome(verb) for verb in mine]

    with ThreadPoolExecutor(line.parties) as pool:
        parts = [verbs[n :: line.parties] for n in range(line.parties)]
        return Counter(said for part in pool.map(run, parts) for said in part)


def apart(made: Made, *tasks: Task) -> Counter[str]:
    """Run each task in a process of its own, all at once; what came of all of them."""
    env = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE.parents[1]}"}
    command = [sys.executable, "-W", "error", str(HERE / "worker.py")]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) for _ in tasks
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
    for child, task in zip(children, tasks, strict=True):
        assert child.stdin is not None
        child.stdin.write(msgspec.json.encode(task) + b"\n")
        child.stdin.flush()
    came: Counter[str] = Counter()
    for child in children:
        out, _ = child.communicate(timeout=100)
        assert child.returncode == 0
        came.update(msgspec.json.decode(out.splitlines()[-1], type=dict[str, int]))
    return came


def task(made: Made, do: str, token: Credential, items: Sequence[str], **more: object) -> Task:
    """A task on this vault at this instant."""
    said = {
        "folder": str(made.folder), "now": made.clock.now, "do": do, "token": token.to_json().decode(),
        "items": list(items),
    }  # fmt: skip
    return msgspec.convert(said | more, Task)
