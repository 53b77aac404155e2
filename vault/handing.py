"""Handing over: a file of cases for the agency they are assigned to (案件移交).

What the agency may see under its contract, and no more; with the recipient and the day it expires in every
row, under an approval that serves once. Every record in it is an entry before the file exists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from vault.access.tokens import Credential
from vault.config import iso_day
from vault.crypto.ids import new_id
from vault.errors import Denied, Invalid, NotFound
from vault.identifying import Identifying
from vault.identity import Identity
from vault.items import Item
from vault.journal import Page
from vault.ledger.book import CaseRow
from vault.ledger.registry import Engagement, Handover, Principal, Registry
from vault.model import Grant, Happening, PrincipalId, View, Whom, Word
from vault.opening import Ask, Opener
from vault.standing import demand_contract
from vault.tenancy import Tenancy

ROLE = "agency_collector"
MOST = 5000
"""Records in one file."""


class Handed(Word):
    """A file handed over: its row in the registry, and its bytes, released once their entries are durable."""

    handover: Handover
    content: bytes


class Row(Word):
    """One record of the file; each carries whom it is for, so that no cut of the file is without it."""

    handover: str
    recipient: str
    expires: str
    kind: str
    ref: str | None
    entry: int
    fields: dict[str, msgspec.Raw]


class Handing(Identifying):
    """The room of those who hand cases over. Every record that leaves is an entry."""

    def __init__(self, tenancy: Tenancy) -> None:
        super().__init__(tenancy)
        self._opener = Opener(tenancy)

    def hand_over(
        self,
        credential: Credential,
        agency: str,
        cases: Sequence[str],
        *,
        purpose: str,
        expires: str,
        request: str | None = None,
    ) -> Handed:
        """Make the file of an agency's cases: JSON Lines, a record each, only granted fields.

        Args:
            credential: Must allow `export`.
            agency: The agency's principal id.
            cases: Case numbers, open and assigned to it or to one of its people.
            purpose: What it is for: one of its contract's.
            expires: The last day (ISO) on which the agency may use it, within its contract.
            request: The approval, for exactly these (`handover_about`) and at least so many records.

        Raises:
            Denied: No approval, no contract in force, or a case isn't the agency's (`case_closed`).
            Invalid: Too many records, or a day beyond the contract.
            NotFound: No such agency, or nothing of these cases.
        """
        t, numbers = self._t, sorted(set(cases))
        grant = t.authenticate(credential)
        t.authorise(grant, "export")
        if grant.cases is not None and not grant.cases.issuperset(numbers):
            raise NotFound("a case named is none of the token's")
        shadow = self._shadow(t.journal.registry(), grant, agency, numbers, purpose, expires)
        items = self._items(shadow, numbers)
        with t.acting(credential, "export", within=True) as (acting, page):
            shown = self._admit(page, shadow, items, agency, numbers, expires)
            about = handover_about(agency, purpose, expires, numbers)
            approved = t.use_approval(
                page, request, "handover", about, by=acting.principal, purpose=purpose, rows=len(shown)
            )
            ident = new_id("ho")
            name = page.registry.get(Principal, agency).name
            slots = [page.add(self._happening(acting, ident, agency, item, numbers)) for item in shown]
            content = _written(ident, name, expires, shown, [page.first_index + slot for slot in slots])
            row = Handover(
                id=ident,
                agency=agency,
                by=acting.principal,
                request="" if approved is None else approved.id,
                at=page.now,
                expires=expires,
                records=len(shown),
                cases=len(numbers),
                digest=hashlib.sha256(content).hexdigest(),
                mark=f"{name} {expires}",
            )
            page.put(row)
        return Handed(handover=row, content=content)

    def _shadow(
        self, registry: Registry, grant: Grant, agency: str, cases: Sequence[str], purpose: str, expires: str
    ) -> Grant:
        """The grant that the agency's own people would read by: the file shows what they would see."""
        contract = self._contract(registry, agency, purpose, expires)
        return msgspec.structs.replace(
            grant,
            principal=PrincipalId(agency),
            role=ROLE,
            purpose=purpose,
            actions=frozenset({"read"}),
            fields=_most(contract),
            cases=frozenset(cases),
        )

    def _contract(self, registry: Registry, agency: str, purpose: str, expires: str) -> Engagement:
        party = registry.find(Principal, agency)
        if party is None or party.sort != "agency" or party.disabled:
            raise NotFound("no such agency", remedy="cvault agency list shows the ids")
        contract = demand_contract(registry, agency, purpose, self._t.today())
        last = iso_day(expires, "expires")
        if last < self._t.today() or last.isoformat() > contract.ends:
            raise Invalid(
                "the file must expire within the agency's contract, and not before today",
                code="invalid_expires",
                field="expires",
                remedy=f"a day up to {contract.ends}",
            )
        return contract

    def _items(self, shadow: Grant, cases: Sequence[str]) -> list[Item]:
        """The records of the cases, opened as the agency would see them."""
        t = self._t
        loans = t.keeping.fetch([r for r in (t.record_of(f"loan:{case}") for case in cases) if r])
        records: dict[str, None] = {}
        for loan in loans.values():
            for record in t.stores.records.of_subject(t.name, loan.row.subject):
                records[record] = None
        if len(records) > MOST:
            raise Invalid(
                f"more than {MOST} records in one file",
                code="invalid_batch",
                field="cases",
                remedy="hand over fewer cases at a time",
            )
        items = [Item(id=record, record=record) for record in records]
        self._opener.open_all([Ask(grant=shadow, action="read", fields=None, items=items)])
        return items

    def _admit(
        self,
        page: Page,
        shadow: Grant,
        items: Sequence[Item],
        agency: str,
        cases: Sequence[str],
        expires: str,
    ) -> list[Item]:
        """Under the lock: the contract runs, every case is the agency's, nothing is being erased."""
        contract = self._contract(page.registry, agency, shadow.purpose, expires)
        if _most(contract) != shadow.fields:
            raise Denied(
                "the agency's contract was changed meanwhile", code="contract_ended", remedy="ask again"
            )
        self._t.demand_contract(page.registry)
        self._t.demand_schema(page.registry)
        self._t.watch.demand(page.registry, page.first_index, page.now)
        people = {p.id for p in page.registry.all(Principal) if p.agency == agency}
        handles = [bytes.fromhex(self._t.keys.case_handle(case)) for case in cases]
        book = page.cases(handles)
        if not all(_is_theirs(book.get(handle), agency, people) for handle in handles):
            raise Denied(
                "a case isn't open and assigned to this agency",
                code="case_closed",
                remedy="cvault case assign --to AGENCY first",
            )
        gone = page.tx.entombed([item.record for item in items])
        shown = [item for item in items if item.error is None and item.record not in gone]
        if not shown:
            raise NotFound
        return shown

    def _happening(
        self, grant: Grant, ident: str, agency: str, item: Item, cases: Sequence[str]
    ) -> Happening:
        who = self._t.who(grant, decision=item.decision)
        whom = Whom(
            subject=item.subject,
            record=item.record,
            case=",".join(cases) if len(cases) == 1 else "",
            ticket=grant.ticket,
            detail=f"handover {ident} to {agency}",
        )
        return Happening(kind="export", who=who, whom=whom, secret=item.log_secret, shelf=item.log_shelf)

    def handovers(self, identity: Identity) -> list[Handover]:
        """Every file handed over, for the case desk, an admin, DPO or auditor; the question is an entry."""
        with self._page(identity, "case_desk", "admin", "dpo", "auditor") as page:
            who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="handover list")))
            return page.registry.all(Handover)


def handover_about(agency: str, purpose: str, expires: str, cases: Sequence[str]) -> tuple[str, ...]:
    """What an approval of a hand-over is for, exactly."""
    return (agency, purpose, expires, *sorted(set(cases)))


def _most(contract: Engagement) -> dict[str, View] | None:
    """The most that a contract shows of each field; None leaves that to the policy."""
    return None if contract.fields is None else {n: View[v] for n, v in contract.fields.items()}


def _is_theirs(row: CaseRow | None, agency: str, people: set[str]) -> bool:
    return row is not None and row.state == "open" and (row.agency == agency or row.holder in people)


def _written(
    ident: str, recipient: str, expires: str, items: Sequence[Item], entries: Sequence[int]
) -> bytes:
    """The file: a row for every record, each with the recipient's mark and the entry that tells of it."""

    def rows() -> Iterator[bytes]:
        for item, entry in zip(items, entries, strict=True):
            yield msgspec.json.encode(
                Row(
                    handover=ident,
                    recipient=recipient,
                    expires=expires,
                    kind=item.kind,
                    ref=item.ref,
                    entry=entry,
                    fields={n: f.value for n, f in item.fields.items() if f.value is not None},
                )
            )

    return b"".join(row + b"\n" for row in rows())
