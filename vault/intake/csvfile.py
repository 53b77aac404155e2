"""Delimited text files as they come: encoding and delimiter found out, rows streamed in bounded memory.

RFC 4180 quoting. Encodings: by byte order mark, else strict UTF-8, else GB 18030 (which holds GBK and
GB 2312). What cannot be decoded is refused, never replaced: a replaced character is a changed name.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import charset_normalizer

from vault.errors import Invalid
from vault.intake.source import Record
from vault.model import Word

MAX_CELL: Final = 64 * 1024
"""Characters in one cell."""
MAX_LINE: Final = 1024 * 1024
"""Characters in one line: more is no line of a table, and would not be bounded memory."""

_CHUNK: Final = 1024 * 1024
_SAMPLE: Final = 64 * 1024
_DELIMITERS: Final = (",", "\t", ";", "|")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of .xlsx (ZIP) and .xls (OLE2)."""


class TextFile(Word, frozen=True, kw_only=True):
    """A file that can be read: its encoding and delimiter are known and hold for every byte of it."""

    path: Path
    encoding: str
    delimiter: str
    header: list[str]
    size: int

    def records(self) -> Iterator[Record]:
        """Every record after the header, one at a time; empty lines are left out.

        Raises:
            Invalid: The file is gone or is no longer what it was when opened.
        """
        with _open(self.path) as raw, _text(raw, self.encoding) as text:
            rows = _Rows(text, self.delimiter)
            next(rows, None)
            for number, (cells, problem) in enumerate(rows, start=1):
                if problem or any(cells):
                    yield Record(
                        number=number, cells=cells, problem=problem, consumed=min(raw.tell(), self.size)
                    )


def inspect(path: Path, encoding: str | None = None) -> TextFile:
    """Find out how a file is written. Reads it once, in chunks.

    Args:
        path: The file.
        encoding: Its encoding, if the caller knows better.

    Raises:
        Invalid: Not there, a workbook, empty, not text, or in no encoding that fits.
    """
    with _open(path) as raw:
        start = raw.read(4)
        _check_text(start)
        chosen = _named(encoding, start) if encoding else _detect(raw, start)
        size = raw.seek(0, io.SEEK_END)
        if encoding and not _decodes(raw, chosen):
            raise _undecodable(f"the file is not {chosen}", "leave the encoding out, or name the right one")
        raw.seek(0)
        with _text(raw, chosen) as text:
            delimiter = _delimiter(text.readline(MAX_LINE))
            text.seek(0)
            header, problem = next(_Rows(text, delimiter), ([], "there is no header row"))
    if problem or not any(header):
        raise _bad_file(problem or "the header row is empty", "put the column names into the first row")
    return TextFile(path=path, encoding=chosen, delimiter=delimiter, header=header, size=size)


class _Rows:
    """Rows of cells, each with what is wrong with its form; a malformed one does not end the file."""

    def __init__(self, text: IO[str], delimiter: str) -> None:
        self._lines = _lines(text)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[list[str], str]:
        before = self._reader.line_num + 1
        try:
            cells = next(self._reader)
        except csv.Error:
            # The reader starts afresh at the next line.
            return (
                [],
                f"quotation marks do not close; lines {before} to {self._reader.line_num} were not read",
            )
        if max(map(len, cells), default=0) > MAX_CELL:
            return [], "a cell is longer than 64 KiB"
        return cells, ""


def _lines(text: IO[str]) -> Iterator[str]:
    """Lines of at most `MAX_LINE` characters."""
    while True:
        try:
            line = text.readline(MAX_LINE)
        except UnicodeError:
            line = None
        if line is None:
            raise _undecodable("the file changed while it was read", "import it again")
        if not line:
            return
        if len(line) >= MAX_LINE:
            raise _bad_file("a line is longer than 1 MiB", "save it as CSV, one record to a line")
        yield line


def _open(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        problem = error.strerror or "cannot be opened"
    raise _bad_file(f"the file cannot be read: {problem}", "check the path and its permissions")


def _text(raw: IO[bytes], encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")


def _check_text(start: bytes) -> None:
    if start.startswith(_WORKBOOKS):
        raise _bad_file("this is a spreadsheet workbook", "save it as CSV UTF-8, with number columns as text")
    if not start:
        raise _bad_file("the file is empty", "export it again")


def _named(encoding: str, start: bytes) -> str:
    try:
        found = codecs.lookup(encoding).name
        "a".encode(found)  # refuses codecs that are no text encodings, as base64
    except (LookupError, ValueError):
        found = ""
    if not found:
        raise Invalid(
            "no such encoding", code="invalid_encoding", field="encoding", remedy="use utf-8 or gb18030"
        )
    if found == "utf-8" and start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    return "gb18030" if found in {"gbk", "gb2312", "cp936"} else found


def _detect(raw: IO[bytes], start: bytes) -> str:
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            candidates: tuple[str, ...] = (encoding,)
            break
    else:
        candidates = ("utf-8", "gb18030")
    for encoding in candidates:
        if _decodes(raw, encoding):
            return encoding
    raise _undecodable("the file is neither UTF-8 nor GB 18030", _guess(raw))


def _decodes(raw: IO[bytes], encoding: str) -> bool:
    """Whether every byte of the file is text in an encoding.

    Raises:
        Invalid: It is, and holds NUL characters.
    """
    raw.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    nul = False
    try:
        while chunk := raw.read(_CHUNK):
            nul = nul or "\0" in decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    if nul:
        raise _bad_file("the file holds NUL characters, so it is no text", "export it again as CSV UTF-8")
    return True


def _guess(raw: IO[bytes]) -> str:
    """A remedy that names what the file might be in; only for people to try."""
    raw.seek(0)
    best = charset_normalizer.from_bytes(raw.read(_SAMPLE)).best()
    hint = f"; it may be {best.encoding}" if best else ""
    return f"save it as CSV UTF-8, or name its encoding{hint}"


def _delimiter(line: str) -> str:
    """The commonest candidate outside quotes in the header line."""
    bare = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=bare.count)


def _bad_file(problem: str, remedy: str) -> Invalid:
    return Invalid(problem, code="invalid_file", field="file", remedy=remedy)


def _undecodable(problem: str, remedy: str) -> Invalid:
    return Invalid(problem, code="invalid_encoding", field="encoding", remedy=remedy)
