"""Connections: pragmas, file modes, the error border, retries, and that deleted bytes are gone."""

from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from vault.errors import Invalid, LogUnavailable, Tampered, Unavailable, VaultError
from vault.stores import engine
from vault.stores.engine import Session
from vault.stores.errors import Conflict
from vault.stores.keys import KeyStore
from vault.stores.ledger import LedgerStore
from vault.stores.records import RecordStore

from .making import entry, fact, head, payload, secret, shelf

CANARY = "canary-13800138000"


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[RecordStore]:
    """A records store on SQLite."""
    store = RecordStore.open(f"sqlite:///{tmp_path}/records.db")
    store.create()
    yield store
    store.close()


def text(error: BaseException) -> str:
    """All that a log would show of an error."""
    shown = "".join(traceback.format_exception(error))
    details = vars(error) if isinstance(error, VaultError) else {}
    return f"{shown} {details} {error!r}"


def test_every_connection_has_the_pragmas(lite: RecordStore) -> None:
    """Each thread's own connection is durable, overwrites what it deletes and waits for locks."""
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }
    wanted["temp_store"] = 2
    found: list[dict[str, object]] = []

    def ask() -> None:
        session = lite.db.session()
        found.append({name: session.rows(f"PRAGMA {name}")[0][0] for name in wanted})

    for _ in range(2):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert found == [wanted, wanted]


def test_files_are_the_owners_alone(lite: RecordStore, tmp_path: Path) -> None:
    """The database, its log and its shared memory have mode 0600."""
    lite.insert([payload("r1")], [fact("r1")])
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"records.db": 0o600, "records.db-wal": 0o600, "records.db-shm": 0o600}


