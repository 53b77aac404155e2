"""The courier: one exchange in bounded time and size, over TLS that is checked, and nothing else."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from vault.courier import Http, Reply
from vault.errors import Unavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@contextmanager
def serving(handle: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port at which each connection is handled so, one at a time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def loop() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) if context else plain as one:
                    handle(one)
            except OSError:
                plain.close()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def says(data: bytes) -> Callable[[socket.socket], None]:
    """Reads a request and answers this."""

    def handle(one: socket.socket) -> None:
        seen = b""
        while not seen.endswith(b"body"):
            seen += one.recv(4096)
        one.sendall(data)

    return handle


def post(url: str, *, most: int = 100, timeout: float = 2) -> Reply:
    """Send `body`."""
    return Http(timeout).post(url, b"body", kind="text/plain", most=most)


def code(url: str, *, timeout: float = 2) -> str:
    """The code by which it fails."""
    with pytest.raises(Unavailable) as failed:
        post(url, timeout=timeout)
    return failed.value.code


def test_a_request_and_its_answer() -> None:
    """Method, path, type and body go out; status and body come back, whatever the status."""
    seen: list[bytes] = []

    def handle(one: socket.socket) -> None:
        seen.append(one.recv(4096))
        while not seen[-1].endswith(b"body"):
            seen[-1] += one.recv(4096)
        one.sendall(OK.replace(b"200 OK", b"409 Conflict"))

    with serving(handle) as port:
        assert post(f"http://127.0.0.1:{port}/a/b") == Reply(status=409, body=b"ok")
    head = seen[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert head[0] == b"POST /a/b HTTP/1.1"
    assert b"Content-Type: text/plain" in head


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [(b"", "unreachable"), (b"HTTP/9 what\r\n\r\n", "unreachable"), (OK[:-1], "unreachable"),
     (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101, "too_large"),
     (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "unreachable"),
     (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "unreachable"),
     (b"HTTP/1.1 200 " + b"y" * 70_000, "unreachable")],
)  # fmt: skip
def test_broken_answers(answer: bytes, wanted: str) -> None:
    """Cut, endless, oversized or no HTTP at all: each fails with a code and nothing of what was sent."""
    with serving(says(answer)) as port:
        assert code(f"http://127.0.0.1:{port}/") == wanted


def test_nobody_and_no_name() -> None:
    """A closed port and a host that can't be."""
    with serving(says(OK)) as port:
        pass
    assert code(f"http://127.0.0.1:{port}/") == "unreachable"
    assert code("https://no-such-host.invalid/") == "unreachable"


def test_one_deadline_for_the_whole_exchange() -> None:
    """Bytes that trickle in the body, always in time for the socket, don't hold the caller."""

    def drip(one: socket.socket) -> None:
        one.recv(4096)
        one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(60):
            one.sendall(b"x")
            time.sleep(0.05)

    begun = time.monotonic()
    with serving(drip) as port:
        assert code(f"http://127.0.0.1:{port}/", timeout=0.3) == "timeout"
        assert time.monotonic() - begun < 1.5


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for 127.0.0.1, and the certificate it shows, its own root."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "w")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path, private = folder / "cert.pem", folder / "key.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return context, path


def test_tls_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of nobody's is refused; with its root given, it is taken for its own name alone."""
    context, root = certificate(tmp_path)
    with serving(says(OK), context) as port:
        assert code(f"https://127.0.0.1:{port}/") == "unreachable"
        monkeypatch.setenv("SSL_CERT_FILE", str(root))
        assert post(f"https://127.0.0.1:{port}/").body == b"ok"
        assert code(f"https://localhost:{port}/") == "unreachable"
