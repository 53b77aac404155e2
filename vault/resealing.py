"""Resealing: records follow the schema. The room of those who change what records are made of.

A changed mask, index or openness, and a retired field, leave records that say what they may no longer say.
Each such record gets a version under a fresh secret in the place of every one it has, replaced ones too, and
the old secrets go: nothing that was sealed before opens any more, but with an old copy of the key store,
which dies with its epoch at the next purge (DESIGN 5).

Order, for a page of records: secrets pending → payloads and facts → index → confirm → the old versions'
secrets, by re-wrapping their shelves → the old payloads. Every step can be run again: the row `SchemaInForce`
says `applying` until all is done, and until then this vault serves nothing else.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from vault.access.tokens import Credential
from vault.crypto.sign import token_bytes
from vault.deriving import Deriver
from vault.errors import ConfigError, Tampered, Unavailable
from vault.journal import Page
from vault.keeping import Held, NewSecret
from vault.ledger.registry import SchemaInForce, in_force
from vault.model import COMPARTMENTS, Draft, Facts, Grant, Happening, Past, Quiet, Whom, Word
from vault.preparing import Place, Preparer, Ready
from vault.remembering import Memory, Notes
from vault.retracing import Retracer, Version
from vault.schema import FieldSpec, builtin
from vault.schema_own import Change, changes, demand_permanent
from vault.stores.rows import PayloadRow
from vault.telemetry import logger
from vault.tenancy import Tenancy

PAGE: Final = 500
"""Records looked at under one turn of the writers: others wait no longer than that."""
Progress = Callable[[int, int], None]


class Applied(Word):
    """What applying a schema did.

    Attributes:
        schema: Its hash.
        changes: What differs from the schema that was in force.
        resealed: Records sealed anew by this run.
        held: Records under a legal hold that keep their retired values, seen by nobody, until it is released.
        damaged: Records that don't open; they are as they were. Both are for another run, later.
    """

    schema: str
    changes: list[Change]
    resealed: int = 0
    held: int = 0
    damaged: int = 0


class _Anew(Quiet):
    """A record about to be sealed anew: its next version, and those that take the place of replaced ones."""

    held: Held
    ready: Ready
    past: list[tuple[NewSecret, list[PayloadRow]]]


class _Found:
    """What the stores have of a page of records.

    Attributes:
        payloads: By record and version.
        highest: The highest number that any version of a record has, unfinished writes' included.
        ends: The tenant's own anchors.
    """

    def __init__(self, tenancy: Tenancy, records: Sequence[str]) -> None:
        stores, name = tenancy.stores, tenancy.name
        self.payloads: dict[Version, list[PayloadRow]] = defaultdict(list)
        for row in stores.records.fetch(name, records, COMPARTMENTS):
            self.payloads[row.record, row.version].append(row)
        self.highest: dict[str, int] = {}
        for secret in stores.keys.versions(name, records):
            self.highest[secret.record] = max(secret.version, self.highest.get(secret.record, 0))
        self.ends = tenancy.tenant_anchors()


class _Tally:
    """What a run came to, and of which kinds something is left to do."""

    def __init__(self) -> None:
        self.resealed = self.held = self.damaged = 0
        self.waiting: set[str] = set()


class Resealing:
    """Carries one tenant's records over to another schema.

    Args:
        tenancy: Opened under that schema.
        install: Puts the schema's file where the vault looks for it.
    """

    def __init__(self, tenancy: Tenancy, install: Callable[[], None]) -> None:
        self._t = tenancy
        self._install = install
        self._retracer = Retracer(tenancy)
        self._memory = Memory(tenancy)
        profile = tenancy.config.settings.applies_to
        self._keeper = Preparer(tenancy.keys, self._retracer.schema, tenancy.rules, profile)

    def diff(self) -> list[Change]:
        """What differs from the schema in force, and how many records each change seals anew.

        Raises:
            ConfigError: It takes back what holds for ever (`vault.schema_own.demand_permanent`).
        """
        return self._changes(self._in_force(self._t.journal.registry().find(SchemaInForce, "schema")))

    def apply(self, credential: Credential, progress: Progress | None = None) -> Applied:
        """Put the schema in force; after a crash, run again, it finishes what it began.

        Args:
            credential: Must allow `policy`.
            progress: Called with records looked at and total.

        Raises:
            Denied: The token doesn't allow it.
            ConfigError: It takes back what holds for ever, or another schema is half applied.
            Unavailable: Somebody reads an old snapshot of a store; run it again.
        """
        with self._t.acting(credential, "policy") as (grant, page):
            before = self._in_force(page.registry.find(SchemaInForce, "schema"))
            found = self._changes(before)
            kinds = {change.kind for change in found if change.reseals} | set(before.waiting)
            if before.state == "applied" and not (found or kinds) and before.own == self._t.schema.own:
                self._install()
                return Applied(schema=self._t.schema.hash, changes=found)
            self._begin(page, grant, before, kinds)
        self._install()
        tally = self._walk(kinds, progress) if kinds else _Tally()
        self._finish(grant, before, tally)
        return Applied(
            schema=self._t.schema.hash, changes=found, resealed=tally.resealed, held=tally.held,
            damaged=tally.damaged,
        )  # fmt: skip

    # --- beginning and end ----------------------------------------------------------------------------

    @staticmethod
    def _in_force(row: SchemaInForce | None) -> SchemaInForce:
        """The row; a vault from before there was one is under what ships."""
        return row or in_force(builtin())

    def _changes(self, before: SchemaInForce) -> list[Change]:
        t = self._t
        if before.state != "applied" and before.own != t.schema.own:
            raise ConfigError(
                "another schema is half applied", code="invalid_schema", field="schema",
                remedy="finish that one first: cvault schema apply",
            )  # fmt: skip
        demand_permanent(before.kinds, before.retired, t.schema)
        found = changes(before.kinds, t.schema)
        counts = {kind: t.stores.records.count(t.name, kind) for kind in {c.kind for c in found if c.reseals}}
        return [msgspec.structs.replace(c, records=counts[c.kind] if c.reseals else 0) for c in found]

    def _begin(self, page: Page, grant: Grant, before: SchemaInForce, kinds: set[str]) -> None:
        after = in_force(self._t.schema, before.retired)
        page.put(
            msgspec.structs.replace(after, state="applying", kinds=before.kinds, waiting=tuple(sorted(kinds)))
        )
        detail = f"schema begin {after.hash} kinds={','.join(sorted(kinds)) or '-'}"
        page.add(
            Happening(kind="config", who=self._t.who(grant), whom=Whom(detail=detail, ticket=grant.ticket))
        )

    def _demand_begun(self, row: SchemaInForce | None) -> None:
        """A run that slept while others finished its work, and perhaps began another, must not go on.

        Raises:
            Unavailable: It isn't this schema any more that is being applied.
        """
        if row is None or (row.state, row.own) != ("applying", self._t.schema.own):
            raise Unavailable("another run has finished this", code="conflict", remedy="cvault schema diff")

    def _finish(self, grant: Grant, before: SchemaInForce, tally: _Tally) -> None:
        after = in_force(self._t.schema, before.retired)
        with self._t.journal.page() as page:
            self._demand_begun(page.registry.find(SchemaInForce, "schema"))
            page.put(msgspec.structs.replace(after, waiting=tuple(sorted(tally.waiting))))
            counts = f"resealed={tally.resealed} held={tally.held} damaged={tally.damaged}"
            detail = f"schema done {after.hash} {counts}"
            page.add(Happening(kind="config", who=self._t.who(grant), whom=Whom(detail=detail)))

    # --- the walk -------------------------------------------------------------------------------------

    def _walk(self, kinds: set[str], progress: Progress | None) -> _Tally:
        t, tally, done, after = self._t, _Tally(), 0, ""
        total = t.stores.records.count(t.name)
        while ids := t.stores.keys.records(t.name, after, PAGE):
            with t.stores.index.turn(t.name):  # nobody else writes meanwhile
                self._demand_begun(t.journal.registry().find(SchemaInForce, "schema"))
                self._page(ids, kinds, tally)
            done, after = done + len(ids), ids[-1]
            if progress is not None:
                progress(done, total)
        Deriver(t).sweep()
        for store in (t.stores.keys, t.stores.index, t.stores.records):
            store.truncate()
        return tally

    def _page(self, ids: Sequence[str], kinds: set[str], tally: _Tally) -> None:
        gone = self._t.stores.ledger.entombed(self._t.name, ids)
        held = [h for h in self._held(ids, tally, kinds) if h.kind in kinds and h.row.record not in gone]
        self._confirm_past(held)
        found = _Found(self._t, [h.row.record for h in held])
        anew = [one for h in held if (one := self._anew(h, found, tally)) is not None]
        if anew:
            self._write(anew)
        tally.resealed += len(anew)
        self._erase_others(held, anew, found.payloads)

    def _held(self, ids: Sequence[str], tally: _Tally, kinds: set[str]) -> list[Held]:
        """Records with their facts; one whose facts were edited must not keep the others back."""
        try:
            return list(self._t.keeping.fetch(ids).values())
        except Tampered:
            if len(ids) > 1:
                return [held for ident in ids for held in self._held([ident], tally, kinds)]
            logger().warning("a record to be sealed anew has no facts that hold", tenant=self._t.name)
            tally.damaged += 1
            tally.waiting |= kinds
            return []

    def _confirm_past(self, held: Sequence[Held]) -> None:
        """Let past versions live that a run sealed anew and was killed before it confirmed them."""
        known = {(h.row.record, past.version): h for h in held for past in h.facts.past}
        pending = [
            (row.record, row.version)
            for row in self._t.stores.keys.pending(self._t.name)
            if (row.record, row.version) in known
        ]
        self._confirm([(known[version], version) for version in pending])

    def _confirm(self, versions: Sequence[tuple[Held, Version]]) -> None:
        """Confirm replaced versions: below the latest, and with a counter that changes nothing of it."""
        by_record: dict[str, list[tuple[str, int, str, int]]] = defaultdict(list)
        for held, (record, version) in versions:
            by_record[record].append((record, version, held.row.subject, 0))
        for nth in itertools.zip_longest(*by_record.values()):  # each record once in a call
            self._t.stores.keys.confirm(self._t.name, [item for item in nth if item is not None])

    # --- one record -----------------------------------------------------------------------------------

    def _anew(self, held: Held, found: _Found, tally: _Tally) -> _Anew | None:
        """A record sealed anew; None if it stands as it should, or doesn't open."""
        layouts = {held.facts.layout, *(past.layout for past in held.facts.past)}
        kept, on_hold = self._keeper.layouts[held.kind], bool(held.facts.holds)
        retired = self._t.schema.kind(held.kind).retired
        if layouts == {self._t.preparer.layouts[held.kind]}:
            return None
        if on_hold and retired and layouts == {kept}:
            self._wait(held, tally)
            return None
        try:
            drafts = self._retracer.versions(held, found.payloads)
            notes = self._memory.notes(held)
        except Tampered:
            logger().warning("a record to be sealed anew does not open", tenant=self._t.name)
            tally.damaged += 1
            tally.waiting.add(held.kind)
            return None
        keep = on_hold and any(retired.keys() & draft.values.keys() for _, draft in drafts)
        if keep:
            self._wait(held, tally)
        preparer = self._keeper if keep else self._t.preparer
        known = {name: note for name, note in notes.items() if name in preparer.fields(held.kind)}
        return self._sealed(held, drafts, known, preparer, found)

    @staticmethod
    def _wait(held: Held, tally: _Tally) -> None:
        tally.held += 1
        tally.waiting.add(held.kind)

    def _sealed(
        self,
        held: Held,
        drafts: Sequence[tuple[Past, Draft]],
        notes: Notes,
        preparer: Preparer,
        found: _Found,
    ) -> _Anew:
        """A record's versions under fresh secrets: the latest last, so that its number is the highest."""
        record, subject, kind = held.row.record, held.row.subject, held.kind
        first = 1 + found.highest[record]
        layout = preparer.layouts[kind]
        *before, (_, latest) = [(past, _only(draft, preparer.fields(kind))) for past, draft in drafts]
        past: list[Past] = []
        sealed: list[tuple[int, bytes, list[PayloadRow]]] = []
        for number, (old, draft) in enumerate(before, first):
            place, secret = Place(record=record, subject=subject, version=number), token_bytes(32)
            sealed.append((number, secret, preparer.payloads(draft, place, secret)))
            past.append(
                msgspec.structs.replace(old, version=number, parts=preparer.parts(draft), layout=layout)
            )
        number, secret = first + len(before), token_bytes(32)
        told = _only(latest, self._t.preparer.fields(kind))
        facts: Facts = msgspec.structs.replace(
            held.facts, version=number, past=tuple(past), parts=preparer.parts(latest), layout=layout,
            fingerprint=preparer.fingerprint(told, secret),
            corrected=self._memory.sealed(notes, record, number, secret),
        )  # fmt: skip
        place = Place(record=record, subject=subject, version=number, counter=held.next_counter)
        ready = preparer.ready(latest, place, secret, facts, found.ends)
        return _Anew(
            held=held,
            ready=ready,
            past=[
                (NewSecret(record=record, version=n, due=ready.due, secret=key), rows)
                for n, key, rows in sealed
            ],
        )

    # --- writing --------------------------------------------------------------------------------------

    def _write(self, anew: Sequence[_Anew]) -> None:
        """The order of a write (module docstring of `vault.writing`), the past versions confirmed last."""
        t, ready = self._t, [one.ready for one in anew]
        latest = [
            NewSecret(record=r.place.record, version=r.place.version, due=r.due, secret=r.secret)
            for r in ready
        ]
        past = [pair for one in anew for pair in one.past]
        t.keeping.keep([*latest, *(secret for secret, _ in past)], [])
        t.stores.records.insert(
            [row for r in ready for row in r.payloads] + [row for _, rows in past for row in rows],
            [r.facts_row for r in ready],
        )
        t.stores.index.put(
            t.name,
            [r.place.record for r in ready],
            [row for r in ready for row in r.blind],
            [row for r in ready for row in r.attributes],
        )
        t.stores.keys.confirm(
            t.name, [(r.place.record, r.place.version, r.place.subject, r.place.counter) for r in ready]
        )
        self._confirm([(one.held, (new.record, new.version)) for one in anew for new, _ in one.past])

    def _erase_others(self, held: Sequence[Held], anew: Sequence[_Anew], payloads: Iterable[Version]) -> None:
        """Erase every version that is neither the latest nor among the past: what a new one stands for.

        A later number is an unfinished write's, which the sweeper takes.
        """
        t = self._t
        latest = {h.row.record: h.row.version for h in held} | {
            one.ready.place.record: one.ready.place.version for one in anew
        }
        facts = {h.row.record: h.facts for h in held} | {
            one.ready.place.record: one.ready.facts for one in anew
        }
        kept = set(latest.items()) | {(r, past.version) for r, f in facts.items() for past in f.past}
        by_shelf: dict[str, set[Version]] = defaultdict(set)
        for row in t.stores.keys.versions(t.name, list(latest)):
            if (row.record, row.version) not in kept and row.version < latest[row.record]:
                by_shelf[row.shelf].add((row.record, row.version))
        for shelf, versions in sorted(by_shelf.items()):
            t.keeping.rewrap_versions(shelf, versions)
        gone = {version for versions in by_shelf.values() for version in versions}
        gone |= {(r, number) for r, number in payloads if (r, number) not in kept and number < latest[r]}
        t.stores.records.delete_versions(t.name, sorted(gone))
        stands = {h.row.record: h.row.facts_counter for h in held}
        stands |= {one.ready.place.record: one.ready.place.counter for one in anew}
        t.stores.records.drop_facts(t.name, sorted(stands.items()))


def _only(draft: Draft, fields: Mapping[str, FieldSpec]) -> Draft:
    """A draft without what has no field."""
    values = {name: text for name, text in draft.values.items() if name in fields}
    return msgspec.structs.replace(draft, values=values)
