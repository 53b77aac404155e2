"""Numbers of persons as people type them: ID numbers, telephone numbers, bank cards.

Each function returns the canonical text or raises `Invalid` with code `invalid_<type>`, whose text never
holds the value. Digits that a spreadsheet has replaced are refused: they cannot be had back.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
from typing import Final

from vault.intake.fold import bad, fold_number

AS_TEXT: Final = (
    "a spreadsheet has replaced digits: format the column as text there, fill it again from the source "
    "and save anew"
)
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+|[+-]?[0-9]+\.0*", re.ASCII)
_SEPARATORS: Final = dict.fromkeys(map(ord, " -()·_\t"))

_ID_18: Final = re.compile(r"[1-9][0-9]{5}(18|19|20)[0-9]{9}[0-9X]", re.ASCII)
_ID_15: Final = re.compile(r"[1-9][0-9]{14}", re.ASCII)
_ID_WEIGHTS: Final = tuple(2**i % 11 for i in range(17, 0, -1))
_ID_BIAS: Final = 48 * sum(_ID_WEIGHTS)
_ID_CHECK: Final = "10X98765432"

_CARD: Final = re.compile(r"[1-9][0-9]{12,18}", re.ASCII)
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
_PLAIN: Final = bytes.maketrans(b"0123456789", bytes(range(10)))

_MOBILE: Final = re.compile(r"1[3-9][0-9]{9}", re.ASCII)
_ABROAD: Final = re.compile(r"(?:\+|00)86(.+)", re.DOTALL)
_LANDLINE: Final = re.compile(r"(0(?:10|2[0-9]|[3-9][0-9]{2}))([1-9][0-9]{6,7})", re.ASCII)
_EXTENDED: Final = re.compile(r"(0[0-9]{2,3}-?[0-9]{7,8})-([0-9]{1,6})", re.ASCII)
_EXTENSION: Final = re.compile(r"(?:转|分机|ext\.?|x|#)", re.IGNORECASE)

_FLOAT_DIGITS: Final = 15
"""A spreadsheet keeps 15 significant digits of a number (IEEE 754 binary64) and writes zeros after them."""
_LONG: Final = 17


def lost_digits(text: str) -> bool:
    """Whether a value is in scientific notation or has a `.0` tail: what spreadsheets make of digits."""
    return _SCIENTIFIC.fullmatch(text) is not None


def rounded(digits: str) -> bool:
    """Whether all digits past the 15th are zero, in a number of 17 digits or more.

    Alone no proof: one in a thousand ID numbers ends so. With a wrong check digit, or in a column where
    others lost digits, it is.
    """
    return len(digits) >= _LONG and not digits[_FLOAT_DIGITS:].strip("0")


def luhn(digits: str) -> bool:
    """Whether ASCII digits satisfy the Luhn formula (ISO/IEC 7812-1 annex B)."""
    raw = digits.encode()
    return (sum(raw[-1::-2].translate(_PLAIN)) + sum(raw[-2::-2].translate(_DOUBLED))) % 10 == 0


def id_check(number: str) -> str:
    """The check character of an 18-character ID number's first 17 digits (GB 11643-1999, MOD 11-2)."""
    return _ID_CHECK[(sum(map(operator.mul, _ID_WEIGHTS, number.encode())) - _ID_BIAS) % 11]


def id_birth(number: str) -> dt.date | None:
    """The birth date in a canonical ID number, or None if there is no such day.

    The legacy 15-digit form has two digits for the year, all of the 20th century (GB 11643-1989).
    """
    digits = number[6:14] if len(number) == 18 else "19" + number[6:12]  # noqa: PLR2004  the standard's length
    try:
        return dt.date.fromisoformat(digits)
    except ValueError:
        return None


def id_modern(number: str) -> str:
    """A canonical ID number in 18 characters: the 15-digit form's holders all got one (GB 11643-1999)."""
    if len(number) == 18:  # noqa: PLR2004  the standard's length
        return number
    digits = f"{number[:6]}19{number[6:]}"
    return digits + id_check(digits)


