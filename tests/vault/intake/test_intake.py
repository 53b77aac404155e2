"""A whole export: opened, matched, streamed; what is bad is named and holds nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake import Report, cells, open_export
from vault.intake.source import Record
from vault.model import Word
from vault.schema import builtin

TODAY = dt.date(2026, 3, 10)
HEADER = "案件编号,客户姓名,证件号,手机,星座,欠款余额\r\n"
GOOD = "AJ-{0},张三,11010519491231002X,13812345678,狮子,1000\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_an_export_from_end_to_end(tmp_path: Path, encoding: str) -> None:
    """Good rows become drafts, bad ones rejections; unknown columns are named and nowhere stored."""
    path = tmp_path / "委案.csv"
    bad = GOOD.format(2).replace("13812345678", "138")
    broken = '"AJ-3"x,张三,,,,\r\n'
    path.write_bytes((HEADER + GOOD.format(1) + bad + broken + GOOD.format(4)).encode(encoding))
    export = open_export(path, builtin(), kind="borrower", today=TODAY)
    rows = list(export.rows())
    assert export.encoding == encoding
    assert export.unknown == ["星座"]
    assert export.columns[3:5] == [("手机", "borrower.phone"), ("星座", None)]
    assert [(row.number, len(row.drafts), len(row.rejections)) for row in rows] == [
        (1, 2, 0), (2, 0, 1), (3, 0, 1), (4, 2, 0),
    ]  # fmt: skip
    assert rows[-1].consumed_bytes == export.total_bytes == path.stat().st_size
    assert all("狮子" not in draft.values.values() for row in rows for draft in row.drafts)
    assert "张三" not in repr(rows)


def test_destroyed_digits_are_seen_beforehand(tmp_path: Path) -> None:
    """A column that lost digits further down is distrusted from its first row on."""
    path = tmp_path / "export.csv"
    fits = GOOD.format(1).replace("11010519491231002X", "110105193612315000"[:17] + "0")
    path.write_text(HEADER + fits + GOOD.format(2).replace("11010519491231002X", "1.10105E+17"), "utf-8")
    export = open_export(path, builtin(), kind="borrower", today=TODAY)
    assert [len(row.rejections) for row in export.rows()] == [1, 1]


def test_map_file_over_the_table(tmp_path: Path) -> None:
    """A house's own names come in by its map."""
    path, mapping = tmp_path / "export.csv", tmp_path / "map.toml"
    path.write_text("大名,案件编号\n张三,AJ-1\n", "utf-8")
    mapping.write_text('[columns]\n"大名" = "borrower.name"\n', "utf-8")
    (row,) = open_export(path, builtin(), kind="borrower", mapping=mapping, today=TODAY).rows()
    assert row.drafts[0].values == {"name": "张三"}


def test_file_without_header_row(tmp_path: Path) -> None:
    """The first person's data, standing where headers should, is in no error."""
    path = tmp_path / "export.csv"
    path.write_text(GOOD.format(1), "utf-8")
    with pytest.raises(Invalid) as caught:
        open_export(path, builtin(), kind="borrower", today=TODAY)
    told = caught.value.message + caught.value.remedy
    assert not any(cell in told for cell in GOOD.strip().split(","))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=15), max_size=4))
def test_no_report_holds_a_cell(tmp_path: Path, cells: list[str]) -> None:
    """Whatever garbage stands in a file, rows come out whole and the report says nothing of it."""
    path, report = tmp_path / "export.csv", tmp_path / "report.jsonl"
    line = ",".join(["AJ-1", "张三", *(f"ζ7391ζ{cell}" for cell in cells)])
    path.write_bytes((HEADER + line + "\n" + GOOD.format(2)).encode())
    export = open_export(path, builtin(), kind="borrower", today=TODAY)
    with Report(report, {"unknown": export.unknown}) as writing:
        for row in export.rows():
            assert bool(row.drafts) is not bool(row.rejections)
            writing.add(row.rejections)
    told = report.read_text("utf-8")
    assert "7391" not in told
    assert "张三" not in told


class Table(Word, frozen=True, kw_only=True):
    """A source that is no file."""

    header: list[str]
    given: list[Record]
    encoding: str = "rows"
    size: int = 7

    def records(self) -> list[Record]:
        """Its records."""
        return self.given


