"""Canonical values: what people type is understood, what is wrong is refused and never repeated."""

from __future__ import annotations

import re
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake.numbers import AS_TEXT
from vault.intake.values import BLANKS, NORMALISERS, normalise
from vault.schema import TYPES

ID = "11010519491231002X"
CARD = "6222021001116245702"

TYPED = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="0123456789０１２３４５６７８９+-() ,.，。￥¥元Xxe/年月日:转#'=\"8613", max_size=24),
    st.from_regex(r"(\+86|0086|86)?[ -]?1[3-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"\(?0[0-9]{2,3}\)?[- ]?[2-9][0-9]{6,7}(转[0-9]{1,4})?", fullmatch=True),
    st.from_regex(r"￥?[0-9]{1,3}(,[0-9]{3}){0,3}(\.[0-9]{1,3})?元?", fullmatch=True),
    st.from_regex(r"[12][0-9]{3}[-/.][0-9]{1,2}[-/.][0-9]{1,2}( 00:00)?", fullmatch=True),
    st.emails(),
)

WRONG = {
    "mobile": [
        "12812345678", "1381234567", "138123456789", "", "138****5678",
        "٠١٢٣٤٥٦٧٨٩٠",
    ],
    "landline": [
        "62345678", "010-02345678", "4008001234",
    ],
    "phone": [
        "95588", "call me",
    ],
    "id_number": [
        "110105194912310021", "11010519490231002X", "0" * 18, "110105491331002", "1101051949123100",
        "110105********002X",
    ],
    "bank_card": [
        "6222021001116245703", "79927398713", "0000000000000000", "6222",
    ],
    "money": [
        "-1", "(100.00)", "1.234", "12,34", "1,23", "1.2万", "NaN", "Infinity", "1000000000000",
        ".", "",
    ],
    "date": [
        "2026-02-29", "2026-13-01", "26/3/1", "01/03/2026", "2026-3/1", "2026-W01-1",
        "2026-03-01 14:30", "0000-00-00", "1899-12-31",
    ],
    "integer": [
        "1.5", "many", "1234567890",
    ],
    "email": [
        "a@b", "a b@example.com", "@example.com", "a..b@example.com", "a@-b.com",
        "Li <a@example.com>", "a" * 65 + "@example.com",
    ],
    "name": [
        "张3", "张**", "···", "a\x00b", "王\ufffd", "王" * 65,
    ],
    "address": [
        "", "上海\ufffd", "上\u0007海",
    ],
    "text": [
        "x" * 4001,
    ],
    "relation": [
        "13812345678",
    ],
    "datetime": [
        "2026-03-01", "2026-02-29 10:00", "2026-03-01 24:00", "2026-03-01 10:60", "01/03/2026 10:00",
        "2026-03-01T10:00+99:00", "2199-12-31T23:00-08:00", "14:30",
    ],
    "duration": [
        "", "3:75", "1:75:00", "-5", "24:00:01", "long",
    ],
    "term": [
        "0", "1.5年", "1201", "forever", "-12", "P0D",
    ],
    "rate": [
        "0.154", ".36", "1000%", "-1%", "%", "", "15.4%%", "15,4%",
    ],
    "count": [
        "-1", "1.5", "12345", "3/12",
    ],
    "digest": [
        "ab", "zz" * 32, "ab" * 33, "md5:" + "ab" * 16,
    ],
    "code": [
        "13812345678", "138-1234-5678", "<b>", "",
    ],
}  # fmt: skip

DESTROYED = {
    "datetime": [
        "46082.5E+0",
    ],
    "rate": [
        "1.54E+1",
    ],
    "id_number": [
        "1.10105E+17", "1.10105e17", "110105194912310000", "110105194912310000.0",
    ],
    "bank_card": [
        "6.22202E+18", "6222021001116250000",
    ],
    "mobile": [
        "1.38123E+10", "13812345678.0",
    ],
    "phone": [
        "1.38123E+10",
    ],
    "landline": [
        "1062345678.0",
    ],
    "money": [
        "1.5E+4",
    ],
    "date": [
        "46082", "46082.0",
    ],
    "ref": [
        "2.02603E+11", "202603010001.0",
    ],
}  # fmt: skip


def refusal(kind: str, typed: str) -> Invalid | None:
    """The error that a value is refused with, if it is."""
    try:
        normalise(kind, typed)
    except Invalid as error:
        return error
    return None


def test_every_type_has_a_normaliser() -> None:
    """Each type a schema may name can be taken in."""
    assert set(NORMALISERS) == set(TYPES)


