"""What `status` and `doctor` say of witnesses: how far the log has run ahead of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cli import messages
from cli.output import Alarm
from vault.errors import VaultError

if TYPE_CHECKING:
    from vault.tenancy import Tenancy


def said(t: Tenancy) -> dict[str, Any]:
    """The member `witness` of `status`: without witnesses, everything is unwitnessed."""
    from vault.config import iso
    from vault.witnessing import Witnessing  # the bench alone: the whole room would slow `status` down

    tail, policy = Witnessing(t).tail(), t.watch.policy(t.journal.registry())
    limits = t.watch.limits
    return {
        "witnesses": len(policy.witnesses) if policy else 0,
        "quorum": policy.quorum if policy else None,
        "witnessed": tail.witnessed,
        "at": iso(tail.at * 1_000_000) if tail.at else None,
        "tail": tail.entries,
        "seconds": tail.seconds,
        "alarm_entries": limits.alarm_entries,
        "alarm_seconds": limits.alarm_seconds,
        "stop_entries": limits.stop_entries,
        "stop_seconds": limits.stop_seconds,
        "alarm": bool(policy and policy.witnesses) and _beyond(tail.entries, tail.seconds, t),
    }


def _beyond(entries: int, seconds: int, t: Tenancy) -> bool:
    limits = t.watch.limits
    return 0 < limits.alarm_entries < entries or 0 < limits.alarm_seconds < seconds


def rows(witness: dict[str, Any]) -> Iterator[tuple[object, object]]:
    """The same for people."""
    tail = messages.text("witness.tail", entries=witness["tail"], seconds=witness["seconds"])
    yield messages.text("witness.count"), witness["witnesses"] or messages.text("witness.none")
    yield messages.text("witness.quorum"), witness["quorum"] or "–"
    yield messages.text("witness.size"), witness["witnessed"]
    yield messages.text("witness.tail.title"), Alarm(tail) if witness["alarm"] else tail


def problems(t: Tenancy) -> Iterator[tuple[str, str, str]]:
    """What `doctor` finds, as (level, message, remedy)."""
    try:
        found = said(t)
    except VaultError as error:
        yield "error", error.message, error.remedy or "cvault log verify"
        return
    if not found["witnesses"]:
        yield "info", "no outside party cosigns this log", "cvault log witness policy FILE; docs/witnesses.md"
    elif found["alarm"]:
        message = f"unwitnessed tail: {found['tail']} entries, {found['seconds']} seconds"
        yield "warning", message, "cvault log witness run"