def record(number: int, *texts: str, **more: object) -> Record:
    """A record of these cells."""
    return Record(number=number, cells=list(texts), problem="", consumed=number, **more)  # type: ignore[arg-type]


def test_any_source_is_an_export() -> None:
    """What is read from elsewhere than a file passes the same way; its encoding stands for a format."""
    source = Table(header=["案件编号", "姓名", "星座"], given=[record(1, "AJ-1", "张三", "狮子")])
    export = open_export(None, builtin(), kind="borrower", today=TODAY, source=source)
    assert (export.format, export.encoding, export.total_bytes, export.notes) == ("rows", "rows", 7, [])
    assert export.unknown == ["星座"]
    (row,) = export.rows()
    assert row.drafts[0].values == {"name": "张三"}


def test_neither_file_nor_source() -> None:
    """An import of nothing is the caller's mistake."""
    with pytest.raises(Invalid, match="no file"):
        open_export(None, builtin(), kind="borrower", today=TODAY)


def test_faults_become_rejections_of_their_columns() -> None:
    """A cell without text rejects its row under its column's title, once, beside the row's other faults."""
    faults = {2: cells.DIGITS, 0: cells.FORMULA}
    source = Table(
        header=["案件编号", "姓名", "证件号", "手机"], given=[record(1, "", "张三", "", "138", faults=faults)]
    )
    (row,) = open_export(None, builtin(), kind="borrower", today=TODAY, source=source).rows()
    assert row.drafts == ()
    assert {(each.field, each.code) for each in row.rejections} == {
        ("loan.case_number", "invalid_cell"),
        ("borrower.id_number", "invalid_digits"),
        ("borrower.phone", "invalid_phone"),
    }
    digits = next(each for each in row.rejections if each.code == "invalid_digits")
    assert digits.message.startswith("证件号: ")
    assert digits.remedy == cells.DIGITS.remedy


def test_faults_of_columns_that_are_not_stored_are_passed_over() -> None:
    """What nobody asked for cannot reject a row, however broken it is."""
    given = [record(1, "AJ-1", "张三", "", faults={2: cells.DIGITS, 9: cells.DIGITS})]
    source = Table(header=["案件编号", "姓名", "星座"], given=given)
    (row,) = open_export(None, builtin(), kind="borrower", today=TODAY, source=source).rows()
    assert len(row.drafts) == 2


def test_number_cells_that_lost_digits_make_their_column_distrusted() -> None:
    """Beside a number cell that lost digits, a text of the same column that ends in zeros is refused."""
    fits = "110105193612315000"[:17] + "0"
    source = Table(
        header=["案件编号", "姓名", "证件号"],
        given=[record(1, "A", "张三", fits), record(2, "B", "李四", "", faults={2: cells.DIGITS})],
    )
    first, second = open_export(None, builtin(), kind="borrower", today=TODAY, source=source).rows()
    assert [each.code for each in (*first.rejections, *second.rejections)] == ["invalid_digits"] * 2


def test_going_on_after_a_row(tmp_path: Path) -> None:
    """Rows taken before are passed over; the others are what they are without that."""
    path = tmp_path / "export.csv"
    path.write_text(HEADER + "".join(map(GOOD.format, range(1, 6))), "utf-8")
    export = open_export(path, builtin(), kind="borrower", today=TODAY)
    assert export.format == "csv"
    whole = list(export.rows())
    assert list(export.rows(after=3)) == whole[3:]
    assert list(export.rows(after=9)) == []


def test_records_can_go_to_another_process() -> None:
    """A record with faults of both kinds is the same after the way through MessagePack."""
    given = record(1, "", "", faults={0: cells.DIGITS, 1: "no such value"})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(given), type=Record) == given
    told = Table(header=["案件编号", "姓名"], given=[given])
    (row,) = open_export(None, builtin(), kind="borrower", today=TODAY, source=told).rows()
    assert sorted((each.field, each.code, bool(each.remedy)) for each in row.rejections) == [
        ("borrower.name", "invalid_cell", True),
        ("loan.case_number", "invalid_digits", True),
    ]
