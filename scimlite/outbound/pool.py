"""Keeps connections that can be used again."""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import monotonic

from .connection import Connection
from .target import Place

#: Connections that nothing uses, at most: of all hosts, and for so many seconds.
_MOST = 128
_IDLE = 30.0
#: Seconds after which a busy connection is opened anew, so that a name that moved is resolved and judged again.
_LONGEST = 300.0


class Pool:
    """Connections that nothing uses, the oldest first; those past their time are closed whenever one comes back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: deque[tuple[Place, Connection]] = deque()
        self._closed = False

    def take(self, place: Place) -> Connection | None:
        """The connection to a place that was used last and is usable, or None."""
        while (connection := self._newest(place)) is not None:
            if monotonic() - connection.idle < _IDLE and connection.usable():
                return connection
            connection.close()
        return None

    def keep(self, place: Place, connection: Connection) -> None:
        """Takes a connection back, or closes it."""
        connection.idle = now = monotonic()
        surplus = []
        with self._lock:
            if self._closed or now - connection.opened > _LONGEST:
                surplus.append(connection)
            else:
                self._idle.append((place, connection))
            while self._idle and (len(self._idle) > _MOST or now - self._idle[0][1].idle > _IDLE):
                surplus.append(self._idle.popleft()[1])
        for old in surplus:
            old.close()

    def close(self) -> None:
        """Closes all, and those that come back later."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, deque()
        for _, connection in idle:
            connection.close()

    def _newest(self, place: Place) -> Connection | None:
        with self._lock:
            for number in range(len(self._idle) - 1, -1, -1):
                if self._idle[number][0] == place:
                    connection = self._idle[number][1]
                    del self._idle[number]
                    return connection
        return None
