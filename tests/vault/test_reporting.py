"""Reports: every access to a person, proved, in two languages; nothing of anybody's data in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import FrozenClock, Made, make_vault, reopen
from reportcheck import b64u, check
from reportkit import ROWS, checked, filled, log_of, room
from sqlalchemy import text

from vault.config import Stores
from vault.errors import Denied, Invalid, NotFound, Tampered
from vault.model import Happening, Who, Whom
from vault.numbering import ended_handle, handle_of
from vault.unsealing import Unsealer


def stores(url: Callable[[str], str]) -> Stores:
    """Four stores on one engine."""
    return Stores(**{name: url(name) for name in ("records", "index", "keys", "ledger")})


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A sandbox with three borrowers; the first was read twice, refused once and read in clear."""
    made = filled(make_vault(tmp_path))
    yield made
    made.vault.close()


@pytest.fixture
def either(tmp_path: Path, store_url: Callable[[str], str]) -> Iterator[Made]:
    """The same on either engine."""
    made = filled(make_vault(tmp_path, stores=stores(store_url)))
    yield made
    made.vault.close()


def about(made: Made, *subjects: str) -> set[int]:
    """The entries about these subjects by their opened bodies, which needs no tag."""
    rows = made.vault.stores.ledger.entries("main", 0, 10_000)
    opened = Unsealer(made.vault.tenancy()).bodies(rows)
    return {index for index, whom in opened.items() if whom.subject in subjects}


def edit(made: Made, statement: str, **given: object) -> None:
    """Change the ledger as its DBA would, on either engine."""
    with made.vault.stores.ledger.db.engine.begin() as connection:
        assert connection.execute(text(statement), given).rowcount > 0


def test_a_report_has_every_entry_and_convinces_a_stranger(either: Made) -> None:
    """Reads, the refusal and the report's own entry, proved by the public key and the whole log alone."""
    (ident, *_) = either.ids(ROWS)
    subject = Unsealer(either.vault.tenancy()).people(ident)[0]
    report = room(either).report(either.token("auditor"), ident)
    found = checked(either, report)
    assert {one["index"] for one in found["entries"]} == about(either, subject)
    assert report.entries == 5
    whos = [msgspec.json.decode(one["who"], type=Who) for one in found["entries"]]
    assert [who.outcome for who in whos] == ["ok", "ok", "denied", "ok", "ok"]
    assert [who.role for who in whos] == ["collector"] * 3 + ["legal", "auditor"]
    assert all(one["whom"] is None for one in found["entries"])
    by_ref = room(either).report(either.token("regulator"), f"borrower:{ROWS[0]['客户编号']}")
    assert (by_ref.entries, by_ref.series) == (6, 2)


def test_whoever_holds_a_report_follows_nothing_later(either: Made) -> None:
    """What comes after a report is under another key; the next report hands over both."""
    (ident, *_) = either.ids(ROWS)
    first = room(either).report(either.token("auditor"), ident)
    either.vault.reading().read(either.token("collector"), [ident, ident])
    checked(either, first)  # against the log with two more entries about the same person
    second = room(either).report(either.token("auditor"), ident)
    found = checked(either, second)
    assert [one["count"] for one in found["series"]] == [5, 3]
    assert check(first.file, room(either).vkey.text())["series"][0] == found["series"][0]
    third = room(either).report(either.token("auditor"), ident)
    assert [one["count"] for one in checked(either, third)["series"]] == [5, 3, 1]


def test_a_merged_person_s_report_is_of_all_they_were(made: Made) -> None:
    """Accesses from before a merge are in it, generation by generation; split again, each has their own."""
    one, two, three = made.ids(ROWS)
    amending, token = made.vault.amending(), made.token("dpo", "subject_request")
    people = [Unsealer(made.vault.tenancy()).people(ident)[0] for ident in (one, two)]
    moved = amending.merge(token, one, two, reason="one person")
    report = room(made).report(made.token("auditor"), one)
    found = checked(made, report)
    assert {entry["index"] for entry in found["entries"]} == about(made, *people)
    assert report.series == 2
    amending.split(token, moved.records, reason="two after all")
    apart = checked(made, room(made).report(made.token("auditor"), two))
    assert {entry["index"] for entry in apart["entries"]} == about(made, people[1])
    checked(made, report)
    checked(made, room(made).report(made.token("auditor"), three))


def test_nobody_is_handed_the_accesses_of_somebody_who_is_here(made: Made) -> None:
    """Two people mixed up and half taken apart: neither's report tells of the other, who is here."""
    one, two, _ = made.ids(ROWS)
    amending, token = made.vault.amending(), made.token("dpo", "subject_request")
    people = [Unsealer(made.vault.tenancy()).people(ident)[0] for ident in (one, two)]
    amending.merge(token, one, two, reason="one person")
    amending.split(token, [two], reason="two after all")
    made.vault.reading().read(made.token("legal"), [two])
    for ident, person in zip((one, two), people, strict=True):
        found = checked(made, room(made).report(made.token("auditor"), ident))
        assert {entry["index"] for entry in found["entries"]} == about(made, person)


