"""Stocking: which record a draft becomes, and in which order it is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, attempt, borrowers, make_vault, promise

from vault.crypto.sealing import open_fields
from vault.errors import Denied, Invalid
from vault.intake.records import drafts_of
from vault.keeping import Held
from vault.model import Context, Sealed

ROW = borrowers(1)[0]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with one borrower."""
    made = make_vault(tmp_path)
    made.load([ROW])
    return made


def test_nothing_is_added_to_what_is_being_erased(made: Made) -> None:
    """A row about an entombed record makes a record of its own; it gives the dying one no new version."""
    (old,) = made.ids([ROW])
    with made.vault.tenancy().journal.page() as page:
        page.tx.entomb("plan-x", [old], 0)
    done = made.load([ROW | {"手机": "13911112222"}])
    assert done.stored.get("borrower", 0) + done.rejected == 1
    assert {row.version for row in made.vault.stores.keys.versions("main", [old])} == {1}


def test_every_version_has_a_secret_of_its_own(made: Made) -> None:
    """A correction is sealed under a fresh secret, so each can die alone."""
    (record,) = made.ids([ROW])
    keeping = made.vault.tenancy().keeping
    before = keeping.record_secret(keeping.fetch([record])[record].row)
    made.load([ROW | {"手机": "13911112222"}])
    held = keeping.fetch([record])[record]
    assert held.facts.version == 2
    assert keeping.record_secret(held.row) != before


def test_a_correction_keeps_the_day_of_the_first_import(made: Made) -> None:
    """Importing again restarts no retention period: `imported_on` is the first day's for ever."""
    (record,) = made.ids([ROW])
    keeping = made.vault.tenancy().keeping
    first = keeping.fetch([record])[record].facts.anchors["imported_on"]
    made.clock.advance(days=3)
    made.load([ROW | {"手机": "13911112222"}])
    facts = keeping.fetch([record])[record].facts
    assert (facts.version, facts.anchors["imported_on"]) == (2, first)


def test_nothing_is_written_after_the_contract(made: Made) -> None:
    """Once the creditor's contract has ended no direct write comes in either (PIPL 21 ¶2)."""
    token, before = made.token("dpo", "subject_request"), made.vault.stores.records.count("main")
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-15")
    with pytest.raises(Denied) as refusal:
        made.vault.writing().write(token, [promise(1, 0)])
    assert refusal.value.code == "contract_ended"
    assert made.vault.stores.records.count("main") == before


def test_a_hidden_field_is_not_in_the_masked_compartment(made: Made) -> None:
    """What no mask may show is sealed under its own compartment's key alone: a masked node can't open it."""
    made.load([attempt(1, 0)], kind="contact_attempt")
    tenancy = made.vault.tenancy()
    record = tenancy.record_of(f"contact_attempt:{attempt(1, 0)['联系记录编号']}") or ""
    (row,) = made.vault.stores.records.fetch("main", [record], ["masked"])
    context = Context(
        tenant="main", subject=row.subject, record=record, kind=row.kind, version=row.version,
        compartment="masked", generation=row.generation, suite=row.suite,
    )  # fmt: skip
    secret = tenancy.keeping.record_secret(tenancy.keeping.fetch([record])[record].row)
    key = tenancy.keys.compartment("masked", row.generation)
    names = open_fields(Sealed(context=context, blob=row.sealed), secret, key).values.keys()
    hidden = {f.name for f in tenancy.schema.kind("contact_attempt").fields.values() if f.mask == "hidden"}
    assert "note" in hidden
    assert not names & hidden


