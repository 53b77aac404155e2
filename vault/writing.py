"""Writing: imports and direct writes. A record is stored whole or not at all (DESIGN 4).

Order: secrets pending → entry → payloads and facts → index → confirm. Until the confirmation no reader sees
any of it; after a crash the sweeper takes what was never confirmed. The index comes before the confirmation
so that a visible record is always findable (docs/adr/0003).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from vault.access.tokens import Credential
from vault.comparing import Compared, Comparer, Comparison, pages
from vault.deriving import Deriver
from vault.intake import Export, Rejection, open_export
from vault.intake.report import Report
from vault.intake.resume import ResumeFile
from vault.matching import Incoming
from vault.model import Draft, Grant, Word
from vault.stocking import Outcome, Stocker
from vault.taking import CHUNK_ROWS, DEFAULTS, Counted, Imported, ImportOptions, Progressed, Taker
from vault.tenancy import Tenancy


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
        self._taker = Taker(tenancy, self._stocker)

    def import_file(
        self,
        credential: Credential,
        path: Path,
        *,
        kind: str,
        report: Path,
        options: ImportOptions = DEFAULTS,
        resume: Path | None = None,
        progress: Progressed | None = None,
        counted: Counted | None = None,
    ) -> Imported:
        """Import an export file: good rows are stored, bad ones named in the report, without values.

        Args:
            credential: Must allow `import`.
            path: The file.
            kind: The layout; `borrower` yields borrower, loan, contact persons and guarantor.
            report: Where the rejections go.
            options: How it is taken in.
            resume: A file kept current after every chunk; where it is there, the import goes on from it.
            progress: Called with bytes consumed and total.
            counted: Called with the rows read so far.

        Raises:
            Invalid: The file as a whole can't be understood; nothing was stored.
            Denied: The token doesn't allow it, or the creditor's contract has ended.
        """
        grant = self._admitted(credential)
        export = open_export(
            path, self._t.schema, kind=kind, encoding=options.encoding, mapping=options.mapping,
            today=self._t.today(), dated=options.dated, sheet=options.sheet, joins=options.joins,
            on=options.on,
        )  # fmt: skip
        state = (
            None if resume is None else ResumeFile(resume, self._t.keys.cursors, options.digest(path, kind))
        )
        return self._taker.take(
            grant, export, report, options, progress=progress, counted=counted, resume=state
        )

    def import_export(
        self,
        credential: Credential,
        export: Export,
        *,
        report: Path,
        resume: ResumeFile | None = None,
        options: ImportOptions = DEFAULTS,
        progress: Progressed | None = None,
        counted: Counted | None = None,
    ) -> Imported:
        """Import what is open already, a table say; as `import_file` otherwise.

        Args:
            credential: Must allow `import`.
            export: What to read, from behind the rows that `resume` says are done.
            report: Where the rejections go; an interrupted import's report is gone on with.
            resume: Kept current after every chunk, removed at the end; a dry run leaves it alone.
            options: How it is taken in; those of a file were used when it was opened.
            progress: Called with rows read and total.
            counted: Called with the rows read so far.

        Raises:
            Denied: The token doesn't allow it, or the creditor's contract has ended.
            Invalid: Rows without a number of their own are to be gone on with.
        """
        return self._taker.take(
            self._admitted(credential), export, report, options, progress=progress, counted=counted,
            resume=resume,
        )  # fmt: skip

    def _admitted(self, credential: Credential) -> Grant:
        """The grant of one who may import, now; what a crashed writer left is taken first."""
        with self._t.acting(credential, "import") as (grant, page):
            self._t.demand_contract(page.registry)
        self.sweep()
        return grant

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
        with self._t.acting(credential, "import") as (grant, page):
            self._t.demand_contract(page.registry)
        with Report(report, {"compared": True, "unknown": list(export.unknown)}) as written:
            tally = Comparison(self._t.keys.handle_key, written)
            differed: set[str] = set()
            for chunk in pages(export.rows(), CHUNK_ROWS):
                good = [row for row in chunk if not row.rejections]
                found = self._comparer.compare([row.drafts for row in good], differed, export.layout.covers())
                if good:
                    span = f"compared rows {chunk[0].number}-{chunk[-1].number}"
                    self._taker.log(grant, "verify", [draft for row in good for draft in row.drafts], span)
                tally.add(chunk, found)
                if progress is not None:
                    progress(chunk[-1].consumed_bytes, export.total_bytes)
        return tally.result(export.unknown)

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
        done = store(rows, lambda stored: self._taker.log(grant, "write", stored, span))
        return Written(
            records=[outcome.record for outcome in done.outcomes],
            items=done.outcomes,
            stored=dict(done.stored),
            unchanged=done.unchanged,
            errors=sorted(faults + done.rejections, key=lambda fault: fault.row),
        )

    def sweep(self) -> int:
        """Take what a crashed write left unconfirmed past its deadline; returns how many versions."""
        self._t.demand_schema()
        return self._deriver.sweep()


def _own(draft: Draft, grant: Grant) -> Draft:
    """A draft whose writer's key is that writer's own: two services may choose the same."""
    if not draft.once:
        return draft
    digest = hashlib.sha256(grant.principal.encode() + b"\0" + draft.content).digest()[:16]
    return msgspec.structs.replace(draft, content=digest)
