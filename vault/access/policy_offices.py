"""What a change of policy does to duties: attestations, approvals and break-glass, compared in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vault.access.policy import Policy
from vault.access.policy_file import ApprovalSpec, BreakGlassSpec
from vault.model import Word


class Change(Word):
    """One difference, as a sentence.

    Attributes:
        sentence: Who, and what.
        widening: Somebody sees or may do more than before.
        purposes: The purposes it concerns; empty where it concerns none in particular.
    """

    sentence: str
    widening: bool
    purposes: tuple[str, ...] = ()


def changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Every difference in what roles must attest, in who approves what, and in break-glass."""
    yield from _attestations(old, new)
    for what in sorted(set(old.file.approvals) | set(new.file.approvals)):
        for sentence, widening in _approval(old.approval(what), new.approval(what)):
            yield Change(sentence=f"approval of {what}: {sentence}", widening=widening)
    for sentence, widening, taken in _break_glass(old.break_glass, new.break_glass):
        held = {
            purpose for role in taken if role in new.file.roles for purpose in new.file.roles[role].purposes
        }
        purposes = tuple(sorted(held))
        yield Change(sentence=f"break-glass: {sentence}", widening=widening, purposes=purposes)


def _attestations(old: Policy, new: Policy) -> Iterator[Change]:
    for role in sorted(set(old.file.roles) & set(new.file.roles)):
        before, after = set(old.file.roles[role].attestations), set(new.file.roles[role].attestations)
        purposes = tuple(sorted(new.file.roles[role].purposes))
        for word in sorted(before - after):
            yield Change(
                sentence=f"{role} no longer needs to attest {word}", widening=True, purposes=purposes
            )
        for word in sorted(after - before):
            yield Change(sentence=f"{role} must attest {word} now", widening=False, purposes=purposes)


def _approval(before: ApprovalSpec | None, after: ApprovalSpec | None) -> Iterator[tuple[str, bool]]:
    if before is None or after is None:
        if before is not after:
            yield ("is asked for now" if before is None else "is no longer asked for"), after is None
        return
    if before.quorum != after.quorum:
        yield f"quorum {after.quorum} (was {before.quorum})", after.quorum < before.quorum
    yield from _members("may be given by", before.by, after.by)
    yield from _number("stands for {} hours", before.hours, after.hours)
    yield from _number("is asked for past {} records a day", before.rows or 0, after.rows or 0)


def _break_glass(
    before: BreakGlassSpec | None, after: BreakGlassSpec | None
) -> Iterator[tuple[str, bool, tuple[str, ...]]]:
    """Each difference with the roles that may be taken on more or less by it."""
    was, now = (
        {(role, taken) for role, roles in (spec.roles if spec else {}).items() for taken in roles}
        for spec in (before, after)
    )
    for role, taken in sorted(now - was):
        yield f"{role} may take on {taken}", True, (taken,)
    for role, taken in sorted(was - now):
        yield f"{role} may no longer take on {taken}", False, (taken,)
    if before is None or after is None:
        return
    all_taken = tuple(sorted({taken for _, taken in now}))
    for sentence, widening in (
        *_number("lasts {} minutes", before.minutes, after.minutes),
        *_members("is reviewed by", before.review_by, after.review_by),
        *_number("is reviewed within {} hours", before.review_hours, after.review_hours),
    ):
        yield sentence, widening, all_taken


def _members(verb: str, before: Iterable[str], after: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Who joins a circle may do more; that somebody leaves it is said."""
    for role in sorted(set(after) - set(before)):
        yield f"{verb} {role} too", True
    for role in sorted(set(before) - set(after)):
        yield f"no longer {verb} {role}", False


def _number(words: str, before: int, after: int) -> Iterator[tuple[str, bool]]:
    """A number of which more is more."""
    if before != after:
        yield f"{words.format(after)} (was {before})", after > before
