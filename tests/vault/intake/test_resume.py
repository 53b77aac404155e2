"""Progress files: whole or not there, sealed, bound to their import; and reports that go on with them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import pytest

from vault.crypto.wrap import WrappingKey
from vault.errors import Invalid, Tampered, Unavailable
from vault.intake.report import Mark, Report
from vault.intake.resume import Progress, ResumeFile
from vault.intake.rows import Rejection

KEY = WrappingKey(bytes(32))
ONE = Progress(
    position="text:110101199003074610", rows=400, counts={"borrower": 398, "unchanged": 1},
    report="/r.jsonl", mark=Mark(size=100, count=1),
)  # fmt: skip


def saved(folder: Path) -> Path:
    """A progress file."""
    path = folder / "progress.json"
    ResumeFile(path, KEY, "a" * 64).save(ONE)
    return path


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    """Private, without the position in clear; another save replaces it, and the end removes it."""
    path = saved(tmp_path)
    file = ResumeFile(path, KEY, "a" * 64)
    assert file.progress == ONE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"19900307" not in path.read_bytes()
    assert "1990" not in repr(file.progress)
    file.save(msgspec.structs.replace(ONE, rows=800))
    again = ResumeFile(path, KEY, "a" * 64)
    assert again.progress is not None
    assert again.progress.rows == 800
    file.finish()
    assert list(tmp_path.iterdir()) == []
    assert ResumeFile(path, KEY, "a" * 64).progress is None


def test_another_import_is_refused(tmp_path: Path) -> None:
    """Another query, key column, kind or columns file: it must not go on from here."""
    with pytest.raises(Invalid) as caught:
        ResumeFile(saved(tmp_path), KEY, "b" * 64)
    assert caught.value.code == "invalid_resume"


@pytest.mark.parametrize(
    "change", [{"rows": 401}, {"counts": {}}, {"report": "/x"}, {"mark": {"size": 1, "count": 0}}]
)
def test_an_edited_file_is_noticed(tmp_path: Path, change: dict[str, object]) -> None:
    """Position, row, counts and report belong together."""
    path = saved(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Tampered):
        ResumeFile(path, KEY, "a" * 64)
    with pytest.raises(Tampered):
        ResumeFile(saved(tmp_path), WrappingKey(b"k" * 32), "a" * 64)


@pytest.mark.parametrize("text", ["", "{}", "x", '{"format":"other"}'])
def test_what_is_no_progress_file_is_refused(tmp_path: Path, text: str) -> None:
    """It is not written over either."""
    path = tmp_path / "p"
    path.write_text(text)
    with pytest.raises(Invalid):
        ResumeFile(path, KEY, "a" * 64)
    whole = json.loads(saved(tmp_path).read_text())
    path.write_text(json.dumps(whole | {"format": "cvault/import-progress/v2"}))
    with pytest.raises(Invalid, match="another version"):
        ResumeFile(path, KEY, "a" * 64)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The import stops rather than go on without a way back."""
    with pytest.raises(Unavailable) as caught:
        ResumeFile(tmp_path / "none" / "p", KEY, "a" * 64).save(ONE)
    assert caught.value.field == "resume"


def rejection(number: int) -> Rejection:
    """A row refused."""
    return Rejection(row=number, field="row", code="invalid_row", message="m", remedy="r")


def lines(path: Path) -> list[int]:
    """The rows that a report names."""
    return [json.loads(line)["row"] for line in path.read_text("utf-8").splitlines()[1:]]


def interrupted(path: Path) -> Mark:
    """A report that was marked after two rows, written on, and left by a failure."""
    marks: list[Mark] = []

    def run() -> None:
        with Report(path, {"kind": "borrower"}, lasting=True) as report:
            report.add([rejection(1), rejection(1)])
            report.add([rejection(2)])
            marks.append(report.mark())
            report.add([rejection(3)])
            raise KeyError

    with pytest.raises(KeyError):
        run()
    return marks[0]


def test_a_report_goes_on_from_its_mark(tmp_path: Path) -> None:
    """What was written after the mark is written again, once; the count goes on."""
    path = tmp_path / "r.jsonl"
    mark = interrupted(path)
    assert not path.exists()
    with Report(path, {}, lasting=True, mark=mark) as report:
        report.add([rejection(3)])
        report.add([rejection(4)])
    assert lines(path) == [1, 1, 2, 3, 4]
    assert report.count == 4
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_already_in_place_is_gone_on_with(tmp_path: Path) -> None:
    """Killed between its last act and the end of the import."""
    path = tmp_path / "r.jsonl"
    mark = interrupted(path)
    with Report(path, {}, lasting=True, mark=mark):
        pass
    with Report(path, {}, lasting=True, mark=mark):
        pass
    assert lines(path) == [1, 1, 2]


def test_a_report_that_is_gone_is_said(tmp_path: Path) -> None:
    """Rather than a report that hides the first rejections."""
    path = tmp_path / "r.jsonl"
    mark = interrupted(path)
    (tmp_path / ".r.jsonl.part").write_bytes(b"short")
    with pytest.raises(Invalid) as caught:
        Report(path, {}, lasting=True, mark=mark)
    assert caught.value.code == "invalid_resume"
