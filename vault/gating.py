"""Gating: what only the ledger knows of a read, asked under the head's lock (DESIGN 6, step 6).

Whether the cases are still open and the caller's own, how many different values and how many records were
asked for today, and whether somebody else approved what goes beyond. All in the order in which entries
arrive, so a closed case, a spent allowance or a sealed agency is so from the very next read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from vault.config import today
from vault.crypto import mac
from vault.errors import Denied, NotFound, VaultError
from vault.items import Item
from vault.journal import Page
from vault.ledger.book import CaseRow
from vault.ledger.registry import Request
from vault.model import Grant
from vault.seeking import Search
from vault.standing import Standing, stand
from vault.tenancy import Tenancy

BULK: Final = "bulk_read"
MINORS: Final = "minors"
LEASE: Final = 100
"""Records that a node counts ahead for a principal, purpose and day; so many may be counted for nothing."""
MOST_HELD: Final = 4096


class Gate:
    """Admits the reads of one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._asks: dict[tuple[str, str, str, str], bool] = {}
        self._held: dict[bytes, int] = {}
        self._taken: dict[bytes, int] = {}
        self._turn = threading.Lock()

    def covered(self, request: str | None) -> frozenset[str]:
        """What an approval that came with a read would cover; whether it stands is asked under the lock."""
        if request is None:
            return frozenset()
        found = self._t.journal.recent().find(Request, request) or self._t.journal.registry().find(
            Request, request
        )
        return frozenset({MINORS}) if found is not None and found.what == MINORS else frozenset()

    def admit(self, page: Page, grant: Grant, *, search: Search | None, over: bool) -> Standing:
        """Let a request pass, or refuse it as a whole.

        Args:
            page: The open page.
            grant: Who asks.
            search: How the records were found, if they were searched for.
            over: Whether the contract of whoever placed the cases has ended.

        Raises:
            Denied: What it rests on is gone, or the cap of values is reached.
        """
        standing = self._t.admit(page, grant)
        if over and "RESTRICTED" not in self._t.policy.states(grant.purpose):
            raise Denied("the creditor's contract has ended", code="contract_ended")
        if search is not None and search.cap is not None:
            self._admit_search(page, grant, search, search.cap)
        return standing

    def count(self, page: Page, grant: Grant, items: Sequence[Item], request: str | None) -> None:
        """Count what is about to be shown, last of all: against the day's number, or against an approval.

        Raises:
            Denied: `approval_required`.
        """
        shown = sum(item.error is None for item in items)
        if not shown:
            return  # nothing leaves: neither the day's number nor an approval is touched
        if request is not None:
            self._spend(page, grant, request, items, shown)
        else:
            self._count(page, grant, shown)

    def _admit_search(self, page: Page, grant: Grant, search: Search, cap: int) -> None:
        key = self._t.keys.handle_key
        day = today(page.now).isoformat()
        who = mac.handle(key, "lookups", grant.principal)
        value = mac.handle(key, "lookup", day, search.kind, search.field, search.digest.hex())
        if not page.tx.admit_lookup(who, day, f"{search.kind}.{search.field}", value, cap):
            raise Denied(
                "the day's cap of distinct values is reached", code="lookup_cap", remedy="go on tomorrow"
            )

    # --- bulk -----------------------------------------------------------------------------------------

    def _count(self, page: Page, grant: Grant, shown: int) -> None:
        """Count the records that a principal reads for a purpose in a day: more takes an approval."""
        spec = self._t.policy.approval(BULK)
        if spec is None or not spec.rows or not shown or self._t.policy.sandbox:
            return
        day = today(page.now).isoformat()
        handle = mac.handle(self._t.keys.handle_key, "rows", grant.principal, grant.purpose, day)
        held = self._taken.get(handle, self._held.get(handle, 0))
        if held < shown:
            held += self._take(page, handle, shown - held, spec.rows)
        self._taken[handle] = held - shown

    @staticmethod
    def _take(page: Page, handle: bytes, least: int, most: int) -> int:
        """Take counts of a day: a hundred at a time, as most reads needn't ask then; exactly near the end."""
        many = max(least, LEASE)
        before = page.tx.bump({handle: many})[handle]
        if before + many <= most:
            return many
        page.tx.bump({handle: -many})
        if before + least > most:
            raise Denied(
                f"more than {most} records in a day take another person's approval",
                code="approval_required",
                remedy="cvault request open bulk_read --rows N --purpose P, then read --request REQUEST",
            )
        page.tx.bump({handle: least})
        return least

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around one page that counts, for those who have no turn of their own."""
        with self._turn:
            self.begin()
            yield
            self.settle()

    def begin(self) -> None:
        """Before a page: forget what a page that failed had taken."""
        self._taken = {}

    def settle(self) -> None:
        """After a page is durable: what it took and did not use is there for the next."""
        if len(self._held) > MOST_HELD:
            self._held = {}
        self._held |= self._taken

    def _spend(self, page: Page, grant: Grant, request: str, items: Sequence[Item], shown: int) -> None:
        """Use an approval up: an allowance of rows, or of exactly these records of minors."""
        row = page.registry.find(Request, request)
        what = row.what if row is not None and row.what in {BULK, MINORS} else BULK
        about = sorted(item.id for item in items) if what == MINORS else ()
        rows = shown if what == BULK else 0  # the other names its records, so they aren't counted
        self._t.use_approval(
            page,
            request,
            what,
            about,
            by=grant.principal,
            purpose=grant.purpose,
            rows=rows,
            in_parts=what == BULK,
        )

    # --- cases ----------------------------------------------------------------------------------------

    def asks_cases(self, grant: Grant) -> bool:
        """Whether the state of cases decides for this grant; worked out once for each kind of grant."""
        policy = self._t.policy
        key = (policy.hash, grant.role, grant.purpose, grant.agency)
        known = self._asks.get(key)
        if known is None:
            if len(self._asks) > MOST_HELD:
                self._asks = {}
            known = self._asks[key] = self.bound(grant) or any(
                condition.test == "case_open" for condition in policy.conditions(grant.role, grant.purpose)
            )
        return known

    def bound(self, grant: Grant) -> bool:
        """Whether a grant reaches its own open cases alone: the policy binds the role, or an agency acts."""
        policy = self._t.policy
        return policy.case_bound(grant.role, grant.purpose) or bool(grant.agency and not policy.sandbox)

    def own(self, grant: Grant) -> Grant:
        """A grant with those of its cases alone that are open and the caller's, as far as is known."""
        handles = {bytes.fromhex(self._t.keys.case_handle(case)): case for case in grant.cases or ()}
        standing = stand(self._t.journal.recent(), self._t.policy, grant, self._t.clock())
        rows = self._t.journal.cases(handles)
        mine = frozenset(case for handle, case in handles.items() if _is_own(rows.get(handle), standing))
        return msgspec.structs.replace(grant, cases=mine)

    def place(self, grant: Grant, items: Sequence[Item]) -> list[bytes]:
        """Note for each item by which cases it is in a grant's scope; gives them all."""
        scope = self._t.scope(grant)
        for item in items:
            if item.held is not None and item.error is None:
                cases = item.held.facts.cases
                item.cases = [bytes.fromhex(case) for case in cases if scope is None or case in scope]
        return [case for item in items for case in item.cases]

    def refuse_closed(
        self,
        grant: Grant,
        standing: Standing,
        items: Sequence[Item],
        rows: Mapping[bytes, CaseRow],
        asked: tuple[str, ...] | None,
        action: str,
    ) -> None:
        """Refuse the items whose cases are closed, or aren't the caller's where the policy binds it to cases.

        Where the token names the case the caller hears `case_closed`; otherwise the record looks missing.
        """
        bound = self.bound(grant)
        for item in items:
            if item.error is not None or item.held is None:
                continue
            found = [rows.get(handle) for handle in item.cases]
            if bound and not any(_is_own(row, standing) for row in found):
                item.refuse(_closed() if grant.cases is not None else NotFound())
            elif found and all(row is not None and row.state == "closed" for row in found):
                self._refuse_unless_same(grant, item, asked, action)

    def _refuse_unless_same(
        self, grant: Grant, item: Item, asked: tuple[str, ...] | None, action: str
    ) -> None:
        """A closed case leaves what no condition hangs on; where it would show less, nothing is shown."""
        held, decision = item.held, item.decision
        if held is None or decision is None:
            return
        situation = self._t.situation(grant, held.facts, case="closed")
        try:
            now = self._t.decide(grant, held.kind, asked, action, situation)
        except VaultError as refusal:
            item.refuse(refusal)
            return
        if now.views != decision.views:
            item.refuse(_closed())


def _is_own(row: CaseRow | None, standing: Standing) -> bool:
    """Whether a case is open and the caller's: assigned to it or its agency's pool, or placed with it."""
    if row is None or row.state != "open":
        return False
    return row.holder in standing.holders or row.agency == standing.grant.principal


def _closed() -> Denied:
    return Denied(
        "the case is closed, or not assigned to the caller",
        code="case_closed",
        remedy="cvault case list shows whose it is; ask the case desk",
    )
