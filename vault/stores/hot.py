"""Statements built once with SQLAlchemy Core, compiled once per dialect, run on a held driver connection.

A list of keys is padded to a size of 1, 2, 4 … 512 by repeating its last key, so that there are ten texts
of a statement and not one for every length; a longer list is cut. Rows are inserted many per statement: an
`executemany` gives the interpreter lock away once per row (perf.md 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import BindParameter, Dialect, Insert, Table, Text, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from vault.model import Word
from vault.stores.engine import Session

T = TypeVar("T")
Row = tuple[Any, ...]

LARGEST: Final = 512
"""Most keys in one statement."""

VARIABLES: Final = 16_384
"""Most values in one SQLite statement, which takes 32,766."""


class Statement:
    """A statement with named parameters; `run` through `rows`, `change` or `many`."""

    def __init__(self, clause: ClauseElement) -> None:
        self._clause = clause
        self._texts: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {}

    def rows(self, session: Session, **values: Any) -> list[Row]:
        """Fetch all rows."""
        sql, names, fixed = self._text(session.dialect)
        values = {**fixed, **values}
        return session.rows(sql, [values[name] for name in names])

    def change(self, session: Session, **values: Any) -> int:
        """Run it; how many rows it touched."""
        sql, names, fixed = self._text(session.dialect)
        values = {**fixed, **values}
        return session.change(sql, [values[name] for name in names])

    def many(self, session: Session, names: str, rows: Iterable[Row]) -> int:
        """Run it once per row, whose values stand in the order of `names`; how many rows it touched."""
        sql, order, fixed = self._text(session.dialect)
        given = names.split()
        found = ({**fixed, **dict(zip(given, row, strict=True))} for row in rows)
        return session.many(sql, [[values[name] for name in order] for values in found])

    def _text(self, dialect: Dialect) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = _compile(self._clause, dialect)
        return text


class Lookup:
    """A select over a list of keys.

    `build` is given the keys' parameters and makes the statement, in which every parameter named in `head`
    stands before the keys; `rows` is given the head's values in that order.
    """

    def __init__(self, build: Callable[[list[BindParameter[Any]]], ClauseElement], head: str) -> None:
        self._build = build
        self._head = head.split()
        self._texts: dict[tuple[str, int], str] = {}

    def rows(self, session: Session, head: Row, keys: Sequence[Any]) -> list[Row]:
        """Fetch the rows of all keys, in no order; a key asked twice is found once or twice."""
        name = session.dialect.name
        if len(keys) <= LARGEST:
            return self._part(session, name, head, keys) if keys else []
        parts = (keys[at : at + LARGEST] for at in range(0, len(keys), LARGEST))
        return [row for part in parts for row in self._part(session, name, head, part)]

    def change(self, session: Session, head: Row, keys: Sequence[Any]) -> int:
        """Run a DELETE or UPDATE over the keys; how many rows it touched."""
        touched = 0
        for at in range(0, len(keys), LARGEST):
            sql, values = self._sized(session, session.dialect.name, head, keys[at : at + LARGEST])
            touched += session.change(sql, values)
        return touched

    def _part(self, session: Session, name: str, head: Row, keys: Sequence[Any]) -> list[Row]:
        sql, values = self._sized(session, name, head, keys)
        return session.rows(sql, values)

    def _sized(self, session: Session, name: str, head: Row, keys: Sequence[Any]) -> tuple[str, list[Any]]:
        size = 1 << (len(keys) - 1).bit_length()
        sql = self._texts.get((name, size))
        if sql is None:
            sql = self._texts[name, size] = self._compiled(session.dialect, size)
        return sql, [*head, *keys, *[keys[-1]] * (size - len(keys))]

    def _compiled(self, dialect: Dialect, size: int) -> str:
        keys: list[BindParameter[Any]] = [bindparam(f"key_{n}") for n in range(size)]
        sql, names, _ = _compile(self._build(keys), dialect)
        if list(names) != [*self._head, *(key.key for key in keys)]:
            raise TypeError("a lookup's parameters must be its head, then its keys")
        return sql


class Rows:
    """An insert of many rows in one statement: plain, or with what `finish` adds (ON CONFLICT, RETURNING).

    The values of a row stand in the order of the table's columns. On SQLite a thousand rows become statements
    of the powers of two that add up to them, so few texts are ever compiled. On PostgreSQL the columns go as
    arrays, for psycopg parses a text above 4 KB anew each time (64 entries of the log: 68 → 42 µs an entry).
    """

    def __init__(self, table: Table, finish: Callable[[Any], Insert] = lambda insert: insert) -> None:
        self._table = table
        self._finish = finish
        self._width = len(table.columns)
        self._most = 1 << ((VARIABLES // self._width).bit_length() - 1)
        self._texts: dict[tuple[str, int], str] = {}

    def put(self, session: Session, rows: Sequence[Sequence[Any]]) -> None:
        """Insert the rows."""
        for sql, values in self._parts(session, rows):
            session.change(sql, values)

    def change(self, session: Session, rows: Sequence[Sequence[Any]]) -> int:
        """Insert the rows; how many were inserted or changed."""
        return sum(session.change(sql, values) for sql, values in self._parts(session, rows))

    def put_words(self, session: Session, rows: Sequence[Word]) -> None:
        """Insert the rows, given as row types."""
        if rows:
            self.put(session, list(map(msgspec.structs.astuple, rows)))

    def returning(self, session: Session, rows: Sequence[Sequence[Any]]) -> list[Row]:
        """Insert the rows and fetch what the statement returns."""
        return [row for sql, values in self._parts(session, rows) for row in session.rows(sql, values)]

    def _parts(self, session: Session, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        at, left = 0, len(rows)
        while left:
            size = min(1 << (left.bit_length() - 1), self._most) if session.lite else left
            part = rows[at : at + size]
            if session.lite:
                yield self._listed(session.dialect, size), list(chain.from_iterable(part))
            else:
                yield self._arrays(session.dialect), list(map(list, zip(*part, strict=True)))
            at, left = at + size, left - size

    def _listed(self, dialect: Dialect, size: int) -> str:
        sql = self._texts.get((dialect.name, size))
        if sql is None:
            row: dict[str, Any] = {c.name: bindparam(f"v_{c.name}") for c in self._table.columns}
            one = self._compiled(sqlite.insert(self._table).values(row), dialect)
            before, _, rest = one.partition(" VALUES (")
            values, _, after = rest.partition(")")
            sql = f"{before} VALUES {', '.join([f'({values})'] * size)}{after}"
            self._texts[dialect.name, size] = sql
        return sql

    def _arrays(self, dialect: Dialect) -> str:
        sql = self._texts.get((dialect.name, 0))
        if sql is None:
            names = [column.name for column in self._table.columns]
            kinds = [Text() if isinstance(c.type, Text) else c.type for c in self._table.columns]
            arrays: list[BindParameter[Any]] = [
                bindparam(f"v_{name}", type_=postgresql.ARRAY(kind))
                for name, kind in zip(names, kinds, strict=True)
            ]
            given = func.unnest(*arrays).table_valued(*names).render_derived(name="given")
            made = postgresql.insert(self._table).from_select(names, select(*given.c))
            sql = self._texts[dialect.name, 0] = self._compiled(made, dialect)
        return sql

    def _compiled(self, insert: Any, dialect: Dialect) -> str:
        sql, names, _ = _compile(self._finish(insert), dialect)
        if len(names) != self._width:
            raise TypeError("an insert of many rows has no parameters but its columns'")
        return sql


def run(session: Session, clause: ClauseElement) -> list[Row]:
    """Compile a statement made for one question, values included, and fetch its rows."""
    sql, names, values = _compile(clause, session.dialect)
    return session.rows(sql, [values[name] for name in names])


def _compile(clause: ClauseElement, dialect: Dialect) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    compiled: Any = clause.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled), tuple(compiled.positiontup or ()), dict(compiled.params)
