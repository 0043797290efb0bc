"""A TCP port that leads to another one, until a test cuts it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


class Forwarder:
    """Forwards 127.0.0.1:port to a server; cut off, connections break and new ones are refused."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        #: Set as long as what comes is forwarded.
        self._flows = threading.Event()
        self._flows.set()
        self.port = 0
        self.mend()

    @classmethod
    @contextmanager
    def to(cls, url: str) -> Iterator[Forwarder]:
        """A forwarder to the server of a URL, cut at the end."""
        parts = urlsplit(url)
        made = cls(parts.hostname or "127.0.0.1", parts.port or 5432)
        try:
            yield made
        finally:
            made.cut()

    def url(self, url: str) -> str:
        """The same URL by way of this forwarder."""
        parts = urlsplit(url)
        login = f"{parts.netloc.rsplit('@', 1)[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{self.port}"))

    def mend(self) -> None:
        """Accept connections, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(50)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        if self._listener is not None:
            # shutdown wakes the thread that waits in accept; close alone would leave the port open until then.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing comes through, as from a server whose processes are stopped; connections stay, and new ones open."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(one, other, self._flows), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
    try:
        while data := source.recv(65536):
            flows.wait()
            sink.sendall(data)
    except OSError:
        pass
    # One side has ended, so the other learns of it.
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
