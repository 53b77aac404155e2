"""Records: what import, write, list, read and find print, and with which exit code they end."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from commands import ADDRESS, CONTACT, NAME, PHONE, Run, export, run

ITEM = {"record", "ref", "kind", "version", "state", "fields", "receipt"}


def borrower(cv: Run) -> str:
    """The first borrower's record id."""
    found: str = cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"][0]["record"]
    return found


def test_import_reports_partial_success(cv: Run, tmp_path: Path) -> None:
    """An import with a bad row ends with 6, counts on stdout, and a private report without values."""
    again = cv("import", export(tmp_path), "--kind", "borrower", "--json")
    assert again.code == 6
    said = again.json
    assert (said["rows"], said["stored"], said["unchanged"], said["rejected"]) == (3, {}, 5, 1)
    report = Path(said["report"])
    assert report.is_absolute()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert PHONE not in report.read_text("utf-8")


def test_import_dry_run_stores_nothing(plain: Path, tmp_path: Path) -> None:
    """A dry run checks the whole file and stores nothing."""
    token = tmp_path / "i.token"
    made = run(
        "token", "issue", "--vault", plain, "--as", plain / "importer.principal", "--role", "importer",
        "--purpose", "import", "--out", token,
    )  # fmt: skip
    assert made.code == 0
    done = run(
        "--vault",
        plain,
        "import",
        export(tmp_path),
        "--kind",
        "borrower",
        "--dry-run",
        "--token",
        token,
        "--json",
    )
    assert (done.code, done.json["stored"], done.json["rejected"]) == (6, {}, 1)
    assert run("status", "--vault", plain, "--json").json["records"] == {}


def test_import_for_people_is_a_table_with_notes_apart(cv: Run, tmp_path: Path) -> None:
    """Without --json the counts stand on stdout and where the report is on stderr."""
    done = cv("import", export(tmp_path), "--kind", "borrower")
    assert "rejected" in done.out
    assert "reports/import-" in done.err
    assert "reports/import-" not in done.out


def test_read_has_the_pinned_shape(cv: Run) -> None:
    """A read gives items and errors; hidden fields are there with null; the receipt names its entry."""
    record = borrower(cv)
    done = cv("read", record, "--json")
    assert done.code == 0
    assert done.json.keys() == {"items", "errors"}
    item = done.json["items"][0]
    assert item.keys() == ITEM
    assert (item["record"], item["kind"], item["version"], item["state"]) == (record, "borrower", 1, "ACTIVE")
    assert item["fields"]["phone"] == {"view": "MASKED", "value": "154****0001"}
    assert item["fields"]["id_number"] == {"view": "HIDDEN", "value": None}
    assert item["receipt"].keys() == {"origin", "index", "leaf"}


def test_read_by_role_shows_clear_values_to_legal_alone(cv: Run) -> None:
    """--role picks the sandbox's token: legal sees in clear what a collector doesn't."""
    record = borrower(cv)
    assert ADDRESS in cv("read", record, "--role", "legal").out
    assert ADDRESS not in cv("read", record).out


def test_read_by_ref_and_file(cv: Run, tmp_path: Path) -> None:
    """Records may be named by external id and by a file of ids."""
    (tmp_path / "ids").write_text(f"{borrower(cv)}\n\n", "utf-8")
    done = cv("read", "--ids", tmp_path / "ids", "--ref", "borrower:AJ00002", "--fields", "name", "--json")
    assert [item["ref"] for item in done.json["items"]] == ["AJ00001", "AJ00002"]
    assert [list(item["fields"]) for item in done.json["items"]] == [["name"], ["name"]]


def test_exit_codes_of_reads(cv: Run) -> None:
    """Nothing within reach is 4, some failures are 6, a refused field is 3; naming nothing is 2."""
    record = borrower(cv)
    missing = cv("read", "r-nobody", "--json")
    assert (missing.code, missing.json) == (
        4,
        {"items": [], "errors": [{"id": "r-nobody", "code": "not_found"}]},
    )
    assert cv("read", record, "r-nobody").code == 6
    denied = cv("read", record, "--fields", "id_number", "--json")
    assert (denied.code, denied.error["code"], denied.out) == (3, "field_denied", "")
    assert cv("read", "--json").error["code"] == "invalid_usage"


