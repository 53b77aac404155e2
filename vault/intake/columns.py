"""Columns that another system encrypted, as Apache ShardingSphere and MySQL do: decrypted on the way in.

A columns file says which (docs/migrate.md). Masks and query helpers of such columns hold nothing that the
vault does not make itself, so they are dropped, and named.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from vault.crypto.foreign import LegacyCipher
from vault.errors import ConfigError, Invalid
from vault.intake.fold import fold_number
from vault.intake.source import Fault, Record, Source
from vault.intake.values import BLANKS
from vault.model import Quiet
from vault.schema import Schema

HOPELESS: Final = 50
"""Cells of a column that may fail before any decrypts; then its key or scheme is wrong."""

_DERIVED: Final = re.compile(
    r"_(?:mask(?:ed)?|assisted(?:_query)?|like(?:_query)?)$|^(?:assisted|like)_query_", re.IGNORECASE
)
"""Names by which ShardingSphere's documentation and its users call masks, digests and LIKE helpers."""

_REMEDY: Final = (
    'write TOML: [encrypted] and lines of "phone_cipher" = '
    '{ target = "borrower.phone", scheme = "aes-ecb-sha1", key = "phone.key" }'
)
_OTHERS: Final = 0o077


class EncryptedColumn(Quiet):
    """One encrypted column: where its values go, and how they are opened."""

    target: str
    cipher: LegacyCipher


def read_columns(path: Path, schema: Schema) -> dict[str, EncryptedColumn]:
    """Read a columns file: encrypted columns by their title in lower case.

    Args:
        path: TOML with one table `[encrypted]`; each entry has `target` (as a map's), `scheme` (a key of
            `vault.crypto.foreign.SCHEMES`) and `key`, a file of mode 0600 beside it.
        schema: The fields there are.

    Raises:
        ConfigError: Not there, of another shape, or a key file that others may read.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise _bad("the columns file cannot be read") from None
    table = document.get("encrypted")
    if set(document) != {"encrypted"} or not isinstance(table, dict) or not table:
        raise _bad("the columns file holds no table [encrypted] alone")
    return {
        title.lower(): _column(number, entry, path.parent, schema)
        for number, (title, entry) in enumerate(table.items(), start=1)
    }


def _column(number: int, entry: Any, folder: Path, schema: Schema) -> EncryptedColumn:
    words = {"target", "scheme", "key"}
    if not isinstance(entry, dict) or set(entry) != words or not all(map(_is_text, entry.values())):
        raise _bad(f"entry {number} of the columns file has other words than target, scheme, key")
    kind, field = entry["target"].partition(".")[0], entry["target"].rpartition(".")[2]
    if kind not in schema.kinds or field not in schema.kind(kind).fields:
        raise _bad(
            f"entry {number} of the columns file names no field", "use kind.field as in docs/import.md"
        )
    return EncryptedColumn(
        target=entry["target"], cipher=LegacyCipher(entry["scheme"], read_key(folder / entry["key"]))
    )


def read_key(path: Path) -> bytes:
    """A key file's one line.

    Raises:
        ConfigError: Not there, or others than its owner may read it.
    """
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError:
        raise ConfigError(
            "the key's file cannot be read", field="key", remedy="name it beside the columns file"
        ) from None
    if mode & _OTHERS:
        raise ConfigError("others may read the key's file", field="key", remedy="chmod 600")
    return content.removesuffix(b"\n").removesuffix(b"\r")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _bad(problem: str, remedy: str = _REMEDY) -> ConfigError:
    return ConfigError(problem, code="invalid_map", field="columns", remedy=remedy)


class Deciphered:
    """A source whose encrypted columns stand in clear under their target's name, without derived columns.

    Attributes:
        encoding: The source's.
        header: What is left of it.
        size: The source's.
        rereads: The source's.
        dropped: Columns left out because they only repeat others: masks and query helpers.
    """

    def __init__(self, source: Source, columns: dict[str, EncryptedColumn]) -> None:
        """Take columns off and open others.

        Args:
            source: What to read.
            columns: As `read_columns` gives them; each must be in the header.

        Raises:
            Invalid: The header lacks one.
        """
        self._source = source
        self.rereads: bool = getattr(source, "rereads", True)
        titles = [title.lower() for title in source.header]
        missing = sorted(set(columns) - set(titles))
        if missing:
            raise Invalid(
                f"{len(missing)} of the columns file's columns are not in the source",
                code="invalid_map",
                field="columns",
                remedy="compare it with the header",
            )
        self._kept = [i for i, title in enumerate(titles) if title in columns or not _DERIVED.search(title)]
        self._ciphers = {
            place: (source.header[i], columns[titles[i]].cipher)
            for place, i in enumerate(self._kept)
            if titles[i] in columns
        }
        self.header = [
            columns[titles[i]].target if titles[i] in columns else source.header[i] for i in self._kept
        ]
        self.dropped = [title for i, title in enumerate(source.header) if i not in set(self._kept)]
        self.encoding = source.encoding
        self.size = source.size

    def records(self) -> Iterator[Record]:
        """Every record, decrypted; a cell that cannot be is a fault of its record.

        Raises:
            Invalid: The first cells of a column all fail: not its key, or not its scheme.
        """
        failed: dict[int, int] = dict.fromkeys(self._ciphers, 0)
        places = {i: place for place, i in enumerate(self._kept)}
        for record in self._source.records():
            if record.problem or len(record.cells) != len(self._source.header):
                yield record
                continue
            cells = [record.cells[i] for i in self._kept]
            faults = {places[i]: problem for i, problem in record.faults.items() if i in places}
            for place, (title, cipher) in self._ciphers.items():
                if place not in faults and fold_number(cells[place]) not in BLANKS:
                    cells[place] = self._open(cells[place], cipher, place, failed, faults)
                    if failed.get(place) == HOPELESS:
                        raise _hopeless(title)
            yield msgspec.structs.replace(record, cells=cells, faults=faults)

    @staticmethod
    def _open(
        text: str, cipher: LegacyCipher, place: int, failed: dict[int, int], faults: dict[int, str | Fault]
    ) -> str:
        """The clear text, or "" and a fault; a column that decrypted once is never called hopeless."""
        try:
            clear = cipher.open(text)
        except Invalid as error:
            faults[place] = error.message
            if place in failed:
                failed[place] += 1
            return ""
        failed.pop(place, None)
        return clear


def _hopeless(title: str) -> Invalid:
    return Invalid(
        f"none of the first {HOPELESS} cells of {title} decrypts",
        code="invalid_cipher",
        field="columns",
        remedy="compare key and scheme with the other system's configuration",
    )
