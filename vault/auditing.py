"""Auditing: who saw whose data, when and why; and proof that nothing was changed or left out (DESIGN 7).

Questions run on the open columns; the *whom* of an entry is opened for those who may, with the audit key
and the subject's log secret. An auditor's own questions are entries too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from vault.access.tokens import Credential
from vault.config import iso
from vault.errors import Invalid, NotFound, Tampered
from vault.ledger import checkpoint, proof
from vault.ledger import verify as walking
from vault.ledger.export import export
from vault.ledger.note import VKey
from vault.ledger.registry import Principal, Registry
from vault.ledger.tiles import Hashes
from vault.merkle import Frontier, inclusion_path
from vault.model import Happening, Who, Whom, Word
from vault.opening import Opener
from vault.stores.ledger import LedgerStore
from vault.stores.rows import EntryFilter, EntryRow
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

PAGE: Final = 2000


class Line(Word):
    """One entry as a person reads it (docs/interface.md, log line); parts that can't be opened are None."""

    index: int
    time: str
    kind: str
    actor: str
    actor_name: str
    role: str
    purpose: str
    case: str | None
    subject: str | None
    record: str | None
    about: str
    fields: dict[str, str]
    outcome: str
    reason: str
    policy: str
    token: str
    detail: str | None


class Question(Word):
    """What an auditor asks; None asks nothing. Times are µs UTC.

    Attributes:
        subject: A subject id, or the id of one of their records.
        field: Entries that showed this field, as `kind.field`.
        clear: Only those that showed it CLEAR.
    """

    subject: str | None = None
    actor: str | None = None
    purpose: str | None = None
    kind: str | None = None
    field: str | None = None
    clear: bool = False
    outcome: str | None = None
    reason: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 100
    after: int | None = None
    newest_first: bool = False


class Checked(Word):
    """What a verification found: everything from the first entry to the head is what the vault wrote."""

    size: int
    root: str
    signed: int
    first: str | None
    last: str | None
    kinds: dict[str, int]


