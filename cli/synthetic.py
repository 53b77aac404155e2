"""Made-up exports of a creditor: the shape of the real thing, and nobody in it.

Every person here is invented. The ID numbers have true district codes and check digits, and sequence codes
996 to 999, which are kept for people past a hundred (GB 11643; from memory), so nobody of working age has
one. Mobile numbers lie in ranges that were not handed out when this was written; mail domains are reserved
(RFC 2606). Card numbers satisfy the Luhn formula under issuers' real prefixes: if one was ever issued, that
is chance.

Pure: the same seed and day give the same rows, byte for byte.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from vault.intake.numbers import id_check, luhn

HEADER: Final = (
    "案件编号", "客户姓名", "证件号", "手机", "银行卡号", "户籍地址", "单位名称", "电子邮箱", "委案日期",
    "逾期天数", "欠款余额", "紧急联系人", "联系人电话", "与本人关系",
)  # fmt: skip
"""The columns of every row."""

STAGES: Final = {
    "M1": (1, 30), "M2": (31, 60), "M3": (61, 90), "M4": (91, 120), "M5": (121, 150), "M6": (151, 180),
    "M6+": (181, 720),
}  # fmt: skip
"""Days overdue on the day of the export, first and last, by stage."""

FAULTS: Final = ("check_digit", "scientific", "short_phone", "no_name", "no_such_day")
"""What is wrong in the bad rows, in their order in the file."""

_FEWEST_FOR_FAULTS: Final = 12
_WEIGHTS: Final = (30, 20, 14, 10, 8, 7, 11)
_AMOUNTS: Final = {
    "M1": (500, 9_000), "M2": (800, 15_000), "M3": (1_500, 28_000), "M4": (2_000, 45_000),
    "M5": (3_000, 60_000), "M6": (4_000, 80_000), "M6+": (5_000, 160_000),
}  # fmt: skip
"""Yuan owed, from and to: the longer overdue, the more."""


class District(NamedTuple):
    """A county-level district: its code (GB/T 2260) and where it is."""

    code: str
    city: str
    name: str


_DISTRICTS: Final = tuple(
    District(*line.split())
    for line in """\
