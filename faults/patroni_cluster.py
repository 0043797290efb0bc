"""Three PostgreSQL servers under Patroni, which agree by Raft among themselves and need nothing else.

Patroni is installed from the package index into .venv-faults, because its requirements are not the service's.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from postgres_server import PostgresServer, free_port

VENV = Path(__file__).parent.parent / ".venv-faults"
#: Seconds: the lease of a leader (Patroni allows no less), its rounds, and how long it tries.
TTL, LOOP_WAIT, RETRY_TIMEOUT = 20, 1, 3
#: Seconds until a cluster must have a leader and two replicas.
READY = 90


@dataclass
class Node:
    """One Patroni with its server."""

    name: str
    folder: Path
    #: Ports of PostgreSQL, of Patroni's HTTP, and of Raft.
    port: int
    rest: int
    raft: int
    process: subprocess.Popen[bytes] | None = None

    def processes(self) -> list[int]:
        """Patroni and all that it started, PostgreSQL's processes among them."""
        assert self.process is not None
        found = [self.process.pid]
        for parent in found:
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        with contextlib.suppress(OSError, ValueError, IndexError):
            postmaster = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            if postmaster not in found:
                children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
                found += [postmaster, *map(int, children)]
        return found

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Cluster:
    """Three nodes, with synchronous replication: what is acknowledged is on two of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._password = secrets.token_hex(16)
        self._binaries = PostgresServer(folder).binaries()
        self.nodes = [Node(f"node{n}", folder / f"node{n}", free_port(), free_port(), free_port()) for n in range(3)]

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Cluster]:
        """A cluster that is ready, ended afterwards; skips where Patroni cannot be installed."""
        _install()
        cluster = cls(folder)
        try:
            for node in cluster.nodes:
                cluster.start(node)
            cluster.wait_until_ready()
            yield cluster
        finally:
            for node in cluster.nodes:
                if node.process is not None:
                    node.send(signal.SIGKILL)
                    node.process.wait()

    @property
    def url(self) -> str:
        """The URL with all hosts, as docs/when-it-breaks.md has it."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres:{self._password}@{hosts}/postgres?target_session_attrs=read-write"

    def start(self, node: Node) -> None:
        """Start Patroni, which makes the server or goes on with what the folder has."""
        node.folder.mkdir(exist_ok=True)
        file = node.folder / "patroni.json"
        # Patroni reads YAML, of which JSON is a part.
        file.write_text(json.dumps(self._configuration(node)))
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (node.folder, file):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PATRONI"))}
        with (node.folder / "log").open("ab") as log:
            node.process = subprocess.Popen(
                [VENV / "bin" / "patroni", file],
                cwd=node.folder,
                env={**environ, "HOME": str(node.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity,
            )

    def leader(self) -> Node | None:
        """The node that says of itself that it leads, if there is one."""
        leaders = [node for node in self.nodes if self._is(node, "leader")]
        return leaders[0] if leaders else None

    def wait_until_ready(self) -> Node:
        """The leader, once it has two replicas, one of them synchronous. Raises AssertionError after READY."""
        end = time.monotonic() + READY
        while True:
            leader = self.leader()
            replicas = sum(self._is(node, "replica") for node in self.nodes)
            if leader is not None and replicas == 2 and any(self._is(node, "sync") for node in self.nodes):
                return leader
            assert time.monotonic() < end, (self.nodes[0].folder / "log").read_text()[-3000:]
            time.sleep(0.5)

    def _is(self, node: Node, role: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{node.rest}/{role}", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _configuration(self, node: Node) -> dict[str, Any]:
        user = {"username": "postgres", "password": self._password}
        settings = {"max_connections": 100, "wal_keep_size": "512MB"}
        dcs = {"ttl": TTL, "loop_wait": LOOP_WAIT, "retry_timeout": RETRY_TIMEOUT, "synchronous_mode": True}
        return {
            "scope": "faults",
            "name": node.name,
            "restapi": {"listen": f"127.0.0.1:{node.rest}", "connect_address": f"127.0.0.1:{node.rest}"},
            "raft": {
                "data_dir": str(node.folder / "raft"),
                "self_addr": f"127.0.0.1:{node.raft}",
                "partner_addrs": [f"127.0.0.1:{other.raft}" for other in self.nodes if other is not node],
            },
            "bootstrap": {
                "dcs": {
                    **dcs,
                    "synchronous_mode_strict": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": settings},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{node.port}",
                "connect_address": f"127.0.0.1:{node.port}",
                "bin_dir": str(self._binaries),
                "data_dir": str(node.folder / "data"),
                "authentication": {"superuser": user, "replication": user, "rewind": user},
                "parameters": {"unix_socket_directories": "", "listen_addresses": "127.0.0.1"},
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
            },
        }


def _install() -> None:
    if (VENV / "bin" / "patroni").exists():
        return
    # PostgreSQL refuses to be root, and "nobody" cannot run a Python below /root.
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") if os.geteuid() == 0 else None
    pip = [sys.executable, "-m", "pip", "--python", str(VENV / "bin" / "python"), "--quiet", "install"]
    for command in (
        [python or sys.executable, "-m", "venv", "--without-pip", str(VENV)],
        [*pip, "patroni[raft]>=4", "psycopg[binary]"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            pytest.skip(f"Patroni cannot be installed: {done.stderr.strip()[-300:]}")
