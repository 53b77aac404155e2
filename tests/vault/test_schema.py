"""The schema: what ships is protected everywhere, and an unprotected field does not load."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from vault.errors import ConfigError, Invalid
from vault.model import COMPARTMENTS, KINDS
from vault.schema import BANDS, MASKS, NUMBERS, TYPES, Schema, amount_band, builtin

FIELD = {
    "number": "1",
    "type": '"phone"',
    "zh": '"电话"',
    "en": '"Phone"',
    "classification": '"C2"',
    "sensitive": "false",
    "source": '"JR/T 0171-2020 C2 [S]"',
    "compartment": '"contact"',
    "mask": '"phone"',
}
OPEN = {"type": '"code"', "compartment": '"masked"', "mask": '"none"', "open": "true", "openness": '"why"'}
REF = {"type": '"ref"', "compartment": '"masked"', "mask": '"none"', "indexed": "true"}


def table(changes: Mapping[str, str | None] | None = None, name: str = "phone") -> str:
    """One field's table; a change to None leaves the key out."""
    entry = {**FIELD, **(changes or {})}
    lines = [f"{key} = {value}" for key, value in entry.items() if value is not None]
    return f"[kinds.borrower.fields.{name}]\n" + "\n".join(lines) + "\n"


def schema(*tables: str, kind: str = "") -> str:
    """A whole schema of one kind."""
    head = f'version = 1\n[kinds.borrower]\nzh = "借款人"\nen = "Borrower"\nowner = "own"\n{kind}\n'
    return head + "".join(tables)


def test_shipped_kinds() -> None:
    """Every kind of the closed list is there but the log's own, and each field name others rely on."""
    kinds = builtin().kinds
    assert set(kinds) == set(KINDS) - {"access_entry"}
    assert {"name", "id_number", "phone", "email", "address", "employer", "birth_date", "bank_card"} <= set(
        kinds["borrower"].fields
    )
    assert {name for name, field in kinds["loan"].fields.items() if field.open} == {
        "product", "overdue_since", "outstanding_band", "placed_on", "creditor", "settled_on",
    }  # fmt: skip
    assert all(field.compartment == "third_party" for field in kinds["contact_person"].fields.values())


def test_shipped_fields_are_protected() -> None:
    """Every shipped field has known words, a marked source and, where sensitive, a mask."""
    for kind in builtin().kinds.values():
        for field in kind.fields.values():
            assert field.type in TYPES
            assert field.mask in MASKS
            assert field.compartment in COMPARTMENTS
            assert field.number in NUMBERS
            assert field.mask != "none" or not field.sensitive
            assert bool(field.openness) is field.open


RELEASED = {
    "borrower": [
        "name", "id_number", "phone", "phone_alt", "email", "address", "residence", "employer", "birth_date",
        "bank_card", "customer_no",
    ],
    "loan": [
        "case_number", "outstanding", "principal", "product", "overdue_since", "outstanding_band",
        "placed_on", "creditor",
    ],
    "contact_person": ["name", "phone", "relation"],
    "contact_attempt": ["attempt_no", "case_number", "channel", "attempted_at", "result", "note"],
    "promise": ["promise_no", "case_number", "amount", "due_on", "note"],
    "case": ["case_number", "step", "opened_on"],
    "suppression": ["reason", "digest", "listed_on"],
}  # fmt: skip
"""Field numbers that entries of access logs already name, in order from 0."""


@pytest.mark.parametrize("kind", RELEASED)
def test_numbers_are_for_ever(kind: str) -> None:
    """An entry of an old log names the same field for ever."""
    numbers = {name: field.number for name, field in builtin().kind(kind).fields.items()}
    assert [name for name, number in sorted(numbers.items(), key=lambda pair: pair[1])][
        : len(RELEASED[kind])
    ] == RELEASED[kind]


@pytest.mark.parametrize("kind", list(builtin().kinds))
def test_numbers_leave_no_gap(kind: str) -> None:
    """New fields continue upwards: bitmaps stay small, and no number is kept for nothing."""
    assert {field.number for field in builtin().kind(kind).fields.values()} == set(
        range(len(builtin().kind(kind).fields))
    )


def test_what_is_about_others_or_free_text_is_never_plain() -> None:
    """Telephones, names, addresses, amounts, digests, free text: masked and sealed apart everywhere."""
    guarded = {
        "name",
        "id_number",
        "phone",
        "bank_card",
        "email",
        "address",
        "employer",
        "money",
        "text",
        "digest",
    }
    for kind in builtin().kinds.values():
        for field in kind.fields.values():
            if field.type in guarded:
                assert field.mask != "none", (kind.name, field.name)
                assert field.compartment != "masked", (kind.name, field.name)
            assert not field.open or field.type in {"code", "date"}, (kind.name, field.name)


