"""Files as they come: encodings and delimiters found out, malformed parts named, memory bounded."""

from __future__ import annotations

import codecs
import csv
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake.csvfile import TextFile, inspect
from vault.intake.source import MAX_CELL, MAX_COLUMNS, MAX_LINE

HEADER = "案件编号,客户姓名,手机\r\n"
LINE = "AJ-1,张三,13812345678\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's file stands."""
    return tmp_path / "export.csv"


def cells(source: TextFile) -> list[list[str]]:
    """The cells of every record."""
    return [record.cells for record in source.records()]


def refused(path: Path, content: bytes, encoding: str | None = None) -> Invalid:
    """The error that a file is refused with."""
    path.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        inspect(path, encoding)
    assert caught.value.remedy
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("gb18030", "gb18030"),
        ("gbk", "gb18030"),
        ("utf-16", "utf-16"),
    ],
)
def test_encodings_are_detected(path: Path, written: str, found: str) -> None:
    """UTF-8 with and without mark, GB 18030 and what Excel calls Unicode text read the same."""
    path.write_bytes((HEADER + LINE).encode(written))
    source = inspect(path)
    assert source.encoding == found
    assert source.header == ["案件编号", "客户姓名", "手机"]
    assert cells(source) == [["AJ-1", "张三", "13812345678"]]


def test_four_byte_characters_of_gb18030(path: Path) -> None:
    """Rare characters of names, four bytes long in GB 18030, arrive whole."""
    path.write_bytes((HEADER + "AJ-1,王㐂𠮷,13812345678\n").encode("gb18030"))
    assert cells(inspect(path)) == [["AJ-1", "王㐂𠮷", "13812345678"]]


def test_encoding_is_decided_by_the_whole_file(path: Path) -> None:
    """A file whose first megabyte is ASCII is still read as what its end is."""
    filler = "AJ-1,Li Si,13812345678\r\n" * 60_000
    path.write_bytes(("case,name,phone\r\n" + filler + LINE).encode("gb18030"))
    source = inspect(path)
    assert source.encoding == "gb18030"
    assert cells(source)[-1][1] == "张三"


def test_encoding_by_name(path: Path) -> None:
    """The caller's word goes before detection, GBK is read as its superset, and a mark is skipped."""
    path.write_bytes((HEADER + LINE).encode("gbk"))
    assert inspect(path, "GBK").encoding == "gb18030"
    path.write_bytes((HEADER + LINE).encode("big5", "ignore"))
    assert inspect(path, "big5").encoding == "big5"
    path.write_bytes((HEADER + LINE).encode("utf-8-sig"))
    assert inspect(path, "utf-8").header[0] == "案件编号"


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters_are_detected(path: Path, delimiter: str) -> None:
    """Commas, tabs, semicolons and bars; those inside quotes don't count."""
    path.write_text(f'"a,;a,;\t,"{delimiter}b{delimiter}c\n1{delimiter}2{delimiter}3\n', "utf-8")
    assert inspect(path).delimiter == delimiter
    assert cells(inspect(path)) == [["1", "2", "3"]]


def test_quotes_hold_line_breaks_and_delimiters(path: Path) -> None:
    """RFC 4180: a quoted cell may hold commas, quotes and line breaks."""
    path.write_text('a,b\r\n"x, ""y""\r\nz",2\r\n', "utf-8", newline="")
    assert cells(inspect(path)) == [['x, "y"\r\nz', "2"]]


def test_empty_lines_count_but_give_nothing(path: Path) -> None:
    """Record numbers stay those that a spreadsheet shows, less the header."""
    path.write_text("a,b\n\n1,2\n,\n3,4\n", "utf-8")
    assert [(record.number, record.cells) for record in inspect(path).records()] == [
        (2, ["1", "2"]),
        (4, ["3", "4"]),
    ]


