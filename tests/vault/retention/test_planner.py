"""Verdicts follow DESIGN 8's order, to the day; what is irreversible never rests on what is unknown."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import ConfigError, Invalid
from vault.model import KINDS, Facts, Hold
from vault.retention import period
from vault.retention.planner import HOLD, Verdict, decide, due, summary
from vault.retention.rules import ANCHORS, PROFILES, Profile, RuleSet, builtin

DAY = timedelta(days=1)
RULES = builtin()
UPHELD = RuleSet(
    rules=tuple(
        msgspec.structs.replace(rule, approver="dpo", reason="inspection pending", until=date(2032, 6, 30))
        if rule.id == "CFC-PROCESS-5Y"
        else rule
        for rule in RULES.rules
    )
)
IMPORTED = {"imported_on": "2026-03-02", "placed_on": "2026-03-01"}


def ruled(
    kind: str,
    as_of: str | date,
    days_known: dict[str, str],
    *,
    profile: Profile = "agency",
    rules: RuleSet = RULES,
    holds: tuple[Hold, ...] = (),
    state: str = "ACTIVE",
) -> Verdict:
    """Decide on a record imported on 2026-03-02 and placed the day before; `ended` is the contract's end."""
    own = {name: value for name, value in days_known.items() if name != "ended"}
    return decide(
        kind=kind,
        facts=Facts(state=state, anchors={**IMPORTED, **own}, holds=holds),
        tenant_anchors={"contract_ended_on": days_known["ended"]} if "ended" in days_known else {},
        profile=profile,
        rules=rules,
        as_of=date.fromisoformat(as_of) if isinstance(as_of, str) else as_of,
    )


def verdict(
    kind: str,
    as_of: str | date,
    *,
    profile: Profile = "agency",
    rules: RuleSet = RULES,
    holds: tuple[Hold, ...] = (),
    state: str = "ACTIVE",
    **days_known: str,
) -> Verdict:
    """The same with the days written as keywords."""
    return ruled(kind, as_of, days_known, profile=profile, rules=rules, holds=holds, state=state)


A: Profile = "agency"
L: Profile = "lender"
# Each row: kind, profile, days known, the first day of the new action, old and new action, the rule named.
TURNS = [
    ("borrower", A, {}, "2029-03-02", "keep>erase", "HOUSE-CEILING-AGENCY-3Y"),
    ("borrower", A, {"settled_on": "2026-05-06"}, "2026-05-06", "keep>erase", "PIPL-47-PURPOSE-DONE"),
    ("borrower", A, {"ended": "2026-06-30"}, "2026-06-30", "keep>erase", "PIPL-21-CONTRACT-END"),
    ("suppression", A, {}, "2031-03-03", "keep>erase", "HOUSE-CEILING-SUPPRESSION-5Y"),
    ("contact_person", A, {}, "2028-03-02", "keep>erase", "HOUSE-CEILING-CONTACT-2Y"),
    ("contact_person", L, {"contact_refused_on": "2026-04-01"}, "2026-04-01", "keep>erase",
     "CONTACT-REFUSED"),
    ("contact_person", L, {"consent_withdrawn_on": "2026-04-02"}, "2026-04-02", "keep>erase",
     "PIPL-47-CONSENT-WITHDRAWN"),
    ("credit_report", L, {}, "2027-03-03", "keep>erase", "HOUSE-CEILING-CREDIT-REPORT-1Y"),
    ("complaint", A, {"settled_on": "2026-05-06"}, "2029-03-02", "keep>erase", "HOUSE-CEILING-AGENCY-3Y"),
    ("complaint", L, {"settled_on": "2024-02-29"}, "2027-03-01", "keep>erase", "HOUSE-DISPUTE-3Y"),
    ("visit", L, {"last_demand_on": "2028-02-29"}, "2031-03-01", "keep>erase", "HOUSE-CEILING-LENDER-3Y"),
    ("visit", L, {"last_demand_on": "2046-01-01"}, "2046-03-02", "keep>erase", "HOUSE-CEILING-LENDER-20Y"),
    ("borrower", L, {"settled_on": "2026-05-06"}, "2026-05-06", "keep>restrict", "AML-34-IDENTITY"),
    ("loan", L, {"settled_on": "2028-02-29"}, "2028-02-29", "keep>restrict", "AML-34-TRANSACTIONS"),
    ("loan", L, {"settled_on": "2028-02-29"}, "2038-03-01", "restrict>erase", "PIPL-47-PURPOSE-DONE"),
    ("borrower", L, {"settled_on": "2026-05-06", "relationship_ended_on": "2026-05-07"}, "2036-05-08",
     "restrict>erase", "PIPL-47-PURPOSE-DONE"),
    ("access_entry", A, {"ended": "2026-12-31"}, "2026-12-31", "keep>restrict", "PIPL-56-PROCESSING-RECORD"),
    ("access_entry", A, {"ended": "2026-12-31"}, "2029-03-03", "restrict>erase", "PIPL-21-CONTRACT-END"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "profile", "facts", "turn", "actions", "rule"), TURNS)
