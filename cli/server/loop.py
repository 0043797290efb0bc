"""The loop of a worker process: it reads requests and sends what clients do not take at once, without a thread."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from scimlite.config import Settings
from scimlite.errors import ScimError

from . import refusal
from .arrival import Arrival
from .connection import FREE, Connection, Stage

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

#: Bytes that are read at once.
_READ_SIZE = 256 * 1024
#: Bytes of a body or an answer that prolong its deadline by a second.
_SLOWEST = 16 * 1024
#: Seconds for which a client may go on sending when this side has ended the connection; a connection that is closed
#: with something unread is reset, and the client may lose the answer.
_LINGER = 2.0
#: The same after a silence, in which a request can only cross the end.
_SHORT_LINGER = 0.5
#: What a process holds of requests and answers beyond what each connection may, in bodies of the largest size.
_LARGEST_BODIES = 4


class Loop:
    """The connections of a process.

    In: the settings; `keepalive`, the seconds for which a connection may be silent; `submit`, which gives a connection
    with a whole request to a thread or returns the error to refuse it with. A thread ends with `finish`.
    """

    def __init__(self, settings: Settings, keepalive: float, submit: Callable[[Connection], ScimError | None]) -> None:
        self.connections: set[Connection] = set()
        self._settings = settings
        self._keepalive = keepalive
        self._submit = submit
        self._selector = selectors.DefaultSelector()
        #: Connections that threads hand back, and the pipe that wakes the loop for them.
        self._handed_back: deque[Connection] = deque()
        listens, self.bell = os.pipe()
        for end in (listens, self.bell):
            os.set_blocking(end, False)
        self.watch(listens, partial(self._woken, listens))
        self._most_held = _LARGEST_BODIES * settings.max_body
        self._held = 0

    def watch(self, file: Any, ready: Callable[[], None]) -> None:
        """Calls a function whenever there is something to read."""
        self._selector.register(file, _READ, ready)

    def unwatch(self, file: Any) -> None:
        """Ends what `watch` began."""
        self._selector.unregister(file)

    def turn(self, until: float) -> None:
        """Waits for something to happen, at most until a moment of `time.monotonic`, and does it."""
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            key.data()

    def add(self, sock: socket.socket, client: Any) -> None:
        """Takes a new connection."""
        connection = Connection(sock, client, Arrival(self._settings.max_body))
        connection.stand(Stage.SILENT, self._keepalive)
        self.connections.add(connection)
        self._selector.register(connection, _READ, partial(self._ready, connection))

    def finish(self, connection: Connection) -> None:
        """Sends the answer in `out`, and hands the connection back; called by the thread that has answered."""
        data = b"".join(connection.out)
        connection.out.clear()
        connection.arrival = connection.arrival.following()
        connection.sent = 0
        with connection.lock:
            try:
                connection.unsent = connection.send(data)
            except OSError:
                connection.keep, connection.unsent = False, b""
            if connection.is_usual:
                # The loop has never stopped looking at the socket.
                connection.stand(Stage.SILENT, self._keepalive)
                return
        self._handed_back.append(connection)
        # A full pipe wakes the loop just as well.
        with suppress(BlockingIOError):
            os.write(self.bell, b".")

    def refuse(self, connection: Connection, error: ScimError) -> None:
        """Answers with an error without a thread, and ends the connection."""
        connection.unsent = refusal.answer(error, connection, self._settings.trusted_proxies)
        connection.sent, connection.keep = 0, False
        connection.arrival = Arrival(self._settings.max_body)
        try:
            connection.unsent = connection.send(connection.unsent)
        except OSError:
            connection.unsent = b""
        self._go_on(connection)

    def make_room(self) -> None:
        """Closes the connection that has waited longest for its client, where there is one."""
        idle = [each for each in self.connections if each.stage not in (Stage.BUSY, Stage.ANSWER)]
        if idle:
            self._close(min(idle, key=lambda each: each.began))

    def shorten_silence(self, until: float) -> None:
        """Lets silent connections be silent until a moment of `time.monotonic` at most."""
        for connection in self.connections:
            if connection.stage is Stage.SILENT:
                connection.deadline = min(connection.deadline, until)

    def expire(self, now: float) -> None:
        """Ends the connections whose clients have let a deadline pass."""
        for connection in list(self.connections):
            if connection.deadline > now or connection.stage is Stage.BUSY:
                continue
            if connection.stage in (Stage.HEAD, Stage.BODY):
                self.refuse(connection, refusal.too_slow(connection.stage))
            elif connection.stage is Stage.SILENT:
                # What has come in this moment is answered.
                self._ready(connection)
                if connection in self.connections and connection.deadline <= now:
                    self._begin_end(connection, _SHORT_LINGER)
            else:
                self._close(connection)

    # --- a request arrives ----------------------------------------------------------------------------------------

    def _ready(self, connection: Connection) -> None:
        """The client of a connection has sent something, has ended it, or takes more of the answer."""
        if connection not in self.connections:
            # Closed by what happened in the same turn.
            return
        with connection.lock:
            if connection.stage is Stage.BUSY:
                # Looked at again when the thread is done with it.
                connection.parked = True
                self._selector.unregister(connection)
                return
        if connection.stage is Stage.ANSWER:
            self._send(connection)
            return
        try:
            data = connection.sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
        elif connection.stage is not Stage.ENDING:
            self._take(connection, data)

    def _take(self, connection: Connection, data: bytes) -> None:
        """Adds what came to the request, and gives the request to a thread once it is whole."""
        arrival = connection.arrival
        if arrival.feed(data):
            connection.began = time.monotonic()
            connection.stage = Stage.BUSY
            if len(arrival.data) > FREE:
                self._weigh(connection)
            error = self._submit(connection)
            if error is not None:
                self.refuse(connection, error)
            return
        if connection.stage is Stage.SILENT:
            connection.stand(Stage.HEAD, self._settings.header_timeout)
        if arrival.body_at and connection.stage is Stage.HEAD:
            connection.stand(Stage.BODY, self._settings.body_timeout)
            if arrival.expects:
                with suppress(OSError):
                    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif connection.stage is Stage.BODY:
            received = len(arrival.data) - arrival.body_at
            connection.deadline = connection.began + self._settings.body_timeout + received / _SLOWEST
        if len(arrival.data) > FREE:
            self._weigh(connection)

    # --- an answer goes -------------------------------------------------------------------------------------------

    def _woken(self, listens: int) -> None:
        with suppress(BlockingIOError):
            while len(os.read(listens, 4096)) == 4096:
                pass
        while self._handed_back:
            self._go_on(self._handed_back.popleft())

    def _go_on(self, connection: Connection) -> None:
        """Sends the rest of an answer, ends the connection, or waits for the next request, in this order."""
        self._weigh(connection)
        if connection not in self.connections:
            return
        if connection.unsent:
            connection.stand(Stage.ANSWER, self._settings.body_timeout)
            self._look(connection, _WRITE)
        elif not connection.keep:
            self._begin_end(connection)
        else:
            connection.stand(Stage.SILENT, self._keepalive)
            self._look(connection, _READ)
            if connection.arrival.data:
                self._take(connection, b"")

    def _send(self, connection: Connection) -> None:
        """Sends more of an answer to a client that takes it slowly."""
        try:
            connection.unsent = connection.send(connection.unsent)
        except OSError:
            self._close(connection)
            return
        connection.deadline = connection.began + self._settings.body_timeout + connection.sent / _SLOWEST
        if connection.unsent:
            self._weigh(connection)
        else:
            self._go_on(connection)

    def _look(self, connection: Connection, events: int) -> None:
        """Looks at the socket of a connection for these events."""
        ready = partial(self._ready, connection)
        if connection.parked:
            connection.parked = False
            self._selector.register(connection, events, ready)
        else:
            self._selector.modify(connection, events, ready)

    # --- the end of a connection ----------------------------------------------------------------------------------

    def _begin_end(self, connection: Connection, linger: float = _LINGER) -> None:
        """Ends this side of a connection, and waits for the client's end for a while."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.stand(Stage.ENDING, linger)
        self._look(connection, _READ)

    def _close(self, connection: Connection) -> None:
        if not connection.parked:
            self._selector.unregister(connection)
        self.connections.discard(connection)
        connection.close()
        self._held -= connection.held
        connection.held = 0

    def _weigh(self, connection: Connection) -> None:
        """Counts the memory that a connection holds; when there is too much in all, gives up the slowest client."""
        if connection not in self.connections:
            return
        size = connection.size
        self._held += size - connection.held
        connection.held = size
        if self._held <= self._most_held or not size:
            return
        now = time.monotonic()
        slow = [each for each in self.connections if each.held and each.stage in (Stage.BODY, Stage.ANSWER)]
        if slow:
            slowest = min(slow, key=lambda each: (len(each.arrival.data) + each.sent) / (now - each.began + 0.001))
            if slowest.stage is Stage.BODY:
                self.refuse(slowest, refusal.too_busy())
            else:
                self._close(slowest)
