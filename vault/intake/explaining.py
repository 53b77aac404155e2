"""What is said of each column of a file that is only looked at: how it is understood, and what it holds."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from vault.errors import Invalid
from vault.intake import shapes, values
from vault.intake.headers import COMPUTING, Column, aliases, never_enters, title_key
from vault.intake.rows import reader
from vault.intake.source import Record
from vault.model import Word
from vault.schema import FieldSpec, Schema

_SAMPLES: Final = 3
_PROPOSED: Final = 3
_REPEATED: Final = 2
_DOUBTFUL: Final = 0.5
_ALSO: Final[Mapping[str, frozenset[str]]] = {
    "mobile": frozenset({"mobile", "phone"}),
    "landline": frozenset({"landline", "phone"}),
}
"""Field types that a guessed type fits, where they are not that type alone."""

Read = Callable[[str], str]
"""A cell to its canonical text; raises `Invalid`."""
Mask = Callable[[str, str], str]
"""Mask's name and canonical text to what may be shown of it; `***` if nothing."""
Faults = dict[str, Counter[tuple[str, str, str]]]
"""Code, message and remedy with their number, by target."""


class Fault(Word, frozen=True, kw_only=True):
    """One way in which cells or rows are refused, and how many are."""

    code: str
    message: str
    remedy: str
    count: int


class ColumnCheck(Word, frozen=True, kw_only=True):
    """What is understood of one column.

    Attributes:
        number: Its place, from 1.
        title: Its header in the form that may be repeated.
        target: `kind.field`, or None when it is not stored.
        why: Why it is not: `unknown`, `left_out` (by the map), `never_stored` (C3, address books),
            `computed_only` (a band); `used_only` for one that another field is computed from; "" if it is.
        how: How sure: `map`, `exact`, `alias`; `content` where only `proposals` exist; "".
        filled, valid: Cells among the rows looked at; `valid` is None where nothing is checked.
        faults: What is wrong with cells, the commonest first.
        samples: Up to three valid values behind the field's mask.
        shapes: The commonest forms of the cells that give no sample: all of an unknown column's, else the
            refused ones'; codes as in `vault.intake.shapes.shape`.
        looks_like: The type its content has, where that is no field's of its header.
        proposals: Targets that its content would fit, the likeliest first.
    """

    number: int
    title: str
    target: str | None
    why: str
    how: str
    filled: int
    valid: int | None
    faults: list[Fault]
    samples: list[str]
    shapes: list[str]
    looks_like: str
    proposals: list[str]


