"""Key providers: where lasting keys and epochs live (DESIGN 5). `LocalKeys` keeps them in files, mode 0600.

An epoch is a key of its own, in a file of its own, never a blob under a lasting key: destroying the file
destroys it. With a passphrase every file is sealed under a scrypt key (RFC 7914); docs/formats/keys.md.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from vault.crypto.encoding import encode
from vault.crypto.keys import TenantKeys
from vault.crypto.sign import token_bytes
from vault.crypto.wrap import WrappingKey
from vault.errors import ConfigError, Tampered, Unavailable
from vault.model import Word

SCRYPT_COST: Final = 2**15
KEY_SIZE: Final = 32
_PLAIN: Final = b"cvault-file-1 plain\n"
_LOCKED: Final = b"cvault-file-1 scrypt\n"
_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class KeyProvider(Protocol):
    """What the vault asks of a key store; AWS KMS, PKCS#11 or OpenBao can stand behind it."""

    def tenants(self) -> list[str]:
        """The tenants that have keys here, sorted."""

    def tenant(self, tenant: str) -> TenantKeys:
        """The lasting keys of one tenant that this node holds."""

    def add_tenant(self, keys: TenantKeys) -> None:
        """Keep a new tenant's keys."""

    def replace_tenant(self, keys: TenantKeys) -> None:
        """Keep a tenant's keys in place of those that are there."""

    def create_epoch(self, tenant: str, epoch: int) -> None:
        """Make an epoch: a key that can be destroyed."""

    def wrap(self, tenant: str, epoch: int, key: bytes, context: bytes) -> bytes:
        """Wrap a shelf key under an epoch."""

    def unwrap(self, tenant: str, epoch: int, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap a shelf key; `Unavailable` when the epoch is gone."""

    def destroy_epoch(self, tenant: str, epoch: int) -> None:
        """Destroy an epoch for good; doing it twice is no error."""


class _Kdf(Word):
    salt: bytes
    cost: int


class LocalKeys:
    """Keys in a folder: `TENANT.keys`, `epochs/TENANT-00000001.epoch`, and `kdf.json` if a passphrase is set.

    `epochs` may be a folder elsewhere, so that a node with a subset of the lasting keys shares the epochs.
    """

    def __init__(self, folder: Path, passphrase: str | None = None) -> None:
        self.folder = folder
        pointer = folder / "epochs.path"
        self.epochs = (folder / pointer.read_text().strip()) if pointer.exists() else folder / "epochs"
        self._lock = self._open_lock(passphrase)
        self._cache: dict[tuple[str, int], WrappingKey] = {}

    @classmethod
    def create(cls, folder: Path, passphrase: str | None = None) -> LocalKeys:
        """Make an empty key folder, mode 0700.

        Raises:
            ConfigError: There is one already.
        """
        if any(folder.glob("*.keys")):
            raise ConfigError("key folder is not empty", field="keys", remedy="choose an empty folder")
        (folder / "epochs").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / "epochs").chmod(0o700)
        if passphrase is not None:
            kdf = _Kdf(salt=token_bytes(16), cost=SCRYPT_COST)
            write_private(folder / "kdf.json", msgspec.json.encode(kdf))
        return cls(folder, passphrase)

    def _open_lock(self, passphrase: str | None) -> WrappingKey | None:
        path = self.folder / "kdf.json"
        if not path.exists():
            return None
        if passphrase is None:
            raise ConfigError(
                "these keys are locked by a passphrase", field="passphrase", remedy="give --passphrase-file"
            )
        kdf = msgspec.json.decode(path.read_bytes(), type=_Kdf)
        return WrappingKey(Scrypt(salt=kdf.salt, length=32, n=kdf.cost, r=8, p=1).derive(passphrase.encode()))

    def _write(self, path: Path, data: bytes, *, keep: bool = False) -> None:
        if self._lock is None:
            content = _PLAIN + data
        else:
            content = _LOCKED + self._lock.wrap(data, encode("cvault/key-file/v1", path.name))
        write_private(path, content, keep=keep)

    def _read(self, path: Path) -> bytes:
        data = path.read_bytes()
        if data.startswith(_PLAIN):
            return data[len(_PLAIN) :]
        if not data.startswith(_LOCKED) or self._lock is None:
            raise ConfigError("key file cannot be read", field=path.name, remedy="give --passphrase-file")
        try:
            return self._lock.unwrap(data[len(_LOCKED) :], encode("cvault/key-file/v1", path.name))
        except Tampered:
            raise ConfigError(
                "the passphrase doesn't open these keys",
                field="passphrase",
                remedy="check the passphrase file",
            ) from None

    def tenants(self) -> list[str]:
        """The tenants that have keys here, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.keys"))

    def tenant(self, tenant: str) -> TenantKeys:
        """The lasting keys of one tenant.

        Raises:
            ConfigError: No such tenant here, or its key file cannot be read.
        """
        path = self.folder / f"{tenant}.keys"
        if not _TENANT.fullmatch(tenant) or not path.exists():
            raise ConfigError("no keys for this tenant here", field="tenant", remedy="cvault tenant list")
        return TenantKeys.from_bytes(self._read(path))

    def add_tenant(self, keys: TenantKeys) -> None:
        """Keep a new tenant's keys.

        Raises:
            ConfigError: The name is not lower-case letters, digits and dashes, or is taken.
        """
        if not _TENANT.fullmatch(keys.tenant):
            raise ConfigError(
                "a tenant's name is 1-40 lower-case letters, digits and dashes",
                field="tenant",
                remedy="rename it",
            )
        path = self.folder / f"{keys.tenant}.keys"
        if path.exists():
            raise ConfigError("this tenant has keys already", field="tenant", remedy="choose another name")
        self._write(path, keys.to_bytes())

    def replace_tenant(self, keys: TenantKeys) -> None:
        """Keep a tenant's keys in place of those that are there: whole or not at all."""
        self._write(self.folder / f"{keys.tenant}.keys", keys.to_bytes())

    def _epoch_path(self, tenant: str, epoch: int) -> Path:
        return self.epochs / f"{tenant}-{epoch:08d}.epoch"

    def create_epoch(self, tenant: str, epoch: int) -> None:
        """Make an epoch key; an existing one is kept, so that a repeated step is safe."""
        path = self._epoch_path(tenant, epoch)
        if not path.exists():
            self._write(path, token_bytes(32), keep=True)

    def _epoch(self, tenant: str, epoch: int) -> WrappingKey:
        known = self._cache.get((tenant, epoch))
        path = self._epoch_path(tenant, epoch)
        if not path.exists():
            self._cache.pop((tenant, epoch), None)
            raise Unavailable(
                f"epoch {epoch} has been destroyed",
                code="epoch_destroyed",
                remedy="this key store is older than the last purge; restore a newer one",
            )
        if known is None:
            key = self._read(path)
            if len(key) != KEY_SIZE:
                raise ConfigError("epoch file is damaged", field=path.name, remedy="restore the key folder")
            known = self._cache[tenant, epoch] = WrappingKey(key)
        return known

    def wrap(self, tenant: str, epoch: int, key: bytes, context: bytes) -> bytes:
        """Wrap a shelf key under an epoch."""
        return self._epoch(tenant, epoch).wrap(key, context)

    def unwrap(self, tenant: str, epoch: int, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap a shelf key."""
        return self._epoch(tenant, epoch).unwrap(wrapped, context)

    def destroy_epoch(self, tenant: str, epoch: int) -> None:
        """Overwrite the epoch's file, flush it, unlink it and flush the folder.

        On copy-on-write media and in snapshots the old blocks can outlive this: keep the key folder on a
        volume without them (SECURITY.md, promise 4).
        """
        path = self._epoch_path(tenant, epoch)
        self._cache.pop((tenant, epoch), None)
        if path.exists():
            size = path.stat().st_size
            with path.open("r+b", buffering=0) as file:
                file.write(token_bytes(size))
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_private(path: Path, data: bytes, *, keep: bool = False) -> None:
    """Write a file of mode 0600 whole or not at all, durably.

    Args:
        path: Where.
        data: What.
        keep: Keep a file that is there: of two writers at once the first one's stands, for both.
    """
    partial = path.with_name(f"{path.name}.{token_bytes(4).hex()}.part")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if keep:
        with suppress(FileExistsError):
            os.link(partial, path)
        partial.unlink()
    else:
        partial.replace(path)
    sync_folder(path.parent)
