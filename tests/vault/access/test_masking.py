"""Masks fail closed, keep what they say and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import schema
from vault.access.masking import FULL, MASKS, mask

HIDING = sorted(set(MASKS) - {"none"})
KEEPS = [
    ("name", "王小明", "王**"),
    ("name", "王明", "王**"),
    ("name", "欧阳修", "欧阳**"),
    ("name", "欧阳", "欧**"),
    ("name", "阿卜杜拉·买买提", "阿**"),
    ("name", "John Smith", "J**"),
    ("mobile", "13812345678", "138****5678"),
    ("phone", "13812345678", "138****5678"),
    ("phone", "010-12345678", "010-******78"),
    ("landline", "0571-8765432", "0571-******32"),
    ("landline", "02187654321", "021-******21"),
    ("landline", "0571-87654321-802", "0571-******21"),
    ("id_number", "11010119900307123X", "1****************X"),
    ("id_number", "110101900307123", "1*************3"),
    ("bank_card", "6222021234567890", "****7890"),
    ("bank_card", "6222021234567890128", "****0128"),
    ("email", "zhang.san@example.com", "z***@example.com"),
    ("address", "浙江省杭州市余杭区文一西路969号", "浙江省杭州市余杭区***"),
    ("address", "北京市海淀区中关村大街1号", "北京市海淀区***"),
    ("address", "北京市市辖区海淀区中关村大街1号", "北京市海淀区***"),
    ("address", "上海浦东新区世纪大道100号", "上海浦东新区***"),
    ("address", "内蒙古自治区呼和浩特市新城区某街2号", "内蒙古自治区呼和浩特市新城区***"),
    ("address", "四川省凉山彝族自治州西昌市航天大道", "四川省凉山彝族自治州西昌市***"),
    ("address", "广东省深圳市 南山区 科技园", "广东省深圳市南山区***"),
    ("address", "江苏省昆山市花桥镇绿地小区3号", "江苏省昆山市***"),
    ("address", "江西省景德镇市珠山区某处", "江西省景德镇市珠山区***"),
    ("address", "湖南省宁乡市玉潭街道", "湖南省宁乡市***"),
    ("address", "河南省某处某村", "河南省***"),
    ("address", "内蒙古自治区锡林郭勒盟正蓝旗上都镇", "内蒙古自治区锡林郭勒盟正蓝旗***"),
    ("address", "内蒙古自治区呼伦贝尔市鄂伦春自治旗某处", "内蒙古自治区呼伦贝尔市鄂伦春自治旗***"),
    ("address", "天津市滨海新区某处", "天津市滨海新区***"),
    ("address", "北京市东城区某胡同", "北京市东城区***"),
    ("address", "新疆维吾尔自治区乌鲁木齐市达坂城区某处", "新疆维吾尔自治区乌鲁木齐市达坂城区***"),
    ("address", "湖南省通道侗族自治县某处", "湖南省***"),
    ("address", "江苏省南京市鼓楼区某处", "江苏省南京市鼓楼区***"),
    ("address", "西藏自治区阿里地区噶尔县某处", "西藏自治区阿里地区噶尔县***"),
    ("address", "安徽省黄山市歙县某处", "安徽省黄山市歙县***"),
    ("employer", "杭州某某网络有限公司", "杭州***"),
    ("birth_year", "1990-03-07", "1990"),
    ("amount_band", "12345.67", "10k-50k"),
    ("hidden", "anything", FULL),
    ("none", "信用贷", "信用贷"),
]
ODD = [
    ("name", ""),
    ("name", "王"),
    ("name", "J"),
    ("name", "王小明13812345678"),
    ("name", "王 小明"),
    ("mobile", "12345678901"),
    ("mobile", "138123456789"),
    ("mobile", "1381234567"),
    ("mobile", "138 1234 5678"),
    ("mobile", "１３８１２３４５６７８"),
    ("mobile", "13812345678\n"),
    ("landline", "12345678"),
    ("landline", "400-123-4567"),
    ("id_number", "1101011990030712"),
    ("id_number", "11010119900307123x"),
    ("id_number", "E12345678"),
    ("bank_card", "12345678"),
    ("bank_card", "62220212345678901234"),
    ("email", "a@example.com"),
    ("email", "@example.com"),
    ("email", "zhang@localhost"),
    ("email", "zhang@@example.com"),
    ("email", "zhang@example.com@evil.com"),
    ("address", "中关村大街1号"),
    ("address", "海淀区中关村大街1号"),
    ("address", "我家隔壁永辉超市"),
    ("address", "浙江省杭州市余杭区"),
    ("address", "浙江省"),
    ("employer", "华为"),
    ("employer", "A厂子"),
    ("birth_year", "1990-02-30"),
    ("birth_year", "1990"),
    ("birth_year", "19900307"),
    ("amount_band", "-5.00"),
    ("amount_band", "1e9"),
    ("amount_band", "NaN"),
    ("no such mask", "13812345678"),
    *((name, "138****5678") for name in HIDING),
]
STREETS = [
    "杭州市锦绣东区3幢201",
    "杭州市阳光花园4栋",
    "杭州市绿城小区8号",
    "苏州市工业园区星湖街",
    "深圳市某某社区",
    "成都市家属区二单元",
    "浙江省宏达工业区",
    "北京市朝阳路9号院",
    "长春市红旗街12号",
    "杭州市花园里东区1幢",
    "杭州市文一路小王区2号",
    "宁波市东街道办区3号",
    "杭州市老县城路8号",
    "苏州市新区大道1号",
    "杭州市绿地新区3幢",
    "成都市翡翠城区3号",
    "杭州市城市之光2幢",
    "温州市县前头巷5号",
    "南京市幸福甲区9幢",
]


@pytest.mark.parametrize(("name", "text", "shown"), KEEPS)
def test_mask_keeps_what_it_says(name: str, text: str, shown: str) -> None:
    """A well-formed value keeps exactly the documented part."""
    assert mask(name, text) == shown


@pytest.mark.parametrize(("name", "text"), ODD)
def test_odd_form_is_hidden_whole(name: str, text: str) -> None:
    """Text that isn't of the expected form, or leaves nothing to hide, shows nothing at all."""
    assert mask(name, text) == FULL


