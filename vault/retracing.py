"""Retracing: every version of a record that is still kept, opened to be sealed anew.

A bench that knows retired fields still: what a legal hold keeps must not be lost on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from vault.crypto.sealing import open_fields
from vault.errors import NotFound, Tampered
from vault.keeping import Held
from vault.model import Context, Draft, Past, Sealed
from vault.preparing import REF
from vault.schema import KindSpec, Schema
from vault.stores.rows import PayloadRow
from vault.tenancy import Tenancy

Version = tuple[str, int]
"""A record and the number of a version of it."""


class Retracer:
    """Opens one tenant's records whole.

    Attributes:
        schema: The tenancy's with its retired fields, as what nobody finds or sees.
    """

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self.schema = _bridged(tenancy.schema)

    def versions(self, held: Held, payloads: Mapping[Version, list[PayloadRow]]) -> list[tuple[Past, Draft]]:
        """Every version of a record that is still kept, opened; the latest last.

        Raises:
            Tampered: A payload is missing, or doesn't open.
        """
        latest = Past(version=held.row.version, since=0, until=0, parts=held.facts.parts)
        found = []
        for past in (*held.facts.past, latest):
            try:
                secret = (
                    self._t.keeping.record_secret(held.row)
                    if past is latest
                    else self._t.keeping.past_secret(held.row.record, past.version)
                )
            except NotFound:  # its rule had ended it, and the facts didn't come to know
                continue
            rows = payloads.get((held.row.record, past.version), [])
            if not set(past.parts) <= {row.compartment for row in rows}:
                raise Tampered("a record's payload is missing", remedy="compare with a backup")
            found.append((past, self._draft(held, rows, secret)))
        return found

    def _draft(self, held: Held, rows: Iterable[PayloadRow], secret: bytes) -> Draft:
        fields = self.schema.kind(held.kind).fields
        ref: str | None = None
        values: dict[str, str] = {}
        for row in rows:
            names = {n for n, f in fields.items() if row.compartment != "masked" or f.compartment == "masked"}
            context = Context(
                tenant=self._t.name, subject=row.subject, record=row.record, kind=row.kind,
                version=row.version, compartment=row.compartment, generation=row.generation, suite=row.suite,
            )  # fmt: skip
            key = self._t.keys.compartment(row.compartment, row.generation)
            opened = open_fields(Sealed(context=context, blob=row.sealed), secret, key, names | {REF}).values
            if row.compartment == "masked":
                ref = msgspec.json.decode(opened.pop(REF), type=str | None)
            values |= {name: msgspec.json.decode(raw, type=str) for name, raw in opened.items()}
        return Draft(kind=held.kind, ref=ref, row=0, values=values, anchors=held.facts.anchors, cases=())


def _bridged(schema: Schema) -> Schema:
    """A schema that knows its retired fields still, as what nobody finds or sees: for records under hold."""
    return Schema.of({name: _bridge(kind) for name, kind in schema.kinds.items()}, schema.own)


def _bridge(kind: KindSpec) -> KindSpec:
    unseen = {
        name: msgspec.structs.replace(
            field, indexed=False, open=False, openness="",
            mask="none" if field.compartment == "masked" else "hidden",
        )
        for name, field in kind.retired.items()
    }  # fmt: skip
    return msgspec.structs.replace(kind, fields=kind.fields | unseen, retired={})
