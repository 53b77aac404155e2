"""Reviewing: who holds which power now, since when and by whom, when it was last used, and what to mend.

The room of whoever goes through the rights every quarter. It reads the registry, the log's open columns and
the entries about principals, and changes nothing but the log: a review is an entry like any other question.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

from vault.config import SHANGHAI, iso_day, today
from vault.engaging import AgencyView, agency_view
from vault.errors import Denied, Invalid
from vault.findings import Finding, Held, Holder, Terms, findings
from vault.identifying import Identifying
from vault.identity import Identity
from vault.ledger.registry import Engagement, Glass, Principal, Registry
from vault.model import Happening, Whom, Word
from vault.stores.ledger import LastUses
from vault.stores.rows import EntryFilter
from vault.unsealing import Unsealer

REVIEWERS: Final = ("admin", "dpo", "auditor")
LOOK_BACK: Final = timedelta(days=365)
MOST_DAYS: Final = 3660
MOST_ENTRIES: Final = 50_000
"""Newest entries of one principal that are looked at for a role it doesn't use."""
MOST_GRANTS: Final = 10_000
"""Newest entries about principals that are read for who granted what."""


class AccessReview(Word):
    """Who holds which power, and what to mend.

    Attributes:
        at: µs UTC. day: The same in Asia/Shanghai (ISO).
        days: How many days ahead an end counts as near.
        unused: Days after which a power not used is a finding.
        since: The day (ISO) from which the log was looked at for the last use of a power.
        policy: The hash of the policy in force. purposes: The Chinese title of each of its purposes.
        holders: Everyone, disabled ones too, by agency, sort and name.
        findings: Worst first.
    """

    tenant: str
    at: int
    day: str
    days: int
    unused: int
    since: str
    policy: str
    purposes: dict[str, str]
    sandbox: bool
    holders: tuple[Holder, ...]
    agencies: tuple[AgencyView, ...]
    findings: tuple[Finding, ...]


