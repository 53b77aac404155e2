"""Keeping: the erasure axis. Secrets on shelves, shelves under epochs, and the facts of records.

A record's payload opens only with its own secret; secrets are wrapped under shelf keys, shelf keys under an
epoch that the provider can destroy (DESIGN 5). Facts are authenticated as one per record, at a counter that
`keys` knows (DESIGN 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from vault.config import Clock
from vault.crypto import mac
from vault.crypto.keys import TenantKeys
from vault.crypto.provider import KeyProvider
from vault.crypto.wrap import log_secret_context, secret_context
from vault.errors import NotFound, Tampered, Unavailable
from vault.model import Facts, Quiet, Word
from vault.shelving import Shelving
from vault.stores.errors import ShelfMoved
from vault.stores.keys import KeyStore
from vault.stores.records import RecordStore
from vault.stores.rows import FactsRow, HeadKeyRow, SecretRow, ShelfRow, SubjectRow

PENDING_LIFE: Final = 30_000_000
"""µs until a write that was not confirmed may be swept."""
RETRIES: Final = 20


_decode_facts: Final = msgspec.json.Decoder(Facts).decode


class NewSecret(Quiet):
    """A fresh secret for one record version, to be kept before its payload is written."""

    record: str
    version: int
    due: str
    secret: bytes


class NewSubject(Quiet):
    """A subject met for the first time, with its fresh log secret."""

    subject: str
    secret: bytes


class Held(Word):
    """A record's key row with its facts, checked: what a read starts from."""

    row: HeadKeyRow
    kind: str
    facts: Facts
    top: int

    @property
    def next_counter(self) -> int:
        """A facts counter beyond every one met, one that a crashed writer left behind included."""
        return self.top + 1


