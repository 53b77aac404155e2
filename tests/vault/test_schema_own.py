"""A vault's own file: what it can add, show less of and retire; and everything it can't."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schemakit import DARKER, OPENED, VEHICLE, WECHAT, own

from vault.access.masking import mask
from vault.errors import ConfigError
from vault.intake.computing import OWN_ANCHORS, ROW_ANCHORS
from vault.retention.rules import builtin as rules
from vault.schema import MASKS, Schema, builtin, laid, layout
from vault.schema_own import (
    OWN_NUMBERS,
    RELIED_ON,
    changes,
    demand_permanent,
    like,
    load,
    merged,
    shows_no_more,
)


def test_shipped_numbers_stay_below_those_of_own_fields() -> None:
    """A release that took one of 40..52 would share a bit of the access log with somebody's own field."""
    for kind in builtin().kinds.values():
        assert not {field.number for field in kind.fields.values()} & set(OWN_NUMBERS), kind.name
        assert not any(name.startswith("x_") for name in (kind.name, *kind.fields))


def test_without_a_file_what_ships_stands(tmp_path: Path) -> None:
    """No file, no difference; a file that adds nothing changes no kind."""
    assert load(tmp_path) is builtin()
    (tmp_path / "schema.toml").write_text(own(), "utf-8")
    found = load(tmp_path)
    assert (found.kinds, found.hash) == (builtin().kinds, builtin().hash)
    assert found.own != builtin().own == ""
    (tmp_path / "schema.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path)


def test_what_a_file_adds_is_part_of_the_schema() -> None:
    """Fields, kinds, overrides and retirements are in it, and the rest is as shipped."""
    found = merged(own(WECHAT, VEHICLE, DARKER, OPENED, retired=["borrower.email"]))
    borrower = found.kind("borrower")
    assert borrower.fields["x_wechat"].number == 40
    assert borrower.fields["employer"].mask == "hidden"
    assert "email" not in borrower.fields
    assert borrower.ever("email").number == builtin().kind("borrower").field("email").number
    assert found.kind("loan").fields["term"].open
    assert like(found) == (("x_vehicle", "contact_attempt"),)
    assert {n: k for n, k in found.kinds.items() if n not in {"borrower", "loan", "x_vehicle"}} == {
        n: k for n, k in builtin().kinds.items() if n not in {"borrower", "loan"}
    }


REFUSED = [
    ("version = 2", "missing or not 1"),
    ("version = 1\nkind = 3", "holds more than"),
    ("version = 1\nkinds = 3", "holds more than"),
    ('version = 1\nretired = "borrower.email"', "no list of fields"),
    (own(retired=["borrower.email", "borrower.email"]), "each once"),
    (own(retired=["borrower.colour"]), "names a field that no kind has"),
    (own(retired=["borrower.customer_no"]), "external id"),
    (own(retired=["borrower.name"]), "required"),
    (own(retired=["borrower.id_number"]), "works by"),
    (own(retired=["suppression.reason"]), "required"),
    ("version = 1\n[kinds]\nborrower = 3", "is not a table"),
    (own("[kinds.borrower]\nowner = 'borrower'"), "more than its fields and overrides"),
    (own(WECHAT.replace("x_wechat", "wechat")), "doesn't begin with x_"),
    (own(WECHAT.replace("number = 40", "number = 39")), "outside 40..52"),
    (own(WECHAT.replace("number = 40", "number = 53")), "outside 0..52"),
    (own(WECHAT, WECHAT.replace("x_wechat", "x_two")), "has the number of"),
    (own(WECHAT, WECHAT.replace("x_wechat", "x_two"), retired=["borrower.x_wechat"]), "has the number of"),
    (own(WECHAT.replace('classification = "C2"', 'classification = "C3"')), "C3"),
    (own(WECHAT.replace('classification = "C2"\n', "")), "not classified"),
    (own(WECHAT.replace(" [S]", "")), "no marked source"),
    (own(WECHAT.replace('mask = "hidden"', 'mask = "none"')), "has no mask"),
    (own(WECHAT.replace('"contact"', '"masked"')), "clear value in `masked`"),
    (own(WECHAT + "derived = true\n"), "is computed"),
    (own(WECHAT.replace("x_wechat", "x_band")), "is computed"),
    (own(VEHICLE.replace("x_vehicle", "vehicle")), "doesn't begin with x_"),
    (own(VEHICLE.replace('keep_like = "contact_attempt"\n', "")), "kept like"),
    (own(VEHICLE.replace('keep_like = "contact_attempt"', 'keep_like = "suppression"')), "kept like"),
    (own(VEHICLE.replace('keep_like = "contact_attempt"', 'keep_like = "x_vehicle"')), "kept like"),
    (own(VEHICLE.replace("required = true\n", "")), "no case number"),
    (own(VEHICLE.replace("fields.colour", "fields.birth_date")), "intake computes"),
    (own(VEHICLE.replace('ref = "vehicle_no"', 'ref = "plate"')), "names no field of type ref"),
    (own(VEHICLE, "[kinds.x_vehicle.retired]"), "has a key `retired`"),
    (own("[kinds.borrower.overrides.colour]\nmask = 'hidden'"), "overrides no shipped field"),
    (own("[kinds.borrower.overrides.employer]\ncompartment = 'contact'"), "overrides something else"),
    (own("[kinds.borrower.overrides.employer]\nmask = 'name'"), "may show more"),
    (own("[kinds.borrower.overrides.employer]\nmask = 'none'"), "may show more"),
    (own("[kinds.borrower.overrides.customer_no]\nmask = 'hidden'"), "clear value in `masked`"),
    (own("[kinds.borrower.overrides.id_number]\nindexed = false"), "works by"),
    (own("[kinds.suppression.overrides.reason]\nopen = false"), "works by"),
    (own("[kinds.loan.overrides.term]\nopen = true"), "open without a reason"),
    (own("[kinds.loan.overrides.term]\nindexed = true"), "indexed in `masked`"),
    (own("[kinds.borrower.overrides.employer]\nopen = true\nopenness = 'why'"), "open, and masked"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_does_not_load(text: str, said: str) -> None:
    """Each mistake is named with its place and a remedy."""
    with pytest.raises(ConfigError, match=said) as caught:
        merged(text)
    assert caught.value.remedy
    assert caught.value.code == "invalid_schema"


def test_a_shipped_schema_has_no_words_of_an_own_one() -> None:
    """`keep_like` is no key of a shipped kind: the rules name those themselves."""
    text = VEHICLE.replace("x_vehicle", "borrower")
    with pytest.raises(ConfigError, match="keep_like"):
        Schema.load("version = 1\n" + text)


def test_fields_that_retention_counts_from_stay() -> None:
    """Every field that gives an anchor is one the vault works by, or one that is required anyway."""
    given_by = {*OWN_ANCHORS, *(f"loan.{name}" for name in ROW_ANCHORS)}
    listed = {place for place in given_by if not place.startswith("suppression.")}
    assert listed <= RELIED_ON
    for place in RELIED_ON:
        kind, _, field = place.partition(".")
        assert field in builtin().kind(kind).fields


TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["13812345678", "0571-88886666", "2026-03-01", "欧阳修", "a.b@example.com", "12345.67"]),
)


@given(st.sampled_from([pair for pair in product(MASKS, MASKS) if shows_no_more(*pair)]), TEXTS)
def test_a_mask_that_shows_no_more_adds_nothing(pair: tuple[str, str], text: str) -> None:
    """What the darker mask leaves of a value is what the other one leaves, or nothing."""
    darker, than = pair
    left = mask(darker, text)
    assert left in {mask(than, text), "***"} or than == "none"


def test_masks_are_ordered() -> None:
    """Each shows no more than itself; what can't be compared is refused; two that may trade are the same."""
    for one, two, three in product(MASKS, MASKS, MASKS):
        assert shows_no_more(one, one)
        assert shows_no_more("hidden", one)
        assert shows_no_more(one, "none")
        if shows_no_more(one, two) and shows_no_more(two, one):
            assert one == two
        if shows_no_more(one, two) and shows_no_more(two, three):
            assert shows_no_more(one, three)
    assert shows_no_more("mobile", "phone")
    assert not shows_no_more("phone", "mobile")
    assert not shows_no_more("name", "employer")


def test_the_layout_is_what_a_record_is_sealed_by() -> None:
    """It changes with mask, index, openness and compartment, and with no title or reason."""
    kind = builtin().kind("borrower")

    def changed(**change: object) -> str:
        fields = kind.fields | {"phone": msgspec.structs.replace(kind.fields["phone"], **change)}
        return layout(msgspec.structs.replace(kind, fields=fields))

    same = layout(kind)
    assert len(same) == 16
    assert changed(zh="电话", en="Number", source="x [M]", classification="C1", required=True) == same
    others = {
        changed(mask="hidden"), changed(indexed=False), changed(open=True), changed(compartment="identity"),
        changed(name="other"),
    }  # fmt: skip
    assert len(others | {same}) == 6


def test_a_change_says_whether_records_follow() -> None:
    """Additions leave records alone; the others don't; showing, finding or telling more is a widening."""
    kinds = {kind.name: laid(kind) for kind in builtin().kinds.values()}
    found = changes(kinds, merged(own(WECHAT, VEHICLE, DARKER, OPENED, retired=["borrower.email"])))
    assert {(c.what, c.reseals, c.widening) for c in found} == {
        ("field_added", False, False), ("kind_added", False, False), ("mask", True, False),
        ("open", True, True), ("field_retired", True, False),
    }  # fmt: skip
    darker = merged(own(DARKER))
    back = changes({kind.name: laid(kind) for kind in darker.kinds.values()}, builtin())
    assert [(c.what, c.before, c.after, c.widening) for c in back] == [("mask", "hidden", "employer", True)]
    assert changes(kinds, builtin()) == []


def test_a_field_may_move_between_compartments_in_a_release_alone() -> None:
    """A shipped field's move is told and carried out; an own field's is refused."""
    kinds = {kind.name: laid(kind) for kind in builtin().kinds.values()}
    email = msgspec.structs.replace(kinds["borrower"]["email"], compartment="identity")
    before = kinds | {"borrower": kinds["borrower"] | {"email": email}}
    demand_permanent(before, {}, builtin())
    (change,) = changes(before, builtin())
    assert (change.what, change.before, change.after) == ("compartment", "identity", "contact")


def test_own_kinds_are_governed_by_their_models_rules() -> None:
    """Ceilings, floors and the end of replaced versions are the shipped kind's."""
    schema = merged(own(VEHICLE))
    found = msgspec.structs.replace(rules(), like=like(schema))
    for profile in ("agency", "lender"):
        assert found.applicable("x_vehicle", profile) == rules().applicable("contact_attempt", profile)
    assert found.version_rule("x_vehicle") == rules().version_rule("contact_attempt")
