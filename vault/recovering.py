"""Recovering: a new log in the place of one that was shortened, put back from a backup or rewritten.

A ceremony, not a repair: what was lost stays lost, and what is left is kept as evidence. The new log's first
entry names the old one, up to where it held, the pin, who did it and why (docs/recover.md). Each step can be
run again; from the first to the last a mark in the key folder keeps every node that shares it from serving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from vault.access.policy import Policy
from vault.approvals import HOUR, demand_approved, digest_of
from vault.crypto.provider import sync_folder, write_private
from vault.errors import ConfigError, Denied, Invalid, Tampered
from vault.examining import Examiner, Found
from vault.identifying import demand_reason
from vault.identity import Identity
from vault.journal import Journal
from vault.ledger.note import VKey
from vault.ledger.registry import (
    RECOVERED,
    Approval,
    LogFloor,
    Plan,
    PolicyInForce,
    Principal,
    Recovery,
    Registry,
    Request,
    keys_generation,
)
from vault.merkle import Frontier
from vault.model import MAIN, Happening, Who, Whom, Word
from vault.numbering import BITS, handle_of
from vault.page import Page
from vault.purging import Purger
from vault.stores.archive import archived
from vault.stores.ledger_tx import LedgerTx
from vault.tenancy import Tenancy

PAGE: Final = 1000
_SECOND: Final = 1_000_000
_LEAP: Final = 16
"""Generations of tags left out: more reports than one person can have had in what was lost."""


class Begun(Word):
    """The mark of a recovery under way, `TENANT.recovery` in the key folder: what its later steps need."""

    number: int
    closed: str
    size: int
    root: str
    pinned_size: int
    pinned_root: str


class Recovered(Word):
    """What a recovery has made.

    Attributes:
        origin: The new log's. vkey: Its public key. closed: The old one's origin.
        archive: The tenant under which the old one's rows lie in the ledger.
        evidence: The folder with what is left of it.
        void: µs UTC; tokens issued before are dead.
    """

    origin: str
    vkey: str
    closed: str
    archive: str
    evidence: str
    void: int


class Recovering:
    """What begins a log anew."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._ceremony = Ceremony(tenancy)

    def examine(self, progress: Callable[[int], None] | None = None) -> Found:
        """What a recovery would find; changes nothing. No token: whoever has the keys may look."""
        return self._ceremony.examiner.found(progress)

    def recover(
        self, identity: Identity, *, reason: str, evidence: Path, seconds: Sequence[Identity] = ()
    ) -> Recovered:
        """Close the log and begin another; run again after a crash, it goes on where it was.

        Open the vault anew afterwards: this one still holds the old log's name.

        Args:
            identity: An admin by the registry as it stands, which may be an old one.
            reason: Why; it stands in the log, so no personal data.
            evidence: The folder that what is left of the old log goes to.
            seconds: Others who say yes by being there with their keys, where the policy asks for it
                (`[approvals.recover]`, else `[approvals.keys]`): no request can be approved in a log that
                stands still.

        Raises:
            Invalid: There is nothing to recover, or no reason.
            Tampered: Head or registry aren't genuine: nobody can say who may act.
            Denied: Not an admin, or too few said yes; or this node holds no issuer key.
            Unavailable: The key store opens nothing any more, or the evidence can't be written.
            ConfigError: The key folder can't be written.
        """
        return self._ceremony.hold(identity, demand_reason(reason), evidence, seconds)


