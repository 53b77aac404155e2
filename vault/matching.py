"""Matching: which stored record a draft is about. The bench behind imports and writes.

A draft is about the record that holds its external id; a borrower also the one that holds its ID number.
The index says which record that is, and the record itself must agree: an index can be edited.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from vault.crypto import mac
from vault.errors import Invalid, Tampered, Unavailable
from vault.keeping import Held
from vault.model import Draft
from vault.opening import Opener
from vault.tenancy import REF, Tenancy

Rows = Sequence[tuple[Draft, ...]]
"""Drafts by row of a file: a row is stored whole or refused whole."""

Key = tuple[str, str, bytes]
"""Kind, indexed field and digest: what a record can be found by."""

_ID: Final = "id_number"


class Matcher:
    """Finds what is there already, for one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def keys(self, draft: Draft) -> Iterator[Key]:
        """What a draft's record can be found by."""
        if draft.ref is not None:
            yield draft.kind, REF, self._digest(draft.kind, REF, draft.ref)
        if draft.kind == "borrower" and _ID in draft.values:
            yield draft.kind, _ID, self._digest(draft.kind, _ID, draft.values[_ID])

    def _digest(self, kind: str, field: str, value: str) -> bytes:
        compartment = "masked" if field == REF else self._t.schema.kind(kind).fields[field].compartment
        return mac.index_digest(self._t.keys.index(compartment, kind, field), value)

    def groups(self, rows: Rows) -> Iterator[list[tuple[Draft, ...]]]:
        """Split so that no record is met twice in one group: a later row must see the earlier one stored."""
        group: list[tuple[Draft, ...]] = []
        met: set[Key] = set()
        for row in rows:
            keys = {key for draft in row for key in self.keys(draft)}
            if keys & met:
                yield group
                group, met = [], set()
            group.append(row)
            met |= keys
        if group:
            yield group

    def follows_case(self, draft: Draft) -> bool:
        """Whether a draft belongs to the borrower of its case."""
        return self._t.schema.kind(draft.kind).owner == "borrower" and draft.kind != "loan"

    def loan_key(self, draft: Draft) -> Key:
        """What the loan of a draft's case can be found by."""
        return "loan", REF, self._digest("loan", REF, draft.cases[0] if draft.cases else "")

    def has_id(self, held: Held) -> bool:
        """Whether a borrower has an ID number stored."""
        spec = self._t.schema.kind(held.kind).fields[_ID]
        return bool(self._opener.values([held.row.record], spec))

    def of(self, rows: Rows) -> Matches:
        """The live records that these rows are about; those being erased count for nothing.

        Raises:
            Tampered: The index leads to another record.
        """
        wanted: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        for row in rows:
            for draft in row:
                keys = [*self.keys(draft), *([self.loan_key(draft)] if self.follows_case(draft) else [])]
                for kind, field, digest in keys:
                    wanted[kind, field].append(digest)
        known = {
            (kind, field, digest): records
            for (kind, field), digests in wanted.items()
            for digest, records in self._t.stores.index.find_many(self._t.name, kind, field, digests).items()
        }
        held = self._t.keeping.fetch(sorted({record for records in known.values() for record in records}))
        for gone in self._t.stores.ledger.entombed(self._t.name, list(held)):
            del held[gone]
        self._confirm(known, held)
        return Matches(self, known, held)

    def _confirm(self, known: dict[Key, list[str]], held: dict[str, Held]) -> None:
        """A record that a key found must hold what the key stands for."""
        refs = self._opener.refs(list(held.values()))
        spec = self._t.schema.kind("borrower").fields[_ID]
        ids = self._opener.values([r for r, h in held.items() if h.kind == "borrower"], spec)
        for (kind, field, digest), records in known.items():
            for record in records:
                if record not in held:
                    continue
                value = refs.get(record) if field == REF else json.loads(ids.get(record, b"null"))
                if held[record].kind != kind or value is None or self._digest(kind, field, value) != digest:
                    self._refuse(record)

    def _refuse(self, record: str) -> None:
        """The index is ahead of a record while its new version waits to be confirmed; else it was edited."""
        if any(row.record == record for row in self._t.stores.keys.pending(self._t.name)):
            raise Unavailable("a write to this record is unfinished", code="busy", remedy="retry in a minute")
        raise Tampered("the index leads to another record", remedy="rebuild the index from the records")


class Matches:
    """What a group of rows found."""

    def __init__(self, matcher: Matcher, known: dict[Key, list[str]], held: dict[str, Held]) -> None:
        self._matcher = matcher
        self._known = known
        self._held = held

    def _live(self, key: Key) -> Held | None:
        return next((self._held[r] for r in self._known.get(key, ()) if r in self._held), None)

    def loan(self, draft: Draft) -> Held | None:
        """The loan of a draft's case."""
        return self._live(self._matcher.loan_key(draft))

    def old(self, draft: Draft) -> Held | None:
        """The record a draft is about; by ID number before external id.

        Raises:
            Invalid: The external id belongs to a borrower with another ID number.
        """
        found = {key[1]: self._live(key) for key in self._matcher.keys(draft)}
        by_id, by_ref = found.get(_ID), found.get(REF)
        if by_id is None and by_ref is not None and _ID in draft.values and self._matcher.has_id(by_ref):
            raise Invalid(
                "the number belongs to a borrower with another ID number",
                code="invalid_ref",
                field=f"{draft.kind}.{_ID}",
                remedy="check both numbers; correct the stored record if that one is wrong",
            )
        return by_id or by_ref
