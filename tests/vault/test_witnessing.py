"""Witnesses: a log that grows is cosigned, one that was changed is not, whatever the other end answers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit import Made, borrowers, make_vault, reopen, shown
from witnesskit import WitnessServer, answer, running

from vault.auditing import Auditing, Question
from vault.config import Config, Stores, iso, settings_text
from vault.config import Witness as Limits
from vault.courier import Http
from vault.crypto.sign import SigningKey
from vault.errors import ConfigError, Denied, Invalid, LogUnavailable, NotFound, Tampered
from vault.ledger import checkpoint, cosignature
from vault.ledger.note import VKey, split
from vault.model import Happening, Who, Whom
from vault.stores.witnessing import CosignatureRow

HTTP = Http(timeout=2)
ROWS = borrowers(2)


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """A sandbox on either engine."""
    stores = None
    if request.param == "postgresql":
        pg: Callable[[], str] = request.getfixturevalue("pg")
        stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    made = make_vault(tmp_path, stores=stores)
    yield made
    made.vault.close()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Made]:
    """A sandbox on SQLite."""
    made = make_vault(tmp_path)
    yield made
    made.vault.close()


@pytest.fixture
def one() -> Iterator[WitnessServer]:
    """A witness."""
    with running("w1.example") as (server,):
        yield server


def vkey(made: Made) -> VKey:
    """The log's key."""
    return made.vault.vkey()


def trust(made: Made, *servers: WitnessServer) -> None:
    """Have witnesses know the log."""
    for server in servers:
        server.logs[vkey(made).name] = vkey(made).public


def configure(made: Made, *servers: WitnessServer, quorum: str = "", known: bool = True) -> Auditing:
    """Put a policy with these witnesses in force; the room."""
    if known:
        trust(made, *servers)
    names = " ".join(server.name for server in servers)
    quorum = quorum or f"group g all {names}\nquorum g"
    text = "".join(server.line for server in servers) + quorum + "\n"
    room = made.vault.auditing()
    room.set_witnesses(made.token("admin"), text)
    return room


def grow(made: Made, count: int = 1) -> None:
    """More entries."""
    who = Who(actor="p-1", role="auditor", purpose="audit")
    made.vault.tenancy().journal.log(
        *(Happening(kind="config", who=who, whom=Whom(detail=str(n))) for n in range(count))
    )


def states(done: Any) -> dict[str, str]:
    """How each witness answered, with why."""
    return {o.name: f"{o.state} {o.why}".strip() for o in done.outcomes}


def test_ten_growing_checkpoints_are_cosigned_and_anchored(made: Made, one: WitnessServer) -> None:
    """Each round's checkpoint bears a cosignature that verifies, and an entry says so."""
    room = configure(made, one)
    key = cosignature.read_key(one.vkey)
    for n in range(10):
        grow(made, n * 7 + 1)
        done = room.round(HTTP)
        assert (states(done), done.witnessed, done.skipped) == ({"w1.example": "cosigned"}, True, False)
        note = room.cosigned()
        assert checkpoint.open_checkpoint(note, vkey(made)).size == done.size == one.seen[vkey(made).name][0]
        (found,) = cosignature.cosignatures(note, [key])
        assert abs(found.time - time.time()) < 60
        assert (room.tail().witnessed, room.tail().entries, room.tail().seconds) == (done.size, 0, 0)
        assert done.anchor == done.size
    assert one.asked == 10
    asked = Question(kind="anchor", newest_first=True, limit=1)
    (line,) = room.ask(made.token("auditor"), asked)
    assert line.detail is not None
    assert line.detail.startswith(f"cosigned {done.size} ")
    assert room.verify().kinds["anchor"] == 10


def test_nothing_new_is_not_asked_for(lite: Made, one: WitnessServer) -> None:
    """Anchors alone are no reason for a round, however often one is begun."""
    room = configure(lite, one)
    assert not room.round(HTTP).skipped
    size = lite.size()
    for _ in range(3):
        done = room.round(HTTP)
        assert (done.skipped, done.witnessed, done.anchor) == (True, True, None)
    assert (one.asked, lite.size()) == (1, size)


