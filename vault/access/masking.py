"""Masks: what is left of a value for someone who may not see it.

Every mask fails closed: text that isn't of the expected form is hidden whole, whatever its script or length.
Public tools do the opposite (a short card number or a one-letter mailbox comes back unmasked). No law or
standard that we could read gives character positions; these are practice, chosen at the cautious end. Masked
data is de-identified, and stays personal information (PIPL 4, 73). docs/masks.md counts what each mask
leaves to guess.

There is one mask per field. Roles see it or don't; two people who join their views learn no more than the
higher of the two already showed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from types import MappingProxyType
from typing import Final

from vault.access.places import district
from vault.errors import Invalid
from vault.schema import amount_band

FULL: Final = "***"
"""What a value becomes when nothing of it may be shown."""

_COMPOUND: Final = frozenset((
    "欧阳", "太史", "端木", "上官", "司马", "东方", "独孤", "南宫", "万俟",
    "闻人", "夏侯", "诸葛", "尉迟", "公羊", "赫连", "澹台", "皇甫", "宗政",
    "濮阳", "公冶", "太叔", "申屠", "公孙", "慕容", "仲孙", "钟离", "长孙",
    "宇文", "司徒", "鲜于", "司空", "闾丘", "子车", "亓官", "司寇", "巫马",
    "公西", "颛孙", "壤驷", "公良", "漆雕", "乐正", "宰父", "谷梁", "拓跋",
    "夹谷", "轩辕", "令狐", "段干", "百里", "呼延", "东郭", "南门", "羊舌",
    "微生", "梁丘", "左丘", "西门", "第五", "南荣", "东里", "即墨", "达奚",
    "褚师", "纳兰", "完颜", "叶赫",
))  # fmt: skip

_HAN_NAME: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]{2,}")
_DOTTED_NAME: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+(?:[·•‧・][\u3400-\u4dbf\u4e00-\u9fff]+)+")
_LATIN_NAME: Final = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ][A-Za-zÀ-ÖØ-öø-ɏ'’ .·-]*[A-Za-zÀ-ÖØ-öø-ɏ]")
_MOBILE: Final = re.compile(r"(1[3-9][0-9])[0-9]{4}([0-9]{4})")
_LANDLINE: Final = re.compile(r"(010|02[0-9]|0[3-9][0-9]{2})-?[0-9]{5,6}([0-9]{2})(?:[-转][0-9]{1,6})?")
_ID_NUMBER: Final = re.compile(r"([0-9])([0-9]{16}|[0-9]{13})([0-9X])")
_BANK_CARD: Final = re.compile(r"[0-9]{8,15}([0-9]{4})")
_EMAIL: Final = re.compile(r"([A-Za-z0-9])[A-Za-z0-9._%+-]{1,63}@((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63})")
_ISO_DATE: Final = re.compile(r"(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}")

_EMPLOYER_KEEPS: Final = 2
_EMPLOYER_LEAST: Final = 4


def _name(text: str) -> str:
    """Surname and two stars, whatever the length; 欧阳修 keeps 欧阳, J. Smith keeps J."""
    if _HAN_NAME.fullmatch(text):
        return f"{text[:2] if len(text) > 2 and text[:2] in _COMPOUND else text[0]}**"  # noqa: PLR2004 a given name is left
    if _DOTTED_NAME.fullmatch(text) or _LATIN_NAME.fullmatch(text):
        return f"{text[0]}**"
    return FULL


def _mobile(text: str) -> str:
    """138****5678: the carrier's prefix and the last four, ten thousand numbers apart."""
    found = _MOBILE.fullmatch(text)
    return f"{found[1]}****{found[2]}" if found else FULL


def _landline(text: str) -> str:
    """0571-******78: area code and the last two; an extension is dropped."""
    found = _LANDLINE.fullmatch(text)
    return f"{found[1]}-******{found[2]}" if found else FULL


def _phone(text: str) -> str:
    """A mobile or a landline, by its form."""
    return _mobile(text) if _MOBILE.fullmatch(text) else _landline(text)


def _id_number(text: str) -> str:
    """1****************X: first and last character; 6+4, seen elsewhere, gives region and birth date away."""
    found = _ID_NUMBER.fullmatch(text)
    return f"{found[1]}{'*' * len(found[2])}{found[3]}" if found else FULL


def _bank_card(text: str) -> str:
    """****1496: the last four; bank and length stay hidden."""
    found = _BANK_CARD.fullmatch(text)
    return f"****{found[1]}" if found else FULL


def _email(text: str) -> str:
    """z***@example.com: first character and domain, if there is a second character to hide."""
    found = _EMAIL.fullmatch(text)
    return f"{found[1]}***@{found[2]}" if found else FULL


def _address(text: str) -> str:
    """浙江省杭州市余杭区***: down to the district, never beyond; nothing if nothing would be hidden."""
    shown, rest = district(text)
    return f"{shown}{FULL}" if shown and rest.strip() else FULL


def _employer(text: str) -> str:
    """杭州***: two characters of at least four."""
    kept = text[:_EMPLOYER_KEEPS]
    return f"{kept}{FULL}" if len(text) >= _EMPLOYER_LEAST and kept.isalnum() else FULL


def _birth_year(text: str) -> str:
    """1990 of 1990-05-17."""
    if not _ISO_DATE.fullmatch(text):
        return FULL
    try:
        return str(date.fromisoformat(text).year)
    except ValueError:
        return FULL


def _amount_band(text: str) -> str:
    """10k-50k of 12345.67 yuan: the band that the open attribute `outstanding_band` names too."""
    try:
        return amount_band(text)
    except Invalid:
        return FULL


def _hidden(_text: str) -> str:
    """Nothing at all."""
    return FULL


def _none(text: str) -> str:
    """The value itself: for what is open anyway; the schema refuses it elsewhere."""
    return text


MASKS: Final = MappingProxyType[str, Callable[[str], str]](
    {
        "name": _name,
        "phone": _phone,
        "mobile": _mobile,
        "landline": _landline,
        "id_number": _id_number,
        "bank_card": _bank_card,
        "email": _email,
        "address": _address,
        "employer": _employer,
        "birth_year": _birth_year,
        "amount_band": _amount_band,
        "hidden": _hidden,
        "none": _none,
    }
)
"""Every mask by its name in the schema; the list is closed."""


def mask(name: str, text: str) -> str:
    """What is shown of a value to someone who may see it MASKED.

    Args:
        name: A name out of `MASKS`; an unknown one hides the value.
        text: The value as `intake` normalises it.

    Returns:
        The masked text. Text of an odd form, too short, or holding a star of its own becomes `***`: a value
        could otherwise pass for its own mask. Never raises.
    """
    if name == "none":
        return text
    if "*" in text:
        return FULL
    return MASKS.get(name, _hidden)(text)
