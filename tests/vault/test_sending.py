"""Sending: files and a real web hook on this machine."""

from __future__ import annotations

import hmac
import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hooks import Hook

from vault import sending
from vault.errors import Unavailable


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web hook that takes everything."""
    with Hook() as made:
        yield made


def test_lines_are_added_to_a_private_file(tmp_path: Path) -> None:
    """0600 from the beginning; what is there stays."""
    path = tmp_path / "a.jsonl"
    sending.append(path, b"1\n")
    sending.append(path, b"2\n")
    assert path.read_bytes() == b"1\n2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(Unavailable):
        sending.append(tmp_path / "none" / "a.jsonl", b"1\n")


def test_a_post_is_signed(hook: Hook) -> None:
    """The body as it is, its type, and its HMAC under the secret; none without a secret."""
    sending.post(f"{hook.url}/in?x=1", b'{"a":1}', b"s3cret")
    sending.post(hook.url, b"{}")
    (path, headers, body), (_, plain, _) = hook.taken
    assert (path, json.loads(body), headers["content-type"]) == ("/in?x=1", {"a": 1}, "application/json")
    signed = "sha256=" + hmac.digest(b"s3cret", body, "sha256").hex()
    assert headers[sending.SIGNATURE.lower()] == signed
    assert sending.SIGNATURE.lower() not in plain


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
def test_anything_but_2xx_is_a_failure(hook: Hook, status: int) -> None:
    """A redirection isn't followed: it could lead to clear text."""
    hook.answers = [status]
    with pytest.raises(Unavailable):
        sending.post(hook.url, b"{}")
    assert len(hook.taken) == 1


def test_nobody_there_is_a_failure(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port, one that doesn't speak HTTP in time, and a certificate nobody vouches for."""
    monkeypatch.setattr(sending, "TIMEOUT", 0.2)
    url = hook.url
    with pytest.raises(Unavailable):
        sending.post(url.replace("http", "https"), b"{}")
    hook.stop()
    with pytest.raises(Unavailable):
        sending.post(url, b"{}")

    held = threading.Event()

    class Mute(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            held.wait(2)

    mute = ThreadingHTTPServer(("127.0.0.1", 0), Mute)
    threading.Thread(target=mute.serve_forever, args=(0.01,), daemon=True).start()
    with pytest.raises(Unavailable):
        sending.post(f"http://127.0.0.1:{mute.server_port}", b"{}")
    held.set()
    mute.shutdown()
    mute.server_close()


def test_a_secret_is_a_files_first_line(tmp_path: Path) -> None:
    """Without the line's end; an empty or missing file is said."""
    path = tmp_path / "secret"
    path.write_text("abc\nmore\n")
    assert sending.secret_of(path) == b"abc"
    path.write_text("\n")
    with pytest.raises(Unavailable):
        sending.secret_of(path)
    with pytest.raises(Unavailable):
        sending.secret_of(tmp_path / "none")
