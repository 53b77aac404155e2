"""The reservations by which people are reached, and what a day's calls and attempts are counted from."""  # noqa: INP001 — alembic's names, no package

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import PrimaryKeyConstraint

from vault.stores.migrations import columns

revision: Final = "0003"
down_revision: Final = "0002"

LINE: Final = "tenant reservation debtor:bytes number:bytes day channel actor state effective:int deadline:int body:bytes"


def upgrade() -> None:
    """Make the table and its indexes; it is empty at first."""
    op.create_table(
        "reaches", *columns(LINE), PrimaryKeyConstraint("tenant", "reservation", name="reaches_pk")
    )
    op.create_index("reaches_debtor", "reaches", ["tenant", "day", "debtor"])
    op.create_index("reaches_number", "reaches", ["tenant", "day", "number"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("reaches")
