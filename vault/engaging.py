"""Engaging: the agencies a lender entrusts its cases to, and the contract each works under (PIPL 21).

Nothing of an agency outlives its contract: its tokens end with it, and an attestation that everything was
returned or deleted is then demanded until it is there. One act seals an agency off at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import msgspec

from vault.config import iso_day
from vault.errors import Invalid, NotFound
from vault.identifying import Identifying, demand_reason
from vault.identity import Identity
from vault.journal import Page
from vault.ledger.registry import Engagement, Principal, Registry
from vault.model import Happening, View, Whom, Word

RETURN_WITHIN: Final = timedelta(days=10)
"""After a contract's end; the law gives no days for it (PIPL 21 ¶2 [V]): this is the product's own."""
SOON: Final = timedelta(days=30)


class AgencyView(Word):
    """An agency as the tenant sees it.

    Attributes:
        state: `none` (no contract), `coming`, `in force`, `ending` (within 30 days), `sealed`, `ended`.
        people: How many of its people are enabled.
        returned: The day of its return-or-delete attestation, "" if there is none.
        due: The day by which that is demanded, "" while the contract runs; `overdue` says that it has passed.
    """

    agency: str
    name: str
    state: str
    reference: str
    starts: str
    ends: str
    purposes: tuple[str, ...]
    fields: dict[str, str] | None
    people: int
    returned: str
    due: str
    overdue: bool


class Engaging(Identifying):
    """Agencies and their contracts. Every act is an entry."""

    def engage(
        self,
        identity: Identity,
        agency: str,
        *,
        reference: str,
        starts: str,
        ends: str,
        purposes: tuple[str, ...],
        fields: Mapping[str, View] | None = None,
    ) -> Engagement:
        """Record the contract an agency works under, in the place of the one before.

        Args:
            identity: An admin or data protection officer.
            agency: The agency's principal id.
            reference: The contract's number.
            starts: ISO date, its first day.
            ends: ISO date, its last day.
            purposes: What its people may act for.
            fields: The most they see; None leaves that to the policy.

        Raises:
            Invalid: A date, purpose or field that can't stand, an end before the start, or a gap behind a
                contract whose return or deletion nobody attested.
            NotFound: No such agency.
        """
        first, last = iso_day(starts, "starts"), iso_day(ends, "ends")
        if last < first:
            raise Invalid(
                "the contract ends before it starts", code="invalid_ends", field="ends", remedy="check both"
            )
        self._check_purposes(purposes)
        self._check_fields(fields)
        row = Engagement(
            id=agency,
            reference=demand_reason(reference, "reference"),
            starts=first.isoformat(),
            ends=last.isoformat(),
            purposes=tuple(sorted(set(purposes))),
            fields=None
            if fields is None
            else {name: View(v).name for name, v in sorted(fields.items()) if v},
            by=identity.principal,
        )
        with self._page(identity, "admin", "dpo") as page:
            self._agency(page, agency)
            before = page.registry.find(Engagement, agency)
            if before is not None:
                _demand_no_gap(before, row)
                row = msgspec.structs.replace(row, sealed=before.sealed)
            page.put(row)
            detail = f"contract {agency} {row.reference} {row.starts}..{row.ends} {','.join(row.purposes)}"
            self._enter(page, identity, "config", "", detail)
        return row

    def _check_purposes(self, purposes: tuple[str, ...]) -> None:
        spec = self._t.policy.file.roles.get("agency_collector")
        if not purposes or spec is None or not set(spec.purposes).issuperset(purposes):
            raise Invalid(
                "an agency's contract is for purposes that the policy gives agency_collector",
                code="invalid_purpose",
                field="purposes",
                remedy=", ".join(spec.purposes if spec else ()) or "cvault policy explain",
            )

    def _check_fields(self, fields: Mapping[str, View] | None) -> None:
        known = {name for kind in self._t.schema.kinds.values() for name in kind.fields}
        for name in fields or {}:
            if name not in known:
                raise Invalid(
                    "no such field",
                    code="invalid_field",
                    field="fields",
                    remedy="cvault schema check lists them",
                )

    @staticmethod
    def _agency(page: Page, agency: str) -> Principal:
        found = page.registry.get(Principal, agency)
        if found.sort != "agency":
            raise NotFound("no such agency", remedy="cvault agency list shows the ids")
        return found

    def _contract(self, page: Page, agency: str) -> Engagement:
        self._agency(page, agency)
        return page.registry.get(Engagement, agency)

    def end(self, identity: Identity, agency: str, *, on: str, reason: str) -> Engagement:
        """End a contract early: `on` (ISO) becomes its last day; its tokens die with that day.

        Raises:
            Invalid: The day lies beyond the contract's own end.
        """
        last, words = iso_day(on, "on").isoformat(), demand_reason(reason)
        with self._page(identity, "admin", "dpo") as page:
            contract = self._contract(page, agency)
            if last > contract.ends:
                raise Invalid(
                    "a contract is ended earlier, not later",
                    code="invalid_ends",
                    field="on",
                    remedy="a longer term is a new contract: cvault agency contract",
                )
            changed = msgspec.structs.replace(contract, ends=last)
            page.put(changed)
            self._enter(page, identity, "config", "", f"end contract {agency} {last}: {words}")
        return changed

    def seal(self, identity: Identity, agency: str, reason: str) -> Engagement:
        """Seal an agency off: from the next entry on nobody of it gets anything, on any node.

        Raises:
            NotFound: No such agency, or none with a contract.
        """
        words = demand_reason(reason)
        with self._page(identity, "admin", "dpo") as page:
            changed = msgspec.structs.replace(self._contract(page, agency), sealed=page.now)
            page.put(changed)
            self._enter(page, identity, "config", "", f"seal {agency}: {words}")
        return changed

    def unseal(self, identity: Identity, agency: str, request: str | None = None) -> Engagement:
        """Let a sealed agency go on, with another person's approval.

        Raises:
            Denied: Nobody else approved it.
        """
        with self._page(identity, "admin", "dpo") as page:
            contract = self._contract(page, agency)
            self._t.use_approval(page, request, "unseal", (agency,), by=identity.principal)
            changed = msgspec.structs.replace(contract, sealed=0)
            page.put(changed)
            self._enter(page, identity, "config", "", f"unseal {agency}")
        return changed

    def attest_return(self, identity: Identity, agency: str, *, on: str, reference: str) -> Engagement:
        """Record an agency's attestation that it returned or deleted everything (PIPL 21 ¶2).

        Raises:
            Invalid: The contract still runs.
        """
        day, words = iso_day(on, "on"), demand_reason(reference, "reference")
        with self._page(identity, "admin", "dpo") as page:
            contract = self._contract(page, agency)
            if self._t.today() <= date.fromisoformat(contract.ends):
                raise Invalid(
                    "the contract still runs: nothing is due yet",
                    code="invalid_agency",
                    field="agency",
                    remedy="cvault agency end AGENCY first",
                )
            changed = msgspec.structs.replace(contract, returned=day.isoformat(), returned_ref=words)
            page.put(changed)
            self._enter(page, identity, "config", "", f"returned {agency} {day} {words}")
        return changed

    def agencies(self, identity: Identity) -> list[AgencyView]:
        """Every agency, its contract and what it owes, for an admin, DPO or auditor."""
        with self._page(identity, "admin", "dpo", "auditor") as page:
            who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="agency list")))
            people = page.registry.all(Principal)
            return [
                agency_view(p, page.registry.find(Engagement, p.id), people, self._t.today())
                for p in people
                if p.sort == "agency"
            ]


def _demand_no_gap(before: Engagement, row: Engagement) -> None:
    """Demand that what was got under the last contract was returned, or goes on (PIPL 21 ¶2)."""
    if not before.returned and row.starts > _following(before.ends):
        raise Invalid(
            "what the agency got under its last contract was not returned",
            code="invalid_agency",
            field="starts",
            remedy="cvault agency returned AGENCY first; a renewal begins the day after, or before",
        )


def _following(day: str) -> str:
    """The day (ISO) after a day."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def recipients(registry: Registry, day: date) -> dict[str, list[str]]:
    """The names of the agencies whose contract runs on a day, by purpose."""
    found: dict[str, list[str]] = {}
    for contract in registry.all(Engagement):
        if not contract.sealed and contract.starts <= day.isoformat() <= contract.ends:
            for purpose in contract.purposes:
                found.setdefault(purpose, []).append(registry.get(Principal, contract.id).name)
    return found


