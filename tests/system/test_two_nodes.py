"""Two nodes of one log, each with its pin: a ledger put back under one isn't passed off on the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, reopen
from system.dba import Dba

from vault.errors import Tampered
from vault.ledger import checkpoint
from vault.model import Happening, Who, Whom
from vault.vault import Vault


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """The node whose pin is to hold."""
    made = make_vault(tmp_path)
    made.load(borrowers(2))
    yield made
    made.vault.close()


def write(vault: Vault, count: int) -> None:
    """So many entries, one page each."""
    who = Who(actor="p-1", role="auditor", purpose="audit")
    for n in range(count):
        vault.tenancy().journal.log(Happening(kind="config", who=who, whom=Whom(detail=str(n))))


def pinned(made: Made) -> checkpoint.Checkpoint:
    """What the first node has pinned."""
    note = (made.folder / "keys/main.checkpoint").read_text()
    return checkpoint.open_checkpoint(note, made.vault.vkey())


def led_astray(made: Made, *, later: int = 0) -> Made:
    """The other node goes on from an older copy of the ledger, beyond where the first one is."""
    made.vault.export_keys(made.identity, made.outside / "node", frozenset({"masked"}))
    made = made.reopened()
    dba = Dba("ledger", f"sqlite:///{made.folder}/ledger.db")
    backup = dba.dump()
    other = Vault.open(made.folder, keys=made.outside / "node", clock=made.clock)
    write(other, 1)  # it is open, and knows no more than this
    backup = dba.dump()
    write(made.vault, 5 + later)
    dba.restore(backup)
    write(other, 9 + later)
    other.close()
    dba.close()
    return made


def test_a_pin_does_not_give_way_to_a_longer_log(made: Made) -> None:
    """The first node stops within its minute; its pin is what it had seen, and speaks against the rest."""
    made = led_astray(made)
    seen = made.vault.tenancy().journal.known
    write(made.vault, 1)
    made.clock.advance(minutes=2)
    with pytest.raises(Tampered, match="rewritten") as refusal:
        write(made.vault, 1)
    assert refusal.value.exit_code == 5
    with pytest.raises(Tampered):
        write(made.vault, 1)  # and again
    with pytest.raises(Tampered):
        made.vault.auditing().checkpoint()
    assert (pinned(made).size, pinned(made).root) == seen


def test_closing_pins_nothing_of_another_history(made: Made) -> None:
    """A node that is closed within the minute keeps what it had seen, and refuses when it is opened again."""
    made = led_astray(made)
    seen = made.vault.tenancy().journal.known
    write(made.vault, 1)
    made.vault.close()
    assert (pinned(made).size, pinned(made).root) == seen
    made = reopen(made)
    with pytest.raises(Tampered, match="rewritten"):
        write(made.vault, 1)


def test_many_pages_of_another_node_are_compared(made: Made) -> None:
    """Where others write all the time, a comparison doesn't wait for the minute."""
    made = led_astray(made, later=1)
    node = Vault.open(made.folder, keys=made.outside / "node", clock=made.clock)

    def take_turns() -> None:
        for _ in range(300):
            write(made.vault, 1)
            write(node, 1)

    with pytest.raises(Tampered, match="rewritten"):
        take_turns()
    node.close()


def test_two_nodes_that_take_turns_are_at_peace(made: Made) -> None:
    """What each has seen is found in what the other wrote; both pins move on."""
    made.vault.export_keys(made.identity, made.outside / "node", frozenset({"masked"}))
    made = made.reopened()
    other = Vault.open(made.folder, keys=made.outside / "node", clock=made.clock)
    for _ in range(300):
        write(made.vault, 1)
        write(other, 1)
    made.clock.advance(minutes=2)
    write(other, 1)
    write(made.vault, 1)
    size = made.vault.auditing().walk().size
    assert pinned(made).size == size
    other.close()
    made.vault.close()
    assert reopen(made).vault.auditing().walk().size == size
