"""`audit pack`: every item has its evidence, or says that it is organisational."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from commands import Run
from desk import Desk
from kit import borrowers, canaries

from cli.audit_pack import _last
from vault.packing import items, missing


def made(cv: Run, folder: Path) -> dict[str, Any]:
    """A pack's index."""
    done = cv("audit", "pack", folder, "--json")
    assert done.code == 0, done.err
    assert done.json["sha256"] == sha256((folder / "index.json").read_bytes()).hexdigest()
    found: dict[str, Any] = json.loads((folder / "index.json").read_text("utf-8"))
    return found


def test_every_item_has_evidence_or_is_organisational(cv: Run, tmp_path: Path) -> None:
    """All that the items name is there, by its digest; nothing else is in the folder but the index."""
    folder = tmp_path / "pack"
    index = made(cv, folder)
    assert [item["id"] for item in index["items"]] == [item.id for item in items()]
    assert all(item["files"] or item["organisational"] for item in index["items"])
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    there = {name for name in there if not name.startswith("tiles/")} - {"index.json", "index.html"}
    assert there == set(index["sha256"]) - {"tiles"}
    for name in there:
        assert sha256((folder / name).read_bytes()).hexdigest() == index["sha256"][name]
        assert (folder / name).stat().st_mode & 0o077 == 0
    assert not missing([*index["sha256"], "log-summary"])


def test_the_pack_verifies_and_is_entered(cv: Run, tmp_path: Path) -> None:
    """Its tree passes the auditor's own tool, and its digest stands in the log."""
    folder = tmp_path / "pack"
    made(cv, folder)
    command = [sys.executable, "-m", "cli.verify", "tree", folder / "tiles", "--vkey", folder / "log.vkey"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    digest = sha256((folder / "index.json").read_bytes()).hexdigest()
    last = cv("log", "list", "--kind", "export", "--newest", "--limit", "1", "--json").json["items"][0]
    assert last["detail"] == f"audit pack {digest}"


def test_no_borrower_is_in_a_pack(cv: Run, tmp_path: Path) -> None:
    """Names, numbers, cases: of those that were imported, nothing stands in any file."""
    rows = borrowers(3)
    file = tmp_path / "in.csv"
    file.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]), "utf-8")
    assert cv("import", file, "--kind", "borrower").code == 0
    cv("find", "--field", "phone", stdin=rows[0]["手机"])
    folder = tmp_path / "pack"
    made(cv, folder)
    for path in (p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        assert not [value for value in canaries(rows) if len(value) > 3 and value.encode() in data], path.name


def test_a_pack_is_for_who_audits_and_into_a_new_folder(desk: Desk, tmp_path: Path) -> None:
    """Others get 3; a folder with something in it is not mixed with a pack."""
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("")
    auditor = ("auditor", "audit")
    assert desk("auditor", "audit", "pack", full, token=auditor).code == 2
    assert desk("auditor", "audit", "pack", tmp_path / "new", "--months", "1", token=auditor).code == 0
    page = (tmp_path / "new" / "index.html").read_text("utf-8")
    assert "organisational" in page
    assert "<script" not in page
    assert (
        desk("collector", "audit", "pack", tmp_path / "third", token=("collector", "repayment_reminder")).code
        == 3
    )


def test_months_run_backwards_over_the_year() -> None:
    """The running month comes last; short months are months too."""
    from datetime import date

    assert _last(date(2026, 3, 31), 4) == ["2025-12", "2026-01", "2026-02", "2026-03"]
    assert _last(date(2026, 3, 31), 0) == []