def test_a_rewritten_log_is_refused(lite: Made, one: WitnessServer) -> None:
    """With the log's own key another history can be signed; no witness of the first one cosigns it."""
    shutil.copytree(lite.folder, lite.outside / "fork")
    room = configure(lite, one)
    grow(lite, 5)
    room.round(HTTP)
    other = reopen(replace(lite, folder=lite.outside / "fork"))
    twin = configure(other, one)
    grow(other, 50)  # a longer log of the same name and key that shares no more than the first entries
    with pytest.raises(Tampered, match="another history") as refused:
        twin.round(HTTP)
    assert "log recover" in refused.value.remedy
    assert [line.detail for line in twin.ask(other.token("auditor"), Question(kind="alarm"))] == [
        "witness w1.example has seen another history of this log: it was rewritten"
    ]
    other.vault.close()


def test_a_restored_backup_is_refused(lite: Made, one: WitnessServer) -> None:
    """A witness that has seen a longer log says so by its size, and that is an alarm, not an answer."""
    configure(lite, one)
    lite.vault.close()
    shutil.copytree(lite.folder, lite.outside / "backup")
    again = reopen(lite)
    grow(again, 20)
    again.vault.auditing().round(HTTP)
    again.vault.close()
    old = reopen(replace(lite, folder=lite.outside / "backup"))
    room = old.vault.auditing()
    with pytest.raises(Tampered, match="longer log"):
        room.round(HTTP)
    assert len(room.ask(old.token("auditor"), Question(kind="alarm"))) == 1
    assert room.tail().witnessed == 0
    old.vault.close()


def test_a_log_shorter_than_its_own_cosignatures_is_refused(made: Made, one: WitnessServer) -> None:
    """Cosignatures that a copy of the log lacks are found without asking anybody."""
    room = configure(made, one)
    grow(made, 3)
    room.round(HTTP)
    t = made.vault.tenancy()
    with pytest.raises(Tampered, match="shorter"):
        t.watch.tail(t.watch.newest(t.journal.registry()), room.tail().witnessed - 1, t.clock())


def test_another_key_an_unknown_log_and_late_knowledge(made: Made, one: WitnessServer) -> None:
    """403 and 404 are told apart and are no alarm; once the witness knows the log, it cosigns."""
    room = configure(made, one, known=False)
    assert states(room.round(HTTP)) == {"w1.example": "unknown 404"}
    one.logs[vkey(made).name] = SigningKey.generate().public
    assert states(room.round(HTTP)) == {"w1.example": "forbidden 403"}
    with pytest.raises(NotFound):
        room.cosigned()
    trust(made, one)
    assert states(room.round(HTTP)) == {"w1.example": "cosigned"}
    assert "alarm" not in room.walk().kinds


def test_a_witness_is_asked_again_from_the_size_it_names(made: Made, one: WitnessServer) -> None:
    """Where the store has forgotten what a witness cosigned, its 409 tells, and the proof starts there."""
    room = configure(made, one)
    grow(made, 300)
    first = room.round(HTTP)
    t = made.vault.tenancy()
    with t.stores.ledger.transaction("main") as tx:
        tx._session.change("DELETE FROM cosignatures")
    grow(made, 5)
    done = room.round(HTTP)
    assert (states(done), one.asked) == ({"w1.example": "cosigned"}, 3)
    assert done.size > first.size


def test_a_quorum_takes_as_many_as_it_says(made: Made) -> None:
    """Two of three: one answer is kept and anchors nothing; the second does; who has answered isn't asked."""
    with running("a.example", "b.example", "c.example") as servers:
        _, b, c = servers
        room = configure(made, *servers, quorum="group g 2 a.example b.example c.example\nquorum g")
        b.logs.clear()
        c.logs.clear()
        done = room.round(HTTP)
        assert (done.witnessed, done.anchor) == (False, None)
        assert room.tail().witnessed == 0
        assert room.tail().entries > 0
        trust(made, c)
        again = room.round(HTTP)
        assert (again.size, again.witnessed, again.anchor) == (done.size, True, done.size)
        assert states(again) == {"a.example": "had", "b.example": "unknown 404", "c.example": "cosigned"}
        assert [s.asked for s in servers] == [1, 2, 2]
        assert len(split(room.cosigned())[1]) == 3
        assert len(split(room.cosigned(done.size))[1]) == 3
        with pytest.raises(NotFound):
            room.cosigned(done.size - 1)


