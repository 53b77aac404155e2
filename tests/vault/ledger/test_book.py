"""The book of cases over tables in memory: what is put is found, and nothing else is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.crypto.encoding import encode
from vault.errors import Tampered, Unavailable
from vault.ledger.book import (
    ABSENT,
    EMPTY,
    SHARDS,
    Book,
    CaseRow,
    Remembered,
    root_of,
    shard_digest,
    shard_of,
    walk,
)
from vault.ledger.registry import BookInForce


class Tables:
    """The two tables in memory, and how often they were asked."""

    def __init__(self) -> None:
        self.cases: dict[tuple[int, bytes], tuple[Any, Any, Any]] = {}
        self.shards: dict[Any, Any] = {}
        self.book: BookInForce | None = None
        self.asked: list[str] = []

    def digests(self) -> Sequence[tuple[Any, Any]]:
        """Every digest."""
        self.asked.append("digests")
        return list(self.shards.items())

    def lines(self, shards: Sequence[int]) -> Sequence[tuple[int, Any, Any, Any, Any]]:
        """The cases of these shards."""
        self.asked.append(f"lines of {len(shards)}")
        return [(s, h, *rest) for (s, h), rest in self.cases.items() if s in set(shards)]

    def count(self) -> int:
        """All cases."""
        return len(self.cases)

    def open(self, known: Remembered | None = None) -> Book:
        """A page's book."""
        return Book(self.book, self, known or Remembered())

    def put(self, *rows: CaseRow, known: Remembered | None = None) -> None:
        """Put rows and store them."""
        book = self.open(known)
        book.put(rows)
        self.store(book)

    def store(self, book: Book) -> None:
        """Store what was put."""
        change = book.change()
        if change is None:
            return
        for shard, handle, *rest in change.lines:
            self.cases[shard, handle] = tuple(rest)  # type: ignore[assignment]
        self.shards |= change.digests
        self.book = change.book


def handle(number: int, shard: int | None = None) -> bytes:
    """A handle as uniform as a MAC, in a shard if one is named."""
    digest = sha256(b"%d" % number).digest()[:16]
    if shard is None:
        return digest
    return ((shard << 6) | (digest[1] & 0x3F)).to_bytes(2, "big") + digest[2:]


def case(number: int, shard: int | None = None, **more: Any) -> CaseRow:
    """A case as it is opened."""
    plain = {
        "handle": handle(number, shard), "number": b"sealed %d" % number, "state": "open", "opened": 1,
        "changed": 1, "by": "p-1", "reason": "placed",
    }  # fmt: skip
    return CaseRow(**plain | more)


def later(row: CaseRow, **more: Any) -> CaseRow:
    """The next turn of a case."""
    return msgspec.structs.replace(row, turn=row.turn + 1, changed=row.changed + 1, **more)


@pytest.mark.parametrize(
    ("start", "shard"), [("0000", 0), ("003f", 0), ("0040", 1), ("8000", 512), ("ffbf", 1022), ("ffff", 1023)]
)
def test_a_shard_is_ten_bits(start: str, shard: int) -> None:
    """The first ten bits of a handle, big-endian, are its shard."""
    assert shard_of(bytes.fromhex(start) + bytes(14)) == shard


def test_digests_are_as_written_down() -> None:
    """Shard digest and root are those of docs/formats/stores.md, whatever the order of the cases."""
    one, two = (b"\0\1" + bytes(14), b"one"), (b"\0\2" + bytes(14), b"two")
    digest = sha256(encode("cvault/book-shard/v1", 0, *one, *two)).digest()
    assert shard_digest(0, dict([two, one])) == digest
    assert shard_digest(1, {}) == ABSENT == bytes(32)
    digests = digest + bytes(32 * 1023)
    assert root_of(digests) == sha256(encode("cvault/book/v1", digests)).digest()
    assert EMPTY.root == root_of(bytes(32 * 1024))
    assert SHARDS == 1024


def test_nothing_is_asked_for_nothing() -> None:
    """No handles and an empty book need no query; a remembered shard needs none; a new root needs digests."""
    tables, known = Tables(), Remembered()
    assert tables.open(known).find([]) == {}
    assert tables.open(known).find([handle(1)]) == {}
    assert tables.asked == []
    tables.put(case(1), case(2), known=known)
    assert tables.open(known).find([handle(1), handle(2), handle(3)]) == {
        handle(1): case(1),
        handle(2): case(2),
    }
    assert tables.asked == []
    assert tables.open().find([handle(1), handle(2)]).keys() == {handle(1), handle(2)}
    assert tables.asked == ["digests", "lines of 2"]


