"""Comparing a source with the vault: one word for each row, names of fields, an entry first, no values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from kit import Made, borrower, borrowers, canaries, leaks, make_vault, sql

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.comparing import Compared, Comparer, Verdict
from vault.errors import Denied, Tampered, Unavailable
from vault.intake import open_export
from vault.model import Hold


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Three borrowers."""
    made = make_vault(tmp_path)
    made.load(borrowers(3))
    return made


def compare(made: Made, rows: Sequence[Mapping[str, str]], **limits: Any) -> Compared:
    """Compare rows with the vault."""
    tenancy = made.vault.tenancy()
    export = open_export(made.file(rows), tenancy.schema, kind="borrower", today=tenancy.today())
    token = made.token("importer", limits=Limits(**limits) if limits else None)
    return made.vault.writing().compare(token, export, report=made.folder / "compared.jsonl")


def report(made: Made) -> list[dict[str, Any]]:
    """The report's lines after its header."""
    lines = (made.folder / "compared.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[1:]]


def counts(done: Compared) -> dict[str, int]:
    """The counts that aren't zero."""
    names = ("equal", "differing", "missing", "restricted", "rejected")
    found = {name: getattr(done, name) for name in names}
    assert sum(found.values()) == done.rows
    return {name: count for name, count in found.items() if count}


def test_what_was_imported_is_equal(made: Made) -> None:
    """Every record of every row, and nothing to report."""
    assert counts(compare(made, borrowers(3))) == {"equal": 3}
    assert report(made) == []


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("手机", "13955500001", "borrower.phone"), ("客户姓名", "赵琤", "borrower.name"),
        ("现住址", "", "borrower.residence"), ("欠款余额", "73000.38", "loan.outstanding"),
        ("联系人电话", "13955500002", "contact_person.phone"), ("产品", "车贷", "loan.product"),
        ("银行卡号", "", "borrower.bank_card"),
    ],
)  # fmt: skip
def test_a_changed_cell_is_named_by_its_field(made: Made, column: str, value: str, field: str) -> None:
    """In whatever compartment it is sealed; the row and a digest of its key, never a value."""
    changed = borrower(1) | {column: value}
    assert counts(compare(made, [borrower(0), changed, borrower(2)])) == {"equal": 2, "differing": 1}
    found = [line for line in report(made) if not line["field"].endswith("_band")]
    assert [(line["row"], line["field"], line["code"]) for line in found] == [(2, field, "differing")]
    assert len(found[0]["key"]) == 32
    said = (made.folder / "compared.jsonl").read_bytes()
    assert leaks(said, canaries([borrower(1), changed])) == []


def test_the_same_record_has_the_same_key_in_every_report(made: Made) -> None:
    """So that two runs can be laid side by side; another record has another."""
    keys = []
    for rows in ([borrower(0), borrower(1) | {"手机": ""}], [borrower(1) | {"手机": "", "客户姓名": "赵琤"}]):
        compare(made, rows)
        keys.append({line["key"] for line in report(made)})
    assert keys[0] == keys[1]
    compare(made, [borrower(2) | {"手机": ""}])
    assert {line["key"] for line in report(made)} != keys[0]


def test_what_is_not_there_is_missing(made: Made) -> None:
    """A borrower nobody imported; and an intake rejection is counted apart."""
    bad = borrower(4) | {"手机": "1"}
    assert counts(compare(made, [borrower(0), borrower(3), bad])) == {"equal": 1, "missing": 1, "rejected": 1}
    assert {(line["row"], line["code"]) for line in report(made)} == {(2, "missing"), (3, "invalid_phone")}


def test_an_external_id_of_another_person_differs(made: Made) -> None:
    """The customer number is known under another ID number: named, not an end of the comparison."""
    swapped = borrower(1) | {"证件号": borrower(5)["证件号"]}
    assert counts(compare(made, [swapped, borrower(2)])) == {"equal": 1, "differing": 1}
    assert ("borrower.id_number", "differing") in {(line["field"], line["code"]) for line in report(made)}


def test_a_loan_of_another_borrower_differs(made: Made) -> None:
    """Records that are all there, but hang together otherwise."""
    crossed = borrower(1) | {"案件编号": borrower(2)["案件编号"]}
    compare(made, [crossed])
    assert {"loan.subject", "borrower.cases"} <= {line["field"] for line in report(made)}


