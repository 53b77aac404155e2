"""`cvault log recover`: what it says, what it asks for, and the drill of docs/recover.md."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import run
from desk import Desk

DOCS = Path(__file__).parents[2] / "docs"


def test_the_drill_goes_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Command by command, each with the exit code that stands behind it."""
    monkeypatch.chdir(tmp_path)
    (drill,) = re.findall(r"```console\n(.*?)```", (DOCS / "recover.md").read_text("utf-8"), re.DOTALL)
    lines = [line.removeprefix("$ ") for line in drill.splitlines()]
    assert len(lines) > 12
    for line in lines:
        command, _, note = line.partition("#")
        words = shlex.split(command)
        wanted = re.search(r"exits (\d+)", note)
        if words[0] == "cvault":
            assert run(*words[1:]).code == (int(wanted[1]) if wanted else 0), line
        else:
            subprocess.run(words, check=True)
    assert (tmp_path / "evidence/checkpoint").exists()
    assert not (tmp_path / "more").exists()


def test_the_dry_run_says_what_is_missing(sandbox: Path, tmp_path: Path) -> None:
    """In JSON and in both languages; the error of a stopped vault names the entry and the remedy."""
    shutil.copy(sandbox / "ledger.db", tmp_path / "old.db")
    before = run("--vault", sandbox, "status", "--json").json["log"]["size"]
    assert run("--vault", sandbox, "log", "list", "--sandbox").code == 0
    shutil.copy(tmp_path / "old.db", sandbox / "ledger.db")
    stopped = run("--vault", sandbox, "log", "verify", "--json")
    assert (stopped.code, stopped.error["code"]) == (5, "integrity")
    assert f"entries {before} to" in stopped.error["message"]
    assert "cvault log recover" in stopped.error["remedy"]
    said = run("--vault", sandbox, "log", "recover", "--json").json
    assert (said["size"], said["missing"], said["whole"]) == (
        before,
        [before, said["pinned_size"] - 1],
        False,
    )
    assert [check["name"] for check in said["checks"] if not check["ok"]] == ["pin"]
    english = run("--vault", sandbox, "log", "recover")
    chinese = run("--vault", sandbox, "log", "recover", LC_ALL="zh_CN.UTF-8")
    assert f"{before}–{said['pinned_size'] - 1}" in english.out
    assert "Nothing was changed" in english.err
    assert "尚未作任何更改" in chinese.err


def test_what_it_needs_is_asked_for(sandbox: Path, tmp_path: Path) -> None:
    """A reason and a folder; and something to recover."""
    for given in ([], ["--reason", "x"], ["--evidence", tmp_path / "e"]):
        assert run("--vault", sandbox, "log", "recover", "--yes", "--sandbox", *given).code == 2
    full = ("--reason", "x", "--evidence", tmp_path / "e")
    assert run("--vault", sandbox, "log", "recover", "--yes", *full).code == 2
    whole = run("--vault", sandbox, "log", "recover", "--yes", "--sandbox", *full, "--json")
    assert (whole.code, whole.error["code"]) == (2, "invalid_recovery")


def test_two_people_recover(desk: Desk, tmp_path: Path) -> None:
    """Out of the box it takes a second principal file; the new key is said, the old one kept."""
    folder = desk.folder
    old = (folder / "log.vkey").read_text()
    shutil.copy(folder / "ledger.db", tmp_path / "old.db")
    added = run(
        "--vault", folder, "principal", "add", "--name", "x", "--role", "collector", "--as",
        folder / "admin.principal",
    )  # fmt: skip
    assert added.code == 0
    shutil.copy(tmp_path / "old.db", folder / "ledger.db")
    ask = (
        "--vault", folder, "log", "recover", "--yes", "--as", folder / "admin.principal", "--reason", "x",
        "--evidence", tmp_path / "e", "--json",
    )  # fmt: skip
    assert run(*ask).error["code"] == "approval_required"
    second = next(path for path in folder.glob("*.principal") if "approver" in path.name)
    done = run(*ask, "--second", second)
    assert done.code == 0
    assert (folder / "log.vkey.1").read_text() == old
    assert (folder / "log.vkey").read_text().strip() == done.json["vkey"]
    assert json.loads((tmp_path / "e/found.json").read_text())["origin"] == done.json["closed"]
    assert run("--vault", folder, "log", "verify").code == 0


def test_doctor_says_where_nothing_is_pinned(sandbox: Path) -> None:
    """A missing pin is worth knowing and no error."""
    (sandbox / "keys/main.checkpoint").unlink()
    found = run("--vault", sandbox, "doctor", "--json")
    assert found.code == 0
    assert [f["level"] for f in found.json["findings"] if f["check"] == "pin"] == ["info"]
