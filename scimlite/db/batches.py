"""Writes of several threads of a process in one transaction, whose COMMIT and pages they share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..errors import Unavailable
from .turns import in_child


class Job:
    """A write on its way to its transaction, and how it ended there."""

    __slots__ = ("asked", "committed", "done", "error", "leads", "result", "woken", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        #: On the clock of `time.monotonic`.
        self.asked = time.monotonic()
        self.result: Any = None
        #: None once it is durable; this one stays when the thread that leads is stopped.
        self.error: Exception | None = Unavailable("The server was stopped in the middle; try again in a moment.")
        #: What its thread is to do now that it is durable.
        self.committed: list[Callable[[], None]] = []
        self.done = False
        #: Whether its thread is to carry out those that wait.
        self.leads = False
        #: Released when it is done, or when its thread is to lead.
        self.woken = threading.Lock()
        self.woken.acquire()


class Batches:
    """Lets one thread at a time write; it leads those that came meanwhile, and they wait for it.

    When it is the process's `turn`, for which it waits some seconds, `carry_out` is called by the leader with all of
    them: it sets each one's result or error, and what is left to do.
    """

    def __init__(
        self,
        turn: Callable[[float], AbstractContextManager[None]],
        carry_out: Callable[[Sequence[Job]], None],
        timeout: float,
    ) -> None:
        self._turn = turn
        self._carry_out = carry_out
        #: Seconds that a job waits until somebody begins with it.
        self._timeout = timeout
        self._begin()
        in_child(self._begin)

    def _begin(self) -> None:
        """Also in a process that was forked, which has none of the threads that waited."""
        self._lock = threading.Lock()
        self._waiting: list[Job] = []
        self._led = False

    def run(self, job: Job) -> None:
        """Return when the job is done, by this thread or by another one; Unavailable when nobody began with it."""
        with self._lock:
            self._waiting.append(job)
            job.leads, self._led = not self._led, True
        if not job.leads:
            self._wait(job)
        if not job.done:
            self._lead(job)

    def _wait(self, job: Job) -> None:
        try:
            if job.woken.acquire(timeout=self._timeout):
                return
        except BaseException:
            # A signal's: nobody waits for the job any more, nor leads.
            with self._lock:
                if job in self._waiting:
                    self._waiting.remove(job)
                    if job.leads:
                        self._pass_on()
            raise
        with self._lock:
            # Whoever leads has it already, or this thread was told to lead just now.
            begun = job not in self._waiting or job.leads
            if not begun:
                self._waiting.remove(job)
        if not begun:
            raise Unavailable("The database is busy; try again in a moment.")
        job.woken.acquire()

    def _lead(self, own: Job) -> None:
        jobs: list[Job] = []
        try:
            with self._turn(max(0.0, own.asked + self._timeout - time.monotonic())):
                with self._lock:
                    jobs, self._waiting = self._waiting, []
                self._carry_out(jobs)
        finally:
            with self._lock:
                # Still there when its turn never came, because others kept it or its thread was stopped.
                if own in self._waiting:
                    self._waiting.remove(own)
                # The next leader first: it has yet to work.
                self._pass_on()
            for job in jobs:
                job.done = True
                if job is not own:
                    job.woken.release()

    def _pass_on(self) -> None:
        """Have the first of those that wait lead, if there is one; under the lock."""
        self._led = bool(self._waiting)
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].woken.release()
