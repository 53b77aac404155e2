"""Text, base64url and JSON as section 1 of docs/formats/token.md has them, for the second verifier.

Written from that page alone, with the standard library; nothing of the vault is imported.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

INVALID = "token_invalid"


class Refused(Exception):
    """REFUSE. `reasons` holds every reason code of section 5 that is known to apply; `rule` is for people."""

    def __init__(self, rule: str, *reasons: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.reasons = frozenset(reasons or (INVALID,))


def refuse(rule: str) -> NoReturn:
    """Refuse as `token_invalid`, which is every rule's reason but those of time and audience (5)."""
    raise Refused(rule)


def need(holds: object, rule: str) -> None:
    """Refuse unless it holds."""
    if not holds:
        refuse(rule)


def unbase64(text: object, size: int | None = None) -> bytes:
    """Canonical base64url (1): one spelling for each byte string; `size` bytes where a claim says so."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        refuse("1: not base64url")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(to_base64(raw) == text, "1: spare bits set")
    need(size is None or len(raw) == size, "1: wrong length")
    return raw


def to_base64(raw: bytes) -> str:
    """base64url without padding (1)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hash64(raw: bytes) -> str:
    """base64url SHA-256, as `par`, `ath` and `bh` want it (3, 6)."""
    return to_base64(hashlib.sha256(raw).digest())


TOKEN = re.compile(
    r"[ \t\n\r]*(?:(?P<mark>[{}\[\]:,])|(?P<word>true|false|null)|(?P<number>0|[1-9][0-9]{0,19})(?![0-9])"
    r'|"(?P<string>(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)"|(?P<end>\Z))'
)
ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.")
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
NESTED = 3  # claims, cnf, jwk: what nests deeper holds an unknown member or a wrong type


def unescaped(found: re.Match[str]) -> str:
    """An escape, or a run of `u` escapes: UTF-16, in which pairs join and lone halves don't decode."""
    if found[0][1] == "u":
        return bytes.fromhex(found[0].replace("\\u", "")).decode("utf-16-be")
    return ESCAPES.get(found[0][1], found[0][1])


READ: dict[str, Callable[[str], Any]] = {
    "mark": str,
    "word": {"true": True, "false": False, "null": None}.__getitem__,
    "number": int,
    "string": functools.partial(ESCAPE.sub, unescaped),
    "end": str,
}


def pieces(text: str) -> Iterator[tuple[str, Any]]:
    """The tokens of RFC 8259, as kind and value. Signs, fractions and exponents are no token here (1)."""
    kind, at = "", 0
    while kind != "end":
        found = TOKEN.match(text, at) or refuse("1: not the JSON we take")
        kind, at = str(found.lastgroup), found.end()
        yield kind, READ[kind](found[kind])


def tree(tokens: Iterator[tuple[str, Any]], piece: tuple[str, Any], depth: int = 0) -> Any:
    """The value that begins with `piece`: an object's names all differ (1)."""
    if piece[0] in {"number", "word", "string"}:
        return piece[1]
    need(piece[1] in ("{", "[") and depth < NESTED, "1: no value, or nested deeper than any claim")
    named, end = piece[1] == "{", "}" if piece[1] == "{" else "]"
    members: dict[str, Any] = {}
    piece = next(tokens)
    while piece != ("mark", end):
        name = f"{len(members)}"
        if named:
            need(
                piece[0] == "string" and piece[1] not in members and next(tokens) == ("mark", ":"),
                "1: a name",
            )
            name, piece = piece[1], next(tokens)
        members[name] = tree(tokens, piece, depth + 1)
        piece = next(tokens)
        if piece == ("mark", ","):
            piece = next(tokens)
            need(piece[0] != "mark" or piece[1] in "{[", "1: nothing after the comma")
        else:
            need(piece == ("mark", end), "1: no comma")
    return members if named else list(members.values())


@functools.lru_cache(maxsize=1024)  # pure, and nobody changes what it gives
def read_object(raw: bytes) -> dict[str, Any]:
    """One JSON object and nothing after it (1). A byte order mark is no token."""
    try:
        tokens = pieces(raw.decode("utf-8"))
        value = tree(tokens, next(tokens))
        need(isinstance(value, dict) and next(tokens)[0] == "end", "1: not one object")
    except UnicodeDecodeError:
        raise Refused("1: not UTF-8, or a lone surrogate") from None
    return value  # type: ignore[no-any-return]  # the line above asked
