"""Unsealing: the *whom* of entries, for those who may know (DESIGN 7).

The bench behind the auditing room: derives a subject's tags, and opens bodies with the audit key and the
log secrets of those who are still here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from vault.crypto import mac
from vault.crypto.bodies import BodyOpener, body_context
from vault.errors import NotFound, Tampered
from vault.ledger import stub
from vault.ledger.registry import LogFloor
from vault.model import Quiet, Whom
from vault.numbering import spans
from vault.opening import Opener
from vault.stores.rows import EntryFilter, EntryRow
from vault.tenancy import Tenancy

_WHOM: Final = msgspec.json.Decoder(Whom).decode
_HALF: Final = 32
"""Bits of a number within its generation (docs/formats/log-entry.md)."""
_TAGS: Final = 500_000
"""Tags a walk remembers, of shelves from which somebody is gone; about 100 bytes each."""


class Series(Quiet):
    """The tags of one subject in one generation.

    Attributes:
        key: The generation's tag key, 32 bytes: whoever has it knows the subject's entries by their tags.
        generation: From 1.
        count: How many entries there were, numbered from 0.
        first: The first number whose entry the log still has: those before went when their rule said so.
    """

    key: bytes
    generation: int
    count: int
    first: int = 0

    def tags(self) -> list[bytes]:
        """The tag of every entry that is there, by its number."""
        return [mac.tag(self.key, number) for number in range(self.first, self.count)]


class Unsealer:
    """Opens what one tenant's auditing room may open."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)

    def people(self, ident: str) -> list[str]:
        """The subject ids behind a subject's id, a record's, or `KIND:EXTERNAL_ID`.

        The person as of now stands first. Where people were merged, those they were before follow: their
        accesses stand under each.

        Raises:
            NotFound: Nobody here.
        """
        held = self._opener.named([ident]).get(ident)
        subject = held.row.subject if held else ident
        theirs = self._t.keeping.fetch(self._t.stores.records.of_subject(self._t.name, subject)).values()
        before = {h.facts.origin for h in theirs if h.row.subject == subject and h.facts.origin}
        ids = [subject, *sorted(before - {subject})]
        known = {row.subject for row in self._t.stores.keys.subjects(self._t.name, ids)}
        if subject not in known:
            raise NotFound
        return [one for one in ids if one in known]

    def series(self, subjects: Sequence[str]) -> dict[str, list[Series]]:
        """The tag series of each subject: one for each generation, the current one last.

        Raises:
            NotFound: A subject's log secret is gone, and its tags with it.
        """
        secrets = self._t.keeping.log_secrets(subjects)
        if len(secrets) < len(set(subjects)):
            raise NotFound
        return self._series(secrets)

    def _series(self, secrets: Mapping[str, bytes]) -> dict[str, list[Series]]:
        """The series of those whose log secrets these are."""
        found = spans(self._t.stores.ledger, self._t.keys, list(secrets))
        return {
            subject: [
                Series(key=mac.tag_key(secret, s.generation), generation=s.generation, count=s.count)
                for s in found[subject]
            ]
            for subject, secret in secrets.items()
        }

    def tags(self, subject: str) -> list[bytes]:
        """Every tag the subject has had, generation by generation."""
        return [tag for one in self.series([subject])[subject] for tag in one.tags()]

    def every_tag(self, subject: str) -> list[bytes]:
        """The tags of all the subject's entries, so that a report on them is complete.

        Raises:
            Tampered: A counter was turned back, or an entry is missing or doubled.
        """
        return [tag for one in self.complete([subject])[subject] for tag in one.tags()]

    def complete(self, subjects: Sequence[str]) -> dict[str, list[Series]]:
        """The series of these subjects, once the log has each of their entries once and none beyond.

        Raises:
            NotFound: A subject's log secret is gone.
            Tampered: A counter was turned back, or an entry is missing or doubled.
        """
        series = self.series(subjects)
        while (found := self._there(series)) is None or self._follows(series):
            again = self.series(subjects)
            if again == series:  # not merely grown meanwhile
                raise _incomplete()
            series = again
        return found[0]

    def demand_last(self, series: Mapping[str, Sequence[Series]]) -> None:
        """Demand that no tag follows these series: a few tags, so that it may be asked under the head's lock.

        Raises:
            Tampered: A counter was turned back.
        """
        if self._follows(series):
            raise _incomplete()

    def there(self, series: Mapping[str, Sequence[Series]]) -> tuple[dict[str, list[Series]], list[EntryRow]]:
        """The series as the log still has them, and all their entries in its order.

        Only entries that the log's retention let go may be missing, and those are a person's oldest.

        Raises:
            Tampered: An entry is missing or doubled.
        """
        found = self._there(series)
        if found is None:
            raise _incomplete()
        return found

    def _follows(self, series: Mapping[str, Sequence[Series]]) -> bool:
        """Whether a tag is in the log that would be the next of a generation, or the first of the next."""
        beyond = [mac.tag(one.key, one.count) for each in series.values() for one in each]
        for subject, secret in self._t.keeping.log_secrets(list(series)).items():
            beyond.append(mac.tag(mac.tag_key(secret, series[subject][-1].generation + 1), 0))
        return bool(self._t.stores.ledger.query(self._t.name, EntryFilter(tags=beyond, limit=1)))

    def _there(
        self, series: Mapping[str, Sequence[Series]]
    ) -> tuple[dict[str, list[Series]], list[EntryRow]] | None:
        wanted = [tag for each in series.values() for one in each for tag in one.tags()]
        asked = EntryFilter(tags=wanted, limit=len(wanted) + 1)
        rows = self._t.stores.ledger.query(self._t.name, asked) if wanted else []
        found = {row.tag for row in rows}
        if len(rows) > len(found):
            return None
        if len(found) == len(wanted):
            return {subject: list(each) for subject, each in series.items()}, rows
        floor = self._t.journal.registry().find(LogFloor, "log")
        left = {subject: _since(each, found) for subject, each in series.items()}
        numbers = sum(one.count - one.first for each in left.values() for one in each)
        return (left, rows) if floor is not None and floor.entries and numbers == len(found) else None

    def bodies(self, rows: Sequence[EntryRow]) -> dict[int, Whom]:
        """Open what can be opened; the body of a subject whose log secret is gone stays shut."""
        return {idx: _WHOM(body) for idx, (_, body) in self.payloads(rows).items()}

    def payloads(
        self, rows: Sequence[EntryRow], place: Place | None = None
    ) -> dict[int, tuple[bytes, bytes]]:
        """As `bodies`, but salt and exact bytes: what an entry's commitment was made of, by index.

        Shelf by shelf, so that each shelf's secrets are unwrapped once for all of these rows, and none is
        kept longer than they take.

        Args:
            rows: Entries, in the log's order where a place is given.
            place: Where a walk over the log stands; moves on.

        Raises:
            Tampered: A body isn't the one committed to, or doesn't open though its subject lives.
        """
        sealed = self._t.stores.ledger.bodies(self._t.name, [row.idx for row in rows])
        opener = BodyOpener(self._t.keys.audit_private, self._t.name)
        shelves: defaultdict[str, list[tuple[EntryRow, bytes]]] = defaultdict(list)
        for row in rows:
            if row.idx in sealed:
                context = body_context(self._t.name, stub.decode(row.stub).commitment)
                shelves[opener.shelf(sealed[row.idx], context)].append((row, context))
        found = {}
        expected = place.expects([row.tag for row in rows]) if place else ()
        held = self._t.keeping.log_secrets(sorted(expected))
        for name, group in shelves.items():
            shelf = _Shelf(name, self._t.keeping.log_shelf, self._numbered, place, held)
            for row, context in group:
                data = shelf.open(row, sealed[row.idx], opener, context)
                if data is not None:
                    found[row.idx] = _committed(row, data)
        return found

    def _numbered(self, subjects: Sequence[str]) -> dict[bytes, int]:
        """The number of each entry of those who are here by its tag, its generation in the upper half."""
        return {
            mac.tag(one.key, number): (one.generation - 1) << _HALF | number
            for series in self._series(self._t.keeping.log_secrets(subjects)).values()
            for one in series
            for number in range(one.count)
        }


