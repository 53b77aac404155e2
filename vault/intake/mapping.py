"""A map file written for a file that was checked: every column as understood, for a person to mend.

Titles stand in it as the file has them, so it is as private as the file's header row. A title that looks like
data is left out unless a map named it: it could be a person's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vault.errors import Invalid
from vault.intake.checking import Checked
from vault.intake.explaining import ColumnCheck
from vault.intake.headers import never_enters, title_key

_HEAD: Final = """\
# Which column is which field; docs/import.md, "A map file". "" leaves a column out.
# Take the # away before a proposal that is right, and delete the line above it.

[columns]
"""
_REASONS: Final = {
    "left_out": "left out by the map",
    "never_stored": "never stored",
    "computed_only": "computed, never read from a file",
}
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\"}


def map_text(header: Sequence[str], checked: Checked) -> str:
    """The map file's text, which `headers.read_map` reads back to the same understanding.

    Args:
        header: The titles as the file has them.
        checked: What `check` found of that file.

    Raises:
        Invalid: The file has no row of titles, so a map would hold a person's data and name no column.
    """
    if not checked.header:
        raise Invalid(
            "no map can be written: the first row holds data, not titles",
            code="invalid_header",
            field="write-map",
            remedy="put a row of column titles above it",
        )
    last = {title_key(title): place for place, title in enumerate(header)}
    lines: list[str] = []
    for column in checked.columns:
        title = header[column.number - 1]
        if last[title_key(title)] != column.number - 1:
            lines.append(f"# column {column.number} has the same title as a later one; a map can't name it")
        elif not title_key(title):
            lines.append(f"# column {column.number} has no title")
        elif _looks_like_data(column) and column.how != "map":
            lines.append(f"# column {column.number} has a title that looks like data; it isn't repeated here")
        else:
            lines += _entry(title, column)
    return _HEAD + "\n".join(lines) + "\n"


def _looks_like_data(column: ColumnCheck) -> bool:
    return column.title == f"column {column.number}"


def _entry(title: str, column: ColumnCheck) -> Iterator[str]:
    """A column's line, and its proposals behind `#`."""
    name = _quoted(title)
    if column.target and never_enters(title):
        yield f"# column {column.number} is known by its title, which a map can't name"
        return
    remark = _REASONS.get(column.why, "")
    yield f'{name} = "{column.target or ""}"' + (f"  # {remark}" if remark else "")
    if column.target is None:
        yield from (f'# {name} = "{target}"  # proposed by its content' for target in column.proposals)


def _quoted(title: str) -> str:
    """A TOML basic string (TOML 1.0.0, String)."""
    return '"' + "".join(map(_escaped, title)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if char.isprintable() else f"\\U{ord(char):08X}"
