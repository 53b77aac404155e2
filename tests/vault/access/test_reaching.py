"""Reaching: the rules by themselves; hours to the second, caps, and who may be reached at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.access import reaching
from vault.access.reaching import CHANNELS, CODES, REACHED, Circumstances, answer, builtin, closing, refusal
from vault.config import SHANGHAI
from vault.errors import ConfigError
from vault.model import REASONS

OURS = builtin()
TEXT = (Path(reaching.__file__).parents[1] / "rules" / "reach.toml").read_text("utf-8")
LOST = (({"unreachable_on": "2026-03-01"},),)


def at(clock: str, day: str = "2026-03-16") -> int:
    """The instant of a time of day in Shanghai, µs UTC."""
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=SHANGHAI).timestamp() * 1_000_000)


def so(clock: str = "10:00:00", **changes: Any) -> Circumstances:
    """A voice call to a borrower of whom nothing is known, nobody called today."""
    return Circumstances(
        **({"now": at(clock), "channel": "voice", "kind": "borrower", "anchors": {}} | changes)
    )


def code(circumstances: Circumstances) -> str:
    """The reason code of what refuses; "" if nothing does."""
    rule = refusal(OURS, circumstances)
    return rule.code if rule else ""


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", REACHED)
@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("07:59:59", "quiet_hours"), ("07:59:59.999999", "quiet_hours"), ("08:00:00", ""), ("08:00:01", ""),
        ("21:59:59", ""), ("21:59:59.999999", ""), ("22:00:00", "quiet_hours"), ("22:00:01", "quiet_hours"),
        ("23:59:59", "quiet_hours"), ("00:00:00", "quiet_hours"), ("00:00:01", "quiet_hours"),
    ],
)  # fmt: skip
def test_hours_to_the_second(channel: str, kind: str, clock: str, expected: str) -> None:
    """Closed from 22:00 on and before 8:00, over every channel and for everybody."""
    assert code(so(clock, channel=channel, kind=kind, debtors=LOST)) == expected


@given(minute=st.integers(0, 24 * 60 - 1), day=st.integers(0, 400))
def test_open_is_eight_to_ten_on_every_day(minute: int, day: int) -> None:
    """The turn of a day, month or year changes nothing; until names the instant at which it closes."""
    when = datetime(2026, 1, 1, tzinfo=SHANGHAI) + timedelta(days=day, minutes=minute)
    circumstances = so(now=int(when.timestamp() * 1_000_000))
    opened = 8 * 60 <= minute < 22 * 60
    assert (code(circumstances) == "") is opened
    until = closing(OURS, circumstances)
    assert until is not None
    assert until - circumstances.now == (22 * 60 - minute if opened else 0) * 60_000_000


def test_agreed_hours_hold_for_who_agreed() -> None:
    """The person's own agreement lifts the hours; a debtor's doesn't bind their contact person."""
    agreed = {"hours_agreed_on": "2026-01-01"}
    assert code(so("23:00:00", anchors=agreed)) == ""
    assert closing(OURS, so("23:00:00", anchors=agreed)) is None
    mine = (({"deceased_on": "2026-01-01"} | agreed,),)
    assert code(so("23:00:00", kind="contact_person", debtors=mine)) == "quiet_hours"


@pytest.mark.parametrize(
    ("channel", "calls", "attempts", "expected"),
    [
        ("voice", 2, 5, ""), ("voice", 3, 0, "call_cap"), ("voice", 4, 6, "call_cap"),
        ("voice", 0, 6, "attempt_cap"), ("sms", 9, 9, ""), ("visit", 9, 9, ""),
    ],
)  # fmt: skip
def test_caps_bind_calls_alone(channel: str, calls: int, attempts: int, expected: str) -> None:
    """Three calls and six attempts; messages and visits are not counted by these rules."""
    circumstances = so(channel=channel, calls=calls, attempts=attempts)
    assert code(circumstances) == expected
    found = answer(OURS, circumstances)
    left = (max(0, 3 - calls), max(0, 6 - attempts)) if channel == "voice" else (None, None)
    assert (found.allowed, found.reason) == (not expected, expected)
    assert (found.calls_left, found.attempts_left) == left


