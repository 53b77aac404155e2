"""Layouts: a small file of each, as people write them; what a row holds, under which id, on which day."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import FILES

from vault.errors import Invalid
from vault.intake import Export, Row, open_export
from vault.intake.layouts import LAYOUTS
from vault.model import Draft
from vault.schema import builtin

TODAY = dt.date(2026, 3, 10)


def opened(
    folder: Path, kind: str, text: str = "", today: dt.date = TODAY, dated: dt.date | None = None
) -> Export:
    """An export of this text, or of the layout's sample."""
    path = folder / f"{kind}.csv"
    path.write_text(text or FILES[kind], "utf-8")
    return open_export(path, builtin(), kind=kind, today=today, dated=dated)


def rows(
    folder: Path, kind: str, text: str = "", today: dt.date = TODAY, dated: dt.date | None = None
) -> list[Row]:
    """Its rows."""
    return list(opened(folder, kind, text, today, dated).rows())


def drafts(
    folder: Path, kind: str, text: str = "", today: dt.date = TODAY, dated: dt.date | None = None
) -> list[Draft]:
    """All drafts of a file whose every row is good."""
    found = rows(folder, kind, text, today, dated)
    assert [row.rejections for row in found if row.rejections] == []
    return [draft for row in found for draft in row.drafts]


def test_every_layout_has_its_sample() -> None:
    """No layout goes untried."""
    assert set(FILES) == set(LAYOUTS)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_file_as_people_write_it(tmp_path: Path, kind: str) -> None:
    """Every column is understood, every row taken; each value is a field's, each record names its case."""
    export = opened(tmp_path, kind)
    assert export.unknown == []
    for draft in drafts(tmp_path, kind):
        fields = builtin().kind(draft.kind).fields
        assert draft.values.keys() <= fields.keys()
        assert all(name in draft.values for name, field in fields.items() if field.required)
        assert draft.cases[0].startswith("AJ-")
        assert bool(draft.content) is (draft.ref is None)


def test_a_borrowers_row_holds_up_to_six_records(tmp_path: Path) -> None:
    """Borrower, loan, three contact persons and a guarantor, each under its own id."""
    found = {draft.ref or "": draft for draft in drafts(tmp_path, "borrower")[1:]}
    assert list(found) == ["AJ-1", "AJ-1/1", "AJ-1/2", "AJ-1/3", "AJ-1/G1"]
    assert found["AJ-1/2"].values == {"name": "王五", "phone": "13712345678", "relation": "同事"}
    assert found["AJ-1/3"].values == {"name": "赵六", "phone": "13612345678"}
    assert found["AJ-1/G1"].kind == "guarantor"
    assert found["AJ-1/G1"].values["id_number"] == "110105491231002"
    loan = found["AJ-1"].values
    assert (loan["rate"], loan["term"], loan["instalments_left"]) == ("15.4%", "P12M", "7")


def test_a_result_file_gives_what_each_row_fills(tmp_path: Path) -> None:
    """A call with a promise and a payment; a visit; a payment without any attempt."""
    found = rows(tmp_path, "result")
    assert [[draft.kind for draft in row.drafts] for row in found] == [
        ["contact_attempt", "promise", "repayment"], ["contact_attempt", "visit"], ["repayment"],
    ]  # fmt: skip
    call = found[0].drafts[0].values
    assert (call["attempted_at"], call["started_at"]) == ("2026-03-09", "2026-03-09T14:05+08:00")
    assert "started_at" not in found[1].drafts[0].values
    assert found[2].drafts[0].values["case_number"] == "AJ-3"


@pytest.mark.parametrize(
    ("cells", "fields"),
    [
        ("AJ-1,电话,2026-03-09,3000,", {"promise.due_on"}),
        ("AJ-1,电话,2026-03-09,,2026-03-31", {"promise.amount"}),
        ("AJ-1,,2026-03-09,,", {"contact_attempt.channel"}),
        ("AJ-1,,,,", {"contact_attempt.channel", "contact_attempt.attempted_at"}),
        (",电话,2026-03-09,3000,2026-03-31", {"contact_attempt.case_number"}),
        ("AJ-1,电话,2026-03-09,x,2026-03-31", {"promise.amount"}),
    ],
)
def test_what_a_row_begins_it_must_finish(tmp_path: Path, cells: str, fields: set[str]) -> None:
    """A row that fills a part gives what that part needs; the row is named once for each fault."""
    (row,) = rows(tmp_path, "result", f"案件编号,催收方式,催收日期,承诺金额,承诺还款日\n{cells}\n")
    assert {rejection.field for rejection in row.rejections} == fields


