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
from typing import Final, Self

import msgspec

from vault.errors import Unavailable
from vault.intake.rows import Rejection

FORMAT: Final = "cvault/import-report/v1"


class Report:
    """A report being written; a context manager that leaves nothing behind when its block fails.

    `count` is how many rows were rejected so far: rows, not rejections.
    """

    def __init__(self, path: Path, header: Mapping[str, object]) -> None:
        """Begin a report.

        Args:
            path: Where it will stand when complete, mode 0600; an older one there is replaced.
            header: What the first line says besides `format`, such as kind, encoding and unknown columns.

        Raises:
            Unavailable: The folder cannot be written to.
        """
        self.path = path.absolute()
        self.count = 0
        self._last_row: int | None = None
        self._encoder = msgspec.json.Encoder()
        self._part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        with _translated():
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb")
        self._write({"format": FORMAT, **header})

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
