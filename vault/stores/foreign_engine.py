"""Connections to another system's database that cannot write, and its errors as ours.

A driver's text may hold SQL, values or a login, so none of it crosses: only the engine's own code word.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from vault.errors import ConfigError, Invalid, Unavailable, VaultError
from vault.stores.errors import code_of

_CONNECT: Final = 10
"""Seconds to reach the source."""

_OUTAGE: Final = (
    "08", "40", "53", "57P", "OperationalError", "InterfaceError", "SQLITE_BUSY", "SQLITE_LOCKED",
)  # fmt: skip
"""SQLSTATE classes and code words after which a page is asked for again: connection lost, transaction given
up, no resources, shut down. 57014, a statement that took too long, is not among them."""

_MYSQL_OUTAGE: Final = {0, 1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2014, 2055}
"""The same for MySQL and MariaDB, by number; 0 is PyMySQL's word for a closed connection."""

_LOGIN: Final = {"28000", "28P01", "3D000", "SQLITE_CANTOPEN"}
_MYSQL_LOGIN: Final = {1044, 1045, 1049}
"""Login or database refused."""

_MYSQL_TIMEOUT: Final = {1969, 3024}
"""MariaDB's and MySQL's code for a statement that took too long."""


def foreign_engine(url: URL, timeout: float) -> Engine:
    """An engine for one connection; nothing is opened yet.

    Args:
        url: As `foreign_query.checked_url` gives it.
        timeout: Seconds a statement may take.

    Raises:
        ConfigError: The driver is not installed.
        Invalid: The URL's options mean nothing to it.
    """
    backend = url.get_backend_name()
    options: dict[str, Any] = {
        "hide_parameters": True,
        "poolclass": QueuePool,
        "pool_size": 1,
        "max_overflow": 0,
    }
    try:
        if backend == "sqlite":
            engine = create_engine("sqlite://", creator=_sqlite(Path(str(url.database))), **options)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
            return engine
        if backend == "postgresql":
            # No server-side prepared statements: a pooler between us and the server would lose them.
            arguments: dict[str, Any] = {
                "connect_timeout": _CONNECT, "prepare_threshold": None, "keepalives_idle": 30,
                "tcp_user_timeout": int(1000 * timeout),
            }  # fmt: skip
            return create_engine(url, connect_args=arguments, **options)
        arguments = {
            "connect_timeout": _CONNECT,
            "read_timeout": int(timeout) + _CONNECT,
            "charset": "utf8mb4",
        }
        engine = create_engine(url, connect_args=arguments, **options)
        event.listen(engine, "connect", _mysql(timeout))
    except ImportError:
        extra = "postgres" if backend == "postgresql" else "mysql"
        raise ConfigError(
            "the source's driver is missing", field="from-sql", remedy=f"install collections-vault[{extra}]"
        ) from None
    except SQLAlchemyError:
        raise Invalid("the source's URL cannot be used", code="invalid_source", field="from-sql") from None
    return engine


def _sqlite(file: Path) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        driver = sqlite3.connect(
            f"file:{quote(str(file.absolute()))}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        driver.execute("PRAGMA query_only=ON")
        driver.text_factory = _text_or_bytes
        return driver

    return connect


def _text_or_bytes(raw: bytes) -> str | bytes:
    """SQLite keeps what it was given: text that is not UTF-8 stays bytes, and so becomes a fault."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _mysql(timeout: float) -> Callable[[Any, object], None]:
    """Make sessions that cannot write; MySQL and MariaDB name their time limit differently."""

    def prepare_session(driver: Any, _: object) -> None:
        with driver.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            cursor.execute("SELECT VERSION()")
            if "mariadb" in str(cursor.fetchone()[0]).lower():
                cursor.execute(f"SET SESSION max_statement_time = {timeout:.3f}")
            else:
                cursor.execute(f"SET SESSION max_execution_time = {int(1000 * timeout)}")

    return prepare_session


def prepare(connection: Connection, timeout: float) -> None:
    """Make a transaction that cannot write, sees one moment, and gives up in time."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(1000 * timeout)}")
    elif connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        end = time.monotonic() + timeout
        driver.set_progress_handler(lambda: time.monotonic() > end, 100_000)


def is_outage(error: BaseException) -> bool:
    """Whether the same page may succeed when it is asked for again."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    number = _mysql_number(error)
    return code_of(error).startswith(_OUTAGE) if number is None else number in _MYSQL_OUTAGE


def translated(error: BaseException, *, met: bool) -> VaultError:
    """A driver's error as ours.

    Args:
        error: What SQLAlchemy or the driver raised.
        met: Whether the source has answered before.
    """
    number = _mysql_number(error)
    code = code_of(error) if number is None else f"MySQL {number}"
    if code in {"57014", "SQLITE_INTERRUPT"} or number in _MYSQL_TIMEOUT:
        remedy = "give a key with an index, a smaller --page, a simpler query or a longer --statement-timeout"
        return Unavailable("the source took too long over a page", code="source_timeout", remedy=remedy)
    if is_outage(error) and met:
        return Unavailable(f"the source went away ({code})", remedy="go on later with the same --resume file")
    if is_outage(error) or code in _LOGIN or number in _MYSQL_LOGIN:
        return Unavailable(f"the source cannot be reached ({code})", remedy="check host, login and password")
    if code.startswith("22") or code == "DataError" or isinstance(error, (UnicodeError, ValueError)):
        problem = f"a page holds a value that cannot be read ({code})"
        remedy = "cast dates beyond year 9999, infinities and broken text to text in the query"
    else:
        problem = f"the source refuses the query ({code})"
        remedy = "try the query in the database's own client with the same login"
    return Invalid(problem, code="invalid_query", field="query", remedy=remedy)


def _mysql_number(error: BaseException) -> int | None:
    """MySQL's own error number, which PyMySQL gives as the first argument."""
    origin = getattr(error, "orig", None) or error
    if not type(origin).__module__.startswith("pymysql"):
        return None
    first = origin.args[0] if origin.args else None
    return first if isinstance(first, int) else None
