"""Every name and number of a policy file judged: what isn't known doesn't load (docs/formats/policy.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vault.access.conditions import CODES, CONSENT, ConditionSpec, minute
from vault.access.policy_file import (
    APPROVALS,
    ATTESTATIONS,
    BASES,
    ApprovalSpec,
    BreakGlassSpec,
    Finding,
    Given,
    GrantSpec,
    PolicyFile,
    TrialSpec,
    bad,
)
from vault.model import ACTIONS, PURPOSES, REASONS, ROLES, State, View
from vault.schema import Schema

_MARK: Final = re.compile(r"\[[VSM]\]")
_REGION: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_PARAMETERS: Final = {"hours": {"from", "to"}, "state": {"states"}, "region": {"regions"}}
"""What each test needs beside its source; the others need nothing more."""


def check_names(file: PolicyFile, schema: Schema) -> None:
    """Refuse the first name that isn't known: a right written with a slip of the pen must not half-hold.

    Raises:
        ConfigError: Names the table, the key and the remedy.
    """
    for finding in unknown_names(file, schema):
        raise bad(finding.where, finding.message, finding.remedy)


def unknown_names(file: PolicyFile, schema: Schema) -> Iterator[Finding]:
    """Every name that no closed list and no schema knows, and every id or place taken twice."""
    for role, spec in file.roles.items():
        yield from _words(f"roles.{role}", [role], ROLES)
        yield from _words(f"roles.{role}.purposes", spec.purposes, tuple(file.purposes))
        yield from _words(f"roles.{role}.attestations", spec.attestations, ATTESTATIONS)
    for purpose in file.purposes:
        yield from _words(f"purposes.{purpose}", [purpose], PURPOSES)
        yield from _tree(file, purpose)
    for name, condition in file.conditions.items():
        yield from _condition(name, condition)
    yield from _grants(file, schema)
    for what, approval in file.approvals.items():
        yield from _approval(what, approval, file)
    if file.break_glass is not None:
        yield from _break_glass(file.break_glass, file)
    for place, trial in enumerate(file.tests):
        yield from _trial(f"tests[{place}] ({trial.name})", trial, schema)


def _grants(file: PolicyFile, schema: Schema) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, grant in enumerate(file.grants):
        where = f"grants[{place}] ({grant.id})"
        if grant.id in seen:
            yield Finding(level="error", where=where, message="id taken twice", remedy="give it another id")
        seen.add(grant.id)
        yield from _words(f"{where}.roles", grant.roles, tuple(file.roles))
        yield from _words(f"{where}.purposes", grant.purposes, tuple(file.purposes))
        yield from _words(f"{where}.actions", grant.actions, ACTIONS)
        yield from _words(f"{where}.when", grant.when, tuple(file.conditions))
        yield from _fields(where, grant, schema)


def _words(where: str, words: Iterable[str], known: tuple[str, ...]) -> Iterator[Finding]:
    for word in words:
        if word not in known:
            remedy = "use one of: " + ", ".join(known)
            yield Finding(level="error", where=where, message=f"{word!r} is not known", remedy=remedy)


def _tree(file: PolicyFile, purpose: str) -> Iterator[Finding]:
    """A purpose's basis is one of seven, and its ancestors are purposes and never itself."""
    where, spec = f"purposes.{purpose}", file.purposes[purpose]
    if spec.basis is not None and spec.basis not in BASES:
        yield Finding(
            level="error", where=f"{where}.basis", message="no basis", remedy="use 1 to 7 (PIPL 13 ¶1)"
        )
    seen, at = {purpose}, spec.parent
    while at:
        if at in seen or at not in file.purposes:
            message = "a circle" if at in seen else f"{at!r} is not known"
            yield Finding(
                level="error", where=f"{where}.parent", message=message, remedy="name a purpose above"
            )
            return
        seen.add(at)
        at = file.purposes[at].parent


def _fields(where: str, grant: GrantSpec, schema: Schema) -> Iterator[Finding]:
    for kind, views in grant.kinds.items():
        yield from _words(f"{where}.kinds", [kind], tuple(schema.kinds))
        if kind in schema.kinds:
            known = tuple(schema.kinds[kind].fields)
            yield from _words(f"{where}.kinds.{kind}", [*views.masked, *views.clear], known)
    for find in grant.find:
        yield from _words(f"{where}.find", [find.kind], tuple(schema.kinds))
        if find.kind in schema.kinds:
            indexed = tuple(f.name for f in schema.kinds[find.kind].fields.values() if f.indexed)
            yield from _words(f"{where}.find.{find.kind}", [find.field], indexed)
        if find.cap is not None and find.cap < 1:
            yield Finding(
                level="error", where=f"{where}.find", message="cap below 1", remedy="a day's values, or none"
            )


def _error(where: str, message: str, remedy: str) -> Finding:
    return Finding(level="error", where=where, message=message, remedy=remedy)