def test_an_action_turns_on_its_day(
    kind: str, profile: Profile, facts: dict[str, str], turn: str, actions: str, rule: str
) -> None:
    """The day before, the old action; on the day and the day after, the new one, by the rule named."""
    on = date.fromisoformat(turn)
    before, after = actions.split(">")
    assert ruled(kind, on - DAY, facts, profile=profile).action == before
    for when in (on, on + DAY):
        found = ruled(kind, when, facts, profile=profile)
        assert (found.action, found.rule) == (after, rule)


def test_withdrawn_consent_ends_only_what_rests_on_consent() -> None:
    """The debt itself is processed under the contract (PIPL 13(1)(2)); withdrawal doesn't touch it."""
    assert verdict("borrower", "2026-06-01", consent_withdrawn_on="2026-05-01").action == "keep"
    assert verdict("credit_report", "2026-06-01", consent_withdrawn_on="2026-05-01").action == "erase"


def test_an_agency_cannot_use_the_lenders_floor() -> None:
    """What a lender must restrict under 反洗钱法 34, an agency erases."""
    assert verdict("borrower", "2026-06-01", settled_on="2026-05-06").action == "erase"
    assert verdict("borrower", "2026-06-01", profile="lender", settled_on="2026-05-06").action == "restrict"


def test_a_contracts_end_is_no_matter_for_the_lenders_own_records() -> None:
    """PIPL 21 ¶2 binds the entrusted agency."""
    assert verdict("borrower", "2026-07-01", profile="lender", ended="2026-06-30").action == "keep"


def test_a_floor_that_cannot_be_counted_runs_on_and_says_so() -> None:
    """With no end of the relationship known, the ten years run on a century later; the anchor is named."""
    found = verdict("borrower", "2126-01-01", profile="lender")
    assert (found.action, found.rule, found.due) == ("restrict", "AML-34-IDENTITY", None)
    assert found.missing == ("relationship_ended_on",)
    assert found.certainty == "verified"
    assert "relationship_ended_on" in found.because


def test_of_several_floors_the_one_that_stands_longest_is_named() -> None:
    """A floor that cannot be counted outlasts any that can; among those that can, the last to end counts."""
    short = msgspec.structs.replace(
        next(rule for rule in RULES.rules if rule.id == "DATAREG-12-ENTRUSTING"),
        id="SHORT",
        kinds=("borrower",),
    )
    rules = RuleSet(rules=(*RULES.rules, short))
    known = {"settled_on": "2026-05-06"}
    open_ended = ruled("borrower", "2026-06-01", known, profile="lender", rules=rules)
    assert (open_ended.rule, open_ended.due) == ("AML-34-IDENTITY", None)
    known["relationship_ended_on"] = "2026-05-06"
    counted = ruled("borrower", "2026-06-01", known, profile="lender", rules=rules)
    assert (counted.rule, counted.due) == ("AML-34-IDENTITY", "2036-05-07")
    known["relationship_ended_on"] = "2017-05-06"
    overtaken = ruled("borrower", "2026-06-01", known, profile="lender", rules=rules)
    assert (overtaken.rule, overtaken.due) == ("SHORT", "2029-03-03")


def test_a_ceiling_counted_from_the_second_choice_shows_what_is_missing() -> None:
    """Without 委案日期 the import day counts, and the verdict says which anchor was not there."""
    facts = Facts(anchors={"imported_on": "2026-03-02"})
    found = decide(
        kind="borrower", facts=facts, tenant_anchors={}, profile="agency", rules=RULES, as_of=date(2026, 3, 2)
    )
    assert (found.action, found.due, found.missing) == ("keep", "2029-03-03", ("placed_on",))


