"""After a recovery, and beside one: tags, requests, other nodes, old copies, and PostgreSQL."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from kit import Made, make_vault, reopen, sql
from recoverkit import LONG, ROWS, STORES, grow, kept, recover, serves, stopped

from vault.config import Stores
from vault.crypto import mac
from vault.errors import ConfigError, Denied, Tampered
from vault.ledger.registry import Recovery, Request
from vault.model import Happening, Who, Whom
from vault.pruning import floor_of


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A vault with two borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


def test_a_ledger_from_before_a_recovery(made: Made) -> None:
    """Put back once more, it is the log before the last: refused, and recovered into the third."""
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    grow(made)
    back()
    made, _ = recover(made)
    serves(made)
    made.vault.close()
    back()
    for pin in ((made.folder / "keys/main.checkpoint").read_bytes(), None):
        if pin is None:
            (made.folder / "keys/main.checkpoint").unlink()
        stopped(made)
    shutil.rmtree(made.outside / "evidence")
    made, done = recover(made)
    assert done.origin.endswith("/3")
    assert done.archive == "main~2"
    serves(made)


def test_a_node_with_an_old_key_file_writes_nothing(made: Made) -> None:
    """A masked node's folder from before the recovery can't sign the new log under the old name."""
    made.vault.export_keys(made.identity, made.outside / "node", frozenset({"masked"}))
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    grow(made)
    back()
    made, _ = recover(made)
    node = type(made.vault).open(made.folder, keys=made.outside / "node", clock=made.clock)
    with pytest.raises(ConfigError, match="before its recovery"):
        node.reading().read(made.token("collector"), made.ids(ROWS))
    node.close()


def test_tags_go_on_in_another_generation(made: Made) -> None:
    """No tag of the new log is one that the old one has, or could have had in what was lost."""
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    grow(made)
    tags = {tag for (tag,) in sql(made, "ledger", "SELECT tag FROM entries WHERE tag<>x''")}
    back()
    made, _ = recover(made)
    serves(made)
    new = {tag for (tag,) in sql(made, "ledger", "SELECT tag FROM entries WHERE tenant='main' AND tag<>x''")}
    assert new
    assert tags
    assert not new & tags
    t = made.vault.tenancy()
    for (n,) in sql(made, "ledger", "SELECT n FROM counters WHERE tenant='main'"):
        assert n >> 32 == 16
    (subject,) = sql(made, "keys", "SELECT subject FROM subjects ORDER BY subject LIMIT 1")[0]
    handle = mac.handle(t.keys.handle_key, "subject", subject)
    assert t.stores.ledger.counter("main", handle) >> 32 == 16


def plain(tmp_path: Path) -> tuple[Made, Callable[[], None]]:
    """A vault that is no sandbox, of an admin and a data protection officer; its ledger can be put back."""
    made = make_vault(tmp_path, sandbox=False)
    made.others["dpo"] = made.vault.granting().add_principal(made.identity, name="b", roles=("dpo",))
    made.others["col"] = made.vault.granting().add_principal(made.identity, name="c", roles=("collector",))
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    made.vault.granting().add_principal(made.identity, name="d", roles=("collector",))
    made.vault.close()
    return made, back


def test_a_second_person_is_there(tmp_path: Path) -> None:
    """The policy asks another's yes for keys: an admin alone, twice, or with a collector isn't enough."""
    made, back = plain(tmp_path)
    back()
    for seconds in ([], [made.identity], [made.others["col"]]):
        with pytest.raises(Denied) as refusal:
            recover(made, seconds=seconds)
        assert refusal.value.code == "approval_required"
        assert not (made.folder / "keys/main.recovery").exists()
    with pytest.raises(Denied) as refusal:
        reopen(made).vault.auditing().recover(
            made.others["dpo"], reason="r", evidence=tmp_path / "e", seconds=[made.identity]
        )
    assert refusal.value.code == "role_denied"
    made, _ = recover(made, seconds=[made.others["dpo"]])
    row = made.vault.tenancy().journal.registry().find(Recovery, "log")
    assert row is not None
    assert row.approved == (made.others["dpo"].principal,)
    made.vault.auditing().walk()
    made.vault.close()


def test_open_requests_are_asked_for_again(made: Made) -> None:
    """An approval may have been spent in what was lost: it doesn't count in the new log."""
    made.vault.erasing().plan(made.token("dpo"))
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    grow(made)
    back()
    made, _ = recover(made)
    now = made.clock.now
    requests = made.vault.tenancy().journal.registry().all(Request)
    assert requests
    assert all(request.expires <= now for request in requests)
    assert made.vault.granting().plans() == []


def test_an_unreadable_registry_lets_nobody_act(made: Made) -> None:
    """Who may recover is in the registry; without one there is nobody, and the remedy says so."""
    grow(made)
    sql(made, "ledger", "UPDATE registry SET body=x'00' WHERE kind='principal'")
    with pytest.raises(Tampered, match="who may act"):
        recover(made)
    sql(made, "ledger", "DELETE FROM head")
    with pytest.raises(Tampered, match="who may act"):
        recover(made)
    assert not reopen(made).vault.auditing().examine().whole


