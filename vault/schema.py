"""The schema: which kinds of records there are, and how every field of them is protected.

A schema is data (`schemas/collections.toml`, format in docs/formats/schema.md). It is checked whole when it
is loaded: a field nobody has classified, or one that no mask or compartment protects, does not load
(PIPL 51(2); JR/T 0171-2020 classes).
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import re
import tomllib
from importlib import resources
from typing import Any, Final, Literal, Self, TypeVar

import msgspec

from vault.errors import ConfigError, Invalid
from vault.model import COMPARTMENTS, KINDS, Word

TYPES: Final = (
    "name", "id_number", "mobile", "landline", "phone", "bank_card", "email", "address", "employer", "date",
    "datetime", "duration", "term", "money", "rate", "integer", "count", "text", "relation", "code", "ref",
    "digest",
)  # fmt: skip
MASKS: Final = (
    "name", "phone", "mobile", "landline", "id_number", "bank_card", "email", "address", "employer",
    "birth_year", "amount_band", "hidden", "none",
)  # fmt: skip
NUMBERS: Final = range(53)
"""Field numbers: bits of the log's bitmaps, exact as JSON numbers only below 2^53 (RFC 8785)."""

BANDS: Final = ("0-1k", "1k-5k", "5k-10k", "10k-50k", "50k-100k", "100k+")
"""The bands that amounts are shown and counted in; each holds its lower bound and not its upper one."""

_BAND_BOUNDS: Final = (1_000, 5_000, 10_000, 50_000, 100_000)
_PLAIN_TYPES: Final = frozenset(
    {"date", "datetime", "duration", "term", "rate", "integer", "count", "relation", "code", "ref"}
)
"""The types whose values may be shown unmasked; all others need a mask. A digest is none of them: that of a
telephone number is guessed in seconds."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MARK: Final = re.compile(r"\[[VSM]\]")
_MONEY: Final = re.compile(r"[0-9]{1,15}(\.[0-9]+)?")
_W = TypeVar("_W", bound=Word)


class FieldSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field of a kind.

    Attributes:
        name: What callers, policies and tokens call it.
        number: Its bit in the access log's bitmaps; permanent, unique within its kind, 0..52.
        type: One of `TYPES`; intake normalises and validates by it.
        zh, en: Titles for people.
        classification: "C1" or "C2" (JR/T 0171-2020). C3 never enters the vault.
        sensitive: Treated as sensitive personal information (PIPL 28).
        source: Why it is classified so, each reason marked [V], [S] or [M] by how sure it is.
        compartment: Where its clear value is sealed; one of `vault.model.COMPARTMENTS`.
        mask: One of `MASKS`: what the masked view shows.
        indexed: Has a blind index, so that `find` can look it up by its exact value.
        open: May be queried and counted in clear (DESIGN 2, open attribute).
        openness: Why it may be open; required when it is.
        required: A record without it is refused.
        derived: Computed at intake when no column gives it.
    """

    name: str
    number: int
    type: str
    zh: str
    en: str
    classification: str
    sensitive: bool
    source: str
    compartment: str
    mask: str
    indexed: bool = False
    open: bool = False
    openness: str = ""
    required: bool = False
    derived: bool = False


