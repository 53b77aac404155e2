"""The stores' own child of the error tree."""

from __future__ import annotations

from vault.errors import Unavailable


class ShelfMoved(Unavailable):
    """A shelf was re-wrapped, moved or dropped meanwhile: fetch it again, wrap again and retry.

    Insert and re-wrap lock the shelf row and check its generation (DESIGN 5); this says the check failed,
    and that nothing of the transaction was written.
    """

    default_code = "shelf_moved"
