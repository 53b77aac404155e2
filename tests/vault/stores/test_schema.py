"""The schema: what a distributed engine needs, and that migrations make it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, LargeBinary, Table, Text, inspect

from vault.errors import ConfigError
from vault.stores import migrations
from vault.stores.engine import Database
from vault.stores.index import IndexStore
from vault.stores.keys import KeyStore
from vault.stores.ledger import LedgerStore
from vault.stores.records import RecordStore
from vault.stores.schema import HEADS, METADATA, version_table
from vault.stores.store import Store

TABLES = [table for metadata in METADATA.values() for table in metadata.sorted_tables]
STORES: list[type[Store]] = [RecordStore, KeyStore, IndexStore, LedgerStore]
Url = Callable[[str], str]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_tenant_leads_every_key(table: Table) -> None:
    """Primary key, unique constraints, indexes and foreign keys begin with the tenant (DESIGN 4)."""
    keys = [list(table.primary_key.columns)]
    keys += [list(index.columns) for index in table.indexes]
    keys += [list(c.columns) for c in table.constraints if hasattr(c, "columns")]
    assert all(key[0].name == "tenant" for key in keys)
    assert next(iter(table.columns)).name == "tenant"
    assert not table.c.tenant.nullable


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_nothing_is_made_by_the_database(table: Table) -> None:
    """No sequences, defaults, computed columns or types that an engine may not have."""
    for column in table.columns:
        assert column.default is None
        assert column.server_default is None
        assert column.computed is None
        assert column.identity is None
        assert column.autoincrement in {False, "auto"}
        assert isinstance(column.type, (Text, BigInteger, LargeBinary))
    assert table.dialect_options["sqlite"]["with_rowid"] is not False


@pytest.mark.parametrize("store", METADATA)
def test_migrations_make_the_metadata(store: str, store_url: Url) -> None:
    """From nothing to the newest version, the tables, columns and indexes are those of the metadata."""
    url = store_url(store)
    migrations.upgrade(url, store)
    database = Database(url, store)
    with database.engine.connect() as connection:
        version = version_table(store).name
        context = MigrationContext.configure(
            connection, opts={"version_table": version, "compare_type": True}
        )
        assert compare_metadata(context, METADATA[store]) == []
        found = inspect(connection)
        for table in METADATA[store].sorted_tables:
            key = [column.name for column in table.primary_key.columns]
            assert found.get_pk_constraint(table.name)["constrained_columns"] == key
            nullable = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
            assert nullable == {column.name: column.nullable for column in table.columns}
    database.close()


@pytest.mark.parametrize("kind", STORES)
def test_a_migrated_store_is_a_created_one(kind: type[Store], store_url: Url) -> None:
    """Both ways lead to a store that checks, and going back to base takes the tables away."""
    migrated, created = kind.open(url := store_url(kind.name)), kind.open(store_url(kind.name + "2"))
    migrations.upgrade(url, kind.name)
    created.create()
    created.create()
    migrated.check()
    created.check()
    migrations.upgrade(url, kind.name, "base")
    with pytest.raises(ConfigError):
        migrated.check()
    migrated.close()
    created.close()


@pytest.mark.parametrize("store", METADATA)
def test_the_newest_version_is_noted(store: str) -> None:
    """The version that `create` notes is the last of the store's migrations."""
    config = Config()
    folder = migrations.__path__[0]
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{folder}/{store}/versions")
    assert ScriptDirectory.from_config(config).get_heads() == [HEADS[store]]


def test_a_store_without_or_with_other_tables_is_refused(store_url: Url) -> None:
    """No tables, or those of another release, are a setting to mend; the store is left as it is."""
    store = KeyStore.open(store_url("keys"))
    with pytest.raises(ConfigError, match="no tables"):
        store.check()
    store.create()
    store.db.write(lambda session: session.change("UPDATE keys_version SET version_num = '0999'"))
    with pytest.raises(ConfigError, match="another release"):
        store.check()
    store.close()


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense", "a://"]
)
def test_an_unusable_url_is_refused(url: str) -> None:
    """A URL that names no file and no PostgreSQL is a setting to mend, and its text is not repeated."""
    with pytest.raises(ConfigError) as refused:
        KeyStore.open(url)
    assert refused.value.field == "keys"
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize("kind", STORES)
def test_both_ways_give_the_same_sqlite_text(kind: type[Store], tmp_path: Path) -> None:
    """Created and migrated SQLite files have the same statements, partial indexes included."""
    texts = []
    for way in ("created", "migrated"):
        store = kind.open(f"sqlite:///{tmp_path}/{way}.db")
        store.create() if way == "created" else migrations.upgrade(
            f"sqlite:///{tmp_path}/{way}.db", kind.name
        )
        rows = store.db.session().rows(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        )
        texts.append({name: " ".join(sql.split()) for name, sql in rows if not name.endswith("_version")})
        store.close()
    assert texts[0] == texts[1]


def test_the_formats_page_names_every_column() -> None:
    """docs/formats/stores.md says of every table and column what it holds."""
    page = (Path(__file__).parents[3] / "docs" / "formats" / "stores.md").read_text("utf-8")
    for store, metadata in METADATA.items():
        section = page.split(f"\n## {store}\n")[1].split("\n## ")[0]
        for table in metadata.sorted_tables:
            mark = f"\n### {table.name}\n"
            about = section.split(mark)[1].split("\n### ")[0] if mark in section else None
            if about is None:
                about = next(line for line in section.splitlines() if line.startswith(f"| `{table.name}` |"))
            missing = [c.name for c in table.columns if c.name != "tenant" and f"`{c.name}`" not in about]
            assert not missing, f"{table.name}: {missing}"
