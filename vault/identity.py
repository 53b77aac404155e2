"""Identities: the principal file and its public half (INTERFACE). The vault knows only the public keys."""

from __future__ import annotations

import base64
import re
from typing import Final

import msgspec

from vault.crypto.ids import new_id
from vault.crypto.sign import SigningKey, public_jwt_key
from vault.errors import Invalid, Tampered
from vault.model import Quiet, Word

PRINCIPAL: Final = re.compile(r"p-[0-9a-z]{26}")


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
        """The raw Ed25519 public key.

        Raises:
            Invalid: Not one.
        """
        try:
            raw = base64.urlsafe_b64decode(self.public + "=" * (-len(self.public) % 4))
            public_jwt_key(raw)
        except (ValueError, Tampered):
            raise Invalid(
                "not a public key", code="invalid_principal", remedy="cvault principal new"
            ) from None
        return raw


class Identity(Quiet):
    """A principal with its private key: the content of a principal file (INTERFACE)."""

    principal: str
    key: str

    @classmethod
    def fresh(cls) -> Identity:
        """A new principal id with a new key."""
        seed = SigningKey.generate().seed
        return cls(principal=new_id("p"), key=base64.urlsafe_b64encode(seed).rstrip(b"=").decode())

    @classmethod
    def from_json(cls, data: bytes) -> Identity:
        """Parse a principal file.

        Raises:
            Invalid: It isn't one.
        """
        try:
            identity = msgspec.json.decode(data, type=cls)
            _ = identity.signing
        except (msgspec.DecodeError, ValueError):
            raise Invalid("not a principal file", code="invalid_principal", remedy="give --as FILE") from None
        return identity

    @property
    def candidate(self) -> Candidate:
        """The public half, to hand to an admin."""
        public = base64.urlsafe_b64encode(self.signing.public).rstrip(b"=").decode()
        return Candidate(principal=self.principal, public=public)

    def to_json(self) -> bytes:
        """The principal file's content."""
        return msgspec.json.encode(self)

    @property
    def signing(self) -> SigningKey:
        """The private key."""
        return SigningKey.from_seed(base64.urlsafe_b64decode(self.key + "=="))
