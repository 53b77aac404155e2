"""Making and running a vault: init, tenants, keys, status, doctor, policy, schema."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from commands import PHONE, Run, run


def test_init_makes_what_is_pinned(tmp_path: Path) -> None:
    """A vault's folder has the pinned files, a private principal file, and a sandbox says so everywhere."""
    done = run(
        "init", tmp_path / "v", "--keys", tmp_path / "k", "--applies-to", "lender", "--sandbox", "--json"
    )
    assert (done.code, done.json["file"]) == (0, str(tmp_path / "v" / "admin.principal"))
    names = {path.name for path in (tmp_path / "v").iterdir()}
    assert names >= {
        "vault.toml",
        "policy.toml",
        "records.db",
        "index.db",
        "keys.db",
        "ledger.db",
        "log.vkey",
    }
    assert not (tmp_path / "v" / "keys").exists()
    assert stat.S_IMODE(Path(done.json["file"]).stat().st_mode) == 0o600
    said = run("status", "--vault", tmp_path / "v", "--json").json
    assert (said["sandbox"], said["applies_to"], said["tenants"]) == (True, "lender", ["main"])
    assert "SANDBOX" in run("status", "--vault", tmp_path / "v").out


def test_init_says_what_next_and_never_overwrites(tmp_path: Path) -> None:
    """For people it names the next commands; a second init, and a principal file in the way, are refused."""
    first = run("init", "--vault", tmp_path / "v")
    assert "principal add" in first.err
    assert first.out == ""
    assert run("init", tmp_path / "v").code == 2
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "admin.principal").write_text("mine")
    assert run("init", tmp_path / "w", "--json").error["code"] == "invalid_file"
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["admin.principal"]


def test_init_with_stores_elsewhere(tmp_path: Path) -> None:
    """The stores' URLs come from a file; one that is none is refused by its name."""
    (tmp_path / "s.toml").write_text(f'ledger = "sqlite:///{tmp_path}/far.db"\n')
    assert run("init", tmp_path / "v", "--stores", tmp_path / "s.toml").code == 0
    assert (tmp_path / "far.db").exists()
    (tmp_path / "s.toml").write_text('somewhere = "x"\n')
    assert run("init", tmp_path / "w", "--stores", tmp_path / "s.toml", "--json").error["field"] == "stores"


def test_a_file_is_no_vault(tmp_path: Path) -> None:
    """A file where the vault's folder or the keys should be is 2 and stays; `doctor` finds it, which is 1."""
    file = tmp_path / "f"
    file.write_text("mine")
    for command in (("status",), ("init",), ("list", "--sandbox")):
        refused = run("--vault", file, *command, "--json")
        assert (refused.code, refused.error["field"]) == (2, "vault")
        assert refused.error["remedy"]
    assert run("init", tmp_path / "v", "--keys", file, "--json").error["field"] == "keys"
    assert not (tmp_path / "v").exists()
    well = run("--vault", file, "doctor", "--json")
    assert (well.code, well.json["findings"][0]["check"]) == (1, "open")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("below", ["", "node"])
def test_keys_are_exported_into_a_folder(cv: Run, sandbox: Path, tmp_path: Path, below: str) -> None:
    """A file where the key folder goes is 2, before an entry says that keys were handed out."""
    (tmp_path / "f").write_text("mine")
    size = run("--vault", sandbox, "status", "--json").json["log"]["size"]
    refused = cv("keys", "export", "--compartments", "masked", "--out", tmp_path / "f" / below, "--json")
    assert (refused.code, refused.error["field"]) == (2, "out")
    assert (tmp_path / "f").read_text() == "mine"
    assert run("--vault", sandbox, "status", "--json").json["log"]["size"] == size


