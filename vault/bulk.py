"""Bulk: the half of an import that needs no store, in a process of its own while the other half writes.

The writing process reads a file's records and sends them over a pipe; `python -m vault.bulk` builds their
rows and makes them ready (`vault.preparing`): normalise, mask, seal, digest. Order is kept, so the end is the
same as without it. Nothing of it touches a disk, and the process ends with the pipe.

    frame = length[8, big-endian] | MessagePack
"""

from __future__ import annotations

import itertools
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Protocol, Self

import msgspec

from vault.crypto.ids import neighbourhood
from vault.crypto.keys import TenantKeys
from vault.errors import Unavailable
from vault.intake import PEEK, Export, Layout, Rejection, row_of
from vault.intake.source import Record, spare_environment
from vault.model import Draft, Quiet
from vault.preparing import Preparer, Ready, fresh_row
from vault.retention.rules import Profile, RuleSet
from vault.schema import Schema

AHEAD: Final = 2
"""Chunks under way beside the one being written: enough to keep both processes at work."""
WORTH: Final = 512 * 1024
"""Bytes of a file from which a process of its own pays for its start."""

_LENGTH: Final = struct.Struct(">Q")
_encode: Final = msgspec.msgpack.Encoder().encode


class Built(Quiet, array_like=True, gc=False):
    """A data row: its drafts, made ready as new records if that could be, or why it is refused."""

    number: int
    drafts: tuple[Draft, ...]
    ready: tuple[Ready, ...]
    rejections: tuple[Rejection, ...]
    consumed: int
    position: str = ""


class Task(Quiet):
    """What a workshop is set up with. `keys` is a key file's content: it goes through the pipe alone."""

    keys: bytes
    schema: Schema
    rules: RuleSet
    profile: Profile
    layout: Layout
    ends: dict[str, str]
    ahead: bool


class Chunk(Quiet):
    """Records to be built, and made ready if they seem new; those of a `peek` teach the builder alone."""

    records: list[Record]
    now: int
    peek: bool = False
    fresh: bool = True


class Workshop:
    """Builds chunks of rows, one after another."""

    def __init__(self, task: Task) -> None:
        self._schema, self._ends, self._ahead = task.schema, task.ends, task.ahead
        self._preparer = Preparer(TenantKeys.from_bytes(task.keys), task.schema, task.rules, task.profile)
        self._builder = task.layout.builder(task.schema)

    def build(self, chunk: Chunk) -> list[Built]:
        """The rows of a chunk."""
        near = neighbourhood()
        rows = [row_of(self._builder, record) for record in chunk.records]
        if chunk.peek:
            return []
        ahead = self._ahead and chunk.fresh
        return [
            Built(
                number=row.number,
                drafts=row.drafts,
                ready=self._made_ready(row.drafts, near, chunk.now) if ahead else (),
                rejections=row.rejections,
                consumed=row.consumed_bytes,
                position=row.position,
            )
            for row in rows
        ]

    def _made_ready(self, drafts: tuple[Draft, ...], near: str, now: int) -> tuple[Ready, ...]:
        return fresh_row(self._preparer, self._schema, drafts, near, now, self._ends)


class _Line(Protocol):
    """A way to a workshop: chunks in, rows out, in order."""

    def send(self, chunk: Chunk) -> None: ...

    def receive(self) -> list[Built]: ...

    def close(self) -> None: ...


class _Inline:
    """The workshop in this process."""

    def __init__(self, task: Task) -> None:
        self._shop = Workshop(task)
        self._chunks: deque[Chunk] = deque()

    def send(self, chunk: Chunk) -> None:
        """Take a chunk."""
        self._chunks.append(chunk)

    def receive(self) -> list[Built]:
        """Build the oldest chunk."""
        return self._shop.build(self._chunks.popleft())

    def close(self) -> None:
        """Forget what was not built."""
        self._chunks.clear()


