"""The policy: which role sees which field for which purpose, and how clearly.

Deny by default. A policy is data, hashed, compiled when it is loaded to one table, and never changed after:
a new one takes its place whole. No policy engine answers our question, which is a view for every field and
not yes or no.
"""

from __future__ import annotations

from collections.abc import Hashable
from types import MappingProxyType
from typing import Final, Self

import msgspec

from vault.access.policy_file import (
    FindSpec,
    GrantSpec,
    PolicyFile,
    check_names,
    default_text,
    parse,
    policy_hash,
    sandbox_text,
)
from vault.errors import Denied, Invalid
from vault.model import Decision, Grant, State, View, Word
from vault.schema import FieldSpec, KindSpec, Schema

__all__ = ["Cell", "Policy", "default_text", "sandbox_text"]

_CACHE_SIZE: Final = 4096


class Cell(Word):
    """One role acting for one purpose: all its grants taken together.

    Attributes:
        actions: What it may do.
        views: The view and the grant it comes from, by kind and field; nothing is HIDDEN here.
        finds: Distinct values a day, by kind and field.
        case_bound: Its tokens must name cases.
    """

    actions: frozenset[str] = frozenset()
    views: dict[tuple[str, str], tuple[View, str]] = msgspec.field(default_factory=dict)
    finds: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    case_bound: bool = False


class Policy:
    """A loaded policy; immutable."""

    __slots__ = ("_cache", "_cells", "file", "hash", "schema")

    def __init__(self, file: PolicyFile, hashed: str, schema: Schema) -> None:
        self.file: Final = file
        self.hash: Final = hashed
        self.schema: Final = schema
        self._cells: Final = MappingProxyType(_compiled(file))
        self._cache: dict[Hashable, Decision] = {}

    @classmethod
    def load(cls, text: str, schema: Schema) -> Self:
        """Read, check and compile a policy.

        Raises:
            ConfigError: Names the table and key at fault and the remedy.
        """
        file = parse(text)
        check_names(file, schema)
        return cls(file, policy_hash(text), schema)

    @property
    def sandbox(self) -> bool:
        """Whether this is a learning vault's policy."""
        return self.file.sandbox

    def cell(self, role: str, purpose: str) -> Cell:
        """Everything granted to a role acting for a purpose.

        Raises:
            Denied: `role_denied` (no such role here) or `purpose_denied` (not a purpose of this role).
        """
        found = self._cells.get((role, purpose))
        if found is None:
            known = role in self.file.roles
            raise _denied("purpose_denied" if known else "role_denied", "role and purpose don't go together")
        return found

    def holds(self, role: str, purpose: str) -> bool:
        """Whether a role may act for a purpose at all: what issuing a token asks."""
        return (role, purpose) in self._cells

    def actions(self, role: str, purpose: str) -> frozenset[str]:
        """What a role may do for a purpose; empty when it doesn't hold it."""
        return self._cells.get((role, purpose), Cell()).actions

    def case_bound(self, role: str, purpose: str) -> bool:
        """Whether tokens for this must name cases; in a sandbox none must."""
        return self.cell(role, purpose).case_bound and not self.sandbox

    def cap(self, role: str, purpose: str, kind: str, field: str) -> int | None:
        """How many distinct values a principal may search a field by in a day; None: it may not at all."""
        return self._cells.get((role, purpose), Cell()).finds.get((kind, field))

    def states(self, purpose: str) -> frozenset[str]:
        """The record states that a purpose reaches (PIPL 47 ¶2)."""
        spec = self.file.purposes.get(purpose)
        reached = {State.ACTIVE, State.RESTRICTED} if spec and spec.restricted else {State.ACTIVE}
        return frozenset(str(state) for state in reached)

    def past(self, purpose: str) -> bool:
        """Whether a purpose reaches versions that were replaced."""
        spec = self.file.purposes.get(purpose)
        return spec is not None and spec.past

    def allow(self, grant: Grant, action: str) -> None:
        """Let a verified token do one thing, or refuse.

        Args:
            grant: What the token allows.
            action: One of `vault.model.ACTIONS`.

        Raises:
            Denied: `role_denied` (role unknown, or policy or token lack the action), `purpose_denied` (not a
                purpose of this role, or a token without cases where the policy binds to cases).
        """
        cell = self.cell(grant.role, grant.purpose)
        if action not in cell.actions or action not in grant.actions:
            raise _denied("role_denied", "this action isn't granted to role, purpose and token")
        if cell.case_bound and grant.cases is None and not self.sandbox:
            raise _denied("purpose_denied", "this role needs a token that names its cases")

    def decide(
        self,
        grant: Grant,
        kind: str,
        asked: tuple[str, ...] | None,
        *,
        ceiling: View = View.CLEAR,
        action: str = "read",
    ) -> Decision:
        """A view for every field: the lowest of policy, token, token audience and node.

        Args:
            grant: What the token allows.
            kind: The record kind.
            asked: Field names, or None for every field of the kind at the highest view granted.
            ceiling: The most this node can show; MASKED on a masked node.
            action: What it is for: "read", or "find" and "list" where they disclose.

        Returns:
            The decision; fields not granted are HIDDEN in it.

        Raises:
            Denied: As `allow`; or `field_denied`: of the fields named, not one may be seen.
            Invalid: No such kind, no such field, or no field named.
        """
        self.allow(grant, action)
        if "clear" not in grant.audience:
            ceiling = min(ceiling, View.MASKED)
        limit = None if grant.fields is None else frozenset(grant.fields.items())
        key = (grant.role, grant.purpose, kind, asked, limit, ceiling)
        found = self._cache.get(key)
        if found is None:
            found = self._decided(grant, self.schema.kind(kind), asked, ceiling)
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = found
        return found

    def _decided(
        self, grant: Grant, kind: KindSpec, asked: tuple[str, ...] | None, ceiling: View
    ) -> Decision:
        cell = self.cell(grant.role, grant.purpose)
        if asked is not None and not asked:
            raise Invalid("no field is named", field="fields", remedy="name a field, or leave `fields` out")
        specs = [kind.field(name) for name in (kind.fields if asked is None else dict.fromkeys(asked))]
        views = {spec.name: min(_granted(cell, kind, spec, grant), ceiling) for spec in specs}
        if asked is not None and not any(views.values()):
            raise _denied("field_denied", "none of the fields named may be seen")
        return Decision(
            kind=kind.name,
            views=views,
            compartments=tuple(sorted({_compartment(s, views[s.name]) for s in specs if views[s.name]})),
            masked_bits=_bits(specs, views, View.MASKED),
            clear_bits=_bits(specs, views, View.CLEAR),
            states=self.states(grant.purpose),
            policy=self.hash,
        )


