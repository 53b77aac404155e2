"""What people type, folded to one form: full-width letters and digits, odd spaces, dashes and marks.

Narrower than Unicode NFKC on purpose: NFKC also rewrites characters that stand in names and addresses.
"""

from __future__ import annotations

import re
from typing import Final

from vault.errors import Invalid

_INVISIBLE: Final = dict.fromkeys(
    (0xAD, 0xFEFF, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A))
)
"""Zero-width and direction marks, which chat programs and web pages leave around copied numbers."""
_SPACES: Final = dict.fromkeys((0xA0, 0x3000, 0x2002, 0x2003, 0x2007, 0x2009, 0x202F), " ")
_WIDE_ALL: Final = {0xFF01 + i: 0x21 + i for i in range(94)}
_WIDE_WORDS: Final = {code: plain for code, plain in _WIDE_ALL.items() if chr(plain).isalnum()}
_DASHES: Final = dict.fromkeys(map(ord, "‐‑‒–—―−﹣ー─"), "-")
_NUMBER: Final = {**_SPACES, **_INVISIBLE, **_WIDE_ALL, **_DASHES, 0x3002: ".", 0xFFE5: "¥"}
_WORDS: Final = {**_SPACES, **_INVISIBLE, **_WIDE_WORDS}
_FORMULA: Final = re.compile(r'="([^"]*)"')
_TEXT_MARK: Final = re.compile("'+(?=[=+@＝＋－＠0-9-])")
"""The mark that what follows is text, not a formula or a number; spreadsheets and our own exports set it."""
_REPLACEMENT: Final = "\ufffd"


def bad(kind: str, problem: str, remedy: str) -> Invalid:
    """The error for a value that is no `kind`; by construction it never sees the value."""
    return Invalid(f"not a valid {kind}: {problem}", code=f"invalid_{kind}", field=kind, remedy=remedy)


def fold_number(text: str) -> str:
    """Fold a number-like value: ASCII digits, letters, dashes and dots, no mark that it is text.

    Spreadsheets and exports mark digits as text by a leading apostrophe, a tab or `="…"`; these go.
    """
    if not text.isascii():
        text = text.translate(_NUMBER)
    text = text.strip()
    if text[:1] in {"'", "`"}:
        return text.lstrip("'` ")
    wrapped = _FORMULA.fullmatch(text)
    return fold_number(wrapped[1]) if wrapped else text


def fold_words(kind: str, text: str, longest: int) -> str:
    """Fold a wording: full-width letters and digits, and runs of white space to one space.

    An apostrophe before a sign or digit that a spreadsheet would compute with goes: it is a mark, no text.

    Args:
        kind: The type, for the error.
        text: As it stands in the cell.
        longest: The most characters the result may have.

    Raises:
        Invalid: Empty, too long, or with control or replacement characters.
    """
    folded = " ".join((text if text.isascii() else text.translate(_WORDS)).split())
    if folded[:1] == "'" and (mark := _TEXT_MARK.match(folded)):
        folded = folded[mark.end() :]
    if not folded:
        raise bad(kind, "empty", "fill the cell or leave the field out")
    if len(folded) > longest:
        raise bad(kind, f"longer than {longest} characters", "shorten it")
    if not folded.isprintable() or _REPLACEMENT in folded:
        _check_characters(kind, folded)
    return folded


def is_private(char: str) -> bool:
    """Whether a character is one that GB 18030 maps to the private use area (rare characters of names)."""
    return "\ue000" <= char <= "\uf8ff"


def _check_characters(kind: str, text: str) -> None:
    if _REPLACEMENT in text:
        raise bad(kind, "characters were lost in a conversion", "export the file again as UTF-8")
    if not all(char.isprintable() or is_private(char) for char in text):
        raise bad(kind, "holds control characters", "remove them")