def _condition(name: str, spec: ConditionSpec) -> Iterator[Finding]:
    """A condition names a test, just the parameters of that test, and its source with a mark."""
    where = f"conditions.{name}"
    yield from _words(f"{where}.test", [spec.test], tuple(CODES))
    if not _MARK.search(spec.source):
        yield _error(f"{where}.source", "has no certainty mark", "cite the source with [V], [S] or [M]")
    if name == CONSENT and spec.test != "consent":
        yield _error(where, "is the name of PIPL 15's own condition", "give it another name")
    given = {"from": spec.start, "to": spec.to, "states": spec.states, "regions": spec.regions}
    needed = _PARAMETERS.get(spec.test, set())
    for key, value in given.items():
        if bool(value) != (key in needed):
            remedy = "add it" if key in needed else "remove it"
            yield _error(f"{where}.{key}", f"doesn't go with the test {spec.test!r}", remedy)
    yield from _words(f"{where}.states", spec.states, tuple(State))
    for region in spec.regions:
        if not _REGION.fullmatch(region):
            yield _error(f"{where}.regions", f"{region!r} is no region", "two capitals, ISO 3166-1: CN")
    yield from _hours(where, spec)


def _hours(where: str, spec: ConditionSpec) -> Iterator[Finding]:
    times = {"from": spec.start, "to": spec.to}
    for key, text in times.items():
        if text and not _is_time(text):
            yield _error(f"{where}.{key}", f"{text!r} is no time of day", 'write "HH:MM", 00:00 to 23:59')
    if spec.start and spec.start == spec.to:
        yield _error(
            where, "its hours are empty", "name two times; for the whole day leave the condition out"
        )


def _is_time(text: str) -> bool:
    try:
        minute(text)
    except ValueError:
        return False
    return True


def _approval(what: str, spec: ApprovalSpec, file: PolicyFile) -> Iterator[Finding]:
    """An approval nobody gives is none."""
    where = f"approvals.{what}"
    yield from _words(where, [what], APPROVALS)
    yield from _words(f"{where}.by", spec.by, tuple(file.roles))
    if spec.quorum < 1:
        yield _error(
            f"{where}.quorum", "below 1: an approval nobody gives is none", "write quorum = 1 or more"
        )
    if not spec.by:
        yield _error(f"{where}.by", "empty: an approval nobody gives is none", "name the roles that approve")
    if spec.hours < 1:
        yield _error(f"{where}.hours", "below 1", "say how many hours an approval stands")
    if (spec.rows is not None) != (what == "bulk_read"):
        remedy = "say from how many records on" if what == "bulk_read" else "remove it"
        yield _error(f"{where}.rows", "goes with bulk_read, and bulk_read with it", remedy)
    if spec.rows is not None and spec.rows < 1:
        yield _error(f"{where}.rows", "below 1", "say from how many records on")


def _break_glass(spec: BreakGlassSpec, file: PolicyFile) -> Iterator[Finding]:
    """Broken glass is for a while and is looked at afterwards."""
    for role, taken in spec.roles.items():
        where = f"break_glass.roles.{role}"
        yield from _words(where, [role, *taken], tuple(file.roles))
        if not taken or role in taken:
            yield _error(where, "takes on nothing, or itself", "name the roles that it may take on")
    yield from _words("break_glass.review_by", spec.review_by, tuple(file.roles))
    if not spec.review_by:
        yield _error("break_glass.review_by", "empty: nobody would look at it", "name the roles that review")
    for key, number in (("minutes", spec.minutes), ("review_hours", spec.review_hours)):
        if number < 1:
            yield _error(f"break_glass.{key}", "below 1", "say how long")


def _trial(where: str, spec: TrialSpec, schema: Schema) -> Iterator[Finding]:
    """A test says what it expects, in words that there are."""
    yield from _words(f"{where}.role", [spec.role], ROLES)
    yield from _words(f"{where}.purpose", [spec.purpose], PURPOSES)
    yield from _words(f"{where}.kind", [spec.kind], tuple(schema.kinds))
    yield from _words(f"{where}.action", [spec.action], ("read", "find", "list"))
    if bool(spec.expect) == bool(spec.deny):
        yield _error(where, "expects views and a refusal, or neither", "write `expect` or `deny`")
    if spec.deny:
        yield from _words(f"{where}.deny", [spec.deny], REASONS)
    if spec.kind in schema.kinds:
        yield from _words(f"{where}.expect", spec.expect, tuple(schema.kinds[spec.kind].fields))
    yield from _words(f"{where}.expect", spec.expect.values(), tuple(View.__members__))
    yield from given_findings(f"{where}.given", spec.given)


def given_findings(where: str, given: Given) -> Iterator[Finding]:
    """What isn't known in a situation that somebody wrote down."""
    yield from _words(f"{where}.state", [given.state], tuple(State))
    yield from _words(f"{where}.approved", given.approved, APPROVALS)
    if not _is_time(given.at):
        yield _error(f"{where}.at", "no time of day", 'write "HH:MM", 00:00 to 23:59')
    if not _REGION.fullmatch(given.region):
        yield _error(f"{where}.region", "no region", "two capitals, ISO 3166-1: CN")