def test_a_relation_to_nobody(tmp_path: Path) -> None:
    """A second contact of whom only the relation is known is refused, and named by its own column."""
    (row,) = rows(tmp_path, "borrower", "案件编号,客户姓名,联系人2,联系人2关系\nAJ-1,张三,,同事\n")
    assert [r.field for r in row.rejections] == ["contact_person.2.relation"]


TWICE = "案件编号,承诺金额,承诺还款日\nAJ-1,3000,2026-03-31\nAJ-1,3000,2026-03-31\nAJ-2,3000,2026-03-31\n"


def test_records_without_a_number_are_told_by_content(tmp_path: Path) -> None:
    """The same file gives the same contents again; two like rows of it give two."""
    first, again = (
        drafts(tmp_path, "promise", TWICE),
        drafts(tmp_path, "promise", TWICE, TODAY + dt.timedelta(9)),
    )
    assert [draft.content for draft in first] == [draft.content for draft in again]
    assert len({draft.content for draft in first}) == 3
    assert {len(draft.content) for draft in first} == {16}


def test_a_longer_file_keeps_the_contents_of_a_shorter(tmp_path: Path) -> None:
    """Rows added, or reordered with unlike ones, leave the others what they were; written otherwise, too."""
    longer = TWICE.replace("\nAJ-1", "\nAJ-9,1,2026-03-31\nAJ-1", 1).replace("3000", "￥3000.00")
    contents = {draft.content for draft in drafts(tmp_path, "promise", longer)}
    assert {draft.content for draft in drafts(tmp_path, "promise", TWICE)} < contents


def test_opening_reads_the_first_rows_beforehand(tmp_path: Path) -> None:
    """An export read twice gives the same both times: what was looked at beforehand isn't counted."""
    export = opened(tmp_path, "promise", TWICE)
    assert [row.drafts[0].content for row in export.rows()] == [
        row.drafts[0].content for row in export.rows()
    ]


OVERDUE = "案件编号,客户姓名,逾期天数,数据日期\nAJ-1,张三,10,2026-03-01\nAJ-2,李四,10,\n"


def since(found: list[Draft]) -> list[str]:
    """Since when each loan is overdue."""
    return [draft.values["overdue_since"] for draft in found if draft.kind == "loan"]


def test_days_overdue_count_from_the_files_own_day(tmp_path: Path) -> None:
    """The row's data date goes before the day given, and that before today."""
    assert since(drafts(tmp_path, "borrower", OVERDUE)) == ["2026-02-19", "2026-02-28"]
    dated = dt.date(2026, 3, 5)
    assert since(drafts(tmp_path, "borrower", OVERDUE, dated=dated)) == ["2026-02-19", "2026-02-23"]


def test_a_late_import_of_a_dated_file_is_the_same(tmp_path: Path) -> None:
    """On a later day with the same date everything but the day of import is the same."""
    first, later = (
        drafts(tmp_path, "borrower", OVERDUE, today, dt.date(2026, 3, 5))
        for today in (TODAY, dt.date(2026, 5, 1))
    )
    assert [(d.kind, d.ref, d.values, d.cases, d.content) for d in first] == [
        (d.kind, d.ref, d.values, d.cases, d.content) for d in later
    ]
    assert {draft.anchors["imported_on"] for draft in later} == {"2026-05-01"}


def test_dates_of_a_file_do_not_lie_ahead(tmp_path: Path) -> None:
    """Neither the day given nor a row's data date may be past tomorrow."""
    with pytest.raises(Invalid) as caught:
        opened(tmp_path, "borrower", OVERDUE, dated=TODAY + dt.timedelta(days=2))
    assert caught.value.field == "dated"
    ahead = OVERDUE.replace("2026-03-01", "2026-03-12")
    assert [r.field for r in rows(tmp_path, "borrower", ahead)[0].rejections] == ["loan.data_date"]


SETTLED = (
    "案件编号,客户编号,客户姓名,委案日期,结清日期,最近催收日期,销户日期,联系人,联系人电话,担保人,担保人电话\n"
)
SETTLED_ROW = "AJ-1,{0},张三,2026-01-05,2026-03-05,2026-02-20,2026-03-06,李四,13912345678,钱七,13512345678\n"


