"""Formats are found by content, whatever a file is called; what cannot be read has its remedy."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vault.errors import Invalid
from vault.intake.sources import open_source


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose ending says nothing."""
    return tmp_path / "export.dat"


def refused(path: Path, **options: str) -> Invalid:
    """The error that a file is refused with."""
    with pytest.raises(Invalid) as caught:
        open_source(path, **options)
    assert caught.value.remedy
    return caught.value


def test_formats_by_content(path: Path) -> None:
    """Delimited text, JSON Lines, workbook and Parquet are told apart by their first bytes."""
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    path.write_bytes("a,b\n1,2\n".encode("utf-16"))
    assert open_source(path).format == "csv"
    path.write_bytes(b'\xef\xbb\xbf \n{"a": 1, "b": 2}')
    assert open_source(path).format == "jsonl"
    book.save(path)
    assert open_source(path).format == "xlsx"
    pq.write_table(pa.table({"a": [1], "b": [2]}), path)
    source = open_source(path)
    assert source.format == source.encoding == "parquet"
    assert source.header == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ".xlsx"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            "password",
        ),
        (b"\x1f\x8b\x08rest", "unpack"),
        (b"BZh9rest", "unpack"),
        (b"7z\xbc\xaf'\x1c", "unpack"),
        (b'[{"a": 1}]', "one object a line"),
        (b"PAR1rest", "write the file again"),
        (b"PARErest", "unencrypted"),
        (b"PK\x03\x04rest", ".xlsx"),
        (b"PK\x05\x06" + bytes(18), "unpack it"),
        (b"", "export it again"),
    ],
)
def test_what_cannot_be_read_has_its_remedy(path: Path, content: bytes, remedy: str) -> None:
    """Old and encrypted workbooks, packed files, JSON lists and rubbish each say what to do instead."""
    path.write_bytes(content)
    error = refused(path)
    assert error.code == "invalid_file"
    assert remedy in error.remedy


def test_encrypted_stream_across_chunks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark of encryption is found where two chunks meet."""
    monkeypatch.setattr("vault.intake.sources._CHUNK", 16)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(6) + "EncryptedPackage".encode("utf-16-le"))
    assert "encrypted" in refused(path).message


def test_other_archives(path: Path) -> None:
    """A ZIP without the parts of a workbook is none."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("export.csv", "a,b\n")
    assert "no .xlsx" in refused(path).message


def test_options_that_do_not_fit(path: Path) -> None:
    """A sheet of a text file, an encoding of a workbook or Parquet file: refused rather than passed over."""
    path.write_text("a,b\n", "utf-8")
    assert refused(path, sheet="One").code == "invalid_sheet"
    pq.write_table(pa.table({"a": [1]}), path)
    assert refused(path, encoding="gbk").code == "invalid_encoding"
    openpyxl.Workbook().save(path)
    assert refused(path, encoding="gbk").code == "invalid_encoding"


def test_missing_file(path: Path) -> None:
    """A path that leads nowhere is the caller's to mend."""
    error = refused(path)
    assert error.code == "invalid_file"
    assert error.__context__ is None