110101 北京市 东城区
110105 北京市 朝阳区
110108 北京市 海淀区
120101 天津市 和平区
120104 天津市 南开区
130102 河北省石家庄市 长安区
130203 河北省唐山市 路北区
140105 山西省太原市 小店区
150102 内蒙古自治区呼和浩特市 新城区
210102 辽宁省沈阳市 和平区
210202 辽宁省大连市 中山区
220102 吉林省长春市 南关区
230102 黑龙江省哈尔滨市 道里区
310101 上海市 黄浦区
310104 上海市 徐汇区
310115 上海市 浦东新区
320102 江苏省南京市 玄武区
320106 江苏省南京市 鼓楼区
320506 江苏省苏州市 吴中区
330102 浙江省杭州市 上城区
330106 浙江省杭州市 西湖区
330203 浙江省宁波市 海曙区
330302 浙江省温州市 鹿城区
340103 安徽省合肥市 庐阳区
340104 安徽省合肥市 蜀山区
350102 福建省福州市 鼓楼区
350203 福建省厦门市 思明区
350502 福建省泉州市 鲤城区
360102 江西省南昌市 东湖区
370102 山东省济南市 历下区
370202 山东省青岛市 市南区
370602 山东省烟台市 芝罘区
410102 河南省郑州市 中原区
410105 河南省郑州市 金水区
410302 河南省洛阳市 老城区
420102 湖北省武汉市 江岸区
420106 湖北省武汉市 武昌区
420111 湖北省武汉市 洪山区
430102 湖南省长沙市 芙蓉区
430104 湖南省长沙市 岳麓区
440103 广东省广州市 荔湾区
440106 广东省广州市 天河区
440304 广东省深圳市 福田区
440305 广东省深圳市 南山区
440402 广东省珠海市 香洲区
440604 广东省佛山市 禅城区
450103 广西壮族自治区南宁市 青秀区
450302 广西壮族自治区桂林市 秀峰区
460106 海南省海口市 龙华区
500103 重庆市 渝中区
500106 重庆市 沙坪坝区
500112 重庆市 渝北区
510104 四川省成都市 锦江区
510107 四川省成都市 武侯区
510703 四川省绵阳市 涪城区
520102 贵州省贵阳市 南明区
530102 云南省昆明市 五华区
530103 云南省昆明市 盘龙区
540102 西藏自治区拉萨市 城关区
610103 陕西省西安市 碑林区
610113 陕西省西安市 雁塔区
620102 甘肃省兰州市 城关区
630104 青海省西宁市 城西区
640104 宁夏回族自治区银川市 兴庆区
650102 新疆维吾尔自治区乌鲁木齐市 天山区""".splitlines()
)

_SURNAMES: Final = tuple({
    "王": "wang", "李": "li", "张": "zhang", "刘": "liu", "陈": "chen", "杨": "yang", "黄": "huang",
    "赵": "zhao", "吴": "wu", "周": "zhou", "徐": "xu", "孙": "sun", "马": "ma", "朱": "zhu",
    "胡": "hu", "郭": "guo", "何": "he", "林": "lin", "高": "gao", "罗": "luo", "郑": "zheng",
    "梁": "liang", "谢": "xie", "宋": "song", "唐": "tang", "许": "xu", "韩": "han", "冯": "feng",
    "邓": "deng", "曹": "cao", "彭": "peng", "曾": "zeng", "田": "tian", "董": "dong", "袁": "yuan",
    "潘": "pan", "蒋": "jiang", "蔡": "cai", "余": "yu", "杜": "du", "欧阳": "ouyang",
    "上官": "shangguan", "司马": "sima", "诸葛": "zhuge", "慕容": "murong", "皇甫": "huangfu",
    "尉迟": "yuchi", "令狐": "linghu",
}.items())  # fmt: skip
"""Each with its spelling in Latin letters; the common ones first, compound ones last."""

_GIVEN: Final = (
    "兰芳秀英敏静丽艳娟霞玲桂婷雪琳倩妍欣悦颖",
    "伟强磊军洋勇杰涛超明刚平辉鹏飞波斌宇浩凯",
)
"""Characters of given names: women's, men's."""

_ROADS: Final = (
    "人民路",
    "解放路",
    "建设路",
    "中山路",
    "和平路",
    "文化路",
    "新华街",
    "胜利街",
    "长江路",
    "迎宾大道",
)
_TRADES: Final = (
    "商贸",
    "科技",
    "餐饮管理",
    "物流",
    "建筑劳务",
    "服饰",
    "电子",
    "教育咨询",
    "物业服务",
    "汽车服务",
)
_BRANDS: Final = ("恒某", "瑞某", "鑫某", "宏某", "嘉某", "远某", "盛某", "润某")
_RELATIONS: Final = ("配偶", "父亲", "母亲", "兄弟", "姐妹", "子女", "朋友", "同事")
_DOMAINS: Final = ("example.com", "example.net", "example.org")
_BINS: Final = {
    "622202": 19,
    "621700": 19,
    "622848": 19,
    "621661": 19,
    "622588": 16,
    "625955": 16,
    "621483": 16,
}
"""Prefixes of mainland issuers and how long their card numbers are."""
_OWN_RANGES: Final = ("154", "160", "161", "163")
_CONTACT_RANGES: Final = ("164", "168", "169", "194")
"""Mobile ranges that no carrier had handed out in 2026 (from memory)."""

_PROVINCE: Final = re.compile(".*(?:省|自治区)")
_RANGE: Final = 100_000_000
_SEQUENCES: Final = (996, 997, 998, 999)
_FIRST_BIRTH: Final = date(1962, 1, 1)
_BIRTHS: Final = 14_609
"""Days: births up to the end of 2001."""
_STRIDE: Final = 1_000_003
_PHONE_STRIDE: Final = 123_456_787
"""Steps prime to what they go round in: every person and number comes once before one comes again."""

Row = list[str]


def bad_rows(borrowers: int) -> dict[int, str]:
    """Which rows (from 0) of an export are bad, and the fault of each; none in a very small one."""
    if borrowers < _FEWEST_FOR_FAULTS:
        return {}
    return {borrowers * (n + 1) // (len(FAULTS) + 1): fault for n, fault in enumerate(FAULTS)}


def export(
    borrowers: int, seed: int, today: date, *, prefix: str = "AJ", clean: bool = False
) -> Iterator[Row]:
    """The data rows of an export, without the header.

    Args:
        borrowers: How many rows; each is one borrower, one loan and usually one contact person.
        seed: The same gives the same.
        today: The day of the export, Asia/Shanghai; placements and days overdue lead up to it.
        prefix: How case numbers begin.
        clean: Leave out what is untidy or bad.

    Yields:
        Cells in the order of `HEADER`.
    """
    rng = random.Random(seed)  # noqa: S311  made-up people, not secrets
    start = rng.randrange(1 << 31)
    bad = {} if clean else bad_rows(borrowers)
    for n in range(borrowers):
        row = _row(rng, n, start, today, prefix)
        if n in bad:
            _spoil(row, bad[n])
        elif not clean and rng.random() < 0.15:  # noqa: PLR2004  about every seventh row, as exports have it
            _UNTIDY[rng.randrange(len(_UNTIDY))](row)
            _lower_id(row)
        yield row


def write_csv(
    path: Path, borrowers: int, seed: int, today: date, *, prefix: str = "AJ", encoding: str = "gb18030"
) -> int:
    """Write an export as creditors send it: GB 18030, CRLF; returns how many data rows."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(export(borrowers, seed, today, prefix=prefix))
    return borrowers


