"""Rules files are read strictly; lint keeps what is unsure out of the statutory profile."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import msgspec
import pytest

from vault.errors import ConfigError
from vault.model import KINDS
from vault.retention.period import Period
from vault.retention.rules import PROFILES, Finding, Rule, RuleSet, Superseded, builtin, lint, load

PAGE = Path(__file__).parents[3] / "docs" / "retention.md"

GOOD = """
format = 1
[[rule]]
id = "R-1"
kinds = ["borrower"]
applies_to = ["agency"]
effect = "ceiling"
rank = 6
name = "house practice"
article = ""
gloss_en = "three years"
status = "practice"
source = "here"
checked = 2026-11-23
anchor = ["imported_on"]
period = "P3Y"
profile = "house"
"""


def changed(rule_id: str, **changes: object) -> RuleSet:
    """The shipped rules with one of them changed."""
    rules = tuple(
        msgspec.structs.replace(rule, **changes) if rule.id == rule_id else rule for rule in builtin().rules
    )
    return msgspec.structs.replace(builtin(), rules=rules)


def errors(rules: RuleSet, as_of: date | None = None) -> list[Finding]:
    """What lint would stop for."""
    return [finding for finding in lint(rules, as_of) if finding.level == "error"]


def test_the_shipped_rules_have_no_error() -> None:
    """What we ship passes our own lint, and its notices are the two that are known."""
    assert errors(builtin()) == []
    assert {finding.rule for finding in lint(builtin())} == {"CSL-LOGS-6M", "CFC-PROCESS-5Y"}


@pytest.mark.parametrize(("kind", "profile"), list(product(KINDS, PROFILES)))
def test_every_kind_has_a_ceiling_that_needs_no_later_fact(kind: str, profile: str) -> None:
    """For every shipped kind and profile a ceiling falls back to the import day."""
    ceilings = builtin().applicable(kind, profile).ceilings
    assert any(rule.anchor[-1] == "imported_on" for rule in ceilings)


def test_statutory_means_read_in_a_law() -> None:
    """Every statutory rule is verified, rank 1 or 2, and quotes an article that is there."""
    for rule in builtin().rules:
        if rule.profile == "statutory":
            assert (rule.status, rule.rank <= 2) == ("verified", True), rule.id
            assert rule.quote_zh, rule.id
            assert re.match(r"\d+", rule.article), rule.id


def test_the_anti_money_laundering_floors_are_the_lenders_alone() -> None:
    """反洗钱法 63 does not name collection agencies, so they cannot rely on article 34."""
    assert {rule.applies_to for rule in builtin().rules if rule.name == "反洗钱法"} == {("lender",)}


def test_a_good_file_loads_and_is_named_by_its_digest() -> None:
    """A plain file loads; another byte gives another digest."""
    rules = load(GOOD)
    assert [rule.id for rule in rules.rules] == ["R-1"]
    assert rules.rules[0].checked == date(2026, 11, 23)
    assert load(GOOD + "\n").digest != rules.digest


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"P3Y"', '"3 years"', "period"),
        ('"P3Y"', "3", "period"),
        ('["imported_on"]', '["importd_on"]', "anchor"),
        ('["imported_on"]', "[]", "anchor"),
        ('["borrower"]', '["borower"]', "kinds"),
        ('["borrower"]', "[]", "kinds"),
        ('["agency"]', '["bank"]', "applies_to"),
        ('["agency"]', "[]", "applies_to"),
        ('"ceiling"', '"roof"', "effect"),
        ("rank = 6", "rank = 7", "rank"),
        ("rank = 6", "rank = 0", "rank"),
        ('"practice"\nsource', '"sure"\nsource', "status"),
        ("2026-11-23", '"yesterday"', "checked"),
        ('profile = "house"', 'profile = "law"', "profile"),
        ('source = "here"\n', "", "source"),
        ('source = "here"', 'source = "here"\nsorce = "there"', "sorce"),
    ],
)
def test_a_bad_rule_is_refused_by_id_and_key(old: str, new: str, key: str) -> None:
    """The error names the rule and the key, and does not quote the value."""
    assert old in GOOD
    with pytest.raises(ConfigError, match=f"R-1: {key} ") as caught:
        load(GOOD.replace(old, new, 1))
    assert caught.value.field == key
    assert not re.search(r"3 years|importd_on|borower|bank|roof|sure|yesterday", caught.value.message)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "format = 2\nrule = []",
        "format = 1\nrule = 3",
        "format = 1",
        GOOD + "[extra]\n",
        "rule = [",
        "format = 1\nrule = [3]",
    ],
)
def test_a_file_that_is_no_rules_file_is_refused(text: str) -> None:
    """Other formats, other tables and broken TOML are refused."""
    with pytest.raises(ConfigError):
        load(text)


def test_a_rule_without_a_usable_id_is_named_by_its_number() -> None:
    """Where the id itself is at fault, the rule's place in the file names it."""
    with pytest.raises(ConfigError, match="number 1: id "):
        load(GOOD.replace('"R-1"', '"r one"'))


