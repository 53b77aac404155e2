"""Delivery of alarms: at least once, in order, after COMMIT, and never in the way of a read."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hooks import Hook
from kit import Made, borrowers, canaries, leaks, make_vault

from vault import delivering
from vault.alarm_rules import WEAKER
from vault.auditing import Question
from vault.config import Config, Stores
from vault.delivering import Deliverer
from vault.errors import ConfigError, Denied, NotFound

ROWS = borrowers(2)
OWN = """format = 1
[[rule]]
id = "any_person"
what = "distinct_subjects"
limit = {limit}
entries = ["read", "export", "reserve"]
window = "day"
severity = "medium"
zh = "某"
en = "some"
"""


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web hook that takes everything."""
    with Hook() as made:
        yield made


def watched(tmp_path: Path, alarms: str, *, limit: int = 0, stores: Stores | None = None) -> Made:
    """A vault with two borrowers where every person seen is an alarm, delivered as told."""
    made = make_vault(tmp_path, stores=stores)
    made.load(ROWS)
    path = made.folder / "vault.toml"
    path.write_text(path.read_text("utf-8") + f"\n[alarms]\n{alarms}\n", "utf-8")
    (made.folder / "alarms.toml").write_text(OWN.format(limit=limit), "utf-8")
    return made.reopened()


def read(made: Made, count: int = 1) -> None:
    """Read so many borrowers as a collector."""
    made.vault.reading().read(made.token("collector"), made.ids(ROWS)[:count])


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest) -> Stores | None:
    """None for SQLite files, else four databases."""
    if request.param == "sqlite":
        return None
    pg: Callable[[], str] = request.getfixturevalue("pg")
    return Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())


def test_an_alarm_is_sent_to_both(tmp_path: Path, hook: Hook, stores: Stores | None) -> None:
    """By the node's own thread, once each, signed, and without personal data."""
    made = watched(
        tmp_path, f'file = "a.jsonl"\nwebhook = "{hook.url}"\nsecret = "hook.secret"', stores=stores
    )
    (made.folder / "hook.secret").write_text("s3cret\n")
    read(made)
    assert hook.wait(1)
    made.vault.close()
    path = made.folder / "a.jsonl"
    (line,) = map(json.loads, path.read_text("utf-8").splitlines())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert line.keys() == {
        "index", "time", "rule", "severity", "actor", "role", "count", "limit", "window", "origin",
    }  # fmt: skip
    assert (line["rule"], line["severity"], line["count"], line["limit"], line["window"]) == (
        "any_person", "medium", 1, 0, "day",
    )  # fmt: skip
    ((_, headers, body),) = hook.taken
    assert json.loads(body) == line
    assert "x-cvault-signature" in headers
    assert leaks(path.read_bytes() + body, canaries(ROWS)) == []


def test_what_was_not_taken_is_sent_again(tmp_path: Path, hook: Hook) -> None:
    """The cursor stands where the hook stopped taking; the next run goes on there, on another node too."""
    made = watched(tmp_path, "", limit=0)
    for _ in range(3):
        read(made)
        made.clock.advance(days=1)
    text = (made.folder / "vault.toml").read_text("utf-8")
    (made.folder / "vault.toml").write_text(f'{text}webhook = "{hook.url}"\n', "utf-8")
    made = made.reopened()
    hook.answers = [204, 500]
    assert made.vault.auditing().deliver_alarms() == {"webhook": -1}
    assert made.vault.auditing().deliver_alarms() == {"webhook": 2}
    indexes = [json.loads(body)["index"] for _, _, body in hook.taken]
    assert indexes[0] < indexes[1] == indexes[2] < indexes[3]
    assert made.reopened().vault.auditing().deliver_alarms() == {"webhook": 0}


