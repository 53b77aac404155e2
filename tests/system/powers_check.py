"""Reads of a vault held against the oracle: never more than it allows, and no less where that is certain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from system.powers_oracle import Ask, Held, Oracle, Token, day_of
from system.powers_world import CASES, World

from vault.access.tokens import Credential
from vault.approvals import HOUR
from vault.auditing import Question
from vault.errors import Denied, Invalid, VaultError
from vault.model import REASONS, ItemError, Shown, View

NAMES: Final = (
    "name", "phone", "id_number", "bank_card", "customer_no", "email", "product", "case_number",
    "outstanding", "relation", "form", "principal",
)  # fmt: skip
"""Fields that are asked for, of all kinds."""

MET: Final[Counter[str]] = Counter()
"""What was met over the whole run: records shown by action, refusals by reason."""


@dataclass
class Asked:
    """A request to the reading room, as the test makes it."""

    credential: Credential
    token: Token
    action: str
    ids: list[str]
    fields: tuple[str, ...] | None = None
    ask: Ask | None = None
    searched: tuple[str, str, str] | None = None
    now: int = 0


@dataclass
class Got:
    """What came of it: records, errors by id, or the reason of a refusal."""

    items: list[Shown] = field(default_factory=list)
    errors: list[ItemError] = field(default_factory=list)
    denied: str = ""


def ask_room(world: World, asked: Asked) -> Got:
    """Ask the reading room."""
    room = world.made.vault.reading()
    try:
        if asked.action == "read":
            request = asked.ask.id if asked.ask else None
            found = room.read(asked.credential, asked.ids, fields=asked.fields, request=request)
            return Got(found.items, found.errors)
        if asked.searched is None:
            kind = world.oracle.records[asked.ids[0]].kind
            page = room.list_records(asked.credential, kind=kind, fields=asked.fields)
            return Got(page.items, page.errors)
        kind, name, value = asked.searched
        found = room.find(asked.credential, field=name, value=value, kind=kind, fields=asked.fields)
        return Got(found.items, found.errors)
    except Denied as refusal:
        return Got(denied=refusal.code)


def hold(world: World, asked: Asked, got: Got) -> None:
    """Hold what came of a request against the oracle.

    Raises:
        AssertionError: It shows more than is allowed, or less than is certain.
    """
    oracle, shown = world.oracle, {item.record: item for item in got.items}
    why = oracle.refused(asked.token, asked.action, asked.now)
    if asked.credential.key is None:
        why.add("token_invalid")
    MET.update([f"refused {got.denied}"] if got.denied else [])
    MET.update(f"item {e.code}" for e in got.errors)
    MET.update({f"shown by {asked.action}": len(shown)})
    assert not (why and shown), f"shown although {why}"
    assert shown.keys() <= set(asked.ids), "shown though not asked for"
    certain, possible = oracle.bulk(asked.token, list(shown), asked.ask, asked.now)
    assert possible, "more than a day's records"
    if asked.searched is not None:
        sure, may = oracle.lookups(asked.token, *asked.searched, asked.now)
        assert may or got.denied, "looked up though not allowed, or too often"
        certain = certain and sure
    spans = {i: _span(oracle, asked, oracle.records[i]) for i in asked.ids if i in oracle.records}
    for ident, item in shown.items():
        _no_more(world, ident, item, spans[ident])
    sure = (
        not why and certain and not any(s.uses is not None and s.tried >= s.uses for s in asked.token.steps)
    )
    least = [i for i, span in spans.items() if any(low for low, _ in span.values())]
    # What the caller may see nothing of, whatever it is, refuses the whole request: the caller could know
    sure = sure and (len(least) == len(spans) or got.denied not in {"field_denied", "role_denied"})
    sure = sure and (asked.ask is None or _fits(oracle, asked, least))
    if sure and oracle.bulk(asked.token, least, asked.ask, asked.now)[0]:
        for ident in least:
            what = f"{asked.action} {asked.token.role} {asked.token.purpose} {oracle.records[ident].kind}"
            assert ident in shown, f"not shown: {what}: {got.denied or _codes(got, ident)}"
            _no_less(shown[ident], spans[ident])
    elif got.denied and why:
        MET["refused, and the reason is the oracle's"] += got.denied in why
    _count(oracle, asked, shown, denied=bool(got.denied))


def _fits(oracle: Oracle, asked: Asked, shown: list[str]) -> bool:
    """Whether the approval that came with a read is one for it: another may spoil it."""
    bulk = asked.ask is not None and asked.ask.what == "bulk_read"
    if bulk and asked.ask is not None:
        mine = asked.ask.by == oracle.actor(asked.token).id and asked.ask.purpose == asked.token.purpose
        return mine and oracle.counts(asked.ask, asked.now) and asked.ask.rows - asked.ask.spent >= len(shown)
    return oracle.covers(asked.token, asked.ids, asked.ask, asked.now)


def _codes(got: Got, ident: str) -> list[str]:
    return [e.code for e in got.errors if e.id == ident]


def _span(oracle: Oracle, asked: Asked, record: Held) -> dict[str, tuple[View, View]]:
    covered = oracle.covers(asked.token, asked.ids, asked.ask, asked.now)
    return {
        name: oracle.span(asked.token, record, name, asked.now, covered=covered)
        for name in asked.fields or oracle.names(record.kind)
    }


def _no_more(world: World, ident: str, item: Shown, spans: dict[str, tuple[View, View]]) -> None:
    raw = world.oracle.records[ident].values
    for name, one in item.fields.items():
        view = View[one.view]
        most = spans.get(name, (View.HIDDEN, View.HIDDEN))[1]
        assert view <= most, f"{item.kind}.{name} is {view.name}, at most {most.name}"
        value = None if one.value is None else json.loads(bytes(one.value))
        assert view is not View.HIDDEN or value is None, f"{item.kind}.{name} is hidden and has a value"
        assert view is View.CLEAR or value is None or value != raw.get(name), f"{name} isn't masked"
    assert any(high for _, high in spans.values()), "shown with nothing to show"


def _no_less(item: Shown, spans: dict[str, tuple[View, View]]) -> None:
    for name, (low, _) in spans.items():
        one = item.fields.get(name)
        if one is not None or low:
            assert one is not None, f"{item.kind}.{name} is missing"
            assert View[one.view] >= low, f"{item.kind}.{name} is {one.view}, at least {low.name}"


def _count(oracle: Oracle, asked: Asked, shown: dict[str, Shown], *, denied: bool) -> None:
    """Note uses, records and values of the day, and what used the approval up."""
    day, actor = day_of(asked.now), oracle.actor(asked.token).id
    for step in asked.token.steps:
        step.tried += 1
        step.used += bool(shown)
    seen = oracle.seen.setdefault((actor, asked.token.purpose, day), [])
    if asked.searched is not None:
        kind, name, value = asked.searched
        oracle.looked.setdefault((actor, f"{kind}.{name}", day), []).append((value, not denied))
    if not shown:
        return
    without = oracle.bulk(asked.token, list(shown), None, asked.now)
    needed = not without[0]
    if asked.ask is not None and asked.ask.what == "minors":
        needed = any(not _plain(oracle, asked, ident) for ident in shown)
    approved = asked.ask is not None and needed
    if asked.ask is not None:
        if asked.ask.what == "bulk_read":  # an allowance is spent in parts, within the hour of the first
            if not asked.ask.spent:
                asked.ask.ends = min(asked.ask.ends, asked.now + HOUR)
            asked.ask.spent += len(shown)
            asked.ask.used |= asked.ask.spent >= asked.ask.rows
        else:
            asked.ask.used |= approved
        asked.ask.spoilt = True
        MET[f"used {asked.ask.what}"] += approved
    seen += [(ident, approved) for ident in shown]


def _plain(oracle: Oracle, asked: Asked, ident: str) -> bool:
    """Whether a record shows anything without an approval."""
    record = oracle.records[ident]
    spans = (oracle.span(asked.token, record, n, asked.now, covered=False) for n in oracle.names(record.kind))
    return any(high for _, high in spans)


def entered(world: World, asked: Asked, got: Got, token: Credential, mark: int) -> int:
    """Demand an ok entry for every record shown, and an entry for a refusal; returns the last index.

    Raises:
        AssertionError: One is missing, or its reason is none of the closed list.
    """
    lines = world.made.vault.auditing().ask(token, Question(after=mark, limit=1000))
    fine = {line.record for line in lines if line.outcome == "ok" and line.kind in {"read", "search"}}
    assert {item.record for item in got.items} <= fine, "shown without an entry"
    refused = [line for line in lines if line.outcome == "denied"]
    assert all(line.reason in REASONS for line in refused), [line.reason for line in refused]
    if got.denied and asked.credential.key is not None and got.denied != "token_invalid":
        assert any(line.reason == got.denied for line in refused), "refused without an entry"
    return lines[-1].index


def tried(call: Callable[[], object], *, allowed: bool | None, what: str) -> bool:
    """Do something that changes powers, and tell whether it was done.

    That must be as the oracle says: `allowed` None where it has no opinion.

    Raises:
        AssertionError: It was done though nobody should have been able to, or refused without a reason.
    """
    refusal: VaultError | None = None
    try:
        call()
    except (Denied, Invalid) as error:
        refusal = error
    if refusal is not None:
        MET[f"{what} refused"] += 1
        assert allowed is not True, f"{what} refused: {refusal.code}, {refusal.message}"
        return False
    MET[f"{what} done"] += 1
    assert allowed is not False, f"{what} done though not allowed"
    return True


def cases_of(oracle: Oracle, who: str) -> frozenset[str]:
    """The open cases that are somebody's."""
    person = oracle.people[who]
    return frozenset(
        n for n in CASES if oracle.cases[n].state == "open" and oracle.own(person, oracle.cases[n].holder)
    )
