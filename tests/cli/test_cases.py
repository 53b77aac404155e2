"""`cvault case`: open, assign, recall, close, list; and what a read gets of a case that is closed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from commands import Run, export, run

ONE, TWO = "borrower:AJ00001", "borrower:AJ00002"
RULES = """
[[assign]]
name = "early"
where = "stage<=M2"
to = ["first principal"]
priority = 4

[[assign]]
name = "late"
where = "stage>=M3"
to = ["first principal"]
most = 2
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A file of two rules for the one principal of a sandbox."""
    path = tmp_path / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    return path


def codes(ran: object) -> list[str]:
    """The codes of the records refused."""
    return [error["code"] for error in ran.json["errors"]]  # type: ignore[attr-defined]


def test_a_case_lives_from_opening_to_closing(cv: Run) -> None:
    """Each command says how many it changed, and does nothing twice."""
    assert cv("case", "open", "AJ00001", "AJ-9", "--priority", 3, "--json").json == {"cases": 2, "changed": 2}
    assert cv("case", "open", "AJ00001", "--json").json == {"cases": 1, "changed": 0}
    assigned = cv(
        "case", "assign", "AJ00001", "AJ-9", "--to", "first principal", "--reason", "first", "--json"
    )
    assert assigned.json == {"cases": 2, "changed": 2}
    assert cv("case", "recall", "AJ-9", "--json").json == {"cases": 1, "changed": 1}
    assert cv("case", "close", "AJ00001", "--reason", "paid", "--json").json == {"cases": 1, "changed": 1}
    items = {case["number"]: case for case in cv("case", "list", "--json").json["items"]}
    assert (items["AJ00001"]["state"], items["AJ00001"]["reason"]) == ("closed", "paid")
    assert (items["AJ-9"]["state"], items["AJ-9"]["priority"], items["AJ-9"]["holder"]) == ("open", 3, "")
    assert items["AJ-9"]["opened"].endswith("Z")


def test_one_read_of_a_closed_case_is_denied_and_of_several_partial(cv: Run) -> None:
    """Exit 3 and `case_closed` for one record, 6 beside one that is shown; open again, it is shown."""
    assert cv("read", "--ref", ONE, "--json").code == 0
    cv("case", "close", "AJ00001")
    one = cv("read", "--ref", ONE, "--json")
    assert (one.code, codes(one), one.json["items"]) == (3, ["case_closed"], [])
    two = cv("read", "--ref", ONE, "--ref", TWO, "--json")
    assert (two.code, codes(two), len(two.json["items"])) == (6, ["case_closed"], 1)
    assert "case_closed" in cv("read", "--ref", ONE).out
    denied = cv("log", "list", "--reason", "case_closed", "--json").json["items"]
    assert [line["outcome"] for line in denied] == ["denied"] * 3
    cv("case", "open", "AJ00001", "--reason", "goes on")
    assert cv("read", "--ref", ONE, "--json").code == 0


def test_a_restricted_record_leaves_the_same_way(cv: Run) -> None:
    """Exit 3 and `restricted` for one record, 6 beside one that is shown."""
    first = cv("read", "--ref", ONE, "--json").json["items"][0]["record"]
    cv("hold", "add", first, "--number", "H-1", "--authority", "court", "--until", "2090-01-01")
    plan = cv("retention", "plan", "--as-of", "2060-01-01", "--json").json["plan"]
    assert cv("retention", "execute", plan, "--yes").code == 0
    one = cv("read", first, "--json")
    assert (one.code, codes(one)) == (3, ["restricted"])
    assert cv("read", first, "r-0", "--json").code == 6


def test_numbers_come_from_a_file_or_stdin(cv: Run, tmp_path: Path) -> None:
    """One a line; empty lines don't count, a number named twice counts once."""
    path = tmp_path / "numbers"
    path.write_text("\ufeffAJ-1\n\nAJ-2\n AJ-1 \n", encoding="utf-8")
    assert cv("case", "open", "--file", path, "--json").json == {"cases": 2, "changed": 2}
    assert cv("case", "close", "--file", "-", "--json", stdin="AJ-2\n").json["changed"] == 1
    many = "\n".join(f"AJ-{n:05d}" for n in range(1200))
    assert cv("case", "open", "--file", "-", "--json", stdin=many).json == {"cases": 1200, "changed": 1200}
    assert cv("case", "open", "--file", tmp_path / "none", "--json").error["code"] == "invalid_file"


