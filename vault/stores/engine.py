"""Connections, transactions and the error border that the four stores share.

SQLAlchemy makes the engine, knows the dialect and compiles the statements; they run on a driver connection
that each thread holds (DESIGN 6: saves 21 of 31 µs). Both drivers are in autocommit and we say BEGIN and
COMMIT ourselves, so that a SQLite write takes its lock at once (BEGIN IMMEDIATE) and never upgrades.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from vault.errors import ConfigError, Unavailable
from vault.stores.errors import Contention, translate

T = TypeVar("T")
Values = Sequence[Any]

ATTEMPTS: Final = 6
"""How often a transaction is run when the engine gives it up for another's sake (SQLSTATE 40001, 40P01)."""

WAIT: Final = 10.0
"""Seconds a writer waits for the lock, in SQLite and before it."""

PRAGMAS: Final = (
    f"PRAGMA busy_timeout={int(WAIT * 1000)}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",
    "PRAGMA wal_autocheckpoint=8000",
)
"""On every connection. FULL: with NORMAL a power loss may undo a COMMIT, so a released read would have no
entry. secure_delete: a deleted key is overwritten, not only unlinked (sqlite.org/pragma.html). 32 MB of pages
(the default is 2) take a batched fetch of wrapped keys from 7 to 4 µs a record at 20,000 records. A page that
changes often is copied into the file once per 8,000 pages of log (the default is 1,000)."""


