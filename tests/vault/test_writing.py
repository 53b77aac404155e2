"""The writing room."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from kit import Made, attempt, borrowers, leaks, make_vault, promise, shown, sql, values

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.errors import Denied, Invalid, Tampered
from vault.intake.records import drafts_of, drafts_or_faults
from vault.taking import ImportOptions
from vault.writing import Written


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """An empty sandbox."""
    return make_vault(tmp_path)


def test_one_row_three_records(made: Made) -> None:
    """A row yields borrower, loan and contact person; the loan is the borrower's, the contact their own."""
    done = made.load(borrowers(3))
    assert done.stored == {"borrower": 3, "loan": 3, "contact_person": 3}
    assert (done.rows, done.unchanged, done.rejected) == (3, 0, 0)
    keeping, row = made.vault.tenancy().keeping, borrowers(1)[0]
    case = row["案件编号"]
    refs = [f"borrower:{row['客户编号']}", f"loan:{case}", f"contact_person:{case}/1"]
    borrower, loan, contact = (made.vault.tenancy().record_of(ref) or "" for ref in refs)
    held = keeping.fetch([borrower, loan, contact])
    assert held[borrower].row.subject == held[loan].row.subject != held[contact].row.subject


def test_again_changes_nothing(made: Made) -> None:
    """The same file twice stores nothing the second time."""
    made.load(borrowers(3))
    done = made.load(borrowers(3))
    assert done.stored == {}
    assert done.unchanged == 9


def test_a_change_is_a_new_version(made: Made) -> None:
    """Other content makes version 2 of that record alone; find knows the new value and not the old."""
    rows = borrowers(2)
    made.load(rows)
    changed = rows[0] | {"手机": "13911112222"}
    done = made.load([changed, rows[1]])
    assert done.stored == {"borrower": 1}
    reading, token = made.vault.reading(), made.token("legal")
    item = shown(reading.find(token, field="phone", value="13911112222"))
    assert item.version == 2
    assert values(item)["phone"] == "13911112222"
    assert not reading.find(token, field="phone", value=rows[0]["手机"]).items


def test_a_second_case_joins_the_same_person(made: Made) -> None:
    """Another case of a known ID number is a loan of the same borrower, who is then in both cases' scope."""
    row = borrowers(1)[0]
    made.load([row])
    second = row | {"案件编号": "AJ-800001"}
    done = made.load([second])
    assert done.stored == {"loan": 1, "contact_person": 1}
    assert done.unchanged == 1
    keeping, keys = made.vault.tenancy().keeping, made.vault.tenancy().keys
    (borrower,) = made.ids([row])
    cases = keeping.fetch([borrower])[borrower].facts.cases
    assert set(cases) == {keys.case_handle(row["案件编号"]), keys.case_handle("AJ-800001")}


def test_within_one_file_too(made: Made) -> None:
    """Two rows about one person in one file meet each other as two files would."""
    row = borrowers(1)[0]
    done = made.load([row, row | {"案件编号": "AJ-800001"}, row])
    assert done.stored == {"borrower": 1, "loan": 2, "contact_person": 2}
    assert done.unchanged == 4


def test_a_number_of_somebody_else_is_refused(made: Made) -> None:
    """A customer number that belongs to another ID number, or a case of another person, is rejected."""
    one, two = borrowers(2)
    made.load([one])
    done = made.load([two | {"客户编号": one["客户编号"]}, two | {"案件编号": one["案件编号"]}])
    assert done.rejected == 2
    assert done.stored == {}
    report = [json.loads(line) for line in Path(done.report).read_text().splitlines()][1:]
    assert [(line["row"], line["code"]) for line in report] == [(1, "invalid_ref"), (2, "invalid_ref")]
    assert all(line["remedy"] for line in report)


def test_bad_rows_and_good_rows(made: Made) -> None:
    """A bad row is named without its values; good rows around it are stored."""
    rows = borrowers(3)
    rows[1]["证件号"] = rows[1]["证件号"][:-1] + ("0" if rows[1]["证件号"][-1] != "0" else "1")
    done = made.load(rows)
    assert done.rejected == 1
    assert done.stored["borrower"] == 2
    report = Path(done.report).read_text()
    assert json.loads(report.splitlines()[1])["field"] == "borrower.id_number"
    assert rows[1]["证件号"] not in report
    assert Path(done.report).is_absolute()


def test_dry_run_stores_nothing(made: Made) -> None:
    """A dry run says what would be rejected and leaves the stores as they were."""
    made.vault.writing().import_file(
        made.token("importer"),
        made.file(borrowers(2)),
        kind="borrower",
        report=made.folder / "r.jsonl",
        options=ImportOptions(dry_run=True),
    )
    assert made.vault.stores.records.count("main") == 0


