"""Commands about kinds and fields: check a schema, say what another would change, carry it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import messages
from cli.context import Call, command
from vault.errors import Partial

if TYPE_CHECKING:
    from vault.schema import Schema
    from vault.schema_own import Change

File = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="A schema of one's own [schema.toml of the vault].")
]


def register(app: typer.Typer) -> None:
    """Add the schema commands to their group."""
    command(app, "check")(check)
    command(app, "diff")(diff)
    command(app, "apply")(apply)


def _text(call: Call, file: Path | None) -> str | None:
    return None if file is None else call.read(file, "schema").decode("utf-8", "replace")


def _load(call: Call, file: Path | None) -> Schema:
    """What ships with what the file adds; a file with every shipped kind in it stands for itself."""
    from vault.schema import Schema, builtin, document_of
    from vault.schema_own import load, merged

    text = _text(call, file)
    if text is None:
        return load(call.folder)
    tables = document_of(text).get("kinds", {})
    whole = isinstance(tables, dict) and any(
        isinstance(table, dict) and "owner" in table
        for name, table in tables.items()
        if name in builtin().kinds
    )
    return Schema.load(text) if whole else merged(text)


def check(call: Call, file: File = None) -> None:
    """Check a schema whole: every field classified, masked and sealed."""
    schema = _load(call, file)
    if call.out.json:
        call.out.document(
            {
                "schema": schema.hash,
                "kinds": {n: list(k.fields) for n, k in schema.kinds.items()},
                "retired": {n: list(k.retired) for n, k in schema.kinds.items() if k.retired},
            }
        )
    else:
        call.out.table(
            ("kind", "field", "", "type", "class", "sensitive", "compartment", "mask", "open"),
            [
                (
                    kind.name,
                    f.name,
                    f.zh,
                    f.type,
                    f.classification,
                    _yes(f.sensitive),
                    f.compartment,
                    f.mask,
                    _yes(f.open),
                )
                for kind in schema.kinds.values()
                for f in kind.fields.values()
            ],
            title=schema.hash,
        )
    call.out.note("schema.sound")


def diff(call: Call, file: File = None) -> None:
    """Say what a schema would change of the one in force, and how many records it seals anew."""
    with call.open() as vault:
        found = vault.resealing(_text(call, file), call.tenant).diff()
    if call.out.json:
        call.out.document({"items": found})
        return
    _say(call, found)


def _say(call: Call, found: Sequence[Change]) -> None:
    for change in found:
        name = f"{change.kind}.{change.field}" if change.field else change.kind
        sentence = messages.text(f"schema.{change.what}", name=name, before=change.before, after=change.after)
        many = messages.text("schema.records", count=change.records) if change.reseals else ""
        call.out.line(f"{'+' if change.widening else ' '} {sentence}{many}")
    if not found:
        call.out.note("schema.same")


def apply(call: Call, file: File = None) -> int:
    """Put a schema in force: seal the records anew that it changes; run again after a crash, it goes on."""
    text = _text(call, file)
    with call.open() as vault, call.out.progress("schema") as progress:
        credential = call.credential(vault, "admin", "administration")
        done = vault.resealing(text, call.tenant).apply(credential, progress)
    if call.out.json:
        call.out.document(done)
    else:
        _say(call, done.changes)
    call.out.note("schema.applied", resealed=done.resealed)
    if done.held:
        call.out.note("schema.held", held=done.held)
    if done.damaged:
        call.out.note("schema.damaged", damaged=done.damaged)
    return Partial.exit_code if done.damaged else 0


def _yes(value: bool) -> str:
    return "yes" if value else ""
