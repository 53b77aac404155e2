"""A written map file: every column stands in it, and reading it back changes nothing."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.access.masking import mask
from vault.errors import Invalid
from vault.intake.checking import Checked, check
from vault.intake.csvfile import inspect
from vault.intake.headers import read_map
from vault.intake.mapping import map_text
from vault.schema import builtin

ROWS = "AJ-1,诸葛霁月,15412340001,2026-02-01\nAJ-2,欧阳流云,15412340002,2026-02-02\n"

TITLES = st.lists(
    st.sampled_from(
        ["案件编号", "姓名", "手机", "手机(本人)", "备注", "备注", "密码", "欠款区间", "逾期天数", ""]
    )
    | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8),
    min_size=1,
    max_size=8,
)


def checked(folder: Path, text: str, mapping: Mapping[str, str] | None = None) -> Checked:
    """What is said of a file with this text."""
    path = folder / "export.csv"
    path.write_bytes(text.encode())
    today = dt.date(2026, 3, 10)
    return check(inspect(path), builtin(), kind="borrower", mapping=mapping, today=today, mask=mask)


def quoted(cells: list[str]) -> str:
    """A CSV line."""
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"


def test_known_proposed_and_unknown_columns(tmp_path: Path) -> None:
    """Known ones as found, proposals behind a #, unknown ones empty with their reason."""
    rows = "".join(f"AJ-{i},张三,1381234567{i},狮子,x\n" for i in range(4))
    found = checked(tmp_path, "案件编号,客户姓名,联系号码,星座,密码\n" + rows)
    text = map_text(["案件编号", "客户姓名", "联系号码", "星座", "密码"], found)
    assert '\n"案件编号" = "loan.case_number"\n"客户姓名" = "borrower.name"\n' in text
    assert '\n"联系号码" = ""\n# "联系号码" = "contact_person.phone"' in text
    assert '\n"星座" = ""\n"密码" = ""  # never stored\n' in text
    assert "138" not in text


def test_a_proposal_taken_up_is_understood(tmp_path: Path) -> None:
    """Whoever moves the # gets what was proposed."""
    header = "编号,大名\n"
    path = tmp_path / "m.toml"
    found = checked(tmp_path, header + "".join(f"AJ-{i},张三\n" for i in range(4)))
    lines = map_text(["编号", "大名"], found).splitlines()
    wanted = ('# "编号" = "loan.case_number"', '# "大名" = "borrower.name"')
    taken = [line[2:] for line in lines if line.startswith(wanted)]
    path.write_text("[columns]\n" + "\n".join(taken), "utf-8")
    again = checked(tmp_path, header + "AJ-1,张三\n", mapping=read_map(path))
    assert (len(taken), again.importable) == (2, "yes")


def test_no_map_for_a_file_without_titles(tmp_path: Path) -> None:
    """The first row is a person's: it isn't written down."""
    found = checked(tmp_path, ROWS)
    with pytest.raises(Invalid) as caught:
        map_text(ROWS.splitlines()[0].split(","), found)
    assert "诸葛" not in caught.value.message + caught.value.remedy


def test_a_title_that_looks_like_data_is_written_only_if_a_map_named_it(tmp_path: Path) -> None:
    """It could be a person's number; where the caller wrote it down before, it is known."""
    title, text = "13812345678号", "案件编号,姓名,13812345678号\nAJ-1,张三,x\n"
    assert "138" not in map_text(["案件编号", "姓名", title], checked(tmp_path, text))
    named = checked(tmp_path, text, mapping={title: "loan.product"})
    assert f'"{title}" = "loan.product"' in map_text(["案件编号", "姓名", title], named)


@settings(max_examples=150, deadline=None)
@given(titles=TITLES)
def test_reading_it_back_gives_the_same_targets(titles: list[str]) -> None:
    """Whatever the titles, duplicates, quotes and control characters included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = quoted(titles) + quoted(["x"] * len(titles))
        try:
            found = checked(folder, text)
            header = inspect(folder / "export.csv").header
        except Invalid:
            return  # no titles at all, or line breaks that end the file
        if not found.header:
            return
        (folder / "m.toml").write_text(map_text(header, found), "utf-8", newline="")
        again = checked(folder, text, mapping=read_map(folder / "m.toml"))
        assert [one.target for one in again.columns] == [one.target for one in found.columns]
        assert (again.missing, again.importable) == (found.missing, found.importable)
