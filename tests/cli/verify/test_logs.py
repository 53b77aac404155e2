"""`cvault-verify` on what is true: exports of every shape, pins, pruned logs, receipts."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from auditkit import (
    ENTRIES,
    SIZE,
    Auditor,
    exported,
    patch,
    pin,
    receipt,
    signed,
)
from commands import Run, run
from logs import ORIGIN

from cli import verify
from vault import model


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 513])
def test_a_true_log_of_any_shape_passes(auditor: Auditor, tmp_path: Path, size: int) -> None:
    """Empty, ragged and full edges of both levels verify, and their counts are right."""
    said = auditor("tree", exported(tmp_path / "log", ENTRIES[:size])).json
    assert (said["origin"], said["size"], said["minimum"]) == (ORIGIN, size, 0)
    assert said["kinds"] == ({"read": size} if size else {})


def test_the_vaults_own_exports_and_receipts_pass(
    cv: Run, sandbox: Path, tmp_path: Path, auditor: Auditor
) -> None:
    """What `cvault log` writes verifies with the tool that shares no code with it."""
    assert cv("log", "export", tmp_path / "tiles").code == 0
    assert cv("log", "receipt", 1, "--out", tmp_path / "r", "--json").code == 0
    entry = run("--vault", sandbox, "log", "receipt", 1, "--json").json["entry"]
    (tmp_path / "entry").write_text(entry, "utf-8")
    key = ("--vkey", sandbox / "log.vkey")
    said = auditor("tree", tmp_path / "tiles", *key).json
    assert said["size"] == sum(said["kinds"].values()) > 1
    found = auditor("proof", tmp_path / "r", "--entry", tmp_path / "entry", *key).json
    assert (found["index"], found["kind"]) == (1, json.loads(entry)["k"])
    pinned = tmp_path / "pin"
    pinned.write_text("".join(cv("log", "checkpoint").out.splitlines(keepends=True)[:3]), "utf-8")
    assert auditor("extends", pinned, tmp_path / "tiles", *key).json["pinned"] == said["size"]


def test_every_pin_of_a_true_log_is_extended(auditor: Auditor, log: Path, tmp_path: Path) -> None:
    """Pins of sizes at and beside every edge hold: as three lines, typed by hand, or a whole checkpoint."""
    for size in (0, 1, 2, 255, 256, 257, 300, 511, 512, 513, 599, 600):
        for text in (pin(ENTRIES[:size]), pin(ENTRIES[:size]).replace("\n", " \r\n"), signed(ENTRIES[:size])):
            (tmp_path / "pin").write_bytes(text.encode())
            assert auditor("extends", tmp_path / "pin", log).json["pinned"] == size


def test_for_people_it_says_what_holds_and_what_it_rests_on(auditor: Auditor, log: Path) -> None:
    """Notes say that the key lay beside the log and that no witness was asked; given, they fall silent."""
    said = auditor.plain("tree", log).out
    assert said.startswith("VERIFIED\n")
    assert "another way" in said
    assert "--policy" in said
    assert "another way" not in auditor.plain("tree", log, "--vkey", log / "log.vkey").out


def test_it_runs_as_one_copied_file(log: Path, copy: Path, tmp_path: Path) -> None:
    """The file alone, outside the project, in isolated mode, imports what it needs and checks a log."""
    shutil.copy(verify.__file__, tmp_path / "verify.py")
    command = [sys.executable, "-I", str(tmp_path / "verify.py"), "tree", str(log), "--json"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout)["size"] == SIZE


def test_it_imports_the_standard_library_and_cryptography_alone() -> None:
    """Nothing of the vault; and its grammar is Python 3.9's."""
    source = ast.parse(Path(verify.__file__).read_text("utf-8"), feature_version=(3, 9))
    named = {alias.name for node in ast.walk(source) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(source) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} - sys.stdlib_module_names == {"cryptography"}


def test_its_closed_list_is_the_models() -> None:
    """A kind that the vault writes and the tool doesn't know would make every log fail."""
    assert {kind.decode() for kind in verify.KINDS} == set(model.ENTRY_KINDS)


def prune(log: Path, bundles: int) -> Path:
    """Take the first bundles away, and their tiles."""
    for number in range(bundles):
        (log / f"tile/entries/{number:03}").unlink()
        (log / f"tile/0/{number:03}").unlink()
    return log


