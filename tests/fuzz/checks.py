"""What must hold for any bytes: rows, rejections or a `VaultError`, and none of them tells what it was given.

One function for each kind of input; `seeds` has inputs to start from. Values of the seeds hold `CANARY`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from vault.errors import VaultError
from vault.intake import open_export
from vault.intake.headers import LAYOUTS, match, read_map
from vault.intake.records import drafts_of
from vault.intake.values import NORMALISERS, normalise
from vault.schema import builtin

TODAY: Final = dt.date(2026, 3, 10)
CANARY: Final = "7391ζ"
"""Stands in values alone: nothing that the vault says may repeat it."""
HEADER: Final = ("案件编号", "客户姓名", "证件号", "手机", "欠款余额", "委案日期", "联系人姓名", "星座")
ROW: Final = ("AJ-1", "张三", "11010519491231002X", "13812345678", "1000.50", "2026-03-01", "李四", CANARY)
BAD: Final = tuple(f"{CANARY}{cell}" for cell in ROW)
_MOST_ROWS: Final = 2_000
_SHEET: Final = "xl/worksheets/sheet1.xml"


def csv(data: bytes) -> None:
    """A delimited text file, or whatever the bytes are taken for."""
    _exported(data)


def xlsx(data: bytes) -> None:
    """A workbook: as an archive, or, if the bytes are XML, as its sheet."""
    _exported(packed(data) if data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else data)


def jsonl(data: bytes) -> None:
    """JSON Lines."""
    _exported(b"{" + data.removeprefix(b"{"))


def parquet(data: bytes) -> None:
    """A Parquet file."""
    _exported(b"PAR1" + data.removeprefix(b"PAR1"))


def values(data: bytes) -> None:
    """A type's number, then a text: canonical text stays as it is; a refusal doesn't repeat the text."""
    if not data:
        return
    kind = sorted(NORMALISERS)[data[0] % len(NORMALISERS)]
    text = data[1:].decode("utf-8", "replace")
    with _refusal() as told:
        canonical = normalise(kind, text)
        assert normalise(kind, canonical) == canonical
    _check(told)


def map_(data: bytes) -> None:
    """A map file, and a header row after a NUL byte."""
    document, _, header = data.partition(b"\0")
    with _file(document) as path, _refusal() as told:
        chosen = read_map(path)
        for kind in LAYOUTS:
            match(header.decode("utf-8", "replace").split(",")[:64], builtin(), kind, chosen)
    if CANARY.encode() not in header:
        _check(told)


def records(data: bytes) -> None:
    """Records as JSON."""
    with _refusal() as told:
        drafts_of(data, builtin(), TODAY)
    _check(told)


def packed(sheet: bytes) -> bytes:
    """A workbook with this sheet in place of its own."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_workbook())) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, sheet if name == _SHEET else old.read(name))
    return out.getvalue()


def seeds(name: str) -> list[bytes]:
    """Inputs to start from."""
    return list(_SEEDS[name]())


def _csv_seeds() -> Iterator[bytes]:
    for delimiter in ",\t;|":
        text = "\r\n".join(delimiter.join(cells) for cells in (HEADER, ROW, BAD, [f'"{c}"' for c in ROW]))
        for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
            yield text.replace("ζ", "z").encode(encoding)


def _xlsx_seeds() -> Iterator[bytes]:
    book = _workbook()
    yield book
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        yield archive.read(_SHEET)
    yield (
        '<worksheet><sheetData><row r="1">'
        + "".join(f'<c t="inlineStr"><is><t>{title}</t></is></c>' for title in HEADER)
        + '</row><row><c t="str"><f>1+1</f><v>AJ_x005F_2</v></c><c t="s"><v>1</v></c><c><v>1.1E17</v></c>'
        '<c t="e"><v>#REF!</v></c><c t="d"><v>2026-03-01T00:00:00</v></c>'
        f'<c s="1"><v>46082</v></c>'
        f"<c t='inlineStr'><is><r><t>{CANARY}</t></r><rPh><t>x</t></rPh></is></c></row></sheetData>"
        "</worksheet>"
    ).encode()


def _jsonl_seeds() -> Iterator[bytes]:
    lines = [dict(zip(HEADER, cells, strict=True)) for cells in (ROW, BAD)]
    yield "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()
    yield b'{"\\u59d3\\u540d": 1.10e5, "b": null, "c": [1], "c": true}\n{"d": "\\ud800"}'


