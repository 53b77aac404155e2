"""The first version of the keys store: wrapped secrets, shelves and epochs."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint, text

from vault.stores.migrations import columns

revision: Final = "0001"
down_revision: Final = None

TABLES: Final = (
    (
        "secrets",
        "tenant record version:int shelf generation:int wrapped:bytes status deadline:int",
        "tenant record version",
    ),
    ("latest", "tenant record subject version:int facts_counter:int facts_pending:int?", "tenant record"),
    ("subjects", "tenant subject shelf generation:int wrapped:bytes closed:int?", "tenant subject"),
    ("shelves", "tenant shelf purpose due generation:int epoch:int count:int wrapped:bytes", "tenant shelf"),
    ("epochs", "tenant epoch:int created:int retired:int? destroy_after:int? destroyed:int?", "tenant epoch"),
    ("generations", "tenant generation:int", "tenant"),
)

INDEXES: Final = (
    ("secrets_shelf", "secrets", "tenant shelf"),
    ("secrets_pending", "secrets", "tenant deadline"),
    ("subjects_shelf", "subjects", "tenant shelf"),
    ("shelves_room", "shelves", "tenant purpose due count"),
)


def upgrade() -> None:
    """Make the tables and their indexes."""
    for name, line, key in TABLES:
        op.create_table(name, *columns(line), PrimaryKeyConstraint(*key.split(), name=f"{name}_pk"))
    for name, table, line in INDEXES:
        pending = text("status = 'pending'") if name == "secrets_pending" else None
        op.create_index(name, table, line.split(), sqlite_where=pending, postgresql_where=pending)


def downgrade() -> None:
    """Drop the tables."""
    for name, _, _ in reversed(TABLES):
        op.drop_table(name)