def test_unknown_columns_are_named_and_dropped(made: Made) -> None:
    """A column that means nothing to the schema is listed, and its content is nowhere."""
    rows = [borrowers(1)[0] | {"秘密备注": "绝不可存"}]
    done = made.load(rows)
    assert done.unknown == ["秘密备注"]
    for path in made.folder.rglob("*"):
        if path.is_file():
            assert "绝不可存".encode() not in path.read_bytes()


def test_attempts_follow_their_case(made: Made) -> None:
    """A contact attempt belongs to the borrower of its case; an unknown case is rejected."""
    made.load(borrowers(1))
    done = made.load([attempt(0, 0), attempt(1, 5)], kind="contact_attempt")
    assert done.stored == {"contact_attempt": 1}
    assert done.rejected == 1


def test_direct_write(made: Made) -> None:
    """A direct write stores a record or refuses it whole; ids come back in order."""
    made.load(borrowers(1))
    writer = made.token("case_desk") if "write" in _actions(made, "case_desk") else made.token("importer")
    written = made.vault.writing().write(writer, [promise(0, 0)])
    assert written.stored == {"promise": 1}
    assert made.vault.writing().write(writer, [promise(0, 0)]).unchanged == 1
    with pytest.raises(Invalid):
        made.vault.writing().write(writer, [promise(1, 9)])


def _actions(made: Made, role: str) -> frozenset[str]:
    return made.vault.tenancy().policy.actions(role, "dispute")


def test_readers_do_not_import(made: Made) -> None:
    """A collector's token can't import, and an importer's can't read; both refusals are entries."""
    path = made.file(borrowers(1))
    with pytest.raises(Denied) as refusal:
        made.vault.writing().import_file(
            made.token("collector"), path, kind="borrower", report=made.folder / "r.jsonl"
        )
    assert refusal.value.code == "role_denied"
    made.load(borrowers(1))
    with pytest.raises(Denied):
        made.vault.reading().read(made.token("importer"), made.ids(borrowers(1)))
    reasons = [
        line.reason for line in made.vault.auditing().ask(made.token("auditor"), Question(kind="deny"))
    ]
    assert reasons == ["role_denied", "role_denied"]


def test_an_import_is_an_entry_before_anything_is_seen(made: Made) -> None:
    """Each chunk leaves one entry with its counts, and nothing of a person."""
    made.load(borrowers(2))
    (line,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="import"))
    assert line.detail == "rows 1-2 borrower=2 contact_person=2 loan=2"


def test_a_revoked_importer_learns_and_changes_nothing(made: Made) -> None:
    """A dead token neither joins a case nor is told what is there already; its try is an entry."""
    row = borrowers(1)[0]
    made.load([row])
    token = made.token("importer")
    made.vault.granting().revoke(made.identity, token)
    before, (borrower,) = made.size(), made.ids([row])
    facts = made.vault.tenancy().keeping.fetch([borrower])[borrower].facts
    for rows in ([row], [row | {"案件编号": "AJ-800001"}]):
        with pytest.raises(Denied) as refusal:
            made.vault.writing().import_file(
                token, made.file(rows), kind="borrower", report=made.folder / "r.jsonl"
            )
        assert refusal.value.code == "token_revoked"
    assert made.vault.tenancy().keeping.fetch([borrower])[borrower].facts == facts
    assert made.size() == before + 2


def test_unchanged_is_entered_too(made: Made) -> None:
    """An import that changes nothing was still told what is there: it leaves its entry."""
    made.load(borrowers(1))
    before = made.size()
    assert made.load(borrowers(1)).unchanged == 3
    assert made.size() == before + 2  # the token and the import


def test_a_long_import_is_one_use(made: Made) -> None:
    """However many chunks a file has, it takes one use of the token."""
    token = made.token("importer", limits=Limits(max_uses=1))
    path = made.file(borrowers(900))
    done = made.vault.writing().import_file(token, path, kind="borrower", report=made.folder / "r.jsonl")
    assert done.stored["borrower"] == 900
    with pytest.raises(Denied) as refusal:
        made.vault.writing().import_file(token, path, kind="borrower", report=made.folder / "r.jsonl")
    assert refusal.value.code == "uses_spent"


