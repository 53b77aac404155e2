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
from typing import Final

import msgspec

from vault.crypto import mac
from vault.crypto.encoding import encode
from vault.crypto.wrap import WrappingKey
from vault.intake import computing
from vault.keeping import Held
from vault.model import Draft
from vault.opening import Opener
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
        notes = self.notes(held)
        for name in old.values.keys() | new.values.keys():
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
        """A draft with the corrections that hold against it, and the notes that stay: not those of news."""
        notes = self.notes(held)
        if not notes or draft.expect is not None:
            return draft, {}
        stands = self._opener.drafts([held.row.record])[held.row.record][0].values
        kept = {
            name: note
            for name, note in notes.items()
            if name not in draft.values or note == self._note(held, name, draft.values[name])
        }
        joined = {**draft.values, **{name: stands[name] for name in kept if name in stands}}
        values = {name: text for name, text in joined.items() if name not in kept or name in stands}
        gone = computing.own_anchors(draft.kind, draft.values).keys()
        anchors = {name: day for name, day in draft.anchors.items() if name not in gone}
        anchors |= computing.own_anchors(draft.kind, values)
        return msgspec.structs.replace(draft, values=values, anchors=anchors), kept

    def _note(self, held: Held, field: str, value: str | None) -> str:
        spec = self._t.schema.kind(held.kind).field(field)
        key = self._t.keys.index(spec.compartment, held.kind, f"{field}@corrected")
        return mac.index_digest(key, f"{held.row.record}|{value or ''}").hex()

    @staticmethod
    def _key(secret: bytes) -> WrappingKey:
        return WrappingKey(mac.derive(secret, LABEL))

    def _context(self, record: str, version: int) -> bytes:
        return encode(LABEL, self._t.name, record, version)
