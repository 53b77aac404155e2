"""Vaults to run commands in: made once, copied for each test (a vault's folder may be copied)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import Ran, Run, export, run
from desk import Desk


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sandbox vault with two borrowers, and a plain one with people for every part."""
    root = tmp_path_factory.mktemp("vaults")
    assert run("init", root / "sandbox", "--sandbox").code == 0
    done = run(
        "--vault", root / "sandbox", "import", export(root), "--kind", "borrower", "--sandbox", "--json"
    )
    assert done.code == 6
    assert run("init", root / "plain").code == 0
    for name, roles in (
        ("importer", "importer"),
        ("collector", "collector"),
        ("legal", "legal"),
        ("auditor", "auditor"),
        ("dpo", "dpo"),
        ("approver", "approver"),
    ):
        added = run(
            "--vault", root / "plain", "principal", "add", "--name", name, "--role", roles,
            "--as", root / "plain" / "admin.principal",
        )  # fmt: skip
        assert added.code == 0
    shutil.copytree(root / "plain", root / "stocked")
    desk = Desk(root / "stocked")
    loaded = desk("importer", "import", export(root), "--kind", "borrower", token=("importer", "import"))
    assert loaded.code == 6
    return root


@pytest.fixture
def sandbox(templates: Path, tmp_path: Path) -> Path:
    """A sandbox vault of one's own, with two borrowers in it."""
    shutil.copytree(templates / "sandbox", tmp_path / "v")
    return tmp_path / "v"


@pytest.fixture
def plain(templates: Path, tmp_path: Path) -> Path:
    """A plain, empty vault of one's own, with a principal file for each of six people."""
    shutil.copytree(templates / "plain", tmp_path / "p")
    return tmp_path / "p"


@pytest.fixture
def desk(templates: Path, tmp_path: Path) -> Desk:
    """A plain vault of one's own with two borrowers in it, run by its six people."""
    shutil.copytree(templates / "stocked", tmp_path / "d")
    return Desk(tmp_path / "d")


@pytest.fixture
def cv(sandbox: Path) -> Run:
    """Runs a command in the sandbox vault, with --sandbox."""

    def inside(*arguments: object, stdin: str | bytes | None = None, **env: str) -> Ran:
        return run("--vault", sandbox, "--sandbox", *arguments, stdin=stdin, **env)

    return inside
