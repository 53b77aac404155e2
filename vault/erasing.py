"""Erasing: plan, approve, execute, certify (DESIGN 8). Deleting keys erases; deleting rows tidies up.

Order: close the records in the ledger → delete secrets and re-wrap the survivors → index rows → records →
new epoch, old one retired → done. Every step can be run again: a crash leaves a plan that `execute` finishes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from hashlib import sha256
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.config import iso
from vault.crypto import mac
from vault.crypto.encoding import encode
from vault.crypto.sign import verify as verify_signature
from vault.errors import Denied, Invalid, Tampered
from vault.journal import Page
from vault.keeping import Held, new_id
from vault.ledger.note import VKey
from vault.ledger.registry import Approval, Plan, Principal, Request
from vault.model import Facts, Grant, Happening, Hold, State, Whom, Word
from vault.retention.planner import Verdict, decide, summary
from vault.stores.errors import ShelfMoved
from vault.stores.rows import PlanItemRow
from vault.tenancy import Tenancy

PAGE: Final = 1000
"""Records decided, closed and erased at once: the head is never locked for long."""
REQUEST_LIFE: Final = 30 * 86_400_000_000
CLAIM: Final = (
    "The signer attests that the secrets of these record versions were deleted from the key store, that the "
    "shelves they stood on were wrapped anew, and that the epoch that wrapped them is destroyed on the date "
    "given. It is a signed attestation, not a proof that no copy exists elsewhere."
)

Progress = Callable[[int, int], None]


class Executed(Word):
    """What an execution did, in the shape of docs/interface.md; `certificate` is its JSON text."""

    plan: str
    erased: int
    restricted: int
    remaining: int
    certificate: str


class HoldView(Word):
    """A legal hold on one record."""

    record: str
    kind: str
    number: str
    authority: str
    until: str


class Erasing:
    """The room of those who let data go."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

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
        items: list[tuple[str, str, str]] = []
        anchors = self._t.tenant_anchors()
        for held in self._all():
            verdict = self._decide(held, anchors, day)
            verdicts.append(verdict)
            if _changes(verdict, held.facts):
                items.append((held.row.record, verdict.action, verdict.rule))
            if progress is not None:
                progress(len(verdicts), total)
        return self._freeze(grant, day, verdicts, sorted(items))

    def _freeze(
        self, grant: Grant, day: date, verdicts: Sequence[Verdict], items: Sequence[tuple[str, str, str]]
    ) -> Plan:
        numbers = summary(verdicts)
        ident = new_id("plan")
        with self._t.journal.page() as page:
            page.admit(grant)
            plan = Plan(
                id=ident,
                as_of=day.isoformat(),
                by=grant.principal,
                created=page.now,
                digest=_digest(items),
                state="open",
                counts=numbers.counts,
                by_rule=[msgspec.to_builtins(row) for row in numbers.by_rule],
            )
            page.put(plan)
            page.put(
                Request(
                    id=ident,
                    what="retention",
                    digest=plan.digest,
                    by=grant.principal,
                    created=page.now,
                    expires=page.now + REQUEST_LIFE,
                )
            )
            page.tx.put_plan_items(ident, items)
            detail = f"plan {ident} {plan.digest} as of {plan.as_of}"
            page.add(Happening(kind="request", who=self._t.who(grant), whom=Whom(detail=detail)))
        return plan

    def _all(self) -> Iterator[Held]:
        """Every live record with its checked facts, page by page."""
        after = ""
        while facts := self._t.stores.records.scan_facts(self._t.name, after, PAGE):
            ids = sorted({row.record for row in facts})
            held = self._t.keeping.fetch(ids)
            yield from (held[ident] for ident in ids if ident in held)
            after = ids[-1]

    def _decide(self, held: Held, anchors: dict[str, str], day: date) -> Verdict:
        return decide(
            kind=held.kind,
            facts=held.facts,
            tenant_anchors=anchors,
            profile=self._t.config.settings.applies_to,
            rules=self._t.rules,
            as_of=day,
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
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "execute")
        try:
            frozen = self._begin(grant, plan, yes=yes)
        except Denied as refusal:
            self._t.log_denied(grant, refusal.code)
            raise
        if frozen.certificate is not None:
            return _result(frozen)
        self._t.keeping.new_epoch()
        items = self._items(frozen)
        erased = restricted = orphans = 0
        for start in range(0, len(items), PAGE):
            chunk = items[start : start + PAGE]
            gone, orphaned = self._erase([i.record for i in chunk if i.action == "erase"], frozen)
            erased, orphans = erased + gone, orphans + orphaned
            restricted += self._restrict([i.record for i in chunk if i.action == "restrict"], frozen)
            if progress is not None:
                progress(start + len(chunk), len(items))
        self._renew_epoch()
        return self._finish(grant, frozen, erased, restricted, len(items), orphans)

    def _begin(self, grant: Grant, ident: str, *, yes: bool) -> Plan:
        with self._t.journal.page() as page:
            page.admit(grant)
            plan = page.registry.get(Plan, ident)
            if plan.certificate is not None:
                return plan
            if plan.as_of > self._t.today().isoformat() and not self._t.policy.sandbox:
                raise Invalid(
                    "the plan is dated ahead", code="invalid_as_of", field="as_of", remedy="wait for it"
                )
            if yes and self._t.policy.sandbox:
                self._approve_own(page, grant, ident)
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
                    plan, state="executing", erase_idx=page.first_index + slot, begun=page.now
                )
                page.put(plan)
        return plan

    def _approve_own(self, page: Page, grant: Grant, ident: str) -> None:
        request = page.registry.get(Request, ident)
        page.put(
            msgspec.structs.replace(request, approvals=(Approval(principal=grant.principal, at=page.now),))
        )
        detail = f"retention {ident} {request.digest}"
        page.add(Happening(kind="approve", who=self._t.who(grant), whom=Whom(detail=detail)))

    def _demand_approval(self, page: Page, plan: Plan) -> None:
        """Four eyes: a yes to exactly this plan, in time, by an enabled principal who did not ask for it."""
        request = page.registry.get(Request, plan.id)
        for approval in request.approvals:
            principal = page.registry.find(Principal, approval.principal)
            other = approval.principal != plan.by or self._t.policy.sandbox
            if principal is None or principal.disabled or not other:
                continue
            if request.digest == plan.digest and approval.at < request.expires:
                return
        raise Denied(
            "a second person has to approve this plan",
            code="approval_required",
            remedy=f"cvault approve {plan.id} --as FILE",
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

    def _erase(self, records: Sequence[str], plan: Plan) -> tuple[int, int]:
        """Erase one page of records; how many, and how many entries of closed subjects that orphans."""
        doomed, orphans = self._entomb(records, plan)
        t = self._t
        while shelves := t.stores.keys.shelves_of(t.name, sorted(doomed)):
            for shelf, on_it in sorted(shelves.items()):
                row = t.stores.keys.shelf(t.name, shelf)
                if row is not None:
                    try:
                        t.keeping.rewrap(row, on_it)
                    except ShelfMoved:
                        continue
        t.stores.index.delete(t.name, sorted(doomed))
        t.stores.records.delete(t.name, sorted(doomed))
        with t.journal.page() as page:
            page.tx.mark_plan_items(plan.id, sorted(doomed), done=True)
        return len(doomed), orphans

    def _entomb(self, records: Sequence[str], plan: Plan) -> tuple[set[str], int]:
        """Close records in the ledger: from here on no read of them is released (DESIGN 6, step 6).

        Each is decided once more under the head's lock, so that a hold placed since the plan is honoured.
        """
        day, anchors = date.fromisoformat(plan.as_of), self._t.tenant_anchors()
        with self._t.journal.page() as page:
            doomed = page.tx.entombed(records)
            fresh = [
                held
                for ident, held in self._t.keeping.fetch([r for r in records if r not in doomed]).items()
                if self._decide(held, anchors, day).action == "erase"
            ]
            page.tx.entomb(plan.id, [held.row.record for held in fresh], plan.erase_idx or 0)
            doomed |= {held.row.record for held in fresh}
            orphans = sum(self._count(held.row.subject) for held in _closed(self._t, fresh, doomed))
        return doomed, orphans

    def _count(self, subject: str) -> int:
        handle = mac.handle(self._t.keys.handle_key, "subject", subject)
        return self._t.stores.ledger.counter(self._t.name, handle)

    def _restrict(self, records: Sequence[str], plan: Plan) -> int:
        """Set records RESTRICTED: stored and protected, nothing else (PIPL 47 ¶2)."""
        day, anchors = date.fromisoformat(plan.as_of), self._t.tenant_anchors()
        with self._t.journal.page() as page:
            held = [h for h in self._t.keeping.fetch(records).values() if h.facts.state == State.ACTIVE]
            due = [h for h in held if self._decide(h, anchors, day).action == "restrict"]
            self._t.keeping.set_facts(
                [(h, msgspec.structs.replace(h.facts, state=State.RESTRICTED.value)) for h in due]
            )
            page.tx.mark_plan_items(plan.id, [h.row.record for h in due], done=True)
        return len(due)

    def _renew_epoch(self) -> None:
        """Move every shelf key to the new epoch, retire the old one, and empty the write-ahead logs."""
        t = self._t
        t.keeping.move_to_current_epoch()
        t.keeping.retire_epochs(t.config.settings.epoch_grace_hours * 3_600_000_000)
        t.keeping.destroy_due_epochs()
        t.stores.keys.bump_generation(t.name)
        for store in (t.stores.keys, t.stores.index, t.stores.records):
            store.truncate()

    def _finish(
        self, grant: Grant, plan: Plan, erased: int, restricted: int, total: int, orphans: int
    ) -> Executed:
        t = self._t
        generation = t.stores.keys.generation(t.name)
        with t.journal.page() as page:
            remaining = total - erased - restricted
            detail = (
                f"plan {plan.id} erased={erased} restricted={restricted} orphans={orphans} keys={generation}"
            )
            slot = page.add(Happening(kind="erase_done", who=t.who(grant), whom=Whom(detail=detail)))
            body = {
                "version": 1,
                "origin": t.keys.origin,
                "sandbox": t.policy.sandbox,
                "plan": plan.id,
                "as_of": plan.as_of,
                "digest": plan.digest,
                "erased": erased,
                "restricted": restricted,
                "remaining": remaining,
                "entries": {"erase_begin": plan.erase_idx, "erase_done": page.first_index + slot},
                "keys_generation": generation,
                "executed": iso(page.now),
                "epochs": self._epoch_dates(),
                "claim": CLAIM,
            }
            done = msgspec.structs.replace(plan, state="done", certificate=self._signed(body))
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

    def _signed(self, body: dict[str, object]) -> str:
        text = msgspec.json.encode(body, order="sorted")
        signature = self._t.keys.log.sign(encode("cvault/certificate/v1", text))
        vkey = VKey(name=self._t.keys.origin, public=self._t.keys.log.public)
        return msgspec.json.encode(
            {
                "certificate": msgspec.Raw(text),
                "signature": base64.b64encode(signature).decode(),
                "key": vkey.text(),
            }
        ).decode()

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
        """Destroy the epochs whose grace has passed; an entry names them."""
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "execute")
        destroyed = self._t.keeping.destroy_due_epochs()
        if destroyed:
            detail = f"destroyed epochs {','.join(map(str, destroyed))}"
            self._t.journal.log(Happening(kind="key", who=self._t.who(grant), whom=Whom(detail=detail)))
        return destroyed

    # --- holds ----------------------------------------------------------------------------------------

    def add_hold(self, credential: Credential, records: Sequence[str], hold: Hold) -> int:
        """Put a legal hold on records: with number, authority and end date, or not at all (DESIGN 8).

        Raises:
            Invalid: One of the three is missing.
        """
        if not (hold.number.strip() and hold.authority.strip()):
            raise Invalid("a hold needs number and authority", code="invalid_hold", remedy="give both")
        date.fromisoformat(hold.until)
        return self._change_holds(credential, records, hold.number, lambda facts: (*facts.holds, hold))

    def release_hold(self, credential: Credential, records: Sequence[str], number: str) -> int:
        """Release a hold by its number."""
        return self._change_holds(
            credential, records, number, lambda facts: tuple(h for h in facts.holds if h.number != number)
        )

    def _change_holds(
        self,
        credential: Credential,
        records: Sequence[str],
        number: str,
        change: Callable[[Facts], tuple[Hold, ...]],
    ) -> int:
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "hold")
        with self._t.journal.page() as page:
            page.admit(grant)
            held = self._t.keeping.fetch(records)
            changes = [(h, msgspec.structs.replace(h.facts, holds=change(h.facts))) for h in held.values()]
            self._t.keeping.set_facts(changes)
            for h in held.values():
                whom = Whom(subject=h.row.subject, record=h.row.record, detail=f"hold {number}")
                secret = self._t.keeping.log_secret(h.row)
                who = self._t.who(grant, about=h.kind)
                page.add(Happening(kind="hold", who=who, whom=whom, secret=secret, shelf=h.row.log_shelf))
        return len(held)

    def holds(self, credential: Credential) -> list[HoldView]:
        """Every hold there is."""
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "hold")
        return [
            HoldView(
                record=h.row.record,
                kind=h.kind,
                number=hold.number,
                authority=hold.authority,
                until=hold.until,
            )
            for h in self._all()
            for hold in h.facts.holds
        ]


def verify_certificate(text: str, vkey: VKey) -> dict[str, object]:
    """Check a certificate against the log's public key; returns what it says.

    Raises:
        Tampered: It was changed, or another key signed it.
    """
    try:
        outer = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        body = bytes(outer["certificate"])
        signature = base64.b64decode(msgspec.json.decode(outer["signature"], type=str), validate=True)
    except (msgspec.MsgspecError, KeyError, ValueError):
        raise Tampered("not a certificate") from None
    verify_signature(vkey.public, signature, encode("cvault/certificate/v1", body))
    said: dict[str, object] = msgspec.json.decode(body)
    return said


def _closed(t: Tenancy, fresh: Sequence[Held], doomed: set[str]) -> list[Held]:
    """One of the fresh for each subject of whom no record stays."""
    by_subject = {held.row.subject: held for held in fresh}
    return [
        held
        for subject, held in by_subject.items()
        if set(t.stores.records.of_subject(t.name, subject)) <= doomed
    ]


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
