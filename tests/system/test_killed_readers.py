"""kill -9 while reads share a commit: the log verifies, and every receipt ever handed out holds."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

import msgspec
import pytest
from kit import Made, borrowers, make_vault, reopen
from system.reader import Task

from vault.config import Stores
from vault.ledger import proof
from vault.merkle import leaf_hash

ROWS: Final = borrowers(6)
HERE: Final = Path(__file__).parent
PATIENCE: Final = 60.0
"""Seconds until a process that says nothing is given up."""

Pipe = tuple[IO[bytes], IO[bytes]]
Receipts = dict[int, str]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """To and from a process that forks readers."""
    env = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE.parents[1]}"}
    command = [sys.executable, "-W", "error", str(HERE / "reader.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout
        process.stdin.close()


def begin(tmp_path: Path, stores: Stores | None) -> tuple[Made, Task]:
    """A closed vault with six borrowers, and what is to be read."""
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    token = made.token("collector")
    task = Task(
        folder=str(made.folder), now=made.clock.now, token=token.to_json().decode(), ids=made.ids(ROWS),
        out=str(tmp_path / "receipts"),
    )  # fmt: skip
    made.vault.close()
    return made, task


def said(path: Path) -> list[tuple[int, str]]:
    """Every receipt that got out, the last line aside if the kill cut it."""
    lines = path.read_text("ascii").split("\n")[:-1] if path.exists() else []
    return [(int(index), leaf) for index, _, leaf in (line.partition(" ") for line in lines)]


def die(pipe: Pipe, task: Task, after: int, pause: float) -> None:
    """Let readers run until so many more receipts are out, and a little longer; then kill them."""
    before, until = len(said(Path(task.out))), time.monotonic() + PATIENCE
    pipe[0].write(msgspec.json.encode(task) + b"\n")
    pipe[0].flush()
    process = int(pipe[1].readline())
    while len(said(Path(task.out))) < before + after and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(pause)
    os.kill(process, signal.SIGKILL)
    assert int(pipe[1].readline()) == -signal.SIGKILL


def demand_whole(made: Made, receipts: Receipts, new: list[tuple[int, str]]) -> None:
    """The log verifies; the new receipts prove themselves, and those from before name the same leaves."""
    again = reopen(made)
    room = again.vault.auditing()
    size = room.walk().size
    assert not {index for index, _ in new} & receipts.keys(), "one place was given twice"
    receipts.update(new)
    for index, leaf in receipts.items():
        assert index < size
        assert base64.b64encode(leaf_hash(room.stub(index))).decode() == leaf
    for index, _ in new[-3:]:
        proof.check(room.receipt(index), room.stub(index), room.vkey)
    again.vault.close()


def kill_readers(tmp_path: Path, pipe: Pipe, stores: Stores | None, times: int, seed: str) -> int:
    """Kill as often as told; how many receipts were handed out."""
    dice = random.Random(seed)  # noqa: S311 - chooses where to die
    made, task = begin(tmp_path, stores)
    receipts: Receipts = {}
    for _ in range(times):
        seen = len(said(Path(task.out)))
        die(pipe, task, dice.randrange(1, 40), dice.random() * 0.005)
        demand_whole(made, receipts, said(Path(task.out))[seen:])
    return len(receipts)


def test_readers_killed_on_sqlite(tmp_path: Path, pipe: Pipe) -> None:
    """Twenty deaths."""
    assert kill_readers(tmp_path, pipe, None, 20, "1") > 100


def test_readers_killed_on_postgresql(tmp_path: Path, pipe: Pipe, pg: Callable[[], str]) -> None:
    """Eight deaths; the server lives, and rolls back what was under way."""
    stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    assert kill_readers(tmp_path, pipe, stores, 8, "2") > 40


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_five_hundred_readers_killed(tmp_path: Path, pipe: Pipe, capsys: pytest.CaptureFixture[str]) -> None:
    """Five hundred deaths on one log."""
    count = kill_readers(tmp_path, pipe, None, 500, os.environ.get("CVAULT_SEED", "1"))
    with capsys.disabled():
        sys.stdout.write(f"\n500 deaths of readers survived; {count} receipts hold\n")