class _Piped:
    """The workshop in a process of its own; a thread takes in what it sends, so that no pipe fills up."""

    _END: Final = Unavailable(
        "the process beside the import ended", remedy="retry; --processes 1 does without"
    )

    def __init__(self, task: Task) -> None:
        paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vault.bulk"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=spare_environment() | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._made: queue.SimpleQueue[list[Built] | None] = queue.SimpleQueue()
        self._taker = threading.Thread(target=self._take, daemon=True)
        self._taker.start()
        self._put(task)

    def send(self, chunk: Chunk) -> None:
        """Send a chunk.

        Raises:
            Unavailable: The process is gone.
        """
        self._put(chunk)

    def receive(self) -> list[Built]:
        """The rows of the oldest chunk.

        Raises:
            Unavailable: The process is gone.
        """
        made = self._made.get()
        if made is None:
            raise self._END
        return made

    def close(self) -> None:
        """Let the process end."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        self._process.kill()
        self._process.wait()
        self._taker.join()

    def _put(self, message: Quiet) -> None:
        try:
            _write(self._process.stdin, message)
        except OSError:
            raise self._END from None

    def _take(self) -> None:
        decode = msgspec.msgpack.Decoder(list[Built]).decode
        try:
            while (data := _read(self._process.stdout)) is not None:
                self._made.put(decode(data))
        except (OSError, ValueError, msgspec.MsgspecError):
            pass
        self._made.put(None)


class Bulk:
    """An export's rows, chunk by chunk, built in another process while the last ones are written.

    Attributes:
        fresh: Whether the rows to come seem to be new. What is stored already needs nothing made ready:
            an import that is begun again passes the rows of the first run faster so.
    """

    def __init__(self, task: Task, export: Export, *, processes: int, after: int = 0) -> None:
        """Set up.

        Args:
            task: What the rows are built with.
            export: Where they come from.
            processes: 1 does without a process of its own; 0 decides by the file's size.
            after: Rows up to this number were taken before: they teach the builder, and come to nothing.
        """
        several = processes > 1 or (processes == 0 and _worth(export))
        self.fresh = True
        self._export = export
        self._after = after
        self._line: _Line = _Piped(task) if several and sys.executable else _Inline(task)
        self._depth = AHEAD if several else 1

    def __enter__(self) -> Self:
        """Go on with the workshop that was opened."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._line.close()

    def chunks(self, size: int, clock: Any) -> Iterator[list[Built]]:
        """Every row, in order, at most `size` at a time.

        Raises:
            Invalid: The file changed since it was opened.
            Unavailable: The other process ended.
        """
        records = self._export.records
        self._line.send(Chunk(records=list(itertools.islice(records(), PEEK)), now=0, peek=True))
        under_way = 1
        for chunk in _cut(records(), size, self._after):
            taught = chunk[0].number <= self._after
            self._line.send(Chunk(records=chunk, now=clock(), peek=taught, fresh=self.fresh))
            under_way += 1
            while under_way > self._depth:
                yield from filter(None, [self._line.receive()])
                under_way -= 1
        for _ in range(under_way):
            yield from filter(None, [self._line.receive()])


def task_of(
    keys: TenantKeys,
    schema: Schema,
    rules: RuleSet,
    profile: Profile,
    layout: Layout,
    ends: Mapping[str, str],
) -> Task:
    """What a workshop needs for one file. Rows that hang on a stored loan can't be made ready beforehand."""
    return Task(
        keys=keys.for_sealing(), schema=schema, rules=rules, profile=profile, layout=layout, ends=dict(ends),
        ahead=layout.kind == "borrower",
    )  # fmt: skip


def main() -> None:
    """Serve one import over stdin and stdout, until they close."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the importing process decides what an interrupt means
    data = _read(sys.stdin.buffer)
    if data is None:
        return
    shop = Workshop(msgspec.msgpack.decode(data, type=Task))
    decode = msgspec.msgpack.Decoder(Chunk).decode
    while (data := _read(sys.stdin.buffer)) is not None:
        _write(sys.stdout.buffer, shop.build(decode(data)))


def _worth(export: Export) -> bool:
    return (os.cpu_count() or 1) > 1 and export.total_bytes >= WORTH


def _cut(records: Iterable[Record], size: int, after: int) -> Iterator[list[Record]]:
    """Chunks of at most `size`; none holds rows on both sides of `after`."""
    for _, side in itertools.groupby(records, lambda record: record.number <= after):
        while chunk := list(itertools.islice(side, size)):
            yield chunk


def _write(pipe: IO[bytes] | None, message: object) -> None:
    if pipe is None:
        raise BrokenPipeError
    data = _encode(message)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes] | None) -> bytes | None:
    """The next frame, or None at the end."""
    head = pipe.read(_LENGTH.size) if pipe is not None else b""
    if pipe is None or len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    return data if len(data) == length else None


if __name__ == "__main__":
    main()
