"""Conditions: each test holds and fails where it should, and what fails gives nothing and says why."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policykit import DEFAULT, SCHEMA, SMALL, grant, load, situation

from vault.access.conditions import (
    CODES,
    REMEDIES,
    Condition,
    ConditionSpec,
    Situation,
    clock,
    day,
    failing,
    instant,
    minute,
    prepared,
)
from vault.access.policy import Policy
from vault.errors import Denied
from vault.model import REASONS, View

OURS = Policy.load(DEFAULT, SCHEMA)
COLLECTOR = grant("collector", "repayment_reminder")
TODAY = date(2026, 3, 16)


def condition(test: str, **parts: Any) -> Condition:
    """A condition of a test, with its parameters."""
    return Condition(name="c", test=test, source="PIPL [V]", **parts)


HOURS = condition("hours", opens=minute("08:00"), closes=minute("22:00"))
MINOR = {"anchors": {"adult_on": "2026-03-17"}}
NIGHT = condition("hours", opens=minute("22:00"), closes=minute("08:00"))


@pytest.mark.parametrize(
    ("asked", "so", "holds"),
    [
        (condition("case_open"), {"case": "open"}, True),
        (condition("case_open"), {"case": "none"}, True),
        (condition("case_open"), {"case": "closed"}, False),
        (condition("consent"), {}, True),
        (condition("consent"), {"anchors": {"consent_withdrawn_on": "2026-03-16"}}, False),
        (condition("not_deceased"), {"anchors": {"adult_on": "2030-01-01"}}, True),
        (condition("not_deceased"), {"anchors": {"deceased_on": "2026-03-16"}}, False),
        (condition("not_refused"), {}, True),
        (condition("not_refused"), {"anchors": {"contact_refused_on": "2026-03-16"}}, False),
        (condition("not_minor"), {}, True),
        (condition("not_minor"), {"anchors": {"adult_on": "2026-03-16"}}, True),
        (condition("not_minor"), {"anchors": {"adult_on": "2026-03-17"}}, False),
        (condition("not_minor"), MINOR | {"approved": frozenset({"minors"})}, True),
        (condition("not_minor"), MINOR | {"approved": frozenset({"unseal"})}, False),
        (condition("state", states=frozenset({"ACTIVE"})), {}, True),
        (condition("state", states=frozenset({"ACTIVE"})), {"state": "RESTRICTED"}, False),
        (condition("region", regions=frozenset({"CN"})), {}, True),
        (condition("region", regions=frozenset({"CN"})), {"region": "SG"}, False),
        (condition("region", regions=frozenset({"CN"})), {"region": ""}, False),
        (condition("contract"), {}, True),
        (condition("contract"), {"contract": False}, False),
        (condition("basis", until="2026-03-16"), {}, True),
        (condition("basis", until="2026-03-15"), {}, False),
        (condition("basis"), {}, False),
        (condition("pipia", until="2026-03-16"), {}, True),
        (condition("pipia"), {}, False),
        (HOURS, {"now": instant(TODAY, "07:59")}, False),
        (HOURS, {"now": instant(TODAY, "08:00")}, True),
        (HOURS, {"now": instant(TODAY, "22:00") - 1}, True),
        (HOURS, {"now": instant(TODAY, "22:00")}, False),
        (NIGHT, {"now": instant(TODAY, "22:00")}, True),
        (NIGHT, {"now": instant(TODAY, "08:00") - 1}, True),
        (NIGHT, {"now": instant(TODAY, "08:00")}, False),
    ],
)  # fmt: skip
def test_each_test_holds_and_fails(asked: Condition, so: dict[str, Any], *, holds: bool) -> None:
    """At its boundaries each test says what the format page says."""
    assert asked.holds(situation(**so)) is holds
    assert failing((asked,), situation(**so)) == (0 if holds else 1)


def test_every_test_has_its_reason_and_remedy() -> None:
    """The vocabulary is closed: each test fails by a known reason and says what to do."""
    assert CODES.keys() == REMEDIES.keys()
    assert set(CODES.values()) <= set(REASONS)


@given(st.datetimes(datetime(1992, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - the zone comes below
def test_days_and_times_are_shanghais(local: datetime) -> None:
    """An instant's day and hour are those of the tz database's Asia/Shanghai."""
    at = local.replace(second=0, microsecond=0, tzinfo=ZoneInfo("Asia/Shanghai"))
    now = instant(at.date(), f"{at:%H:%M}")
    assert now == int(at.timestamp()) * 1_000_000
    assert day(now) == at.date().isoformat()
    alone = condition("hours", opens=minute(f"{at:%H:%M}"), closes=(minute(f"{at:%H:%M}") + 1) % 1440)
    assert alone.holds(situation(now=now + 59_999_999))
    assert not alone.holds(situation(now=now - 1))
    assert not alone.holds(situation(now=now + 60_000_000))


@pytest.mark.parametrize("text", ["24:00", "8:00", "08:60", "0800", "", "+8:00", "08:00 ", "٠٨:٠٠"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Two digits, a colon, two digits, within a day."""
    with pytest.raises(ValueError, match=r"^$"):
        minute(text)
    assert clock(minute("23:59")) == "23:59"