def test_an_id_cannot_stand_twice() -> None:
    """Two rules of one name would hide each other in plans."""
    with pytest.raises(ConfigError, match="twice"):
        load(GOOD + GOOD.replace("format = 1", ""))


@pytest.mark.parametrize("status", ["secondary", "memory", "practice"])
def test_lint_keeps_unread_rules_out_of_the_statutory_profile(status: str) -> None:
    """A rule nobody read in the original is never shown as law."""
    assert [one.rule for one in errors(changed("AML-34-IDENTITY", status=status))] == ["AML-34-IDENTITY"]


@pytest.mark.parametrize("change", [{"rank": 3}, {"quote_zh": ""}, {"article": ""}])
def test_lint_asks_statutory_rules_for_rank_and_words(change: dict[str, object]) -> None:
    """A statutory rule needs rank 1 or 2, an article and its words."""
    assert [one.rule for one in errors(changed("AML-34-IDENTITY", **change))] == ["AML-34-IDENTITY"]


def test_lint_marks_an_unread_law_that_holds_back_deletion() -> None:
    """A rank 1 floor in the house profile is a notice while unread, and none once it was read."""
    assert "CSL-LOGS-6M" in {one.rule for one in lint(builtin())}
    assert "CSL-LOGS-6M" not in {one.rule for one in lint(changed("CSL-LOGS-6M", status="verified"))}


def test_lint_sees_an_expired_source() -> None:
    """A source is good through its last day and expired after it; without a day, the newest check counts."""
    last = date(2027, 5, 1)
    rules = changed("PIPL-21-CONTRACT-END", effective_to=last)
    assert errors(rules, last) == []
    assert [one.rule for one in errors(rules, last + timedelta(days=1))] == ["PIPL-21-CONTRACT-END"]
    assert errors(rules) == []
    assert errors(changed("PIPL-21-CONTRACT-END", effective_to=date(2026, 11, 22))) != []


def test_lint_sees_a_kind_without_a_ceiling() -> None:
    """A ceiling that waits for a later fact doesn't count; applying such a set is refused as well."""
    rules = changed("HOUSE-CEILING-LOG-5Y", anchor=("settled_on",))
    assert {one.rule for one in errors(rules)} == {"access_entry/agency", "access_entry/lender"}
    with pytest.raises(ConfigError, match="ceiling"):
        rules.applicable("access_entry", "agency")


def test_lint_says_that_an_unapproved_lower_floor_is_not_applied() -> None:
    """A ministry rule needs approver, reason and end date; each alone is not enough."""
    whole: dict[str, object] = {"approver": "dpo", "reason": "audit", "until": date(2030, 1, 1)}
    for lacking in whole:
        some = {key: value for key, value in whole.items() if key != lacking}
        rules = changed("CFC-PROCESS-5Y", **some)
        assert rules.applicable("visit", "lender").lower == ()
        assert "CFC-PROCESS-5Y" in {one.rule for one in lint(rules)}
    rules = changed("CFC-PROCESS-5Y", **whole)
    assert [rule.id for rule in rules.applicable("visit", "lender").lower] == ["CFC-PROCESS-5Y"]
    assert "CFC-PROCESS-5Y" not in {one.rule for one in lint(rules, date(2030, 1, 1))}
    assert "CFC-PROCESS-5Y" in {one.rule for one in lint(rules, date(2030, 1, 2))}


