"""A vault's own kinds and fields: what its `schema.toml` adds to the schema that ships.

The file can add fields and kinds, show less of a shipped field, and retire fields; it is checked like the
shipped one (docs/formats/schema.md, "A vault's own file"). What is in force is not this file but what
`cvault schema apply` has carried out: `changes` compares the two, `demand_permanent` refuses what would make
the access log's old entries, or values under hold, mean something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from vault.model import Word
from vault.schema import (
    FieldSpec,
    KindSpec,
    Laid,
    Schema,
    builtin,
    check_field,
    check_kind,
    document_of,
    laid,
    read_field,
    read_kind,
    refuse,
)

FILE: Final = "schema.toml"
PREFIX: Final = "x_"
"""What a name of the vault's own begins with, so that no later release takes it."""
OWN_NUMBERS: Final = range(40, 53)
"""Numbers for own fields of shipped kinds; shipped ones stay below."""
RELIED_ON: Final = frozenset(
    {
        "borrower.id_number", "borrower.relationship_ended_on", "contact_person.refused_on",
        "contact_person.consent_withdrawn_on", "loan.overdue_since", "loan.placed_on", "loan.settled_on",
        "loan.last_demand_on", "contact_attempt.started_at", "visit.started_at", "evidence.taken_at",
        "credit_report.consent_withdrawn_on",
    }
)  # fmt: skip
"""Fields that the vault works by: people are matched, stages computed and retention counted from them."""
COMPUTED: Final = frozenset(
    {
        "birth_date",
        "instalments_left",
        "overdue_since",
        "overdue_days",
        "data_date",
        "place",
        "moment",
        "stage",
    }
)
"""Names that mean something to intake; no field of an own kind is called so."""
_UNGOVERNED: Final = frozenset({"suppression", "access_entry"})
"""Kinds whose retention rules are about the vault's own lists: nothing else is kept like them."""

Kinds = Mapping[str, Mapping[str, Laid]]
"""How the fields of each kind are laid out, as `vault.schema.laid` gives it."""


