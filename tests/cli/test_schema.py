"""`cvault schema`: check, diff and apply as people and scripts use them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import PHONE, Run, run
from schemakit import DARKER, OPENED, VEHICLE, WECHAT, own

from vault.schema import builtin


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An own file with a field, a kind and a darker mask."""
    path = tmp_path / "own.toml"
    path.write_text(own(WECHAT, VEHICLE, DARKER), "utf-8")
    return path


def test_check_shows_a_file_with_what_ships(file: Path, tmp_path: Path) -> None:
    """No vault is needed; without a file it is what ships; a mistake exits 2 and names its place."""
    nowhere = tmp_path / "none"
    found = run("--vault", nowhere, "schema", "check", file, "--json").json
    assert "x_wechat" in found["kinds"]["borrower"]
    assert found["kinds"]["x_vehicle"] == ["vehicle_no", "case_number", "plate", "colour"]
    assert run("--vault", nowhere, "schema", "check", "--json").json["schema"] == builtin().hash
    shipped = Path(__file__).parents[2] / "vault" / "schemas" / "collections.toml"
    assert run("schema", "check", shipped, "--json").json["schema"] == builtin().hash
    file.write_text(own(WECHAT.replace("40", "3")), "utf-8")
    bad = run("schema", "check", file, "--json")
    assert (bad.code, bad.error["field"]) == (2, "borrower.x_wechat")
    table = run("schema", "check", shipped)
    assert (table.code, "手机号码" in table.out) == (0, True)


def test_diff_says_what_would_change(cv: Run, file: Path) -> None:
    """In words, with the records each change seals anew; and as JSON."""
    words = cv("schema", "diff", file).out
    assert "borrower.x_wechat is added, mask hidden\n" in words
    assert "x_vehicle is added, kept like contact_attempt" in words
    assert "borrower.employer: mask employer becomes hidden (2 records are sealed anew)" in words
    items = cv("schema", "diff", file, "--json").json["items"]
    assert {(i["field"], i["what"], i["records"]) for i in items} == {
        ("x_wechat", "field_added", 0), ("", "kind_added", 0), ("employer", "mask", 2),
    }  # fmt: skip
    file.write_text(own(OPENED), "utf-8")
    assert cv("schema", "diff", file).out.startswith("+ loan.term: open no becomes yes")
    chinese = cv("schema", "diff", file, LC_ALL="zh_CN.UTF-8").out
    assert chinese.startswith("+ loan.term：公开属性由 no 改为 yes（2 条记录重新封存）")
    assert "Nothing changes." in cv("schema", "diff").err


def test_apply_puts_it_in_force(cv: Run, sandbox: Path, file: Path) -> None:
    """The file becomes the vault's, records are read under it, and applying it again changes nothing."""
    done = cv("schema", "apply", file, "--json")
    assert (done.code, done.json["resealed"], done.json["held"], done.json["damaged"]) == (0, 2, 0, 0)
    assert (sandbox / "schema.toml").read_bytes() == file.read_bytes()
    assert cv("schema", "apply", "--json").json["resealed"] == 0
    assert "x_vehicle" in run("--vault", sandbox, "schema", "check", "--json").json["kinds"]
    assert cv("list", "--kind", "loan", "--json").code == 0
    assert run("--vault", sandbox, "policy", "check").code == 0
    assert "0 records were sealed anew" in cv("schema", "apply").err
    asked = cv(
        "token", "issue", "--role", "legal", "--purpose", "legal_action", "--fields", "plate=clear",
        "--out", sandbox.parent / "t.token",
    )  # fmt: skip
    assert asked.code == 0


def test_an_edited_file_shuts_the_vault(cv: Run, sandbox: Path) -> None:
    """Exit 2, with the command that helps; the log can be asked all the same."""
    (sandbox / "schema.toml").write_text(own(WECHAT), "utf-8")
    found = cv("list", "--json")
    assert (found.code, found.error["field"]) == (2, "schema.toml")
    assert "cvault schema apply" in found.error["remedy"]
    assert cv("log", "list", "--json").code == 0
    assert cv("schema", "apply").code == 0
    assert cv("list", "--json").code == 0


def test_apply_takes_an_admins_token(sandbox: Path, cv: Run, file: Path) -> None:
    """Another role exits 3, and nothing has begun."""
    token = sandbox.parent / "dpo.token"
    cv("token", "issue", "--role", "dpo", "--purpose", "administration", "--out", token)
    denied = run("--vault", sandbox, "schema", "apply", file, "--token", token, "--json")
    assert (denied.code, denied.error["code"]) == (3, "role_denied")
    assert not (sandbox / "schema.toml").exists()


def test_what_a_hold_keeps_back_is_told(cv: Run, sandbox: Path, file: Path) -> None:
    """The record under hold is counted, the others are done, and the command has done its work."""
    policy = sandbox / "policy.toml"
    policy.write_text(policy.read_text("utf-8").replace(' "email",', ""), "utf-8")
    file.write_text(own(retired=["borrower.email"]), "utf-8")
    found = cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"]
    cv("hold", "add", found[0]["record"], "--number", "H-1", "--authority", "法院", "--until", "2050-01-01")
    done = cv("schema", "apply", file)
    assert (done.code, "borrower.email is retired" in done.out) == (0, True)
    assert "1 records under a legal hold keep what retired" in done.err


def test_a_record_that_does_not_open_is_told(cv: Run, sandbox: Path, file: Path) -> None:
    """It stays as it was, the others are done: exit 6."""
    with closing(sqlite3.connect(sandbox / "records.db")) as connection, connection:
        connection.execute("DELETE FROM payloads WHERE kind='borrower' AND compartment='contact'")
    done = cv("schema", "apply", file)
    assert (done.code, "don't open and are as they were" in done.err) == (6, True)


def test_doctor_tells_of_a_schema_that_is_not_in_force(cv: Run, sandbox: Path, file: Path) -> None:
    """A file that was put there and not applied is an error with its remedy; once applied it is well."""
    (sandbox / "schema.toml").write_bytes(file.read_bytes())
    found = {f["check"]: f for f in cv("doctor", "--json").json["findings"]}
    assert found["schema"]["level"] == "error"
    assert "schema apply" in found["schema"]["remedy"]
    (sandbox / "schema.toml").unlink()
    assert cv("schema", "apply", file).code == 0
    assert "schema" not in {f["check"] for f in cv("doctor", "--json").json["findings"]}
