"""What a compliance officer would want to be told about a policy before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.access import policy_offices_lint
from vault.access.policy import Cell, Policy
from vault.access.policy_file import Finding
from vault.access.policy_names import unknown_names
from vault.errors import ConfigError
from vault.model import View
from vault.schema import Schema

LEAST_CAP: Final = 100
"""Under this many values a day, honest work is refused (docs/interface.md: no cap is lower by default)."""

_LOCATORS: Final = frozenset({"address"})
"""Masks whose remainder narrows a phone number: the middle four digits follow the place (docs/masks.md)."""
_PHONES: Final = frozenset({"phone", "mobile", "landline"})
_READING: Final = frozenset({"read", "find", "list"})
_CHANGING: Final = frozenset(
    {"write", "import", "plan", "execute", "hold", "principal", "policy", "key", "tenant"}
)


def lint(policy: Policy, schema: Schema) -> list[Finding]:
    """Everything that must or might better be changed, errors first.

    Args:
        policy: A loaded policy.
        schema: The schema to judge it by; it may be newer than the one that the policy was loaded with.
    """
    found = [
        *unknown_names(policy.file, schema),
        *_purposes(policy),
        *_unreachable(policy),
        *_finds(policy, schema),
        *_locators(policy, schema),
        *_duties(policy, schema),
        *_agency(policy),
        *_conditions(policy),
        *_sensitive(policy, schema),
        *policy_offices_lint.findings(policy),
    ]
    return sorted(found, key=lambda finding: finding.level != "error")


def demand_sound(policy: Policy, schema: Schema) -> None:
    """Refuse a policy with errors: what opening a vault and changing its policy ask.

    Raises:
        ConfigError: Names the first error and its remedy.
    """
    for finding in lint(policy, schema):
        if finding.level == "error":
            raise ConfigError(
                f"policy: {finding.where}: {finding.message}",
                code="invalid_policy",
                field=finding.where,
                remedy=finding.remedy,
            )


def _error(where: str, message: str, remedy: str) -> Finding:
    return Finding(level="error", where=where, message=message, remedy=remedy)


def _warning(where: str, message: str, remedy: str) -> Finding:
    return Finding(level="warning", where=where, message=message, remedy=remedy)


def _cells(policy: Policy) -> Iterator[tuple[str, str, Cell]]:
    for role, spec in policy.file.roles.items():
        for purpose in spec.purposes:
            if purpose in policy.file.purposes:
                yield role, purpose, policy.cell(role, purpose)


def _purposes(policy: Policy) -> Iterator[Finding]:
    """Every purpose has a basis (PIPL 13), the one of the purpose above it."""
    for purpose, spec in policy.file.purposes.items():
        where = f"purposes.{purpose}"
        parent = policy.file.purposes.get(spec.parent)
        if spec.basis is None:
            yield _error(where, "has no lawful basis", "write basis = 1 to 7 (PIPL 13 ¶1)")
        elif parent is not None and parent.basis != spec.basis:
            yield _warning(where, "has another basis than its parent", "check which purpose it belongs under")


def _unreachable(policy: Policy) -> Iterator[Finding]:
    for grant in policy.file.grants:
        for role in grant.roles:
            held = policy.file.roles[role].purposes if role in policy.file.roles else []
            if not set(held) & set(grant.purposes):
                remedy = "add a purpose to the role, or remove the role from the grant"
                yield _error(
                    f"grants.{grant.id}", f"{role} holds none of its purposes: it grants nothing", remedy
                )
        held_by_any = {
            p for role in grant.roles if role in policy.file.roles for p in policy.file.roles[role].purposes
        }
        for purpose in sorted(set(grant.purposes) - held_by_any):
            yield _warning(f"grants.{grant.id}", f"nobody in it acts for {purpose}", "remove the purpose")
        if not grant.source.strip():
            yield _warning(f"grants.{grant.id}", "gives no source", "say on what it rests")


def _finds(policy: Policy, schema: Schema) -> Iterator[Finding]:
    """A search is an oracle: it answers whether a guess is right (DESIGN 5)."""
    for grant in policy.file.grants:
        where = f"grants.{grant.id}.find"
        if grant.find and "find" not in grant.actions:
            yield _error(
                where, "names fields without the action `find`", "add the action or remove the fields"
            )
        for find in grant.find:
            field = f"{find.kind}.{find.field}"
            if find.cap is None and _below_clear(policy, grant.roles, grant.purposes, find.kind, find.field):
                remedy = f"write cap = {LEAST_CAP} or more, or show the field CLEAR"
                yield _error(where, f"{field} is searched without a cap by who doesn't see it CLEAR", remedy)
            elif find.cap is not None and find.cap < LEAST_CAP:
                yield _warning(where, f"{field}: cap under {LEAST_CAP} a day", "honest work may be refused")
    yield from _wide_finds(policy, schema)


def _below_clear(policy: Policy, roles: list[str], purposes: list[str], kind: str, field: str) -> bool:
    """Whether any of these roles sees the field less than CLEAR for one of these purposes."""
    return any(
        cell.views.get((kind, field), (View.HIDDEN, ""))[0] < View.CLEAR
        for role, purpose, cell in _cells(policy)
        if role in roles and purpose in purposes
    )


def _wide_finds(policy: Policy, schema: Schema) -> Iterator[Finding]:
    """A cap near the size of the guessing space caps nothing: a 3+4 mobile leaves ten thousand."""
    space = 10_000
    for role, purpose, cell in _cells(policy):
        for (kind, field), cap in cell.finds.items():
            spec = schema.kinds[kind].fields.get(field) if kind in schema.kinds else None
            view = cell.views.get((kind, field), (View.HIDDEN, ""))[0]
            if spec and spec.type in _PHONES and view is View.MASKED and cap * 10 > space:
                message = (
                    f"{kind}.{field}: a masked number leaves {space} to guess, the cap allows {cap} a day"
                )
                yield _warning(f"{role} + {purpose}", message, "lower the cap under a tenth of that")


def _locators(policy: Policy, schema: Schema) -> Iterator[Finding]:
    """A masked number beside a masked address and a search: some tens of guesses are left, under any cap."""
    for role in policy.file.roles:
        shown: dict[str, set[str]] = {}
        finds: dict[str, set[str]] = {}
        for _, _, cell in (c for c in _cells(policy) if c[0] == role):
            for (kind, field), (view, _) in cell.views.items():
                spec = schema.kinds[kind].fields.get(field) if kind in schema.kinds else None
                if spec and view is View.MASKED:
                    shown.setdefault(kind, set()).add(spec.mask)
            for kind, field in cell.finds:
                spec = schema.kinds[kind].fields.get(field) if kind in schema.kinds else None
                if spec:
                    finds.setdefault(kind, set()).add(spec.mask)
        for kind, masks in shown.items():
            if masks & _LOCATORS and masks & _PHONES & finds.get(kind, set()):
                message = f"{kind}: sees number and address masked and may search numbers"
                yield _warning(f"roles.{role}", message, "hide the address, or take the search away")


def _duties(policy: Policy, schema: Schema) -> Iterator[Finding]:
    """Duties kept apart (GB/T 35273-2020 7.1 c [M]; PIPL 51(4) [V] asks for sensible authority)."""
    for role, purpose, cell in _cells(policy):
        where = f"{role} + {purpose}"
        personal = sorted({kind for kind, field in cell.views if _personal(schema, kind, field)})
        if role in {"admin", "approver", "importer", "auditor"} and personal:
            yield _error(
                where, f"{role} sees personal fields of {', '.join(personal)}", "remove those fields"
            )
        if role == "auditor" and cell.actions & _CHANGING:
            yield _error(where, "the auditor may change something", "leave the action `audit` alone")
        if role == "importer" and cell.actions & _READING:
            yield _error(where, "the importer may read", "leave the actions `import` and `write`")
        if role == "admin" and cell.actions & (_READING | {"audit", "execute"}):
            yield _error(where, "the administrator may read or erase", "give it to dpo or auditor")
        if role in {"admin", "approver", "importer", "auditor", "regulator"} and "reach" in cell.actions:
            yield _error(where, f"{role} may take numbers", "leave the action `reach` to those who call")
        if cell.views and not cell.actions & _READING:
            yield _warning(where, "is shown fields but may not read", "add an action or remove the fields")


def _personal(schema: Schema, kind: str, field: str) -> bool:
    spec = schema.kinds[kind].fields.get(field) if kind in schema.kinds else None
    return spec is not None and not spec.open


def _agency(policy: Policy) -> Iterator[Finding]:
    """An agency acts within its contract (PIPL 21)."""
    for role, purpose, cell in _cells(policy):
        if role != "agency_collector" or not cell.actions:
            continue
        if not cell.case_bound:
            yield _warning(f"{role} + {purpose}", "isn't bound to cases", "write case_bound = true (PIPL 21)")
        if any(kind == "credit_report" for kind, _ in cell.views):
            yield _error(
                f"{role} + {purpose}", "an agency sees credit reports", "remove them (征信业管理条例 20)"
            )


def _conditions(policy: Policy) -> Iterator[Finding]:
    """A condition that nothing asks for protects nothing, and neither does a date that none looks at."""
    asking = [grant for grant in policy.file.grants if grant.kinds or "reach" in grant.actions]
    used = {name for grant in asking for name in grant.when}
    for name in policy.file.conditions:
        if name not in used:
            yield _warning(f"conditions.{name}", "no grant asks for it", "add it to a grant's `when`")
    for grant in policy.file.grants:
        if grant.when and grant not in asking:
            yield _warning(f"grants.{grant.id}", "asks for conditions and shows nothing", "remove `when`")
    asked: dict[str, set[str]] = {}
    for role, purpose, _ in _cells(policy):
        asked.setdefault(purpose, set()).update(c.test for c in policy.conditions(role, purpose))
    for purpose, spec in policy.file.purposes.items():
        for key, value, test in (
            ("legal_basis_until", spec.legal_basis_until, "basis"),
            ("pipia", spec.pipia, "pipia"),
        ):
            if value is not None and test not in asked.get(purpose, {test}):
                remedy = f'add a condition with test = "{test}" to its grants'
                yield _warning(f"purposes.{purpose}.{key}", "its day passes unseen: no grant asks", remedy)
            if value is None and test in asked.get(purpose, ()):
                remedy = f"write {key} into the purpose"
                yield _warning(f"purposes.{purpose}", f"is refused for want of {key}", remedy)


def _sensitive(policy: Policy, schema: Schema) -> Iterator[Finding]:
    """Sensitive fields in clear need an impact assessment beforehand (PIPL 28, 55 [V])."""
    shown: dict[str, set[str]] = {}
    for _, purpose, cell in _cells(policy):
        for (kind, field), (view, _) in cell.views.items():
            spec = schema.kinds[kind].fields.get(field) if kind in schema.kinds else None
            if spec and spec.sensitive and view is View.CLEAR:
                shown.setdefault(purpose, set()).add(kind)
    for purpose, kinds in shown.items():
        if policy.file.purposes[purpose].pipia is None:
            message = f"shows sensitive fields of {', '.join(sorted(kinds))} CLEAR, and names no assessment"
            remedy = "assess it (PIPL 55-56), then write pipia = { id, until }"
            yield _warning(f"purposes.{purpose}", message, remedy)
