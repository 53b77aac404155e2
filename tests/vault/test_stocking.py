"""Stocking: which record a draft becomes, and in which order it is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, promise

from vault.errors import Denied

ROW = borrowers(1)[0]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with one borrower."""
    made = make_vault(tmp_path)
    made.load([ROW])
    return made


def test_nothing_is_added_to_what_is_being_erased(made: Made) -> None:
    """A row about an entombed record makes a record of its own; it gives the dying one no new version."""
    (old,) = made.ids([ROW])
    with made.vault.tenancy().journal.page() as page:
        page.tx.entomb("plan-x", [old], 0)
    done = made.load([ROW | {"手机": "13911112222"}])
    assert done.stored.get("borrower", 0) + done.rejected == 1
    assert {row.version for row in made.vault.stores.keys.versions("main", [old])} == {1}


def test_every_version_has_a_secret_of_its_own(made: Made) -> None:
    """A correction is sealed under a fresh secret, so each can die alone."""
    (record,) = made.ids([ROW])
    keeping = made.vault.tenancy().keeping
    before = keeping.record_secret(keeping.fetch([record])[record].row)
    made.load([ROW | {"手机": "13911112222"}])
    held = keeping.fetch([record])[record]
    assert held.facts.version == 2
    assert keeping.record_secret(held.row) != before


def test_a_correction_keeps_the_day_of_the_first_import(made: Made) -> None:
    """Importing again restarts no retention period: `imported_on` is the first day's for ever."""
    (record,) = made.ids([ROW])
    keeping = made.vault.tenancy().keeping
    first = keeping.fetch([record])[record].facts.anchors["imported_on"]
    made.clock.advance(days=3)
    made.load([ROW | {"手机": "13911112222"}])
    facts = keeping.fetch([record])[record].facts
    assert (facts.version, facts.anchors["imported_on"]) == (2, first)


def test_nothing_is_written_after_the_contract(made: Made) -> None:
    """Once the creditor's contract has ended no direct write comes in either (PIPL 21 ¶2)."""
    token, before = made.token("dpo", "subject_request"), made.vault.stores.records.count("main")
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-15")
    with pytest.raises(Denied) as refusal:
        made.vault.writing().write(token, [promise(1, 0)])
    assert refusal.value.code == "contract_ended"
    assert made.vault.stores.records.count("main") == before
