"""What to do with one record on one day: keep, restrict or erase (DESIGN 8, PIPL 19, 47).

Pure: facts, rules and the day come in, a `Verdict` goes out. The same call for a later day is a forecast.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, Literal

from vault.errors import Invalid
from vault.model import Facts, Hold, State, Word
from vault.retention import period
from vault.retention.rules import Profile, Rule, RuleSet

Action = Literal["keep", "restrict", "erase"]
ACTIONS: Final[tuple[Action, ...]] = ("erase", "restrict", "keep")

HOLD: Final = "LEGAL-HOLD"
"""Stands in `Verdict.rule` when a hold decides; its number stays out, for it can lead to a person."""


class Verdict(Word, kw_only=True):
    """What is to be done with one record, and on whose authority. Holds no personal data.

    Attributes:
        action: `keep` (as it is: a restricted record stays restricted), `restrict` or `erase`.
        rule: The id of the rule that decided; for `keep`, of the ceiling that will be reached first.
        trigger: The id of the trigger or ceiling that has fired, or "".
        due: ISO date. erase: since when deletion was called for. restrict: the first day on which the rule no
            longer stands in the way. keep: the day the ceiling is reached. None if it cannot be counted.
        because: One English sentence.
        missing: Anchors that were wanted and are not there, in the order of the rules.
        certainty: The deciding rule's status; `recorded` for a hold.
        source: The deciding rule's source, as one would cite it.
        reminders: What somebody should do by hand.
    """

    action: Action
    rule: str
    trigger: str
    due: str | None
    because: str
    missing: tuple[str, ...]
    certainty: str
    source: str
    reminders: tuple[str, ...] = ()


class RuleCount(Word, kw_only=True):
    """How many records one rule sends one way.

    Attributes:
        missing: How many of them lack each anchor that was wanted, by the anchor's name; those that lack none
            aren't in it.
    """

    rule: str
    action: Action
    count: int
    status: str
    source: str
    missing: dict[str, int]


class Summary(Word, kw_only=True):
    """A plan in numbers, in the shape of docs/interface.md.

    Attributes:
        counts: Records by action: `erase`, `restrict`, `keep`, always all three.
        by_rule: The same by deciding rule, sorted by rule and action.
    """

    counts: dict[str, int]
    by_rule: list[RuleCount]


class _End(Word, kw_only=True):
    """A ceiling or trigger whose day is known: keeping ends on `day`; `passed_over` anchors were missing."""

    rule: Rule
    day: date
    passed_over: tuple[str, ...]


class _Bar(Word, kw_only=True):
    """Something that stands in the way of deletion through `last`; None if that cannot be counted."""

    rule: str
    last: date | None
    why: str
    certainty: str
    source: str


def decide(
    *,
    kind: str,
    facts: Facts,
    tenant_anchors: Mapping[str, str],
    profile: Profile,
    rules: RuleSet,
    as_of: date,
) -> Verdict:
    """Decide about one record as of one day, in the order of DESIGN 8.

    0. no ground of PIPL 47 has arisen → keep;
    1. a floor in law or State-Council regulation runs, or cannot be shown to have ended → restrict;
    2. a legal hold stands → restrict; once past its end date it still stands, with a reminder;
    3. a lower floor runs that a named person keeps alive → restrict;
    4. otherwise → erase.

    Args:
        kind: The record's kind.
        facts: The record's facts.
        tenant_anchors: ISO dates that hold for the tenant as a whole (`contract_ended_on`).
        profile: Whose hands the data is in.
        rules: What applies.
        as_of: The day to decide for (Asia/Shanghai).

    Raises:
        ConfigError: No rule sets a ceiling for this kind and profile.
        Invalid: An anchor or hold is malformed, or the record has no facts because it was erased.
    """
    _check(facts)
    mine = rules.applicable(kind, profile)
    anchors = {**tenant_anchors, **facts.anchors}
    ends = _ends(mine.ceilings + mine.triggers, anchors)
    fired = min((end for end in ends if end.day <= as_of), key=_strongest, default=None)
    if fired is None:
        return _keep(mine.ceilings, anchors, facts, as_of)
    floors = [rule for rule in mine.floors if _running(rule, anchors, as_of)]
    lower = [rule for rule in mine.lower if _upheld(rule, anchors, as_of)]
    bar = _floor_bar(floors, anchors) or _hold_bar(facts.holds) or _floor_bar(lower, anchors)
    if bar is None:
        return _erase(fired)
    uncounted = (rule for rule in floors + lower if _counted(rule, anchors) is None)
    return Verdict(
        action="restrict",
        rule=bar.rule,
        trigger=fired.rule.id,
        due=None if bar.last is None else period.after(bar.last).isoformat(),
        because=f"{fired.rule.id} calls for deletion since {fired.day}, but {bar.why}",
        missing=_once(name for rule in uncounted for name in rule.anchor),
        certainty=bar.certainty,
        source=bar.source,
        reminders=_reminders(facts.holds, as_of),
    )


def due(kind: str, facts: Facts, tenant_anchors: Mapping[str, str], profile: Profile, rules: RuleSet) -> date:
    """Return the day on which the first ceiling is reached; what a record's key shelf is grouped by.

    It is never later because a fact is missing: every kind has a ceiling that falls back to `imported_on`.

    Raises:
        ConfigError: No rule sets a ceiling for this kind and profile.
        Invalid: `imported_on` is missing, or an anchor is malformed.
    """
    anchors = {**tenant_anchors, **facts.anchors}
    if "imported_on" not in anchors:
        raise Invalid(
            "a record's facts lack imported_on",
            field="imported_on",
            remedy="Write the record with its import day.",
        )
    return min(end.day for end in _ends(rules.applicable(kind, profile).ceilings, anchors))


def summary(verdicts: Iterable[Verdict]) -> Summary:
    """Count verdicts by action and by deciding rule, and what each rule's records lack."""
    tally: Counter[tuple[str, Action, str, str]] = Counter()
    missing: defaultdict[tuple[str, Action, str, str], Counter[str]] = defaultdict(Counter)
    for one in verdicts:
        row = (one.rule, one.action, one.certainty, one.source)
        tally[row] += 1
        missing[row].update(one.missing)
    counts: dict[str, int] = dict.fromkeys(ACTIONS, 0)
    for (_, action, _, _), count in tally.items():
        counts[action] += count
    by_rule = [
        RuleCount(
            rule=row[0],
            action=row[1],
            count=count,
            status=row[2],
            source=row[3],
            missing=dict(sorted(missing[row].items())),
        )
        for row, count in sorted(tally.items())
    ]
    return Summary(counts=counts, by_rule=by_rule)


