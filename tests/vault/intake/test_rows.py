"""Rows: whole or not at all, with what is computed, and rejections that hold no values."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.intake.headers import match
from vault.intake.numbers import AS_TEXT, id_check
from vault.intake.rows import Builder, Rejection
from vault.model import Draft
from vault.schema import builtin

TODAY = dt.date(2026, 3, 10)
GOOD = {
    "案件编号": "AJ-0001",
    "客户姓名": "张三",
    "证件号": "11010519491231002X",
    "手机": "13812345678",
    "银行卡号": "6222021001116245702",
    "户籍地址": "上海市徐汇区漕溪北路88号",
    "单位名称": "上海示例贸易有限公司",
    "电子邮箱": "zhangsan@example.com",
    "委案日期": "2026-03-01",
    "逾期天数": "95",
    "欠款余额": "￥12,345.6",
    "紧急联系人": "李四",
    "联系人电话": "021-62345678",
    "与本人关系": "配偶",
}


def builder(titles: list[str], kind: str = "borrower") -> Builder:
    """A builder for a header row."""
    return Builder(builtin(), kind, match(titles, builtin(), kind), TODAY)


def build(changes: dict[str, str] | None = None) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
    """Build the good row with changes."""
    row = {**GOOD, **(changes or {})}
    return builder(list(row)).build(7, list(row.values()))


def test_one_row_yields_three_records() -> None:
    """Borrower, loan and contact person, each with canonical and computed values."""
    (borrower, loan, contact), rejections = build()
    assert rejections == ()
    assert borrower.kind == "borrower"
    assert borrower.values == {
        "name": "张三",
        "id_number": "11010519491231002X",
        "phone": "13812345678",
        "bank_card": "6222021001116245702",
        "address": "上海市徐汇区漕溪北路88号",
        "employer": "上海示例贸易有限公司",
        "email": "zhangsan@example.com",
        "birth_date": "1949-12-31",
    }
    assert loan.values == {
        "case_number": "AJ-0001",
        "placed_on": "2026-03-01",
        "overdue_since": "2025-12-05",
        "outstanding": "12345.60",
        "outstanding_band": "10k-50k",
    }
    assert contact.values == {"name": "李四", "phone": "021-62345678", "relation": "配偶"}
    assert [draft.ref for draft in (borrower, loan, contact)] == ["AJ-0001", "AJ-0001", "AJ-0001/1"]
    for draft in (borrower, loan, contact):
        assert draft.row == 7
        assert draft.cases == ("AJ-0001",)
        assert draft.anchors == {"imported_on": "2026-03-10", "placed_on": "2026-03-01"}


def test_values_fit_the_schema() -> None:
    """Every value of every draft is a field of its kind."""
    for draft in build()[0]:
        assert draft.values.keys() <= builtin().kind(draft.kind).fields.keys()


def test_empty_cells_leave_fields_out() -> None:
    """Optional cells that are empty, or say so in a word, give no field; no contact, no contact person."""
    blanks = dict.fromkeys(set(GOOD) - {"案件编号", "客户姓名"}, " ") | {
        "电子邮箱": "无",
        "手机": "NULL",
        "户籍地址": "—",
    }
    drafts, rejections = build(blanks)
    assert rejections == ()
    assert [(draft.kind, draft.values) for draft in drafts] == [
        ("borrower", {"name": "张三"}),
        ("loan", {"case_number": "AJ-0001"}),
    ]
    assert drafts[0].anchors == {"imported_on": "2026-03-10"}


def test_customer_number_is_the_borrowers_ref() -> None:
    """Two loans of one customer share the borrower; each loan goes by its case."""
    borrower, loan, contact = build({"客户编号": "C-10086"})[0]
    assert (borrower.ref, loan.ref, contact.ref) == ("C-10086", "AJ-0001", "AJ-0001/1")


def test_a_day_given_goes_before_days_counted() -> None:
    """A column with the day itself is exact; days overdue depend on when they were counted."""
    loan = build({"逾期起始日": "2025-12-01"})[0][1]
    assert loan.values["overdue_since"] == "2025-12-01"


def test_contact_person_by_telephone_alone() -> None:
    """Many exports give a number without a name."""
    assert build({"紧急联系人": "", "与本人关系": ""})[0][2].values == {"phone": "021-62345678"}


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"案件编号": ""}, "loan.case_number", "invalid_required"),
        ({"案件编号": "13812345678"}, "loan.case_number", "invalid_ref"),
        ({"案件编号": "11010519491231002X"}, "loan.case_number", "invalid_ref"),
        ({"案件编号": "6222021001116245702"}, "loan.case_number", "invalid_ref"),
        ({"客户姓名": "无"}, "borrower.name", "invalid_required"),
        ({"客户姓名": "张3"}, "borrower.name", "invalid_name"),
        ({"证件号": "110105194912310021"}, "borrower.id_number", "invalid_id_number"),
        ({"证件号": "1.10105E+17"}, "borrower.id_number", "invalid_id_number"),
        ({"手机": "12345"}, "borrower.phone", "invalid_phone"),
        ({"银行卡号": "6222021001116245703"}, "borrower.bank_card", "invalid_bank_card"),
        ({"户籍地址": "上海\ufffd"}, "borrower.address", "invalid_address"),
        ({"单位名称": "x" * 129}, "borrower.employer", "invalid_employer"),
        ({"电子邮箱": "zhangsan"}, "borrower.email", "invalid_email"),
        ({"委案日期": "2026-02-30"}, "loan.placed_on", "invalid_date"),
        ({"委案日期": "2026-03-12"}, "loan.placed_on", "invalid_date"),
        ({"逾期天数": "many"}, "loan.overdue_days", "invalid_integer"),
        ({"逾期天数": "-1"}, "loan.overdue_days", "invalid_integer"),
        ({"逾期天数": "36501"}, "loan.overdue_days", "invalid_integer"),
        ({"逾期起始日": "2026-03-11"}, "loan.overdue_since", "invalid_date"),
        ({"欠款余额": "-5"}, "loan.outstanding", "invalid_money"),
        ({"联系人电话": "x"}, "contact_person.phone", "invalid_phone"),
        ({"与本人关系": "13812345678"}, "contact_person.relation", "invalid_relation"),
        ({"紧急联系人": "", "联系人电话": ""}, "contact_person.relation", "invalid_required"),
        ({"出生日期": "1950-01-01"}, "borrower.birth_date", "invalid_date"),
        ({"证件号": "", "出生日期": "2026-03-11"}, "borrower.birth_date", "invalid_date"),
    ],
)
def test_a_fault_rejects_the_row(changes: dict[str, str], field: str, code: str) -> None:
    """Each kind of fault gives no records, and names row, field, reason and remedy."""
    drafts, rejections = build(changes)
    assert drafts == ()
    assert [(rejection.row, rejection.field, rejection.code) for rejection in rejections] == [
        (7, field, code)
    ]
    assert rejections[0].remedy


def test_every_fault_of_a_row_is_named() -> None:
    """One pass tells all that is to be mended."""
    fields = [rejection.field for rejection in build({"手机": "x", "电子邮箱": "x", "欠款余额": "x"})[1]]
    assert fields == ["borrower.phone", "borrower.email", "loan.outstanding"]


@pytest.mark.parametrize(("days", "since"), [("0", "2026-03-10"), ("36500", "1926-04-04")])
def test_days_overdue_at_the_borders(days: str, since: str) -> None:
    """None and a hundred years are both counted back from today."""
    assert build({"逾期天数": days})[0][1].values["overdue_since"] == since


def test_tomorrow_is_no_fault_of_a_placement() -> None:
    """A batch may be dated for the next morning."""
    assert build({"委案日期": "2026-03-11"})[1] == ()


@pytest.mark.parametrize(("extra", "fits"), [([], True), (["", ""], True), (["x"], False)])
def test_cells_past_the_header(extra: list[str], fits: bool) -> None:  # noqa: FBT001  a table's column
    """Empty cells past the header are a spreadsheet's habit; filled ones mean a shifted row."""
    drafts, rejections = builder(list(GOOD)).build(1, [*GOOD.values(), *extra])
    assert bool(drafts) is fits
    assert [rejection.code for rejection in rejections] == ([] if fits else ["invalid_row"])


