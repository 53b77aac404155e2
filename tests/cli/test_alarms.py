"""`cvault alarm`: the rules, the list, delivery, a test and honey records."""

from __future__ import annotations

import json

from commands import CANARIES, run
from desk import Desk

AUDIT = ("auditor", "audit")
DPO = ("dpo", "security")
OFF = """format = 1
[[rule]]
id = "off_hours"
what = "honey"
limit = 0
window = "day"
severity = "low"
zh = "停用"
en = "off"
off = true
"""
"""These commands run by the real clock, at night too: what that raises must not count here."""


def quiet(desk: Desk) -> Desk:
    """A desk that nothing is said of at night."""
    (desk.folder / "alarms.toml").write_text(OFF, "utf-8")
    return desk


def test_rules_are_shown_with_what_they_rest_on(desk: Desk) -> None:
    """No token is needed; none is called a duty, in both languages."""
    found = desk("admin", "alarm", "rules").json
    limits = {item["id"]: (item["limit"], item["mark"]) for item in found["items"]}
    assert limits["clear_account"] == (25, "[L-derived]")
    assert limits["any_person"] == (2500, "[L-derived]")
    assert limits["refusals"] == (20, "[product]")
    said = desk.said("admin", "alarm", "rules")
    assert "more than 25 persons" in said.out
    assert "None of these is a duty by law" in said.err
    assert "超过25人" in desk.said("admin", "alarm", "rules", LC_ALL="zh_CN.UTF-8").out


def test_honey_raises_an_alarm_that_is_listed_and_sent(desk: Desk) -> None:
    """From the list of honey to the file, without anybody's data."""
    one, two = quiet(desk).borrowers()
    added = desk("dpo", "alarm", "honey", "add", one, token=DPO)
    assert added.json == {"changed": 1}
    assert len(desk("auditor", "alarm", "honey", "list", token=AUDIT).json["items"]) == 1
    listed = desk.said("auditor", "alarm", "honey", "list", "--token", desk.token("auditor", *AUDIT)).out
    assert "│ dpo │" in listed
    token = desk.token("collector", "collector", "negotiation")
    desk("collector", "read", two, "--token", token)
    (told,) = desk("auditor", "alarm", "list", token=AUDIT).json["items"]
    assert (told["rule"], told["severity"]) == (
        "alarms_weaker",
        "high",
    )  # the file that says nothing at night
    desk("collector", "read", one, "--token", token)
    alarm, _ = desk("auditor", "alarm", "list", token=AUDIT).json["items"]
    assert (alarm["rule"], alarm["severity"], alarm["count"]) == ("honey", "high", 1)
    audit = desk.token("auditor", *AUDIT)
    said = desk.said("auditor", "alarm", "list", "--token", audit, "--since", alarm["time"][:10])
    assert all(word in said.out for word in ("honey", "collector", "high"))
    assert desk("admin", "alarm", "deliver").json == {"delivered": {}}
    assert "go nowhere" in desk.said("admin", "alarm", "deliver").err
    settings = desk.folder / "vault.toml"
    settings.write_text(settings.read_text("utf-8") + '\n[alarms]\nfile = "a.jsonl"\n', "utf-8")
    assert desk("admin", "alarm", "deliver").json == {"delivered": {"file": 2}}
    tested = desk("auditor", "alarm", "test", token=AUDIT).json
    lines = [json.loads(line) for line in (desk.folder / "a.jsonl").read_text("utf-8").splitlines()]
    assert lines[:2] == [told, alarm]
    assert {line["index"] for line in lines[2:]} == {tested["index"]}
    assert not any(value in str(lines) for value in CANARIES)
    removed = desk("dpo", "alarm", "honey", "remove", one, token=DPO)
    assert removed.json == {"changed": 1}


def test_a_target_that_takes_nothing_is_told(desk: Desk) -> None:
    """Exit code 6, and the alarms wait."""
    settings = desk.folder / "vault.toml"
    settings.write_text(settings.read_text("utf-8") + '\n[alarms]\nfile = "none/a.jsonl"\n', "utf-8")
    failed = desk("auditor", "alarm", "test", token=AUDIT)
    assert (failed.code, failed.json["delivered"]) == (6, {"file": -1})
    assert "they wait" in desk.said("admin", "alarm", "deliver").err
    (desk.folder / "none").mkdir()
    assert desk("admin", "alarm", "deliver").json["delivered"]["file"] >= 1


def test_wrong_uses_are_refused(desk: Desk) -> None:
    """Records where none belong, none where they do, and who may not."""
    assert desk("auditor", "alarm", "honey", "list", "r-1", token=AUDIT).code == 2
    assert desk("dpo", "alarm", "honey", "add", token=DPO).code == 2
    assert desk("dpo", "alarm", "honey", "add", "r-1", token=DPO).code == 4
    collector = ("collector", "negotiation")
    assert desk("collector", "alarm", "list", token=collector).code == 3
    assert desk("collector", "alarm", "honey", "list", token=collector).code == 3


def test_the_doctor_names_a_weaker_file(desk: Desk) -> None:
    """And says nothing of the shipped rules."""

    def said() -> list[str]:
        found = run("--vault", desk.folder, "doctor", "--json").json["findings"]
        return [finding["message"] for finding in found if finding["check"] == "alarms"]

    assert said() == []
    quiet(desk)
    assert said() == ["main: alarm rule off_hours watches less than as shipped: it is off"]
    (desk.folder / "alarms.toml").write_text("format = 2\n", "utf-8")
    assert run("--vault", desk.folder, "doctor", "--json").code == 1
