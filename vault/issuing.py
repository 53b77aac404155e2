"""Issuing: purpose tokens, and the glass that may be broken in need (DESIGN 6).

A purpose is granted here, in a signed token, and never claimed by a caller later. Breaking the glass gives a
role that isn't held: at once, for an hour at most, with an alarm in the log, and a review by somebody else
that stays open until it is done.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from vault.access import tokens
from vault.access.tokens import Credential, Limits
from vault.config import today
from vault.crypto.sign import SigningKey, token_bytes
from vault.errors import Denied, Invalid
from vault.identifying import Identifying, demand_reason
from vault.identity import Identity
from vault.journal import Page
from vault.ledger.registry import Approval, Glass, Principal, Revocation
from vault.model import Happening, Who, Whom, Word
from vault.standing import demand_attested, demand_contract, midnight

DEFAULT_TTL: Final = 15 * 60 * 1_000_000
MAX_TTL: Final = 12 * 3600 * 1_000_000
"""µs: a shift. Longer work issues again, so that a disabled principal's tokens die soon everywhere."""
MOST_CASES: Final = 200
"""Cases a token names when it is issued for all that are assigned: it has to fit into 8 KiB."""
_MINUTE: Final = 60 * 1_000_000
KEPT: Final = 400 * 86_400_000_000
"""µs for which a reviewed glass is listed: a year of quarterly reviews."""


class Login(Word):
    """Who somebody is to the vault, for themselves: what they may act as, and what waits for them."""

    principal: str
    name: str
    sort: str
    roles: dict[str, int | None]
    attested: dict[str, str]
    agency: str
    open_reviews: list[str]


