"""Workbooks: typed cells exactly or not at all, one sheet of several, and files made to do harm."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake import cells
from vault.intake.source import MAX_CELL, MAX_LINE, Record
from vault.intake.xlsxcells import is_date_format, number, plain
from vault.intake.xlsxfile import Workbook, open_workbook

NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEADER = '<row r="1"><c t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><t>b</t></is></c></row>'
SECRET = "13812345678"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's file stands."""
    return tmp_path / "export.xlsx"


def parts(rows: str = "", **changes: str | bytes | None) -> dict[str, str | bytes]:
    """A workbook's parts by name, `/` written as `__` in the names changed; None takes one out."""
    relation = f'<Relationship Id="r1" Type="{RELATIONS}/%s" Target="%s"/>'
    found: dict[str, str | bytes | None] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f"<Relationships>{relation % ('officeDocument', 'xl/workbook.xml')}</Relationships>",
        "xl/_rels/workbook.xml.rels": f"<Relationships>{relation % ('worksheet', 'sheet.xml')}"
        + relation.replace("r1", "r2") % ("sharedStrings", "/xl/strings.xml")
        + relation.replace("r1", "r3") % ("styles", "styles.xml")
        + "</Relationships>",
        "xl/workbook.xml": f'<x:workbook xmlns:x="x" xmlns:r="{RELATIONS}">'
        '<x:sheets><x:sheet name="One" sheetId="1" r:id="r1"/></x:sheets></x:workbook>',
        "xl/sheet.xml": f"<worksheet {NS}><sheetData>{HEADER}{rows}</sheetData></worksheet>",
        "xl/strings.xml": f"<sst {NS}><si><t>shared</t></si></sst>",
        "xl/styles.xml": f'<styleSheet {NS}><numFmts><numFmt numFmtId="200" formatCode="yyyy/m/d"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="200"/><xf numFmtId="31"/></cellXfs></styleSheet>',
    }
    found |= {name.replace("__", "/"): part for name, part in changes.items()}
    return {name: part for name, part in found.items() if part is not None}


def pack(path: Path, content: dict[str, str | bytes]) -> Path:
    """Write parts as an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    return path


def read(path: Path, rows: str, **changes: str | bytes | None) -> list[Record]:
    """The records of a sheet of these rows."""
    return list(open_workbook(pack(path, parts(rows, **changes))).records())


def refused(path: Path, sheet: str | None = None) -> Invalid:
    """The error that a file is refused with, when opened or when read."""
    with pytest.raises(Invalid) as caught:
        list(open_workbook(path, sheet).records())
    assert caught.value.remedy
    assert caught.value.__context__ is None
    assert SECRET not in caught.value.message + caught.value.remedy
    return caught.value


def written(path: Path, rows: list[list[Any]]) -> Workbook:
    """A sheet written by another program and opened."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return open_workbook(path)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c t="s"><v>0</v></c>', "shared"),
        ('<c t="inlineStr"><is><t>in</t><r><t> rich</t></r><rPh><t>x</t></rPh></is></c>', "in rich"),
        ('<c t="str"><f>"a"</f><v>a</v></c>', "a"),
        ('<c t="str"><f>""</f><v></v></c>', ""),
        ("<c><v>13812345678</v></c>", "13812345678"),
        ("<c><v>110105491231002</v></c>", "110105491231002"),
        ("<c><v>1.3812345678E10</v></c>", "13812345678"),
        ("<c><v>12345.600000000001</v></c>", "12345.6"),
        ("<c><v>0.1</v></c>", "0.1"),
        ("<c><v>-1</v></c>", "-1"),
        ("<c><f>1+1</f><v>2</v></c>", "2"),
        ('<c t="b"><v>1</v></c>', "是"),
        ('<c t="b"><v>0</v></c>', "否"),
        ('<c t="e"><v>#N/A</v></c>', ""),
        ('<c s="1"><v>46082</v></c>', "2026-03-01"),
        ('<c s="2"><v>46082</v></c>', "2026-03-01"),
        ('<c s="1"><v>46082.520833333336</v></c>', "2026-03-01T12:30"),
        ('<c s="1"><v>1</v></c>', "1900-01-01"),
        ('<c s="1"><v>61</v></c>', "1900-03-01"),
        ('<c t="d"><v>2026-03-01T00:00:00Z</v></c>', "2026-03-01"),
        (
            '<c t="inlineStr"><is><t>_x005F_x000D_ x005F_ _x000A_ _xD800_</t></is></c>',
            "_x000D_ x005F_ \n _xD800_",
        ),
        ('<c s="1"/>', ""),
    ],
)
def test_cells_have_exact_text(path: Path, cell: str, text: str) -> None:
    """Each type of cell becomes the text that a person sees in the sheet, digit for digit."""
    (record,) = read(path, f'<row r="2">{cell}<c t="str"><v>end</v></c></row>')
    assert record.cells == [text, "end"]
    assert record.faults == {}


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("<c><v>110105194912310020</v></c>", cells.DIGITS),
        ("<c><v>1.1010519491231E+17</v></c>", cells.DIGITS),
        ("<c><v>6222021001116240</v></c>", cells.DIGITS),
        ("<c><v>1E999</v></c>", cells.NO_NUMBER),
        ("<c><v>NaN</v></c>", cells.NO_NUMBER),
        ('<c t="e"><v>#REF!</v></c>', cells.ERROR),
        ("<c><f>1+1</f></c>", cells.FORMULA),
        ("<c><f>1+1</f><v></v></c>", cells.FORMULA),
        ('<c t="str"><f>A1</f></c>', cells.FORMULA),
        ('<c s="1"><v>0.5</v></c>', cells.NO_DAY),
        ('<c s="1"><v>60</v></c>', cells.NO_DAY),
        ('<c s="1"><v>20260301</v></c>', cells.NO_DAY),
        ('<c t="d"><v>yesterday</v></c>', cells.NO_DAY),
        ('<c t="b"><v>maybe</v></c>', cells.UNKNOWN),
        ('<c t="zzz"><v>1</v></c>', cells.UNKNOWN),
    ],
)
def test_cells_without_text_are_faults(path: Path, cell: str, fault: Invalid) -> None:
    """What has lost digits, or is no value, is named with its column and leaves its row's other cells."""
    (record,) = read(path, f'<row r="2">{cell}<c t="str"><v>end</v></c></row>')
    assert record.cells == ["", "end"]
    assert record.faults == {0: fault}
    assert fault.remedy


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_whole_numbers_up_to_15_digits(value: int) -> None:
    """Every whole number that a spreadsheet keeps comes out as it is, however the file spells it."""
    assert number(str(value)) == number(f"{float(value)!r}") == str(value)


