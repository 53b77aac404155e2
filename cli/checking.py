"""`cvault import --check`: what a file is understood as, before anything of it is stored."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from cli import messages
from cli.context import Call, write_secret
from vault.errors import Invalid, Partial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vault.intake.checking import Checked
    from vault.intake.explaining import ColumnCheck, Fault

_ZONE: Final = ZoneInfo("Asia/Shanghai")
_EXITS: Final = {"yes": 0, "partly": Partial.exit_code, "no": Invalid.exit_code}
_DELIMITERS: Final = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}


def explain(
    call: Call,
    file: Path,
    *,
    kind: str,
    mapping: Path | None,
    encoding: str | None,
    sheet: str | None,
    write_map: Path | None,
    alone: bool,
) -> int:
    """Explain a file and, if asked to, write a map for it; no vault, no token, no entry.

    Returns:
        0 if it could be imported as it is, 6 if rows looked at would be refused, 2 if it can't be.

    Raises:
        Invalid: The file, the map or the kind can't be read as one.
    """
    from vault.access.masking import mask
    from vault.intake.checking import check
    from vault.intake.headers import read_map
    from vault.intake.mapping import map_text
    from vault.intake.sources import open_source
    from vault.schema_own import load

    if not alone:
        raise Invalid(
            "--write-map goes with --check", code="invalid_usage", field="write-map", remedy="add --check"
        )
    if write_map is not None:
        demand_free(write_map, "write-map")
    source = open_source(file, encoding=encoding, sheet=sheet)
    checked = check(
        source,
        load(call.folder),
        kind=kind,
        mapping=read_map(mapping) if mapping else None,
        today=datetime.now(_ZONE).date(),
        mask=mask,
    )
    if call.out.json:
        call.out.document(checked)
    else:
        _show(call, checked)
    if write_map is not None:
        write_secret(write_map.absolute(), map_text(source.header, checked).encode())
        call.out.note("check.map", file=write_map)
    return _EXITS[checked.importable]


def demand_free(path: Path, field: str) -> None:
    """Demand that a file can be made here and that none is there, before anything is done.

    Raises:
        Invalid: Something stands there, or its folder is missing.
    """
    if path.exists() or path.is_symlink():
        problem, remedy = f"{path} is there already", f"name another file with --{field}"
    elif not path.absolute().parent.is_dir():
        problem, remedy = f"no folder {path.parent}", "make it first"
    else:
        return
    raise Invalid(problem, code="invalid_file", field=field, remedy=remedy)


def _show(call: Call, checked: Checked) -> None:
    """Tables on stdout, the verdict on stderr."""
    say = messages.text
    total = say("check.many") if checked.rows is None else checked.rows
    call.out.table(
        _titles("format", "encoding", "delimiter", "rows", "looked", "refused"),
        [(
            checked.format, checked.encoding, _delimiter(checked.delimiter), total, checked.looked,
            checked.refused,
        )],
    )  # fmt: skip
    call.out.table(
        _titles("column", "title", "field", "how", "filled", "valid", "samples", "note"),
        [_row(column, checked) for column in checked.columns],
    )
    faults = [(column.title, *_fault(fault)) for column in checked.columns for fault in column.faults]
    faults += [("", *_fault(fault)) for fault in (*checked.problems, *checked.faults)]
    if faults:
        call.out.table(_titles("title", "code", "count", "problem", "remedy"), faults)
    if checked.missing:
        fields = ", ".join(_field(target) for target in checked.missing)
        call.out.note("check.missing", fields=fields)
    call.out.note(f"check.{checked.importable}", looked=checked.looked, refused=checked.refused)


def _titles(*names: str) -> list[str]:
    return [messages.text(f"check.{name}") for name in names]


def _row(column: ColumnCheck, checked: Checked) -> Sequence[object]:
    valid = "" if column.valid is None else _percent(column.valid, column.filled)
    how = messages.text(f"check.how.{column.how}") if column.how else ""
    return (
        column.number, column.title, _field(column.target) if column.target else "—", how,
        _percent(column.filled, checked.looked), valid, ", ".join(column.samples), _note(column),
    )  # fmt: skip


def _note(column: ColumnCheck) -> str:
    """Why a column isn't stored, what its cells look like, and what it could be."""
    parts = [messages.text(f"check.why.{column.why}")] if column.why else []
    if column.shapes:
        parts.append(", ".join(map(_shape, column.shapes)))
    if column.proposals:
        parts.append(messages.text("check.proposed", fields=" / ".join(map(_field, column.proposals))))
    elif column.looks_like:
        parts.append(messages.text("check.looks", type=messages.text(f"check.type.{column.looks_like}")))
    return messages.text("check.and").join(parts)


def _shape(code: str) -> str:
    name, _, count = code.partition(":")
    return messages.text(f"check.shape.{name}", count=count)


def _field(target: str) -> str:
    """A target with its Chinese title, where people are spoken to in Chinese."""
    from vault.schema import builtin

    if not messages.chinese():
        return target
    kind = builtin().kinds.get(target.partition(".")[0])
    field = kind.fields.get(target.rpartition(".")[2]) if kind else None
    return f"{field.zh} {target}" if field else target


def _fault(fault: Fault) -> Sequence[object]:
    problem, remedy = messages.of_fault(fault.code, fault.message, fault.remedy)
    return fault.code, fault.count, problem, remedy


def _delimiter(delimiter: str) -> str:
    return messages.text(f"check.by.{_DELIMITERS[delimiter]}") if delimiter in _DELIMITERS else "—"


def _percent(part: int, whole: int) -> str:
    """Whole per cent; 100 and 0 only where it is all or nothing."""
    if not whole:
        return "—"
    rounded = round(100 * part / whole)
    return f"{min(max(rounded, 1 if part else 0), 100 if part == whole else 99)} %"
