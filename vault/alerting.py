"""Alerting: what entries count for as they are appended, and the alarms they set off (vault/alarm_rules.py).

Called by the page under the head's lock, so counts are exact whatever nodes write, and alarm and entry are
durable together or not at all. A node remembers whom it has counted, once that is durable: seeing somebody
again asks the store nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from vault.alarm_rules import Form, Profile, Rule, Rules, in_force
from vault.config import iso
from vault.crypto import mac
from vault.ledger.book import ID, CaseRow
from vault.ledger.registry import BookInForce, Honey, Principal, Registry
from vault.model import Happening, Who, Whom
from vault.schema import Schema
from vault.stores.sightings import SightingTable

NO_CASE: Final = "no_case"
"""The mark of an entry that shows somebody whose record has no open case."""
MOST: Final = 200_000
"""Persons remembered over all principals and windows; about 90 bytes each."""
FORMS: Final = 2048
"""Forms of entries remembered."""
SWEEP: Final = 256
"""Rows of windows that are over, deleted with one page."""
_FOREVER: Final = 1 << 62

Key = tuple[str, str, str, str, str, int, int, str]
Cases = Callable[[Iterable[bytes]], dict[bytes, CaseRow]]


class _Line:
    """What one rule counts of one principal in one window."""

    __slots__ = ("ends", "key", "rule")

    def __init__(self, rule: Rule, key: bytes, ends: int) -> None:
        self.rule = rule
        self.key = key
        self.ends = ends


class _Group:
    """One principal's entries of one form: the rules they count for, and who was counted in these windows."""

    __slots__ = ("actor", "gone", "lines", "nights", "persons", "profile", "seen", "until")

    def __init__(self, actor: str, profile: Profile) -> None:
        self.actor = actor
        self.profile = profile
        self.until = 0 if profile.all else _FOREVER
        self.lines: dict[str, _Line] = {}
        self.seen: set[bytes] = set()
        self.nights: set[str] = set()
        self.persons = profile.persons or profile.hidden
        self.gone = False

    def renew(self, now: int) -> None:
        """Begin anew: a window is over."""
        self.until = min(rule.ends(now) for rule in self.profile.all)
        self.lines, self.seen, self.nights = {}, set(), set()


class Look:
    """What one page came to: staged until it is durable.

    Attributes:
        alarms: To be appended behind the page's own entries.
        marked: Slots of the entries that show somebody without an open case.
        fresh, done: Whom, and whose nights, this node may remember once all is durable.
        rows: By handle of what counts once: for what, and by whom.
        each: By key, for what and how often something counts, and by whom the last time.
    """

    __slots__ = ("alarms", "done", "each", "fresh", "marked", "rows")

    def __init__(self) -> None:
        self.alarms: list[Happening] = []
        self.marked: list[int] = []
        self.fresh: list[tuple[_Group, bytes]] = []
        self.done: list[tuple[_Group, str]] = []
        self.rows: dict[bytes, tuple[_Line, Who]] = {}
        self.each: dict[bytes, tuple[_Line, int, Who]] = {}

    def count(self, line: _Line, who: Who, times: int = 1) -> None:
        """An entry counts for a rule, or somebody who is new."""
        before = self.each.get(line.key)
        self.each[line.key] = (line, times + (before[1] if before else 0), who)


