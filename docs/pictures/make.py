"""Draw the README's pictures from the demo: `uv run python docs/pictures/make.py`.

Runs the demo's first acts in a temporary folder, on made-up people, and writes the table of one borrower seen
by five roles as `roles.svg` (English) and `roles.zh.svg` (Chinese). `read.svg`, `import.svg` and
`cases.svg` are drawn by hand.
"""

from __future__ import annotations

import re
import tempfile
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from cli import demo_acts as acts
from cli.demo import DEFAULT_SEED
from cli.demo_stage import Stage
from cli.demo_story import Story

HERE: Final = Path(__file__).parent
BORROWERS: Final = 60
WIDTH: Final = 132
PAPER: Final = TerminalTheme(
    (255, 255, 255),
    (30, 41, 59),
    [(30, 41, 59), (185, 28, 28), (21, 128, 61), (180, 83, 9), (29, 78, 216), (109, 40, 217), (14, 116, 144),
     (71, 85, 105)],
    [(100, 116, 139), (185, 28, 28), (21, 128, 61), (180, 83, 9), (29, 78, 216), (109, 40, 217),
     (14, 116, 144), (30, 41, 59)],
)  # fmt: skip


def draw(path: Path, *, chinese: bool) -> None:
    """Write one picture."""
    quiet = Story(Console(file=StringIO()), chinese=chinese)
    with tempfile.TemporaryDirectory() as folder:
        vault = Path(folder) / "vault"
        (vault / "demo").mkdir(parents=True)
        with Stage(vault, BORROWERS, DEFAULT_SEED, quiet) as stage:
            acts.imports(stage, acts.people_and_files(stage))
            case, records = acts.choose(stage)
            page = Console(file=StringIO(), record=True, width=WIDTH, force_terminal=True)
            stage.story = Story(page, chinese=chinese)
            stage.story.seconds |= quiet.seconds  # so that the chapter has the number it has in the demo
            acts.side_by_side(stage, case, records)
    title = "cvault demo（虚构数据）" if chinese else "cvault demo: one borrower, made up"
    drawn = page.export_svg(title=title, theme=PAPER, unique_id="roles")
    # No fonts from elsewhere: a picture in a page must not make the reader's browser ask another server.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    # A cell is 12.2 wide; at this size a letter of most fonts is too, also where textLength is ignored.
    drawn = drawn.replace("font-size: 20px", "font-size: 20.27px")
    path.write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    draw(HERE / "roles.svg", chinese=False)
    draw(HERE / "roles.zh.svg", chinese=True)
