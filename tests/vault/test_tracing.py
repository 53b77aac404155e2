"""Was this very value looked up?"""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, sql

from vault.auditing import Question
from vault.errors import Denied, Invalid

ROWS = borrowers(3)
DAY = 24 * 3_600_000_000


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """One number looked up twice on a day and once on the next; another that nobody has."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    reading, token = made.vault.reading(), made.token("collector")
    for _ in range(2):
        reading.find(token, field="phone", value=ROWS[0]["手机"])
    reading.find(token, field="phone", value="13000000000")
    made.clock.advance(days=1)
    reading.find(made.token("legal"), field="phone", value=ROWS[0]["手机"])
    return made


def test_who_looked_on_which_day_and_how_often(made: Made) -> None:
    """Each day of each principal, with the searches' own entries, and whether anybody was found."""
    room, token = made.vault.auditing(), made.token("auditor")
    first, second = room.looked_up(token, "borrower.phone", ROWS[0]["手机"])
    assert (first.actor, first.name) == (made.identity.principal, "first principal")
    assert (first.day, first.times, first.hit) == ("2026-03-16", 2, 2)
    assert (second.day, second.times, second.hit) == ("2026-03-17", 1, 1)
    lines = {line.index: line for line in room.ask(token, Question(kind="search"))}
    assert [lines[index].role for index in first.entries + second.entries] == ["collector"] * 2 + ["legal"]
    assert (first.first, second.last) == (lines[first.entries[0]].time, lines[second.entries[0]].time)


def test_a_search_that_found_nobody_is_no_hit(made: Made) -> None:
    """It was looked up all the same; a value nobody asked for was not."""
    room, token = made.vault.auditing(), made.token("auditor")
    (line,) = room.looked_up(token, "phone", "130 0000 0000")
    assert (line.times, line.hit) == (1, 0)
    assert room.looked_up(token, "phone", ROWS[1]["手机"]) == []


def test_time_bounds_hold_to_the_instant(made: Made) -> None:
    """Days outside are not looked at, and searches of a day outside the bounds don't count."""
    room, token, phone = made.vault.auditing(), made.token("auditor"), ROWS[0]["手机"]
    now = made.clock()
    assert [o.day for o in room.looked_up(token, "phone", phone, since=now - DAY // 2)] == ["2026-03-17"]
    assert [o.day for o in room.looked_up(token, "phone", phone, until=now)] == ["2026-03-16"]
    assert room.looked_up(token, "phone", phone, since=now - DAY + 1, until=now) == []
    assert room.looked_up(token, "phone", phone, since=now + 1) == []


def test_the_value_is_in_no_entry(made: Made) -> None:
    """The question is an entry, without the value."""
    room, token = made.vault.auditing(), made.token("auditor")
    room.looked_up(token, "phone", ROWS[0]["手机"])
    (asked, *_) = room.ask(token, Question(kind="search", newest_first=True))[1:]
    assert asked.detail == "log looked-up field=borrower.phone"


def test_who_may_not_and_what_cannot_be_asked(made: Made) -> None:
    """Auditors alone; a field that nobody can search by, or a value that is none, is said, never repeated."""
    room = made.vault.auditing()
    with pytest.raises(Denied):
        room.looked_up(made.token("collector"), "phone", ROWS[0]["手机"])
    with pytest.raises(Invalid):
        room.looked_up(made.token("auditor"), "borrower.address", "某地")
    with pytest.raises(Invalid) as refusal:
        room.looked_up(made.token("auditor"), "phone", "12-not-a-number")
    assert "12-not-a-number" not in refusal.value.message


def test_a_day_without_an_entry_is_told_apart(made: Made) -> None:
    """A digest beside no search of that principal: the day is named, and that no entry says more."""
    sql(made, "ledger", "UPDATE lookups SET handle = ? WHERE day = '2026-03-17'", (b"x" * 16,))
    found = made.vault.auditing().looked_up(made.token("auditor"), "phone", ROWS[0]["手机"])
    told = [(line.actor, line.day, line.times, line.hit, line.entries) for line in found]
    assert told[1] == ("", "2026-03-17", 0, None, [])