def _row(rng: random.Random, n: int, start: int, today: date, prefix: str) -> Row:
    person = (start + n * _STRIDE) % (len(_DISTRICTS) * _BIRTHS * len(_SEQUENCES))
    person, sequence = divmod(person, len(_SEQUENCES))
    born_after, place = divmod(person, len(_DISTRICTS))
    phone = start + n * _PHONE_STRIDE
    district, born = _DISTRICTS[place], _FIRST_BIRTH + timedelta(days=born_after)
    surname, latin = _surname(rng)
    days, owed = _debt(rng, n)
    contact = ("", "", "") if rng.random() < 0.05 else _contact(rng, surname, phone)  # noqa: PLR2004  some have none
    return [
        f"{prefix}{today:%y}{n + 1:07d}",
        surname + _given(rng, _SEQUENCES[sequence] % 2),
        _id_number(district, born, _SEQUENCES[sequence]),
        _mobile(_OWN_RANGES, phone),
        _card(rng),
        _address(rng, district),
        _employer(rng, district),
        f"{latin}{born:%y}{rng.randrange(1000):03d}@{rng.choice(_DOMAINS)}",
        (today - timedelta(days=rng.randrange(1, 90))).isoformat(),
        str(days),
        f"{owed / 100:.2f}",
        *contact,
    ]


def _surname(rng: random.Random) -> tuple[str, ...]:
    """A surname and its spelling in Latin letters; common ones come more often."""
    return _SURNAMES[min(rng.randrange(len(_SURNAMES)), rng.randrange(len(_SURNAMES) * 2))]


def _given(rng: random.Random, sex: int) -> str:
    return "".join(rng.choices(_GIVEN[sex], k=rng.choice((1, 2, 2, 2))))


def _id_number(district: District, born: date, sequence: int) -> str:
    digits = f"{district.code}{born:%Y%m%d}{sequence}"
    return digits + id_check(digits)


