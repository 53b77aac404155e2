"""Request proofs: on the wire a holder's key signs each request and stays at home.

A DPoP proof (RFC 9449 4.2) with one claim more, the body's hash, and nothing optional. docs/formats/token.md
6 is the format. Pure: time is passed in; whether a proof came before, `ReplayCache` remembers.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from typing import Final

import msgspec

from vault.access import strict
from vault.access.strict import JTI_SIZE, refused
from vault.crypto.sign import Signer, b64
from vault.errors import Invalid, Unavailable
from vault.model import Word

PROOF_TYPE: Final = "dpop+jwt"
MAX_SIZE: Final = 4096
"""Bytes of a proof's text."""
MAX_URL: Final = 2048
WINDOW_US: Final = 60 * 1_000_000
"""µs by which a proof's time and the server's may differ."""

_SECOND: Final = 1_000_000
_METHOD: Final = re.compile(r"[A-Z]{1,32}")
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?:[!$&-;=@A-Z_a-z~]|%[0-9A-Fa-f]{2})*)?)",
    re.IGNORECASE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PORTS: Final = range(1, 1 << 16)


class _Proof(Word, frozen=True, kw_only=True, forbid_unknown_fields=True):
    jti: str
    htm: str
    htu: str
    iat: int
    ath: str
    bh: str


def prove(key: Signer, token: str, method: str, url: str, body: bytes, now_us: int, jti: bytes) -> str:
    """Sign one request.

    Args:
        key: The key that the token's last link names.
        token: The token's text, as it will be sent.
        method: The HTTP method, upper case.
        url: The request's absolute URL; its query and fragment are left out.
        body: The request's body, b"" if none.
        now_us: µs UTC.
        jti: 16 fresh random bytes; the same again is a replay.

    Raises:
        Invalid: Method, URL or jti are of no form that a server takes.
    """
    target = _without_query(url)
    if not _METHOD.fullmatch(method) or _normal(target) is None or len(jti) != JTI_SIZE:
        raise Invalid(
            "a proof needs a method in upper case, an http or https URL, and 16 random bytes",
            code="invalid_usage",
            remedy="give the absolute URL of the request",
        )
    claims = _Proof(
        jti=b64(jti), htm=method, htu=target, iat=now_us // _SECOND, ath=_ath(token), bh=_hash(body)
    )
    header = {"typ": PROOF_TYPE, "jwk": strict.jwk(key.public)}
    return strict.signed(header, msgspec.json.encode(claims), key)


def check(
    proof: str,
    holder: bytes,
    *,
    token: str,
    method: str,
    url: str,
    body: bytes,
    now_us: int,
    window_us: int = WINDOW_US,
) -> bytes:
    """Check that the holder signed this request, about now; take the answer to a `ReplayCache`.

    Args:
        proof: What came with the request.
        holder: `Verified.holder` of the token: the raw public key that must have signed.
        token: The token's text, as it was sent.
        method: The request's method.
        url: The request's absolute URL as its sender knows it.
        body: The request's body, whole.
        now_us: µs UTC.
        window_us: µs by which the proof's time may be off, either way; at most `WINDOW_US`.

    Returns:
        The proof's id, 32 bytes: two proofs that may not both be taken have the same.

    Raises:
        Denied: `token_invalid`, whatever is wrong with it.
    """
    if not proof.isascii() or len(proof) > MAX_SIZE:
        raise refused(f"its proof is not ASCII, or over {MAX_SIZE} bytes")
    header = {"typ": PROOF_TYPE, "jwk": strict.jwk(holder)}
    claims = strict.converted(strict.opened(proof, header, holder), _Proof)
    jti = strict.random_id(claims.jti)
    wanted = _normal(_without_query(url))
    if not _METHOD.fullmatch(claims.htm) or claims.htm != method:
        raise refused("its proof is for another method")
    if wanted is None or _normal(claims.htu) != wanted:
        raise refused("its proof is for another URL")
    if abs(now_us - claims.iat * _SECOND) > min(window_us, WINDOW_US):
        raise refused("its proof is from another time")
    if claims.ath != _ath(token) or claims.bh != _hash(body):
        raise refused("its proof is for another token or body")
    return hashlib.sha256(holder + jti).digest()


class ReplayCache:
    """The proofs of the last minutes, so that each is taken once. Thread-safe; bounded; fails closed.

    An id is kept for three windows: one for a sender's clock that is ahead, one for one that is behind, one
    for callers here whose clocks differ. A caller further behind than that is refused.

    Args:
        size: How many ids to keep. Full, it refuses rather than forget one that could come again.
        window_us: The window that proofs are checked with, µs.
    """

    def __init__(self, size: int = 1 << 16, window_us: int = WINDOW_US) -> None:
        self._size, self._window = size, window_us
        self._lock = threading.Lock()
        self._until: OrderedDict[bytes, int] = OrderedDict()
        self._latest = 0

    def __len__(self) -> int:
        """How many ids are kept."""
        return len(self._until)

    def take(self, ident: bytes, now_us: int) -> None:
        """Take a proof's id, once.

        Raises:
            Denied: `token_invalid`: it was taken before.
            Unavailable: There is no room to remember it, or `now_us` is far behind an earlier call's.
        """
        with self._lock:
            self._latest = max(self._latest, now_us)
            if now_us < self._latest - self._window:
                raise Unavailable("the clock went back", remedy="set the clock right, then retry")
            self._forget()
            if ident in self._until:
                raise refused("its proof was used before")
            if len(self._until) >= self._size:
                raise Unavailable("too many requests to tell a repeated one", remedy="retry in a minute")
            self._until[ident] = self._latest + 3 * self._window

    def _forget(self) -> None:
        """Drop what nobody would take any more; ids stand in the order in which they may be dropped."""
        while self._until:
            first = next(iter(self._until))
            if self._until[first] >= self._latest:
                return
            del self._until[first]


def _hash(data: bytes) -> str:
    return b64(hashlib.sha256(data).digest())


def _ath(token: str) -> str:
    return _hash(token.encode("utf-8", "surrogatepass"))


def _without_query(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _normal(url: str) -> str | None:
    """A URL in its normal form (RFC 3986 6.2.2, 6.2.3); None if it is none that a proof can name."""
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None:
        return None
    scheme, port = found["scheme"].lower(), found["port"]
    default = _DEFAULT_PORTS[scheme]
    number = int(port) if port else default
    if number not in _PORTS:
        return None
    shown = "" if number == default else f":{number}"
    return f"{scheme}://{found['host'].lower()}{shown}{_plain_path(found['path'])}"


def _plain_path(path: str) -> str:
    """A path with no needless escape, and without dot segments (RFC 3986 5.2.4)."""
    kept: list[str] = []
    segments = _ESCAPE.sub(_unescaped, path).split("/")[1:]
    for place, segment in enumerate(segments, start=1):
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
        if segment in {".", ".."} and place == len(segments):
            kept.append("")
    return "/" + "/".join(kept)


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0].upper()
