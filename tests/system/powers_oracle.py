"""What may be seen at an instant, as the design says it: the oracle beside the vault in test_powers.

Written from the design's words and from the policy file as data; nothing here calls the vault. Every answer
is a pair: the least that must be shown, and the most that may be (more is a violation). Where a rule's words
can be read in two ways the two are apart, and a comment says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from system.powers_rules import Rules

from vault.config import SHANGHAI
from vault.model import View

Span = tuple[View, View]
"""The least and the most of a view."""

NOTHING: Final[Span] = (View.HIDDEN, View.HIDDEN)
ADULT: Final = 18


def day_of(now: int) -> date:
    """The day in Asia/Shanghai of an instant in µs UTC."""
    return datetime.fromtimestamp(now / 1_000_000, SHANGHAI).date()


@dataclass
class Person:
    """A principal: roles with their last day (None: no end), attestations with theirs."""

    id: str
    sort: str = "person"
    staff: str = ""
    agency: str = ""
    roles: dict[str, date | None] = field(default_factory=dict)
    attested: dict[str, date] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    key_by: str = ""
    disabled: bool = False

    def holds(self, role: str, day: date) -> bool:
        """Whether a role is held on a day."""
        return role in self.roles and ((last := self.roles[role]) is None or day <= last)


@dataclass
class Deal:
    """An agency's contract."""

    starts: date
    ends: date
    purposes: frozenset[str]
    fields: dict[str, View] | None = None
    sealed: bool = False


@dataclass
class Held:
    """A record: whose it is, of which cases, born when (where the record says it)."""

    id: str
    kind: str
    subject: str
    cases: frozenset[str]
    values: dict[str, str]
    born: date | None = None
    restricted: bool = False


@dataclass
class Case:
    """A case: `none` (never opened here), `open` or `closed`, and whose it is."""

    state: str = "none"
    holder: str = ""


@dataclass
class Step:
    """One link of a chain; shared by every token narrowed from it, so that its uses and its end are too."""

    key: bytes
    ends: int
    fields: Mapping[str, View] | None = None
    cases: frozenset[str] | None = None
    uses: int | None = None
    actions: frozenset[str] | None = None
    depth: int = 0
    dead: bool = False
    used: int = 0
    tried: int = 0


@dataclass
class Token:
    """A token: for one principal, role and purpose; `glass` if it was taken in need."""

    principal: str
    role: str
    purpose: str
    issued: int
    steps: list[Step]
    glass: bool = False

    @property
    def cases(self) -> frozenset[str] | None:
        """The cases that every link names."""
        named = [step.cases for step in self.steps if step.cases is not None]
        return frozenset.intersection(*named) if named else None


@dataclass
class Ask:
    """A request for another's yes; `spoilt`: it came with a read that may not have needed it."""

    id: str
    what: str
    about: tuple[str, ...]
    by: str
    purpose: str
    rows: int
    ends: int
    quorum: int
    of: tuple[str, ...]
    yes: list[str] = field(default_factory=list)
    refused: bool = False
    used: bool = False
    spent: int = 0
    spoilt: bool = False


