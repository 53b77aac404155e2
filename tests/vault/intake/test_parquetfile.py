"""Parquet: each type as exact text, in a process apart that may die without harm."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vault.errors import Invalid
from vault.intake import cells, open_export, parquetchild
from vault.intake.parquetfile import open_parquet
from vault.intake.source import MAX_CELL, Record
from vault.schema import builtin


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test's file stands."""
    return tmp_path / "export.parquet"


def read(path: Path, columns: dict[str, Any], **options: Any) -> list[Record]:
    """The records of a table."""
    pq.write_table(pa.table(columns), path, **options)
    return list(open_parquet(path).records())


NOON = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)


def test_types_as_text(path: Path) -> None:
    """Text, numbers, days, moments and truth values come out digit for digit; missing ones are blank."""
    columns = {
        "text": pa.array(["张三", None]),
        "large": pa.array(["x", None], pa.large_string()),
        "dictionary": pa.array(["信用卡", None]).dictionary_encode(),
        "int": pa.array([110105194912310025, None]),
        "small": pa.array([7, None], pa.uint8()),
        "decimal": pa.array([Decimal("1234567890123456.70"), None]),
        "float": pa.array([1000.5, None]),
        "single": pa.array([1000.5, None], pa.float32()),
        "bool": pa.array([True, None]),
        "day": pa.array([dt.date(2026, 3, 1), None]),
        "naive": pa.array([dt.datetime(2026, 3, 1), None], pa.timestamp("ms")),  # noqa: DTZ001  the case
        "zoned": pa.array([NOON, None], pa.timestamp("us", "Europe/Berlin")),
        "nanos": pa.array([NOON, None], pa.timestamp("ns", "UTC")),
        "null": pa.array([None, None]),
        "end": ["1", "2"],
    }
    first, second = read(path, columns)
    assert first.cells == [
        "张三", "x", "信用卡", "110105194912310025", "7", "1234567890123456.70", "1000.5", "1000.5", "是",
        "2026-03-01", "2026-03-01", "2026-03-01T20:30", "2026-03-01T20:30", "", "1",
    ]  # fmt: skip
    assert second.cells == [""] * 14 + ["2"]


def test_numbers_that_lost_digits_are_faults(path: Path) -> None:
    """A binary number that needs more digits than it keeps is none, and neither is one without value."""
    columns = {
        "a": [1.1010519491231e17, 0.1 + 0.2, float("nan"), 1e15 - 1],
        "b": pa.array([16777216, 1.5, 0.1, 99999], pa.float32()),
        "c": pa.array([0, 2**60, 1, 2], pa.timestamp("us")),
    }
    records = read(path, columns)
    assert [sorted(record.faults) for record in records] == [[0, 1], [0, 2], [0], []]
    assert records[0].faults[0].code == cells.DIGITS.code
    assert records[3].cells[:2] == ["999999999999999", "99999"]


def test_bytes_that_are_no_text(path: Path) -> None:
    """A text column's cell that is no UTF-8 is a fault of its own."""
    array = pa.array([b"\xff", b"ok"]).cast(pa.binary())
    column = pa.Array.from_buffers(pa.string(), 2, array.buffers())
    first, second = read(path, {"a": column})
    assert 0 in first.faults
    assert second.cells == ["ok"]


def test_columns_without_text(path: Path) -> None:
    """Lists and bytes are left out where nothing asks for them, and refused by name where a field does."""
    columns = {"案件编号": ["AJ-1"], "姓名": ["张三"], "标签": [[1, 2]]}
    (record,) = read(path, columns)
    assert record.cells == ["AJ-1", "张三", ""]
    today = dt.date(2026, 3, 10)
    export = open_export(path, builtin(), kind="borrower", today=today)
    assert export.unknown == ["标签"]
    assert len(next(export.rows()).drafts) == 2
    pq.write_table(pa.table(columns | {"姓名": [b"x"]}), path)
    with pytest.raises(Invalid, match="姓名 cannot be read") as caught:
        open_export(path, builtin(), kind="borrower", today=today)
    assert caught.value.code == "invalid_header"


