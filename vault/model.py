"""The vault's words as frozen types, so that the order of a read is visible in its signatures.

`Grant → Decision → Sealed → Clear → Shown → Disclosure`: a door can only be handed what comes last.
DESIGN 2 defines each word; DESIGN 6 the order.
"""

from __future__ import annotations

import enum
from typing import Final, NewType

import msgspec

from vault.word import Quiet as Quiet  # noqa: PLC0414 - said on purpose: this module hands it on
from vault.word import Word as Word  # noqa: PLC0414 - as above

Tenant = NewType("Tenant", str)
SubjectId = NewType("SubjectId", str)
RecordId = NewType("RecordId", str)
PrincipalId = NewType("PrincipalId", str)

MAIN: Final = Tenant("main")

KINDS: Final = (
    "borrower", "guarantor", "contact_person", "loan", "case", "contract", "contact_attempt", "visit",
    "promise", "repayment", "agreement", "complaint", "evidence", "credit_report", "suppression",
    "access_entry",
)  # fmt: skip
ROLES: Final = (
    "collector", "agency_collector", "case_desk", "dialer", "legal", "fraud_desk", "qa_reviewer", "importer",
    "approver", "auditor", "dpo", "regulator", "admin",
)  # fmt: skip
PURPOSES: Final = (
    "repayment_reminder", "phone_collection", "negotiation", "contact_repair", "dispute", "complaint",
    "legal_action", "settlement", "quality_review", "fraud_check", "modelling", "subject_request",
    "regulator", "security", "audit", "import", "administration",
)  # fmt: skip
ENTRY_KINDS: Final = (
    "read", "search", "verify", "write", "import", "export", "deny", "login", "token", "reserve", "confirm",
    "restrict", "erase_begin", "erase_done", "hold", "approve", "request", "key", "policy", "principal",
    "config", "alarm", "incident", "anchor", "open",
)  # fmt: skip
REASONS: Final = (
    "token_expired", "token_revoked", "token_invalid", "uses_spent", "role_denied", "purpose_denied",
    "field_denied", "audience_denied", "restricted", "approval_required", "quiet_hours", "call_cap",
    "attempt_cap", "lookup_cap", "contact_state", "contact_refused", "contract_ended",
    "attestation_expired", "log_unavailable", "previously_erased", "case_closed", "consent_withdrawn",
    "region_denied", "delegation_denied",
)  # fmt: skip
COMPARTMENTS: Final = ("masked", "contact", "identity", "account", "third_party", "narrative")
ACTIONS: Final = (
    "read", "find", "list", "write", "import", "audit", "plan", "execute", "hold", "approve", "principal",
    "policy", "key", "tenant", "backup", "case", "export", "restrict", "reach", "protect",
)  # fmt: skip
"""What a token can allow; a closed vocabulary (DESIGN 6). `audit` covers every `log` command."""


class View(enum.IntEnum):
    """What a caller gets of a field; the order is the order of power (DESIGN 2)."""

    HIDDEN = 0
    MASKED = 1
    CLEAR = 2


class State(enum.StrEnum):
    """The state of a record (DESIGN 2): RESTRICTED is stored and protected, nothing else (PIPL 47 ¶2)."""

    ACTIVE = "ACTIVE"
    RESTRICTED = "RESTRICTED"
    ERASED = "ERASED"


class Link(Word):
    """One link of a token chain, as counters and revocations know it.

    Attributes:
        digest: SHA-256 of the link's text; the key of its use counter and of its revocation.
        max_uses: How many uses the link allows, or None for no limit.
        expires: µs UTC after which the link is dead, so its revocation need not be kept longer.
        ticket: The reason reference given for this link ("" if none): the issue's, or the hand-over's.
    """

    digest: bytes
    max_uses: int | None
    expires: int
    ticket: str = ""