def test_all_of_a_holder_are_taken_back_at_once(cv: Run) -> None:
    """What an agency that ended or somebody who left still holds goes back without naming each case."""
    cv("case", "open", "AJ00001", "AJ00002", "AJ-9")
    cv("case", "assign", "AJ00001", "AJ00002", "--to", "first principal")
    back = cv("case", "recall", "--holder", "first principal", "--reason", "left", "--json")
    assert back.json == {"cases": 2, "changed": 2}
    assert cv("case", "list", "--holder", "-", "--json").json["items"][0]["reason"] in {"left", "opened"}
    assert cv("case", "recall", "--holder", "first principal", "--json").json == {"cases": 0, "changed": 0}
    assert cv("case", "recall", "--holder", "nobody here", "--json").code == 4
    assert cv("case", "recall", "AJ00001", "--holder", "first principal", "--json").code == 2


def test_a_refused_read_says_what_to_do(cv: Run) -> None:
    """Beside the code of each refused record stands what to do about it, in the locale's language."""
    cv("case", "close", "AJ00001")
    assert "the case desk opens or assigns it" in cv("read", "--ref", ONE).out
    assert "请由案件管理员" in cv("read", "--ref", ONE, LC_ALL="zh_CN.UTF-8").out


def test_a_list_speaks_the_locales_language(cv: Run) -> None:
    """Titles and states are Chinese where the locale is; JSON stays as it is."""
    cv("case", "open", "AJ00001")
    shown = cv("case", "list", LC_ALL="zh_CN.UTF-8").out
    assert all(word in shown for word in ("号码", "持有人", "优先级", "未结"))
    assert cv("case", "list", "--json", LC_ALL="zh_CN.UTF-8").json["items"][0]["state"] == "open"


def test_cases_of_imported_loans_are_opened(cv: Run) -> None:
    """Those that no case was opened for, all or a selection of them; a second time there are none."""
    cv("case", "close", "AJ00001")
    late = cv("case", "open", "--imported", "--where", "stage>=M3", "--json")
    assert late.json == {"cases": 0, "changed": 0}
    assert cv("case", "open", "--imported", "--reason", "day one", "--json").json["changed"] == 1
    assert cv("case", "open", "--imported", "--json").json["changed"] == 0
    items = {case["number"]: case for case in cv("case", "list", "--json").json["items"]}
    assert {number: case["state"] for number, case in items.items()} == {
        "AJ00001": "closed",
        "AJ00002": "open",
    }
    assert items["AJ00002"]["reason"] == "day one"


def test_rules_share_out_and_a_dry_run_does_not(cv: Run, rules: Path) -> None:
    """Rule by rule, with loads by holder; a dry run says the same and changes nothing."""
    cv("case", "open", "AJ00001", "AJ00002", "AJ-9")
    dry = cv("case", "assign", "--rules", rules, "--dry-run", "--json")
    assert (dry.json["dry_run"], dry.json["rules"], dry.json["unplaced"]) == (
        True,
        {"early": 1, "late": 1},
        1,
    )
    assert list(dry.json["holders"].values()) == [2]
    assert len(cv("case", "list", "--holder", "-", "--json").json["items"]) == 3
    done = cv("case", "assign", "--rules", rules, "--json")
    assert done.json == dry.json | {"dry_run": False}
    held = cv("case", "list", "--holder", "first principal", "--state", "open", "--json").json["items"]
    assert {case["number"]: case["priority"] for case in held} == {"AJ00001": 0, "AJ00002": 4}
    told = cv("case", "assign", "--rules", rules)
    assert ("early" in told.out, "first principal" in told.out, "1 are still nobody's" in told.err) == (
        True,
    ) * 3
    assert "无人负责" in cv("case", "assign", "--rules", rules, "--dry-run", LC_ALL="zh_CN.UTF-8").err


