"""Breaches: whom one token, principal or node touched in a time, read from the log (PIPL 57)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from vault.asking import said
from vault.config import iso
from vault.errors import Invalid
from vault.ledger import stub
from vault.model import View, Whom, Word
from vault.schema import FieldSpec
from vault.stores.rows import EntryFilter, EntryRow
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

PAGE: Final = 1000
SHORTEST: Final = 8
"""Hex digits of a token that name it."""

Progress = Callable[[int], None]


class Breach(Word):
    """What an incident came by: entries of one token, principal or node. Times are µs UTC.

    Attributes:
        token: Hex digits that its digest begins with, as entries name tokens; those narrowed from it have
            digests of their own.
        actor: A principal, by id or name.
        node: A node's name.
        since, until: From `since` on and before `until`.
        incident: The incident it is looked up for, "" for none.
    """

    since: int
    until: int
    token: str = ""
    actor: str = ""
    node: str = ""
    incident: str = ""


class Person(Word):
    """Somebody a breach touched.

    Attributes:
        subject: The subject's id.
        records: Ids of their records that were touched.
        fields: The highest view of each field shown, as `kind.field`.
        entries: How many entries, and of which kinds.
        first, last: ISO 8601, UTC.
    """

    subject: str
    records: tuple[str, ...]
    fields: dict[str, str]
    entries: dict[str, int]
    first: str
    last: str


class Affected(Word):
    """What a breach touched, as PIPL 57's notice wants it: kinds of data, how many people, since when.

    Attributes:
        persons: How many can be named.
        entries: Entries that touched somebody, theirs whom nobody can name any more included.
        unidentifiable: Entries about people whose log secret is gone: erased, no longer identifiable.
        others: Entries that are about nobody: searches, its own issue, questions.
        refused: What was refused, and so showed nothing.
        kinds: Persons by kind of record. compartments: Persons by kind, compartment and view.
        first, last: Of the entries that touched somebody; None if none did.
    """

    persons: int
    entries: int
    unidentifiable: int
    others: int
    refused: int
    kinds: dict[str, int]
    compartments: dict[str, int]
    first: str | None
    last: str | None


class _Touched:
    """One person while the log is walked."""

    __slots__ = ("clear", "entries", "first", "last", "masked", "records")

    def __init__(self, at: int) -> None:
        self.records: set[str] = set()
        self.masked: dict[str, int] = {}
        self.clear: dict[str, int] = {}
        self.entries: Counter[str] = Counter()
        self.first = at
        self.last = at

    def add(self, row: EntryRow, whom: Whom) -> None:
        """An entry about them."""
        self.last = row.t
        self.entries[row.kind] += 1
        if whom.record:
            self.records.add(whom.record)
        if row.about:
            self.masked[row.about] = self.masked.get(row.about, 0) | row.masked
            self.clear[row.about] = self.clear.get(row.about, 0) | row.clear


class Walk:
    """Walks the log for a breach, a page at a time; what it keeps grows with the people touched alone."""

    def __init__(self, tenancy: Tenancy, breach: Breach, actor: str) -> None:
        self._t = tenancy
        self._breach = breach
        self._actor = actor
        self._bodies = Unsealer(tenancy)
        self._touched: dict[str, _Touched] = {}
        self._counts: Counter[str] = Counter()

    def run(self, progress: Progress | None = None) -> None:
        """Walk it."""
        for done, rows in enumerate(self._pages(), 1):
            self._add(rows)
            if progress is not None:
                progress(done * PAGE)

    def people(self) -> Iterator[Person]:
        """Everybody touched who can be named, by subject id."""
        return (self._person(subject, one) for subject, one in sorted(self._touched.items()))

    def _pages(self) -> Iterator[list[EntryRow]]:
        """The entries of a breach, a page at a time; an entry's time never runs backwards."""
        store, name, breach = self._t.stores.ledger, self._t.name, self._breach
        start = store.index_at(name, breach.since)
        while start is not None:
            if self._actor:
                asked = EntryFilter(actor=self._actor, until=breach.until, after_idx=start - 1, limit=PAGE)
                rows = store.query(name, asked)
            else:
                rows = store.entries(name, start, PAGE)
            mine = [row for row in rows if row.t < breach.until and _is_of(row, breach)]
            start = rows[-1].idx + 1 if len(rows) == PAGE and rows[-1].t < breach.until else None
            yield mine

    def _add(self, rows: Sequence[EntryRow]) -> None:
        counts, touched = self._counts, self._touched
        shown = [row for row in rows if row.outcome == "ok" and row.tag]
        counts["refused"] += sum(row.outcome != "ok" for row in rows)
        counts["others"] += sum(row.outcome == "ok" and not row.tag for row in rows)
        bodies = self._bodies.bodies(shown)
        for row in shown:
            counts["first"] = counts["first"] or row.t
            counts["last"] = row.t
            counts["entries"] += 1
            whom = bodies.get(row.idx)
            if whom is None:
                counts["unidentifiable"] += 1
                continue
            one = touched.get(whom.subject)
            if one is None:
                one = touched[whom.subject] = _Touched(row.t)
            one.add(row, whom)

    def _fields(self, one: _Touched) -> Iterator[tuple[str, FieldSpec, View]]:
        """Every field shown of somebody, with its kind and the highest view."""
        for about in sorted(one.masked):
            spec = self._t.schema.kinds.get(about)
            for field in (*spec.fields.values(), *spec.retired.values()) if spec else ():
                bit = 1 << field.number
                if one.clear[about] & bit:
                    yield about, field, View.CLEAR
                elif one.masked[about] & bit:
                    yield about, field, View.MASKED

    def _person(self, subject: str, one: _Touched) -> Person:
        return Person(
            subject=subject,
            records=tuple(sorted(one.records)),
            fields={f"{kind}.{field.name}": view.name for kind, field, view in self._fields(one)},
            entries=dict(sorted(one.entries.items())),
            first=iso(one.first),
            last=iso(one.last),
        )

    def summary(self) -> Affected:
        """What it came to."""
        counts, touched = self._counts, self._touched
        kinds: Counter[str] = Counter()
        compartments: Counter[str] = Counter()
        for one in touched.values():
            kinds.update(one.masked.keys())
            compartments.update({f"{k}.{f.compartment} {view.name}" for k, f, view in self._fields(one)})
        return Affected(
            persons=len(touched), entries=counts["entries"], unidentifiable=counts["unidentifiable"],
            others=counts["others"], refused=counts["refused"], kinds=dict(sorted(kinds.items())),
            compartments=dict(sorted(compartments.items())),
            first=iso(counts["first"]) if counts["entries"] else None,
            last=iso(counts["last"]) if counts["entries"] else None,
        )  # fmt: skip