def _incomplete() -> Tampered:
    return Tampered("the log does not give every entry of this subject", remedy="cvault log verify")


def _since(series: Sequence[Series], found: AbstractSet[bytes]) -> list[Series]:
    """A person's series from their first entry on that is found."""
    standing, begun = [], False
    for one in series:
        first = 0
        while not begun and first < one.count and not (begun := mac.tag(one.key, first) in found):
            first += 1
        standing.append(msgspec.structs.replace(one, first=first))
    return standing


class Place:
    """Where a walk over the log in its order stands: the tag that each subject's next entry will have.

    The tag then tells whose an entry is, where some hundred secrets had to be tried. It holds two short texts
    for each subject met, the tags of shelves from which somebody is gone, and no secret.
    """

    def __init__(self) -> None:
        self._whose: dict[bytes, tuple[str, int]] = {}
        self._next: dict[str, bytes] = {}
        self._living: dict[str, AbstractSet[bytes]] = {}

    def is_strange(self, shelf: str, tag: bytes) -> bool:
        """Whether a tag is none of those who were on a shelf when that was looked up; False if it wasn't."""
        return shelf in self._living and tag not in self._living[shelf]

    def know(self, shelf: str, living: AbstractSet[bytes]) -> None:
        """Remember the tags of all entries of those on a shelf."""
        if len(living) + sum(map(len, self._living.values())) > _TAGS:
            self._living.clear()
        self._living[shelf] = living

    def expects(self, tags: Iterable[bytes]) -> set[str]:
        """The subjects whose next entries have some of these tags."""
        return {self._whose[tag][0] for tag in tags if tag in self._whose}

    def whose(self, tag: bytes) -> tuple[str, int] | None:
        """The subject whose next entry has this tag, and which of theirs it is, from 0; None if unknown."""
        return self._whose.get(tag)

    def begin(self, secrets: Iterable[tuple[str, bytes]]) -> None:
        """Expect the first entry of those who weren't met before."""
        for subject, secret in secrets:
            if subject and subject not in self._next:
                self.expect(subject, secret, 0)

    def expect(self, subject: str, secret: bytes, number: int) -> None:
        """Take a subject's entry `number` (its upper half the generation, from 0) to be their next."""
        self._whose.pop(self._next.get(subject, b""), None)
        tag = mac.tag(mac.tag_key(secret, 1 + (number >> _HALF)), number & (1 << _HALF) - 1)
        self._next[subject], self._whose[tag] = tag, (subject, number)


