"""A tenancy: everything the rooms of one tenant share on this node.

It authenticates tokens and says what they allow; what happens next is the rooms' own (DESIGN 3).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Final

from vault.access.conditions import Situation
from vault.access.links import AUDIENCES, key_id
from vault.access.policy import Policy
from vault.access.tokens import Credential, TokenCache, Verified, check_holder, check_in_force
from vault.approvals import demand_for, spent
from vault.config import Clock, Config, today
from vault.crypto import mac
from vault.crypto.keys import TenantKeys
from vault.crypto.provider import KeyProvider
from vault.errors import Denied, NotFound, VaultError
from vault.grounds import Grounds, StoreSet
from vault.journal import Page
from vault.keeping import Keeping
from vault.ledger.registry import Contract, Principal, Registry, Request
from vault.model import Decision, Facts, Grant, Happening, View, Who, Whom
from vault.preparing import REF, Preparer
from vault.retention.rules import RuleSet
from vault.schema import Schema
from vault.standing import Standing, demand_every_case, stand
from vault.telemetry import logger

__all__ = ["ANY_TIME", "CONTRACT_ENDED", "StoreSet", "Tenancy"]

CONTRACT_ENDED: Final = "contract_ended_on"

_SCOPES: Final = 256
"""Sets of cases whose handles are remembered: a token may name hundreds, and each handle is a MAC."""
_MINUTE: Final = 60 * 1_000_000
"""µs: a day can only turn with a minute."""
ANY_TIME: Final = 1 << 60
"""µs of leeway by which authenticity is judged apart from time, so that an expired token's use is logged."""


