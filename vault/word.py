"""The base of every value type: immutable, keyword-only, slotted (DESIGN 3)."""

from __future__ import annotations

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
