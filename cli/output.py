"""How results leave the command line: data on stdout, everything said to people on stderr.

With `--json` stdout holds one JSON document and stderr at most one error object (docs/interface.md).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import typer

from cli import messages
from vault.errors import VaultError

if TYPE_CHECKING:
    import rich.progress
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_LOUD: Final = "bold red"
WIDE: Final = 200
"""Columns of a table that goes to a file or pipe: wide enough that nothing is cut."""
_FEW: Final = 2
"""Columns up to which a table stays one: what is upright already has a row for each thing."""

Cell = object


class Alarm(str):
    """A table's cell that must be seen first: bold red where colours are allowed."""

    __slots__ = ()


def program() -> str:
    """How this command was started, for commands that people may copy: `uv run` keeps it off their PATH."""
    return "uv run cvault" if os.environ.get("UV") else "cvault"


class Output:
    """The two streams, for people or (`json`) for programs."""

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def document(self, data: object) -> None:
        """Print one JSON document; `data` is anything msgspec encodes."""
        typer.echo(msgspec.json.encode(data))

    def line(self, text: str) -> None:
        """Print a line of data to stdout, for people; control characters can't reach the terminal."""
        typer.echo(_printable(text))

    def show(self, *parts: RenderableType) -> None:
        """Print what rich renders to stdout; its texts must be `printable`."""
        console = _console(stderr=False)
        for part in parts:
            console.print(part)

    def note(self, key: str, **parts: object) -> None:
        """Say something to a person, on stderr; nothing with `--json`."""
        if not self.json:
            typer.echo(_printable(messages.text(key, **parts)), err=True)

    def banner(self, key: str, **parts: object) -> None:
        """Say what nobody may overlook, on stderr, bold red where allowed; nothing with `--json`."""
        if not self.json:
            from rich.text import Text

            said = Text(_printable(messages.text(key, **parts)), style=_LOUD)
            _console(stderr=True).print(said, soft_wrap=True)

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[Cell]], title: str = "") -> None:
        """Print a table to stdout; where what names a row would be torn, a block for each row."""
        console, texts = _console(stderr=False), [[_cell(cell) for cell in row] for row in rows]
        heading = _cell(title) if title else None
        table, names = _grid(titles, texts, heading), [row[0].plain for row in texts]
        # What names a row is copied into the next command: folded, it can't be.
        if len(titles) > _FEW and _tears(console, table, names):
            table = _grid(titles, texts, heading, whole=True)
            upright = sum(1 + sum(bool(cell.plain) for cell in row) for row in texts)
            # Half as tall at most: cells folded more often than that are syllables.
            if _tears(console, table, names) or 2 * len(console.render_lines(table)) > upright:
                console.print(*([] if heading is None else [heading]), *_blocks(titles, texts), sep="\n")
                return
        console.print(table)

    def error(self, error: VaultError) -> None:
        """Report a failure on stderr: an object with `--json`, else two lines."""
        if self.json:
            said = {
                "code": error.code,
                "message": _printable(error.message),
                "field": error.field,
                "row": error.row,
                "remedy": error.remedy,
            }
            index = getattr(error, "index", None)
            said |= {} if index is None else {"index": index}
            typer.echo(msgspec.json.encode({"error": said}), err=True)
            return
        where = f" [{error.field}]" if error.field else ""
        where += f" [#{error.row}]" if error.row else ""
        sentence = messages.of_code(error.code, error.message)
        typer.echo(_printable(f"{messages.text('error')}: {sentence}{where} ({error.code})"), err=True)
        remedy = messages.hint(error.code, error.remedy)
        typer.echo(_printable(f"{messages.text('hint')}: {remedy}"), err=True)

    @contextmanager
    def progress(self, title: str) -> Iterator[Bar | None]:
        """A progress bar on stderr while a block runs; None where stderr is no terminal."""
        if self.json or not sys.stderr.isatty():
            yield None
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn(title), BarColumn(), TaskProgressColumn(), rate, TimeRemainingColumn())
        with Progress(*columns, console=_console(stderr=True)) as bar:
            yield Bar(bar, bar.add_task(title, total=None, rate=""))


class Bar:
    """A progress bar that is running: call it with what is done and the total, in whatever unit."""

    def __init__(self, bar: rich.progress.Progress, task: rich.progress.TaskID) -> None:
        self._bar = bar
        self._task = task
        self._began = time.monotonic()
        self._rows = False

    def __call__(self, done: int, total: int) -> None:
        """Move on; without rows counted, the rate is that of what is done."""
        self._bar.update(self._task, completed=done, total=total)
        if not self._rows:
            self._say("progress.rate", done)

    def count(self, rows: int) -> None:
        """Say how many rows that is, where `done` is bytes: the rate is theirs from now on."""
        self._rows = True
        self._say("progress.rows", rows)

    def _say(self, key: str, done: int) -> None:
        """The mean rate since the beginning: chunks come in bursts, and a momentary one would jump."""
        passed = time.monotonic() - self._began
        if passed > 0:
            self._bar.update(self._task, rate=messages.text(key, rate=f"{done / passed:,.0f}"))


def _cell(cell: Cell) -> Text:
    from rich.text import Text

    said = "" if cell is None else str(cell)
    return Text(_printable(said), style=_LOUD if isinstance(cell, Alarm) else "")


def _grid(
    titles: Sequence[str], rows: Sequence[Sequence[Text]], heading: Text | None, *, whole: bool = False
) -> Table:
    """A table; with `whole` its first column isn't folded, at the cost of the others."""
    from rich.table import Table

    table = Table(title=heading, title_justify="left")
    for place, name in enumerate(titles):
        table.add_column(name, overflow="fold", no_wrap=whole and not place)
    for row in rows:
        table.add_row(*row)
    return table


def _tears(console: Console, table: Table, names: Sequence[str]) -> bool:
    """Whether a name that is one word doesn't stand in the table in one piece."""
    shown = "\n".join("".join(part.text for part in line) for line in console.render_lines(table))
    return any(name not in shown for name in names if " " not in name)


def _blocks(titles: Sequence[str], rows: Sequence[Sequence[Text]]) -> Iterator[Table]:
    """Each row upright: a line for each cell that holds something, a blank line behind the row."""
    from rich.table import Table

    for row in rows:
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for name, cell in zip(titles, row, strict=True):
            if cell.plain:
                block.add_row(name, cell)
        block.add_row()
        yield block


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # no-color.org: a value that isn't empty. Bold would be allowed; none at all is simplest to rely on.
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    width = None if stream.isatty() or os.environ.get("COLUMNS") else WIDE
    return Console(file=stream, width=width, color_system=colours, highlight=False, markup=False)


def _printable(text: str) -> str:
    """The text without control characters: what came from a file must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def printable(text: str) -> str:
    """The text as it may stand on a terminal."""
    return _printable(text)


def plain(value: msgspec.Raw | None) -> Any:
    """A disclosed value as a person reads it."""
    return None if value is None else msgspec.json.decode(value)
