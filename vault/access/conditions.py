"""Conditions: what must hold of a record, its person and the hour before a grant gives anything.

A closed vocabulary of tests, named in the policy file and attached to grants (docs/formats/policy.md). Pure:
the caller looks the situation up and passes it in, the instant included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

import msgspec

from vault.model import Word

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "case_open": "case_closed",
        "consent": "consent_withdrawn",
        "not_minor": "approval_required",
        "not_deceased": "contact_state",
        "state": "restricted",
        "region": "region_denied",
        "hours": "quiet_hours",
        "contract": "contract_ended",
        "basis": "purpose_denied",
        "pipia": "purpose_denied",
        "not_refused": "contact_refused",
    }
)
"""Every test and the reason code of its failure; the closed list."""

REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "case_open": "the case is closed; if work goes on, have it opened again",
        "consent": "the person withdrew consent; ask for it anew, or act for a purpose that needs none",
        "not_minor": "have somebody approve access to a minor's data first",
        "not_deceased": "the person has died; their next of kin are answered by the data protection officer",
        "state": "the record is in a state that this grant doesn't reach",
        "region": "act from a region that the policy names",
        "hours": "come back within the hours that the policy names (Asia/Shanghai)",
        "contract": "the contract has ended; if it was renewed, have it entered",
        "basis": "have the purpose's lawful basis renewed in the policy: legal_basis_until",
        "pipia": "have an impact assessment made and written into the policy: pipia = { id, until }",
        "not_refused": "the person refused to be contacted; leave it so",
    }
)

CONSENT: Final = "consent"
"""The condition that every grant carries for a purpose that rests on consent, unsaid (PIPL 15 [V])."""
CONSENT_BASIS: Final = 1
"""PIPL 13 ¶1(1)."""

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_MINUTE_US: Final = 60_000_000
_DAY_MINUTES: Final = 24 * 60
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_AHEAD: Final = 8 * 60
"""Asia/Shanghai is UTC+8 the year round (no daylight saving since 1991)."""


class ConditionSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A condition as it stands in the policy file.

    Attributes:
        test: One of `CODES`.
        source: On what it rests, with its certainty mark [V], [S] or [M].
        start, to: For `hours`: "HH:MM" in Asia/Shanghai, from <= t < to; may wrap midnight. The file
            writes `from` for `start`.
        states: For `state`: the record states it holds in.
        regions: For `region`: the regions it holds in, ISO 3166-1 alpha-2.
    """

    test: str
    source: str
    start: str = msgspec.field(name="from", default="")
    to: str = ""
    states: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


class Situation(Word):
    """What is so at the moment of a decision about one record; everything is looked up by the caller.

    Attributes:
        now: µs UTC.
        state: The record's state.
        anchors: ISO dates by name. `consent_withdrawn_on`, `deceased_on` and `contact_refused_on` count as
            soon as they are there; `adult_on` is the first day on which the person is certainly of age, kept
            for minors only.
        case: "open", "closed", or "none" where it was never opened here.
        region: Where the caller acts from, ISO 3166-1 alpha-2.
        contract: Whether the contract that covers the record is running.
        approved: What a valid approval covers, such as "minors".
    """

    now: int
    state: str
    anchors: Mapping[str, str]
    case: str
    region: str
    contract: bool
    approved: frozenset[str] = frozenset()


class Condition(Word):
    """A condition ready to be evaluated, for one purpose.

    Attributes:
        name: What the policy file calls it.
        test: One of `CODES`.
        source: On what it rests.
        opens, closes: For `hours`: minutes of the day, in Asia/Shanghai.
        states: For `state`.
        regions: For `region`.
        until: For `basis` and `pipia`: the last day (ISO) on which the purpose has it; "" if it never had.
    """

    name: str
    test: str
    source: str
    opens: int = 0
    closes: int = 0
    states: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    until: str = ""

    @property
    def code(self) -> str:
        """The reason code of its failure."""
        return CODES[self.test]

    @property
    def remedy(self) -> str:
        """What to do when it fails."""
        return REMEDIES[self.test]

    @property
    def never(self) -> bool:
        """Whether it can't hold, whatever the situation: a basis or assessment that there isn't."""
        return self.test in {"basis", "pipia"} and not self.until

    def holds(self, situation: Situation) -> bool:
        """Whether it holds in a situation."""
        return _TESTS[self.test](self, situation)

    def implies(self, other: Condition) -> bool:
        """Whether `other` holds wherever this one does: both run the same test, this one no looser."""
        if self.never:
            return True
        if self.test != other.test:
            return False
        return (
            self.states <= other.states
            and self.regions <= other.regions
            and self.until <= other.until
            and self.minutes <= other.minutes
        )

    @property
    def minutes(self) -> frozenset[int]:
        """The minutes of the day on which an `hours` condition holds; empty for another test."""
        span = (self.closes - self.opens) % _DAY_MINUTES
        return frozenset((self.opens + i) % _DAY_MINUTES for i in range(span))

    @property
    def terms(self) -> str:
        """What it asks, in words: the test and its parameters."""
        if self.test == "hours":
            return f"hours {clock(self.opens)}-{clock(self.closes)}"
        listed = sorted(self.states | self.regions)
        words = [*listed, f"until {self.until or 'never'}"] if self.test in {"basis", "pipia"} else listed
        return " ".join([self.test, *words])


