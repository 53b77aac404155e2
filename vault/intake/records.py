"""Single records into drafts: what `cvault write` and other programs send, normalised like an import.

    record = {"kind": K, "ref": EXTERNAL_ID?, "values": {FIELD: TEXT, …}, "cases": [CASE_NUMBER, …]?,
              "key": TEXT?, "version": NUMBER?, "relationship": REF?}

A record is the same when it comes again under the same external id, or the same key; one with neither is a
record of its own each time. `version` is the one the writer believes to be the latest, 0 for none.

No error holds a value, nor what the JSON reader says of one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

import msgspec

from vault.errors import Invalid
from vault.intake import computing, values
from vault.intake.fold import bad
from vault.intake.rows import Rejection
from vault.model import Draft, Word
from vault.schema import KindSpec, Schema

MAX_RECORDS: Final = 1000
"""Records in one request at most."""
LONGEST_KEY: Final = 128


class Given(Word, forbid_unknown_fields=True):
    """One record as it is sent; a blank value counts as none.

    Attributes:
        key: What the writer calls this record, so that a retry finds it; for records without `ref`.
        version: The version it is to replace, 0 for none at all; None doesn't ask.
        relationship: The reference of a new relationship with somebody who was erased before.
    """

    kind: str
    values: dict[str, str]
    ref: str | None = None
    cases: tuple[str, ...] = ()
    key: str | None = None
    version: int | None = None
    relationship: str = ""

    def __repr__(self) -> str:
        """Name the kind, never the values."""
        return f"<Given {self.kind}>"

    __str__ = __repr__


def drafts_of(data: bytes, schema: Schema, today: dt.date) -> list[Draft]:
    """JSON text into drafts: one record or a list of them.

    Args:
        data: UTF-8.
        schema: Types and required fields.
        today: The day of the write, Asia/Shanghai.

    Raises:
        Invalid: Names the record (`row`, from 1) and field at fault; nothing of the input is repeated.
    """
    return [draft_of(record, schema, today, number) for number, record in enumerate(_records(data), 1)]


def drafts_or_faults(data: bytes, schema: Schema, today: dt.date) -> list[Draft | Rejection]:
    """As `drafts_of`, but a record that can't be taken is a rejection in its place.

    Raises:
        Invalid: Not records as JSON at all.
    """
    found: list[Draft | Rejection] = []
    for number, record in enumerate(_records(data), 1):
        try:
            found.append(draft_of(record, schema, today, number))
        except Invalid as error:
            found.append(
                Rejection(
                    row=number,
                    field=error.field or "kind",
                    code=error.code,
                    message=error.message,
                    remedy=error.remedy,
                )
            )
    return found


def _records(data: bytes) -> list[Given]:
    try:
        given = msgspec.json.decode(data, type=list[Given] | Given)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Invalid(
            "not records as JSON",
            code="invalid_json",
            field="stdin",
            remedy='send {"kind": …, "ref": …, "values": {field: text}, "cases": […]} or a list of such',
        ) from None
    records = given if isinstance(given, list) else [given]
    if not 0 < len(records) <= MAX_RECORDS:
        raise Invalid(
            f"not 1 to {MAX_RECORDS} records", code="invalid_batch", field="stdin", remedy="split them"
        )
    return records


def draft_of(given: Given, schema: Schema, today: dt.date, row: int = 0) -> Draft:
    """One record into a draft.

    Args:
        given: As it was sent.
        schema: Types and required fields.
        today: The day of the write, Asia/Shanghai.
        row: Its place in the request, from 1.

    Raises:
        Invalid: Unknown kind or field, a value that is none of its field's type, or a required one missing.
    """
    try:
        spec = schema.kind(given.kind)
        found = _normalised(spec, given.values)
        _derive(spec, found, today)
        _demand_required(spec, found)
        cases = _cases(given, found)
        ref = _ref(spec, given, found, cases)
        return Draft(
            kind=spec.name,
            ref=ref,
            row=row,
            values=found,
            anchors={"imported_on": today.isoformat()} | computing.own_anchors(spec.name, found, today),
            cases=cases,
            content=_key(given) if ref is None else b"",
            expect=_version(given),
            once=ref is None and given.key is not None,
            relationship=values.normalise("ref", given.relationship) if given.relationship.strip() else "",
        )
    except Invalid as error:
        raise Invalid(
            error.message, code=error.code, field=error.field, row=row or None, remedy=error.remedy
        ) from None


def _key(given: Given) -> bytes:
    """A digest of the writer's key, b"" if there is none."""
    if given.key is None:
        return b""
    if not 0 < len(given.key) <= LONGEST_KEY or not given.key.isprintable():
        raise Invalid(
            f"a key has 1 to {LONGEST_KEY} characters", code="invalid_key", field="key", remedy="shorten it"
        )
    return hashlib.sha256(given.key.encode()).digest()[:16]


def _version(given: Given) -> int | None:
    if given.version is not None and not 0 <= given.version < 1 << 31:
        raise Invalid("no such version", code="invalid_version", field="version", remedy="give the one read")
    return given.version


def _normalised(spec: KindSpec, given: dict[str, str]) -> dict[str, str]:
    found = {}
    for name, text in given.items():
        field = spec.field(_known_name(spec, name))
        if field.derived and field.type == "code":
            raise Invalid(
                "a band is computed, never given", code="invalid_field", field=name, remedy="leave it out"
            )
        if text.strip() in values.BLANKS:
            continue
        try:
            found[name] = values.normalise(field.type, text)
        except Invalid as error:
            raise Invalid(
                error.message, code=error.code, field=f"{spec.name}.{name}", remedy=error.remedy
            ) from None
    return found


def _known_name(spec: KindSpec, name: str) -> str:
    """The name, if it is a field's; an unknown one isn't repeated, for it may be a value."""
    if name not in spec.fields:
        raise Invalid(
            f"{spec.name} has no such field", code="invalid_field", field=spec.name,
            remedy="use one of: " + ", ".join(spec.fields),
        )  # fmt: skip
    return name


def _derive(spec: KindSpec, found: dict[str, str], today: dt.date) -> None:
    """Add what is computed; refuse what can't be, as days to come and an ID number of another birth date."""
    for field, error in computing.derive(spec, found, today):
        raise Invalid(
            error.message, code=error.code, field=f"{spec.name}.{field}", remedy=error.remedy
        ) from None


def _demand_required(spec: KindSpec, found: dict[str, str]) -> None:
    for field in spec.fields.values():
        if field.required and field.name not in found:
            raise Invalid(
                "empty, and required",
                code="invalid_required",
                field=f"{spec.name}.{field.name}",
                remedy="give it",
            )


def _cases(given: Given, found: dict[str, str]) -> tuple[str, ...]:
    """The case numbers given, the record's own first."""
    named = [values.normalise("ref", case) for case in given.cases]
    own = [found["case_number"]] if "case_number" in found else []
    return tuple(dict.fromkeys([*own, *named]))


def _ref(spec: KindSpec, given: Given, found: dict[str, str], cases: tuple[str, ...]) -> str | None:
    """The external id: as given or by the kind's own field; a borrower without one goes by the first case."""
    own = found.get(spec.ref or "")
    if given.ref is None:
        return own or (cases[0] if spec.name == "borrower" and cases else None)
    ref = values.normalise("ref", given.ref)
    if own is not None and own != ref:
        raise bad("ref", "not what the record's own number says", "leave one of them out")
    return ref
