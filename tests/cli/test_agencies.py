"""Agencies on the command line: a contract bounds them, its end or a seal stops them, a return is owed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from commands import Ran, run
from desk import Desk

from vault.access.tokens import Credential
from vault.vault import Vault

NOW = datetime.now(UTC).date()
CALLS = ("agency_collector", "phone_collection")
LINE = 'actions = ["read", "find", "list"]'


def engaged(desk: Desk, **more: str) -> str:
    """An agency with one of its people and a contract; returns its id."""
    agency = desk.add("恒信委外", "agency_collector", "--sort", "agency", "--out", desk.file("agency"))
    desk.add("sun", "agency_collector", "--agency", agency)
    desk.add("clerk", "case_desk")
    given = {"--starts": "2025-01-01", "--ends": str(NOW + timedelta(days=20))} | more
    terms = [word for pair in given.items() for word in pair]
    made = desk("dpo", "agency", "contract", agency, "--reference", "WW-2026-01",
                "--purposes", "phone_collection,repayment_reminder", *terms)  # fmt: skip
    assert made.code == 0, made.err
    return agency


def placed(desk: Desk, holder: str) -> None:
    """The first borrower's case, open and assigned."""
    token = Credential.from_json(desk.token("clerk", "case_desk", "administration").read_bytes())
    with Vault.open(desk.folder) as vault:
        room = vault.casework()
        room.open_cases(token, ["AJ00001"], reason="placed")
        room.assign(token, ["AJ00001"], holder, reason="placed")


def reads(desk: Desk, token: Path) -> Ran:
    """What a token gets of the first borrower."""
    return run("--vault", desk.folder, "read", "--ref", "borrower:AJ00001", "--token", token, "--json")


def row(desk: Desk) -> dict[str, object]:
    """The one agency as the list has it."""
    (found,) = desk("dpo", "agency", "list").json["items"]
    item: dict[str, object] = found
    return item


def test_a_sealed_agency_gets_nothing_until_another_lets_it_go_on(desk: Desk) -> None:
    """The read after the seal is 3; to lift it takes a request that somebody else approved."""
    agency = engaged(desk)
    placed(desk, "sun")
    token = desk.token("sun", *CALLS)
    assert reads(desk, token).code == 0
    assert desk("dpo", "agency", "seal", agency, "--reason", "complaints").json["sealed"]
    refused = reads(desk, token)
    assert (refused.code, refused.error["code"]) == (3, "contract_ended")
    assert row(desk)["state"] == "sealed"
    unseal = ("agency", "unseal", agency)
    assert desk("dpo", *unseal).error["code"] == "approval_required"
    request = desk.ask("dpo", "unseal", "--agency", agency)
    desk.approve("approver", request)
    assert desk("dpo", *unseal, "--request", request).json["sealed"] is None
    assert reads(desk, token).code == 0


def test_an_ended_contract_stops_the_next_read_and_leaves_a_debt(desk: Desk) -> None:
    """After the last day 3; the attestation is due, then recorded; before the end there is none to give."""
    agency = engaged(desk)
    placed(desk, "sun")
    token = desk.token("sun", *CALLS)
    assert reads(desk, token).code == 0
    returned = ("agency", "returned", agency, "--on", str(NOW), "--reference", "HX-3")
    assert desk("dpo", *returned).error["code"] == "invalid_agency"
    end = ("agency", "end", agency, "--reason", "not renewed", "--on")
    assert desk("dpo", *end, str(NOW + timedelta(days=400))).error["code"] == "invalid_ends"
    assert desk("dpo", *end, "2026-01-05").json["ends"] == "2026-01-05"
    assert reads(desk, token).error["code"] == "contract_ended"
    assert desk.issue("sun", *CALLS, desk.folder / "x.token").error["code"] == "contract_ended"
    owes = row(desk)
    assert (owes["state"], owes["due"], owes["overdue"]) == ("ended", "2026-01-15", True)
    assert "OVERDUE since 2026-01-15" in desk.said("dpo", "agency", "list").out
    assert desk("dpo", "status").json["owed"]["agencies"][0]["overdue"] is True
    assert "2026-01-15 (overdue)" in desk.said("dpo", "status").out
    assert desk("dpo", *returned).json["returned_reference"] == "HX-3"
    assert row(desk)["returned"] == str(NOW)
    assert desk("dpo", "status").json["owed"]["agencies"] == []


def test_the_list_is_one_that_operations_can_read(desk: Desk) -> None:
    """State, days left with today counted, people, contract and what is owed, in both languages."""
    agency = engaged(desk)
    said = row(desk)
    assert (said["state"], said["people"], said["purposes"]) == (
        "ending", 1, ["phone_collection", "repayment_reminder"],
    )  # fmt: skip
    assert said["days_left"] in {20, 21, 22}
    for locale, words in (
        ("C.UTF-8", ("ending", "days left", "WW-2026-01")),
        ("zh_CN.UTF-8", ("即将到期", "剩余天数")),
    ):
        table = desk.said("dpo", "agency", "list", LC_ALL=locale).out
        assert all(word in table for word in (agency, "恒信委外", *words))
    assert "恒信委外" in desk.said("auditor", "principal", "list").out
    assert desk.person("sun")["agency"] == agency
    assert desk("collector", "agency", "list").error["code"] == "role_denied"


def test_a_contract_bounds_what_is_seen_and_who_belongs(desk: Desk) -> None:
    """Fields it doesn't name are HIDDEN; an agency's people hold nothing of the house's; bad days are 2."""
    agency = engaged(desk, **{"--fields": "name=masked"})
    placed(desk, "sun")
    fields = reads(desk, desk.token("sun", *CALLS)).json["items"][0]["fields"]
    assert {name for name, field in fields.items() if field["view"] != "HIDDEN"} == {"name"}
    add = ("principal", "add", "--name", "x", "--role", "legal", "--agency", agency)
    assert desk("admin", *add).error["code"] == "invalid_role"
    contract = ("agency", "contract", agency, "--reference", "2", "--purposes")
    days = ("--starts", "2026-01-01", "--ends", "2026-12-31")
    assert desk("dpo", *contract, "legal_action", *days).error["field"] == "purposes"
    assert desk("dpo", *contract, "phone_collection", *days[:3], "soon").error["field"] == "ends"
    assert desk("dpo", *contract, "phone_collection", *days, "--fields", "nonsense=masked").code == 2
    assert desk("dpo", "agency", "seal", "p-nobody", "--reason", "x").code == 4


def test_a_disabled_agency_takes_its_people_with_it(desk: Desk) -> None:
    """From the next read on, none of them gets anything."""
    agency = engaged(desk)
    placed(desk, "sun")
    token = desk.token("sun", *CALLS)
    assert desk("admin", "principal", "disable", agency).code == 0
    assert reads(desk, token).error["code"] == "token_revoked"
    assert desk.person("sun")["disabled"] is True
