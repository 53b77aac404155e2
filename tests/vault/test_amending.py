"""Amending: records put right, what stood before, people merged and split."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Made, attempt, borrowers, make_vault

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.errors import Denied, Invalid, NotFound
from vault.opening import Opener

ROWS = borrowers(3)
OTHER = "13911112222"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with three borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.clock.advance(days=1)
    return made


def phone(made: Made, record: str, as_of: int | None = None) -> bytes:
    """A borrower's number in clear, as the data protection officer reads it, at an instant."""
    found = made.vault.reading().read(
        made.token("dpo", "subject_request"), [record], fields=("phone",), as_of=as_of
    )
    (item,) = found.items
    return bytes(item.fields["phone"].value or b"")


def correct(made: Made, record: str, **changes: str | None) -> list[str]:
    """Correct a record; the fields that changed."""
    token = made.token("dpo", "subject_request")
    return made.vault.amending().correct(token, record, changes, reason="letter 7").fields


def test_a_correction_is_what_is_read(made: Made) -> None:
    """The new value is read, found by and masked; the old one finds nothing any more."""
    (record, *_) = made.ids(ROWS)
    assert correct(made, record, phone=OTHER) == ["phone"]
    assert phone(made, record) == f'"{OTHER}"'.encode()
    dpo = made.token("dpo", "subject_request")
    find = made.vault.reading().find
    assert [i.record for i in find(dpo, field="phone", value=OTHER).items] == [record]
    assert find(dpo, field="phone", value=ROWS[0]["手机"]).items == []
    shown = made.vault.reading().read(made.token("collector"), [record], fields=("phone",)).items[0]
    assert bytes(shown.fields["phone"].value or b"") == b'"139****2222"'


def test_what_stood_before_can_be_read_for_a_dispute(made: Made) -> None:
    """`as_of` gives the version of that instant: before a correction, after it, none before the first."""
    (record, *_) = made.ids(ROWS)
    before = made.clock.now
    made.clock.advance(days=1)
    correct(made, record, phone=OTHER)
    made.clock.advance(days=1)
    correct(made, record, phone="13822223333")
    old = f'"{ROWS[0]["手机"]}"'.encode()
    assert phone(made, record, before) == old
    assert phone(made, record, made.clock.now - 1) == f'"{OTHER}"'.encode()
    assert phone(made, record, made.clock.now) == b'"13822223333"'
    first = made.vault.reading().read(made.token("legal"), [record], as_of=before - 5 * 86_400_000_000)
    assert [error.code for error in first.errors] == ["not_found"]


def test_past_versions_are_for_some_purposes_alone(made: Made) -> None:
    """A collector may not look at what stood before, and the refusal is an entry."""
    (record, *_) = made.ids(ROWS)
    with pytest.raises(Denied) as refusal:
        made.vault.reading().read(made.token("collector"), [record], as_of=made.clock.now)
    assert refusal.value.code == "purpose_denied"
    (line,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="deny"))
    assert (line.role, line.reason) == ("collector", "purpose_denied")


def test_a_value_can_be_taken_away(made: Made) -> None:
    """None removes a value: it is read as nothing, and its compartment is no longer sealed for it."""
    (record, *_) = made.ids(ROWS)
    assert correct(made, record, email=None) == ["email"]
    found = made.vault.reading().read(made.token("legal"), [record], fields=("email",)).items[0]
    assert found.fields["email"].value is None


def test_a_corrected_number_brings_its_birth_date(made: Made) -> None:
    """What is computed from a corrected value follows it."""
    (record, *_) = made.ids(ROWS)
    assert set(correct(made, record, id_number="11010519491231002X")) == {"id_number", "birth_date"}
    found = made.vault.reading().read(made.token("legal"), [record], fields=("birth_date",)).items[0]
    assert bytes(found.fields["birth_date"].value or b"") == b'"1949-12-31"'


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"phone": "12"}, "invalid_phone"),
        ({"nosuch": "1"}, "invalid_field"),
        ({"customer_no": "X1"}, "invalid_ref"),
        ({"name": None}, "invalid_required"),
        ({"case_number": "AJ-1"}, "invalid_ref"),
    ],
)
def test_a_wrong_correction_changes_nothing(made: Made, changes: dict[str, str | None], code: str) -> None:
    """A value of another type, an unknown field, the external id, a required value taken away."""
    (record, *_) = made.ids(ROWS)
    with pytest.raises(Invalid) as error:
        correct(made, record, **changes)
    assert error.value.code == code
    assert made.vault.tenancy().keeping.fetch([record])[record].facts.version == 1