class Issuing(Identifying):
    """Hands out tokens and takes them back. Every act is an entry."""

    def login(self, identity: Identity) -> Login:
        """Prove who one is; the answer tells what one may act as, and the proof is an entry.

        Raises:
            Denied: Unknown, disabled, or the key is another's.
        """
        with self._page(identity) as page:
            known = page.registry.get(Principal, identity.principal)
            self._enter(page, identity, "login", "", "login")
            return Login(
                principal=known.id,
                name=known.name,
                sort=known.sort,
                roles={r: known.until.get(r) for r in known.roles if known.holds(r, page.now)},
                attested=known.attested,
                agency=known.agency,
                open_reviews=[
                    g.id for g in page.registry.all(Glass) if g.principal == known.id and g.reviewed is None
                ],
            )

    def issue(
        self, identity: Identity, *, role: str, purpose: str, limits: Limits | None = None, ticket: str = ""
    ) -> Credential:
        """Issue a purpose token to a principal for a role it holds (DESIGN 6).

        Raises:
            Denied: The principal doesn't hold the role, policy doesn't give the role this purpose, an
                attestation is missing, or its agency's contract doesn't cover it.
            Invalid: Longer than `MAX_TTL`.
        """
        limits = self._bound(identity, role, purpose, limits or Limits())
        with self._page(identity, role) as page:
            holder = page.registry.get(Principal, identity.principal)
            self._demand_entitled(page, holder, role, purpose, limits)
            ends = holder.until.get(role)
            credential = self._signed(page, identity, role, purpose, limits, ticket, ends)
            self._enter_token(page, identity, role, purpose, credential, Whom(ticket=ticket))
        return credential

    def _bound(self, identity: Identity, role: str, purpose: str, limits: Limits) -> Limits:
        """Where the policy binds the role to cases and none are named: theirs and their agency's now.

        Raises:
            Invalid: They are too many for a token.
        """
        self._t.start()
        policy = self._t.policy
        if (
            limits.cases is not None
            or not policy.holds(role, purpose)
            or not policy.case_bound(role, purpose)
        ):
            return limits
        known = self._t.journal.registry().find(Principal, identity.principal)
        pools = dict.fromkeys([identity.principal, known.agency if known and known.agency else ""])
        rows = [
            row
            for holder in pools
            if holder
            for row in self._t.journal.case_rows(holder, "open", limit=MOST_CASES + 1)
        ]
        if len(rows) > MOST_CASES:
            raise Invalid(
                f"more than {MOST_CASES} cases are assigned to this principal",
                code="invalid_limits",
                field="cases",
                remedy="name those to work on now: --cases a,b",
            )
        numbers = frozenset(self._t.keys.open_case(row.handle, row.number) for row in rows)
        return msgspec.structs.replace(limits, cases=numbers) if numbers else limits

    def _demand_entitled(
        self, page: Page, holder: Principal, role: str, purpose: str, limits: Limits
    ) -> None:
        """What a token rests on must be there when it is issued, and for as long as it would live."""
        day = today(page.now)
        self._t.policy.cell(role, purpose)
        demand_attested(self._t.policy, holder, role, day)
        if holder.agency:
            contract = demand_contract(page.registry, holder.agency, purpose, day)
            wanted = limits.expires or page.now + (limits.ttl_us or DEFAULT_TTL)
            if wanted > midnight(day) and today(wanted).isoformat() > contract.ends:
                raise Denied(
                    "the token would outlive the agency's contract",
                    code="contract_ended",
                    remedy="ask for a shorter --ttl, or renew the contract",
                )
            if limits.depth:
                raise Denied(
                    "an agency may not hand its tokens on (PIPL 21)",
                    code="delegation_denied",
                    remedy="leave --depth out",
                )

    def _signed(
        self,
        page: Page,
        identity: Identity,
        role: str,
        purpose: str,
        limits: Limits,
        ticket: str,
        ends: int | None,
    ) -> Credential:
        ttl = DEFAULT_TTL if limits.ttl_us is None else limits.ttl_us
        if limits.expires is not None:  # an end given outright is a life like any other
            ttl = limits.expires - page.now
        if not 0 < ttl <= MAX_TTL:
            raise Invalid(
                "a token lives at most 12 hours", code="invalid_ttl", field="ttl", remedy="shorten it"
            )
        if ends is not None:
            ttl = min(ttl, ends - page.now)
        allowed = self._t.policy.cell(role, purpose).actions
        return tokens.issue(
            issuer=self._t.keys.issuer,
            origin=self._t.keys.home,
            tenant=self._t.name,
            principal=identity.principal,
            role=role,
            purpose=purpose,
            actions=allowed & limits.actions if limits.actions is not None else allowed,
            limits=msgspec.structs.replace(limits, ttl_us=ttl, expires=None),
            policy_hash=self._t.policy.hash,
            ticket=ticket,
            now_us=page.now,
            holder=SigningKey.generate(),
            jti=token_bytes(16),
        )

    def _enter_token(
        self, page: Page, identity: Identity, role: str, purpose: str, credential: Credential, whom: Whom
    ) -> None:
        who = msgspec.structs.replace(
            self._who(identity, role), purpose=purpose, token=_digest(credential)[:16]
        )
        page.add(Happening(kind="token", who=who, whom=whom))

    def revoke(self, identity: Identity, credential: Credential) -> None:
        """Revoke the last link of a token, and with it everything narrowed from it.

        The token's own key isn't asked for: whoever handed it to another's key can take it back.

        Raises:
            Denied: Neither its holder nor an admin asks.
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

    # --- break-glass ----------------------------------------------------------------------------------

    def break_glass(
        self, identity: Identity, *, role: str, purpose: str, reason: str, minutes: int | None = None
    ) -> tuple[Credential, Glass]:
        """Take a role that isn't held, now, for a short time; the alarm is an entry, the review is owed.

        Args:
            identity: Who takes it.
            role: The role needed: one that the policy lets be taken from a role that is held.
            purpose: One of its purposes.
            reason: Why it can't wait, without personal data.
            minutes: How long, at most what the policy allows.

        Raises:
            Denied: The policy lets nobody of these roles take it, or a review owed is overdue.
        """
        words = demand_reason(reason)
        with self._page(identity) as page:
            holder = page.registry.get(Principal, identity.principal)
            spec = self._t.policy.break_glass
            takers = [held for held in holder.roles if holder.holds(held, page.now)]
            if spec is None or holder.agency or not any(role in spec.roles.get(held, ()) for held in takers):
                raise Denied(
                    "this role can't be taken by breaking the glass",
                    code="role_denied",
                    remedy="[break_glass] in the policy says which can; otherwise ask an admin for the role",
                )
            self._demand_reviewed(page, holder.id)
            self._t.policy.cell(role, purpose)
            demand_attested(self._t.policy, holder, role, today(page.now))
            life = min(spec.minutes if minutes is None else minutes, spec.minutes) * _MINUTE
            limits = Limits(ttl_us=life)
            credential = self._signed(page, identity, role, purpose, limits, "", None)
            glass = Glass(
                id=_digest(credential),
                principal=holder.id,
                role=role,
                purpose=purpose,
                reason=words,
                since=page.now,
                until=page.now + life,
                due=page.now + spec.review_hours * 60 * _MINUTE,
            )
            self._prune_glasses(page)
            page.put(glass)
            who = msgspec.structs.replace(
                self._who(identity, role), purpose=purpose, reason="break_glass", token=glass.id[:16]
            )
            page.add(Happening(kind="alarm", who=who, whom=Whom(detail=f"break glass: {words}")))
            self._enter_token(page, identity, role, purpose, credential, Whom(detail="break glass"))
        return credential, glass

    @staticmethod
    def _prune_glasses(page: Page) -> None:
        for old in page.registry.all(Glass):
            if old.reviewed is not None and old.until + KEPT < page.now:
                page.drop(Glass, old.id)

    @staticmethod
    def _demand_reviewed(page: Page, principal: str) -> None:
        """Whoever owes an overdue review breaks no further glass."""
        for glass in page.registry.all(Glass):
            if glass.principal == principal and glass.reviewed is None and page.now > glass.due:
                raise Denied(
                    "an earlier break-glass has not been reviewed in time",
                    code="approval_required",
                    remedy="cvault glass review, by somebody the policy names",
                )

    def review_glass(self, identity: Identity, glass: str, *, justified: bool, finding: str) -> Glass:
        """Close the review of a broken glass, with what it found; never one's own, the sandbox excepted.

        Raises:
            NotFound: No such glass.
            Denied: One's own, or the role to review is missing.
            Invalid: It was reviewed already.
        """
        words = demand_reason(finding, "finding")
        spec = self._t.policy.break_glass
        with self._page(identity, *(spec.review_by if spec else ("dpo", "auditor"))) as page:
            found = self._glass(page, glass)
            reviewer = page.registry.get(Principal, identity.principal)
            broke = page.registry.get(Principal, found.principal)
            theirs = reviewer.same_person(broke) or reviewer.key_by == broke.id
            if theirs and not self._t.policy.sandbox:
                raise Denied(
                    "nobody reviews themselves", code="approval_required", remedy="ask a second person"
                )
            if found.reviewed is not None:
                raise Invalid("it was reviewed already", code="invalid_glass", remedy="cvault glass list")
            changed = msgspec.structs.replace(
                found,
                reviewed=Approval(principal=identity.principal, at=page.now),
                justified=justified,
                finding=words,
            )
            page.put(changed)
            verdict = "justified" if justified else "not justified"
            self._enter(page, identity, "approve", "", f"review {found.id[:16]} {verdict}: {words}")
        return changed

    @staticmethod
    def _glass(page: Page, ident: str) -> Glass:
        """A glass by its id, or by the first 16 digits as entries name it."""
        short = [g for g in page.registry.all(Glass) if g.id.startswith(ident)] if len(ident) >= 16 else []  # noqa: PLR2004 - as entries name tokens
        return short[0] if len(short) == 1 else page.registry.get(Glass, ident)

    def glasses(self, identity: Identity) -> list[Glass]:
        """Every broken glass that is kept: one's own, and all of them for who reviews or audits."""
        with self._page(identity) as page:
            asking = page.registry.get(Principal, identity.principal)
            who: Who = self._who(identity, "")
            page.add(Happening(kind="search", who=who, whom=Whom(detail="glass list")))
            wide = any(asking.holds(role, page.now) for role in ("dpo", "auditor", "admin"))
            return [g for g in page.registry.all(Glass) if wide or g.principal == identity.principal]


def _digest(credential: Credential) -> str:
    """The hex digest of a token's last link."""
    return sha256(credential.token.rsplit("~", 1)[-1].encode()).hexdigest()
