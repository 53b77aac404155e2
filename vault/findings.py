"""Findings of an access review: what is wrong, or soon will be, with who may do what (DESIGN 2).

Pure: who holds what, what is owed and the day are passed in. Each finding is a code with its parts, which
a door puts into words, and the command that mends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from vault.access import policy_offices_lint
from vault.access.policy import Policy
from vault.approvals import counted
from vault.config import today
from vault.engaging import AgencyView
from vault.enrolling import POWERS
from vault.ledger.registry import Glass, Handover, Principal, Registry, Request
from vault.model import Word

LEVELS: Final = ("error", "warning", "info")
OFFICES: Final = POWERS | {"auditor"}
"""Roles that give power to others or look at all: unused ones are worse than a collector's."""
HUMAN: Final = OFFICES | {"legal", "fraud_desk", "qa_reviewer", "regulator"}
"""Roles that take a person's judgement: no service and no agency as such should hold one."""
_ALONE: Final = ("approvals", "break_glass")
"""Tables of the policy whose lint warnings say who can do what alone."""
_DAY: Final = 86_400_000_000
_SHORT: Final = 16
"""Digits by which entries name a broken glass."""


class Held(Word):
    """A power: a role that somebody holds, or has taken by breaking the glass.

    Attributes:
        zh: The role's Chinese title in the policy.
        purposes: What it opens now: the policy's purposes for it, an agency's within its contract in force.
        since: µs UTC at which it was granted; `by` the principal id of who granted it, or `init`.
        until: µs UTC from which it is no longer held, None where it has no end; `over`: that has passed.
        used: µs UTC of the newest entry that went well in this role, `used_for` its purpose and `entry` its
            index; None, "" and None where none was found.
        looked: µs UTC from which entries were looked at.
        glass: The id of the broken glass it rests on; "" for a role that was granted.
    """

    role: str
    zh: str
    purposes: tuple[str, ...]
    since: int
    by: str
    by_name: str
    until: int | None
    over: bool
    used: int | None = None
    used_for: str = ""
    entry: int | None = None
    looked: int = 0
    glass: str = ""

    @property
    def last_day(self) -> str:
        """The last day (ISO) on which it is held, "" where it has no end."""
        return "" if self.until is None else today(self.until - 1).isoformat()

    @property
    def unused_ever(self) -> bool:
        """Whether the log was looked at since it was granted, and has nothing."""
        return self.used is None and self.looked <= self.since


class Holder(Word):
    """A principal with every power it has.

    Attributes:
        sort: `person`, `service` or `agency`. agency: The agency it belongs to, its own id for one itself.
        staff_number: Whether one is on file; the number itself isn't kept.
        attested: The last day (ISO) of each attestation on file.
        needs: The attestations that its roles need.
    """

    principal: str
    name: str
    sort: str
    agency: str
    disabled: bool
    added: int
    staff_number: bool
    attested: dict[str, str]
    needs: tuple[str, ...]
    powers: tuple[Held, ...]


class Finding(Word):
    """Something to mend.

    Attributes:
        level: One of `LEVELS`, worst first.
        code: What it is; a door has the sentence.
        about: The id of the principal, request, glass or file it concerns, or the place in the policy.
        parts: What the sentence names; no personal data beside the names of those who hold powers.
        command: What mends it; capitals stand for what the reader decides.
    """

    level: str
    code: str
    about: str
    parts: dict[str, str]
    command: str


class Terms(Word):
    """What a review goes by.

    Attributes:
        now: µs UTC. day: The same in Asia/Shanghai.
        days: How many days ahead an end counts as near.
        unused: Days after which a power not used is a finding.
    """

    now: int
    day: date
    days: int = 7
    unused: int = 90

    @property
    def near(self) -> str:
        """The last day (ISO) that counts as near."""
        return (self.day + timedelta(days=self.days)).isoformat()


