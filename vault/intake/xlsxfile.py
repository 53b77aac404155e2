"""Workbooks (.xlsx, ECMA-376): one sheet of one, streamed, its typed cells as exact text.

Shared strings are held in memory, at most `xlsxcells.MAX_STRINGS` bytes; rows are not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from vault.errors import Invalid
from vault.intake.source import MAX_COLUMNS, Record, bad_file, too_wide
from vault.intake.xlsxcells import DATE_FORMATS, Formats, Sheet, SheetRow, Strings, is_date_format
from vault.intake.xlsxparts import Attributes, Package, damaged, feed, local, resolve
from vault.model import Word

MAX_SHEETS: Final = 1_000
MAX_STYLES: Final = 100_000
MAX_FORMAT: Final = 1_024

_TITLE_ROWS: Final = 10
"""How many rows with a single filled cell may stand above the header row."""
_LONGEST_TITLE: Final = 31
_DATA: Final = re.compile(r"[0-9]{5,}|@", re.ASCII)


class Workbook(Word, frozen=True, kw_only=True):
    """One sheet of a workbook, ready to be read.

    Attributes:
        header: The header row's titles.
        notes: What of the workbook is not read, for people.
    """

    path: Path
    stamp: tuple[int, int]
    part: str
    strings: Strings
    formats: Formats
    header: list[str]
    header_row: int
    size: int
    notes: list[str]
    encoding: str = "xlsx"
    format: str = "xlsx"

    def records(self) -> Iterator[Record]:
        """Every row below the header, one at a time; empty ones are left out.

        Raises:
            Invalid: The file is gone or is no longer what it was when opened.
        """
        with _open(self.path) as raw:
            if _stamp(self.path) != self.stamp:
                raise bad_file("the file changed since it was opened", "import it again")
            package = Package(raw)
            length = max(package.length(self.part), 1)
            for row, fed in _rows(package, self.part, Sheet(self.strings, self.formats)):
                if row.number > self.header_row and (row.problem or row.faults or any(row.cells)):
                    yield self._record(row, min(self.size, self.size * fed // length))

    def _record(self, row: SheetRow, consumed: int) -> Record:
        missing = 0 if row.problem else len(self.header) - len(row.cells)
        return Record(
            number=row.number - self.header_row,
            cells=row.cells + [""] * missing,
            problem=row.problem,
            consumed=consumed,
            faults=row.faults,
        )


class _Listed(Word, frozen=True, kw_only=True):
    """A sheet as the workbook lists it."""

    title: str
    part: str
    visible: bool


def open_workbook(path: Path, sheet: str | None = None) -> Workbook:
    """Find the sheet and its header row; reads the strings, and checks the sheet to its end.

    Args:
        path: The file, which begins as a ZIP archive does.
        sheet: The sheet's title; needed when several are visible.

    Raises:
        Invalid: No workbook, damaged, hostile, or it is not said which sheet.
    """
    stamp = _stamp(path)
    with _open(path) as raw:
        package = Package(raw)
        if not package.has("[Content_Types].xml"):
            raise bad_file("this is a ZIP archive and no .xlsx workbook", "unpack it, or save it as .xlsx")
        main = _main_part(package)
        parts = _relationships(package, main)
        listed, from_1904 = _sheets(package, main, parts)
        chosen = _choose(listed, sheet)
        package.verify(chosen.part)
        strings = _strings(package, parts)
        formats = Formats(dates=_date_styles(package, parts), from_1904=from_1904)
        header = _header(package, chosen.part, Sheet(strings, formats))
        return Workbook(
            path=path,
            stamp=stamp,
            part=chosen.part,
            strings=strings,
            formats=formats,
            header=header.cells,
            header_row=header.number,
            size=package.size,
            notes=_notes(listed),
        )


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        problem = error.strerror or "cannot be opened"
    raise bad_file(f"the file cannot be read: {problem}", "check the path and its permissions")


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file is written again."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _rows(package: Package, part: str, sheet: Sheet) -> Iterator[tuple[SheetRow, int]]:
    """A sheet's rows, each with how much of its part was read."""
    for fed in feed(package.chunks(part), sheet.start, sheet.end, sheet.text):
        for row in sheet.finished:
            yield row, fed
        sheet.finished.clear()


def _main_part(package: Package) -> str:
    for kind, part in _relationships(package, "").values():
        if kind == "officeDocument":
            if part.lower().endswith(".bin"):
                raise bad_file("this is a binary workbook (.xlsb)", "save it as .xlsx")
            return part
    raise damaged()


