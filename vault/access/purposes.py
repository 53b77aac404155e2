"""The register of purposes: for what, on which basis, who sees which fields, and for how long (PIPL 7, 17).

Built from the policy alone, so that what is published is enforced. What other mechanisms know, retention
and recipients, is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from vault.access.policy import Policy
from vault.access.policy_explain import Asked, asked
from vault.access.policy_file import Assessment
from vault.model import View, Word

BASES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        1: ("取得个人的同意", "the person's consent"),
        2: ("订立、履行合同所必需", "needed to conclude or perform a contract"),
        3: ("履行法定职责或者法定义务所必需", "needed for a statutory duty"),
        4: ("应对突发公共卫生事件或者紧急情况", "an emergency"),
        5: ("新闻报道、舆论监督", "news reporting"),
        6: ("个人自行公开或者其他已经合法公开", "information made public"),
        7: ("法律、行政法规规定的其他情形", "other cases in law"),
    }
)
"""The seven bases of PIPL 13 ¶1 [V], shortened, in Chinese and English."""


class FieldRow(Word):
    """A field that a purpose shows.

    Attributes:
        view: The most that is seen of it, "MASKED" or "CLEAR".
        whole: Whether that is the value as it is: seen CLEAR, or a field without a mask.
        roles: Who sees it.
    """

    field: str
    zh: str
    en: str
    view: str
    whole: bool
    sensitive: bool
    roles: tuple[str, ...]


class KindRow(Word):
    """A kind of record of which a purpose shows something, and how long it is kept ("" where nobody said)."""

    kind: str
    zh: str
    en: str
    fields: tuple[FieldRow, ...]
    retention: str


class RoleRow(Word):
    """A role that acts for a purpose, and what it may do."""

    role: str
    zh: str
    actions: tuple[str, ...]


class PurposeRow(Word):
    """One purpose as it is registered.

    Attributes:
        basis: The item of PIPL 13 ¶1, 1 to 7.
        source: On what that rests, with its certainty mark.
        legal_basis_until: The last day (ISO) of the basis, "" if it has none.
        pipia: Its impact assessment, if there is one (PIPL 55-56).
        restricted, past: Whether it reaches records sealed off, and versions that were replaced.
        conditions: What its grants ask of a record.
        recipients: To whom it is given: agencies under contract (PIPL 21).
    """

    purpose: str
    zh: str
    parent: str
    basis: int | None
    source: str
    legal_basis_until: str
    pipia: Assessment | None
    restricted: bool
    past: bool
    roles: tuple[RoleRow, ...]
    kinds: tuple[KindRow, ...]
    conditions: tuple[Asked, ...]
    recipients: tuple[str, ...]


def register(
    policy: Policy, *, retention: Mapping[str, str], recipients: Mapping[str, Sequence[str]]
) -> list[PurposeRow]:
    """Every purpose of a policy, in the order of its file.

    Args:
        policy: The policy.
        retention: By kind, how long its records are kept, in words.
        recipients: By purpose, to whom the information is given.
    """
    return [_purpose(policy, name, retention, recipients.get(name, ())) for name in policy.file.purposes]


def _purpose(
    policy: Policy, name: str, retention: Mapping[str, str], recipients: Sequence[str]
) -> PurposeRow:
    spec = policy.file.purposes[name]
    roles = [role for role, held in policy.file.roles.items() if name in held.purposes]
    conditions = [condition for role in roles for condition in asked(policy, role, name)]
    return PurposeRow(
        purpose=name,
        zh=spec.zh,
        parent=spec.parent,
        basis=spec.basis,
        source=spec.source,
        legal_basis_until=spec.legal_basis_until.isoformat() if spec.legal_basis_until else "",
        pipia=spec.pipia,
        restricted=spec.restricted,
        past=spec.past,
        roles=tuple(_role(policy, role, name) for role in roles),
        kinds=tuple(_kinds(policy, roles, name, retention)),
        conditions=tuple({condition.name: condition for condition in conditions}.values()),
        recipients=tuple(recipients),
    )


def _role(policy: Policy, role: str, purpose: str) -> RoleRow:
    actions = tuple(sorted(policy.actions(role, purpose)))
    return RoleRow(role=role, zh=policy.file.roles[role].zh, actions=actions)


def _kinds(policy: Policy, roles: Sequence[str], purpose: str, retention: Mapping[str, str]) -> list[KindRow]:
    """The kinds of which anything is shown, in the schema's order."""
    found = []
    for name, spec in policy.schema.kinds.items():
        fields = [_field(policy, roles, purpose, (name, field)) for field in spec.fields]
        shown = tuple(field for field in fields if field.roles)
        if shown:
            kept = retention.get(name, "")
            found.append(KindRow(kind=name, zh=spec.zh, en=spec.en, fields=shown, retention=kept))
    return found


def _field(policy: Policy, roles: Sequence[str], purpose: str, place: tuple[str, str]) -> FieldRow:
    views = {role: policy.cell(role, purpose).views.get(place, (View.HIDDEN, ""))[0] for role in roles}
    spec = policy.schema.kind(place[0]).field(place[1])
    best = max(views.values(), default=View.HIDDEN)
    return FieldRow(
        field=place[1],
        zh=spec.zh,
        en=spec.en,
        view=best.name,
        whole=best is View.CLEAR or (best is View.MASKED and spec.mask == "none"),
        sensitive=spec.sensitive,
        roles=tuple(role for role, view in views.items() if view),
    )
