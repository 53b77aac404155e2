"""`python -m benchmarks.million`: as many rows as a lender has, taken in whole, then again under ten deaths.

python -m benchmarks.million [ROWS] [--kills 10] [--seed S] [--dir DIR] [--json FILE]

One export of ROWS borrowers (1,000,000 unless given), no two alike, is imported by a process of its own,
which is sampled while it works. A second vault with the same keys takes in the same file in a process that is
killed with SIGKILL at random moments and begun again from the first row: every other time the whole process
group, else the importing process alone, whose helper must end by itself. In the end each vault must hold what
the file says and nothing else: the same multiset of kind, external id, values, cases, anchors, state and
version; the log verifies, nothing is pending, and samples are found by telephone and ID number.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.__main__ import machine
from benchmarks.processes import alive, children, resident, worked
from benchmarks.world import columns_of, ref, write_export
from vault.access.tokens import Credential, Limits
from vault.config import STORES
from vault.identity import Identity
from vault.intake import open_export
from vault.keeping import PENDING_LIFE
from vault.model import Draft, Word
from vault.opening import Opener
from vault.taking import ImportOptions
from vault.tenancy import Tenancy
from vault.vault import Vault

STEP: Final = 100_000
"""Rows between two lines of the table."""
PAGE: Final = 1_000
"""Records opened at a time."""
SAMPLES: Final = 50
"""Borrowers looked for by each field: searches are capped by the day."""
DATED: Final = date(2026, 3, 1)
"""The day that days overdue count back from, so that two runs on two days agree."""
LAST_GASP: Final = 10.0
"""Seconds a helper whose importing process died may take to end."""
TABLES: Final = {
    "payloads": "records", "facts": "records", "secrets": "keys", "latest": "keys", "subjects": "keys",
    "blind": "index", "attributes": "index",
}  # fmt: skip
KINDS: Final = 3
"""Records of a row: a borrower, a loan, a contact person."""


class Sample(Word):
    """An import at one moment.

    Attributes:
        rows: Rows behind it.
        seconds: Since its process started.
        importer, helper: Resident set of either process, MiB; 0 where there is none.
        cpu: CPU seconds of both so far, which other work on the machine hardly moves.
        stores: File sizes with their write-ahead logs, MiB, by store.
    """

    rows: int
    seconds: float
    importer: int
    helper: int
    cpu: float
    stores: dict[str, int]


class Ran(Word):
    """What became of one importing process: its samples, and its result unless it was killed."""

    samples: list[Sample]
    seconds: float
    done: dict[str, Any] | None


class State(Word):
    """What a vault or a file holds: records by kind, and a digest over the sorted digests of all of them."""

    kinds: dict[str, int]
    digest: str


# --- the process that imports -------------------------------------------------------------------------


def work(folder: Path, file: Path, *, resume: bool) -> None:
    """Import the file with the token on stdin; say how far it is after every chunk, and the result."""
    credential = Credential.from_json(sys.stdin.buffer.read())

    def say(what: object) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    with Vault.open(folder) as vault:
        done = vault.writing().import_file(
            credential, file, kind="borrower", report=folder / "report.jsonl",
            options=ImportOptions(dated=DATED), counted=say,
            resume=folder / "progress.json" if resume else None,
        )  # fmt: skip
    say(msgspec.to_builtins(done))


# --- the importing process, seen from outside ----------------------------------------------------------


def sizes(folder: Path) -> dict[str, int]:
    """Size of each store with its write-ahead log, MiB."""
    return {name: sum(p.stat().st_size for p in folder.glob(f"{name}.db*")) >> 20 for name in STORES}


def header() -> str:
    """What the columns of the table are; rates are those since the line before, sizes MiB."""
    stores = " ".join(f"{name:>8}" for name in STORES)
    return f"{'rows':>10} {'s':>7} {'rows/s':>7} {'CPU µs/row':>10} {'importer':>9} {'helper':>7} {stores}"


def line(before: Sample, sample: Sample) -> str:
    """A sample as a line of the table."""
    more = sample.rows - before.rows
    rate, cpu = more / (sample.seconds - before.seconds), (sample.cpu - before.cpu) / more * 1e6
    stores = " ".join(f"{sample.stores[name]:8,}" for name in STORES)
    pace = f"{sample.rows:10,} {sample.seconds:7.0f} {rate:7.0f} {cpu:10.0f}"
    return f"{pace} {sample.importer:9} {sample.helper:7} {stores}"


class Importing:
    """Importing processes of one vault, one after another."""

    def __init__(
        self, folder: Path, file: Path, credential: Credential, *, shown: bool = False, resume: bool = False
    ) -> None:
        """Set up; `shown` prints a line of the table for every sample, `resume` goes on where one died."""
        self._more = ["--resume"] if resume else []
        self._folder, self._file, self._shown = folder, file, shown
        self._token = credential.to_json()

    def run(self, *, kill_at: int | None = None, delay: float = 0.0, whole: bool = True) -> Ran:
        """Start from the first row.

        Args:
            kill_at: Kill it once so many rows are behind it; None lets it end.
            delay: Seconds it is given after that, so that it dies anywhere within a chunk.
            whole: Kill its process group; else the importing process alone.

        Raises:
            RuntimeError: It failed, or left a process behind.
        """
        command = [sys.executable, "-m", "benchmarks.million", "--work", str(self._folder), str(self._file)]
        command += self._more
        start, samples, said = time.monotonic(), list[Sample](), None
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(self._token)
            process.stdin.close()
            for word in process.stdout:
                said = json.loads(word)
                if not isinstance(said, int):
                    continue
                if said // STEP != (samples[-1].rows if samples else 0) // STEP or not samples:
                    samples.append(self._sample(process.pid, said, time.monotonic() - start))
                    if self._shown:
                        print(line(*samples[-2:]) if samples[1:] else header(), flush=True)
                if kill_at is not None and said >= kill_at:
                    time.sleep(delay)
                    self._kill(process, whole=whole)
                    return Ran(samples=samples, seconds=time.monotonic() - start, done=None)
        if process.returncode != 0 or not isinstance(said, dict):
            raise RuntimeError(f"the import ended with {process.returncode}")
        return Ran(samples=samples, seconds=time.monotonic() - start, done=said)

    def _sample(self, pid: int, rows: int, seconds: float) -> Sample:
        helpers = children(pid)
        return Sample(
            rows=rows, seconds=seconds, importer=resident(pid),
            helper=max(map(resident, helpers), default=0), cpu=sum(map(worked, [pid, *helpers])),
            stores=sizes(self._folder),
        )  # fmt: skip

    @staticmethod
    def _kill(process: subprocess.Popen[bytes], *, whole: bool) -> None:
        helpers = children(process.pid)
        if whole:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        until = time.monotonic() + LAST_GASP
        while left := [pid for pid in helpers if alive(pid)]:
            if time.monotonic() > until:
                raise RuntimeError(f"a helper outlived its import: {left}")
            time.sleep(0.01)


# --- what there is in the end ---------------------------------------------------------------------------


def _digest(draft: Draft, cases: Iterable[str], state: str, version: int) -> bytes:
    anchors = {name: day for name, day in draft.anchors.items() if name != "imported_on"}
    text = msgspec.json.encode(
        [draft.kind, draft.ref, draft.values, sorted(cases), anchors, state, version], order="sorted"
    )
    return hashlib.sha256(text).digest()


def _state(found: Iterable[tuple[str, bytes]]) -> State:
    kinds: Counter[str] = Counter()
    digests = []
    for kind, digest in found:
        kinds[kind] += 1
        digests.append(digest)
    digests.sort()
    return State(kinds=dict(sorted(kinds.items())), digest=hashlib.sha256(b"".join(digests)).hexdigest())


def of_file(file: Path, t: Tenancy) -> State:
    """What a vault must hold once it has the file."""
    export = open_export(file, t.schema, kind="borrower", today=t.today(), dated=DATED)

    def found() -> Iterator[tuple[str, bytes]]:
        for row in export.rows():
            for draft in row.drafts:
                yield draft.kind, _digest(draft, t.preparer.handles(draft), "ACTIVE", 1)

    return _state(found())


def of_vault(t: Tenancy) -> State:
    """What a vault holds, every record opened."""
    opener = Opener(t)

    def found() -> Iterator[tuple[str, bytes]]:
        after = ""
        while records := t.stores.keys.records(t.name, after, PAGE):
            after = records[-1]
            for draft, held in opener.drafts(records).values():
                yield draft.kind, _digest(draft, held.facts.cases, held.facts.state, held.row.version)

    return _state(found())


def counts(folder: Path) -> dict[str, int]:
    """Rows by table, and how many secrets are pending."""
    asked = {table: (store, f"SELECT count(*) FROM {table}") for table, store in TABLES.items()}
    asked["pending"] = ("keys", "SELECT count(*) FROM secrets WHERE status = 'pending'")
    found = {}
    for name, (store, query) in asked.items():
        with closing(sqlite3.connect(folder / f"{store}.db")) as connection:
            found[name] = int(connection.execute(query).fetchone()[0])
    return found


def look_for(vault: Vault, identity: Identity, numbers: list[int]) -> None:
    """Find borrowers by telephone and by ID number, each alone and as itself.

    Raises:
        RuntimeError: One is not found, or not alone.
    """
    token = vault.granting().issue(identity, role="legal", purpose="legal_action")
    for number in numbers:
        row = columns_of(number)
        for field, title in (("phone", "手机"), ("id_number", "证件号")):
            items = vault.reading().find(token, field=field, value=row[title]).items
            if [item.ref for item in items] != [ref(number)]:
                raise RuntimeError(f"borrower {number} is not found by {field}")


def check(name: str, vault: Vault, identity: Identity, expected: State, numbers: list[int]) -> dict[str, int]:
    """Compare a vault with what it must hold, once what a dead process left behind may be swept.

    Raises:
        RuntimeError: It holds something else, or a search goes wrong.
    """
    vault.writing().sweep()
    start = time.monotonic()
    if (state := of_vault(vault.tenancy())) != expected:
        raise RuntimeError(f"{name} holds something else than the file: {state} not {expected}")
    opened = time.monotonic()
    entries = vault.auditing().walk().size
    look_for(vault, identity, numbers)
    rows = counts(vault.config.folder)
    print(
        f"{name}: {state.kinds} as in the file, digest {state.digest[:16]}, opened in {opened - start:.0f} s;"
        f" log of {entries:,} entries verifies; {len(numbers)} found by telephone and ID number; rows {rows}",
        flush=True,
    )
    if rows["pending"]:
        raise RuntimeError("secrets are still pending")
    return rows


# --- the run --------------------------------------------------------------------------------------------


def killed(importing: Importing, rows: int, kills: int, dice: random.Random, *, resume: bool) -> None:
    """Import, dying `kills` times on the way, each time begun again; and once more, when nothing is new."""
    for number in range(kills):
        at = rows * number // kills + dice.randrange(rows // kills)
        ran = importing.run(kill_at=at, delay=dice.uniform(0, 1.5), whole=number % 2 == 0)
        who = "group" if number % 2 == 0 else "importer"
        print(f"  death {number + 1}: {who} killed past {at:,} rows after {ran.seconds:.0f} s", flush=True)
    ran = importing.run()
    print(f"  the end: {ran.seconds:.0f} s, {_short(ran)}", flush=True)
    if resume:
        return
    ran = importing.run()
    fresh = sum((ran.done or {})["stored"].values())
    print(f"  once more: {rows / ran.seconds:.0f} unchanged rows/s, {_short(ran)}", flush=True)
    if fresh or (ran.done or {})["unchanged"] != KINDS * rows:
        raise RuntimeError("an import of what is there already was not idempotent")


def _short(ran: Ran) -> dict[str, Any]:
    return {name: (ran.done or {}).get(name) for name in ("rows", "stored", "unchanged", "rejected")}


def run(folder: Path, rows: int, kills: int, seed: str, *, resume: bool) -> list[Ran]:
    """Make the file and the vaults, import, die, compare; with `resume` the deaths alone, gone on from."""
    file = write_export(folder / "rows.csv", range(rows))
    print(f"{rows:,} rows, {file.stat().st_size >> 20} MiB, seed {seed}", flush=True)
    vault, identity = Vault.init(folder / "whole", sandbox=True)
    long = Limits(ttl_us=12 * 3_600_000_000)
    credential = vault.granting().issue(identity, role="importer", purpose="import", limits=long)
    vault.close()
    shutil.copytree(folder / "whole", folder / "killed")
    dice = random.Random(seed)  # noqa: S311 - chooses where to die
    numbers = dice.sample(range(rows), min(SAMPLES, rows))

    if resume:
        killed(Importing(folder / "killed", file, credential, resume=True), rows, kills, dice, resume=True)
        time.sleep(PENDING_LIFE / 1_000_000 + 1)
        with Vault.open(folder / "killed") as vault:
            check("killed", vault, identity, of_file(file, vault.tenancy()), numbers)
        return []
    ran = Importing(folder / "whole", file, credential, shown=True).run()
    print(f"uninterrupted: {ran.seconds:.0f} s, {rows / ran.seconds:.0f} rows/s, {_short(ran)}", flush=True)
    with Vault.open(folder / "whole") as vault:
        expected = of_file(file, vault.tenancy())
        if expected.kinds.get("borrower") != rows:
            raise RuntimeError("rows of the file are refused")
        whole = check("uninterrupted", vault, identity, expected, numbers)
    if kills:
        killed(Importing(folder / "killed", file, credential), rows, kills, dice, resume=False)
        time.sleep(PENDING_LIFE / 1_000_000 + 1)
        with Vault.open(folder / "killed") as vault:
            rest = check("killed", vault, identity, expected, numbers)
        more = {name: rest[name] - whole[name] for name in whole if rest[name] != whole[name]}
        print(f"rows more than without deaths: {more or 'none'}")
    return [ran]


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", default=os.environ.get("CVAULT_SEED", "1"))
    parser.add_argument(
        "--resume", action="store_true", help="the deaths alone, each gone on from where it was"
    )
    parser.add_argument("--dir", type=Path, help="where to make the stores: the disk decides a commit's time")
    parser.add_argument("--json", type=Path, help="also write the uninterrupted import's samples here")
    parser.add_argument("--work", type=Path, nargs=2, metavar=("VAULT", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(*arguments.work, resume=arguments.resume)
        return
    with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cvault-million-") as folder:
        ran = run(Path(folder), arguments.rows, arguments.kills, arguments.seed, resume=arguments.resume)
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(ran)) + b"\n")
    print(" · ".join(machine().values()), f"load {os.getloadavg()[0]:.1f}", sep="\n")


if __name__ == "__main__":
    main()
