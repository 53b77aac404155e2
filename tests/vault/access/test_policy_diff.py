"""Two policies compared: nothing that widens goes unsaid."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policykit import DEFAULT, SCHEMA, SMALL, grant, load, situation

from vault.access.conditions import ConditionSpec, Situation, instant
from vault.access.policy import Policy, default_text, sandbox_text
from vault.access.policy_diff import diff, widened
from vault.access.policy_file import Assessment, GrantSpec, KindViews, PolicyFile, PurposeSpec, RoleSpec
from vault.access.policy_names import check_names
from vault.errors import Denied
from vault.model import View


def test_same_policy_has_no_difference() -> None:
    """A policy compared with itself says nothing."""
    assert diff(load(DEFAULT), load(DEFAULT)) == []


@pytest.mark.parametrize(
    ("swap", "sentence"),
    [
        (('masked = ["name", "phone"]', 'masked = ["name", "phone", "email"]'),
         "collector + repayment_reminder: borrower.email becomes MASKED (was HIDDEN)"),
        (('masked = ["name", "phone"]', 'masked = ["phone"]\nclear = ["name"]'),
         "collector + repayment_reminder: borrower.name becomes CLEAR (was MASKED)"),
        (("cap = 200", "cap = 300"),
         "collector + repayment_reminder: may search borrower.phone by 300 values a day (was 200)"),
        (('actions = ["read"]', 'actions = ["read", "list"]'), "legal + legal_action: may list"),
        (("sandbox = false", "sandbox = true"),
         "the vault becomes a sandbox: case binding and attestations are off"),
        (("parent =", "restricted = true\nparent ="), "negotiation reaches RESTRICTED records"),
        (('purposes = ["legal_action"]\n[purposes', 'purposes = ["legal_action", "negotiation"]\n[purposes'),
         "legal + negotiation: goes together now"),
    ],
)  # fmt: skip
def test_change_is_said_both_ways(swap: tuple[str, str], sentence: str) -> None:
    """A widening is said and flagged; taking it back is said and not flagged."""
    old, new = load(), load(SMALL, swap)
    changes = diff(old, new)
    assert [change.sentence for change in changes] == [sentence]
    assert changes[0].widening
    back = diff(new, old)
    assert len(back) == 1
    assert not back[0].widening


def test_lost_case_binding_is_a_widening() -> None:
    """Dropping the binding to cases is said as more than before."""
    bound = load(SMALL, ('id = "one"', 'id = "one"\ncase_bound = true'))
    assert [(c.sentence, c.widening) for c in diff(bound, load())] == [
        ("collector + repayment_reminder: no longer needs to name cases", True)
    ]
    assert [c.widening for c in diff(load(), bound)] == [False]


def test_widenings_come_first() -> None:
    """Whoever reads one screen of a long comparison reads the widenings."""
    changes = diff(load(sandbox_text(DEFAULT)), load(SMALL))
    flags = [change.widening for change in changes]
    assert flags == sorted(flags, reverse=True)
    assert False in flags


GLASS = """
[break_glass]
roles = { collector = ["legal"] }
minutes = 60
review_by = ["legal"]
review_hours = 72
"""
RICH = (
    SMALL
    + """