def test_settings_come_from_the_environment(sandbox: Path, tmp_path: Path) -> None:
    """CVAULT_VAULT and CVAULT_KEYS stand in for --vault and --keys; no vault at all is 2."""
    shutil.move(sandbox / "keys", tmp_path / "k")
    assert run("status", "--json", CVAULT_VAULT=str(sandbox), CVAULT_KEYS=str(tmp_path / "k")).code == 0
    assert run("status", "--json", CVAULT_VAULT=str(tmp_path / "none")).error["code"] == "invalid_config"


def test_passphrase_locks_the_keys(tmp_path: Path) -> None:
    """A vault made with a passphrase opens with it alone."""
    (tmp_path / "p").write_text("一句很长的口令\n", "utf-8")
    (tmp_path / "q").write_text("another\n", "utf-8")
    assert run("init", tmp_path / "v", "--passphrase-file", tmp_path / "p").code == 0
    at = ("status", "--vault", tmp_path / "v", "--json")
    assert run(*at, "--passphrase-file", tmp_path / "p").code == 0
    assert run(*at).error["field"] == "passphrase"
    assert run(*at, "--passphrase-file", tmp_path / "q").code == 2
    (tmp_path / "q").write_text("\n", "utf-8")
    assert run(*at, "--passphrase-file", tmp_path / "q").error["field"] == "passphrase"


def test_tenants_are_apart(cv: Run, sandbox: Path) -> None:
    """A new tenant has its own first principal, log and records; its contract's end is recorded."""
    added = cv("tenant", "add", "xinghe", "--json")
    assert (added.code, added.json["file"]) == (0, str(sandbox / "admin-xinghe.principal"))
    assert [row["tenant"] for row in cv("tenant", "list", "--json").json["items"]] == ["main", "xinghe"]
    assert "xinghe" in cv("tenant", "list").out
    assert cv("--tenant", "xinghe", "list", "--json").json["items"] == []
    contract = (
        "tenant",
        "contract",
        "--tenant",
        "xinghe",
        "--party",
        "某某消费金融",
        "--starts",
        "2020-01-01",
    )
    assert cv(*contract, "--ends", "2019-01-01", "--json").error["code"] == "invalid_ends"
    assert cv(*contract, "--ends", "2020-12-31", "--json").code == 0
    ended = cv("--tenant", "xinghe", "find", "--field", "phone", "--json", stdin=PHONE)
    assert (ended.code, ended.error["code"]) == (3, "contract_ended")
    assert cv("tenant", "add", "Xinghe", "--json").code == 2
    assert cv("--tenant", "nobody", "list", "--json").error["field"] == "tenant"


