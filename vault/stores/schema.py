"""The tables of the four stores (DESIGN 4).

The rules that a distributed engine needs, held by a test that walks this metadata: the tenant is the first
column of every primary key, unique constraint, index and foreign key; no triggers, sequences, server
defaults or computed columns: ids and instants are made in Python. docs/formats/stores.md says what each
column holds. Types are only TEXT, BIGINT and BLOB (BYTEA), so that a driver's values need no conversion.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, PrimaryKeyConstraint, Table, Text
from sqlalchemy import literal_column as literal

HEADS: Final = {"records": "0001", "keys": "0001", "index": "0001", "ledger": "0004"}
"""The newest migration of each store; a test holds it against vault/stores/migrations."""

records, keys, index, ledger = MetaData(), MetaData(), MetaData(), MetaData()
METADATA: Final = {"records": records, "keys": keys, "index": index, "ledger": ledger}

BLOCK: Final = 2048
"""Entries per block of the tag index. Tags are random: an index over all of them would dirty one page for
each entry written. Within a block they touch a few pages; a borrower's report probes every block instead."""

_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in byte order on every engine (SQLite's default), so that pages and ranges come out the same."""


def _table(metadata: MetaData, name: str, columns: str, key: str, *indexes: Index) -> Table:
    """Make a table from a line like `tenant record version:int sealed:bytes retired:int?`."""
    kinds: dict[str, Any] = {"": _TEXT, "int": BigInteger(), "bytes": LargeBinary()}
    made: list[Column[Any]] = []
    for word in columns.split():
        column, _, kind = word.partition(":")
        made.append(Column(column, kinds[kind.rstrip("?")], nullable=kind.endswith("?")))
    return Table(name, metadata, *made, PrimaryKeyConstraint(*key.split(), name=f"{name}_pk"), *indexes)


def version_table(store: str) -> Table:
    """Give the one-row table that names the store's migration; each store has a name of its own."""
    column: Column[str] = Column("version_num", Text(), primary_key=True)
    return Table(f"{store}_version", MetaData(), column)


payloads = _table(
    records, "payloads",
    "tenant record version:int compartment subject kind generation:int suite:int sealed:bytes",
    "tenant record version compartment",
)  # fmt: skip
facts = _table(
    records, "facts", "tenant record counter:int subject kind body:bytes mac:bytes", "tenant record counter",
    Index("facts_subject", "tenant", "subject", "record", "kind"),
)  # fmt: skip

secrets = _table(
    keys, "secrets", "tenant record version:int shelf generation:int wrapped:bytes status deadline:int",
    "tenant record version",
    Index("secrets_shelf", "tenant", "shelf"),
)  # fmt: skip
Index(
    "secrets_pending", secrets.c.tenant, secrets.c.deadline,
    sqlite_where=secrets.c.status == literal("'pending'"),
    postgresql_where=secrets.c.status == literal("'pending'"),
)  # fmt: skip
latest = _table(
    keys, "latest", "tenant record subject version:int facts_counter:int facts_pending:int?", "tenant record"
)
subjects = _table(
    keys, "subjects", "tenant subject shelf generation:int wrapped:bytes closed:int?", "tenant subject",
    Index("subjects_shelf", "tenant", "shelf"),
)  # fmt: skip
shelves = _table(
    keys, "shelves", "tenant shelf purpose due generation:int epoch:int count:int wrapped:bytes",
    "tenant shelf",
    Index("shelves_room", "tenant", "purpose", "due", "count"),
)  # fmt: skip
epochs = _table(
    keys, "epochs", "tenant epoch:int created:int retired:int? destroy_after:int? destroyed:int?",
    "tenant epoch",
)  # fmt: skip
generations = _table(keys, "generations", "tenant generation:int", "tenant")

turns = _table(index, "turns", "tenant", "tenant")
blind = _table(
    index, "blind", "tenant kind field digest:bytes record", "tenant kind field digest record",
    Index("blind_record", "tenant", "record"),
)  # fmt: skip
attributes = _table(
    index, "attributes", "tenant kind name value record", "tenant record name",
    Index("attributes_value", "tenant", "kind", "name", "value", "record"),
)  # fmt: skip

head = _table(
    ledger, "head", "tenant size:int edge:bytes last_t:int registry:bytes mac:bytes", "tenant"
)  # fmt: skip
entries = _table(
    ledger, "entries",
    "tenant idx:int stub:bytes tag:bytes t:int kind actor role purpose about masked:int clear:int"
    " outcome reason policy token who_salt:bytes whom_digest:bytes request:bytes block:int",
    "tenant idx",
    Index("entries_tag", "tenant", "block", "tag"),
    Index("entries_actor", "tenant", "actor", "idx"),
    Index("entries_purpose", "tenant", "purpose", "idx"),
    Index("entries_kind", "tenant", "kind", "idx"),
    Index("entries_role", "tenant", "role", "idx"),
    Index("entries_t", "tenant", "t"),
)  # fmt: skip
Index(
    "entries_clear", entries.c.tenant, entries.c.about, entries.c.idx,
    sqlite_where=entries.c.clear != literal("0"), postgresql_where=entries.c.clear != literal("0"),
)  # fmt: skip
Index(
    "entries_refused", entries.c.tenant, entries.c.reason, entries.c.idx,
    sqlite_where=entries.c.outcome != literal("'ok'"),
    postgresql_where=entries.c.outcome != literal("'ok'"),
)  # fmt: skip
bodies = _table(ledger, "bodies", "tenant idx:int sealed:bytes", "tenant idx")
tiles = _table(ledger, "tiles", "tenant level:int tile:int hashes:bytes", "tenant level tile")
checkpoints = _table(ledger, "checkpoints", "tenant size:int note", "tenant size")
counters = _table(ledger, "counters", "tenant handle:bytes n:int", "tenant handle")
nodes = _table(ledger, "nodes", "tenant node n:int", "tenant node")
uses = _table(ledger, "uses", "tenant link:bytes used:int", "tenant link")
lookups = _table(
    ledger, "lookups", "tenant handle:bytes day field digest:bytes", "tenant handle day field digest",
    Index("lookups_value", "tenant", "field", "digest"),
)  # fmt: skip
tombstones = _table(ledger, "tombstones", "tenant record plan idx:int", "tenant record")
registry = _table(ledger, "registry", "tenant kind id body:bytes", "tenant kind id")
plan_items = _table(
    ledger, "plan_items", "tenant plan record action rule state", "tenant plan record",
    Index("plan_items_state", "tenant", "plan", "state", "record"),
)  # fmt: skip
cases = _table(
    ledger, "cases", "tenant shard:int handle:bytes holder state body:bytes", "tenant shard handle",
    Index("cases_holder", "tenant", "holder", "state", "shard", "handle"),
)  # fmt: skip
case_shards = _table(ledger, "case_shards", "tenant shard:int digest:bytes", "tenant shard")
reaches = _table(
    ledger, "reaches",
    "tenant reservation debtor:bytes number:bytes day channel actor state effective:int deadline:int"
    " body:bytes",
    "tenant reservation",
    Index("reaches_debtor", "tenant", "day", "debtor"),
    Index("reaches_number", "tenant", "day", "number"),
)  # fmt: skip
cosignatures = _table(
    ledger, "cosignatures", "tenant size:int witness line t:int", "tenant size witness"
)  # fmt: skip
stamps = _table(ledger, "stamps", "tenant size:int authority token:bytes t:int", "tenant size authority")
tallies = _table(
    ledger, "tallies",
    "tenant hour:int actor role purpose kind about outcome reason view:int n:int",
    "tenant hour actor role purpose kind about outcome reason view",
)  # fmt: skip
tallied = _table(ledger, "tallied", "tenant upto:int", "tenant")
marks = _table(ledger, "marks", "tenant mark idx:int", "tenant mark idx")
seen = _table(ledger, "seen", "tenant span:int handle:bytes n:int", "tenant span handle")
