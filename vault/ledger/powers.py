"""Powers: the registry's words about who may act, on what grounds, and until when (DESIGN 2, 6).

Each is a row of the registry, so the head authenticates it. A power is narrow and ends: a role has an end,
an attestation has one, a contract has one, a request has one, and a glass broken in need has an hour.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vault.errors import Denied
from vault.model import Word

SORTS: Final = ("person", "service", "agency")
DISCLOSURES: Final = ("who", "whom", "both")
"""What of its entries an audit may be given: who acted, on whom, or both (docs/formats/audit-bodies.md)."""
ATTESTATIONS: Final = ("confidentiality", "training")
"""What a principal must have on file: a confidentiality agreement, and training not older than the date says
(PIPL 51(4) [V]; yearly training of collectors: the 2024 CNIFA guide, secondary [S])."""


class Principal(Word):
    """A person, service or agency that may hold tokens (INTERFACE: principal file).

    Attributes:
        public: Raw public key, Ed25519 (32 bytes) or P-256 (65); the private key never reaches the vault.
        roles: Roles granted, by somebody else (DESIGN 2; sandbox excepted).
        disabled: Takes effect with the next entry, on every node.
        added: µs UTC. by: Who granted it.
        sort: One of `SORTS`.
        person: Keyed handle of the staff number, hex; "" if none was given. Tells one person under two names.
        agency: The principal id of the agency it belongs to, its own for an agency itself; "" for the house.
        until: µs UTC by role, from which the role is no longer held; a role not named has no end.
        attested: The last day (ISO) on which each attestation holds.
        keys: Digests (hex) of the public keys it had before, so that an old key can't come back.
        key_by: The admin who put its present key there, where it wasn't the principal itself.
    """

    id: str
    name: str
    public: bytes
    roles: tuple[str, ...]
    disabled: bool = False
    added: int = 0
    by: str = ""
    sort: str = "person"
    person: str = ""
    agency: str = ""
    until: dict[str, int] = msgspec.field(default_factory=dict)
    attested: dict[str, str] = msgspec.field(default_factory=dict)
    keys: tuple[str, ...] = ()
    key_by: str = ""

    def holds(self, role: str, now: int) -> bool:
        """Whether a role is held at an instant (µs UTC)."""
        return role in self.roles and now < self.until.get(role, now + 1)

    def same_person(self, other: Principal) -> bool:
        """Whether two principals are one person: the same id, key, or staff number."""
        known = bool(self.person) and self.person == other.person
        return self.id == other.id or self.public == other.public or known


class Revocation(Word):
    """A token link that is dead before its time; kept until the link would have expired anyway."""

    id: str
    at: int
    expires: int
    by: str


class WitnessPolicy(Word):
    """The witnesses of the tenant's log and their quorum: another set of them is another entry.

    Attributes:
        id: `witness`.
        text: The whole file (c2sp.org/tlog-policy).
        by: The admin who put it in force. at: µs UTC.
    """

    id: str
    text: str
    by: str
    at: int


class Approval(Word):
    """One principal's word, at one instant (µs UTC)."""

    principal: str
    at: int


class Request(Word):
    """Something that needs another person's yes before it happens (four eyes).

    Attributes:
        what: The action, e.g. `retention`; a table of the policy's `approvals`.
        digest: Hex digest of exactly what is approved: a changed plan needs a new request.
        by: Who asks; may not approve, sandbox excepted.
        expires: µs UTC after which approvals no longer count.
        reason: Why, in a few words without personal data; "" for what the vault itself asks.
        quorum: How many persons must say yes. of: The roles whose holders may.
        purpose: What it is for, where that binds it; "" otherwise.
        rows: How many records it lets out; 0 where rows aren't counted.
        agency: The agency it concerns, whose people can't approve it; "" if none.
        used: µs UTC at which it was spent: it serves once. 0 while it hasn't been.
        spent: How many of its rows have been let out; the first of them leaves an hour for the rest.
        refused: Who said no, which ends it.
    """

    id: str
    what: str
    digest: str
    by: str
    created: int
    expires: int
    approvals: tuple[Approval, ...] = ()
    reason: str = ""
    quorum: int = 1
    of: tuple[str, ...] = ("approver", "dpo", "admin")
    purpose: str = ""
    rows: int = 0
    agency: str = ""
    used: int = 0
    spent: int = 0
    refused: Approval | None = None