class Keeping(Shelving):
    """One tenant's key store with its provider, and the facts that hang on its counters."""

    def __init__(
        self, store: KeyStore, records: RecordStore, keys: TenantKeys, provider: KeyProvider, clock: Clock
    ) -> None:
        super().__init__(store, keys, provider, clock)
        self._records = records
        self._keys = keys

    # --- opening ------------------------------------------------------------------------------------

    def record_secret(self, row: HeadKeyRow) -> bytes:
        """The secret of a record's latest version."""
        key = self._shelf_key(row.shelf, row.generation)
        context = secret_context(self._tenant, row.shelf, row.generation, row.record, row.version)
        return key.unwrap(row.wrapped, context)

    def past_secret(self, record: str, version: int) -> bytes:
        """The secret of a version that was replaced.

        Raises:
            NotFound: It is gone: erased by rule.
        """
        for row in self.store.versions(self._tenant, [record]):
            if row.version == version:
                context = secret_context(self._tenant, row.shelf, row.generation, record, version)
                return self._shelf_key(row.shelf, row.generation).unwrap(row.wrapped, context)
        raise NotFound

    def log_secret(self, row: HeadKeyRow | SubjectRow) -> bytes:
        """The log secret `u` of a record's subject."""
        if isinstance(row, HeadKeyRow):
            shelf, generation, wrapped = row.log_shelf, row.log_generation, row.log_wrapped
        else:
            shelf, generation, wrapped = row.shelf, row.generation, row.wrapped
        context = log_secret_context(self._tenant, shelf, generation, row.subject)
        return self._shelf_key(shelf, generation).unwrap(wrapped, context)

    def log_secrets(self, subjects: Sequence[str]) -> dict[str, bytes]:
        """The log secrets of these subjects; those whose secret is gone are left out."""
        return {
            row.subject: self.log_secret(row) for row in self.store.subjects(self._tenant, list(subjects))
        }

    def log_shelf(self, shelf: str) -> list[tuple[str, bytes]]:
        """The subjects whose log secrets stand on one shelf, with the secrets; none if it is gone."""
        return [(row.subject, self.log_secret(row)) for row in self.store.subjects_on(self._tenant, shelf)]

    def fetch(self, records: Sequence[str]) -> dict[str, Held]:
        """Key rows and checked facts of the records that exist; one query to each store.

        Raises:
            Tampered: Facts were edited, dropped or rolled back.
        """
        rows = self._rows(records)
        while rows:
            try:
                return self._all_held(rows)
            except Tampered:
                again = self._rows(list(rows))
                if again == rows:
                    raise
                rows = again  # a purge or a writer came between the two queries
        return {}

    def _rows(self, records: Sequence[str]) -> dict[str, HeadKeyRow]:
        return {row.record: row for row in self.store.fetch(self._tenant, list(records))}

    def _all_held(self, rows: dict[str, HeadKeyRow]) -> dict[str, Held]:
        facts: dict[str, list[FactsRow]] = defaultdict(list)
        for fact in self._records.facts(self._tenant, list(rows)):
            facts[fact.record].append(fact)
        return {record: self._held(row, facts[record]) for record, row in rows.items()}

    def _held(self, row: HeadKeyRow, candidates: list[FactsRow]) -> Held:
        """Choose the facts that hold: the confirmed counter, or the pending one if that is all there is."""
        by_counter = {fact.counter: fact for fact in candidates}
        chosen = by_counter.get(row.facts_counter)
        if chosen is None and row.facts_pending is not None:
            chosen = by_counter.get(row.facts_pending)
        if chosen is None:
            raise Tampered(
                "a record's facts are missing or rolled back", remedy="stop; compare with a backup"
            )
        self._check(chosen, row.subject)
        facts = _decode_facts(chosen.body)
        if facts.version != row.version:
            raise Tampered(
                "an older version was put in a record's place", remedy="stop; compare with a mirror"
            )
        return Held(
            row=row,
            kind=chosen.kind,
            facts=facts,
            top=max(row.facts_pending or 0, *by_counter),
        )

    def _check(self, fact: FactsRow, subject: str) -> None:
        if fact.subject != subject:
            raise Tampered("a record's facts name another subject", remedy="stop; compare with a backup")
        expected = mac.facts_mac(
            self._keys.facts_key, self._tenant, subject, fact.record, fact.kind, fact.counter, fact.body
        )
        mac.check(expected, fact.mac, "a record's facts")

    # --- writing ------------------------------------------------------------------------------------

    def facts_row(self, record: str, subject: str, kind: str, counter: int, facts: Facts) -> FactsRow:
        """Facts as the store keeps them, under their MAC."""
        body = msgspec.json.encode(facts)
        seal = mac.facts_mac(self._keys.facts_key, self._tenant, subject, record, kind, counter, body)
        return FactsRow(
            tenant=self._tenant,
            record=record,
            counter=counter,
            subject=subject,
            kind=kind,
            body=body,
            mac=seal,
        )

    def set_facts(self, changes: Iterable[tuple[Held, Facts]]) -> None:
        """Change facts: announce the next counter, write them durably, then confirm (DESIGN 4).

        Raises:
            Unavailable: Somebody else changed one of them at the same time; retry.
        """
        steps = [(held, held.next_counter, facts) for held, facts in changes]
        if not steps:
            return
        moved = self.store.pend_facts(
            self._tenant, [(h.row.record, h.row.facts_counter, counter) for h, counter, _ in steps]
        )
        if moved:
            raise Unavailable("facts changed meanwhile", code="conflict", remedy="read again and retry")
        rows = [self.facts_row(h.row.record, h.row.subject, h.kind, c, facts) for h, c, facts in steps]
        self._records.put_facts(rows)
        self.store.confirm_facts(self._tenant, [(h.row.record, c) for h, c, _ in steps])
        stood = [(h.row.record, h.row.facts_counter) for h, _, _ in steps]
        self._records.drop_facts(self._tenant, stood)

    def keep(self, secrets: Sequence[NewSecret], subjects: Sequence[NewSubject]) -> None:
        """Put fresh secrets on shelves as pending, before their payloads are written (DESIGN 4)."""
        for _ in range(RETRIES):
            fresh: list[ShelfRow] = []
            wrapped, logs = self._wrap(secrets, fresh), self._wrap_subjects(subjects, fresh)
            try:
                self.store.put_pending(self._tenant, wrapped, logs, fresh)
            except ShelfMoved:
                continue
            return
        raise Unavailable("shelves kept moving", remedy="retry when the purge has ended")

    def _wrap(self, secrets: Sequence[NewSecret], fresh: list[ShelfRow]) -> list[SecretRow]:
        deadline = self._clock() + PENDING_LIFE
        by_due: dict[str, list[NewSecret]] = defaultdict(list)
        for new in secrets:
            by_due[new.due].append(new)
        rows = []
        for due, group in by_due.items():
            for new, (shelf, key) in zip(group, self._places("record", due, len(group), fresh), strict=True):
                context = secret_context(self._tenant, shelf.shelf, shelf.generation, new.record, new.version)
                rows.append(
                    SecretRow(
                        tenant=self._tenant,
                        record=new.record,
                        version=new.version,
                        shelf=shelf.shelf,
                        generation=shelf.generation,
                        wrapped=key.wrap(new.secret, context),
                        status="pending",
                        deadline=deadline,
                    )
                )
        return rows

    def _wrap_subjects(self, subjects: Sequence[NewSubject], fresh: list[ShelfRow]) -> list[SubjectRow]:
        rows = []
        for new, (shelf, key) in zip(subjects, self._places("log", "", len(subjects), fresh), strict=True):
            context = log_secret_context(self._tenant, shelf.shelf, shelf.generation, new.subject)
            rows.append(
                SubjectRow(
                    tenant=self._tenant,
                    subject=new.subject,
                    shelf=shelf.shelf,
                    generation=shelf.generation,
                    wrapped=key.wrap(new.secret, context),
                )
            )
        return rows