TIMES = st.integers(0, 1439)
DAYS = st.sampled_from(["", "2026-03-15", "2026-03-16", "2026-03-17"])
CONDITIONS = st.builds(
    Condition,
    name=st.just("c"),
    test=st.sampled_from(sorted(CODES)),
    source=st.just("PIPL [V]"),
    opens=TIMES,
    closes=TIMES,
    states=st.frozensets(st.sampled_from(["ACTIVE", "RESTRICTED"])),
    regions=st.frozensets(st.sampled_from(["CN", "SG"])),
    until=DAYS,
).filter(lambda c: c.test != "hours" or c.opens != c.closes)
SITUATIONS = st.builds(
    Situation,
    now=st.integers(0, 2879).map(lambda minutes: instant(TODAY, "00:00") + minutes * 60_000_000),
    state=st.sampled_from(["ACTIVE", "RESTRICTED"]),
    anchors=st.dictionaries(
        st.sampled_from(["consent_withdrawn_on", "deceased_on", "adult_on", "contact_refused_on"]),
        st.sampled_from(["2026-03-01", "2026-03-17"]),
    ),
    case=st.sampled_from(["open", "closed", "none"]),
    region=st.sampled_from(["CN", "SG"]),
    contract=st.booleans(),
    approved=st.frozensets(st.just("minors")),
)


@given(CONDITIONS, CONDITIONS, SITUATIONS)
def test_what_implies_holds_no_wider(one: Condition, other: Condition, so: Situation) -> None:
    """Where a condition implies another, there is no situation in which it holds and the other doesn't."""
    if one.implies(other) and one.holds(so):
        assert other.holds(so)
    assert one.implies(one)


def test_a_condition_takes_the_days_of_its_purpose() -> None:
    """`basis` and `pipia` look at the purpose; the others don't."""
    days = {"basis_until": date(2026, 1, 1), "pipia_until": date(2027, 1, 1)}
    made = {
        t: prepared("c", ConditionSpec(test=t, source="[V]"), **days) for t in ("basis", "pipia", "consent")
    }
    assert [made[t].until for t in ("basis", "pipia", "consent")] == ["2026-01-01", "2027-01-01", ""]
    assert prepared("c", ConditionSpec(test="pipia", source="[V]"), basis_until=None, pipia_until=None).never


MIXED = (
    SMALL
    + """
[conditions.alive]
test = "not_deceased"
source = "PIPL 49 [V]"
[conditions.here]
test = "region"
regions = ["CN"]
source = "PIPL 38 [V]"
[[grants]]
id = "three"
roles = ["legal"]
purposes = ["legal_action"]
actions = ["read"]
source = "why"
when = ["here", "alive"]
[grants.kinds.contact_person]
clear = ["name"]
masked = ["phone"]
[grants.kinds.borrower]
clear = ["email"]
masked = ["name"]
[[grants]]
id = "four"
roles = ["legal"]
purposes = ["legal_action"]
actions = ["read"]
source = "why"
when = ["here"]
[grants.kinds.contact_person]
masked = ["name", "relation"]
"""
)
MIXED_POLICY = load(MIXED)
LEGAL = grant("legal", "legal_action")
DEAD = situation(anchors={"deceased_on": "2026-03-16"})
ABROAD = situation(region="SG")


