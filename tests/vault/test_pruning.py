"""The log's own retention: bodies and entries go by rule alone, and what is left still proves itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault
from witnesskit import running

from vault.auditing import Question
from vault.config import Stores
from vault.courier import Http
from vault.errors import Denied, Invalid, NotFound, Tampered, Unavailable
from vault.ledger import proof
from vault.ledger.registry import LogFloor
from vault.model import Happening, Who, Whom
from vault.pruning import LEAST, PruneTable, floor_of
from vault.retention import period
from vault.retention.rules import load
from vault.stores.tallies import HOUR

ROWS = borrowers(2)
DAYS = 5 * 365 + 1
"""Five years from 16 March 2026 have one leap day."""


@pytest.fixture
def made(tmp_path: Path, store_url: Callable[[str], str]) -> Iterator[Made]:
    """A vault on either engine, with 600 entries of one day and five years later a few more."""
    stores = Stores(**{name: store_url(name) for name in ("records", "index", "keys", "ledger")})
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    fill(made, 600)
    yield made
    made.vault.close()


def fill(made: Made, count: int) -> None:
    """Many entries at once."""
    one = Happening(kind="search", who=Who(actor="p-1", role="auditor", purpose="audit"), whom=Whom())
    made.vault.tenancy("main").journal.log(*[one] * count)


def later(made: Made, days: int) -> date:
    """Some days on, with a few more entries; the day."""
    made.clock.advance(days=days)
    fill(made, 3)
    return made.vault.tenancy("main").today()


def change(made: Made, statement: str) -> None:
    """A statement as the ledger's DBA would run it."""
    made.vault.stores.ledger.db.write(lambda session: session.change(statement))


def count(made: Made, table: str) -> int:
    """Rows of a table."""
    ((found,),) = made.vault.stores.ledger.db.session().rows(f"SELECT count(*) FROM {table}")
    return int(found)


def test_nothing_goes_before_its_day(made: Made) -> None:
    """The last day of the fifth year keeps everything; the day after lets all of that day go."""
    later(made, DAYS)
    room = made.vault.auditing()
    assert room.prunable(entries=True).count_bodies == 0
    made.clock.advance(days=1)
    due = room.prunable(entries=True)
    assert (due.before, due.rule, due.certainty) == ("2026-03-17", "HOUSE-CEILING-LOG-5Y", "practice")
    assert due.bodies == due.count_bodies > 600
    assert due.entries == due.count_entries == due.bodies // 256 * 256
    assert count(made, "bodies") == count(made, "entries")


def test_a_clock_put_ahead_prunes_nothing(made: Made) -> None:
    """Where witnesses are in force, their newest cosignatures say what year it is."""
    room, dpo = made.vault.auditing(), made.token("dpo")
    then = made.clock.now
    with running("w1.example", clock=lambda: then / 1e6) as (witness,):
        witness.logs[room.vkey.name] = room.vkey.public
        room.set_witnesses(made.token("admin"), f"{witness.line}quorum {witness.name}\n")
        later(made, DAYS + 1)
        dpo = made.token("dpo")
        for _ in range(2):
            assert room.prunable().count_bodies > 600
            with pytest.raises(Unavailable) as refusal:
                room.prune(dpo)
            assert refusal.value.code == "clock_ahead"
            room.round(Http())  # it is cosigned, and still then
        assert count(made, "bodies") == count(made, "entries")
        witness.clock = lambda: made.clock.now / 1e6
        fill(made, 1)
        room.round(Http())
    assert room.prune(dpo).count_bodies > 600
    assert count(made, "bodies") < 100


