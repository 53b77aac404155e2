"""Numbering: generations and numbers in one counter, and the series that come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import Made, make_vault

from vault.config import Stores
from vault.crypto import mac
from vault.model import Happening, Who, Whom
from vault.numbering import MASK, Span, following, span_of, spans, tag_at, total

WHO = Who(actor="p-1", role="collector", purpose="audit")


@given(generation=st.integers(1, 1 << 20), number=st.integers(0, MASK))
def test_a_counter_is_a_generation_and_a_number(generation: int, number: int) -> None:
    """Both are read back from it, and the next generation begins at 0, above all of this one."""
    n = (generation - 1) << 32 | number
    assert span_of(n) == Span(generation=generation, count=number)
    assert span_of(following(n)) == Span(generation=generation + 1, count=0)
    assert following(n) > n
    secret = b"u" * 32
    assert tag_at(secret, n) == mac.tag(mac.tag_key(secret, generation), number)


def test_a_counter_of_before_is_the_first_generation() -> None:
    """A vault whose counters are plain numbers keeps its tags."""
    assert tag_at(b"u" * 32, 7) == mac.tag(mac.tag_key(b"u" * 32), 7)
    assert span_of(7) == Span(generation=1, count=7)


@pytest.fixture
def made(tmp_path: Path, store_url: Callable[[str], str]) -> Iterator[Made]:
    """An empty sandbox on either engine."""
    names = ("records", "index", "keys", "ledger")
    made = make_vault(tmp_path, stores=Stores(**{name: store_url(name) for name in names}))
    yield made
    made.vault.close()


def test_pages_end_generations(made: Made) -> None:
    """A page's own entries are the last of what it ends; without an entry nothing is ended."""
    tenancy = made.vault.tenancy()
    journal, store, keys = tenancy.journal, tenancy.stores.ledger, tenancy.keys

    def page(*subjects: str, end: tuple[str, ...] = ()) -> list[bytes]:
        with journal.page() as page:
            page.end_tags(end)
            for subject in subjects:
                page.add(Happening(kind="read", who=WHO, whom=Whom(subject=subject), secret=b"u" * 32))
        return [row.tag for row in store.entries("main", page.first_index, 100)]

    first, second = mac.tag_key(b"u" * 32), mac.tag_key(b"u" * 32, 2)
    assert page("s-1", "s-1") == [mac.tag(first, 0), mac.tag(first, 1)]
    assert page("s-1", "s-2", "s-1", end=("s-1", "s-3", "s-1")) == [
        mac.tag(first, 2), mac.tag(first, 0), mac.tag(first, 3)
    ]  # fmt: skip
    assert page("s-1", end=("s-2",)) == [mac.tag(second, 0)]
    assert page(end=("s-2",)) == []
    assert spans(store, keys, ["s-1", "s-2", "s-3"]) == {
        "s-1": [Span(generation=1, count=4), Span(generation=2, count=1)],
        "s-2": [Span(generation=1, count=1), Span(generation=2, count=0)],
        "s-3": [Span(generation=1, count=0)],
    }
    assert total(spans(store, keys, ["s-1"])["s-1"]) == 5


def test_a_page_that_fails_ends_nothing(made: Made) -> None:
    """With the entries undone, the generation goes on."""
    tenancy = made.vault.tenancy()
    one = Happening(kind="read", who=WHO, whom=Whom(subject="s-1"), secret=b"u" * 32)
    tenancy.journal.log(one)

    def failing() -> None:
        with tenancy.journal.page() as page:
            page.add(one)
            page.end_tags(["s-1"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert spans(tenancy.stores.ledger, tenancy.keys, ["s-1"]) == {"s-1": [Span(generation=1, count=1)]}
