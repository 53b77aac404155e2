"""The machine of test_powers: a vault beside its oracle, its tokens and what they read."""

from __future__ import annotations

from secrets import token_bytes
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from system.powers_acts import AGENCIES, MINUTE, pick, rarely
from system.powers_asks import Asks
from system.powers_check import MET, NAMES, Asked, ask_room, cases_of, entered, hold, tried
from system.powers_oracle import Ask, Step, Token
from system.powers_world import CASES

from vault.access.issuing import accept, narrow
from vault.access.tokens import Credential, Limits
from vault.crypto.sign import SigningKey
from vault.errors import Denied, Invalid
from vault.model import View

PURPOSES: Final = {
    "collector": ("repayment_reminder", "negotiation", "contact_repair", "settlement"),
    "agency_collector": ("repayment_reminder", "phone_collection"),
    "case_desk": ("dispute", "settlement"),
    "dialer": ("phone_collection",),
    "legal": ("legal_action",),
    "fraud_desk": ("fraud_check", "modelling"),
    "approver": ("administration",),
    "dpo": ("subject_request",),
}
ttl: Final = st.sampled_from([12 * 60, 12 * 60, 90, 10])
limits: Final = st.fixed_dictionaries(
    {},
    optional={
        "fields": st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(View)), min_size=1),
        "cases": st.frozensets(st.sampled_from(CASES), min_size=1),
        "max_uses": st.integers(1, 3),
        "actions": st.frozensets(st.sampled_from(["read", "find", "list"]), min_size=1),
    },
)


