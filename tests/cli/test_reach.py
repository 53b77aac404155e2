"""Reaching on the command line: what is printed, and with which exit code; at any hour these tests run."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from commands import PHONE, Run

from vault.vault import Vault


def agree(sandbox: Path, **anchors: str) -> str:
    """Note on the first borrower that other hours were agreed: the command line has no clock to set."""
    with Vault.open(sandbox) as vault:
        keeping, record = vault.tenancy().keeping, vault.tenancy().record_of("borrower:AJ00001")
        assert record is not None
        held = keeping.fetch([record])[record]
        days = held.facts.anchors | {"hours_agreed_on": "2026-01-01"} | anchors
        keeping.set_facts([(held, msgspec.structs.replace(held.facts, anchors=days))])
    return record


def test_check_reserve_confirm_void(cv: Run, sandbox: Path) -> None:
    """The way through in JSON: no number in a check, one in a reservation, and what became of it counted."""
    record = agree(sandbox)
    checked = cv("reach", "check", record, "--json")
    assert checked.code == 0
    assert PHONE not in checked.out
    assert checked.json["channels"]["voice"] == {
        "allowed": True, "reason": "", "rule": "", "calls_left": 3, "attempts_left": 6, "until": None,
    }  # fmt: skip
    assert {rule["mark"] for rule in checked.json["rules"]} == {"[S]", "[product]"}
    found = cv("reach", "reserve", "--ref", "borrower:AJ00001", "--channel", "voice", "--json")
    assert (found.code, found.json["number"], found.json["field"]) == (0, PHONE, "phone")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", found.json["until"])
    done = cv("reach", "confirm", found.json["reservation"], "--effective", "--json")
    assert (done.code, done.json["state"], done.json["effective"], done.json["late"]) == (
        0, "confirmed", True, False,
    )  # fmt: skip
    again = cv("reach", "void", found.json["reservation"], "--json")
    assert (again.code, again.error["code"]) == (2, "invalid_reservation")
    left = cv("reach", "check", record, "--json").json["channels"]["voice"]
    assert (left["calls_left"], left["attempts_left"]) == (2, 5)


def test_for_people_the_marks_stand_beside_the_rules(cv: Run, sandbox: Path) -> None:
    """A check shows each rule with how sure it is, and says that none is statute; in Chinese too."""
    record = agree(sandbox)
    checked = cv("reach", "check", record)
    assert "[S]" in checked.out
    assert "REACH-HOURS" in checked.out
    assert "None of these is statute" in checked.err
    chinese = cv("reach", "check", record, LC_ALL="zh_CN.UTF-8")
    assert "双方未约定时" in chinese.out
    assert "均非法律条文" in chinese.err
    found = cv("reach", "reserve", record)
    assert PHONE in found.out
    assert PHONE not in found.err


def test_refusals_have_their_code_and_hint(cv: Run, sandbox: Path) -> None:
    """A refusal by rule is 3 with its reason; what can't be meant is 2; nobody there is 4."""
    record = agree(sandbox, contact_refused_on="2026-01-01")
    refused = cv("reach", "reserve", record, "--json")
    assert (refused.code, refused.error["code"]) == (3, "contact_refused")
    assert "[product]" in refused.error["message"]
    assert cv("reach", "reserve", record, "--channel", "visit", "--json").json["number"] is None
    for words, code, exit_code in (
        (("reserve", record, "--channel", "fax"), "invalid_channel", 2),
        (("reserve", record, "--field", "email"), "invalid_field", 2),
        (("reserve",), "invalid_usage", 2),
        (("reserve", record, "--ref", "borrower:AJ00001"), "invalid_usage", 2),
        (("confirm", "rv-1"), "invalid_usage", 2),
        (("confirm", "rv-1", "--not-effective"), "not_found", 4),
        (("check", "r-none"), "not_found", 4),
    ):
        ran = cv("reach", *words, "--json")
        assert (ran.code, ran.error["code"]) == (exit_code, code), words


@pytest.mark.parametrize("role", ["auditor", "legal"])
def test_a_role_without_reach_gets_nothing(cv: Run, sandbox: Path, role: str) -> None:
    """`--role` chooses another token; without the action it is refused."""
    record = agree(sandbox)
    refused = cv("reach", "reserve", record, "--role", role, "--json")
    assert (refused.code, refused.error["code"]) == (3, "role_denied")
