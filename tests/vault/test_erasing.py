"""The erasing room."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from kit import START, Made, attempt, borrowers, make_vault, reopen, shown, sql

from vault.auditing import Question
from vault.erasing import Erasing
from vault.errors import Denied, Invalid, NotFound, Tampered, Unavailable
from vault.ledger.certificate import open_certificate
from vault.ledger.registry import Plan
from vault.model import Hold
from vault.vault import Vault

ROWS = borrowers(4)
LATER = date(2030, 1, 1)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox of an agency with four borrowers."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    return made


def purge(made: Made, as_of: date = LATER) -> Plan:
    """Plan and execute as of a day; returns the plan."""
    plan = made.vault.erasing().plan(made.token("dpo"), as_of=as_of)
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    return plan


def test_a_plan_changes_nothing(made: Made) -> None:
    """Planning is a dry run: counts by action and rule, each with its certainty; every record stays."""
    plan = made.vault.erasing().plan(made.token("dpo"), as_of=LATER)
    assert plan.counts == {"erase": 12, "restrict": 0, "keep": 0}
    assert sum(int(row["count"]) for row in plan.by_rule) == 12
    assert all(row["status"] and row["source"] for row in plan.by_rule)
    assert len(made.vault.reading().read(made.token("collector"), made.ids(ROWS)).items) == 4


def test_nothing_is_due_yet(made: Made) -> None:
    """As of today every record is kept."""
    plan = made.vault.erasing().plan(made.token("dpo"))
    assert plan.counts == {"erase": 0, "restrict": 0, "keep": 12}


def test_erased_everywhere(made: Made) -> None:
    """After a purge there is no secret, no row, no index row; readers get what a stranger gets."""
    ids = made.ids(ROWS)
    purge(made)
    stores = made.vault.stores
    assert stores.records.count("main") == stores.records.count("main", "suppression")
    assert stores.keys.versions("main", ids) == []
    assert stores.index.count("main") == stores.index.count("main", "suppression")
    token = made.token("collector")
    found = made.vault.reading().read(token, ids)
    assert [error.code for error in found.errors] == ["not_found"] * 4
    assert not made.vault.reading().find(token, field="phone", value=ROWS[0]["手机"]).items


def test_survivors_open(made: Made) -> None:
    """What isn't due stays readable after its shelf was wrapped anew under a new epoch."""
    made.vault.erasing().add_hold(
        made.token("dpo"), made.ids(ROWS[:1]), Hold(number="(2026)1", authority="法院", until="2031-01-01")
    )
    plan = purge(made)
    assert plan.counts["restrict"] == 1
    item = shown(made.vault.reading().read(made.token("legal"), made.ids(ROWS[:1])))
    assert item.state == "RESTRICTED"
    epochs = made.vault.stores.keys.epochs("main")
    assert [epoch.retired is not None for epoch in epochs] == [True, False]
    assert all(shelf.epoch == 2 for shelf in made.vault.stores.keys.shelves("main"))


def test_restricted_is_closed_to_collection(made: Made) -> None:
    """A restricted record is refused for every purpose but those that reach it (PIPL 47 ¶2)."""
    hold = Hold(number="1", authority="法院", until="2031-01-01")
    made.vault.erasing().add_hold(made.token("dpo"), made.ids(ROWS[:1]), hold)
    purge(made)
    found = made.vault.reading().read(made.token("collector"), made.ids(ROWS[:1]))
    assert [error.code for error in found.errors] == ["restricted"]


def test_a_hold_after_the_plan_is_honoured(made: Made) -> None:
    """What was put on hold between plan and execution stays, and counts as remaining."""
    erasing, token = made.vault.erasing(), made.token("dpo")
    plan = erasing.plan(token, as_of=LATER)
    erasing.add_hold(token, made.ids(ROWS[:1]), Hold(number="1", authority="法院", until="2031-01-01"))
    done = erasing.execute(token, plan.id, yes=True)
    assert (done.erased, done.remaining) == (11, 1)
    assert made.vault.reading().read(made.token("legal"), made.ids(ROWS[:1])).items