class Engagement(Word):
    """The contract by which an agency works on the tenant's cases (PIPL 21 ¶1: purpose, term, kinds, means).

    Attributes:
        id: The agency's principal id: one contract is in force at a time, a renewal takes its place.
        reference: The contract's number.
        starts, ends: ISO dates, inclusive. No contract is without an end.
        purposes: What its people may act for.
        fields: The most they see, by field name; None leaves that to the policy alone.
        sealed: µs UTC since which the tenant has sealed the agency off; 0 if it hasn't.
        returned: The ISO day of its attestation that everything was returned or deleted (PIPL 21 ¶2).
        returned_ref: Where that attestation is filed.
    """

    id: str
    reference: str
    starts: str
    ends: str
    purposes: tuple[str, ...]
    fields: dict[str, str] | None = None
    by: str = ""
    sealed: int = 0
    returned: str = ""
    returned_ref: str = ""

    def demand_in_force(self, day: str) -> None:
        """Demand that the contract runs on a day and isn't sealed off.

        Raises:
            Denied: `contract_ended`.
        """
        if self.sealed or not self.starts <= day <= self.ends:
            raise Denied(
                "the agency's contract has ended, has not begun, or the agency is sealed off",
                code="contract_ended",
                remedy="cvault agency list shows the contract; a renewal is a new contract",
            )


class Glass(Word):
    """A power taken in need, without waiting for anybody: at once, loud, short, and reviewed after.

    Attributes:
        id: The hex digest of the access link issued for it.
        since, until: µs UTC.
        due: µs UTC by which it should have been reviewed.
        reviewed: By whom and when; None while the review is open, and it stays open until done.
        justified: What the review found; None while it is open.
    """

    id: str
    principal: str
    role: str
    purpose: str
    reason: str
    since: int
    until: int
    due: int
    reviewed: Approval | None = None
    justified: bool | None = None
    finding: str = ""


class Handover(Word):
    """A file of cases handed to an agency (案件移交): what left, for whom, until when.

    Attributes:
        agency: The recipient. request: The approval it was made under.
        expires: The ISO day after which the recipient must not use it.
        records, cases: How many it holds.
        digest: SHA-256 (hex) of the file, and `mark` the words inside that name the recipient.
    """

    id: str
    agency: str
    by: str
    request: str
    at: int
    expires: str
    records: int
    cases: int
    digest: str
    mark: str


class Audit(Word):
    """One auditor's leave to be given a part of the access log, for as long as the audit lasts.

    Attributes:
        principal: Whose it is: nobody else is given its key.
        by: Who opened it.
        since, until: µs UTC; entries from `since` on and before `until`.
        disclose: One of `DISCLOSURES`.
        ends: The last day (ISO, Asia/Shanghai) on which a key or a file of it is given out.
        reason: Why, in a few words without personal data.
        opened, closed: µs UTC; `closed` is 0 while nobody has closed it.
    """

    id: str
    principal: str
    by: str
    since: int
    until: int
    disclose: str
    ends: str
    reason: str
    opened: int
    closed: int = 0

    def demand_running(self, day: str) -> None:
        """Demand that the audit is still going on, on an ISO day.

        Raises:
            Denied: It has ended or was closed.
        """
        if self.closed or day > self.ends:
            raise Denied(
                "the audit has ended or was closed",
                code="purpose_denied",
                remedy="cvault audit list shows it; what comes after needs an audit of its own",
            )

    def demand_covers(self, disclose: str) -> None:
        """Demand that a part of the entries is within what the audit may be given.

        Raises:
            Denied: It is more.
        """
        if self.disclose not in {"both", disclose}:
            raise Denied(
                f"this audit may be given {self.disclose} alone",
                code="purpose_denied",
                remedy=f"--disclose {self.disclose}",
            )
