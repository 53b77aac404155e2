"""The first version of the records store: sealed payloads and facts."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint

from vault.stores.migrations import columns

revision: Final = "0001"
down_revision: Final = None

TABLES: Final = (
    (
        "payloads",
        "tenant record version:int compartment subject kind generation:int suite:int sealed:bytes",
        "tenant record version compartment",
    ),
    ("facts", "tenant record counter:int subject kind body:bytes mac:bytes", "tenant record counter"),
)

INDEXES: Final = (("facts_subject", "facts", "tenant subject record kind"),)


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
