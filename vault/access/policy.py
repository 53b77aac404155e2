"""The policy: which role sees which field for which purpose, and how clearly.

Deny by default. A policy is data, hashed, compiled when it is loaded to one table, and never changed after:
a new one takes its place whole. No policy engine answers our question, which is a view for every field and
not yes or no.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Self

import msgspec

from vault.access.conditions import CONSENT_BASIS, CONSENT_CONDITION, Condition, Situation, failing, prepared
from vault.access.policy_file import (
    ApprovalSpec,
    BreakGlassSpec,
    FindSpec,
    GrantSpec,
    PolicyFile,
    default_text,
    parse,
    policy_hash,
    sandbox_text,
)
from vault.access.policy_names import check_names
from vault.errors import Denied, Invalid
from vault.model import Decision, Grant, State, View, Word
from vault.schema import FieldSpec, KindSpec, Schema

__all__ = ["Cell", "Policy", "Way", "default_text", "sandbox_text"]

_CACHE_SIZE: Final = 4096


class Way(Word):
    """One grant that shows a field.

    Attributes:
        needs: The conditions it asks for: bit n for the cell's n-th.
    """

    view: View
    grant: str
    needs: int


class Cell(Word):
    """One role acting for one purpose: all its grants taken together.

    Attributes:
        actions: What it may do.
        views: The view at best and the grant it comes from, by kind and field; nothing is HIDDEN here.
        ways: Every grant that shows a field, the highest view first, by kind and field.
        conditions: What its ways ask for, in the order of the file.
        finds: Distinct values a day, by kind and field.
        case_bound: Its tokens must name cases.
    """

    actions: frozenset[str] = frozenset()
    views: dict[tuple[str, str], tuple[View, str]] = msgspec.field(default_factory=dict)
    ways: dict[tuple[str, str], tuple[Way, ...]] = msgspec.field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    finds: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)
    case_bound: bool = False

    def way(self, place: tuple[str, str], failed: int = 0) -> Way | None:
        """The grant that shows a field where some conditions fail (bit n for the n-th); None if none does."""
        return next((way for way in self.ways.get(place, ()) if not way.needs & failed), None)

    def blocker(self, place: tuple[str, str], failed: int) -> Condition | None:
        """The first condition whose failure shows less of a field than there would be; None if none does."""
        found = self.way(place, failed)
        shown = found.view if found else View.HIDDEN
        return self.first(_blocked(self.ways.get(place, ()), shown, failed))

    def first(self, bits: int) -> Condition | None:
        """The first of these conditions (bit n for the n-th) in the order of the file; None if it is none."""
        return next((c for n, c in enumerate(self.conditions) if bits >> n & 1), None)


_NOTHING: Final = Cell()


class Policy:
    """A loaded policy; immutable."""

    __slots__ = ("_cache", "_cells", "file", "hash", "schema", "text")

    def __init__(self, file: PolicyFile, text: str, schema: Schema) -> None:
        self.file: Final = file
        self.text: Final = text
        self.hash: Final = policy_hash(text)
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
        return cls(file, text, schema)

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
        return self._cells.get((role, purpose), _NOTHING).actions

    def case_bound(self, role: str, purpose: str) -> bool:
        """Whether tokens for this must name cases; in a sandbox none must."""
        return self.cell(role, purpose).case_bound and not self.sandbox

    def cap(self, role: str, purpose: str, kind: str, field: str) -> int | None:
        """How many distinct values a principal may search a field by in a day; None: it may not at all."""
        return self._cells.get((role, purpose), _NOTHING).finds.get((kind, field))

    def conditions(self, role: str, purpose: str) -> tuple[Condition, ...]:
        """What the grants of a role and purpose ask of a record; empty: no situation need be looked up."""
        return self._cells.get((role, purpose), _NOTHING).conditions

    def approval(self, what: str) -> ApprovalSpec | None:
        """Who approves this, one of `policy_file.APPROVALS`; None: the policy asks for nobody."""
        return self.file.approvals.get(what)

    @property
    def break_glass(self) -> BreakGlassSpec | None:
        """Who may take on another role in an emergency; None: nobody."""
        return self.file.break_glass

    def attestations(self, role: str) -> tuple[str, ...]:
        """What somebody must have attested before acting in a role; in a sandbox nothing."""
        spec = self.file.roles.get(role)
        return () if spec is None or self.sandbox else tuple(spec.attestations)

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
        self._allowed(grant, action)

    def _allowed(self, grant: Grant, action: str) -> Cell:
        cell = self.cell(grant.role, grant.purpose)
        if action not in cell.actions or action not in grant.actions:
            raise _denied("role_denied", "this action isn't granted to role, purpose and token")
        if cell.case_bound and grant.cases is None and not self.sandbox:
            raise _denied("purpose_denied", "this role needs a token that names its cases")
        return cell

    def decide(
        self,
        grant: Grant,
        kind: str,
        asked: tuple[str, ...] | None,
        *,
        ceiling: View = View.CLEAR,
        action: str = "read",
        situation: Situation | None = None,
    ) -> Decision:
        """A view for every field: the lowest of policy, token, token audience and node.

        Args:
            grant: What the token allows.
            kind: The record kind.
            asked: Field names, or None for every field of the kind at the highest view granted.
            ceiling: The most this node can show; MASKED on a masked node.
            action: What it is for: "read", or "find" and "list" where they disclose.
            situation: What is so of the record asked about; None for a question about no single record, which
                is answered as if every condition held.

        Returns:
            The decision; fields not granted are HIDDEN in it.

        Raises:
            Denied: As `allow`; or `field_denied`: of the fields named, not one may be seen; or the reason of
                the first condition that fails, where something could be seen if none did.
            Invalid: No such kind, no such field, or no field named.
        """
        cell = self._allowed(grant, action)
        failed = failing(cell.conditions, situation) if situation is not None and cell.conditions else 0
        if "clear" not in grant.audience:
            ceiling = min(ceiling, View.MASKED)
        limit = None if grant.fields is None else frozenset(grant.fields.items())
        key = (grant.role, grant.purpose, kind, asked, limit, ceiling, failed)
        found = self._cache.get(key)
        if found is None:
            found = self._decided(cell, _Question(grant, self.schema.kind(kind), ceiling, failed), asked)
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = found
        return found

    def _decided(self, cell: Cell, q: _Question, asked: tuple[str, ...] | None) -> Decision:
        if asked is not None and not asked:
            raise Invalid("no field is named", field="fields", remedy="name a field, or leave `fields` out")
        specs = [q.kind.field(name) for name in (q.kind.fields if asked is None else dict.fromkeys(asked))]
        views = {spec.name: q.view(cell, spec) for spec in specs}
        if not any(views.values()):
            _blame(cell, q, specs)
            if asked is not None:
                raise _denied("field_denied", "none of the fields named may be seen")
        return Decision(
            kind=q.kind.name,
            views=views,
            compartments=tuple(sorted({_compartment(s, views[s.name]) for s in specs if views[s.name]})),
            masked_bits=_bits(specs, views, View.MASKED),
            clear_bits=_bits(specs, views, View.CLEAR),
            states=self.states(q.grant.purpose),
            policy=self.hash,
        )


class _Question(NamedTuple):
    """What a decision is about: the token, the kind, the most this node shows, the conditions that fail."""

    grant: Grant
    kind: KindSpec
    ceiling: View
    failed: int

    def top(self, spec: FieldSpec) -> View:
        """The most that token and node show of a field."""
        fields = self.grant.fields
        return self.ceiling if fields is None else min(self.ceiling, fields.get(spec.name, View.HIDDEN))

    def view(self, cell: Cell, spec: FieldSpec) -> View:
        """The lowest of policy, token and node."""
        way = cell.way((self.kind.name, spec.name), self.failed)
        return min(way.view, self.top(spec)) if way else View.HIDDEN


def _blame(cell: Cell, q: _Question, specs: list[FieldSpec]) -> None:
    """Nothing is shown: if conditions alone are why, say the first that fails.

    Raises:
        Denied: With that condition's reason.
    """
    blocked = 0
    for spec in specs:
        if q.top(spec):
            blocked |= _blocked(cell.ways.get((q.kind.name, spec.name), ()), View.HIDDEN, q.failed)
    condition = cell.first(blocked)
    if condition is not None:
        raise Denied(
            f"policy: condition {condition.name} ({condition.terms}) doesn't hold: {condition.source}",
            code=condition.code,
            remedy=condition.remedy,
        )


def _blocked(ways: Iterable[Way], shown: View, failed: int) -> int:
    """The failing conditions of the ways that would show more than is shown."""
    found = 0
    for way in ways:
        if way.view > shown:
            found |= way.needs & failed
    return found


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
            [grant for grant in file.grants if role in grant.roles and purpose in grant.purposes],
            _conditions(file, purpose),
            consent=file.purposes[purpose].basis == CONSENT_BASIS,
        )
        for role, spec in file.roles.items()
        for purpose in spec.purposes
    }


def _conditions(file: PolicyFile, purpose: str) -> dict[str, Condition]:
    """Every condition of the file as it stands for a purpose, by name."""
    spec = file.purposes[purpose]
    assessed = spec.pipia.until if spec.pipia else None
    return {
        name: prepared(name, condition, basis_until=spec.legal_basis_until, pipia_until=assessed)
        for name, condition in file.conditions.items()
    }


def _cell(grants: list[GrantSpec], known: dict[str, Condition], *, consent: bool) -> Cell:
    """Grants add up in what they show and do; in what they demand (cases, caps) the stricter stands."""
    used = {name for grant in grants if grant.kinds or "reach" in grant.actions for name in grant.when}
    conditions = ([CONSENT_CONDITION] if consent else []) + [known[name] for name in known if name in used]
    bits = {condition.name: 1 << n for n, condition in reversed(list(enumerate(conditions)))}
    ways: dict[tuple[str, str], list[Way]] = {}
    for grant in grants:
        needs = sum(bits[name] for name in dict.fromkeys(grant.when) if grant.kinds) | int(consent)
        for place, view in _shown(grant):
            ways.setdefault(place, []).append(Way(view=view, grant=grant.id, needs=needs))
    best = {place: tuple(sorted(found, key=lambda way: -way.view)) for place, found in ways.items()}
    finds: dict[tuple[str, str], int] = {}
    for find in (find for grant in grants for find in grant.find if _may_find(find, best)):
        place = (find.kind, find.field)
        finds[place] = min(finds.get(place, UNCAPPED), find.cap or UNCAPPED)
    return Cell(
        actions=frozenset(action for grant in grants for action in grant.actions),
        views={place: (found[0].view, found[0].grant) for place, found in best.items()},
        ways=best,
        conditions=tuple(conditions),
        finds=finds,
        case_bound=any(grant.case_bound for grant in grants),
    )


UNCAPPED: Final = (1 << 31) - 1
"""The cap of a search without one: only for fields that the role sees CLEAR anyway."""


def _may_find(find: FindSpec, ways: Mapping[tuple[str, str], tuple[Way, ...]]) -> bool:
    """An uncapped search of a field that isn't seen CLEAR would be an oracle: it isn't granted (DESIGN 5).

    A search asks about no single record, so a field that is CLEAR on a condition isn't CLEAR here.
    """
    found = ways.get((find.kind, find.field), ())
    return find.cap is not None or any(way.view is View.CLEAR and not way.needs for way in found)


def _shown(grant: GrantSpec) -> list[tuple[tuple[str, str], View]]:
    return [
        ((kind, field), view)
        for kind, fields in grant.kinds.items()
        for view, names in ((View.MASKED, fields.masked), (View.CLEAR, fields.clear))
        for field in names
    ]
