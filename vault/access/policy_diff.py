"""A policy in words: what it shows to one role for one purpose, and what a change shows to whom."""

from __future__ import annotations

from collections.abc import Iterator

from vault.access.policy import Cell, Policy
from vault.model import View, Word

_NOTHING = Cell()


class Row(Word):
    """One field as a role sees it for a purpose.

    Attributes:
        view: "HIDDEN", "MASKED" or "CLEAR".
        grant: The id of the grant that shows it; "" when none does.
        source: That grant's reason.
    """

    kind: str
    field: str
    view: str
    grant: str
    source: str


class Change(Word):
    """One difference, as a sentence; `widening` says that somebody sees or may do more than before."""

    sentence: str
    widening: bool


def explain(policy: Policy, role: str, purpose: str) -> list[Row]:
    """Every field of every kind, what is seen of it and why, in the schema's order.

    Raises:
        Denied: The role doesn't act for the purpose.
    """
    views = policy.cell(role, purpose).views
    sources = {grant.id: grant.source for grant in policy.file.grants}
    rows = []
    for kind, spec in policy.schema.kinds.items():
        for field in spec.fields:
            view, grant = views.get((kind, field), (View.HIDDEN, ""))
            rows.append(
                Row(kind=kind, field=field, view=view.name, grant=grant, source=sources.get(grant, ""))
            )
    return rows


def diff(old: Policy, new: Policy) -> list[Change]:
    """What changes for whom when `new` takes the place of `old`; widenings first."""
    changes = [*_whole(old, new), *_states(old, new)]
    for role, purpose in sorted(_pairs(old) | _pairs(new)):
        who = f"{role} + {purpose}"
        before, after = (_cell(policy, role, purpose) for policy in (old, new))
        changes += [
            *_held(who, before, after),
            *_views(who, before or _NOTHING, after or _NOTHING),
            *_actions(who, before or _NOTHING, after or _NOTHING),
            *_caps(who, before or _NOTHING, after or _NOTHING),
            *_bound(who, before, after),
        ]
    return sorted(changes, key=lambda change: not change.widening)


def _pairs(policy: Policy) -> set[tuple[str, str]]:
    return {(role, purpose) for role, spec in policy.file.roles.items() for purpose in spec.purposes}


def _cell(policy: Policy, role: str, purpose: str) -> Cell | None:
    return policy.cell(role, purpose) if policy.holds(role, purpose) else None


def _whole(old: Policy, new: Policy) -> Iterator[Change]:
    if old.sandbox != new.sandbox:
        words = "becomes a sandbox: case binding is off" if new.sandbox else "stops being a sandbox"
        yield Change(sentence=f"the vault {words}", widening=new.sandbox)


def _states(old: Policy, new: Policy) -> Iterator[Change]:
    for purpose in sorted(set(old.file.purposes) | set(new.file.purposes)):
        before, after = old.states(purpose), new.states(purpose)
        if before != after:
            verb = "reaches" if after > before else "no longer reaches"
            yield Change(sentence=f"{purpose} {verb} RESTRICTED records", widening=after > before)


def _held(who: str, before: Cell | None, after: Cell | None) -> Iterator[Change]:
    if (before is None) != (after is None):
        verb = "goes together now" if before is None else "no longer goes together"
        yield Change(sentence=f"{who}: {verb}", widening=before is None)


def _views(who: str, before: Cell, after: Cell) -> Iterator[Change]:
    for place in sorted(set(before.views) | set(after.views)):
        was, now = (cell.views.get(place, (View.HIDDEN, ""))[0] for cell in (before, after))
        if was != now:
            field = ".".join(place)
            yield Change(sentence=f"{who}: {field} becomes {now.name} (was {was.name})", widening=now > was)


def _actions(who: str, before: Cell, after: Cell) -> Iterator[Change]:
    for action in sorted(after.actions - before.actions):
        yield Change(sentence=f"{who}: may {action}", widening=True)
    for action in sorted(before.actions - after.actions):
        yield Change(sentence=f"{who}: may no longer {action}", widening=False)


def _caps(who: str, before: Cell, after: Cell) -> Iterator[Change]:
    for place in sorted(set(before.finds) | set(after.finds)):
        was, now = (cell.finds.get(place, 0) for cell in (before, after))
        if was != now:
            field = ".".join(place)
            sentence = f"{who}: may search {field} by {now} values a day (was {was})"
            yield Change(sentence=sentence, widening=now > was)


def _bound(who: str, before: Cell | None, after: Cell | None) -> Iterator[Change]:
    if before is not None and after is not None and before.case_bound != after.case_bound:
        verb = "must name cases now" if after.case_bound else "no longer needs to name cases"
        yield Change(sentence=f"{who}: {verb}", widening=before.case_bound)
