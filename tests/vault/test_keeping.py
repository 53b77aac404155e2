"""Keeping: secrets on shelves, shelves under epochs, facts at their counter."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault, sql

from vault.crypto.ids import new_id
from vault.errors import Tampered, Unavailable
from vault.keeping import NewSecret, NewSubject
from vault.model import Facts
from vault.shelving import SHELF_CAPACITY

ROWS = borrowers(3)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Three borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    return made


def test_ids_are_random_and_short() -> None:
    """130 random bits in a form that can be read out; none in ten thousand comes twice."""
    ids = {new_id("r") for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(len(ident) == 28 and ident.startswith("r-") for ident in ids)


def test_shelves_fill_before_others_open(made: Made) -> None:
    """Secrets due in one month share shelves of at most 256; months never mix."""
    keeping, store = made.vault.tenancy().keeping, made.vault.stores.keys
    secrets = [
        NewSecret(record=f"r-{n}", version=1, due=f"2031-0{1 + n % 2}", secret=b"s" * 32) for n in range(600)
    ]
    keeping.keep(secrets, [])
    shelves = [s for s in store.shelves("main") if s.due.startswith("2031")]
    assert sorted((s.due, s.count) for s in shelves) == [
        ("2031-01", 44), ("2031-01", SHELF_CAPACITY), ("2031-02", 44), ("2031-02", SHELF_CAPACITY),
    ]  # fmt: skip


def test_rewrapping_spares_the_survivors(made: Made) -> None:
    """Erasing one record's secret re-wraps the others: they open, under a new shelf key."""
    keeping, store = made.vault.tenancy().keeping, made.vault.stores.keys
    ids = made.ids(ROWS)
    before = {r: keeping.record_secret(h.row) for r, h in keeping.fetch(ids).items()}
    (shelf,) = {h.row.shelf for h in keeping.fetch(ids).values()}
    old = store.shelf("main", shelf)
    assert old is not None
    keeping.rewrap(old, {ids[0]})
    after = keeping.fetch(ids)
    assert set(after) == set(ids[1:])
    assert all(keeping.record_secret(h.row) == before[r] for r, h in after.items())
    new = store.shelf("main", shelf)
    assert new is not None
    assert (new.generation, new.wrapped != old.wrapped) == (old.generation + 1, True)


def test_facts_follow_their_counter(made: Made) -> None:
    """A change of facts is announced, written and confirmed; two changes from one reading conflict."""
    keeping, ids = made.vault.tenancy().keeping, made.ids(ROWS)
    held = keeping.fetch(ids)[ids[0]]
    keeping.set_facts([(held, msgspec.structs.replace(held.facts, state="RESTRICTED"))])
    assert keeping.fetch(ids)[ids[0]].facts.state == "RESTRICTED"
    with pytest.raises(Unavailable):
        keeping.set_facts([(held, Facts())])


def test_a_crash_between_leaves_one_valid_state(made: Made) -> None:
    """Announced but not written, or written but not confirmed: the old facts hold, and can be changed."""
    tenancy, ids = made.vault.tenancy(), made.ids(ROWS)
    keeping, held = tenancy.keeping, tenancy.keeping.fetch(ids)[ids[0]]
    tenancy.stores.keys.pend_facts("main", [(ids[0], held.row.facts_counter, held.next_counter)])
    assert keeping.fetch(ids)[ids[0]].facts == held.facts
    changed = msgspec.structs.replace(held.facts, state="RESTRICTED")
    row = keeping.facts_row(ids[0], held.row.subject, held.kind, held.next_counter, changed)
    tenancy.stores.records.put_facts([row])
    assert keeping.fetch(ids)[ids[0]].facts == held.facts
    again = keeping.fetch(ids)[ids[0]]
    keeping.set_facts([(again, changed)])
    assert keeping.fetch(ids)[ids[0]].facts == changed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE facts SET body = replace(body, 'ACTIVE', 'RESTRICTED')",
        "UPDATE facts SET counter = counter + 1",
        "UPDATE facts SET subject = 's-other'",
        "UPDATE facts SET kind = 'loan'",
        "DELETE FROM facts",
    ],
)
def test_edited_facts_are_refused(made: Made, statement: str) -> None:
    """Facts edited, moved or dropped beside the vault are reported, never followed."""
    ids = made.ids(ROWS)
    sql(made, "records", f"{statement} WHERE record = ?", (ids[0],))
    with pytest.raises(Tampered):
        made.vault.tenancy().keeping.fetch(ids)


def test_a_rolled_back_fact_is_refused(made: Made) -> None:
    """An old row of facts put back does not hold: its counter is not the one `keys` knows."""
    keeping, ids = made.vault.tenancy().keeping, made.ids(ROWS)
    old = sql(made, "records", "SELECT * FROM facts WHERE record = ?", (ids[0],))[0]
    for state in ("RESTRICTED", "ACTIVE", "RESTRICTED"):
        held = keeping.fetch(ids)[ids[0]]
        keeping.set_facts([(held, msgspec.structs.replace(held.facts, state=state))])
    sql(made, "records", "DELETE FROM facts WHERE record = ?", (ids[0],))
    sql(made, "records", f"INSERT INTO facts VALUES ({','.join('?' * len(old))})", old)
    with pytest.raises(Tampered):
        keeping.fetch(ids)


def test_subjects_keep_their_log_secret(made: Made) -> None:
    """A log secret comes back by record, by subject and by shelf, always the same."""
    keeping = made.vault.tenancy().keeping
    keeping.keep([], [NewSubject(subject="s-new", secret=b"n" * 32)])
    assert keeping.log_secrets(["s-new"]) == {"s-new": b"n" * 32}
    ids = made.ids(ROWS)
    held = keeping.fetch(ids)[ids[0]]
    secret = keeping.log_secret(held.row)
    assert keeping.log_secrets([held.row.subject]) == {held.row.subject: secret}
    assert (held.row.subject, secret) in keeping.log_shelf(held.row.log_shelf)


def test_epochs_move_and_die(made: Made) -> None:
    """Shelf keys move to the new epoch; the old one is destroyed after its grace and not while it is used."""
    keeping, store = made.vault.tenancy().keeping, made.vault.stores.keys
    ids = made.ids(ROWS)
    assert keeping.current_epoch() == 1
    keeping.new_epoch()
    keeping.retire_epochs(0)
    with pytest.raises(Unavailable):
        keeping.destroy_due_epochs()
    assert keeping.move_to_current_epoch() == len(store.shelves("main"))
    assert keeping.destroy_due_epochs() == [1]
    assert keeping.destroy_due_epochs() == []
    fresh = made.reopened()
    assert fresh.vault.reading().read(fresh.token("legal"), ids).items


def test_a_version_turned_back_is_refused(made: Made) -> None:
    """Pointing the key store at a superseded version doesn't bring it back: the facts know the newest."""
    (record,) = made.ids(ROWS[:1])
    made.load([ROWS[0] | {"手机": "13911112222"}])
    assert made.vault.tenancy().keeping.fetch([record])[record].row.version == 2
    sql(made, "keys", "UPDATE latest SET version = 1 WHERE record = ?", (record,))
    with pytest.raises(Tampered, match="older version"):
        made.vault.tenancy().keeping.fetch([record])
