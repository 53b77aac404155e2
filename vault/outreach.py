"""Outreach: whom a request to reach somebody is about, found and opened before it is decided.

The bench of `reaching`: scope, state and the policy's conditions as in any read; then the number, and of a
contact person the borrowers of their cases. Nothing of it reaches a caller before its entry is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from vault.access.conditions import failing
from vault.access.reaching import REACHED, Debtors
from vault.crypto import mac
from vault.errors import Denied, NotFound, VaultError
from vault.items import Item
from vault.journal import Page
from vault.keeping import Held
from vault.ledger.book import CaseRow
from vault.model import Decision, Grant, View
from vault.opening import RETRIES, Opener
from vault.schema import FieldSpec
from vault.stores.errors import ShelfMoved
from vault.tenancy import Tenancy

NUMBERS: Final = ("phone", "phone_alt")
"""The fields that hold a number to reach somebody by."""
DAY_NUMBER: Final = "@reach"
"""Names the index key under which numbers are told apart for a day; no field of a schema begins so."""

T = TypeVar("T")


class Target:
    """Who is to be reached, on the way through the steps; has no repr that could show the number.

    Attributes:
        item: The record, or why it isn't to be had.
        field: The field of the number.
        spec: Its declaration; None where no number is wanted.
        number: The number, "" where none is wanted or there is none.
    """

    __slots__ = ("field", "item", "number", "spec")

    def __init__(self, item: Item, field: str) -> None:
        self.item = item
        self.field = field
        self.spec: FieldSpec | None = None
        self.number = ""

    @property
    def anchors(self) -> Mapping[str, str]:
        """The days that are known of the person."""
        return self.item.held.facts.anchors if self.item.held else {}


class Outreach:
    """Finds whom a request is about, for one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def target(
        self, grant: Grant, ident: str, field: str, *, number: bool, approved: frozenset[str]
    ) -> Target:
        """The person of a record with the number asked for; what refuses them stands on the item.

        Args:
            grant: Who asks.
            ident: A record id, or `KIND:EXTERNAL_ID`.
            field: One of `NUMBERS`.
            number: Whether the number is needed: where it isn't, nothing is opened.
            approved: What an approval covers that came with the request.
        """
        target = Target(Item(id=ident), field)
        try:
            self.retried(lambda: self._find(grant, target, approved))
            if number:
                self.retried(lambda: self._open(grant, target))
        except VaultError as refusal:
            target.item.refuse(refusal)
        return target

    @staticmethod
    def retried(work: Callable[[], T]) -> T:
        """Do something again while a purge moves shelves beneath it.

        Raises:
            ShelfMoved: They kept moving.
        """
        for _ in range(RETRIES - 1):
            try:
                return work()
            except ShelfMoved:
                continue
        return work()

    def _find(self, grant: Grant, target: Target, approved: frozenset[str]) -> None:
        item = target.item
        held = self._opener.named([item.id]).get(item.id) if item.id.isprintable() else None
        if held is None:
            raise NotFound
        item.record, item.held = held.row.record, held
        item.version, item.log_secret = held.row.version, self._t.keeping.log_secret(held.row)
        self._opener.in_scope(grant, held)
        if held.kind not in REACHED:
            raise Denied("nobody is reached by a record of this kind", code="field_denied")
        if held.facts.state not in self._t.policy.states(grant.purpose):
            raise Denied("the record is restricted", code="restricted")
        self.demand_conditions(grant, held, approved=approved)

    def demand_conditions(
        self, grant: Grant, held: Held, *, case: str = "open", approved: frozenset[str] = frozenset()
    ) -> None:
        """Demand every condition that any grant of the caller's role and purpose asks for.

        Stricter than a read, in which a condition hides only what hangs on it: who is reached is
        reached as a whole.

        Raises:
            Denied: The first condition, in the order of the policy, that fails.
        """
        conditions = self._t.policy.conditions(grant.role, grant.purpose)
        situation = self._t.situation(grant, held.facts, case=case, approved=approved)
        failed = failing(conditions, situation) if situation is not None else 0
        for n, condition in enumerate(conditions):
            if failed >> n & 1:
                raise Denied(
                    f"policy: condition {condition.name} ({condition.terms}) doesn't hold:"
                    f" {condition.source}",
                    code=condition.code,
                    remedy=condition.remedy,
                )

    def _open(self, grant: Grant, target: Target) -> None:
        held = target.item.held
        if held is None:
            return
        narrowed = grant.fields is not None and grant.fields.get(target.field) is not View.CLEAR
        if narrowed or "clear" not in grant.audience:
            raise Denied(
                "the token, or the agency's contract, doesn't let this number out in clear",
                code="field_denied",
                field=target.field,
                remedy=f"a token without --fields, or with {target.field}=clear; of an agency, a contract so",
            )
        target.spec = self._t.schema.kind(held.kind).field(target.field)
        found = self._opener.values([held.row.record], target.spec).get(held.row.record)
        target.number = msgspec.json.decode(found, type=str) if found is not None else ""

    def decision(self, grant: Grant, target: Target) -> Decision | None:
        """What the entry says was shown: the number in clear; None where no number is given."""
        if target.spec is None or not target.number:
            return None
        return Decision(
            kind=target.item.kind,
            views={target.field: View.CLEAR},
            compartments=(target.spec.compartment,),
            masked_bits=0,
            clear_bits=1 << target.spec.number,
            states=self._t.policy.states(grant.purpose),
            policy=self._t.policy.hash,
        )

    # --- handles: of a day each, so that two days' rows can't be laid side by side -----------------------

    def debtor(self, day: str, target: Target) -> bytes:
        """The handle under which a person's calls of a day are counted."""
        return mac.handle(self._t.keys.handle_key, "reach", day, target.item.subject)

    def number(self, day: str, target: Target) -> bytes:
        """The digest under which a number's attempts of a day are counted; b"" for no number.

        Under a key that hangs on the contact compartment's: numbers are few enough to be tried one by one
        by whoever holds the key, and a masked node doesn't.
        """
        if not target.number:
            return b""
        key = self._t.keys.index("contact", "borrower", DAY_NUMBER)
        return mac.index_digest(key, f"{day} {target.number}")

    # --- of a contact person: the borrowers of their cases -----------------------------------------------

    def debtors(
        self,
        page: Page,
        grant: Grant,
        target: Target,
        rows: Mapping[bytes, CaseRow],
        handles: Iterable[bytes],
        case: str | None,
    ) -> Debtors:
        """Of each case by which a contact person is in scope, the days known of its borrowers.

        A record knows its cases by keyed handles alone. The number behind one comes from the token, the
        book of cases or the caller; where none of them knows it, no borrower is found.
        """
        if target.item.kind != "contact_person":
            return ()
        mine = set(handles)
        named = {*(grant.cases or ()), *([case] if case else [])}
        numbers = {bytes.fromhex(self._t.keys.case_handle(number)): number for number in named}
        for handle, row in rows.items():
            numbers.setdefault(handle, self._t.keys.open_case(handle, row.number))
        found = (self._borrowers(page, numbers[handle]) for handle in sorted(mine & numbers.keys()))
        return tuple(borrowers for borrowers in found if borrowers)

    def _borrowers(self, page: Page, number: str) -> tuple[Mapping[str, str], ...]:
        """The borrowers of a case, by its loan; the index that finds the loan is not believed."""
        t = self._t
        record = t.record_of(f"loan:{number}")
        loan = t.keeping.fetch([record]).get(record) if record else None
        if loan is None or loan.kind != "loan" or t.keys.case_handle(number) not in loan.facts.cases:
            return ()
        theirs = t.keeping.fetch(t.stores.records.of_subject(t.name, loan.row.subject))
        gone = page.tx.entombed(sorted(theirs))
        return tuple(
            held.facts.anchors
            for record, held in sorted(theirs.items())
            if held.kind == "borrower" and record not in gone and held.row.subject == loan.row.subject
        )
