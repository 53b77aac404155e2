"""The policy: deny by default, the lowest view wins, and the default shows exactly what is documented."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policykit import DEFAULT, SCHEMA, SMALL, grant, load

from vault.access.masking import mask
from vault.access.policy import Policy, default_text, sandbox_text
from vault.errors import ConfigError, Denied, Invalid
from vault.model import ACTIONS, KINDS, PURPOSES, ROLES, View

OURS = Policy.load(DEFAULT, SCHEMA)
COLLECTOR = grant("collector", "repayment_reminder")
LEGAL = grant("legal", "legal_action")


def views(policy: Policy, role: str, purpose: str, kind: str) -> dict[str, str]:
    """What isn't HIDDEN, by name."""
    cases = frozenset({"C1"})
    decision = policy.decide(grant(role, purpose, cases=cases), kind, None)
    return {name: view.name for name, view in decision.views.items() if view}


def test_collector_sees_what_is_pinned() -> None:
    """Out of the box a collector sees name and phone masked, and nothing else of a borrower."""
    assert views(OURS, "collector", "repayment_reminder", "borrower") == {"name": "MASKED", "phone": "MASKED"}
    cap = OURS.cap("collector", "repayment_reminder", "borrower", "phone")
    assert cap is not None
    assert cap >= 100
    assert OURS.cap("collector", "repayment_reminder", "borrower", "id_number") is None


def test_legal_sees_what_is_pinned() -> None:
    """Out of the box legal sees every identity, contact and account field of borrower and loan clear."""
    wanted = {"identity", "contact", "account"}
    for kind in ("borrower", "loan"):
        decision = OURS.decide(LEGAL, kind, None)
        for name, field in SCHEMA.kind(kind).fields.items():
            assert (decision.views[name] is View.CLEAR) == (field.compartment in wanted)


PERSONAL = {"guarantor", "contact_person", "credit_report", "complaint", "evidence"}


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"dpo"}))
def test_extracts_of_credit_reports_are_for_the_person_alone(role: str) -> None:
    """Nobody but who answers the person sees an extract: it was pulled for one use (征信业管理条例 20)."""
    for purpose in OURS.file.roles[role].purposes:
        assert not any(kind == "credit_report" for kind, _ in OURS.cell(role, purpose).views)


def test_whoever_answers_a_person_sees_all_of_them() -> None:
    """A person may see what is held about them: every field of every kind, clear where it has a mask."""
    decide = grant("dpo", "subject_request")
    for kind in SCHEMA.kinds.values():
        for name, view in OURS.decide(decide, kind.name, None).views.items():
            if (kind.name, name) != ("suppression", "digest"):
                assert view is (View.MASKED if kind.fields[name].mask == "none" else View.CLEAR), name


def test_third_persons_are_for_few() -> None:
    """Clear to legal, for a guarantor is a party, and to who answers them; to collectors masked."""
    clear = {
        (role, kind, field)
        for role, spec in OURS.file.roles.items()
        for purpose in spec.purposes
        for (kind, field), (view, _) in OURS.cell(role, purpose).views.items()
        if view is View.CLEAR and kind in {"guarantor", "contact_person"} and role != "dpo"
    }
    assert {(role, kind) for role, kind, _ in clear} == {("legal", "guarantor")}
    assert views(OURS, "collector", "negotiation", "guarantor") == {"name": "MASKED", "form": "MASKED"}
    assert views(OURS, "collector", "repayment_reminder", "guarantor") == {}
    assert views(OURS, "collector", "contact_repair", "contact_person") == {
        "name": "MASKED",
        "relation": "MASKED",
    }


@pytest.mark.parametrize("kind", sorted(PERSONAL))
def test_agencies_and_dialers_see_nothing_of_others(kind: str) -> None:
    """Agencies and dialers are shown no guarantor, contact, complaint, evidence or credit report."""
    for role in ("agency_collector", "dialer"):
        for purpose in OURS.file.roles[role].purposes:
            assert views(OURS, role, purpose, kind) == {}


def test_complaints_are_read_by_who_answers_them() -> None:
    """Text and outcome are clear to the case desk and to quality review, and to no collector."""
    desk = views(OURS, "case_desk", "complaint", "complaint")
    assert (desk["text"], desk["outcome"], desk["phone"]) == ("CLEAR", "CLEAR", "MASKED")
    assert views(OURS, "case_desk", "settlement", "complaint") == {}
    assert "phone" not in views(OURS, "qa_reviewer", "quality_review", "complaint")
    for purpose in OURS.file.roles["collector"].purposes:
        assert views(OURS, "collector", purpose, "complaint") == {}


