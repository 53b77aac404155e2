"""If the log can't be written, no data comes out (promise 2): every verb, every way it can fail."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from kit import Made, borrower, borrowers, make_vault, promise, reopen, shown, sql

from vault.access.tokens import Credential, Limits
from vault.auditing import Question
from vault.errors import LogUnavailable, Tampered, Unavailable, VaultError
from vault.model import Hold
from vault.stores import engine
from vault.stores.engine import Session

ROWS: Final = borrowers(4)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits for the lock for a moment only, so that the tests needn't."""
    hasty = [re.sub(r"busy_timeout=\d+", "busy_timeout=50", pragma) for pragma in engine.PRAGMAS]
    monkeypatch.setattr(engine, "PRAGMAS", hasty)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A vault with four borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


# --- levers -------------------------------------------------------------------------------------------


def ledger(made: Made) -> Session:
    """This thread's connection to the ledger, as the vault uses it."""
    return made.vault.tenancy().stores.ledger.db.session()


@contextmanager
def full(made: Made) -> Iterator[None]:
    """The disk is full as far as the ledger goes: the file may not grow by a page."""
    session = ledger(made)
    ((pages,),) = session.rows("PRAGMA page_count")
    session.rows(f"PRAGMA max_page_count={pages}")
    yield
    session.rows("PRAGMA max_page_count=1000000")


