"""What follows from a record's values: computed fields, days that cannot be, anchors of retention.

The same for a row of a file and for a record sent alone.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from vault.errors import Invalid
from vault.intake import numbers
from vault.schema import KindSpec, amount_band

DAYS_AHEAD: Final[Mapping[str, int]] = MappingProxyType(
    {"borrower.birth_date": 0, "loan.overdue_since": 0}
    | dict.fromkeys(
        (
            "borrower.relationship_ended_on", "guarantor.signed_on", "contact_person.refused_on",
            "contact_person.consent_withdrawn_on", "loan.placed_on", "loan.settled_on", "loan.drawn_on",
            "loan.last_paid_on", "loan.last_demand_on", "case.opened_on", "case.returned_on",
            "case.closed_on", "contract.signed_on", "contract.consented_on", "contact_attempt.attempted_at",
            "contact_attempt.started_at", "visit.visited_on", "visit.started_at", "promise.made_on",
            "repayment.paid_on", "agreement.signed_on", "complaint.received_on", "complaint.closed_on",
            "evidence.taken_on", "evidence.taken_at", "credit_report.queried_on",
            "credit_report.consent_withdrawn_on", "suppression.listed_on",
        ),
        1,
    )
)  # fmt: skip
"""How many days after today a day of the past may lie; one where the file may come from the next morning."""

ROW_ANCHORS: Final = MappingProxyType(
    {"placed_on": "placed_on", "settled_on": "settled_on", "last_demand_on": "last_demand_on"}
)
"""Anchors that a loan's fields set, for everything that its row holds."""
OWN_ANCHORS: Final = MappingProxyType(
    {
        "borrower.relationship_ended_on": "relationship_ended_on",
        "contact_person.refused_on": "contact_refused_on",
        "contact_person.consent_withdrawn_on": "consent_withdrawn_on",
        "credit_report.consent_withdrawn_on": "consent_withdrawn_on",
        "suppression.listed_on": "listed_on",
    }
)
"""Anchors that a record sets for itself alone."""

_MOMENTS: Final = MappingProxyType(
    {
        "contact_attempt": ("attempted_at", "started_at"),
        "visit": ("visited_on", "started_at"),
        "evidence": ("taken_on", "taken_at"),
    }
)
"""The fields that a moment fills, by kind: the day, and the time if there is one."""

_FUTURE: Final = Invalid("a day to come", code="invalid_date", remedy="compare it with the source")
_OTHER_BIRTH: Final = Invalid(
    "not the birth date in the ID number", code="invalid_date", remedy="compare both with the document"
)
_OTHER_DAY: Final = Invalid(
    "not the day of the time given", code="invalid_date", remedy="compare both with the source"
)
_TOO_MANY: Final = Invalid(
    "more instalments paid than there are", code="invalid_count", remedy="compare both with the source"
)
_NOBODY: Final = Invalid(
    "about nobody", code="invalid_required", remedy="give the person's name, telephone or ID number too"
)
_PERSON: Final = frozenset({"name", "phone", "phone_alt", "id_number"})
_DIGEST_BYTES: Final = 16


class Ordinals:
    """Tells like records of one file or request apart, in the order they come.

    Keeps eight bytes for each content, so that a million rows cost tens of megabytes. Two contents that share
    them would only begin to count at another number.
    """

    def __init__(self) -> None:
        self._met: Counter[int] = Counter()

    def content(self, kind: str, cases: tuple[str, ...], values: Mapping[str, str]) -> bytes:
        """The digest of a record without external id: of its content, and of how many like it came before."""
        told = hashlib.sha256(msgspec.json.encode([kind, cases, sorted(values.items())]))
        key = int.from_bytes(told.digest()[:8])
        ordinal = self._met[key]
        self._met[key] = ordinal + 1
        told.update(ordinal.to_bytes(8))
        return told.digest()[:_DIGEST_BYTES]


def derive(spec: KindSpec, values: dict[str, str], today: dt.date) -> Iterator[tuple[str, Invalid]]:
    """Add to `values` what is computed, and name the fields that cannot be, each with its error.

    Args:
        spec: The record's kind.
        values: Canonical text by field; changed in place.
        today: The day of the import, Asia/Shanghai.
    """
    if "birth_date" in spec.fields:
        yield from _birth(values)
    if "outstanding_band" in spec.fields and "outstanding" in values:
        values["outstanding_band"] = amount_band(values["outstanding"])
    if "instalments_left" in spec.fields:
        yield from _instalments(values)
    if spec.name in _MOMENTS:
        yield from _days_of_moments(spec.name, values)
    yield from _nobody(spec, values)
    for name, latest in _latest(spec.name, today):
        if name in values and values[name][:10] > latest:
            yield name, _FUTURE