def test_a_dead_hook_holds_nobody_up(tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads go on, the thread tries again when a pause is over, and closing doesn't wait for it."""
    monkeypatch.setattr(delivering, "PAUSES", (0.05, 60.0))
    monkeypatch.setattr(delivering, "GRACE", 0.05)
    made = watched(tmp_path, f'webhook = "{hook.url}"')
    hook.answers = [500, 500]
    begun = time.monotonic()
    read(made)
    read(made, 2)
    assert time.monotonic() - begun < 2
    assert hook.wait(2)
    begun = time.monotonic()
    made.vault.close()
    assert time.monotonic() - begun < 2


def test_alarms_that_come_meanwhile_are_sent_too(tmp_path: Path, hook: Hook) -> None:
    """A node that stays up sends each new alarm."""
    made = watched(tmp_path, f'webhook = "{hook.url}"')
    for count in range(1, 4):
        read(made)
        assert hook.wait(count)
        made.clock.advance(days=1)
    made.vault.close()
    assert [json.loads(body)["count"] for _, _, body in hook.taken] == [1, 1, 1]


def test_a_masked_node_says_what_it_can(tmp_path: Path, hook: Hook) -> None:
    """Without the audit key it can't open the count; the rest is in the open columns."""
    made = watched(tmp_path, "")
    read(made)
    tenancy = made.vault.tenancy()
    tenancy.keys = tenancy.keys.subset(frozenset({"masked"}))
    settings = Config.load(made.folder).settings
    assert settings.alarms.file == ""
    (one,) = Deliverer(tenancy)._waiting("webhook")
    assert (one.rule, one.severity, one.count, one.limit, one.window) == (
        "any_person", "medium", None, None, "day",
    )  # fmt: skip


def test_a_test_alarm_takes_the_whole_way(tmp_path: Path, hook: Hook) -> None:
    """It is an entry, and it arrives."""
    made = watched(tmp_path, f'webhook = "{hook.url}"', limit=9)
    room = made.vault.auditing()
    index = room.test_alarm(made.token("auditor"))
    assert hook.wait(1)
    said = json.loads(hook.taken[0][2])
    assert (said["index"], said["rule"], said["severity"], said["count"]) == (index, "test", "low", None)
    assert [one.index for one in room.alarms(made.token("auditor"))] == [index]
    made.vault.close()


@pytest.mark.parametrize("line", [
    'webhook = "http://example.com/x"', 'webhook = "ftp://localhost"', 'webhook = "https://"',
    'webhook = "http://localhost.example.com"', 'webhook = "https://a b"', 'webhook = "https://a:b/"',
    'hook = "https://example.com"',
])  # fmt: skip
def test_alarms_cross_no_network_in_clear(tmp_path: Path, line: str) -> None:
    """https, or http of this machine; anything else is refused when the settings are read."""
    made = make_vault(tmp_path)
    path = made.folder / "vault.toml"
    path.write_text(path.read_text("utf-8") + f"\n[alarms]\n{line}\n", "utf-8")
    with pytest.raises(ConfigError):
        Config.load(made.folder)
    path.write_text(path.read_text("utf-8").replace(line, 'webhook = "http://[::1]:9/x"'), "utf-8")
    assert Config.load(made.folder).settings.alarms.webhook == "http://[::1]:9/x"


def test_the_rules_file_is_entered_when_it_changes(tmp_path: Path) -> None:
    """Its hash is an entry, once; taking it away is another; one that can't be used stops the vault."""
    made = watched(tmp_path, "")

    def changes() -> list[str]:
        from vault.auditing import Question

        lines = made.vault.auditing().ask(made.token("auditor"), Question(kind="config"))
        return [line.detail for line in lines if line.detail and line.detail.startswith("alarms ")]

    assert len(changes()) == 1
    made = made.reopened()
    assert len(changes()) == 1
    (made.folder / "alarms.toml").unlink()
    made = made.reopened()
    assert len(set(changes())) == 2
    assert made.vault.auditing().alarm_rules().text == ""
    (made.folder / "alarms.toml").write_bytes(b"\xff")
    made = made.reopened()
    with pytest.raises(ConfigError):
        read(made)


def test_honey_is_named_by_record(tmp_path: Path) -> None:
    """A borrower's record stands for the person: a view of their loan is one too; the list names no one."""
    made = watched(tmp_path, "", limit=999)
    room, auditor, dpo = made.vault.auditing(), made.token("auditor"), made.token("dpo", "security")
    one, two = made.ids(ROWS)
    assert (room.add_honey(dpo, [one, one]), room.add_honey(dpo, [one])) == (1, 0)
    with pytest.raises(NotFound):
        room.add_honey(dpo, [two, "r-nobody"])
    (row,) = room.honey(auditor)
    assert one not in str(row)
    made.vault.reading().read(made.token("collector"), [two])
    assert room.alarms(auditor) == []
    loan = f"loan:{ROWS[0]['案件编号']}"
    made.vault.reading().read(made.token("collector"), [loan])
    assert [alarm.rule for alarm in room.alarms(auditor)] == ["honey"]
    assert (room.remove_honey(dpo, [one]), room.remove_honey(dpo, [one])) == (1, 0)


@pytest.mark.parametrize(("role", "purpose"), [("auditor", "audit"), ("regulator", "regulator")])
def test_whoever_audits_sets_no_trap_and_takes_none_away(tmp_path: Path, role: str, purpose: str) -> None:
    """An auditor sees the list and tests the way out; changing the list is refused, and that an entry."""
    made = watched(tmp_path, "", limit=999)
    room, token = made.vault.auditing(), made.token(role, purpose)
    assert room.add_honey(made.token("dpo", "security"), made.ids(ROWS)[:1]) == 1
    for change in (room.add_honey, room.remove_honey):
        before = made.size()
        with pytest.raises(Denied):
            change(token, made.ids(ROWS)[:1])
        (entry,) = room.ask(token, Question(kind="deny", after=before - 1))
        assert (entry.actor, entry.role) == (made.identity.principal, role)
    assert len(room.honey(token)) == 1
    (entry,) = room.ask(token, Question(kind="alarm", after=room.test_alarm(token) - 1))
    assert entry.reason == "test"


def test_rules_that_watch_less_are_an_alarm_themselves(tmp_path: Path, hook: Hook) -> None:
    """A limit raised, or a rule of one's own taken away, is an alarm and is sent; a stricter file isn't."""
    made = watched(tmp_path, f'webhook = "{hook.url}"')

    def raised() -> list[str]:
        return [one.rule for one in made.vault.auditing().alarms(made.token("auditor"))]

    assert raised() == []
    (made.folder / "alarms.toml").write_text(OWN.format(limit=7), "utf-8")
    made = made.reopened()
    assert raised() == [WEAKER]
    (made.folder / "alarms.toml").unlink()
    made = made.reopened()
    assert raised() == [WEAKER] * 2
    (alarm, _) = made.vault.auditing().alarms(made.token("auditor"))
    assert (alarm.severity, alarm.actor) == ("high", made.vault.config.settings.node)
    made = made.reopened()
    assert raised() == [WEAKER] * 2
    made.vault.auditing().deliver_alarms()
    made.vault.close()
    assert {json.loads(body)["rule"] for _, _, body in hook.taken} == {WEAKER}