def test_a_correction_needs_a_reason_and_the_version_it_thinks_of(made: Made) -> None:
    """Two people who correct at once don't undo each other; nobody corrects without saying why."""
    (record, *_) = made.ids(ROWS)
    token, amending = made.token("dpo", "subject_request"), made.vault.amending()
    with pytest.raises(Invalid) as error:
        amending.correct(token, record, {"phone": OTHER}, reason=" ")
    assert error.value.code == "invalid_reason"
    assert amending.correct(token, record, {"phone": OTHER}, reason="r", expect=1).version == 2
    with pytest.raises(Invalid) as error:
        amending.correct(token, record, {"phone": "13822223333"}, reason="r", expect=1)
    assert error.value.code == "invalid_version"


def test_a_correction_is_an_entry_about_the_person(made: Made) -> None:
    """The log says who corrected whose record, which fields and why; never a value."""
    (record, *_) = made.ids(ROWS)
    correct(made, record, phone=OTHER)
    (line,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="write", subject=record))
    assert (line.role, line.record, line.about) == ("dpo", record, "borrower")
    assert OTHER not in repr(line)


@pytest.mark.parametrize("role", ["collector", "importer"])
def test_a_collector_corrects_nothing(made: Made, role: str) -> None:
    """Putting right takes the action `write`, and a purpose for what stood before: bringing in is none."""
    (record, *_) = made.ids(ROWS)
    for verb in (
        lambda t: made.vault.amending().correct(t, record, {"phone": OTHER}, reason="r"),
        lambda t: made.vault.amending().merge(t, record, record, reason="r"),
        lambda t: made.vault.amending().split(t, [record], reason="r"),
        lambda t: made.vault.amending().duplicates(t),
        lambda t: made.vault.amending().refuse(t, record, reason="r"),
    ):
        with pytest.raises(Denied):
            verb(made.token(role))


def test_scope_holds_for_corrections_too(made: Made) -> None:
    """A token bound to a case corrects records of that case alone; others look missing."""
    one, two, _ = made.ids(ROWS)
    bound = made.token("dpo", "subject_request", limits=Limits(cases=frozenset({ROWS[0]["案件编号"]})))
    made.vault.amending().correct(bound, one, {"phone": OTHER}, reason="r")
    with pytest.raises(NotFound):
        made.vault.amending().correct(bound, two, {"phone": OTHER}, reason="r")


def people(made: Made) -> dict[str, set[str]]:
    """Records by subject."""
    found: dict[str, set[str]] = {}
    for record in made.vault.stores.keys.records("main", "", 100):
        subject = made.vault.tenancy().keeping.fetch([record])[record].row.subject
        found.setdefault(subject, set()).add(record)
    return found


def test_merging_moves_everything_and_splitting_gives_it_back(made: Made) -> None:
    """All records of the second borrower become the first one's, read as before, and go back unharmed."""
    one, two, _ = made.ids(ROWS)
    token, amending = made.token("dpo", "subject_request"), made.vault.amending()
    before = people(made)
    moved = amending.merge(token, one, two, reason="one person")
    after = people(made)
    assert set(moved.records) == {r for s, rs in before.items() if two in rs for r in rs}
    assert after[moved.subject] >= {one, two, *moved.records}
    assert phone(made, two) == f'"{ROWS[1]["手机"]}"'.encode()
    amending.split(token, moved.records, reason="they were two")
    assert people(made) == before
    assert phone(made, two) == f'"{ROWS[1]["手机"]}"'.encode()


