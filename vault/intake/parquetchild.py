"""The process that reads Parquet by pyarrow (extra `parquet`): typed values into exact text, batch by batch.

A process of its own, because a damaged footer makes pyarrow end the process it is in (`std::terminate` at a
C++ exception that its Python layer does not translate), and a page may unpack to more than its headers say.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from vault.config import SHANGHAI
from vault.errors import Invalid, VaultError
from vault.intake import cells
from vault.intake.cells import Text
from vault.intake.source import MAX_CELL, MAX_COLUMNS, Fault, bad_file, too_wide
from vault.model import Word

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_GROUP: Final = 1024 * 1024 * 1024
"""Bytes that a row group may unpack to."""
MAX_RATIO: Final = 500
"""How far a row group may unpack, beyond its first `RATIO_FREE` bytes; dictionaries reach about 100."""
RATIO_FREE: Final = 64 * 1024 * 1024
MAX_FOOTER: Final = 64 * 1024 * 1024
MAX_ROWS: Final = 1_000_000_000
MAX_MEMORY: Final = 4 * 1024 * 1024 * 1024
"""Bytes that the process may have."""
LENGTH: Final = struct.Struct(">Q")
_BATCH: Final = 512
_BATCH_BYTES: Final = 256 * 1024 * 1024
"""What a batch may take, if each row held the largest value that a dictionary page has."""
_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001  a column without zone stays without
_NO_TEXT: Final = "its type is not text, number, day, moment or truth value"
_REMEDY: Final = "write the file again, in row groups of at most 100,000 rows, unencrypted"

_T = TypeVar("_T")
_Reader = Callable[["pa.Array[Any]"], list[Text]]


class Head(Word, frozen=True, kw_only=True, tag=True):
    """What a file's footer says.

    Attributes:
        header: The columns' names.
        rows: How many rows it says it has.
        unreadable: Why a column's type has no text, by index.
    """

    header: list[str]
    rows: int
    unreadable: dict[int, str]


class Batch(Word, frozen=True, kw_only=True, tag=True):
    """Some rows: texts by row and column; and by row and column why there is none."""

    rows: list[list[str]]
    faults: dict[int, dict[int, str | Fault]]


class Refusal(Word, frozen=True, kw_only=True, tag=True):
    """Why the file cannot be read."""

    message: str
    code: str
    remedy: str


def main(path: str, what: str) -> None:
    """Write a file's head, and if `what` is "rows" its rows, to standard output: length, MessagePack."""
    _limit()
    out = os.fdopen(os.dup(1), "wb")
    try:
        for word in frames(Path(path), rows=what == "rows"):
            _write(out, word)
    except Invalid as error:
        _write(out, Refusal(message=error.message, code=error.code, remedy=error.remedy))
    except BrokenPipeError:
        # Nobody wants more rows; nothing may be flushed at the end, either.
        os._exit(0)


def frames(path: Path, *, rows: bool) -> Iterator[Head | Batch]:
    """A file's head, then its rows if they are wanted.

    Raises:
        Invalid: pyarrow is not installed; damaged, encrypted or hostile.
    """
    table = _table(path)
    header = _titles(table)
    if len(header) > MAX_COLUMNS:
        raise too_wide()
    if not any(header) or len(set(header)) < len(header):
        raise bad_file("the file has no columns, or two of one name", "name each column once")
    _check_size(table.metadata)
    readers = [_reader(field.type) for field in table.schema_arrow]
    yield Head(
        header=header,
        rows=table.metadata.num_rows,
        unreadable={index: _NO_TEXT for index, reader in enumerate(readers) if reader is None},
    )
    if rows:
        yield from _rows(table, header, readers)


def _rows(table: pq.ParquetFile, header: list[str], readers: list[_Reader | None]) -> Iterator[Batch]:
    wanted = [index for index, reader in enumerate(readers) if reader is not None]
    for batch in _batches(table, [header[index] for index in wanted]):
        made = Batch(rows=[[""] * len(header) for _ in range(batch.num_rows)], faults={})
        for place, index in enumerate(wanted):
            for row, text in enumerate(_column(readers[index], batch.column(place))):
                if isinstance(text, str):
                    # Cut where it is too long for a cell anyway, so that a batch stays small.
                    made.rows[row][index] = text[: MAX_CELL + 1]
                else:
                    made.faults.setdefault(row, {})[index] = text
        yield made


def _limit() -> None:
    """Bound memory, as pages may unpack to more than the footer says; no core file: it would hold rows."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))


def _write(out: IO[bytes], word: Word) -> None:
    data = _encoder.encode(word)
    out.write(LENGTH.pack(len(data)) + data)
    out.flush()


def _guarded(function: Callable[[], _T]) -> _T:
    """What pyarrow gives; its errors' texts may hold values, so they are put aside."""
    try:
        return function()
    except VaultError:
        raise
    except Exception:  # noqa: BLE001, S110  pyarrow raises its own, OSError, and more; each means the same here
        pass
    raise bad_file("the Parquet file is damaged or encrypted", _REMEDY)


