"""Files joined by a key: columns side by side, nothing lost, nothing guessed, nothing in clear on disk."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake import Export, cells, open_export
from vault.intake.joining import Joined, join
from vault.intake.source import Record
from vault.model import Word
from vault.schema import builtin

TODAY = dt.date(2026, 3, 10)


class Table(Word, frozen=True, kw_only=True):
    """A source out of a list."""

    header: list[str]
    given: list[Record]
    encoding: str = "utf-8"
    size: int = 100
    notes: list[str] = []  # noqa: RUF012  msgspec copies it
    unreadable: dict[int, str] = {}  # noqa: RUF012  likewise

    def records(self) -> list[Record]:
        """Its records."""
        return self.given


def table(header: str, *rows: str | Record) -> Table:
    """A source of rows written with commas."""
    return Table(
        header=header.split(","),
        given=[
            row
            if isinstance(row, Record)
            else Record(number=number, cells=row.split(","), problem="", consumed=number)
            for number, row in enumerate(rows, start=1)
        ],
    )


def told(joined: Joined) -> list[list[str] | str]:
    """Each record's cells or problem."""
    return [record.problem or record.cells for record in joined.records()]


def test_columns_side_by_side() -> None:
    """A row gets the cells of each side's row of its key; without one, or without a key, they are blank."""
    main = table("no,name", "1,a", "2,b", ",c", "4,d")
    joined = join(main, [table("no,phone", "2,p2", "1,p1"), table("mail,no", "m1,1")], "no")
    assert joined.header == ["no", "name", "phone", "mail"]
    assert told(joined) == [
        ["1", "a", "p1", "m1"],
        ["2", "b", "p2", ""],
        ["", "c", "", ""],
        ["4", "d", "", ""],
    ]
    assert told(joined) == told(joined)


def test_keys_are_compared_as_they_are_meant() -> None:
    """Full-width digits and spaces around a key don't part it from its partner."""
    joined = join(table("no,name", "１２ ,a"), [table("NO.,phone", "12,p")], "no")
    assert told(joined) == [["１２ ", "a", "p"]]


def test_one_side_row_for_many() -> None:
    """Several rows of one person each get the person's cells."""
    joined = join(table("case,no", "a,1", "b,1"), [table("no,name", "1,x")], "no")
    assert told(joined) == [["a", "1", "x"], ["b", "1", "x"]]


def test_side_rows_without_a_partner_are_told() -> None:
    """Each is a record with a problem, numbered on from the last, that names the side and the row there."""
    side = table("no,phone", "9,p9", "1,p1", ",p", "7,p7")
    records = list(join(table("no,name", "1,a"), [side], "no").records())
    assert [record.number for record in records] == [1, 2, 3, 4]
    assert [record.problem for record in records[1:]] == [
        "side 1, row 3: its key is empty or cannot be read",
        "side 1, row 1: no row of the main file has its key",
        "side 1, row 4: no row of the main file has its key",
    ]


def test_malformed_side_rows_are_told() -> None:
    """A side's row that cannot be read, or has the wrong number of cells, is told and not joined."""
    bad = Record(number=1, cells=[], problem="quotation marks do not close", consumed=0)
    faulty = Record(number=2, cells=["", "x"], problem="", consumed=0, faults={0: cells.DIGITS})
    side = table("no,phone", bad, faulty, "1", "1,p,q")
    *_, a, b, c, d = told(join(table("no,name", "1,a"), [side], "no"))
    assert a == "side 1, row 1: quotation marks do not close"
    assert b == "side 1, row 2: its key is empty or cannot be read"
    assert c == "side 1, row 3: it has 1 cells, its header has 2"
    assert d == "side 1, row 4: it has 3 cells, its header has 2"


def test_side_rows_that_differ_spoil_their_key() -> None:
    """Two rows of one key that differ leave no choice to be made here; two alike are one."""
    main = table("no,name", "1,a", "2,b")
    joined = join(main, [table("no,phone", "1,p", "1,q", "2,r", "2,r")], "no")
    assert told(joined) == ["side 1 has rows of this key that differ; leave one of them", ["2", "b", "r"]]


def test_malformed_main_rows_stay_what_they_are() -> None:
    """A main row of too few cells is refused as such, with no side's cell in its place."""
    bad = Record(number=2, cells=[], problem="broken", consumed=0)
    joined = join(table("no,name", "1", bad, "1,a,extra"), [table("no,phone", "2,p")], "no")
    assert told(joined)[:3] == [["1"], "broken", ["1", "a", "extra"]]


def test_faults_of_sides_move_with_their_cells() -> None:
    """A side's cell that has no text is a fault of the column it is put into."""
    side = Table(
        header=["card", "no", "id"],
        given=[
            Record(
                number=1,
                cells=["", "1", ""],
                problem="",
                consumed=0,
                faults={0: cells.DIGITS, 2: cells.ERROR},
            )
        ],
        notes=["hidden sheets were not read: x"],
        unreadable={2: "bytes"},
    )
    joined = join(table("no,name", "1,a"), [side], "no")
    (record,) = joined.records()
    assert record.cells == ["1", "a", "", ""]
    assert {index: fault.message for index, fault in record.faults.items()} == {
        2: cells.DIGITS.message,
        3: cells.ERROR.message,
    }
    assert joined.unreadable == {3: "bytes"}
    assert joined.notes == side.notes


