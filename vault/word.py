"""The base of every value type: immutable, keyword-only, slotted (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _WordMeta(msgspec.StructMeta):
    """Makes every word frozen and keyword-only, without each having to say so."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any
    ) -> _WordMeta:
        """Create the class with the house's settings; `config` may add to them."""
        return super().__new__(cls, name, bases, namespace, **{"frozen": True, "kw_only": True} | config)


class Word(msgspec.Struct, metaclass=_WordMeta):
    """The base of every value type: immutable, keyword-only, slotted."""


class Quiet(Word):
    """The base of words that hold clear values or keys: printed or logged, they say only their name."""

    def __repr__(self) -> str:
        """Name the type, show nothing of it."""
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show the same to rich, which would otherwise list the fields."""
        return []


def prepare() -> None:
    """Build what msgspec needs to know of every word that is loaded; call it before threads decode any.

    It is built at a word's first use otherwise, and two threads that build the same one at once end the
    process (msgspec 0.22, SIGSEGV). What was built before costs nothing.
    """
    for word in _words(Word):
        msgspec.json.Decoder(word)


def _words(word: type[Word]) -> Iterator[type[Word]]:
    for made in word.__subclasses__():
        yield made
        yield from _words(made)