@pytest.mark.parametrize(
    ("kind", "typed", "canonical"),
    [
        ("mobile", "13812345678", "13812345678"),
        ("mobile", "１３８１２３４５６７８", "13812345678"),
        ("mobile", "138 1234 5678", "13812345678"),
        ("mobile", "138-1234-5678", "13812345678"),
        ("mobile", "138—1234—5678", "13812345678"),
        ("mobile", "+86 138 1234 5678", "13812345678"),
        ("mobile", "+86-13812345678", "13812345678"),
        ("mobile", "(+86)13812345678", "13812345678"),
        ("mobile", "（＋８６）138 1234 5678", "13812345678"),
        ("mobile", "008613812345678", "13812345678"),
        ("mobile", "8613812345678", "13812345678"),
        ("mobile", "013812345678", "13812345678"),
        ("mobile", "'13812345678", "13812345678"),
        ("mobile", '="13812345678"', "13812345678"),
        ("mobile", "13812345678\t", "13812345678"),
        ("mobile", "\u202d13812345678\u202c", "13812345678"),
        ("landline", "010-12345678", "010-12345678"),
        ("landline", "01062345678", "010-62345678"),
        ("landline", "(010)62345678", "010-62345678"),
        ("landline", "（0571） 8765 4321", "0571-87654321"),
        ("landline", "05718765432", "0571-8765432"),
        ("landline", "+86 10 6234 5678", "010-62345678"),
        ("landline", "+86-0571-87654321", "0571-87654321"),
        ("landline", "010-62345678-801", "010-62345678-801"),
        ("landline", "010-62345678转801", "010-62345678-801"),
        ("landline", "010-62345678 ext. 801", "010-62345678-801"),
        ("phone", "１３８-1234-5678", "13812345678"),
        ("phone", "021 6234 5678", "021-62345678"),
        ("id_number", "11010519491231002x", ID),
        ("id_number", "110105 19491231 002Ｘ", ID),
        ("id_number", "440524188001010014", "440524188001010014"),
        ("id_number", "110105491231002", "110105491231002"),
        ("bank_card", "6222 0210 0111 6245 702", CARD),
        ("bank_card", "４１１１-1111-1111-1111", "4111111111111111"),
        ("money", "￥1,234.5", "1234.50"),
        ("money", "￥１，２３４．５０元", "1234.50"),
        ("money", "¥ 1234", "1234.00"),
        ("money", "RMB 0012.10", "12.10"),
        ("money", "1234.500", "1234.50"),
        ("money", "0", "0.00"),
        ("money", ".5", "0.50"),
        ("money", "999,999,999,999.99", "999999999999.99"),
        ("date", "2026/03/01", "2026-03-01"),
        ("date", "2026/3/1", "2026-03-01"),
        ("date", "2026.3.1", "2026-03-01"),
        ("date", "2026年3月1日", "2026-03-01"),
        ("date", "２０２６年０３月０１日", "2026-03-01"),
        ("date", "20260301", "2026-03-01"),
        ("date", "2026/3/1 0:00", "2026-03-01"),
        ("date", "2026-03-01 00:00:00", "2026-03-01"),
        ("date", "2024-02-29", "2024-02-29"),
        ("integer", "９５天", "95"),
        ("integer", "095", "95"),
        ("integer", "95.0", "95"),
        ("email", "Li.Si@Example.COM", "Li.Si@example.com"),
        ("email", "lisi＠example。com", "lisi@example.com"),
        ("name", "　张　伟 ", "张 伟"),
        ("name", "阿卜杜拉•买买提", "阿卜杜拉·买买提"),
        ("name", "Ｌi Ｓi", "Li Si"),
        ("name", "王\ue863", "王\ue863"),
        ("name", "〇兰", "〇兰"),
        ("address", "上海市徐汇区\n漕溪北路８８号（３楼）", "上海市徐汇区 漕溪北路88号（3楼）"),
        ("text", "=HYPERLINK(1)", "=HYPERLINK(1)"),
        ("relation", "朋友/同事", "朋友/同事"),
        ("code", "消费贷（随借）-A", "消费贷(随借)-A"),
        ("ref", "ＡＪ－2026－0001", "AJ-2026-0001"),
        ("ref", "202603010001", "202603010001"),
        ("datetime", "2026-03-01 14:30", "2026-03-01T14:30+08:00"),
        ("datetime", "2026/3/1 9:05:59", "2026-03-01T09:05+08:00"),
        ("datetime", "２０２６年３月１日１４时３０分", "2026-03-01T14:30+08:00"),
        ("datetime", "20260301 14:30:05.250", "2026-03-01T14:30+08:00"),
        ("datetime", "2026-03-01T06:30:00Z", "2026-03-01T14:30+08:00"),
        ("datetime", "2026-02-28T23:30-0800", "2026-03-01T15:30+08:00"),
        ("duration", "205", "205"),
        ("duration", "3：25", "205"),
        ("duration", "00:03:25", "205"),
        ("duration", "3分25秒", "205"),
        ("duration", "1小时2分", "3720"),
        ("duration", "0", "0"),
        ("term", "12", "P12M"),
        ("term", "１２个月", "P12M"),
        ("term", "2年", "P24M"),
        ("term", "30天", "P30D"),
        ("rate", "15.40%", "15.4%"),
        ("rate", "１５．４％", "15.4%"),
        ("rate", "15.4", "15.4%"),
        ("rate", "0.5‰", "0.05%"),
        ("rate", "15.4‰", "1.54%"),
        ("rate", "0", "0%"),
        ("count", "36期", "36"),
        ("count", "第3期", "3"),
        ("count", "012", "12"),
        ("digest", "SHA256:" + "AB" * 32, "ab" * 32),
    ],
)
def test_understands_what_people_type(kind: str, typed: str, canonical: str) -> None:
    """Widths, spaces, dashes, prefixes, units and date styles lead to one form."""
    assert normalise(kind, typed) == canonical


