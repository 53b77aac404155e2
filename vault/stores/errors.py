"""The stores' own children of the error tree, and the border where a driver's errors are translated.

A driver's text may hold SQL, parameters or stored values (PostgreSQL names the offending key), so nothing of
it crosses the border: only the store's name and the engine's own code word for what happened.
"""

from __future__ import annotations

from typing import Final

from vault.errors import Invalid, LogUnavailable, Tampered, Unavailable, VaultError

RETRY_STATES: Final = frozenset({"40001", "40P01"})
"""SQLSTATEs after which a whole transaction may be run again: serialization failure, deadlock."""

_CORRUPT: Final = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002"})
"""SQLite result codes 11 and 26; PostgreSQL data_corrupted and index_corrupted."""


class ShelfMoved(Unavailable):
    """A shelf was re-wrapped, moved or dropped meanwhile: fetch it again, wrap again and retry.

    Insert and re-wrap lock the shelf row and check its generation (DESIGN 5); this says the check failed,
    and that nothing of the transaction was written.
    """

    default_code = "shelf_moved"


class Conflict(Unavailable):
    """Another writer was there first: nothing was written; read again and retry."""

    default_code = "conflict"


class Contention(Unavailable):
    """The engine gave the transaction up for another's sake (SQLSTATE 40001, 40P01): run it again."""

    default_code = "contention"


def code_of(error: BaseException) -> str:
    """Give the engine's code word: a SQLite result code's primary name, a SQLSTATE, or the error's class."""
    origin = getattr(error, "orig", None) or error
    name = getattr(origin, "sqlite_errorname", None)
    if name:
        return "_".join(name.split("_")[:2])
    return getattr(origin, "sqlstate", None) or type(origin).__name__


def translate(error: BaseException, store: str, failure: type[Unavailable]) -> VaultError:
    """Turn a driver's error into one of ours, without a word of the driver's.

    Args:
        error: What SQLAlchemy or the driver raised.
        store: The store's name, for the message.
        failure: What the store's callers expect: `Unavailable`, or `LogUnavailable` for the ledger, where
            anything but corruption means that nothing may be released.
    """
    code = code_of(error)
    if code in _CORRUPT:
        remedy = "stop, keep the files, restore from a known state"
        return Tampered(f"the {store} store is damaged ({code})", remedy=remedy)
    message = f"the {store} store could not answer ({code})"
    if failure is LogUnavailable:
        return LogUnavailable(message, remedy="nothing was released; retry")
    if code in RETRY_STATES:
        return Contention(message, remedy="retry")
    if code == "SQLITE_CONSTRAINT" or code.startswith("23"):
        return Conflict(f"the {store} store has a row under this key already", remedy="read again and retry")
    if code.startswith("22") or isinstance(error, (UnicodeError, OverflowError)):
        return Invalid(f"the {store} store cannot hold such a value ({code})", remedy="mend the value")
    return failure(message, remedy="nothing was released; retry")
