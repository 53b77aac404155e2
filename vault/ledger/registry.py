"""The registry: the small state that every power rests on, authenticated as a whole by the log's head.

Principals, revocations, requests with their approvals, plans and contracts. The head carries a digest over
all of it under the head's MAC, so whoever can write to the ledger's tables but holds no key can neither
add a principal nor bring back a revoked one (SECURITY.md, "the ledger's DBA").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec

from vault.crypto.encoding import encode
from vault.errors import NotFound, Tampered
from vault.ledger.notices import AlarmsInForce, Honey, Incident
from vault.ledger.powers import (
    Approval,
    Audit,
    Engagement,
    Glass,
    Handover,
    Principal,
    Request,
    Revocation,
    WitnessPolicy,
)
from vault.model import Word
from vault.schema import Laid, Schema, laid

__all__ = [
    "KINDS",
    "AlarmsInForce",
    "Approval",
    "Audit",
    "Contract",
    "Engagement",
    "Glass",
    "Handover",
    "Honey",
    "Incident",
    "LogFloor",
    "Plan",
    "PolicyInForce",
    "Principal",
    "Recovery",
    "Registry",
    "Request",
    "Revocation",
    "SchemaInForce",
    "WitnessPolicy",
    "in_force",
]

LABEL: Final = "cvault/registry/v1"
W = TypeVar("W", bound=Word)


class Plan(Word):
    """A frozen retention plan; its items stand in the store, bound by `digest`.

    Attributes:
        state: `open`, `executing` or `done`.
        counts: By action. by_rule: What each rule decided, with its certainty, and how many of those records
            lacked an anchor it wanted (`missing`: anchor name to count).
        erase_idx: Index of its `erase_begin` entry, once begun.
        erased, restricted: How many records it has closed or restricted so far, each counted once.
        orphans: Entries of subjects it has closed wholly, which no living subject explains any more.
        swept: Entries whose subjects' log secrets it deleted: so many no series explains any more.
        generation: What executing it raises the key store's generation to; one behind a plan that is done, or
            beyond every plan, is not this ledger's (DESIGN 5). 0 until it is begun.
        certificate: The signed certificate, once done.
    """

    id: str
    as_of: str
    by: str
    created: int
    digest: str
    state: str
    counts: dict[str, int]
    by_rule: list[dict[str, str | int | dict[str, int]]]
    erase_idx: int | None = None
    begun: int | None = None
    erased: int = 0
    restricted: int = 0
    orphans: int = 0
    swept: int = 0
    generation: int = 0
    certificate: str | None = None


class Contract(Word):
    """What binds the tenant to the creditor that placed its cases (PIPL 21): dates are ISO, inclusive."""

    id: str
    party: str
    starts: str
    ends: str | None = None


class PolicyInForce(Word):
    """The policy this tenant's nodes decide by; a change of it is an entry of its own.

    Attributes:
        text: The whole file, so that a node with another can see what changed; "" in a vault from before.
        voided: µs UTC by purpose resting on consent: tokens issued before are void, for what they show has
            been widened since (PIPL 14 ¶2).
    """

    id: str
    hash: str
    text: str = ""
    voided: dict[str, int] = msgspec.field(default_factory=dict)


class SchemaInForce(Word):
    """The schema that this tenant's records are sealed under; a change of it is carried out, then holds.

    Attributes:
        hash: `Schema.hash` of the whole. own: `Schema.own`, of what the vault's own file adds.
        state: `applied`, or `applying` while records are sealed anew; `kinds` then still says what was.
        kinds: How the fields of each kind are laid out.
        retired: Numbers by field by kind of all that was ever retired: they are never given again.
        waiting: Kinds of which records have still to be sealed anew: those under hold, or damaged.
    """

    id: str
    hash: str
    own: str
    state: str
    kinds: dict[str, dict[str, Laid]]
    retired: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    waiting: tuple[str, ...] = ()


class LogFloor(Word):
    """How far the log's retention has come; what lies below is gone by rule, and anything else is missing.

    Attributes:
        id: `log`.
        bodies: Entries before this index have no body.
        entries: Those before this one have neither stub nor open columns; a multiple of 256.
        tagged: How many of those had a tag: what the balance can no longer count.
        rule: The rule by which the newest of them went.
    """

    id: str
    bodies: int = 0
    entries: int = 0
    tagged: int = 0
    rule: str = ""


class Recovery(Word):
    """The log that goes on in another one's place, since that one was shortened, put back or rewritten.

    Attributes:
        id: `log`; the row of an earlier recovery gives way, the logs' first entries keep all of them.
        number: Which of the tenant's logs this is; the first has 1 and no row.
        at: µs UTC. void: µs UTC; tokens issued before are dead, for what was revoked may be forgotten.
        closed: The origin of the log before.
        size, root: Up to where that one was still what was once signed, and the root there (hex); 0 and ""
            where nothing of it can be vouched for.
        pinned_size, pinned_root: What was pinned outside of it; 0 and "" if nothing was.
        generation: Where the key store stood then (DESIGN 5), like a plan's that is done.
        by: Who did it. approved: Who said yes to it.
    """

    id: str
    number: int
    at: int
    void: int
    closed: str
    size: int
    root: str
    pinned_size: int
    pinned_root: str
    generation: int
    by: str
    reason: str
    approved: tuple[str, ...] = ()


RECOVERED: Final = "log"
"""The id of the one row of this kind."""


class BookInForce(Word):
    """The book of cases as it stands: what vouches for every case (vault.ledger.book, docs/adr/0016).

    Attributes:
        id: `cases`.
        root: SHA-256 over the digests of its shards.
        count: How many cases it holds.
    """

    id: str
    root: bytes
    count: int


def in_force(schema: Schema, retired: Mapping[str, Mapping[str, int]] | None = None) -> SchemaInForce:
    """A schema's row once it is applied; `retired` are the numbers that were retired before."""
    gone = {kind: dict(numbers) for kind, numbers in (retired or {}).items()}
    for kind in schema.kinds.values():
        if kind.retired:
            gone[kind.name] = gone.get(kind.name, {}) | {f.name: f.number for f in kind.retired.values()}
    return SchemaInForce(
        id="schema",
        hash=schema.hash,
        own=schema.own,
        state="applied",
        kinds={kind.name: laid(kind) for kind in schema.kinds.values()},
        retired=gone,
    )


