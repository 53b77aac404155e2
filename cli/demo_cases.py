"""The demo's act about a case: an agency gets it, reads it masked, and reads it no more once it is closed."""

from __future__ import annotations

from typing import Final

from cli import synthetic
from cli.demo_stage import Stage, demand
from cli.demo_story import cell
from vault.access.tokens import Limits
from vault.auditing import Question
from vault.model import MAIN, Word

_AGENCY: Final = "agency_collector"
_FIELDS: Final = ("name", "phone")


class Worked(Word):
    """What became of the case.

    Attributes:
        case: Its number.
        views: Views of the fields that were read while it was open.
        refused: The code of the same read, with the same token, once it was closed.
        logged: Kind and reason of the two reads, as the log has them.
    """

    case: str
    views: dict[str, str]
    refused: str
    logged: tuple[str, ...]


def case_closed(stage: Stage) -> Worked:
    """A case is opened, assigned, read and closed; the token that is still good for it is refused."""
    story, reading, number = stage.story, stage.vault.reading(MAIN), _another(stage)
    with story.chapter("case", "A case comes and goes", "案件的分派与关闭"):
        desk, keeper = stage.vault.casework(MAIN), stage.token(MAIN, "case_desk")
        desk.open_cases(keeper, [number], reason="placed")
        desk.assign(keeper, [number], stage.people[MAIN, _AGENCY].principal, reason="placed")
        token = stage.token(MAIN, _AGENCY, Limits(cases=frozenset({number})))
        read = reading.read(token, [f"borrower:{number}"], fields=_FIELDS).items[0]
        story.say(
            f"Case {number} is assigned to the agency, which reads it masked:",
            f"案件 {number} 分派给委外机构, 机构看到的是掩码值:",
        )
        story.table(_FIELDS, [[cell(read.fields[name]) for name in _FIELDS]])
        desk.close_cases(keeper, [number], reason="paid in full")
        refused = [error.code for error in reading.read(token, [read.record], fields=_FIELDS).errors]
        demand(refused == ["case_closed"], "a closed case is read no more")
        lines = stage.vault.auditing(MAIN).ask(stage.token(MAIN, "auditor"), Question(subject=read.record))
        logged = tuple(f"{line.kind} {line.reason or line.outcome}" for line in lines if line.role == _AGENCY)
        both = ", ".join(logged)
        story.say(
            f"It is closed; the same token, a moment later: {refused[0]}. The log has both: {both}.",
            f"案件关闭后, 同一令牌再读: {refused[0]}。两次均在日志中: {both}。",
        )
    views = {name: field.view for name, field in read.fields.items()}
    return Worked(case=number, views=views, refused=refused[0], logged=logged)


def _another(stage: Stage) -> str:
    """The last good row's case: its closing leaves the borrower of the story as they were."""
    bad = synthetic.bad_rows(stage.counts[MAIN])
    rows = list(enumerate(synthetic.export(stage.counts[MAIN], stage.seed, stage.today)))
    return next(row[0] for n, row in reversed(rows) if n not in bad)
