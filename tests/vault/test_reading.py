"""The reading room."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault, reopen, shown, sql, values

from vault.access.tokens import Limits, narrow
from vault.auditing import Question
from vault.crypto.sign import SigningKey, token_bytes
from vault.errors import Denied, Invalid
from vault.model import View

ROWS = borrowers(6)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with six borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    return made


def test_masked_by_default(made: Made) -> None:
    """A collector sees phone and name masked; ID number and card are there, hidden and null (INTERFACE)."""
    item = shown(made.vault.reading().read(made.token("collector"), made.ids(ROWS[:1])))
    assert {n: f.view for n, f in item.fields.items() if f.view != "HIDDEN"} == {
        "name": "MASKED",
        "phone": "MASKED",
    }
    assert values(item)["phone"] == "138****0000"
    assert item.fields["id_number"].value is None
    assert item.ref == ROWS[0]["客户编号"]


def test_clear_where_granted(made: Made) -> None:
    """Legal sees identity, contact and account CLEAR, each from its own compartment."""
    seen = values(shown(made.vault.reading().read(made.token("legal"), made.ids(ROWS[:1]))))
    assert seen["id_number"] == ROWS[0]["证件号"]
    assert seen["phone"] == ROWS[0]["手机"]
    assert seen["bank_card"] == ROWS[0]["银行卡号"]


def test_fields_asked_for(made: Made) -> None:
    """Only the fields named come; of those, the ones not granted are HIDDEN; all hidden is a refusal."""
    reading, token, ids = made.vault.reading(), made.token("collector"), made.ids(ROWS[:1])
    item = shown(reading.read(token, ids, fields=("name", "id_number")))
    assert {n: f.view for n, f in item.fields.items()} == {"name": "MASKED", "id_number": "HIDDEN"}
    with pytest.raises(Denied) as refusal:
        reading.read(token, ids, fields=("id_number",))
    assert refusal.value.code == "field_denied"
    with pytest.raises(Invalid):
        reading.read(token, ids, fields=("no_such_field",))


def test_a_token_narrows(made: Made) -> None:
    """A field the token doesn't list is hidden, whatever policy says; a lower view wins."""
    limits = Limits(fields={"name": View.CLEAR, "phone": View.MASKED})
    item = shown(made.vault.reading().read(made.token("legal", limits=limits), made.ids(ROWS[:1])))
    assert item.fields["name"].view == "CLEAR"
    assert item.fields["phone"].view == "MASKED"
    assert item.fields["id_number"].view == "HIDDEN"


def test_nothing_opened_for_nothing_granted(made: Made) -> None:
    """A kind of which the caller may see no field is refused as a whole, external id included."""
    contact = [f"contact_person:{ROWS[0]['案件编号']}/1"]
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(made.token("collector"), contact)
    assert refusal.value.code == "field_denied"


def test_missing_erased_and_out_of_scope_look_alike(made: Made) -> None:
    """An unknown id and a record of another case give the same error, byte for byte."""
    token = made.token("collector", limits=Limits(cases=frozenset({ROWS[1]["案件编号"]})))
    mine, other = made.ids([ROWS[1], ROWS[0]])
    found = made.vault.reading().read(token, [mine, other, "r-nobody"])
    assert [item.record for item in found.items] == [mine]
    assert [error.code for error in found.errors] == ["not_found", "not_found"]


def test_one_entry_for_each_record(made: Made) -> None:
    """A batch of six is six entries; each names its fields; the receipts point at them."""
    before = made.size()
    token, ids = made.token("collector"), made.ids(ROWS)
    found = made.vault.reading().read(token, ids)
    assert made.size() == before + 1 + 6  # a token, six reads
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="read"))
    assert [line.index for line in lines] == [item.receipt.index for item in found.items]
    assert all(line.fields == {"name": "MASKED", "phone": "MASKED"} for line in lines)


def test_find_confirms_by_opening(made: Made) -> None:
    """A search normalises the value as intake does, and gives the one who has it."""
    typed = "+86 " + ROWS[2]["手机"][:3] + "-" + ROWS[2]["手机"][3:]
    item = shown(made.vault.reading().find(made.token("collector"), field="phone", value=typed))
    assert item.record == made.ids(ROWS[2:3])[0]
    nothing = made.vault.reading().find(made.token("collector"), field="phone", value="13000000000")
    assert (nothing.items, nothing.errors) == ([], [])


def test_find_is_capped(made: Made) -> None:
    """Distinct values per principal, field and day are counted; the same value again is free."""
    reading, token = made.vault.reading(), made.token("collector")
    cap = made.vault.tenancy().policy.cap("collector", "repayment_reminder", "borrower", "phone")
    assert cap is not None
    assert cap >= 100
    for number in range(cap):
        reading.find(token, field="phone", value=f"130{number:08d}")
    reading.find(token, field="phone", value="13000000000")
    with pytest.raises(Denied) as refusal:
        reading.find(token, field="phone", value=ROWS[0]["手机"])
    assert refusal.value.code == "lookup_cap"
    made.clock.advance(days=1)
    assert reading.find(made.token("collector"), field="phone", value=ROWS[0]["手机"]).items


