"""Reaching people: whether somebody may be called, written to or visited now, by rules that are data.

The rules stand in vault/rules/reach.toml with their sources and how sure each is; none is statute. Pure: the
counts, the facts and the instant are passed in (DESIGN 9; docs/reach.md).
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib import resources
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from vault.access.conditions import minute
from vault.errors import ConfigError
from vault.model import Word

CHANNELS: Final = ("voice", "sms", "visit")
REACHED: Final = ("borrower", "guarantor", "contact_person")
"""The kinds whose people can be reached."""
CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "not_refused": "contact_refused",
        "lost_contact": "contact_state",
        "hours": "quiet_hours",
        "calls": "call_cap",
        "attempts": "attempt_cap",
    }
)
"""Every test, and the reason code of its refusal; the closed list."""
MARKS: Final[Mapping[str, str]] = MappingProxyType(
    {"verified": "[V]", "secondary": "[S]", "practice": "[product]"}
)
"""How sure a rule is: the text was read, reports of it were, or it is our own."""

_REMEDIES: Final = {
    "not_refused": "the person refused to be contacted; leave it so",
    "lost_contact": "reach the debtor; if that has become impossible, have it noted first",
    "hours": "come back after 08:00 (Asia/Shanghai), or have other hours agreed and noted",
    "calls": "go on tomorrow; a call that was not effective is confirmed as such, or voided",
    "attempts": "go on tomorrow",
}
_MINUTE: Final = 60_000_000
_DAY: Final = 24 * 60 * _MINUTE
_AHEAD: Final = 8 * 60 * _MINUTE
"""Asia/Shanghai is UTC+8 the year round (no daylight saving since 1991)."""


class ReachRule(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of the file.

    Attributes:
        test: One of `CODES`.
        channels, kinds: What it covers.
        most: For `calls` and `attempts`: so many a day.
        closes, opens: For `hours`: "HH:MM" in Asia/Shanghai, closed from `closes` on and before `opens`.
        rank: 1 law … 4 recommended standard, 5 self-regulation, 6 practice.
        name, article, quote_zh, gloss_en, source, checked: What it rests on, and when that was looked up.
        status: How sure that is.
    """

    id: str
    test: str
    channels: tuple[str, ...]
    kinds: tuple[str, ...]
    rank: int
    name: str
    article: str
    gloss_en: str
    status: Literal["verified", "secondary", "practice"]
    source: str
    checked: date
    quote_zh: str = ""
    most: int = 0
    closes: str = ""
    opens: str = ""

    @property
    def code(self) -> str:
        """The reason code of its refusal."""
        return CODES[self.test]

    @property
    def mark(self) -> str:
        """How sure it is, to be shown wherever the rule is."""
        return MARKS[self.status]

    @property
    def remedy(self) -> str:
        """What to do when it refuses."""
        return _REMEDIES[self.test]

    def covers(self, channel: str, kind: str) -> bool:
        """Whether it is about this channel and this kind of person."""
        return channel in self.channels and kind in self.kinds


