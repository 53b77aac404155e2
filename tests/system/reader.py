"""A process that forks readers which are to be killed: each says every receipt as soon as it has it.

A JSON line on stdin is a task; the fork reads from many threads, so that reads share commits, until it dies.
"""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import msgspec
from kit import FrozenClock

from vault.access.tokens import Credential
from vault.vault import Vault

THREADS = 8


class Task(msgspec.Struct):
    """What to read, and the file to which receipts are written: `index leaf`, one a line."""

    folder: str
    now: int
    token: str
    ids: list[str]
    out: str


def read(vault: Vault, task: Task, first: int, out: int) -> None:
    """Read one record after another, for ever; a receipt is said in one write, whole or not at all."""
    token, room = Credential.from_json(task.token.encode()), vault.reading()
    for ident in cycle(task.ids[first:] + task.ids[:first]):
        for item in room.read(token, [ident]).items:
            os.write(out, f"{item.receipt.index} {item.receipt.leaf}\n".encode())


def child(task: Task) -> None:
    """The process that will die."""
    clock = FrozenClock(datetime.fromtimestamp(task.now / 1_000_000, UTC))
    vault = Vault.open(Path(task.folder), clock=clock)
    out = os.open(task.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    threads = [
        threading.Thread(target=read, args=(vault, task, n % len(task.ids), out)) for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Fork for each task; tell the fork's number, and wait for its end when told the next."""
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        process = os.fork()
        if process == 0:
            try:
                child(task)
            finally:
                os._exit(1)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