def test_a_record_without_any_anchor_is_kept_and_reported() -> None:
    """Nothing is erased on no fact at all; somebody is told to mend it."""
    found = decide(
        kind="borrower",
        facts=Facts(),
        tenant_anchors={},
        profile="agency",
        rules=RULES,
        as_of=date(2999, 1, 1),
    )
    assert (found.action, found.due) == ("keep", None)
    assert found.missing == ("placed_on", "imported_on")
    assert found.reminders == ("the record has no import day: mend its facts",)


def test_a_hold_restricts_through_and_beyond_its_end_date() -> None:
    """A hold stands until it is released by name; after its date it reminds."""
    hold = Hold(number="(2026)沪01民初1号", authority="上海一中院", until="2027-01-31")
    for when, reminded in (("2027-01-30", 0), ("2027-01-31", 0), ("2027-02-01", 1), ("2040-01-01", 1)):
        found = verdict("borrower", when, settled_on="2026-05-06", holds=(hold,))
        assert (found.action, found.rule, found.certainty) == ("restrict", HOLD, "recorded")
        assert found.due == "2027-02-01"
        assert len(found.reminders) == reminded
        assert "民初" not in repr(found)
    assert verdict("borrower", "2027-02-01", settled_on="2026-05-06").action == "erase"


def test_a_hold_restricts_nothing_that_no_ground_calls_to_delete() -> None:
    """Step 0 comes first: an active record stays active under a hold, and the expired hold still reminds."""
    hold = Hold(number="1", authority="court", until="2026-04-01")
    found = verdict("borrower", "2026-05-01", holds=(hold,))
    assert (found.action, found.reminders) == ("keep", ("hold expired on 2026-04-01: release it by name",))


def test_of_several_holds_the_longest_is_named() -> None:
    """Two holds: due follows the later, each expired one reminds."""
    holds = tuple(
        Hold(number=str(n), authority="court", until=until)
        for n, until in enumerate(("2027-01-01", "2026-07-01"))
    )
    found = verdict("borrower", "2026-08-01", settled_on="2026-05-06", holds=holds)
    assert (found.due, len(found.reminders)) == ("2027-01-02", 1)


@pytest.mark.parametrize(
    "hold",
    [
        Hold(number="", authority="court", until="2027-01-01"),
        Hold(number="1", authority="", until="2027-01-01"),
        Hold(number="1", authority="court", until=""),
        Hold(number="1", authority="court", until="some day"),
    ],
)
def test_a_hold_without_number_authority_or_end_is_refused(hold: Hold) -> None:
    """Neither erased in spite of it nor held without a basis: somebody must complete it."""
    with pytest.raises(Invalid) as caught:
        verdict("borrower", "2027-06-01", settled_on="2026-05-06", holds=(hold,))
    assert caught.value.field == "holds"


def test_statute_stands_before_hold_and_hold_before_a_lower_floor() -> None:
    """Where several stand in the way, the order of DESIGN 8 names the one that decides."""
    hold = Hold(number="1", authority="court", until="2030-01-01")
    both = verdict("loan", "2027-01-01", profile="lender", settled_on="2026-05-06", holds=(hold,))
    assert both.rule == "AML-34-TRANSACTIONS"
    lower = verdict(
        "visit", "2027-01-01", profile="lender", rules=UPHELD, settled_on="2026-05-06", holds=(hold,)
    )
    assert lower.rule == HOLD


@pytest.mark.parametrize(
    ("facts", "last"),
    [({"settled_on": "2026-05-06"}, date(2031, 5, 6)), ({"settled_on": "2028-05-06"}, date(2032, 6, 30))],
)
def test_a_lower_floor_holds_only_with_a_name_and_no_longer_than_that_name_said(
    facts: dict[str, str], last: date
) -> None:
    """It ends with its period or the approved end date, whichever is first; unapproved it holds nothing."""
    assert ruled("visit", last, facts, profile="lender").action == "erase"
    found = ruled("visit", last, facts, profile="lender", rules=UPHELD)
    assert (found.action, found.rule, found.certainty) == ("restrict", "CFC-PROCESS-5Y", "secondary")
    assert found.due == (last + DAY).isoformat()
    assert ruled("visit", last + DAY, facts, profile="lender", rules=UPHELD).action == "erase"


def test_a_lower_floor_that_cannot_be_counted_ends_with_its_approval() -> None:
    """The ceiling has passed, settlement is unknown: the approved end date is the end."""
    found = verdict("visit", "2032-06-30", profile="lender", rules=UPHELD)
    assert (found.action, found.due, found.missing) == ("restrict", "2032-07-01", ("settled_on",))
    assert verdict("visit", "2032-07-01", profile="lender", rules=UPHELD).action == "erase"


