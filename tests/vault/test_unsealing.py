"""Unsealing: a body is the one its entry commits to, and a subject's entries are all there, once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault, sql

from vault.auditing import Question
from vault.crypto.bodies import BodySealer, body_context
from vault.errors import Tampered
from vault.ledger import stub
from vault.model import Whom

ROWS = borrowers(1)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with one borrower, read once."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    return made


def test_a_body_sealed_anew_is_not_the_one_committed_to(made: Made) -> None:
    """Every node can seal a body for an entry; one that says something else is reported, not shown."""
    keys = made.vault.tenancy().keys
    commitment = stub.decode(made.vault.auditing().stub(0)).commitment
    other = b"s" * stub.SALT_SIZE + msgspec.json.encode(Whom(detail="nothing happened"))
    forged = BodySealer(keys.audit_public, "main").seal(other, b"", "", body_context("main", commitment))
    sql(made, "ledger", "UPDATE bodies SET sealed = ? WHERE idx = 0", (forged,))
    with pytest.raises(Tampered, match="committed"):
        made.vault.auditing().ask(made.token("auditor"), Question(kind="open"))


def test_a_body_without_a_subject_must_open(made: Made) -> None:
    """An entry about nobody dies with no one: its body opens, or an integrity failure is reported."""
    (sealed,) = sql(made, "ledger", "SELECT sealed FROM bodies WHERE idx = 0")[0]
    sql(made, "ledger", "UPDATE bodies SET sealed = ? WHERE idx = 0", (sealed[:-16] + bytes(16),))
    with pytest.raises(Tampered):
        made.vault.auditing().ask(made.token("auditor"), Question(kind="open"))


def copied_beyond_the_head(made: Made) -> None:
    """Put a copy of the borrower's entry after the log's end, as a DBA can."""
    names = [row[1] for row in sql(made, "ledger", "PRAGMA table_info(entries)")]
    taken = ", ".join("(SELECT size FROM head) " if name == "idx" else name for name in names)
    sql(made, "ledger", f"INSERT INTO entries SELECT {taken} FROM entries WHERE kind = 'read'")


def test_a_doubled_entry_is_reported(made: Made) -> None:
    """Two entries of one tag would make a report on a borrower say what never happened."""
    token, (ident,) = made.token("auditor"), made.ids(ROWS)
    copied_beyond_the_head(made)
    with pytest.raises(Tampered, match="every entry"):
        made.vault.auditing().ask(token, Question(subject=ident))


def test_an_entry_beyond_the_head_is_reported(made: Made) -> None:
    """What stands after the log's end is in no tree: the walk says so, at its index."""
    size = made.size()
    copied_beyond_the_head(made)
    with pytest.raises(Tampered) as found:
        made.vault.auditing().walk()
    assert found.value.index == size
