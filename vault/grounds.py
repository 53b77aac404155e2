"""Grounds: what must stand before a tenant's records are served, and must go on standing.

That neither the key store nor the ledger is an old copy; that the policy and the schema are the ones in
force. A node finds out at its first verb, and asks again under the head's lock with every entry.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from vault.access.policy import Policy
from vault.alarm_rules import FILE as ALARMS
from vault.alarm_rules import WEAKER, merged, weaker
from vault.alerting import Watcher
from vault.config import Clock, Config
from vault.crypto.keys import TenantKeys
from vault.errors import ConfigError, Tampered, Unavailable
from vault.journal import Journal
from vault.ledger.registry import (
    AlarmsInForce,
    PolicyInForce,
    Registry,
    SchemaInForce,
    in_force,
    keys_generation,
)
from vault.model import Happening, Who, Whom
from vault.pinning import REMEDY, Pins
from vault.policing import entered
from vault.schema import Schema
from vault.schema_own import FILE, changes
from vault.stores.index import IndexStore
from vault.stores.keys import KeyStore
from vault.stores.ledger import LedgerStore
from vault.stores.records import RecordStore
from vault.telemetry import logger
from vault.watching import Watch


def own_text(folder: Path) -> str:
    """The text of a vault's own alarm rules, "" where it has none.

    Raises:
        ConfigError: It can't be read.
    """
    try:
        return (folder / ALARMS).read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{ALARMS} can't be read", code="invalid_alarms", field=ALARMS, remedy="write it in UTF-8"
        ) from None


class StoreSet:
    """The four open stores (DESIGN 4)."""

    def __init__(self, config: Config) -> None:
        self.records = RecordStore.open(config.url("records"))
        self.index = IndexStore.open(config.url("index"))
        self.keys = KeyStore.open(config.url("keys"))
        self.ledger = LedgerStore.open(config.url("ledger"))

    def all(self) -> tuple[RecordStore, IndexStore, KeyStore, LedgerStore]:
        """The four, in a fixed order."""
        return self.records, self.index, self.keys, self.ledger


class Grounds:
    """What one tenant on this node rests on; `policy` is the one in force, whatever the file says."""

    def __init__(
        self,
        *,
        config: Config,
        schema: Schema,
        policy: Policy,
        keys: TenantKeys,
        stores: StoreSet,
        clock: Clock,
    ) -> None:
        self.config = config
        self.schema = schema
        self.policy = policy
        self.waiting = ""
        """The hash of the policy file where it waits for an approval; "" where it doesn't."""
        self.keys = keys
        self.name = keys.tenant
        self.stores = stores
        self.clock = clock
        pins = Pins(config.keys_folder, keys.tenant)
        self.journal = Journal(stores.ledger, keys, config.settings.node, clock, pins)
        self.watch = Watch(stores.ledger, keys, config.settings.witness)
        self.journal.watcher = Watcher(schema, keys.handle_key)
        self.journal.cosigned = self._cosigned
        self._schema_row: SchemaInForce | None = None

    def _cosigned(self, registry: Registry) -> list[str]:
        """What witnesses have seen of the log, as the ledger itself says: worth as much as the pin."""
        newest = self.watch.newest(registry)
        return [newest.note] if newest is not None else []

    def demand_history(self) -> None:
        """Refuse a ledger or a key store that was put back: behind the pin, the other one, or a recovery.

        The key store is read before the registry: a purge that begins in between can only raise what the
        ledger says.

        Raises:
            Tampered: One of the two is an old copy, or the log was shortened or rewritten.
            ConfigError: This node's key file is from before a recovery of the log.
        """
        generation = self.stores.keys.generation(self.name)
        self.compare_stores(self.journal.registry(), generation)

    def compare_stores(self, registry: Registry, generation: int) -> None:
        """As `demand_history`, for a registry and for what the key store's generation was before it.

        Raises:
            Tampered, ConfigError: As there.
        """
        self.journal.demand_number(registry)
        if generation > keys_generation(registry):
            raise Tampered(
                "the ledger is behind the key store: it is a copy from before a purge", remedy=REMEDY
            )
        if self.stores.keys.generation(self.name) < keys_generation(registry, "done"):
            raise Tampered(
                "the key store is behind the ledger: it is a copy from before a purge", remedy=REMEDY
            )

    def _enter_policy(self) -> None:
        """A policy this tenant was not decided by before is an entry; only a whole node can sign it.

        The one in force stands in the registry. A file that shows anybody more takes another person's
        approval first (`[approvals.policy]`); until it has it, the one in force goes on.
        """
        known = self.journal.registry().find(PolicyInForce, "policy")
        if known is not None and known.hash == self.policy.hash and known.text:
            return
        if not self.keys.whole:
            if known is not None and known.text:
                self.policy = Policy.load(known.text, self.schema)
            return
        with self.journal.page() as page:
            known = page.registry.find(PolicyInForce, "policy")
            found = entered(page.registry, known, self.policy, self.schema, page.now)
            if found is None:
                self.waiting = self.policy.hash
                self.policy = Policy.load(known.text if known else "", self.schema)
                logger().warning("the policy file waits for an approval", tenant=self.name)
                return
            row, used = found
            if used is not None:
                page.put(used)
            page.put(row)
            who = Who(
                actor=self.config.settings.node, role="", purpose="administration", policy=row.hash[:16]
            )
            voided = ",".join(sorted(name for name, at in row.voided.items() if at == page.now))
            detail = f"policy {row.hash}" + (f" voids tokens for {voided}" if voided else "")
            page.add(Happening(kind="policy", who=who, whom=Whom(detail=detail)))

    def _follow_policy(self, registry: Registry) -> None:
        """Another node has put another policy in force: take it over, and let the caller ask again.

        Raises:
            Unavailable: What was decided so far was decided by the one before.
        """
        row = registry.find(PolicyInForce, "policy")
        if row is None or not row.text or row.hash == self.policy.hash:
            return
        self.policy = Policy.load(row.text, self.schema)
        raise Unavailable("the policy was changed meanwhile", code="conflict", remedy="ask again")

    def _enter_schema(self) -> None:
        """What a release adds to the shipped schema is an entry; nothing has to be sealed anew for it.

        The alarm rules that are in force are entered with it: another file of the vault's own.
        """
        self._enter_alarms()
        known = self.journal.registry().find(SchemaInForce, "schema")
        if not self.keys.whole or not self._adds(known):
            return
        who = Who(actor=self.config.settings.node, role="", purpose="administration")
        with self.journal.page() as page:
            known = page.registry.find(SchemaInForce, "schema")
            if not self._adds(known):  # meanwhile another is being applied, or somebody else was first
                return
            now = in_force(self.schema, known.retired if known else None)
            page.put(msgspec.structs.replace(now, waiting=known.waiting if known else ()))
            page.add(Happening(kind="config", who=who, whom=Whom(detail=f"schema {self.schema.hash}")))

    def _enter_alarms(self) -> None:
        """Alarm rules this tenant was not watched by before are an entry; only a whole node can sign it.

        A vault without a file of its own that never had one is watched by what ships, and needs no entry.
        Where the new ones watch less than those before, that is an alarm, sent like any other.
        """
        text = own_text(self.config.folder)
        rules = merged(text)  # on every node: a file that can't be used is said at once
        known = self.journal.registry().find(AlarmsInForce, "alarms")
        if not self.keys.whole or (rules.hash == known.hash if known else not text):
            return
        who = Who(actor=self.config.settings.node, role="", purpose="administration")
        with self.journal.page() as page:
            page.put(AlarmsInForce(id="alarms", hash=rules.hash, text=text))
            page.add(Happening(kind="config", who=who, whom=Whom(detail=f"alarms {rules.hash}")))
            less = {rule for rule, _ in weaker(rules, merged(known.text if known else ""))}
            if less:
                loud = msgspec.structs.replace(who, reason=WEAKER)
                page.add(Happening(kind="alarm", who=loud, whom=Whom(detail=" ".join(sorted(less)))))

    def _adds(self, row: SchemaInForce | None) -> bool:
        """Whether this node's schema is the one applied but for what it adds."""
        return self._serves(row) and (row is None or bool(changes(row.kinds, self.schema)))

    def _serves(self, row: SchemaInForce | None) -> bool:
        """Whether records may be served under this node's schema: it is the one applied, or adds to it."""
        if row is None:
            return not self.schema.own
        same = row.state == "applied" and row.own == self.schema.own
        return same and not any(change.reseals for change in changes(row.kinds, self.schema))

    def demand_schema(self, registry: Registry | None = None) -> None:
        """Nobody serves or writes records under a schema that isn't the one applied.

        Raises:
            ConfigError: It isn't, or another one is being applied.
        """
        row = (registry or self.journal.registry()).find(SchemaInForce, "schema")
        if row is not None and row is self._schema_row:
            return
        if not self._serves(row):
            raise ConfigError(
                "the schema is not the one applied, or is being applied",
                code="invalid_schema",
                field=FILE,
                remedy=f"put {FILE} back, or: cvault schema diff FILE, cvault schema apply FILE;"
                " then open the vault again",
            )
        self._schema_row = row
