"""A SCIM server in front of a real one: it hands requests on, and has the quirks that a test gives it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request as it came; the path is that behind the base URL, with its query."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]

    @property
    def operations(self) -> list[Any]:
        """The operations of a PATCH."""
        return list(self.body["Operations"]) if self.method == "PATCH" else []


@dataclass(frozen=True)
class Said:
    """An answer of its own; with `reset` the connection ends in place of it."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error."""


class QuirkyTarget:
    """Hands requests to the SCIM endpoint `behind`."""

    def __init__(self, behind: str, token: str) -> None:
        self.behind = behind
        self.token = token
        self.asked: list[Asked] = []
        #: Answers in place of the server behind; None hands the request on.
        self.before: Callable[[Asked], Said | None] = lambda asked: None
        #: Changes what the server behind answered, which it has carried out.
        self.after: Callable[[Asked, Said], Said] = lambda asked, said: said
        #: Whether the server behind learns whose target it is: it is of the same installation in tests.
        self.hands_mark_on = False
        self._lock = threading.Lock()
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

            def _answer(self) -> None:
                target.answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  # the library's names

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/scim"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        path = handler.path.removeprefix("/scim")
        asked = Asked(handler.command, path, json.loads(content) if content else None, headers)
        with self._lock:
            self.asked.append(asked)
        said = self.before(asked) or self.after(asked, self._hand_on(asked, content))
        if said.reset:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            return
        body = b"" if said.body is None else json.dumps(said.body).encode()
        handler.send_response(said.status)
        for name, value in said.headers.items():
            handler.send_header(name, value)
        if "Content-Type" not in said.headers:
            handler.send_header("Content-Type", "application/scim+json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def requests(self, method: str) -> list[str]:
        """The paths of the requests of a method, without their queries."""
        return [asked.path.partition("?")[0] for asked in self.asked if asked.method == method]

    def _hand_on(self, asked: Asked, content: bytes) -> Said:
        headers = {"Authorization": asked.headers.get("authorization", ""), "Content-Type": "application/scim+json"}
        if self.hands_mark_on:
            headers["Scimlite-Target"] = asked.headers.get("scimlite-target", "")
        data = content or None
        request = urllib.request.Request(self.behind + asked.path, data, headers, method=asked.method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
        except OSError:
            # The server behind is not there.
            return Said(reset=True)
        return Said(status, json.loads(body) if body else None)

    @contextmanager
    def serving(self) -> Iterator[QuirkyTarget]:
        """It answers within this."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)
