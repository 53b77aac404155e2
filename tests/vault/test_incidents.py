"""Incidents: their clocks, and whom a breach touched, told from the log alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import msgspec
import pytest
from kit import Made, borrowers, canaries, leaks, make_vault

from vault.auditing import Breach, Line, Question
from vault.config import SHANGHAI, Stores, iso
from vault.errors import Denied, Invalid, NotFound
from vault.incidents import clocks, running
from vault.ledger.registry import Incident

ROWS = borrowers(6)
HOUR = 3_600_000_000
MINUTE = HOUR // 60


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """Six borrowers, on either engine."""
    stores = None
    if request.param == "postgresql":
        pg: Callable[[], str] = request.getfixturevalue("pg")
        stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    yield made
    made.vault.close()


def overdue(row: Incident, now: int) -> set[str]:
    """The clocks whose time is up."""
    return {one.clock.id for one in running(row, now) if one.overdue}


def test_clocks_run_from_noticing_and_from_closing(tmp_path: Path) -> None:
    """2, 4 and 24 h after it was noticed, summaries once it is closed; what was told in time is quiet."""
    made = make_vault(tmp_path)
    room, noticed = made.vault.auditing(), made.clock()
    made.clock.advance(minutes=30)
    row = room.open_incident(made.token("dpo"), noticed=noticed, reason="a laptop was lost")
    assert overdue(row, noticed) == overdue(row, noticed + HOUR) == set()
    assert overdue(row, noticed + 2 * HOUR) == {"PIPL-57", "CAC-1H"}
    assert overdue(row, noticed + 2 * HOUR + 1) == {"PIPL-57", "CAC-1H", "NFRA-2H"}
    assert overdue(row, noticed + 4 * HOUR + 1) - overdue(row, noticed + 4 * HOUR) == {"CAC-4H"}
    assert overdue(row, noticed + 24 * HOUR + 1) - overdue(row, noticed + 24 * HOUR) == {"NFRA-24H"}
    for clock in ("PIPL-57", "CAC-1H", "NFRA-2H", "CAC-4H"):
        row = room.report_incident(made.token("dpo", "security"), row.id, clock, reference="file 7")
    assert overdue(row, noticed + 20 * HOUR) == set()
    made.clock.advance(hours=25)
    late = room.report_incident(made.token("dpo"), row.id, "NFRA-24H", reference="file 8")
    assert overdue(late, made.clock()) == {"NFRA-24H"}
    row = room.close_incident(made.token("dpo"), row.id, reason="it was found, sealed")
    due = {one.clock.id: one.due for one in running(row, made.clock())}
    assert due["CAC-30D"] == row.closed + 30 * 24 * HOUR
    assert due["NFRA-5WD"] == int(datetime(2026, 3, 25, tzinfo=SHANGHAI).timestamp()) * 1_000_000
    assert [one.id for one in room.incidents(made.token("dpo"))] == [row.id]
    lines = room.ask(made.token("auditor"), Question(kind="incident"))
    assert len(lines) == 7


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    """No reason, personal data in it, times to come or before, unknown clocks, doubles, and who may not."""
    made = make_vault(tmp_path)
    room, dpo, now = made.vault.auditing(), made.token("dpo"), made.clock()
    for reason in ("", f"of {ROWS[0]['手机']}"):
        with pytest.raises(Invalid):
            room.open_incident(dpo, noticed=now, reason=reason)
    with pytest.raises(Invalid):
        room.open_incident(dpo, noticed=now + HOUR, reason="x")
    with pytest.raises(Denied):
        room.open_incident(made.token("collector"), noticed=now, reason="x")
    row = room.open_incident(dpo, noticed=now, reason="x")
    for clock, at in (("CAC-9H", None), ("CAC-4H", now - 1), ("CAC-4H", now + 1)):
        with pytest.raises(Invalid):
            room.report_incident(dpo, row.id, clock, reference="x", at=at)
    room.report_incident(dpo, row.id, "CAC-4H", reference="x", at=now)
    with pytest.raises(Invalid):
        room.report_incident(dpo, row.id, "CAC-4H", reference="y")
    room.close_incident(dpo, row.id, reason="x")
    with pytest.raises(Invalid):
        room.close_incident(dpo, row.id, reason="x")
    with pytest.raises(NotFound):
        room.close_incident(dpo, "i-none", reason="x")


def test_each_clock_says_what_it_rests_on() -> None:
    """One length each, a source, a mark; what wasn't read is never said to be."""
    for one in clocks():
        assert (one.hours > 0) + (one.working_days > 0) + one.at_once == 1
        assert one.source
        assert one.checked <= date(2026, 11, 23)
        assert one.mark == ("[S]" if one.id.startswith("NFRA") else "[V]")


