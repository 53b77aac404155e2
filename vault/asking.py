"""Asking: the entry that every question about the access log is, made before it is answered (DESIGN 7)."""

from __future__ import annotations

import re
from typing import Final

from vault.access.tokens import Credential
from vault.config import iso
from vault.intake.numbers import is_personal
from vault.ledger.registry import Principal, Registry
from vault.model import Happening, Whom, Word
from vault.stores.asking import LogTable
from vault.stores.tallies import HOUR
from vault.tenancy import Tenancy

OFFSET: Final = 8
"""Hours by which Asia/Shanghai is ahead of UTC; there has been no daylight saving since 1991."""
CLOSES, OPENS = 22, 8
"""The first hour after the working day, and the first of the next, in Asia/Shanghai."""
WITHHELD: Final = "?"
_WORD: Final = re.compile(r"[A-Za-z0-9_.:+-]{1,64}")
"""What ids, roles, nodes and the like are made of; names of people here are not."""
_THURSDAY: Final = 3
"""1970-01-01 was one."""
_SATURDAY: Final = 5


class Noted(Word):
    """A question that stands in the log, and what it is answered by.

    Attributes:
        registry: As it stood under the head's lock; names resolve through it.
        size: The log's size, the question's own entry included.
        now: µs UTC.
    """

    registry: Registry
    size: int
    now: int

    def names(self) -> dict[str, str]:
        """The principals' names by id."""
        return {principal.id: principal.name for principal in self.registry.all(Principal)}


def note(tenancy: Tenancy, credential: Credential, words: str) -> Noted:
    """Enter a question.

    Args:
        tenancy: Whose log is asked.
        credential: Who asks.
        words: What is asked, without personal data.

    Raises:
        Denied: The token doesn't allow to audit.
    """
    with tenancy.acting(credential, "audit") as (grant, page):
        registry, now = page.registry, page.now
        page.add(Happening(kind="search", who=tenancy.who(grant), whom=Whom(detail=words)))
    return Noted(registry=registry, size=page.receipts[-1].index + 1, now=now)


def log_table(tenancy: Tenancy) -> LogTable:
    """A tenant's entries, as they stand committed."""
    return LogTable(tenancy.stores.ledger.db.session(), tenancy.name)


def kept(text: str) -> str:
    """A word of a question as its entry keeps it: what may be somebody's name or number is left out."""
    return text if _WORD.fullmatch(text) and not is_personal(text) else WITHHELD


def said(command: str, **asked: object) -> str:
    """A question in words, as its entry keeps it (`kept`): what asks nothing is left out."""
    parts = [
        name if value is True else f"{name}={kept(str(value))}"
        for name, value in asked.items()
        if value is not None and value is not False
    ]
    return " ".join([command, *parts])


def spoken(since: int | None, until: int | None) -> dict[str, str]:
    """A question's time in words, for its own entry."""
    return {name: iso(t) for name, t in (("since", since), ("until", until)) if t is not None}


def local(hour: int) -> tuple[int, bool]:
    """An hour since 1970 (UTC) as the hour of the day in Asia/Shanghai, and whether that is a weekend's."""
    day, at = divmod(hour + OFFSET, 24)
    return at, (day + _THURSDAY) % 7 >= _SATURDAY


def is_off(at: int, *, weekend: bool) -> bool:
    """Whether an hour of the day lies outside the working day."""
    return weekend or at >= CLOSES or at < OPENS


def day_of(hour: int) -> int:
    """The day since 1970 in Asia/Shanghai that an hour since 1970 (UTC) lies in."""
    return (hour + OFFSET) // 24


def microseconds(day: int) -> int:
    """The first instant (µs UTC) of a day since 1970 in Asia/Shanghai."""
    return (day * 24 - OFFSET) * HOUR