def test_dialer_sees_no_number() -> None:
    """Out of the box a dialer sees the name masked, no number, and may search by phone."""
    assert views(OURS, "dialer", "phone_collection", "borrower") == {"name": "MASKED"}
    assert OURS.cap("dialer", "phone_collection", "borrower", "phone") is not None
    assert OURS.cap("legal", "legal_action", "borrower", "phone") is not None


@pytest.mark.parametrize(
    ("role", "purpose", "actions"),
    [
        ("auditor", "audit", {"audit"}),
        ("importer", "import", {"import", "write"}),
        ("approver", "administration", {"approve"}),
        ("admin", "administration", {"principal", "policy", "key", "tenant", "backup", "approve"}),
        ("dpo", "administration", {"plan", "execute", "hold", "restrict", "approve", "list", "protect"}),
    ],
)
def test_offices_do_what_is_pinned(role: str, purpose: str, actions: set[str]) -> None:
    """Offices act, and see no personal field of anybody."""
    assert OURS.actions(role, purpose) == actions
    for kind, field in OURS.cell(role, purpose).views:
        assert SCHEMA.kind(kind).fields[field].open


def test_agency_is_masked_and_bound() -> None:
    """An agency sees masks only, and needs a token that names cases; a sandbox doesn't ask."""
    assert OURS.case_bound("agency_collector", "phone_collection")
    with pytest.raises(Denied) as caught:
        OURS.decide(grant("agency_collector", "phone_collection"), "borrower", None)
    assert caught.value.code == "purpose_denied"
    for purpose in ("phone_collection", "repayment_reminder"):
        for kind in SCHEMA.kinds:
            assert set(views(OURS, "agency_collector", purpose, kind).values()) <= {"MASKED"}
    sandbox = load(sandbox_text(default_text()))
    assert sandbox.sandbox
    assert not sandbox.case_bound("agency_collector", "phone_collection")
    assert sandbox.decide(grant("agency_collector", "phone_collection"), "borrower", ("name",)).views


def test_every_role_and_purpose_is_there() -> None:
    """The default policy knows the closed lists whole."""
    assert (set(OURS.file.roles), set(OURS.file.purposes)) == (set(ROLES), set(PURPOSES))
    assert all(spec.source for spec in OURS.file.purposes.values())


def test_caps_are_never_small() -> None:
    """No cap out of the box is under 100 values a day."""
    caps = [
        cap
        for role, s in OURS.file.roles.items()
        for p in s.purposes
        for cap in OURS.cell(role, p).finds.values()
    ]
    assert caps
    assert min(caps) >= 100


def test_restricted_is_for_few() -> None:
    """Only legal, regulator, security and the person's own requests reach RESTRICTED records."""
    reached = {purpose for purpose in PURPOSES if "RESTRICTED" in OURS.states(purpose)}
    assert reached == {"legal_action", "regulator", "security", "subject_request"}
    assert OURS.states("no such purpose") == {"ACTIVE"}


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (grant("root", "audit"), "role_denied"),
        (grant("collector", "legal_action"), "purpose_denied"),
        (grant("collector", "curiosity"), "purpose_denied"),
        (grant("importer", "import"), "role_denied"),
        (grant("collector", "repayment_reminder", actions=frozenset({"list"})), "role_denied"),
    ],
)
def test_deny_by_default(who: object, code: str) -> None:
    """What isn't granted is refused with the reason."""
    with pytest.raises(Denied) as caught:
        OURS.decide(who, "borrower", None)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_fields_asked_for() -> None:
    """Hidden fields asked beside a visible one are listed HIDDEN; asked alone they are refused."""
    decision = OURS.decide(COLLECTOR, "borrower", ("phone", "id_number", "phone"))
    assert decision.views == {"phone": View.MASKED, "id_number": View.HIDDEN}
    with pytest.raises(Denied) as caught:
        OURS.decide(COLLECTOR, "borrower", ("id_number", "bank_card"))
    assert caught.value.code == "field_denied"


def test_nothing_granted_opens_nothing() -> None:
    """A kind without grants is all HIDDEN and needs no compartment."""
    decision = OURS.decide(COLLECTOR, "contact_person", None)
    assert not any(decision.views.values())
    assert (decision.compartments, decision.masked_bits, decision.clear_bits) == ((), 0, 0)


@pytest.mark.parametrize(("kind", "asked"), [("borrower", ("nope",)), ("nope", None), ("borrower", ())])
def test_unknown_names_are_invalid(kind: str, asked: tuple[str, ...] | None) -> None:
    """A kind or field that doesn't exist is the caller's mistake, and so is asking for no field."""
    with pytest.raises(Invalid):
        OURS.decide(COLLECTOR, kind, asked)