def test_a_failing_condition_takes_its_grant_away() -> None:
    """What another grant shows stays; what only the failing one shows is HIDDEN."""
    policy = load(MIXED)
    at_best = policy.decide(LEGAL, "contact_person", None)
    assert {n: v.name for n, v in at_best.views.items() if v} == {
        "name": "CLEAR", "phone": "MASKED", "relation": "MASKED",
    }  # fmt: skip
    assert policy.decide(LEGAL, "contact_person", None, situation=situation()) == at_best
    dead = policy.decide(LEGAL, "contact_person", None, situation=DEAD)
    assert {n: v.name for n, v in dead.views.items() if v} == {"name": "MASKED", "relation": "MASKED"}
    assert dead.compartments == ("masked",)
    assert policy.decide(LEGAL, "contact_person", None) == at_best
    borrower = policy.decide(LEGAL, "borrower", None, situation=DEAD)
    assert (borrower.views["name"], borrower.views["email"]) == (View.CLEAR, View.HIDDEN)


@given(
    so=SITUATIONS, pair=st.sampled_from([("legal", "legal_action"), ("agency_collector", "phone_collection")])
)
@settings(max_examples=50)
def test_a_view_is_the_best_of_the_grants_that_hold(so: Situation, pair: tuple[str, str]) -> None:
    """Reckoned anew from the file: every grant whose conditions all hold gives, and no other does."""
    role, purpose = pair
    policy = OURS if role == "agency_collector" else MIXED_POLICY
    asked = {name: c for name, spec in policy.file.conditions.items()
             for c in [prepared(name, spec, basis_until=None, pipia_until=None)]}  # fmt: skip
    for kind, spec in policy.schema.kinds.items():
        best = dict.fromkeys(spec.fields, View.HIDDEN)
        for g in policy.file.grants:
            if role in g.roles and purpose in g.purposes and all(asked[n].holds(so) for n in g.when):
                shown = g.kinds.get(kind)
                for view, names in ((View.MASKED, shown.masked), (View.CLEAR, shown.clear)) if shown else ():
                    best |= {name: max(best[name], view) for name in names}
        who = grant(role, purpose, cases=frozenset())
        try:
            assert policy.decide(who, kind, None, situation=so).views == best
        except Denied:
            assert not any(best.values())


@pytest.mark.parametrize(
    ("so", "asked", "code", "named"),
    [
        (DEAD, ("phone",), "contact_state", "alive"),
        (ABROAD, None, "region_denied", "here"),
        (ABROAD, ("relation",), "region_denied", "here"),
        (situation(region="SG", anchors={"deceased_on": "2026-03-16"}), ("phone",), "contact_state", "alive"),
        (
            situation(region="SG", anchors={"deceased_on": "2026-03-16"}),
            ("relation",),
            "region_denied",
            "here",
        ),
        (DEAD, ("refused_on",), "field_denied", "none of the fields"),
    ],
)
def test_a_refusal_names_the_condition(
    so: Situation, asked: tuple[str, ...] | None, code: str, named: str
) -> None:
    """The first condition in the file's order that hides what was asked, with its source and a remedy."""
    with pytest.raises(Denied) as caught:
        load(MIXED).decide(LEGAL, "contact_person", asked, situation=so)
    assert caught.value.code == code
    assert named in caught.value.message
    assert caught.value.remedy
    assert code == "field_denied" or "[V]" in caught.value.message


def test_a_token_that_hides_is_no_failing_condition() -> None:
    """Where the token itself shows nothing, the person's state isn't told."""
    narrow = grant("legal", "legal_action", fields={"refused_on": View.CLEAR})
    with pytest.raises(Denied) as caught:
        load(MIXED).decide(narrow, "contact_person", ("phone",), situation=DEAD)
    assert caught.value.code == "field_denied"


def test_conditions_of_a_cell_are_those_it_uses() -> None:
    """In the order of the file; a cell whose grants ask for nothing needs no situation."""
    policy = load(MIXED)
    assert [c.name for c in policy.conditions("legal", "legal_action")] == ["alive", "here"]
    assert policy.conditions("collector", "repayment_reminder") == ()
    assert policy.conditions("collector", "audit") == ()


