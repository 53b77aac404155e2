"""Imports, reads, holds, purges, restarts and time in any order: the vault does what a plain dict says."""

from __future__ import annotations

import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kit import borrower, make_vault, shown, values

from vault.errors import Denied
from vault.ledger.certificate import open_certificate
from vault.model import Hold

PEOPLE: Final = 4
DUE: Final = date(2032, 1, 1)
who: Final = st.integers(0, PEOPLE - 1)
variant: Final = st.integers(0, 2)


def row(n: int, version: int) -> dict[str, str]:
    """A borrower in one of three spellings of their contact data.

    The day overdue since is given as a day: as a count of days it would change with the day of the import.
    """
    phone = f"138{55500000 + 10 * n + version}"
    fixed = borrower(n) | {"逾期起始日": "2026-01-10"}
    del fixed["逾期天数"]
    return fixed | {"手机": phone, "电子邮箱": f"v{version}.of{n}@example.com"}


class Person:
    """What the model knows of one borrower that is stored."""

    def __init__(self, record: str, version: int) -> None:
        self.record = record
        self.version = version
        self.changes = 1
        self.holds: set[str] = set()
        self.restricted = False


class VaultMachine(RuleBasedStateMachine):
    """The vault beside its model: `people` by number; loans and contacts live until the next purge."""

    def __init__(self) -> None:
        super().__init__()
        self.outside = Path(tempfile.mkdtemp(prefix="cvault"))
        self.people: dict[int, Person] = {}
        self.loans: set[int] = set()
        self.erased: set[str] = set()
        self.listed = 0
        self.gone: set[int] = set()
        self.size = 0
        self.made = make_vault(self.outside)

    def teardown(self) -> None:
        """Close it and take the folder away."""
        self.made.vault.close()
        shutil.rmtree(self.outside)

    # --- rules ----------------------------------------------------------------------------------------

    @rule(rows=st.dictionaries(who, variant, min_size=1))
    def import_rows(self, rows: dict[int, int]) -> None:
        """Some borrowers in some spelling; the same spelling again changes nothing."""
        fresh = rows.keys() - self.people.keys()
        changed = {n for n in rows.keys() & self.people.keys() if self.people[n].version != rows[n]}
        done = self.made.load([row(n, version) for n, version in rows.items()], relationship="NEW-1")
        assert done.rejected == 0
        assert done.stored.get("borrower", 0) == len(fresh) + len(changed)
        assert done.stored.get("loan", 0) == len(rows.keys() - self.loans)
        ids = self.made.ids([row(n, 0) for n in rows])
        for (n, version), record in zip(rows.items(), ids, strict=True):
            person = self.people.setdefault(n, Person(record, version))
            assert person.record == record
            person.version, person.changes = version, person.changes + (n in changed)
        assert not self.erased & set(ids)
        self.loans |= rows.keys()

    @rule(n=who)
    def import_old_file(self, n: int) -> None:
        """A file brings nobody back who was erased: they are refused until a new relationship is named."""
        if n in self.people or not self.gone & {n}:
            return
        done = self.made.load([row(n, 0)])
        assert (done.rejected, done.stored) == (1, {})

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def read_clear(self, data: st.DataObject) -> None:
        """Legal sees the newest spelling, RESTRICTED or not."""
        n = data.draw(st.sampled_from(sorted(self.people)))
        person = self.people[n]
        item = shown(self.made.vault.reading().read(self.made.token("legal"), [person.record]))
        expected = row(n, person.version)
        assert values(item)["email"] == expected["电子邮箱"]
        assert values(item)["id_number"] == expected["证件号"]
        assert item.version == person.changes
        assert item.state == ("RESTRICTED" if person.restricted else "ACTIVE")

    @rule()
    def read_masked(self) -> None:
        """A collector sees masks of all that is ACTIVE and nothing of the rest."""
        wanted = {p.record: n for n, p in self.people.items()}
        found = self.made.vault.reading().read(
            self.made.token("collector"), [*wanted, *self.erased, "r-none"]
        )
        assert {item.record for item in found.items} == {
            p.record for p in self.people.values() if not p.restricted
        }
        for item in found.items:
            phone = row(wanted[item.record], self.people[wanted[item.record]].version)["手机"]
            assert values(item)["phone"] == f"{phone[:3]}****{phone[-4:]}"
        codes = {e.id: e.code for e in found.errors}
        assert {codes[record] for record in [*self.erased, "r-none"]} == {"not_found"}
        assert all(codes[p.record] == "restricted" for p in self.people.values() if p.restricted)

    @rule(n=who, version=variant)
    def find(self, n: int, version: int) -> None:
        """A phone number finds the borrower who has it now, and nobody by an old one."""
        found = self.made.vault.reading().find(
            self.made.token("legal"), field="phone", value=row(n, version)["手机"]
        )
        person = self.people.get(n)
        expected = [person.record] if person and person.version == version else []
        assert [item.record for item in found.items] == expected

    @rule()
    def list_loans(self) -> None:
        """The listing shows exactly the loans there are."""
        page = self.made.vault.reading().list_records(self.made.token("legal"), kind="loan")
        assert {item.ref for item in page.items} == {row(n, 0)["案件编号"] for n in self.loans}

    @rule(n=who)
    def refuse(self, n: int) -> None:
        """What a collector may not see is denied, whoever it is about."""
        ids = [self.people[n].record] if n in self.people else ["r-none"]
        try:
            found = self.made.vault.reading().read(self.made.token("collector"), ids, fields=("bank_card",))
        except Denied as error:
            assert error.code == "field_denied"  # noqa: PT017 - either way of refusing is right
        else:
            assert found.items == []

    @precondition(lambda self: self.people)
    @rule(data=st.data(), number=st.sampled_from(["H-1", "H-2"]))
    def hold(self, data: st.DataObject, number: str) -> None:
        """Put a hold on a borrower, or release it if it stands."""
        person = self.people[data.draw(st.sampled_from(sorted(self.people)))]
        room, token = self.made.vault.erasing(), self.made.token("dpo")
        if number in person.holds:
            assert room.release_hold(token, [person.record], number) == 1
        else:
            hold = Hold(number=number, authority="法院", until="2050-01-01")
            assert room.add_hold(token, [person.record], hold) == 1
        person.holds ^= {number}
        standing = {(h.record, h.number) for h in room.holds(token)}
        assert standing == {(p.record, number) for p in self.people.values() for number in p.holds}

    @rule()
    def purge(self) -> None:
        """All is due: what is held is restricted, everything else erased; the certificate says so."""
        room, token = self.made.vault.erasing(), self.made.token("dpo")
        plan = room.plan(token, as_of=DUE)
        held = {n: p for n, p in self.people.items() if p.holds}
        gone = self.people.keys() - held.keys()
        newly = sum(not p.restricted for p in held.values())
        done = room.execute(token, plan.id, yes=True)
        erased = len(gone) + 2 * len(self.loans) + self.listed  # who was listed before is due too by then
        assert (done.erased, done.restricted, done.remaining) == (erased, newly, 0)
        self.listed = 2 * len(gone) + len(self.loans)
        assert open_certificate(done.certificate, self.made.vault.vkey())["erased"] == done.erased
        self.gone = set(gone)
        self.erased |= {self.people.pop(n).record for n in gone}
        for person in held.values():
            person.restricted = True
        self.loans.clear()

    @rule()
    def reopen(self) -> None:
        """A restart."""
        self.made = self.made.reopened()

    @rule(hours=st.sampled_from([0.01, 1, 11, 26, 24 * 40]))
    def wait(self, hours: float) -> None:
        """Time passes; epochs whose grace is over are destroyed."""
        self.made.clock.advance(hours=hours)
        self.made.vault.erasing().destroy_epochs(self.made.token("dpo"))
        self.made.vault.writing().sweep()

    @invariant()
    def the_log_verifies(self) -> None:
        """At every moment the log is whole and only ever grows."""
        size = self.made.size()
        assert size >= self.size
        self.size = size


class LongMachine(VaultMachine):
    """The same, longer."""


_quick = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would outlast the test's time limit
)
_long = settings(_quick, max_examples=250, stateful_step_count=60, phases=tuple(Phase))

TestVault = VaultMachine.TestCase
TestVault.settings = _quick
TestLong = pytest.mark.nightly(pytest.mark.timeout(7200)(LongMachine.TestCase))
LongMachine.TestCase.settings = _long
