"""What a token's holder keeps, and what a holder may ask of a new link."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import msgspec

from vault.crypto.sign import Signer, private_key
from vault.errors import Invalid
from vault.model import View, Word

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Limits(Word):
    """What a new link narrows; None leaves a thing as it is.

    Attributes:
        fields: A ceiling per field name; a field not listed becomes HIDDEN.
        cases: The only case numbers in scope.
        ttl_us: Life from now in µs; `expires` (µs UTC) takes its place when given.
        max_uses: How many requests the link may serve.
        depth: How many further links may follow; None is 0: delegation must be asked for.
        actions: The only actions allowed.
        audience: The only nodes that may honour it, out of "masked" and "clear".
    """

    fields: dict[str, View] | None = None
    cases: frozenset[str] | None = None
    ttl_us: int | None = None
    expires: int | None = None
    max_uses: int | None = None
    depth: int | None = None
    actions: frozenset[str] | None = None
    audience: frozenset[str] | None = None


class _TokenFile(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: str
    key: str
    expires: str


class Credential(Word):
    """A token and the key that its last link names. Prints as neither.

    Attributes:
        token: The chain's text.
        key: The holder's private key, of either kind; never crosses the wire. None where the last link names
            a key that somebody else has (`narrow` with `to`), until they put it in (`accept`).
        expires: µs UTC.
    """

    token: str
    key: Signer | None
    expires: int

    def __repr__(self) -> str:
        """Say that a credential is here, and nothing of it."""
        return "<Credential>"

    __str__ = __repr__

    def __rich_repr__(self) -> Any:
        """Show the same to rich, which would otherwise list the fields."""
        return iter(())

    def to_json(self) -> bytes:
        """The token file (docs/formats/token.md 7): `key` is "" for none, `expires` ISO 8601 UTC."""
        expires = (_EPOCH + timedelta(microseconds=self.expires)).strftime("%Y-%m-%dT%H:%M:%SZ")
        key = "" if self.key is None else self.key.text
        return msgspec.json.encode(_TokenFile(token=self.token, key=key, expires=expires))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a token file.

        Raises:
            Invalid: It isn't one; nothing of it is repeated.
        """
        try:
            file = msgspec.json.decode(data, type=_TokenFile)
            key = private_key(file.key) if file.key else None
            expires = datetime.strptime(file.expires, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, Invalid):
            raise _bad_file() from None
        return cls(token=file.token, key=key, expires=(expires - _EPOCH) // timedelta(microseconds=1))


def _bad_file() -> Invalid:
    return Invalid("not a token file", field="token", remedy="use the file as `token issue` wrote it")
