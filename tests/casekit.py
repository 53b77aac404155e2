"""Levers for tests of casework: a plain vault with people for every part, and a copy of it for each test."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from kit import PURPOSE, FrozenClock, Made, borrowers, id_number, make_vault, reopen

from vault.access import tokens
from vault.access.tokens import Credential, Limits
from vault.auditing import Line, Question
from vault.config import Stores
from vault.crypto.sign import token_bytes
from vault.enrolling import Enrolment
from vault.identity import Identity
from vault.model import Disclosure
from vault.vault import Vault

ROWS: Final = borrowers(4)
NUMBERS: Final = [row["案件编号"] for row in ROWS]
A, B, C, D = NUMBERS
CHILD: Final = ROWS[3] | {"证件号": id_number("51010720120307003")}
"""The fourth borrower, born in 2012."""
PEOPLE: Final = {
    "importer": "importer", "desk": "case_desk", "desk2": "case_desk", "li": "collector", "lawyer": "legal",
    "dpo": "dpo", "approver": "approver", "auditor": "auditor",
}  # fmt: skip
ROLES: Final = PEOPLE | {
    "agency": "agency_collector", "wei": "agency_collector", "zhao": "agency_collector",
    "other": "agency_collector", "house": "agency_collector",
}  # fmt: skip


@dataclass
class Site:
    """A vault with four borrowers (the last a minor) and people.

    `desk`, `desk2`: case desks. `li`: a collector. `agency` with `wei` and `zhao`; `other`, another agency.
    `house`: the tenant's own service, which hands tokens on. Nothing is in the book of cases.
    """

    made: Made
    people: dict[str, Identity]

    @property
    def vault(self) -> Vault:
        """The first node."""
        return self.made.vault

    def ident(self, name: str) -> str:
        """Somebody's principal id."""
        return self.people[name].principal

    def token(self, name: str, purpose: str | None = None, **limits: Any) -> Credential:
        """A token of somebody's, for their role."""
        role = ROLES[name]
        usual = "administration" if role == "case_desk" else PURPOSE[role]
        return self.vault.granting().issue(
            self.people[name],
            role=role,
            purpose=purpose or usual,
            limits=Limits(**limits) if limits else None,
        )

    def bound(self, name: str, *numbers: str, **limits: Any) -> Credential:
        """A token of somebody's that names cases."""
        return self.token(name, cases=frozenset(numbers), **limits)

    def ids(self, *numbers: str) -> list[str]:
        """The ids of the borrowers of these cases."""
        return self.made.ids([row for number in numbers for row in ROWS if row["案件编号"] == number])

    def open(self, *numbers: str) -> None:
        """Open cases."""
        self.vault.casework().open_cases(self.token("desk"), numbers, reason="placed")

    def give(self, to: str, *numbers: str) -> None:
        """Open cases and assign them to somebody."""
        self.open(*numbers)
        self.vault.casework().assign(self.token("desk"), numbers, self.ident(to), reason="first")

    def close(self, *numbers: str) -> None:
        """Close cases."""
        self.vault.casework().close_cases(self.token("desk"), numbers, reason="paid")

    def lines(self, **asked: Any) -> list[Line]:
        """What the auditor finds in the log."""
        return self.vault.auditing().ask(self.token("auditor"), Question(limit=1000, **asked))

    def masked(self) -> Vault:
        """A masked node on the same stores, with keys taken out by two people's yes."""
        folder, granting = self.made.outside / "masked", self.vault.granting()
        request = granting.ask(self.made.identity, "keys", ["export masked"], reason="a node").id
        granting.approve(self.people["dpo"], request)
        self.vault.export_keys(self.made.identity, folder, frozenset({"masked"}), request=request)
        return Vault.open(self.made.folder, keys=folder, clock=self.made.clock)

    def handed(self, held: Credential, to: str, **limits: Any) -> Credential:
        """A token handed on to somebody's own key, and accepted by them."""
        less = tokens.narrow(
            held,
            Limits(**limits),
            now_us=self.made.clock(),
            jti=token_bytes(16),
            to=self.people[to].signing.public,
        )
        return tokens.accept(less, self.people[to].signing)


def build(folder: Path, stores: Stores | None = None, policy: Mapping[str, str] | None = None) -> Site:
    """A fresh one; `policy` replaces words of its policy file before anything is decided by it."""
    made = make_vault(folder, sandbox=False, stores=stores)
    if policy:
        made.vault.close()
        edit_policy(made.folder, policy)
        made = reopen(made)
    granting, admin = made.vault.granting(), made.identity
    people = {name: granting.add_principal(admin, name=name, roles=(role,)) for name, role in PEOPLE.items()}
    for name in ("agency", "other"):
        people[name] = granting.add_principal(
            admin, name=name, roles=("agency_collector",), more=Enrolment(sort="agency")
        )
        granting.engage(
            admin, people[name].principal, reference="W-1", starts="2026-01-01", ends="2026-12-31",
            purposes=("repayment_reminder", "phone_collection"),
        )  # fmt: skip
    for name in ("wei", "zhao"):
        people[name] = granting.add_principal(
            admin, name=name, roles=("agency_collector",), more=Enrolment(agency=people["agency"].principal)
        )
    people["house"] = granting.add_principal(
        admin, name="house", roles=("agency_collector",), more=Enrolment(sort="service")
    )
    site = Site(made, people)
    made.vault.writing().import_file(
        site.token("importer"), made.file([*ROWS[:3], CHILD]), kind="borrower", report=folder / "report.jsonl"
    )
    return site


def edit_policy(folder: Path, words: Mapping[str, str]) -> None:
    """Replace words of a vault's policy file, each of which must occur once."""
    file = folder / "policy.toml"
    text = file.read_text("utf-8")
    for old, new in words.items():
        if text.count(old) != 1:
            raise ValueError(old)
        text = text.replace(old, new)
    file.write_text(text, "utf-8")


def copied(template: Site, folder: Path, policy: Mapping[str, str] | None = None) -> Site:
    """A copy of one's own; `policy` replaces words of its policy file before it is opened."""
    there = folder / "vault"
    shutil.copytree(template.made.folder, there)
    edit_policy(there, policy or {})
    clock = FrozenClock()
    vault = Vault.open(there, clock=clock)
    made = replace(template.made, vault=vault, clock=clock, folder=there, outside=folder)
    return Site(made, template.people)


def codes(found: Disclosure) -> list[str]:
    """The codes of the records refused."""
    return [error.code for error in found.errors]


def outcome(vault: Vault, credential: Credential, ids: Sequence[str], **more: Any) -> str:
    """`ok`, or by what code one read was refused: as a whole, or its first record."""
    from vault.errors import VaultError

    try:
        found = vault.reading().read(credential, ids, **more)
    except VaultError as refusal:
        return refusal.code
    return found.errors[0].code if found.errors else "ok"
