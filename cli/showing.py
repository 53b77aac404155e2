"""How disclosed records are printed, and what exit code they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli import exporting, messages
from cli.context import Call
from cli.output import plain
from vault.errors import Denied, NotFound, Partial, Tampered, Unavailable
from vault.model import Disclosure, ItemError, Shown

if TYPE_CHECKING:
    from vault.schema import KindSpec
    from vault.vault import Vault

_EXITS: Final = {
    "not_found": NotFound.exit_code,
    "integrity": Tampered.exit_code,
    "log_unavailable": Unavailable.exit_code,
    "unavailable": Unavailable.exit_code,
    "epoch_destroyed": Unavailable.exit_code,
}
"""Exit codes of single records' refusals; every other one is a denial."""


def release(call: Call, vault: Vault, found: Disclosure, csv: Path | None = None) -> None:
    """Print a disclosure, or write it as CSV."""
    if csv is not None:
        exporting.export(call, vault, csv, found.items, found.errors)
    elif call.out.json:
        call.out.document(found)
    else:
        show(call, vault, found.items, found.errors)


def show(call: Call, vault: Vault, items: Sequence[Shown], errors: Sequence[ItemError]) -> None:
    """A table for each kind: a row for a record, a column for a field, 中文 titles beside the names."""
    schema = vault.tenancy(call.tenant).schema
    for kind in dict.fromkeys(item.kind for item in items):
        spec, alike = schema.kind(kind), [item for item in items if item.kind == kind]
        names = [n for n in spec.fields if any(_seen(item, n) for item in alike)]
        if len(items) == 1:
            _show_one(call, spec, alike[0], names)
            continue
        titles = [*messages.titles("record", "ref"), *(f"{spec.fields[n].zh} {n}" for n in names)]
        rows = [[item.record, item.ref, *(_cell(item, n) for n in names)] for item in alike]
        call.out.table(titles, rows, title=f"{spec.zh} {kind}")
    if not items and not errors:
        call.out.note("read.none")
    if errors:
        refused = [(error.id, error.code, messages.remedy(error.code)) for error in errors]
        call.out.table(messages.titles("id", "code", "action"), refused)
        call.out.note("read.some", count=len(errors))


def _show_one(call: Call, spec: KindSpec, item: Shown, names: Sequence[str]) -> None:
    """One record upright: a row for a field."""
    rows = [(spec.fields[n].zh, n, item.fields[n].view, _cell(item, n)) for n in names]
    ref = f" {item.ref}" if item.ref else ""
    call.out.table(
        ["", *messages.titles("field", "view", "value")], rows, title=f"{spec.zh} {item.record}{ref}"
    )


def _seen(item: Shown, name: str) -> bool:
    return name in item.fields and item.fields[name].view != "HIDDEN"


def _cell(item: Shown, name: str) -> object:
    return plain(item.fields[name].value) if _seen(item, name) else None


def outcome(items: Sequence[Shown], errors: Sequence[ItemError]) -> int:
    """0 if nothing failed, 6 if some did, the one code's own exit if everything failed by it."""
    codes = {error.code for error in errors}
    if not codes:
        return 0
    if items or len({_EXITS.get(code, Denied.exit_code) for code in codes}) > 1:
        return Partial.exit_code
    return _EXITS.get(codes.pop(), Denied.exit_code)
