"""Counts of the access log, asked in the auditing room."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, sql

from vault.asking import day_of, is_off, local, microseconds
from vault.auditing import Question
from vault.config import SHANGHAI
from vault.errors import Denied, Tampered
from vault.tallying import AtHour, Counted

ROWS = borrowers(3)
HOUR = 3_600_000_000


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Reads of a Monday morning, of its night and of the Saturday after, and a refusal."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    ids = made.ids(ROWS)
    made.vault.reading().read(made.token("collector"), ids[:2])
    with pytest.raises(Denied):
        made.vault.reading().read(made.token("collector"), ids[:1], fields=("bank_card",))
    made.clock.advance(hours=13)
    made.vault.reading().read(made.token("legal"), ids[:1])
    made.clock.advance(days=4, hours=16)
    made.vault.reading().read(made.token("legal"), ids[:1])
    return made


def test_who_read_the_most(made: Made) -> None:
    """By role, purpose or actor; different people too, where that is asked; in time, to the instant."""
    room, token = made.vault.auditing(), made.token("auditor")
    roles = [(c.word, c.count, c.people) for c in room.top(token, by="role")]
    assert roles == [("collector", 2, None), ("legal", 2, None)]
    distinct = [(c.word, c.people, c.unknown) for c in room.top(token, by="role", distinct=True)]
    assert distinct == [("collector", 2, 0), ("legal", 1, 0)]
    (actor,) = room.top(token)
    assert actor == Counted(word=made.identity.principal, name="first principal", outcome="ok", count=4)
    later = room.top(token, by="purpose", since=made.clock() - 90 * HOUR, until=made.clock() + 1)
    assert [(c.word, c.count) for c in later] == [("legal_action", 1)]
    assert room.top(token, until=made.clock() - 1000 * HOUR) == []


def test_refusals(made: Made) -> None:
    """By reason with how it ended; by actor with a name; nothing that went well is among them."""
    room, token = made.vault.auditing(), made.token("auditor")
    assert [(c.word, c.outcome, c.count) for c in room.refusals(token)] == [("field_denied", "denied", 1)]
    assert [(c.name, c.count) for c in room.refusals(token, by="actor")] == [("first principal", 1)]
    with pytest.raises(Denied):
        room.refusals(made.token("legal"))
    assert ("role_denied", "denied", 1) in [(c.word, c.outcome, c.count) for c in room.refusals(token)]


def test_off_hours(made: Made) -> None:
    """Night and weekend are told apart, by hour of Asia/Shanghai; the working day isn't listed."""
    found = made.vault.auditing().off_hours(made.token("auditor"))
    assert (found.reads, found.night, found.weekend) == (4, 1, 1)
    who = {"actor": made.identity.principal, "name": "first principal", "sort": "person"}
    assert found.lines == [
        AtHour(**who, hour=15, weekend=True, count=1),  # type: ignore[arg-type]
        AtHour(**who, hour=23, weekend=False, count=1),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    ("when", "hour", "weekend", "off"),
    [
        ("2026-03-16T07:59", 7, False, True),
        ("2026-03-16T08:00", 8, False, False),
        ("2026-03-16T21:59", 21, False, False),
        ("2026-03-16T22:00", 22, False, True),
        ("2026-03-20T23:59", 23, False, True),
        ("2026-03-21T00:00", 0, True, True),
        ("2026-03-22T12:00", 12, True, True),
        ("2026-03-23T00:00", 0, False, True),
    ],
)
def test_hours_are_those_of_shanghai(when: str, hour: int, *, weekend: bool, off: bool) -> None:
    """22:00 begins the night, 08:00 ends it; Saturday begins at midnight there."""
    at = datetime.fromisoformat(when).replace(tzinfo=SHANGHAI)
    number = int(at.timestamp()) // 3600
    assert local(number) == (hour, weekend)
    assert is_off(hour, weekend=weekend) is off
    midnight = at.replace(hour=0, minute=0)
    assert microseconds(day_of(number)) == int(midnight.timestamp()) * 1_000_000


def test_questions_are_entries_and_count_themselves_on(made: Made) -> None:
    """What was asked stands in the log; the counts keep up with it, progress told."""
    room, token = made.vault.auditing(), made.token("auditor")
    told: list[tuple[int, int]] = []
    room.top(token, by="role", distinct=True, since=0, progress=lambda *done: told.append(done))
    room.refusals(token)
    room.off_hours(token)
    lines = room.ask(token, Question(kind="search"))
    said = [line.detail for line in lines if line.role == "auditor"]
    assert said[:-1] == [
        "log top by=role distinct since=1970-01-01T00:00:00Z", "log refusals by=reason", "log off-hours",
    ]  # fmt: skip
    assert told[-1][0] == told[-1][1] > 10


def test_changed_counts_are_found_and_counted_again(made: Made) -> None:
    """Whoever edits the counts is found out by the check, and the log mends them."""
    room, token = made.vault.auditing(), made.token("auditor")
    room.top(token)
    counted = room.check_tallies()
    assert counted == room.walk().size
    sql(made, "ledger", "UPDATE tallies SET n = 0 WHERE kind = 'read' AND role = 'legal'")
    with pytest.raises(Tampered) as found:
        room.check_tallies()
    assert "2 hours" in found.value.message
    with pytest.raises(Denied):
        room.retally(made.token("legal"))
    assert room.retally(token) == room.check_tallies() == counted
    assert "log verify retally" in {line.detail for line in room.ask(token, Question(kind="search"))}
    assert [c.count for c in room.top(token, by="role")] == [2, 2]