@pytest.mark.parametrize(
    ("main", "sides", "on"),
    [
        ("no,name", ["nr,phone"], "no"),
        ("name,phone", ["no,mail"], "no"),
        ("no,no ,name", ["no,phone"], "no"),
        ("no,name", ["no,Name"], "no"),
        ("no,name", ["no,phone", "no,phone"], "no"),
        ("no,name", ["no,phone,phone "], "no"),
    ],
)
def test_titles_that_do_not_join(main: str, sides: list[str], on: str) -> None:
    """A key that is missing or twice, and columns of one title besides it, are refused."""
    with pytest.raises(Invalid) as caught:
        join(table(main), [table(side) for side in sides], on)
    assert caught.value.code == "invalid_join"
    assert caught.value.remedy


@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 50), unique=True))
def test_nothing_is_lost(main: list[int], side: list[int]) -> None:
    """Every main row comes out once, and every side row either beside one or told."""
    joined = join(
        table("no", *map(str, main)), [table("no,phone", *(f"{number},p{number}" for number in side))], "no"
    )
    records = list(joined.records())
    assert [record.cells for record in records[: len(main)]] == [
        [str(number), f"p{number}" if number in side else ""] for number in main
    ]
    assert len(records) - len(main) == len(set(side) - set(main))


def test_many_rows_in_little_memory() -> None:
    """The table grows; sides' cells are not in memory."""
    side = table("no,phone")
    count = 20_000

    class Endless(Table, frozen=True, kw_only=True):
        def records(self) -> list[Record]:
            return (
                Record(number=n, cells=[str(n), f"{n}" * 40], problem="", consumed=n) for n in range(1, count)
            )  # type: ignore[return-value]

    tracemalloc.start()
    try:
        joined = join(table("no,name", "777,a"), [Endless(header=side.header, given=[])], "no")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 1024 * 1024
    first = next(iter(joined.records()))
    assert first.cells == ["777", "a", "777" * 40]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A CSV of cases and a workbook with the people's sheet and another."""
    cases, people = tmp_path / "cases.csv", tmp_path / "people.xlsx"
    cases.write_text("案件编号,身份证号,欠款余额\nAJ-1,11010519491231002x,100\nAJ-2,,5\nAJ-3,1,7\n", "utf-8")
    book = openpyxl.Workbook()
    book.active.append(["证件号码", "姓名", "手机"])
    book.active.append(["11010519491231002X", "张三", "13812345678"])
    book.active.append(["1", "李四", 13812345678])
    book.create_sheet("other").append(["x", "y"])
    book.save(people)
    return cases, people


def opened(files: tuple[Path, Path], **options: object) -> Export:
    """The cases with the people's sheet beside them."""
    return open_export(
        files[0],
        builtin(),
        kind="borrower",
        today=TODAY,
        joins=[(files[1], "Sheet")],
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("on", ["borrower.id_number", "身份证号", "证件号码"])
def test_an_export_of_two_files(files: tuple[Path, Path], on: str) -> None:
    """Files are joined by a field or a title, whatever each calls it, and by its canonical value."""
    export = opened(files, on=on)
    first, second, third = export.rows()
    assert first.drafts[0].values["name"] == "张三"
    assert first.drafts[1].values["case_number"] == "AJ-1"
    assert [rejection.field for rejection in second.rejections] == ["borrower.name"]
    assert [rejection.field for rejection in third.rejections] == ["borrower.id_number"]


def test_a_join_by_a_mapped_title(tmp_path: Path) -> None:
    """A title that only the map file knows joins, too."""
    main, side, mapping = (tmp_path / name for name in ("main.csv", "side.csv", "map.toml"))
    main.write_text("案件编号,号\nAJ-1,11010519491231002x\n", "utf-8")
    side.write_text("身份证,姓名\n11010519491231002X,张三\n", "utf-8")
    mapping.write_text('[columns]\n"号" = "borrower.id_number"\n', "utf-8")
    export = open_export(
        main, builtin(), kind="borrower", today=TODAY, joins=[side], on="号", mapping=mapping
    )
    (row,) = export.rows()
    assert row.drafts[0].values["name"] == "张三"


@pytest.mark.parametrize("on", [None, "星座", "borrower.phone"])
def test_keys_that_join_nothing(files: tuple[Path, Path], on: str | None) -> None:
    """A join without a key, or by a column that the files do not both have, is refused."""
    with pytest.raises(Invalid) as caught:
        opened(files, on=on)
    assert caught.value.code == "invalid_join"


def test_a_key_without_a_join(files: tuple[Path, Path]) -> None:
    """A key alone joins nothing, so it is a mistake."""
    with pytest.raises(Invalid, match="needs both"):
        open_export(files[0], builtin(), kind="borrower", today=TODAY, on="案件编号")
