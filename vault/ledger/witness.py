"""Asking a witness: the request and what each answer means (c2sp.org/tlog-witness, `add-checkpoint`)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from vault.errors import Invalid, Tampered
from vault.ledger import cosignature
from vault.ledger.checkpoint import read_decimal
from vault.ledger.cosignature import Cosignature, WitnessKey
from vault.ledger.note import split, to_base64
from vault.model import Word

MAX_PATH: Final = 63
"""The most lines of proof that a request may have."""
MOST_BYTES: Final = 1 << 16
"""Bytes of an answer that are looked at: a few signature lines, post-quantum ones among them."""

_SIZE_BODY: Final = re.compile(r"([0-9]{1,19})\n").fullmatch
_OK, _FORBIDDEN, _UNKNOWN, _CONFLICT, _REWRITTEN = 200, 403, 404, 409, 422

State = Literal["cosigned", "stale", "forged", "forbidden", "unknown", "failed"]


class Answer(Word):
    """What a witness's answer means.

    Attributes:
        state: `cosigned`; `stale`: its last checkpoint has another size, `size`; `forged`: what it last
            cosigned is no earlier state of this log (422); `forbidden`: it doesn't trust the log's key (403);
            `unknown`: it doesn't know the log (404); `failed`: anything else, `why` says what.
        cosignature: With `cosigned`.
        size: With `stale`.
        why: A fixed word or the status, nothing that the witness wrote.
    """

    state: State
    cosignature: Cosignature | None = None
    size: int = 0
    why: str = ""


def endpoint(prefix: str) -> str:
    """The address of `add-checkpoint` below a submission prefix.

    Raises:
        Invalid: Not https, and not http to this very machine; or with user, query or fragment.
    """
    try:
        url = urlsplit(prefix)
        sound = bool(url.hostname) and url.port != 0 and not (url.username or url.query or url.fragment)
    except ValueError:
        sound, url = False, urlsplit("")
    if not sound or not (url.scheme == "https" or (url.scheme == "http" and _is_loopback(url))):
        raise Invalid(
            "an address outside is https; http is for this machine alone",
            code="invalid_url",
            field="url",
            remedy="give the submission prefix, such as https://witness.example/",
        )
    return prefix.rstrip("/") + "/add-checkpoint"


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def request(old: int, path: Sequence[bytes], note: str) -> bytes:
    """The body of `add-checkpoint`: old size, consistency proof, blank line, the signed checkpoint.

    Args:
        old: The size of the checkpoint that the witness cosigned last, 0 if none.
        path: `merkle.consistency_path` from there; empty if `old` is 0 or the checkpoint's own size.
        note: The checkpoint.

    Raises:
        Invalid: More proof than a request may have.
    """
    if len(path) > MAX_PATH:
        raise Invalid("a consistency proof has at most 63 lines", field="path")
    return "\n".join((f"old {old}", *map(to_base64, path), "", note)).encode()


def read(status: int, body: bytes, note: str, key: WitnessKey) -> Answer:
    """What an answer to a request with this checkpoint means; it is believed in nothing that isn't signed.

    Args:
        status: The HTTP status.
        body: At most `MOST_BYTES`.
        note: The checkpoint that was sent.
        key: The witness's.
    """
    if status == _OK:
        return _cosigned(body, note, key)
    if status == _CONFLICT:
        return _stale(body)
    if status == _REWRITTEN:
        return Answer(state="forged", why="422")
    if status == _FORBIDDEN:
        return Answer(state="forbidden", why="403")
    if status == _UNKNOWN:
        return Answer(state="unknown", why="404")
    return Answer(state="failed", why=str(status))


def _cosigned(body: bytes, note: str, key: WitnessKey) -> Answer:
    """Its line over this very checkpoint; all else that an answer may hold is ignored."""
    text, _ = split(note)
    try:
        answered = f"{text}\n{body.decode()}"
        if split(answered)[0] != text:
            return Answer(state="failed", why="garbage")
        found = cosignature.cosignatures(answered, [key])
    except (UnicodeDecodeError, Tampered):
        return Answer(state="failed", why="garbage")
    if not found:
        return Answer(state="failed", why="no_cosignature")
    if found[0].time > cosignature.SANE:
        return Answer(state="failed", why="garbage")
    return Answer(state="cosigned", cosignature=found[0])


def _stale(body: bytes) -> Answer:
    try:
        found = _SIZE_BODY(body.decode("ascii"))
        return Answer(state="stale", size=read_decimal(found[1] if found else ""), why="409")
    except (UnicodeDecodeError, Tampered):
        return Answer(state="failed", why="garbage")
