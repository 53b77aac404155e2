"""Open stores on either engine, and rows to put into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from vault.stores.index import IndexStore
from vault.stores.keys import KeyStore
from vault.stores.ledger import LedgerStore
from vault.stores.records import RecordStore
from vault.stores.store import Store

Url = Callable[[str], str]
S = TypeVar("S", bound=Store)


def _open(kind: type[S], url: Url) -> Iterator[S]:
    store = kind.open(url(kind.name))
    store.create()
    yield store
    store.close()


@pytest.fixture
def records(store_url: Url) -> Iterator[RecordStore]:
    """A records store."""
    yield from _open(RecordStore, store_url)


@pytest.fixture
def keys(store_url: Url) -> Iterator[KeyStore]:
    """A keys store."""
    yield from _open(KeyStore, store_url)


@pytest.fixture
def index(store_url: Url) -> Iterator[IndexStore]:
    """An index store."""
    yield from _open(IndexStore, store_url)


@pytest.fixture
def ledger(store_url: Url) -> Iterator[LedgerStore]:
    """A ledger store."""
    yield from _open(LedgerStore, store_url)
