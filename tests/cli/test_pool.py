"""The threads of a process: an app gets its share, and no other app waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from scimlite_cli.server.pool import Pool


class Jobs:
    """Jobs that take until they are let go; `begun` lists them in their order."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._gates: dict[str, threading.Event] = {}

    def work(self, job: str) -> None:
        gate = self._gates.setdefault(job, threading.Event())
        self.begun.append(job)
        assert gate.wait(10)

    def let_go(self, *jobs: str) -> None:
        for job in jobs:
            self._gates.setdefault(job, threading.Event()).set()


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_an_app_has_its_share_and_the_others_the_rest() -> None:
    jobs = Jobs()
    pool = Pool("test", 3, jobs.work, share=2, queue=10)
    for job in ("a1", "a2", "a3", "a4"):
        assert pool.submit(b"a", job)
    wait_until(lambda: len(jobs.begun) == 2)
    assert pool.submit(b"b", "b1")
    wait_until(lambda: jobs.begun[2:] == ["b1"])
    jobs.let_go("b1")
    jobs.let_go("a1")
    wait_until(lambda: jobs.begun[3:] == ["a3"])
    jobs.let_go("a2", "a3", "a4")
    wait_until(lambda: jobs.begun[4:] == ["a4"])


def test_the_apps_have_turns() -> None:
    jobs = Jobs()
    pool = Pool("test", 1, jobs.work, share=1, queue=10)
    for job in ("a1", "a2", "a3", "b1", "c1", "b2"):
        assert pool.submit(job[0].encode(), job)
    jobs.let_go("a1", "a2", "a3", "b1", "b2", "c1")
    wait_until(lambda: len(jobs.begun) == 6)
    assert jobs.begun == ["a1", "a2", "b1", "c1", "a3", "b2"]


def test_a_queue_has_an_end() -> None:
    jobs = Jobs()
    pool = Pool("test", 2, jobs.work, share=1, queue=2)
    assert [pool.submit(b"a", f"a{number}") for number in range(5)] == [True, True, True, False, False]
    assert pool.submit(b"b", "b0")
    wait_until(lambda: sorted(jobs.begun) == ["a0", "b0"])
    jobs.let_go(*(f"a{number}" for number in range(3)), "b0")
    wait_until(lambda: len(jobs.begun) == 4)


def test_who_waits_too_long_is_taken_away_with_the_reason() -> None:
    jobs = Jobs()
    pool = Pool("test", 2, jobs.work, share=1, queue=9)
    for job in ("a1", "a2", "b1", "c1"):
        pool.submit(job[0].encode(), job)
    wait_until(lambda: len(jobs.begun) == 2)
    assert pool.overdue(time.monotonic() - 5) == []
    # The first waits for the share of its app, the other for any thread.
    assert pool.overdue(time.monotonic()) == [("a2", True), ("c1", False)]
    assert pool.overdue(time.monotonic()) == []
    jobs.let_go("a1", "b1", "d1")
    pool.submit(b"d", "d1")
    wait_until(lambda: jobs.begun[2:] == ["d1"])
