"""A file explained before anything is stored: columns, faults and proposals, and no value in the clear."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.access.masking import mask
from vault.errors import Invalid
from vault.intake import open_export
from vault.intake.checking import Checked, check
from vault.intake.csvfile import inspect
from vault.intake.explaining import ColumnCheck
from vault.intake.source import Record
from vault.schema import builtin

TODAY = dt.date(2026, 3, 10)
HEADER = "案件编号,客户姓名,证件号,手机,产品,委案日期\n"
GOOD = "AJ-1,诸葛霁月,11010519491231002X,15412340001,现金贷,2026-02-01\n"
ROWS = (
    GOOD + "AJ-2,欧阳流云,,15412340002,现金贷,2026-02-02\n" + "AJ-3,司马青衫,,15412340003,诸葛白,2026-02-03\n"
)
VALUES = ("诸葛霁月", "欧阳流云", "司马青衫", "11010519491231002X", "154123400", "诸葛白")


def checked(folder: Path, text: str, **given: Any) -> Checked:
    """What is said of a file with this text."""
    path = folder / "export.csv"
    path.write_bytes(text.encode())
    return check(inspect(path), builtin(), **{"kind": "borrower", "today": TODAY, "mask": mask} | given)


def column(found: Checked, title: str) -> ColumnCheck:
    """The column with a title."""
    (one,) = (each for each in found.columns if each.title == title)
    return one


def test_a_good_file_is_explained_with_masked_samples(tmp_path: Path) -> None:
    """Targets, how sure, counts and samples stand there; nothing that a mask hides does."""
    found = checked(tmp_path, HEADER + ROWS)
    assert (found.importable, found.rows, found.looked, found.refused) == ("yes", 3, 3, 0)
    assert (found.format, found.encoding, found.delimiter, found.header) == ("csv", "utf-8", ",", True)
    assert [one.how for one in found.columns] == ["exact", "alias", "alias", "alias", "exact", "exact"]
    number, phone = column(found, "证件号"), column(found, "手机")
    assert (number.filled, number.valid, number.samples) == (1, 1, ["1****************X"])
    assert phone.samples == ["154****0001", "154****0002", "154****0003"]
    said = msgspec.json.encode(found).decode()
    assert not [value for value in VALUES if value in said]


def test_words_of_an_unmasked_field_are_shown_only_where_they_repeat(tmp_path: Path) -> None:
    """A name that strayed into the products stands there once, and isn't shown."""
    assert column(checked(tmp_path, HEADER + ROWS), "产品").samples == ["现金贷"]


def test_a_hidden_mask_shows_nothing(tmp_path: Path) -> None:
    """Notes are hidden whole; so are their samples."""
    text = "案件编号,联系方式,联系日期,催记\nAJ-1,voice,2026-02-01,客户称下周还款\n"
    note = column(checked(tmp_path, text, kind="contact_attempt"), "催记")
    assert (note.target, note.valid, note.samples) == ("contact_attempt.note", 1, [])


def test_faults_are_counted_by_what_is_wrong(tmp_path: Path) -> None:
    """Cells and rows that an import would refuse are counted with the remedy, without their values."""
    bad = "AJ-4,,110105194912310021,138,现金贷,2027-01-01\nAJ-5,上官婉,,139,现金贷\n"
    found = checked(tmp_path, HEADER + ROWS + bad)
    assert (found.importable, found.refused) == ("partly", 2)
    phone = column(found, "手机")
    assert (phone.filled, phone.valid, phone.shapes) == (5, 3, ["digits:3"])
    assert [(one.code, one.count) for one in phone.faults] == [("invalid_phone", 1)]
    assert column(found, "客户姓名").faults[0].code == "invalid_required"
    assert [one.code for one in column(found, "委案日期").faults] == ["invalid_date"]
    assert column(found, "证件号").faults[0].remedy == "compare each digit with the document"
    assert [(one.code, one.count) for one in found.faults] == [("invalid_row", 1)]
    assert not any(one.message.startswith("手机") for one in phone.faults)


GONE = Invalid("digits are gone", code="invalid_digits", remedy="format the column as text")


