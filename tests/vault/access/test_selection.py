"""Selections reach open attributes alone, and stages are exact to the day."""

from __future__ import annotations

import operator
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from policykit import SCHEMA

from vault.access.selection import STAGES, Condition, parse_where, selectable, stage_of
from vault.errors import Invalid

LOAN = SCHEMA.kind("loan")
TODAY = date(2026, 11, 23)
COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(where: str, days: int) -> bool:
    """Whether a loan overdue for so many days is selected."""
    since = (TODAY - timedelta(days=days)).isoformat()
    return all(COMPARE[c.op](since, c.value) for c in parse_where(where, LOAN, TODAY))


def parsed(text: str) -> list[tuple[str, str, str | tuple[str, ...]]]:
    """A selection over loans, as bare tuples."""
    return [(c.attribute, c.op, c.value) for c in parse_where(text, LOAN, TODAY)]


@pytest.mark.parametrize(
    ("days", "stage"),
    [(-5, "M0"), (0, "M0"), (1, "M1"), (30, "M1"), (31, "M2"), (60, "M2"), (61, "M3"), (90, "M3"), (91, "M4"),
     (120, "M4"), (121, "M5"), (150, "M5"), (151, "M6"), (180, "M6"), (181, "M6+"), (4000, "M6+")],
)  # fmt: skip
def test_stage_bounds(days: int, stage: str) -> None:
    """Each stage begins and ends on its day."""
    assert stage_of(TODAY - timedelta(days=days), TODAY) == stage


def test_no_day_is_not_overdue() -> None:
    """A debt with no overdue day is M0."""
    assert stage_of(None, TODAY) == "M0"


@given(
    days=st.integers(-40, 400), stage=st.sampled_from(STAGES), op=st.sampled_from(["=", "<", "<=", ">", ">="])
)
@example(days=181, stage="M6+", op="=")
def test_selected_stage_is_the_stage(days: int, stage: str, op: str) -> None:
    """A selection by stage takes exactly the debts that have it, whatever the comparison."""
    if (op, stage) in {(">", "M6+"), ("<", "M0")}:
        with pytest.raises(Invalid):
            parse_where(f"stage{op}{stage}", LOAN, TODAY)
        return
    has = STAGES.index(stage_of(TODAY - timedelta(days=days), TODAY))
    assert matches(f"stage{op}{stage}", days) == COMPARE[op](has, STAGES.index(stage))


@given(days=st.integers(0, 400), number=st.integers(0, 400), op=st.sampled_from(sorted(COMPARE)))
def test_selected_days_are_the_days(days: int, number: int, op: str) -> None:
    """A selection by days overdue takes exactly those."""
    assert matches(f"overdue_days{op}{number}", days) == COMPARE[op](days, number)


def test_pinned_example() -> None:
    """`stage=M3` is a range over the day the debt fell overdue."""
    assert parse_where("stage=M3", LOAN, TODAY) == [
        Condition(attribute="overdue_since", op="<=", value="2026-09-23"),
        Condition(attribute="overdue_since", op=">=", value="2026-08-25"),
    ]


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("", []),
        ("  ", []),
        ("product=信用贷", [("product", "=", "信用贷")]),
        ("product = 'A B' , creditor != X", [("product", "=", "A B"), ("creditor", "!=", "X")]),
        ("placed_on>=2026-01-01 and placed_on<2026-02-01",
         [("placed_on", ">=", "2026-01-01"), ("placed_on", "<", "2026-02-01")]),
        ("outstanding_band in 0-1k|1k-5k", [("outstanding_band", "in", ("0-1k", "1k-5k"))]),
        ("product=A or B; drop", [("product", "=", "A or B; drop")]),
        ("outstanding_band=100k+", [("outstanding_band", "=", "100k+")]),
        ("stage=m1,product=A", [("overdue_since", "<=", "2026-11-22"), ("overdue_since", ">=", "2026-10-24"),
                                ("product", "=", "A")]),
    ],
)  # fmt: skip
def test_grammar(text: str, conditions: list[object]) -> None:
    """Clauses join by comma or `and`; values may be quoted."""
    assert parsed(text) == conditions


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("outstanding>1000", "outstanding"),
        ("phone=13812345678", "phone"),
        ("case_number=C1", "case_number"),
        ("nope=1", "nope"),
        ("product", "where"),
        ("product=", "where"),
        ("=A", "where"),
        ("product=A,", "where"),
        ("productinA", "where"),
        ("product in A||B", "product"),
        ("product=''", "product"),
        ("product<B", "product"),
        ("outstanding_band>1k-5k", "outstanding_band"),
        ("placed_on=2026-02-30", "placed_on"),
        ("placed_on=20260201", "placed_on"),
        ("placed_on=yesterday", "placed_on"),
        ("stage=M9", "stage"),
        ("stage!=M1", "stage"),
        ("stage in M1|M2", "stage"),
        ("overdue_days=many", "overdue_days"),
        ("overdue_days=99999", "overdue_days"),
        ("overdue_days in 1|2", "overdue_days"),
        (",".join(["product=A"] * 17), "where"),
        ("product=" + "x" * 65, "product"),
    ],
)
def test_refused(text: str, attribute: str) -> None:
    """What isn't open, or makes no sense, is refused by the attribute's name and with a remedy."""
    with pytest.raises(Invalid) as caught:
        parse_where(text, LOAN, TODAY)
    assert caught.value.field == attribute
    assert caught.value.remedy


@given(value=st.text("0123456789X张伟", min_size=6, max_size=70))
def test_no_error_repeats_the_value(value: str) -> None:
    """Whatever is typed after an attribute, the error doesn't say it again."""
    for text in (f"phone={value}", f"placed_on={value}", f"stage={value}", f"overdue_days={value}"):
        with pytest.raises(Invalid) as caught:
            parse_where(text, LOAN, TODAY)
        assert value not in repr(caught.value) + caught.value.remedy
        assert caught.value.__cause__ is None


@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any text gives conditions over open attributes, or `Invalid`."""
    try:
        found = parse_where(text, LOAN, TODAY)
    except Invalid:
        return
    assert {condition.attribute for condition in found} <= set(selectable(LOAN))


def test_only_loans_have_stages() -> None:
    """A kind without an overdue day offers no stage; a borrower offers nothing at all."""
    assert "stage" in selectable(LOAN)
    assert selectable(SCHEMA.kind("borrower")) == []
    with pytest.raises(Invalid) as caught:
        parse_where("stage=M1", SCHEMA.kind("promise"), TODAY)
    assert "due_on" in caught.value.remedy
