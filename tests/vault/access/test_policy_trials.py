"""The tests that a policy brings along: the shipped ones pass, and a policy that breaks one is told."""

from __future__ import annotations

from datetime import date

import pytest
from policykit import DEFAULT, SMALL, load, situation

from vault.access.policy_file import Given
from vault.access.policy_trials import Outcome, given, run
from vault.access.policy_trials import situation as situation_of
from vault.errors import Invalid

TODAY = date(2026, 11, 23)
DEAD, OFF = "given = { deceased = true }", 'given = { state = "RESTRICTED" }'
TRIAL = """
[[tests]]
name = "t"
role = "collector"
purpose = "repayment_reminder"
kind = "borrower"
"""


def outcome(more: str, *swaps: tuple[str, str]) -> Outcome:
    """How the one test of a small policy ends; it has a condition `alive` on its first grant."""
    alive = '\n[conditions.alive]\ntest = "not_deceased"\nsource = "PIPL 49 [V]"\n'
    (found,) = run(
        load(SMALL + alive + TRIAL + more, ('id = "one"', 'id = "one"\nwhen = ["alive"]'), *swaps), TODAY
    )
    return found


def test_the_shipped_tests_pass() -> None:
    """At least twelve, and they cover every condition of the shipped policy."""
    policy = load(DEFAULT)
    found = run(policy, TODAY)
    assert len(found) >= 12
    assert [o.name for o in found if not o.passed] == []
    assert {o.condition for o in found} >= set(policy.file.conditions)


@pytest.mark.parametrize(
    ("swap", "broken"),
    [
        (('when = ["alive", "case_open", "grown", "contract"]', 'when = ["alive", "case_open", "grown"]'),
         "an agency's sight ends with its contract"),
        (('masked = ["name", "phone"]', 'clear = ["name"]\nmasked = ["phone"]'),
         "a collector sees name and phone masked"),
        (('test = "not_minor"', 'test = "not_refused"'), "a minor's data needs approval"),
        (('restricted = true\npast = true\nsource = "PIPL 13 ¶1(2)', 'past = true\nsource = "PIPL 13 ¶1(2)'),
         "legal sees in full, sealed-off records and the dead included"),
        (('actions = ["audit"]', 'actions = ["audit", "read"]'), "an auditor sees no borrower"),
    ],
)  # fmt: skip
def test_a_policy_that_changes_breaks_its_test(swap: tuple[str, str], broken: str) -> None:
    """Each change to the shipped policy fails the test that speaks of it."""
    assert broken in [o.name for o in run(load(DEFAULT, swap), TODAY) if not o.passed]


@pytest.mark.parametrize(
    ("more", "expected", "got", "condition"),
    [
        ('expect = { phone = "MASKED" }', "phone=MASKED", "phone=MASKED", ""),
        ('expect = { phone = "CLEAR" }', "phone=CLEAR", "phone=MASKED", ""),
        (f'deny = "contact_state"\n{DEAD}', "deny contact_state", "deny contact_state", "alive"),
        (f'expect = {{ phone = "MASKED" }}\n{DEAD}', "phone=MASKED", "deny contact_state", "alive"),
        ('deny = "restricted"', "deny restricted", "name=MASKED, phone=MASKED", ""),
        (f'deny = "restricted"\n{OFF}', "deny restricted", "deny restricted", "state"),
        ('deny = "role_denied"\naction = "list"', "deny role_denied", "deny role_denied", ""),
    ],
)  # fmt: skip
def test_an_outcome_says_what_came_and_why(more: str, expected: str, got: str, condition: str) -> None:
    """Expected and got in the same words; the condition that decided, with its source."""
    found = outcome(more)
    assert (found.expected, found.got, found.condition) == (expected, got, condition)
    assert found.passed == (expected == got)
    assert bool(found.source) == bool(condition)


def test_nothing_shown_is_a_refusal() -> None:
    """A kind of which nothing is granted is refused, as it is when records are opened."""
    found = outcome('deny = "field_denied"', ('kind = "borrower"\ndeny', 'kind = "visit"\ndeny'))
    assert found.passed


def test_a_day_decides_where_the_test_names_none() -> None:
    """An assessment that runs out fails the test from the next day on, unless the test names its day."""
    text = DEFAULT.replace(
        "[purposes.legal_action]", '[purposes.legal_action]\npipia = { id = "P-1", until = 2026-11-23 }'
    ).replace('test = "not_minor"', 'test = "pipia"')
    name = "legal sees in full, sealed-off records and the dead included"
    passed = {
        day: {o.name: o.passed for o in run(load(text), day)}[name] for day in (TODAY, date(2026, 11, 24))
    }
    assert passed == {TODAY: True, date(2026, 11, 24): False}


def test_words_make_the_situation_they_say() -> None:
    """What people type becomes what a condition looks at."""
    assert given([]) == Given()
    said = given(
        ["minor", "deceased", "refused", "case=closed", "consent=withdrawn", "contract=ended", "at=23:30",
         "state=RESTRICTED", "region=SG", "on=2026-03-16", "approved=minors+unseal"]
    )  # fmt: skip
    so = situation_of(said, TODAY)
    assert set(so.anchors) == {"adult_on", "deceased_on", "contact_refused_on", "consent_withdrawn_on"}
    assert so.anchors["adult_on"] > "2026-03-16"
    assert (so.case, so.contract, so.state, so.region) == ("closed", False, "RESTRICTED", "SG")
    assert so.approved == {"minors", "unseal"}
    assert so.now - situation().now == (13 * 60 + 30) * 60_000_000
    assert situation_of(given([]), date(2026, 3, 16)) == situation()


@pytest.mark.parametrize(
    "word",
    [
        "young",
        "minor=yes",
        "case",
        "case=shut",
        "at=25:00",
        "region=cn",
        "state=GONE",
        "approved=all",
        "on=today",
        "",
    ],
)
def test_a_word_that_says_nothing_is_refused(word: str) -> None:
    """A slip of the pen isn't taken for a situation in which all is well."""
    with pytest.raises(Invalid) as caught:
        given([word])
    assert caught.value.remedy
