"""Which column is which field: an alias table of Chinese and English headers, and a map file over it.

A column that is neither known nor mapped is named and not stored (PIPL 6: no more than the purpose needs).
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from vault.errors import Invalid
from vault.intake.fold import fold_number
from vault.intake.layouts import (
    COMPUTING,
    INSTEAD,
    LAYOUTS,
    MANDATORY,
    QUALIFIED,
    kind_of,
    layouts,
    parts_of,
    required,
    type_of,
)
from vault.model import Word
from vault.schema import Schema

__all__ = [
    "COMPUTING",
    "LAYOUTS",
    "Column",
    "aliases",
    "match",
    "missing_required",
    "never_enters",
    "read_map",
    "title_key",
    "understand",
]

_UNIT: Final = re.compile(r"[(\[（【]([^)\]）】]*)[)\]）】]\s*$")
_OTHER_MONEY: Final = re.compile(r"[万千百亿角分]|美|港|欧|usd|hkd|eur", re.IGNORECASE)
"""Units of amounts that are not yuan. What they hold would be stored as yuan, a wrong claim."""
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
        unit: What stands in brackets at the end of the header, folded.
    """

    index: int
    title: str
    target: str | None
    how: str = ""
    unit: str = ""


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
    _check_money(columns, schema)
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
        columns.append(
            Column(index=index, title=_title(index, cell), target=target, how=how, unit=_unit(cell))
        )
    return columns


def title_key(title: str) -> str:
    """What headers are compared by: two are the same column's where their keys are equal."""
    return _key(title)


def never_enters(title: str) -> bool:
    """Whether a header is one of C3 data or address books, which no map may bring in."""
    return _NEVER.search(title) is not None


def aliases(schema: Schema, kind: str) -> dict[str, list[str]]:
    """The titles that lead to each target of a layout, for people: the target first, then the aliases."""
    known = _known(schema, kind)
    table: dict[str, list[str]] = {}
    for part in _parts(schema, kind):
        for target in _targets(schema, kind, part):
            titles = dict.fromkeys((target, *_of_table(kind, part, target)))
            table[target] = [title for title in titles if known[_key(title)] == target]
    return table


@functools.cache
def _aliases() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Headers by part and field, besides the field's own name, its titles and `kind.field`."""
    text = resources.files("vault.intake").joinpath("aliases.toml").read_text("utf-8")
    return {
        part: {field: tuple(titles) for field, titles in table.items()}
        for part, table in tomllib.loads(text).items()
    }


def _of_table(layout: str, part: str, target: str) -> tuple[str, ...]:
    """The aliases of a target, those that name no kind included where its part may go by them."""
    field = target.rpartition(".")[2]
    bare = () if (layout, part) in QUALIFIED else _aliases().get(f"bare {part}", {}).get(field, ())
    return (*_aliases().get(part, {}).get(field, ()), *bare)


def _parts(schema: Schema, layout: str) -> tuple[str, ...]:
    known = layouts(schema)
    if layout not in known:
        raise Invalid(
            "no import for this kind",
            code="invalid_kind",
            field="kind",
            remedy="use one of: " + ", ".join(known),
        )
    return known[layout]


def _targets(schema: Schema, layout: str, part: str) -> list[str]:
    """Every target of a part. A band is only ever computed, so no column gives it.

    A row names its case once: by the first part that has a case number.
    """
    fields = [f"{part}.{field}" for field in schema.kind(kind_of(part)).fields if not field.endswith("_band")]
    computing = [target for target in COMPUTING if target.rpartition(".")[0] == part]
    if part == parts_of(layout)[0]:
        return fields + computing
    first = layout == "borrower" and part == "loan"
    return [
        target for target in fields + computing if first or not target.endswith((".case_number", ".place"))
    ]


def _known(schema: Schema, layout: str) -> dict[str, str]:
    """Targets by folded header. The first to claim a title keeps it, so `name` is the borrower's."""
    table: dict[str, str] = {}
    targets = [(part, target) for part in _parts(schema, layout) for target in _targets(schema, layout, part)]
    for _, target in targets:
        table[_key(target)] = target
    for part, target in targets:
        for title in _of_table(layout, part, target):
            table.setdefault(_key(title), target)
    for part, target in targets:
        for title in _own_titles(schema, layout, part, target):
            table.setdefault(_key(title), target)
    return table


def _own_titles(schema: Schema, layout: str, part: str, target: str) -> Iterator[str]:
    """A field's own names: with its kind's before it, and bare where its part may go by them."""
    name = target.rpartition(".")[2]
    yield f"{part}_{name}"
    if (layout, part) in QUALIFIED:
        return
    yield name
    if target not in COMPUTING:
        spec = schema.kind(kind_of(part)).field(name)
        yield spec.zh
        yield spec.en


def _how(title: str, target: str | None, schema: Schema) -> str:
    """Whether a header is a target's own name or title, or another that leads there."""
    if target is None:
        return ""
    part, _, name = target.rpartition(".")
    titles = {target, name, f"{part}_{name}"}
    field = schema.kind(kind_of(part)).fields.get(name)
    titles |= {field.zh, field.en} if field else set()
    return "exact" if _key(title) in map(_key, titles) else "alias"


def _key(title: str) -> str:
    """A header as it is compared: folded, lower case, without unit in brackets, spaces and marks."""
    folded = fold_number(title).lower()
    return (_UNIT.sub("", folded) or folded).translate(_FILLERS)


def _unit(title: str) -> str:
    found = _UNIT.search(fold_number(title).lower())
    return found[1].strip() if found else ""


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


def _check_money(columns: list[Column], schema: Schema) -> None:
    for column in columns:
        if column.target and type_of(schema, column.target) == "money" and _OTHER_MONEY.search(column.unit):
            raise Invalid(
                f"{column.title} is not in yuan",
                code="invalid_header",
                field=column.target,
                remedy="give the amounts in yuan, and name the column so",
            )


def missing_required(columns: Sequence[Column], schema: Schema, kind: str) -> list[str]:
    """The targets that a layout needs and no column gives.

    A part that every row fills, or that has a column at all, needs its required columns.
    """
    present = {column.target for column in columns if column.target}
    begun = {target.rpartition(".")[0] for target in present}
    return [
        target
        for number, part in enumerate(_parts(schema, kind))
        if number < MANDATORY.get(kind, 1) or part in begun
        for target in required(schema, part)
        if not present.intersection((target, *INSTEAD.get(target, ()))) and not _named_elsewhere(target, kind)
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


def _named_elsewhere(target: str, layout: str) -> bool:
    """Whether a case number is another part's to give."""
    part, _, field = target.rpartition(".")
    gives = "loan" if layout == "borrower" else parts_of(layout)[0]
    return field == "case_number" and part != gives
