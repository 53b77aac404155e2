"""`log sample` on the command line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from commands import Run, run

from vault.ledger import sampling


@pytest.fixture
def seed(cv: Run, tmp_path: Path) -> Path:
    """A checkpoint of the log, as printed."""
    path = tmp_path / "cp"
    path.write_text(cv("log", "checkpoint").out, "utf-8")
    return path


def test_anybody_draws_the_same(cv: Run, seed: Path) -> None:
    """The file alone says which entries: the command adds their lines."""
    said = cv("log", "sample", 4, "--seed-from", seed, "--json").json
    drawn = sampling.draw(seed.read_bytes(), said["size"], 4)
    assert [item["index"] for item in said["items"]] == said["strata"][0]["indices"] == drawn
    told = cv("log", "sample", 4, "--seed-from", seed)
    assert "alone signed" in told.err
    assert str(drawn[0]) in told.out


def test_a_sheet_to_review_on(cv: Run, seed: Path, tmp_path: Path) -> None:
    """A row for each entry with its stratum, and two empty columns for the reviewer; 0600."""
    sheet = tmp_path / "s.csv"
    given = ("log", "sample", 2, "--seed-from", seed, "--stratify", "role", "--sheet", sheet)
    said = cv(*given, "--json").json
    assert sheet.stat().st_mode & 0o777 == 0o600
    head, *rows = csv.reader(io.StringIO(sheet.read_text("utf-8-sig")))
    assert head[:2] == ["stratum", "index"]
    assert head[-2:] == ["verdict", "remark"]
    assert [int(row[1]) for row in rows] == [item["index"] for item in said["items"]]
    assert [row[0] for row in rows] == [p["name"] for p in said["strata"] for _ in p["indices"]]
    assert {tuple(row[-2:]) for row in rows} == {("", "")}
    assert cv(*given).code == 2
    assert cv(*given, "--force", LC_ALL="zh_CN.UTF-8").code == 0
    assert sheet.read_text("utf-8-sig").startswith("分层,序号,")


def test_slips_and_forgeries(cv: Run, sandbox: Path, seed: Path, tmp_path: Path) -> None:
    """A count or stratum that can't be is 2; a checkpoint that isn't this log's is 5; no token, no sample."""
    for wrong in (("0",), ("10001",), ("3", "--stratify", "actor")):
        assert cv("log", "sample", *wrong, "--seed-from", seed).code == 2
    other = tmp_path / "other"
    other.write_text(seed.read_text("utf-8").replace("\n", "\n1", 1), "utf-8")
    assert cv("log", "sample", 3, "--seed-from", other).code == 5
    other.write_bytes(b"\xff\n")
    assert cv("log", "sample", 3, "--seed-from", other).code == 2
    assert run("--vault", sandbox, "log", "sample", 3, "--seed-from", seed).code == 2
    denied = cv(
        "log", "sample", 3, "--seed-from", seed, "--role", "legal", "--purpose", "legal_action", "--json"
    )
    assert (denied.code, denied.error["code"]) == (3, "role_denied")
