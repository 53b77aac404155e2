"""Resealing: a schema put in force changes every record that it must, and erases what retires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, make_vault, reopen, shown, sql, values
from schemakit import (
    DARKER,
    OPENED,
    UNFOUND,
    VEHICLE,
    WECHAT,
    applied,
    granted,
    opening,
    own,
    payloads,
    without,
)

from vault import resealing
from vault.auditing import Question
from vault.config import Stores
from vault.errors import ConfigError, Denied, Invalid, Unavailable
from vault.ledger.registry import SchemaInForce
from vault.model import Draft, Hold
from vault.remembering import Memory
from vault.retention.planner import due

ROWS = borrowers(3)
EMAILS = [row["电子邮箱"].encode() for row in ROWS]
RETIRE = own(retired=["borrower.email"])
HOLD = Hold(number="H-1", authority="法院", until="2050-01-01")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Three borrowers, the first corrected once, under a policy that names no e-mail address."""
    made = make_vault(tmp_path)
    without(made, "email")
    made = made.reopened()
    made.load(ROWS)
    made.clock.advance(days=1)
    correct(made, residence="浙江省杭州市西湖区新街1号")
    yield made
    made.vault.close()


def correct(made: Made, **changes: str | None) -> None:
    """Correct the first borrower."""
    token = made.token("dpo", "subject_request")
    made.vault.amending().correct(token, made.ids(ROWS)[0], changes, reason="letter 7")


def seen(made: Made, record: str, as_of: int | None = None) -> dict[str, object]:
    """A borrower as the data protection officer sees them for their own request."""
    token = made.token("dpo", "subject_request")
    return values(shown(made.vault.reading().read(token, [record], as_of=as_of)))


def state(made: Made) -> SchemaInForce:
    """The row of the schema in force."""
    return made.vault.tenancy().journal.registry().get(SchemaInForce, "schema")


# --- what is added ----------------------------------------------------------------------------------------


def test_an_own_field_is_imported_read_and_found(made: Made) -> None:
    """A column under its title is stored; clear to whom policy shows it, found by value, nobody else's."""
    made, done = applied(made, own(WECHAT, VEHICLE))
    assert (done.resealed, [c.what for c in done.changes]) == (0, ["field_added", "kind_added"])
    made = granted(made)
    rows = [row | {"微信号": f"wx-canary-{n}"} for n, row in enumerate(ROWS)]
    assert made.load(rows).stored["borrower"] == 3
    assert made.load(rows).unchanged == 9
    legal, (first, *_) = made.token("legal"), made.ids(ROWS)
    found = made.vault.reading().find(legal, field="x_wechat", value="wx-canary-0")
    assert [item.record for item in found.items] == [first]
    assert values(shown(found))["x_wechat"] == "wx-canary-0"
    shown_to = made.vault.reading().read(made.token("collector"), [first]).items[0].fields["x_wechat"]
    assert (shown_to.view, shown_to.value) == ("HIDDEN", None)
    lines = made.vault.auditing().ask(made.token("auditor"), Question(field="borrower.x_wechat"))
    assert [line.fields["x_wechat"] for line in lines] == ["CLEAR"]


def test_an_own_kind_is_imported_written_listed_and_kept_like_its_model(made: Made) -> None:
    """`--kind x_vehicle`, a direct write, a listing by an open field, and the model's rules."""
    made, _ = applied(made, own(VEHICLE, WECHAT))
    made = granted(made)
    rows = [
        {"车辆编号": f"V-{n}", "案件编号": ROWS[n]["案件编号"], "车牌号": f"浙A{n}0001", "颜色": "白"}
        for n in range(3)
    ]
    assert made.load(rows, kind="x_vehicle").stored == {"x_vehicle": 3}
    assert made.load(rows, kind="x_vehicle").unchanged == 3
    draft = Draft(
        kind="x_vehicle", ref="V-9", row=1, anchors={"imported_on": "2026-03-16"},
        cases=(ROWS[0]["案件编号"],),
        values={"vehicle_no": "V-9", "case_number": ROWS[0]["案件编号"], "plate": "浙B90009", "colour": "黑"},
    )  # fmt: skip
    made.vault.writing().write(made.token("dpo", "subject_request"), [draft])
    legal, room = made.token("legal"), made.vault.reading()
    assert len(room.list_records(legal, kind="x_vehicle", where="colour=白").items) == 3
    item = shown(room.find(legal, kind="x_vehicle", field="plate", value="浙B90009"))
    assert (item.ref, values(item)["colour"]) == ("V-9", "黑")
    t = made.vault.tenancy()
    held = t.keeping.fetch([item.record])[item.record]
    assert held.row.subject == t.keeping.fetch(made.ids(ROWS))[made.ids(ROWS)[0]].row.subject
    assert due("x_vehicle", held.facts, {}, "agency", t.rules) == due(
        "contact_attempt", held.facts, {}, "agency", t.rules
    )
    plan = made.vault.erasing().plan(made.token("dpo"))
    assert sum(plan.counts.values()) == t.stores.records.count("main")