def test_duplicates_are_named(made: Made) -> None:
    """Two borrowers who turn out to have one ID number are listed together; none are while all differ."""
    one, two, _ = made.ids(ROWS)
    token, amending = made.token("dpo", "subject_request"), made.vault.amending()
    assert amending.duplicates(token) == []
    correct(made, two, id_number=ROWS[0]["证件号"])
    assert amending.duplicates(token) == [sorted((one, two))]


def test_records_of_another_person_get_one_of_their_own(made: Made) -> None:
    """A record wrongly put under a borrower is split off to a fresh subject."""
    one, *_ = made.ids(ROWS)
    token, amending = made.token("dpo", "subject_request"), made.vault.amending()
    with pytest.raises(Invalid):
        amending.split(token, [one], reason="r")
    before = made.vault.tenancy().keeping.fetch([one])[one].row.subject
    moved = amending.split(token, [one], reason="r", new=True)
    assert made.vault.tenancy().keeping.fetch([one])[one].row.subject == moved.subject != before
    assert phone(made, one) == f'"{ROWS[0]["手机"]}"'.encode()


def test_a_merged_person_is_erased_whole(made: Made) -> None:
    """After the contract's end a purge takes merged records too, and closes both log secrets."""
    one, two, _ = made.ids(ROWS)
    amending = made.vault.amending()
    amending.merge(made.token("dpo", "subject_request"), one, two, reason="one person")
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-16")
    plan = made.vault.erasing().plan(made.token("dpo"))
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    assert made.vault.stores.keys.records("main", "", 10) == []
    closed = made.vault.stores.keys.closed_subjects("main", made.clock.now)
    assert len(closed) == 6


def record_of(made: Made, ident: str) -> str:
    """The record that an external id names."""
    return made.vault.tenancy().record_of(ident) or ""


def test_only_borrowers_are_merged(made: Made) -> None:
    """A contact person, who has rights of their own, does not become a borrower's."""
    one, *_ = made.ids(ROWS)
    before = people(made)
    for into, other in (
        (one, f"contact_person:{ROWS[1]['案件编号']}/1"),
        (f"loan:{ROWS[0]['案件编号']}", one),
    ):
        with pytest.raises(Invalid) as error:
            made.vault.amending().merge(made.token("dpo", "subject_request"), into, other, reason="r")
        assert error.value.code == "invalid_subject"
    assert people(made) == before


def test_a_correction_keeps_what_nothing_gives_anew(made: Made) -> None:
    """Instalments left and the day of a call, which came by themselves, outlive a correction beside them."""
    made.load([ROWS[0] | {"剩余期数": "7"}])
    made.load([attempt(1, 0)], kind="contact_attempt")
    loan = record_of(made, f"loan:{ROWS[0]['案件编号']}")
    call = record_of(made, f"contact_attempt:{attempt(1, 0)['联系记录编号']}")
    drafts = Opener(made.vault.tenancy()).drafts
    before = drafts([loan, call])
    assert correct(made, loan, product="现金贷") == ["product"]
    assert correct(made, call, note="更正") == ["note"]
    after = drafts([loan, call])
    for record, name in ((loan, "instalments_left"), (call, "attempted_at")):
        assert after[record][0].values[name] == before[record][0].values[name]


def test_a_merged_person_s_accesses_are_all_found(made: Made) -> None:
    """Who asks who saw a person is told of the reads from before they were found to be one with another."""
    one, two, _ = made.ids(ROWS)
    made.vault.reading().read(made.token("collector"), [two])
    moved = made.vault.amending().merge(made.token("dpo", "subject_request"), one, two, reason="one person")
    for about in (one, two, moved.subject):
        lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="read", subject=about))
        assert [line.record for line in lines] == [two]


def test_a_chain_of_merges_is_undone_to_the_first(made: Made) -> None:
    """Of three who were found to be one, each gets back what was theirs, and the accesses are found."""
    one, two, three = made.ids(ROWS)
    token, amending, before = made.token("dpo", "subject_request"), made.vault.amending(), people(made)
    made.vault.reading().read(made.token("collector"), [three])
    amending.merge(token, two, three, reason="one person")
    moved = amending.merge(token, one, two, reason="one person")
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="read", subject=one))
    assert [line.record for line in lines] == [three]
    amending.split(token, moved.records, reason="three after all")
    assert people(made) == before
