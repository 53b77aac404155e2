"""The demo's act for those who don't trust us: a pin, an alarm, a borrower's report, a separate verifier."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from cli import synthetic
from cli.demo_stage import Stage, demand, untrue
from vault.crypto.provider import write_private
from vault.model import MAIN, Word

VERIFIER: Final = Path(__file__).with_name("verify.py")
"""The auditor's tool: one file that shares no code with the vault."""
_TIMEOUT: Final = 60


class Outside(Word):
    """What was checked from outside.

    Attributes:
        pin: Absolute path of the pin. pinned: Entries of the log that it pins.
        rule: The rule of the alarm that a record nobody should open set off. alarm: Its entry.
        report: Absolute path of the borrower's report. accesses: How many accesses it lists.
        tree: Absolute path of the exported log.
        verified: The commands of the verifier that found everything in order.
    """

    pin: str
    pinned: int
    rule: str
    alarm: int
    report: str
    accesses: int
    tree: str
    verified: tuple[str, ...]


def outside(stage: Stage, borrower: str, receipt: int) -> Outside:
    """Pin the log, set off an alarm, answer the borrower; then have another program check all of it."""
    story, auditing = stage.story, stage.vault.auditing(MAIN)
    with story.chapter("outside", "For those who don't trust us", "给不信任本库的人"):
        pin = stage.extras / "pin"
        pin.write_text(auditing.pin(), "utf-8")
        pinned = int(auditing.pin().splitlines()[1])
        story.say(
            f"A pin, three lines for somebody else's drawer: the log has {pinned} entries. {pin}",
            f"三行固定值, 交由外人保管: 共 {pinned} 条。{pin}",
        )
        rule, alarm = _alarm(stage)
        story.say(
            f"The collector opens a record that nobody has a reason to open: alarm {rule}, entry {alarm}.",
            f"催收员打开了无人有理由查看的诱饵记录: 告警 {rule}, 第 {alarm} 条。",
        )
        report, accesses = _report(stage, borrower)
        story.say(
            f"The borrower asks who saw their data: {accesses} entries, on a page with its proof: {report}",
            f"借款人询问谁看过其信息: {accesses} 条, 网页自带证明: {report}",
        )
        tree, verified = _verified(stage, pin, report, receipt)
        story.say(
            f"Another program ({VERIFIER.name}: none of the vault's code, the public key alone): the log"
            f" extends the pin, entry {receipt} stands in it, the report holds and leaves no access out.",
            f"另一程序 ({VERIFIER.name}, 不含本库代码, 仅用公钥): 日志承接该固定值, 第 {receipt} 条确在其中,"
            " 报告属实且无遗漏。",
        )
    return Outside(
        pin=str(pin), pinned=pinned, rule=rule, alarm=alarm, report=str(report), accesses=accesses,
        tree=str(tree), verified=verified,
    )  # fmt: skip


def _alarm(stage: Stage) -> tuple[str, int]:
    """Put a borrower on the list of those nobody should open, and open them: the alarm's rule and entry."""
    auditing, honey = stage.vault.auditing(MAIN), f"borrower:{_bystander(stage)}"
    auditing.add_honey(stage.token(MAIN, "dpo"), [honey])
    stage.vault.reading(MAIN).read(stage.token(MAIN, "collector"), [honey], fields=("name",))
    raised = [one for one in auditing.alarms(stage.token(MAIN, "auditor")) if one.rule == "honey"]
    demand(len(raised) == 1, "a look at such a record raises one alarm")
    return raised[0].rule, raised[0].index


def _bystander(stage: Stage) -> str:
    """The case number of the last good row but one: nobody of the rest of the story."""
    bad = synthetic.bad_rows(stage.counts[MAIN])
    rows = enumerate(synthetic.export(stage.counts[MAIN], stage.seed, stage.today))
    return [row[0] for n, row in rows if n not in bad][-2]


def _report(stage: Stage, borrower: str) -> tuple[Path, int]:
    """The report that the data protection officer hands the borrower, and how many entries it lists."""
    officer = stage.people[MAIN, "dpo"]
    token = stage.vault.granting(MAIN).issue(officer, role="dpo", purpose="subject_request")
    made = stage.vault.auditing(MAIN).report(token, borrower, lang=stage.story.pick("en", "zh"))
    path = stage.extras / "report.html"
    write_private(path, made.file)
    return path, made.entries


def _verified(stage: Stage, pin: Path, report: Path, receipt: int) -> tuple[Path, tuple[str, ...]]:
    """Export the log and run the verifier on it as a process of its own: the folder, and what was checked."""
    tree, vkey = stage.extras / "log", stage.extras / f"{MAIN}.vkey"
    stage.vault.auditing(MAIN).export(stage.token(MAIN, "auditor"), tree)
    vkey.write_text(stage.vault.vkey(MAIN).text() + "\n", "utf-8")
    asked: tuple[tuple[str | Path, ...], ...] = (
        ("extends", pin, tree),
        ("proof", stage.extras / f"receipt-{receipt}.txt"),
        ("report", report, "--tree", tree),
    )
    for words in asked:
        command = [sys.executable, VERIFIER, *words, "--vkey", vkey]
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
        if done.returncode:
            raise untrue(f"cvault-verify {words[0]} finds everything in order")
    return tree, tuple(str(words[0]) for words in asked)
