"""The scene of a fault: a database of either kind, and a service on it that can be started again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patroni_cluster import Cluster

from commands import Commands
from installation import Connected, Installation
from live_service import LiveService
from pgbouncer import pgbouncer
from postgres_server import PostgresServer, empty_database
from scim_client import ScimClient
from tcp_forwarder import Forwarder
from worker_sockets import workers

WORKERS, THREADS = 2, 4
#: Seconds: the deadline of a request in a scene, so that a freeze need not be long, and the wait for a lock.
REQUEST_TIMEOUT, BUSY_TIMEOUT = 2.0, 1.0
#: The same where there are several hosts: each may take the 5 seconds of connect_timeout.
CLUSTER_TIMEOUT = 20.0
#: Seconds within which a scene must work again; a cluster waits for the lease of its leader to end.
RECOVERY, CLUSTER_RECOVERY = 20.0, 90.0
#: Seconds that `scimlite db check` may take.
CHECK = 600.0


@dataclass
class Scene:
    """One database, and the service that runs on it now."""

    installation: Installation
    service: LiveService
    #: The folder of the SQLite file.
    folder: Path
    server: PostgresServer | None = None
    forwarder: Forwarder | None = None
    #: Where the SQLite file has a disk of its own.
    disk: Path | None = None
    cluster: Cluster | None = None
    #: Seconds within which it must work again, and workers end that have lost their master.
    recovery: float = RECOVERY

    @property
    def database(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.installation.kind

    def app(self) -> Connected:
        """A new app for one fault."""
        made = self.installation.app("fault", **{"brake-users": "off", "brake-percent": "off"})
        # A thread that has a connection would find it broken by the next fault.
        self.installation.db.close()
        return made

    def client(self, app: Connected) -> ScimClient:
        """A new client of an app that goes to the service that runs now."""
        return self.installation.client(app.slug, app.text, self.service.url)

    def workers(self) -> list[int]:
        """The process ids of the service's workers."""
        return workers(self.service.pid)

    def start_again(self, *, whole: bool) -> None:
        """Kill the service by SIGKILL and start another one; `whole`, or its master alone, whose workers must end.

        Raises AssertionError when they do not.
        """
        dead, orphans = self.service, self.workers()
        if whole:
            os.killpg(dead.pid, signal.SIGKILL)
        else:
            os.kill(dead.pid, signal.SIGKILL)
        dead.process.wait()
        # At once, so that orphans and new workers write side by side for a moment.
        self.service = self.installation.start(workers=WORKERS, threads=THREADS)
        end = time.monotonic() + self.recovery
        while left := [pid for pid in orphans if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() < end, f"The workers {left} outlive their master."
            time.sleep(0.05)

    def recover(self) -> float:
        """Wait until every worker says that it is well; returns the seconds. Raises AssertionError if not."""
        began, good = time.monotonic(), 0
        while good < 2 * WORKERS:
            assert time.monotonic() - began < self.recovery, f"It is not well:\n{self.service.log.read_text()[-2000:]}"
            try:
                good = good + 1 if ScimClient(self.service.url, timeout=10).get("/healthz").status == 200 else 0
            except OSError:
                good = 0
            time.sleep(0.02)
        return time.monotonic() - began

    def unsound(self, app: Connected) -> list[str]:
        """What `scimlite db check` finds in an app."""
        # All that former faults have left in the database is read too.
        said = Commands(self.installation.env).process("db", "check", "--app", app.slug, "--json", timeout=CHECK)
        if said.code == 0:
            return []
        return [str(said.json["findings"]) if said.out else said.err]


@contextmanager
def on_sqlite(folder: Path, disk: Path | None = None) -> Iterator[Scene]:
    """A scene on a SQLite file in a new folder, which may be on a disk of its own."""
    state = (disk or folder) / "state"
    state.mkdir()
    with _scene(f"sqlite:///{state / 'scimlite.db'}", folder) as scene:
        scene.folder, scene.disk = state, disk
        yield scene


@contextmanager
def on_postgresql(folder: Path, server: PostgresServer) -> Iterator[Scene]:
    """A scene on a new database of a server that is the scene's alone."""
    with empty_database(server.url()) as url, _scene(url, folder) as scene:
        scene.server = server
        yield scene


@contextmanager
def behind_a_network(folder: Path, server: PostgresServer) -> Iterator[Scene]:
    """A scene on a new database whose network can be cut and held."""
    with (
        empty_database(server.url()) as url,
        Forwarder.to(url) as forwarder,
        _scene(forwarder.url(url), folder) as scene,
    ):
        scene.server, scene.forwarder = server, forwarder
        yield scene


@contextmanager
def behind_pgbouncer(folder: Path, server: PostgresServer) -> Iterator[Scene]:
    """A scene on a new database by way of PgBouncer in transaction mode; skips where there is no PgBouncer."""
    place = folder / "pgbouncer"
    place.mkdir()
    with (
        empty_database(server.url()) as url,
        pgbouncer(url, place, default_pool_size="4") as pooled,
        _scene(pooled, folder) as scene,
    ):
        scene.server = server
        yield scene


@contextmanager
def on_patroni(folder: Path) -> Iterator[Scene]:
    """A scene on three servers under Patroni; skips where it cannot be installed."""
    with Cluster.running(folder) as cluster, _scene(cluster.url, folder, CLUSTER_TIMEOUT) as scene:
        scene.cluster, scene.recovery = cluster, CLUSTER_RECOVERY
        yield scene


@contextmanager
def _scene(url: str, folder: Path, timeout: float = REQUEST_TIMEOUT) -> Iterator[Scene]:
    settings = {"REQUEST_TIMEOUT": str(timeout), "BUSY_TIMEOUT": str(BUSY_TIMEOUT)}
    installation = Installation.new(url, folder, **settings)
    try:
        yield Scene(installation, installation.start(workers=WORKERS, threads=THREADS), folder)
    finally:
        installation.stop()
