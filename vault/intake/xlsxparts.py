"""A workbook's parts: a ZIP of XML (ECMA-376 part 2), read as what a stranger may have made of it.

Limits are checked before anything is parsed, and again on the bytes that really come out, since headers lie.
A document type declaration is refused, so there are no entities to expand or to fetch: what `defusedxml`
would see to, and it offers nothing that streams by events.
"""

from __future__ import annotations

import io
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Final, Self, TypeVar
from xml.parsers import expat

from vault.errors import Invalid
from vault.intake.source import bad_file

MAX_PARTS: Final = 10_000
MAX_SMALL: Final = 64 * 1024 * 1024
"""Bytes of a part that describes: workbook, relationships, styles."""
MAX_LARGE: Final = 4 * 1024 * 1024 * 1024
"""Bytes of a sheet or of the shared strings."""
MAX_RATIO: Final = 250
"""How far a part may unpack, beyond its first `RATIO_FREE` bytes; sheets of repeated rows reach about 40."""
RATIO_FREE: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_TOKEN: Final = 4 * 1024 * 1024
"""Bytes of one tag or comment, which the XML parser must hold whole."""

_CHUNK: Final = 16 * 1024
_CHECK_CHUNK: Final = 128 * 1024
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError,
    RuntimeError, LookupError, OverflowError,
)  # fmt: skip
"""What `zipfile` raises on archives that are none."""
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

_T = TypeVar("_T")
Attributes = dict[str, str]


def damaged() -> Invalid:
    """The error for an archive or XML that cannot be read."""
    return bad_file("the workbook is damaged", "open it in a spreadsheet, save it anew as .xlsx")


def bomb() -> Invalid:
    """The error for a file that unpacks to more than any table would."""
    return bad_file("the workbook unpacks to more than a table would", "save only the sheet needed, as CSV")


def local(name: str) -> str:
    """A tag's or attribute's name without prefix: prefixes differ between programs."""
    return name.rpartition(":")[2]


class Package:
    """An open workbook; a context manager that closes the file.

    Attributes:
        size: Of the file, in bytes.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        """Open and check limits.

        Raises:
            Invalid: No ZIP archive, or one that no spreadsheet writes.
        """
        self._raw = raw
        self.size = raw.seek(0, io.SEEK_END)
        self._archive = _guarded(lambda: zipfile.ZipFile(raw))
        self._parts: dict[str, zipfile.ZipInfo] = {}
        infos = self._archive.infolist()
        if len(infos) > MAX_PARTS:
            raise bomb()
        for info in infos:
            # A part's name is compared without case (ECMA-376 part 2, 6.2.2.3).
            if self._parts.setdefault(info.filename.lower(), info) is not info:
                raise damaged()
            _check(info, self.size)

    def __enter__(self) -> Self:
        """Go on with the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._archive.close()
        self._raw.close()

    def has(self, name: str) -> bool:
        """Whether there is such a part."""
        return name.lower() in self._parts

    def length(self, name: str) -> int:
        """How many bytes a part says it unpacks to; more never come out of it."""
        return self._info(name).file_size

    def verify(self, name: str) -> None:
        """Unpack a part to its end, so that a damaged one is refused before any row is read.

        Raises:
            Invalid: It is damaged, or not of the length it says.
        """
        total = sum(map(len, self.chunks(name, _CHECK_CHUNK)))
        if total != self.length(name):
            raise damaged()

    def chunks(self, name: str, size: int = _CHUNK, limit: int = MAX_LARGE) -> Iterator[bytes]:
        """A part's bytes.

        Raises:
            Invalid: Missing, damaged, or more than `limit` bytes.
        """
        info = self._info(name)
        total = 0
        with _guarded(lambda: self._archive.open(info)) as part:
            while chunk := _guarded(lambda: part.read(size)):
                total += len(chunk)
                if total > limit or _packed_too_far(total, info.compress_size):
                    raise bomb()
                yield chunk

    def scan(
        self,
        name: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        """Parse a small part whole; arguments as for `feed`."""
        for _ in feed(self.chunks(name, limit=MAX_SMALL), start, end, text):
            pass

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = self._parts.get(name.lower())
        if info is None:
            raise damaged()
        return info


def resolve(base: str, target: str) -> str:
    """The name of the part that a relationship of part `base` points to; it names no file on disk."""
    folder = posixpath.dirname(base)
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def feed(
    chunks: Iterator[bytes],
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> Iterator[int]:
    """Parse XML as it comes, and give the count of bytes fed after each chunk.

    Args:
        chunks: The document's bytes, UTF-8 or UTF-16 with mark.
        start: Called with a tag's local name and attributes as written.
        end: Called with its local name.
        text: Called with pieces of text.

    Raises:
        Invalid: Not well formed, with a document type, or nested or long beyond reason.
    """
    first = next(chunks, b"")
    parser = expat.ParserCreate("utf-16" if first.startswith(_MARKS) else "utf-8")
    parser.buffer_text = True
    _Nesting(start, end).attach(parser)
    if text is not None:
        parser.CharacterDataHandler = text
    fed = 0
    chunk = first
    while chunk:
        fed += len(chunk)
        _parse(parser, chunk)
        if fed - parser.CurrentByteIndex > MAX_TOKEN:
            raise bomb()
        yield fed
        chunk = next(chunks, b"")
    _parse(parser, b"")


class _Nesting:
    """Hands tags on by their local names and counts how deep they are."""

    def __init__(self, start: Callable[[str, Attributes], None], end: Callable[[str], None] | None) -> None:
        self._start = start
        self._end = end
        self._depth = 0

    def attach(self, parser: expat.XMLParserType) -> None:
        """Be what the parser calls."""
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.StartDoctypeDeclHandler = _refuse_doctype

    def start(self, name: str, attributes: Attributes) -> None:
        """A tag opens."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise damaged()
        self._start(local(name) if ":" in name else name, attributes)

    def end(self, name: str) -> None:
        """A tag closes."""
        self._depth -= 1
        if self._end is not None:
            self._end(local(name) if ":" in name else name)


def _refuse_doctype(*_: object) -> None:
    raise bad_file("the workbook declares a document type", "save it anew as .xlsx with a spreadsheet")


def _parse(parser: expat.XMLParserType, chunk: bytes) -> None:
    try:
        parser.Parse(chunk, not chunk)
    except (expat.ExpatError, ValueError, LookupError):
        wrong = True
    else:
        wrong = False
    if wrong:
        raise damaged()


def _check(info: zipfile.ZipInfo, size: int) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise bad_file("the workbook is encrypted", "save it without a password")
    if info.compress_type not in _METHODS or info.compress_size > size:
        raise damaged()
    if info.file_size > MAX_LARGE or _packed_too_far(info.file_size, info.compress_size):
        raise bomb()


def _packed_too_far(length: int, packed: int) -> bool:
    return length > RATIO_FREE + MAX_RATIO * packed


def _guarded(function: Callable[[], _T]) -> _T:
    try:
        return function()
    except _BROKEN:
        pass
    # Raised out here, or the lower error, whose text may hold names of parts, would be its context.
    raise damaged()
