"""Commands about who may do what: review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.context import Call, command, write_secret

if TYPE_CHECKING:
    from cli.access_words import Words
    from vault.reviewing import AccessReview

MOST_DAYS: Final = 3660
"""Ten years."""


def register(app: typer.Typer) -> None:
    """Add the commands to their group."""
    command(app, "review")(review)


def review(
    call: Call,
    days: Annotated[
        int, typer.Option("--days", min=0, max=MOST_DAYS, help="An end this many days ahead is near.")
    ] = 7,
    unused: Annotated[
        int, typer.Option("--unused", min=0, max=MOST_DAYS, help="Days after which an unused power is named.")
    ] = 90,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Look for last use from here [a year back].")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="One row for each power (0600).")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="A page to print and sign (0600).")
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", metavar="zh|en", help="Its language [the locale's].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Show who holds which power, since when, until when, last used, and what to mend; an entry."""
    words = _words(lang)
    files = {
        name: call.claim(path, force=force)
        for name, path in (("csv", csv), ("html", page))
        if path is not None
    }
    with call.open() as vault:
        found = vault.reviewing(call.tenant).review_access(
            call.identity(vault), days=days, unused=unused, since=since
        )
    for name, path in files.items():
        write_secret(path, _file(name, found, words))
        call.out.note("access.written", file=path)
    if call.out.json:
        call.out.document(_document(found) | {"files": {name: str(path) for name, path in files.items()}})
    elif not files:
        from cli.access_view import rendered

        call.out.show(*rendered(found, words))


def _words(lang: str | None) -> Words:
    """The words of the language asked for, or of the locale's.

    Raises:
        Invalid: There are none in it.
    """
    from cli import messages
    from cli.access_words import Words
    from vault.errors import Invalid

    if lang not in {None, "zh", "en"}:
        raise Invalid("no such language", code="invalid_usage", field="lang", remedy="zh or en")
    chinese = messages.chinese() if lang is None else lang == "zh"
    return Words("zh" if chinese else "en")


def _file(name: str, found: AccessReview, words: Words) -> bytes:
    from cli import access_page
    from cli.exporting import encoded

    return encoded(access_page.rows(found)) if name == "csv" else access_page.page(found, words)


def _document(found: AccessReview) -> dict[str, Any]:
    """The review as docs/interface.md has it: instants are ISO 8601 in UTC."""
    import msgspec

    from cli.access_words import Words
    from vault.config import iso

    words = Words("en")

    def power(held: Any) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.structs.asdict(held)
        del told["until"]
        told |= {name: iso(told[name]) for name in ("since", "looked")}
        used = None if held.used is None else iso(held.used)
        return told | {"last_day": held.last_day, "used": used, "never_used": held.unused_ever}

    return msgspec.structs.asdict(found) | {
        "at": iso(found.at),
        "holders": [
            msgspec.structs.asdict(holder)
            | {"added": iso(holder.added), "powers": [power(held) for held in holder.powers]}
            for holder in found.holders
        ],
        "findings": [
            msgspec.structs.asdict(finding) | {"sentence": words.sentence(finding)}
            for finding in found.findings
        ],
    }
