"""Pruning: the access log is personal information too, and its parts go when their rule says so (DESIGN 7).

Bodies (*whom*) go first. Entries (stub and open columns) with their level-0 tiles may follow in whole bundles
of 256: the tree above them stays, so every later root and proof still holds (c2sp.org/tlog-tiles, "Pruning").
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.config import SHANGHAI, today
from vault.errors import Invalid, NotFound, Unavailable
from vault.journal import Page
from vault.ledger import stub
from vault.ledger.registry import Audit, Incident, LogFloor, Registry
from vault.ledger.tiles import WIDTH
from vault.model import Facts, Grant, Happening, Whom, Word
from vault.retention import period
from vault.retention.planner import Verdict, decide
from vault.stores.pruning import PruneTable
from vault.stores.tallies import HOUR
from vault.tenancy import Tenancy

LEAST: Final = "P6M"
"""No rule makes a log shorter: 网络安全法 art. 23(三), 21(三) before 2026. Secondary: the amended text was
not read (vault/rules/cn-collections.toml, CSL-LOGS-6M)."""

CHUNK: Final = 20_000
"""Rows deleted in one transaction, so that no writer waits long."""
TRUSTED: Final = 7 * 86_400_000_000
"""µs that a node's clock may be beyond the last cosignature when parts of the log are let go."""
_ACTION: Final = "retention"


class Prunable(Word):
    """What could go, and by which rule.

    Attributes:
        as_of: The day it was decided for.
        before: Entries of days before this one are due; "" if none are.
        bodies, entries: The indexes below which bodies and entries would go; those of what went already, if
            nothing more is due.
        count_bodies, count_entries: How many that is.
        rule, certainty, source: What calls for it.
    """

    as_of: str
    before: str
    bodies: int
    entries: int
    count_bodies: int
    count_entries: int
    rule: str
    certainty: str
    source: str

    @property
    def about(self) -> tuple[str, ...]:
        """Exactly what an approval of this is for."""
        return "log", str(self.bodies), str(self.entries)


