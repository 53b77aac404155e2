"""What was moved in the stores doesn't open, and is reported by name: never data, never a crash."""

from __future__ import annotations

import pytest
from kit import Made, attempt, shown, sql, values
from system.tampering import KEY, ROWS, bits, blob, cuts, edited, put, verdict

from vault.errors import Denied, NotFound, Unavailable


def test_a_payload_opens_nowhere_but_where_it_was_sealed(made: Made) -> None:
    """Moved to another record, version, compartment or tenant, a ciphertext is refused."""
    first, other = made.ids(ROWS)
    made.load(ROWS, tenant="second")
    (far,) = made.ids(ROWS[1:], "second")
    assert verdict(made, other) == "data"
    moved = {
        "record": blob(made, first, "contact", 1),
        "version": blob(made, first, "contact", 2),
        "compartment": blob(made, other, "identity", 1),
        "masked": blob(made, other, "masked", 1),
        "tenant": blob(made, far, "contact", 1, "second"),
    }
    told = {}
    for name, sealed in moved.items():
        with edited(made, "records", "payloads", "sealed", sealed, KEY, [other, "contact", 1]):
            told[name] = verdict(made, other)
    assert set(told.values()) == {"integrity"}, told
    assert verdict(made, other) == "data"


def test_an_old_version_does_not_pass_for_the_new_one(made: Made) -> None:
    """A superseded payload put in the place of the newest, or renumbered to it, is refused."""
    (first,) = made.ids(ROWS[:1])
    for compartment in ("masked", "contact"):
        old = blob(made, first, compartment, 1)
        with edited(made, "records", "payloads", "sealed", old, KEY, [first, compartment, 2]):
            assert verdict(made, first) == "integrity"
    sql(made, "records", "DELETE FROM payloads WHERE record=? AND version=2", [first])
    sql(made, "records", "UPDATE payloads SET version=2 WHERE record=?", [first])
    assert verdict(made, first) == "integrity"


def test_swapped_records_do_not_open(made: Made) -> None:
    """Two records whose payload rows trade places are both refused, to the masked reader too."""
    first, other = made.ids(ROWS)
    sql(made, "records", "DELETE FROM payloads WHERE record=? AND version=2", [first])
    sql(made, "records", "UPDATE payloads SET record='x' WHERE record=?", [first])
    sql(made, "records", "UPDATE payloads SET record=? WHERE record=?", [first, other])
    sql(made, "records", "UPDATE payloads SET record=? WHERE record='x'", [other])
    for role in ("legal", "collector"):
        assert [verdict(made, ident, made.token(role)) for ident in (first, other)] == ["integrity"] * 2


@pytest.mark.parametrize(
    ("column", "value"),
    [("subject", "s-other"), ("kind", "loan"), ("generation", 2), ("suite", 2), ("suite", -1), ("kind", "")],
)
def test_a_payload_rows_columns_are_bound(made: Made, column: str, value: object) -> None:
    """The clear columns beside a payload can't be edited: they are part of its context."""
    (other,) = made.ids(ROWS[1:])
    for compartment in ("masked", "contact"):
        with edited(made, "records", "payloads", column, value, KEY, [other, compartment, 1]):
            assert verdict(made, other) in {"integrity", "audience_denied"}


def test_a_flipped_bit_in_a_payload_is_reported(made: Made) -> None:
    """Header, nonce, body and tag: one bit is enough, and so is a missing or an added byte."""
    (other,) = made.ids(ROWS[1:])
    told = []
    for compartment in ("masked", "contact"):
        good = blob(made, other, compartment, 1)
        for bad in (*bits(good), *cuts(good)):
            with edited(made, "records", "payloads", "sealed", bad, KEY, [other, compartment, 1]):
                told.append(verdict(made, other))
    assert set(told) == {"integrity"}


@pytest.mark.parametrize("compartment", ["masked", "contact", "identity", "account"])
def test_a_deleted_payload_is_reported(made: Made, compartment: str) -> None:
    """A compartment's missing row is an integrity failure, not an empty field."""
    (other,) = made.ids(ROWS[1:])
    sql(made, "records", f"DELETE FROM payloads WHERE {KEY}", [other, compartment, 1])
    assert verdict(made, other) == "integrity"


def test_one_spoiled_record_leaves_the_others_readable(made: Made) -> None:
    """In one request the edited record is refused and the other shown."""
    ids = made.ids(ROWS)
    sql(made, "records", "UPDATE payloads SET sealed=x'00' WHERE record=?", ids[:1])
    found = made.vault.reading().read(made.token("legal"), ids)
    assert [item.record for item in found.items] == ids[1:]
    assert [(e.id, e.code) for e in found.errors] == [(ids[0], "integrity")]


