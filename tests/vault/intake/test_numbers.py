"""Check digits, dates inside ID numbers, and what spreadsheets do to digits."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake import numbers

DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2026, 1, 1))


def luhn_by_the_book(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B, digit by digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_examples_of_the_standard(number: str) -> None:
    """The two examples that GB 11643-1999 gives have the check characters it gives."""
    assert numbers.id_check(number) == number[-1]
    assert numbers.id_number(number) == number


@given(DAYS, st.integers(0, 999), st.sampled_from(["110105", "820000", "650102"]))
def test_any_day_makes_an_id_number(day: dt.date, serial: int, region: str) -> None:
    """A number built by the standard is taken, and gives its birth date back."""
    body = f"{region}{day:%Y%m%d}{serial:03d}"
    number = body + numbers.id_check(body)
    assert numbers.id_number(number.lower()) == number
    assert numbers.id_birth(number) == day


@given(DAYS, st.integers(0, 999), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_seen(day: dt.date, serial: int, place: int, shift: int) -> None:
    """MOD 11-2 finds every single wrong digit."""
    body = f"110105{day:%Y%m%d}{serial:03d}"
    number = body + numbers.id_check(body)
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    with pytest.raises(Invalid):
        numbers.id_number(wrong)


def test_legacy_number_is_of_the_20th_century() -> None:
    """The 15-digit form has a two-digit year, and keeps its 15 digits."""
    assert numbers.id_birth("110105491231002") == dt.date(1949, 12, 31)
    assert numbers.id_number("110105 491231 002") == "110105491231002"


@given(st.from_regex(r"[0-9]{1,24}", fullmatch=True))
def test_luhn(digits: str) -> None:
    """The fast sum is the one of the standard."""
    assert numbers.luhn(digits) == luhn_by_the_book(digits)


def test_luhn_known_number() -> None:
    """The textbook's number passes, its neighbours fail."""
    assert numbers.luhn("79927398713")
    assert not any(numbers.luhn(f"7992739871{digit}") for digit in "012456789")


@pytest.mark.parametrize("digits", ["110105194912310000"[:17], "6222021001116250000", "1101051949123100000"])
def test_rounded(digits: str) -> None:
    """Long numbers whose digits past the 15th are zero may have been through a spreadsheet."""
    assert numbers.rounded(digits)


@pytest.mark.parametrize("digits", ["4111111111111110", "11010519491231002X", "6222021001116250001", ""])
def test_not_rounded(digits: str) -> None:
    """Short numbers, and those with any other digit there, have not: one card in ten ends in 0."""
    assert not numbers.rounded(digits)


@pytest.mark.parametrize(
    "text",
    ["AJ-2026-000123", "202603010001", "LN20260301000123456", "C-10086", "2026-03-01-0001", "12345678901"],
)
def test_internal_numbers_stay(text: str) -> None:
    """Dates, serials and short numbers are no numbers of a person."""
    assert not numbers.is_personal(text)
