"""The access log under its own DBA and host: each attack, the keys that it takes, and who notices it where.

Each is looked at by `log verify` on a node that is opened anew, by an export of the vault's own, and by
`cvault-verify` on an export that the attacker made of the tables as they stand, unchecked: under the key
alone, under a policy of witnesses, and with what the auditor has kept since before. What nobody notices is a
row as well, and a line of SECURITY.md (promise 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from kit import reopen
from system.attacks import (
    append_backdated,
    cell,
    date_back,
    double,
    drop_tail,
    insert_backdated,
    recompute,
    recompute_bare,
    restore_all,
    restore_host,
    restore_ledger,
    rewrite,
    rewrite_tail,
    rewrite_without_pin,
    sign_fork,
    sql,
    swap,
    swap_bodies,
    tally,
    truncate,
    truncate_whole,
)
from system.dba import (
    HOLDS,
    ROWS,
    STORES,
    World,
    exported,
    forged,
    make_world,
    verifies,
    walked,
)

from vault.auditing import Auditing, Question
from vault.config import Stores
from vault.errors import Tampered

Said = str | int | None
"""HOLDS, the name of an index (`World.at`), an index, or None: refused, but it can't be told where."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One log for all attacks, on either engine."""
    stores = None
    if request.param == "postgresql":
        pg: Callable[[], str] = request.getfixturevalue("pg")
        stores = Stores(records=pg(), index=pg(), keys=pg(), ledger=pg())
    made = make_world(tmp_path_factory.mktemp("log"), stores)
    yield made
    for dba in made.dbas.values():
        dba.close()