def test_a_floor_for_one_compartment_covers_the_record_and_others_are_not_applied() -> None:
    """Erasing too little can be mended, so a narrow floor widens, and a narrow ceiling or trigger doesn't."""
    floor = changed("AML-34-IDENTITY", compartment="identity")
    assert "AML-34-IDENTITY" in {rule.id for rule in floor.applicable("borrower", "lender").floors}
    trigger = changed("PIPL-47-PURPOSE-DONE", compartment="contact")
    assert "PIPL-47-PURPOSE-DONE" not in {
        rule.id for rule in trigger.applicable("borrower", "lender").triggers
    }
    assert {one.level for one in lint(trigger) if one.rule == "PIPL-47-PURPOSE-DONE"} == {"notice"}


def row(rule: Rule) -> str:
    """A rule as docs/retention.md shows it."""
    kinds = "all" if "*" in rule.kinds else ", ".join(rule.kinds)
    count = f"{rule.period} from {', else '.join(rule.anchor)}"
    cells = [
        f"`{rule.id}`", rule.effect, ", ".join(rule.applies_to), kinds, count, rule.cited, str(rule.rank),
        rule.status, rule.profile,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def version_row(one: Superseded) -> str:
    """A rule for superseded versions as docs/retention.md shows it."""
    kinds = "all" if "*" in one.kinds else ", ".join(one.kinds)
    return f"| `{one.id}` | {kinds} | {one.period} | {one.status} | {one.profile} |"


def test_the_page_shows_the_rules_as_they_are() -> None:
    """docs/retention.md has exactly one row for each shipped rule, certainty included."""
    shown = [line for line in PAGE.read_text("utf-8").splitlines() if re.match(r"\| `[A-Z]", line)]
    assert shown == [*map(row, builtin().rules), *map(version_row, builtin().versions)]


VERSIONS = """
[[superseded]]
id = "V-1"
kinds = ["borrower"]
period = "P6M"
gloss_en = "half a year"
status = "practice"
source = "here"
checked = 2026-11-23
profile = "house"
"""


def test_the_first_entry_that_names_a_kind_says_how_long_versions_stay() -> None:
    """A narrower entry before a wider one goes first; without any, nothing is kept silently."""
    both = load(
        GOOD + VERSIONS + VERSIONS.replace("V-1", "V-2").replace('"borrower"', '"*"').replace("6M", "1M")
    )
    assert both.superseded("borrower") == Period(months=6)
    assert both.superseded("loan") == Period(months=1)
    with pytest.raises(ConfigError, match="superseded"):
        load(GOOD + VERSIONS).superseded("loan")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"P6M"', '"half a year"', "period"),
        ('["borrower"]', '["borower"]', "kinds"),
        ('"practice"', '"verified"', "status"),
        ('profile = "house"', 'profile = "statutory"', "profile"),
        ('source = "here"\n', "", "source"),
        ('id = "V-1"', 'id = "V-1"\nrank = 1', "rank"),
    ],
)
def test_a_bad_version_rule_is_refused_by_id_and_key(old: str, new: str, key: str) -> None:
    """No law sets such a period, so it can't claim to be law, and a misspelt one doesn't load."""
    assert old in VERSIONS
    with pytest.raises(ConfigError, match=f"V-1: {key} "):
        load(GOOD + VERSIONS.replace(old, new, 1))


def test_version_rules_share_the_ids_of_the_others() -> None:
    """One id names one rule, whichever table it stands in."""
    with pytest.raises(ConfigError, match="twice"):
        load(GOOD + VERSIONS.replace("V-1", "R-1"))


def test_lint_sees_a_kind_whose_versions_stay_without_end() -> None:
    """Every kind needs a rule for what was replaced."""
    some = msgspec.structs.replace(
        builtin().versions[0], kinds=tuple(kind for kind in KINDS if kind != "visit")
    )
    found = errors(msgspec.structs.replace(builtin(), versions=(some,)))
    assert [one.rule for one in found] == ["visit/versions"]


def test_the_suppression_list_ends_from_the_day_of_listing() -> None:
    """Its ceiling counts from listed_on, and from the import where that is missing."""
    (rule,) = builtin().applicable("suppression", "lender").ceilings
    assert (rule.anchor, rule.period) == (("listed_on", "imported_on"), "P5Y")
