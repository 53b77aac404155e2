"""A log that was put back, cut short or rewritten stops the vault; a recovery begins another in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, reopen, shown, sql
from recoverkit import LONG, ROWS, grow, kept, purge, recover, rewrite, serves, stopped

from vault.auditing import Question
from vault.errors import Denied, Invalid, Tampered
from vault.ledger import checkpoint, proof
from vault.ledger.note import VKey
from vault.ledger.registry import Recovery


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A vault with two borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


def test_a_ledger_put_back_stops_the_vault(made: Made) -> None:
    """The first missing entry is named, and what to do."""
    before = made.size()
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    after = grow(made)
    back()
    refusal = stopped(made)
    assert refusal.index == before
    assert f"entries {before} to {after - 1} are missing" in refusal.message
    assert "cvault log recover" in refusal.remedy
    with pytest.raises(Tampered) as walked:
        reopen(made).vault.auditing().walk()
    assert walked.value.index == before


def test_after_a_recovery_the_vault_serves(made: Made) -> None:
    """A new log under a new name; old tokens are dead, old receipts verify under the old key."""
    token = made.token("legal", limits=LONG)
    receipt = shown(made.vault.reading().read(token, made.ids(ROWS[:1]))).receipt
    room = made.vault.auditing()
    proved, stub, old = room.receipt(receipt.index), room.stub(receipt.index), room.vkey
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    grow(made)
    back()
    made, done = recover(made)
    assert (done.closed, done.origin) == (old.name, f"{old.name}/2")
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(token, made.ids(ROWS[:1]))
    assert refusal.value.code == "token_revoked"
    serves(made)
    (first,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="anchor"))
    assert first.index == 0
    assert first.detail is not None
    assert done.closed in first.detail
    assert "restored" in first.detail
    kept_key = VKey.parse((made.folder / "log.vkey.1").read_text().strip())
    proof.check(proved, stub, kept_key)
    assert made.vault.vkey().text() == (made.folder / "log.vkey").read_text().strip() == done.vkey


def test_the_evidence_proves_itself(made: Made) -> None:
    """Entries, tiles and checkpoint that held, the stubs behind them, the pin that speaks against them."""
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    after = grow(made)
    back()
    size = int(sql(made, "ledger", "SELECT size FROM head")[0][0])
    made, done = recover(made)
    folder = Path(done.evidence)
    vkey = VKey.parse((folder / "log.vkey").read_text().strip())
    held = checkpoint.open_checkpoint((folder / "checkpoint").read_text(), vkey)
    pinned = checkpoint.open_checkpoint((folder / "pin").read_text(), vkey)
    assert (held.size, pinned.size) == (size, after)
    bundle = (folder / f"tile/entries/000.p/{size}").read_bytes()
    row = made.vault.tenancy().journal.registry().find(Recovery, "log")
    assert row is not None
    assert (row.size, row.root) == (held.size, held.root.hex())
    assert (row.pinned_size, row.pinned_root) == (after, pinned.root.hex())
    archived = sql(made, "ledger", "SELECT stub FROM entries WHERE tenant='main~1' ORDER BY idx")
    assert bundle == b"".join(len(s).to_bytes(2, "big") + s for (s,) in archived)
    found = json.loads((folder / "found.json").read_text())
    assert found["missing"] == [size, after - 1]
    assert (folder / "remains.jsonl").read_text() == ""


def test_all_stores_put_back(made: Made) -> None:
    """Consistent in themselves, they are still behind the pin; the vault then serves what they hold."""
    before = made.size()
    made.vault.close()
    back = kept(made)
    made = reopen(made)
    made.load(borrowers(1, first=9))
    grow(made)
    back()
    assert stopped(made).index == before
    made, _ = recover(made)
    serves(made)
    assert made.ids(borrowers(1, first=9)) == ["borrower:KH-900009"]


def test_a_key_store_put_back_erases_again(made: Made) -> None:
    """Behind the ledger it is refused; a recovery erases once more what the ledger knows to be erased."""
    gone = made.ids(ROWS)
    made.vault.close()
    back = kept(made, ("keys", "records", "index"))
    made = reopen(made)
    purge(made)
    made.vault.close()
    back()
    refusal = stopped(made)
    assert "key store is behind" in refusal.message
    assert "cvault log recover" in refusal.remedy
    made, _ = recover(made)
    found = made.vault.reading().read(made.token("legal"), gone)
    assert {error.code for error in found.errors} == {"not_found"}
    assert sql(made, "keys", "SELECT count(*) FROM secrets") == [(0,)]
    assert sql(made, "records", "SELECT count(*) FROM payloads") == [(0,)]
    made.vault.auditing().walk()
    made.load(borrowers(1, first=9))
    purge(made)  # the next purge's generation is beyond


def test_a_ledger_from_before_a_purge(made: Made) -> None:
    """What the key store has erased stays erased, though no tombstone is left to say so."""
    gone = made.ids(ROWS)
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    purge(made)
    made.vault.close()
    back()
    (made.folder / "keys/main.checkpoint").unlink()
    refusal = stopped(made)
    assert "ledger is behind" in refusal.message
    assert "cvault log recover" in refusal.remedy
    made, _ = recover(made)
    found = made.vault.reading().read(made.token("legal"), gone)
    assert {error.code for error in found.errors} == {"not_found"}
    made.load(borrowers(1, first=9))
    purge(made)
    assert made.reopened().vault.auditing().walk().size > 5


def test_a_log_cut_short_beside_the_vault(made: Made) -> None:
    """Entries deleted and an older, genuine head put back: the pin tells the first that is gone."""
    made.vault.close()
    made = reopen(made)
    (head,) = sql(made, "ledger", "SELECT * FROM head")
    (registry, checkpoints) = (sql(made, "ledger", f"SELECT * FROM {t}") for t in ("registry", "checkpoints"))
    grow(made)
    sql(made, "ledger", "DELETE FROM head")
    sql(made, "ledger", f"INSERT INTO head VALUES ({','.join('?' * len(head))})", head)
    for table in ("entries", "bodies"):
        sql(made, "ledger", f"DELETE FROM {table} WHERE idx >= ?", [head[1]])
    for table, rows in (("registry", registry), ("checkpoints", checkpoints)):
        sql(made, "ledger", f"DELETE FROM {table}")
        for row in rows:
            sql(made, "ledger", f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    assert stopped(made).index == head[1]
    made, _ = recover(made)
    serves(made)


def test_a_tree_recomputed_with_the_logs_key(made: Made) -> None:
    """Consistent, signed, and not the one pinned: nothing of it is called good."""
    rewrite(made, 1)
    refusal = stopped(made)
    assert "rewritten" in refusal.message
    assert refusal.index == 0
    found = reopen(made).vault.auditing().examine()
    assert (found.good_size, found.good_root, found.missing) == (0, "", None)
    made, done = recover(made)
    serves(made)
    old = VKey.parse((made.folder / "log.vkey.1").read_text().strip())
    held, pinned = (
        checkpoint.open_checkpoint((Path(done.evidence) / name).read_text(), old)
        for name in ("checkpoint", "pin")
    )
    assert held.size == pinned.size
    assert held.root != pinned.root  # the same key has signed both: that is the evidence


def test_a_whole_log_is_not_recovered(made: Made) -> None:
    """The ceremony is no way to begin a new log at will; a lagging pin is no fault."""
    pinned = (made.folder / "keys/main.checkpoint").read_bytes()
    grow(made)
    (made.folder / "keys/main.checkpoint").write_bytes(pinned)
    made = reopen(made)
    found = made.vault.auditing().examine()
    assert found.whole
    assert found.pinned_size < found.size == found.good_size
    with pytest.raises(Invalid):
        made.vault.auditing().recover(made.identity, reason="why not", evidence=made.outside / "e")
    assert not (made.outside / "e").exists()
    serves(made)


def test_a_missing_pin_is_no_fault(made: Made) -> None:
    """A new node has none; it makes one when it has written."""
    made.vault.close()
    (made.folder / "keys/main.checkpoint").unlink()
    made = reopen(made)
    serves_size = grow(made)
    point = checkpoint.open_checkpoint((made.folder / "keys/main.checkpoint").read_text(), made.vault.vkey())
    assert point.size == serves_size
