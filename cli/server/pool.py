"""The threads of a process that answer requests: an app gets only a share of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Generic, TypeVar

Job = TypeVar("Job")


@dataclass(slots=True)
class Waiting(Generic[Job]):
    """A job that waits for a thread: of which app, and since when, by `time.monotonic`."""

    app: bytes
    job: Job
    since: float = field(default_factory=time.monotonic)


class Pool(Generic[Job]):
    """Threads that call `work` with one job after the other, the apps in turn.

    In: `share`, the most threads that work for one app at once; `queue`, the most jobs of one app that wait.
    """

    def __init__(self, name: str, threads: int, work: Callable[[Job], None], *, share: int, queue: int) -> None:
        self._work = work
        self._share = share
        self._queue = queue
        #: Guards the three attributes below.
        self._lock = threading.Lock()
        self._idle = threads
        #: The number of threads that work for an app, without zeros.
        self._at_work: dict[bytes, int] = {}
        #: The jobs that wait, by app; the app whose turn is next comes first.
        self._waiting: dict[bytes, deque[Waiting[Job]]] = {}
        self._given: SimpleQueue[tuple[bytes, Job]] = SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def submit(self, app: bytes, job: Job) -> bool:
        """Gives a job to a thread, or lets it wait; returns False when too many jobs of this app wait already."""
        with self._lock:
            at_work = self._at_work.get(app, 0)
            if not self._idle or at_work >= self._share:
                waiting = self._waiting.setdefault(app, deque())
                if len(waiting) >= self._queue:
                    return False
                waiting.append(Waiting(app, job))
                return True
            self._idle -= 1
            self._at_work[app] = at_work + 1
        self._given.put((app, job))
        return True

    def overdue(self, before: float) -> list[tuple[Job, bool]]:
        """Takes away the jobs that wait since before a moment of `time.monotonic`.

        Out: each job, and True when its app has its share of the threads, False when all threads are at work.
        """
        taken: list[tuple[Job, bool]] = []
        with self._lock:
            for app, waiting in list(self._waiting.items()):
                has_its_share = self._at_work.get(app, 0) >= self._share
                while waiting and waiting[0].since < before:
                    taken.append((waiting.popleft().job, has_its_share))
                if not waiting:
                    del self._waiting[app]
        return taken

    def _run(self) -> None:
        while True:
            given: tuple[bytes, Job] | None = self._given.get()
            while given is not None:
                app, job = given
                self._work(job)
                # The thread waits next, and a request and its body may be large.
                del job
                given = self._following(app)

    def _following(self, app: bytes) -> tuple[bytes, Job] | None:
        """Returns the next job for a thread that has ended one of this app; None when no job may begin."""
        with self._lock:
            left = self._at_work[app] - 1
            if left:
                self._at_work[app] = left
            else:
                del self._at_work[app]
            for name, waiting in self._waiting.items():
                at_work = self._at_work.get(name, 0)
                if at_work < self._share:
                    job = waiting.popleft().job
                    # The other apps come before it now.
                    del self._waiting[name]
                    if waiting:
                        self._waiting[name] = waiting
                    self._at_work[name] = at_work + 1
                    return name, job
            self._idle += 1
            return None
