"""The mark that what follows is text: it goes where a spreadsheet would compute, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake.fold import fold_words


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'=1+1", "=1+1"),
        ("''@sum", "@sum"),
        ("'＝1", "＝1"),
        ("'-张", "-张"),
        ("'2026-03-01", "2026-03-01"),
        ("'t Hooft", "'t Hooft"),
        ("'甲' 说", "'甲' 说"),
        ("五' 墙", "五' 墙"),
    ],
)
def test_the_mark_goes_before_signs_and_digits_alone(written: str, meant: str) -> None:
    """An apostrophe that belongs to the words stays."""
    assert fold_words("text", written, 50) == meant


@given(st.text(st.sampled_from("'=+-@＝ 0a张\u3000"), max_size=8))
def test_folding_twice_is_folding_once(text: str) -> None:
    """What is canonical stays as it is."""
    try:
        folded = fold_words("text", text, 50)
    except Invalid:
        return
    assert fold_words("text", folded, 50) == folded
