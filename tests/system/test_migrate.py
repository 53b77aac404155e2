"""A live PostgreSQL table moved in by a process that is killed: nothing lost, nothing twice, all equal."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from commands import run
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from kit import leaks

from benchmarks.world import HEADER, write_export
from vault.taking import CHUNK_ROWS

ROWS: Final = 2 * CHUNK_ROWS + 100
BAD: Final = {7, ROWS - 7}
SEALED: Final = ("客户姓名", "证件号", "手机", "银行卡号", "电子邮箱", "联系人电话")
ROOT: Final = Path(__file__).parents[2]


def encrypted(text: str) -> str:
    """As ShardingSphere's AES writes it under the key `old-secret`."""
    raw, key = text.encode(), hashlib.sha1(b"old-secret", usedforsecurity=False).digest()[:16]
    pad = 16 - len(raw) % 16
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - what it does
    return base64.b64encode(encryptor.update(raw + bytes([pad]) * pad) + encryptor.finalize()).decode()


def table(url: str, folder: Path) -> set[str]:
    """A lender's table: telephone numbers encrypted, mask and digest beside them; two rows are broken.

    Returns:
        Values of the first rows, which must not be met outside it.
    """
    lines = write_export(folder / "rows.csv", range(ROWS)).read_text("utf-8").splitlines()
    rows = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in lines[1:]]
    titles = [title for title in rows[0] if title != "手机"]
    columns = ["id", *titles, "phone_cipher", "phone_mask", "phone_assisted_query"]
    with psycopg.connect(url) as db, db.cursor() as cursor:
        made = ", ".join(f'"{name}" text' for name in columns[1:])
        cursor.execute(f"CREATE TABLE b (id bigint PRIMARY KEY, {made})")
        with cursor.copy("COPY b FROM STDIN") as copy:
            for n, row in enumerate(rows):
                cipher = "13800138000" if n in BAD else encrypted(row["手机"])
                copy.write_row([n * 7, *(row[title] for title in titles), cipher, "138****0000", "0" * 32])
    return {row[title] for row in rows[:20] for title in SEALED}


class Migration:
    """The commands, run as processes of their own."""

    def __init__(self, here: Path, url: str, canaries: set[str]) -> None:
        self.canaries = canaries
        self.folder = here / "vault"
        assert run("init", self.folder, "--sandbox").code == 0
        (here / "query.sql").write_text("SELECT * FROM b")
        (here / "old.key").write_text("old-secret\n")
        (here / "old.key").chmod(0o600)
        (here / "columns.toml").write_text(
            '[encrypted]\nphone_cipher = {target="borrower.phone", scheme="aes-ecb-sha1", key="old.key"}\n'
        )
        self.resume = here / "progress.json"
        self.words = [
            "--from-sql", url, "--query", str(here / "query.sql"), "--key", "id", "--kind", "borrower",
            "--columns", str(here / "columns.toml"),
        ]  # fmt: skip

    def start(self, verb: str, *more: str) -> subprocess.Popen[bytes]:
        """Begin a verb."""
        command = [
            sys.executable, "-m", "cli.main", "--vault", str(self.folder),
            *(["import"] if verb == "import" else ["migrate", verb]), *self.words,
            *more, "--sandbox", "--json",
        ]  # fmt: skip
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"LC_ALL": "C"},
        )

    def run(self, verb: str, *more: str) -> tuple[int, Any]:
        """A verb's exit code and document."""
        with self.start(verb, *more) as process:
            out, err = process.communicate(timeout=100)
        assert leaks(out + err, self.canaries) == []
        return process.returncode, json.loads(out or b"null")

    def killed(self, rows: int) -> None:
        """Start to import, and kill the process as soon as that many rows are done."""
        with self.start("import", "--resume", str(self.resume)) as process:
            end = time.monotonic() + 60
            while time.monotonic() < end and process.poll() is None:
                if self.resume.exists() and json.loads(self.resume.read_text())["rows"] >= rows:
                    break
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            said = process.communicate()[1]
        assert process.returncode == -signal.SIGKILL, said


@pytest.mark.timeout(180)
def test_a_killed_migration_goes_on_and_compares_equal(tmp_path: Path, pg: Callable[[], str]) -> None:
    """Killed between pages and gone on with: every row once, both broken rows reported, the rest equal."""
    url = pg()
    move = Migration(tmp_path, url, table(url, tmp_path))
    move.killed(CHUNK_ROWS)
    assert leaks(move.resume.read_bytes(), move.canaries) == []
    code, done = move.run("import", "--resume", str(move.resume))
    assert (code, done["rows"], done["rejected"]) == (6, ROWS, len(BAD))
    assert not move.resume.exists()
    report = [json.loads(line) for line in Path(done["report"]).read_text("utf-8").splitlines()[1:]]
    assert {line["row"] for line in report} == {n + 1 for n in BAD}
    with closing(sqlite3.connect(move.folder / "records.db")) as records:
        stored = records.execute("SELECT kind, count(DISTINCT record) FROM facts GROUP BY kind").fetchall()
    assert dict(stored) == dict.fromkeys(("borrower", "loan", "contact_person"), ROWS - len(BAD))
    assert run("--vault", move.folder, "log", "verify", "--sandbox").code == 0
    code, done = move.run("verify")
    assert (code, done["equal"], done["rejected"]) == (6, ROWS - len(BAD), len(BAD))
