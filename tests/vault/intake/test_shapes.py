"""Forms of cells and guesses from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.intake.shapes import commonest, kind_of, looks_like, shape


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("13812345678", "digits:11"),
        ("１３８", "digits:3"),
        ("11010519491231002X", "chars:18"),
        ("张三丰", "han:3"),
        ("2026年3月1日", "date"),
        ("2026/3/1 08:30:00", "date"),
        ("1,234.50", "number"),
        ("1.10105E+17", "lost_digits"),
        ("13812345678.0", "number"),
        ("138****5678", "masked"),
        ("a@example.com", "email"),
        ("John Smith", "latin"),
        ("四" * 33, "long"),
        ("7" * 40, "long"),
    ],
)
def test_forms(text: str, form: str) -> None:
    """Each form is told by its own word."""
    assert shape(text) == form


@given(st.text(max_size=60))
def test_a_form_never_holds_the_text(text: str) -> None:
    """A form is a word and at most a count."""
    name, _, count = shape(text).partition(":")
    assert name in {
        "date",
        "masked",
        "long",
        "digits",
        "number",
        "lost_digits",
        "han",
        "email",
        "latin",
        "chars",
    }
    assert count == "" or int(count) <= 60


def test_the_commonest_come_first() -> None:
    """Three at most."""
    assert commonest(["12", "34", "张三", "a@b", "a b", "a b c"]) == ["digits:2", "latin", "han:2"]


def test_few_cells_tell_nothing() -> None:
    """Two numbers may satisfy a check digit by chance."""
    assert looks_like(["13812345678"] * 2) == ""
    assert looks_like(["13812345678"] * 3) == "mobile"


def test_nearly_all_must_be_alike() -> None:
    """Four in five are enough, three in five aren't."""
    assert looks_like(["13812345678"] * 4 + ["x"]) == "mobile"
    assert looks_like(["13812345678"] * 3 + ["x"] * 2) == ""


def test_serial_numbers_are_nothing() -> None:
    """Plain numbers and words of no type stay untold."""
    assert [kind_of(text) for text in ("12", "100001", "狮子", "已婚", "x")] == [""] * 5
