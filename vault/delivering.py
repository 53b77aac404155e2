"""Delivering: alarms out of the log, to a file and a web hook, at least once each (docs/alarms.md).

After COMMIT, from a cursor that the ledger keeps, so that what wasn't delivered is delivered by the next one
who can: this node's thread, another node's, or `cvault alarm deliver`. No read waits for any of it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from vault.alarm_rules import WEAKER, Rules, in_force
from vault.config import iso
from vault.crypto import mac
from vault.errors import Denied, VaultError
from vault.model import Whom, Word
from vault.sending import append, post, secret_of
from vault.stores.rows import EntryFilter, EntryRow
from vault.telemetry import logger
from vault.tenancy import Tenancy
from vault.unsealing import Unsealer

PART: Final = 100
PAUSES: Final = (1.0, 5.0, 30.0, 120.0)
"""Seconds between attempts; after the last one alarms wait for the next alarm, or for `alarm deliver`."""
GRACE: Final = 0.5
"""Seconds that closing waits for what is under way."""
_HIGH: Final = ("break_glass", WEAKER)
FILE: Final = "file"
HOOK: Final = "webhook"


class Alarm(Word):
    """An alarm as it is shown and delivered: no personal data, whom it is about stands in the entries before.

    Attributes:
        index: The entry's. time: ISO 8601, UTC.
        rule: The rule's id, `break_glass` or `test`.
        severity: `low`, `medium` or `high`.
        actor, role: A principal id, and the role it acted in.
        count, limit, window: What was counted; None and "" where nothing was, or this node can't open it.
        origin: The log's name.
    """

    index: int
    time: str
    rule: str
    severity: str
    actor: str
    role: str
    count: int | None
    limit: int | None
    window: str
    origin: str


def alarm(row: EntryRow, whom: Whom | None, rules: Rules, origin: str) -> Alarm:
    """An alarm from its entry, and from its body where that could be opened."""
    rule = rules.find(row.reason)
    said = _parts(whom.detail) if whom is not None and rule is not None else {}
    severity = rule.severity if rule else ("high" if row.reason in _HIGH else "low")
    return Alarm(
        index=row.idx, time=iso(row.t), rule=row.reason, severity=severity, actor=row.actor, role=row.role,
        count=_number(said.get("count")), limit=_number(said.get("limit")) if said else None,
        window=said.get("window", rule.window if rule else ""), origin=origin,
    )  # fmt: skip


def _parts(detail: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in detail.split(" ") if "=" in part)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


class Deliverer:
    """Delivers one tenant's alarms from one node."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._t = tenancy
        self._unsealer = Unsealer(tenancy)
        self._settings = tenancy.config.settings.alarms
        self._turn = threading.Lock()
        self._asked = False
        self._thread: threading.Thread | None = None
        self._stores = threading.Lock()
        self._ending = threading.Event()
        self._closed = threading.Event()

    @property
    def targets(self) -> tuple[str, ...]:
        """Where alarms go, as far as settings say."""
        return tuple(name for name in (FILE, HOOK) if getattr(self._settings, name))

    def run(self) -> dict[str, int]:
        """Deliver what waits, everywhere; how many alarms each target took, -1 where it took not all."""
        done = {}
        for target in self.targets:
            try:
                done[target] = self._deliver(target)
            except VaultError as error:
                logger().warning("alarms not delivered", tenant=self._t.name, code=error.code, kind=target)
                done[target] = -1
        return done

    def _deliver(self, target: str) -> int:
        count = 0
        while alarms := self._waiting(target):
            if target == FILE:
                lines = b"".join(msgspec.json.encode(one) + b"\n" for one in alarms)
                append(self._t.config.folder / self._settings.file, lines)
                self._advance(target, alarms[-1].index + 1)
            else:
                self._post(alarms)
            count += len(alarms)
        return count

    def _post(self, alarms: Sequence[Alarm]) -> None:
        folder, secret = self._t.config.folder, b""
        if self._settings.secret:
            secret = secret_of(folder / self._settings.secret)
        for one in alarms:
            post(self._settings.webhook, msgspec.json.encode(one), secret)
            self._advance(HOOK, one.index + 1)

    # --- what the ledger knows -------------------------------------------------------------------------

    def _handle(self, target: str) -> bytes:
        """The cursor's handle: a hook is shared by all nodes, a file is each node's own."""
        node = self._t.config.settings.node if target == FILE else ""
        return mac.handle(self._t.keys.handle_key, "alarms", target, node)

    def _waiting(self, target: str) -> list[Alarm]:
        with self._stores:
            if self._closed.is_set():
                return []
            store, name = self._t.stores.ledger, self._t.name
            after = store.counter(name, self._handle(target)) - 1
            rows = store.query(name, EntryFilter(kind="alarm", after_idx=after, limit=PART))
            rules, bodies = in_force(self._t.journal.registry()), self._bodies(rows)
        return [alarm(row, bodies.get(row.idx), rules, self._t.keys.origin) for row in rows]

    def _bodies(self, rows: Sequence[EntryRow]) -> Mapping[int, Whom]:
        """What stands in the bodies, on nodes that hold the audit key."""
        try:
            return self._unsealer.bodies(rows) if rows else {}
        except Denied:
            return {}

    def _advance(self, target: str, index: int) -> None:
        """Move the cursor on, never back: another node may have delivered more."""
        with self._stores:
            if self._closed.is_set():
                return
            with self._t.stores.ledger.transaction(self._t.name) as tx:
                handle = self._handle(target)
                at = tx.bump({handle: 0})[handle]
                if index > at:
                    tx.bump({handle: index - at})

    # --- in the background -----------------------------------------------------------------------------

    def wake(self) -> None:
        """There are alarms: have a thread deliver them, if they go anywhere."""
        if not self.targets or self._closed.is_set():
            return
        with self._turn:
            self._asked = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="alarms", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._turn:
                if not self._asked or self._closed.is_set():
                    self._thread = None
                    return
                self._asked = False
            try:
                self._attempt()
            except Exception as error:  # noqa: BLE001 - a thread's last frame: nobody else hears of it
                logger().error("alarms not delivered", tenant=self._t.name, exc_info=error)

    def _attempt(self) -> None:
        for pause in PAUSES:
            if min(self.run().values(), default=0) >= 0 or self._ending.wait(pause):
                return

    def close(self) -> None:
        """Let go of the stores; what is under way has half a second, and is delivered again if it was cut."""
        self._ending.set()
        thread = self._thread
        if thread is not None:
            thread.join(GRACE)
        with self._stores:
            self._closed.set()
