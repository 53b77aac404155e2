"""The rejection report: JSON Lines, one header line, then one line for each rejection; no values.

It is written beside its final name and moved there when complete, so that a report is never half there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec

from vault.errors import Invalid, Unavailable
from vault.intake.rows import Rejection
from vault.model import Word

FORMAT: Final = "cvault/import-report/v1"


class Mark(Word):
    """How far a report is durable.

    Attributes:
        size: Bytes.
        count: Rows rejected so far.
    """

    size: int
    count: int


class Report:
    """A report being written; a context manager that leaves nothing behind when its block fails.

    `count` is how many rows were rejected so far: rows, not rejections.
    """

    def __init__(
        self, path: Path, header: Mapping[str, object], *, lasting: bool = False, mark: Mark | None = None
    ) -> None:
        """Begin a report, or go on with one.

        Args:
            path: Where it will stand when complete, mode 0600; an older one there is replaced.
            header: What the first line says besides `format`, such as kind, encoding and unknown columns.
            lasting: Keep what is written when the block fails or the process dies, for a later `mark`.
            mark: Go on here with what an interrupted run left; what it wrote after that goes.

        Raises:
            Unavailable: The folder cannot be written to.
            Invalid: What was to be gone on with is not there.
        """
        self.path = path.absolute()
        self.count = mark.count if mark else 0
        self._last_row: int | None = None
        self._encoder = msgspec.json.Encoder()
        self._lasting = lasting
        suffix = "part" if lasting else f"{secrets.token_hex(4)}.part"
        self._part = self.path.with_name(f".{self.path.name}.{suffix}")
        with _translated():
            self._file = self._reopened(mark) if mark else self._created()
        if not mark:
            self._write({"format": FORMAT, **header})

    def _created(self) -> IO[bytes]:
        if self._lasting:
            self._part.unlink(missing_ok=True)
        return os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def _reopened(self, mark: Mark) -> IO[bytes]:
        if not self._part.exists() and self.path.is_file():
            self.path.replace(self._part)  # killed after the report was put in place: its last act but one
        if not self._part.is_file() or self._part.stat().st_size < mark.size:
            raise Invalid(
                "the interrupted run's report is gone",
                code="invalid_resume",
                field="resume",
                remedy="put it back, or remove the resume file and begin again: stored rows stay unchanged",
            )
        file = self._part.open("r+b")
        file.truncate(mark.size)
        file.seek(mark.size)
        return file

    def mark(self) -> Mark:
        """Make durable what is written so far; where to go on if the process dies now."""
        with _translated():
            self._file.flush()
            os.fsync(self._file.fileno())
            return Mark(size=self._file.tell(), count=self.count)

    def __enter__(self) -> Self:
        """Go on with the report that was begun."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the report in place; after a failure, remove what was written of it."""
        if kind is None:
            self._finish()
        else:
            self._file.close()
            if not self._lasting:
                self._part.unlink(missing_ok=True)

    def add(self, rejections: Iterable[Rejection]) -> None:
        """Append the rejections of a row.

        Raises:
            Unavailable: The disk is full or the file system failed.
        """
        for rejection in rejections:
            self.count += rejection.row != self._last_row
            self._last_row = rejection.row
            self._write(rejection)

    def _write(self, line: object) -> None:
        with _translated():
            self._file.write(self._encoder.encode(line) + b"\n")

    def _finish(self) -> None:
        with _translated():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the report cannot be written: {error.strerror or 'input or output failed'}",
            field="report",
            remedy="make room or name another folder for the report",
        ) from None
