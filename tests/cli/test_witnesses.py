"""Witnesses, pins and time stamps on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from commands import Run, run
from desk import Desk
from witnesskit import WitnessServer, answer, running

from vault.ledger import cosignature
from vault.ledger.checkpoint import open_checkpoint
from vault.ledger.note import VKey, split


@pytest.fixture
def one() -> Iterator[WitnessServer]:
    """A witness."""
    with running("w1.example") as (server,):
        yield server


def trust(server: WitnessServer, line: str) -> VKey:
    """Have it know the log of this verifier key."""
    key = VKey.parse(line.strip())
    server.logs[key.name] = key.public
    return key


def write(path: Path, *servers: WitnessServer) -> Path:
    """A policy that takes all of these."""
    names = " ".join(server.name for server in servers)
    path.write_text(
        "".join(s.line for s in servers) + f"group all-of-them all {names}\nquorum all-of-them\n", "utf-8"
    )
    return path


def test_from_no_witness_to_a_pin(cv: Run, one: WitnessServer, tmp_path: Path) -> None:
    """Configure, run, show, cosigned checkpoint, pin; status says the tail at every step."""
    key = trust(one, cv("log", "vkey").out)
    before = cv("status", "--json").json["witness"]
    assert (before["witnesses"], before["witnessed"], before["quorum"]) == (0, 0, None)
    assert before["tail"] == cv("status", "--json").json["log"]["size"]
    assert cv("log", "witness", "run", "--json").code == 2
    assert cv("log", "checkpoint", "--cosigned", "--json").code == 4
    policy = write(tmp_path / "w.policy", one)
    put = cv("log", "witness", "policy", policy, "--json")
    assert put.json == {"policy": sha256(policy.read_bytes()).hexdigest()}
    done = cv("log", "witness", "run", "--json")
    assert (done.code, done.json["witnessed"], done.json["items"][0]["state"]) == (0, True, "cosigned")
    assert cv("log", "witness", "run", "--json").json["skipped"]
    said = cv("status", "--json").json["witness"]
    assert (said["tail"], said["witnessed"], said["quorum"]) == (0, done.json["size"], "all-of-them")
    note = cv("log", "checkpoint", "--cosigned").out
    assert open_checkpoint(note, key).size == done.json["size"]
    assert len(cosignature.cosignatures(note, [cosignature.read_key(one.vkey)])) == 1
    shown = cv("log", "witness", "show", "--json").json
    assert shown["items"] == [{"name": one.name, "vkey": one.vkey, "url": one.url}]
    assert shown["policy"] == policy.read_text("utf-8")
    pin = tmp_path / "pin.txt"
    assert cv("log", "pin", "--cosigned", "--out", pin).code == 0
    assert pin.read_text("utf-8") == split(note)[0]
    assert cv("log", "pin", "--out", pin).code == 2
    assert cv("log", "pin").out == split(cv("log", "checkpoint").out)[0]
    assert cv("log", "pin", "--json").json["pin"] == cv("log", "pin").out


def test_for_people(cv: Run, one: WitnessServer, tmp_path: Path) -> None:
    """Tables and notes in both languages; an address or key is never an argument that could be a value."""
    trust(one, cv("log", "vkey").out)
    assert "none" in cv("log", "witness", "show").out
    assert cv("log", "witness", "policy", write(tmp_path / "p", one)).code == 0
    assert "unwitnessed tail" in cv("status").out
    ran = cv("log", "witness", "run", LC_ALL="zh_CN.UTF-8")
    assert "联署" in ran.err
    assert "w1.example" in ran.out
    assert one.vkey in cv("log", "witness", "show").out


def test_exit_codes_of_a_round(cv: Run, one: WitnessServer, tmp_path: Path) -> None:
    """None answered: 7; too few: 6; another history: 5, and an alarm is in the log."""
    key = trust(one, cv("log", "vkey").out)
    with running("w2.example") as (two,):
        assert cv("log", "witness", "policy", write(tmp_path / "p", one, two)).code == 0
        one.hook = lambda handler: answer(handler, 500, b"")
        assert cv("log", "witness", "run", "--json").code == 7
        one.hook = None
        partial = cv("log", "witness", "run", "--json")
        assert (partial.code, partial.json["witnessed"]) == (6, False)
        trust(two, key.text())
        assert cv("log", "witness", "run", "--json").code == 0
        one.seen[key.name] = (one.seen[key.name][0], bytes(32))
        cv("log", "list", "--json")
        refused = cv("log", "witness", "run", "--json")
        assert (refused.code, refused.error["code"]) == (5, "integrity")
        assert "cvault log recover" in refused.error["remedy"]
        assert len(cv("log", "list", "--kind", "alarm", "--json").json["items"]) == 1


def test_a_policy_takes_a_second_persons_yes(desk: Desk, one: WitnessServer, tmp_path: Path) -> None:
    """An admin's token, and an approval for exactly this file; without either it is refused."""
    policy = write(tmp_path / "p", one)
    command = ("log", "witness", "policy", policy)
    admin = ("admin", "administration")
    assert desk("auditor", *command, token=("auditor", "audit")).code == 3
    refused = desk("admin", *command, token=admin).error
    assert refused["code"] == "approval_required"
    assert f"--detail 'witness policy {sha256(policy.read_bytes()).hexdigest()}'" in refused["remedy"]
    digest = sha256(policy.read_bytes()).hexdigest()
    other = desk.ask("admin", "keys", "--detail", f"witness policy {'0' * 64}")
    asked = desk.ask("admin", "keys", "--detail", f"witness policy {digest}")
    for request in (other, asked):
        desk.approve("approver", request)
    assert desk("admin", *command, "--request", other, token=admin).error["code"] == "approval_required"
    assert desk("admin", *command, "--request", asked, token=admin).code == 0
    assert desk("admin", *command, "--request", asked, token=admin).error["code"] == "approval_required"


