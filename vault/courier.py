"""Carrying a request to an outside party over HTTP, and its answer back; whatever is at the other end.

Nothing that comes back is believed here. One deadline for the whole exchange, so that nobody can hold a
caller by answering a byte at a time; a limit on the answer's size; no redirects, no proxies, no cookies.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

from vault.errors import Unavailable
from vault.model import Word

TIMEOUT: Final = 10.0
"""Seconds for connecting, and again for the whole exchange after it."""
_AGENT: Final = "collections-vault"


class Reply(Word):
    """What came back: the status and at most as many bytes as were asked for."""

    status: int
    body: bytes


class Courier(Protocol):
    """Whoever carries a POST."""

    def post(self, url: str, body: bytes, *, kind: str, most: int) -> Reply:
        """Carry a request and bring the answer.

        Args:
            url: Checked by the caller: https, or http to this machine.
            body: What to send.
            kind: Its media type.
            most: The most bytes that an answer may have.

        Raises:
            Unavailable: `unreachable`, `timeout` or `too_large`; nothing of the answer is repeated.
        """
        ...


class Http:
    """A courier on the standard library's client; certificates are checked against the system's roots.

    A private authority's roots are given by the environment variable SSL_CERT_FILE, as OpenSSL has it.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout

    def post(self, url: str, body: bytes, *, kind: str, most: int) -> Reply:
        """Carry a request and bring the answer; see `Courier.post`."""
        connection, over = self._connection(url), threading.Event()
        try:
            connection.connect()
            with _deadline(connection.sock, self._timeout, over):
                reply = self._exchange(connection, url, body, kind, most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            slow = over.is_set() or isinstance(error, TimeoutError)
            raise _failed("timeout" if slow else "unreachable") from None
        finally:
            connection.close()
        if over.is_set():  # what was read may be cut short
            raise _failed("timeout")
        return reply

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, parts.port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout)

    @staticmethod
    def _exchange(
        connection: http.client.HTTPConnection, url: str, body: bytes, kind: str, most: int
    ) -> Reply:
        path = urlsplit(url).path or "/"
        connection.request("POST", path, body, {"Content-Type": kind, "User-Agent": _AGENT})
        with connection.getresponse() as response:
            data = response.read(most + 1)
            if len(data) > most:
                raise _failed("too_large")
            if response.length:  # cut short of what it announced
                raise _failed("unreachable")
            return Reply(status=response.status, body=data)


@contextmanager
def _deadline(sock: socket.socket, seconds: float, over: threading.Event) -> Iterator[None]:
    """End an exchange that takes too long, whatever it is waiting for."""

    def cut() -> None:
        over.set()
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _failed(code: str) -> Unavailable:
    return Unavailable("the outside party can't be reached or answers badly", code=code, remedy="retry later")