def test_error_has_the_pinned_shape(cv: Run) -> None:
    """With --json an error is one object of five parts on stderr."""
    refused = cv("find", "--field", "address", "--json", stdin=ADDRESS)
    assert refused.code == 3
    assert refused.error.keys() == {"code", "message", "field", "row", "remedy"}


def test_find_takes_its_value_from_stdin(cv: Run) -> None:
    """The value comes on stdin, in any spelling of its type; the search shows what the role may see."""
    done = cv("find", "--field", "phone", "--json", stdin=" 154 1234 0001\r\n")
    assert (done.code, len(done.json["items"])) == (0, 1)
    assert PHONE not in done.out


def test_find_without_hits_is_no_failure(cv: Run) -> None:
    """Nobody with this value: 0, and empty items."""
    done = cv("find", "--field", "phone", "--json", stdin="15412349999")
    assert (done.code, done.json["items"]) == (0, [])


def test_find_refuses_an_empty_or_wrong_value(cv: Run) -> None:
    """No value, bytes that are no text, and a value of another type are 2, and none is repeated."""
    assert cv("find", "--field", "phone", "--json", stdin="\n").error["code"] == "invalid_value"
    assert cv("find", "--field", "phone", "--json", stdin=b"\xff\xfe").code == 2
    wrong = cv("find", "--field", "phone", stdin=NAME)
    assert wrong.code == 2


def test_list_by_stage(cv: Run) -> None:
    """`--where 'stage=M3'` lists loans, with a cursor for what follows."""
    done = cv("list", "--where", "stage=M3", "--json")
    assert done.code == 0
    assert [item["ref"] for item in done.json["items"]] == ["AJ00001"]
    page = cv("list", "--limit", "1", "--json").json
    assert page["cursor"]
    following = cv("list", "--limit", "1", "--cursor", page["cursor"], "--json").json
    assert following["items"][0]["record"] != page["items"][0]["record"]


def test_list_refuses_closed_fields(cv: Run) -> None:
    """A closed field can't be selected by."""
    assert (
        cv("list", "--kind", "borrower", "--where", f"name={NAME}", "--json").error["code"] == "invalid_where"
    )


def test_write_stores_and_says_which(cv: Run) -> None:
    """JSON on stdin becomes records, in order; the same again changes nothing."""
    attempt = {"kind": "contact_attempt", "ref": "N1", "values": {
        "case_number": "AJ00001", "channel": "voice", "attempted_at": "2026-01-05", "note": f"{CONTACT}未接",
    }}  # fmt: skip
    first = cv("write", "--json", stdin=json.dumps([attempt]))
    assert (first.code, first.json["stored"]) == (0, {"contact_attempt": 1})
    again = cv("write", "--json", stdin=json.dumps(attempt))
    assert (again.json["records"], again.json["unchanged"]) == (first.json["records"], 1)


def test_write_refuses_without_repeating(cv: Run) -> None:
    """A value of the wrong type is 2 with field and row; nothing is stored and nothing repeated."""
    bad = cv(
        "write", "--json", stdin=json.dumps({"kind": "borrower", "values": {"name": NAME, "phone": ADDRESS}})
    )
    assert (bad.code, bad.error["field"], bad.error["row"]) == (2, "borrower.phone", 1)
    assert cv("write", stdin=f'{{"kind": "{NAME}"').code == 2


def test_without_a_token_nothing_is_read(sandbox: Path) -> None:
    """A sandbox without --sandbox asks for a token like any vault."""
    done = run("--vault", sandbox, "read", "r-x", "--json")
    assert (done.code, done.error["field"]) == (2, "token")


def test_sandbox_is_refused_where_there_is_none(plain: Path) -> None:
    """--sandbox on a plain vault is 2, whatever the command."""
    done = run("--vault", plain, "--sandbox", "list", "--json")
    assert (done.code, done.error["field"]) == (2, "sandbox")


@pytest.mark.parametrize("where", ["before", "after"])
def test_common_options_stand_on_either_side(sandbox: Path, where: str) -> None:
    """The vault, the tenant and the output may be named before the command or after it."""
    options = ["--vault", sandbox, "--sandbox", "--json"]
    done = run(*options, "list") if where == "before" else run("list", *options)
    assert (done.code, len(done.json["items"])) == (0, 2)
