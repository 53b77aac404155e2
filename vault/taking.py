"""Taking in: an export's rows into records, chunk by chunk; the bench behind imports.

A row is stored whole or named in the report. Each chunk is admitted and entered anew, so a writer who is
stopped in the middle stores no more. Where an import was interrupted it goes on: a file's earlier rows are
read once more, so that the builder knows what it knew, and a table's are not (docs/import.md).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from vault.bulk import Built, Bulk, Task, task_of
from vault.errors import Denied
from vault.intake import Export, normalise
from vault.intake.report import Report
from vault.intake.resume import Progress, ResumeFile, demand_numbers
from vault.matching import Incoming
from vault.model import Draft, Grant, Happening, Whom, Word
from vault.stocking import Stocked, Stocker
from vault.tenancy import Tenancy

CHUNK_ROWS: Final = 1500
"""Rows stored at once: enough for one commit per store to weigh little, few enough to keep memory flat."""

Progressed = Callable[[int, int], None]
"""Told how far the source is read, and its size."""
Counted = Callable[[int], None]
"""Told how many rows were read."""


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
    """How an export is taken in.

    Attributes:
        encoding: Overrides detection.
        mapping: A `--map` file.
        sheet: A workbook's sheet, if it has several.
        joins: Further files whose columns are put beside, each with its sheet if it is a workbook of several.
        on: The key they are joined by: a title, or `kind.field`.
        dated: The day the file's figures are of, where no column says so.
        relationship: The reference of a new relationship with people who were erased before.
        dry_run: Check everything, store nothing.
        processes: 1 does all in this process; 0 takes a second one for a file that is worth it.
    """

    encoding: str | None = None
    mapping: Path | None = None
    sheet: str | None = None
    joins: tuple[tuple[Path, str | None], ...] = ()
    on: str | None = None
    dated: date | None = None
    relationship: str | None = None
    dry_run: bool = False
    processes: int = 0

    def digest(self, path: Path, kind: str) -> str:
        """Digest of a file, of all that decides what its rows become, and of the options beside it.

        Raises:
            OSError: One of the files can't be read.
        """
        files = [path, *(file for file, _ in self.joins), *([self.mapping] if self.mapping else [])]
        told = [_digest(file) for file in files]
        sheets = [self.sheet, *(sheet for _, sheet in self.joins)]
        told += [repr((kind, self.encoding, sheets, self.on, self.dated, self.relationship))]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


DEFAULTS: Final = ImportOptions()


class Taker:
    """Takes exports in for one tenant."""

    def __init__(self, tenancy: Tenancy, stocker: Stocker) -> None:
        self._t = tenancy
        self._stocker = stocker

    def take(
        self,
        grant: Grant,
        export: Export,
        report: Path,
        options: ImportOptions,
        *,
        progress: Progressed | None = None,
        counted: Counted | None = None,
        resume: ResumeFile | None = None,
    ) -> Imported:
        """Take an export in; good rows are stored, bad ones named in the report.

        Raises:
            Denied: The writer was stopped; what was stored stays.
            Invalid: The source changed meanwhile, or rows without a number are to be gone on with.
        """
        options = _checked(options)
        resume = None if options.dry_run else resume
        header = {"kind": export.layout.kind, "encoding": export.encoding, "unknown": list(export.unknown)}
        done = resume.progress if resume else None
        path = Path(done.report) if done else report
        after = done.rows if done and export.rereads else 0
        with Report(path, header, lasting=resume is not None, mark=done.mark if done else None) as written:
            tally = _Tally(written, export.layout.covers(), done)
            with Bulk(self._task(export), export, processes=options.processes, after=after) as bulk:
                bulk.fresh = not options.dry_run
                for chunk in bulk.chunks(CHUNK_ROWS, self._t.clock):
                    if resume is not None and not export.rereads:
                        demand_numbers(draft for row in chunk for draft in row.drafts)
                    bulk.fresh = self._chunk(grant, chunk, tally, options)
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

    def _task(self, export: Export) -> Task:
        t = self._t
        profile = t.config.settings.applies_to
        return task_of(t.keys, t.schema, t.rules, profile, export.layout, t.tenant_anchors())

    def _chunk(self, grant: Grant, chunk: Sequence[Built], tally: _Tally, options: ImportOptions) -> bool:
        """Take a chunk; returns whether most of its records were new, as those of the next may be."""
        tally.rows += len(chunk)
        good: list[Incoming] = []
        for row in chunk:
            if row.rejections:
                tally.report.add(row.rejections)
            else:
                good.append(
                    Incoming(
                        drafts=row.drafts,
                        ready=row.ready,
                        relationship=options.relationship or "",
                        covers=tally.covers,
                    )
                )
        if options.dry_run or not good:
            return not options.dry_run
        span = f"rows {chunk[0].number}-{chunk[-1].number}"
        if options.relationship:
            span += f" relationship={options.relationship}"
        done = self._stocker.store(good, lambda drafts: self.log(grant, "import", drafts, span))
        tally.add(done)
        new = sum(outcome.stored and outcome.version == 1 for outcome in done.outcomes)
        return 2 * new >= len(done.outcomes)

    def log(self, grant: Grant, kind: str, drafts: Sequence[Draft], span: str) -> None:
        """One entry for a chunk, durable before any of it can be seen; the request's use was taken before.

        Raises:
            Denied: The writer may not, by now; that is an entry too.
        """
        counts = Counter(draft.kind for draft in drafts)
        detail = " ".join([span, *(f"{name}={count}" for name, count in sorted(counts.items()))]).strip()
        who = self._t.who(grant, about=drafts[0].kind if len(counts) == 1 else "")
        try:
            with self._t.journal.page() as page:
                self._t.admit(page, grant, spend=False)
                page.add(Happening(kind=kind, who=who, whom=Whom(ticket=grant.ticket, detail=detail)))
        except Denied as refusal:
            self._t.log_denied(grant, refusal.code)
            raise


class _Tally:
    """Counts while an import runs; rejections go straight to the report, so that memory stays flat."""

    def __init__(
        self, report: Report, covers: Mapping[str, frozenset[str]], done: Progress | None = None
    ) -> None:
        self.covers = covers
        counts = dict(done.counts) if done else {}
        self.report = report
        self.rows = counts.pop("rows", 0)
        self.unchanged = counts.pop("unchanged", 0)
        self.stored: Counter[str] = Counter(counts)

    def progress(self, last: Built) -> Progress:
        """Where the import stands once a chunk is stored."""
        return Progress(
            position=last.position,
            rows=last.number,
            counts={**self.stored, "rows": self.rows, "unchanged": self.unchanged},
            report=str(self.report.path),
            mark=self.report.mark(),
        )

    def add(self, done: Stocked) -> None:
        """Count what a chunk came to."""
        self.stored += done.stored
        self.unchanged += done.unchanged
        self.report.add(done.rejections)


def _checked(options: ImportOptions) -> ImportOptions:
    """Options whose reference is fit to stand in the log: it is no number of a person."""
    if options.relationship is None:
        return options
    return msgspec.structs.replace(options, relationship=normalise("ref", options.relationship))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
