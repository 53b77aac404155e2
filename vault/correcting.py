"""Correcting: a record's next version from what it holds and what was wrong with it (PIPL 46).

The bench behind `correct`, `merge` and `split`. Whoever corrects need not see the record: the values that
stand are opened here, joined with the new ones, sealed again, and never handed out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from vault.errors import Denied, Invalid, NotFound
from vault.intake.records import Given, draft_of
from vault.journal import Page
from vault.keeping import Held
from vault.model import Draft, Facts, Grant
from vault.opening import Opener
from vault.preparing import Ready
from vault.remembering import Memory, computed
from vault.schema import KindSpec
from vault.stocking import Stocker
from vault.tenancy import Tenancy

NONE: Final[Mapping[str, str]] = MappingProxyType({})
Changes = Mapping[str, str | None]
"""New text by field; None takes the value away."""


class Corrector:
    """Makes next versions of one tenant's records."""

    def __init__(self, tenancy: Tenancy, stocker: Stocker) -> None:
        self._t = tenancy
        self._opener = Opener(tenancy)
        self._stocker = stocker
        self._memory = Memory(tenancy)

    def held(self, grant: Grant, page: Page, idents: Sequence[str]) -> dict[str, Held]:
        """The records named, by what was asked, in the caller's scope and in a state that may be changed.

        Raises:
            NotFound: One is missing, being erased or of another case.
            Denied: One is RESTRICTED, and the purpose doesn't reach such (PIPL 47 ¶2).
        """
        found = self._opener.named(idents)
        gone = page.tx.entombed([held.row.record for held in found.values()])
        for ident in idents:
            held = found.get(ident)
            if held is None or held.row.record in gone:
                raise NotFound
            self._opener.in_scope(grant, held)
            if held.facts.state not in self._t.policy.states(grant.purpose):
                raise Denied("the record is restricted", code="restricted")
        return found

    def corrected(self, held: Held, changes: Changes, expect: int | None) -> tuple[Ready | None, list[str]]:
        """A record's next version, and the fields that differ in it; None if none does.

        Raises:
            Invalid: Another version stands than the one expected, an unknown field, a value that is none of
                its field's type, or the external id or case, which is no correction.
        """
        if expect is not None and expect != held.row.version:
            raise Invalid(
                "the record has another version by now", code="invalid_version", field="version",
                remedy="read it again and decide anew",
            )  # fmt: skip
        spec = self._t.schema.kind(held.kind)
        for name in {spec.ref, "case_number"} & changes.keys():  # whose a record is hangs on its case
            raise Invalid(
                "an external id or case is not corrected", code="invalid_ref", field=f"{held.kind}.{name}",
                remedy="import the record under the right number and have this one erased",
            )  # fmt: skip
        old = self._opener.drafts([held.row.record])[held.row.record][0]
        new = self._draft(spec, old, changes)
        names = sorted(
            n for n in old.values.keys() | new.values.keys() if old.values.get(n) != new.values.get(n)
        )
        if not names:
            return None, []
        facts = msgspec.structs.replace(held.facts, anchors=self._anchors(held, spec, old, new))
        ends = self._t.tenant_anchors()
        notes = self._memory.corrected(held, old, new)
        return self._stocker.succeed(new, held, facts, self._t.clock(), ends, notes=notes), names

    def _draft(self, spec: KindSpec, old: Draft, changes: Changes) -> Draft:
        kept = {
            name: text
            for name, text in old.values.items()
            if name not in computed(spec, old.values, self._t.today())
        }
        joined = {name: text for name, text in {**kept, **changes}.items() if text is not None}
        return self._again(spec, old, joined)

    def _again(self, spec: KindSpec, old: Draft, values: dict[str, str]) -> Draft:
        given = Given(kind=spec.name, values=values, ref=old.ref)
        return draft_of(given, self._t.schema, self._t.today())

    def _anchors(self, held: Held, spec: KindSpec, old: Draft, new: Draft) -> dict[str, str]:
        """The days retention counts from: those the old values gave go, those the new ones give come."""
        plain = {n: v for n, v in old.values.items() if n not in computed(spec, old.values, self._t.today())}
        given = self._again(spec, old, plain).anchors.keys() - {"imported_on"}
        if "birth_date" not in new.values:  # a birth date taken away is no news of anybody's age
            given -= {"adult_on"}
        kept = {name: day for name, day in held.facts.anchors.items() if name not in given}
        return new.anchors | kept

    def moved(
        self, held: Sequence[Held], subject: str | None, days: Mapping[str, str] = NONE
    ) -> list[tuple[Ready, Held]]:
        """Records as next versions that belong to another person; None gives each back to whom it was of.

        Raises:
            Invalid: One was never moved, and nobody is named to give it to.
        """
        drafts = self._opener.drafts([h.row.record for h in held])
        ends, now, moved = self._t.tenant_anchors(), self._t.clock(), []
        for h in held:
            to = subject or h.facts.origin
            if not to:
                raise Invalid(
                    "the record was never moved", code="invalid_subject", field="record",
                    remedy="name the records that are another person's with --new",
                )  # fmt: skip
            facts: Facts = msgspec.structs.replace(
                h.facts,
                origin="" if to == h.facts.origin else h.facts.origin or h.row.subject,
                anchors={**h.facts.anchors, **days},
            )
            draft = drafts[h.row.record][0]
            moved.append((self._stocker.succeed(draft, h, facts, now, ends, subject=to), h))
        return moved