class Ceremony:
    """The steps of a recovery."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self.examiner = Examiner(tenancy)

    def hold(self, identity: Identity, reason: str, evidence: Path, seconds: Sequence[Identity]) -> Recovered:
        """All of them that are left to do; see `Recovering.recover`."""
        found = self.examiner.found()
        registry = self._demand_readable(found)
        done = self._moved(registry)
        if found.whole and not done:
            self._drop_mark()
            raise Invalid("the log is whole: there is nothing to recover", code="invalid_recovery")
        self._t.keys.issuer.public  # noqa: B018 - a node without it can't begin a log
        approved = self._approved(registry, identity, seconds)
        self._t.keeping.demand_open()
        begun = self._begun(found)
        if not done:
            self.examiner.write_evidence(evidence, found)
        row = self._begin(begun, identity, reason, approved)
        self._catch_up(row)
        return self._settle(begun, row, evidence)

    # --- before ---------------------------------------------------------------------------------------

    def _demand_readable(self, found: Found) -> Registry:
        """The registry, if head and registry are what the vault wrote, at whatever time.

        Raises:
            Tampered: They aren't.
        """
        for check in found.checks[:2]:
            if not check.ok:
                raise Tampered(
                    f"{check.message}: nobody can tell from it who may act",
                    index=check.index,
                    remedy="put back the newest ledger whose head is genuine, however old; then run it again",
                )
        return self.examiner.journal.registry()

    def _mark(self) -> Begun | None:
        path = self.examiner.pins.begun
        return msgspec.json.decode(path.read_bytes(), type=Begun) if path.exists() else None

    def _moved(self, registry: Registry) -> bool:
        """Whether a recovery that was begun has put the old log aside already."""
        mark, row = self._mark(), registry.find(Recovery, RECOVERED)
        return mark is not None and row is not None and row.number == mark.number

    def _begun(self, found: Found) -> Begun:
        """The mark, as it stands or now set: from here on nothing is served.

        Raises:
            ConfigError: The key folder can't be written.
        """
        mark = self._mark()
        if mark is None:
            mark = Begun(
                number=self._t.keys.number + 1,
                closed=found.origin,
                size=found.good_size,
                root=found.good_root,
                pinned_size=found.pinned_size,
                pinned_root=found.pinned_root,
            )
            try:
                write_private(self.examiner.pins.begun, msgspec.json.encode(mark))
            except OSError:
                raise ConfigError(
                    "the key folder cannot be written",
                    field="keys",
                    remedy="it takes the new log's name and pin",
                ) from None
        return mark

    def _drop_mark(self) -> None:
        self.examiner.pins.begun.unlink(missing_ok=True)
        sync_folder(self.examiner.pins.begun.parent)

    def _approved(
        self, registry: Registry, identity: Identity, seconds: Sequence[Identity]
    ) -> tuple[str, ...]:
        """Who said yes beside the admin who acts; none where no policy asks for it.

        Raises:
            Denied: Who acts is no admin, somebody's key isn't theirs, or too few count.
        """
        now = self._t.clock()
        admin = _known(registry, identity)
        if not admin.holds("admin", now):
            raise Denied("needs the role admin", code="role_denied", remedy="ask someone who holds it")
        yes = tuple(Approval(principal=_known(registry, one).id, at=now) for one in seconds)
        for policy in self._policies(registry):
            spec = policy.approval("recover") or policy.approval("keys")
            if spec is None or policy.sandbox:
                continue
            request = Request(
                id="recover", what="recover", digest=digest_of("recover", (self._t.keys.origin,)),
                by=identity.principal, created=now, expires=now + HOUR, approvals=yes, quorum=spec.quorum,
                of=tuple(spec.by),
            )  # fmt: skip
            try:
                demand_approved(registry, request, now)
            except Denied as refusal:
                raise Denied(
                    f"{spec.quorum} more must be there, each with the role {' or '.join(spec.by)}",
                    code=refusal.code,
                    remedy="give their principal files: --second FILE",
                ) from None
        return tuple(approval.principal for approval in yes)

    def _policies(self, registry: Registry) -> Iterator[Policy]:
        """The one of the file and the one in force: where either asks for another's yes, it is asked for."""
        yield self._t.policy
        row = registry.find(PolicyInForce, "policy")
        if row is not None and row.text and row.hash != self._t.policy.hash:
            yield Policy.load(row.text, self._t.schema)

    # --- the new log ----------------------------------------------------------------------------------

    def _begin(self, begun: Begun, identity: Identity, reason: str, approved: tuple[str, ...]) -> Recovery:
        """One transaction of the ledger: the old log aside, the new one with its first entry in its place."""
        journal = self._journal(begun)
        with self._t.stores.ledger.transaction(self._t.name) as tx:
            head = journal.checked(tx.head())
            known = journal.registry_of(tx, head).find(Recovery, RECOVERED)
            if known is not None and known.number == begun.number:
                return known
            self._put_aside(tx, begun)
            now = max(self._t.clock(), head.last_t)
            page = Page(journal, tx, journal.sealed_head(Frontier(), now, head.registry), now)
            row = self._row(begun, page, identity, reason, approved)
            page.put(row)
            _void(page)
            page.add(Happening(kind="anchor", who=_who(identity), whom=Whom(detail=_detail(row, journal))))
            page.write()
        return row

    def _journal(self, begun: Begun) -> Journal:
        t = self._t
        return Journal(t.stores.ledger, t.keys.of_log(begun.number), t.config.settings.node, t.clock)

    def _row(
        self, begun: Begun, page: Page, identity: Identity, reason: str, approved: tuple[str, ...]
    ) -> Recovery:
        stores = self._t.stores
        return Recovery(
            id=RECOVERED,
            number=begun.number,
            at=page.now,
            void=(page.now // _SECOND + 1) * _SECOND,  # a token's instant of issue is in whole seconds
            closed=begun.closed,
            size=begun.size,
            root=begun.root,
            pinned_size=begun.pinned_size,
            pinned_root=begun.pinned_root,
            generation=max(stores.keys.generation(self._t.name), keys_generation(page.registry, "done")),
            by=identity.principal,
            reason=reason,
            approved=approved,
        )

    def _put_aside(self, tx: LedgerTx, begun: Begun) -> None:
        """Archive the log; everybody's tags go on in a generation that no entry of it can have used."""
        top = tx.archive.move(begun.number - 1)
        start, after = (top >> BITS) + _LEAP << BITS, ""
        while rows := self._t.stores.keys.everybody(self._t.name, after, PAGE):
            tx.archive.begin_counters([handle_of(self._t.keys, row.subject) for row in rows], start)
            after = rows[-1].subject

    # --- after ----------------------------------------------------------------------------------------

    def _catch_up(self, row: Recovery) -> None:
        """Where the key store was put back: erase again what the ledger knows to be erased (promise 4)."""
        t = self._t
        if t.stores.keys.generation(t.name) >= row.generation:
            return
        purger, after = Purger(t), ""
        t.keeping.new_epoch()
        while records := self._tombstones(after):
            purger.repeat(records)
            after = records[-1]
        purger.reopen()
        purger.renew_epoch(row.generation)

    def _tombstones(self, after: str) -> list[str]:
        with self._t.stores.ledger.transaction(self._t.name) as tx:
            return tx.archive.tombstones(after, PAGE)

    def _settle(self, begun: Begun, row: Recovery, evidence: Path) -> Recovered:
        """Key file, public key and pin are the new log's from here on; the mark goes last."""
        t = self._t
        old = VKey(name=begun.closed, public=t.keys.log.public).text()
        keys, folder = t.keys.of_log(begun.number), t.config.folder
        new = VKey(name=keys.origin, public=keys.log.public).text()
        t.keeping.provider.replace_tenant(keys)
        if t.name == MAIN:
            write_private(folder / f"log.vkey.{begun.number - 1}", f"{old}\n".encode())
            write_private(folder / "log.vkey", f"{new}\n".encode())
        self.examiner.pins.replace(self._journal(begun).checkpoint())
        self._drop_mark()
        return Recovered(
            origin=keys.origin,
            vkey=new,
            closed=begun.closed,
            archive=archived(t.name, begun.number - 1),
            evidence=str(evidence.absolute()),
            void=row.void,
        )


def _known(registry: Registry, identity: Identity) -> Principal:
    """The principal behind an identity.

    Raises:
        Denied: Unknown or disabled, or the key is another's.
    """
    found = registry.find(Principal, identity.principal)
    if found is None or found.disabled or found.public != identity.signing.public:
        raise Denied("unknown or disabled principal", code="token_invalid", remedy="ask an admin")
    return found


def _void(page: Page) -> None:
    """What may have been used or refused in what was lost, is asked for again."""
    for request in page.registry.all(Request):
        if not request.used and request.refused is None:
            page.put(msgspec.structs.replace(request, expires=min(request.expires, page.now)))
    for plan in page.registry.all(Plan):
        if plan.state == "open":
            page.drop(Plan, plan.id)
        elif plan.swept:  # orphans among the old log's entries, which it declares itself
            page.put(msgspec.structs.replace(plan, swept=0))
    page.drop(LogFloor, "log")  # of the old log: the new one is whole


def _who(identity: Identity) -> Who:
    return Who(actor=identity.principal, role="admin", purpose="administration")


def _detail(row: Recovery, journal: Journal) -> str:
    """The first entry's words: which log this one follows, up to where it held, what was pinned, and why."""
    parts = [
        f"log {journal.keys.origin} follows {row.closed}",
        f"good {row.size} {row.root}".rstrip(),
        f"pinned {row.pinned_size} {row.pinned_root}".rstrip(),
    ]
    if row.approved:
        parts.append(f"approved by {' '.join(row.approved)}")
    return "; ".join([*parts, row.reason])
