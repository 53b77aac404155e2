"""What a log can't show by itself: acts never entered, entered elsewhere, or shown to one auditor alone.

Each limit is asserted together with what does notice it, if anything; SECURITY.md (promise 5) has the words.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kit import Made, borrowers, make_vault, reopen
from system.dba import Dba, verifies

from vault.auditing import Question
from vault.errors import Denied, Tampered
from vault.identity import Identity
from vault.model import Happening, Who, Whom
from vault.opening import Opener
from vault.vault import Vault

ROWS = borrowers(2)
WHO = Who(actor="p-1", role="legal", purpose="legal_action", about="borrower", clear=1)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A vault with two borrowers, each read once."""
    made = make_vault(tmp_path)
    made.load(ROWS)
    made.vault.reading().read(made.token("legal"), made.ids(ROWS))
    yield made
    made.vault.close()


def listed(made: Made, at: int) -> int:
    """How many entries the auditor finds about a borrower."""
    asked = Question(subject=made.ids(ROWS)[at], limit=None)
    return len(made.vault.auditing().ask(made.token("auditor"), asked))


def test_a_read_by_changed_code_shows_nowhere(made: Made) -> None:
    """Not noticed: whoever runs other code with a whole node's keys opens a record, and no log can say so."""
    before = made.size()
    (record,) = made.ids(ROWS[:1])
    held = Opener(made.vault.tenancy()).named([record])[record]
    assert held.row.record == record
    assert made.size() == before
    room, auditor = made.vault.auditing(), made.token("auditor")
    room.verify(auditor)
    assert room.balance(auditor).unexplained == 0


def logged(made: Made, subject: str, of: str, secret: bytes | None = None) -> int:
    """A host enters an access to one person under another's tag, or a made-up one; its index."""
    t = made.vault.tenancy()
    mine = t.keeping.log_secrets([of])[of] if secret is None else secret
    (row,) = t.stores.keys.subjects("main", [of])
    (receipt,) = t.journal.log(
        Happening(kind="read", who=WHO, whom=Whom(subject=subject), secret=mine, shelf=row.shelf)
    )
    return receipt.index


def subjects(made: Made) -> list[str]:
    """The two borrowers' subject ids."""
    found = Opener(made.vault.tenancy()).named(made.ids(ROWS))
    return [found[one].row.subject for one in made.ids(ROWS)]


def test_an_access_under_a_made_up_tag_isnt_even(made: Made) -> None:
    """The balance names the entry; the walk has nothing against it."""
    one, _ = subjects(made)
    index = logged(made, one, one, secret=bytes(32))
    room, auditor = made.vault.auditing(), made.token("auditor")
    room.verify(auditor)
    with pytest.raises(Tampered) as refusal:
        room.balance(auditor)
    assert refusal.value.index is None or refusal.value.index <= index


def test_an_access_under_another_borrower_is_in_theirs(made: Made) -> None:
    """Not noticed by any count: it is even. It stands in the other's list and report, who never was read."""
    one, two = subjects(made)
    mine, other = listed(made, 0), listed(made, 1)
    logged(made, two, two)
    room, auditor = made.vault.auditing(), made.token("auditor")
    room.verify(auditor)
    assert room.balance(auditor).unexplained == 0
    assert (listed(made, 0), listed(made, 1)) == (mine, other + 1)
    assert one != two


def test_a_counter_run_ahead_and_put_back(made: Made) -> None:
    """Not noticed by question and report: entries beyond their reach. The balance names the first of them."""
    dba = Dba("ledger", f"sqlite:///{made.folder}/ledger.db")
    before, token, seen = dba.rows("counters"), made.token("legal"), listed(made, 0)
    dba.run("UPDATE counters SET n=n+1000")
    hidden = made.vault.reading().read(token, made.ids(ROWS)[:1]).items[0].receipt.index
    dba.put("counters", before)
    dba.close()
    assert listed(made, 0) == seen
    room, auditor = made.vault.auditing(), made.token("auditor")
    room.verify(auditor)
    with pytest.raises(Tampered) as refusal:
        room.balance(auditor)
    assert refusal.value.index == hidden


def test_two_auditors_two_histories(made: Made) -> None:
    """Each holds by itself, under the same key; what one has kept refutes what the other was shown."""
    made.vault.close()
    shutil.copytree(made.folder, made.outside / "twin")
    folders = []
    for name, count in (("vault", 1), ("twin", 2)):
        shown = reopen(replace(made, folder=made.outside / name))
        shown.vault.reading().read(shown.token("legal"), shown.ids(ROWS)[:1] * count)
        room, folder = shown.vault.auditing(), made.outside / f"to-{name}"
        room.export(shown.token("auditor"), folder)
        (made.outside / f"pin-{name}").write_text(room.pin())
        key = made.outside / "key"
        key.write_text(room.vkey.text())
        assert verifies("tree", folder, "--vkey", key) == "holds"
        assert verifies("extends", made.outside / f"pin-{name}", folder, "--vkey", key) == "holds"
        shown.vault.close()
        folders.append(folder)
    pin, key = made.outside / "pin-vault", made.outside / "key"
    assert verifies("extends", pin, folders[1], "--vkey", key) == 0


# --- a recovery, wanted -----------------------------------------------------------------------------------


def recovered(made: Made) -> Made:
    """An admin damages the log and has it closed; opened anew."""
    made.vault.close()
    dba = Dba("ledger", f"sqlite:///{made.folder}/ledger.db")
    dba.run("DELETE FROM bodies WHERE idx=3")
    dba.close()
    made = reopen(made)
    made.vault.auditing().recover(made.identity, reason="damaged", evidence=made.outside / "evidence")
    made.vault.close()
    made.clock.advance(seconds=2)
    return reopen(made)


def test_a_log_damaged_on_purpose_can_be_recovered_in_the_open(made: Made) -> None:
    """Not prevented: an admin with the tables gets a new log. Every auditor sees its name and first entry."""
    room, key = made.vault.auditing(), made.outside / "key"
    key.write_text(room.vkey.text())
    (made.outside / "pin").write_text(room.pin())
    made = recovered(made)
    room, auditor = made.vault.auditing(), made.token("auditor")
    room.export(auditor, made.outside / "new")
    (first,) = room.ask(auditor, Question(kind="anchor"))
    assert first.index == 0
    assert first.actor == made.identity.principal
    assert verifies("tree", made.outside / "new", "--vkey", key) is None  # under the key that was kept
    assert verifies("extends", made.outside / "pin", made.outside / "new", "--vkey", key) is None
    assert verifies("tree", made.outside / "evidence", "--vkey", key) == "holds"


def test_nobody_but_an_admin_recovers(made: Made) -> None:
    """A principal of another vault, even under the same name, is nobody here."""
    other = make_vault(made.outside / "other")
    made.vault.close()
    Dba("ledger", f"sqlite:///{made.folder}/ledger.db").run("DELETE FROM bodies WHERE idx=3")
    opened = Vault.open(made.folder, clock=made.clock)
    stranger = Identity(principal=made.identity.principal, key=other.identity.key)
    for who in (other.identity, stranger):
        with pytest.raises(Denied):
            opened.auditing().recover(who, reason="mine", evidence=made.outside / "e")
    assert not (made.folder / "keys/main.recovery").exists()
    opened.close()
    other.vault.close()
