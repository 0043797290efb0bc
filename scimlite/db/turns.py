"""The order in which processes write to a SQLite file."""

from __future__ import annotations

import _thread
import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Unavailable


class Turns:
    """Processes that write take turns, in the order in which they came.

    SQLite's own way is to sleep and try again, up to a tenth of a second, while the database may long be free. A lock
    on the folder is no more than a place in the queue: what keeps writers apart is still SQLite's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The folder's descriptor, in this process.
        self.file = -1
        self._pid = 0
        #: Where the process stands in the queue, also after a thread gave up waiting there.
        self._place: _Place | None = None

    @contextmanager
    def turn(self, timeout: float) -> Iterator[None]:
        """Wait for the others, and let them go on afterwards; for one thread of a process at a time.

        Raises Unavailable when they keep it waiting for longer than `timeout` seconds.
        """
        queued = self._queue(timeout)
        try:
            yield
        finally:
            if queued:
                fcntl.flock(self.file, fcntl.LOCK_UN)

    def _queue(self, timeout: float) -> bool:
        """Whether it has become this process's turn; where a folder cannot be locked there are no turns."""
        try:
            if self._pid != os.getpid():
                self._open()
            if self._place is None or not self._place.taken_again():
                self._place = None
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        except BlockingIOError:
            self._place = _Place(self)
        except OSError:
            return False
        if not self._place.reached(timeout):
            raise Unavailable("The database is busy; try again in a moment.")
        self._place = None
        return True

    def _open(self) -> None:
        # A lock that came through a fork would be the parent's as well, and the thread in its place is not there.
        self.file, self._pid, self._place = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC), os.getpid(), None
        weakref.finalize(self, os.close, self.file)


class _Place:
    """A place in the queue, in which a thread of its own stands: to wait for a lock of a file knows no timeout."""

    def __init__(self, turns: Turns) -> None:
        #: Held, because its file has to stay open as long as somebody stands here.
        self._turns = turns
        self._lock = threading.Lock()
        self._wanted = True
        self._left = False
        #: Released when it is the process's turn.
        self._come = threading.Lock()
        self._come.acquire()
        # A `threading.Thread` would be twice as dear, and waited for when the process ends.
        _thread.start_new_thread(self._stand, ())

    def reached(self, timeout: float) -> bool:
        """Whether the turn came within `timeout` seconds; if not, the place is kept, and left when the turn comes."""
        if self._come.acquire(timeout=timeout):
            return True
        with self._lock:
            # It may have come just now.
            self._wanted = self._come.acquire(blocking=False)
        return self._wanted

    def taken_again(self) -> bool:
        """Whether it is still in the queue; then whoever asked waits there, before those who came later."""
        with self._lock:
            self._wanted = not self._left
        return self._wanted

    def _stand(self) -> None:
        file = self._turns.file
        fcntl.flock(file, fcntl.LOCK_EX)
        with self._lock:
            if self._wanted:
                self._come.release()
            else:
                self._left = True
                fcntl.flock(file, fcntl.LOCK_UN)
