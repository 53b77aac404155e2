"""Which witnesses a log has, and how many of them it takes: c2sp.org/tlog-policy, read strictly.

Lines `log`, `witness`, `group` and exactly one `quorum`; whatever the page doesn't allow is refused, with the
line's number. Names are opaque octets there; here the file must also be UTF-8, which the page recommends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final

from vault.errors import Invalid
from vault.ledger.cosignature import WitnessKey, read_key
from vault.ledger.note import VKey
from vault.model import Word

NONE: Final = "none"
MOST: Final = 100
"""Logs, witnesses and groups of each that are taken; the page asks for at least 32."""
MOST_BYTES: Final = 1 << 17

_OCTETS: Final = re.compile(r"[\t\n\x20-\x7e\x80-\U0010ffff]*").fullmatch
_THRESHOLD: Final = re.compile(r"[1-9][0-9]{0,2}").fullmatch
_REMEDY: Final = "c2sp.org/tlog-policy has the format; docs/witnesses.md has an example"
_ONE, _TWO, _THREE, _FOUR = 1, 2, 3, 4


class Witness(Word):
    """A witness as the policy names it; `url` is its submission prefix, "" where it has none."""

    name: str
    key: WitnessKey
    url: str = ""


class Group(Word):
    """Members, witnesses or groups, of which at least `least` must have witnessed a checkpoint."""

    name: str
    least: int
    members: tuple[str, ...]


class Policy(Word):
    """A policy as read.

    Attributes:
        logs: The logs it is about, none where that is known otherwise.
        witnesses, groups: By name.
        quorum: The name of what must have witnessed a checkpoint, or `none`.
    """

    logs: tuple[VKey, ...]
    witnesses: dict[str, Witness]
    groups: dict[str, Group]
    quorum: str

    def met(self, idents: Collection[str]) -> bool:
        """Whether these witnesses (`WitnessKey.ident`) are a quorum; with `quorum none` any set is.

        Asks nothing of a signature: the caller has verified them.
        """
        return self.quorum == NONE or self._witnessed(self.quorum, idents)

    def enough(self, idents: Collection[str]) -> bool:
        """Whether these witnesses make a checkpoint count as witnessed: a quorum, and one at the least.

        `quorum none` asks for no cosignature, so that one of any witness is something and none is nothing.
        """
        known = {witness.key.ident for witness in self.witnesses.values()}
        return bool(known.intersection(idents)) and self.met(idents)

    def _witnessed(self, name: str, idents: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return self.witnesses[name].key.ident in idents
        return sum(self._witnessed(member, idents) for member in group.members) >= group.least

    @property
    def keys(self) -> list[WitnessKey]:
        """The keys of all witnesses, in the file's order."""
        return [witness.key for witness in self.witnesses.values()]


def read(text: str) -> Policy:
    """Read a policy file.

    Raises:
        Invalid: It isn't one; `row` is the line at fault.
    """
    if len(text.encode()) > MOST_BYTES or not _OCTETS(text):
        raise _refused("a policy holds no control characters but tab and newline, in 128 KiB at most")
    if not text.endswith("\n"):
        raise _refused("the last line doesn't end in a newline")
    reader = _Reader()
    for row, line in enumerate(text.split("\n")[:-1], 1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words != [""] and not words[0].startswith("#"):
            reader.take(row, words)
    return reader.finish()


class _Reader:
    """A policy being read."""

    def __init__(self) -> None:
        self._logs: list[VKey] = []
        self._witnesses: dict[str, Witness] = {}
        self._groups: dict[str, Group] = {}
        self._quorum = ""
        self._members: set[str] = set()

    def take(self, row: int, words: list[str]) -> None:
        takers: dict[str, Callable[[int, list[str]], None]] = {
            "log": self._log, "witness": self._witness, "group": self._group, "quorum": self._set_quorum,
        }  # fmt: skip
        taker = takers.get(words[0])
        if taker is None:
            raise _refused("a line is neither log, witness, group nor quorum", row)
        taker(row, words[1:])

    def _log(self, row: int, words: list[str]) -> None:
        if len(words) not in {_ONE, _TWO}:
            raise _refused("a log has a verifier key and perhaps a URL", row)
        try:
            key = VKey.parse(words[0])
        except Invalid as error:
            raise _refused(error.message, row) from None
        if len(self._logs) >= MOST or any(key.public == other.public for other in self._logs):
            raise _refused("a log stands twice, or there are too many", row)
        self._logs.append(key)

    def _witness(self, row: int, words: list[str]) -> None:
        if len(words) not in {_TWO, _THREE}:
            raise _refused("a witness has a name, a verifier key and perhaps a URL", row)
        self._demand_new(row, words[0], len(self._witnesses))
        try:
            key = read_key(words[1])
        except Invalid as error:
            raise _refused(error.message, row) from None
        if any(key.public == other.key.public for other in self._witnesses.values()):
            raise _refused("a witness's key stands twice", row)
        url = words[2] if len(words) == _THREE else ""
        self._witnesses[words[0]] = Witness(name=words[0], key=key, url=url)

    def _group(self, row: int, words: list[str]) -> None:
        if len(words) < _THREE:
            raise _refused("a group has a name, a threshold and at least one member", row)
        name, threshold, *members = words
        self._demand_new(row, name, len(self._groups))
        for member in members:
            if not self._is_known(member) or member in self._members:
                raise _refused("a member isn't defined above, or is one of a group already", row)
            self._members.add(member)
        least = _least(threshold, len(members))
        if least is None:
            raise _refused("a group's threshold is all, any, or a number from 1 to that of its members", row)
        self._groups[name] = Group(name=name, least=least, members=tuple(members))

    def _set_quorum(self, row: int, words: list[str]) -> None:
        if len(words) != 1 or self._quorum:
            raise _refused("there is exactly one quorum, of one name", row)
        if words[0] != NONE and not self._is_known(words[0]):
            raise _refused("the quorum names neither a witness nor a group above it", row)
        self._quorum = words[0]

    def _is_known(self, name: str) -> bool:
        return name in self._witnesses or name in self._groups

    def _demand_new(self, row: int, name: str, count: int) -> None:
        if name == NONE or self._is_known(name) or count >= MOST:
            raise _refused("a name is taken or reserved, or there are too many", row)

    def finish(self) -> Policy:
        if not self._quorum:
            raise _refused("there is no quorum line")
        return Policy(
            logs=tuple(self._logs), witnesses=self._witnesses, groups=self._groups, quorum=self._quorum
        )


def _least(threshold: str, members: int) -> int | None:
    least = {"all": members, "any": 1}.get(threshold)
    if least is None and _THRESHOLD(threshold) and int(threshold) <= members:
        least = int(threshold)
    return least


def _refused(message: str, row: int | None = None) -> Invalid:
    return Invalid(message, code="invalid_witness_policy", field="policy", row=row, remedy=_REMEDY)