def findings(
    terms: Terms,
    registry: Registry,
    policy: Policy,
    holders: Iterable[Holder],
    agencies: Iterable[AgencyView],
    cases: Mapping[str, int],
) -> list[Finding]:
    """Everything to mend, worst first.

    Args:
        terms: Day and limits.
        registry: As it stands.
        policy: In force.
        holders: Everyone with their powers.
        agencies: The agencies and what they owe.
        cases: How many open cases each principal holds.
    """
    active = [holder for holder in holders if not holder.disabled]
    views = list(agencies)
    names = {p.id: p.name for p in registry.all(Principal)}
    found = [
        *_glasses(terms, registry, names),
        *(finding for view in views for finding in _agency(terms, view)),
        *(finding for holder in active for finding in _sort(holder)),
        *_two_names(registry),
        *_stranded(registry, views, cases),
        *(finding for holder in active for finding in _ends(terms, holder)),
        *(finding for holder in active for finding in _attestations(terms, holder)),
        *(finding for holder in active for finding in _number(holder)),
        *_requests(terms, registry, names, sandbox=policy.sandbox),
        *(finding for holder in active for finding in _unused(terms, holder)),
        *_handovers(terms, registry, names),
        *_alone(policy),
    ]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _glasses(terms: Terms, registry: Registry, names: Mapping[str, str]) -> Iterator[Finding]:
    """Broken glass is reviewed by somebody else, in time."""
    for glass in sorted(registry.all(Glass), key=lambda g: g.due):
        if glass.reviewed is None:
            overdue = terms.now > glass.due
            yield Finding(
                level="error" if overdue else "warning",
                code="glass_overdue" if overdue else "glass_open",
                about=glass.id,
                parts={
                    "name": names.get(glass.principal, glass.principal),
                    "role": glass.role,
                    "broken": today(glass.since).isoformat(),
                    "day": today(glass.due).isoformat(),
                },
                command=f"cvault glass review {glass.id[:_SHORT]} --justified --finding T --as FILE",
            )


def _agency(terms: Terms, view: AgencyView) -> Iterator[Finding]:
    """An agency works under a contract, and gives everything back after it (PIPL 21 [V])."""

    def about(level: str, code: str, command: str, **parts: str) -> Finding:
        return Finding(
            level=level, code=code, about=view.agency, parts={"name": view.name, **parts}, command=command
        )

    if view.due and not view.returned:
        command = f"cvault agency returned {view.agency} --on DATE --reference R --as FILE"
        level, code = ("error", "return_overdue") if view.overdue else ("warning", "return_due")
        yield about(level, code, command, ended=view.ends, day=view.due)
    terms_of_it = "--reference R --starts DATE --ends DATE --purposes a,b"
    renew = f"cvault agency contract {view.agency} {terms_of_it} --as FILE"
    if view.state in {"in force", "ending"} and view.ends <= terms.near:
        yield about("warning", "contract_ends", renew, day=view.ends)
    if view.people and view.state == "none":
        yield about("warning", "contract_none", renew, people=str(view.people))
    if view.people and view.ends and view.ends < terms.day.isoformat():
        command = f"cvault principal disable {view.agency} --as FILE"
        yield about("warning", "contract_over", command, day=view.ends, people=str(view.people))


def _sort(holder: Holder) -> Iterator[Finding]:
    """A service or an agency as such decides nothing that takes a person."""
    if holder.sort == "person":
        return
    for held in _standing(holder):
        if held.role in HUMAN:
            level = "error" if held.role in POWERS else "warning"
            yield _of(
                holder, level, "not_a_person", _withdraw(holder, held), role=held.role, sort=holder.sort
            )


def _two_names(registry: Registry) -> Iterator[Finding]:
    """One person under two names is one approver too few."""
    known: dict[str | bytes, Principal] = {}
    for p in sorted(registry.all(Principal), key=lambda p: (p.added, p.id)):
        marks: list[str | bytes] = [] if p.disabled else [mark for mark in (p.person, p.public) if mark]
        first = next((known[mark] for mark in marks if mark in known), None)
        if first is not None:
            yield Finding(
                level="error",
                code="two_names",
                about=p.id,
                parts={"name": first.name, "other": p.name},
                command=f"cvault principal disable {p.id} --as FILE",
            )
        known |= {mark: known.get(mark, p) for mark in marks}


def _stranded(
    registry: Registry, agencies: Iterable[AgencyView], cases: Mapping[str, int]
) -> Iterator[Finding]:
    """Nobody works a case whose holder is disabled, or whose agency may do nothing any more."""
    stopped = {view.agency for view in agencies if view.state in {"sealed", "ended", "none"}}
    for p in registry.all(Principal):
        count = cases.get(p.id, 0)
        if count and (p.disabled or p.agency in stopped):
            yield Finding(
                level="warning",
                code="cases_stranded" if p.disabled else "cases_of_stopped_agency",
                about=p.id,
                parts={"name": p.name, "cases": str(count)},
                command=f"cvault case recall --holder {p.id} --reason T --token FILE",
            )


def _ends(terms: Terms, holder: Holder) -> Iterator[Finding]:
    """A role that ends soon is renewed or missed; one that is over is taken off the list."""
    for held in holder.powers:
        if held.glass or held.until is None:
            continue
        if held.over:
            yield _of(holder, "info", "role_over", _withdraw(holder, held), role=held.role, day=held.last_day)
        elif held.last_day <= terms.near:
            command = f"cvault principal grant {holder.principal} {held.role} --until DATE --as FILE"
            yield _of(holder, "warning", "role_ends", command, role=held.role, day=held.last_day)


