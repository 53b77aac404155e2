"""Suppressing: an old file does not bring back who was erased or refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from kit import Made, borrowers, leaks, make_vault

from vault.auditing import Question
from vault.errors import Denied
from vault.intake.records import drafts_of
from vault.preparing import CONTENT, Preparer
from vault.taking import ImportOptions

ROWS = borrowers(3)
LATER = date(2060, 1, 1)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox whose three borrowers were purged."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    plan = made.vault.erasing().plan(made.token("dpo"), as_of=LATER)
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    return made


def again(made: Made, rows: list[dict[str, str]], relationship: str | None = None) -> dict[str, int]:
    """Import rows again; how many of each kind were stored."""
    return made.vault.writing().import_file(
        made.token("importer"), made.file(rows), kind="borrower", report=made.folder / "again.jsonl",
        options=ImportOptions(relationship=relationship),
    ).stored  # fmt: skip


def test_an_old_file_revives_nobody(made: Made) -> None:
    """Every row is refused as `previously_erased`, and the report says what to do, without a value."""
    assert again(made, ROWS) == {}
    report = (made.folder / "again.jsonl").read_text("utf-8")
    assert report.count('"code":"previously_erased"') == 3
    assert "--relationship" in report
    assert not leaks(report.encode(), {ROWS[0]["证件号"], ROWS[0]["手机"], ROWS[0]["客户姓名"]})


@pytest.mark.parametrize("column", ["证件号", "客户编号"])
def test_another_file_is_known_by_either_number(made: Made, column: str) -> None:
    """The ID number alone gives a person away, and so does the creditor's number where no ID is given."""
    fresh = borrowers(1, 50)[0]
    row = {**fresh, column: ROWS[0][column]} | ({"证件号": ""} if column == "客户编号" else {})
    assert again(made, [row]) == {}


def test_others_come_in_as_before(made: Made) -> None:
    """Who was never here is stored."""
    assert again(made, borrowers(2, 50))["borrower"] == 2


def test_a_contact_person_is_not_revived_either(made: Made) -> None:
    """A row with an erased contact person's telephone is refused; without that person it is taken."""
    row = borrowers(1, 50)[0]
    contact = {name: value for name, value in ROWS[0].items() if "联系人" in name or "关系" in name}
    assert contact
    assert again(made, [row | contact]) == {}
    assert again(made, [{**row, **dict.fromkeys(contact, "")}])["borrower"] == 1


def test_a_new_relationship_overrides_and_is_logged(made: Made) -> None:
    """With its reference the person may come back, and the entry of the import names the reference."""
    assert again(made, ROWS, "PLACEMENT-2027-03")["borrower"] == 3
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="import"))
    assert any("PLACEMENT-2027-03" in (line.detail or "") for line in lines)


def test_a_direct_write_is_held_to_it(made: Made) -> None:
    """A service that sends an erased person is denied, unless it names the new relationship."""
    tenancy = made.vault.tenancy()
    record = b'{"kind":"borrower","ref":"N1","values":{"name":"%s","id_number":"%s"}%s}'
    name, number = ROWS[0]["客户姓名"].encode(), ROWS[0]["证件号"].encode()
    plain = drafts_of(record % (name, number, b""), tenancy.schema, tenancy.today())
    with pytest.raises(Denied) as refusal:
        made.vault.writing().write(made.token("importer"), plain)
    assert refusal.value.code == "previously_erased"
    new = drafts_of(record % (name, number, b',"relationship":"C-9"'), tenancy.schema, tenancy.today())
    assert made.vault.writing().write(made.token("importer"), new).stored == {"borrower": 1}


def test_the_list_holds_no_number(made: Made) -> None:
    """What stays is a keyed digest: no stored byte of the list is a number or a plain hash of one."""
    kinds = [
        made.vault.tenancy().keeping.fetch([r])[r].kind
        for r in made.vault.stores.keys.records("main", "", 99)
    ]
    assert set(kinds) == {"suppression"}
    values = {row[c] for row in ROWS for c in ("证件号", "手机", "客户姓名", "银行卡号")}
    for path in made.folder.rglob("*"):
        if path.is_file():
            assert not leaks(path.read_bytes(), values)