@pytest.mark.parametrize("year", [253_402_300_799, 253_402_300_800, 2**62])
def test_a_witness_of_another_age_is_not_kept(lite: Made, one: WitnessServer, year: int) -> None:
    """A time that no calendar has would stop whoever shows it; the last second of 9999 may be shown."""
    room = configure(lite, one)
    one.clock = lambda: year
    done, sane = room.round(HTTP), year == 253_402_300_799
    assert states(done) == {"w1.example": "cosigned" if sane else "failed garbage"}
    assert done.witnessed == sane
    assert len(iso(room.tail().at * 1_000_000)) == 20
    line = one.cosign(split(room.checkpoint())[0])
    table = lite.vault.stores.ledger
    size = lite.vault.tenancy().journal.known[0]
    key = cosignature.read_key(one.vkey)
    with table.transaction("main") as tx:
        tx.checkpoint(size, room.checkpoint())
        tx.witnessing.put([CosignatureRow("main", size, key.ident, line.strip(), 1)])
    assert (room.tail().witnessed == size) == sane


def test_without_a_quorum_any_witness_counts(lite: Made) -> None:
    """`quorum none` asks for nobody: one that answered is worth its anchor, none is worth nothing."""
    with running("a.example", "b.example") as (a, b):
        room = configure(lite, a, b, quorum="quorum none")
        a.logs.clear()
        b.logs.clear()
        assert not room.round(HTTP).witnessed
        trust(lite, b)
        assert room.round(HTTP).anchor is not None
        assert room.tail().entries == 0


