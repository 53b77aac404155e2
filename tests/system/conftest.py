"""Fixtures of the system tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Made, make_vault
from system.tampering import CHANGED, ROWS


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Two borrowers in `main`, the first in its second version, and the same two in `second`."""
    made = make_vault(tmp_path, tenants=["second"])
    made.load(ROWS)
    made.load([CHANGED])
    yield made
    made.vault.close()
