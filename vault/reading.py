"""Reading: what a backend service gets. Seven steps, always in this order, always for a batch (DESIGN 6).

    1 token      authenticate → Grant
    2 decision   policy × grant → Decision: a view for every field
    3 fetch      the compartments needed, by batch
    4 open       them, and nothing else
    5 mask       Clear → shown fields
    6 log        one page of the ledger: admitted, counted, durable
    7 release    Disclosure

Nothing is returned before step 6 has ended; a refusal takes the same road and leaves the same kind of entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from vault.access.selection import parse_where
from vault.access.tokens import Credential
from vault.batching import Batcher, Job
from vault.crypto import mac
from vault.errors import Denied, Invalid, NotFound, VaultError
from vault.intake.values import normalise
from vault.journal import Page
from vault.model import Disclosure, Grant, Happening, ItemError, Receipt, Shown, Who, Whom, Word
from vault.opening import Item, Opener
from vault.schema import FieldSpec
from vault.tenancy import REF, Tenancy

MAX_BATCH: Final = 1000
"""Records in one request at most."""
MAX_FOUND: Final = 50
"""Records one search discloses at most: more than that shares no phone number or name honestly."""


class Search(Word):
    """What a `find` or `list` looked for: one entry of its own, beside one for each record disclosed.

    Attributes:
        field: The field searched by, or "" for a listing.
        digest: The blind digest of the value, which counts against the cap; b"" for a listing.
        cap: Distinct values per principal, field and day; None for a listing.
        detail: What the entry's sealed body says of it: no value.
        action: `find` or `list`.
    """

    action: str
    kind: str
    field: str
    digest: bytes
    cap: int | None
    detail: str


class ReadJob(Job[Disclosure]):
    """One caller's read in a batch."""

    __slots__ = ("action", "fields", "grant", "ids", "items", "search", "slots")

    def __init__(
        self, grant: Grant, ids: Sequence[str], fields: tuple[str, ...] | None, search: Search | None = None
    ) -> None:
        super().__init__()
        self.grant = grant
        self.ids = ids
        self.fields = fields
        self.search = search
        self.action = search.action if search else "read"
        self.items: list[Item] = []
        self.slots: list[int] = []


class Listing(Word):
    """A page of a listing: a disclosure, and where the next page begins."""

    items: list[Shown]
    errors: list[ItemError]
    cursor: str | None


