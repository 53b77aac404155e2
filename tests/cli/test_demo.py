"""The demo: what it tells is true, and what it leaves behind can be used."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cli import demo, synthetic
from vault.access.tokens import Credential
from vault.errors import ConfigError, Invalid
from vault.granting import Identity
from vault.ledger.certificate import open_certificate
from vault.ledger.note import VKey
from vault.vault import Vault

BORROWERS = 120


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[demo.Summary, str]:
    """One run with few borrowers: its summary and its story."""
    out = io.StringIO()
    folder = tmp_path_factory.mktemp("demo") / "vault"
    return demo.run(folder, BORROWERS, 11, Console(file=out, width=160)), out.getvalue()


@pytest.fixture
def summary(told: tuple[demo.Summary, str]) -> demo.Summary:
    """The summary alone."""
    return told[0]


def test_import_took_the_good_rows(summary: demo.Summary) -> None:
    """Every good row of both files was stored and every bad one refused."""
    for tenant, rows in (("main", 96), ("xinghe", 24)):
        made, bad = summary.imports[tenant], len(synthetic.FAULTS)
        assert (made.rows, made.rejected, made.stored["borrower"]) == (rows, bad, rows - bad)


def test_roles_see_what_policy_says(summary: demo.Summary) -> None:
    """Collector masked, legal clear, dialer no number, auditor nothing; a contact person nobody."""
    views = summary.views
    assert views["collector"]["borrower.phone"] == views["agency_collector"]["borrower.phone"] == "MASKED"
    assert views["legal"]["borrower.id_number"] == "CLEAR"
    assert views["collector"]["borrower.id_number"] == views["dialer"]["borrower.phone"] == "HIDDEN"
    assert set(views["auditor"].values()) == {"HIDDEN"}
    assert {seen["contact_person.phone"] for seen in views.values()} == {"HIDDEN"}


def test_refusals_carry_their_reasons(summary: demo.Summary) -> None:
    """The reasons are those of docs/interface.md."""
    assert summary.denied == "field_denied"
    assert summary.purged.contract_denied == "contract_ended"
    assert summary.purged.unapproved == "approval_required"


def test_closed_case_is_read_no_more(told: tuple[demo.Summary, str]) -> None:
    """The agency reads its case masked while it is open; after the closing not, and the log shows both."""
    worked = told[0].worked
    assert worked.views == {"name": "MASKED", "phone": "MASKED"}
    assert worked.refused == "case_closed"
    assert worked.logged == ("read ok", "deny case_closed")
    assert worked.case in told[1]
    assert "The log has both: read ok, deny case_closed." in told[1]


def test_outsiders_have_what_they_need(summary: demo.Summary) -> None:
    """Pin, export, report and receipt are there, another program checked them, and an alarm was raised."""
    given = summary.outside
    assert given.verified == ("extends", "proof", "report")
    assert Path(given.pin).read_text("utf-8").splitlines()[1] == str(given.pinned)
    assert (Path(given.tree) / "checkpoint").is_file()
    assert b"cvault-proof" in Path(given.report).read_bytes()
    assert given.accesses > summary.log_lines
    assert (given.rule, given.alarm > given.pinned) == ("honey", True)


def test_forgery_was_caught_where_it_was_made(summary: demo.Summary) -> None:
    """Verification names the altered entry; the log of the demo itself is whole."""
    assert summary.caught == summary.forged == summary.receipt
    with Vault.open(Path(summary.vault)) as vault:
        assert vault.auditing().verify().size >= summary.entries


def test_purge_took_all_and_an_old_backup_gives_nothing_back(summary: demo.Summary) -> None:
    """Sealed values are there again, no secret is, and nothing opens; the living borrower does."""
    purged, restored = summary.purged, summary.restored
    stored = sum(summary.imports["xinghe"].stored.values())
    assert (purged.erased, purged.remaining, purged.counts["keep"]) == (stored, 0, 0)
    assert restored.living == 2
    assert restored.sealed > restored.tried == stored
    assert (restored.opened, restored.secrets) == (0, 0)
    assert restored.codes == {"not_found": stored}
    assert restored.living_secrets == sum(summary.imports["main"].stored.values())


def test_certificate_is_good_for_the_public_key(summary: demo.Summary) -> None:
    """The certificate file verifies with the key file beside it and says how many were erased."""
    vkey = VKey.parse((Path(summary.vault) / "demo" / "xinghe.vkey").read_text("utf-8").strip())
    said = open_certificate(Path(summary.purged.certificate).read_text("utf-8"), vkey)
    assert said["erased"] == summary.purged.erased
    assert said["sandbox"] is True


def test_story_tells_every_chapter(told: tuple[demo.Summary, str]) -> None:
    """Eleven chapters, each timed, the masked name but not what the importer refused."""
    summary, story = told
    assert [f"\n{n}. " in story for n in range(1, len(summary.seconds) + 1)] == [True] * 11
    assert "field_denied" in story
    assert f"cvault --vault {summary.vault} --sandbox read {summary.borrower}" in story


def test_vault_left_behind_can_be_used(summary: demo.Summary) -> None:
    """The first principal's file opens it: the borrower of the story reads as a collector."""
    folder = Path(summary.vault)
    identity = Identity.from_json((folder / "admin.principal").read_bytes())
    with Vault.open(folder) as vault:
        token: Credential = vault.granting().issue(identity, role="collector", purpose="phone_collection")
        shown = vault.reading().read(token, [summary.borrower]).items[0]
    assert shown.fields["name"].view == "MASKED"
    assert (folder / "admin.principal").stat().st_mode & 0o077 == 0


def test_only_its_own_folder_is_replaced(tmp_path: Path) -> None:
    """A folder with anything else in it is left as it was."""
    (tmp_path / "thesis.txt").write_text("three years of work", "utf-8")
    with pytest.raises(ConfigError) as refused:
        demo.run(tmp_path, BORROWERS, 1, Console(file=io.StringIO()))
    assert refused.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    """A path through a file is refused with a remedy, not with a traceback."""
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ConfigError):
        demo.run(tmp_path / "file" / "vault", BORROWERS, 1, Console(file=io.StringIO()))


def test_too_few_borrowers_are_refused(tmp_path: Path) -> None:
    """A number that can't carry the story is a usage error, before anything is made."""
    with pytest.raises(Invalid):
        demo.run(tmp_path / "new", 3, 1, Console(file=io.StringIO()))
    assert not (tmp_path / "new").exists()


def test_json_is_one_document_and_a_second_run_replaces_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `json` stdout holds the summary alone; the story, here in Chinese, goes to stderr."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    seen = []
    for _ in range(2):
        demo.demo_command(tmp_path / "vault", 60, 5, True)
        out, err = capsys.readouterr()
        seen.append(json.loads(out))
        assert "接下来可以试试" in err
    first, second = seen
    assert first["borrower"] != second["borrower"]
    assert first["imports"]["main"]["stored"] == second["imports"]["main"]["stored"]