def test_bodies_go_and_the_log_still_verifies(made: Made) -> None:
    """Who acted stays and whom goes; two entries say so, and doing it again does nothing."""
    later(made, DAYS + 1)
    room, dpo = made.vault.auditing(), made.token("dpo")
    due = room.prune(dpo)
    assert (due.count_entries, floor_of(room._t.journal.registry()).bodies) == (0, due.bodies)
    found = room.walk()
    assert count(made, "bodies") == found.size - due.bodies
    lines = room.ask(made.token("auditor"), Question(kind="read"))
    assert [(line.role, line.subject, line.record) for line in lines] == [("collector", None, None)] * 2
    said = room.ask(made.token("auditor"), Question(kind="erase_begin"))[-1].detail
    assert said == f"log: bodies below {due.bodies}, entries below 0, by HOUSE-CEILING-LOG-5Y"
    size = room.walk().size
    assert room.prune(dpo).count_bodies == 0
    assert room.walk().size == size


def test_entries_go_in_bundles_and_later_proofs_hold(made: Made) -> None:
    """Earlier checkpoints and receipts of what is left verify; of what is gone there are none."""
    room = made.vault.auditing()
    before, index = room.checkpoint(), room.walk().size - 2
    kept = room.receipt(index), room.stub(index)
    later(made, DAYS + 1)
    due = room.prune(made.token("dpo"), entries=True)
    assert due.entries == 512
    found = room.walk()
    assert found.first == "2026-03-16T02:00:00Z"
    assert count(made, "entries") == found.size - 512
    proof.check(room.receipt(index), room.stub(index), room.vkey)
    proof.check(*kept, room.vkey)
    assert before.splitlines()[1] == str(index + 2)
    for gone in (0, 511):
        with pytest.raises(NotFound):
            room.receipt(gone)
    fill(made, 300)
    assert room.walk().size == found.size + 300


def test_a_pruned_export_leaves_the_bundles_out(made: Made, tmp_path: Path) -> None:
    """Tiles of level 0 under an unfinished level stay: the tree above is made from them."""
    later(made, DAYS + 1)
    room = made.vault.auditing()
    room.prune(made.token("dpo"), entries=True)
    room.export(made.token("auditor"), tmp_path / "out")
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert not {"tile/entries/000", "tile/entries/001"} & names
    assert {"tile/0/000", "tile/0/001", "checkpoint"} <= names
    assert any(name.startswith("tile/entries/002.p/") for name in names)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("DELETE FROM bodies WHERE idx = (SELECT max(idx) FROM bodies)", None),
        ("DELETE FROM entries WHERE idx = 520", 520),
        ("DELETE FROM entries WHERE idx < 700", None),
        ("UPDATE entries SET actor = 'p-2' WHERE idx = 530", 530),
        ("UPDATE tiles SET hashes = (SELECT hashes FROM tiles WHERE tile = 1) WHERE tile = 0", None),
        ("DELETE FROM registry WHERE kind = 'floor'", None),
    ],
)
def test_what_goes_without_a_rule_is_told(made: Made, statement: str, index: int | None) -> None:
    """A pruned log hides no deletion: below the floor nothing is, above it everything must be."""
    later(made, DAYS + 1)
    room = made.vault.auditing()
    room.prune(made.token("dpo"), entries=True)
    room.walk()
    change(made, statement)
    again = made.reopened()
    with pytest.raises(Tampered) as fault:
        again.vault.auditing().walk()
    again.vault.close()
    if index is not None:
        assert fault.value.index == index


