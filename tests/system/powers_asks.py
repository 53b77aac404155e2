"""What takes another person's word: requests with their answers, and glass broken without waiting for one."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from system.powers_acts import AGENCIES, MINUTE, Acts, pick, rarely
from system.powers_check import tried
from system.powers_oracle import Ask, Step, Token
from system.powers_world import HASHES

from vault.access.tokens import Credential
from vault.ledger.powers import Glass


class Asks(Acts):
    """Requests and glass, on top of everything else."""

    # --- requests -------------------------------------------------------------------------------------

    @rule(
        what=st.sampled_from(
            ["minors", "minors", "bulk_read", "bulk_read", "policy", "unseal", "unrestrict"]
        ),
        number=pick,
        rows=st.sampled_from([3, 9]),
        yes=st.booleans(),
        purpose=pick,
    )
    def request(self, what: str, number: int, rows: int, purpose: int, *, yes: bool) -> None:
        """Somebody asks for what needs another's yes."""
        readers = [token for _, token in self.tokens] or [None]
        token = readers[-1 - number % min(3, len(readers))]
        by = self.admin if what in {"policy", "unseal"} else self.world.keys["dpo"]
        about: tuple[str, ...] = ()
        wanted, agency = "", ""
        if what in {"minors", "bulk_read"}:
            if token is None:
                return
            actor = self.oracle.actor(token).id
            by = next(key for key in self.world.keys.values() if key.principal == actor)
            wanted = token.purpose if purpose % 5 else "settlement"
        if what == "minors":
            young = sorted(r.id for r in self.oracle.records.values() if r.born and r.born.year > 2010)
            about = tuple(young[: 1 + number % 2])
        elif what == "policy":
            about = (HASHES[number % 3],)
        elif what == "unseal":
            agency = self.world.id(AGENCIES[number % 2])
            about = (agency,)
        elif what == "unrestrict":
            about = tuple(r.id for r in self.oracle.records.values() if r.restricted)
        rows = rows if what == "bulk_read" else 0
        spec = self.oracle.rules.file["approvals"][what]
        ends = self.now + spec.get("hours", 72) * 60 * MINUTE
        made: list[str] = []

        def call() -> None:
            made.append(
                self.granting.ask(by, what, about, reason="t", purpose=wanted, rows=rows, agency=agency).id
            )

        if tried(call, allowed=False if self.oracle.people[by.principal].disabled else None, what="ask"):
            self.oracle.asks[made[0]] = Ask(
                made[0], what, about, by.principal, wanted, rows, ends, spec["quorum"], tuple(spec["by"])
            )
            if yes:
                self.approve(purpose, 0)

    @precondition(lambda self: self.oracle.asks)
    @rule(number=pick, which=pick)
    def approve(self, number: int, which: int) -> None:
        """Somebody says yes, which counts or is refused."""
        ask = [*self.oracle.asks.values()][-1 - which % min(3, len(self.oracle.asks))]
        able = [n for n in self.names() if any(r in self.person(n).roles for r in ask.of)]
        name = able[number % len(able)] if able and number % 4 else self.name(number)
        person = self.person(name)
        allowed = self.oracle.may_approve(ask, person.id, self.now) and self.oracle.alive(ask, self.now)
        if tried(
            lambda: self.granting.approve(self.world.keys[name], ask.id), allowed=allowed, what="approve"
        ):
            ask.yes.append(person.id)

    @precondition(lambda self: self.oracle.asks)
    @rule(number=pick, which=pick, sure=rarely)
    def refuse(self, number: int, which: int, *, sure: bool) -> None:
        """Somebody says no, which ends it."""
        ask = [*self.oracle.asks.values()][-1 - which % min(3, len(self.oracle.asks))]
        if not sure:
            return
        name = self.name(number)
        fine = self.oracle.may_approve(ask, self.world.id(name), self.now) or self.world.id(name) == ask.by
        fine = fine and self.oracle.alive(ask, self.now)
        allowed = None if fine else False
        if tried(
            lambda: self.granting.refuse(self.world.keys[name], ask.id, "t"), allowed=allowed, what="refuse"
        ):
            ask.refused = True

    # --- glass ----------------------------------------------------------------------------------------

    @rule(number=pick, minutes=st.sampled_from([None, 5, 60]))
    def break_glass(self, number: int, minutes: int | None) -> None:
        """Somebody takes a role in need; the policy says from which."""
        name = self.name(number)
        person, spec = self.person(name), self.oracle.rules.file["break_glass"]
        wider = [r for r, others in spec["roles"].items() if "legal" in others]
        token = Token(person.id, "legal", "legal_action", self.now, [], glass=True)
        ends = self.now + (minutes or spec["minutes"]) * MINUTE
        token.steps.append(
            Step(key=b"", ends=ends, actions=self.oracle.rules.actions("legal", "legal_action"))
        )
        overdue = any(
            g.principal == person.id and self.now >= due and not seen for g, _, due, seen in self.glasses
        )
        may = any(person.holds(role, self.today()) for role in wider) and not overdue
        may = may and not self.oracle.standing(token, self.now)
        held = person.holds("legal", self.today())
        made: list[tuple[Credential, Glass]] = []

        def call() -> None:
            made.append(
                self.granting.break_glass(
                    self.world.keys[name], role="legal", purpose="legal_action", reason="t", minutes=minutes
                )
            )

        allowed = False if not may and not held else None if held else True
        if tried(call, allowed=allowed, what="break glass"):
            self.tokens.append((made[0][0], token))
            self.glasses.append((token, made[0][1].id, self.now + spec["review_hours"] * 60 * MINUTE, False))

    @precondition(lambda self: self.glasses)
    @rule(which=pick)
    def review(self, which: int) -> None:
        """Somebody else looks at it."""
        at = which % len(self.glasses)
        token, ident, due, seen = self.glasses[at]

        def call() -> None:
            self.granting.review_glass(self.world.keys["dpo"], ident, justified=True, finding="t")

        if tried(call, allowed=not seen, what="review"):
            self.glasses[at] = (token, ident, due, True)
