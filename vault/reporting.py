"""Reporting: the report of all accesses that a borrower is handed, with the proof that none was left out.

The bench of the auditing room for a person's right to know and to copy (PIPL 44, 45). It hands over the tag
keys of the generations that the person's entries stand in and ends the current one, so that whoever holds
the report follows no later access (docs/formats/access-report.md). The report's own entry is the last of
the generation it ends: a report tells of its own making.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.balancing import Progress, Scales, judge
from vault.config import iso
from vault.errors import Denied, Invalid, NotFound, Tampered
from vault.ledger import checkpoint, stub
from vault.ledger.note import VKey, to_base64
from vault.ledger.powers import Principal
from vault.ledger.registry import Registry
from vault.ledger.tiles import Hashes
from vault.merkle import check_inclusion, inclusion_path, leaf_hash
from vault.model import Grant, Happening, Whom, Word
from vault.numbering import swept_handle
from vault.proving import Source, who_of
from vault.pruning import floor_of
from vault.report.document import Part, Proven, document, sealed
from vault.report.page import Access, Accesses, render
from vault.report.words import HOUSES, Words
from vault.stores.rows import EntryRow
from vault.tenancy import Tenancy
from vault.unsealing import Series, Unsealer

LANGUAGES: Final = ("zh", "en")
PURPOSES: Final = ("subject_request", "audit", "regulator")
"""What a report may be made for."""
WITH_WHOM: Final = ("audit", "regulator")
"""For what a report may also say which case, record and ticket: never for the person."""
_STAFF: Final = 6
"""Characters of a principal's random id by which the page tells one member of staff from another."""
_WHOM: Final = msgspec.json.Decoder(Whom).decode


class Report(Word):
    """A report, and what it holds in numbers.

    Attributes:
        file: The HTML file's bytes.
        entries: How many entries it lists. index: That of its own entry, the last.
        series: How many generations of tags it hands over.
        size: The size of the log under whose checkpoint it is proved.
        first, last: ISO times of the first and the last entry.
    """

    file: bytes
    entries: int
    series: int
    index: int
    size: int
    first: str
    last: str


class _Found(Word):
    """One entry of the report: its row, its place in the series, and its *whom* with the salt."""

    row: EntryRow
    series: int
    number: int
    whom_salt: bytes
    whom: bytes


class _Making(Word):
    """What one report is made with.

    Attributes:
        made: µs UTC.
        registry: As it stood on the report's page.
        words: Those of the report's language.
        with_whom: Whether cases, tickets and the like are disclosed.
        gone: How many older entries the log's retention has let go.
    """

    made: int
    registry: Registry
    words: Words
    with_whom: bool
    gone: int


