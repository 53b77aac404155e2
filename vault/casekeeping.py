"""Case keeping: opening, assigning, recalling and closing by case number, each an entry that names its cases.

The bench behind the case desk (`vault.casework`): what a change of the book may be, and who may hold a case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.errors import Invalid, NotFound
from vault.identifying import demand_reason
from vault.intake.fold import fold_number
from vault.journal import Page
from vault.ledger.book import CaseRow
from vault.ledger.registry import Engagement, Principal, Registry
from vault.model import Grant, Happening, Whom
from vault.tenancy import Tenancy

MAX_NUMBER: Final = 64
CHUNK: Final = 500
"""Cases in one entry, and in one transaction."""

Progress = Callable[[int, int], object]
"""Told how much of how much is done."""
Change = Callable[[CaseRow | None, bytes, str, Page], CaseRow | None]
"""What becomes of a case, from how it stands, its handle and number; None where nothing does."""


class CaseKeeping:
    """Changes the book of cases of one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def open_cases(
        self,
        credential: Credential,
        numbers: Sequence[str],
        *,
        reason: str,
        priority: int = 0,
        progress: Progress | None = None,
    ) -> int:
        """Open cases, or open closed ones again; those that are open stay as they are.

        Args:
            credential: Must allow `case`.
            numbers: The case numbers; as many as there are, 500 to an entry.
            reason: Why, without personal data.
            priority: Higher goes first.
            progress: Told after each entry how many of the cases are done.

        Returns:
            How many changed.

        Raises:
            Invalid: A number that can't be one; names its place.
            Denied: The token doesn't allow to keep cases.
        """

        def change(row: CaseRow | None, handle: bytes, number: str, page: Page) -> CaseRow | None:
            if row is not None and row.state == "open":
                return None
            return CaseRow(
                handle=handle,
                number=self._t.keys.seal_case(handle, number) if row is None else row.number,
                state="open",
                opened=page.now,
                changed=page.now,
                by="",
                reason="",
                priority=priority,
                turn=1 if row is None else row.turn + 1,
            )

        return self._change(credential, numbers, "open", reason, change, progress)

    def assign(
        self,
        credential: Credential,
        numbers: Sequence[str],
        to: str,
        *,
        reason: str,
        priority: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Assign open cases to a principal, by id or name: from now on they are that one's and nobody else's.

        An agency gets them for its people; one of its people gets them for itself.

        Raises:
            NotFound: No such principal.
            Invalid: It is disabled, or its agency has no contract in force; or a case isn't open.
        """
        holder = self._holder(self._t.journal.registry(), to)

        def change(row: CaseRow | None, _handle: bytes, _number: str, page: Page) -> CaseRow | None:
            return _assigned(_demand_open(row), self._holder(page.registry, holder.id), priority)

        return self._change(credential, numbers, f"assign {holder.id}", reason, change, progress)

    def recall(
        self,
        credential: Credential,
        numbers: Sequence[str],
        *,
        reason: str,
        progress: Progress | None = None,
    ) -> int:
        """Take cases back: they stay open, and are nobody's."""

        def change(row: CaseRow | None, _handle: bytes, _number: str, _page: Page) -> CaseRow | None:
            stands = _demand_open(row)
            if not stands.holder and not stands.agency:
                return None
            return msgspec.structs.replace(stands, holder="", agency="")

        return self._change(credential, numbers, "recall", reason, change, progress)

    def close_cases(
        self,
        credential: Credential,
        numbers: Sequence[str],
        *,
        reason: str,
        progress: Progress | None = None,
    ) -> int:
        """Close cases: whoever they were assigned to reads them no more. One never opened is closed too."""

        def change(row: CaseRow | None, handle: bytes, number: str, page: Page) -> CaseRow | None:
            if row is None:
                row = CaseRow(
                    handle=handle, number=self._t.keys.seal_case(handle, number), state="closed",
                    opened=page.now, changed=page.now, by="", reason="", turn=0,
                )  # fmt: skip
            elif row.state == "closed":
                return None
            return msgspec.structs.replace(row, state="closed", holder="", agency="")

        return self._change(credential, numbers, "close", reason, change, progress)

    def _change(
        self,
        credential: Credential,
        numbers: Sequence[str],
        what: str,
        reason: str,
        change: Change,
        progress: Progress | None,
    ) -> int:
        words, changed = demand_reason(reason), 0
        wanted = _checked(numbers)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            with self._t.acting(credential, "case", within=True) as (grant, page):
                changed += self._turn_over(grant, page, chunk, what, words, change)
            if progress is not None:
                progress(start + len(chunk), len(wanted))
        return changed

    def _turn_over(
        self,
        grant: Grant,
        page: Page,
        numbers: Sequence[str],
        what: str,
        reason: str,
        change: Change,
    ) -> int:
        if grant.cases is not None and not grant.cases.issuperset(numbers):
            raise NotFound("a case named is none of the token's")
        by_handle = {bytes.fromhex(self._t.keys.case_handle(number)): number for number in numbers}
        stand = page.cases(by_handle)
        turned: dict[str, CaseRow] = {}
        for handle, number in by_handle.items():
            before = stand.get(handle)
            row = change(before, handle, number, page)
            if row is not None:
                turned[number] = msgspec.structs.replace(
                    row,
                    by=grant.principal,
                    reason=reason,
                    changed=page.now,
                    turn=1 if before is None else before.turn + 1,
                )
        if turned:
            page.put_cases(turned.values())
            whom = Whom(case=",".join(sorted(turned)), ticket=grant.ticket, detail=f"case {what}: {reason}")
            page.add(Happening(kind="config", who=self._t.who(grant), whom=whom))
        return len(turned)

    def _holder(self, registry: Registry, named: str) -> Principal:
        """Whom cases can be assigned to.

        Raises:
            NotFound: Nobody of this id or name.
            Invalid: Several of this name, disabled, or an agency whose contract doesn't run.
        """
        found = registry.find(Principal, principal_named(registry, named))
        if found is None:
            raise NotFound("no such principal")
        if found.disabled:
            raise _bad_holder("the principal is disabled")
        if found.agency:
            contract = registry.find(Engagement, found.agency)
            if contract is None:
                raise _bad_holder("the agency has no contract")
            contract.demand_in_force(self._t.today().isoformat())
        return found


def _checked(numbers: Sequence[str]) -> list[str]:
    """Case numbers, each once, folded as an import folds them: a look-alike is no other case.

    Raises:
        Invalid: None, or one that can't be a case number; names its place, not the number.
    """
    wanted = list(dict.fromkeys(fold_number(number) for number in numbers))
    for place, number in enumerate(wanted, 1):
        if not 0 < len(number) <= MAX_NUMBER or not number.isprintable() or "," in number:
            raise Invalid(
                f"number {place} can't be a case number",
                code="invalid_case",
                field="cases",
                remedy=f"1 to {MAX_NUMBER} printable characters, no comma",
            )
    if not wanted:
        raise Invalid("no case is named", code="invalid_case", field="cases", remedy="name one at least")
    return wanted


def _demand_open(row: CaseRow | None) -> CaseRow:
    if row is None or row.state != "open":
        raise Invalid(
            "a case named isn't open", code="invalid_case", field="cases", remedy="cvault case open it first"
        )
    return row


def _assigned(row: CaseRow, holder: Principal, priority: int | None) -> CaseRow | None:
    same = (row.holder, row.agency) == (holder.id, holder.agency)
    if same and priority in {None, row.priority}:
        return None
    return msgspec.structs.replace(
        row,
        holder=holder.id,
        agency=holder.agency,
        priority=row.priority if priority is None else priority,
    )


def principal_named(registry: Registry, named: str, *, disabled: bool = False) -> str:
    """A principal's id, by id or by name; with `disabled` that of one who is, where nobody enabled has it.

    Raises:
        NotFound: Nobody of this id or name.
        Invalid: Several of this name.
    """
    if registry.find(Principal, named) is not None:
        return named
    all_alike = [p for p in registry.all(Principal) if p.name == named]
    alike = [p.id for p in all_alike if not p.disabled] or [p.id for p in all_alike if disabled]
    if not alike:
        raise NotFound("no such principal", remedy="cvault principal list shows ids and names")
    if len(alike) > 1:
        raise _bad_holder("several principals have this name")
    return alike[0]


def _bad_holder(why: str) -> Invalid:
    return Invalid(
        f"cases can't be assigned: {why}",
        code="invalid_principal",
        field="to",
        remedy="cvault principal list",
    )