class _Override(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mask: str | None = None
    indexed: bool | None = None
    open: bool | None = None
    openness: str | None = None


class Change(Word):
    """One difference between the schema in force and another.

    Attributes:
        kind, field: What it is about; `field` is "" for a whole kind.
        what: `kind_added`, `field_added`, `field_retired`, `mask`, `indexed`, `open` or `compartment`.
        before, after: What it was and is to be, in the schema's words.
        widening: More is shown, found or told in clear than before.
        records: How many records it seals anew.
    """

    kind: str
    field: str
    what: str
    before: str = ""
    after: str = ""
    widening: bool = False
    records: int = 0

    @property
    def reseals(self) -> bool:
        """Whether records have to be sealed anew for it: an addition leaves them as they are."""
        return self.what not in {"kind_added", "field_added"}


def load(folder: Path) -> Schema:
    """The schema of a vault's folder: what ships, and what its own file adds.

    Raises:
        ConfigError: The file can't be read or used; names the kind and field.
    """
    try:
        text = (folder / FILE).read_text("utf-8")
    except FileNotFoundError:
        return builtin()
    except (OSError, UnicodeDecodeError):
        raise refuse(FILE, "cannot be read as UTF-8", "check the file and its permissions") from None
    return merged(text)


def merged(text: str, shipped: Schema | None = None) -> Schema:
    """What ships with what an own file adds.

    Args:
        text: TOML as docs/formats/schema.md describes it.
        shipped: What it adds to, if not the built-in schema.

    Raises:
        ConfigError: Names the kind and field at fault and the remedy.
    """
    shipped = shipped or builtin()
    document = document_of(text)
    tables, listed = document.get("kinds", {}), document.get("retired", [])
    if set(document) - {"version", "kinds", "retired"} or not isinstance(tables, dict):
        raise refuse("file", "holds more than `version`, `kinds` and `retired`", "keep these only")
    if not isinstance(listed, list) or len({*map(str, listed)}) != len(listed):
        raise refuse("retired", "is no list of fields, each once", 'write retired = ["kind.field"]')
    kinds = dict(shipped.kinds)
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise refuse(name, "is not a table", f"write it as [kinds.{name}]")
        kinds[name] = _extended(kinds[name], table) if name in kinds else _own_kind(name, table, shipped)
    for place in listed:
        kind, field = _retired_name(place, kinds)
        kinds[kind.name] = _without(kind, field, relied=f"{kind.name}.{field.name}" in RELIED_ON)
    for kind in kinds.values():
        check_kind(kind)
    canonical = msgspec.json.encode(document, order="deterministic")
    return Schema.of(kinds, hashlib.sha256(canonical).hexdigest())


def like(schema: Schema) -> tuple[tuple[str, str], ...]:
    """The own kinds, each with the shipped kind that it is kept like."""
    return tuple((kind.name, kind.keep_like) for kind in schema.kinds.values() if kind.keep_like)


# --- reading ----------------------------------------------------------------------------------------------


def _extended(spec: KindSpec, table: dict[str, Any]) -> KindSpec:
    """A shipped kind with the fields an own file gives it and the overrides it sets."""
    added, overrides = table.get("fields", {}), table.get("overrides", {})
    if set(table) - {"fields", "overrides"} or not (isinstance(added, dict) and isinstance(overrides, dict)):
        raise refuse(spec.name, "is shipped, and more than its fields and overrides is given", "leave it out")
    fields = dict(spec.fields)
    for name, entry in overrides.items():
        where = f"{spec.name}.{name}"
        if name not in spec.fields:
            raise refuse(where, "overrides no shipped field", "use one of: " + ", ".join(spec.fields))
        fields[name] = _overridden(
            where, spec.fields[name], entry, relied=where in RELIED_ON | _of_list(spec)
        )
    for name, entry in added.items():
        where = f"{spec.name}.{name}"
        if not name.startswith(PREFIX):
            raise refuse(where, "doesn't begin with x_", "rename it: a later release could bring that name")
        fields[name] = _own_field(where, name, entry)
        if fields[name].number not in OWN_NUMBERS:
            raise refuse(where, "has a number outside 40..52", "give it one of these, free in its kind")
    return msgspec.structs.replace(spec, fields=fields)


def _of_list(spec: KindSpec) -> frozenset[str]:
    """All fields of the suppression list: the vault writes them itself."""
    names = spec.fields if spec.name == "suppression" else ()
    return frozenset(f"{spec.name}.{name}" for name in names)


def _own_kind(name: str, table: dict[str, Any], shipped: Schema) -> KindSpec:
    if not name.startswith(PREFIX) or "." in name:
        raise refuse(name, "is no shipped kind, and doesn't begin with x_", "name own kinds x_…")
    if table.get("keep_like") not in shipped.kinds.keys() - _UNGOVERNED:
        raise refuse(
            name, "names no shipped kind that it is kept like", 'write keep_like = "contact_attempt"'
        )
    kind = read_kind(name, table)
    for field in kind.fields.values():
        _check_own(f"{name}.{field.name}", field)
        if field.name in COMPUTED:
            raise refuse(
                f"{name}.{field.name}", "is a name that intake computes with", f"call it x_{field.name}"
            )
    case = kind.fields.get("case_number")
    if case is None or case.type != "ref" or not case.required:
        raise refuse(name, "has no case number", "add a field case_number, of type ref and required")
    return kind


def _own_field(where: str, name: str, entry: object) -> FieldSpec:
    field = read_field(where, name, entry)
    _check_own(where, field)
    return field


def _check_own(where: str, field: FieldSpec) -> None:
    if field.derived or field.name.endswith("_band"):
        raise refuse(
            where, "is computed", "remove `derived`, or rename it: the vault computes none of its own"
        )


def _overridden(where: str, field: FieldSpec, entry: object, *, relied: bool) -> FieldSpec:
    try:
        asked = msgspec.convert(entry, _Override)
    except msgspec.ValidationError:
        raise refuse(
            where, "overrides something else than a mask, `indexed` or `open` with its `openness`",
            "an override changes these alone",
        ) from None  # fmt: skip
    given = {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name)) is not None}
    if relied and given.keys() - {"mask"}:
        raise refuse(where, "is a field that the vault works by", "override its mask alone")
    if "open" in given and not given["open"]:
        given["openness"] = ""
    changed = msgspec.structs.replace(field, **given)
    if not shows_no_more(changed.mask, field.mask):
        raise refuse(where, "gets a mask that may show more", "use hidden, or the one it has")
    check_field(where, changed)
    return changed


def shows_no_more(mask: str, than: str) -> bool:
    """Whether a mask shows of no value more than another does.

    `hidden` shows nothing, `none` everything, and `mobile` and `landline` each half of what `phone` does. Any
    other two can't be ordered: of some value each shows what the other doesn't.
    """
    halves = than == "phone" and mask in {"mobile", "landline"}
    return mask in {than, "hidden"} or than == "none" or halves


