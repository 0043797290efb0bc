"""Keeps connections that can be used again."""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import monotonic

from .connection import Connection
from .target import Place

#: The most connections that are kept without use, of all hosts.
_MOST = 128


class Pool:
    """Connections that nothing uses, the oldest first; those past their time are closed at the next request."""

    def __init__(self, *, idle: float = 30.0, longest: float = 300.0) -> None:
        """In: the seconds for which a connection is kept without use, and for which a busy one is used.

        A busy one ends so that a name that moved is resolved, and its addresses judged, again.
        """
        self._seconds = idle
        self._longest = longest
        self._lock = Lock()
        self._idle: deque[tuple[Place, Connection]] = deque()
        self._closed = False

    def take(self, place: Place) -> Connection | None:
        """The connection to a place that was used last and is usable, or None."""
        while (connection := self._newest(place)) is not None:
            if monotonic() - connection.idle < self._seconds and connection.usable():
                return connection
            connection.close()
        return None

    def keep(self, place: Place, connection: Connection) -> None:
        """Takes a connection back, or closes it."""
        connection.idle = now = monotonic()
        surplus = []
        with self._lock:
            if self._closed or now - connection.opened > self._longest:
                surplus.append(connection)
            else:
                self._idle.append((place, connection))
            while self._idle and (len(self._idle) > _MOST or now - self._idle[0][1].idle > self._seconds):
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
