"""Requests on the command line: what needs another person's yes, end to end in a plain vault (four eyes)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import Run
from desk import Desk

from vault.access.policy import Policy, default_text
from vault.approvals import demand_for
from vault.errors import Denied
from vault.ledger.registry import Registry
from vault.schema import builtin

DPO = ("dpo", "administration")
REMINDS = ("collector", "repayment_reminder")
UNTIL = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()


def ids(desk: Desk, records: list[str]) -> Path:
    """A file of record ids."""
    path = desk.folder / "ids.txt"
    path.write_text("\n".join(records) + "\n")
    return path


SAYS = {
    "handover": ("cvault handover request",),
    "unseal": ("request open unseal", "--agency"),
    "hold_release": ("request open hold_release", "--number", "--ids"),
    "unrestrict": ("request open unrestrict", "--ids"),
    "keys": ("request open keys", "--detail"),
}


@pytest.mark.parametrize("what", sorted(SAYS))
def test_the_refusal_names_the_command_that_asks(what: str) -> None:
    """What lacks an approval says how to ask for it: a command there is, with the options that it demands."""
    with pytest.raises(Denied) as refused:
        demand_for(Registry(), Policy.load(default_text(), builtin()), None, what, (), by="p", now=0)
    assert refused.value.remedy is not None
    assert all(word in refused.value.remedy for word in SAYS[what])


def test_a_policy_that_shows_more_waits_until_another_approves_it(desk: Desk) -> None:
    """Apply: 3 and the old one goes on; after request and approval of exactly this file: 0, in force."""
    before = desk("admin", "policy", "apply").json["policy"]
    line = 'masked = ["product", "creditor", "placed_on", "settled_on"]'
    file = desk.policy(line, line.replace("]", ', "case_number"]'))
    waits = desk("admin", "policy", "apply")
    assert (waits.code, waits.error["code"], waits.json["policy"]) == (3, "approval_required", before)
    assert any("case_number" in change["sentence"] for change in waits.json["widenings"])
    assert "case_number" in desk.said("admin", "policy", "apply").out
    status = desk("admin", "status").json
    assert (status["policy"], status["owed"]["policy_waiting"]) == (before, waits.json["waiting"])
    request = desk.ask("admin", "policy", "--file", file)
    assert desk("admin", "status").json["owed"]["waiting"] == [request]
    assert request in desk("admin", "status").json["requests"]
    assert desk("admin", "approve", request).error["code"] == "approval_required"
    assert desk("admin", "policy", "apply").code == 3
    desk.approve("approver", request)
    applied = desk("admin", "policy", "apply")
    assert (applied.code, applied.json["policy"]) == (0, waits.json["waiting"])
    assert (applied.json["changed"], desk("admin", "policy", "apply").json["changed"]) == (True, False)
    assert request not in desk("admin", "status").json["requests"], "it has served"
    assert desk("admin", "request", "show", request).json["state"] == "used"
    assert desk("admin", "status").json["owed"]["policy_waiting"] == ""


def test_a_policy_file_with_windows_line_ends_is_the_same_request(desk: Desk) -> None:
    """What is approved is what opening the vault reads, whatever ends the file's lines."""
    desk("admin", "policy", "apply")
    file = desk.policy("review_hours = 72", "review_hours = 96")
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert desk("admin", "policy", "apply").code == 3
    desk.approve("dpo", desk.ask("admin", "policy", "--file", file))
    assert desk("admin", "policy", "apply").code == 0


def test_a_policy_that_cannot_be_used_is_not_asked_for(desk: Desk, tmp_path: Path) -> None:
    """What would never come into force needs nobody's yes."""
    (tmp_path / "p.toml").write_text("version = 1\n")
    refused = desk("admin", "request", "open", "policy", "--reason", "x", "--file", tmp_path / "p.toml")
    assert refused.code == 2
    assert desk("admin", "request", "list").json["items"] == []


def test_a_hold_is_released_with_anothers_yes_to_exactly_these_records(desk: Desk) -> None:
    """Without it 3, for other records 3, once 0, and the same request a second time 3."""
    one, two = records = desk.borrowers()
    placed = ("--number", "（2026）法0001", "--authority", "某法院", "--until", UNTIL)
    assert desk("dpo", "hold", "add", *records, *placed, token=DPO).code == 0
    release = ("hold", "release", "--number", "（2026）法0001")
    assert desk("dpo", *release, *records, token=DPO).error["code"] == "approval_required"
    request = desk.ask("dpo", "hold_release", "--number", "（2026）法0001", "--ids", ids(desk, records))
    asked = (*release, "--request", request)
    assert desk("dpo", *asked, *records, token=DPO).error["code"] == "approval_required"
    desk.approve("approver", request)
    assert desk("dpo", *asked, one, token=DPO).error["code"] == "approval_required"
    done = desk("dpo", *asked, two, one, two, token=DPO)
    assert (done.code, done.json) == (0, {"records": 2, "asked": 2})
    assert desk("dpo", *asked, *records, token=DPO).error["code"] == "approval_required"