def _table(path: Path) -> pq.ParquetFile:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise Invalid(
            "reading Parquet needs pyarrow",
            code="invalid_file",
            field="file",
            remedy="install collections-vault[parquet], or write the file as CSV",
        ) from None
    if not path.is_file():
        raise bad_file("the file cannot be read", "check the path and its permissions")
    # Without the limits a footer of a few bytes can ask for gigabytes.
    return _guarded(
        lambda: pq.ParquetFile(
            str(path),
            thrift_string_size_limit=MAX_FOOTER,
            thrift_container_size_limit=1_000_000,
            coerce_int96_timestamp_unit="us",
            pre_buffer=False,
        )
    )


def _titles(table: pq.ParquetFile) -> list[str]:
    return _guarded(lambda: [str(name) for name in table.schema_arrow.names])


def _check_size(metadata: pq.FileMetaData) -> None:
    if not 0 <= metadata.num_rows <= MAX_ROWS:
        raise bad_file("more rows than a table would have", _REMEDY)
    for unpacked, packed in _guarded(lambda: _group_sizes(metadata)):
        if unpacked > MAX_GROUP or unpacked > RATIO_FREE + MAX_RATIO * max(packed, 0):
            raise bad_file("a row group unpacks to more than 1 GiB", _REMEDY)


def _group_sizes(metadata: pq.FileMetaData) -> list[tuple[int, int]]:
    """Bytes of each row group, unpacked and packed, as the footer has them."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    return [
        (group.total_byte_size, sum(group.column(i).total_compressed_size for i in range(group.num_columns)))
        for group in groups
    ]


def _batches(table: pq.ParquetFile, names: list[str]) -> Iterator[pa.RecordBatch]:
    rows = _guarded(lambda: _batch_rows(table.metadata))
    batches = _guarded(lambda: table.iter_batches(batch_size=rows, columns=names, use_threads=False))
    while True:
        batch = _guarded(lambda: next(batches, None))
        if batch is None:
            return
        if batch.schema.names != names:
            raise bad_file("two columns have like names", "name the columns without dots")
        yield batch


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """So few rows that each may hold the largest value of a dictionary page without filling the memory."""
    largest = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            chunk = group.column(place)
            if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page:
                largest = max(largest, chunk.total_uncompressed_size)
    return max(1, min(_BATCH, _BATCH_BYTES // largest))


def _column(reader: _Reader | None, column: pa.Array[Any]) -> list[Text]:
    if reader is None:
        return []
    return _guarded(lambda: reader(column))


def _reader(kind: pa.DataType) -> _Reader | None:
    """What turns a column of a type into texts; None where the type has none."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        inner = _reader(kind.value_type)
        if inner is None:
            return None
        return lambda column: inner(cast("pa.DictionaryArray[Any, Any]", column).dictionary_decode())
    for fits, reader in (
        ((types.is_string, types.is_large_string, types.is_string_view), _strings),
        ((types.is_integer,), _each(str)),
        ((types.is_boolean,), _each(lambda value: cells.truth(value=value))),
        ((types.is_float64,), _each(cells.real)),
        ((types.is_float32,), _each(lambda value: cells.real(value, cells.SINGLE_DIGITS))),
        ((types.is_decimal,), _each(_decimal)),
        ((types.is_date,), _days),
        ((types.is_timestamp,), _moments),
        ((types.is_null,), _each(str)),
    ):
        if any(fit(kind) for fit in fits):
            return reader
    return None


def _each(function: Callable[[Any], Text]) -> _Reader:
    """A reader that turns value by value; what is missing is blank."""
    return lambda column: ["" if value is None else function(value) for value in column.to_pylist()]


def _strings(column: pa.Array[Any]) -> list[Text]:
    """Texts, whose bytes nothing has checked so far."""
    import pyarrow as pa

    return ["" if value is None else _utf8(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _utf8(value: bytes) -> Text:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return cells.UNKNOWN


def _decimal(value: Decimal) -> Text:
    return format(value, "f")


def _days(column: pa.Array[Any]) -> list[Text]:
    import pyarrow as pa

    return _each(lambda days: _after_epoch(dt.timedelta(days=days)))(
        column.cast(pa.date32()).cast(pa.int32())
    )


def _moments(column: pa.Array[Any]) -> list[Text]:
    """Moments to the microsecond; those with a zone are told in Asia/Shanghai."""
    import pyarrow as pa

    kind = cast("pa.TimestampType[Any, Any]", column.type)
    shift = SHANGHAI.utcoffset(None) if kind.tz else dt.timedelta()
    exact = column.cast(pa.timestamp("us", kind.tz), safe=kind.unit != "ns").cast(pa.int64())
    return _each(lambda micros: _after_epoch(shift, micros))(exact)


def _after_epoch(shift: dt.timedelta, micros: int = 0) -> Text:
    try:
        return cells.moment(_EPOCH + shift + dt.timedelta(microseconds=micros))
    except OverflowError:
        return cells.NO_DAY


_encoder: Final = msgspec.msgpack.Encoder()