@pytest.mark.parametrize(
    ("table", "where"),
    [("secrets", "record=:r AND version=1"), ("subjects", "subject=:s"), ("shelves", "shelf=:h")],
)
def test_a_flipped_bit_in_a_wrapped_key_is_reported(made: Made, table: str, where: str) -> None:
    """Record secrets, log secrets and shelf keys unwrap as they were wrapped or not at all."""
    (other,) = made.ids(ROWS[1:])
    ((subject,),) = sql(made, "keys", "SELECT subject FROM latest WHERE record=?", [other])
    ((shelf,),) = sql(made, "keys", "SELECT shelf FROM secrets WHERE record=?", [other])
    key = where.replace(":r", f"'{other}'").replace(":s", f"'{subject}'").replace(":h", f"'{shelf}'")
    ((good,),) = sql(made, "keys", f"SELECT wrapped FROM {table} WHERE {key}")
    assert isinstance(good, bytes)
    told = []
    for bad in (*bits(good, 12), *cuts(good)):
        put(made, "keys", table, "wrapped", bad, key, [])
        made = made.reopened()
        told.append(verdict(made, other))
    put(made, "keys", table, "wrapped", good, key, [])
    assert set(told) == {"integrity"}
    assert verdict(made.reopened(), other) == "data"


def test_a_secret_unwraps_only_for_its_record_and_version(made: Made) -> None:
    """A wrapped secret or log secret moved to another row is refused."""
    first, other = made.ids(ROWS)
    take = "SELECT wrapped FROM secrets WHERE record=? AND version=?"
    for at in ([first, 1], [first, 2]):
        ((foreign,),) = sql(made, "keys", take, at)
        with edited(made, "keys", "secrets", "wrapped", foreign, "record=?", [other]):
            assert verdict(made, other) == "integrity"
    owners = dict(sql(made, "keys", "SELECT record, subject FROM latest"))
    ((foreign,),) = sql(made, "keys", "SELECT wrapped FROM subjects WHERE subject=?", [owners[first]])
    with edited(made, "keys", "subjects", "wrapped", foreign, "subject=?", [owners[other]]):
        assert verdict(made, other) == "integrity"


def test_a_record_given_to_another_subject_is_refused(made: Made) -> None:
    """Its facts are bound to their subject, so the key store can't hand a record over."""
    first, other = made.ids(ROWS)
    owners = dict(sql(made, "keys", "SELECT record, subject FROM latest"))
    with edited(made, "keys", "latest", "subject", owners[first], "record=?", [other]):
        assert verdict(made, other) == "integrity"


def test_an_index_row_pointed_elsewhere_discloses_nothing(made: Made) -> None:
    """A search compares the opened value: whoever edits the index can't have another record shown."""
    first, other = made.ids(ROWS)
    sql(made, "index", "UPDATE blind SET record=? WHERE record=? AND field='phone'", [other, first])
    found = made.vault.reading().find(made.token("collector"), field="phone", value=ROWS[0]["手机"])
    assert (found.items, found.errors) == ([], [])
    swapped = made.vault.reading().find(made.token("collector"), field="phone", value=ROWS[1]["手机"])
    assert [item.record for item in swapped.items] == [other]


def test_every_index_row_on_one_record_discloses_that_record_alone(made: Made) -> None:
    """All digests pointed at one record: only its own value finds it, in every searchable field."""
    first, other = made.ids(ROWS)
    sql(made, "index", "UPDATE OR REPLACE blind SET record=? WHERE kind='borrower'", [other])
    for field, header in (("phone", "手机"), ("id_number", "证件号")):
        for row, expected in ((ROWS[0], []), (ROWS[1], [other])):
            found = made.vault.reading().find(made.token("legal"), field=field, value=row[header])
            assert [item.record for item in found.items] == expected
    assert verdict(made, first) == "data"


def test_a_ref_pointed_elsewhere_is_seen_in_what_is_shown(made: Made) -> None:
    """A reader by external id gets the ref that is sealed in the record, not the one asked for."""
    first, other = made.ids(ROWS)
    sql(made, "index", "UPDATE blind SET record=? WHERE record=? AND field='@ref'", [other, first])
    found = made.vault.reading().read(made.token("collector"), made.ids(ROWS[:1]))
    assert shown(found).ref == ROWS[1]["客户编号"]


def test_an_edited_attribute_shows_no_edited_value(made: Made) -> None:
    """A listing chooses by the index and shows what is sealed."""
    sql(made, "index", "UPDATE attributes SET value='别的产品' WHERE name='product'")
    page = made.vault.reading().list_records(made.token("legal"), kind="loan", where="product=别的产品")
    assert {str(values(item)["product"]) for item in page.items} == {"消费贷"}


def test_unknown_ids_look_like_missing_ones(made: Made) -> None:
    """A record of another tenant, a malformed id and a missing one get the same answer."""
    made.load(ROWS, tenant="second")
    (far,) = made.ids(ROWS[:1], "second")
    token = made.token("legal")
    assert {verdict(made, ident, token) for ident in (far, "r-none", "", "'; --", "r-" + "0" * 26)} == {
        "not_found"
    }
    with pytest.raises((Denied, NotFound, Unavailable)):
        made.vault.reading("second").read(token, [far])


def test_a_note_moved_between_records_does_not_open(made: Made) -> None:
    """Narrative payloads are bound like all others."""
    made.load([attempt(1, 0), attempt(2, 1)], kind="contact_attempt")
    token = made.token("dpo", "subject_request")
    page = made.vault.reading().list_records(token, kind="contact_attempt")
    one, two = (item.record for item in page.items)
    assert verdict(made, one, token) == "data"
    with edited(
        made, "records", "payloads", "sealed", blob(made, two, "narrative", 1), KEY, [one, "narrative", 1]
    ):
        assert verdict(made, one, token) == "integrity"
