"""Single reads, 64 readers at a time: masked and logged by the vault, beside the unencrypted row.

The denominators, from the bar that is hardest to reach to the fairest:

    A  plain SQLAlchemy Core, one thread: a pool checkout and a SELECT of the whole row by its key
    B  the same from 64 threads;  C  from 64 asyncio tasks, inline
    D  what a service would have to do without the vault to keep half of its promises: the plain row, masked
       in Python, and one durable audit row before it is returned; committed by the 64, as the vault does

A, B and C know no purpose, mask nothing, write nothing down and can't erase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, insert, select

from benchmarks import harness
from benchmarks.harness import Contestant
from benchmarks.world import World
from vault.access.masking import mask
from vault.model import Disclosure
from vault.schema import builtin

READERS: Final = 64
_SHOWN: Final = ("name", "phone")
_AUDIT: Final = ("at", "actor", "role", "purpose", "record", "fields", "outcome")

ONE_THREAD: Final = "plain Core, 1 thread"
AUDITED: Final = "plain Core + mask + durable audit row, by 64"
ASYNC: Final = "vault, 64 asyncio readers"


class Plain:
    """Reads of the unencrypted row."""

    def __init__(self, world: World) -> None:
        self._engine = world.plain.engine
        table = world.plain.tables["borrower"]
        self._select = select(table).where(table.c.id == bindparam("id"))
        self._fields = builtin().kind("borrower").fields
        metadata = MetaData()
        self._audit = Table(
            "audit", metadata, Column("idx", Integer, primary_key=True),
            *(Column(name, Text) for name in _AUDIT),
        )  # fmt: skip
        metadata.create_all(self._engine)

    def read(self, ident: str) -> Any:
        """Read one row, as most services do."""
        with self._engine.connect() as connection:
            return connection.execute(self._select, {"id": ident}).one()

    def read_audited(self, idents: Sequence[str]) -> list[dict[str, str]]:
        """Read rows, mask them and write an audit row for each; durable before anything is returned."""
        shown = []
        with self._engine.begin() as connection:
            for ident in idents:
                row = connection.execute(self._select, {"id": ident}).mappings().one()
                shown.append({n: mask(self._fields[n].mask, row[n]) for n in self._fields if row[n]})
            at = datetime.now(UTC).isoformat()
            audit = {"at": at, "actor": "p-1", "role": "collector", "purpose": "repayment_reminder"}
            audit |= {"fields": ",".join(_SHOWN), "outcome": "ok"}
            connection.execute(insert(self._audit), [audit | {"record": ident} for ident in idents])
        return shown


class Readers:
    """Sixty-four asyncio readers on one loop, kept from run to run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def run(self, read: Callable[[str], Awaitable[object]], idents: Sequence[str]) -> None:
        """Read all; each reader asks for its next record when it has its last."""

        async def reader(mine: Sequence[str]) -> None:
            for ident in mine:
                await read(ident)

        async def everyone() -> None:
            await asyncio.gather(*(reader(idents[n::READERS]) for n in range(READERS)))

        self.loop.run_until_complete(everyone())


def _threads(read: Callable[[str], object], idents: Sequence[str], pool: ThreadPoolExecutor) -> None:
    def reader(number: int) -> None:
        for ident in idents[number::READERS]:
            read(ident)

    list(pool.map(reader, range(READERS)))


def _checked(disclosure: Disclosure) -> Disclosure:
    if len(disclosure.items) != 1:
        raise RuntimeError("a benchmark read was refused")
    return disclosure


def measure(world: World, count: int, rounds: int) -> harness.Table:
    """Race the readers; `count` reads a run, fewer where each waits for the disk alone."""
    plain, reading, credential, readers = Plain(world), world.vault.reading(), world.credential(), Readers()
    idents = world.sample(count)
    few = idents[: max(64, count // 16)]

    async def plain_inline(ident: str) -> object:
        return plain.read(ident)

    async def vault_inline(ident: str) -> object:
        return _checked(await reading.read_async(credential, (ident,)))

    def vault_read(ident: str) -> object:
        return _checked(reading.read(credential, (ident,)))

    with ThreadPoolExecutor(READERS) as pool:
        contestants = [
            Contestant(ONE_THREAD, count, lambda: [plain.read(ident) for ident in idents]),
            Contestant("plain Core, 64 threads", count, lambda: _threads(plain.read, idents, pool)),
            Contestant(
                "plain Core, 64 asyncio tasks inline", count, lambda: readers.run(plain_inline, idents)
            ),
            Contestant(
                AUDITED,
                count,
                lambda: [plain.read_audited(idents[n : n + READERS]) for n in range(0, count, READERS)],
            ),
            Contestant(ASYNC, count, lambda: readers.run(vault_inline, idents)),
            Contestant("vault, 64 threads", count, lambda: _threads(vault_read, idents, pool)),
            Contestant(
                "plain Core + mask + durable audit row, alone",
                len(few),
                lambda: [plain.read_audited([ident]) for ident in few],
            ),
            Contestant("vault, 1 reader alone", len(few), lambda: [vault_read(ident) for ident in few]),
        ]
        timings = harness.race(contestants, rounds)
    readers.loop.close()
    baselines = [c.name for c in contestants[:4]]
    return harness.Table(
        title=f"single reads of a masked borrower, {len(world.ids):,} borrowers",
        unit="read",
        rounds=rounds,
        baselines=baselines,
        figures=harness.figures(timings, baselines),
        notes=[f"{count} random reads a run; the two that read alone: {len(few)}"],
    )
