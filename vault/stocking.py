"""Stocking: from drafts to stored records. The bench behind imports and writes.

A draft finds the record it belongs to by its external id, a borrower also by ID number. The same content
again changes nothing; other content makes a new version under a fresh secret (DESIGN 2, 5).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import msgspec

from vault.access.masking import mask
from vault.crypto import mac
from vault.crypto.ids import neighbourhood, new_id
from vault.crypto.sealing import AES_256_GCM, seal
from vault.crypto.sign import token_bytes
from vault.deriving import Deriver
from vault.errors import Invalid
from vault.intake.rows import Rejection
from vault.keeping import Held, NewSecret, NewSubject
from vault.matching import Matcher, Matches, Rows
from vault.model import Context, Draft, Facts, Quiet
from vault.retention.planner import due
from vault.stores.rows import PayloadRow
from vault.tenancy import REF, Tenancy

Log = Callable[[Sequence[Draft]], None]


class Placed(Quiet):
    """A draft with the record it becomes."""

    draft: Draft
    record: str
    subject: str
    version: int
    counter: int
    secret: bytes
    facts: Facts
    replaces: bool
    stood: int = 0


class Stocked:
    """What came of a batch: record ids in the order of the drafts, counts, and rows refused."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.stored: Counter[str] = Counter()
        self.unchanged = 0
        self.rejections: list[Rejection] = []

    def raise_first(self) -> None:
        """Raise the first refusal, for a caller whose request is all or nothing.

        Raises:
            Invalid: There is one.
        """
        for r in self.rejections:
            raise Invalid(r.message, code=r.code, field=r.field, row=r.row or None, remedy=r.remedy)


