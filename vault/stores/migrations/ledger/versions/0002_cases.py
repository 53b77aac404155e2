"""The book of cases: its lines by shard, and a digest of each shard."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint

from vault.stores.migrations import columns

revision: Final = "0002"
down_revision: Final = "0001"

TABLES: Final = (
    ("cases", "tenant shard:int handle:bytes holder state body:bytes", "tenant shard handle"),
    ("case_shards", "tenant shard:int digest:bytes", "tenant shard"),
)


def upgrade() -> None:
    """Make the tables and the index; an empty book needs no row."""
    for name, line, key in TABLES:
        op.create_table(name, *columns(line), PrimaryKeyConstraint(*key.split(), name=f"{name}_pk"))
    op.create_index("cases_holder", "cases", ["tenant", "holder", "state", "shard", "handle"])


def downgrade() -> None:
    """Drop the tables."""
    for name, _, _ in reversed(TABLES):
        op.drop_table(name)
