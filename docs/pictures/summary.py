"""Draw the chart of a month's summary from made-up entries: `uv run python docs/pictures/summary.py`.

Writes `summary.svg`: the reads by day as `cvault log summary` draws them, of a month that never was.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from cli.summary_svg import Bar, columns
from cli.summary_words import word

HERE: Final = Path(__file__).parent
SUNDAYS: Final = (5, 12, 19, 26)


def bars() -> list[Bar]:
    """A month of a small collections house: busy weekdays, quiet Sundays."""
    chance = random.Random(7)
    found = []
    for day in range(1, 32):
        reads = chance.randint(60, 140) if day in SUNDAYS else chance.randint(620, 980)
        found.append(Bar(str(day), reads, int(reads * chance.uniform(0.05, 0.14))))
    return found


if __name__ == "__main__":
    made = bars()
    most = max(made, key=lambda bar: bar.number)
    said = word(
        "days.said", total=sum(bar.number for bar in made), days=len(made), day=most.label, most=most.number
    )
    drawing = columns("days", word("days"), said, made)
    (HERE / "summary.svg").write_text(drawing + "\n", encoding="utf-8")
