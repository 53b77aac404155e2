"""`log sample`: entries for review that nobody chose, and the sheet to review them on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import parsing
from cli.context import Call, write_secret
from cli.exporting import cell, encoded
from cli.messages import text as said
from vault.errors import Invalid

if TYPE_CHECKING:
    from vault.auditing import Sampled

STRATA: Final = ("role", "purpose")
_TOLD: Final = (
    "index", "time", "kind", "actor", "actor_name", "role", "purpose", "about", "case", "record", "outcome",
    "reason",
)  # fmt: skip
SHEET: Final = ("stratum", *_TOLD, "fields", "leaf", "verdict", "remark")
"""Columns of the review sheet; the last two are the reviewer's."""


def sample(
    call: Call,
    count: Annotated[int, typer.Argument(metavar="N", min=1, max=10_000, help="How many entries.")],
    *,
    seed: Annotated[
        Path, typer.Option("--seed-from", metavar="FILE", help="A signed checkpoint of this log, whole.")
    ],
    stratify: Annotated[
        str | None, typer.Option("--stratify", help="So many of each: role, or purpose.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE", help="A CSV file (0600) to review them on.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Draw entries to review by a signed checkpoint: nobody chose them, and anybody can draw them again."""
    from cli.log_list import show
    from cli.log_rows import TABLE

    column = parsing.one_of(stratify, STRATA, "stratify")
    path = None if sheet is None else call.claim(sheet, force=force)
    try:
        note = call.read(seed, "seed-from").decode()
    except UnicodeDecodeError:
        raise Invalid(
            "the checkpoint is not UTF-8", field="seed-from", remedy="cvault log checkpoint > FILE"
        ) from None
    with call.open() as vault:
        drawn = vault.auditing(call.tenant).sample(
            call.credential(vault, "auditor", "audit"),
            note,
            count,
            column,  # type: ignore[arg-type]
        )
    if path is not None:
        write_secret(path, _sheet(drawn))
    if call.out.json:
        parts = {
            "size": drawn.size,
            "first": drawn.first,
            "gone": drawn.gone,
            "signers": drawn.signers,
            "strata": drawn.strata,
            "items": drawn.lines,
        }
        call.out.document(parts | ({} if path is None else {"sheet": str(path)}))
        return
    show(call, TABLE, iter(drawn.lines))
    call.out.note("sample.drawn", count=len(drawn.lines), size=drawn.size)
    call.out.note(
        "sample.cosigned" if len(drawn.signers) > 1 else "sample.alone", signers=", ".join(drawn.signers)
    )
    if drawn.gone:
        call.out.note("sample.gone", count=len(drawn.gone), first=drawn.first)
    if path is not None:
        call.out.note("sample.sheet", file=path)


def _sheet(drawn: Sampled) -> bytes:
    """The sheet: a row for each line, as it was drawn."""
    strata = {index: part.name for part in drawn.strata for index in part.indices}
    rows = [[said(f"sheet.{name}") for name in SHEET]]
    for line, leaf in zip(drawn.lines, drawn.leaves, strict=True):
        told = [getattr(line, name) for name in _TOLD]
        fields = " ".join(f"{name}={view}" for name, view in line.fields.items())
        row = [strata[line.index], *told, fields, leaf, "", ""]
        rows.append([cell("" if part is None else str(part)) for part in row])
    return encoded(rows)
