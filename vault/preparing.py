"""Preparing: all of a record that keys make and no store is asked for: sealed payloads, index rows, facts.

A bench without a store, so that it can run in a process of its own beside the one that writes (`vault.bulk`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from vault.access.masking import mask
from vault.crypto import mac
from vault.crypto.ids import new_id
from vault.crypto.keys import TenantKeys
from vault.crypto.sealing import AES_256_GCM, seal
from vault.crypto.sign import token_bytes
from vault.intake.numbers import id_modern
from vault.model import Context, Draft, Facts, Quiet, Word
from vault.retention.planner import due
from vault.retention.rules import Profile, RuleSet
from vault.schema import FieldSpec, KindSpec, Schema, layout
from vault.stores.rows import AttributeRow, BlindRow, FactsRow, PayloadRow

REF: Final = "@ref"
"""Where a record's external id stands in its masked payload and in the blind index."""
CONTENT: Final = "@content"
"""Where a record that came without an external id is found again: by what its row held."""
ID_NUMBER: Final = "id_number"
SUPPRESSION: Final = "suppression"
"""The kind of record that stands for a person who was erased or refused."""

_APART: Final = {REF: "masked", CONTENT: "identity"}
"""Whose keys these hang on: masked nodes resolve external ids, and may not guess contents."""

Key = tuple[str, str, bytes]
"""Kind, indexed field and digest: what a record can be found by."""


class Place(Word, array_like=True, gc=False):
    """Where a draft goes: its record, subject and version."""

    record: str
    subject: str
    version: int = 1
    counter: int = 1


class Ready(Quiet, array_like=True, gc=False):
    """A draft made ready to be written.

    Attributes:
        place: The record it becomes.
        secret: The version's own secret, to be wrapped.
        due: The month its shelf falls due.
        facts: What stands in `facts_row`, sealed there under its MAC.
    """

    draft: Draft
    place: Place
    secret: bytes
    due: str
    facts: Facts
    facts_row: FactsRow
    payloads: list[PayloadRow]
    blind: list[BlindRow]
    attributes: list[AttributeRow]


