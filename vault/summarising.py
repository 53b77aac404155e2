"""Summarising: a month of the access log on one page, for an auditor's files (docs/questions.md).

Counts and the names of principals alone: no borrower stands in it, and no body is opened. What it says of a
month that is over doesn't change, but for the names of principals and for witnesses that come late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Final

from vault.access.tokens import Credential
from vault.asking import Noted, day_of, is_off, local, log_table, microseconds, note, said
from vault.config import iso, today
from vault.errors import Invalid
from vault.ledger import checkpoint
from vault.ledger.note import VKey
from vault.ledger.registry import Principal
from vault.model import Word
from vault.stores.asking import Span
from vault.stores.tallies import CLEAR, MASKED, Tallies, Which
from vault.tenancy import Tenancy

ACTORS: Final = 20
"""Principals that the page names: those who read the most."""
NO_CASE: Final = "no_case"
_EPOCH: Final = date(1970, 1, 1)
_DECEMBER: Final = 12


class Day(Word):
    """One day (ISO date, Asia/Shanghai): reads, those of them that showed something CLEAR, and refusals."""

    day: str
    reads: int
    clear: int
    refused: int


class Share(Word):
    """How many entries a word of the log has; `zh` is the word in Chinese, or the word again."""

    word: str
    zh: str
    count: int


class Refusals(Word):
    """Entries that did not end well, by reason and by how they ended."""

    reason: str
    outcome: str
    count: int


class Reader(Word):
    """A principal's reads; `sort` is `person`, `service`, `agency`, or "" if it isn't registered."""

    actor: str
    name: str
    sort: str
    reads: int
    off_hours: int


class Vouched(Word):
    """The checkpoint that covers the month, and who cosigned one that does.

    Attributes:
        size, root: The checkpoint's tree size, and its root in hex.
        note: The signed note itself (docs/formats/checkpoint.md).
        witnesses: By witness, the instant (ISO 8601, UTC) of its first cosignature that covers the month.
    """

    size: int
    root: str
    note: str
    witnesses: dict[str, str]


class Summary(Word):
    """A month of a tenant's log.

    Attributes:
        origin: The log's name.
        month: Like `2026-10`, Asia/Shanghai. complete: Whether it is over.
        first, last: The indices of its first and last entry; None where it has none.
        entries: How many it has.
        reads, masked, clear: Reads that went well, and how much they showed at most.
        off_hours: Reads at night and on weekends. off_people: Those of them that were people's.
        days: Every day of the month.
        purposes, roles: Reads by purpose and by role, the most first.
        fields: Entries that showed a field CLEAR, as `kind.field`, the most first.
        refusals: The most first.
        actors: The `ACTORS` who read the most. readers: How many read at all.
        kinds: Entries by kind.
        alarms, glass: Alarms, and those of them for which somebody broke the glass.
        no_case: Reads that were marked as of people without an open case.
        checkpoint: None where the log had not begun.
        made: When the summary was made: the only part that differs each time.
    """

    tenant: str
    origin: str
    month: str
    complete: bool
    first: int | None
    last: int | None
    entries: int
    reads: int
    masked: int
    clear: int
    off_hours: int
    off_people: int
    days: list[Day]
    purposes: list[Share]
    roles: list[Share]
    fields: list[Share]
    refusals: list[Refusals]
    actors: list[Reader]
    readers: int
    kinds: dict[str, int]
    alarms: int
    glass: int
    no_case: int
    checkpoint: Vouched | None
    made: str


class Summarising:
    """The summaries of the auditing room."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._counts = Tallies(tenancy.stores.ledger, tenancy.name)

    def summarise(
        self,
        credential: Credential,
        month: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Summary:
        """Sum up a month.

        Args:
            credential: Who asks.
            month: Like `2026-10`, Asia/Shanghai; the running one if none is given.
            progress: Told how many of how many new entries are counted.

        Raises:
            Denied: The token doesn't allow to audit.
            Invalid: Not a month.
            Tampered: The checkpoint stored for the month isn't signed by the log's key.
        """
        begin = _month(month, self._t.today())
        end = _following(begin)
        noted = note(self._t, credential, said("log summary", month=f"{begin:%Y-%m}"))
        self._counts.catch_up(noted.size, progress)
        since, until = (microseconds((day - _EPOCH).days) for day in (begin, end))
        span = log_table(self._t).span(since, until, noted.size)
        reads = self._counts.sums(("hour", "actor", "view"), _READS, since, until)
        ended = self._counts.sums(("hour", "reason", "outcome"), Which(refused=True), since, until)
        alarms = self._counts.sums(("reason",), Which(kind="alarm"), since, until)
        kinds = self._counts.sums(("kind",), Which(), since, until)
        views, off = _views(reads), _off(reads)
        people = {p.id for p in noted.registry.all(Principal) if p.sort == "person"}
        actors = self._readers(reads, off, noted)
        return Summary(
            tenant=self._t.name, origin=self._t.keys.origin, month=f"{begin:%Y-%m}",
            complete=end <= today(noted.now),
            first=span.start if span.start < span.stop else None,
            last=span.stop - 1 if span.start < span.stop else None,
            entries=span.stop - span.start, reads=reads.total(), masked=views[MASKED], clear=views[CLEAR],
            off_hours=off.total(), off_people=sum(n for actor, n in off.items() if actor in people),
            days=_days(begin, end, reads, ended),
            purposes=self._shares("purpose", since, until), roles=self._shares("role", since, until),
            fields=self._fields_shown(span), refusals=_refusals(ended), actors=actors[:ACTORS],
            readers=len(actors), kinds={kind: n for (kind,), n in sorted(kinds.items())},
            alarms=alarms.total(), glass=alarms["break_glass",],
            no_case=log_table(self._t).marked(NO_CASE, span), checkpoint=self._vouched(span.stop),
            made=iso(noted.now),
        )  # fmt: skip

    def _shares(self, by: str, since: int, until: int) -> list[Share]:
        file = self._t.policy.file
        specs = file.purposes if by == "purpose" else file.roles
        zh = {word: spec.zh for word, spec in specs.items()}
        return _ranked(
            Share(word=word, zh=zh.get(word, word), count=count)
            for (word,), count in self._counts.sums((by,), _READS, since, until).items()
        )

    def _fields_shown(self, span: Span) -> list[Share]:
        """Entries of the span by the fields that they showed CLEAR, whatever their kind."""
        table, found = log_table(self._t), Counter[tuple[str, str]]()
        for about in table.shown_clear():
            spec = self._t.schema.kinds.get(about)
            known = (*spec.fields.values(), *spec.retired.values()) if spec is not None else ()
            for bits, count in table.clear_views(about, span).items():
                for field in known:
                    if bits & 1 << field.number:
                        found[f"{about}.{field.name}", field.zh] += count
        return _ranked(Share(word=word, zh=zh, count=count) for (word, zh), count in found.items())

    @staticmethod
    def _readers(reads: Counter[tuple[int, str, int]], off: Counter[str], noted: Noted) -> list[Reader]:
        sums = Counter[str]()
        for (_, actor, _), count in reads.items():
            sums[actor] += count
        known = {principal.id: principal for principal in noted.registry.all(Principal)}
        found = [
            Reader(
                actor=actor, name=known[actor].name if actor in known else actor,
                sort=known[actor].sort if actor in known else "", reads=count, off_hours=off[actor],
            )
            for actor, count in sums.items()
        ]  # fmt: skip
        return sorted(found, key=lambda reader: (-reader.reads, reader.actor))

    def _vouched(self, stop: int) -> Vouched | None:
        """The smallest stored checkpoint that covers the month: the same one whenever that is asked.

        While the month runs none may be stored yet; then it is the newest.
        """
        if not stop:
            return None
        table = log_table(self._t)
        text = table.checkpoint_of(stop) or self._t.journal.checkpoint()
        key = VKey(name=self._t.keys.origin, public=self._t.keys.log.public)
        point = checkpoint.open_checkpoint(text, key)
        witnesses = {one.witness: iso(one.t) for one in table.witnessed(stop)}
        return Vouched(size=point.size, root=point.root.hex(), note=text, witnesses=witnesses)


_READS: Final = Which(kind="read", refused=False)


def _month(text: str | None, now: date) -> date:
    """The first day of a month.

    Raises:
        Invalid: It isn't one, or hasn't begun.
    """
    try:
        found = now.replace(day=1) if text is None else date.fromisoformat(f"{text}-01")
    except ValueError:
        found = None
    if found is None or found > now or found < _EPOCH + timedelta(days=1):
        raise Invalid(
            "not a month that has begun", code="invalid_month", field="month", remedy="write 2026-10"
        )
    return found


def _following(begin: date) -> date:
    year, month = (begin.year + 1, 1) if begin.month == _DECEMBER else (begin.year, begin.month + 1)
    return date(year, month, 1)


def _days(
    begin: date,
    end: date,
    reads: Counter[tuple[int, str, int]],
    ended: Counter[tuple[int, str, str]],
) -> list[Day]:
    shown, clear, refused = Counter[int](), Counter[int](), Counter[int]()
    for (hour, _, view), count in reads.items():
        shown[day_of(hour)] += count
        clear[day_of(hour)] += count * (view == CLEAR)
    for (hour, _, _), count in ended.items():
        refused[day_of(hour)] += count
    numbers = range((begin - _EPOCH).days, (end - _EPOCH).days)
    return [
        Day(day=(_EPOCH + timedelta(days=n)).isoformat(), reads=shown[n], clear=clear[n], refused=refused[n])
        for n in numbers
    ]


def _views(reads: Counter[tuple[int, str, int]]) -> Counter[int]:
    """Reads by the highest view shown."""
    found = Counter[int]()
    for (_, _, view), count in reads.items():
        found[view] += count
    return found


def _off(reads: Counter[tuple[int, str, int]]) -> Counter[str]:
    """Reads outside the working day, by principal."""
    found = Counter[str]()
    for (hour, actor, _), count in reads.items():
        at, weekend = local(int(hour))
        found[actor] += count * is_off(at, weekend=weekend)
    return found


def _refusals(ended: Counter[tuple[int, str, str]]) -> list[Refusals]:
    sums = Counter[tuple[str, str]]()
    for (_, reason, outcome), count in ended.items():
        sums[reason, outcome] += count
    found = [Refusals(reason=reason, outcome=outcome, count=n) for (reason, outcome), n in sums.items()]
    return sorted(found, key=lambda one: (-one.count, one.reason, one.outcome))


def _ranked(shares: Iterable[Share]) -> list[Share]:
    return sorted(shares, key=lambda share: (-share.count, share.word))