def test_long_cells_spoil_their_row(path: Path) -> None:
    """A cell past 64 KiB is a problem of its row alone, however often a dictionary repeats it."""
    records = read(path, {"a": ["x" * (MAX_CELL + 1)] * 600 + ["x" * MAX_CELL]})
    assert [bool(record.problem) for record in records] == [True] * 600 + [False]


def test_row_groups_that_unpack_too_far(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group larger than memory should hold is refused by its footer."""
    monkeypatch.setattr(parquetchild, "MAX_GROUP", 10_000)
    pq.write_table(pa.table({"a": list(range(10_000))}), path)
    with pytest.raises(Invalid, match="unpacks"):
        list(parquetchild.frames(path, rows=False))
    monkeypatch.undo()
    assert open_parquet(path).rows == 10_000


def test_pages_that_unpack_too_far(path: Path) -> None:
    """A page of far more bytes than the file has is refused by the footer, and ends by the memory limit."""
    size = 300_000_000
    ends = pa.py_buffer(b"".join(n.to_bytes(8, "little") for n in (0, size)))
    array = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(bytes(size))])
    pq.write_table(
        pa.table({"a": array}), path, compression="zstd", use_dictionary=False, write_statistics=False
    )
    assert path.stat().st_size < 100_000
    with pytest.raises(Invalid, match="unpacks"):
        open_parquet(path)
    code = (
        "import sys; from vault.intake import parquetchild as child\n"
        "child.MAX_MEMORY, child.RATIO_FREE = 200_000_000, 2**40\n"
        "child.main(sys.argv[1], 'rows')"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=False)
    assert b"damaged" in done.stdout
    assert len(done.stdout) < 1000


@pytest.mark.parametrize("cut", [4, 8, 50, 90])
def test_damaged_files(path: Path, cut: int) -> None:
    """A file cut short or overwritten is refused, without a word of it."""
    pq.write_table(pa.table({"姓名": ["13812345678"]}), path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) * cut // 100], whole[:cut] + b"\xff" * 40 + whole[cut + 40 :]):
        path.write_bytes(content)
        with pytest.raises(Invalid) as caught:
            list(open_parquet(path).records())
        assert caught.value.code == "invalid_file"
        assert "138" not in caught.value.message + caught.value.remedy


def test_a_footer_that_ends_the_process(path: Path) -> None:
    """A footer at which pyarrow calls `std::terminate` is a refusal here."""
    path.write_bytes(Path(__file__).parent.joinpath("terminating.parquet").read_bytes())
    with pytest.raises(Invalid, match="damaged"):
        list(open_parquet(path).records())


def test_columns_of_one_name(path: Path) -> None:
    """Two columns of one name cannot be told apart, so the file is refused; so is one without columns."""
    for table in (pa.table([[1], [2]], names=["a", "a"]), pa.table({})):
        pq.write_table(table, path)
        with pytest.raises(Invalid, match="columns"):
            open_parquet(path)


def test_file_that_changes(path: Path) -> None:
    """A file of other columns than when it was opened is not read; nor is one that is gone."""
    pq.write_table(pa.table({"a": [1]}), path)
    source = open_parquet(path)
    pq.write_table(pa.table({"b": [1]}), path)
    with pytest.raises(Invalid, match="changed"):
        list(source.records())
    path.unlink()
    with pytest.raises(Invalid, match="cannot be read"):
        list(source.records())


def test_reading_stops_when_nobody_asks(path: Path) -> None:
    """A reader that leaves early leaves no process behind."""
    pq.write_table(pa.table({"a": list(range(20_000))}), path)
    records = open_parquet(path).records()
    assert next(records).cells == ["0"]
    records.close()
    rest = list(open_parquet(path).records())
    assert (len(rest), rest[-1].consumed) == (20_000, path.stat().st_size)


def test_without_pyarrow(path: Path) -> None:
    """Where the extra is not installed, the error says how to install it."""
    code = (
        "import sys; sys.modules['pyarrow'] = None; sys.modules['pyarrow.parquet'] = None\n"
        "from pathlib import Path; from vault.intake.parquetchild import frames\n"
        "from vault.errors import Invalid\n"
        "try: list(frames(Path(sys.argv[1]), rows=False))\n"
        "except Invalid as error: print(error.remedy)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "collections-vault[parquet]" in done.stdout