@pytest.mark.parametrize(
    ("debtors", "allowed"),
    [
        ((), False),
        (({},), False),
        (({"unreachable_on": "2026-03-10"},), True),
        (({"unreachable_on": "2026-03-10", "reached_on": "2026-03-09"},), True),
        (({"unreachable_on": "2026-03-10", "reached_on": "2026-03-10"},), False),
        (({"unreachable_on": "2026-03-10", "reached_on": "2026-03-11"},), False),
        (({"deceased_on": "2026-03-10", "reached_on": "2026-03-11"},), True),
        (({"incapacitated_on": "2026-03-10"},), True),
        (({"deceased_on": "2026-03-10"}, {}), False),
    ],
)
@pytest.mark.parametrize("channel", CHANNELS)
def test_contact_persons_need_a_debtor_out_of_reach(
    channel: str, debtors: tuple[Any, ...], *, allowed: bool
) -> None:
    """Every borrower of one of their cases, as things stand; over any channel. Others need nothing of it."""
    known = so(kind="contact_person", channel=channel, debtors=(debtors,))
    assert code(known) == ("" if allowed else "contact_state")
    beside = so(kind="contact_person", channel=channel, debtors=(debtors, ({"deceased_on": "2026-01-01"},)))
    assert code(beside) == ""
    assert code(so(kind="guarantor", channel=channel, debtors=(debtors,))) == ""


@pytest.mark.parametrize("kind", REACHED)
@pytest.mark.parametrize("channel", CHANNELS)
def test_refusal_comes_before_all_else(kind: str, channel: str) -> None:
    """Also at night; a visit to a debtor or guarantor alone is left."""
    known = so(kind=kind, channel=channel, debtors=LOST, anchors={"contact_refused_on": "2026-03-01"})
    stays = channel == "visit" and kind != "contact_person"
    assert code(known) == ("" if stays else "contact_refused")
    night = so("23:00:00", kind=kind, channel=channel, anchors={"contact_refused_on": "2026-03-01"})
    assert code(night) == ("quiet_hours" if stays else "contact_refused")


def test_every_rule_says_what_it_rests_on() -> None:
    """Each test is used and has a known reason; none pretends to be law, and what wasn't read is marked."""
    assert {rule.test for rule in OURS} == set(CODES)
    assert set(CODES.values()) <= set(REASONS)
    assert {rule.mark for rule in OURS} == {"[S]", "[product]"}
    for rule in OURS:
        assert rule.rank >= 4
        assert rule.source
        assert rule.gloss_en
        assert rule.quote_zh or rule.status == "practice"


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('test = "hours"', 'test = "hour"', "REACH-HOURS.test"),
        ('channels = ["voice"]', 'channels = ["fax"]', "REACH-CALLS.channels"),
        ('channels = ["voice"]', "channels = []", "REACH-CALLS.channels"),
        ('kinds = ["contact_person"]', 'kinds = ["loan"]', "REACH-CONTACT-REFUSED.kinds"),
        ("most = 3", "most = 0", "REACH-CALLS.most"),
        ('test = "not_refused"', 'test = "not_refused"\nmost = 3', "REACH-CONTACT-REFUSED.most"),
        ('closes = "22:00"', 'closes = "24:00"', "REACH-HOURS.closes"),
        ('closes = "22:00"', 'closes = "08:00"', "REACH-HOURS.closes"),
        ('closes = "22:00"\n', "", "REACH-HOURS.closes"),
        ("most = 3", 'most = 3\nopens = "08:00"', "REACH-CALLS.closes"),
        ('id = "REACH-REFUSED"', 'id = "REACH-CONTACT-REFUSED"', "id"),
        ('status = "practice"', 'status = "sure"', "file"),
        ("format = 1", "format = 2", "file"),
        ("format = 1", "format =", "file"),
        ("most = 3", "most = 3\nmore = 1", "file"),
    ],
)
def test_a_file_that_cannot_stand_is_refused(old: str, new: str, where: str) -> None:
    """Slips of the pen are named by rule and key, and nothing is half taken."""
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        reaching.load(TEXT.replace(old, new, 1))
    assert (caught.value.code, caught.value.field) == ("invalid_rules", where)