@given(st.integers(10**15, 10**18))
def test_longer_whole_numbers_never_pass(value: int) -> None:
    """A number of 16 digits or more is a fault even when its file happens to hold every digit."""
    assert number(str(value)) is number(repr(float(value))) is cells.DIGITS


@given(st.decimals(0, 9_999_999_999, places=2))
def test_amounts_come_back(value: Any) -> None:
    """An amount in yuan survives the way through a binary number."""
    text = number(repr(float(value)))
    assert isinstance(text, str)
    assert float(text) == float(value)
    assert len(text.partition(".")[2]) <= 2


def test_another_programs_workbooks(path: Path) -> None:
    """Two independent writers, one with shared strings, give the same records."""
    table = [["案件编号", "金额", "日期"], ["AJ_x005F_1", 1000.5, dt.date(2026, 3, 1)], ["", None, True]]
    first = written(path, table)
    with xlsxwriter.Workbook(path.with_name("two.xlsx"), {"default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet()
        for index, row in enumerate(table):
            sheet.write_row(index, 0, row)
    second = open_workbook(path.with_name("two.xlsx"))
    assert first.header == second.header == table[0]
    expected = [["AJ_x005F_1", "1000.5", "2026-03-01"], ["", "", "是"]]
    # openpyxl writes the text as it is, which the format reads as an escape: AJ_1.
    assert [record.cells for record in first.records()] == [["AJ_1", *expected[0][1:]], expected[1]]
    assert [record.cells for record in second.records()] == expected


def test_days_of_1904(path: Path) -> None:
    """A workbook of the other epoch tells the same days."""
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append(["a", "b"])
    book.active.append(["x", dt.date(2026, 3, 1)])
    book.save(path)
    (record,) = open_workbook(path).records()
    assert record.cells == ["x", "2026-03-01"]


@pytest.mark.parametrize(
    ("code", "day"),
    [
        ("General", False),
        ("0.00_);[Red](0.00)", False),
        ("@", False),
        ('0"days"', False),
        ("[h]:mm", False),
        ("#,##0.00\\d", False),
        ("yyyy-mm-dd", True),
        ('[$-804]yyyy"年"m"月"d"日"', True),
        ("h:mm AM/PM", True),
        ("[DBNum1]yyyy", True),
    ],
)
def test_date_formats(code: str, day: bool) -> None:  # noqa: FBT001  a column of the table above
    """A format is a day's by its letters outside quotes, brackets and escapes; elapsed time is a number."""
    assert is_date_format(code) is day


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escapes_leave_other_text(text: str) -> None:
    """Text without escapes stays, and an escaped text comes back."""
    assert plain(text.replace("_", "_x005F_")) == text


def test_rows_keep_the_sheets_numbers(path: Path) -> None:
    """Rows are numbered as the spreadsheet shows them, less the header; empty ones give nothing."""
    rows = '<row r="2"><c r="A2"/></row><row r="4"><c r="B4"><v>1</v></c></row><row><c><v>2</v></c></row>'
    assert [(record.number, record.cells) for record in read(path, rows)] == [(3, ["", "1"]), (4, ["2", ""])]


def test_title_rows_above_the_header(path: Path) -> None:
    """Rows of a single filled cell above the header are passed over; rows count from the header."""
    source = written(path, [["2026年3月委案清单"], [], ["案件编号", "姓名"], ["AJ-1", "张三"]])
    assert source.header == ["案件编号", "姓名"]
    assert [(record.number, record.cells) for record in source.records()] == [(1, ["AJ-1", "张三"])]


def test_single_column(path: Path) -> None:
    """A table of one column has the first filled row as its header."""
    source = written(path, [["案件编号"], ["AJ-1"]])
    assert source.header == ["案件编号"]
    assert [record.cells for record in source.records()] == [["AJ-1"]]


def test_hidden_sheets_are_named_and_not_read(path: Path) -> None:
    """The one visible sheet is read; a hidden one is named, unless its title looks like data."""
    book = openpyxl.Workbook()
    book.active.append(["seen", "b"])
    for title in ("draft", SECRET):
        sheet = book.create_sheet(title)
        sheet.append(["hidden", "b"])
        sheet.sheet_state = "hidden"
    book.save(path)
    source = open_workbook(path)
    assert source.header == ["seen", "b"]
    assert source.notes == ["hidden sheets were not read: draft, (number 3)"]
    assert open_workbook(path, "draft").header == ["hidden", "b"]


def test_several_sheets_need_a_choice(path: Path) -> None:
    """Without a choice the error says how many there are and names them."""
    book = openpyxl.Workbook()
    book.create_sheet("二").append(["two", "b"])
    book.save(path)
    error = refused(path)
    assert (error.code, "2 visible" in error.message, "Sheet, 二" in error.remedy) == (
        "invalid_sheet",
        True,
        True,
    )
    assert open_workbook(path, "二").header == ["two", "b"]
    assert refused(path, SECRET).code == "invalid_sheet"


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="3"/><row r="2"/>',
        '<row r="2000000"/>',
        '<row r="-1"/>',
        '<row r="2"><row r="3"/></row>',
        '<row r="2"><c><c/></c></row>',
        '<row r="2"><c><v>1</v><v>2</v></c></row>',
        '<row r="2"><c t="s"><v>7</v></c></row>',
        '<row r="2"><c t="s"><v>-1</v></c></row>',
        '<row r="2"><c>',
        "<a>" * 100,
        '<row r="2"><c t="inlineStr"><is><t>&x;</t></is></c></row>',
    ],
)
def test_malformed_sheets(path: Path, rows: str) -> None:
    """Rows out of order, values twice, strings that are not there, broken XML: refused, nothing put aside."""
    pack(path, parts(rows))
    assert refused(path).code == "invalid_file"


