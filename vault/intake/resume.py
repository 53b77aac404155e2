"""Where an import stands, in a file: so that one that was killed goes on, and another one cannot.

The position may be a customer number or an ID number, so it is sealed, and what stands beside it in clear is
bound to it: neither the source nor the counts can be changed without notice (docs/migrate.md).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from vault.crypto.encoding import encode
from vault.crypto.provider import write_private
from vault.crypto.wrap import WrappingKey
from vault.errors import Invalid, Tampered, Unavailable
from vault.intake.report import Mark
from vault.model import Draft, Quiet

FORMAT: Final = "cvault/import-progress/v1"


class Progress(Quiet):
    """How far an import came: everything up to here is stored and durable.

    Attributes:
        position: After which row to go on.
        rows: That row's number.
        counts: Records by what became of them, such as `stored.borrower` and `unchanged`.
        report: The report's path.
        mark: How far it is durable.
    """

    position: str
    rows: int
    counts: dict[str, int]
    report: str
    mark: Mark


class _File(Quiet):
    format: str
    source: str
    rows: int
    counts: dict[str, int]
    report: str
    mark: Mark
    position: str


class ResumeFile:
    """One import's progress file.

    Attributes:
        path: Where it stands, mode 0600.
        progress: What it said when it was opened; None for a new import.
    """

    def __init__(self, path: Path, key: WrappingKey, source: str) -> None:
        """Look what is there.

        Args:
            path: The file; it need not be there.
            key: What positions are sealed with: the tenant's `keys.cursors`.
            source: The digest of what is imported: URL without password, query, key.

        Raises:
            Invalid: It is no progress file, or that of another import.
            Tampered: It was edited, or belongs to another tenant.
        """
        self.path = path
        self._key = key
        self._source = source
        self.progress = self._read() if path.exists() else None

    def save(self, progress: Progress) -> None:
        """Replace the file, whole or not at all, durably.

        Raises:
            Unavailable: The folder cannot be written to.
        """
        sealed = self._key.wrap(progress.position.encode(), self._context(progress))
        file = _File(
            format=FORMAT,
            source=self._source,
            rows=progress.rows,
            counts=progress.counts,
            report=progress.report,
            mark=progress.mark,
            position=base64.b64encode(sealed).decode("ascii"),
        )
        try:
            write_private(self.path, msgspec.json.format(msgspec.json.encode(file)) + b"\n")
        except OSError as error:
            raise Unavailable(
                f"the resume file cannot be written: {error.strerror or 'input or output failed'}",
                field="resume",
                remedy="make room, then go on with the same file",
            ) from None

    def finish(self) -> None:
        """Remove the file: the import is complete."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> Progress:
        try:
            file = msgspec.json.decode(self.path.read_bytes(), type=_File)
            sealed = base64.b64decode(file.position, validate=True)
        except (OSError, msgspec.DecodeError, binascii.Error, ValueError):
            raise _not_ours("not a progress file of an import", "name another file") from None
        if file.format != FORMAT:
            raise _not_ours("a progress file of another version", "use the cvault that wrote it")
        if file.source != self._source:
            raise _not_ours(
                "the progress of another import: URL, query, key, kind or column files differ",
                "give what that import was begun with, or name another file",
            )
        progress = Progress(
            position="", rows=file.rows, counts=file.counts, report=file.report, mark=file.mark
        )
        try:
            position = self._key.unwrap(sealed, self._context(progress)).decode()
        except Tampered:
            raise Tampered(
                "the resume file was edited, or is another tenant's",
                field="resume",
                remedy="remove it and begin again: stored rows stay unchanged",
            ) from None
        return msgspec.structs.replace(progress, position=position)

    def _context(self, progress: Progress) -> bytes:
        told = msgspec.json.encode([progress.counts, progress.report, progress.mark], order="sorted")
        return encode(FORMAT, self._source, progress.rows, told)


def demand_numbers(drafts: Iterable[Draft]) -> None:
    """Demand that every record can be told by a number of its own.

    Equal rows without one are told apart by their order within a run (`Draft.content`), and a run that goes
    on would count anew: two such rows on both sides of a kill would become one record.

    Raises:
        Invalid: One has none; raised before anything of its chunk is stored.
    """
    if any(draft.ref is None for draft in drafts):
        raise Invalid(
            "rows without a number of their own cannot be gone on with",
            code="invalid_resume",
            field="resume",
            remedy="give the column of their number, or import them without --resume",
        )


def _not_ours(problem: str, remedy: str) -> Invalid:
    return Invalid(problem, code="invalid_resume", field="resume", remedy=remedy)
