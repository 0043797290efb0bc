"""Writes at the same time: SQLite's share transactions, and none is lost or mixed up with another."""

from __future__ import annotations

import _thread
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from scimlite import journal
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.db import Database, migration, open_database
from scimlite.db.tables import JournalRow
from scimlite.errors import ScimError, Unavailable
from scimlite.journal import Action, Entry, Origin, Scope, report

THREADS, EACH = 8, 25


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """An installation's database with one app."""
    db = open_database(database_url, busy_timeout=1.0)
    migration.upgrade(db)
    apps.create(Scope(db, Origin("test")), "App")
    yield db
    db.close()


@pytest.fixture
def one_writer(db: Database) -> Database:
    """The database, where writers wait for each other; there is nothing to see on the other one."""
    if db.kind != "sqlite":
        pytest.skip("PostgreSQL's writers wait for rows, not for each other.")
    return db


def add(db: Database, request: str) -> Callable[[], str]:
    """A write of one journal entry under this request id, which gives the id."""

    def work() -> str:
        workspace = Workspace(db, Origin("test", request_id=request), apps.get(db, "app"))
        journal.record(workspace, [Entry(Action.SEARCHED)])
        return request

    return work


def kept(db: Database) -> Counter[str | None]:
    query = JournalRow.select(JournalRow.request_id).where(JournalRow.action == Action.SEARCHED.value)
    return Counter(row[0] for row in db.rows(query))


def in_threads(task: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(task, range(THREADS)))


def closing(db: Database, task: Callable[[int], Any]) -> Callable[[int], Any]:
    """The task of a thread, whose connection is closed after it."""

    def run(number: int) -> Any:
        try:
            return task(number)
        finally:
            db.close()

    return run


def test_each_thread_gets_what_its_own_write_gave(db: Database) -> None:
    def task(number: int) -> None:
        for turn in range(EACH):
            assert db.transact(add(db, f"{number}-{turn}")) == f"{number}-{turn}"
            # It is durable: another connection sees it.
            assert report.of_request(db, f"{number}-{turn}")

    in_threads(closing(db, task))
    assert kept(db) == Counter(f"{number}-{turn}" for number in range(THREADS) for turn in range(EACH))


def test_one_that_fails_takes_no_other_with_it(db: Database) -> None:
    class Failed(ScimError):
        pass

    def task(number: int) -> list[str]:
        failed = []
        for turn in range(EACH):
            name = f"{number}-{turn}"

            def work(name: str = name) -> None:
                add(db, name)()
                if int(name[-1]) % 3 == 0:
                    raise Failed(name)

            try:
                db.transact(work)
            except Failed as error:
                failed.append(error.detail)
        return failed

    told = in_threads(closing(db, task))
    assert all(name.startswith(f"{number}-") for number, names in enumerate(told) for name in names)
    failed = {name for names in told for name in names}
    every = {f"{number}-{turn}" for number in range(THREADS) for turn in range(EACH)}
    assert failed == {name for name in every if int(name[-1]) % 3 == 0}
    assert kept(db) == Counter(every - failed)


def test_work_sees_the_context_variables_of_the_thread_that_asked(db: Database) -> None:
    asking: ContextVar[int] = ContextVar("asking")

    def task(number: int) -> list[int]:
        asking.set(number)
        return [db.transact(asking.get) for _ in range(EACH)]

    assert in_threads(closing(db, task)) == [[number] * EACH for number in range(THREADS)]


def test_what_follows_a_commit_is_done_once_by_the_thread_that_asked(db: Database) -> None:
    done: list[tuple[str, int]] = []

    def task(number: int) -> int:
        for turn in range(EACH):
            name = f"{number}-{turn}"

            def work(name: str = name) -> None:
                add(db, name)()
                db.on_commit(lambda: done.append((name, threading.get_ident())))
                if name.endswith("7"):
                    raise ScimError(name)

            try:
                db.transact(work)
            except ScimError:
                continue
            assert done
        return threading.get_ident()

    idents = in_threads(closing(db, task))
    wanted = Counter(
        (f"{number}-{turn}", idents[number])
        for number in range(THREADS)
        for turn in range(EACH)
        if not str(turn).endswith("7")
    )
    assert Counter(done) == wanted