def test_a_kind_that_nobody_added_is_imported_by_nobody(made: Made) -> None:
    """Without the own file there is no such layout."""
    with pytest.raises(Invalid, match="no import for this kind"):
        made.load([{"车辆编号": "V-1"}], kind="x_vehicle")


# --- what is taken away -----------------------------------------------------------------------------------


def test_nothing_of_a_retired_field_opens(made: Made) -> None:
    """No payload, old or new, opens to it under any secret left; all else is as it was; the log remembers."""
    before, (first, *_) = payloads(made), made.ids(ROWS)
    assert all(email in opening(made, before) for email in EMAILS)
    was = seen(made, first)
    lines = len(made.vault.auditing().ask(made.token("auditor"), Question(field="borrower.phone")))
    made, done = applied(made, RETIRE)
    assert (done.resealed, done.held, done.damaged) == (3, 0, 0)
    assert [(c.what, c.field, c.records) for c in done.changes] == [("field_retired", "email", 3)]
    left = opening(made, [*before, *payloads(made)])
    assert not [email for email in EMAILS if email in left or email[:1] + b"***@" in left]
    assert all(row["手机"].encode() in left for row in ROWS)
    now = seen(made, first)
    assert now == {name: value for name, value in was.items() if name != "email"}
    audit = made.vault.auditing()
    assert len(audit.ask(made.token("auditor"), Question(field="borrower.phone"))) == lines + 1
    assert audit.ask(made.token("auditor"), Question(field="borrower.email")) == []  # no role ever saw it
    audit.walk()


def test_after_a_retirement_the_same_file_changes_nothing(made: Made) -> None:
    """The retired column is unknown and not stored; each record is what it was."""
    made.load(ROWS)
    made, _ = applied(made, RETIRE)
    again = made.load(ROWS)
    assert (again.stored, again.unchanged, again.unknown) == ({}, 9, ["电子邮箱"])
    with pytest.raises(Invalid, match="no such field"):
        correct(made, email="new@example.com")


def test_what_was_corrected_away_stays_remembered(made: Made) -> None:
    """The source's old values are no news afterwards either; notes of a retired field go with it."""
    correct(made, email="right@example.com")
    ids = made.ids(ROWS[:1])
    for row in ROWS[:1]:
        assert "borrower" not in made.load([row]).stored
    made, _ = applied(made, RETIRE)
    assert "borrower" not in made.load(ROWS).stored
    assert seen(made, ids[0])["residence"] == "浙江省杭州市西湖区新街1号"
    t = made.vault.tenancy()
    assert Memory(t).notes(t.keeping.fetch(ids)[ids[0]]).keys() == {"residence"}