def test_anchors_of_a_settled_loan(tmp_path: Path) -> None:
    """Its days hold for what its row holds; a customer with a number may owe other loans."""
    shared = {
        "imported_on": "2026-03-10", "placed_on": "2026-01-05", "settled_on": "2026-03-05",
        "last_demand_on": "2026-02-20",
    }  # fmt: skip
    ended = {"relationship_ended_on": "2026-03-06"}
    borrower, *others = drafts(tmp_path, "borrower", SETTLED + SETTLED_ROW.format("KH-1"))
    assert [draft.kind for draft in others] == ["loan", "contact_person", "guarantor"]
    assert all(draft.anchors == shared for draft in others)
    assert borrower.anchors == {name: day for name, day in (shared | ended).items() if name != "settled_on"}
    alone = drafts(tmp_path, "borrower", SETTLED + SETTLED_ROW.format(""))[0]
    assert alone.anchors == shared | ended


def test_anchors_of_persons_and_reports(tmp_path: Path) -> None:
    """A contact's refusal and a withdrawn consent are days of that record alone."""
    (contact,) = drafts(tmp_path, "contact_person")
    assert contact.anchors == {"imported_on": "2026-03-10", "contact_refused_on": "2026-03-01"}
    text = "案件编号,查询日期,查询原因,授权撤回日期\nAJ-1,2026-03-01,贷后管理,2026-03-08\n"
    (report,) = drafts(tmp_path, "credit_report", text)
    assert report.anchors["consent_withdrawn_on"] == "2026-03-08"


@pytest.mark.parametrize(
    ("kind", "text", "field"),
    [
        ("loan", "案件编号,结清日期\nAJ-1,2026-03-12\n", "loan.settled_on"),
        ("loan", "案件编号,总期数,已还期数\nAJ-1,12,13\n", "loan.instalments_paid"),
        ("visit", "案件编号,外访时间\nAJ-1,2026-03-12 10:00\n", "visit.visited_on"),
        ("contact_attempt", "案件编号,催收方式,催收日期,开始时间\nAJ-1,电话,2026-03-01,2026-03-02 10:00\n",
         "contact_attempt.attempted_at"),
        ("loan", "案件编号,合同编号\nAJ-1,13812345678\n", "loan.contract_number"),
        ("loan", "案件编号,年利率\nAJ-1,0.154\n", "loan.rate"),
        ("guarantor", "案件编号,担保方式\nAJ-1,保证\n", "guarantor.name"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(tmp_path: Path, kind: str, text: str, field: str) -> None:
    """Days to come, contradictions, numbers of persons where internal ones belong, rates of two readings."""
    (row,) = rows(tmp_path, kind, text)
    assert field in {rejection.field for rejection in row.rejections}


@pytest.mark.parametrize(
    ("kind", "header", "cell", "field", "value"),
    [
        ("loan", "借款期限(天)", "30", "term", "P30D"),
        ("loan", "借款期限（月）", "12", "term", "P12M"),
        ("loan", "年利率(%)", "0.5", "rate", "0.5%"),
        ("loan", "年利率(%)", "15.4%", "rate", "15.4%"),
        ("contact_attempt", "通话时长(分钟)", "3", "duration", "180"),
        ("contact_attempt", "通话时长(秒)", "3:25", "duration", "205"),
    ],
)
def test_units_in_headers(tmp_path: Path, kind: str, header: str, cell: str, field: str, value: str) -> None:
    """A unit that the header names holds for bare digits below it, and no other cell."""
    rest = ",催收方式,催收日期\nAJ-1,{0},电话,2026-03-01" if kind == "contact_attempt" else "\nAJ-1,{0}"
    (draft,) = drafts(tmp_path, kind, f"案件编号,{header}{rest.format(cell)}\n")
    assert draft.values[field] == value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.sampled_from(list(LAYOUTS)), st.data())
def test_any_row_of_any_layout(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    """Whatever stands in the cells: drafts or rejections, never both, never neither; no report of a value."""
    header, first = FILES[kind].splitlines()[:2]
    cells = first.replace('"1,000.00"', "1000").split(",")
    for place in data.draw(st.lists(st.integers(0, len(cells) - 1), max_size=6)):
        cells[place] = data.draw(st.sampled_from(["", "无", "ζ7391ζ", "2026-03-01", "0", "13812345678"]))
    for row in rows(tmp_path, kind, f"{header}\n{','.join(cells)}\n"):
        assert bool(row.drafts) is not bool(row.rejections)
        assert "7391" not in repr(row.rejections)