class _File(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal[1]
    rule: tuple[ReachRule, ...]


Debtors = tuple[tuple[Mapping[str, str], ...], ...]
"""Of each case of a contact person, the days known of each of its borrowers."""


class Circumstances(Word):
    """What is so at the moment of a decision; the caller looks it up.

    Attributes:
        now: µs UTC.
        channel, kind: Over which way, and what the person is.
        anchors: ISO dates by name of the person to be reached.
        debtors: For a contact person.
        calls: Effective calls with the person today, and those in flight.
        attempts: Reservations of the number today, whatever became of them.
    """

    now: int
    channel: str
    kind: str
    anchors: Mapping[str, str]
    debtors: Debtors = ()
    calls: int = 0
    attempts: int = 0


class Answer(Word):
    """What the rules say of one channel.

    Attributes:
        reason: The code of the first rule that refuses; "" if none does.
        rule: That rule's id.
        calls_left, attempts_left: How many more today; None where no rule counts them.
        until: µs UTC at which the hours close, `now` if they have; None where they don't bind.
    """

    channel: str
    allowed: bool
    reason: str
    rule: str
    calls_left: int | None
    attempts_left: int | None
    until: int | None


def load(text: str) -> tuple[ReachRule, ...]:
    """Read rules, in the order in which they are asked.

    Raises:
        ConfigError: Not TOML, or a key, word, time or number that can't stand; names the rule.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _bad("file", str(error)) from None
    for rule in file.rule:
        _check(rule)
    if len({rule.id for rule in file.rule}) != len(file.rule):
        raise _bad("id", "two rules have one id")
    return file.rule


@functools.cache
def builtin() -> tuple[ReachRule, ...]:
    """The rules that ship with the vault."""
    return load(resources.files("vault").joinpath("rules/reach.toml").read_text("utf-8"))


def refusal(rules: Sequence[ReachRule], so: Circumstances) -> ReachRule | None:
    """The first rule that refuses; None if the person may be reached."""
    covering = (rule for rule in rules if rule.covers(so.channel, so.kind))
    return next((rule for rule in covering if not _TESTS[rule.test](rule, so)), None)


def answer(rules: Sequence[ReachRule], so: Circumstances) -> Answer:
    """What the rules say, how many calls and attempts are left, and until when."""
    found = refusal(rules, so)
    return Answer(
        channel=so.channel,
        allowed=found is None,
        reason=found.code if found else "",
        rule=found.id if found else "",
        calls_left=_left(rules, so, "calls", so.calls),
        attempts_left=_left(rules, so, "attempts", so.attempts),
        until=closing(rules, so),
    )


def closing(rules: Sequence[ReachRule], so: Circumstances) -> int | None:
    """The instant (µs UTC) at which the hours close next; None where they don't bind, `now` if closed."""
    ends = [
        so.now + (_span(rule)[0] - _time(so.now)) % _DAY if _within(rule, so.now) else so.now
        for rule in rules
        if rule.test == "hours" and rule.covers(so.channel, so.kind) and not _agreed(so)
    ]
    return min(ends, default=None)


def unreachable(anchors: Mapping[str, str]) -> bool:
    """Whether somebody can't be reached: noted, and not spoken to on that day or later."""
    return anchors.get("unreachable_on", "") > anchors.get("reached_on", "")


def out_of_reach(anchors: Mapping[str, str]) -> bool:
    """Whether a debtor has died, lost legal capacity, or can't be reached."""
    return "deceased_on" in anchors or "incapacitated_on" in anchors or unreachable(anchors)


def _left(rules: Sequence[ReachRule], so: Circumstances, test: str, count: int) -> int | None:
    caps = [rule.most for rule in rules if rule.test == test and rule.covers(so.channel, so.kind)]
    return max(0, min(caps) - count) if caps else None


def _agreed(so: Circumstances) -> bool:
    """Other hours were agreed with the person to be reached; what a debtor agrees to binds nobody else."""
    return "hours_agreed_on" in so.anchors


def _time(now: int) -> int:
    """µs since midnight in Asia/Shanghai."""
    return (now + _AHEAD) % _DAY


def _span(rule: ReachRule) -> tuple[int, int]:
    return minute(rule.closes) * _MINUTE, minute(rule.opens) * _MINUTE


def _within(rule: ReachRule, now: int) -> bool:
    """Whether the hours are open: at `opens` they are, at `closes` they aren't any more."""
    closes, opens = _span(rule)
    return (_time(now) - opens) % _DAY < (closes - opens) % _DAY


def _lost(_: ReachRule, so: Circumstances) -> bool:
    """Of one of the person's cases, every borrower is out of reach; with no borrower known, nobody is."""
    return any(case and all(map(out_of_reach, case)) for case in so.debtors)


_TESTS: Final[Mapping[str, Callable[[ReachRule, Circumstances], bool]]] = {
    "not_refused": lambda _, so: "contact_refused_on" not in so.anchors,
    "lost_contact": _lost,
    "hours": lambda rule, so: _agreed(so) or _within(rule, so.now),
    "calls": lambda rule, so: so.calls < rule.most,
    "attempts": lambda rule, so: so.attempts < rule.most,
}


def _check(rule: ReachRule) -> None:
    for key, words, known in (
        ("test", (rule.test,), tuple(CODES)),
        ("channels", rule.channels, CHANNELS),
        ("kinds", rule.kinds, REACHED),
    ):
        if not words or not set(words) <= set(known):
            raise _bad(f"{rule.id}.{key}", f"one of {', '.join(known)}")
    if (rule.most > 0) != (rule.test in {"calls", "attempts"}):
        raise _bad(f"{rule.id}.most", "goes with calls and attempts, 1 or more, and they with it")
    times = (rule.closes, rule.opens)
    if (rule.test == "hours") != all(times) or (rule.test != "hours" and any(times)):
        raise _bad(f"{rule.id}.closes", "goes with hours, beside opens, and hours with them")
    try:
        spans = {minute(text) for text in times if text}
    except ValueError:
        raise _bad(f"{rule.id}.closes", 'write "HH:MM", 00:00 to 23:59') from None
    if rule.test == "hours" and len(spans) == 1:
        raise _bad(f"{rule.id}.closes", "the hours would never open")


def _bad(where: str, problem: str) -> ConfigError:
    return ConfigError(
        f"reach rules: {where}: {problem}", code="invalid_rules", field=where, remedy="see docs/reach.md"
    )
