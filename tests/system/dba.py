"""Levers of a log's own DBA and host: rows put, taken and copied on either engine; an unchecked exporter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from kit import Made, borrowers, make_vault, reopen
from witnesskit import running

from cli import verify
from vault.access.tokens import Credential, Limits
from vault.config import Stores
from vault.courier import Http
from vault.crypto.keys import TenantKeys
from vault.errors import Tampered, VaultError
from vault.ledger import checkpoint
from vault.ledger.note import split
from vault.ledger.tiles import Hashes, closed_tiles, entries_path, pack_entries, tile_path
from vault.merkle import Frontier, leaf_hash
from vault.stores.rows import LogHead
from vault.stores.schema import METADATA

STORES: Final = ("records", "index", "keys", "ledger")
ROWS: Final = borrowers(3)
LONG: Final = Limits(ttl_us=12 * 3_600_000_000)
Dump = dict[str, list[tuple[Any, ...]]]


class Dba:
    """A store's administrator: any statement, no key."""

    def __init__(self, store: str, url: str) -> None:
        self.tables = METADATA[store].tables
        where = sa.make_url(url)
        driver = "postgresql+psycopg" if where.get_backend_name() == "postgresql" else "sqlite"
        pool = sa.pool.NullPool if driver == "sqlite" else sa.pool.StaticPool
        self._engine = sa.create_engine(where.set(drivername=driver), poolclass=pool, hide_parameters=True)

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()

    def run(self, statement: str, **given: object) -> list[tuple[Any, ...]]:
        """Run a statement; the rows that it gives."""
        with self._engine.begin() as connection:
            found = connection.execute(sa.text(statement), given)
            return [tuple(row) for row in found] if found.returns_rows else []

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """All rows of a table, by its key."""
        with self._engine.begin() as connection:
            return self._rows(connection, table)

    def _rows(self, connection: sa.Connection, table: str) -> list[tuple[Any, ...]]:
        asked = sa.select(self.tables[table]).order_by(*self.tables[table].primary_key.columns)
        return [tuple(row) for row in connection.execute(asked)]

    def put(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Have a table hold these rows and no others."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(self.tables[table]))
            names = [column.name for column in self.tables[table].columns]
            if rows:
                connection.execute(
                    sa.insert(self.tables[table]), [dict(zip(names, r, strict=True)) for r in rows]
                )

    def dump(self) -> Dump:
        """A backup."""
        with self._engine.begin() as connection:
            return {name: self._rows(connection, name) for name in self.tables}

    def restore(self, backup: Dump) -> None:
        """Put a backup back."""
        for name, rows in backup.items():
            self.put(name, rows)


class Copy:
    """A log in memory as its DBA read it, for the tile functions."""

    def __init__(self, stubs: Sequence[bytes]) -> None:
        self.stubs = list(stubs)
        tiles = closed_tiles(0, len(stubs), self._leaves, lambda *_: None)
        self.tiles = {(tile.level, tile.index): tile.hashes for tile in tiles}

    def _leaves(self, start: int, end: int) -> list[bytes]:
        return [leaf_hash(stub) for stub in self.stubs[start:end]]

    def full_tile(self, level: int, index: int) -> bytes | None:
        """A complete tile."""
        return self.tiles.get((level, index))

    def entries(self, start: int, end: int) -> list[bytes]:
        """Stubs."""
        return self.stubs[start:end]

    @property
    def frontier(self) -> Frontier:
        """The tree's right edge."""
        made = Frontier()
        made.append_many([leaf_hash(stub) for stub in self.stubs])
        return made


@dataclass
class World:
    """A log with a history: a backup, a cosigned checkpoint, a tail, and what outsiders have of it.

    Attributes:
        at: Indexes by name: AT an entry in the middle, BACKUP the backup's size, COSIGNED that of the
            checkpoint that a witness cosigned, SIZE the log's.
        now, backup: Every store as it is, and as it was backed up.
        pins: The node's pin, as it is and as it was.
        policy: The auditor's: this log, this witness. The rest is what outsiders have kept.
    """

    made: Made
    dbas: dict[str, Dba]
    at: dict[str, int]
    keys: TenantKeys
    auditor: Credential
    now: dict[str, Dump]
    backup: dict[str, Dump]
    pins: tuple[str, str]
    policy: Path
    vkey: Path
    pinned: Path
    receipt: Path
    cosigned: str
    tail: Path

    @property
    def ledger(self) -> Dba:
        """The ledger's DBA."""
        return self.dbas["ledger"]

    @property
    def pin(self) -> Path:
        """The node's own pin, in its key folder."""
        return Path(self.made.folder, "keys/main.checkpoint")

    def stubs(self) -> list[bytes]:
        """What stands in the table, by index, whatever it is."""
        return [bytes(stub) for (stub,) in self.ledger.run("SELECT stub FROM entries ORDER BY idx")]

    def note(self) -> str:
        """The newest stored checkpoint; where none is left, the one that the node had pinned."""
        stored = self.ledger.run("SELECT note FROM checkpoints ORDER BY size")
        return str(stored[-1][0]) if stored else self.pins[0]

    def signed(self, stubs: Sequence[bytes]) -> str:
        """A checkpoint over these entries by the log's own key."""
        root = Copy(stubs).frontier.root()
        point = checkpoint.Checkpoint(origin=self.keys.origin, size=len(stubs), root=root)
        return checkpoint.sign(point, self.keys.log)

    def undo(self, *stores: str) -> None:
        """Put everything back as it was before the attack; what stands as it did is left alone."""
        for name in stores or STORES:
            for table, rows in self.dbas[name].dump().items():
                if rows != self.now[name][table]:
                    self.dbas[name].put(table, self.now[name][table])
        self.pin.write_text(self.pins[0])


def make_world(folder: Path, stores: Stores | None) -> World:
    """A vault whose log is backed up, grows, is cosigned, and grows on."""
    made = make_vault(folder, stores=stores)
    urls = {
        name: getattr(stores, name) if stores else f"sqlite:///{made.folder}/{name}.db" for name in STORES
    }
    dbas = {name: Dba(name, url) for name, url in urls.items()}
    made.load(ROWS)
    ids, legal = made.ids(ROWS), made.token("legal", limits=LONG)
    auditor = made.token("auditor", limits=LONG)
    read = made.vault.reading().read
    read(legal, ids[:1] * 250)
    room, at = made.vault.auditing(), {"AT": 40}
    policy, vkey = folder / "policy.txt", folder / "trusted.vkey"
    with running("w1.example", clock=lambda: made.clock.now / 1e6) as (witness,):
        witness.logs[room.vkey.name] = room.vkey.public
        room.set_witnesses(made.token("admin"), f"{witness.line}quorum {witness.name}\n")
        made.vault.close()
        backup = {name: dba.dump() for name, dba in dbas.items()}
        old_pin = (made.folder / "keys/main.checkpoint").read_text()
        at["BACKUP"] = int(dbas["ledger"].run("SELECT size FROM head")[0][0])
        made = reopen(made)
        room, read = made.vault.auditing(), made.vault.reading().read
        made.clock.advance(minutes=5)
        read(legal, ids[1:2] * 3 + ids[2:] + ids[:1] * 10)
        at["COSIGNED"] = room.round(Http()).size
        policy.write_text(f"log {room.vkey.text()}\nwitness w {witness.vkey}\nquorum w\n")
    vkey.write_text(room.vkey.text() + "\n")
    cosigned = room.cosigned()
    (folder / "pinned").write_text(room.pin(cosigned=True))
    made.clock.advance(minutes=5)
    read(legal, ids[1:])
    (folder / "receipt").write_text(room.receipt(at["AT"]))
    (folder / "tail").write_text(room.pin())
    made.vault.close()
    at["SIZE"] = int(dbas["ledger"].run("SELECT size FROM head")[0][0])
    at["LAST"] = at["SIZE"] - 1
    return World(
        made=made, dbas=dbas, at=at, keys=made.vault.tenancy().keys, auditor=auditor,
        now={name: dba.dump() for name, dba in dbas.items()}, backup=backup,
        pins=((made.folder / "keys/main.checkpoint").read_text(), old_pin), policy=policy, vkey=vkey,
        pinned=folder / "pinned", receipt=folder / "receipt", cosigned=cosigned, tail=folder / "tail",
    )  # fmt: skip


# --- what is said of it ---------------------------------------------------------------------------------

HOLDS: Final = "holds"


def told(work: Callable[[], object]) -> str | int | None:
    """What a check says: that it holds, or at which entry it doesn't; None where it can't tell which."""
    try:
        work()
    except Tampered as fault:
        return fault.index
    except VaultError as fault:
        return fault.code
    return HOLDS


def verifies(command: str, *arguments: object) -> str | int | None:
    """What the auditor's own tool says: that it holds, or the entry at which it doesn't."""
    options = verify.arguments().parse_args([command, *map(str, arguments)])
    try:
        options.run(options, [])
    except verify.Refused as fault:
        return fault.index
    except verify.Unreadable:
        return "unreadable"
    return HOLDS


def walked(world: World) -> str | int | None:
    """What `log verify` says on a node that is opened anew."""
    made = reopen(world.made)
    try:
        return told(made.vault.auditing().walk)
    finally:
        made.vault.close()


def exported(world: World, folder: Path) -> str | int | None:
    """What comes of an export by the vault itself, checked under the auditor's own copy of the key."""
    made = reopen(world.made)
    try:
        said = told(lambda: made.vault.auditing().export(world.auditor, folder))
    finally:
        made.vault.close()
    return verifies("tree", folder, "--vkey", world.vkey) if said == HOLDS else said


def forged(world: World, folder: Path, note: str | None = None) -> Path:
    """An export by the attacker's own exporter: whatever stands in the tables, with tiles to fit."""
    stubs, note = world.stubs(), note or world.note()
    size = checkpoint.Checkpoint.parse(split(note)[0]).size
    copy, level = Copy(stubs), 0
    hashes = Hashes(copy, min(len(stubs), size))
    while count := hashes.size >> 8 * level:
        for index in range(-(-count // 256)):
            width = min(256, count - 256 * index)
            _write(folder / tile_path(level, index, width), hashes.tile(level, index))
            if level == 0:
                bundle = pack_entries(stubs[256 * index : 256 * index + width])
                _write(folder / entries_path(index, width), bundle)
        level += 1
    _write(folder / "checkpoint", note.encode())
    return folder


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# --- keys that an attacker may hold -------------------------------------------------------------------


def rebuild(world: World, stubs: Sequence[bytes], *, checkpoints: bool = True) -> None:
    """Recompute tiles and the head's edge over these entries; without the host's keys the old MAC stays."""
    copy, ledger = Copy(stubs), world.ledger
    ledger.put("tiles", [("main", level, index, data) for (level, index), data in copy.tiles.items()])
    ledger.run("UPDATE head SET size=:s, edge=:e", s=len(stubs), e=copy.frontier.to_bytes())
    if not checkpoints:
        ledger.put("checkpoints", [])
        ledger.put("cosignatures", [])


def reseal(world: World, stubs: Sequence[bytes]) -> None:
    """The same with the host's keys: the head's MAC, a checkpoint by the log's key, the host's own pin."""
    ledger, last_t = world.ledger, int(world.ledger.run("SELECT max(t) FROM entries")[0][0])
    rebuild(world, stubs)
    ((registry,),) = ledger.run("SELECT registry FROM head")
    made = reopen(world.made)
    head: LogHead = made.vault.tenancy().journal.sealed_head(Copy(stubs).frontier, last_t, bytes(registry))
    made.vault.close()
    ledger.run("UPDATE head SET last_t=:t, mac=:m", t=last_t, m=head.mac)
    note = world.signed(stubs)
    kept = [row for row in ledger.rows("checkpoints") if agrees(stubs, row[1], row[2])]
    kept = [row for row in kept if row[1] != len(stubs)]
    ledger.put("checkpoints", [*kept, ("main", len(stubs), note)])
    sizes = {row[1] for row in ledger.rows("checkpoints")}
    ledger.put("cosignatures", [row for row in ledger.rows("cosignatures") if row[1] in sizes])
    world.pin.write_text(note)


def agrees(stubs: Sequence[bytes], size: int, note: str) -> bool:
    """Whether a stored checkpoint is one of these entries."""
    root = checkpoint.Checkpoint.parse(split(note)[0]).root
    return size <= len(stubs) and Copy(stubs[:size]).frontier.root() == root