def test_consent_is_asked_for_unsaid() -> None:
    """Every grant for a purpose that rests on consent ends with it (PIPL 15)."""
    policy = load(SMALL, ('zh = "还款提醒"\nbasis = 2', 'zh = "还款提醒"\nbasis = 1'))
    assert [c.test for c in policy.conditions("collector", "repayment_reminder")] == ["consent"]
    withdrawn = situation(anchors={"consent_withdrawn_on": "2026-03-01"})
    assert policy.decide(COLLECTOR, "borrower", None, situation=situation()).masked_bits
    with pytest.raises(Denied) as caught:
        policy.decide(COLLECTOR, "borrower", None, situation=withdrawn)
    assert caught.value.code == "consent_withdrawn"
    assert load().decide(COLLECTOR, "borrower", None, situation=withdrawn).masked_bits


def test_a_search_without_a_cap_needs_clear_on_no_condition() -> None:
    """A field that is CLEAR only while a condition holds is guessed at like any other."""
    swaps = [
        ('{ kind = "borrower", field = "phone", cap = 200 }', '{ kind = "borrower", field = "phone" }'),
        ('masked = ["name", "phone"]', 'clear = ["name", "phone"]'),
    ]
    alive = '\n[conditions.alive]\ntest = "not_deceased"\nsource = "PIPL 49 [V]"\n'
    assert load(SMALL, *swaps).cap("collector", "repayment_reminder", "borrower", "phone")
    held = load(SMALL + alive, *swaps, ('id = "one"', 'id = "one"\nwhen = ["alive"]'))
    assert held.cap("collector", "repayment_reminder", "borrower", "phone") is None


@pytest.mark.parametrize(
    ("role", "purpose", "names"),
    [
        ("collector", "repayment_reminder", {"alive", "case_open", "grown"}),
        ("collector", "contact_repair", {"alive", "case_open", "grown"}),
        ("agency_collector", "phone_collection", {"alive", "case_open", "grown", "contract"}),
        ("dialer", "phone_collection", {"alive", "case_open", "grown"}),
        ("legal", "legal_action", {"grown"}),
        ("case_desk", "dispute", {"grown"}),
        ("fraud_desk", "fraud_check", {"grown"}),
        ("dpo", "subject_request", set()),
        ("regulator", "regulator", set()),
        ("auditor", "audit", set()),
    ],
)
def test_out_of_the_box(role: str, purpose: str, names: set[str]) -> None:
    """Who works on a debt asks whether the person lives and is of age; who answers for it asks nothing."""
    assert {c.name for c in OURS.conditions(role, purpose)} == names
    assert not any(c.test == "hours" for c in OURS.conditions(role, purpose))


def test_a_minors_data_needs_approval_everywhere() -> None:
    """Whatever shows a borrower, guarantor or contact person shows no minor's, offices aside (条例 36)."""
    minor = situation(anchors={"adult_on": (TODAY + timedelta(days=400)).isoformat()})
    for role, spec in OURS.file.roles.items():
        for purpose in spec.purposes:
            for kind in ("borrower", "guarantor", "contact_person"):
                if role in {"dpo", "regulator"} or not OURS.actions(role, purpose) & {"read"}:
                    continue
                who = grant(role, purpose, cases=frozenset())
                if any(OURS.decide(who, kind, None).views.values()):
                    with pytest.raises(Denied) as caught:
                        OURS.decide(who, kind, None, situation=minor)
                    assert caught.value.code == "approval_required"


def test_attestations_approvals_and_glass_out_of_the_box() -> None:
    """Every role but admin and approver attests both; every approval but power is asked; glass is legal's."""
    bare = {role for role in OURS.file.roles if not OURS.attestations(role)}
    assert bare == {"admin", "approver"}
    assert OURS.attestations("collector") == ("confidentiality", "training")
    assert OURS.attestations("nobody") == ()
    assert OURS.approval("power") is None
    bulk, keys = OURS.approval("bulk_read"), OURS.approval("keys")
    assert bulk is not None
    assert keys is not None
    assert (bulk.quorum, bulk.rows, bulk.hours, set(bulk.by)) == (1, 10000, 72, {"approver", "dpo"})
    assert set(keys.by) == {"approver", "dpo", "admin"}
    glass = OURS.break_glass
    assert glass is not None
    assert (glass.roles, glass.minutes) == ({"collector": ("legal",), "case_desk": ("legal",)}, 60)
    assert load().break_glass is None
    assert load(DEFAULT, ("sandbox = false", "sandbox = true")).attestations("collector") == ()
