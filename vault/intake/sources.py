"""Which kind of file an export is, by its content: names and endings say little."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from vault.errors import Invalid
from vault.intake.csvfile import inspect
from vault.intake.jsonlines import open_lines
from vault.intake.parquetfile import open_parquet
from vault.intake.source import Source, bad_file
from vault.intake.xlsxfile import open_workbook

_START: Final = 4096
_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_OLE2: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARQUET: Final = b"PAR1"
_PARQUET_ENCRYPTED: Final = b"PARE"
_PACKED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")
"""First bytes of gzip, bzip2, xz, Zstandard, 7-Zip and RAR."""
_ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
"""The stream that holds a workbook under a password (MS-OFFCRYPTO 2.3.4.4)."""
_CHUNK: Final = 1024 * 1024


def open_source(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> Source:
    """Find a file's format and open it.

    Args:
        path: An export: delimited text, .xlsx, JSON Lines or Parquet.
        encoding: A text file's encoding, if detection should not decide.
        sheet: A workbook's sheet, if it has several.

    Raises:
        Invalid: It cannot be used; the remedy says what to do.
    """
    start = _read_start(path)
    if start.startswith((_ZIP, _EMPTY_ZIP)):
        _refuse_encoding(encoding)
        return open_workbook(path, sheet)
    if sheet is not None:
        raise Invalid(
            "the file is no workbook, so it has no sheets",
            code="invalid_sheet",
            field="sheet",
            remedy="leave the sheet out",
        )
    if start.startswith((_PARQUET, _PARQUET_ENCRYPTED)):
        _refuse_encoding(encoding)
        return open_parquet(path)
    if start.startswith(_OLE2):
        raise _old_workbook(path)
    if start.startswith(_PACKED):
        raise bad_file("the file is compressed", "unpack it first")
    text = start.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    if text.startswith(b"{"):
        return open_lines(path, encoding)
    if text.startswith(b"[") and text[1:].lstrip().startswith(b"{"):
        raise bad_file("this is one JSON list", "write JSON Lines: one object a line, no list around them")
    return inspect(path, encoding)


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as raw:
            return raw.read(_START)
    except OSError as error:
        problem = error.strerror or "cannot be opened"
    raise bad_file(f"the file cannot be read: {problem}", "check the path and its permissions")


def _refuse_encoding(encoding: str | None) -> None:
    if encoding is not None:
        raise Invalid(
            "such a file says its own encoding",
            code="invalid_encoding",
            field="encoding",
            remedy="leave the encoding out",
        )


def _old_workbook(path: Path) -> Invalid:
    """Both .xls and an encrypted .xlsx are OLE2 files."""
    tail = b""
    with path.open("rb") as raw:
        while chunk := raw.read(_CHUNK):
            tail += chunk
            if _ENCRYPTED_PACKAGE in tail:
                return bad_file(
                    "the workbook is encrypted", "open it and save it as .xlsx without a password"
                )
            tail = tail[-len(_ENCRYPTED_PACKAGE) :]
    return bad_file("this is a workbook of the old format (.xls)", "save it as .xlsx")
