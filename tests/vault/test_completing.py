"""Completing: a file without a column says nothing of that field."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, shown, values

from vault.model import Shown

ROWS = borrowers(2)
KEPT = ("案件编号", "客户编号", "客户姓名")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with two borrowers whose every field is filled."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    return made


def less(row: dict[str, str], **more: str) -> dict[str, str]:
    """A row of a file that has few columns."""
    return {name: row[name] for name in KEPT} | more


def legal(made: Made, ident: str) -> Shown:
    """A record as the legal desk sees it."""
    return shown(made.vault.reading().read(made.token("legal"), [ident]))


def test_what_a_file_has_no_column_for_stays(made: Made) -> None:
    """A monthly file of balances changes balances; numbers, addresses and contacts stay as they were."""
    before = values(legal(made, f"borrower:{ROWS[0]['客户编号']}"))
    done = made.load([less(ROWS[0], 欠款余额="5.00")])
    assert (done.stored, done.unchanged) == ({"loan": 1}, 1)
    assert values(legal(made, f"borrower:{ROWS[0]['客户编号']}")) == before
    loan = values(legal(made, f"loan:{ROWS[0]['案件编号']}"))
    assert (loan["outstanding"], loan["outstanding_band"]) == ("5.00", "0-1k")
    assert loan["principal"] == ROWS[0]["本金"]


def test_the_same_short_file_again_changes_nothing(made: Made) -> None:
    """What it says is stored already, with more beside it."""
    row = less(ROWS[0], 欠款余额="5.00")
    made.load([row])
    assert (made.load([row]).stored, made.load([less(ROWS[1])]).stored) == ({}, {})


def test_an_empty_cell_takes_a_value_away(made: Made) -> None:
    """A column that is there and empty says that there is nothing; what follows from it goes too."""
    made.load([less(ROWS[0], 欠款余额="", 电子邮箱="")])
    assert values(legal(made, f"borrower:{ROWS[0]['客户编号']}"))["email"] is None
    loan = values(legal(made, f"loan:{ROWS[0]['案件编号']}"))
    assert (loan["outstanding"], loan["outstanding_band"]) == (None, None)


def test_what_is_kept_is_found(made: Made) -> None:
    """A record that a short file gave a new version is still found by the numbers it kept."""
    made.load([less(ROWS[0], 手机="13911112222")])
    dpo = made.token("dpo", "subject_request")
    found = made.vault.reading().find(dpo, field="id_number", value=ROWS[0]["证件号"])
    assert values(shown(found))["phone"] == "13911112222"


def test_a_correction_outlives_a_short_file(made: Made) -> None:
    """What was corrected stays so through a file without its column, and the old value again."""
    (record, _) = made.ids(ROWS)
    made.vault.amending().correct(
        made.token("dpo", "subject_request"), record, {"phone": "13911112222"}, reason="letter"
    )
    made.load([less(ROWS[0], 电子邮箱="new@example.com")])
    made.load([ROWS[0]])
    assert values(legal(made, record))["phone"] == "13911112222"
