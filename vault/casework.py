"""Casework: cases opened, assigned, recalled and closed; by hand or by rule (案件管理).

Whoever works a case gets at its borrower only while it is open and theirs: a read asks the book of cases
under the log's lock (`gating`), so an assignment, a recall or a closing holds from the very next read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vault.access.tokens import Credential
from vault.casekeeping import CHUNK, MAX_NUMBER, CaseKeeping, Progress, principal_named
from vault.caseload import Caseload
from vault.errors import Invalid
from vault.identifying import demand_reason
from vault.model import Happening, Whom, Word
from vault.sharing_out import ShareRule, shared_out
from vault.tenancy import Tenancy

__all__ = ["CHUNK", "MAX_NUMBER", "CaseView", "Casework", "Shared"]


class CaseView(Word):
    """A case as the case desk sees it; times are µs UTC."""

    number: str
    state: str
    holder: str
    holder_name: str
    agency: str
    priority: int
    opened: int
    changed: int
    by: str
    reason: str
    handle: str


class Shared(Word):
    """What sharing out did, or would do.

    Attributes:
        rules: How many cases each rule placed.
        holders: How many open cases each principal holds then, by id; `names` says who they are.
        unplaced: How many open cases are still nobody's.
    """

    rules: dict[str, int]
    holders: dict[str, int]
    names: dict[str, str]
    unplaced: int


class Casework(CaseKeeping):
    """The room of the case desk. Every act is an entry that names its cases."""

    def __init__(self, tenancy: Tenancy) -> None:
        super().__init__(tenancy)
        self._load = Caseload(tenancy)

    # --- questions ------------------------------------------------------------------------------------

    def cases(
        self,
        credential: Credential,
        *,
        holder: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> list[CaseView]:
        """Cases by handle, of a holder ("" for nobody's) and in a state; the question is an entry.

        Args:
            credential: Must allow `case`.
            holder: A principal's id or name; "" for cases assigned to nobody, None for any.
            state: `open`, `closed` or None.
            after: The `handle` of the last case of the page before.
            limit: At most so many.

        Raises:
            NotFound: No such holder.
            Invalid: Several of this name, or `after` is no handle.
        """
        behind = _handle(after)
        with self._t.acting(credential, "case") as (grant, page):
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail="case list")))
            registry = page.registry
            ident = principal_named(registry, holder, disabled=True) if holder else holder
        rows = self._t.journal.case_rows(ident, state, behind, limit)
        return [
            CaseView(
                number=self._t.keys.open_case(row.handle, row.number),
                state=row.state,
                holder=row.holder,
                holder_name=self._t.name_of(registry, row.holder) if row.holder else "",
                agency=row.agency,
                priority=row.priority,
                opened=row.opened,
                changed=row.changed,
                by=row.by,
                reason=row.reason,
                handle=row.handle.hex(),
            )
            for row in rows
        ]

    def open_imported(
        self,
        credential: Credential,
        *,
        where: str = "",
        reason: str,
        priority: int = 0,
        progress: Progress | None = None,
    ) -> int:
        """Open the cases of loans in the vault that the book of cases doesn't know; what it knows stays.

        Args:
            credential: Must allow `case`.
            where: Which loans, over their open attributes as in `cvault list`; blank for all.
            reason: Why, without personal data.
            priority: Higher goes first.
            progress: Told how many of the loans have been looked at.

        Returns:
            How many were opened.

        Raises:
            Invalid: The selection can't be understood.
        """
        demand_reason(reason)
        self._load.check(where)
        with self._t.acting(credential, "case") as (grant, page):
            detail = f"case open imported where {where}"
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail=detail)))
        opened, looked, total = 0, 0, self._load.loans()
        for count, numbers in self._load.unknown(where):
            looked += count
            if numbers:
                opened += self.open_cases(credential, numbers, reason=reason, priority=priority)
            if progress is not None:
                progress(looked, max(total, looked))
        return opened

    # --- by rule --------------------------------------------------------------------------------------

    def share_out(
        self, credential: Credential, rules: Sequence[ShareRule], *, reason: str, dry_run: bool = False
    ) -> Shared:
        """Assign the open cases that are nobody's by rules over their loans (`vault.sharing_out`).

        Raises:
            Invalid: A rule's selection can't be understood, or somebody it names can't be assigned to.
        """
        demand_reason(reason)
        for rule in rules:
            self._load.check(rule.where, rule.sort)
        with self._t.acting(credential, "case") as (grant, page):
            detail = f"case share out{' (dry run)' if dry_run else ''}: {len(rules)} rules"
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail=detail)))
            registry = page.registry
            holders = [[self._holder(registry, to).id for to in rule.to] for rule in rules]
        waiting = self._load.waiting()
        counts = self._t.journal.case_counts().items()
        loads = Counter({h: n for (h, state), n in counts if h and state == "open"})
        by_rule: dict[str, int] = {}
        for rule, named in zip(rules, holders, strict=True):
            chosen = [handle for handle in self._load.matching(rule.where, rule.sort) if handle in waiting]
            placed = list(shared_out(chosen, named, loads, rule.most))
            by_rule[rule.name] = by_rule.get(rule.name, 0) + len(placed)
            for handle, holder in placed:
                loads[holder] += 1
                waiting[handle] = (waiting[handle][0], holder, rule.priority)
            if not dry_run:
                self._place(credential, [waiting[handle] for handle, _ in placed], f"{rule.name}: {reason}")
            waiting = {handle: case for handle, case in waiting.items() if not case[1]}
        share = {holder: count for holder, count in loads.items() if count}
        names = {holder: self._t.name_of(registry, holder) for holder in share}
        return Shared(rules=by_rule, holders=share, names=names, unplaced=len(waiting))

    def _place(self, credential: Credential, placed: Sequence[tuple[str, str, int]], reason: str) -> None:
        by_holder: dict[tuple[str, int], list[str]] = {}
        for number, holder, priority in placed:
            by_holder.setdefault((holder, priority), []).append(number)
        for (holder, priority), numbers in by_holder.items():
            self.assign(credential, numbers, holder, reason=reason, priority=priority)


def _handle(text: str) -> bytes:
    """A case's handle as it was listed.

    Raises:
        Invalid: It is none.
    """
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Invalid(
            "not the handle of a case",
            code="invalid_cursor",
            field="after",
            remedy="give the one that the list before ended with",
        ) from None
