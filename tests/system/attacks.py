"""Attacks on the tables of an access log: what its DBA does without a key, and whoever else with which."""

from __future__ import annotations

from collections.abc import Callable

from kit import reopen
from system.dba import World, rebuild, reseal

from vault.ledger import stub


def other(value: object) -> object:
    """Another value of the same type."""
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:] if value else b"\1"
    return value + 1000 if isinstance(value, int) else f"{value}x"


def cell(table: str, column: str, where: str) -> Callable[[World], object]:
    """UPDATE one cell."""

    def do(world: World) -> None:
        ((old,),) = world.ledger.run(f"SELECT {column} FROM {table} WHERE {where}", **world.at)
        world.ledger.run(f"UPDATE {table} SET {column}=:new WHERE {where}", new=other(old), **world.at)

    return do


def tally(world: World) -> None:
    """Ask for counts, so that there are some; then change one."""
    made = reopen(world.made)
    made.vault.auditing().top(world.auditor)
    made.vault.close()
    world.ledger.run("UPDATE tallies SET n=n+7")


def swap_bodies(world: World) -> None:
    """Two bodies change places."""
    sql(
        "UPDATE bodies SET idx=-1 WHERE idx=:AT",
        "UPDATE bodies SET idx=:AT WHERE idx=:AT+1",
        "UPDATE bodies SET idx=:AT+1 WHERE idx=-1",
    )(world)


def sql(*statements: str) -> Callable[[World], object]:
    """Run statements."""

    def do(world: World) -> None:
        for statement in statements:
            world.ledger.run(statement, **{k: v for k, v in world.at.items() if f":{k}" in statement})

    return do


# --- without a key: the DBA -----------------------------------------------------------------------------


def swap(world: World) -> None:
    """Two entries change places."""
    sql(
        "UPDATE entries SET idx=-1 WHERE idx=:AT",
        "UPDATE entries SET idx=:AT WHERE idx=:AT+1",
        "UPDATE entries SET idx=:AT+1 WHERE idx=-1",
    )(world)


def insert(world: World, at: int, row: tuple[object, ...]) -> None:
    """Put a row in, with those behind it and their bodies moved up."""
    for table in ("entries", "bodies"):
        rows = world.ledger.rows(table)
        new = row if table == "entries" else rows[at]
        moved = [(r[0], r[1] + 1, *r[2:]) for r in rows[at:]]
        world.ledger.put(table, [*rows[:at], (new[0], at, *new[2:]), *moved])


def double(world: World) -> None:
    """An entry stands twice, those behind it moved up."""
    insert(world, world.at["AT"] + 1, world.ledger.rows("entries")[world.at["AT"]])


def backdated(world: World) -> tuple[object, ...]:
    """A row of its own consistent making, dated long ago."""
    row = list(world.ledger.rows("entries")[-1])
    old = stub.decode(bytes(row[2]))
    fields = {name: getattr(old, name) for name in ("c", "g", "k", "n", "r")}
    early = stub.decode(bytes(world.ledger.rows("entries")[0][2])).t
    made = stub.Stub(**fields, i=old.i + 1, t=early, v=1)
    row[1], row[2], row[4] = row[1] + 1, stub.encode(made), early
    return tuple(row)


def append_backdated(world: World) -> None:
    """It stands behind the head."""
    world.ledger.put("entries", [*world.ledger.rows("entries"), backdated(world)])


def insert_backdated(world: World) -> None:
    """It stands where its date belongs."""
    insert(world, world.at["AT"], backdated(world))


def truncate(world: World) -> None:
    """Entries, bodies and checkpoints of the end go."""
    sql(
        "DELETE FROM entries WHERE idx>=:BACKUP",
        "DELETE FROM bodies WHERE idx>=:BACKUP",
        "DELETE FROM checkpoints WHERE size>:BACKUP",
        "DELETE FROM cosignatures",
    )(world)


def truncate_whole(world: World) -> None:
    """The same, with the head, tiles and registry of then."""
    truncate(world)
    for table in ("head", "registry", "tiles", "nodes", "counters"):
        world.ledger.put(table, world.backup["ledger"][table])


def restore_ledger(world: World) -> None:
    """The ledger's backup is put back."""
    world.ledger.restore(world.backup["ledger"])


def restore_all(world: World) -> None:
    """The backups of all four stores are put back."""
    for name, dba in world.dbas.items():
        dba.restore(world.backup[name])


def restore_host(world: World) -> None:
    """And that of the key folder."""
    restore_all(world)
    world.pin.write_text(world.pins[1])


def altered(world: World, at: str = "AT") -> list[bytes]:
    """The stubs with one that says another kind; its row follows suit, so that the columns agree."""
    stubs, index = world.stubs(), world.at[at]
    old = stub.decode(stubs[index])
    fields = {name: getattr(old, name) for name in ("c", "g", "i", "n", "r", "t")}
    stubs[index] = stub.encode(stub.Stub(**fields, k="verify", v=1))
    world.ledger.run("UPDATE entries SET stub=:s, kind='verify' WHERE idx=:i", s=stubs[index], i=index)
    return stubs


def recompute(world: World) -> None:
    """The whole tree over an altered entry, checkpoints left."""
    rebuild(world, altered(world))


def recompute_bare(world: World) -> None:
    """The same, and no checkpoint left."""
    rebuild(world, altered(world), checkpoints=False)
    world.ledger.put("checkpoints", [])


# --- with keys ------------------------------------------------------------------------------------------


def sign_fork(world: World) -> None:
    """Tree, tiles and checkpoint anew with the log's key, not the host's: no MAC for the head."""
    stubs = altered(world)
    rebuild(world, stubs)
    world.ledger.put("checkpoints", [("main", len(stubs), world.signed(stubs))])


def rewrite(world: World) -> None:
    """All of it, with every key of the host, its pin too."""
    reseal(world, altered(world))


def rewrite_tail(world: World) -> None:
    """The same behind what witnesses have cosigned."""
    reseal(world, altered(world, "LAST"))


def rewrite_without_pin(world: World) -> None:
    """A masked node's thief, who doesn't reach the other nodes' pins."""
    reseal(world, altered(world))
    world.pin.write_text(world.pins[0])


def drop_tail(world: World) -> None:
    """Cut down to what was cosigned, head and pin made to fit."""
    size = world.at["COSIGNED"]
    sql("DELETE FROM entries WHERE idx>=:COSIGNED", "DELETE FROM bodies WHERE idx>=:COSIGNED")(world)
    reseal(world, world.stubs()[:size])


def date_back(world: World) -> None:
    """An entry dated before the one before it, everything else made to fit."""
    world.ledger.put("entries", [*world.ledger.rows("entries"), backdated(world)])
    last = world.ledger.rows("bodies")[-1]
    world.ledger.put("bodies", [*world.ledger.rows("bodies"), (last[0], world.at["SIZE"], last[2])])
    reseal(world, world.stubs())
