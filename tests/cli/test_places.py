"""`--out`: where files go, and that no link leads one elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Run

WRITES = [
    ("log", "pin"),
    ("log", "receipt", "0"),
    ("policy", "publish"),
    ("log", "report", "--ref", "loan:AJ00001"),
    ("log", "summary"),
]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A file that is somebody else's."""
    path = tmp_path / "elsewhere"
    path.write_text("theirs")
    return path


@pytest.mark.parametrize("words", WRITES, ids=lambda words: " ".join(words[:2]))
def test_a_link_is_never_written_through(cv: Run, elsewhere: Path, words: tuple[str, ...]) -> None:
    """Not one that leads to a file, nor one that leads nowhere yet; --force replaces the link itself."""
    out, nowhere = elsewhere.with_name("out.html"), elsewhere.with_name("nowhere")
    for target in (nowhere, elsewhere):
        out.unlink(missing_ok=True)
        out.symlink_to(target)
        assert cv(*words, "--out", out).code == 2
        assert out.is_symlink()
    assert cv(*words, "--out", out, "--force").code == 0
    assert not nowhere.exists()
    assert elsewhere.read_text() == "theirs"


def test_a_device_or_a_folder_is_nothing_to_replace(cv: Run, tmp_path: Path) -> None:
    """--force replaces files alone: a folder and a pipe stay what they are."""
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", Path("/dev/null")):
        assert cv("log", "pin", "--out", place, "--force").code == 2
    assert not Path("/dev/null").is_file()
    assert (tmp_path / "folder").is_dir()


def test_what_holds_no_person_can_be_read_by_others(cv: Run, tmp_path: Path) -> None:
    """A pin goes to others, and has the mode of any new file; a second one replaces it with --force alone."""
    plain, pin = tmp_path / "plain", tmp_path / "pin"
    plain.write_text("")
    for more in ((), ("--force",)):
        assert cv("log", "pin", "--out", pin, *more).code == 0
        assert pin.stat().st_mode == plain.stat().st_mode
    assert cv("log", "pin", "--out", pin).code == 2