class Faulty(Record):
    """A record of a format that can't read every cell."""

    faults: dict[int, Invalid] = msgspec.field(default_factory=dict)


class Typed:
    """A source of such records: the second has a number whose digits are gone, and an empty cell for it."""

    encoding, format, size, header = "xlsx", "xlsx", 1, ["案件编号", "姓名", "手机"]

    def records(self) -> Iterator[Record]:
        """Two records."""
        yield Faulty(number=1, cells=["AJ-1", "张三", "15412340001"], problem="", consumed=0)
        yield Faulty(number=2, cells=["AJ-2", "李四", ""], problem="", consumed=1, faults={2: GONE})


def test_a_cell_that_its_format_cannot_read_is_filled_and_not_valid() -> None:
    """It stands empty in the record, and isn't taken for blank; formats without delimiters have none."""
    found = check(Typed(), builtin(), kind="borrower", today=TODAY, mask=mask)
    phone = column(found, "手机")
    assert (phone.filled, phone.valid) == (2, 1)
    assert (found.format, found.delimiter) == ("xlsx", "")


def test_what_is_refused_is_what_an_import_refuses(tmp_path: Path) -> None:
    """The check and the import agree on every row."""
    found = checked(tmp_path, HEADER + ROWS + "AJ-4,,,138,,\n")
    export = open_export(tmp_path / "export.csv", builtin(), kind="borrower", today=TODAY)
    assert found.refused == sum(bool(row.rejections) for row in export.rows()) == 1


def test_missing_columns_are_listed_and_proposed(tmp_path: Path) -> None:
    """A file without known names is explained nonetheless, by its content."""
    text = (
        '编号,大名,联系号码,应收\nAJ-1,张三丰,13812345678,"1,234.50"\n'
        "AJ-2,李四光,13812345679,3.20\nAJ-3,王五,13812345670,8.00\n"
    )  # fmt: skip
    found = checked(tmp_path, text)
    assert (found.importable, found.missing) == ("no", ["borrower.name", "loan.case_number"])
    assert column(found, "编号").proposals[0] == "loan.case_number"
    assert column(found, "大名").proposals[0] == "borrower.name"
    assert {one.how for one in found.columns} == {"content"}
    assert "borrower.phone" in column(found, "联系号码").proposals
    assert column(found, "应收").looks_like == "money"
    assert not [one for one in found.columns if one.samples]


@pytest.mark.parametrize(
    ("title", "cells", "like"),
    [
        ("甲", ["11010519491231002X", "110101199003074610", "11010119900307803X"], "id_number"),
        ("乙", ["4111111111111111", "5555555555554444", "4012888888881881"], "bank_card"),
        ("丙", ["010-12345678", "13812345678", "021-87654321"], "phone"),
        ("丁", ["2026-01-01", "2026/1/2", "20260103"], "date"),
        ("戊", ["a@example.com", "b@example.com", "c@example.com"], "email"),
        ("己", ["12", "13", "14"], ""),
    ],
)
def test_content_tells_types(tmp_path: Path, title: str, cells: list[str], like: str) -> None:
    """Unknown columns of a known type get proposals of that type; others none."""
    text = f"案件编号,姓名,{title}\n" + "".join(f"AJ-{i},张三,{cell}\n" for i, cell in enumerate(cells))
    one = column(checked(tmp_path, text), title)
    assert (one.looks_like, bool(one.proposals), one.samples) == (like, bool(like), [])


def test_a_taken_field_is_not_proposed(tmp_path: Path) -> None:
    """What another column gives isn't proposed a second time."""
    rows = "".join(f"AJ-{i},张三,1381234567{i},1391234567{i}\n" for i in range(4))
    proposals = column(checked(tmp_path, "案件编号,姓名,手机,号\n" + rows), "号").proposals
    assert proposals
    assert "borrower.phone" not in proposals


def test_a_column_under_the_wrong_title_is_noticed(tmp_path: Path) -> None:
    """Where most cells are refused, what they look like is said."""
    rows = "".join(f"AJ-{i},张三,11010519491231002X\n" for i in range(4))
    one = column(checked(tmp_path, "案件编号,姓名,手机\n" + rows), "手机")
    assert (one.valid, one.looks_like, one.shapes) == (0, "id_number", ["chars:18"])


