"""JSON Lines: exact numbers, one bad line spoils itself, nothing but UTF-8."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake.jsonlines import open_lines
from vault.intake.source import MAX_CELL, MAX_LINE, Record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's file stands."""
    return tmp_path / "export.jsonl"


def read(path: Path, *lines: str | bytes) -> list[Record]:
    """The records of a file of these lines."""
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return list(open_lines(path).records())


def test_scalars_as_text(path: Path) -> None:
    """Numbers keep the digits they are written with; truth values are words; null and absent are blank."""
    line = (
        '{"a": 110105194912310025, "b": 1.1E+5, "c": true, "d": false, "e": null, "f": "\\u5f20", "g": -0.1}'
    )
    first, second = read(path, line, '{"g": 1}')
    assert first.cells == ["110105194912310025", "1.1E+5", "是", "否", "", "张", "-0.1"]
    assert second.cells == ["", "", "", "", "", "", "1"]


def test_header_is_the_union_of_keys_in_order(path: Path) -> None:
    """Keys of the first 500 objects are columns; lines are numbered as they stand, empty ones count."""
    path.write_bytes(b'\xef\xbb\xbf{"b": 1}\r\n\r\n{"a": 2, "b": 3}\r\n')
    source = open_lines(path)
    assert source.header == ["b", "a"]
    assert [(record.number, record.cells) for record in source.records()] == [(1, ["1", ""]), (3, ["3", "2"])]


@pytest.mark.parametrize(
    "bad",
    [
        "[1]", "1", "{", '{"a": 1', '{"a": NaN}', '{"a": Infinity}', '{"a": [1]}', '{"a": {"b": 1}}',
        '{"a": 1, "a": 1}', '{"a": {"x": 1, "x": 2}}', b'{"a": "\xff"}', '{"a": "\\ud800"}', '{"\\udfff": 1}',
        '{"a": 1} {"a": 2}', "[" * 100_000, '{"a": "x\x00"}', '{"a": 01}',
    ],
)  # fmt: skip
def test_bad_lines_spoil_themselves(path: Path, bad: str | bytes) -> None:
    """What is no object of scalars, or says a key twice, is a problem of its line; the file goes on."""
    first, broken, last = read(path, '{"a": 1}', bad, '{"a": 2}')
    assert (first.cells, last.cells, last.number) == (["1"], ["2"], 3)
    assert broken.problem
    assert broken.cells == []


def test_long_lines_and_cells(path: Path) -> None:
    """A line past 1 MiB and a cell past 64 KiB are problems of their own; the next line is read."""
    lines = [f'{{"a": "{"x" * size}"}}' for size in (3 * MAX_LINE, MAX_LINE - 8, MAX_CELL + 1, MAX_CELL)]
    records = read(path, '{"a": 1}', *lines, '{"a": 2}')
    assert [bool(record.problem) for record in records] == [False, True, True, True, False, False]
    assert records[-1].number == 6


def test_later_keys_are_problems_that_name_nothing(path: Path) -> None:
    """A key that no column was made for is refused with its line, for its value would be lost; unnamed."""
    *_, last = read(path, *['{"a": 1}'] * 500, '{"a": 1, "13812345678": 2}')
    assert last.number == 501
    assert "first 500 lines" in last.problem
    assert "138" not in last.problem


@pytest.mark.parametrize("content", [b"", b"[1]\n", b"{}\n", b'{"": 1}', '{"姓名": 1}'.encode("gb18030")])
def test_files_without_columns(path: Path, content: bytes) -> None:
    """A file of no readable object is refused before any row."""
    path.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        open_lines(path)
    assert caught.value.code == "invalid_file"
    assert caught.value.remedy


def test_too_many_keys(path: Path) -> None:
    """More columns than a spreadsheet has are refused."""
    path.write_text(
        "".join(json.dumps({f"k{i}{j}": 1 for j in range(1000)}) + "\n" for i in range(20)), "utf-8"
    )
    with pytest.raises(Invalid, match="columns"):
        open_lines(path)


def test_encoding_by_name(path: Path) -> None:
    """JSON is UTF-8; another encoding is refused, its name taken or not."""
    path.write_text('{"a": 1}', "utf-8")
    assert open_lines(path, "UTF8").header == ["a"]
    for name in ("gbk", "klingon"):
        with pytest.raises(Invalid) as caught:
            open_lines(path, name)
        assert caught.value.code == "invalid_encoding"


def test_file_that_is_gone(path: Path) -> None:
    """A file that vanishes is the caller's to mend."""
    path.write_text('{"a": 1}', "utf-8")
    source = open_lines(path)
    path.unlink()
    with pytest.raises(Invalid) as caught:
        list(source.records())
    assert caught.value.__context__ is None


@given(
    st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=6), min_size=1), min_size=1, max_size=9)
)
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, str]]
) -> None:
    """Any texts come back as they were, but for those that are no Unicode."""
    path = tmp_path_factory.mktemp("jsonl") / "export.jsonl"
    path.write_text("\n".join(map(json.dumps, objects)), "utf-8")
    header = list(dict.fromkeys(key for each in objects for key in each))
    if not any(header):
        return
    source = open_lines(path)
    assert source.header == header
    expected = [[each.get(key, "") for key in header] for each in objects]
    assert [record.cells for record in source.records()] == [cells for cells in expected if any(cells)]


def test_memory_and_progress(path: Path) -> None:
    """A file of megabytes is read in little memory, and progress ends at its size."""
    path.write_text('{"a": "%s"}\n' % ("x" * 300) * 20_000, "utf-8")
    tracemalloc.start()
    try:
        consumed = [record.consumed for record in open_lines(path).records()]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert consumed == sorted(consumed)
    assert consumed[-1] == path.stat().st_size
    assert peak < 4 * 1024 * 1024
