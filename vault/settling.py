"""Settling: what became of a reservation to reach somebody, and what the log is told of it.

The bench of `reaching` for the second half: effective, not effective, or not used at all. What was so is
recorded even where it comes late: to refuse it would leave calls uncounted.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vault.access.reaching import ReachRule, unreachable
from vault.access.tokens import Credential
from vault.crypto.encoding import encode
from vault.errors import Denied, Invalid, NotFound, VaultError
from vault.journal import Page
from vault.keeping import Held
from vault.model import Grant, Happening, Receipt, Who, Whom, Word
from vault.outreach import Outreach
from vault.stores.rows import ReachRow
from vault.tenancy import Tenancy

IN_FLIGHT: Final = 30 * 60 * 1_000_000
"""µs after which a reservation nobody settled counts as an attempt and no longer as a call: a dialer that
crashed must not use up the calls of a day, and whether anybody was spoken to is not known."""


class Settled(Word):
    """What became of a reservation.

    Attributes:
        state: `confirmed` or `void`.
        late: It had timed out; what was so is recorded all the same.
    """

    id: str
    state: str
    effective: bool
    late: bool
    receipt: Receipt


class _About(Word):
    """What a reservation is about, sealed in its row."""

    record: str
    kind: str


class Settler:
    """Settles the reservations of one tenant."""

    def __init__(self, tenancy: Tenancy, outreach: Outreach, rules: tuple[ReachRule, ...]) -> None:
        self._t = tenancy
        self._outreach = outreach
        self._rules = rules

    def sealed(self, reservation: str, record: str, kind: str) -> bytes:
        """What a reservation is about, as its row keeps it: bound to its id, and opened to settle it."""
        about = msgspec.json.encode(_About(record=record, kind=kind))
        return self._t.keys.cursors.wrap(about, self._context(reservation))

    def _context(self, reservation: str) -> bytes:
        return encode("cvault/reach/v1", self._t.name, reservation)

    def settle(self, credential: Credential, reservation: str, state: str, *, effective: bool) -> Settled:
        """Record what became of a reservation; takes no use of the token, which reserving took.

        Raises:
            NotFound: No reservation of the caller's has this id.
            Invalid: It was settled otherwise.
            Denied: What the token rests on is gone.
        """
        t = self._t
        grant = t.authenticate(credential)
        t.authorise(grant, "reach")
        error: VaultError | None = None
        held: Held | None = None
        late = False
        with t.journal.page() as page:
            try:
                t.admit(page, grant, spend=False)
                row = self._own(page, grant, reservation, state, effective=effective)
            except (Denied, NotFound, Invalid) as refused:
                error = refused
                outcome, reason = outcome_of(refused)
                who, said = t.who(grant, outcome=outcome, reason=reason), "reach settle"
            else:
                late = row.state == "reserved" and page.now >= row.deadline
                page.tx.reaches.settle(reservation, state, int(effective))
                about = self._about(row)
                held = self._held(page, about.record)
                reason = self._reason(page, row, about, effective=effective, late=late)
                who = t.who(grant, about=about.kind, reason=reason)
                said = f"reach {'effective' if effective else state} {reservation}"
            slot = page.add(self._settling("confirm" if error is None else "deny", grant, who, held, said))
        if error is not None:
            raise error
        if effective and held is not None:
            self._note_reached(held)
        receipt = page.receipts[slot]
        return Settled(id=reservation, state=state, effective=effective, late=late, receipt=receipt)

    @staticmethod
    def _own(page: Page, grant: Grant, reservation: str, state: str, *, effective: bool) -> ReachRow:
        """The caller's reservation, not settled yet or settled just so: a retry changes nothing.

        Raises:
            NotFound: There is none, or it is somebody else's.
            Invalid: It was settled otherwise.
        """
        row = page.tx.reaches.find(reservation) if reservation.isprintable() else None
        if row is None or row.actor != grant.principal:
            raise NotFound("no such reservation")
        if row.state != "reserved" and (row.state, row.effective) != (state, int(effective)):
            raise Invalid(
                "the reservation was settled otherwise",
                code="invalid_reservation",
                field="reservation",
                remedy="what was said of a call stands; reserve anew for another",
            )
        return row

    def _about(self, row: ReachRow) -> _About:
        sealed = self._t.keys.cursors.unwrap(row.body, self._context(row.reservation))
        return msgspec.json.decode(sealed, type=_About)

    def _held(self, page: Page, record: str) -> Held | None:
        """The record it is about; None once it is erased, or about to be."""
        if page.tx.entombed([record]):
            return None
        return self._outreach.retried(lambda: self._t.keeping.fetch([record]).get(record))

    def _reason(self, page: Page, row: ReachRow, about: _About, *, effective: bool, late: bool) -> str:
        """What an auditor should look for: a call that made more than the cap, or was told of late."""
        calls, _ = page.tx.reaches.calls(row.debtor, row.day, row.channel, page.now)
        caps = [r.most for r in self._rules if r.test == "calls" and r.covers(row.channel, about.kind)]
        if effective and any(calls > most for most in caps):
            return "call_cap"
        return "late" if late else ""

    def _settling(self, kind: str, grant: Grant, who: Who, held: Held | None, said: str) -> Happening:
        whom = Whom(
            subject=held.row.subject if held else "",
            record=held.row.record if held else "",
            case=",".join(sorted(grant.cases or ())),
            ticket=grant.ticket,
            detail=" ".join(part for part in (said, grant.evidence) if part),
        )
        secret = self._outreach.retried(lambda: self._t.keeping.log_secret(held.row)) if held else b""
        shelf = held.row.log_shelf if held else ""
        return Happening(kind=kind, who=who, whom=whom, secret=secret, shelf=shelf)

    def _note_reached(self, held: Held) -> None:
        """A debtor who was spoken to can be reached: contact persons are left alone from now on."""
        t = self._t
        if held.kind != "borrower" or not unreachable(held.facts.anchors):
            return
        with t.stores.index.turn(t.name):
            found = t.keeping.fetch([held.row.record]).get(held.row.record)
            if found is not None:
                anchors = found.facts.anchors | {"reached_on": t.today().isoformat()}
                t.keeping.set_facts([(found, msgspec.structs.replace(found.facts, anchors=anchors))])


def outcome_of(error: VaultError) -> tuple[str, str]:
    """An entry's outcome and reason for an error."""
    outcome = {3: "denied", 4: "not_found"}.get(error.exit_code, "failed")
    return outcome, error.code if outcome == "denied" else ""
