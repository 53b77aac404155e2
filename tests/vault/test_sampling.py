"""Sampling: entries that follow from a checkpoint of this log, read and entered."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, sql

from vault.auditing import Question
from vault.errors import Denied, Invalid, Tampered
from vault.ledger import checkpoint, sampling
from vault.merkle import leaf_hash

ROWS = borrowers(3)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with three borrowers, read by two roles."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    made.vault.reading().read(made.token("legal"), made.ids(ROWS))
    return made


def test_the_sample_is_what_the_checkpoint_draws(made: Made) -> None:
    """Lines stand in the order drawn, with their leaves; later entries change nothing."""
    room = made.vault.auditing()
    note = room.checkpoint()
    size = checkpoint.open_checkpoint(note, room.vkey).size
    first = room.sample(made.token("auditor"), note, 5)
    assert (first.size, first.signers) == (size, [room.vkey.name])
    indices = sampling.draw(note.encode(), size, 5)
    assert [line.index for line in first.lines] == indices == first.strata[0].indices
    assert first.leaves == [leaf_hash(room.stub(index)).hex() for index in indices]
    assert room.sample(made.token("auditor"), note, 5) == first
    whole = room.sample(made.token("auditor"), note, 1000)
    assert sorted(line.index for line in whole.lines) == list(range(size))


def test_each_stratum_has_its_own_sample(made: Made) -> None:
    """So many of each role, or all there are, by the rank among the role's own entries."""
    room = made.vault.auditing()
    note = room.checkpoint()
    drawn = room.sample(made.token("auditor"), note, 2, "role")
    roles = [role for (role,) in sql(made, "ledger", "SELECT role FROM entries ORDER BY idx")][: drawn.size]
    assert {part.name for part in drawn.strata} == {f"role={role}" for role in roles}
    for part in drawn.strata:
        theirs = [i for i, role in enumerate(roles) if f"role={role}" == part.name]
        value = part.name.removeprefix("role=")
        ranks = sampling.draw(f"{note}role={value}\n".encode(), len(theirs), 2)
        assert part.indices == [theirs[rank] for rank in ranks]
        assert part.entries == len(theirs)
    assert len(drawn.lines) == sum(len(part.indices) for part in drawn.strata)
    by_purpose = room.sample(made.token("auditor"), note, 1, "purpose")
    assert "purpose=legal_action" in {part.name for part in by_purpose.strata}


def test_a_sample_is_an_entry(made: Made) -> None:
    """With how many of how long a log; a slip is none."""
    room = made.vault.auditing()
    note, token = room.checkpoint(), made.token("auditor")
    size = made.size()
    with pytest.raises(Invalid):
        room.sample(token, note, 0)
    assert made.size() == size
    drawn = room.sample(token, note, 2, "purpose")
    (line,) = room.ask(made.token("auditor"), Question(after=size - 1, limit=1))
    assert (line.kind, line.detail) == ("search", f"log sample 2 of {drawn.size} purpose")


def test_only_auditors_draw(made: Made) -> None:
    """No other role gets to read entries this way."""
    with pytest.raises(Denied):
        made.vault.auditing().sample(made.token("legal"), made.vault.auditing().checkpoint(), 1)


def test_the_checkpoint_must_be_this_logs(made: Made, tmp_path: Path) -> None:
    """Another log's, one with a signature changed, and one of another history are integrity failures."""
    room = made.vault.auditing()
    note = room.checkpoint()
    other = make_vault(tmp_path / "other").vault.auditing().checkpoint()
    point = checkpoint.open_checkpoint(note, room.vkey)
    key = made.vault.tenancy().keys.log
    forked = checkpoint.sign(checkpoint.Checkpoint(origin=point.origin, size=2, root=bytes(32)), key)
    longer = checkpoint.sign(checkpoint.Checkpoint(origin=point.origin, size=999, root=point.root), key)
    token, size = made.token("auditor"), made.size()
    for wrong in (other, note.replace("\n", "\n ", 1), forked, longer, ""):
        with pytest.raises(Tampered):
            room.sample(token, wrong, 1)
    assert made.size() == size


def test_an_entry_that_is_gone_is_reported(made: Made) -> None:
    """A sample with a hole in it is an integrity failure, not a shorter sample."""
    room = made.vault.auditing()
    note, token = room.checkpoint(), made.token("auditor")
    (index,) = sampling.draw(note.encode(), checkpoint.open_checkpoint(note, room.vkey).size, 1)
    sql(made, "ledger", "DELETE FROM entries WHERE idx = ?", (index,))
    with pytest.raises(Tampered):
        room.sample(token, note, 1)
