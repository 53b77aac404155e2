"""The first version of the ledger store: the access log and what it counts."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint

from vault.stores.migrations import columns

revision: Final = "0001"
down_revision: Final = None

TABLES: Final = (
    ("head", "tenant size:int edge:bytes last_t:int registry:bytes mac:bytes", "tenant"),
    (
        "entries",
        (
            "tenant idx:int stub:bytes tag:bytes t:int kind actor role purpose about masked:int"
            " clear:int outcome reason policy token who_salt:bytes whom_digest:bytes request:bytes"
            " block:int"
        ),
        "tenant idx",
    ),
    ("bodies", "tenant idx:int sealed:bytes", "tenant idx"),
    ("tiles", "tenant level:int tile:int hashes:bytes", "tenant level tile"),
    ("checkpoints", "tenant size:int note", "tenant size"),
    ("counters", "tenant handle:bytes n:int", "tenant handle"),
    ("nodes", "tenant node n:int", "tenant node"),
    ("uses", "tenant link:bytes used:int", "tenant link"),
    ("lookups", "tenant handle:bytes day field digest:bytes", "tenant handle day field digest"),
    ("tombstones", "tenant record plan idx:int", "tenant record"),
    ("registry", "tenant kind id body:bytes", "tenant kind id"),
    ("plan_items", "tenant plan record action rule state", "tenant plan record"),
)

INDEXES: Final = (
    ("entries_tag", "entries", "tenant block tag"),
    ("entries_actor", "entries", "tenant actor idx"),
    ("entries_purpose", "entries", "tenant purpose idx"),
    ("entries_kind", "entries", "tenant kind idx"),
    ("entries_t", "entries", "tenant t"),
    ("plan_items_state", "plan_items", "tenant plan state record"),
)


def upgrade() -> None:
    """Make the tables and their indexes."""
    for name, line, key in TABLES:
        op.create_table(name, *columns(line), PrimaryKeyConstraint(*key.split(), name=f"{name}_pk"))
    for name, table, line in INDEXES:
        op.create_index(name, table, line.split())


def downgrade() -> None:
    """Drop the tables."""
    for name, _, _ in reversed(TABLES):
        op.drop_table(name)
