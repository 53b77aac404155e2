"""Levers for tests of the access review: an office in which everything that can be wrong is."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from vault.engaging import AgencyView, agency_view
from vault.findings import Finding, Held, Holder, Terms, findings
from vault.ledger.registry import Approval, Engagement, Glass, Handover, Principal, Registry, Request
from vault.model import Word

DAY: Final = 86_400_000_000
NOW: Final = 1_774_000_000_000_000
TODAY: Final = date(2026, 3, 20)
TERMS: Final = Terms(now=NOW, day=TODAY)


def person(ident: str, **more: Any) -> Principal:
    """A principal who was added half a year ago, and whose key is their own."""
    plain = {"name": ident, "public": ident.encode(), "roles": (), "added": NOW - 180 * DAY, "by": "init"}
    return Principal(id=ident, **(plain | more))


def held(role: str, **more: Any) -> Held:
    """A role, granted half a year ago and used yesterday unless said otherwise."""
    plain: dict[str, Any] = {
        "zh": "", "purposes": (), "since": NOW - 180 * DAY, "by": "init", "by_name": "", "until": None,
        "over": False, "used": NOW - DAY, "looked": NOW - 365 * DAY,
    }  # fmt: skip
    return Held(role=role, **(plain | more))


def holder(p: Principal, *powers: Held, needs: tuple[str, ...] = ()) -> Holder:
    """A principal with its powers."""
    return Holder(
        principal=p.id, name=p.name, sort=p.sort, agency=p.agency, disabled=p.disabled, added=p.added,
        staff_number=bool(p.person), attested=p.attested, needs=needs, powers=powers,
    )  # fmt: skip


def registry(*rows: Word) -> Registry:
    """These rows."""
    made = Registry()
    for row in rows:
        made.put(row)
    return made


def glass(ident: str, due: int, **more: Any) -> Glass:
    """A glass that was broken an hour before its review was owed."""
    plain: dict[str, Any] = {
        "principal": "p-a", "role": "legal", "purpose": "legal_action", "reason": "r", "since": due - DAY,
        "until": due,
    }  # fmt: skip
    return Glass(id=ident, due=due, **(plain | more))


def request(ident: str, **more: Any) -> Request:
    """A request that waits for one yes."""
    plain: dict[str, Any] = {
        "what": "minors", "digest": "00", "by": "p-a", "created": NOW - DAY, "expires": NOW + DAY,
    }  # fmt: skip
    return Request(id=ident, **(plain | more))


def contract(agency: str, ends: str, **more: Any) -> Engagement:
    """A contract since January."""
    return Engagement(
        id=agency, reference="HT-1", starts="2026-01-01", ends=ends, purposes=("repayment_reminder",), **more
    )


def agencies(rows: Registry) -> list[AgencyView]:
    """The agencies of a registry."""
    people = rows.all(Principal)
    return [agency_view(p, rows.find(Engagement, p.id), people, TODAY) for p in people if p.sort == "agency"]


def everything(policy: Any) -> list[Finding]:
    """One finding of every code at least."""
    firms = [person(f"p-{n}", sort="agency", agency=f"p-{n}") for n in ("late", "due", "near", "none")]
    staff = [person(f"p-of-{firm.id}", agency=firm.id) for firm in firms]
    people = [
        person("p-a", person="e1", attested={"confidentiality": "2026-03-19", "training": "2026-03-25"}),
        person("p-b", person="e1"), person("p-gone", disabled=True), person("p-robot", sort="service"),
        person("p-nameless"),
    ]  # fmt: skip
    rows = registry(
        *firms, *staff, *people,
        contract("p-late", "2026-02-01"), contract("p-due", "2026-03-15"), contract("p-near", "2026-03-25"),
        glass("g1", NOW - 1), glass("g2", NOW + 1), request("req-1"),
        Handover(id="h", agency="p-near", by="p-a", request="", at=0, expires="2026-03-20", records=2,
                 cases=1, digest="", mark=""),
    )  # fmt: skip
    old = NOW - 100 * DAY
    holders = [
        holder(people[0], held("collector", until=NOW + DAY), held("legal", until=NOW, over=True),
               needs=("confidentiality", "training")),
        holder(people[1], held("admin", used=None), held("legal", used=old),
               held("collector", used=None, looked=NOW - DAY), needs=("training",)),
        holder(people[3], held("approver")), holder(people[4], held("admin")),
    ]  # fmt: skip
    return findings(TERMS, rows, policy, holders, agencies(rows), {"p-gone": 3, "p-of-p-late": 1})


__all__ = [
    "DAY", "NOW", "TERMS", "TODAY", "Approval", "agencies", "contract", "everything", "glass", "held",
    "holder", "person", "registry", "request",
]  # fmt: skip