def test_law_is_named_before_practice() -> None:
    """When a house ceiling and a statutory trigger have both fired, the statute is cited."""
    found = verdict("borrower", "2035-01-01", settled_on="2030-01-01")
    assert (found.trigger, found.due, found.certainty) == ("PIPL-47-PURPOSE-DONE", "2030-01-01", "verified")


def test_a_restricted_record_is_never_loosened_by_a_plan() -> None:
    """With no ground for deletion it stays restricted; with one and no bar it goes."""
    kept = verdict("borrower", "2026-05-01", state="RESTRICTED")
    assert kept.action == "keep"
    assert "stays restricted" in kept.because
    assert verdict("borrower", "2026-05-07", state="RESTRICTED", settled_on="2026-05-06").action == "erase"


@pytest.mark.parametrize("state", ["ERASED", "", "active"])
def test_a_record_in_no_known_state_is_refused(state: str) -> None:
    """An erased record has no facts; an unknown state is no ground to guess on."""
    with pytest.raises(Invalid):
        verdict("borrower", "2026-05-01", state=state)


def test_a_malformed_anchor_is_refused_without_being_quoted() -> None:
    """The error names the anchor and keeps the value to itself."""
    with pytest.raises(Invalid) as caught:
        verdict("borrower", "2026-05-01", settled_on="06/05/2026")
    assert caught.value.field == "settled_on"
    assert "06/05" not in caught.value.message


def test_unknown_kinds_and_profiles_are_refused() -> None:
    """What no ceiling covers is not silently kept for ever."""
    with pytest.raises(ConfigError):
        verdict("horoscope", "2026-05-01")
    with pytest.raises(ConfigError):
        verdict("borrower", "2026-05-01", profile="bank")  # type: ignore[arg-type]


def test_due_is_the_first_ceiling() -> None:
    """Shelves are grouped by the earliest ceiling, counted from 委案日期 or else the import day."""
    assert due("borrower", Facts(anchors=IMPORTED), {}, "agency", RULES) == date(2029, 3, 2)
    assert due("borrower", Facts(anchors={"imported_on": "2026-03-02"}), {}, "agency", RULES) == date(
        2029, 3, 3
    )
    late = Facts(anchors={**IMPORTED, "last_demand_on": "2045-12-31"})
    assert due("borrower", late, {}, "lender", RULES) == date(2046, 3, 2)
    with pytest.raises(Invalid) as caught:
        due("borrower", Facts(), {}, "agency", RULES)
    assert caught.value.field == "imported_on"


def test_a_summary_counts_by_action_and_rule() -> None:
    """The counts have all three actions, add up, and encode in the pinned shape."""
    made = [verdict("borrower", "2026-05-01") for _ in range(3)]
    made += [verdict("loan", "2026-06-01", settled_on="2026-05-06")]
    found = summary(iter(made))
    assert found.counts == {"erase": 1, "restrict": 0, "keep": 3}
    assert json.loads(msgspec.json.encode(found.by_rule))[0] == {
        "rule": "HOUSE-CEILING-AGENCY-3Y",
        "action": "keep",
        "count": 3,
        "status": "practice",
        "source": "house practice serving 个人信息保护法 19, 47(1)(2)",
        "missing": {},
    }
    assert sum(one.count for one in found.by_rule) == 4
    assert summary([]).counts == {"erase": 0, "restrict": 0, "keep": 0}


def test_a_summary_shows_what_is_missing() -> None:
    """Each anchor that verdicts lacked is counted under the rule that wanted it, and no other."""
    unknown = Facts(anchors={"imported_on": "2026-03-02"})
    made = [verdict("borrower", "2026-05-01", profile="lender", settled_on="2026-05-01") for _ in range(2)]
    made += [verdict("borrower", "2026-05-01")]
    made += [
        decide(kind="borrower", facts=facts, tenant_anchors={}, profile="agency", rules=RULES, as_of=day)
        for facts, day in (
            (unknown, date(2026, 5, 1)),
            (unknown, date(2040, 1, 1)),
            (Facts(), date(2026, 5, 1)),
        )
    ]
    shown = {(row.rule, row.action): (row.count, row.missing) for row in summary(made).by_rule}
    assert shown == {
        ("AML-34-IDENTITY", "restrict"): (2, {"relationship_ended_on": 2}),
        ("HOUSE-CEILING-AGENCY-3Y", "keep"): (3, {"imported_on": 1, "placed_on": 2}),
        ("HOUSE-CEILING-AGENCY-3Y", "erase"): (1, {"placed_on": 1}),
    }


