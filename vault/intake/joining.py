"""Several files or sheets as one table: rows of the first, with what the others say of the same key.

The others' rows are put aside sealed (`vault.crypto.spill`); in memory stay 49 bytes for each, and no value.
Nothing is lost silently: what fits no row of the first is a record with a problem at the end.
"""

from __future__ import annotations

import hashlib
import secrets
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from vault.crypto.spill import Spill
from vault.errors import Invalid
from vault.intake.fold import fold_number
from vault.intake.headers import title_key
from vault.intake.source import Fault, Record, Source
from vault.intake.values import BLANKS
from vault.model import Word

_DIGEST: Final = 16
_FIRST_SLOTS: Final = 1024
_MOST_WHYS: Final = 1_000


class _Kept(Word, frozen=True, kw_only=True):
    """A side's row as it is put aside."""

    cells: list[str]
    faults: dict[int, str | Fault]


class Joined:
    """A main source with the columns of its sides beside its own; itself a source."""

    def __init__(self, main: Source, place: int, sides: list[_Side], canonical: Callable[[str], str]) -> None:
        self._main = main
        self._place = place
        self._sides = sides
        self._canonical = canonical
        self.encoding = main.encoding
        self.format = getattr(main, "format", main.encoding)
        self.header = [*main.header, *(title for side in sides for title in side.titles)]
        self.size = main.size
        self.notes = [note for source in (main, *(s.source for s in sides)) for note in _notes(source)]
        self.unreadable = dict(getattr(main, "unreadable", {}))
        begin = len(main.header)
        for side in sides:
            self.unreadable |= {begin + index: why for index, why in side.unreadable.items()}
            begin += len(side.titles)

    def records(self) -> Iterator[Record]:
        """The main source's records with the sides' cells, then what of the sides fits none of them.

        Raises:
            Invalid: A file is gone or is no longer what it was when opened.
        """
        used = [bytearray(len(side)) for side in self._sides]
        last = 0
        for record in self._main.records():
            last = record.number
            yield record if record.problem else self._with_sides(record, used)
        for number, side in enumerate(self._sides, start=1):
            for row, problem in side.left_over(used[number - 1]):
                last += 1
                yield Record(
                    number=last,
                    cells=[],
                    problem=f"side {number}, row {row}: {problem}",
                    consumed=self.size,
                )

    def _with_sides(self, record: Record, used: list[bytearray]) -> Record:
        width = len(self._main.header)
        cells, faults = list(record.cells[:width]), dict(record.faults)
        if len(record.cells) != width:
            # Wrong by itself; its cells must not slip into the sides' columns.
            return record
        key = _key_of(record, self._place, self._canonical)
        for number, side in enumerate(self._sides, start=1):
            entry = None if key is None else side.find(key)
            if entry is None:
                cells += [""] * len(side.titles)
                continue
            used[number - 1][entry] = 1
            if side.disputed[entry]:
                return Record(
                    number=record.number,
                    cells=[],
                    problem=f"side {number} has rows of this key that differ; leave one of them",
                    consumed=record.consumed,
                )
            kept = side.row(entry)
            faults |= {len(cells) + index: fault for index, fault in kept.faults.items()}
            cells += kept.cells
        return Record(number=record.number, cells=cells, problem="", consumed=record.consumed, faults=faults)


