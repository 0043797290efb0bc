"""A SQLite file that is taken away or without space: 503 with the reason, and no acknowledged write is lost."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands import Commands
from live_service import LiveService
from scim_client import Answer, ScimClient, assert_scim_error
from sqlite_files import REPLACED, away, small_disk, without_room

#: Seconds within which readers notice that the file is another one.
NOTICED = 3.0


@dataclass
class Site:
    """A service on a SQLite file of its own, with an app."""

    folder: Path
    commands: Commands
    service: LiveService
    client: ScimClient

    @property
    def file(self) -> Path:
        return self.folder / "scimlite.db"

    @property
    def wal(self) -> Path:
        return self.folder / "scimlite.db-wal"

    @property
    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.service.pid}/task/{self.service.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def health(self) -> Answer:
        return ScimClient(self.service.url).get("/healthz")

    def users(self) -> set[str]:
        return {user["userName"] for user in self.client.another().find("Users", count="1000")["Resources"]}


@contextmanager
def site_in(folder: Path, logs: Path, workers: int = 2) -> Iterator[Site]:
    commands = Commands({"SCIMLITE_STATE_DIR": str(folder), "SCIMLITE_BUSY_TIMEOUT": "2"})
    token = commands.process("app", "create", "A", "--json").ok().json["token"]
    service = LiveService.start(commands.env, workers=workers, threads=4, folder=logs)
    try:
        yield Site(folder, commands, service, ScimClient(f"{service.url}/scim/v2/a", token))
    finally:
        service.stop()
    service.assert_no_traceback()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "state").mkdir()
    with site_in(folder / "state", folder) as site:
        yield site


def refused(answer: Answer) -> str:
    detail = str(assert_scim_error(answer, 503)["detail"])
    assert int(answer.headers["retry-after"]) > 0
    return detail


def until(condition: Callable[[], bool], seconds: float = NOTICED) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.parametrize("how", REPLACED)
def test_another_file_is_503_until_the_first_one_is_back(site: Site, how: str) -> None:
    before = site.users()
    logged = len(site.service.log.read_text())
    with away(site.folder, how):
        refused(site.client.user(f"lost {how}"))
        until(lambda: all(site.client.another().get("/Users").status == 503 for _ in range(4)))
        refused(site.client.user(f"lost again {how}"))
        assert "its file is not the file any more that was opened" in refused(site.health())
        assert str(site.folder) not in refused(site.health())
        lines = [line for line in site.service.log.read_text()[logged:].splitlines() if "SQLite file" in line]
        assert 1 <= len(lines) <= 2, "one line of each worker"
        assert all(str(site.file) in line for line in lines)
    site.client.user(f"back {how}").ok(201)
    until(lambda: all(site.health().status == 200 for _ in range(4)))
    # A commit that was not acknowledged may still be in the file that is back.
    assert {*before, f"back {how}"} <= site.users() <= {*before, f"back {how}", f"lost {how}", f"lost again {how}"}


def another_database(file: Path, to: Path) -> None:
    """One that somebody else has changed more often."""
    with closing(sqlite3.connect(to, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE other (number INTEGER)")
        for number in range(200):
            connection.execute("INSERT INTO other VALUES (?)", (number,))


def compacted(file: Path, to: Path) -> None:
    """The same data on other pages."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM INTO ?", (str(to),))


