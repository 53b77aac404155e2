"""The page of a report for the person it is about: one file, printable, that loads and runs nothing.

Everything that people wrote is escaped: an agency's name and a case number are free text.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from vault.access.purposes import BASES
from vault.config import SHANGHAI
from vault.model import Word
from vault.report.words import KINDS, OUTCOMES, PURPOSES, REASONS, ROLES, Words

_LOADS_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'"
_COLUMNS: Final = (
    ".list caption{position:absolute;clip-path:inset(50%)}.list{table-layout:fixed}"
    ".list th:nth-child(1){width:7%}.list th:nth-child(2){width:12%}.list th:nth-child(3){width:11%}"
    ".list th:nth-child(4){width:14%}.list th:nth-child(5){width:17%}.list th:nth-child(7){width:11%}"
    ".list th:nth-child(8){width:12%}"
)
"""The long table's widths: left to itself, a browser gives all room to the longest list of fields.

Its caption is for screen readers; the heading above it says the same.
"""
_CARDS: Final = (
    "@media screen and (max-width:48em){.list,.list tbody,.list tr{display:block}"
    ".list th,.list td{display:flow-root;width:auto!important}"
    ".list thead{display:none}.list tr{border:1px solid #767676;margin:.8em 0}"
    ".list th,.list td{border:0;border-bottom:1px solid #ddd;padding:.3em .6em .3em 7em;min-height:2em}"
    ".list [data-t]::before{content:attr(data-t);float:left;margin-left:-6.4em;width:6em;font-weight:bold}"
    "dl{display:block}dd{margin:0 0 .4em 1em}}"
)
"""On a telephone each entry is a card: seven columns don't fit."""
_STYLE: Final = (
    "@page{size:A4;margin:15mm}*{box-sizing:border-box}"
    "body{font:15px/1.6 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em"
    ";color:#111;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:.5em 0}caption{text-align:left;font-weight:bold}"
    "td,th{border:1px solid #767676;padding:.25em .5em;text-align:left;vertical-align:top"
    ";overflow-wrap:anywhere}"
    "thead th{background:#eee}tbody th{font-weight:normal}small{display:block;color:#444}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1.5em}"
    "dt{font-weight:bold}dd{margin:0;overflow-wrap:anywhere}"
    "code{overflow-wrap:anywhere}.refused td,.refused th{background:#f6f6f6}"
    f"{_COLUMNS}{_CARDS}"
    "@media print{body{margin:0;max-width:none;font-size:9pt;padding:0}tr{break-inside:avoid}"
    ".list th,.list td{padding:.2em .35em}.list small{font-size:8pt}"
    "thead{display:table-header-group}h2,caption,thead{break-after:avoid}}"
)
_SECOND: Final = 1_000_000


class Access(Word):
    """One entry as the page tells it.

    Attributes:
        index: Its place in the log.
        t: µs UTC.
        kind, role, purpose, outcome, reason: As the entry has them.
        purpose_zh, role_zh: What the policy calls them, "" where it doesn't know them.
        basis: The item of PIPL 13 ¶1 that the policy names for the purpose, or None.
        agency: The agency whose staff acted, by name; "" for the house.
        house: What the house is called.
        staff: A short handle of whoever acted.
        about: The kind of record, titled for people; "" if none.
        masked, clear: Titles of the fields shown, by view.
        whom: Case, ticket and the like, where the report discloses them.
    """

    index: int
    t: int
    kind: str
    role: str
    purpose: str
    outcome: str
    reason: str
    role_zh: str
    purpose_zh: str
    basis: int | None
    agency: str
    house: str
    staff: str
    about: str
    masked: tuple[str, ...]
    clear: tuple[str, ...]
    whom: tuple[str, ...] = ()


class Accesses(Word):
    """Everything that the page tells, entries in the order of the log.

    Attributes:
        made: µs UTC.
        origin, size, root: The checkpoint under which it is proved; `root` in base64.
        gone: How many older entries went when the rule for the log said so.
        with_whom: Whether cases, tickets and the like are disclosed.
        sandbox: Whether a learning vault made it.
    """

    entries: tuple[Access, ...]
    made: int
    origin: str
    size: int
    root: str
    gone: int
    with_whom: bool
    sandbox: bool