def test_exported_keys_make_a_masked_node(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """A node with exported keys reads masked views alone: no search, no clear value; it is logged."""
    done = cv("keys", "export", "--compartments", "masked", "--out", tmp_path / "node", "--json")
    assert (done.code, done.json["compartments"]) == (0, ["masked"])
    assert cv("keys", "status", "--json", CVAULT_KEYS=str(tmp_path / "node")).json["compartments"] == [
        "masked"
    ]
    for role, purpose in (("collector", "negotiation"), ("legal", "legal_action")):
        token = tmp_path / role
        assert cv("token", "issue", "--role", role, "--purpose", purpose, "--out", token).code == 0
        node = ("--vault", sandbox, "--keys", tmp_path / "node", "--token", token, "--json")
        seen = run(*node, "read", "--ref", "borrower:AJ00001").json["items"][0]["fields"]
        assert {field["view"] for field in seen.values()} <= {"MASKED", "HIDDEN"}
        assert run(*node, "find", "--field", "phone", stdin=PHONE).error["code"] == "audience_denied"
    assert cv("log", "list", "--kind", "key", "--json").json["items"][0]["detail"] == "export masked"
    assert cv("keys", "export", "--compartments", "masked", "--out", tmp_path / "node").code == 2
    assert cv("keys", "export", "--compartments", "contact", "--out", tmp_path / "other").code == 2


def test_locked_keys_export_under_the_same_passphrase(tmp_path: Path) -> None:
    """Keys locked by a passphrase stay locked by it in the exported folder."""
    (tmp_path / "p").write_text("another long one\n", "utf-8")
    at = ("--vault", tmp_path / "v", "--passphrase-file", tmp_path / "p", "--sandbox", "--json")
    assert run("init", *at).code == 0
    assert run("tenant", "add", "second", *at).code == 0
    assert run("keys", "export", "--compartments", "masked", "--out", tmp_path / "node", *at).code == 0
    there = ("--vault", tmp_path / "v", "--keys", tmp_path / "node")
    assert run("status", *there, "--json").error["field"] == "passphrase"
    assert run("tenant", "list", *there, "--passphrase-file", tmp_path / "p", "--json").code == 0


def test_epochs_are_shown_and_destroyed_when_due(cv: Run) -> None:
    """An epoch in use is shown and not destroyed."""
    said = cv("keys", "status", "--json").json
    assert (said["whole"], [epoch["retired"] for epoch in said["epochs"]]) == (True, [None])
    assert "narrative" in cv("keys", "status").out
    assert cv("keys", "destroy", "--json").json == {"destroyed": []}


def test_status_counts_without_values(cv: Run) -> None:
    """Status tells what there is: records by kind, log, epochs, policy, compartments."""
    said = cv("status", "--json").json
    assert said["records"] == {"borrower": 2, "loan": 2, "contact_person": 1}
    assert said["log"]["size"] == cv("log", "verify", "--json").json["size"]  # its own token comes after
    assert len(said["policy"]) == 64
    assert len(said["compartments"]) == 6


def test_doctor_finds_open_files_and_edited_heads(cv: Run, sandbox: Path) -> None:
    """A sound vault is 0 with warnings; a principal file open to others, or a broken setting, is 1."""
    well = cv("doctor", "--json")
    assert (well.code, well.json["ok"]) == (0, True)
    assert {"level": "warning", "check": "keys"}.items() <= well.json["findings"][0].items()
    (sandbox / "admin.principal").chmod(0o644)
    ill = cv("doctor", "--json")
    assert (ill.code, ill.json["findings"][0]["check"]) == (1, "modes")
    (sandbox / "vault.toml").write_text("format = 1\n")
    assert cv("doctor").code == 1


def test_doctor_looks_at_the_files_of_alarms(cv: Run, sandbox: Path) -> None:
    """Others may read the hook's secret: an error; the file that names staff: a warning."""
    settings = sandbox / "vault.toml"
    settings.write_text(
        settings.read_text("utf-8") + '\n[alarms]\nfile = "a.jsonl"\nsecret = "hook.secret"\n', "utf-8"
    )
    assert cv("doctor", "--json").code == 0
    for name, level in (("hook.secret", "error"), ("a.jsonl", "warning")):
        (sandbox / name).write_text("x")
        (sandbox / name).chmod(0o644)
        found = cv("doctor", "--json").json["findings"]
        assert [f["level"] for f in found if name in f["message"]] == [level]


def test_doctor_says_where_nobody_may_open_an_incident(cv: Run, sandbox: Path) -> None:
    """A policy from before there was the action gives it to nobody."""
    policy = sandbox / "policy.toml"
    assert "nobody may open an incident" not in cv("doctor", "--json").out
    policy.write_text(policy.read_text("utf-8").replace(', "protect"', ""), "utf-8")
    assert "nobody may open an incident" in cv("doctor", "--json").out


def test_policy_is_checked_explained_and_compared(cv: Run, sandbox: Path, tmp_path: Path) -> None:
    """The policy in use is sound, says per field why it is shown, and a widening is named first."""
    assert cv("policy", "check", "--json").json["sandbox"] is True
    said = cv("policy", "explain", "collector", "repayment_reminder", "--json").json
    views = {(row["kind"], row["field"]): row["view"] for row in said["items"]}
    assert (views["borrower", "phone"], views["borrower", "id_number"]) == ("MASKED", "HIDDEN")
    assert "姓名" in cv("policy", "explain", "collector", "repayment_reminder").out
    assert cv("policy", "explain", "collector", "audit", "--json").error["code"] == "purpose_denied"
    text = (sandbox / "policy.toml").read_text("utf-8")
    wider = tmp_path / "wider.toml"
    wider.write_text(
        text.replace('masked = ["name", "phone"]', 'masked = ["name"]\nclear = ["phone"]', 1), "utf-8"
    )
    changes = cv("policy", "diff", sandbox / "policy.toml", wider, "--json").json["items"]
    assert changes
    assert all(change["widening"] for change in changes)
    assert cv("policy", "diff", sandbox / "policy.toml", wider).out.startswith("+ ")
    assert cv("policy", "diff", wider, wider).out == ""
    wider.write_text(text.replace('"read", "find", "list"', '"read", "fnid", "list"', 1), "utf-8")
    assert cv("policy", "check", wider).code == 2


@pytest.mark.parametrize(
    ("role", "purpose", "named"), [("colector", "audit", "role"), ("auditor", "audti", "purpose")]
)
def test_words_that_are_none_are_no_denial(role: str, purpose: str, named: str) -> None:
    """A misspelt role or purpose is 2 and names the argument and the words there are."""
    refused = run("policy", "explain", role, purpose, "--json")
    assert (refused.code, refused.error["code"], refused.error["field"]) == (2, "invalid_usage", named)
    assert "auditor" in refused.error["remedy"] or "audit" in refused.error["remedy"]


def test_policy_and_schema_need_no_vault(tmp_path: Path) -> None:
    """Without a vault the built-in policy and schema are looked at."""
    at = ("--vault", tmp_path / "none")
    assert run(*at, "policy", "check", "--json").json["sandbox"] is False
    assert "name" in run(*at, "schema", "check", "--json").json["kinds"]["borrower"]
    assert "姓名" in run(*at, "schema", "check").out
    (tmp_path / "s.toml").write_text("version = 2\n")
    assert run(*at, "schema", "check", tmp_path / "s.toml", "--json").error["code"] == "invalid_schema"


@pytest.mark.parametrize("file", ["admin.principal", "log.vkey"])
def test_who_acts_must_be_a_principal_file(sandbox: Path, file: str) -> None:
    """Another file in place of a principal's is 2; nothing of it is repeated."""
    path = sandbox / file
    path.write_text('{"principal": "secret-marker"}', "utf-8")
    done = run("--vault", sandbox, "principal", "list", "--as", path)
    assert done.code == 2
    assert "secret-marker" not in done.err


def test_a_key_stays_with_its_owner(sandbox: Path, tmp_path: Path) -> None:
    """`principal new` makes a key beside no vault; an admin adds its public half and never holds it."""
    mine = tmp_path / "mine.principal"
    made = run("--vault", tmp_path / "nowhere", "principal", "new", "--out", mine, "--json")
    assert (made.code, sorted(made.json)) == (0, ["principal", "public"])
    assert mine.stat().st_mode & 0o777 == 0o600
    half = tmp_path / "half.json"
    half.write_text(made.out, "utf-8")
    admin = sandbox / "admin.principal"
    added = run(
        "--vault", sandbox, "principal", "add", "--name", "小王", "--role", "auditor", "--candidate", half,
        "--as", admin, "--json",
    )  # fmt: skip
    assert (added.code, added.json["principal"], added.json["file"]) == (0, made.json["principal"], None)
    issued = run(
        "--vault", sandbox, "token", "issue", "--as", mine, "--role", "auditor", "--purpose", "audit",
        "--out", tmp_path / "t",
    )  # fmt: skip
    assert issued.code == 0
    again = run(
        "--vault", sandbox, "principal", "add", "--name", "x", "--role", "legal", "--candidate", half,
        "--as", admin,
    )  # fmt: skip
    assert again.code == 2