STEPS: Final = st.lists(
    st.tuples(st.sampled_from(("read", "read", "report", "merge", "split")), st.integers(0, 2)), max_size=10
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A vault to copy."""
    made = make_vault(tmp_path_factory.mktemp("template"))
    made.load(ROWS)
    made.vault.close()
    return made


@given(steps=STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_history_is_told_whole(template: Made, tmp_path: Path, steps: list[tuple[str, int]]) -> None:
    """Reads, reports, merges and splits in any order, then erasures: reports are complete, the log even."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    shutil.copytree(template.folder, folder)
    made = reopen(replace(template, folder=folder, clock=FrozenClock()))
    ids, moved, kept = made.ids(ROWS), {}, []
    unsealer, token = Unsealer(made.vault.tenancy()), made.token("dpo", "subject_request")
    subjects = [unsealer.people(ident)[0] for ident in ids]
    for what, which in steps:
        ident, other = ids[which], ids[(which + 1) % 3]
        if what == "read":
            made.vault.reading().read(made.token("collector"), [ident, other])
        elif what == "report":
            people = unsealer.people(ident)
            kept.append(room(made).report(made.token("auditor"), ident))
            assert {e["index"] for e in checked(made, kept[-1])["entries"]} == about(made, *people)
        elif what == "merge" and not moved:
            moved[which] = made.vault.amending().merge(token, ident, other, reason="r").records
        elif what == "split" and moved:
            made.vault.amending().split(token, moved.popitem()[1], reason="r")
    room(made).balance(made.token("auditor"), bodies=True)
    erased_and_swept(made, subjects)
    for report in kept:
        checked(made, report)
    made.vault.close()


def erased_and_swept(made: Made, subjects: list[str]) -> None:
    """Erase everybody, report on one by the id they had, sweep the log secrets; the log stays even."""
    erasing = made.vault.erasing()
    erasing.execute(made.token("dpo"), erasing.plan(made.token("dpo"), as_of=date(2032, 1, 1)).id, yes=True)
    checked(made, room(made).report(made.token("auditor"), subjects[0]))
    room(made).balance(made.token("auditor"))
    made.clock.advance(days=6 * 366)
    erasing.execute(made.token("dpo"), erasing.plan(made.token("dpo")).id, yes=True)
    found = room(made).balance(made.token("auditor"), bodies=True)
    assert found.explained == 0
    assert found.orphans_declared == found.entries - found.without_subject > 0
    with pytest.raises(NotFound):
        room(made).report(made.token("auditor"), subjects[0])


def test_a_report_says_what_the_log_s_retention_took(made: Made) -> None:
    """Entries that went by rule are counted on the page; the rest is proved from the first that is left."""
    (ident, *_) = made.ids(ROWS)
    token = made.token("auditor")
    room(made).report(token, ident)
    made.vault.reading().read(made.token("collector"), [ident])
    filler = Happening(kind="search", who=Who(actor="p-1", role="auditor", purpose="audit"), whom=Whom())
    made.vault.tenancy().journal.log(*[filler] * 250)
    made.clock.advance(days=5 * 366)
    made.vault.reading().read(made.token("collector"), [ident])
    assert room(made).prune(made.token("dpo"), entries=True).count_entries == 256
    report = room(made).report(made.token("regulator"), ident, with_whom=True)
    found = check(report.file, room(made).vkey.text())
    assert found["series"] == [{"key": found["series"][0]["key"], "count": 3, "first": 1}]
    assert "已按日志保存期限删除的更早记录</dt><dd>6</dd>" in report.file.decode()
    edit(made, "DELETE FROM entries WHERE idx = :idx", idx=found["entries"][0]["index"])
    edit(made, "DELETE FROM entries WHERE idx = :idx", idx=report.index)
    with pytest.raises(Tampered):
        room(made).report(made.token("auditor"), ident)


def test_whom_is_for_auditor_and_regulator_alone(made: Made) -> None:
    """Text and salt of the whom open the commitment; for the person's own request it is refused."""
    (ident, *_) = made.ids(ROWS)
    found = checked(made, room(made).report(made.token("regulator"), ident, with_whom=True))
    whoms = [msgspec.json.decode(one["whom"], type=Whom) for one in found["entries"]]
    assert {whom.record for whom in whoms} == {ident, ""}
    assert room(made).report(made.token("dpo", "subject_request"), ident).entries == 6
    for purpose, with_whom in (("subject_request", True), ("security", False)):
        with pytest.raises(Denied) as refused:
            room(made).report(made.token("dpo", purpose), ident, with_whom=with_whom)
        assert refused.value.code == "purpose_denied"


def test_who_may_not_gets_none_and_ends_nothing(made: Made) -> None:
    """Without the action, for nobody known or in no known language: no report, and no generation ends."""
    (ident, *_) = made.ids(ROWS)
    with pytest.raises(Denied):
        room(made).report(made.token("legal"), ident)
    with pytest.raises(NotFound):
        room(made).report(made.token("auditor"), "s-nobody")
    with pytest.raises(Invalid):
        room(made).report(made.token("auditor"), ident, lang="fr")
    assert room(made).report(made.token("auditor"), ident).series == 1


# --- what can't be reported -------------------------------------------------------------------------------


def counters(made: Made, ident: str) -> tuple[bytes, bytes]:
    """The handles of a person's counter and of their first ended generation."""
    tenancy = made.vault.tenancy()
    subject = Unsealer(tenancy).people(ident)[0]
    return handle_of(tenancy.keys, subject), ended_handle(tenancy.keys, subject, 1)


@pytest.mark.parametrize("wrong", [
    "UPDATE entries SET tag = :tag WHERE idx = :idx",
    "DELETE FROM entries WHERE idx = :idx",
    "UPDATE entries SET role = 'dpo' WHERE idx = :idx",
    "UPDATE entries SET clear = 1 WHERE idx = :idx",
    "UPDATE entries SET stub = :tag WHERE idx = :idx",
    "DELETE FROM bodies WHERE idx = :idx",
    "UPDATE counters SET n = n - 1 WHERE handle = :now",
    "UPDATE counters SET n = n - 1 WHERE handle = :ended",
    "UPDATE counters SET n = n + 1 WHERE handle = :ended",
    "UPDATE counters SET n = 5 WHERE handle = :now",
])  # fmt: skip
def test_a_log_that_is_not_whole_gives_no_report(either: Made, wrong: str) -> None:
    """What a DBA edits, drops or turns back, a whole later generation too, is refused; nothing is written."""
    (ident, *_) = either.ids(ROWS)
    before = room(either).report(either.token("auditor"), ident)
    either.vault.reading().read(either.token("collector"), [ident])
    now, ended = counters(either, ident)
    index = check(before.file, room(either).vkey.text())["entries"][1]["index"]
    given = {"tag": b"x" * 16, "idx": index, "now": now, "ended": ended}
    token = either.token("auditor")
    edit(either, wrong, **{name: value for name, value in given.items() if f":{name}" in wrong})
    with pytest.raises(Tampered):
        room(either).report(token, ident)


def test_an_entry_under_another_s_tag_is_reported(made: Made) -> None:
    """An access to one person logged under another's tag, counter and all, is found by its body."""
    one, two, _ = made.ids(ROWS)
    tenancy, unsealer = made.vault.tenancy(), Unsealer(made.vault.tenancy())
    (first,), (second,) = unsealer.people(one), unsealer.people(two)
    (row,) = made.vault.stores.keys.subjects("main", [first])
    while len(unsealer.tags(second)) < len(unsealer.tags(first)):
        made.vault.reading().read(made.token("collector"), [two])
    tenancy.journal.log(
        Happening(
            kind="read", who=Who(actor="p-1", role="collector", purpose="audit"), whom=Whom(subject=second),
            secret=tenancy.keeping.log_secret(row), shelf=row.shelf,
        )
    )  # fmt: skip
    edit(made, "UPDATE counters SET n = n + 1 WHERE handle = :now", now=counters(made, one)[0])
    with pytest.raises(Tampered, match="another person"):
        room(made).report(made.token("auditor"), one, weighed=False)


def test_the_check_used_here_can_fail(made: Made) -> None:
    """One byte of the page, a key, a number, a withheld digest: each is noticed by the independent check."""
    report = room(made).report(made.token("auditor"), made.ids(ROWS)[0])
    vkey = room(made).vkey.text()
    with pytest.raises(AssertionError):
        check(report.file.replace("法务".encode(), "法官".encode()), vkey)
    with pytest.raises(Exception, match=r".*"):
        check(report.file, vkey[:-6] + "AAAAA=")
    found = check(report.file, vkey)
    extra = msgspec.json.encode({"g": found["series"][0]["key"][:22]})
    assert len(b64u(found["series"][0]["key"])) == 32
    with pytest.raises(AssertionError):
        check(report.file, vkey, [*log_of(made)[:-1], extra][: report.index + 1])


def test_an_entry_ahead_of_its_counter_keeps_the_report_back(made: Made) -> None:
    """A counter run ahead during a read and put back hides it from the report, not from the balance."""
    one, *_ = made.ids(ROWS)
    (handle, _) = counters(made, one)
    edit(made, "UPDATE counters SET n = n + 1000 WHERE handle = :now", now=handle)
    made.vault.reading().read(made.token("collector"), [one])
    edit(made, "UPDATE counters SET n = n - 1001 WHERE handle = :now", now=handle)
    assert room(made).report(made.token("auditor"), one, weighed=False).entries > 0
    with pytest.raises(Tampered, match="isn't even"):
        room(made).report(made.token("auditor"), one)


def test_who_may_not_audit_weighs_nothing(made: Made) -> None:
    """The balance costs seconds on a large log: it is for those who may have the report."""
    with pytest.raises(Denied):
        room(made).report(made.token("collector"), made.ids(ROWS)[0])
