"""Caseload: which cases the loans in the vault belong to, and which of them wait for somebody.

The bench behind the case desk (`vault.casework`). A loan names its cases by keyed handles alone; the number
itself is had from the book of cases, or from the loan's own sealed `case_number`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from vault.access.selection import parse_where
from vault.errors import Invalid
from vault.keeping import Held
from vault.opening import Opener
from vault.stores.index import Where
from vault.tenancy import Tenancy

SCAN: Final = 1000
"""Loans, or cases, looked at together."""
LOAN: Final = "loan"
NUMBER: Final = "case_number"


class Caseload:
    """Looks for the cases of one tenant's loans."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def loans(self) -> int:
        """How many loans there are."""
        return self._t.stores.index.count(self._t.name, LOAN)

    def check(self, where: str, sort: str = "") -> None:
        """Demand that a selection of loans and its order make sense, before anything is written down of them.

        Raises:
            Invalid: One doesn't; names the attribute, never the value.
        """
        self._conditions(where)
        name = sort.removeprefix("-")
        if sort and not self._t.schema.kind(LOAN).field(name).open:
            raise Invalid(
                "not an open attribute",
                code="invalid_sort",
                field=name,
                remedy="sort by one that is: docs/cases.md",
            )

    def _conditions(self, where: str) -> list[Where]:
        spec = self._t.schema.kind(LOAN)
        return [(c.attribute, c.op, c.value) for c in parse_where(where, spec, self._t.today())]

    def waiting(self) -> dict[str, tuple[str, str, int]]:
        """Open cases that are nobody's: number, holder ("") and priority by handle, as hex."""
        found: dict[str, tuple[str, str, int]] = {}
        after = b""
        while rows := self._t.journal.case_rows("", "open", after, SCAN):
            found |= {
                row.handle.hex(): (self._t.keys.open_case(row.handle, row.number), "", row.priority)
                for row in rows
            }
            after = rows[-1].handle
        return found

    def matching(self, where: str, sort: str = "") -> Iterator[str]:
        """The handles, as hex, of the cases whose loans a selection names, in its order, each once.

        Raises:
            Invalid: The selection or the order can't be understood.
        """
        seen: set[str] = set()
        for held in self._pages(where, sort):
            for one in held.values():
                for handle in one.facts.cases:
                    if handle not in seen:
                        seen.add(handle)
                        yield handle

    def unknown(self, where: str) -> Iterator[tuple[int, list[str]]]:
        """The cases of selected loans that the book doesn't know.

        Yields:
            How many loans were looked at, and the numbers found in them, sorted.

        Raises:
            Invalid: The selection can't be understood.
        """
        for held in self._pages(where):
            handles = {bytes.fromhex(handle) for one in held.values() for handle in one.facts.cases}
            new = {handle.hex() for handle in handles - self._t.journal.cases(handles).keys()}
            wanted = {record: one for record, one in held.items() if not new.isdisjoint(one.facts.cases)}
            yield len(held), sorted(self._numbers(wanted, new))

    def _numbers(self, held: Mapping[str, Held], new: set[str]) -> set[str]:
        """The case numbers that these loans hold, of the cases wanted."""
        if not held:
            return set()
        opened = self._opener.held_values(held, self._t.schema.kind(LOAN).field(NUMBER))
        numbers = {msgspec.json.decode(value, type=str) for value in opened.values()}
        return {number for number in numbers if self._t.keys.case_handle(number) in new}

    def _pages(self, where: str, sort: str = "") -> Iterator[dict[str, Held]]:
        """The loans that a selection names, by record id and in order, page by page."""
        conditions = self._conditions(where)
        cursor: str | None = None
        while True:
            rows, cursor = self._t.stores.index.select(
                self._t.name, LOAN, conditions, sort or None, cursor, SCAN
            )
            held = self._t.keeping.fetch([record for record, _ in rows])
            yield {record: held[record] for record, _ in rows if record in held}
            if cursor is None:
                return
