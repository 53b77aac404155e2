"""A record of every kind with every field filled, and values of every type, made from the schema."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from vault.schema import FieldSpec, KindSpec

ID: Final = "11010519491231002X"
PLAIN: Final = {
    "name": "金丝雀", "id_number": ID, "mobile": "13812345678", "landline": "021-62345678",
    "phone": "13812345678", "bank_card": "6222021001116245702", "email": "canary@example.com",
    "address": "上海市徐汇区漕溪北路88号", "employer": "上海金丝雀贸易有限公司", "date": "2026-03-02",
    "datetime": "2026-03-02T14:30+08:00", "duration": "205", "term": "P12M",
    "money": "12345.67", "rate": "15.4%",
    "integer": "12", "count": "12", "text": "金丝雀叙述", "relation": "朋友", "code": "甲类",
    "digest": "0a" * 32,
}  # fmt: skip
"""One canonical value of each type; a ref is the field's own."""
OWN: Final = {
    "borrower.birth_date": "1949-12-31",
    "loan.outstanding_band": "10k-50k",
    "loan.instalments_paid": "5",
    "loan.instalments_left": "7",
    "loan.overdue_since": "2026-01-02",
    "suppression.identifier": "id_number",
}
"""Values that hang together with others of their record."""


def value(kind: KindSpec, field: FieldSpec, case: str) -> str:
    """The sample of one field."""
    if field.name == "case_number":
        return case
    if field.type == "ref":
        return f"{kind.name}-{field.name}-7"
    return OWN.get(f"{kind.name}.{field.name}", PLAIN[field.type])


def sample(kind: KindSpec, case: str) -> dict[str, str]:
    """Every field of a kind, canonical."""
    return {field.name: value(kind, field, case) for field in kind.fields.values()}


TYPED: Final[dict[str, st.SearchStrategy[str]]] = {
    "datetime": st.datetimes().map(lambda at: at.strftime("%Y/%m/%d %H:%M:%S")),
    "duration": st.one_of(
        st.integers(0, 90000).map(str), st.from_regex(r"([0-9]{1,2}:)?[0-9]{1,2}:[0-5][0-9]", fullmatch=True)
    ),
    "term": st.from_regex(r"[0-9]{1,5}(年|个?月|期|天|日)?", fullmatch=True),
    "rate": st.from_regex(r"[0-9]{0,4}(\.[0-9]{0,9})?[%％‰]?", fullmatch=True),
    "count": st.from_regex(r"第?[0-9]{1,5}(期|个月)?", fullmatch=True),
    "digest": st.from_regex(r"(SHA-?256:)?[0-9A-Fa-f]{63,65}", fullmatch=True),
    "money": st.from_regex(r"￥?[0-9]{1,3}(,[0-9]{3}){0,2}(\.[0-9]{1,2})?元?", fullmatch=True),
    "date": st.dates().map(str),
    "phone": st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
}
"""What people type for a type, right and wrong."""


def typed(kind: str) -> st.SearchStrategy[str]:
    """Text that may stand in a cell of a type: what fits, and anything."""
    fits = st.just(PLAIN[kind]) if kind in PLAIN else st.from_regex(r"[A-Z]{2}-[0-9]{1,6}", fullmatch=True)
    return st.one_of(fits, TYPED.get(kind, fits), st.text(max_size=20))