def test_holds_are_listed_and_released(made: Made) -> None:
    """A hold needs number, authority and end; releasing it lets the rule act."""
    erasing, token, ids = made.vault.erasing(), made.token("dpo"), made.ids(ROWS[:1])
    with pytest.raises(Invalid):
        erasing.add_hold(token, ids, Hold(number=" ", authority="法院", until="2031-01-01"))
    erasing.add_hold(token, ids, Hold(number="1", authority="法院", until="2031-01-01"))
    assert [(h.record, h.number) for h in erasing.holds(token)] == [(ids[0], "1")]
    assert erasing.release_hold(token, ids, "1") == 1
    assert erasing.holds(token) == []
    assert purge(made).counts["erase"] == 12


def test_four_eyes(tmp_path: Path) -> None:
    """Outside a sandbox nothing is erased before another person has approved this very plan."""
    made = make_vault(tmp_path, sandbox=False)
    granting, erasing = made.vault.granting(), made.vault.erasing()
    dpo = granting.add_principal(made.identity, name="d", roles=("dpo",))
    approver = granting.add_principal(made.identity, name="a", roles=("approver",))
    token = granting.issue(dpo, role="dpo", purpose="administration")
    plan = erasing.plan(token)
    for yes in (False, True):
        with pytest.raises(Denied) as refusal:
            erasing.execute(token, plan.id, yes=yes)
        assert refusal.value.code == "approval_required"
    granting.approve(approver, plan.id)
    granting.disable(made.identity, approver.principal)
    with pytest.raises(Denied):
        erasing.execute(token, plan.id)
    granting.approve(granting.add_principal(made.identity, name="b", roles=("approver",)), plan.id)
    assert erasing.execute(token, plan.id).erased == 0


def test_no_plan_ahead_outside_a_sandbox(tmp_path: Path) -> None:
    """A plan dated ahead is not executed before its day."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    dpo = granting.add_principal(made.identity, name="d", roles=("dpo",))
    token = granting.issue(dpo, role="dpo", purpose="administration")
    plan = made.vault.erasing().plan(token, as_of=date(2026, 3, 17))
    with pytest.raises(Invalid):
        made.vault.erasing().execute(token, plan.id)
    with pytest.raises(NotFound):
        made.vault.erasing().execute(token, "plan-none")


def test_edited_items_are_refused(made: Made) -> None:
    """Items that are not the ones approved stop the execution."""
    plan = made.vault.erasing().plan(made.token("dpo"))
    sql(
        made,
        "ledger",
        "INSERT INTO plan_items VALUES ('main', ?, ?, 'erase', 'x', 'open')",
        (plan.id, made.ids(ROWS)[0]),
    )
    with pytest.raises(Tampered):
        made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)


def test_again_is_the_same(made: Made) -> None:
    """Executing a done plan gives the same certificate and does nothing."""
    plan = purge(made)
    size = made.size()
    again = made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    assert again.erased == 12
    assert again.certificate == made.vault.erasing().certificate(plan.id)
    assert made.size() == size + 1  # the token


def test_the_certificate_says_what_was_done(made: Made) -> None:
    """It verifies with the log's public key, names its entries, and holds no id of a record or person."""
    ids = made.ids(ROWS)
    plan = purge(made)
    text = made.vault.erasing().certificate(plan.id)
    said = open_certificate(text, made.vault.vkey())
    assert (said["erased"], said["restricted"], said["remaining"]) == (12, 0, 0)
    assert said["sandbox"] is True
    assert not any(ident in text for ident in ids)
    lines = made.vault.auditing().ask(made.token("auditor"), Question())
    kinds = {line.index: line.kind for line in lines}
    entries = json.loads(text)["certificate"]["entries"]
    assert kinds[entries["erase_begin"]] == "erase_begin"
    assert kinds[entries["erase_done"]] == "erase_done"


def test_orphans_are_counted(made: Made) -> None:
    """The entries of subjects who are wholly gone are counted when they are closed (the log's balance)."""
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    purge(made)
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="erase_done"))
    assert "orphans=4" in str(lines[0].detail)


