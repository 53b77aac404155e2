"""Purging: what an execution leaves behind in keys, files and counts."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault

from vault.access.tokens import Limits
from vault.auditing import Question
from vault.errors import Denied, Invalid
from vault.ledger.registry import Approval, Request
from vault.model import Hold
from vault.purging import Purger

ROWS = borrowers(1)
HOLD = Hold(number="(2026)1", authority="court", until="2040-01-01")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with one borrower."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    return made


def purge(made: Made, as_of: date = date(2032, 1, 1)) -> str:
    """Plan and execute as of a day; returns the plan."""
    plan = made.vault.erasing().plan(made.token("dpo"), as_of=as_of)
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    return plan.id


def test_a_retired_epoch_has_its_whole_grace(made: Made) -> None:
    """The grace of the settings, in hours, lies between retirement and death, and the next purge ends it."""
    purge(made)
    (old,) = (row for row in made.vault.stores.keys.epochs("main") if row.epoch == 1)
    assert old.retired is not None
    assert old.destroy_after == old.retired + made.vault.config.settings.epoch_grace_hours * 3_600_000_000
    assert old.destroyed is None
    made.clock.now = old.destroy_after
    purge(made)
    (old,) = (row for row in made.vault.stores.keys.epochs("main") if row.epoch == 1)
    assert old.destroyed == made.clock()


def test_no_deleted_byte_stays_in_a_write_ahead_log(made: Made) -> None:
    """After a purge the logs of keys, index and records are empty: what was deleted is in none of them."""
    purge(made)
    for store in ("keys", "index", "records"):
        assert (made.folder / f"{store}.db-wal").stat().st_size == 0, store


def test_a_subject_of_whom_something_stays_has_no_orphans(made: Made) -> None:
    """Only entries of subjects who are wholly gone count as orphans: a held loan keeps its borrower known."""
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    loan = f"loan:{ROWS[0]['案件编号']}"
    assert made.vault.erasing().add_hold(made.token("dpo"), [loan], HOLD) == 1
    purge(made)
    (plan,) = made.vault.granting().plans()
    assert (plan.erased, plan.orphans) == (2, 0)


def test_no_hold_on_an_entombed_record(made: Made) -> None:
    """What an erasure has closed can't be held any more: nothing is entered and the caller is told none."""
    ids = made.ids(ROWS)
    with made.vault.tenancy().journal.page() as page:
        page.tx.entomb("plan-x", ids, 0)
    token, before = made.token("dpo"), made.size()
    assert made.vault.erasing().add_hold(token, ids, HOLD) == 0
    assert made.size() == before


def test_the_acts_of_an_eraser_are_entries(made: Made) -> None:
    """Listing holds and destroying epochs are each entered, the epochs by their numbers."""
    purge(made)
    made.clock.advance(hours=25)
    token, before = made.token("dpo"), made.size()
    made.vault.erasing().holds(token)
    assert made.vault.erasing().destroy_epochs(token) == [1]
    lines = made.vault.auditing().ask(made.token("auditor"), Question(after=before - 1))
    assert [(line.kind, line.detail) for line in lines[:2]] == [
        ("search", "hold list"), ("key", "destroy epochs 1"),
    ]  # fmt: skip


def test_destroying_takes_leave_to_execute(made: Made) -> None:
    """A token narrowed to holds destroys no epoch; a plan not executed has no certificate."""
    erasing = made.vault.erasing()
    token = made.token("dpo", limits=Limits(actions=frozenset({"hold"})))
    assert erasing.holds(token) == []
    with pytest.raises(Denied) as refusal:
        erasing.destroy_epochs(token)
    assert refusal.value.code == "role_denied"
    with pytest.raises(Invalid):
        erasing.certificate(erasing.plan(made.token("dpo")).id)


@pytest.mark.parametrize("wrong", ["own", "other plan"])
def test_no_wrong_approval_counts(tmp_path: Path, wrong: str) -> None:
    """However it came to stand there, a yes of the planner's own, or to another digest, executes nothing."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    dpo = granting.add_principal(made.identity, name="d", roles=("dpo",))
    approver = granting.add_principal(made.identity, name="a", roles=("approver",))
    token = granting.issue(dpo, role="dpo", purpose="administration")
    plan = made.vault.erasing().plan(token)
    who = dpo if wrong == "own" else approver
    with made.vault.tenancy().journal.page() as page:
        request = page.registry.get(Request, plan.id)
        digest = request.digest if wrong == "own" else "0" * 64
        yes = (Approval(principal=who.principal, at=page.now),)
        page.put(msgspec.structs.replace(request, digest=digest, approvals=yes))
    with pytest.raises(Denied) as refusal:
        made.vault.erasing().execute(token, plan.id)
    assert refusal.value.code == "approval_required"


def test_replaced_versions_go_by_their_rule(made: Made) -> None:
    """A year after it was replaced a version's secret and payloads are gone; the rest stays."""
    (record, *_) = made.ids(ROWS)
    dpo, amending = made.token("dpo", "subject_request"), made.vault.amending()
    amending.correct(dpo, record, {"phone": "13911112222"}, reason="r")
    made.clock.advance(days=200)
    amending.correct(made.token("dpo", "subject_request"), record, {"phone": "13822223333"}, reason="r")
    made.clock.advance(days=200)
    plan = made.vault.erasing().plan(made.token("dpo"))
    assert [(r["rule"], r["count"]) for r in plan.by_rule if r["action"] == "expire"] == [
        ("HOUSE-VERSIONS-1Y", 1)
    ]
    done = made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    assert json.loads(done.certificate)["certificate"]["versions"] == 1
    stores = made.vault.stores
    assert {row.version for row in stores.keys.versions("main", [record])} == {2, 3}
    assert {row.version for row in stores.records.fetch("main", [record], ["contact"])} == {2, 3}
    facts = made.vault.tenancy().keeping.fetch([record])[record].facts
    assert [past.version for past in facts.past] == [2]
    shown = made.vault.reading().read(made.token("legal"), [record], fields=("phone",)).items[0]
    assert bytes(shown.fields["phone"].value or b"") == b'"13822223333"'


