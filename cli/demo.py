"""`cvault demo`: the vault's main work from beginning to end, on made-up borrowers, in some seconds.

An agency's vault with two creditors. One is served: import, five roles, a refusal, a case that closes, the
log, what outsiders can check of it, a forgery that is caught. The other's contract has ended: its records are
purged, and stay gone when an old backup comes back. Everything goes through the vault's own rooms with tokens
of separate people; what it leaves is a vault to learn in.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from cli import demo_acts as acts
from cli import demo_cases, messages
from cli import demo_purge as purge
from cli.demo_cases import Worked
from cli.demo_outside import Outside, outside
from cli.demo_purge import Purged, Restored
from cli.demo_stage import ENDED, Stage, copy_database
from cli.demo_story import NO_TERMINAL_WIDTH, Story
from cli.output import program
from vault.errors import ConfigError, Invalid
from vault.model import Word
from vault.taking import Imported

DEFAULT_FOLDER: Final = Path("cvault-demo")
DEFAULT_BORROWERS: Final = 2000
DEFAULT_SEED: Final = 20260316
FEWEST: Final = 60
MOST: Final = 100_000
MARKER: Final = ".cvault-demo"
"""Stands in a folder that the demo made, and so may replace."""
_MARK: Final = "made by cvault demo; everything in this folder is replaced when it runs again\n"


class Summary(Word):
    """What the demo did: the document that `--json` prints. Paths are absolute, times are seconds.

    Attributes:
        borrower, case: The living borrower of the story: record id and case number.
        exports: The made-up export files by tenant, kept to be opened.
        imports: What each import did, by tenant.
        views: Views by role and field (`kind.field`).
        denied: The code with which the collector was refused the ID number.
        worked: How the case was read while it was open, and what the read after its closing was told.
        log_lines: Entries about that borrower. receipt: Index of the entry whose receipt was checked.
        entries: Entries of the log that was verified.
        outside: What people outside were given, and what another program found of it.
        forged, caught: The index altered in a copy of the log, and the one that verification named.
        purged: What the purge of the ended tenant did. restored: What an old backup gave back after it.
    """

    vault: str
    seed: int
    borrowers: int
    borrower: str
    case: str
    exports: dict[str, str]
    imports: dict[str, Imported]
    views: dict[str, dict[str, str]]
    denied: str
    worked: Worked
    log_lines: int
    receipt: int
    entries: int
    outside: Outside
    forged: int
    caught: int
    purged: Purged
    restored: Restored
    seconds: dict[str, float]
    total: float = 0.0


def demo_command(directory: Path | None, borrowers: int, seed: int, json: bool) -> None:
    """The command: tell the story on stdout; with `json` tell it on stderr and print the summary.

    Raises:
        ConfigError: There is something in the folder that the demo didn't make.
        Invalid: Too few borrowers for a story, or more than fit into one.
    """
    stream = sys.stderr if json else sys.stdout
    console = Console(file=stream, width=None if stream.isatty() else NO_TERMINAL_WIDTH)
    summary = run(directory or DEFAULT_FOLDER, borrowers, seed, console)
    if json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")


def run(directory: Path, borrowers: int, seed: int, console: Console) -> Summary:
    """Run the demo in a folder, which becomes the vault's; the extras go to its subfolder `demo`.

    Raises:
        ConfigError: There is something in the folder that the demo didn't make.
        Invalid: Too few borrowers for a story, or more than fit into one.
    """
    if not FEWEST <= borrowers <= MOST:
        raise Invalid(
            f"a demo has {FEWEST} to {MOST} borrowers",
            code="invalid_borrowers",
            field="borrowers",
            remedy=f"leave --borrowers out for {DEFAULT_BORROWERS}",
        )
    directory = directory.resolve()
    _make_room(directory)
    story, began = Story(console, chinese=messages.chinese()), time.perf_counter()
    with Stage(directory, borrowers, seed, story) as stage:
        summary = _play(stage)
    summary = msgspec.structs.replace(summary, total=round(time.perf_counter() - began, 3))
    _what_next(story, summary)
    return summary


def _make_room(directory: Path) -> None:
    """An empty folder with the demo's mark; only what the demo made is ever replaced."""
    marker = directory / MARKER
    if marker.is_file() and marker.read_text("utf-8") == _MARK:
        shutil.rmtree(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(
            "the folder holds something that the demo didn't make",
            field="dir",
            remedy="name another folder with --dir DIR",
        )
    try:
        (directory / "demo").mkdir(parents=True)
        marker.write_text(_MARK, "utf-8")
    except OSError as error:
        raise ConfigError(
            f"the folder cannot be made: {error.strerror}",
            field="dir",
            remedy="name another folder with --dir DIR",
        ) from None


def _play(stage: Stage) -> Summary:
    """The acts in their order; what one learns the later ones use."""
    exports = acts.people_and_files(stage)
    imported = acts.imports(stage, exports)
    case, records = acts.choose(stage)
    views = acts.side_by_side(stage, case, records)
    denied = acts.refusal(stage, records[0])
    worked = demo_cases.case_closed(stage)
    lines, receipt = acts.access_log(stage, records[0])
    entries = acts.verification(stage)
    given = outside(stage, records[0], receipt)
    caught = acts.forgery(stage, receipt)
    backup = stage.extras / "records-before-purge.db"
    copy_database(stage.folder / "records.db", backup)
    purged = purge.purge(stage)
    restored = purge.restore(stage, backup, records[:2], purged)
    return Summary(
        vault=str(stage.folder), seed=stage.seed, borrowers=sum(stage.counts.values()), borrower=records[0],
        case=case, exports={tenant: str(path) for tenant, path in exports.items()}, imports=imported,
        views=views, denied=denied, worked=worked, log_lines=lines, receipt=receipt, entries=entries,
        outside=given, forged=receipt, caught=caught, purged=purged, restored=restored,
        seconds=stage.story.seconds,
    )  # fmt: skip


def _what_next(story: Story, summary: Summary) -> None:
    """Commands that work on what the demo leaves behind, and where things are."""
    base = f"{program()} --vault {shlex.quote(summary.vault)} --sandbox"
    forged = f"{program()} --vault {shlex.quote(summary.vault + '/demo/tampered')} --sandbox"
    title = story.pick("What to try next", "接下来可以试试")
    story.console.print(f"\n[bold]{title}[/bold]")
    story.command(f"{base} status", "what is in the vault", "库内概况")
    story.command(f"{base} read {summary.borrower}", "that borrower, masked", "该借款人 (掩码)")
    story.command(
        f"{base} list --kind loan --where stage=M3", "loans 61 to 90 days overdue", "逾期 61-90 天的借款"
    )
    story.command(f"{base} log list", "who did what", "谁做了什么")
    story.command(f"{base} log verify", "the log is whole", "日志完好")
    story.command(f"{forged} log verify", "the forged copy: exit code 5", "被篡改的副本: 退出码 5")
    story.command(
        f"{program()}-verify report {shlex.quote(summary.outside.report)}"
        f" --tree {shlex.quote(summary.outside.tree)} --vkey {shlex.quote(summary.vault + '/log.vkey')}",
        "the borrower's report, checked offline",
        "离线核验借款人的报告",
    )
    story.command(f"{base} log summary --out month.html", "this month of the log, on a page", "本月日志摘要")
    plain = base.removesuffix(" --sandbox")
    story.command(
        f"{plain} --tenant {ENDED} retention verify {shlex.quote(summary.purged.certificate)}"
        f" --vkey {shlex.quote(f'{summary.vault}/demo/{ENDED}.vkey')}",
        "the certificate of the purge",
        "核验清除证明",
    )
    story.command(f"{base} retention plan --as-of 2040-01-01", "what would go by then", "届时应删除的数据")
    story.say(
        f"Open {summary.exports['main']} and the report {summary.imports['main'].report} side by side.",
        f"可对照打开 {summary.exports['main']} 与报告 {summary.imports['main'].report}。",
    )
    told = ", ".join(f"{name} {taken:.1f}" for name, taken in summary.seconds.items())
    story.say(f"{summary.total:.1f} s: {told}.", f"共 {summary.total:.1f} 秒: {told}。")
