"""Small words of the command line into typed values; every refusal names the option, never the input."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.config import SHANGHAI
from vault.errors import Invalid
from vault.model import View

if TYPE_CHECKING:
    from vault.access.tokens import Limits

_TTL: Final = re.compile(r"([0-9]{1,6})([smh]?)")
_FIELD: Final = re.compile(r"[a-z]+(_[a-z]+)*")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_MICROSECONDS: Final = 1_000_000
_DAY: Final = len("2026-03-01")


def names(text: str | None) -> tuple[str, ...] | None:
    """`a,b` as names; None stays None."""
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip())


def moment(text: str | None, field: str) -> int | None:
    """A day, which means its end in Asia/Shanghai, or an instant with its offset; as µs UTC. None stays None.

    Raises:
        Invalid: It is neither.
    """
    if text is None:
        return None
    try:
        if len(text) == _DAY:
            ends = datetime.combine(date.fromisoformat(text), datetime.max.time(), SHANGHAI)
        else:
            ends = datetime.fromisoformat(text)
        if ends.tzinfo is None:
            raise ValueError
        return int(ends.timestamp() * _MICROSECONDS)
    except (ValueError, OverflowError):
        raise _bad(field, "no day and no instant", "write YYYY-MM-DD, or 2026-03-01T09:30+08:00") from None


def views(text: str | None, folder: Path | None = None) -> dict[str, View] | None:
    """`name=masked,phone=clear` as a ceiling; a field not listed becomes HIDDEN.

    `folder` is the vault's, whose own fields are known then.
    """
    listed = names(text)
    if listed is None:
        return None
    found = {}
    for part in listed:
        name, _, view = part.partition("=")
        if view.strip().upper() not in View.__members__:
            raise _bad("fields", "a field has no view", "write name=masked,phone=clear")
        found[name.strip()] = View[view.strip().upper()]
    _demand_fields(found, folder)
    return found


def _demand_fields(listed: Iterable[str], folder: Path | None) -> None:
    """Demand that some kind has each field: of a misspelt one, a token would silently show nothing.

    Raises:
        Invalid: One is unknown; names it where it has a field name's form, else by its place.
    """
    from vault.schema import builtin
    from vault.schema_own import load

    schema = builtin() if folder is None else load(folder)
    known = {name for kind in schema.kinds.values() for name in kind.fields}
    for place, name in enumerate(listed, 1):
        if name not in known:
            raise Invalid(
                f"--fields: no kind has the field listed as no. {place}",
                code="invalid_fields",
                field=name if _FIELD.fullmatch(name) else "fields",
                remedy="use fields that `cvault schema check` lists",
            )


def one_of(text: str | None, allowed: Sequence[str], field: str) -> str | None:
    """A word of a closed list: a slip of the pen must not look like an empty answer."""
    if text is not None and text not in allowed:
        raise _bad(field, "no such word", "use one of: " + ", ".join(allowed))
    return text


def ttl(text: str | None) -> int | None:
    """`15m`, `2h` or `3600s` as µs."""
    if text is None:
        return None
    found = _TTL.fullmatch(text.strip())
    if found is None:
        raise _bad("ttl", "not a span of time", "write 15m, 2h or 3600s")
    return int(found[1]) * _SECONDS[found[2]] * _MICROSECONDS


def refs(texts: list[str]) -> list[str]:
    """External ids, each checked to be `KIND:EXTERNAL_ID`."""
    for text in texts:
        kind, colon, external = text.partition(":")
        if not (kind and colon and external):
            raise _bad("ref", "not of the form KIND:EXTERNAL_ID", "write borrower:AJ001")
    return texts


def day(text: str | None, field: str) -> date | None:
    """An ISO day."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _bad(field, "not a day", "write YYYY-MM-DD") from None


def days_by_role(texts: Iterable[str]) -> dict[str, str]:
    """`role=YYYY-MM-DD`, each role's last day.

    Raises:
        Invalid: One isn't of this form.
    """
    found = {}
    for text in texts:
        role, equals, last = (part.strip() for part in text.partition("="))
        if not equals:
            raise _bad("until", "not of the form ROLE=DAY", "write collector=2027-03-31")
        day(last, "until")
        found[role] = last
    return found


def instant(text: str | None, field: str) -> int | None:
    """An ISO instant as µs UTC; without a zone it is UTC, a day alone is its first moment."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _bad(
            field, "not a time", "write 2026-03-01, or 2026-03-01T16:00+08:00; UTC without an offset"
        ) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp()) * _MICROSECONDS


def limits(
    *,
    fields: str | None,
    cases: str | None,
    life: str | None,
    max_uses: int | None,
    depth: int | None,
    audience: str | None,
    actions: str | None,
    folder: Path | None = None,
) -> Limits:
    """The limits of a new token or link."""
    from vault.access.tokens import Limits

    bound, nodes, doings = names(cases), names(audience), names(actions)
    return Limits(
        fields=views(fields, folder),
        cases=None if bound is None else frozenset(bound),
        ttl_us=ttl(life),
        max_uses=max_uses,
        depth=depth,
        audience=None if nodes is None else frozenset(nodes),
        actions=None if doings is None else frozenset(doings),
    )


def lines(path: Path, data: bytes) -> list[str]:
    """A file of one id a line; empty lines don't count."""
    try:
        return [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise Invalid(
            f"{path}: not UTF-8", code="invalid_file", field="ids", remedy="write one id a line"
        ) from None


def _bad(field: str, problem: str, remedy: str) -> Invalid:
    return Invalid(
        f"--{field.replace('_', '-')}: {problem}", code=f"invalid_{field}", field=field, remedy=remedy
    )
