"""Schema migrations, in the package so that every installation has them (alembic).

A fresh store is made from the metadata and noted as newest (`Store.create`), which needs no alembic; a test
holds that the migrations produce exactly that metadata. Each store has a line of versions of its own.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlalchemy.exc import SQLAlchemyError

from vault.stores.engine import Database, make_file
from vault.stores.errors import translate


def upgrade(url: str, store: str, target: str = "head") -> None:
    """Bring a store's tables to a version, the newest if none is named; `base` takes everything away.

    Args:
        url: A SQLAlchemy URL, as for `Store.open`.
        store: `records`, `keys`, `index` or `ledger`.
        target: A version, `head` or `base`.

    Raises:
        ConfigError: The URL names no database that the stores can use.
        Unavailable: The database cannot be reached or written.
    """
    from alembic import command
    from alembic.config import Config

    here = Path(__file__).parent
    config = Config()
    config.set_main_option("script_location", _escaped(here))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", _escaped(here / store / "versions"))
    database = Database(url, store)
    if database.file:
        make_file(database.file)
    try:
        with database.engine.begin() as connection:
            config.attributes.update(connection=connection, store=store)
            (command.downgrade if target == "base" else command.upgrade)(config, target)
    except SQLAlchemyError as error:
        raise translate(error, store, database.failure) from None
    finally:
        database.close()


def columns(line: str) -> list[Column[object]]:
    """Make columns from a line like `tenant record version:int sealed:bytes retired:int?`.

    Every version uses it, so what it makes of a line never changes; `vault.stores.schema` may go its own way.
    """
    text = Text().with_variant(Text(collation="C"), "postgresql")
    kinds = {"": text, "int": BigInteger(), "bytes": LargeBinary()}
    made: list[Column[object]] = []
    for word in line.split():
        name, _, kind = word.partition(":")
        made.append(Column(name, kinds[kind.rstrip("?")], nullable=kind.endswith("?")))  # type: ignore[arg-type]
    return made


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
