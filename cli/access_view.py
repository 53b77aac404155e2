"""An access review on a terminal: findings first, then who holds what; colours only where they are seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.access_words import Words, groups
from cli.output import printable, program

if TYPE_CHECKING:
    from vault.findings import Finding, Held, Holder
    from vault.reviewing import AccessReview

_MARKS: Final = {"error": ("!!", "bold red"), "warning": ("!", "yellow"), "info": ("-", "")}
_COLUMNS: Final = ("power", "until", "used", "granted")
_RATIOS: Final = (6, 4, 5, 8)
_BAD, _SOON, _DIM = "red", "yellow", "dim"


def rendered(review: AccessReview, words: Words) -> list[RenderableType]:
    """What is printed, from the top down."""
    heading, *about = [words("title"), *words.about(review)]
    parts: list[RenderableType] = [_text(heading, "bold"), *(_text(line) for line in about), Text()]
    if review.findings:
        parts += [_text(words("findings"), "bold"), _findings(review.findings, words)]
    else:
        parts.append(_text(words("nothing"), "green"))
    for title, holders in groups(review, words):
        parts += [Text(), _text(title, "bold underline"), *_holders(holders, review, words)]
    return parts


def _findings(findings: tuple[Finding, ...], words: Words) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.level]
        command = finding.command.replace("cvault", program())
        said = Text.assemble(_text(words.sentence(finding), style), "\n", _text(f"  {command}", _DIM))
        table.add_row(_text(mark, style), said)
    return table


def _holders(holders: list[Holder], review: AccessReview, words: Words) -> Iterator[RenderableType]:
    yield _line([_text(words(key), _DIM) for key in _COLUMNS])
    for holder in holders:
        sort = words(f"sort.{holder.sort}")
        yield Text.assemble(_text(holder.name, "bold"), "  ", _text(sort, _DIM))
        yield Padding(_who(holder, review, words), (0, 0, 0, 2))
        for held in holder.powers:
            yield _line(
                [
                    _text(words.role(held), _BAD if held.glass else ""),
                    _text(words.until(held), _urgency(held, review)),
                    _text(words.used(held), "" if held.used is not None else _SOON),
                    _text(words.granted(held)),
                ]
            )
            yield Padding(_text(words.purposes(held, review), _DIM), (0, 0, 0, 4))
        if not holder.powers:
            yield Padding(_text(words("no_power"), _DIM), (0, 0, 0, 2))


def _line(cells: list[Text]) -> Padding:
    """One line of columns that are as wide in every line, whatever they hold."""
    table = Table(box=None, show_header=False, expand=True, pad_edge=False)
    for ratio in _RATIOS:
        table.add_column(overflow="fold", ratio=ratio)
    table.add_row(*cells)
    return Padding(table, (0, 0, 0, 2))


def _who(holder: Holder, review: AccessReview, words: Words) -> Text:
    """What is known of who it is."""
    facts = [_text(holder.principal, _DIM)]
    if holder.sort == "person":
        facts.append(_text(words("staff" if holder.staff_number else "no_staff"), _DIM))
    facts += [_text(text, _BAD if wanting else _DIM) for text, wanting in words.attested(holder, review.day)]
    return Text("  ").join(facts)


def _urgency(held: Held, review: AccessReview) -> str:
    if held.over:
        return _BAD
    near = any(
        finding.code == "role_ends" and finding.parts["day"] == held.last_day for finding in review.findings
    )
    return _SOON if near else ""


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)