def test_a_page_sees_what_it_put() -> None:
    """Puts of one page add up, each shard is digested once in the end, and other pages see none of it yet."""
    tables, known = Tables(), Remembered()
    tables.put(case(1, 5), known=known)
    book = tables.open(known)
    book.put([later(case(1, 5), holder="p-2"), case(2, 5)])
    book.put([later(later(case(1, 5)), holder="p-3")])
    assert book.find([handle(1, 5)])[handle(1, 5)].holder == "p-3"
    assert tables.open(known).find([handle(1, 5), handle(2, 5)]) == {handle(1, 5): case(1, 5)}
    change = book.change()
    assert change is not None
    assert change == book.change()
    assert list(change.digests) == [5]
    assert {line[1]: line[2] for line in change.lines} == {handle(1, 5): "p-3", handle(2, 5): ""}
    assert change.book.count == 2


def test_a_book_without_puts_changes_nothing() -> None:
    """Reading, and putting no rows, leaves nothing to store."""
    book = Tables().open()
    book.find([handle(1)])
    book.put([])
    assert book.change() is None


@pytest.mark.parametrize("turn", [0, 1, 3])
def test_only_the_next_turn_is_taken(turn: int) -> None:
    """A row made from an older state of its case is refused with all rows beside it."""
    tables = Tables()
    tables.put(case(1))
    book = tables.open()
    with pytest.raises(Unavailable) as refused:
        book.put([case(2), msgspec.structs.replace(case(1), turn=turn)])
    assert refused.value.code == "conflict"
    assert book.change() is None
    with pytest.raises(Unavailable):
        book.put([case(3, turn=2)])
    book.put([case(2), later(case(1)), later(later(case(1)))])
    assert book.find([handle(1)])[handle(1)].turn == 3


def _edit(tables: Tables) -> None:
    _, _, body = tables.cases[7, handle(1, 7)]
    tables.cases[7, handle(1, 7)] = ("", "open", body.replace(b"placed", b"places"))


def _swap(tables: Tables) -> None:
    one, two = (7, handle(1, 7)), (7, handle(2, 7))
    tables.cases[one], tables.cases[two] = tables.cases[two], tables.cases[one]


def _column(tables: Tables) -> None:
    tables.cases[7, handle(1, 7)] = ("p-9", *tables.cases[7, handle(1, 7)][1:])


def _state(tables: Tables) -> None:
    holder, _, body = tables.cases[7, handle(1, 7)]
    tables.cases[7, handle(1, 7)] = (holder, "closed", body)


def _text(tables: Tables) -> None:
    tables.cases[7, handle(1, 7)] = ("", "open", tables.cases[7, handle(1, 7)][2].decode())


def _other_handle(tables: Tables) -> None:
    tables.cases[7, "x"] = tables.cases.pop((7, handle(1, 7)))  # type: ignore[index]


def _add(tables: Tables) -> None:
    forged = case(9, 7)
    tables.cases[7, forged.handle] = ("", "open", msgspec.json.encode(forged, order="sorted"))


def _add_text(tables: Tables) -> None:
    tables.cases[7, "x"] = ("", "open", b"{}")  # type: ignore[index]


def _delete(tables: Tables) -> None:
    del tables.cases[7, handle(1, 7)]


def _digest(tables: Tables) -> None:
    _edit(tables)
    bodies = {h: body for (shard, h), (_, _, body) in tables.cases.items() if shard == 7}
    tables.shards[7] = shard_digest(7, bodies)


def _no_digest(tables: Tables) -> None:
    del tables.shards[7]


def _short_digest(tables: Tables) -> None:
    tables.shards[7] = b""


def _far_digest(tables: Tables) -> None:
    tables.shards[1024] = bytes(32)


def _text_digest(tables: Tables) -> None:
    tables.shards["x"] = bytes(32)


@pytest.mark.parametrize(
    "tamper",
    [
        _edit, _swap, _column, _state, _text, _other_handle, _add, _add_text, _delete, _digest,
        _no_digest, _short_digest, _far_digest, _text_digest,
    ],
)  # fmt: skip
def test_tampering_stops_the_next_reader(tamper: Callable[[Tables], None]) -> None:
    """Whatever is edited, added, taken away or swapped: whoever reads that shard anew is told, and a walk."""
    tables = Tables()
    tables.put(case(1, 7), case(2, 7), case(3, 8))
    assert walk(tables.book, tables) == 3
    tamper(tables)
    with pytest.raises(Tampered, match="book of cases"):
        tables.open().find([handle(2, 7)])
    with pytest.raises(Tampered, match="book of cases"):
        walk(tables.book, tables)


def test_a_walk_finds_what_no_find_looks_at() -> None:
    """A line in a shard that there is not, or in one without cases, is found by the walk alone."""
    for shard in (9, 1024, -1):
        tables = Tables()
        tables.put(case(1, 7))
        tables.cases[shard, handle(5, 9)] = ("", "open", b"{}")
        assert tables.open().find([handle(5, 9)]) == {}
        with pytest.raises(Tampered):
            walk(tables.book, tables)


def test_a_walk_counts_as_the_registry_does() -> None:
    """A count that the registry doesn't have is reported, though every digest is right."""
    tables = Tables()
    tables.put(case(1), case(2))
    assert tables.book is not None
    with pytest.raises(Tampered):
        walk(msgspec.structs.replace(tables.book, count=3), tables)
    assert walk(None, Tables()) == 0


