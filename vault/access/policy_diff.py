"""Two policies compared, in words: what a change shows to whom, and what it lets them do.

Whatever lets anybody see or do more is said as a widening. Where that can't be told for certain (two grants
that only together cover what one new grant does), it is said as one: better one warning too many.
"""

from __future__ import annotations

from collections.abc import Iterator

from vault.access import policy_offices
from vault.access.conditions import CONSENT_BASIS, Condition
from vault.access.policy import Cell, Policy, Way
from vault.access.policy_offices import Change
from vault.model import View

__all__ = ["Change", "diff", "widened"]

_NOTHING = Cell()


def diff(old: Policy, new: Policy) -> list[Change]:
    """What changes for whom when `new` takes the place of `old`; widenings first."""
    changes = [*_whole(old, new), *_purposes(old, new), *policy_offices.changes(old, new)]
    for role, purpose in sorted(_pairs(old) | _pairs(new)):
        before, after = (_cell(policy, role, purpose) for policy in (old, new))
        changes += _pair(f"{role} + {purpose}", purpose, before, after)
    return sorted(changes, key=lambda change: not change.widening)


def widened(old: Policy, new: Policy) -> frozenset[str]:
    """The purposes for which somebody sees or may do more under `new`: their tokens and consents are spent.

    PIPL 14 ¶2 [V]: where the purpose, the manner or the kinds of information change, consent is asked anew.
    """
    return frozenset(purpose for change in diff(old, new) if change.widening for purpose in change.purposes)


def _pair(who: str, purpose: str, before: Cell | None, after: Cell | None) -> Iterator[Change]:
    was, now = before or _NOTHING, after or _NOTHING
    for sentence, widening in (
        *_held(before, after),
        *_views(was, now),
        *_terms(was, now),
        *_actions(was, now),
        *_reach(was, now),
        *_caps(was, now),
        *_bound(before, after),
    ):
        yield Change(sentence=f"{who}: {sentence}", widening=widening, purposes=(purpose,))


def _pairs(policy: Policy) -> set[tuple[str, str]]:
    return {(role, purpose) for role, spec in policy.file.roles.items() for purpose in spec.purposes}


def _cell(policy: Policy, role: str, purpose: str) -> Cell | None:
    return policy.cell(role, purpose) if policy.holds(role, purpose) else None


def _whole(old: Policy, new: Policy) -> Iterator[Change]:
    if old.sandbox != new.sandbox:
        words = (
            "becomes a sandbox: case binding and attestations are off"
            if new.sandbox
            else "stops being a sandbox"
        )
        yield Change(
            sentence=f"the vault {words}", widening=new.sandbox, purposes=tuple(sorted(new.file.purposes))
        )


def _purposes(old: Policy, new: Policy) -> Iterator[Change]:
    for purpose in sorted(set(old.file.purposes) | set(new.file.purposes)):
        for sentence, widening in _purpose(old, new, purpose):
            yield Change(sentence=f"{purpose} {sentence}", widening=widening, purposes=(purpose,))


def _purpose(old: Policy, new: Policy, purpose: str) -> Iterator[tuple[str, bool]]:
    """A purpose's reach and grounds; that conditions hold for longer is said where they show something."""
    before, after = old.states(purpose), new.states(purpose)
    if before != after:
        verb = "reaches" if after > before else "no longer reaches"
        yield f"{verb} RESTRICTED records", after > before
    if old.past(purpose) != new.past(purpose):
        verb = "reaches" if new.past(purpose) else "no longer reaches"
        yield f"{verb} versions that were replaced", new.past(purpose)
    was, now = old.file.purposes.get(purpose), new.file.purposes.get(purpose)
    if was is None or now is None:
        return
    if was.basis != now.basis:
        rests = f"rests on PIPL 13 ¶1({now.basis}) (was {was.basis})"
        yield rests, was.basis == CONSENT_BASIS
    if was.legal_basis_until != now.legal_basis_until:
        ends = [spec.legal_basis_until or "no day named" for spec in (now, was)]
        yield f"has its basis until {ends[0]} (was {ends[1]})", False
    if was.pipia != now.pipia:
        named = [f"{a.id} until {a.until}" if a else "none" for a in (now.pipia, was.pipia)]
        yield f"is assessed (PIPIA) by {named[0]} (was {named[1]})", False