@pytest.fixture
def world(built: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """It, and as it was when the test is over."""
    yield built
    built.undo(*(STORES if "restore" in request.node.name else ["ledger"]))


class Attack(NamedTuple):
    """What somebody does, and what is said of it: `.` it holds, `-` it doesn't, else the first bad index.

    By `log verify`; an export by the vault; `tree` on the attacker's export, under the key alone; `tree` on
    the cosigned checkpoint with these entries, under the auditor's policy of witnesses; `extends` from a pin
    of that checkpoint; `extends` from a pin of the last one.
    """

    do: Callable[[World], object]
    said: str


COLUMNS: Final = (
    "tag t kind actor role purpose about masked clear outcome reason policy token who_salt"
    " whom_digest request"
)
UNSEEN: Final = ". . . . . ."
ATTACKS: Final[dict[str, Attack]] = {
    **{
        f"entries.{name}": Attack(cell("entries", name, "idx=:AT"), "AT . . . . .")
        for name in COLUMNS.split()
    },
    "entries.idx": Attack(cell("entries", "idx", "idx=:AT"), "AT 0 AT AT AT AT"),
    "entries.stub": Attack(cell("entries", "stub", "idx=:AT"), "AT AT AT AT AT AT"),
    "entries.tenant": Attack(cell("entries", "tenant", "idx=:AT"), "AT 0 . . . ."),
    "entries.block": Attack(cell("entries", "block", "idx=:AT"), UNSEEN),
    "delete": Attack(sql("DELETE FROM entries WHERE idx=:AT"), "AT 0 AT AT AT AT"),
    "delete_last": Attack(sql("DELETE FROM entries WHERE idx=:SIZE-1"), "LAST 256 256 . 256 256"),
    "swap": Attack(swap, "AT AT AT AT AT AT"),
    "double": Attack(double, "AT+1 0 AT+1 AT+1 AT+1 AT+1"),
    "append_backdated": Attack(append_backdated, "SIZE log_unavailable . . . ."),
    "insert_backdated": Attack(insert_backdated, "AT 0 AT AT AT AT"),
    "truncate": Attack(truncate, "BACKUP 256 . 256 BACKUP BACKUP"),
    "truncate_whole": Attack(truncate_whole, "BACKUP BACKUP . 256 BACKUP BACKUP"),
    "restore_ledger": Attack(restore_ledger, "BACKUP BACKUP . 256 BACKUP BACKUP"),
    "restore_all": Attack(restore_all, "BACKUP BACKUP . 256 BACKUP BACKUP"),
    "restore_host": Attack(restore_host, ". . . 256 BACKUP BACKUP"),
    "recompute": Attack(recompute, "6 - 0 0 0 0"),
    "recompute_bare": Attack(recompute_bare, "- - 0 0 0 0"),
    **{
        f"head.{name}": Attack(cell("head", name, "1=1"), "- - . . . .")
        for name in ("size", "last_t", "registry", "mac")
    },
    "head.edge": Attack(cell("head", "edge", "1=1"), "SIZE - . . . ."),
    "head_gone": Attack(sql("DELETE FROM head"), "0 - . . . ."),
    "tile": Attack(cell("tiles", "hashes", "level=0 AND tile=0"), "0 0 . . . ."),
    "tile_gone": Attack(sql("DELETE FROM tiles"), "0 0 . . . ."),
    "checkpoint": Attack(cell("checkpoints", "note", "size=:COSIGNED"), "BACKUP - . . . ."),
    "checkpoint_moved": Attack(
        sql("UPDATE checkpoints SET size=size-1 WHERE size=:SIZE"), "COSIGNED+1 . . . . ."
    ),
    "checkpoints_gone": Attack(sql("DELETE FROM checkpoints WHERE size<:SIZE"), UNSEEN),
    "cosignature": Attack(cell("cosignatures", "line", "1=1"), UNSEEN),
    "cosignatures_gone": Attack(sql("DELETE FROM cosignatures"), UNSEEN),
    "cosignature_ahead": Attack(sql("UPDATE cosignatures SET size=size+1"), UNSEEN),
    "node": Attack(cell("nodes", "n", "1=1"), ". SIZE . . . ."),
    "counter": Attack(sql("UPDATE counters SET n=n-1"), UNSEEN),
    "counters_gone": Attack(sql("DELETE FROM counters"), UNSEEN),
    "generation": Attack(sql("UPDATE counters SET n=n+4294967296"), UNSEEN),
    "tally": Attack(tally, UNSEEN),
    "registry": Attack(sql("DELETE FROM registry WHERE kind='witness'"), "- - . . . ."),
    "body_gone": Attack(sql("DELETE FROM bodies WHERE idx=:AT"), "AT . . . . ."),
    "body": Attack(cell("bodies", "sealed", "idx=:AT"), UNSEEN),
    "bodies_swapped": Attack(swap_bodies, UNSEEN),
    "seen_gone": Attack(sql("DELETE FROM seen"), UNSEEN),
    "marks_gone": Attack(sql("DELETE FROM marks"), UNSEEN),
    "sign_fork": Attack(sign_fork, "- - . 0 0 0"),
    "rewrite": Attack(rewrite, ". . . 0 0 0"),
    "rewrite_without_pin": Attack(rewrite_without_pin, "0 0 . 0 0 0"),
    "rewrite_tail": Attack(rewrite_tail, ". . . . . 0"),
    "drop_tail": Attack(drop_tail, ". COSIGNED . . . COSIGNED"),
    "date_back": Attack(date_back, "SIZE SIZE SIZE . SIZE SIZE"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_who_notices(world: World, tmp_path: Path, name: str) -> None:
    """Each attack is noticed by whom the table names, at the entry that it names, and by nobody else."""
    attack = ATTACKS[name]
    attack.do(world)
    fake = forged(world, tmp_path / "fake")
    shown = forged(world, tmp_path / "shown", world.cosigned)
    said: list[Said] = [
        walked(world),
        exported(world, tmp_path / "own"),
        verifies("tree", fake, "--vkey", world.vkey),
        verifies("tree", shown, "--policy", world.policy),
        verifies("extends", world.pinned, fake, "--vkey", world.vkey),
        verifies("extends", world.tail, fake, "--vkey", world.vkey),
    ]
    assert said == [meant(word, world.at) for word in attack.said.split()]
    assert verifies("proof", world.receipt, "--vkey", world.vkey) == HOLDS  # evidence, whatever was done


def meant(word: str, at: dict[str, int]) -> Said:
    """What a word of the table stands for."""
    name, _, more = word.partition("+")
    if name in at:
        return at[name] + int(more or 0)
    return {".": HOLDS, "-": None}.get(word, int(word) if word.isdecimal() else word)


# --- what the four don't see, and who does ----------------------------------------------------------------


def question(world: World, room: Auditing) -> object:
    """The auditor's question about the borrower whose entry stands at AT."""
    return room.ask(world.auditor, Question(subject=world.made.ids(ROWS)[0], limit=None))


def report(world: World, room: Auditing) -> object:
    """That borrower's report."""
    return room.report(world.auditor, world.made.ids(ROWS)[0])


def balance(world: World, room: Auditing) -> object:
    """The log's balance."""
    return room.balance(world.auditor)


def counts(_: World, room: Auditing) -> object:
    """`log verify --retally` says whether the counts are the log's."""
    return room.check_tallies()


def tail(_: World, room: Auditing) -> object:
    """What witnesses have cosigned, as the store says: no more than is true."""
    return room.tail()


ELSEWHERE: Final[dict[str, tuple[Callable[[World, Auditing], object], ...]]] = {
    "entries.block": (question, report),
    "counter": (question, report, balance),
    "counters_gone": (question, report, balance),
    "generation": (question, report, balance),
    "body": (question, report),
    "bodies_swapped": (question, report),
    "tally": (counts,),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_who_else_notices(world: World, name: str) -> None:
    """What the walk doesn't look at is refused by those whose answers would rest on it."""
    ATTACKS[name].do(world)
    made = reopen(world.made)
    room = made.vault.auditing()
    for work in ELSEWHERE[name]:
        with pytest.raises(Tampered):
            work(world, room)
    made.vault.close()


def test_cosignatures_are_believed_by_their_signatures(world: World) -> None:
    """Lines that were edited, moved or taken away make the witnessed part shorter, never longer."""
    for name in ("cosignature", "cosignatures_gone", "cosignature_ahead"):
        ATTACKS[name].do(world)
        made = reopen(world.made)
        assert made.vault.auditing().tail().witnessed == 0
        made.vault.close()
        world.undo("ledger")


def test_nobody_misses_what_alarms_count_by(world: World) -> None:
    """Not noticed: marks and counts deleted by the DBA, so that an alarm comes late or not; entries stay."""
    for name in ("seen_gone", "marks_gone"):
        ATTACKS[name].do(world)
        made = reopen(world.made)
        for work in (question, report, balance):
            work(world, made.vault.auditing())
        made.vault.close()
        world.undo()