@pytest.mark.parametrize("text", STREETS)
def test_address_never_shows_a_compound(text: str) -> None:
    """Where no district is sure, what follows the city stays hidden."""
    shown = mask("address", text)
    assert shown in {f"{text[:3]}{FULL}", FULL}


@given(
    before=st.tuples(
        st.sampled_from(["浙江省", "北京市", "广东", "内蒙古自治区", ""]),
        st.sampled_from(["杭州市", "凉山彝族自治州", ""]),
        st.sampled_from(["西湖区", "歙县", "正蓝旗", ""]),
    ),
    street=st.text("赵钱孙李", min_size=1, max_size=3),
    marker=st.sampled_from([*"路街道巷村号栋楼苑园弄里", "小区", "社区", "花园"]),
    house=st.text("周吴郑王", min_size=1, max_size=2),
    unit=st.sampled_from(["区", "县", "市", "旗", "号", "室", "东区", "新区", "城区", ""]),
)
def test_nothing_past_the_street_is_shown(
    before: tuple[str, str, str], street: str, marker: str, house: str, unit: str
) -> None:
    """However an address goes on after a street or an estate, no character of it is shown."""
    shown = mask("address", f"{''.join(before)}{street}{marker}{house}{unit}3")
    assert not set(shown) & set("赵钱孙李周吴郑王")


@given(name=st.sampled_from(HIDING), text=st.text())
def test_any_text_stays_hidden(name: str, text: str) -> None:
    """No text of any script or length comes back as it went in, and no mask raises."""
    assert mask(name, text) != text or text == FULL


SHAPED = st.one_of(
    st.from_regex(r"\A1[3-9][0-9]{9}\Z"),
    st.from_regex(r"\A0[0-9]{2,3}-?[0-9]{7,8}\Z"),
    st.from_regex(r"\A[0-9]{17}[0-9X]\Z"),
    st.from_regex(r"\A[0-9]{12,19}\Z"),
    st.from_regex(r"\A[a-z0-9.]{1,9}@[a-z0-9-]{1,9}\.(?:com|cn)\Z"),
    st.from_regex(r"\A[0-9]{1,9}\.[0-9]{2}\Z"),
    st.dates().map(str),
    st.text("王李欧阳小明买提·浙江省杭州市余区县旗街道路号楼0123456789abAB -", max_size=24),
)


@given(name=st.sampled_from(HIDING), text=SHAPED)
def test_shaped_text_loses_something(name: str, text: str) -> None:
    """Whatever mask meets whatever form, the value isn't part of what is shown."""
    shown = mask(name, text)
    assert not text or text not in shown


@given(text=SHAPED)
def test_digits_shown_are_bounded(text: str) -> None:
    """No number mask shows more digits than its documented few."""
    most = {"mobile": 7, "landline": 6, "phone": 7, "id_number": 2, "bank_card": 4, "birth_year": 4}
    for name, limit in most.items():
        assert sum(c.isdigit() for c in mask(name, text)) <= limit


@given(text=st.one_of(st.text(), SHAPED), name=st.sampled_from(HIDING))
def test_masking_twice_shows_no_more(text: str, name: str) -> None:
    """A masked value is no way back: masked again it shows a part of what it showed, or nothing."""
    once = mask(name, text)
    again = mask(name, once)
    assert again == FULL or set(again) <= set(once) | {"*"}


def test_bands_are_whole() -> None:
    """Every amount falls into one band, and a bound belongs to the band above it."""
    bounds = [0, 1_000, 5_000, 10_000, 50_000, 100_000]
    assert [mask("amount_band", f"{bound}.00") for bound in bounds] == list(schema.BANDS)
    assert [mask("amount_band", f"{bound - 1}.99") for bound in bounds[1:]] == list(schema.BANDS[:-1])


def test_table_is_closed() -> None:
    """The table cannot be changed at run time, so no mask can be opened up."""
    with pytest.raises(TypeError):
        MASKS["name"] = str  # type: ignore[index]


def test_schema_and_masks_agree() -> None:
    """Every mask a schema may name exists, and no other."""
    assert set(schema.MASKS) == set(MASKS)