class _Shelf:
    """The subjects of one log shelf, for a few rows; their secrets are unwrapped when they are needed."""

    def __init__(
        self,
        name: str,
        load: Callable[[str], list[tuple[str, bytes]]],
        numbered: Callable[[Sequence[str]], dict[bytes, int]],
        place: Place | None,
        held: dict[str, bytes],
    ) -> None:
        self._name = name
        self._load = load
        self._numbered = numbered
        self._place = place
        self._held = held
        self._secrets: list[tuple[str, bytes]] | None = None
        self._living: AbstractSet[bytes] | None = None

    def open(self, row: EntryRow, sealed: bytes, opener: BodyOpener, context: bytes) -> bytes | None:
        """Open one body; None if its subject's secret is gone.

        Raises:
            Tampered: It should open, for the subject of its tag lives, and doesn't.
        """
        data = self._expected(row, sealed, opener, context)
        if data is None and self._secrets is None:
            self._secrets = self._all()
            data = self._expected(row, sealed, opener, context)
        return self._tried(row, sealed, opener, context) if data is None else data

    def _tried(self, row: EntryRow, sealed: bytes, opener: BodyOpener, context: bytes) -> bytes | None:
        """Open one body by trying the secrets of the shelf, the ones that fitted before first."""
        secrets = self._secrets or []
        found = opener.first(sealed, (secret for _, secret in secrets), context)
        if found is None:
            if not row.tag or self._is_alive(row.tag):
                raise Tampered("an entry's body does not open", index=row.idx)
            return None
        at, data = found
        subject, secret = secrets.pop(at)
        secrets.insert(0, (subject, secret))
        number = self._numbered([subject]).get(row.tag) if self._place and subject else None
        if self._place and number is not None:
            self._place.expect(subject, secret, number + 1)
        return data

    def _expected(self, row: EntryRow, sealed: bytes, opener: BodyOpener, context: bytes) -> bytes | None:
        """Open the body with the secret of whose next entry it is by its tag; None if that can't be told."""
        subject, number = (self._place.whose(row.tag) if self._place else None) or ("", 0)
        secret = self._held.get(subject)
        if secret is None or self._place is None:
            return None
        try:
            data = opener.open(sealed, secret, context)
        except Tampered:  # the others are tried, as if nothing had been expected
            return None
        self._place.expect(subject, secret, number + 1)
        return data

    def _all(self) -> list[tuple[str, bytes]]:
        """Everyone on the shelf; an entry about nobody has no secret."""
        secrets = self._load(self._name) if self._name else [("", b"")]
        if self._place is not None and self._name:
            self._held.update(secrets)
            self._place.begin(secrets)
        return secrets

    def _is_alive(self, tag: bytes) -> bool:
        """Whether a tag is of somebody whose secret is here, now: who was here before may be gone since."""
        if self._place is not None and self._place.is_strange(self._name, tag):
            return False
        if self._living is None:
            self._living = self._numbered([subject for subject, _ in self._secrets or () if subject]).keys()
            if self._place is not None:
                self._place.know(self._name, self._living)
        return tag in self._living


def _committed(row: EntryRow, data: bytes) -> tuple[bytes, bytes]:
    """A body's salt and content, which must be those its stub commits to."""
    salt, body = data[: stub.SALT_SIZE], data[stub.SALT_SIZE :]
    if stub.digest(salt, body) != row.whom_digest:
        raise Tampered("an entry's body is not the one committed to", index=row.idx)
    return salt, body