def _attestations(terms: Terms, holder: Holder) -> Iterator[Finding]:
    """What a role needs attested is on file and not over (PIPL 51(4) [V])."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for kind in sorted({*holder.needs, *holder.attested}):
        day, level = holder.attested.get(kind, ""), "warning" if kind in holder.needs else "info"
        if not day:
            found.setdefault((level, "attestation_none", day), []).append(kind)
        elif day < terms.day.isoformat():
            found.setdefault((level, "attestation_over", day), []).append(kind)
        elif day <= terms.near:
            found.setdefault((level, "attestation_ends", day), []).append(kind)
    for (level, code, day), kinds in found.items():
        given = " ".join(f"--kind {kind}" for kind in kinds)
        command = f"cvault principal attest {holder.principal} {given} --until DATE --as FILE"
        yield _of(holder, level, code, command, kinds=" ".join(kinds), day=day)


def _number(holder: Holder) -> Iterator[Finding]:
    """Whoever has power and no staff number could hold a second name, and nobody could tell."""
    roles = sorted(POWERS.intersection(held.role for held in _standing(holder)))
    if roles and holder.sort == "person" and not holder.staff_number:
        command = f"cvault principal identify {holder.principal} --person STAFF_NO --as FILE"
        yield _of(holder, "warning", "no_staff_number", command, roles=", ".join(roles))


def _requests(
    terms: Terms, registry: Registry, names: Mapping[str, str], *, sandbox: bool
) -> Iterator[Finding]:
    """What waits for another person's yes keeps somebody from their work, or shouldn't have been asked."""
    for request in registry.all(Request):
        if terms.now >= request.expires or request.refused is not None or request.used:
            continue
        given, quorum = len(counted(registry, request, terms.now, sandbox=sandbox)), max(1, request.quorum)
        if given < quorum:
            yield Finding(
                level="info",
                code="request_waits",
                about=request.id,
                parts={
                    "name": names.get(request.by, request.by),
                    "what": request.what,
                    "given": str(given),
                    "quorum": str(quorum),
                    "roles": ", ".join(request.of),
                    "day": today(request.expires).isoformat(),
                },
                command=f"cvault approve {request.id} --as FILE",
            )


def _unused(terms: Terms, holder: Holder) -> Iterator[Finding]:
    """A power that nobody uses is one that nobody misses (PIPL 51(4) [V]: sensible authority)."""
    if holder.sort == "agency":
        return  # it acts through its people
    cutoff = terms.now - terms.unused * _DAY
    for held in _standing(holder):
        if held.glass or held.since > cutoff or (held.used is not None and held.used >= cutoff):
            continue
        from_ = held.used if held.used is not None else max(held.looked, held.since)
        lately = from_ > cutoff  # so busy otherwise that the log was not looked at as far back
        level = "warning" if held.role in OFFICES and not lately else "info"
        code = "never_used" if held.unused_ever else "unused_lately" if lately else "unused"
        command = _withdraw(holder, held)
        yield _of(holder, level, code, command, role=held.role, day=today(from_).isoformat())


def _handovers(terms: Terms, registry: Registry, names: Mapping[str, str]) -> Iterator[Finding]:
    """A file that has left is out of the vault's hands until the day on which it may not be used any more."""
    for file in sorted(registry.all(Handover), key=lambda h: h.expires):
        if file.expires >= terms.day.isoformat():
            yield Finding(
                level="info",
                code="handed_over",
                about=file.id,
                parts={
                    "name": names.get(file.agency, file.agency),
                    "cases": str(file.cases),
                    "records": str(file.records),
                    "day": file.expires,
                },
                command="cvault handover list --as FILE",
            )


def _alone(policy: Policy) -> Iterator[Finding]:
    """What the policy lets one person do alone, as its lint says."""
    for warning in policy_offices_lint.findings(policy):
        if warning.where.split(".", 1)[0] in _ALONE:
            yield Finding(
                level="info" if policy.sandbox else "warning",
                code="policy",
                about=warning.where,
                parts={"where": warning.where, "message": warning.message, "remedy": warning.remedy},
                command="cvault policy check",
            )


def _standing(holder: Holder) -> list[Held]:
    """The powers it has now."""
    return [held for held in holder.powers if not held.over]


def _withdraw(holder: Holder, held: Held) -> str:
    return f"cvault principal withdraw {holder.principal} {held.role} --as FILE"


def _of(holder: Holder, level: str, code: str, command: str, **parts: str) -> Finding:
    return Finding(
        level=level,
        code=code,
        about=holder.principal,
        parts={"name": holder.name, **parts},
        command=command,
    )