def test_a_token_revoked_during_an_import_stores_no_further_chunk(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every chunk asks again whether its writer still may: what was stored stays, no more comes."""
    monkeypatch.setattr("vault.taking.CHUNK_ROWS", 50)
    token = made.token("importer")
    seen: list[int] = []

    def revoke(done: int, _: int) -> None:
        if not seen:
            made.vault.granting().revoke(made.identity, token)
        seen.append(done)

    with pytest.raises(Denied) as refusal:
        made.vault.writing().import_file(
            token, made.file(borrowers(60, 1)), kind="borrower",
            report=made.folder / "r.jsonl", progress=revoke,
        )  # fmt: skip
    assert refusal.value.code == "token_revoked"
    assert len(seen) == 1
    assert made.vault.stores.records.count("main") == 3 * (50 + 1)


def test_a_person_beside_nobody_is_refused(made: Made) -> None:
    """A contact person sent alone must belong to a case that is there."""
    tenancy = made.vault.tenancy()
    one = (
        '{"kind":"contact_person","ref":"%s/9","cases":["%s"],"values":{"name":"张三","phone":"13911112222"}}'
    )
    known = drafts_of((one % (ROW["案件编号"], ROW["案件编号"])).encode(), tenancy.schema, tenancy.today())
    assert made.vault.writing().write(made.token("importer"), known).stored == {"contact_person": 1}
    unknown = drafts_of((one % ("NOBODY", "NOBODY")).encode(), tenancy.schema, tenancy.today())
    with pytest.raises(Invalid) as error:
        made.vault.writing().write(made.token("importer"), unknown)
    assert error.value.code == "invalid_ref"


def without_customer(case: str, **more: str) -> dict[str, str]:
    """The borrower in a file that has no customer numbers, with one of several loans."""
    return {n: v for n, v in ROW.items() if n != "客户编号"} | {"案件编号": case} | more


def held(made: Made, record: str) -> Held:
    """A record's key row and facts."""
    return made.vault.tenancy().keeping.fetch([record])[record]


def found(made: Made, ident: str) -> str:
    """The record that an external id names."""
    return made.vault.tenancy().record_of(ident) or ""


def test_a_refused_row_changes_no_facts(made: Made) -> None:
    """A row with another borrower's case is refused whole: its borrower does not join that case's scope."""
    (other,) = borrowers(1, 5)
    made.load([other])
    (record,) = made.ids([ROW])
    before = held(made, record).facts
    assert made.load([ROW | {"案件编号": other["案件编号"], "结清日期": "2026-03-15"}]).rejected == 1
    assert held(made, record).facts == before


def test_one_settled_loan_of_several_ends_nothing(tmp_path: Path) -> None:
    """A person known by ID number, without customer number, is not due because one of their loans is."""
    made = make_vault(tmp_path)
    made.load([without_customer("AJ-1", 结清日期=""), without_customer("AJ-2", 结清日期="2026-03-15")])
    record = found(made, "borrower:AJ-1")
    assert "settled_on" not in held(made, record).facts.anchors
    assert held(made, found(made, "loan:AJ-2")).facts.anchors["settled_on"] == "2026-03-15"


def test_a_person_of_one_loan_is_due_when_it_is_settled(tmp_path: Path) -> None:
    """The only loan settled: the purpose is done; a second one that comes later takes it up again."""
    made = make_vault(tmp_path)
    made.load([without_customer("AJ-1", 结清日期="2026-03-15")])
    record = found(made, "borrower:AJ-1")
    assert held(made, record).facts.anchors["settled_on"] == "2026-03-15"
    made.load([without_customer("AJ-2")])
    assert "settled_on" not in held(made, record).facts.anchors


def test_a_file_without_customer_numbers_is_the_same_again(tmp_path: Path) -> None:
    """A person with several loans keeps the name they had first: the same file again makes no version."""
    made = make_vault(tmp_path)
    rows = [without_customer("AJ-1"), without_customer("AJ-2")]
    made.load(rows)
    record = found(made, "borrower:AJ-1")
    version = held(made, record).facts.version
    assert made.load(rows).stored == {}
    assert held(made, record).facts.version == version


def test_a_row_that_names_two_people_is_refused(made: Made) -> None:
    """One's customer number with another's ID number overwrites neither."""
    (other,) = borrowers(1, 5)
    made.load([other])
    records = made.ids([ROW, other])
    mixed = ROW | {"证件号": other["证件号"], "案件编号": "AJ-NEW"}
    assert made.load([mixed]).rejected == 1
    assert [held(made, r).facts.version for r in records] == [1, 1]
    assert made.ids([ROW, other]) == records


def test_a_day_that_comes_later_reaches_unchanged_records(made: Made) -> None:
    """A debt settled changes nothing in a contact person's record, and makes it due all the same."""
    person = found(made, f"contact_person:{ROW['案件编号']}/1")
    assert made.load([ROW | {"结清日期": "2026-03-15"}]).stored == {"loan": 1}
    facts = held(made, person).facts
    assert (facts.version, facts.anchors["settled_on"]) == (1, "2026-03-15")
