"""Enrolling: principals, their roles, keys and attestations; and how they end (DESIGN 2, 6).

Roles are granted by another, never to oneself. Whoever leaves is disabled at once, on every node.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Final

import msgspec

from vault.config import iso_day
from vault.crypto import mac
from vault.errors import Denied, Invalid
from vault.identifying import Identifying
from vault.identity import PRINCIPAL, Candidate, Identity
from vault.journal import Page
from vault.ledger.powers import ATTESTATIONS, SORTS
from vault.ledger.registry import Principal
from vault.model import ROLES, Happening, Whom, Word
from vault.standing import midnight

MAX_NAME: Final = 100
MAX_REFERENCE: Final = 64
POWERS: Final = frozenset({"approver", "dpo", "admin"})
"""Roles that give power to others, beside those that the policy lets approve (`[approvals.power]`)."""
AGENCY_ROLES: Final = frozenset({"agency_collector"})
"""What an agency's people may hold: nothing of the tenant's own (PIPL 21)."""
ATTESTED_FOR: Final = timedelta(days=365)


class Enrolment(Word):
    """Who is added, beside name and roles.

    Attributes:
        sort: `person`, `service` or `agency`.
        person: Staff number, by which one person under two names is known; kept as a keyed handle alone.
        agency: The principal id of the agency it belongs to.
        until: The last day (ISO) on which each of the roles named is held.
        attested: The last day (ISO) of both attestations on the adder's word; None for a year from today,
            "" for none yet.
        request: The approval that granting power needs, where the policy asks for one.
    """

    sort: str = "person"
    person: str = ""
    agency: str = ""
    until: Mapping[str, str] = msgspec.field(default_factory=dict)
    attested: str | None = None
    request: str | None = None


class Enrolling(Identifying):
    """Adds, changes and disables principals. Every act is an entry."""

    def add_principal(
        self, identity: Identity, *, name: str, roles: tuple[str, ...], more: Enrolment | None = None
    ) -> Identity:
        """Add a principal with a fresh key, which whoever adds it then holds too: see `enrol`.

        Raises:
            Invalid: A role is unknown or none is given.
            Denied: The acting principal is no admin.
        """
        fresh = Identity.fresh()
        self.enrol(identity, name=name, roles=roles, candidate=fresh.candidate, more=more)
        return fresh

    def enrol(
        self,
        identity: Identity,
        *,
        name: str,
        roles: tuple[str, ...],
        candidate: Candidate,
        more: Enrolment | None = None,
    ) -> None:
        """Add a principal by the public half of a key it made itself, so that nobody else ever holds the key.

        Roles are granted by another, so never to oneself: an id that is there already is refused.

        Raises:
            Invalid: A role is unknown or none is given, or the candidate is no key or known already.
            Denied: The acting principal is no admin, or granting power needs an approval.
        """
        more = more or Enrolment()
        granted = _known_roles(roles)
        public = candidate.key()
        _check_named(candidate, name, more)
        with self._page(identity, "admin") as page:
            _refuse_known(page, candidate.principal, public)
            self._demand_power(page, identity, name, granted, more.request)
            principal = self._principal(page, identity, candidate, name, granted, more)
            page.put(principal)
            detail = f"add {principal.id} {principal.sort} {','.join(granted)}"
            if principal.attested:
                detail += f" attested until {min(principal.attested.values())}"
            self._enter(page, identity, "principal", "admin", detail)

    def _principal(
        self,
        page: Page,
        identity: Identity,
        candidate: Candidate,
        name: str,
        roles: tuple[str, ...],
        more: Enrolment,
    ) -> Principal:
        agency = candidate.principal if more.sort == "agency" else more.agency
        if more.agency:
            self._demand_agency(page, more.agency)
        if agency and not AGENCY_ROLES.issuperset(roles):
            raise Invalid(
                "an agency and its people hold agency roles alone",
                code="invalid_role",
                field="role",
                remedy=f"grant {', '.join(sorted(AGENCY_ROLES))}",
            )
        return Principal(
            id=candidate.principal,
            name=name,
            public=candidate.key(),
            roles=roles,
            added=page.now,
            by=identity.principal,
            sort=more.sort,
            person=self._person(more.person),
            agency=agency,
            until=_ends(roles, more.until),
            attested=self._attested(more.attested),
        )

    def _person(self, reference: str) -> str:
        """A staff number as a keyed handle: enough to tell two names of one person, and no more."""
        text = "".join(reference.split()).upper()
        if len(text) > MAX_REFERENCE:
            raise Invalid(
                "a staff number is shorter", code="invalid_person", field="person", remedy="check it"
            )
        return mac.handle(self._t.keys.handle_key, "person", text).hex() if text else ""

    def _attested(self, until: str | None) -> dict[str, str]:
        if until == "":
            return {}
        last = self._t.today() + ATTESTED_FOR if until is None else iso_day(until, "attested")
        return dict.fromkeys(ATTESTATIONS, last.isoformat())

    @staticmethod
    def _demand_agency(page: Page, ident: str) -> Principal:
        agency = page.registry.get(Principal, ident)
        if agency.sort != "agency" or agency.disabled:
            raise Invalid(
                "not an agency", code="invalid_agency", field="agency", remedy="cvault agency list names them"
            )
        return agency

    def _demand_power(
        self, page: Page, identity: Identity, whom: str, roles: tuple[str, ...], request: str | None
    ) -> None:
        """Demand the approval that power takes: for the name of who is new, or the id of who is there.

        Names are nobody's own, so a yes to one doesn't reach another who has it.
        """
        approve = (role for spec in self._t.policy.file.approvals.values() for role in spec.by)
        if not POWERS.union(approve).isdisjoint(roles):
            self._t.use_approval(page, request, "power", (whom, *roles), by=identity.principal)

    def principals(self, identity: Identity) -> list[Principal]:
        """Everyone who may act, for an admin, DPO or auditor."""
        with self._page(identity, "admin", "dpo", "auditor") as page:
            who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="principal list")))
            return page.registry.all(Principal)

    # --- changes --------------------------------------------------------------------------------------

    def _other(self, page: Page, identity: Identity, principal: str, what: str) -> Principal:
        """Somebody else, to whom the acting principal may do something.

        Raises:
            NotFound: No such principal.
            Denied: It is the acting principal itself, under this or another name.
        """
        found = page.registry.get(Principal, principal)
        acting = page.registry.get(Principal, identity.principal)
        if found.same_person(acting) and not self._t.policy.sandbox:
            raise Denied(f"nobody {what} themselves", code="role_denied", remedy="ask another admin")
        return found

    def grant_role(
        self,
        identity: Identity,
        principal: str,
        role: str,
        *,
        until: str | None = None,
        request: str | None = None,
    ) -> Principal:
        """Grant somebody else a role, until a day (ISO, inclusive) or for good.

        Raises:
            Denied: To oneself, or without the approval that power needs.
        """
        _known_roles((role,))
        with self._page(identity, "admin") as page:
            found = self._other(page, identity, principal, "grants a role to")
            if found.agency and role not in AGENCY_ROLES:
                raise Invalid("an agency's people hold agency roles alone", code="invalid_role", field="role")
            self._demand_power(page, identity, found.id, (role,), request)
            if role == "admin" and until is not None:
                _demand_another_admin(page, found)
            ends = {r: t for r, t in found.until.items() if r != role}
            ends |= _ends((role,), {} if until is None else {role: until})
            changed = msgspec.structs.replace(
                found, roles=tuple(sorted({*found.roles, role})), until=ends, by=identity.principal
            )
            page.put(changed)
            self._enter(
                page, identity, "principal", "admin", f"grant {role} {principal} {until or ''}".rstrip()
            )
        return changed

    def withdraw_role(self, identity: Identity, principal: str, role: str) -> Principal:
        """Take a role away: its tokens are refused from the next entry on.

        Raises:
            Invalid: It isn't held, or it is the last admin's.
        """
        with self._page(identity, "admin") as page:
            found = page.registry.get(Principal, principal)
            if role not in found.roles:
                raise Invalid(
                    "the role isn't held", code="invalid_role", field="role", remedy="principal list"
                )
            if role == "admin":
                _demand_another_admin(page, found)
            ends = {r: t for r, t in found.until.items() if r != role}
            changed = msgspec.structs.replace(
                found, roles=tuple(r for r in found.roles if r != role), until=ends
            )
            page.put(changed)
            self._enter(page, identity, "principal", "admin", f"withdraw {role} {principal}")
        return changed

    def attest(
        self, identity: Identity, principal: str, kinds: tuple[str, ...], until: str, reference: str = ""
    ) -> Principal:
        """Record until when (ISO, inclusive) somebody else's attestations hold, and where they are filed.

        Raises:
            Invalid: No such attestation.
            Denied: One's own.
        """
        unknown = set(kinds) - set(ATTESTATIONS)
        if unknown or not kinds:
            raise Invalid(
                "no such attestation",
                code="invalid_attestation",
                field="kind",
                remedy=", ".join(ATTESTATIONS),
            )
        last = iso_day(until, "until").isoformat()
        with self._page(identity, "admin", "dpo") as page:
            found = self._other(page, identity, principal, "attests for")
            changed = msgspec.structs.replace(found, attested=found.attested | dict.fromkeys(kinds, last))
            page.put(changed)
            detail = f"attest {principal} {','.join(kinds)} until {last} {reference}".rstrip()
            self._enter(page, identity, "principal", "admin", detail)
        return changed

    def identify(self, identity: Identity, principal: str, person: str) -> None:
        """Put somebody else's staff number on file, by which one person under two names is known."""
        handle = self._person(person)
        with self._page(identity, "admin") as page:
            found = self._other(page, identity, principal, "identifies")
            page.put(msgspec.structs.replace(found, person=handle))
            self._enter(page, identity, "principal", "admin", f"identify {principal}")

    def rotate(
        self, identity: Identity, principal: str, candidate: Candidate, *, request: str | None = None
    ) -> None:
        """Put a new key in the place of a principal's old one: its own, or by an admin where it was lost.

        Tokens issued before go on until they end; whoever suspects a theft disables or revokes. The yes of
        a principal whose key an admin put there doesn't count for that admin's requests, until another admin
        puts one there: a key made with it is no better than it.

        Raises:
            Invalid: The new key is somebody's already, or was before.
            Denied: Another's key, by somebody who is no admin.
        """
        public = candidate.key()
        roles = () if identity.principal == principal else ("admin",)
        with self._page(identity, *roles) as page:
            found = page.registry.get(Principal, principal)
            _refuse_known(page, "", public)
            if roles:
                self._demand_power(page, identity, f"key of {found.id}", found.roles, request)
            keys = (*found.keys, sha256(found.public).hexdigest())
            by = identity.principal if roles else found.key_by  # it stays: the old key may be the admin's
            page.put(msgspec.structs.replace(found, public=public, keys=keys, key_by=by))
            self._enter(page, identity, "principal", roles[0] if roles else "", f"rotate {principal}")

    def disable(self, identity: Identity, principal: str) -> None:
        """Disable a principal: its tokens are refused from the next entry on, on every node.

        An agency's people go with it.

        Raises:
            NotFound: No such principal.
            Invalid: It is the last admin.
        """
        with self._page(identity, "admin") as page:
            found = page.registry.get(Principal, principal)
            _demand_another_admin(page, found)
            gone = [found]
            if found.sort == "agency":
                gone += [p for p in page.registry.all(Principal) if p.agency == found.id and p.id != found.id]
            for one in gone:
                page.put(msgspec.structs.replace(one, disabled=True))
            names = ",".join(one.id for one in gone)
            self._enter(page, identity, "principal", "admin", f"disable {names}")


