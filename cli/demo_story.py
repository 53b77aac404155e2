"""How the demo tells its story: numbered chapters, plain sentences, tables; in English or Chinese."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from vault.model import ShownField

NO_TERMINAL_WIDTH: Final = 130
"""Columns when the story goes to a file or pipe: wide enough for five roles side by side."""

_STYLES: Final = {"CLEAR": "bold red", "MASKED": "yellow"}


class Story:
    """Tells and times the chapters.

    Args:
        console: Where it is told.
        chinese: Tell it in Chinese instead of English.
    """

    def __init__(self, console: Console, *, chinese: bool) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}
        self._chinese = chinese

    def pick(self, en: str, zh: str) -> str:
        """The one of two texts that fits the language."""
        return zh if self._chinese else en

    @contextmanager
    def chapter(self, key: str, en: str, zh: str) -> Iterator[None]:
        """One numbered chapter; what it took is kept under `key`."""
        self.console.print(f"\n[bold]{len(self.seconds) + 1}. {escape(self.pick(en, zh))}[/bold]")
        began = time.perf_counter()
        yield
        self.seconds[key] = round(time.perf_counter() - began, 3)

    def say(self, en: str, zh: str) -> None:
        """One plain paragraph, as it stands: nothing in it is markup."""
        self.console.print("   " + self.pick(en, zh), markup=False, highlight=False, soft_wrap=True)

    def command(self, text: str, en: str, zh: str) -> None:
        """A command on a line of its own, fit to be copied, with what it does behind it."""
        line = f"     {text}   # {self.pick(en, zh)}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, en: str, zh: str) -> Iterator[Callable[[int, int], None] | None]:
        """A bar on a terminal, and None elsewhere; call what it yields with done and total."""
        if not self.console.is_terminal:
            yield None
            return
        columns = (TextColumn("   {task.description}"), BarColumn(), TaskProgressColumn())
        bar = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
        with bar:
            task = bar.add_task(self.pick(en, zh), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table; cells are shown as they are."""
        table = Table(*(escape(title) for title in head))
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*row)
        self.console.print(table)


def cell(field: ShownField) -> str:
    """A value in the colour of its view; what is hidden or empty is a dash."""
    if field.view == "HIDDEN" or field.value is None:
        return "[dim]—[/]"
    value = msgspec.json.decode(field.value)
    return f"[{_STYLES[field.view]}]{escape(str(value)) if value is not None else '—'}[/]"
