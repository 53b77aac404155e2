"""Reading another system's table: page by page along one unique key, never by OFFSET, changing nothing.

Each page is a short read-only transaction of its own, so that a long import holds no snapshot open in a
database that others work with. What proves that no row is lost between pages is asked of the database
itself, in the same snapshot: the rows it counts in a page's range are exactly the rows of the page
(docs/migrate.md, "What is checked").
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NullType

from vault.errors import Invalid
from vault.model import Quiet, Word
from vault.stores.foreign_engine import foreign_engine, is_outage, prepare, translated
from vault.stores.foreign_query import bindless, checked_query, checked_url, fingerprint
from vault.stores.foreign_values import ORDERED, Unreadable, hex_of, key_of, position_of, text_of

T = TypeVar("T")

LARGEST_PAGE: Final = 10_000
"""Rows: a page is held in memory."""
_SHORTEST: Final = 0.1
ATTEMPTS: Final = 6
"""How often a page is asked for when the connection is lost; waits of 0.5, 1, 2 … seconds between."""

_NOT_UNIQUE: Final = "choose a column that is unique and not null, and keep its order in the query"


class ForeignRow(Quiet):
    """One row of a foreign table; holds clear values, so it shows nothing.

    Attributes:
        cells: Text by column, "" for NULL and where a fault is.
        faults: What is wrong with a cell, by index.
        position: The key, from which reading can go on.
    """

    cells: list[str]
    faults: dict[int, str]
    position: str


class Pace(Word):
    """How gently a foreign database is read.

    Attributes:
        page: Rows a transaction, at most 10,000; they are held in memory.
        pause: Seconds between pages.
        rate: Most rows a second, 0 for no limit.
        timeout: Seconds a statement may take in the source.
        count: Count rows and check the whole key beforehand: one pass over the key.
    """

    page: int = 2000
    pause: float = 0.0
    rate: float = 0.0
    timeout: float = 60.0
    count: bool = True


class ForeignQuery:
    """A query of another database, read along its key.

    Attributes:
        name: The database's kind.
        header: The query's column names.
        size: How many rows there were at the start; 0 when nobody counted.
        fingerprint: Digest of URL (without password), query and key.
    """

    def __init__(
        self,
        url: str,
        query: str,
        key: str,
        *,
        password: str | None = None,
        pace: Pace | None = None,
        binary: frozenset[str] = frozenset(),
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect, look at the columns, and make sure that the key can lead through all rows.

        Args:
            url: `postgresql://`, `mysql://`, `mariadb://` or `sqlite:///`, without a password.
            query: One SELECT.
            key: The column to go along: unique, never NULL, best the primary key.
            password: For the login; libpq's own files and environment work too.
            pace: How gently.
            binary: Columns, in lower case, whose bytes are handed on as hexadecimal text; elsewhere they are
                a fault.
            wait: Sleeps that many seconds.

        Raises:
            Invalid: The URL holds a password, the query is no single SELECT, or the key is not one.
            Unavailable: The source cannot be reached.
            ConfigError: The driver is not installed.
        """
        self._pace = pace or Pace()
        _check(self._pace)
        self._wait = wait
        place = checked_url(url, password)
        self.name = place.get_backend_name()
        self._query = bindless(checked_query(query, self.name))
        self.fingerprint = fingerprint(place, query.strip(), key)
        self._engine = foreign_engine(place, self._pace.timeout)
        driver: Any = self._engine.dialect.dbapi
        self._errors = (SQLAlchemyError, driver.Error, UnicodeError, ValueError)
        self._met = False
        self.header: list[str] = []
        self.size = 0
        try:
            self._look(key, binary)
        except BaseException:
            self.close()
            raise

    def _look(self, key: str, binary: frozenset[str]) -> None:
        self.header = self._ask(self._columns)
        if key not in self.header:
            raise _bad_key("the query has no column of the key's name", "name it as the query gives it")
        self._place = self.header.index(key)
        mark = "`" if self.name in {"mysql", "mariadb"} else '"'
        self._key = bindless(f"{mark}{key.replace(mark, 2 * mark)}{mark}")
        self._writers = [hex_of if title.lower() in binary else text_of for title in self.header]
        self._ask(self._no_nulls)
        if self._pace.count:
            self.size = self._ask(self._census)

    def rows(self, after: str = "") -> Iterator[ForeignRow]:
        """Every row after a position, in the key's order; memory holds a page.

        Rows added behind the place that has been reached are not seen: import again, or verify.

        Raises:
            Invalid: The key is NULL or not unique somewhere, or database and page disagree on its order.
            Unavailable: The source stayed away through several attempts.
        """
        last = key_of(after) if after else None
        if last is not None:
            self._ask(functools.partial(self._known_once, last=last))
        while True:
            begun = time.monotonic()
            found = self._ask(functools.partial(self._fetch, after=last))
            for values in found:
                yield self._row(values)
            if len(found) < self._pace.page:
                break
            last = found[-1][self._place]
            self._throttle(len(found), time.monotonic() - begun)
        self._ask(self._no_nulls)

    def close(self) -> None:
        """Let the connection go."""
        self._engine.dispose()

    # --- asking ---------------------------------------------------------------------------------------

    def _ask(self, work: Callable[[Connection], T]) -> T:
        """Run a read in a transaction of its own, again if the connection was lost.

        Raises:
            Unavailable: The source cannot be reached, or stays away.
            Invalid: The source refuses the statement.
        """
        for attempt in range(ATTEMPTS - 1):
            try:
                return self._once(work)
            except self._errors as error:
                if not (self._met and is_outage(error)):
                    raise translated(error, met=self._met) from None
            self._wait(0.5 * 2**attempt)
        try:
            return self._once(work)
        except self._errors as error:
            raise translated(error, met=True) from None

    def _once(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection, connection.begin():
            prepare(connection, self._pace.timeout)
            result = work(connection)
        self._met = True
        return result

    def _all(self, connection: Connection, sql: str, **keys: Any) -> list[Sequence[Any]]:
        """Run a statement. Keys go to the driver as they came, so that no type is guessed over."""
        statement = text(sql).bindparams(*(bindparam(name, type_=NullType()) for name in keys))
        return list(connection.execute(statement, keys).fetchall())

    @property
    def _from(self) -> str:
        """The query as a table: it passed `checked_query`, and runs where nothing can be written."""
        return f"FROM (\n{self._query}\n) q"

    def _columns(self, connection: Connection) -> list[str]:
        return list(connection.execute(text("SELECT q.* " + self._from + " WHERE 1 = 0")).keys())

    def _no_nulls(self, connection: Connection) -> None:
        if self._all(connection, f"SELECT 1 {self._from} WHERE q.{self._key} IS NULL LIMIT 1"):
            raise _bad_key("the key column is empty in a row", _NOT_UNIQUE)

    def _census(self, connection: Connection) -> int:
        """How many rows; the database's own idea of equality decides whether the key is unique."""
        sql = f"SELECT count(*), count(DISTINCT q.{self._key}) {self._from}"
        ((rows, keys),) = self._all(connection, sql)
        if rows != keys:
            raise _bad_key("the key column is not unique, as the database compares it", _NOT_UNIQUE)
        return int(rows)

    def _known_once(self, connection: Connection, *, last: Any) -> None:
        """The row to go on after may have gone, but a second one with its key would be passed over."""
        sql = f"SELECT count(*) {self._from} WHERE q.{self._key} = :last"
        ((rows,),) = self._all(connection, sql, last=last)
        if rows > 1:
            raise _bad_key("the key column is not unique, as the database compares it", _NOT_UNIQUE)

    def _fetch(self, connection: Connection, *, after: Any) -> list[Sequence[Any]]:
        """The next page, and the proof that the rows of its range are exactly its rows.

        Every row that the database counts from `after` up to the page's last key is in the page; for keys
        that it alone can order, it also says that no row of the page lies outside that range. So pages
        neither overlap nor leave a gap, whatever the collation does.
        """
        key, bound = f"q.{self._key}", {} if after is None else {"after": after}
        begin = f"WHERE {key} > :after" if bound else "WHERE 1 = 1"
        page = f"{self._from} {begin} ORDER BY {key} LIMIT {self._pace.page}"
        found = self._all(connection, f"SELECT q.* {page}", **bound)
        if not found:
            return []
        keys = [row[self._place] for row in found]
        if len({position_of(one) for one in keys}) != len(keys):
            raise _bad_key("the key column is not unique", _NOT_UNIQUE)
        asked = [f"SELECT count(*) {self._from} {begin} AND {key} <= :last"]
        if not _ascending(keys, after):
            inside = f"(SELECT {key} {page}) q"
            asked.append(f"SELECT count(*) FROM {inside} WHERE {key} <= :last")  # noqa: S608 - checked, quoted
        for sql in asked:
            ((rows,),) = self._all(connection, sql, **bound, last=keys[-1])
            if rows != len(keys):
                raise _bad_key("the key is not unique, or compared otherwise than ordered", _NOT_UNIQUE)
        return found

    # --- giving ---------------------------------------------------------------------------------------

    def _row(self, values: Sequence[Any]) -> ForeignRow:
        cells, faults = [], {}
        for index, (value, write) in enumerate(zip(values, self._writers, strict=True)):
            try:
                cells.append(write(value))
            except Unreadable as fault:
                cells.append("")
                faults[index] = str(fault)
        return ForeignRow(cells=cells, faults=faults, position=position_of(values[self._place]))

    def _throttle(self, rows: int, spent: float) -> None:
        """Wait as pause and rate ask for; the time the reader took over the page counts towards the rate."""
        due = rows / self._pace.rate - spent if self._pace.rate else 0.0
        if (wait := max(self._pace.pause, due)) > 0:
            self._wait(wait)


def _check(pace: Pace) -> None:
    if not 1 <= pace.page <= LARGEST_PAGE:
        raise Invalid(f"a page has 1 to {LARGEST_PAGE} rows", code="invalid_usage", field="page")
    if min(pace.pause, pace.rate) < 0 or pace.timeout < _SHORTEST:
        raise Invalid(
            "pause and rate are not negative, a statement has at least 0.1 s",
            code="invalid_usage",
            field="pace",
        )


def _ascending(keys: Sequence[Any], after: Any) -> bool:
    """Whether keys ascend strictly in an order that every database shares; False where only it can say."""
    run = keys if after is None else [after, *keys]
    kind = type(run[0])
    if kind not in ORDERED or any(type(key) is not kind for key in run):
        return False
    if all(low < high for low, high in pairwise(run)):
        return True
    raise _bad_key("the key is not unique, or the query gives it in another order", _NOT_UNIQUE)


def _bad_key(problem: str, remedy: str) -> Invalid:
    return Invalid(problem, code="invalid_key", field="key", remedy=remedy)
