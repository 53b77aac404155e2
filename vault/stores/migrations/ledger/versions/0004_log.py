"""What the access log is asked and vouched for by: witnesses, time stamps, tallies, marks, indexes."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint, text

from vault.stores.migrations import columns

revision: Final = "0004"
down_revision: Final = "0003"

TABLES: Final = (
    ("cosignatures", "tenant size:int witness line t:int", "tenant size witness"),
    ("stamps", "tenant size:int authority token:bytes t:int", "tenant size authority"),
    (
        "tallies",
        "tenant hour:int actor role purpose kind about outcome reason view:int n:int",
        "tenant hour actor role purpose kind about outcome reason view",
    ),
    ("tallied", "tenant upto:int", "tenant"),
    ("marks", "tenant mark idx:int", "tenant mark idx"),
    ("seen", "tenant span:int handle:bytes n:int", "tenant span handle"),
)
INDEXES: Final = (
    ("entries_clear", "entries", "tenant about idx", "clear != 0"),
    ("entries_role", "entries", "tenant role idx", None),
    ("entries_refused", "entries", "tenant reason idx", "outcome != 'ok'"),
    ("lookups_value", "lookups", "tenant field digest", None),
)


def upgrade() -> None:
    """Make the tables, empty at first, and the indexes over what is there."""
    for name, line, key in TABLES:
        op.create_table(name, *columns(line), PrimaryKeyConstraint(*key.split(), name=f"{name}_pk"))
    for name, table, line, where in INDEXES:
        part = text(where) if where else None
        op.create_index(name, table, line.split(), sqlite_where=part, postgresql_where=part)


def downgrade() -> None:
    """Drop them."""
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)
    for name, _, _ in reversed(TABLES):
        op.drop_table(name)
