"""What is noted of a person on the command line: a death, a consent withdrawn; the next read looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from desk import Desk

ANSWERS = ("dpo", "subject_request")
READ = ("read", "--ref", "borrower:AJ00001")
REMINDS = ("collector", "repayment_reminder")
NOTED = ("borrower:AJ00001", "--reason", "certificate 12")


def test_nobody_duns_the_dead(desk: Desk) -> None:
    """From the next read on a collector is refused, as 3 contact_state; another borrower is not affected."""
    assert desk("collector", *READ, token=REMINDS).code == 0
    noted = desk("dpo", "subject", "deceased", *NOTED, "--on", "2026-01-31", token=ANSWERS)
    assert (noted.code, noted.json) == (0, {"records": 2})
    refused = desk("collector", *READ, token=REMINDS)
    assert (refused.code, refused.json["errors"][0]["code"]) == (3, "contact_state")
    assert desk("collector", "read", "--ref", "borrower:AJ00002", token=REMINDS).code == 0
    again = ("subject", "deceased", *NOTED, "--on", "2026-01-31")
    assert "2 records" in desk.said("dpo", *again, "--token", desk.token("dpo", *ANSWERS)).err


def test_a_note_needs_a_day_a_reason_and_the_right_person(desk: Desk) -> None:
    """A day to come, no day at all, no reason, or somebody who answers nobody: refused, nothing noted."""
    tomorrow = str((datetime.now(UTC) + timedelta(days=2)).date())
    consent = ("subject", "consent", *NOTED, "--withdrawn")
    assert desk("dpo", *consent, tomorrow, token=ANSWERS).error["code"] == "invalid_fact"
    assert desk("dpo", *consent, "soon", token=ANSWERS).error["field"] == "withdrawn"
    assert desk("collector", *consent, "2026-01-31", token=REMINDS).code == 3
    blank = ("subject", "consent", "borrower:AJ00001", "--withdrawn", "2026-01-31", "--reason", " ")
    assert desk("dpo", *blank, token=ANSWERS).error["field"] == "reason"
    assert desk("dpo", *consent, "2026-01-31", token=ANSWERS).json == {"records": 2}
    assert desk("dpo", "subject", "consent", "borrower:AJ9", *NOTED[1:], "--withdrawn", "2026-01-31",
                token=ANSWERS).code == 4  # fmt: skip


def test_what_reaching_looks_at_is_noted(desk: Desk) -> None:
    """Hours agreed, unreachable, reached, incapacitated; a fact of another name is no command line."""
    note = ("subject", "note", *NOTED, "--on", "2026-01-31", "--fact")
    for fact in ("unreachable", "reached", "incapacitated", "hours_agreed"):
        assert desk("dpo", *note, fact, token=ANSWERS).json == {"records": 2}
    assert desk("dpo", *note, "rich", token=ANSWERS).code == 2