class Tenancy(Grounds):
    """One tenant on this node: its keys, policy, stores, journal and clock."""

    def __init__(
        self,
        *,
        config: Config,
        schema: Schema,
        policy: Policy,
        rules: RuleSet,
        keys: TenantKeys,
        provider: KeyProvider,
        stores: StoreSet,
        clock: Clock,
    ) -> None:
        super().__init__(config=config, schema=schema, policy=policy, keys=keys, stores=stores, clock=clock)
        self.rules = rules
        self.keeping = Keeping(stores.keys, stores.records, keys, provider, clock)
        self.preparer = Preparer(keys, schema, rules, config.settings.applies_to)
        self._issuers: Mapping[str, bytes] = {key_id(keys.issuer_public): keys.issuer_public}
        self._cache = TokenCache()
        self._scopes: dict[frozenset[str], frozenset[str]] = {}
        self.refused_unauthentic = 0
        self._runs: tuple[Registry | None, int, bool] = (None, 0, True)
        self._started = False
        self._starting = threading.Lock()

    def today(self) -> date:
        """The Asia/Shanghai date by this tenancy's clock."""
        return today(self.clock())

    def authenticate(self, credential: Credential) -> Grant:
        """Step 1 of every verb: verify the token and that the caller holds its key.

        Raises:
            Denied: Not a token of this tenant and node, or its time is over. An authentic token's refusal
                is an entry; a forgery only moves a counter, so that strangers can't grow the ledger.
        """
        self.start()
        try:
            grant = self.authentic(credential).grant
        except Denied:
            self.refused_unauthentic += 1
            logger().warning("unauthentic token refused", tenant=self.name, count=self.refused_unauthentic)
            raise
        try:
            check_in_force(grant, self.keys.audiences, self.clock())
        except Denied as refusal:
            self.log_denied(grant, refusal.code)
            raise
        return self._standing(grant)

    def _standing(self, grant: Grant) -> Grant:
        """The grant as it stands by the registry this node saw last; `admit` asks again under the lock."""
        try:
            return stand(self.journal.recent(), self.policy, grant, self.clock()).grant
        except Denied:
            pass  # perhaps by what another node has changed since
        try:
            return stand(self.journal.registry(), self.policy, grant, self.clock()).grant
        except Denied as refusal:
            self.log_denied(grant, refusal.code)
            raise

    def admit(self, page: Page, grant: Grant, *, spend: bool = True) -> Standing:
        """Check all that only the ledger knows, under the head's lock, and take one use (DESIGN 6, step 6).

        Args:
            page: The open page.
            grant: As `authenticate` gave it.
            spend: False for the later pages of one request, which is one use however long it takes.

        Raises:
            Denied: What the grant rests on is gone, the token is revoked, expired or spent.
        """
        self._follow_policy(page.registry)
        standing = stand(page.registry, self.policy, grant, page.now)
        now, then = standing.grant, grant
        if (now.fields, now.agency, now.principal) != (then.fields, then.agency, then.principal):
            raise Denied("the agency or its contract has changed", code="contract_ended", remedy="ask again")
        page.admit(grant, spend=spend)
        return standing

    def use_approval(
        self,
        page: Page,
        request: str | None,
        what: str,
        about: Sequence[str],
        *,
        by: str,
        purpose: str = "",
        rows: int = 0,
        in_parts: bool = False,
    ) -> Request | None:
        """Use up the approval that an act takes; None where the policy asks for none.

        Args:
            page: The page on which the act is entered.
            request: The request's id, as given.
            what: A table of the policy's `approvals`.
            about: Exactly what is touched.
            by: Who acts.
            purpose: What they act for.
            rows: How many records it lets out.
            in_parts: Whether those are taken off what it allows, and the rest stays for an hour.

        Raises:
            Denied: `approval_required`.
        """
        found = demand_for(
            page.registry, self.policy, request, what, about, by=by, now=page.now, purpose=purpose, rows=rows
        )
        if found is not None:
            page.put(spent(found, page.now, rows if in_parts else 0))
        return found

    def start(self) -> None:
        """Before the first verb: refuse a ledger or key store put back, and enter a policy not seen before.

        Raises:
            Tampered: As `demand_history`: an old key store's secrets would bring the erased back.
        """
        if self._started:
            return
        with self._starting:
            if not self._started:
                self.demand_history()
                self._enter_policy()
                self._enter_schema()
                self._started = True

    def authentic(self, credential: Credential) -> Verified:
        """What a token allows if it is this vault's and the caller holds its key, its time aside.

        Raises:
            Denied: `token_invalid`.
        """
        verified = self.verified(credential.token)
        check_holder(verified, credential.key)
        return verified

    def verified(self, text: str) -> Verified:
        """What a token allows if it is this vault's, its time aside; who shows it need not be its holder.

        Raises:
            Denied: `token_invalid`.
        """
        return self._cache.authentic(
            text,
            issuers=self._issuers,
            origin=self.keys.home,
            tenant=self.name,
            audience=AUDIENCES,
            now_us=self.clock(),
            leeway_us=ANY_TIME,
        )

    def allow(self, grant: Grant, action: str) -> None:
        """Demand that role, purpose and token allow an action, and that this node may do it.

        Raises:
            Denied: One of them doesn't.
        """
        self.policy.allow(grant, action)
        if action != "read" and not self.keys.whole:
            raise Denied(
                "this node serves masked reads only", code="audience_denied", remedy="ask a whole node"
            )

    def authorise(self, grant: Grant, action: str) -> None:
        """As `allow`; a refusal is an entry before it is raised."""
        try:
            self.allow(grant, action)
        except Denied as refusal:
            self.log_denied(grant, refusal.code)
            raise

    @contextmanager
    def acting(
        self, credential: Credential, action: str, *, within: bool = False
    ) -> Iterator[tuple[Grant, Page]]:
        """A page on which a caller acts: authentic, allowed, admitted; a refusal undoes it and is an entry.

        `within` says that the act keeps to the cases that a token names; others take one that names none.

        Raises:
            Denied: Whoever asks may not, now.
        """
        grant = self.authenticate(credential)
        try:
            self.allow(grant, action)
            if not within:
                demand_every_case(grant)
            with self.journal.page() as page:
                self.admit(page, grant)
                yield grant, page
        except Denied as refusal:
            self.log_denied(grant, refusal.code)
            raise
        except NotFound:  # what one may ask of many ids in turn is an entry each time
            self.log_denied(grant, "", outcome="not_found")
            raise

    def record_of(self, ident: str) -> str | None:
        """The record an id names: itself, or for `KIND:EXTERNAL_ID` what the index finds; None if nothing.

        An external id is an operational number, so its index hangs on the masked compartment's key
        (docs/adr/0006). The index can be edited: whoever opens the record compares its own.
        """
        kind, colon, external = ident.partition(":")
        if not colon:
            return ident
        if kind not in self.schema.kinds:
            return None
        digest = mac.index_digest(self.keys.index("masked", kind, REF), external)
        found = self.stores.index.find(self.name, kind, REF, digest)
        if len(found) > 1:  # what a crashed write or an unfinished purge left beside the live one
            live = {row.record for row in self.stores.keys.fetch(self.name, found)}
            live -= self.stores.ledger.entombed(self.name, found)
            found = [record for record in found if record in live]
        return next(iter(found), None)

    def scope(self, grant: Grant) -> frozenset[str] | None:
        """The handles of the cases a token is bound to; None where it is bound to none."""
        if grant.cases is None:
            return None
        found = self._scopes.get(grant.cases)
        if found is None:
            if len(self._scopes) >= _SCOPES:
                self._scopes.clear()
            found = frozenset(map(self.keys.case_handle, grant.cases))
            self._scopes[grant.cases] = found
        return found

    def situation(
        self, grant: Grant, facts: Facts, *, case: str = "open", approved: frozenset[str] = frozenset()
    ) -> Situation | None:
        """What a grant's conditions look at for one record; None where it has none.

        Whether a case is closed is asked under the log's lock, so here it is taken to be open.
        """
        if not self.policy.conditions(grant.role, grant.purpose):
            return None
        now = self.clock()
        return Situation(
            now=now,
            state=facts.state,
            anchors=facts.anchors,
            case=case,
            region=self.config.settings.region,
            contract=self._contract_runs(now),
            approved=approved,
        )

    def _contract_runs(self, now: int) -> bool:
        """Whether the contract under which the records are here runs, by the registry seen last."""
        registry, minute = self.journal.recent(), now // _MINUTE
        known = self._runs
        if known[0] is not registry or known[1] != minute:
            known = self._runs = (registry, minute, not self.contract_over(registry, today(now)))
        return known[2]

    def decide(
        self,
        grant: Grant,
        kind: str,
        fields: tuple[str, ...] | None,
        action: str,
        situation: Situation | None = None,
    ) -> Decision:
        """Step 2: a view for every field; on a masked node nothing is ever CLEAR.

        Raises:
            Denied: Role, purpose, action or token rule it out, or leave nothing of this kind to show.
        """
        ceiling = View.CLEAR if "clear" in self.keys.audiences else View.MASKED
        decision = self.policy.decide(
            grant, kind, fields, ceiling=ceiling, action=action, situation=situation
        )
        if not decision.compartments:
            raise Denied("no field of this kind may be seen", code="field_denied")
        return decision

    def tenant_anchors(self, registry: Registry | None = None) -> dict[str, str]:
        """What retention counts from for the whole tenant: the first day without a contract (PIPL 21 ¶2)."""
        contracts = (registry or self.journal.registry()).all(Contract)
        ends = [date.fromisoformat(c.ends) for c in contracts if c.ends is not None]
        if not ends or len(ends) != len(contracts):
            return {}
        return {CONTRACT_ENDED: (max(ends) + timedelta(days=1)).isoformat()}

    def contract_over(self, registry: Registry, on: date) -> bool:
        """Whether the tenant's contract has ended by this day; remembered with the registry."""
        known: dict[date, bool] = registry.derived.setdefault("contract_over", {})
        if on not in known:
            known[on] = self.tenant_anchors(registry).get(CONTRACT_ENDED, "9") <= on.isoformat()
        return known[on]

    def demand_contract(self, registry: Registry) -> None:
        """Nothing new is taken in once the creditor's contract has ended (PIPL 21 ¶2).

        Raises:
            Denied: It has.
        """
        if self.contract_over(registry, self.today()):
            raise Denied("the creditor's contract has ended", code="contract_ended")

    def log_denied(self, grant: Grant, code: str, kind: str = "", *, outcome: str = "denied") -> None:
        """One entry for a refusal that concerns no single record."""
        self.journal.log(
            Happening(
                kind="deny",
                who=self.who(grant, about=kind, outcome=outcome, reason=code),
                whom=Whom(ticket=grant.ticket),
            )
        )

    def who(
        self,
        grant: Grant,
        *,
        about: str = "",
        decision: Decision | None = None,
        outcome: str = "ok",
        reason: str = "",
    ) -> Who:
        """The *who* of an entry, from a grant."""
        return Who(
            actor=grant.principal,
            role=grant.role,
            purpose=grant.purpose,
            about=about or (decision.kind if decision else ""),
            masked=decision.masked_bits if decision and outcome == "ok" else 0,
            clear=decision.clear_bits if decision and outcome == "ok" else 0,
            outcome=outcome,
            reason=reason,
            policy=self.policy.hash[:16],
            token=grant.links[-1].digest.hex()[:16],
        )

    def name_of(self, registry: Registry, actor: str) -> str:
        """A principal's name, or its id if it is not registered."""
        principal = registry.find(Principal, actor)
        return principal.name if principal else actor

    def close(self) -> None:
        """Keep the newest checkpoint."""
        try:
            self.journal.flush()
        except VaultError as error:
            logger().warning("checkpoint not kept", tenant=self.name, code=error.code)