def _check(facts: Facts) -> None:
    if facts.state not in {State.ACTIVE, State.RESTRICTED}:
        raise Invalid(
            "an erased record has no facts to decide on",
            field="state",
            remedy="Leave erased records out of the plan.",
        )
    if not all(hold.number and hold.authority and hold.until for hold in facts.holds):
        raise Invalid(
            "a legal hold lacks its number, authority or end date",
            field="holds",
            remedy="Complete the hold, or release it.",
        )


def _ends(rules: tuple[Rule, ...], anchors: Mapping[str, str]) -> list[_End]:
    found = []
    for rule in rules:
        counted = _counted(rule, anchors)
        if counted is not None:
            name, start = counted
            day = period.over_from(start, period.parse(rule.period))
            found.append(_End(rule=rule, day=day, passed_over=rule.anchor[: rule.anchor.index(name)]))
    return found


def _counted(rule: Rule, anchors: Mapping[str, str]) -> tuple[str, date] | None:
    """The anchor a rule counts from: the first of its list that is there."""
    for name in rule.anchor:
        if name in anchors:
            return name, period.day(anchors[name], name)
    return None


def _strongest(end: _End) -> tuple[int, date, str]:
    """Of several grounds the one of the highest authority is named; among equals the earliest."""
    return end.rule.rank, end.day, end.rule.id


