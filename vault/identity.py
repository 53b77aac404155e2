"""Principals outside the vault: the file with the private key, and the public half that an admin adds.

Nothing here needs a vault. docs/formats/token.md 7 has both files.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from vault.crypto.ids import new_id
from vault.crypto.sign import ED25519, Signer, fresh_key, private_key, public_key, public_text
from vault.errors import Invalid
from vault.model import Quiet, Word

PRINCIPAL: Final = re.compile(r"p-[0-9a-z]{26}")
"""A principal's id."""


class Candidate(Word):
    """The public half of an identity: what a person hands to an admin to be added (INTERFACE: `public`)."""

    principal: str
    public: str

    @classmethod
    def from_json(cls, data: bytes) -> Candidate:
        """Parse what `principal new` printed.

        Raises:
            Invalid: It isn't that.
        """
        try:
            candidate = msgspec.json.decode(data, type=cls)
            candidate.key()
            if not PRINCIPAL.fullmatch(candidate.principal):
                raise ValueError
        except (msgspec.DecodeError, ValueError):
            raise Invalid(
                "not the public half of a principal", code="invalid_principal", remedy="cvault principal new"
            ) from None
        return candidate

    def key(self) -> bytes:
        """The raw public key: 32 bytes of Ed25519, or an uncompressed P-256 point of 65.

        Raises:
            Invalid: Not one.
        """
        try:
            return public_key(self.public)
        except Invalid:
            raise Invalid(
                "not a public key", code="invalid_principal", remedy="cvault principal new"
            ) from None


class Identity(Quiet):
    """A principal with its private key: the content of a principal file (INTERFACE)."""

    principal: str
    key: str

    @classmethod
    def fresh(cls, algorithm: str = ED25519) -> Identity:
        """A new principal id with a new key, "Ed25519" or "P-256".

        Raises:
            Invalid: Another algorithm.
        """
        return cls(principal=new_id("p"), key=fresh_key(algorithm).text)

    @classmethod
    def from_json(cls, data: bytes) -> Identity:
        """Parse a principal file.

        Raises:
            Invalid: It isn't one.
        """
        try:
            identity = msgspec.json.decode(data, type=cls)
            _ = identity.signing
        except (msgspec.DecodeError, ValueError, Invalid):
            raise Invalid("not a principal file", code="invalid_principal", remedy="give --as FILE") from None
        return identity

    @property
    def candidate(self) -> Candidate:
        """The public half, to hand to an admin."""
        return Candidate(principal=self.principal, public=public_text(self.signing.public))

    def to_json(self) -> bytes:
        """The principal file's content."""
        return msgspec.json.encode(self)

    @property
    def signing(self) -> Signer:
        """The private key."""
        return private_key(self.key)
