"""What the law and the house say about keeping: retention rules as data, read strictly and linted.

A rule is a floor (must keep at least), a ceiling (must not keep longer) or a trigger (an event that ends
keeping). Its authority rank decides what it may do: only 法律 and 行政法规 (rank 1 and 2) hold back a
deletion by themselves (PIPL 47 ¶2); every lower floor needs a named approver, a reason and an end date
(DESIGN 8).
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from vault.errors import ConfigError
from vault.model import KINDS, Word
from vault.retention.period import Period, parse

ANCHORS: Final = (
    "imported_on", "placed_on", "settled_on", "relationship_ended_on", "consent_withdrawn_on",
    "contact_refused_on", "last_demand_on", "listed_on", "contract_ended_on",
)  # fmt: skip
"""Days a rule can count from; all are a record's facts but `contract_ended_on`, which is the tenant's."""

Profile = Literal["agency", "lender"]
"""Whose hands the data is in: a third-party agency's (第三方催收机构) or the lender's own."""

PROFILES: Final[tuple[Profile, ...]] = ("agency", "lender")
LAST_RANK_IN_LAW: Final = 2
"""法律 is rank 1, 行政法规 rank 2: the only ones that PIPL 47 ¶2 lets hold back a deletion."""

FORMAT: Final = 1

_R = TypeVar("_R", "Rule", "Superseded")
_RULE_ID: Final = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)*", re.ASCII)


class Rule(Word, kw_only=True, forbid_unknown_fields=True):
    """One retention rule, as it stands in the rules file.

    Attributes:
        id: Capitals, digits and hyphens; unique in its file.
        kinds: Record kinds it governs, or `*` for all.
        compartment: `*`, or the one compartment it means; see `lint` for what is applied today.
        applies_to: Who it binds: `agency`, `lender` or both.
        effect: `floor`, `ceiling` or `trigger`.
        rank: Authority: 1 法律, 2 行政法规, 3 部门规章, 4 GB/T and JR/T, 5 自律, 6 practice.
        name, article: The source, as one would cite it.
        quote_zh: The operative words; empty only for a house rule.
        gloss_en: What they ask, in English.
        status: How sure: `verified` (text read), `secondary`, `memory` or `practice`.
        source: Where the text was read.
        checked: The day on which it was read.
        anchor: Days to count from, in order of preference; the first one present is used.
        period: ISO 8601, whole years, months and days; counted as in `vault.retention.period`.
        profile: `statutory` (written in a law or 行政法规, and read) or `house`.
        effective_from, effective_to: The source's own life, if known.
        approver, reason, until: Who keeps a lower floor alive, why, and through which day.
    """

    id: str
    kinds: tuple[str, ...]
    applies_to: tuple[Profile, ...]
    effect: Literal["floor", "ceiling", "trigger"]
    rank: Annotated[int, msgspec.Meta(ge=1, le=6)]
    name: str
    article: str
    gloss_en: str
    status: Literal["verified", "secondary", "memory", "practice"]
    source: str
    checked: date
    anchor: tuple[str, ...]
    period: str
    profile: Literal["statutory", "house"]
    compartment: str = "*"
    quote_zh: str = ""
    effective_from: date | None = None
    effective_to: date | None = None
    approver: str = ""
    reason: str = ""
    until: date | None = None

    @property
    def cited(self) -> str:
        """The source as plans and certificates name it."""
        return f"{self.name} {self.article}".strip()

    @property
    def in_law(self) -> bool:
        """Whether its authority alone can hold back a deletion (PIPL 47 ¶2)."""
        return self.rank <= LAST_RANK_IN_LAW

    @property
    def approved(self) -> bool:
        """Whether somebody answers for it: approver, reason and end date are all named."""
        return bool(self.approver and self.reason and self.until)

    def governs(self, kind: str, profile: str) -> bool:
        """Whether it is about this kind of record in the hands of this profile."""
        return profile in self.applies_to and (kind in self.kinds or "*" in self.kinds)


class Superseded(Word, kw_only=True, forbid_unknown_fields=True):
    """How long a version of a record that a newer one has replaced is kept, as it stands in the rules file.

    No law sets a period for it. What is replaced is no longer needed for what the record is for: the rules
    serve accuracy (PIPL 8) and the shortest time (PIPL 19).

    Attributes:
        id, kinds, gloss_en, source, checked: As in a `Rule`; they bind agency and lender alike.
        period: ISO 8601, counted from the day on which the version was replaced.
        status, profile: It is practice and the house's; nothing else is accepted.
    """

    id: str
    kinds: tuple[str, ...]
    period: str
    gloss_en: str
    source: str
    checked: date
    status: Literal["practice"]
    profile: Literal["house"]


class Applicable(Word, kw_only=True):
    """The rules for one kind in one profile, by what they do.

    Attributes:
        floors: In force by their rank; a floor for one compartment covers the whole record.
        lower: Floors of rank 3 to 6 that somebody answers for; the others are not applied.
        ceilings, triggers: What ends keeping; only rules for the whole record.
    """

    floors: tuple[Rule, ...]
    lower: tuple[Rule, ...]
    ceilings: tuple[Rule, ...]
    triggers: tuple[Rule, ...]


class RuleSet(Word, kw_only=True, cache_hash=True):
    """All rules of one file.

    Attributes:
        rules: In the file's order.
        versions: Rules for superseded versions, likewise.
        digest: SHA-256 (hex) of the file's text; a plan names the rules it was made under by it.
        like: Kinds of a vault's own, each with the shipped kind whose rules govern it.
    """

    rules: tuple[Rule, ...]
    versions: tuple[Superseded, ...] = ()
    digest: str = ""
    like: tuple[tuple[str, str], ...] = ()

    def governed_as(self, kind: str) -> str:
        """The kind whose rules govern a kind: itself, unless it is a vault's own."""
        return dict(self.like).get(kind, kind)

    def applicable(self, kind: str, profile: str) -> Applicable:
        """Return the rules for one kind in one profile.

        Raises:
            ConfigError: No ceiling covers it: such a record would be kept without end (PIPL 19).
        """
        return _applicable(self, self.governed_as(kind), profile)

    def superseded(self, kind: str) -> Period:
        """How long a replaced version of a record of this kind is kept.

        Raises:
            ConfigError: No entry names it: such versions would be kept without end (PIPL 19).
        """
        return parse(self.version_rule(kind).period)

    def version_rule(self, kind: str) -> Superseded:
        """The rule that ends a replaced version of this kind: the first that names it.

        Raises:
            ConfigError: None does.
        """
        kind = self.governed_as(kind)
        for one in self.versions:
            if kind in one.kinds or "*" in one.kinds:
                return one
        raise ConfigError(
            "no retention rule says how long superseded versions of this kind are kept",
            field="kinds",
            remedy="Add a [[superseded]] table that names the kind, and run `cvault retention rules`.",
        )


