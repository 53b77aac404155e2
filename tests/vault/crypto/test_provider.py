"""The local key provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.crypto.keys import TenantKeys
from vault.crypto.provider import LocalKeys
from vault.errors import ConfigError, Tampered, Unavailable


def test_files_are_private(tmp_path: Path) -> None:
    """Key files are 0600 in a folder that is 0700, and nothing temporary stays behind."""
    provider = LocalKeys.create(tmp_path / "k")
    provider.add_tenant(TenantKeys.generate("main", "o"))
    provider.create_epoch("main", 1)
    modes = {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "k").rglob("*")}
    assert modes == {"epochs": 0o700, "main.keys": 0o600, "main-00000001.epoch": 0o600}
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o700


def test_destroyed_epoch_unwraps_nothing(tmp_path: Path) -> None:
    """After destruction the epoch's file is gone and its shelf keys are out of reach, cache included."""
    provider = LocalKeys.create(tmp_path / "k")
    provider.create_epoch("main", 1)
    wrapped = provider.wrap("main", 1, b"s" * 32, b"c")
    assert provider.unwrap("main", 1, wrapped, b"c") == b"s" * 32
    provider.destroy_epoch("main", 1)
    provider.destroy_epoch("main", 1)
    for where in (provider, LocalKeys(tmp_path / "k")):
        with pytest.raises(Unavailable) as gone:
            where.unwrap("main", 1, wrapped, b"c")
        assert gone.value.code == "epoch_destroyed"


def test_an_epoch_made_twice_is_the_same(tmp_path: Path) -> None:
    """A repeated step after a crash keeps the epoch that may be in use."""
    provider = LocalKeys.create(tmp_path / "k")
    provider.create_epoch("main", 1)
    wrapped = provider.wrap("main", 1, b"s", b"c")
    provider.create_epoch("main", 1)
    assert LocalKeys(tmp_path / "k").unwrap("main", 1, wrapped, b"c") == b"s"


def test_passphrase(tmp_path: Path) -> None:
    """With a passphrase no file opens without it, and none holds a key in clear."""
    provider = LocalKeys.create(tmp_path / "k", "correct horse")
    keys = TenantKeys.generate("main", "o")
    provider.add_tenant(keys)
    provider.create_epoch("main", 1)
    assert LocalKeys(tmp_path / "k", "correct horse").tenant("main").origin == "o"
    assert b'"log_seed"' not in (tmp_path / "k" / "main.keys").read_bytes()
    with pytest.raises(ConfigError):
        LocalKeys(tmp_path / "k")
    with pytest.raises(ConfigError):
        LocalKeys(tmp_path / "k", "wrong").tenant("main")


def test_a_locked_file_is_bound_to_its_name(tmp_path: Path) -> None:
    """One tenant's key file put in another's place doesn't open."""
    provider = LocalKeys.create(tmp_path / "k", "p")
    provider.add_tenant(TenantKeys.generate("main", "o"))
    (tmp_path / "k" / "other.keys").write_bytes((tmp_path / "k" / "main.keys").read_bytes())
    with pytest.raises(ConfigError):
        provider.tenant("other")


@pytest.mark.parametrize("name", ["", "../main", "Main", "a/b", "名"])
def test_tenant_names(tmp_path: Path, name: str) -> None:
    """A tenant's name can't leave the folder."""
    provider = LocalKeys.create(tmp_path / "k")
    with pytest.raises(ConfigError):
        provider.add_tenant(TenantKeys.generate(name, "o"))
    with pytest.raises(ConfigError):
        provider.tenant(name)


def test_tenants_are_added_once(tmp_path: Path) -> None:
    """Adding a tenant twice, or making a folder twice, is refused: keys are never overwritten."""
    provider = LocalKeys.create(tmp_path / "k")
    provider.add_tenant(TenantKeys.generate("main", "o"))
    with pytest.raises(ConfigError):
        provider.add_tenant(TenantKeys.generate("main", "o"))
    with pytest.raises(ConfigError):
        LocalKeys.create(tmp_path / "k")
    assert provider.tenants() == ["main"]


def test_epochs_can_be_elsewhere(tmp_path: Path) -> None:
    """A second key folder shares the first one's epochs through a relative pointer."""
    whole = LocalKeys.create(tmp_path / "k")
    whole.create_epoch("main", 1)
    wrapped = whole.wrap("main", 1, b"s", b"c")
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "epochs.path").write_text("../k/epochs\n")
    assert LocalKeys(tmp_path / "node").unwrap("main", 1, wrapped, b"c") == b"s"
    with pytest.raises(Tampered):
        LocalKeys(tmp_path / "node").unwrap("main", 1, wrapped, b"other")


def test_two_makers_of_an_epoch_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that make the same epoch at once the first one's key stands, for both."""
    first, second = LocalKeys.create(tmp_path / "k"), LocalKeys(tmp_path / "k")
    exists, raced = Path.exists, []

    def exists_not_yet(path: Path) -> bool:
        if path.suffix == ".epoch" and not raced:
            raced.append(True)
            second.create_epoch("main", 1)
            return False
        return exists(path)

    monkeypatch.setattr(Path, "exists", exists_not_yet)
    first.create_epoch("main", 1)
    wrapped = second.wrap("main", 1, b"s" * 32, b"c")
    assert first.unwrap("main", 1, wrapped, b"c") == b"s" * 32
    assert [path.name for path in (tmp_path / "k" / "epochs").iterdir()] == ["main-00000001.epoch"]


def test_a_destroyed_epoch_is_overwritten(tmp_path: Path) -> None:
    """The file's bytes are gone and not only its name: what still points at them finds no key."""
    provider = LocalKeys.create(tmp_path / "k")
    provider.create_epoch("main", 1)
    (file,) = provider.epochs.iterdir()
    before = file.read_bytes()
    (tmp_path / "link").hardlink_to(file)
    provider.destroy_epoch("main", 1)
    after = (tmp_path / "link").read_bytes()
    assert len(after) == len(before)
    assert before[-32:] not in after


def test_no_name_reaches_out_of_the_folder(tmp_path: Path) -> None:
    """A tenant's name is no path: a key file that lies elsewhere is not opened through it."""
    LocalKeys.create(tmp_path).add_tenant(TenantKeys.generate("outside", "o"))
    with pytest.raises(ConfigError):
        LocalKeys.create(tmp_path / "k").tenant("../outside")


def test_an_epoch_destroyed_elsewhere_is_dead_here(tmp_path: Path) -> None:
    """A node that remembers an epoch stops using it once another has destroyed it."""
    here, there = LocalKeys.create(tmp_path / "k"), LocalKeys(tmp_path / "k")
    here.create_epoch("main", 1)
    wrapped = here.wrap("main", 1, b"s" * 32, b"c")
    there.destroy_epoch("main", 1)
    with pytest.raises(Unavailable):
        here.unwrap("main", 1, wrapped, b"c")


def test_a_short_epoch_key_is_refused(tmp_path: Path) -> None:
    """Half a key would still be a key, of another cipher: only one of 32 bytes is used."""
    provider = LocalKeys.create(tmp_path / "k")
    provider.create_epoch("main", 1)
    (file,) = provider.epochs.iterdir()
    file.write_bytes(file.read_bytes()[:-16])
    with pytest.raises(ConfigError):
        provider.wrap("main", 1, b"s" * 32, b"c")
