"""Levers of whoever can write to the stores: edited cells, flipped bits, and what a reader is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from kit import Made, borrowers, sql

from vault.access.tokens import Credential
from vault.errors import VaultError
from vault.model import Hold

ROWS: Final = borrowers(2)


CHANGED: Final = ROWS[0] | {"电子邮箱": "changed@example.com"}


KEY: Final = "tenant='main' AND record=? AND compartment=? AND version=?"


def verdict(made: Made, record: str, token: Credential | None = None) -> str:
    """What a legal reader is told of a record: `data`, an item's error code, or an error's class."""
    try:
        found = made.vault.reading().read(token or made.token("legal"), [record])
    except VaultError as error:
        return type(error).__name__
    return "data" if found.items else found.errors[0].code


def put(
    made: Made, store: str, table: str, column: str, value: object, where: str, at: Sequence[object]
) -> None:
    """Overwrite one cell as a DBA would."""
    sql(made, store, f'UPDATE {table} SET "{column}"=? WHERE {where}', [value, *at])


@contextmanager
def edited(
    made: Made, store: str, table: str, column: str, value: object, where: str, at: Sequence[object] = ()
) -> Iterator[None]:
    """One cell holds another value inside the block."""
    ((old,),) = sql(made, store, f'SELECT "{column}" FROM {table} WHERE {where}', at)
    put(made, store, table, column, value, where, at)
    yield
    put(made, store, table, column, old, where, at)


def blob(made: Made, record: str, compartment: str, version: int, tenant: str = "main") -> bytes:
    """A sealed payload as it is stored."""
    where = KEY.replace("main", tenant)
    ((found,),) = sql(
        made, "records", f"SELECT sealed FROM payloads WHERE {where}", [record, compartment, version]
    )
    assert isinstance(found, bytes)
    return found


def bits(data: bytes, most: int = 24) -> Iterator[bytes]:
    """The data with one bit flipped, at up to `most` places from the first byte to the last."""
    step = max(1, len(data) // most)
    for at in sorted({*range(0, len(data), step), 0, 1, len(data) - 1}):
        yield data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]


def cuts(data: bytes) -> Iterator[bytes]:
    """The data cut short or made longer."""
    yield from (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0")


def facts(made: Made, record: str) -> tuple[int, bytes]:
    """A record's facts as they are stored, with their counter; the ones before may still be there."""
    take = "SELECT counter, body FROM facts WHERE record=? ORDER BY counter"
    counter, body = sql(made, "records", take, [record])[-1]
    assert isinstance(body, bytes)
    return int(str(counter)), body


def hold(made: Made, record: str) -> None:
    """Put a legal hold on a record."""
    made.vault.erasing().add_hold(
        made.token("dpo"), [record], Hold(number="H-1", authority="法院", until="2050-01-01")
    )