def at(t: int) -> str:
    """An instant (µs UTC) in Asia/Shanghai, to the second."""
    moment = datetime.fromtimestamp(t // _SECOND, UTC).astimezone(SHANGHAI)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def render(found: Accesses, words: Words) -> str:
    """The page up to where the proof begins; its body is left open."""
    title = _e(words("title"))
    parts = [
        f'<!doctype html>\n<html lang="{words.html_lang}"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_LOADS_NOTHING}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<main><h1>{title}</h1>",
        *([f"<p><strong>{_e(words('sandbox'))}</strong></p>"] if found.sandbox else []),
        f"<p>{_e(words('intro'))}</p>",
        *_summary(found, words),
        *_entries(found, words),
        *_about(found, words),
        "</main>",
    ]
    return "\n".join([*parts, ""])


def _e(text: str) -> str:
    return html.escape(text)


def _list(words: Words, *keys: str) -> str:
    return "<ul>" + "".join(f"<li>{_e(words(key))}</li>" for key in keys) + "</ul>"


def _about(found: Accesses, words: Words) -> list[str]:
    """What it proves, how to check it, and what it doesn't say."""
    withheld = "not.3.with" if found.with_whom else "not.3"
    return [
        f"<h2>{_e(words('proof'))}</h2>",
        _list(words, "proof.1", "proof.2", "proof.3"),
        f"<h2>{_e(words('check'))}</h2><p>{_e(words('check.1'))}</p>",
        f"<p><code>cvault-verify report {_e(words.pick(('文件', 'FILE')))} --vkey KEY</code></p>",
        f"<p>{_e(words('check.2'))}</p>",
        _dl([(words("log"), found.origin), (words("size"), str(found.size)), (words("root"), found.root)]),
        f"<h2>{_e(words('not'))}</h2>",
        _list(words, "not.1", "not.2", withheld, "not.4", "not.5"),
    ]


def _dl(pairs: Sequence[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{_e(term)}</dt><dd>{_e(text)}</dd>" for term, text in pairs) + "</dl>"


def _summary(found: Accesses, words: Words) -> list[str]:
    entries = found.entries
    refused = sum(one.outcome != "ok" for one in entries)
    pairs = [
        (words("total"), str(len(entries))),
        (words("refused"), str(refused)),
        (words("clear"), str(sum(bool(one.clear) for one in entries))),
        (words("first"), at(entries[0].t) if entries else words("none")),
        (words("last"), at(entries[-1].t) if entries else words("none")),
        (words("made"), at(found.made)),
        *([(words("gone"), str(found.gone))] if found.gone else []),
    ]
    counts = Counter((_role(one, words), _house(one, words)) for one in entries)
    rows = [
        f'<tr><th scope="row">{_e(role)}<small>{_e(house)}</small></th><td>{count}</td></tr>'
        for (role, house), count in counts.most_common()
    ]
    return [
        f"<h2>{_e(words('summary'))}</h2>",
        _dl(pairs),
        *_table(words, "byrole", ("role", "count")),
        *rows,
        "</tbody></table>",
        f"<p>{_e(words('own'))}</p>",
    ]


def _table(words: Words, caption: str, keys: Sequence[str], name: str = "") -> list[str]:
    heads = "".join(f'<th scope="col">{_e(words(key))}</th>' for key in keys)
    kind = f' class="{name}"' if name else ""
    return [f"<table{kind}><caption>{_e(words(caption))}</caption><thead><tr>{heads}</tr></thead><tbody>"]


def _entries(found: Accesses, words: Words) -> list[str]:
    keys = ["number", "time", "what", "who", "why", "shown", "outcome"]
    keys += ["whom"] if found.with_whom else []
    return [
        f"<h2>{_e(words('list'))}</h2>",
        *_table(words, "list", keys, name="list"),
        *(_row(one, words, keys) for one in found.entries),
        "</tbody></table>",
    ]


def _row(one: Access, words: Words, keys: Sequence[str]) -> str:
    """An entry's row; each cell brings its title along, for screens on which the row is a card."""
    cells = [
        str(one.index),
        _e(at(one.t)),
        _what(one, words),
        f"{_e(_role(one, words))}<small>{_e(words('of', org=_house(one, words), staff=one.staff))}</small>",
        _why(one, words),
        _shown(one, words),
        _outcome(one, words),
        "<br>".join(map(_e, one.whom)),
    ]
    titled = [(f'data-t="{_e(words(key))}"', cell) for key, cell in zip(keys, cells, strict=False)]
    mark = "" if one.outcome == "ok" else ' class="refused"'
    row = "".join(f"<td {title}>{cell}</td>" for title, cell in titled[1:])
    return f'<tr{mark}><th scope="row" {titled[0][0]}>{one.index}</th>{row}</tr>'


def _what(one: Access, words: Words) -> str:
    about = f"<small>{_e(one.about)}</small>" if one.about else ""
    return _e(words.of(KINDS, one.kind)) + about


def _role(one: Access, words: Words) -> str:
    return one.role_zh if words.lang == "zh" and one.role_zh else words.of(ROLES, one.role)


def _house(one: Access, words: Words) -> str:
    return words("agency", name=one.agency) if one.agency else one.house


def _why(one: Access, words: Words) -> str:
    purpose = one.purpose_zh if words.lang == "zh" and one.purpose_zh else words.of(PURPOSES, one.purpose)
    if one.basis is None or one.basis not in BASES:
        return _e(purpose)
    text = words.pick(BASES[one.basis])
    return f"{_e(purpose)}<small>{_e(words('basis', item=one.basis, text=text))}</small>"


def _shown(one: Access, words: Words) -> str:
    """The fields by view, a line for each: which were shown in full is what a person looks for first."""
    shown = [(view, titles) for view, titles in (("full", one.clear), ("masked", one.masked)) if titles]
    lines = [
        words("shown.as", view=words(view), titles=words.pick(("、", ", ")).join(titles))
        for view, titles in shown
    ]
    return "<br>".join(map(_e, lines)) if lines else _e(words("nothing"))


def _outcome(one: Access, words: Words) -> str:
    said = _e(words.of(OUTCOMES, one.outcome))
    return f"{said}<small>{_e(words.of(REASONS, one.reason))}</small>" if one.reason else said
