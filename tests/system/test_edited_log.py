"""Facts, entries, bodies, heads, checkpoints and tiles that were edited are refused by name."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from kit import Made, reopen, shown, sql
from system.tampering import ROWS, bits, cuts, edited, facts, hold, verdict

from vault.auditing import Question
from vault.errors import Tampered, VaultError
from vault.ledger import checkpoint, proof


@pytest.mark.parametrize("column", ["body", "mac", "kind", "subject", "counter"])
def test_a_flipped_bit_in_facts_is_reported(made: Made, column: str) -> None:
    """Body, MAC, counter, kind and subject of a record's facts hold together or not at all."""
    (other,) = made.ids(ROWS[1:])
    ((good,),) = sql(made, "records", f"SELECT {column} FROM facts WHERE record=?", [other])
    bad: list[object] = [*bits(good), *cuts(good)] if isinstance(good, bytes) else ["loan", "s-x", ""]
    if isinstance(good, int):
        bad = [good + 1, good - 1, 1 << 40, -1]
    told = []
    for value in bad:
        with edited(made, "records", "facts", column, value, "record=?", [other]):
            told.append(verdict(made, other))
    assert set(told) <= ({"integrity", "data"} if column == "subject" else {"integrity"}), told
    assert verdict(made, other) == "data"


def test_a_state_cannot_be_loosened(made: Made) -> None:
    """RESTRICTED edited back to ACTIVE, a dropped hold and a moved anchor are refused."""
    (other,) = made.ids(ROWS[1:])
    hold(made, other)
    counter, body = facts(made, other)
    where = "record=? AND counter=?"
    edits = [
        (b'"H-1"', b'"H-2"'),
        (b"2050-01-01", b"2020-01-01"),
        (b'{"cases"', b'{"state":"RESTRICTED","cases"'),
        (b"2026-03-16", b"1999-03-16"),
    ]
    for old, new in edits:
        assert old in body
        with edited(made, "records", "facts", "body", body.replace(old, new), where, [other, counter]):
            assert verdict(made, other) == "integrity"
            with pytest.raises(Tampered):
                made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))


def test_facts_cannot_be_rolled_back(made: Made) -> None:
    """Facts from before a hold are refused, under their own counter and under the new one."""
    (other,) = made.ids(ROWS[1:])
    take = "SELECT tenant, record, counter, subject, kind, body, mac FROM facts WHERE record=?"
    (old,) = sql(made, "records", take, [other])
    hold(made, other)
    new = sql(made, "records", f"{take} ORDER BY counter", [other])[-1]
    for counter in (old[2], new[2]):
        sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
        row = (*old[:2], counter, *old[3:])
        sql(made, "records", "INSERT INTO facts VALUES (?,?,?,?,?,?,?)", row)
        assert verdict(made, other) == "integrity"
        with pytest.raises(Tampered):
            made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))
    sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
    sql(made, "records", "INSERT INTO facts VALUES (?,?,?,?,?,?,?)", new)
    assert verdict(made, other) == "data"


def test_facts_cannot_be_dropped_or_lent(made: Made) -> None:
    """Missing facts are an integrity failure, and so are another record's."""
    first, other = made.ids(ROWS)
    sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
    assert verdict(made, other) == "integrity"
    lend = "INSERT INTO facts SELECT tenant, ?, counter, subject, kind, body, mac FROM facts WHERE record=?"
    sql(made, "records", lend, [other, first])
    assert verdict(made, other) == "integrity"


def test_a_record_without_facts_is_not_left_out_of_a_plan_unseen(made: Made) -> None:
    """Deleting facts can't keep a record from being planned: the plan stops, it doesn't skip."""
    (other,) = made.ids(ROWS[1:])
    sql(made, "records", "DELETE FROM facts WHERE record=?", [other])
    with pytest.raises(Tampered):
        made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))


def notices(made: Made, record: str) -> list[str]:
    """What a check of the log and questions to it raise: error classes, in order."""
    said = []
    room = made.vault.auditing()
    for verb in (
        room.walk,
        lambda: room.ask(made.token("auditor"), Question(limit=1000)),
        lambda: room.ask(made.token("auditor"), Question(subject=record, limit=1000)),
    ):
        try:
            verb()
        except VaultError as error:
            said.append(type(error).__name__)
    return said