@pytest.mark.parametrize(
    "row",
    [
        '<row r="2"><c r="B2"/><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="A2"/><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="A9"><v>1</v></c></row>',
        '<row r="2"><c r="ZZZZ2"><v>1</v></c></row>',
        '<row r="2"><c r="ZZZ2"><v>1</v></c></row>',
        f'<row r="2"><c t="str"><v>{"x" * (MAX_CELL + 1)}</v></c></row>',
        f'<row r="2"><c t="str"><v>{"x" * 10 * 1024 * 1024}</v></c></row>',
        '<row r="2">' + f'<c t="str"><v>{"x" * MAX_CELL}</v></c>' * (MAX_LINE // MAX_CELL + 1) + "</row>",
        '<row r="2">' + "<c/>" * 16_385 + "</row>",
    ],
    ids=range(9),
)
def test_malformed_rows_spoil_themselves(path: Path, row: str) -> None:
    """A cell out of place, too long, or too far right spoils its row and no other."""
    bad, good = read(path, row + '<row r="3"><c><v>1</v></c></row>')
    assert bad.problem
    assert bad.cells == []
    assert good.cells == ["1", ""]


DOCTYPE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y "&x;&x;&x;">]>'


@pytest.mark.parametrize(
    "part", ["xl__sheet.xml", "xl__strings.xml", "xl__styles.xml", "xl__workbook.xml", "_rels__.rels"]
)
def test_document_types_are_refused(path: Path, part: str) -> None:
    """No part may declare entities, so none are expanded or fetched."""
    old = parts()[part.replace("__", "/")]
    pack(path, parts(**{part: f"{DOCTYPE}{old!s}"}))
    assert "document type" in refused(path).message