def test_a_hold_keeps_replaced_versions(made: Made) -> None:
    """While a legal hold runs, what a record said before is kept too."""
    (record, *_) = made.ids(ROWS)
    made.vault.amending().correct(
        made.token("dpo", "subject_request"), record, {"phone": "13911112222"}, reason="r"
    )
    hold = Hold(number="H-1", authority="court", until="2050-01-01")
    made.vault.erasing().add_hold(made.token("dpo"), [record], hold)
    made.clock.advance(days=500)
    plan = made.vault.erasing().plan(made.token("dpo"))
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    assert {row.version for row in made.vault.stores.keys.versions("main", [record])} == {1, 2}


def test_a_hold_past_its_end_keeps_them_until_it_is_released(made: Made) -> None:
    """As for the record itself: a court may be late to prolong, so somebody has to let go by name."""
    (record, *_) = made.ids(ROWS)
    made.vault.amending().correct(
        made.token("dpo", "subject_request"), record, {"phone": "13911112222"}, reason="r"
    )
    hold = Hold(number="H-1", authority="court", until="2026-04-01")
    made.vault.erasing().add_hold(made.token("dpo"), [record], hold)
    made.clock.advance(days=500)
    purge(made, made.vault.tenancy().today())
    assert {row.version for row in made.vault.stores.keys.versions("main", [record])} == {1, 2}
    made.vault.erasing().release_hold(made.token("dpo"), [record], "H-1")
    purge(made, made.vault.tenancy().today())
    assert {row.version for row in made.vault.stores.keys.versions("main", [record])} == {2}


def merged(made: Made) -> tuple[list[str], str]:
    """Two borrowers made one: the second one's records, borrower's first, and the subject they were of."""
    made.load(borrowers(2))
    one, two = made.ids(borrowers(2))
    gone = made.vault.tenancy().keeping.fetch([two])[two].row.subject
    moved = made.vault.amending().merge(made.token("dpo", "subject_request"), one, two, reason="r")
    return sorted(moved.records, key=lambda record: record != two), gone


def erase_but(made: Made, kept: list[str]) -> None:
    """Erase everything that is due in 2032 but these records, which are held."""
    made.vault.erasing().add_hold(made.token("dpo"), kept, HOLD)
    purge(made)


def closed(made: Made) -> set[str]:
    """The subjects of whom nothing stays, as the key store notes them."""
    return {row.subject for row in made.vault.stores.keys.closed_subjects("main", made.clock())}


def test_nobody_is_closed_of_whom_a_merged_record_stays(made: Made) -> None:
    """One of a merged person's records lives, so the one it came from does, until it goes too."""
    (borrower, *rest), gone = merged(made)
    erase_but(made, rest[:1])
    assert borrower not in made.vault.stores.keys.records("main", "", 100)
    assert gone not in closed(made)
    made.vault.erasing().release_hold(made.token("dpo"), rest[:1], HOLD.number)
    made.clock.advance(days=30)
    purge(made)
    rows = made.vault.stores.keys.closed_subjects("main", made.clock())
    assert {row.subject: row.closed for row in rows}[gone] == made.clock()


def test_nobody_is_closed_who_lent_a_record_to_another(made: Made) -> None:
    """What was merged and half given back: the lender's own records go, the lent one keeps them known."""
    records, gone = merged(made)
    made.vault.amending().split(made.token("dpo", "subject_request"), records[1:], reason="r")
    erase_but(made, records[:1])
    assert gone not in closed(made)


def test_years_later_a_merged_person_still_opens(made: Made) -> None:
    """A record that was merged, kept by a hold and given back years after is read as ever, and balanced."""
    records, gone = merged(made)
    erase_but(made, records[:1])
    made.clock.advance(days=6 * 366)
    purge(made)
    made.vault.amending().split(made.token("dpo", "subject_request"), records[:1], reason="r")
    assert made.vault.tenancy().keeping.fetch(records[:1])[records[0]].row.subject == gone
    assert made.vault.tenancy().keeping.log_secrets([gone])
    made.vault.auditing().balance(made.token("auditor"))


def test_erased_once_more_nobody_stays_closed_who_lives(made: Made) -> None:
    """After a restore the same holds: what is erased again closes nobody of whom a merged record stays."""
    records, gone = merged(made)
    made.vault.erasing().add_hold(made.token("dpo"), records[1:], HOLD)
    purger = Purger(made.vault.tenancy())
    purger.repeat(records[:1])
    assert gone in closed(made)
    purger.reopen()
    assert closed(made) == set()


def test_a_false_note_takes_nobodys_log_secret(made: Made) -> None:
    """The key store says that the living were closed long ago: a sweep opens them again, and takes none."""
    erase_but(made, made.ids(ROWS))
    (subject,) = people_of(made, made.ids(ROWS))
    made.vault.stores.keys.close_subjects("main", [subject], made.clock())
    made.clock.advance(days=6 * 366)
    purge(made)
    assert made.vault.tenancy().keeping.log_secrets([subject])
    assert subject not in closed(made)


def people_of(made: Made, records: list[str]) -> set[str]:
    """Whose these records are."""
    return {held.row.subject for held in made.vault.tenancy().keeping.fetch(records).values()}
