"""What the four stores have in common: open, create, check, truncate, close."""

from __future__ import annotations

from typing import ClassVar, Self

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError

from vault.errors import ConfigError, Unavailable
from vault.stores import schema
from vault.stores.engine import Database, make_file
from vault.stores.errors import translate
from vault.stores.hot import run


class Store:
    """One database. Safe to share between threads: each holds a connection of its own.

    Attributes:
        name: `records`, `keys`, `index` or `ledger`.
        db: Its connections and transactions.
    """

    name: ClassVar[str]
    failure: ClassVar[type[Unavailable]] = Unavailable

    def __init__(self, db: Database) -> None:
        self.db = db

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store at a SQLAlchemy URL: `sqlite:///file` (`?mode=ro` to only read) or `postgresql://…`.

        Nothing is read yet: `check` tells whether the schema is there.

        Raises:
            ConfigError: The URL names no database that the stores can use.
        """
        return cls(Database(url, cls.name, cls.failure))

    def create(self) -> None:
        """Make the tables and note the newest migration; does nothing where that was done before.

        A SQLite file is made readable by its owner alone (0600).

        Raises:
            Unavailable: The database cannot be reached or written.
        """
        version = schema.version_table(self.name)
        if self.db.file:
            make_file(self.db.file)
        try:
            with self.db.engine.begin() as connection:
                version.metadata.create_all(connection)
                if connection.execute(select(version)).first() is not None:
                    return
                schema.METADATA[self.name].create_all(connection)
                connection.execute(insert(version).values(version_num=schema.HEADS[self.name]))
        except (SQLAlchemyError, OSError) as error:
            raise translate(error, self.name, self.failure) from None

    def check(self) -> None:
        """Say nothing if the schema is there and of this release.

        Raises:
            ConfigError: It is missing, or of another release; the remedy says what to run.
            Unavailable: The database cannot be reached.
        """
        missing = f"the {self.name} store has no tables"
        remedy = "make a vault with cvault init, or look at the store's URL"
        if self.db.file and not self.db.file.exists():
            raise ConfigError(missing, field=self.name, remedy=remedy)
        present = self._versions()
        if not present:
            raise ConfigError(missing, field=self.name, remedy=remedy)
        if present != [schema.HEADS[self.name]]:
            message = f"the {self.name} store's tables are of another release"
            remedy = "run the release that made them, or vault.stores.migrations.upgrade"
            raise ConfigError(message, field=self.name, remedy=remedy)

    def truncate(self) -> None:
        """Empty SQLite's write-ahead log, so no deleted byte stays in it (DESIGN 5); no-op on PostgreSQL.

        Raises:
            Unavailable: A reader holds it open: let it end, then retry.
        """
        self.db.truncate()

    def close(self) -> None:
        """Close every connection; the store may be used again and opens new ones."""
        self.db.close()

    def _versions(self) -> list[str]:
        table = schema.version_table(self.name)
        session = self.db.session()
        known = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if self.db.lite
            else "SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))"
        )
        if (table.name,) not in session.rows(known):
            return []
        return [version for (version,) in run(session, select(table))]
