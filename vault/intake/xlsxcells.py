"""A sheet's XML into rows of text (ECMA-376 part 1, 18.3.1): exact digits, days, and what has no text.

Our own, since openpyxl drops `x005F_` out of texts, keeps only a number's binary value, takes the date
formats of Chinese spreadsheets (27 to 36, 50 to 58) for numbers, fills gaps between row numbers that a file
invents, and keeps every row's element until the sheet ends.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from array import array
from typing import Final

from vault.intake import cells
from vault.intake.cells import Text
from vault.intake.source import LONG_CELL, LONG_ROW, MAX_CELL, MAX_COLUMNS, MAX_LINE, WIDE_ROW, Fault
from vault.intake.xlsxparts import Attributes, bomb, damaged
from vault.model import Word

MAX_ROWS: Final = 1_048_576
MAX_STRINGS: Final = 256 * 1024 * 1024
"""Bytes of all shared strings as UTF-8: they must be in memory, for cells refer to them in any order."""

_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATES: Final = range(0xD800, 0xE000)
_PLACE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})", re.ASCII)
_WHOLE: Final = re.compile(r"-?[0-9]+", re.ASCII)
_REAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_LONGEST_NUMBER: Final = 64

_EPOCH_1900: Final = dt.datetime(1899, 12, 30)  # noqa: DTZ001  a sheet's days have no zone
_EPOCH_1904: Final = dt.datetime(1904, 1, 1)  # noqa: DTZ001  likewise
_LEAP_BUG: Final = 60
"""Serial 60 is 29 February 1900, which never was; serials below it lie a day later (ECMA-376 18.17.4.1)."""
_LAST_SERIAL: Final = 2_958_466
"""The day after 9999-12-31."""
_DAY_SECONDS: Final = 86_400

DATE_FORMATS: Final = frozenset([*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)])
"""Number formats that are days or times without being spelled out (ECMA-376 18.8.30, its zh-cn list too)."""
_LITERALS: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_ELAPSED: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_DATE_LETTERS: Final = re.compile(r"[dmyhs]", re.IGNORECASE)


def is_date_format(code: str) -> bool:
    """Whether a number format shows a day or a time of day; elapsed time is a number."""
    first = code.partition(";")[0]
    return not _ELAPSED.search(first) and _DATE_LETTERS.search(_LITERALS.sub("", first)) is not None


def plain(text: str) -> str:
    """Text without the escapes of ST_Xstring (ECMA-376 22.9.2.19); what is no character stays as written."""
    return _ESCAPE.sub(_character, text) if "_x" in text else text


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if code in _SURROGATES else chr(code)


@functools.cache
def _column(letters: str) -> int:
    """A column's index from 0 by its letters."""
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - 64
    return index - 1


