"""Findings of an access review: what is named, what isn't, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reviewkit import (
    DAY,
    NOW,
    TERMS,
    agencies,
    contract,
    everything,
    glass,
    held,
    holder,
    person,
    registry,
    request,
)

from vault.access.policy import Policy, default_text, sandbox_text
from vault.findings import LEVELS, Finding, Held, Terms, findings
from vault.ledger.registry import Approval, Registry
from vault.schema_own import load

POLICY = Policy.load(default_text(), load(Path(__file__).parent))
QUIET = registry(person("p-a", person="e1"))


def found(
    rows: Registry = QUIET, holders: Any = (), *, terms: Terms = TERMS, cases: Any = None
) -> list[Finding]:
    """The findings but for what the shipped policy is told off for."""
    said = findings(terms, rows, POLICY, holders, agencies(rows), cases or {})
    return [finding for finding in said if finding.code != "policy"]


def codes(*arguments: Any, **named: Any) -> list[str]:
    """Their codes."""
    return [finding.code for finding in found(*arguments, **named)]


def test_the_worst_stands_first() -> None:
    """Errors before warnings before what is only to be noted."""
    levels = [LEVELS.index(finding.level) for finding in everything(POLICY)]
    assert levels == sorted(levels)
    assert set(levels) == {0, 1, 2}


def test_nothing_wrong_is_nothing_found() -> None:
    """Somebody with a number, an attestation and a role in use needs no mending."""
    p = person("p-a", person="e1", attested={"training": "2027-01-01"})
    assert codes(registry(p), [holder(p, held("admin"), needs=("training",))]) == []


def test_an_open_review_is_owed_and_then_overdue() -> None:
    """Up to its day it is a warning; after it an error; reviewed, nothing."""
    done = glass("g3", NOW - DAY, reviewed=Approval(principal="p-b", at=NOW), justified=True)
    said = found(registry(person("p-a"), glass("g1", NOW), glass("g2", NOW - 1), done))
    assert [(f.level, f.code, f.about) for f in said] == [
        ("error", "glass_overdue", "g2"),
        ("warning", "glass_open", "g1"),
    ]
    assert said[0].command == "cvault glass review g2 --justified --finding T --as FILE"


@pytest.mark.parametrize(
    ("ends", "more", "expected"),
    [
        ("2026-03-09", {}, ["return_overdue", "contract_over"]),
        ("2026-03-10", {}, ["return_due", "contract_over"]),
        ("2026-03-09", {"returned": "2026-03-12"}, ["contract_over"]),
        ("2026-03-20", {}, ["contract_ends"]),
        ("2026-03-27", {}, ["contract_ends"]),
        ("2026-03-28", {}, []),
        ("2026-03-25", {"sealed": 1}, []),
    ],
)
def test_an_agencys_contract(ends: str, more: dict[str, Any], expected: list[str]) -> None:
    """Near its end, over, and what is owed after it, to the day."""
    firm = person("p-f", sort="agency", agency="p-f")
    rows = registry(firm, person("p-w", agency="p-f"), contract("p-f", ends, **more))
    assert codes(rows) == expected


def test_an_agency_without_a_contract_has_no_people() -> None:
    """People without one are a finding; an agency that has none isn't."""
    firm = person("p-f", sort="agency", agency="p-f")
    assert codes(registry(firm)) == []
    assert codes(registry(firm, person("p-w", agency="p-f"))) == ["contract_none"]
    assert codes(registry(firm, person("p-w", agency="p-f", disabled=True))) == []


@pytest.mark.parametrize(
    ("sort", "role", "level"),
    [
        ("service", "admin", "error"),
        ("service", "legal", "warning"),
        ("service", "dialer", None),
        ("agency", "agency_collector", None),
        ("person", "legal", None),
    ],
)
def test_a_service_decides_nothing(sort: str, role: str, level: str | None) -> None:
    """Roles that take a person's judgement are no machine's."""
    p = person("p-s", sort=sort, agency="p-s" if sort == "agency" else "")
    said = [f.level for f in found(registry(p), [holder(p, held(role))]) if f.code == "not_a_person"]
    assert said == ([level] if level else [])


def test_one_person_under_two_names() -> None:
    """The later one is named; a disabled one is no second name."""
    first, second = person("p-a", person="e1"), person("p-b", person="e1", added=NOW)
    (finding,) = found(registry(first, second, person("p-c", person="e2"), person("p-d")))
    assert (finding.code, finding.about, finding.level) == ("two_names", "p-b", "error")
    gone = person("p-b", person="e1", added=NOW, disabled=True)
    assert codes(registry(first, gone)) == []


def test_cases_that_nobody_works() -> None:
    """Those of a disabled holder and of a stopped agency; not those of one who may go on."""
    firm = person("p-f", sort="agency", agency="p-f")
    rows = registry(
        firm, person("p-w", agency="p-f"), contract("p-f", "2026-12-31", sealed=1),
        person("p-gone", disabled=True), person("p-a"),
    )  # fmt: skip
    said = found(rows, cases={"p-f": 1, "p-w": 2, "p-gone": 3, "p-a": 4, "p-unknown": 5})
    assert {(f.code, f.about, f.parts["cases"]) for f in said} == {
        ("cases_of_stopped_agency", "p-f", "1"),
        ("cases_of_stopped_agency", "p-w", "2"),
        ("cases_stranded", "p-gone", "3"),
    }
    assert all(f"case recall --holder {f.about} " in f.command for f in said)