def test_hash_follows_content_not_layout() -> None:
    """Comments and spacing leave the hash alone; a changed mask does not."""
    plain = Schema.load(schema(table()))
    assert Schema.load("# a remark\n\n" + schema(table())).hash == plain.hash
    assert Schema.load(schema(table({"mask": '"hidden"'}))).hash != plain.hash
    assert len(plain.hash) == 64


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"classification": None}, "is not classified"),
        ({"classification": '"C3"'}, "C3"),
        ({"classification": '"C9"'}, "unknown classification"),
        ({"compartment": '"attic"'}, "unknown compartment"),
        ({"mask": '"blur"'}, "unknown mask"),
        ({"type": '"blob"'}, "unknown type"),
        ({"number": "53"}, "outside 0..52"),
        ({"number": "-1"}, "outside 0..52"),
        ({"number": '"1"'}, "Expected `int`"),
        ({"source": '"because"'}, "no marked source"),
        ({"source": None}, "source"),
        ({"colour": '"red"'}, "colour"),
        ({"name": '"phone"'}, "key `name`"),
        ({"mask": '"none"'}, "no mask"),
        ({"compartment": '"masked"'}, "clear value in `masked`"),
        ({"open": "true", "openness": '"why"'}, "is open, and masked"),
        ({**OPEN, "openness": '" "'}, "open without a reason"),
        ({**OPEN, "sensitive": "true"}, "no mask"),
        (REF, "is indexed in `masked`"),
    ],
)
def test_refuses_a_bare_field(changes: dict[str, str | None], says: str) -> None:
    """Whatever leaves a field unclassified or unprotected stops the load and names kind, field and remedy."""
    with pytest.raises(ConfigError) as caught:
        Schema.load(schema(table(changes)))
    assert says in caught.value.message
    assert caught.value.field == "borrower.phone"
    assert caught.value.remedy


def test_ref_may_be_indexed_in_masked() -> None:
    """The kind's own ref is looked up on every node, so it alone may be indexed there."""
    loaded = Schema.load(schema(table(REF, "customer_no"), kind='ref = "customer_no"'))
    assert loaded.kind("borrower").field("customer_no").indexed


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("version = 1", "file"),
        ("kinds = ", "file"),
        (schema(table()).replace("version = 1", "version = 2"), "version"),
        (schema(table()) + "[extra]\n", "file"),
        (schema(), "borrower"),
        (schema(table()).replace("kinds.borrower", "kinds.pet"), "pet"),
        (schema(table(), kind='ref = "phone"'), "borrower"),
        (schema(table(), kind='ref = "nothing"'), "borrower"),
        (schema(table(), table(name="other")), "borrower.other"),
        (schema(table(name="Phone")), "borrower.Phone"),
        (schema(table()).replace('owner = "own"', 'owner = "nobody"'), "borrower"),
        (schema(kind="fields.phone = 3"), "borrower.phone"),
    ],
)
def test_refuses_a_broken_file(text: str, field: str) -> None:
    """A file of another shape stops the load and names the place."""
    with pytest.raises(ConfigError) as caught:
        Schema.load(text)
    assert caught.value.field == field
    assert caught.value.remedy


def test_unknown_names_are_invalid() -> None:
    """Asking for a kind or field that is not there names it and lists what is."""
    with pytest.raises(Invalid) as kind:
        builtin().kind("access_entry")
    with pytest.raises(Invalid) as field:
        builtin().kind("loan").field("colour")
    assert "borrower" in kind.value.remedy
    assert field.value.field == "colour"


@pytest.mark.parametrize(
    ("money", "band"),
    [
        ("0.00", "0-1k"), ("999.99", "0-1k"), ("1000.00", "1k-5k"), ("4999.99", "1k-5k"),
        ("5000.00", "5k-10k"), ("10000.00", "10k-50k"), ("50000.00", "50k-100k"), ("99999.99", "50k-100k"),
        ("100000.00", "100k+"), ("999999999999.99", "100k+"),
    ],
)  # fmt: skip
def test_bands_hold_their_lower_bound(money: str, band: str) -> None:
    """An amount on a border belongs to the band above it."""
    assert amount_band(money) == band
    assert band in BANDS


@pytest.mark.parametrize("money", ["", "-1.00", "1e5", "secret", "1,000.00"])
def test_band_of_no_amount(money: str) -> None:
    """What is no amount has no band, and is not repeated."""
    with pytest.raises(Invalid) as caught:
        amount_band(money)
    assert caught.value.code == "invalid_money"
    assert money == "" or money not in caught.value.message
