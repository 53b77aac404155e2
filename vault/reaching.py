"""Reaching: numbers given out by rule, not by mask (DESIGN 9).

A caller reserves, and gets the number in clear once the entry is durable; then says what became of it. Hours,
caps, contact persons' protection and refusals are decided under the head's lock, beside the counters that
they look at, so no dialer's misconfiguration and no two agencies at once come past them.

    reserve → confirm    the call was made: effective, or not
            → void       no call was made
            → nothing    30 minutes later it is no call in flight any more; the attempt counts all the same
"""

from __future__ import annotations

from typing import Final

import msgspec

from vault.access.reaching import (
    CHANNELS,
    Answer,
    Circumstances,
    Debtors,
    ReachRule,
    answer,
    builtin,
    closing,
    refusal,
)
from vault.access.tokens import Credential
from vault.config import today
from vault.crypto.ids import new_id
from vault.errors import Denied, Invalid, NotFound
from vault.gating import Gate
from vault.journal import Page
from vault.ledger.book import CaseRow
from vault.model import Grant, Happening, Quiet, Receipt, Whom, Word
from vault.outreach import NUMBERS, Outreach, Target
from vault.settling import IN_FLIGHT, Settled, Settler, outcome_of
from vault.stores.rows import ReachRow
from vault.tenancy import Tenancy

KEPT_DAYS: Final = 1
"""Days that a reservation is kept after its own, so that a call over midnight can be settled."""
_DAY: Final = 24 * 60 * 60 * 1_000_000


class Reservation(Quiet):
    """Leave to reach somebody once. It holds a number in clear, and never anything of a debt.

    Attributes:
        id: What `confirm` and `void` take.
        number: In clear; "" for a visit.
        until: µs UTC up to which it may be used: 30 minutes, or less where the hours close before.
    """

    id: str
    record: str
    kind: str
    channel: str
    field: str
    number: str
    until: int
    receipt: Receipt


class Checked(Word):
    """What would be allowed now, by channel, and the rules that say so with their certainty. No number."""

    record: str
    kind: str
    answers: list[Answer]
    rules: list[ReachRule]
    receipt: Receipt


