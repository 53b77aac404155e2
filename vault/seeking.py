"""Seeking: which records a search or a listing comes to, before any of them is opened for a caller.

The bench behind `find` and `list`. Both are oracles: `find` of a value, `list` of the attributes it filters
and sorts by. So a value counts against a cap, and what may not be seen may not be asked about.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from vault.access.selection import parse_where
from vault.crypto import mac
from vault.crypto.encoding import encode
from vault.errors import Denied, Invalid, NotFound, Tampered
from vault.intake.values import normalise
from vault.model import Grant, View, Word
from vault.opening import Opener
from vault.preparing import REF
from vault.schema import FieldSpec
from vault.stores.index import Where
from vault.tenancy import Tenancy

MAX_SCANS: Final = 20
"""Pages of the index that one page of a case-bound listing looks through."""


class Search(Word):
    """What a `find` or `list` looked for: one entry of its own, beside one for each record disclosed.

    Attributes:
        field: The field searched by, or "" for a listing.
        digest: The blind digest of the value, which counts against the cap; b"" for a listing.
        cap: Distinct values per principal, field and day; None for a listing.
        detail: What the entry's sealed body says of it: no value.
        action: `find` or `list`.
    """

    action: str
    kind: str
    field: str
    digest: bytes
    cap: int | None
    detail: str


class Seeker:
    """Looks in the index for one tenant."""

    def __init__(self, tenancy: Tenancy, opener: Opener) -> None:
        self._t = tenancy
        self._opener = opener

    def hits(self, grant: Grant, kind: str, field: str, value: str) -> tuple[Search, list[str]]:
        """The records whose field equals a value, confirmed by opening it.

        Raises:
            Denied: Role or token may not find by this field; that is an entry.
            Invalid: The value is none of the field's type.
        """
        spec = self._t.schema.kind(kind).field(field)
        cap = self._t.policy.cap(grant.role, grant.purpose, kind, field)
        narrowed = grant.fields is not None and not grant.fields.get(field)
        if cap is None or not spec.indexed or narrowed:
            self._t.log_denied(grant, "field_denied", kind)
            raise Denied("this token may not find by this field", code="field_denied", field=field)
        normal = normalise(spec.type, value)
        indexed = REF if field == self._t.schema.kind(kind).ref else field
        digest = mac.index_digest(self._t.keys.index(spec.compartment, kind, indexed), normal)
        records = self._t.stores.index.find(self._t.name, kind, indexed, digest)
        found = self._confirmed(spec, records, normal)
        detail = f"{kind}.{field} {digest.hex()} hits={len(found)}"
        search = Search(action="find", kind=kind, field=field, digest=digest, cap=cap, detail=detail)
        return search, found

    def _confirmed(self, spec: FieldSpec, records: Sequence[str], value: str) -> list[str]:
        """Only the records whose opened value equals the one asked for (DESIGN 4): an index can be edited."""
        opened = self._opener.values(records, spec)
        return [record for record in records if opened.get(record) == msgspec.json.encode(value)]

    def page(
        self, grant: Grant, kind: str, where: str, sort: str | None, cursor: str | None, limit: int
    ) -> tuple[Search, list[str], str | None]:
        """The next records of a listing, in scope, and a sealed cursor to go on from.

        Raises:
            Denied: An attribute in `where` or `sort` is hidden from this caller; that is an entry.
            Invalid: A condition, sort or cursor can't be understood.
        """
        spec = self._t.schema.kind(kind)
        conditions = [(c.attribute, c.op, c.value) for c in parse_where(where, spec, self._t.today())]
        asked = {attribute for attribute, _, _ in conditions} | ({sort.lstrip("-")} if sort else set())
        self._demand_visible(grant, kind, asked)
        ids, following = self._scan(grant, kind, conditions, sort, self._unseal(grant, kind, cursor), limit)
        detail = f"{kind} where {where}"
        search = Search(action="list", kind=kind, field="", digest=b"", cap=None, detail=detail)
        return search, ids, self._sealed(grant, kind, following)

    def _demand_visible(self, grant: Grant, kind: str, attributes: set[str]) -> None:
        """What may not be seen may not be asked about: a filter is an oracle."""
        spec = self._t.schema.kind(kind)
        for name in attributes:
            if not spec.field(name).open:
                raise Invalid("not an open attribute", code="invalid_sort", field=name)
        try:
            views = self._t.decide(grant, kind, None, "list").views
            hidden = sorted(name for name in attributes if views[name] is View.HIDDEN)
            if hidden:
                raise Denied("this attribute may not be seen", code="field_denied", field=hidden[0])
        except Denied as refusal:
            self._t.log_denied(grant, refusal.code, kind)
            raise

    def _scan(
        self, grant: Grant, kind: str, where: list[Where], sort: str | None, cursor: str | None, wanted: int
    ) -> tuple[list[str], str | None]:
        """The next ids in scope, and where to go on; stops early when scope leaves too little."""
        ids: list[str] = []
        for _ in range(MAX_SCANS):
            rows, cursor = self._t.stores.index.select(
                self._t.name, kind, where, sort, cursor, wanted - len(ids)
            )
            found = [record for record, _ in rows]
            if grant.cases is not None:
                found = self._in_scope(grant, found)
            ids += found
            if cursor is None or len(ids) >= wanted:
                break
        return ids, cursor

    def _in_scope(self, grant: Grant, records: Sequence[str]) -> list[str]:
        held = self._t.keeping.fetch(records)
        kept = []
        for record in records:
            with suppress(NotFound, KeyError):
                self._opener.in_scope(grant, held[record])
                kept.append(record)
        return kept

    def _sealed(self, grant: Grant, kind: str, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        context = encode("cvault/cursor/v1", self._t.name, grant.principal, kind)
        sealed = self._t.keys.cursors.wrap(cursor.encode(), context)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def _unseal(self, grant: Grant, kind: str, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        context = encode("cvault/cursor/v1", self._t.name, grant.principal, kind)
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            return self._t.keys.cursors.unwrap(sealed, context).decode()
        except (Tampered, ValueError):
            raise Invalid("not a cursor of this listing", code="invalid_cursor", field="cursor") from None