class PowersMachine(Asks):
    """A vault beside its oracle: tokens and what they read."""

    def __init__(self) -> None:
        super().__init__()
        self.mark = -1
        self.turn = 0
        self.auditor: tuple[int, Credential] | None = None

    def chosen(self, number: int) -> tuple[Credential, Token]:
        """A token, more often a new one than an old one."""
        live = [t for t in self.tokens if not self.oracle.standing(t[1], self.now)]
        among = (live if number % 3 else []) or self.tokens
        return among[-1 - min(number % 5, number % 11, len(among) - 1)]

    # --- tokens ---------------------------------------------------------------------------------------

    @initialize(start=st.booleans())
    def begin(self, *, start: bool) -> None:
        """Most histories begin with open cases, two agencies that have some, and a few tokens."""
        if not start:
            return
        room, token = self.world.made.vault.casework(), self.staff("desk", "administration")
        room.open_cases(token, list(CASES), reason="t")
        for name, numbers in (("east", CASES[:2]), ("east one", CASES[2:3]), ("west one", CASES[3:])):
            room.assign(token, list(numbers), self.world.id(name), reason="t")
            for number in numbers:
                self.oracle.cases[number].holder = self.world.id(name)
        for case in CASES:
            self.oracle.cases[case].state = "open"
        for name in ("finn", "west one", "line", "lois", "east one", "anna"):
            role = min(self.person(name).roles)
            depth = 0 if self.person(name).agency else 3
            self.new_token(name, role, PURPOSES[role][-1 if name == "finn" else 0], 12 * 60, {}, depth)

    @rule(
        number=pick,
        other=pick,
        minutes=ttl,
        limits=limits,
        plain=st.booleans(),
        odd=rarely,
        depth=st.integers(0, 3),
    )
    def issue(
        self,
        number: int,
        other: int,
        minutes: int,
        limits: dict[str, Any],
        depth: int,
        *,
        plain: bool,
        odd: bool,
    ) -> None:
        """A token for a role that is held, now and then for one that isn't."""
        name = self.name(number)
        person = self.person(name)
        roles = sorted(PURPOSES if odd or not person.roles else person.roles)
        role = roles[other % len(roles)]
        if role not in PURPOSES:
            return
        purpose = PURPOSES[role][other % len(PURPOSES[role])]
        self.new_token(name, role, purpose, minutes, {} if plain else limits, depth)

    def new_token(
        self, name: str, role: str, purpose: str, minutes: int, limits: dict[str, Any], depth: int
    ) -> None:
        """Ask for a token, which is issued if nothing stands against it."""
        person = self.person(name)
        token = Token(person.id, role, purpose, self.now, [])
        bound = self.oracle.rules.bound(role, purpose)
        own = cases_of(self.oracle, person.id)
        if bound and any(self.oracle.cases[n].holder != person.id for n in own):
            limits = {"cases": own, **limits}  # those of its agency have to be asked for
        named = limits.get("cases", own if bound else None)
        actions = self.oracle.rules.actions(role, purpose)
        step = Step(
            key=b"", ends=self.now + minutes * MINUTE, fields=limits.get("fields"), cases=named,
            uses=limits.get("max_uses"), depth=depth, actions=actions & limits.get("actions", actions),
        )  # fmt: skip
        token.steps.append(step)
        why = self.oracle.standing(token, self.now)
        # An agency gets no token that it could hand on; the words ask only that it stays inside itself
        empty = not limits.get("actions", actions) <= actions or (bound and not named)
        empty = empty or bool(person.agency and depth)
        asked = Limits(ttl_us=minutes * MINUTE, depth=depth, **limits)

        def call() -> None:
            made = self.granting.issue(self.world.keys[name], role=role, purpose=purpose, limits=asked)
            self.tokens.append((made, token))

        tried(call, allowed=False if why else None if empty else True, what="issue")

    @precondition(lambda self: self.tokens)
    @rule(number=pick, other=pick, limits=limits, fresh=st.booleans(), minutes=ttl, lost=rarely)
    def narrow(
        self, number: int, other: int, limits: dict[str, Any], minutes: int, *, fresh: bool, lost: bool
    ) -> None:
        """Hand on less, to a new key or to somebody's own; wider than the token it isn't written."""
        credential, token = self.chosen(number)
        if credential.key is None:
            return
        to = self.world.keys[self.name(other) if other % 3 else AGENCIES[other % 2]]
        ends = min(self.now + minutes * MINUTE, token.steps[-1].ends)
        asked = Limits(expires=ends, depth=max(0, token.steps[-1].depth - 1), **limits)
        holder = SigningKey.generate() if fresh else None
        key = b"" if holder else to.candidate.key()
        try:
            made = narrow(
                credential, asked, now_us=self.now, jti=token_bytes(16),
                holder=holder, to=None if holder else key,
            )  # fmt: skip
        except (Invalid, Denied):
            MET["narrow refused"] += 1
            return
        MET["narrow done"] += 1
        step = Step(
            key=key, ends=ends, fields=limits.get("fields"), cases=limits.get("cases"),
            uses=limits.get("max_uses"), actions=limits.get("actions"), depth=asked.depth or 0,
        )  # fmt: skip
        child = Token(
            token.principal, token.role, token.purpose, token.issued, [*token.steps, step], token.glass
        )
        made = made if holder or lost else accept(made, to.signing)
        self.tokens.append((made, child))

    @precondition(lambda self: self.tokens)
    @rule(number=pick)
    def revoke(self, number: int) -> None:
        """An admin takes a link back, and all that hangs on it."""
        credential, token = self.chosen(number)

        def call() -> None:
            self.granting.revoke(self.world.made.identity, credential)

        if tried(call, allowed=None, what="revoke"):
            token.steps[-1].dead = True

    # --- reads ----------------------------------------------------------------------------------------

    def ask(self, asked: Asked) -> None:
        """Ask the reading room, hold what comes against the oracle, and the log against both."""
        asked.now = self.now
        if self.auditor is None or self.now - self.auditor[0] > 5 * MINUTE:
            self.auditor = self.now, self.staff("audit")
        got = ask_room(self.world, asked)
        hold(self.world, asked, got)
        self.mark = entered(self.world, asked, got, self.auditor[1], self.mark)

    def records(self, numbers: list[int]) -> list[str]:
        """Records by number, mostly of one kind, and most often borrowers."""
        kinds = {i: r.kind for i, r in sorted(self.oracle.records.items())}
        kind = (*["borrower"] * 3, "loan", "guarantor", "contact_person", "")[numbers[0] % 7]
        ids = [i for i in kinds if kind in {"", kinds[i]}]
        return list(dict.fromkeys(ids[n % len(ids)] for n in numbers))

    @precondition(lambda self: self.tokens)
    @rule(
        number=pick, numbers=st.lists(pick, min_size=1, max_size=6), request=pick, odd=rarely,
        fields=st.none() | st.lists(st.sampled_from(NAMES[:4]), min_size=1, max_size=2, unique=True),
    )  # fmt: skip
    def read(
        self, number: int, numbers: list[int], request: int, fields: list[str] | None, *, odd: bool
    ) -> None:
        """Records by a token, now and then with a request, whether it fits or not."""
        credential, token = self.chosen(number)
        ids = self.records([0, *numbers] if fields else numbers)
        names = tuple(fields) if fields else None
        chosen = self.request_for(token, request, odd=odd)
        if chosen and chosen.what == "minors" and not odd:
            ids, names = list(chosen.about), None  # of any kind, so not by a borrower's fields
        self.ask(Asked(credential, token, "read", ids, names, chosen))

    def request_for(self, token: Token, number: int, *, odd: bool) -> Ask | None:
        """A request to read by, most often of who acts; none now and then."""
        actor = self.oracle.actor(token).id
        asks = [a for a in self.oracle.asks.values() if a.what in {"minors", "bulk_read"}]
        asks = [a for a in asks if (odd or a.by == actor) and (a.used or not a.spoilt)]
        return asks[-1 - number % len(asks)] if asks and number % 3 else None

    @precondition(lambda self: self.tokens)
    @rule(number=pick, numbers=st.lists(pick, min_size=3, max_size=9), request=pick)
    def read_much(self, number: int, numbers: list[int], request: int) -> None:
        """Many records by a token: the day's cap comes near."""
        credential, token = self.chosen(number)
        chosen = self.request_for(token, request, odd=False)
        chosen = chosen if chosen and chosen.what == "bulk_read" else None
        self.ask(Asked(credential, token, "read", self.records([0, *numbers]), ask=chosen))

    def usable(self) -> list[tuple[Credential, Token, Ask]]:
        """Each token with each approval that its holder may use with it."""
        asks = [a for a in self.oracle.asks.values() if a.what in {"minors", "bulk_read"}]
        live = [a for a in asks if self.oracle.counts(a, self.now)]
        return [
            (credential, token, ask)
            for credential, token in self.tokens
            for ask in live
            if ask.by == self.oracle.actor(token).id and ask.purpose == token.purpose
        ]

    @precondition(lambda self: self.usable())
    @rule(which=pick, numbers=st.lists(pick, min_size=3, max_size=9))
    def use_approval(self, which: int, numbers: list[int]) -> None:
        """What was approved is used for what it was approved for."""
        usable = self.usable()
        credential, token, ask = usable[which % len(usable)]
        ids = list(ask.about) if ask.what == "minors" else self.records([0, *numbers])
        self.ask(Asked(credential, token, "read", ids, ask=ask))

    @precondition(lambda self: self.tokens)
    @rule(
        number=pick, name=st.sampled_from(["phone", "phone", "id_number", "bank_card"]), who=pick, miss=rarely
    )
    def find(self, number: int, name: str, who: int, *, miss: bool) -> None:
        """Somebody by a value, which may be nobody's."""
        credential, token = self.chosen(number)
        rows = sorted(i for i, r in self.oracle.records.items() if r.kind == "borrower")
        value = self.oracle.records[rows[who % len(rows)]].values[name]
        if miss and name == "phone":
            value = f"1360000{who % 10000:04d}"
        ids = [i for i in rows if self.oracle.records[i].values[name] == value]
        self.ask(Asked(credential, token, "find", ids, searched=("borrower", name, value)))

    @precondition(lambda self: self.tokens)
    @rule(number=pick, kind=st.sampled_from(["borrower", "loan", "guarantor", "contact_person"]))
    def list_all(self, number: int, kind: str) -> None:
        """All of a kind that are in reach."""
        credential, token = self.chosen(number)
        ids = sorted(i for i, r in self.oracle.records.items() if r.kind == kind)
        self.ask(Asked(credential, token, "list", ids))

    @invariant()
    def nobody_sees_more(self) -> None:
        """After whatever happened: a few records by one of the last tokens, by turns."""
        self.turn += 1
        if not self.tokens:
            return
        live = [t for t in self.tokens if not self.oracle.refused(t[1], "read", self.now)]
        among = (live if self.turn % 4 else []) or self.tokens
        credential, token = among[-1 - self.turn * 5 % min(7, len(among))]
        ids = self.records([self.turn, self.turn * 3, self.turn * 11][: 1 + self.turn % 3])
        if self.turn % 12 == 5:
            self.list_all(self.turn, ("borrower", "loan")[self.turn % 24 == 5])
        elif self.turn % 6:
            self.ask(Asked(credential, token, "read", ids))
        else:
            record = self.oracle.records[self.records([0, self.turn // 6])[-1]]
            searched = ("borrower", "phone", record.values["phone"])
            self.ask(Asked(credential, token, "find", [record.id], searched=searched))

    @invariant()
    def chains_only_shrink(self) -> None:
        """No link of any token outlives the one before it."""
        for _, token in self.tokens[-3:]:
            ends = [step.ends for step in token.steps]
            assert ends == sorted(ends, reverse=True)
