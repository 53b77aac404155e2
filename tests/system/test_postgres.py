"""The whole vault on four PostgreSQL databases: the same workload, the same promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Final

import psycopg
import pytest
from kit import Made, borrowers, make_vault, shown, values

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.config import Stores
from vault.errors import Denied, LogUnavailable, Tampered, VaultError
from vault.ledger import proof
from vault.model import Hold

ROWS: Final = borrowers(6)


@pytest.fixture
def stores(pg: Callable[[], str]) -> Stores:
    """Four empty databases."""
    return Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())


@pytest.fixture
def made(tmp_path: Path, stores: Stores) -> Iterator[Made]:
    """A vault on them, with six borrowers."""
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    yield made
    made.vault.close()


def run(url: str, statement: str, *given: object) -> None:
    """A statement as the store's DBA would run it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode(), given)


def count(url: str, statement: str) -> int:
    """One number from a store."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_the_settings_name_the_four_databases(made: Made, stores: Stores) -> None:
    """The URLs given at init stand in vault.toml, and a vault opened later uses them."""
    again = made.reopened()
    assert again.vault.config.settings.stores == stores
    assert not list(made.folder.glob("*.db"))
    again.vault.close()


def test_an_auditors_questions_on_postgresql(made: Made, stores: Stores) -> None:
    """Lists, counts, a value that was looked up and a month's summary; changed counts are found."""
    reading, room, auditor = made.vault.reading(), made.vault.auditing(), made.token("auditor")
    reading.find(made.token("legal"), field="phone", value=ROWS[0]["手机"])
    reading.read(made.token("collector"), made.ids(ROWS)[:2])
    with pytest.raises(Denied):
        reading.read(made.token("collector"), made.ids(ROWS)[:1], fields=("bank_card",))
    (line,) = room.ask(auditor, Question(view="clear", role="legal", kind="read"))
    assert room.ask(auditor, Question(view="clear", subject=line.record)) == [line]
    assert [(c.word, c.people) for c in room.top(auditor, by="role", distinct=True)] == [
        ("collector", 2), ("legal", 1),
    ]  # fmt: skip
    assert [(c.word, c.count) for c in room.refusals(auditor)] == [("field_denied", 1)]
    assert [(o.times, o.hit) for o in room.looked_up(auditor, "phone", ROWS[0]["手机"])] == [(1, 1)]
    found = room.summarise(auditor)
    assert (found.reads, found.clear, found.readers) == (3, 1, 1)
    assert found.off_hours == room.off_hours(auditor).night
    run(stores.ledger, "UPDATE tallies SET n = 9 WHERE kind = 'read'")
    with pytest.raises(Tampered):
        room.check_tallies()
    room.retally(auditor)
    assert room.check_tallies() > 0


def test_the_whole_way_on_postgresql(made: Made, stores: Stores) -> None:
    """Import, read, find, list, deny, hold, plan, execute, certify, ask and verify."""
    again = made.load([ROWS[0] | {"电子邮箱": "changed@example.com"}])
    assert (again.stored, again.unchanged) == ({"borrower": 1}, 2)
    room, legal, ids = made.vault.reading(), made.token("legal"), made.ids(ROWS)
    found = room.find(legal, field="phone", value=ROWS[0]["手机"])
    assert values(shown(found))["email"] == "changed@example.com"
    assert len(room.list_records(legal, kind="loan", where="product=消费贷").items) == 6
    with pytest.raises(Denied):
        room.read(made.token("collector"), ids, fields=("id_number",))
    erase, dpo = made.vault.erasing(), made.token("dpo")
    erase.add_hold(dpo, ids[:1], Hold(number="H-1", authority="法院", until="2050-01-01"))
    done = erase.execute(dpo, erase.plan(dpo, as_of=date(2032, 1, 1)).id, yes=True)
    assert (done.erased, done.restricted) == (17, 1)
    left = room.read(legal, ids)
    assert [item.record for item in left.items] == ids[:1]
    listed = 2 * 5 + 6  # two numbers of each borrower who is gone, a telephone of each contact person
    assert count(stores.records, "SELECT count(DISTINCT record) FROM payloads") == 1 + listed
    assert count(stores.keys, "SELECT count(DISTINCT record) FROM secrets") == 1 + listed
    audit = made.vault.auditing()
    lines = audit.ask(made.token("auditor"), Question(subject=ids[0], limit=1000))
    assert {line.kind for line in lines} >= {"read", "hold"}
    assert audit.verify(made.token("auditor")).size == count(stores.ledger, "SELECT size FROM head") - 1
    receipt = shown(left).receipt.index
    proof.check(audit.receipt(receipt), audit.stub(receipt), audit.vkey)


