"""Break-glass on the command line: a role in need, an alarm in the log, a review by somebody else."""

from __future__ import annotations

import stat
from pathlib import Path

from commands import PHONE, Ran, run
from desk import Desk

AUDIT = ("auditor", "audit")
NEED = ("--role", "legal", "--purpose", "legal_action", "--reason", "court at nine, legal is ill")


def broken(desk: Desk, *more: str) -> Ran:
    """The collector takes the role `legal`."""
    return desk("collector", "glass", "break", *NEED, "--out", desk.folder / "g.token", *more)


def test_a_broken_glass_is_logged_reviewed_and_loud(desk: Desk) -> None:
    """The token reads what legal reads; the alarm is an entry; only somebody else closes the review."""
    made = broken(desk)
    assert made.code == 0
    assert made.json.keys() == {"file", "glass", "role", "purpose", "expires", "review_due"}
    token, glass = Path(made.json["file"]), made.json["glass"]
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    read = run("--vault", desk.folder, "--token", token, "read", "--ref", "borrower:AJ00001", "--json")
    assert read.json["items"][0]["fields"]["phone"] == {"view": "CLEAR", "value": PHONE}
    alarms = desk("auditor", "log", "list", "--kind", "alarm", token=AUDIT).json["items"]
    (alarm,) = (one for one in alarms if one["reason"] != "off_hours")  # by the real clock, it may be night
    assert (alarm["actor_name"], alarm["role"], alarm["reason"]) == ("collector", "legal", "break_glass")
    assert "court at nine" in alarm["detail"]
    assert desk("collector", "login").json["reviews"] == [glass]
    (owed,) = desk("admin", "status").json["owed"]["reviews"]
    assert (owed["glass"], owed["overdue"]) == (glass, False)
    assert glass in desk.said("admin", "status").out
    review = ("glass", "review", glass, "--finding", "hearing file seen")
    assert desk("collector", *review, "--justified").code == 3
    assert desk("auditor", *review).error["field"] == "justified"
    assert desk("auditor", *review, "--justified", "--unjustified").code == 2
    done = desk("auditor", *review, "--justified").json
    assert (done["state"], done["reviewer_name"], done["finding"]) == (
        "justified", "auditor", "hearing file seen",
    )  # fmt: skip
    assert desk("dpo", *review, "--unjustified").error["code"] == "invalid_glass"
    assert desk("admin", "status").json["owed"]["reviews"] == []
    assert desk("collector", "login").json["reviews"] == []


def test_people_are_told_loudly(desk: Desk) -> None:
    """The banner says that the alarm is in the log and by when a review is owed, in both languages."""
    out = ("--out", desk.folder / "g.token", "--minutes", 5, "--force")
    said = desk.said("collector", "glass", "break", *NEED, *out)
    (glass,) = desk("collector", "glass", "list").json["items"]
    assert "!! GLASS BROKEN: legal for legal_action" in said.err
    assert (
        f"alarm is in the log under your name. A review by somebody else is owed by {glass['due']}"
        in said.err
    )
    assert said.out == ""
    assert "复核" in desk.said("collector", "glass", "break", *NEED, *out, LC_ALL="zh_CN.UTF-8").err
    table = desk.said("dpo", "glass", "list").out
    assert all(word in table for word in (glass["glass"], "collector", "court at nine", "review open"))
    assert len(desk("dpo", "glass", "list").json["items"]) == 2
    assert desk("legal", "glass", "list").json["items"] == []
    assert desk("legal", "glass", "review", glass["glass"], "--unjustified", "--finding", "x").code == 3
    done = desk.said("dpo", "glass", "review", glass["glass"], "--unjustified", "--finding", "no hearing")
    assert "not justified" in done.err


def test_only_what_the_policy_lets_be_taken_is(desk: Desk) -> None:
    """Another role, another holder, no reason, or a file in the way: refused, and no token is written."""
    assert broken(desk, "--role", "dpo", "--purpose", "administration").error["code"] == "role_denied"
    assert desk("auditor", "glass", "break", *NEED, "--out", desk.folder / "g.token").code == 3
    assert broken(desk, "--reason", " ").error["field"] == "reason"
    assert not (desk.folder / "g.token").exists()
    (desk.folder / "g.token").write_text("mine")
    assert broken(desk).error["code"] == "invalid_file"
    assert (desk.folder / "g.token").read_text() == "mine"
    assert desk("collector", "glass", "list").json["items"] == []
