"""Commands about hand-overs (案件移交): request, make, list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import messages, parsing
from cli.context import Call, command, write_secret
from vault.errors import Invalid

Agency = Annotated[str, typer.Argument(help="The agency's principal id.")]
Cases = Annotated[str | None, typer.Option("--cases", help="Case numbers: a,b.")]
Listed = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Case numbers, one a line.")]
For = Annotated[str, typer.Option("--for", help="The purpose, one of the contract's.")]
Expires = Annotated[str, typer.Option("--expires", help="The last day of its use, YYYY-MM-DD.")]


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "request")(request)
    command(app, "make", chooses=True)(make)
    command(app, "list")(list_)


def request(
    call: Call,
    agency: Agency,
    purpose: For,
    expires: Expires,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many records it may hold at most.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; no personal data.")],
    cases: Cases = None,
    file: Listed = None,
) -> None:
    """Ask for the approval of a hand-over: of exactly these cases, once."""
    from vault.handing import handover_about

    numbers = _numbers(call, cases, file)
    parsing.day(expires, "expires")
    with call.open() as vault:
        asked = vault.granting(call.tenant).ask(
            call.identity(vault),
            "handover",
            handover_about(agency, purpose, expires, numbers),
            reason=reason,
            purpose=purpose,
            rows=rows,
            agency=agency,
        )
    if call.out.json:
        call.out.document({"request": asked.id, "what": asked.what, "cases": len(set(numbers)), "rows": rows})
    call.out.note("handover.requested", request=asked.id)


def make(
    call: Call,
    agency: Agency,
    *,
    meant_for: For,
    expires: Expires,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file (0600), JSON Lines.")],
    cases: Cases = None,
    file: Listed = None,
    approved: Annotated[
        str | None, typer.Option("--request", help="The approved request for exactly these cases.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the file of cases assigned to an agency: granted fields alone, marked with whom it is for."""
    path, numbers = call.claim(out, force=force), _numbers(call, cases, file)
    parsing.day(expires, "expires")
    with call.open() as vault:
        handed = vault.handing(call.tenant).hand_over(
            call.credential(vault, "case_desk", "administration"),
            agency,
            numbers,
            purpose=meant_for,
            expires=expires,
            request=approved,
        )
    write_secret(path, handed.content)
    row = handed.handover
    if call.out.json:
        call.out.document(
            {
                "handover": row.id,
                "file": str(path.absolute()),
                "records": row.records,
                "cases": row.cases,
                "sha256": row.digest,
                "expires": row.expires,
            }
        )
    call.out.note("handover.made", records=row.records, cases=row.cases, expires=row.expires, file=path)


def list_(call: Call) -> None:
    """List every file handed over: to whom, by whom, until when, how much."""
    from vault.config import iso

    with call.open() as vault:
        found = vault.handing(call.tenant).handovers(call.identity(vault))
    if call.out.json:
        call.out.document(
            {
                "items": [
                    {
                        "handover": h.id,
                        "agency": h.agency,
                        "by": h.by,
                        "request": h.request or None,
                        "at": iso(h.at),
                        "expires": h.expires,
                        "records": h.records,
                        "cases": h.cases,
                        "sha256": h.digest,
                    }
                    for h in found
                ]
            }
        )
        return
    call.out.table(
        messages.titles("handover", "agency", "at", "expires", "cases", "records"),
        [(h.id, h.mark.rpartition(" ")[0], iso(h.at), h.expires, h.cases, h.records) for h in found],
    )


def _numbers(call: Call, cases: str | None, file: Path | None) -> list[str]:
    """Case numbers from the option or the file.

    Raises:
        Invalid: Neither or both are given, or nothing is in them.
    """
    if (cases is None) == (file is None):
        raise Invalid(
            "give the cases by --cases or by --file",
            code="invalid_usage",
            field="cases",
            remedy="one of them",
        )
    if file is None:
        numbers = sorted(parsing.names(cases) or ())
    else:
        numbers = [line.strip() for line in call.read(file, "file").decode("utf-8-sig").splitlines()]
    numbers = [number for number in numbers if number]
    if not numbers:
        raise Invalid("no case is named", code="invalid_case", field="cases", remedy="name one at least")
    return numbers