def _last_day(rule: Rule, anchors: Mapping[str, str]) -> date | None:
    counted = _counted(rule, anchors)
    return None if counted is None else period.last_day(counted[1], period.parse(rule.period))


def _running(rule: Rule, anchors: Mapping[str, str], as_of: date) -> bool:
    """A floor runs through its last day, and as long as it cannot be counted."""
    last = _last_day(rule, anchors)
    return last is None or as_of <= last


def _upheld(rule: Rule, anchors: Mapping[str, str], as_of: date) -> bool:
    return rule.until is not None and as_of <= rule.until and _running(rule, anchors, as_of)


def _floor_bar(floors: list[Rule], anchors: Mapping[str, str]) -> _Bar | None:
    """The floor that stands longest: one that cannot be counted before all others."""
    if not floors:
        return None
    longest = max(floors, key=lambda rule: (_last(rule, anchors) or date.max, -rule.rank, rule.id))
    last = _last(longest, anchors)
    if last is not None:
        why = f"{longest.id} asks to keep it through {last}"
    else:
        why = f"{longest.id} counts as running while {' and '.join(longest.anchor)} cannot be shown"
    return _Bar(rule=longest.id, last=last, why=why, certainty=longest.status, source=longest.cited)


def _last(rule: Rule, anchors: Mapping[str, str]) -> date | None:
    """The last day a floor stands: its own, and if a person upholds it, no later than that person said."""
    own = _last_day(rule, anchors)
    if rule.in_law or rule.until is None:
        return own
    return rule.until if own is None else min(own, rule.until)


def _hold_bar(holds: tuple[Hold, ...]) -> _Bar | None:
    if not holds:
        return None
    last = max(period.day(hold.until, "holds") for hold in holds)
    why = f"a legal hold stands, set to end on {last}"
    return _Bar(rule=HOLD, last=last, why=why, certainty="recorded", source="legal hold")


def _reminders(holds: tuple[Hold, ...], as_of: date) -> tuple[str, ...]:
    ends = sorted(period.day(hold.until, "holds") for hold in holds)
    return tuple(f"hold expired on {end}: release it by name" for end in ends if end < as_of)


def _keep(ceilings: tuple[Rule, ...], anchors: Mapping[str, str], facts: Facts, as_of: date) -> Verdict:
    first = min(_ends(ceilings, anchors), key=lambda end: (end.day, end.rule.rank, end.rule.id), default=None)
    reminders = _reminders(facts.holds, as_of)
    stays = "; it stays restricted" if facts.state == State.RESTRICTED else ""
    if first is None:
        rule, ahead = ceilings[0], "its ceiling cannot be counted"
        missing = _once(name for one in ceilings for name in one.anchor)
        reminders += ("the record has no import day: mend its facts",)
    else:
        rule, missing = first.rule, first.passed_over
        ahead = f"{rule.id} ends keeping on {first.day}"
    return Verdict(
        action="keep",
        rule=rule.id,
        trigger="",
        due=None if first is None else first.day.isoformat(),
        because=f"no ground for deletion has arisen; {ahead}{stays}",
        missing=missing,
        certainty=rule.status,
        source=rule.cited,
        reminders=reminders,
    )


def _erase(fired: _End) -> Verdict:
    return Verdict(
        action="erase",
        rule=fired.rule.id,
        trigger=fired.rule.id,
        due=fired.day.isoformat(),
        because=f"{fired.rule.id} calls for deletion since {fired.day}; no floor or hold stands in the way",
        missing=fired.passed_over,
        certainty=fired.rule.status,
        source=fired.rule.cited,
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
