"""Disclosing: an audit gives one auditor what it covers, while it lasts, checkable against the tree."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bodieskit import check
from cryptography.exceptions import InvalidTag
from kit import Made, borrowers, canaries, leaks, make_vault, sql

from vault.auditing import Question, Scope, Wanted
from vault.config import Stores
from vault.errors import Denied, Invalid, NotFound, Tampered, VaultError
from vault.ledger import checkpoint
from vault.ledger.registry import Audit
from vault.model import Happening, Who, Whom

ROWS = borrowers(3)
PLAIN = Wanted(plain=True)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A sandbox with three borrowers, read."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    return made


def audit(made: Made, **scope: Any) -> Audit:
    """An audit of the first principal's, to the month's end."""
    return made.vault.auditing().open_audit(
        made.identity, made.identity.principal, Scope(**({"ends": "2026-03-31"} | scope)), "年度审计"
    )


def exported(
    made: Made, wanted: Wanted, key: Path | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A bodies file and the tiles it is checked against, by somebody who has nothing else."""
    room = made.vault.auditing()
    room.export_bodies(made.token("auditor"), made.outside / "b.jsonl", wanted)
    room.export(made.token("auditor"), made.outside / "tiles")
    return check(made.outside / "tiles", made.outside / "b.jsonl", key)


def key_of(made: Made, found: Audit) -> Path:
    """The audit's key file."""
    path = made.outside / f"{found.id}.key"
    path.write_bytes(msgspec.json.encode(made.vault.auditing().audit_key(made.token("auditor"), found.id)))
    return path


def test_every_entry_opens_against_the_tree(made: Made) -> None:
    """In clear: who and whom of all entries, the export's own the first that is left out."""
    token, size = made.token("auditor"), made.size()
    head = made.vault.auditing().export_bodies(token, made.outside / "b.jsonl", PLAIN)
    assert (head.first, head.last, head.size, head.sealed, head.audit) == (0, size, size, False, "")
    made.vault.auditing().export(made.token("auditor"), made.outside / "tiles")
    _, lines = check(made.outside / "tiles", made.outside / "b.jsonl")
    reads = [line for line in lines if '"role":"collector"' in line["who"] and '"clear"' in line["who"]]
    seen = {json.loads(line["whom"])["record"] for line in reads} - {""}
    assert seen == set(made.ids(ROWS))
    (entry,) = made.vault.auditing().ask(made.token("auditor"), Question(kind="export", limit=1))
    assert entry.detail == f"bodies 0-{size} both plain"
    assert not leaks((made.outside / "b.jsonl").read_bytes(), canaries(ROWS) - {r["案件编号"] for r in ROWS})


@pytest.mark.parametrize("side", ["who", "whom"])
def test_one_side_without_the_other(made: Made, side: str) -> None:
    """The other side stands as digests alone, and everything still proves itself."""
    head, lines = exported(made, Wanted(plain=True, disclose=side))
    other = {"who": "whom", "whom": "who"}[side]
    assert head["disclose"] == side
    assert all(line[side] and line[f"{other}_digest"] for line in lines)
    assert {line[other] for line in lines} == {line[f"{other}_salt"] for line in lines} == {None}


def test_a_file_for_an_audit_opens_with_its_key_alone(made: Made) -> None:
    """Sealed lines tell their index; the audit's key opens them, another audit's doesn't."""
    one, two = audit(made), audit(made)
    head, lines = exported(made, Wanted(audit=one.id), key_of(made, one))
    assert (head["audit"], head["sealed"], len(lines)) == (one.id, True, head["size"])
    data = (made.outside / "b.jsonl").read_bytes()
    assert b"collector" not in data
    with pytest.raises(InvalidTag):
        check(made.outside / "tiles", made.outside / "b.jsonl", key_of(made, two))


def test_an_audit_has_its_range(made: Made) -> None:
    """Entries from `since` on and before `until`, and of them what it may be given."""
    start = made.clock()
    made.clock.advance(hours=1)
    made.vault.reading().read(made.token("legal"), made.ids(ROWS))
    until = made.clock() + 1
    made.clock.advance(hours=1)
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    found = audit(made, since=start + 1, until=until, disclose="who")
    head, lines = exported(made, Wanted(audit=found.id), key_of(made, found))
    assert head["disclose"] == "who"
    assert {line["whom"] for line in lines} == {None}
    assert [json.loads(line["who"])["role"] for line in lines] == ["legal"] * 4  # a token and three reads
    for more in ("whom", "both"):
        with pytest.raises(Denied):
            exported(made, Wanted(audit=found.id, disclose=more))
    later = audit(made, since=made.clock() + 1)
    head, lines = exported(made, Wanted(audit=later.id), key_of(made, later))
    assert (lines, head["first"]) == ([], head["size"])


