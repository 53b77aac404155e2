"""Tallying: questions about how many, answered from counts that are kept up with the log (docs/questions.md).

The counts are derived. Every question first counts on what is new, and `check_tallies` holds all of them
against the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Final, Literal

from vault.access.tokens import Credential
from vault.asking import Noted, is_off, local, log_table, note, said, spoken
from vault.errors import Tampered
from vault.ledger.registry import Principal
from vault.model import Word
from vault.stores.asking import Asked
from vault.stores.tallies import Tallies, Which
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

Progress = Callable[[int, int], None]
By = Literal["actor", "role", "purpose"]

_PAGE: Final = 500


class Counted(Word):
    """How many entries one word of a question has.

    Attributes:
        word: What was counted by: a principal's id, a role, a purpose or a reason.
        name: A principal's name; else the word again.
        outcome: How they ended, where refusals are counted; else "ok".
        count: Entries.
        people: Different subjects among them, where that was asked; None where it wasn't.
        unknown: Entries whose subject can't be told any more, for their log secret is gone.
    """

    word: str
    name: str
    outcome: str
    count: int
    people: int | None = None
    unknown: int = 0


class AtHour(Word):
    """Reads of one principal at one hour of the day, outside the working day or on weekends.

    Attributes:
        actor, name, sort: Who; `sort` is `person`, `service` or `agency`, "" if not registered.
        hour: 0 to 23, Asia/Shanghai.
        weekend: Whether on Saturdays and Sundays.
    """

    actor: str
    name: str
    sort: str
    hour: int
    weekend: bool
    count: int


class OffHours(Word):
    """Reads outside the working day.

    Attributes:
        reads: All reads of that time.
        night: Those from 22:00 to 08:00 on weekdays.
        weekend: Those on Saturdays and Sundays, whatever the hour.
        lines: By principal and hour, the most first.
    """

    reads: int
    night: int
    weekend: int
    lines: list[AtHour]


class Tallying:
    """The counts of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._tallies = Tallies(tenancy.stores.ledger, tenancy.name)

    def refusals(
        self,
        credential: Credential,
        *,
        by: Literal["reason", "actor", "role"] = "reason",
        since: int | None = None,
        until: int | None = None,
        progress: Progress | None = None,
    ) -> list[Counted]:
        """How many requests were refused or failed, the most first.

        Args:
            credential: Who asks.
            by: What is counted by; how they ended is always told apart.
            since: µs UTC, inclusive.
            until: µs UTC, exclusive.
            progress: Told how many of how many new entries are counted.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        noted = self._counted_on(credential, said("log refusals", by=by, **spoken(since, until)), progress)
        sums = self._tallies.sums((by, "outcome"), Which(refused=True), since, until)
        names = noted.names() if by == "actor" else {}
        return [
            Counted(word=word, name=names.get(word, word), outcome=outcome, count=count)
            for (word, outcome), count in ranked(sums)
        ]

    def top(
        self,
        credential: Credential,
        *,
        by: By = "actor",
        distinct: bool = False,
        since: int | None = None,
        until: int | None = None,
        progress: Progress | None = None,
    ) -> list[Counted]:
        """Who read the most, the most first.

        Args:
            credential: Who asks.
            by: What is counted by.
            distinct: Also count different people. That opens the body of every read of that time.
            since: µs UTC, inclusive.
            until: µs UTC, exclusive.
            progress: Told how many of how many new entries are counted.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        words = said("log top", by=by, distinct=distinct, **spoken(since, until))
        noted = self._counted_on(credential, words, progress)
        sums = self._tallies.sums((by,), Which(kind="read", refused=False), since, until)
        names = noted.names() if by == "actor" else {}
        people, unknown = self._people_read(by, since, until, noted.size) if distinct else ({}, Counter())
        return [
            Counted(
                word=word, name=names.get(word, word), outcome="ok", count=count,
                people=people.get(word, 0) if distinct else None, unknown=unknown[word],
            )
            for (word,), count in ranked(sums)
        ]  # fmt: skip

    def off_hours(
        self,
        credential: Credential,
        *,
        since: int | None = None,
        until: int | None = None,
        progress: Progress | None = None,
    ) -> OffHours:
        """Reads from 22:00 to 08:00 and on weekends, by principal and hour (Asia/Shanghai).

        Args:
            credential: Who asks.
            since: µs UTC, inclusive.
            until: µs UTC, exclusive.
            progress: Told how many of how many new entries are counted.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        noted = self._counted_on(credential, said("log off-hours", **spoken(since, until)), progress)
        sums = self._tallies.sums(("hour", "actor"), Which(kind="read", refused=False), since, until)
        known = {principal.id: principal for principal in noted.registry.all(Principal)}
        found: Counter[tuple[str, int, bool]] = Counter()
        for (hour, actor), count in sums.items():
            at, weekend = local(int(hour))
            if is_off(at, weekend=weekend):
                found[actor, at, weekend] += count
        lines = [
            AtHour(
                actor=actor, name=known[actor].name if actor in known else actor,
                sort=known[actor].sort if actor in known else "", hour=at, weekend=weekend, count=count,
            )
            for (actor, at, weekend), count in ranked(found)
        ]  # fmt: skip
        rest = sum(line.count for line in lines if line.weekend)
        return OffHours(reads=sums.total(), night=found.total() - rest, weekend=rest, lines=lines)

    def check_tallies(self, progress: Progress | None = None) -> int:
        """Hold the counts against the log; how many entries they count.

        Raises:
            Tampered: Some hours are counted otherwise than the log says.
        """
        wrong = self._tallies.differing(progress)
        if wrong:
            raise Tampered(
                f"the counts of {wrong} hours are not what the log says", remedy="cvault log verify --retally"
            )
        return self._tallies.upto()

    def retally(self, credential: Credential, progress: Progress | None = None) -> int:
        """Count again all that was counted, from the log; how many entries.

        It is an entry: counts that were edited are a trace of who edited them, and this removes it.

        Raises:
            Denied: The token doesn't allow to audit.
        """
        note(self._t, credential, said("log verify", retally=True))
        return self._tallies.rebuild(progress)

    def _counted_on(self, credential: Credential, words: str, progress: Progress | None) -> Noted:
        """Enter a question and count on what is new since the last one."""
        noted = note(self._t, credential, words)
        self._tallies.catch_up(noted.size, progress)
        return noted

    def _people_read(
        self, by: By, since: int | None, until: int | None, size: int
    ) -> tuple[dict[str, int], Counter[str]]:
        """How many different subjects stand behind the reads of each word, and how many can't be told."""
        table = log_table(self._t)
        rows = table.walk(Asked(kind="read", outcome="ok"), table.span(since, until, size))
        unsealer, seen, unknown = Unsealer(self._t), dict[str, set[str]](), Counter[str]()
        while page := list(islice(rows, _PAGE)):
            opened = unsealer.bodies(page)
            for row in page:
                word = getattr(row, by)
                whom = opened.get(row.idx)
                if whom is None:
                    unknown[word] += 1
                elif whom.subject:
                    seen.setdefault(word, set()).add(whom.subject)
        return {word: len(subjects) for word, subjects in seen.items()}, unknown


def ranked(sums: Counter[tuple]) -> list[tuple[tuple, int]]:  # type: ignore[type-arg]
    """What was counted, the most first, then by word, so that the order is always the same."""
    return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
