"""Comparing: whether the vault holds what a source still has. The bench behind `migrate verify`.

Values are opened in here and compared in here; what leaves is one word for each record, and the names of
fields. It is an oracle on values all the same, so the caller logs a page before giving it away.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from vault.completing import Covers, beyond
from vault.crypto import mac
from vault.errors import Invalid, Unavailable
from vault.intake.report import Report
from vault.intake.rows import Rejection, Row
from vault.keeping import Held
from vault.matching import Incoming, Matcher, Matches, Rows
from vault.model import Draft, State, Word
from vault.opening import RETRIES, Opener
from vault.preparing import REF, Key
from vault.stores.errors import ShelfMoved
from vault.tenancy import Tenancy

EQUAL: Final = "equal"
DIFFERING: Final = "differing"
MISSING: Final = "missing"
RESTRICTED: Final = "restricted"

REJECTED: Final = "rejected"
_WORST: Final = (EQUAL, DIFFERING, RESTRICTED, MISSING)
_SAID: Final = {
    DIFFERING: "not the same in the vault",
    MISSING: "not in the vault",
    RESTRICTED: "restricted in the vault, so not compared",
}
_REMEDIES: Final = {
    DIFFERING: "import the row again if the source is right",
    MISSING: "import the row, unless it was erased",
    RESTRICTED: "ask the dpo why it is restricted",
}

CASES: Final = "cases"
SUBJECT: Final = "subject"


class Difference(Rejection, frozen=True, kw_only=True):
    """A line of the report: a row's record that isn't in the vault as it is in the source.

    Attributes:
        key: Keyed digest of the record's external id, the same in every report of this tenant; "" without
            one. Who knows the external id can look it up in the source by row.
    """

    key: str


class Compared(Word):
    """What a comparison found; every row is counted once, under the worst that befell one of its records.

    Attributes:
        rows: Rows read.
        equal: Rows whose records all stand in the vault as they are in the source.
        differing, missing, restricted: Rows with such a record.
        rejected: Rows that could not be imported in the first place.
        report: Absolute path of the report.
        unknown: Headers whose columns are not stored, so not compared.
    """

    rows: int
    equal: int
    differing: int
    missing: int
    restricted: int
    rejected: int
    report: str
    unknown: list[str]


class Verdict(Word):
    """What the vault holds for a draft, without a value.

    Attributes:
        status: `equal`, `differing`, `missing`, or `restricted`: stored and protected, so not opened
            (PIPL 47 ¶2).
        fields: Names that differ, sorted; `cases` if the record isn't known to belong to the draft's case,
            `subject` if it belongs to another borrower than its row's. None where the record differed before.
    """

    status: str
    fields: tuple[str, ...] = ()


class Comparer:
    """Compares drafts with the records of one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._matcher = Matcher(tenancy)
        self._opener = Opener(tenancy)

    def compare(
        self,
        rows: Sequence[tuple[Draft, ...]],
        differed: set[str] | None = None,
        covers: Covers | None = None,
    ) -> list[tuple[Verdict, ...]]:
        """One verdict for each draft, by row; every compared payload was opened for it.

        Args:
            rows: The drafts of each row.
            differed: The records that have differed before; kept current. They are not compared again: a
                source with one guess a row would find out what a record holds.

            covers: What the source has columns for; of the rest it says nothing, so nothing differs there.

        Raises:
            Tampered: A record or the index is not what the vault wrote.
            Unavailable: A write is unfinished; retry.
        """
        verdicts: list[tuple[Verdict, ...]] = []
        for group in self._matcher.groups([Incoming(drafts=row) for row in rows]):
            verdicts += self._patiently(group, set() if differed is None else differed, covers)
        return verdicts

    def _patiently(self, group: Rows, differed: set[str], covers: Covers | None) -> list[tuple[Verdict, ...]]:
        try:
            return self._compare(group, differed, covers)
        except Unavailable as error:
            if error.code != "busy":
                raise
        with self._t.stores.index.turn(self._t.name):  # a writer was at it: wait for it to be done
            return self._compare(group, differed, covers)

    def _compare(self, group: Rows, differed: set[str], covers: Covers | None) -> list[tuple[Verdict, ...]]:
        matches = self._matcher.of(group)
        olds = [
            [_old(matches, d, keys, differed) for d, keys in zip(r.drafts, r.keys, strict=True)]
            for r in group
        ]
        open_ = {
            old.row.record
            for found in olds
            for old in found
            if isinstance(old, Held) and old.facts.state == State.ACTIVE
        }
        stored = self._stored(sorted(open_ - differed))
        verdicts = [
            tuple(
                self._verdict(
                    _named(matches, draft, old), old, stored, _owner(row.drafts, found), differed, covers
                )
                for draft, old in zip(row.drafts, found, strict=True)
            )
            for row, found in zip(group, olds, strict=True)
        ]
        for row, said, found in zip(group, verdicts, olds, strict=True):
            for keys, verdict, old in zip(row.keys, said, found, strict=True):
                if verdict.status == DIFFERING:
                    differed |= _marks(keys) | ({old.row.record} if isinstance(old, Held) else set())
        return verdicts

    def _stored(self, records: Sequence[str]) -> dict[str, tuple[Draft, Held]]:
        for _ in range(RETRIES - 1):
            try:
                return self._opener.drafts(records)
            except ShelfMoved:
                continue
        return self._opener.drafts(records)

    def _verdict(
        self,
        draft: Draft,
        old: Held | Verdict | None,
        stored: dict[str, tuple[Draft, Held]],
        owner: str | None,
        differed: set[str],
        covers: Covers | None,
    ) -> Verdict:
        if isinstance(old, Verdict):
            return old
        if old is None:
            return Verdict(status=MISSING)
        if old.facts.state != State.ACTIVE:
            return Verdict(status=RESTRICTED)
        if old.row.record in differed:
            return Verdict(status=DIFFERING)
        if old.row.record not in stored:  # erased since it was matched
            return Verdict(status=MISSING)
        held, now = stored[old.row.record]
        values = draft.values | (beyond(draft, held.values, covers) if covers is not None else {})
        names = {n for n in {*held.values, *values} if held.values.get(n) != values.get(n)}
        spec = self._t.schema.kind(draft.kind)
        if held.ref != draft.ref:
            names.add(spec.ref or "ref")
        if not {self._t.keys.case_handle(case) for case in draft.cases} <= set(now.facts.cases):
            names.add(CASES)
        if owner is not None and spec.owner != "own" and now.row.subject != owner:
            names.add(SUBJECT)
        return Verdict(status=DIFFERING if names else EQUAL, fields=tuple(sorted(names)))


