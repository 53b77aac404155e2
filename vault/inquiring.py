"""Inquiring: what an auditor asks of the access log, answered on its open columns (DESIGN 7).

The *whom* of an entry is opened for those who may, with the audit key and the subject's log secret. An
auditor's own questions are entries too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from vault.access.tokens import Credential
from vault.config import iso
from vault.errors import Invalid, NotFound
from vault.ledger.registry import Principal, Registry
from vault.model import Happening, Whom, Word
from vault.stores.rows import EntryFilter, EntryRow
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer


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


class Inquiring:
    """The questions of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._unsealer = Unsealer(tenancy)

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
        return self.lines(rows, registry)

    def _filter(self, q: Question, registry: Registry) -> EntryFilter:
        about, bit = self._bit(q.field)
        people = self._unsealer.people(q.subject) if q.subject is not None else []
        tags = [tag for subject in people for tag in self._unsealer.every_tag(subject)]
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

    def lines(self, rows: Sequence[EntryRow], registry: Registry) -> list[Line]:
        """Entries as a person reads them; whoever asks must be known to be allowed to."""
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


def _asked(q: Question) -> str:
    """What was asked, without personal data: a subject is named by nothing but the fact that one was."""
    parts = [
        f"{name}={value}"
        for name, value in (("actor", q.actor), ("purpose", q.purpose), ("kind", q.kind), ("field", q.field))
        if value
    ]
    return " ".join(["log list", *parts, *(["subject"] if q.subject else [])])