def test_who_approves_compares_the_request_with_what_they_were_told(desk: Desk) -> None:
    """`check` gives 0 for exactly what the request touches, 3 for anything else, and 2 for stray options."""
    one, two = records = desk.borrowers()
    named = ("--number", "（2026）法0001")
    request = desk.ask("dpo", "hold_release", *named, "--ids", ids(desk, records))
    check = ("request", "check", request)
    same = desk("approver", *check, *named, "--ids", ids(desk, [two, one]))
    assert (same.code, same.json["same"], same.json["what"]) == (0, True, "hold_release")
    assert desk("approver", *check, *named, "--ids", ids(desk, [one])).code == 3
    other = desk("approver", *check, "--number", "（2026）法0002", "--ids", ids(desk, records))
    assert (other.code, other.json["same"]) == (3, False)
    assert desk("approver", *check, *named, "--ids", ids(desk, records), "--role", "legal").code == 2
    assert desk("approver", "request", "check", "req-unknown", *named).code == 4


def test_rows_need_nothing_to_compare(desk: Desk) -> None:
    """A bulk allowance names no records: its request says all of it."""
    request = desk.ask("dpo", "bulk_read", "--rows", "500", "--purpose", "administration")
    assert desk("approver", "request", "check", request).code == 0


def test_ids_of_a_request_may_come_on_stdin(desk: Desk) -> None:
    """`--ids -` reads them; none at all is 2."""
    one, _ = desk.borrowers()
    desk.ask("dpo", "unrestrict", "--ids", "-", stdin=f"{one}\n")
    none = desk("dpo", "request", "open", "unrestrict", "--reason", "x", "--ids", "-", stdin="\n")
    assert (none.code, none.error["field"]) == (2, "ids")


def test_more_rows_than_a_days_are_read_with_an_approval_once(desk: Desk) -> None:
    """Beyond the day's rows 3; an approval of enough rows for this purpose serves one read."""
    one, two = desk.borrowers()
    desk.policy("rows = 10000 ", "rows = 1 ")
    assert desk("collector", "read", one, token=REMINDS).code == 0
    assert desk("collector", "read", one, two, token=REMINDS).error["code"] == "approval_required"
    few = desk.ask("collector", "bulk_read", "--rows", 1, "--purpose", "repayment_reminder")
    many = desk.ask("collector", "bulk_read", "--rows", 2, "--purpose", "repayment_reminder")
    for request in (few, many):
        desk.approve("approver", request)
    read = ("read", one, two, "--request")
    assert desk("collector", *read, few, token=REMINDS).error["code"] == "approval_required"
    assert desk("collector", *read, many, token=("collector", "negotiation")).code == 3
    found = desk("collector", *read, many, token=REMINDS)
    assert (found.code, len(found.json["items"])) == (0, 2)
    assert desk("collector", *read, many, token=REMINDS).error["code"] == "approval_required"


def test_an_allowance_is_spent_in_parts(desk: Desk) -> None:
    """Several reads use up the rows of one approval; then it is used, and gives nothing more."""
    one, two = desk.borrowers()
    desk.policy("rows = 10000 ", "rows = 1 ")
    request = desk.ask("collector", "bulk_read", "--rows", 3, "--purpose", "repayment_reminder")
    desk.approve("approver", request)
    assert desk("collector", "read", one, "--request", request, token=REMINDS).code == 0
    assert desk("collector", "read", one, two, "--request", request, token=REMINDS).code == 0
    refused = desk("collector", "read", one, "--request", request, token=REMINDS)
    assert refused.error["code"] == "approval_required"


def test_granting_power_waits_for_a_yes_where_the_policy_says_so(desk: Desk) -> None:
    """With [approvals.power] an approver is added, and a role granted, with a request for just that."""
    desk.policy("[approvals.unseal]", '[approvals.power]\nquorum = 1\nby = ["dpo"]\n\n[approvals.unseal]')
    add = ("principal", "add", "--name", "second approver", "--role", "approver")
    assert desk("admin", *add).error["code"] == "approval_required"
    request = desk.ask("admin", "power", "--name", "second approver", "--role", "approver")
    assert desk("approver", "approve", request).code == 3
    desk.approve("dpo", request)
    assert desk("admin", *add, "--request", request).code == 0
    legal = desk.person("legal")["principal"]
    assert desk("admin", "principal", "grant", legal, "dpo").code == 3
    assert desk("admin", "principal", "grant", legal, "case_desk").code == 0
    request = desk.ask("admin", "power", "--name", legal, "--role", "dpo")
    desk.approve("dpo", request)
    granted = desk("admin", "principal", "grant", legal, "dpo", "--until", UNTIL, "--request", request)
    assert (granted.code, granted.json["until"]) == (0, {"dpo": UNTIL})