def _parquet_seeds() -> Iterator[bytes]:
    texts = {title: [ROW[place], BAD[place], None] for place, title in enumerate(HEADER)}
    typed = texts | {
        "手机": pa.array([13812345678, None, 1]),
        "欠款余额": pa.array([1000.5, 0.1 + 0.2, float("nan")]),
        "委案日期": pa.array([dt.datetime(2026, 3, 1, tzinfo=dt.UTC), None, None], pa.timestamp("ns", "UTC")),
        "星座": pa.array([[1], [2], None]),
    }
    for table, compression in ((texts, "snappy"), (typed, "none")):
        out = io.BytesIO()
        pq.write_table(pa.table(table), out, compression=compression)
        yield out.getvalue()


def _value_seeds() -> Iterator[bytes]:
    for number in range(len(NORMALISERS)):
        for text in (*ROW, *BAD, "１３８ 1234—5678", "2026年3月1日", "￥1,234.5元", "010-12345678转801"):
            yield bytes([number]) + text.encode()


def _map_seeds() -> Iterator[bytes]:
    yield (
        f'[columns]\n"大名" = "borrower.name"\n"{CANARY}" = ""\n'.encode() + b"\0" + "案件编号,大名".encode()
    )
    yield f'[columns]\n"密码" = "borrower.{CANARY}"\n'.encode() + b"\0" + "案件编号,姓名,密码".encode()


def _record_seeds() -> Iterator[bytes]:
    good = {
        "kind": "borrower",
        "ref": "C-1",
        "values": {"name": "张三", "phone": "13812345678"},
        "cases": ["A"],
    }
    bad = {"kind": "loan", "values": {"case_number": "AJ-1", "principal": CANARY, CANARY: "1"}}
    for record in (good, bad, [good, bad]):
        yield json.dumps(record, ensure_ascii=False).encode()


def _workbook() -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet("委案")
        for number, cells in enumerate((HEADER, ROW, BAD)):
            sheet.write_row(number, 0, cells)
        sheet.write_number(3, 2, 110105194912310025)
        sheet.write_number(3, 3, 13812345678)
        sheet.write_datetime(3, 5, TODAY, book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_formula(3, 0, '="AJ"&1', value="AJ1")
        sheet.write_boolean(3, 7, True)
    return out.getvalue()


def _exported(data: bytes) -> None:
    """Import bytes as a file; whatever is said of it holds no value."""
    titles: list[str] = []
    with _file(data) as path, _refusal() as told:
        export = open_export(path, builtin(), kind="borrower", today=TODAY)
        titles = [title for title, _ in export.columns]
        for number, row in enumerate(export.rows()):
            assert bool(row.drafts) is not bool(row.rejections)
            told += [part for each in row.rejections for part in (each.message, each.remedy, each.field)]
            assert CANARY not in repr(row)
            if number > _MOST_ROWS:
                break
    if not any(CANARY in title for title in titles):
        _check(told)


@contextlib.contextmanager
def _file(data: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="fuzz-") as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


@contextlib.contextmanager
def _refusal() -> Iterator[list[str]]:
    """Collect what a refusal says; any other exception is a finding."""
    told: list[str] = []
    refused: VaultError | None = None
    try:
        yield told
    except VaultError as error:
        refused = error
    if refused is not None:
        told += [refused.message, refused.remedy, refused.field or "", refused.code]
        assert refused.remedy, refused.message
        assert refused.__context__ is None or refused.__suppress_context__, refused.message


def _check(told: Iterable[str]) -> None:
    for text in told:
        assert CANARY not in text, "a value is repeated"


CHECKS: Final[dict[str, Callable[[bytes], None]]] = {
    "csv": csv,
    "xlsx": xlsx,
    "jsonl": jsonl,
    "parquet": parquet,
    "values": values,
    "map": map_,
    "records": records,
}
_SEEDS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "csv": _csv_seeds,
    "xlsx": _xlsx_seeds,
    "jsonl": _jsonl_seeds,
    "parquet": _parquet_seeds,
    "values": _value_seeds,
    "map": _map_seeds,
    "records": _record_seeds,
}