class Comparison:
    """Counts while a comparison runs; findings go straight to the report."""

    def __init__(self, handle_key: bytes, report: Report) -> None:
        self._key = handle_key
        self._report = report
        self._counts: Counter[str] = Counter()

    def add(self, page: Sequence[Row], verdicts: Sequence[tuple[Verdict, ...]]) -> None:
        """Count a page's rows: each was rejected by intake, or has the next of the verdicts."""
        left = iter(verdicts)
        for row in page:
            if row.rejections:
                self._counts[REJECTED] += 1
                self._report.add(row.rejections)
                continue
            found = next(left)
            self._counts[max((verdict.status for verdict in found), key=_WORST.index)] += 1
            for draft, verdict in zip(row.drafts, found, strict=True):
                self._report.add(self._differences(draft, verdict))

    def result(self, unknown: Sequence[str]) -> Compared:
        """The counts; the report is complete when its own block has ended."""
        counts = {name: self._counts[name] for name in (*_WORST, REJECTED)}
        return Compared(
            rows=self._counts.total(), report=str(self._report.path), unknown=list(unknown), **counts
        )

    def _differences(self, draft: Draft, verdict: Verdict) -> Iterator[Difference]:
        key = "" if draft.ref is None else mac.handle(self._key, "migrate", draft.kind, draft.ref).hex()
        names = verdict.fields or ("",) * (verdict.status != EQUAL)
        for name in names:
            yield Difference(
                row=draft.row,
                field=f"{draft.kind}.{name}" if name else draft.kind,
                code=verdict.status,
                message=_SAID[verdict.status],
                remedy=_REMEDIES[verdict.status],
                key=key,
            )


def pages(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Rows, at most `size` at a time."""
    left = iter(rows)
    while page := list(itertools.islice(left, size)):
        yield page


def _owner(row: Sequence[Draft], found: Sequence[Held | Verdict | None]) -> str | None:
    """The subject that a row's records belong to: its borrower's; None where the row has none."""
    for draft, old in zip(row, found, strict=True):
        if draft.kind == "borrower" and isinstance(old, Held):
            return old.row.subject
    return None


def _named(matches: Matches, draft: Draft, old: Held | Verdict | None) -> Draft:
    """A draft under the external id that an import would leave its record."""
    return matches.named(draft, old) if isinstance(old, Held) else draft


def _marks(keys: Sequence[Key]) -> set[str]:
    """What a record that differed is known by, where a wrong ID number hides which it is."""
    return {digest.hex() for _, field, digest in keys if field == REF}


def _old(matches: Matches, draft: Draft, keys: Sequence[Key], differed: set[str]) -> Held | Verdict | None:
    """The record that a draft is about, or the verdict: it names two different people, or has differed."""
    if not differed.isdisjoint(_marks(keys)):
        return Verdict(status=DIFFERING)
    try:
        return matches.old(draft, keys)
    except Invalid as error:
        return Verdict(status=DIFFERING, fields=((error.field or draft.kind).rpartition(".")[2],))