def test_a_missing_file_is_not_made_by_reading(tmp_path: Path) -> None:
    """Opening a wrong path fails and leaves nothing behind."""
    store = RecordStore.open(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(Unavailable):
        store.facts("main", ["r1"])
    assert list(tmp_path.iterdir()) == []


def test_an_error_never_shows_a_value(records: RecordStore) -> None:
    """A refused row, a value the engine can't hold: neither message, details nor traceback show it."""
    records.insert([payload(CANARY)], [])
    for attempt in (
        lambda: records.insert([payload(CANARY)], []),
        lambda: records.insert([payload("r", version=CANARY)], [fact(CANARY, counter=2**70)]),  # type: ignore[arg-type]
        lambda: records.facts("main", [CANARY + "\ud800"]),
        lambda: records.insert([payload("r2", CANARY, version=2**70)], []),
    ):
        with pytest.raises((Conflict, Invalid)) as raised:
            attempt()
        assert CANARY not in text(raised.value)
    assert [row.record for row in records.fetch("main", [CANARY], ["masked"])] == [CANARY]


def test_a_missing_table_is_no_value_either(store_url: Callable[[str], str]) -> None:
    """A statement that the engine refuses outright shows no part of itself."""
    store = LedgerStore.open(store_url("ledger"))
    store.create()
    store.db.write(lambda session: session.change("DROP TABLE entries"))
    with pytest.raises(LogUnavailable) as raised, store.transaction("main") as tx:
        tx.append([entry(0, actor=CANARY)], [], [])
    assert CANARY not in text(raised.value)
    store.close()


def test_a_read_only_log_is_unavailable(tmp_path: Path) -> None:
    """A ledger opened to read answers questions and refuses to be written."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    store = LedgerStore.open(url)
    store.create()
    reader = LedgerStore.open(url + "?mode=ro")
    reader.check()
    with pytest.raises(LogUnavailable), reader.transaction("main") as tx:
        tx.set_head(head(1))
    assert reader.head("main") is None
    reader.close()
    store.close()


def test_a_swallowed_failure_is_not_committed(store_url: Callable[[str], str]) -> None:
    """A caller that goes on after a refused statement commits nothing: the log fails closed."""
    store = LedgerStore.open(store_url("ledger"))
    store.create()

    def swallowing() -> None:
        with store.transaction("main") as tx:
            tx.append([entry(0)], [], [])
            with pytest.raises(LogUnavailable):
                tx.append([entry(0)], [], [])

    with pytest.raises(LogUnavailable):
        swallowing()
    assert store.entries("main", 0, 9) == []
    with store.transaction("main") as tx:
        tx.append([entry(0)], [], [])
    assert len(store.entries("main", 0, 9)) == 1
    store.close()


def test_a_full_disk_is_unavailable_and_undone(tmp_path: Path) -> None:
    """When the engine runs out of room, the transaction is undone and the next one goes on."""
    store = LedgerStore.open(f"sqlite:///{tmp_path}/ledger.db")
    store.create()
    store.db.session().rows("PRAGMA max_page_count=60")
    with pytest.raises(LogUnavailable), store.transaction("main") as tx:
        tx.append([entry(n, stub=CANARY.encode() * 200) for n in range(300)], [], [])
    with store.transaction("main") as tx:
        tx.append([entry(0)], [], [])
    assert [row.idx for row in store.entries("main", 0, 9)] == [0]
    store.close()


def test_a_locked_log_is_unavailable(tmp_path: Path) -> None:
    """While another process holds the file for long, the log says so and writes nothing."""
    file = tmp_path / "ledger.db"
    store = LedgerStore.open(f"sqlite:///{file}")
    store.create()
    store.db.session().rows("PRAGMA busy_timeout=50")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable), store.transaction("main"):
        pytest.fail("the lock is held by another")
    other.execute("ROLLBACK")
    other.close()
    with store.transaction("main") as tx:
        tx.set_head(head(1))
    store.close()


def test_a_damaged_file_is_tampered(lite: RecordStore, tmp_path: Path) -> None:
    """Pages that are not what SQLite wrote are an integrity failure, not an outage."""
    lite.insert([payload(f"r{n:03}") for n in range(500)], [])
    lite.truncate()
    lite.close()
    file = tmp_path / "records.db"
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (file.stat().st_size - 4096))
    with pytest.raises(Tampered):
        lite.fetch("main", ["r001"], ["masked"])
    file.write_bytes(b"not a database" * 1000)
    lite.close()
    with pytest.raises(Tampered):
        lite.fetch("main", ["r001"], ["masked"])


def test_truncate_demands_an_empty_log(lite: RecordStore, tmp_path: Path) -> None:
    """A reader that holds the write-ahead log open is an error, for deleted bytes would stay in it."""
    lite.insert([payload("r1")], [fact("r1")])
    reader = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM payloads").fetchall()
    lite.db.session().rows("PRAGMA busy_timeout=50")
    lite.delete("main", ["r1"])
    with pytest.raises(Unavailable):
        lite.truncate()
    reader.close()
    lite.truncate()
    assert (tmp_path / "records.db-wal").stat().st_size == 0


def test_erased_bytes_leave_the_files(tmp_path: Path) -> None:
    """After a re-wrap and a truncate, no byte of the old wrappings is left in any file of the store."""
    store = KeyStore.open(f"sqlite:///{tmp_path}/keys.db")
    store.create()
    store.add_shelf(shelf("a"))
    rows = [secret(f"record{n}") for n in range(200)]
    store.put_pending("main", rows, [])
    store.truncate()
    assert b"record7/1" in (tmp_path / "keys.db").read_bytes()
    store.rewrap("main", "a", 1, {row.record for row in rows}, lambda row, kept: (row, kept))
    store.truncate()
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not [row.record for row in rows if row.wrapped in left]
    assert b"key of a" not in left
    store.close()


def test_postgres_runs_a_failed_transaction_again(pg: Callable[[], str]) -> None:
    """A deadlock's victim is run again, whole; both transactions end well."""
    store = RecordStore.open(pg())
    store.create()
    store.put_facts([fact("r1"), fact("r2")])
    meet = threading.Barrier(2)
    tries: list[str] = []

    def cross(first: str, second: str) -> None:
        def work(session: Session) -> None:
            tries.append(first)
            session.change("UPDATE facts SET kind = kind || %s WHERE record = %s", ["x", first])
            if len(tries) <= 2:
                meet.wait(timeout=20)
            session.change("UPDATE facts SET kind = kind || %s WHERE record = %s", ["y", second])

        store.db.write(work)

    threads = [threading.Thread(target=cross, args=pair) for pair in (("r1", "r2"), ("r2", "r1"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(tries) == 3
    assert all(sorted(row.kind[-2:]) == ["x", "y"] for row in store.facts("main", ["r1", "r2"]))
    store.close()


def test_retries_are_bounded(pg: Callable[[], str]) -> None:
    """A transaction that the engine always gives up is an outage in the end."""
    store = RecordStore.open(pg())
    store.create()
    tries: list[int] = []

    def work(session: Session) -> None:
        tries.append(1)
        session.change("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")

    with pytest.raises(Unavailable):
        store.db.write(work)
    assert len(tries) == engine.ATTEMPTS
    store.close()


def test_a_lost_connection_is_opened_again(pg: Callable[[], str]) -> None:
    """When the server ends an idle connection, a transaction goes on with a new one."""
    store = LedgerStore.open(url := pg())
    store.create()
    ((pid,),) = store.db.session().rows("SELECT pg_backend_pid()")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with store.transaction("main") as tx:
        tx.set_head(head(1))
    assert store.head("main") == head(1)
    store.close()


def test_tag_queries_use_their_index(tmp_path: Path) -> None:
    """A borrower's report probes the tag index instead of walking the log."""
    store = LedgerStore.open(f"sqlite:///{tmp_path}/ledger.db")
    store.create()
    sql = "EXPLAIN QUERY PLAN SELECT idx FROM entries WHERE tenant = ? AND block IN (0, 1) AND tag IN (?, ?)"
    plan = store.db.session().rows(sql + " ORDER BY idx + 0", ["main", b"a", b"b"])
    assert "INDEX entries_tag (tenant=? AND block=? AND tag=?)" in plan[0][3]
    store.close()
