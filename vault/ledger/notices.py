"""Notices: the registry's words about what the vault watches for, and what happened to it."""

from __future__ import annotations

import msgspec

from vault.model import Word


class AlarmsInForce(Word):
    """The alarm rules this tenant's nodes watch by; a change of them is an entry.

    Attributes:
        id: `alarms`.
        hash: SHA-256 (hex) of the rules that hold: the shipped ones with the vault's own.
        text: The vault's own file, "" where it has none.
    """

    id: str
    hash: str
    text: str = ""


class Honey(Word):
    """Somebody who isn't there: a record of theirs is read by nobody who works (a honeytoken).

    Attributes:
        id: The keyed handle of the subject, hex: the registry doesn't tell which record it is.
        added: µs UTC. by: Principal id.
    """

    id: str
    added: int
    by: str


class Incident(Word):
    """A leak, a change or a loss of personal data, noticed or feared (PIPL 57).

    Attributes:
        noticed: µs UTC from which the clocks run. opened: µs UTC at which it was entered.
        by: Principal id of who opened it. reason: What it is, without personal data.
        reported: µs UTC by clock: when whom it runs for was told; `references` where that is filed.
        closed: µs UTC, 0 while it is open; `closed_by`, `finding` who closed it, and why.
    """

    id: str
    noticed: int
    opened: int
    by: str
    reason: str
    reported: dict[str, int] = msgspec.field(default_factory=dict)
    references: dict[str, str] = msgspec.field(default_factory=dict)
    closed: int = 0
    closed_by: str = ""
    finding: str = ""