CONSENT_CONDITION: Final = Condition(
    name=CONSENT,
    test="consent",
    source="PIPL 15 [V]: consent may be withdrawn; the purpose rests on nothing else",
)


def prepared(
    name: str, spec: ConditionSpec, *, basis_until: date | None, pipia_until: date | None
) -> Condition:
    """A condition of the file, ready for one purpose.

    Args:
        name: What the file calls it.
        spec: As written; its words and times were checked.
        basis_until: The purpose's `legal_basis_until`.
        pipia_until: The last day of the purpose's impact assessment (PIPL 55-56).
    """
    until = {"basis": basis_until, "pipia": pipia_until}.get(spec.test)
    return Condition(
        name=name,
        test=spec.test,
        source=spec.source,
        opens=minute(spec.start) if spec.start else 0,
        closes=minute(spec.to) if spec.to else 0,
        states=frozenset(spec.states),
        regions=frozenset(spec.regions),
        until=until.isoformat() if until else "",
    )


def failing(conditions: Sequence[Condition], situation: Situation) -> int:
    """Which of these conditions fail: bit n for the n-th; 0 if all hold."""
    failed, bit = 0, 1
    for condition in conditions:
        if not _TESTS[condition.test](condition, situation):
            failed |= bit
        bit <<= 1
    return failed


def minute(text: str) -> int:
    """The minute of the day of "HH:MM".

    Raises:
        ValueError: It is none.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError
    return int(found[1]) * 60 + int(found[2])


def clock(at: int) -> str:
    """A minute of the day as "HH:MM"."""
    return f"{at // 60:02}:{at % 60:02}"


def day(now: int) -> str:
    """The Asia/Shanghai date (ISO) of an instant, µs UTC."""
    minutes = now // _MINUTE_US + _AHEAD
    return date.fromordinal(_EPOCH_ORDINAL + minutes // _DAY_MINUTES).isoformat()


def instant(on: date, at: str) -> int:
    """The instant (µs UTC) of a day and "HH:MM" in Asia/Shanghai.

    Raises:
        ValueError: `at` is no time of day.
    """
    days = on.toordinal() - _EPOCH_ORDINAL
    return (days * _DAY_MINUTES + minute(at) - _AHEAD) * _MINUTE_US


def _within(condition: Condition, situation: Situation) -> bool:
    now = (situation.now // _MINUTE_US + _AHEAD) % _DAY_MINUTES
    if condition.opens < condition.closes:
        return condition.opens <= now < condition.closes
    return now >= condition.opens or now < condition.closes


def _of_age(_: Condition, situation: Situation) -> bool:
    adult_on = situation.anchors.get("adult_on")
    return adult_on is None or adult_on <= day(situation.now) or "minors" in situation.approved


def _covered(condition: Condition, situation: Situation) -> bool:
    return day(situation.now) <= condition.until


_TESTS: Final[Mapping[str, Callable[[Condition, Situation], bool]]] = MappingProxyType(
    {
        "case_open": lambda _, s: s.case != "closed",
        "consent": lambda _, s: "consent_withdrawn_on" not in s.anchors,
        "not_minor": _of_age,
        "not_deceased": lambda _, s: "deceased_on" not in s.anchors,
        "state": lambda c, s: s.state in c.states,
        "region": lambda c, s: s.region in c.regions,
        "hours": _within,
        "contract": lambda _, s: s.contract,
        "basis": _covered,
        "pipia": _covered,
        "not_refused": lambda _, s: "contact_refused_on" not in s.anchors,
    }
)