@pytest.mark.usefixtures("one_writer")
def test_who_waits_too_long_is_told_and_nothing_of_it_is_done_later(db: Database) -> None:
    begun, end = threading.Event(), threading.Event()

    def hold() -> None:
        def work() -> None:
            add(db, "long")()
            begun.set()
            assert end.wait(20)

        db.transact(work)

    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(closing(db, lambda _: hold()), 0)
        assert begun.wait(10)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            db.transact(add(db, "late"))
        assert time.monotonic() - started < 5
        end.set()
        holder.result()
    db.transact(add(db, "after"))
    assert kept(db) == Counter(["long", "after"])


@pytest.fixture
def writing_elsewhere(one_writer: Database, database_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the middle of a write, which ends when something can be read from its standard input."""
    program = """if True:
        import sys
        from scimlite.db import open_database
        def work():
            print("begun", flush=True)
            sys.stdin.read(1)
        open_database(sys.argv[1]).transact(work)
        """
    command = [sys.executable, "-c", program, database_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        yield process
        process.communicate(timeout=20)
    assert process.returncode == 0


def end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b".")
    process.stdin.flush()


def test_who_waits_too_long_for_another_process_leaves_the_queue(
    db: Database, database_url: str, writing_elsewhere: subprocess.Popen[bytes]
) -> None:
    def late(number: int) -> None:
        with pytest.raises(Unavailable):
            db.transact(add(db, str(number)))

    started = time.monotonic()
    in_threads(closing(db, late))
    assert time.monotonic() - started < 5
    end(writing_elsewhere)
    # While this process does not want to write, its turn is nobody's.
    other = open_database(database_url, busy_timeout=5.0)
    other.transact(add(other, "other"))
    other.close()
    db.transact(add(db, "after"))
    assert kept(db) == Counter(["other", "after"])


def test_who_asks_again_stands_where_it_stood(db: Database, writing_elsewhere: subprocess.Popen[bytes]) -> None:
    threads = set()
    for number in range(3):
        with pytest.raises(Unavailable):
            db.transact(add(db, f"early{number}"))
        threads.add(_thread._count())
    assert len(threads) == 1
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(closing(db, lambda _: db.transact(add(db, "again"))), 0)
        time.sleep(0.2)
        end(writing_elsewhere)
        assert asked.result() == "again"
    assert kept(db) == Counter(["again"])


class Interrupt(Exception):
    """Strikes a thread wherever it is, as Ctrl-C does."""


@contextmanager
def interrupted(after: float) -> Iterator[None]:
    """A block that this thread, the main one, is torn out of after so many seconds."""

    def strike(signum: int, frame: FrameType | None) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        with pytest.raises(Interrupt):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_who_is_interrupted_in_the_queue_keeps_no_turn(
    db: Database, database_url: str, writing_elsewhere: subprocess.Popen[bytes]
) -> None:
    with interrupted(0.2):
        db.transact(add(db, "gone"))
    end(writing_elsewhere)
    other = open_database(database_url, busy_timeout=5.0)
    other.transact(add(other, "other"))
    other.close()
    db.transact(add(db, "after"))
    assert kept(db) == Counter(["other", "after"])


@pytest.mark.usefixtures("one_writer")
def test_who_is_interrupted_behind_another_thread_leaves_the_lead_to_the_next(db: Database) -> None:
    begun, end = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert end.wait(20)

    def follow(number: int) -> str:
        time.sleep(0.1)
        return db.transact(add(db, "next"))

    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(closing(db, lambda _: db.transact(hold)), 0)
        assert begun.wait(10)
        following = pool.submit(closing(db, follow), 1)
        with interrupted(0.3):
            db.transact(add(db, "gone"))
        end.set()
        holder.result()
        assert following.result() == "next"
    db.transact(add(db, "after"))
    assert kept(db) == Counter(["next", "after"])


#: A process of which a thread waits for its turn is forked; it and its child say that their writes were done.
_FORKED = """if True:
    import os, sys, threading, time
    from scimlite.db import open_database
    db = open_database(sys.argv[1], busy_timeout=20.0)
    def write():
        db.transact(lambda: print("written", flush=True))
        db.close()
    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.3)
    child = os.fork()
    if child == 0:
        write()
        os._exit(0)
    print("forked", flush=True)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    """


def test_a_process_that_is_forked_while_it_waits_can_write(
    db: Database, database_url: str, writing_elsewhere: subprocess.Popen[bytes]
) -> None:
    command = [sys.executable, "-c", _FORKED, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "forked\n"
        end(writing_elsewhere)
        assert process.stdout.read() == "written\nwritten\n"
    assert process.returncode == 0
    db.transact(add(db, "after"))


@pytest.mark.usefixtures("one_writer")
def test_a_child_does_not_keep_the_turn_of_a_parent_that_was_killed(db: Database, database_url: str) -> None:
    program = """if True:
        import os, signal, sys, time
        from scimlite.db import open_database
        def work():
            if os.fork() == 0:
                # Whoever reads what it prints does not wait for it.
                os.close(1)
                time.sleep(20)
                os._exit(0)
            print(os.getpid(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        open_database(sys.argv[1]).transact(work)
        """
    command = [sys.executable, "-c", program, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.wait(20) == -signal.SIGKILL
            db.transact(add(db, "after"))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert kept(db) == Counter(["after"])


def no_thread(*_: Any) -> None:
    raise RuntimeError("can't start new thread")


def no_lock(file: int, operation: int, lock: Callable[[int, int], None] = fcntl.flock) -> None:
    """A lock that cannot be waited for, as on a network's file system whose server forgot how to."""
    if operation == fcntl.LOCK_EX:
        raise OSError("No locks available")
    lock(file, operation)


@pytest.mark.parametrize(
    ("module", "name", "failing"), [(_thread, "start_new_thread", no_thread), (fcntl, "flock", no_lock)]
)
def test_a_queue_that_fails_is_503_and_another_one_is_tried_next_time(
    db: Database,
    writing_elsewhere: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    failing: Callable[..., None],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, name, failing)
        # Without the queue, SQLite's own lock keeps writers apart.
        with pytest.raises(Unavailable):
            db.transact(add(db, "early"))
    end(writing_elsewhere)
    writing_elsewhere.wait(20)
    db.transact(add(db, "after"))
    assert kept(db) == Counter(["after"])


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_whatever_a_write_raises_is_raised_in_the_thread_that_asked(db: Database, error: type[BaseException]) -> None:
    def work() -> None:
        add(db, "undone")()
        raise error

    with pytest.raises(error):
        db.transact(work)
    db.transact(add(db, "after"))
    assert kept(db) == Counter(["after"])


def test_a_write_that_is_interrupted_disturbs_no_other(db: Database) -> None:
    with interrupted(0.2):
        db.transact(lambda: time.sleep(0.5))
    db.transact(add(db, "after"))
    assert kept(db) == Counter(["after"])


def test_the_end_of_a_process_loses_no_acknowledged_write_and_waits_for_none(db: Database, database_url: str) -> None:
    program = """if True:
        import sys, threading, time
        from scimlite import apps, journal
        from scimlite.apps.workspace import Workspace
        from scimlite.db import open_database
        from scimlite.journal import Action, Entry, Origin
        db = open_database(sys.argv[1])
        app = apps.get(db, "app")
        begun = threading.Event()
        def add(request, seconds=0):
            def work():
                if seconds:
                    begun.set()
                time.sleep(seconds)
                journal.record(Workspace(db, Origin("test", request_id=request), app), [Entry(Action.SEARCHED)])
            db.transact(work)
            print(request, flush=True)
        add("first")
        threading.Thread(target=add, args=("second", 0.3)).start()
        # Else both could share a transaction.
        begun.wait()
        threading.Thread(target=add, args=("endless", 60), daemon=True).start()
        """
    command = [sys.executable, "-c", program, database_url]
    started = time.monotonic()
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=50, check=True)
    assert time.monotonic() - started < 30
    assert ran.stdout.split() == ["first", "second"]
    assert kept(db) == Counter(["first", "second"])


def test_processes_take_turns(db: Database, database_url: str, tmp_path: Path) -> None:
    """Each has threads of its own; none waits in vain while the others go on."""
    program = """if True:
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from scimlite import journal
        from scimlite.admin import apps
        from scimlite.apps.workspace import Workspace
        from scimlite.db import open_database
        from scimlite.journal import Action, Entry, Origin
        db = open_database(sys.argv[1], busy_timeout=20.0)
        app = apps.get(db, "app")
        def task(number):
            for turn in range(25):
                workspace = Workspace(db, Origin("test", request_id=f"{sys.argv[2]}-{number}-{turn}"), app)
                db.transact(lambda: journal.record(workspace, [Entry(Action.SEARCHED)]))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(task, range(4)))
        """
    command = [sys.executable, "-c", program, database_url]
    running = [subprocess.Popen([*command, str(number)], cwd=tmp_path) for number in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert kept(db) == Counter(f"{p}-{n}-{turn}" for p in range(3) for n in range(4) for turn in range(25))
