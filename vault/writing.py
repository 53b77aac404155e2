"""Writing: imports and direct writes. A record is stored whole or not at all (DESIGN 4).

Order: secrets pending → entry → payloads and facts → index → confirm. Until the confirmation no reader sees
any of it; after a crash the sweeper takes what was never confirmed. The index comes before the confirmation
so that a visible record is always findable (docs/adr/0003).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.bulk import Built, Bulk, Task, task_of
from vault.comparing import Compared, Comparer, Comparison, pages
from vault.deriving import Deriver
from vault.errors import Denied
from vault.intake import Export, Rejection, normalise, open_export
from vault.intake.report import Report
from vault.intake.resume import Progress, ResumeFile, demand_numbers
from vault.matching import Incoming
from vault.model import Draft, Grant, Happening, Whom, Word
from vault.stocking import Outcome, Stocked, Stocker
from vault.tenancy import Tenancy

CHUNK_ROWS: Final = 1500
"""Rows stored at once: enough for one commit per store to weigh little, few enough to keep memory flat."""


class Imported(Word):
    """What an import did.

    Attributes:
        rows: Data rows read.
        stored, unchanged: Records by kind.
        rejected: Rows refused; each with its reason in the report.
        report: Absolute path of the report.
        encoding: How the file was read.
        unknown: Headers that mean nothing to the schema; their columns were not stored.
    """

    rows: int
    stored: dict[str, int]
    unchanged: int
    rejected: int
    report: str
    encoding: str
    unknown: list[str]


class ImportOptions(Word):
    """How a file is taken in.

    Attributes:
        encoding: Overrides detection.
        mapping: A `--map` file.
        dry_run: Check everything, store nothing.
        dated: The day the file's figures are of, where no column says so.
        relationship: The reference of a new relationship with people who were erased before.
        processes: 1 does all in this process; 0 takes a second one for a file that is worth it.
    """

    encoding: str | None = None
    mapping: Path | None = None
    dry_run: bool = False
    dated: date | None = None
    relationship: str | None = None
    processes: int = 0


DEFAULTS: Final = ImportOptions()


class Written(Word):
    """What a direct write did.

    Attributes:
        records: The ids of the records taken, in order.
        items: What became of each of these.
        stored: Counts by kind of what was written; the rest was `unchanged`.
        errors: What was refused, by its place in the request (`row`, from 1); only where part may succeed.
    """

    records: list[str]
    items: list[Outcome]
    stored: dict[str, int]
    unchanged: int
    errors: list[Rejection]


class Writing:
    """The room of those who bring data in."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._stocker = Stocker(tenancy)
        self._deriver = Deriver(tenancy)
        self._comparer = Comparer(tenancy)

    def import_file(
        self,
        credential: Credential,
        path: Path,
        *,
        kind: str,
        report: Path,
        options: ImportOptions = DEFAULTS,
        progress: Callable[[int, int], None] | None = None,
        counted: Callable[[int], None] | None = None,
    ) -> Imported:
        """Import an export file: good rows are stored, bad ones named in the report, without values.

        Args:
            credential: Must allow `import`.
            path: The file.
            kind: The layout; `borrower` yields borrower, loan and contact_person.
            report: Where the rejections go.
            options: How it is taken in.
            progress: Called with bytes consumed and total.
            counted: Called with the rows read so far.

        Raises:
            Invalid: The file as a whole can't be understood; nothing was stored.
            Denied: The token doesn't allow it, or the creditor's contract has ended.
        """
        with self._t.acting(credential, "import") as (grant, page):
            self._t.demand_contract(page.registry)
        self.sweep()
        options = _checked(options)
        export = open_export(
            path,
            self._t.schema,
            kind=kind,
            encoding=options.encoding,
            mapping=options.mapping,
            dated=options.dated,
            today=self._t.today(),
        )
        return self._import(grant, export, report, options=options, progress=progress, counted=counted)

    def import_export(
        self,
        credential: Credential,
        export: Export,
        *,
        report: Path,
        resume: ResumeFile | None = None,
        options: ImportOptions = DEFAULTS,
        progress: Callable[[int, int], None] | None = None,
        counted: Callable[[int], None] | None = None,
    ) -> Imported:
        """Import what is open already, a table say; as `import_file` otherwise.

        Args:
            credential: Must allow `import`.
            export: What to read, from behind the rows that `resume` says are done.
            report: Where the rejections go; an interrupted import's report is gone on with.
            resume: Kept current after every chunk, removed at the end; a dry run leaves it alone.
            options: How it is taken in; `encoding` and `mapping` were used when it was opened.
            progress: Called with rows read and total.
            counted: Called with the rows read so far.

        Raises:
            Denied: The token doesn't allow it, or the creditor's contract has ended.
            Invalid: Rows without a number of their own are to be gone on with.
        """
        with self._t.acting(credential, "import") as (grant, page):
            self._t.demand_contract(page.registry)
        self.sweep()
        options = _checked(options)
        resume = None if options.dry_run else resume
        return self._import(
            grant, export, report, options=options, progress=progress, counted=counted, resume=resume
        )

    def _import(
        self,
        grant: Grant,
        export: Export,
        report: Path,
        *,
        options: ImportOptions,
        progress: Callable[[int, int], None] | None,
        counted: Callable[[int], None] | None,
        resume: ResumeFile | None = None,
    ) -> Imported:
        header = {"kind": export.layout.kind, "encoding": export.encoding, "unknown": list(export.unknown)}
        done = resume.progress if resume else None
        path = Path(done.report) if done else report
        with Report(path, header, lasting=resume is not None, mark=done.mark if done else None) as written:
            tally = _Tally(written, done)
            with Bulk(self._task(export), export, processes=options.processes) as bulk:
                for chunk in bulk.chunks(CHUNK_ROWS, self._t.clock):
                    if resume is not None:
                        demand_numbers(draft for row in chunk for draft in row.drafts)
                    self._import_chunk(grant, chunk, tally, options)
                    if resume is not None:
                        resume.save(tally.progress(chunk[-1]))
                    if progress is not None:
                        progress(chunk[-1].consumed, export.total_bytes)
                    if counted is not None:
                        counted(tally.rows)
        if resume is not None:
            resume.finish()
        return Imported(
            rows=tally.rows,
            stored=dict(tally.stored),
            unchanged=tally.unchanged,
            rejected=written.count,
            report=str(written.path),
            encoding=export.encoding,
            unknown=list(export.unknown),
        )

    def compare(
        self,
        credential: Credential,
        export: Export,
        *,
        report: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> Compared:
        """Compare a source with the vault, row by row; values stay inside, and each page is an entry first.

        Args:
            credential: Must allow `import`: who may write these values may ask whether they stand.
            export: What to read.
            report: Where it says which rows differ, in what fields, without values.
            progress: Called with what was read and its total.

        Raises:
            Denied: The token doesn't allow it.
            Tampered: A record is not what the vault wrote.
        """
        with self._t.acting(credential, "import") as (grant, _):
            pass
        with Report(report, {"compared": True, "unknown": list(export.unknown)}) as written:
            tally = Comparison(self._t.keys.handle_key, written)
            for chunk in pages(export.rows(), CHUNK_ROWS):
                good = [row for row in chunk if not row.rejections]
                found = self._comparer.compare([row.drafts for row in good])
                if good:
                    span = f"compared rows {chunk[0].number}-{chunk[-1].number}"
                    self._log(grant, "verify", [draft for row in good for draft in row.drafts], span)
                tally.add(chunk, found)
                if progress is not None:
                    progress(chunk[-1].consumed_bytes, export.total_bytes)
        return tally.result(export.unknown)

    def _task(self, export: Export) -> Task:
        t = self._t
        profile = t.config.settings.applies_to
        return task_of(t.keys, t.schema, t.rules, profile, export.layout, t.tenant_anchors())

    def _import_chunk(
        self, grant: Grant, chunk: Sequence[Built], tally: _Tally, options: ImportOptions
    ) -> None:
        tally.rows += len(chunk)
        good: list[Incoming] = []
        for row in chunk:
            if row.rejections:
                tally.report.add(row.rejections)
            else:
                good.append(
                    Incoming(drafts=row.drafts, ready=row.ready, relationship=options.relationship or "")
                )
        if options.dry_run or not good:
            return
        span = f"rows {chunk[0].number}-{chunk[-1].number}"
        if options.relationship:
            span += f" relationship={options.relationship}"
        done = self._stocker.store(good, lambda drafts: self._log(grant, "import", drafts, span))
        tally.add(done)

    def write(
        self, credential: Credential, drafts: Sequence[Draft | Rejection], *, partial: bool = False
    ) -> Written:
        """Store all of the records or none; with `partial`, each that can be.

        Args:
            credential: Must allow `write`.
            drafts: What to store; a rejection stands for what could not even be read.
            partial: Take what can be taken and name the rest.

        Raises:
            Invalid: A record names a case nobody has, say; nothing of the request was stored.
            Denied: The token doesn't allow it, or the creditor's contract has ended.
        """
        faults = [draft for draft in drafts if isinstance(draft, Rejection)]
        with self._t.acting(credential, "write") as (grant, page):
            self._t.demand_contract(page.registry)
        self.sweep()
        store = self._stocker.store if partial else self._stocker.store_all
        rows = [
            Incoming(drafts=(_own(draft, grant),), relationship=draft.relationship)
            for draft in drafts
            if isinstance(draft, Draft)
        ]
        if faults and not partial:
            faults[0].refuse()
        references = sorted({row.relationship for row in rows if row.relationship})
        span = f"relationship={','.join(references)}" if references else ""
        done = store(rows, lambda stored: self._log(grant, "write", stored, span))
        return Written(
            records=[outcome.record for outcome in done.outcomes],
            items=done.outcomes,
            stored=dict(done.stored),
            unchanged=done.unchanged,
            errors=sorted(faults + done.rejections, key=lambda fault: fault.row),
        )

    def _log(self, grant: Grant, kind: str, drafts: Sequence[Draft], span: str) -> None:
        """One entry for a chunk, durable before any of it can be seen; the request's use was taken before."""
        counts = Counter(draft.kind for draft in drafts)
        detail = " ".join([span, *(f"{name}={count}" for name, count in sorted(counts.items()))]).strip()
        who = self._t.who(grant, about=drafts[0].kind if len(counts) == 1 else "")
        try:
            with self._t.journal.page() as page:
                page.admit(grant, spend=False)
                page.add(Happening(kind=kind, who=who, whom=Whom(ticket=grant.ticket, detail=detail)))
        except Denied as refusal:
            self._t.log_denied(grant, refusal.code)
            raise

    def sweep(self) -> int:
        """Take what a crashed write left unconfirmed past its deadline; returns how many versions."""
        return self._deriver.sweep()


def _checked(options: ImportOptions) -> ImportOptions:
    """Options whose reference is fit to stand in the log: it is no number of a person."""
    if options.relationship is None:
        return options
    return msgspec.structs.replace(options, relationship=normalise("ref", options.relationship))


def _own(draft: Draft, grant: Grant) -> Draft:
    """A draft whose writer's key is that writer's own: two services may choose the same."""
    if not draft.once:
        return draft
    digest = hashlib.sha256(grant.principal.encode() + b"\0" + draft.content).digest()[:16]
    return msgspec.structs.replace(draft, content=digest)


class _Tally:
    """Counts while an import runs; rejections go straight to the report, so that memory stays flat."""

    def __init__(self, report: Report, done: Progress | None = None) -> None:
        counts = dict(done.counts) if done else {}
        self.report = report
        self.rows = done.rows if done else 0
        self.unchanged = counts.pop("unchanged", 0)
        self.stored: Counter[str] = Counter(counts)

    def progress(self, last: Built) -> Progress:
        """Where the import stands once a chunk is stored."""
        return Progress(
            position=last.position,
            rows=last.number,
            counts={**self.stored, "unchanged": self.unchanged},
            report=str(self.report.path),
            mark=self.report.mark(),
        )

    def add(self, done: Stocked) -> None:
        """Count what a chunk came to."""
        self.stored += done.stored
        self.unchanged += done.unchanged
        self.report.add(done.rejections)
