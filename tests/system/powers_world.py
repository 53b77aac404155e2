"""The vault that test_powers starts from, built once and copied: people, agencies, borrowers, policies."""

from __future__ import annotations

import copy
import functools
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from kit import FrozenClock, Made, borrower, export, id_number, make_vault, sql
from system.powers_oracle import Case, Deal, Held, Oracle, Person

from vault.access.policy_file import policy_hash
from vault.enrolling import Enrolment
from vault.granting import Identity
from vault.model import Hold
from vault.taking import ImportOptions
from vault.vault import Vault

LONG: Final = date(2045, 1, 1)
SOON: Final = date(2032, 3, 17)
"""The day after the tests' first: some attestations end with it."""

CASES: Final = ("AJ-700001", "AJ-700101", "AJ-700002", "AJ-700003", "AJ-700004")
_DEFAULT: Final = Path(__file__).parents[2] / "vault" / "policies" / "default.toml"
_FIRST: Final = "[grants.kinds.borrower]\nmasked = "
_MODELS: Final = """
[[grants]]
id = "fraud-models"
roles = ["fraud_desk"]
purposes = ["modelling"]
actions = ["read", "list"]
source = "a test"
[grants.kinds.borrower]
masked = ["name"{more}]
[grants.kinds.loan]
masked = ["product"]
"""


def _policies() -> tuple[str, ...]:
    """Three policies, each showing more than the one before; the second is in force to begin with."""
    text = _DEFAULT.read_text("utf-8").partition("\n[[tests]]")[0]
    text = text.replace("rows = 10000 ", "rows = 8 ").replace("cap = 200", "cap = 3")
    text = text.replace('purposes = ["fraud_check"]', 'purposes = ["fraud_check", "modelling"]', 1)
    both, name = '["name", "phone"]', '["name"]'
    wide = '["name", "phone", "customer_no"]'
    assert f"{_FIRST}{both}" in text
    return (
        text.replace(f"{_FIRST}{both}", f"{_FIRST}{name}") + _MODELS.format(more=""),
        text + _MODELS.format(more=""),
        text.replace(f"{_FIRST}{both}", f"{_FIRST}{wide}") + _MODELS.format(more=', "id_number"'),
    )


POLICIES: Final = _policies()
HASHES: Final = tuple(policy_hash(text) for text in POLICIES)
STAFF: Final = {"desk": "case_desk", "dpo": "dpo", "audit": "auditor", "import": "importer"}
"""Who the test itself acts by: nothing happens to them."""

_PEOPLE: Final[tuple[tuple[str, str, str, str, tuple[str, ...], date], ...]] = (
    # name, sort, staff number, agency, roles, attested until
    ("anna", "person", "S1", "", ("collector",), LONG),
    ("bert", "person", "S2", "", ("collector", "case_desk"), SOON),
    ("cara", "person", "S3", "", ("collector", "approver"), LONG),
    ("lois", "person", "S4", "", ("legal",), LONG),
    ("finn", "person", "", "", ("fraud_desk",), LONG),
    ("line", "service", "", "", ("collector", "dialer"), LONG),
    ("olga", "person", "S5", "", ("approver",), LONG),
    ("olga again", "person", "S5", "", ("approver", "dpo"), LONG),
    ("anna again", "person", "S1", "", ("approver",), LONG),
    ("paul", "person", "S6", "", ("approver", "legal"), LONG),
    ("east", "agency", "", "", ("agency_collector",), LONG),
    ("east one", "person", "S7", "east", ("agency_collector",), LONG),
    ("east two", "person", "", "east", ("agency_collector",), SOON),
    ("west", "agency", "", "", ("agency_collector",), LONG),
    ("west one", "person", "S8", "west", ("agency_collector",), LONG),
)


@dataclass
class World:
    """A vault, what the oracle knows of it, and everybody's keys by name."""

    made: Made
    oracle: Oracle
    keys: dict[str, Identity]
    rows: dict[str, dict[str, str]] = field(default_factory=dict)

    def id(self, name: str) -> str:
        """Somebody's principal id."""
        return self.keys[name].principal

    def copy(self) -> World:
        """The same in a folder of its own, open."""
        outside = Path(tempfile.mkdtemp(prefix="cvault"))
        shutil.copytree(self.made.folder, outside / "vault")
        clock = FrozenClock()
        clock.now = self.made.clock.now
        made = Made(
            vault=Vault.open(outside / "vault", clock=clock),
            identity=self.made.identity, clock=clock, folder=outside / "vault", outside=outside,
        )  # fmt: skip
        return World(made, copy.deepcopy(self.oracle), dict(self.keys), self.rows)


@functools.cache
def world() -> World:
    """The world to copy; its vault is closed."""
    made = make_vault(Path(tempfile.mkdtemp(prefix="cvault")), sandbox=False)
    new = World(made, Oracle(POLICIES), {"admin": made.identity})
    new.oracle.people[made.identity.principal] = Person(
        made.identity.principal, roles={"admin": None}, keys=[made.identity.candidate.key()]
    )
    for name, role in STAFF.items():
        add(new, name, "person", "", "", (role,), LONG)
    add(new, "olga", "person", "S5", "", ("approver",), LONG)
    _restricted(new)
    _borrowers(new)
    _in_force(new)
    for entry in _PEOPLE:
        if entry[0] != "olga":
            add(new, *entry)
    for name, last in (("east", date(2032, 6, 1)), ("west", date(2032, 3, 18))):
        engage(new, name, date(2032, 3, 1), last, ("repayment_reminder", "phone_collection"))
    new.oracle.cases = {number: Case() for number in (*CASES, "AJ-700000")}
    made.vault.close()
    return new