def _relationships(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """Kind and part by id, of a part's relationships (ECMA-376 part 2, 6.5); "" for the package's own."""
    folder, _, name = part.rpartition("/")
    found: dict[str, tuple[str, str]] = {}

    def start(tag: str, attributes: Attributes) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            found[attributes.get("Id", "")] = (kind, resolve(part, attributes.get("Target", "")))

    package.scan(f"{folder}/_rels/{name}.rels".lstrip("/"), start)
    return found


def _sheets(package: Package, main: str, parts: dict[str, tuple[str, str]]) -> tuple[list[_Listed], bool]:
    """The sheets in their order, and whether days count from 1904."""
    listed: list[_Listed] = []
    epochs = ["0"]

    def start(tag: str, attributes: Attributes) -> None:
        if tag == "workbookPr":
            epochs.append(attributes.get("date1904", "0"))
        elif tag == "sheet":
            ids = [value for name, value in attributes.items() if ":" in name and local(name) == "id"]
            kind, part = parts.get(ids[0] if ids else "", ("", ""))
            if kind == "worksheet":
                visible = attributes.get("state", "visible") == "visible"
                listed.append(_Listed(title=attributes.get("name", ""), part=part, visible=visible))
                if len(listed) > MAX_SHEETS:
                    raise damaged()

    package.scan(main, start)
    return listed, epochs[-1] in {"1", "true", "on"}


def _choose(listed: list[_Listed], title: str | None) -> _Listed:
    if title is not None:
        named = [sheet for sheet in listed if sheet.title == title]
        if len(named) != 1:
            raise _which("no single sheet has this title", listed)
        return named[0]
    visible = [sheet for sheet in listed if sheet.visible]
    if len(visible) != 1:
        raise _which(f"the workbook has {len(visible)} visible sheets", listed)
    return visible[0]


def _which(problem: str, listed: list[_Listed]) -> Invalid:
    titles = ", ".join(_told(number, sheet) for number, sheet in enumerate(listed, start=1))
    return Invalid(
        problem, code="invalid_sheet", field="sheet", remedy=f"name one with --sheet; there are: {titles}"
    )


def _told(number: int, sheet: _Listed) -> str:
    """A title fit for a message; one that looks like data is not repeated."""
    if not sheet.title.isprintable() or len(sheet.title) > _LONGEST_TITLE or _DATA.search(sheet.title):
        return f"(number {number})"
    return sheet.title


def _notes(listed: list[_Listed]) -> list[str]:
    hidden = [_told(number, sheet) for number, sheet in enumerate(listed, start=1) if not sheet.visible]
    return [f"hidden sheets were not read: {', '.join(hidden)}"] if hidden else []


def _strings(package: Package, parts: dict[str, tuple[str, str]]) -> Strings:
    strings = Strings()
    for kind, part in parts.values():
        if kind == "sharedStrings":
            for _ in feed(package.chunks(part), strings.start, strings.end, strings.text):
                pass
            break
    return strings


def _date_styles(package: Package, parts: dict[str, tuple[str, str]]) -> frozenset[str]:
    """The cell styles, by their index as written, whose number format shows days."""
    formats: dict[str, bool] = {str(number): True for number in DATE_FORMATS}
    styles: list[str] = []
    inside = [""]

    def start(tag: str, attributes: Attributes) -> None:
        if tag in {"cellXfs", "cellStyleXfs", "dxfs"}:
            inside[0] = tag
        elif tag == "numFmt" and inside[0] != "dxfs":
            code = attributes.get("formatCode", "")
            formats[attributes.get("numFmtId", "")] = len(code) <= MAX_FORMAT and is_date_format(code)
        elif tag == "xf" and inside[0] == "cellXfs":
            styles.append(attributes.get("numFmtId", "0"))
        if len(styles) > MAX_STYLES or len(formats) > MAX_STYLES:
            raise damaged()

    for kind, part in parts.values():
        if kind == "styles":
            package.scan(part, start)
            break
    return frozenset(str(index) for index, style in enumerate(styles) if formats.get(style, False))


def _header(package: Package, part: str, sheet: Sheet) -> SheetRow:
    """The first row with two filled cells, past rows of a single one (titles); else the first filled row."""
    filled = (row for row, _ in _rows(package, part, sheet) if row.problem or row.faults or any(row.cells))
    rows = list(itertools.islice(filled, _TITLE_ROWS + 1))
    found = next(
        (row for row in rows if row.problem or sum(map(bool, row.cells)) > 1), rows[0] if rows else None
    )
    if found is None or found.problem or found.faults:
        problem = "the sheet is empty" if found is None else "the header row cannot be read"
        raise bad_file(problem, "put the column names into the first row, as text")
    while not found.cells[-1]:
        found.cells.pop()
    if len(found.cells) > MAX_COLUMNS:
        raise too_wide()
    return found
