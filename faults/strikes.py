"""What is done to a service and its database while clients write: each fault with what answers it may lead to."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

import psycopg
from scene import CLUSTER_TIMEOUT, REQUEST_TIMEOUT, Scene
from writers import NOTHING_ELSE, Allowed

from installation import Connected
from postgres_server import PostgresServer
from slow_clients import head, opened
from sqlite_files import REPLACED, away, without_room

#: Seconds between two blows of a kill loop.
BETWEEN = (0.05, 0.4)
#: Seconds that a frozen thing stays so: longer than the deadline of a request.
FROZEN = REQUEST_TIMEOUT + 1
_chance = random.Random(19)

Strike = Callable[[Scene, Connected, int], None]


@dataclass(frozen=True)
class Fault:
    """A fault: its name on the page, what does it, how often in the short form, and what it allows."""

    name: str
    strike: Strike
    times: int = 1
    allowed: Allowed = NOTHING_ELSE
    #: A request may wait so long, in seconds.
    patience: float = REQUEST_TIMEOUT + 2

    def __str__(self) -> str:
        """The name, for tests."""
        return self.name


def _kill_workers(scene: Scene, app: Connected, times: int) -> None:
    for _ in range(times):
        time.sleep(_chance.uniform(*BETWEEN))
        os.kill(_chance.choice(_workers(scene)), signal.SIGKILL)


def _workers(scene: Scene) -> list[int]:
    """The workers; waits for one where all were killed."""
    while not (found := scene.workers()):
        time.sleep(0.02)
    return found


def _kill_all(scene: Scene, app: Connected, times: int) -> None:
    for _ in range(times):
        time.sleep(_chance.uniform(*BETWEEN))
        scene.start_again(whole=True)


def _kill_masters(scene: Scene, app: Connected, times: int) -> None:
    for _ in range(times):
        time.sleep(_chance.uniform(*BETWEEN))
        scene.start_again(whole=False)


def _hold_sqlite(scene: Scene, app: Connected, times: int) -> None:
    for _ in range(times):
        with closing(sqlite3.connect(scene.folder / "scimlite.db", isolation_level=None, timeout=10)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(FROZEN)
            other.execute("ROLLBACK")
        scene.recover()


def _fill_the_disk(scene: Scene, app: Connected, times: int) -> None:
    assert scene.disk is not None
    for _ in range(times):
        with without_room(scene.disk):
            time.sleep(1)
        scene.recover()


def _limit_files(scene: Scene, app: Connected, times: int) -> None:
    for _ in range(times):
        size = (scene.folder / "scimlite.db").stat().st_size
        limited = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in scene.workers()}
        for pid, (_, hard) in limited.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
        time.sleep(1)
        for pid, limits in limited.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        scene.recover()


def _take_the_file_away(scene: Scene, app: Connected, times: int) -> None:
    for number in range(times):
        with away(scene.folder, REPLACED[number % len(REPLACED)]):
            time.sleep(0.5)
        scene.recover()


def _restart_postgresql(scene: Scene, app: Connected, times: int) -> None:
    assert scene.server is not None
    for _ in range(times):
        scene.server.restart()
        scene.recover()
        time.sleep(_chance.uniform(*BETWEEN))


def _kill_a_backend(scene: Scene, app: Connected, times: int) -> None:
    assert scene.server is not None
    for _ in range(times):
        # A process that serves a client: the server then ends all sessions and reads its WAL again.
        os.kill(_chance.choice(_backends(scene.server)), signal.SIGKILL)
        time.sleep(0.1)
        scene.recover()
        time.sleep(_chance.uniform(*BETWEEN))


def _backends(server: PostgresServer) -> list[int]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        mine = connection.info.backend_pid
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> %s"
        return [int(pid) for (pid,) in connection.execute(query, (mine,))]


def _freeze_postgresql(scene: Scene, app: Connected, times: int) -> None:
    assert scene.server is not None
    for _ in range(times):
        with scene.server.frozen():
            time.sleep(FROZEN)
        scene.recover()


def _cut_the_network(scene: Scene, app: Connected, times: int) -> None:
    assert scene.forwarder is not None
    for _ in range(times):
        scene.forwarder.cut()
        time.sleep(0.5)
        scene.forwarder.mend()
        scene.recover()


def _freeze_the_network(scene: Scene, app: Connected, times: int) -> None:
    assert scene.forwarder is not None
    for _ in range(times):
        with scene.forwarder.frozen():
            time.sleep(FROZEN)
        scene.recover()


def _kill_the_leader(scene: Scene, app: Connected, times: int) -> None:
    assert scene.cluster is not None
    for _ in range(times):
        leader = scene.cluster.wait_until_ready()
        leader.send(signal.SIGKILL)
        assert leader.process is not None
        leader.process.wait()
        scene.recover()
        scene.cluster.start(leader)
    scene.cluster.wait_until_ready()


def _freeze_the_leader(scene: Scene, app: Connected, times: int) -> None:
    assert scene.cluster is not None
    for _ in range(times):
        leader = scene.cluster.wait_until_ready()
        leader.send(signal.SIGSTOP)
        try:
            scene.recover()
        finally:
            leader.send(signal.SIGCONT)
    scene.cluster.wait_until_ready()


def _be_slow(scene: Scene, app: Connected, times: int) -> None:
    here = Connected(app.slug, scene.client(app), app.token, app.text)
    half = head(here, "Content-Length: 1000")
    for _ in range(times):
        with ExitStack() as stack:
            for sent in (b"", b"POST /scim/v2/x/Users HTTP/1.1\r\nHost: x\r\n", half, half + b'{"userName": "slow'):
                stack.enter_context(opened(here, 20, sent))
            time.sleep(2)


_KILLS = Allowed(resets=True)
KILLS = (
    Fault("a worker is killed (SIGKILL)", _kill_workers, 12, _KILLS),
    Fault("all processes are killed", _kill_all, 4, _KILLS),
    Fault("the master is killed", _kill_masters, 4, _KILLS),
)
#: 80 clients in the middle of a request must not be felt by the others.
SLOW_CLIENTS = Fault("80 clients send half a request and wait", _be_slow, patience=2)
SQLITE = (
    Fault("another program holds the file for longer than a deadline", _hold_sqlite, 2),
    # A commit in the moment of the change may be in the file, as docs/when-it-breaks.md says.
    Fault("the file is taken away", _take_the_file_away, 10, Allowed(doubtful=True)),
    Fault("files cannot grow (RLIMIT_FSIZE)", _limit_files, 4),
)
FULL_DISK = Fault("the disk is full", _fill_the_disk, 3)
POSTGRESQL = (
    Fault("the server is restarted at once", _restart_postgresql, 4),
    Fault("one of the server's processes is killed", _kill_a_backend, 3),
    Fault("all of the server's processes are frozen (SIGSTOP)", _freeze_postgresql, 2),
)
NETWORK = (
    Fault("the network to the server is cut", _cut_the_network, 4),
    Fault("the network to the server holds everything", _freeze_the_network, 2),
)
PGBOUNCER = (
    Fault("PgBouncer in between, and a worker is killed", _kill_workers, 6, _KILLS),
    Fault("PgBouncer in between, and the server is restarted", _restart_postgresql, 3),
)
#: Seen in one of three runs; docs/when-it-breaks.md says what closes the gap.
_STALE = Allowed(stale=True)
PATRONI = (
    Fault("Patroni: the leader is killed, another one takes over", _kill_the_leader, 2, patience=CLUSTER_TIMEOUT + 2),
    Fault("Patroni: the leader is frozen, another one takes over", _freeze_the_leader, 1, _STALE, CLUSTER_TIMEOUT + 2),
)
