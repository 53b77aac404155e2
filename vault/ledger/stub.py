"""The stub: the bytes of one access-log entry that the tree holds for ever (docs/formats/log-entry.md).

A stub holds no personal data. What an entry is about stands beside the tree, *who* in open columns and
*whom* in a sealed body; the stub commits to salted digests of both (DESIGN 7), so either can be shown, or
destroyed, without the other and without touching the tree.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final

import msgspec

from vault.errors import Invalid, Tampered
from vault.model import ENTRY_KINDS, Who, Whom, Word

MAX_SIZE: Final = 65_535
"""The widest entry a C2SP bundle can hold (c2sp.org/tlog-tiles, uint16 length prefix)."""

SALT_SIZE: Final = 16
TAG_SIZE: Final = 16
DIGEST_SIZE: Final = 32

_LIMIT: Final = 1 << 53
"""Integers stay below 2**53, which every JSON reader keeps exact (RFC 8785 appendix D; RFC 7493 2.2)."""

_DOMAIN: Final = b"cvault/entry/v1\x00"
_KINDS: Final = frozenset(ENTRY_KINDS)
_ENCODE: Final = msgspec.json.Encoder().encode
_ENCODE_SORTED: Final = msgspec.json.Encoder(order="sorted").encode

# The grammar is the canonical form: the last base64url character can only be one whose spare bits are
# zero (RFC 4648 3.5), so no two spellings of one stub match it.
_GRAMMAR: Final = re.compile(
    rb'\{"c":"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"'
    rb',"g":"(?:[A-Za-z0-9_-]{21}[AQgw])?"'
    rb',"i":[1-9][0-9]{0,15}'
    rb',"k":"[a-z_]{1,32}"'
    rb',"n":"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"'
    rb',"r":"[A-Za-z0-9_-]{21}[AQgw]"'
    rb',"t":(?:0|[1-9][0-9]{0,15})'
    rb',"v":1\}'
).fullmatch


class Stub(Word):
    """One entry as the tree holds it. Fields stand in the order in which they are encoded.

    Attributes:
        c: Commitment to *who* and *whom*: base64url, no padding, of 32 bytes.
        g: The subject's tag for this access: base64url of 16 bytes, or "" for an entry without a subject.
        i: The node's own counter, from 1 without gaps.
        k: One of `ENTRY_KINDS`.
        n: The node's id: 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first.
        r: The request id: base64url of 16 bytes.
        t: µs UTC; never less than the entry before.
        v: The format's version, 1.
    """

    c: str
    g: str
    i: int
    k: str
    n: str
    r: str
    t: int
    v: int = 1

    @property
    def commitment(self) -> bytes:
        """The 32 bytes of `c`."""
        return unpack(self.c)

    @property
    def tag(self) -> bytes:
        """The 16 bytes of `g`, or none."""
        return unpack(self.g)

    @property
    def request(self) -> bytes:
        """The 16 bytes of `r`."""
        return unpack(self.r)


_DECODE: Final = msgspec.json.Decoder(Stub).decode


def pack(data: bytes) -> str:
    """Bytes as base64url without padding (RFC 4648 5)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unpack(text: str) -> bytes:
    """The bytes of a base64url text from a stub that was decoded (so its grammar is known)."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(stub: Stub) -> bytes:
    """The canonical bytes: RFC 8785 JSON, narrowed to sorted ASCII keys, ASCII strings, small integers.

    Raises:
        Invalid: A field is outside the format; such a stub must never reach the tree.
    """
    data = _ENCODE(stub)
    if not _GRAMMAR(data) or not _in_range(stub):
        raise Invalid(
            "a stub field is outside the format", field="stub", remedy="see docs/formats/log-entry.md"
        )
    return data


def decode(data: object) -> Stub:
    """Read a stub; whatever it accepts, `encode` gives back byte for byte.

    Raises:
        Tampered: The bytes are not a canonical stub.
    """
    if not isinstance(data, bytes) or len(data) > MAX_SIZE or not _GRAMMAR(data):
        raise Tampered("the stub is not in its canonical form")
    stub = _DECODE(data)
    if not _in_range(stub):
        raise Tampered("the stub is not in its canonical form")
    return stub


def _in_range(stub: Stub) -> bool:
    """What the grammar can't say: the closed list of kinds and the integers' bound."""
    return stub.k in _KINDS and stub.i < _LIMIT and stub.t < _LIMIT


def who_bytes(who: Who) -> bytes:
    """The *who* as it is committed to: JSON of all its fields, sorted keys, no spaces, UTF-8 (RFC 8785).

    Raises:
        Invalid: A bitmap doesn't stay below 2**53, or a text isn't Unicode.
    """
    if not (0 <= who.masked < _LIMIT and 0 <= who.clear < _LIMIT):
        raise Invalid(
            "a field bitmap must stay below 2**53", field="masked/clear", remedy="number fields below 53"
        )
    return _canonical(who)


def whom_bytes(whom: Whom) -> bytes:
    """The *whom* as it is committed to: JSON of all its fields, sorted keys, no spaces.

    Case numbers and tickets may be Chinese: text stands as UTF-8, unescaped, as RFC 8785 3.2.2.2 has it.

    Raises:
        Invalid: A text isn't Unicode (a lone surrogate).
    """
    return _canonical(whom)


def _canonical(word: Word) -> bytes:
    try:
        return _ENCODE_SORTED(word)
    except UnicodeEncodeError:
        raise Invalid("a text is not valid Unicode", remedy="send well-formed UTF-8") from None


def digest(salt: bytes, data: bytes) -> bytes:
    """A salted digest, `HMAC-SHA256(salt, data)`: 128 random bits keep short values from being guessed.

    Args:
        salt: 16 random bytes, fresh for each entry and part.
        data: `who_bytes` or `whom_bytes`.

    Raises:
        Invalid: The salt isn't 16 bytes.
    """
    if len(salt) != SALT_SIZE:
        raise Invalid("a salt must have 16 bytes", field="salt", remedy="draw a fresh one for each entry")
    return hmac.digest(salt, data, "sha256")


def commitment(who_digest: bytes, whom_digest: bytes) -> bytes:
    """The 32 bytes of `c`: `SHA-256("cvault/entry/v1" || 0x00 || who digest || whom digest)`.

    Raises:
        Invalid: A digest isn't 32 bytes, without which the concatenation would be ambiguous.
    """
    if len(who_digest) != DIGEST_SIZE or len(whom_digest) != DIGEST_SIZE:
        raise Invalid("a digest must have 32 bytes", field="digest", remedy="pass what digest() gave")
    return sha256(_DOMAIN + who_digest + whom_digest).digest()


def check_who(stub: Stub, who: Who, who_salt: bytes, whom_digest: bytes) -> None:
    """Check that the open columns are those the stub commits to.

    Raises:
        Tampered: They are not, or cannot be.
    """
    try:
        made = pack(commitment(digest(who_salt, who_bytes(who)), whom_digest))
    except Invalid:
        made = ""
    if made != stub.c:
        raise Tampered("the open columns are not those the entry commits to")


def check_whom(stub: Stub, whom: Whom, whom_salt: bytes, who_digest: bytes) -> None:
    """Check that an opened body is the one the stub commits to.

    Raises:
        Tampered: It is not, or cannot be.
    """
    try:
        made = pack(commitment(who_digest, digest(whom_salt, whom_bytes(whom))))
    except Invalid:
        made = ""
    if made != stub.c:
        raise Tampered("the body is not the one the entry commits to")
