"""A real web hook on this machine, for tests of what is sent."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Taken = tuple[str, dict[str, str], bytes]
"""Path, headers in lower case, body."""


class Hook:
    """Takes what is POSTed and answers as told; 204 once `answers` are used up."""

    def __init__(self) -> None:
        hook = self
        self.taken: list[Taken] = []
        self.answers: list[int] = []
        self.came = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with hook.came:
                    hook.taken.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                    hook.came.notify_all()
                status = hook.answers.pop(0) if hook.answers else 204
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def wait(self, count: int, seconds: float = 5) -> bool:
        """Wait until so many were taken."""
        with self.came:
            return self.came.wait_for(lambda: len(self.taken) >= count, seconds)

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, if that wasn't done."""
        if self._server.socket.fileno() != -1:
            self.stop()