class Finding(Word, kw_only=True):
    """What lint has to say.

    Attributes:
        rule: The rule's id, or `kind/profile` where a rule is lacking.
        level: `error` (don't use this file) or `notice` (usable; know this).
        message: One sentence.
    """

    rule: str
    level: Literal["error", "notice"]
    message: str


def load(text: str) -> RuleSet:
    """Read a rules file (TOML: `format = 1`, a list of `[[rule]]`, one of `[[superseded]]`), strictly.

    Raises:
        ConfigError: Names the rule's id and the key that cannot be used.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        line = re.search(r"at line (\d+)", str(fault))
        where = f" at line {line[1]}" if line else ""
        raise ConfigError(f"the rules file is not TOML{where}", remedy="Mend the file.") from None
    listed, replaced = table.get("rule"), table.setdefault("superseded", [])
    if (
        set(table) != {"format", "rule", "superseded"}
        or table["format"] != FORMAT
        or not isinstance(listed, list)
        or not isinstance(replaced, list)
    ):
        raise ConfigError(
            "the rules file holds something other than format, rule and superseded",
            field="format",
            remedy=f"Write `format = {FORMAT}`, then one [[rule]] table for each rule.",
        )
    rules = tuple(_read(raw, number, Rule) for number, raw in enumerate(listed, 1))
    versions = tuple(_read(raw, number, Superseded) for number, raw in enumerate(replaced, 1))
    _refuse_doubles((*rules, *versions))
    return RuleSet(rules=rules, versions=versions, digest=hashlib.sha256(text.encode()).hexdigest())


@lru_cache(maxsize=1)
def builtin() -> RuleSet:
    """Return the rules that are shipped with the code (`vault/rules/cn-collections.toml`)."""
    return load((resources.files("vault") / "rules" / "cn-collections.toml").read_text("utf-8"))


def lint(rules: RuleSet, as_of: date | None = None) -> list[Finding]:
    """Say what is wrong with a rule set, and what in it is not applied.

    Args:
        rules: What to look at.
        as_of: The day to judge expired sources on; without one, the newest day a source was checked on.
    """
    today = as_of or max((rule.checked for rule in rules.rules), default=date.min)
    return [finding for rule in rules.rules for finding in _lint_rule(rule, today)] + list(_uncovered(rules))


def _read(raw: object, number: int, into: type[_R]) -> _R:
    stated = raw.get("id") if isinstance(raw, dict) else None
    name = stated if isinstance(stated, str) and _RULE_ID.fullmatch(stated) else f"number {number}"
    try:
        rule = msgspec.convert(raw, into)
    except msgspec.ValidationError as fault:
        raise _misfit(name, *_explained(str(fault))) from None
    _check_words(rule, name)
    return rule


def _check_words(rule: Rule | Superseded, name: str) -> None:
    if not _RULE_ID.fullmatch(rule.id):
        raise _misfit(name, "id", "is not made of capitals, digits and single hyphens")
    if not rule.kinds or not set(rule.kinds) <= {*KINDS, "*"}:
        raise _misfit(name, "kinds", "names a kind that is not on the closed list, or none")
    if isinstance(rule, Rule) and not rule.applies_to:
        raise _misfit(name, "applies_to", "names nobody")
    if isinstance(rule, Rule) and not (rule.anchor and set(rule.anchor) <= set(ANCHORS)):
        raise _misfit(name, "anchor", "names an anchor that is not on the closed list, or none")
    try:
        parse(rule.period)
    except ConfigError:
        raise _misfit(name, "period", "is not an ISO 8601 period such as P3Y, P6M or P0D") from None


def _misfit(rule: str, key: str, problem: str) -> ConfigError:
    return ConfigError(
        f"retention rule {rule}: {key} {problem}",
        field=key,
        remedy="docs/retention.md lists the keys of a rule.",
    )


def _explained(fault: str) -> tuple[str, str]:
    """Turn msgspec's words into a key and a problem; its own text could quote the value."""
    found = re.search(r"\$\.(\w+)|field `([^`]*)`", fault)
    key = (found[1] or found[2]) if found else "the whole rule"
    if "missing required field" in fault:
        return key, "is missing"
    if "unknown field" in fault:
        return key, "is not a key of a rule"
    return key, "holds what this key doesn't take"


