"""The records store, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from vault.stores.errors import Conflict
from vault.stores.records import RecordStore

from .making import fact, payload

ALL = ["masked", "contact", "identity"]


def test_fetch_gives_the_rows_asked_for(records: RecordStore) -> None:
    """Only the named records' named compartments come back, byte for byte, of every version."""
    rows = [payload(f"r{n}", c, v) for n in range(7) for c in ALL for v in (1, 2)]
    records.insert(rows, [fact(f"r{n}") for n in range(7)])
    found = records.fetch("main", ["r1", "r5", "r3", "none"], ["masked", "contact"])
    wanted = [r for r in rows if r.record in {"r1", "r3", "r5"} and r.compartment != "identity"]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    assert records.fetch("main", [], ["masked"]) == []
    assert records.fetch("main", ["r1"], []) == []


def test_fetch_of_more_than_fits_one_statement(records: RecordStore) -> None:
    """A list longer than the longest statement is cut, and nothing is lost."""
    names = [f"r{n:04}" for n in range(1300)]
    records.insert([payload(name) for name in names], [fact(name) for name in names])
    assert sorted(row.record for row in records.fetch("main", names, ["masked"])) == names
    assert sorted(row.record for row in records.facts("main", names)) == names


def test_insert_is_one_transaction(records: RecordStore) -> None:
    """If one row of an insert is there already, none of its rows is added."""
    records.insert([payload("r1")], [fact("r1")])
    with pytest.raises(Conflict):
        records.insert([payload("r2")], [fact("r2"), fact("r1")])
    assert records.fetch("main", ["r2"], ["masked"]) == []
    assert records.facts("main", ["r2"]) == []


def test_tenants_do_not_meet(records: RecordStore) -> None:
    """The same record id in two tenants is two records."""
    records.insert(
        [payload("r1"), payload("r1", tenant="b", subject="s9")], [fact("r1"), fact("r1", tenant="b")]
    )
    assert records.delete("b", ["r1"]) == 1
    assert [row.subject for row in records.fetch("main", ["r1"], ["masked"])] == ["s1"]
    assert records.fetch("b", ["r1"], ["masked"]) == []


def test_facts_are_kept_by_counter_until_dropped(records: RecordStore) -> None:
    """New facts stand beside the old ones; dropping takes those below the counter named."""
    records.put_facts([fact("r1", n) for n in (1, 2, 3)])
    again = fact("r1", 3, kind="loan")
    records.put_facts([again])
    records.drop_facts("main", [("r1", 3)])
    assert records.facts("main", ["r1"]) == [again]


def test_scans_page_through_whole_records(records: RecordStore) -> None:
    """Paging by record id meets every row once and never parts a record's rows."""
    names = sorted(f"r{n}" for n in range(11))
    records.insert([payload(r, c) for r in names for c in ALL], [fact(r, n) for r in names for n in (1, 2)])
    seen, after = [], ""
    while page := records.scan_payloads("main", after, 4):
        assert len(page) % len(ALL) == 0
        seen += [row.record for row in page]
        after = page[-1].record
    assert seen == [r for r in names for _ in ALL]
    assert [(r.record, r.counter) for r in records.scan_facts("main", names[8], 9)] == [
        (r, n) for r in names[9:] for n in (1, 2)
    ]


def test_subject_count_and_delete(records: RecordStore) -> None:
    """A subject's records are found and counted, and deleting them takes payloads and facts."""
    records.insert(
        [payload(r, c) for r in ("r1", "r2") for c in ALL],
        [fact("r1"), fact("r2", kind="loan"), fact("r2", 2, kind="loan"), fact("r3", subject="s2")],
    )
    assert records.of_subject("main", "s1") == ["r1", "r2"]
    assert (records.count("main"), records.count("main", "loan")) == (3, 1)
    assert records.delete("main", ["r1", "r2"]) == 6
    assert records.of_subject("main", "s1") == []
    assert records.count("main") == 1
    assert records.delete("main", []) == 0