def _held(before: Cell | None, after: Cell | None) -> Iterator[tuple[str, bool]]:
    if (before is None) != (after is None):
        yield "goes together now" if before is None else "no longer goes together", before is None


def _best(cell: Cell, place: tuple[str, str]) -> View:
    return cell.views.get(place, (View.HIDDEN, ""))[0]


def _views(before: Cell, after: Cell) -> Iterator[tuple[str, bool]]:
    """The most that is ever seen of each field."""
    for place in sorted(set(before.views) | set(after.views)):
        was, now = _best(before, place), _best(after, place)
        if was != now:
            yield f"{'.'.join(place)} becomes {now.name} (was {was.name}){_on(after, place)}", now > was


def _on(cell: Cell, place: tuple[str, str]) -> str:
    """On which conditions a field is seen at its best."""
    way = cell.way(place)
    names = [condition.name for condition in _needs(cell, way)] if way else []
    return f" if {', '.join(names)}" if names else ""


def _needs(cell: Cell, way: Way) -> list[Condition]:
    return [condition for n, condition in enumerate(cell.conditions) if way.needs >> n & 1]


def _terms(before: Cell, after: Cell) -> Iterator[tuple[str, bool]]:
    """Conditions dropped or loosened, and added or tightened, with the fields that they are about."""
    for less, more in ((before, after), (after, before)):
        widening = more is after
        found: dict[str, list[str]] = {}
        for place in sorted(set(less.ways) & set(more.ways)):
            for words in _gained(less, more, place, "no longer needs" if widening else "now needs"):
                found.setdefault(words, []).append(".".join(place))
        for words, fields in found.items():
            yield f"{', '.join(fields)} {words}", widening


def _gained(less: Cell, more: Cell, place: tuple[str, str], verb: str) -> Iterator[str]:
    """What `more` shows of a field where `less` doesn't, up to the most that `less` ever shows.

    Every way of `more` must be covered by one of `less`: a view as high, under conditions that hold wherever
    its own hold. Then there is no situation in which `more` shows more.
    """
    said: dict[str, None] = {}
    for way in more.ways[place]:
        needs = _needs(more, way)
        if any(condition.never for condition in needs):
            continue
        unmet = [
            [c for c in _needs(less, other) if not any(n.implies(c) for n in needs)]
            for other in less.ways[place]
            if other.view >= way.view
        ]
        if unmet and all(unmet):
            asked = ", ".join(_said(condition, needs) for condition in min(unmet, key=len))
            said[f"{way.view.name} {verb} {asked}"] = None
    yield from said


def _said(condition: Condition, needs: list[Condition]) -> str:
    """A condition that one side asks for, and what the other side asks for in its place."""
    other = next((n for n in needs if n.test == condition.test), None)
    return f"{condition.name} ({condition.terms}{f'; the other: {other.terms}' if other else ''})"


def _actions(before: Cell, after: Cell) -> Iterator[tuple[str, bool]]:
    for action in sorted(after.actions - before.actions):
        yield f"may {action}", True
    for action in sorted(before.actions - after.actions):
        yield f"may no longer {action}", False


def _reach(before: Cell, after: Cell) -> Iterator[tuple[str, bool]]:
    """Who may be reached hangs on every condition of the cell, whatever is shown of them."""
    if "reach" not in before.actions & after.actions:
        return
    for less, more, verb in ((before, after, "no longer"), (after, before, "now")):
        for condition in less.conditions:
            if not any(other.implies(condition) for other in more.conditions):
                yield f"reach {verb} asks for {condition.name} ({condition.terms})", less is before


def _caps(before: Cell, after: Cell) -> Iterator[tuple[str, bool]]:
    for place in sorted(set(before.finds) | set(after.finds)):
        was, now = (cell.finds.get(place, 0) for cell in (before, after))
        if was != now:
            yield f"may search {'.'.join(place)} by {now} values a day (was {was})", now > was


def _bound(before: Cell | None, after: Cell | None) -> Iterator[tuple[str, bool]]:
    if before is not None and after is not None and before.case_bound != after.case_bound:
        verb = "must name cases now" if after.case_bound else "no longer needs to name cases"
        yield verb, before.case_bound