class Grant(Word):
    """What a verified token allows: the intersection of all its links (DESIGN 6).

    Attributes:
        principal: Who the token was issued to; the *who* of every entry.
        actions: Subset of `ACTIONS`.
        fields: A ceiling per field name across kinds; None means the token narrows nothing. A field that a
            non-None ceiling doesn't list is HIDDEN.
        cases: Case numbers the token is bound to; None means no binding.
        audience: Which nodes may honour it: subset of {"masked", "clear"}.
        not_before, expires: µs UTC.
        depth: How many more links may be added.
        policy: The policy hash (hex) at issue.
        links: Every link of the chain, the access link first.
        ticket: The reason reference given at issue ("" if none); sealed in bodies, never shown in the tree.
        issued: µs UTC at which link 0 was issued, in whole seconds.
        holders: The raw public key that each link names, one per link; the last must prove itself.
        issued_to: Who it was issued to, where `principal` is somebody it was handed on to; "" otherwise.
        agency: The agency that acts with it or handed it on, "" for the house alone: bound to its cases.
        evidence: Who handed it to whom, where it was handed on; "" where it wasn't.
    """

    tenant: Tenant
    principal: PrincipalId
    role: str
    purpose: str
    actions: frozenset[str]
    fields: dict[str, View] | None
    cases: frozenset[str] | None
    audience: frozenset[str]
    not_before: int
    expires: int
    depth: int
    policy: str
    links: tuple[Link, ...]
    ticket: str = ""
    issued: int = 0
    holders: tuple[bytes, ...] = ()
    issued_to: str = ""
    agency: str = ""
    evidence: str = ""


class Decision(Word):
    """A view for every field of one kind, for one grant under one policy (DESIGN 6, step 2).

    Attributes:
        kind: The record kind decided on.
        views: Every field asked for, HIDDEN included.
        compartments: The compartments to open, sorted; empty when everything is HIDDEN.
        masked_bits, clear_bits: The access log's field bitmaps (bit n is the field numbered n).
        states: Record states this decision covers; a record in any other state is refused.
        policy: The policy hash (hex) that decided.
    """

    kind: str
    views: dict[str, View]
    compartments: tuple[str, ...]
    masked_bits: int
    clear_bits: int
    states: frozenset[str]
    policy: str


class Context(Word):
    """What a sealed payload is bound to: each part is authenticated, so it cannot be moved (DESIGN 5)."""

    tenant: str
    subject: str
    record: str
    kind: str
    version: int
    compartment: str
    generation: int
    suite: int = 1


class Sealed(Word):
    """One compartment of one record as it is stored."""

    context: Context
    blob: bytes


