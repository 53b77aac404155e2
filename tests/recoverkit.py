"""Levers for tests of recoveries: what is put back, cut or rewritten, and what must serve after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from kit import Made, borrowers, reopen, shown, sql

from vault.access.tokens import Credential, Limits
from vault.auditing import Question
from vault.errors import Tampered
from vault.ledger import checkpoint
from vault.merkle import Frontier, leaf_hash
from vault.recovering import Recovered

ROWS: Final = borrowers(2)
LONG: Final = Limits(ttl_us=12 * 3_600_000_000)
STORES: Final = ("records", "index", "keys", "ledger")


def kept(made: Made, stores: tuple[str, ...] = STORES) -> Callable[[], None]:
    """Copy stores; gives what puts them back."""
    copy = made.outside / "backup"
    copy.mkdir()
    for name in stores:
        _copy(made.folder / f"{name}.db", copy / f"{name}.db")

    def back() -> None:
        for name in stores:
            _copy(copy / f"{name}.db", made.folder / f"{name}.db")

    return back


def _copy(source: Path, target: Path) -> None:
    """A database over another, as SQLite's own backup does it."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def grow(made: Made, reads: int = 3) -> int:
    """Read a few times, close; how many entries there are then."""
    token = made.token("legal")
    for _ in range(reads):
        shown(made.vault.reading().read(token, made.ids(ROWS[:1])))
    size = made.size()
    made.vault.close()
    return size


def stopped(made: Made) -> Tampered:
    """What a node that opens the vault is told before its first verb."""
    opened = reopen(made)
    with pytest.raises(Tampered) as refusal:
        opened.vault.reading().read(made_token(opened), ["r-1"])
    with pytest.raises(Tampered):
        opened.vault.auditing().checkpoint()  # nothing is signed either
    opened.vault.close()
    assert refusal.value.exit_code == 5
    return refusal.value


def made_token(made: Made) -> Credential:
    """A token, which takes the log."""
    return made.token("legal")


def recover(made: Made, **more: object) -> tuple[Made, Recovered]:
    """Recover, a second later, and open the vault anew."""
    opened = reopen(made)
    done = opened.vault.auditing().recover(
        opened.identity, reason="restored", evidence=made.outside / "evidence", **more
    )
    opened.vault.close()
    made.clock.advance(seconds=2)
    return reopen(made), done


def serves(made: Made) -> None:
    """Both borrowers are read, the log verifies, and each borrower's accesses are found."""
    ids = made.ids(ROWS)
    assert len(made.vault.reading().read(made.token("legal"), ids).items) == 2
    made.vault.auditing().walk()
    found = made.vault.auditing().balance(made.token("auditor"))
    assert (found.unexplained, found.missing) == (0, 0)
    for record in ids:
        lines = made.vault.auditing().ask(made.token("auditor"), Question(subject=record))
        assert {line.kind for line in lines} == {"read"}


def purge(made: Made) -> None:
    """Erase all that is due by 2032."""
    plan = made.vault.erasing().plan(made.token("dpo"), as_of=date(2032, 1, 1))
    made.vault.erasing().execute(made.token("dpo"), plan.id, yes=True)


def rewrite(made: Made, at: int) -> None:
    """Take an entry out of the tree's past with every key of the node: new stubs, head and checkpoint."""
    keys, t = made.vault.tenancy().keys, made.vault.tenancy()
    stubs = [bytes(s) for (s,) in sql(made, "ledger", "SELECT stub FROM entries ORDER BY idx")]
    stubs[at] = stubs[at].replace(b'"k":"', b'"k":"x', 1)
    frontier = Frontier()
    frontier.append_many([leaf_hash(stub) for stub in stubs])
    head = t.journal.sealed_head(frontier, 0, b"")
    made.vault.close()
    ((last_t, registry),) = sql(made, "ledger", "SELECT last_t, registry FROM head")
    head = t.journal.sealed_head(frontier, last_t, registry)
    sql(made, "ledger", "UPDATE entries SET stub=? WHERE idx=?", [stubs[at], at])
    sql(made, "ledger", "UPDATE head SET edge=?, mac=?", [head.edge, head.mac])
    point = checkpoint.Checkpoint(origin=keys.origin, size=frontier.size, root=frontier.root())
    sql(made, "ledger", "DELETE FROM checkpoints")
    note = checkpoint.sign(point, keys.log)
    sql(made, "ledger", "INSERT INTO checkpoints VALUES ('main',?,?)", [frontier.size, note])
