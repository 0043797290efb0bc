"""A TCP port that leads to another one, until a test cuts it, holds it or slows it down."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


class Forwarder:
    """Forwards 127.0.0.1:port to a server.

    Cut off, connections break and new ones are refused. Held, bytes are taken and kept, and delivered when they flow
    again.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0
        #: Seconds before bytes are passed on, in each direction.
        self.delay = 0.0
        #: Set as long as what comes is forwarded.
        self._flowing = threading.Event()
        self._flowing.set()
        #: Bytes from a client that hold everything; None for none.
        self._hold_at: bytes | None = None
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
        self.hold()
        try:
            yield
        finally:
            self.flow()

    def hold(self) -> None:
        """Keep all bytes from now on."""
        self._flowing.clear()

    def hold_at(self, text: bytes) -> None:
        """Keep all bytes from the moment on that a client sends this text, the text included."""
        self._hold_at = text

    @property
    def holds(self) -> bool:
        """True while bytes are kept."""
        return not self._flowing.is_set()

    def flow(self) -> None:
        """Deliver what was kept, and all that comes."""
        self._hold_at = None
        self._flowing.set()

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
                threading.Thread(target=self._pump, args=(one, other, one is near), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        try:
            while data := source.recv(65536):
                if from_client and self._hold_at is not None and self._hold_at in data:
                    self.hold()
                self._flowing.wait()
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        except OSError:
            pass
        # A client that has gone is noticed at once; what it sent before was delivered.
        self._flowing.wait()
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