def test_find_refuses_other_fields(made: Made) -> None:
    """A field the role may not find by is refused and entered; a value of the wrong form names no value."""
    with pytest.raises(Denied) as refusal:
        made.vault.reading().find(made.token("collector"), field="id_number", value=ROWS[0]["证件号"])
    assert refusal.value.code == "field_denied"
    with pytest.raises(Invalid) as invalid:
        made.vault.reading().find(made.token("collector"), field="phone", value="not-a-phone-12")
    assert "not-a-phone" not in str(invalid.value) + invalid.value.remedy


def test_list_by_open_attributes(made: Made) -> None:
    """Stages are ranges over overdue_since; a page ends with a cursor that goes on where it stopped."""
    reading, token = made.vault.reading(), made.token("collector")
    first = reading.list_records(token, kind="loan", where="stage=M1", limit=1)
    assert len(first.items) == 1
    rest = []
    cursor = first.cursor
    while cursor is not None:
        page = reading.list_records(token, kind="loan", where="stage=M1", limit=2, cursor=cursor)
        rest += page.items
        cursor = page.cursor
    wanted = [row for row in ROWS if 1 <= int(row["逾期天数"]) <= 30]
    assert len(first.items) + len(rest) == len(wanted)
    with pytest.raises(Invalid):
        reading.list_records(token, kind="loan", where="outstanding=1")


def test_refused_uses(made: Made) -> None:
    """A token's uses are counted with its entries; the next one is refused with its reason."""
    token, ids = made.token("collector", limits=Limits(max_uses=2)), made.ids(ROWS[:1])
    for _ in range(2):
        made.vault.reading().read(token, ids)
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(token, ids)
    assert refusal.value.code == "uses_spent"


def test_expired_is_entered_and_forged_is_not(made: Made) -> None:
    """An authentic token out of its time leaves a deny entry; a stranger's text leaves only a count."""
    token, ids = made.token("collector"), made.ids(ROWS[:1])
    made.clock.advance(minutes=16)
    before = made.size()
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(token, ids)
    assert refusal.value.code == "token_expired"
    assert made.size() == before + 1
    forged = msgspec.structs.replace(token, token=token.token[:-8] + "AAAAAAAA")
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(forged, ids)
    assert refusal.value.code == "token_invalid"
    assert made.size() == before + 1
    assert made.vault.tenancy().refused_unauthentic == 1


def test_a_narrowed_token_reads_its_case(made: Made) -> None:
    """A link added offline, with a key of its own, opens less and is seen in the log as itself."""
    token = made.token("collector", limits=Limits(depth=1))
    link = narrow(
        token,
        Limits(cases=frozenset({ROWS[0]["案件编号"]})),
        now_us=made.clock(),
        holder=SigningKey.generate(),
        jti=token_bytes(16),
    )
    mine, other = made.ids(ROWS[:2])
    found = made.vault.reading().read(link, [mine, other])
    assert [item.record for item in found.items] == [mine]
    stolen = msgspec.structs.replace(link, key=token.key)
    with pytest.raises(Denied):
        made.vault.reading().read(stolen, [mine])


def test_a_large_batch_is_refused_whole(made: Made) -> None:
    """More than a thousand records in one request is a request to split."""
    with pytest.raises(Invalid):
        made.vault.reading().read(made.token("collector"), ["r-x"] * 1001)


def test_after_the_contract(made: Made) -> None:
    """When the creditor's contract has ended, only purposes that reach restricted records go on (PIPL 21)."""
    token, legal, ids = made.token("collector"), made.token("legal"), made.ids(ROWS[:1])
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-15")
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(token, ids)
    assert refusal.value.code == "contract_ended"
    assert made.vault.reading().read(legal, ids).items


def test_refs_fail_like_ids(made: Made) -> None:
    """An external id nobody has and one that is out of scope give the same answer, each in its own words."""
    token = made.token("collector", limits=Limits(cases=frozenset({ROWS[1]["案件编号"]})))
    other, nobody = f"borrower:{ROWS[0]['客户编号']}", "borrower:KH-NOBODY"
    found = made.vault.reading().read(token, [other, nobody, "nokind:x", ":", "borrower:"])
    assert found.items == []
    assert [(e.id, e.code) for e in found.errors] == [
        (asked, "not_found") for asked in (other, nobody, "nokind:x", ":", "borrower:")
    ]
    mine = shown(made.vault.reading().read(token, [f"borrower:{ROWS[1]['客户编号']}"]))
    assert mine.record.startswith("r-")