class Reaching:
    """The room of those who call, write or visit."""

    def __init__(self, tenancy: Tenancy, rules: tuple[ReachRule, ...] | None = None) -> None:
        self._t = tenancy
        self._gate = Gate(tenancy)
        self._outreach = Outreach(tenancy)
        self._rules = builtin() if rules is None else rules
        self._settler = Settler(tenancy, self._outreach, self._rules)

    # --- verbs ----------------------------------------------------------------------------------------

    def check(
        self,
        credential: Credential,
        ident: str,
        *,
        field: str = "phone",
        case: str | None = None,
    ) -> Checked:
        """What would be allowed now over each channel, and how many calls are left; the question is an entry.

        Raises:
            Denied: Token, policy or the record's state rule it out, whatever the hour.
            NotFound: No such record within reach.
        """
        grant, target = self._target(credential, ident, field, None, number=True)
        answers: list[Answer] = []
        with self._t.journal.page() as page:
            debtors = self._admit(page, grant, target, case)
            if target.item.error is None:
                for channel in CHANNELS:
                    so = self._circumstances(page, target, channel, debtors)
                    answers.append(_with_number(answer(self._rules, so), target))
            slot = page.add(self._happening(grant, target, "search", "reach check"))
        if target.item.error is not None:
            raise target.item.error
        return Checked(
            record=target.item.record,
            kind=target.item.kind,
            answers=answers,
            rules=[rule for rule in self._rules if target.item.kind in rule.kinds],
            receipt=page.receipts[slot],
        )

    def reserve(
        self,
        credential: Credential,
        ident: str,
        channel: str = "voice",
        *,
        field: str = "phone",
        case: str | None = None,
        request: str | None = None,
    ) -> Reservation:
        """Take leave to reach somebody once; the number comes with it, after its entry.

        Args:
            credential: Must allow `reach`.
            ident: A borrower's, guarantor's or contact person's record, by id or `KIND:EXTERNAL_ID`.
            channel: `voice`, `sms` or `visit`; a visit gets no number.
            field: `phone` or `phone_alt`.
            case: For a contact person, the case number whose debtor can't be reached, where neither the
                token nor the book of cases names it.
            request: An approved request, for a minor.

        Raises:
            Denied: Token, policy, cases; or a rule: `quiet_hours`, `call_cap`, `attempt_cap`,
                `contact_state`, `contact_refused`. Each is an entry.
            NotFound: No such record within reach, or it holds no such number.
            Invalid: No such channel or field.
        """
        if channel not in CHANNELS:
            raise _no_such("channel", CHANNELS)
        grant, target = self._target(credential, ident, field, request, number=channel != "visit")
        item, reservation, until = target.item, new_id("rv"), 0
        with self._gate.turn(), self._t.journal.page() as page:
            debtors = self._admit(page, grant, target, case)
            if item.error is None:
                so = self._circumstances(page, target, channel, debtors)
                self._refuse(target, so)
                self._count(page, grant, target, request)
                closes = closing(self._rules, so)
                until = page.now + IN_FLIGHT if closes is None else min(page.now + IN_FLIGHT, closes)
            slot = page.add(self._happening(grant, target, "reserve", f"reach {channel} {reservation}"))
            if item.error is None:
                self._keep(page, grant, target, channel, reservation)
        if item.error is not None:
            raise item.error
        return Reservation(
            id=reservation,
            record=item.record,
            kind=item.kind,
            channel=channel,
            field=field if target.number else "",
            number=target.number,
            until=until,
            receipt=page.receipts[slot],
        )

    def confirm(self, credential: Credential, reservation: str, *, effective: bool) -> Settled:
        """Say that it was used: `effective` where the person was spoken to. Also when it is late: it was so.

        Raises:
            NotFound: No reservation of the caller's has this id.
            Invalid: It was settled otherwise before.
        """
        return self._settler.settle(credential, reservation, "confirmed", effective=effective)

    def void(self, credential: Credential, reservation: str) -> Settled:
        """Say that it was not used: it is no call; the number was given out, so the attempt counts.

        Raises:
            NotFound: No reservation of the caller's has this id.
            Invalid: It was settled otherwise before.
        """
        return self._settler.settle(credential, reservation, "void", effective=False)

    # --- deciding -------------------------------------------------------------------------------------

    def _target(
        self, credential: Credential, ident: str, field: str, request: str | None, *, number: bool
    ) -> tuple[Grant, Target]:
        if field not in NUMBERS:
            raise _no_such("field", NUMBERS)
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "reach")
        covered = self._gate.covered(request)
        return grant, self._outreach.target(grant, ident, field, number=number, approved=covered)

    def _admit(self, page: Page, grant: Grant, target: Target, case: str | None) -> Debtors:
        """What a read is admitted by, under the lock; what refuses it stands on the item."""
        t, item = self._t, target.item
        t.demand_schema(page.registry)
        t.watch.demand(page.registry, page.first_index, page.now)
        if item.record and page.tx.entombed([item.record]):
            item.forget(NotFound())
        handles = self._gate.place(grant, [item])
        rows = page.cases(handles) if handles else {}
        try:
            over = t.contract_over(page.registry, t.today())
            standing = self._gate.admit(page, grant, search=None, over=over)
            self._gate.refuse_closed(grant, standing, [item], rows, None, "reach")
            self._refuse_closed(grant, target, rows, handles)
        except Denied as refused:
            item.refuse(refused)
        if item.error is not None:
            return ()
        return self._outreach.debtors(page, grant, target, rows, handles, case)

    def _refuse_closed(
        self, grant: Grant, target: Target, rows: dict[bytes, CaseRow], handles: list[bytes]
    ) -> None:
        """Where every case is closed, the policy's conditions are asked again as of a closed case."""
        item = target.item
        found = [rows.get(handle) for handle in handles]
        closed = bool(found) and all(row is not None and row.state == "closed" for row in found)
        if closed and item.error is None and item.held is not None:
            self._outreach.demand_conditions(grant, item.held, case="closed")

    def _circumstances(self, page: Page, target: Target, channel: str, debtors: Debtors) -> Circumstances:
        day = today(page.now).isoformat()
        digest, table = self._outreach.number(day, target), page.tx.reaches
        return Circumstances(
            now=page.now,
            channel=channel,
            kind=target.item.kind,
            anchors=target.anchors,
            debtors=debtors,
            calls=sum(table.calls(self._outreach.debtor(day, target), day, channel, page.now)),
            attempts=table.attempts(digest, day, channel) if digest else 0,
        )

    def _refuse(self, target: Target, so: Circumstances) -> None:
        """Let the first rule that refuses say so, with what it rests on and how sure that is."""
        rule = refusal(self._rules, so)
        if rule is not None:
            target.item.refuse(
                Denied(f"{rule.gloss_en} ({rule.name} {rule.mark})", code=rule.code, remedy=rule.remedy)
            )
        elif so.channel != "visit" and not target.number:
            target.item.refuse(NotFound())

    def _count(self, page: Page, grant: Grant, target: Target, request: str | None) -> None:
        """Count it last, as a read is: against the day's records, or an approval, which it spends."""
        if target.item.error is None:
            try:
                self._gate.count(page, grant, [target.item], request)
            except Denied as refused:
                target.item.refuse(refused)

    # --- writing down ---------------------------------------------------------------------------------

    def _keep(self, page: Page, grant: Grant, target: Target, channel: str, reservation: str) -> None:
        """Store a reservation, and let go of those that count for nothing any more."""
        day = today(page.now).isoformat()
        page.tx.reaches.forget(today(page.now - KEPT_DAYS * _DAY).isoformat())
        page.tx.reaches.put(
            ReachRow(
                tenant=self._t.name,
                reservation=reservation,
                debtor=self._outreach.debtor(day, target),
                number=self._outreach.number(day, target),
                day=day,
                channel=channel,
                actor=grant.principal,
                state="reserved",
                effective=0,
                deadline=page.now + IN_FLIGHT,
                body=self._settler.sealed(reservation, target.item.record, target.item.kind),
            )
        )

    def _happening(self, grant: Grant, target: Target, kind: str, what: str) -> Happening:
        item, t = target.item, self._t
        whom = Whom(
            subject=item.subject,
            record=item.record if item.subject else "",
            case=",".join(sorted(grant.cases or ())),
            ticket=grant.ticket,
            detail=" ".join(part for part in (what, grant.evidence) if part),
        )
        if item.error is None:
            decision = self._outreach.decision(grant, target) if kind == "reserve" else None
            who = t.who(grant, about=item.kind, decision=decision)
        else:
            kind, (outcome, reason) = "deny", outcome_of(item.error)
            who = t.who(grant, about=item.kind, outcome=outcome, reason=reason)
        return Happening(kind=kind, who=who, whom=whom, secret=item.log_secret, shelf=item.log_shelf)


def _with_number(said: Answer, target: Target) -> Answer:
    """Where the record holds no such number, nobody is called or written to by it."""
    if said.channel == "visit" or target.number or not said.allowed:
        return said
    return msgspec.structs.replace(said, allowed=False, reason=NotFound.default_code)


def _no_such(field: str, known: tuple[str, ...]) -> Invalid:
    return Invalid(
        f"no such {field}", code=f"invalid_{field}", field=field, remedy=f"one of {', '.join(known)}"
    )
