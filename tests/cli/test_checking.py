"""`import --check`: explained without token or vault, in the language of the locale; maps for --map."""

from __future__ import annotations

import stat
from pathlib import Path

from commands import ADDRESS, CONTACT, NAME, PHONE, export, run

from vault.schema import builtin

PROMISES = "案件编号,承诺金额,承诺还款日\nAJ-1,100,2026-03-01\n"


def test_a_check_needs_no_vault_and_stores_nothing(tmp_path: Path) -> None:
    """No folder, no token: it explains, and ends with 6 where rows would be refused."""
    done = run(
        "--vault", tmp_path / "none", "import", export(tmp_path), "--kind", "borrower", "--check", "--json"
    )
    assert (done.code, done.json["importable"], done.json["refused"]) == (6, "partly", 1)
    assert not (tmp_path / "none").exists()
    assert not [value for value in (NAME, PHONE, ADDRESS, CONTACT) if value in done.out]


def test_exit_codes_say_whether_it_could_be_imported(tmp_path: Path) -> None:
    """0 as it is, 2 where a column is missing or the file is none."""
    path = tmp_path / "p.csv"
    path.write_text(PROMISES, "utf-8")
    assert run("import", path, "--kind", "promise", "--check").code == 0
    assert run("import", path, "--kind", "borrower", "--check").code == 2
    assert (
        run("import", tmp_path / "none.csv", "--kind", "promise", "--check", "--json").error["field"]
        == "file"
    )


def test_people_get_tables_in_their_language(tmp_path: Path) -> None:
    """Titles, reasons and remedies are Chinese where the locale is; samples are masked in both."""
    english = run("import", export(tmp_path), "--kind", "borrower", "--check")
    chinese = run("import", export(tmp_path), "--kind", "borrower", "--check", LC_ALL="zh_CN.UTF-8")
    assert "used for computing, not stored" in english.out
    assert "compare each digit" in english.out
    assert "154****0001" in english.out
    assert "Nothing was stored" in english.err
    for words in (
        "脱敏样例",
        "仅用于计算，不存储",
        "手机号码 borrower.phone",
        "不是有效的居民身份证号码",
        "154****0001",
    ):
        assert words in chinese.out
    assert "未存储任何数据" in chinese.err


def test_missing_columns_and_guesses_are_said(tmp_path: Path) -> None:
    """What is missing is named; what an unknown column may be is proposed."""
    path = tmp_path / "e.csv"
    path.write_text("编号,大名,卡\n" + "".join(f"AJ{i},张三,4111111111111111\n" for i in range(4)), "utf-8")
    done = run("import", path, "--kind", "borrower", "--check")
    assert done.code == 2
    assert "borrower.name, loan.case_number" in done.err
    assert "perhaps borrower.bank_card" in done.out
    assert "4111" not in done.out


def test_a_written_map_is_private_and_read_back(tmp_path: Path) -> None:
    """Mode 0600; with it the same columns are found; nothing there is written over."""
    path, made = export(tmp_path), tmp_path / "m.toml"
    first = run("import", path, "--kind", "borrower", "--check", "--write-map", made, "--json")
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    again = run("import", path, "--kind", "borrower", "--check", "--map", made, "--json")
    assert [c["target"] for c in again.json["columns"]] == [c["target"] for c in first.json["columns"]]
    over = run("import", path, "--kind", "borrower", "--check", "--write-map", made, "--json")
    assert (over.code, over.error["field"], over.out) == (2, "write-map", "")


def test_a_map_is_written_by_a_check_alone(tmp_path: Path) -> None:
    """--write-map without --check imports nothing by mistake."""
    done = run("import", export(tmp_path), "--kind", "borrower", "--write-map", tmp_path / "m", "--json")
    assert (done.code, done.error["code"]) == (2, "invalid_usage")
    assert not (tmp_path / "m").exists()


def test_every_type_that_content_tells_has_a_name_for_people() -> None:
    """No guess, reason or form lacks its words."""
    from cli import messages
    from vault.intake.shapes import _FORMS, _KINDS

    for name in ("phone", "ref", *(name for name, *_ in _KINDS)):
        assert messages.text(f"check.type.{name}")
    for name in ("chars", *(name for name, _ in _FORMS)):
        assert messages.text(f"check.shape.{name}", count=1)
    types = {field.type for kind in builtin().kinds.values() for field in kind.fields.values()}
    assert {f"invalid_{name}" for name in types} <= messages._FAULTS.keys()
