"""JSON Lines: one object of scalar values a line, UTF-8; numbers keep the digits they are written with."""

from __future__ import annotations

import codecs
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from vault.errors import Invalid
from vault.intake.cells import truth
from vault.intake.source import MAX_COLUMNS, MAX_LINE, Record, bad_file, form_of, too_wide
from vault.model import Word

_HEAD: Final = 500
"""Lines whose keys are the header."""
_REMEDY: Final = 'write one object a line, UTF-8, as {"案件编号": "…"}'
_BROKEN: Final = "the line is no JSON object in UTF-8"
_NESTED: Final = "a value is an object or a list"
_TWICE: Final = "a key stands twice"
_NEW_KEY: Final = f"a key that stands in none of the first {_HEAD} lines"

Scalar = str | bool | None


class _Fault(Exception):
    """What is wrong with a line; never leaves this file."""


class JsonLines(Word, frozen=True, kw_only=True):
    """A file of JSON Lines: the keys of its first lines are its columns."""

    path: Path
    header: list[str]
    size: int
    encoding: str = "utf-8"
    format: str = "jsonl"

    def records(self) -> Iterator[Record]:
        """Every line, one at a time; empty ones are left out.

        Raises:
            Invalid: The file is gone.
        """
        places = {key: index for index, key in enumerate(self.header)}
        with _open(self.path) as raw:
            for number, line in _lines(raw):
                problem, cells = "", [""] * len(self.header)
                try:
                    for key, value in _object(line).items():
                        cells[_place(places, key)] = _text(value)
                except _Fault as fault:
                    problem = str(fault)
                problem = problem or form_of(cells)
                if problem or any(cells):
                    yield Record(
                        number=number,
                        cells=[] if problem else cells,
                        problem=problem,
                        consumed=min(raw.tell(), self.size),
                    )


def open_lines(path: Path, encoding: str | None = None) -> JsonLines:
    """Collect the columns from the first lines.

    Args:
        path: The file.
        encoding: What the caller says; JSON is UTF-8 (RFC 8259, 8.1).

    Raises:
        Invalid: Not UTF-8, or no object in its first lines.
    """
    if encoding is not None and not _is_utf8(encoding):
        raise Invalid(
            "JSON Lines are UTF-8", code="invalid_encoding", field="encoding", remedy="leave the encoding out"
        )
    keys: dict[str, None] = {}
    with _open(path) as raw:
        size = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        for _, line in itertools.islice(_lines(raw), _HEAD):
            try:
                keys.update(dict.fromkeys(_object(line)))
            except _Fault:
                continue  # that line's own fault when its turn comes
            if len(keys) > MAX_COLUMNS:
                raise too_wide()
    if not any(keys):
        raise bad_file("no line of the first 500 is a JSON object", _REMEDY)
    return JsonLines(path=path, header=list(keys), size=size)


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}
    except (LookupError, ValueError):
        return False


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        problem = error.strerror or "cannot be opened"
    raise bad_file(f"the file cannot be read: {problem}", "check the path and its permissions")


def _lines(raw: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Filled lines with their numbers; of one that is too long, only as much as shows that."""
    number = 0
    while line := raw.readline(MAX_LINE + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = raw.readline(MAX_LINE + 1)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            yield number, line


def _object(line: bytes) -> dict[str, Scalar]:
    """A line's values by key.

    Raises:
        _Fault: With what is wrong and nothing of the line.
    """
    if len(line) > MAX_LINE:
        raise _Fault("the line is longer than 1 MiB")
    try:
        found = _decoder.decode(line.decode("utf-8"))
        "".join(found).encode()  # refuses keys with half a surrogate pair
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _Fault(_BROKEN)
    if any(isinstance(value, dict | list) for value in found.values()):
        raise _Fault(_NESTED)
    return found


def _pairs(pairs: list[tuple[str, Scalar]]) -> dict[str, Scalar]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Fault(_TWICE)
    return found


def _no_number(_: str) -> str:
    raise ValueError


def _place(places: dict[str, int], key: str) -> int:
    index = places.get(key)
    if index is None:
        raise _Fault(_NEW_KEY)
    return index


def _text(value: Scalar) -> str:
    """A scalar as text; text with half a surrogate pair is none (RFC 8259, 8.2)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return truth(value=value)
    try:
        value.encode()
    except UnicodeEncodeError:
        value = None
    if value is None:
        raise _Fault(_BROKEN)
    return value


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=str, parse_float=str, parse_constant=_no_number
)
"""Numbers stay the text they are: a binary number would lose digits of an ID or card number."""