def test_a_run_that_died_is_finished(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the entry and before the end: the floor stands, and the next run deletes what lies below it."""
    later(made, DAYS + 1)
    room = made.vault.auditing()
    with monkeypatch.context() as patch:
        patch.setattr(PruneTable, "drop_bodies", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            room.prune(made.token("dpo"), entries=True)
    again = made.reopened()
    room = again.vault.auditing()
    room.walk()
    assert count(again, "entries") == room.walk().size
    room.prune(again.token("dpo"), entries=True)
    assert count(again, "entries") == room.walk().size - 512
    assert room.ask(again.token("auditor"), Question(kind="erase_done"))[-1].detail is not None
    again.vault.close()


def test_no_rule_makes_the_log_shorter_than_six_months(made: Made) -> None:
    """Whatever the rules say, entries of the last six months stay."""
    text = """format = 1
[[rule]]
id = "TOO-SHORT"
kinds = ["access_entry"]
applies_to = ["agency", "lender"]
effect = "ceiling"
rank = 6
name = "house practice"
article = "none"
gloss_en = "a month"
status = "practice"
source = "this test"
checked = 2026-01-01
anchor = ["imported_on"]
period = "P1M"
profile = "house"
"""
    made.vault.tenancy("main").rules = load(text)
    room = made.vault.auditing()
    later(made, 184)
    assert period.over_from(date(2026, 3, 16), period.parse(LEAST)) == date(2026, 9, 17)
    assert room.prunable().count_bodies == 0
    made.clock.advance(days=1)
    assert room.prunable().count_bodies > 600


def test_a_collector_prunes_nothing(made: Made) -> None:
    """It takes the right to execute, even where nothing is due."""
    with pytest.raises(Denied):
        made.vault.auditing().prune(made.token("collector"))


def test_a_day_ahead_is_for_sandboxes(tmp_path: Path) -> None:
    """A plain vault decides for today or earlier."""
    made = make_vault(tmp_path, sandbox=False)
    with pytest.raises(Invalid):
        made.vault.auditing().prunable(as_of=date(2031, 1, 1))
    made.vault.close()


def test_the_floor_counts_what_the_balance_misses(made: Made) -> None:
    """Entries with a tag that went are counted in the floor."""
    later(made, DAYS + 1)
    room = made.vault.auditing()
    tagged = made.vault.stores.ledger.db.session().rows("SELECT count(*) FROM entries WHERE length(tag) > 0")
    room.prune(made.token("dpo"), entries=True)
    floor = floor_of(room._t.journal.registry())
    assert msgspec.structs.replace(floor, rule="") == LogFloor(
        id="log", bodies=floor.bodies, entries=512, tagged=tagged[0][0]
    )


def test_counts_of_staff_go_with_their_entries(made: Made) -> None:
    """Hours of which no entry is left are counted no more, and the check still agrees."""
    room = made.vault.auditing()
    room.top(made.token("auditor"))
    before = count(made, "tallies")
    later(made, DAYS + 1)
    room.top(made.token("auditor"))
    assert count(made, "tallies") > before
    room.prune(made.token("dpo"), entries=True)
    kept = made.vault.stores.ledger.entries("main", 512, 1)[0].t // HOUR
    rows = made.vault.stores.ledger.db.session().rows("SELECT min(hour) FROM tallies")
    assert rows[0][0] >= kept
    room.check_tallies()


def test_what_is_needed_stays(made: Made) -> None:
    """An open incident keeps the log; closed, it doesn't."""
    later(made, DAYS + 1)
    room, security = made.vault.auditing(), made.token("dpo", "security")
    opened = room.open_incident(security, noticed=made.clock(), reason="a laptop")
    with pytest.raises(Invalid, match="is open"):
        room.prune(made.token("dpo"))
    room.close_incident(security, opened.id, reason="found")
    assert room.prune(made.token("dpo")).count_bodies > 600


def test_a_pin_older_than_the_floor_says_nothing_any_more(made: Made) -> None:
    """A node that slept through the retention starts: what its pin speaks of went by rule."""
    pin = made.folder / "keys" / "main.checkpoint"
    made.vault.tenancy().journal.pin()
    slept = pin.read_bytes()
    size = int(slept.split(b"\n")[1])
    fill(made, 600)
    later(made, DAYS + 1)
    room = made.vault.auditing()
    room.prune(made.token("dpo"), entries=True)
    assert floor_of(room._t.journal.registry()).entries > size
    made.vault.close()
    pin.write_bytes(slept)
    again = made.reopened()
    assert again.vault.auditing().walk().size > size
    again.vault.close()