@pytest.mark.parametrize("bundles", [1, 2])
def test_a_pruned_log_rests_on_the_tiles_above_and_says_so(
    auditor: Auditor, copy: Path, tmp_path: Path, bundles: int
) -> None:
    """What is there is checked, and what isn't is named; counters begin with what is there."""
    copy, gone = prune(copy, bundles), ("--minimum", 256 * bundles)
    said = auditor("tree", copy, *gone).json
    assert (said["minimum"], said["kinds"]) == (256 * bundles, {"read": 600 - 256 * bundles})
    assert f"entries before {256 * bundles} are pruned" in said["notes"][-1]
    for size, code in ((256 * bundles, 0), (256 * bundles + 1, 0), (600, 0), (100, 5)):
        (tmp_path / "pin").write_text(pin(ENTRIES[:size]), "utf-8")
        assert auditor("extends", tmp_path / "pin", copy, *gone).code == code, size
    assert auditor("tree", copy).fault == (5, 0)
    assert auditor("tree", copy, "--minimum", 256 * bundles - 256).fault == (5, 256 * bundles - 256)
    patch(copy / "tile/1/000.p/2", 3, b"?")
    assert auditor("tree", copy, *gone).code == 5


def test_tiles_of_pruned_bundles_may_stay_and_are_held(auditor: Auditor, copy: Path) -> None:
    """The lowest tiles that are there stand for what is gone, and must fit what stands above them."""
    for number in range(2):
        (copy / f"tile/entries/{number:03}").unlink()
    assert auditor("tree", copy, "--minimum", 600).json["minimum"] == 512
    (copy / "tile/0/000").unlink()
    assert auditor("tree", copy, "--minimum", 600).json["minimum"] == 512
    patch(copy / "tile/0/001", 40, b"?")
    assert auditor("tree", copy, "--minimum", 600).fault == (5, 256)


def test_pruning_is_of_a_prefix(auditor: Auditor, log: Path, copy: Path, tmp_path: Path) -> None:
    """A gap further on, or among the tiles, or an edge or nothing above is no pruning."""
    gap = Path(shutil.copytree(log, tmp_path / "gap"))
    (gap / "tile/entries/001").unlink()
    (gap / "tile/0/001").unlink()
    assert auditor("tree", gap, "--minimum", 600).fault == (5, 256)
    edge = prune(Path(shutil.copytree(log, tmp_path / "edge")), 2)
    for name in ("tile/entries/002.p/88", "tile/0/002.p/88"):
        (edge / name).unlink()
    assert auditor("tree", edge, "--minimum", 600).fault == (5, 512)
    left = prune(Path(shutil.copytree(log, tmp_path / "left")), 2)
    shutil.copy(log / "tile/0/000", left / "tile/0/000")
    assert auditor("tree", left, "--minimum", 600).fault == (5, 256)
    nothing = prune(Path(shutil.copytree(log, tmp_path / "nothing")), 2)
    (nothing / "tile/1/000.p/2").unlink()
    assert auditor("tree", nothing, "--minimum", 600).fault == (5, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 300])
def test_every_receipt_of_a_log_holds_for_its_entry_alone(
    auditor: Auditor, log: Path, tmp_path: Path, size: int
) -> None:
    """With the stub in `extra` one file proves itself; with another's stub, or index, it proves nothing."""
    for index in {0, size // 2, size - 1}:
        text = receipt(ENTRIES[:size], index, ENTRIES[index])
        (tmp_path / "r").write_text(text, "utf-8")
        (tmp_path / "other").write_bytes(ENTRIES[index + 1])
        key = ("--vkey", log / "log.vkey")
        assert auditor("proof", tmp_path / "r", *key).json["index"] == index
        assert auditor("proof", tmp_path / "r", "--entry", tmp_path / "other", *key).fault == (5, index)
        (tmp_path / "r").write_text(text.replace(f"index {index}\n", f"index {index + 1}\n"), "utf-8")
        assert auditor("proof", tmp_path / "r", *key).fault == (5, index + 1)


def test_a_receipt_without_its_entry_asks_for_it(auditor: Auditor, log: Path, tmp_path: Path) -> None:
    """Nothing was given to check: 2, not 5; the entry may come with a last newline."""
    (tmp_path / "r").write_text(receipt(ENTRIES, 300), "utf-8")
    (tmp_path / "entry").write_bytes(ENTRIES[300] + b"\n")
    key = ("--vkey", log / "log.vkey")
    assert auditor("proof", tmp_path / "r", *key).fault == (2, None)
    assert auditor("proof", tmp_path / "r", "--entry", tmp_path / "entry", *key).json["node"] == "n0"
