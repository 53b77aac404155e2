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