def test_a_list_goes_on_where_it_ended(cv: Run, tmp_path: Path) -> None:
    """Page by page every case comes once; as CSV too, with nothing that a spreadsheet computes."""
    numbers = {f"=AJ-{n}" for n in range(5)}
    cv("case", "open", *numbers)
    seen: list[str] = []
    after = ""
    while after is not None:
        page = cv("case", "list", "--limit", 2, "--after", after, "--json").json
        seen, after = seen + [case["number"] for case in page["items"]], page["after"]
    assert sorted(seen) == sorted(numbers)
    assert "--after" in cv("case", "list", "--limit", 2).err
    path = tmp_path / "cases.csv"
    assert cv("case", "list", "--csv", path, "--json").json["cases"] == 5
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
    assert {row["number"] for row in rows} == {f"'{number}" for number in numbers}
    assert cv("case", "list", "--csv", "-").out.startswith("\ufeffnumber,state,")
    assert cv("case", "list", "--csv", path).code == 2


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("open",), "cases"),
        (("open", "A,B"), "cases"),
        (("open", "AJ-1", "--where", "stage=M1"), "where"),
        (("open", "AJ-1", "--imported"), "imported"),
        (("open", "--imported", "--where", "phone=1"), "phone"),
        (("open", "AJ-1", "--reason", ""), "reason"),
        (("assign", "AJ-1"), "to"),
        (("assign", "AJ-1", "--to", "first principal"), "cases"),
        (("assign", "AJ-1", "--to", "first principal", "--dry-run"), "dry-run"),
        (("assign", "AJ-1", "--rules", "x"), "rules"),
        (("assign", "--rules", "none.toml"), "rules"),
        (("recall", "AJ-1"), "cases"),
        (("list", "--state", "gone"), "state"),
        (("list", "--after", "zz"), "after"),
    ],
)
def test_what_cannot_be_meant_is_refused(cv: Run, arguments: tuple[str, ...], field: str) -> None:
    """Exit 2, naming the option and never the number."""
    ran = cv("case", *arguments, "--json")
    assert (ran.code, ran.error["field"]) == (2, field)
    assert "AJ-1" not in ran.err


def test_rules_that_cannot_be_read_are_refused(cv: Run, rules: Path) -> None:
    """Broken TOML, no UTF-8, an unknown key, nobody to assign to, and a name that nobody has."""
    for text in (b"[[assign", b"\xff", b'[[assign]]\nname="a"\nwhere=""\nto=["x"]\nhow=1',
                 b'[[assign]]\nname="a"\nwhere=""\nto=[]'):  # fmt: skip
        rules.write_bytes(text)
        ran = cv("case", "assign", "--rules", rules, "--json")
        assert (ran.code, ran.error["code"] in {"invalid_rules", "invalid_file"}) == (2, True)
    rules.write_text('[[assign]]\nname="a"\nwhere=""\nto=["nobody"]', encoding="utf-8")
    assert cv("case", "assign", "--rules", rules).code == 4
    assert cv("case", "list", "--holder", "nobody").code == 4


def test_the_case_desk_alone_keeps_cases_and_sees_no_borrower(plain: Path, tmp_path: Path) -> None:
    """Four people: the importer fills, the desk opens and closes, the collector reads, and none does more."""
    admin, token = plain / "admin.principal", {}
    added = run("--vault", plain, "principal", "add", "--name", "desk", "--role", "case_desk", "--as", admin)
    assert added.code == 0
    for name, role, purpose in (
        ("importer", "importer", "import"),
        ("desk", "case_desk", "administration"),
        ("collector", "collector", "repayment_reminder"),
    ):
        token[name] = tmp_path / f"{name}.token"
        issued = run(
            "--vault", plain, "token", "issue", "--as", plain / f"{name}.principal", "--role", role,
            "--purpose", purpose, "--out", token[name],
        )  # fmt: skip
        assert issued.code == 0

    def act(who: str, *words: object) -> tuple[int, str, str]:
        ran = run("--vault", plain, "--token", token[who], *words, "--json")
        return ran.code, ran.out, ran.err

    assert act("importer", "import", export(tmp_path), "--kind", "borrower")[0] == 6
    assert act("desk", "case", "open", "--imported")[0] == 0
    assert act("desk", "case", "assign", "AJ00001", "--to", "collector")[0] == 0
    assert act("collector", "read", "--ref", ONE)[0] == 0
    assert act("desk", "case", "close", "AJ00001")[0] == 0
    assert act("collector", "read", "--ref", ONE)[0] == 3
    for who, words in (("collector", ("case", "list")), ("importer", ("case", "open", "AJ-1")),
                       ("desk", ("read", "--ref", TWO))):  # fmt: skip
        code, out, err = act(who, *words)
        assert (code, "role_denied" in out + err or "purpose_denied" in out + err) == (3, True)
    desk = json.loads((plain / "desk.principal").read_text("utf-8"))["principal"]
    listed = json.loads(act("desk", "case", "list", "--state", "closed")[1])["items"]
    assert [(case["number"], case["by"]) for case in listed] == [("AJ00001", desk)]
