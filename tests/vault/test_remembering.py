"""Remembering: a file from the same source does not undo a correction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kit import Made, borrowers, leaks, make_vault, sql

from vault.access.tokens import Credential
from vault.intake.records import drafts_of
from vault.keeping import Held
from vault.opening import Opener

ROW = borrowers(1)[0]
OTHER, THIRD = "13911112222", "13822223333"
RIGHT_ID = "11010519491231002X"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with one borrower."""
    made = make_vault(tmp_path)
    made.load([ROW | {"结清日期": ""}])
    made.clock.advance(hours=1)
    return made


def dpo(made: Made) -> Credential:
    """A token of the data protection officer."""
    return made.token("dpo", "subject_request")


def correct(made: Made, ident: str = f"borrower:{ROW['客户编号']}", **changes: str | None) -> None:
    """Correct a record."""
    made.vault.amending().correct(dpo(made), ident, changes, reason="letter 7")


def held(made: Made, ident: str = f"borrower:{ROW['客户编号']}") -> Held:
    """A record's key row and facts."""
    record = made.vault.tenancy().record_of(ident) or ""
    return made.vault.tenancy().keeping.fetch([record])[record]


def stands(made: Made, ident: str = f"borrower:{ROW['客户编号']}") -> dict[str, str]:
    """What a record holds."""
    record = held(made, ident).row.record
    return Opener(made.vault.tenancy()).drafts([record])[record][0].values


def test_the_same_file_again_undoes_no_correction(made: Made) -> None:
    """A value that was corrected away stays away, a value taken away too; nothing is written again."""
    correct(made, phone=OTHER, email=None)
    for _ in range(2):
        assert made.load([ROW]).stored == {}
    assert stands(made)["phone"] == OTHER
    assert "email" not in stands(made)
    assert held(made).facts.version == 2


def test_what_changes_beside_it_is_taken(made: Made) -> None:
    """The row's other news come in, and the correction still holds against the next file."""
    correct(made, phone=OTHER)
    assert made.load([ROW | {"现住址": "浙江省杭州市西湖区新弄1号"}]).stored == {"borrower": 1}
    assert made.load([ROW]).stored == {"borrower": 1}
    assert stands(made)["phone"] == OTHER
    assert held(made).facts.version == 4


def test_a_third_value_is_news(made: Made) -> None:
    """The source has a new number: it is taken, and from then on the source is believed again."""
    correct(made, phone=OTHER)
    made.load([ROW | {"手机": THIRD}])
    assert stands(made)["phone"] == THIRD
    made.load([ROW])
    assert stands(made)["phone"] == ROW["手机"]


def test_a_correction_of_a_correction(made: Made) -> None:
    """What the source said stays noted through two corrections; restoring it ends the matter."""
    correct(made, phone=OTHER)
    correct(made, phone=THIRD)
    assert made.load([ROW]).stored == {}
    assert stands(made)["phone"] == THIRD
    correct(made, phone=ROW["手机"])
    assert held(made).facts.corrected == b""


def test_a_corrected_id_number_leads_to_its_borrower(made: Made) -> None:
    """The old file's row, with the wrong ID number, is still theirs: taken, neither refused nor undone."""
    correct(made, id_number=RIGHT_ID)
    done = made.load([ROW | {"欠款余额": "1.00"}])
    assert (done.rejected, done.stored) == (0, {"loan": 1})
    assert stands(made)["id_number"] == RIGHT_ID
    assert stands(made)["birth_date"] == "1949-12-31"


def test_a_day_corrected_away_counts_for_no_period(made: Made) -> None:
    """A loan wrongly called settled is not due again with the next file that says so."""
    loan = f"loan:{ROW['案件编号']}"
    made.load([ROW | {"结清日期": "2026-03-15"}])
    correct(made, loan, settled_on=None)
    assert "settled_on" not in held(made, loan).facts.anchors
    made.load([ROW | {"结清日期": "2026-03-15"}])
    assert "settled_on" not in held(made, loan).facts.anchors
    made.load([ROW | {"结清日期": "2026-03-16"}])
    assert held(made, loan).facts.anchors["settled_on"] == "2026-03-16"


def test_whoever_names_the_version_is_believed(made: Made) -> None:
    """A service that read the corrected record and writes the old value all the same means it."""
    correct(made, phone=OTHER)
    tenancy = made.vault.tenancy()
    text = '{"kind":"borrower","ref":"%s","version":2,"values":{"name":"张三","phone":"%s"}}'
    drafts = drafts_of((text % (ROW["客户编号"], ROW["手机"])).encode(), tenancy.schema, tenancy.today())
    made.vault.writing().write(dpo(made), drafts)
    assert stands(made)["phone"] == ROW["手机"]
    assert held(made).facts.corrected == b""


def test_a_retried_write_is_unchanged_after_a_correction(made: Made) -> None:
    """A writer's key still finds its record, and the same content again is no other content."""
    tenancy = made.vault.tenancy()
    values = {"case_number": ROW["案件编号"], "due_on": "2026-04-01", "amount": "5", "note": "甲"}
    text = json.dumps({"kind": "promise", "key": "k1", "values": values})
    drafts = drafts_of(text.encode(), tenancy.schema, tenancy.today())
    token = made.token("importer")
    (record,) = made.vault.writing().write(token, drafts).records
    correct(made, record, note="乙")
    again = made.vault.writing().write(made.token("importer"), drafts)
    assert (again.records, again.stored) == ([record], {})


def test_a_merged_record_remembers(made: Made) -> None:
    """A correction outlives the versions that merging and splitting make."""
    (other,) = borrowers(1, 5)
    made.load([other])
    correct(made, phone=OTHER)
    moved = made.vault.amending().merge(
        dpo(made), f"borrower:{other['客户编号']}", f"borrower:{ROW['客户编号']}", reason="one person"
    )
    made.load([ROW])
    assert stands(made)["phone"] == OTHER
    made.vault.amending().split(dpo(made), moved.records, reason="two after all")
    made.load([ROW])
    assert stands(made)["phone"] == OTHER


def test_what_was_corrected_away_is_in_no_store(made: Made) -> None:
    """The facts hold sealed digests: neither the value nor an unsealed digest of it."""
    correct(made, phone=OTHER)
    notes = held(made).facts.corrected
    bodies = b"".join(bytes(body) for (body,) in sql(made, "records", "SELECT body FROM facts"))
    assert notes
    assert b"phone" not in notes
    assert not leaks(bodies, {ROW["手机"], OTHER})


def test_what_is_computed_follows_the_news(made: Made) -> None:
    """A balance that was corrected, then changed by the source: its band is the new balance's."""
    loan = f"loan:{ROW['案件编号']}"
    before = stands(made, loan)["outstanding_band"]
    correct(made, loan, outstanding="900000.00")
    assert made.load([ROW]).stored == {}
    assert stands(made, loan)["outstanding_band"] != before
    made.load([ROW | {"欠款余额": "73001.00"}])
    assert (stands(made, loan)["outstanding"], stands(made, loan)["outstanding_band"]) == ("73001.00", before)


def test_corrections_and_news_may_not_contradict(made: Made) -> None:
    """Instalments paid were corrected, now the source has fewer in all: the row is refused."""
    loan, row = f"loan:{ROW['案件编号']}", ROW | {"总期数": "12", "已还期数": "3"}
    made.load([row])
    correct(made, loan, instalments_paid="10")
    before = stands(made, loan)
    assert before["instalments_left"] == "2"
    assert made.load([row | {"总期数": "6"}]).rejected == 1
    assert stands(made, loan) == before