def test_why_a_column_is_not_stored(tmp_path: Path) -> None:
    """Unknown, never stored, computed, used only for computing, and left out are told apart."""
    text = "案件编号,姓名,星座,支付密码,欠款区间,逾期天数,备用\nAJ-1,张三,狮子,123456,1k-5k,30,x\n"
    found = checked(tmp_path, text, mapping={"备用": ""})
    assert [one.why for one in found.columns] == [
        "", "", "unknown", "never_stored", "computed_only", "used_only", "left_out",
    ]  # fmt: skip
    never = column(found, "支付密码")
    assert (never.samples, never.shapes, never.proposals) == ([], [], [])


def test_a_map_decides(tmp_path: Path) -> None:
    """A column that the map names is known by the map."""
    found = checked(
        tmp_path, "编号,大名\nAJ-1,张三\n", mapping={"编号": "loan.case_number", "大名": "borrower.name"}
    )
    assert [(one.target, one.how) for one in found.columns] == [
        ("loan.case_number", "map"), ("borrower.name", "map"),
    ]  # fmt: skip
    assert found.importable == "yes"


def test_two_columns_for_one_field_are_a_problem(tmp_path: Path) -> None:
    """An import would stop; the check goes on and says so."""
    found = checked(tmp_path, "案件编号,姓名,客户姓名\nAJ-1,张三,张三\n")
    assert found.importable == "no"
    assert "borrower.name" in found.problems[0].message


def test_a_missing_header_is_noticed_and_not_repeated(tmp_path: Path) -> None:
    """Data in the first row is said to be data; no title is made of it."""
    found = checked(tmp_path, ROWS)
    assert (found.header, found.importable, found.problems[0].code) == (False, "no", "invalid_header")
    assert [one.title for one in found.columns] == [f"column {n}" for n in range(1, 7)]
    assert found.columns[3].proposals
    assert found.looked == found.rows == 3
    assert not [value for value in VALUES if value in msgspec.json.encode(found).decode()]


def test_a_title_that_looks_like_data_does_not_unmake_a_header(tmp_path: Path) -> None:
    """One dated title among known ones is a title."""
    assert checked(tmp_path, "案件编号,姓名,2026-01-01\nAJ-1,张三,5\n").header is True


def test_only_the_first_rows_are_looked_at(tmp_path: Path) -> None:
    """A long file is counted, not checked, past its first thousand rows."""
    found = checked(tmp_path, "案件编号,姓名\n" + "".join(f"AJ-{i},张三\n" for i in range(1500)) + "AJ-x,\n")
    assert (found.looked, found.rows, found.refused) == (1000, 1501, 0)


def test_a_file_without_rows_could_be_imported(tmp_path: Path) -> None:
    """Titles alone are no fault."""
    found = checked(tmp_path, HEADER)
    assert (found.importable, found.looked, found.rows) == ("yes", 0, 0)


def test_an_unknown_kind_and_a_bad_map_are_errors(tmp_path: Path) -> None:
    """What the caller named wrongly is no finding about the file."""
    with pytest.raises(Invalid, match="no import for this kind"):
        checked(tmp_path, HEADER, kind="suppression")
    with pytest.raises(Invalid, match="names no column"):
        checked(tmp_path, HEADER + ROWS, mapping={"无此列": "borrower.name"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    cells=st.lists(
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12), min_size=5, max_size=5
    ),
    header=st.booleans(),
)
def test_no_check_holds_a_refused_or_unknown_cell(tmp_path: Path, cells: list[str], *, header: bool) -> None:
    """Whatever garbage stands in a file, a check says nothing of it, or that it is no file."""
    line = ",".join(["AJ-1", *(f"ζ7391ζ{cell}" for cell in cells)])
    text = ("案件编号,客户姓名,证件号,手机,星座,密码\n" if header else "") + line + "\n" + line
    said = ""
    try:
        found = checked(tmp_path, text)
        said = msgspec.json.encode(found.columns if header else found.faults).decode()
    except Invalid as error:
        said = error.message + error.remedy
    assert said
    assert "7391" not in said
