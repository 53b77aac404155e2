"""The demo's stage: its vault, its people with their tokens, and copies of the vault's folder."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Self

from cli.demo_story import Story
from vault.access.tokens import Credential, Limits
from vault.config import STORES, today
from vault.crypto.provider import write_private
from vault.errors import Denied, VaultError
from vault.identity import Identity
from vault.journal import microseconds
from vault.model import MAIN
from vault.vault import Vault

ENDED: Final = "xinghe"
"""The tenant whose contract has ended: a made-up creditor, 星河消费金融."""

OWNERS: Final = {MAIN: "admin.principal", ENDED: f"admin-{ENDED}.principal"}
"""The files of the tenants' first principals, where `--sandbox` looks for them."""

PURPOSES: Final = {
    "importer": "import", "collector": "phone_collection", "agency_collector": "phone_collection",
    "dialer": "phone_collection", "legal": "legal_action", "auditor": "audit", "dpo": "administration",
    "approver": "administration", "case_desk": "administration",
}  # fmt: skip
"""The roles of the story, each played by a person of its own, and what each acts for."""

_SHARE_ENDED: Final = 5
"""One borrower in five belongs to the creditor whose contract ends."""


class Stage:
    """What every act needs.

    Args:
        folder: Becomes the vault's; extras go to its subfolder `demo`, which is there already.
        borrowers: How many, of both creditors together.
        seed: Of the made-up exports.
        story: Told to.
    """

    def __init__(self, folder: Path, borrowers: int, seed: int, story: Story) -> None:
        self.folder, self.extras = folder, folder / "demo"
        self.story, self.seed = story, seed
        self.counts = {MAIN: borrowers - borrowers // _SHARE_ENDED, ENDED: borrowers // _SHARE_ENDED}
        self.today = today(microseconds())
        self.people: dict[tuple[str, str], Identity] = {}
        self.owners: dict[str, Identity] = {}
        self.vault, self.owners[MAIN] = Vault.init(folder, applies_to="agency", sandbox=True)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the vault."""
        self.vault.close()

    def hire(self) -> None:
        """Add the second tenant, and to both a person for each role; write the first principals' files."""
        self.owners[ENDED] = self.vault.add_tenant(self.owners[MAIN], ENDED)
        write_private(self.folder / OWNERS[MAIN], self.owners[MAIN].to_json())
        write_private(self.folder / OWNERS[ENDED], self.owners[ENDED].to_json())
        vkey = self.vault.vkey(ENDED).text() + "\n"
        (self.extras / f"{ENDED}.vkey").write_text(vkey, "utf-8")
        for tenant, owner in self.owners.items():
            granting = self.vault.granting(tenant)
            for role in PURPOSES:
                person = granting.add_principal(owner, name=f"{role} (demo)", roles=(role,))
                self.people[tenant, role] = person

    def contract(self, ends: date | None) -> None:
        """Record the second creditor's contract: from a year ago, to this day or open-ended."""
        self.vault.granting(ENDED).set_contract(
            self.owners[ENDED],
            party="星河消费金融 (made up)",
            starts=(self.today - timedelta(days=365)).isoformat(),
            ends=ends.isoformat() if ends else None,
        )

    def token(self, tenant: str, role: str, limits: Limits | None = None) -> Credential:
        """A fresh token of the person who plays a role."""
        person = self.people[tenant, role]
        return self.vault.granting(tenant).issue(person, role=role, purpose=PURPOSES[role], limits=limits)


def refusal_of(act: Callable[[], object]) -> str:
    """The code with which an act is refused.

    Raises:
        VaultError: It was not refused.
    """
    try:
        act()
    except Denied as refusal:
        return refusal.code
    raise untrue("the vault refuses what it must")


def demand(fact: bool, what: str) -> None:
    """Stop the story where it would be untrue.

    Raises:
        VaultError: The fact doesn't hold.
    """
    if not fact:
        raise untrue(what)


def untrue(what: str) -> VaultError:
    """The failure of a demo whose vault doesn't do what the story says."""
    return VaultError(f"the demo expected that {what}", code="demo_untrue", remedy="report this as a defect")


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database while it is open: SQLite's own backup, write-ahead log and locks heeded."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    target.chmod(0o600)


def copy_vault(folder: Path, target: Path) -> None:
    """Copy a vault's folder with its local keys, as an administrator of the machine could."""
    target.mkdir(mode=0o700)
    shutil.copytree(folder / "keys", target / "keys")
    for name in ("vault.toml", "policy.toml", "log.vkey", *OWNERS.values()):
        shutil.copy2(folder / name, target / name)
    for store in STORES:
        copy_database(folder / f"{store}.db", target / f"{store}.db")


def count(database: Path, query: str, *values: str) -> int:
    """What a query that counts gives, asked past the vault as someone with the file would."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(query, values).fetchone()[0])
