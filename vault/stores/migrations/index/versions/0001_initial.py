"""The first version of the index store: keyed digests and open attributes."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint

from vault.stores.migrations import columns

revision: Final = "0001"
down_revision: Final = None

TABLES: Final = (
    ("turns", "tenant", "tenant"),
    ("blind", "tenant kind field digest:bytes record", "tenant kind field digest record"),
    ("attributes", "tenant kind name value record", "tenant record name"),
)

INDEXES: Final = (
    ("blind_record", "blind", "tenant record"),
    ("attributes_value", "attributes", "tenant kind name value record"),
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