def test_an_edited_entry_is_reported(made: Made) -> None:
    """Every column of an entry is bound to its stub, and the stub to the tree."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    index = shown(made.vault.reading().read(token, [other])).receipt.index
    made.vault.reading().read(token, [other])
    names = [str(row[1]) for row in sql(made, "ledger", "PRAGMA table_info(entries)")]
    unseen = []
    for name in names:
        ((good,),) = sql(
            made, "ledger", f'SELECT "{name}" FROM entries WHERE idx=? AND tenant=?', [index, "main"]
        )
        bad: object = f"{good}x"
        if isinstance(good, int):
            bad = good + 1000
        elif isinstance(good, bytes):
            bad = next(bits(good))
        sql(made, "ledger", f'UPDATE entries SET "{name}"=? WHERE idx=? AND tenant=?', [bad, index, "main"])
        if not notices(made, other):
            unseen.append(name)
        key = "tenant=?1||'x'" if name == "tenant" else "tenant=?1"
        at = index + 1000 if name == "idx" else index
        sql(made, "ledger", f'UPDATE entries SET "{name}"=?3 WHERE {key} AND idx=?2', ["main", at, good])
    assert unseen == []
    assert notices(made, other) == []


def test_a_flipped_bit_in_a_stub_names_the_entry(made: Made) -> None:
    """The walk says which entry it is."""
    ((good,),) = sql(made, "ledger", "SELECT stub FROM entries WHERE idx=3 AND tenant='main'")
    assert isinstance(good, bytes)
    for bad in (*bits(good), *cuts(good)):
        with edited(made, "ledger", "entries", "stub", bad, "idx=3 AND tenant='main'"):
            with pytest.raises(Tampered) as caught:
                made.vault.auditing().walk()
            assert caught.value.index is not None
            assert caught.value.index <= 3


def test_a_removed_entry_is_reported(made: Made) -> None:
    """First, middle or last: the walk misses it."""
    size = made.size()
    columns = "SELECT * FROM entries WHERE idx=? AND tenant='main'"
    for at in (0, size // 2, size - 1):
        (row,) = sql(made, "ledger", columns, [at])
        sql(made, "ledger", "DELETE FROM entries WHERE idx=? AND tenant='main'", [at])
        with pytest.raises(Tampered) as caught:
            made.vault.auditing().walk()
        assert caught.value.index == at
        sql(made, "ledger", f"INSERT INTO entries VALUES ({','.join('?' * len(row))})", row)
    assert made.size() == size


def test_an_entry_cannot_be_hidden_from_a_borrowers_report(made: Made) -> None:
    """Whoever turns a subject's counter back, or takes an entry out of the tag index, is found out."""
    (other,) = made.ids(ROWS[1:])
    index = [shown(made.vault.reading().read(made.token("legal"), [other])).receipt.index for _ in range(3)]
    ask = made.vault.auditing().ask
    assert {line.index for line in ask(made.token("auditor"), Question(subject=other))} >= set(index)
    for by in (1, 2):
        sql(made, "ledger", "UPDATE counters SET n=n-? WHERE n=3", [by])
        assert "Tampered" in notices(made, other)
        sql(made, "ledger", "UPDATE counters SET n=3 WHERE n=?", [3 - by])
    with edited(made, "ledger", "entries", "block", 9, "idx=? AND tenant='main'", index[:1]):
        assert "Tampered" in notices(made, other)
    assert notices(made, other) == []


def test_a_flipped_bit_in_a_body_is_reported(made: Made) -> None:
    """The auditor's question names the integrity failure; no line is made up."""
    (other,) = made.ids(ROWS[1:])
    index = shown(made.vault.reading().read(made.token("legal"), [other])).receipt.index
    where = "idx=? AND tenant='main'"
    ((good,),) = sql(made, "ledger", f"SELECT sealed FROM bodies WHERE {where}", [index])
    assert isinstance(good, bytes)
    for bad in (*bits(good), *cuts(good)):
        with edited(made, "ledger", "bodies", "sealed", bad, where, [index]), pytest.raises(Tampered):
            made.vault.auditing().ask(made.token("auditor"), Question(subject=other, limit=1000))