@pytest.mark.parametrize(("kind", "typed"), [(kind, typed) for kind in WRONG for typed in WRONG[kind]])
def test_refuses_what_is_wrong(kind: str, typed: str) -> None:
    """A value that is none of its type is refused, with a remedy and the code of its type."""
    with pytest.raises(Invalid) as caught:
        normalise(kind, typed)
    assert caught.value.code == f"invalid_{kind}"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "typed"), [(kind, typed) for kind in DESTROYED for typed in DESTROYED[kind]]
)
def test_refuses_digits_a_spreadsheet_destroyed(kind: str, typed: str) -> None:
    """Scientific notation, `.0` tails and zeros after the 15th digit say: format the column as text."""
    with pytest.raises(Invalid) as caught:
        normalise(kind, typed)
    assert caught.value.remedy == AS_TEXT


@pytest.mark.parametrize(
    "typed",
    [
        ID, "110105491231002", "13812345678", "+86 13812345678", "138-1234-5678", "AJ13812345678",
        f"case-{ID}",
        "6222021001116245702", "6222-0210-0111-6245-702", "4111111111111111", "４１１１111111111111",
    ],
)  # fmt: skip
def test_ref_is_no_number_of_a_person(typed: str) -> None:
    """An external id that is or holds an ID, mobile or card number is refused: ids stand in outputs."""
    with pytest.raises(Invalid) as caught:
        normalise("ref", typed)
    assert caught.value.code == "invalid_ref"


def test_unknown_type() -> None:
    """A type that is none is the schema's fault, not the value's."""
    with pytest.raises(Invalid) as caught:
        normalise("colour", "red")
    assert caught.value.code == "invalid_type"


@given(st.sampled_from(TYPES), TYPED)
@example("landline", "0571-8765432转1")
@example("landline", "05718765432转1")
@example("money", "00.50")
@example("ref", '\'="x"')
@example("name", "・a・")
def test_normalise_is_idempotent(kind: str, typed: str) -> None:
    """What is stored, read and written again is the same text, so indexes and fingerprints agree."""
    try:
        once = normalise(kind, typed)
    except Invalid:
        return
    assert normalise(kind, once) == once
    assert once.strip() == once
    assert once


@given(
    st.sampled_from(TYPES),
    st.one_of(
        st.tuples(TYPED, st.just("ζ7391ζ"), TYPED).map("".join),
        st.from_regex(r"[0-9]{9,20}", fullmatch=True),
        st.from_regex(r"[1-9]\.[0-9]{7,12}E\+1[0-9]", fullmatch=True),
        st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{9}", fullmatch=True),
    ),
)
@example("date", "2026-02-31")
@example("date", "0001-01-01")
def test_no_error_holds_the_value(kind: str, typed: str) -> None:
    """Neither message, remedy and repr nor any chained error repeats what was in the cell."""
    error = refusal(kind, typed)
    if error is not None:
        told = "".join(traceback.format_exception(error, chain=True)) + repr(error) + error.remedy
        assert error.__cause__ is None
        assert error.__context__ is None
        assert typed not in told + str(vars(error))
        assert "7391" not in told + str(vars(error))


def test_remedies_hold_no_examples() -> None:
    """An example in a remedy could be a value of the file, and then nobody could tell it from a leak."""
    for kind in TYPES:
        for typed in [*WRONG.get(kind, ()), *DESTROYED.get(kind, ())]:
            error = refusal(kind, typed)
            assert error is not None
            assert (
                not re.search(r"[0-9]{3}-|[0-9]{4}|@example|配偶", error.message + error.remedy)
                or kind == "text"
            )


def test_blanks_are_no_values() -> None:
    """What counts as an empty cell is never a valid name or number, so nothing real is dropped."""
    for blank in BLANKS - {"NA", "NULL", "null", "None", "nan", "NaN", "无", "暂无", "空", "未知"}:
        with pytest.raises(Invalid):
            normalise("name", blank)
