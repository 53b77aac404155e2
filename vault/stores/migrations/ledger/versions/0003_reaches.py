"""The reservations by which people are reached, and what a day's calls and attempts are counted from."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint

from vault.stores.migrations import columns

revision: Final = "0003"
down_revision: Final = "0002"

TABLES: Final = (
    (
        "reaches",
        (
            "tenant reservation debtor:bytes number:bytes day channel actor state effective:int"
            " deadline:int body:bytes"
        ),
        "tenant reservation",
    ),
)
INDEXES: Final = (
    ("reaches_debtor", "reaches", "tenant day debtor"),
    ("reaches_number", "reaches", "tenant day number"),
)


def upgrade() -> None:
    """Make the table and its indexes; it is empty at first."""
    for name, line, key in TABLES:
        op.create_table(name, *columns(line), PrimaryKeyConstraint(*key.split(), name=f"{name}_pk"))
    for name, table, line in INDEXES:
        op.create_index(name, table, line.split())


def downgrade() -> None:
    """Drop the table."""
    for name, _, _ in reversed(TABLES):
        op.drop_table(name)
