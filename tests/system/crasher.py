"""A process that dies on purpose: it forks for each task, and the fork is killed at the step it is told.

Tasks come as JSON lines on stdin, each answered by one line: the steps that were reached. A step is a call
of a store's or the key provider's writing verb, or a commit of the ledger. The product knows nothing of this:
the verbs are wrapped here, from outside.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from kit import FrozenClock

from vault import recovering
from vault.access.tokens import Credential
from vault.examining import Examiner
from vault.identity import Identity
from vault.model import Hold
from vault.pinning import Pins
from vault.vault import Vault

VERBS = {
    "keys": (
        "put_pending", "confirm", "pend_facts", "confirm_facts", "sweep_pending", "add_shelf", "move_shelf",
        "rewrap", "rewrap_subjects", "add_epoch", "update_epoch", "raise_generation", "truncate",
    ),
    "records": ("insert", "put_facts", "drop_facts", "delete", "delete_versions", "truncate"),
    "index": ("put", "delete", "truncate"),
}  # fmt: skip


class Task(msgspec.Struct):
    """What to do and where to die.

    Attributes:
        do: `import`, `read`, `purge`, `hold`, `schema`, `recover` or `nothing`.
        die: Before which step, counted from 0; beyond the last means not at all.
        out: A file to which every released disclosure's entry is written, one index a line.
        args: The import file; or the ids; or the plan; or the own schema's text; or the admin and a folder.
    """

    folder: str
    now: int
    do: str
    token: str
    args: list[str]
    die: int
    out: str


class Steps:
    """Counts the steps and dies before the one it was told."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.met = 0
        self.out = os.open(task.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, line: str) -> None:
        """Put a line where it survives the process."""
        os.write(self.out, f"{line}\n".encode())

    def step(self, name: str) -> None:
        """One step is about to happen."""
        if self.met == self.task.die:
            os.kill(os.getpid(), signal.SIGKILL)
        self.say(f"step {name}")
        self.met += 1

    def wrap(self, thing: Any, name: str, shown: str) -> None:
        """Make a method a step."""
        method: Callable[..., Any] = getattr(thing, name)

        @functools.wraps(method)
        def stepped(*given: Any, **named: Any) -> Any:
            self.step(shown)
            return method(*given, **named)

        setattr(thing, name, stepped)

    def watch(self, vault: Vault) -> None:
        """Wrap every verb that writes."""
        stores = vault.stores
        for store, verbs in VERBS.items():
            for verb in verbs:
                self.wrap(getattr(stores, store), verb, f"{store}.{verb}")
        for verb in ("create_epoch", "destroy_epoch", "replace_tenant"):
            self.wrap(vault.provider, verb, f"provider.{verb}")
        self.wrap(stores.ledger.db, "leave", "ledger.commit")
        self.wrap(recovering, "write_private", "file")
        self.wrap(recovering, "sync_folder", "mark gone")
        self.wrap(Examiner, "write_evidence", "evidence")
        self.wrap(Pins, "replace", "pin")


def act(vault: Vault, task: Task, steps: Steps) -> None:
    """Do the task; what was released is said at once."""
    token = Credential.from_json(task.token.encode())
    if task.do == "import":
        path = Path(task.args[0])
        report = path.with_suffix(".jsonl")
        vault.writing().import_file(token, path, kind="borrower", report=report)
    elif task.do == "read":
        for ident in task.args:
            for item in vault.reading().read(token, [ident]).items:
                steps.say(f"out {item.receipt.index}")
        for item in vault.reading().list_records(token, kind="loan").items:
            steps.say(f"out {item.receipt.index}")
    else:
        administer(vault, task, token)
    steps.say("done")


def administer(vault: Vault, task: Task, token: Credential) -> None:
    """The tasks of those who look after the vault."""
    if task.do == "purge":
        vault.erasing().execute(token, task.args[0], yes=True)
    elif task.do == "plan":
        vault.erasing().plan(token, as_of=date(2032, 1, 1))
    elif task.do == "hold":
        hold = Hold(number="H-9", authority="法院", until="2050-01-01")
        vault.erasing().add_hold(token, task.args, hold)
    elif task.do == "recover":
        identity, evidence = Identity.from_json(task.args[0].encode()), Path(task.args[1])
        vault.auditing().recover(identity, reason="put back", evidence=evidence)
    elif task.do == "schema":
        vault.resealing(task.args[0]).apply(token)


def child(task: Task) -> None:
    """The process that may die."""
    clock = FrozenClock(datetime.fromtimestamp(task.now / 1_000_000, UTC))
    vault = Vault.open(Path(task.folder), clock=clock)
    steps = Steps(task)
    steps.watch(vault)
    act(vault, task, steps)


def main() -> None:
    """Serve tasks until stdin ends."""
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        process = os.fork()
        if process == 0:
            code = 1
            try:
                child(task)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
