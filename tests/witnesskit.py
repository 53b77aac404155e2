"""A witness to test with: c2sp.org/tlog-witness from the page, over HTTP, with a memory of its own.

It shares nothing with the code under test but the standard: own parsing, own proofs, own signatures.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Hook = Callable[[BaseHTTPRequestHandler], None]
Raw = Callable[[BaseHTTPRequestHandler, bytes], None]


def node(left: bytes, right: bytes) -> bytes:
    """RFC 6962 2.1."""
    return sha256(b"\x01" + left + right).digest()


def extends(first: int, second: int, path: list[bytes], old: bytes, new: bytes) -> bool:
    """RFC 9162 2.1.4.2, step by step."""
    if first == second:
        return not path and old == new
    if first & (first - 1) == 0:
        path = [old, *path]
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old and sr == new


class WitnessServer:
    """One witness on a port of its own.

    Attributes:
        logs: By origin, the raw Ed25519 keys it trusts.
        seen: By origin, size and root of the last checkpoint cosigned.
        hook: Answers instead, if set: a witness that misbehaves.
        raw: Likewise, given the request's body: another service.
        asked: How many requests came.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self.key = Ed25519PrivateKey.generate()
        self.logs: dict[str, bytes] = {}
        self.seen: dict[str, tuple[int, bytes]] = {}
        self.hook: Hook | None = None
        self.raw: Raw | None = None
        self.asked = 0
        self.clock = clock
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"witness": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def public(self) -> bytes:
        """The raw key."""
        return self.key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        """Of type 0x04."""
        return sha256(self.name.encode() + b"\n\x04" + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The verifier key."""
        packed = base64.b64encode(b"\x04" + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{packed}"

    @property
    def url(self) -> str:
        """The submission prefix."""
        return f"http://127.0.0.1:{self._server.server_port}/w"

    @property
    def line(self) -> str:
        """Its line of a policy."""
        return f"witness {self.name} {self.vkey} {self.url}\n"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def cosign(self, text: str, at: int | None = None) -> str:
        """A cosignature line over a checkpoint's text."""
        stamp = int(self.clock()) if at is None else at
        signature = self.key.sign(f"cosignature/v1\ntime {stamp}\n{text}".encode())
        data = self.key_id + stamp.to_bytes(8, "big") + signature
        return f"\u2014 {self.name} {base64.b64encode(data).decode()}\n"

    def add_checkpoint(self, body: str) -> tuple[int, str]:
        """The protocol's one call: status and body."""
        head, _, note = body.partition("\n\n")
        old_line, *proof = head.split("\n")
        text, _, signatures = note.partition("\n\n")
        text += "\n"
        origin, size_line, root_line = text.split("\n")[:3]
        old, size, root = int(old_line.removeprefix("old ")), int(size_line), base64.b64decode(root_line)
        if origin not in self.logs:
            return 404, "unknown log\n"
        if not self._is_signed(origin, text, signatures):
            return 403, "not signed\n"
        if old > size:
            return 400, "old size is larger\n"
        with self._lock:
            known, known_root = self.seen.get(origin, (0, sha256(b"").digest()))
            if old != known:
                return 409, f"{known}\n"
            path = [base64.b64decode(line) for line in proof]
            if path if old == 0 else not extends(old, size, path, known_root, root):
                return 422, "inconsistent\n"
            self.seen[origin] = (size, root)
        return 200, self.cosign(text)

    def _is_signed(self, origin: str, text: str, signatures: str) -> bool:
        public = self.logs[origin]
        key_id = sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
        for line in signatures.splitlines():
            _, name, data = line.split(" ")
            raw = base64.b64decode(data)
            if name == origin and raw[:4] == key_id:
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())
                except InvalidSignature:
                    return False
                return True
        return False


class _Handler(BaseHTTPRequestHandler):
    """Hands requests to the witness."""

    witness: WitnessServer

    def do_POST(self) -> None:
        """Answer `add-checkpoint`."""
        self.witness.asked += 1
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.witness.hook is not None:
            self.witness.hook(self)
            return
        if self.witness.raw is not None:
            self.witness.raw(self, data)
            return
        if self.path != "/w/add-checkpoint":
            answer(self, 404, b"")
            return
        status, text = self.witness.add_checkpoint(data.decode())
        answer(self, status, text.encode(), "text/x.tlog.size" if status == 409 else "text/plain")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "text/plain") -> None:
    """Send an answer."""
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running(*names: str, clock: Callable[[], float] = time.time) -> Iterator[list[WitnessServer]]:
    """Witnesses of these names, stopped in the end."""
    servers = [WitnessServer(name, clock) for name in names]
    try:
        yield servers
    finally:
        for server in servers:
            server.close()
