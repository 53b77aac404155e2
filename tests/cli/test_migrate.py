"""`cvault migrate`: a table moved in and compared, what is refused, and that no password is an argument."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commands import PHONE, Ran, Run

from cli.migrate import Asked

HEADER = (
    "id",
    "case_number",
    "name",
    "phone",
    "phone_mask",
    "placed_on",
    "overdue_since",
    "outstanding",
    "star",
)
ROWS = [
    (1, "AJ00001", "诸葛霁月", PHONE, "154****0001", "2026-01-05", "2026-01-01", "800.00", "x"),
    (2, "AJ00002", "司马青衫", "15412340002", "154****0002", "2026-01-05", "2026-01-01", "900.50", "x"),
    (3, "AJ00003", "欧阳流云", "1549999", "154****0009", "2026-01-05", "2026-01-01", "1", "x"),
]
"""Three borrowers of a database, the last with a telephone number that is none."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A database with a query beside it."""
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE TABLE b ({', '.join(HEADER)}, PRIMARY KEY (id))")
        db.executemany(f"INSERT INTO b VALUES ({', '.join('?' * len(HEADER))})", ROWS)
    (tmp_path / "query.sql").write_text("SELECT * FROM b\n")
    return path


def change(source: Path, sql: str) -> None:
    """Run a statement as the source's own application."""
    with closing(sqlite3.connect(source)) as db, db:
        db.execute(sql)


def migrate(cv: Run, source: Path, verb: str, *more: object, url: str = "", **env: str) -> Ran:
    """Run a verb on the source."""
    words = ["import"] if verb == "import" else ["migrate", verb]
    return cv(
        *words, "--from-sql", url or f"sqlite:///{source}", "--query", source.with_name("query.sql"),
        "--key", "id", "--kind", "borrower", "--json", *more, **env,
    )  # fmt: skip


def lines(said: Any) -> list[dict[str, Any]]:
    """A report's lines after its header."""
    return [json.loads(line) for line in Path(said["report"]).read_text("utf-8").splitlines()[1:]]


def test_a_table_moves_in_and_compares(cv: Run, source: Path) -> None:
    """Import with one rejection, compare; a change in the source is named, without its value."""
    done = migrate(cv, source, "import")
    assert done.code == 6
    assert (done.json["rows"], done.json["rejected"], done.json["unknown"]) == (3, 1, ["id", "star"])
    assert lines(done.json)[0]["field"] == "borrower.phone"
    same = migrate(cv, source, "verify")
    assert same.code == 6
    assert (same.json["equal"], same.json["rejected"]) == (2, 1)
    change(source, "DELETE FROM b WHERE id = 3")
    assert migrate(cv, source, "verify").code == 0
    change(source, "UPDATE b SET phone = '15412340003' WHERE id = 2")
    other = migrate(cv, source, "verify")
    assert (other.code, other.json["equal"], other.json["differing"]) == (6, 1, 1)
    (line,) = lines(other.json)
    assert (line["row"], line["field"], line["code"]) == (2, "borrower.phone", "differing")
    assert "1541234" not in json.dumps(lines(other.json))


def test_people_get_tables_with_notes_apart(cv: Run, source: Path) -> None:
    """Counts on stdout; what was dropped or is unknown, and the report, on stderr."""
    words = ("--from-sql", f"sqlite:///{source}", "--query", source.with_name("query.sql"), "--key", "id")
    done = cv("import", *words, "--kind", "borrower", "--dry-run")
    assert "rejected" in done.out
    assert "phone_mask" in done.err
    assert "Dry run" in done.err
    assert "missing" in cv("migrate", "verify", *words, "--kind", "borrower").out


def test_going_on_needs_the_same_question(cv: Run, source: Path, tmp_path: Path) -> None:
    """A progress file that is there is gone on with, or refused; at the end it is gone."""
    resume = tmp_path / "progress.json"
    done = migrate(cv, source, "import", "--resume", resume)
    assert done.json["rows"] == 3
    assert not resume.exists()
    resume.write_text("{}")
    refused = migrate(cv, source, "import", "--resume", resume)
    assert (refused.code, refused.error["code"]) == (2, "invalid_resume")
    assert resume.read_text() == "{}"