def test_progress_ends_at_the_size(path: Path) -> None:
    """Bytes consumed never fall, and reach the file's size."""
    path.write_bytes((HEADER + LINE * 5000).encode("gb18030"))
    source = inspect(path)
    consumed = [record.consumed for record in source.records()]
    assert consumed == sorted(consumed)
    assert consumed[-1] == source.size == path.stat().st_size


@pytest.mark.parametrize("bad", ['"x"y,2', '"x" ,2'])
def test_malformed_quotes_spoil_one_record(path: Path, bad: str) -> None:
    """A record with broken quoting is named; those after it are read."""
    path.write_text(f"a,b\n1,2\n{bad}\n3,4\n", "utf-8")
    first, broken, last = inspect(path).records()
    assert first.cells == ["1", "2"]
    assert "lines 3 to 3" in broken.problem
    assert last.cells == ["3", "4"]


def test_quote_that_never_closes(path: Path) -> None:
    """The lines that an open quotation mark swallowed are named, so nothing is lost silently."""
    path.write_text('a,b\n1,2\n"3,4\n5,6\n', "utf-8")
    first, broken = inspect(path).records()
    assert first.cells == ["1", "2"]
    assert "lines 3 to 4" in broken.problem


def test_long_cells(path: Path) -> None:
    """A cell past 64 KiB, and one past what the reader takes, spoil their record and no other."""
    path.write_text(f"a,b\n1,{'x' * (MAX_CELL + 1)}\n1,{'x' * (3 * MAX_CELL)}\n1,{'x' * MAX_CELL}\n", "utf-8")
    records = list(inspect(path).records())
    assert [bool(record.problem) for record in records] == [True, True, False]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_file"),
        (b"\n", "invalid_file"),
        (b",,\n1,2,3\n", "invalid_file"),
        (b'"a\n', "invalid_file"),
        (b"a,b\n1,\x00\n", "invalid_file"),
        (b"a," * MAX_LINE, "invalid_file"),
        (b"a,b\n\xff\xff\xff\n", "invalid_encoding"),
        (codecs.BOM_UTF8 + b"a,b\n\xff\n", "invalid_encoding"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8", "invalid_encoding"),
    ],
)
def test_what_is_no_text_table(path: Path, content: bytes, code: str) -> None:
    """Workbooks, binary data, broken encodings and empty files are refused before any row."""
    assert refused(path, content).code == code


@pytest.mark.parametrize("encoding", ["klingon", "base64", "a\0b", "utf-8"])
def test_bad_encoding_by_name(path: Path, encoding: str) -> None:
    """An encoding that is none, or not this file's, is refused."""
    assert refused(path, HEADER.encode("gb18030"), encoding).code == "invalid_encoding"


def test_missing_file(path: Path) -> None:
    """A path that cannot be opened is the caller's to mend."""
    with pytest.raises(Invalid) as caught:
        inspect(path)
    assert caught.value.code == "invalid_file"
    assert caught.value.__context__ is None


def test_file_that_changes_under_the_reader(path: Path) -> None:
    """What is no longer text when read stops the import and shows nothing of it."""
    path.write_text(HEADER + LINE, "utf-8")
    source = inspect(path)
    path.write_bytes(HEADER.encode() + b"\xff\xff\n")
    with pytest.raises(Invalid) as caught:
        cells(source)
    assert caught.value.code == "invalid_encoding"
    assert caught.value.__context__ is None


def test_line_that_never_ends(path: Path) -> None:
    """A line of more than 1 MiB stops the import: it is no table, and memory is bounded."""
    path.write_text("a,b\n1,2\n" + "x" * (MAX_LINE + 10), "utf-8")
    with pytest.raises(Invalid) as caught:
        cells(inspect(path))
    assert caught.value.code == "invalid_file"