class Explainer:
    """Puts together what is said of each column."""

    def __init__(
        self, schema: Schema, kind: str, columns: Sequence[Column], records: Sequence[Record],
        faults: Faults, mask: Mask, header: Sequence[str],
    ) -> None:  # fmt: skip
        self._schema = schema
        self._titles = aliases(schema, kind)
        self._taken = {column.target for column in columns}
        self._records = records
        self._faults = faults
        self._mask = mask
        self._header = header
        self._bands = _bands(schema, self._titles)

    def column(self, column: Column, missing: Sequence[str]) -> ColumnCheck:
        """One column explained."""
        cells = list(filled(column.index, self._records))
        if column.target is None:
            return self._stored_nowhere(column, cells, missing)
        read = reader(self._schema, column)
        faults = listed(self._faults.get(column.target, Counter()))
        errors = [text for text in cells if error_of(read, text) is not None]
        at_fault = sum(fault.count for fault in faults if fault.code != "invalid_required")
        unread = sum(column.index in getattr(record, "faults", ()) for record in self._records)
        count = len(cells) + unread
        valid = max(count - max(len(errors) + unread, at_fault), 0)
        like = shapes.looks_like(cells) if valid < _DOUBTFUL * count else ""
        return ColumnCheck(
            number=column.index + 1, title=column.title, target=column.target,
            why="used_only" if column.target in COMPUTING else "", how=column.how,
            filled=count, valid=valid, faults=faults, samples=self._samples(column.target, read, cells),
            shapes=shapes.commonest(errors), looks_like=like,
            proposals=self._proposals(like, column, missing),
        )  # fmt: skip

    def elsewhere(self) -> list[Fault]:
        """Faults of targets that no column of the file gives, as of what is computed."""
        return [
            fault
            for target, counted in self._faults.items()
            if target not in self._taken and target != "row"
            for fault in listed(counted)
        ]

    def _stored_nowhere(self, column: Column, cells: list[str], missing: Sequence[str]) -> ColumnCheck:
        why = self._why(column)
        like, proposals = "", []
        if why == "unknown":
            like = shapes.looks_like(cells)
            if not like and _wants_ref(self._schema, missing):
                distinct = shapes.could_be_numbers_of_their_own(cells, len(self._records))
                like = "ref" if distinct else ""
            proposals = self._proposals(like, column, missing)
        return ColumnCheck(
            number=column.index + 1, title=column.title, target=None, why=why,
            how="content" if proposals else "", filled=len(cells), valid=None, faults=[], samples=[],
            shapes=[] if why == "never_stored" else shapes.commonest(cells), looks_like=like,
            proposals=proposals,
        )  # fmt: skip

    def _why(self, column: Column) -> str:
        cell = self._header[column.index]
        if never_enters(cell):
            return "never_stored"
        if column.how == "map":
            return "left_out"
        return "computed_only" if title_key(cell) in self._bands else "unknown"

    def _samples(self, target: str, read: Read, cells: Iterable[str]) -> list[str]:
        """Valid values behind the mask.

        Words of an unmasked field are shown only where they repeat: a name that strayed into such a column
        mostly stands there once.
        """
        spec = _spec(self._schema, target)
        canonical = Counter(read(text) for text in cells if error_of(read, text) is None)
        rare = spec is not None and spec.mask == "none" and spec.type in {"code", "relation", "text"}
        usable = (text for text, count in canonical.items() if not rare or count >= _REPEATED)
        shown = (self._mask(spec.mask if spec else "none", text) for text in usable)
        return list(itertools.islice(dict.fromkeys(text for text in shown if text.strip("*")), _SAMPLES))

    def _proposals(self, like: str, column: Column, missing: Sequence[str]) -> list[str]:
        """Free targets of a type: required ones first, then the likest titles."""
        if not like or never_enters(self._header[column.index]):
            return []
        wanted = _ALSO.get(like, frozenset({like}))
        free = [
            target
            for target in self._titles
            if target not in self._taken and type_of(self._schema, target) in wanted
        ]
        title = _pairs(self._header[column.index])
        likeness = {
            target: max(len(title & _pairs(one)) for one in self._known_as(target)) for target in free
        }
        free.sort(key=lambda target: (target not in missing, -likeness[target]))
        return free[:_PROPOSED]

    def _known_as(self, target: str) -> list[str]:
        spec = _spec(self._schema, target)
        return [*self._titles[target], *([spec.zh, spec.en] if spec else [])]


def filled(index: int, records: Iterable[Record]) -> Iterator[str]:
    """A column's cells that are not blank."""
    for record in records:
        if index < len(record.cells):
            text = record.cells[index].strip()
            if text not in values.BLANKS:
                yield text


def error_of(read: Read, text: str) -> Invalid | None:
    """Why a cell can't be read; None if it can."""
    try:
        read(text)
    except Invalid as error:
        return error
    return None


def _spec(schema: Schema, target: str) -> FieldSpec | None:
    """The field of a target; a target may number its kind's instances between kind and field."""
    kind = schema.kinds.get(target.partition(".")[0])
    return kind.fields.get(target.rpartition(".")[2]) if kind else None


def type_of(schema: Schema, target: str) -> str:
    """The type of a target, be it a field or a column that another field is computed from."""
    spec = _spec(schema, target)
    return COMPUTING[target] if spec is None or target in COMPUTING else spec.type


def _wants_ref(schema: Schema, missing: Iterable[str]) -> bool:
    return any(type_of(schema, target) == "ref" for target in missing)


def _bands(schema: Schema, targets: Iterable[str]) -> set[str]:
    """The titles of what is only ever computed, as headers are compared."""
    kinds = {target.partition(".")[0] for target in targets}
    fields = [
        (kind, field)
        for kind in kinds
        for field in schema.kinds[kind].fields.values()
        if field.name.endswith("_band")
    ]
    return {
        title_key(title)
        for kind, field in fields
        for title in (field.name, field.zh, field.en, f"{kind}.{field.name}")
    }


def _pairs(title: str) -> set[str]:
    """Every two neighbours of a title."""
    key = title_key(title)
    return {key[place : place + 2] for place in range(len(key) - 1)}


def listed(counted: Counter[tuple[str, str, str]]) -> list[Fault]:
    """Counted faults, the commonest first."""
    return [
        Fault(code=code, message=message, remedy=remedy, count=count)
        for (code, message, remedy), count in counted.most_common()
    ]
