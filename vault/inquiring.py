"""Inquiring: what an auditor asks of the access log, answered on its open columns (DESIGN 7).

The *whom* of an entry is opened for those who may, with the audit key and the subject's log secret. An
auditor's own questions are entries too. Answers come page by page, so that one of millions of lines takes no
more memory than one of a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, Literal

from vault.access.tokens import Credential
from vault.asking import log_table, note, said, spoken
from vault.config import iso
from vault.errors import Invalid, NotFound
from vault.ledger import stub
from vault.ledger.registry import Principal, Registry
from vault.model import Happening, Whom, Word
from vault.stores.asking import PAGE as ROWS
from vault.stores.asking import Asked, Span
from vault.stores.rows import EntryFilter, EntryRow
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

PAGE: Final = 500
"""Lines whose bodies are opened together."""
NO_CASE: Final = "no_case"
"""The mark of a read of somebody without an open case (docs/formats/stores.md)."""


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
        view: Only those that showed something CLEAR, or nothing above MASKED; with `field`: that field.
        clear: As `view="clear"`.
        case: A case number that the body names; every body that comes into question is opened.
        node: Which node wrote it.
        token: The first hex digits of the token's digest.
        limit: Lines at most; None for all there are.
    """

    subject: str | None = None
    actor: str | None = None
    role: str | None = None
    purpose: str | None = None
    kind: str | None = None
    field: str | None = None
    view: Literal["clear", "masked"] | None = None
    clear: bool = False
    case: str | None = None
    outcome: str | None = None
    reason: str | None = None
    node: str | None = None
    token: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int | None = 100
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
        return list(self.stream(credential, question))

    def stream(self, credential: Credential, question: Question) -> Iterator[Line]:
        """As `ask`, line by line, a page of them in memory; the question is entered before this returns.

        The log may grow meanwhile: the answer ends with the question's own entry.

        Raises:
            NotFound: The subject asked about is not known here.
            Denied: The token doesn't allow to audit.
        """
        asked: Asked | None = None
        tags: list[bytes] | None = None
        with self._t.acting(credential, "audit") as (grant, page):
            registry = page.registry
            with suppress(NotFound):
                tags = self._tags(question.subject)
                asked = self._asked(question, registry)
            who = self._t.who(grant, outcome="ok" if asked else "not_found")
            page.add(Happening(kind="search", who=who, whom=Whom(detail=_words(question, asked))))
        if asked is None:
            raise NotFound
        span = self._span(question, page.receipts[-1].index + 1)
        if tags is None:
            rows = log_table(self._t).walk(asked, span, _page(question))
        else:
            rows = self._tagged(tags, asked, span)
        return self._answer(question, rows, registry)

    def no_case(
        self, credential: Credential, *, since: int | None = None, until: int | None = None
    ) -> Iterator[Line]:
        """Reads of people without an open case, as they were marked when they were written.

        Args:
            credential: Who asks.
            since: µs UTC, inclusive.
            until: µs UTC, exclusive.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        noted = note(self._t, credential, said("log no-case", **spoken(since, until)))
        span = log_table(self._t).span(since, until, noted.size)
        return self._lines(log_table(self._t).walk(Asked(mark=NO_CASE), span), noted.registry)

    def _span(self, q: Question, size: int) -> Span:
        span = log_table(self._t).span(q.since, q.until, size)
        if q.after is None:
            return span
        if q.newest_first:
            return Span(start=span.start, stop=min(span.stop, q.after))
        return Span(start=max(span.start, q.after + 1), stop=span.stop)

    def _tags(self, subject: str | None) -> list[bytes] | None:
        if subject is None:
            return None
        return [tag for ident in self._unsealer.people(subject) for tag in self._unsealer.every_tag(ident)]

    def _asked(self, q: Question, registry: Registry) -> Asked:
        about, bit = self._bit(q.field)
        return Asked(
            actor=principal_of(q.actor, registry) if q.actor else None,
            role=q.role,
            purpose=q.purpose,
            kind=q.kind,
            about=about,
            outcome=q.outcome,
            reason=q.reason,
            token=q.token,
            view="clear" if q.clear else q.view,
            bits=bit,
            newest_first=q.newest_first,
        )

    def _bit(self, field: str | None) -> tuple[str | None, int | None]:
        if field is None:
            return None, None
        kind, _, name = field.rpartition(".")
        spec = self._t.schema.kind(kind or "borrower")
        return spec.name, 1 << spec.ever(name).number

    def _tagged(self, tags: list[bytes], asked: Asked, span: Span) -> Iterator[EntryRow]:
        """The entries with these tags, which are one person's: few, so the rest is asked of them here."""
        found = self._t.stores.ledger.query(
            self._t.name, EntryFilter(tags=tags, limit=len(tags), newest_first=asked.newest_first)
        )
        return (row for row in found if span.start <= row.idx < span.stop and answers(asked, row))

    def _answer(self, q: Question, rows: Iterator[EntryRow], registry: Registry) -> Iterator[Line]:
        if q.node is not None:
            rows = (row for row in rows if stub.decode(row.stub).n == q.node)
        if q.case is None:
            return self._lines(islice(rows, q.limit), registry)
        wanted = q.case
        lines = self._lines(rows, registry)
        return islice((line for line in lines if wanted in (line.case or "").split(",")), q.limit)

    def lines(self, rows: Sequence[EntryRow], registry: Registry) -> list[Line]:
        """Entries as a person reads them; whoever asks must be known to be allowed to."""
        return list(self._lines(rows, registry))

    def _lines(self, rows: Iterable[EntryRow], registry: Registry) -> Iterator[Line]:
        left = iter(rows)
        while page := list(islice(left, PAGE)):
            opened = self._unsealer.bodies(page)
            yield from (self._line(row, opened.get(row.idx), registry) for row in page)

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


_EQUAL: Final = ("actor", "role", "purpose", "kind", "about", "outcome", "reason")
_VIEWS: Final[dict[str | None, Callable[[EntryRow, int | None], bool]]] = {
    None: lambda row, bits: bits is None or bool((row.masked | row.clear) & bits),
    "clear": lambda row, bits: bool(row.clear if bits is None else row.clear & bits),
    "masked": lambda row, bits: (
        bool(row.masked and not row.clear) if bits is None else bool(row.masked & bits)
    ),
}


def answers(asked: Asked, row: EntryRow) -> bool:
    """Whether an entry is one that is asked for; what `LogTable` asks in SQL, for rows that are at hand."""
    equal = all(getattr(asked, name) in {None, getattr(row, name)} for name in _EQUAL)
    begins = asked.token is None or row.token.startswith(asked.token)
    return equal and begins and _VIEWS[asked.view](row, asked.bits)


def principal_of(actor: str, registry: Registry) -> str:
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


def _page(q: Question) -> int:
    """Entries worth fetching at once: no more than are wanted, unless some will be left out here."""
    return ROWS if q.limit is None or q.node or q.case else min(q.limit, ROWS)


def _words(q: Question, found: Asked | None) -> str:
    """What was asked, without personal data: of a person or a case stands nothing but that one was named.

    A principal stands by id, also where they were asked for by name.
    """
    names = ("actor", "role", "purpose", "kind", "field", "view", "outcome", "reason", "node", "token")
    asked: dict[str, object] = {name: getattr(q, name) or None for name in names}
    if found is not None:
        asked["actor"] = found.actor
    if q.clear:
        asked["view"] = "clear"
    asked |= spoken(q.since, q.until)
    return said("log list", **asked, case=q.case is not None, subject=q.subject is not None)
