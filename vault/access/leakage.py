"""What is left to guess of a masked value, counted.

The counts are floors under the assumptions that stand beside them as constants: fewer values fit only if an
assumption fails. They say how long a guesser needs who can ask "is it this one?", and so why searches are
capped (DESIGN 5). docs/masks.md is the page for people; a test holds the two together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Final

FACTS: Final = frozenset({"birth_year", "district", "sex", "mobile"})
"""What a guesser may know besides: the year or sex, the district (an address mask), a masked mobile."""

_MOBILE_HIDDEN: Final = 10**4
_PREFECTURES: Final = 337
"""Prefecture-level units and municipalities [M]. The hidden four digits of a mobile follow the place where it
was sold; spread evenly, a place has 10,000 / 337 of them under one prefix. An average, and no floor."""

_LANDLINE_FIRST: Final = 7
"""A local number begins with 2 to 8 [M]; seven digits is the shortest."""
_LANDLINE_HIDDEN: Final = 10**4

_DAYS: Final = 365
_BORROWING_YEARS: Final = 43
"""Ages 18 to 60."""
_REGIONS: Final = 250
"""County-level codes under one leading digit of an ID number, in the smallest mainland region [M]."""
_SEQUENCES: Final = range(1, 1000)
"""Sequence codes of one place and day (GB 11643-1999), without 000 [M]; the last digit tells the sex."""

_CARD_HIDDEN: Final = 6
"""Digits between issuer and last four on a 16-digit card, the shortest in use; the issuer is known."""
_MAILBOX_DIGITS: Final = range(5, 11)
"""Lengths of all-digit mailboxes, the narrowest common kind; the first digit is shown [M]."""
_GIVEN_CHARACTERS: Final = 3_500
"""Common characters (通用规范汉字表, first level) [M]; a given name has one or two of them."""
_HOUSEHOLDS: Final = 10_000
"""Households of a very small district [M]."""
_NARROWEST_BAND_CENTS: Final = 100_000

_SHARES: Final = {
    "name": 14,
    "mobile": 40 * 10**4,
    "phone": 40 * 10**4,
    "landline": 20 * 100,
    "id_number": 5 * 11,
    "bank_card": 10**4,
    "email": 2 * 10,
    "address": 300,
    "employer": 50,
    "birth_year": 50,
    "amount_band": 3,
    "product": 2,
    "overdue_since": 180,
    "placed_on": 30,
}
"""One person in how many shares the *commonest* thing shown: surname 王, a district of millions [M]."""


def candidates(mask: str, known: frozenset[str] = frozenset()) -> int | None:
    """How many values at least still fit what a mask shows.

    Args:
        mask: A name out of `vault.access.masking.MASKS`.
        known: What else is known, out of `FACTS`.

    Returns:
        The count; 1 for a mask that may show enough to know the rest; None where nothing at all is shown.

    Raises:
        KeyError: No such mask.
    """
    return _COUNTS[mask](known)


def crowd(population: int, shown: frozenset[str]) -> int:
    """How many people of a population are expected to share what is shown, in the commonest case.

    Args:
        population: People that an outsider can choose from: those of a leaked list, or of a lender's book.
        shown: Names of masks and open attributes that are seen together.

    Returns:
        Rounded down; 0 says that what is shown singles one person out, to anyone with such a list.

    Raises:
        KeyError: Something whose share isn't known.
    """
    return population // math.prod(_SHARES[name] for name in shown)


def _mobile(known: frozenset[str]) -> int:
    return _MOBILE_HIDDEN // _PREFECTURES if "district" in known else _MOBILE_HIDDEN


def _landline(_known: frozenset[str]) -> int:
    return _LANDLINE_FIRST * _LANDLINE_HIDDEN


def _phone(known: frozenset[str]) -> int:
    return min(_mobile(known), _landline(known))


@functools.cache
def _fitting_sequences(sexes: int) -> int:
    """The fewest sequence codes that give one check character, over all places, days and characters.

    The check is ISO 7064 MOD 11-2; sequence digits weigh 8, 4 and 2 (GB 11643-1999), and whatever stands
    before them only turns the eleven remainders round.
    """
    even, odd = [0] * 11, [0] * 11
    for code in _SEQUENCES:
        (odd if code % 2 else even)[(code // 100 * 8 + code // 10 % 10 * 4 + code % 10 * 2) % 11] += 1
    if sexes == 1:
        return min(even + odd)
    return min(of_one + of_other for of_one, of_other in zip(even, odd, strict=True))


def _id_number(known: frozenset[str]) -> int:
    days = _DAYS if "birth_year" in known else _DAYS * _BORROWING_YEARS
    regions = 1 if "district" in known else _REGIONS
    return regions * days * _fitting_sequences(1 if "sex" in known else 2)


def _bank_card(_known: frozenset[str]) -> int:
    """Luhn's digit is among those shown, so it takes one digit's freedom from the hidden ones."""
    return int(10 ** (_CARD_HIDDEN - 1))


def _email(known: frozenset[str]) -> int:
    """A mailbox may be the mobile number itself; then the mobile's mask is the mailbox's."""
    return _mobile(known) if "mobile" in known else sum(10 ** (n - 1) for n in _MAILBOX_DIGITS)


def _always(count: int | None) -> Callable[[frozenset[str]], int | None]:
    return lambda _known: count


_COUNTS: Final[dict[str, Callable[[frozenset[str]], int | None]]] = {
    "name": _always(_GIVEN_CHARACTERS + _GIVEN_CHARACTERS**2),
    "phone": _phone,
    "mobile": _mobile,
    "landline": _landline,
    "id_number": _id_number,
    "bank_card": _bank_card,
    "email": _email,
    "address": _always(_HOUSEHOLDS),
    "employer": _always(1),
    "birth_year": _always(_DAYS),
    "amount_band": _always(_NARROWEST_BAND_CENTS),
    "hidden": _always(None),
    "none": _always(1),
}
