"""One process of several on the same vault: does what a JSON line on stdin says, prints what came of it."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from kit import FrozenClock

from vault.access.tokens import Credential
from vault.errors import VaultError
from vault.vault import Vault


class Task(msgspec.Struct):
    """What to do: `read` the ids one by one, `find` the values, or `import` a file; `times` over."""

    folder: str
    now: int
    do: str
    token: str
    items: list[str]
    times: int = 1
    fields: list[str] | None = None


def act(vault: Vault, task: Task, item: str) -> str:
    """One request; `ok`, or the code it was refused with."""
    token = Credential.from_json(task.token.encode())
    fields = tuple(task.fields) if task.fields is not None else None
    try:
        if task.do == "read":
            found = vault.reading().read(token, [item], fields=fields)
            return found.errors[0].code if found.errors else "ok"
        if task.do == "find":
            vault.reading().find(token, field="phone", value=item)
        else:
            report = Path(item).with_suffix(f".{id(task)}.jsonl")
            done = vault.writing().import_file(token, Path(item), kind="borrower", report=report)
            return "ok" if not done.rejected else "rejected"
    except VaultError as error:
        return error.code
    return "ok"


def main() -> None:
    """Say that everything is loaded, wait for the task, which is also the sign to begin, and do it."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    clock = FrozenClock(datetime.fromtimestamp(task.now / 1_000_000, UTC))
    with Vault.open(Path(task.folder), clock=clock) as vault:
        came = Counter(act(vault, task, item) for _ in range(task.times) for item in task.items)
    sys.stdout.write(msgspec.json.encode(came).decode() + "\n")


if __name__ == "__main__":
    main()