def id_number(text: str) -> str:
    """A resident ID number: 18 characters with check digit, or the legacy 15 digits, kept as they are."""
    number = _compact("id_number", text).upper()
    modern = _ID_18.fullmatch(number)
    if not modern and not _ID_15.fullmatch(number):
        raise bad("id_number", "not 18 characters, nor the legacy 15 digits", "copy it from the document")
    if modern and id_check(number) != number[-1]:
        remedy = AS_TEXT if rounded(number) else "compare each digit with the document"
        raise bad("id_number", "the check digit does not fit", remedy)
    if id_birth(number) is None:
        raise bad("id_number", "the birth date in it is no day", "compare each digit with the document")
    return number


def bank_card(text: str) -> str:
    """A bank card number: 13 to 19 digits that satisfy the Luhn formula."""
    number = _compact("bank_card", text)
    if not _CARD.fullmatch(number):
        raise bad("bank_card", "not 13 to 19 digits", "copy all digits from the card")
    if not luhn(number):
        remedy = AS_TEXT if rounded(number) else "compare each digit with the card"
        raise bad("bank_card", "the check digit does not fit", remedy)
    return number


def mobile(text: str) -> str:
    """A mainland mobile number, 11 digits."""
    found = _mobile(_compact("mobile", text))
    if found is None:
        raise bad("mobile", "not 11 digits from 13 to 19", "write the mainland number without spaces")
    return found


def landline(text: str) -> str:
    """A mainland landline with area code: `010-12345678`, with an extension `010-12345678-801`."""
    _compact("landline", text)
    found = _landline(text)
    if found is None:
        raise bad(
            "landline", "not an area code and 7 or 8 digits", "write the area code, a dash and the number"
        )
    return found


def phone(text: str) -> str:
    """A mobile or landline number, told apart by its form."""
    if _MOBILE.fullmatch(text):
        return text
    digits = _compact("phone", text)
    found = _mobile(digits) or _landline(text)
    if found is None:
        raise bad(
            "phone",
            "neither a mobile number nor a landline with area code",
            "write 11 digits, or area code, a dash and the number",
        )
    return found


def is_personal(text: str) -> bool:
    """Whether digits inside a text are an ID, mobile or card number: such a text is no internal number."""
    compact = text.translate(_SEPARATORS).upper()
    return any(map(_personal_run, (compact, *re.findall(r"[0-9]{11,}X?", text.upper()))))


def _personal_run(run: str) -> bool:
    if _ID_18.fullmatch(run) and id_check(run) == run[-1]:
        return id_birth(run) is not None
    if _mobile(run) or (_ID_15.fullmatch(run) and id_birth(run)):
        return True
    # 16 digits and more of the ranges that cards are issued in, or every tenth serial number would be one.
    return re.fullmatch(r"[34569][0-9]{15,18}", run) is not None and luhn(run)


def _compact(kind: str, text: str) -> str:
    """Fold, refuse what a spreadsheet destroyed, and take out separators."""
    if text.isascii() and text.isdigit():
        return text
    folded = fold_number(text)
    if lost_digits(folded):
        raise bad(kind, "digits are missing", AS_TEXT)
    if "*" in folded:
        raise bad(kind, "already masked", "export the column in clear")
    return folded.translate(_SEPARATORS)


def _mobile(digits: str) -> str | None:
    """Take off +86, 0086, 86 or a leading 0, if a mobile number remains."""
    for prefix in ("", "+86", "0086", "86", "0"):
        rest = digits[len(prefix) :]
        if digits.startswith(prefix) and _MOBILE.fullmatch(rest):
            return rest
    return None


def _landline(text: str) -> str | None:
    """Split into area code, number and extension, which only the dashes as written tell apart."""
    written = _EXTENSION.sub("-", fold_number(text)).replace(" ", "").translate({40: None, 41: "-"})
    written = re.sub(r"-+", "-", written.strip("-"))
    abroad = _ABROAD.fullmatch(written)
    if abroad:
        written = "0" + abroad[1].lstrip("-0")
    extended = _EXTENDED.fullmatch(written)
    number, extension = extended.groups() if extended else (written, "")
    parts = _LANDLINE.fullmatch(number.replace("-", ""))
    if parts is None:
        return None
    return "-".join(filter(None, (parts[1], parts[2], extension)))