def test_two_nodes_each_with_a_pin_of_its_own(made: Made) -> None:
    """A node whose pin lags serves; one that ran on through a recovery stops and leaves the new log alone."""
    other = reopen(made)
    token = made.token("legal", limits=LONG)
    made.vault.reading().read(token, made.ids(ROWS))
    other.vault.reading().read(token, made.ids(ROWS))
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    grow(made)
    back()
    made, _ = recover(made)
    with pytest.raises(Tampered):
        other.vault.reading().read(token, made.ids(ROWS))
    other.vault.close()  # what it had not kept yet is of the old log
    serves(made)
    assert made.reopened().vault.auditing().walk().signed > 0


def test_a_key_folder_that_cannot_be_written_stops_nothing(made: Made) -> None:
    """No pin is no reason to stop: the log goes on."""
    pins = made.vault.tenancy().journal.pins
    assert pins is not None
    pins.path = made.outside / "nowhere/main.checkpoint"
    size = grow(made)
    assert reopen(made).vault.auditing().walk().size == size


@pytest.mark.parametrize("bad", ["text", None, b"x"])
def test_an_entry_that_is_none(made: Made, bad: object) -> None:
    """Edited to anything at all: said by the check of entries, kept as it is, and left behind."""
    size = grow(made)
    signed = [n for (n,) in sql(made, "ledger", "SELECT size FROM checkpoints ORDER BY size")]
    sql(made, "ledger", "UPDATE entries SET stub=? WHERE idx=?", [bad if bad is not None else 7, size - 2])
    found = reopen(made).vault.auditing().examine()
    assert "entries" in [check.name for check in found.checks if not check.ok]
    assert found.good_size == max(n for n in signed if n <= size - 2)
    made, done = recover(made)
    serves(made)
    rest = (Path(done.evidence) / "remains.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in rest] == list(range(found.good_size, size))


def test_a_log_whose_first_entries_went_by_rule(made: Made) -> None:
    """What retention let go is no fault, before and after: the rest is examined, exported, and put aside."""
    one = Happening(kind="search", who=Who(actor="p-1", role="auditor", purpose="audit"), whom=Whom())
    made.vault.tenancy().journal.log(*[one] * 600)
    made.clock.advance(days=5 * 366 + 2)
    made.vault.auditing().prune(made.token("dpo"), entries=True)
    size = made.size()
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    made.vault.tenancy().journal.log(one)
    after = made.size()
    made.vault.close()
    back()
    assert stopped(made).index == size
    found = reopen(made).vault.auditing().examine()
    assert [check.name for check in found.checks if not check.ok] == ["pin"]
    assert (found.good_size, found.missing) == (size, (size, after - 1))
    made, done = recover(made)
    assert made.size() == 1
    assert floor_of(made.vault.tenancy().journal.registry()).entries == 0
    assert (Path(done.evidence) / "tile/entries/002.p").is_dir()
    assert not (Path(done.evidence) / "tile/entries/000").exists()
    made.vault.close()


class Shifted:
    """Copies of a ledger on PostgreSQL, as a DBA would make and put back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rows: dict[str, list[tuple[object, ...]]] = {}

    def keep(self) -> None:
        """Remember every row of every table."""
        with psycopg.connect(self.url) as connection:
            names = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))"
            ).fetchall()
            for (name,) in names:
                self.rows[name] = connection.execute(f"SELECT * FROM {name}").fetchall()

    def back(self) -> None:
        """Put them back."""
        with psycopg.connect(self.url) as connection:
            for name, rows in self.rows.items():
                connection.execute(f"TRUNCATE {name}")
                for row in rows:
                    connection.execute(f"INSERT INTO {name} VALUES ({','.join(['%s'] * len(row))})", row)


def test_the_same_on_postgresql(tmp_path: Path, pg: Callable[[], str]) -> None:
    """A ledger put back is noticed, recovered, and serves; the old rows lie aside."""
    urls = {name: pg() for name in STORES}
    made = make_vault(tmp_path, stores=Stores(**urls))
    made.load(ROWS)
    before = made.size()
    ledger = Shifted(urls["ledger"])
    made.vault.close()
    ledger.keep()
    made = reopen(made)
    grow(made)
    ledger.back()
    assert stopped(made).index == before
    made, _ = recover(made)
    serves(made)
    with psycopg.connect(urls["ledger"]) as connection:
        counted = connection.execute("SELECT tenant, count(*) FROM entries GROUP BY tenant").fetchall()
        assert dict(counted)["main~1"] == before
        assert connection.execute("SELECT count(*) FROM head WHERE tenant='main~1'").fetchone() == (1,)
    made.vault.close()


def test_a_store_can_be_read_while_the_vault_stands_still(made: Made) -> None:
    """Looking changes nothing: the dry run leaves every row as it was."""
    made.vault.close()
    back = kept(made, ("ledger",))
    made = reopen(made)
    grow(made)
    back()
    with closing(sqlite3.connect(made.folder / "ledger.db")) as connection:
        was = list(connection.iterdump())
    found = reopen(made).vault.auditing().examine()
    assert not found.whole
    assert [check.name for check in found.checks if not check.ok] == ["pin"]
    with closing(sqlite3.connect(made.folder / "ledger.db")) as connection:
        assert list(connection.iterdump()) == was