class Reading:
    """The room of backend services."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)
        self._batcher: Batcher[ReadJob] = Batcher(self._process)

    # --- verbs --------------------------------------------------------------------------------------

    def read(
        self, credential: Credential, ids: Sequence[str], *, fields: tuple[str, ...] | None = None
    ) -> Disclosure:
        """Read records by id; `fields` None gives every field at the highest view granted.

        Raises:
            Denied: Token, role, purpose or fields rule it out for the whole request.
            LogUnavailable: The entries could not be made durable; nothing was released.
        """
        return self._batcher.run(self._job(credential, ids, fields)).outcome()

    async def read_async(
        self, credential: Credential, ids: Sequence[str], *, fields: tuple[str, ...] | None = None
    ) -> Disclosure:
        """As `read`, from a coroutine; the batch runs inline at the end of the loop's turn."""
        return (await self._batcher.arun(self._job(credential, ids, fields))).outcome()

    def resolve(self, credential: Credential, refs: Sequence[tuple[str, str]]) -> list[str]:
        """Record ids for external ids, each a kind and an id; an unknown one gives an id nobody has.

        A ref is an operational number, not personal data, so its index hangs on the masked compartment's
        key and costs no entry of its own: the read that follows is logged, found or not.
        """
        self._t.authenticate(credential)
        found = []
        for kind, external in refs:
            digest = mac.index_digest(self._t.keys.index("masked", kind, REF), external)
            records = self._t.stores.index.find(self._t.name, kind, REF, digest)
            found.append(records[0] if records else f"{kind}:{external}")
        return found

    def find(
        self,
        credential: Credential,
        *,
        field: str,
        value: str,
        kind: str = "borrower",
        fields: tuple[str, ...] | None = None,
    ) -> Disclosure:
        """Records whose field equals a value: one entry for the search, one for each record disclosed.

        Raises:
            Denied: The role may not find by this field, or its daily cap of distinct values is reached.
            Invalid: The value is none of the field's type (never repeated in the message).
        """
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "find")
        spec = self._t.schema.kind(kind).field(field)
        cap = self._t.policy.cap(grant.role, grant.purpose, kind, field)
        if cap is None or not spec.indexed:
            self._t.log_denied(grant, "field_denied", kind)
            raise Denied("this role may not find by this field", code="field_denied", field=field)
        normal = normalise(spec.type, value)
        digest = mac.index_digest(self._t.keys.index(spec.compartment, kind, field), normal)
        records = self._t.stores.index.find(self._t.name, kind, field, digest)[:MAX_FOUND]
        sure = self._confirmed(spec, records, normal)
        search = Search(
            action="find",
            kind=kind,
            field=field,
            digest=digest,
            cap=cap,
            detail=f"{kind}.{field} {digest.hex()}",
        )
        found = self._batcher.run(ReadJob(grant, sure, fields, search)).outcome()
        return Disclosure(
            items=found.items, errors=[e for e in found.errors if e.code != NotFound.default_code]
        )

    def list_records(
        self,
        credential: Credential,
        *,
        kind: str,
        where: str = "",
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        fields: tuple[str, ...] | None = None,
    ) -> Listing:
        """Records by open attributes, a page at a time; every record shown has its entry."""
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "list")
        spec = self._t.schema.kind(kind)
        conditions = [(c.attribute, c.op, c.value) for c in parse_where(where, spec, self._t.today())]
        if sort is not None and not spec.field(sort.lstrip("-")).open:
            raise Invalid("can only sort by an open attribute", code="invalid_sort", field="sort")
        rows, following = self._t.stores.index.select(
            self._t.name, kind, conditions, sort, cursor, max(1, min(limit, MAX_BATCH))
        )
        search = Search(
            action="list", kind=kind, field="", digest=b"", cap=None, detail=f"{kind} where {where}"
        )
        ids = [record for record, _ in rows]
        found = self._batcher.run(ReadJob(grant, ids, fields, search)).outcome()
        hidden = [e for e in found.errors if e.code != NotFound.default_code]
        return Listing(items=found.items, errors=hidden, cursor=following)

    # --- the seven steps -------------------------------------------------------------------------------

    def _job(self, credential: Credential, ids: Sequence[str], fields: tuple[str, ...] | None) -> ReadJob:
        if len(ids) > MAX_BATCH:
            raise Invalid(f"at most {MAX_BATCH} records a request", code="invalid_batch", remedy="split it")
        return ReadJob(self._t.authenticate(credential), ids, fields)  # 1 token

    def _process(self, jobs: list[ReadJob]) -> None:
        for job in jobs:  # 2 decision, 3 fetch, 4 open, 5 mask
            job.items = [_item(ident) for ident in job.ids]
        self._opener.open_all([(job.grant, job.action, job.fields, job.items) for job in jobs])
        with self._t.journal.page() as page:  # 6 log
            entombed = page.tx.entombed([item.id for job in jobs for item in job.items if item.granted])
            over = self._t.contract_over(page.registry, self._t.today())
            whos: dict[tuple[int, int], Who] = {}  # by identity of grant and decision, kept alive by the jobs
            for job in jobs:
                self._enter(page, job, entombed, whos, over=over)
        for job in jobs:  # 7 release
            self._release(job, page.receipts)

    def _enter(
        self, page: Page, job: ReadJob, entombed: set[str], whos: dict[tuple[int, int], Who], *, over: bool
    ) -> None:
        """Queue the entries of one job, granted or refused by what only the ledger knows."""
        try:
            page.admit(job.grant)
            if over and "RESTRICTED" not in self._t.policy.states(job.grant.purpose):
                raise Denied("the creditor's contract has ended", code="contract_ended")
            self._admit_search(page, job)
        except Denied as refusal:
            job.fail(refusal)
            for item in job.items:
                item.refuse(refusal)
            if job.search is not None:
                job.items = [Item(id="", error=refusal)]
        else:
            for item in job.items:
                if item.id in entombed:
                    item.forget(NotFound())
            if job.search is not None:
                who = self._t.who(job.grant, about=job.search.kind)
                page.add(Happening(kind="search", who=who, whom=Whom(detail=job.search.detail)))
        job.slots = [page.add(self._happening(job.grant, item, whos)) for item in job.items]

    def _admit_search(self, page: Page, job: ReadJob) -> None:
        search = job.search
        if search is None or search.cap is None:
            return
        key = self._t.keys.handle_key
        day = datetime.fromtimestamp(page.now / 1e6, UTC).date().isoformat()
        who = mac.handle(key, "lookups", job.grant.principal)
        value = mac.handle(key, "lookup", day, search.kind, search.field, search.digest.hex())
        if not page.tx.admit_lookup(who, day, f"{search.kind}.{search.field}", value, search.cap):
            raise Denied(
                "the day's cap of distinct values is reached", code="lookup_cap", remedy="go on tomorrow"
            )

    def _happening(self, grant: Grant, item: Item, whos: dict[tuple[int, int], Who]) -> Happening:
        whom = Whom(
            subject=item.subject,
            record=item.id if item.subject else "",
            case=",".join(sorted(grant.cases or ())),
            ticket=grant.ticket,
        )
        if item.error is None:
            key = (id(grant), id(item.decision))
            who = whos.get(key) or whos.setdefault(key, self._t.who(grant, decision=item.decision))
            return Happening(kind="read", who=who, whom=whom, secret=item.log_secret, shelf=item.log_shelf)
        outcome = {3: "denied", 4: "not_found"}.get(item.error.exit_code, "failed")
        who = self._t.who(grant, about=item.kind, outcome=outcome, reason=_reason(item.error, outcome))
        return Happening(kind="deny", who=who, whom=whom, secret=item.log_secret, shelf=item.log_shelf)

    @staticmethod
    def _release(job: ReadJob, receipts: list[Receipt]) -> None:
        if job.done:
            return
        items, errors = [], []
        for item, slot in zip(job.items, job.slots, strict=True):
            if item.error is None:
                items.append(item.shown(receipts[slot]))
            else:
                errors.append(ItemError(id=item.id, code=item.error.code))
        whole = next((item.error for item in job.items if item.whole), None)
        if whole is not None and not items:
            job.fail(whole)
        else:
            job.resolve(Disclosure(items=items, errors=errors))

    def _confirmed(self, spec: FieldSpec, records: Sequence[str], value: str) -> list[str]:
        """Only the records whose opened value equals the one asked for (DESIGN 4): an index can be edited."""
        opened = self._opener.values(records, spec)
        return [record for record in records if opened.get(record) == msgspec.json.encode(value)]


def _item(ident: str) -> Item:
    """An item on its way; what no store can hold as an id is missing, and must not spoil the batch."""
    return Item(id=ident) if ident.isprintable() else Item(id=ident, error=NotFound())


def _reason(error: VaultError, outcome: str) -> str:
    return error.code if outcome == "denied" else ""
