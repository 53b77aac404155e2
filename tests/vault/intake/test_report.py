"""The rejection report: whole or not there, private, one line each."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from vault.errors import Unavailable
from vault.intake import Rejection, Report

ONE = Rejection(row=3, field="borrower.phone", code="invalid_phone", message="手机: no", remedy="mend it")


def test_report_lines(tmp_path: Path) -> None:
    """A header line with format and facts, then a line for each rejection; rows are counted once."""
    path = tmp_path / "report.jsonl"
    with Report(path, {"kind": "borrower", "unknown": ["星座"]}) as report:
        report.add([ONE, ONE])
        report.add([])
        report.add([Rejection(row=4, field="row", code="invalid_row", message="m", remedy="r")])
    header, *lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert header == {"format": "cvault/import-report/v1", "kind": "borrower", "unknown": ["星座"]}
    assert [line["row"] for line in lines] == [3, 3, 4]
    assert set(lines[0]) == {"row", "field", "code", "message", "remedy"}
    assert report.count == 2
    assert report.path.is_absolute()


def test_report_is_private(tmp_path: Path) -> None:
    """Only its owner reads it."""
    path = tmp_path / "report.jsonl"
    with Report(path, {}):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failed_import_leaves_the_old_report(tmp_path: Path) -> None:
    """A report is replaced only by a complete one, and no part is left lying about."""
    path = tmp_path / "report.jsonl"
    path.write_text("old")

    def fail() -> None:
        with Report(path, {}) as report:
            report.add([ONE])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_report_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is not there is said before any row is stored."""
    with pytest.raises(Unavailable) as caught:
        Report(tmp_path / "none" / "report.jsonl", {})
    assert caught.value.field == "report"