def _known_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    if not roles or not set(ROLES).issuperset(roles):
        raise Invalid("unknown or missing role", code="invalid_role", field="role", remedy="see --help")
    return tuple(sorted(set(roles)))


def _check_named(candidate: Candidate, name: str, more: Enrolment) -> None:
    if (
        not PRINCIPAL.fullmatch(candidate.principal)
        or not 0 < len(name) <= MAX_NAME
        or not name.isprintable()
        or PRINCIPAL.search(name)
    ):
        raise Invalid(
            f"a principal needs an id of its own and a name of 1 to {MAX_NAME} printable characters, no id",
            code="invalid_principal",
            field="name",
            remedy="cvault principal new",
        )
    if more.sort not in SORTS or (more.sort == "agency" and more.agency):
        raise Invalid(
            "a principal is a person, a service or an agency; an agency belongs to none",
            code="invalid_principal",
            field="sort",
            remedy=f"one of {', '.join(SORTS)}",
        )


def _refuse_known(page: Page, ident: str, public: bytes) -> None:
    """An id or key that is somebody's, or was, can't be another's: one person would have two names."""
    digest = sha256(public).hexdigest()
    for p in page.registry.all(Principal):
        if p.id == ident or p.public == public or digest in p.keys:
            raise Invalid(
                "this principal is known already", code="invalid_principal", remedy="make a new key"
            )


def _ends(roles: tuple[str, ...], until: Mapping[str, str]) -> dict[str, int]:
    """Last days as instants.

    Raises:
        Invalid: No date, or of a role that isn't granted.
    """
    if not set(roles).issuperset(until):
        raise Invalid(
            "an end for a role that isn't granted", code="invalid_role", field="until", remedy="name it"
        )
    return {role: midnight(iso_day(day, "until")) for role, day in until.items()}


def _demand_another_admin(page: Page, found: Principal) -> None:
    """Demand an admin beside this one, for good if this one is for good: else all would be locked out."""
    others = [p for p in page.registry.all(Principal) if p.holds("admin", page.now) and not p.disabled]
    lasting = found.holds("admin", page.now) and not found.disabled and "admin" not in found.until
    left = [p for p in others if p.id != found.id and not (lasting and "admin" in p.until)]
    if found in others and not left:
        raise Invalid("the last admin cannot be disabled", code="invalid_principal", remedy="add another")