def test_a_password_comes_from_the_environment_or_a_file(cv: Run, source: Path, tmp_path: Path) -> None:
    """In the URL it is refused before anything is reached; the error repeats nothing of it."""
    refused = migrate(cv, source, "import", url="postgresql://u:sesame99@127.0.0.1:1/d")
    assert (refused.code, refused.error["code"]) == (2, "invalid_source")
    assert "sesame99" not in refused.err
    away = migrate(
        cv, source, "import", url="postgresql://u@127.0.0.1:1/d", CVAULT_SOURCE_PASSWORD="sesame99"
    )
    assert away.code == 7
    assert "sesame99" not in away.err
    secret = tmp_path / "secret"
    secret.write_text("\n")
    empty = migrate(cv, source, "import", "--source-password-file", secret)
    assert (empty.code, empty.error["field"]) == (2, "source-password-file")
    secret.write_text("sesame99\n")
    assert migrate(cv, source, "import", "--source-password-file", secret).code == 6


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("DELETE FROM b", "invalid_query"), ("SELECT * FROM b; DROP TABLE b", "invalid_query"),
        ("SELECT name FROM b", "invalid_key"), ("SELECT 1 AS id FROM b", "invalid_key"),
        ("SELECT NULL AS id", "invalid_key"), ("SELECT id FROM b", "invalid_header"),
        ("SELECT nothing FROM b", "invalid_query"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_ends_with_2(cv: Run, source: Path, query: str, code: str) -> None:
    """Nothing was stored, and the remedy says what to do."""
    source.with_name("query.sql").write_text(query)
    refused = migrate(cv, source, "import")
    assert (refused.code, refused.error["code"]) == (2, code)
    assert refused.error["remedy"]


def test_a_query_file_that_is_not_utf8_is_refused(cv: Run, source: Path) -> None:
    """GBK column names would become others."""
    source.with_name("query.sql").write_bytes("SELECT 客户姓名 FROM b".encode("gbk"))
    assert migrate(cv, source, "import").error["code"] == "invalid_query"


def test_encrypted_columns_are_opened(cv: Run, source: Path, tmp_path: Path) -> None:
    """MySQL's AES_ENCRYPT in a column of bytes, with the key beside the columns file."""
    change(source, "ALTER TABLE b ADD COLUMN email_enc")
    change(source, "UPDATE b SET email_enc = x'15E36637363712FC2E699B9C95B75393' WHERE id = 1")
    (tmp_path / "k").write_text("key\n")
    (tmp_path / "k").chmod(0o600)
    columns = tmp_path / "columns.toml"
    columns.write_text(
        '[encrypted]\nEmail_Enc = {target="borrower.employer", scheme="mysql-aes-128-hex", key="k"}\n'
    )
    assert migrate(cv, source, "import", "--columns", columns).json["rejected"] == 1
    found = cv("read", "--ref", "borrower:AJ00001", "--role", "legal", "--json").json["items"][0]
    assert found["fields"]["employer"]["value"] == "text"


def test_a_target_of_another_kind_is_refused(cv: Run, source: Path, tmp_path: Path) -> None:
    """The column would be decrypted and then left out."""
    (tmp_path / "k").write_text("key\n")
    (tmp_path / "k").chmod(0o600)
    columns = tmp_path / "columns.toml"
    columns.write_text('[encrypted]\nstar = {target="visit.note", scheme="aes-ecb-sha1", key="k"}\n')
    refused = migrate(cv, source, "import", "--columns", columns)
    assert (refused.code, refused.error["field"]) == (2, "columns")


def test_rows_without_a_number_cannot_be_gone_on_with(cv: Run, source: Path, tmp_path: Path) -> None:
    """Equal ones on both sides of a kill would become one record: refused before anything is stored."""
    query = "SELECT id, case_number, '电话' channel, placed_on AS attempted_at, '已接通' result FROM b"
    source.with_name("query.sql").write_text(query)
    words = (
        "--from-sql", f"sqlite:///{source}", "--query", source.with_name("query.sql"), "--key", "id",
        "--kind", "contact_attempt", "--json",
    )  # fmt: skip
    refused = cv("import", *words, "--resume", tmp_path / "progress.json")
    assert (refused.code, refused.error["code"]) == (2, "invalid_resume")
    assert cv("import", *words).json["stored"] == {"contact_attempt": 2}


@pytest.mark.parametrize("other", [{"dated": "2026-03-01"}, {"relationship": "C-9"}, {"kind": "guarantor"}])
def test_an_import_is_gone_on_with_as_it_was_begun(other: dict[str, str]) -> None:
    """What decides what rows become, and who may come back, can't change half-way."""
    asked: dict[str, Any] = {"kind": "borrower", "dated": None, "relationship": None}
    rest: dict[str, Any] = {
        "mapping": None, "columns": None, "secret": None, "page": 1, "pause": 0.0, "rate": 0.0,
        "timeout": 1.0, "no_count": False,
    }  # fmt: skip
    digests = {Asked(**words, **rest).digest("t") for words in (asked, asked | other)}
    assert len(digests) == 2