# --- whom it touched ------------------------------------------------------------------------------------


def lines_of(made: Made) -> list[Line]:
    """Every entry, as an auditor sees it."""
    return made.vault.auditing().ask(made.token("auditor"), Question(limit=10_000))


def truth(lines: list[Line], of: Callable[[Line], bool], since: str, until: str) -> dict[str, dict[str, str]]:
    """Fields by subject of the entries that are meant, worked out from what `log list` says."""
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        if line.subject and line.outcome == "ok" and of(line) and since <= line.time < until:
            fields = found.setdefault(line.subject, {})
            for name, view in line.fields.items():
                known = fields.get(f"{line.about}.{name}", "")
                fields[f"{line.about}.{name}"] = "CLEAR" if "CLEAR" in {known, view} else view
    return found


def test_the_list_is_the_truth(made: Made) -> None:
    """By token, by principal and by node: exactly who was shown, with the highest view of each field."""
    chance, ids = random.Random(5), made.ids(ROWS)  # noqa: S311 - a sample, no secret
    one, other = made.token("legal"), made.token("collector")
    start = made.clock()
    for _ in range(30):
        made.clock.advance(seconds=chance.randint(1, 20))
        token, few = chance.choice((one, other)), chance.sample(ids, chance.randint(1, 3))
        made.vault.reading().read(token, few)
        if chance.random() < 0.2:
            with pytest.raises(Denied):
                made.vault.reading().read(other, few, fields=("id_number",))
    since, until = start + MINUTE, made.clock() - MINUTE
    lines = lines_of(made)
    text = [iso(since), iso(until)]
    prefix = token_of(lines, "legal")
    room = made.vault.auditing()
    for breach, of in (
        (Breach(since=since, until=until, token=prefix[:8]), lambda line: line.token == prefix),
        (Breach(since=since, until=until, token=prefix), lambda line: line.token == prefix),
        (Breach(since=since, until=until, actor="first principal"), lambda _: True),
        (Breach(since=since, until=until, node="n1"), lambda _: True),
        (Breach(since=since, until=until, node="n2"), lambda _: False),
        (Breach(since=until, until=until + 1, node="n1"), lambda _: False),
    ):
        summary, people = room.affected(made.token("auditor"), breach)
        got = {person.subject: person.fields for person in people}
        want = truth(lines, of, *text) if breach.since == since else {}
        assert got == want
        assert summary.persons == len(want)
        assert summary.kinds.get("borrower", 0) == len(want)
        clear = sum("CLEAR" in views.values() for views in want.values())
        assert summary.compartments.get("borrower.account CLEAR", 0) == clear
        assert leaks(msgspec.json.encode((summary, got)), canaries(ROWS)) == []


def token_of(lines: list[Line], role: str) -> str:
    """The digits by which entries name a role's token."""
    (found,) = {line.token for line in lines if line.role == role and line.kind == "read"}
    return found


