"""A batch of 100 records, serialised to JSON: masked and logged record by record, beside one plain IN-select.

A  plain Core, `json.dumps`: the standard library, as most services serialise
B  plain Core, msgspec: the same serialiser as the vault's; the harder bar
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, select

from benchmarks import harness
from benchmarks.harness import Contestant
from benchmarks.world import World

SIZE: Final = 100
JSON: Final = "plain Core IN-select, json.dumps"
MSGSPEC: Final = "plain Core IN-select, msgspec"
VAULT: Final = "vault, read of 100, msgspec"


def measure(world: World, count: int, rounds: int) -> harness.Table:
    """Race them over `count` batches a run."""
    table = world.plain.tables["borrower"]
    statement = select(table).where(table.c.id.in_(bindparam("ids", expanding=True)))
    idents = world.sample(SIZE * count, seed=2)
    batches = [list(dict.fromkeys(idents[n : n + SIZE])) for n in range(0, len(idents), SIZE)]
    reading, credential = world.vault.reading(), world.credential()

    def plain(batch: Sequence[str]) -> list[dict[str, Any]]:
        with world.plain.engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement, {"ids": batch}).mappings()]

    def vault(batch: Sequence[str]) -> bytes:
        disclosure = reading.read(credential, batch)
        if disclosure.errors:
            raise RuntimeError("a benchmark read was refused")
        return msgspec.json.encode(disclosure)

    contestants = [
        Contestant(JSON, count, lambda: [json.dumps(plain(batch)).encode() for batch in batches]),
        Contestant(MSGSPEC, count, lambda: [msgspec.json.encode(plain(batch)) for batch in batches]),
        Contestant(VAULT, count, lambda: [vault(batch) for batch in batches]),
    ]
    timings = harness.race(contestants, rounds)
    return harness.Table(
        title=f"batches of {SIZE} masked borrowers as JSON bytes, one caller, {len(world.ids):,} borrowers",
        unit="batch",
        rounds=rounds,
        baselines=[JSON, MSGSPEC],
        figures=harness.figures(timings, [JSON, MSGSPEC]),
        notes=[f"{count} batches a run; every record has its own durable entry, one commit a batch"],
    )