FILES: Final = {
    "borrower": """\
案件编号,客户姓名,证件号,手机,单位电话,开户行,车辆线索,借款金额,剩余本金,利息,罚息,年利率(%),借款期限(月),总期数,已还期数,每期应还,\
联系人1姓名,联系人1电话,联系人1关系,联系人2姓名,联系人2电话,联系人2关系,第三联系人,第三联系人手机,担保人姓名,担保人身份证号,担保人电话,担保方式
AJ-1,张三,11010519491231002X,13812345678,021-62345678,工商银行徐汇支行,沪A牌照轿车一辆,50000,32000.5,1200,88.8,15.4,12,12,5,4500,\
李四,13912345678,配偶,王五,13712345678,同事,赵六,13612345678,钱七,110105491231002,13512345678,连带责任保证
""",
    "result": """\
案件编号,催收方式,催收时间,拨打号码,接听人,催收结果,通话时长(秒),录音编号,催记,工号,\
承诺还款金额,承诺还款日期,还款金额,还款日期,还款方式,外访日期,外访结果,外访地址
AJ-1,电话,2026/3/9 14:05:31,13812345678,本人,承诺,205,REC-1,称月底发工资后还,E1001,\
3000,2026-03-31,500,2026/3/9,微信,,,
AJ-2,外访,2026/3/8,,,失联,,,,E1002,,,,,,2026-03-08,无人在家,上海市徐汇区某路1号
AJ-3,,,,,,,,,,,,800,2026-03-07,银行转账,,,
""",
    "guarantor": """\
案件编号,姓名,身份证号,手机号,住址,与借款人关系,担保方式,担保金额
AJ-1,钱七,110105491231002,13512345678,上海市徐汇区某路2号,朋友,连带责任保证,50000
""",
    "contact_person": """\
案件编号,联系人序号,姓名,电话,关系,拒绝联系日期
AJ-1,2,李四,13912345678,配偶,2026-03-01
""",
    "loan": """\
案件编号,借据编号,放款日期,到期日,贷款期限,年利率,期数,结清日期,最近催收日期
AJ-1,JJ-77,2025-01-05,2026-01-05,12个月,15.4%,12,2026-03-05,2026-02-20
""",
    "case": """\
案件编号,案件状态,受托机构,处理阶段,立案日期,退案日期,诉讼案号
AJ-1,在催,示例催收公司,诉讼,2026-03-01,,（2026）沪0104民初123号
""",
    "contract": """\
合同编号,案件编号,签订日期,合同金额,借款期限,年利率,债权人,授权书编号,授权日期
HT-2025-1,AJ-1,2025年1月5日,50000元,1年,15.4%,示例银行,SQ-9,2025-01-05
""",
    "contact_attempt": """\
案件编号,催收方式,通话开始时间,通话时长,被叫号码,联系结果,催记
AJ-1,电话,2026-03-09 14:05,3分25秒,13812345678,可联,愿意协商
""",
    "visit": """\
案件编号,外访日期,外访地址,见面对象,外访结果,资产线索,备注
AJ-1,2026-03-08,上海市徐汇区某路1号,邻居,搬离,楼下停有一辆轿车,择日再访
""",
    "promise": """\
案件编号,承诺金额,承诺还款日,履约状态,备注
AJ-1,3000,2026-03-31,待履约,月底发工资
""",
    "repayment": """\
案件编号,还款金额,还款日期,还款渠道,期数,本金,利息,流水号
AJ-1,"1,000.00",2026-03-02,微信,6,900,100,LS-20260302-7
""",
    "agreement": """\
协议编号,案件编号,协议类型,签署日期,减免后应还金额,减免金额,分期期数,每期金额,首期还款日,分期方案
XY-1,AJ-1,分期,2026-03-01,24000,2000,6,4000,2026-04-01,自四月起每月一日四千元
""",
    "complaint": """\
投诉编号,案件编号,投诉渠道,投诉日期,投诉内容,投诉状态,答复期限,处理结果,投诉人电话
TS-1,AJ-1,12378热线,2026-03-03,称夜间来电,处理中,2026-03-18,,13912345678
""",
    "evidence": """\
证据编号,案件编号,证据类型,取证时间,SHA256,存放位置
ZJ-1,AJ-1,录音,2026-03-09 14:05:31,0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a,档案柜三
""",
    "credit_report": """\
报告编号,案件编号,查询日期,查询原因,征信摘要,授权书编号,查询人工号
ZX-1,AJ-1,2026-03-01,贷后管理,名下两笔贷款逾期,SQ-9,E2001
""",
}
"""A small file of each layout, as people write them; every column is understood and every row good."""
