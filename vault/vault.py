"""The Vault: opens the stores and hands out the rooms (DESIGN 3). It decides nothing itself."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, TypeVar

import msgspec

from vault.access.policy import Policy, default_text, sandbox_text
from vault.access.policy_lint import demand_sound
from vault.amending import Amending
from vault.casework import Casework
from vault.config import Clock, Config, Settings, Stores, settings_text
from vault.crypto.keys import TenantKeys
from vault.crypto.provider import LocalKeys, write_private
from vault.crypto.sign import token_bytes
from vault.delivering import Deliverer
from vault.erasing import Erasing
from vault.errors import ConfigError, Denied
from vault.granting import Granting
from vault.handing import Handing
from vault.identity import Identity
from vault.journal import Journal, microseconds
from vault.keeping import Keeping
from vault.ledger.note import VKey
from vault.ledger.registry import Principal, in_force
from vault.model import MAIN, ROLES, Happening, Who, Whom
from vault.pinning import Pins
from vault.reaching import Reaching
from vault.reading import Reading
from vault.resealing import Resealing
from vault.retention import rules
from vault.reviewing import Reviewing
from vault.schema import Schema
from vault.schema_own import FILE, like, load, merged
from vault.tenancy import StoreSet, Tenancy
from vault.word import prepare
from vault.writing import Writing

if TYPE_CHECKING:
    from vault.auditing import Auditing

SANDBOX_MARK: Final = "sandbox."
FIRST_EPOCH: Final = 1


Room = TypeVar(
    "Room", Reading, Writing, Amending, "Auditing", Erasing, Granting, Casework, Handing, Reviewing, Reaching
)


class Vault:
    """An open vault on this node.

    Args:
        config: Where it is and how it is set.
        provider: Where its keys are.
        clock: Gives µs UTC; injected so that time can be told in tests.
    """

    def __init__(self, config: Config, provider: LocalKeys, clock: Clock = microseconds) -> None:
        self.config = config
        self.provider = provider
        self.clock = clock
        self.stores = StoreSet(config)
        self._tenancies: dict[str, Tenancy] = {}
        self._deliverers: list[Deliverer] = []
        self._resealed: list[Tenancy] = []
        self._rooms: dict[tuple[str, type], object] = {}
        self._opening = threading.RLock()
        prepare()
        try:
            for store in self.stores.all():
                store.check()
        except BaseException:
            self.close()
            raise

    # --- making and opening ---------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        keys: Path | None = None,
        passphrase: str | None = None,
        clock: Clock = microseconds,
    ) -> Self:
        """Open the vault in a folder; `keys` names another key folder than the settings do.

        Raises:
            ConfigError: There is no vault here, or its settings or keys can't be used.
        """
        config = Config.load(folder).with_keys(keys)
        return cls(config, LocalKeys(config.keys_folder, passphrase), clock)

    @classmethod
    def init(
        cls,
        folder: Path,
        *,
        keys: Path | None = None,
        applies_to: Literal["agency", "lender"] = "agency",
        sandbox: bool = False,
        passphrase: str | None = None,
        clock: Clock = microseconds,
        stores: Stores | None = None,
    ) -> tuple[Self, Identity]:
        """Make a vault, its keys and its first principal, whose identity the caller must keep.

        `stores` names four databases that exist and are empty; without it, SQLite files in the folder.

        Plain: the first principal is an admin and nothing else; other roles are granted to others.
        Sandbox: it holds every role, and the log's origin and first entry say so for ever.

        Raises:
            ConfigError: There is a vault or a key folder here already.
        """
        if (folder / "vault.toml").exists():
            raise ConfigError("there is a vault here already", field="vault", remedy="choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        key_folder = keys or folder / "keys"
        settings = Settings(
            format=1,
            id=token_bytes(4).hex(),
            applies_to=applies_to,
            sandbox=sandbox,
            keys="keys" if keys is None else os.path.relpath(key_folder.resolve(), folder.resolve()),
            stores=stores or Stores(),
        )
        config = Config(folder=folder, settings=settings)
        provider = LocalKeys.create(key_folder, passphrase)
        opened = StoreSet(config)
        for store in opened.all():
            store.create()
            store.close()
        policy = sandbox_text(default_text()) if sandbox else default_text()
        write_private(folder / "policy.toml", policy.encode())
        write_private(folder / "vault.toml", settings_text(settings).encode())
        vault = cls(config, provider, clock)
        identity = vault.begin_tenant(MAIN, "first principal")
        write_private(folder / "log.vkey", (vault.vkey(MAIN).text() + "\n").encode())
        return vault, identity

    def begin_tenant(self, tenant: str, first: str) -> Identity:
        """Keys, epoch and log of a new tenant, with its first principal (DESIGN 2: one of each)."""
        sandbox, schema = self.config.settings.sandbox, load(self.config.folder)
        mark = SANDBOX_MARK if sandbox else ""
        keys = TenantKeys.generate(tenant, f"{mark}{self.config.settings.id}.cvault/{tenant}")
        self.provider.add_tenant(keys)
        pins = Pins(self.provider.folder, tenant)
        journal = Journal(self.stores.ledger, keys, self.config.settings.node, self.clock, pins)
        identity = Identity.fresh()
        principal = Principal(
            id=identity.principal,
            name=first,
            public=identity.signing.public,
            roles=tuple(sorted(ROLES)) if sandbox else ("admin",),
            added=self.clock(),
            by="init",
        )
        who = Who(
            actor=identity.principal,
            role="admin",
            purpose="administration",
            reason="sandbox" if sandbox else "",
        )
        detail = "sandbox vault begun" if sandbox else "vault begun"
        happening = Happening(kind="open", who=who, whom=Whom(detail=detail))
        journal.create(happening, principal, in_force(schema))
        journal.flush()
        Keeping(self.stores.keys, self.stores.records, keys, self.provider, self.clock).new_epoch()
        return identity

    def add_tenant(self, identity: Identity, tenant: str) -> Identity:
        """Add a tenant beside `main`, on the word of an admin of `main`; its first principal is new.

        Raises:
            Denied: Not an admin of `main`.
            ConfigError: The name can't be used.
        """
        self.granting(MAIN).note_tenant(identity, tenant)
        return self.begin_tenant(tenant, f"first principal of {tenant}")

    def export_keys(
        self,
        identity: Identity,
        folder: Path,
        compartments: frozenset[str],
        passphrase: str | None = None,
        request: str | None = None,
    ) -> None:
        """Write a key folder for a node that may open only some compartments (DESIGN 5, "Masked node").

        It shares this node's epochs, so that a purge reaches it too; an entry of every tenant says so first.

        Args:
            identity: An admin of `main`.
            folder: A new folder.
            compartments: Must include `masked`; the node gets no index, issuer or audit private key.
            passphrase: The one that locks this node's keys, if one does; the new folder has the same.
            request: The approval of another person, of main's `keys` for `export` and these compartments.

        Raises:
            Denied: Not an admin of `main`, or nobody else approved it (`approval_required`).
            ConfigError: The folder holds keys, or a compartment is unknown.
        """
        kept = [self.provider.tenant(tenant).subset(compartments) for tenant in self.tenants]
        detail = f"export {','.join(sorted(compartments))}"
        self.granting(MAIN).note_keys(identity, detail, request)
        who = Who(actor=identity.principal, role="admin", purpose="administration")
        for tenant in set(self.tenants) - {MAIN}:
            self.tenancy(tenant).journal.log(Happening(kind="key", who=who, whom=Whom(detail=detail)))
        LocalKeys.create(folder).epochs.rmdir()
        lock = self.provider.folder / "kdf.json"
        if lock.exists():
            write_private(folder / lock.name, lock.read_bytes())
        epochs = os.path.relpath(self.provider.epochs.resolve(), folder.resolve())
        write_private(folder / "epochs.path", f"{epochs}\n".encode())
        node = LocalKeys(folder, passphrase)
        for keys in kept:
            node.add_tenant(keys)

    @property
    def tenants(self) -> list[str]:
        """The tenants this node has keys of."""
        return self.provider.tenants()

    # --- the rooms ------------------------------------------------------------------------------------

    def tenancy(self, tenant: str = MAIN) -> Tenancy:
        """What the rooms of one tenant share.

        Raises:
            ConfigError: No such tenant, or its policy can't be used.
        """
        if tenant not in self._tenancies:
            with self._opening:  # threads that come at once share one: it holds the batches and the caches
                if tenant not in self._tenancies:
                    opened = self._open_tenancy(tenant)
                    self._deliverers.append(Deliverer(opened))
                    opened.journal.on_alarm = self._deliverers[-1].wake
                    self._tenancies[tenant] = opened
        return self._tenancies[tenant]

    def _open_tenancy(self, tenant: str) -> Tenancy:
        return self._tenancy_under(load(self.config.folder), tenant)

    def _tenancy_under(self, schema: Schema, tenant: str) -> Tenancy:
        keys, folder = self.provider.tenant(tenant), self.config.folder
        own = folder / f"policy-{tenant}.toml"
        path = own if own.exists() else folder / "policy.toml"
        policy = Policy.load(path.read_text("utf-8"), schema)
        demand_sound(policy, schema)
        marked = keys.origin.startswith(SANDBOX_MARK)
        if not marked == policy.sandbox == self.config.settings.sandbox:
            raise ConfigError(
                "sandbox is fixed when a vault is made: policy, settings and the log's origin disagree",
                field="sandbox",
                remedy="put the file back as it was; make a new vault for another use",
            )
        return Tenancy(
            config=self.config,
            schema=schema,
            policy=policy,
            rules=msgspec.structs.replace(rules.builtin(), like=like(schema)),
            keys=keys,
            provider=self.provider,
            stores=self.stores,
            clock=self.clock,
        )

    def reading(self, tenant: str = MAIN) -> Reading:
        """The room of backend services."""
        return self._room(Reading, tenant)

    def writing(self, tenant: str = MAIN) -> Writing:
        """The room of those who bring data in; a node without every key has none."""
        return self._room(Writing, tenant)

    def amending(self, tenant: str = MAIN) -> Amending:
        """The room of those who put records right; a node without every key has none."""
        return self._room(Amending, tenant)

    def auditing(self, tenant: str = MAIN) -> Auditing:
        """The room of auditors; its many benches are imported when it is first asked for."""
        from vault.auditing import Auditing

        return self._room(Auditing, tenant)

    def erasing(self, tenant: str = MAIN) -> Erasing:
        """The room of those who let data go; a node without every key has none."""
        return self._room(Erasing, tenant)

    def granting(self, tenant: str = MAIN) -> Granting:
        """The room of those who hand out power; a node without every key has none."""
        return self._room(Granting, tenant)

    def casework(self, tenant: str = MAIN) -> Casework:
        """The room of the case desk; a node without every key has none."""
        return self._room(Casework, tenant)

    def handing(self, tenant: str = MAIN) -> Handing:
        """The room of those who hand cases over to agencies; a node without every key has none."""
        return self._room(Handing, tenant)

    def reviewing(self, tenant: str = MAIN) -> Reviewing:
        """The room of those who go through who may do what; a node without every key has none."""
        return self._room(Reviewing, tenant)

    def reaching(self, tenant: str = MAIN) -> Reaching:
        """The room of those who call, write or visit; a node without every key has none."""
        return self._room(Reaching, tenant)

    def resealing(self, text: str | None = None, tenant: str = MAIN) -> Resealing:
        """The room of those who change what records are made of: this vault under another schema.

        The other rooms, on every node, serve nothing more until the vault is opened again under it.

        Args:
            text: The file to put in force; None for the one in the vault's folder, or what ships.
            tenant: Whose records; each tenant's are carried over apart.

        Raises:
            ConfigError: The file can't be used, or the policy names a field that it doesn't have.
            Denied: A node without every key can seal nothing.
        """
        path = self.config.folder / FILE
        tenancy = self._tenancy_under(load(self.config.folder) if text is None else merged(text), tenant)
        _demand_whole(tenancy)
        self._resealed.append(tenancy)

        def install() -> None:
            if text is not None and (not path.exists() or path.read_bytes() != text.encode()):
                write_private(path, text.encode())

        return Resealing(tenancy, install)

    def _room(self, kind: type[Room], tenant: str) -> Room:
        key = (tenant, kind)
        if key not in self._rooms:
            with self._opening:
                prepare()  # the words that came with the room
                self._rooms.setdefault(key, self._furnished(kind, self.tenancy(tenant)))
        return self._rooms[key]  # type: ignore[return-value]

    @staticmethod
    def _furnished(kind: type[Room], tenancy: Tenancy) -> Room:
        if kind in {Writing, Amending, Erasing, Granting, Casework, Handing, Reviewing, Reaching}:
            _demand_whole(tenancy)
        if kind in {Reading, Writing, Amending, Erasing, Reaching}:
            tenancy.demand_schema()
        return kind(tenancy)

    def vkey(self, tenant: str = MAIN) -> VKey:
        """The public key of a tenant's log."""
        keys = self.provider.tenant(tenant)
        return VKey(name=keys.origin, public=keys.log.public)

    def close(self) -> None:
        """Keep the newest checkpoints and close the stores."""
        for deliverer in self._deliverers:
            deliverer.close()
        for tenancy in (*self._tenancies.values(), *self._resealed):
            tenancy.close()
        for store in self.stores.all():
            store.close()

    def __enter__(self) -> Self:
        """Open in a `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close at its end."""
        self.close()


def _demand_whole(tenancy: Tenancy) -> None:
    """Demand every key.

    Raises:
        Denied: This node has some alone.
    """
    if not tenancy.keys.whole:
        raise Denied("this node serves masked reads only", code="audience_denied", remedy="ask a whole node")
