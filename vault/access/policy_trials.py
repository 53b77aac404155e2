"""The tests that a policy brings along, run: what a role would see of a record, or why it is refused.

A test is answered by the decision that answers a reader: a policy is held to its word before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

import msgspec

from vault.access.conditions import Condition, Situation, failing, instant
from vault.access.policy import Policy
from vault.access.policy_explain import SEALED_OFF
from vault.access.policy_file import Given, TrialSpec
from vault.access.policy_names import given_findings
from vault.errors import Denied, Invalid
from vault.model import ACTIONS, MAIN, Grant, PrincipalId, View, Word

_AUDIENCE: Final = frozenset({"masked", "clear"})
_FLAGS: Final = ("minor", "deceased", "refused")
_LISTS: Final = ("approved",)
_YEAR: Final = timedelta(days=365)


class Outcome(Word):
    """How a test ended.

    Attributes:
        name: The test's.
        passed: Whether what came is what was expected.
        expected, got: Views by field as "phone=MASKED", or "deny REASON".
        condition: The condition that decided; "" when none did.
        source: On what it rests.
    """

    name: str
    passed: bool
    expected: str
    got: str
    condition: str
    source: str


def situation(given: Given, today: date) -> Situation:
    """The situation of a test.

    Args:
        given: As the policy file or a caller says it; its times and words were checked.
        today: The day it is, where `given` names none.
    """
    on = given.on or today
    anchors = {
        "adult_on": (on + _YEAR).isoformat() if given.minor else "",
        "deceased_on": on.isoformat() if given.deceased else "",
        "contact_refused_on": on.isoformat() if given.refused else "",
        "consent_withdrawn_on": on.isoformat() if given.consent == "withdrawn" else "",
    }
    return Situation(
        now=instant(on, given.at),
        state=given.state,
        anchors={name: value for name, value in anchors.items() if value},
        case=given.case,
        region=given.region,
        contract=given.contract == "running",
        approved=frozenset(given.approved),
    )


def given(words: Iterable[str]) -> Given:
    """A situation from words, as people type it: `minor`, `deceased`, `refused`, or `key=value`.

    Raises:
        Invalid: A word is none, or its value; names the words there are.
    """
    said: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if (key in _FLAGS) == bool(equals):
            raise _no_such_word()
        said[key] = True if key in _FLAGS else value.split("+") if key in _LISTS else value
    try:
        found = msgspec.convert(said, Given)
    except msgspec.ValidationError:
        raise _no_such_word() from None
    for finding in given_findings("given", found):
        raise Invalid(finding.message, code="invalid_usage", field=finding.where, remedy=finding.remedy)
    return found


def run(policy: Policy, today: date) -> list[Outcome]:
    """Run every test of a policy, in the order of the file.

    Args:
        policy: A loaded policy.
        today: The day, for tests that name none.
    """
    return [_outcome(policy, trial, situation(trial.given, today)) for trial in policy.file.tests]


def _outcome(policy: Policy, trial: TrialSpec, so: Situation) -> Outcome:
    views, code = _answer(policy, trial, so)
    expected = f"deny {trial.deny}" if trial.deny else _listed(trial.expect)
    named = trial.expect or [name for name, view in views.items() if view != View.HIDDEN.name]
    got = f"deny {code}" if code else _listed({name: views[name] for name in named})
    name, source = _decided(policy, trial, so, code)
    return Outcome(
        name=trial.name, passed=got == expected, expected=expected, got=got, condition=name, source=source
    )


def _answer(policy: Policy, trial: TrialSpec, so: Situation) -> tuple[dict[str, str], str]:
    """The views by field, or the reason of the refusal: what opening a record would come to."""
    try:
        decision = policy.decide(_grant(trial), trial.kind, None, action=trial.action, situation=so)
    except Denied as refusal:
        return {}, refusal.code
    if not decision.compartments:
        return {}, "field_denied"
    if so.state not in decision.states:
        return {}, "restricted"
    return {name: view.name for name, view in decision.views.items()}, ""


def _decided(policy: Policy, trial: TrialSpec, so: Situation, code: str) -> tuple[str, str]:
    """The condition that decided, and on what it rests."""
    found = _blocker(policy, trial, so)
    if found is not None and code in {"", found.code}:
        return found.name, found.source
    return ("state", SEALED_OFF) if code == "restricted" else ("", "")


def _blocker(policy: Policy, trial: TrialSpec, so: Situation) -> Condition | None:
    """The first condition, in the order of the file, by which less is seen of the fields in question."""
    if not policy.holds(trial.role, trial.purpose):
        return None
    cell = policy.cell(trial.role, trial.purpose)
    failed = failing(cell.conditions, so)
    fields = trial.expect or policy.schema.kind(trial.kind).fields
    found = [cell.blocker((trial.kind, field), failed) for field in fields]
    return next((condition for condition in cell.conditions if condition in found), None)


def _grant(trial: TrialSpec) -> Grant:
    """A token that narrows nothing; it names no case, which is enough where one must be named."""
    return Grant(
        tenant=MAIN,
        principal=PrincipalId("test"),
        role=trial.role,
        purpose=trial.purpose,
        actions=frozenset(ACTIONS),
        fields=None,
        cases=frozenset(),
        audience=_AUDIENCE,
        not_before=0,
        expires=0,
        depth=0,
        policy="",
        links=(),
    )


def _listed(views: dict[str, str]) -> str:
    return ", ".join(f"{name}={view}" for name, view in sorted(views.items()))


def _no_such_word() -> Invalid:
    return Invalid(
        "not a situation",
        code="invalid_usage",
        field="given",
        remedy="use " + ", ".join(_FLAGS) + ", case=closed, consent=withdrawn, contract=ended,"
        " state=RESTRICTED, region=SG, at=23:30, on=2026-01-31, approved=minors",
    )
