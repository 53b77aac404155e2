"""Receipts on the command line: with a disclosure, by index, made anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import PHONE, Run

from vault.ledger import proof
from vault.ledger.note import VKey


@pytest.fixture
def vkey(cv: Run) -> VKey:
    """The log's key, as an outsider has it."""
    return VKey.parse(cv("log", "vkey").out.strip())


def proved(path: Path, vkey: VKey) -> tuple[int, int]:
    """A receipt checked by itself with the key alone: the entry's index, and the size of the log."""
    text = path.read_text("utf-8")
    found = proof.Proof.parse(text)
    return found.index, proof.check(text, found.extra, vkey).size


def test_every_disclosure_can_bring_its_receipts(cv: Run, tmp_path: Path, vkey: VKey) -> None:
    """`read` and `find` write a file for each record they show, named by its entry."""
    found = cv("find", "--field", "phone", "--receipts", tmp_path / "r", "--json", stdin=PHONE).json
    refs = ("--ref", "borrower:AJ00001", "--ref", "borrower:AJ00002", "--ref", "borrower:none")
    read = cv("read", *refs, "--receipts", tmp_path / "r", "--json")
    assert read.code == 6
    shown = [item["receipt"]["index"] for item in found["items"] + read.json["items"]]
    assert len(shown) == 3
    assert {path.name for path in (tmp_path / "r").iterdir()} == {f"{i}.tlog-proof" for i in shown}
    assert {proved(path, vkey)[0] for path in (tmp_path / "r").iterdir()} == set(shown)


def test_receipts_spoil_nothing(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """A file in the folder's place is refused before anything is read; a receipt that is there stays."""
    (tmp_path / "f").write_text("mine")
    size = cv("status", "--json").json["log"]["size"]
    read = ("read", "--ref", "borrower:AJ00001", "--receipts")
    assert cv(*read, tmp_path / "f").code == 2
    assert cv("status", "--json").json["log"]["size"] == size
    folder = tmp_path / "r"
    folder.mkdir()
    for index in range(size + 9):
        (folder / f"{index}.tlog-proof").write_text("another log's")
    assert cv(*read, folder).code == 0
    (new,) = folder.glob("*.2.tlog-proof")
    assert new.read_text("utf-8").startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert {p.read_text("utf-8") for p in folder.iterdir() if p != new} == {"another log's"}


def test_several_entries_at_once(cv: Run, tmp_path: Path, vkey: VKey) -> None:
    """By index into a folder; what is there is replaced with --force alone."""
    given = ("log", "receipt", 0, 2, "--dir", tmp_path / "r")
    done = cv(*given, "--json").json
    assert [item["index"] for item in done["items"]] == [0, 2]
    assert [proved(Path(item["file"]), vkey)[0] for item in done["items"]] == [0, 2]
    assert cv(*given).code == 2
    assert cv(*given, "--force").code == 0
    assert cv("log", "receipt", 0, 2, "--json").json["items"][1]["proof"].startswith("c2sp.org/")
    for wrong in (("0", "2", "--out", tmp_path / "x"), ("x",), ("-1",), ("٣",), ("1.5",)):
        assert cv("log", "receipt", *wrong).code == 2


def test_made_anew_in_place(cv: Run, tmp_path: Path, vkey: VKey) -> None:
    """Files are replaced by receipts of the same entries in the longer log."""
    cv("log", "receipt", 0, 2, "--dir", tmp_path / "r")
    paths = sorted((tmp_path / "r").iterdir())
    before = [proved(path, vkey) for path in paths]
    assert cv("read", "--ref", "borrower:AJ00001").code == 0
    done = cv("log", "receipt", "--refresh", *paths, "--json").json
    after = [proved(path, vkey) for path in paths]
    assert [index for index, _ in after] == [index for index, _ in before] == [0, 2]
    assert all(new > old for (_, old), (_, new) in zip(before, after, strict=True))
    assert [item["size"] for item in done["items"]] == [size for _, size in after]
    assert cv("log", "receipt", "--refresh", paths[0], "--out", tmp_path / "x").code == 2
    assert cv("log", "receipt", "--refresh", tmp_path / "none").code == 2


def test_a_rewritten_log_is_5(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """A receipt of an entry that the log no longer has, and one that doesn't verify: 5, left as they are."""
    path = tmp_path / "r"
    cv("log", "receipt", 2, "--out", path)
    kept = path.read_bytes()
    bad = tmp_path / "bad"
    bad.write_bytes(kept.replace(b"index 2", b"index 1"))
    assert cv("log", "receipt", "--refresh", bad).code == 5
    bad.write_bytes(b"\xff")
    assert cv("log", "receipt", "--refresh", bad).code == 5
    with closing(sqlite3.connect(sandbox / "ledger.db")) as ledger:
        ledger.execute("UPDATE entries SET stub = (SELECT stub FROM entries WHERE idx = 1) WHERE idx = 2")
        ledger.commit()
    failed = cv("log", "receipt", "--refresh", path, "--json")
    assert (failed.code, failed.error["index"]) == (5, 2)
    assert path.read_bytes() == kept