def test_missing_cells() -> None:
    """A row with too few cells is refused: what is in which column is not known."""
    _, (rejection,) = builder(list(GOOD)).build(1, list(GOOD.values())[:-1])
    assert rejection.code == "invalid_row"


def test_column_that_lost_digits_is_watched() -> None:
    """After one destroyed number, those of its column that end in zeros are refused though they check."""
    body = next(
        body
        for body in (f"11010519{year}1231{tens}00" for year in range(10, 99) for tens in range(1, 10))
        if id_check(body) == "0"
    )
    row = {**GOOD, "证件号": body + "0"}
    rows = builder(list(row))
    assert rows.build(1, list(row.values()))[1] == ()
    rows.build(2, list({**row, "证件号": "1.10105E+17"}.values()))
    _, (rejection,) = rows.build(3, list(row.values()))
    assert (rejection.field, rejection.remedy) == ("borrower.id_number", AS_TEXT)
    assert rows.build(4, list(GOOD.values()))[1] == ()


@pytest.mark.parametrize(
    ("kind", "row", "ref", "values"),
    [
        (
            "contact_attempt",
            {
                "案件编号": "AJ-1",
                "联系方式": "电话",
                "联系日期": "2026/3/9",
                "联系结果": "无人接听",
                "催记": "=1+1",
            },
            None,
            {
                "case_number": "AJ-1",
                "channel": "电话",
                "attempted_at": "2026-03-09",
                "result": "无人接听",
                "note": "=1+1",
            },
        ),
        (
            "promise",
            {"promise_no": "P-1", "case_number": "AJ-1", "amount": "500", "due_on": "2026-04-01"},
            "P-1",
            {"promise_no": "P-1", "case_number": "AJ-1", "amount": "500.00", "due_on": "2026-04-01"},
        ),
        (
            "case",
            {"案件编号": "AJ-1", "处理阶段": "调解", "立案日期": "20260301"},
            "AJ-1",
            {"case_number": "AJ-1", "step": "调解", "opened_on": "2026-03-01"},
        ),
    ],
)
def test_other_layouts(kind: str, row: dict[str, str], ref: str | None, values: dict[str, str]) -> None:
    """A row of another kind is one record that names the loan's case."""
    ((draft,), rejections) = builder(list(row), kind).build(1, list(row.values()))
    assert rejections == ()
    assert (draft.kind, draft.ref, draft.values, draft.cases) == (kind, ref, values, ("AJ-1",))
    assert draft.anchors == {"imported_on": "2026-03-10"}


CELL = st.one_of(
    st.text(max_size=20), st.sampled_from(["", "无", "0", "2026-03-01", "ζ7391ζ", *GOOD.values()])
)


@given(st.lists(CELL, min_size=12, max_size=16))
def test_drafts_or_rejections(cells: list[str]) -> None:
    """Any row yields one or the other, never both, never neither."""
    drafts, rejections = builder(list(GOOD)).build(1, cells)
    assert bool(drafts) is not bool(rejections)


@given(st.sampled_from(list(GOOD)), st.text(max_size=12), st.text(max_size=12))
def test_no_rejection_holds_a_value(title: str, before: str, after: str) -> None:
    """A canary put into any cell shows in no rejection, and in no repr of a draft."""
    drafts, rejections = build({title: f"{before}ζ7391ζ{after}"})
    told = repr(drafts) + repr(rejections)
    assert "7391" not in told
    assert all(text not in told for text in GOOD.values() if len(text) > 3)