def _mobile(ranges: tuple[str, ...], n: int) -> str:
    block, rest = divmod(n % (len(ranges) * _RANGE), _RANGE)
    return f"{ranges[block]}{rest:08d}"


def _card(rng: random.Random) -> str:
    prefix, length = rng.choice(tuple(_BINS.items()))
    free = length - len(prefix) - 2
    # Its last free digit is never 0: a tail of zeros would look like what spreadsheets do to long numbers.
    body = f"{prefix}{rng.randrange(10**free):0{free}d}{rng.randrange(1, 10)}"
    return next(body + check for check in "0123456789" if luhn(body + check))


def _address(rng: random.Random, district: District) -> str:
    house = f"{rng.randrange(1, 400)}号{rng.randrange(1, 30)}栋{rng.randrange(1, 5)}单元"
    flat = f"{rng.randrange(1, 30)}0{rng.randrange(1, 5)}室"
    return f"{district.city}{district.name}{rng.choice(_ROADS)}{house}{flat}"


def _employer(rng: random.Random, district: District) -> str:
    city = _PROVINCE.sub("", district.city).removesuffix("市")
    return f"{city}{rng.choice(_BRANDS)}{rng.choice(_TRADES)}有限公司"


def _debt(rng: random.Random, n: int) -> tuple[int, int]:
    """Days overdue, and what is owed in fen. The first rows go through every stage."""
    names = tuple(STAGES)
    stage = names[n] if n < len(names) else rng.choices(names, _WEIGHTS)[0]
    low, high = _AMOUNTS[stage]
    return rng.randint(*STAGES[stage]), int(100 * rng.triangular(low, high, low + (high - low) / 5))


def _contact(rng: random.Random, surname: str, phone: int) -> tuple[str, str, str]:
    relation = rng.choice(_RELATIONS)
    family = surname if relation in {"父亲", "兄弟", "姐妹", "子女"} else _surname(rng)[0]
    return family + _given(rng, rng.randrange(2)), _mobile(_CONTACT_RANGES, phone * 3), relation


# --- what hands and spreadsheets do to an export --------------------------------------------------

_WIDE: Final = {ord("0") + n: chr(ord("０") + n) for n in range(10)}


def _wide_phone(row: Row) -> None:
    row[3] = row[3].translate(_WIDE)


def _spaced_phone(row: Row) -> None:
    row[3] = f"+86 {row[3][:3]} {row[3][3:7]} {row[3][7:]}"


def _spaced_card(row: Row) -> None:
    row[4] = " ".join(row[4][at : at + 4] for at in range(0, len(row[4]), 4))


def _dressed_amount(row: Row) -> None:
    row[10] = f"￥{float(row[10]):,.2f}"


def _slashed_date(row: Row) -> None:
    row[8] = row[8].replace("-", "/")


def _lower_id(row: Row) -> None:
    row[2] = row[2].lower()


def _padded_name(row: Row) -> None:
    row[1] = f" {row[1]}\u3000"


def _wide_amount(row: Row) -> None:
    row[10] = row[10].translate(_WIDE)


_UNTIDY: Final = (
    _wide_phone, _spaced_phone, _spaced_card, _dressed_amount, _slashed_date, _padded_name,
    _wide_amount,
)  # fmt: skip
"""What an import has to put up with: each can be read for certain."""


def _spoil(row: Row, fault: str) -> None:
    """Make a row that must be refused."""
    if fault == "check_digit":
        row[2] = row[2][:-1] + ("0" if row[2][-1] != "0" else "1")
    elif fault == "scientific":
        row[2] = f"{int(row[2][:17]) * 10:.5E}"
    elif fault == "short_phone":
        row[3] = row[3][:-1]
    elif fault == "no_name":
        row[1] = ""
    else:
        row[8] = row[8][:5] + "02-30"
