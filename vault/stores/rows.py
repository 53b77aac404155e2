"""The rows of the four stores, as the stores take and return them.

Instants are int µs UTC. Ids are made by the caller. `bytes` columns are BLOBs. What each column holds, and
why it is no personal data in clear, stands in docs/formats/stores.md.

Fields stand in the order of the table's columns and may be given by position, so that a store turns a
driver's tuple into a row in one call; everyone else names the fields.
"""

from __future__ import annotations

from typing import Literal

from vault.model import Word

# --- records.db -----------------------------------------------------------------------------------------


class PayloadRow(Word, kw_only=False, gc=False, array_like=True):
    """One sealed compartment of one version of a record.

    Attributes:
        generation: The generation of the compartment key it is sealed under.
        suite: The cipher suite's number.
        sealed: Header, nonce and ciphertext (docs/formats/sealed.md).
    """

    tenant: str
    record: str
    version: int
    compartment: str
    subject: str
    kind: str
    generation: int
    suite: int
    sealed: bytes


class FactsRow(Word, kw_only=False, gc=False, array_like=True):
    """A record's facts at one counter, with their MAC; the valid counter is in `keys` (DESIGN 4)."""

    tenant: str
    record: str
    counter: int
    subject: str
    kind: str
    body: bytes
    mac: bytes


# --- keys.db --------------------------------------------------------------------------------------------


class SecretRow(Word, kw_only=False, gc=False, array_like=True):
    """The secret of one record version, wrapped by its shelf's key.

    Attributes:
        generation: The shelf's generation under which it is wrapped.
        status: `pending` until the payload is durable (DESIGN 4), then `live`.
        deadline: µs UTC after which a sweeper may take it while still pending.
    """

    tenant: str
    record: str
    version: int
    shelf: str
    generation: int
    wrapped: bytes
    status: Literal["pending", "live"]
    deadline: int


class HeadKeyRow(Word, kw_only=False, gc=False, array_like=True):
    """What opens the latest version of a record, and logs its reading: one row of `KeyStore.fetch`.

    Attributes:
        facts_counter: The counter of the facts that hold.
        facts_pending: The counter of facts on their way, or None.
        shelf, generation, wrapped: The record secret's wrapping.
        log_shelf, log_generation, log_wrapped: The wrapping of the subject's log secret.
    """

    record: str
    version: int
    subject: str
    facts_counter: int
    facts_pending: int | None
    shelf: str
    generation: int
    wrapped: bytes
    log_shelf: str
    log_generation: int
    log_wrapped: bytes


class SubjectRow(Word, kw_only=False, gc=False, array_like=True):
    """A subject's log secret, wrapped by its log shelf's key (DESIGN 7).

    Attributes:
        closed: µs UTC at which the subject's last record was closed for erasure; None while one lives.
    """

    tenant: str
    subject: str
    shelf: str
    generation: int
    wrapped: bytes
    closed: int | None = None


class ShelfRow(Word, kw_only=False, gc=False, array_like=True):
    """A shelf: some hundred secrets wrapped under one key (DESIGN 5).

    Attributes:
        purpose: `record` for record secrets, `log` for log secrets.
        due: The month its secrets fall due, like `2027-03`.
        generation: Rises with every re-wrap.
        epoch: The epoch whose provider key wraps the shelf key.
        count: How many secrets were put on it since its last re-wrap.
        wrapped: The shelf key, wrapped.
    """

    tenant: str
    shelf: str
    purpose: Literal["record", "log"]
    due: str
    generation: int
    epoch: int
    count: int
    wrapped: bytes


class EpochRow(Word, kw_only=False, gc=False, array_like=True):
    """An epoch: a provider key that can be destroyed (DESIGN 5). Instants are µs UTC, None if not yet."""

    tenant: str
    epoch: int
    created: int
    retired: int | None
    destroy_after: int | None
    destroyed: int | None


# --- index.db -------------------------------------------------------------------------------------------


class BlindRow(Word, kw_only=False, gc=False, array_like=True):
    """A keyed digest of one normalised field value, and the record that holds the value."""

    tenant: str
    kind: str
    field: str
    digest: bytes
    record: str


class AttributeRow(Word, kw_only=False, gc=False, array_like=True):
    """One open attribute of one record, in clear; the value sorts as text."""

    tenant: str
    kind: str
    name: str
    value: str
    record: str


# --- ledger.db ------------------------------------------------------------------------------------------


