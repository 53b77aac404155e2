"""Headers: aliases in two languages, maps over them, and nothing stored that nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.errors import Invalid
from vault.intake.headers import aliases, match, read_map
from vault.intake.layouts import COMPUTING, LAYOUTS, required
from vault.model import KINDS
from vault.schema import builtin

EXPORT = {
    "案件编号": "loan.case_number",
    "客户姓名": "borrower.name",
    "证件号": "borrower.id_number",
    "手机": "borrower.phone",
    "银行卡号": "borrower.bank_card",
    "户籍地址": "borrower.address",
    "单位名称": "borrower.employer",
    "电子邮箱": "borrower.email",
    "委案日期": "loan.placed_on",
    "逾期天数": "loan.overdue_days",
    "欠款余额": "loan.outstanding",
    "紧急联系人": "contact_person.name",
    "联系人电话": "contact_person.phone",
    "与本人关系": "contact_person.relation",
}
NEEDED = ["客户姓名", "案件编号"]


def targets(
    header: list[str], kind: str = "borrower", mapping: dict[str, str] | None = None
) -> list[str | None]:
    """The target of each column."""
    return [column.target for column in match(header, builtin(), kind, mapping)]


def test_the_export_of_the_trade() -> None:
    """The fourteen columns that creditors send are all known."""
    assert targets(list(EXPORT)) == list(EXPORT.values())


@pytest.mark.parametrize(
    "title",
    [
        "手机号", "手机号码", " 手机 号码 ", "*手机号", "手机号（必填）", "Mobile Number",
        "mobile_number", "PHONE", "phone", "borrower.phone", "Ｐｈｏｎｅ", "borrower phone",
    ],
)  # fmt: skip
def test_titles_as_people_write_them(title: str) -> None:
    """Case, spaces, marks, widths and remarks in brackets make no difference."""
    assert targets([*NEEDED, title])[-1] == "borrower.phone"


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_alias_leads_to_its_target(kind: str) -> None:
    """No alias is shadowed by another field's title in the same layout."""
    schema = builtin()
    every = aliases(schema, kind)
    needed = [target for part in LAYOUTS[kind] for target in required(schema, part) if target in every]
    for target, titles in every.items():
        for title in titles:
            header = [*(name for name in needed if name != target), title]
            assert targets(header, kind)[-1] == target, title


def test_fields_by_their_own_names() -> None:
    """A file with the vault's field names needs no map; `name` is the borrower's."""
    assert targets(["name", "case_number", "contact_person.name", "contact_person_phone"]) == [
        "borrower.name", "loan.case_number", "contact_person.name", "contact_person.phone",
    ]  # fmt: skip
    assert targets(["case_number", "channel", "attempted_at", "result", "note"], "contact_attempt") == [
        "contact_attempt.case_number", "contact_attempt.channel", "contact_attempt.attempted_at",
        "contact_attempt.result", "contact_attempt.note",
    ]  # fmt: skip


def test_unknown_and_computed_columns_have_no_target() -> None:
    """A column nobody named is not stored; nor is one that the vault computes for itself."""
    assert targets([*NEEDED, "星座", "CVV", "密码", "outstanding_band"])[2:] == [None, None, None, None]


def test_titles_that_look_like_data_are_not_repeated() -> None:
    """Where a header row is missing or broken, the first person's data is not put into messages."""
    columns = match([*NEEDED, "13812345678", "a@example.com", "", "2001-02-03"], builtin(), "borrower")
    assert [column.title for column in columns[2:]] == ["column 3", "column 4", "column 5", "column 6"]


def test_two_columns_for_one_field() -> None:
    """Two candidates for a field are named, and the map can settle it."""
    with pytest.raises(Invalid) as caught:
        targets([*NEEDED, "手机", "联系电话"])
    assert caught.value.field == "borrower.phone"
    assert "手机" in caught.value.message
    assert "联系电话" in caught.value.message
    assert targets([*NEEDED, "手机", "联系电话"], mapping={"联系电话": ""})[2:] == ["borrower.phone", None]
    assert (
        targets([*NEEDED, "手机", "联系电话"], mapping={"联系电话": "borrower.phone_alt"})[-1]
        == "borrower.phone_alt"
    )


def test_missing_required_column() -> None:
    """A file that cannot make a record is refused before any row, and says what is missing."""
    with pytest.raises(Invalid) as caught:
        targets(["张三", "秘密"])
    assert caught.value.code == "invalid_header"
    assert "loan.case_number" in caught.value.message
    assert "张三" not in caught.value.message + caught.value.remedy


