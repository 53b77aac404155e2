"""Single records: normalised like an import's, refused without a word of their values."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vault.errors import Invalid
from vault.intake.records import drafts_of
from vault.model import Draft
from vault.schema import builtin

TODAY = dt.date(2026, 3, 16)
ID = "11010119900307301X"


def drafts(data: object) -> list[Draft]:
    """Drafts of something that JSON can say."""
    return drafts_of(json.dumps(data, ensure_ascii=False).encode(), builtin(), TODAY)


def one(kind: str, values: dict[str, Any], **more: Any) -> Draft:
    """The draft of one record."""
    return drafts({"kind": kind, "values": values, **more})[0]


def code(kind: str, values: dict[str, Any], **more: Any) -> tuple[str, str | None]:
    """With which code and field a record is refused."""
    with pytest.raises(Invalid) as refused:
        one(kind, values, **more)
    return refused.value.code, refused.value.field


def test_values_become_canonical() -> None:
    """Full-width digits, marks and blanks go as in an import; the birth date comes from the ID number."""
    draft = one(
        "borrower", {"name": " 张三 ", "phone": "+86 １３８-1234-5678", "id_number": ID.lower(), "email": "-"}
    )
    assert draft.values == {
        "name": "张三",
        "phone": "13812345678",
        "id_number": ID,
        "birth_date": "1990-03-07",
    }
    assert (draft.row, draft.anchors, draft.ref) == (1, {"imported_on": "2026-03-16"}, None)


def test_the_external_id_is_found() -> None:
    """As given, else the kind's own number; a borrower without one goes by the first case."""
    assert one("borrower", {"name": "张三"}, ref="B1").ref == "B1"
    assert one("borrower", {"name": "张三", "customer_no": "C1"}).ref == "C1"
    assert one("borrower", {"name": "张三"}, cases=["AJ1", "AJ2"]).ref == "AJ1"
    assert one("borrower", {"name": "张三"}, cases=["AJ1", "AJ1"]).cases == ("AJ1",)
    assert code("borrower", {"name": "张三", "customer_no": "C1"}, ref="C2")[0] == "invalid_ref"
    assert code("borrower", {"name": "张三"}, ref="13812345678")[0] == "invalid_ref"


def test_a_loan_brings_case_band_and_anchor() -> None:
    """Its case number binds it, the band is computed, the placement day is an anchor."""
    draft = one(
        "loan", {"case_number": "AJ1", "outstanding": "￥12,345.6", "placed_on": "2026/03/01"}, cases=["AJ9"]
    )
    assert draft.cases == ("AJ1", "AJ9")
    assert draft.values["outstanding_band"] == "10k-50k"
    assert draft.anchors["placed_on"] == "2026-03-01"


def test_like_records_of_a_request_stay_apart() -> None:
    """Without an external id a record is told by the writer's key; with neither it is one of its own."""
    promise = {"kind": "promise", "values": {"case_number": "AJ1", "amount": "500", "due_on": "2026-04-01"}}
    keyed = [promise | {"key": key} for key in ("a", "b")]
    first, again = drafts(keyed), drafts(keyed)
    assert [draft.content for draft in first] == [draft.content for draft in again]
    assert len({draft.content for draft in first}) == 2
    assert all(draft.once for draft in first)
    assert [(draft.content, draft.once) for draft in drafts([promise])] == [(b"", False)]
    assert one("promise", {**promise["values"], "promise_no": "P1"}).content == b""


def test_computed_and_anchored_as_in_a_file() -> None:
    """A call's day comes from its time, the instalments left from the others, anchors from their fields."""
    call = one("contact_attempt", {"case_number": "AJ1", "channel": "电话", "started_at": "2026-03-09 14:05"})
    assert call.values["attempted_at"] == "2026-03-09"
    loan = one(
        "loan", {"case_number": "AJ1", "instalments": "12", "instalments_paid": "5", "settled_on": "20260301"}
    )
    assert (loan.values["instalments_left"], loan.anchors["settled_on"]) == ("7", "2026-03-01")
    listed = one(
        "suppression",
        {"reason": "erased", "digest": "0a" * 32, "listed_on": "2026-03-01", "identifier": "id_number"},
    )
    assert listed.anchors["listed_on"] == "2026-03-01"
    assert code("contact_person", {"relation": "朋友"}) == ("invalid_required", "contact_person.relation")
    assert (
        code("contact_attempt", {"case_number": "AJ1", "channel": "电话", "moment": "2026-03-09"})[0]
        == "invalid_field"
    )


def test_refusals_name_the_field() -> None:
    """What is missing, unknown, computed, contradictory or to come is named."""
    assert code("borrower", {"phone": "13812345678"}) == ("invalid_required", "borrower.name")
    assert code("borrower", {"name": "张三", "phone": "1"}) == ("invalid_phone", "borrower.phone")
    assert code("borrower", {"name": "张三", "password": "x"}) == ("invalid_field", "borrower")
    assert (
        code("borrower", {"name": "张三", "id_number": ID, "birth_date": "1990-03-08"})[0] == "invalid_date"
    )
    assert code("loan", {"case_number": "AJ1", "outstanding_band": "0-1k"})[0] == "invalid_field"
    assert code("loan", {"case_number": "AJ1", "overdue_since": "2026-03-17"}) == (
        "invalid_date",
        "loan.overdue_since",
    )
    assert code("nothing", {"name": "张三"})[0] == "invalid_kind"


@pytest.mark.parametrize(
    "data", [[], 3, {"kind": "borrower"}, {"kind": "borrower", "values": {"name": 1}}, {"x": 1}]
)
def test_other_json_is_refused(data: object) -> None:
    """What is no record, or none at all, is refused."""
    with pytest.raises(Invalid):
        drafts(data)


def test_the_record_at_fault_is_numbered() -> None:
    """In a list, the error says which record."""
    with pytest.raises(Invalid) as refused:
        drafts(
            [{"kind": "borrower", "values": {"name": "张三"}}, {"kind": "borrower", "values": {"name": "3"}}]
        )
    assert refused.value.row == 2
    with pytest.raises(Invalid):
        drafts([{"kind": "borrower", "values": {"name": "张三"}}] * 1001)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever comes on stdin, it is refused as input, never as a crash."""
    with pytest.raises(Invalid):
        drafts_of(data, builtin(), TODAY)


@given(
    st.sampled_from(sorted(builtin().kinds["borrower"].fields)),
    st.text(alphabet="赝璟琤0987@#", min_size=4, max_size=30),
)
def test_no_refusal_repeats_a_value(field: str, value: str) -> None:
    """A refusal's words, and those of the errors behind it, don't hold the value."""
    refused: Invalid | None = None
    try:
        one("borrower", {"name": "张三", field: value})
    except Invalid as error:
        refused = error
    assume(refused is not None)
    assert refused is not None
    assert refused.__cause__ is None
    assert value not in f"{refused.message} {refused.remedy} {refused.field}"
