"""`cvault incident`: clocks that are loud when their time is up, and whom a breach touched."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

from commands import CANARIES
from desk import Desk

AUDIT = ("auditor", "audit")
DPO = ("dpo", "administration")


def ago(hours: float) -> str:
    """An instant in the past, as the option takes it."""
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def opened(desk: Desk, hours: float = 3) -> str:
    """An incident noticed so long ago; its id."""
    made = desk("dpo", "incident", "open", "--noticed", ago(hours), "--reason", "laptop lost", token=DPO)
    assert made.code == 0, made.err
    ident: str = made.json["incident"]
    return ident


def test_clocks_run_and_are_loud(desk: Desk) -> None:
    """Overdue in the list and in status, until it is noted that whom they run for was told."""
    ident = opened(desk)
    (row,) = desk("dpo", "incident", "list", token=DPO).json["items"]
    late = {clock["clock"] for clock in row["clocks"] if clock["overdue"]}
    assert late == {"PIPL-57", "CAC-1H", "NFRA-2H"}
    marks = {clock["clock"]: clock["mark"] for clock in row["clocks"]}
    assert (marks["NFRA-2H"], marks["CAC-4H"]) == ("[S]", "[V]")
    owed = desk("admin", "status").json["owed"]["incidents"]
    assert [(one["clock"], one["overdue"]) for one in owed] == [
        ("PIPL-57", True), ("CAC-1H", True), ("NFRA-2H", True), ("CAC-4H", False), ("NFRA-24H", False),
    ]  # fmt: skip
    assert "NFRA-2H [S]" in desk.said("admin", "status").out
    assert "安全事件报告" in desk.said("admin", "status", LC_ALL="zh_CN.UTF-8").out
    told = desk(
        "dpo", "incident", "report", ident, "--clock", "NFRA-2H", "--reference", "file 7", "--at", ago(2),
        token=DPO,
    )  # fmt: skip
    assert told.code == 0
    owed = desk("admin", "status").json["owed"]["incidents"]
    assert "NFRA-2H" not in {one["clock"] for one in owed}
    closed = desk("dpo", "incident", "close", ident, "--reason", "found, sealed", token=DPO).json
    assert closed["closed"] is not None
    token = desk.token("dpo", *DPO)
    said = desk.said("dpo", "incident", "list", "--token", token)
    assert all(word in said.out for word in (ident, "closed", "CAC-30D", "(overdue)", "told"))


def test_whom_it_touched(desk: Desk) -> None:
    """As JSON, table and CSV: persons, records and fields, no values; the question is an entry."""
    ids, ident = desk.borrowers(), opened(desk, 1)
    span = ("--since", ago(1), "--until", ago(-1))
    asked = ("incident", "affected", "--actor", "collector", "--incident", ident, *span)
    found = desk("auditor", *asked, token=AUDIT).json
    assert (found["summary"]["persons"], found["summary"]["unidentifiable"]) == (2, 0)
    assert sorted(record for item in found["items"] for record in item["records"]) == sorted(ids)
    assert all(item["fields"]["borrower.phone"] == "MASKED" for item in found["items"])
    token = desk.token("auditor", *AUDIT)
    said = desk.said("auditor", *asked, "--token", token)
    assert "2 persons touched" in said.err
    assert "borrower.contact MASKED: 2 persons" in said.err
    wide = desk.said("auditor", *asked, "--token", token, "--csv", "-").out
    rows = list(csv.reader(io.StringIO(wide.removeprefix("\ufeff"))))
    assert (len(rows), rows[0][0]) == (3, "subject")
    file = desk.folder / "affected.csv"
    done = desk("auditor", *asked, "--token", token, "--csv", file).json
    assert done["summary"] == found["summary"]
    assert file.stat().st_mode & 0o077 == 0
    assert not any(value in text for value in CANARIES for text in (str(found), said.out, wide))
    lines = desk("auditor", "log", "list", "--kind", "incident", token=AUDIT).json["items"]
    assert sum("affected actor=p-" in line["detail"] for line in lines) == 4


def test_what_is_asked_must_make_sense(desk: Desk) -> None:
    """Times, sides, ids and clocks."""
    assert desk("dpo", "incident", "open", "--noticed", "today", "--reason", "x", token=DPO).code == 2
    assert desk("dpo", "incident", "open", "--noticed", ago(-5), "--reason", "x", token=DPO).code == 2
    assert desk("dpo", "incident", "close", "i-none", "--reason", "x", token=DPO).code == 4
    report = ("incident", "report", opened(desk), "--reference", "x", "--clock")
    assert desk("dpo", *report, "CAC-9H", token=DPO).error["code"] == "invalid_clock"
    affected = ("incident", "affected", "--since", ago(1))
    assert desk("auditor", *affected, token=AUDIT).error["field"] == "until"
    assert desk("auditor", *affected, "--until", ago(0), token=AUDIT).error["code"] == "invalid_breach"
    assert desk("dpo", *affected, "--until", ago(0), "--node", "n1", token=DPO).code == 3
