"""What masks leave to guess: counted by the code, checked by brute force, and said in the documentation."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.access.leakage import FACTS, candidates, crowd
from vault.access.masking import MASKS, mask

PAGE = (Path(__file__).parents[3] / "docs" / "masks.md").read_text("utf-8")
COUNTED = re.findall(r"^\| `(\w+)` \| ([a-z_, ]*)\| ([0-9,]+) \|", PAGE, re.MULTILINE)
CROWDS = re.findall(r"^\| ([0-9,]+) \| ([a-z_, ]+) \| ([0-9,]+) \|$", PAGE, re.MULTILINE)
SHOWN = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
FACT_SETS = st.frozensets(st.sampled_from(sorted(FACTS)))


def words(text: str) -> frozenset[str]:
    """The words of a table's cell."""
    return frozenset(filter(None, text.replace(" ", "").split(",")))


def number(text: str) -> int:
    """A number as the page writes it."""
    return int(text.replace(",", ""))


@pytest.mark.parametrize(("name", "known", "count"), COUNTED)
def test_page_counts_as_the_code(name: str, known: str, count: str) -> None:
    """Every count of the page is the code's."""
    assert candidates(name, words(known)) == number(count)


@pytest.mark.parametrize(("population", "shown", "people"), CROWDS)
def test_page_crowds_as_the_code(population: str, shown: str, people: str) -> None:
    """Every joint number of the page is the code's."""
    assert crowd(number(population), words(shown)) == number(people)


def test_page_covers_every_mask() -> None:
    """No mask goes uncounted or unexplained; `hidden` shows nothing to count."""
    assert {name for name, _, _ in COUNTED} == set(MASKS) - {"hidden"}
    assert {name for name, _, _ in SHOWN} == set(MASKS)
    assert candidates("hidden") is None
    assert len(CROWDS) > 5


@pytest.mark.parametrize(("name", "of", "shows"), SHOWN)
def test_page_examples_are_true(name: str, of: str, shows: str) -> None:
    """Each example of the page is what the mask does."""
    if name in {"phone", "hidden", "none"}:
        return
    values = of.split(" · ")
    assert [mask(name, value) for value in values] == shows.replace("\\", "").split(" · ")


@pytest.mark.parametrize(
    ("name", "floor"),
    [("mobile", 10**4), ("phone", 10**4), ("landline", 10**4), ("id_number", 10**8), ("bank_card", 10**5),
     ("email", 10**6), ("name", 10**6), ("address", 10**4), ("birth_year", 365), ("amount_band", 10**5)],
)  # fmt: skip
def test_floors_hold(name: str, floor: int) -> None:
    """With nothing else known, each mask leaves at least so many values."""
    left = candidates(name)
    assert left is not None
    assert left >= floor


@given(name=st.sampled_from(sorted(MASKS)), known=FACT_SETS, more=FACT_SETS)
def test_knowing_more_never_leaves_more(name: str, known: frozenset[str], more: frozenset[str]) -> None:
    """Further knowledge takes candidates away or changes nothing."""
    less, much = candidates(name, known | more), candidates(name, known)
    assert (less is None and much is None) or (less is not None and much is not None and less <= much)


def check_character(body: str) -> str:
    """ISO 7064 MOD 11-2, written another way than the code counts it."""
    total = 0
    for digit in body:
        total = (total + int(digit)) * 2 % 11
    return "0123456789X"[(12 - total) % 11]


@pytest.mark.parametrize("start", ["11010119900307", "65432119851231", "33010620000229"])
def test_id_count_by_brute_force(start: str) -> None:
    """For any place and day, each check character fits at least as many sequence codes as the floor says."""
    known = frozenset({"birth_year", "district"})
    by_check: dict[str, list[int]] = {}
    for code in range(1, 1000):
        by_check.setdefault(check_character(f"{start}{code:03}"), []).append(code)
    fewest = min(len(codes) for codes in by_check.values())
    fewest_of_a_sex = min(sum(c % 2 == sex for c in codes) for codes in by_check.values() for sex in (0, 1))
    assert candidates("id_number", known) == 365 * fewest
    assert candidates("id_number", known | {"sex"}) == 365 * fewest_of_a_sex


def luhn(digits: tuple[int, ...]) -> bool:
    """ISO/IEC 7812-1 annex B."""
    doubled = [d if place % 2 == 0 else d * 2 - 9 * (d > 4) for place, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def test_card_count_by_brute_force() -> None:
    """Luhn's rule leaves a tenth of the hidden digits, counted on three of them."""
    fitting = sum(
        luhn((6, 2, 2, 2, 0, 2, *hidden, 7, 8, 9, 0)) for hidden in itertools.product(range(10), repeat=3)
    )
    assert fitting == 10**3 // 10
    assert candidates("bank_card") == 10**6 // 10


def test_mobile_mask_has_ten_thousand_twins() -> None:
    """Exactly ten thousand numbers share a masked mobile."""
    shown = mask("mobile", "13800005678")
    assert sum(mask("mobile", f"138{n:04}5678") == shown for n in range(10_000)) == candidates("mobile")