def test_compartments_and_bits() -> None:
    """Clear fields need their own compartment, masked and open ones `masked`; bits are field numbers."""
    policy = load()
    decision = policy.decide(LEGAL, "borrower", ("name", "phone", "bank_card", "email"))
    fields = SCHEMA.kind("borrower").fields
    assert decision.compartments == ("account", "contact", "identity")
    assert decision.clear_bits == sum(1 << fields[name].number for name in ("name", "phone", "bank_card"))
    assert decision.masked_bits == 0
    assert policy.decide(LEGAL, "loan", None).compartments == ("masked",)
    assert policy.decide(COLLECTOR, "loan", None).compartments == ("masked",)
    assert decision.policy == policy.hash == hashlib.sha256(SMALL.encode()).hexdigest()


def test_masked_node_and_masked_token() -> None:
    """A masked node, or a token made for masked nodes, shows nothing clear and opens `masked` alone."""
    policy = load()
    masked_token = grant("legal", "legal_action", audience=frozenset({"masked"}))
    for decision in (
        policy.decide(LEGAL, "borrower", None, ceiling=View.MASKED),
        policy.decide(masked_token, "borrower", None),
    ):
        assert decision.compartments == ("masked",)
        assert decision.clear_bits == 0
    assert policy.decide(LEGAL, "borrower", None).clear_bits


def test_cache_keeps_grants_apart() -> None:
    """A decision made for one token is never another's."""
    policy = load()
    wide = policy.decide(LEGAL, "borrower", None)
    fields = {"name": View.MASKED}
    narrow = policy.decide(grant("legal", "legal_action", fields=fields), "borrower", None)
    assert narrow.views["name"] is View.MASKED
    assert narrow.views["phone"] is View.HIDDEN
    assert policy.decide(LEGAL, "borrower", None) == wide
    with pytest.raises(Denied):
        policy.decide(grant("legal", "legal_action", actions=frozenset()), "borrower", None)


def test_cache_is_bounded() -> None:
    """Many different requests don't grow the memory without end."""
    policy = load()
    for number in range(5000):
        policy.decide(grant("legal", "legal_action", fields={f"f{number}": View.CLEAR}), "borrower", None)
    assert len(policy._cache) <= 4096


FIELD_CEILINGS = st.none() | st.dictionaries(
    st.sampled_from([*SCHEMA.kind("borrower").fields]), st.sampled_from(View)
)


@given(
    role=st.sampled_from(ROLES),
    purpose=st.sampled_from(PURPOSES),
    kind=st.sampled_from([k for k in KINDS if k in SCHEMA.kinds]),
    fields=FIELD_CEILINGS,
    ceiling=st.sampled_from(View),
    audience=st.frozensets(st.sampled_from(["masked", "clear"]), min_size=1),
)
def test_view_is_the_lowest(
    role: str,
    purpose: str,
    kind: str,
    fields: dict[str, View] | None,
    ceiling: View,
    audience: frozenset[str],
) -> None:
    """No view exceeds policy, token, audience or node; compartments open for shown fields only."""
    who = grant(role, purpose, fields=fields, audience=audience, cases=frozenset())
    try:
        decision = OURS.decide(who, kind, None, ceiling=ceiling)
    except Denied:
        assert "read" not in OURS.actions(role, purpose)
        return
    granted = OURS.cell(role, purpose).views
    top = View.CLEAR if "clear" in audience else View.MASKED
    for name, view in decision.views.items():
        token = View.CLEAR if fields is None else fields.get(name, View.HIDDEN)
        assert view == min(granted.get((kind, name), (View.HIDDEN, ""))[0], token, ceiling, top)
    specs = SCHEMA.kind(kind).fields
    allowed = {specs[n].compartment for n, v in decision.views.items() if v is View.CLEAR} | {"masked"}
    assert set(decision.compartments) <= allowed
    assert bool(decision.compartments) == any(decision.views.values())
    assert decision.masked_bits & decision.clear_bits == 0


