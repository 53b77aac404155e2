"""A log that was put back, cut short or rewritten stops the vault; a recovery begins another in its place."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Final

import psycopg
import pytest
from kit import Made, borrowers, make_vault, reopen, shown, sql

from vault.access.tokens import Credential, Limits
from vault.auditing import Question
from vault.config import Stores
from vault.crypto import mac
from vault.errors import ConfigError, Denied, Invalid, Tampered
from vault.ledger import checkpoint, proof
from vault.ledger.note import VKey
from vault.ledger.registry import Recovery, Request
from vault.merkle import Frontier, leaf_hash
from vault.model import Happening, Who, Whom
from vault.pruning import floor_of
from vault.recovering import Recovered

ROWS: Final = borrowers(2)
LONG: Final = Limits(ttl_us=12 * 3_600_000_000)
STORES: Final = ("records", "index", "keys", "ledger")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A vault with two borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    yield made
    made.vault.close()


def kept(made: Made, stores: tuple[str, ...] = STORES) -> Callable[[], None]:
    """Copy stores; gives what puts them back."""
    copy = made.outside / "backup"
    copy.mkdir()
    for name in stores:
        _copy(made.folder / f"{name}.db", copy / f"{name}.db")

    def back() -> None:
        for name in stores:
            _copy(copy / f"{name}.db", made.folder / f"{name}.db")

    return back


def _copy(source: Path, target: Path) -> None:
    """A database over another, as SQLite's own backup does it."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def grow(made: Made, reads: int = 3) -> int:
    """Read a few times, close; how many entries there are then."""
    token = made.token("legal")
    for _ in range(reads):
        shown(made.vault.reading().read(token, made.ids(ROWS[:1])))
    size = made.size()
    made.vault.close()
    return size


def stopped(made: Made) -> Tampered:
    """What a node that opens the vault is told before its first verb."""
    opened = reopen(made)
    with pytest.raises(Tampered) as refusal:
        opened.vault.reading().read(made_token(opened), ["r-1"])
    with pytest.raises(Tampered):
        opened.vault.auditing().checkpoint()  # nothing is signed either
    opened.vault.close()
    assert refusal.value.exit_code == 5
    return refusal.value


def made_token(made: Made) -> Credential:
    """A token, which takes the log."""
    return made.token("legal")


def recover(made: Made, **more: object) -> tuple[Made, Recovered]:
    """Recover, a second later, and open the vault anew."""
    opened = reopen(made)
    done = opened.vault.auditing().recover(
        opened.identity, reason="restored", evidence=made.outside / "evidence", **more
    )
    opened.vault.close()
    made.clock.advance(seconds=2)
    return reopen(made), done


def serves(made: Made) -> None:
    """Both borrowers are read, the log verifies, and each borrower's accesses are found."""
    ids = made.ids(ROWS)
    assert len(made.vault.reading().read(made.token("legal"), ids).items) == 2
    made.vault.auditing().walk()
    found = made.vault.auditing().balance(made.token("auditor"))
    assert (found.unexplained, found.missing) == (0, 0)
    for record in ids:
        lines = made.vault.auditing().ask(made.token("auditor"), Question(subject=record))
        assert {line.kind for line in lines} == {"read"}


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


def purge(made: Made) -> None:
    """Erase all that is due by 2032."""
    plan = made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)


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


def rewrite(made: Made, at: int) -> None:
    """Take an entry out of the tree's past with every key of the node: new stubs, head and checkpoint."""
    keys, t = made.vault.tenancy().keys, made.vault.tenancy()
    stubs = [bytes(s) for (s,) in sql(made, "ledger", "SELECT stub FROM entries ORDER BY idx")]
    stubs[at] = stubs[at].replace(b'"k":"', b'"k":"x', 1)
    frontier = Frontier()
    frontier.append_many([leaf_hash(stub) for stub in stubs])
    head = t.journal.sealed_head(frontier, 0, b"")
    made.vault.close()
    ((last_t, registry),) = sql(made, "ledger", "SELECT last_t, registry FROM head")
    head = t.journal.sealed_head(frontier, last_t, registry)
    sql(made, "ledger", "UPDATE entries SET stub=? WHERE idx=?", [stubs[at], at])
    sql(made, "ledger", "UPDATE head SET edge=?, mac=?", [head.edge, head.mac])
    point = checkpoint.Checkpoint(origin=keys.origin, size=frontier.size, root=frontier.root())
    sql(made, "ledger", "DELETE FROM checkpoints")
    note = checkpoint.sign(point, keys.log)
    sql(made, "ledger", "INSERT INTO checkpoints VALUES ('main',?,?)", [frontier.size, note])


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
