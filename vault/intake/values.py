"""Each type's canonical text: `normalise(type, text)`.

Canonical text is what is sealed, indexed and compared, so `normalise` is idempotent: what it returns, it
returns again. No error holds the value it was given, in its text or in a chained error.
"""

from __future__ import annotations

import datetime as dt
import re
from types import MappingProxyType
from typing import Final

from vault.errors import Invalid
from vault.intake import measures, numbers
from vault.intake.fold import bad, fold_number, fold_words, is_private
from vault.intake.numbers import AS_TEXT, lost_digits

BLANKS: Final = frozenset(
    {"", "-", "--", "—", "——", "/", "\\", "无", "暂无", "空", "未知", "NULL", "null", "None", "N/A", "n/a",
     "NA", "#N/A", "\\N", "nan", "NaN"}
)  # fmt: skip
"""What exports write for "nothing here": such a cell counts as empty."""

_LONGEST: Final = {"name": 64, "address": 256, "employer": 128, "text": 4000, "relation": 20}
_MIDDLE_DOTS: Final = dict.fromkeys(map(ord, "•・‧∙●⋅．"), "·")
_NAME_MARKS: Final = frozenset(" ·.'’-〇")
_RELATION_MARKS: Final = frozenset(" /、-()（）")

_MONEY: Final = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)?(?:\.([0-9]*))?", re.ASCII)
_MONEY_PLAIN: Final = re.compile(r"(?:0|[1-9][0-9]{0,11})\.[0-9]{2}", re.ASCII)
_CURRENCY: Final = re.compile(r"^(?:¥|CNY|RMB|人民币)\s*|\s*(?:元整?|CNY|RMB)$", re.IGNORECASE)
_MONEY_DIGITS: Final = 12
_CENTS: Final = 2

_INTEGER: Final = re.compile(r"(-?)0*([0-9]{1,9})(?:\.0+)?[天日期个]?", re.ASCII)
_DATE: Final = re.compile(
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日?|([0-9]{2})([0-9]{2}))"
    r"(?:[ T]0{1,2}:00(?::00(?:\.0+)?)?)?",
    re.ASCII,
)
_CLOCK: Final = re.compile(r"[0-9][:时点][0-9]", re.ASCII)
_MIDNIGHT: Final = re.compile(r"[ T]0{1,2}:00(?::00(?:\.0+)?)?$", re.ASCII)
_YEARS: Final = range(1900, 2200)
_SERIAL: Final = re.compile(r"[0-9]{5}(\.[0-9]+)?", re.ASCII)

_EMAIL: Final = re.compile(
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9])",
    re.ASCII,
)
_EMAIL_LOCAL: Final = 64
_EMAIL_WHOLE: Final = 254

_CODE: Final = re.compile(r"\w[\w .,:;/()+&·#%-]{0,63}")
_REF: Final = re.compile(r"\w[\w./:#-]{0,63}")
_CODE_DIGITS: Final = re.compile(r"(?:[0-9][ ./:-]?){11,}", re.ASCII)


def normalise(kind: str, text: str) -> str:
    """The canonical form of a value.

    Args:
        kind: A field's type, one of `vault.schema.TYPES`.
        text: As it stands in a cell or request.

    Returns:
        Canonical text: money "1234.50" in yuan, dates ISO 8601, mobiles 11 digits, landlines 010-12345678.

    Raises:
        Invalid: code `invalid_<type>`, with a remedy; neither holds the value.
    """
    function = NORMALISERS.get(kind)
    if function is None:
        raise Invalid("no such type", code="invalid_type", field="type", remedy="mend the schema")
    return function(text)


def name(text: str) -> str:
    """A person's name: letters of any script, with the marks that stand inside names."""
    folded = fold_words("name", text, _LONGEST["name"])
    if not folded.isalpha():
        folded = folded.translate(_MIDDLE_DOTS)
        if "*" in folded:
            raise bad("name", "already masked", "export the column in clear")
        if not all(_in_name(char) for char in folded) or not any(map(_is_letter, folded)):
            raise bad("name", "holds digits or signs", "give the name alone; is this the right column?")
    return folded


def address(text: str) -> str:
    """An address as one line."""
    return fold_words("address", text, _LONGEST["address"])


def employer(text: str) -> str:
    """An employer's name as one line."""
    return fold_words("employer", text, _LONGEST["employer"])


def narrative(text: str) -> str:
    """Free text as one line; formulas stay text."""
    return fold_words("text", text, _LONGEST["text"])


def relation(text: str) -> str:
    """How a contact person is related: a word or two, no digits."""
    folded = fold_words("relation", text, _LONGEST["relation"])
    if not all(char.isalpha() or char in _RELATION_MARKS for char in folded):
        raise bad("relation", "holds digits or signs", "give the relation alone, in a word")
    return folded


