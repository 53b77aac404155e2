"""Opening: what a refused or erased record leaves behind on its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit import Made, borrowers, make_vault

from vault.access.tokens import Limits
from vault.errors import Denied
from vault.ledger import stub
from vault.stores.rows import PayloadRow


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


def test_a_record_that_was_renamed_still_has_its_past(made: Made) -> None:
    """What stood before is found by the number of today, though it was held under another then."""
    row, before = borrowers(1)[0], made.clock.now
    made.clock.advance(hours=1)
    made.load([row | {"客户编号": "KH-NEW"}])
    token = made.token("legal")
    found = made.vault.reading().read(token, ["borrower:KH-NEW"], as_of=before)
    assert [item.ref for item in found.items] == [row["客户编号"]]
    assert found.errors == []


def test_a_past_version_that_went_by_its_rule_is_missing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not tampered with, even where its payload goes between a reader's two looks."""
    (record,) = made.ids(borrowers(1))
    before = made.clock.now
    made.clock.advance(hours=1)
    made.load([borrowers(1)[0] | {"手机": "13911112222"}])
    store = made.vault.stores.records
    fetch = store.fetch

    def late(*args: Any) -> list[PayloadRow]:
        monkeypatch.undo()
        (shelf,) = {r.shelf for r in made.vault.stores.keys.versions("main", [record]) if r.version == 1}
        made.vault.tenancy().keeping.rewrap_versions(shelf, [(record, 1)])
        store.delete_versions("main", [(record, 1)])
        return fetch(*args)

    monkeypatch.setattr(store, "fetch", late)
    found = made.vault.reading().read(made.token("legal"), [record], fields=("phone",), as_of=before)
    assert [error.code for error in found.errors] == ["not_found"]