@pytest.mark.parametrize("end", ["closed", "over"])
def test_after_its_end_nothing_is_given_out(made: Made, end: str) -> None:
    """Neither key nor file, whoever asks; each refusal is an entry. What was handed out still opens."""
    found = audit(made)
    key = key_of(made, found)
    exported(made, Wanted(audit=found.id), key)
    if end == "closed":
        assert made.vault.auditing().close_audit(made.identity, found.id).closed == made.clock()
    else:
        made.clock.advance(days=16)  # the last day is the 31st
    made.token("auditor")
    with pytest.raises(Denied):
        key_of(made, found)
    with pytest.raises(Denied):
        made.vault.auditing().export_bodies(
            made.token("auditor"), made.outside / "new.jsonl", Wanted(audit=found.id)
        )
    assert not (made.outside / "new.jsonl").exists()
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="deny"))
    assert [line.reason for line in lines] == ["purpose_denied"] * 2
    check(made.outside / "tiles", made.outside / "b.jsonl", key)


def test_the_last_day_is_a_day_of_the_audit(made: Made) -> None:
    """To its last minute in Asia/Shanghai the key is given out."""
    found = audit(made)
    made.clock.advance(days=15, hours=13, minutes=59)
    key_of(made, found)
    made.clock.advance(minutes=1)
    with pytest.raises(Denied):
        key_of(made, found)


def test_every_act_is_an_entry(made: Made) -> None:
    """Opening, the key, the list, closing: each with who did it."""
    found = audit(made)
    key_of(made, found)
    room = made.vault.auditing()
    assert room.audits(made.identity) == [found]
    room.close_audit(made.identity, found.id)
    told = [
        (line.kind, line.detail)
        for line in room.ask(made.token("auditor"), Question())
        if line.detail and line.detail.startswith("audit")
    ]
    assert told == [
        ("config", f"audit open {found.id} for {found.principal} both until 2026-03-31"),
        ("key", f"audit key {found.id}"),
        ("search", "audit list"),
        ("config", f"audit close {found.id}"),
    ]


def test_closing_again_keeps_the_first_instant(made: Made) -> None:
    """When it ended doesn't move."""
    found, room = audit(made), made.vault.auditing()
    first = room.close_audit(made.identity, found.id).closed
    made.clock.advance(hours=1)
    assert room.close_audit(made.identity, found.id).closed == first


def test_nobody_opens_an_audit_for_themselves(tmp_path: Path) -> None:
    """Outside a sandbox an admin opens it for another, whose key the admin isn't given."""
    made = make_vault(tmp_path, sandbox=False)
    room, granting = made.vault.auditing(), made.vault.granting()
    auditor = granting.add_principal(made.identity, name="auditor", roles=("auditor",))
    second = granting.add_principal(made.identity, name="second", roles=("auditor",))
    with pytest.raises(Denied, match="themselves"):
        room.open_audit(made.identity, made.identity.principal, Scope(ends="2026-04-01"), "x")
    with pytest.raises(Denied):
        room.open_audit(auditor, second.principal, Scope(ends="2026-04-01"), "x")
    found = room.open_audit(made.identity, auditor.principal, Scope(ends="2026-04-01"), "x")
    with pytest.raises(Denied, match="another principal"):
        room.audit_key(granting.issue(second, role="auditor", purpose="audit"), found.id)
    given = room.audit_key(granting.issue(auditor, role="auditor", purpose="audit"), found.id)
    assert (given.audit, given.ends) == (found.id, "2026-04-01")
    granting.disable(made.identity, second.principal)
    with pytest.raises(Invalid):
        room.open_audit(made.identity, second.principal, Scope(ends="2026-04-01"), "x")


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        ({"ends": "2026-03-15"}, "ends"),
        ({"ends": "soon"}, "ends"),
        ({"since": 5, "until": 5}, "until"),
        ({"disclose": "all"}, "disclose"),
    ],
)
def test_an_audit_that_makes_no_sense_is_refused(made: Made, scope: dict[str, Any], field: str) -> None:
    """Each slip names its field, before anything is entered."""
    size = made.size()
    with pytest.raises(Invalid) as caught:
        audit(made, **scope)
    assert caught.value.field == field
    assert made.size() == size


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(audit="au-none", plain=True),
        Wanted(plain=True, disclose="all"),
        Wanted(audit="au-none", since=1),
    ],
)
def test_a_file_is_asked_for_in_so_many_words(made: Made, wanted: Wanted) -> None:
    """Neither sealed nor in clear by omission."""
    with pytest.raises(Invalid):
        made.vault.auditing().export_bodies(made.token("auditor"), made.outside / "b.jsonl", wanted)


def test_only_auditors_are_given_entries(made: Made) -> None:
    """A token that may not audit gets neither key nor file; an audit that isn't there is none."""
    room, found = made.vault.auditing(), audit(made)
    for role in ("collector", "legal", "importer"):
        with pytest.raises(VaultError):
            room.export_bodies(made.token(role), made.outside / "b.jsonl", PLAIN)
        with pytest.raises(VaultError):
            room.audit_key(made.token(role), found.id)
    with pytest.raises(NotFound):
        room.audit_key(made.token("auditor"), "au-none")
    assert not (made.outside / "b.jsonl").exists()