def _refuse_doubles(rules: tuple[Rule | Superseded, ...]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise _misfit(rule.id, "id", "stands twice")
        seen.add(rule.id)


@lru_cache(maxsize=512)
def _applicable(rules: RuleSet, kind: str, profile: str) -> Applicable:
    mine = [rule for rule in rules.rules if rule.governs(kind, profile)]
    floors = [rule for rule in mine if rule.effect == "floor"]
    whole = [rule for rule in mine if rule.compartment == "*"]
    found = Applicable(
        floors=tuple(rule for rule in floors if rule.in_law),
        lower=tuple(rule for rule in floors if not rule.in_law and rule.approved),
        ceilings=tuple(rule for rule in whole if rule.effect == "ceiling"),
        triggers=tuple(rule for rule in whole if rule.effect == "trigger"),
    )
    if not any(rule.anchor[-1] == "imported_on" for rule in found.ceilings):
        raise ConfigError(
            "no retention rule sets a ceiling that needs no later fact for this kind and profile",
            field="kinds",
            remedy="Add a ceiling whose last anchor is imported_on, and run `cvault retention rules`.",
        )
    return found


def _lint_rule(rule: Rule, today: date) -> Iterator[Finding]:
    if rule.profile == "statutory":
        yield from _lint_statutory(rule)
    elif rule.effect == "floor" and rule.in_law and rule.status != "verified":
        yield _notice(rule, f"it holds deletion back, but its text is {rule.status}: read the original")
    if rule.effective_to is not None and rule.effective_to < today:
        yield _error(rule, "its source has expired; until the file is mended it is still applied")
    if rule.effect == "floor" and not rule.in_law:
        yield from _lint_lower(rule, today)
    if rule.compartment != "*":
        covers = "covers the whole record" if rule.effect == "floor" else "is not applied"
        yield _notice(rule, f"only compartment * is applied today; this rule {covers}")


def _lint_statutory(rule: Rule) -> Iterator[Finding]:
    if rule.status != "verified":
        yield _error(rule, f"a {rule.status} rule stands in the statutory profile")
    if not rule.in_law:
        yield _error(rule, "a rule below 行政法规 stands in the statutory profile")
    if not (rule.quote_zh and rule.article):
        yield _error(rule, "a statutory rule lacks its article or the words quoted from it")


def _lint_lower(rule: Rule, today: date) -> Iterator[Finding]:
    if not rule.approved:
        yield _notice(rule, "a floor below 行政法规 without approver, reason and end date is not applied")
    elif rule.until is not None and rule.until < today:
        yield _notice(rule, "its end date is past, so it is no longer applied")


def _uncovered(rules: RuleSet) -> Iterator[Finding]:
    for kind in KINDS:
        for profile in PROFILES:
            try:
                rules.applicable(kind, profile)
            except ConfigError as fault:
                yield Finding(rule=f"{kind}/{profile}", level="error", message=fault.message)
        try:
            rules.superseded(kind)
        except ConfigError as fault:
            yield Finding(rule=f"{kind}/versions", level="error", message=fault.message)


def _error(rule: Rule, message: str) -> Finding:
    return Finding(rule=rule.id, level="error", message=message)


def _notice(rule: Rule, message: str) -> Finding:
    return Finding(rule=rule.id, level="notice", message=message)