@pytest.mark.parametrize("make", [shutil.copyfile, compacted, another_database])
@pytest.mark.parametrize("checkpointed", [True, False])
def test_a_file_that_is_copied_over_the_database(
    tmp_path: Path, make: Callable[[Path, Path], object], checkpointed: bool
) -> None:
    def checkpoint() -> None:
        # What the service does by itself after some more writes.
        with closing(sqlite3.connect(site.file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    with site_in(tmp_path / "state", tmp_path) as site:
        make(site.file, tmp_path / "copy.db")
        for number in range(20):
            site.client.user(f"user {number}").ok(201)
        if checkpointed:
            checkpoint()
        site.client.user("after a checkpoint").ok(201)
        shutil.copyfile(tmp_path / "copy.db", site.file)
        if make is shutil.copyfile and not checkpointed:
            # It is the same file: nothing has been written to it since.
            site.client.user("nothing lost").ok(201)
            return
        refused(site.client.user("lost"))
        until(lambda: all(site.client.another().get("/Users").status == 503 for _ in range(4)))
        said = refused(site.health())
        if make is not another_database:
            # With that SQLite may be the first to stumble.
            assert "its file is not" in said
            assert "another file was copied over it" in site.service.log.read_text()
        # What the service does meanwhile hides nothing.
        refused(site.client.user("lost too"))
        until(lambda: all(site.client.another().get("/Users").status == 503 for _ in range(4)))


@pytest.mark.parametrize("checkpointed", [True, False])
def test_a_file_that_is_cut_is_noticed_at_the_next_commit(tmp_path: Path, checkpointed: bool) -> None:
    with site_in(tmp_path / "state", tmp_path, workers=1) as site:
        for number in range(20):
            site.client.user(f"user {number}").ok(201)
        if checkpointed:
            with closing(sqlite3.connect(site.file)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        site.health().ok(200)
        os.truncate(site.file, site.file.stat().st_size // 2)
        refused(site.client.user("lost"))
        until(lambda: all(site.client.another().get("/Users").status == 503 for _ in range(4)))
        refused(site.client.user("lost too"))
        told = site.service.log.read_text()
        # SQLite itself may come upon it first.
        assert "something has cut off its end" in told or "it is damaged" in told


def test_a_file_that_is_touched_is_the_same_file(site: Site) -> None:
    for _ in range(5):
        site.file.touch()
        site.client.another().user(f"touched {time.monotonic()}").ok(201)
    assert site.health().status == 200


def test_nothing_is_acknowledged_into_a_file_that_is_not_there(site: Site) -> None:
    acknowledged: list[str] = []
    stopped = threading.Event()

    def write(thread: int) -> None:
        client = site.client.another()
        for number in range(10_000):
            if stopped.is_set():
                return
            name = f"{thread} of many, {number}"
            if client.user(name).status == 201:
                acknowledged.append(name)

    with ThreadPoolExecutor(4) as pool:
        for thread in range(4):
            pool.submit(write, thread)
        try:
            for how in REPLACED:
                time.sleep(0.2)
                with away(site.folder, how):
                    time.sleep(0.1)
                    count = len(acknowledged)
                    time.sleep(0.2)
                    assert len(acknowledged) == count
            time.sleep(0.2)
        finally:
            stopped.set()
    assert len(acknowledged) > 20
    found: set[str] = set()
    for page in range(1, len(acknowledged) * 2, 1000):
        answer = site.client.find("Users", startIndex=str(page), count="1000")
        found |= {user["userName"] for user in answer["Resources"]}
    assert set(acknowledged) <= found


def test_what_was_acknowledged_outlives_a_write_ahead_log_that_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with site_in(folder, tmp_path) as site:
        for number in range(20):
            site.client.user(f"user {number}").ok(201)
        site.wal.unlink()
        assert "its file is not" in refused(site.health())
        refused(site.client.user("late"))
        said = site.commands.process("app", "list")
        assert said.code == 1
        assert "restart" in said.err
        assert said.err.count("\n") == 1
        os.killpg(site.service.pid, signal.SIGKILL)
        site.service.process.wait()
    said = site.commands.process("user", "list", "--json").ok()
    assert {f"user {number}" for number in range(20)} <= {user["user_name"] for user in said.json_lines}


def test_an_index_that_is_deleted_damages_nothing(tmp_path: Path) -> None:
    """A process that opens the database meanwhile would make another one, and both would write over each other."""
    folder = tmp_path / "state"
    with site_in(folder, tmp_path) as site:
        for number in range(20):
            site.client.user(f"user {number}").ok(201)
        site.wal.with_name("scimlite.db-shm").unlink()
        refused(site.client.user("late"))
        assert "its file is not" in refused(site.health())
        said = site.commands.process("app", "disable", "a")
        assert said.code == 1
        assert "-shm file is gone" in said.err
        assert said.err.count("\n") == 1
        # A worker that comes in the place of another one makes no other index either.
        os.kill(site.workers[0], signal.SIGKILL)
        until(lambda: len(site.workers) == 2, 20)
        time.sleep(1)
        for _ in range(10):
            refused(site.client.another().user("late"))
        assert not site.wal.with_name("scimlite.db-shm").exists()
    site.commands.process("db", "check").ok()
    said = site.commands.process("user", "list", "--json").ok()
    assert {f"user {number}" for number in range(20)} <= {user["user_name"] for user in said.json_lines}


# --- space and I/O ------------------------------------------------------------------------------------------------


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, site_in(disk / "state", tmp_path, workers=2) as site:
        made = {name for name in (f"user {number}" for number in range(20)) if site.client.user(name).ok(201)}
        with without_room(disk):
            answers = [site.client.another().user(f"none {number}") for number in range(20)]
            assert {answer.status for answer in answers} <= {201, 503}
            made |= {f"none {number}" for number, answer in enumerate(answers) if answer.status == 201}
            assert answers[-1].status == 503
            for answer in answers:
                if answer.status == 503:
                    refused(answer)
            # Reading needs no space.
            assert made <= site.users()
            for _ in range(4):
                assert "the disk is full" in refused(site.health())
            assert re.search("database unavailable since [^\n]*: the disk is full", site.service.log.read_text())
            for command in (("app", "disable", "a"), ("token", "issue", "a", "--label", "b"), ("app", "create", "B")):
                said = site.commands.process(*command)
                assert (said.code, said.out) == (1, "")
                assert f"SQLite file {site.file} cannot be used: the disk is full" in said.err
                assert said.err.count("\n") == 1
        for _ in range(4):
            site.health().ok(200)
        site.client.user("afterwards").ok(201)
        assert {*made, "afterwards"} <= site.users()


def test_a_disk_that_refuses_to_write(tmp_path: Path) -> None:
    # A limit on the size of files is an I/O error for SQLite, and no disk is full.
    with site_in(tmp_path / "state", tmp_path, workers=1) as site:
        site.client.user("before").ok(201)
        (worker,) = site.workers
        limits = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        size = max(site.wal.stat().st_size, site.service.log.stat().st_size)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (size + 20_000, limits[1]))
        answers = [site.client.user(f"during {number}") for number in range(20)]
        refused(answers[-1])
        site.client.get("/Users").ok(200)
        assert "its disk reports an I/O error" in refused(site.health())
        resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)
        site.client.user("after").ok(201)
        site.health().ok(200)
        done = {f"during {number}" for number, answer in enumerate(answers) if answer.status == 201}
        assert site.users() == {"before", "after", *done}