def test_the_whom_of_the_forgotten_is_withheld(made: Made) -> None:
    """When a subject's log secret has died, the line has its digest alone, and still proves itself."""
    reads = [i for (i,) in sql(made, "ledger", "SELECT idx FROM entries WHERE kind = 'read'")]

    def purge(on: date | None) -> None:
        plan = made.vault.erasing().plan(made.token("dpo"), as_of=on)
        made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)

    purge(date(2032, 1, 1))
    _, lines = exported(made, PLAIN)
    assert all(lines[i]["whom"] for i in reads)
    made.clock.advance(days=6 * 366)
    purge(None)
    _, lines = exported(made, PLAIN)
    assert all(lines[i]["whom"] is None and lines[i]["who"] for i in reads)
    assert lines[0]["whom"]


def test_what_retention_let_go_is_left_out(made: Made) -> None:
    """A file begins where entries are, whoms are gone with their bodies, samples say what has no line."""
    one = Happening(kind="search", who=Who(actor="p-1", role="auditor", purpose="audit"), whom=Whom())
    made.vault.tenancy().journal.log(*[one] * 600)
    room = made.vault.auditing()
    old, later, early = room.checkpoint(), room.receipt(600), room.receipt(3)
    made.clock.advance(days=5 * 366)
    due = room.prune(made.token("dpo"), entries=True)
    head, lines = exported(made, PLAIN)
    assert (head["first"], due.entries) == (512, 512)
    assert {line["whom"] is None for line in lines[: due.bodies - 512]} == {True}
    assert {line["whom"] is None for line in lines[due.bodies - 512 :]} == {False}
    assert exported(made, Wanted(plain=True, until=1))[1] == []
    drawn = room.sample(made.token("auditor"), old, 20)
    assert drawn.gone == [i for i in drawn.strata[0].indices if i < 512] != []
    assert [line.index for line in drawn.lines] == [i for i in drawn.strata[0].indices if i >= 512]
    (part,) = (p for p in room.sample(made.token("auditor"), old, 5, "role").strata if "auditor" in p.name)
    assert all(index >= 512 for index in part.indices)
    assert room.refresh(later)
    with pytest.raises(NotFound, match="older"):
        room.refresh(early)
    seed = checkpoint.sign(
        checkpoint.Checkpoint(origin=head["origin"], size=7, root=bytes(32)), made.vault.tenancy().keys.log
    )
    with pytest.raises(NotFound, match="older"):
        room.sample(made.token("auditor"), seed, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET purpose = 'audit' WHERE idx = 5",
        "UPDATE entries SET whom_digest = zeroblob(32) WHERE idx = 5",
        "UPDATE entries SET whom_digest = x'' WHERE idx = 5",
        "UPDATE entries SET who_salt = x'' WHERE idx = 5",
        "UPDATE entries SET masked = -1 WHERE idx = 5",
        "DELETE FROM entries WHERE idx = 5",
    ],
)
def test_what_was_edited_is_not_exported(made: Made, statement: str) -> None:
    """The entry at fault is named, and no file is left behind."""
    token = made.token("auditor")
    sql(made, "ledger", statement)
    with pytest.raises(Tampered) as caught:
        made.vault.auditing().export_bodies(token, made.outside / "b.jsonl", PLAIN)
    assert caught.value.index == 5
    assert list(made.outside.glob("b.jsonl*")) == []


def test_long_logs_come_page_by_page(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the page, the same lines; progress ends at the whole."""
    token = made.token("auditor")
    told: list[tuple[int, int]] = []
    monkeypatch.setattr("vault.disclosing.PAGE", 3)
    head = made.vault.auditing().export_bodies(
        token, made.outside / "b.jsonl", PLAIN, lambda done, total: told.append((done, total))
    )
    assert told[0] == (3, head.size)
    assert told[-1] == (head.size, head.size)
    made.vault.auditing().export(made.token("auditor"), made.outside / "tiles")
    check(made.outside / "tiles", made.outside / "b.jsonl")


def test_on_postgresql(tmp_path: Path, pg: Callable[[], str]) -> None:
    """An audit, its key and its file, a receipt and a sample: the same on the other engine."""
    made = make_vault(tmp_path, stores=Stores(records=pg(), index=pg(), keys=pg(), ledger=pg()))
    made.load(ROWS[:1])
    made.vault.reading().read(made.token("collector"), made.ids(ROWS[:1]))
    found, room = audit(made), made.vault.auditing()
    head, lines = exported(made, Wanted(audit=found.id), key_of(made, found))
    assert len(lines) == head["size"]
    drawn = room.sample(made.token("auditor"), room.checkpoint(), 2, "role")
    assert {part.name for part in drawn.strata} >= {"role=collector", "role=importer"}
    assert room.refresh(room.receipt(1)).startswith("c2sp.org/tlog-proof@v1\nextra ")
    made.vault.close()
