"""The vault's settings: `vault.toml` in its folder, strict and relative, so that the folder may move."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from vault.errors import ConfigError, Invalid
from vault.model import Word

FORMAT: Final = 1
SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has kept one time without daylight saving since 1991; rules count days in it (DESIGN 6)."""

Clock = Callable[[], int]
"""Gives µs UTC."""

STORES: Final = ("records", "index", "keys", "ledger")


class Stores(Word, forbid_unknown_fields=True):
    """The SQLAlchemy URL of each store; a relative SQLite path is relative to the vault's folder."""

    records: str = "sqlite:///records.db"
    index: str = "sqlite:///index.db"
    keys: str = "sqlite:///keys.db"
    ledger: str = "sqlite:///ledger.db"


class Witness(Word, forbid_unknown_fields=True):
    """How far the log may run ahead of its witnesses (docs/witnesses.md); 0 is no limit.

    Attributes:
        alarm_entries, alarm_seconds: Beyond this, `doctor` warns, once the tenant has witnesses.
        stop_entries, stop_seconds: Beyond this, nothing more is disclosed until witnesses have caught up.
    """

    alarm_entries: int = 0
    alarm_seconds: int = 3600
    stop_entries: int = 0
    stop_seconds: int = 0


class AlarmTargets(Word, forbid_unknown_fields=True):
    """Where alarms go beside the log (docs/alarms.md); "" for nowhere.

    Attributes:
        file: A file that a line is added to for each, relative to the vault's folder.
        webhook: An https URL, or a http one of this machine, that each is POSTed to.
        secret: A file whose first line signs what is POSTed, relative to the vault's folder.
    """

    file: str = ""
    webhook: str = ""
    secret: str = ""


class Settings(Word, forbid_unknown_fields=True):
    """What `vault.toml` holds.

    Attributes:
        format: The layout's version, 1.
        id: The vault's own random name, part of its logs' origin.
        applies_to: Whose duties apply: a lender's or a collection agency's (law as data, docs/retention.md).
        sandbox: A learning vault; must agree with the log's origin, so it can't be set or cleared later.
        node: This node's name in entries.
        keys: The key folder, relative to the vault's folder.
        epoch_grace_hours: How long a retired epoch is kept before it is destroyed (DESIGN 5); at least 1, the
            time in which every node lets go of it.
        region: Where this node serves, ISO 3166-1 alpha-2: conditions of the policy may name it (PIPL 38-40).
        stores: Where the four stores are.
        witness: How far the log may run ahead of its witnesses.
        alarms: Where alarms go.
    """

    format: int
    id: str
    applies_to: Literal["agency", "lender"] = "agency"
    sandbox: bool = False
    node: str = "n1"
    keys: str = "keys"
    epoch_grace_hours: int = 24
    region: str = "CN"
    stores: Stores = Stores()
    witness: Witness = Witness()
    alarms: AlarmTargets = AlarmTargets()


class Config(Word):
    """Settings with the folder they belong to."""

    folder: Path
    settings: Settings

    @classmethod
    def load(cls, folder: Path) -> Config:
        """Read `vault.toml`.

        Raises:
            ConfigError: There is no vault here, or a setting is unknown or wrong; names it.
        """
        path = folder / "vault.toml"
        try:
            data = tomllib.loads(path.read_text("utf-8"))
            settings = msgspec.convert(data, Settings)
        except FileNotFoundError:
            raise ConfigError(
                f"no vault in {folder}", field="vault", remedy="cvault init DIR, or give --vault DIR"
            ) from None
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise ConfigError(f"vault.toml: {error}", field="vault.toml", remedy="mend the setting") from None
        if settings.format != FORMAT:
            raise ConfigError("vault.toml: unknown format", field="format", remedy="use a newer cvault")
        if settings.epoch_grace_hours < 1:
            raise ConfigError(
                "vault.toml: epoch_grace_hours is less than 1",
                field="epoch_grace_hours",
                remedy="write 1 or more: nodes need the time to drop the old epoch",
            )
        if any(limit < 0 for limit in msgspec.structs.astuple(settings.witness)):
            raise ConfigError(
                "vault.toml: a limit of [witness] is below 0",
                field="witness",
                remedy="write 0 for no limit, or a number",
            )
        _demand_hook(settings.alarms.webhook)
        return cls(folder=folder, settings=settings)

    def url(self, store: str) -> str:
        """A store's URL with a relative SQLite path made absolute."""
        url: str = getattr(self.settings.stores, store)
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            return f"{prefix}{(self.folder / url.removeprefix(prefix)).resolve()}"
        return url

    def with_keys(self, folder: Path | None) -> Config:
        """The same with another key folder, if one is named."""
        if folder is None:
            return self
        settings = msgspec.structs.replace(self.settings, keys=str(folder.absolute()))
        return msgspec.structs.replace(self, settings=settings)

    @property
    def keys_folder(self) -> Path:
        """Where the local key provider keeps its files."""
        return (self.folder / self.settings.keys).resolve()


def _demand_hook(url: str) -> None:
    """Demand that alarms don't cross a network in clear.

    Raises:
        ConfigError: Neither https nor http of this machine.
    """
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        good = parts.port != 0 and bool(parts.hostname) and (local or parts.scheme == "https")
    except ValueError:
        good = False
    if url and not (good and url.isascii() and url.isprintable() and " " not in url):
        raise ConfigError(
            "vault.toml: alarms.webhook is no https URL",
            field="alarms.webhook",
            remedy="write https://…; http is for this machine alone",
        )


def settings_text(settings: Settings) -> str:
    """`vault.toml` for new settings."""
    stores = "\n".join(
        f"{name} = {msgspec.json.encode(getattr(settings.stores, name)).decode()}" for name in STORES
    )
    return f"""\
# Settings of this vault; every key is described in docs/interface.md.
format = {settings.format}
id = "{settings.id}"
applies_to = "{settings.applies_to}"      # agency | lender: whose retention duties apply
sandbox = {str(settings.sandbox).lower()}            # fixed at init; the log's origin says the same
node = "{settings.node}"
keys = {msgspec.json.encode(settings.keys).decode()}
epoch_grace_hours = {settings.epoch_grace_hours}     # how long a retired epoch is kept before it is destroyed

[stores]
{stores}
"""


def today(now: int) -> date:
    """The Asia/Shanghai date of an instant (µs UTC)."""
    return datetime.fromtimestamp(now / 1_000_000, SHANGHAI).date()


def iso_day(text: str, field: str) -> date:
    """An ISO date as people give it.

    Raises:
        Invalid: It isn't one; names the field.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("not a date", code="invalid_date", field=field, remedy="write 2026-12-31") from None


def iso(now: int) -> str:
    """An instant (µs UTC) as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(now // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