def test_a_walk_believes_nothing_remembered() -> None:
    """A node that remembers every shard still finds what was changed in the tables."""
    tables, known = Tables(), Remembered()
    tables.put(case(1, 7), case(2, 7), known=known)
    _edit(tables)
    assert tables.open(known).find([handle(1, 7)])[handle(1, 7)].reason == "placed"
    with pytest.raises(Tampered):
        walk(tables.book, tables)


def test_listed_rows_are_what_they_are_listed_as() -> None:
    """Rows come in the order asked; one of another holder or state, or unknown, is not passed on."""
    tables = Tables()
    tables.put(case(1, holder="p-1"), case(2), case(3, state="closed"))
    book = tables.open()
    assert [r.handle for r in book.listed([handle(3), handle(1)], None, None)] == [handle(3), handle(1)]
    assert book.listed([handle(2)], "", "open") == [case(2)]
    assert book.listed([], "p-1", None) == []
    for number, holder, state in ((1, "", None), (2, "p-1", None), (3, None, "open"), (4, None, None)):
        with pytest.raises(Tampered):
            book.listed([handle(number)], holder, state)


def test_old_shards_are_forgotten() -> None:
    """At most so many cases are remembered; what was asked for last stays, and what is forgotten is read."""
    tables, known = Tables(), Remembered(most=4)
    for shard in range(4):
        tables.put(*(case(10 * shard + n, shard) for n in range(2)), known=known)
    for shard, asked in ((3, []), (2, []), (0, ["lines of 1"]), (2, []), (3, ["lines of 1"])):
        tables.asked.clear()
        assert len(tables.open(known).find([handle(10 * shard, shard)])) == 1
        assert tables.asked == asked
    tables.put(*(case(100 + n, 9) for n in range(5)), known=known)
    assert len(tables.open(known).find([handle(100, 9)])) == 1


def test_a_shard_counts_once() -> None:
    """A shard that two readers remember at once takes the room of one."""
    known = Remembered(most=4)
    for _ in range(3):
        known.keep(b"one", {b"a": b"", b"b": b"", b"c": b""})
    known.keep(b"two", {b"d": b""})
    assert known.bodies({1: b"one", 2: b"two", 3: b"three"}).keys() == {1, 2}


def test_what_is_remembered_stays_as_it_was() -> None:
    """A page that goes on putting after its change was taken changes nothing for others."""
    tables, known = Tables(), Remembered()
    book = tables.open(known)
    book.put([case(1)])
    tables.store(book)
    book.put([later(case(1), holder="p-9")])
    assert tables.open(known).find([handle(1)]) == {handle(1): case(1)}


def test_old_roots_are_forgotten() -> None:
    """Digests are remembered for the newest roots alone, and read again for an older one."""
    tables, known = Tables(), Remembered()
    tables.put(case(1), known=known)
    first, digests = tables.book, dict(tables.shards)
    for number in range(2, 12):
        tables.put(case(number), known=known)
    tables.book, tables.shards = first, digests
    tables.asked.clear()
    assert tables.open(known).find([handle(1)]) == {handle(1): case(1)}
    assert tables.asked == ["digests"]


def test_threads_share_what_is_remembered() -> None:
    """Eight threads read through one small memory; each finds all its cases."""
    tables, known, found = Tables(), Remembered(most=40), []
    tables.put(*(case(n) for n in range(200)))

    def read(first: int) -> None:
        book = [tables.open(known).find([handle(n)]) for n in range(first, 200, 3)]
        found.append(sum(map(len, book)) == len(range(first, 200, 3)))

    threads = [threading.Thread(target=read, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


STEP = st.lists(
    st.tuples(st.integers(0, 11), st.sampled_from(["", "p-1", "p-2"]), st.sampled_from(["open", "closed"])),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), STEP), max_size=8))
def test_the_book_is_a_dict(pages: list[tuple[bool, list[tuple[int, str, str]]]]) -> None:
    """After any pages, kept or undone, the book holds what a dict does, for warm and cold readers alike."""
    tables, known = Tables(), Remembered(most=6)
    plain: dict[bytes, CaseRow] = {}
    numbers = {n: handle(n, n % 3) for n in range(12)}
    for kept, steps in pages:
        book, mine = tables.open(known), dict(plain)
        for number, holder, state in steps:
            last = mine.get(numbers[number])
            opened = case(number, number % 3, holder=holder, state=state)
            row = later(last, holder=holder, state=state) if last else opened
            book.put([row])
            mine[row.handle] = row
        assert book.find(numbers.values()) == mine
        change = book.change()
        if kept and change:
            tables.store(book)
            plain = mine
        assert tables.open(known).find(numbers.values()) == plain
        assert tables.open().find(numbers.values()) == plain
        assert walk(tables.book, tables) == len(plain)