def _retired_name(place: object, kinds: Mapping[str, KindSpec]) -> tuple[KindSpec, FieldSpec]:
    kind, _, name = place.partition(".") if isinstance(place, str) else ("", "", "")
    if kind not in kinds or name not in kinds[kind].fields:
        raise refuse(
            "retired", "names a field that no kind has",
            "write kind.field; an own field's table stays, for it holds the number that is not given again",
        )  # fmt: skip
    return kinds[kind], kinds[kind].fields[name]


def _without(kind: KindSpec, field: FieldSpec, *, relied: bool) -> KindSpec:
    where = f"{kind.name}.{field.name}"
    if field.required or field.name == kind.ref:
        raise refuse(where, "is required, or the record's external id", "it can't be retired")
    if relied or kind.name == "suppression":
        raise refuse(where, "is a field that the vault works by", "it can't be retired")
    left = {name: one for name, one in kind.fields.items() if name != field.name}
    if not left:
        raise refuse(where, "is the last field of its kind", "keep one")
    return msgspec.structs.replace(kind, fields=left, retired=kind.retired | {field.name: field})


# --- comparing --------------------------------------------------------------------------------------------


def changes(kinds: Kinds, schema: Schema) -> list[Change]:
    """What differs in a schema from the one in force.

    Args:
        kinds: How records are laid out now.
        schema: How they are to be.
    """
    return [change for kind in schema.kinds.values() for change in _changed(kinds.get(kind.name), kind)]


def _changed(before: Mapping[str, Laid] | None, kind: KindSpec) -> Iterator[Change]:
    if before is None:
        yield Change(kind=kind.name, field="", what="kind_added", after=kind.keep_like)
        return
    after = laid(kind)
    for name in kind.retired.keys() & before.keys():
        yield Change(kind=kind.name, field=name, what="field_retired", before=before[name].mask)
    for name, new in after.items():
        old = before.get(name)
        if old is None:
            yield Change(kind=kind.name, field=name, what="field_added", after=new.mask)
            continue
        if old.compartment != new.compartment:
            yield _told(kind, name, "compartment", old.compartment, new.compartment)
        if old.mask != new.mask:
            wider = not shows_no_more(new.mask, old.mask)
            yield _told(kind, name, "mask", old.mask, new.mask, widening=wider)
        if old.indexed != new.indexed:
            yield _told(kind, name, "indexed", _yes(old.indexed), _yes(new.indexed), widening=new.indexed)
        if old.open != new.open:
            yield _told(kind, name, "open", _yes(old.open), _yes(new.open), widening=new.open)


def _told(kind: KindSpec, name: str, what: str, before: str, after: str, *, widening: bool = False) -> Change:
    return Change(kind=kind.name, field=name, what=what, before=before, after=after, widening=widening)


def _yes(value: bool) -> str:  # noqa: FBT001 - a word for it
    return "yes" if value else "no"


def demand_permanent(kinds: Kinds, retired: Mapping[str, Mapping[str, int]], schema: Schema) -> None:
    """Refuse a schema that takes back what holds for ever.

    Args:
        kinds: How records are laid out now.
        retired: Numbers by retired field, by kind, of every schema that was ever in force.
        schema: What is to be in force.

    Raises:
        ConfigError: A kind or a field vanishes unnamed; a retired field comes back; an own field gets another
            number, type or compartment.
    """
    for name, fields in kinds.items():
        kind = schema.kinds.get(name)
        if kind is None:
            raise refuse(name, "is gone from the file", "keep the kind: its records are still there")
        for field, old in fields.items():
            _demand_kept(kind, field, old)
    for name, numbers in retired.items():
        kind = schema.kinds[name]
        for field, number in numbers.items():
            if field not in kind.retired or kind.retired[field].number != number:
                raise refuse(
                    f"{name}.{field}", "was retired, and is for ever",
                    "keep its table and its place in `retired`; for a new field use a new name and number",
                )  # fmt: skip


def _demand_kept(kind: KindSpec, field: str, old: Laid) -> None:
    where = f"{kind.name}.{field}"
    if field not in kind.fields and field not in kind.retired:
        raise refuse(where, "is gone from the file", f'put it back, and add "{where}" to `retired`')
    new = kind.fields.get(field)
    own = field.startswith(PREFIX) or kind.name.startswith(PREFIX)
    if own and new is not None and (new.number, new.type, new.compartment) != old_of(old):
        raise refuse(
            where, "has another number, type or compartment than before",
            "put these back, or retire the field and add another",
        )  # fmt: skip


def old_of(field: Laid) -> tuple[int, str, str]:
    """What of a field never changes."""
    return field.number, field.type, field.compartment