def test_nothing_is_kept_after_the_contract(tmp_path: Path) -> None:
    """When the creditor's contract ends an agency keeps nothing, this list neither (PIPL 21 ¶2)."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-15")
    plan = made.vault.erasing().plan(made.token("dpo"))
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    assert made.vault.stores.keys.records("main", "", 9) == []


def test_who_refuses_is_listed(tmp_path: Path) -> None:
    """A contact person who refuses is known again when their record is gone; retention counts from it."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    tenancy = made.vault.tenancy()
    person = next(
        r
        for r in made.vault.stores.keys.records("main", "", 99)
        if tenancy.keeping.fetch([r])[r].kind == "contact_person"
    )
    dpo = made.token("dpo", "subject_request")
    assert made.vault.amending().refuse(dpo, person, reason="called to say so") == 1
    assert made.vault.amending().refuse(dpo, person, reason="again") == 0
    assert tenancy.keeping.fetch([person])[person].facts.anchors["contact_refused_on"] == "2026-03-16"


def erased_contact(tmp_path: Path) -> Made:
    """A sandbox with one borrower whose contact person refused and was purged."""
    made = make_vault(tmp_path)
    made.load(ROWS[:1])
    person = made.vault.tenancy().record_of(f"contact_person:{ROWS[0]['案件编号']}/1") or ""
    made.vault.amending().refuse(made.token("dpo", "subject_request"), person, reason="called to say so")
    made.clock.advance(hours=1)
    plan = made.vault.erasing().plan(made.token("dpo"))
    assert plan.counts["erase"] == 1
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    return made


def test_an_erased_contact_person_holds_up_no_borrower(tmp_path: Path) -> None:
    """The borrower's news are taken, the contact person is left out and named in the report."""
    made = erased_contact(tmp_path)
    assert again(made, [ROWS[0] | {"欠款余额": "1.00"}]) == {"loan": 1}
    report = (made.folder / "again.jsonl").read_text("utf-8")
    assert '"field":"contact_person","code":"previously_erased"' in report
    assert made.vault.tenancy().record_of(f"contact_person:{ROWS[0]['案件编号']}/1") is None


@pytest.mark.parametrize("column", ["联系人电话", "联系人备用电话"])
def test_an_erased_contact_person_takes_no_place_of_another(tmp_path: Path, column: str) -> None:
    """Not in the record of the person who moved up, nor by a second telephone."""
    made = erased_contact(tmp_path)
    fresh = {"联系人电话": "13711112222", "紧急联系人": "何某"}
    assert again(made, [ROWS[0] | fresh]) == {"contact_person": 1}
    assert again(made, [ROWS[0] | fresh | {column: ROWS[0]["联系人电话"]}]) == {}


def test_an_old_spelling_of_an_id_number_is_known(made: Made) -> None:
    """The 15 digits of before 1999 are the same person's as the 18 of today."""
    number = ROWS[0]["证件号"]
    row = borrowers(1, 50)[0] | {"证件号": number[:6] + number[8:17]}
    assert again(made, [row]) == {}


def test_a_former_borrower_is_known_as_a_guarantor(made: Made) -> None:
    """The list is of people, not of the part they play: a row with an erased guarantor is refused."""
    row = borrowers(1, 50)[0]
    guarantor = {"担保人姓名": ROWS[0]["客户姓名"], "担保人证件号": ROWS[0]["证件号"]}
    assert again(made, [row | guarantor]) == {}
    assert again(made, [row | guarantor], "C-9")["guarantor"] == 1


def test_who_is_still_here_goes_on_being_updated(tmp_path: Path) -> None:
    """A contact person who refused and is not purged yet is on the list; their row is no revival."""
    made = make_vault(tmp_path)
    made.load(ROWS[:1])
    person = made.vault.tenancy().record_of(f"contact_person:{ROWS[0]['案件编号']}/1") or ""
    made.vault.amending().refuse(made.token("dpo", "subject_request"), person, reason="r")
    assert again(made, [ROWS[0] | {"与本人关系": "同事"}]) == {"contact_person": 1}


def test_a_masked_node_cannot_try_numbers_through(made: Made) -> None:
    """Neither the list's digests nor those of records told by content come without the identity key."""
    t = made.vault.tenancy()
    masked = Preparer(t.keys.subset(frozenset({"masked"})), t.schema, t.rules, "agency")
    assert t.preparer.suppression("id_number", ROWS[0]["证件号"])
    with pytest.raises(Denied):
        masked.suppression("id_number", ROWS[0]["证件号"])
    with pytest.raises(Denied):
        masked.digest("contact_attempt", CONTENT, "00" * 16)