def email(text: str) -> str:
    """An e-mail address (RFC 5321 addr-spec without quoting), its domain in lower case."""
    folded = fold_number(text)
    found = _EMAIL.fullmatch(folded) if len(folded) <= _EMAIL_WHOLE else None
    if found is None or len(found[1]) > _EMAIL_LOCAL:
        raise bad("email", "not of the form name@domain", "write one address, without a display name")
    return f"{found[1]}@{found[2].lower()}"


def date(text: str) -> str:
    """A day, ISO 8601; written year first with `-`, `/`, `.`, 年月日 or as eight digits."""
    folded = fold_number(text)
    found = _DATE.fullmatch(folded)
    if found is None:
        serial = _SERIAL.fullmatch(folded) or lost_digits(folded)
        remedy = AS_TEXT if serial else "write it year first, as YYYY-MM-DD"
        raise bad("date", "not a day written year first", remedy)
    year, _, *parts = found.groups()
    month, day = (int(part) for part in parts if part is not None)
    return _iso(int(year), month, day)


def moment(text: str) -> str:
    """A day and a time, or a day alone where a cell gives no more: how logs of calls are exported."""
    folded = fold_number(text)
    timed = _CLOCK.search(folded) and not _MIDNIGHT.search(folded)
    return measures.datetime(text) if timed else date(text)


def money(text: str) -> str:
    """An amount in yuan with two decimals, exact: no binary floating point comes near it."""
    if _MONEY_PLAIN.fullmatch(text):
        return text
    folded = _CURRENCY.sub("", fold_number(text)).strip()
    found = _MONEY.fullmatch(folded)
    if found is None or not any(map(str.isdigit, folded)):
        raise _no_money(folded)
    whole = folded.partition(".")[0].replace(",", "").lstrip("0") or "0"
    cents = (found[1] or "").rstrip("0")
    if len(whole) > _MONEY_DIGITS:
        raise bad("money", "larger than the vault holds", "write the amount in yuan")
    if len(cents) > _CENTS:
        raise bad("money", "finer than 0.01 yuan", "round it to two decimals in the source")
    return f"{whole}.{cents:0<2}"


def integer(text: str) -> str:
    """A whole number of at most nine digits; a counting word behind it (天) goes."""
    found = _INTEGER.fullmatch(fold_number(text))
    if found is None:
        raise bad("integer", "not a whole number", "write digits alone")
    return str(int(found[1] + found[2]))


def code(text: str) -> str:
    """A short word for open attributes, which are stored in clear: no room for a number of a person."""
    folded = fold_words("code", text.translate({0xFF08: "(", 0xFF09: ")"}), 64)
    if not _CODE.fullmatch(folded):
        raise bad("code", "holds signs that no code needs", "use letters, digits and - _ . / ( )")
    if _CODE_DIGITS.search(folded):
        raise bad("code", "holds eleven digits or more in a row", "use a name or a shorter code")
    return folded


def ref(text: str) -> str:
    """An external id; one that is itself an ID, mobile or card number is refused: ids stand in outputs."""
    folded = fold_number(text)
    if lost_digits(folded):
        raise bad("ref", "digits are missing", AS_TEXT)
    if not _REF.fullmatch(folded):
        raise bad("ref", "not of letters, digits and - _ . / : #", "use the internal number, at most 64 long")
    if numbers.is_personal(folded):
        raise bad("ref", "is an ID, mobile or card number", "use an internal number")
    return folded


NORMALISERS: Final = MappingProxyType(
    {
        "name": name,
        "id_number": numbers.id_number,
        "mobile": numbers.mobile,
        "landline": numbers.landline,
        "phone": numbers.phone,
        "bank_card": numbers.bank_card,
        "email": email,
        "address": address,
        "employer": employer,
        "date": date,
        "datetime": measures.datetime,
        "duration": measures.duration,
        "term": measures.term,
        "money": money,
        "rate": measures.rate,
        "integer": integer,
        "count": measures.count,
        "text": narrative,
        "relation": relation,
        "code": code,
        "ref": ref,
        "digest": measures.digest,
    }
)
"""The function of each type; what `normalise` calls."""

READERS: Final = MappingProxyType({**NORMALISERS, "moment": moment})
"""The same, and what a column may hold that is no field."""


def _is_letter(char: str) -> bool:
    return char.isalpha() or is_private(char)


def _in_name(char: str) -> bool:
    return _is_letter(char) or char in _NAME_MARKS


def _iso(year: int, month: int, day: int) -> str:
    found = None
    if year in _YEARS:
        try:
            found = dt.date(year, month, day)
        except ValueError:
            found = None
    # Raised out here, or the lower error, whose text may hold the value, would be its context.
    if found is None:
        raise bad("date", "no such day", "compare it with the source")
    return found.isoformat()


def _no_money(folded: str) -> Invalid:
    if folded.startswith(("-", "(")):
        return bad("money", "negative", "leave credit balances out: the vault holds what is owed")
    if lost_digits(folded):
        return bad("money", "digits are missing", AS_TEXT)
    return bad("money", "not an amount in digits", "write yuan in digits, a dot before cents")