def _is_of(row: EntryRow, breach: Breach) -> bool:
    if breach.token:
        return row.token.startswith(breach.token[:16])
    return not breach.node or stub.decode(row.stub).n == breach.node


def check(breach: Breach) -> None:
    """Demand one side and a time.

    Raises:
        Invalid: None or several of token, principal and node are named, or the time is no time.
    """
    named = [side for side in (breach.token, breach.actor, breach.node) if side]
    if len(named) != 1:
        raise Invalid(
            "name a token, a principal or a node", code="invalid_breach", field="token",
            remedy="one of --token-prefix HEX, --actor P, --node N",
        )  # fmt: skip
    if breach.since >= breach.until:
        raise Invalid(
            "the time ends before it begins",
            code="invalid_time",
            field="until",
            remedy="give --since before --until; UTC unless they have an offset",
        )
    digits = len(breach.token) >= SHORTEST and not set(breach.token) - set("0123456789abcdef")
    if breach.token and not digits:
        raise Invalid(
            "not the beginning of a token's digest", code="invalid_token", field="token",
            remedy="8 to 16 hex digits, as `token` of log list gives them",
        )  # fmt: skip


def asked(breach: Breach, actor: str) -> str:
    """What was asked, as an entry says it: a principal by id, and nothing that may be a borrower's."""
    named = {"token": breach.token or None, "actor": actor or None, "node": breach.node or None}
    times = {"from": iso(breach.since), "to": iso(breach.until)}
    return f"{breach.incident} {said('affected', **named, **times)}".strip()
