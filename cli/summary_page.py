"""A month's summary as a page to print and file: loads and runs nothing, holds no borrower's data."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cli import summary_svg as svg
from cli.summary_svg import Bar
from cli.summary_words import language, named, refusal, sort, word

if TYPE_CHECKING:
    from vault.summarising import Share, Summary

_LOADS_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = (
    "@page{size:A4;margin:16mm}"
    "body{font:14px/1.5 system-ui,sans-serif;max-width:178mm;margin:2em auto;padding:0 1em;color:#000}"
    "h1{font-size:1.5em}h2{font-size:1.1em;margin:1.4em 0 .3em}"
    "table{border-collapse:collapse;width:100%;margin:.3em 0}"
    "td,th{border:1px solid #999;padding:.15em .5em;text-align:left;overflow-wrap:anywhere}"
    "td.n,th.n{text-align:right;white-space:nowrap}svg{width:100%;height:auto}section{break-inside:avoid}"
    "code{overflow-wrap:anywhere}.sign{border-top:1px solid #000;margin-top:4em;padding-top:.3em}"
    "@media screen and (max-width:44em){.chart{overflow-x:auto}.chart svg{width:720px}}"
    "@media print{body{margin:0;padding:0;max-width:none;font-size:11px}}"
)
FIGURES: Final = ("request", "approve", "export", "erase_begin", "erase_done", "hold")
"""Kinds of entries that the page counts by themselves."""


def page(found: Summary) -> bytes:
    """The whole page. Two of one month differ in the line that says when it was made, and in nothing else."""
    title = html.escape(word("title", month=found.month))
    parts = [
        f'<!doctype html>\n<html lang="{language()}"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_LOADS_NOTHING}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>",
        *_head(found),
        *_section(word("figures"), _pairs(figures(found))),
        *_section(word("days"), [_days(found)]),
        *_shares("purposes", found.purposes),
        *_shares("roles", found.roles),
        *_shares("fields", found.fields),
        *_refusals(found),
        *_actors(found),
        *_section(word("vouched"), [*_pairs(vouched(found)), f"<p>{html.escape(word('check'))}</p>"]),
        f'<p class="sign">{html.escape(word("sign"))}</p>',
        "</body></html>",
        "",
    ]
    return "\n".join(parts).encode()


def about(found: Summary) -> list[tuple[str, str]]:
    """What month of which log, as titles and texts."""
    span = (
        word("range.none")
        if found.first is None
        else word("range.of", first=found.first, last=found.last, count=found.entries)
    )
    return [
        (word("tenant"), found.tenant),
        (word("origin"), found.origin),
        (word("range"), span),
        (word("made"), found.made),
    ]


def figures(found: Summary) -> list[tuple[str, str]]:
    """The month in figures, as titles and texts."""
    refused = sum(one.count for one in found.refusals)
    return [
        (word("reads"), str(found.reads)),
        (word("masked"), _part(found.masked, found.reads)),
        (word("clear"), _part(found.clear, found.reads)),
        (word("readers"), str(found.readers)),
        (word("off"), _part(found.off_hours, found.reads)),
        (word("off_people"), _part(found.off_people, found.reads)),
        (word("no_case"), str(found.no_case)),
        (word("refused"), str(refused)),
        (word("alarms"), str(found.alarms)),
        (word("glass"), str(found.glass)),
        *((word(kind), str(found.kinds.get(kind, 0))) for kind in FIGURES),
    ]


def vouched(found: Summary) -> list[tuple[str, str]]:
    """What vouches for the month's entries, as titles and texts."""
    point = found.checkpoint
    if point is None:
        return [(word("checkpoint"), word("checkpoint.none"))]
    seen = [word("witnesses.of", witness=name, time=at) for name, at in sorted(point.witnesses.items())]
    return [
        (word("checkpoint"), word("checkpoint.of", size=point.size, root=point.root)),
        (word("witnesses"), "; ".join(seen) or word("witnesses.none")),
    ]


def _head(found: Summary) -> list[str]:
    lines = [f"{title}: {text}" for title, text in about(found)]
    notes = [word("zone"), *([] if found.complete else [word("running")])]
    return ["<p>" + "<br>\n".join(map(html.escape, [*lines, *notes])) + "</p>"]


def _section(title: str, body: Sequence[str]) -> list[str]:
    return [f"<section><h2>{html.escape(title)}</h2>", *body, "</section>"]


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    quote = html.escape
    rows = [f"<tr><td>{quote(title)}</td><td>{quote(text)}</td></tr>" for title, text in pairs]
    return ["<table>", *rows, "</table>"]


def _days(found: Summary) -> str:
    bars = [Bar(day.day[8:].lstrip("0"), day.reads, day.clear) for day in found.days]
    top = max(found.days, key=lambda day: day.reads)
    said = word("days.said", total=found.reads, days=len(bars), day=top.day, most=top.reads)
    return _scrolled(svg.columns("days", word("days"), said, bars)) + f"\n<p>{html.escape(said)}</p>"


def _chart(key: str, bars: Sequence[Bar]) -> str:
    said = word("chart.said", count=len(bars), word=bars[0].label, most=bars[0].number)
    return _scrolled(svg.rows(key, word(key), said, bars))


def _scrolled(drawing: str) -> str:
    """A chart that is moved sideways on a telephone: shrunk to its width, nobody could read it."""
    return f'<div class="chart" tabindex="0">{drawing}</div>'


def _shares(key: str, shares: Sequence[Share]) -> list[str]:
    bars = [Bar(named(share.word, share.zh), share.count) for share in shares]
    return _section(word(key), [_chart(key, bars)] if bars else [f"<p>{html.escape(word('nothing'))}</p>"])


def _refusals(found: Summary) -> list[str]:
    bars = [Bar(refusal(one.reason, one.outcome), one.count) for one in found.refusals]
    body = [_chart("refusals", bars)] if bars else [f"<p>{html.escape(word('nothing'))}</p>"]
    return _section(word("refusals"), body)


def _actors(found: Summary) -> list[str]:
    quote = html.escape
    if not found.actors:
        return _section(word("actors"), [f"<p>{quote(word('nothing'))}</p>"])
    rows = [
        f"<tr><td>{quote(one.name)}</td><td>{quote(one.actor)}</td><td>{quote(sort(one.sort))}</td>"
        f'<td class="n">{one.reads}</td><td class="n">{one.off_hours}</td></tr>'
        for one in found.actors
    ]
    heads = f'<th colspan="2"></th><th>{quote(word("sort"))}</th><th class="n">{quote(word("reads"))}</th>'
    head = f'<tr>{heads}<th class="n">{quote(word("off.column"))}</th></tr>'
    said = word("actors.note", shown=len(found.actors), all=found.readers)
    return _section(word("actors"), ["<table>", head, *rows, "</table>", f"<p>{quote(said)}</p>"])


def _part(count: int, whole: int) -> str:
    return word("share", count=count, share=f"{count / whole:.1%}") if whole else str(count)