def test_uses_and_caps_are_exact_under_threads(made: Made) -> None:
    """Threads with sessions of their own: uses, caps and entries come out to the one."""
    ids, room = made.ids(ROWS), made.vault.reading()
    few, legal = made.token("collector", limits=Limits(max_uses=20)), made.token("legal")
    before = made.size()

    def read(n: int) -> str:
        try:
            room.read(few, [ids[n % 6]])
        except VaultError as error:
            return error.code
        return "ok"

    def find(n: int) -> str:
        try:
            room.find(legal, field="phone", value=f"1360000{n:04d}")
        except VaultError as error:
            return error.code
        return "ok"

    with ThreadPoolExecutor(16) as pool:
        reads, finds = list(pool.map(read, range(64))), list(pool.map(find, range(220)))
    assert (reads.count("ok"), reads.count("uses_spent")) == (20, 44)
    assert (finds.count("ok"), finds.count("lookup_cap")) == (200, 20)
    assert made.size() == before + 64 + 220


def test_nodes_beside_each_other_leave_one_log(made: Made) -> None:
    """Two open vaults on the same databases, reading and importing at once, keep one log that verifies."""
    ids, token, before = made.ids(ROWS), made.token("collector"), made.size()
    other = made.vault.open(made.folder, clock=made.clock)
    rooms = [made.vault.reading(), other.reading()]
    with ThreadPoolExecutor(8) as pool:
        importing = pool.submit(made.load, borrowers(3, first=40))
        found = list(pool.map(lambda n: rooms[n % 2].read(token, [ids[n % 6]]), range(80)))
        importing.result()
    assert {len(one.items) for one in found} == {1}
    assert made.size() == before + 82  # the importer's token and its rows
    other.close()


def test_what_was_edited_is_refused(made: Made, stores: Stores) -> None:
    """A moved ciphertext, edited facts, an edited entry and head are reported by name."""
    legal, (first, second) = made.token("legal"), made.ids(ROWS[:2])
    swap = "UPDATE payloads p SET sealed=q.sealed FROM payloads q WHERE p.record=%s AND q.record=%s AND"
    run(stores.records, f"{swap} p.compartment='contact' AND q.compartment='contact'", first, second)
    run(stores.records, "UPDATE facts SET kind='loan' WHERE record=%s", second)
    found = made.vault.reading().read(legal, [first, second])
    assert [e.code for e in found.errors] == ["integrity", "integrity"]
    run(stores.ledger, "UPDATE entries SET actor='p-other' WHERE idx=2")
    with pytest.raises(Tampered) as caught:
        made.vault.auditing().walk()
    assert caught.value.index == 2
    run(stores.ledger, "UPDATE head SET last_t=last_t-1")
    with pytest.raises(Tampered):
        made.vault.reading().read(legal, [first])


def test_nothing_comes_out_without_the_log(made: Made, stores: Stores) -> None:
    """A ledger that can't be written discloses nothing: `log_unavailable`, exit 7."""
    legal, ids = made.token("legal"), made.ids(ROWS)
    run(stores.ledger, "ALTER TABLE entries RENAME TO elsewhere")
    with pytest.raises(LogUnavailable) as caught:
        made.vault.reading().read(legal, ids)
    assert caught.value.exit_code == 7
    run(stores.ledger, "ALTER TABLE elsewhere RENAME TO entries")
    assert len(made.vault.reading().read(legal, ids).items) == 6


def test_an_id_that_no_column_holds_spoils_only_itself(made: Made) -> None:
    """NUL and lone surrogates, which PostgreSQL refuses, are missing records and nothing more."""
    ids = made.ids(ROWS)
    found = made.vault.reading().read(made.token("collector"), [*ids, "r-\x00", "\ud800"])
    assert len(found.items) == 6
    assert [e.code for e in found.errors] == ["not_found"] * 2
