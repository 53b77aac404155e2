"""Opening: what a refused or erased record leaves behind on its way."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault

from vault.access.tokens import Limits
from vault.errors import Denied
from vault.ledger import stub


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with one borrower."""
    made = make_vault(tmp_path)
    made.load(borrowers(1))
    return made


def test_a_read_that_meets_a_tombstone_leaves_no_tag(made: Made) -> None:
    """The count was taken when the erasure closed the record: a later try carries no tag of its subject."""
    ids = made.ids(borrowers(1))
    with made.vault.tenancy().journal.page() as page:
        page.tx.entomb("plan-x", ids, 0)
    token = made.token("collector")
    found, last = made.vault.reading().read(token, ids), made.size() - 1
    assert [error.code for error in found.errors] == ["not_found"]
    assert stub.decode(made.vault.auditing().stub(last)).tag == b""
    assert made.vault.stores.ledger.entries("main", last, 1)[0].tag == b""


def test_a_refused_read_of_a_tombstone_leaves_no_tag_either(made: Made) -> None:
    """A token whose uses are spent is refused as a whole; a closed subject gets no tag from that."""
    ids, token = made.ids(borrowers(1)), made.token("collector", limits=Limits(max_uses=1))
    assert made.vault.reading().read(token, ids).items
    with made.vault.tenancy().journal.page() as page:
        page.tx.entomb("plan-x", ids, 0)
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(token, ids)
    assert refusal.value.code == "uses_spent"
    assert stub.decode(made.vault.auditing().stub(made.size() - 1)).tag == b""