@pytest.mark.parametrize("column", ["size", "edge", "last_t", "registry", "mac"])
def test_an_edited_head_stops_everything(made: Made, column: str) -> None:
    """Nothing is read and nothing appended on a head that the vault did not write."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    ((good,),) = sql(made, "ledger", f"SELECT {column} FROM head WHERE tenant='main'")
    bad = (
        [*bits(good, 6), *cuts(good)]
        if isinstance(good, bytes)
        else [int(str(good)) + 1, int(str(good)) - 1, -1]
    )
    told = []
    for value in bad:
        with edited(made, "ledger", "head", column, value, "tenant='main'"):
            told.append(verdict(made, other, token))
            made = made.reopened()
            told.append(verdict(made, other, token))
    assert set(told) == {"Tampered"}, told


def test_a_head_cannot_be_rolled_back_under_an_open_vault(made: Made) -> None:
    """A log shortened to an older, genuine head is noticed by the vault that wrote further."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    (old,) = sql(made, "ledger", "SELECT * FROM head WHERE tenant='main'")
    made.vault.reading().read(token, [other])
    sql(made, "ledger", "INSERT OR REPLACE INTO head VALUES (?,?,?,?,?,?)", old)
    sql(made, "ledger", "DELETE FROM entries WHERE tenant='main' AND idx>=?", [old[1]])
    assert verdict(made, other, token) == "Tampered"


def test_the_registry_cannot_be_edited(made: Made) -> None:
    """No principal is added, no role widened, nobody re-enabled by whoever writes the tables."""
    (other,) = made.ids(ROWS[1:])
    token = made.token("legal")
    ((body,),) = sql(made, "ledger", "SELECT body FROM registry WHERE tenant='main' AND kind='principal'")
    assert isinstance(body, bytes)
    for bad in bits(body, 12):
        with edited(made, "ledger", "registry", "body", bad, "tenant='main' AND kind='principal'"):
            assert verdict(reopen(made), other, token) == "Tampered"
    sql(made, "ledger", "INSERT INTO registry VALUES ('main','principal','p-mine',?)", [body])
    assert verdict(reopen(made), other, token) == "Tampered"
    sql(made, "ledger", "DELETE FROM registry WHERE tenant='main'")
    assert verdict(reopen(made), other, token) == "Tampered"


def test_an_edited_checkpoint_is_reported(made: Made) -> None:
    """Text, signature or size of a stored checkpoint: the walk stops there."""
    made = made.reopened()
    (size, note), *_ = sql(made, "ledger", "SELECT size, note FROM checkpoints WHERE tenant='main'")
    for bad in bits(str(note).encode(), 60):
        text = bad.decode("latin-1")
        cell = edited(made, "ledger", "checkpoints", "note", text, "tenant='main' AND size=?", [size])
        with cell, pytest.raises(Tampered):
            made.vault.auditing().walk()
        with pytest.raises(Tampered):
            checkpoint.open_checkpoint(text, made.vault.vkey())
    sql(made, "ledger", "DELETE FROM checkpoints WHERE tenant='main' AND size>?", [size])
    sql(made, "ledger", "UPDATE checkpoints SET size=size+1 WHERE size=? AND tenant='main'", [size])
    with pytest.raises(Tampered):
        made.vault.auditing().walk()


def test_an_edited_tile_is_reported(made: Made, tmp_path: Path) -> None:
    """A stored tile that is not the log's gives no receipt and no export."""
    ids, token = made.ids(ROWS), made.token("legal")
    made.vault.reading().read(token, ids[:1] * 300)
    ((good,),) = sql(made, "ledger", "SELECT hashes FROM tiles WHERE level=0 AND tile=0")
    assert isinstance(good, bytes)
    room, auditor = made.vault.auditing(), made.token("auditor")
    for bad in bits(good, 4):
        with edited(made, "ledger", "tiles", "hashes", bad, "level=0 AND tile=0"):
            with pytest.raises(Tampered):
                room.receipt(280)
            with pytest.raises(Tampered):
                room.export(auditor, tmp_path / "tiles")
    proof.check(room.receipt(280), room.stub(280), room.vkey)


def test_a_plans_items_cannot_be_edited(made: Made) -> None:
    """What is executed is what was approved: an item added, removed or turned stops the plan."""
    room, token = made.vault.erasing(), made.token("dpo")
    (first,) = made.ids(ROWS[:1])
    hold(made, first)
    plan = room.plan(token, as_of=date(2032, 1, 1))
    cell = edited(made, "ledger", "plan_items", "action", "erase", "record=?", [first])
    with cell, pytest.raises(Tampered):
        room.execute(token, plan.id, yes=True)
    sql(made, "ledger", "DELETE FROM plan_items WHERE record=?", [first])
    with pytest.raises(Tampered):
        room.execute(token, plan.id, yes=True)
    assert verdict(made, made.ids(ROWS[1:])[0]) == "data"