def _drip(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
    with suppress(OSError):  # the other end has had enough
        for _ in range(100):
            handler.wfile.write(b"X-Slow: 1\r\n")
            handler.wfile.flush()
            time.sleep(0.05)


def _silent(_: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def _moved(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/w/add-checkpoint")
    handler.end_headers()


def _says(status: int, body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: answer(handler, status, body)


OTHER = "\u2014 other.example " + "A" * 100 + "\n"
BAD: dict[str, tuple[Callable[[BaseHTTPRequestHandler], None], str]] = {
    "drip": (_drip, "failed timeout"),
    "silent": (_silent, "failed timeout"),
    "moved": (_moved, "failed 302"),
    "huge": (_says(200, b"\xe2\x80\x94 w1.example AAAA\n" * 9000), "failed too_large"),
    "empty": (_says(200, b""), "failed garbage"),
    "noise": (_says(200, bytes(range(256))), "failed garbage"),
    "prose": (_says(200, b"thank you\n"), "failed garbage"),
    "split": (_says(200, b"x\n\n\xe2\x80\x94 w1.example AAAAAAAA\n"), "failed garbage"),
    "unknown key": (_says(200, OTHER.encode()), "failed no_cosignature"),
    "size in words": (_says(409, b"seven\n"), "failed garbage"),
    "size with zeroes": (_says(409, b"007\n"), "failed garbage"),
    "size unended": (_says(409, b"7"), "failed garbage"),
    "size beyond": (_says(409, b"9" * 19 + b"\n"), "failed garbage"),
    "server": (_says(500, b"\n"), "failed 500"),
    "created": (_says(201, b""), "failed 201"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_answers_are_failures_and_nothing_else(lite: Made, one: WitnessServer, name: str) -> None:
    """Slow, huge, empty or garbled: nothing is kept, nothing is entered, and the log goes on."""
    room = configure(lite, one)
    one.hook, wanted = BAD[name]
    size, begun = lite.size(), time.monotonic()
    done = room.round(Http(timeout=0.3))
    assert (states(done), done.witnessed) == ({"w1.example": wanted}, False)
    assert time.monotonic() - begun < 2
    assert lite.size() == size
    one.hook = None
    assert room.round(HTTP).witnessed


def test_a_cosignature_of_something_else_is_garbage(lite: Made, one: WitnessServer) -> None:
    """Over another checkpoint, without a time, or cut short: it doesn't verify, and nothing is kept."""
    room = configure(lite, one)
    text = split(lite.vault.auditing().checkpoint())[0]
    other = text.replace("\n", "\n1", 1)
    for body in (one.cosign(other), one.cosign(text, 0), one.cosign(text)[:-6] + "\n"):
        one.hook = _says(200, body.encode())
        assert states(room.round(HTTP)) == {"w1.example": "failed garbage"}


def test_nobody_at_the_other_end(lite: Made, one: WitnessServer) -> None:
    """A witness that isn't there leaves the tail as it is."""
    room = configure(lite, one)
    with running("gone.example") as (gone,):
        room = configure(lite, gone)
    assert states(room.round(HTTP)) == {"gone.example": "failed unreachable"}
    assert room.tail().witnessed == 0


def test_forged_lines_in_the_store_count_for_nothing(made: Made, one: WitnessServer) -> None:
    """What stands in the table is worth its signature: a forged one witnesses and hinders nothing."""
    room = configure(made, one)
    room.round(HTTP)
    good = room.tail().witnessed
    grow(made, 2)
    note = room.checkpoint()
    size = checkpoint.open_checkpoint(note, vkey(made)).size
    forged = one.cosign(split(note)[0])[:-6] + "AAA=\n"
    with made.vault.tenancy().stores.ledger.transaction("main") as tx:
        tx.checkpoint(size, note)
        tx.witnessing.put(
            [CosignatureRow("main", size, cosignature.read_key(one.vkey).ident, forged.rstrip(), 0)]
        )
    assert room.tail().witnessed == good
    done = room.round(HTTP)
    assert (done.size, states(done), done.witnessed) == (size, {"w1.example": "cosigned"}, True)
    assert room.tail().witnessed == size


def test_policies_that_cannot_be_are_refused(lite: Made, one: WitnessServer) -> None:
    """Another log's, the log's own key as a witness, an address in clear: each is refused and not entered."""
    room, token, own = lite.vault.auditing(), lite.token("admin"), vkey(lite)
    other = VKey(name="other.example/log", public=SigningKey.generate().public)
    self_made = cosignature.WitnessKey(name="me.example", public=own.public)
    size = lite.size()
    for text in (
        f"log {other.text()}\n{one.line}quorum none\n",
        f"witness me {self_made.text()}\nquorum me\n",
        f"witness w {one.vkey} http://witness.example/\nquorum w\n",
        "quorum nobody\n",
    ):
        with pytest.raises(Invalid):
            room.set_witnesses(token, text)
    assert lite.size() == size
    with pytest.raises(Invalid, match="no witnesses"):
        room.round(HTTP)
    room.set_witnesses(token, f"log {own.text()}\n{one.line}quorum {one.name}\n")
    found = room.witnesses()
    assert found is not None
    assert found.by == lite.identity.principal


def test_only_an_admin_with_a_second_persons_yes_changes_them(tmp_path: Path, one: WitnessServer) -> None:
    """Out of the box another person approves exactly this file, and an auditor can't change it at all."""
    made = make_vault(tmp_path, sandbox=False)
    text = one.line + f"quorum {one.name}\n"
    with pytest.raises(Denied) as refused:
        made.vault.auditing().set_witnesses(made.token("admin"), text)
    assert refused.value.code == "approval_required"
    made.vault.close()


# --- limits -----------------------------------------------------------------------------------------------


def limited(made: Made, **limits: int) -> Made:
    """The vault opened again with limits in its settings."""
    made.vault.close()
    settings = msgspec.structs.replace(Config.load(made.folder).settings, witness=Limits(**limits))
    lines = "".join(f"{name} = {value}\n" for name, value in limits.items())
    (made.folder / "vault.toml").write_text(f"{settings_text(settings)}\n[witness]\n{lines}", "utf-8")
    return reopen(made)


def test_beyond_the_limit_nothing_is_disclosed_and_all_else_goes_on(lite: Made, one: WitnessServer) -> None:
    """Reads, searches and listings are refused until witnesses catch up; audits and rounds are not."""
    lite.load(ROWS)
    configure(lite, one)
    made = limited(lite, stop_entries=40)
    room, reading, token = made.vault.auditing(), made.vault.reading(), made.token("legal")
    (ident,) = made.ids(ROWS[:1])
    room.round(HTTP)
    assert shown(reading.read(token, [ident])).record == ident
    grow(made, 41)
    for act in (
        lambda: reading.read(token, [ident]),
        lambda: reading.find(token, field="phone", value=ROWS[0]["手机"]),
        lambda: reading.list_records(token, kind="loan"),
        lambda: made.vault.reaching().reserve(made.token("dialer"), ident),
    ):
        with pytest.raises(LogUnavailable, match="ahead of its witnesses"):
            act()
    assert room.ask(made.token("auditor"), Question(kind="config", limit=1))
    made.load(borrowers(1, first=2))
    assert room.round(HTTP).witnessed
    assert shown(reading.read(token, [ident])).record == ident
    made.vault.close()


def test_the_limit_in_seconds_counts_from_the_first_unwitnessed_entry(lite: Made, one: WitnessServer) -> None:
    """An idle vault is never stopped for its idleness; an entry that stays unwitnessed too long stops it."""
    lite.load(ROWS)
    configure(lite, one)
    made = limited(lite, stop_seconds=600)
    room, reading = made.vault.auditing(), made.vault.reading()
    (ident,) = made.ids(ROWS[:1])
    room.round(HTTP)
    made.clock.advance(hours=5)
    token = made.token("legal")
    room.round(HTTP)
    assert shown(reading.read(token, [ident])).record == ident
    made.clock.advance(seconds=599)
    assert shown(reading.read(token, [ident])).record == ident
    made.clock.advance(seconds=2)
    with pytest.raises(LogUnavailable):
        reading.read(token, [ident])
    assert room.tail().seconds == 601
    room.round(HTTP)
    assert shown(reading.read(token, [ident])).record == ident
    made.vault.close()


def test_a_limit_below_nothing_is_no_setting(lite: Made) -> None:
    """A negative limit is refused when the vault is opened."""
    with pytest.raises(ConfigError, match="witness"):
        limited(lite, stop_entries=-1)


def test_a_pin_is_the_checkpoints_three_lines(lite: Made, one: WitnessServer) -> None:
    """Origin, size and root, of the newest checkpoint or of the newest cosigned one."""
    room = configure(lite, one)
    room.round(HTTP)
    grow(lite, 3)
    assert room.pin() == split(room.checkpoint())[0]
    assert room.pin(cosigned=True) == split(room.cosigned())[0]
    assert room.pin().count("\n") == 3
    assert room.pin() != room.pin(cosigned=True)


def test_two_nodes_share_what_witnesses_said(made: Made, one: WitnessServer) -> None:
    """One node's round serves the other, which asks nobody; and each goes on from where the other was."""
    room = configure(made, one)
    other = reopen(made)
    assert room.round(HTTP).witnessed
    assert other.vault.auditing().round(HTTP).skipped
    grow(other, 3)
    assert states(other.vault.auditing().round(HTTP)) == {"w1.example": "cosigned"}
    grow(made, 3)
    assert states(room.round(HTTP)) == {"w1.example": "cosigned"}
    assert (one.asked, room.tail().entries) == (3, 0)
    other.vault.close()


def test_a_check_within_the_limit_asks_the_store_nothing(lite: Made, one: WitnessServer) -> None:
    """Reads pay for the watch only beyond what it remembers: the store may be gone until then."""
    configure(lite, one).round(HTTP)
    made = limited(lite, stop_entries=10, stop_seconds=60)
    t = made.vault.tenancy()
    registry, size, now = t.journal.registry(), made.size(), t.clock()
    t.watch.demand(registry, size, now)
    t.watch._store = None  # type: ignore[assignment]
    for entries, seconds in ((0, 0), (9, 59), (9, 60)):
        t.watch.demand(registry, size + entries, now + seconds * 1_000_000)
    with pytest.raises(AttributeError):
        t.watch.demand(registry, size + 12, now)
    made.vault.close()


def test_what_lies_below_the_floor_is_not_asked_about(made: Made, one: WitnessServer) -> None:
    """Once old entries went by rule, a witness that saw none since fails as `pruned`; others go on."""
    one.clock = lambda: made.clock.now / 1e6  # nothing goes by a year that they don't know
    with running("late.example", clock=one.clock) as (late,):
        room = configure(made, one, late, quorum="quorum w1.example")
        assert room.round(HTTP).witnessed
        grow(made, 600)
        made.clock.advance(days=5 * 366 + 1)
        late.logs.clear()
        assert room.round(HTTP).witnessed
        assert room.prune(made.token("dpo"), entries=True).entries >= 512
        trust(made, late)
        grow(made, 3)
        done = room.round(HTTP)
        assert (states(done), done.witnessed) == (
            {"w1.example": "cosigned", "late.example": "failed pruned"},
            True,
        )
        assert room.tail().entries == 0
        room.verify()
