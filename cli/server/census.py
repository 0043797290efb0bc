"""How many connections each worker process has: counts in memory that all processes share."""

from __future__ import annotations

import mmap
import time

#: More than there are workers, because old and new ones overlap when they are replaced.
_PLACES = 256
_FREE = -1
#: That the service ends, and that its listening socket does too.
_ENDING, _CLOSING = 1, 2
#: Seconds after which a worker that says nothing does not count: it is frozen, or was killed.
_SILENT_AFTER = 3


class Census:
    """The counts; made before the workers are forked. Each worker writes to its own place, and all read."""

    def __init__(self) -> None:
        numbers = memoryview(mmap.mmap(-1, 4 * (2 * _PLACES + 1))).cast("i")
        self._connections, self._seen, self._ending = numbers[:_PLACES], numbers[_PLACES:-1], numbers[-1:]
        for place in range(_PLACES):
            self._connections[place] = _FREE

    @property
    def ending(self) -> bool:
        """True when the whole service ends, and not one worker alone."""
        return self._ending[0] != 0

    @property
    def closing(self) -> bool:
        """True when the listening socket ends with the service."""
        return self._ending[0] == _CLOSING

    def announce_end(self, *, closing: bool) -> None:
        """Says that the whole service ends; `closing`, False when others go on with its listening socket."""
        self._ending[0] = _CLOSING if closing else _ENDING

    def enter(self) -> int:
        """Takes a place for a new worker; called by the process that forks them."""
        place = self._connections.tolist().index(_FREE)
        self.write(place, 0)
        return place

    def leave(self, place: int) -> None:
        """Frees the place of a worker that has ended."""
        self._connections[place] = _FREE

    def write(self, place: int, connections: int) -> None:
        """Writes down how many connections a worker has."""
        self._connections[place] = connections
        self._seen[place] = int(time.monotonic())

    def least_of_others(self, place: int) -> int | None:
        """Returns the fewest connections that another worker has; None when there is no other."""
        alive_since = time.monotonic() - _SILENT_AFTER
        return min(
            (
                connections
                for other, connections in enumerate(self._connections.tolist())
                if connections != _FREE and other != place and self._seen[other] >= alive_since
            ),
            default=None,
        )
