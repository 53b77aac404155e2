"""Retention and holds on the command line: plan, four eyes, execution, certificate."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from commands import NAME, PHONE, Run, run

FUTURE = "2040-01-01"


def test_plan_changes_nothing(cv: Run) -> None:
    """A plan has the pinned parts, counts every record, and leaves all of them readable."""
    said = cv("retention", "plan", "--as-of", FUTURE, "--json").json
    assert said.keys() >= {"plan", "as_of", "counts", "by_rule"}
    assert (said["as_of"], said["counts"]) == (FUTURE, {"erase": 5, "restrict": 0, "keep": 0})
    assert {"rule", "status", "source"} <= said["by_rule"][0].keys()
    assert cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"]
    assert said["by_rule"][0]["rule"] in cv("retention", "plan", "--as-of", FUTURE).out
    assert cv("retention", "plan", "--as-of", "soon", "--json").error["code"] == "invalid_as_of"


def test_a_plan_says_which_days_are_missing(tmp_path: Path) -> None:
    """A day that a rule wanted and a record lacks is counted in JSON and said in words, in both languages."""
    at = ("--vault", tmp_path / "v", "--sandbox")
    assert run("init", tmp_path / "v", "--sandbox", "--applies-to", "lender").code == 0
    drafts = json.dumps([{"kind": kind, "values": {"name": NAME}} for kind in ("borrower", "contact_person")])
    assert run(*at, "write", stdin=drafts).code == 0
    for day, action, anchor, english, chinese in (
        ("", "keep", "placed_on", "lack placed_on: kept", "缺少 placed_on：保留"),
        (
            "2060-01-01",
            "restrict",
            "relationship_ended_on",
            "restricted until it is entered",
            "封存，直至补录",
        ),
        ("2060-01-01", "erase", "placed_on", "erased, counted from the next day", "按其后已知日期起算，删除"),
    ):
        plan = (*at, "retention", "plan", *(["--as-of", day] if day else []))
        rows = [row for row in run(*plan, "--json").json["by_rule"] if row["action"] == action]
        count = sum(row["missing"].get(anchor, 0) for row in rows)
        assert count == sum(row["count"] for row in rows) > 0
        said = run(*plan)
        assert f"{count} records lack {anchor}: " in said.err
        assert english in said.err
        assert "missing" not in said.out
        assert chinese in run(*plan, LC_ALL="zh_CN.UTF-8").err


def test_a_plan_that_lacks_nothing_says_nothing(cv: Run) -> None:
    """Where every day is known, there is no note and no count."""
    assert all(row["missing"] == {} for row in cv("retention", "plan", "--json").json["by_rule"])
    assert "lack" not in cv("retention", "plan").err


def test_execute_erases_and_certifies(cv: Run, sandbox: Path) -> None:
    """In a sandbox --yes records the approval; what is gone is not found; the certificate is checkable."""
    plan = cv("retention", "plan", "--as-of", FUTURE, "--json").json["plan"]
    alone = cv("retention", "execute", plan, "--json")
    assert (alone.code, alone.error["code"]) == (3, "approval_required")
    done = cv("retention", "execute", plan, "--yes", "--json")
    assert done.json.keys() == {"plan", "erased", "restricted", "remaining", "certificate"}
    assert (done.json["erased"], done.json["remaining"]) == (5, 0)
    path = Path(done.json["certificate"])
    assert path == (sandbox / "certificates" / f"{plan}.json").absolute()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cv("read", "--ref", "borrower:AJ00001").code == 4
    assert cv("retention", "certificate", plan).out.strip() == path.read_text("utf-8").strip()
    assert cv("retention", "verify", path, "--json").json["log"] == "ok"
    assert run("status", "--vault", sandbox, "--json").json["plans"] == []


def test_certificates_are_checked_without_the_vault(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """The public key is enough for the signature; a changed certificate and a missing entry are 5."""
    plan = cv("retention", "plan", "--as-of", FUTURE, "--json").json["plan"]
    path = Path(cv("retention", "execute", plan, "--yes", "--json").json["certificate"])
    away = ("--vault", tmp_path / "none", "retention", "verify")
    assert run(*away, path, "--vkey", sandbox / "log.vkey", "--json").json["log"] is None
    changed = tmp_path / "changed.json"
    changed.write_text(path.read_text("utf-8").replace('"erased":5', '"erased":4'), "utf-8")
    assert run(*away, changed, "--vkey", sandbox / "log.vkey").code == 5
    assert cv("retention", "verify", changed).code == 5
    assert cv("retention", "certificate", plan, "--out", tmp_path / "copy.json").code == 0
    assert cv("retention", "verify", tmp_path / "copy.json").code == 0


@pytest.mark.parametrize(
    "text", ["", "not JSON", "[1]", '{"principal":"p","key":"k"}', '{"a":' + "[" * 99_999]
)
def test_what_is_no_certificate_at_all_is_a_slip(plain: Path, tmp_path: Path, text: str) -> None:
    """Another file than a certificate is 2 and names the path; nothing of it is repeated."""
    (tmp_path / "x").write_text(text, "utf-8")
    refused = run("--vault", plain, "retention", "verify", tmp_path / "x", "--json")
    assert (refused.code, refused.error["code"]) == (2, "invalid_file")
    assert refused.error["message"] == f"{tmp_path / 'x'}: not a certificate"


def test_a_certificate_without_its_signature_is_a_forgery(plain: Path, tmp_path: Path) -> None:
    """A certificate that lost a part, or has bytes that are no text, was changed: 5."""
    for data in (b'{"certificate":{}}', b'{"certificate":{"a":"\xff"},"signature":"AA=="}'):
        (tmp_path / "x").write_bytes(data)
        assert run("--vault", plain, "retention", "verify", tmp_path / "x").code == 5


def test_another_logs_certificate_is_refused(cv: Run, plain: Path, sandbox: Path) -> None:
    """A certificate with its own log's key doesn't pass in a vault whose log it doesn't speak of."""
    plan = cv("retention", "plan", "--json").json["plan"]
    path = Path(cv("retention", "execute", plan, "--yes", "--json").json["certificate"])
    assert run("--vault", plain, "retention", "verify", path).code == 5
    assert run("--vault", plain, "retention", "verify", path, "--vkey", sandbox / "log.vkey").code == 5


