"""Parquet files: rows come from a process apart (`vault.intake.parquetchild`), whose end is not ours."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, TypeVar

import msgspec

from vault.errors import Invalid
from vault.intake.parquetchild import LENGTH, Batch, Head, Refusal
from vault.intake.source import Fault, Record, bad_file, form_of, spare_environment
from vault.model import Word

MAX_FRAME: Final = 1024 * 1024 * 1024
_ROOT: Final = str(Path(__file__).parents[2])
_CODE: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from vault.intake.parquetchild import main; main(sys.argv[2], sys.argv[3])"
)
_REMEDY: Final = "write the file again, in row groups of at most 100,000 rows, unencrypted"

_W = TypeVar("_W", bound=Word)


class ParquetTable(Word, frozen=True, kw_only=True):
    """A Parquet file whose types are known.

    Attributes:
        unreadable: Why a column's type has no text, by index.
    """

    path: Path
    header: list[str]
    rows: int
    size: int
    unreadable: dict[int, str]
    encoding: str = "parquet"
    format: str = "parquet"

    def records(self) -> Iterator[Record]:
        """Every row, one at a time; empty ones are left out.

        Raises:
            Invalid: The file is gone, damaged, or no longer what it was when opened.
        """
        number = 0
        with _child(self.path, "rows") as out:
            head = _word(out, _head)
            if head is None or (head.header, head.rows) != (self.header, self.rows):
                raise bad_file("the file changed since it was opened", "import it again")
            while batch := _word(out, _batch):
                for row, cells in enumerate(batch.rows):
                    number += 1
                    record = self._record(number, cells, batch.faults.get(row, {}))
                    if record is not None:
                        yield record
        if number != self.rows:
            raise _ended()

    def _record(self, number: int, cells: list[str], told: dict[int, str | Fault]) -> Record | None:
        problem = form_of(cells)
        if not (problem or told or any(cells)):
            return None
        return Record(
            number=number,
            cells=[] if problem else cells,
            problem=problem,
            consumed=self.size * number // max(self.rows, 1),
            faults={} if problem else told,
        )


def open_parquet(path: Path) -> ParquetTable:
    """Read the footer: columns, types, sizes.

    Raises:
        Invalid: pyarrow is not installed; damaged, encrypted or hostile.
    """
    with _child(path, "head") as out:
        head = _word(out, _head)
    if head is None:
        raise _ended()
    return ParquetTable(
        path=path,
        header=head.header,
        rows=head.rows,
        size=path.stat().st_size,
        unreadable=head.unreadable,
    )


@contextlib.contextmanager
def _child(path: Path, what: str) -> Iterator[IO[bytes]]:
    """The output of a process that reads the file; it ends with the block."""
    # What it says in dying may hold values.
    child = subprocess.Popen(
        [sys.executable, "-c", _CODE, _ROOT, str(path.absolute()), what],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=spare_environment(),
    )
    try:
        yield _stdout(child)
    finally:
        child.kill()
        child.wait()
        _stdout(child).close()


def _stdout(child: subprocess.Popen[bytes]) -> IO[bytes]:
    if child.stdout is None:  # only without a pipe
        raise _ended()
    return child.stdout


def _word(out: IO[bytes], decoder: msgspec.msgpack.Decoder[_W | Refusal]) -> _W | None:
    """The next word, None at the end.

    Raises:
        Invalid: The process says so, or ended within a word.
    """
    begin = out.read(LENGTH.size)
    if not begin:
        return None
    size = LENGTH.unpack(begin)[0] if len(begin) == LENGTH.size else MAX_FRAME + 1
    data = out.read(size) if size <= MAX_FRAME else b""
    if len(data) != size:
        raise _ended()
    word = decoder.decode(data)
    if isinstance(word, Refusal):
        raise Invalid(word.message, code=word.code, field="file", remedy=word.remedy)
    return word


def _ended() -> Invalid:
    return bad_file("the Parquet file is damaged, or unpacks to more than a table would", _REMEDY)


_head: Final = msgspec.msgpack.Decoder(Head | Refusal)
_batch: Final = msgspec.msgpack.Decoder(Batch | Refusal)
