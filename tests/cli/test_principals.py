"""Principals on the command line: ends, attestations, roles, keys, and who am I."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from commands import run
from desk import Desk

SOON = (datetime.now(UTC) + timedelta(days=5)).date().isoformat()
LATER = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
REMINDS = ("collector", "repayment_reminder")


def test_the_list_shows_grounds_and_no_staff_number(desk: Desk) -> None:
    """Sort, role ends, attestations and that a staff number is on file; neither it nor its handle."""
    desk.add(
        "zhou", "collector,legal", "--person", "E-10442", "--until", f"legal={LATER}", "--attested", SOON
    )
    row = desk.person("zhou")
    assert (row["sort"], row["staff_number"], row["until"]) == ("person", True, {"legal": LATER})
    assert row["attested"] == {"confidentiality": SOON, "training": SOON}
    assert desk.person("collector")["staff_number"] is False
    listed = desk("auditor", "principal", "list").out
    assert "10442" not in listed
    assert '"person":"' not in listed
    table = desk.said("auditor", "principal", "list").out
    for word in (f"legal (≤ {LATER})", f"training {SOON}", "admin"):
        assert word in table
    owed = desk("admin", "status").json["owed"]["attestations"]
    assert {(o["principal"], o["until"]) for o in owed} == {(row["principal"], SOON)}
    assert "保密承诺" in desk.said("auditor", "principal", "list", LC_ALL="zh_CN.UTF-8").out


def test_adding_attests_for_a_year_unless_told_otherwise(desk: Desk) -> None:
    """The default is a year, `no` is none, and a slip of the pen is 2 before anything is written."""
    last = datetime.fromisoformat(desk.person("collector")["attested"]["training"]).replace(tzinfo=UTC)
    assert timedelta(days=360) < last - datetime.now(UTC) < timedelta(days=367)
    desk.add("newcomer", "collector", "--attested", "no")
    assert desk.person("newcomer")["attested"] == {}
    add = ("principal", "add", "--name", "x", "--role", "collector")
    for option, value in (("--attested", "soon"), ("--until", "collector"), ("--until", "collector=soon")):
        refused = desk("admin", *add, option, value)
        assert (refused.code, refused.error["field"]) == (2, option[2:])
    assert not desk.file("x").exists()


def test_without_attestations_nobody_gets_a_token(desk: Desk, tmp_path: Path) -> None:
    """One that is over is marked and refuses its role, as 3 attestation_expired, until it is renewed."""
    ident = desk.add("newcomer", "collector", "--attested", "2020-01-31")
    refused = desk.issue("newcomer", *REMINDS, tmp_path / "t")
    assert (refused.code, refused.error["code"]) == (3, "attestation_expired")
    assert "training 2020-01-31 (expired)" in desk.said("auditor", "principal", "list").out
    assert "(expired)" in desk.said("newcomer", "login").out
    renew = ("principal", "attest", ident, "--until", LATER)
    assert desk("newcomer", *renew).code == 3
    once = desk("dpo", *renew, "--kind", "training", "--reference", "HR-7")
    assert once.json["attested"] == {"confidentiality": "2020-01-31", "training": LATER}
    assert desk.issue("newcomer", *REMINDS, tmp_path / "t").error["field"] == "confidentiality"
    assert desk("dpo", *renew).code == 0
    assert desk.issue("newcomer", *REMINDS, tmp_path / "t").code == 0
    assert desk("dpo", *renew, "--kind", "manners").error["code"] == "invalid_attestation"
    said = desk.issue("legal", *REMINDS, tmp_path / "u")
    assert said.error["code"] == "role_denied"


def test_a_role_is_granted_and_withdrawn_by_another(desk: Desk) -> None:
    """A granted role serves at once; withdrawn, the token issued for it is refused on the next read."""
    ident = desk.person("legal")["principal"]
    grant = ("principal", "grant", ident, "collector", "--until", LATER)
    assert desk("legal", *grant).code == 3
    assert desk("admin", *grant).json["until"] == {"collector": LATER}
    token = desk.token("legal", *REMINDS)
    read = ("--vault", desk.folder, "read", "--ref", "borrower:AJ00001", "--token", token, "--json")
    assert run(*read).code == 0
    withdrawn = desk("admin", "principal", "withdraw", ident, "collector")
    assert (withdrawn.json["roles"], withdrawn.json["until"]) == (["legal"], {})
    refused = run(*read)
    assert (refused.code, refused.error["code"]) == (3, "role_denied")
    assert desk("admin", "principal", "withdraw", ident, "collector").error["code"] == "invalid_role"


def test_ones_own_key_is_rotated_and_the_id_stays(desk: Desk) -> None:
    """The new file carries the old id, 0600; the old file opens nothing; a refusal leaves no file behind."""
    old, new = desk.file("collector"), desk.file("renewed")
    ident = json.loads(old.read_bytes())["principal"]
    done = desk("collector", "principal", "rotate", "--out", new)
    assert (done.code, done.json) == (0, {"principal": ident, "file": str(new)})
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert json.loads(new.read_bytes())["principal"] == ident
    assert desk("renewed", "login").json["principal"] == ident
    assert desk("collector", "login").error["code"] == "token_invalid"
    before = sorted(desk.folder.iterdir())
    assert desk("collector", "principal", "rotate", "--out", desk.file("third")).code == 3
    assert sorted(desk.folder.iterdir()) == before
    assert desk("renewed", "principal", "rotate", "--out", new).code == 2
    again = desk("renewed", "principal", "rotate", "--out", new, "--force", "--algorithm", "P-256")
    assert again.code == 0
    assert desk("renewed", "login").json["principal"] == ident
    other = desk.person("legal")["principal"]
    assert desk("renewed", "principal", "rotate", other, "--out", desk.file("x")).code == 2


def test_a_lost_key_is_replaced_by_an_admin(desk: Desk, tmp_path: Path) -> None:
    """Its owner makes a new one for the id; a key made for another id would be of no use and is refused."""
    ident = desk.person("legal")["principal"]
    new = ("principal", "new", "--out")
    stranger = run(*new, tmp_path / "s", "--json")
    made = run(*new, tmp_path / "n", "--for", ident, "--json")
    assert made.json["principal"] == ident
    assert run(*new, tmp_path / "m", "--for", "legal", "--json").error["field"] == "for"
    (tmp_path / "s.pub").write_text(stranger.out)
    (tmp_path / "n.pub").write_text(made.out)
    rotate = ("principal", "rotate", ident)
    assert desk("admin", *rotate, "--candidate", tmp_path / "s.pub").error["field"] == "candidate"
    assert desk("collector", *rotate, "--candidate", tmp_path / "n.pub").error["code"] == "role_denied"
    assert desk("admin", *rotate).error["field"] == "out"
    done = desk("admin", *rotate, "--candidate", tmp_path / "n.pub")
    assert (done.code, done.json) == (0, {"principal": ident, "file": None})
    assert run("--vault", desk.folder, "login", "--as", tmp_path / "n", "--json").json["name"] == "legal"
    assert desk("legal", "login").code == 3


def test_login_says_who_one_is_and_what_waits(desk: Desk) -> None:
    """Roles, attestations and requests that wait for one's yes, until it is given; it is an entry."""
    request = desk.ask("collector", "bulk_read", "--rows", 20000, "--purpose", "repayment_reminder")
    assert desk("collector", "login").json["waiting"] == []
    mine = desk("approver", "login").json
    assert (mine["name"], mine["roles"], mine["waiting"]) == ("approver", {"approver": None}, [request])
    said = desk.said("approver", "login", LC_ALL="zh_CN.UTF-8").out
    assert "待你批准" in said
    assert request in said
    desk.approve("approver", request)
    assert desk("approver", "login").json["waiting"] == []
    assert desk("dpo", "login").json["waiting"] == []
    assert desk("auditor", "log", "list", "--kind", "login", token=("auditor", "audit")).json["items"]


def test_a_persons_second_name_approves_nothing(desk: Desk) -> None:
    """Two principals of one staff number are one person: the yes of the one doesn't count for the other."""
    desk.add("wu", "collector", "--person", "E-1")
    desk.add("wu again", "approver", "--person", "e-1", "--out", desk.file("wu2"))
    request = desk.ask("wu", "bulk_read", "--rows", 20000, "--purpose", "repayment_reminder")
    assert desk("wu2", "login").json["waiting"] == []
    assert desk("wu2", "approve", request).error["code"] == "approval_required"