def test_a_replaced_version_loses_the_field_too(made: Made) -> None:
    """What stood before can still be read for a dispute, without what retired."""
    (first, *_), day = made.ids(ROWS), 86_400_000_000
    made, _ = applied(made, RETIRE)
    assert seen(made, first)["residence"] == "浙江省杭州市西湖区新街1号"
    old = seen(made, first, made.clock.now - day // 2)
    assert (old["residence"], "email" in old) == (ROWS[0]["现住址"], False)
    made, done = applied(made, own(DARKER, retired=["borrower.email"]))
    assert done.resealed == 3
    assert seen(made, first, made.clock.now - day // 2) == old


def test_a_held_record_keeps_its_retired_field_until_the_hold_ends(made: Made) -> None:
    """Counted, shown to nobody, stricter masks applied all the same; gone at the next run after release."""
    (first, *_), dpo = made.ids(ROWS), made.token("dpo")
    made.vault.erasing().add_hold(dpo, [first], HOLD)
    made, done = applied(made, own(DARKER, retired=["borrower.email"]))
    assert (done.resealed, done.held, state(made).waiting) == (3, 1, ("borrower",))
    left = opening(made, payloads(made))
    assert [email in left for email in EMAILS] == [True, False, False]
    assert b"@example.com" not in masked(made)
    assert ROWS[0]["单位名称"][:2].encode() not in masked(made)
    assert "email" not in seen(made, first)
    assert "borrower" not in made.load(ROWS[1:]).stored
    made, done = applied(made, None)
    assert (done.resealed, done.held) == (0, 1)
    correct(made, phone="13911112222")  # what it held before is past, and on hold with it
    assert EMAILS[0] in opening(made, payloads(made))
    made.vault.erasing().release_hold(made.token("dpo"), [first], "H-1")
    made, done = applied(made, None)
    assert (done.resealed, done.held, state(made).waiting) == (1, 0, ())
    assert EMAILS[0] not in opening(made, payloads(made))


def masked(made: Made) -> bytes:
    """All that opens of the masked compartment."""
    return opening(made, [row for row in payloads(made) if row.compartment == "masked"])


def test_restricted_records_are_sealed_anew_too(made: Made) -> None:
    """Storage and protection go on (PIPL 47 ¶2): the state stays, the field goes."""
    t = made.vault.tenancy()
    (held,) = t.keeping.fetch(made.ids(ROWS[:1])).values()
    t.keeping.set_facts([(held, msgspec.structs.replace(held.facts, state="RESTRICTED"))])
    made, done = applied(made, RETIRE)
    assert done.resealed == 3
    (after,) = made.vault.tenancy().keeping.fetch(made.ids(ROWS[:1])).values()
    assert (after.facts.state, after.facts.since) == ("RESTRICTED", held.facts.since)
    assert EMAILS[0] not in opening(made, payloads(made))


# --- what shows less, finds less, tells more --------------------------------------------------------------


def test_a_darker_mask_holds_for_every_record(made: Made) -> None:
    """What the masked compartment holds is the new mask's, in every version; the old one opens no more."""
    before, (first, *_) = payloads(made), made.ids(ROWS)
    assert "金丝***".encode() in masked(made)
    made, done = applied(made, own(DARKER))
    assert done.resealed == 3
    assert "金丝***".encode() not in opening(made, [*before, *payloads(made)])
    assert len({(row.record, row.version) for row in payloads(made) if row.record == first}) == 2
    assert "borrower" not in made.load(ROWS[1:]).stored
    made, done = applied(made, own())
    assert (done.resealed, done.changes[0].widening) == (3, True)
    assert "金丝***".encode() in masked(made)


def test_a_field_that_is_indexed_no_more_finds_nothing(made: Made) -> None:
    """Its rows leave the index, and come back with it; while the policy searches it, it can't be."""
    made, _ = applied(made, own(WECHAT))
    made.load([row | {"微信号": f"wx-canary-{n}"} for n, row in enumerate(ROWS)])
    find = "SELECT count(*) FROM blind WHERE kind='borrower' AND field='x_wechat'"
    for indexed in (False, True):
        assert sql(made, "index", find) == [(0 if indexed else 3,)]
        text = own(WECHAT.replace("indexed = true", f"indexed = {str(indexed).lower()}"))
        made, done = applied(made, text)
        assert (done.resealed, done.changes[0].widening) == (3, indexed)
    assert sql(made, "index", find) == [(3,)]
    with pytest.raises(ConfigError, match="'phone' is not known"):
        made.vault.resealing(own(WECHAT, UNFOUND))


def test_a_field_that_opens_is_listed_by(made: Made) -> None:
    """An open attribute is derived for every record that is there."""
    made.load([row | {"期限": "12期"} for row in ROWS])
    with pytest.raises(Invalid):
        made.vault.reading().list_records(made.token("legal"), kind="loan", where="term=P12M")
    made, done = applied(made, own(OPENED))
    assert [(c.what, c.widening, c.records) for c in done.changes] == [("open", True, 3)]
    legal = made.token("legal")
    found = made.vault.reading().list_records(legal, kind="loan", where="term=P12M")
    assert len(found.items) == 3


# --- what is in force -------------------------------------------------------------------------------------


def test_a_file_that_was_not_applied_serves_nothing(made: Made) -> None:
    """Rooms of data stay shut and say how; tokens and the log still work; with the file gone all is well."""
    path = made.folder / "schema.toml"
    path.write_text(own(WECHAT), "utf-8")
    made = made.reopened()
    for room in (made.vault.reading, made.vault.writing, made.vault.amending, made.vault.erasing):
        with pytest.raises(ConfigError, match="not the one applied") as caught:
            room()
        assert "cvault schema apply" in (caught.value.remedy or "")
    made.vault.auditing().verify(made.token("auditor"))
    path.unlink()
    made = made.reopened()
    assert len(made.vault.reading().read(made.token("collector"), made.ids(ROWS)).items) == 3


def test_a_change_that_is_interrupted_goes_on(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-way nothing is served and no other schema begins; the next run, without a file, does the rest."""
    monkeypatch.setattr(resealing, "PAGE", 2)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.vault.resealing(RETIRE).apply(made.token("admin"), stop)
    sleeping = made.vault.resealing(RETIRE)
    made = made.reopened()
    assert (state(made).state, state(made).waiting) == ("applying", ("borrower",))
    with pytest.raises(ConfigError, match="is being applied"):
        made.vault.reading()
    with pytest.raises(ConfigError, match="half applied"):
        made.vault.resealing(own(DARKER)).apply(made.token("admin"))
    seen: list[tuple[int, int]] = []
    done = made.vault.resealing().apply(made.token("admin"), lambda *at: seen.append(at))
    made = made.reopened()
    assert (0 < done.resealed <= 3, seen[-1]) == (True, (9, 9))
    left = opening(made, payloads(made))
    assert not [email for email in EMAILS if email in left]
    with pytest.raises(Unavailable, match="another run"):
        sleeping._walk({"borrower"}, None)


def test_a_node_that_runs_on_is_stopped(made: Made) -> None:
    """A vault opened before serves and writes nothing more under the old schema."""
    other, token = reopen(made), made.token("collector")
    assert other.vault.reading().read(token, made.ids(ROWS)).items
    before, importer = made.size(), made.token("importer")
    done = made.vault.resealing(own(WECHAT)).apply(made.token("admin"))
    assert done.resealed == 0
    with pytest.raises(ConfigError, match="not the one applied"):
        other.vault.reading().read(token, made.ids(ROWS))
    with pytest.raises(ConfigError, match="not the one applied"):
        other.vault.writing().import_file(
            importer, made.file(ROWS), kind="borrower", report=made.folder / "r"
        )
    other.vault.close()
    assert made.reopened().size() == before + 4  # two tokens, begun, done


def test_only_an_admin_changes_the_schema(made: Made) -> None:
    """Another role is refused, and nothing begins; both ends are entries of kind `config`."""
    with pytest.raises(Denied):
        made.vault.resealing(RETIRE).apply(made.token("dpo"))
    assert state(made).state == "applied"
    assert not (made.folder / "schema.toml").exists()
    made, _ = applied(made, RETIRE)
    lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="config"))
    words = [str(line.detail).split() for line in lines]
    assert [word[:2] for word in words] == [["schema", "begin"], ["schema", "done"]]
    assert words[0][3:] == ["kinds=borrower"]
    assert words[1][3:] == ["resealed=3", "held=0", "damaged=0"]


def test_the_policy_goes_first(tmp_path: Path) -> None:
    """A policy that still names a retired field stops the change before it begins."""
    made = make_vault(tmp_path)
    with pytest.raises(ConfigError, match="email"):
        made.vault.resealing(RETIRE)
    made.vault.close()


def test_what_retired_is_for_ever(made: Made) -> None:
    """A retired field comes back under no file, nor does its number; nor does a field or kind just vanish."""
    made, _ = applied(made, own(WECHAT, VEHICLE))
    for text, said in (
        (own(VEHICLE), "x_wechat: is gone"),
        (own(WECHAT), "x_vehicle: is gone"),
        (own(WECHAT.replace("number = 40", "number = 41"), VEHICLE), "another number"),
        (own(WECHAT.replace('"contact"', '"identity"'), VEHICLE), "compartment than before"),
    ):
        with pytest.raises(ConfigError, match=said):
            made.vault.resealing(text).diff()
    made, _ = applied(made, own(WECHAT, VEHICLE, retired=["borrower.x_wechat", "borrower.email"]))
    for text in (own(WECHAT, VEHICLE), own(WECHAT, VEHICLE, retired=["borrower.x_wechat"])):
        with pytest.raises(ConfigError, match="is for ever"):
            made.vault.resealing(text).diff()
    assert state(made).retired == {"borrower": {"x_wechat": 40, "email": 4}}


def test_a_change_is_told_before_it_is_made(made: Made) -> None:
    """`diff` names each change and the records it seals anew, and changes nothing."""
    before = made.size()
    found = made.vault.resealing(own(WECHAT, VEHICLE, DARKER, OPENED, retired=["borrower.email"])).diff()
    assert {(c.kind, c.field, c.what, c.records) for c in found} == {
        ("borrower", "x_wechat", "field_added", 0), ("x_vehicle", "", "kind_added", 0),
        ("borrower", "employer", "mask", 3), ("borrower", "email", "field_retired", 3),
        ("loan", "term", "open", 3),
    }  # fmt: skip
    assert made.size() == before
    assert made.vault.resealing().diff() == []


def test_a_damaged_record_keeps_back_no_other(made: Made) -> None:
    """It is counted and stays as it was; the others are carried over, and the vault serves again."""
    (first, *_) = made.ids(ROWS)
    sql(made, "records", "DELETE FROM payloads WHERE compartment='account' AND record=?", [first])
    made, done = applied(made, RETIRE)
    assert (done.resealed, done.damaged, state(made).waiting) == (2, 1, ("borrower",))
    assert len(made.vault.reading().read(made.token("collector"), made.ids(ROWS)).items) == 3


def test_a_tenant_is_carried_over_apart(tmp_path: Path) -> None:
    """The file is the vault's, the records a tenant's: the other one waits until it is applied there."""
    made = make_vault(tmp_path, tenants=["second"])
    made.load(ROWS)
    made.load(ROWS, tenant="second")
    made, done = applied(made, own(DARKER))
    assert done.resealed == 3
    with pytest.raises(ConfigError, match="not the one applied"):
        made.vault.reading("second")
    token = made.token("admin", tenant="second")
    assert made.vault.resealing(tenant="second").apply(token).resealed == 3
    made = made.reopened()
    made.vault.reading("second")
    made.others["third"] = made.vault.add_tenant(made.identity, "third")
    assert made.load(ROWS, tenant="third").stored["borrower"] == 3
    made.vault.close()


def test_on_postgresql(tmp_path: Path, pg: Callable[[], str]) -> None:
    """The same on four databases: replaced versions, a held record, and nothing left that opens."""
    made = make_vault(tmp_path, stores=Stores(records=pg(), index=pg(), keys=pg(), ledger=pg()))
    without(made, "email")
    made = made.reopened()
    made.load(ROWS)
    made.clock.advance(days=1)
    for street in ("新街1号", "新街2号", "新街3号"):
        correct(made, residence=f"浙江省杭州市西湖区{street}")
        made.clock.advance(days=1)
    made.vault.erasing().add_hold(made.token("dpo"), made.ids(ROWS[1:2]), HOLD)
    before = payloads(made)
    made, done = applied(made, own(WECHAT, DARKER, retired=["borrower.email"]))
    assert (done.resealed, done.held) == (3, 1)
    left = opening(made, [*before, *payloads(made)])
    assert [email in left for email in EMAILS] == [False, True, False]
    (first, *_) = made.ids(ROWS)
    assert seen(made, first, made.clock.now - 86_400_000_000 * 2)["residence"] == "浙江省杭州市西湖区新街2号"
    assert "borrower" not in made.load(ROWS[1:]).stored
    made.vault.close()


def test_what_a_release_adds_is_entered_once(made: Made) -> None:
    """A field that the row doesn't know needs no migration; one that an older release lacks stays known."""
    row = state(made)
    less = {name: one for name, one in row.kinds["borrower"].items() if name != "email"}
    with made.vault.tenancy().journal.page() as page:
        page.put(msgspec.structs.replace(row, kinds=row.kinds | {"borrower": less}))
    made, ids = made.reopened(), made.ids(ROWS)
    before = made.size()
    for _ in range(2):
        made.vault.reading().read(made.token("collector"), ids[:1])
        made = made.reopened()
    assert (made.size(), state(made).kinds) == (before + 5, row.kinds)
    more = row.kinds["borrower"] | {"later": less["name"]}
    with made.vault.tenancy().journal.page() as page:
        page.put(msgspec.structs.replace(row, kinds=row.kinds | {"borrower": more}))
    made = made.reopened()
    made.vault.reading().read(made.token("collector"), ids[:1])
    assert state(made).kinds["borrower"] == more


def test_a_vault_from_before_takes_up_what_ships(made: Made) -> None:
    """Without a row for it, the shipped schema stands, is entered once, and the next change reseals."""
    t = made.vault.tenancy()
    with t.journal.page() as page:
        page.drop(SchemaInForce, "schema")
    made = made.reopened()
    before = made.size()
    made.vault.reading().read(made.token("collector"), made.ids(ROWS))
    assert made.size() == before + 5  # the schema, the token, three records
    assert state(made).own == ""
    assert state(made).kinds["borrower"]["email"].compartment == "contact"
    made, done = applied(made, RETIRE)
    assert done.resealed == 3
