"""Audits and bodies files on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bodieskit import check
from commands import Run
from desk import Desk

AUDIT = ("auditor", "audit")


def opened(desk: Desk, *more: object, who: str = "dpo") -> str:
    """An audit for the auditor; its id."""
    whose = desk.person("auditor")["principal"]
    made = desk(who, "audit", "open", "--for", whose, "--ends", "2099-12-31", "--reason", "年度审计", *more)
    assert made.code == 0, made.err
    ident: str = made.json["audit"]
    return ident


def test_from_opening_to_checking(desk: Desk, tmp_path: Path) -> None:
    """The DPO opens, the auditor takes the key and the file, and checks it with nothing of ours."""
    audit, key, bodies = opened(desk), tmp_path / "k.json", tmp_path / "b.jsonl"
    desk.borrowers()
    assert desk("auditor", "audit", "key", audit, "--out", key, token=AUDIT).json["audit"] == audit
    assert key.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(key.read_bytes())) == {"format", "origin", "audit", "key", "ends"}
    given = ("--bodies", bodies, "--audit", audit)
    done = desk("auditor", "log", "export", tmp_path / "tiles", *given, token=AUDIT)
    assert done.json["header"]["sealed"] is True
    head, lines = check(tmp_path / "tiles", bodies, key)
    assert head == done.json["header"]
    assert sum('"kind"' not in line["whom"] for line in lines) == len(lines) == head["last"]
    assert bodies.stat().st_mode & 0o777 == 0o600
    assert desk("auditor", "log", "export", tmp_path / "tiles", *given, token=AUDIT).code == 2
    assert desk("auditor", "log", "export", tmp_path / "tiles", *given, "--force", token=AUDIT).code == 0


def test_a_closed_audit_gives_nothing(desk: Desk, tmp_path: Path) -> None:
    """After its close: 3 for key and file, which isn't there; the list says so."""
    audit = opened(desk)
    closed = desk("dpo", "audit", "close", audit)
    assert closed.json["closed"]
    key = desk("auditor", "audit", "key", audit, "--out", tmp_path / "k", token=AUDIT)
    given = ("--bodies", tmp_path / "b", "--audit", audit)
    file = desk("auditor", "log", "export", tmp_path / "tiles", *given, token=AUDIT)
    assert [(one.code, one.error["code"]) for one in (key, file)] == [(3, "purpose_denied")] * 2
    assert not list(tmp_path.glob("[kbt]*"))
    (item,) = desk("auditor", "audit", "list").json["items"]
    assert item["closed"] == closed.json["closed"]
    assert "closed" in desk.said("auditor", "audit", "list").out
    assert "已关闭" in desk.said("auditor", "audit", "list", LC_ALL="zh_CN.UTF-8").out


def test_whose_audit_it_is(desk: Desk, tmp_path: Path) -> None:
    """Nobody opens one for themselves, a collector none at all, and nobody takes another's key."""
    mine = desk.person("dpo")["principal"]
    more = ("--ends", "2099-12-31", "--reason", "x")
    assert desk("dpo", "audit", "open", "--for", mine, *more).error["code"] == "role_denied"
    assert desk("collector", "audit", "open", "--for", mine, *more).error["code"] == "role_denied"
    assert desk("dpo", "audit", "open", "--for", "p-nobody", *more).code == 4
    named = desk("dpo", "audit", "open", "--for", "auditor", *more).json
    assert named["principal"] == desk.person("auditor")["principal"]
    assert "auditor" in desk.said("dpo", "audit", "list").out
    token = ("dpo", "security")
    taken = desk("dpo", "audit", "key", opened(desk), "--out", tmp_path / "k", token=token)
    assert (taken.code, taken.error["code"]) == (3, "role_denied")
    assert opened(desk, who="admin")


def test_slips_are_usage_errors(cv: Run, tmp_path: Path) -> None:
    """In clear only by so many words; options of a bodies file need one; closed words and days."""
    bodies = ("log", "export", tmp_path / "t", "--bodies", tmp_path / "b", "--json")
    assert cv(*bodies).code == 2
    assert cv(*bodies, "--plain", "--audit", "au-x").code == 2
    assert cv(*bodies, "--plain", "--disclose", "all").code == 2
    assert cv("log", "export", tmp_path / "t", "--plain").code == 2
    assert cv("log", "export", tmp_path / "t", "--since", "2026-01-01").code == 2
    assert cv(*bodies, "--audit", "au-none").code == 4
    assert not list(tmp_path.glob("[tb]*"))
    for wrong in (("--ends", "soon"), ("--ends", "2099-01-01", "--disclose", "all")):
        assert cv("audit", "open", "--for", "p-x", "--reason", "x", *wrong).code == 2


@pytest.mark.parametrize(("side", "other"), [("who", "whom"), ("whom", "who")])
def test_in_clear_and_loud(cv: Run, tmp_path: Path, side: str, other: str) -> None:
    """One side of every entry of a time, checkable; nobody overlooks that it is in clear."""
    given = ("--bodies", tmp_path / "b", "--plain", "--disclose", side, "--since", "2020-01-01")
    done = cv("log", "export", tmp_path / "t", *given)
    assert done.code == 0
    assert "IN CLEAR" in done.err
    _, lines = check(tmp_path / "t", tmp_path / "b")
    assert lines
    assert all(line[side] is not None and line[other] is None for line in lines)
    assert (tmp_path / "t" / "log.vkey").read_text("utf-8") == cv("log", "vkey").out
