"""A policy in words: what it shows to one role for one purpose, by which grant and which condition."""

from __future__ import annotations

from typing import Final

from vault.access.conditions import Situation, failing
from vault.access.policy import Cell, Policy
from vault.model import View, Word

SEALED_OFF: Final = "PIPL 47 ¶2 [V]: stored and protected, nothing else; the purpose doesn't reach it"
"""Why a record in state RESTRICTED isn't shown for most purposes."""


class Row(Word):
    """One field as a role sees it for a purpose.

    Attributes:
        view: "HIDDEN", "MASKED" or "CLEAR".
        grant: The id of the grant that shows it; "" when none does.
        source: That grant's reason.
        when: The conditions that grant asks for, by name.
        condition: The first condition whose failure shows less than there would be; "" when none does.
        condition_source: On what it rests.
    """

    kind: str
    field: str
    view: str
    grant: str
    source: str
    when: tuple[str, ...] = ()
    condition: str = ""
    condition_source: str = ""


class Asked(Word):
    """A condition of a role and purpose.

    Attributes:
        name: What the file calls it; "consent" is there by itself where the purpose rests on consent.
        terms: Its test and parameters.
        source: On what it rests.
        holds: Whether it holds in the situation asked about; None where there is none.
    """

    name: str
    terms: str
    source: str
    holds: bool | None = None


def explain(policy: Policy, role: str, purpose: str, situation: Situation | None = None) -> list[Row]:
    """Every field of every kind, what is seen of it and why, in the schema's order.

    Args:
        policy: The policy.
        role: The role.
        purpose: The purpose.
        situation: What is so of the record; None for the most that is ever seen.

    Raises:
        Denied: The role doesn't act for the purpose.
    """
    cell = policy.cell(role, purpose)
    sources = {grant.id: grant.source for grant in policy.file.grants}
    failed = failing(cell.conditions, situation) if situation else 0
    places = [(kind, field) for kind, spec in policy.schema.kinds.items() for field in spec.fields]
    if situation and situation.state not in policy.states(purpose):
        return [_sealed_off(cell, place) for place in places]
    return [_row(cell, place, failed, sources) for place in places]


def asked(policy: Policy, role: str, purpose: str, situation: Situation | None = None) -> list[Asked]:
    """Every condition that a role's grants for a purpose ask for, in the order of the file."""
    return [
        Asked(
            name=condition.name,
            terms=condition.terms,
            source=condition.source,
            holds=condition.holds(situation) if situation else None,
        )
        for condition in policy.conditions(role, purpose)
    ]


def _row(cell: Cell, place: tuple[str, str], failed: int, sources: dict[str, str]) -> Row:
    way, blocker = cell.way(place, failed), cell.blocker(place, failed)
    return Row(
        kind=place[0],
        field=place[1],
        view=(way.view if way else View.HIDDEN).name,
        grant=way.grant if way else "",
        source=sources[way.grant] if way else "",
        when=tuple(c.name for n, c in enumerate(cell.conditions) if way and way.needs >> n & 1),
        condition=blocker.name if blocker else "",
        condition_source=blocker.source if blocker else "",
    )


def _sealed_off(cell: Cell, place: tuple[str, str]) -> Row:
    """A field of a record in a state that the purpose doesn't reach."""
    shown = place in cell.views
    return Row(
        kind=place[0],
        field=place[1],
        view=View.HIDDEN.name,
        grant="",
        source="",
        condition="state" if shown else "",
        condition_source=SEALED_OFF if shown else "",
    )