class KindSpec(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of record.

    Attributes:
        name: One of `vault.model.KINDS`.
        zh, en: Titles for people.
        fields: Its fields by name, in the order of the file.
        ref: The field that gives a record its external id, if one does.
        owner: Whose subject it belongs to: "own", a subject of its own, or "borrower", the borrower's.
        keep_like: For a kind of a vault's own: the shipped kind whose retention rules govern it.
        retired: Fields that were, by name: nothing of them is stored, and their numbers stay taken.
    """

    name: str
    zh: str
    en: str
    fields: dict[str, FieldSpec]
    owner: Literal["own", "borrower"]
    ref: str | None = None
    keep_like: str = ""
    retired: dict[str, FieldSpec] = msgspec.field(default_factory=dict)

    def ever(self, name: str) -> FieldSpec:
        """The field called `name`, a retired one too: what the access log's bits of any day stand for.

        Raises:
            Invalid: There never was one.
        """
        return self.retired.get(name) or self.field(name)

    def field(self, name: str) -> FieldSpec:
        """The field called `name`.

        Raises:
            Invalid: There is none.
        """
        found = self.fields.get(name)
        if found is None:
            raise Invalid(
                f"{self.name} has no such field",
                code="invalid_field",
                field=name if name.isascii() and name.isidentifier() else "fields",  # what else was typed?
                remedy="use one of: " + ", ".join(self.fields),
            )
        return found


class Laid(Word, frozen=True, array_like=True):
    """What of a field decides how a record is sealed and indexed, and what can never change in it."""

    number: int
    type: str
    compartment: str
    mask: str
    indexed: bool
    open: bool


def laid(kind: KindSpec) -> dict[str, Laid]:
    """How the fields of a kind are laid out in its records, by name."""
    return {
        f.name: Laid(
            number=f.number,
            type=f.type,
            compartment=f.compartment,
            mask=f.mask,
            indexed=f.indexed,
            open=f.open,
        )
        for f in kind.fields.values()
    }


def layout(kind: KindSpec) -> str:
    """16 hex digits that stand for how records of a kind are sealed and indexed (docs/formats/schema.md)."""
    fields = sorted([f.name, f.compartment, f.mask, f.indexed, f.open] for f in kind.fields.values())
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()[:16]


class Schema(Word, frozen=True, kw_only=True):
    """Every kind a vault knows, immutable.

    Attributes:
        kinds: By name.
        hash: SHA-256 (hex) of the canonical content: the same for two files that differ in layout only.
        own: SHA-256 (hex) of what the vault's own file adds, "" without one (`vault.schema_own`).
    """

    kinds: dict[str, KindSpec]
    hash: str
    own: str = ""

    @classmethod
    def load(cls, text: str) -> Self:
        """Read and check a schema.

        Args:
            text: TOML as docs/formats/schema.md describes it.

        Raises:
            ConfigError: Names the kind and field at fault and the remedy.
        """
        kinds = {name: _kind(name, table) for name, table in _kind_tables(text).items()}
        return cls.of(kinds)

    @classmethod
    def of(cls, kinds: dict[str, KindSpec], own: str = "") -> Self:
        """A schema of kinds that were checked."""
        canonical = msgspec.json.encode(kinds, order="deterministic")
        return cls(kinds=kinds, hash=hashlib.sha256(canonical).hexdigest(), own=own)

    def kind(self, name: str) -> KindSpec:
        """The kind called `name`.

        Raises:
            Invalid: The schema has no such kind.
        """
        found = self.kinds.get(name)
        if found is None:
            raise Invalid(
                "no such kind of record",
                code="invalid_kind",
                field="kind",
                remedy="use one of: " + ", ".join(self.kinds),
            )
        return found


@functools.cache
def builtin() -> Schema:
    """The schema that ships with the vault."""
    return Schema.load(resources.files("vault").joinpath("schemas/collections.toml").read_text("utf-8"))


def amount_band(money: str) -> str:
    """The band of an amount in yuan, as intake writes it ("1234.50").

    Raises:
        Invalid: `money` is no such amount; the message does not hold it.
    """
    if not _MONEY.fullmatch(money):
        raise Invalid(
            "no amount in yuan", code="invalid_money", remedy="write digits, a dot and two decimals"
        )
    return BANDS[bisect.bisect_right(_BAND_BOUNDS, int(money.partition(".")[0]))]


def refuse(where: str, problem: str, remedy: str) -> ConfigError:
    """The error for a schema that can't be used: where, what is wrong, and what to do."""
    return ConfigError(f"schema: {where}: {problem}", code="invalid_schema", field=where, remedy=remedy)


def document_of(text: str) -> dict[str, Any]:
    """A schema file as TOML, its version checked.

    Raises:
        ConfigError: It isn't TOML, or of another version.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise refuse("file", f"not TOML ({error})", "mend the file at the place named") from None
    if document.get("version") != 1:
        raise refuse("version", "missing or not 1", "write `version = 1` at the top")
    return document


def _kind_tables(text: str) -> dict[str, Any]:
    document = document_of(text)
    kinds = document.get("kinds")
    if set(document) != {"version", "kinds"} or not isinstance(kinds, dict):
        raise refuse("file", "holds more or less than `version` and `kinds`", "keep these two only")
    return kinds


def _kind(name: str, table: object) -> KindSpec:
    if name not in KINDS:
        raise refuse(name, "not a kind the vault knows", "use one of: " + ", ".join(KINDS))
    if isinstance(table, dict) and "keep_like" in table:
        raise refuse(name, "has a key `keep_like`", "remove it: the rules name this kind themselves")
    return read_kind(name, table)


def read_kind(name: str, table: object) -> KindSpec:
    """One kind, every check made but that of its name.

    Raises:
        ConfigError: Names the field at fault and the remedy.
    """
    if not isinstance(table, dict) or not isinstance(table.get("fields"), dict) or not table["fields"]:
        raise refuse(name, "has no fields", f"add a table [kinds.{name}.fields.…]")
    if "retired" in table:
        raise refuse(name, "has a key `retired`", "list the fields in `retired` at the file's top")
    fields = {field: read_field(f"{name}.{field}", field, entry) for field, entry in table["fields"].items()}
    kind = _convert(name, {**table, "fields": fields}, name, KindSpec)
    check_kind(kind)
    return kind


def check_kind(kind: KindSpec) -> None:
    """Demand that a kind's fields go together.

    Raises:
        ConfigError: Two have one number, `ref` names none, or a masked node could guess values.
    """
    _check_numbers(kind)
    _check_ref(kind)


def read_field(where: str, name: str, entry: object) -> FieldSpec:
    """One field, every check made.

    Raises:
        ConfigError: It lacks a class, a source, a mask or a compartment, or has an unknown word.
    """
    if not isinstance(entry, dict):
        raise refuse(where, "is not a table", f"write it as [kinds.{where.replace('.', '.fields.')}]")
    if not _NAME.fullmatch(name):
        raise refuse(where, "is no field name", "use a-z, 0-9 and _, at most 32, a letter first")
    _check_classification(where, entry)
    field = _convert(name, entry, where, FieldSpec)
    check_field(where, field)
    return field


def check_field(where: str, field: FieldSpec) -> None:
    """Demand that a field is protected.

    Raises:
        ConfigError: Something leaves it bare; names it and the remedy.
    """
    _check_words(where, field)
    _check_protection(where, field)


def _convert(name: str, entry: dict[str, Any], where: str, into: type[_W]) -> _W:
    if "name" in entry:
        raise refuse(where, "has a key `name`", "remove it: the table's own name is the name")
    try:
        return msgspec.convert({**entry, "name": name}, into)
    except msgspec.ValidationError as error:
        raise refuse(where, str(error), "see docs/formats/schema.md for the keys") from None


def _check_classification(where: str, entry: dict[str, Any]) -> None:
    given = entry.get("classification")
    if given is None:
        raise refuse(where, "is not classified", 'add `classification = "C1"` or "C2", and its `source`')
    if given == "C3":
        raise refuse(
            where,
            "is classified C3 (passwords, CVV, expiry dates, biometrics)",
            "remove the field: such values never enter the vault (JR/T 0171-2020)",
        )
    if given not in {"C1", "C2"}:
        raise refuse(where, "has an unknown classification", 'use "C1" or "C2"')


def _check_words(where: str, field: FieldSpec) -> None:
    """Refuse a word outside its list, and a reason that is missing."""
    for key, value, allowed in (
        ("type", field.type, TYPES),
        ("compartment", field.compartment, COMPARTMENTS),
        ("mask", field.mask, MASKS),
    ):
        if value not in allowed:
            raise refuse(where, f"has an unknown {key}", "use one of: " + ", ".join(allowed))
    if field.number not in NUMBERS:
        raise refuse(where, "has a number outside 0..52", "give it a free number of its kind")
    if not _MARK.search(field.source):
        raise refuse(where, "has no marked source", "say why it is classified so, with [V], [S] or [M]")


def _check_protection(where: str, field: FieldSpec) -> None:
    """Refuse a field that its mask, its compartment or its openness would leave bare."""
    plain = field.type in _PLAIN_TYPES and not field.sensitive
    if field.mask == "none" and not plain:
        raise refuse(where, "is sensitive or identifying and has no mask", "name a mask other than none")
    if field.compartment == "masked" and field.mask != "none":
        raise refuse(
            where,
            "has a mask, and its clear value in `masked`",
            "put it in the compartment of its clear value",
        )
    if field.open and (field.mask != "none" or field.compartment != "masked"):
        raise refuse(where, "is open, and masked or sealed apart", "use mask none and compartment masked")
    if field.open and not field.openness.strip():
        raise refuse(where, "is open without a reason", "say in `openness` why it may be queried in clear")


def _check_numbers(kind: KindSpec) -> None:
    taken: dict[int, str] = {}
    for field in (*kind.fields.values(), *kind.retired.values()):
        if field.number in taken:
            raise refuse(
                f"{kind.name}.{field.name}",
                f"has the number of {kind.name}.{taken[field.number]}",
                "give it a number of its own; numbers are permanent",
            )
        taken[field.number] = field.name


def _check_ref(kind: KindSpec) -> None:
    """Refuse a `ref` that is no ref, and a blind index that a masked node would hold the key of."""
    if kind.ref is not None and (kind.ref not in kind.fields or kind.fields[kind.ref].type != "ref"):
        raise refuse(kind.name, "`ref` names no field of type ref", "name a field of this kind, of type ref")
    for field in kind.fields.values():
        if field.indexed and field.compartment == "masked" and field.name != kind.ref:
            raise refuse(
                f"{kind.name}.{field.name}",
                "is indexed in `masked`, whose nodes must not guess values",
                "remove `indexed`, or put the field in another compartment",
            )
