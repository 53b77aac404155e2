"""Delimited text files as they come: encoding and delimiter found out, rows streamed in bounded memory.

RFC 4180 quoting. Encodings: by byte order mark, else strict UTF-8, else GB 18030 (which holds GBK and
GB 2312). What cannot be decoded is refused, never replaced: a replaced character is a changed name.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import charset_normalizer

from vault.errors import Invalid
from vault.intake.source import MAX_COLUMNS, MAX_LINE, Record, bad_file, form_of, too_wide
from vault.model import Word

_CHUNK: Final = 1024 * 1024
_SAMPLE: Final = 64 * 1024
_DELIMITERS: Final = (",", "\t", ";", "|")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MIXED: Final = re.compile("[\u0800-\uffff]")
_MIXED_MANY: Final = 4
"""So many three-byte UTF-8 characters in a line that is wholly UTF-8 are no accident of GB 18030."""


class TextFile(Word, frozen=True, kw_only=True):
    """A file that can be read: its encoding and delimiter are known and hold for every byte of it."""

    path: Path
    encoding: str
    delimiter: str
    header: list[str]
    size: int
    format: str = "csv"

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
        if not start:
            raise bad_file("the file is empty", "export it again")
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
        raise bad_file(problem or "the header row is empty", "put the column names into the first row")
    if len(header) > MAX_COLUMNS:
        raise too_wide()
    return TextFile(path=path, encoding=chosen, delimiter=delimiter, header=header, size=size)


class _Rows:
    """Rows of cells, each with what is wrong with its form; a malformed one does not end the file."""

    def __init__(self, text: IO[str], delimiter: str) -> None:
        self._lines = _Lines(text)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)

    def __iter__(self) -> _Rows:
        return self

    def __next__(self) -> tuple[list[str], str]:
        before = self._reader.line_num + 1
        self._lines.begin()
        try:
            cells = next(self._reader)
        except csv.Error as error:
            # The reader starts afresh at the next line.
            endless = str(error).startswith("field larger") and self._lines.inside
            lines = f"lines {before} to {self._reader.line_num} were not read"
            cells = None
        if cells is not None:
            return (cells, problem) if not (problem := form_of(cells)) else ([], problem)
        if endless:
            # What follows stands inside a quoted cell, so reading it as rows would make up records.
            raise bad_file(
                f"quotation marks do not close, or hold too much; {lines}", "mend the quotation marks"
            )
        return [], f"quotation marks do not close; {lines}"


class _Lines:
    """Lines of at most `MAX_LINE` characters, which know whether a record's quotation marks are open."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._quotes = 0
        self._taken = 0

    def begin(self) -> None:
        """A record begins."""
        self._quotes = self._taken = 0

    @property
    def inside(self) -> bool:
        """Whether the record's last line ended inside quotation marks."""
        return self._quotes % 2 == 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        try:
            line = self._text.readline(MAX_LINE)
        except UnicodeError:
            line = None
        if line is None:
            raise _undecodable("the file changed while it was read", "import it again")
        if not line:
            raise StopIteration
        self._taken += len(line)
        # csv limits a cell, but by a setting of the whole process, which others may change.
        if len(line) >= MAX_LINE or self._taken > 2 * MAX_LINE:
            raise bad_file("a line or record is longer than 1 MiB", "save it as CSV, one record to a line")
        self._quotes += line.count('"')
        return line


def _open(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        problem = error.strerror or "cannot be opened"
    raise bad_file(f"the file cannot be read: {problem}", "check the path and its permissions")


def _text(raw: IO[bytes], encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")


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
            if encoding == "gb18030":
                _check_mixed(raw)
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
        raise bad_file(
            "the file holds NUL characters, so it is no text in this encoding",
            "export it again as CSV UTF-8, or name its encoding (UTF-16 without mark: utf-16-le)",
        )
    return True


def _check_mixed(raw: IO[bytes]) -> None:
    """Refuse GB 18030 with lines of UTF-8 in it, which would decode, to other characters.

    Raises:
        Invalid: A line is wholly UTF-8, with too many characters for an accident.
    """
    raw.seek(0)
    while line := raw.readline(MAX_LINE):
        if line.isascii():
            continue
        try:
            text = line.decode("utf-8")
        except UnicodeError:
            continue
        if len(_MIXED.findall(text)) >= _MIXED_MANY:
            raise _undecodable(
                "some lines are UTF-8 and some GB 18030",
                "export the file again in one encoding, or name the encoding if it is one",
            )


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


def _undecodable(problem: str, remedy: str) -> Invalid:
    return Invalid(problem, code="invalid_encoding", field="encoding", remedy=remedy)
