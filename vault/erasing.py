"""Erasing: plan, approve, execute, certify (DESIGN 8). Deleting keys erases; deleting rows tidies up.

Order: close the records in the ledger → delete secrets and re-wrap the survivors → index rows → records →
new epoch, old one retired → done. Every step can be run again: a crash leaves a plan that `execute` finishes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.approvals import HOUR, demand_approved, under
from vault.config import iso
from vault.crypto.encoding import encode
from vault.crypto.ids import new_id
from vault.errors import Denied, Invalid, Tampered
from vault.holding import Holding
from vault.journal import Page
from vault.ledger.certificate import sign_certificate
from vault.ledger.registry import Approval, Plan, Request, keys_generation
from vault.model import Facts, Grant, Happening, State, Whom, Word
from vault.purging import PAGE
from vault.retention.planner import Verdict, summary
from vault.retention.versions import superseded_counts
from vault.stocking import Stocker
from vault.stores.rows import PlanItemRow
from vault.suppressing import Suppressor
from vault.tenancy import Tenancy

REQUEST_LIFE: Final = 30 * 86_400_000_000
Progress = Callable[[int, int], None]


class Executed(Word):
    """What an execution did, in the shape of docs/interface.md; `certificate` is its JSON text."""

    plan: str
    erased: int
    restricted: int
    remaining: int
    certificate: str


class Erasing(Holding):
    """The room of those who let data go."""

    def __init__(self, tenancy: Tenancy) -> None:
        super().__init__(tenancy)
        self._suppressor = Suppressor(tenancy, Stocker(tenancy))

    # --- plan -----------------------------------------------------------------------------------------

    def plan(
        self, credential: Credential, *, as_of: date | None = None, progress: Progress | None = None
    ) -> Plan:
        """Decide for every record as of a day and freeze what would be done; nothing is changed.

        Raises:
            Denied: The token doesn't allow it.
            Tampered: A record's facts are not what the vault wrote.
        """
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "plan")
        day, total = as_of or self._t.today(), self._t.stores.records.count(self._t.name)
        verdicts: list[Verdict] = []
        versions: Counter[str] = Counter()
        items: list[tuple[str, str, str]] = []
        anchors = self._t.tenant_anchors()
        for held in self._purger.everything():
            verdict = self._purger.decide(held, anchors, day)
            verdicts.append(verdict)
            versions[held.kind] += len(self._purger.expired(held, day)) if verdict.action != "erase" else 0
            if _changes(verdict, held.facts):
                items.append((held.row.record, verdict.action, verdict.rule))
            if progress is not None:
                progress(len(verdicts), total)
        return self._freeze(credential, day, verdicts, versions, sorted(items))

    def _freeze(
        self,
        credential: Credential,
        day: date,
        verdicts: Sequence[Verdict],
        versions: Mapping[str, int],
        items: Sequence[tuple[str, str, str]],
    ) -> Plan:
        numbers = summary(verdicts)
        ident = new_id("plan")
        with self._t.acting(credential, "plan") as (grant, page):
            plan = Plan(
                id=ident,
                as_of=day.isoformat(),
                by=grant.principal,
                created=page.now,
                digest=_digest(items),
                state="open",
                counts=numbers.counts,
                by_rule=[
                    *(msgspec.to_builtins(row) for row in numbers.by_rule),
                    *(msgspec.to_builtins(row) for row in superseded_counts(versions, self._t.rules)),
                ],
            )
            page.put(plan)
            page.put(self._request(plan, grant, page.now))
            page.tx.put_plan_items(ident, items)
            detail = f"plan {ident} {plan.digest} as of {plan.as_of}"
            page.add(Happening(kind="request", who=self._t.who(grant), whom=Whom(detail=detail)))
        return plan

    def _request(self, plan: Plan, grant: Grant, now: int) -> Request:
        """A plan asks for its approval by being made."""
        asked = Request(
            id=plan.id, what="retention", digest=plan.digest, by=grant.principal, created=now,
            expires=now + REQUEST_LIFE, purpose=grant.purpose, reason=f"retention plan as of {plan.as_of}",
        )  # fmt: skip
        spec = self._t.policy.approval("retention")
        if spec is None:
            return asked
        return msgspec.structs.replace(
            asked, quorum=spec.quorum, of=tuple(spec.by), expires=now + spec.hours * HOUR
        )

    # --- execute --------------------------------------------------------------------------------------

    def execute(
        self, credential: Credential, plan: str, *, yes: bool = False, progress: Progress | None = None
    ) -> Executed:
        """Carry out an approved plan; run again after a crash, it finishes what it began.

        Args:
            credential: Must allow `execute`.
            plan: The plan's id.
            yes: In a sandbox, record the caller's own approval.
            progress: Called with items done and total.

        Raises:
            NotFound: No such plan.
            Denied: No second person has approved it (`approval_required`).
            Invalid: Outside a sandbox, the plan is dated ahead.
            Unavailable: Somebody reads an old snapshot of a store; run it again.
        """
        grant, frozen = self._begin(credential, plan, yes=yes)
        if frozen.certificate is not None:
            return _result(frozen)
        with self._t.stores.index.turn(self._t.name):
            self._t.keeping.new_epoch()
        items = self._items(frozen)
        moved = self._purger.moved() if any(item.action == "erase" for item in items) else {}
        for start in range(0, len(items), PAGE):
            chunk = items[start : start + PAGE]
            doomed = [i.record for i in chunk if i.action == "erase"]
            self._purger.erase(doomed, frozen, lambda gone: self._suppressor.erased(grant, gone), moved)
            self._purger.restrict([i for i in chunk if i.action == "restrict"], frozen)
            if progress is not None:
                progress(start + len(chunk), len(items))
        expired = self._purger.expire(date.fromisoformat(frozen.as_of))
        forgotten = self._purger.forget(self._t.who(grant), frozen.id)
        self._purger.renew_epoch(frozen.generation)
        return self._finish(
            grant, frozen.id, self._purger.remaining(items), {"versions": expired, "log_secrets": forgotten}
        )

    def _begin(self, credential: Credential, ident: str, *, yes: bool) -> tuple[Grant, Plan]:
        with self._t.acting(credential, "execute") as (grant, page):
            plan = page.registry.get(Plan, ident)
            if plan.certificate is not None:
                return grant, plan
            if plan.as_of > self._t.today().isoformat() and not self._t.policy.sandbox:
                raise Invalid(
                    "the plan is dated ahead", code="invalid_as_of", field="as_of", remedy="wait for it"
                )
            if yes and self._t.policy.sandbox:
                self._approve_own(page, grant, ident)
            if plan.erase_idx is None:  # what has begun is finished, whatever its approval has become since
                self._demand_approval(page, plan)
            if plan.erase_idx is None:
                slot = page.add(
                    Happening(
                        kind="erase_begin",
                        who=self._t.who(grant),
                        whom=Whom(detail=f"plan {plan.id} {plan.digest}", ticket=grant.ticket),
                    )
                )
                plan = msgspec.structs.replace(
                    plan,
                    state="executing",
                    erase_idx=page.first_index + slot,
                    begun=page.now,
                    generation=1 + keys_generation(page.registry),
                )
                page.put(plan)
        return grant, plan

    def _approve_own(self, page: Page, grant: Grant, ident: str) -> None:
        request = page.registry.get(Request, ident)
        page.put(
            msgspec.structs.replace(request, approvals=(Approval(principal=grant.principal, at=page.now),))
        )
        detail = f"retention {ident} {request.digest}"
        page.add(Happening(kind="approve", who=self._t.who(grant), whom=Whom(detail=detail)))

    def _demand_approval(self, page: Page, plan: Plan) -> None:
        """Four eyes: enough people's yes to exactly this plan, in time; none of them asked for it."""
        request = page.registry.get(Request, plan.id)
        if request.digest != plan.digest:
            raise Denied("the approval is for another plan", code="approval_required", remedy="plan again")
        demand_approved(
            page.registry, under(self._t.policy, request), page.now, sandbox=self._t.policy.sandbox
        )

    def _items(self, plan: Plan) -> list[PlanItemRow]:
        """The plan's items, checked against the digest that was approved."""
        items: list[PlanItemRow] = []
        after = ""
        while page := self._t.stores.ledger.plan_items(self._t.name, plan.id, None, after, PAGE):
            items += page
            after = page[-1].record
        if _digest(sorted((i.record, i.action, i.rule) for i in items)) != plan.digest:
            raise Tampered("the plan's items are not the ones approved", remedy="plan again")
        return items

    def _finish(self, grant: Grant, ident: str, remaining: int, more: dict[str, int]) -> Executed:
        t = self._t
        with t.journal.page() as page:
            plan = page.registry.get(Plan, ident)
            if plan.certificate is not None:  # another run of the same plan finished first
                return _result(plan)
            detail = (
                f"plan {ident} erased={plan.erased} restricted={plan.restricted} orphans={plan.orphans}"
                f" versions={more['versions']} log_secrets={more['log_secrets']} keys={plan.generation}"
            )
            slot = page.add(Happening(kind="erase_done", who=t.who(grant), whom=Whom(detail=detail)))
            body = {
                "sandbox": t.policy.sandbox,
                "plan": plan.id,
                "as_of": plan.as_of,
                "digest": plan.digest,
                "erased": plan.erased,
                "restricted": plan.restricted,
                "remaining": remaining,
                "entries": {"erase_begin": plan.erase_idx, "erase_done": page.first_index + slot},
                **more,
                "keys_generation": plan.generation,
                "executed": iso(page.now),
                "epochs": self._epoch_dates(),
            }
            done = msgspec.structs.replace(
                plan,
                state="done",
                certificate=sign_certificate(body, t.keys.origin, t.keys.log),
            )
            page.put(done)
        return _result(done)

    def _epoch_dates(self) -> list[dict[str, int | str | None]]:
        """Retired epochs with the dates on which they die or died."""
        return [
            {
                "epoch": row.epoch,
                "retired": iso(row.retired) if row.retired else None,
                "destroy_after": iso(row.destroy_after) if row.destroy_after else None,
                "destroyed": iso(row.destroyed) if row.destroyed else None,
            }
            for row in self._t.stores.keys.epochs(self._t.name)
            if row.retired is not None
        ]

    # --- certificates ---------------------------------------------------------------------------------

    def certificate(self, plan: str) -> str:
        """The certificate of an executed plan.

        Raises:
            NotFound: No such plan.
            Invalid: It was not executed yet.
        """
        found = self._t.journal.registry().get(Plan, plan)
        if found.certificate is None:
            raise Invalid(
                "the plan was not executed yet", code="invalid_plan", remedy=f"retention execute {plan}"
            )
        return found.certificate

    def destroy_epochs(self, credential: Credential) -> list[int]:
        """Destroy the epochs whose grace has passed; the entry that names them comes first.

        The purge that retired them was approved, and this is its end, so it takes no approval of its own.
        """
        with self._t.acting(credential, "execute") as (grant, page):
            due = [row.epoch for row in self._t.keeping.due_epochs()]
            if due:
                detail = f"destroy epochs {','.join(map(str, due))}"
                page.add(Happening(kind="key", who=self._t.who(grant), whom=Whom(detail=detail)))
        with self._t.stores.index.turn(self._t.name):
            return self._t.keeping.destroy_due_epochs()


def _changes(verdict: Verdict, facts: Facts) -> bool:
    return verdict.action == "erase" or (verdict.action == "restrict" and facts.state == State.ACTIVE)


def _digest(items: Sequence[tuple[str, str, str]]) -> str:
    """SHA-256 over the sorted items: exactly what is approved."""
    total = sha256()
    for item in items:
        total.update(encode("cvault/plan-item/v1", *item))
    return total.hexdigest()


def _result(plan: Plan) -> Executed:
    said = msgspec.json.decode(plan.certificate or "{}")["certificate"]
    return Executed(
        plan=plan.id,
        erased=said["erased"],
        restricted=said["restricted"],
        remaining=said["remaining"],
        certificate=plan.certificate or "",
    )