def test_long_walks_go_by_pages(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing falls between two pages."""
    monkeypatch.setattr("vault.breaches.PAGE", 3)
    ids, token, start = made.ids(ROWS), made.token("legal"), made.clock()
    for ident in ids:
        made.clock.advance(minutes=1)
        made.vault.reading().read(token, [ident])
    seen: list[int] = []
    for side in ({"actor": made.identity.principal}, {"node": "n1"}):
        breach = Breach(since=start, until=made.clock() + 1, **side)
        summary, people = made.vault.auditing().affected(made.token("auditor"), breach, seen.append)
        assert {record for person in people for record in person.records} >= set(ids)
        assert summary.persons >= len(ids)
    assert len(seen) > 4


def test_the_erased_are_counted_and_not_named(made: Made) -> None:
    """Once their log secret is gone nobody can say who they were; refusals and searches are counted apart."""
    ids, start = made.ids(ROWS), made.clock()
    room, legal = made.vault.reading(), made.token("legal")
    room.read(legal, ids)
    room.find(legal, field="phone", value=ROWS[0]["手机"], fields=("name",))
    with pytest.raises(Denied):
        room.read(made.token("collector"), ids, fields=("id_number",))
    made.clock.advance(seconds=1)
    breach = Breach(since=start, until=made.clock(), token=token_of(lines_of(made), "legal"))
    before, _ = made.vault.auditing().affected(made.token("auditor"), breach)
    assert (before.persons, before.entries, before.unidentifiable, before.others) == (6, 7, 0, 2)
    whole = msgspec.structs.replace(breach, token="", actor="first principal")
    assert made.vault.auditing().affected(made.token("auditor"), whole)[0].refused == 6
    for _ in range(2):  # the second purge comes when the floor of their entries has passed
        made.clock.advance(days=366 * 6)
        plan = made.vault.erasing().plan(made.token("dpo"))
        made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)
    after, people = made.vault.auditing().affected(made.token("auditor"), breach)
    assert (after.persons, after.entries, after.unidentifiable) == (0, 7, 7)
    assert list(people) == []


@pytest.mark.parametrize("side", [
    {}, {"token": "ab12cd34", "actor": "p"}, {"token": "ab12cd3"}, {"token": "ab12cd3g"},
    {"node": "n1", "until": 0},
])  # fmt: skip
def test_a_breach_names_one_side_and_a_time(tmp_path: Path, side: dict[str, object]) -> None:
    """Everything else is refused before the log is walked."""
    made = make_vault(tmp_path)
    breach = Breach(**{"since": 0, "until": made.clock() + 1} | side)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        made.vault.auditing().affected(made.token("auditor"), breach)


def test_only_who_audits_may_ask(tmp_path: Path) -> None:
    """The data protection officer opens incidents; names come from the auditor."""
    made = make_vault(tmp_path)
    breach = Breach(since=0, until=made.clock() + 1, node="n1")
    with pytest.raises(Denied):
        made.vault.auditing().affected(made.token("dpo"), breach)
    with pytest.raises(NotFound):
        made.vault.auditing().affected(
            made.token("auditor"), msgspec.structs.replace(breach, incident="i-none")
        )


@pytest.mark.parametrize(
    ("role", "purpose"),
    [
        ("auditor", "audit"),
        ("regulator", "regulator"),
        ("admin", "administration"),
        ("dpo", "subject_request"),
    ],
)
def test_only_who_protects_changes_an_incident(made: Made, role: str, purpose: str) -> None:
    """Those who audit look on, the data protection officer acts; whoever may not is refused with an entry."""
    room, token, now = made.vault.auditing(), made.token(role, purpose), made.clock()
    row = room.open_incident(made.token("dpo", "security"), noticed=now, reason="x")
    for act in (
        lambda: room.open_incident(token, noticed=now, reason="x"),
        lambda: room.report_incident(token, row.id, "CAC-4H", reference="x"),
        lambda: room.close_incident(token, row.id, reason="x"),
    ):
        before = made.size()
        with pytest.raises(Denied) as refusal:
            act()
        assert refusal.value.code in {"role_denied", "purpose_denied"}
        assert made.size() == before + 1
    assert room.incidents(made.token("auditor")) == [row]
