"""A table as an export: rows of a query, numbered as they come, each with the place to go on after it.

The rows come from outside (`vault.stores.foreign` makes them), so that intake needs no database.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from vault.intake.source import Record


class TableRow(Protocol):
    """One row: its cells as text, and what could not be made text.

    Attributes:
        cells: Text by column; "" where the database has NULL.
        faults: What is wrong with a cell, by index.
        position: The row's key, from which reading can go on; may be personal.
    """

    @property
    def cells(self) -> list[str]:
        """Text by column."""
        ...

    @property
    def faults(self) -> dict[int, str]:
        """What is wrong with a cell, by index."""
        ...

    @property
    def position(self) -> str:
        """The row's key."""
        ...


class Table(Protocol):
    """Rows in the order of a unique key.

    Attributes:
        name: What kind of database it is, for people.
        header: Column names.
        size: How many rows; 0 if nobody counted.
        fingerprint: Digest of where and what is asked, without password: the same question, the same digest.
    """

    @property
    def name(self) -> str:
        """What kind of database it is."""
        ...

    @property
    def header(self) -> list[str]:
        """Column names."""
        ...

    @property
    def size(self) -> int:
        """How many rows; 0 if nobody counted."""
        ...

    @property
    def fingerprint(self) -> str:
        """The digest of the question."""
        ...

    def rows(self, after: str = "") -> Iterator[TableRow]:
        """Every row after a position, in order of the key."""
        ...


class TableSource:
    """A table that intake reads like a file.

    Attributes:
        encoding: The database's kind.
        header: Column names.
        size: How many rows, 0 if nobody counted.
        fingerprint: The table's.
        rereads: False: what is gone on with begins behind what is done.
    """

    def __init__(self, table: Table, *, after: str = "", number: int = 0) -> None:
        """Read from the start, or go on.

        Args:
            table: What to read.
            after: The position of the last row that is done.
            number: That row's number.
        """
        self._table = table
        self._after = after
        self._number = number
        self.encoding = table.name
        self.header = table.header
        self.size = table.size
        self.fingerprint = table.fingerprint
        self.rereads = False

    def records(self) -> Iterator[Record]:
        """Every row after the one that is done.

        Raises:
            Invalid: The table cannot be read so that no row is lost.
            Unavailable: The database stays away.
        """
        for number, row in enumerate(self._table.rows(self._after), start=self._number + 1):
            yield Record(
                number=number,
                cells=row.cells,
                problem="",
                consumed=number,
                faults=row.faults,
                position=row.position,
            )
