"""Opening: from record ids to what may be shown of them, for a whole batch (DESIGN 6, steps 2 to 5).

The bench that reading and searching share. It returns nothing to a caller: items wait here until their
entries are durable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from vault.crypto.sealing import open_fields
from vault.errors import Denied, NotFound, Tampered, VaultError
from vault.items import Item, Layout
from vault.keeping import Held
from vault.model import COMPARTMENTS, Context, Draft, Grant, Sealed, ShownField, Word
from vault.preparing import REF
from vault.schema import FieldSpec
from vault.stores.errors import ShelfMoved
from vault.stores.rows import PayloadRow
from vault.tenancy import Tenancy

RETRIES: Final = 10
_OF_ONE: Final = frozenset(
    {"not_found", "restricted", "integrity", "case_closed", "consent_withdrawn", "contact_state"}
    | {"contact_refused", "approval_required"}
)
"""Refusals that concern one record of a request, and not the request."""
_ref: Final = msgspec.json.Decoder(str | None).decode


class Ask(Word):
    """A request in a batch.

    Attributes:
        grant: Who asks. action: `read`, `find` or `list`.
        fields: The fields asked for; None for all.
        approved: What an approval covers that came with it, such as "minors".
    """

    grant: Grant
    action: str
    fields: tuple[str, ...] | None
    items: list[Item]
    approved: frozenset[str] = frozenset()


class Opener:
    """Fetches and opens what a batch of requests may see."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def open_all(self, asks: Sequence[Ask]) -> None:
        """Steps 2 to 5 for every item; each ends with its fields or its error."""
        for attempt in range(RETRIES):
            try:
                self._open_all(asks)
            except ShelfMoved:
                if attempt == RETRIES - 1:
                    raise
                continue
            return

    def _open_all(self, asks: Sequence[Ask]) -> None:
        everything = [item for ask in asks for item in ask.items]
        held = self._held(everything)
        for ask in asks:
            for item in ask.items:
                item.held = held.get(item.record)
                self._decide(ask, item)
        payloads = self._payloads([item for item in everything if item.granted])
        layouts: dict[int, Layout] = {}  # by identity of the decision, which its items keep alive
        for item in everything:
            if item.granted:
                self._show(item, payloads, layouts)

    def _held(self, items: list[Item]) -> dict[str, Held]:
        """Key rows and facts; if one record's facts were edited, the others must not suffer."""
        granted = [item for item in items if item.granted]
        try:
            return self._t.keeping.fetch([item.record for item in granted])
        except Tampered:
            held = {}
            for item in granted:
                try:
                    held.update(self._t.keeping.fetch([item.record]))
                except Tampered as error:
                    item.refuse(error)
            return held

    def _decide(self, ask: Ask, item: Item) -> None:
        held, grant = item.held, ask.grant
        if not item.granted:
            return
        try:
            self._t.allow(grant, ask.action)
            if held is None:
                raise NotFound
            item.log_secret = self._t.keeping.log_secret(held.row)
            self.in_scope(grant, held)
            situation = self._t.situation(grant, held.facts, approved=ask.approved)
            item.decision = self._t.decide(grant, held.kind, ask.fields, ask.action, situation)
            if held.facts.state not in item.decision.states:
                raise Denied("the record is restricted", code="restricted")
            self._choose(item, held)
        except ShelfMoved:
            raise
        except VaultError as refusal:
            item.refuse(refusal, whole=refusal.code not in _OF_ONE)

    def _choose(self, item: Item, held: Held) -> None:
        """Choose the version to open: the latest, or the one that was it at the instant asked for.

        Raises:
            NotFound: The record was not there yet, or that version has gone by its rule.
        """
        item.version, item.parts = held.row.version, held.facts.parts
        if item.at is None or item.at >= held.facts.since:
            item.secret = self._t.keeping.record_secret(held.row)
            return
        then = next((past for past in held.facts.past if past.since <= item.at < past.until), None)
        if then is None:
            raise NotFound
        item.version, item.parts = then.version, then.parts
        item.secret = self._t.keeping.past_secret(held.row.record, then.version)

    def in_scope(self, grant: Grant, held: Held) -> None:
        """A case-bound token reaches the records of its cases alone; others look missing (DESIGN 6).

        Raises:
            NotFound: The record is of another case.
        """
        scope = self._t.scope(grant)
        if scope is not None and scope.isdisjoint(held.facts.cases):
            raise NotFound

    def _payloads(self, items: list[Item]) -> dict[tuple[str, int, str], PayloadRow]:
        wanted = {c for item in items if item.decision for c in item.decision.compartments}
        ids = [item.record for item in items]
        if not ids:
            return {}
        rows = self._t.stores.records.fetch(self._t.name, ids, sorted(wanted))
        return {(row.record, row.version, row.compartment): row for row in rows}

    def _show(
        self, item: Item, payloads: dict[tuple[str, int, str], PayloadRow], layouts: dict[int, Layout]
    ) -> None:
        decision, held = item.decision, item.held
        if decision is None or held is None:
            return
        layout = layouts.get(id(decision))
        if layout is None:
            layout = layouts[id(decision)] = Layout(decision, self._t.schema.kind(held.kind))
        try:
            values, item.ref = self._values(item, layout, payloads)
            self._confirm_ref(item, held)
        except VaultError as error:
            item.refuse(error)
            return
        fields = layout.hidden.copy()
        for name, view in layout.shown:
            fields[name] = ShownField(view=view, value=values.get(name))
        item.fields = fields

    def _values(
        self, item: Item, layout: Layout, payloads: dict[tuple[str, int, str], PayloadRow]
    ) -> tuple[dict[str, msgspec.Raw], str | None]:
        values: dict[str, msgspec.Raw] = {}
        for compartment, names in layout.keep.items():
            row = payloads.get((item.record, item.version, compartment))
            if row is not None:
                values |= self._open(row, item.secret, names)
            elif compartment in item.parts:
                if item.held is not None and item.version != item.held.row.version:
                    self._t.keeping.past_secret(item.record, item.version)  # gone by its rule: not found
                raise Tampered("a record's payload is missing", remedy="stop; compare with a backup")
        ref = values.pop(REF, None)
        return values, _ref(ref) if ref is not None else None

    def _confirm_ref(self, item: Item, held: Held) -> None:
        """A record found by an external id must hold that id: the index that found it can be edited.

        Where nothing masked may be seen, or what stood before is shown, its compartment is opened for this
        comparison alone: a record may have had another id then.
        """
        kind, colon, external = item.id.partition(":")
        if not colon:
            return
        shown = item.ref is not None and item.version == held.row.version
        ref = item.ref if shown else self.refs([held]).get(item.record)
        if (held.kind, ref) != (kind, external):
            raise Tampered("the index leads to another record", remedy="rebuild the index from the records")

    def named(self, idents: Sequence[str]) -> dict[str, Held]:
        """The live records that ids or external ids name, by what was asked; each holds that external id.

        Raises:
            Tampered: The index leads to another record.
        """
        records = {ident: self._t.record_of(ident) for ident in idents}
        held = self._t.keeping.fetch(sorted({record for record in records.values() if record}))
        found = {ident: held[record] for ident, record in records.items() if record in held}
        refs = self.refs([h for ident, h in found.items() if ":" in ident])
        for ident, h in found.items():
            kind, colon, external = ident.partition(":")
            if colon and (h.kind, refs.get(h.row.record)) != (kind, external):
                raise Tampered(
                    "the index leads to another record", remedy="rebuild the index from the records"
                )
        return found

    def refs(self, held: Sequence[Held]) -> dict[str, str | None]:
        """The external ids of records, as they hold them."""
        found: dict[str, str | None] = {}
        by_id = {h.row.record: h for h in held}
        for row in self._t.stores.records.fetch(self._t.name, list(by_id), ["masked"]):
            if row.version == by_id[row.record].row.version:
                secret = self._t.keeping.record_secret(by_id[row.record].row)
                found[row.record] = _ref(self._open(row, secret, {REF})[REF])
        return found

    def _open(self, row: PayloadRow, secret: bytes, keep: set[str]) -> dict[str, msgspec.Raw]:
        context = Context(
            tenant=self._t.name,
            subject=row.subject,
            record=row.record,
            kind=row.kind,
            version=row.version,
            compartment=row.compartment,
            generation=row.generation,
            suite=row.suite,
        )
        key = self._t.keys.compartment(row.compartment, row.generation)
        return open_fields(Sealed(context=context, blob=row.sealed), secret, key, keep).values

    def values(self, records: Sequence[str], spec: FieldSpec) -> dict[str, bytes]:
        """One field's clear value, as JSON bytes, of records a search hit; to compare and then forget."""
        for attempt in range(RETRIES):
            try:
                return self.held_values(self._t.keeping.fetch(records), spec)
            except ShelfMoved:
                if attempt == RETRIES - 1:
                    raise
        return {}

    def held_values(self, held: Mapping[str, Held], spec: FieldSpec) -> dict[str, bytes]:
        """As `values`, of records whose key rows were fetched just now."""
        rows = self._t.stores.records.fetch(self._t.name, list(held), [spec.compartment])
        found = {}
        for row in rows:
            if row.version == held[row.record].row.version:
                secret = self._t.keeping.record_secret(held[row.record].row)
                opened = self._open(row, secret, {spec.name})
                if spec.name in opened:
                    found[row.record] = bytes(opened[spec.name])
        return found

    def drafts(self, records: Sequence[str]) -> dict[str, tuple[Draft, Held]]:
        """Live records as drafts again, for what is derived from them; needs every compartment's key."""
        held = self._t.keeping.fetch(records)
        rows = self._t.stores.records.fetch(self._t.name, list(held), COMPARTMENTS)
        values: dict[str, dict[str, str]] = defaultdict(dict)
        refs: dict[str, str | None] = {}
        for row in rows:
            owner = held[row.record]
            if row.version != owner.row.version:
                continue
            spec = self._t.schema.kind(owner.kind)
            names = {name for name, field in spec.fields.items() if field.compartment == row.compartment}
            opened = self._open(row, self._t.keeping.record_secret(owner.row), names | {REF})
            if REF in opened:
                refs[row.record] = msgspec.json.decode(opened.pop(REF), type=str | None)
            values[row.record] |= {name: msgspec.json.decode(raw, type=str) for name, raw in opened.items()}
        found = {}
        for record, h in held.items():
            draft = Draft(
                kind=h.kind,
                ref=refs.get(record),
                row=0,
                values=values[record],
                anchors=h.facts.anchors,
                cases=(),
            )
            found[record] = draft, h
        return found