class _Source:
    """The ledger as the tile functions see it."""

    def __init__(self, store: LedgerStore, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    def full_tile(self, level: int, index: int) -> bytes | None:
        """A complete tile as stored."""
        return self._store.tile(self._tenant, level, index)

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Stubs from `start` to before `end`."""
        return self._store.stubs(self._tenant, start, end)


class Auditing:
    """The room of auditors."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._unsealer = Unsealer(tenancy)
        self._opener = Opener(tenancy)
        self._source = _Source(tenancy.stores.ledger, tenancy.name)

    @property
    def vkey(self) -> VKey:
        """The log's public key."""
        return VKey(name=self._t.keys.origin, public=self._t.keys.log.public)

    # --- questions ------------------------------------------------------------------------------------

    def ask(self, credential: Credential, question: Question) -> list[Line]:
        """Entries that answer a question, with what the caller may open of their bodies.

        Raises:
            NotFound: The subject asked about is not known here.
            Denied: The token doesn't allow to audit.
        """
        filters: EntryFilter | None = None
        with self._t.acting(credential, "audit") as (grant, page):
            registry = page.registry
            with suppress(NotFound):
                filters = self._filter(question, registry)
            who = self._t.who(grant, outcome="ok" if filters else "not_found")
            page.add(Happening(kind="search", who=who, whom=Whom(detail=_asked(question))))
        if filters is None:
            raise NotFound
        rows = self._t.stores.ledger.query(self._t.name, filters)
        return self._lines(rows, registry)

    def _filter(self, q: Question, registry: Registry) -> EntryFilter:
        about, bit = self._bit(q.field)
        tags = [tag for subject in self._subjects(q.subject) for tag in self._unsealer.every_tag(subject)]
        return EntryFilter(
            tags=None if q.subject is None else tags,
            actor=_principal(q.actor, registry) if q.actor else None,
            purpose=q.purpose,
            kind=q.kind,
            about=about,
            bits=bit if not q.clear else None,
            clear_bits=bit if q.clear else None,
            outcome=q.outcome,
            reason=q.reason,
            since=q.since,
            until=q.until,
            after_idx=q.after,
            limit=q.limit,
            newest_first=q.newest_first,
        )

    def _bit(self, field: str | None) -> tuple[str | None, int | None]:
        if field is None:
            return None, None
        kind, _, name = field.rpartition(".")
        spec = self._t.schema.kind(kind or "borrower")
        return spec.name, 1 << spec.ever(name).number

    def _subjects(self, ident: str | None) -> list[str]:
        """A subject's ids; a record's id, or `KIND:EXTERNAL_ID`, stands for its subject.

        Where people were merged, those they were before are among them: their accesses stand under each.

        Raises:
            NotFound: Nobody here.
        """
        if ident is None:
            return []
        held = self._opener.named([ident]).get(ident)
        subject = held.row.subject if held else ident
        theirs = self._t.keeping.fetch(self._t.stores.records.of_subject(self._t.name, subject)).values()
        before = {h.facts.origin for h in theirs if h.row.subject == subject and h.facts.origin}
        known = self._t.stores.keys.subjects(self._t.name, [subject, *sorted(before)])
        if subject not in {row.subject for row in known}:
            raise NotFound
        return [row.subject for row in known]

    def _lines(self, rows: Sequence[EntryRow], registry: Registry) -> list[Line]:
        opened = self._unsealer.bodies(rows)
        return [self._line(row, opened.get(row.idx), registry) for row in rows]

    def _line(self, row: EntryRow, whom: Whom | None, registry: Registry) -> Line:
        return Line(
            index=row.idx, time=iso(row.t), kind=row.kind, actor=row.actor,
            actor_name=self._t.name_of(registry, row.actor), role=row.role, purpose=row.purpose,
            case=whom.case if whom else None, subject=whom.subject if whom else None,
            record=whom.record if whom else None, about=row.about, fields=self._fields(row),
            outcome=row.outcome, reason=row.reason, policy=row.policy, token=row.token,
            detail=whom.detail if whom else None,
        )  # fmt: skip

    def _fields(self, row: EntryRow) -> dict[str, str]:
        if row.about not in self._t.schema.kinds:
            return {}
        shown = {}
        spec = self._t.schema.kind(row.about)
        for field in (*spec.fields.values(), *spec.retired.values()):
            bit = 1 << field.number
            if row.clear & bit:
                shown[field.name] = "CLEAR"
            elif row.masked & bit:
                shown[field.name] = "MASKED"
        return shown

    # --- proof ----------------------------------------------------------------------------------------

    def verify(
        self, credential: Credential | None = None, progress: Callable[[int], None] | None = None
    ) -> Checked:
        """Walk the whole log and compare it with its head and every signed checkpoint; then log that.

        The check comes first and needs no working log: a broken one is reported, not hidden behind it.

        Raises:
            Tampered: With the first bad index.
        """
        found = self.walk(progress)
        if credential is not None:
            with self._t.acting(credential, "audit") as (grant, page):
                who = self._t.who(grant)
                page.add(Happening(kind="verify", who=who, whom=Whom(detail=f"size {found.size}")))
        return found

    def walk(self, progress: Callable[[int], None] | None = None) -> Checked:
        """The check alone, without a token and without an entry."""
        known = self._t.journal.known
        checkpoints = self._t.stores.ledger.checkpoints(self._t.name)  # before the head: the log may grow
        head = self._t.stores.ledger.head(self._t.name)
        if head is None:
            raise Tampered("the access log has no head", index=0)
        found = walking.verify(
            self._rows(head.size),
            head_size=head.size,
            head_root=Frontier.from_bytes(head.size, head.edge).root(),
            checkpoints=checkpoints,
            vkey=self.vkey,
            progress=progress,
        )
        self._refuse_beyond(head.size)
        self._refuse_bodiless(head.size)
        self._t.journal.checked(head, known)
        self._t.journal.registry()
        self._t.journal.check_cases()
        return Checked(
            size=found.size,
            root=found.root.hex(),
            signed=found.signed,
            first=iso(found.first_t) if found.first_t is not None else None,
            last=iso(found.last_t) if found.last_t is not None else None,
            kinds=dict(found.kinds),
        )

    def _refuse_beyond(self, size: int) -> None:
        """Rows beyond the head are in no tree: put there beside the vault, unless the log grew meanwhile."""
        beyond = self._t.stores.ledger.entries(self._t.name, size, 1)
        head = self._t.stores.ledger.head(self._t.name)
        if beyond and (head is None or head.size <= size):
            raise Tampered("there are entries beyond the log's head", index=size)

    def _refuse_bodiless(self, size: int) -> None:
        """Every entry has its body until a rule lets bodies go; none does yet."""
        store = self._t.stores.ledger
        if store.count_bodies(self._t.name, size) == size:
            return
        for start in range(0, size, PAGE):
            wanted = range(start, min(start + PAGE, size))
            missing = sorted(set(wanted) - store.bodies(self._t.name, wanted).keys())
            if missing:
                raise Tampered("an entry's body is missing", index=missing[0])

    def _rows(self, size: int) -> Iterator[walking.Row]:
        start = 0
        while start < size and (
            rows := self._t.stores.ledger.entries(self._t.name, start, min(PAGE, size - start))
        ):
            for row in rows:
                yield walking.Row(
                    idx=row.idx,
                    stub=row.stub,
                    who=_who(row),
                    who_salt=row.who_salt,
                    whom_digest=row.whom_digest,
                    t=row.t,
                    kind=row.kind,
                    tag=row.tag,
                    request=row.request,
                )
            start = rows[-1].idx + 1

    def checkpoint(self) -> str:
        """The newest signed checkpoint (C2SP tlog-checkpoint); public."""
        return self._t.journal.checkpoint()

    def receipt(self, index: int) -> str:
        """A C2SP `tlog-proof` that an entry stands in the log; checkable with the public key alone.

        Raises:
            NotFound: No entry has this index.
            Tampered: The stored tiles or the stub are not the log's, so that the proof would not hold.
        """
        note = self._t.journal.checkpoint()
        size = checkpoint.open_checkpoint(note, self.vkey).size
        if not 0 <= index < size:
            raise NotFound
        path = inclusion_path(index, size, Hashes(self._source, size).node)
        text = proof.make(index, path, note)
        proof.check(text, self.stub(index), self.vkey)
        return text

    def stub(self, index: int) -> bytes:
        """The exact bytes of one leaf.

        Raises:
            NotFound: No entry has this index.
        """
        found = self._t.stores.ledger.stubs(self._t.name, index, index + 1)
        if not found:
            raise NotFound
        return found[0]

    def export(self, credential: Credential, directory: Path) -> int:
        """Write the log as C2SP tiles: stubs and hashes alone, no personal data; returns files written."""
        with self._t.acting(credential, "audit") as (grant, page):
            page.add(Happening(kind="export", who=self._t.who(grant), whom=Whom(detail="tiles")))
        note = self._t.journal.checkpoint()
        size = checkpoint.open_checkpoint(note, self.vkey).size
        return export(directory, self._source, size, note)


def _principal(actor: str, registry: Registry) -> str:
    """A principal's id, by id or by name.

    Raises:
        Invalid: Several have this name.
    """
    if registry.find(Principal, actor) is not None:
        return actor
    named = [p.id for p in registry.all(Principal) if p.name == actor]
    if len(named) > 1:
        raise Invalid(
            "several principals have this name", code="invalid_actor", field="actor", remedy="give the id"
        )
    return named[0] if named else actor


def _who(row: EntryRow) -> Who:
    return Who(
        actor=row.actor, role=row.role, purpose=row.purpose, about=row.about, masked=row.masked,
        clear=row.clear, outcome=row.outcome, reason=row.reason, policy=row.policy, token=row.token,
    )  # fmt: skip


def _asked(q: Question) -> str:
    """What was asked, without personal data: a subject is named by nothing but the fact that one was."""
    parts = [
        f"{name}={value}"
        for name, value in (("actor", q.actor), ("purpose", q.purpose), ("kind", q.kind), ("field", q.field))
        if value
    ]
    return " ".join(["log list", *parts, *(["subject"] if q.subject else [])])