@contextmanager
def locked(made: Made) -> Iterator[None]:
    """Somebody else holds the write lock for longer than the vault waits."""
    with closing(sqlite3.connect(made.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def no_commit(made: Made) -> Iterator[None]:
    """Everything works up to the COMMIT, which fails on a reference that is checked no earlier."""
    sql(made, "ledger", "CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    sql(made, "ledger", "CREATE TABLE child (p REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)")
    sql(made, "ledger", "CREATE TRIGGER odd AFTER INSERT ON entries BEGIN INSERT INTO child VALUES (1); END")
    yield
    sql(made, "ledger", "DROP TRIGGER odd")


@contextmanager
def no_entries(made: Made) -> Iterator[None]:
    """The table of entries takes no row."""
    raising = "CREATE TRIGGER odd BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'odd'); END"
    sql(made, "ledger", raising)
    yield
    sql(made, "ledger", "DROP TRIGGER odd")


@contextmanager
def gone(made: Made) -> Iterator[None]:
    """The ledger's file is moved away under the open vault."""
    path = made.folder / "ledger.db"
    path.rename(made.outside / "elsewhere.db")
    yield
    (made.outside / "elsewhere.db").rename(path)


LEVERS: Final[dict[str, Callable[[Made], AbstractContextManager[None]]]] = {
    "locked": locked, "no commit": no_commit, "no entries": no_entries, "gone": gone,
}  # fmt: skip


def verbs(made: Made) -> dict[str, Callable[[], object]]:
    """Every verb that discloses, stores, erases or grants, ready to be called with a token issued before."""
    ids = made.ids(ROWS)
    roles = ("collector", "legal", "importer", "auditor", "dpo")
    token = {role: made.token(role) for role in roles} | {"person": made.token("dpo", "subject_request")}
    read, erase = made.vault.reading(), made.vault.erasing()
    plan = erase.plan(token["dpo"], as_of=date(2032, 1, 1))
    file = made.file(borrowers(2, first=50), "more.csv")
    imported = partial(made.vault.writing().import_file, token["importer"], file, kind="borrower")
    return {
        "read": lambda: read.read(token["legal"], ids),
        "read missing": lambda: read.read(token["legal"], ["r-none"]),
        "read denied": lambda: read.read(token["collector"], ids, fields=("id_number",)),
        "read async": lambda: asyncio.run(read.read_async(token["legal"], ids)),
        "find": lambda: read.find(token["legal"], field="phone", value=ROWS[0]["手机"]),
        "find nothing": lambda: read.find(token["legal"], field="phone", value="13600000000"),
        "list": lambda: read.list_records(token["legal"], kind="loan"),
        "import": lambda: imported(report=made.outside / "report.jsonl"),
        "write": lambda: made.vault.writing().write(token["person"], [promise(1, 0)]),
        "ask": lambda: made.vault.auditing().ask(token["auditor"], Question()),
        "export": lambda: made.vault.auditing().export(token["auditor"], made.outside / "tiles"),
        "plan": lambda: erase.plan(token["dpo"], as_of=date(2032, 1, 1)),
        "execute": lambda: erase.execute(token["dpo"], plan.id, yes=True),
        "hold": lambda: erase.add_hold(
            token["dpo"], ids, Hold(number="H", authority="法院", until="2050-01-01")
        ),
        "issue": lambda: made.token("legal"),
        "add": lambda: made.vault.granting().add_principal(made.identity, name="某人", roles=("legal",)),
    }


@pytest.mark.parametrize("lever", LEVERS)
def test_nothing_comes_out_while_the_log_cannot_be_written(made: Made, lever: str) -> None:
    """Every verb fails with `log_unavailable`, exit 7; nothing was stored, erased or entered."""
    calls, before = verbs(made), made.size()
    came: dict[str, str] = {}
    with LEVERS[lever](made):
        for name, verb in calls.items():
            try:
                verb()
            except VaultError as error:
                came[name] = f"{type(error).__name__} {error.exit_code} {error.code}"
            else:
                came[name] = "came out"
    assert came == dict.fromkeys(calls, "LogUnavailable 7 log_unavailable")
    made = made.reopened()
    assert made.size() == before or lever == "gone"  # there entries were written, and nothing released
    ids = made.ids(ROWS)
    assert len(made.vault.reading().read(made.token("legal"), ids).items) == 4
    ((records,),) = sql(made, "keys", "SELECT count(*) FROM latest")
    assert records == 12
    assert made.vault.erasing().holds(made.token("dpo")) == []


def read_until_refused(made: Made, token: Credential, ids: list[str]) -> int:
    """Read until the log takes no more; how many records were released by then."""
    released = 0
    try:
        for _ in range(2000):
            released += len(made.vault.reading().read(token, ids).items)
    except LogUnavailable:
        return released
    raise AssertionError("the log never ran full")


def test_nothing_comes_out_on_a_full_disk(made: Made) -> None:
    """While the ledger can't grow reads end in `log_unavailable`, and the log is whole afterwards."""
    ids, token = made.ids(ROWS), made.token("legal")
    made.vault.auditing().walk()
    with full(made):
        released = read_until_refused(made, token, ids)
    entries = sql(made, "ledger", "SELECT count(*) FROM entries WHERE kind='read'")
    assert entries == [(released,)]
    made = made.reopened()
    made.vault.auditing().walk()
    assert len(made.vault.reading().read(token, ids).items) == 4


@pytest.mark.nightly
def test_nothing_comes_out_on_a_full_filesystem(tmp_path: Path) -> None:
    """The same on a real file system without room, where one may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        made = make_vault(disk)
        made.load(ROWS)
        ids, token = made.ids(ROWS), made.token("legal")
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - 64 * 1024))
        released = read_until_refused(made, token, ids)
        filler.unlink()
        made = made.reopened()
        made.vault.auditing().walk()
        assert sql(made, "ledger", "SELECT count(*) FROM entries WHERE kind='read'") == [(released,)]
        made.vault.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_ledger_discloses_nothing(made: Made) -> None:
    """A vault whose settings open the ledger read-only refuses every read."""
    token, ids = made.token("legal"), made.ids(ROWS)
    made.vault.close()
    settings = made.folder / "vault.toml"
    settings.write_text(settings.read_text().replace("ledger.db", "ledger.db?mode=ro"))
    made = reopen(made)
    with pytest.raises(LogUnavailable):
        made.vault.reading().read(token, ids)


def test_a_replaced_ledger_is_noticed_before_data_comes_out(made: Made) -> None:
    """A read whose entry went into a file that no longer stands in its place is not released."""
    token, ids, path = made.token("legal"), made.ids(ROWS), made.folder / "ledger.db"
    made.vault.reading().read(token, ids)
    shutil.copy(path, made.outside / "copy.db")
    path.rename(made.outside / "kept.db")
    (made.outside / "copy.db").rename(path)
    with pytest.raises(LogUnavailable):
        made.vault.reading().read(token, ids)


@pytest.mark.parametrize(
    ("store", "table"),
    [("ledger", "head"), ("ledger", "bodies"), ("ledger", "nodes"), ("ledger", "counters")],
)
def test_a_broken_ledger_discloses_nothing(made: Made, store: str, table: str) -> None:
    """A dropped table of the log stops every read."""
    token, ids = made.token("legal"), made.ids(ROWS)
    sql(made, store, f"DROP TABLE {table}")
    with pytest.raises((LogUnavailable, Tampered)):
        made.vault.reading().read(token, ids)


@pytest.mark.parametrize("store", ["records", "keys", "index"])
def test_another_store_that_fails_is_unavailable_and_said_so(made: Made, store: str) -> None:
    """A store that can't answer gives `unavailable`, exit 7, and no data from the others."""
    token = made.token("legal")
    ids = made.ids(ROWS)
    table = {"records": "payloads", "keys": "secrets", "index": "blind"}[store]
    sql(made, store, f"DROP TABLE {table}")
    read = partial(made.vault.reading().read, token, ids)
    find = partial(made.vault.reading().find, token, field="phone", value=ROWS[0]["手机"])
    with pytest.raises(Unavailable) as caught:
        (find if store == "index" else read)()
    assert caught.value.exit_code == 7


def test_uses_are_not_spent_by_a_read_that_was_not_released(made: Made) -> None:
    """A use that the log could not take is still there afterwards."""
    token, ids = made.token("legal", limits=Limits(max_uses=1)), made.ids(ROWS)
    with no_commit(made), pytest.raises(LogUnavailable):
        made.vault.reading().read(token, ids[:1])
    assert shown(made.vault.reading().read(token, ids[:1])).record == ids[0]


def test_an_unlogged_import_is_not_seen(made: Made) -> None:
    """Rows whose entry could not be written are neither read nor found nor listed, then or later."""
    legal, importer = made.token("legal"), made.token("importer")
    file = made.file([borrower(60)], "one.csv")
    with no_commit(made), pytest.raises(LogUnavailable):
        made.vault.writing().import_file(importer, file, kind="borrower", report=made.outside / "r.jsonl")
    room = made.vault.reading()
    assert room.find(legal, field="phone", value=borrower(60)["手机"]).items == []
    assert len(room.list_records(legal, kind="loan").items) == 4
    made.clock.advance(seconds=31)
    made.vault.writing().sweep()
    assert sql(made, "keys", "SELECT count(*) FROM secrets WHERE status='pending'") == [(0,)]
    made.load([borrower(60)])
    assert len(room.find(made.token("legal"), field="phone", value=borrower(60)["手机"]).items) == 1


def test_a_clock_behind_the_log_stops_the_node(made: Made) -> None:
    """A node more than two seconds behind the last entry releases nothing."""
    token, ids = made.token("legal"), made.ids(ROWS)
    made.clock.advance(seconds=-3)
    with pytest.raises(Unavailable) as caught:
        made.vault.reading().read(token, ids)
    assert caught.value.exit_code == 7
