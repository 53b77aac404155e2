"""`cvault import` with its choices: workbooks, joined sheets, the day of a file, going on, result files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from commands import PHONE, Ran, Run

FIRST = [["案件编号", "客户姓名", "手机", "逾期天数"], ["WB-1", "上官若水", "15412349991", "35"]]
SECOND = [["案件编号", "欠款余额"], ["WB-1", "800"]]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A workbook with two sheets that name the same case."""
    path = tmp_path / "export.xlsx"
    with xlsxwriter.Workbook(path) as made:
        for title, rows in (("主表", FIRST), ("金额", SECOND)):
            sheet = made.add_worksheet(title)
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
    return path


def loan(cv: Run, ref: str) -> dict[str, Any]:
    """A loan's fields as the legal desk sees them."""
    found = cv("read", "--ref", f"loan:{ref}", "--role", "legal", "--purpose", "legal_action", "--json")
    fields = found.json["items"][0]["fields"]
    return {name: field["value"] for name, field in fields.items()}


def test_sheets_of_one_workbook_are_joined(cv: Run, book: Path) -> None:
    """The second sheet's amount stands in the loan of the first sheet's case."""
    choice = cv("import", book, "--kind", "borrower", "--json")
    assert choice.code == 2
    done = cv(
        "import", book, "--kind", "borrower", "--sheet", "主表", "--join", f"{book}#金额", "--on", "案件编号",
        "--dated", "2026-03-01", "--json",
    )  # fmt: skip
    assert (done.code, done.json["stored"]) == (0, {"borrower": 1, "loan": 1})
    said = loan(cv, "WB-1")
    assert (said["outstanding"], said["overdue_since"]) == ("800.00", "2026-01-25")


def test_a_dated_file_says_the_same_on_any_day(cv: Run, book: Path) -> None:
    """Imported again with its own day, days overdue give the same day: nothing changes."""
    words = ("import", book, "--kind", "borrower", "--sheet", "主表", "--dated", "2026-03-01", "--json")
    cv(*words)
    assert cv(*words).json["unchanged"] == 2


def test_a_table_is_imported_by_the_same_command(cv: Run, tmp_path: Path) -> None:
    """`--from-sql` with a query on the line or in a file; without a key, or beside a file, it is refused."""
    source = tmp_path / "s.db"
    with closing(sqlite3.connect(source)) as db, db:
        db.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, case_number, name, phone)")
        db.execute("INSERT INTO b VALUES (1, 'SQ-1', '南宫飞雪', '15412348881')")
    words = ("import", "--from-sql", f"sqlite:///{source}", "--kind", "borrower", "--json")
    done = cv(*words, "--query", "SELECT * FROM b", "--key", "id")
    assert (done.code, done.json["stored"]) == (0, {"borrower": 1, "loan": 1})
    assert cv(*words, "--query", "SELECT * FROM b").code == 2
    assert cv(*words, "--query", "SELECT * FROM b", "--key", "id", source).code == 2
    assert cv("import", "--kind", "borrower").code == 2


def test_an_agencys_result_file_comes_back(cv: Run, tmp_path: Path) -> None:
    """回盘 with the agency's own titles and a map: what was tried and promised stands under the case."""
    path, mapping = tmp_path / "back.csv", tmp_path / "map.toml"
    path.write_text(
        "委外单号,跟进方式,跟进日,跟进结论,答应还,答应日\nAJ00001,电话,2026-03-02,承诺还款,500,2026-03-09\n",
        "utf-8",
    )
    mapping.write_text(
        '[columns]\n"委外单号" = "contact_attempt.case_number"\n"跟进方式" = "contact_attempt.channel"\n'
        '"跟进日" = "contact_attempt.attempted_at"\n"跟进结论" = "contact_attempt.result"\n'
        '"答应还" = "promise.amount"\n"答应日" = "promise.due_on"\n',
        "utf-8",
    )
    words = ("import", path, "--kind", "result", "--map", mapping, "--json")
    assert cv(*words).json["stored"] == {"contact_attempt": 1, "promise": 1}
    assert cv(*words).json["unchanged"] == 2


def record(cv: Run) -> str:
    """The first borrower's record id."""
    found: str = cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"][0]["record"]
    return found


def dpo(cv: Run, *words: object, stdin: str | None = None) -> Ran:
    """A command as the data protection officer who answers a person."""
    return cv(*words, "--json", stdin=stdin)


def test_a_correction_and_what_stood_before(cv: Run) -> None:
    """`correct` prints the new version; `read --as-of` shows the old one to a purpose that reaches it."""
    one = record(cv)
    done = dpo(cv, "correct", one, "--reason", "letter 7", stdin='{"email": "new@example.com"}')
    assert (done.code, done.json["version"], done.json["fields"]) == (0, 2, ["email"])
    legal = ("--role", "legal", "--purpose", "legal_action", "--fields", "email", "--json")
    assert cv("read", one, *legal).json["items"][0]["fields"]["email"]["value"] == "new@example.com"
    long_ago = cv("read", one, *legal, "--as-of", "2020-01-01")
    assert (long_ago.code, long_ago.json["errors"][0]["code"]) == (4, "not_found")
    assert cv("read", one, "--as-of", "2030-01-01", "--json").error["code"] == "purpose_denied"
    assert cv("read", one, *legal, "--as-of", "soon").code == 2
    assert dpo(cv, "correct", one, "--reason", "r", "--version", "1", stdin='{"email": null}').code == 2
    assert dpo(cv, "correct", one, "--reason", "r", stdin="email").error["code"] == "invalid_json"


def test_people_are_merged_and_split(cv: Run) -> None:
    """Two borrowers become one person and two again; a refusal is listed."""
    one, two = record(cv), "borrower:AJ00002"
    assert dpo(cv, "subject", "duplicates").json == {"items": []}
    moved = dpo(cv, "subject", "merge", one, two, "--reason", "same person")
    assert (moved.code, len(moved.json["records"])) == (0, 2)
    assert dpo(cv, "subject", "merge", one, two, "--reason", "again").code == 2
    assert dpo(cv, "subject", "split", *moved.json["records"], "--reason", "they are two").code == 0
    assert dpo(cv, "subject", "refuse", two, "--reason", "said so").json["listed"] > 0
    assert dpo(cv, "subject", "refuse", two, "--reason", " ").code == 2


def test_what_can_be_written_is_written(cv: Run) -> None:
    """`write --partial` ends with 6, names the bad one by its place and stores the good one."""
    values = {"case_number": "AJ00001", "channel": "电话", "attempted_at": "2026-03-01"}
    sent = json.dumps([
        {"kind": "contact_attempt", "values": values, "key": "c-1"},
        {"kind": "contact_attempt", "values": values | {"case_number": "NOBODY"}},
    ])  # fmt: skip
    assert cv("write", "--json", stdin=sent).code == 2
    done = cv("write", "--partial", "--json", stdin=sent)
    assert done.code == 6
    assert [(e["row"], e["code"]) for e in done.json["errors"]] == [(2, "invalid_ref")]
    assert cv("write", "--partial", "--json", stdin=sent).json["unchanged"] == 1