class Watcher:
    """Watches the entries that one node appends to one tenant's log; its caller lets in a page at a time."""

    def __init__(self, schema: Schema, handle_key: bytes) -> None:
        self._schema = schema
        self._key = handle_key
        self._rules: Rules | None = None
        self._groups: OrderedDict[Key, _Group] = OrderedDict()
        self._honey: frozenset[bytes] = frozenset()
        self._held = 0
        self._swept = 0
        self._states: tuple[bytes, dict[str, bool]] = (b"", {})

    def look(
        self,
        registry: Registry,
        table: SightingTable,
        cases: Cases,
        pending: Sequence[Happening],
        handles: Sequence[bytes],
        now: int,
    ) -> Look:
        """Count what a page is about to append, and say which alarms it sets off.

        Args:
            registry: As it stands on the page.
            table: Where sightings and counts stand, under the head's lock.
            cases: How cases are found, under it too.
            pending: The page's happenings.
            handles: The keyed handle of each one's subject, b"" where there is none.
            now: The page's instant, µs UTC.
        """
        self._follow(registry)
        look, honey = Look(), self._honey
        dark = {rule.id for rule in in_force(registry).rules if rule.opens and rule.in_hours(now)}
        caseless = self._caseless(registry, cases, pending)
        groups: dict[tuple[int, str], _Group] = {}  # the entries of one grant and decision share their *who*
        for slot, happening in enumerate(pending):
            form = (id(happening.who), happening.kind)
            group = groups.get(form) or groups.setdefault(form, self._group(registry, happening))
            if group.until <= now:
                self._renew(group, now)
            elif group.until == _FOREVER:
                continue
            handle, profile, who = handles[slot], group.profile, happening.who
            if group.persons and handle and handle not in group.seen:
                self._person(look, group, handle, who, now, hidden=handle in honey)
            for rule in profile.each:
                look.count(self._line(group, rule, now), who)
            if dark and profile.nights:
                self._night(look, group, who, dark, now)
            if profile.caseless and happening.cases is not None and handle and caseless(happening.cases):
                look.marked.append(slot)
                for rule in profile.caseless:
                    self._sight(look, group, rule, handle, who, now)
        self._settle_counts(look, table, now)
        return look

    def settle(self, look: Look) -> None:
        """A page is durable: remember whom it counted."""
        for group, handle in look.fresh:
            if not group.gone:
                self._held += handle not in group.seen
                group.seen.add(handle)
        for group, rule in look.done:
            group.nights.add(rule)
        while self._held > MOST:
            self._forget()

    def _forget(self) -> None:
        """Forget the group that was asked for the longest ago."""
        _, old = self._groups.popitem(last=False)
        old.gone = True
        self._held -= len(old.seen)

    # --- which rules ---------------------------------------------------------------------------------

    def _follow(self, registry: Registry) -> None:
        """Forget all where other rules are in force than before, or other records are honey."""
        rules, honey = in_force(registry), _honey(registry)
        if self._rules is None or rules.hash != self._rules.hash or honey != self._honey:
            self._groups.clear()
            self._held = 0
        self._rules, self._honey = rules, honey

    def _group(self, registry: Registry, happening: Happening) -> _Group:
        who = happening.who
        key = (
            who.actor, happening.kind, who.role, who.purpose, who.about, who.masked, who.clear, who.outcome,
        )  # fmt: skip
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = _Group(who.actor, self._profile(registry, happening))
            if len(self._groups) > FORMS:
                self._forget()
        else:
            self._groups.move_to_end(key)
        return found

    def _profile(self, registry: Registry, happening: Happening) -> Profile:
        who, principal = happening.who, registry.find(Principal, happening.who.actor)
        form = Form(
            kind=happening.kind, sort=principal.sort if principal else "service", role=who.role,
            purpose=who.purpose, about=who.about, masked=who.masked, clear=who.clear, outcome=who.outcome,
        )  # fmt: skip
        return in_force(registry).profile(form, self._schema)

    def _renew(self, group: _Group, now: int) -> None:
        self._held -= len(group.seen)
        group.renew(now)

    # --- what counts -----------------------------------------------------------------------------------

    def _person(self, look: Look, group: _Group, handle: bytes, who: Who, now: int, *, hidden: bool) -> None:
        for rule in group.profile.persons:
            self._sight(look, group, rule, handle, who, now)
        if hidden:
            for rule in group.profile.hidden:
                self._sight(look, group, rule, handle, who, now)
        look.fresh.append((group, handle))

    def _night(self, look: Look, group: _Group, who: Who, dark: set[str], now: int) -> None:
        """Whoever acts at night counts once a night; `dark` are the rules whose hours it is."""
        for rule in group.profile.nights:
            if rule.id in dark and rule.id not in group.nights:
                self._sight(look, group, rule, b"", who, now)
                look.done.append((group, rule.id))

    def _sight(self, look: Look, group: _Group, rule: Rule, what: bytes, who: Who, now: int) -> None:
        """Somebody counts once for a rule."""
        line = group.lines.get(rule.id) or self._line(group, rule, now)
        look.rows[mac.sighting(line.key, what)] = (line, who)

    def _line(self, group: _Group, rule: Rule, now: int) -> _Line:
        """What a rule counts of a group's principal now; its key is the same for all their groups."""
        line = group.lines.get(rule.id)
        if line is None:
            ends = rule.ends(now)
            key = mac.derive(self._key, "cvault/seen/v1", rule.id, group.actor, ends)
            line = group.lines[rule.id] = _Line(rule, key, ends)
        return line

    def _settle_counts(self, look: Look, table: SightingTable, now: int) -> None:
        """Note who is new, raise the counts, and raise the alarms whose limits are passed."""
        if look.rows:
            self._note(look, table)
        if look.each:
            self._raise(look, table, now)
        if look.rows and now >= self._swept and not table.sweep(now, SWEEP):
            self._swept = min(line.ends for line, _ in look.rows.values())

    @staticmethod
    def _note(look: Look, table: SightingTable) -> None:
        """Count those of a page who are new; which ones matters only where it is of several lines."""
        line, who = next(reversed(look.rows.values()))
        if all(one is line for one, _ in look.rows.values()):
            new = table.note(line.ends, look.rows)
            if new:
                look.count(line, who, new)
            return
        for handle in table.sight([(one.ends, handle) for handle, (one, _) in look.rows.items()]):
            look.count(*look.rows[handle])

    def _raise(self, look: Look, table: SightingTable, now: int) -> None:
        at = {mac.sighting(key, b"count"): counted for key, counted in look.each.items()}
        after = table.count([(line.ends, handle, times) for handle, (line, times, _) in at.items()])
        for handle, (line, times, who) in at.items():
            if line.rule.crossed(after[handle] - times, after[handle]):
                look.alarms.append(_alarm(line.rule, who, after[handle], now))

    # --- cases -----------------------------------------------------------------------------------------

    def _caseless(
        self, registry: Registry, cases: Cases, pending: Sequence[Happening]
    ) -> Callable[[tuple[str, ...]], bool]:
        """Whether a record with these cases has none open: it has none at all, or all are known and closed.

        What is known of a case is remembered while the book of cases stands still.
        """
        book = registry.find(BookInForce, ID)
        root = book.root if book is not None else b""
        if root != self._states[0] or len(self._states[1]) > MOST:
            self._states = (root, {})
        states = self._states[1]
        if book is not None:
            asked = {case for h in pending if h.cases for case in h.cases if case not in states}
            if asked:
                found = cases([bytes.fromhex(case) for case in asked])
                states.update((case, _closed(found, case)) for case in asked)

        def caseless(handles: tuple[str, ...]) -> bool:
            return all(states.get(case, False) for case in handles)

        return caseless


def _closed(found: Mapping[bytes, CaseRow], case: str) -> bool:
    """Whether a case is known and closed; an unknown one tells nothing."""
    row = found.get(bytes.fromhex(case))
    return row is not None and row.state == "closed"


def _honey(registry: Registry) -> frozenset[bytes]:
    known: frozenset[bytes] | None = registry.derived.get("honey")
    if known is None:
        rows = registry.all(Honey)
        known = registry.derived["honey"] = frozenset(bytes.fromhex(row.id) for row in rows)
    return known


def _alarm(rule: Rule, who: Who, count: int, now: int) -> Happening:
    """The entry of an alarm: who set it off, by which rule; whom they saw stands in their own entries."""
    detail = (
        f"rule={rule.id} count={count} limit={rule.limit} window={rule.window} since={iso(rule.begins(now))}"
    )
    return Happening(
        kind="alarm",
        who=msgspec.structs.replace(who, masked=0, clear=0, outcome="ok", reason=rule.id),
        whom=Whom(detail=detail),
    )
