"""Granting: who may act. Principals, tokens, revocations and approvals (DESIGN 2, 6).

A purpose is granted here, in a signed token, and never claimed by a caller later. Whoever acts proves it
with the key of their principal file; the vault knows only public keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Final

import msgspec

from vault.access import tokens
from vault.access.tokens import Credential, Limits
from vault.config import iso_day
from vault.crypto.sign import SigningKey, token_bytes
from vault.errors import Denied, Invalid, NotFound
from vault.identity import PRINCIPAL, Candidate, Identity
from vault.journal import Page
from vault.ledger.registry import Approval, Contract, Plan, Principal, Request, Revocation
from vault.model import ROLES, Happening, Who, Whom
from vault.tenancy import Tenancy

DEFAULT_TTL: Final = 15 * 60 * 1_000_000
MAX_TTL: Final = 12 * 3600 * 1_000_000
"""µs: a shift. Longer work issues again, so that a disabled principal's tokens die soon everywhere."""


MAX_NAME: Final = 100


class Granting:
    """The room of those who hand out power. Every act is an entry."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def _acting(self, page: Page, identity: Identity, *roles: str) -> Principal:
        """The principal behind an identity, checked under the head's lock.

        Raises:
            Denied: Unknown or disabled, the key is another's, or none of the roles is held.
        """
        principal = page.registry.find(Principal, identity.principal)
        if principal is None or principal.disabled or principal.public != identity.signing.public:
            raise Denied("unknown or disabled principal", code="token_invalid", remedy="ask an admin")
        if roles and not set(roles) & set(principal.roles):
            raise Denied(
                f"needs the role {' or '.join(roles)}", code="role_denied", remedy="ask someone who holds it"
            )
        return principal

    @contextmanager
    def _page(self, identity: Identity, *roles: str) -> Iterator[Page]:
        """A page on which a principal acts; a refusal undoes it and, of one who is known, is an entry."""
        self._t.start()
        try:
            with self._t.journal.page() as page:
                self._acting(page, identity, *roles)
                yield page
        except Denied as refusal:
            self._log_denied(identity, refusal.code, roles[0] if roles else "")
            raise

    def _log_denied(self, identity: Identity, code: str, role: str) -> None:
        """A stranger must not be able to grow the log: only a registered principal's refusal is an entry."""
        known = self._t.journal.registry().find(Principal, identity.principal)
        if known is not None and known.public == identity.signing.public:
            who = msgspec.structs.replace(self._who(identity, role), outcome="denied", reason=code)
            self._t.journal.log(Happening(kind="deny", who=who, whom=Whom()))

    def _who(self, identity: Identity, role: str, token: str = "") -> Who:
        return Who(
            actor=identity.principal,
            role=role,
            purpose="administration",
            policy=self._t.policy.hash[:16],
            token=token,
        )

    # --- principals -----------------------------------------------------------------------------------

    def add_principal(self, identity: Identity, *, name: str, roles: tuple[str, ...]) -> Identity:
        """Add a principal with a fresh key, which whoever adds it then holds too: see `enrol`.

        Raises:
            Invalid: A role is unknown or none is given.
            Denied: The acting principal is no admin.
        """
        fresh = Identity.fresh()
        self.enrol(identity, name=name, roles=roles, candidate=fresh.candidate)
        return fresh

    def enrol(self, identity: Identity, *, name: str, roles: tuple[str, ...], candidate: Candidate) -> None:
        """Add a principal by the public half of a key it made itself, so that nobody else ever holds the key.

        Roles are granted by another, so never to oneself: an id that is there already is refused.

        Raises:
            Invalid: A role is unknown or none is given, or the candidate is no key or known already.
            Denied: The acting principal is no admin.
        """
        unknown = sorted(set(roles) - set(ROLES))
        if unknown or not roles:
            raise Invalid("unknown or missing role", code="invalid_role", field="role", remedy="see --help")
        public = candidate.key()
        if (
            not PRINCIPAL.fullmatch(candidate.principal)
            or not 0 < len(name) <= MAX_NAME
            or not name.isprintable()
        ):
            raise Invalid(
                f"a principal needs an id of its own and a name of 1 to {MAX_NAME} printable characters",
                code="invalid_principal",
                field="name",
                remedy="cvault principal new",
            )
        with self._page(identity, "admin") as page:
            known = page.registry.all(Principal)
            if any(p.id == candidate.principal or p.public == public for p in known):
                raise Invalid(
                    "this principal is known already", code="invalid_principal", remedy="make a new key"
                )
            page.put(
                Principal(
                    id=candidate.principal,
                    name=name,
                    public=public,
                    roles=tuple(sorted(set(roles))),
                    added=page.now,
                    by=identity.principal,
                )
            )
            detail = f"add {candidate.principal} {','.join(sorted(set(roles)))}"
            page.add(Happening(kind="principal", who=self._who(identity, "admin"), whom=Whom(detail=detail)))

    def principals(self, identity: Identity) -> list[Principal]:
        """Everyone who may act, for an admin, DPO or auditor."""
        with self._page(identity, "admin", "dpo", "auditor") as page:
            who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="principal list")))
            return page.registry.all(Principal)

    def disable(self, identity: Identity, principal: str) -> None:
        """Disable a principal: its tokens are refused from the next entry on, on every node.

        Raises:
            NotFound: No such principal.
            Invalid: It is the last admin.
        """
        with self._page(identity, "admin") as page:
            found = page.registry.get(Principal, principal)
            left = [p for p in page.registry.all(Principal) if "admin" in p.roles and not p.disabled]
            if left == [found]:
                raise Invalid(
                    "the last admin cannot be disabled", code="invalid_principal", remedy="add another"
                )
            page.put(msgspec.structs.replace(found, disabled=True))
            who = self._who(identity, "admin")
            page.add(Happening(kind="principal", who=who, whom=Whom(detail=f"disable {principal}")))

    # --- tokens ---------------------------------------------------------------------------------------

    def issue(
        self, identity: Identity, *, role: str, purpose: str, limits: Limits | None = None, ticket: str = ""
    ) -> Credential:
        """Issue a purpose token to a principal for a role it holds (DESIGN 6).

        Raises:
            Denied: The principal doesn't hold the role, or policy doesn't give the role this purpose.
            Invalid: Longer than `MAX_TTL`.
        """
        limits = limits or Limits()
        issuer = self._t.keys.issuer
        with self._page(identity, role) as page:
            allowed = self._t.policy.cell(role, purpose).actions
            credential = self._signed(page, issuer, identity, role, purpose, allowed, limits, ticket)
            who = msgspec.structs.replace(
                self._who(identity, role), purpose=purpose, token=_digest(credential)
            )
            page.add(Happening(kind="token", who=who, whom=Whom(ticket=ticket)))
        return credential

    def _signed(
        self,
        page: Page,
        issuer: SigningKey,
        identity: Identity,
        role: str,
        purpose: str,
        allowed: frozenset[str],
        limits: Limits,
        ticket: str,
    ) -> Credential:
        ttl = DEFAULT_TTL if limits.ttl_us is None else limits.ttl_us
        if not 0 < ttl <= MAX_TTL:
            raise Invalid(
                "a token lives at most 12 hours", code="invalid_ttl", field="ttl", remedy="shorten it"
            )
        return tokens.issue(
            issuer=issuer,
            origin=self._t.keys.origin,
            tenant=self._t.name,
            principal=identity.principal,
            role=role,
            purpose=purpose,
            actions=allowed & limits.actions if limits.actions is not None else allowed,
            limits=msgspec.structs.replace(limits, ttl_us=ttl),
            policy_hash=self._t.policy.hash,
            ticket=ticket,
            now_us=page.now,
            holder=SigningKey.generate(),
            jti=token_bytes(16),
        )

    def revoke(self, identity: Identity, credential: Credential) -> None:
        """Revoke the last link of a token, and with it everything narrowed from it.

        The token's key isn't asked for, so that one handed to somebody else's key can be taken back.

        Raises:
            Denied: Neither the principal it was issued to nor an admin asks.
        """
        verified = self._t.verified(credential.token)
        link = verified.grant.links[-1]
        roles = () if identity.principal == verified.grant.principal else ("admin",)
        with self._page(identity, *roles) as page:
            for old in page.registry.all(Revocation):
                if old.expires < page.now:
                    page.drop(Revocation, old.id)
            page.put(
                Revocation(id=link.digest.hex(), at=page.now, expires=link.expires, by=identity.principal)
            )
            who = self._who(identity, verified.grant.role, token=link.digest.hex()[:16])
            page.add(Happening(kind="token", who=who, whom=Whom(detail="revoke")))

    # --- approvals and contracts ----------------------------------------------------------------------

    def approve(self, identity: Identity, request: str) -> Request:
        """Add one's yes to a request (four eyes): never to one's own, the sandbox excepted.

        Raises:
            NotFound: No such request.
            Denied: Own request, or the role to approve is missing (`approval_required`).
        """
        with self._page(identity, "approver", "dpo", "admin") as page:
            principal = page.registry.get(Principal, identity.principal)
            found = page.registry.get(Request, request)
            if found.by == identity.principal and not self._t.policy.sandbox:
                raise Denied(
                    "nobody approves their own request",
                    code="approval_required",
                    remedy="ask a second person",
                )
            if page.now >= found.expires:
                raise Denied("the request has expired", code="approval_required", remedy="plan again")
            given = [a for a in found.approvals if a.principal != identity.principal]
            approved = msgspec.structs.replace(
                found, approvals=(*given, Approval(principal=identity.principal, at=page.now))
            )
            page.put(approved)
            role = next(r for r in ("approver", "dpo", "admin") if r in principal.roles)
            detail = f"{found.what} {request} {found.digest}"
            page.add(Happening(kind="approve", who=self._who(identity, role), whom=Whom(detail=detail)))
        return approved

    def set_contract(self, identity: Identity, *, party: str, starts: str, ends: str | None) -> None:
        """Record the contract under which a creditor placed its cases here, and its end (PIPL 21).

        Raises:
            Invalid: `starts` or `ends` is no ISO date.
        """
        iso_day(starts, "starts")
        if ends is not None:
            iso_day(ends, "ends")
        with self._page(identity, "admin", "dpo") as page:
            page.put(Contract(id="placement", party=party, starts=starts, ends=ends))
            detail = f"contract {starts}..{ends or ''}"
            page.add(Happening(kind="config", who=self._who(identity, "admin"), whom=Whom(detail=detail)))

    def note_tenant(self, identity: Identity, tenant: str) -> None:
        """Log that an admin adds a tenant beside this one."""
        with self._page(identity, "admin") as page:
            who = self._who(identity, "admin")
            page.add(Happening(kind="config", who=who, whom=Whom(detail=f"tenant {tenant}")))

    def note_keys(self, identity: Identity, detail: str) -> None:
        """Log that an admin takes keys out for another node; `detail` says which, without any key."""
        with self._page(identity, "admin") as page:
            page.add(Happening(kind="key", who=self._who(identity, "admin"), whom=Whom(detail=detail)))

    def plans(self) -> list[Plan]:
        """The retention plans made so far."""
        return self._t.journal.registry().all(Plan)

    def request(self, request: str) -> Request:
        """One request.

        Raises:
            NotFound: There is none.
        """
        found = self._t.journal.registry().find(Request, request)
        if found is None:
            raise NotFound("no such request")
        return found


def _digest(credential: Credential) -> str:
    """How entries name a token: the first 16 hex digits of its last link's SHA-256."""
    return sha256(credential.token.rsplit("~", 1)[-1].encode()).hexdigest()[:16]