def test_a_restricted_record_is_not_opened(made: Made) -> None:
    """Stored and protected, nothing else (PIPL 47 ¶2): said as such, whatever the source has."""
    room, dpo = made.vault.erasing(), made.token("dpo")
    room.add_hold(dpo, made.ids(borrowers(1)), Hold(number="H", authority="法院", until="2050-01-01"))
    room.execute(dpo, room.plan(dpo, as_of=date(2032, 1, 1)).id, yes=True)
    assert counts(compare(made, [borrower(0) | {"手机": ""}, borrower(1)])) == {"missing": 2}
    assert ("borrower", "restricted") in {(line["field"], line["code"]) for line in report(made)}
    assert "borrower.phone" not in {line["field"] for line in report(made)}


def test_each_page_is_an_entry_before_its_result(made: Made) -> None:
    """Who compared how many records, without a value; nothing comes out when the log is away."""
    rows = [borrower(0), borrower(1) | {"手机": ""}]
    compare(made, rows)
    (entry,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="verify"))
    assert (entry.role, entry.purpose, entry.outcome) == ("importer", "import", "ok")
    assert leaks((made.folder / "ledger.db").read_bytes(), canaries(rows)) == []


def test_no_entry_no_result(made: Made) -> None:
    """The ledger's file is moved away: an error, and no report."""
    token = made.token("importer")
    tenancy = made.vault.tenancy()
    export = open_export(made.file(borrowers(3)), tenancy.schema, kind="borrower", today=tenancy.today())
    (made.folder / "ledger.db").rename(made.outside / "ledger.db")
    with pytest.raises(Unavailable):
        made.vault.writing().compare(token, export, report=made.folder / "compared.jsonl")
    assert not (made.folder / "compared.jsonl").exists()


def test_who_may_not_import_may_not_compare(made: Made) -> None:
    """It is an oracle on values: for those who may write them; a refusal is an entry."""
    tenancy = made.vault.tenancy()
    export = open_export(made.file(borrowers(1)), tenancy.schema, kind="borrower", today=tenancy.today())
    for role in ("collector", "auditor", "legal"):
        with pytest.raises(Denied):
            made.vault.writing().compare(made.token(role), export, report=made.folder / "compared.jsonl")
    assert not (made.folder / "compared.jsonl").exists()


def test_a_lost_payload_is_not_equal(made: Made) -> None:
    """Facts and fingerprint alone would still say so: what is compared is what opens."""
    sql(made, "records", "DELETE FROM payloads WHERE compartment='contact'")
    assert counts(compare(made, borrowers(1))) == {"differing": 1}
    assert "borrower.phone" in {line["field"] for line in report(made)}


def test_an_edited_payload_ends_the_comparison(made: Made) -> None:
    """Damage is no difference: stop and look."""
    sql(made, "records", "UPDATE payloads SET sealed=zeroblob(length(sealed)) WHERE compartment='contact'")
    with pytest.raises(Tampered):
        compare(made, borrowers(1))


def test_nothing_is_changed_by_comparing(made: Made) -> None:
    """No version, no record, no fact."""
    asked = "SELECT record, version, sealed FROM payloads ORDER BY record, compartment"
    before = sql(made, "records", asked)
    compare(made, [borrower(0) | {"手机": "13955500001"}, borrower(9)])
    assert sql(made, "records", asked) == before


def test_a_verdict_for_each_draft(made: Made) -> None:
    """Rows that name one record twice are both answered."""
    tenancy = made.vault.tenancy()
    export = open_export(
        made.file([borrower(0), borrower(0)]), tenancy.schema, kind="borrower", today=tenancy.today()
    )
    rows = [row.drafts for row in export.rows()]
    found = Comparer(tenancy).compare(rows)
    assert found == [(Verdict(status="equal"),) * 3] * 2


@pytest.mark.parametrize(("column", "guess"), [("手机", "1395550000{}"), ("证件号", "11010519491231002X")])
def test_a_source_of_guesses_learns_one_answer(
    made: Made, monkeypatch: pytest.MonkeyPatch, column: str, guess: str
) -> None:
    """A record that has differed is not compared again in this run, whatever page: no trying of numbers."""
    monkeypatch.setattr("vault.writing.CHUNK_ROWS", 2)
    guesses = [borrower(1) | {column: guess.format(n)} for n in range(4)]
    assert counts(compare(made, [borrower(0), *guesses, borrower(1)])) == {"equal": 1, "differing": 5}
    assert {line["row"] for line in report(made) if line["field"].startswith("borrower.")} == {2}
    assert [line["row"] for line in report(made) if line["field"] == "borrower"] == [3, 4, 5, 6]
