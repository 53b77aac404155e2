"""Remembering: what was corrected away, so that the same file tomorrow doesn't undo it (PIPL 46).

A correction is made here; the source goes on saying what it said. Of each value that was corrected away a
keyed digest stays, and an import that brings that value again leaves the field as it stands. A third value is
news, and is taken. A writer who names the version they replace knows of the correction, and isn't held back.

    note  = HMAC(index key of "FIELD@corrected", record | value)      "" for no value
    notes = wrap(HMAC(record secret, "cvault/corrected/v1"), JSON {field: note})

They are sealed under the record's own secret, so they die with it; a digest needs the compartment's key too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from vault.crypto import mac
from vault.crypto.encoding import encode
from vault.crypto.wrap import WrappingKey
from vault.errors import Invalid
from vault.intake import computing
from vault.keeping import Held
from vault.model import Draft
from vault.opening import Opener
from vault.schema import KindSpec
from vault.tenancy import Tenancy

LABEL: Final = "cvault/corrected/v1"

Notes = dict[str, str]
"""By field the digest of the value that was corrected away."""


class Memory:
    """What was corrected away of one tenant's records."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def notes(self, held: Held) -> Notes:
        """What was corrected away of a record.

        Raises:
            Tampered: The notes are not this record's.
        """
        if not held.facts.corrected:
            return {}
        key = self._key(self._t.keeping.record_secret(held.row))
        opened = key.unwrap(held.facts.corrected, self._context(held.row.record, held.row.version))
        return msgspec.json.decode(opened, type=Notes)

    def sealed(self, notes: Mapping[str, str], record: str, version: int, secret: bytes) -> bytes:
        """Notes as a version's facts keep them; b"" for none."""
        if not notes:
            return b""
        text = msgspec.json.encode(notes, order="sorted")
        return self._key(secret).wrap(text, self._context(record, version))

    def corrected(self, held: Held, old: Draft, new: Draft) -> Notes:
        """The notes once a correction has made `new` of `old`.

        A field's first value, the source's, stays noted through further corrections, until one restores it.
        """
        notes, spec, today = self.notes(held), self._t.schema.kind(held.kind), self._t.today()
        follow = computed(spec, old.values, today) | computed(spec, new.values, today)
        for name in (old.values.keys() | new.values.keys()) - follow:
            was, now = old.values.get(name), new.values.get(name)
            if was == now:
                continue
            notes.setdefault(name, self._note(held, name, was))
            if notes[name] == self._note(held, name, now):
                del notes[name]
        return notes

    def knows(self, held: Held, field: str, value: str) -> bool:
        """Whether a value of a field was corrected away."""
        return bool(held.facts.corrected) and self.notes(held).get(field) == self._note(held, field, value)

    def applied(self, draft: Draft, held: Held) -> tuple[Draft, Notes]:
        """A draft with the corrections that hold against it, and the notes that stay: not those of news.

        Raises:
            Invalid: The corrections and the news contradict each other.
        """
        notes = self.notes(held)
        if not notes or draft.expect is not None:
            return draft, {}
        stands = self._opener.drafts([held.row.record])[held.row.record][0].values
        kept = {
            name: note
            for name, note in notes.items()
            if name not in draft.values or note == self._note(held, name, draft.values[name])
        }
        values = self._joined(draft, {name: stands.get(name) for name in kept})
        gone = computing.own_anchors(draft.kind, draft.values, self._t.today()).keys()
        anchors = {name: day for name, day in draft.anchors.items() if name not in gone}
        anchors |= computing.own_anchors(draft.kind, values, self._t.today())
        return msgspec.structs.replace(draft, values=values, anchors=anchors), kept

    def _joined(self, draft: Draft, corrections: Mapping[str, str | None]) -> dict[str, str]:
        """A draft's values with some in place of others, and anew what follows from them."""
        spec, today = self._t.schema.kind(draft.kind), self._t.today()
        follow = computed(spec, draft.values, today)
        joined: dict[str, str | None] = {n: v for n, v in draft.values.items() if n not in follow}
        values = {name: text for name, text in {**joined, **corrections}.items() if text is not None}
        for field, error in computing.derive(spec, values, today):
            raise Invalid(error.message, code=error.code, field=f"{spec.name}.{field}", remedy=error.remedy)
        return values

    def _note(self, held: Held, field: str, value: str | None) -> str:
        spec = self._t.schema.kind(held.kind).field(field)
        key = self._t.keys.index(spec.compartment, held.kind, f"{field}@corrected")
        return mac.index_digest(key, f"{held.row.record}|{value or ''}").hex()

    @staticmethod
    def _key(secret: bytes) -> WrappingKey:
        return WrappingKey(mac.derive(secret, LABEL))

    def _context(self, record: str, version: int) -> bytes:
        return encode(LABEL, self._t.name, record, version)


def computed(spec: KindSpec, values: Mapping[str, str], today: date) -> set[str]:
    """The fields that the others give: they follow a correction.

    A computed field that a source gave stays as it is: no others give it, or they give another value. The day
    an overdue began came from days overdue that nobody stores.
    """
    names = {name for name, field in spec.fields.items() if field.derived and name in values}
    found = {name: text for name, text in values.items() if name not in names}
    for _ in computing.derive(spec, found, today):
        pass  # a day to come, say, is judged when the whole is
    return {name for name in names if found.get(name) == values[name]}
