"""What the rooms of a tenant share: who may act, until when, and what a refusal leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault

from vault.auditing import Question
from vault.errors import Denied

ROWS = borrowers(2)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with two borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    return made


def test_a_refused_action_is_an_entry(made: Made) -> None:
    """Finding, listing and planning without leave are refused and entered, one by one, with the role."""
    token, reading = made.token("importer"), made.vault.reading()
    before = made.size()
    for tried in (
        lambda: reading.find(token, field="phone", value=ROWS[0]["手机"]),
        lambda: reading.list_records(token, kind="loan"),
        lambda: made.vault.erasing().plan(token),
    ):
        with pytest.raises(Denied):
            tried()
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="deny", after=before - 1))
    assert [(line.role, line.outcome, line.reason) for line in lines] == [
        ("importer", "denied", "role_denied")
    ] * 3


def test_a_contract_ends_with_its_last_day(made: Made) -> None:
    """On the day a contract ends collection goes on; from the next midnight in Shanghai it is refused."""
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-16")
    reading, ids = made.vault.reading(), made.ids(ROWS)
    made.clock.advance(hours=13, minutes=59)
    assert len(reading.read(made.token("collector"), ids).items) == 2
    made.clock.advance(minutes=1)
    with pytest.raises(Denied) as refusal:
        reading.read(made.token("collector"), ids)
    assert refusal.value.code == "contract_ended"
