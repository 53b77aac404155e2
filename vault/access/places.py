"""How much of a mainland postal address may be shown: province, city and district, never a street.

No list of districts is shipped, for such lists age; a grammar of suffixes is read from the left instead,
and whatever it isn't sure of is left out. The 34 provincial names are a closed set (宪法 30).
"""

from __future__ import annotations

import re
from typing import Final

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff"

_MUNICIPALITY: Final = "北京|天津|上海|重庆"
_PROVINCE: Final = (
    "河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃"
    "|青海|台湾"
)
_AUTONOMOUS: Final = "内蒙古|广西壮族|广西|西藏|宁夏回族|宁夏|新疆维吾尔|新疆"
_TOP: Final = re.compile(
    rf"(?:{_MUNICIPALITY})市?|(?:{_PROVINCE})省?|(?:{_AUTONOMOUS})(?:自治区)?|(?:香港|澳门)(?:特别行政区)?"
)

_STREET: Final = "路街道巷弄里村屯庄组号栋幢楼座室层院园苑厦寓场厂店镇乡"
"""Characters that begin to say where in a district a door is; a token with one inside isn't shown."""
_PLAIN: Final = rf"(?:(?![{_STREET}])[{_HAN}])"
_NAMED: Final = (
    "新乡|萍乡|桐乡|宁乡|金乡|内乡|西乡|乡宁|景德镇|镇江|镇海|镇安|镇远|镇平|镇雄|镇原|石家庄|枣庄|台儿庄|庄河|庄浪|驻马店"
    "|鼓楼|钟楼|路桥|路南|路北|道里|道外|头屯河|屯昌|屯留|阿里|桃园|厦门"
)
"""Administrative names that carry such a character all the same."""

_CITY: Final = re.compile(rf"(?:{_NAMED}|{_PLAIN}{{2,5}}?)(?:市|地区)|{_PLAIN}{{2,9}}?(?:自治州|地区|盟)")
_DISTRICT: Final = re.compile(
    rf"(?:(?:{_NAMED}|{_PLAIN}{{1,4}}?)[区县市]|{_PLAIN}{{2,9}}?自治[县旗])(?![路街道巷府衙城前门桥政]|大[道街])"
)
_BANNER: Final = re.compile(rf"{_PLAIN}{{2,9}}?旗(?![路街道巷])")
"""旗 names a district in 内蒙古 alone; elsewhere it is 红旗路 and its like."""
_NOT_A_PLACE: Final = re.compile(
    r".*[区县].+|.*(?:[超夜菜集都城闹门]市|[小社园校厂院景片库营]区|(?:住宅|生活|商业|宿舍|家属|别墅|工业|办公|服务)区"
    r"|..[东西南北中上下前后一二三四五六七八九十甲乙丙丁]区|(?<!浦东)(?<!滨海)(?<=[^新])新区|(?<!达坂)(?<=..)城区)"
)
"""Compounds, markets and estates, and whatever runs on past one. Real districts that fall
under it are shown as their city."""


def _step(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    """The place at the start of the text and the rest; an empty place where none is sure."""
    found = pattern.match(text)
    if found is None or _NOT_A_PLACE.fullmatch(found[0]):
        return "", text
    return found[0], text[found.end() :].lstrip()


def district(text: str) -> tuple[str, str]:
    """Split an address after its district.

    Returns:
        What may be shown ("浙江省杭州市余杭区", or less where less is sure, or "") and what stays hidden. A
        district that no province or city precedes isn't trusted: it could be any words.
    """
    top, rest = _step(_TOP, text.strip())
    city, rest = _step(_CITY, rest)
    if not top and not city:
        return "", text
    rest = rest.removeprefix("市辖区").lstrip()
    unit, rest = _step(_BANNER if top.startswith("内蒙古") and _BANNER.match(rest) else _DISTRICT, rest)
    return top + city + unit, rest