def test_epochs_die_after_their_grace(made: Made) -> None:
    """The old epoch stays for its grace, then dies; a copy of the key store from before dies with it."""
    (made.outside / "old").mkdir()
    made.vault.close()
    for name in ("keys.db", "records.db"):
        (made.outside / "old" / name).write_bytes((made.folder / name).read_bytes())
    made = made.reopened()
    ids = made.ids(ROWS)
    purge(made)
    assert made.vault.erasing().destroy_epochs(made.token("dpo")) == []
    made.clock.advance(hours=25)
    assert made.vault.erasing().destroy_epochs(made.token("dpo")) == [1]
    token = made.token("collector")
    made.vault.close()
    for name in ("keys.db", "records.db"):
        (made.folder / name).write_bytes((made.outside / "old" / name).read_bytes())
    with Vault.open(made.folder, clock=made.clock) as restored:
        with pytest.raises(Tampered, match="behind the ledger"):
            restored.reading().read(token, ids)
        with pytest.raises(Unavailable) as gone:
            restored.tenancy().keeping.log_secrets(
                [row.subject for row in restored.stores.records.scan_facts("main", "", 5)]
            )
        assert gone.value.code == "epoch_destroyed"


def test_a_contract_that_ended_takes_everything(made: Made) -> None:
    """The day after a creditor's contract ends, all of its records are due (PIPL 21 ¶2, verified)."""
    made.load([attempt(0, 0)], kind="contact_attempt")
    made.vault.granting().set_contract(made.identity, party="bank", starts="2025-01-01", ends="2026-03-15")
    plan = made.vault.erasing().plan(made.token("dpo"))
    assert plan.counts == {"erase": 13, "restrict": 0, "keep": 0}
    assert {row["status"] for row in plan.by_rule} == {"verified"}


def test_only_the_dpo_erases(made: Made) -> None:
    """No other role plans, executes or holds."""
    for role in ("collector", "legal", "auditor", "admin", "importer"):
        with pytest.raises(Denied):
            made.vault.erasing().plan(made.token(role))
        with pytest.raises(Denied):
            made.vault.erasing().execute(made.token(role), "plan-x")
        with pytest.raises(Denied):
            made.vault.erasing().holds(made.token(role))


def test_a_disabled_dpo_does_nothing(tmp_path: Path) -> None:
    """Disabled, a DPO's living token destroys, sees and executes nothing; each try is an entry."""
    made = make_vault(tmp_path, sandbox=False)
    granting, erasing = made.vault.granting(), made.vault.erasing()
    dpo = granting.add_principal(made.identity, name="d", roles=("dpo",))
    token = granting.issue(dpo, role="dpo", purpose="administration")
    plan = erasing.plan(token)
    granting.approve(granting.add_principal(made.identity, name="a", roles=("approver",)), plan.id)
    granting.disable(made.identity, dpo.principal)
    before = made.size()
    for tried in (
        lambda: erasing.destroy_epochs(token),
        lambda: erasing.holds(token),
        lambda: erasing.add_hold(token, [], Hold(number="1", authority="x", until="2031-01-01")),
        lambda: erasing.plan(token),
        lambda: erasing.execute(token, plan.id),
    ):
        with pytest.raises(Denied) as refusal:
            tried()
        assert refusal.value.code == "token_revoked"
    assert made.size() == before + 5


def test_two_plans_count_each_record_once(made: Made) -> None:
    """A second plan over records that the first one took certifies none of them again."""
    erasing, token = made.vault.erasing(), made.token("dpo")
    hold = Hold(number="1", authority="法院", until="2031-01-01")
    erasing.add_hold(token, made.ids(ROWS[:1]), hold)
    first, second = (erasing.plan(token, as_of=LATER) for _ in range(2))
    done = erasing.execute(token, first.id, yes=True)
    assert (done.erased, done.restricted, done.remaining) == (11, 1, 0)
    again = erasing.execute(token, second.id, yes=True)
    assert (again.erased, again.restricted, again.remaining) == (0, 0, 0)


