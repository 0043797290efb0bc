"""The order in which processes write to a SQLite file."""

from __future__ import annotations

import _thread
import fcntl
import os
import threading
import weakref
from collections.abc import Callable, Iterator
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
        #: The folder's descriptor once there is one, and what closes it.
        self.file = -1
        self._close: Callable[[], object] | None = None
        #: Where the process stands in the queue, also after a thread gave up waiting there.
        self._place: _Place | None = None
        in_child(self._begin_anew)

    @contextmanager
    def turn(self, timeout: float) -> Iterator[None]:
        """Wait for the others, and let them go on afterwards; for one thread of a process at a time.

        Raises Unavailable when they keep it waiting for longer than `timeout` seconds.
        """
        queued = self._queue(timeout)
        try:
            yield
        finally:
            # A process that was forked in the middle has no turn to give back.
            if queued and self.file >= 0:
                fcntl.flock(self.file, fcntl.LOCK_UN)

    def _queue(self, timeout: float) -> bool:
        """Whether it has become this process's turn; where a folder cannot be locked there are no turns."""
        try:
            if self.file < 0:
                self._open()
            if self._place is None or not self._place.taken_again():
                self._place = None
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        except BlockingIOError:
            self._place = _Place(self)
        except OSError:
            return False
        place = self._place
        if not place.reached(timeout):
            raise Unavailable("The database is busy; try again in a moment.")
        self._place = None
        return place.locked

    def _open(self) -> None:
        self.file = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self.file)

    def _begin_anew(self) -> None:
        """In a process that was forked: the lock is the parent's as well, and the thread in its place is not there."""
        if self._close is not None:
            self._close()
        self.file, self._close, self._place = -1, None, None


def in_child(method: Callable[[], None]) -> None:
    """Have a method called in each process that this one forks, as long as its object is there."""
    reference = weakref.WeakMethod(method)

    def begin() -> None:
        found = reference()
        if found is not None:
            found()

    os.register_at_fork(after_in_child=begin)


class _Place:
    """A place in the queue, in which a thread of its own stands: to wait for a lock of a file knows no timeout."""

    def __init__(self, turns: Turns) -> None:
        #: Held, because its file has to stay open as long as somebody stands here.
        self._turns = turns
        self._lock = threading.Lock()
        self._wanted = True
        self._left = False
        #: Whether the lock is held; not where a folder turns out to know none.
        self.locked = False
        #: Released when it is the process's turn.
        self._come = threading.Lock()
        self._come.acquire()
        try:
            # A `threading.Thread` would be twice as dear, and waited for when the process ends.
            _thread.start_new_thread(self._stand, ())
        except RuntimeError:
            raise Unavailable("The server has too much to do; try again in a moment.") from None

    def reached(self, timeout: float) -> bool:
        """Whether the turn came within `timeout` seconds; if not, the place is kept, and left when the turn comes."""
        try:
            if self._come.acquire(timeout=timeout):
                return True
        except BaseException:
            # A signal's: nobody waits here any more.
            with self._lock:
                self._wanted = False
                if self._come.acquire(blocking=False):
                    self._leave()
            raise
        with self._lock:
            # It may have come just now.
            self._wanted = self._come.acquire(blocking=False)
        return self._wanted

    def taken_again(self) -> bool:
        """Whether it is still in the queue; then whoever asked waits there, before those who came later."""
        with self._lock:
            self._wanted = not self._left
        return self._wanted

    def _leave(self) -> None:
        self._left = True
        if self.locked:
            fcntl.flock(self._turns.file, fcntl.LOCK_UN)

    def _stand(self) -> None:
        try:
            fcntl.flock(self._turns.file, fcntl.LOCK_EX)
            locked = True
        except OSError:
            locked = False
        with self._lock:
            self.locked = locked
            if self._wanted:
                self._come.release()
            else:
                self._leave()
