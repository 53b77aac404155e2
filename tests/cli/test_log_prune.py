"""`log prune` on the command line: shown, asked for, approved, done."""

from __future__ import annotations

from commands import Run
from desk import Desk

AHEAD = ("--as-of", "2040-01-01")


def test_a_sandbox_shows_first_and_prunes_with_yes(cv: Run) -> None:
    """A dry run changes nothing; --yes lets the bodies go, and the log verifies afterwards."""
    shown = cv("log", "prune", *AHEAD, "--json").json
    assert (shown["done"], shown["count_bodies"] > 0, shown["count_entries"]) == (False, True, 0)
    assert cv("log", "prune", *AHEAD, "--json").json["count_bodies"] >= shown["count_bodies"]
    done = cv("log", "prune", *AHEAD, "--yes", "--json")
    assert (done.code, done.json["done"]) == (0, True)
    assert cv("log", "verify", "--json").code == 0
    shown = cv("log", "prune", *AHEAD)
    assert (shown.code, "5Y" in shown.out, "--yes" in shown.err) == (0, True, True)


def test_a_plain_vault_has_nothing_due_and_no_days_ahead(desk: Desk) -> None:
    """A young log keeps everything; tomorrow can't be decided for; --ask takes a reason."""
    said = desk("dpo", "log", "prune")
    assert (said.code, said.json["count_bodies"], said.json["before"]) == (0, 0, None)
    assert desk("dpo", "log", "prune", *AHEAD).error["code"] == "invalid_as_of"
    assert desk("dpo", "log", "prune", "--ask").code == 2
    assert desk("dpo", "log", "prune", "--ask", "--reason", "yearly", "--yes").code == 2
    asked = desk("dpo", "log", "prune", "--ask", "--reason", "yearly")
    assert (asked.code, asked.json["request"]) == (0, None)
    assert "Nothing" in desk.said("dpo", "log", "prune").err