class Stocker:
    """Stores drafts of one tenant."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._matcher = Matcher(tenancy)
        self._deriver = Deriver(tenancy)
        self._near = ""

    def store(self, rows: Rows, log: Log) -> Stocked:
        """Store rows, each whole or refused; `log` admits the writer and makes the entry durable first."""
        done = Stocked()
        for group in self._matcher.groups(rows):
            with self._t.stores.index.turn(self._t.name):
                self._store_group(group, log, done)
        return done

    def store_all(self, rows: Rows, log: Log) -> Stocked:
        """Store every row or none.

        Raises:
            Invalid: A row is refused, or two rows are about the same record; nothing was stored.
        """
        done = Stocked()
        groups = list(self._matcher.groups(rows))
        if len(groups) > 1:
            raise Invalid(
                "two records of the request are the same", code="invalid_batch", remedy="send them one by one"
            )
        for group in groups:
            with self._t.stores.index.turn(self._t.name):
                self._store_group(group, log, done, whole=True)
        return done

    # --- placing -------------------------------------------------------------------------------------

    def _store_group(self, rows: Rows, log: Log, done: Stocked, *, whole: bool = False) -> None:
        matches = self._matcher.of(rows)
        self._near = neighbourhood()
        placed: list[Placed] = []
        subjects: list[NewSubject] = []
        joined: list[tuple[Held, Facts]] = []
        for row in rows:
            try:
                self._place_row(row, matches, placed, subjects, joined, done)
            except Invalid as error:
                done.rejections.append(
                    Rejection(
                        row=row[0].row,
                        field=error.field or row[0].kind,
                        code=error.code,
                        message=error.message,
                        remedy=error.remedy,
                    )
                )
        if whole:
            done.raise_first()
        log([p.draft for p in placed])  # whoever may not write is refused here, before anything has changed
        self._t.keeping.set_facts(joined)
        if placed:
            self._write(placed, subjects)
            done.stored.update(p.draft.kind for p in placed)

    def _place_row(
        self,
        row: tuple[Draft, ...],
        matches: Matches,
        placed: list[Placed],
        subjects: list[NewSubject],
        joined: list[tuple[Held, Facts]],
        done: Stocked,
    ) -> None:
        """Place a row's drafts; raises before anything of the row was queued."""
        for draft in row:
            _check_case(draft)
        olds = [matches.old(draft) for draft in row]
        owner, fresh = self._owner(row, olds, matches)
        queue: list[Placed] = []
        for draft, old in zip(row, olds, strict=True):
            subject = owner
            if self._t.schema.kind(draft.kind).owner == "own" and draft.kind != "borrower":
                subject = old.row.subject if old else new_id("s", self._near)
                fresh += [] if old else [subject]
            if old is not None and old.row.subject != subject:
                raise Invalid(
                    "the case number belongs to another borrower",
                    code="invalid_ref",
                    field=f"{draft.kind}.{self._t.schema.kind(draft.kind).ref}",
                    remedy="check the case number; correct the stored record if that one is wrong",
                )
            queue.append(self._placed(draft, old, subject))
        subjects += [NewSubject(subject=s, secret=token_bytes(32)) for s in fresh]
        for place, old in zip(queue, olds, strict=True):
            done.records.append(place.record)
            if old is None or place.facts.fingerprint != self._fingerprint(place.draft, self._secret(old)):
                placed.append(place)
                continue
            done.unchanged += 1
            if set(place.facts.cases) - set(old.facts.cases):
                joined.append((old, msgspec.structs.replace(old.facts, cases=place.facts.cases)))

    def _owner(
        self, row: tuple[Draft, ...], olds: list[Held | None], matches: Matches
    ) -> tuple[str, list[str]]:
        """The borrower's subject for this row, and the list of fresh subjects."""
        for draft, old in zip(row, olds, strict=True):
            if draft.kind == "borrower":
                return (old.row.subject, []) if old else (fresh := new_id("s", self._near), [fresh])
            if self._matcher.follows_case(draft):
                loan = matches.loan(draft)
                if loan is None:
                    raise Invalid(
                        "no loan has this case number",
                        code="invalid_ref",
                        field=f"{draft.kind}.case_number",
                        remedy="import the loan first",
                    )
                return loan.row.subject, []
            if draft.kind == "loan":
                if old is None:
                    raise Invalid(
                        "a loan needs its borrower",
                        code="invalid_ref",
                        field="loan.case_number",
                        remedy="import it in the borrower layout",
                    )
                return old.row.subject, []
        return "", []

    def _secret(self, held: Held) -> bytes:
        return self._t.keeping.record_secret(held.row)

    @staticmethod
    def _fingerprint(draft: Draft, secret: bytes) -> bytes:
        """MAC of a draft's content under the record's own secret: dies with it, tells nothing without it."""
        content = msgspec.json.encode([draft.ref, draft.values], order="sorted")
        return mac.derive(secret, "cvault/fingerprint/v1", content)

    def _placed(self, draft: Draft, old: Held | None, subject: str) -> Placed:
        """The record a draft becomes; for unchanged content its fingerprint equals the stored one."""
        cases = {self._t.keys.case_handle(case) for case in draft.cases}
        if old is None:
            secret = token_bytes(32)
            facts = Facts(
                parts=self._parts(draft),
                cases=tuple(sorted(cases)),
                anchors=draft.anchors,
                fingerprint=self._fingerprint(draft, secret),
            )
            return Placed(
                draft=draft, record=new_id("r", self._near), subject=subject, version=1, counter=1, secret=secret,
                facts=facts, replaces=False,
            )  # fmt: skip
        all_cases = tuple(sorted(cases | set(old.facts.cases)))
        if old.facts.fingerprint == self._fingerprint(draft, self._secret(old)):
            facts = msgspec.structs.replace(old.facts, cases=all_cases)
            secret = self._secret(old)
        else:
            secret, version = token_bytes(32), self._next_version(old)
            kept = {"imported_on": old.facts.anchors["imported_on"]}
            facts = msgspec.structs.replace(
                old.facts,
                version=version,
                parts=self._parts(draft),
                cases=all_cases,
                anchors=old.facts.anchors | draft.anchors | kept,
                fingerprint=self._fingerprint(draft, secret),
            )
        return Placed(
            draft=draft, record=old.row.record, subject=old.row.subject, version=facts.version,
            counter=old.next_counter, secret=secret, facts=facts, replaces=True,
            stood=old.row.facts_counter,
        )  # fmt: skip

    def _parts(self, draft: Draft) -> tuple[str, ...]:
        """The compartments a draft is sealed in."""
        fields = self._t.schema.kind(draft.kind).fields
        return tuple(sorted({"masked", *(fields[name].compartment for name in draft.values)}))

    def _next_version(self, held: Held) -> int:
        """A version beyond every one that has a secret, one that a crashed write left pending included."""
        return 1 + max(row.version for row in self._t.stores.keys.versions(self._t.name, [held.row.record]))

    # --- writing -------------------------------------------------------------------------------------

    def _write(self, placed: Sequence[Placed], subjects: Sequence[NewSubject]) -> None:
        """The order of a write (module docstring of `vault.writing`)."""
        t = self._t
        ends = t.tenant_anchors()
        t.keeping.keep(
            [
                NewSecret(record=p.record, version=p.version, due=self._due(p, ends), secret=p.secret)
                for p in placed
            ],
            subjects,
        )
        t.stores.records.insert(
            [row for p in placed for row in self._payloads(p)],
            [t.keeping.facts_row(p.record, p.subject, p.draft.kind, p.counter, p.facts) for p in placed],
        )
        replaced = [p.record for p in placed if p.replaces]
        self._deriver.index({p.record: p.draft for p in placed}, replaced)
        t.stores.keys.confirm(t.name, [(p.record, p.version, p.subject, p.counter) for p in placed])
        if replaced:
            t.stores.records.drop_facts(t.name, [(p.record, p.stood) for p in placed if p.replaces])

    def _due(self, p: Placed, ends: dict[str, str]) -> str:
        profile = self._t.config.settings.applies_to
        return due(p.draft.kind, p.facts, ends, profile, self._t.rules).strftime("%Y-%m")

    def _payloads(self, p: Placed) -> list[PayloadRow]:
        spec = self._t.schema.kind(p.draft.kind)
        parts: dict[str, dict[str, object]] = defaultdict(dict)
        shown = parts["masked"]
        for name, value in p.draft.values.items():
            field = spec.fields[name]
            if field.compartment != "masked":
                parts[field.compartment][name] = value
            if field.mask != "hidden":
                shown[name] = value if field.mask == "none" else mask(field.mask, value)
        shown[REF] = p.draft.ref
        return [self._payload(p, compartment, values) for compartment, values in parts.items()]

    def _payload(self, p: Placed, compartment: str, values: dict[str, object]) -> PayloadRow:
        keys = self._t.keys
        generation = keys.generation(compartment)
        context = Context(
            tenant=keys.tenant, subject=p.subject, record=p.record, kind=p.draft.kind, version=p.version,
            compartment=compartment, generation=generation, suite=AES_256_GCM,
        )  # fmt: skip
        sealed = seal(values, p.secret, keys.compartment(compartment, generation), context)
        return PayloadRow(
            tenant=keys.tenant, record=p.record, version=p.version, compartment=compartment,
            subject=p.subject, kind=p.draft.kind, generation=generation, suite=AES_256_GCM,
            sealed=sealed.blob,
        )  # fmt: skip


def _check_case(draft: Draft) -> None:
    """A record's own case number must be that of the case it is to belong to.

    Raises:
        Invalid: It names another.
    """
    own = draft.values.get("case_number")
    if own is not None and draft.cases and own != draft.cases[0]:
        raise Invalid(
            "case_number and cases name different cases",
            code="invalid_ref",
            field=f"{draft.kind}.case_number",
            remedy="give the same number in both, or leave cases out",
        )