def test_a_write_is_all_or_nothing(made: Made) -> None:
    """One refused record, or two about the same thing, and nothing of the request is stored."""
    made.load(borrowers(1))
    writer, writing = made.token("importer"), made.vault.writing()
    contradicting = msgspec.structs.replace(promise(2, 0), cases=("AJ-999999",))
    for drafts in (
        [promise(0, 0), promise(1, 9)],
        [promise(0, 0), promise(0, 0)],
        [promise(1, 0), contradicting],
    ):
        with pytest.raises(Invalid):
            writing.write(writer, drafts)
    assert made.vault.stores.records.count("main", "promise") == 0


def test_nothing_is_taken_in_after_the_contract(made: Made) -> None:
    """Once the creditor's contract has ended no row comes in (PIPL 21 ¶2)."""
    token = made.token("importer")
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-15")
    with pytest.raises(Denied) as refusal:
        made.vault.writing().import_file(
            token, made.file(borrowers(1)), kind="borrower", report=made.folder / "r.jsonl"
        )
    assert refusal.value.code == "contract_ended"


@pytest.mark.parametrize("field", ["@ref", "id_number"])
def test_an_edited_index_misleads_no_import(made: Made, field: str) -> None:
    """Index rows exchanged beside the vault stop an import: nothing lands on another person's record."""
    made.load(borrowers(2))
    one, two = made.ids(borrowers(2))
    for record, other in ((one, "x"), (two, one), ("x", two)):
        sql(
            made,
            "index",
            "UPDATE blind SET record = ? WHERE kind = 'borrower' AND field = ? AND record = ?",
            (other, field, record),
        )
    before = made.vault.tenancy().keeping.fetch([one, two])
    with pytest.raises(Tampered):
        made.load([borrowers(2)[0] | {"电子邮箱": "new@example.com"}])
    assert made.vault.tenancy().keeping.fetch([one, two]) == before


def test_disabled_in_the_middle_is_entered(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """An importer who is revoked between two chunks is refused there, and the refusal is an entry."""
    monkeypatch.setattr("vault.taking.CHUNK_ROWS", 50)
    token, path = made.token("importer"), made.file(borrowers(120))
    confirm = made.vault.stores.keys.confirm

    def confirm_then_revoke(*given: object) -> None:
        confirm(*given)  # type: ignore[arg-type]
        if made.vault.stores.records.count("main", "borrower") == 50:
            made.vault.granting().revoke(made.identity, token)

    monkeypatch.setattr(made.vault.stores.keys, "confirm", confirm_then_revoke)
    with pytest.raises(Denied):
        made.vault.writing().import_file(token, path, kind="borrower", report=made.folder / "r.jsonl")
    assert made.vault.stores.records.count("main", "borrower") == 50
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="deny"))
    assert [(line.role, line.reason) for line in lines] == [("importer", "token_revoked")]