class Reviewing(Identifying):
    """The room of whoever reviews access. Every review is an entry."""

    def review_access(
        self, identity: Identity, *, days: int = 7, unused: int = 90, since: str | None = None
    ) -> AccessReview:
        """Who holds which power now, and everything to mend, for an admin, DPO or auditor.

        Args:
            identity: Who asks.
            days: How many days ahead an end counts as near.
            unused: Days after which a power that was not used is a finding.
            since: Look for the last use of a power from this day (ISO) on; None for a year back.

        Raises:
            Denied: None of the roles is held.
            Invalid: A number or day that can't be; names the field.
        """
        _demand_days(days, "days")
        _demand_days(unused, "unused")
        first = self._t.today() - LOOK_BACK if since is None else iso_day(since, "since")
        if first > self._t.today():
            raise Invalid(
                "a day to come", code="invalid_date", field="since", remedy="give a day that has been"
            )
        with self._page(identity, *REVIEWERS) as page:
            who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="access review")))
            registry, now = page.registry, page.now
        terms = Terms(now=now, day=today(now), days=days, unused=unused)
        holders = self._holders(registry, terms, first)
        people = registry.all(Principal)
        agencies = [
            agency_view(p, registry.find(Engagement, p.id), people, terms.day)
            for p in people
            if p.sort == "agency"
        ]
        return AccessReview(
            tenant=self._t.name,
            at=now,
            day=terms.day.isoformat(),
            days=days,
            unused=unused,
            since=first.isoformat(),
            policy=self._t.policy.hash,
            purposes={name: spec.zh for name, spec in self._t.policy.file.purposes.items()},
            sandbox=self._t.policy.sandbox,
            holders=tuple(holders),
            agencies=tuple(agencies),
            findings=tuple(findings(terms, registry, self._t.policy, holders, agencies, self._open_cases())),
        )

    def _open_cases(self) -> dict[str, int]:
        """Open cases by holder, as the store counts them: `log verify` is what checks the book itself."""
        counts = self._t.journal.case_counts()
        return {holder: count for (holder, state), count in counts.items() if state == "open" and holder}

    def _holders(self, registry: Registry, terms: Terms, first: date) -> list[Holder]:
        people = registry.all(Principal)
        granted, names = self._granted(), {p.id: p.name for p in people}
        instant = _begins(first)
        floor = self._t.stores.ledger.index_at(self._t.name, instant)
        found = []
        for p in people:
            contract = registry.find(Engagement, p.agency) if p.agency else None
            powers = [self._held(p, role, contract, terms.now) for role in p.roles]
            powers += self._taken(registry, p, terms.now)
            used = LastUses(uses={}, since=instant)
            if floor is not None:
                roles = {held.role for held in powers}
                used = self._t.stores.ledger.last_uses(
                    self._t.name, p.id, roles, (instant, floor), MOST_ENTRIES
                )
            found.append(self._holder(p, [_told(held, p, granted, used, names) for held in powers]))
        return sorted(found, key=lambda h: (names.get(h.agency, ""), h.agency, h.sort, h.name, h.principal))

    def _holder(self, p: Principal, powers: list[Held]) -> Holder:
        needs = {kind for held in powers if not held.over for kind in self._t.policy.attestations(held.role)}
        return Holder(
            principal=p.id,
            name=p.name,
            sort=p.sort,
            agency=p.agency,
            disabled=p.disabled,
            added=p.added,
            staff_number=bool(p.person),
            attested=p.attested,
            needs=() if p.sort == "agency" else tuple(sorted(needs)),
            powers=tuple(powers),
        )

    def _held(self, p: Principal, role: str, contract: Engagement | None, now: int) -> Held:
        """A role as it was granted; who and when is told after."""
        purposes = self._purposes(role)
        if p.agency:
            allowed = contract.purposes if contract is not None and _runs(contract, today(now)) else ()
            purposes = tuple(purpose for purpose in purposes if purpose in allowed)
        return Held(
            role=role,
            zh=self._zh(role),
            purposes=purposes,
            since=p.added,
            by=p.by,
            by_name="",
            until=p.until.get(role),
            over=not p.holds(role, now),
        )

    def _taken(self, registry: Registry, p: Principal, now: int) -> list[Held]:
        """The roles taken by breaking the glass that still stand."""
        return [
            Held(
                role=glass.role,
                zh=self._zh(glass.role),
                purposes=(glass.purpose,),
                since=glass.since,
                by=p.id,
                by_name="",
                until=glass.until,
                over=False,
                glass=glass.id,
            )
            for glass in registry.all(Glass)
            if glass.principal == p.id and now < glass.until
        ]

    def _purposes(self, role: str) -> tuple[str, ...]:
        spec = self._t.policy.file.roles.get(role)
        return tuple(spec.purposes) if spec else ()

    def _zh(self, role: str) -> str:
        spec = self._t.policy.file.roles.get(role)
        return spec.zh if spec else ""

    def _granted(self) -> dict[tuple[str, str], tuple[int, str]]:
        """When each role was granted and by whom, by (principal, role), as the log has it.

        What lies beyond the newest `MOST_GRANTS` entries isn't there: the registry's own word stands then.
        """
        rows = self._t.stores.ledger.query(
            self._t.name,
            EntryFilter(kind="principal", outcome="ok", limit=MOST_GRANTS, newest_first=True),
        )
        bodies = Unsealer(self._t).bodies(rows)
        found: dict[tuple[str, str], tuple[int, str]] = {}
        for row in reversed(rows):
            whom = bodies.get(row.idx)
            for key in _grants(whom.detail if whom else ""):
                found[key] = (row.t, row.actor)
        return found


def _grants(detail: str) -> list[tuple[str, str]]:
    """What an entry about a principal grants, as (principal, role): the words are `enrolling`'s."""
    match detail.split():
        case ["add", principal, _, roles, *_]:
            return [(principal, role) for role in roles.split(",")]
        case ["grant", role, principal, *_]:
            return [(principal, role)]
        case _:
            return []


def _told(
    held: Held,
    p: Principal,
    granted: Mapping[tuple[str, str], tuple[int, str]],
    used: LastUses,
    names: Mapping[str, str],
) -> Held:
    """A power with who granted it, and when it was last used."""
    since, by = (held.since, held.by) if held.glass else granted.get((p.id, held.role), (p.added, p.by))
    use = used.uses.get(held.role)
    return Held(
        role=held.role,
        zh=held.zh,
        purposes=held.purposes,
        since=since,
        by=by,
        by_name=names.get(by, ""),
        until=held.until,
        over=held.over,
        used=use.t if use else None,
        used_for=use.purpose if use else "",
        entry=use.idx if use else None,
        looked=used.since,
        glass=held.glass,
    )


def _runs(contract: Engagement, day: date) -> bool:
    try:
        contract.demand_in_force(day.isoformat())
    except Denied:
        return False
    return True


def _begins(day: date) -> int:
    """The instant (µs UTC) at which a day begins in Asia/Shanghai."""
    return int(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).timestamp()) * 1_000_000


def _demand_days(number: int, field: str) -> None:
    if not 0 <= number <= MOST_DAYS:
        raise Invalid(
            f"not a number of days from 0 to {MOST_DAYS}",
            code="invalid_days",
            field=field,
            remedy=f"give --{field} N",
        )
