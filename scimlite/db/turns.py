"""The order in which processes write to a SQLite file: a queue that is a lock on the file's folder.

SQLite's own way is to sleep and try again, up to a tenth of a second, while the database may long be free. The lock on
the folder only orders the processes; what keeps writers apart is still SQLite's own lock. `flock` has no timeout, so
when another process holds the lock, an extra thread waits for it (`_Waiter`), and the thread that wants to write waits
for that thread with a timeout. A waiter outlives the timeout and keeps the process's place in the queue: the next
write continues with it. When the lock comes and no write wants it any more, the waiter gives it back at once.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from ..errors import Unavailable


def in_child(method: Callable[[], None]) -> None:
    """Registers a method to run in each process that this one forks, as long as the method's object exists."""
    reference = weakref.WeakMethod(method)

    def run() -> None:
        method = reference()
        if method is not None:
            method()

    os.register_at_fork(after_in_child=run)


class Turns:
    """The turns of this process among all processes that write to the files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The folder's descriptor, -1 before the first turn.
        self.descriptor = -1
        #: Closes the descriptor.
        self._close: Callable[[], object] | None = None
        #: The thread that waits for the lock, or has waited for it in vain.
        self._waiter: _Waiter | None = None
        in_child(self._reset)

    def _reset(self) -> None:
        """Begins anew in a forked process: its descriptor shares the parent's lock, and its waiter has no thread."""
        if self._close is not None:
            self._close()
        self.descriptor, self._close, self._waiter = -1, None, None

    def turn(self, timeout: float) -> Turn:
        """Returns a context in which no other process writes; only one thread of a process may enter it at a time.

        To enter it raises Unavailable when other processes write for longer than `timeout` seconds.
        """
        return Turn(self, timeout)

    def leave(self) -> None:
        """Ends a turn. In a process that was forked inside it there is no lock to release."""
        if self.descriptor >= 0:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def enter(self, timeout: float) -> bool:
        """Waits for the lock; returns False where the folder cannot be locked, so that there are no turns."""
        try:
            if self.descriptor < 0:
                self._open()
            if self._waiter is None or not self._waiter.resume():
                self._waiter = None
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        except BlockingIOError:
            self._waiter = _Waiter(self)
        except OSError:
            return False
        waiter = self._waiter
        if not waiter.wait(timeout):
            raise Unavailable("The database is busy; try again in a moment.", reason="its writers do not end")
        self._waiter = None
        return waiter.locked

    def _open(self) -> None:
        self.descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self.descriptor)


class Turn:
    """The context of one turn: a class, because every write enters one, and a generator costs four calls more."""

    __slots__ = ("_locked", "_timeout", "_turns")

    def __init__(self, turns: Turns, timeout: float) -> None:
        self._turns = turns
        self._timeout = timeout
        self._locked = False

    def __enter__(self) -> None:
        self._locked = self._turns.enter(self._timeout)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._locked:
            self._turns.leave()


class _Waiter:
    """A thread that waits for the lock on the folder, and the hand-over of the lock to the thread that writes."""

    def __init__(self, turns: Turns) -> None:
        #: Referenced, because the folder's descriptor must stay open while the thread waits.
        self._turns = turns
        #: Guards `_wanted`, `_given_back` and `locked`.
        self._guard = threading.Lock()
        #: True while a write wants the lock.
        self._wanted = True
        #: True when the lock came and no write wanted it: this waiter has ended.
        self._given_back = False
        #: True when the lock is held; False before, and in a folder that turns out to have no locks.
        self.locked = False
        #: Released when the wait for the lock has ended and a write wants it.
        self._arrival = threading.Lock()
        self._arrival.acquire()
        try:
            # Not a `threading.Thread`: that costs twice as much, and the process would wait for it at its end.
            _thread.start_new_thread(self._run, ())
        except RuntimeError:
            raise Unavailable(
                "The server has too much to do; try again in a moment.", reason="no thread can be started"
            ) from None

    def _run(self) -> None:
        try:
            fcntl.flock(self._turns.descriptor, fcntl.LOCK_EX)
            locked = True
        except OSError:
            locked = False
        with self._guard:
            self.locked = locked
            if self._wanted:
                self._arrival.release()
            else:
                self._give_back()

    def wait(self, timeout: float) -> bool:
        """Returns True when the lock came within `timeout` seconds. If not, the waiter keeps its place in the queue."""
        try:
            if self._arrival.acquire(timeout=timeout):
                return True
        except BaseException:
            # Raised by a signal handler: no write wants the lock any more.
            with self._guard:
                self._wanted = False
                if self._arrival.acquire(blocking=False):
                    self._give_back()
            raise
        with self._guard:
            # The lock may have come just now.
            self._wanted = self._arrival.acquire(blocking=False)
        return self._wanted

    def resume(self) -> bool:
        """Want the lock again; return False when the waiter has given it back, so that a new one is needed."""
        with self._guard:
            self._wanted = not self._given_back
        return self._wanted

    def _give_back(self) -> None:
        """Releases the lock unused. The caller holds the guard."""
        self._given_back = True
        if self.locked:
            fcntl.flock(self._turns.descriptor, fcntl.LOCK_UN)