class Clear:
    """Opened values of one record. Has no repr and no encoding: it cannot be printed or returned."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, msgspec.Raw]) -> None:
        self.values = values

    def __repr__(self) -> str:
        """Say that something is here, and nothing of what."""
        return "<Clear>"

    __str__ = __repr__

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        raise TypeError("clear values do not leave the process")


class ShownField(Word):
    """One field as the caller gets it; `value` is None when HIDDEN."""

    view: str
    value: msgspec.Raw | None


class Receipt(Word):
    """Where the entry for a disclosure stands in the access log.

    Attributes:
        origin: The log's name (C2SP checkpoint origin).
        index: The entry's leaf index.
        leaf: RFC 6962 leaf hash, standard base64.
    """

    origin: str
    index: int
    leaf: str


class Shown(Word):
    """One record as the caller gets it."""

    record: str
    ref: str | None
    kind: str
    version: int
    state: str
    fields: dict[str, ShownField]
    receipt: Receipt


class ItemError(Word):
    """Why one item of a batch was refused; the others stand."""

    id: str
    code: str


class Disclosure(Word):
    """What a read or find releases: only ever made after its entries are durable (DESIGN 6, step 7)."""

    items: list[Shown]
    errors: list[ItemError]


class Past(Word, array_like=True, gc=False):
    """A version that another has replaced, still sealed under its own secret.

    Attributes:
        version: Its number.
        since, until: µs UTC between which it was the record's latest; 0 if not known.
        parts: The compartments it is sealed in.
        layout: How it is sealed, as `Facts.layout`.
    """

    version: int
    since: int
    until: int
    parts: tuple[str, ...]
    layout: str = ""


class Facts(Word, omit_defaults=True, gc=False):
    """A record's operational state, in clear and authenticated as one (DESIGN 2, 4).

    Attributes:
        state: A `State`; ERASED never stands here, an erased record has no facts.
        cases: Keyed handles of the case numbers the record belongs to.
        anchors: ISO dates by name, which retention rules count from: `imported_on`, `placed_on`
            (委案日期), `settled_on`, `relationship_ended_on`, `consent_withdrawn_on`, `contact_refused_on`,
            `last_demand_on`, `listed_on`; others who may be reached is decided by (docs/reach.md).
        holds: Legal holds by number.
        fingerprint: MAC of the record's clear content under its own secret; tells an unchanged re-import.
        parts: The compartments its latest version is sealed in, so that none can go missing unseen.
        version: The version these facts belong to, so that an older one can't be put in its place.
        since: µs UTC at which it became the latest; 0 if not known.
        past: The versions it replaced that are still kept, oldest first.
        content: Keyed digest of what its row held, for a record that came without an external id.
        origin: The subject it first belonged to, before people were merged; "" if it is its own still.
        corrected: What was corrected away, as sealed digests (`vault.remembering`); b"" if nothing was.
        layout: `vault.schema.layout` of its kind when its latest version was sealed; "" if not known.
    """

    state: str = "ACTIVE"
    cases: tuple[str, ...] = ()
    anchors: dict[str, str] = {}  # noqa: RUF012 - msgspec copies an empty default
    holds: tuple[Hold, ...] = ()
    fingerprint: bytes = b""
    parts: tuple[str, ...] = ()
    version: int = 1
    since: int = 0
    past: tuple[Past, ...] = ()
    content: bytes = b""
    origin: str = ""
    corrected: bytes = b""
    layout: str = ""


class Hold(Word):
    """A legal hold (DESIGN 8, step 2): without number, authority and end date there is none."""

    number: str
    authority: str
    until: str


class Draft(Quiet, gc=False):
    """One record on its way in: typed and normalised, not yet sealed.

    Attributes:
        kind: The record kind.
        ref: External id, or None.
        row: The 1-based data row it came from; 0 for a direct write.
        group: Drafts of one row share a group; `owner` names whose subject they belong to.
        values: Normalised text by field (money "1234.50", dates ISO).
        anchors: ISO dates for retention, by anchor name.
        cases: Case numbers in clear, to become handles.
        content: For a draft without `ref`: 16 bytes that are the same when the same row comes again, b"" if
            it is a record of its own each time.
        once: `content` is a key that the writer chose: other content under it is refused.
        relationship: The reference of a new relationship with a person who was erased before; "" if none.
        expect: The version that the writer believes is the latest, 0 for none at all; None doesn't ask.
    """

    kind: str
    ref: str | None
    row: int
    values: dict[str, str]
    anchors: dict[str, str]
    cases: tuple[str, ...]
    content: bytes = b""
    expect: int | None = None
    once: bool = False
    relationship: str = ""


class Who(Word):
    """The *who* of an entry: its open columns, committed to in the stub (DESIGN 7).

    Attributes:
        actor: Principal id.
        about: The record kind, "" if none.
        masked, clear: Field bitmaps by view.
        outcome: `ok`, `denied`, `not_found` or `failed`.
        reason: One of `REASONS`, or a short fixed word; "" if none.
        policy: The first 16 hex digits of the policy hash.
        token: The first 16 hex digits of the last link's digest; "" if none.
    """

    actor: str
    role: str
    purpose: str
    about: str = ""
    masked: int = 0
    clear: int = 0
    outcome: str = "ok"
    reason: str = ""
    policy: str = ""
    token: str = ""


class Whom(Word):
    """The *whom* of an entry: its sealed body (DESIGN 7). `detail` holds facts without personal data."""

    subject: str = ""
    record: str = ""
    case: str = ""
    ticket: str = ""
    detail: str = ""


class Happening(Word):
    """Something to be logged: becomes one entry.

    Attributes:
        secret: The subject's log secret, b"" if there is no subject.
        shelf: The log shelf that secret stands on, "" likewise.
        request: 16 bytes by which a retry finds it; b"" draws fresh ones.
        cases: Of a record that is shown, the handles (hex) of its cases; None where nothing is.
    """

    kind: str
    who: Who
    whom: Whom
    secret: bytes = b""
    shelf: str = ""
    request: bytes = b""
    cases: tuple[str, ...] | None = None
