"""Somebody else's verifier: the Go project's log packages take our export and receipts, and no forgery."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from kit import Made, borrowers, make_vault

from vault.ledger.tiles import pack_entries, unpack_entries
from vault.merkle import leaf_hash
from vault.model import Happening, Who, Whom

GOPATH: Final = Path("/usr/share/gocode")
"""Where Debian's golang-golang-x-mod-dev lies."""
HERE: Final = Path(__file__).parent


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The verifier, built without a network."""
    if shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb").is_dir():
        pytest.skip("Go and its log packages are not installed: golang-go, golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    env = os.environ | {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": str(folder / "cache")}
    command = ["go", "build", "-o", folder / "goverify", "main.go"]
    subprocess.run(command, cwd=HERE / "goverify", env=env, check=True)
    return folder / "goverify"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of some 700 entries, receipts beside it."""
    folder = tmp_path_factory.mktemp("log")
    made = make_vault(folder)
    made.load(borrowers(2))
    fill(made, 680)
    room = made.vault.auditing()
    size = room.export(made.token("auditor"), folder / "out") and room.walk().size
    (folder / "log.vkey").write_text(room.vkey.text() + "\n", "ascii")
    for index in (0, 255, 256, size - 1):
        (folder / f"{index}.tlog-proof").write_text(room.receipt(index), "utf-8")
    made.vault.close()
    return folder


def fill(made: Made, count: int) -> None:
    """Many entries at once."""
    one = Happening(kind="search", who=Who(actor="p-1", role="auditor", purpose="audit"), whom=Whom())
    made.vault.tenancy("main").journal.log(*[one] * count)


def said(tool: Path, *command: object) -> tuple[bool, str]:
    """Whether it verifies, and what is said."""
    done = subprocess.run([tool, *map(str, command)], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout.strip() or done.stderr.strip()


def test_it_takes_the_export_and_the_receipts(tool: Path, log: Path) -> None:
    """Every entry and tile, and each receipt by itself."""
    fine, size = said(tool, "tree", log / "out", log / "log.vkey")
    assert (fine, int(size) > 680) == (True, True)
    for path in log.glob("*.tlog-proof"):
        assert said(tool, "proof", path, log / "log.vkey") == (True, path.stem)


def forge_entry(out: Path) -> None:
    """An entry is another one's."""
    path = out / "tile/entries/000"
    entries = unpack_entries(path.read_bytes())
    entries[7] = entries[8]
    path.write_bytes(pack_entries(entries))


def forge_with_tile(out: Path) -> None:
    """An entry and its level-0 tile forged together (CVE-2026-56865)."""
    forge_entry(out)
    leaves = map(leaf_hash, unpack_entries((out / "tile/entries/000").read_bytes()))
    (out / "tile/0/000").write_bytes(b"".join(leaves))


def forge_tile(out: Path) -> None:
    """A hash of an upper tile is another."""
    path = next((out / "tile/1").rglob("2"))
    path.write_bytes(bytes(32) + path.read_bytes()[32:])


def shorten(out: Path) -> None:
    """The last entries are gone, and the checkpoint says that there are fewer."""
    text = (out / "checkpoint").read_text("utf-8").split("\n")
    text[1] = "512"
    (out / "checkpoint").write_text("\n".join(text), "utf-8")


@pytest.mark.parametrize("forge", [forge_entry, forge_with_tile, forge_tile, shorten])
def test_it_refuses_what_is_forged(
    tool: Path, log: Path, tmp_path: Path, forge: Callable[[Path], None]
) -> None:
    """As ours does."""
    out = Path(shutil.copytree(log / "out", tmp_path / "out"))
    forge(out)
    assert not said(tool, "tree", out, log / "log.vkey")[0]
