"""Tracing: was this very value looked up, by whom and when (docs/questions.md).

A `find` leaves a keyed digest of the day and the value in the ledger, beside its principal's handle: that
index says who, and on which day. How often, when exactly and whether anybody was found stands in the sealed
bodies of that principal's searches of that day, which are opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Final

from vault.access.tokens import Credential
from vault.asking import Noted, log_table, microseconds, note, said, spoken
from vault.config import iso, today
from vault.crypto import mac
from vault.errors import Invalid
from vault.intake.values import normalise
from vault.ledger.registry import Principal
from vault.model import Word
from vault.preparing import REF
from vault.stores.asking import Asked
from vault.stores.rows import EntryRow
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

_PAGE: Final = 500
_HITS: Final = "hits="
_EPOCH: Final = date(1970, 1, 1)


class LookedUp(Word):
    """One principal's searches for the value on one day.

    Attributes:
        actor, name: Who; "" if the principal isn't registered here.
        day: ISO date, Asia/Shanghai.
        times: How often; 0 where the index names the day and no search of it can be shown (see `entries`).
        hit: How often somebody was found; None where no entry says.
        first, last: When, ISO 8601 in UTC; None without an entry.
        entries: The searches' indices in the log.
    """

    actor: str
    name: str
    day: str
    times: int
    hit: int | None
    first: str | None
    last: str | None
    entries: list[int]


class Tracing:
    """Who looked a value up."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._unsealer = Unsealer(tenancy)

    def looked_up(
        self, credential: Credential, field: str, value: str, *, since: int | None = None,
        until: int | None = None,
    ) -> list[LookedUp]:  # fmt: skip
        """Find who looked a value up, by day; the value is normalised as `find` does, and kept nowhere.

        A search that was refused left no digest. The index is not authenticated: whoever deletes from it
        hides a search from this question, and not from the log, where the search's entry stands.

        Args:
            credential: Who asks.
            field: As `kind.field`, or a borrower's field.
            value: What was perhaps looked up.
            since: µs UTC, inclusive.
            until: µs UTC, exclusive.

        Raises:
            Denied: The token doesn't allow to audit.
            Invalid: Nobody can search by this field, or the value is none of its type.
        """
        owner, _, name = field.rpartition(".")
        kind = self._t.schema.kind(owner or "borrower")
        spec = kind.field(name)
        if not spec.indexed:
            raise Invalid(
                "nobody can search by this field", code="invalid_field", field=f"{kind.name}.{name}",
                remedy="cvault policy explain shows what may be found by",
            )  # fmt: skip
        normal = normalise(spec.type, value)
        noted = note(
            self._t, credential, said("log looked-up", field=f"{kind.name}.{name}", **spoken(since, until))
        )
        indexed = REF if name == kind.ref else name
        digest = mac.index_digest(self._t.keys.index(spec.compartment, kind.name, indexed), normal).hex()
        found = self._who_looked(kind.name, name, digest, self._days_of(since, until, noted))
        detail = f"{kind.name}.{name} {digest}"
        lines = [
            self._looked(noted, actor, day, kind.name, detail, (since, until)) for actor, day in sorted(found)
        ]
        return sorted((line for line in lines if line is not None), key=lambda line: (line.day, line.name))

    def _days_of(self, since: int | None, until: int | None, noted: Noted) -> list[date]:
        """The days in question, from the log's first entry to now unless bounds are given."""
        (first,) = self._t.stores.ledger.entries(self._t.name, 0, 1)
        begin = today(max(since or 0, first.t))
        end = today(noted.now if until is None else min(until, noted.now))
        return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]

    def _who_looked(self, kind: str, field: str, digest: str, days: list[date]) -> set[tuple[str, str]]:
        """Who (principal ids, "" if unknown) looked on which of the days, by the index."""
        key = self._t.keys.handle_key
        digests = [mac.handle(key, "lookup", day.isoformat(), kind, field, digest) for day in days]
        rows = log_table(self._t).looked_up(f"{kind}.{field}", digests)
        known = {
            mac.handle(key, "lookups", principal.id): principal.id
            for principal in (self._t.journal.registry().all(Principal) if rows else ())
        }
        return {(known.get(handle, ""), day) for handle, day in rows}

    def _looked(
        self, noted: Noted, actor: str, day: str, kind: str, detail: str,
        within: tuple[int | None, int | None],
    ) -> LookedUp | None:  # fmt: skip
        """What a principal's searches of a day say; None if all of them lie outside the time asked about."""
        found = list(self._searches(noted, actor, day, kind, detail)) if actor else []
        since, until = within
        kept = [
            (row, hit) for row, hit in found if (since or 0) <= row.t and (until is None or row.t < until)
        ]
        if found and not kept:
            return None
        hits = [hit for _, hit in kept if hit is not None]
        return LookedUp(
            actor=actor, name=noted.names().get(actor, actor), day=day, times=len(kept),
            hit=sum(hit > 0 for hit in hits) if hits else None, first=iso(kept[0][0].t) if kept else None,
            last=iso(kept[-1][0].t) if kept else None, entries=[row.idx for row, _ in kept],
        )  # fmt: skip

    def _searches(
        self, noted: Noted, actor: str, day: str, kind: str, detail: str
    ) -> Iterator[tuple[EntryRow, int | None]]:
        """A principal's searches for the value on a day, each with how many it found, if its entry says."""
        number = (date.fromisoformat(day) - _EPOCH).days
        span = log_table(self._t).span(microseconds(number), microseconds(number + 1), noted.size)
        rows = log_table(self._t).walk(Asked(actor=actor, kind="search", about=kind, outcome="ok"), span)
        while page := list(islice(rows, _PAGE)):
            opened = self._unsealer.bodies(page)
            for row in page:
                whom = opened.get(row.idx)
                words = whom.detail.split() if whom is not None else []
                if " ".join(words[:2]) == detail:
                    hits = words[2].removeprefix(_HITS) if len(words) > 2 else ""  # noqa: PLR2004 - its third
                    yield row, int(hits) if hits.isdecimal() else None