@pytest.mark.parametrize("kind", ["suppression", "access_entry", "pet"])
def test_kinds_without_layout(kind: str) -> None:
    """Kinds that no file layout is defined for are refused by name."""
    with pytest.raises(Invalid) as caught:
        targets(NEEDED, kind)
    assert caught.value.code == "invalid_kind"


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_alias_of_a_kind_is_used(kind: str) -> None:
    """A kind imported alone understands every header listed for it."""
    schema = builtin()
    for target, titles in aliases(schema, kind).items():
        part, _, name = target.rpartition(".")
        if target not in COMPUTING and kind == part:
            assert schema.kind(kind).fields[name].zh in titles or len(titles) > 1, target


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"suppression", "access_entry"}))
def test_every_kind_can_be_imported(kind: str) -> None:
    """Each kind has a layout of its name that leads with it; what the vault makes itself has none."""
    assert LAYOUTS[kind][0] == kind


def test_a_part_that_has_a_column_needs_its_required_ones() -> None:
    """A result file without promises needs no column of them; one with an amount needs the day too."""
    header = ["案件编号", "催收方式", "催收日期"]
    assert targets(header, "result") == [
        "contact_attempt.case_number", "contact_attempt.channel", "contact_attempt.attempted_at",
    ]  # fmt: skip
    with pytest.raises(Invalid) as caught:
        targets([*header, "承诺金额"], "result")
    assert caught.value.field == "promise.due_on"
    assert targets([*header, "承诺金额", "承诺还款日"], "result")[3:] == ["promise.amount", "promise.due_on"]


@pytest.mark.parametrize("title", ["联系时间", "通话开始时间"])
def test_the_day_of_a_call_can_come_from_its_time(title: str) -> None:
    """A required day needs no column of its own where a time gives it."""
    assert targets(["案件编号", "催收方式", title], "contact_attempt")


def test_persons_alone_need_a_case() -> None:
    """A guarantor or contact person belongs to a case, though the case number is none of their fields."""
    for kind in ("guarantor", "contact_person"):
        with pytest.raises(Invalid) as caught:
            targets(["姓名", "手机"], kind)
        assert caught.value.field == f"{kind}.case_number"
        assert targets(["案件编号", "姓名", "手机"], kind) == [
            f"{kind}.case_number",
            f"{kind}.name",
            f"{kind}.phone",
        ]


@pytest.mark.parametrize("title", ["欠款余额(万元)", "欠款余额（千元）", "欠款余额(USD)", "欠款余额[分]"])
def test_amounts_in_other_units(title: str) -> None:
    """Ten thousands of yuan aren't stored as yuan."""
    with pytest.raises(Invalid) as caught:
        targets([*NEEDED, title])
    assert (caught.value.code, caught.value.field) == ("invalid_header", "loan.outstanding")
    assert targets([*NEEDED, "欠款余额(元)"])[-1] == "loan.outstanding"


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"星座": "borrower.sign"}, "names no field"),
        ({"星座": "loan.outstanding_band"}, "names no field"),
        ({"没有": "borrower.email"}, "names no column"),
        ({"支付密码": "borrower.customer_no"}, "never enters"),
        ({"CVV2": "borrower.customer_no"}, "never enters"),
    ],
)
def test_bad_maps(mapping: dict[str, str], says: str) -> None:
    """A map that names nothing, or would bring in C3 data, is refused."""
    with pytest.raises(Invalid) as caught:
        targets([*NEEDED, "星座", "支付密码", "CVV2"], mapping=mapping)
    assert caught.value.code == "invalid_map"
    assert says in caught.value.message


def test_map_file(tmp_path: Path) -> None:
    """A map file says what a house calls its columns."""
    path = tmp_path / "map.toml"
    path.write_text('[columns]\n"债务人大名" = "borrower.name"\n', "utf-8")
    assert targets(["债务人大名", "案件编号"], mapping=read_map(path))[0] == "borrower.name"


@pytest.mark.parametrize(
    "content",
    [b"", b"[columns", b"\xff", b"[columns]\na = 1\n", b"[other]\n", b"columns = 3\n", b"[columns]\n[x]\n"],
)
def test_unreadable_map_files(tmp_path: Path, content: bytes) -> None:
    """What is no map file is refused as such, whole."""
    path = tmp_path / "map.toml"
    path.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        read_map(path)
    assert caught.value.code == "invalid_map"


def test_missing_map_file(tmp_path: Path) -> None:
    """A map file that is not there is not the same as no map."""
    with pytest.raises(Invalid):
        read_map(tmp_path / "none.toml")
