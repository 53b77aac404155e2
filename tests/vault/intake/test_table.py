"""Tables and encrypted columns as exports: numbered, decrypted, faults named, nothing repeated."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vault.crypto.foreign import LegacyCipher
from vault.errors import ConfigError, Invalid
from vault.intake import Row, open_export
from vault.intake.columns import HOPELESS, Deciphered, EncryptedColumn, read_columns
from vault.intake.source import Record
from vault.intake.table import TableSource
from vault.model import Word
from vault.schema import builtin

SCHEMA = builtin()
TODAY = dt.date(2026, 3, 16)
PHONE = "13827400000"


class OneRow(Word):
    """A row as a database gives it."""

    cells: list[str]
    faults: dict[int, str]
    position: str


class Rows:
    """A table of two columns more than any."""

    name = "postgresql"
    fingerprint = "f" * 64

    def __init__(
        self, header: list[str], rows: list[list[str]], faults: dict[int, str] | None = None
    ) -> None:
        self.header = header
        self.size = len(rows)
        self._rows = rows
        self._faults = faults or {}

    def rows(self, after: str = "") -> Iterator[OneRow]:
        """Rows after a position, which is the row's place."""
        for place in range(int(after or -1) + 1, self.size):
            yield OneRow(cells=self._rows[place], faults=self._faults, position=str(place))


HEADER = ["案件编号", "客户姓名", "phone_cipher", "phone_mask", "phone_assisted_query", "委案日期"]


def encrypted(text: str, key: bytes = b"secret") -> str:
    """As ShardingSphere's AES with SHA-1 writes it."""
    real = hashlib.sha1(key, usedforsecurity=False).digest()[:16]
    raw = text.encode()
    pad = 16 - len(raw) % 16
    encryptor = Cipher(algorithms.AES(real), modes.ECB()).encryptor()  # noqa: S305 - what they do
    return base64.b64encode(encryptor.update(raw + bytes([pad]) * pad) + encryptor.finalize()).decode()


def row(number: int, cipher: str) -> list[str]:
    """A borrower of such a table."""
    return [f"AJ-7{number:05d}", "赵琤", cipher, "138****0000", "0" * 32, "2026-03-01"]


COLUMNS = {
    "phone_cipher": EncryptedColumn(target="borrower.phone", cipher=LegacyCipher("aes-ecb-sha1", b"secret"))
}


def rows_of(source: TableSource | Deciphered) -> list[Row]:
    """What intake makes of a source."""
    export = open_export(None, SCHEMA, kind="borrower", today=TODAY, source=source)
    return list(export.rows())


def test_encrypted_columns_become_drafts() -> None:
    """The phone is there in clear, mask and query digest are dropped and named, positions come along."""
    table = Rows(HEADER, [row(1, encrypted(PHONE)), row(2, "")])
    source = Deciphered(TableSource(table), COLUMNS)
    assert source.header == ["案件编号", "客户姓名", "borrower.phone", "委案日期"]
    assert source.dropped == ["phone_mask", "phone_assisted_query"]
    first, second = rows_of(source)
    assert first.drafts[0].values["phone"] == PHONE
    assert "phone" not in second.drafts[0].values
    assert [r.position for r in (first, second)] == ["0", "1"]


def test_a_cell_that_does_not_decrypt_rejects_its_row() -> None:
    """The row is named with its column, the others stand; no value in the report."""
    table = Rows(HEADER, [row(1, encrypted(PHONE)), row(2, PHONE), row(3, encrypted(PHONE))])
    found = rows_of(Deciphered(TableSource(table), COLUMNS))
    assert [bool(r.drafts) for r in found] == [True, False, True]
    (rejection,) = found[1].rejections
    assert (rejection.row, rejection.field) == (2, "borrower.phone")
    assert PHONE not in repr(rejection)