class Pruning:
    """What lets parts of the log go."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy

    def prunable(self, *, entries: bool = False, as_of: date | None = None) -> Prunable:
        """What is due as of a day; nothing is changed.

        Args:
            entries: Whether entries would go too, and not bodies alone.
            as_of: The day to decide for [today].

        Raises:
            Invalid: The day lies ahead, outside a sandbox.
        """
        day = as_of or self._t.today()
        if day > self._t.today() and not self._t.policy.sandbox:
            raise Invalid("the day lies ahead", code="invalid_as_of", field="as_of", remedy="wait for it")
        registry = self._t.journal.registry()
        last = self._last_due(registry, day)
        return self._found(registry, day, last, entries=entries)

    def _last_due(self, registry: Registry, as_of: date) -> date | None:
        """The last day whose entries are due: the later an entry, the later it is, so halves decide."""
        first = self._t.stores.ledger.entries(self._t.name, floor_of(registry).bodies, 1)
        if not first:
            return None
        early, late = today(first[0].t), as_of
        if not self._due(registry, early, as_of):
            return None
        while (late - early).days > 1:
            middle = early + (late - early) // 2
            if self._due(registry, middle, as_of):
                early = middle
            else:
                late = middle
        return early

    def _due(self, registry: Registry, day: date, as_of: date) -> bool:
        enough = period.over_from(day, period.parse(LEAST)) <= as_of
        return enough and self._verdict(registry, day, as_of).action == "erase"

    def _verdict(self, registry: Registry, day: date, as_of: date) -> Verdict:
        return decide(
            kind="access_entry",
            facts=Facts(anchors={"imported_on": day.isoformat()}),
            tenant_anchors=self._t.tenant_anchors(registry),
            profile=self._t.config.settings.applies_to,
            rules=self._t.rules,
            as_of=as_of,
        )

    def _found(self, registry: Registry, as_of: date, last: date | None, *, entries: bool) -> Prunable:
        floor = floor_of(registry)
        if last is None:
            below = floor.bodies
            verdict = self._verdict(registry, as_of, as_of)
        else:
            midnight = datetime.combine(last + timedelta(days=1), time(), SHANGHAI)
            found = self._t.stores.ledger.index_at(self._t.name, int(midnight.timestamp()) * 1_000_000)
            below = max(floor.bodies, self._size() if found is None else found)
            verdict = self._verdict(registry, last, as_of)
        stubs = max(floor.entries, below // WIDTH * WIDTH) if entries else floor.entries
        return Prunable(
            as_of=as_of.isoformat(),
            before=(last + timedelta(days=1)).isoformat() if last else "",
            bodies=below,
            entries=stubs,
            count_bodies=below - floor.bodies,
            count_entries=stubs - floor.entries,
            rule=(verdict.trigger or verdict.rule) if last else "",
            certainty=verdict.certainty if last else "",
            source=verdict.source if last else "",
        )

    def _size(self) -> int:
        return self._t.journal.checked(self._t.stores.ledger.head(self._t.name)).size

    def prune(
        self,
        credential: Credential,
        *,
        entries: bool = False,
        as_of: date | None = None,
        request: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Prunable:
        """Let go what is due; run again after a crash, it finishes what it began.

        Args:
            credential: Must allow `execute`.
            entries: Whether entries go too.
            as_of: The day to decide for [today].
            request: The approval, where the policy asks for one.
            progress: Called with rows done and total.

        Raises:
            Denied: Whoever asks may not, or nobody else said yes to exactly this.
            Unavailable: Somebody reads an old snapshot of the ledger; run it again. Or witnesses are in
                force, and have not seen this week (`clock_ahead`).
        """
        due = self.prunable(entries=entries, as_of=as_of)
        if due.count_bodies or due.count_entries:
            self._demand_time()
            self._demand_not_needed()
            more = self._count_tagged(due)
            with self._t.acting(credential, "execute") as (grant, page):
                self._begin(page, grant, due, request, more)
        else:  # perhaps a run before this one died between its entry and its end
            grant = self._t.authenticate(credential)
            self._t.authorise(grant, "execute")
        gone = self._finish(floor_of(self._t.journal.registry()), progress)
        if gone:
            said = f"log pruned: bodies below {due.bodies}, entries below {due.entries}"
            self._t.journal.log(Happening(kind="erase_done", who=self._t.who(grant), whom=Whom(detail=said)))
        return due

    def _demand_time(self) -> None:
        """What is due hangs on the node's clock, and what went can't come back.

        So witnesses must have seen it: each one of the newest cosigned checkpoint, so that it takes all of
        them to lie. Where none are in force, the clock is taken at its word.

        Raises:
            Unavailable: The clock is more than `TRUSTED` beyond what witnesses have last seen.
        """
        t, registry = self._t, self._t.journal.registry()
        policy = t.watch.policy(registry)
        if policy is None or not policy.witnesses:
            return
        newest = t.watch.newest(registry)
        seen = min(one.time for one in newest.by) if newest else 0
        if t.clock() > seen * 1_000_000 + TRUSTED:
            raise Unavailable(
                "this node's clock is days beyond what witnesses have last seen: what is due can't be told",
                code="clock_ahead",
                remedy="set the clock; cvault log witness run",
            )

    def _demand_not_needed(self) -> None:
        """What an open incident or a running audit rests on stays, whatever its age.

        Raises:
            Invalid: One of them is open.
        """
        registry, today_ = self._t.journal.registry(), self._t.today().isoformat()
        open_ = [one.id for one in registry.all(Incident) if not one.closed]
        open_ += [one.id for one in registry.all(Audit) if not one.closed and one.ends >= today_]
        if open_:
            raise Invalid(
                f"{open_[0]} is open: what it may need of the log stays",
                code="invalid_prune",
                field="log",
                remedy="cvault incident close, cvault audit close; or wait for its end",
            )

    def _count_tagged(self, due: Prunable) -> int:
        """How many of the entries that go had a tag, by their stubs: the column proves nothing."""
        first, count = due.entries - due.count_entries, 0
        for start in range(first, due.entries, CHUNK):
            data = self._t.stores.ledger.stubs(self._t.name, start, min(start + CHUNK, due.entries))
            count += sum(bool(stub.decode(one).g) for one in data)
        return count

    def _begin(self, page: Page, grant: Grant, due: Prunable, request: str | None, more: int) -> None:
        self._t.use_approval(page, request, _ACTION, due.about, by=grant.principal, purpose=grant.purpose)
        floor = floor_of(page.registry)
        page.put(
            msgspec.structs.replace(
                floor, bodies=due.bodies, entries=due.entries, tagged=floor.tagged + more, rule=due.rule
            )
        )
        said = f"log: bodies below {due.bodies}, entries below {due.entries}, by {due.rule}"
        page.add(Happening(kind="erase_begin", who=self._t.who(grant), whom=Whom(detail=said)))

    def _finish(self, floor: LogFloor, progress: Callable[[int, int], None] | None) -> int:
        """Delete what lies below the floor, in parts; how many bodies and entries that was."""
        gone = self._parts(floor.bodies, bodies=True, progress=progress)
        gone += self._parts(floor.entries, bodies=False, progress=progress)
        self._drop_tallies(floor)
        if gone:
            self._t.stores.ledger.truncate()
        return gone

    def _drop_tallies(self, floor: LogFloor) -> None:
        """What was counted of staff goes with the entries it was counted from."""
        first = self._t.stores.ledger.entries(self._t.name, floor.entries, 1)
        if floor.entries and first:
            with self._t.stores.ledger.transaction(self._t.name) as tx:
                PruneTable(tx.session, self._t.name).drop_tallies(first[0].t // HOUR)

    def _parts(self, below: int, *, bodies: bool, progress: Callable[[int, int], None] | None) -> int:
        gone = 0
        while True:
            with self._t.stores.ledger.transaction(self._t.name) as tx:
                table = PruneTable(tx.session, self._t.name)
                first = table.first_body() if bodies else table.first_entry()
                if first is None or first >= below:
                    return gone
                upto = min(first + CHUNK, below)
                gone += table.drop_bodies(upto) if bodies else self._drop_entries(table, upto)
            if progress is not None:
                progress(upto, below)

    def _drop_entries(self, table: PruneTable, upto: int) -> int:
        """Whole tiles of level 0 go when the tile above them is complete: a ragged one is made from them."""
        table.drop_tiles(upto // (WIDTH * WIDTH) * WIDTH)
        return table.drop_entries(upto)


def floor_of(registry: Registry) -> LogFloor:
    """How far the log's retention has come."""
    return registry.find(LogFloor, "log") or LogFloor(id="log")


def demand_kept(registry: Registry, index: int) -> None:
    """Demand that an entry was not let go by rule.

    Raises:
        NotFound: It was.
    """
    if index < floor_of(registry).entries:
        raise NotFound(
            "the entry is older than the log's retention keeps", remedy="cvault log prune says from where on"
        )
