"""Reports and the log's balance on the command line."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from commands import PHONE, Run, run
from desk import Desk
from reportcheck import check

COUNTS = {
    "entries", "pruned", "without_subject", "explained", "orphans_declared", "unexplained", "missing",
    "first",
}  # fmt: skip


def test_a_report_is_written_for_one_person(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """By id or reference, in either language; a file of one's own, that proves itself by the public key."""
    record = cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"][0]["record"]
    out = tmp_path / "report.html"
    said = cv("log", "report", "--subject", record, "--out", out, "--json").json
    assert said.keys() == {"file", "entries", "series", "index", "size", "first", "last"}
    assert said["file"] == str(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    vkey = cv("log", "vkey").out.strip()
    found = check(out.read_bytes(), vkey)
    assert max(one["index"] for one in found["entries"]) == said["index"]
    again = cv(
        "log", "report", "--ref", "borrower:AJ00001", "--lang", "en", "--out", out, "--force", "--json"
    )
    assert (again.json["entries"], again.json["series"]) == (said["entries"] + 1, 2)
    assert b'<html lang="en">' in out.read_bytes()


def test_what_is_said_is_in_the_reader_s_language(cv: Run, tmp_path: Path) -> None:
    """The notes name the file, in Chinese where the locale is; a copy with cases is marked as not theirs."""
    out = tmp_path / "r.html"
    assert str(out) in cv("log", "report", "--ref", "borrower:AJ00001", "--out", out).err
    said = cv(
        "log", "report", "--ref", "borrower:AJ00001", "--out", tmp_path / "z.html", LC_ALL="zh_CN.UTF-8"
    )
    assert "请仅交给其本人" in said.err
    whom = cv("log", "report", "--ref", "borrower:AJ00001", "--with-whom", "--out", tmp_path / "w.html")
    assert "not for the person" in whom.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--out", "x.html"), 2),
        (("--subject", "s-1", "--ref", "borrower:AJ00001", "--out", "x.html"), 2),
        (("--ref", "borrower:AJ00001", "--lang", "fr", "--out", "x.html"), 2),
        (("--ref", "borrower:AJ00001"), 2),
        (("--ref", "borrower:nobody", "--out", "x.html"), 4),
        (("--ref", "borrower:AJ00001", "--out", "there.html"), 2),
        (("--ref", "borrower:AJ00001", "--role", "dpo", "--purpose", "security", "--out", "x.html"), 3),
        (("--ref", "borrower:AJ00001", "--role", "legal", "--out", "x.html"), 3),
    ],
)
def test_slips_write_nothing(
    cv: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int
) -> None:
    """Nobody or two people named, another language, no place, nobody known, a file in the way, no right."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.html").write_text("mine")
    assert cv("log", "report", *words, "--json").code == code
    assert (tmp_path / "there.html").read_text() == "mine"
    assert not (tmp_path / "x.html").exists()


def test_an_answer_to_a_person_is_the_officer_s(desk: Desk, tmp_path: Path) -> None:
    """The data protection officer makes it, answering a request; a collector doesn't."""
    out = tmp_path / "r.html"
    asked = ("log", "report", "--ref", "borrower:AJ00001", "--out", out)
    assert desk("collector", *asked, token=("collector", "repayment_reminder")).code == 3
    assert desk("dpo", *asked, token=("dpo", "subject_request")).code == 0
    assert check(out.read_bytes(), run("--vault", desk.folder, "log", "vkey").out.strip())


def test_the_balance_is_told_in_numbers(cv: Run) -> None:
    """Even: 0, the numbers as a table or as JSON, in both languages."""
    said = cv("log", "balance", "--json").json
    assert said.keys() == COUNTS
    assert said["explained"] + said["without_subject"] == said["entries"]
    assert (said["unexplained"], said["missing"], said["first"]) == (0, 0, None)
    table = cv("log", "balance", "--bodies")
    assert (table.code, "about nobody" in table.out) == (0, True)
    assert "每条记录均有对应" in cv("log", "balance", LC_ALL="zh_CN.UTF-8").err


def test_what_is_not_even_is_an_integrity_failure(cv: Run, sandbox: Path) -> None:
    """A counter turned back: the numbers are told, and then exit 5 with the index that nothing explains."""
    assert cv("find", "--field", "phone", stdin=PHONE).code == 0
    with closing(sqlite3.connect(sandbox / "ledger.db")) as ledger, ledger:
        ledger.execute(
            "UPDATE counters SET n = n - 1 WHERE n > 0 AND handle = (SELECT min(handle) FROM counters)"
        )
    found = cv("log", "balance", "--json")
    assert found.code == 5
    assert found.json["unexplained"] == 1
    assert found.error["index"] == found.json["first"]
