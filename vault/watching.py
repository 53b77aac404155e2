"""Watching: how far the log has run ahead of its witnesses, and where that stops disclosure.

Whoever holds the log's key can rewrite what no outside party has cosigned: the unwitnessed tail is the size
of that hole (SECURITY.md). It is shown as a number, and beyond a limit nothing more is disclosed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from vault.config import Witness
from vault.crypto.keys import TenantKeys
from vault.errors import LogUnavailable, Tampered
from vault.ledger import cosignature
from vault.ledger.checkpoint import MAX_LOG_SIZE, open_checkpoint
from vault.ledger.cosignature import Cosignature
from vault.ledger.note import VKey
from vault.ledger.registry import Registry, WitnessPolicy
from vault.ledger.witness_policy import Policy, read
from vault.model import Word
from vault.stores.ledger import LedgerStore
from vault.stores.witnessing import CosignatureRow, WitnessTable

ID: Final = "witness"
_PAGES: Final = (64, 512, 4096)
"""Lines that are read, at most so many at a time, to find the newest size that counts as witnessed."""
_SECOND: Final = 1_000_000


class Tail(Word):
    """What witnesses have not cosigned yet.

    Attributes:
        witnessed: The size of the newest checkpoint that a quorum (or, where none is asked for, any witness)
            has cosigned; 0 if none.
        at: POSIX seconds of its newest cosignature, the witness's own word; 0 if none.
        entries: How many entries came after it, the log's own `anchor` entries aside.
        seconds: How long ago the first of them was made; 0 if there is none.
    """

    witnessed: int
    at: int
    entries: int
    seconds: int


class Cosigned(Word):
    """A checkpoint with the valid cosignatures it has.

    Attributes:
        size: The log's size in it.
        note: The signed note: the log's own line, then theirs in order of `WitnessKey.ident`.
        by: The cosignatures.
    """

    size: int
    note: str
    by: tuple[Cosignature, ...]


class Watch:
    """One tenant's watch: asks the store only when what it remembers is beyond a limit."""

    def __init__(self, store: LedgerStore, keys: TenantKeys, limits: Witness) -> None:
        self.limits = limits
        self._store = store
        self._tenant = keys.tenant
        self._vkey = VKey(name=keys.origin, public=keys.log.public)
        self._stops = bool(limits.stop_entries or limits.stop_seconds)
        self._known = (0, 0)
        self._read: tuple[str, Policy | None] = ("", None)

    def policy(self, registry: Registry) -> Policy | None:
        """The witnesses in force, or None."""
        row = registry.find(WitnessPolicy, ID)
        text, policy = self._read
        if row is None:
            return None
        if policy is None or text != row.text:
            policy = read(row.text)
            self._read = (row.text, policy)
        return policy

    def demand(self, registry: Registry, size: int, now: int) -> None:
        """Demand that the log hasn't run further ahead of its witnesses than it may; under the head's lock.

        Costs two comparisons until what is remembered is beyond a limit.

        Args:
            registry: As it stands.
            size: The log's, before what is about to be entered.
            now: µs UTC.

        Raises:
            LogUnavailable: It has; nothing is disclosed until a round of witnesses has caught up.
            Tampered: The log is shorter than what witnesses have cosigned.
        """
        if not self._stops or self._is_within(size, now):
            return
        tail = self.tail(self.newest(registry), size, now)
        self._known = (size - tail.entries, now - tail.seconds * _SECOND)
        if not self._is_within(size, now):
            raise LogUnavailable(
                "the log has run too far ahead of its witnesses: nothing is disclosed until they catch up",
                remedy="cvault log witness run; cvault status shows the unwitnessed tail",
            )

    def _is_within(self, size: int, now: int) -> bool:
        """By what is remembered: entries before that size are witnessed, and none that isn't is older."""
        witnessed, since = self._known
        entries, seconds = self.limits.stop_entries, self.limits.stop_seconds
        behind = not entries or size - witnessed <= entries
        return behind and (not seconds or now - since <= seconds * _SECOND)

    def tail(self, newest: Cosigned | None, size: int, now: int) -> Tail:
        """What the newest cosigned checkpoint doesn't cover of a log of this size.

        Raises:
            Tampered: The log is shorter than what was cosigned.
        """
        witnessed = newest.size if newest else 0
        if witnessed > size:
            raise Tampered(
                "the log is shorter than what witnesses have cosigned: it is an old copy, or was cut",
                index=size,
                remedy="keep the ledger as it is, put the newest one back, or: cvault log recover",
            )
        table = self._table()
        entries = size - witnessed - table.anchors(witnessed, size)
        first = table.first_at(witnessed) if entries else None
        return Tail(
            witnessed=witnessed,
            at=max((one.time for one in newest.by), default=0) if newest else 0,
            entries=entries,
            seconds=0 if first is None else max(0, now - first) // _SECOND,
        )

    def newest(self, registry: Registry) -> Cosigned | None:
        """The newest checkpoint that counts as witnessed under the policy in force, or None.

        At most some thousands of lines are looked through; a checkpoint further back is not found.
        """
        policy, table, below = self.policy(registry), self._table(), MAX_LOG_SIZE
        if policy is None or not policy.witnesses:
            return None
        for most in _PAGES:
            rows = table.newest(below, most)
            for size, idents in _by_size(rows):
                if policy.enough(idents):  # as the store says; worth the cost of verifying it
                    found = self.cosigned(policy, size)
                    if found is not None and policy.enough({one.witness for one in found.by}):
                        return found
            if len(rows) < most:
                break
            below = rows[-1].size + 1  # the last size may be cut: it is looked at again
        return None

    def cosigned(self, policy: Policy, size: int) -> Cosigned | None:
        """The checkpoint kept of a size with the valid cosignatures of the policy's witnesses; None if none.

        A line that doesn't verify is left out: what the store says of others isn't worth less for it.

        Raises:
            Tampered: The checkpoint itself isn't the log's.
        """
        table = self._table()
        note = table.note(size)
        if note is None:
            return None
        if open_checkpoint(note, self._vkey).size != size:
            raise Tampered("a stored checkpoint is out of place", index=size, remedy="cvault log verify")
        by: list[Cosignature] = []
        for row in table.of_size(size):
            try:
                found = cosignature.cosignatures(f"{note}{row.line}\n", policy.keys)
            except Tampered:
                continue
            by += [one for one in found if _fits(one, row)]
        if not by:
            return None
        return Cosigned(size=size, note=note + "".join(f"{one.line}\n" for one in by), by=tuple(by))

    def _table(self) -> WitnessTable:
        return self._store.witnessing(self._tenant)


def _fits(one: Cosignature, row: CosignatureRow) -> bool:
    """Whether a line that verifies is the one kept, with a time that can be said."""
    return one.line == row.line and one.witness == row.witness and one.time <= cosignature.SANE


def _by_size(rows: list[CosignatureRow]) -> list[tuple[int, set[str]]]:
    """Which witnesses the store has a line of, by size, the largest first."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for row in rows:
        found[row.size].add(row.witness)
    return list(found.items())