class Strings:
    """The shared strings, as one run of bytes: a list of texts would take several times the room."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q")
        self._long: set[int] = set()
        self._parts: list[str] = []
        self._length = 0
        self._sink = False
        self._phonetic = 0

    def start(self, name: str, _: Attributes) -> None:
        """A tag of the part opens."""
        if name == "si":
            self._parts = []
            self._length = 0
        elif name == "rPh":
            self._phonetic += 1
        self._sink = name == "t" and not self._phonetic

    def text(self, data: str) -> None:
        """Text inside it."""
        if self._sink:
            self._length += len(data)
            if self._length <= MAX_CELL:
                self._parts.append(data)

    def end(self, name: str) -> None:
        """A tag closes."""
        self._sink = False
        if name == "rPh":
            self._phonetic -= 1
        elif name == "si":
            if self._length > MAX_CELL:
                self._long.add(len(self._ends))
            else:
                self._bytes += plain("".join(self._parts)).encode()
            self._parts = []
            self._ends.append(len(self._bytes))
            if len(self._bytes) + self._ends.itemsize * len(self._ends) > MAX_STRINGS:
                raise bomb()

    def get(self, index: int) -> str | None:
        """The text, or None where it is longer than a cell may be.

        Raises:
            Invalid: There is none of this index.
        """
        if not 0 <= index < len(self._ends):
            raise damaged()
        if index in self._long:
            return None
        begin = self._ends[index - 1] if index else 0
        return self._bytes[begin : self._ends[index]].decode()


class Formats(Word, frozen=True, kw_only=True):
    """What a workbook says about its numbers.

    Attributes:
        dates: Cell styles (their index as written) that show days.
        from_1904: Whether days count from 1904 on.
    """

    dates: frozenset[str]
    from_1904: bool


class SheetRow(Word, frozen=True, kw_only=True):
    """One row of a sheet: its number there, its cells, and what is wrong."""

    number: int
    cells: list[str]
    faults: dict[int, str | Fault]
    problem: str


class Sheet:
    """Takes a sheet's tags and gives its rows. `finished` holds those since it was last emptied."""

    def __init__(self, strings: Strings, formats: Formats) -> None:
        self._strings = strings
        self._formats = formats
        self.finished: list[SheetRow] = []
        self._inside = False
        self._number = 0
        self._row: _Row | None = None
        self._cell: Attributes | None = None
        self._value: list[str] | None = None
        self._inline: list[str] | None = None
        self._formula = False
        self._sink: list[str] | None = None
        self._room = 0
        self._phonetic = 0

    def start(self, name: str, attributes: Attributes) -> None:
        """A tag opens."""
        if name == "v" and self._cell is not None and self._value is None:
            self._sink = self._value = []
        elif name == "c" and self._row is not None and self._cell is None:
            self._cell = attributes
            self._value = self._inline = None
            self._formula = False
            self._room = MAX_CELL
        elif name == "row" and self._inside:
            self._open_row(attributes)
        else:
            self._start_rare(name)

    def _start_rare(self, name: str) -> None:
        self._sink = None
        if name in {"c", "v", "row"}:
            self._misplaced()
        elif name == "sheetData":
            self._inside = True
        elif self._cell is None:
            return
        elif name == "f":
            self._formula = True
        elif name == "is":
            self._inline = []
        elif name == "rPh":
            self._phonetic += 1
        elif name == "t" and self._inline is not None and not self._phonetic:
            self._sink = self._inline

    def _misplaced(self) -> None:
        """Refuse a second value in a cell and a cell in a cell; sheets have none outside their data."""
        if self._inside:
            raise damaged()

    def text(self, data: str) -> None:
        """Text inside a tag."""
        if self._sink is not None:
            self._room -= len(data)
            if self._room >= 0:
                self._sink.append(data)

    def end(self, name: str) -> None:
        """A tag closes."""
        self._sink = None
        if name == "c" and self._cell is not None and self._row is not None:
            self._row.put(self._cell.get("r"), None if self._room < 0 else self._content(self._cell))
            self._cell = None
        elif name == "row" and self._row is not None:
            self.finished.append(self._row.finish())
            self._row = None
        elif name == "rPh" and self._phonetic:
            self._phonetic -= 1
        elif name == "sheetData":
            self._inside = False

    def _open_row(self, attributes: Attributes) -> None:
        written = attributes.get("r")
        number = self._number + 1 if written is None else _small(written)
        if self._row is not None or number <= self._number or number > MAX_ROWS:
            raise damaged()
        self._number = number
        self._row = _Row(number)
        self._cell = None

    def _content(self, cell: Attributes) -> Text | None:
        """A cell's text, its fault, or None where it is too long."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return plain("".join(self._inline or ()))
        value = "".join(self._value or ())
        if self._formula and (self._value is None or (not value and kind != "str")):
            return cells.FORMULA
        if kind == "str":
            return plain(value)
        value = value.strip()
        return self._typed(kind, value, cell.get("s")) if value else ""

    def _typed(self, kind: str, value: str, style: str | None) -> Text | None:
        """The text of a value that is filled and no string of its own."""
        if kind == "s":
            return self._strings.get(_small(value))
        if kind == "n":
            return self._day(value) if style in self._formats.dates else number(value)
        return _rare(kind, value)

    def _day(self, value: str) -> Text:
        serial = float(value) if _REAL.fullmatch(value) else -1.0
        if not 1 <= serial < _LAST_SERIAL:
            return cells.NO_DAY
        days, fraction = divmod(serial, 1)
        epoch = _EPOCH_1904
        if not self._formats.from_1904:
            if days == _LEAP_BUG:
                return cells.NO_DAY
            epoch = _EPOCH_1900 + dt.timedelta(days=1) if days < _LEAP_BUG else _EPOCH_1900
        # A double holds a moment of this age to about 10 µs; spreadsheets show whole seconds.
        shift = dt.timedelta(days=int(days), seconds=round(fraction * _DAY_SECONDS))
        try:
            return cells.moment(epoch + shift)
        except OverflowError:
            return cells.NO_DAY


class _Row:
    """A row being read."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._cells: list[str] = []
        self._faults: dict[int, str | Fault] = {}
        self._length = 0
        self._problem = ""

    def put(self, place: str | None, content: Text | None) -> None:
        """Take a cell; one that stands nowhere or twice spoils the row, so that no value is put aside."""
        if self._problem:
            return
        have = len(self._cells)
        index = have if place is None else self._index(place)
        if content is None:
            self._spoil(LONG_CELL)
        elif index < have:
            self._spoil("the row's cells are out of order")
        elif index >= MAX_COLUMNS:
            self._spoil(WIDE_ROW)
        else:
            if index > have:
                self._cells.extend([""] * (index - have))
            if isinstance(content, str):
                self._cells.append(content)
                self._length += len(content)
                if self._length > MAX_LINE:
                    self._spoil(LONG_ROW)
            else:
                self._cells.append("")
                self._faults[index] = content

    def finish(self) -> SheetRow:
        """What came together."""
        return SheetRow(number=self._number, cells=self._cells, faults=self._faults, problem=self._problem)

    def _index(self, place: str) -> int:
        found = _PLACE.fullmatch(place)
        if found is None or int(found[2]) != self._number:
            return -1
        return _column(found[1])

    def _spoil(self, problem: str) -> None:
        self._problem = problem
        self._cells = []
        self._faults = {}


def number(value: str) -> Text:
    """A number cell's text, from its digits as they are written in the file."""
    if len(value) <= _LONGEST_NUMBER and _WHOLE.fullmatch(value):
        if len(value.lstrip("-0")) > cells.DOUBLE_DIGITS:
            return cells.DIGITS
        return str(int(value))
    if len(value) > _LONGEST_NUMBER or not _REAL.fullmatch(value):
        return cells.NO_NUMBER
    return cells.real(float(value), rounding=True)


def _rare(kind: str, value: str) -> Text:
    if kind == "b" and value in {"0", "1"}:
        return cells.truth(value=value == "1")
    if kind == "e":
        return "" if value == "#N/A" else cells.ERROR
    if kind == "d":
        return _iso(value)
    return cells.UNKNOWN


def _iso(value: str) -> Text:
    try:
        return cells.moment(dt.datetime.fromisoformat(value.removesuffix("Z")))
    except ValueError:
        return cells.NO_DAY


def _small(written: str) -> int:
    """A whole number that the file's own structure needs."""
    if len(written) > len(str(MAX_STRINGS)) or not (written.isascii() and written.isdigit()):
        raise damaged()
    return int(written)