KINDS: Final[dict[str, type[Word]]] = {
    "principal": Principal,
    "revocation": Revocation,
    "request": Request,
    "plan": Plan,
    "contract": Contract,
    "engagement": Engagement,
    "glass": Glass,
    "handover": Handover,
    "audit": Audit,
    "policy": PolicyInForce,
    "schema": SchemaInForce,
    "book": BookInForce,
    "floor": LogFloor,
    "witness": WitnessPolicy,
    "alarms": AlarmsInForce,
    "honey": Honey,
    "incident": Incident,
    "recovery": Recovery,
}
_NAMES: Final = {word: name for name, word in KINDS.items()}
_LISTED: Final = {
    "principal": "give the id, not the name: cvault principal list, or cvault agency list, shows it",
    "engagement": "the agency has no contract on record: cvault agency contract",
    "request": "cvault request list shows the ids",
    "glass": "cvault glass list shows the ids",
    "handover": "cvault handover list shows the ids",
    "audit": "cvault audit list shows the ids",
    "incident": "cvault incident list shows the ids",
}
"""Where the ids of rows are found that people name; of records a refusal says no more than of any other."""


class Registry:
    """All rows of one tenant's registry, parsed; a copy is changed and its digest goes into the next head."""

    def __init__(self, rows: Iterable[tuple[str, str, bytes]] = ()) -> None:
        self._bodies = {(kind, ident): body for kind, ident, body in rows}
        self._words: dict[tuple[str, str], Word] = {}
        self.derived: dict[str, Any] = {}
        """What others worked out from these rows; a changed copy begins without it."""

    def copy(self) -> Registry:
        """A registry that can be changed without touching this one."""
        return Registry((kind, ident, body) for (kind, ident), body in self._bodies.items())

    def digest(self) -> bytes:
        """SHA-256 over every row in order of kind and id."""
        total = sha256(encode(LABEL))
        for (kind, ident), body in sorted(self._bodies.items()):
            total.update(encode(kind, ident, body))
        return total.digest()

    def check(self, digest: bytes) -> None:
        """Demand that these are the rows the head speaks of.

        Raises:
            Tampered: A row was added, dropped or edited beside the vault.
        """
        if self.digest() != digest:
            raise Tampered(
                "the registry of principals, revocations and plans is not what the head speaks of",
                remedy="stop; compare the ledger with a mirror",
            )

    def find(self, word: type[W], ident: str) -> W | None:
        """One row, or None."""
        key = (_NAMES[word], ident)
        body = self._bodies.get(key)
        if body is None:
            return None
        if key not in self._words:
            self._words[key] = msgspec.json.decode(body, type=word)
        return self._words[key]  # type: ignore[return-value]

    def get(self, word: type[W], ident: str) -> W:
        """One row.

        Raises:
            NotFound: There is none.
        """
        found = self.find(word, ident)
        if found is None:
            raise NotFound(f"no such {_NAMES[word]}", remedy=_LISTED.get(_NAMES[word], ""))
        return found

    def all(self, word: type[W]) -> list[W]:
        """Every row of one kind, by id."""
        name = _NAMES[word]
        found = (self.find(word, ident) for kind, ident in sorted(self._bodies) if kind == name)
        return [row for row in found if row is not None]

    def put(self, row: Word) -> tuple[str, str, bytes]:
        """Add or replace a row; returns it as the store keeps it: kind, id, body."""
        kind, ident = _NAMES[type(row)], row.id  # type: ignore[attr-defined]
        body = msgspec.json.encode(row, order="sorted")
        self._bodies[kind, ident] = body
        self._words[kind, ident] = row
        self.derived.clear()
        return kind, ident, body

    def drop(self, word: type[Word], ident: str) -> tuple[str, str]:
        """Remove a row; returns its kind and id."""
        key = (_NAMES[word], ident)
        self._bodies.pop(key, None)
        self._words.pop(key, None)
        self.derived.clear()
        return key


def keys_generation(registry: Registry, *states: str) -> int:
    """What the key store's generation is raised to by plans in these states (all unless some are named)."""
    row = registry.find(Recovery, RECOVERED)
    plans = [plan.generation for plan in registry.all(Plan) if not states or plan.state in states]
    return max([*plans, row.generation if row else 0])
