"""The same table written in every format gives the same drafts."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from cli import synthetic
from vault.intake import open_export
from vault.model import Draft
from vault.schema import builtin

TODAY = dt.date(2026, 3, 10)
Table = list[list[str]]
DATES = ("委案日期",)


@pytest.fixture(scope="module", params=[1, 2])
def table(request: pytest.FixtureRequest) -> Table:
    """Made-up people, with the untidy ways in which people write; a header row first."""
    rows = synthetic.export(60, request.param, TODAY)
    return [list(synthetic.HEADER), *map(list, rows)]


def drafts(path: Path) -> list[tuple[int, tuple[Draft, ...], list[tuple[str, str]]]]:
    """What an import makes of a file, row by row."""
    export = open_export(path, builtin(), kind="borrower", today=TODAY)
    return [
        (row.number, row.drafts, [(each.field, each.code) for each in row.rejections])
        for row in export.rows()
    ]


def write_csv(path: Path, table: Table, delimiter: str = ",", encoding: str = "utf-8") -> None:
    """As delimited text."""
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(table)


@pytest.fixture(scope="module")
def expected(table: Table, tmp_path_factory: pytest.TempPathFactory) -> object:
    """The drafts of plain CSV; the others must give them, too."""
    path = tmp_path_factory.mktemp("csv") / "export.csv"
    write_csv(path, table)
    found = drafts(path)
    assert len(found) == len(table) - 1
    assert sum(bool(made) for _, made, _ in found) > 40
    return found


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_delimiters_and_encodings(
    table: Table, expected: object, tmp_path: Path, delimiter: str, encoding: str
) -> None:
    """Each delimiter in each encoding."""
    write_csv(tmp_path / "export", table, delimiter, encoding)
    assert drafts(tmp_path / "export") == expected


def test_workbooks(table: Table, expected: object, tmp_path: Path) -> None:
    """Cells of text, by a program that shares strings and by one that does not."""
    with xlsxwriter.Workbook(tmp_path / "one", {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(table):
            for place, text in enumerate(row):
                sheet.write_string(number, place, text)
    assert drafts(tmp_path / "one") == expected
    other = openpyxl.Workbook()
    for row in table:
        other.active.append(row)
    other.save(tmp_path / "two")
    assert drafts(tmp_path / "two") == expected


def test_typed_cells(table: Table, tmp_path: Path) -> None:
    """Amounts, counts, telephone numbers and days as typed cells say what their texts say."""
    texts = [row for row in table if all(row)][1:]
    plain = [
        [cell for place, cell in enumerate(row) if table[0][place] not in DATES or _day(cell)]
        for row in texts
    ]
    keep = [index for index, row in enumerate(plain) if len(row) == len(table[0])]
    texts = [texts[index] for index in keep]
    assert len(texts) > 10
    typed = [[_typed(title, cell) for title, cell in zip(table[0], row, strict=True)] for row in texts]
    assert any(isinstance(cell, float) for row in typed for cell in row)
    assert any(isinstance(cell, dt.date) for row in typed for cell in row)
    write_csv(tmp_path / "text", [table[0], *texts])
    with xlsxwriter.Workbook(tmp_path / "book", {"default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([table[0], *typed]):
            for place, cell in enumerate(row):
                sheet.write(number, place, cell)
    assert drafts(tmp_path / "book") == drafts(tmp_path / "text")


def test_json_lines(table: Table, expected: object, tmp_path: Path) -> None:
    """One object a line."""
    lines = (json.dumps(dict(zip(table[0], row, strict=True))) for row in table[1:])
    (tmp_path / "export").write_text("\n".join(lines), "utf-8")
    assert drafts(tmp_path / "export") == expected


def test_parquet(table: Table, expected: object, tmp_path: Path) -> None:
    """Columns of text, in row groups of a few rows."""
    columns = {title: [row[place] for row in table[1:]] for place, title in enumerate(table[0])}
    pq.write_table(pa.table(columns), tmp_path / "export", row_group_size=7)
    assert drafts(tmp_path / "export") == expected


def _day(cell: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(cell)
    except ValueError:
        return None


def _typed(title: str, cell: str) -> object:
    """A cell as a spreadsheet would keep it, where that loses nothing."""
    if title in DATES:
        return _day(cell)
    if cell.replace(".", "", 1).isdigit() and len(cell) < 15 and not cell.startswith("0"):
        return float(cell) if "." in cell else int(cell)
    return cell
