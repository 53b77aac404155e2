"""The auditor's tool, and a log for it to check."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from auditkit import ENTRIES, TAGGED, Auditor, exported


@pytest.fixture
def auditor(capsysbinary: pytest.CaptureFixture[bytes]) -> Auditor:
    """The tool."""
    return Auditor(capsysbinary)


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A true export of `ENTRIES`; nobody changes it."""
    return exported(tmp_path_factory.mktemp("log") / "log", ENTRIES)


@pytest.fixture
def copy(log: Path, tmp_path: Path) -> Path:
    """The same, to tamper with."""
    return Path(shutil.copytree(log, tmp_path / "log"))


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of `TAGGED`."""
    return exported(tmp_path_factory.mktemp("tagged") / "log", [one.stub for one in TAGGED])