class Reporting:
    """The reports of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._reporter = Reporter(tenancy)

    def report(
        self,
        credential: Credential,
        subject: str,
        *,
        lang: str = "zh",
        with_whom: bool = False,
        weighed: bool = True,
        progress: Progress | None = None,
    ) -> Report:
        """Every access to one person's data, for that person, proved.

        The whole log is weighed first: counters carry no MAC, so an entry tagged with a number far ahead of
        the person's own shows in the balance alone (SECURITY.md, promise 5).

        Args:
            credential: A token that allows `audit`, for one of `PURPOSES`.
            subject: A subject's id, one of their records', or `KIND:EXTERNAL_ID`.
            lang: "zh" or "en".
            with_whom: Also disclose case, record and ticket; for one of `WITH_WHOM` alone.
            weighed: False where the balance was found even just now.
            progress: Called with the entries weighed, and all of them.

        Raises:
            NotFound: Nobody here, or their log secret is gone.
            Denied: The token doesn't allow it.
            Tampered: The log does not give every entry of this person, or not as it was written; or it isn't
                even.
        """
        if weighed:
            self._reporter.demand_even(credential, progress)
        return self._reporter.report(credential, subject, lang=lang, with_whom=with_whom)


class Reporter:
    """Makes one tenant's reports."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._unsealer = Unsealer(tenancy)
        self._source = Source(tenancy.stores.ledger, tenancy.name)

    def demand_even(self, credential: Credential, progress: Progress | None) -> None:
        """Demand that every entry of the log is somebody's, and that whoever asks may ask."""
        grant = self._t.authenticate(credential)
        self._t.authorise(grant, "audit")
        judge(Scales(self._t).weigh(progress or (lambda _done, _total: None), bodies=False))

    def report(
        self, credential: Credential, subject: str, *, lang: str = "zh", with_whom: bool = False
    ) -> Report:
        """As `Reporting.report`."""
        if lang not in LANGUAGES:
            raise Invalid("no such language", field="lang", remedy="zh or en")
        with self._t.acting(credential, "audit") as (grant, page):
            _demand_purpose(grant, with_whom=with_whom)
            people = self._one_person(self._unsealer.people(subject))
            self._demand_kept(people)
            series = self._unsealer.series(people)
            self._unsealer.demand_last(series)
            page.add(self._own(grant, people[0]))
            page.end_tags(people)
            made, registry = page.now, page.registry
        left, rows = self._unsealer.there(_with_own(series, people[0]))
        handed = [(subject, one) for subject, each in left.items() for one in each if one.count > one.first]
        gone = sum(one.first for each in left.values() for one in each)
        making = _Making(made=made, registry=registry, words=Words(lang), with_whom=with_whom, gone=gone)
        found = self._listed(handed, rows)
        note = self._t.journal.checkpoint()
        return self._made(found, handed, note, making)

    def _one_person(self, people: Sequence[str]) -> list[str]:
        """Those of a merged person's subjects who are nobody else: one who has records again is another.

        A series of tags can't be divided, so the accesses to a record from before it was merged are told to
        whom they were entered for, and to nobody beside (PIPL 44: one's own information).
        """
        return [people[0], *(one for one in people[1:] if not self._is_here(one))]

    def _is_here(self, subject: str) -> bool:
        """Whether a record is this subject's own, as things now stand."""
        ids = self._t.stores.records.of_subject(self._t.name, subject)
        return any(held.row.subject == subject for held in self._t.keeping.fetch(ids).values())

    def _demand_kept(self, people: Sequence[str]) -> None:
        """Demand that no log secret is about to go: what was declared of them counts no further entry.

        Raises:
            NotFound: One is.
        """
        handles = [swept_handle(self._t.keys, one) for one in people]
        if self._t.stores.ledger.counters(self._t.name, handles):
            raise NotFound

    def _own(self, grant: Grant, subject: str) -> Happening:
        """The report's own entry, which is about the person."""
        (row,) = self._t.stores.keys.subjects(self._t.name, [subject])
        return Happening(
            kind="export",
            who=self._t.who(grant),
            whom=Whom(subject=subject, ticket=grant.ticket, detail="access report"),
            secret=self._t.keeping.log_secret(row),
            shelf=row.shelf,
        )

    def _listed(self, handed: Sequence[tuple[str, Series]], rows: Sequence[EntryRow]) -> list[_Found]:
        """Every entry of these series, in the order of the log, each with its *whom* opened.

        Raises:
            Tampered: One isn't what its stub commits to, or is logged under a tag of somebody else's.
        """
        places = {
            tag: (place, number)
            for place, (_, one) in enumerate(handed)
            for number, tag in enumerate(one.tags(), one.first)
        }
        opened, bodies = self._unsealer.payloads(rows), floor_of(self._t.journal.registry()).bodies
        found = []
        for row in rows:
            place, number = places[row.tag]
            salt, whom = opened.get(row.idx, (b"", b""))
            self._check(row, whom, handed[place][0], pruned=row.idx < bodies)
            found.append(_Found(row=row, series=place, number=number, whom_salt=salt, whom=whom))
        return found

    @staticmethod
    def _check(row: EntryRow, whom: bytes, subject: str, *, pruned: bool) -> None:
        """Check that an entry is what its stub commits to, and about the person whose tag it carries.

        A body that the log's retention has let go says nothing any more: its digest stands for it.
        """
        entry = stub.decode(row.stub)
        try:
            stub.check_who(entry, who_of(row), row.who_salt, row.whom_digest)
        except Tampered as fault:
            raise Tampered(fault.message, index=row.idx) from None
        if entry.tag != row.tag or not (whom or pruned):
            raise Tampered("an entry is not what its stub commits to", index=row.idx)
        if whom and _WHOM(whom).subject != subject:
            raise Tampered("an entry is logged under another person's tag", index=row.idx)

    def _made(
        self, found: Sequence[_Found], handed: Sequence[tuple[str, Series]], note: str, making: _Making
    ) -> Report:
        origin, key = self._t.keys.origin, self._t.keys.log
        point = checkpoint.open_checkpoint(note, VKey(name=origin, public=key.public))
        proof = document(
            origin=origin,
            checkpoint=note,
            made=making.made,
            series=[(one.key, one.first, one.count) for _, one in handed],
            entries=list(self._proven(found, point, with_whom=making.with_whom)),
        )
        told = Accesses(
            entries=tuple(self._access(one, making) for one in found),
            made=making.made,
            origin=origin,
            size=point.size,
            root=to_base64(point.root),
            gone=making.gone,
            with_whom=making.with_whom,
            sandbox=self._t.policy.sandbox,
        )
        return Report(
            file=sealed(render(told, making.words), proof, origin, key),
            entries=len(found),
            series=len(handed),
            index=found[-1].row.idx,
            size=point.size,
            first=iso(found[0].row.t),
            last=iso(found[-1].row.t),
        )

    def _proven(
        self, found: Sequence[_Found], point: checkpoint.Checkpoint, *, with_whom: bool
    ) -> Iterator[Proven]:
        """The entries with their inclusion paths, each checked before it is handed over."""
        hashes = Hashes(self._source, point.size)
        for one in found:
            row, who = one.row, stub.who_bytes(who_of(one.row))
            path = inclusion_path(row.idx, point.size, hashes.node)
            check_inclusion(leaf_hash(row.stub), row.idx, point.size, path, point.root)
            shown = Part(digest=row.whom_digest)
            if with_whom and one.whom:
                shown = Part(text=one.whom.decode(), salt=one.whom_salt)
            yield Proven(
                index=row.idx,
                series=one.series,
                number=one.number,
                stub=row.stub,
                path=tuple(path),
                who=Part(text=who.decode(), salt=row.who_salt),
                whom=shown,
            )

    def _access(self, one: _Found, making: _Making) -> Access:
        row, policy, words = one.row, self._t.policy.file, making.words
        role, purpose = policy.roles.get(row.role), policy.purposes.get(row.purpose)
        masked, clear = self._titles(row, words)
        return Access(
            index=row.idx, t=row.t, kind=row.kind, role=row.role, purpose=row.purpose, outcome=row.outcome,
            reason=row.reason,
            role_zh=role.zh if role else "",
            purpose_zh=purpose.zh if purpose else "",
            basis=purpose.basis if purpose else None,
            agency=_agency(making.registry, row.actor),
            house=words.of(HOUSES, self._t.config.settings.applies_to),
            staff=row.actor[-_STAFF:],
            about=self._about(row, words),
            masked=masked,
            clear=clear,
            whom=_lines(_WHOM(one.whom)) if making.with_whom and one.whom else (),
        )  # fmt: skip

    def _about(self, row: EntryRow, words: Words) -> str:
        spec = self._t.schema.kinds.get(row.about)
        return words.pick((spec.zh, spec.en)) if spec else row.about

    def _titles(self, row: EntryRow, words: Words) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The titles of the fields that an entry showed masked, and in clear; retired ones too."""
        spec = self._t.schema.kinds.get(row.about)
        fields = (*spec.fields.values(), *spec.retired.values()) if spec else ()
        titled = [(1 << field.number, words.pick((field.zh, field.en))) for field in fields]
        clear = tuple(title for bit, title in titled if row.clear & bit)
        return tuple(title for bit, title in titled if row.masked & bit and not row.clear & bit), clear


def _demand_purpose(grant: Grant, *, with_whom: bool) -> None:
    """Demand a purpose that a report may be made for.

    Raises:
        Denied: `purpose_denied`.
    """
    if grant.purpose not in (WITH_WHOM if with_whom else PURPOSES):
        raise Denied(
            "no report may be made for this purpose", code="purpose_denied", remedy="a token for another"
        )


def _with_own(series: Mapping[str, Sequence[Series]], own: str) -> dict[str, list[Series]]:
    """The series with one entry more in the current generation of `own`: the report's."""
    last = series[own][-1]
    more = msgspec.structs.replace(last, count=last.count + 1)
    return {who: [*each[:-1], more] if who == own else list(each) for who, each in series.items()}


def _agency(registry: Registry, actor: str) -> str:
    """The name of the agency whose staff an actor is, "" for the house."""
    known = registry.find(Principal, actor)
    if known is None or not known.agency:
        return ""
    agency = registry.find(Principal, known.agency)
    return agency.name if agency else known.agency


def _lines(whom: Whom) -> tuple[str, ...]:
    return tuple(text for text in (whom.case, whom.record, whom.ticket, whom.detail) if text)
