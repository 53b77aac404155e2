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
from typing import Final

from vault.access.tokens import Credential
from vault.batching import Batcher, Job
from vault.config import iso
from vault.errors import Denied, Invalid, NotFound, VaultError
from vault.gating import Gate
from vault.items import Item
from vault.journal import Page
from vault.ledger.book import CaseRow
from vault.model import Disclosure, Grant, Happening, ItemError, Receipt, Shown, Who, Whom, Word
from vault.opening import Ask, Opener
from vault.seeking import Search, Seeker
from vault.tenancy import Tenancy

MAX_BATCH: Final = 1000
"""Records in one request at most."""
MAX_FOUND: Final = 50
"""Records one search discloses at most: more than that shares no phone number or name honestly."""


class ReadJob(Job[Disclosure]):
    """One caller's read in a batch."""

    __slots__ = ("action", "approved", "at", "fields", "grant", "ids", "items", "request", "search", "slots")

    def __init__(
        self,
        grant: Grant,
        ids: Sequence[str],
        fields: tuple[str, ...] | None,
        search: Search | None = None,
        at: int | None = None,
        request: str | None = None,
        approved: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.at = at
        self.request = request
        self.approved = approved
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
        self._seeker = Seeker(tenancy, self._opener)
        self._gate = Gate(tenancy)
        self._batcher: Batcher[ReadJob] = Batcher(self._process)

    # --- verbs --------------------------------------------------------------------------------------

    def read(
        self,
        credential: Credential,
        ids: Sequence[str],
        *,
        fields: tuple[str, ...] | None = None,
        as_of: int | None = None,
        request: str | None = None,
    ) -> Disclosure:
        """Read records; `fields` None gives every field at the highest view granted.

        Args:
            credential: The token with its key.
            ids: Record ids, or external ids as `KIND:EXTERNAL_ID`.
            fields: The fields wanted.
            as_of: µs UTC: show the version that stood then, for purposes that reach past versions.
            request: An approved request, for more records than a day's, or for those of minors.

        Raises:
            Denied: Token, role, purpose or fields rule it out for the whole request.
            LogUnavailable: The entries could not be made durable; nothing was released.
        """
        return self._batcher.run(self._job(credential, ids, fields, as_of, request)).outcome()

    async def read_async(
        self, credential: Credential, ids: Sequence[str], *, fields: tuple[str, ...] | None = None
    ) -> Disclosure:
        """As `read`, from a coroutine; the batch runs inline at the end of the loop's turn."""
        return (await self._batcher.arun(self._job(credential, ids, fields))).outcome()

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

        More than `MAX_FOUND` hits give the first of them and an error `too_many`.

        Raises:
            Denied: The role may not find by this field, or its daily cap of distinct values is reached.
            Invalid: The value is none of the field's type (never repeated in the message).
        """
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "find")
        grant = self._searching(grant)
        search, hits = self._seeker.hits(grant, kind, field, value)
        found = self._batcher.run(ReadJob(grant, hits[:MAX_FOUND], fields, search)).outcome()
        errors = _but_missing(found.errors)
        if len(hits) > MAX_FOUND:
            errors.append(ItemError(id="", code="too_many"))
        return Disclosure(items=found.items, errors=errors)

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
        """Records by open attributes, a page at a time; every record shown has its entry.

        Attributes that the caller may not see can't be asked about either. A page holds records in scope
        alone, and the cursor is sealed: it tells nothing of the record behind it.

        Raises:
            Denied: An attribute in `where` or `sort` is hidden from this caller (`field_denied`).
            Invalid: A condition, sort or cursor can't be understood.
        """
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "list")
        grant = self._searching(grant)
        room = max(1, min(limit, MAX_BATCH))
        search, ids, following = self._seeker.page(grant, kind, where, sort, cursor, room)
        found = self._batcher.run(ReadJob(grant, ids, fields, search)).outcome()
        errors = [error for error in _but_missing(found.errors) if error.code != "restricted"]
        return Listing(items=found.items, errors=errors, cursor=following)

    # --- the seven steps -------------------------------------------------------------------------------

    def _job(
        self,
        credential: Credential,
        ids: Sequence[str],
        fields: tuple[str, ...] | None,
        as_of: int | None = None,
        request: str | None = None,
    ) -> ReadJob:
        if len(ids) > MAX_BATCH:
            raise Invalid(f"at most {MAX_BATCH} records a request", code="invalid_batch", remedy="split it")
        grant = self._t.authenticate(credential)  # 1 token
        if as_of is not None and not self._t.policy.past(grant.purpose):
            self._t.log_denied(grant, "purpose_denied")
            raise Denied("this purpose reaches no past version", code="purpose_denied")
        return ReadJob(grant, ids, fields, at=as_of, request=request, approved=self._gate.covered(request))

    def _searching(self, grant: Grant) -> Grant:
        """Who is bound to cases searches among its own that the token names: others would be told by gaps.

        Raises:
            Denied: `purpose_denied`: the token names none.
        """
        if not self._gate.bound(grant):
            return grant
        if grant.cases is None:
            self._t.log_denied(grant, "purpose_denied")
            raise Denied(
                "an agency searches with a token that names its cases",
                code="purpose_denied",
                remedy="hand it one with --cases",
            )
        return self._gate.own(grant)

    def _process(self, jobs: list[ReadJob]) -> None:
        for job in jobs:  # 2 decision, 3 fetch, 4 open, 5 mask
            job.items = [self._item(ident, job.at) for ident in job.ids]
        self._opener.open_all(
            [
                Ask(grant=j.grant, action=j.action, fields=j.fields, items=j.items, approved=j.approved)
                for j in jobs
            ]
        )
        self._gate.begin()
        with self._t.journal.page() as page:  # 6 log
            self._t.demand_schema(page.registry)
            self._t.watch.demand(page.registry, page.first_index, page.now)
            entombed = page.tx.entombed([i.record for job in jobs for i in job.items if i.record])
            over = self._t.contract_over(page.registry, self._t.today())
            cases = self._cases(page, jobs)
            whos: dict[tuple[int, int], Who] = {}  # by identity of grant and decision, kept alive by the jobs
            for job in jobs:
                self._enter(page, job, entombed, whos, cases, over=over)
        self._gate.settle()
        for job in jobs:  # 7 release
            self._release(job, page.receipts)

    def _item(self, ident: str, at: int | None) -> Item:
        """An item on its way; what no store can hold as an id is missing, and must not spoil the batch."""
        record = self._t.record_of(ident) if ident.isprintable() else None
        return Item(id=ident, record=record or "", error=None if record else NotFound(), at=at)

    def _cases(self, page: Page, jobs: list[ReadJob]) -> dict[bytes, CaseRow]:
        """The cases that decide for any of the jobs, as they stand under the lock."""
        asking = [job for job in jobs if self._gate.asks_cases(job.grant)]
        wanted = {handle for job in asking for handle in self._gate.place(job.grant, job.items)}
        return page.cases(wanted) if wanted else {}

    def _enter(
        self,
        page: Page,
        job: ReadJob,
        entombed: set[str],
        whos: dict[tuple[int, int], Who],
        cases: dict[bytes, CaseRow],
        *,
        over: bool,
    ) -> None:
        """Queue the entries of one job, granted or refused by what only the ledger knows."""
        try:
            for item in job.items:
                if item.record in entombed:
                    item.forget(NotFound())
            standing = self._gate.admit(page, job.grant, search=job.search, over=over)
            if self._gate.asks_cases(job.grant):
                self._gate.refuse_closed(job.grant, standing, job.items, cases, job.fields, job.action)
            self._gate.count(page, job.grant, job.items, job.request)
        except Denied as refusal:
            job.fail(refusal)
            for item in job.items:
                item.forget(refusal) if item.record in entombed else item.refuse(refusal)
            if job.search is not None:
                job.items = [Item(id="", error=refusal)]
        else:
            if job.search is not None:
                who = self._t.who(job.grant, about=job.search.kind)
                page.add(Happening(kind="search", who=who, whom=Whom(detail=job.search.detail)))
        job.slots = [page.add(self._happening(job.grant, item, whos)) for item in job.items]

    def _happening(self, grant: Grant, item: Item, whos: dict[tuple[int, int], Who]) -> Happening:
        whom = Whom(
            subject=item.subject,
            record=item.record if item.subject else "",
            case=",".join(sorted(grant.cases or ())),
            ticket=grant.ticket,
            detail=_detail(grant, item),
        )
        if item.error is None:
            key = (id(grant), id(item.decision))
            who = whos.get(key) or whos.setdefault(key, self._t.who(grant, decision=item.decision))
            cases = item.held.facts.cases if item.held else None
            return Happening(
                kind="read", who=who, whom=whom, secret=item.log_secret, shelf=item.log_shelf, cases=cases
            )
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


def _detail(grant: Grant, item: Item) -> str:
    """What an entry's body says beside whom: the instant asked about, and who handed the token to whom."""
    if item.at is None:
        return grant.evidence
    return f"as of {iso(item.at)} version {item.version} {grant.evidence}".rstrip()


def _but_missing(errors: Sequence[ItemError]) -> list[ItemError]:
    """A search doesn't tell of hits that are out of scope or being erased."""
    return [error for error in errors if error.code != NotFound.default_code]


def _reason(error: VaultError, outcome: str) -> str:
    return error.code if outcome == "denied" else ""