def _granted(cell: Cell, kind: KindSpec, spec: FieldSpec, grant: Grant) -> View:
    """The lower of what policy and token show of a field."""
    view, _ = cell.views.get((kind.name, spec.name), (View.HIDDEN, ""))
    return view if grant.fields is None else min(view, grant.fields.get(spec.name, View.HIDDEN))


def _compartment(spec: FieldSpec, view: View) -> str:
    """Where the value shown is sealed: one without a mask lies in the masked projection, clear as it is."""
    return "masked" if spec.mask == "none" or view is View.MASKED else spec.compartment


def _bits(specs: list[FieldSpec], views: dict[str, View], view: View) -> int:
    return sum(1 << spec.number for spec in specs if views[spec.name] is view)


def _denied(code: str, why: str) -> Denied:
    return Denied(f"policy: {why}", code=code, remedy="ask for a token of the right role, purpose or cases")


def _compiled(file: PolicyFile) -> dict[tuple[str, str], Cell]:
    """A cell for every role and purpose that go together, granted anything or not."""
    return {
        (role, purpose): _cell(
            [grant for grant in file.grants if role in grant.roles and purpose in grant.purposes]
        )
        for role, spec in file.roles.items()
        for purpose in spec.purposes
    }


def _cell(grants: list[GrantSpec]) -> Cell:
    """Grants add up in what they show and do; in what they demand (cases, caps) the stricter stands."""
    views: dict[tuple[str, str], tuple[View, str]] = {}
    for grant in grants:
        for place, view in _shown(grant):
            if view > views.get(place, (View.HIDDEN, ""))[0]:
                views[place] = (view, grant.id)
    finds: dict[tuple[str, str], int] = {}
    for find in (find for grant in grants for find in grant.find if _may_find(find, views)):
        place = (find.kind, find.field)
        finds[place] = min(finds.get(place, UNCAPPED), find.cap or UNCAPPED)
    return Cell(
        actions=frozenset(action for grant in grants for action in grant.actions),
        views=views,
        finds=finds,
        case_bound=any(grant.case_bound for grant in grants),
    )


UNCAPPED: Final = (1 << 31) - 1
"""The cap of a search without one: only for fields that the role sees CLEAR anyway."""


def _may_find(find: FindSpec, views: dict[tuple[str, str], tuple[View, str]]) -> bool:
    """An uncapped search of a field that isn't seen CLEAR would be an oracle: it isn't granted (DESIGN 5)."""
    view, _ = views.get((find.kind, find.field), (View.HIDDEN, ""))
    return find.cap is not None or view is View.CLEAR


def _shown(grant: GrantSpec) -> list[tuple[tuple[str, str], View]]:
    return [
        ((kind, field), view)
        for kind, fields in grant.kinds.items()
        for view, names in ((View.MASKED, fields.masked), (View.CLEAR, fields.clear))
        for field in names
    ]