class Oracle:
    """The whole of what bears on a read, changed by the test as it changes the vault."""

    def __init__(self, policies: Sequence[str]) -> None:
        self.policies = [Rules(text) for text in policies]
        self.policy = 0
        self.voided: dict[str, int] = {}
        self.people: dict[str, Person] = {}
        self.deals: dict[str, Deal] = {}
        self.records: dict[str, Held] = {}
        self.cases: dict[str, Case] = {}
        self.dead: dict[str, date] = {}
        self.withdrew: dict[str, date] = {}
        self.asks: dict[str, Ask] = {}
        self.seen: dict[tuple[str, str, date], list[tuple[str, bool]]] = {}
        self.looked: dict[tuple[str, str, date], list[tuple[str, bool]]] = {}

    @property
    def rules(self) -> Rules:
        """The policy in force."""
        return self.policies[self.policy]

    def names(self, kind: str) -> set[str]:
        """The fields of a kind that any policy shows to anybody."""
        kinds = [g.get("kinds", {}).get(kind, {}) for rules in self.policies for g in rules.file["grants"]]
        return {name for shown in kinds for names in shown.values() for name in names}

    def put_policy(self, number: int, hashes: Sequence[str], now: int) -> None:
        """A file is in the folder of a vault that opens: narrower holds at once, wider takes a yes.

        The policies are in order of what they show, so a later one is a wider one.
        """
        if number > self.policy:
            asked = [a for a in self.asks.values() if (a.what, a.about) == ("policy", (hashes[number],))]
            approved = [a for a in asked if self.counts(a, now)]
            if not approved:
                return
            approved[0].used = True
            new, old = self.policies[number], self.rules
            for name, purpose in new.file["purposes"].items():
                if purpose["basis"] == 1 and new.cells(name) - old.cells(name):
                    self.voided[name] = now
        self.policy = number

    # --- approvals ------------------------------------------------------------------------------------

    def may_approve(self, ask: Ask, who: str, now: int) -> bool:
        """Whether a yes counts: of another person (no service), of the house, enabled, in the role itself."""
        person, asker = self.people[who], self.people[ask.by]
        same = who == ask.by or bool(person.staff and person.staff == asker.staff)
        held = any(person.holds(role, day_of(now)) for role in ask.of)
        human = person.sort == "person" and not (person.disabled or person.agency or same)
        return human and held and person.key_by != ask.by

    def alive(self, ask: Ask, now: int) -> bool:
        """Whether a request can still be answered and used."""
        return not (ask.refused or ask.used or now >= ask.ends)

    def counts(self, ask: Ask, now: int) -> bool:
        """Whether enough different people said yes, in time, unspent."""
        voices = {self.people[w].staff or w for w in ask.yes if self.may_approve(ask, w, now)}
        return self.alive(ask, now) and len(voices) >= ask.quorum

    # --- who stands behind a token --------------------------------------------------------------------

    def chain(self, token: Token) -> list[Person]:
        """Who a token passed through: its principal, and whoever has or had a key that a link names."""
        passed = [self.people[token.principal]]
        for step in token.steps[1:]:
            passed.append(next((p for p in self.people.values() if step.key in p.keys), passed[-1]))
        return passed

    def handed_out(self, token: Token) -> bool:
        """Whether an agency handed a token on outside itself, or to a key that is nobody's."""
        passed = self.chain(token)
        known = {key for person in self.people.values() for key in person.keys}
        return any(
            giver.agency and (taker.agency != giver.agency or step.key not in known)
            for giver, taker, step in zip(passed, passed[1:], token.steps[1:], strict=False)
        )

    def actor(self, token: Token) -> Person:
        """Who acts."""
        return self.chain(token)[-1]

    def standing(self, token: Token, now: int) -> set[str]:
        """Why a token gives nothing now, whatever is asked; empty if it may."""
        day, why, passed = day_of(now), set(), self.chain(token)
        if any(step.dead for step in token.steps) or any(p.disabled for p in passed):
            why.add("token_revoked")
        if any(now >= step.ends for step in token.steps):
            why.add("token_expired")
        if any(step.depth < len(token.steps) - 1 - at for at, step in enumerate(token.steps)):
            why.add("token_invalid")
        if not (token.glass or passed[0].holds(token.role, day)):
            why.add("role_denied")
        asked = self.rules.file["roles"][token.role].get("attestations", ())
        if any(p.attested.get(kind, date.min) < day for p in passed for kind in asked):
            why.add("attestation_expired")
        why |= {w for p in passed if p.agency for w in self.engaged(p.agency, token.purpose, day)}
        if self.handed_out(token):
            why.add("delegation_denied")
        if token.issued < self.voided.get(token.purpose, 0):
            why.add("token_revoked")
        if not self.rules.grants(token.role, token.purpose):
            why.add("purpose_denied")
        return why

    def engaged(self, agency: str, purpose: str, day: date) -> set[str]:
        """Why an agency gets nothing for a purpose on a day; empty if its contract covers it."""
        deal = self.deals.get(agency)
        if deal is None or deal.sealed or not deal.starts <= day <= deal.ends:
            return {"contract_ended"}
        return set() if purpose in deal.purposes else {"purpose_denied"}

    def refused(self, token: Token, action: str, now: int) -> set[str]:
        """Why a request is refused as a whole; empty if it may pass."""
        why = self.standing(token, now)
        if any(step.uses is not None and step.used >= step.uses for step in token.steps):
            why.add("uses_spent")
        named = [step.actions for step in token.steps if step.actions is not None]
        allowed = self.rules.actions(token.role, token.purpose)
        if action not in allowed or any(action not in actions for actions in named):
            why.add("role_denied")
        return why

    def ceiling(self, token: Token, name: str) -> View:
        """The most of a field by the chain's links and the contracts of the agencies it passed through."""
        deals = [self.deals[p.agency] for p in self.chain(token) if p.agency in self.deals]
        limits = [step.fields for step in token.steps] + [deal.fields for deal in deals]
        return min((f.get(name, View.HIDDEN) for f in limits if f is not None), default=View.CLEAR)

    # --- what a record shows --------------------------------------------------------------------------

    def in_reach(self, token: Token, record: Held) -> bool:
        """Whether a record lies in the token's cases and, where a role or an agency is bound, in its own."""
        named = token.cases
        if named is not None and not record.cases & named:
            return False
        agency = any(p.agency for p in self.chain(token))
        if not (agency or self.rules.bound(token.role, token.purpose)):
            return True
        actor = self.actor(token)
        mine = (self.cases[c] for c in (record.cases if named is None else record.cases & named))
        return any(case.state == "open" and self.own(actor, case.holder) for case in mine)

    def own(self, actor: Person, holder: str) -> bool:
        """Whether a case is the actor's: assigned to it or its agency, or placed with it as an agency."""
        if not holder:
            return False
        placed = actor.sort == "agency" and self.people[holder].agency == actor.id
        return holder in {actor.id, actor.agency} or placed

    def span(self, token: Token, record: Held, name: str, now: int, *, covered: bool) -> Span:
        """The least and the most of a field; `covered` is whether an approval covers a minor."""
        rules = self.rules
        if not self.in_reach(token, record):
            return NOTHING
        if record.restricted and not rules.purpose(token.purpose).get("restricted", False):
            return NOTHING
        low = high = View.HIDDEN
        for grant, shown in rules.views(token.role, token.purpose, record.kind):
            tests = rules.tests(grant, token.purpose)
            holds = [self.met(test, token, record, now, covered=covered) for test in tests]
            view = min(shown.get(name, View.HIDDEN), self.ceiling(token, name))
            if all(least for least, _ in holds):
                low = max(low, view)
            if all(most for _, most in holds):
                high = max(high, view)
        return low, high

    def met(self, test: str, token: Token, record: Held, now: int, *, covered: bool) -> tuple[bool, bool]:
        """Whether a condition holds for certain, and whether it may be said to."""
        day = day_of(now)
        match test:
            case "not_deceased":
                fine = record.subject not in self.dead
            case "consent":
                fine = record.subject not in self.withdrew
            case "case_open":
                relevant = record.cases if token.cases is None else record.cases & token.cases
                fine = not relevant or any(self.cases[c].state != "closed" for c in relevant)
            case "contract":
                fine = True  # asked in `standing`, of the whole chain
            case "not_minor":
                if record.born is None:
                    return True, True
                # Of age since the birthday at most, and for certain when the year after it begins
                birthday = record.born.replace(year=record.born.year + ADULT)
                certain = date(record.born.year + ADULT + 1, 1, 1)
                return day >= certain or covered, day >= birthday or covered
            case _:
                raise AssertionError(test)
        return fine, fine

    def covers(self, token: Token, ids: Sequence[str], ask: Ask | None, now: int) -> bool:
        """Whether an approval covers the minors among exactly these records."""
        if ask is None or ask.what != "minors" or not self.counts(ask, now):
            return False
        mine = self.actor(token).id == ask.by and ask.purpose in {"", token.purpose}
        return mine and ask.about == tuple(sorted(ids))

    def bulk(self, token: Token, shown: Sequence[str], ask: Ask | None, now: int) -> tuple[bool, bool]:
        """Whether as many records may certainly be shown on this day, and whether they possibly may."""
        if not shown:
            return True, True
        most = self.rules.file["approvals"]["bulk_read"]["rows"]
        before = self.seen.get((self.actor(token).id, token.purpose, day_of(now)), [])
        good = ask is not None and ask.what == "bulk_read" and self.counts(ask, now)
        if ask is not None and good:
            good = (ask.by, ask.purpose) == (self.actor(token).id, token.purpose)
            good = good and ask.rows - ask.spent >= len(shown)
        # Records or readings of them, with those under an approval or without: the words leave it open.
        fewest = {record for record, approved in before if not approved}
        return len(before) + len(shown) <= most or good, len({*fewest, *shown}) <= most or good

    def lookups(self, token: Token, kind: str, name: str, value: str, now: int) -> tuple[bool, bool]:
        """Whether a value may certainly be looked for, and whether it possibly may."""
        caps = self.rules.caps(token.role, token.purpose, kind, name)
        if not caps or self.ceiling(token, name) is View.HIDDEN:
            return False, False
        before = self.looked.get((self.actor(token).id, f"{kind}.{name}", day_of(now)), [])
        # A hit or a miss counts; whether a question that was refused does is left open
        asked, answered = {v for v, _ in before}, {v for v, done in before if done}
        return len({*asked, value}) <= min(caps), len({*answered, value}) <= max(caps)
