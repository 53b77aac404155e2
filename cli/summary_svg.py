"""Bar charts as SVG: no scripts, nothing from elsewhere, readable in grey and by screen readers."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final, NamedTuple

WIDTH: Final = 720
_HEIGHT: Final = 150
_LABEL: Final = 250
_ROW: Final = 18
_EVERY: Final = 5
"""Days between two labels."""


class Bar(NamedTuple):
    """One bar: `part` of its `number` is dark."""

    label: str
    number: int
    part: int = 0


def columns(name: str, title: str, said: str, bars: Sequence[Bar]) -> str:
    """Upright bars, one a day, the dark part at the foot."""
    most = max([bar.number for bar in bars], default=0) or 1
    step = WIDTH / max(len(bars), 1)
    body = [
        f'<line x1="0" y1="{_HEIGHT}" x2="{WIDTH}" y2="{_HEIGHT}" stroke="#000"/>',
        f'<text x="0" y="12" font-size="11">{most}</text>',
    ]
    for place, bar in enumerate(bars):
        x, tall, dark = place * step, _tall(bar.number, most), _tall(bar.part, most)
        body.append(_box(x + 2, _HEIGHT - tall, step - 4, tall, "#bbb"))
        body.append(_box(x + 2, _HEIGHT - dark, step - 4, dark, "#333"))
        if place % _EVERY == 0 or place == len(bars) - 1:
            middle = x + step / 2
            label = html.escape(bar.label)
            at = f'x="{middle:.1f}" y="{_HEIGHT + 14}"'
            body.append(f'<text {at} font-size="11" text-anchor="middle">{label}</text>')
    return _drawing(name, title, said, _HEIGHT + 20, body)


def rows(name: str, title: str, said: str, bars: Sequence[Bar]) -> str:
    """Lying bars, one below the other, each with its label and its number."""
    most = max([bar.number for bar in bars], default=0) or 1
    room = WIDTH - _LABEL - 70
    body = []
    for place, bar in enumerate(bars):
        y, wide = place * _ROW, room * bar.number / most
        label = html.escape(bar.label)
        body.append(f'<text x="{_LABEL - 6}" y="{y + 13}" font-size="12" text-anchor="end">{label}</text>')
        body.append(_box(_LABEL, y + 3, wide, _ROW - 6, "#777"))
        body.append(f'<text x="{_LABEL + wide + 5:.1f}" y="{y + 13}" font-size="12">{bar.number}</text>')
    return _drawing(name, title, said, len(bars) * _ROW + 4, body)


def _tall(count: int, most: int) -> float:
    return (_HEIGHT - 20) * count / most


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    if not height or not width:
        return ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


def _drawing(name: str, title: str, said: str, height: int, body: Sequence[str]) -> str:
    quote = html.escape
    room = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
    heard = f'role="img" aria-labelledby="{name}-t {name}-d"'
    return "\n".join(
        [
            f'<svg {room} {heard} font-family="system-ui,sans-serif">',
            f'<title id="{name}-t">{quote(title)}</title><desc id="{name}-d">{quote(said)}</desc>',
            *(part for part in body if part),
            "</svg>",
        ]
    )