class LogHead(Word, kw_only=False):
    """The end of a tenant's log.

    Attributes:
        size: Entries in the tree.
        edge: The right edge's hashes, popcount(size) × 32 bytes.
        last_t: µs UTC of the last entry.
        registry: Digest over the registry's rows, and the issuer key's signature over it.
        mac: MAC over the other parts.
    """

    tenant: str
    size: int
    edge: bytes
    last_t: int
    registry: bytes
    mac: bytes


class EntryRow(Word, kw_only=False, gc=False, array_like=True):
    """One leaf of the log with the open columns beside it (DESIGN 7).

    Attributes:
        stub: The exact bytes hashed into the tree.
        tag: The subject's unlinkable tag, or b"".
        t: µs UTC, as in the stub.
        actor, role, purpose, about, masked, clear, outcome, reason, policy, token: `vault.model.Who`.
        masked, clear: Field bitmaps below 2**63.
        who_salt: Salt of the *who* digest.
        whom_digest: The *whom* digest.
        request: The request id, or b"".
    """

    tenant: str
    idx: int
    stub: bytes
    tag: bytes
    t: int
    kind: str
    actor: str
    role: str
    purpose: str
    about: str
    masked: int
    clear: int
    outcome: str
    reason: str
    policy: str
    token: str
    who_salt: bytes
    whom_digest: bytes
    request: bytes


class BodyRow(Word, kw_only=False, gc=False, array_like=True):
    """The sealed *whom* of one entry."""

    tenant: str
    idx: int
    sealed: bytes


class TileRow(Word, kw_only=False, gc=False, array_like=True):
    """A complete tile of 256 hashes (C2SP tlog-tiles), 8192 bytes."""

    tenant: str
    level: int
    tile: int
    hashes: bytes


class RegistryRow(Word, kw_only=False, gc=False, array_like=True):
    """One registered thing (principal, revocation, approval, plan, contract …); what it means is `kind`'s."""

    tenant: str
    kind: str
    id: str
    body: bytes


class PlanItemRow(Word, kw_only=False, gc=False, array_like=True):
    """One record of a retention plan.

    Attributes:
        action: `erase`, `restrict` or `keep`.
        rule: The rule that decided.
        state: `open` or `done`.
    """

    tenant: str
    plan: str
    record: str
    action: str
    rule: str
    state: Literal["open", "done"]


class StoredCaseRow(Word, kw_only=False, gc=False, array_like=True):
    """One case of the book of cases; the ledger's own `CaseRow` is what `body` holds.

    Attributes:
        shard: The handle's first 10 bits.
        handle: The keyed handle of the case number.
        holder, state: As in `body`, for listings alone; the state is `open` or `closed`.
    """

    tenant: str
    shard: int
    handle: bytes
    holder: str
    state: str
    body: bytes


class ReachRow(Word, kw_only=False, gc=False, array_like=True):
    """A reservation: somebody may be reached once, over one channel.

    Attributes:
        debtor: Keyed handle of the day and the subject of who is reached.
        number: Keyed digest of the day and the number given out; b"" where none was.
        day: ISO date in Asia/Shanghai of the reservation, which it counts for whenever it is settled.
        actor: Principal id of who reserved.
        effective: 1 for a call that was spoken, 0 otherwise.
        deadline: µs UTC from which a reservation not settled is no call in flight any more.
        body: What it is about, sealed; opaque here.
    """

    tenant: str
    reservation: str
    debtor: bytes
    number: bytes
    day: str
    channel: str
    actor: str
    state: Literal["reserved", "confirmed", "void"]
    effective: int
    deadline: int
    body: bytes


class EntryFilter(Word):
    """What an auditor asks of the log; None asks nothing. Conditions are joined by *and*.

    Attributes:
        tags: Subject tags, any of them.
        kind, actor, purpose, about, outcome, reason: Equal to the open column.
        bits: Any of these fields shown, MASKED or CLEAR (a field bitmap).
        clear_bits: Any of these fields shown CLEAR.
        since, until: µs UTC, from `since` on and before `until`.
        after_idx: Keyset cursor: entries beyond this index, in the order asked for.
        limit: At most so many rows.
        newest_first: Descending by index.
    """

    tags: list[bytes] | None = None
    actor: str | None = None
    purpose: str | None = None
    kind: str | None = None
    about: str | None = None
    bits: int | None = None
    clear_bits: int | None = None
    outcome: str | None = None
    reason: str | None = None
    since: int | None = None
    until: int | None = None
    after_idx: int | None = None
    limit: int = 100
    newest_first: bool = False
