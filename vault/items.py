"""Items: records on their way through a read, and how a decision lays out what is shown of them.

What opening and the rooms hand to and fro; nothing here reads or writes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from vault.errors import Tampered, VaultError
from vault.keeping import Held
from vault.model import Decision, Receipt, Shown, ShownField, View
from vault.preparing import REF
from vault.schema import KindSpec

_HIDDEN: Final = ShownField(view="HIDDEN", value=None)


class Layout:
    """What a decision means for payloads: the names to keep of each compartment, and how they are shown.

    Attributes:
        hidden: Every field asked for, as HIDDEN: the shape that the shown values are put into.
        shown: Name and view of the others.
        keep: Names by compartment.
    """

    __slots__ = ("hidden", "keep", "shown")

    def __init__(self, decision: Decision, spec: KindSpec) -> None:
        self.hidden = dict.fromkeys(decision.views, _HIDDEN)
        self.shown = [(name, view.name) for name, view in decision.views.items() if view is not View.HIDDEN]
        self.keep: dict[str, set[str]] = defaultdict(set)
        for name, _ in self.shown:
            field = spec.fields[name]
            clear = decision.views[name] is View.CLEAR and field.mask != "none"
            self.keep[field.compartment if clear else "masked"].add(name)
        if "masked" in self.keep:
            self.keep["masked"].add(REF)


class Item:
    """One record asked for, on its way through the steps; `error` ends the way.

    Attributes:
        id: What was asked for: a record's id, or `KIND:EXTERNAL_ID`; an error speaks of it and of no other.
        record: The record it names, "" if it names none.
        at: µs UTC at which the version wanted was the latest; None for the one that is it now.
        version, parts: That version, and the compartments it is sealed in.
        cases: Handles of the cases by which it is in the caller's scope, where these decide.
    """

    __slots__ = (
        "at",
        "cases",
        "decision",
        "error",
        "fields",
        "held",
        "id",
        "log_secret",
        "parts",
        "record",
        "ref",
        "secret",
        "version",
        "whole",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the field's word
        record: str = "",
        error: VaultError | None = None,
        at: int | None = None,
    ) -> None:
        self.id = id
        self.record = record
        self.error = error
        self.whole = False
        self.at = at
        self.version = 0
        self.parts: tuple[str, ...] = ()
        self.cases: Sequence[bytes] = ()
        self.held: Held | None = None
        self.decision: Decision | None = None
        self.secret = b""
        self.log_secret = b""
        self.fields: dict[str, ShownField] = {}
        self.ref: str | None = None

    @property
    def granted(self) -> bool:
        """Whether it may be shown, as far as is known."""
        return self.error is None

    @property
    def subject(self) -> str:
        """The subject's id, "" while unknown."""
        return self.held.row.subject if self.held else ""

    @property
    def kind(self) -> str:
        """The record's kind, "" while unknown."""
        return self.held.kind if self.held else ""

    @property
    def log_shelf(self) -> str:
        """The shelf the subject's log secret stands on; "" where there is no secret."""
        return self.held.row.log_shelf if self.held and self.log_secret else ""

    def forget(self, error: VaultError) -> None:
        """Refuse, and leave no tag: the subject's count was taken when the erasure closed it."""
        self.refuse(error)
        self.held, self.log_secret = None, b""

    def refuse(self, error: VaultError, *, whole: bool = False) -> None:
        """End the way; `whole` says that the request as a whole is wrong, not this record."""
        self.error = error
        self.whole = whole
        self.fields = {}

    def shown(self, receipt: Receipt) -> Shown:
        """What the caller gets; made only with the receipt of a durable entry."""
        if self.held is None:
            raise Tampered("nothing was opened")
        return Shown(
            record=self.record,
            ref=self.ref,
            kind=self.held.kind,
            version=self.version,
            state=self.held.facts.state,
            fields=self.fields,
            receipt=receipt,
        )
