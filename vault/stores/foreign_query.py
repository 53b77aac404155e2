"""What may be asked of another system's database: one SELECT, at a URL without a password.

The query is the operator's own; these checks keep a slip from becoming a change. What holds it is the
read-only transaction it runs in, and a login that may read and nothing else (docs/migrate.md).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import SQLAlchemyError

from vault.crypto.encoding import encode
from vault.errors import Invalid

DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite": "sqlite",
}
"""Databases that can be read, with the driver for each."""

_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`""")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_START: Final = re.compile(r"[(\s]*(?:SELECT|WITH)\b", re.IGNORECASE)
_CHANGES: Final = {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"}
_LOCKS: Final = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+|KEY\s+)?SHARE\b|\bLOCK\s+IN\b", re.IGNORECASE)
_COMMENT: Final = re.compile(r"--|/\*")
_DOLLAR: Final = re.compile(r"\$\w*\$")
_BIND: Final = re.compile(r"(?<![:\w$]):(?=[\w$])")
_SECRET: Final = re.compile(r"passw|pwd|secret|token", re.IGNORECASE)
_NO_SECRET: Final = {"passfile"}
_ONE_SELECT: Final = "give one SELECT (or WITH … SELECT) that only reads"


def checked_query(query: str, backend: str) -> str:
    """A query that may stand as `( … )` in ours, without its closing semicolon.

    Args:
        query: One SELECT or WITH.
        backend: `postgresql`, `mysql`, `mariadb` or `sqlite`.

    Raises:
        Invalid: Empty, several statements, a comment, a backslash, a quotation mark left open, or a word
            that changes or locks rows. Quoted names and values may hold anything but a backslash.
    """
    text = query.strip().removesuffix(";").strip()
    if "\\" in text or "\0" in text:
        raise _bad("the query holds a backslash, which databases read differently", "write it without")
    code = _QUOTED.sub(" q ", text)
    if _COMMENT.search(code) or (backend in {"mysql", "mariadb"} and "#" in code):
        raise _bad("the query holds a comment", "take comments out")
    if any(mark in code for mark in "'\"`") or _DOLLAR.search(code):
        raise _bad(
            "a quotation in the query is not closed, or in dollars", "quote values with ' and names with \""
        )
    words = {word.upper() for word in _WORD.findall(code)}
    if ";" in code or not _START.match(code):
        raise _bad("the query is no single SELECT", _ONE_SELECT)
    if _CHANGES & words or _LOCKS.search(code):
        raise _bad("the query changes or locks rows", _ONE_SELECT + "; quote a column of such a name")
    return text


def bindless(query: str) -> str:
    """The query with its colons escaped, so that SQLAlchemy sees no parameter in it."""
    return _BIND.sub(r"\\:", query)


def checked_url(url: str, password: str | None) -> URL:
    """Where to read, with the password put in.

    Raises:
        Invalid: Malformed, another kind of database, or a password in it: arguments are seen by every
            user of the machine, and kept by shells.
    """
    try:
        parsed = make_url(url)
        driver = DRIVERS.get(parsed.get_backend_name())
    except (SQLAlchemyError, ValueError, ImportError):
        raise _bad_url("malformed") from None
    if driver is None:
        raise _bad_url("of another kind of database")
    if parsed.password or any(_SECRET.search(n) and n not in _NO_SECRET for n in parsed.query):
        raise Invalid(
            "the source's URL holds a password",
            code="invalid_source",
            field="from-sql",
            remedy="change that password; then set CVAULT_SOURCE_PASSWORD or give --source-password-file",
        )
    if not parsed.database:
        raise _bad_url("without a database")
    return parsed.set(drivername=driver, password=password)


def fingerprint(url: URL, query: str, key: str) -> str:
    """Digest of the question: the same place, query and key give the same; the password doesn't matter."""
    place = url.set(password=None).render_as_string(hide_password=False)
    return hashlib.sha256(encode("cvault/source/v1", place, query, key)).hexdigest()


def _bad(problem: str, remedy: str) -> Invalid:
    return Invalid(problem, code="invalid_query", field="query", remedy=remedy)


def _bad_url(problem: str) -> Invalid:
    return Invalid(
        f"the source's URL is {problem}",
        code="invalid_source",
        field="from-sql",
        remedy="give postgresql://user@host/database, mysql://user@host/database or sqlite:///file",
    )