class Session:
    """A driver connection that one thread holds. Rows come as plain tuples; errors as ours.

    Attributes:
        place: Device and inode of the SQLite file it was opened on, None on PostgreSQL.
        suspect: Something failed on it; the next use opens a new one.
    """

    __slots__ = (
        "__weakref__",
        "_errors",
        "_failure",
        "_store",
        "dialect",
        "driver",
        "lite",
        "place",
        "suspect",
    )

    def __init__(self, driver: Any, dialect: Dialect, store: str, failure: type[Unavailable]) -> None:
        self.driver = driver
        self.dialect = dialect
        self.lite = dialect.name == "sqlite"
        self.place: tuple[int, int] | None = None
        self.suspect = False
        self._store = store
        self._failure = failure
        self._errors = border_errors(dialect)

    def rows(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all its rows."""
        try:
            found: list[tuple[Any, ...]] = self.driver.execute(sql, values).fetchall()
        except self._errors as error:
            raise self._mine(error) from None
        return found

    def change(self, sql: str, values: Values = ()) -> int:
        """Run a statement without result; how many rows it touched."""
        try:
            touched: int = self.driver.execute(sql, values).rowcount
        except self._errors as error:
            raise self._mine(error) from None
        return touched

    def many(self, sql: str, values: Iterable[Values]) -> int:
        """Run an UPDATE or DELETE once per row of values; how many rows it touched in all."""
        try:
            cursor = self.driver.cursor()
            cursor.executemany(sql, list(values))
            touched: int = cursor.rowcount
            cursor.close()
        except self._errors as error:
            raise self._mine(error) from None
        return max(touched, 0)

    def begin(self) -> None:
        """Open a write transaction; on SQLite it holds the write lock from here on."""
        self.change("BEGIN IMMEDIATE" if self.lite else "BEGIN")

    def commit(self) -> None:
        """Make the transaction durable. An error here leaves the outcome unknown."""
        self.change("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if one is open; a connection that cannot is dropped."""
        try:
            if not self.lite or self.driver.in_transaction:
                self.driver.execute("ROLLBACK")
        except self._errors:
            self.suspect = True

    def close(self) -> None:
        """Close the driver connection."""
        with suppress(*self._errors):
            self.driver.close()

    __del__ = close  # a thread that ends lets its connection go

    def _mine(self, error: BaseException) -> Exception:
        self.suspect = True
        return translate(error, self._store, self._failure)


class Database:
    """One store's database: makes sessions, runs transactions.

    Attributes:
        store: `records`, `keys`, `index` or `ledger`.
        file: The SQLite file, or None.
        failure: What its callers are told when it cannot answer.
    """

    def __init__(self, url: str, store: str, failure: type[Unavailable] = Unavailable) -> None:
        """Make the engine; nothing is opened yet.

        Raises:
            ConfigError: The URL names no database that the stores can use.
        """
        self.store = store
        self.failure = failure
        self.engine, self.file = _engine(url, store)
        self._local = threading.local()
        self._open: weakref.WeakSet[Session] = weakref.WeakSet()
        self._gate = threading.Lock()

    @property
    def lite(self) -> bool:
        """Whether this is SQLite."""
        return self.file is not None

    def session(self) -> Session:
        """Give the calling thread's session, a new one after a failure."""
        held: Session | None = getattr(self._local, "session", None)
        if held is not None and not held.suspect:
            return held
        if held is not None:
            held.close()
        self._local.session = session = self.connect()
        return session

    def write(self, work: Callable[[Session], T]) -> T:
        """Run a whole transaction, again if the engine gave it up (SQLSTATE 40001, 40P01; bounded).

        Raises:
            Unavailable: It could not be made durable.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return self._once(work)
            except Contention:
                time.sleep(0.005 * 2**attempt)
        return self._once(work)

    def enter(self) -> Session:
        """Open a write transaction by hand; `leave` must follow, whatever happens.

        Raises:
            Unavailable: The lock or the connection could not be had in time.
        """
        self._take_gate()
        try:
            return self._begin()
        except BaseException:
            self._give_gate()
            raise

    def leave(self, session: Session, *, keep: bool) -> None:
        """Commit the transaction, or undo it; undone too if the commit or a statement before it failed.

        Raises:
            Unavailable: It is not durable; after an error in COMMIT itself, perhaps it is.
        """
        try:
            if keep and session.suspect:
                raise self.failure(f"the {self.store} store refused a statement", remedy="retry the whole")
            if keep:
                session.commit()
                self._refuse_moved(session)
        except BaseException:
            session.rollback()
            raise
        else:
            if not keep:
                session.rollback()
        finally:
            self._give_gate()

    def truncate(self) -> None:
        """Empty the write-ahead log into the file, so that no deleted byte stays in it; no-op on PostgreSQL.

        Raises:
            Unavailable: A reader holds the log open: the pragma's result row says busy.
        """
        if not self.lite:
            return
        (result,) = self.session().rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if result[0] != 0:
            message = f"the {self.store} store's write-ahead log is held open by a reader"
            raise self.failure(message, remedy="let open reads end, then retry")

    def close(self) -> None:
        """Close every thread's session."""
        for session in list(self._open):
            session.suspect = True
            session.close()
        self.engine.dispose()

    def _once(self, work: Callable[[Session], T]) -> T:
        session = self.enter()
        try:
            result = work(session)
        except BaseException:
            self.leave(session, keep=False)
            raise
        self.leave(session, keep=True)
        return result

    def _begin(self) -> Session:
        session = self.session()
        try:
            session.begin()
        except Unavailable:
            if self.lite:
                raise
            session = self.session()  # the server closed an idle connection: nothing was sent yet
            session.begin()
        return session

    def connect(self) -> Session:
        """Open a session of its own; the caller closes it."""
        try:
            fairy = self.engine.raw_connection()
            driver: Any = fairy.driver_connection
            fairy.detach()
            if not self.lite:
                driver.autocommit = True
        except border_errors(self.engine.dialect) as error:
            raise translate(error, self.store, self.failure) from None
        session = Session(driver, self.engine.dialect, self.store, self.failure)
        session.place = _place(self.file) if self.file else None
        self._open.add(session)
        return session

    def _refuse_moved(self, session: Session) -> None:
        """Demand that what was committed stands where it will be looked for.

        SQLite goes on writing to a file that was deleted, moved or replaced: durable, and never seen again.
        Checked after each COMMIT (one stat), so that a moved ledger releases nothing.
        """
        if self.file and session.place != _place(self.file):
            session.suspect = True
            message = f"the {self.store} store's file was moved or replaced while it was open"
            raise self.failure(message, remedy="put the file back, then open the vault again")

    def _take_gate(self) -> None:
        """Let this process's writers to one SQLite file queue here: its busy handler sleeps and is unfair."""
        if self.lite and not self._gate.acquire(timeout=WAIT):
            raise self.failure(f"the {self.store} store is busy", remedy="nothing was released; retry")

    def _give_gate(self) -> None:
        if self.lite:
            self._gate.release()


def border_errors(dialect: Dialect) -> tuple[type[BaseException], ...]:
    """Name what may come out of a driver: its own errors, and Python's for a value it cannot take."""
    driver: Any = dialect.dbapi
    return (driver.Error, SQLAlchemyError, UnicodeError, OverflowError)


def _place(file: Path) -> tuple[int, int] | None:
    """Which file stands at a path, by device and inode; None if there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def make_file(file: Path) -> None:
    """Make an empty database file that only its owner can read; SQLite gives its log the same mode.

    Raises:
        Unavailable: The folder doesn't allow it.
    """
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        remedy = "look at the folder's existence, owner and free space"
        raise Unavailable(f"cannot make a store's file ({type(error).__name__})", remedy=remedy) from None


def _engine(url: str, store: str) -> tuple[Engine, Path | None]:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, store)
        if parsed.get_backend_name() == "postgresql":
            return _postgres(parsed), None
    except ImportError:
        remedy = "install collections-vault[postgres]"
        raise ConfigError("the database's driver is missing", field=store, remedy=remedy) from None
    except SQLAlchemyError:
        raise ConfigError("the store's URL is malformed", field=store, remedy=_URLS) from None
    raise ConfigError("the store's URL names another kind of database", field=store, remedy=_URLS)


_URLS: Final = "give sqlite:///file or postgresql://host/database"


def _sqlite(url: URL, store: str) -> tuple[Engine, Path]:
    if not url.database or url.database == ":memory:":
        raise ConfigError("a SQLite store needs a file", field=store, remedy=_URLS)
    file = Path(url.database).absolute()
    mode = "ro" if url.query.get("mode") == "ro" else "rw"  # never rwc: `make_file` sets the mode bits
    target = f"file:{quote(str(file))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        driver = sqlite3.connect(
            target, uri=True, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        try:
            for pragma in PRAGMAS:
                driver.execute(pragma).fetchall()
        except BaseException:
            driver.close()
            raise
        return driver

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine, file


def _postgres(url: URL) -> Engine:
    url = url.set(drivername="postgresql+psycopg")
    return create_engine(url, poolclass=NullPool, hide_parameters=True, paramstyle="format")