[conditions.alive]
test = "not_deceased"
source = "PIPL 49 [V]"
[conditions.daytime]
test = "hours"
from = "08:00"
to = "22:00"
source = "GB/T 45251-2025 5.3 [S]"
[conditions.here]
test = "region"
regions = ["CN"]
source = "PIPL 38 [V]"
[conditions.assessed]
test = "pipia"
source = "PIPL 55 [V]"
[approvals.handover]
quorum = 2
by = ["legal"]
hours = 48
[approvals.bulk_read]
quorum = 1
by = ["legal"]
rows = 1000
"""
    + GLASS
)
SWAPS = (
    ('id = "one"', 'id = "one"\nwhen = ["alive", "daytime", "here"]'),
    ('id = "two"', 'id = "two"\nwhen = ["assessed"]'),
    ("restricted = true", 'restricted = true\npipia = { id = "P-1", until = 2027-01-01 }'),
    ("[roles.legal]", '[roles.legal]\nattestations = ["training"]'),
)
FIELDS = "borrower.name, borrower.phone, loan.product MASKED"
ALL = "legal + legal_action: borrower.bank_card, borrower.name, borrower.phone, loan.product CLEAR"
WHO = "collector + repayment_reminder:"


@pytest.mark.parametrize(
    ("swap", "sentence", "purposes"),
    [
        (('["alive", "daytime", "here"]', '["daytime", "here"]'),
         f"{WHO} {FIELDS} no longer needs alive (not_deceased)", {"repayment_reminder"}),
        (('to = "22:00"', 'to = "23:00"'),
         f"{WHO} {FIELDS} no longer needs daytime (hours 08:00-22:00; the other: hours 08:00-23:00)",
         {"repayment_reminder"}),
        (('regions = ["CN"]', 'regions = ["CN", "SG"]'),
         f"{WHO} {FIELDS} no longer needs here (region CN; the other: region CN SG)", {"repayment_reminder"}),
        (("until = 2027-01-01", "until = 2028-01-01"),
         f"{ALL} no longer needs assessed (pipia until 2027-01-01; the other: pipia until 2028-01-01)",
         {"legal_action"}),
        (('\nattestations = ["training"]', ""), "legal no longer needs to attest training", {"legal_action"}),
        (("quorum = 2", "quorum = 1"), "approval of handover: quorum 1 (was 2)", set()),
        (('by = ["legal"]\nhours', 'by = ["legal", "collector"]\nhours'),
         "approval of handover: may be given by collector too", set()),
        (("hours = 48", "hours = 49"), "approval of handover: stands for 49 hours (was 48)", set()),
        (("rows = 1000", "rows = 1001"),
         "approval of bulk_read: is asked for past 1001 records a day (was 1000)", set()),
        (('[approvals.handover]\nquorum = 2\nby = ["legal"]\nhours = 48', ""),
         "approval of handover: is no longer asked for", set()),
        (("minutes = 60", "minutes = 90"), "break-glass: lasts 90 minutes (was 60)", {"legal_action"}),
        (("review_hours = 72", "review_hours = 96"),
         "break-glass: is reviewed within 96 hours (was 72)", {"legal_action"}),
        (('review_by = ["legal"]', 'review_by = ["legal", "collector"]'),
         "break-glass: is reviewed by collector too", {"legal_action"}),
        (('roles = { collector = ["legal"] }', 'roles = { collector = ["legal"], legal = ["collector"] }'),
         "break-glass: legal may take on collector", {"negotiation", "repayment_reminder"}),
        (("restricted = true", "restricted = true\npast = true"),
         "legal_action reaches versions that were replaced", {"legal_action"}),
    ],
)  # fmt: skip
def test_loosening_is_said_both_ways(swap: tuple[str, str], sentence: str, purposes: set[str]) -> None:
    """A condition, attestation, approval or review that asks less is a widening; taking it back isn't."""
    old = load(RICH, *SWAPS)
    new = load(RICH, *SWAPS, swap)
    wider = [change for change in diff(old, new) if change.widening]
    assert [change.sentence for change in wider] == [sentence]
    assert widened(old, new) == purposes
    assert diff(new, old)
    assert not any(change.widening for change in diff(new, old))
    assert widened(new, old) == set()


def test_broken_glass_added_is_a_widening() -> None:
    """Where nobody could, somebody may; taking it away again is none."""
    old, new = load(SMALL), load(SMALL + GLASS)
    assert [(c.sentence, c.widening) for c in diff(old, new)] == [
        ("break-glass: collector may take on legal", True)
    ]
    assert [c.widening for c in diff(new, old)] == [False]


def test_a_basis_other_than_consent_is_a_widening() -> None:
    """A withdrawal no longer stops it (PIPL 15)."""
    consent = load(SMALL, ('zh = "诉讼"\nbasis = 2', 'zh = "诉讼"\nbasis = 1'))
    assert widened(consent, load()) == {"legal_action"}
    assert widened(load(), consent) == set()
    assert any("now needs consent" in change.sentence for change in diff(load(), consent))


def test_grounds_are_said() -> None:
    """A basis, its last day and an assessment that change are said; alone they show nobody more."""
    new = load(
        SMALL,
        ("basis = 2\nrestricted", "basis = 7\nlegal_basis_until = 2030-01-01\nrestricted"),
        ("restricted = true", 'restricted = true\npipia = { id = "P", until = 2030-01-01 }'),
    )
    said = [(change.sentence, change.widening) for change in diff(load(), new)]
    assert said == [
        ("legal_action rests on PIPL 13 ¶1(7) (was 2)", False),
        ("legal_action has its basis until 2030-01-01 (was no day named)", False),
        ("legal_action is assessed (PIPIA) by P until 2030-01-01 (was none)", False),
    ]


def test_a_renamed_condition_is_no_difference() -> None:
    """What a condition asks counts, and not what it is called."""
    old = load(RICH, *SWAPS)
    new = load(
        RICH.replace("alive", "living"), (SWAPS[0][0], SWAPS[0][1].replace("alive", "living")), *SWAPS[1:]
    )
    assert diff(old, new) == []


def test_a_condition_that_never_holds_hides_no_widening() -> None:
    """A grant that could show nothing for want of an assessment shows all once there is one."""
    old = load(RICH, SWAPS[1])
    assert widened(old, load(RICH, SWAPS[1], SWAPS[2])) == {"legal_action"}
    assert widened(old, load(RICH)) == {"legal_action"}
    assert widened(load(RICH), old) == set()


def _hours(start: int, to: int) -> ConditionSpec:
    return ConditionSpec(test="hours", source="[V]", start=f"{start * 6:02}:00", to=f"{to * 6:02}:00")