def agency_view(
    agency: Principal, contract: Engagement | None, people: list[Principal], day: date
) -> AgencyView:
    """An agency and where it stands on a day."""
    staff = sum(p.agency == agency.id and p.id != agency.id and not p.disabled for p in people)
    if contract is None:
        return AgencyView(
            agency=agency.id, name=agency.name, state="none", reference="", starts="", ends="", purposes=(),
            fields=None, people=staff, returned="", due="", overdue=False,
        )  # fmt: skip
    ends = date.fromisoformat(contract.ends)
    due = "" if day <= ends else (ends + RETURN_WITHIN).isoformat()
    return AgencyView(
        agency=agency.id,
        name=agency.name,
        state=_state(contract, agency, day),
        reference=contract.reference,
        starts=contract.starts,
        ends=contract.ends,
        purposes=contract.purposes,
        fields=contract.fields,
        people=staff,
        returned=contract.returned,
        due=due,
        overdue=bool(due) and not contract.returned and day.isoformat() > due,
    )


def _state(contract: Engagement, agency: Principal, day: date) -> str:
    if contract.sealed or agency.disabled:
        return "sealed"
    if day.isoformat() < contract.starts:
        return "coming"
    if day.isoformat() > contract.ends:
        return "ended"
    return "ending" if (day + SOON).isoformat() > contract.ends else "in force"
