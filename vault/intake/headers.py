"""Which column is which field: an alias table of Chinese and English headers, and a map file over it.

A column that is neither known nor mapped is named and not stored (PIPL 6: no more than the purpose needs).
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from vault.errors import Invalid
from vault.intake.fold import fold_number
from vault.model import Word
from vault.schema import KindSpec, Schema

LAYOUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "borrower": ("borrower", "loan", "contact_person"),
    "contact_attempt": ("contact_attempt",),
    "promise": ("promise",),
    "case": ("case",),
}
"""What one row yields, by the kind that an import names."""

OVERDUE_DAYS: Final = "loan.overdue_days"
"""A column that is used for computing `loan.overdue_since` and not stored."""
COMPUTING: Final[Mapping[str, str]] = {OVERDUE_DAYS: "integer"}
"""Targets that are no fields, with their types: validated like all others."""

_UNIT: Final = re.compile(r"[(\[（【][^)\]）】]*[)\]）】]\s*$")
_FILLERS: Final = dict.fromkeys(map(ord, " _-*:：.\t\r\n"))
_LOOKS_LIKE_DATA: Final = re.compile(r"[0-9]{5,}|@|[0-9]{4}[-/年]", re.ASCII)
_LONGEST_TITLE: Final = 40
_NEVER: Final = re.compile(
    r"密码|口令|cvv|cvn|有效期|磁道|指纹|人脸|声纹|虹膜|通讯录"
    r"|password|passwd|expiry|fingerprint|address book|contacts? list",
    re.IGNORECASE,
)
"""Headers of C3 data (JR/T 0171-2020) and address books, which no map may bring in."""


class Column(Word, frozen=True, kw_only=True):
    """One column of a file.

    Attributes:
        index: Its place in the row, from 0.
        title: Its header, or `column N` where the header looks like data.
        target: `kind.field`, or None when it is not stored.
        how: What decided it: `map`, `exact` (a field's own name or title), `alias`; "" if nothing did.
    """

    index: int
    title: str
    target: str | None
    how: str = ""


def read_map(path: Path) -> dict[str, str]:
    """Read a map file: TOML with a table `[columns]` of `"列名" = "kind.field"`; "" leaves a column out.

    Raises:
        Invalid: Not there, not TOML, or of another shape.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        document = None
    remedy = 'write TOML in UTF-8: [columns] and lines of "列名" = "borrower.name"'
    if document is None:
        raise Invalid("the map file cannot be read", code="invalid_map", field="map", remedy=remedy)
    columns = document.get("columns")
    if set(document) != {"columns"} or not isinstance(columns, dict):
        raise Invalid(
            "the map file holds no table [columns] alone", code="invalid_map", field="map", remedy=remedy
        )
    if not all(isinstance(target, str) for target in columns.values()):
        raise Invalid("a target in the map file is no string", code="invalid_map", field="map", remedy=remedy)
    return columns


def match(
    header: Sequence[str], schema: Schema, kind: str, mapping: Mapping[str, str] | None = None
) -> list[Column]:
    """Find each column's target.

    Args:
        header: The cells of the header row.
        schema: The fields there are.
        kind: The layout, a key of `LAYOUTS`.
        mapping: Targets by header, over the alias table.

    Raises:
        Invalid: No such layout; a map that names no column or no field; two columns for one field; a
            required field without a column.
    """
    columns = understand(header, schema, kind, mapping)
    _check_single(columns)
    _check_required(columns, schema, kind)
    return columns


def understand(
    header: Sequence[str], schema: Schema, kind: str, mapping: Mapping[str, str] | None = None
) -> list[Column]:
    """What `match` finds, before it demands single and required columns.

    It takes the same arguments.

    Raises:
        Invalid: No such layout; a map that names no column or no field.
    """
    known = _known(schema, kind)
    chosen = _chosen(header, mapping or {}, set(known.values()))
    columns = []
    for index, cell in enumerate(header):
        target = chosen.get(index, known.get(_key(cell))) or None
        how = "map" if index in chosen else _how(cell, target, schema)
        columns.append(Column(index=index, title=_title(index, cell), target=target, how=how))
    return columns


def title_key(title: str) -> str:
    """What headers are compared by: two are the same column's where their keys are equal."""
    return _key(title)


def never_enters(title: str) -> bool:
    """Whether a header is one of C3 data or address books, which no map may bring in."""
    return _NEVER.search(title) is not None


def aliases(schema: Schema, kind: str) -> dict[str, list[str]]:
    """The titles that lead to each target of a layout, for people: field name first, then the aliases."""
    table: dict[str, list[str]] = {target: [] for target in _targets(schema, kind)}
    for target, titles in table.items():
        titles.extend(dict.fromkeys((target, *_aliases().get(target, ()))))
    return table


@functools.cache
def _aliases() -> Mapping[str, tuple[str, ...]]:
    """Headers by target, besides the field's own name, its titles and `kind.field`."""
    text = resources.files("vault.intake").joinpath("aliases.toml").read_text("utf-8")
    tables = tomllib.loads(text).items()
    return {f"{kind}.{field}": tuple(titles) for kind, table in tables for field, titles in table.items()}


def _layout(schema: Schema, kind: str) -> list[KindSpec]:
    if kind not in LAYOUTS:
        raise Invalid(
            "no import for this kind",
            code="invalid_kind",
            field="kind",
            remedy="use one of: " + ", ".join(LAYOUTS),
        )
    return [schema.kind(name) for name in LAYOUTS[kind]]


def _targets(schema: Schema, kind: str) -> list[str]:
    """Every target of a layout. A band is only ever computed, so no column gives it."""
    fields = [f"{spec.name}.{field}" for spec in _layout(schema, kind) for field in spec.fields]
    return [name for name in fields if not name.endswith("_band")] + (
        list(COMPUTING) if kind == "borrower" else []
    )


def _known(schema: Schema, kind: str) -> dict[str, str]:
    """Targets by folded header. The first to claim a title keeps it, so `name` is the borrower's."""
    table: dict[str, str] = {}
    targets = _targets(schema, kind)
    for target in targets:
        table[_key(target)] = target
    for target in targets:
        for title in _aliases().get(target, ()):
            table.setdefault(_key(title), target)
    for target in targets:
        owner, _, name = target.partition(".")
        titles = {name, f"{owner}_{name}"}
        if target not in COMPUTING:
            spec = schema.kind(owner).field(name)
            titles |= {spec.zh, spec.en}
        for title in titles:
            table.setdefault(_key(title), target)
    return table


def _how(title: str, target: str | None, schema: Schema) -> str:
    """Whether a header is a target's own name or title, or another that leads there."""
    if target is None:
        return ""
    owner, _, name = target.partition(".")
    titles = {target, name, f"{owner}_{name}"}
    field = schema.kinds[owner].fields.get(name) if owner in schema.kinds else None
    titles |= {field.zh, field.en} if field else set()
    return "exact" if _key(title) in map(_key, titles) else "alias"


def _key(title: str) -> str:
    """A header as it is compared: folded, lower case, without unit in brackets, spaces and marks."""
    folded = fold_number(title).lower()
    return (_UNIT.sub("", folded) or folded).translate(_FILLERS)


def _title(index: int, cell: str) -> str:
    """A header fit for a message. A file without a header row would put a person's data here."""
    title = " ".join(cell.split())
    if not title or len(title) > _LONGEST_TITLE or _LOOKS_LIKE_DATA.search(fold_number(title)):
        return f"column {index + 1}"
    return title


def _chosen(header: Sequence[str], mapping: Mapping[str, str], targets: set[str]) -> dict[int, str]:
    """The map's targets by column index."""
    places = {_key(cell): index for index, cell in enumerate(header)}
    chosen: dict[int, str] = {}
    for number, (title, target) in enumerate(mapping.items(), start=1):
        place = places.get(_key(title))
        if place is None:
            raise _bad_map(number, "names no column of the file", "compare it with the header row")
        if target and target not in targets:
            raise _bad_map(number, "names no field", "use kind.field as in docs/import.md")
        if target and _NEVER.search(title):
            raise _bad_map(number, "would bring in what never enters the vault", "leave that column out")
        chosen[place] = target
    return chosen


def _bad_map(number: int, problem: str, remedy: str) -> Invalid:
    return Invalid(f"entry {number} of the map {problem}", code="invalid_map", field="map", remedy=remedy)


def _check_single(columns: list[Column]) -> None:
    first: dict[str, Column] = {}
    for column in columns:
        if column.target is None:
            continue
        other = first.setdefault(column.target, column)
        if other is not column:
            raise Invalid(
                f"two columns give {column.target}: {other.title} and {column.title}",
                code="invalid_header",
                field=column.target,
                remedy='map one of them to "" in a map file',
            )


def missing_required(columns: Sequence[Column], schema: Schema, kind: str) -> list[str]:
    """The targets that a layout needs and no column gives."""
    present = {column.target for column in columns}
    return [
        f"{spec.name}.{field.name}"
        for spec in _layout(schema, kind)
        for field in spec.fields.values()
        if field.required and f"{spec.name}.{field.name}" not in present
    ]


def _check_required(columns: list[Column], schema: Schema, kind: str) -> None:
    missing = missing_required(columns, schema, kind)
    if missing:
        raise Invalid(
            "no column gives " + ", ".join(missing),
            code="invalid_header",
            field=missing[0],
            remedy="add the column or map its header in a map file; if headers look wrong, name the encoding",
        )
