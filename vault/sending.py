"""Sending: lines to a file and POSTs to a web hook. What they say, and when, is the caller's business."""

from __future__ import annotations

import contextlib
import hmac
import http.client
import os
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vault.errors import Unavailable

TIMEOUT: Final = 5.0
"""Seconds that a web hook has to take the connection, and to answer."""
SIGNATURE: Final = "X-Cvault-Signature"
"""`sha256=` and the hex HMAC-SHA256 of the body under the secret file's first line."""
_OK: Final = range(200, 300)


def append(path: Path, lines: bytes) -> None:
    """Add lines to a file that only its owner may read, durably.

    Raises:
        Unavailable: They couldn't be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(handle, "ab", closefd=True) as file:  # noqa: PTH123 - a descriptor with a mode of its own
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        raise Unavailable("the alarms' file can't be written", remedy="check its folder and space") from None


def secret_of(path: Path) -> bytes:
    """The first line of a secret file.

    Raises:
        Unavailable: It can't be read, or is empty.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        lines = []
    if not lines or not lines[0].strip():
        raise Unavailable("the alarms' secret file can't be read", remedy="write it: one line, mode 0600")
    return lines[0].strip()


def post(url: str, body: bytes, secret: bytes = b"") -> None:
    """POST a JSON body; redirections aren't followed, and no proxy is asked.

    Args:
        url: https, or http of this machine.
        body: JSON.
        secret: Signs the body, if there is one.

    Raises:
        Unavailable: It wasn't taken: no connection in time, or an answer other than 2xx.
    """
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json"}
    if secret:
        headers[SIGNATURE] = "sha256=" + hmac.digest(secret, body, "sha256").hex()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    try:
        with contextlib.closing(connection):
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        status = 0
    if status not in _OK:
        raise Unavailable("the web hook did not take the alarm", remedy="check alarms.webhook in vault.toml")


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