def test_requests_are_listed_shown_and_refused(desk: Desk) -> None:
    """Names, what, why, rows, time left and approvals stand in the table; a refused one is used no more."""
    rows = ("--rows", 20000, "--purpose", "repayment_reminder")
    request, other = (desk.ask("collector", "bulk_read", *rows) for _ in range(2))
    table = desk.said("approver", "request", "list", "--waiting").out
    for word in (request, "collector", "bulk_read", "本周工作", "20000", "2 d 23 h", "0/1", "waiting"):
        assert word in table
    assert "待批准" in desk.said("approver", "request", "list", LC_ALL="zh_CN.UTF-8").out
    assert desk("legal", "request", "list").json["items"] == []
    assert desk("legal", "request", "show", request).code == 4
    shown = desk("collector", "request", "show", request).json
    assert (shown["by_name"], shown["quorum"], shown["of"]) == ("collector", 1, ["approver", "dpo"])
    assert request in desk.said("collector", "request", "show", request).out
    assert desk("legal", "request", "refuse", request, "--reason", "x").code == 3
    assert desk("dpo", "request", "refuse", request, "--reason", "too many").json["state"] == "refused"
    assert desk("approver", "approve", request).error["code"] == "approval_required"
    assert desk("collector", "request", "refuse", other, "--reason", "not needed").code == 0
    items = desk("approver", "request", "list").json["items"]
    assert {(i["state"], i["refused"]["name"]) for i in items} == {
        ("refused", "dpo"),
        ("refused", "collector"),
    }
    assert desk("approver", "request", "list", "--waiting").json["items"] == []


def test_a_request_says_exactly_what_it_is_for(desk: Desk) -> None:
    """An option that lacks, or would mean nothing, is 2 and names it; nothing is asked."""
    for words, field in (
        (("bulk_read", "--rows", "5"), "purpose"),
        (("bulk_read", "--rows", "5", "--purpose", "negotiation", "--number", "1"), "number"),
        (("hold_release", "--ids", "-"), "number"),
        (("power", "--name", "x"), "role"),
        (("policy",), "file"),
        (("lunch",), "what"),
    ):
        refused = desk("collector", "request", "open", *words, "--reason", "x")
        assert (refused.code, refused.error["field"]) == (2, field)
    assert desk("approver", "request", "list").json["items"] == []


def test_keys_leave_with_a_yes_to_these_compartments(desk: Desk) -> None:
    """`keys` takes the words of the export and says who may approve; the export uses the approval up."""
    export = ("keys", "export", "--compartments", "masked", "--out", desk.folder.parent / "node")
    assert desk("admin", *export).error["code"] == "approval_required"
    request = desk.ask("admin", "keys", "--detail", "export masked")
    desk.approve("dpo", request)
    assert desk("admin", *export, "--request", request).code == 0
    said = desk.said("admin", "request", "open", "keys", "--detail", "export masked", "--reason", "a node")
    assert said.code == 0
    assert "approver / dpo / admin" in said.err
    assert said.out.startswith("req-")


def test_restricted_records_go_on_with_a_yes(cv: Run, desk: Desk) -> None:
    """Without one 3 and nobody's record changes; in a sandbox, what a plan restricted is active again."""
    one, _ = desk.borrowers()
    refused = desk("dpo", "hold", "unrestrict", one, "--reason", "court order", token=DPO)
    assert (refused.code, refused.error["code"]) == (3, "approval_required")
    borrower = ("read", "--ref", "borrower:AJ00001", "--json")
    record = cv(*borrower).json["items"][0]["record"]
    held = ("--number", "1", "--authority", "court", "--until", "2041-01-01")
    assert cv("hold", "add", record, *held).code == 0
    plan = cv("retention", "plan", "--as-of", "2040-01-01", "--json").json["plan"]
    assert cv("retention", "execute", plan, "--yes", "--json").json["restricted"] == 1
    assert cv(*borrower).json["errors"][0]["code"] == "restricted"
    assert cv("hold", "unrestrict", record, "--reason", "court order", "--json").json["records"] == 1
    assert cv(*borrower).code == 0
    assert cv("hold", "unrestrict", record, "--reason", "again", "--json").code == 4
