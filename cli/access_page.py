"""An access review as a file: a page to print and sign, that loads and runs nothing; or a table of cells."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from cli.access_words import Words, groups
from cli.exporting import cell
from vault.config import iso

if TYPE_CHECKING:
    from vault.findings import Held, Holder
    from vault.reviewing import AccessReview

_LOADS_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = (
    "@page{size:A4;margin:15mm}"
    "body{font:14px/1.5 system-ui,sans-serif;max-width:78em;margin:2em auto;padding:0 1em;color:#111}"
    "table{border-collapse:collapse;width:100%;margin:.5em 0}"
    "td,th{border:1px solid #999;padding:.25em .5em;text-align:left;vertical-align:top}"
    "td{overflow-wrap:anywhere}"
    "code,small{color:#444}small{display:block}.error{font-weight:bold}.wanting{text-decoration:underline}"
    ".sign td{height:2.6em}th{background:#eee}"
    "@media print{body{margin:0;max-width:none;font-size:10px}tr{break-inside:avoid}"
    ".sign{break-inside:avoid}h2,h2+p{break-after:avoid}"
    "thead{display:table-header-group}}"
)
_TITLES: Final = (
    "agency", "agency_name", "principal", "name", "sort", "disabled", "staff_number", "role", "role_zh",
    "purposes", "granted", "granted_by", "granted_by_name", "last_day", "over", "glass", "last_used",
    "last_used_for", "looked_since", "confidentiality", "training", "findings",
)  # fmt: skip
_DATED: Final = "date"
"""The type of cells that a spreadsheet may take for days."""


def page(review: AccessReview, words: Words) -> bytes:
    """The whole page: what to mend, who holds what with a place to decide, and a place to sign."""
    quote = html.escape
    title = quote(words("title"))
    parts = [
        f'<!doctype html>\n<html lang="{words.language}"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_LOADS_NOTHING}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>",
        "<p>" + "<br>".join(quote(line) for line in words.about(review)) + "</p>",
        f"<h2>{quote(words('findings'))}</h2>",
        *_findings(review, words),
    ]
    for name, holders in groups(review, words):
        parts += [f"<h2>{quote(name)}</h2>", *_holders(holders, review, words)]
    return "\n".join([*parts, *_sign(words), "</body></html>", ""]).encode()


def _findings(review: AccessReview, words: Words) -> list[str]:
    if not review.findings:
        return [f"<p>{html.escape(words('nothing'))}</p>"]
    rows = [
        f'<tr><td class="{finding.level}">{html.escape(words(f"level.{finding.level}"))}</td>'
        f"<td>{html.escape(words.sentence(finding))}</td><td><code>{html.escape(finding.command)}</code></td></tr>"
        for finding in review.findings
    ]
    return [*_table(words, ("level", "finding", "command")), *rows, "</tbody></table>"]


def _table(words: Words, keys: tuple[str, ...]) -> list[str]:
    heads = "".join(f"<th>{html.escape(words(key))}</th>" for key in keys)
    return [f"<table><thead><tr>{heads}</tr></thead><tbody>"]


def _holders(holders: list[Holder], review: AccessReview, words: Words) -> list[str]:
    rows = []
    for holder in holders:
        span = max(1, len(holder.powers))
        who = f'<td rowspan="{span}">{_who(holder, words)}</td>'
        attested = f'<td rowspan="{span}">{_attested(holder, review, words)}</td>'
        cells = [_power(held, review, words) for held in holder.powers] or [
            f'<td colspan="5">{html.escape(words("no_power"))}</td>'
        ]
        rows += [f"<tr>{'' if number else who + attested}{found}</tr>" for number, found in enumerate(cells)]
    heads = ("who", "attested", "power", "granted", "until", "used", "decision")
    return [*_table(words, heads), *rows, "</tbody></table>"]


def _who(holder: Holder, words: Words) -> str:
    small = [words(f"sort.{holder.sort}"), holder.principal]
    if holder.sort == "person":
        small.append(words("staff" if holder.staff_number else "no_staff"))
    return html.escape(holder.name) + "".join(f"<small>{html.escape(text)}</small>" for text in small)


def _attested(holder: Holder, review: AccessReview, words: Words) -> str:
    return "<br>".join(
        f'<span class="wanting">{html.escape(text)}</span>' if wanting else html.escape(text)
        for text, wanting in words.attested(holder, review.day)
    )


def _power(held: Held, review: AccessReview, words: Words) -> str:
    quote = html.escape
    used = quote(words.used(held)) + (f"<small>{quote(held.used_for)}</small>" if held.used_for else "")
    texts = (
        f"{quote(words.role(held))}<small>{quote(words.purposes(held, review))}</small>",
        quote(words.granted(held)),
        quote(words.until(held)),
        used,
        quote(words("keep")),
    )
    return "".join(f"<td>{text}</td>" for text in texts)


def _sign(words: Words) -> list[str]:
    """Where whoever goes through the rights puts their name to it."""
    quote = html.escape
    keys = ("sign.name", "sign.office", "sign.day", "sign.signature")
    heads = "".join(f"<th>{quote(words(key))}</th>" for key in keys)
    empty = "<tr>" + "<td></td>" * len(keys) + "</tr>"
    return [
        f"<h2>{quote(words('sign'))}</h2><p>{quote(words('sign.note'))}</p>",
        f'<table class="sign"><tr>{heads}</tr>{empty}{empty}</table>',
    ]


def rows(review: AccessReview) -> list[list[str]]:
    """Titles and one row for each power; who holds none has one row too. No spreadsheet runs any of it."""
    agencies = {view.agency: view.name for view in review.agencies}
    found: dict[str, list[str]] = {}
    for finding in review.findings:
        found.setdefault(finding.about, []).append(finding.code)
    table = [list(_TITLES)]
    for holder in review.holders:
        who = (
            holder.agency, agencies.get(holder.agency, ""), holder.principal, holder.name, holder.sort,
            _yes(holder.disabled), _yes(holder.staff_number),
        )  # fmt: skip
        after = (
            holder.attested.get("confidentiality", ""),
            holder.attested.get("training", ""),
            " ".join(sorted(set(found.get(holder.principal, [])))),
        )
        powers = [_cells(held) for held in holder.powers] or [("",) * 12]
        table += [[cell(text, _DATED) for text in (*who, *power, *after)] for power in powers]
    return table


def _cells(held: Held) -> tuple[str, ...]:
    return (
        held.role, held.zh, " ".join(held.purposes), iso(held.since), held.by, held.by_name, held.last_day,
        _yes(held.over), _yes(bool(held.glass)), "" if held.used is None else iso(held.used), held.used_for,
        iso(held.looked),
    )  # fmt: skip


def _yes(there: bool) -> str:
    return "yes" if there else "no"