@pytest.mark.parametrize(
    ("until", "over", "expected"),
    [
        (None, False, []),
        (NOW + 6 * DAY, False, ["role_ends"]),
        (NOW + 9 * DAY, False, []),
        (NOW, True, ["role_over"]),
    ],
)
def test_the_end_of_a_role(until: int | None, over: bool, expected: list[str]) -> None:  # noqa: FBT001 - a table's cell
    """Near it is to be renewed; over it is to be taken off the list."""
    p = person("p-a", person="e1")
    assert codes(registry(p), [holder(p, held("legal", until=until, over=over))]) == expected


def test_attestations_of_one_day_are_one_finding() -> None:
    """Both kinds in one command; one that no role needs is only to be noted."""
    p = person("p-a", attested={"confidentiality": "2026-03-19", "training": "2026-03-19"})
    (one,) = found(registry(p), [holder(p, needs=("confidentiality", "training"))])
    assert (one.level, one.code) == ("warning", "attestation_over")
    assert "--kind confidentiality --kind training" in one.command
    assert [f.level for f in found(registry(p), [holder(p)])] == ["info"]
    near = person("p-a", attested={"training": "2026-03-20"})
    assert codes(registry(near), [holder(near, needs=("training",))]) == ["attestation_ends"]
    assert codes(registry(near), [holder(near, needs=("confidentiality",))]) == [
        "attestation_none",
        "attestation_ends",
    ]


def test_power_without_a_staff_number() -> None:
    """Only of people, and only for roles that give power."""
    p, robot = person("p-a"), person("p-r", sort="service")
    holders = [holder(p, held("dpo"), held("admin")), holder(robot, held("importer"))]
    (finding,) = found(registry(p, robot), holders)
    assert (finding.code, finding.parts["roles"]) == ("no_staff_number", "admin, dpo")
    assert codes(registry(p), [holder(p, held("collector"))]) == []


def test_requests_that_wait() -> None:
    """Until they are approved, refused, used or over; with how many have said yes so far."""
    yes = (Approval(principal="p-b", at=NOW),)
    rows = registry(
        person("p-a"), person("p-b", roles=("dpo",)), request("r1", quorum=2, approvals=yes),
        request("r2", approvals=yes), request("r3", refused=yes[0]), request("r4", used=NOW),
        request("r5", expires=NOW),
    )  # fmt: skip
    (finding,) = found(rows)
    assert (finding.about, finding.parts["given"], finding.parts["quorum"]) == ("r1", "1", "2")


def unused(power: Held, *, sort: str = "person", days: int = 90) -> list[tuple[str, str]]:
    """What is said of a power's use."""
    p = person("p-a", person="e1", sort=sort)
    terms = Terms(now=NOW, day=TERMS.day, unused=days)
    said = found(registry(p), [holder(p, power)], terms=terms)
    return [(f.level, f.code) for f in said if "used" in f.code]


def test_powers_that_nobody_uses() -> None:
    """Offices are worse than others; what was granted lately had no time; a glass ends by itself."""
    assert unused(held("collector", used=None)) == [("info", "never_used")]
    assert unused(held("admin", used=NOW - 91 * DAY)) == [("warning", "unused")]
    assert unused(held("admin", used=NOW - 89 * DAY)) == []
    assert unused(held("admin", used=NOW - 89 * DAY), days=30) == [("warning", "unused")]
    assert unused(held("admin", used=None, since=NOW - 89 * DAY)) == []
    assert unused(held("legal", used=None, glass="g")) == []
    assert unused(held("agency_collector", used=None), sort="agency") == []


def test_what_was_not_looked_at_is_not_called_unused() -> None:
    """Where the log was looked at since yesterday alone, no more than that is said, and softly."""
    assert unused(held("admin", used=None, looked=NOW - DAY)) == [("info", "unused_lately")]
    assert unused(held("admin", used=None, looked=NOW - 120 * DAY)) == [("warning", "unused")]


@given(
    st.integers(0, 400), st.integers(0, 400), st.one_of(st.none(), st.integers(0, 400)), st.integers(0, 400)
)
def test_what_counts_as_unused(granted: int, looked: int, used: int | None, limit: int) -> None:
    """One use within the limit, or a grant within it, is enough; nothing else keeps a power from the list."""
    power = held(
        "admin",
        since=NOW - granted * DAY,
        looked=NOW - looked * DAY,
        used=None if used is None else NOW - used * DAY,
    )
    named = bool(unused(power, days=limit))
    assert named == (granted >= limit and (used is None or used > limit))


def test_disabled_ones_need_no_mending() -> None:
    """Their roles and attestations say nothing any more."""
    p = person("p-a", disabled=True, attested={"training": "2026-01-01"})
    assert codes(registry(p), [holder(p, held("admin", used=None), needs=("training",))]) == []


def test_what_policy_lets_one_do_alone() -> None:
    """The lint's warnings about approvals and break-glass; in a sandbox they are notes."""
    schema = load(Path(__file__).parent)
    for text, level in ((default_text(), "warning"), (sandbox_text(default_text()), "info")):
        said = findings(TERMS, QUIET, Policy.load(text, schema), (), (), {})
        assert [(f.level, f.code, f.about) for f in said] == [(level, "policy", "approvals")]
