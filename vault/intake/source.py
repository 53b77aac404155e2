"""What every kind of export looks like to the rest of intake: a header, then records of text cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from vault.model import Word


class Record(Word, frozen=True, kw_only=True):
    """One record of the file, or why it cannot be read.

    Attributes:
        number: 1 for the first record after the header; empty lines count, as a spreadsheet counts them.
        cells: As they stand; empty when `problem` is set.
        problem: What is wrong with the record's form; "" if nothing.
        consumed: Bytes of the file read so far, rounded up to the reader's buffer; rows of a table.
        faults: Cells that cannot be read, by index, with what is wrong; they stand empty in `cells`.
        position: Where to go on after this record; "" where only its number says so. May be personal.
    """

    number: int
    cells: list[str]
    problem: str
    consumed: int
    faults: dict[int, str] = {}  # noqa: RUF012 - a Struct copies its default
    position: str = ""

    def __repr__(self) -> str:
        """Name the record, never its cells."""
        return f"<Record {self.number}: {len(self.cells)} cells>"

    __str__ = __repr__


class Source(Protocol):
    """An export that can be read from its first record, as often as wanted, in bounded memory.

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