def test_an_edited_index_leads_nowhere(made: Made) -> None:
    """A ref whose index row was pointed at another record is reported: the record holds its own."""
    one, two = made.ids(ROWS[:2])
    sql(made, "index", "UPDATE blind SET record = 'x' WHERE field = '@ref' AND record = ?", (one,))
    sql(made, "index", "UPDATE blind SET record = ? WHERE field = '@ref' AND record = ?", (one, two))
    for role in ("collector", "legal"):
        found = made.vault.reading().read(made.token(role), [f"borrower:{ROWS[1]['客户编号']}"])
        assert [e.code for e in found.errors] == ["integrity"]
    phone_only = made.token("legal", limits=Limits(fields={"phone": View.CLEAR}))
    found = made.vault.reading().read(phone_only, [f"borrower:{ROWS[1]['客户编号']}"])
    assert [e.code for e in found.errors] == ["integrity"]


def test_no_filter_by_what_is_hidden(made: Made) -> None:
    """A listing neither filters nor sorts by what its caller may not see; the try is an entry."""
    token = made.token("collector", limits=Limits(fields={"product": View.MASKED}))
    reading, before = made.vault.reading(), made.size()
    for asked in (
        {"where": "outstanding_band=50k-100k"},
        {"sort": "-outstanding_band"},
        {"where": "stage=M1"},
    ):
        with pytest.raises(Denied) as refusal:
            reading.list_records(token, kind="loan", **asked)
        assert refusal.value.code == "field_denied"
    assert made.size() == before + 3
    assert len(reading.list_records(token, kind="loan", where="product=消费贷").items) == 6


def test_a_listing_stays_in_scope(made: Made) -> None:
    """A case-bound listing shows its own cases alone, and its cursor tells nothing of the others."""
    case = sorted(row["案件编号"] for row in ROWS)[3]
    token = made.token("collector", limits=Limits(cases=frozenset({case})))
    reading = made.vault.reading()
    found, cursor = [], None
    for _ in range(10):
        page = reading.list_records(token, kind="loan", limit=1, cursor=cursor)
        found += page.items
        cursor = page.cursor
        assert page.errors == []
        if cursor is None:
            break
        assert not any(ident in unsealed(cursor) for ident in ("r-", case))
    assert [item.ref for item in found] == [case]
    everyone = reading.list_records(made.token("collector"), kind="loan", limit=1).cursor
    assert everyone is not None
    with pytest.raises(Invalid):
        reading.list_records(token, kind="borrower", cursor=everyone)
    with pytest.raises(Invalid):
        reading.list_records(token, kind="loan", cursor="AAAA")


def unsealed(cursor: str) -> str:
    """What a curious holder sees of a cursor."""
    import base64

    return base64.urlsafe_b64decode(cursor + "===").decode("latin-1")


def test_a_token_without_the_field_does_not_find_by_it(made: Made) -> None:
    """Finding by a field that the token leaves out would tell whose it is."""
    token = made.token("collector", limits=Limits(fields={"name": View.MASKED}))
    with pytest.raises(Denied) as refusal:
        made.vault.reading().find(token, field="phone", value=ROWS[0]["手机"])
    assert refusal.value.code == "field_denied"


def test_a_spent_child_spares_its_parent(made: Made) -> None:
    """A refused request takes no use of any link."""
    parent = made.token("collector", limits=Limits(depth=1, max_uses=2))
    child = narrow(
        parent, Limits(max_uses=1), now_us=made.clock(), holder=SigningKey.generate(), jti=token_bytes(16)
    )
    reading, ids = made.vault.reading(), made.ids(ROWS[:1])
    reading.read(child, ids)
    for _ in range(3):
        with pytest.raises(Denied):
            reading.read(child, ids)
    assert reading.read(parent, ids).items
    with pytest.raises(Denied):
        reading.read(parent, ids)


@pytest.mark.parametrize("where", ["records.facts", "records.fetch", "keys.fetch"])
def test_a_purge_in_the_middle_is_no_tampering(
    made: Made, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever a purge takes between two queries of a read, the reader is told `not_found` and no more."""
    store_name, verb = where.split(".")
    store = getattr(made.vault.stores, store_name)
    other, dpo, ids = reopen(made), made.token("dpo"), made.ids(ROWS)
    token, legal = made.token("collector"), made.token("legal")
    plan = made.vault.erasing().plan(dpo, as_of=date(2032, 1, 1))
    original, done = getattr(store, verb), []

    def after_a_purge(*given: object) -> object:
        if not done:
            done.append(True)
            rows = original(*given) if verb == "fetch" and store_name == "keys" else None
            other.vault.erasing().execute(dpo, plan.id, yes=True)
            if rows is not None:
                return rows
        return original(*given)

    monkeypatch.setattr(store, verb, after_a_purge)
    found = made.vault.reading().read(token, ids)
    assert [e.code for e in found.errors] == ["not_found"] * 6
    assert done
    assert made.vault.reading().find(legal, field="phone", value=ROWS[0]["手机"]).items == []
    made.vault.auditing().walk()
    other.vault.close()
