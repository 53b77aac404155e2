"""Incidents: a leak, a change or a loss of personal data; what runs from then, and whom it touched (PIPL 57).

The clocks are data with their sources (vault/rules/incident.toml); they count, and don't decide whether a
duty binds. Whom a breach touched is read from the log: the entries of one token, principal or node in a time.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib import resources
from typing import Final, Literal

import msgspec

from vault.access.tokens import Credential
from vault.breaches import Affected, Breach, Person, Progress, Walk, asked, check
from vault.config import SHANGHAI, iso
from vault.crypto.sign import token_bytes
from vault.errors import Invalid
from vault.identifying import demand_reason
from vault.journal import Page
from vault.ledger.registry import Incident, Principal
from vault.model import Grant, Happening, Whom, Word
from vault.protecting import looking_on, protecting
from vault.tenancy import Tenancy

MARKS: Final = {"verified": "[V]", "secondary": "[S]"}
"""How sure a clock is: the text was read, or reports of it were."""
_SECOND: Final = 1_000_000
_HOUR: Final = 3600 * _SECOND
_WEEKEND: Final = 5


class Clock(Word, forbid_unknown_fields=True, rename={"since": "from"}):
    """A duty to tell somebody in time.

    Attributes:
        since: `noticed` or `closed` ("from" in the file): what it runs from.
        hours, working_days, at_once: How long; Monday to Friday are working days here.
        to_zh, to_en: Who is told.
        when, when_zh: Whom it binds, and from what size of an incident.
        name, article, status, source, checked: What it rests on, and how sure that is.
    """

    id: str
    since: Literal["noticed", "closed"]
    to_zh: str
    to_en: str
    when: str
    when_zh: str
    name: str
    article: str
    status: Literal["verified", "secondary"]
    source: str
    checked: date
    hours: int = 0
    working_days: int = 0
    at_once: bool = False

    @property
    def mark(self) -> str:
        """How sure it is, to be shown wherever the clock is."""
        return MARKS[self.status]

    def due(self, start: int) -> int:
        """The instant (µs UTC) by which it is to be done."""
        if self.working_days:
            return _working(start, self.working_days)
        return start + self.hours * _HOUR


class _File(Word, forbid_unknown_fields=True):
    format: Literal[1]
    clock: tuple[Clock, ...]


class Running(Word):
    """A clock of an incident.

    Attributes:
        due: µs UTC; None while it hasn't begun to run.
        reported: µs UTC at which it was noted as done; None while it isn't. reference: Where that is filed.
        overdue: Whether the time is up and nothing was noted, or it was noted too late.
    """

    incident: str
    clock: Clock
    due: int | None
    reported: int | None
    reference: str
    overdue: bool


@functools.lru_cache(maxsize=1)
def clocks() -> tuple[Clock, ...]:
    """The clocks that ship."""
    text = (resources.files("vault") / "rules" / "incident.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File).clock


def running(incident: Incident, now: int) -> list[Running]:
    """The clocks of an incident, those that run from its closing included."""
    return [_running(incident, clock, now) for clock in clocks()]


def _running(incident: Incident, clock: Clock, now: int) -> Running:
    start = incident.noticed if clock.since == "noticed" else incident.closed
    due = clock.due(start) if start else None
    reported = incident.reported.get(clock.id)
    return Running(
        incident=incident.id, clock=clock, due=due, reported=reported,
        reference=incident.references.get(clock.id, ""),
        overdue=due is not None and (now if reported is None else reported) > due + clock.at_once * _HOUR,
    )  # fmt: skip


def _working(start: int, days: int) -> int:
    """The end of the n-th working day after an instant, in Asia/Shanghai."""
    day = datetime.fromtimestamp(start / _SECOND, SHANGHAI).date()
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < _WEEKEND
    end = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + timedelta(days=1)
    return int(end.timestamp()) * _SECOND


class Incidents:
    """The incidents of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def open_incident(self, credential: Credential, *, noticed: int, reason: str) -> Incident:
        """Enter an incident; its clocks run from `noticed` (µs UTC).

        Raises:
            Invalid: The reason is none, or it was noticed later than now.
            Denied: The token doesn't allow to protect.
        """
        words = demand_reason(reason)
        with protecting(self._t, credential) as (grant, page):
            if noticed > page.now:
                raise Invalid(
                    "noticed in the future",
                    code="invalid_time",
                    field="noticed",
                    remedy="times are UTC unless they have an offset: 2026-03-01T17:00+08:00",
                )
            row = Incident(
                id=f"i-{token_bytes(8).hex()}", noticed=noticed, opened=page.now, by=grant.principal,
                reason=words,
            )  # fmt: skip
            _enter(self._t, grant, page, row, f"opened, noticed {iso(noticed)}: {words}")
        return row

    def report_incident(
        self, credential: Credential, ident: str, clock: str, *, reference: str, at: int | None = None
    ) -> Incident:
        """Note that whom a clock runs for was told; `at` (µs UTC) is when, now if None.

        Raises:
            NotFound: No such incident.
            Invalid: No such clock, it was noted already, or `at` is before it was noticed or to come.
            Denied: As `open_incident`.
        """
        words = demand_reason(reference, "reference")
        if clock not in {one.id for one in clocks()}:
            known = ", ".join(one.id for one in clocks())
            raise Invalid("no such clock", code="invalid_clock", field="clock", remedy=f"one of {known}")
        with protecting(self._t, credential) as (grant, page):
            found = page.registry.get(Incident, ident)
            when = page.now if at is None else at
            if clock in found.reported or not found.noticed <= when <= page.now:
                raise Invalid(
                    "noted already, or a time before it was noticed or to come", code="invalid_clock",
                    field="clock", remedy="cvault incident list shows what was noted",
                )  # fmt: skip
            row = msgspec.structs.replace(
                found,
                reported=found.reported | {clock: when},
                references=found.references | {clock: words},
            )
            _enter(self._t, grant, page, row, f"reported {clock} {iso(when)}: {words}")
        return row

    def close_incident(self, credential: Credential, ident: str, *, reason: str) -> Incident:
        """Close an incident, with what was found; some clocks run from then.

        Raises:
            NotFound: No such incident.
            Invalid: It is closed already.
            Denied: As `open_incident`.
        """
        words = demand_reason(reason)
        with protecting(self._t, credential) as (grant, page):
            found = page.registry.get(Incident, ident)
            if found.closed:
                raise Invalid("it is closed already", code="invalid_incident", remedy="cvault incident list")
            row = msgspec.structs.replace(found, closed=page.now, closed_by=grant.principal, finding=words)
            _enter(self._t, grant, page, row, f"closed: {words}")
        return row

    def incidents(self, credential: Credential) -> list[Incident]:
        """Every incident, by when it was noticed; that is an entry.

        Raises:
            Denied: Neither auditing nor protecting is this token's.
        """
        with looking_on(self._t, credential) as (grant, page):
            page.add(Happening(kind="search", who=self._t.who(grant), whom=Whom(detail="incident list")))
            return sorted(page.registry.all(Incident), key=lambda row: (row.noticed, row.id))

    # --- whom it touched -------------------------------------------------------------------------------

    def affected(
        self, credential: Credential, breach: Breach, progress: Progress | None = None
    ) -> tuple[Affected, Iterator[Person]]:
        """Whom a breach touched: a summary, and every person by subject id. The question is an entry.

        The log is walked a page at a time; what is kept of it grows with the people touched alone.

        Raises:
            Invalid: None or several of token, principal and node are named, or the time is no time.
            NotFound: No such incident.
            Denied: The token doesn't allow to audit.
        """
        check(breach)
        with self._t.acting(credential, "audit") as (grant, page):
            if breach.incident:
                page.registry.get(Incident, breach.incident)
            actor = _principal(page, breach.actor)
            whom = Whom(detail=asked(breach, actor))
            page.add(Happening(kind="incident", who=self._t.who(grant), whom=whom))
        walk = Walk(self._t, breach, actor)
        walk.run(progress)
        return walk.summary(), walk.people()


def _principal(page: Page, named: str) -> str:
    """A principal's id; who isn't on the list any more is taken by id as it is."""
    found = [p.id for p in page.registry.all(Principal) if named and named in {p.id, p.name}]
    if len(found) > 1:
        raise Invalid(
            "several principals have this name", code="invalid_actor", field="actor", remedy="give the id"
        )
    return found[0] if found else named


def _enter(tenancy: Tenancy, grant: Grant, page: Page, row: Incident, detail: str) -> None:
    page.put(row)
    whom = Whom(detail=f"{row.id} {detail}")
    page.add(Happening(kind="incident", who=tenancy.who(grant), whom=whom))