def test_archives_that_unpack_too_far(path: Path) -> None:
    """A part that unpacks a thousandfold is refused before it is parsed."""
    pack(path, parts(xl__strings__xml=None) | {"xl/sheet.xml": b" " * (40 * 1024 * 1024)})
    assert "unpacks" in refused(path).message


def test_headers_that_lie_about_sizes(path: Path) -> None:
    """A part longer than its header says is damaged, and no more than it says comes out."""
    pack(path, parts("<row/>" * 1000))
    data = path.read_bytes()
    size = len(parts("<row/>" * 1000)["xl/sheet.xml"]).to_bytes(4, "little")
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    assert "damaged" in refused(path).message


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.99])
def test_truncated_archives(path: Path, cut: float) -> None:
    """Half a download is refused before any row is read."""
    pack(path, parts('<row r="2"><c><v>1</v></c></row>'))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    assert refused(path).code == "invalid_file"


def test_broken_data_is_refused_before_any_row(path: Path) -> None:
    """A flipped bit in the sheet fails its checksum when the file is opened."""
    rows = "".join(f'<row r="{n}"><c><v>{n}</v></c></row>' for n in range(2, 3000))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts(rows).items():
            archive.writestr(name, part)
    path.write_bytes(path.read_bytes().replace(b"<v>2999</v>", b"<v>2998</v>"))
    with pytest.raises(Invalid, match="damaged"):
        open_workbook(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"[Content_Types].xml": None},
        {"xl__workbook.xml": None},
        {"xl__sheet.xml": None},
        {"xl__SHEET.xml": "<x/>"},
        {"_rels__.rels": "<Relationships/>"},
        {"xl__workbook.xml": "<workbook/>"},
        {"xl__workbook.xml": "not XML"},
        {"_rels__.rels": f'<R><Relationship Type="{RELATIONS}/officeDocument" Target="../../passwd"/></R>'},
        {"_rels__.rels": f'<R><Relationship Type="{RELATIONS}/officeDocument" Target="workbook.bin"/></R>'},
    ],
)
def test_archives_that_are_no_workbooks(path: Path, changes: dict[str, str | None]) -> None:
    """Missing, doubled or foreign parts are refused; a path that leads out of the archive leads nowhere."""
    pack(path, parts(**changes))
    assert refused(path).code in {"invalid_file", "invalid_sheet"}


def test_strings_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared strings, which must be in memory, are refused past their limit."""
    monkeypatch.setattr("vault.intake.xlsxcells.MAX_STRINGS", 10_000)
    strings = f"<sst>{'<si><t>xxxxxxxx</t></si>' * 1000}</sst>"
    pack(path, parts(xl__strings__xml=None) | {"xl/strings.xml": strings})
    assert "unpacks" in refused(path).message


def test_long_tags_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag of megabytes, which the parser must hold whole, is refused."""
    monkeypatch.setattr("vault.intake.xlsxparts.MAX_TOKEN", 100_000)
    noise = "".join(map(chr, range(0x4E00, 0x9000))) * 20
    pack(path, parts(f'<row r="2" x="{noise}"/>'))
    assert "unpacks" in refused(path).message


def test_file_that_changes(path: Path) -> None:
    """A file written again after it was opened is not read."""
    source = written(path, [["a", "b"], [1, 2]])
    written(path, [["a", "b"], [SECRET, 2], [3, 4]])
    with pytest.raises(Invalid, match="changed"):
        list(source.records())
    path.unlink()
    with pytest.raises(Invalid, match="cannot be read"):
        list(source.records())


def test_progress_and_memory(path: Path) -> None:
    """Progress never falls and ends at the size; memory does not grow with the rows."""
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for number in range(6000):
            sheet.write_row(number, 0, [f"AJ-{number}", "x" * 200, number])
    tracemalloc.start()
    try:
        source = open_workbook(path)
        consumed = [record.consumed for record in source.records()]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(consumed) == 5999
    assert consumed == sorted(consumed)
    assert consumed[-1] == source.size == path.stat().st_size
    assert peak < 2 * 1024 * 1024


def test_empty_sheet(path: Path) -> None:
    """A sheet without a filled row has no header."""
    pack(path, parts(**{"xl__sheet.xml": "<worksheet><sheetData/></worksheet>"}))
    assert "empty" in refused(path).message


def test_utf16_parts(path: Path) -> None:
    """Parts may be UTF-16, as the format allows."""
    changes = {"xl__sheet.xml": str(parts("<row><c><v>5</v></c></row>")["xl/sheet.xml"]).encode("utf-16")}
    (record,) = open_workbook(pack(path, parts(**changes))).records()
    assert record.cells == ["5", ""]
    assert io.BytesIO(path.read_bytes()).read(2) == b"PK"