PERSONS: Final = frozenset({"borrower", "guarantor", "contact_person"})
ADULT: Final = 18
"""Years; access to a minor's data takes an approval each time (未成年人网络保护条例 36 [V])."""


def row_anchors(loan: Mapping[str, str]) -> dict[str, str]:
    """The anchors that a loan sets for what its row holds."""
    return {anchor: loan[field] for field, anchor in ROW_ANCHORS.items() if field in loan}


def own_anchors(kind: str, values: Mapping[str, str], today: dt.date) -> dict[str, str]:
    """The anchors that a record sets for itself."""
    anchors = {anchor: values[field] for field, anchor in _anchored(kind) if field in values}
    return anchors | minority(values, today)


def minority(values: Mapping[str, str], today: dt.date) -> dict[str, str]:
    """The anchor that says until when a person is a minor; none for who is of age or of unknown age."""
    if "birth_date" not in values:
        return {}
    grown = adult_on(dt.date.fromisoformat(values["birth_date"]), today)
    return {} if grown is None else {"adult_on": grown.isoformat()}


def adult_on(born: dt.date, today: dt.date) -> dt.date | None:
    """A day on which a minor is certainly of age, None for who is of age already (民法典 17: 18 years [M]).

    Facts stand in clear, so it isn't the birthday but the first of the year after, and only minors have it.
    """
    if (born.year + ADULT, born.month, born.day) <= (today.year, today.month, today.day):
        return None
    return dt.date(born.year + ADULT + 1, 1, 1)


@functools.cache
def _anchored(kind: str) -> tuple[tuple[str, str], ...]:
    own = ((*place.split("."), anchor) for place, anchor in OWN_ANCHORS.items())
    mine = tuple((field, anchor) for owner, field, anchor in own if owner == kind)
    return (*ROW_ANCHORS.items(), *mine) if kind == "loan" else mine


@functools.lru_cache(maxsize=64)
def _latest(kind: str, today: dt.date) -> tuple[tuple[str, str], ...]:
    """The last day that each day of the past may be, by field."""
    return tuple(
        (place.partition(".")[2], (today + dt.timedelta(days=ahead)).isoformat())
        for place, ahead in DAYS_AHEAD.items()
        if place.partition(".")[0] == kind
    )


def _birth(values: dict[str, str]) -> Iterator[tuple[str, Invalid]]:
    """Take the birth date from the ID number, and refuse one that says otherwise."""
    birth = numbers.id_birth(values["id_number"]) if "id_number" in values else None
    if birth and values.setdefault("birth_date", birth.isoformat()) != birth.isoformat():
        yield "birth_date", _OTHER_BIRTH


def _instalments(values: dict[str, str]) -> Iterator[tuple[str, Invalid]]:
    """Count the instalments that are left, unless a column says so."""
    if "instalments" in values and "instalments_paid" in values:
        left = int(values["instalments"]) - int(values["instalments_paid"])
        if left < 0:
            yield "instalments_paid", _TOO_MANY
        else:
            values.setdefault("instalments_left", str(left))


def _days_of_moments(kind: str, values: dict[str, str]) -> Iterator[tuple[str, Invalid]]:
    """Split a moment into day and time; a day that differs from its time is a fault."""
    day, time = _MOMENTS[kind]
    moment = values.pop("moment", "")
    if "T" in moment:
        values.setdefault(time, moment)
    elif moment:
        values.setdefault(day, moment)
    if time in values and values.setdefault(day, values[time][:10]) != values[time][:10]:
        yield day, _OTHER_DAY


def _nobody(spec: KindSpec, values: Mapping[str, str]) -> Iterator[tuple[str, Invalid]]:
    """A person of whom only a relation or an address is known can't be anybody's record."""
    if spec.name in {"contact_person", "guarantor"} and values and not _PERSON.intersection(values):
        yield "relation" if "relation" in values else "name", _NOBODY