days = st.dates(date(2020, 1, 1), date(2060, 12, 31)).map(date.isoformat)
holds = st.lists(
    st.builds(Hold, number=st.just("1"), authority=st.just("court"), until=days), max_size=2
).map(tuple)
cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "profile": st.sampled_from(PROFILES),
        "rules": st.sampled_from([RULES, UPHELD]),
        "facts": st.builds(
            Facts,
            state=st.sampled_from(["ACTIVE", "RESTRICTED"]),
            anchors=st.dictionaries(st.sampled_from(ANCHORS[:-1]), days),
            holds=holds,
        ),
        "tenant_anchors": st.dictionaries(st.just("contract_ended_on"), days),
    }
)
moments = st.dates(date(2020, 1, 1), date(2080, 12, 31))


@given(cases, moments)
def test_nothing_is_erased_under_a_running_floor_or_a_hold(case: dict[str, object], as_of: date) -> None:
    """Erase means: no hold, and every floor of rank 1 or 2 has an anchor and a last day in the past."""
    if decide(**case, as_of=as_of).action != "erase":  # type: ignore[arg-type]
        return
    facts, kind, profile = case["facts"], str(case["kind"]), str(case["profile"])
    assert isinstance(facts, Facts)
    assert facts.holds == ()
    for rule in RULES.rules:
        if rule.effect == "floor" and rule.rank <= 2 and rule.governs(kind, profile):
            present = [facts.anchors[name] for name in rule.anchor if name in facts.anchors]
            assert present, rule.id
            assert as_of > period.last_day(date.fromisoformat(present[0]), period.parse(rule.period)), rule.id


@given(cases, moments, moments)
def test_time_only_moves_a_record_towards_erasure(case: dict[str, object], one: date, two: date) -> None:
    """For the same facts, a later day never loosens: keep, then restrict, then erase."""
    order = ["keep", "restrict", "erase"]
    early, late = (order.index(decide(**case, as_of=when).action) for when in sorted((one, two)))  # type: ignore[arg-type]
    assert early <= late


@given(cases, moments, st.sampled_from(ANCHORS))
def test_forgetting_a_floors_anchor_never_erases(case: dict[str, object], as_of: date, name: str) -> None:
    """Where a floor counts from an anchor, taking that anchor away never leads to erasure."""
    facts, kind, profile = case["facts"], str(case["kind"]), str(case["profile"])
    assert isinstance(facts, Facts)
    floors = [rule for rule in RULES.applicable(kind, profile).floors if rule.anchor == (name,)]
    if not floors:
        return
    poorer = {key: value for key, value in facts.anchors.items() if key != name}
    found = decide(**{**case, "facts": msgspec.structs.replace(facts, anchors=poorer)}, as_of=as_of)  # type: ignore[arg-type]
    assert found.action != "erase"
    assert found.action == "keep" or name in found.missing


@given(cases)
def test_a_record_is_due_when_its_ceiling_says_so(case: dict[str, object]) -> None:
    """From the due day on no record is kept as it was; `due` and `decide` agree."""
    facts = case["facts"]
    assert isinstance(facts, Facts)
    facts = msgspec.structs.replace(facts, anchors={"imported_on": "2030-01-01", **facts.anchors})
    when = due(case["kind"], facts, case["tenant_anchors"], case["profile"], case["rules"])  # type: ignore[arg-type]
    assert decide(**{**case, "facts": facts}, as_of=when).action != "keep"  # type: ignore[arg-type]
    before = decide(**{**case, "facts": facts}, as_of=when - DAY)  # type: ignore[arg-type]
    assert before.action != "keep" or before.due == when.isoformat()


@pytest.mark.parametrize(("kind", "profile"), list(product(KINDS, PROFILES)))
def test_every_shipped_kind_comes_to_an_end_that_is_known_on_the_first_day(
    kind: str, profile: Profile
) -> None:
    """On its due day a kind is erased, or held by a floor that says what it misses."""
    facts = Facts(anchors={"imported_on": "2026-03-02"})
    when = due(kind, facts, {}, profile, RULES)
    found = decide(kind=kind, facts=facts, tenant_anchors={}, profile=profile, rules=RULES, as_of=when)
    assert found.action == "erase" or (found.action == "restrict" and found.missing)