@pytest.mark.parametrize(
    ("swap", "named"),
    [
        (("version = 1", "version = 2"), "version"),
        (("version = 1", ""), "file"),
        (("version = 1", "version = "), "file"),
        (("version = 1", "version = 1\nmore = 1"), "file"),
        (("[roles.collector]", "[roles.boss]"), "roles.boss"),
        (("[purposes.negotiation]", "[purposes.curiosity]"), "roles.collector.purposes"),
        (('parent = "repayment_reminder"', 'parent = "negotiation"'), "purposes.negotiation.parent"),
        (('parent = "repayment_reminder"', 'parent = "audit"'), "purposes.negotiation.parent"),
        (("basis = 2", "basis = 8"), "purposes.repayment_reminder.basis"),
        (('id = "two"', 'id = "one"'), "grants[1] (one)"),
        (('roles = ["legal"]', 'roles = ["boss"]'), "grants[1] (two).roles"),
        (
            ('purposes = ["legal_action"]\nactions', 'purposes = ["audit"]\nactions'),
            "grants[1] (two).purposes",
        ),
        (('actions = ["read"]', 'actions = ["steal"]'), "grants[1] (two).actions"),
        (("[grants.kinds.loan]", "[grants.kinds.boat]"), "grants[0] (one).kinds"),
        (('masked = ["name", "phone"]', 'masked = ["name", "fone"]'), "grants[0] (one).kinds.borrower"),
        (('kind = "borrower"', 'kind = "boat"'), "grants[0] (one).find"),
        (('field = "phone"', 'field = "name"'), "grants[0] (one).find.borrower"),
        (("cap = 200", "cap = 0"), "grants[0] (one).find"),
        (("cap = 200", 'cap = "many"'), "file"),
    ],
)
def test_bad_policy_names_the_place(swap: tuple[str, str], named: str) -> None:
    """A policy with anything unknown or ill-typed doesn't load, and the error says where and what to do."""
    with pytest.raises(ConfigError) as caught:
        load(SMALL, swap)
    assert caught.value.field == named
    assert caught.value.remedy


def test_uncapped_search_is_not_granted() -> None:
    """A search without a cap holds for a field seen CLEAR, and not for one seen less."""
    uncapped = ('{ kind = "borrower", field = "phone", cap = 200 }', '{ kind = "borrower", field = "phone" }')
    assert load(SMALL, uncapped).cap("collector", "repayment_reminder", "borrower", "phone") is None
    clear = load(SMALL, uncapped, ('masked = ["name", "phone"]', 'clear = ["name", "phone"]'))
    assert clear.cap("collector", "repayment_reminder", "borrower", "phone") == (1 << 31) - 1


def test_grants_add_up_and_demands_stand() -> None:
    """Two grants for one role show what either shows; the lower cap and the case binding stand."""
    second = SMALL + (
        '\n[[grants]]\nid = "three"\nroles = ["collector"]\npurposes = ["repayment_reminder"]\n'
        'actions = ["list"]\nsource = "why"\ncase_bound = true\n'
        'find = [{ kind = "borrower", field = "phone", cap = 150 }]\n'
        '[grants.kinds.borrower]\nclear = ["name"]\nmasked = ["email"]\n'
    )
    cell = load(second).cell("collector", "repayment_reminder")
    assert cell.actions == {"read", "find", "list"}
    assert cell.views["borrower", "name"] == (View.CLEAR, "three")
    assert cell.views["borrower", "phone"] == (View.MASKED, "one")
    assert cell.finds == {("borrower", "phone"): 150}
    assert cell.case_bound


def test_sandbox_text_needs_its_line() -> None:
    """The sandbox switch is one line of the file; a text without it isn't guessed at."""
    assert sandbox_text(DEFAULT).count("sandbox = true") == 1
    with pytest.raises(ConfigError):
        sandbox_text("version = 1\n")


def test_every_action_is_granted_to_somebody() -> None:
    """No action of the vocabulary is out of everybody's reach."""
    granted = {action for g in OURS.file.grants for action in g.actions}
    assert granted == set(ACTIONS)


def test_page_example_loads() -> None:
    """The example of the format page is a policy that loads, and names every action."""
    page = (Path(__file__).parents[3] / "docs" / "formats" / "policy.md").read_text("utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    assert load(example).holds("collector", "negotiation")
    assert f"`{' '.join(ACTIONS)}`" in page


def test_one_mask_per_field() -> None:
    """A policy grants views and can't choose masks, so any two roles' views of a field are nested."""
    with pytest.raises(ConfigError):
        load(SMALL, ('masked = ["name", "phone"]', 'masked = ["name"]\nmask = "none"'))
    seen: dict[tuple[str, str], set[View]] = {}
    for role, spec in OURS.file.roles.items():
        for purpose in spec.purposes:
            for place, (view, _) in OURS.cell(role, purpose).views.items():
                seen.setdefault(place, set()).add(view)
    for (kind, field), found in seen.items():
        text = "13812345678" if "phone" in field else "1990-03-07"
        shown = {mask(SCHEMA.kind(kind).fields[field].mask, text) for view in found if view is View.MASKED}
        assert len(shown) <= 1
