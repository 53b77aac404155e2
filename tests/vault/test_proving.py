"""Proving: receipts that stand alone, and that notice when the log was rewritten since."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, sql
from witnesskit import running

from vault.courier import Http
from vault.errors import NotFound, Tampered
from vault.ledger import checkpoint, proof
from vault.ledger.note import VKey

ROWS = borrowers(2)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with two borrowers, read."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    return made


def grow(made: Made) -> None:
    """Some entries more."""
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))


def rewritten(tmp_path: Path, name: str, entries: int) -> Made:
    """A vault whose log is another one under the same key and name: a copy that went another way."""
    made = make_vault(tmp_path / name)
    for _ in range(entries):
        made.token("collector")
    return made


def test_a_receipt_proves_itself(made: Made) -> None:
    """Its `extra` is the stub it proves; the public key alone is needed."""
    room = made.vault.auditing()
    for index, text in zip((0, 3, 5), room.receipts([0, 3, 5]), strict=True):
        found = proof.Proof.parse(text)
        assert found.extra == room.stub(index)
        assert proof.check(text, found.extra, VKey.parse(room.vkey.text())).size > index
        assert room.receipt(index) == text
    with pytest.raises(NotFound):
        room.receipts([0, 10_000])
    with pytest.raises(NotFound):
        room.receipts([-1])


def test_a_receipt_is_made_anew_at_the_newest_checkpoint(made: Made) -> None:
    """The same entry in a longer log; with or without its stub in the old one."""
    room = made.vault.auditing()
    old = room.receipt(4)
    grow(made)
    new = room.refresh(old)
    assert proof.check(new, room.stub(4), room.vkey).size > proof.check(old, room.stub(4), room.vkey).size
    bare = proof.Proof.parse(old)
    assert room.refresh(proof.make(4, bare.path, bare.note)) == new


def test_a_receipt_that_does_not_verify_is_refused(made: Made) -> None:
    """Another index, path, entry or signature: an integrity failure, and nothing new is given."""
    room = made.vault.auditing()
    good = proof.Proof.parse(room.receipt(4))
    grow(made)
    other = proof.make(3, good.path, good.note, good.extra)
    path = proof.make(4, good.path[::-1], good.note, good.extra)
    extra = proof.make(4, good.path, good.note, room.stub(3))
    signature = good.text()[:-9] + ("A" if good.text()[-9] != "A" else "B") + good.text()[-8:]
    for text in (other, path, extra, signature, "c2sp.org/tlog-proof@v1\n", ""):
        with pytest.raises(Tampered):
            room.refresh(text)


def test_a_rewritten_entry_is_noticed(made: Made) -> None:
    """The log now has other bytes where the receipt proves an entry: the index is named."""
    room = made.vault.auditing()
    old = room.receipt(4)
    sql(made, "ledger", "UPDATE entries SET stub = (SELECT stub FROM entries WHERE idx = 3) WHERE idx = 4")
    with pytest.raises(Tampered) as caught:
        room.refresh(old)
    assert caught.value.index == 4
    sql(made, "ledger", "DELETE FROM entries WHERE idx = 4")
    with pytest.raises(Tampered, match="no entry"):
        room.refresh(old)


@pytest.mark.parametrize("further", [0, 6])
def test_a_log_of_another_history_is_noticed(made: Made, *, further: int) -> None:
    """A backup put back, shorter or grown again another way: a receipt from before says so.

    The folder is copied before the receipt's entries; what the copy goes on to log isn't what was logged. The
    node has lost its own pin, which would tell first.
    """
    made.vault.close()
    backup = {path: path.read_bytes() for path in made.folder.glob("*.db")}
    made = made.reopened()
    room = made.vault.auditing()
    for _ in range(3):
        made.token("collector")
    old = room.receipt(1)
    made.vault.close()
    for path in made.folder.glob("*.db*"):
        path.unlink()
    for path, data in backup.items():
        path.write_bytes(data)
    (made.folder / "keys" / "main.checkpoint").unlink()
    made = made.reopened()
    for _ in range(further):
        made.token("legal")
    with pytest.raises(Tampered, match="another history") as caught:
        made.vault.auditing().refresh(old)
    assert caught.value.index == 1


def test_the_key_goes_with_an_export(made: Made) -> None:
    """`log.vkey` lies beside the tiles; another key that lies there stays, and is an integrity failure."""
    room, folder = made.vault.auditing(), made.outside / "tiles"
    room.export(made.token("auditor"), folder)
    assert (folder / "log.vkey").read_text("utf-8") == room.vkey.text() + "\n"
    again = room.export(made.token("auditor"), folder)
    assert again == 3  # two right edges and the checkpoint
    other = VKey(name=room.vkey.name, public=bytes(32)).text()
    (folder / "log.vkey").write_text(other, "utf-8")
    before = (folder / "checkpoint").read_bytes()
    with pytest.raises(Tampered):
        room.export(made.token("auditor"), folder)
    assert (folder / "log.vkey").read_text("utf-8") == other
    assert (folder / "checkpoint").read_bytes() == before


def test_a_state_of_the_log_is_told_from_another(made: Made) -> None:
    """Every earlier checkpoint is the log's; a longer one, or another root at its size, isn't."""
    room = made.vault.auditing()
    point = checkpoint.open_checkpoint(room.checkpoint(), room.vkey)
    grow(made)
    assert room.has(point)
    assert not room.has(checkpoint.Checkpoint(origin=point.origin, size=point.size, root=bytes(32)))
    assert not room.has(checkpoint.Checkpoint(origin=point.origin, size=10**6, root=point.root))


def test_a_receipt_carries_cosignatures_where_there_are(made: Made) -> None:
    """After a witness's round a receipt made anew has its line; a later entry's has the log's alone."""
    room = made.vault.auditing()
    old = room.receipt(4)
    with running("w1.example", clock=lambda: made.clock() / 1e6) as (server,):
        server.logs[room.vkey.name] = room.vkey.public
        room.set_witnesses(made.token("admin"), f"{server.line}\nquorum {server.name}\n")
        assert room.round(Http(timeout=5)).witnessed
    new = room.refresh(old)
    assert "— w1.example " in new
    assert proof.check(new, room.stub(4), room.vkey).size > 4
    grow(made)
    assert room.refresh(new) == new
    last = made.size() - 1
    assert "— w1.example " not in room.receipt(last)