def test_memory_is_bounded(path: Path) -> None:
    """A file of many megabytes is read in little more than one chunk."""
    path.write_bytes((HEADER + LINE.replace("张三", "x" * 300) * 40_000).encode())
    tracemalloc.start()
    try:
        count = sum(1 for _ in inspect(path).records())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 40_000
    assert path.stat().st_size > 10 * 1024 * 1024
    assert peak < 5 * 1024 * 1024


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8), min_size=2, max_size=4
        ),
        max_size=8,
    )
)
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]]
) -> None:
    """Cells of any text come back as they were written, through both encodings."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *table])
    path = tmp_path_factory.mktemp("csv") / "export.csv"
    for encoding in ("utf-8", "gb18030"):
        path.write_bytes(buffer.getvalue().encode(encoding))
        assert cells(inspect(path, encoding)) == [row for row in table if any(row)]


def test_quote_that_never_closes_in_a_large_file(path: Path) -> None:
    """A quotation mark open for more than a cell holds stops the reading: what follows is no record."""
    path.write_text('a,b\n1,2\n"3,4\n' + "5,6\n" * 5_000_000, "utf-8")
    tracemalloc.start()
    try:
        records = inspect(path).records()
        assert next(records).cells == ["1", "2"]
        with pytest.raises(Invalid, match="lines 3 to "):
            next(records)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_rows_inside_a_long_cell_are_no_records(path: Path) -> None:
    """A quoted cell too long to hold cannot smuggle in rows of its own by line breaks."""
    inside = "x" * 200_000 + "\nAJ-9,evil\n" + "x"
    path.write_text(f'a,b\n1,2\n3,"{inside}"\n5,6\n', "utf-8")
    records = inspect(path).records()
    assert next(records).cells == ["1", "2"]
    with pytest.raises(Invalid, match="hold too much"):
        next(records)


def test_limits_hold_whatever_the_process_allows(path: Path) -> None:
    """The limit of a record is ours, not the setting that all users of the csv module share."""
    path.write_text('a,b\n"' + "x\n" * 2_000_000, "utf-8")
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with pytest.raises(Invalid, match="longer than 1 MiB"):
            list(inspect(path).records())
    finally:
        csv.field_size_limit(limit)


def test_ten_megabyte_cell(path: Path) -> None:
    """A line of ten megabytes stops the import; bounded memory comes before one row."""
    path.write_text(f"a,b\n1,{'x' * 10_000_000}\n", "utf-8")
    with pytest.raises(Invalid, match="longer than 1 MiB"):
        list(inspect(path).records())


def test_encodings_mixed_in_one_file(path: Path) -> None:
    """GB 18030 would read lines of UTF-8 as other characters, so such a file is refused, unless named."""
    content = (HEADER + LINE).encode("gb18030") + "AJ-2,李四,13812345678,上海市徐汇区漕溪\n".encode()
    assert refused(path, content).code == "invalid_encoding"
    assert inspect(path, "gb18030").encoding == "gb18030"


def test_utf16_without_mark(path: Path) -> None:
    """UTF-16 without its mark has NUL bytes for a sign; the remedy names it."""
    assert "utf-16-le" in refused(path, (HEADER + LINE).encode("utf-16-le")).remedy
    path.write_bytes((HEADER + LINE).encode("utf-16-le"))
    assert cells(inspect(path, "utf-16-le")) == [["AJ-1", "张三", "13812345678"]]


def test_lone_carriage_returns(path: Path) -> None:
    """Lines that end in carriage returns alone, as on old machines, are lines."""
    path.write_bytes(b"a,b\r1,2\r3,4\r")
    assert cells(inspect(path)) == [["1", "2"], ["3", "4"]]


def test_very_many_columns(path: Path) -> None:
    """A header of more columns than a spreadsheet has is refused; a row of so many spoils itself."""
    assert refused(path, b"a," * (MAX_COLUMNS + 1) + b"\n").code == "invalid_file"
    assert refused(path, b"," * 1_000_000 + b"a\n").code == "invalid_file"
    path.write_bytes(b"a,b\n" + b"1," * MAX_COLUMNS + b"\n1,2\n")
    assert [bool(record.problem) for record in inspect(path).records()] == [True, False]