class _Side:
    """A side's rows by key: an open-addressed table of keyed digests, the rows themselves in the spill.

    Attributes:
        titles: Its columns without the key.
        disputed: By entry, whether rows of one key differ.
    """

    def __init__(self, source: Source, place: int, canonical: Callable[[str], str]) -> None:
        self.source = source
        self.titles = [title for index, title in enumerate(source.header) if index != place]
        whys = getattr(source, "unreadable", {})
        self.unreadable = {index - (index > place): why for index, why in whys.items() if index != place}
        self.disputed = bytearray()
        self._spill = Spill()
        self._secret = secrets.token_bytes(_DIGEST)
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))
        self._high = array("Q")
        self._low = array("Q")
        self._offsets = array("Q")
        self._numbers = array("Q")
        self._bad = array("Q")
        self._bad_whys = array("H")
        self._whys: dict[str, int] = {}
        self._load(place, canonical)

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._numbers)

    def find(self, key: str) -> int | None:
        """The entry of a key."""
        entry = self._slots[self._slot(*self._digest(key))]
        return entry - 1 if entry else None

    def row(self, entry: int) -> _Kept:
        """An entry's cells.

        Raises:
            Tampered: The temporary file was changed.
        """
        return _decoder.decode(self._spill.read(self._offsets[entry]))

    def left_over(self, used: bytearray) -> Iterator[tuple[int, str]]:
        """Rows that gave nothing to any record, each with why."""
        whys = list(self._whys)
        for number, why in zip(self._bad, self._bad_whys, strict=True):
            yield number, whys[why]
        for entry, number in enumerate(self._numbers):
            if not used[entry]:
                yield number, "no row of the main file has its key"

    def _load(self, place: int, canonical: Callable[[str], str]) -> None:
        width = len(self.source.header)
        for record in self.source.records():
            problem = record.problem
            if not problem and (len(record.cells) < width or any(record.cells[width:])):
                problem = f"it has {len(record.cells)} cells, its header has {width}"
            key = None if problem else _key_of(record, place, canonical)
            if key is None:
                self._set_aside(record.number, problem or "its key is empty or cannot be read")
                continue
            kept = _Kept(
                cells=[cell for index, cell in enumerate(record.cells[:width]) if index != place],
                faults={
                    index - (index > place): fault for index, fault in record.faults.items() if index != place
                },
            )
            self._add(key, record.number, _encoder.encode(kept))

    def _set_aside(self, number: int, problem: str) -> None:
        self._bad.append(number)
        # Few sources' problems name lines; past so many kinds they are told as one.
        if len(self._whys) < _MOST_WHYS or problem in self._whys:
            self._bad_whys.append(self._whys.setdefault(problem, len(self._whys)))
        else:
            self._bad_whys.append(self._whys.setdefault("its form is at fault", _MOST_WHYS))

    def _add(self, key: str, number: int, kept: bytes) -> None:
        digest = self._digest(key)
        slot = self._slot(*digest)
        entry = self._slots[slot]
        if entry:
            if self._spill.read(self._offsets[entry - 1]) != kept:
                self.disputed[entry - 1] = 1
            return
        self._high.append(digest[0])
        self._low.append(digest[1])
        self._offsets.append(self._spill.append(kept))
        self._numbers.append(number)
        self.disputed.append(0)
        self._slots[slot] = len(self._numbers)
        if 2 * len(self._numbers) > len(self._slots):
            self._grow()

    def _digest(self, key: str) -> tuple[int, int]:
        """Keyed, so that nobody can choose keys that collide."""
        raw = hashlib.blake2b(key.encode(), key=self._secret, digest_size=_DIGEST).digest()
        return int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:], "big")

    def _slot(self, high: int, low: int) -> int:
        """Where a digest stands, or the free slot where it would."""
        mask = len(self._slots) - 1
        slot = low & mask
        while entry := self._slots[slot]:
            if self._low[entry - 1] == low and self._high[entry - 1] == high:
                break
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        self._slots = array("Q", bytes(2 * self._slots.itemsize * len(self._slots)))
        for entry, (high, low) in enumerate(zip(self._high, self._low, strict=True), start=1):
            self._slots[self._slot(high, low)] = entry


def join(
    main: Source,
    sides: Sequence[Source],
    on: str,
    *,
    names: Mapping[str, str] | None = None,
    canonical: Callable[[str], str] = fold_number,
) -> Joined:
    """Put the columns of the sides beside those of the main source, by a key that all have.

    The sides are read here, once and whole. A row of the main source without a partner gets blank cells.

    Args:
        main: Gives the rows.
        sides: Each gives columns; of each key it has one row, or rows that are alike.
        on: The key's title, or `kind.field` of the columns that `names` leads there.
        names: Targets by folded title, so that a side may call the key by another of its names.
        canonical: Makes keys comparable; may raise `Invalid` for a text that is no key.

    Raises:
        Invalid: A source lacks the key or has it twice, or two sources have a column of one title.
    """
    names = names or {}
    place = _find(main.header, on, names, "the main file")
    seen = {title_key(title) for title in main.header}
    found = []
    for number, side in enumerate(sides, start=1):
        where = _find(side.header, on, names, f"side {number}")
        own = [title_key(title) for index, title in enumerate(side.header) if index != where]
        for title in filter(None, own):
            if title in seen:
                raise Invalid(
                    f"side {number} has a column that the main file or another side has too, besides the key",
                    code="invalid_join",
                    field="on",
                    remedy="take that column out of one of them, or give it another title",
                )
            seen.add(title)
        found.append((side, where))
    return Joined(main, place, [_Side(side, where, canonical) for side, where in found], canonical)


def _find(header: Sequence[str], on: str, names: Mapping[str, str], whose: str) -> int:
    """The key's column: by its title, else the one whose title leads to the same target."""
    wanted = title_key(on)
    titles = [title_key(title) for title in header]
    places = [index for index, title in enumerate(titles) if title == wanted]
    if not places:
        target = names.get(wanted)
        places = [index for index, title in enumerate(titles) if target and names.get(title) == target]
    if len(places) != 1:
        raise Invalid(
            f"{whose} has {len(places)} columns of the key",
            code="invalid_join",
            field="on",
            remedy="name by --on the title of a column that each file has once",
        )
    return places[0]


def _key_of(record: Record, place: int, canonical: Callable[[str], str]) -> str | None:
    """A record's key, None where it has none."""
    if place in record.faults or place >= len(record.cells):
        return None
    text = record.cells[place].strip()
    if text in BLANKS:
        return None
    try:
        return canonical(text)
    except Invalid:
        # No such value, so the row is refused for it later; as a key it still tells rows apart.
        return fold_number(text)


def _notes(source: Source) -> list[str]:
    return list(getattr(source, "notes", ()))


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Kept)