def test_a_wrong_key_is_said_early() -> None:
    """Not after three million rejections: when none of the first cells decrypts."""
    table = Rows(HEADER, [row(n, encrypted(PHONE, b"another")) for n in range(HOPELESS + 5)])
    records = Deciphered(TableSource(table), COLUMNS).records()
    with pytest.raises(Invalid, match="none of the first") as caught:
        list(records)
    assert caught.value.code == "invalid_cipher"
    table = Rows(HEADER, [row(0, encrypted(PHONE)), *[row(n, "x") for n in range(HOPELESS + 5)]])
    assert len(list(Deciphered(TableSource(table), COLUMNS).records())) == HOPELESS + 6


def test_a_database_fault_keeps_its_column() -> None:
    """Columns before it are dropped, and it is still the right one; columns not stored have none."""
    table = Rows(
        ["phone_mask", "案件编号", "客户姓名", "委案日期", "photo"],
        [["x", "AJ-700001", "", "2026-03-01", ""]],
    )
    table._faults = {2: "bytes, not text", 4: "bytes, not text", 0: "bytes, not text"}
    (found,) = rows_of(Deciphered(TableSource(table), {}))
    assert {r.field for r in found.rejections} == {"borrower.name"}
    assert any("bytes, not text" in r.message for r in found.rejections)


def test_a_column_that_is_not_there_is_refused() -> None:
    """A slip in the columns file doesn't become an empty field."""
    with pytest.raises(Invalid, match="not in the source"):
        Deciphered(TableSource(Rows(["a"], [])), COLUMNS)


def test_going_on_counts_on() -> None:
    """Numbers and progress continue after the row that is done."""
    table = Rows(["a"], [[str(n)] for n in range(5)])
    found = list(TableSource(table, after="2", number=3).records())
    assert [(r.number, r.consumed, r.cells) for r in found] == [(4, 4, ["3"]), (5, 5, ["4"])]
    assert "3" not in repr(Record(number=1, cells=["3333"], problem="", consumed=1, position="3333"))


ENTRY = '[encrypted]\n"Phone_Cipher" = {target="borrower.phone", scheme="aes-ecb-sha1", key="phone.key"}\n'


def columns_file(folder: Path, text: str = ENTRY, key: bytes = b"secret\r\n", mode: int = 0o600) -> Path:
    """A columns file with its key beside it."""
    (folder / "phone.key").write_bytes(key)
    (folder / "phone.key").chmod(mode)
    path = folder / "columns.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_columns_file_is_read(tmp_path: Path) -> None:
    """Titles in lower case, as databases fold them; the key's line end isn't part of it."""
    found = read_columns(columns_file(tmp_path), SCHEMA)
    assert found["phone_cipher"].cipher.open(encrypted(PHONE)) == PHONE
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "[encrypted]\n", "[other]\n", ENTRY + "[more]\n", '[encrypted]\na = "b"\n',
        ENTRY.replace("borrower.phone", "borrower.shoe"), ENTRY.replace("borrower.phone", "shoe.phone"),
        ENTRY.replace("sha1", "sha0"), ENTRY.replace("phone.key", "none.key"),
        ENTRY.replace("key=", "password="), ENTRY.replace('"phone.key"', "1"),
    ],
)  # fmt: skip
def test_another_columns_file_is_refused(tmp_path: Path, text: str) -> None:
    """Not TOML, other words, no such field, no such scheme, no key."""
    with pytest.raises(ConfigError):
        read_columns(columns_file(tmp_path, text), SCHEMA)


@pytest.mark.parametrize(("key", "mode"), [(b"", 0o600), (b"\n", 0o600), (b"k", 0o640), (b"k", 0o604)])
def test_a_key_file_is_private_and_not_empty(tmp_path: Path, key: bytes, mode: int) -> None:
    """What opens a whole column is no reading matter."""
    with pytest.raises(ConfigError):
        read_columns(columns_file(tmp_path, key=key, mode=mode), SCHEMA)