class Preparer:
    """Makes one tenant's records ready."""

    def __init__(self, keys: TenantKeys, schema: Schema, rules: RuleSet, profile: Profile) -> None:
        self._keys = keys
        self._schema = schema
        self._rules = rules
        self._profile = profile
        self._months: dict[tuple[str, str], str] = {}
        self.layouts = {name: layout(kind) for name, kind in schema.kinds.items()}

    # --- what a draft can be found by -------------------------------------------------------------------

    def digest(self, kind: str, field: str, value: str) -> bytes:
        """The blind-index digest of a value."""
        spec = self._schema.kind(kind)
        compartment = _APART.get(field) or spec.fields[field].compartment
        return mac.index_digest(self._keys.index(compartment, kind, field), value)

    def content(self, draft: Draft) -> bytes:
        """The keyed form of a draft's content digest, b"" if it has none."""
        return self.digest(draft.kind, CONTENT, draft.content.hex()) if draft.content else b""

    def keys(self, draft: Draft) -> list[Key]:
        """What a draft's record can be found by."""
        found = []
        if draft.ref is not None:
            found.append((draft.kind, REF, self.digest(draft.kind, REF, draft.ref)))
        elif draft.content:
            found.append((draft.kind, CONTENT, self.content(draft)))
        if draft.kind == "borrower" and ID_NUMBER in draft.values:
            found.append((draft.kind, ID_NUMBER, self.digest(draft.kind, ID_NUMBER, draft.values[ID_NUMBER])))
        return found

    def suppression(self, identifier: str, value: str) -> bytes:
        """What stays of an erased person's identifier: a digest under a key that no file holds (PIPL 73)."""
        key = self._keys.index("identity", SUPPRESSION, CONTENT)  # a masked node must not try numbers through
        return mac.handle(key, "suppression", identifier, value)

    def suppressed_by(self, draft: Draft) -> list[Key]:
        """What would be on the suppression list if the person of a draft were."""
        found = []
        for identifier, value in claims(draft):
            content = self.suppression(identifier, value).hex()
            found.append((SUPPRESSION, CONTENT, self.digest(SUPPRESSION, CONTENT, content)))
        return found

    # --- what a draft becomes ---------------------------------------------------------------------------

    @staticmethod
    def fingerprint(draft: Draft, secret: bytes) -> bytes:
        """MAC of a draft's content under the record's own secret: dies with it, tells nothing without it."""
        content = msgspec.json.encode([draft.ref, draft.values], order="sorted")
        return mac.derive(secret, "cvault/fingerprint/v1", content)

    def fields(self, kind: str) -> Mapping[str, FieldSpec]:
        """The fields of a kind."""
        return self._schema.kind(kind).fields

    def handles(self, draft: Draft) -> set[str]:
        """The keyed handles of a draft's cases."""
        return {self._keys.case_handle(case) for case in draft.cases}

    def parts(self, draft: Draft) -> tuple[str, ...]:
        """The compartments a draft is sealed in."""
        fields = self._schema.kind(draft.kind).fields
        return tuple(sorted({"masked", *(fields[name].compartment for name in draft.values)}))

    def fresh(self, draft: Draft, subject: str, near: str, now: int, ends: Mapping[str, str]) -> Ready:
        """A draft as the first version of a new record.

        Args:
            draft: What came in.
            subject: Whose it is.
            near: Where the batch's ids stand (`vault.crypto.ids`).
            now: µs UTC.
            ends: The tenant's own anchors.
        """
        secret = token_bytes(32)
        facts = Facts(
            parts=self.parts(draft),
            cases=tuple(sorted(self.handles(draft))),
            anchors=draft.anchors,
            fingerprint=self.fingerprint(draft, secret),
            content=self.content(draft),
            since=now,
            layout=self.layouts[draft.kind],
        )
        return self.ready(draft, Place(record=new_id("r", near), subject=subject), secret, facts, ends)

    def ready(
        self, draft: Draft, place: Place, secret: bytes, facts: Facts, ends: Mapping[str, str]
    ) -> Ready:
        """A draft as the version of a record that its facts describe."""
        return Ready(
            draft=draft,
            place=place,
            secret=secret,
            due=self._due(draft.kind, facts, ends),
            facts=facts,
            facts_row=self.facts_row(place, draft.kind, facts),
            payloads=self.payloads(draft, place, secret),
            blind=self.blind(place.record, draft, facts.content),
            attributes=self.attributes(place.record, draft),
        )

    def facts_row(self, place: Place, kind: str, facts: Facts) -> FactsRow:
        """Facts as the store keeps them, under their MAC."""
        body, tenant = msgspec.json.encode(facts), self._keys.tenant
        seal_ = mac.facts_mac(
            self._keys.facts_key, tenant, place.subject, place.record, kind, place.counter, body
        )
        return FactsRow(
            tenant=tenant, record=place.record, counter=place.counter, subject=place.subject, kind=kind,
            body=body, mac=seal_,
        )  # fmt: skip

    def _due(self, kind: str, facts: Facts, ends: Mapping[str, str]) -> str:
        """The month of the first ceiling; a file's rows share few sets of anchors."""
        key = (kind, msgspec.json.encode([facts.anchors, ends], order="sorted").decode())
        known = self._months.get(key)
        if known is None:
            day = due(kind, facts, ends, self._profile, self._rules)
            known = self._months[key] = day.strftime("%Y-%m")
        return known

    # --- sealing ----------------------------------------------------------------------------------------

    def payloads(self, draft: Draft, place: Place, secret: bytes) -> list[PayloadRow]:
        """What a draft is sealed as: a payload for each compartment it has a value in, and `masked`."""
        fields = self._schema.kind(draft.kind).fields
        parts: dict[str, dict[str, object]] = defaultdict(dict)
        shown = parts["masked"]
        for name, value in draft.values.items():
            field = fields[name]
            if field.compartment != "masked":
                parts[field.compartment][name] = value
            if field.mask != "hidden":
                shown[name] = value if field.mask == "none" else mask(field.mask, value)
        shown[REF] = draft.ref
        return [self._payload(draft.kind, place, secret, name, values) for name, values in parts.items()]

    def _payload(
        self, kind: str, place: Place, secret: bytes, compartment: str, values: dict[str, object]
    ) -> PayloadRow:
        keys = self._keys
        generation = keys.generation(compartment)
        context = Context(
            tenant=keys.tenant, subject=place.subject, record=place.record, kind=kind, version=place.version,
            compartment=compartment, generation=generation, suite=AES_256_GCM,
        )  # fmt: skip
        sealed = seal(values, secret, keys.compartment(compartment, generation), context)
        return PayloadRow(
            tenant=keys.tenant, record=place.record, version=place.version, compartment=compartment,
            subject=place.subject, kind=kind, generation=generation, suite=AES_256_GCM, sealed=sealed.blob,
        )  # fmt: skip

    # --- indexing ---------------------------------------------------------------------------------------

    def blind(self, record: str, draft: Draft, content: bytes) -> list[BlindRow]:
        """The blind-index rows of a record. A ref's own field isn't indexed again: its id finds it."""
        spec = self._schema.kind(draft.kind)
        wanted = [
            (name, self.digest(spec.name, name, value))
            for name, value in draft.values.items()
            if spec.fields[name].indexed and name != spec.ref
        ]
        if draft.ref is not None:
            wanted.append((REF, self.digest(spec.name, REF, draft.ref)))
        if content:
            wanted.append((CONTENT, content))
        return [
            BlindRow(tenant=self._keys.tenant, kind=spec.name, field=field, digest=digest, record=record)
            for field, digest in wanted
        ]

    def attributes(self, record: str, draft: Draft) -> list[AttributeRow]:
        """The open attributes of a record."""
        spec = self._schema.kind(draft.kind)
        return [
            AttributeRow(tenant=self._keys.tenant, kind=spec.name, name=name, value=value, record=record)
            for name, value in draft.values.items()
            if spec.fields[name].open
        ]


