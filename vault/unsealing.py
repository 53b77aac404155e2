"""Unsealing: the *whom* of entries, for those who may know (DESIGN 7).

The bench behind the auditing room: derives a subject's tags, and opens bodies with the audit key and the
log secrets of those who are still here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vault.crypto import mac
from vault.crypto.bodies import BodyOpener, body_context
from vault.errors import Tampered
from vault.ledger import stub
from vault.model import Whom
from vault.stores.rows import EntryFilter, EntryRow
from vault.tenancy import Tenancy


class Unsealer:
    """Opens what one tenant's auditing room may open."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def tags(self, subject: str, more: int = 0) -> list[bytes]:
        """Every tag the subject has had, entries 0 to n-1, and the `more` that would follow."""
        secret = self._t.keeping.log_secrets([subject])[subject]
        handle = mac.handle(self._t.keys.handle_key, "subject", subject)
        count, key = self._t.stores.ledger.counter(self._t.name, handle), mac.tag_key(secret)
        return [mac.tag(key, number) for number in range(count + more)]

    def every_tag(self, subject: str) -> list[bytes]:
        """The tags of all the subject's entries, so that a report on them is complete.

        Raises:
            Tampered: The counter was turned back, or an entry is missing or doubled.
        """
        tags = self.tags(subject, more=1)
        rows = self._t.stores.ledger.query(self._t.name, EntryFilter(tags=tags, limit=len(tags) + 1))
        found = {row.tag for row in rows}
        turned_back = tags[-1] in found and len(self.tags(subject)) < len(tags)  # not merely grown meanwhile
        if turned_back or len(rows) > len(found) or not found.issuperset(tags[:-1]):
            raise Tampered("the log does not give every entry of this subject", remedy="cvault log verify")
        return tags[:-1]

    def bodies(self, rows: Sequence[EntryRow]) -> dict[int, Whom]:
        """Open what can be opened; the body of a subject whose log secret is gone stays shut."""
        sealed = self._t.stores.ledger.bodies(self._t.name, [row.idx for row in rows])
        opener = BodyOpener(self._t.keys.audit_private, self._t.name)
        shelves: dict[str, list[tuple[str, bytes]]] = {"": [("", b"")]}
        found = {}
        for row in rows:
            if row.idx in sealed:
                whom = self._open(row, sealed[row.idx], opener, shelves)
                if whom is not None:
                    found[row.idx] = whom
        return found

    def _open(
        self, row: EntryRow, sealed: bytes, opener: BodyOpener, shelves: dict[str, list[tuple[str, bytes]]]
    ) -> Whom | None:
        """Open one body by trying the secrets of its shelf, the ones that fitted before first.

        Raises:
            Tampered: It should open, for the subject of its tag lives, and doesn't.
        """
        context = body_context(self._t.name, stub.decode(row.stub).commitment)
        shelf = opener.shelf(sealed, context)
        if shelf not in shelves:
            shelves[shelf] = self._t.keeping.log_shelf(shelf)
        for place, (_, secret) in enumerate(shelves[shelf]):
            try:
                data = opener.open(sealed, secret, context)
            except Tampered:
                continue
            shelves[shelf].insert(0, shelves[shelf].pop(place))
            return _committed(row, data)
        if not row.tag or any(row.tag in self.tags(subject) for subject, _ in shelves[shelf]):
            raise Tampered("an entry's body does not open", index=row.idx)
        return None


def _committed(row: EntryRow, data: bytes) -> Whom:
    """A body's content, which must be the one its stub commits to."""
    salt, body = data[: stub.SALT_SIZE], data[stub.SALT_SIZE :]
    if stub.digest(salt, body) != row.whom_digest:
        raise Tampered("an entry's body is not the one committed to", index=row.idx)
    return msgspec.json.decode(body, type=Whom)
