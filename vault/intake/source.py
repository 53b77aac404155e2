"""What every kind of export looks like to the rest of intake: a header, then records of text cells."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import msgspec

from vault.errors import Invalid
from vault.model import Word

MAX_CELL: Final = 64 * 1024
"""Characters in one cell."""
MAX_LINE: Final = 1024 * 1024
"""Characters in one line or row: more is no line of a table, and would not be bounded memory."""
MAX_COLUMNS: Final = 16_384
"""Columns of a table; as many as a spreadsheet has."""

LONG_CELL: Final = "a cell is longer than 64 KiB"
LONG_ROW: Final = "the row is longer than 1 MiB"
WIDE_ROW: Final = f"the row has more than {MAX_COLUMNS} cells"


class Fault(Word, frozen=True, kw_only=True):
    """Why a cell has no text, without what it holds.

    Attributes:
        message: What is wrong.
        code: `invalid_…`.
        remedy: What to do about it.
    """

    message: str
    code: str = "invalid_cell"
    remedy: str = "mend the cell, or cast it in the query"


class Record(Word, frozen=True, kw_only=True):
    """One record of the file, or why it cannot be read.

    Attributes:
        number: 1 for the first record after the header; empty lines count, as a spreadsheet counts them.
        cells: As they stand; empty when `problem` is set.
        problem: What is wrong with the record's form; "" if nothing.
        consumed: Bytes of the file read so far, rounded up to the reader's buffer; rows of a table.
        faults: Why a cell has no text, by index; such a cell stands empty in `cells`. A text alone says what
            is wrong; a `Fault` has a code and a remedy of its own.
        position: Where to go on after this record; "" where only its number says so. May be personal.
    """

    number: int
    cells: list[str]
    problem: str
    consumed: int
    faults: Mapping[int, str | Fault] = msgspec.field(default_factory=dict)
    position: str = ""

    def __repr__(self) -> str:
        """Name the record, never its cells."""
        return f"<Record {self.number}: {len(self.cells)} cells>"

    __str__ = __repr__


class Source(Protocol):
    """An export that can be read from its first record, as often as wanted, in bounded memory.

    A source may also have `format` (its kind of file in a word), `notes` (sentences for people about what
    of it is not read) and `unreadable` (why a column's type has no text, by index); `Export` asks for them.

    Attributes:
        encoding: How its text is written, for people: `gb18030`, `xlsx`.
        header: The titles of its columns.
        size: What `Record.consumed` runs up to, for progress; bytes of a file.
    """

    @property
    def encoding(self) -> str:
        """How its text is written, for people."""
        ...

    @property
    def header(self) -> list[str]:
        """The titles of its columns."""
        ...

    @property
    def size(self) -> int:
        """What `Record.consumed` runs up to."""
        ...

    def records(self) -> Iterator[Record]:
        """Every record after the header, one at a time; empty ones are left out.

        Raises:
            Invalid: It is gone or is no longer what it was when opened.
        """
        ...


def bad_file(problem: str, remedy: str) -> Invalid:
    """The error for a file that cannot be read at all."""
    return Invalid(problem, code="invalid_file", field="file", remedy=remedy)


def too_wide() -> Invalid:
    """The error for a header of more than `MAX_COLUMNS` columns."""
    return bad_file(f"more than {MAX_COLUMNS} columns", "export only the columns that are needed")


def form_of(cells: list[str]) -> str:
    """What is wrong with a record's size; "" if nothing."""
    if len(cells) > MAX_COLUMNS:
        return WIDE_ROW
    longest = max(map(len, cells), default=0)
    if longest > MAX_CELL:
        return LONG_CELL
    if longest * len(cells) > MAX_LINE and sum(map(len, cells)) > MAX_LINE:
        return LONG_ROW
    return ""


_KEPT: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")


def spare_environment() -> dict[str, str]:
    """What a helper process is told of the environment: no password that may stand in it."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
