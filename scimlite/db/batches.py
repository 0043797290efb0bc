"""One transaction for the writes of several threads of a process that arrive at the same time.

A thread that writes while there is no leader becomes the leader. It waits for the turn of its process (see turns.py),
takes all waiting jobs, its own among them, and carries them out in one transaction on its own connection. The other
threads are blocked until their jobs have ended. The thread of the first job that arrived meanwhile is the next leader.
The jobs share the COMMIT and the pages that each of them would write alone.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .. import deadline
from ..errors import Unavailable
from .turns import in_child
from .waiters import GRACE, refusal, subject


class Interrupted(Unavailable):
    """The leader of a job was interrupted."""

    def __init__(self) -> None:
        super().__init__("The server was stopped in the middle; try again in a moment.")


class Job:
    """The write of one thread: the work, and its result or error once it has ended."""

    __slots__ = (
        "app",
        "begun",
        "committed",
        "context",
        "end",
        "ended",
        "error",
        "leads",
        "result",
        "statements",
        "wakeup",
        "work",
    )

    def __init__(self, work: Callable[[], Any], statements: list[str] | None = None) -> None:
        self.work = work
        about = subject.get()
        #: The key of the app that it is about; None for what is never kept from waiting.
        self.app = about[0] if about else None
        #: True when the database let the work begin.
        self.begun = False
        #: The context variables of the thread that asked, in which a leader runs the work.
        self.context = contextvars.copy_context()
        #: Records the texts of the statements of `work`, for `Database.counting`.
        self.statements = statements
        #: Until when the job waits for a leader that begins with it, by `time.monotonic`.
        self.end = 0.0
        self.result: Any = None
        #: None once the write is durable. This class of error remains when the leader is interrupted.
        self.error: Exception | type[Exception] | None = Interrupted
        #: Callbacks that the job's thread runs once the write is durable.
        self.committed: list[Callable[[], None]] = []
        self.ended = False
        #: True when the job's thread is the leader.
        self.leads = False
        #: Released to wake the job's thread: the job has ended, or the thread is to lead. Set when it is to sleep.
        self.wakeup: threading.Lock


class Batches:
    """The queue of the threads of one process that want to write.

    The leader calls `turn` with the seconds it may wait for other processes, then `carry_out` with all waiting jobs;
    `carry_out` sets the result or the error of each, and its callbacks. When no work could begin for a while, because
    something else holds the database, at most `most` jobs of one app wait, and one more of all apps; the rest is
    refused.
    """

    def __init__(
        self,
        turn: Callable[[float], AbstractContextManager[None]],
        carry_out: Callable[[Sequence[Job]], None],
        timeout: float,
        most: int,
    ) -> None:
        self._turn = turn
        self._carry_out = carry_out
        #: Seconds that a job waits until a leader begins with it, when its deadline is not before that.
        self._timeout = timeout
        self._most = most
        self._reset()
        in_child(self._reset)

    def _reset(self) -> None:
        """Begins with an empty queue; a forked process does so again, because it has none of the waiting threads."""
        #: Guards the attributes below, and `leads` of the jobs.
        self._lock = threading.Lock()
        self._waiting: list[Job] = []
        #: The jobs that a leader has taken.
        self._taken: list[Job] = []
        #: True while a thread leads.
        self._led = False
        #: When the present leader began, by `time.monotonic`.
        self._led_since = 0.0

    def run(self, job: Job) -> None:
        """Returns when the job has ended, carried out by this thread or by another leader.

        Raises Unavailable when no leader began with the job within the timeout or before the deadline, or when too many
        wait already.
        """
        now = time.monotonic()
        job.end = now + deadline.at_most(self._timeout)
        with self._lock:
            if self._led:
                # Before a leader can see the job.
                job.wakeup = threading.Lock()
                job.wakeup.acquire()
            self._waiting.append(job)
            if not self._led:
                job.leads = self._led = True
                self._led_since = now
            elif self._is_one_too_many(job):
                self._waiting.remove(job)
                raise refusal()
        if not job.leads:
            self._sleep(job)
        if not job.ended:
            self._lead(job)

    def _sleep(self, job: Job) -> None:
        """Waits until the job has ended or its thread is to lead; after the timeout, withdraws it."""
        try:
            if job.wakeup.acquire(timeout=max(0.0, min(GRACE, job.end - time.monotonic()))):
                return
            with self._lock:
                if job in self._waiting and not job.leads and self._is_one_too_many(job):
                    self._waiting.remove(job)
                    raise refusal()
            if job.wakeup.acquire(timeout=max(0.0, job.end - time.monotonic())):
                return
        except BaseException:
            # Raised by a signal handler: this thread neither waits for the job any longer nor leads.
            with self._lock:
                if job in self._waiting:
                    self._waiting.remove(job)
                    if job.leads:
                        self._appoint_leader()
            raise
        with self._lock:
            # A leader may have taken the job just now, or this thread may just have become the leader.
            begun = job not in self._waiting or job.leads
            if not begun:
                self._waiting.remove(job)
        if not begun:
            raise Unavailable("The database is busy; try again in a moment.", reason="its writers do not end")
        job.wakeup.acquire()

    def _lead(self, own: Job) -> None:
        """Carries out all waiting jobs, then wakes the next leader and the threads of the jobs."""
        jobs: list[Job] = []
        try:
            with self._turn(max(0.0, own.end - time.monotonic())):
                with self._lock:
                    jobs, self._waiting = self._waiting, []
                    self._taken = jobs
                self._carry_out(jobs)
        finally:
            with self._lock:
                # The leader's own job still waits when the turn never came, or a signal handler raised meanwhile.
                if own in self._waiting:
                    self._waiting.remove(own)
                self._taken = []
                # The next leader wakes first, because it has yet to work.
                self._appoint_leader()
            for job in jobs:
                job.ended = True
                if job is not own:
                    job.wakeup.release()

    def _appoint_leader(self) -> None:
        """Makes the thread of the first waiting job the leader, if there is one. The caller holds the lock."""
        self._led = bool(self._waiting)
        if self._waiting:
            self._waiting[0].leads = True
            self._led_since = time.monotonic()
            self._waiting[0].wakeup.release()

    def _is_one_too_many(self, job: Job) -> bool:
        """True when a waiting job waits behind enough others, and no work has begun. The caller holds the lock."""
        if not self._led or job.app is None or time.monotonic() - self._led_since < GRACE:
            return False
        if any(taken.begun for taken in self._taken):
            return False
        before = self._taken + self._waiting[: self._waiting.index(job)]
        return len(before) > self._most or sum(other.app == job.app for other in before) >= self._most