def add(
    on: World, name: str, sort: str, staff: str, agency: str, roles: tuple[str, ...], attested: date
) -> None:
    """Add a principal to the vault and to the oracle."""
    of = on.id(agency) if agency else ""
    more = Enrolment(sort=sort, person=staff, agency=of, attested=attested.isoformat())
    made = on.made.vault.granting().add_principal(on.made.identity, name=name, roles=roles, more=more)
    on.keys[name] = made
    on.oracle.people[made.principal] = Person(
        id=made.principal, sort=sort, staff=staff, roles=dict.fromkeys(roles),
        agency=made.principal if sort == "agency" else of,
        attested={"confidentiality": attested, "training": attested}, keys=[made.candidate.key()],
    )  # fmt: skip


def engage(on: World, name: str, starts: date, ends: date, purposes: tuple[str, ...]) -> None:
    """Put an agency under contract; whether it is sealed off stays as it is."""
    on.made.vault.granting().engage(
        on.made.identity, on.id(name),
        reference="C-1", starts=starts.isoformat(), ends=ends.isoformat(), purposes=purposes,
    )  # fmt: skip
    before = on.oracle.deals.get(on.id(name))
    sealed = before is not None and before.sealed
    on.oracle.deals[on.id(name)] = Deal(starts, ends, frozenset(purposes), sealed=sealed)


def _load(on: World, row: dict[str, str]) -> None:
    """Import a row and note every record it made."""
    known = {str(ident) for (ident,) in sql(on.made, "records", "SELECT record FROM facts")}
    path = on.made.outside / "in.csv"
    path.write_text(export([row]), "utf-8")
    token = on.made.vault.granting().issue(on.keys["import"], role="importer", purpose="import")
    done = on.made.vault.writing().import_file(
        token, path, kind="borrower", report=on.made.outside / "report.jsonl", options=ImportOptions()
    )
    assert done.rejected == 0
    number, born = row["案件编号"], row["证件号"][6:14]
    for ident, kind, subject in sql(on.made, "records", "SELECT record, kind, subject FROM facts"):
        if ident in known:
            continue
        held = Held(ident, kind, subject, frozenset({number}), {})
        if kind in {"borrower", "loan"}:  # a minor's data are all that is held of them
            held.born = date.fromisoformat(born)
        if kind == "borrower":
            held.values = {"phone": row["手机"], "id_number": row["证件号"], "bank_card": row["银行卡号"]}
            held.values |= {"name": row["客户姓名"]}
            on.rows[ident] = row
        on.oracle.records[ident] = held


def _restricted(on: World) -> None:
    """A borrower who is RESTRICTED: all of theirs was due for erasure, but for a hold on one record."""
    _load(on, borrower(0))
    held = next(r for r in on.oracle.records.values() if r.kind == "borrower")
    made, granting = on.made, on.made.vault.granting()
    token = granting.issue(on.keys["dpo"], role="dpo", purpose="administration")
    made.vault.erasing().add_hold(token, [held.id], Hold(number="H-1", authority="法院", until="2050-01-01"))
    made.clock.advance(days=6 * 365 + 2)
    token = granting.issue(on.keys["dpo"], role="dpo", purpose="administration")
    plan = made.vault.erasing().plan(token)
    granting.approve(on.keys["olga"], plan.id)
    assert made.vault.erasing().execute(token, plan.id).restricted == 1
    held.restricted = True
    on.oracle.records = {held.id: held}


def _borrowers(on: World) -> None:
    """One with two cases, one with a guarantor, a minor, and a minor who comes of age the day after."""
    _load(on, borrower(1))
    _load(on, borrower(1) | {"案件编号": CASES[1]})
    two = next(r for r in on.oracle.records.values() if r.kind == "borrower" and CASES[0] in r.cases)
    two.cases = frozenset(CASES[:2])
    surety = {
        "担保人姓名": "钱澹七",
        "担保人证件号": id_number("51010719700101777"),
        "担保人电话": "13511112222",
    }
    _load(on, borrower(2) | surety | {"担保方式": "连带责任保证"})
    for n, born in ((3, "20160101"), (4, "20140317")):
        _load(on, borrower(n) | {"证件号": id_number(f"510107{born}{n:03d}")})


def _in_force(on: World) -> None:
    """Bring the second policy into force, which shows more than the one of the box."""
    granting = on.made.vault.granting()
    asked = granting.ask(on.made.identity, "policy", (HASHES[1],), reason="begin")
    granting.approve(on.keys["olga"], asked.id)
    (on.made.folder / "policy.toml").write_text(POLICIES[1], "utf-8")
    on.made = on.made.reopened()
    on.made.vault.tenancy("main").start()
    assert on.made.vault.tenancy("main").policy.hash == HASHES[1]
    on.oracle.policy = 1
