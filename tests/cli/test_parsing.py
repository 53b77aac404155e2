"""Words of the command line into values, and refusals that repeat nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import parsing
from vault.errors import Invalid
from vault.model import View


def test_views_are_a_ceiling() -> None:
    """`name=masked,phone=clear` names a view for each field; None asks for none."""
    assert parsing.views("name=masked, phone=CLEAR") == {"name": View.MASKED, "phone": View.CLEAR}
    assert parsing.views(None) is None


@pytest.mark.parametrize(("text", "seconds"), [("15m", 900), ("2h", 7200), ("3600s", 3600), ("60", 60)])
def test_ttl_in_common_units(text: str, seconds: int) -> None:
    """Minutes, hours and seconds; a bare number is seconds."""
    assert parsing.ttl(text) == seconds * 1_000_000


def test_instants_are_utc_without_a_zone() -> None:
    """A day alone is its first moment in UTC; a zone is heeded."""
    assert parsing.instant("1970-01-02", "since") == 86_400_000_000
    assert parsing.instant("1970-01-01T08:00:01+08:00", "since") == 1_000_000
    assert parsing.day("2026-03-01", "as_of") == date(2026, 3, 1)


def test_ids_one_a_line() -> None:
    """Blank lines and a byte order mark don't count."""
    assert parsing.lines(Path("ids"), "\ufeffr-1\r\n\n r-2 \n".encode()) == ["r-1", "r-2"]


@given(st.text(min_size=1, alphabet="qjxz值!%"))
def test_refusals_repeat_nothing(text: str) -> None:
    """Whatever can't be read, the message doesn't hold it."""
    for read in (
        parsing.views,
        parsing.ttl,
        lambda t: parsing.refs([t]),
        lambda t: parsing.day(t, "as_of"),
        lambda t: parsing.instant(t, "since"),
        lambda t: parsing.one_of(t, ("a",), "kind"),
    ):
        with pytest.raises(Invalid) as refused:
            read(text * 3)
        assert text * 3 not in refused.value.message + refused.value.remedy
