"""The access log on the command line: questions, verification, proofs."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import PHONE, Run, run

from vault.ledger import proof
from vault.ledger.note import VKey

LINE = {
    "index", "time", "kind", "actor", "role", "purpose", "case", "subject", "fields", "outcome", "reason",
    "policy",
}  # fmt: skip


def test_lines_have_the_pinned_parts(cv: Run) -> None:
    """Every line has the pinned parts; what was shown is named by view; a refusal has its reason."""
    record = cv("find", "--field", "phone", "--json", stdin=PHONE).json["items"][0]["record"]
    assert cv("read", record, "--fields", "id_number").code == 3
    said = cv("log", "list", "--subject", record, "--json").json
    assert all(item.keys() >= LINE for item in said["items"])
    assert said["items"][0]["fields"] == {"name": "MASKED", "phone": "MASKED"}
    assert (said["items"][-1]["outcome"], said["items"][-1]["reason"]) == ("denied", "field_denied")
    by_ref = cv("log", "list", "--ref", "borrower:AJ00001", "--json").json
    assert [item["index"] for item in by_ref["items"]] == [item["index"] for item in said["items"]]


def test_questions_are_in_closed_words(cv: Run) -> None:
    """A slip in a filter is an error, never an empty answer; a page says where the next one begins."""
    for wrong in (
        ("--kind", "raed"),
        ("--purpose", "x"),
        ("--outcome", "x"),
        ("--reason", "x"),
        ("--since", "x"),
    ):
        assert cv("log", "list", *wrong, "--json").code == 2
    page = cv("log", "list", "--limit", 1, "--json").json
    assert (len(page["items"]), page["after"]) == (1, 0)
    assert cv("log", "list", "--limit", 1, "--after", 0, "--json").json["items"][0]["index"] == 1
    assert cv("log", "list", "--kind", "import", "--since", "2020-01-01", "--newest", "--json").json["items"]
    assert cv("log", "list", "--subject", "s-nobody").code == 4


@pytest.mark.parametrize("number", [10**23, 2**53])
def test_numbers_beyond_any_log_are_usage_errors(sandbox: Path, number: int) -> None:
    """A number no JSON reader holds exactly is a slip, not a failing store; just below it is an index."""
    at = ("--vault", sandbox, "--sandbox", "log")
    for wrong in (("list", "--after", number), ("list", "--limit", number), ("receipt", number)):
        assert run(*at, *wrong).code == 2
    assert run(*at, "list", "--after", 2**53 - 1, "--json").json == {"items": [], "after": None}
    assert run(*at, "receipt", 2**53 - 1).code == 4


def test_a_question_has_at_most_10000_lines(cv: Run) -> None:
    """The largest page is 10000 entries."""
    assert cv("log", "list", "--limit", 10_000).code == 0
    assert cv("log", "list", "--limit", 10_001).code == 2


def test_only_auditors_ask(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """A collector's token gets nothing out of the log; the table for people names who acted."""
    token = tmp_path / "t"
    assert cv("token", "issue", "--role", "collector", "--purpose", "negotiation", "--out", token).code == 0
    denied = run("--vault", sandbox, "log", "list", "--token", token, "--json")
    assert (denied.code, denied.error["code"]) == (3, "role_denied")
    assert "first principal" in cv("log", "list").out


def test_verify_says_what_it_checked(cv: Run, sandbox: Path) -> None:
    """Without a token the log is checked and nothing entered; with one the check is an entry of its own."""
    size = run("--vault", sandbox, "log", "verify", "--json").json["size"]
    assert run("--vault", sandbox, "log", "verify", "--json").json["size"] == size
    assert cv("log", "verify", "--json").code == 0
    assert run("--vault", sandbox, "log", "verify", "--json").json["kinds"]["verify"] == 1


def test_verify_catches_a_changed_entry(cv: Run, sandbox: Path) -> None:
    """An edited entry is 5, names its index, and the check comes before the check's own entry."""
    with closing(sqlite3.connect(sandbox / "ledger.db")) as ledger:
        ledger.execute("UPDATE entries SET actor = 'p-somebody' WHERE idx = 2")
        ledger.commit()
    for command in (cv("log", "verify", "--json"), run("--vault", sandbox, "log", "verify", "--json")):
        assert (command.code, command.error["code"], command.error["index"]) == (5, "integrity", 2)


def test_receipt_proves_an_entry_with_the_public_key(sandbox: Path, tmp_path: Path) -> None:
    """The proof, the entry and the key that the commands print belong together."""
    at = ("--vault", sandbox)
    done = run(*at, "log", "receipt", 1, "--out", tmp_path / "r", "--json").json
    vkey = VKey.parse(run(*at, "log", "vkey").out.strip())
    point = proof.check((tmp_path / "r").read_text("utf-8"), done["entry"].encode(), vkey)
    assert point.size == run(*at, "status", "--json").json["log"]["size"]
    assert len(base64.b64decode(done["leaf"])) == 32
    assert run(*at, "log", "receipt", 1).out.splitlines()[0] == done["leaf"]
    assert run(*at, "log", "receipt", 99999).code == 4


def test_public_parts(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """The key is the file's line, the checkpoint is signed by it, the export holds tiles."""
    key = cv("log", "vkey", "--json").json["vkey"]
    assert key == (sandbox / "log.vkey").read_text("utf-8").strip() == cv("log", "vkey").out.strip()
    origin = key.split("+")[0]
    assert origin.startswith("sandbox.")
    assert cv("log", "checkpoint").out.startswith(f"{origin}\n")
    assert cv("log", "checkpoint", "--json").json["checkpoint"].startswith(f"{origin}\n")
    done = cv("log", "export", tmp_path / "tiles", "--json")
    assert done.json["files"] == sum(path.is_file() for path in (tmp_path / "tiles").rglob("*"))


def test_an_export_is_brought_up_to_date(cv: Run, tmp_path: Path) -> None:
    """A second export into the same folder carries on to the newer checkpoint; other files stay."""
    assert cv("log", "export", tmp_path / "tiles").code == 0
    (tmp_path / "tiles" / "notes.txt").write_text("mine")
    before = (tmp_path / "tiles" / "checkpoint").read_bytes()
    assert cv("log", "export", tmp_path / "tiles").code == 0
    assert (tmp_path / "tiles" / "checkpoint").read_bytes() != before
    assert (tmp_path / "tiles" / "notes.txt").read_text() == "mine"


def test_an_export_goes_to_no_folder_of_something_else(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """The vault's own folder, or one with other files, is refused before anything is logged."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine", "utf-8")
    size = len(cv("log", "list", "--json").json["items"])
    for folder in (sandbox, tmp_path / "other"):
        assert cv("log", "export", folder, "--json").error["field"] == "directory"
    assert not (sandbox / "tile").exists()
    assert len(cv("log", "list", "--json").json["items"]) == size + 2
    (tmp_path / "empty").mkdir()
    assert cv("log", "export", tmp_path / "empty").code == 0


@pytest.mark.parametrize("below", ["", "tiles"])
def test_an_export_needs_a_folder(cv: Run, sandbox: Path, tmp_path: Path, below: str) -> None:
    """A file where the folder goes is 2, is left as it is, and no entry claims an export."""
    (tmp_path / "f").write_text("mine")
    size = run("--vault", sandbox, "status", "--json").json["log"]["size"]
    refused = cv("log", "export", tmp_path / "f" / below, "--json")
    assert (refused.code, refused.error["code"]) == (2, "invalid_file")
    assert (tmp_path / "f").read_text() == "mine"
    assert run("--vault", sandbox, "status", "--json").json["log"]["size"] == size
