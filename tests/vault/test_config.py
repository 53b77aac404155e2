"""Settings."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from vault.config import Config, Settings, iso, settings_text, today
from vault.errors import ConfigError


def write(folder: Path, text: str) -> Config:
    """A vault.toml with this text, loaded."""
    (folder / "vault.toml").write_text(text)
    return Config.load(folder)


def test_round_trip(tmp_path: Path) -> None:
    """What is written for new settings reads back equal."""
    settings = Settings(format=1, id="ab", applies_to="lender", keys="../k", epoch_grace_hours=3)
    assert write(tmp_path, settings_text(settings)).settings == settings


@pytest.mark.parametrize(
    "text",
    [
        "format = 2\nid='a'",
        "format = 1",
        "format = 1\nid='a'\nx=1",
        "format = 1\nid='a'\n[stores]\ny='z'",
        "=",
    ],
)
def test_refusals(tmp_path: Path, text: str) -> None:
    """An unknown or missing setting stops the start with a clear error."""
    with pytest.raises(ConfigError):
        write(tmp_path, text)


@pytest.mark.parametrize("hours", [0, -1])
def test_an_epoch_has_its_grace(tmp_path: Path, hours: int) -> None:
    """Without an hour at least, a node could still seal under an epoch that is gone; 1 is taken."""
    with pytest.raises(ConfigError) as refusal:
        write(tmp_path, f"format = 1\nid = 'a'\nepoch_grace_hours = {hours}")
    assert (refusal.value.field, refusal.value.exit_code) == ("epoch_grace_hours", 2)
    assert "1 or more" in refusal.value.remedy
    assert write(tmp_path, "format = 1\nid = 'a'\nepoch_grace_hours = 1").settings.epoch_grace_hours == 1


def test_no_vault(tmp_path: Path) -> None:
    """A folder without a vault says so, and how to make one."""
    with pytest.raises(ConfigError) as refusal:
        Config.load(tmp_path)
    assert "cvault init" in refusal.value.remedy


def test_relative_urls_follow_the_folder(tmp_path: Path) -> None:
    """SQLite paths are relative to the folder, so that it may move; other URLs stay as they are."""
    config = write(
        tmp_path, "format=1\nid='a'\n[stores]\nkeys='postgresql+psycopg://h/k'\nindex='sqlite:////x.db'"
    )
    assert config.url("records") == f"sqlite:///{tmp_path.resolve()}/records.db"
    assert config.url("keys") == "postgresql+psycopg://h/k"
    assert config.url("index") == "sqlite:////x.db"


def test_days_are_shanghai_days() -> None:
    """A rule's day turns at 16:00 UTC; stored instants are UTC."""
    before = 1_773_676_799_000_000
    assert today(before) == date(2026, 3, 16)
    assert today(before + 1_000_000) == date(2026, 3, 17)
    assert iso(before) == "2026-03-16T15:59:59Z"
