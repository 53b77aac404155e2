"""The keys store: pending and live secrets, facts counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.stores.errors import Conflict, ShelfMoved
from vault.stores.keys import KeyStore
from vault.stores.rows import HeadKeyRow, SecretRow

from .making import secret, shelf, subject


@pytest.fixture
def filled(keys: KeyStore) -> KeyStore:
    """A store with two record shelves, a log shelf and one subject."""
    for row in (shelf("a"), shelf("b"), shelf("log", "log")):
        keys.add_shelf(row)
    keys.put_pending("main", [], [subject("s1")])
    return keys


def write(store: KeyStore, *rows: SecretRow) -> None:
    """Keep and confirm secrets of subject s1."""
    store.put_pending("main", rows, [])
    store.confirm("main", [(row.record, row.version, "s1", 1) for row in rows])


def test_a_record_is_fetched_once_confirmed(filled: KeyStore) -> None:
    """A pending secret opens nothing; once confirmed, one row holds the secret and the log secret."""
    filled.put_pending("main", [secret("r1")], [])
    assert filled.fetch("main", ["r1"]) == []
    assert [row.record for row in filled.pending("main")] == ["r1"]
    filled.confirm("main", [("r1", 1, "s1", 7)])
    assert filled.fetch("main", ["r1", "r1", "none"])[:1] == [
        HeadKeyRow(
            record="r1", version=1, subject="s1", facts_counter=7, facts_pending=None, shelf="a",
            generation=1, wrapped=b"r1/1", log_shelf="log", log_generation=1, log_wrapped=b"s1",
        )
    ]  # fmt: skip
    assert filled.pending("main") == []


def test_the_latest_live_version_is_fetched(filled: KeyStore) -> None:
    """A correction takes over when confirmed, not before; a late confirm of an older one changes nothing."""
    write(filled, secret("r1"))
    filled.put_pending("main", [secret("r1", 2), secret("r1", 3)], [])
    assert [row.version for row in filled.fetch("main", ["r1"])] == [1]
    filled.confirm("main", [("r1", 3, "s1", 2)])
    filled.confirm("main", [("r1", 2, "s1", 1)])
    assert [(r.version, r.facts_counter) for r in filled.fetch("main", ["r1"])] == [(3, 2)]
    assert sorted(row.version for row in filled.versions("main", ["r1"])) == [1, 2, 3]


def test_an_insert_fills_its_shelf_or_none(filled: KeyStore) -> None:
    """Secrets wrapped under an old shelf generation are refused, with everything beside them."""
    filled.put_pending("main", [secret("r1"), secret("r2")], [])
    found = filled.shelf("main", "a")
    assert found is not None
    assert found.count == 2
    with pytest.raises(ShelfMoved):
        filled.put_pending("main", [secret("r3"), secret("r4", on="b", generation=2)], [subject("s2")])
    assert filled.versions("main", ["r3", "r4"]) == []
    assert filled.subjects("main", ["s1", "s2"]) == [subject("s1")]
    assert filled.shelf("main", "a") == found


def test_a_second_log_secret_for_a_subject_is_refused(filled: KeyStore) -> None:
    """Two writers that meet the same new subject can't both give it a log secret."""
    with pytest.raises(Conflict):
        filled.put_pending("main", [secret("r1")], [subject("s1")])
    assert filled.versions("main", ["r1"]) == []


def test_sweeping_takes_only_what_is_late_and_pending(filled: KeyStore) -> None:
    """Live secrets and those within their deadline stay; a swept one can't be confirmed any more."""
    write(filled, secret("live"))
    filled.put_pending("main", [secret("late"), secret("early", deadline=200)], [])
    assert filled.sweep_pending("main", 100) == [("late", 1)]
    assert filled.sweep_pending("main", 100) == []
    with pytest.raises(Conflict):
        filled.confirm("main", [("early", 1, "s1", 1), ("late", 1, "s1", 1)])
    assert [row.record for row in filled.pending("main")] == ["early"]
    assert {row.record for row in filled.fetch("main", ["live", "early", "late"])} == {"live"}


def test_facts_counters_move_by_compare_and_swap(filled: KeyStore) -> None:
    """Of two writers that saw the same counter one goes on; the other learns that the record moved."""
    write(filled, secret("r1"), secret("r2"))
    assert filled.pend_facts("main", [("r1", 1, 2), ("r2", 9, 10), ("none", 1, 2)]) == {"r2", "none"}
    assert filled.pend_facts("main", [("r1", 1, 2)]) == {"r1"}
    assert [(r.facts_counter, r.facts_pending) for r in filled.fetch("main", ["r1"])] == [(1, 2)]
    filled.confirm_facts("main", [("r1", 2)])
    filled.confirm_facts("main", [("r1", 2)])
    assert [(r.facts_counter, r.facts_pending) for r in filled.fetch("main", ["r1"])] == [(2, None)]


def test_a_late_confirm_never_rolls_facts_back(filled: KeyStore) -> None:
    """A confirm that is tried again after the facts went on leaves the newer counter."""
    write(filled, secret("r1"))
    assert filled.pend_facts("main", [("r1", 1, 2)]) == set()
    filled.confirm_facts("main", [("r1", 2)])
    filled.confirm("main", [("r1", 1, "s1", 1)])
    assert [r.facts_counter for r in filled.fetch("main", ["r1"])] == [2]


def test_a_dead_writers_facts_can_be_passed(filled: KeyStore) -> None:
    """A higher counter supersedes an announcement, and the writer it passed can't confirm any more."""
    write(filled, secret("r1"))
    assert filled.pend_facts("main", [("r1", 1, 2)]) == set()
    assert filled.pend_facts("main", [("r1", 1, 3)]) == set()
    with pytest.raises(Conflict):
        filled.confirm_facts("main", [("r1", 2)])
    filled.confirm_facts("main", [("r1", 3)])
    assert [r.facts_counter for r in filled.fetch("main", ["r1"])] == [3]


def test_a_sweep_visits_the_pending_secrets_alone(tmp_path: Path) -> None:
    """Every write sweeps first: on SQLite it must not walk all secrets to find the few that are pending."""
    store = KeyStore.open(f"sqlite:///{tmp_path / 'keys.db'}")
    store.create()
    session = store.db.session()
    asked: list[str] = []
    session.driver.set_trace_callback(asked.append)
    assert store.pending("main") == []
    session.driver.set_trace_callback(None)
    plan = session.rows(f"EXPLAIN QUERY PLAN {asked[0]}")
    assert "secrets_pending" in plan[0][3]
    store.close()


def test_everybody_is_paged_in_order(filled: KeyStore) -> None:
    """All subjects by id, a page at a time, behind the one named; nobody of another tenant's."""
    filled.put_pending("main", [], [subject("s3"), subject("s2")])
    first = filled.everybody("main", "", 2)
    assert first == [subject("s1"), subject("s2")]
    assert filled.everybody("main", "s2", 2) == [subject("s3")]
    assert filled.everybody("main", "s3", 2) == filled.everybody("other", "", 2) == []


def test_who_was_closed_can_be_opened_again(filled: KeyStore) -> None:
    """A later closing's day stands, and one whose record is there after all has none."""
    filled.put_pending("main", [], [subject("s2")])
    filled.close_subjects("main", ["s1", "s2"], 5)
    filled.close_subjects("main", ["s2"], 9)
    filled.reopen_subjects("main", ["s1"])
    filled.reopen_subjects("main", [])
    assert [(row.subject, row.closed) for row in filled.closed_subjects("main", 9)] == [("s2", 9)]
