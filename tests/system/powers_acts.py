"""Everything by which powers change: people, agencies, cases, facts, policy, time.

Each rule does something to the vault and, if it was done, the same to the oracle; whether it could be done
must be as the oracle says.
"""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from kit import PURPOSE
from system.powers_check import MET, tried
from system.powers_oracle import Ask, Person, Token, day_of
from system.powers_world import CASES, HASHES, LONG, POLICIES, STAFF, World, add, engage, world

from vault.access.tokens import Credential
from vault.granting import Identity

MINUTE: Final = 60_000_000
AGENCIES: Final = ("east", "west")
BOTH: Final = ("confidentiality", "training")
pick: Final = st.integers(0, 2**16)
rarely: Final = st.integers(0, 7).map(lambda n: n == 0)


class Acts(RuleBasedStateMachine):
    """A vault beside its oracle; people by name, tokens by number."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World = world().copy()
        self.oracle = self.world.oracle
        self.file = self.oracle.policy
        self.tokens: list[tuple[Credential, Token]] = []
        self.glasses: list[tuple[Token, str, int, bool]] = []

    def teardown(self) -> None:
        """Close it and take the folder away."""
        self.world.made.vault.close()
        shutil.rmtree(self.world.made.outside)

    # --- levers ---------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """µs UTC."""
        return self.world.made.clock.now

    @property
    def granting(self) -> Any:
        """The room of powers."""
        return self.world.made.vault.granting()

    def today(self, days: int = 0) -> date:
        """A day from today."""
        return day_of(self.now) + timedelta(days=days)

    def staff(self, name: str, purpose: str | None = None) -> Credential:
        """A token of somebody to whom nothing happens."""
        made: Credential = self.granting.issue(
            self.world.keys[name], role=STAFF[name], purpose=purpose or PURPOSE[STAFF[name]]
        )
        return made

    def names(self) -> list[str]:
        """Everybody to whom things happen."""
        return [name for name in self.world.keys if name not in {*STAFF, "admin"}]

    def name(self, number: int) -> str:
        """One of them."""
        return self.names()[number % len(self.names())]

    def person(self, name: str) -> Person:
        """What the oracle knows of somebody."""
        return self.oracle.people[self.world.id(name)]

    @property
    def admin(self) -> Identity:
        """The first principal, an admin."""
        return self.world.made.identity

    def asked(self, what: str, about: tuple[str, ...], by: str) -> Ask | None:
        """The last request of somebody for exactly this."""
        fit = [a for a in self.oracle.asks.values() if (a.what, a.about, a.by) == (what, about, by)]
        return fit[-1] if fit else None

    # --- people ---------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.keys) < 24)
    @rule(number=pick, role=st.sampled_from(["collector", "approver", "legal"]), first=st.booleans())
    def add(self, number: int, role: str, *, first: bool) -> None:
        """Somebody new; now and then somebody who is there already, under another name."""
        staff = self.person(self.name(number)).staff if first else ""
        add(self.world, f"new {len(self.world.keys)}", "person", staff, "", (role,), LONG)

    @rule(number=pick, sure=rarely)
    def disable(self, number: int, *, sure: bool) -> None:
        """Somebody leaves; an agency takes its people with it."""
        person = self.person(self.name(number))
        if not sure:
            return
        allowed = None if person.disabled else True
        if tried(lambda: self.granting.disable(self.admin, person.id), allowed=allowed, what="disable"):
            gone = [person, *self.oracle.people.values()] if person.sort == "agency" else [person]
            for one in gone:
                one.disabled |= one is person or one.agency == person.id

    @rule(number=pick, by_admin=st.booleans())
    def rotate(self, number: int, *, by_admin: bool) -> None:
        """A new key for somebody, by themselves or by an admin."""
        name = self.name(number)
        person, new = self.person(name), Identity.fresh()
        actor = self.admin if by_admin else self.world.keys[name]

        def call() -> None:
            self.granting.rotate(actor, person.id, new.candidate)

        if tried(call, allowed=None if person.disabled else True, what="rotate"):
            person.keys.append(new.candidate.key())
            person.key_by = actor.principal if by_admin else ""
            self.world.keys[name] = Identity(principal=person.id, key=new.key)

    @rule(
        number=pick,
        role=st.sampled_from(["collector", "legal", "approver", "fraud_desk"]),
        days=st.sampled_from([None, 0, 2]),
    )
    def grant(self, number: int, role: str, days: int | None) -> None:
        """One more role, for good or until a day; an agency's people hold agency roles alone."""
        person = self.person(self.name(number))
        until = None if days is None else self.today(days)
        text = until.isoformat() if until else None
        allowed = False if person.agency else None if person.disabled else True

        def call() -> None:
            self.granting.grant_role(self.admin, person.id, role, until=text)

        if tried(call, allowed=allowed, what="grant"):
            person.roles[role] = until

    @rule(number=pick, which=pick)
    def withdraw(self, number: int, which: int) -> None:
        """A role less."""
        person = self.person(self.name(number))
        if not person.roles or which % 2:
            return
        role = sorted(person.roles)[which // 2 % len(person.roles)]

        def call() -> None:
            self.granting.withdraw_role(self.admin, person.id, role)

        if tried(call, allowed=None, what="withdraw"):
            del person.roles[role]

    @rule(
        number=pick,
        kinds=st.sampled_from([BOTH, BOTH, BOTH[:1], BOTH[1:]]),
        days=st.sampled_from([-1, 0, 400]),
    )
    def attest(self, number: int, kinds: tuple[str, ...], days: int) -> None:
        """Attestations until a day, which may be today or have been yesterday."""
        person = self.person(self.name(number))

        def call() -> None:
            self.granting.attest(self.admin, person.id, kinds, self.today(days).isoformat())

        if tried(call, allowed=None, what="attest"):
            person.attested |= dict.fromkeys(kinds, self.today(days))

    # --- agencies -------------------------------------------------------------------------------------

    @rule(
        name=st.sampled_from(AGENCIES),
        start=st.sampled_from([-3, 0, 0, 1]),
        last=st.sampled_from([1, 1, 30]),
        one=st.booleans(),
    )
    def engage(self, name: str, start: int, last: int, *, one: bool) -> None:
        """A new contract in the place of the old one."""
        purposes = ("repayment_reminder", "phone_collection")[: 1 if one else 2]
        tried(
            lambda: engage(self.world, name, self.today(start), self.today(last), purposes),
            allowed=None, what="engage",
        )  # fmt: skip

    @rule(name=st.sampled_from(AGENCIES), days=st.sampled_from([-1, 0, 1]))
    def end(self, name: str, days: int) -> None:
        """A contract ends early."""
        deal, on = self.oracle.deals[self.world.id(name)], self.today(days)

        def call() -> None:
            self.granting.end(self.admin, self.world.id(name), on=on.isoformat(), reason="t")

        if tried(call, allowed=None, what="end"):
            deal.ends = on

    @rule(name=st.sampled_from(AGENCIES))
    def seal(self, name: str) -> None:
        """An agency is sealed off at once."""
        if tried(lambda: self.granting.seal(self.admin, self.world.id(name), "t"), allowed=None, what="seal"):
            self.oracle.deals[self.world.id(name)].sealed = True

    @precondition(lambda self: any(deal.sealed for deal in self.oracle.deals.values()))
    @rule(name=st.sampled_from(AGENCIES))
    def unseal(self, name: str) -> None:
        """It goes on, if somebody else said yes."""
        agency = self.world.id(name)
        ask = self.asked("unseal", (agency,), self.admin.principal)
        deal = self.oracle.deals[agency]
        allowed = ask is not None and self.oracle.counts(ask, self.now)

        def call() -> None:
            self.granting.unseal(self.admin, agency, ask.id if ask else None)

        if tried(call, allowed=None if not deal.sealed else allowed, what="unseal"):
            deal.sealed = False
            if ask:
                ask.used = True

    # --- cases and facts ------------------------------------------------------------------------------

    @rule(
        cases=st.sets(st.sampled_from(CASES), min_size=1),
        number=pick,
        what=st.sampled_from(["open", "assign", "assign", "assign", "recall", "close"]),
    )
    def work_cases(self, cases: set[str], number: int, what: str) -> None:
        """Cases are opened, assigned, recalled, closed."""
        room, numbers = self.world.made.vault.casework(), sorted(cases)
        token, to = self.staff("desk", "administration"), self.world.id(self.name(number))
        act = {
            "open": lambda: room.open_cases(token, numbers, reason="t"),
            "assign": lambda: room.assign(token, numbers, to, reason="t"),
            "recall": lambda: room.recall(token, numbers, reason="t"),
            "close": lambda: room.close_cases(token, numbers, reason="t"),
        }
        if not tried(act[what], allowed=None, what=what):
            return
        for case in (self.oracle.cases[n] for n in numbers):
            if what in {"open", "close"}:
                case.holder = case.holder if what == case.state else ""
                case.state = "open" if what == "open" else "closed"
            else:
                case.holder = to if what == "assign" else ""

    @rule(
        number=pick,
        fact=st.sampled_from(["deceased", "consent_withdrawn"]),
        days=st.sampled_from([0, -3]),
        sure=rarely,
    )
    def note(self, number: int, fact: str, days: int, *, sure: bool) -> None:
        """Somebody died, or withdrew their consent."""
        records = sorted(self.oracle.records)
        record = self.oracle.records[records[number % len(records)]]
        if fact == "deceased" and not sure:  # which ends every view of them; a withdrawn consent few
            return
        token = self.staff("dpo", "subject_request")
        self.world.made.vault.amending().note(token, record.id, fact, self.today(days), reason="t")
        noted = self.oracle.dead if fact == "deceased" else self.oracle.withdrew
        noted[record.subject] = self.today(days)

    @precondition(lambda self: any(ask.what == "unrestrict" for ask in self.oracle.asks.values()))
    @rule()
    def unrestrict(self) -> None:
        """A restricted record is used again, if somebody else said yes."""
        held = [r for r in self.oracle.records.values() if r.restricted]
        ids = tuple(r.id for r in held)
        ask = self.asked("unrestrict", ids, self.world.id("dpo"))
        allowed = ask is not None and self.oracle.counts(ask, self.now)

        def call() -> None:
            room, token = self.world.made.vault.erasing(), self.staff("dpo")
            room.unrestrict(token, list(ids), reason="t", request=ask.id if ask else None)

        if held and tried(call, allowed=allowed, what="unrestrict"):
            held[0].restricted = False
            if ask:
                ask.used = True

    # --- policy and time ------------------------------------------------------------------------------

    @rule(number=st.integers(0, 2))
    def change_policy(self, number: int) -> None:
        """Another file in the folder: narrower holds at once, wider waits for a yes."""
        (self.world.made.folder / "policy.toml").write_text(POLICIES[number], "utf-8")
        self.file = number
        self.reopen()
        MET[f"policy {number} asked for, {self.oracle.policy} in force"] += 1

    @rule()
    def reopen(self) -> None:
        """A restart, at which the file in the folder counts."""
        self.world.made = self.world.made.reopened()
        self.world.made.vault.tenancy("main").start()
        self.oracle.put_policy(self.file, HASHES, self.now)
        assert self.world.made.vault.tenancy("main").policy.hash == HASHES[self.oracle.policy]

    @rule(minutes=st.sampled_from([1, 1, 10, 16, 60, 60 * 13, 60 * 24]))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.world.made.clock.advance(minutes=minutes)