SPECS = {
    "alive": [ConditionSpec(test=test, source="[V]") for test in ("not_deceased", "consent")],
    "daytime": [_hours(start, to) for start in range(4) for to in range(4) if start != to],
    "here": [
        ConditionSpec(test="region", source="[V]", regions=regions)
        for regions in (("CN",), ("SG",), ("CN", "SG"))
    ],
    "assessed": [ConditionSpec(test="pipia", source="[V]")],
}
WHENS = st.lists(st.sampled_from(sorted(SPECS)), max_size=2, unique=True)
ONE = st.tuples(WHENS, st.sampled_from(["masked", "clear"]), st.sampled_from(["read", "list"]))
PARTS = st.fixed_dictionaries(
    {
        "specs": st.fixed_dictionaries({name: st.sampled_from(specs) for name, specs in SPECS.items()}),
        "grants": st.lists(ONE, min_size=1, max_size=2),
        "basis": st.sampled_from([1, 2, 2]),
        "until": st.sampled_from([None, date(2026, 3, 15), date(2026, 3, 16)]),
        "held": st.sampled_from([["legal_action"], ["legal_action"], []]),
    }
)


def _made(parts: dict[str, Any]) -> Policy:
    """A policy of one role, purpose and field."""
    pipia = Assessment(id="P-1", until=parts["until"]) if parts["until"] else None
    grants = [
        GrantSpec(
            id=f"g{n}", roles=["legal"], purposes=["legal_action"], actions=["read", action], source="why",
            when=when, kinds={"borrower": KindViews(**{view: ["phone"]})},
        )
        for n, (when, view, action) in enumerate(parts["grants"])
    ]  # fmt: skip
    file = PolicyFile(
        version=1,
        roles={"legal": RoleSpec(zh="法务", purposes=parts["held"])},
        purposes={"legal_action": PurposeSpec(zh="诉讼", basis=parts["basis"], pipia=pipia)},
        grants=grants,
        conditions=parts["specs"],
    )
    check_names(file, SCHEMA)
    return Policy(file, "", SCHEMA)


@st.composite
def changed(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy, and what one or two changes make of it: most pairs differ in little, as they do at work."""
    parts, other = draw(PARTS), draw(PARTS)
    taken = draw(st.lists(st.sampled_from([*parts, *SPECS]), min_size=1, max_size=2))
    new = {**parts, "specs": dict(parts["specs"])}
    for key in taken:
        if key in SPECS:
            new["specs"][key] = other["specs"][key]
        else:
            new[key] = other[key]
    return _made(parts), _made(new)


SITUATIONS = [
    situation(
        now=instant(date(2026, 3, 16), f"{hour:02}:00"), region=region, anchors=dict.fromkeys(anchors, "2026")
    )
    for hour in range(0, 24, 6)
    for region in ("CN", "SG")
    for anchors in ((), ("deceased_on",), ("consent_withdrawn_on",), ("deceased_on", "consent_withdrawn_on"))
]


def _view(policy: Policy, so: Situation) -> View:
    try:
        who = grant("legal", "legal_action")
        return policy.decide(who, "borrower", ("phone",), situation=so).views["phone"]
    except Denied:
        return View.HIDDEN


@given(changed())
@settings(max_examples=400)
def test_nothing_that_widens_goes_unsaid(pair: tuple[Policy, Policy]) -> None:
    """Wherever a field is seen better under the new policy, a widening names who, for what, and the field."""
    old, new = pair
    changes = diff(old, new)
    if any(_view(new, so) > _view(old, so) for so in SITUATIONS):
        said = [c for c in changes if c.widening and c.sentence.startswith("legal + legal_action: ")]
        assert any("borrower.phone" in change.sentence for change in said)
        assert "legal_action" in widened(old, new)
    assert diff(old, old) == []


def test_who_is_reached_hangs_on_conditions_though_nothing_is_shown() -> None:
    """To show a dialer less, and with it ask for fewer conditions before a number is given, is a widening."""
    old = default_text()
    at = old.index('id = "dialer-places-calls"')
    end = old.index("[[grants]]", at)
    less = old[:at] + old[at:end].replace('[grants.kinds.borrower]\nmasked = ["name"]\n', "") + old[end:]
    said = [c.sentence for c in diff(load(old), load(less)) if c.widening]
    assert "dialer + phone_collection: reach no longer asks for alive (not_deceased)" in said
    assert not [c for c in diff(load(less), load(old)) if c.widening and "reach" in c.sentence]


def test_a_condition_of_a_grant_that_reaches_counts() -> None:
    """A grant that shows nothing and gives numbers is bound by what its `when` says."""
    text = default_text()
    at = text.index('id = "reach-gives-a-number"')
    bound = text[:at] + text[at:].replace(
        'actions = ["reach"]', 'actions = ["reach"]\nwhen = ["contract"]', 1
    )
    names = [condition.name for condition in load(bound).conditions("dialer", "phone_collection")]
    assert "contract" in names
    assert "contract" not in [c.name for c in load(text).conditions("dialer", "phone_collection")]
