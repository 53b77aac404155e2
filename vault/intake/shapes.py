"""What a cell looks like, and what a column of such cells may hold; nothing here repeats a value.

Shapes and guesses are for explaining a file to a person (docs/import.md). No import relies on them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from vault.errors import Invalid
from vault.intake import numbers, values
from vault.intake.fold import fold_number

LEAST: Final = 3
"""Filled cells that a guess needs: one in ten numbers satisfies a check digit by chance."""
_MOST: Final = 0.8
"""The part of a column's filled cells that must be of a type."""
_MOST_NAMES: Final = 0.6
"""The same for names, of which the commonest surnames below cover some five in six."""
_LONG: Final = 32

_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
_DECIMAL: Final = re.compile(r"[-(]?[¥$]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?元?\)?", re.ASCII)
_DATE: Final = re.compile(
    r"[0-9]{4}(?:[-/.][0-9]{1,2}[-/.][0-9]{1,2}|年[0-9]{1,2}月[0-9]{1,2}日?)(?:[ T].{4,16})?", re.ASCII
)
_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff·]+")
_LATIN: Final = re.compile(r"[A-Za-z][A-Za-z .'-]*")
_AMOUNT: Final = re.compile(r"[0-9]\.[0-9]{1,2}0*(?![0-9])|[0-9],[0-9]{3}|[¥元]|CNY|RMB", re.ASCII)
_NAME: Final = re.compile(r"[\u4e00-\u9fff]{2,4}")
_SURNAMES: Final = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟"
    "谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤欧司诸慕上皇"
)
"""First characters of common surnames, compound ones included: common knowledge, for a guess alone."""
_Check = Callable[[str], str]
_Fits = Callable[[str], bool]


def shape(text: str) -> str:
    """A cell's form as a short code.

    One of `digits:11`, `date`, `number`, `lost_digits` (what a spreadsheet makes of a long number), `masked`,
    `long` (more than 32 characters), `han:3` (Chinese characters), `email`, `latin`, `chars:18`.
    """
    folded = fold_number(text)
    forms = (name for name, fits in _FORMS if fits(folded))
    name = next(forms, "chars")
    return f"{name}:{len(folded)}" if name in {"digits", "han", "chars"} else name


def commonest(cells: Iterable[str], most: int = 3) -> list[str]:
    """The commonest shapes of some cells, the commonest first."""
    return [name for name, _ in Counter(map(shape, cells)).most_common(most)]


def kind_of(text: str) -> str:
    """The type that a single cell has beyond doubt, or ""."""
    for name, fits, check in _KINDS:
        if fits(text) and _passes(check, text):
            return name
    return ""


def looks_like(cells: Sequence[str]) -> str:
    """The type that nearly all of a column's filled cells have, or "".

    Args:
        cells: Filled cells; fewer than three tell nothing.
    """
    if len(cells) < LEAST:
        return ""
    found = Counter(map(kind_of, cells))
    phones = found["mobile"] + found["landline"]
    if found["landline"] and phones >= _MOST * len(cells):
        return "phone"
    for name, count in found.most_common():
        if name and count >= (_MOST_NAMES if name == "name" else _MOST) * len(cells):
            return name
    return ""


def could_be_numbers_of_their_own(cells: Sequence[str], rows: int) -> bool:
    """Whether a column could hold the rows' own numbers: every cell filled, no two alike, digits in each."""
    return (
        len(cells) == rows >= LEAST
        and len(set(cells)) == rows
        and all(any(map(str.isdigit, cell)) and _passes(values.ref, cell) for cell in cells)
    )


def _passes(check: _Check, text: str) -> bool:
    try:
        check(text)
    except Invalid:
        return False
    return True


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or text[0] not in _SURNAMES:
        raise Invalid("no name that this can tell")
    return text


def _digits(least: int, most: int) -> _Fits:
    return lambda text: least <= sum(char.isdigit() for char in text) <= most


def _amount(text: str) -> bool:
    return _AMOUNT.search(fold_number(text)) is not None


def _matches(pattern: re.Pattern[str]) -> _Fits:
    return lambda text: pattern.fullmatch(text) is not None


_FORMS: Final[tuple[tuple[str, _Fits], ...]] = (
    ("date", _matches(_DATE)),
    ("masked", lambda text: "**" in text),
    ("long", lambda text: len(text) > _LONG),
    ("digits", _matches(_DIGITS)),
    ("number", _matches(_DECIMAL)),
    ("lost_digits", numbers.lost_digits),
    ("han", _matches(_HAN)),
    ("email", lambda text: "@" in text),
    ("latin", _matches(_LATIN)),
)
"""Forms in the order they are tried."""
_KINDS: Final[tuple[tuple[str, _Fits, _Check], ...]] = (
    ("mobile", _digits(11, 15), numbers.mobile),
    ("id_number", _digits(15, 18), numbers.id_number),
    ("bank_card", _digits(13, 19), numbers.bank_card),
    ("landline", _digits(10, 18), numbers.landline),
    ("date", _digits(6, 14), values.date),
    ("money", _amount, values.money),
    ("email", lambda text: "@" in text, values.email),
    ("name", lambda text: len(text) <= 6, _name),  # noqa: PLR2004  two characters and odd spaces
)
"""Types that can be told by content, in the order they are tried, with a cheap look before each."""