def test_no_hold_on_what_is_going(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is being erased can't be put on hold any more, and nobody is told it was."""
    erasing, token, ids = made.vault.erasing(), made.token("dpo"), made.ids(ROWS[:1])
    plan = erasing.plan(token, as_of=LATER)
    monkeypatch.setattr(made.vault.stores.index, "delete", _power_cut)
    with pytest.raises(KeyboardInterrupt):
        erasing.execute(token, plan.id, yes=True)
    hold = Hold(number="1", authority="法院", until="2031-01-01")
    assert erasing.add_hold(token, ids, hold) == 0
    monkeypatch.undo()
    done = erasing.execute(token, plan.id)
    assert (done.erased, done.remaining) == (12, 0)


def _power_cut(*_: object) -> None:
    raise KeyboardInterrupt


def test_orphans_survive_a_crash(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The balance counts the entries of closed subjects once, also when the purge had to be run again."""
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    erasing, token = made.vault.erasing(), made.token("dpo")
    plan = erasing.plan(token, as_of=LATER)
    monkeypatch.setattr(made.vault.stores.records, "delete", _power_cut)
    with pytest.raises(KeyboardInterrupt):
        erasing.execute(token, plan.id, yes=True)
    monkeypatch.undo()
    erasing.execute(token, plan.id)
    (line,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="erase_done"))
    assert "erased=12" in str(line.detail)
    assert "orphans=4" in str(line.detail)


def test_a_lost_shelf_is_reported(made: Made) -> None:
    """Secrets whose shelf row is gone stop the purge with an integrity failure, not for ever."""
    plan = made.vault.erasing().plan(made.token("dpo"), as_of=LATER)
    sql(made, "keys", "DELETE FROM shelves WHERE purpose = 'record'")
    with pytest.raises(Tampered):
        made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)


def test_an_approval_ends_with_its_request(tmp_path: Path) -> None:
    """A yes given once is no yes for ever."""
    made = make_vault(tmp_path, sandbox=False)
    granting = made.vault.granting()
    dpo = granting.add_principal(made.identity, name="d", roles=("dpo",))
    approver = granting.add_principal(made.identity, name="a", roles=("approver",))
    plan = made.vault.erasing().plan(granting.issue(dpo, role="dpo", purpose="administration"))
    granting.approve(approver, plan.id)
    made.clock.advance(days=31)
    with pytest.raises(Denied) as refusal:
        made.vault.erasing().execute(granting.issue(dpo, role="dpo", purpose="administration"), plan.id)
    assert refusal.value.code == "approval_required"


def test_dates_that_are_none(made: Made) -> None:
    """A date that isn't one is refused by name, before anything is written."""
    with pytest.raises(Invalid) as refusal:
        made.vault.erasing().add_hold(
            made.token("dpo"), made.ids(ROWS[:1]), Hold(number="1", authority="x", until="soon")
        )
    assert refusal.value.field == "until"
    with pytest.raises(Invalid):
        made.vault.granting().set_contract(made.identity, party="p", starts="2026/1/1", ends=None)


def test_an_old_ledger_is_noticed_by_the_key_store(made: Made) -> None:
    """A ledger from before a purge, put back under a newer key store, is refused."""
    made.vault.close()
    old = (made.folder / "ledger.db").read_bytes()
    made = made.reopened()
    purge(made)
    made.vault.close()
    for path in made.folder.glob("ledger.db*"):
        path.unlink()
    (made.folder / "ledger.db").write_bytes(old)
    (made.folder / "keys/main.checkpoint").unlink()  # it would tell first
    restored = made.reopened()
    with pytest.raises(Tampered, match="ledger is behind"):
        restored.vault.erasing().holds(restored.token("dpo"))


def test_the_log_forgets_whom_in_its_own_time(made: Made) -> None:
    """Erased people's entries stay readable to the auditor until the log's own rule is over, then never."""
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    people = {subject for (subject,) in sql(made, "keys", "SELECT subject FROM subjects")}
    purge(made)

    def whom() -> set[str | None]:
        question = Question(kind="read", purpose="repayment_reminder")
        return {line.subject for line in made.vault.auditing().ask(made.token("auditor"), question)}

    assert len(whom()) == 4
    assert None not in whom()
    for years, known in ((4, True), (6, False)):
        made.clock.now = int(START.timestamp() * 1e6) + years * 366 * 86_400_000_000
        plan = made.vault.erasing().plan(made.token("dpo"))
        made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
        assert (None not in whom()) is known
    assert not people & {subject for (subject,) in sql(made, "keys", "SELECT subject FROM subjects")}
    made.vault.auditing().walk()


def test_the_living_keep_their_log_secret(made: Made) -> None:
    """Forgetting some spares those beside them on the shelf, and nobody who has a record left is closed."""
    hold = Hold(number="1", authority="法院", until="2050-01-01")
    made.vault.erasing().add_hold(made.token("dpo"), made.ids(ROWS[:1]), hold)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    purge(made)
    made.clock.advance(days=6 * 366)
    plan = made.vault.erasing().plan(made.token("dpo"))
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    question = Question(kind="read", purpose="repayment_reminder")
    lines = made.vault.auditing().ask(made.token("auditor"), question)
    assert sorted(line.record is not None for line in lines) == [False, False, False, True]
    assert made.vault.reading().read(made.token("legal"), made.ids(ROWS[:1])).items


def test_holds_by_external_id(made: Made) -> None:
    """A hold falls on the record that holds the number, or on none when the index was edited."""
    erasing, token = made.vault.erasing(), made.token("dpo")
    one, two, *_ = made.ids(ROWS)
    hold = Hold(number="1", authority="法院", until="2050-01-01")
    assert erasing.add_hold(token, [f"borrower:{ROWS[0]['客户编号']}", "borrower:none"], hold) == 1
    assert [h.record for h in erasing.holds(token)] == [one]
    for record, other in ((one, "x"), (two, one), ("x", two)):
        sql(made, "index", "UPDATE blind SET record = ? WHERE field = '@ref' AND record = ?", (other, record))
    with pytest.raises(Tampered):
        erasing.add_hold(token, [f"borrower:{ROWS[1]['客户编号']}"], hold)
    assert [h.record for h in erasing.holds(token)] == [one]


def test_two_runs_of_one_plan_certify_once(made: Made) -> None:
    """Run twice at once, a plan ends with one `erase_done` and one certificate; survivors open."""
    import threading

    hold = Hold(number="1", authority="法院", until="2050-01-01")
    made.vault.erasing().add_hold(made.token("dpo"), made.ids(ROWS[:1]), hold)
    token = made.token("dpo")
    plan = made.vault.erasing().plan(token, as_of=LATER)
    other = reopen(made)
    done: list[str] = []

    def run(room: Erasing) -> None:
        for _ in range(10):
            try:
                done.append(room.execute(token, plan.id, yes=True).certificate)
            except Unavailable:  # the other run holds a store open: the remedy is to run it again
                continue
            return

    rooms = (made.vault.erasing(), other.vault.erasing())
    threads = [threading.Thread(target=run, args=(room,)) for room in rooms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(done)) == 1
    assert len(done) == 2
    ends = made.vault.auditing().ask(made.token("auditor"), Question(kind="erase_done"))
    assert len(ends) == 1
    other.vault.close()
    fresh = made.reopened()
    assert fresh.vault.reading().read(fresh.token("legal"), fresh.ids(ROWS[:1])).items


def test_holds_say_what_they_did(made: Made) -> None:
    """A hold of the same number takes the other's place; releasing one nobody placed releases none."""
    erasing, token, ids = made.vault.erasing(), made.token("dpo"), made.ids(ROWS[:1])
    for until in ("2030-01-01", "2031-01-01"):
        erasing.add_hold(token, ids, Hold(number="1", authority="法院", until=until))
    assert [h.until for h in erasing.holds(token)] == ["2031-01-01"]
    size = made.size()
    assert erasing.release_hold(token, ids, "2") == 0
    assert made.size() == size
    with pytest.raises(Invalid):
        erasing.add_hold(token, ids, Hold(number="3", authority="法院", until="2026-03-15"))