def identifiers(draft: Draft) -> list[tuple[str, str]]:
    """What a person is put on the suppression list by, so that they are known again.

    The ID number, else the telephone; of a contact person both, for hardly a file gives their ID number; of a
    borrower their external id too.
    """
    found = [pair for pair in _numbers(draft) if pair[0] == ID_NUMBER or pair[1] == draft.values.get("phone")]
    found = found if draft.kind == "contact_person" else found[:1]
    if draft.kind == "borrower" and draft.ref is not None:
        found.append(("ref", draft.ref))
    return found


def claims(draft: Draft) -> list[tuple[str, str]]:
    """What a person is looked for by on the suppression list; a contact person by every number given."""
    return _numbers(draft) if draft.kind == "contact_person" else identifiers(draft)


def _numbers(draft: Draft) -> list[tuple[str, str]]:
    """A person's own numbers, in one spelling each: an ID number of 15 digits as the one of 18."""
    values = draft.values
    if draft.kind not in {"borrower", "guarantor", "contact_person"}:
        return []
    found = [(ID_NUMBER, id_modern(values[ID_NUMBER]))] if ID_NUMBER in values else []
    phones = [values[name] for name in ("phone", "phone_alt") if name in values]
    return found + [("phone", number) for number in dict.fromkeys(phones)]


def fresh_row(
    preparer: Preparer, schema: Schema, row: Sequence[Draft], near: str, now: int, ends: Mapping[str, str]
) -> tuple[Ready, ...]:
    """A row all of whose records are new, for a borrower who is new: what most rows of a first import are."""
    borrower = new_id("s", near)
    return tuple(
        preparer.fresh(
            draft, new_id("s", near) if own_subject(schema.kind(draft.kind)) else borrower, near, now, ends
        )
        for draft in row
    )


def own_subject(spec: KindSpec) -> bool:
    """Whether records of a kind are about a person beside the borrower."""
    return spec.owner == "own" and spec.name != "borrower"