def test_four_eyes(plain: Path, tmp_path: Path) -> None:
    """Outside a sandbox the planner can't approve, another can, and then the plan executes."""
    token = tmp_path / "d"
    dpo, at = plain / "dpo.principal", ("--vault", plain, "--json")
    assert run(
        "token", "issue", *at, "--as", dpo, "--role", "dpo", "--purpose", "administration", "--out", token
    ).code == 0  # fmt: skip
    plan = run("retention", "plan", *at, "--token", token).json["plan"]
    assert run("status", *at).json["requests"] == [plan]
    assert run("approve", plan, *at, "--as", dpo).error["code"] == "approval_required"
    assert run("retention", "execute", plan, *at, "--token", token, "--yes").code == 3
    given = run("approve", plan, *at, "--as", plain / "approver.principal")
    assert (given.code, given.json["approvals"]) == (0, 1)
    assert run("retention", "execute", plan, "--vault", plain, "--token", token).code == 0
    assert run("approve", "plan-none", *at, "--as", plain / "approver.principal").code == 4
    ahead = run("retention", "plan", *at, "--token", token, "--as-of", FUTURE).json["plan"]
    assert run("approve", ahead, *at, "--as", plain / "approver.principal").code == 0
    assert run("retention", "execute", ahead, *at, "--token", token).error["code"] == "invalid_as_of"


def test_holds_keep_records_back(cv: Run) -> None:
    """A held record is restricted instead of erased; a released one goes; nobody's record is 4."""
    record = cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"][0]["record"]
    order = ("--number", "（2026）001", "--authority", "武侯区法院", "--until", "2050-01-01")
    assert cv("hold", "add", record, *order, "--json").json == {"records": 1, "asked": 1}
    held = cv("hold", "list", "--json").json["items"]
    assert [(item["record"], item["until"]) for item in held] == [(record, "2050-01-01")]
    assert "武侯区法院" in cv("hold", "list").out
    counts = cv("retention", "plan", "--as-of", FUTURE, "--json").json["counts"]
    assert (counts["erase"], counts["restrict"]) == (4, 1)
    assert cv("hold", "release", record, "r-nobody", "--number", "（2026）001").code == 6
    assert cv("hold", "list", "--json").json["items"] == []
    assert cv("hold", "add", "r-nobody", *order).code == 4
    assert cv("hold", "add", record, "--number", "1", "--authority", "x", "--until", "later").code == 2


def test_rules_say_how_sure_they_are() -> None:
    """Every rule is listed with its source, rank and certainty; no vault is needed."""
    items = run("retention", "rules", "--json").json["items"]
    assert {rule["status"] for rule in items} >= {"verified", "practice"}
    assert items[0]["id"] in run("retention", "rules").out
