"""Tokens and principals: files with secrets, limits in words, and who may do what."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from commands import PHONE, Run, run


def issue(vault: Path, who: str, role: str, purpose: str, out: Path, *limits: object) -> Path:
    """A token file for one of the plain vault's people."""
    done = run(
        "token", "issue", "--vault", vault, "--as", vault / f"{who}.principal", "--role", role,
        "--purpose", purpose, "--out", out, *limits,
    )  # fmt: skip
    assert done.code == 0, done.err
    return out


def test_token_file_has_the_pinned_shape(plain: Path, tmp_path: Path) -> None:
    """The file is private, holds token, key and expiry, and nothing of it is printed."""
    out = tmp_path / "c.token"
    done = run(
        "token", "issue", "--vault", plain, "--as", plain / "collector.principal", "--role", "collector",
        "--purpose", "repayment_reminder", "--ttl", "2h", "--out", out, "--json",
    )  # fmt: skip
    assert (done.code, done.json["file"]) == (0, str(out))
    held = json.loads(out.read_text())
    assert held.keys() == {"token", "key", "expires"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert held["token"] not in done.out + done.err
    assert held["key"] not in done.out + done.err


def test_existing_files_are_kept_without_force(plain: Path, tmp_path: Path) -> None:
    """A file that is there is refused before anything is issued; --force replaces it."""
    out = tmp_path / "c.token"
    out.write_text("mine")
    arguments = (
        "token", "issue", "--vault", plain, "--as", plain / "collector.principal", "--role", "collector",
        "--purpose", "repayment_reminder", "--out", out, "--json",
    )  # fmt: skip
    before = run("status", "--vault", plain, "--json").json["log"]["size"]
    refused = run(*arguments)
    assert (refused.code, refused.error["code"], out.read_text()) == (2, "invalid_file", "mine")
    assert run("status", "--vault", plain, "--json").json["log"]["size"] == before
    assert run(*arguments, "--force").code == 0


def test_role_must_be_held(plain: Path, tmp_path: Path) -> None:
    """A principal gets no token for a role that another didn't give it, and no file is left."""
    done = run(
        "token", "issue", "--vault", plain, "--as", plain / "admin.principal", "--role", "legal",
        "--purpose", "legal_action", "--out", tmp_path / "x", "--json",
    )  # fmt: skip
    assert (done.code, done.error["code"]) == (3, "role_denied")
    assert not (tmp_path / "x").exists()


def test_narrow_only_narrows(plain: Path, tmp_path: Path) -> None:
    """A narrowed token shows its limits; one asking for more is refused."""
    wide = issue(
        plain,
        "collector",
        "collector",
        "repayment_reminder",
        tmp_path / "w",
        "--fields",
        "name=masked",
        "--depth",
        1,
    )
    less = tmp_path / "n"
    assert (
        run("token", "narrow", "--in", wide, "--out", less, "--fields", "name=masked", "--max-uses", 2).code
        == 0
    )
    said = run("token", "show", "--vault", plain, "--in", less, "--json").json
    assert (said["fields"], said["max_uses"], said["links"], said["depth"]) == ({"name": "MASKED"}, 2, 2, 0)
    more = run("token", "narrow", "--in", wide, "--out", tmp_path / "m", "--fields", "phone=clear", "--json")
    assert (more.code, more.error["code"]) == (2, "invalid_limits")


def test_limits_bind_when_used(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """Fields not listed at issue are hidden when the token reads; its uses are counted."""
    token = tmp_path / "t"
    assert cv(
        "token", "issue", "--role", "legal", "--purpose", "legal_action",
        "--fields", "name=clear,phone=masked",
        "--max-uses", 1, "--out", token,
    ).code == 0  # fmt: skip
    seen = run("--vault", sandbox, "read", "--ref", "borrower:AJ00001", "--token", token, "--json").json
    views = {
        name: field["view"] for name, field in seen["items"][0]["fields"].items() if field["view"] != "HIDDEN"
    }
    assert views == {"name": "CLEAR", "phone": "MASKED"}
    spent = run("--vault", sandbox, "read", "--ref", "borrower:AJ00001", "--token", token, "--json")
    assert (spent.code, spent.error["code"]) == (3, "uses_spent")


def test_revoked_tokens_are_dead(plain: Path, tmp_path: Path) -> None:
    """After revoke, the next use is refused; a stranger may not revoke."""
    token = issue(plain, "collector", "collector", "repayment_reminder", tmp_path / "t")
    stranger = run("token", "revoke", "--vault", plain, "--in", token, "--as", plain / "legal.principal")
    assert stranger.code == 3
    assert (
        run("token", "revoke", "--vault", plain, "--in", token, "--as", plain / "collector.principal").code
        == 0
    )
    dead = run("--vault", plain, "find", "--field", "phone", "--token", token, "--json", stdin=PHONE)
    assert (dead.code, dead.error["code"]) == (3, "token_revoked")


def test_a_field_of_no_kind_is_named(plain: Path, tmp_path: Path) -> None:
    """A misspelt field is 2 and named; text of another form, perhaps a value, is named by its place only."""
    at = (
        "token", "issue", "--vault", plain, "--as", plain / "collector.principal", "--role", "collector",
        "--purpose", "repayment_reminder", "--out", tmp_path / "t", "--json", "--fields",
    )  # fmt: skip
    refused = run(*at, "name=masked,nosuch=clear")
    assert (refused.code, refused.error["code"], refused.error["field"]) == (2, "invalid_fields", "nosuch")
    refused = run(*at, f"{PHONE}=masked")
    assert (refused.code, refused.error["field"]) == (2, "fields")
    assert "no. 1" in refused.error["message"]
    assert not (tmp_path / "t").exists()


def test_uses_have_a_bound(plain: Path, tmp_path: Path) -> None:
    """A number of uses that no token can carry is 2, and no token is written."""
    at = (
        "token", "issue", "--vault", plain, "--as", plain / "collector.principal", "--role", "collector",
        "--purpose", "repayment_reminder", "--out", tmp_path / "t", "--max-uses",
    )  # fmt: skip
    assert run(*at, 2**31).code == 2
    assert not (tmp_path / "t").exists()
    assert run(*at, 2**31 - 1).code == 0
    assert run("token", "show", "--vault", plain, "--in", tmp_path / "t").code == 0


def test_token_files_that_are_none(plain: Path, tmp_path: Path) -> None:
    """A missing file, one of another kind and no file at all are 2."""
    missing = run("--vault", plain, "list", "--token", tmp_path / "none", "--json")
    assert (missing.code, missing.error["code"]) == (2, "invalid_file")
    assert run("--vault", plain, "list", "--token", plain / "admin.principal").code == 2
    assert run("--vault", plain, "token", "show", "--json").error["code"] == "invalid_usage"
    assert run("--vault", plain, "token", "revoke", "--json").error["code"] == "invalid_usage"


def test_principals_are_added_listed_and_disabled(plain: Path, tmp_path: Path) -> None:
    """An admin adds a principal with a private file, lists everybody, and disables one at once."""
    admin = ("--vault", plain, "--as", plain / "admin.principal", "--json")
    out = tmp_path / "x.principal"
    added = run("principal", "add", "--name", "x", "--role", "dpo,collector", "--out", out, *admin)
    assert (added.code, added.json["roles"]) == (0, ["collector", "dpo"])
    assert json.loads(out.read_text()).keys() == {"principal", "key"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    items = {item["name"]: item for item in run("principal", "list", *admin).json["items"]}
    assert items["x"]["roles"] == ["collector", "dpo"]
    assert run("principal", "disable", added.json["principal"], *admin).code == 0
    refused = run(
        "token", "issue", "--vault", plain, "--as", out, "--role", "dpo", "--purpose", "administration",
        "--out", tmp_path / "t", "--json",
    )  # fmt: skip
    assert (refused.code, refused.error["code"]) == (3, "token_invalid")
    assert "x" in run("principal", "list", "--vault", plain, "--as", plain / "admin.principal").out


def test_principals_are_an_admins_affair(plain: Path, tmp_path: Path) -> None:
    """Others than an admin add nobody; an unknown role, an unknown id and nobody acting are refused."""
    others = ("--vault", plain, "--as", plain / "dpo.principal", "--json")
    assert run("principal", "add", "--name", "y", "--role", "dpo", "--out", tmp_path / "y", *others).code == 3
    admin = ("--vault", plain, "--as", plain / "admin.principal", "--json")
    assert run("principal", "add", "--name", "y", "--role", "boss", "--out", tmp_path / "y", *admin).code == 2
    assert run("principal", "disable", "p-nobody", *admin).code == 4
    assert run("principal", "list", "--vault", plain, "--json").error["field"] == "as"


def test_a_token_is_handed_to_anothers_key(plain: Path, tmp_path: Path) -> None:
    """A link for somebody's public half is of use to its owner alone, once accepted, and says why."""
    taker, candidate = tmp_path / "taker.principal", tmp_path / "taker.json"
    made = run("principal", "new", "--algorithm", "P-256", "--out", taker, "--json")
    assert made.code == 0
    assert made.json["public"].startswith("P-256.")
    candidate.write_text(made.out)
    limits = ("--fields", "name=masked,phone=masked", "--depth", 1)
    wide = issue(plain, "collector", "collector", "repayment_reminder", tmp_path / "w", *limits)
    sent, taken = tmp_path / "sent", tmp_path / "taken"
    told = ("token", "narrow", "--in", wide, "--for", candidate, "--ticket", "案 7", "--out")
    assert run(*told, sent).code == 0
    assert json.loads(sent.read_text())["key"] == ""
    at = ("find", "--vault", plain, "--field", "phone", "--json", "--token")
    early = run(*at, sent, stdin=PHONE)
    assert (early.code, early.error["code"]) == (3, "token_invalid")
    accept = ("token", "accept", "--in", sent, "--out", taken, "--json")
    assert run(*accept, "--as", plain / "collector.principal").code == 2
    assert run(*accept).error["field"] == "as"
    assert not taken.exists()
    done = run(*accept, "--as", taker)
    assert (done.code, done.json["file"]) == (0, str(taken))
    assert stat.S_IMODE(taken.stat().st_mode) == 0o600
    assert run(*at, taken, stdin=PHONE).json["items"] == []
    shown = run("token", "show", "--vault", plain, "--in", sent, "--json").json
    assert (shown["tickets"], shown["links"]) == (["", "案 7"], 2)


def test_who_handed_a_token_on_can_take_it_back(plain: Path, tmp_path: Path) -> None:
    """The giver revokes what only the taker can use; the giver's own token lives on."""
    taker, candidate = tmp_path / "taker.principal", tmp_path / "taker.json"
    candidate.write_text(run("principal", "new", "--out", taker, "--json").out)
    wide = issue(plain, "collector", "collector", "repayment_reminder", tmp_path / "w", "--depth", 1)
    sent, taken = tmp_path / "sent", tmp_path / "taken"
    said = run("token", "narrow", "--in", wide, "--for", candidate, "--out", sent)
    assert (said.code, "Token until 20" in said.err) == (0, True)
    early = run("find", "--vault", plain, "--field", "phone", "--json", "--token", sent, stdin=PHONE)
    assert "cvault token accept" in early.error["remedy"], "it isn't accepted yet"
    assert run("token", "accept", "--in", sent, "--as", taker, "--out", taken).code == 0
    assert run("token", "revoke", "--vault", plain, "--in", sent, "--as", taker).code == 3
    giver = plain / "collector.principal"
    assert run("token", "revoke", "--vault", plain, "--in", sent, "--as", giver).code == 0
    at = ("find", "--vault", plain, "--field", "phone", "--json", "--token")
    assert run(*at, taken, stdin=PHONE).error["code"] == "token_revoked"
    assert run(*at, wide, stdin=PHONE).code == 0


def test_principals_with_a_p256_key_act_like_others(plain: Path, tmp_path: Path) -> None:
    """Such a principal is enrolled, gets a token and uses it; another algorithm is 2 and leaves no file."""
    admin = ("--vault", plain, "--as", plain / "admin.principal", "--json")
    mine, half, token = tmp_path / "m.principal", tmp_path / "m.json", tmp_path / "t"
    assert (
        run("principal", "new", "--algorithm", "RSA", "--out", mine, "--json").error["field"] == "algorithm"
    )
    assert not mine.exists()
    half.write_text(run("principal", "new", "--algorithm", "P-256", "--out", mine, "--json").out)
    assert json.loads(mine.read_text())["key"].startswith("P-256.")
    add = ("principal", "add", "--name", "m", "--role", "collector", "--candidate", half)
    assert run(*add, *admin).code == 0
    issued = run(
        "token", "issue", "--vault", plain, "--as", mine, "--role", "collector",
        "--purpose", "repayment_reminder", "--out", token,
    )  # fmt: skip
    assert issued.code == 0
    assert run("find", "--vault", plain, "--field", "phone", "--token", token, stdin=PHONE).code == 0