def test_refs_after_a_crash(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crashed import left in the index hides nobody: every external id finds the live record."""
    rows = borrowers(20)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(made.vault.stores.keys, "confirm", power_cut)
    with pytest.raises(KeyboardInterrupt):
        made.load(rows)
    monkeypatch.undo()
    assert made.load(rows).stored["borrower"] == 20
    refs = [f"borrower:{row['客户编号']}" for row in rows]
    assert len(made.vault.reading().read(made.token("collector"), refs).items) == 20


def service(made: Made, text: str, *, partial: bool = False) -> Written:
    """What a service gets that writes this JSON."""
    tenancy = made.vault.tenancy()
    read = drafts_or_faults if partial else drafts_of
    drafts = read(text.encode(), tenancy.schema, tenancy.today())
    return made.vault.writing().write(made.token("importer"), drafts, partial=partial)


def call(case: str, **more: object) -> dict[str, object]:
    """A call's result as a service sends it."""
    values = {"case_number": case, "channel": "电话", "attempted_at": "2026-03-15", "result": "承诺还款"}
    return {"kind": "contact_attempt", "values": values, **more}


def test_a_retry_with_a_key_writes_once(made: Made) -> None:
    """The same record under the same key is one record; without a key each one sent is one of its own."""
    (row,) = borrowers(1)
    made.load([row])
    sent = json.dumps([call(row["案件编号"], key="call-1"), call(row["案件编号"], key="call-2")])
    first, again = service(made, sent), service(made, sent)
    assert (first.stored, again.stored, again.unchanged) == ({"contact_attempt": 2}, {}, 2)
    assert first.records == again.records
    plain = json.dumps([call(row["案件编号"])])
    assert service(made, plain).records != service(made, plain).records


def test_a_key_stands_for_one_content(made: Made) -> None:
    """Other content under a key is refused, and what is stored stays."""
    (row,) = borrowers(1)
    made.load([row])
    service(made, json.dumps(call(row["案件编号"], key="k")))
    other = call(row["案件编号"], key="k")
    other["values"] = {**other["values"], "result": "拒绝还款"}  # type: ignore[dict-item]
    with pytest.raises(Invalid) as error:
        service(made, json.dumps(other))
    assert error.value.code == "invalid_key"


def test_two_services_may_choose_one_key(made: Made) -> None:
    """A key is its writer's own."""
    (row,) = borrowers(1)
    made.load([row])
    other = made.vault.granting().add_principal(made.identity, name="dialer", roles=("importer",))
    tenancy = made.vault.tenancy()
    drafts = drafts_of(json.dumps(call(row["案件编号"], key="k")).encode(), tenancy.schema, tenancy.today())
    first = made.vault.writing().write(made.token("importer"), drafts)
    token = made.vault.granting().issue(other, role="importer", purpose="import")
    assert made.vault.writing().write(token, drafts).records != first.records


def test_what_can_be_taken_is_taken(made: Made) -> None:
    """With `partial`, a wrong record is named by its place, the rest stands; else nothing does."""
    (row,) = borrowers(1)
    made.load([row])
    bad = call(row["案件编号"])
    bad["values"] = {**bad["values"], "attempted_at": "soon"}  # type: ignore[dict-item]
    sent = json.dumps([call(row["案件编号"]), bad, call("NOBODY-1"), {"kind": "nosuch", "values": {}}])
    with pytest.raises(Invalid):
        service(made, sent)
    assert made.vault.stores.records.count("main", "contact_attempt") == 0
    done = service(made, sent, partial=True)
    assert [(e.row, e.code) for e in done.errors] == [
        (2, "invalid_date"),
        (3, "invalid_ref"),
        (4, "invalid_kind"),
    ]
    assert [(item.row, item.stored) for item in done.items] == [(1, True)]
    assert made.vault.stores.records.count("main", "contact_attempt") == 1


def test_a_writer_who_is_late_is_told(made: Made) -> None:
    """A record that says which version it replaces is refused when another stands, also as the first one."""
    (row,) = borrowers(1)
    made.load([row])

    def promise(amount: str, version: int) -> str:
        values = {
            "promise_no": "P-1",
            "case_number": row["案件编号"],
            "amount": amount,
            "due_on": "2026-04-01",
        }
        return json.dumps({"kind": "promise", "ref": "P-1", "values": values, "version": version})

    assert service(made, promise("10.00", 0)).items[0].version == 1
    assert service(made, promise("20.00", 1)).items[0].version == 2
    for late in (0, 1):
        with pytest.raises(Invalid) as error:
            service(made, promise("30.00", late))
        assert error.value.code == "invalid_version"


def test_a_file_goes_on_where_it_stopped(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a resume file an interrupted import goes on: the end and report are a whole run's."""
    monkeypatch.setattr("vault.taking.CHUNK_ROWS", 4)
    rows = borrowers(30)
    rows[3]["证件号"] = "1.10105E+17"
    whole = make_vault(made.outside / "whole")
    path, state = made.file(rows), made.outside / "state.json"
    expected = whole.vault.writing().import_file(
        whole.token("importer"), path, kind="borrower", report=made.outside / "whole.jsonl"
    )
    for stop in (8, 20):

        def interrupt(rows_read: int, stop: int = stop) -> None:
            if rows_read >= stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            made.vault.writing().import_file(
                made.token("importer"), path, kind="borrower", report=made.outside / "r.jsonl", resume=state,
                counted=interrupt,
            )  # fmt: skip
        assert state.exists()
        assert not leaks(state.read_bytes(), {row["手机"] for row in rows})
    done = made.vault.writing().import_file(
        made.token("importer"), path, kind="borrower", report=made.outside / "r.jsonl", resume=state
    )
    assert not state.exists()
    assert (done.rows, done.stored, done.unchanged, done.rejected) == (
        expected.rows, expected.stored, expected.unchanged, expected.rejected,
    )  # fmt: skip
    reports = [Path(one).read_bytes().splitlines()[1:] for one in (expected.report, done.report)]
    assert reports[0] == reports[1]


def test_a_changed_file_is_not_gone_on_with(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume file is for one file and one way to take it in; of another it is refused."""
    monkeypatch.setattr("vault.taking.CHUNK_ROWS", 2)
    path, state = made.file(borrowers(6)), made.outside / "state.json"

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.vault.writing().import_file(
            made.token("importer"), path, kind="borrower", report=made.outside / "r.jsonl", resume=state,
            counted=interrupt,
        )  # fmt: skip
    made.file(borrowers(7))
    with pytest.raises(Invalid):
        made.vault.writing().import_file(
            made.token("importer"), path, kind="borrower", report=made.outside / "r.jsonl", resume=state
        )