def test_policies_that_cannot_be_read(cv: Run, tmp_path: Path) -> None:
    """Each is a usage error that names the line."""
    path = tmp_path / "p"
    path.write_bytes(b"quorum none\n\xff\n")
    assert cv("log", "witness", "policy", path, "--json").error["code"] == "invalid_witness_policy"
    path.write_bytes(b"# hello\nnonsense\n")
    assert cv("log", "witness", "policy", path, "--json").error["row"] == 2
    assert cv("log", "witness", "policy", tmp_path / "none", "--json").code == 2
    assert cv("log", "witness", "run", "--every", "soon", "--json").error["field"] == "every"
    for wrong in ("0s", "25h", f"{10**30}s"):
        assert cv("log", "witness", "run", "--every", wrong, "--json").error["field"] == "every"


def test_doctor_warns_of_a_tail_beyond_the_alarm(sandbox: Path, one: WitnessServer, tmp_path: Path) -> None:
    """An hour unless the settings say otherwise; without witnesses it only says that there are none."""
    at = ("--vault", sandbox, "--sandbox")

    def found() -> list[tuple[str, str]]:
        said = run(*at, "doctor", "--json").json["findings"]
        return [(one["level"], one["message"]) for one in said if one["check"] == "witness"]

    assert [level for level, _ in found()] == ["info"]
    trust(one, run(*at, "log", "vkey").out)
    assert run(*at, "log", "witness", "policy", write(tmp_path / "p", one)).code == 0
    settings = sandbox / "vault.toml"
    settings.write_text(settings.read_text("utf-8") + "\n[witness]\nalarm_entries = 2\n", "utf-8")
    assert [level for level, _ in found()] == ["warning"]
    assert run(*at, "status", "--json").json["witness"]["alarm"]
    assert run(*at, "log", "witness", "run").code == 0
    assert found() == []


def test_every_goes_on_until_it_is_told_to_stop(sandbox: Path, one: WitnessServer, tmp_path: Path) -> None:
    """SIGTERM ends it between rounds with exit code 0 and one document; new entries are cosigned."""
    at = ("--vault", sandbox, "--sandbox")
    trust(one, run(*at, "log", "vkey").out)
    assert run(*at, "log", "witness", "policy", write(tmp_path / "p", one)).code == 0
    words = [
        sys.executable,
        "-m",
        "cli.main",
        *map(str, at),
        "log",
        "witness",
        "run",
        "--every",
        "1s",
        "--json",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"LC_ALL": "C.UTF-8"}) as process:
        _wait(lambda: one.asked == 1)
        assert run(*at, "log", "list", "--json").code == 0
        _wait(lambda: one.asked == 2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    said = json.loads(out)
    assert said["rounds"] >= 2
    assert said["last"]["witnessed"]


def _wait(until: object) -> None:
    for _ in range(400):
        if until():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError


def test_stamp_options_go_together(cv: Run, tmp_path: Path) -> None:
    """One of four ways at a time; a reply is never kept unchecked."""
    query = tmp_path / "q.tsq"
    for wrong in ((), ("--query", query, "--out", tmp_path / "x"), ("--url", "https://tsa.example/"),
                  ("--reply", query, "--authority", "a")):  # fmt: skip
        assert cv("log", "stamp", *wrong, "--json").error["code"] == "invalid_usage"
    assert cv("log", "stamp", "--query", query, "--json").json == {"file": str(query)}
    assert query.read_bytes()[:1] == b"\x30"
    assert cv("log", "stamp", "--out", tmp_path / "s.tsr", "--json").code == 4
    roots = tmp_path / "roots.pem"
    roots.write_text("none", "utf-8")
    kept = cv("log", "stamp", "--reply", query, "--authority", "a", "--roots", roots, "--json")
    assert (kept.code, kept.error["code"]) == (2, "invalid_stamp")
